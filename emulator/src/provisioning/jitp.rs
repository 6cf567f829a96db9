//! Just-in-time provisioning: the CA's template, run for one certificate that waits in
//! PENDING_ACTIVATION.
//!
//! Everything is resolved before anything is made. What was made before a failure stays, and the
//! certificate waits on; the next connection tries again.
//! Truth: <https://docs.aws.amazon.com/iot/latest/developerguide/jit-provisioning.html>.

use std::collections::BTreeMap;

use serde_json::json;

use crate::errors::{ApiError, ErrorCode};
use crate::names::{Arn, CertificateId, PolicyName, ThingName};
use crate::pki::{AttributeKind, Certificate, escape_rfc2253, sha1_hex_upper};
use crate::registry::{
    AttachThingPrincipalRequest, CertificateStatus, GetPolicyRequest, PolicyTargetRequest, Registry,
};
use crate::service_model::read;
use crate::time::Timestamp;
use crate::trace::on_one_line;

use super::resources::{PolicyResource, PolicySource, Resources, ThingResource, Unusable};
use super::template::{NotATemplate, Override, Template};

//= https://docs.aws.amazon.com/iot/latest/developerguide/jit-provisioning.html
//# the parameters that a template may declare, all from the subject but the ID
const SUBJECT_PARAMETERS: [(&str, AttributeKind); 7] = [
    ("AWS::IoT::Certificate::Country", AttributeKind::Country),
    ("AWS::IoT::Certificate::Organization", AttributeKind::Organization),
    ("AWS::IoT::Certificate::OrganizationalUnit", AttributeKind::OrganizationalUnit),
    (
        "AWS::IoT::Certificate::DistinguishedNameQualifier",
        AttributeKind::DistinguishedNameQualifier,
    ),
    ("AWS::IoT::Certificate::StateName", AttributeKind::State),
    ("AWS::IoT::Certificate::CommonName", AttributeKind::CommonName),
    ("AWS::IoT::Certificate::SerialNumber", AttributeKind::SerialNumber),
];
const CERTIFICATE_ID: &str = "AWS::IoT::Certificate::Id";

/// What provisioning did.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Provisioned {
    /// The thing, if the template has one.
    pub(crate) thing_name: Option<ThingName>,
    /// The policies now attached to the certificate.
    pub(crate) policy_names: Vec<PolicyName>,
    /// What the certificate became; `None` if it did not wait for provisioning any more.
    pub(crate) status: Option<CertificateStatus>,
    /// The ARNs of what the template stands for, by logical ID.
    pub(crate) resource_arns: BTreeMap<String, Arn>,
    /// What happened, a line each.
    pub(crate) lines: Vec<String>,
}

/// What stopped provisioning.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ProvisioningFailure {
    /// Where: a section or a logical ID of the template, or the certificate itself.
    pub(crate) step: String,
    /// What RegisterThing, which AWS calls for it, answers.
    pub(crate) error: ApiError,
    /// What AWS does not say, a line each.
    pub(crate) why: Vec<String>,
    /// What was done before, and stays.
    pub(crate) done: Vec<String>,
}

type Step<T> = Result<T, Box<ProvisioningFailure>>;

/// Runs the template of the certificate's CA.
///
/// A certificate that does not wait in PENDING_ACTIVATION any more is left alone: two connections
/// may ask for the same thing.
pub(crate) fn provision(
    registry: &mut Registry,
    certificate_id: CertificateId,
    now: Timestamp,
) -> Result<Provisioned, Box<ProvisioningFailure>> {
    let Some(record) = registry.certificate(certificate_id) else {
        let error = ApiError::not_found(format!("CertificateId {certificate_id} does not exist"));
        return Err(failure("the certificate", error, "it was deleted meanwhile"));
    };
    if record.status != CertificateStatus::PendingActivation {
        let line = format!("nothing to do: the certificate is {} meanwhile", record.status);
        return Ok(Provisioned { lines: vec![line], ..Provisioned::default() });
    }
    let (leaf, ca) = (record.certificate.clone(), record.ca_certificate_id);
    let body = template_body(registry, ca)?;
    let template = Template::parse(&body).map_err(|NotATemplate(why)| {
        failure("the template", invalid_template("The template body is invalid"), &why)
    })?;
    let parameters = parameters(&template, &leaf)?;
    let resources = Resources::resolve(&template, &parameters).map_err(
        |Unusable { logical_id, sentence, why }| {
            let error = invalid_template(sentence.as_deref().unwrap_or(&why));
            failure(&logical_id, error, &why)
        },
    )?;
    let mut run = Run { registry, certificate_id, now, provisioned: Provisioned::default() };
    match run.all(&resources) {
        Ok(()) => Ok(run.provisioned),
        Err(mut failure) => {
            failure.done = run.provisioned.lines;
            Err(failure)
        }
    }
}

fn template_body(registry: &Registry, ca: Option<CertificateId>) -> Step<String> {
    let ca = ca.and_then(|id| registry.ca_certificate(id));
    let config = ca.and_then(|ca| ca.registration_config.as_ref());
    config.and_then(|config| config.template_body.clone()).ok_or_else(|| {
        let error = ApiError::not_found("Requested CA Certificate does not exist.");
        failure("the CA certificate", error, "it has no registrationConfig any more")
    })
}

//= https://docs.aws.amazon.com/iot/latest/developerguide/jit-provisioning.html
//# provisioning fails if the subject lacks a declared parameter
//= https://security.stackexchange.com/questions/272476
//# the values come escaped as RFC 2253 has it
//? assumed: a Default stands in for what the subject lacks; of several values the first counts
fn parameters(template: &Template, leaf: &Certificate) -> Step<BTreeMap<String, String>> {
    //= https://docs.aws.amazon.com/iot/latest/developerguide/provision-template.html
    //# the fleet provisioning example refers to the certificate's ID without declaring it
    //? assumed: the other parameters must be declared to be referred to
    let mut values = BTreeMap::from([(CERTIFICATE_ID.to_owned(), leaf.id().to_string())]);
    for (name, default) in &template.parameters {
        if name == CERTIFICATE_ID {
            continue;
        }
        let kind = SUBJECT_PARAMETERS.iter().find(|(known, _)| known == name);
        let value = kind.and_then(|(_, kind)| leaf.subject().values(*kind).next());
        let Some(value) = value.map(escape_rfc2253).or_else(|| default.clone()) else {
            let sentence = format!("Cannot resolve reference value: {{Ref={name}}}");
            let why = match kind {
                Some((_, kind)) => format!(
                    "the template declares `{name}`, but the subject `{}` has no {}",
                    leaf.subject(),
                    kind.symbol(),
                ),
                None => format!("the template declares `{name}`, which no certificate provides"),
            };
            return Err(failure("Parameters", invalid_template(&sentence), &why));
        };
        values.insert(name.clone(), value);
    }
    Ok(values)
}

/// A template in the middle of its run.
struct Run<'a> {
    registry: &'a mut Registry,
    certificate_id: CertificateId,
    now: Timestamp,
    provisioned: Provisioned,
}

impl Run<'_> {
    //= https://docs.aws.amazon.com/iot/latest/developerguide/jit-provisioning.html
    //# thing, policy, policy to certificate, certificate to thing, status
    fn all(&mut self, resources: &Resources) -> Step<()> {
        if let Some(thing) = &resources.thing {
            let what = format!("thing `{}`", thing.name);
            self.thing(thing).map_err(|error| ended(&thing.logical_id, &what, &error))?;
        }
        for policy in &resources.policies {
            let what = match &policy.source {
                PolicySource::Name(name) => format!("policy `{name}`"),
                PolicySource::Document(_) => "the policy document".to_owned(),
            };
            self.policy(policy).map_err(|error| ended(&policy.logical_id, &what, &error))?;
        }
        if let Some(thing) = &resources.thing {
            let what = format!("attaching the certificate to thing `{}`", thing.name);
            self.attach_to_thing(thing).map_err(|error| ended(&thing.logical_id, &what, &error))?;
        }
        //= https://docs.aws.amazon.com/iot/latest/developerguide/jit-provisioning.html
        //# the example keeps DO_NOTHING for the status and still ends with ACTIVE: a certificate
        //# that waits always takes the template's status
        let certificate = &resources.certificate;
        let arn = self.certificate_arn();
        self.provisioned.resource_arns.insert(certificate.logical_id.clone(), arn);
        self.registry.set_certificate_status(self.certificate_id, certificate.status, self.now);
        self.provisioned.status = Some(certificate.status);
        self.did(format!("set the certificate {}", certificate.status));
        Ok(())
    }

    fn certificate_arn(&self) -> Arn {
        self.registry.scope().iot_arn("cert", self.certificate_id)
    }

    fn did(&mut self, line: String) {
        self.provisioned.lines.push(line);
    }

    fn thing(&mut self, thing: &ThingResource) -> Result<(), ApiError> {
        let name = ThingName::new(&thing.name);
        let arn = self.registry.scope().iot_arn("thing", &name);
        let exists = self.registry.thing(&name).is_some();
        let kept = |setting| exists && setting == Override::DoNothing;
        if let Some(kind) = thing.thing_type.as_ref().filter(|_| !kept(thing.thing_type_override)) {
            return Err(self.registry.unknown("Thing Type", kind));
        }
        if exists {
            self.existing_thing(thing, &name)?;
        } else {
            let attributes = thing.attributes.clone().unwrap_or_default();
            let input = json!({
                "thingName": thing.name,
                "attributePayload": { "attributes": attributes },
                "billingGroupName": thing.billing_group,
            });
            self.registry.create_thing(read("CreateThing", input)?, self.now)?;
            self.did(format!("made thing `{name}`"));
        }
        self.provisioned.thing_name = Some(name);
        self.provisioned.resource_arns.insert(thing.logical_id.clone(), arn);
        match thing.groups.first().filter(|_| !kept(thing.groups_override)) {
            Some(group) => Err(self.registry.unknown("ThingGroup", group)),
            None => Ok(()),
        }
    }

    //= https://docs.aws.amazon.com/iot/latest/developerguide/provision-template.html
    //# a thing that differs: leave it, replace, merge, or fail; it fails unless told otherwise
    fn existing_thing(&mut self, thing: &ThingResource, name: &ThingName) -> Result<(), ApiError> {
        let existing = self.registry.thing(name).map(|thing| thing.attributes.to_map());
        let existing = existing.unwrap_or_default();
        let merge = match (&thing.attributes, thing.attributes_override) {
            (None, _) | (_, Override::DoNothing) => None,
            (Some(wanted), _) if *wanted == existing => None,
            (Some(_), Override::Replace) => Some(false),
            (Some(_), Override::Merge) => Some(true),
            (Some(wanted), Override::Fail) => {
                //= https://github.com/ministackorg/ministack/pull/1755
                //# the text for attributes that conflict
                return Err(ApiError::invalid_request(format!(
                    "Existing AttributePayload: {} conflicts with AttributePayload: {} in \
                     Template.",
                    printed(&existing),
                    printed(wanted),
                )));
            }
        };
        let Some(merge) = merge else {
            self.did(format!("thing `{name}` exists and is kept"));
            return Ok(());
        };
        let attributes = thing.attributes.clone().unwrap_or_default();
        let payload = json!({ "attributes": attributes, "merge": merge });
        let input = json!({ "thingName": thing.name, "attributePayload": payload });
        self.registry.update_thing(read("UpdateThing", input)?, self.now)?;
        self.did(format!("changed the attributes of thing `{name}`"));
        Ok(())
    }

    fn policy(&mut self, policy: &PolicyResource) -> Result<(), ApiError> {
        let name = match &policy.source {
            PolicySource::Name(name) => {
                let input = json!({ "policyName": name });
                self.registry.get_policy(read("GetPolicy", input)?)?;
                name.clone()
            }
            PolicySource::Document(document) => self.policy_of(document, &policy.logical_id)?,
        };
        let target = self.certificate_arn().to_string();
        let input = PolicyTargetRequest { policy_name: name.clone(), target };
        self.registry.attach_policy(input)?;
        self.did(format!("attached policy `{name}` to the certificate"));
        self.provisioned.policy_names.push(PolicyName::from(name));
        Ok(())
    }

    //= https://docs.aws.amazon.com/iot/latest/developerguide/single-thing-provisioning.html
    //# the name is a hash of the document, 40 upper-case hex digits in the example
    //? assumed: SHA-1 of the resolved text; so the next device finds the policy of the first
    fn policy_of(&mut self, document: &str, logical_id: &str) -> Result<String, ApiError> {
        let name = sha1_hex_upper(document.as_bytes());
        let arn = self.registry.scope().iot_arn("policy", &name);
        let input = GetPolicyRequest { policy_name: name.clone() };
        if self.registry.get_policy(input).is_err() {
            let input = json!({ "policyName": name, "policyDocument": document });
            self.registry.create_policy(read("CreatePolicy", input)?, self.now)?;
            self.did(format!("made policy `{name}`"));
        }
        self.provisioned.resource_arns.insert(logical_id.to_owned(), arn);
        Ok(name)
    }

    fn attach_to_thing(&mut self, thing: &ThingResource) -> Result<(), ApiError> {
        let principal = self.certificate_arn().to_string();
        let input = AttachThingPrincipalRequest {
            thing_name: thing.name.clone(),
            principal,
            thing_principal_type: None,
        };
        self.registry.attach_thing_principal(input)?;
        self.did(format!("attached the certificate to thing `{}`", thing.name));
        Ok(())
    }
}

/// A map as AWS prints one.
fn printed(attributes: &BTreeMap<String, String>) -> String {
    let pairs: Vec<String> =
        attributes.iter().map(|(name, value)| format!("{name}={value}")).collect();
    format!("{{{}}}", pairs.join(", "))
}

//= https://security.stackexchange.com/questions/272476
//# `Invalid registration template. Cannot resolve reference value: {Ref=…}`
fn invalid_template(sentence: &str) -> ApiError {
    ApiError::invalid_request(format!("Invalid registration template. {sentence}"))
}

fn failure(step: &str, error: ApiError, why: &str) -> Box<ProvisioningFailure> {
    let (step, why) = (step.to_owned(), vec![on_one_line(why)]);
    Box::new(ProvisioningFailure { step, error, why, done: Vec::new() })
}

//= https://github.com/ministackorg/ministack/pull/1755
//# what the registry refuses ends the workflow: `Register thing workflow execution terminates …`
fn ended(logical_id: &str, what: &str, refused: &ApiError) -> Box<ProvisioningFailure> {
    let error = ApiError::new(
        ErrorCode::ResourceRegistrationFailureException,
        format!("Register thing workflow execution terminates due to: {}", refused.message()),
    );
    failure(logical_id, error, &format!("{what}: {refused}"))
}
