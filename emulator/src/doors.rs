//! The two doors beside the device gateway: the AWS API, plain or over TLS on one port, and the
//! custom domain names of API Gateway.
//!
//! They accept and hand over; what is answered is decided in `aws_api/` and `api_gateway/`.

use std::net::SocketAddr;
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;

use crate::api_gateway::{self, Visit};
use crate::aws_api;
use crate::cloud::Cloud;
use crate::http::{self, Limits};
use crate::tls::{self, ClientCertificate, Terms, Versions};
use crate::trace::Entry;

/// How long a client may take for its handshake.
pub(crate) const HANDSHAKE: Duration = Duration::from_secs(10);
/// What the trace says of a client that took longer.
const TOO_SLOW: &str = "the client did not finish its handshake in time";
/// The first byte of a TLS handshake.
const TLS_RECORD: u8 = 0x16;

/// A zip of code is at most 50 MB, a third more as base64.
const API_LIMITS: Limits = Limits { body_bytes: 70 << 20, head: Duration::from_secs(60) };
const GATEWAY_LIMITS: Limits =
    Limits { body_bytes: api_gateway::PAYLOAD_BYTES, head: Duration::from_secs(60) };

/// One connection to the API port.
pub(crate) async fn api(cloud: Cloud, stream: TcpStream, peer: SocketAddr) {
    let mut first = [0];
    let peeked = tokio::time::timeout(HANDSHAKE, stream.peek(&mut first)).await;
    if !matches!(peeked, Ok(Ok(1))) {
        return;
    }
    let _unsupported = stream.set_nodelay(true);
    if first != [TLS_RECORD] {
        // In order here too: a reset would take the answer from a client that is still sending.
        return tls::hang_up(serve_api(&cloud, peer, stream).await).await;
    }
    let terms = Terms {
        client_certificate: ClientCertificate::NotAsked,
        alpn: &[b"http/1.1"],
        versions: Versions::Tls12And13,
    };
    let accepting = cloud.tls().accept(stream, |_hello| terms);
    match tokio::time::timeout(HANDSHAKE, accepting).await {
        Ok(Ok(accepted)) => tls::hang_up(serve_api(&cloud, peer, accepted.stream).await).await,
        Ok(Err(failure)) => note_handshake(&cloud, "AwsApiCall", &failure.to_string(), []),
        Err(_elapsed) => note_handshake(&cloud, "AwsApiCall", TOO_SLOW, []),
    }
}

/// Traces a handshake that came to nothing.
fn note_handshake<'a>(
    cloud: &Cloud,
    event_type: &'static str,
    why: &str,
    members: impl IntoIterator<Item = (&'static str, &'a str)>,
) {
    let entry = Entry::failure(cloud.default_scope(), event_type, "HANDSHAKE_FAILED");
    let entry = members.into_iter().fold(entry, |entry, (name, value)| entry.member(name, value));
    cloud.trace().record(entry.details(why).answer("ends the handshake"));
}

async fn serve_api<S>(cloud: &Cloud, peer: SocketAddr, stream: S) -> S
where
    S: AsyncRead + AsyncWrite + Unpin + Send,
{
    http::serve(
        stream,
        API_LIMITS,
        |request| async move { aws_api::answer(cloud, peer, request).await },
    )
    .await
}

/// One connection to a custom domain name.
//= https://docs.aws.amazon.com/apigateway/latest/developerguide/rest-api-mutual-tls.html
//# the domain is chosen by SNI; with mutual TLS a client without a certificate gets no connection
pub(crate) async fn gateway(cloud: Cloud, stream: TcpStream) {
    let mut meant = None;
    let accepting = cloud.tls().accept(stream, |hello| {
        meant = cloud.domain(hello.server_name);
        let domain = meant.as_ref().map(|(_gateway, domain)| domain);
        let mutual = domain.is_some_and(|domain| domain.requires_client_certificate());
        Terms {
            client_certificate: if mutual {
                ClientCertificate::Required
            } else {
                ClientCertificate::NotAsked
            },
            alpn: &[b"http/1.1"],
            versions: if domain.is_some_and(|domain| domain.tls12_only()) {
                Versions::Tls12
            } else {
                Versions::Tls12And13
            },
        }
    });
    let accepted = match tokio::time::timeout(HANDSHAKE, accepting).await {
        Ok(Ok(accepted)) => accepted,
        Ok(Err(failure)) => {
            let asked = failure.server_name().map(|name| ("serverNameIndication", name));
            let domain = meant.as_ref().map(|(_gateway, domain)| ("domainName", domain.name()));
            let members = asked.into_iter().chain(domain);
            return note_handshake(&cloud, "ApiGateway", &failure.to_string(), members);
        }
        Err(_elapsed) => return note_handshake(&cloud, "ApiGateway", TOO_SLOW, []),
    };
    let (chain, peer) = (accepted.chain, accepted.peer);
    let meant = meant.as_ref();
    let stream = http::serve(accepted.stream, GATEWAY_LIMITS, |request| {
        let (cloud, chain) = (&cloud, &chain);
        async move {
            let Some((gateway, domain)) = meant else {
                let entry = Entry::failure(cloud.default_scope(), "ApiGateway", "FORBIDDEN");
                let why =
                    "there is no custom domain name of this server name, nor a single other one";
                cloud.trace().record(entry.details(why).answer("HTTP 403"));
                let body = r#"{"message":"Forbidden"}"#;
                return http::response(403, "application/json", body).into();
            };
            let (request_id, now) = (cloud.uuid(), cloud.now());
            let visit = Visit { domain, chain, peer, request_id, now };
            gateway.handle(visit, &request, cloud.trace()).await.into()
        }
    })
    .await;
    tls::hang_up(stream).await;
}
