//! RegisterCACertificate: which CA certificates AWS IoT takes, and in which order it looks.
//!
//! Which account of the Region owns a CA in `DEFAULT` mode is decided outside: a function is asked
//! for it, last of all.
//! Truth: <https://docs.aws.amazon.com/iot/latest/apireference/API_RegisterCACertificate.html> and
//! <https://docs.aws.amazon.com/iot/latest/developerguide/manage-your-CA-certs.html>.

use serde::{Deserialize, Serialize};

use crate::errors::{ApiError, ErrorCode};
use crate::names::{Arn, CertificateId};
use crate::pki::{AttributeKind, Certificate, Curve, IssuerMismatch, PublicKey};
use crate::quotas::CA_CERTIFICATES_PER_SUBJECT;
use crate::time::Timestamp;

use super::registration_config::RegistrationConfig;
use super::tags::check_new_tags;
use super::{
    AutoRegistrationStatus, CaCertificate, CaCertificateStatus, CertificateMode, Registry, Tag,
};

/// RegisterCACertificate's input.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(crate) struct RegisterCaCertificateRequest {
    pub(crate) ca_certificate: String,
    pub(crate) verification_certificate: Option<String>,
    pub(crate) set_as_active: bool,
    pub(crate) allow_auto_registration: bool,
    pub(crate) registration_config: Option<RegistrationConfig>,
    pub(crate) tags: Vec<Tag>,
    pub(crate) certificate_mode: Option<CertificateMode>,
}

/// RegisterCACertificate's answer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct RegisterCaCertificateResponse {
    pub(crate) certificate_arn: Arn,
    pub(crate) certificate_id: CertificateId,
}

impl Registry {
    //= https://github.com/ministackorg/ministack/pull/1755
    //# order: mode and presence, PEM, issuer, signature, common name, duplicate
    //? assumed: tags and registrationConfig are looked at after mode and presence, and the CA
    //? certificate itself before the verification certificate
    /// Registers a CA certificate. In `DEFAULT` mode `own` makes this account its owner, unless
    /// another account of the Region is; it says `false` then.
    pub(crate) fn register_ca_certificate(
        &mut self,
        input: RegisterCaCertificateRequest,
        now: Timestamp,
        own: impl FnOnce(CertificateId) -> bool,
    ) -> Result<RegisterCaCertificateResponse, ApiError> {
        let mode = input.check()?;
        check_new_tags(&input.tags)?;
        let config = input.registration_config.filter(|config| !config.is_empty());
        if let Some(config) = &config {
            config.check(self)?;
        }
        let ca = sound_ca_certificate(&input.ca_certificate, now)?;
        if let Some(verification) = &input.verification_certificate {
            self.verify_possession(&ca, verification)?;
        }
        self.check_room_for(&ca)?;
        if mode == CertificateMode::Default && !own(ca.id()) {
            //? assumed: a second DEFAULT owner in a Region is told what one that asks twice is told
            return Err(self.ca_exists(ca.id()));
        }

        let position = self.next_position();
        let record = CaCertificate {
            mode,
            status: if input.set_as_active {
                CaCertificateStatus::Active
            } else {
                CaCertificateStatus::Inactive
            },
            auto_registration: if input.allow_auto_registration {
                AutoRegistrationStatus::Enable
            } else {
                AutoRegistrationStatus::Disable
            },
            registration_config: config,
            pem: input.ca_certificate,
            created: now,
            modified: now,
            customer_version: 1,
            generation_id: self.derive_uuid("CA certificate", position),
            certificate: ca,
        };
        let certificate_id = record.certificate.id();
        let subject = record.certificate.subject().der().to_vec();
        self.ca_certificates_by_subject.entry(subject).or_default().insert(
            position,
            certificate_id,
            (),
        );
        self.ca_certificates.insert(position, certificate_id, record);
        let certificate_arn = self.scope.iot_arn("cacert", certificate_id);
        self.tag_new(&certificate_arn, input.tags);
        Ok(RegisterCaCertificateResponse { certificate_arn, certificate_id })
    }

    /// The verification certificate shows that the caller holds the CA's key.
    //= https://docs.aws.amazon.com/iot/latest/developerguide/manage-your-CA-certs.html
    //# it is signed by the CA, and its common name is the registration code
    //= https://github.com/ministackorg/ministack/pull/1755
    //# the texts
    fn verify_possession(&self, ca: &Certificate, verification: &str) -> Result<(), ApiError> {
        let verification = Certificate::from_pem(verification).map_err(|_| {
            ApiError::invalid_request("Contents of the Verification Certificate are not correct")
        })?;
        check_issuer(&verification, ca)?;
        let mut names = verification.subject().values(AttributeKind::CommonName);
        if names.next().is_some_and(|name| self.is_registration_code(name)) {
            return Ok(());
        }
        Err(ApiError::new(
            ErrorCode::RegistrationCodeValidationException,
            "Registration code provided in the CN field of verification certificate is invalid.",
        ))
    }

    fn ca_exists(&self, id: CertificateId) -> ApiError {
        //? assumed: the text, as for device certificates
        let message = "The certificate is already provisioned or registered";
        Self::already_exists(message, id, self.scope.iot_arn("cacert", id))
    }

    fn check_room_for(&self, ca: &Certificate) -> Result<(), ApiError> {
        if self.ca_certificates.contains_key(&ca.id()) {
            return Err(self.ca_exists(ca.id()));
        }
        let same_subject = self.ca_certificates_named(ca.subject().der());
        //= https://docs.aws.amazon.com/iot/latest/apireference/API_RegisterCACertificate.html
        //# up to ten CA certificates with one subject in an account
        if same_subject.count() >= CA_CERTIFICATES_PER_SUBJECT {
            //? assumed: the text
            let message = format!(
                "The maximum number of CA certificates with the same subject \
                 ({CA_CERTIFICATES_PER_SUBJECT}) is registered"
            );
            return Err(ApiError::new(ErrorCode::LimitExceededException, message));
        }
        Ok(())
    }
}

impl RegisterCaCertificateRequest {
    /// Whether mode and verification certificate go together.
    fn check(&self) -> Result<CertificateMode, ApiError> {
        let verification = self.verification_certificate.as_deref();
        //= https://docs.aws.amazon.com/iot/latest/apireference/API_RegisterCACertificate.html
        //# DEFAULT unless given; DEFAULT needs a verification certificate, SNI_ONLY takes none
        //= https://github.com/ministackorg/ministack/pull/1755
        //# the texts of both refusals
        let mode = self.certificate_mode.unwrap_or(CertificateMode::Default);
        match (mode, verification) {
            (CertificateMode::Default, None) => Err(ApiError::invalid_request(
                "Need to provide verification certificate for registering CA Certificates in \
                 DEFAULT mode",
            )),
            (CertificateMode::SniOnly, Some(_)) => Err(ApiError::invalid_request(
                "Cannot provide verification certificate for registering CA Certificates in \
                 SNI_ONLY mode",
            )),
            _ => Ok(mode),
        }
    }
}

//= https://github.com/ministackorg/ministack/pull/1755
//# the texts, and that the name is looked at before the signature
/// What AWS answers if `certificate` was not issued by `ca`.
pub(super) fn check_issuer(certificate: &Certificate, ca: &Certificate) -> Result<(), ApiError> {
    let why = match certificate.issued_by(ca) {
        Ok(()) => return Ok(()),
        Err(IssuerMismatch::Name) => {
            "The issuer of the certificate did not match the subject of the provided CA \
             certificate."
        }
        Err(IssuerMismatch::Signature { .. }) => {
            "The signature of the certificate failed verification against the provided CA \
             certificate."
        }
    };
    Err(not_valid(why))
}

pub(super) fn not_valid(why: &str) -> ApiError {
    ApiError::new(ErrorCode::CertificateValidationException, why)
}

//= https://docs.aws.amazon.com/iot/latest/developerguide/audit-chk-device-cert-key-quality.html
//# at registration AWS looks at the format, the validity and the size of the key
//= https://github.com/NordicSemiconductor/asset-tracker-cloud-docs/issues/631
//# observed: the text about basicConstraints
//? assumed: the exception, and the other texts
fn sound_ca_certificate(pem: &str, now: Timestamp) -> Result<Certificate, ApiError> {
    let ca = Certificate::from_pem(pem).map_err(|_| {
        not_valid("CA certificate is not valid. It is not an X.509 certificate in PEM")
    })?;
    if !ca.is_ca() {
        return Err(not_valid(
            "CA certificate is not valid. The CA certificate does not have the basicConstraints \
             extension as true",
        ));
    }
    check_validity_and_key(&ca, now)?;
    Ok(ca)
}

//= https://repost.aws/questions/QUUURY39RoSqCEUmoN7UbtZQ
//# observed of a device certificate with RSA-1024: `The key in the certificate is not valid`
//? assumed: the exception, the same of a CA certificate, and the text about the validity
/// The checks that CA certificates and device certificates have in common.
pub(super) fn check_validity_and_key(
    certificate: &Certificate,
    now: Timestamp,
) -> Result<(), ApiError> {
    if !certificate.is_valid_at(now) {
        return Err(not_valid("The certificate is not within its validity period"));
    }
    if !has_a_key_that_aws_takes(certificate) {
        return Err(not_valid("The key in the certificate is not valid"));
    }
    Ok(())
}

//= https://docs.aws.amazon.com/iot/latest/developerguide/x509-client-certs.html
//# RSA keys with 2048 bits or more, and keys on P-256, P-384 and P-521
/// Whether AWS IoT takes the kind and the size of the certificate's key.
pub(crate) fn has_a_key_that_aws_takes(certificate: &Certificate) -> bool {
    match certificate.public_key() {
        PublicKey::Rsa { bits } => bits >= 2048,
        PublicKey::Ec { curve: Curve::P256 | Curve::P384 | Curve::P521 } => true,
        PublicKey::Ec { .. } | PublicKey::Ed25519 | PublicKey::Other => false,
    }
}
