//! Certificates that AWS issues to devices: with keys of AWS's making, or from a request (CSR).
//!
//! Decides what such a certificate looks like and which requests are refused. The caller stores it
//! and answers; `device_keys` has the keys made before they are needed, since RSA takes its time.
//! Truth: <https://docs.aws.amazon.com/iot/latest/apireference/API_CreateKeysAndCertificate.html>,
//! and a sample certificate that the AWS CLI reference prints, read with OpenSSL.

use std::fmt;
use std::sync::OnceLock;
use std::time::Duration;

use x509_parser::certification_request::X509CertificationRequest;
use x509_parser::prelude::FromDer as _;

use super::certificate::{Certificate, Curve, PublicKey, public_key};
use super::issue::{VALID_UNTIL, read_back};
use super::key::{KeyKind, KeyPair};
use super::write::{self, Draft, KeyUsage};
use super::{AttributeKind, der, pem, sha256, verify};
use crate::names::hex;
use crate::time::Timestamp;

/// How long a provisioning claim counts.
const CLAIM_LIFE: Duration = Duration::from_secs(5 * 60);

/// A key pair as CreateKeysAndCertificate answers it.
pub(crate) struct DeviceKeyPair {
    key: KeyPair,
}

impl DeviceKeyPair {
    /// RSA with 2048 bits; takes a tenth of a second, sometimes three.
    //= https://docs.aws.amazon.com/iot/latest/apireference/API_CreateKeysAndCertificate.html
    //# a 2048-bit RSA key pair
    pub(crate) fn generate() -> Self {
        Self { key: KeyPair::generate(KeyKind::Rsa2048) }
    }

    /// `keyPair.PublicKey`.
    pub(crate) fn public_key_pem(&self) -> String {
        pem::encode("PUBLIC KEY", &self.key.spki())
    }

    /// `keyPair.PrivateKey`, in the older form that AWS answers (PKCS#1).
    pub(crate) fn private_key_pem(&self) -> String {
        let pkcs8 = self.key.pkcs8();
        let pkcs1 = inside_pkcs8(&pkcs8).expect("PKCS#8 wraps the key in an octet string");
        pem::encode("RSA PRIVATE KEY", pkcs1)
    }

    /// The public key as [`AwsIssuer::issue`] wants it.
    pub(crate) fn spki(&self) -> Vec<u8> {
        self.key.spki()
    }
}

impl fmt::Debug for DeviceKeyPair {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.key.fmt(f)
    }
}

/// PKCS#8 is: version, algorithm, the key itself in an octet string.
fn inside_pkcs8(pkcs8: &[u8]) -> Option<&[u8]> {
    let version = der::element(der::element(pkcs8)?.content)?;
    let algorithm = der::element(version.rest)?;
    Some(der::element(algorithm.rest)?.content)
}

/// A certificate signing request that AWS takes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct SigningRequest {
    subject: Vec<u8>,
    spki: Vec<u8>,
}

/// A certificate signing request that AWS does not take.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("CSR violates constraints")]
pub(crate) struct CsrViolatesConstraints {
    /// What AWS does not say.
    pub(crate) why: String,
}

impl SigningRequest {
    /// Reads a PEM request, checks its own signature and its key.
    //= https://docs.aws.amazon.com/iot/latest/apireference/API_CreateCertificateFromCsr.html
    //# the key is RSA with at least 2048 bits, or ECC on P-256, P-384 or P-521
    pub(crate) fn from_pem(text: &str) -> Result<Self, CsrViolatesConstraints> {
        let refused = |why: &str| CsrViolatesConstraints { why: why.to_owned() };
        if text.len() > pem::LIMIT_BYTES {
            return Err(refused("it is too large"));
        }
        let block = pem::blocks(text, pem::Label::CertificateRequest).next();
        let der = block
            .ok_or_else(|| refused("there is no `-----BEGIN CERTIFICATE REQUEST-----` block"))?
            .map_err(|why| CsrViolatesConstraints { why })?;
        let Ok(([], parsed)) = X509CertificationRequest::from_der(&der) else {
            return Err(refused("it is no certificate signing request"));
        };
        let info = &parsed.certification_request_info;
        match public_key(&info.subject_pki) {
            PublicKey::Rsa { bits } if bits < 2048 => {
                return Err(refused("its RSA key has fewer than 2048 bits"));
            }
            PublicKey::Rsa { .. }
            | PublicKey::Ec { curve: Curve::P256 | Curve::P384 | Curve::P521 } => {}
            _ => return Err(refused("its key is neither RSA nor on P-256, P-384 or P-521")),
        }
        verify::check_signed(&der, info.subject_pki.raw)
            .map_err(|why| CsrViolatesConstraints { why: format!("its own signature: {why}") })?;
        let (subject, spki) = (info.subject.as_raw().to_vec(), info.subject_pki.raw.to_vec());
        Ok(Self { subject, spki })
    }
}

/// The CA that stands for Amazon's; its key is made when it first signs, or before.
pub(crate) struct AwsIssuer {
    key: OnceLock<KeyPair>,
}

impl fmt::Debug for AwsIssuer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AwsIssuer").finish_non_exhaustive()
    }
}

impl AwsIssuer {
    /// An issuer that has no key yet.
    pub(crate) const fn new() -> Self {
        Self { key: OnceLock::new() }
    }

    /// Whether it can sign at once.
    pub(crate) fn has_key(&self) -> bool {
        self.key.get().is_some()
    }

    /// Makes its key, if it has none; takes as long as a [`DeviceKeyPair`].
    pub(crate) fn make_key(&self) {
        self.key();
    }

    fn key(&self) -> &KeyPair {
        self.key.get_or_init(|| KeyPair::generate(KeyKind::Rsa2048))
    }

    /// A certificate for the key `spki` of AWS's making.
    pub(crate) fn issue(&self, spki: &[u8], now: Timestamp) -> Certificate {
        let subject = write::name([(AttributeKind::CommonName, "AWS IoT Certificate")]);
        self.sign_device(&subject, spki, now)
    }

    //= https://docs.aws.amazon.com/cli/latest/reference/iot/create-provisioning-claim.html
    //# a sample: issued by `Amazon IoT Provisioning`, its common name 64 hex digits
    //= https://docs.aws.amazon.com/iot/latest/developerguide/provision-wo-cert.html
    //# a claim expires after five minutes
    //? assumed: the common name follows from the key
    /// A provisioning claim for the key `spki` of AWS's making.
    pub(crate) fn issue_claim(&self, spki: &[u8], now: Timestamp) -> Certificate {
        let issuer = write::name([
            (AttributeKind::Country, "US"),
            (AttributeKind::State, "Washington"),
            (AttributeKind::Locality, "Seattle"),
            (AttributeKind::Organization, "Amazon.com Inc."),
            (AttributeKind::OrganizationalUnit, "Amazon IoT Provisioning"),
            (AttributeKind::SerialNumber, "1.0"),
        ]);
        let name = hex(&sha256(spki));
        let subject = write::name([(AttributeKind::CommonName, name.as_str())]);
        self.sign(&issuer, &subject, spki, now, now + CLAIM_LIFE)
    }

    /// A certificate for a request; its subject is the request's, byte by byte.
    pub(crate) fn issue_for(&self, request: &SigningRequest, now: Timestamp) -> Certificate {
        self.sign_device(&request.subject, &request.spki, now)
    }

    //= https://docs.aws.amazon.com/cli/latest/reference/iot/register-thing.html
    //# a sample: version 3, SHA-256 with RSA, the issuer one OU; critical CA:FALSE and
    //# digitalSignature, both key identifiers; neither extended key usage nor alternative names
    //= https://docs.aws.amazon.com/cli/latest/reference/iot/describe-certificate.html
    //# a sample: valid from two minutes before its creation
    //= https://docs.aws.amazon.com/iot/latest/developerguide/x509-client-certs.html
    //# valid until the end of 2049
    fn sign_device(&self, subject: &[u8], spki: &[u8], now: Timestamp) -> Certificate {
        const ISSUER: &str = "Amazon Web Services O=Amazon.com Inc. L=Seattle ST=Washington C=US";
        let issuer = write::name([(AttributeKind::OrganizationalUnit, ISSUER)]);
        self.sign(&issuer, subject, spki, now, VALID_UNTIL)
    }

    fn sign(
        &self,
        issuer: &[u8],
        subject: &[u8],
        spki: &[u8],
        now: Timestamp,
        not_after: Timestamp,
    ) -> Certificate {
        let key = self.key();
        let draft = Draft {
            issuer,
            subject,
            spki,
            not_before: now - Duration::from_secs(120),
            not_after,
            extensions: vec![
                write::authority_key_identifier(&key.spki()),
                write::subject_key_identifier(spki),
                write::basic_constraints(false),
                write::key_usage(KeyUsage::Sign),
            ],
        };
        read_back(&draft.sign(key))
    }
}
