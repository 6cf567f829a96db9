//! Just-in-time provisioning: the CA's template, run for one certificate that waits in
//! PENDING_ACTIVATION.
//!
//! Everything is resolved before anything is made. What was made before a failure stays, and the
//! certificate waits on; the next connection tries again.
//! Truth: <https://docs.aws.amazon.com/iot/latest/developerguide/jit-provisioning.html>.

use std::collections::BTreeMap;

use crate::errors::ApiError;
use crate::names::CertificateId;
use crate::pki::{AttributeKind, Certificate, escape_rfc2253};
use crate::registry::{CertificateStatus, Registry};
use crate::time::Timestamp;

use super::resources::CertificateSource;
use super::run::{
    CERTIFICATE_ID, Failing, Origin, Provisioned, ProvisioningFailure, Step, failure,
    invalid_template, parse, resolve, run,
};
use super::template::Template;

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

/// Runs the template of the certificate's CA.
///
/// A certificate that does not wait in PENDING_ACTIVATION any more is left alone: somebody may have
/// activated it meanwhile.
//? assumed: a CA that no longer auto-registers does not stop a template that was asked for before;
//? one that has no registrationConfig any more does
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
    let template = parse(&body)?;
    let parameters = parameters(&template, &leaf)?;
    let resources = resolve(&template, &parameters)?;
    if !matches!(resources.certificate.source, CertificateSource::Id(_)) {
        let why = "a device that connects brings its certificate: it must be the CertificateId";
        let step = resources.certificate.logical_id.as_str();
        return Err(failure(step, invalid_template(why), why));
    }
    run(registry, &resources, Origin::Waiting(certificate_id), Failing::LeavesWhatWasMade, now)
}

//= https://docs.aws.amazon.com/iot/latest/developerguide/jit-provisioning.html
//# the CA certificate holds the template, or the name of one of the type JITP
/// What the certificate's CA says is to be run: its own template, or one by name.
fn template_body(registry: &Registry, ca: Option<CertificateId>) -> Step<String> {
    let ca = ca.and_then(|id| registry.ca_certificate(id));
    let Some(config) = ca.and_then(|ca| ca.registration_config.as_ref()) else {
        let error = ApiError::not_found("Requested CA Certificate does not exist.");
        return Err(failure("the CA certificate", error, "it has no registrationConfig any more"));
    };
    let Some(name) = &config.template_name else {
        return Ok(config.template_body.clone().unwrap_or_default());
    };
    //= https://github.com/ministackorg/ministack/pull/1755
    //# the texts of fleet provisioning for a template that is unknown or not enabled
    //? assumed: they count for JITP, which then fails like any other template that cannot be run
    let Some(template) = registry.provisioning_template(name) else {
        let error = ApiError::invalid_request(format!("Template with name {name} does not exist."));
        return Err(failure("the template", error, "the CA certificate names it"));
    };
    if !template.enabled {
        let error = ApiError::invalid_request(format!("Template {name} is not enabled."));
        return Err(failure("the template", error, "UpdateProvisioningTemplate can enable it"));
    }
    Ok(template.body().to_owned())
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
