//! The listeners: which address stands for which door, and one task for each connection.
//!
//! It decides nothing about what is said on a connection. A panic in one connection ends that
//! connection, is told to the trace, and nobody else notices.

use std::net::{IpAddr, SocketAddr, TcpListener};
use std::time::Duration;

use serde::Serialize;
use tokio::net::TcpStream;
use tokio::task::JoinSet;

use crate::cloud::Cloud;
use crate::config::Config;
use crate::device_gateway;
use crate::doors;
use crate::emulator::StartError;
use crate::names::Scope;
use crate::trace::Entry;

/// How long to wait when the system has no socket left for the next connection.
const OUT_OF_SOCKETS: Duration = Duration::from_millis(20);

/// What a port speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Door {
    Mqtt,
    Https,
    Tls,
    Gateway,
    Api,
}

impl Door {
    const fn flag(self) -> &'static str {
        match self {
            Self::Mqtt => "mqtt-port",
            Self::Https => "https-port",
            Self::Tls => "tls-port",
            Self::Gateway => "gateway-port",
            Self::Api => "api-port",
        }
    }

    const fn name(self) -> &'static str {
        match self {
            Self::Mqtt => "MQTT",
            Self::Https => "the HTTPS data plane",
            Self::Tls => "TLS (443)",
            Self::Gateway => "the API gateway",
            Self::Api => "the AWS API",
        }
    }
}

/// Where everything listens.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Addresses {
    /// MQTT over mutual TLS: 8883 of AWS.
    pub mqtt: SocketAddr,
    /// The HTTPS data plane over mutual TLS: 8443 of AWS.
    pub https: SocketAddr,
    /// 443 of the data endpoint; the protocol is chosen by ALPN.
    pub tls: SocketAddr,
    /// 443 of the custom domain names of API Gateway.
    pub gateway: SocketAddr,
    /// The AWS APIs, HTTP and HTTPS.
    pub api: SocketAddr,
    /// The further accounts and Regions of the configuration, in its order.
    pub endpoints: Vec<EndpointAddresses>,
}

/// Where devices of one account and Region connect.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct EndpointAddresses {
    /// The account.
    pub account: String,
    /// The Region.
    pub region: String,
    /// MQTT over mutual TLS: of its own, or everybody's.
    pub mqtt: SocketAddr,
    /// The HTTPS data plane over mutual TLS: of its own, or everybody's.
    pub https: SocketAddr,
}

impl Addresses {
    /// Where devices of `scope` connect: `(MQTT, HTTPS)`.
    pub(crate) fn of(&self, scope: &Scope) -> (SocketAddr, SocketAddr) {
        let own = self.endpoints.iter().find(|endpoint| {
            endpoint.account == scope.account.as_str() && endpoint.region == scope.region.as_str()
        });
        own.map_or((self.mqtt, self.https), |own| (own.mqtt, own.https))
    }

    /// What `AWS_ENDPOINT_URL` takes.
    pub fn api_url(&self) -> String {
        match self.api.ip() {
            ip if ip.is_loopback() || ip.is_unspecified() => {
                format!("http://localhost:{}", self.api.port())
            }
            _ => format!("http://{}", self.api),
        }
    }
}

/// Listeners that are bound and wait to be served.
#[derive(Debug)]
pub(crate) struct Bound {
    addresses: Addresses,
    listeners: Vec<(Door, Option<Scope>, TcpListener)>,
}

impl Bound {
    pub(crate) fn addresses(&self) -> Addresses {
        self.addresses.clone()
    }
}

/// Binds every port of `config`: the five, and those of its further endpoints.
pub(crate) fn bind(config: &Config) -> Result<Bound, StartError> {
    let mut listeners = Vec::new();
    let mut open = |door: Door, ip: IpAddr, port: u16, scope: Option<Scope>| {
        let address = SocketAddr::new(ip, port);
        let failed =
            |source| StartError::Bind { address, door: door.name(), flag: door.flag(), source };
        let listener = TcpListener::bind(address).map_err(failed)?;
        listener.set_nonblocking(true).map_err(failed)?;
        let address = listener.local_addr().map_err(failed)?;
        listeners.push((door, scope, listener));
        Ok::<_, StartError>(address)
    };
    let mut addresses = Addresses {
        mqtt: open(Door::Mqtt, config.bind, config.mqtt_port, None)?,
        https: open(Door::Https, config.bind, config.https_port, None)?,
        tls: open(Door::Tls, config.bind, config.tls_port, None)?,
        gateway: open(Door::Gateway, config.bind, config.gateway_port, None)?,
        api: open(Door::Api, config.bind, config.api_port, None)?,
        endpoints: Vec::new(),
    };
    for endpoint in &config.endpoint {
        let scope = Scope::new(endpoint.account.as_str(), endpoint.region.as_str());
        let own_host = endpoint.host.filter(|host| *host != config.bind);
        let host = own_host.unwrap_or(config.bind);
        // An address of its own takes the usual ports, so that only the host name changes.
        let usual = own_host.is_some();
        let mqtt = endpoint.mqtt_port.or(usual.then_some(config.mqtt_port));
        let https = endpoint.https_port.or(usual.then_some(config.https_port));
        let mut own = |door, port: Option<u16>, shared| match port {
            Some(port) => open(door, host, port, Some(scope.clone())),
            None => Ok(shared),
        };
        let mqtt = own(Door::Mqtt, mqtt, addresses.mqtt)?;
        let https = own(Door::Https, https, addresses.https)?;
        let (account, region) = (endpoint.account.clone(), endpoint.region.clone());
        addresses.endpoints.push(EndpointAddresses { account, region, mqtt, https });
        if usual {
            open(Door::Tls, host, config.tls_port, Some(scope))?;
        }
    }
    Ok(Bound { addresses, listeners })
}

/// Serves every listener; never returns by itself.
pub(crate) async fn serve(cloud: Cloud, bound: Bound) {
    let mut doors = JoinSet::new();
    for (door, scope, listener) in bound.listeners {
        doors.spawn(accept(cloud.clone(), door, scope, listener));
    }
    while doors.join_next().await.is_some() {}
}

async fn accept(cloud: Cloud, door: Door, scope: Option<Scope>, listener: TcpListener) {
    let Ok(listener) = tokio::net::TcpListener::from_std(listener) else { return };
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            accepted = listener.accept() => match accepted {
                Ok((stream, peer)) => {
                    connections.spawn(connection(cloud.clone(), door, scope.clone(), stream, peer));
                }
                Err(_) => wait_for_sockets().await,
            },
            Some(ended) = connections.join_next() => {
                if let Err(panic) = ended && panic.is_panic() {
                    let scope = scope.as_ref().unwrap_or(cloud.default_scope());
                    let entry = Entry::failure(scope, "Connection", "INTERNAL_SERVER_ERROR");
                    let entry = entry.details("iot-emulator has a bug: a connection panicked");
                    cloud.trace().record(entry);
                }
            }
        }
    }
}

#[expect(clippy::disallowed_methods, reason = "sockets come back in real time, whatever the clock")]
async fn wait_for_sockets() {
    tokio::time::sleep(OUT_OF_SOCKETS).await;
}

async fn connection(
    cloud: Cloud,
    door: Door,
    scope: Option<Scope>,
    stream: TcpStream,
    peer: SocketAddr,
) {
    // In boxes, so that a client of one door keeps no room for what the others do.
    match door {
        Door::Mqtt => Box::pin(device_gateway::mqtt_door(cloud, scope, stream)).await,
        Door::Https => Box::pin(device_gateway::https_door(cloud, scope, stream)).await,
        Door::Tls => Box::pin(device_gateway::tls_door(cloud, scope, stream)).await,
        Door::Gateway => Box::pin(doors::gateway(cloud, stream)).await,
        Door::Api => Box::pin(doors::api(cloud, stream, peer)).await,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_taken_port_is_named_with_its_flag() {
        let taken = TcpListener::bind("127.0.0.1:0").unwrap();
        let https_port = taken.local_addr().unwrap().port();
        let refused = bind(&Config { https_port, ..Config::default() }).unwrap_err().to_string();
        assert!(refused.contains(&https_port.to_string()), "{refused}");
        assert!(refused.contains("--https-port"), "{refused}");
    }
}
