//! [`Principal`]: who is behind a connection or a request, once that is known.
//!
//! It decides which principal a SigV4 signature names. What a chain of certificates means is
//! decided in `presentation.rs`, what a principal may do in the policies.
//! Truth: <https://docs.aws.amazon.com/iot/latest/developerguide/client-authentication.html>.

use crate::pki::Certificate;
use crate::registry::Target;

/// An authenticated caller: an ACTIVE certificate of the account, a provisioning claim, or whoever
/// signs with SigV4.
// INVARIANT: only `present` makes one of a certificate, whose key the client proved; only `signed`
// makes one of a signature.
#[derive(Clone, Debug)]
pub(crate) struct Principal(Who);

#[derive(Clone, Debug)]
enum Who {
    Certificate(Certificate),
    /// By its ID.
    CognitoIdentity(String),
    /// By its access key ID.
    IamIdentity(String),
}

impl Principal {
    pub(super) const fn of_certificate(certificate: Certificate) -> Self {
        Self(Who::Certificate(certificate))
    }

    //? assumed: a session token that is the ID of an Amazon Cognito identity names this identity;
    //? AWS's tokens name one too, but nobody else can read them
    /// Who signs with this access key and this session token.
    pub(crate) fn signed(access_key_id: &str, session_token: Option<&str>) -> Self {
        Self(match session_token.filter(|token| Target::is_cognito_identity(token)) {
            Some(identity) => Who::CognitoIdentity(identity.to_owned()),
            None => Who::IamIdentity(access_key_id.to_owned()),
        })
    }

    //= https://docs.aws.amazon.com/iot/latest/developerguide/life-cycle-events.html
    //# principalIdentifier is the certificate's ID
    //? assumed: that of an IAM identity is its access key ID, that of an Amazon Cognito identity
    //? its ID; AWS writes a role and a session, of which nothing is known here
    /// The principal's ID in events and logs.
    pub(crate) fn id(&self) -> String {
        match &self.0 {
            Who::Certificate(certificate) => certificate.id().to_string(),
            Who::CognitoIdentity(id) | Who::IamIdentity(id) => id.clone(),
        }
    }

    /// The certificate, for policy variables.
    pub(crate) const fn certificate(&self) -> Option<&Certificate> {
        match &self.0 {
            Who::Certificate(certificate) => Some(certificate),
            Who::CognitoIdentity(_) | Who::IamIdentity(_) => None,
        }
    }

    /// What policies and things are attached to; `None` for an IAM identity, which has neither.
    pub(crate) fn target(&self) -> Option<Target> {
        match &self.0 {
            Who::Certificate(certificate) => Some(Target::Certificate(certificate.id())),
            Who::CognitoIdentity(id) => Some(Target::CognitoIdentity(id.clone())),
            Who::IamIdentity(_) => None,
        }
    }
}
