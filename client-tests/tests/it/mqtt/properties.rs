//! What MQTT 5 says of a message: topic aliases, expiry, and the properties that pass through.
//!
//! Truth: <https://docs.aws.amazon.com/iot/latest/developerguide/mqtt.html> and
//! <https://docs.aws.amazon.com/general/latest/gr/iot-core.html>.

use std::time::Duration;

use client_tests::packets::{self, Connect, long, packet, pair, text, two};
use client_tests::{Properties, Version};
use iot_emulator::Emulator;

use super::packets::{Answer, anybody, exchange, publish, subscribe};
use crate::common::{assert_ended, assert_says, refusal, trusted};

use Version::{Mqtt5, Mqtt311};

const QUOTA_EXCEEDED: u8 = 0x97;

fn alias(alias: u16) -> Vec<u8> {
    two(packets::TOPIC_ALIAS, alias)
}

#[tokio::test]
async fn c34_an_alias_stands_for_the_topic_that_it_came_with_last() {
    let emulator = Emulator::start();
    let device = trusted(&emulator.iot_core(), "Device");
    let watcher = device.connect("watcher").await.expect("allowed");
    watcher.subscribe("#").await.expect("a SUBACK");
    let packets = [
        publish(Mqtt5, 2, "a", &alias(1), b"1"),
        publish(Mqtt5, 2, "", &alias(1), b"2"),
        publish(Mqtt5, 0, "", &alias(1), b"3"),
        publish(Mqtt5, 2, "b", &alias(8), b"4"),
        publish(Mqtt5, 2, "c", &alias(1), b"5"),
        publish(Mqtt5, 2, "", &alias(1), b"6"),
        publish(Mqtt5, 2, "", &alias(8), b"7"),
        publish(Mqtt5, 2, "a", &[], b"8"),
    ];
    let Answer::Lives(pubacks) = exchange(&device, Mqtt5, &packets).await else {
        panic!("{}", emulator.trace());
    };
    assert_eq!(pubacks.len(), 7);
    for (topic, text) in ["a", "a", "a", "b", "c", "c", "b", "a"].iter().zip(1..) {
        let message = watcher.next_message().await.expect("a message");
        assert_eq!((message.topic.as_str(), message.text()), (*topic, text.to_string().as_str()));
    }
    // All eight can stand for a topic at once; another connection knows none of them.
    let mut packets: Vec<_> = (1..=8)
        .map(|number| publish(Mqtt5, 2, &format!("n/{number}"), &alias(number), b""))
        .collect();
    packets.extend((1..=8).map(|number| publish(Mqtt5, 2, "", &alias(number), b"x")));
    assert!(
        matches!(exchange(&device, Mqtt5, &packets).await, Answer::Lives(all) if all.len() == 16)
    );
    for number in (1..=8).chain(1..=8) {
        let message = watcher.next_message().await.expect("a message");
        assert_eq!(message.topic, format!("n/{number}"));
    }
}

/// What AWS IoT has not, and what MQTT forbids: the connection ends.
#[tokio::test]
async fn c34_an_alias_above_8_and_a_subscription_identifier_end_the_connection() {
    let emulator = Emulator::start();
    let device = trusted(&emulator.iot_core(), "Device");
    let identifier = [0x0B, 1];
    let table = [
        ("alias 0", publish(Mqtt5, 2, "a", &alias(0), b""), 0x94, "alias is 0"),
        ("alias 9", publish(Mqtt5, 2, "a", &alias(9), b""), 0x94, "alias above 8"),
        ("alias 9, QoS 0", publish(Mqtt5, 0, "", &alias(9), b""), 0x94, "alias above 8"),
        ("alias 65535", publish(Mqtt5, 2, "a", &alias(65_535), b""), 0x94, "alias above 8"),
        ("an unknown alias", publish(Mqtt5, 2, "", &alias(3), b""), 0x82, "nothing yet"),
        ("an identifier", publish(Mqtt5, 2, "a", &identifier, b""), 0xA1, "identifier"),
        ("one of a subscription", subscribe(Mqtt5, &identifier, &[("a", 1)]), 0xA1, "identifier"),
        (
            "a wildcard to respond to",
            publish(Mqtt5, 2, "a", b"\x08\0\x03a/#", b""),
            0x82,
            "wildcard",
        ),
    ];
    for (what, packet, code, said) in table {
        let answer = exchange(&device, Mqtt5, &[packet]).await;
        assert_eq!(answer, Answer::Disconnected(code), "{what}");
        assert_ended(&emulator, &["CLIENT_ERROR", said]);
    }
}

#[tokio::test]
async fn c34_the_server_never_uses_an_alias() {
    let emulator = Emulator::start();
    let device = trusted(&emulator.iot_core(), "Device");
    let sender = device.connect("sender").await.expect("allowed");
    for aliases in [&[][..], b"\x22\x00\x00", b"\x22\x00\x0a"] {
        let mut wire = device.open().await.expect("a handshake");
        wire.send(&Connect::new(Mqtt5, &anybody()).with(aliases).bytes()).await;
        assert_eq!(wire.packet().await[0], 0x20, "a CONNACK");
        wire.send(&subscribe(Mqtt5, &[], &[("some/topic", 0)])).await;
        assert_eq!(wire.packet().await[0], 0x90, "a SUBACK");
        for _message in 0..3 {
            sender.publish("some/topic", "x").await.expect("a PUBACK");
            let whole = packet(0x30, &[&text("some/topic")[..], &[0], b"x"].concat());
            assert_eq!(wire.packet().await, whole, "{aliases:?}");
        }
    }
}

#[tokio::test]
async fn c46_properties_have_limits() {
    let emulator = Emulator::start();
    let device = trusted(&emulator.iot_core(), "Device");
    let content_type = |bytes: usize| long(packets::CONTENT_TYPE, "c".repeat(bytes).as_bytes());
    let correlation = |bytes: usize| long(packets::CORRELATION_DATA, &vec![0xFF; bytes]);
    // Two pairs that hold so many bytes together.
    let user = |bytes: usize| {
        [pair("name", &"v".repeat(4092)), pair("", &"v".repeat(bytes - 4096))].concat()
    };
    let table = [
        ("content type", content_type(256), content_type(257)),
        ("correlation data", correlation(8192), correlation(8193)),
        ("user properties", user(8192), user(8193)),
    ];
    for (what, fits, too_large) in table {
        for flags in [0, 2] {
            let fits = exchange(&device, Mqtt5, &[publish(Mqtt5, flags, "a", &fits, b"x")]).await;
            assert!(matches!(fits, Answer::Lives(_)), "{what} {flags}: {fits:?}");
            let packet = publish(Mqtt5, flags, "a", &too_large, b"x");
            let expected = match flags {
                0 => Answer::Disconnected(QUOTA_EXCEEDED),
                _ => Answer::puback(Mqtt5, QUOTA_EXCEEDED),
            };
            assert_eq!(exchange(&device, Mqtt5, &[packet]).await, expected, "{what} {flags}");
            assert_says(&refusal(&emulator, "Publish-In"), &["CLIENT_ERROR", what, "at most"]);
        }
    }
}

/// All properties that pass through.
fn all() -> Properties {
    let pairs = [("b", "1"), ("a", "ü"), ("b", "1"), ("", "")];
    Properties {
        payload_format: Some(1),
        content_type: Some("application/json".to_owned()),
        response_topic: Some("replies/1".to_owned()),
        correlation_data: Some(vec![0, 1, 255]),
        user_properties: pairs.map(|(name, value)| (name.to_owned(), value.to_owned())).into(),
        ..Properties::default()
    }
}

#[tokio::test]
async fn c46_properties_pass_through_in_their_order_and_mqtt_311_sees_none() {
    let emulator = Emulator::start();
    let device = trusted(&emulator.iot_core(), "Device");
    let new = device.connect("new").mqtt5().await.expect("allowed");
    let old = device.connect("old").await.expect("allowed");
    for receiver in [&new, &old] {
        receiver.subscribe("a").await.expect("a SUBACK");
    }
    for qos in [0, 1] {
        for properties in [all(), Properties { payload_format: Some(0), ..all() }] {
            new.publish_saying("a", "x", (qos, false), &properties).await.expect("taken");
            let received = new.next_message().await.expect("a message");
            assert_eq!(received.properties, properties);
            let received = old.next_message().await.expect("a message");
            assert_eq!((received.text(), &received.properties), ("x", &Properties::default()));
        }
        // What MQTT 3.1.1 publishes has none.
        old.publish_with("a", "x", qos, false).await.expect("taken");
        assert_eq!(new.next_message().await.expect("a message").properties, Properties::default());
        old.next_message().await.expect("a message");
    }
    // A shared subscription passes them on too.
    assert_eq!(new.subscribe("$share/g/b").await, Ok(1));
    new.publish_saying("b", "x", (1, false), &all()).await.expect("taken");
    assert_eq!(new.next_message().await.expect("a message").properties, all());
    // An MQTT 3.1.1 receiver's bytes hold nothing but topic, packet ID and payload.
    let mut wire = device.open().await.expect("a handshake");
    wire.send(&Connect::new(Mqtt311, &anybody()).bytes()).await;
    wire.packet().await;
    wire.send(&subscribe(Mqtt311, &[], &[("c", 0)])).await;
    wire.packet().await;
    new.publish_saying("c", "x", (1, false), &all()).await.expect("taken");
    assert_eq!(wire.packet().await, packet(0x30, b"\0\x01cx"));
}

fn expiring(seconds: Option<u32>) -> Properties {
    Properties { expiry_seconds: seconds, ..Properties::default() }
}

#[tokio::test]
async fn c45_expiry_is_brought_into_range_counts_down_and_ends_a_message() {
    let emulator = Emulator::builder().manual_clock(true).start().expect("free ports");
    let device = trusted(&emulator.iot_core(), "Device");
    let away =
        |version| device.connect(&format!("away-{version:?}")).speaking(version).persistent();
    for version in Version::BOTH {
        let receiver = away(version).await.expect("allowed");
        receiver.subscribe("a").await.expect("a SUBACK");
        receiver.disconnect().await;
    }
    let present = device.connect("present").mqtt5().await.expect("allowed");
    present.subscribe("a").await.expect("a SUBACK");
    // What the publisher says; what is told at once; what is told after half a minute and a bit.
    let table = [
        (Some(0), Some(1), None),
        (Some(1), Some(1), None),
        (Some(30), Some(30), None),
        (Some(31), Some(31), Some(Some(0))),
        (Some(100), Some(100), Some(Some(69))),
        (Some(604_800), Some(604_800), Some(Some(604_769))),
        (Some(604_801), Some(604_800), Some(Some(604_769))),
        (Some(u32::MAX), Some(604_800), Some(Some(604_769))),
        (None, None, Some(None)),
    ];
    for (said, told, _) in table {
        let text = format!("{said:?}");
        present.publish_saying("a", &text, (1, false), &expiring(said)).await.expect("taken");
        let message = present.next_message().await.expect("a message");
        assert_eq!(message.properties.expiry_seconds, told, "{said:?}");
    }
    emulator.advance(Duration::from_millis(30_500)).await.expect("a manual clock");
    for version in Version::BOTH {
        let receiver = away(version).await.expect("allowed");
        assert!(receiver.session_present());
        for (said, _, told) in table {
            let Some(told) = told else { continue };
            let message = receiver.next_message().await.expect("a stored message");
            assert_eq!(message.text(), format!("{said:?}"), "{version:?}");
            let told = if version == Mqtt5 { told } else { None };
            assert_eq!(message.properties.expiry_seconds, told, "{version:?} {said:?}");
        }
        receiver.subscribe("end").await.expect("a SUBACK");
        receiver.publish("end", "x").await.expect("a PUBACK");
        assert_eq!(receiver.messages_before("end").await, [], "{version:?}");
    }
}
