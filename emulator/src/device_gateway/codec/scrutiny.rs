//! What holds of any bytes that a client may send, whatever they are: for tests and fuzzing.
//!
//! It decides nothing; it fails where two readings of the same bytes differ, where more is kept
//! than one packet, or where what was read is not what would be written.

use bytes::BytesMut;

use super::client;
use super::decode::Decoder;
use super::encode::{self, Delivery};
use super::packets::{Packet, Publish};
use super::{CodecError, Qos};
use crate::message::ProtocolVersion;

/// The largest packet of AWS, and one that is reached soon.
const MAXIMA: [usize; 2] = [149_504, 64];
/// No refusal says more, in bytes.
const SAID_AT_MOST: usize = 4096;

/// Every packet in `bytes`, which come in pieces of `sizes` over and over; how it ended; and how
/// many bytes were left.
pub(crate) fn read_all(
    mut decoder: Decoder,
    bytes: &[u8],
    sizes: &[usize],
) -> (Vec<Packet>, Option<CodecError>, usize) {
    let mut buffer = BytesMut::new();
    let mut packets = Vec::new();
    let mut rest = bytes;
    let mut sizes = sizes.iter().cycle();
    while !rest.is_empty() {
        let size = sizes.next().map_or(rest.len(), |&size| size.clamp(1, rest.len()));
        let (piece, later) = rest.split_at(size);
        buffer.extend_from_slice(piece);
        rest = later;
        loop {
            match decoder.decode(&mut buffer) {
                Ok(Some(packet)) => packets.push(packet),
                Ok(None) => break,
                Err(error) => return (packets, Some(error), buffer.len()),
            }
        }
        let most = decoder.maximum_packet + 5;
        assert!(buffer.len() <= most, "{} bytes are kept, {most} at most", buffer.len());
    }
    (packets, None, buffer.len())
}

/// Appends what a subscriber gets of `publish`, which names its topic.
pub(crate) fn write_publish(version: ProtocolVersion, publish: &Publish, out: &mut Vec<u8>) {
    let delivery = Delivery {
        packet_id: publish.packet_id,
        dup: publish.dup,
        retain: publish.retain,
        message_expiry_interval_seconds: None,
    };
    let message = encode::Publish {
        version,
        qos: publish.qos,
        topic: publish.topic.as_ref().expect("a topic"),
        properties: publish.properties.clone(),
        payload: &publish.payload,
    };
    let mut alone = Vec::new();
    message.write(delivery, &mut alone);
    let before = out.len();
    encode::write(&message.frame(), delivery, out);
    assert_eq!(alone, out[before..], "one of many subscribers gets what a single one gets");
}

/// Reads a stream of packets: the first byte says in which version and with which limit, the second
/// how many of the bytes that follow are sizes of pieces; the rest is what the client sends.
pub(crate) fn scrutinise(bytes: &[u8]) {
    let [terms, cuts, rest @ ..] = bytes else { return };
    let version = match terms & 3 {
        1 => Some(ProtocolVersion::Mqtt311),
        2 => Some(ProtocolVersion::Mqtt5),
        _ => None,
    };
    let maximum = MAXIMA[usize::from(terms >> 7)];
    let decoder = || match version {
        None => Decoder::new(maximum),
        Some(version) => Decoder::of_version(version, maximum),
    };
    let (sizes, stream) = rest.split_at(usize::from(*cuts).min(rest.len()));
    let sizes: Vec<usize> = sizes.iter().map(|&size| usize::from(size)).collect();
    let (packets, error, left) = read_all(decoder(), stream, &[]);
    let (again, error_again, left_again) = read_all(decoder(), stream, &sizes);
    assert_eq!((&packets, &error), (&again, &error_again), "cut into {sizes:?}");
    assert!(error.is_some() || left == left_again, "{left} and {left_again} bytes are left");
    if let Some(error) = error {
        let said = error.to_string();
        assert!(error.reason.is_error() && said.len() <= SAID_AT_MOST, "{said}");
        assert_eq!(error.before_connect, packets.is_empty() && version.is_none(), "{said}");
    }
    let mut spoken = version;
    for packet in &packets {
        if let Packet::Connect(connect) = packet {
            assert!(spoken.is_none(), "a second CONNECT");
            spoken = Some(connect.version);
        }
        scrutinise_packet(spoken.expect("nothing comes before CONNECT"), packet);
    }
}

/// What was read is read again from what a client writes, and from what a subscriber is sent.
fn scrutinise_packet(version: ProtocolVersion, packet: &Packet) {
    let maximum = 2 * MAXIMA[0];
    let written = client::encode(version, packet);
    let decoder = match packet {
        Packet::Connect(_) => Decoder::new(maximum),
        _ => Decoder::of_version(version, maximum),
    };
    let (again, error, left) = read_all(decoder, &written, &[]);
    assert_eq!((again.as_slice(), error, left), (std::slice::from_ref(packet), None, 0));
    if let Packet::Publish(publish) = packet
        && publish.topic.is_some()
        && publish.topic_alias.is_none()
        && publish.qos != Qos::ExactlyOnce
    {
        let mut written = Vec::new();
        write_publish(version, publish, &mut written);
        let (again, error, left) = read_all(Decoder::of_version(version, maximum), &written, &[]);
        assert_eq!((again.as_slice(), error, left), (std::slice::from_ref(packet), None, 0));
    }
}
