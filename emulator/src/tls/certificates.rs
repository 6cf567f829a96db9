//! The server's certificate: one for each name that a client asks for, made when it first asks.
//!
//! P-256 for whoever can verify it, RSA for old clients that offer nothing else.

use std::collections::{HashMap, VecDeque};
use std::fmt;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use rustls::crypto::CryptoProvider;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};
use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;
use rustls::{CipherSuite, SignatureScheme};

use super::Versions;
use crate::pki::{ServerAuthority, ServerKey};
use crate::time::{Clock, Timestamp};

/// Certificates kept; the oldest go first. A stranger may ask for any name.
const KEPT: usize = 256;
/// How long one is shown: well below its validity, for emulators that run for a year.
const SHOWN_FOR: Duration = Duration::from_secs(90 * 24 * 60 * 60);

/// The certificates made so far.
pub(super) struct ServerCertificates {
    authority: Arc<ServerAuthority>,
    provider: Arc<CryptoProvider>,
    made: Mutex<Made>,
}

type Name = (String, ServerKey);

#[derive(Default)]
struct Made {
    by_name: HashMap<Name, (Timestamp, Arc<CertifiedKey>)>,
    oldest_first: VecDeque<Name>,
}

impl ServerCertificates {
    pub(super) fn new(authority: Arc<ServerAuthority>, provider: Arc<CryptoProvider>) -> Self {
        Self { authority, provider, made: Mutex::default() }
    }

    /// The certificate for `name`, made now if there is none; `None` if the library fails.
    fn get(&self, name: &str, key: ServerKey) -> Option<Arc<CertifiedKey>> {
        // Clients hold the certificate against their own clock, so the machine's is asked.
        let now = Clock::System.now();
        let name = (name.to_owned(), key);
        {
            let made = self.made.lock().unwrap_or_else(PoisonError::into_inner);
            if let Some((since, certified)) = made.by_name.get(&name)
                && (*since..*since + SHOWN_FOR).contains(&now)
            {
                return Some(Arc::clone(certified));
            }
        }
        let new = self.authority.server_certificate(&name.0, key, now);
        let private_key = PrivateKeyDer::from(PrivatePkcs8KeyDer::from(new.private_key));
        let signer = self.provider.key_provider.load_private_key(private_key).ok()?;
        let chain = new.chain.into_iter().map(CertificateDer::from).collect();
        let certified = Arc::new(CertifiedKey::new(chain, signer));

        let mut made = self.made.lock().unwrap_or_else(PoisonError::into_inner);
        if made.by_name.insert(name.clone(), (now, Arc::clone(&certified))).is_none() {
            made.oldest_first.push_back(name);
        }
        if made.oldest_first.len() > KEPT
            && let Some(oldest) = made.oldest_first.pop_front()
        {
            made.by_name.remove(&oldest);
        }
        Some(certified)
    }
}

/// Finds the certificate for one handshake.
pub(super) struct Resolver {
    certificates: Arc<ServerCertificates>,
    /// The name to show where the client sent none.
    unnamed: String,
    versions: Versions,
}

impl Resolver {
    pub(super) fn new(
        certificates: Arc<ServerCertificates>,
        address: Option<IpAddr>,
        versions: Versions,
    ) -> Self {
        let unnamed = address
            .map_or_else(|| "localhost".to_owned(), |address| address.to_canonical().to_string());
        Self { certificates, unnamed, versions }
    }

    //= https://docs.aws.amazon.com/iot/latest/developerguide/server-authentication.html
    //# RSA and ECC server certificates, as the cipher suite asks for
    fn key_for(&self, hello: &ClientHello<'_>) -> ServerKey {
        let verifies = hello.signature_schemes().contains(&SignatureScheme::ECDSA_NISTP256_SHA256);
        let suits = hello.cipher_suites().iter().any(|suite| match suite {
            CipherSuite::TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256
            | CipherSuite::TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384 => true,
            // The suites of TLS 1.3 say nothing about the key.
            CipherSuite::TLS13_AES_128_GCM_SHA256
            | CipherSuite::TLS13_AES_256_GCM_SHA384
            | CipherSuite::TLS13_CHACHA20_POLY1305_SHA256 => self.versions != Versions::Tls12,
            _ => false,
        });
        if verifies && suits { ServerKey::Ecdsa } else { ServerKey::Rsa }
    }
}

impl fmt::Debug for Resolver {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Resolver").field("unnamed", &self.unnamed).finish_non_exhaustive()
    }
}

impl ResolvesServerCert for Resolver {
    fn resolve(&self, hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        let name = hello.server_name().unwrap_or(&self.unnamed);
        self.certificates.get(name, self.key_for(&hello))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn certificates_are_made_once_for_a_name_and_the_oldest_are_forgotten() {
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let certificates = ServerCertificates::new(Arc::new(ServerAuthority::generate()), provider);
        let first = certificates.get("0", ServerKey::Ecdsa).unwrap();
        let again = certificates.get("0", ServerKey::Ecdsa).unwrap();
        assert!(Arc::ptr_eq(&first, &again));
        for name in 1..=2 * KEPT {
            certificates.get(&name.to_string(), ServerKey::Ecdsa).unwrap();
        }
        {
            let made = certificates.made.lock().unwrap();
            assert_eq!((made.by_name.len(), made.oldest_first.len()), (KEPT, KEPT));
        }
        let anew = certificates.get("0", ServerKey::Ecdsa).unwrap();
        assert!(!Arc::ptr_eq(&first, &anew));
    }
}
