//! MQTT 3.1.1 and MQTT 5: a client's bytes become packets, the server's answers become bytes.
//!
//! Decides whether bytes are MQTT, and by which reason code they are not: it is strict, so what
//! it hands on is well formed. Leaves to the gateway whatever AWS IoT decides: quotas, reserved
//! topics, QoS 2, which topic an alias stands for, and what becomes of the connection.
//! Only this folder knows MQTT's bytes. No I/O, no clock, no other room of the house.
//!
//! - `decode.rs`: [`decode::Decoder`], the fixed header and each packet of a client; `connect.rs`: CONNECT
//! - `encode.rs`: [`encode::Answer`] and [`encode::PublishFrame`], what a server sends
//! - `packets.rs`: what the packets of a client say
//! - `properties.rs`: the properties of MQTT 5; `reader.rs`: numbers, texts, topics
//! - `reason_codes.rs`: MQTT 5's reason codes, one table
//!
//! Truth: <https://docs.oasis-open.org/mqtt/mqtt/v5.0/os/mqtt-v5.0-os.html> and
//! <https://docs.oasis-open.org/mqtt/mqtt/v3.1.1/os/mqtt-v3.1.1-os.html>; each packet of
//! `fixtures/packets/` names the statement that it tests.

use std::borrow::Cow;
use std::fmt;

use crate::message::ProtocolVersion;

mod connect;
pub(crate) mod decode;
pub(crate) mod encode;
pub(crate) mod packets;
mod properties;
mod reader;
mod reason_codes;

pub(crate) use reason_codes::ReasonCode;

/// How surely a message arrives.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub(crate) enum Qos {
    /// QoS 0.
    AtMostOnce = 0,
    /// QoS 1.
    AtLeastOnce = 1,
    /// QoS 2, which AWS IoT does not serve.
    ExactlyOnce = 2,
}

impl Qos {
    /// The two bits on the wire; 3 is none.
    const fn from_bits(bits: u8) -> Option<Self> {
        match bits {
            0 => Some(Self::AtMostOnce),
            1 => Some(Self::AtLeastOnce),
            2 => Some(Self::ExactlyOnce),
            _ => None,
        }
    }
}

/// The first four bits of a packet; 0 is reserved.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub(crate) enum PacketType {
    Connect = 1,
    ConnAck = 2,
    Publish = 3,
    PubAck = 4,
    PubRec = 5,
    PubRel = 6,
    PubComp = 7,
    Subscribe = 8,
    SubAck = 9,
    Unsubscribe = 10,
    UnsubAck = 11,
    PingReq = 12,
    PingResp = 13,
    Disconnect = 14,
    Auth = 15,
}

impl PacketType {
    const fn from_bits(bits: u8) -> Option<Self> {
        Some(match bits {
            1 => Self::Connect,
            2 => Self::ConnAck,
            3 => Self::Publish,
            4 => Self::PubAck,
            5 => Self::PubRec,
            6 => Self::PubRel,
            7 => Self::PubComp,
            8 => Self::Subscribe,
            9 => Self::SubAck,
            10 => Self::Unsubscribe,
            11 => Self::UnsubAck,
            12 => Self::PingReq,
            13 => Self::PingResp,
            14 => Self::Disconnect,
            15 => Self::Auth,
            _ => return None,
        })
    }

    /// One bit of its own, so that tables can name sets of packets.
    const fn bit(self) -> u16 {
        1 << self as u16
    }

    /// The first byte of such a packet, its flags being `flags`.
    const fn first_byte(self, flags: u8) -> u8 {
        (self as u8) << 4 | flags
    }
}

impl fmt::Display for PacketType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Connect => "CONNECT",
            Self::ConnAck => "CONNACK",
            Self::Publish => "PUBLISH",
            Self::PubAck => "PUBACK",
            Self::PubRec => "PUBREC",
            Self::PubRel => "PUBREL",
            Self::PubComp => "PUBCOMP",
            Self::Subscribe => "SUBSCRIBE",
            Self::SubAck => "SUBACK",
            Self::Unsubscribe => "UNSUBSCRIBE",
            Self::UnsubAck => "UNSUBACK",
            Self::PingReq => "PINGREQ",
            Self::PingResp => "PINGRESP",
            Self::Disconnect => "DISCONNECT",
            Self::Auth => "AUTH",
        })
    }
}

/// A client's bytes are not MQTT. The connection is over; the rest of its bytes mean nothing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct CodecError {
    /// What MQTT 5 would answer.
    pub(crate) reason: ReasonCode,
    /// What is wrong, for the trace.
    pub(crate) why: Cow<'static, str>,
    /// The packet at fault, if it got as far as that.
    pub(crate) packet: Option<PacketType>,
    /// The version in which an answer could be written, if the client has named one.
    pub(crate) version: Option<ProtocolVersion>,
    /// Whether no CONNECT has been read yet: an answer would be a CONNACK, later a DISCONNECT.
    pub(crate) before_connect: bool,
}

impl fmt::Display for CodecError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.reason)?;
        if let Some(packet) = self.packet {
            write!(f, " in {packet}")?;
        }
        write!(f, ": {}", self.why)
    }
}

impl std::error::Error for CodecError {}

/// What is wrong with the bytes at hand; [`decode::Decoder`] adds where it happened.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Fault {
    reason: ReasonCode,
    why: Cow<'static, str>,
}

impl Fault {
    fn new(reason: ReasonCode, why: impl Into<Cow<'static, str>>) -> Self {
        Self { reason, why: why.into() }
    }

    /// The bytes cannot be parsed.
    fn malformed(why: impl Into<Cow<'static, str>>) -> Self {
        Self::new(ReasonCode::MalformedPacket, why)
    }

    /// The bytes can be parsed, and say what MQTT forbids.
    fn protocol(why: impl Into<Cow<'static, str>>) -> Self {
        Self::new(ReasonCode::ProtocolError, why)
    }
}
