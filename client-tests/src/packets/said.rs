//! A server's bytes as what they say, as far as tests read it.
//!
//! It decides nothing; what is no packet of a server fails the test.
//! Truth: <https://docs.oasis-open.org/mqtt/mqtt/v5.0/os/mqtt-v5.0-os.html>, chapters 2 and 3.

use super::USER_PROPERTY;
use crate::device::Version;

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
