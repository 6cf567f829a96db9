//! CONNECT: what it may say, who is let in, what the CONNACK grants, and what everybody else sees.
//! Truth: spec C03 to C05, C30, C33, C35.

use client_tests::packets::{self, Connect, Said, four, long, one, two};
use client_tests::{Device, Version};
use iot_emulator::{Emulator, Identity, IotCore, allow};
use serde_json::{Value, json};

use crate::common::{assert_says, enrolled, refusal, signed, trusted, unattached};

use Version::{Mqtt5, Mqtt311};

fn started() -> (Emulator, Device) {
    let emulator = Emulator::start();
    let device = trusted(&emulator.iot_core(), "Device");
    (emulator, device)
}

/// What GetConnection says of `client`.
fn get_connection(emulator: &Emulator, client: &str) -> Value {
    let (status, body) = signed(emulator, "GET", &format!("/connections/{client}"));
    assert_eq!(status, 200, "{body}");
    body
}

#[tokio::test]
async fn c30_the_connack_of_mqtt_5_grants_what_aws_grants_to_the_number() {
    let (emulator, device) = started();
    // Session expiry and keep-alive, asked for and granted; none: the CONNACK does not speak of it.
    let table = [
        (None, 60, None, 60),
        (Some(0), 60, None, 60),
        (Some(1), 0, Some(1), 1200),
        (Some(600), 6, Some(600), 30),
        (Some(3600), 30, Some(3600), 30),
        (Some(3601), 600, Some(3600), 600),
        (Some(600_000), 900, Some(3600), 900),
        (Some(u32::MAX), 1000, Some(3600), 1000),
        (None, 1200, None, 1200),
        (None, 1201, None, 1200),
        (None, 65_535, None, 1200),
    ];
    for (expiry, keep_alive, granted_expiry, granted_keep_alive) in table {
        let connect = Connect::new(Mqtt5, "c").kept_alive(keep_alive);
        let connect = expiry.map_or(connect.clone(), |seconds| connect.expiring(seconds));
        let live = connect.accepted(&device).await;
        let mut expected = vec![
            (packets::SERVER_KEEP_ALIVE, granted_keep_alive),
            (packets::RECEIVE_MAXIMUM, 100),
            (packets::TOPIC_ALIAS_MAXIMUM, 8),
            (0x24, 1), // Maximum QoS
            (0x25, 1), // Retain Available
            (packets::MAXIMUM_PACKET_SIZE, 149_504),
            (0x28, 1), // Wildcard Subscription Available
            (0x29, 0), // Subscription Identifier Available
            (0x2A, 1), // Shared Subscription Available
        ];
        expected.extend(granted_expiry.map(|seconds| (packets::SESSION_EXPIRY, seconds)));
        expected.sort_unstable();
        assert_eq!(live.granted.numbers(), expected, "{connect:?}");
        assert!(!live.session_present);

        let told = get_connection(&emulator, "c");
        assert_eq!(told["sessionExpiry"], granted_expiry.unwrap_or(0), "{told}");
        assert_eq!(told["keepAliveDuration"], granted_keep_alive, "{told}");
        assert_eq!(told["cleanSession"], granted_expiry.is_none(), "{told}");
    }
}

#[tokio::test]
async fn c30_mqtt_3_1_1_keeps_a_session_for_an_hour_or_not_at_all() {
    let (emulator, device) = started();
    let connect = Connect::new(Mqtt311, "c").kept_alive(0);
    for (connect, expiry) in [(connect.clone(), 0), (connect.resuming(), 3600)] {
        let live = connect.accepted(&device).await;
        assert_eq!(live.granted, packets::Properties::default());
        let told = get_connection(&emulator, "c");
        let said = [&told["sessionExpiry"], &told["keepAliveDuration"], &told["cleanSession"]];
        assert_eq!(said, [&json!(expiry), &json!(1200), &json!(expiry == 0)], "{told}");
    }
}

#[tokio::test]
async fn c30_c33_a_client_id_has_128_bytes_at_most_and_does_not_begin_with_a_dollar() {
    let (emulator, device) = started();
    let table = [
        ("x".repeat(128), true),
        ("x".repeat(129), false),
        ("ä".repeat(64), true),
        ("ä".repeat(64) + "x", false),
        ("a/b c+#\u{1F9EA}$".to_owned(), true),
        ("$".to_owned(), false),
        ("$aws".to_owned(), false),
        ("$GEN/0f1e2d3c-4b5a-6978-8796-a5b4c3d2e1f0".to_owned(), false),
    ];
    for (client_id, allowed) in table {
        for version in Version::BOTH {
            let connect = Connect::new(version, &client_id);
            if allowed {
                connect.accepted(&device).await;
                continue;
            }
            let code = connect.refused(&device).await.map(|(code, _)| code);
            assert_eq!(code, (version == Mqtt5).then_some(0x85), "{client_id}");
            let entry = refusal(&emulator, "Connect");
            assert_eq!(entry.reason, Some("CLIENT_ERROR"));
            let said = ["client ID", if version == Mqtt5 { "CONNACK 0x85" } else { "no CONNACK" }];
            assert_says(&entry, &said);
        }
    }
}

#[tokio::test]
async fn c33_a_client_without_an_id_gets_one_that_it_cannot_use_again() {
    let (emulator, device) = started();
    let mut watcher = Connect::new(Mqtt5, "watcher").accepted(&device).await;
    watcher.subscribe(&[("$aws/events/presence/connected/#", 1)]).await;
    let mut names = Vec::new();
    let anonymous = Connect::new(Mqtt5, "");
    let table = [
        Connect::new(Mqtt311, ""),
        anonymous.clone(),
        anonymous.clone().resuming(),
        anonymous.resuming().expiring(60),
    ];
    for connect in &table {
        let live = connect.accepted(&device).await;
        assert!(!live.session_present);
        let event = watcher.published().await;
        let name = event.topic.strip_prefix("$aws/events/presence/connected/");
        let name = name.expect("a connected event").to_owned();
        let uuid = name.strip_prefix("$GEN/").unwrap_or_else(|| panic!("{name}"));
        let lengths: Vec<usize> = uuid.split('-').map(str::len).collect();
        assert_eq!(lengths, [8, 4, 4, 4, 12], "{uuid}");
        let told = live.granted.text(packets::ASSIGNED_CLIENT_ID);
        assert_eq!(told, (connect.version() == Mqtt5).then_some(name.as_str()));
        for version in Version::BOTH {
            let again = Connect::new(version, &name).resuming().refused(&device).await;
            assert_eq!(again.map(|(code, _)| code), (version == Mqtt5).then_some(0x85));
        }
        names.push(name);
    }
    names.sort();
    names.dedup();
    assert_eq!(names.len(), table.len(), "each has its own");
    // One who brings a name keeps it; one who wants a session in MQTT 3.1.1 has to.
    let named = Connect::new(Mqtt5, "c").accepted(&device).await;
    assert_eq!(named.granted.text(packets::ASSIGNED_CLIENT_ID), None);
    assert_eq!(Connect::new(Mqtt311, "").resuming().refused(&device).await, None);
    assert_says(&refusal(&emulator, "Connect"), &["CLIENT_ERROR", "empty client identifier"]);
}

/// What no client may ask for, whatever its policies say.
fn illegal() -> Vec<(Connect, u8, &'static str)> {
    let five = || Connect::new(Mqtt5, "c");
    let size = |bytes| five().with(&four(packets::MAXIMUM_PACKET_SIZE, bytes));
    let method = long(packets::AUTHENTICATION_METHOD, b"SCRAM-SHA-1");
    let content_type = long(packets::CONTENT_TYPE, &[b'x'; 257]);
    let mut table = vec![
        (size(16), 0x80, "Maximum Packet Size of 16, 512 at least"),
        (size(511), 0x80, "Maximum Packet Size of 511, 512 at least"),
        (five().with(&method), 0x87, "SCRAM-SHA-1"),
        (five().will("w", "x").will_property(&content_type), 0x97, "257 bytes of content type"),
    ];
    for version in Version::BOTH {
        let connect = || Connect::new(version, "c");
        let long = "t".repeat(257);
        table.extend([
            (connect().will_with("w", "x", 2, false), 0x9B, "a will with QoS 2"),
            (connect().will("$SYS/x", "x"), 0x90, "reserved topic `$SYS/x`"),
            (connect().will("$aws/events/x", "x"), 0x90, "reserved topic"),
            (connect().will("1/2/3/4/5/6/7/8/9", "x"), 0x90, "8 slashes"),
            (connect().will(&long, "x"), 0x90, "257 bytes of topic"),
            (
                connect().will_with("$aws/things/t/shadow/update", "{}", 1, true),
                0x90,
                "nothing can be retained",
            ),
        ]);
    }
    table
}

#[tokio::test]
async fn c30_c35_what_no_client_may_ask_for_refuses_the_connect() {
    let (emulator, device) = started();
    let mut watcher = Connect::new(Mqtt311, "watcher").accepted(&device).await;
    watcher.subscribe(&[("$aws/events/presence/#", 1)]).await;
    for (connect, code, why) in illegal() {
        let said = connect.refused(&device).await;
        match connect.version() {
            Mqtt311 => assert_eq!(said, None, "{connect:?}"),
            Mqtt5 => assert_eq!(said.map(|(code, _)| code), Some(code), "{connect:?}"),
        }
        let entry = refusal(&emulator, "Connect");
        assert_eq!(entry.reason, Some("CLIENT_ERROR"), "{connect:?}");
        assert_says(&entry, &[why]);
    }
    emulator.settled().await;
    assert_eq!(watcher.so_far().await, [], "connect_failed is for who is not authorized");
    Connect::new(Mqtt5, "c").with(&four(packets::MAXIMUM_PACKET_SIZE, 512)).accepted(&device).await;
}

#[tokio::test]
async fn c05_a_reason_string_says_why_unless_nobody_wants_it_or_there_is_no_room() {
    let emulator = Emulator::start();
    let iot = emulator.iot_core();
    let nobody = enrolled(&iot, "Nobody", allow(&["iot:Publish"], "*"));
    let device = enrolled(&iot, "Device", allow(&["iot:Connect"], "*"));
    let wants = |connect: Connect, wanted: u8| {
        connect.with(&one(packets::REQUEST_PROBLEM_INFORMATION, wanted))
    };
    let not_authorized = "Client is not authenticated/authorized to send the message";
    let size = four(packets::MAXIMUM_PACKET_SIZE, 100);
    let table = [
        (&nobody, Connect::new(Mqtt5, "c"), 0x87, Some(not_authorized)),
        (&nobody, wants(Connect::new(Mqtt5, "c"), 1), 0x87, Some(not_authorized)),
        (&nobody, wants(Connect::new(Mqtt5, "c"), 0), 0x87, None),
        (&device, Connect::new(Mqtt5, "$c"), 0x85, Some("Client identifier is not valid")),
        (&device, wants(Connect::new(Mqtt5, "$c"), 0), 0x85, None),
        (&device, Connect::new(Mqtt5, "c").with(&size), 0x80, None),
    ];
    for (device, connect, code, text) in table {
        let (said, properties) = connect.refused(device).await.expect("a CONNACK");
        assert_eq!(said, code, "{connect:?}");
        assert_reason_string(properties.text(packets::REASON_STRING), "CONNACK", text);
    }
    for (wanted, text) in [(1, Some(not_authorized)), (0, None)] {
        let mut live = wants(Connect::new(Mqtt5, "c"), wanted).accepted(&device).await;
        live.send(&packets::publish(Mqtt5, "a", 0, &[], b"x")).await;
        let said = live.last_words().await;
        let [Said::Disconnect { code: 0x87, properties }] = said.as_slice() else {
            panic!("{said:?}");
        };
        assert_reason_string(properties.text(packets::REASON_STRING), "DISCONNECT", text);
    }
}

/// `PACKET:TEXT:UUID`, or nothing.
#[track_caller]
fn assert_reason_string(said: Option<&str>, packet: &str, text: Option<&str>) {
    let Some(text) = text else { return assert_eq!(said, None) };
    let uuid = said.and_then(|said| said.strip_prefix(&format!("{packet}:{text}:")));
    assert_eq!(uuid.map(str::len), Some(36), "{said:?}");
}

/// Certificates that are good for nothing, and the reason that AWS's log has for each.
fn strangers(iot: &IotCore) -> Vec<(&'static str, Device, &'static str)> {
    let call = |operation: &str, input: Value| iot.call(operation, input).expect("allowed");
    let of = |name: &str| {
        let device = trusted(iot, name);
        let id = device.certificate_id().to_string();
        (device, id)
    };
    let status = |name: &'static str, status: &str| {
        let (device, id) = of(name);
        call("UpdateCertificate", json!({ "certificateId": id, "newStatus": status }));
        (device, id)
    };
    let (deleted, id) = status("Deleted", "INACTIVE");
    call("DeleteCertificate", json!({ "certificateId": id, "forceDelete": true }));
    let (transferred, id) = status("Transferred", "INACTIVE");
    let policy = json!({ "policyName": "Transferred",
                         "target": iot.certificate_arn(transferred.certificate_id()) });
    call("DetachPolicy", policy);
    call("TransferCertificate", json!({ "certificateId": id, "targetAwsAccount": "222233334444" }));
    let unknown = Device::new(iot, Identity::self_signed("Unknown"));
    vec![
        ("unknown", unknown, "DEVICE_CERTIFICATE_NOT_REGISTERED"),
        ("deleted", deleted, "DEVICE_CERTIFICATE_NOT_REGISTERED"),
        ("inactive", status("Inactive", "INACTIVE").0, "DEVICE_CERTIFICATE_INACTIVE"),
        ("transferred", transferred, "DEVICE_CERTIFICATE_INACTIVE"),
        ("revoked", status("Revoked", "REVOKED").0, "DEVICE_CERTIFICATE_REVOKED"),
        ("none", Device::without_certificate(iot), "NOT_AUTHENTICATED"),
    ]
}

#[tokio::test]
async fn c03_c04_who_is_not_authenticated_gets_no_connack_in_either_version() {
    let (emulator, device) = started();
    let mut watcher = Connect::new(Mqtt311, "watcher").accepted(&device).await;
    watcher.subscribe(&[("$aws/events/presence/#", 1)]).await;
    for (what, stranger, reason) in strangers(&emulator.iot_core()) {
        for version in Version::BOTH {
            // Not even what is wrong with the CONNECT is told to one who is nobody.
            for connect in [Connect::new(version, "c"), Connect::new(version, "$c")] {
                assert_eq!(connect.refused(&stranger).await, None, "{what} {version:?}");
                let entry = refusal(&emulator, "Connection.AuthNError");
                assert_eq!(entry.reason, Some(reason), "{what} {version:?}");
                assert_says(&entry, &["disconnects"]);
            }
        }
    }
    emulator.settled().await;
    assert_eq!(watcher.so_far().await, [], "connect_failed is for who is not authorized");
}

#[tokio::test]
async fn c30_a_connect_that_cannot_be_read_gets_no_connack() {
    let (emulator, device) = started();
    let mut table = vec![
        (Connect::new(Mqtt311, "c").of_protocol("MQIsdp", 3), "MQTT 3.1 is not served"),
        (Connect::new(Mqtt5, "c").with(&two(packets::RECEIVE_MAXIMUM, 0)), "Receive Maximum is 0"),
    ];
    for version in Version::BOTH {
        let connect = || Connect::new(version, "c");
        table.extend([
            (connect().of_protocol("MQTT", 3), "neither 4 (MQTT 3.1.1) nor 5"),
            (connect().of_protocol("MQTT", 6), "neither 4 (MQTT 3.1.1) nor 5"),
            (connect().of_protocol("mqtt", 4), "the protocol is called \"mqtt\""),
            (connect().will("w/#", "x"), "holds a wildcard"),
            (connect().will_with("w", "x", 3, false), "will QoS 3"),
        ]);
    }
    for (connect, why) in table {
        assert_eq!(connect.refused(&device).await, None, "{connect:?}");
        assert_says(&refusal(&emulator, "Connect"), &["CLIENT_ERROR", why, "disconnects"]);
    }
}

#[tokio::test]
async fn g15_user_name_and_password_mean_nothing_beside_a_certificate() {
    let (_emulator, device) = started();
    let awscrt = "?SDK=IoTDeviceSDK/Python&Platform=Unix&Metadata=(CRTVersion=0.38.1;)";
    for version in Version::BOTH {
        for (name, password) in [(awscrt, &b""[..]), ("", b"\x00\xFF"), ("admin", b"wrong")] {
            Connect::new(version, "c").login(name, password).accepted(&device).await;
        }
    }
}

#[tokio::test]
async fn c30_a_second_connect_ends_the_connection_and_says_so_once() {
    let (emulator, device) = started();
    for (version, code) in [(Mqtt311, None), (Mqtt5, Some(0x82))] {
        let connect = Connect::new(version, "c");
        let mut live = connect.accepted(&device).await;
        let before = emulator.trace().refusals().len();
        live.send(&connect.bytes()).await;
        assert_eq!(live.disconnected().await, code);
        emulator.settled().await;
        let refusals = emulator.trace().refusals().split_off(before);
        let [entry] = refusals.as_slice() else { panic!("{refusals:?}") };
        assert_eq!((entry.event_type, entry.reason), ("Disconnect", Some("CLIENT_ERROR")));
        let answer = if version == Mqtt5 { "DISCONNECT 0x82" } else { "disconnects" };
        assert_says(entry, &["c  ended", "a second CONNECT", answer]);
    }
}

#[tokio::test]
async fn c30_what_comes_right_behind_a_connect_is_answered_behind_the_connack() {
    let (_emulator, device) = started();
    for version in Version::BOTH {
        let mut wire = device.open().await.expect("a handshake");
        let mut bytes = Connect::new(version, "c").bytes();
        bytes.extend(packets::subscribe(version, 1, &[("a", 1)]));
        bytes.extend(packets::publish(version, "a", 1, &[], b"own"));
        bytes.extend(b"\xC0\x00");
        wire.send(&bytes).await;
        let mut kinds = Vec::new();
        for _ in 0..5 {
            kinds.push(wire.packet().await[0] >> 4);
        }
        // The message itself comes whenever it comes.
        let answers: Vec<u8> = kinds.iter().copied().filter(|kind| *kind != 3).collect();
        assert_eq!(answers, [2, 9, 4, 13], "{version:?}: {kinds:?}");
        assert_eq!(kinds[0], 2, "CONNACK is first");
    }
    // And before any CONNECT nothing is.
    let mut wire = device.open().await.expect("a handshake");
    wire.send(&packets::subscribe(Mqtt5, 1, &[("a", 1)])).await;
    assert_eq!(wire.rest().await, (Vec::new(), client_tests::Ending::CloseNotify));
}

#[tokio::test]
async fn c09_a_status_away_from_active_ends_live_connections_and_nothing_else_does() {
    let emulator = Emulator::start();
    let iot = emulator.iot_core();
    iot.create_policy("P", allow(&["iot:Connect"], "*"));
    // A status, or none: the policy is detached; and whether the connection ends.
    let table =
        [(Some("INACTIVE"), true), (Some("REVOKED"), true), (Some("ACTIVE"), false), (None, false)];
    for (status, ends) in table {
        for (version, code) in [(Mqtt311, None), (Mqtt5, Some(0x87))] {
            let device = unattached(&iot, "Device");
            let id = device.certificate_id();
            iot.attach_policy("P", id);
            let mut live = Connect::new(version, "c").accepted(&device).await;
            let (operation, input) = match status {
                Some(status) => {
                    let id = id.to_string();
                    ("UpdateCertificate", json!({ "certificateId": id, "newStatus": status }))
                }
                None => {
                    let arn = iot.certificate_arn(id);
                    ("DetachPolicy", json!({ "policyName": "P", "target": arn }))
                }
            };
            iot.call(operation, input).expect("allowed");
            if !ends {
                assert_eq!(live.so_far().await, [], "{status:?}: it lives");
                continue;
            }
            assert_eq!(live.disconnected().await, code, "{status:?}");
            let entry = refusal(&emulator, "Disconnect");
            assert_says(&entry, &["AUTH_ERROR", "its certificate is no longer ACTIVE"]);
        }
    }
}
