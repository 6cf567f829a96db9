//! Fleet provisioning: what a device asks for on AWS's topics, and what it is answered.
//!
//! It decides what each request needs, and the words of each rejection. Making keys and asking the
//! hook take time and happen outside; a request therefore comes in steps.
//! Truth: <https://docs.aws.amazon.com/iot/latest/developerguide/fleet-provision-api.html>, and for
//! the words of rejections <https://github.com/ministackorg/ministack/pull/1755>.

mod hook;
mod payload;
mod registering;

use bytes::Bytes;
use serde::Serialize;

use crate::names::{CertificateId, TemplateName, TopicName};
use crate::pki::{Certificate, DeviceKeyPair, SigningRequest};
use crate::registry::{OwnershipToken, Registry, TooManyTokens};
use crate::time::Timestamp;

pub(crate) use hook::{HookCall, HookOutcome};
use payload::PayloadFormat;
pub(crate) use registering::{FleetCaller, Registering};

/// What a device can ask for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum FleetOperation {
    CreateKeysAndCertificate,
    CreateCertificateFromCsr,
    RegisterThing(TemplateName),
}

impl FleetOperation {
    /// AWS's name of it.
    pub(crate) const fn name(&self) -> &'static str {
        match self {
            Self::CreateKeysAndCertificate => "CreateKeysAndCertificate",
            Self::CreateCertificateFromCsr => "CreateCertificateFromCsr",
            Self::RegisterThing(_) => "RegisterThing",
        }
    }
}

/// A request, as its topic says it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct FleetRequest {
    pub(crate) operation: FleetOperation,
    format: PayloadFormat,
    topic: TopicName,
}

impl FleetRequest {
    /// The request that a publish to `topic` is.
    pub(crate) fn of(topic: &TopicName) -> Option<Self> {
        let mut levels = topic.as_str().strip_prefix("$aws/")?.split('/');
        let operation = match (levels.next()?, levels.next()?) {
            ("certificates", "create") => FleetOperation::CreateKeysAndCertificate,
            ("certificates", "create-from-csr") => FleetOperation::CreateCertificateFromCsr,
            ("provisioning-templates", name) if levels.next() == Some("provision") => {
                FleetOperation::RegisterThing(TemplateName::new(name))
            }
            _ => return None,
        };
        let format = PayloadFormat::of(levels.next()?)?;
        levels.next().is_none().then(|| Self { operation, format, topic: topic.clone() })
    }

    /// The message that says yes.
    pub(crate) fn accept(&self, said: &impl Serialize) -> FleetReply {
        self.reply("accepted", self.format.write(said))
    }

    /// The message that says no.
    pub(crate) fn reject(&self, rejection: &FleetRejection) -> FleetReply {
        self.reply("rejected", self.format.write(rejection))
    }

    fn reply(&self, word: &str, payload: Bytes) -> FleetReply {
        FleetReply { topic: TopicName::from(format!("{}/{word}", self.topic)), payload }
    }

    //? assumed: what comes with a request for keys is not looked at: SDKs send `{}`, others nothing
    /// The signing request in `payload`.
    pub(crate) fn signing_request(&self, payload: &[u8]) -> Result<SigningRequest, FleetRejection> {
        let members = self.format.read(payload).map_err(FleetRejection::unreadable)?;
        let pem = members.get("certificateSigningRequest").and_then(|pem| pem.as_str());
        //? assumed: the code and the texts, after those of the AWS API
        let Some(pem) = pem.filter(|pem| !pem.is_empty()) else {
            let text = "Certificate signing request cannot be empty.";
            return Err(FleetRejection::new("InvalidCertificateSigningRequest", text));
        };
        SigningRequest::from_pem(pem).map_err(|violation| {
            let rejection =
                FleetRejection::new("InvalidCertificateSigningRequest", violation.to_string());
            rejection.because(violation.why)
        })
    }
}

/// A message that answers a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct FleetReply {
    pub(crate) topic: TopicName,
    pub(crate) payload: Bytes,
}

/// Why a device does not get what it asked for.
//= https://docs.aws.amazon.com/iot/latest/developerguide/fleet-provision-api.html
//# statusCode, errorCode and errorMessage
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct FleetRejection {
    pub(crate) status_code: u16,
    pub(crate) error_code: &'static str,
    pub(crate) error_message: String,
    /// What AWS does not say, a line each.
    #[serde(skip)]
    pub(crate) why: Vec<String>,
    /// Where a template stopped: a section or a logical ID of it.
    #[serde(skip)]
    pub(crate) step: Option<String>,
}

impl FleetRejection {
    fn new(error_code: &'static str, error_message: impl Into<String>) -> Self {
        let error_message = error_message.into();
        Self { status_code: 400, error_code, error_message, why: Vec::new(), step: None }
    }

    fn unreadable(why: impl Into<String>) -> Self {
        Self::new("InvalidPayload", "Message cannot be parsed").because(why)
    }

    //? assumed: the code and the text; the status is among those that device SDKs know
    /// More is asked for than is served at once.
    pub(crate) fn too_many_requests(why: impl Into<String>) -> Self {
        let rejection = Self::new("TooManyRequests", "Too many requests");
        Self { status_code: 429, ..rejection }.because(why)
    }

    fn because(mut self, why: impl Into<String>) -> Self {
        self.why.push(why.into());
        self
    }
}

//= https://docs.aws.amazon.com/iot/latest/developerguide/fleet-provision-api.html
//# the private key only if AWS made it; the token is to be given to RegisterThing
/// A certificate, as the device gets it.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct CertificateReply {
    pub(crate) certificate_id: CertificateId,
    certificate_pem: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    private_key: Option<String>,
    certificate_ownership_token: String,
}

impl CertificateReply {
    /// Stores a certificate that AWS's CA issued for `keys`, or for the device's own key.
    pub(crate) fn store(
        registry: &mut Registry,
        certificate: Certificate,
        keys: Option<&DeviceKeyPair>,
        token: OwnershipToken,
        now: Timestamp,
    ) -> Result<Self, FleetRejection> {
        let reply = Self {
            certificate_id: certificate.id(),
            certificate_pem: certificate.pem(),
            private_key: keys.map(DeviceKeyPair::private_key_pem),
            certificate_ownership_token: token.as_str().to_owned(),
        };
        registry.store_certificate_of_token(certificate, token, now).map_err(|TooManyTokens| {
            let why = "as many certificates as AWS makes in an hour wait to be provisioned already";
            FleetRejection::too_many_requests(why)
        })?;
        Ok(reply)
    }
}
