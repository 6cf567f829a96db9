//! PUBLISH: what is taken, what is refused and how, and who gets it, in either version of MQTT.
//!
//! Reserved topics stand in `reserved.rs`, properties in `properties.rs`.
//! Truth: <https://docs.aws.amazon.com/iot/latest/developerguide/mqtt.html> and
//! <https://docs.aws.amazon.com/general/latest/gr/iot-core.html>.

use client_tests::{Closed, MqttError, Version};
use iot_emulator::{Emulator, Function, allow};
use serde_json::{Value, json};

use super::packets::{Answer, anybody, exchange, publish};
use crate::common::{EVERYTHING, assert_says, change_policy, enrolled, refusal, trusted};

use Version::{Mqtt5, Mqtt311};

const PAYLOAD_BYTES: usize = 128 * 1024;

/// The entries of refused publishes.
fn refused(emulator: &Emulator) -> usize {
    let refusals = emulator.trace().refusals();
    refusals.iter().filter(|entry| entry.event_type == "Publish-In").count()
}

#[tokio::test]
async fn c34_qos_0_and_1_are_taken_and_delivered_at_the_lower_of_both_sides() {
    let emulator = Emulator::start();
    let device = trusted(&emulator.iot_core(), "Device");
    for from in Version::BOTH {
        for to in Version::BOTH {
            for (published, subscribed) in [(0, 0), (0, 1), (1, 0), (1, 1)] {
                let receiver = device.connect(&anybody()).speaking(to).await.expect("allowed");
                let granted = receiver.subscribe_all(&["a/b"], subscribed).await;
                assert_eq!(granted, Ok(vec![subscribed]));
                let sender = device.connect(&anybody()).speaking(from).await.expect("allowed");
                sender.publish_with("a/b", "x", published, false).await.expect("taken");
                let message = receiver.next_message().await.expect("a message");
                let seen = (message.text(), message.qos, message.retain, message.duplicate);
                let case = format!("{from:?} {published} to {to:?} {subscribed}");
                assert_eq!(seen, ("x", published.min(subscribed), false, false), "{case}");
            }
        }
    }
}

/// The topic is too long, too deep or missing: MQTT 5 is told so in the PUBACK of QoS 1.
#[tokio::test]
async fn c34_a_topic_has_256_bytes_and_7_slashes_at_most() {
    let emulator = Emulator::start();
    let device = trusted(&emulator.iot_core(), "Device");
    let longest = "é".repeat(128);
    let too_long = format!("{longest}x");
    let ingested = |topic: &str| format!("$aws/rules/a-rule-with-a-long-name/{topic}");
    let deepest = "a/b/c/d/e/f/g/h";
    let too_deep = "///////a/";
    let taken = [deepest, &longest, "///////", &ingested(&longest), &ingested(deepest)];
    let not_taken =
        [too_deep, &too_long, "a/b/c/d/e/f/g/h/i", &ingested(&too_long), &ingested(too_deep)];
    for version in Version::BOTH {
        for topic in taken {
            for flags in [0, 2] {
                let packet = publish(version, flags, topic, &[], b"x");
                let expected = match flags {
                    0 => Answer::Lives(Vec::new()),
                    _ => Answer::puback(version, 0),
                };
                assert_eq!(exchange(&device, version, &[packet]).await, expected, "{topic}");
            }
        }
        for topic in not_taken {
            for flags in [0, 2] {
                let before = refused(&emulator);
                let packet = publish(version, flags, topic, &[], b"x");
                let expected = match (version, flags) {
                    (Mqtt5, 2) => Answer::puback(version, 0x90),
                    _ => Answer::ended(version, 0x90),
                };
                let answer = exchange(&device, version, &[packet]).await;
                assert_eq!(answer, expected, "{version:?} {flags} {topic}");
                assert_eq!(refused(&emulator), before + 1, "one entry: {}", emulator.trace());
                assert_says(&refusal(&emulator, "Publish-In"), &["CLIENT_ERROR", "at most"]);
            }
        }
    }
}

/// What it is; flags, topic and payload; the code in MQTT 5, and what the entry says.
type Row<'a> = (&'a str, u8, &'a str, &'a [u8], u8, &'a str);

/// What ends a connection of either version, whatever its QoS.
#[tokio::test]
async fn c34_c35_what_ends_the_connection_of_a_publisher() {
    let emulator = Emulator::start();
    let device = trusted(&emulator.iot_core(), "Device");
    let watcher = device.connect("watcher").await.expect("allowed");
    watcher.subscribe_all(&["#", "$aws/events/presence/disconnected/+"], 1).await.expect("taken");
    let large = vec![b'x'; PAYLOAD_BYTES + 1];
    let table: [Row<'_>; 9] = [
        ("QoS 2", 4, "a", b"x", 0x9B, "QoS 2 is not served"),
        ("QoS 2, retained", 5, "a", b"x", 0x9B, "QoS 2 is not served"),
        ("a byte too much, QoS 0", 0, "a", &large, 0x97, "131072 at most"),
        ("a byte too much, QoS 1", 2, "a", &large, 0x97, "131072 at most"),
        ("a byte too much, retained", 3, "a", &large, 0x97, "131072 at most"),
        ("a wildcard", 0, "a/+", b"x", 0x90, "wildcard"),
        ("a wildcard, QoS 1", 2, "#", b"x", 0x90, "wildcard"),
        ("no topic", 0, "", b"x", 0x82, "the topic name is empty"),
        ("no topic, QoS 1", 2, "", b"x", 0x82, "the topic name is empty"),
    ];
    for version in Version::BOTH {
        for (what, flags, topic, payload, code, said) in table {
            let before = emulator.trace().refusals().len();
            let packet = publish(version, flags, topic, &[], payload);
            let answer = exchange(&device, version, &[packet]).await;
            assert_eq!(answer, Answer::ended(version, code), "{version:?} {what}");
            // Nobody got it, and AWS calls it the client's error.
            let event = watcher.next_message().await.expect("the disconnected event");
            assert_eq!(event.json()["disconnectReason"], "CLIENT_ERROR", "{what}");
            let mut added = emulator.trace().refusals().split_off(before);
            added.retain(|entry| {
                entry.event_type != "Disconnect" || entry.to_string().contains(said)
            });
            assert_eq!(added.len(), 1, "{version:?} {what}: {}", emulator.trace());
            assert_says(&added[0], &["CLIENT_ERROR", said]);
        }
        // The largest payload that AWS takes goes through, whole.
        let sender = device.connect(&anybody()).speaking(version).await.expect("allowed");
        sender.publish("largest", &large[1..]).await.expect("128 KB are taken");
        let message = watcher.next_message().await.expect("the message");
        assert_eq!((message.topic.as_str(), message.payload.len()), ("largest", PAYLOAD_BYTES));
        sender.disconnect().await;
        watcher.next_message().await.expect("its disconnected event");
    }
}

#[tokio::test]
async fn c34_a_publisher_without_iot_retain_publish_cannot_retain() {
    for version in Version::BOTH {
        for qos in [0, 1] {
            let emulator = Emulator::start();
            let iot = emulator.iot_core();
            let policy = allow(&["iot:Connect", "iot:Publish"], "*");
            let mqtt = enrolled(&iot, "Device", policy).connect("lamp").speaking(version);
            let mqtt = mqtt.await.expect("allowed");
            mqtt.publish("a", "x").await.expect("without RETAIN it may");
            let done = mqtt.publish_with("a", "x", qos, true).await;
            match (version, qos) {
                (Mqtt5, 1) => assert_eq!(done, Err(MqttError::Refused(0x87))),
                (Mqtt5, _) => {
                    let closed = mqtt.closed().await;
                    assert!(matches!(closed, Closed::Disconnected { reason: 0x87, .. }));
                }
                (Mqtt311, _) => assert_eq!(mqtt.closed().await, Closed::HungUp),
            }
            let phrases = ["AUTHORIZATION_FAILURE", "iot:RetainPublish"];
            assert_says(&refusal(&emulator, "Publish-In"), &phrases);
        }
    }
}

/// `iot:Receive` is asked for each message, so that a session that is alive loses it at once.
#[tokio::test]
async fn c34_what_may_not_be_received_any_more_does_not_arrive() {
    for version in Version::BOTH {
        let emulator = Emulator::start();
        let iot = emulator.iot_core();
        let device = enrolled(&iot, "Device", allow(EVERYTHING, "*"));
        let receiver = device.connect("lamp").speaking(version).await.expect("allowed");
        receiver.subscribe("#").await.expect("a SUBACK");
        let sender = trusted(&iot, "Sender").connect("sender").await.expect("allowed");
        sender.publish_with("a", "before", 1, true).await.expect("a PUBACK");
        assert_eq!(receiver.next_message().await.expect("a message").text(), "before");

        change_policy(&iot, "Device", allow(&["iot:Connect", "iot:Subscribe"], "*"));
        for qos in [0, 1] {
            sender
                .publish_with("a", "revoked", qos, false)
                .await
                .expect("its sender is unaffected");
        }
        // A retained message is a delivery like any other.
        receiver.subscribe("a").await.expect("a SUBACK");
        emulator.settled().await;
        let refusals = emulator.trace().refusals();
        assert_eq!(refusals.len(), 3, "{}", emulator.trace());
        for entry in &refusals {
            assert_says(entry, &["Publish-Out", "AUTHORIZATION_FAILURE", "iot:Receive"]);
        }
        change_policy(&iot, "Device", allow(EVERYTHING, "*"));
        sender.publish("a", "after").await.expect("a PUBACK");
        assert_eq!(receiver.next_message().await.expect("a message").text(), "after");
    }
}

/// AWS supports no DUP: a client may set it, nobody sees it, and both copies arrive.
#[tokio::test]
async fn g14_dup_means_nothing() {
    let emulator = Emulator::start();
    let device = trusted(&emulator.iot_core(), "Device");
    for version in Version::BOTH {
        let receiver = device.connect(&anybody()).speaking(version).await.expect("allowed");
        receiver.subscribe("a").await.expect("a SUBACK");
        let packets = [2, 10].map(|flags| publish(version, flags, "a", &[], b"x"));
        let Answer::Lives(pubacks) = exchange(&device, version, &packets).await else {
            panic!("DUP is no error");
        };
        assert_eq!(pubacks.len(), 2);
        for _copy in 0..2 {
            assert!(!receiver.next_message().await.expect("a message").duplicate);
        }
    }
}

//= https://docs.aws.amazon.com/iot/latest/developerguide/iot-basic-ingest.html
//# a PUBACK says that the rules engine has it; the prefix is not part of topic(); nobody else gets
//# it; of a rule that is not there the log says RuleNotFound
#[tokio::test]
async fn c37_basic_ingest_reaches_its_rule_and_nobody_else() {
    let emulator = Emulator::start();
    let iot = emulator.iot_core();
    let (tell, mut told) = tokio::sync::mpsc::unbounded_channel::<Value>();
    let function = Function::new(move |event| {
        tell.send(event.clone()).map_err(|_gone| "nobody listens")?;
        Ok(json!({}))
    });
    let sql = "SELECT x, topic() AS topic, topic(2) AS second FROM 'elsewhere'";
    iot.create_topic_rule("Store", sql, function);
    let device = trusted(&iot, "Device");
    let watcher = device.connect("watcher").await.expect("allowed");
    watcher.subscribe_all(&["#", "+/+"], 1).await.expect("a SUBACK");
    for version in Version::BOTH {
        let sender = device.connect(&anybody()).speaking(version).await.expect("allowed");
        for qos in [0, 1] {
            let topic = "$aws/rules/Store/a/b";
            sender.publish_with(topic, r#"{"x":1}"#, qos, false).await.expect("taken");
            let event = tokio::time::timeout(client_tests::PATIENCE, told.recv()).await;
            let event = event.expect("in time").expect("an event");
            assert_eq!(event, json!({ "x": 1, "topic": "a/b", "second": "b" }), "{version:?}");
        }
        sender
            .publish("$aws/rules/Nobody/a", "{}")
            .await
            .expect("the PUBACK says nothing of rules");
        emulator.settled().await;
        let entry = refusal(&emulator, "RuleNotFound");
        assert_eq!(entry.value("ruleName"), Some("Nobody"), "{entry}");
        let alive = sender.publish("end", "x").await;
        assert_eq!(alive, Ok(()));
        assert_eq!(watcher.messages_before("end").await, [], "{version:?}");
    }
}
