//! MQTT 3.1.1 and MQTT 5: a client's bytes become packets, the server's answers become bytes.
//!
//! Decides whether bytes are MQTT, and by which reason code they are not: it is strict, so what
//! it hands on is well formed. Leaves to the gateway whatever AWS IoT decides: quotas, reserved
//! topics, QoS 2, which topic an alias stands for, and what becomes of the connection.
//! Only this folder knows MQTT's bytes. No I/O, no clock, no other room of the house.
//!
//! - `decode.rs`: [`decode::Decoder`], the fixed header and each packet of a client, CONNECT in
//!   `connect.rs`
//! - `encode.rs`: [`encode::Answer`] and [`encode::frame`], what a server sends
//! - `packets.rs`: what the packets of a client say
//! - `properties.rs`: the properties of MQTT 5; `reader.rs`: numbers, texts, topics
//! - `reason_codes.rs`: MQTT 5's reason codes, one table
//! - `client.rs`, `scrutiny.rs`: the other end of the wire, and what holds of any bytes
//!
//! Truth: <https://docs.oasis-open.org/mqtt/mqtt/v5.0/os/mqtt-v5.0-os.html> and
//! <https://docs.oasis-open.org/mqtt/mqtt/v3.1.1/os/mqtt-v3.1.1-os.html>; each packet of
//! `fixtures/packets/` names the statement that it tests.

use std::borrow::Cow;
use std::fmt;

use crate::message::ProtocolVersion;

#[cfg(any(test, feature = "internals"))]
mod client;
mod connect;
pub(crate) mod decode;
pub(crate) mod encode;
pub(crate) mod packets;
mod properties;
mod reader;
mod reason_codes;
#[cfg(any(test, feature = "internals"))]
pub(crate) mod scrutiny;
#[cfg(test)]
pub(crate) mod tests;

pub(crate) use reason_codes::ReasonCode;

/// How surely a message arrives.
#[expect(clippy::enum_variant_names, reason = "MQTT calls them so")]
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

macro_rules! packet_types {
    ($($variant:ident $bits:literal $name:literal;)*) => {
        /// The first four bits of a packet; 0 is reserved.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        #[repr(u8)]
        pub(crate) enum PacketType {
            $(#[doc = $name] $variant = $bits,)*
        }

        impl PacketType {
            const fn from_bits(bits: u8) -> Option<Self> {
                match bits {
                    $($bits => Some(Self::$variant),)*
                    _ => None,
                }
            }

            /// What MQTT calls it.
            pub(crate) const fn name(self) -> &'static str {
                match self {
                    $(Self::$variant => $name,)*
                }
            }
        }
    };
}

packet_types! {
    Connect 1 "CONNECT";
    ConnAck 2 "CONNACK";
    Publish 3 "PUBLISH";
    PubAck 4 "PUBACK";
    PubRec 5 "PUBREC";
    PubRel 6 "PUBREL";
    PubComp 7 "PUBCOMP";
    Subscribe 8 "SUBSCRIBE";
    SubAck 9 "SUBACK";
    Unsubscribe 10 "UNSUBSCRIBE";
    UnsubAck 11 "UNSUBACK";
    PingReq 12 "PINGREQ";
    PingResp 13 "PINGRESP";
    Disconnect 14 "DISCONNECT";
    Auth 15 "AUTH";
}

impl PacketType {
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
        f.write_str(self.name())
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

impl CodecError {
    /// What is wrong with the bytes at hand; [`decode::Decoder`] adds where it happened.
    fn new(reason: ReasonCode, why: impl Into<Cow<'static, str>>) -> Self {
        Self { reason, why: why.into(), packet: None, version: None, before_connect: false }
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
