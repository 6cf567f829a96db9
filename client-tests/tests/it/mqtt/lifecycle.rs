//! Lifecycle events: who has them, what they number, and what they name.
//! Their members and order are judged in `events.rs`. Truth: spec C44, §4.1.

use std::time::Duration;

use client_tests::packets::{self, Connect, DISCONNECT, Published};
use client_tests::{Device, Raw, Version};
use iot_emulator::{Emulator, allow};
use serde_json::{Value, json};

use crate::common::{assert_says, enrolled, refusal, trusted};

use Version::{Mqtt5, Mqtt311};

async fn watched(filters: &[(&str, u8)]) -> (Emulator, Device, Raw) {
    let emulator = Emulator::builder().manual_clock(true).start().expect("free ports");
    let device = trusted(&emulator.iot_core(), "Device");
    let mut watcher = Connect::new(Mqtt5, "watcher").accepted(&device).await;
    watcher.subscribe(filters).await;
    (emulator, device, watcher)
}

fn json(event: &Published) -> Value {
    serde_json::from_slice(&event.payload).expect("JSON")
}

/// `connected/lamp` of `$aws/events/presence/connected/lamp`.
fn what(event: &Published) -> &str {
    let topic = event.topic.strip_prefix("$aws/events/").expect("an event");
    topic.split_once('/').expect("a kind").1
}

#[tokio::test]
async fn c44_a_client_id_with_a_wildcard_has_no_events_and_any_other_has() {
    let (emulator, device, mut watcher) = watched(&[("$aws/events/#", 1)]).await;
    watcher.published().await; // of its own subscription
    for (client_id, expected) in [("a+b", false), ("#", false), ("a/b", true), ("ä b", true)] {
        for version in Version::BOTH {
            let mut live = Connect::new(version, client_id).accepted(&device).await;
            live.subscribe(&[("a", 1)]).await;
            live.send(DISCONNECT).await;
            assert_eq!(live.disconnected().await, None);
            emulator.settled().await;
            let seen = watcher.so_far().await;
            assert_eq!(seen.len(), if expected { 3 } else { 0 }, "{client_id}: {seen:?}");
        }
    }
}

#[tokio::test]
async fn c44_the_events_of_a_client_without_an_id_are_on_topics_of_two_more_levels() {
    let filters = [("$aws/events/presence/connected/+", 1), ("$aws/events/presence/+/$GEN/+", 1)];
    let (_emulator, device, mut watcher) = watched(&filters).await;
    let live = Connect::new(Mqtt5, "").accepted(&device).await;
    let name = live.granted.text(packets::ASSIGNED_CLIENT_ID).expect("a name").to_owned();
    drop(live);
    for kind in ["connected", "disconnected"] {
        let event = watcher.published().await;
        assert_eq!(event.topic, format!("$aws/events/presence/{kind}/{name}"));
        assert_eq!(json(&event)["clientId"], name.as_str());
    }
}

#[tokio::test]
async fn c44_both_events_of_a_connection_have_one_version_number_which_rises_for_a_while() {
    // The session, and for how long it lets the numbers rise.
    let hour = 3600;
    let table = [
        (Connect::new(Mqtt311, "lamp"), hour),
        (Connect::new(Mqtt311, "lamp").resuming(), hour),
        (Connect::new(Mqtt5, "lamp"), hour),
        (Connect::new(Mqtt5, "lamp").resuming().expiring(60), 60),
        (Connect::new(Mqtt5, "lamp").resuming().expiring(u32::MAX), hour),
    ];
    for (connect, kept) in table {
        let (emulator, device, mut watcher) = watched(&[("$aws/events/presence/+/lamp", 1)]).await;
        for (away, number) in [(0, 0), (0, 1), (kept - 1, 2), (kept, 0), (1, 1)] {
            emulator.advance(Duration::from_secs(away)).await.expect("a manual clock");
            let live = connect.accepted(&device).await;
            let connected = watcher.published().await;
            // Time on a connection counts for nothing.
            emulator.advance(Duration::from_secs(2 * hour)).await.expect("a manual clock");
            drop(live);
            let disconnected = watcher.published().await;
            assert_eq!(
                [what(&connected), what(&disconnected)],
                ["connected/lamp", "disconnected/lamp"]
            );
            let [connected, disconnected] = [json(&connected), json(&disconnected)];
            assert_eq!(connected["versionNumber"], number, "{connect:?} after {away} s");
            for member in ["versionNumber", "sessionIdentifier", "principalIdentifier"] {
                assert_eq!(connected[member], disconnected[member], "{member}");
            }
        }
    }
}

#[tokio::test]
async fn c44_connect_failed_is_for_who_may_not_connect_or_not_publish_its_will() {
    let (emulator, _device, mut watcher) = watched(&[("$aws/events/presence/#", 1)]).await;
    let iot = emulator.iot_core();
    let nobody = enrolled(&iot, "Nobody", allow(&["iot:Publish"], "*"));
    let mute = enrolled(&iot, "Mute", allow(&["iot:Connect"], "*"));
    let forgetful = enrolled(&iot, "Forgetful", allow(&["iot:Connect", "iot:Publish"], "*"));
    let thing = json!({ "thingName": "lamp" });
    iot.call("CreateThing", thing.clone()).expect("a thing");
    let mut pair = thing;
    pair["principal"] = iot.certificate_arn(nobody.certificate_id()).to_string().into();
    pair["thingPrincipalType"] = "EXCLUSIVE_THING".into();
    iot.call("AttachThingPrincipal", pair).expect("an attachment");
    for version in Version::BOTH {
        let connect = || Connect::new(version, "c");
        let will = || connect().will("w", "x");
        let retained = || connect().will_with("w", "x", 1, true);
        let why = "the CONNECT names a will, which has to be permitted too";
        let table: [(&Device, Connect, &[&str]); 3] = [
            (&nobody, connect(), &["refused iot:Connect on", "client/c"]),
            (&mute, will(), &["refused iot:Publish on", "topic/w", why]),
            (&forgetful, retained(), &["refused iot:RetainPublish on", "topic/w", why]),
        ];
        for (device, connect, said) in table {
            let code = connect.refused(device).await.map(|(code, _)| code);
            assert_eq!(code, (version == Mqtt5).then_some(0x87), "{connect:?}");
            let event = watcher.published().await;
            assert_eq!(what(&event), "connect_failed/c");
            let event = json(&event);
            assert_eq!(event["connectFailureReason"], "AUTHORIZATION_FAILED");
            let lamp = json!("lamp");
            let named = (device.certificate_id() == nobody.certificate_id()).then_some(&lamp);
            assert_eq!(event.get("thingName"), named, "{event}");
            let entry = refusal(&emulator, "Connect");
            assert_eq!(entry.reason, Some("AUTHORIZATION_FAILURE"));
            assert_says(&entry, said);
        }
        // Whoever has no will needs no permission for one.
        let live = connect().accepted(&mute).await;
        drop(live);
        for expected in ["connected/c", "disconnected/c"] {
            let event = watcher.published().await;
            assert_eq!(what(&event), expected);
        }
    }
}

#[tokio::test]
async fn c44_a_subscribed_event_names_what_was_granted_in_one_packet() {
    let filters = [("$aws/events/subscriptions/+/lamp", 1)];
    let (_emulator, device, mut watcher) = watched(&filters).await;
    for version in Version::BOTH {
        let mut live = Connect::new(version, "lamp").accepted(&device).await;
        live.subscribe(&[("foo/bar", 1), ("$share/g/data/#", 0)]).await;
        let event = watcher.published().await;
        assert_eq!(what(&event), "subscribed/lamp");
        assert_eq!(json(&event)["topics"], json!(["foo/bar", "$share/g/data/#"]));
    }
    let mut live = Connect::new(Mqtt5, "lamp").accepted(&device).await;
    live.send(&packets::subscribe(Mqtt5, 1, &[("a", 1), ("$SYS/#", 1), ("b", 0)])).await;
    assert_eq!(live.said().await, packets::Said::Other(0x90, vec![0, 1, 0, 1, 0x8F, 0]));
    let event = watcher.published().await;
    assert_eq!(json(&event)["topics"], json!(["a", "b"]), "not what was refused");
}
