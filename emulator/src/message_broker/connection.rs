//! What a CONNECT asks for and what the broker grants.
//!
//! It decides the effective keep-alive and session expiry. Who the client is and whether it may
//! connect was decided before: a `Permit<Connect>` says so.
//! Truth: <https://docs.aws.amazon.com/iot/latest/developerguide/mqtt.html>.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use super::disconnect::Ended;
use super::message::Will;
use super::session::Slot;
use crate::message::ProtocolVersion;
use crate::names::{ClientId, ThingName};
use crate::quotas;
use crate::time::Timestamp;

/// One connection, never another: a call that names one which is over changes nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct ConnectionId {
    /// Counts the broker's connections up from 1.
    pub(super) generation: u64,
    pub(super) slot: Slot,
}

impl ConnectionId {
    /// A small number that no other live connection has.
    pub(crate) const fn place(self) -> usize {
        self.slot.index()
    }
}

/// What the broker repeats about a client but never looks at, except the principal.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ConnectionDetails {
    /// The certificate ID, or the principal that a custom authorizer or SigV4 named.
    pub(crate) principal: Arc<str>,
    /// A UUID of this connection, for events and logs.
    pub(crate) session_identifier: Arc<str>,
    /// Only with an `EXCLUSIVE_THING` attachment.
    pub(crate) thing_name: Option<ThingName>,
    pub(crate) source_ip: IpAddr,
    pub(crate) source_port: u16,
    /// Of the endpoint that the client connected to.
    pub(crate) target_ip: IpAddr,
    pub(crate) target_port: u16,
}

/// A CONNECT that was found legal and permitted; the client ID stands in the permit.
#[derive(Debug)]
pub(crate) struct ConnectRequest {
    pub(crate) version: ProtocolVersion,
    /// Clean Start of MQTT 5, Clean Session of MQTT 3.1.1.
    pub(crate) clean_start: bool,
    /// MQTT 5's Session Expiry Interval as the client wrote it; MQTT 3.1.1 has none.
    pub(crate) session_expiry_seconds: Option<u32>,
    /// As the client wrote it.
    pub(crate) keep_alive_seconds: u16,
    /// MQTT 5's Receive Maximum as the client wrote it.
    pub(crate) receive_maximum: Option<u16>,
    pub(crate) will: Option<Will>,
    pub(crate) details: ConnectionDetails,
}

impl ConnectRequest {
    //= https://docs.aws.amazon.com/iot/latest/developerguide/mqtt.html
    //# MQTT 3.1.1 keeps a session for the account's time if it is not clean; MQTT 5 for the time
    //# that the client asks for, at most the account's; none asked for, none kept
    /// How long the session outlives the connection.
    pub(super) fn session_expiry(&self) -> Duration {
        match self.version {
            ProtocolVersion::Mqtt311 if self.clean_start => Duration::ZERO,
            ProtocolVersion::Mqtt311 => quotas::PERSISTENT_SESSION_EXPIRY,
            ProtocolVersion::Mqtt5 => session_expiry(self.session_expiry_seconds.unwrap_or(0)),
        }
    }

    /// The keep-alive that is enforced.
    pub(super) fn effective_keep_alive_seconds(&self) -> u16 {
        let range = quotas::KEEP_ALIVE_SECONDS;
        match self.keep_alive_seconds {
            0 => *range.end(),
            seconds => seconds.clamp(*range.start(), *range.end()),
        }
    }

    /// How many QoS 1 messages may be on their way to the client.
    pub(super) fn window(&self) -> u16 {
        let asked = self.receive_maximum.unwrap_or(quotas::RECEIVE_MAXIMUM);
        asked.clamp(1, quotas::RECEIVE_MAXIMUM)
    }
}

/// A Session Expiry Interval as it is granted.
pub(super) fn session_expiry(seconds: u32) -> Duration {
    Duration::from_secs(u64::from(seconds)).min(quotas::PERSISTENT_SESSION_EXPIRY)
}

/// What stays true of one connection for as long as anybody asks.
#[derive(Debug)]
pub(crate) struct ConnectionFacts {
    pub(crate) connection: ConnectionId,
    pub(crate) client_id: ClientId,
    pub(crate) version: ProtocolVersion,
    /// Whether the client asked for a session that keeps nothing.
    pub(crate) clean_session: bool,
    /// The effective value.
    pub(crate) keep_alive_seconds: u16,
    pub(crate) connected_since: Timestamp,
    /// The `versionNumber` of the connected and of the disconnected event.
    pub(crate) version_number: u64,
    pub(crate) details: ConnectionDetails,
}

/// An accepted CONNECT.
#[derive(Debug)]
pub(crate) struct Connected {
    pub(crate) connection: ConnectionId,
    pub(crate) facts: Arc<ConnectionFacts>,
    /// Whether a session was resumed.
    pub(crate) session_present: bool,
    /// The effective Session Expiry Interval.
    pub(crate) session_expiry_seconds: u32,
    /// The connection that had the client ID until now.
    pub(crate) taken_over: Option<Ended>,
}
