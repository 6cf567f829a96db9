//! What one certificate says: names, validity, key, alternative names, and its ID.
//!
//! Versions 1 and 3 are read alike: `openssl x509 -req` writes version 1 unless told otherwise, and
//! AWS takes it. Reading decides nothing but "this is an X.509 certificate"; whether its dates, key
//! or constraints will do is for the caller.
//! Truth: RFC 5280, section 4.

use std::fmt;
use std::net::{Ipv4Addr, Ipv6Addr};
use std::sync::Arc;

use x509_parser::certificate::X509Certificate;
use x509_parser::extensions::{GeneralName, ParsedExtension};
use x509_parser::prelude::FromDer as _;
use x509_parser::x509::SubjectPublicKeyInfo;

use super::digest::sha256;
use super::name::DistinguishedName;
use super::{der, pem};
use crate::names::{CertificateId, hex};
use crate::time::Timestamp;

/// One X.509 certificate; clones share it.
#[derive(Clone)]
pub(crate) struct Certificate(Arc<Fields>);

/// Hundreds of thousands may be registered: what the DER holds as it stands is not kept twice.
struct Fields {
    der: Box<[u8]>,
    id: CertificateId,
    #[cfg(test)]
    version: u32,
    subject: DistinguishedName,
    issuer: DistinguishedName,
    not_before: Timestamp,
    not_after: Timestamp,
    is_ca: bool,
    serial: Part,
    public_key: PublicKey,
    spki: Part,
    subject_alternative_names: Box<[(AlternativeNameKind, String)]>,
    issuer_alternative_names: Box<[(AlternativeNameKind, String)]>,
}

/// Where in the DER something stands.
#[derive(Clone, Copy)]
struct Part {
    from: u32,
    to: u32,
}

impl Part {
    /// The place of `part` in `whole`, which it was cut out of.
    fn of(part: &[u8], whole: &[u8]) -> Self {
        let from = part.as_ptr().addr().saturating_sub(whole.as_ptr().addr());
        let place = |at: usize| u32::try_from(at).unwrap_or(u32::MAX);
        Self { from: place(from), to: place(from + part.len()) }
    }

    fn in_der(self, der: &[u8]) -> &[u8] {
        der.get(self.from as usize..self.to as usize).unwrap_or_default()
    }
}

/// The text or DER is no certificate.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub(crate) enum MalformedCertificate {
    /// More than anybody's certificate needs.
    #[error("more than {limit} bytes")]
    TooLarge {
        /// What would have been read.
        limit: usize,
    },
    /// There is no PEM block of a certificate.
    #[error("no `-----BEGIN CERTIFICATE-----` block")]
    NoCertificate,
    /// There is a PEM block, but it is broken.
    #[error("broken PEM: {why}")]
    Pem {
        /// What is wrong with it.
        why: String,
    },
    /// The bytes are not an X.509 certificate.
    #[error("not an X.509 certificate: {why}")]
    NotX509 {
        /// What is wrong with them.
        why: String,
    },
}

/// The kind and size of a public key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum PublicKey {
    /// RSA with a modulus of `bits`.
    Rsa {
        /// The length of the modulus.
        bits: usize,
    },
    /// A point on a named curve.
    Ec {
        /// The curve.
        curve: Curve,
    },
    /// Ed25519.
    Ed25519,
    /// Anything else.
    Other,
}

/// A named elliptic curve.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Curve {
    /// NIST P-256.
    P256,
    /// NIST P-384.
    P384,
    /// NIST P-521.
    P521,
    /// Anything else.
    Other,
}

/// Whose name it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Party {
    /// Whoever holds the certificate.
    Subject,
    /// Whoever issued it.
    Issuer,
}

/// The kinds of alternative name that AWS makes policy variables of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum AlternativeNameKind {
    /// `RFC822Name`: an email address.
    Rfc822Name,
    /// `DNSName`.
    DnsName,
    /// `DirectoryName`: a distinguished name.
    DirectoryName,
    /// `UniformResourceIdentifier`.
    UniformResourceIdentifier,
    /// `IPAddress`.
    IpAddress,
}

impl Certificate {
    /// The first certificate in PEM `text`.
    pub(crate) fn from_pem(text: &str) -> Result<Self, MalformedCertificate> {
        if text.len() > pem::LIMIT_BYTES {
            return Err(MalformedCertificate::TooLarge { limit: pem::LIMIT_BYTES });
        }
        match pem::blocks(text, pem::Label::Certificate).next() {
            None => Err(MalformedCertificate::NoCertificate),
            Some(Err(why)) => Err(MalformedCertificate::Pem { why }),
            Some(Ok(der)) => Self::from_der(&der),
        }
    }

    /// Every certificate in PEM `text`, in order; an `Err` stands where one is broken.
    pub(crate) fn bundle_from_pem(text: &str) -> Vec<Result<Self, MalformedCertificate>> {
        if text.len() > pem::BUNDLE_LIMIT_BYTES {
            return vec![Err(MalformedCertificate::TooLarge { limit: pem::BUNDLE_LIMIT_BYTES })];
        }
        let blocks = pem::blocks(text, pem::Label::Certificate);
        let read = blocks.map(|block| {
            let der = block.map_err(|why| MalformedCertificate::Pem { why })?;
            Self::from_der(&der)
        });
        read.collect()
    }

    /// The certificate that `der` is, to the last byte.
    pub(crate) fn from_der(der: &[u8]) -> Result<Self, MalformedCertificate> {
        if der.len() > pem::LIMIT_BYTES {
            return Err(MalformedCertificate::TooLarge { limit: pem::LIMIT_BYTES });
        }
        let not_x509 = |why: &str| MalformedCertificate::NotX509 { why: why.to_owned() };
        let (rest, parsed) = X509Certificate::from_der(der).map_err(|error| match error {
            x509_parser::nom::Err::Incomplete(_) => not_x509("it ends too early"),
            x509_parser::nom::Err::Error(error) | x509_parser::nom::Err::Failure(error) => {
                not_x509(&error.to_string())
            }
        })?;
        if !rest.is_empty() {
            return Err(not_x509("something follows it"));
        }
        Ok(Self(Arc::new(Fields::of(&parsed))))
    }

    /// The certificate's ID in every account and Region: the SHA-256 of the DER.
    pub(crate) fn id(&self) -> CertificateId {
        self.0.id
    }

    /// The DER as it was read.
    pub(crate) fn der(&self) -> &[u8] {
        &self.0.der
    }

    /// One PEM block, made anew from the DER.
    pub(crate) fn pem(&self) -> String {
        pem::certificate(&self.0.der)
    }

    /// The X.509 version: 1, 2 or 3.
    #[cfg(test)]
    pub(crate) fn version(&self) -> u32 {
        self.0.version
    }

    /// Whose certificate it is.
    pub(crate) fn subject(&self) -> &DistinguishedName {
        &self.0.subject
    }

    /// Who issued it, by the certificate's own word.
    pub(crate) fn issuer(&self) -> &DistinguishedName {
        &self.0.issuer
    }

    /// The first second in which it is valid.
    pub(crate) fn not_before(&self) -> Timestamp {
        self.0.not_before
    }

    /// The last second in which it is valid.
    pub(crate) fn not_after(&self) -> Timestamp {
        self.0.not_after
    }

    /// Whether `now` lies within its validity, both ends included.
    pub(crate) fn is_valid_at(&self, now: Timestamp) -> bool {
        let last_millisecond = self.0.not_after + std::time::Duration::from_millis(999);
        self.0.not_before <= now && now <= last_millisecond
    }

    /// Whether `basicConstraints` says that it may issue certificates.
    pub(crate) fn is_ca(&self) -> bool {
        self.0.is_ca
    }

    /// The magnitude of the serial number, big-endian, without the zero byte that marks the sign.
    pub(crate) fn serial(&self) -> &[u8] {
        self.0.serial.in_der(&self.0.der)
    }

    /// What kind of key it certifies.
    pub(crate) fn public_key(&self) -> PublicKey {
        self.0.public_key
    }

    /// The key that it certifies, as a DER `SubjectPublicKeyInfo`.
    pub(crate) fn spki(&self) -> &[u8] {
        self.0.spki.in_der(&self.0.der)
    }

    /// The alternative names of `party`, in the order of the certificate.
    pub(crate) fn alternative_names(&self, party: Party) -> &[(AlternativeNameKind, String)] {
        match party {
            Party::Subject => &self.0.subject_alternative_names,
            Party::Issuer => &self.0.issuer_alternative_names,
        }
    }
}

/// Names it briefly: a certificate in a failing assertion is not to fill the screen.
impl fmt::Debug for Certificate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Certificate({} {})", self.0.subject, self.0.id)
    }
}

/// Two certificates are the same if their DER is.
impl PartialEq for Certificate {
    fn eq(&self, other: &Self) -> bool {
        self.0.der == other.0.der
    }
}

impl Eq for Certificate {}

impl Fields {
    fn of(parsed: &X509Certificate<'_>) -> Self {
        let (mut subject_names, mut issuer_names) = (Vec::new(), Vec::new());
        for extension in parsed.iter_extensions() {
            match extension.parsed_extension() {
                ParsedExtension::SubjectAlternativeName(names) => {
                    subject_names.extend(names.general_names.iter().filter_map(alternative_name));
                }
                ParsedExtension::IssuerAlternativeName(names) => {
                    issuer_names.extend(names.general_names.iter().filter_map(alternative_name));
                }
                _ => {}
            }
        }
        let constraints = parsed.basic_constraints().ok().flatten();
        let seconds = |time: x509_parser::time::ASN1Time| Timestamp::from_seconds(time.timestamp());
        let der = parsed.as_raw();
        Self {
            der: der.into(),
            id: CertificateId::from_digest(sha256(der)),
            #[cfg(test)]
            version: parsed.version().0.saturating_add(1),
            subject: DistinguishedName::of(parsed.subject()),
            issuer: DistinguishedName::of(parsed.issuer()),
            not_before: seconds(parsed.validity().not_before),
            not_after: seconds(parsed.validity().not_after),
            is_ca: constraints.is_some_and(|constraints| constraints.value.ca),
            serial: match parsed.raw_serial() {
                [0, magnitude @ ..] if !magnitude.is_empty() => Part::of(magnitude, der),
                serial => Part::of(serial, der),
            },
            public_key: public_key(parsed.public_key()),
            spki: Part::of(parsed.public_key().raw, der),
            subject_alternative_names: subject_names.into(),
            issuer_alternative_names: issuer_names.into(),
        }
    }
}

/// What kind of key a parsed `SubjectPublicKeyInfo` holds.
pub(super) fn public_key(spki: &SubjectPublicKeyInfo<'_>) -> PublicKey {
    const RSA: &[u8] = &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x01];
    const RSA_PSS: &[u8] = &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x0a];
    const EC: &[u8] = &[0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01];
    const ED25519: &[u8] = &[0x2b, 0x65, 0x70];
    const P256: &[u8] = &[0x2a, 0x86, 0x48, 0xce, 0x3d, 0x03, 0x01, 0x07];
    const P384: &[u8] = &[0x2b, 0x81, 0x04, 0x00, 0x22];
    const P521: &[u8] = &[0x2b, 0x81, 0x04, 0x00, 0x23];

    match spki.algorithm.algorithm.as_bytes() {
        RSA | RSA_PSS => rsa_bits(&spki.subject_public_key.data)
            .map_or(PublicKey::Other, |bits| PublicKey::Rsa { bits }),
        EC => {
            let parameters = spki.algorithm.parameters.as_ref();
            let curve = match parameters.map(|parameters| parameters.data) {
                Some(P256) => Curve::P256,
                Some(P384) => Curve::P384,
                Some(P521) => Curve::P521,
                _ => Curve::Other,
            };
            PublicKey::Ec { curve }
        }
        ED25519 => PublicKey::Ed25519,
        _ => PublicKey::Other,
    }
}

/// The length of the modulus in a PKCS#1 `RSAPublicKey`.
fn rsa_bits(key: &[u8]) -> Option<usize> {
    let modulus = der::element(der::element(key)?.content)?;
    let zeros = modulus.content.iter().take_while(|byte| **byte == 0).count();
    let significant = modulus.content.get(zeros..)?;
    let first = significant.first()?;
    Some(significant.len() * 8 - first.leading_zeros() as usize)
}

fn alternative_name(name: &GeneralName<'_>) -> Option<(AlternativeNameKind, String)> {
    Some(match name {
        GeneralName::RFC822Name(text) => (AlternativeNameKind::Rfc822Name, (*text).to_owned()),
        GeneralName::DNSName(text) => (AlternativeNameKind::DnsName, (*text).to_owned()),
        GeneralName::DirectoryName(name) => {
            (AlternativeNameKind::DirectoryName, DistinguishedName::of(name).to_string())
        }
        GeneralName::URI(text) => {
            (AlternativeNameKind::UniformResourceIdentifier, (*text).to_owned())
        }
        GeneralName::IPAddress(bytes) => (AlternativeNameKind::IpAddress, ip_address(bytes)),
        _ => return None,
    })
}

fn ip_address(bytes: &[u8]) -> String {
    if let Ok(octets) = <[u8; 4]>::try_from(bytes) {
        Ipv4Addr::from(octets).to_string()
    } else if let Ok(octets) = <[u8; 16]>::try_from(bytes) {
        Ipv6Addr::from(octets).to_string()
    } else {
        hex(bytes)
    }
}

//= https://docs.aws.amazon.com/apigateway/latest/developerguide/http-api-develop-integrations-lambda.html
//# validity: `Aug  5 09:36:04 2021 GMT`, the day padded with a space
/// `moment` as `clientCert.validity` prints it.
pub(crate) fn validity_text(moment: Timestamp) -> String {
    moment.format("%b %e %H:%M:%S %Y GMT")
}

//= https://docs.aws.amazon.com/apigateway/latest/developerguide/http-api-develop-integrations-lambda.html
//# serialNumber: `a1:a1:a1:…`, lower-case hex bytes joined by colons
//? assumed: a serial number of one byte has no leading zero: a captured event shows `1`
/// `serial` as `clientCert.serialNumber` prints it.
pub(crate) fn serial_text(serial: &[u8]) -> String {
    match serial {
        [only] => format!("{only:x}"),
        bytes => {
            let pairs: Vec<String> = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
            pairs.join(":")
        }
    }
}
