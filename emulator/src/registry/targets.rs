//! What a policy or a thing can be attached to: a certificate, an Amazon Cognito identity; a policy
//! also to a thing group.
//!
//! Reads the `target` and `principal` members of requests. Whether the certificate is registered
//! and the thing group is there is asked by the operations.

use crate::errors::{ApiError, ErrorCode};
use crate::names::{CertificateId, Scope, ThingGroupName};
use crate::policy::AttachedTo;

/// A principal as the registry knows it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Target {
    /// A device certificate of this account and Region.
    Certificate(CertificateId),
    /// An Amazon Cognito identity. AWS IoT does not ask Cognito whether it exists.
    CognitoIdentity(String),
    /// A static thing group of this account and Region. Nothing but policies is attached to it.
    ThingGroup(ThingGroupName),
}

impl Target {
    /// How AWS writes it: the ARN of a certificate or a thing group, or an identity's ID.
    pub(crate) fn name(&self, scope: &Scope) -> String {
        match self {
            Self::Certificate(id) => scope.iot_arn("cert", id).to_string(),
            Self::CognitoIdentity(id) => id.clone(),
            Self::ThingGroup(name) => scope.iot_arn("thinggroup", name).to_string(),
        }
    }

    /// What a policy that is attached to it says of that.
    pub(super) fn attached_to(&self) -> AttachedTo {
        match self {
            Self::Certificate(_) => AttachedTo::Certificate,
            Self::CognitoIdentity(_) => AttachedTo::Identity,
            Self::ThingGroup(name) => AttachedTo::ThingGroup(Box::new(name.clone())),
        }
    }

    /// Whether `id` is the ID of an Amazon Cognito identity of any Region: `REGION:UUID`.
    pub(crate) fn is_cognito_identity(id: &str) -> bool {
        let Some((region, uuid)) = id.split_once(':') else { return false };
        let digit = |byte: u8| byte.is_ascii_hexdigit() || byte == b'-';
        !region.is_empty() && uuid.len() == 36 && uuid.bytes().all(digit)
    }

    /// Reads a `target` that is written as AWS writes it.
    pub(crate) fn parse(text: &str, scope: &Scope) -> Result<Self, NotATarget> {
        let Some(arn) = text.strip_prefix("arn:") else {
            let here = text.split(':').next() == Some(scope.region.as_str());
            let identity = here && Self::is_cognito_identity(text);
            return identity
                .then(|| Self::CognitoIdentity(text.to_owned()))
                .ok_or(NotATarget::Malformed);
        };
        let mut parts = arn.splitn(5, ':');
        let mut part = || parts.next().unwrap_or_default();
        let (_partition, service, region, account, tail) = (part(), part(), part(), part(), part());
        if service != "iot" || region != scope.region.as_str() {
            return Err(NotATarget::Malformed);
        }
        if account != scope.account.as_str() {
            return Err(NotATarget::OtherAccount);
        }
        match tail.split_once('/') {
            Some(("cert", id)) => {
                id.parse().map(Self::Certificate).map_err(|_| NotATarget::UnknownCertificate)
            }
            Some(("thinggroup", name)) => Ok(Self::ThingGroup(ThingGroupName::new(name))),
            _ => Err(NotATarget::OtherKind),
        }
    }
}

impl From<CertificateId> for Target {
    fn from(id: CertificateId) -> Self {
        Self::Certificate(id)
    }
}

impl From<&Self> for Target {
    fn from(target: &Self) -> Self {
        target.clone()
    }
}

/// Why a text names nothing that a policy can be attached to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum NotATarget {
    /// No ARN of AWS IoT in this Region.
    Malformed,
    /// An ARN of another account.
    OtherAccount,
    /// The ARN of something else than a certificate or a thing group.
    OtherKind,
    /// A certificate's ARN whose ID can name none.
    UnknownCertificate,
}

impl NotATarget {
    //= https://github.com/ministackorg/ministack/pull/1755
    //# unknown targets are 404, other kinds and Regions 400, other accounts 403, in these words
    /// What AttachPolicy answers about `target`.
    pub(crate) fn error(&self, target: &str) -> ApiError {
        match self {
            Self::Malformed => ApiError::invalid_request("Invalid Target"),
            Self::OtherKind => ApiError::invalid_request(format!("Invalid Target: {target}")),
            Self::OtherAccount => ApiError::new(
                ErrorCode::AccessDeniedException,
                "Cross account not allowed. Please check the account of the resource specified.",
            ),
            Self::UnknownCertificate => unknown_certificate(),
        }
    }
}

/// What attaching a policy to a thing group that does not exist answers.
//= https://github.com/ministackorg/ministack/pull/1755
//# the text names the account and the group
pub(crate) fn unknown_thing_group(name: &ThingGroupName, scope: &Scope) -> ApiError {
    ApiError::not_found(format!(
        "Cannot find requested thing group for accountId: {} and thing group name: {name}",
        scope.account
    ))
}

/// What attaching a policy to a certificate that is not registered answers.
pub(crate) fn unknown_certificate() -> ApiError {
    ApiError::not_found("The certificate given in the principal does not exist.")
}
