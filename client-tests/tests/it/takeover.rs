//! Two clients with one client ID. The newcomer wins; the old one learns it as its version
//! of MQTT allows, and its will and a disconnected event say so to everybody else.

use client_tests::{Closed, Device, Mqtt, Version};
use iot_emulator::Emulator;
use tokio::task::JoinSet;

use crate::common::{assert_says, refusal, trusted};

const CLIENT: &str = "lamp";
const PRESENCE: &str = "$aws/events/presence/+/lamp";

async fn watcher(device: &Device) -> Mqtt {
    let watcher = device.connect("watcher").await.expect("a connection");
    let filters = [PRESENCE, "wills/#", "done"];
    assert_eq!(watcher.subscribe_all(&filters, 1).await, Ok(vec![1, 1, 1]));
    watcher
}

#[tokio::test]
async fn the_newcomer_wins_and_the_old_connection_is_told_in_its_own_version() {
    use Version::{Mqtt5, Mqtt311};
    for (old, new) in [(Mqtt311, Mqtt311), (Mqtt311, Mqtt5), (Mqtt5, Mqtt311), (Mqtt5, Mqtt5)] {
        let emulator = Emulator::start();
        let device = trusted(&emulator.iot_core(), "Lamp");
        let watcher = watcher(&device).await;

        let first = device.connect(CLIENT).speaking(old).will("wills/lamp", "taken over").await;
        let first = first.expect("a connection");
        let second = device.connect(CLIENT).speaking(new).await.expect("the newcomer wins");

        let expected = match old {
            Mqtt311 => Closed::HungUp,
            Mqtt5 => Closed::Disconnected { reason: 0x8E, reason_string: None },
        };
        assert_eq!(first.closed().await, expected, "{old:?} then {new:?}");
        second.publish("done", "").await.expect("the newcomer stays");

        let seen = watcher.messages_before("done").await;
        let topics: Vec<&str> = seen.iter().map(|message| message.topic.as_str()).collect();
        let [connected, disconnected] =
            ["connected", "disconnected"].map(|what| format!("$aws/events/presence/{what}/lamp"));
        assert_eq!(topics, [&connected, "wills/lamp", &disconnected, &connected]);
        assert_eq!(seen[1].text(), "taken over");
        let [first, end, second] = [&seen[0], &seen[2], &seen[3]].map(client_tests::Message::json);
        assert_eq!(end["disconnectReason"], "DUPLICATE_CLIENTID");
        assert_eq!(end["clientInitiatedDisconnect"], false);
        assert_eq!(end["versionNumber"], first["versionNumber"]);
        assert_eq!(end["sessionIdentifier"], first["sessionIdentifier"]);
        let version = |event: &serde_json::Value| event["versionNumber"].as_u64();
        assert!(version(&second) > version(&first), "{first} {second}");

        let entry = refusal(&emulator, "Disconnect");
        assert_eq!(entry.reason, Some("DUPLICATE_CLIENT_ID"));
        assert_says(&entry, &["A new connection was established with the same client ID"]);
    }
}

#[tokio::test]
async fn a_hundred_takeovers_in_a_row_leave_one_session() {
    let emulator = Emulator::start();
    let device = trusted(&emulator.iot_core(), "Lamp");
    let watcher = watcher(&device).await;
    let mut newest = device.connect(CLIENT).persistent().await.expect("a connection");
    newest.subscribe("news").await.expect("a SUBACK");
    for _ in 0..100 {
        let newer = device.connect(CLIENT).persistent().await.expect("the newcomer wins");
        assert!(newer.session_present(), "the session goes on");
        assert_eq!(newest.closed().await, Closed::HungUp);
        newest = newer;
    }
    watcher.publish("news", "once").await.expect("a PUBACK");
    watcher.publish("done", "").await.expect("a PUBACK");
    newest.subscribe("end").await.expect("a SUBACK");
    newest.publish("end", "").await.expect("a PUBACK");
    let heard = newest.messages_before("end").await;
    assert_eq!(heard.len(), 1, "one session has one subscription: {heard:?}");

    let events = watcher.messages_before("done").await;
    let ends = events.iter().filter(|event| event.topic.contains("/disconnected/"));
    let ends: Vec<_> = ends.map(client_tests::Message::json).collect();
    assert_eq!(ends.len(), 100);
    assert!(ends.iter().all(|end| end["disconnectReason"] == "DUPLICATE_CLIENTID"), "{ends:?}");
    let versions: Vec<u64> =
        ends.iter().map(|end| end["versionNumber"].as_u64().expect("a number")).collect();
    assert!(versions.is_sorted_by(|one, next| one < next), "{versions:?}");
}

#[tokio::test]
async fn of_clients_that_come_at_once_one_stays() {
    let emulator = Emulator::start();
    let device = trusted(&emulator.iot_core(), "Lamp");
    let mut race = JoinSet::new();
    for _ in 0..20 {
        let connecting = device.connect(CLIENT);
        race.spawn(async move { connecting.await });
    }
    let connected: Vec<Mqtt> = race.join_all().await.into_iter().flatten().collect();
    emulator.settled().await;
    let mut alive = 0;
    for mqtt in &connected {
        alive += usize::from(mqtt.publish("still/here", "").await.is_ok());
    }
    assert_eq!(alive, 1, "{connected:?}");
}
