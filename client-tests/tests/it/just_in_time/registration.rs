//! JR-1 to JR-15: who registers itself, and who leaves nothing behind.
//!
//! Truth: <https://docs.aws.amazon.com/iot/latest/developerguide/auto-register-device-cert.html>;
//! what was measured on AWS: <https://github.com/ministackorg/ministack/pull/1755>.

use std::time::Duration;

use client_tests::{Device, Ending};
use iot_emulator::pki::Leaf;
use iot_emulator::{
    AutoRegistration, CertificateAuthority, Emulator, Function, Identity, IotCore, allow,
};
use serde_json::json;

use super::{Door, activate, call, heard, status, watcher, with_a_manual_clock};
use crate::common::{EVERYTHING, assert_says, refusal};

/// Registers what a corner is about, and makes its device.
type Corner = fn(&IotCore, &CertificateAuthority) -> Identity;

fn change_ca(iot: &IotCore, ca: &CertificateAuthority, member: &str, value: &str) {
    let id = ca.certificate_id().to_string();
    call(iot, "UpdateCACertificate", json!({ "certificateId": id, member: value }));
}

/// Corners in which nothing registers itself, and what the trace says of each.
const CORNERS: [(&str, Corner, &str); 8] = [
    ("JR-1, no CA", |_, ca| ca.issue("lamp"), "no registered CA certificate has the subject"),
    (
        "JR-9, auto-registration off",
        |iot, ca| {
            iot.register_ca(ca, AutoRegistration::Disabled);
            ca.issue("lamp")
        },
        "registered, ACTIVE, with auto-registration DISABLE",
    ),
    (
        "JR-9, INACTIVE CA",
        |iot, ca| {
            iot.register_ca(ca, AutoRegistration::Enabled);
            change_ca(iot, ca, "newStatus", "INACTIVE");
            ca.issue("lamp")
        },
        "registered, INACTIVE, with auto-registration ENABLE",
    ),
    (
        "JR-2, only the root is registered",
        |iot, ca| {
            iot.register_ca(ca, AutoRegistration::Enabled);
            ca.issue_authority("Factory").issue("lamp")
        },
        "AWS IoT wants the direct issuer registered",
    ),
    (
        "JR-2, the root's own device under a registered intermediate",
        |iot, ca| {
            iot.register_ca(&ca.issue_authority("Factory"), AutoRegistration::Enabled);
            ca.issue("lamp")
        },
        "no registered CA certificate has the subject `CN=Acme Devices`",
    ),
    (
        "JR-3, a CA of the same name signed it",
        |iot, ca| {
            iot.register_ca(ca, AutoRegistration::Enabled);
            CertificateAuthority::new("Acme Devices").issue("lamp")
        },
        "does not verify against the registered CA `CN=Acme Devices`",
    ),
    (
        "JR-14, expired",
        |iot, ca| {
            iot.register_ca(ca, AutoRegistration::Enabled);
            let now = iot_emulator::time::Clock::System.now();
            let day = Duration::from_secs(86_400);
            ca.issue_with(Leaf::new("lamp").valid(now - 2 * day, now - day))
        },
        "is valid from",
    ),
    (
        "JR-14, not valid yet",
        |iot, ca| {
            iot.register_ca(ca, AutoRegistration::Enabled);
            let now = iot_emulator::time::Clock::System.now();
            let day = Duration::from_secs(86_400);
            ca.issue_with(Leaf::new("lamp").valid(now + day, now + 2 * day))
        },
        "is valid from",
    ),
];

#[tokio::test]
async fn jr_1_2_3_9_13_and_14_whoever_does_not_register_learns_nothing_and_the_trace_says_why() {
    for (corner, prepare, said) in CORNERS {
        let emulator = Emulator::start();
        let iot = emulator.iot_core();
        let watcher = watcher(&iot).await;
        let ca = CertificateAuthority::new("Acme Devices");
        let device = Device::new(&iot, prepare(&iot, &ca));
        for door in Door::BOTH {
            assert!(!door.lets_in(&device).await, "{corner} {door:?}");
            assert_eq!(status(&iot, &device), "", "{corner} {door:?}");
            let entry = refusal(&emulator, "Connection.AuthNError");
            assert_eq!(entry.reason, Some("DEVICE_CERTIFICATE_NOT_REGISTERED"), "{corner}");
            assert_says(&entry, &[said]);
        }
        assert_eq!(heard(&watcher).await, [], "{corner}");
    }
}

#[tokio::test]
async fn jr_2_and_6_a_device_of_a_registered_intermediate_registers_itself_at_both_doors() {
    for door in Door::BOTH {
        let emulator = Emulator::start();
        let iot = emulator.iot_core();
        let root = CertificateAuthority::new("Root");
        let factory = root.issue_authority("Factory").issue_authority("Line 1");
        iot.register_ca(&factory, AutoRegistration::Enabled);
        let device = Device::new(&iot, factory.issue("lamp"));
        assert!(!door.lets_in(&device).await);
        assert_eq!(status(&iot, &device), "PENDING_ACTIVATION", "{door:?}");
        let id = device.certificate_id().to_string();
        let described = call(&iot, "DescribeCertificate", json!({ "certificateId": id }));
        let ca_id = &described["certificateDescription"]["caCertificateId"];
        assert_eq!(*ca_id, json!(factory.certificate_id().to_string()));
    }
}

#[tokio::test]
async fn jr_4_an_sni_only_ca_in_two_accounts_registers_where_the_name_says() {
    for door in Door::BOTH {
        let emulator = Emulator::start();
        let here = emulator.iot_core();
        let there = emulator.iot_core_of("222233334444", "eu-west-1");
        let ca = CertificateAuthority::new("Acme Devices");
        for iot in [&here, &there] {
            let input = json!({
                "caCertificate": ca.pem(), "certificateMode": "SNI_ONLY",
                "setAsActive": true, "allowAutoRegistration": true,
            });
            call(iot, "RegisterCACertificate", input);
        }
        let name = there.aws_endpoint();
        let names = [
            name.to_uppercase(),
            name.replace("-ats", ""),
            name.replace("eu-west-1", "ap-northeast-1"),
        ];
        for (number, name) in names.iter().enumerate() {
            let identity = ca.issue(&format!("lamp-{number}"));
            let [at_home, device] = [&here, &there].map(|iot| Device::new(iot, identity.clone()));
            let nameless = at_home.clone().without_sni();
            assert!(!door.lets_in(&nameless).await);
            let both = || (status(&here, &at_home), status(&there, &device));
            assert_eq!(both(), (String::new(), String::new()), "{door:?} without a name");
            assert!(!door.lets_in(&device.clone().asking_for(name)).await);
            let pending = "PENDING_ACTIVATION".to_owned();
            assert_eq!(both(), (String::new(), pending.clone()), "{door:?} {name}");
            assert!(!door.lets_in(&at_home).await);
            assert_eq!(both(), (pending.clone(), pending), "{door:?}");
            let id = device.certificate_id().to_string();
            let described = call(&there, "DescribeCertificate", json!({ "certificateId": id }));
            assert_eq!(described["certificateDescription"]["certificateMode"], "SNI_ONLY");
        }
        let entry = refusal(&emulator, "Connection.AuthNError");
        assert_eq!(entry.reason, Some("DEVICE_CERTIFICATE_INACTIVE"));
    }
}

#[tokio::test]
async fn jr_5_only_a_connect_and_a_whole_request_register() {
    let emulator = Emulator::start();
    let iot = emulator.iot_core();
    let ca = CertificateAuthority::new("Acme Devices");
    iot.register_ca(&ca, AutoRegistration::Enabled);
    let watcher = watcher(&iot).await;
    let device = Device::new(&iot, ca.issue("lamp"));
    let first_packets: [(&str, &[u8]); 5] = [
        ("nothing", b""),
        ("PINGREQ", b"\xc0\x00"),
        ("PUBLISH", b"\x30\x03\x00\x01a"),
        ("half a CONNECT", b"\x10\x10\x00\x04MQTT"),
        ("no MQTT", b"GET / HTTP/1.1\r\n\r\n"),
    ];
    for (what, bytes) in first_packets {
        let mut wire = device.open().await.expect("a handshake");
        wire.send(bytes).await;
        if ["PINGREQ", "PUBLISH", "no MQTT"].contains(&what) {
            assert_eq!(wire.rest().await.0, b"", "{what}");
        } else {
            wire.lose();
        }
    }
    let half = b"POST /topics/a?qos=1 HTTP/1.1\r\nHost: localhost\r\n";
    for bytes in [&b""[..], half] {
        let mut wire = device.open_https().await.expect("a handshake");
        wire.send(bytes).await;
        wire.lose();
    }
    emulator.settled().await;
    assert_eq!(status(&iot, &device), "");
    assert_eq!(heard(&watcher).await, []);
    assert!(!Door::Mqtt.lets_in(&device).await);
    assert_eq!(status(&iot, &device), "PENDING_ACTIVATION");
}

#[tokio::test]
async fn jr_6_the_hang_up_is_in_order_and_has_no_connack() {
    let emulator = Emulator::start();
    let iot = emulator.iot_core();
    let ca = CertificateAuthority::new("Acme Devices");
    iot.register_ca(&ca, AutoRegistration::Enabled);
    let device = Device::new(&iot, ca.issue("lamp"));
    let (three, five): (&[u8], &[u8]) = (
        b"\x10\x10\x00\x04MQTT\x04\x02\x00\x3c\x00\x04lamp",
        b"\x10\x11\x00\x04MQTT\x05\x02\x00\x3c\x00\x00\x04lamp",
    );
    for connect in [three, five] {
        let mut wire = device.open().await.expect("a handshake");
        wire.send(connect).await;
        assert_eq!(wire.rest().await, (Vec::new(), Ending::CloseNotify));
        assert_eq!(status(&iot, &device), "PENDING_ACTIVATION");
    }
}

#[tokio::test]
async fn jr_6_and_7_on_443_either_protocol_registers_too() {
    let emulator = Emulator::start();
    let iot = emulator.iot_core();
    let ca = CertificateAuthority::new("Acme Devices");
    iot.register_ca(&ca, AutoRegistration::Enabled);
    let connect = b"\x10\x10\x00\x04MQTT\x04\x02\x00\x3c\x00\x04lamp";
    let request = b"POST /topics/a?qos=1 HTTP/1.1\r\nHost: localhost\r\nContent-Length: 0\r\n\r\n";
    let protocols: [(&str, &[u8]); 2] = [("x-amzn-mqtt-ca", connect), ("x-amzn-http-ca", request)];
    for (protocol, bytes) in protocols {
        let device = Device::new(&iot, ca.issue("lamp"));
        let mut wire = device.open_at(emulator.addresses().tls, &[protocol]).await.expect(protocol);
        wire.send(bytes).await;
        assert_eq!(wire.rest().await, (Vec::new(), Ending::CloseNotify), "{protocol}");
        assert_eq!(status(&iot, &device), "PENDING_ACTIVATION", "{protocol}");
    }
}

#[tokio::test]
async fn jr_9_a_certificate_that_waits_or_is_inactive_has_no_event_any_more() {
    let emulator = Emulator::start();
    let iot = emulator.iot_core();
    let watcher = watcher(&iot).await;
    let ca = CertificateAuthority::new("Acme Devices");
    iot.register_ca(&ca, AutoRegistration::Enabled);
    let devices = ["waiting", "inactive"].map(|name| Device::new(&iot, ca.issue(name)));
    for device in &devices {
        assert!(!Door::Mqtt.lets_in(device).await);
    }
    assert_eq!(heard(&watcher).await.len(), 2);
    let [waiting, inactive] = &devices;
    let id = inactive.certificate_id().to_string();
    call(&iot, "UpdateCertificate", json!({ "certificateId": id, "newStatus": "INACTIVE" }));
    for door in Door::BOTH {
        assert!(!door.lets_in(inactive).await);
        assert_eq!(heard(&watcher).await, [], "INACTIVE, {door:?}");
        change_ca(&iot, &ca, "newAutoRegistrationStatus", "DISABLE");
        assert!(!door.lets_in(waiting).await);
        assert_eq!(heard(&watcher).await, [], "no auto-registration, {door:?}");
        assert_eq!(status(&iot, waiting), "PENDING_ACTIVATION");
        assert_says(&refusal(&emulator, "Connection.AuthNError"), &["DISABLE: no event"]);
        change_ca(&iot, &ca, "newAutoRegistrationStatus", "ENABLE");
    }
    assert!(!Door::Https.lets_in(waiting).await);
    assert_eq!(heard(&watcher).await.len(), 1, "it is enabled again");
}

#[tokio::test]
async fn jr_7_and_12_a_device_that_goes_on_trying_is_let_in_once_the_function_has_run() {
    for door in Door::BOTH {
        let emulator = Emulator::start();
        let iot = emulator.iot_core();
        let ca = CertificateAuthority::new("Acme Devices");
        iot.register_ca(&ca, AutoRegistration::Enabled);
        iot.create_policy("Device", allow(EVERYTHING, "*"));
        let activating = iot.clone();
        let activate = Function::new(move |event| {
            let id = event["certificateId"].as_str().ok_or("no certificateId")?;
            let active = json!({ "certificateId": id, "newStatus": "ACTIVE" });
            // The policy comes first: JR-11, nothing else brings one.
            activating.attach_policy("Device", id);
            activating.call("UpdateCertificate", active)?;
            Ok(json!({}))
        });
        let sql = "SELECT * FROM '$aws/events/certificates/registered/#'";
        iot.create_topic_rule("Jitr", sql, activate);
        let device = Device::new(&iot, ca.issue("lamp"));
        let mut refused = 0;
        while !door.lets_in(&device).await {
            refused += 1;
            assert!(refused < 1_000, "{door:?}: {}", emulator.trace());
        }
        assert!(refused > 0, "the first time it was unknown");
        emulator.settled().await;
    }
}

#[tokio::test]
async fn jr_15_a_deleted_certificate_registers_itself_afresh() {
    let emulator = with_a_manual_clock();
    let iot = emulator.iot_core();
    let watcher = watcher(&iot).await;
    let ca = CertificateAuthority::new("Acme Devices");
    iot.register_ca(&ca, AutoRegistration::Enabled);
    let device = Device::new(&iot, ca.issue("lamp"));
    for door in Door::BOTH {
        for time in ["first", "again"] {
            assert!(!door.lets_in(&device).await, "{door:?} {time}");
            let [event] = heard(&watcher).await.try_into().expect("one event");
            let registered = event.json()["certificateRegistrationTimestamp"].clone();
            assert_eq!(registered.is_null(), time == "first", "{door:?} {time}");
        }
        activate(&iot, &device);
        let id = device.certificate_id().to_string();
        let inactive = json!({ "certificateId": id, "newStatus": "INACTIVE" });
        call(&iot, "UpdateCertificate", inactive);
        call(&iot, "DeleteCertificate", json!({ "certificateId": id }));
        assert_eq!(status(&iot, &device), "");
        emulator.advance(Duration::from_secs(60)).await.expect("a manual clock");
    }
}
