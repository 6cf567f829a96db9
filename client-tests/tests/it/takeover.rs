//! Two clients with one client ID. The newcomer wins; the old one learns it as its version
//! of MQTT allows, and its will and a disconnected event say so to everybody else.
//! Truth: spec C32, C44.

use client_tests::{Closed, Device, Mqtt, PATIENCE, Version};
use iot_emulator::Emulator;
use tokio::task::JoinSet;
use tokio::time::timeout;

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

/// The newcomers take turns: version, and whether the session is to last.
const TURNS: [(Version, bool); 6] = [
    (Version::Mqtt311, true),
    (Version::Mqtt311, true),
    (Version::Mqtt5, true),
    (Version::Mqtt5, true),
    (Version::Mqtt311, false),
    (Version::Mqtt5, false),
];

const TAKEOVERS: usize = 1000;

#[tokio::test]
async fn c32_a_thousand_takeovers_leave_one_session_one_socket_and_events_in_pairs() {
    let emulator = Emulator::start();
    let device = trusted(&emulator.iot_core(), "Lamp");
    let watcher = watcher(&device).await;
    let come = async |number: usize| {
        let (version, persistent) = TURNS[number % TURNS.len()];
        let connecting = device.connect(CLIENT).speaking(version);
        let connecting = if persistent { connecting.persistent() } else { connecting };
        connecting.await.expect("the newcomer wins")
    };
    let mut newest = come(0).await;
    newest.subscribe("news").await.expect("a SUBACK");
    for number in 1..=TAKEOVERS {
        let newer = come(number).await;
        // Only in these turns the version is that of the session before, which lasts.
        let goes_on = matches!(number % TURNS.len(), 1 | 3);
        assert_eq!(newer.session_present(), goes_on, "{number}");
        let expected = match TURNS[(number - 1) % TURNS.len()].0 {
            Version::Mqtt311 => Closed::HungUp,
            Version::Mqtt5 => Closed::Disconnected { reason: 0x8E, reason_string: None },
        };
        assert_eq!(newest.closed().await, expected, "{number}");
        newest = newer;
        if !goes_on {
            newest.subscribe("news").await.expect("a SUBACK");
        }
    }
    watcher.publish("news", "once").await.expect("a PUBACK");
    watcher.publish("done", "").await.expect("a PUBACK");
    newest.subscribe("end").await.expect("a SUBACK");
    newest.publish("end", "").await.expect("a PUBACK");
    let heard = newest.messages_before("end").await;
    assert_eq!(heard.len(), 1, "one session has one subscription: {heard:?}");
    assert_pairs(&watcher.messages_before("done").await);
    emulator.settled().await;
    assert_sockets(&emulator, 2).await;
    drop((newest, watcher));
    assert_sockets(&emulator, 0).await;
}

/// Asserts that each connection has one connected and one disconnected event, with the same version
/// number and session; the last is still connected.
#[track_caller]
fn assert_pairs(events: &[client_tests::Message]) {
    let events: Vec<_> = events.iter().map(client_tests::Message::json).collect();
    let of = |kind: &'static str| {
        let events = events.iter().filter(move |event| event["eventType"] == kind);
        events.map(|event| (event["versionNumber"].as_u64(), &event["sessionIdentifier"]))
    };
    let connected: Vec<_> = of("connected").collect();
    let disconnected: Vec<_> = of("disconnected").collect();
    let last = u64::try_from(TAKEOVERS).expect("not so many");
    let numbers: Vec<_> = connected.iter().map(|(number, _)| *number).collect();
    assert_eq!(numbers, (0..=last).map(Some).collect::<Vec<_>>());
    assert_eq!(disconnected, connected[..TAKEOVERS]);
    let ended = events.iter().filter(|event| event["eventType"] == "disconnected");
    let reasons: Vec<_> = ended.map(|event| &event["disconnectReason"]).collect();
    assert!(reasons.iter().all(|reason| *reason == "DUPLICATE_CLIENTID"), "{reasons:?}");
}

/// Asserts that the emulator's MQTT port comes to hold `expected` sockets, where the system tells.
async fn assert_sockets(emulator: &Emulator, expected: usize) {
    let port = format!(":{:04X}", emulator.mqtt_address().port());
    // Local address and state, as Linux writes them: established, or closed by the client alone.
    let held = || {
        let table = std::fs::read_to_string("/proc/self/net/tcp").ok()?;
        let held = table.lines().filter(|line| {
            let mut words = line.split_whitespace().skip(1);
            let local = words.next().is_some_and(|local| local.ends_with(&port));
            local && matches!(words.nth(1), Some("01" | "08"))
        });
        Some(held.count())
    };
    let settling = async {
        while held().is_some_and(|sockets| sockets != expected) {
            tokio::task::yield_now().await;
        }
    };
    let settled = timeout(PATIENCE, settling).await;
    assert!(settled.is_ok(), "{:?} sockets after {TAKEOVERS} takeovers", held());
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
