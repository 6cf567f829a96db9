//! Access keys whose signatures are verified: the words for them, and nothing that shows a secret.
//!
//! Which of them a request was signed with is decided in `caller/`.
//! Truth: <https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv-create-signed-request.html>.

use std::fmt;

use serde::de::{Error as _, IgnoredAny};
use serde::{Deserialize, Deserializer};

/// The secret access key of every 12-digit access key ID: what `iot-emulator env` and `exec`
/// export. It keeps nobody out; it makes wrong signatures visible.
pub const SECRET_ACCESS_KEY: &str = "iot-emulator";

/// A text that is shown to nobody: neither by `Debug` nor in an error of the configuration.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(String);

impl Secret {
    /// Hides `text`.
    ///
    /// ```
    /// use iot_emulator::config::Secret;
    ///
    /// assert_eq!(format!("{:?}", Secret::new("hush")), "Secret");
    /// ```
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    pub(crate) fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret")
    }
}

impl<'de> Deserialize<'de> for Secret {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        #[serde(untagged)]
        enum Read {
            Text(String),
            // What else it is would show it.
            Other(IgnoredAny),
        }
        match Read::deserialize(deserializer)? {
            Read::Text(text) => Ok(Self(text)),
            Read::Other(_) => Err(D::Error::custom("a secret is a text in quotes")),
        }
    }
}

/// An access key that signatures are verified with, once [`Config::enforce_sigv4`] says so.
///
/// [`Config::enforce_sigv4`]: crate::Config::enforce_sigv4
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Credential {
    /// As `AWS_ACCESS_KEY_ID` has it.
    pub access_key_id: String,
    /// As `AWS_SECRET_ACCESS_KEY` has it.
    pub secret_access_key: Secret,
    /// As `AWS_SESSION_TOKEN` has it; who signs with it has to send it.
    #[serde(default)]
    pub session_token: Option<Secret>,
    /// The account that it belongs to, 12 digits; the default account unless given.
    #[serde(default)]
    pub account: Option<String>,
}

impl Credential {
    /// A long-term access key of the default account.
    ///
    /// ```
    /// use iot_emulator::config::Credential;
    ///
    /// let credential = Credential::new("AKIDEXAMPLE", "wJalrXUtnFEMI");
    /// assert!(!format!("{credential:?}").contains("wJalr"));
    /// ```
    pub fn new(access_key_id: impl Into<String>, secret_access_key: impl Into<String>) -> Self {
        Self {
            access_key_id: access_key_id.into(),
            secret_access_key: Secret::new(secret_access_key),
            session_token: None,
            account: None,
        }
    }

    /// The same with a session token, as temporary credentials have one.
    #[must_use]
    pub fn with_session_token(mut self, session_token: impl Into<String>) -> Self {
        self.session_token = Some(Secret::new(session_token));
        self
    }

    /// The same in another account, 12 digits.
    #[must_use]
    pub fn of_account(mut self, account: impl Into<String>) -> Self {
        self.account = Some(account.into());
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_error_of_the_configuration_shows_a_secret() {
        let table = [
            r#"{"access_key_id": "AKID", "secret_access_key": 4711}"#,
            r#"{"access_key_id": "AKID", "secret_access_key": "ok", "session_token": 4711}"#,
            r#"{"access_key_id": "AKID", "secret_key": "4711"}"#,
        ];
        for text in table {
            let error = serde_json::from_str::<Credential>(text).unwrap_err().to_string();
            assert!(!error.contains("4711"), "{error}");
        }
        let text = r#"{"access_key_id": "AKID", "secret_access_key": "s", "session_token": "t"}"#;
        let expected = Credential::new("AKID", "s").with_session_token("t");
        assert_eq!(serde_json::from_str::<Credential>(text).unwrap(), expected);
    }
}
