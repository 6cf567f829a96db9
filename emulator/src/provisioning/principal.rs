//! [`Principal`]: who is behind a connection or a request, once that is known.
//!
//! It decides which principal a SigV4 signature names. What a chain of certificates means is
//! decided in `presentation.rs`, what a principal may do in the policies.
//! Truth: <https://docs.aws.amazon.com/iot/latest/developerguide/client-authentication.html>.

use std::fmt;

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

//= https://docs.aws.amazon.com/iot/latest/developerguide/life-cycle-events.html
//# principalIdentifier is the certificate's ID
//? assumed: that of an IAM identity is its access key ID, that of an Amazon Cognito identity its
//? ID; AWS writes a role and a session, of which nothing is known here
/// The principal's ID in events and logs.
impl fmt::Display for Principal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Who::Certificate(certificate) => certificate.id().fmt(f),
            Who::CognitoIdentity(id) | Who::IamIdentity(id) => f.write_str(id),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_session_token_tells_a_cognito_identity_from_one_of_iam() {
        let identity = "us-east-1:0f1e2d3c-4b5a-6978-8796-a5b4c3d2e1f0";
        let elsewhere = identity.replace("us-east-1", "ap-northeast-1");
        let table = [
            (None, None),
            (Some("IQoJb3JpZ2luX2VjEA=="), None),
            (Some("us-east-1:not-a-uuid"), None),
            (Some(":0f1e2d3c-4b5a-6978-8796-a5b4c3d2e1f0"), None),
            (Some(identity), Some(identity)),
            (Some(&elsewhere), Some(&elsewhere)),
        ];
        for (token, expected) in table {
            let principal = Principal::signed("AKIDEXAMPLE", token);
            let cognito = expected.map(|id| Target::CognitoIdentity(id.to_owned()));
            assert_eq!(principal.target(), cognito, "{token:?}");
            assert_eq!(principal.to_string(), expected.unwrap_or("AKIDEXAMPLE"), "{token:?}");
            assert!(principal.certificate().is_none(), "{token:?}");
        }
    }
}
