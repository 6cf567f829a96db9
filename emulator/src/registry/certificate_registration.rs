//! How a device certificate gets into the registry: RegisterCertificate,
//! RegisterCertificateWithoutCA, CreateKeysAndCertificate, CreateCertificateFromCsr, and the
//! registration just in time that `provisioning` asks for.
//!
//! Keys are made and certificates issued by `pki` before the registry is asked.
//! Truth: <https://docs.aws.amazon.com/iot/latest/apireference/API_RegisterCertificate.html>.

use serde::{Deserialize, Serialize};

use crate::errors::{ApiError, ErrorCode};
use crate::names::{Arn, CertificateId};
use crate::pki::{Certificate, DeviceKeyPair, SigningRequest};
use crate::time::Timestamp;

use super::ca_registration::{check_issuer, check_validity_and_key, not_valid};
use super::{
    CaCertificate, CaCertificateStatus, CertificateMode, CertificateRecord, CertificateStatus,
    Registry,
};

/// RegisterCertificate's input.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(crate) struct RegisterCertificateRequest {
    pub(crate) certificate_pem: String,
    pub(crate) ca_certificate_pem: Option<String>,
    /// Deprecated by AWS; counts where there is no `status`.
    pub(crate) set_as_active: bool,
    pub(crate) status: Option<CertificateStatus>,
}

/// RegisterCertificateWithoutCA's input.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(crate) struct RegisterCertificateWithoutCaRequest {
    pub(crate) certificate_pem: String,
    pub(crate) status: Option<CertificateStatus>,
}

/// The answer of both.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct RegisterCertificateResponse {
    pub(crate) certificate_arn: Arn,
    pub(crate) certificate_id: CertificateId,
}

/// CreateKeysAndCertificate's input.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(crate) struct CreateKeysAndCertificateRequest {
    pub(crate) set_as_active: bool,
}

/// CreateKeysAndCertificate's answer.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct CreateKeysAndCertificateResponse {
    #[serde(flatten)]
    pub(crate) certificate: CreateCertificateFromCsrResponse,
    pub(crate) key_pair: KeyPair,
}

/// A key pair in PEM.
#[derive(Clone, Serialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct KeyPair {
    pub(crate) public_key: String,
    pub(crate) private_key: String,
}

/// Without the private key.
impl std::fmt::Debug for KeyPair {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("KeyPair").field("public_key", &self.public_key).finish_non_exhaustive()
    }
}

/// CreateCertificateFromCsr's input.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(crate) struct CreateCertificateFromCsrRequest {
    pub(crate) certificate_signing_request: String,
    pub(crate) set_as_active: bool,
}

/// CreateCertificateFromCsr's answer.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct CreateCertificateFromCsrResponse {
    pub(crate) certificate_arn: Arn,
    pub(crate) certificate_id: CertificateId,
    pub(crate) certificate_pem: String,
}

impl CreateCertificateFromCsrRequest {
    /// The request that AWS's CA signs, before the registry is asked.
    pub(crate) fn signing_request(&self) -> Result<SigningRequest, ApiError> {
        let csr = &self.certificate_signing_request;
        SigningRequest::from_pem(csr).map_err(|error| ApiError::invalid_request(error.to_string()))
    }
}

/// A device certificate on its way into the registry.
struct NewCertificate {
    certificate: Certificate,
    /// As it was given.
    pem: Option<String>,
    status: CertificateStatus,
    mode: CertificateMode,
    ca_certificate_id: Option<CertificateId>,
}

impl Registry {
    //? assumed: the order of the checks where the sources are silent: status, PEM, is the CA
    //? registered, did it issue, is it ACTIVE, validity and key, duplicate
    /// Registers a device certificate under the registered CA that issued it.
    pub(crate) fn register_certificate(
        &mut self,
        input: RegisterCertificateRequest,
        now: Timestamp,
    ) -> Result<RegisterCertificateResponse, ApiError> {
        let given_ca = input.ca_certificate_pem.as_deref();
        let default = if input.set_as_active {
            CertificateStatus::Active
        } else {
            CertificateStatus::Inactive
        };
        let status = registrable(input.status.unwrap_or(default))?;
        let certificate = parse(&input.certificate_pem)?;
        let ca = match given_ca {
            Some(pem) => self.given_ca(&certificate, pem)?,
            None => self.signing_ca(&certificate)?,
        };
        if ca.status != CaCertificateStatus::Active {
            //= https://github.com/ministackorg/ministack/pull/1755
            //# looked at after the issuer and before the duplicate
            return Err(ApiError::new(
                ErrorCode::CertificateStateException,
                "The CA certificate is not active",
            ));
        }
        //= https://docs.aws.amazon.com/iot/latest/apireference/API_RegisterCACertificate.html
        //# certificates registered under a CA have the mode of the CA
        let (mode, ca_certificate_id) = (ca.mode, Some(ca.certificate.id()));
        let pem = Some(input.certificate_pem);
        let new = NewCertificate { certificate, pem, status, mode, ca_certificate_id };
        self.register_checked(new, now)
    }

    /// Registers a device certificate for connections that name this account's endpoint.
    pub(crate) fn register_certificate_without_ca(
        &mut self,
        input: RegisterCertificateWithoutCaRequest,
        now: Timestamp,
    ) -> Result<RegisterCertificateResponse, ApiError> {
        let status = registrable(input.status.unwrap_or(CertificateStatus::Inactive))?;
        let certificate = parse(&input.certificate_pem)?;
        let new = NewCertificate {
            certificate,
            pem: Some(input.certificate_pem),
            status,
            //= https://github.com/ministackorg/ministack/pull/1755
            //# measured: a certificate registered without a CA is SNI_ONLY
            mode: CertificateMode::SniOnly,
            ca_certificate_id: None,
        };
        self.register_checked(new, now)
    }

    /// Stores a certificate that AWS's CA issued for `keys`.
    pub(crate) fn create_keys_and_certificate(
        &mut self,
        input: CreateKeysAndCertificateRequest,
        keys: &DeviceKeyPair,
        certificate: Certificate,
        now: Timestamp,
    ) -> Result<CreateKeysAndCertificateResponse, ApiError> {
        let certificate = self.store_issued(certificate, input.set_as_active, now);
        let key_pair =
            KeyPair { public_key: keys.public_key_pem(), private_key: keys.private_key_pem() };
        Ok(CreateKeysAndCertificateResponse { certificate, key_pair })
    }

    /// Stores a certificate that AWS's CA issued for the input's signing request.
    pub(crate) fn create_certificate_from_csr(
        &mut self,
        input: CreateCertificateFromCsrRequest,
        certificate: Certificate,
        now: Timestamp,
    ) -> Result<CreateCertificateFromCsrResponse, ApiError> {
        Ok(self.store_issued(certificate, input.set_as_active, now))
    }

    /// Stores a certificate that AWS's CA issued, and that is INACTIVE yet.
    pub(crate) fn store_issued_certificate(&mut self, certificate: Certificate, now: Timestamp) {
        self.store_issued(certificate, false, now);
    }

    /// Registers a certificate just in time: it waits in PENDING_ACTIVATION, under its CA.
    pub(crate) fn register_just_in_time(
        &mut self,
        certificate: Certificate,
        ca_certificate_id: CertificateId,
        mode: CertificateMode,
        now: Timestamp,
    ) {
        self.store_pending(certificate, mode, Some(ca_certificate_id), now);
    }

    /// Stores a certificate that waits in PENDING_ACTIVATION.
    pub(super) fn store_pending(
        &mut self,
        certificate: Certificate,
        mode: CertificateMode,
        ca_certificate_id: Option<CertificateId>,
        now: Timestamp,
    ) {
        let status = CertificateStatus::PendingActivation;
        self.store(NewCertificate { certificate, pem: None, status, mode, ca_certificate_id }, now);
    }

    fn store_issued(
        &mut self,
        certificate: Certificate,
        active: bool,
        now: Timestamp,
    ) -> CreateCertificateFromCsrResponse {
        let certificate_id = certificate.id();
        let certificate_pem = certificate.pem();
        let new = NewCertificate {
            certificate,
            pem: None,
            status: if active { CertificateStatus::Active } else { CertificateStatus::Inactive },
            mode: CertificateMode::Default,
            ca_certificate_id: None,
        };
        self.store(new, now);
        let certificate_arn = self.certificate_arn(certificate_id);
        CreateCertificateFromCsrResponse { certificate_arn, certificate_id, certificate_pem }
    }

    fn register_checked(
        &mut self,
        new: NewCertificate,
        now: Timestamp,
    ) -> Result<RegisterCertificateResponse, ApiError> {
        check_validity_and_key(&new.certificate, now)?;
        let certificate_id = new.certificate.id();
        let certificate_arn = self.certificate_arn(certificate_id);
        if self.certificates.contains_key(&certificate_id) {
            //= https://github.com/getmoto/moto/blob/5.2.1/moto/iot/models.py
            //# the text for a certificate that is registered already
            let message = "The certificate is already provisioned or registered";
            return Err(Self::already_exists(message, certificate_id, certificate_arn));
        }
        self.store(new, now);
        Ok(RegisterCertificateResponse { certificate_arn, certificate_id })
    }

    fn store(&mut self, new: NewCertificate, now: Timestamp) {
        let NewCertificate { certificate, pem, status, mode, ca_certificate_id } = new;
        let position = self.next_position();
        // Most clients write a PEM as we do: no need to keep it twice.
        let pem = pem.filter(|pem| *pem != certificate.pem()).map(String::into_boxed_str);
        let record = CertificateRecord {
            certificate,
            status,
            mode,
            ca_certificate_id,
            created: now,
            pem,
            modified: now,
            customer_version: 1,
            generation_id: self.derive_uuid("certificate", position),
            transfer: None,
        };
        self.shelve(position, record);
    }

    /// The CA that the request names, which must be registered and have issued the certificate.
    fn given_ca(&self, certificate: &Certificate, pem: &str) -> Result<&CaCertificate, ApiError> {
        //? assumed: exception and text
        let ca = Certificate::from_pem(pem)
            .map_err(|_| not_valid("The CA certificate is not an X.509 certificate in PEM"))?;
        let registered = self.ca_certificate(ca.id()).ok_or_else(no_ca)?;
        check_issuer(certificate, &registered.certificate)?;
        Ok(registered)
    }

    //= https://docs.aws.amazon.com/iot/latest/apireference/API_RegisterCertificate.html
    //# with several CA certificates of one subject and key, the caller must say which
    //= https://github.com/ministackorg/ministack/pull/1755
    //# otherwise the signature finds the CA; an ACTIVE one is preferred
    fn signing_ca(&self, certificate: &Certificate) -> Result<&CaCertificate, ApiError> {
        let issuers = self.issuers_of(certificate);
        let is_active = |ca: &&&CaCertificate| ca.status == CaCertificateStatus::Active;
        let active: Vec<&&CaCertificate> = issuers.iter().filter(is_active).collect();
        match (active.as_slice(), issuers.as_slice()) {
            ([ca], _) => Ok(ca),
            ([], [ca, ..]) => Ok(ca),
            //? assumed: a certificate that no registered CA issued is refused like one whose CA is
            //? named and not registered
            ([], []) => Err(no_ca()),
            //? assumed: the text
            _ => Err(ApiError::new(
                ErrorCode::CertificateConflictException,
                "More than one CA certificate with the same subject and public key is registered. \
                 Specify the CA certificate.",
            )),
        }
    }

    /// The registered CA certificates that issued `certificate`, oldest first; several only if they
    /// share subject and key.
    pub(crate) fn issuers_of(&self, certificate: &Certificate) -> Vec<&CaCertificate> {
        let named = self.ca_certificates_named(certificate.issuer().der());
        named.filter(|ca| certificate.issued_by(&ca.certificate).is_ok()).collect()
    }
}

fn parse(pem: &str) -> Result<Certificate, ApiError> {
    //? assumed: exception and text
    Certificate::from_pem(pem)
        .map_err(|_| not_valid("The certificate is not an X.509 certificate in PEM"))
}

//= https://github.com/ministackorg/ministack/pull/1755
//# measured: 406, `Not allowed to register certificate with PENDING_ACTIVATION status`
//? assumed: the same for PENDING_TRANSFER and for the deprecated REGISTER_INACTIVE
fn registrable(status: CertificateStatus) -> Result<CertificateStatus, ApiError> {
    match status {
        CertificateStatus::Active | CertificateStatus::Inactive | CertificateStatus::Revoked => {
            Ok(status)
        }
        CertificateStatus::PendingTransfer
        | CertificateStatus::RegisterInactive
        | CertificateStatus::PendingActivation => Err(ApiError::new(
            ErrorCode::CertificateStateException,
            format!("Not allowed to register certificate with {status} status"),
        )),
    }
}

//= https://github.com/ministackorg/ministack/pull/1755
//# 406 with this text, if the CA certificate that is named is not registered
fn no_ca() -> ApiError {
    ApiError::new(
        ErrorCode::CertificateStateException,
        "No CA certificate exists for the given certificate",
    )
}
