//! Private keys: generating, signing, and their encodings. Nothing prints one by accident.

use std::fmt;

use aws_lc_rs::encoding::{AsDer as _, PublicKeyX509Der};
use aws_lc_rs::rand::{self, SystemRandom};
use aws_lc_rs::rsa::KeySize;
use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_ASN1_SIGNING, ECDSA_P384_SHA384_ASN1_SIGNING, ECDSA_P521_SHA512_ASN1_SIGNING,
    EcdsaKeyPair, EcdsaSigningAlgorithm, KeyPair as _, RSA_PKCS1_SHA256, RsaKeyPair,
};
use rustls_pki_types::alg_id;

use super::der;

/// What kind of key to make for a certificate.
//= https://docs.aws.amazon.com/iot/latest/developerguide/x509-client-certs.html
//# devices may hold RSA keys of at least 2048 bits and ECC keys on P-256, P-384 and P-521
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum KeyKind {
    /// NIST P-256: made in microseconds.
    #[default]
    P256,
    /// NIST P-384.
    P384,
    /// NIST P-521.
    P521,
    /// RSA with 2048 bits: takes a tenth of a second, sometimes more.
    Rsa2048,
}

/// A private key and its public half.
pub(super) enum KeyPair {
    Ec { key: EcdsaKeyPair, kind: KeyKind },
    Rsa(Box<RsaKeyPair>),
}

/// The kind alone.
impl fmt::Debug for KeyPair {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "KeyPair({:?}, private)", self.kind())
    }
}

const SYSTEM: &str = "the system has random numbers, so the library makes keys and signatures";

impl KeyPair {
    pub(super) fn generate(kind: KeyKind) -> Self {
        match curve(kind) {
            Some(algorithm) => {
                Self::Ec { key: EcdsaKeyPair::generate(algorithm).expect(SYSTEM), kind }
            }
            None => Self::Rsa(Box::new(RsaKeyPair::generate(KeySize::Rsa2048).expect(SYSTEM))),
        }
    }

    /// The key in a PKCS#8 document; `None` if it is none of ours.
    pub(super) fn from_pkcs8(pkcs8: &[u8]) -> Option<Self> {
        for kind in [KeyKind::P256, KeyKind::P384, KeyKind::P521] {
            let key = curve(kind).and_then(|curve| EcdsaKeyPair::from_pkcs8(curve, pkcs8).ok());
            if let Some(key) = key {
                return Some(Self::Ec { key, kind });
            }
        }
        RsaKeyPair::from_pkcs8(pkcs8).ok().map(|key| Self::Rsa(Box::new(key)))
    }

    pub(super) const fn kind(&self) -> KeyKind {
        match self {
            Self::Ec { kind, .. } => *kind,
            Self::Rsa(_) => KeyKind::Rsa2048,
        }
    }

    /// The public half as a DER `SubjectPublicKeyInfo`.
    pub(super) fn spki(&self) -> Vec<u8> {
        let spki: PublicKeyX509Der<'_> = match self {
            Self::Ec { key, .. } => key.public_key().as_der().expect(SYSTEM),
            Self::Rsa(key) => key.public_key().as_der().expect(SYSTEM),
        };
        spki.as_ref().to_vec()
    }

    /// The private half as PKCS#8 DER.
    pub(super) fn pkcs8(&self) -> Vec<u8> {
        match self {
            Self::Ec { key, .. } => key.to_pkcs8v1().expect(SYSTEM).as_ref().to_vec(),
            Self::Rsa(key) => key.as_der().expect(SYSTEM).as_ref().to_vec(),
        }
    }

    /// The DER `AlgorithmIdentifier` of its signatures.
    pub(super) fn signature_algorithm(&self) -> Vec<u8> {
        let content = match self.kind() {
            KeyKind::P256 => alg_id::ECDSA_SHA256,
            KeyKind::P384 => alg_id::ECDSA_SHA384,
            KeyKind::P521 => alg_id::ECDSA_SHA512,
            KeyKind::Rsa2048 => alg_id::RSA_PKCS1_SHA256,
        };
        der::sequence(&[content.as_ref()])
    }

    /// The signature over `message`.
    pub(super) fn sign(&self, message: &[u8]) -> Vec<u8> {
        let random = SystemRandom::new();
        match self {
            Self::Ec { key, .. } => key.sign(&random, message).expect(SYSTEM).as_ref().to_vec(),
            Self::Rsa(key) => {
                let mut signature = vec![0; key.public_modulus_len()];
                key.sign(&RSA_PKCS1_SHA256, &random, message, &mut signature).expect(SYSTEM);
                signature
            }
        }
    }
}

fn curve(kind: KeyKind) -> Option<&'static EcdsaSigningAlgorithm> {
    match kind {
        KeyKind::P256 => Some(&ECDSA_P256_SHA256_ASN1_SIGNING),
        KeyKind::P384 => Some(&ECDSA_P384_SHA384_ASN1_SIGNING),
        KeyKind::P521 => Some(&ECDSA_P521_SHA512_ASN1_SIGNING),
        KeyKind::Rsa2048 => None,
    }
}

/// A random serial number of exactly 20 bytes, as AWS gives them.
pub(super) fn random_serial() -> [u8; 20] {
    let mut serial = [0; 20];
    rand::fill(&mut serial).expect(SYSTEM);
    if let Some(first) = serial.first_mut() {
        *first = *first & 0x3f | 0x40;
    }
    serial
}
