//! RegisterThing over MQTT: a device that was given a certificate has itself provisioned with it.
//!
//! Two steps: what can be refused before the hook is asked, and the rest. Nothing is changed by a
//! request that is rejected.
//! Truth: <https://docs.aws.amazon.com/iot/latest/developerguide/fleet-provision-api.html>; the
//! order and the words from <https://github.com/ministackorg/ministack/pull/1755>.

use std::collections::BTreeMap;

use serde::Serialize;
use serde_json::{Map, Value};

use super::hook::{HookCall, HookOutcome, HookRequest};
use super::{FleetRejection, FleetRequest};
use crate::errors::ErrorCode;
use crate::names::{CertificateId, ClientId, TemplateName, ThingName};
use crate::provisioning::functions::text;
use crate::provisioning::resources::{Resources, Unusable, device_configuration};
use crate::provisioning::run::{
    CERTIFICATE_ID, Failing, Origin, Provisioned, ProvisioningFailure, parse, run,
};
use crate::provisioning::template::Template;
use crate::registry::{Registry, TemplateType};
use crate::time::Timestamp;

/// Who asks.
#[derive(Clone, Copy, Debug)]
pub(crate) struct FleetCaller<'a> {
    pub(crate) client_id: &'a ClientId,
    /// The ID of the certificate that it connected with.
    pub(crate) certificate_id: &'a str,
}

/// A request that may go on.
#[derive(Debug)]
pub(crate) struct Registering {
    token: String,
    certificate_id: CertificateId,
    template_body: String,
    parameters: BTreeMap<String, String>,
}

/// What RegisterThing answers a device.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Registered {
    device_configuration: Map<String, Value>,
    #[serde(skip_serializing_if = "Option::is_none")]
    thing_name: Option<ThingName>,
    #[serde(skip)]
    pub(crate) provisioned: Provisioned,
}

impl Registering {
    //= https://github.com/ministackorg/ministack/pull/1755
    //# the order: payload, template, enabled, token, and then the hook
    /// Reads a request, and says whom to ask before it goes on.
    pub(crate) fn begin(
        registry: &Registry,
        request: &FleetRequest,
        template_name: &TemplateName,
        payload: &[u8],
        caller: FleetCaller<'_>,
        now: Timestamp,
    ) -> Result<(Self, Option<HookCall>), FleetRejection> {
        let members = request.format.read(payload).map_err(FleetRejection::unreadable)?;
        let parameters = read_parameters(&members)?;
        let template = registry.provisioning_template(template_name.as_str());
        //? assumed: a template for JITP counts as none
        let template = template.filter(|template| template.kind() != TemplateType::Jitp);
        let invalid = |text: String| FleetRejection::new("InvalidTemplate", text);
        let template = template.ok_or_else(|| {
            invalid(format!("Template with name {template_name} does not exist."))
        })?;
        if !template.enabled {
            let why = "UpdateProvisioningTemplate can enable it";
            return Err(invalid(format!("Template {template_name} is not enabled.")).because(why));
        }
        let token = members.get("certificateOwnershipToken").and_then(Value::as_str);
        let token = token.unwrap_or_default().to_owned();
        let certificate_id = certificate_of(registry, &token, now)?;
        let call = template.hook().map(|hook| {
            let certificate = registry.certificate(certificate_id);
            let asked = HookRequest {
                claim_certificate_id: caller.certificate_id,
                certificate_id,
                certificate_pem: certificate.map(|it| it.certificate.pem()).unwrap_or_default(),
                template_arn: template.arn(),
                client_id: caller.client_id,
                parameters: &parameters,
            };
            HookCall {
                function_arn: hook.target_arn.clone(),
                template_arn: template.arn().clone(),
                payload: serde_json::to_vec(&asked).unwrap_or_default().into(),
            }
        });
        let template_body = template.body().to_owned();
        Ok((Self { token, certificate_id, template_body, parameters }, call))
    }

    //= https://docs.aws.amazon.com/iot/latest/developerguide/pre-provisioning-hook.html
    //# an override stands in the place of what the device sent
    //= https://github.com/ministackorg/ministack/pull/1755
    //# null takes the value away
    /// Takes in what the hook answered.
    pub(crate) fn take_in(&mut self, outcome: HookOutcome) -> Result<(), FleetRejection> {
        for (name, value) in outcome.overrides()? {
            match value {
                Some(value) => self.parameters.insert(name, value),
                None => self.parameters.remove(&name),
            };
        }
        Ok(())
    }

    /// Runs the template; `request_id` stands in the words of a failure.
    pub(crate) fn finish(
        self,
        registry: &mut Registry,
        request_id: &str,
        now: Timestamp,
    ) -> Result<Registered, FleetRejection> {
        // While the hook was asked, another request may have used the token.
        let certificate_id = certificate_of(registry, &self.token, now)?;
        let failed = |failure: Box<_>| failed(*failure, request_id);
        let template = parse(&self.template_body).map_err(failed)?;
        let parameters = self.values(&template);
        let resources = Resources::resolve(&template, &parameters).map_err(unresolved)?;
        let configuration = device_configuration(&template, &parameters).map_err(unresolved)?;
        let origin = Origin::Waiting(certificate_id);
        let provisioned =
            run(registry, &resources, origin, Failing::LeavesNothing, now).map_err(failed)?;
        registry.spend_token(&self.token);
        Ok(Registered {
            device_configuration: configuration,
            thing_name: provisioned.thing_name.clone(),
            provisioned,
        })
    }

    //? assumed: the certificate's ID is that of the token, whatever the device sends
    fn values(&self, template: &Template) -> BTreeMap<String, String> {
        let mut values = template.values(&self.parameters);
        values.insert(CERTIFICATE_ID.to_owned(), self.certificate_id.to_string());
        values
    }
}

//? assumed: numbers and truth values count as their text, as a hook's do; anything else makes the
//? message one that cannot be parsed
fn read_parameters(
    members: &Map<String, Value>,
) -> Result<BTreeMap<String, String>, FleetRejection> {
    let given = match members.get("parameters") {
        None | Some(Value::Null) => return Ok(BTreeMap::new()),
        Some(Value::Object(given)) => given,
        Some(_) => return Err(FleetRejection::unreadable("parameters is no object")),
    };
    let pairs = given.iter().map(|(name, value)| {
        let wrong = || FleetRejection::unreadable(format!("parameters.{name} is no text"));
        Ok((name.clone(), text(value).ok_or_else(wrong)?))
    });
    pairs.collect()
}

//= https://github.com/aws/aws-iot-device-sdk-js-v2/issues/69
//# a token that is missing or empty: `Certificate ownership token cannot be empty.`
fn certificate_of(
    registry: &Registry,
    token: &str,
    now: Timestamp,
) -> Result<CertificateId, FleetRejection> {
    let invalid = |text| FleetRejection::new("InvalidCertificateOwnershipToken", text);
    if token.is_empty() {
        return Err(invalid("Certificate ownership token cannot be empty."));
    }
    registry.certificate_of_token(token, now).ok_or_else(|| {
        let why = "nobody was given this token, it was used, its hour is over, or its certificate \
                   was deleted";
        invalid("Certificate ownership token is invalid.").because(why)
    })
}

//= https://github.com/ministackorg/ministack/pull/1755
//# a reference without a value: `Cannot resolve reference value: NAME`
fn unresolved(unusable: Unusable) -> FleetRejection {
    let Unusable { logical_id, sentence, why } = unusable;
    let rejection = match sentence {
        Some(sentence) => FleetRejection::new("InvalidParameters", without_form(&sentence)),
        //? assumed: the words for what is resolved and cannot be made
        None => {
            FleetRejection::new("InvalidTemplate", format!("Invalid registration template. {why}"))
        }
    };
    FleetRejection { step: Some(logical_id), ..rejection.because(why) }
}

/// Over MQTT the name stands alone, where the AWS API says `{Ref=NAME}`.
fn without_form(sentence: &str) -> String {
    match sentence.split_once("{Ref=") {
        Some((before, name)) => format!("{before}{}", name.trim_end_matches('}')),
        None => sentence.to_owned(),
    }
}

//= https://github.com/ministackorg/ministack/pull/1755
//# what the registry refuses, in the words of the AWS API with the request's ID
fn failed(failure: ProvisioningFailure, request_id: &str) -> FleetRejection {
    let ProvisioningFailure { step, error, why, .. } = failure;
    let rejection = match error.code() {
        ErrorCode::ResourceRegistrationFailureException => FleetRejection::new(
            "ProvisioningFailed",
            format!(
                "{} (Service: AWSIot; Status Code: 400; Error Code: {}; Request ID: {request_id}; \
                 Proxy: null)",
                error.message(),
                error.code().name(),
            ),
        ),
        _ => FleetRejection::new("InvalidTemplate", error.message()),
    };
    FleetRejection { step: Some(step), why, ..rejection }
}
