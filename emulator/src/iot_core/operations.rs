//! Operations of the AWS API that need more than one room: endpoints, CAs that accounts compete
//! for, and certificates that AWS issues.
//!
//! Truth: botocore's model of `iot` and the sources beside each operation.

use serde::{Deserialize, Serialize};

use super::IotCore;
use crate::device_keys;
use crate::errors::ApiError;
use crate::registry::{
    CreateCertificateFromCsrRequest, CreateCertificateFromCsrResponse,
    CreateKeysAndCertificateRequest, CreateKeysAndCertificateResponse,
    RegisterCaCertificateRequest, RegisterCaCertificateResponse, TestAuthorizationRequest,
    TestAuthorizationResponse,
};
use crate::time::Timestamp;
use crate::trace::Entry;

impl IotCore {
    //= https://docs.aws.amazon.com/iot/latest/developerguide/manage-your-CA-certs.html
    //# in `DEFAULT` mode a CA belongs to one account in a Region
    /// The `RegisterCACertificate` operation.
    pub(crate) fn register_ca_certificate(
        &self,
        input: RegisterCaCertificateRequest,
    ) -> Result<RegisterCaCertificateResponse, ApiError> {
        self.registry(|registry, now| {
            let own = |id| self.ca_owners().claim(self.scope(), id);
            registry.register_ca_certificate(input, now, own)
        })
    }

    /// The `TestAuthorization` operation: the answer is AWS's, and the trace says why of what is
    /// denied.
    pub(crate) fn test_authorization(
        &self,
        input: TestAuthorizationRequest,
    ) -> Result<TestAuthorizationResponse, ApiError> {
        let client_id = input.client_id.clone();
        let answer = self.registry(|registry, now| registry.test_authorization(input, now))?;
        for result in &answer.auth_results {
            for refusal in &result.refusals {
                let entry = Entry::failure(self.scope(), "TestAuthorization", result.auth_decision);
                let entry = match &client_id {
                    Some(client_id) => entry.member("clientId", client_id),
                    None => entry,
                };
                let entry = entry.why([format!("refused {refusal}")]);
                self.trace().record(entry.why(refusal.why.iter().cloned()));
            }
        }
        Ok(answer)
    }

    /// The `CreateKeysAndCertificate` operation. The key is there before the lock is taken.
    pub(crate) fn create_keys_and_certificate(
        &self,
        input: CreateKeysAndCertificateRequest,
        now: Timestamp,
    ) -> Result<CreateKeysAndCertificateResponse, ApiError> {
        let keys = device_keys::take();
        let certificate = device_keys::issuer().issue(&keys.spki(), now);
        self.registry(|registry, now| {
            registry.create_keys_and_certificate(input, &keys, certificate, now)
        })
    }

    //= https://docs.aws.amazon.com/iot/latest/apireference/API_CreateCertificateFromCsr.html
    //# the CSR's key is RSA of at least 2048 bits, or P-256, P-384 or P-521
    /// The `CreateCertificateFromCsr` operation.
    pub(crate) fn create_certificate_from_csr(
        &self,
        input: CreateCertificateFromCsrRequest,
        now: Timestamp,
    ) -> Result<CreateCertificateFromCsrResponse, ApiError> {
        let request = input.signing_request()?;
        let certificate = device_keys::issuer().issue_for(&request, now);
        self.registry(|registry, now| registry.create_certificate_from_csr(input, certificate, now))
    }
}

/// `DescribeEndpoint`'s input.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct DescribeEndpointRequest {
    endpoint_type: Option<String>,
}

/// `DescribeEndpoint`'s output.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct DescribeEndpointResponse {
    endpoint_address: String,
}

impl IotCore {
    //= https://github.com/ministackorg/ministack/pull/1755
    //# iot:Data and iot:Jobs are refused as retired, measured on eu-north-1, 2026-09-19
    //? assumed: without a type the ATS name is answered
    /// The `DescribeEndpoint` operation.
    pub(crate) fn describe_endpoint(
        &self,
        input: DescribeEndpointRequest,
    ) -> Result<DescribeEndpointResponse, ApiError> {
        let endpoint_address = match input.endpoint_type.as_deref() {
            None | Some("iot:Data-ATS") => self.endpoint().to_owned(),
            Some("iot:Data") => {
                let text = "iot:Data is not supported. Please use iot:Data-ATS instead.";
                return Err(ApiError::invalid_request(text));
            }
            Some("iot:Jobs") => {
                let text = "IoT Jobs and Commands APIs are now available through iot:Data-ATS \
                            endpoints instead of iot:Jobs endpoints. Please use iot:Data-ATS.";
                return Err(ApiError::invalid_request(text));
            }
            Some(other @ ("iot:CredentialProvider" | "iot:DeviceAdvisor")) => {
                let text = format!("iot-emulator has no endpoint of the type {other} yet");
                return Err(ApiError::invalid_request(text));
            }
            Some(other) => {
                return Err(ApiError::invalid_request(format!("Invalid endpoint type {other}")));
            }
        };
        Ok(DescribeEndpointResponse { endpoint_address })
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use crate::Emulator;

    #[test]
    fn wp_7_only_the_ats_endpoint_is_here_and_the_others_say_what_they_are() {
        let emulator = Emulator::start();
        let iot = emulator.iot_core_of("222233334444", "eu-west-1");
        let answer = |input| match iot.call("DescribeEndpoint", input) {
            Ok(output) => output["endpointAddress"].as_str().unwrap_or_default().to_owned(),
            Err(error) => error.to_string(),
        };
        assert_eq!(answer(json!({})), iot.aws_endpoint());
        let refused = |kind: &str| answer(json!({ "endpointType": kind }));
        assert_eq!(refused("iot:Data-ATS"), iot.aws_endpoint());
        let table = [
            ("iot:Data", "iot:Data is not supported. Please use iot:Data-ATS instead."),
            (
                "iot:Jobs",
                "IoT Jobs and Commands APIs are now available through iot:Data-ATS endpoints \
                 instead of iot:Jobs endpoints. Please use iot:Data-ATS.",
            ),
            (
                "iot:CredentialProvider",
                "iot-emulator has no endpoint of the type iot:CredentialProvider yet",
            ),
            ("iot:DeviceAdvisor", "iot-emulator has no endpoint of the type iot:DeviceAdvisor yet"),
            ("iot:Moon", "Invalid endpoint type iot:Moon"),
        ];
        for (kind, text) in table {
            assert_eq!(refused(kind), format!("InvalidRequestException: {text}"));
        }
    }
}
