//! What the doors hand in, in words that no protocol owns.

use std::net::SocketAddr;
use std::sync::Arc;

use bytes::Bytes;

use crate::message::{Properties, ProtocolVersion, QoS};
use crate::message_broker::ConnectionId;
use crate::names::{ClientId, TopicName};
use crate::provisioning::Principal;

/// Where a request comes from.
#[derive(Clone, Debug)]
pub(crate) struct Peer {
    pub(crate) address: SocketAddr,
    pub(crate) local: SocketAddr,
    /// The host name in SNI.
    pub(crate) server_name: Option<String>,
    /// The host name (or an address of its own) named this account's endpoint.
    pub(crate) by_name: bool,
    /// As AWS's logs say it: `MQTT` or `HTTP`.
    pub(crate) protocol: &'static str,
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
    pub(crate) will: Option<PublishRequest>,
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
    pub(crate) properties: Properties,
}

/// Who asks over HTTP.
#[derive(Debug)]
pub(crate) enum HttpCaller {
    /// A device with its certificate.
    Device { principal: Arc<Principal>, peer: Peer },
    /// Somebody who signs with SigV4, and may do all.
    AwsCaller { address: SocketAddr },
}

impl HttpCaller {
    /// The certificate ID of a device.
    pub(crate) fn principal(&self) -> Option<String> {
        match self {
            Self::Device { principal, .. } => Some(principal.certificate_id().to_string()),
            Self::AwsCaller { .. } => None,
        }
    }

    /// Where the request comes from.
    pub(crate) fn address(&self) -> SocketAddr {
        match self {
            Self::Device { peer, .. } => peer.address,
            Self::AwsCaller { address } => *address,
        }
    }
}
