//! Wills: when they are sent, and as what. The table of every reason for which a connection ends
//! stands here, each with its cause, its event, its will and its entry of the trace.
//! Truth: spec C43, C44, §3.8 and the table of §4.1.

use std::time::Duration;

use client_tests::packets::{self, Connect, DISCONNECT, Said, four, long, one, pair};
use client_tests::websocket::{WebSocket, frame};
use client_tests::{Device, Raw, Version};
use iot_emulator::trace::{Entry, Outcome};
use iot_emulator::{Emulator, IotCore};
use serde_json::{Value, json};

use crate::common::{assert_says, enrolled, signed, trusted};

use Version::{Mqtt5, Mqtt311};

const DAY: Duration = Duration::from_secs(24 * 3600);

/// What ends a connection, for real.
///
/// `MQTT_KEEP_ALIVE_TIMEOUT` is not here: keep-alive follows real time, 45 s at least. Nothing here
/// causes `FORBIDDEN_ACCESS`, `THROTTLED`, `SERVER_ERROR` or `CUSTOMAUTH_TTL_EXPIRATION`; of a reset,
/// which is `SERVER_INITIATED_DISCONNECT`, see below.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Cause {
    Disconnect,
    CloseFrame,
    SecondConnect,
    TooLargePayload,
    Garbage,
    Qos2,
    CutOff,
    TakenOver,
    NotAuthorized,
    CertificateInactive,
    CertificateDeleted,
    DeleteConnection,
    DeleteConnectionWithoutWill,
    DayOfAWebSocket,
}

/// What everybody sees of it.
struct End {
    cause: Cause,
    reason: &'static str,
    /// The code of MQTT 5's DISCONNECT.
    code: Option<u8>,
    will: bool,
    /// What the trace says.
    said: &'static [&'static str],
}

const fn end(
    cause: Cause,
    reason: &'static str,
    code: Option<u8>,
    will: bool,
    said: &'static [&'static str],
) -> End {
    End { cause, reason, code, will, said }
}

const NO_LONGER: &str = "its certificate is no longer ACTIVE";

#[rustfmt::skip]
const ENDS: [End; 14] = [
    end(Cause::Disconnect, "CLIENT_INITIATED_DISCONNECT", None, false, &["ok", "lamp"]),
    end(Cause::CloseFrame, "CLIENT_INITIATED_DISCONNECT", None, false, &["ok", "lamp"]),
    end(Cause::SecondConnect, "CLIENT_ERROR", Some(0x82), true, &["a second CONNECT"]),
    end(Cause::TooLargePayload, "CLIENT_ERROR", Some(0x97), true, &["CLIENT_ERROR"]),
    end(Cause::Garbage, "CLIENT_ERROR", Some(0x81), true, &["Malformed Packet (0x81)"]),
    end(Cause::Qos2, "CLIENT_ERROR", Some(0x9B), true, &["CLIENT_ERROR"]),
    end(Cause::CutOff, "CONNECTION_LOST", None, true, &["CONNECTION_LOST"]),
    end(Cause::TakenOver, "DUPLICATE_CLIENTID", Some(0x8E), true, &["DUPLICATE_CLIENT_ID: A new connection was established with the same client ID"]),
    end(Cause::NotAuthorized, "AUTH_ERROR", Some(0x87), true, &["AUTH_ERROR"]),
    end(Cause::CertificateInactive, "AUTH_ERROR", Some(0x87), true, &["AUTH_ERROR", NO_LONGER]),
    end(Cause::CertificateDeleted, "AUTH_ERROR", Some(0x87), true, &["AUTH_ERROR", NO_LONGER]),
    end(Cause::DeleteConnection, "API_INITIATED_DISCONNECT", Some(0x98), true, &["API_INITIATED_DISCONNECT", "DeleteConnection was called"]),
    end(Cause::DeleteConnectionWithoutWill, "API_INITIATED_DISCONNECT", Some(0x98), false, &["API_INITIATED_DISCONNECT", "DeleteConnection was called"]),
    end(Cause::DayOfAWebSocket, "WEBSOCKET_TTL_EXPIRATION", None, true, &["WEBSOCKET_TTL_EXPIRATION", "24 hours"]),
];

/// An emulator, a device that may do all but publish to `secret`, and one that hears of all.
struct Scene {
    emulator: Emulator,
    iot: IotCore,
    device: Device,
    watcher: Raw,
}

impl Scene {
    async fn new() -> Self {
        let emulator = Emulator::builder().manual_clock(true).start().expect("free ports");
        let iot = emulator.iot_core();
        let secret = "arn:aws:iot:us-east-1:000000000000:topic/secret";
        let but_secrets = json!({ "Version": "2012-10-17", "Statement": [
            { "Effect": "Allow", "Action": "iot:*", "Resource": "*" },
            { "Effect": "Deny", "Action": "iot:Publish", "Resource": secret },
        ] });
        let device = enrolled(&iot, "Device", but_secrets.to_string());
        let mut watcher = Connect::new(Mqtt5, "watcher").accepted(&trusted(&iot, "Watcher")).await;
        watcher.subscribe(&[("$aws/events/presence/disconnected/lamp", 1), ("wills/#", 1)]).await;
        Self { emulator, iot, device, watcher }
    }

    /// The one will, if one is expected, and the one event, in this order; nothing else.
    async fn heard(&mut self, will: bool) -> (Option<packets::Published>, Value) {
        let first = self.watcher.published().await;
        let (will, event) = match will {
            true => (Some(first), self.watcher.published().await),
            false => (None, first),
        };
        assert_eq!(event.topic, "$aws/events/presence/disconnected/lamp", "{will:?}");
        self.emulator.settled().await;
        assert_eq!(self.watcher.so_far().await, [], "once");
        (will, serde_json::from_slice(&event.payload).expect("JSON"))
    }

    /// The last entry of a Disconnect.
    fn entry(&self) -> std::sync::Arc<Entry> {
        let mut entries = self.emulator.trace().entries();
        entries.retain(|entry| entry.event_type == "Disconnect");
        entries.pop().unwrap_or_else(|| panic!("no Disconnect:\n{}", self.emulator.trace()))
    }

    fn certificate(&self, operation: &str, rest: &Value) {
        let mut input = rest.clone();
        input["certificateId"] = self.device.certificate_id().to_string().into();
        self.iot.call(operation, input).expect("allowed");
    }
}

/// Connects with a will, and ends that as `end` says; the client that took over, if one did.
async fn come_and_go(scene: &Scene, version: Version, end: &End) -> Option<Raw> {
    let connect = Connect::new(version, "lamp").will("wills/lamp", "gone");
    let mut live = connect.accepted(&scene.device).await;
    let delete = |query: &str| {
        let path = format!("/connections/lamp{query}");
        assert_eq!(signed(&scene.emulator, "DELETE", &path).0, 200);
    };
    let mut newcomer = None;
    match end.cause {
        Cause::CutOff => {
            drop(live);
            return None;
        }
        Cause::Disconnect => live.send(DISCONNECT).await,
        Cause::SecondConnect => live.send(&connect.bytes()).await,
        Cause::TooLargePayload => {
            let payload = vec![b'x'; 128 * 1024 + 1];
            live.send(&packets::publish(version, "a", 0, &[], &payload)).await;
        }
        Cause::Garbage => live.send(&[0x00, 0x00]).await,
        Cause::Qos2 => live.send(&packets::publish(version, "a", 2, &[], b"x")).await,
        Cause::TakenOver => {
            newcomer = Some(Connect::new(version, "lamp").accepted(&scene.device).await);
        }
        Cause::NotAuthorized => {
            live.send(&packets::publish(version, "secret", 0, &[], b"x")).await;
        }
        Cause::CertificateInactive => {
            scene.certificate("UpdateCertificate", &json!({ "newStatus": "INACTIVE" }));
        }
        Cause::CertificateDeleted => {
            scene.certificate("UpdateCertificate", &json!({ "newStatus": "INACTIVE" }));
            scene.certificate("DeleteCertificate", &json!({ "forceDelete": true }));
        }
        Cause::DeleteConnection => delete(""),
        Cause::DeleteConnectionWithoutWill => delete("?preventWillMessage=true"),
        Cause::CloseFrame | Cause::DayOfAWebSocket => unreachable!("a WebSocket's own"),
    }
    let expected = end.code.filter(|_| version == Mqtt5);
    assert_eq!(live.disconnected().await, expected, "{:?} {version:?}", end.cause);
    newcomer
}

/// The same over a WebSocket, for what only it has; its CONNECT names an empty will.
async fn come_and_go_by_websocket(scene: &Scene, cause: Cause) {
    let mut socket = WebSocket::connect(&scene.emulator, None, "lamp", Some("wills/lamp")).await;
    assert_eq!(socket.packet().await, b"\x20\x02\x00\x00");
    match cause {
        Cause::CloseFrame => socket.send(&frame(0x88, &[0x03, 0xE8])).await,
        _ => scene.emulator.advance(DAY).await.expect("a manual clock"),
    }
    assert_eq!(socket.closed().await, 1000);
}

#[tokio::test]
async fn c43_c44_each_end_has_its_reason_its_will_its_event_and_its_entry() {
    for end in &ENDS {
        let by_websocket = matches!(end.cause, Cause::CloseFrame | Cause::DayOfAWebSocket);
        for version in if by_websocket { &Version::BOTH[..1] } else { &Version::BOTH } {
            let mut scene = Scene::new().await;
            let _newcomer = if by_websocket {
                come_and_go_by_websocket(&scene, end.cause).await;
                None
            } else {
                come_and_go(&scene, *version, end).await
            };
            let (will, event) = scene.heard(end.will).await;
            if let Some(will) = will {
                let payload = if by_websocket { "" } else { "gone" };
                assert_eq!((will.topic.as_str(), will.text()), ("wills/lamp", payload));
            }
            let wished = end.reason == "CLIENT_INITIATED_DISCONNECT";
            assert_eq!(event["disconnectReason"], end.reason, "{:?}", end.cause);
            assert_eq!(event["clientInitiatedDisconnect"], wished, "{:?}", end.cause);
            let entry = scene.entry();
            assert_eq!(entry.outcome == Outcome::Success, wished, "{:?}", end.cause);
            assert_eq!(entry.value("disconnectReason"), Some(end.reason));
            assert_says(&entry, end.said);
        }
    }
}

//? assumed: nobody hears of a reset, since it forgets who subscribed to what
#[tokio::test]
async fn c44_a_reset_is_a_server_that_shuts_down() {
    for (version, code) in [(Mqtt311, None), (Mqtt5, Some(0x8B))] {
        let scene = Scene::new().await;
        let connect = Connect::new(version, "lamp").will("wills/lamp", "gone").resuming();
        let live = connect.accepted(&scene.device).await;
        scene.emulator.reset();
        assert_eq!(live.disconnected().await, code);
        assert_eq!(scene.watcher.disconnected().await, Some(0x8B), "and not a will before");
        assert_eq!(connect.refused(&scene.device).await, None, "its certificate is forgotten too");
    }
}

#[tokio::test]
async fn c43_in_mqtt_5_only_the_normal_disconnection_keeps_the_will_back() {
    // The packet, and whether the will is sent.
    let table = [
        (DISCONNECT.to_vec(), false),
        (packets::disconnect(0x00, &[]), false),
        (packets::disconnect(0x00, &long(packets::REASON_STRING, b"bye")), false),
        (packets::disconnect(0x04, &[]), true),
        (packets::disconnect(0x80, &[]), true),
        (packets::disconnect(0x81, &long(packets::REASON_STRING, b"what?")), true),
    ];
    for (packet, expected) in table {
        let mut scene = Scene::new().await;
        let connect = Connect::new(Mqtt5, "lamp").will("wills/lamp", "gone");
        let mut live = connect.accepted(&scene.device).await;
        live.send(&packet).await;
        assert_eq!(live.disconnected().await, None, "a client's DISCONNECT is not answered");
        let (_will, event) = scene.heard(expected).await;
        assert_eq!(event["disconnectReason"], "CLIENT_INITIATED_DISCONNECT", "{packet:x?}");
        assert_eq!(event["clientInitiatedDisconnect"], true);
    }
}

#[tokio::test]
async fn c43_c46_a_will_travels_with_its_properties_and_its_time_runs_from_the_end() {
    let mut scene = Scene::new().await;
    let mut old = Connect::new(Mqtt311, "old").accepted(&scene.device).await;
    old.subscribe(&[("wills/#", 0)]).await;
    let connect = Connect::new(Mqtt5, "lamp")
        .will("wills/lamp", "gone")
        .will_property(&one(packets::PAYLOAD_FORMAT, 1))
        .will_property(&four(packets::MESSAGE_EXPIRY, 60))
        .will_property(&long(packets::CONTENT_TYPE, b"text/plain"))
        .will_property(&long(packets::RESPONSE_TOPIC, b"replies"))
        .will_property(&long(packets::CORRELATION_DATA, b"\x00\xFF"))
        .will_property(&pair("b", "1"))
        .will_property(&pair("a", "2"))
        .will_property(&pair("b", "1"));
    let live = connect.accepted(&scene.device).await;
    scene.emulator.advance(Duration::from_secs(3600)).await.expect("a manual clock");
    drop(live);
    let (will, _event) = scene.heard(true).await;
    let will = will.expect("the will");
    let properties = &will.properties;
    assert_eq!(properties.number(packets::PAYLOAD_FORMAT), Some(1));
    assert_eq!(properties.number(packets::MESSAGE_EXPIRY), Some(60), "from the disconnect on");
    assert_eq!(properties.text(packets::CONTENT_TYPE), Some("text/plain"));
    assert_eq!(properties.text(packets::RESPONSE_TOPIC), Some("replies"));
    assert_eq!(properties.bytes(packets::CORRELATION_DATA), Some(&b"\x00\xFF"[..]));
    let pairs: Vec<_> =
        properties.0.iter().filter(|(id, _)| *id == packets::USER_PROPERTY).collect();
    let pairs: Vec<&[u8]> = pairs.into_iter().map(|(_, pair)| pair.as_slice()).collect();
    assert_eq!(pairs, [b"b=1", b"a=2", b"b=1"]);
    assert_eq!(old.published().await.text(), "gone", "MQTT 3.1.1 gets the message alone");
}

#[tokio::test]
async fn c43_a_will_delay_is_taken_counts_for_nothing_and_the_trace_says_so() {
    for (seconds, told) in [(0, false), (1, true), (u32::MAX, true)] {
        let mut scene = Scene::new().await;
        let delay = four(packets::WILL_DELAY, seconds);
        let connect = Connect::new(Mqtt5, "lamp").expiring(600).will("wills/lamp", "gone");
        drop(connect.will_property(&delay).accepted(&scene.device).await);
        let (will, _event) = scene.heard(true).await;
        assert_eq!(will.expect("at once").text(), "gone");
        let trace = scene.emulator.trace().to_string();
        let line = format!("Will Delay Interval of {seconds} s counts for nothing");
        assert_eq!(trace.contains(&line), told, "{trace}");
    }
}

#[tokio::test]
async fn c43_a_will_is_of_its_connection_and_not_of_the_session() {
    for version in Version::BOTH {
        let mut scene = Scene::new().await;
        let connect = || {
            let connect = Connect::new(version, "lamp").resuming();
            if version == Mqtt5 { connect.expiring(600) } else { connect }
        };
        drop(connect().will("wills/lamp", "first").accepted(&scene.device).await);
        assert_eq!(scene.heard(true).await.0.expect("a will").text(), "first");
        let again = connect().accepted(&scene.device).await;
        assert!(again.session_present);
        drop(again);
        scene.heard(false).await;
        drop(connect().will("wills/lamp", "third").accepted(&scene.device).await);
        assert_eq!(scene.heard(true).await.0.expect("a will").text(), "third");
    }
}

#[tokio::test]
async fn c43_a_will_can_be_retained_and_an_empty_one_deletes() {
    for (payload, kept) in [("out", true), ("", false)] {
        let mut scene = Scene::new().await;
        let before = packets::publish(Mqtt5, "wills/lamp", 0, &[], b"before");
        let mut live = Connect::new(Mqtt5, "lamp")
            .will_with("wills/lamp", payload, 0, true)
            .accepted(&scene.device)
            .await;
        live.send(&[&[before[0] | 1], &before[1..]].concat()).await;
        assert_eq!(scene.watcher.published().await.text(), "before");
        drop(live);
        let (will, _event) = scene.heard(true).await;
        let will = will.expect("the will");
        assert_eq!((will.text(), will.retain, will.qos), (payload, false, 0));
        scene.watcher.subscribe(&[("wills/lamp", 1)]).await;
        scene.emulator.settled().await;
        let said = scene.watcher.so_far().await;
        match said.as_slice() {
            [Said::Publish(retained)] => {
                assert!(kept && retained.retain, "{retained:?}");
                assert_eq!(retained.text(), "out");
            }
            said => assert!(said.is_empty() && !kept, "{said:?}"),
        }
    }
}
