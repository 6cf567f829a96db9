//! What a presented certificate chain means: a known principal, a certificate that registers itself
//! just in time (JITR), one that is provisioned just in time (JITP), or a refusal.
//!
//! The handshake proved that the client holds the key of the first certificate; nothing else was
//! checked. [`present`] decides on the CONNECT packet or the HTTP request. What it wants done after
//! the hang-up it returns as effects; [`provision`] is run for one of them.
//! Truth: <https://docs.aws.amazon.com/iot/latest/developerguide/auto-register-device-cert.html>
//! and
//! <https://docs.aws.amazon.com/iot/latest/developerguide/jit-provisioning.html>. A [`Registration`]
//! runs a template that somebody gives with RegisterThing, or for each line of a file (`bulk`), a
//! [`Registering`] one that a device of a fleet names over MQTT.

mod bulk;
mod fleet;
mod functions;
mod jitp;
mod presentation;
mod principal;
mod register_thing;
mod resources;
mod run;
mod template;
mod things;
mod undo;

use std::net::IpAddr;

use crate::names::CertificateId;
use crate::pki::Certificate;
use crate::registry::CertificateStatus;
use crate::time::Timestamp;

pub(crate) use bulk::{BulkTemplate, Line, ParameterFile, RegistrationReport};
pub(crate) use fleet::{
    CertificateReply, FleetCaller, FleetOperation, FleetRejection, FleetReply, FleetRequest,
    HookCall, HookOutcome, Registering,
};
pub(crate) use jitp::provision;
pub(crate) use presentation::present;
pub(crate) use principal::Principal;
pub(crate) use register_thing::{RegisterThingRequest, RegisterThingResponse, Registration};
pub(crate) use run::{Provisioned, ProvisioningFailure};

/// What a client showed of itself.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Presentation<'a> {
    /// The client's certificates as it sent them, its own first.
    pub(crate) chain: &'a [Certificate],
    /// Whether SNI named this account's endpoint.
    pub(crate) by_name: bool,
    /// Where it came from.
    pub(crate) source_ip: IpAddr,
}

/// Why a caller is nobody, in AWS's words and in plain ones.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Rejection {
    /// AWS's word, such as `DEVICE_CERTIFICATE_NOT_REGISTERED`.
    pub(crate) reason: &'static str,
    /// What AWS does not say, a line each.
    pub(crate) why: Vec<String>,
    /// The certificate that was shown, if any.
    pub(crate) certificate_id: Option<CertificateId>,
}

/// A rejection, and what AWS does after it hung up.
#[derive(Clone, Debug)]
pub(crate) struct Rejected {
    pub(crate) rejection: Rejection,
    /// In the order in which they are to be done.
    pub(crate) effects: Vec<ProvisioningEffect>,
}

/// What is to be done about a certificate that was registered just in time.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum ProvisioningEffect {
    /// Publish the event `$aws/events/certificates/registered/CA`.
    RegisteredEvent {
        certificate_id: CertificateId,
        ca_certificate_id: CertificateId,
        status: CertificateStatus,
        /// `None` on the presentation that registered the certificate, afterwards when that was.
        registration_timestamp: Option<Timestamp>,
        source_ip: IpAddr,
    },
    /// Run the template of the CA: call [`provision`].
    Provision { certificate_id: CertificateId, ca_certificate_id: CertificateId },
}

#[cfg(test)]
mod tests;
