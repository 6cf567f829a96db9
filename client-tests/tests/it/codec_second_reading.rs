//! The emulator's MQTT codec against somebody else's reading of the same bytes.
//!
//! Second readers are rumqttd's codec and, for the two packets of MQTT 5 that it cannot read
//! (CONNACK and UNSUBACK), rumqttc's. What both sides take they must read alike, over
//! `fixtures/packets/` and over generated packets. Where they differ the MQTT text decides, and
//! the case stands in one of the two tables below; a row that no longer differs fails too.
//!
//! The library has no public codec. Its source is compiled into this test instead, as a module:
//! no feature and no hidden door in the library for the sake of one test. The codec names nothing
//! of the library but `crate::names` and `crate::message`, which `main.rs` brings in, so this test
//! sees nothing but bytes and packets.

use std::collections::BTreeSet;
use std::fmt::Debug;
use std::panic::catch_unwind;

use bytes::{Bytes, BytesMut};
use proptest::prelude::*;
use proptest::strategy::ValueTree as _;
use proptest::test_runner::TestRunner;
use rumqttc::v5::mqttbytes::v5 as client_v5;
use rumqttd::protocol::{self as theirs, Protocol as _, v4::V4, v5::V5};

use codec::encode::{Answer, ConnAck};
use codec::packets::{
    Acknowledgement, Connect, ConnectProperties, Disconnect, MessageProperties, Packet, Publish,
    RetainHandling, Subscribe, Subscription, Unsubscribe, Will,
};
use codec::tests::{
    MAXIMUM_PACKET, Row, arbitrary, client, decoder, notation, rows, write_publish,
};
use codec::{Qos, ReasonCode};
use iot_emulator::names::{ClientId, TopicFilter, TopicName};

use crate::message::{Properties, ProtocolVersion};

#[path = "../../../emulator/src/device_gateway/codec/mod.rs"]
mod codec;

/// Legal packets that rumqttd refuses or reads otherwise: part of our reading, and what MQTT says.
const LEGAL: &[(&str, &str)] = &[
    ("username=\"\"", "3.1.3.5: an empty user name is one; rumqttd reads none"),
    ("password=ff00", "3.1.3.6: a password is binary data; rumqttd wants UTF-8"),
    ("DISCONNECT reason=0x04", "3.14.2.2.1: no property length is needed; rumqttd wants one"),
    ("AUTH ", "3.15: rumqttd has no AUTH"),
];

/// Illegal packets that rumqttd takes: part of our refusal, and the rule that rumqttd leaves out.
const ILLEGAL: &[(&str, &str)] = &[
    ("the first packet is not CONNECT", "MQTT-3.1.0-1; its connection, not its codec, looks"),
    ("a second CONNECT", "MQTT-3.1.0-2; its connection, not its codec, looks"),
    ("the reserved connect flag is set", "MQTT-3.1.2-3"),
    ("a password without a user name", "3.1.1 MQTT-3.1.2-22"),
    ("an empty client identifier", "3.1.1 MQTT-3.1.3-8; its connection, not its codec, looks"),
    ("a text holds U+0000", "MQTT-1.5.4-2"),
    ("a text holds the non-character", "1.5.4.1: they should not be sent and may be refused"),
    ("in PUBLISH: a text is not UTF-8", "MQTT-1.5.4-1; topic names stay bytes there"),
    ("bytes follow its contents", "1.2: what cannot be parsed is malformed"),
    ("with more bytes than it needs", "MQTT-1.5.5-1"),
    ("the topic name holds a wildcard", "MQTT-3.3.2-2"),
    ("the topic name is empty", "MQTT-4.7.3-1, and 3.3.2.1 without an alias"),
    ("the response topic", "MQTT-3.3.2-14, MQTT-4.7.3-1"),
    ("Receive Maximum is 0", "3.1.2.11.3"),
    ("Maximum Packet Size is 0", "3.1.2.11.4"),
    (", not 0 or 1", "3.1.2.11.6, 3.1.2.11.7, 3.3.2.3.2"),
    ("stands twice", "2.2.2.2, and the section of each property"),
    ("authentication data without", "3.1.2.11.10"),
    ("DUP with QoS 0", "MQTT-3.3.1-2"),
    ("the topic alias is 0", "MQTT-3.3.2-8"),
    ("a subscription identifier", "MQTT-3.3.4-6; in SUBSCRIBE because CONNACK said there are none"),
    ("the reserved flags are", "MQTT-2.1.3-1"),
    (
        "a client sends no reason code",
        "3.4.2.1, 3.14.2.1: a server says it; it reads for both sides",
    ),
    ("the packet identifier is 0", "MQTT-2.2.1-3"),
    ("in UNSUBSCRIBE: no topic filter", "MQTT-3.10.3-2"),
    ("a reserved bit of the subscription options", "MQTT-3.8.3-5"),
    ("No Local on a shared subscription", "MQTT-3.8.3-4"),
    ("Topic Filter invalid", "MQTT-4.7.1-1, -2, MQTT-4.7.3-1, MQTT-4.8.2-1, -2; others look there"),
    ("only a server sends it", "chapter 3; it reads for both sides"),
];

/// What rumqttd takes of packets that were damaged at random, beyond [`ILLEGAL`].
const DAMAGED: &[(&str, &str)] = &[(
    "the packet ends before its contents do",
    "2.2.2.1: it trusts a property length that is too long",
)];

type Reading = Result<Packet, String>;

fn ours(version: Option<ProtocolVersion>, bytes: &[u8]) -> Reading {
    match decoder(version).decode(&mut BytesMut::from(bytes)) {
        Ok(Some(packet)) => Ok(packet),
        Ok(None) => Err("incomplete".to_owned()),
        Err(error) => Err(notation::error(&error)),
    }
}

/// rumqttd's reading in our words. What makes it panic it does not take.
fn second(version: ProtocolVersion, bytes: &[u8]) -> Result<theirs::Packet, String> {
    let read = || {
        let mut stream = BytesMut::from(bytes);
        match version {
            ProtocolVersion::Mqtt311 => V4.read_mut(&mut stream, MAXIMUM_PACKET),
            ProtocolVersion::Mqtt5 => V5.read_mut(&mut stream, MAXIMUM_PACKET),
        }
    };
    match catch_unwind(read) {
        Ok(packet) => packet.map_err(|error| error.to_string()),
        Err(_) => Err("a panic".to_owned()),
    }
}

// === fixtures ===

/// The version whose codec is to read a row: its own, or the one that its CONNECT names.
fn version_of(row: &Row) -> ProtocolVersion {
    match (row.version, row.bytes.get(8)) {
        (Some(version), _) => version,
        (None, Some(5)) => ProtocolVersion::Mqtt5,
        (None, _) => ProtocolVersion::Mqtt311,
    }
}

/// Compares what differs with a table of what may, each way.
fn check(table: &[(&str, &str)], found: &[(String, String)]) {
    let unknown: Vec<_> =
        found.iter().filter(|(ours, _)| !table.iter().any(|(row, _)| ours.contains(row))).collect();
    assert!(unknown.is_empty(), "not in the table: {unknown:#?}");
    for (row, why) in table {
        let differs = found.iter().any(|(ours, _)| ours.contains(row));
        assert!(differs, "no longer differs: {row:?} ({why})");
    }
}

#[test]
fn rumqttd_reads_every_legal_packet_as_we_do() {
    let mut found = Vec::new();
    for row in rows("accepted.txt") {
        let version = version_of(&row);
        let ours = ours(row.version, &row.bytes).unwrap();
        let second = second(version, &row.bytes).and_then(|packet| translate(version, packet));
        if second.as_ref() != Ok(&ours) {
            let place = row.place;
            found.push((notation::packet(&ours), format!("{version} {place} {second:?}")));
        }
    }
    check(LEGAL, &found);
}

#[test]
fn rumqttd_takes_no_illegal_packet_but_these() {
    let mut found = Vec::new();
    for row in rows("refused.txt") {
        let refusal = ours(row.version, &row.bytes).unwrap_err();
        if let Ok(packet) = second(version_of(&row), &row.bytes) {
            found.push((refusal, format!("{} {packet:?}", row.place)));
        }
    }
    check(ILLEGAL, &found);
}

#[test]
fn every_answer_is_read_as_it_was_meant() {
    for row in rows("answers.txt") {
        let version = row.version.unwrap();
        let read = if row.bytes[0] >> 4 == 3 {
            let packet = second(version, &row.bytes).and_then(|read| translate(version, read));
            notation::packet(&packet.unwrap())
        } else {
            notation::answer(&second_answer(version, &row.bytes).unwrap())
        };
        assert_eq!(read, row.expected, "{}", row.place);
    }
}

// === generated packets ===

/// What rumqttd cannot tell of a legal packet that somebody generated; see `LEGAL`.
fn blind_spot(packet: &Packet) -> bool {
    match packet {
        Packet::Auth(_) => true,
        Packet::Connect(connect) => {
            let password = connect.password.as_deref();
            connect.username.as_deref() == Some("")
                || password
                    .is_some_and(|text| text.is_empty() || std::str::from_utf8(text).is_err())
        }
        _ => false,
    }
}

/// The same reading with what rumqttd keeps and we leave, and the other way round, left out.
fn agree(version: ProtocolVersion, bytes: &[u8], ours: &Packet) -> Result<(), TestCaseError> {
    if blind_spot(ours) {
        return Ok(());
    }
    let second = second(version, bytes).and_then(|packet| translate(version, packet));
    prop_assert_eq!(second.as_ref(), Ok(ours));
    Ok(())
}

/// The types of the packets that `strategy` makes, by the bytes of each.
fn types<T: Debug>(strategy: &BoxedStrategy<T>, write: impl Fn(&T) -> Vec<u8>) -> Vec<u8> {
    let mut runner = TestRunner::deterministic();
    let made = (0..500).map(|_| strategy.new_tree(&mut runner).expect("a packet").current());
    let types: BTreeSet<u8> = made.map(|packet| write(&packet)[0] >> 4).collect();
    types.into_iter().collect()
}

#[test]
fn packets_of_every_type_are_generated_in_both_versions() {
    // MQTT 5 has AUTH, and lets a server say DISCONNECT. CONNECT and the server's PUBLISH are
    // generated on their own.
    let table: [(_, &[u8], &[u8]); 2] = [
        (ProtocolVersion::Mqtt311, &[3, 4, 5, 6, 7, 8, 10, 12, 14], &[2, 4, 9, 11, 13]),
        (ProtocolVersion::Mqtt5, &[3, 4, 5, 6, 7, 8, 10, 12, 14, 15], &[2, 4, 9, 11, 13, 14]),
    ];
    for (version, of_client, of_server) in table {
        let packets = types(&arbitrary::packet(version), |packet| client::encode(version, packet));
        assert_eq!(packets, of_client, "{version}");
        let answers = types(&arbitrary::answer(version), |answer| {
            let mut out = Vec::new();
            assert!(answer.encode(version, &mut out));
            out
        });
        assert_eq!(answers, of_server, "{version}");
    }
}

proptest! {
    #[test]
    fn rumqttd_reads_generated_packets_as_we_do(
        (version, packet) in arbitrary::version()
            .prop_flat_map(|version| (Just(version), arbitrary::packet(version))),
    ) {
        let bytes = client::encode(version, &packet);
        let ours = ours(Some(version), &bytes);
        prop_assert_eq!(ours.as_ref(), Ok(&packet));
        agree(version, &bytes, &packet)?;
    }

    #[test]
    fn rumqttd_reads_a_generated_connect_as_we_do(connect in arbitrary::connect()) {
        let version = connect.version;
        let packet = Packet::Connect(Box::new(connect));
        let bytes = client::encode(version, &packet);
        let ours = ours(None, &bytes);
        prop_assert_eq!(ours.as_ref(), Ok(&packet));
        agree(version, &bytes, &packet)?;
    }

    #[test]
    fn damaged_packets_that_both_take_they_read_alike(
        (version, packet) in arbitrary::version()
            .prop_flat_map(|version| (Just(version), arbitrary::packet(version))),
        damage in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..3),
    ) {
        let mut bytes = client::encode(version, &packet);
        for (index, byte) in damage {
            let at = index.index(bytes.len());
            bytes[at] = byte;
        }
        let second = second(version, &bytes).and_then(|packet| translate(version, packet));
        match (ours(Some(version), &bytes), second) {
            (Ok(ours), Ok(second)) => prop_assert_eq!(second, ours),
            // What it takes and we refuse is a difference like those of the fixtures.
            (Err(refusal), Ok(second)) if refusal != "incomplete" => {
                let mut known = ILLEGAL.iter().chain(DAMAGED);
                let known = known.any(|(row, _)| refusal.contains(row));
                prop_assert!(known, "not in the table: {} {:?}", refusal, second);
            }
            _ => {}
        }
    }

    #[test]
    fn generated_answers_are_read_as_they_were_meant(
        (version, answer) in arbitrary::version()
            .prop_flat_map(|version| (Just(version), arbitrary::answer(version))),
    ) {
        let mut out = Vec::new();
        prop_assert!(answer.encode(version, &mut out));
        let read = second_answer(version, &out);
        prop_assert_eq!(read, Ok(answer));
    }

    #[test]
    fn rumqttd_reads_what_a_subscriber_is_sent(
        (version, publish) in arbitrary::version()
            .prop_flat_map(|version| (Just(version), arbitrary::delivered(version))),
    ) {
        let mut out = Vec::new();
        write_publish(version, &publish, &mut out);
        let read = second(version, &out).and_then(|packet| translate(version, packet));
        prop_assert_eq!(read, Ok(Packet::Publish(publish)));
    }
}

// === their packets in our words ===

/// A reason of any of their enumerations, by its name.
fn reason(theirs: impl Debug) -> ReasonCode {
    let name = format!("{theirs:?}");
    let name = match name.as_str() {
        "NormalDisconnection" | "QoS0" | "Success(AtMostOnce)" => "Success",
        "QoS1" | "Success(AtLeastOnce)" => "GrantedQos1",
        "QoS2" | "Success(ExactlyOnce)" => "GrantedQos2",
        "Failure" | "Unspecified" => "UnspecifiedError",
        "ImplementationSpecific" => "ImplementationSpecificError",
        "PkidInUse" => "PacketIdentifierInUse",
        "RefusedProtocolVersion" => "UnsupportedProtocolVersion",
        "ServiceUnavailable" => "ServerUnavailable",
        "BadUserNamePassword" => "BadUserNameOrPassword",
        "SharedSubscriptionNotSupported" => "SharedSubscriptionsNotSupported",
        other => other,
    };
    let named = |code: &ReasonCode| format!("{code:?}").eq_ignore_ascii_case(name);
    ReasonCode::ALL.iter().copied().find(named).unwrap_or_else(|| panic!("reason {name}"))
}

fn qos(theirs: theirs::QoS) -> Qos {
    match theirs {
        theirs::QoS::AtMostOnce => Qos::AtMostOnce,
        theirs::QoS::AtLeastOnce => Qos::AtLeastOnce,
        theirs::QoS::ExactlyOnce => Qos::ExactlyOnce,
    }
}

fn utf8(bytes: &Bytes) -> Result<&str, String> {
    std::str::from_utf8(bytes).map_err(|error| error.to_string())
}

/// A packet of a client, or a PUBLISH of the server.
fn translate(version: ProtocolVersion, packet: theirs::Packet) -> Reading {
    use theirs::Packet as P;
    let acknowledgement = |packet_id, code| Acknowledgement { packet_id, reason: code };
    Ok(match packet {
        P::Connect(connect, properties, will, will_properties, login) => {
            let will = will.map(|will| translate_will(will, will_properties)).transpose()?;
            let (username, password) = login
                .map(|login| (login.username, login.password))
                .map_or((None, None), |(name, word)| (Some(name), Some(word)));
            Packet::Connect(Box::new(Connect {
                version,
                client_id: ClientId::from(connect.client_id),
                clean_start: connect.clean_session,
                keep_alive_seconds: connect.keep_alive,
                username: username.filter(|name| !name.is_empty()),
                password: password.filter(|word| !word.is_empty()).map(Bytes::from),
                will,
                properties: properties.map(connect_properties).unwrap_or_default(),
            }))
        }
        P::Publish(publish, properties) => translate_publish(publish, properties)?,
        P::PubAck(packet, _) => Packet::PubAck(acknowledgement(packet.pkid, reason(packet.reason))),
        P::PubRec(packet, _) => Packet::PubRec(acknowledgement(packet.pkid, reason(packet.reason))),
        P::PubRel(packet, _) => Packet::PubRel(acknowledgement(packet.pkid, reason(packet.reason))),
        P::PubComp(packet, _) => {
            Packet::PubComp(acknowledgement(packet.pkid, reason(packet.reason)))
        }
        P::Subscribe(subscribe, properties) => Packet::Subscribe(Subscribe {
            packet_id: subscribe.pkid,
            filters: subscribe.filters.into_iter().map(subscription).collect(),
            user_properties: properties.map(|list| list.user_properties).unwrap_or_default(),
        }),
        P::Unsubscribe(unsubscribe, properties) => Packet::Unsubscribe(Unsubscribe {
            packet_id: unsubscribe.pkid,
            filters: unsubscribe.filters.into_iter().map(TopicFilter::from).collect(),
            user_properties: properties.map(|list| list.user_properties).unwrap_or_default(),
        }),
        P::PingReq(_) => Packet::PingReq,
        P::Disconnect(disconnect, properties) => {
            let (expiry, words, user_properties) = properties
                .map_or_else(Default::default, |list| {
                    (list.session_expiry_interval, list.reason_string, list.user_properties)
                });
            Packet::Disconnect(Disconnect {
                reason: reason(disconnect.reason_code),
                session_expiry_interval_seconds: expiry,
                reason_string: words,
                user_properties,
            })
        }
        other => return Err(format!("no packet of a client: {other:?}")),
    })
}

fn connect_properties(list: theirs::ConnectProperties) -> ConnectProperties {
    let default = ConnectProperties::default();
    ConnectProperties {
        session_expiry_interval_seconds: list.session_expiry_interval,
        receive_maximum: list.receive_maximum.unwrap_or(default.receive_maximum),
        maximum_packet_size: list.max_packet_size,
        topic_alias_maximum: list.topic_alias_max.unwrap_or(default.topic_alias_maximum),
        request_response_information: list.request_response_info == Some(1),
        request_problem_information: list.request_problem_info != Some(0),
        user_properties: list.user_properties,
        authentication_method: list.authentication_method,
        authentication_data: list.authentication_data,
    }
}

fn translate_will(
    will: theirs::LastWill,
    properties: Option<theirs::LastWillProperties>,
) -> Result<Will, String> {
    let delay_interval_seconds = properties.as_ref().and_then(|list| list.delay_interval);
    let properties = properties.map_or_else(Default::default, |list| MessageProperties {
        message_expiry_interval_seconds: list.message_expiry_interval,
        passing: Properties {
            payload_is_utf8: list.payload_format_indicator.map(|format| format == 1),
            content_type: list.content_type,
            response_topic: list.response_topic.map(TopicName::from),
            correlation_data: list.correlation_data,
            user_properties: list.user_properties,
        }
        .boxed(),
    });
    Ok(Will {
        topic: TopicName::new(utf8(&will.topic)?),
        payload: will.message,
        qos: qos(will.qos),
        retain: will.retain,
        delay_interval_seconds,
        properties,
    })
}

fn translate_publish(
    publish: theirs::Publish,
    properties: Option<theirs::PublishProperties>,
) -> Reading {
    // DUP, QoS and the packet identifier are private; they are the first three bytes of this.
    let [first, high, low, ..] = publish.serialize()[..] else { return Err("too short".into()) };
    let topic_alias = properties.as_ref().and_then(|list| list.topic_alias);
    let properties = properties.map_or_else(Default::default, |list| MessageProperties {
        message_expiry_interval_seconds: list.message_expiry_interval,
        passing: Properties {
            payload_is_utf8: list.payload_format_indicator.map(|format| format == 1),
            content_type: list.content_type,
            response_topic: list.response_topic.map(TopicName::from),
            correlation_data: list.correlation_data,
            user_properties: list.user_properties,
        }
        .boxed(),
    });
    let topic = utf8(&publish.topic)?;
    Ok(Packet::Publish(Publish {
        dup: first & 0x08 != 0,
        qos: qos(theirs::qos(first >> 1 & 3).ok_or("QoS 3")?),
        retain: publish.retain,
        topic: (!topic.is_empty()).then(|| TopicName::new(topic)),
        topic_alias,
        packet_id: u16::from_be_bytes([high, low]),
        properties,
        payload: publish.payload,
    }))
}

fn subscription(filter: theirs::Filter) -> Subscription {
    Subscription {
        filter: TopicFilter::from(filter.path),
        qos: qos(filter.qos),
        no_local: filter.nolocal,
        retain_as_published: filter.preserve_retain,
        retain_handling: match filter.retain_forward_rule {
            theirs::RetainForwardRule::OnEverySubscribe => RetainHandling::Send,
            theirs::RetainForwardRule::OnNewSubscribe => RetainHandling::SendIfNew,
            theirs::RetainForwardRule::Never => RetainHandling::DoNotSend,
        },
    }
}

/// Any packet of the server but PUBLISH, by whoever can read it.
fn second_answer(version: ProtocolVersion, bytes: &[u8]) -> Result<Answer, String> {
    use theirs::Packet as P;
    let kind = bytes[0] >> 4;
    if version == ProtocolVersion::Mqtt5 && matches!(kind, 2 | 11) {
        let packet = client_v5::Packet::read(&mut BytesMut::from(bytes), None);
        return match packet.map_err(|error| error.to_string())? {
            client_v5::Packet::ConnAck(packet) => Ok(connack(packet)),
            client_v5::Packet::UnsubAck(packet) => Ok(Answer::UnsubAck {
                packet_id: packet.pkid,
                reasons: packet.reasons.into_iter().map(reason).collect(),
                reason_string: packet.properties.and_then(|list| list.reason_string),
            }),
            other => Err(format!("{other:?}")),
        };
    }
    Ok(match second(version, bytes)? {
        P::ConnAck(packet, _) => Answer::ConnAck(Box::new(ConnAck {
            session_present: packet.session_present,
            ..ConnAck::new(reason(packet.code))
        })),
        P::PubAck(packet, properties) => Answer::PubAck {
            packet_id: packet.pkid,
            reason: reason(packet.reason),
            reason_string: properties.and_then(|list| list.reason_string),
        },
        P::SubAck(packet, properties) => Answer::SubAck {
            packet_id: packet.pkid,
            reasons: packet.return_codes.into_iter().map(reason).collect(),
            reason_string: properties.and_then(|list| list.reason_string),
        },
        P::UnsubAck(packet, properties) => Answer::UnsubAck {
            packet_id: packet.pkid,
            reasons: packet.reasons.into_iter().map(reason).collect(),
            reason_string: properties.and_then(|list| list.reason_string),
        },
        P::PingResp(_) => Answer::PingResp,
        P::Disconnect(packet, properties) => Answer::Disconnect {
            reason: reason(packet.reason_code),
            reason_string: properties.and_then(|list| list.reason_string),
        },
        other => return Err(format!("no packet of a server: {other:?}")),
    })
}

fn connack(packet: client_v5::ConnAck) -> Answer {
    let mut connack = ConnAck::new(reason(packet.code));
    connack.session_present = packet.session_present;
    if let Some(list) = packet.properties {
        let flag = |value: Option<u8>| value.map(|value| value == 1);
        connack.session_expiry_interval_seconds = list.session_expiry_interval;
        connack.receive_maximum = list.receive_max;
        connack.maximum_qos = list.max_qos.map(|most| match most {
            0 => Qos::AtMostOnce,
            _ => Qos::AtLeastOnce,
        });
        connack.retain_available = flag(list.retain_available);
        connack.maximum_packet_size = list.max_packet_size;
        connack.assigned_client_identifier = list.assigned_client_identifier.map(ClientId::from);
        connack.topic_alias_maximum = list.topic_alias_max;
        connack.reason_string = list.reason_string;
        connack.wildcard_subscription_available = flag(list.wildcard_subscription_available);
        connack.subscription_identifiers_available = flag(list.subscription_identifiers_available);
        connack.shared_subscription_available = flag(list.shared_subscription_available);
        connack.server_keep_alive_seconds = list.server_keep_alive;
    }
    Answer::ConnAck(Box::new(connack))
}
