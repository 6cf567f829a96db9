//! How a domain is served: the settings that CreateDomainConfiguration and
//! UpdateDomainConfiguration share, and which of them are refused because nothing here obeys them.
//!
//! What the terms then mean on a connection is decided at the doors (`device_gateway`).
//! Truth: <https://docs.aws.amazon.com/iot/latest/apireference/API_CreateDomainConfiguration.html>
//! and <https://docs.aws.amazon.com/iot/latest/developerguide/transport-security.html>.

use serde::de::value::{Error, StrDeserializer};
use serde::de::{DeserializeOwned, IntoDeserializer as _};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::errors::ApiError;

use super::{DomainAuthentication, DomainProtocol, SecurityPolicy};

/// The TLS of a domain.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
#[serde(rename_all = "camelCase", default)]
pub(crate) struct TlsConfig {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) security_policy: Option<String>,
}

/// What goes with the server certificate of a domain.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
#[serde(rename_all = "camelCase", default)]
pub(crate) struct ServerCertificateConfig {
    #[serde(rename = "enableOCSPCheck")]
    pub(crate) enable_ocsp_check: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) ocsp_lambda_arn: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) ocsp_authorized_responder_arn: Option<String>,
}

/// How a domain is served.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct DomainTerms {
    pub(crate) security_policy: SecurityPolicy,
    pub(crate) authentication: DomainAuthentication,
    pub(crate) protocol: DomainProtocol,
}

//= https://docs.aws.amazon.com/iot/latest/developerguide/transport-security.html
//# the default security policy is IoTSecurityPolicy_TLS13_1_2_2022_10
//? assumed: without authenticationType and applicationProtocol both are DEFAULT
impl Default for DomainTerms {
    fn default() -> Self {
        Self {
            security_policy: SecurityPolicy::Tls13And12,
            authentication: DomainAuthentication::ByPort,
            protocol: DomainProtocol::ByPort,
        }
    }
}

/// What a request says of the terms.
#[derive(Debug)]
pub(super) struct AskedTerms {
    pub(super) tls: Option<TlsConfig>,
    pub(super) server_certificate: Option<ServerCertificateConfig>,
    pub(super) authentication: Option<String>,
    pub(super) protocol: Option<String>,
    pub(super) authorizer: Option<Value>,
    pub(super) client_certificate: Option<Value>,
}

impl DomainTerms {
    /// These terms, but for what a request asks otherwise.
    pub(super) fn changed(mut self, asked: AskedTerms) -> Result<Self, ApiError> {
        asked.refuse_what_nothing_obeys()?;
        if let Some(policy) = asked.tls.and_then(|tls| tls.security_policy) {
            //? assumed: every policy may be chosen in every Region; how an unknown one is refused
            self.security_policy = word(&policy).ok_or_else(|| {
                ApiError::invalid_request(format!("Invalid security policy: {policy}"))
            })?;
        }
        if let Some(authentication) = asked.authentication {
            self.authentication = word(&authentication)
                .ok_or_else(|| not_served(&format!("the authenticationType {authentication}")))?;
        }
        if let Some(protocol) = asked.protocol {
            self.protocol = word(&protocol)
                .ok_or_else(|| not_served(&format!("the applicationProtocol {protocol}")))?;
        }
        Ok(self)
    }
}

impl AskedTerms {
    fn refuse_what_nothing_obeys(&self) -> Result<(), ApiError> {
        if self.authorizer.is_some() {
            return Err(not_served("custom authorizers: authorizerConfig"));
        }
        if self.client_certificate.is_some() {
            return Err(not_served("functions for client certificates: clientCertificateConfig"));
        }
        let Some(config) = &self.server_certificate else { return Ok(()) };
        let responder = config.ocsp_lambda_arn.is_some();
        if config.enable_ocsp_check || responder || config.ocsp_authorized_responder_arn.is_some() {
            return Err(not_served("OCSP stapling: serverCertificateConfig"));
        }
        Ok(())
    }
}

/// The refusal of what a gateway of AWS's would do and this one does not.
pub(super) fn not_served(what: &str) -> ApiError {
    ApiError::invalid_request(format!("iot-emulator does not serve {what}"))
}

/// The word that `text` is, if it is one of the list.
fn word<T: DeserializeOwned>(text: &str) -> Option<T> {
    let text: StrDeserializer<'_, Error> = text.into_deserializer();
    T::deserialize(text).ok()
}
