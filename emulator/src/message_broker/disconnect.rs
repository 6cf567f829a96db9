//! Why a connection ended, in AWS's words, and what its end leaves to be done.
//!
//! It decides which ends send the will. Publishing the will and the lifecycle event is left to the
//! caller: both need the rules, which the broker does not know.
//! Truth: <https://docs.aws.amazon.com/iot/latest/developerguide/life-cycle-events.html>.

use std::sync::Arc;

use super::connection::ConnectionFacts;
use super::message::Will;

/// The `disconnectReason` of a lifecycle event.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[cfg_attr(
    not(test),
    expect(dead_code, reason = "AWS's whole list; some reasons have no cause here yet")
)]
pub(crate) enum DisconnectReason {
    /// Failed authentication or authorisation.
    AuthError,
    /// MQTT DISCONNECT, or a WebSocket close frame.
    ClientInitiatedDisconnect,
    /// Misuse of the protocol: a second CONNECT, an oversize payload and the like.
    ClientError,
    /// The network connection is gone without a DISCONNECT.
    ConnectionLost,
    /// Another connection took the client ID over.
    DuplicateClientId,
    /// The client is not allowed here.
    ForbiddenAccess,
    /// Silent for one and a half times the keep-alive.
    MqttKeepAliveTimeout,
    ServerError,
    ServerInitiatedDisconnect,
    /// `DeleteConnection`.
    ApiInitiatedDisconnect,
    Throttled,
    /// A WebSocket reached its 24 hours.
    WebsocketTtlExpiration,
    /// The custom authorizer's time is up.
    CustomauthTtlExpiration,
}

impl DisconnectReason {
    /// AWS's spelling.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::AuthError => "AUTH_ERROR",
            Self::ClientInitiatedDisconnect => "CLIENT_INITIATED_DISCONNECT",
            Self::ClientError => "CLIENT_ERROR",
            Self::ConnectionLost => "CONNECTION_LOST",
            Self::DuplicateClientId => "DUPLICATE_CLIENTID",
            Self::ForbiddenAccess => "FORBIDDEN_ACCESS",
            Self::MqttKeepAliveTimeout => "MQTT_KEEP_ALIVE_TIMEOUT",
            Self::ServerError => "SERVER_ERROR",
            Self::ServerInitiatedDisconnect => "SERVER_INITIATED_DISCONNECT",
            Self::ApiInitiatedDisconnect => "API_INITIATED_DISCONNECT",
            Self::Throttled => "THROTTLED",
            Self::WebsocketTtlExpiration => "WEBSOCKET_TTL_EXPIRATION",
            Self::CustomauthTtlExpiration => "CUSTOMAUTH_TTL_EXPIRATION",
        }
    }

    /// What a lifecycle event says in `clientInitiatedDisconnect`.
    pub(crate) const fn is_client_initiated(self) -> bool {
        matches!(self, Self::ClientInitiatedDisconnect)
    }

    //= https://docs.aws.amazon.com/iot/latest/developerguide/life-cycle-events.html
    //# every end of a connection sends the will, except the one that the client asked for
    /// Whether the will is sent.
    pub(crate) const fn sends_will(self) -> bool {
        !self.is_client_initiated()
    }
}

/// What an MQTT DISCONNECT of the client says; the default is that of MQTT 3.1.1.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct ClientDisconnect {
    /// MQTT 5 reason 0x04, or that of an error: the will is to be sent all the same.
    pub(crate) with_will: bool,
    /// A new Session Expiry Interval, if the packet carries one.
    pub(crate) session_expiry_seconds: Option<u32>,
}

/// A connection that is over.
#[derive(Debug)]
pub(crate) struct Ended {
    /// What the lifecycle event and the log repeat.
    pub(crate) facts: Arc<ConnectionFacts>,
    pub(crate) reason: DisconnectReason,
    /// To be published now: `publish(will.permit, will.publication, now)`.
    pub(crate) will: Option<Will>,
}
