//! The client's half of the handshake: it shows a certificate and proves that it holds the key.
//!
//! Nothing else about the certificate is looked at. Certificates of version 1 count, which is why
//! the signature is checked with the bare key: rustls itself refuses to read them.

use rustls::client::danger::HandshakeSignatureValid;
use rustls::crypto::{WebPkiSupportedAlgorithms, verify_tls13_signature_with_raw_key};
use rustls::pki_types::{CertificateDer, SubjectPublicKeyInfoDer, UnixTime};
use rustls::server::danger::{ClientCertVerified, ClientCertVerifier};
use rustls::{
    CertificateError, DigitallySignedStruct, DistinguishedName, Error, PeerMisbehaved,
    SignatureScheme,
};

use crate::pki::Certificate;

/// Accepts whoever holds the key of the certificate that it shows.
#[derive(Debug)]
pub(super) struct KeyProof {
    algorithms: WebPkiSupportedAlgorithms,
    mandatory: bool,
}

impl KeyProof {
    pub(super) fn new(algorithms: WebPkiSupportedAlgorithms, mandatory: bool) -> Self {
        Self { algorithms, mandatory }
    }
}

fn read(leaf: &CertificateDer<'_>) -> Result<Certificate, Error> {
    Certificate::from_der(leaf).map_err(|_| CertificateError::BadEncoding.into())
}

impl ClientCertVerifier for KeyProof {
    fn client_auth_mandatory(&self) -> bool {
        self.mandatory
    }

    //= https://github.com/dotnet/MQTTnet/issues/927
    //# AWS names no CA in its CertificateRequest, so that no client keeps its certificate back
    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        &[]
    }

    fn verify_client_cert(
        &self,
        leaf: &CertificateDer<'_>,
        _others: &[CertificateDer<'_>],
        _now: UnixTime,
    ) -> Result<ClientCertVerified, Error> {
        read(leaf).map(|_| ClientCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        leaf: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let leaf = read(leaf)?;
        let mut schemes = self.algorithms.mapping.iter();
        let (_, candidates) = schemes
            .find(|(scheme, _)| *scheme == signed.scheme)
            .ok_or(PeerMisbehaved::SignedHandshakeWithUnadvertisedSigScheme)?;
        if candidates.iter().any(|one| leaf.proves(*one, message, signed.signature())) {
            Ok(HandshakeSignatureValid::assertion())
        } else {
            Err(CertificateError::BadSignature.into())
        }
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        leaf: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let leaf = read(leaf)?;
        let key = SubjectPublicKeyInfoDer::from(leaf.spki());
        verify_tls13_signature_with_raw_key(message, &key, signed, &self.algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.algorithms.supported_schemes()
    }
}
