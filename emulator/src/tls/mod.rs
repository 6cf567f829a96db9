//! The TLS handshake of every port: which terms, which server certificate, who proved which key.
//!
//! TLS proves, identity decides. A client certificate is asked for and its private key proven; who
//! that is, and whether anybody wants to talk to it, is decided on the first request, by others.
//! This is what AWS does, and why a refusal looks to a client like a server that hangs up.
//! Nothing is resumed: a resumed session would skip the proof.
//! Truth: <https://docs.aws.amazon.com/iot/latest/developerguide/transport-security.html>; for the
//! order of events, measurements of JITR on AWS:
//! <https://github.com/ministackorg/ministack/pull/1755>.

mod certificates;
mod failure;
mod proof;
mod stream;

use std::collections::HashMap;
use std::fmt;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use rustls::crypto::CryptoProvider;
use rustls::server::{Acceptor, ClientHello, NoServerSessionStorage};
use rustls::{CipherSuite, ServerConfig, SupportedCipherSuite};
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::net::TcpStream;

use self::certificates::{Resolver, ServerCertificates};
pub(crate) use self::failure::HandshakeFailure;
use self::proof::KeyProof;
pub(crate) use self::stream::Stream;
use crate::pki::{Certificate, MalformedCertificate, ServerAuthority};

/// How long [`hang_up`] listens to a client that goes on talking.
const DRAIN: Duration = Duration::from_secs(1);
/// Most first messages of a client are shorter.
const HELLO_BYTES: usize = 2048;
/// Configurations kept; a machine has few addresses, and doors have few terms.
const CONFIGURATIONS: usize = 256;

/// Whether a client is asked for its certificate, and what happens if it has none.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum ClientCertificate {
    /// Asked for. Any certificate may finish, and so may none; a key that is shown is proven.
    Asked,
    /// Asked for. Any certificate may finish; without one the connection is reset in silence.
    Required,
    /// Not asked for.
    NotAsked,
}

/// Which versions of TLS a door speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Versions {
    /// Nothing newer than TLS 1.2.
    Tls12,
    /// TLS 1.2 and 1.3.
    Tls12And13,
    /// Nothing older than TLS 1.3.
    Tls13,
}

impl Versions {
    fn supported(self) -> Vec<&'static rustls::SupportedProtocolVersion> {
        match self {
            Self::Tls12 => vec![&rustls::version::TLS12],
            Self::Tls12And13 => vec![&rustls::version::TLS13, &rustls::version::TLS12],
            Self::Tls13 => vec![&rustls::version::TLS13],
        }
    }
}

/// What a door agrees to, chosen once it has seen what the client wants.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Terms {
    /// What to do about the client's certificate.
    pub(crate) client_certificate: ClientCertificate,
    /// Protocols that the door speaks, the dearest first.
    pub(crate) alpn: &'static [&'static [u8]],
    /// Which versions of TLS it speaks.
    pub(crate) versions: Versions,
}

/// What the client asks for in its first message.
#[derive(Clone, Debug)]
pub(crate) struct Hello<'a> {
    /// The host name (SNI); `None` if it sent none, or an IP address.
    pub(crate) server_name: Option<&'a str>,
    /// The protocols that it offers (ALPN), in its order.
    pub(crate) alpn: Vec<&'a [u8]>,
}

/// A finished handshake.
#[derive(Debug)]
pub(crate) struct Accepted {
    /// The connection.
    pub(crate) stream: Stream,
    /// The host name (SNI) that the client sent.
    pub(crate) server_name: Option<Arc<str>>,
    /// The client's certificates as it sent them, leaf first. It holds the leaf's private key.
    pub(crate) chain: Vec<Certificate>,
    /// What is wrong with certificates behind the leaf that could not be read.
    pub(crate) unreadable: Vec<MalformedCertificate>,
    /// The client's address.
    pub(crate) peer: SocketAddr,
    /// The address that the client reached.
    pub(crate) local: SocketAddr,
}

/// Makes handshakes; one for each emulator, clones share it.
#[derive(Clone)]
pub(crate) struct TlsServer(Arc<Shared>);

struct Shared {
    provider: Arc<CryptoProvider>,
    certificates: Arc<ServerCertificates>,
    configurations: Mutex<HashMap<Kind, Arc<ServerConfig>>>,
}

/// What tells one configuration from another.
#[derive(Clone, PartialEq, Eq, Hash)]
struct Kind {
    client_certificate: ClientCertificate,
    alpn: Option<&'static [u8]>,
    versions: Versions,
    /// The address to show a certificate for, where the client sent no host name.
    address: Option<IpAddr>,
}

impl fmt::Debug for TlsServer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TlsServer").finish_non_exhaustive()
    }
}

impl TlsServer {
    /// A server whose certificates `authority` issues.
    ///
    /// It takes no clock: clients hold a server certificate against their own, which no test moves.
    pub(crate) fn new(authority: Arc<ServerAuthority>) -> Self {
        let provider = Arc::new(provider());
        let certificates = ServerCertificates::new(authority, Arc::clone(&provider));
        Self(Arc::new(Shared {
            provider,
            certificates: Arc::new(certificates),
            configurations: Mutex::default(),
        }))
    }

    /// Shakes hands with whoever sits behind `tcp`, on the terms that `choose` gives.
    ///
    /// How long that may take is for the caller.
    pub(crate) async fn accept(
        &self,
        tcp: TcpStream,
        choose: impl FnOnce(&Hello<'_>) -> Terms,
    ) -> Result<Accepted, HandshakeFailure> {
        let addresses = (|| {
            tcp.set_nodelay(true)?;
            Ok((tcp.peer_addr()?, tcp.local_addr()?))
        })();
        let (peer, local) = addresses.map_err(|error| HandshakeFailure::of(error, None))?;

        let hello = read_hello(tcp).await;
        let (tcp, accepted, records) = hello.map_err(|error| HandshakeFailure::of(error, None))?;
        let (server_name, configuration) = self.agree(&accepted.client_hello(), choose, local.ip());
        drop(accepted);
        let failed = |error| HandshakeFailure::of(error, server_name.clone());
        let mut stream = Stream::new(tcp, configuration, records).map_err(failed)?;
        match stream.shake_hands().await {
            Ok(()) => {
                stream.flush().await.map_err(failed)?;
                Ok(finished(stream, server_name, peer, local))
            }
            Err(error) => {
                let failure = failed(error);
                give_up(stream, &failure).await;
                Err(failure)
            }
        }
    }

    /// Whom the client wants to speak to, and the configuration that says to rustls what the
    /// door's terms for it are.
    fn agree(
        &self,
        client: &ClientHello<'_>,
        choose: impl FnOnce(&Hello<'_>) -> Terms,
        local: IpAddr,
    ) -> (Option<Arc<str>>, Arc<ServerConfig>) {
        let hello = Hello {
            server_name: client.server_name(),
            alpn: client.alpn().map(Iterator::collect).unwrap_or_default(),
        };
        let terms = choose(&hello);
        //? assumed: AWS goes on without ALPN where it speaks nothing that the client offers; an
        //? alert would lock out clients that offer `h2` or, on 8883, a name of their own
        let alpn = terms.alpn.iter().copied().find(|protocol| hello.alpn.contains(protocol));
        let kind = Kind {
            client_certificate: terms.client_certificate,
            alpn,
            versions: terms.versions,
            address: if hello.server_name.is_none() { Some(local) } else { None },
        };
        (hello.server_name.map(Arc::from), self.configuration(kind))
    }

    fn configuration(&self, kind: Kind) -> Arc<ServerConfig> {
        let configurations = &self.0.configurations;
        let mut made = configurations.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(configuration) = made.get(&kind) {
            return Arc::clone(configuration);
        }
        if made.len() >= CONFIGURATIONS {
            made.clear();
        }
        let configuration = Arc::new(self.build(&kind));
        made.insert(kind, Arc::clone(&configuration));
        configuration
    }

    //= https://docs.aws.amazon.com/iot/latest/developerguide/transport-security.html
    //# TLS 1.2 and 1.3; the SessionTicket extension is not supported
    fn build(&self, kind: &Kind) -> ServerConfig {
        let builder = ServerConfig::builder_with_provider(Arc::clone(&self.0.provider))
            .with_protocol_versions(&kind.versions.supported())
            .expect("the provider has suites for both versions");
        let algorithms = self.0.provider.signature_verification_algorithms;
        let builder = match kind.client_certificate {
            ClientCertificate::NotAsked => builder.with_no_client_auth(),
            asked => builder.with_client_cert_verifier(Arc::new(KeyProof::new(
                algorithms,
                asked == ClientCertificate::Required,
            ))),
        };
        let certificates = Arc::clone(&self.0.certificates);
        let resolver = Resolver::new(certificates, kind.address, kind.versions);
        let mut configuration = builder.with_cert_resolver(Arc::new(resolver));
        configuration.session_storage = Arc::new(NoServerSessionStorage {});
        configuration.send_tls13_tickets = 0;
        configuration.alpn_protocols = kind.alpn.map(<[u8]>::to_vec).into_iter().collect();
        configuration
    }
}

//= https://docs.aws.amazon.com/iot/latest/developerguide/transport-security.html
//# TLS 1.2 suites are ECDHE or RSA with AES; ChaCha20 only in TLS 1.3
//? assumed: the CBC and static RSA suites are left out, since rustls has none of them
fn provider() -> CryptoProvider {
    let mut provider = rustls::crypto::aws_lc_rs::default_provider();
    provider.cipher_suites.retain(|suite| {
        matches!(suite, SupportedCipherSuite::Tls13(_))
            || matches!(
                suite.suite(),
                CipherSuite::TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256
                    | CipherSuite::TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384
                    | CipherSuite::TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256
                    | CipherSuite::TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384
            )
    });
    provider
}

/// The client's first message, and all bytes that have come by then: they are read once to choose
/// the terms, and once more on these.
async fn read_hello(
    mut tcp: TcpStream,
) -> io::Result<(TcpStream, rustls::server::Accepted, Vec<u8>)> {
    let mut acceptor = Acceptor::default();
    let mut records = Vec::with_capacity(HELLO_BYTES);
    loop {
        let before = records.len();
        if tcp.read_buf(&mut records).await? == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        let mut come = &records[before..];
        while !come.is_empty() {
            acceptor.read_tls(&mut come)?;
            match acceptor.accept() {
                Ok(Some(accepted)) => return Ok((tcp, accepted, records)),
                Ok(None) => {}
                Err((error, mut alert)) => {
                    let mut said = Vec::new();
                    alert.write_all(&mut said)?;
                    tcp.write_all(&said).await?;
                    return Err(io::Error::new(io::ErrorKind::InvalidData, error));
                }
            }
        }
    }
}

fn finished(
    stream: Stream,
    server_name: Option<Arc<str>>,
    peer: SocketAddr,
    local: SocketAddr,
) -> Accepted {
    let (mut chain, mut unreadable) = (Vec::new(), Vec::new());
    for der in stream.peer_certificates() {
        match Certificate::from_der(der) {
            Ok(certificate) => chain.push(certificate),
            Err(error) => unreadable.push(error),
        }
    }
    Accepted { stream, server_name, chain, unreadable, peer, local }
}

/// Ends a handshake that failed: with the alert that rustls wrote, or without a word.
//= https://github.com/subratamazumder/aws-learning/tree/master/apigateway
//# API Gateway drops the TCP connection of a client without a certificate: no alert, no Finished
//? assumed: by a reset, not by a FIN; curl says (35) to either
async fn give_up(mut stream: Stream, failure: &HandshakeFailure) {
    if matches!(failure, HandshakeFailure::NoClientCertificate { .. }) {
        // A socket that refuses the option is gone already.
        let _gone = stream.into_tcp().set_zero_linger();
    } else if stream.flush().await.is_ok() {
        hang_up(stream.into_tcp()).await;
    }
}

/// Hangs up politely: close_notify, FIN, then listens for a moment before the socket goes.
///
/// Clients tell the difference. Only this end makes curl say (52), mosquitto "The connection was
/// lost." and awscrt `AWS_ERROR_MQTT_UNEXPECTED_HANGUP`, as they do at AWS; and bytes that nobody
/// read would turn the FIN into a reset that can overtake the close_notify.
//= https://github.com/ministackorg/ministack/pull/1755
//# AWS finishes the handshake and hangs up on the CONNECT packet, without a CONNACK
pub(crate) async fn hang_up<S: AsyncRead + AsyncWrite + Unpin>(mut stream: S) {
    let farewell = async {
        stream.shutdown().await?;
        let mut ignored = vec![0; 4096];
        while stream.read(&mut ignored).await? > 0 {}
        Ok::<(), io::Error>(())
    };
    // Whatever goes wrong here, the other side is gone or has had its second.
    let _gone = tokio::time::timeout(DRAIN, farewell).await;
}

#[cfg(test)]
mod stream_tests;
#[cfg(test)]
mod tests;
