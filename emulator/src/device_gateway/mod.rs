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
mod throughput;
mod websocket;

use std::net::SocketAddr;

use tokio::net::TcpStream;

use self::choice::{Port, Speaks};
use crate::cloud::{Cloud, Meant, NotServed};
use crate::doors::HANDSHAKE;
use crate::iot_core::Domain;
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
            if let Some(link) = Box::pin(mqtt::greet_device(cloud, meant, *accepted)).await {
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
            let entry = authentication_error(meant.iot_core.scope(), "NOT_AUTHENTICATED");
            cloud.trace().record(entry.why([why]).answer("disconnects"));
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
    let (meant, accepted) = meant(cloud, scope, domain.as_ref(), accepted).await?;
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
    let entry = entry.member("sourceIp", peer.ip()).member("sourcePort", peer.port());
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
    accepted: Accepted,
) -> Option<(Meant, Accepted)> {
    let chain: Vec<_> = accepted.chain.iter().map(|certificate| certificate.id()).collect();
    let entry = match cloud.meant(accepted.server_name.as_deref(), domain, scope, &chain) {
        Ok(meant) => return Some((meant, accepted)),
        Err(NotServed::UnknownEndpoint(name)) => {
            authentication_error(scope.unwrap_or(cloud.default_scope()), "SNI_MISUSED")
                .details("The client used an SNI that is not associated with this account")
                .member("serverNameIndication", &name)
                .why([format!("no account and Region here has the endpoint `{name}`")])
        }
        //? assumed: the details, and that the client sees what a wrong name gets
        Err(NotServed::Disabled(domain)) => {
            let name = accepted.server_name.as_deref().unwrap_or_default();
            let configuration = &domain.configuration;
            authentication_error(&domain.scope, "DOMAIN_CONFIGURATION_DISABLED")
                .details("Domain configuration is disabled")
                .member("serverNameIndication", name)
                .member("domainConfigurationName", configuration)
                .why([format!("the domain configuration `{configuration}` is DISABLED")])
        }
    };
    let entry = entry.member("sourceIp", accepted.peer.ip());
    cloud.trace().record(entry.answer("disconnects"));
    tls::hang_up(accepted.stream).await;
    None
}

//= https://docs.aws.amazon.com/iot/latest/developerguide/cwl-format.html
//# a connection that could not be authenticated is logged as Connection.AuthNError
fn authentication_error(scope: &Scope, reason: &'static str) -> Entry {
    Entry::failure(scope, "Connection.AuthNError", reason)
}
