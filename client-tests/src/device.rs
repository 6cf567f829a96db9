//! [`Device`]: a physical thing in a test. It holds a certificate and connects as a product would,
//! with rumqttc.

use std::future::{Future, IntoFuture};
use std::net::SocketAddr;
use std::pin::Pin;
use std::time::Duration;

use iot_emulator::Identity;
use iot_emulator::names::CertificateId;
use tokio::time::timeout;

use crate::PATIENCE;
use crate::mqtt::Mqtt;
use crate::rumqtt::{self, Session};
use crate::target::Target;
use crate::tunnel::Tunnel;
use crate::wire::Wire;

/// Why a device is not connected.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ConnectError {
    /// The handshake was fine; then, in answer to the CONNECT, the server closed the connection in
    /// order and without a word. It is what AWS does to everybody whom it does not know.
    ClosedBeforeConnack,
    /// A CONNACK with this reason code.
    Refused(u8),
    /// There was no TLS connection.
    Handshake(String),
    /// Nothing came in time.
    Timeout,
    /// Anything else, in the client's words.
    Other(String),
}

/// What a device speaks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Version {
    /// MQTT 3.1.1.
    #[default]
    Mqtt311,
    /// MQTT 5.
    Mqtt5,
}

impl Version {
    /// Both.
    pub const BOTH: [Self; 2] = [Self::Mqtt311, Self::Mqtt5];
}

/// A device with its certificate, key, and a place to connect to.
#[derive(Clone, Debug)]
pub struct Device {
    pub(crate) target: Target,
    pub(crate) identity: Option<Identity>,
    /// The name in SNI, if it is not the target's.
    pub(crate) server_name: Option<String>,
}

impl Device {
    /// A device that presents `identity`, with the CA certificates that issued it.
    pub fn new(target: impl Into<Target>, identity: Identity) -> Self {
        Self { target: target.into(), identity: Some(identity), server_name: None }
    }

    /// A device that has no certificate to present.
    pub fn without_certificate(target: impl Into<Target>) -> Self {
        Self { target: target.into(), identity: None, server_name: None }
    }

    /// The same device, but it asks for `host` in SNI.
    #[must_use]
    pub fn asking_for(mut self, host: &str) -> Self {
        self.server_name = Some(host.to_owned());
        self
    }

    /// The same device, but it names no host: it connects to the address.
    #[must_use]
    pub fn without_sni(self) -> Self {
        let address = self.target.address.expect("an emulator has an address");
        self.asking_for(&address.ip().to_string())
    }

    /// The ID of its certificate.
    ///
    /// # Panics
    ///
    /// If it has none.
    pub fn certificate_id(&self) -> CertificateId {
        self.identity.as_ref().expect("a certificate").certificate_id()
    }

    /// Connects as `client_id`, once awaited: MQTT 3.1.1 with a clean session unless told
    /// otherwise.
    pub fn connect(&self, client_id: &str) -> Connecting {
        Connecting {
            device: self.clone(),
            session: Session {
                client_id: client_id.to_owned(),
                version: Version::Mqtt311,
                persistent: false,
                keep_alive: Duration::from_secs(60),
                will: None,
                acknowledges: true,
            },
        }
    }

    /// Shakes hands and stops there: bytes are up to the test.
    pub async fn open(&self) -> Result<Wire, ConnectError> {
        Wire::open(self, self.target.address, self.target.port, &[]).await
    }

    /// The same on the port of the HTTPS data plane.
    pub async fn open_https(&self) -> Result<Wire, ConnectError> {
        Wire::open(self, self.target.https_address, 8443, &[]).await
    }

    /// The same at another address of the host, offering protocols by ALPN.
    pub async fn open_at(&self, address: SocketAddr, alpn: &[&str]) -> Result<Wire, ConnectError> {
        Wire::open(self, Some(address), address.port(), alpn).await
    }
}

/// A connection that is about to be made; `.await` makes it.
#[derive(Debug)]
#[must_use = "nothing connects until it is awaited"]
pub struct Connecting {
    device: Device,
    session: Session,
}

impl Connecting {
    /// Speaks `version`.
    pub fn speaking(mut self, version: Version) -> Self {
        self.session.version = version;
        self
    }

    /// Speaks MQTT 5.
    pub fn mqtt5(self) -> Self {
        self.speaking(Version::Mqtt5)
    }

    /// Resumes or makes a session that outlives the connection, by an hour.
    pub fn persistent(mut self) -> Self {
        self.session.persistent = true;
        self
    }

    /// Leaves a message behind that is published if the connection is lost.
    pub fn will(self, topic: &str, payload: &str) -> Self {
        self.will_with(topic, payload, 1, false)
    }

    /// The same with QoS and RETAIN.
    pub fn will_with(mut self, topic: &str, payload: &str, qos: u8, retain: bool) -> Self {
        self.session.will =
            Some(rumqtt::Will { topic: topic.into(), payload: payload.into(), qos, retain });
        self
    }

    /// Never acknowledges what it receives.
    pub fn without_acknowledging(mut self) -> Self {
        self.session.acknowledges = false;
        self
    }

    async fn make(self) -> Result<Mqtt, ConnectError> {
        let Self { device, session } = self;
        let Device { target, identity, server_name } = &device;
        let host = server_name.as_ref().unwrap_or(&target.host);
        let is_local = host == "localhost" || host.parse::<std::net::IpAddr>().is_ok();
        if target.address.is_none() || is_local {
            let config = target.client_config(identity.as_ref());
            return rumqtt::connect(session, host, target.port, Some(config), None).await;
        }
        let tunnel = Tunnel::through(device.open().await?).await;
        let tunnel = tunnel.map_err(|error| ConnectError::Other(error.to_string()))?;
        let entrance = tunnel.entrance;
        let host = entrance.ip().to_string();
        rumqtt::connect(session, &host, entrance.port(), None, Some(tunnel)).await
    }
}

impl IntoFuture for Connecting {
    type Output = Result<Mqtt, ConnectError>;
    type IntoFuture = Pin<Box<dyn Future<Output = Self::Output> + Send>>;

    fn into_future(self) -> Self::IntoFuture {
        Box::pin(async {
            timeout(PATIENCE, self.make()).await.unwrap_or(Err(ConnectError::Timeout))
        })
    }
}
