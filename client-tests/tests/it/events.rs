//! What AWS publishes about clients, and what it keeps for them: lifecycle events to the member,
//! wills, retained messages, sessions, and QoS 1 again.

use client_tests::{Closed, Device, Message, Mqtt, MqttError, Version};
use iot_emulator::{Emulator, IotCore};
use serde_json::json;

use crate::common::{enrolled, trusted};

use Version::{Mqtt5, Mqtt311};

/// An emulator, a device that may do everything, and a client that hears what `filters` say.
async fn watched(filters: &[&str]) -> (Emulator, Device, Mqtt) {
    let emulator = Emulator::start();
    let device = trusted(&emulator.iot_core(), "Lamp");
    let watcher = device.connect("watcher").await.expect("a connection");
    let filters = [filters, &["done"]].concat();
    watcher.subscribe_all(&filters, 1).await.expect("a SUBACK");
    (emulator, device, watcher)
}

/// All that `watcher` has been sent so far.
async fn so_far(watcher: &Mqtt) -> Vec<Message> {
    watcher.publish("done", "").await.expect("a PUBACK");
    watcher.messages_before("done").await
}

/// Asserts that `event` has exactly `members`, in this order; the last two are filled in.
#[track_caller]
fn assert_event(event: &Message, topic: &str, members: &str) {
    assert_eq!(event.topic, format!("$aws/events/{topic}"));
    let json = event.json();
    let (timestamp, session) = (&json["timestamp"], &json["sessionIdentifier"]);
    assert!(timestamp.as_i64().is_some_and(|time| time > 1_600_000_000_000), "{json}");
    assert_eq!(session.as_str().map(str::len), Some(36), "a UUID: {json}");
    let members = members.replace("TIMESTAMP", &timestamp.to_string());
    assert_eq!(event.text(), members.replace("\"SESSION\"", &session.to_string()));
}

#[tokio::test]
async fn c44_presence_events_have_aws_members_in_aws_order() {
    let (_emulator, device, watcher) = watched(&["$aws/events/presence/+/lamp"]).await;
    let principal = device.certificate_id();
    device.connect("lamp").await.expect("a connection").disconnect().await;
    let events = so_far(&watcher).await;
    let [connected, disconnected] = events.as_slice() else { panic!("{events:?}") };
    assert_event(
        connected,
        "presence/connected/lamp",
        &format!(
            r#"{{"clientId":"lamp","timestamp":TIMESTAMP,"eventType":"connected","sessionIdentifier":"SESSION","principalIdentifier":"{principal}","ipAddress":"127.0.0.1","versionNumber":0}}"#
        ),
    );
    assert_event(
        disconnected,
        "presence/disconnected/lamp",
        &format!(
            r#"{{"clientId":"lamp","timestamp":TIMESTAMP,"eventType":"disconnected","sessionIdentifier":"SESSION","principalIdentifier":"{principal}","clientInitiatedDisconnect":true,"disconnectReason":"CLIENT_INITIATED_DISCONNECT","versionNumber":0}}"#
        ),
    );
    let session = |event: &Message| event.json()["sessionIdentifier"].clone();
    assert_eq!(session(connected), session(disconnected));
}

#[tokio::test]
async fn c44_a_failed_connect_and_a_subscription_have_aws_members_in_aws_order() {
    let filters = ["$aws/events/presence/connect_failed/+", "$aws/events/subscriptions/+/lamp"];
    let (emulator, device, watcher) = watched(&filters).await;
    let (principal, iot) = (device.certificate_id(), emulator.iot_core());
    let nobody = enrolled(&iot, "Nobody", iot_emulator::allow(&["iot:Publish"], "*"));
    nobody.connect("nobody").await.expect_err("no iot:Connect");
    let lamp = device.connect("lamp").await.expect("a connection");
    lamp.subscribe_all(&["foo/bar", "device/data"], 1).await.expect("a SUBACK");
    lamp.unsubscribe("foo/bar").await.expect("an UNSUBACK");
    let events = so_far(&watcher).await;
    let [failed, subscribed, unsubscribed] = events.as_slice() else { panic!("{events:?}") };
    assert_event(
        failed,
        "presence/connect_failed/nobody",
        &format!(
            r#"{{"clientId":"nobody","timestamp":TIMESTAMP,"eventType":"connect_failed","connectFailureReason":"AUTHORIZATION_FAILED","principalIdentifier":"{}","sessionIdentifier":"SESSION","ipAddress":"127.0.0.1"}}"#,
            nobody.certificate_id()
        ),
    );
    assert_event(
        subscribed,
        "subscriptions/subscribed/lamp",
        &format!(
            r#"{{"clientId":"lamp","timestamp":TIMESTAMP,"eventType":"subscribed","sessionIdentifier":"SESSION","principalIdentifier":"{principal}","topics":["foo/bar","device/data"]}}"#
        ),
    );
    assert_event(
        unsubscribed,
        "subscriptions/unsubscribed/lamp",
        &format!(
            r#"{{"clientId":"lamp","timestamp":TIMESTAMP,"eventType":"unsubscribed","sessionIdentifier":"SESSION","principalIdentifier":"{principal}","topics":["foo/bar"]}}"#
        ),
    );
}

#[tokio::test]
async fn c44_the_thing_is_named_only_if_it_is_attached_exclusively() {
    for (kind, named) in [("EXCLUSIVE_THING", true), ("NON_EXCLUSIVE_THING", false)] {
        let (emulator, device, watcher) = watched(&["$aws/events/presence/+/lamp"]).await;
        let iot = emulator.iot_core();
        iot.call("CreateThing", json!({ "thingName": "lamp" })).expect("a thing");
        let principal = iot.certificate_arn(device.certificate_id());
        let input =
            json!({ "thingName": "lamp", "principal": principal, "thingPrincipalType": kind });
        iot.call("AttachThingPrincipal", input).expect("an attachment");
        let _lamp = device.connect("lamp").await.expect("a connection");
        let event = watcher.next_message().await.expect("an event").json();
        assert_eq!(event.get("thingName"), named.then_some(&json!("lamp")), "{kind}: {event}");
    }
}

/// How a connection can end, but for the takeover, which has tests of its own.
#[derive(Clone, Copy, Debug)]
enum End {
    Disconnect,
    Lost,
    SecondConnect,
    NotAllowed,
    CertificateRevoked,
}

async fn end(how: End, iot: &IotCore, device: &Device) {
    // The connection is made by hand, so that it can be ended in any way.
    let mut wire = device.open().await.expect("a handshake");
    let connect = b"\x10\x20\x00\x04MQTT\x04\x0e\x00\x3c\x00\x04lamp\x00\x06wills/\x00\x06gone:(";
    wire.send(connect).await;
    assert_eq!(wire.packet().await, b"\x20\x02\x00\x00", "a CONNACK");
    match how {
        End::Lost => return drop(wire),
        End::Disconnect => wire.send(b"\xe0\x00").await,
        End::SecondConnect => wire.send(connect).await,
        End::NotAllowed => wire.send(b"\x30\x08\x00\x06secret").await,
        End::CertificateRevoked => {
            let id = device.certificate_id().to_string();
            let input = json!({ "certificateId": id, "newStatus": "REVOKED" });
            iot.call("UpdateCertificate", input).expect("a status");
        }
    }
    wire.rest().await;
}

#[tokio::test]
async fn c43_c44_each_end_has_its_reason_and_all_but_the_clients_own_send_the_will() {
    let table = [
        (End::Disconnect, "CLIENT_INITIATED_DISCONNECT", false),
        (End::Lost, "CONNECTION_LOST", true),
        (End::SecondConnect, "CLIENT_ERROR", true),
        (End::NotAllowed, "AUTH_ERROR", true),
        (End::CertificateRevoked, "AUTH_ERROR", true),
    ];
    for (how, reason, will) in table {
        let filters = ["$aws/events/presence/disconnected/lamp", "wills/"];
        let (emulator, _device, watcher) = watched(&filters).await;
        let iot = emulator.iot_core();
        let but_secrets = json!({
            "Version": "2012-10-17",
            "Statement": [
                { "Effect": "Allow", "Action": "iot:*", "Resource": "*" },
                { "Effect": "Deny", "Action": "iot:Publish", "Resource": "arn:aws:iot:us-east-1:000000000000:topic/secret" },
            ],
        });
        let device = enrolled(&iot, "Ending", but_secrets.to_string());
        end(how, &iot, &device).await;
        let first = watcher.next_message().await.expect("a will or an event");
        let event = if will {
            assert_eq!((first.topic.as_str(), first.text()), ("wills/", "gone:("), "{how:?}");
            watcher.next_message().await.expect("an event")
        } else {
            first
        };
        let event = event.json();
        assert_eq!(event["disconnectReason"], reason, "{how:?}");
        assert_eq!(event["clientInitiatedDisconnect"], !will, "{how:?}");
        assert_eq!(so_far(&watcher).await, [], "{how:?}");
    }
}

#[tokio::test]
async fn c43_an_mqtt_5_client_can_ask_for_its_will_when_it_leaves() {
    let (_emulator, device, watcher) = watched(&["wills/"]).await;
    let mut wire = device.open().await.expect("a handshake");
    let connect =
        b"\x10\x1f\x00\x04MQTT\x05\x06\x00\x3c\x00\x00\x04lamp\x00\x00\x06wills/\x00\x03bye";
    wire.send(connect).await;
    wire.packet().await;
    wire.send(b"\xe0\x01\x04").await;
    wire.rest().await;
    assert_eq!(watcher.next_message().await.expect("the will").text(), "bye");
}

#[tokio::test]
async fn a_retained_will_stays() {
    let (_emulator, device, watcher) = watched(&["$aws/events/presence/disconnected/lamp"]).await;
    let lamp = device.connect("lamp").will_with("wills/lamp", "out", 1, true).await;
    drop(lamp.expect("a connection"));
    watcher.next_message().await.expect("the disconnected event, after the will");
    watcher.subscribe("wills/lamp").await.expect("a SUBACK");
    let will = watcher.next_message().await.expect("the retained will");
    assert_eq!((will.text(), will.retain), ("out", true));
}

#[tokio::test]
async fn c39_a_retained_message_is_for_whoever_asks_for_exactly_its_topic() {
    for version in [Mqtt311, Mqtt5] {
        let (_emulator, device, publisher) = watched(&["state/lamp"]).await;
        publisher.publish_with("state/lamp", "on", 1, true).await.expect("a PUBACK");
        let live = publisher.next_message().await.expect("a live message");
        assert_eq!((live.text(), live.retain), ("on", false), "{version:?}");

        let late = device.connect("late").speaking(version).await.expect("a connection");
        late.subscribe_all(&["state/+", "end"], 1).await.expect("a SUBACK");
        late.publish("end", "").await.expect("a PUBACK");
        assert_eq!(late.messages_before("end").await, [], "wildcards get none");
        assert_eq!(late.subscribe("state/lamp").await, Ok(1));
        let retained = late.next_message().await.expect("the retained message");
        assert_eq!((retained.text(), retained.retain), ("on", true), "{version:?}");

        // A publish without RETAIN changes nothing; an empty one with RETAIN deletes.
        publisher.publish("state/lamp", "off").await.expect("a PUBACK");
        let later = device.connect("later").speaking(version).await.expect("a connection");
        later.subscribe("state/lamp").await.expect("a SUBACK");
        assert_eq!(later.next_message().await.expect("the retained message").text(), "on");
        publisher.publish_with("state/lamp", "", 1, true).await.expect("a PUBACK");
        let last = device.connect("last").speaking(version).await.expect("a connection");
        last.subscribe_all(&["state/lamp", "end"], 1).await.expect("a SUBACK");
        last.publish("end", "").await.expect("a PUBACK");
        assert_eq!(last.messages_before("end").await, [], "{version:?}");
    }
}

#[tokio::test]
async fn c41_a_persistent_session_keeps_subscriptions_and_qos_1_messages() {
    for version in [Mqtt311, Mqtt5] {
        let (emulator, device, publisher) = watched(&[]).await;
        let persistent = || device.connect("lamp").speaking(version).persistent();
        let lamp = persistent().await.expect("a connection");
        assert!(!lamp.session_present());
        lamp.subscribe("news").await.expect("a SUBACK");
        lamp.disconnect().await;
        for (payload, qos) in [("one", 1), ("lost", 0), ("two", 1)] {
            publisher.publish_with("news", payload, qos, false).await.expect("sent");
        }
        emulator.settled().await;
        let lamp = persistent().await.expect("a connection");
        assert!(lamp.session_present(), "{version:?}");
        for expected in ["one", "two"] {
            let message = lamp.next_message().await.expect("a stored message");
            assert_eq!((message.text(), message.duplicate), (expected, false), "{version:?}");
        }
        lamp.disconnect().await;

        // The other version cannot resume it, and a clean start ends it.
        let other = if version == Mqtt311 { Mqtt5 } else { Mqtt311 };
        let foreign = device.connect("lamp").speaking(other).persistent();
        assert!(!foreign.await.expect("a connection").session_present(), "{version:?}");
        device.connect("lamp").speaking(version).await.expect("a connection").disconnect().await;
        assert!(!persistent().await.expect("a connection").session_present(), "{version:?}");
    }
}

#[tokio::test]
async fn g14_a_qos_1_message_that_was_not_acknowledged_comes_again_without_dup() {
    for version in [Mqtt311, Mqtt5] {
        let (_emulator, device, publisher) = watched(&[]).await;
        let lamp = device.connect("lamp").speaking(version).persistent();
        let lamp = lamp.without_acknowledging().await.expect("a connection");
        lamp.subscribe("news").await.expect("a SUBACK");
        publisher.publish("news", "again").await.expect("a PUBACK");
        assert_eq!(lamp.next_message().await.expect("the message").text(), "again");
        drop(lamp);

        let lamp = device.connect("lamp").speaking(version).persistent();
        let lamp = lamp.await.expect("a connection");
        assert!(lamp.session_present(), "{version:?}");
        let message = lamp.next_message().await.expect("the message");
        assert_eq!((message.text(), message.duplicate), ("again", false), "{version:?}");
        // Acknowledged now: it does not come a third time.
        publisher.publish("news", "next").await.expect("a PUBACK");
        assert_eq!(lamp.next_message().await.expect("a message").text(), "next", "{version:?}");
        lamp.disconnect().await;
        let lamp = device.connect("lamp").speaking(version).persistent();
        let lamp = lamp.await.expect("a connection");
        publisher.publish("news", "last").await.expect("a PUBACK");
        assert_eq!(lamp.next_message().await.expect("a message").text(), "last", "{version:?}");
    }
}

#[tokio::test]
async fn c40_a_qos_1_message_comes_again_on_a_connection_that_does_not_acknowledge_it() {
    let emulator = Emulator::builder().manual_clock(true).start().expect("free ports");
    let device = trusted(&emulator.iot_core(), "Lamp");
    let lamp = device.connect("lamp").without_acknowledging().await.expect("a connection");
    lamp.subscribe("news").await.expect("a SUBACK");
    lamp.publish("news", "again").await.expect("a PUBACK");
    let first = lamp.next_message().await.expect("the message");
    // awscrt's own tests take 35 seconds without a second delivery for its absence.
    emulator.advance(std::time::Duration::from_secs(35)).await.expect("a manual clock");
    let second = lamp.next_message().await.expect("the message again");
    assert_eq!((second.text(), second.duplicate), (first.text(), false));
}

#[tokio::test]
async fn c33_c35_what_is_not_served_is_refused_in_either_version() {
    let (_emulator, device, watcher) = watched(&[]).await;
    for (version, expected) in [(Mqtt311, None), (Mqtt5, Some(0x9B))] {
        let will = device.connect("lamp").speaking(version).will_with("w", "x", 2, false).await;
        let lamp = device.connect("lamp").speaking(version).await.expect("a connection");
        lamp.publish_with("a", "x", 2, false).await.expect_err("QoS 2 is not served");
        let closed = lamp.closed().await;
        use client_tests::ConnectError::{ClosedBeforeConnack, Refused};
        assert_eq!(will.err(), Some(expected.map_or(ClosedBeforeConnack, Refused)));
        match expected {
            None => assert_eq!(closed, Closed::HungUp),
            Some(code) => {
                assert!(matches!(closed, Closed::Disconnected { reason, .. } if reason == code));
            }
        }
    }
    // Nine filters in one SUBSCRIBE; a topic of AWS's own; `sensor/#` without `sensor`.
    let lamp = device.connect("lamp").await.expect("a connection");
    let nine: Vec<String> = (0..9).map(|number| number.to_string()).collect();
    let nine: Vec<&str> = nine.iter().map(String::as_str).collect();
    let refused = lamp.subscribe_all(&nine, 1).await;
    assert_eq!(refused, Err(MqttError::Closed(Closed::HungUp)));
    let lamp = device.connect("lamp").mqtt5().await.expect("a connection");
    assert_eq!(lamp.subscribe("$SYS/#").await, Ok(0x8F));
    let reserved = lamp.publish("$aws/events/presence/connected/x", "x").await;
    assert_eq!(reserved, Err(MqttError::Refused(0x90)));
    assert_eq!(lamp.unsubscribe("never/had").await, Ok(vec![0x00]));
    assert_eq!(lamp.subscribe_all(&["sensor/#", "end"], 1).await, Ok(vec![1, 1]));
    for topic in ["sensor", "sensor/1", "end"] {
        watcher.publish(topic, "x").await.expect("a PUBACK");
    }
    let heard = lamp.messages_before("end").await;
    assert_eq!(
        heard.iter().map(|message| message.topic.as_str()).collect::<Vec<_>>(),
        ["sensor/1"]
    );
}
