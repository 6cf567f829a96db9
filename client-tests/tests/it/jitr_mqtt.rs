//! JITR over MQTT on 8883: mosquitto_pub is hung up on until a function has let the device in.
//!
//! Truth: <https://docs.aws.amazon.com/iot/latest/developerguide/auto-register-device-cert.html>;
//! that the CONNECT packet registers and the handshake does not was measured on AWS:
//! <https://github.com/ministackorg/ministack/pull/1755>.

use client_tests::programs;
use serde_json::{Value, json};

use crate::articles::{
    OPERATOR, REGISTERED, certificate_id, create_function, create_policy, create_rule, describe,
    make_ca, make_device, register_ca,
};
use client_tests::binary::Binary;

const PUBLISH: &str = "mosquitto_pub --cafile $ROOT_CA --cert deviceAndCA.crt --key device.key \
     -h localhost -p $MQTT_PORT -q 1 -t jitr/start -i sensor-1 --tls-version tlsv1.2 -m '{}' -d";

/// Writes down the event beside the code, as a function may in `/tmp`, and lets the device in.
const APP: &str = r#"
import json
import os
import urllib.request

API = os.environ["AWS_ENDPOINT_URL"]


def call(method, path, body=None):
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(API + path, data=data, method=method)
    urllib.request.urlopen(request).read()


def registered(event, context):
    arn = "arn:aws:iot:us-east-1:{awsAccountId}:cert/{certificateId}".format(**event)
    call("PUT", "/certificates/{certificateId}?newStatus=ACTIVE".format(**event))
    call("PUT", "/target-policies/Device", {"target": arn})
"#;

async fn certificates(desk: &Binary) -> Value {
    desk.aws("iot list-certificates").await["certificates"].clone()
}

#[tokio::test]
async fn jr_6_a_device_is_hung_up_on_once_and_then_publishes() {
    if !programs::present(&OPERATOR).await || !programs::present(&["mosquitto_pub"]).await {
        return;
    }
    let desk = Binary::start();
    make_ca(&desk, "ca", "/CN=Acme Devices").await;
    let ca_id = register_ca(&desk, "ca", "").await;
    make_device(&desk, "device", "ca", "/CN=sensor-1").await;
    create_policy(&desk, "Device", &["iot:Connect", "iot:Publish"]).await;
    desk.shell().write("app.py", APP);
    create_function(&desk, "registered", "python3.11", "app.registered").await;
    create_rule(&desk, "registered", REGISTERED).await;

    let first = desk.run(PUBLISH).await.ended_with(7);
    first.said("Client sensor-1 sending CONNECT").said("Error: The connection was lost.");
    first.did_not_say("OpenSSL").did_not_say("CONNACK");
    desk.settled().await;
    let id = certificate_id(&desk, "device.crt").await;
    let described = describe(&desk, &id).await;
    assert_eq!(described["status"], "ACTIVE", "{}", desk.trace().await);
    assert_eq!(described["caCertificateId"], ca_id);

    let second = desk.run(PUBLISH).await.succeeded();
    second.said("Client sensor-1 received CONNACK (0)");
    second.said("Client sensor-1 received PUBACK (Mid: 1, RC:0)");
    second.said("Client sensor-1 sending DISCONNECT");
}

#[tokio::test]
async fn c06_jr_5_the_connect_packet_registers_and_the_handshake_does_not() {
    if !programs::present(&OPERATOR).await || !programs::present(&["mosquitto_pub"]).await {
        return;
    }
    let desk = Binary::start();
    make_ca(&desk, "ca", "/CN=Acme Devices").await;
    register_ca(&desk, "ca", "").await;
    make_device(&desk, "device", "ca", "/CN=sensor-1").await;
    for version in ["-tls1_2", "-tls1_3"] {
        let handshake = format!(
            "openssl s_client -connect localhost:$MQTT_PORT -servername localhost -CAfile $ROOT_CA \
             -cert deviceAndCA.crt -key device.key {version}"
        );
        desk.run(&handshake).await.succeeded().said("Verify return code: 0 (ok)");
    }
    desk.settled().await;
    assert_eq!(certificates(&desk).await, json!([]));
    for _ in 0..2 {
        let refused = desk.run(PUBLISH).await.ended_with(7);
        refused.said("Error: The connection was lost.").did_not_say("OpenSSL");
        let listed = certificates(&desk).await;
        assert_eq!(listed.as_array().map(Vec::len), Some(1), "{listed}");
        assert_eq!(listed[0]["status"], "PENDING_ACTIVATION");
    }
}

#[tokio::test]
async fn jr_9_a_device_of_a_ca_without_auto_registration_leaves_nothing_behind() {
    if !programs::present(&OPERATOR).await || !programs::present(&["mosquitto_pub"]).await {
        return;
    }
    let desk = Binary::start();
    make_ca(&desk, "ca", "/CN=Acme Devices").await;
    let ca_id = register_ca(&desk, "ca", "").await;
    make_device(&desk, "device", "ca", "/CN=sensor-1").await;
    let update = format!("iot update-ca-certificate --certificate-id {ca_id}");
    let ways = [
        "--new-auto-registration-status DISABLE",
        "--new-auto-registration-status ENABLE --new-status INACTIVE",
    ];
    for way in ways {
        desk.aws(&format!("{update} {way}")).await;
        let refused = desk.run(PUBLISH).await.ended_with(7);
        refused.said("Error: The connection was lost.").did_not_say("OpenSSL");
        desk.settled().await;
        assert_eq!(certificates(&desk).await, json!([]), "{way}");
    }
    let trace = desk.trace().await;
    assert!(trace.contains("DEVICE_CERTIFICATE_NOT_REGISTERED"), "{trace}");
}
