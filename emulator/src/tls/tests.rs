//! Handshakes over loopback with a client of our own making.

use rustls::client::{ResolvesClientCert, WebPkiServerVerifier};
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::sign::CertifiedKey;
use rustls::{
    ClientConfig, HandshakeKind, ProtocolVersion, RootCertStore, SignatureScheme,
    SupportedProtocolVersion, version,
};
use tokio::net::TcpListener;
use tokio_rustls::{TlsConnector, client};

use super::*;
use crate::pki::{CertificateAuthority, Identity, KeyKind, Leaf, PublicKey};

pub(super) const ASKED: Terms = Terms {
    client_certificate: ClientCertificate::Asked,
    alpn: &[],
    versions: Versions::Tls12And13,
};
const REQUIRED: Terms = Terms { client_certificate: ClientCertificate::Required, ..ASKED };
pub(super) const VERSIONS: [&SupportedProtocolVersion; 2] = [&version::TLS12, &version::TLS13];

/// Shows whatever it is given, as devices do: rustls would refuse certificates of version 1.
#[derive(Debug)]
pub(super) struct Shows(pub(super) Option<Arc<CertifiedKey>>);

impl ResolvesClientCert for Shows {
    fn resolve(&self, hints: &[&[u8]], _: &[SignatureScheme]) -> Option<Arc<CertifiedKey>> {
        assert!(hints.is_empty(), "the server names no CA");
        self.0.clone()
    }

    fn has_certs(&self) -> bool {
        self.0.is_some()
    }
}

/// The chain of one identity with the key of another.
fn shows(chain: &[CertificateDer<'static>], key: &Identity) -> Shows {
    let key = PrivateKeyDer::from_pem_slice(key.private_key_pem().as_bytes()).unwrap();
    let signer = rustls::crypto::aws_lc_rs::sign::any_supported_type(&key).unwrap();
    Shows(Some(Arc::new(CertifiedKey::new(chain.to_vec(), signer))))
}

fn chain(identity: &Identity) -> Vec<CertificateDer<'static>> {
    let pem = identity.chain_pem();
    CertificateDer::pem_slice_iter(pem.as_bytes()).map(Result::unwrap).collect()
}

pub(super) struct Bench {
    server: TlsServer,
    authority: Arc<ServerAuthority>,
}

impl Bench {
    pub(super) fn new() -> Self {
        let authority = Arc::new(ServerAuthority::generate());
        Self { server: TlsServer::new(Arc::clone(&authority)), authority }
    }

    fn client(&self, version: &'static SupportedProtocolVersion, shows: Shows) -> ClientConfig {
        self.client_of(rustls::crypto::aws_lc_rs::default_provider(), version, shows)
    }

    pub(super) fn client_of(
        &self,
        provider: CryptoProvider,
        version: &'static SupportedProtocolVersion,
        shows: Shows,
    ) -> ClientConfig {
        let root = self.authority.root_pem();
        let mut roots = RootCertStore::empty();
        roots.add(CertificateDer::from_pem_slice(root.as_bytes()).unwrap()).unwrap();
        let provider = Arc::new(provider);
        let verifier =
            WebPkiServerVerifier::builder_with_provider(Arc::new(roots), Arc::clone(&provider));
        ClientConfig::builder_with_provider(provider)
            .with_protocol_versions(&[version])
            .unwrap()
            .with_webpki_verifier(verifier.build().unwrap())
            .with_client_cert_resolver(Arc::new(shows))
    }

    /// Both ends of one handshake.
    pub(super) async fn handshake(
        &self,
        client: ClientConfig,
        name: &'static str,
        choose: impl FnOnce(&Hello<'_>) -> Terms,
    ) -> (Result<Accepted, HandshakeFailure>, io::Result<client::TlsStream<TcpStream>>) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let connect = async {
            let tcp = TcpStream::connect(address).await?;
            let name = ServerName::try_from(name).unwrap();
            TlsConnector::from(Arc::new(client)).connect(name, tcp).await
        };
        let accept = async {
            let (tcp, _) = listener.accept().await.unwrap();
            self.server.accept(tcp, choose).await
        };
        tokio::join!(accept, connect)
    }

    /// What happens to somebody who sends `bytes` instead of a ClientHello.
    async fn noise(&self, bytes: &[u8]) -> HandshakeFailure {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let send = async {
            let mut tcp = TcpStream::connect(address).await.unwrap();
            tcp.write_all(bytes).await.unwrap();
            tcp.shutdown().await.unwrap();
            let _gone = tcp.read_to_end(&mut Vec::new()).await;
        };
        let accept = async {
            let (tcp, _) = listener.accept().await.unwrap();
            self.server.accept(tcp, |_| ASKED).await
        };
        let (accepted, ()) = tokio::join!(accept, send);
        accepted.unwrap_err()
    }
}

#[tokio::test]
async fn c01_c02_tls_1_tls_5_any_certificate_finishes_whatever_its_version_and_key() {
    let bench = Bench::new();
    let ca = CertificateAuthority::new("nobody knows");
    for kind in [KeyKind::P256, KeyKind::P384, KeyKind::P521, KeyKind::Rsa2048] {
        for leaf in [Leaf::new("v3").key(kind), Leaf::new("v1").key(kind).x509_v1()] {
            let identity = ca.issue_with(leaf);
            for version in VERSIONS {
                let client = bench.client(version, shows(&chain(&identity), &identity));
                let (accepted, connected) = bench.handshake(client, "localhost", |_| ASKED).await;
                let accepted = accepted.unwrap();
                connected.unwrap();
                let ids: Vec<_> = accepted.chain.iter().map(Certificate::id).collect();
                assert_eq!(ids, [identity.certificate_id(), ca.certificate_id()], "{kind:?}");
                assert_eq!(accepted.server_name.as_deref(), Some("localhost"));
                assert!(accepted.unreadable.is_empty());
            }
        }
    }
}

#[tokio::test]
async fn without_a_certificate_the_handshake_finishes_where_none_is_required() {
    let bench = Bench::new();
    let not_asked = Terms { client_certificate: ClientCertificate::NotAsked, ..ASKED };
    for version in VERSIONS {
        for terms in [ASKED, not_asked] {
            let client = bench.client(version, Shows(None));
            let (accepted, connected) = bench.handshake(client, "localhost", |_| terms).await;
            assert!(accepted.unwrap().chain.is_empty());
            connected.unwrap();
        }
    }
}

#[tokio::test]
async fn a_certificate_without_its_key_fails_in_tls() {
    let bench = Bench::new();
    let (victim, thief) = (Identity::self_signed("victim"), Identity::self_signed("thief"));
    for version in VERSIONS {
        for terms in [ASKED, REQUIRED] {
            let client = bench.client(version, shows(&chain(&victim), &thief));
            let (accepted, connected) = bench.handshake(client, "localhost", |_| terms).await;
            let failure = accepted.unwrap_err();
            assert_eq!(failure.server_name(), Some("localhost"));
            let text = failure.to_string();
            assert!(text.starts_with("the private key is not that of the client"), "{text}");
            // In TLS 1.3 the client has finished by then and learns it when it reads.
            let error = match connected {
                Err(error) => error,
                Ok(mut stream) => stream.read_u8().await.unwrap_err(),
            };
            assert!(error.to_string().contains("DecryptError"), "{error}");
        }
    }
}

#[tokio::test]
async fn api_gateway_resets_whoever_shows_no_certificate_without_an_alert() {
    let bench = Bench::new();
    for version in VERSIONS {
        let client = bench.client(version, Shows(None));
        let (accepted, connected) = bench.handshake(client, "localhost", |_| REQUIRED).await;
        let failure = accepted.unwrap_err();
        assert!(matches!(failure, HandshakeFailure::NoClientCertificate { .. }), "{failure}");
        let error = match connected {
            Err(error) => error,
            Ok(mut stream) if *version == version::TLS13 => stream.read_u8().await.unwrap_err(),
            Ok(_) => panic!("the client of TLS 1.2 must not see a Finished"),
        };
        assert_eq!(error.kind(), io::ErrorKind::ConnectionReset, "{error}");
    }
    // Whoever shows one, trusted or not, gets through.
    let identity = Identity::self_signed("untrusted");
    for version in VERSIONS {
        let client = bench.client(version, shows(&chain(&identity), &identity));
        let (accepted, connected) = bench.handshake(client, "localhost", |_| REQUIRED).await;
        let (mut server, mut client) = (accepted.unwrap().stream, connected.unwrap());
        server.write_all(b"hello").await.unwrap();
        server.flush().await.unwrap();
        let mut read = [0; 5];
        client.read_exact(&mut read).await.unwrap();
        assert_eq!(&read, b"hello");
    }
}

#[tokio::test]
async fn the_door_chooses_its_protocol_and_no_overlap_is_no_reason_to_stop() {
    let bench = Bench::new();
    type Protocols = &'static [&'static [u8]];
    let cases: [(Protocols, Protocols, Option<&[u8]>); 5] = [
        (&[b"x-amzn-mqtt-ca"], &[b"x-amzn-mqtt-ca", b"mqtt"], Some(b"x-amzn-mqtt-ca")),
        (&[b"h2", b"http/1.1"], &[b"http/1.1"], Some(b"http/1.1")),
        (&[b"b", b"a"], &[b"a", b"b"], Some(b"a")),
        (&[b"h2"], &[b"http/1.1"], None),
        (&[], &[b"http/1.1"], None),
    ];
    for (offered, spoken, expected) in cases {
        let mut client = bench.client(&version::TLS13, Shows(None));
        client.alpn_protocols = offered.iter().map(|protocol| protocol.to_vec()).collect();
        let choose = |hello: &Hello<'_>| {
            assert_eq!(hello.alpn, offered);
            assert_eq!(hello.server_name, Some("one.example"));
            Terms { alpn: spoken, ..ASKED }
        };
        let (accepted, connected) = bench.handshake(client, "one.example", choose).await;
        assert_eq!(accepted.unwrap().stream.alpn_protocol(), expected);
        assert_eq!(connected.unwrap().get_ref().1.alpn_protocol(), expected);
    }
}

#[tokio::test]
async fn a_server_certificate_is_made_for_every_name_and_for_addresses() {
    let bench = Bench::new();
    for name in ["a1b2-ats.iot.eu-west-1.amazonaws.com", "anything.example", "127.0.0.1"] {
        let client = bench.client(&version::TLS12, Shows(None));
        let (accepted, connected) = bench.handshake(client, name, |_| ASKED).await;
        connected.unwrap();
        let sent = if name == "127.0.0.1" { None } else { Some(name) };
        assert_eq!(accepted.unwrap().server_name.as_deref(), sent);
    }
    // Without a host name the certificate is for the address that was reached.
    let listener = TcpListener::bind("127.0.0.2:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let connect = async {
        let client = Arc::new(bench.client(&version::TLS13, Shows(None)));
        let tcp = TcpStream::connect(address).await.unwrap();
        TlsConnector::from(client).connect(ServerName::from(address.ip()), tcp).await
    };
    let accept = async {
        let (tcp, _) = listener.accept().await.unwrap();
        bench.server.accept(tcp, |_| ASKED).await
    };
    let (accepted, connected) = tokio::join!(accept, connect);
    connected.unwrap();
    assert_eq!(accepted.unwrap().local.ip(), address.ip());
}

#[tokio::test]
async fn a_door_may_speak_tls_1_2_only() {
    let bench = Bench::new();
    let terms = Terms { versions: Versions::Tls12, ..ASKED };
    let mut client = bench.client(&version::TLS12, Shows(None));
    client.enable_sni = false;
    let (accepted, connected) = bench.handshake(client, "localhost", |_| terms).await;
    assert_eq!(accepted.unwrap().server_name, None);
    let version = connected.unwrap().get_ref().1.protocol_version();
    assert_eq!(version, Some(ProtocolVersion::TLSv1_2));

    let client = bench.client(&version::TLS13, Shows(None));
    let (accepted, connected) = bench.handshake(client, "localhost", |_| terms).await;
    let text = accepted.unwrap_err().to_string();
    assert!(text.starts_with("no TLS version in common"), "{text}");
    assert!(connected.is_err());
}

#[tokio::test]
async fn a_door_may_speak_tls_1_3_only() {
    let bench = Bench::new();
    let terms = Terms { versions: Versions::Tls13, ..ASKED };
    let client = bench.client(&version::TLS13, Shows(None));
    let (accepted, connected) = bench.handshake(client, "localhost", |_| terms).await;
    accepted.unwrap();
    let version = connected.unwrap().get_ref().1.protocol_version();
    assert_eq!(version, Some(ProtocolVersion::TLSv1_3));

    let client = bench.client(&version::TLS12, Shows(None));
    let (accepted, connected) = bench.handshake(client, "localhost", |_| terms).await;
    let text = accepted.unwrap_err().to_string();
    assert!(text.starts_with("no TLS version in common"), "{text}");
    assert!(connected.is_err());
}

#[tokio::test]
async fn c01_clients_that_offer_only_rsa_get_an_rsa_certificate() {
    let bench = Bench::new();
    let mut provider = rustls::crypto::aws_lc_rs::default_provider();
    provider
        .cipher_suites
        .retain(|suite| suite.suite() == CipherSuite::TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256);
    let client = bench.client_of(provider, &version::TLS12, Shows(None));
    let (accepted, connected) = bench.handshake(client, "localhost", |_| ASKED).await;
    accepted.unwrap();
    let connected = connected.unwrap();
    let leaf = &connected.get_ref().1.peer_certificates().unwrap()[0];
    let key = Certificate::from_der(leaf).unwrap().public_key();
    assert_eq!(key, PublicKey::Rsa { bits: 2048 });
}

#[tokio::test]
async fn c03_hanging_up_is_a_clean_end_even_with_a_request_unread() {
    let bench = Bench::new();
    for version in VERSIONS {
        let client = bench.client(version, Shows(None));
        let (accepted, connected) = bench.handshake(client, "localhost", |_| ASKED).await;
        let (stream, mut client) = (accepted.unwrap().stream, connected.unwrap());
        client.write_all(&[b'x'; 10_000]).await.unwrap();
        client.flush().await.unwrap();
        let read = async {
            let mut answer = Vec::new();
            // rustls makes an end without close_notify an error.
            let read = client.read_to_end(&mut answer).await;
            client.shutdown().await.unwrap();
            (read.unwrap(), answer)
        };
        let ((), (length, _)) = tokio::join!(hang_up(stream), read);
        assert_eq!(length, 0);
    }
}

#[tokio::test]
async fn hanging_up_does_not_wait_for_a_client_that_never_stops() {
    let bench = Bench::new();
    let client = bench.client(&version::TLS13, Shows(None));
    let (accepted, connected) = bench.handshake(client, "localhost", |_| ASKED).await;
    let _quiet = connected.unwrap();
    let done = tokio::time::timeout(4 * DRAIN, hang_up(accepted.unwrap().stream)).await;
    assert!(done.is_ok());
}

#[tokio::test]
async fn c01_nothing_is_resumed() {
    let bench = Bench::new();
    for version in VERSIONS {
        let client = bench.client(version, Shows(None));
        for _ in 0..2 {
            let (accepted, connected) =
                bench.handshake(client.clone(), "localhost", |_| ASKED).await;
            let (mut server, mut client) = (accepted.unwrap().stream, connected.unwrap());
            server.write_all(b"x").await.unwrap();
            server.flush().await.unwrap();
            assert_eq!(client.read_u8().await.unwrap(), b'x');
            let kind = client.get_ref().1.handshake_kind();
            assert!(!matches!(kind, Some(HandshakeKind::Resumed)), "{kind:?}");
        }
    }
}

#[tokio::test]
async fn only_the_leaf_has_to_be_a_certificate() {
    let bench = Bench::new();
    let identity = Identity::self_signed("x");
    let garbage = CertificateDer::from(vec![0x30, 0x03, 1, 2, 3]);
    for version in VERSIONS {
        let mut sent = chain(&identity);
        sent.push(garbage.clone());
        let client = bench.client(version, shows(&sent, &identity));
        let (accepted, _) = bench.handshake(client, "localhost", |_| ASKED).await;
        let accepted = accepted.unwrap();
        assert_eq!((accepted.chain.len(), accepted.unreadable.len()), (1, 1));

        let client = bench.client(version, shows(std::slice::from_ref(&garbage), &identity));
        let (accepted, _) = bench.handshake(client, "localhost", |_| ASKED).await;
        let text = accepted.unwrap_err().to_string();
        assert!(text.starts_with("what the client showed is no X.509"), "{text}");
    }
}

#[tokio::test]
async fn a_client_that_trusts_another_root_is_told_about_in_the_failure() {
    let bench = Bench::new();
    for version in VERSIONS {
        let stranger = Bench::new().client(version, Shows(None));
        let (accepted, connected) = bench.handshake(stranger, "localhost", |_| ASKED).await;
        assert!(connected.is_err());
        let text = accepted.unwrap_err().to_string();
        assert!(text.starts_with("the client does not trust the emulator"), "{text}");
    }
}

#[tokio::test]
async fn what_is_not_tls_is_a_failure_and_never_a_panic() {
    let bench = Bench::new();
    let text = bench.noise(b"GET / HTTP/1.1\r\n\r\n").await.to_string();
    assert!(text.starts_with("the client does not speak TLS on this port"), "{text}");
    assert_eq!(bench.noise(b"").await, HandshakeFailure::Closed { server_name: None });
    let mut random = fastrand::Rng::with_seed(7);
    for length in 0..60 {
        let mut bytes: Vec<u8> = std::iter::repeat_with(|| random.u8(..)).take(length).collect();
        bench.noise(&bytes).await;
        bytes.splice(0..0, [0x16, 3, 1, 0, length as u8, 1, 0, 0, length as u8]);
        bench.noise(&bytes).await;
    }
}
