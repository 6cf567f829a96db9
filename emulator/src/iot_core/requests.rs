//! What the doors hand in, in words that no protocol owns.

use std::net::SocketAddr;
use std::sync::Arc;

use bytes::Bytes;

use super::http_calls::Decisions;
use crate::message::{Properties, ProtocolVersion, QoS};
use crate::message_broker::ConnectionId;
use crate::names::{ClientId, TopicName};
use crate::provisioning::Principal;
use crate::time::Timestamp;

/// Where a request comes from.
#[derive(Clone, Debug)]
pub(crate) struct Peer {
    pub(crate) address: SocketAddr,
    pub(crate) local: SocketAddr,
    /// The host name in SNI.
    pub(crate) server_name: Option<Arc<str>>,
    /// The host name (or an address of its own) named this account's endpoint.
    pub(crate) by_name: bool,
    /// As AWS's logs say it: `MQTT` or `HTTP`.
    pub(crate) protocol: &'static str,
    /// When the connection ends at the latest; only a WebSocket has such a moment.
    pub(crate) ends: Option<Timestamp>,
}

/// A CONNECT, read and legal; nothing of it is decided.
#[derive(Debug)]
pub(crate) struct ConnectRequest {
    pub(crate) version: ProtocolVersion,
    /// Empty: the server is to choose one.
    pub(crate) client_id: ClientId,
    pub(crate) clean_start: bool,
    pub(crate) keep_alive_seconds: u16,
    pub(crate) session_expiry_seconds: Option<u32>,
    pub(crate) receive_maximum: u16,
    pub(crate) maximum_packet_size: Option<u32>,
    /// MQTT 5's enhanced authentication, which is not served.
    pub(crate) authentication_method: Option<String>,
    pub(crate) will: Option<PublishRequest>,
    /// MQTT 5's Will Delay Interval.
    pub(crate) will_delay_seconds: Option<u32>,
}

/// A client that is let in.
#[derive(Debug)]
pub(crate) struct Accepted {
    pub(crate) connection: ConnectionId,
    pub(crate) client_id: ClientId,
    pub(crate) session_present: bool,
    /// The effective value.
    pub(crate) session_expiry_seconds: u32,
    /// The effective value.
    pub(crate) keep_alive_seconds: u16,
}

/// A message that a client wants published: by PUBLISH, over HTTP, or as its will when it is lost.
#[derive(Debug)]
pub(crate) struct PublishRequest {
    pub(crate) topic: TopicName,
    pub(crate) payload: Bytes,
    /// `None` is QoS 2.
    pub(crate) qos: Option<QoS>,
    pub(crate) retain: bool,
    pub(crate) expiry_seconds: Option<u32>,
    pub(crate) properties: Option<Box<Properties>>,
}

/// A message for one client, sent over HTTP; its parameters are as they were written.
#[derive(Debug)]
pub(crate) struct DirectMessageRequest {
    pub(crate) client_id: ClientId,
    pub(crate) topic: Option<String>,
    pub(crate) confirmation: Option<String>,
    pub(crate) timeout: Option<String>,
    pub(crate) payload: Bytes,
    pub(crate) properties: Option<Box<Properties>>,
}

/// Who asks over HTTP.
#[derive(Debug)]
pub(crate) enum HttpCaller {
    /// A device with its certificate, or an Amazon Cognito identity: its policies decide.
    Principal { principal: Arc<Principal>, peer: Peer, decisions: Decisions },
    /// An IAM identity, which may do all.
    AwsCaller { address: SocketAddr },
}

impl HttpCaller {
    /// Whoever signs with SigV4.
    pub(crate) fn signed(principal: Principal, peer: &Peer) -> Self {
        match principal.target() {
            Some(_) => Self::Principal {
                principal: Arc::new(principal),
                peer: peer.clone(),
                decisions: Decisions::default(),
            },
            None => Self::AwsCaller { address: peer.address },
        }
    }

    /// A device with its certificate, or an Amazon Cognito identity.
    pub(crate) fn principal(&self) -> Option<&Principal> {
        match self {
            Self::Principal { principal, .. } => Some(principal),
            Self::AwsCaller { .. } => None,
        }
    }

    /// Where the request comes from.
    pub(crate) fn address(&self) -> SocketAddr {
        match self {
            Self::Principal { peer, .. } => peer.address,
            Self::AwsCaller { address } => *address,
        }
    }
}
