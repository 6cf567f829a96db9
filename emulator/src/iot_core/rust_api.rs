//! The typed helpers of the library: sugar over `IotCore::call`, for tests that should read well.
//!
//! A refusal is a mistake in the test, so each helper panics with AWS's text; `call` returns it.

use std::fmt;

use serde_json::{Value, json};

use super::IotCore;
use crate::lambda::Function;
use crate::names::{Arn, CertificateId};
use crate::pki::CertificateAuthority;

/// Whether a registered CA registers devices just in time, and how.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AutoRegistration {
    /// Unknown certificates of this CA are refused.
    Disabled,
    /// JITR: they are registered as PENDING_ACTIVATION, and the registered event is published.
    Enabled,
    /// JITP: they are provisioned by this template.
    Template(Value),
}

/// A policy document that allows `actions` on `resource`.
///
/// ```
/// let document = iot_emulator::allow(&["iot:Connect"], "*");
/// assert!(document.contains("iot:Connect"));
/// ```
pub fn allow(actions: &[&str], resource: &str) -> String {
    json!({
        "Version": "2012-10-17",
        "Statement": [{ "Effect": "Allow", "Action": actions, "Resource": resource }],
    })
    .to_string()
}

impl IotCore {
    /// Runs `operation` and panics with AWS's text if it is refused.
    #[track_caller]
    fn must(&self, operation: &str, input: Value) -> Value {
        match self.call(operation, input) {
            Ok(output) => output,
            Err(error) => panic!("{operation} was refused: {error}"),
        }
    }

    /// Registers `ca` as ACTIVE, with the verification certificate that AWS wants.
    ///
    /// # Panics
    ///
    /// If AWS would refuse it.
    #[track_caller]
    pub fn register_ca(
        &self,
        ca: &CertificateAuthority,
        auto_registration: AutoRegistration,
    ) -> CertificateId {
        let code = self.must("GetRegistrationCode", json!({}));
        let code = code["registrationCode"].as_str().unwrap_or_default();
        let mut input = json!({
            "caCertificate": ca.pem(),
            "verificationCertificate": ca.verification_certificate(code),
            "setAsActive": true,
            "allowAutoRegistration": auto_registration != AutoRegistration::Disabled,
        });
        if let AutoRegistration::Template(template) = auto_registration {
            input["registrationConfig"] = json!({
                "templateBody": template.to_string(),
                "roleArn": format!("arn:aws:iam::{}:role/JITPRole", self.scope().account),
            });
        }
        self.must("RegisterCACertificate", input);
        ca.certificate_id()
    }

    /// Creates the policy `name`.
    ///
    /// # Panics
    ///
    /// If AWS would refuse it.
    #[track_caller]
    pub fn create_policy(&self, name: &str, document: impl Into<String>) {
        let document: String = document.into();
        self.must("CreatePolicy", json!({ "policyName": name, "policyDocument": document }));
    }

    /// Attaches the policy `name` to a certificate.
    ///
    /// # Panics
    ///
    /// If AWS would refuse it.
    #[track_caller]
    pub fn attach_policy(&self, name: &str, certificate: impl fmt::Display) {
        let target = self.certificate_arn(certificate);
        self.must("AttachPolicy", json!({ "policyName": name, "target": target }));
    }

    /// Registers a certificate without a CA, as ACTIVE.
    ///
    /// # Panics
    ///
    /// If AWS would refuse it.
    #[track_caller]
    pub fn register_certificate_without_ca(&self, certificate_pem: &str) -> String {
        let input = json!({ "certificatePem": certificate_pem, "status": "ACTIVE" });
        let registered = self.must("RegisterCertificateWithoutCA", input);
        registered["certificateId"].as_str().unwrap_or_default().to_owned()
    }

    /// Creates a topic rule whose one action invokes `function`.
    ///
    /// # Panics
    ///
    /// If AWS would refuse it.
    #[track_caller]
    pub fn create_topic_rule(&self, name: &str, sql: &str, function: Function) {
        let registered = self.functions().register(&format!("{name}-rule"), function, self.now());
        let function_arn = match registered {
            Ok(function_arn) => function_arn,
            Err(error) => panic!("the function was refused: {error}"),
        };
        let action = json!({ "lambda": { "functionArn": function_arn } });
        let payload = json!({ "sql": sql, "awsIotSqlVersion": "2016-03-23", "actions": [action] });
        let input = json!({ "ruleName": name, "topicRulePayload": payload });
        self.must("CreateTopicRule", input);
    }

    /// The status of a certificate, such as `ACTIVE`; `None` if it is not registered.
    pub fn certificate_status(&self, certificate: impl fmt::Display) -> Option<String> {
        let input = json!({ "certificateId": certificate.to_string() });
        let described = self.call("DescribeCertificate", input).ok()?;
        Some(described["certificateDescription"]["status"].as_str()?.to_owned())
    }

    /// The ARN of a certificate in this account and Region.
    pub fn certificate_arn(&self, certificate: impl fmt::Display) -> Arn {
        self.scope().iot_arn("cert", certificate)
    }
}
