//! Who signed what: one certificate against another, a request against itself, a handshake.
//!
//! Signatures are checked with the bare public key, so that certificates of version 1 count: webpki
//! takes no other road for them. Paths, dates and constraints are not looked at here.
//! Truth: RFC 5280, section 6.1.3, for the order name, then signature.

use rustls_pki_types::{SignatureVerificationAlgorithm, SubjectPublicKeyInfoDer};

use super::certificate::{Certificate, PublicKey};
use super::der;

/// Why one certificate did not issue another.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum IssuerMismatch {
    /// The issuer's name is not the subject's.
    #[error("its issuer is not the subject of the CA certificate")]
    Name,
    /// The names agree, but the signature does not hold.
    #[error("its signature does not hold against the key of the CA certificate: {why}")]
    Signature {
        /// What is wrong with it, or that it cannot be checked.
        why: String,
    },
}

impl Certificate {
    /// Whether `ca` issued this certificate: its name first, then its signature.
    ///
    /// Whether `ca` may issue at all ([`Certificate::is_ca`]) is for the caller.
    //= https://docs.aws.amazon.com/iot/latest/developerguide/x509-client-certs.html
    //# signature algorithms: SHA-256, SHA-384 or SHA-512 with RSA, RSASSA-PSS or ECDSA
    pub(crate) fn issued_by(&self, ca: &Certificate) -> Result<(), IssuerMismatch> {
        if self.issuer().der() != ca.subject().der() {
            return Err(IssuerMismatch::Name);
        }
        let short = matches!(ca.public_key(), PublicKey::Rsa { bits } if bits < 2048);
        let verdict = if short {
            Err("the RSA key of the CA has fewer than 2048 bits")
        } else {
            check_signed(self.der(), ca.spki())
        };
        verdict.map_err(|why| IssuerMismatch::Signature { why: why.to_owned() })
    }

    /// Whether it names itself as its issuer and signed itself.
    pub(crate) fn is_self_signed(&self) -> bool {
        self.issued_by(self).is_ok()
    }

    /// Whether whoever holds the key of this certificate signed `message`.
    ///
    /// The TLS handshake proves the key with it, whatever version the certificate has.
    pub(crate) fn proves(
        &self,
        algorithm: &dyn SignatureVerificationAlgorithm,
        message: &[u8],
        signature: &[u8],
    ) -> bool {
        verify(self.spki(), algorithm, message, signature).is_ok()
    }
}

fn verify(
    spki: &[u8],
    algorithm: &dyn SignatureVerificationAlgorithm,
    message: &[u8],
    signature: &[u8],
) -> Result<(), webpki::Error> {
    let spki = SubjectPublicKeyInfoDer::from(spki);
    webpki::RawPublicKeyEntity::try_from(&spki)?.verify_signature(algorithm, message, signature)
}

/// Whether the key `spki` signed `whole`: what is signed, the algorithm, the signature.
///
/// Certificates and certificate requests have this shape.
pub(super) fn check_signed(whole: &[u8], spki: &[u8]) -> Result<(), &'static str> {
    const MALFORMED: &str = "it is malformed";
    let outer = der::element(whole).ok_or(MALFORMED)?.content;
    let signed = der::element(outer).ok_or(MALFORMED)?;
    let message = outer.get(..outer.len() - signed.rest.len()).ok_or(MALFORMED)?;
    let algorithm = der::element(signed.rest).ok_or(MALFORMED)?;
    let signature = der::element(algorithm.rest).ok_or(MALFORMED)?;
    let (0x03, [0, signature @ ..]) = (signature.tag, signature.content) else {
        return Err(MALFORMED);
    };
    let mut why = unsupported(algorithm.content);
    for candidate in webpki::ALL_VERIFICATION_ALGS {
        if candidate.signature_alg_id().as_ref() != algorithm.content {
            continue;
        }
        match verify(spki, *candidate, message, signature) {
            Ok(()) => return Ok(()),
            Err(webpki::Error::InvalidSignatureForPublicKey) => {
                why = "another key made the signature";
            }
            // Several algorithms share one identifier; the key decides which of them counts.
            Err(_) if why == UNSUPPORTED => why = "the key is not of the kind that signed",
            Err(_) => {}
        }
    }
    Err(why)
}

const UNSUPPORTED: &str = "its signature algorithm is not supported";
const PSS_UNSUPPORTED: &str =
    "RSASSA-PSS is verified only with SHA-2 and a salt as long as the hash";

/// What to say about an algorithm that nothing here verifies.
fn unsupported(algorithm: &[u8]) -> &'static str {
    const SHA1_WITH_RSA: &[u8] = &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x05];
    const ECDSA_WITH_SHA1: &[u8] = &[0x2a, 0x86, 0x48, 0xce, 0x3d, 0x04, 0x01];
    const RSASSA_PSS: &[u8] = &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x0a];
    const DSA_WITH_SHA256: &[u8] = &[0x60, 0x86, 0x48, 0x01, 0x65, 0x03, 0x04, 0x03, 0x02];
    match der::element(algorithm).map(|oid| oid.content) {
        Some(SHA1_WITH_RSA | ECDSA_WITH_SHA1) => "it is signed with SHA-1",
        Some(DSA_WITH_SHA256) => "DSA signatures are not verified by this emulator",
        Some(RSASSA_PSS) => PSS_UNSUPPORTED,
        _ => UNSUPPORTED,
    }
}
