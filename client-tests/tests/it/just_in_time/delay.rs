//! JP-7 and U3: `provisioning_delay_seconds`, by which templates take their time as on AWS.
//!
//! Truth: <https://docs.aws.amazon.com/iot/latest/developerguide/jit-provisioning.html>: the flow
//! begins when the device is hung up on, and ends some time later.

use std::time::Duration;

use client_tests::binary::Binary;
use client_tests::{Device, programs};
use iot_emulator::time::Clock;
use iot_emulator::{AutoRegistration, CertificateAuthority, Emulator, Identity};
use serde_json::json;

use super::provisioning::{everything, template};
use super::{Door, call, heard, status, watcher};
use crate::common::{assert_says, refusal};

const DELAY: u64 = 30;

fn slow(manual_clock: bool, seconds: u64) -> Emulator {
    let builder = Emulator::builder().manual_clock(manual_clock);
    builder.provisioning_delay_seconds(seconds).start().expect("free ports")
}

async fn advance(emulator: &Emulator, seconds: u64) {
    emulator.advance(Duration::from_secs(seconds)).await.expect("a manual clock");
}

#[tokio::test]
async fn jp_7_a_template_runs_once_and_so_long_after_the_connection_that_asked_for_it() {
    for door in Door::BOTH {
        let emulator = slow(true, DELAY);
        let iot = emulator.iot_core();
        let watcher = watcher(&iot).await;
        let ca = CertificateAuthority::new("Acme Devices");
        iot.register_ca(&ca, AutoRegistration::Template(template(&everything())));
        let [first, second] = ["first", "second"].map(|name| Device::new(&iot, ca.issue(name)));
        assert!(!door.lets_in(&first).await);
        let why = "the template of its CA runs at ";
        assert_says(&refusal(&emulator, "Connection.AuthNError"), &[why]);
        advance(&emulator, 10).await;
        assert!(!door.lets_in(&second).await);
        // Nothing is in flight: a template that is not due does not count.
        emulator.settled().await;
        advance(&emulator, DELAY - 11).await;
        assert_eq!((status(&iot, &first), status(&iot, &second)).0, "PENDING_ACTIVATION");
        assert!(!door.lets_in(&first).await, "and asks again in vain");
        let again = "an earlier connection asked for it: the template of its CA runs at ";
        let delay = "provisioning_delay_seconds = 30";
        assert_says(&refusal(&emulator, "Connection.AuthNError"), &[again, delay]);
        assert_eq!(heard(&watcher).await.len(), 3, "the event comes at once, each time");
        advance(&emulator, 1).await;
        assert_eq!(status(&iot, &first), "ACTIVE", "{}", emulator.trace());
        assert_eq!(status(&iot, &second), "PENDING_ACTIVATION");
        assert!(door.lets_in(&first).await);
        advance(&emulator, 10).await;
        assert!(door.lets_in(&second).await);
        advance(&emulator, 10 * DELAY).await;
        let entries = emulator.trace().entries();
        let ran = entries.iter().filter(|entry| entry.event_type == "ProvisionThing").count();
        assert_eq!(ran, 2, "each template once:\n{}", emulator.trace());
        assert_eq!(iot.metric("ProvisionThing.Success", &[]), Some(2));
    }
}

#[tokio::test]
async fn jp_8_with_a_delay_a_template_that_failed_runs_again_so_long_after_the_next_connection() {
    let emulator = slow(true, DELAY);
    let iot = emulator.iot_core();
    let ca = CertificateAuthority::new("Acme Devices");
    let named = json!({ "PolicyName": "Rights" });
    iot.register_ca(&ca, AutoRegistration::Template(template(&named)));
    let device = Device::new(&iot, ca.issue("lamp"));
    for failures in 1..3 {
        assert!(!Door::Mqtt.lets_in(&device).await);
        advance(&emulator, DELAY).await;
        assert_eq!(iot.metric("ProvisionThing.ClientError", &[]), Some(failures));
        advance(&emulator, DELAY).await;
        assert_eq!(iot.metric("ProvisionThing.ClientError", &[]), Some(failures), "not by itself");
    }
    iot.create_policy("Rights", iot_emulator::allow(&["iot:Connect"], "*"));
    assert!(!Door::Mqtt.lets_in(&device).await);
    advance(&emulator, DELAY).await;
    assert!(Door::Mqtt.lets_in(&device).await, "{}", emulator.trace());
}

#[tokio::test]
async fn jr_15_with_a_delay_a_certificate_that_is_deleted_meanwhile_takes_its_turn_along() {
    let emulator = slow(true, DELAY);
    let iot = emulator.iot_core();
    let ca = CertificateAuthority::new("Acme Devices");
    iot.register_ca(&ca, AutoRegistration::Template(template(&everything())));
    let [gone, back] = ["gone", "back"].map(|name| Device::new(&iot, ca.issue(name)));
    for device in [&gone, &back] {
        assert!(!Door::Mqtt.lets_in(device).await);
        let id = device.certificate_id().to_string();
        call(&iot, "DeleteCertificate", json!({ "certificateId": id }));
    }
    advance(&emulator, DELAY - 1).await;
    assert!(!Door::Mqtt.lets_in(&back).await);
    advance(&emulator, 1).await;
    assert_eq!(status(&iot, &back), "PENDING_ACTIVATION", "it began anew");
    advance(&emulator, DELAY - 1).await;
    assert_eq!((status(&iot, &back), status(&iot, &gone)), ("ACTIVE".into(), String::new()));
    let entries = emulator.trace().entries();
    let ran = entries.iter().filter(|entry| entry.event_type == "ProvisionThing").count();
    assert_eq!(ran, 1, "nothing is asked for a certificate that is gone");
}

#[tokio::test]
async fn jp_7_on_the_machines_clock_the_delay_passes_by_itself() {
    let emulator = slow(false, 1);
    let iot = emulator.iot_core();
    let ca = CertificateAuthority::new("Acme Devices");
    iot.register_ca(&ca, AutoRegistration::Template(template(&everything())));
    let device = Device::new(&iot, ca.issue("lamp"));
    let clock = Clock::System;
    let begun = clock.now();
    while !Door::Mqtt.lets_in(&device).await {
        assert!(clock.now().since(begun) < client_tests::PATIENCE, "{}", emulator.trace());
    }
    assert!(clock.now().since(begun) >= Duration::from_secs(1));
}

#[tokio::test]
async fn jp_7_the_binary_takes_the_delay_from_its_file_and_advance_moves_it() {
    if !programs::present(&["mosquitto_pub", "aws"]).await {
        return;
    }
    let desk = Binary::start_with(
        "manual_clock = true\nprovisioning_delay_seconds = 30\naccount = \
                            \"000000000000\"\n",
    );
    let ca = CertificateAuthority::new("Acme Devices");
    let identity: Identity = ca.issue("lamp");
    let shell = desk.shell();
    shell.write("ca.pem", ca.pem());
    shell.write("device.pem", identity.certificate_pem());
    shell.write("device.key", identity.private_key_pem());
    let config = json!({
        "templateBody": template(&everything()).to_string(),
        "roleArn": "arn:aws:iam::000000000000:role/JITPRole",
    });
    shell.write("config.json", config.to_string());
    desk.aws(
        "iot register-ca-certificate --ca-certificate file://ca.pem --certificate-mode SNI_ONLY \
         --set-as-active --allow-auto-registration --registration-config file://config.json",
    )
    .await;
    let publish = "mosquitto_pub -h localhost -p $MQTT_PORT --cafile $ROOT_CA --cert device.pem \
                   --key device.key -i lamp -q 1 -t start -m x -d";
    let _lost = desk.run(publish).await.ended_with(7);
    desk.settled().await;
    let _lost = desk.run(publish).await.ended_with(7);
    let line = "curl --silent --fail --data '{\"seconds\":30}' -H 'content-type: application/json' \
                http://localhost:$API_PORT/_emulator/advance";
    let _moved = desk.run(line).await.succeeded();
    desk.run(publish).await.succeeded().said("received CONNACK (0)");
}
