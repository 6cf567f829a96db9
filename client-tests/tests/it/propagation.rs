//! When a change of policies takes effect, and for whom: at once, or after
//! `policy_propagation_seconds` as AWS caches them.
//! Truth: spec POL-9 and POL-10; the guide, iot-policies and pub-sub-policy.

use std::time::Duration;

use client_tests::{Closed, ConnectError, Device, Mqtt, MqttError, Version};
use iot_emulator::{Emulator, Identity, IotCore, allow};
use serde_json::{Value, json};

use crate::common::{
    assert_says, change_policy, enrolled, publish_over_https, refusal, trusted, unattached,
};

const NOT_AUTHORIZED: u8 = 0x87;
const DELAY: u64 = 360;

fn slow() -> Emulator {
    let builder = Emulator::builder().manual_clock(true).policy_propagation_seconds(DELAY);
    builder.start().expect("free ports")
}

async fn advance(emulator: &Emulator, seconds: u64) {
    emulator.advance(Duration::from_secs(seconds)).await.expect("a manual clock");
}

fn call(iot: &IotCore, operation: &str, input: Value) -> Value {
    iot.call(operation, input).unwrap_or_else(|error| panic!("{operation}: {error}"))
}

async fn may_publish(mqtt: &Mqtt) -> bool {
    match mqtt.publish("a", "x").await {
        Ok(()) => true,
        Err(MqttError::Refused(NOT_AUTHORIZED)) => false,
        other => panic!("{other:?}"),
    }
}

async fn lamp(device: &Device) -> Mqtt {
    device.connect("lamp").mqtt5().await.expect("iot:Connect is allowed all the time")
}

/// The device `lamp`, which may connect; the thing `lamp`, which is its; the group `Hall` with a
/// policy that allows all; and policies that no one has.
fn stage(iot: &IotCore) -> Device {
    let device = enrolled(iot, "Connect", allow(&["iot:Connect"], "*"));
    for (name, version_2) in [("Publish", "iot:Publish"), ("Hall", "iot:Publish")] {
        iot.create_policy(name, allow(&["iot:Receive"], "*"));
        change_policy(iot, name, allow(&[version_2], "*"));
    }
    let group = call(iot, "CreateThingGroup", json!({ "thingGroupName": "Hall" }));
    let target = &group["thingGroupArn"];
    call(iot, "AttachPolicy", json!({ "policyName": "Hall", "target": target }));
    let in_rome = json!({ "StringEquals": { "iot:Connection.Thing.Attributes[site]": "Rome" } });
    let own = json!({ "Effect": "Allow", "Action": "iot:Publish", "Resource": "*",
                      "Condition": in_rome });
    let document = json!({ "Version": "2012-10-17", "Statement": [own] }).to_string();
    iot.create_policy("Site", document);
    call(iot, "CreateThing", json!({ "thingName": "lamp" }));
    let principal = iot.certificate_arn(device.certificate_id());
    call(iot, "AttachThingPrincipal", json!({ "thingName": "lamp", "principal": principal }));
    device
}

/// A change, and who is allowed to publish by it.
struct Change {
    name: &'static str,
    before: &'static [(&'static str, &'static str)],
    change: (&'static str, &'static str),
    allowed: bool,
    /// Whether it decides over HTTPS too, where there is no thing.
    https: bool,
}

/// An operation with the members it is told, and the device where it says so.
fn perform(iot: &IotCore, device: &Device, (operation, input): (&str, &str)) {
    let arn = iot.certificate_arn(device.certificate_id()).to_string();
    let input: Value = serde_json::from_str(&input.replace("DEVICE", &arn)).expect("JSON");
    call(iot, operation, input);
}

const ATTACH: (&str, &str) = ("AttachPolicy", r#"{"policyName":"Publish","target":"DEVICE"}"#);
const DETACH: (&str, &str) = ("DetachPolicy", r#"{"policyName":"Publish","target":"DEVICE"}"#);
const VERSION_1: (&str, &str) =
    ("SetDefaultPolicyVersion", r#"{"policyName":"Publish","policyVersionId":"1"}"#);
const VERSION_2: (&str, &str) =
    ("SetDefaultPolicyVersion", r#"{"policyName":"Publish","policyVersionId":"2"}"#);
const JOIN: (&str, &str) =
    ("AddThingToThingGroup", r#"{"thingName":"lamp","thingGroupName":"Hall"}"#);
const LEAVE: (&str, &str) =
    ("RemoveThingFromThingGroup", r#"{"thingName":"lamp","thingGroupName":"Hall"}"#);
const ATTACH_SITE: (&str, &str) = ("AttachPolicy", r#"{"policyName":"Site","target":"DEVICE"}"#);
const IN_ROME: (&str, &str) =
    ("UpdateThing", r#"{"thingName":"lamp","attributePayload":{"attributes":{"site":"Rome"}}}"#);
const LEAVE_THE_THING: (&str, &str) =
    ("DetachThingPrincipal", r#"{"thingName":"lamp","principal":"DEVICE"}"#);

#[rustfmt::skip]
const CHANGES: [Change; 8] = [
    Change { name: "attached", before: &[], change: ATTACH, allowed: true, https: true },
    Change { name: "detached", before: &[ATTACH], change: DETACH, allowed: false, https: true },
    Change { name: "default version that allows", before: &[ATTACH, VERSION_1], change: VERSION_2, allowed: true, https: true },
    Change { name: "default version that does not", before: &[ATTACH], change: VERSION_1, allowed: false, https: true },
    Change { name: "joins a group", before: &[], change: JOIN, allowed: true, https: false },
    Change { name: "leaves a group", before: &[JOIN], change: LEAVE, allowed: false, https: false },
    Change { name: "attribute", before: &[ATTACH_SITE], change: IN_ROME, allowed: true, https: false },
    Change { name: "thing detached", before: &[JOIN], change: LEAVE_THE_THING, allowed: false, https: false },
];

#[tokio::test]
async fn pol_9_whoever_was_decided_about_before_a_change_is_decided_about_as_before() {
    for Change { name, before, change, allowed, https } in CHANGES {
        let emulator = slow();
        let iot = emulator.iot_core();
        let device = stage(&iot);
        before.iter().for_each(|change| perform(&iot, &device, *change));
        let status = |allowed: bool| if allowed && https { "200" } else { "403" };

        let live = lamp(&device).await;
        assert_eq!(may_publish(&live).await, !allowed, "{name}: before");
        perform(&iot, &device, change);
        for wait in [0, DELAY - 1] {
            advance(&emulator, wait).await;
            assert_eq!(may_publish(&live).await, !allowed, "{name}: live, after {wait} s");
            let over_https = publish_over_https(&device, "a").await;
            assert_eq!(over_https, status(!allowed), "{name}: HTTPS, after {wait} s");
            let again = device.connect("other").mqtt5().await.expect("iot:Connect is allowed");
            assert_eq!(may_publish(&again).await, !allowed && https, "{name}: another client ID");
        }
        advance(&emulator, 1).await;
        assert_eq!(may_publish(&live).await, allowed, "{name}: live, in the end");
        assert_eq!(publish_over_https(&device, "a").await, status(allowed), "{name}: HTTPS");
        assert_eq!(may_publish(&lamp(&device).await).await, allowed, "{name}: again");
    }
}

#[tokio::test]
async fn pol_9_a_reconnect_is_decided_by_what_was_and_a_newcomer_by_what_is() {
    for version in [Version::Mqtt311, Version::Mqtt5] {
        let emulator = slow();
        let iot = emulator.iot_core();
        let seen = trusted(&iot, "Fleet");
        let newcomer = unattached(&iot, "Newcomer");
        iot.attach_policy("Fleet", newcomer.certificate_id());
        seen.connect("seen").speaking(version).await.expect("allowed").disconnect().await;
        // However long ago: nothing has changed since.
        advance(&emulator, 10 * DELAY).await;
        change_policy(&iot, "Fleet", allow(&["iot:Publish"], "*"));
        let attempt =
            async |device: &Device| device.connect("x").speaking(version).await.map(drop).is_ok();
        assert!(attempt(&seen).await, "as before");
        assert!(!attempt(&newcomer).await, "a principal that is seen first is read afresh");
        advance(&emulator, DELAY).await;
        assert!(!attempt(&seen).await, "the change counts");

        change_policy(&iot, "Fleet", allow(&["iot:Connect"], "*"));
        assert!(!attempt(&seen).await && !attempt(&newcomer).await, "grants take as long");
        advance(&emulator, DELAY).await;
        assert!(attempt(&seen).await && attempt(&newcomer).await);
    }
}

#[tokio::test]
async fn pol_9_several_changes_count_one_after_the_other() {
    let emulator = slow();
    let iot = emulator.iot_core();
    let device = stage(&iot);
    let live = lamp(&device).await;
    // At 0, 100 and 200 seconds.
    for change in [ATTACH, VERSION_1, VERSION_2] {
        perform(&iot, &device, change);
        assert!(!may_publish(&live).await);
        advance(&emulator, 100).await;
    }
    let mut at = 300;
    for (seconds, allowed) in
        [(359, false), (360, true), (459, true), (460, false), (559, false), (560, true)]
    {
        advance(&emulator, seconds - at).await;
        at = seconds;
        assert_eq!(may_publish(&live).await, allowed, "at {seconds} s");
        let again = device.connect("again").mqtt5().await.expect("iot:Connect is allowed");
        assert_eq!(may_publish(&again).await, allowed, "at {seconds} s, again");
    }
}

#[tokio::test]
async fn pol_9_subscribing_and_receiving_wait_for_a_change_too() {
    let emulator = slow();
    let iot = emulator.iot_core();
    let device = trusted(&iot, "Device");
    let live = lamp(&device).await;
    let publisher = trusted(&iot, "Publisher").connect("publisher").await.expect("allowed");
    assert_eq!(live.subscribe("news").await, Ok(1));
    change_policy(&iot, "Device", allow(&["iot:Connect", "iot:Publish"], "*"));
    advance(&emulator, DELAY - 1).await;
    assert_eq!(live.subscribe("news/2").await, Ok(1));
    publisher.publish("news", "1").await.expect("allowed");
    assert_eq!(live.next_message().await.expect("received as before").text(), "1");

    advance(&emulator, 1).await;
    assert_eq!(live.subscribe("news/3").await, Ok(NOT_AUTHORIZED));
    publisher.publish("news", "2").await.expect("allowed");
    emulator.settled().await;
    assert_says(&refusal(&emulator, "Publish-Out"), &["refused iot:Receive on "]);
    change_policy(&iot, "Device", allow(&["iot:*"], "*"));
    publisher.publish("news", "3").await.expect("allowed");
    emulator.settled().await;
    let waiting = "a change is still propagating, policy_propagation_seconds = 360";
    assert_says(&refusal(&emulator, "Publish-Out"), &[waiting]);
    advance(&emulator, DELAY).await;
    publisher.publish("news", "4").await.expect("allowed");
    assert_eq!(live.next_message().await.expect("received again").text(), "4");
}

#[tokio::test]
async fn pol_9_the_trace_says_when_a_newer_policy_does_not_count_yet() {
    let emulator = slow();
    let iot = emulator.iot_core();
    let device = stage(&iot);
    let live = lamp(&device).await;
    assert!(!may_publish(&live).await);
    let line = "a change is still propagating";
    assert!(!refusal(&emulator, "Publish-In").to_string().contains(line));
    perform(&iot, &device, ATTACH);
    assert!(!may_publish(&live).await);
    let entry = refusal(&emulator, "Publish-In");
    let why = entry.why.last().expect("lines that explain");
    let (as_of, rest) = why.split_once(": ").expect("a moment");
    assert_eq!(rest, format!("{line}, policy_propagation_seconds = {DELAY}"));
    assert_eq!(as_of.len(), "policies as of 10:02:11".len(), "{as_of}");
    assert_eq!(publish_over_https(&device, "a").await, "403");
    assert_says(&refusal(&emulator, "Publish-In"), &[line, "HTTP 403"]);
    // What is allowed by policies that are no more says so as well.
    device.connect("again").await.expect("iot:Connect is allowed");
    let connected = emulator.trace().entries().into_iter().rfind(|it| it.event_type == "Connect");
    assert_says(&connected.expect("an entry"), &[line]);
    // A change that decides nothing for this device does not wait.
    advance(&emulator, DELAY).await;
    iot.create_policy("Unrelated", allow(&["iot:*"], "*"));
    iot.attach_policy("Unrelated", unattached(&iot, "Other").certificate_id());
    live.subscribe("a").await.expect("a SUBACK");
    assert!(!refusal(&emulator, "Subscribe").to_string().contains(line));
}

#[tokio::test]
async fn pol_9_the_api_shows_a_change_at_once_and_a_certificate_ends_at_once() {
    let emulator = slow();
    let iot = emulator.iot_core();
    let device = trusted(&iot, "Device");
    let live = lamp(&device).await;
    let principal = iot.certificate_arn(device.certificate_id());
    change_policy(&iot, "Device", allow(&["iot:Connect"], "*"));
    let got = call(&iot, "GetPolicy", json!({ "policyName": "Device" }));
    assert_eq!(got["defaultVersionId"], "2");
    let effective = call(&iot, "GetEffectivePolicies", json!({ "principal": principal }));
    let document = &effective["effectivePolicies"][0]["policyDocument"];
    assert_eq!(*document, got["policyDocument"]);
    let resource = "arn:aws:iot:us-east-1:000000000000:topic/a";
    let info = json!({ "actionType": "PUBLISH", "resources": [resource] });
    let question = json!({ "principal": principal, "clientId": "lamp", "authInfos": [info] });
    let told = call(&iot, "TestAuthorization", question);
    assert_eq!(told["authResults"][0]["authDecision"], "IMPLICIT_DENY");
    assert!(may_publish(&live).await, "the device does not know yet");

    let id = device.certificate_id().to_string();
    let status = json!({ "certificateId": id, "newStatus": "INACTIVE" });
    call(&iot, "UpdateCertificate", status);
    assert!(matches!(live.closed().await, Closed::Disconnected { .. }));
    let again = device.connect("lamp").await.map(drop);
    assert_eq!(again, Err(ConnectError::ClosedBeforeConnack));
    let status = json!({ "certificateId": id, "newStatus": "ACTIVE" });
    call(&iot, "UpdateCertificate", status);
    assert!(may_publish(&lamp(&device).await).await, "its policies are still those of before");
}

#[tokio::test]
async fn pol_9_a_certificate_that_is_registered_again_is_read_afresh() {
    let emulator = slow();
    let iot = emulator.iot_core();
    let identity = Identity::self_signed("lamp");
    let device = Device::new(&iot, identity.clone());
    iot.create_policy("Device", allow(&["iot:*"], "*"));
    iot.register_certificate_without_ca(&identity.certificate_pem());
    iot.attach_policy("Device", device.certificate_id());
    lamp(&device).await.disconnect().await;
    let id = device.certificate_id().to_string();
    let inactive = json!({ "certificateId": id, "newStatus": "INACTIVE" });
    call(&iot, "UpdateCertificate", inactive);
    call(&iot, "DeleteCertificate", json!({ "certificateId": id, "forceDelete": true }));
    iot.register_certificate_without_ca(&identity.certificate_pem());
    let refused = device.connect("lamp").mqtt5().await.map(drop);
    assert_eq!(refused, Err(ConnectError::Refused(NOT_AUTHORIZED)), "it has no policy any more");
}

#[tokio::test]
async fn pol_10_a_deny_on_receive_stops_a_subscription_and_a_deny_on_subscribe_does_not() {
    let deny = |action: &str| {
        let allow = json!({ "Effect": "Allow", "Action": "iot:*", "Resource": "*" });
        let deny = json!({ "Effect": "Deny", "Action": action, "Resource": "*" });
        json!({ "Version": "2012-10-17", "Statement": [allow, deny] }).to_string()
    };
    for version in [Version::Mqtt311, Version::Mqtt5] {
        for qos in [0, 1] {
            let emulator = Emulator::start();
            let iot = emulator.iot_core();
            let device = trusted(&iot, "Device");
            let publisher = trusted(&iot, "Publisher").connect("publisher").await.expect("allowed");
            let connect = || device.connect("lamp").speaking(version).persistent();
            let live = connect().await.expect("allowed");
            assert_eq!(live.subscribe_all(&["news"], qos).await, Ok(vec![qos]));

            change_policy(&iot, "Device", deny("iot:Subscribe"));
            publisher.publish_with("news", "1", qos, false).await.expect("allowed");
            assert_eq!(live.next_message().await.expect("still subscribed").text(), "1");
            // Nor does it end the subscription of a session that is resumed.
            drop(live);
            let live = connect().await.expect("allowed");
            publisher.publish_with("news", "2", qos, false).await.expect("allowed");
            assert_eq!(live.next_message().await.expect("still subscribed").text(), "2");

            change_policy(&iot, "Device", deny("iot:Receive"));
            publisher.publish_with("news", "3", qos, false).await.expect("allowed");
            // QoS 0 is not acknowledged; what comes behind it is.
            publisher.publish("behind", "x").await.expect("allowed");
            emulator.settled().await;
            let entry = refusal(&emulator, "Publish-Out");
            assert_says(&entry, &["refused iot:Receive on ", "explicit deny: statement 2"]);
            change_policy(&iot, "Device", allow(&["iot:*"], "*"));
            publisher.publish_with("news", "4", qos, false).await.expect("allowed");
            let next = live.next_message().await.expect("the subscription is there");
            assert_eq!(next.text(), "4", "what was denied does not come later");
        }
    }
}
