//! Which access keys are known, and with which session token.
//!
//! Every 12-digit access key ID is: it is the account of that number, and all have one secret.
//! Whoever configures more gives them here. Nothing shows a secret.

use crate::config::is_account;
use crate::credentials::{Credential, SECRET_ACCESS_KEY, Secret};

/// The credentials that functions are run with, beside their account as the access key ID.
#[derive(Clone, Copy, Debug)]
pub(crate) struct OfFunctions {
    pub(crate) secret_access_key: &'static str,
    pub(crate) session_token: &'static str,
}

/// The credentials of one emulator.
#[derive(Debug)]
pub(crate) struct Known {
    configured: Vec<Credential>,
    default_secret: Secret,
    function_secret: Secret,
    function_token: Secret,
    /// Whether a session token is the ID of an Amazon Cognito identity.
    is_identity: fn(&str) -> bool,
}

/// Why no secret is found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Unknown {
    AccessKeyId,
    SessionToken,
}

impl Known {
    pub(crate) fn new(
        configured: Vec<Credential>,
        of_functions: OfFunctions,
        is_identity: fn(&str) -> bool,
    ) -> Self {
        Self {
            configured,
            default_secret: Secret::new(SECRET_ACCESS_KEY),
            function_secret: Secret::new(of_functions.secret_access_key),
            function_token: Secret::new(of_functions.session_token),
            is_identity,
        }
    }

    /// The account that an access key ID belongs to, unless it is the default one.
    pub(super) fn account<'a>(&'a self, access_key_id: &'a str) -> Option<&'a str> {
        let mut configured = self.with_id(access_key_id);
        let own = configured.find_map(|credential| credential.account.as_deref());
        own.or_else(|| Some(access_key_id).filter(|id| is_account(id)))
    }

    fn with_id(&self, access_key_id: &str) -> impl Iterator<Item = &Credential> {
        self.configured.iter().filter(move |credential| credential.access_key_id == access_key_id)
    }

    /// The secret of whoever signs with this access key and sends this session token.
    //? assumed: the ID of an Amazon Cognito identity goes with any long-term access key, since
    //? nobody but AWS makes the temporary ones of an identity
    pub(super) fn secret(
        &self,
        access_key_id: &str,
        session_token: Option<&str>,
    ) -> Result<&Secret, Unknown> {
        let exact = |credential: &&Credential| {
            credential.session_token.as_ref().map(Secret::expose) == session_token
        };
        if let Some(credential) = self.with_id(access_key_id).find(exact) {
            return Ok(&credential.secret_access_key);
        }
        let long_term = session_token.is_none_or(self.is_identity);
        if is_account(access_key_id) && session_token == Some(self.function_token.expose()) {
            return Ok(&self.function_secret);
        }
        let own = self.with_id(access_key_id).find(|credential| credential.session_token.is_none());
        match own.map(|credential| &credential.secret_access_key) {
            Some(secret) if long_term => Ok(secret),
            // A secret configured for an account's own ID takes the place of the usual one.
            None if long_term && is_account(access_key_id) => Ok(&self.default_secret),
            None if !is_account(access_key_id) && self.with_id(access_key_id).next().is_none() => {
                Err(Unknown::AccessKeyId)
            }
            _ => Err(Unknown::SessionToken),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn c21_a_secret_is_found_by_access_key_and_session_token() {
        let known = Known::new(
            vec![
                Credential::new("AKID", "long"),
                Credential::new("ASIA", "short").with_session_token("token"),
                Credential::new("222233334444", "own"),
                Credential::new("AKIB", "other").of_account("333344445555"),
            ],
            OfFunctions { secret_access_key: "function", session_token: "of-function" },
            |token| token.starts_with("us-east-1:"),
        );
        let identity = Some("us-east-1:1");
        let table = [
            (("000000000000", None), Ok(SECRET_ACCESS_KEY)),
            (("111122223333", identity), Ok(SECRET_ACCESS_KEY)),
            (("111122223333", Some("of-function")), Ok("function")),
            (("111122223333", Some("x")), Err(Unknown::SessionToken)),
            (("222233334444", None), Ok("own")),
            (("222233334444", Some("of-function")), Ok("function")),
            (("AKID", None), Ok("long")),
            (("AKID", identity), Ok("long")),
            (("AKID", Some("token")), Err(Unknown::SessionToken)),
            (("ASIA", Some("token")), Ok("short")),
            (("ASIA", None), Err(Unknown::SessionToken)),
            (("ASIA", identity), Err(Unknown::SessionToken)),
            (("AKIX", None), Err(Unknown::AccessKeyId)),
            (("AKIX", Some("of-function")), Err(Unknown::AccessKeyId)),
            (("", None), Err(Unknown::AccessKeyId)),
        ];
        for ((id, token), expected) in table {
            assert_eq!(known.secret(id, token).map(Secret::expose), expected, "{id} {token:?}");
        }
        let accounts = ["AKIB", "AKID", "444455556666"].map(|id| known.account(id));
        assert_eq!(accounts, [Some("333344445555"), None, Some("444455556666")]);
        let shown = format!("{known:?}");
        let secrets = ["long", "short", "own\"", "other", "of-function", "\"token\""];
        assert!(secrets.iter().all(|secret| !shown.contains(secret)), "{shown}");
    }
}
