//! MQTT packets by hand, for what no client library lets a test send, and what came in answer.
//!
//! It knows how packets look and nothing of AWS.
//! Truth: MQTT 3.1.1 and 5, chapter 3.

use std::sync::atomic::{AtomicUsize, Ordering};

use client_tests::packets::{self, Connect, DISCONNECT, list_of, packet, text};
use client_tests::{Device, Ending, Version};

use Version::{Mqtt5, Mqtt311};

/// The packet ID of every packet here that has one.
const PACKET_ID: u16 = 7;
const PINGREQ: [u8; 2] = [0xC0, 0];

/// A PUBLISH. `flags`: 8 DUP, 4 QoS 2, 2 QoS 1, 1 RETAIN.
pub(super) fn publish(
    version: Version,
    flags: u8,
    topic: &str,
    properties: &[u8],
    payload: &[u8],
) -> Vec<u8> {
    packets::publish_with(version, flags, PACKET_ID, topic, properties, payload)
}

/// A SUBSCRIBE to filters, each with its options.
pub(super) fn subscribe(version: Version, properties: &[u8], filters: &[(&str, u8)]) -> Vec<u8> {
    packets::subscribe_with(version, PACKET_ID, properties, filters)
}

/// An UNSUBSCRIBE from filters.
pub(super) fn unsubscribe(version: Version, filters: &[&str]) -> Vec<u8> {
    let mut body = [PACKET_ID.to_be_bytes().to_vec(), list_of(version, &[])].concat();
    filters.iter().for_each(|filter| body.extend(text(filter)));
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
        let mut puback = packets::puback(PACKET_ID);
        if version == Mqtt5 && code != 0 {
            puback[1] = 4;
            puback.extend([code, 0]);
        }
        Self::Lives(vec![puback])
    }

    /// A SUBACK or UNSUBACK with a code for each filter.
    pub(super) fn acknowledged(version: Version, first: u8, codes: &[u8]) -> Self {
        let head = PACKET_ID.to_be_bytes();
        Self::Lives(vec![packet(first, &[&head, &*list_of(version, &[]), codes].concat())])
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
    let mut bytes = Connect::new(version, &anybody()).bytes();
    packets.iter().for_each(|packet| bytes.extend(packet));
    // A connection that lives on answers the ping, and ends when it is asked to.
    bytes.extend([&PINGREQ, DISCONNECT].concat());
    wire.send(&bytes).await;
    let (said, ending) = wire.rest().await;
    assert_eq!(ending, Ending::CloseNotify, "{said:x?}");
    let mut packets = packets::taken_apart(&said);
    assert_eq!(packets.remove(0)[0], 0x20, "a CONNACK");
    match packets.pop() {
        Some([0xD0, 0]) => Answer::Lives(packets.into_iter().map(<[u8]>::to_vec).collect()),
        Some(last) if last[0] == 0xE0 => Answer::Disconnected(last[2]),
        Some(last) => panic!("an acknowledgement, and then no word: {last:x?}"),
        None => Answer::HungUp,
    }
}
