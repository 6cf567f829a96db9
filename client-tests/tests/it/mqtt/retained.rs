//! Retained messages: what is kept, for whom it comes, and that AWS's own client sees the same.
//!
//! Truth: <https://docs.aws.amazon.com/iot/latest/developerguide/mqtt.html> and botocore's
//! `iot-data`.

use std::time::Duration;

use client_tests::programs::{self, Shell};
use client_tests::{Mqtt, Properties, Subscription, Version};
use iot_emulator::Emulator;
use serde_json::json;

use super::packets::anybody;
use crate::common::trusted;

/// What came so far, as payload and RETAIN; the client hears `end` as well.
async fn so_far(mqtt: &Mqtt) -> Vec<(String, bool)> {
    mqtt.subscribe("end").await.expect("a SUBACK");
    mqtt.publish("end", "x").await.expect("a PUBACK");
    let messages = mqtt.messages_before("end").await;
    messages.iter().map(|message| (message.text().to_owned(), message.retain)).collect()
}

fn seen(texts: &[(&str, bool)]) -> Vec<(String, bool)> {
    texts.iter().map(|(text, retain)| ((*text).to_owned(), *retain)).collect()
}

#[tokio::test]
async fn c39_the_last_retained_message_is_kept_until_an_empty_one_deletes_it() {
    for from in Version::BOTH {
        for to in Version::BOTH {
            let emulator = Emulator::start();
            let device = trusted(&emulator.iot_core(), "Device");
            let sender = device.connect("sender").speaking(from).await.expect("allowed");
            let present = device.connect("present").speaking(to).await.expect("allowed");
            present.subscribe("a").await.expect("a SUBACK");
            // Payload and RETAIN of each publish; what a newcomer gets then.
            let table = [
                ("plain", false, &[][..]),
                ("one", true, &[("one", true)]),
                ("two", true, &[("two", true)]),
                ("plain", false, &[("two", true)]),
                ("", false, &[("two", true)]),
                ("", true, &[]),
                ("", true, &[]),
                ("three", true, &[("three", true)]),
            ];
            for qos in [0, 1] {
                for (text, retain, expected) in table {
                    sender.publish_with("a", text, qos, retain).await.expect("taken");
                    // Who has subscribed gets each of them, the empty ones too, with RETAIN 0.
                    let live = present.next_message().await.expect("a message");
                    assert_eq!((live.text(), live.retain, live.qos), (text, false, qos));
                    let newcomer = device.connect(&anybody()).speaking(to).await.expect("allowed");
                    newcomer.subscribe("a").await.expect("a SUBACK");
                    assert_eq!(so_far(&newcomer).await, seen(expected), "{from:?} {to:?} {text}");
                }
                sender.publish_with("a", "", 1, true).await.expect("taken");
                present.next_message().await.expect("a message");
            }
        }
    }
}

#[tokio::test]
async fn c39_c42_only_a_filter_that_is_the_topic_gets_it() {
    let emulator = Emulator::start();
    let device = trusted(&emulator.iot_core(), "Device");
    let sender = device.connect("sender").await.expect("allowed");
    sender.publish_with("a/b", "kept", 1, true).await.expect("a PUBACK");
    let table = [
        ("a/b", true),
        ("a/+", false),
        ("+/b", false),
        ("a/#", false),
        ("#", false),
        ("a", false),
        ("a/b/", false),
        ("$share/g/a/b", false),
        ("$share/g/a/+", false),
    ];
    for version in Version::BOTH {
        for (filter, gets) in table {
            for qos in [0, 1] {
                let mqtt = device.connect(&anybody()).speaking(version).await.expect("allowed");
                mqtt.subscribe_all(&[filter], qos).await.expect("a SUBACK");
                let expected = if gets { seen(&[("kept", true)]) } else { Vec::new() };
                assert_eq!(so_far(&mqtt).await, expected, "{version:?} {filter} {qos}");
                mqtt.disconnect().await;
            }
        }
        // To a shared subscription, a retained publish is like any other.
        let mqtt = device.connect(&anybody()).speaking(version).await.expect("allowed");
        mqtt.subscribe("$share/g/a/b").await.expect("a SUBACK");
        sender.publish_with("a/b", "kept", 1, true).await.expect("a PUBACK");
        assert_eq!(so_far(&mqtt).await, seen(&[("kept", false)]), "{version:?}");
        mqtt.disconnect().await;
    }
}

#[tokio::test]
async fn c39_each_subscribe_brings_it_again_unless_mqtt_5_asks_otherwise() {
    let emulator = Emulator::start();
    let device = trusted(&emulator.iot_core(), "Device");
    let sender = device.connect("sender").await.expect("allowed");
    sender.publish_with("a", "kept", 1, true).await.expect("a PUBACK");
    // Retain Handling; whether the message comes upon the first SUBSCRIBE, and upon the second.
    for (retain_handling, first, second) in [(0, true, true), (1, true, false), (2, false, false)] {
        let mqtt = device.connect(&anybody()).mqtt5().await.expect("allowed");
        for comes in [first, second] {
            let asked = Subscription { qos: 1, retain_handling, ..Subscription::default() };
            mqtt.subscribe_as(&[Subscription { filter: "a", ..asked }]).await.expect("a SUBACK");
            let expected = if comes { seen(&[("kept", true)]) } else { Vec::new() };
            assert_eq!(so_far(&mqtt).await, expected, "{retain_handling}");
        }
        // Unsubscribed, it is new once more.
        mqtt.unsubscribe("a").await.expect("an UNSUBACK");
        let asked = Subscription { qos: 1, retain_handling, ..Subscription::default() };
        mqtt.subscribe_as(&[Subscription { filter: "a", ..asked }]).await.expect("a SUBACK");
        let expected = if first { seen(&[("kept", true)]) } else { Vec::new() };
        assert_eq!(so_far(&mqtt).await, expected, "{retain_handling}");
    }
    let old = device.connect(&anybody()).await.expect("allowed");
    for _again in 0..2 {
        old.subscribe("a").await.expect("a SUBACK");
        assert_eq!(so_far(&old).await, seen(&[("kept", true)]));
    }
    // Retain As Published: a live message keeps the RETAIN of its publisher.
    for retain_as_published in [false, true] {
        let mqtt = device.connect(&anybody()).mqtt5().await.expect("allowed");
        let asked = Subscription { filter: "b", retain_as_published, ..Subscription::default() };
        mqtt.subscribe_as(&[asked]).await.expect("a SUBACK");
        sender.publish_with("b", "plain", 1, false).await.expect("a PUBACK");
        sender.publish_with("b", "kept", 1, true).await.expect("a PUBACK");
        let expected = [("plain", false), ("kept", retain_as_published)];
        assert_eq!(so_far(&mqtt).await, seen(&expected));
        sender.publish_with("b", "", 1, true).await.expect("a PUBACK");
    }
}

#[tokio::test]
async fn c39_c45_a_retained_message_expires() {
    let emulator = Emulator::builder().manual_clock(true).start().expect("free ports");
    let device = trusted(&emulator.iot_core(), "Device");
    let sender = device.connect("sender").mqtt5().await.expect("allowed");
    let expiring = Properties { expiry_seconds: Some(60), ..Properties::default() };
    sender.publish_saying("a", "kept", (1, true), &expiring).await.expect("a PUBACK");
    // Seconds later, and what is told of the expiry then.
    for (later, told) in [(0, Some(60)), (59, Some(1)), (1, None)] {
        emulator.advance(Duration::from_secs(later)).await.expect("a manual clock");
        for version in Version::BOTH {
            let mqtt = device.connect(&anybody()).speaking(version).await.expect("allowed");
            mqtt.subscribe("a").await.expect("a SUBACK");
            mqtt.subscribe("end").await.expect("a SUBACK");
            mqtt.publish("end", "x").await.expect("a PUBACK");
            let messages = mqtt.messages_before("end").await;
            let seen: Vec<_> = messages.iter().map(|it| it.properties.expiry_seconds).collect();
            let is_new = version == client_tests::Version::Mqtt5;
            let expected = told.map(|told| is_new.then_some(told));
            assert_eq!(seen, expected.into_iter().collect::<Vec<_>>(), "{version:?} {later}");
        }
    }
}

/// What boto3 is shown, step by step.
const BOTO3: &str = r#"
import base64, json, sys
import boto3

iot = boto3.client("iot-data")

def kept(topic):
    try:
        found = iot.get_retained_message(topic=topic)
    except iot.exceptions.ResourceNotFoundException:
        return None
    pairs = found.get("userProperties")
    return [found["topic"], found["payload"].decode(), found["qos"],
            json.loads(pairs) if pairs else None, found["lastModifiedTime"] > 1_700_000_000_000]

def listed():
    pages, token = [], {}
    while True:
        page = iot.list_retained_messages(maxResults=2, **token)
        found = page["retainedTopics"]
        pages.append([[one["topic"], one["payloadSize"], one["qos"]] for one in found])
        if "nextToken" not in page:
            return pages
        token = {"nextToken": page["nextToken"]}

steps = {"first": [kept("a/b"), kept("plain"), kept("a"), listed()]}
pairs = json.dumps([{"n": "1"}, {"m": "2"}])
iot.publish(topic="a/b", qos=0, retain=True, payload=b"changed", userProperties=pairs)
iot.publish(topic="c", retain=True, payload=b"")
iot.publish(topic="d", retain=True, payload=b"new", messageExpiry=60)
steps["then"] = [kept("a/b"), kept("c"), kept("d"), listed()]
json.dump(steps, sys.stdout)
"#;

#[tokio::test]
async fn c22_c39_boto3_sees_what_subscribers_see() {
    if !programs::present(&["boto3"]).await {
        return;
    }
    let emulator = Emulator::start();
    let device = trusted(&emulator.iot_core(), "Device");
    let sender = device.connect("sender").mqtt5().await.expect("allowed");
    let pairs = [("b", "1"), ("a", "2"), ("b", "3")];
    let properties = Properties {
        user_properties: pairs.map(|(name, value)| (name.to_owned(), value.to_owned())).into(),
        ..Properties::default()
    };
    sender.publish_saying("a/b", "kept", (1, true), &properties).await.expect("a PUBACK");
    sender.publish("plain", "not kept").await.expect("a PUBACK");
    for (topic, qos) in [("c", 1), ("e", 0)] {
        sender.publish_with(topic, "12345", qos, true).await.expect("taken");
    }
    sender.publish("end", "x").await.expect("a PUBACK behind the QoS 0");
    let folder = tempfile::tempdir().expect("a folder of our own");
    let mut shell = Shell::new(folder.path());
    for (name, value) in emulator.environment() {
        shell.set(name, value);
    }
    shell.write("retained.py", BOTO3);
    let steps = shell.run("python3 retained.py").await.succeeded().json();
    let listed = json!([[["a/b", 4, 1], ["c", 5, 1]], [["e", 5, 0]]]);
    let kept = json!(["a/b", "kept", 1, [{ "b": "1" }, { "a": "2" }, { "b": "3" }], true]);
    assert_eq!(steps["first"], json!([kept, null, null, listed]), "{steps}");
    let listed = json!([[["a/b", 7, 0], ["d", 3, 0]], [["e", 5, 0]]]);
    let changed = json!(["a/b", "changed", 0, [{ "n": "1" }, { "m": "2" }], true]);
    let new = json!(["d", "new", 0, null, true]);
    assert_eq!(steps["then"], json!([changed, null, new, listed]), "{steps}");

    let newcomer = device.connect("newcomer").mqtt5().await.expect("allowed");
    newcomer.subscribe_all(&["a/b", "c", "d", "plain"], 1).await.expect("a SUBACK");
    assert_eq!(so_far(&newcomer).await, seen(&[("changed", true), ("new", true)]));
}
