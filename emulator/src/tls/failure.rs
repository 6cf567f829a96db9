//! Why a handshake failed, in words that help whoever set up the client.

use std::io;
use std::sync::Arc;

use rustls::{AlertDescription, CertificateError, Error, InvalidMessage, PeerIncompatible};

/// A handshake that came to nothing.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum HandshakeFailure {
    /// The client went away before it was done, perhaps before it began.
    #[error("the client went away during the handshake")]
    Closed {
        /// The host name (SNI) that the client sent.
        server_name: Option<Arc<str>>,
    },
    /// A certificate was required, and the client showed none.
    #[error("the client showed no certificate")]
    NoClientCertificate {
        /// The host name (SNI) that the client sent.
        server_name: Option<Arc<str>>,
    },
    /// Anything else.
    #[error("{why}")]
    Failed {
        /// The host name (SNI) that the client sent.
        server_name: Option<Arc<str>>,
        /// What is wrong, and what to do.
        why: String,
    },
}

impl HandshakeFailure {
    pub(super) fn of(error: io::Error, server_name: Option<Arc<str>>) -> Self {
        let inner = error.get_ref().and_then(|inner| inner.downcast_ref::<Error>());
        match inner {
            Some(Error::NoCertificatesPresented) => Self::NoClientCertificate { server_name },
            Some(error) => Self::Failed { server_name, why: explain(error) },
            None if is_gone(error.kind()) => Self::Closed { server_name },
            None => Self::Failed { server_name, why: error.to_string() },
        }
    }

    /// The host name (SNI) that the client sent, if it came that far.
    pub(crate) fn server_name(&self) -> Option<&str> {
        match self {
            Self::Closed { server_name }
            | Self::NoClientCertificate { server_name }
            | Self::Failed { server_name, .. } => server_name.as_deref(),
        }
    }
}

fn is_gone(kind: io::ErrorKind) -> bool {
    matches!(
        kind,
        io::ErrorKind::UnexpectedEof
            | io::ErrorKind::ConnectionReset
            | io::ErrorKind::ConnectionAborted
            | io::ErrorKind::BrokenPipe
            | io::ErrorKind::NotConnected
    )
}

fn explain(error: &Error) -> String {
    let help = match error {
        Error::AlertReceived(
            AlertDescription::UnknownCA
            | AlertDescription::BadCertificate
            | AlertDescription::CertificateUnknown
            // A root of the same name from an earlier run: the name fits, the signature does not.
            | AlertDescription::DecryptError,
        ) => "the client does not trust the emulator: give it AmazonRootCA1.pem of this emulator",
        Error::InvalidMessage(InvalidMessage::InvalidContentType) => {
            "the client does not speak TLS on this port"
        }
        Error::PeerIncompatible(
            PeerIncompatible::NoCipherSuitesInCommon | PeerIncompatible::NoKxGroupsInCommon,
        ) => {
            "no cipher suite in common: the emulator has ECDHE with AES-GCM, and in TLS 1.3 also \
             ChaCha20; AWS has CBC and static RSA suites besides"
        }
        Error::PeerIncompatible(
            PeerIncompatible::Tls12NotOffered
            | PeerIncompatible::Tls12NotOfferedOrEnabled
            | PeerIncompatible::SupportedVersionsExtensionRequired,
        ) => {
            "no TLS version in common: a security policy, or the door, leaves out what the client \
             offers"
        }
        Error::InvalidCertificate(CertificateError::BadSignature) => {
            "the private key is not that of the client certificate"
        }
        Error::InvalidCertificate(CertificateError::BadEncoding) => {
            "what the client showed is no X.509 certificate"
        }
        other => return other.to_string(),
    };
    format!("{help} ({error})")
}
