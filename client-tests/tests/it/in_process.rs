//! Item 9: the emulator inside a test. It starts on free ports, hundreds at a time, changes nothing
//! global, and is gone when it is dropped.

use std::net::{SocketAddr, TcpListener};
use std::process::Stdio;
use std::time::Duration;

use client_tests::{ConnectError, Device, PATIENCE};
use iot_emulator::{
    AutoRegistration, CertificateAuthority, Emulator, Function, IotCore, allow,
};
use serde_json::json;
use tokio::task::JoinSet;

use crate::common::trusted;

#[tokio::test]
async fn a_device_of_a_registered_ca_registers_itself_just_in_time() {
    let emulator = Emulator::start();
    let iot = emulator.iot_core();

    let ca = CertificateAuthority::new("Acme Devices");
    iot.register_ca(&ca, AutoRegistration::Enabled);
    iot.create_policy("Device", allow(&["iot:Connect", "iot:Publish"], "*"));
    iot.create_topic_rule("Jitr", "SELECT * FROM '$aws/events/certificates/registered/#'", activate(&iot));

    // The first connection is dropped. It leaves a PENDING_ACTIVATION certificate behind.
    let device = Device::new(&iot, ca.issue("sensor-1"));
    assert_eq!(device.connect("sensor-1").await.err(), Some(ConnectError::ClosedBeforeConnack));

    emulator.settled().await;

    let mqtt = device.connect("sensor-1").await.expect("the certificate is ACTIVE now");
    mqtt.publish("things/sensor-1/confirmation", "{}").await.expect("a PUBACK");
}

fn activate(iot: &IotCore) -> Function {
    let iot = iot.clone();
    Function::new(move |event| {
        let id = event["certificateId"].as_str().ok_or("no certificateId")?;
        iot.call("UpdateCertificate", json!({ "certificateId": id, "newStatus": "ACTIVE" }))?;
        iot.call("AttachPolicy", json!({ "policyName": "Device", "target": iot.certificate_arn(id) }))?;
        Ok(json!({}))
    })
}
