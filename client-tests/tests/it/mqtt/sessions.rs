//! Sessions that outlive their connection: for how long, what they keep, and what ends them.
//! Truth: spec C41, C45, §3.6.

use std::time::Duration;

use client_tests::packets::{self, Connect, DISCONNECT, Said, four};
use client_tests::{Device, Raw, Version};
use iot_emulator::Emulator;
use serde_json::Value;

use crate::common::{assert_says, refusal, signed, trusted};

use Version::{Mqtt5, Mqtt311};

fn started() -> (Emulator, Device) {
    let emulator = Emulator::builder().manual_clock(true).start().expect("free ports");
    let device = trusted(&emulator.iot_core(), "Device");
    (emulator, device)
}

async fn advance(emulator: &Emulator, seconds: u64) {
    emulator.advance(Duration::from_secs(seconds)).await.expect("a manual clock");
}

/// A CONNECT of `lamp` that resumes its session and keeps it for an hour.
fn persistent(version: Version) -> Connect {
    let connect = Connect::new(version, "lamp").resuming();
    if version == Mqtt5 { connect.expiring(3600) } else { connect }
}

/// Says DISCONNECT, so that the broker knows of it when this returns.
async fn leave(mut live: Raw, packet: &[u8]) {
    live.send(packet).await;
    assert_eq!(live.disconnected().await, None);
}

/// What waits for a client that has acknowledged nothing yet, as payloads.
async fn stored(emulator: &Emulator, live: &mut Raw) -> Vec<String> {
    emulator.settled().await;
    let said = live.so_far().await;
    let payload = |said| match said {
        Said::Publish(published) => published.text().to_owned(),
        other => panic!("{other:?} instead of a PUBLISH"),
    };
    said.into_iter().map(payload).collect()
}

/// What ListSubscriptions says of `lamp`: filters with QoS; none: there is no session.
fn subscriptions(emulator: &Emulator) -> Option<Vec<(String, u64)>> {
    let (status, body) = signed(emulator, "GET", "/connections/lamp/subscriptions");
    let pair = |it: &Value| {
        let filter = it["topicFilter"].as_str().expect("a filter");
        (filter.to_owned(), it["qos"].as_u64().expect("a QoS"))
    };
    match status {
        200 => {
            let list = body["subscriptions"].as_array().expect("a list");
            Some(list.iter().map(pair).collect())
        }
        404 => None,
        other => panic!("HTTP {other}: {body}"),
    }
}

#[tokio::test]
async fn c41_a_session_lives_for_as_long_as_it_may_and_not_longer() {
    let five = |seconds| Connect::new(Mqtt5, "lamp").resuming().expiring(seconds);
    let never = Connect::new(Mqtt5, "lamp").resuming();
    // The CONNECT, seconds away, whether the session goes on.
    let table = [
        (Connect::new(Mqtt311, "lamp"), 0, false),
        (persistent(Mqtt311), 3599, true),
        (persistent(Mqtt311), 3600, false),
        (never, 0, false),
        (five(0), 0, false),
        (five(60), 59, true),
        (five(60), 60, false),
        (five(600_000), 3599, true),
        (five(600_000), 3600, false),
        (five(u32::MAX), 3600, false),
    ];
    for (connect, away, goes_on) in table {
        let (emulator, device) = started();
        let mut live = connect.accepted(&device).await;
        live.subscribe(&[("news", 1)]).await;
        // The time runs from the end of the connection.
        advance(&emulator, 7200).await;
        leave(live, DISCONNECT).await;
        advance(&emulator, away).await;
        assert_eq!(subscriptions(&emulator).is_some(), goes_on, "{connect:?} after {away} s");
        let entries = emulator.trace().entries();
        let expired = entries.iter().any(|entry| entry.event_type == "SessionExpired");
        assert_eq!(expired, !goes_on && away > 0, "{connect:?}");
        let again = connect.clone().resuming().accepted(&device).await;
        assert_eq!(again.session_present, goes_on, "{connect:?} after {away} s");
        let filters = subscriptions(&emulator).expect("a session");
        assert_eq!(filters.len(), usize::from(goes_on), "{connect:?}: {filters:?}");
    }
}

#[tokio::test]
async fn c41_a_disconnect_changes_how_long_the_session_lives_but_not_from_zero() {
    // Asked for at CONNECT and at DISCONNECT; how many seconds it lives, or a protocol error.
    let table = [
        (None, None, Ok(0)),
        (Some(0), Some(0), Ok(0)),
        (None, Some(1), Err(())),
        (Some(0), Some(u32::MAX), Err(())),
        (Some(600), None, Ok(600)),
        (Some(600), Some(60), Ok(60)),
        (Some(60), Some(600), Ok(600)),
        (Some(60), Some(u32::MAX), Ok(3600)),
        (Some(600), Some(0), Ok(0)),
    ];
    for (asked, then, expected) in table {
        for last_moment in [true, false] {
            let (emulator, device) = started();
            let with = |seconds: Option<u32>| {
                seconds.map(|seconds| four(packets::SESSION_EXPIRY, seconds)).unwrap_or_default()
            };
            let connect = Connect::new(Mqtt5, "lamp").resuming().with(&with(asked));
            let mut live = connect.will("wills/lamp", "gone").accepted(&device).await;
            live.send(&packets::disconnect(0, &with(then))).await;
            let code = live.disconnected().await;
            assert_eq!(code, expected.err().map(|()| 0x82), "{asked:?} {then:?}");
            match expected {
                Err(()) => {
                    let why = "its DISCONNECT would raise a session expiry of zero";
                    assert_says(&refusal(&emulator, "Disconnect"), &["CLIENT_ERROR", why]);
                    assert_eq!(subscriptions(&emulator), None);
                }
                Ok(lives) => {
                    let away = if last_moment && lives > 0 { lives - 1 } else { lives };
                    advance(&emulator, away).await;
                    let expected = (away < lives).then(Vec::new);
                    assert_eq!(subscriptions(&emulator), expected, "{asked:?} {then:?} {away}");
                }
            }
        }
    }
}

#[tokio::test]
async fn c41_a_session_belongs_to_its_version_and_the_other_ends_it() {
    for version in Version::BOTH {
        let (emulator, device) = started();
        let mut publisher = Connect::new(Mqtt311, "publisher").accepted(&device).await;
        let mut live = persistent(version).accepted(&device).await;
        live.subscribe(&[("news", 1)]).await;
        leave(live, DISCONNECT).await;
        publisher.send(&packets::publish(Mqtt311, "news", 1, &[], b"for the old one")).await;
        publisher.said().await;
        let other = if version == Mqtt311 { Mqtt5 } else { Mqtt311 };
        let mut foreign = persistent(other).accepted(&device).await;
        assert!(!foreign.session_present, "{version:?}");
        assert_eq!(stored(&emulator, &mut foreign).await, [""; 0], "{version:?}");
        assert_eq!(subscriptions(&emulator), Some(Vec::new()));
        //? assumed: there is one session of a client ID, so the first is gone
        let again = persistent(version).accepted(&device).await;
        assert!(!again.session_present, "{version:?}");
    }
}

#[tokio::test]
async fn c41_a_session_keeps_qos_1_in_order_with_a_log_entry_each_and_no_qos_0() {
    for version in Version::BOTH {
        let (emulator, device) = started();
        let mut publisher = Connect::new(Mqtt5, "publisher").accepted(&device).await;
        let mut live = persistent(version).accepted(&device).await;
        live.subscribe(&[("one", 1), ("zero", 0)]).await;
        let mut publish = async |topic: &str, qos: u8, payload: &str| {
            let packet = packets::publish(Mqtt5, topic, qos, &[], payload.as_bytes());
            publisher.send(&packet).await;
            publisher.so_far().await;
        };
        for payload in ["a", "b", "c"] {
            publish("one", 1, payload).await;
        }
        let mut packet_ids = Vec::new();
        for expected in ["a", "b", "c"] {
            let published = live.published().await;
            assert_eq!((published.text(), published.duplicate), (expected, false));
            packet_ids.push(published.packet_id);
        }
        live.send(&packets::puback(packet_ids[1])).await;
        live.so_far().await;
        leave(live, DISCONNECT).await;
        for (topic, qos, payload) in
            [("one", 1, "d"), ("one", 0, "lost"), ("zero", 1, "lost too"), ("one", 1, "e")]
        {
            publish(topic, qos, payload).await;
        }
        let entries = emulator.trace().entries();
        let queued: Vec<Value> = entries
            .iter()
            .filter(|entry| entry.event_type == "Queued")
            .map(|entry| entry.to_json())
            .collect();
        assert_eq!(queued.len(), 2, "{queued:?}");
        for entry in &queued {
            assert_eq!([&entry["status"], &entry["logLevel"]], ["Success", "INFO"]);
            let said = ["topicName", "clientId", "qos", "protocol"].map(|name| entry[name].clone());
            assert_eq!(said, ["one", "lamp", "1", "MQTT"].map(Value::from), "{entry}");
        }

        let mut again = persistent(version).accepted(&device).await;
        assert!(again.session_present, "{version:?}");
        for expected in ["a", "c", "d", "e"] {
            let published = again.published().await;
            assert_eq!((published.text(), published.duplicate), (expected, false), "{version:?}");
            again.send(&packets::puback(published.packet_id)).await;
        }
        // Acknowledged now, and still subscribed to both.
        leave(again, DISCONNECT).await;
        let mut last = persistent(version).accepted(&device).await;
        assert_eq!(stored(&emulator, &mut last).await, [""; 0], "{version:?}");
        publish("zero", 1, "live").await;
        assert_eq!(last.published().await.text(), "live");
    }
}

#[tokio::test]
async fn c41_the_options_of_a_subscription_live_as_long_as_the_session() {
    let (emulator, device) = started();
    let mut live = persistent(Mqtt5).accepted(&device).await;
    // QoS 0; QoS 1 and No Local; QoS 1 and Retain As Published.
    live.subscribe(&[("zero", 0), ("own", 1 | 4), ("kept", 1 | 8)]).await;
    leave(live, DISCONNECT).await;
    let listed = [("kept", 1), ("own", 1), ("zero", 0)].map(|(it, qos)| (it.to_owned(), qos));
    assert_eq!(subscriptions(&emulator), Some(listed.to_vec()));

    let mut live = persistent(Mqtt5).accepted(&device).await;
    assert!(live.session_present);
    let mut other = Connect::new(Mqtt5, "other").accepted(&device).await;
    live.send(&packets::publish(Mqtt5, "own", 1, &[], b"mine")).await;
    live.so_far().await;
    let retained = |payload: &[u8]| {
        let packet = packets::publish(Mqtt5, "kept", 0, &[], payload);
        [&[packet[0] | 1], &packet[1..]].concat()
    };
    other.send(&packets::publish(Mqtt5, "zero", 1, &[], b"at most once")).await;
    other.send(&packets::publish(Mqtt5, "own", 1, &[], b"theirs")).await;
    other.send(&retained(b"retained")).await;
    let came = [live.published().await, live.published().await, live.published().await];
    let came = came.each_ref().map(|it| (it.text(), it.qos, it.retain));
    let expected = [("at most once", 0, false), ("theirs", 1, false), ("retained", 0, true)];
    assert_eq!(came, expected, "QoS, No Local and Retain As Published");
    emulator.settled().await;
    assert_eq!(live.so_far().await, []);
}

#[tokio::test]
async fn c41_delete_connection_ends_a_session_if_it_is_told_to() {
    // The query, whether the client is there, the status, whether the session goes on.
    let table = [
        ("", true, 200, true),
        ("?cleanSession=false", true, 200, true),
        ("?cleanSession=true", true, 200, false),
        ("?cleanSession=true", false, 200, false),
        ("", false, 404, true),
    ];
    for version in Version::BOTH {
        for (query, there, expected, goes_on) in table {
            let (emulator, device) = started();
            let mut live = persistent(version).accepted(&device).await;
            live.subscribe(&[("news", 1)]).await;
            let live = if there {
                Some(live)
            } else {
                leave(live, DISCONNECT).await;
                None
            };
            let path = format!("/connections/lamp{query}");
            assert_eq!(signed(&emulator, "DELETE", &path).0, expected, "{query} {there}");
            if let Some(live) = live {
                let code = live.disconnected().await;
                assert_eq!(code, (version == Mqtt5).then_some(0x98), "{query}");
            }
            assert_eq!(subscriptions(&emulator).is_some(), goes_on, "{query} {there}");
            let again = persistent(version).accepted(&device).await;
            assert_eq!(again.session_present, goes_on, "{query} {there} {version:?}");
        }
    }
}

#[tokio::test]
async fn c45_what_expires_while_a_client_is_away_does_not_come_and_the_rest_says_what_is_left() {
    for version in Version::BOTH {
        let (emulator, device) = started();
        let mut publisher = Connect::new(Mqtt5, "publisher").accepted(&device).await;
        let mut live = persistent(version).accepted(&device).await;
        live.subscribe(&[("news", 1)]).await;
        let mut publish = async |seconds: Option<u32>, payload: &str| {
            let expiry = seconds.map(|seconds| four(packets::MESSAGE_EXPIRY, seconds));
            let expiry = expiry.unwrap_or_default();
            let packet = packets::publish(Mqtt5, "news", 1, &expiry, payload.as_bytes());
            publisher.send(&packet).await;
            publisher.said().await;
        };
        publish(Some(25), "sent before").await;
        assert_eq!(live.published().await.text(), "sent before");
        leave(live, DISCONNECT).await;
        for (seconds, payload) in
            [(Some(0), "zero"), (Some(30), "short"), (Some(100), "long"), (None, "for ever")]
        {
            publish(seconds, payload).await;
        }
        publish(Some(u32::MAX), "clamped").await;
        emulator.advance(Duration::from_millis(30_001)).await.expect("a manual clock");
        let mut again = persistent(version).accepted(&device).await;
        for (expected, left) in
            [("long", Some(69)), ("for ever", None), ("clamped", Some(604_800 - 31))]
        {
            let published = again.published().await;
            assert_eq!(published.text(), expected);
            let left = left.filter(|_| version == Mqtt5);
            assert_eq!(published.properties.number(packets::MESSAGE_EXPIRY), left, "{expected}");
        }
        assert_eq!(stored(&emulator, &mut again).await, [""; 0]);
    }
}

#[tokio::test]
async fn c41_hours_that_are_advanced_disturb_no_live_connection() {
    let (emulator, device) = started();
    let mut live = Vec::new();
    for version in Version::BOTH {
        let clean = Connect::new(version, if version == Mqtt5 { "clean5" } else { "clean" });
        for connect in [clean, Connect::new(version, &format!("{version:?}")).resuming()] {
            let connect = if version == Mqtt5 { connect.expiring(60) } else { connect };
            let mut client = connect.accepted(&device).await;
            client.subscribe(&[("news", 1)]).await;
            live.push(client);
        }
    }
    let mut watcher = Connect::new(Mqtt5, "watcher").accepted(&device).await;
    watcher.subscribe(&[("$aws/events/presence/#", 1)]).await;
    for hours in [1, 2, 23, 24, 1000] {
        advance(&emulator, hours * 3600).await;
        watcher.send(&packets::publish(Mqtt5, "news", 1, &[], hours.to_string().as_bytes())).await;
        assert_eq!(watcher.so_far().await.len(), 1, "its PUBACK, and no event of anybody");
        for client in &mut live {
            let published = client.published().await;
            assert_eq!(published.text(), hours.to_string());
            client.send(&packets::puback(published.packet_id)).await;
            assert_eq!(client.so_far().await, []);
        }
    }
    let known = ["Connect", "Subscribe"];
    let entries = emulator.trace().entries();
    let others: Vec<_> = entries.iter().filter(|it| !known.contains(&it.event_type)).collect();
    assert!(others.is_empty(), "{others:?}");
}
