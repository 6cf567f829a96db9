//! MQTT packet by packet, for what rumqttc hides or would never send: a CONNECT as bytes, and, in
//! `said.rs`, the server's bytes as what they say.
//!
//! It decides nothing and forbids little: a test may write what MQTT does not allow.
//! Truth: <https://docs.oasis-open.org/mqtt/mqtt/v5.0/os/mqtt-v5.0-os.html>, chapters 2 and 3.

mod said;

pub use said::{Properties, Published, Said, read, taken_apart};

use crate::device::Version;

/// A CONNECT that is about to be sent.
#[derive(Clone, Debug)]
pub struct Connect {
    version: Version,
    protocol: (String, u8),
    client_id: String,
    clean: bool,
    keep_alive_seconds: u16,
    properties: Vec<u8>,
    will: Option<Will>,
    login: Option<(String, Vec<u8>)>,
}

#[derive(Clone, Debug)]
struct Will {
    topic: String,
    payload: Vec<u8>,
    qos: u8,
    retain: bool,
    properties: Vec<u8>,
}

impl Connect {
    /// With a clean session, kept alive for a minute.
    pub fn new(version: Version, client_id: &str) -> Self {
        let level = if version == Version::Mqtt5 { 5 } else { 4 };
        Self {
            version,
            protocol: ("MQTT".to_owned(), level),
            client_id: client_id.to_owned(),
            clean: true,
            keep_alive_seconds: 60,
            properties: Vec::new(),
            will: None,
            login: None,
        }
    }

    /// The version that it speaks.
    pub fn version(&self) -> Version {
        self.version
    }

    /// Without Clean Session or Clean Start.
    #[must_use]
    pub fn resuming(mut self) -> Self {
        self.clean = false;
        self
    }

    /// Names another protocol, or another level of it.
    #[must_use]
    pub fn of_protocol(mut self, name: &str, level: u8) -> Self {
        self.protocol = (name.to_owned(), level);
        self
    }

    /// With another keep-alive.
    #[must_use]
    pub fn kept_alive(mut self, seconds: u16) -> Self {
        self.keep_alive_seconds = seconds;
        self
    }

    /// With one more property of MQTT 5.
    #[must_use]
    pub fn with(mut self, property: &[u8]) -> Self {
        self.properties.extend(property);
        self
    }

    /// With a Session Expiry Interval.
    #[must_use]
    pub fn expiring(self, seconds: u32) -> Self {
        self.with(&four(SESSION_EXPIRY, seconds))
    }

    /// With a will of QoS 1.
    #[must_use]
    pub fn will(self, topic: &str, payload: &str) -> Self {
        self.will_with(topic, payload, 1, false)
    }

    /// The same with QoS and RETAIN.
    #[must_use]
    pub fn will_with(mut self, topic: &str, payload: &str, qos: u8, retain: bool) -> Self {
        let (topic, payload) = (topic.to_owned(), payload.into());
        self.will = Some(Will { topic, payload, qos, retain, properties: Vec::new() });
        self
    }

    /// With one more property of the will.
    ///
    /// # Panics
    ///
    /// If there is no will yet.
    #[must_use]
    pub fn will_property(mut self, property: &[u8]) -> Self {
        self.will.as_mut().expect("a will").properties.extend(property);
        self
    }

    /// With a user name and a password.
    #[must_use]
    pub fn login(mut self, name: &str, password: &[u8]) -> Self {
        self.login = Some((name.to_owned(), password.to_owned()));
        self
    }

    /// The packet.
    pub fn bytes(&self) -> Vec<u8> {
        let mut flags = u8::from(self.clean) << 1;
        let mut payload = text(&self.client_id);
        if let Some(will) = &self.will {
            flags |= 0x04 | will.qos << 3 | u8::from(will.retain) << 5;
            payload.extend(list_of(self.version, &will.properties));
            payload.extend(text(&will.topic));
            payload.extend(binary(&will.payload));
        }
        if let Some((name, password)) = &self.login {
            flags |= 0xC0;
            payload.extend(text(name));
            payload.extend(binary(password));
        }
        let mut rest = text(&self.protocol.0);
        rest.extend([self.protocol.1, flags]);
        rest.extend(self.keep_alive_seconds.to_be_bytes());
        rest.extend(list_of(self.version, &self.properties));
        rest.extend(payload);
        packet(0x10, &rest)
    }
}

/// A SUBSCRIBE to filters, each with the byte of its options.
pub fn subscribe(version: Version, packet_id: u16, filters: &[(&str, u8)]) -> Vec<u8> {
    subscribe_with(version, packet_id, &[], filters)
}

/// The same; `properties` count in MQTT 5 only.
pub fn subscribe_with(
    version: Version,
    packet_id: u16,
    properties: &[u8],
    filters: &[(&str, u8)],
) -> Vec<u8> {
    let mut rest = [packet_id.to_be_bytes().to_vec(), list_of(version, properties)].concat();
    for (filter, options) in filters {
        rest.extend(text(filter));
        rest.push(*options);
    }
    packet(0x82, &rest)
}

/// A PUBLISH; `properties` count in MQTT 5 only.
pub fn publish(
    version: Version,
    topic: &str,
    qos: u8,
    properties: &[u8],
    payload: &[u8],
) -> Vec<u8> {
    publish_with(version, qos << 1, 1, topic, properties, payload)
}

/// The same with a packet identifier. `flags`: 8 DUP, 4 QoS 2, 2 QoS 1, 1 RETAIN.
pub fn publish_with(
    version: Version,
    flags: u8,
    packet_id: u16,
    topic: &str,
    properties: &[u8],
    payload: &[u8],
) -> Vec<u8> {
    let mut rest = text(topic);
    if flags & 6 > 0 {
        rest.extend(packet_id.to_be_bytes());
    }
    rest.extend(list_of(version, properties));
    rest.extend(payload);
    packet(0x30 | flags, &rest)
}

/// A PUBACK that says success.
pub fn puback(packet_id: u16) -> Vec<u8> {
    packet(0x40, &packet_id.to_be_bytes())
}

/// The DISCONNECT of MQTT 5.
pub fn disconnect(reason: u8, properties: &[u8]) -> Vec<u8> {
    packet(0xE0, &[vec![reason], list(properties)].concat())
}

/// The DISCONNECT of MQTT 3.1.1, and the shortest of MQTT 5.
pub const DISCONNECT: &[u8] = b"\xE0\x00";

// === properties ===

/// Payload Format Indicator, a byte.
pub const PAYLOAD_FORMAT: u8 = 0x01;
/// Message Expiry Interval, four bytes.
pub const MESSAGE_EXPIRY: u8 = 0x02;
/// Content Type, a text.
pub const CONTENT_TYPE: u8 = 0x03;
/// Response Topic, a text.
pub const RESPONSE_TOPIC: u8 = 0x08;
/// Correlation Data, bytes.
pub const CORRELATION_DATA: u8 = 0x09;
/// Session Expiry Interval, four bytes.
pub const SESSION_EXPIRY: u8 = 0x11;
/// Assigned Client Identifier, a text.
pub const ASSIGNED_CLIENT_ID: u8 = 0x12;
/// Server Keep Alive, two bytes.
pub const SERVER_KEEP_ALIVE: u8 = 0x13;
/// Authentication Method, a text.
pub const AUTHENTICATION_METHOD: u8 = 0x15;
/// Request Problem Information, a byte.
pub const REQUEST_PROBLEM_INFORMATION: u8 = 0x17;
/// Will Delay Interval, four bytes.
pub const WILL_DELAY: u8 = 0x18;
/// Reason String, a text.
pub const REASON_STRING: u8 = 0x1F;
/// Receive Maximum, two bytes.
pub const RECEIVE_MAXIMUM: u8 = 0x21;
/// Topic Alias, two bytes.
pub const TOPIC_ALIAS: u8 = 0x23;
/// Topic Alias Maximum, two bytes.
pub const TOPIC_ALIAS_MAXIMUM: u8 = 0x22;
/// User Property, two texts.
pub const USER_PROPERTY: u8 = 0x26;
/// Maximum Packet Size, four bytes.
pub const MAXIMUM_PACKET_SIZE: u8 = 0x27;

/// A property of one byte.
pub fn one(id: u8, value: u8) -> Vec<u8> {
    vec![id, value]
}

/// A property of two bytes.
pub fn two(id: u8, value: u16) -> Vec<u8> {
    [vec![id], value.to_be_bytes().to_vec()].concat()
}

/// A property of four bytes.
pub fn four(id: u8, value: u32) -> Vec<u8> {
    [vec![id], value.to_be_bytes().to_vec()].concat()
}

/// A property of a text, or of bytes.
pub fn long(id: u8, value: &[u8]) -> Vec<u8> {
    [vec![id], binary(value)].concat()
}

/// A user property.
pub fn pair(name: &str, value: &str) -> Vec<u8> {
    [vec![USER_PROPERTY], text(name), text(value)].concat()
}

/// A text with its length in front.
pub fn text(text: &str) -> Vec<u8> {
    binary(text.as_bytes())
}

/// Binary data with its length in front.
pub fn binary(bytes: &[u8]) -> Vec<u8> {
    let length = u16::try_from(bytes.len()).expect("64 KiB at most");
    [&length.to_be_bytes(), bytes].concat()
}

fn list(properties: &[u8]) -> Vec<u8> {
    [variable(properties.len()), properties.to_vec()].concat()
}

/// The list of `properties`, which MQTT 3.1.1 does not even have.
pub fn list_of(version: Version, properties: &[u8]) -> Vec<u8> {
    match version {
        Version::Mqtt311 => Vec::new(),
        Version::Mqtt5 => list(properties),
    }
}

/// A packet of `first`, flags and all.
pub fn packet(first: u8, rest: &[u8]) -> Vec<u8> {
    [vec![first], variable(rest.len()), rest.to_vec()].concat()
}

/// A variable byte integer.
pub fn variable(mut number: usize) -> Vec<u8> {
    let mut bytes = Vec::new();
    loop {
        let low = u8::try_from(number % 128).expect("below 128");
        number /= 128;
        bytes.push(if number > 0 { low | 0x80 } else { low });
        if number == 0 {
            return bytes;
        }
    }
}
