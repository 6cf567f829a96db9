//! MQTT packet by packet, for what rumqttc hides or would never send: a CONNECT as bytes, and the
//! server's bytes as what they say.
//!
//! It decides nothing and forbids little: a test may write what MQTT does not allow.
//! Truth: <https://docs.oasis-open.org/mqtt/mqtt/v5.0/os/mqtt-v5.0-os.html>, chapters 2 and 3.

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

// === what a server says ===

/// A packet of a server, as far as tests read it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Said {
    /// CONNACK.
    ConnAck {
        /// Whether a session goes on.
        session_present: bool,
        /// The reason code, or MQTT 3.1.1's return code.
        code: u8,
        /// Nothing in MQTT 3.1.1.
        properties: Properties,
    },
    /// PUBLISH.
    Publish(Published),
    /// DISCONNECT.
    Disconnect {
        /// The reason code.
        code: u8,
        /// Its properties.
        properties: Properties,
    },
    /// Any other: its first byte and all after its length.
    Other(u8, Vec<u8>),
}

/// A PUBLISH of the server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Published {
    /// DUP.
    pub duplicate: bool,
    /// Its QoS.
    pub qos: u8,
    /// RETAIN.
    pub retain: bool,
    /// Its topic.
    pub topic: String,
    /// 0 with QoS 0.
    pub packet_id: u16,
    /// Nothing in MQTT 3.1.1.
    pub properties: Properties,
    /// Its payload.
    pub payload: Vec<u8>,
}

impl Published {
    /// The payload as text.
    ///
    /// # Panics
    ///
    /// If it is none.
    pub fn text(&self) -> &str {
        std::str::from_utf8(&self.payload).expect("a payload of text")
    }
}

/// The properties of a packet, in their order: identifier and value as its bytes, a text or binary
/// data without its length, a pair as `name=value`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Properties(pub Vec<(u8, Vec<u8>)>);

impl Properties {
    /// The value of the first property `id`.
    pub fn bytes(&self, id: u8) -> Option<&[u8]> {
        self.0.iter().find(|(other, _)| *other == id).map(|(_, value)| value.as_slice())
    }

    /// The same as a number.
    pub fn number(&self, id: u8) -> Option<u32> {
        let bytes = self.bytes(id)?;
        Some(bytes.iter().fold(0, |number, byte| number << 8 | u32::from(*byte)))
    }

    /// The same as a text.
    ///
    /// # Panics
    ///
    /// If it is none.
    pub fn text(&self, id: u8) -> Option<&str> {
        Some(std::str::from_utf8(self.bytes(id)?).expect("a property of text"))
    }

    /// All numbers, by identifier.
    pub fn numbers(&self) -> Vec<(u8, u32)> {
        let ids = self.0.iter().map(|(id, _)| *id);
        let mut numbers: Vec<_> = ids.filter_map(|id| Some((id, self.number(id)?))).collect();
        numbers.sort_unstable();
        numbers
    }
}

/// What is not read yet.
struct Rest<'a>(&'a [u8]);

impl<'a> Rest<'a> {
    fn take(&mut self, count: usize) -> &'a [u8] {
        let (taken, rest) = self.0.split_at_checked(count).expect("as many bytes as announced");
        self.0 = rest;
        taken
    }

    fn number(&mut self, bytes: usize) -> u32 {
        self.take(bytes).iter().fold(0, |number, byte| number << 8 | u32::from(*byte))
    }

    fn variable(&mut self) -> usize {
        let (mut value, mut shift) = (0, 0);
        loop {
            let byte = self.take(1)[0];
            value |= usize::from(byte & 0x7F) << shift;
            shift += 7;
            if byte & 0x80 == 0 {
                return value;
            }
        }
    }

    fn binary(&mut self) -> &'a [u8] {
        let length = self.number(2);
        self.take(usize::try_from(length).expect("a length"))
    }

    fn text(&mut self) -> String {
        String::from_utf8(self.binary().to_vec()).expect("a text")
    }

    fn properties(&mut self, version: Version) -> Properties {
        let mut list = Vec::new();
        if version == Version::Mqtt311 || self.0.is_empty() {
            return Properties(list);
        }
        let length = self.variable();
        let mut inner = Rest(self.take(length));
        while !inner.0.is_empty() {
            let id = inner.take(1)[0];
            let value = match id {
                0x01 | 0x17 | 0x19 | 0x24 | 0x25 | 0x28 | 0x29 | 0x2A => inner.take(1).to_vec(),
                0x13 | 0x21 | 0x22 | 0x23 => inner.take(2).to_vec(),
                0x02 | 0x11 | 0x18 | 0x27 => inner.take(4).to_vec(),
                USER_PROPERTY => [inner.binary(), inner.binary()].join(&b'='),
                0x03 | 0x08 | 0x09 | 0x12 | 0x15 | 0x16 | 0x1A | 0x1C | 0x1F => {
                    inner.binary().to_vec()
                }
                other => panic!("a server sends no property {other:#04X}"),
            };
            list.push((id, value));
        }
        Properties(list)
    }
}

/// Reads all packets in `bytes`.
///
/// # Panics
///
/// If they are no whole packets of a server that speaks `version`.
pub fn read(version: Version, bytes: &[u8]) -> Vec<Said> {
    let read = |packet: &[u8]| {
        let mut rest = Rest(packet);
        let (first, _length) = (rest.take(1)[0], rest.variable());
        packet_of(version, first, rest)
    };
    taken_apart(bytes).into_iter().map(read).collect()
}

/// The packets that `bytes` are.
///
/// # Panics
///
/// If the last is not whole.
pub fn taken_apart(bytes: &[u8]) -> Vec<&[u8]> {
    let mut rest = Rest(bytes);
    let mut packets = Vec::new();
    while !rest.0.is_empty() {
        let begin = rest.0;
        rest.take(1);
        let length = rest.variable();
        rest.take(length);
        packets.push(&begin[..begin.len() - rest.0.len()]);
    }
    packets
}

fn packet_of(version: Version, first: u8, mut body: Rest<'_>) -> Said {
    match first >> 4 {
        2 => {
            let (session_present, code) = (body.take(1)[0] == 1, body.take(1)[0]);
            let properties = body.properties(version);
            Said::ConnAck { session_present, code, properties }
        }
        3 => {
            let qos = first >> 1 & 3;
            let topic = body.text();
            let packet_id = if qos > 0 { body.number(2) } else { 0 };
            let properties = body.properties(version);
            Said::Publish(Published {
                duplicate: first & 8 != 0,
                qos,
                retain: first & 1 != 0,
                topic,
                packet_id: u16::try_from(packet_id).expect("two bytes"),
                properties,
                payload: body.0.to_vec(),
            })
        }
        14 => {
            let code = if body.0.is_empty() { 0 } else { body.take(1)[0] };
            Said::Disconnect { code, properties: body.properties(version) }
        }
        _ => Said::Other(first, body.0.to_vec()),
    }
}
