//! The codec against `fixtures/packets/`, and against packets that nobody thought of.

pub(crate) mod arbitrary;
pub(crate) mod client;
pub(crate) mod notation;
mod shapes;

use bytes::BytesMut;
use proptest::prelude::*;

use super::decode::Decoder;
use super::encode::{self, Answer, ConnAck, Delivery};
use super::packets::{MessageProperties, Packet, Publish};
pub(crate) use super::scrutiny::write_publish;
use super::scrutiny::{read_all as decode_all, scrutinise};
use super::{Qos, ReasonCode};
use crate::message::{Places, Properties, ProtocolVersion};
use crate::names::TopicName;

/// What AWS IoT takes.
pub(crate) const MAXIMUM_PACKET: usize = 149_504;

/// One packet of a fixture.
#[derive(Debug)]
pub(crate) struct Row {
    /// `None`: the first packet of a connection.
    pub(crate) version: Option<ProtocolVersion>,
    pub(crate) bytes: Vec<u8>,
    pub(crate) expected: String,
    /// `FILE:LINE`.
    pub(crate) place: String,
}

/// The rows of `fixtures/packets/FILE`.
pub(crate) fn rows(file: &str) -> Vec<Row> {
    let path = format!("{}/../fixtures/packets/{file}", env!("CARGO_MANIFEST_DIR"));
    let text = std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{path}: {error}"));
    let lines = text.lines().enumerate().filter(|(_, line)| {
        let line = line.trim();
        !line.is_empty() && !line.starts_with('#')
    });
    lines
        .map(|(index, line)| {
            let place = format!("{file}:{}", index + 1);
            let fields: Vec<&str> = line.split(" | ").map(str::trim).collect();
            let [version, hex, expected, _meaning] = fields[..] else {
                panic!("{place}: four fields are wanted")
            };
            let version = match version {
                "-" => None,
                "3.1.1" => Some(ProtocolVersion::Mqtt311),
                "5" => Some(ProtocolVersion::Mqtt5),
                other => panic!("{place}: version {other}"),
            };
            Row { version, bytes: unhex(hex), expected: expected.to_owned(), place }
        })
        .collect()
}

fn unhex(text: &str) -> Vec<u8> {
    let digits = text.as_bytes().chunks(2).map(|pair| std::str::from_utf8(pair).unwrap());
    digits.map(|pair| u8::from_str_radix(pair, 16).unwrap()).collect()
}

/// A decoder in the middle of a connection, or at its start.
pub(crate) fn decoder(version: Option<ProtocolVersion>) -> Decoder {
    match version {
        None => Decoder::new(MAXIMUM_PACKET),
        Some(version) => Decoder::of_version(version, MAXIMUM_PACKET),
    }
}

// === fixtures ===

#[test]
fn every_legal_packet_reads_as_the_fixture_says() {
    for row in rows("accepted.txt") {
        let (packets, error, left) = decode_all(decoder(row.version), &row.bytes, &[]);
        assert_eq!((error, left), (None, 0), "{}", row.place);
        let words: Vec<String> = packets.iter().map(notation::packet).collect();
        assert_eq!(words, [row.expected], "{}", row.place);
    }
}

#[test]
fn every_legal_packet_is_what_a_client_would_write() {
    for row in rows("accepted.txt") {
        let (packets, ..) = decode_all(decoder(row.version), &row.bytes, &[]);
        let version = row.version.unwrap_or_else(|| match &packets[0] {
            Packet::Connect(connect) => connect.version,
            other => panic!("{}: {other:?}", row.place),
        });
        let written = client::encode(version, &packets[0]);
        let (again, ..) = decode_all(decoder(row.version), &written, &[]);
        assert_eq!(again, packets, "{}", row.place);
    }
}

#[test]
fn every_illegal_packet_is_refused_as_the_fixture_says() {
    for row in rows("refused.txt") {
        let (packets, error, _) = decode_all(decoder(row.version), &row.bytes, &[1]);
        assert_eq!(packets, [], "{}", row.place);
        let error = error.unwrap_or_else(|| panic!("{}: it is taken", row.place));
        assert_eq!(notation::error(&error), row.expected, "{}", row.place);
        assert_eq!(error.before_connect, row.version.is_none(), "{}", row.place);
    }
}

#[test]
fn every_answer_is_written_as_the_fixture_says() {
    for row in rows("answers.txt") {
        let version = row.version.unwrap();
        let mut out = Vec::new();
        if row.bytes[0] >> 4 == 3 {
            let publish = client::read_publish(version, &row.bytes);
            assert_eq!(notation::packet(&Packet::Publish(publish.clone())), row.expected);
            write_publish(version, &publish, &mut out);
        } else {
            let answer = client::read_answer(version, &row.bytes);
            assert_eq!(notation::answer(&answer), row.expected, "{}", row.place);
            assert!(answer.encode(version, &mut out), "{}", row.place);
        }
        assert_eq!(out, row.bytes, "{}", row.place);
    }
}

// === what the fixtures cannot say ===

#[test]
fn a_refused_connect_tells_in_which_version_to_answer() {
    let table = [
        ("100e00044d5154540503003c00000161", Some(ProtocolVersion::Mqtt5)),
        ("100d00044d5154540403003c000161", Some(ProtocolVersion::Mqtt311)),
        ("100f00064d51497364700302003c000161", None),
        ("c000", None),
    ];
    for (hex, version) in table {
        let (_, error, _) = decode_all(decoder(None), &unhex(hex), &[]);
        let error = error.unwrap();
        assert!(error.before_connect);
        assert_eq!(error.version, version, "{error}");
    }
}

#[test]
fn an_oversized_packet_is_refused_before_it_is_there() {
    let mut decoder = Decoder::of_version(ProtocolVersion::Mqtt311, 1000);
    let mut buffer = BytesMut::from(&[0x30, 0xE9][..]);
    assert_eq!(decoder.decode(&mut buffer), Ok(None));
    buffer.extend_from_slice(&[0x07]);
    let error = decoder.decode(&mut buffer).unwrap_err();
    assert_eq!(error.reason, ReasonCode::PacketTooLarge);

    let mut decoder = Decoder::of_version(ProtocolVersion::Mqtt311, 1000);
    let mut largest = vec![0x30, 0xE8, 0x07, 0, 1, b'a'];
    largest.resize(1003, 0);
    let packet = decoder.decode(&mut BytesMut::from(&largest[..])).unwrap();
    assert!(matches!(packet, Some(Packet::Publish(publish)) if publish.payload.len() == 997));
}

#[test]
fn a_payload_is_a_slice_of_the_buffer_and_a_topic_is_made_once() {
    let mut buffer = BytesMut::from(&b"\x30\x05\x00\x01ahi\x30\x05\x00\x01aho\xC0\x00"[..]);
    let start = buffer.as_ptr() as usize;
    let mut decoder = decoder(Some(ProtocolVersion::Mqtt311));
    let mut next = || match decoder.decode(&mut buffer) {
        Ok(Some(Packet::Publish(publish))) => publish,
        other => panic!("{other:?}"),
    };
    let (first, second) = (next(), next());
    assert_eq!(first.payload.as_ptr() as usize, start + 5);
    assert_eq!(second.payload.as_ptr() as usize, start + 12);
    let text = |publish: &Publish| publish.topic.as_ref().map(|topic| topic.as_str().as_ptr());
    assert_eq!(text(&first), text(&second));
    assert_eq!(decoder.decode(&mut buffer), Ok(Some(Packet::PingReq)));
}

#[test]
fn a_version_without_words_for_an_answer_writes_nothing() {
    let mut out = Vec::new();
    let refusal = ReasonCode::QuotaExceeded;
    let speechless = [
        Answer::ConnAck(Box::new(ConnAck::new(refusal))),
        Answer::PubAck { packet_id: 1, reason: refusal, reason_string: None },
        Answer::Disconnect { reason: refusal, reason_string: None },
    ];
    for answer in speechless {
        assert!(!answer.encode(ProtocolVersion::Mqtt311, &mut out), "{answer:?}");
        assert!(out.is_empty(), "{answer:?}");
        assert!(answer.encode(ProtocolVersion::Mqtt5, &mut out));
        out.clear();
    }
}

#[test]
fn no_answer_is_larger_than_the_client_takes() {
    let reason_string = Some("much to say".to_owned());
    let reason = ReasonCode::NotAuthorized;
    let connack = ConnAck { reason_string: reason_string.clone(), ..ConnAck::new(reason) };
    let reasons = vec![reason; 3];
    // An answer with its words, and the bytes of it without.
    let table = [
        (Answer::ConnAck(Box::new(connack)), 5),
        (Answer::PubAck { packet_id: 1, reason, reason_string: reason_string.clone() }, 6),
        (Answer::SubAck { packet_id: 1, reasons, reason_string: reason_string.clone() }, 8),
        (Answer::Disconnect { reason, reason_string }, 4),
    ];
    for (answer, bare) in table {
        let version = ProtocolVersion::Mqtt5;
        let whole = bare + 3 + "much to say".len();
        for (maximum, expected) in [
            (None, Some(whole)),
            (Some(whole), Some(whole)),
            (Some(whole - 1), Some(bare)),
            (Some(bare), Some(bare)),
            (Some(bare - 1), None),
        ] {
            let mut out = vec![7];
            let maximum = maximum.map(|most| most as u32);
            let said = answer.encode_within(version, maximum, &mut out);
            assert_eq!(said.then(|| out.len() - 1), expected, "{answer:?} {maximum:?}");
            assert!(said || out == [7], "nothing is written of {answer:?}");
        }
    }
}

#[test]
fn an_unsubscribe_is_as_long_as_its_answer_may_be() {
    for (filters, taken) in [(500, true), (501, false)] {
        let bytes = [&[0, 1][..], &b"\x00\x01a".repeat(filters)].concat();
        let mut packet = vec![0xA2];
        super::properties::variable(&mut packet, bytes.len());
        packet.extend(bytes);
        let (packets, error, _) = decode_all(decoder(Some(ProtocolVersion::Mqtt311)), &packet, &[]);
        assert_eq!(packets.len() == 1, taken);
        assert_eq!(error.map(|error| error.reason), (!taken).then_some(ReasonCode::QuotaExceeded));
    }
}

#[test]
fn a_refusal_never_says_that_a_session_is_present() {
    let mut connack = ConnAck::new(ReasonCode::NotAuthorized);
    connack.session_present = true;
    for (version, expected) in [
        (ProtocolVersion::Mqtt311, &[0x20, 2, 0, 5][..]),
        (ProtocolVersion::Mqtt5, &[0x20, 3, 0, 0x87, 0]),
    ] {
        let mut out = Vec::new();
        Answer::ConnAck(Box::new(connack.clone())).encode(version, &mut out);
        assert_eq!(out, expected);
    }
}

#[test]
fn a_frame_is_patched_for_each_subscriber() {
    let properties =
        MessageProperties { message_expiry_interval_seconds: Some(60), ..Default::default() };
    let (version, qos) = (ProtocolVersion::Mqtt5, Qos::AtLeastOnce);
    let topic = &TopicName::new("a/b");
    let frame = encode::Publish { version, qos, topic, properties, payload: b"hi" }.frame();
    assert_eq!(frame.places, Places { packet_id: Some(7), expiry: Some(11) });
    let mut out = Vec::new();
    for (packet_id, seconds) in [(1, 59), (0x0203, 58)] {
        let start = out.len();
        let message_expiry_interval_seconds = Some(seconds);
        let delivery =
            Delivery { packet_id, dup: false, retain: false, message_expiry_interval_seconds };
        encode::write(&frame, delivery, &mut out);
        assert_eq!(out.len() - start, frame.bytes.len());
        let publish = client::read_publish(ProtocolVersion::Mqtt5, &out[start..]);
        assert_eq!(publish.packet_id, packet_id);
        let properties = publish.properties;
        assert_eq!(properties.message_expiry_interval_seconds, message_expiry_interval_seconds);
    }
}

#[test]
fn what_mqtt_cannot_say_is_cut_and_spoils_nothing() {
    let long = "é".repeat(40_000);
    let passing = Properties {
        content_type: Some(format!("x{long}")),
        correlation_data: Some(vec![7; 70_000].into()),
        user_properties: vec![(long.clone(), "v".to_owned())],
        ..Default::default()
    };
    let topic = &TopicName::new(&long);
    let properties =
        MessageProperties { message_expiry_interval_seconds: None, passing: passing.boxed() };
    let (version, qos) = (ProtocolVersion::Mqtt5, Qos::AtMostOnce);
    let frame = encode::Publish { version, qos, topic, properties, payload: b"" }.frame();
    let mut decoder = Decoder::of_version(ProtocolVersion::Mqtt5, usize::MAX);
    let packet = decoder.decode(&mut BytesMut::from(&frame.bytes[..])).unwrap();
    let Some(Packet::Publish(publish)) = packet else { panic!("{packet:?}") };
    assert_eq!(publish.topic.unwrap().as_str().len(), 65_534);
    let passing = publish.properties.passing.unwrap();
    assert_eq!(passing.content_type.unwrap().len(), 65_535);
    assert_eq!(passing.correlation_data.unwrap().len(), 65_535);
    assert_eq!(passing.user_properties[0].1, "v");
}

// === properties ===

/// A stream of legal packets of one connection, its CONNECT left out.
fn stream() -> impl Strategy<Value = (ProtocolVersion, Vec<u8>)> {
    arbitrary::version().prop_flat_map(|version| {
        let packets = prop::collection::vec(arbitrary::packet(version), 1..6);
        packets.prop_map(move |packets| {
            (version, packets.iter().flat_map(|packet| client::encode(version, packet)).collect())
        })
    })
}

proptest! {
    #[test]
    fn any_bytes_parse_or_err_and_never_panic(
        version in prop::option::of(arbitrary::version()),
        bytes in prop::collection::vec(any::<u8>(), 0..600),
        sizes in prop::collection::vec(1..50_usize, 0..5),
        maximum in 0..300_usize,
    ) {
        let decoder = match version {
            None => Decoder::new(maximum),
            Some(version) => Decoder::of_version(version, maximum),
        };
        decode_all(decoder, &bytes, &sizes);
    }

    #[test]
    fn damaged_packets_parse_or_err_alike_however_they_are_cut(
        (version, mut bytes) in stream(),
        damage in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..4),
        sizes in prop::collection::vec(1..50_usize, 1..5),
    ) {
        for (index, byte) in damage {
            let at = index.index(bytes.len());
            bytes[at] = byte;
        }
        let (packets, error, left) = decode_all(decoder(Some(version)), &bytes, &[]);
        let (again, error_again, left_again) = decode_all(decoder(Some(version)), &bytes, &sizes);
        prop_assert_eq!(packets, again);
        prop_assert_eq!(&error, &error_again);
        prop_assert!(error.is_some() || left == left_again);
    }

    #[test]
    fn whatever_a_client_sends_holds_what_holds_of_any_bytes(
        (version, mut bytes) in stream(),
        damage in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..4),
        sizes in prop::collection::vec(any::<u8>(), 0..4),
        small in any::<bool>(),
    ) {
        for (index, byte) in damage {
            let at = index.index(bytes.len());
            bytes[at] = byte;
        }
        let version = if version == ProtocolVersion::Mqtt5 { 2 } else { 1 };
        let terms = vec![version | u8::from(small) << 7, sizes.len() as u8];
        scrutinise(&[terms, sizes, bytes].concat());
    }

    #[test]
    fn what_a_client_writes_is_read_back(
        (version, packet) in arbitrary::version()
            .prop_flat_map(|version| (Just(version), arbitrary::packet(version))),
    ) {
        let bytes = client::encode(version, &packet);
        let decoded = decode_all(decoder(Some(version)), &bytes, &[]);
        prop_assert_eq!(decoded, (vec![packet], None, 0));
    }

    #[test]
    fn a_connect_is_read_back(connect in arbitrary::connect()) {
        let packet = Packet::Connect(Box::new(connect));
        let bytes = client::encode(ProtocolVersion::Mqtt5, &packet);
        let decoded = decode_all(decoder(None), &bytes, &[]);
        prop_assert_eq!(decoded, (vec![packet], None, 0));
    }

    #[test]
    fn what_the_server_writes_is_read_back(
        (version, answer) in arbitrary::version()
            .prop_flat_map(|version| (Just(version), arbitrary::answer(version))),
    ) {
        let mut out = Vec::new();
        prop_assert!(answer.encode(version, &mut out));
        prop_assert_eq!(client::read_answer(version, &out), answer);
    }

    #[test]
    fn what_a_subscriber_is_sent_is_read_back(
        (version, publish) in arbitrary::version()
            .prop_flat_map(|version| (Just(version), arbitrary::delivered(version))),
    ) {
        let mut out = Vec::new();
        write_publish(version, &publish, &mut out);
        prop_assert_eq!(client::read_publish(version, &out), publish);
    }
}
