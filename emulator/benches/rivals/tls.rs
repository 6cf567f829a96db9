//! How the load's own clients shake hands: the same for every server, and as cheap as can be.
//!
//! They believe every server certificate: what is measured is the server, and a client that checks
//! it would take the processor that the server needs. Keys and suites are fixed, so that all
//! servers do the same work.

use std::sync::Arc;

use iot_emulator::Identity;
use rustls::client::Resumption;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, aws_lc_rs};
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime};
use rustls::{ClientConfig, DigitallySignedStruct, Error, SignatureScheme};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Version {
    Tls13,
    Tls12,
}

/// Makes the configurations of clients.
pub(crate) struct Configurations {
    provider: Arc<CryptoProvider>,
    believer: Arc<Believer>,
}

impl Configurations {
    pub(crate) fn new() -> Self {
        let mut provider = aws_lc_rs::default_provider();
        // OpenSSL wants the curve of its certificate among them; the first is the one that is used.
        provider.kx_groups = vec![aws_lc_rs::kx_group::X25519, aws_lc_rs::kx_group::SECP256R1];
        provider.cipher_suites = vec![
            aws_lc_rs::cipher_suite::TLS13_AES_128_GCM_SHA256,
            aws_lc_rs::cipher_suite::TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256,
        ];
        Self { provider: Arc::new(provider), believer: Arc::new(Believer) }
    }

    /// For a device that shows its certificate alone, without the CA's.
    pub(crate) fn client(&self, identity: &Identity, version: Version) -> Arc<ClientConfig> {
        let versions = match version {
            Version::Tls13 => [&rustls::version::TLS13],
            Version::Tls12 => [&rustls::version::TLS12],
        };
        let certificate = CertificateDer::from_pem_slice(identity.certificate_pem().as_bytes());
        let key = PrivateKeyDer::from_pem_slice(identity.private_key_pem().as_bytes());
        let mut configuration = ClientConfig::builder_with_provider(Arc::clone(&self.provider))
            .with_protocol_versions(&versions)
            .expect("a version of TLS")
            .dangerous()
            .with_custom_certificate_verifier(Arc::clone(&self.believer) as _)
            .with_client_auth_cert(vec![certificate.expect("PEM")], key.expect("PEM"))
            .expect("a key");
        configuration.resumption = Resumption::disabled();
        Arc::new(configuration)
    }
}

/// Takes any server for the one that is meant: it is on loopback, and we started it.
#[derive(Debug)]
struct Believer;

impl ServerCertVerifier for Believer {
    fn verify_server_cert(
        &self,
        _leaf: &CertificateDer<'_>,
        _above: &[CertificateDer<'_>],
        _name: &ServerName<'_>,
        _ocsp: &[u8],
        _now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        _message: &[u8],
        _leaf: &CertificateDer<'_>,
        _signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        Ok(HandshakeSignatureValid::assertion())
    }

    fn verify_tls13_signature(
        &self,
        _message: &[u8],
        _leaf: &CertificateDer<'_>,
        _signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        Ok(HandshakeSignatureValid::assertion())
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        vec![SignatureScheme::ECDSA_NISTP256_SHA256]
    }
}
