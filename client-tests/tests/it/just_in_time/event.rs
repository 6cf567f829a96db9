//! JE-1 to JE-7, and JR-8, JR-10, JR-11: the registered event, to the letter.
//!
//! Truth: <https://docs.aws.amazon.com/iot/latest/developerguide/auto-register-device-cert.html>
//! and <https://docs.aws.amazon.com/iot/latest/developerguide/iot-events.html>.

use std::time::Duration;

use client_tests::{Device, Version};
use iot_emulator::{AutoRegistration, CertificateAuthority, Emulator, Function, allow};
use serde_json::{Value, json};

use super::{Door, EVENTS, call, heard, status, watcher, with_a_manual_clock};
use crate::common::{assert_says, enrolled, publish_over_https, refusal, trusted};

#[tokio::test]
async fn jr_8_jr_11_je_1_2_3_and_4_each_presentation_tells_the_same_to_the_letter() {
    let emulator = with_a_manual_clock();
    let iot = emulator.iot_core();
    let watcher = watcher(&iot).await;
    let ca = CertificateAuthority::new("Acme Devices");
    iot.register_ca(&ca, AutoRegistration::Enabled);
    for first in Door::BOTH {
        let device = Device::new(&iot, ca.issue("lamp"));
        let mut created = Value::Null;
        for door in [first, Door::Mqtt, Door::Https] {
            assert!(!door.lets_in(&device).await);
            let now = milliseconds(&emulator);
            let [event] = heard(&watcher).await.try_into().expect("one event");
            let ca_id = ca.certificate_id().to_string();
            assert_eq!(event.topic, format!("{EVENTS}{ca_id}"), "JE-4");
            let expected = json!({
                "certificateId": device.certificate_id().to_string(),
                "caCertificateId": ca_id,
                "timestamp": now,
                "certificateStatus": "PENDING_ACTIVATION",
                "awsAccountId": "000000000000",
                "certificateRegistrationTimestamp": created,
                "sourceIp": "127.0.0.1",
            });
            assert_eq!(event.json(), expected, "{first:?} {door:?}");
            assert_eq!(status(&iot, &device), "PENDING_ACTIVATION", "JR-8");
            if created.is_null() {
                created = json!(now.to_string());
            }
            emulator.advance(Duration::from_millis(1_234)).await.expect("a manual clock");
        }
    }
    assert_eq!(call(&iot, "ListThings", json!({}))["things"], json!([]), "JR-11");
    let policies = call(&iot, "ListPolicies", json!({}));
    let [watchers] = policies["policies"].as_array().expect("a list").as_slice() else {
        panic!("JR-11: {policies}")
    };
    assert_eq!(watchers["policyName"], "Watcher");
}

/// What the manual clock shows.
fn milliseconds(emulator: &Emulator) -> i64 {
    let last = emulator.trace().entries().last().map(|entry| entry.at);
    last.expect("an entry").milliseconds()
}

#[tokio::test]
async fn jr_10_the_event_comes_whatever_the_event_configurations_say() {
    let emulator = Emulator::start();
    let iot = emulator.iot_core();
    let watcher = watcher(&iot).await;
    let ca = CertificateAuthority::new("Acme Devices");
    iot.register_ca(&ca, AutoRegistration::Enabled);
    for enabled in [false, true] {
        let described = call(&iot, "DescribeEventConfigurations", json!({}));
        let kinds = described["eventConfigurations"].as_object().expect("a map").keys();
        let kinds: serde_json::Map<String, Value> =
            kinds.map(|kind| (kind.clone(), json!({ "Enabled": enabled }))).collect();
        assert!(kinds.contains_key("CA_CERTIFICATE"));
        call(&iot, "UpdateEventConfigurations", json!({ "eventConfigurations": kinds }));
        heard(&watcher).await;
        let device = Device::new(&iot, ca.issue("lamp"));
        assert!(!Door::Mqtt.lets_in(&device).await);
        let mut events = heard(&watcher).await;
        events.retain(|event| event.topic.starts_with(EVENTS));
        assert_eq!(events.len(), 1, "Enabled: {enabled}");
    }
}

#[tokio::test]
async fn je_5_rules_and_subscribers_get_it_whose_policies_let_them() {
    let emulator = Emulator::start();
    let iot = emulator.iot_core();
    let (sender, received) = std::sync::mpsc::channel();
    let note = Function::new(move |event| {
        sender.send(event.clone())?;
        Ok(json!({}))
    });
    let sql = "SELECT *, clientid() AS client, topic(5) AS ca FROM \
               '$aws/events/certificates/registered/#'";
    iot.create_topic_rule("Registered", sql, note);
    let deaf = allow(&["iot:Connect", "iot:Subscribe", "iot:Publish"], "*");
    let deaf = enrolled(&iot, "Deaf", deaf).connect("deaf").await.expect("iot:Connect");
    deaf.subscribe_all(&[&format!("{EVENTS}#")], 1).await.expect("iot:Subscribe");
    let blind = allow(&["iot:Connect", "iot:Receive"], "*");
    let blind = enrolled(&iot, "Blind", blind).connect("blind").await.expect("iot:Connect");
    assert!(blind.subscribe(&format!("{EVENTS}#")).await != Ok(1), "no iot:Subscribe");
    let ca = CertificateAuthority::new("Acme Devices");
    iot.register_ca(&ca, AutoRegistration::Enabled);
    let device = Device::new(&iot, ca.issue("lamp"));
    assert!(!Door::Mqtt.lets_in(&device).await);
    emulator.settled().await;
    let event = received.try_recv().expect("the rule has run");
    assert_eq!(event["certificateId"], device.certificate_id().to_string());
    assert_eq!(event["client"], "lamp", "the client that connected");
    assert_eq!(event["ca"], ca.certificate_id().to_string());
    assert_eq!(refusal(&emulator, "Publish-Out").value("clientId"), Some("deaf"));
}

#[tokio::test]
async fn je_6_no_client_publishes_a_registered_event_of_its_own() {
    let emulator = Emulator::start();
    let iot = emulator.iot_core();
    let watcher = watcher(&iot).await;
    let forger = trusted(&iot, "Forger");
    let topic = format!("{EVENTS}{}", "ab".repeat(32));
    for version in Version::BOTH {
        let mqtt = forger.connect("forger").speaking(version).await.expect("a connection");
        mqtt.publish(&topic, "{}").await.expect_err("AWS's own topic");
    }
    let status = publish_over_https(&forger, &topic.replace('$', "%24")).await;
    assert!(["400", "403"].contains(&status.as_str()), "{status}");
    emulator.settled().await;
    assert_eq!(heard(&watcher).await, []);
    assert_says(&refusal(&emulator, "Publish-In"), &[EVENTS]);
}

#[tokio::test]
async fn je_7_no_presentation_is_left_out_however_fast_they_follow() {
    const TIMES: usize = 20;
    let emulator = Emulator::start();
    let iot = emulator.iot_core();
    let watcher = watcher(&iot).await;
    let ca = CertificateAuthority::new("Acme Devices");
    iot.register_ca(&ca, AutoRegistration::Enabled);
    let device = Device::new(&iot, ca.issue("lamp"));
    let mut knocking = tokio::task::JoinSet::new();
    for number in 0..TIMES {
        let (device, door) = (device.clone(), Door::BOTH[number % 2]);
        knocking.spawn(async move { assert!(!door.lets_in(&device).await) });
    }
    knocking.join_all().await;
    let events = heard(&watcher).await;
    assert_eq!(events.len(), TIMES);
    let first =
        |event: &&client_tests::Message| event.json()["certificateRegistrationTimestamp"].is_null();
    assert_eq!(events.iter().filter(first).count(), 1, "one of them registered it");
}
