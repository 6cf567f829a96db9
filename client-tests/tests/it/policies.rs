//! What policies allow and deny, and what a refused client sees in either version of MQTT.
//! Truth: spec C04, C05, C34, measured by floci on eu-west-1, 2026-10-02.

use client_tests::{Closed, ConnectError, Device, Mqtt, MqttError, Version};
use iot_emulator::{Emulator, IotCore, allow};
use serde_json::{Value, json};

use crate::common::{change_policy, enrolled, trusted, unattached};

use Version::{Mqtt5, Mqtt311};

const NOT_AUTHORIZED: u8 = 0x87;

/// A policy document of `(effect, action, resource)`; a resource is given from its kind on.
fn document(statements: &[(&str, &str, &str)]) -> String {
    let statements: Vec<Value> = statements
        .iter()
        .map(|(effect, action, resource)| {
            let resource = format!("arn:aws:iot:us-east-1:000000000000:{resource}");
            json!({ "Effect": effect, "Action": action, "Resource": resource })
        })
        .collect();
    json!({ "Version": "2012-10-17", "Statement": statements }).to_string()
}

/// Connects as any client, and may do what `statements` say besides.
async fn connected(iot: &IotCore, version: Version, statements: &[(&str, &str, &str)]) -> Mqtt {
    let mut all = vec![("Allow", "iot:Connect", "client/*")];
    all.extend(statements);
    let device = enrolled(iot, "Device", document(&all));
    device.connect("sensor-1").speaking(version).await.expect("iot:Connect is allowed")
}

/// What a client sees whose connection was ended because it may not do something.
fn refused(version: Version) -> Result<(), ConnectError> {
    Err(match version {
        Mqtt311 => ConnectError::ClosedBeforeConnack,
        Mqtt5 => ConnectError::Refused(NOT_AUTHORIZED),
    })
}

async fn attempt(device: &Device, client_id: &str, version: Version) -> Result<(), ConnectError> {
    device.connect(client_id).speaking(version).await.map(drop)
}

#[tokio::test]
async fn c04_c05_nothing_is_allowed_by_default() {
    for version in [Mqtt311, Mqtt5] {
        let emulator = Emulator::start();
        let iot = emulator.iot_core();
        let device = unattached(&iot, "Device");
        assert_eq!(attempt(&device, "sensor-1", version).await, refused(version));
        // A policy that speaks of something else changes nothing.
        iot.create_policy("Device", allow(&["iot:Publish"], "*"));
        iot.attach_policy("Device", device.certificate_id());
        assert_eq!(attempt(&device, "sensor-1", version).await, refused(version));
        change_policy(&iot, "Device", allow(&["iot:Connect"], "*"));
        assert_eq!(attempt(&device, "sensor-1", version).await, Ok(()));
    }
}

#[tokio::test]
async fn c05_the_connack_of_a_refused_mqtt_5_client_has_a_reason_string() {
    let emulator = Emulator::start();
    let mut wire = unattached(&emulator.iot_core(), "Device").open().await.expect("a handshake");
    // CONNECT, MQTT 5, clean start, keep-alive 60, no properties, client ID `x`.
    wire.send(b"\x10\x0e\x00\x04MQTT\x05\x02\x00\x3c\x00\x00\x01x").await;
    let (connack, ending) = wire.rest().await;
    assert_eq!((connack[0], connack[2], connack[3]), (0x20, 0, NOT_AUTHORIZED), "{connack:x?}");
    assert_reason_string("CONNACK", &String::from_utf8_lossy(&connack));
    assert_eq!(ending, client_tests::Ending::CloseNotify);
}

/// `PACKET:Client is not authenticated/authorized to send the message:UUID`, at the end of `text`.
#[track_caller]
fn assert_reason_string(packet: &str, text: &str) {
    let words = format!("{packet}:Client is not authenticated/authorized to send the message:");
    let (_, uuid) = text.split_once(&words).unwrap_or_else(|| panic!("no `{words}` in {text}"));
    let lengths: Vec<usize> = uuid.split('-').map(str::len).collect();
    assert_eq!(lengths, [8, 4, 4, 4, 12], "{uuid}");
}

#[tokio::test]
async fn c34_a_publish_that_is_not_allowed() {
    for (version, qos) in [(Mqtt311, 0), (Mqtt311, 1), (Mqtt5, 0), (Mqtt5, 1)] {
        let emulator = Emulator::start();
        let iot = emulator.iot_core();
        let mqtt = connected(&iot, version, &[("Allow", "iot:Publish", "topic/mine/*")]).await;
        let done = mqtt.publish_with("theirs/1", "x", qos, false).await;
        match (version, qos) {
            (Mqtt5, 1) => {
                assert_eq!(done, Err(MqttError::Refused(NOT_AUTHORIZED)));
                mqtt.publish("mine/1", "x").await.expect("the session is kept");
            }
            (Mqtt5, _) => {
                let Closed::Disconnected { reason, reason_string } = mqtt.closed().await else {
                    panic!("no DISCONNECT: {mqtt:?}");
                };
                assert_eq!(reason, NOT_AUTHORIZED);
                assert_reason_string("DISCONNECT", &reason_string.expect("a reason string"));
            }
            (Mqtt311, _) => assert_eq!(mqtt.closed().await, Closed::HungUp, "QoS {qos}: {done:?}"),
        }
    }
}

#[tokio::test]
async fn c34_a_subscribe_that_is_not_allowed() {
    for version in [Mqtt311, Mqtt5] {
        let emulator = Emulator::start();
        let iot = emulator.iot_core();
        let statements = [("Allow", "iot:Subscribe", "topicfilter/mine/*")];
        let mqtt = connected(&iot, version, &statements).await;
        assert_eq!(mqtt.subscribe("mine/1").await, Ok(1));
        let done = mqtt.subscribe("theirs/1").await;
        match version {
            Mqtt311 => assert_eq!(done, Err(MqttError::Closed(Closed::HungUp))),
            Mqtt5 => {
                assert_eq!(done, Ok(NOT_AUTHORIZED));
                let mixed = mqtt.subscribe_all(&["mine/2", "theirs/2"], 0).await;
                assert_eq!(mixed, Ok(vec![0, NOT_AUTHORIZED]));
            }
        }
    }
}

#[tokio::test]
async fn c34_a_message_that_may_not_be_received_does_not_arrive() {
    for version in [Mqtt311, Mqtt5] {
        let emulator = Emulator::start();
        let iot = emulator.iot_core();
        let statements =
            [("Allow", "iot:Subscribe", "topicfilter/*"), ("Allow", "iot:Receive", "topic/open/*")];
        let mqtt = connected(&iot, version, &statements).await;
        assert_eq!(mqtt.subscribe("#").await, Ok(1));
        let publisher = trusted(&iot, "Publisher").connect("publisher").await.expect("allowed");
        for qos in [0, 1] {
            publisher.publish_with("secret/1", "x", qos, false).await.expect("unaffected");
        }
        publisher.publish("open/1", "x").await.expect("a PUBACK");
        assert_eq!(mqtt.messages_before("open/1").await, []);
    }
}

#[tokio::test]
async fn a_retained_publish_needs_iot_retain_publish_besides() {
    let emulator = Emulator::start();
    let iot = emulator.iot_core();
    let mqtt = connected(&iot, Mqtt5, &[("Allow", "iot:Publish", "topic/*")]).await;
    let retained = mqtt.publish_with("a", "x", 1, true).await;
    assert_eq!(retained, Err(MqttError::Refused(NOT_AUTHORIZED)));
    mqtt.publish("a", "x").await.expect("without RETAIN it may");
}

#[tokio::test]
async fn an_explicit_deny_wins() {
    let emulator = Emulator::start();
    let statements =
        [("Allow", "iot:Publish", "topic/*"), ("Deny", "iot:Publish", "topic/alarms/*")];
    let mqtt = connected(&emulator.iot_core(), Mqtt5, &statements).await;
    mqtt.publish("a/b", "x").await.expect("allowed");
    assert_eq!(mqtt.publish("alarms/1", "x").await, Err(MqttError::Refused(NOT_AUTHORIZED)));
}

#[tokio::test]
async fn wildcards_of_a_policy_are_not_those_of_a_topic_filter() {
    let emulator = Emulator::start();
    let statements = [
        ("Allow", "iot:Publish", "topic/room/?/light*"),
        ("Allow", "iot:Subscribe", "topicfilter/literal/#"),
        ("Allow", "iot:Subscribe", "topicfilter/any/*"),
    ];
    let mqtt = connected(&emulator.iot_core(), Mqtt5, &statements).await;
    for (topic, allowed) in [
        ("room/1/light", true),
        ("room/1/lights/2", true),
        ("room/12/light", false),
        ("room/1/heat", false),
    ] {
        assert_eq!(mqtt.publish(topic, "x").await.is_ok(), allowed, "{topic}");
    }
    for (filter, code) in [
        ("literal/#", 1),
        ("literal/a", NOT_AUTHORIZED),
        ("any/a", 1),
        ("any/#", 1),
        ("any/+/b", 1),
        ("#", NOT_AUTHORIZED),
    ] {
        assert_eq!(mqtt.subscribe(filter).await, Ok(code), "{filter}");
    }
}

#[tokio::test]
async fn the_client_id_can_stand_in_a_policy() {
    let emulator = Emulator::start();
    let statements = [
        ("Allow", "iot:Connect", "client/sensor-*"),
        ("Allow", "iot:Publish", "topic/things/${iot:ClientId}/*"),
    ];
    let device = enrolled(&emulator.iot_core(), "Device", document(&statements));
    assert_eq!(attempt(&device, "lamp-1", Mqtt311).await, refused(Mqtt311));
    let mqtt = device.connect("sensor-2").mqtt5().await.expect("allowed");
    mqtt.publish("things/sensor-2/state", "x").await.expect("its own topic");
    let foreign = mqtt.publish("things/sensor-1/state", "x").await;
    assert_eq!(foreign, Err(MqttError::Refused(NOT_AUTHORIZED)));
}

#[tokio::test]
async fn the_thing_name_can_stand_in_a_policy() {
    let emulator = Emulator::start();
    let iot = emulator.iot_core();
    let statements = [
        ("Allow", "iot:Connect", "client/${iot:Connection.Thing.ThingName}"),
        ("Allow", "iot:Publish", "topic/things/${iot:Connection.Thing.ThingName}/*"),
    ];
    let device = enrolled(&iot, "Device", document(&statements));
    // The certificate belongs to no thing yet: the variable has no value.
    assert_eq!(attempt(&device, "DemoThing", Mqtt311).await, refused(Mqtt311));
    iot.call("CreateThing", json!({ "thingName": "DemoThing" })).expect("a thing");
    let principal = iot.certificate_arn(device.certificate_id());
    let input = json!({ "thingName": "DemoThing", "principal": principal });
    iot.call("AttachThingPrincipal", input).expect("an attachment");

    let mqtt = device.connect("DemoThing").mqtt5().await.expect("the thing's own name");
    mqtt.publish("things/DemoThing/state", "x").await.expect("its own topic");
    let foreign = mqtt.publish("things/Other/state", "x").await;
    assert_eq!(foreign, Err(MqttError::Refused(NOT_AUTHORIZED)));
    for version in [Mqtt311, Mqtt5] {
        assert_eq!(attempt(&device, "somebody-else", version).await, refused(version));
    }
}

#[tokio::test]
async fn a_changed_policy_takes_effect_on_a_live_connection() {
    let emulator = Emulator::start();
    let iot = emulator.iot_core();
    let mqtt = connected(&iot, Mqtt5, &[]).await;
    assert_eq!(mqtt.publish("a", "1").await, Err(MqttError::Refused(NOT_AUTHORIZED)));
    change_policy(&iot, "Device", allow(&["iot:*"], "*"));
    mqtt.publish("a", "2").await.expect("allowed now");
    assert_eq!(mqtt.subscribe("a").await, Ok(1));
    mqtt.publish("a", "3").await.expect("allowed now");
    assert_eq!(mqtt.next_message().await.expect("received").text(), "3");

    // iot:Receive is asked for each message, whatever was granted when the client subscribed.
    change_policy(&iot, "Device", allow(&["iot:Connect", "iot:Publish"], "*"));
    mqtt.publish("a", "4").await.expect("still allowed");
    emulator.settled().await;
    change_policy(&iot, "Device", allow(&["iot:*"], "*"));
    mqtt.publish("a", "5").await.expect("still allowed");
    assert_eq!(mqtt.next_message().await.expect("received").text(), "5");
}

#[tokio::test]
async fn a_detached_policy_allows_nothing_any_more() {
    let emulator = Emulator::start();
    let iot = emulator.iot_core();
    let device = trusted(&iot, "Device");
    let mqtt = device.connect("sensor-1").await.expect("allowed");
    let target = iot.certificate_arn(device.certificate_id());
    let input = json!({ "policyName": "Device", "target": target });
    iot.call("DetachPolicy", input).expect("it is attached");
    assert_eq!(mqtt.publish("a", "x").await, Err(MqttError::Closed(Closed::HungUp)));
    assert_eq!(attempt(&device, "sensor-1", Mqtt311).await, refused(Mqtt311));
}

#[tokio::test]
async fn pol_3_a_policy_of_a_parent_group_counts_as_long_as_the_thing_is_in_the_group() {
    let emulator = Emulator::start();
    let iot = emulator.iot_core();
    let device = enrolled(&iot, "Device", allow(&["iot:Connect"], "*"));
    iot.create_policy("Site", allow(&["iot:Publish"], "*"));
    let call = |operation: &str, input: Value| iot.call(operation, input).expect("a good call");
    let site = call("CreateThingGroup", json!({ "thingGroupName": "Site" }));
    call("CreateThingGroup", json!({ "thingGroupName": "Hall", "parentGroupName": "Site" }));
    let target = &site["thingGroupArn"];
    call("AttachPolicy", json!({ "policyName": "Site", "target": target }));
    call("CreateThing", json!({ "thingName": "lamp" }));
    let principal = iot.certificate_arn(device.certificate_id());
    call("AttachThingPrincipal", json!({ "thingName": "lamp", "principal": principal }));
    let lamp_in_hall = json!({ "thingName": "lamp", "thingGroupName": "Hall" });
    call("AddThingToThingGroup", lamp_in_hall.clone());

    let lamp = device.connect("lamp").mqtt5().await.expect("its own policy");
    lamp.publish("a", "x").await.expect("the policy of the parent group");
    // Without the thing's name as its client ID the device is no thing, and in no group.
    let other = device.connect("other").mqtt5().await.expect("its own policy");
    assert_eq!(other.publish("a", "x").await, Err(MqttError::Refused(NOT_AUTHORIZED)));

    call("RemoveThingFromThingGroup", lamp_in_hall);
    assert_eq!(lamp.publish("a", "x").await, Err(MqttError::Refused(NOT_AUTHORIZED)));
}

#[tokio::test]
async fn c09_a_certificate_that_is_no_longer_active_loses_its_connections() {
    for status in ["INACTIVE", "REVOKED"] {
        let emulator = Emulator::start();
        let iot = emulator.iot_core();
        let device = trusted(&iot, "Device");
        let old = device.connect("old").await.expect("ACTIVE");
        let new = device.connect("new").mqtt5().await.expect("ACTIVE");
        let other = trusted(&iot, "Other").connect("other").await.expect("ACTIVE");

        let id = device.certificate_id().to_string();
        let input = json!({ "certificateId": id, "newStatus": status });
        iot.call("UpdateCertificate", input).expect("a status");
        assert_eq!(old.closed().await, Closed::HungUp, "{status}");
        assert!(matches!(new.closed().await, Closed::Disconnected { reason: 0x87, .. }), "{new:?}");
        // An unknown or inactive certificate is an authentication failure: no CONNACK in MQTT 5.
        for version in [Mqtt311, Mqtt5] {
            let again = attempt(&device, "old", version).await;
            assert_eq!(again, Err(ConnectError::ClosedBeforeConnack), "{status} {version:?}");
        }
        let input = json!({ "certificateId": id, "forceDelete": true });
        iot.call("DeleteCertificate", input).expect("it is not ACTIVE");
        let gone = attempt(&device, "old", Mqtt311).await;
        assert_eq!(gone, Err(ConnectError::ClosedBeforeConnack));
        other.publish("a", "x").await.expect("nobody else is touched");
    }
}

#[tokio::test]
async fn a_will_that_may_not_be_published_refuses_the_connect() {
    for version in [Mqtt311, Mqtt5] {
        let emulator = Emulator::start();
        let iot = emulator.iot_core();
        let watcher = trusted(&iot, "Watcher").connect("watcher").await.expect("allowed");
        watcher.subscribe("$aws/events/presence/connect_failed/+").await.expect("a SUBACK");
        let device = enrolled(&iot, "Device", allow(&["iot:Connect"], "*"));
        let connecting = device.connect("sensor-1").speaking(version).will("wills/1", "x");
        assert_eq!(connecting.await.map(drop), refused(version));
        let event = watcher.next_message().await.expect("an event").json();
        assert_eq!(event["connectFailureReason"], "AUTHORIZATION_FAILED");
    }
}
