//! Certificates for tests: a CA as a manufacturer has one, and the devices that it issues to.
//!
//! Decides what these certificates look like: P-256, version 3, valid from 2020 to the end of 2049,
//! so that a clock that a test moves stays inside. [`Leaf`] changes each of these.

use std::fmt;
use std::sync::Arc;

use super::certificate::Certificate;
use super::key::{KeyKind, KeyPair};
use super::write::{self, Draft, KeyUsage};
use super::{AttributeKind, pem};
use crate::names::CertificateId;
use crate::time::Timestamp;

/// 2020-01-01T00:00:00Z.
const VALID_FROM: Timestamp = Timestamp::from_seconds(1_577_836_800);
/// 2049-12-31T23:59:59Z, the last moment that X.509 writes with a two-digit year.
pub(super) const VALID_UNTIL: Timestamp = Timestamp::from_seconds(2_524_607_999);

/// The subject of a certificate: attributes in order, each as often as you like.
///
/// ```
/// use iot_emulator::pki::{AttributeKind, Subject};
///
/// let subject = Subject::new()
///     .with(AttributeKind::Country, "US")
///     .with(AttributeKind::OrganizationalUnit, "Lamps")
///     .with(AttributeKind::OrganizationalUnit, "Berlin")
///     .with(AttributeKind::CommonName, "lamp-1");
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Subject {
    attributes: Vec<(AttributeKind, String)>,
}

impl Subject {
    /// An empty subject.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds an attribute behind those it has.
    #[must_use]
    pub fn with(mut self, kind: AttributeKind, value: impl Into<String>) -> Self {
        self.attributes.push((kind, value.into()));
        self
    }

    fn der(&self) -> Vec<u8> {
        write::name(self.attributes.iter().map(|(kind, value)| (*kind, value.as_str())))
    }
}

/// A subject of nothing but a common name.
impl From<&str> for Subject {
    fn from(common_name: &str) -> Self {
        Self::new().with(AttributeKind::CommonName, common_name)
    }
}

/// What a device certificate is to look like.
///
/// ```
/// use iot_emulator::CertificateAuthority;
/// use iot_emulator::pki::{KeyKind, Leaf};
///
/// let ca = CertificateAuthority::new("Acme Devices");
/// let device = ca.issue_with(Leaf::new("sensor-1").key(KeyKind::P384).x509_v1());
/// assert!(device.certificate_pem().starts_with("-----BEGIN CERTIFICATE-----"));
/// ```
#[derive(Clone, Debug)]
pub struct Leaf {
    subject: Subject,
    key: KeyKind,
    valid_from: Timestamp,
    valid_until: Timestamp,
    hosts: Vec<String>,
    version_1: bool,
}

impl Leaf {
    /// A certificate for `subject`, which may be just a common name.
    pub fn new(subject: impl Into<Subject>) -> Self {
        Self {
            subject: subject.into(),
            key: KeyKind::P256,
            valid_from: VALID_FROM,
            valid_until: VALID_UNTIL,
            hosts: Vec::new(),
            version_1: false,
        }
    }

    /// Another kind of key.
    #[must_use]
    pub fn key(mut self, key: KeyKind) -> Self {
        self.key = key;
        self
    }

    /// Another validity, both ends included.
    #[must_use]
    pub fn valid(mut self, from: Timestamp, until: Timestamp) -> Self {
        (self.valid_from, self.valid_until) = (from, until);
        self
    }

    /// Adds a subject alternative name: by its form an IP address, a URI, an e-mail address, or a
    /// host name.
    #[must_use]
    pub fn host(mut self, host: impl Into<String>) -> Self {
        self.hosts.push(host.into());
        self
    }

    /// X.509 version 1, without extensions: what `openssl x509 -req` makes unless told otherwise.
    #[must_use]
    pub fn x509_v1(mut self) -> Self {
        self.version_1 = true;
        self
    }

    fn extensions(&self, spki: &[u8], issuer_spki: &[u8]) -> Vec<Vec<u8>> {
        if self.version_1 {
            return Vec::new();
        }
        let mut extensions = vec![
            write::basic_constraints(false),
            write::key_usage(KeyUsage::Sign),
            write::extended_key_usage(false),
            write::subject_key_identifier(spki),
            write::authority_key_identifier(issuer_spki),
        ];
        if !self.hosts.is_empty() {
            let hosts: Vec<&str> = self.hosts.iter().map(String::as_str).collect();
            extensions.push(write::subject_alternative_names(&hosts));
        }
        extensions
    }

    /// The certificate for `key`, issued by the holder of `issuer_key`; self-signed without one.
    fn issue(&self, key: &KeyPair, issuer: Option<(&[u8], &KeyPair)>) -> Certificate {
        let subject = self.subject.der();
        let (issuer_name, issuer_key) = issuer.unwrap_or((&subject, key));
        let spki = key.spki();
        let draft = Draft {
            issuer: issuer_name,
            subject: &subject,
            spki: &spki,
            not_before: self.valid_from,
            not_after: self.valid_until,
            extensions: self.extensions(&spki, &issuer_key.spki()),
        };
        read_back(&draft.sign(issuer_key))
    }
}

impl From<&str> for Leaf {
    fn from(common_name: &str) -> Self {
        Self::new(common_name)
    }
}

/// What we have just written, as everybody else reads it.
pub(super) fn read_back(der: &[u8]) -> Certificate {
    Certificate::from_der(der).expect("what this room writes it can read")
}

/// The certificate and the key that were given do not make a CA.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not a usable CA: {why}")]
pub struct UnusableAuthority {
    why: String,
}

/// A CA that issues device certificates, as a manufacturer runs one.
///
/// It is only a key and a certificate: AWS knows it once it is registered.
///
/// ```
/// use iot_emulator::CertificateAuthority;
///
/// let ca = CertificateAuthority::new("Acme Devices");
/// let device = ca.issue("sensor-1");
///
/// // Just-in-time registration wants the device to send its certificate and the CA's.
/// assert_eq!(device.chain_pem(), device.certificate_pem() + &ca.pem());
/// ```
#[derive(Clone)]
pub struct CertificateAuthority {
    inner: Arc<Authority>,
}

struct Authority {
    key: KeyPair,
    certificate: Certificate,
    /// Whoever issued this CA, nearest first; empty for a root.
    above: Vec<Certificate>,
}

impl CertificateAuthority {
    /// A new root CA called `common_name`.
    pub fn new(common_name: &str) -> Self {
        Self::with_subject(common_name)
    }

    /// A new root CA with this subject.
    pub fn with_subject(subject: impl Into<Subject>) -> Self {
        Self::make(&subject.into(), KeyKind::P256, None)
    }

    /// A new CA below this one, called `common_name`.
    #[must_use]
    pub fn issue_authority(&self, common_name: &str) -> Self {
        Self::make(&Subject::from(common_name), KeyKind::P256, Some(self))
    }

    /// A CA that you have already: its certificate and its private key (PKCS#8), both PEM.
    ///
    /// ```
    /// use iot_emulator::CertificateAuthority;
    ///
    /// let ca = CertificateAuthority::new("Acme Devices");
    /// let again = CertificateAuthority::from_pem(&ca.pem(), &ca.private_key_pem())?;
    /// assert_eq!(again.certificate_id(), ca.certificate_id());
    /// # Ok::<(), iot_emulator::pki::UnusableAuthority>(())
    /// ```
    pub fn from_pem(certificate: &str, private_key: &str) -> Result<Self, UnusableAuthority> {
        let unusable = |why: String| UnusableAuthority { why };
        let certificate = Certificate::from_pem(certificate)
            .map_err(|error| unusable(format!("its certificate: {error}")))?;
        let pkcs8 = pem::blocks(private_key, pem::Label::PrivateKey).next();
        let pkcs8 = pkcs8
            .ok_or_else(|| unusable("no `-----BEGIN PRIVATE KEY-----` block (PKCS#8)".to_owned()))?
            .map_err(|why| unusable(format!("its private key: {why}")))?;
        let key = KeyPair::from_pkcs8(&pkcs8).ok_or_else(|| {
            unusable("its private key is neither RSA nor on a NIST curve".to_owned())
        })?;
        if key.spki() != certificate.spki() {
            return Err(unusable("the private key is not that of the certificate".to_owned()));
        }
        Ok(Self { inner: Arc::new(Authority { key, certificate, above: Vec::new() }) })
    }

    fn make(subject: &Subject, kind: KeyKind, parent: Option<&Self>) -> Self {
        let key = KeyPair::generate(kind);
        let (subject, spki) = (subject.der(), key.spki());
        let mut extensions = vec![
            write::basic_constraints(true),
            write::key_usage(KeyUsage::Issue),
            write::subject_key_identifier(&spki),
        ];
        let mut above = Vec::new();
        if let Some(parent) = parent {
            extensions.push(write::authority_key_identifier(parent.inner.certificate.spki()));
            above.push(parent.inner.certificate.clone());
            above.extend_from_slice(&parent.inner.above);
        }
        let issuer = above.first().map_or(subject.as_slice(), |parent| parent.subject().der());
        let draft = Draft {
            issuer,
            subject: &subject,
            spki: &spki,
            not_before: VALID_FROM,
            not_after: VALID_UNTIL,
            extensions,
        };
        let signed = draft.sign(parent.map_or(&key, |parent| &parent.inner.key));
        let certificate = read_back(&signed);
        Self { inner: Arc::new(Authority { key, certificate, above }) }
    }

    /// The CA certificate as PEM.
    pub fn pem(&self) -> String {
        self.inner.certificate.pem()
    }

    /// The CA's private key as PEM (PKCS#8).
    pub fn private_key_pem(&self) -> String {
        pem::private_key(&self.inner.key.pkcs8())
    }

    /// The ID that AWS gives the CA certificate when it is registered.
    pub fn certificate_id(&self) -> CertificateId {
        self.inner.certificate.id()
    }

    /// A device certificate for `common_name`, with a new P-256 key.
    #[must_use]
    pub fn issue(&self, common_name: &str) -> Identity {
        self.issue_with(common_name)
    }

    /// A device certificate as `leaf` describes it, with a new key.
    #[must_use]
    pub fn issue_with(&self, leaf: impl Into<Leaf>) -> Identity {
        let leaf = leaf.into();
        let key = KeyPair::generate(leaf.key);
        let authority = &*self.inner;
        let issuer = (authority.certificate.subject().der(), &authority.key);
        let certificate = leaf.issue(&key, Some(issuer));
        let mut chain = vec![certificate, authority.certificate.clone()];
        chain.extend_from_slice(&authority.above);
        Identity { inner: Arc::new(Holder { key, chain }) }
    }

    /// The certificate, as PEM, that proves to AWS that you hold this CA's key: its common name is
    /// the account's registration code.
    #[must_use]
    pub fn verification_certificate(&self, registration_code: &str) -> String {
        self.issue(registration_code).certificate_pem()
    }

    pub(crate) fn certificate(&self) -> &Certificate {
        &self.inner.certificate
    }

    pub(super) fn key(&self) -> &KeyPair {
        &self.inner.key
    }
}

/// The name and the ID; never the key.
impl fmt::Debug for CertificateAuthority {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("CertificateAuthority").field(&self.inner.certificate).finish()
    }
}

/// What a device holds: a certificate, its private key, and the CA certificates above it.
///
/// ```
/// use iot_emulator::Identity;
///
/// let stranger = Identity::self_signed("nobody");
/// assert_eq!(stranger.chain_pem(), stranger.certificate_pem());
/// ```
#[derive(Clone)]
pub struct Identity {
    inner: Arc<Holder>,
}

struct Holder {
    key: KeyPair,
    /// Leaf first; never empty.
    chain: Vec<Certificate>,
}

impl Identity {
    /// A device that signed its own certificate: AWS knows it only if it is registered without a
    /// CA.
    #[must_use]
    pub fn self_signed(common_name: &str) -> Self {
        Self::self_signed_with(common_name)
    }

    /// A self-signed certificate as `leaf` describes it, with a new key.
    #[must_use]
    pub fn self_signed_with(leaf: impl Into<Leaf>) -> Self {
        let leaf = leaf.into();
        let key = KeyPair::generate(leaf.key);
        let chain = vec![leaf.issue(&key, None)];
        Self { inner: Arc::new(Holder { key, chain }) }
    }

    /// The device certificate as PEM.
    pub fn certificate_pem(&self) -> String {
        self.certificate().pem()
    }

    /// The device certificate and every CA certificate above it, leaf first, as PEM.
    pub fn chain_pem(&self) -> String {
        self.inner.chain.iter().map(Certificate::pem).collect()
    }

    /// The private key as PEM (PKCS#8).
    pub fn private_key_pem(&self) -> String {
        pem::private_key(&self.inner.key.pkcs8())
    }

    /// The ID of the device certificate: the SHA-256 of its DER.
    pub fn certificate_id(&self) -> CertificateId {
        self.certificate().id()
    }

    pub(crate) fn certificate(&self) -> &Certificate {
        self.inner.chain.first().expect("a chain holds its leaf")
    }
}

/// The name and the ID; never the key.
impl fmt::Debug for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Identity").field(self.certificate()).finish()
    }
}
