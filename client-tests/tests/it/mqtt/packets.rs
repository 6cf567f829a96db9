//! MQTT packets by hand, for what no client library lets a test send, and what came in answer.
//!
//! It knows how packets look and nothing of AWS.
//! Truth: MQTT 3.1.1 and 5, chapter 3.

use std::sync::atomic::{AtomicUsize, Ordering};

use client_tests::{Device, Ending, Version};

use Version::{Mqtt5, Mqtt311};

pub(super) const VERSIONS: [Version; 2] = [Mqtt311, Mqtt5];
/// The packet ID of every packet here that has one.
const PACKET_ID: [u8; 2] = [0, 7];
const PINGREQ: [u8; 2] = [0xC0, 0];
const DISCONNECT: [u8; 2] = [0xE0, 0];

/// A packet of `first`, flags and all.
pub(super) fn packet(first: u8, body: &[u8]) -> Vec<u8> {
    let mut packet = vec![first];
    packet.extend(length(body.len()));
    packet.extend(body);
    packet
}

/// A variable byte integer.
pub(super) fn length(mut length: usize) -> Vec<u8> {
    let mut bytes = Vec::new();
    loop {
        let low = u8::try_from(length % 128).expect("seven bits");
        length /= 128;
        bytes.push(if length > 0 { low | 0x80 } else { low });
        if length == 0 {
            return bytes;
        }
    }
}

/// Text or binary data with its length in front.
pub(super) fn prefixed(bytes: impl AsRef<[u8]>) -> Vec<u8> {
    let bytes = bytes.as_ref();
    let mut prefixed = u16::try_from(bytes.len()).expect("64 KB").to_be_bytes().to_vec();
    prefixed.extend(bytes);
    prefixed
}

/// The list of properties that only MQTT 5 has.
fn listed(version: Version, properties: &[u8]) -> Vec<u8> {
    match version {
        Mqtt311 => Vec::new(),
        Mqtt5 => [length(properties.len()), properties.to_vec()].concat(),
    }
}

/// A CONNECT with a clean session and a keep-alive of a minute.
pub(super) fn connect(version: Version, client_id: &str, properties: &[u8]) -> Vec<u8> {
    let level = if version == Mqtt5 { 5 } else { 4 };
    let head = [&b"\x00\x04MQTT"[..], &[level, 2, 0, 60]].concat();
    packet(0x10, &[head, listed(version, properties), prefixed(client_id)].concat())
}

/// A PUBLISH. `flags`: 8 DUP, 4 QoS 2, 2 QoS 1, 1 RETAIN.
pub(super) fn publish(
    version: Version,
    flags: u8,
    topic: &str,
    properties: &[u8],
    payload: &[u8],
) -> Vec<u8> {
    let packet_id = if flags & 6 == 0 { &[][..] } else { &PACKET_ID };
    let body = [&prefixed(topic), packet_id, &listed(version, properties), payload].concat();
    packet(0x30 | flags, &body)
}

/// A SUBSCRIBE to filters, each with its options.
pub(super) fn subscribe(version: Version, properties: &[u8], filters: &[(&str, u8)]) -> Vec<u8> {
    let mut body = [PACKET_ID.to_vec(), listed(version, properties)].concat();
    for (filter, options) in filters {
        body.extend(prefixed(filter));
        body.push(*options);
    }
    packet(0x82, &body)
}

/// An UNSUBSCRIBE from filters.
pub(super) fn unsubscribe(version: Version, filters: &[&str]) -> Vec<u8> {
    let mut body = [PACKET_ID.to_vec(), listed(version, &[])].concat();
    filters.iter().for_each(|filter| body.extend(prefixed(filter)));
    packet(0xA2, &body)
}

/// What a server did about packets.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Answer {
    /// Nothing, or acknowledgements; the connection lives on.
    Lives(Vec<Vec<u8>>),
    /// It closed the connection without a word.
    HungUp,
    /// It sent a DISCONNECT with this reason code, and closed the connection.
    Disconnected(u8),
}

impl Answer {
    /// How a connection ends that is refused something: MQTT 5 is told `code`.
    pub(super) fn ended(version: Version, code: u8) -> Self {
        match version {
            Mqtt311 => Self::HungUp,
            Mqtt5 => Self::Disconnected(code),
        }
    }

    /// A PUBACK, whose code only MQTT 5 shows.
    pub(super) fn puback(version: Version, code: u8) -> Self {
        let mut puback = [&[0x40, 2], &PACKET_ID[..]].concat();
        if version == Mqtt5 && code != 0 {
            puback[1] = 4;
            puback.extend([code, 0]);
        }
        Self::Lives(vec![puback])
    }

    /// A SUBACK or UNSUBACK with a code for each filter.
    pub(super) fn acknowledged(version: Version, first: u8, codes: &[u8]) -> Self {
        let properties: &[u8] = if version == Mqtt5 { &[0] } else { &[] };
        Self::Lives(vec![packet(first, &[&PACKET_ID, properties, codes].concat())])
    }

    /// A SUBACK.
    pub(super) fn suback(version: Version, codes: &[u8]) -> Self {
        Self::acknowledged(version, 0x90, codes)
    }
}

/// A client ID that no other client of this process has.
pub(super) fn anybody() -> String {
    static NEXT: AtomicUsize = AtomicUsize::new(0);
    format!("anybody-{}", NEXT.fetch_add(1, Ordering::Relaxed))
}

/// Connects as somebody new, sends `packets`, and sees what becomes of that.
pub(super) async fn exchange(device: &Device, version: Version, packets: &[Vec<u8>]) -> Answer {
    let mut wire = device.open().await.expect("a handshake");
    let mut bytes = connect(version, &anybody(), &[]);
    packets.iter().for_each(|packet| bytes.extend(packet));
    // A connection that lives on answers the ping, and ends when it is asked to.
    bytes.extend([PINGREQ, DISCONNECT].concat());
    wire.send(&bytes).await;
    let (said, ending) = wire.rest().await;
    assert_eq!(ending, Ending::CloseNotify, "{said:x?}");
    let mut packets = taken_apart(&said);
    assert_eq!(packets.remove(0)[0], 0x20, "a CONNACK");
    match packets.pop() {
        Some(last) if last == [0xD0, 0] => Answer::Lives(packets),
        Some(last) if last[0] == 0xE0 => Answer::Disconnected(last[2]),
        Some(last) => panic!("an acknowledgement, and then no word: {last:x?}"),
        None => Answer::HungUp,
    }
}

/// The packets that these bytes are.
fn taken_apart(mut bytes: &[u8]) -> Vec<Vec<u8>> {
    let mut packets = Vec::new();
    while !bytes.is_empty() {
        let (mut end, mut shift, mut body) = (1, 0, 0);
        loop {
            body |= usize::from(bytes[end] & 0x7F) << shift;
            shift += 7;
            end += 1;
            if bytes[end - 1] & 0x80 == 0 {
                break;
            }
        }
        let (packet, rest) = bytes.split_at(end + body);
        packets.push(packet.to_vec());
        bytes = rest;
    }
    packets
}
