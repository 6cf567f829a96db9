//! Whether a presented chain is somebody: the decision, and the registration just in time.
//!
//! Truth: the sources beside each branch; AWS's reasons from
//! <https://docs.aws.amazon.com/iot/latest/developerguide/cwl-format.html>.

use std::fmt;

use crate::names::CertificateId;
use crate::pki::{Certificate, validity_text};
use crate::registry::{
    AutoRegistrationStatus, CaCertificate, CaCertificateStatus, CertificateMode, CertificateRecord,
    CertificateStatus, Registry, has_a_key_that_aws_takes,
};
use crate::time::Timestamp;
use crate::trace::on_one_line;

use super::{Presentation, Principal, ProvisioningEffect, Rejected, Rejection};

/// AWS's reasons for refusing a client certificate.
//= https://docs.aws.amazon.com/iot/latest/developerguide/cwl-format.html
//# the reason of a `Connection.AuthNError`
#[derive(Clone, Copy, Debug)]
enum Reason {
    NotRegistered,
    Inactive,
    Revoked,
    NotAuthenticated,
}

impl Reason {
    const fn word(self) -> &'static str {
        match self {
            Self::NotRegistered => "DEVICE_CERTIFICATE_NOT_REGISTERED",
            Self::Inactive => "DEVICE_CERTIFICATE_INACTIVE",
            Self::Revoked => "DEVICE_CERTIFICATE_REVOKED",
            Self::NotAuthenticated => "NOT_AUTHENTICATED",
        }
    }
}

//= https://github.com/ministackorg/ministack/pull/1755
//# measured: on the CONNECT packet, not in the handshake; the connection closes without a word
/// Who presents `presentation`. Registers an unknown certificate just in time if its CA wants that.
pub(crate) fn present(
    registry: &mut Registry,
    presentation: &Presentation<'_>,
    now: Timestamp,
) -> Result<Principal, Box<Rejected>> {
    let Some(leaf) = presentation.chain.first() else {
        let why = vec!["the client presented no certificate".to_owned()];
        return Err(reject(Reason::NotAuthenticated, why, None, Vec::new()));
    };
    let (reason, why, effects) = match registry.certificate(leaf.id()) {
        Some(record) => match known(registry, record, presentation, now) {
            Ok(principal) => return Ok(principal),
            Err(refused) => refused,
        },
        //= https://docs.aws.amazon.com/iot/latest/apireference/API_CreateProvisioningClaim.html
        //# whoever holds a provisioning claim connects with it, while it is valid
        //? assumed: an expired one is unknown like any other certificate
        None if registry.holds_claim(leaf.id(), now) => {
            return Ok(Principal::of_certificate(leaf.clone()));
        }
        None => match issuer(registry, presentation, now) {
            Err(why) => (Reason::NotRegistered, why, Vec::new()),
            Ok(ca) => {
                let mode = ca.mode;
                let ca_id = ca.certificate.id();
                let why = vec![format!(
                    "the certificate {} was unknown and is PENDING_ACTIVATION now: CA `{}` ({}) \
                     issued it, with auto-registration ENABLE",
                    short(leaf.id()),
                    ca.certificate.subject(),
                    short(ca_id),
                )];
                let effects = effects(ca, leaf.id(), None, presentation);
                registry.register_just_in_time(leaf.clone(), ca_id, mode, now);
                (Reason::Inactive, why, effects)
            }
        },
    };
    Err(reject(reason, why, Some(leaf.id()), effects))
}

type Refused = (Reason, Vec<String>, Vec<ProvisioningEffect>);

/// A certificate that is registered: its status decides.
fn known(
    registry: &Registry,
    record: &CertificateRecord,
    presentation: &Presentation<'_>,
    now: Timestamp,
) -> Result<Principal, Refused> {
    let id = short(record.certificate.id());
    let refused = |reason, line: String| Err((reason, vec![line], Vec::new()));
    //= https://docs.aws.amazon.com/iot/latest/apireference/API_CertificateDescription.html
    //# devices with a certificate in SNI_ONLY mode must send SNI
    //? assumed: without it the certificate counts as not registered
    if record.mode == CertificateMode::SniOnly && !presentation.by_name {
        return refused(
            Reason::NotRegistered,
            format!(
                "the certificate {id} is {} in SNI_ONLY mode, and SNI did not name this account's \
                 endpoint",
                record.status
            ),
        );
    }
    match record.status {
        CertificateStatus::Active if !record.certificate.is_valid_at(now) => {
            //= https://docs.aws.amazon.com/iot/latest/developerguide/x509-client-certs.html
            //# a client certificate must not have expired
            //? assumed: the reason, and that it is refused after the handshake
            refused(
                Reason::NotAuthenticated,
                format!("the certificate {id} is ACTIVE, but {}", validity(&record.certificate)),
            )
        }
        CertificateStatus::Active => Ok(Principal::of_certificate(record.certificate.clone())),
        CertificateStatus::Revoked => {
            refused(Reason::Revoked, format!("the certificate {id} is REVOKED"))
        }
        CertificateStatus::PendingActivation => {
            Err(still_pending(registry, record, presentation, now))
        }
        CertificateStatus::Inactive
        | CertificateStatus::RegisterInactive
        | CertificateStatus::PendingTransfer => {
            refused(Reason::Inactive, format!("the certificate {id} is {}", record.status))
        }
    }
}

//= https://docs.aws.amazon.com/iot/latest/developerguide/auto-register-device-cert.html
//# the event comes again whenever a PENDING_ACTIVATION certificate is presented
//= https://github.com/ministackorg/ministack/pull/1755
//# measured: each time, with no change of status; not once the CA no longer auto-registers
fn still_pending(
    registry: &Registry,
    record: &CertificateRecord,
    presentation: &Presentation<'_>,
    now: Timestamp,
) -> Refused {
    let leaf = &record.certificate;
    let id = short(leaf.id());
    let mut why = vec![format!("the certificate {id} is PENDING_ACTIVATION")];
    let ca = record.ca_certificate_id.and_then(|ca| registry.ca_certificate(ca));
    let effects = match ca {
        None => {
            why.push("its CA certificate is not registered any more: no event".to_owned());
            Vec::new()
        }
        Some(ca) => match hindrance(ca, leaf, presentation, now) {
            Some(hindrance) => {
                why.push(format!("{hindrance}: no event"));
                Vec::new()
            }
            None => effects(ca, leaf.id(), Some(record.created), presentation),
        },
    };
    (Reason::Inactive, why, effects)
}

//= https://docs.aws.amazon.com/iot/latest/developerguide/device-certs-your-own.html
//# the registered CA must be the direct issuer, not any other CA of the chain
//= https://docs.aws.amazon.com/iot/latest/developerguide/auto-register-device-cert.html
//# sending the CA certificate in the chain is optional, but SNI is required then
/// The registered CA under which an unknown certificate registers itself, or why there is none.
fn issuer<'a>(
    registry: &'a Registry,
    presentation: &Presentation<'_>,
    now: Timestamp,
) -> Result<&'a CaCertificate, Vec<String>> {
    let leaf = &presentation.chain[0];
    let mut why = vec![format!(
        "the certificate {} (`{}`) is not registered",
        short(leaf.id()),
        leaf.subject()
    )];
    let issuers = registry.issuers_of(leaf);
    if issuers.is_empty() {
        why.extend(without_issuer(registry, presentation.chain));
        return Err(why);
    }
    let sent = |ca: &CaCertificate| {
        presentation.chain[1..].iter().any(|certificate| certificate.id() == ca.certificate.id())
    };
    let unnamed = |ca| {
        let why = "the client sent neither SNI nor, with its own certificate, that of CA";
        let unnamed = !presentation.by_name && !sent(ca);
        unnamed.then(|| format!("{why} `{}`: AWS IoT needs one of them", ca.certificate.subject()))
    };
    let hindrances: Vec<(&CaCertificate, Option<String>)> = issuers
        .into_iter()
        .map(|ca| (ca, hindrance(ca, leaf, presentation, now).or_else(|| unnamed(ca))))
        .collect();
    let willing: Vec<&CaCertificate> =
        hindrances.iter().filter(|(_, hindrance)| hindrance.is_none()).map(|(ca, _)| *ca).collect();
    //? assumed: of several CA certificates with one subject and key, the one in the client's chain
    //? counts, else the one that was registered first
    let chosen = willing.iter().find(|ca| sent(ca)).or_else(|| willing.first());
    chosen.copied().ok_or_else(|| {
        why.extend(hindrances.into_iter().filter_map(|(_, hindrance)| hindrance));
        why
    })
}

/// What keeps `ca` from registering `leaf` just in time.
fn hindrance(
    ca: &CaCertificate,
    leaf: &Certificate,
    presentation: &Presentation<'_>,
    now: Timestamp,
) -> Option<String> {
    let subject = ca.certificate.subject();
    let leaf_id = short(leaf.id());
    //= https://docs.aws.amazon.com/iot/latest/developerguide/auto-register-device-cert.html
    //# the CA is registered, ACTIVE, and its auto-registration is enabled
    if ca.status != CaCertificateStatus::Active
        || ca.auto_registration != AutoRegistrationStatus::Enable
    {
        return Some(format!(
            "the certificate {leaf_id} is signed by CA `{subject}` which is registered, {}, with \
             auto-registration {}",
            ca.status.as_str(),
            ca.auto_registration.as_str(),
        ));
    }
    //= https://github.com/ministackorg/ministack/pull/1755
    //# a CA in SNI_ONLY mode registers devices only where SNI names the account's endpoint
    if ca.mode == CertificateMode::SniOnly && !presentation.by_name {
        return Some(format!(
            "CA `{subject}` is registered in SNI_ONLY mode, and SNI did not name this account's \
             endpoint"
        ));
    }
    //? assumed: an expired certificate and a key that AWS does not take register nothing
    if !leaf.is_valid_at(now) {
        return Some(format!("the certificate {leaf_id} {}", validity(leaf)));
    }
    if !has_a_key_that_aws_takes(leaf) {
        return Some(format!(
            "the key of the certificate {leaf_id} is too small or of another kind"
        ));
    }
    None
}

/// What came nearest, if no registered CA issued the client's certificate.
fn without_issuer(registry: &Registry, chain: &[Certificate]) -> Vec<String> {
    let leaf = &chain[0];
    let mut lines = Vec::new();
    for ca in registry.ca_certificates() {
        if ca.certificate.subject().der() == leaf.issuer().der() {
            lines.push(format!(
                "the signature of {} does not verify against the registered CA `{}` ({})",
                short(leaf.id()),
                ca.certificate.subject(),
                short(ca.certificate.id()),
            ));
        }
    }
    if lines.is_empty() {
        let issuer = leaf.issuer();
        lines.push(format!("no registered CA certificate has the subject `{issuer}`"));
    }
    if leaf.is_self_signed() {
        lines.push("it is self-signed: RegisterCertificateWithoutCA would register it".to_owned());
    }
    for sent in &chain[1..] {
        if let Some(ca) = registry.issuers_of(sent).first() {
            lines.push(format!(
                "CA `{}` is registered, but it issued `{}` of the chain and not the client's \
                 certificate: AWS IoT wants the direct issuer registered",
                ca.certificate.subject(),
                sent.subject(),
            ));
        }
    }
    lines
}

/// The event, and the template if the CA has one.
fn effects(
    ca: &CaCertificate,
    certificate_id: CertificateId,
    registration_timestamp: Option<Timestamp>,
    presentation: &Presentation<'_>,
) -> Vec<ProvisioningEffect> {
    let ca_certificate_id = ca.certificate.id();
    let event = ProvisioningEffect::RegisteredEvent {
        certificate_id,
        ca_certificate_id,
        status: CertificateStatus::PendingActivation,
        registration_timestamp,
        source_ip: presentation.source_ip,
    };
    //? assumed: a CA with a template publishes the event too, before the template runs
    let provision = ProvisioningEffect::Provision { certificate_id, ca_certificate_id };
    let provision = ca.registration_config.is_some().then_some(provision);
    std::iter::once(event).chain(provision).collect()
}

fn reject(
    reason: Reason,
    why: Vec<String>,
    certificate_id: Option<CertificateId>,
    effects: Vec<ProvisioningEffect>,
) -> Box<Rejected> {
    let reason = reason.word();
    let why = why.iter().map(|line| on_one_line(line)).collect();
    Box::new(Rejected { rejection: Rejection { reason, why, certificate_id }, effects })
}

fn validity(certificate: &Certificate) -> String {
    let from = validity_text(certificate.not_before());
    format!("is valid from {from} until {}", validity_text(certificate.not_after()))
}

/// The beginning of an ID, enough to recognise it by; written when somebody reads it.
fn short(id: CertificateId) -> impl fmt::Display + Copy {
    #[derive(Clone, Copy)]
    struct Short(CertificateId);

    impl fmt::Display for Short {
        fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            write!(f, "{}…", &self.0.to_string()[..8])
        }
    }

    Short(id)
}
