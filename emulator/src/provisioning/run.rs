//! One run of a template: the certificate, the thing, the policies, and what belongs to what.
//!
//! Where template and parameters come from is not known here: a CA certificate and a subject
//! (`jitp`), or a caller (`register_thing`). What was made before a failure stays.
//! Truth: <https://docs.aws.amazon.com/iot/latest/developerguide/provision-template.html>.

use std::collections::BTreeMap;

use serde_json::json;

use crate::errors::{ApiError, ErrorCode};
use crate::names::{Arn, CertificateId, PolicyName, ThingName};
use crate::pki::{Certificate, sha1_hex_upper};
use crate::registry::{
    AttachThingPrincipalRequest, CertificateStatus, GetPolicyRequest, PolicyTargetRequest,
    Registry, Target,
};
use crate::service_model::read;
use crate::time::Timestamp;
use crate::trace::on_one_line;

use super::resources::{
    CertificateResource, PolicyResource, PolicySource, Resources, ThingResource, Unusable,
};
use super::template::{NotATemplate, Override, Template};
use super::undo::{Journal, Undo};

/// What provisioning did.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Provisioned {
    /// The thing, if the template has one.
    pub(crate) thing_name: Option<ThingName>,
    /// The policies now attached to the certificate.
    pub(crate) policy_names: Vec<PolicyName>,
    /// What the certificate became; `None` if it did not wait for provisioning any more.
    pub(crate) status: Option<CertificateStatus>,
    /// The certificate.
    pub(crate) certificate_id: Option<CertificateId>,
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

pub(super) type Step<T> = Result<T, Box<ProvisioningFailure>>;

/// Where the certificate of a run comes from.
#[derive(Debug)]
pub(super) enum Origin<'a> {
    /// It is registered, and waits in PENDING_ACTIVATION.
    Waiting(CertificateId),
    /// AWS's CA issued it for the template's signing request.
    Issued(Certificate),
    /// The template names it: one that is registered.
    Id(&'a str),
    /// The template holds it, to be registered.
    Pem { certificate: &'a str, ca_certificate: Option<&'a str> },
    /// The template has none.
    Absent,
}

/// What becomes of what was made when a later step fails.
//? assumed: a run for fleet provisioning leaves nothing, as nothing is changed by a request that is
//? rejected; JITP and RegisterThing leave it, and trying again finds it
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Failing {
    LeavesWhatWasMade,
    LeavesNothing,
}

/// The parameter that stands for the ID of the device's certificate.
pub(super) const CERTIFICATE_ID: &str = "AWS::IoT::Certificate::Id";

/// Reads a template body.
pub(super) fn parse(body: &str) -> Step<Template> {
    Template::parse(body).map_err(|NotATemplate(why)| {
        failure("the template", invalid_template("The template body is invalid"), &why)
    })
}

/// Resolves a template with these values of its parameters.
pub(super) fn resolve(
    template: &Template,
    parameters: &BTreeMap<String, String>,
) -> Step<Resources> {
    Resources::resolve(template, parameters).map_err(|Unusable { logical_id, sentence, why }| {
        let error = invalid_template(sentence.as_deref().unwrap_or(&why));
        failure(&logical_id, error, &why)
    })
}

/// Makes what `resources` says.
//? assumed: RegisterThing has the order of JITP, with the certificate first and INACTIVE until all
//? is done; like JITP it keeps what it made before a failure
pub(super) fn run(
    registry: &mut Registry,
    resources: &Resources,
    origin: Origin<'_>,
    failing: Failing,
    now: Timestamp,
) -> Step<Provisioned> {
    let certificate = &resources.certificate;
    let found = find_certificate(registry, certificate, origin, now)
        .map_err(|error| ended(&certificate.logical_id, "the certificate", &error))?;
    let provisioned = Provisioned {
        certificate_id: found.as_ref().map(|found| found.id),
        lines: found.iter().filter_map(|found| found.line).map(str::to_owned).collect(),
        ..Provisioned::default()
    };
    let status = found.and_then(|found| found.status);
    let changes = registry.changes_so_far();
    let journal = Journal::default();
    let mut run = Run { registry, now, provisioned, journal };
    let Err(mut failure) = run.all(resources, status) else { return Ok(run.provisioned) };
    match failing {
        Failing::LeavesWhatWasMade => failure.done = run.provisioned.lines,
        Failing::LeavesNothing => {
            run.journal.undo(run.registry, now);
            run.registry.forget_changes_since(changes);
        }
    }
    Err(failure)
}

/// The certificate of a run.
struct Found {
    id: CertificateId,
    /// The status that it takes in the end; `None` if it keeps its own.
    status: Option<CertificateStatus>,
    /// What was done for it.
    line: Option<&'static str>,
}

/// Finds or registers the certificate, if the template has one.
fn find_certificate(
    registry: &mut Registry,
    resource: &CertificateResource,
    origin: Origin<'_>,
    now: Timestamp,
) -> Result<Option<Found>, ApiError> {
    let status = Some(resource.status);
    let found = match origin {
        Origin::Absent => return Ok(None),
        //= https://docs.aws.amazon.com/iot/latest/developerguide/jit-provisioning.html
        //# the example keeps DO_NOTHING for the status and still ends with ACTIVE: a certificate
        //# that waits always takes the template's status
        Origin::Waiting(id) => Found { id, status, line: None },
        Origin::Issued(certificate) => {
            let id = certificate.id();
            registry.store_issued_certificate(certificate, now);
            Found { id, status, line: Some("made the certificate") }
        }
        Origin::Id(text) => registered(registry, text, resource)?,
        //? assumed: a CertificatePem that is registered is refused as by RegisterCertificate
        Origin::Pem { certificate, ca_certificate } => {
            let pem = json!({ "certificatePem": certificate, "caCertificatePem": ca_certificate });
            let input = read("RegisterCertificate", pem)?;
            let id = registry.register_certificate(input, now)?.certificate_id;
            Found { id, status, line: Some("registered the certificate") }
        }
    };
    Ok(Some(found))
}

//= https://docs.aws.amazon.com/iot/latest/developerguide/provision-template.html
//# of a certificate the Status can be overridden: leave it, replace it, or fail
//? assumed: the text of the conflict, and that a certificate in PENDING_ACTIVATION has no status of
//? its own to conflict with
fn registered(
    registry: &Registry,
    text: &str,
    resource: &CertificateResource,
) -> Result<Found, ApiError> {
    let record = text.parse().ok().and_then(|id| registry.certificate(id));
    let Some(record) = record else {
        return Err(ApiError::not_found(format!("CertificateId {text} does not exist")));
    };
    let (status, wanted) = (record.status, resource.status);
    if status == CertificateStatus::PendingTransfer {
        let message = format!("CertificateId {text} is on its way to another account");
        return Err(ApiError::new(ErrorCode::CertificateStateException, message));
    }
    let changes = match resource.status_override {
        _ if status == CertificateStatus::PendingActivation => true,
        _ if status == wanted => false,
        Override::DoNothing => false,
        Override::Replace | Override::Merge => true,
        Override::Fail => {
            return Err(ApiError::invalid_request(format!(
                "Existing Status: {status} conflicts with Status: {wanted} in Template."
            )));
        }
    };
    Ok(Found { id: record.certificate.id(), status: changes.then_some(wanted), line: None })
}

/// A template in the middle of its run. What it does to the thing stands in `things`.
pub(super) struct Run<'a> {
    pub(super) registry: &'a mut Registry,
    pub(super) now: Timestamp,
    pub(super) provisioned: Provisioned,
    pub(super) journal: Journal,
}

impl Run<'_> {
    //= https://docs.aws.amazon.com/iot/latest/developerguide/jit-provisioning.html
    //# thing, policy, policy to certificate, certificate to thing, status
    fn all(&mut self, resources: &Resources, status: Option<CertificateStatus>) -> Step<()> {
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
        let Some(certificate_id) = self.provisioned.certificate_id else { return Ok(()) };
        let arn = self.arn_of(certificate_id);
        self.provisioned.resource_arns.insert(resources.certificate.logical_id.clone(), arn);
        if let Some(status) = status {
            self.registry.set_certificate_status(certificate_id, status, self.now);
            self.did(format!("set the certificate {status}"));
        }
        self.provisioned.status = status;
        Ok(())
    }

    fn arn_of(&self, certificate_id: CertificateId) -> Arn {
        self.registry.scope().iot_arn("cert", certificate_id)
    }

    pub(super) fn did(&mut self, line: String) {
        self.provisioned.lines.push(line);
    }

    fn policy(&mut self, policy: &PolicyResource) -> Result<(), ApiError> {
        let name = match &policy.source {
            PolicySource::Name(name) => {
                let input = read("GetPolicy", json!({ "policyName": name }))?;
                //= https://github.com/ministackorg/ministack/pull/1755
                //# the words for a policy that does not exist
                let missing = |_| ApiError::not_found("Policy default version not found");
                self.registry.get_policy(input).map_err(missing)?;
                name.clone()
            }
            PolicySource::Document(document) => self.policy_of(document, &policy.logical_id)?,
        };
        //? assumed: without a certificate a policy is made or found, and attached to nothing
        let Some(certificate_id) = self.provisioned.certificate_id else { return Ok(()) };
        let target = self.arn_of(certificate_id).to_string();
        let input = PolicyTargetRequest { policy_name: name.clone(), target };
        if !self.registry.has_policy(certificate_id, &name) {
            self.journal.will_undo(Undo::Attach(input.clone()));
        }
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
            self.journal.will_undo(Undo::MakePolicy(name.clone()));
        }
        self.provisioned.resource_arns.insert(logical_id.to_owned(), arn);
        Ok(name)
    }

    fn attach_to_thing(&mut self, thing: &ThingResource) -> Result<(), ApiError> {
        let Some(certificate_id) = self.provisioned.certificate_id else { return Ok(()) };
        let principal = self.arn_of(certificate_id).to_string();
        let input = AttachThingPrincipalRequest {
            thing_name: thing.name.clone(),
            principal: principal.clone(),
            thing_principal_type: None,
        };
        let name = ThingName::new(&thing.name);
        let target = Target::Certificate(certificate_id);
        let attached = self.registry.things_of_principal(&target).any(|it| *it == name);
        self.registry.attach_thing_principal(input)?;
        if !attached {
            let thing = thing.name.clone();
            self.journal.will_undo(Undo::AttachToThing { thing, principal });
        }
        self.did(format!("attached the certificate to thing `{}`", thing.name));
        Ok(())
    }
}

//= https://security.stackexchange.com/questions/272476
//# `Invalid registration template. Cannot resolve reference value: {Ref=…}`
pub(super) fn invalid_template(sentence: &str) -> ApiError {
    ApiError::invalid_request(format!("Invalid registration template. {sentence}"))
}

pub(super) fn failure(step: &str, error: ApiError, why: &str) -> Box<ProvisioningFailure> {
    let (step, why) = (step.to_owned(), vec![on_one_line(why)]);
    Box::new(ProvisioningFailure { step, error, why, done: Vec::new() })
}

//= https://github.com/ministackorg/ministack/pull/1755
//# what the registry refuses ends the workflow: `Register thing workflow execution terminates …`
pub(super) fn ended(logical_id: &str, what: &str, refused: &ApiError) -> Box<ProvisioningFailure> {
    let error = ApiError::new(
        ErrorCode::ResourceRegistrationFailureException,
        format!("Register thing workflow execution terminates due to: {}", refused.message()),
    );
    failure(logical_id, error, &format!("{what}: {refused}"))
}
