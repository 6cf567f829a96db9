//! RegisterThing: a template that a caller gives, with the values of its parameters.
//!
//! It is read before the registry is asked, so that AWS's CA can issue what a signing request in
//! it asks for. How a template is run is decided in `run`.
//! Truth: <https://docs.aws.amazon.com/iot/latest/apireference/API_RegisterThing.html> and
//! <https://docs.aws.amazon.com/iot/latest/developerguide/single-thing-provisioning.html>.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::json;

use crate::errors::ApiError;
use crate::names::Arn;
use crate::pki::{Certificate, SigningRequest};
use crate::registry::Registry;
use crate::service_model::read;
use crate::time::Timestamp;

use super::resources::{CertificateSource, Resources};
use super::run::{Failing, Origin, Provisioned, Step, ended, parse, resolve, run};
use super::template::Template;

/// RegisterThing's input.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(crate) struct RegisterThingRequest {
    pub(crate) template_body: String,
    pub(crate) parameters: BTreeMap<String, String>,
}

/// RegisterThing's answer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct RegisterThingResponse {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) certificate_pem: Option<String>,
    pub(crate) resource_arns: BTreeMap<String, Arn>,
}

/// What a caller wants registered, read and resolved.
#[derive(Debug)]
pub(crate) struct Registration {
    resources: Resources,
}

impl Registration {
    /// Reads the template, and puts in the values of its parameters.
    pub(crate) fn read(input: &RegisterThingRequest) -> Step<Self> {
        Self::of(&parse(&input.template_body)?, &input.parameters)
    }

    /// Puts the values of its parameters into a template.
    pub(super) fn of(template: &Template, parameters: &BTreeMap<String, String>) -> Step<Self> {
        let resources = resolve(template, &template.values(parameters))?;
        Ok(Self { resources })
    }

    /// The request that AWS's CA signs, if the template has one.
    //? assumed: a request that AWS does not take ends the workflow, as what the registry refuses
    pub(crate) fn signing_request(&self) -> Step<Option<SigningRequest>> {
        let certificate = &self.resources.certificate;
        let CertificateSource::SigningRequest(pem) = &certificate.source else { return Ok(None) };
        SigningRequest::from_pem(pem).map(Some).map_err(|violation| {
            let refused = ApiError::invalid_request(violation.to_string());
            ended(&certificate.logical_id, &violation.why, &refused)
        })
    }

    /// Runs the template, with the certificate that was issued for its signing request.
    pub(crate) fn run(
        &self,
        registry: &mut Registry,
        issued: Option<Certificate>,
        now: Timestamp,
    ) -> Step<Provisioned> {
        let origin = match (issued, &self.resources.certificate.source) {
            (Some(certificate), _) => Origin::Issued(certificate),
            (None, CertificateSource::Pem { certificate, ca_certificate }) => {
                Origin::Pem { certificate, ca_certificate: ca_certificate.as_deref() }
            }
            (None, CertificateSource::Id(id) | CertificateSource::SigningRequest(id)) => {
                Origin::Id(id)
            }
            (None, CertificateSource::Absent) => Origin::Absent,
        };
        run(registry, &self.resources, origin, Failing::LeavesWhatWasMade, now)
    }
}

impl RegisterThingResponse {
    //= https://docs.aws.amazon.com/cli/latest/reference/iot/register-thing.html
    //# the certificate, and the ARNs of what the template made or found, by logical ID; a policy
    //# that it only names is not among them
    /// The answer for what was provisioned.
    pub(crate) fn of(registry: &Registry, provisioned: &Provisioned) -> Result<Self, ApiError> {
        let described = provisioned.certificate_id.map(|id| {
            let input = read("DescribeCertificate", json!({ "certificateId": id.to_string() }))?;
            registry.describe_certificate(input)
        });
        let certificate = described.transpose()?.map(|described| described.certificate_description);
        let certificate_pem = certificate.map(|certificate| certificate.certificate_pem);
        Ok(Self { certificate_pem, resource_arns: provisioned.resource_arns.clone() })
    }
}
