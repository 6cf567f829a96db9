//! The doors of devices: a connection is accepted, asked which protocol it speaks, and handed over.
//!
//! It decides by port, ALPN and SNI which room answers. Who the device is and what it may do is
//! decided by `IotCore`, one packet or one request later.
//! Truth: <https://docs.aws.amazon.com/iot/latest/developerguide/protocols.html>.

mod answers;
mod choice;
pub(crate) mod codec;
mod conversation;
mod https;
mod link;
#[cfg(test)]
mod link_tests;
mod mqtt;
mod output;
mod throughput;
mod websocket;

use std::net::SocketAddr;

use tokio::net::TcpStream;

use self::choice::{Port, Speaks};
use crate::cloud::{Cloud, Meant, NotServed};
use crate::doors::HANDSHAKE;
use crate::iot_core::{Domain, Peer, authentication_error};
use crate::names::Scope;
use crate::tls::{self, Accepted, Hello, Terms};
use crate::trace::Entry;

/// Port 8883.
pub(crate) async fn mqtt_door(cloud: Cloud, scope: Option<Scope>, stream: TcpStream) {
    door(&cloud, scope.as_ref(), Port::Mqtt, stream).await;
}

/// Port 8443.
pub(crate) async fn https_door(cloud: Cloud, scope: Option<Scope>, stream: TcpStream) {
    door(&cloud, scope.as_ref(), Port::Https, stream).await;
}

/// Port 443 of the data endpoint.
pub(crate) async fn tls_door(cloud: Cloud, scope: Option<Scope>, stream: TcpStream) {
    door(&cloud, scope.as_ref(), Port::Tls, stream).await;
}

/// Each step is in a box of its own: a client that idles keeps no room for what is behind it, nor
/// for what it does not speak.
async fn door(cloud: &Cloud, scope: Option<&Scope>, port: Port, stream: TcpStream) {
    let Some((speaks, meant, accepted)) = Box::pin(enter(cloud, scope, port, stream)).await else {
        return;
    };
    match speaks {
        Speaks::Mqtt => {
            if let Some(link) = Box::pin(mqtt::greet_device(cloud, meant, accepted)).await {
                link.run().await;
            }
        }
        Speaks::Https => Box::pin(https::serve(cloud, meant, *accepted)).await,
        Speaks::SignedHttps => {
            Box::pin(https::serve_signed(cloud, meant, *accepted, https::Switching::Never)).await;
        }
        Speaks::SignedHttpsAndWss => {
            let switching = https::Switching::ToWebSocket;
            Box::pin(https::serve_signed(cloud, meant, *accepted, switching)).await;
        }
        Speaks::Nothing(why) => {
            let peer = peer_of(&accepted, false, speaks.protocol());
            let (scope, by) = (meant.iot_core.scope(), speaks.authentication_type());
            let entry = authentication_error(scope, &peer, by, "NOT_AUTHENTICATED");
            meant.iot_core.note(entry.why([why]).answer("disconnects"));
            Box::pin(tls::hang_up(accepted.stream)).await;
        }
    }
}

/// The handshake; then what the client speaks, and with whom.
async fn enter(
    cloud: &Cloud,
    scope: Option<&Scope>,
    port: Port,
    stream: TcpStream,
) -> Option<(Speaks, Meant, Box<Accepted>)> {
    let mut domain = None;
    let mut speaks = Speaks::Mqtt;
    let terms = |hello: &Hello<'_>| {
        domain = cloud.iot_domain(hello.server_name, scope);
        let chosen = choice::choose(port, hello, domain.as_ref().map(|domain| domain.terms));
        speaks = chosen.0;
        chosen.1
    };
    let accepted = accept(cloud, scope, stream, terms).await?;
    let (meant, accepted) = meant(cloud, scope, domain.as_ref(), speaks, accepted).await?;
    Some((speaks, meant, Box::new(accepted)))
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

/// Told to the account whose domain it is, else to that of the listener.
fn connection_failure(
    cloud: &Cloud,
    scope: Option<&Scope>,
    peer: SocketAddr,
    reason: &'static str,
    server_name: Option<&str>,
) -> Entry {
    let domain = cloud.iot_domain(server_name, scope);
    let owner = domain.as_ref().map(|domain| &domain.scope);
    let scope = owner.or(scope).unwrap_or(cloud.default_scope());
    let entry = Entry::failure(scope, "Connection", reason);
    let entry = entry.member("sourceIp", peer.ip()).number("sourcePort", peer.port());
    let entry = match &domain {
        Some(domain) => entry.member("domainConfigurationName", &domain.configuration),
        None => entry,
    };
    match server_name {
        Some(name) => entry.member("serverNameIndication", name),
        None => entry,
    }
}

/// The `IotCore` that is meant; a name of AWS's that nobody here has ends the connection, and so
/// does one whose domain configuration is disabled.
async fn meant(
    cloud: &Cloud,
    scope: Option<&Scope>,
    domain: Option<&Domain>,
    speaks: Speaks,
    accepted: Accepted,
) -> Option<(Meant, Accepted)> {
    let chain: Vec<_> = accepted.chain.iter().map(|certificate| certificate.id()).collect();
    let peer = peer_of(&accepted, false, speaks.protocol());
    let refused = |scope: &Scope, reason| {
        let entry = authentication_error(scope, &peer, speaks.authentication_type(), reason);
        entry.answer("disconnects")
    };
    match cloud.meant(accepted.server_name.as_deref(), domain, scope, &chain) {
        Ok(meant) => return Some((meant, accepted)),
        //= https://docs.aws.amazon.com/iot/latest/developerguide/cwl-format.html
        //# a name that means no account leaves neither an entry nor a metric
        //? assumed: of our own, the account of the listener is told, but counts nothing
        Err(NotServed::UnknownEndpoint(name)) => {
            let entry = refused(scope.unwrap_or(cloud.default_scope()), "SNI_MISUSED");
            let why = format!("no account and Region here has the endpoint `{name}`");
            cloud.trace().record(entry.why([why]));
        }
        //? assumed: that the client sees what a wrong name gets
        Err(NotServed::Disabled(domain)) => {
            let configuration = &domain.configuration;
            let entry = refused(&domain.scope, "DOMAIN_CONFIGURATION_DISABLED")
                .member("domainConfigurationName", configuration)
                .why([format!("the domain configuration `{configuration}` is DISABLED")]);
            cloud.regional(&domain.scope).iot_core.note(entry);
        }
    }
    tls::hang_up(accepted.stream).await;
    None
}

/// Where a connection comes from; `by_name` says that it named this account's endpoint.
fn peer_of(accepted: &Accepted, by_name: bool, protocol: &'static str) -> Peer {
    Peer {
        address: accepted.peer,
        local: accepted.local,
        server_name: accepted.server_name.clone(),
        by_name,
        protocol,
        ends: None,
    }
}
