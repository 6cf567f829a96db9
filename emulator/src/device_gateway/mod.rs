//! The doors of devices: a connection is accepted, asked which protocol it speaks, and handed over.
//!
//! It decides by port, ALPN and SNI which room answers. Who the device is and what it may do is
//! decided by `IotCore`, one packet or one request later.
//! Truth: <https://docs.aws.amazon.com/iot/latest/developerguide/protocols.html>.

mod answers;
pub(crate) mod codec;
mod conversation;
mod https;
mod mqtt;

use std::net::SocketAddr;

use tokio::net::TcpStream;

use crate::cloud::{Cloud, Meant};
use crate::doors::HANDSHAKE;
use crate::names::Scope;
use crate::tls::{self, Accepted, ClientCertificate, Hello, Terms};
use crate::trace::Entry;

const MQTT: &[u8] = b"x-amzn-mqtt-ca";
const HTTP: &[u8] = b"x-amzn-http-ca";
const CUSTOM_AUTHORIZER: &[u8] = b"mqtt";
const HTTP_1_1: &[u8] = b"http/1.1";

/// Port 8883.
pub(crate) async fn mqtt_door(cloud: Cloud, scope: Option<Scope>, stream: TcpStream) {
    let terms = |_: &Hello<'_>| asked(&[MQTT]);
    let Some(accepted) = accept(&cloud, scope.as_ref(), stream, terms).await else { return };
    if let Some((meant, accepted)) = meant(&cloud, scope.as_ref(), accepted).await {
        mqtt::serve(&cloud, meant, accepted).await;
    }
}

/// Port 8443.
pub(crate) async fn https_door(cloud: Cloud, scope: Option<Scope>, stream: TcpStream) {
    let terms = |_: &Hello<'_>| asked(&[HTTP_1_1, HTTP]);
    let Some(accepted) = accept(&cloud, scope.as_ref(), stream, terms).await else { return };
    if let Some((meant, accepted)) = meant(&cloud, scope.as_ref(), accepted).await {
        https::serve(&cloud, meant, accepted).await;
    }
}

//= https://docs.aws.amazon.com/iot/latest/developerguide/protocols.html
//# on 443 ALPN chooses: x-amzn-mqtt-ca and x-amzn-http-ca with a client certificate, mqtt with a
//# custom authorizer, and without ALPN HTTPS and WSS with SigV4
/// Port 443 of the data endpoint.
pub(crate) async fn tls_door(cloud: Cloud, scope: Option<Scope>, stream: TcpStream) {
    let terms = |hello: &Hello<'_>| {
        if hello.alpn.contains(&MQTT) {
            asked(&[MQTT])
        } else if hello.alpn.contains(&HTTP) {
            asked(&[HTTP])
        } else {
            let client_certificate = ClientCertificate::NotAsked;
            Terms { client_certificate, alpn: &[CUSTOM_AUTHORIZER, HTTP_1_1], tls12_only: false }
        }
    };
    let Some(accepted) = accept(&cloud, scope.as_ref(), stream, terms).await else { return };
    let Some((meant, accepted)) = meant(&cloud, scope.as_ref(), accepted).await else { return };
    match accepted.alpn.as_deref() {
        Some(MQTT) => mqtt::serve(&cloud, meant, accepted).await,
        Some(HTTP) => https::serve(&cloud, meant, accepted).await,
        Some(CUSTOM_AUTHORIZER) => {
            let entry = authentication_error(&meant.iot_core.scope().clone(), "NOT_AUTHENTICATED");
            let why = "ALPN `mqtt` asks for a custom authorizer; iot-emulator has none yet";
            cloud.trace().record(entry.why([why]).answer("disconnects"));
            tls::hang_up(accepted.stream).await;
        }
        _ => https::serve_signed(&cloud, meant, accepted).await,
    }
}

fn asked(alpn: &'static [&'static [u8]]) -> Terms {
    Terms { client_certificate: ClientCertificate::Asked, alpn, tls12_only: false }
}

async fn accept(
    cloud: &Cloud,
    scope: Option<&Scope>,
    stream: TcpStream,
    terms: impl FnOnce(&Hello<'_>) -> Terms,
) -> Option<Accepted> {
    let peer = stream.peer_addr().ok()?;
    match tokio::time::timeout(HANDSHAKE, cloud.tls().accept(stream, terms)).await {
        Ok(Ok(accepted)) => {
            for malformed in &accepted.unreadable {
                let name = accepted.server_name.as_deref();
                let entry = connection_failure(cloud, scope, peer, "UNREADABLE_CERTIFICATE", name);
                let entry = entry.details("a certificate behind the client's own is left out");
                let entry = entry.why([malformed.to_string()]);
                cloud.trace().record(entry.answer("nothing: what is left has to do"));
            }
            Some(accepted)
        }
        Ok(Err(failure)) => {
            let name = failure.server_name();
            let entry = connection_failure(cloud, scope, peer, "HANDSHAKE_FAILED", name);
            cloud.trace().record(entry.details(failure.to_string()).answer("ends the handshake"));
            None
        }
        Err(_elapsed) => {
            let entry = connection_failure(cloud, scope, peer, "HANDSHAKE_FAILED", None);
            let why = format!("not finished after {} s", HANDSHAKE.as_secs());
            cloud.trace().record(entry.details(why).answer("ends the handshake"));
            None
        }
    }
}

fn connection_failure(
    cloud: &Cloud,
    scope: Option<&Scope>,
    peer: SocketAddr,
    reason: &'static str,
    server_name: Option<&str>,
) -> Entry {
    let entry = Entry::failure(scope.unwrap_or(cloud.default_scope()), "Connection", reason);
    let entry = entry.member("sourceIp", peer.ip()).member("sourcePort", peer.port());
    match server_name {
        Some(name) => entry.member("serverNameIndication", name),
        None => entry,
    }
}

/// The `IotCore` that is meant; a name of AWS's that nobody here has ends the connection.
async fn meant(
    cloud: &Cloud,
    scope: Option<&Scope>,
    accepted: Accepted,
) -> Option<(Meant, Accepted)> {
    let chain: Vec<_> = accepted.chain.iter().map(|certificate| certificate.id()).collect();
    match cloud.meant(accepted.server_name.as_deref(), scope, &chain) {
        Ok(meant) => Some((meant, accepted)),
        Err(unknown) => {
            let scope = scope.unwrap_or(cloud.default_scope());
            let entry = authentication_error(scope, "SNI_MISUSED")
                .details("The client used an SNI that is not associated with this account")
                .member("serverNameIndication", &unknown.0)
                .member("sourceIp", accepted.peer.ip())
                .why([format!("no account and Region here has the endpoint `{}`", unknown.0)]);
            cloud.trace().record(entry.answer("disconnects"));
            tls::hang_up(accepted.stream).await;
            None
        }
    }
}

//= https://docs.aws.amazon.com/iot/latest/developerguide/cwl-format.html
//# a connection that could not be authenticated is logged as Connection.AuthNError
fn authentication_error(scope: &Scope, reason: &'static str) -> Entry {
    Entry::failure(scope, "Connection.AuthNError", reason)
}
