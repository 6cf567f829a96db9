//! SUBSCRIBE and UNSUBSCRIBE: the code of each filter, the limits, and which topics a filter means,
//! in either version of MQTT.
//!
//! Reserved topics stand in `reserved.rs`, shared subscriptions in `shared.rs`.
//! Truth: <https://docs.aws.amazon.com/iot/latest/developerguide/mqtt.html> and
//! <https://docs.aws.amazon.com/iot/latest/developerguide/topics.html>.

use client_tests::{Closed, MqttError, Subscription, Version};
use iot_emulator::Emulator;
use serde_json::{Value, json};

use super::packets::{Answer, anybody, exchange, publish, subscribe, unsubscribe};
use crate::common::{assert_ended, assert_says, enrolled, refusal, trusted};

use Version::{Mqtt5, Mqtt311};

/// May do everything, but subscribe below `secret/`.
fn but_secrets() -> String {
    let everything = json!({ "Effect": "Allow", "Action": "iot:*", "Resource": "*" });
    let secret = "arn:aws:iot:us-east-1:000000000000:topicfilter/secret/*";
    let secrets = json!({ "Effect": "Deny", "Action": "iot:Subscribe", "Resource": secret });
    json!({ "Version": "2012-10-17", "Statement": [everything, secrets] }).to_string()
}

#[tokio::test]
async fn c34_c36_c37_each_filter_has_its_code_and_mqtt_311_is_cut_off_for_one() {
    let emulator = Emulator::start();
    let device = enrolled(&emulator.iot_core(), "Device", but_secrets());
    let longest = "é".repeat(128);
    let too_long = format!("{longest}x");
    let shared = format!("$share/{}/{longest}", "s".repeat(128));
    let long_name = format!("$share/{}/a", "s".repeat(129));
    // Filter and QoS; the code in MQTT 5.
    let table = [
        ("a", 0, 0),
        ("a/+/b/#", 1, 1),
        ("a/b/c/d/e/f/g/h", 1, 1),
        (&longest, 0, 0),
        (&shared, 1, 1),
        ("$share/g/a/b/c/d/e/f/g/h", 1, 1),
        ("secret/a", 1, 0x87),
        ("secret/#", 0, 0x87),
        (&too_long, 1, 0x8F),
        (&long_name, 1, 0x8F),
        ("a/b/c/d/e/f/g/h/i", 1, 0x8F),
        ("a/b/c/d/e/f/g/h/#", 1, 0x8F),
        ("$share/g/a/b/c/d/e/f/g/h/i", 1, 0x8F),
        ("$SYS/#", 1, 0x8F),
    ];
    for version in Version::BOTH {
        for (filter, qos, code) in table {
            let asked = [subscribe(version, &[], &[(filter, qos)])];
            let answer = exchange(&device, version, &asked).await;
            let expected = match version {
                Mqtt311 if code >= 0x80 => Answer::HungUp,
                _ => Answer::suback(version, &[code]),
            };
            assert_eq!(answer, expected, "{version:?} {filter}");
            if code >= 0x80 {
                let reason = if code == 0x87 { "AUTHORIZATION_FAILURE" } else { "CLIENT_ERROR" };
                assert_says(&refusal(&emulator, "Subscribe"), &[reason, filter]);
            }
        }
    }
    // All kinds in one packet.
    let mixed = [("a", 0), ("secret/a", 1), ("$SYS/x", 1), ("b", 1), ("a/b/c/d/e/f/g/h/i", 0)];
    let answer = exchange(&device, Mqtt5, &[subscribe(Mqtt5, &[], &mixed)]).await;
    assert_eq!(answer, Answer::suback(Mqtt5, &[0, 0x87, 0x8F, 1, 0x8F]));
    let answer = exchange(&device, Mqtt311, &[subscribe(Mqtt311, &[], &mixed)]).await;
    assert_eq!(answer, Answer::HungUp);
}

/// Without a SUBACK there is no subscription, not even in a session that lives on.
#[tokio::test]
async fn c34_what_was_not_acknowledged_was_not_subscribed_to() {
    let emulator = Emulator::start();
    let iot = emulator.iot_core();
    let device = enrolled(&iot, "Device", but_secrets());
    let persistent = || device.connect("lamp").persistent();
    let lamp = persistent().await.expect("allowed");
    let refused = lamp.subscribe_all(&["open/a", "secret/a"], 1).await;
    assert_eq!(refused, Err(MqttError::Closed(Closed::HungUp)));
    let lamp = persistent().await.expect("allowed");
    assert!(lamp.session_present());
    assert_eq!(lamp.subscribe("end").await, Ok(1));
    let sender = trusted(&iot, "Sender").connect("sender").await.expect("allowed");
    for topic in ["open/a", "end"] {
        sender.publish(topic, "x").await.expect("a PUBACK");
    }
    assert_eq!(lamp.messages_before("end").await, []);
}

#[tokio::test]
async fn c35_qos_2_is_not_granted() {
    let emulator = Emulator::start();
    let device = trusted(&emulator.iot_core(), "Device");
    for version in Version::BOTH {
        for filters in [&[("a", 2)][..], &[("a", 1), ("b", 2)]] {
            let answer = exchange(&device, version, &[subscribe(version, &[], filters)]).await;
            assert_eq!(answer, Answer::ended(version, 0x9B), "{version:?}");
            assert_says(&refusal(&emulator, "Subscribe"), &["CLIENT_ERROR", "QoS 2"]);
        }
    }
}

/// What MQTT itself calls no filter ends the connection, by SUBSCRIBE and by UNSUBSCRIBE.
#[tokio::test]
async fn c37_a_filter_that_is_none_ends_the_connection() {
    let emulator = Emulator::start();
    let device = trusted(&emulator.iot_core(), "Device");
    for version in Version::BOTH {
        for filter in ["", "a#", "a/#/b", "a+", "$share/g", "$share//a", "$share/+/a", "$share/g/"]
        {
            let packets =
                [subscribe(version, &[], &[(filter, 0)]), unsubscribe(version, &[filter])];
            for packet in packets {
                let answer = exchange(&device, version, &[packet]).await;
                assert_eq!(answer, Answer::ended(version, 0x8F), "{version:?} {filter:?}");
                assert_ended(&emulator, &["CLIENT_ERROR"]);
            }
        }
    }
}

#[tokio::test]
async fn c36_eight_filters_in_a_packet_and_fifty_on_a_connection() {
    let emulator = Emulator::start();
    let device = trusted(&emulator.iot_core(), "Device");
    let names: Vec<String> = (0..51).map(|number| format!("n/{number}")).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    for version in Version::BOTH {
        let nine: Vec<(&str, u8)> = names[..9].iter().map(|name| (*name, 1)).collect();
        let answer = exchange(&device, version, &[subscribe(version, &[], &nine)]).await;
        assert_eq!(answer, Answer::ended(version, 0x97), "{version:?}");
        assert_ended(&emulator, &["9 filters in one SUBSCRIBE, 8 at most"]);

        let excess = if version == Mqtt5 { 0x97 } else { 0x80 };
        let mqtt = device.connect(&anybody()).speaking(version).await.expect("allowed");
        for eight in names[..48].chunks(8) {
            assert_eq!(mqtt.subscribe_all(eight, 1).await, Ok(vec![1; 8]), "{version:?}");
        }
        let three = mqtt.subscribe_all(&names[48..], 0).await;
        assert_eq!(three, Ok(vec![0, 0, excess]), "{version:?}");
        let phrases = ["THROTTLED", "50 subscriptions", "n/50"];
        assert_says(&refusal(&emulator, "Subscribe"), &phrases);
        // One that is there can change, and one that goes makes room.
        assert_eq!(mqtt.subscribe_all(&["n/0", "n/49"], 0).await, Ok(vec![0, 0]), "{version:?}");
        assert_eq!(mqtt.subscribe("$share/g/n/0").await, Ok(excess), "{version:?}");
        mqtt.unsubscribe("n/7").await.expect("an UNSUBACK");
        assert_eq!(mqtt.subscribe("n/50").await, Ok(1), "{version:?}");
    }
}

#[tokio::test]
async fn c34_an_unsubscribe_is_acknowledged_whatever_was_subscribed_to() {
    let emulator = Emulator::start();
    let device = trusted(&emulator.iot_core(), "Device");
    for version in Version::BOTH {
        let packets = [
            subscribe(version, &[], &[("a", 1), ("b/#", 0)]),
            unsubscribe(version, &["a", "never/had", "b/#", "$SYS/#"]),
            unsubscribe(version, &["a"]),
        ];
        let answer = exchange(&device, version, &packets).await;
        let unsuback = |count: usize| {
            // MQTT 3.1.1 has no codes.
            let codes = vec![0; if version == Mqtt5 { count } else { 0 }];
            let Answer::Lives(packets) = Answer::acknowledged(version, 0xB0, &codes) else {
                unreachable!()
            };
            packets
        };
        let Answer::Lives(suback) = Answer::suback(version, &[1, 0]) else { unreachable!() };
        assert_eq!(answer, Answer::Lives([suback, unsuback(4), unsuback(1)].concat()));

        let mqtt = device.connect(&anybody()).speaking(version).await.expect("allowed");
        mqtt.subscribe_all(&["a", "a/+", "end"], 1).await.expect("a SUBACK");
        mqtt.unsubscribe("a").await.expect("an UNSUBACK");
        mqtt.publish("a", "x").await.expect("a PUBACK");
        mqtt.publish("a/b", "x").await.expect("a PUBACK");
        mqtt.publish("end", "x").await.expect("a PUBACK");
        let heard = mqtt.messages_before("end").await;
        assert_eq!(heard.len(), 1, "{version:?} {heard:?}");
    }
}

#[tokio::test]
async fn c34_subscribing_again_replaces_what_was_asked_for() {
    let emulator = Emulator::start();
    let device = trusted(&emulator.iot_core(), "Device");
    for version in Version::BOTH {
        let mqtt = device.connect(&anybody()).speaking(version).await.expect("allowed");
        for qos in [1, 0, 1] {
            let asked = Subscription { filter: "a", qos, ..Subscription::default() };
            assert_eq!(mqtt.subscribe_as(&[asked]).await, Ok(vec![qos]));
            mqtt.publish("a", "x").await.expect("a PUBACK");
            assert_eq!(mqtt.next_message().await.expect("a message").qos, qos, "{version:?}");
        }
        mqtt.subscribe("end").await.expect("a SUBACK");
        mqtt.publish("end", "x").await.expect("a PUBACK");
        assert_eq!(mqtt.messages_before("end").await, [], "each message came once");
    }
    // Also No Local, which only MQTT 5 has: a client's own messages, and others'.
    let own = device.connect("own").mqtt5().await.expect("allowed");
    let other = device.connect("other").await.expect("allowed");
    for (no_local, expected) in [(true, &["other"][..]), (false, &["own", "other"])] {
        let asked = Subscription { filter: "b", qos: 1, no_local, ..Subscription::default() };
        assert_eq!(own.subscribe_as(&[asked]).await, Ok(vec![1]));
        own.publish("b", "own").await.expect("a PUBACK");
        other.publish("b", "other").await.expect("a PUBACK");
        for text in expected {
            assert_eq!(own.next_message().await.expect("a message").text(), *text);
        }
    }
}

//? assumed: one copy for each client, at the highest QoS of its filters
#[tokio::test]
async fn c34_overlapping_filters_deliver_once() {
    let emulator = Emulator::start();
    let device = trusted(&emulator.iot_core(), "Device");
    for version in Version::BOTH {
        let mqtt = device.connect(&anybody()).speaking(version).await.expect("allowed");
        mqtt.subscribe_all(&["a/#", "end"], 0).await.expect("a SUBACK");
        mqtt.subscribe_all(&["a/b", "+/+"], 1).await.expect("a SUBACK");
        mqtt.subscribe_all(&["#"], 0).await.expect("a SUBACK");
        for topic in ["a/b", "a", "end"] {
            mqtt.publish(topic, "x").await.expect("a PUBACK");
        }
        let heard = mqtt.messages_before("end").await;
        let heard: Vec<_> = heard.iter().map(|seen| (seen.topic.as_str(), seen.qos)).collect();
        assert_eq!(heard, [("a/b", 1), ("a", 0)], "{version:?}");
    }
}

/// Which of these topics a filter hears.
#[tokio::test]
async fn c38_a_filter_hears_what_aws_lets_it_hear() {
    let topics =
        ["sensor", "sensor/", "sensor/1", "sensor/1/a", "/sensor", "Sensor", "$aws/rules/r/sensor"];
    let table: &[(&str, &[usize])] = &[
        ("sensor/#", &[1, 2, 3]),
        ("sensor", &[0]),
        ("sensor/", &[1]),
        ("sensor/+", &[1, 2]),
        ("sensor/+/#", &[3]),
        ("sensor/+/a", &[3]),
        ("+", &[0, 5]),
        ("+/+", &[1, 2, 4]),
        ("+/#", &[1, 2, 3, 4]),
        ("/+", &[4]),
        ("/#", &[4]),
        ("#", &[0, 1, 2, 3, 4, 5]),
    ];
    let emulator = Emulator::start();
    let device = trusted(&emulator.iot_core(), "Device");
    for version in Version::BOTH {
        for (filter, expected) in table {
            let mqtt = device.connect(&anybody()).speaking(version).await.expect("allowed");
            mqtt.subscribe_all(&[filter, "the/end"], 1).await.expect("a SUBACK");
            for topic in topics {
                mqtt.publish(topic, "x").await.expect("a PUBACK");
            }
            mqtt.publish("the/end", "x").await.expect("a PUBACK");
            let heard = mqtt.messages_before("the/end").await;
            let heard: Vec<&str> = heard.iter().map(|message| message.topic.as_str()).collect();
            let expected: Vec<&str> = expected.iter().map(|index| topics[*index]).collect();
            assert_eq!(heard, expected, "{version:?} {filter}");
            mqtt.disconnect().await;
        }
    }
}

//? assumed: `#` and `+` at the first level are not for topics that begin with `$`, as in MQTT
#[tokio::test]
async fn c38_a_wildcard_at_the_first_level_does_not_hear_aws_own_events() {
    let emulator = Emulator::start();
    let device = trusted(&emulator.iot_core(), "Device");
    for version in Version::BOTH {
        let mqtt = device.connect(&anybody()).speaking(version).await.expect("allowed");
        let filters = ["#", "+/events/presence/connected/+", "$aws/events/presence/connected/+"];
        for filter in filters {
            assert_eq!(mqtt.subscribe(filter).await, Ok(1), "{filter}");
        }
        let _other = device.connect(&anybody()).await.expect("allowed");
        let event = mqtt.next_message().await.expect("the event, by its own filter");
        assert_eq!(event.json()["eventType"], Value::from("connected"));
        mqtt.publish("end", "x").await.expect("a PUBACK");
        assert_eq!(mqtt.messages_before("end").await, [], "{version:?}");
    }
}

/// Atomic by default: what is published right behind the SUBSCRIBE arrives.
#[tokio::test]
async fn c34_a_subscription_counts_from_its_suback_on() {
    let emulator = Emulator::start();
    let device = trusted(&emulator.iot_core(), "Device");
    for version in Version::BOTH {
        let watcher = device.connect(&anybody()).speaking(version).await.expect("allowed");
        watcher.subscribe("a").await.expect("a SUBACK");
        let sent = exchange(&device, version, &[publish(version, 2, "a", &[], b"x")]).await;
        assert_eq!(sent, Answer::puback(version, 0));
        assert_eq!(watcher.next_message().await.expect("the message").text(), "x");
    }
}
