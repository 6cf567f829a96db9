//! What AWS's log says of each event, member by member, as `--log-format json` prints it.
//! Truth: the guide, cwl-format.

use client_tests::{Device, Mqtt};
use iot_emulator::trace::Entry;
use iot_emulator::{Emulator, IotCore, allow};
use serde_json::{Value, json};

use crate::common::{EVERYTHING, change_policy, enrolled, trusted};

/// The last entry of `event_type` in the log.
#[track_caller]
fn last(emulator: &Emulator, event_type: &str) -> Value {
    let entries = emulator.trace().entries();
    let entry = entries.iter().rfind(|entry| entry.event_type == event_type);
    entry.unwrap_or_else(|| panic!("no {event_type}:\n{}", emulator.trace())).to_json()
}

/// Asserts that `entry` is a refusal by a policy, and has `members` beside those of any refusal.
#[track_caller]
fn assert_refused(entry: &Value, device: &Device, members: &Value) {
    let principal = device.certificate_id().to_string();
    assert_eq!(
        [&entry["status"], &entry["logLevel"], &entry["reason"], &entry["details"]],
        ["Failure", "ERROR", "AUTHORIZATION_FAILURE", "Authorization Failure"],
        "{entry}"
    );
    assert_signed(entry, &principal, members);
    assert!(entry["why"].as_array().is_some_and(|lines| lines.len() > 1), "{entry}");
    assert!(entry["answer"].is_string(), "{entry}");
}

#[track_caller]
fn assert_signed(entry: &Value, principal: &str, members: &Value) {
    assert_eq!(entry["principalId"], principal, "{entry}");
    assert_eq!(entry["accountId"], "000000000000");
    assert_eq!(entry["sourceIp"], "127.0.0.1");
    assert!(entry["sourcePort"].as_u64().is_some_and(|port| port > 0), "a number: {entry}");
    assert_eq!(entry["timestamp"].as_str().map(str::len), Some(23), "{entry}");
    assert_eq!(entry["traceId"].as_str().map(str::len), Some(36), "a UUID: {entry}");
    let general = [
        "number",
        "timestamp",
        "logLevel",
        "traceId",
        "accountId",
        "region",
        "status",
        "eventType",
        "principalId",
        "sourceIp",
        "sourcePort",
        "reason",
        "details",
        "why",
        "answer",
    ];
    let mut rest = entry.as_object().expect("an object").clone();
    rest.retain(|name, _| !general.contains(&name.as_str()));
    assert_eq!(Value::from(rest), *members, "{}", entry["eventType"]);
}

async fn connected(device: &Device) -> Mqtt {
    device.connect("lamp").mqtt5().await.expect("iot:Connect is allowed")
}

#[tokio::test]
async fn c61_what_a_policy_refuses_over_mqtt_has_aws_members() {
    let emulator = Emulator::start();
    let iot = emulator.iot_core();
    let device = enrolled(&iot, "Device", allow(&["iot:Publish"], "*"));
    device.connect("lamp").await.expect_err("no iot:Connect");
    let connect = json!({ "protocol": "MQTT", "clientId": "lamp" });
    assert_refused(&last(&emulator, "Connect"), &device, &connect);

    change_policy(&iot, "Device", allow(&["iot:Connect", "iot:Subscribe"], "*"));
    let live = connected(&device).await;
    let of_topic = json!({ "protocol": "MQTT", "clientId": "lamp", "topicName": "a/b" });
    live.publish("a/b", "x").await.expect_err("no iot:Publish");
    assert_refused(&last(&emulator, "Publish-In"), &device, &of_topic);
    live.publish_with("a/b", "x", 1, true).await.expect_err("no iot:Publish");
    let mut retained = of_topic.clone();
    retained["retain"] = "True".into();
    assert_refused(&last(&emulator, "Publish-In"), &device, &retained);

    assert_eq!(live.subscribe("a/b").await, Ok(1));
    let subscribe = last(&emulator, "Subscribe");
    assert_eq!((&subscribe["status"], &subscribe["logLevel"]), (&json!("Success"), &json!("INFO")));
    let subscribed = |code: u8| {
        let mut members = of_topic.clone();
        members["subscriptions"] = json!([{ "topicName": "a/b", "reasonCode": code }]);
        members
    };
    assert_signed(&subscribe, &device.certificate_id().to_string(), &subscribed(1));
    let publisher = trusted(&iot, "Publisher").connect("publisher").await.expect("allowed");
    publisher.publish("a/b", "x").await.expect("allowed");
    emulator.settled().await;
    assert_refused(&last(&emulator, "Publish-Out"), &device, &of_topic);
    change_policy(&iot, "Device", allow(&["iot:Connect"], "*"));
    assert_eq!(live.subscribe("a/b").await, Ok(0x87));
    assert_refused(&last(&emulator, "Subscribe"), &device, &subscribed(0x87));
}

#[tokio::test]
async fn c61_connections_come_and_go_with_aws_members() {
    let emulator = Emulator::start();
    let device = trusted(&emulator.iot_core(), "Device");
    let principal = device.certificate_id().to_string();
    let live = connected(&device).await;
    let who = json!({ "protocol": "MQTT", "clientId": "lamp" });
    let connect = json!({
        "protocol": "MQTT", "clientId": "lamp", "keepAliveDuration": 60, "sessionExpiry": 0,
        "cleanSession": true,
    });
    assert_signed(&last(&emulator, "Connect"), &principal, &connect);
    let _takes_over = connected(&device).await;
    live.closed().await;
    let entry = last(&emulator, "Disconnect");
    assert_eq!(entry["reason"], "DUPLICATE_CLIENT_ID");
    let mut ended = who;
    ended["disconnectReason"] = "DUPLICATE_CLIENTID".into();
    assert_signed(&entry, &principal, &ended);
}

#[tokio::test]
async fn c50_a_connect_names_its_thing_and_its_session() {
    let emulator = Emulator::start();
    let iot = emulator.iot_core();
    let device = trusted(&iot, "Device");
    iot.call("CreateThing", json!({ "thingName": "porch" })).expect("a thing");
    let principal = iot.certificate_arn(device.certificate_id());
    let kind = "EXCLUSIVE_THING";
    let input = json!({ "thingName": "porch", "principal": principal, "thingPrincipalType": kind });
    iot.call("AttachThingPrincipal", input).expect("an attachment");
    let _lamp = device.connect("lamp").persistent().await.expect("allowed");
    let connect = json!({
        "protocol": "MQTT", "clientId": "lamp", "thingName": "porch", "keepAliveDuration": 60,
        "sessionExpiry": 3600, "cleanSession": false,
    });
    let principal = device.certificate_id().to_string();
    assert_signed(&last(&emulator, "Connect"), &principal, &connect);
}

#[tokio::test]
async fn c50_the_operations_of_the_data_endpoint_have_aws_members() {
    let emulator = Emulator::start();
    let device = enrolled(&emulator.iot_core(), "Device", allow(&["iot:*"], "*"));
    let live = connected(&device).await;
    live.publish_with("a/b", "x", 1, true).await.expect("a PUBACK");
    let of_client = json!({ "protocol": "HTTP", "clientId": "lamp" });
    let with = |name: &str, value: Value| {
        let mut members = of_client.clone();
        members[name] = value;
        members
    };
    let of_topic = json!({ "protocol": "HTTP", "topicName": "a/b", "qos": "1" });
    let sent = json!({
        "protocol": "HTTP", "clientId": "lamp", "topicName": "a", "confirmation": true,
        "timeout": 3,
    });
    let direct = "/connections/lamp/messages?topic=a&confirmation=true&timeout=3";
    let table = [
        ("GET", "/retainedMessage/a%2Fb", "GetRetainedMessage", of_topic),
        ("GET", "/retainedMessage", "ListRetainedMessage", json!({ "protocol": "HTTP" })),
        ("GET", "/connections/lamp", "GetConnection", of_client.clone()),
        (
            "GET",
            "/connections/lamp/subscriptions?maxResults=100",
            "ListSubscriptions",
            with("maxResults", json!(100)),
        ),
        ("POST", direct, "SendDirectMessage", sent),
        ("DELETE", "/connections/lamp", "DeleteConnection", of_client.clone()),
    ];
    for (method, path, event_type, members) in table {
        let answer = ask(&device, method, path).await;
        assert!(answer.starts_with("HTTP/1.1 20"), "{method} {path}: {answer}");
        let mut entry = last(&emulator, event_type);
        if event_type == "GetRetainedMessage" {
            let modified = entry.as_object_mut().and_then(|it| it.remove("lastModifiedDate"));
            let modified = modified.as_ref().and_then(Value::as_str).map(str::len);
            assert_eq!(modified, Some(23), "a date: {entry}");
        }
        assert_signed(&entry, &device.certificate_id().to_string(), &members);
    }
}

/// One request of `device` over HTTPS.
async fn ask(device: &Device, method: &str, path: &str) -> String {
    let mut wire = device.open_https().await.expect("a handshake");
    let request = format!(
        "{method} {path} HTTP/1.1\r\nHost: localhost\r\nContent-Length: 0\r\n\
         Connection: close\r\n\r\n"
    );
    wire.send(request.as_bytes()).await;
    let (answer, _) = wire.rest().await;
    String::from_utf8_lossy(&answer).into_owned()
}

#[tokio::test]
async fn c61_what_a_policy_refuses_over_https_has_aws_members() {
    let emulator = Emulator::start();
    let iot: IotCore = emulator.iot_core();
    let device = enrolled(&iot, "Device", allow(&["iot:Connect"], "*"));
    let table = [
        ("POST", "/topics/a", "Publish-In", json!({ "topicName": "a" })),
        (
            "POST",
            "/topics/a?retain=true",
            "Publish-In",
            json!({ "topicName": "a", "retain": "True" }),
        ),
        ("GET", "/retainedMessage/a", "GetRetainedMessage", json!({ "topicName": "a" })),
        ("GET", "/retainedMessage", "ListRetainedMessage", json!({})),
        ("GET", "/connections/c", "GetConnection", json!({ "clientId": "c" })),
        ("DELETE", "/connections/c", "DeleteConnection", json!({ "clientId": "c" })),
        ("GET", "/connections/c/subscriptions", "ListSubscriptions", json!({ "clientId": "c" })),
    ];
    for (method, path, event_type, mut members) in table {
        let answer = ask(&device, method, path).await;
        assert!(answer.starts_with("HTTP/1.1 403"), "{method} {path}: {answer}");
        members["protocol"] = "HTTP".into();
        let entry = last(&emulator, event_type);
        assert_refused(&entry, &device, &members);
        assert_eq!(entry["answer"], "HTTP 403");
    }
}

#[tokio::test]
async fn c61_the_trace_for_people_says_the_same_and_why() {
    let emulator = Emulator::start();
    let most = EVERYTHING.iter().filter(|action| **action != "iot:Publish");
    let most: Vec<&str> = most.copied().collect();
    let device = enrolled(&emulator.iot_core(), "Device", allow(&most, "*"));
    connected(&device).await.publish("a", "x").await.expect_err("no iot:Publish");
    let refusals = emulator.trace().refusals();
    let printed = refusals.last().map(|entry: &std::sync::Arc<Entry>| entry.to_string());
    let printed = printed.expect("a refusal");
    for phrase in [
        "lamp  refused Publish-In topicName=a protocol=MQTT principalId=",
        "AUTHORIZATION_FAILURE: Authorization Failure",
        "refused iot:Publish on arn:aws:iot:us-east-1:000000000000:topic/a",
        "implicit deny: no statement of policy `Device` v1 matches",
        "AWS answers: PUBACK 0x87",
    ] {
        assert!(printed.contains(phrase), "`{phrase}` is not in\n{printed}");
    }
}
