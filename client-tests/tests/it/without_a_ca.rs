//! A self-made certificate without a CA, as the third article: register, activate, attach, and the
//! AWS IoT Device SDK v2 for Python connects; deleted, it is hung up on.
//!
//! Truth: <https://docs.aws.amazon.com/iot/latest/developerguide/manual-cert-registration.html>;
//! the error is what the article shows.

use client_tests::binary::Binary;
use client_tests::programs::{self, Finished};
use serde_json::json;

use crate::articles::{OPERATOR, certificate_id, create_policy, describe, members, text};

/// Connects, subscribes, publishes, waits for its own message, disconnects.
const PUBSUB: &str = r#"
import os
import sys
import threading

from awscrt import mqtt
from awsiot import mqtt_connection_builder

port, client_id, topic = int(sys.argv[1]), sys.argv[2], sys.argv[3]
received = threading.Event()


def on_message(topic, payload, **kwargs):
    print("received", topic, payload.decode(), flush=True)
    received.set()


connection = mqtt_connection_builder.mtls_from_path(
    endpoint="localhost",
    port=port,
    cert_filepath="device.crt",
    pri_key_filepath="device.key",
    ca_filepath=os.environ["ROOT_CA"],
    client_id=client_id,
    clean_session=True,
    keep_alive_secs=6,
)
try:
    connection.connect().result(20)
except Exception as error:
    sys.exit(f"cannot connect: {error}")
print("connected", flush=True)
subscribed, _ = connection.subscribe(topic, mqtt.QoS.AT_LEAST_ONCE, on_message)
subscribed.result(20)
published, _ = connection.publish(topic, "Hello", mqtt.QoS.AT_LEAST_ONCE)
published.result(20)
if not received.wait(20):
    sys.exit("the message did not come back")
connection.disconnect().result(20)
print("disconnected", flush=True)
"#;

const HANGUP: &str = "AWS_ERROR_MQTT_UNEXPECTED_HANGUP";

/// The SDK's sample against a port.
async fn pubsub(desk: &Binary, port: &str) -> Finished {
    desk.run(&format!("python3 pubsub.py {port} device-1 greetings/device-1")).await
}

#[track_caller]
fn all_is_well(finished: Finished) {
    let finished = finished.succeeded();
    finished.said("connected").said("received greetings/device-1 Hello").said("disconnected");
}

#[track_caller]
fn is_hung_up_on(finished: &Finished) {
    assert_ne!(finished.code, Some(0), "{finished}");
    finished.said(HANGUP);
}

/// The article's certificate; answers its ID.
async fn prepare(desk: &Binary) -> String {
    desk.shell().write("pubsub.py", PUBSUB);
    desk.all(&["openssl req -x509 -newkey rsa:2048 -nodes -keyout device.key -out device.crt \
         -days 365 -subj '/CN=device-1'"])
        .await;
    certificate_id(desk, "device.crt").await
}

/// Registers the certificate in a Region, activates it, and attaches `Device`.
async fn register(desk: &Binary, region: &str) -> String {
    let aws = |arguments: String| async move {
        desk.aws(&format!("--region {region} iot {arguments}")).await
    };
    let register = "register-certificate-without-ca --certificate-pem file://device.crt";
    let registered = aws(register.to_owned()).await;
    assert_eq!(members(&registered), ["certificateArn", "certificateId"]);
    let (id, arn) = (text(&registered["certificateId"]), text(&registered["certificateArn"]));
    assert_eq!(arn, format!("arn:aws:iot:{region}:000000000000:cert/{id}"));
    aws(format!("update-certificate --certificate-id {id} --new-status ACTIVE")).await;
    aws(format!("attach-policy --policy-name Device --target {arn}")).await;
    id
}

async fn create_device_policy(desk: &Binary, region: &str) {
    let statement = json!({ "Effect": "Allow", "Action": "iot:*", "Resource": "*" });
    let document = json!({ "Version": "2012-10-17", "Statement": [statement] });
    desk.shell().write("policy.json", document.to_string());
    desk.aws(&format!(
        "--region {region} iot create-policy --policy-name Device \
         --policy-document file://policy.json"
    ))
    .await;
}

#[tokio::test]
async fn a_self_made_certificate_is_registered_deleted_and_registered_again() {
    if !programs::present(&OPERATOR).await || !programs::present(&["awsiotsdk"]).await {
        return;
    }
    let desk = Binary::start();
    let id = prepare(&desk).await;
    is_hung_up_on(&pubsub(&desk, "$MQTT_PORT").await);
    create_policy(&desk, "Device", &["iot:*"]).await;
    assert_eq!(register(&desk, "us-east-1").await, id);
    let described = describe(&desk, &id).await;
    assert_eq!(described["certificateMode"], "SNI_ONLY");
    assert_eq!(described["caCertificateId"], json!(null));
    all_is_well(pubsub(&desk, "$MQTT_PORT").await);

    desk.aws(&format!("iot update-certificate --certificate-id {id} --new-status INACTIVE")).await;
    is_hung_up_on(&pubsub(&desk, "$MQTT_PORT").await);
    desk.aws(&format!("iot delete-certificate --certificate-id {id} --force-delete")).await;
    is_hung_up_on(&pubsub(&desk, "$MQTT_PORT").await);

    assert_eq!(register(&desk, "us-east-1").await, id);
    all_is_well(pubsub(&desk, "$MQTT_PORT").await);
}

#[tokio::test]
async fn another_region_has_a_registry_of_its_own_by_port_and_by_sni() {
    if !programs::present(&OPERATOR).await || !programs::present(&["awsiotsdk", "curl"]).await {
        return;
    }
    let desk = Binary::start_with(
        "[[endpoint]]\naccount = \"000000000000\"\nregion = \"ap-northeast-1\"\nmqtt_port = 0\n",
    );
    let tokyo = &desk.ports()["endpoints"][0];
    assert_eq!(tokyo["region"], "ap-northeast-1");
    let tokyo_port = tokyo["mqtt_port"].to_string();
    let describe = "--region ap-northeast-1 iot describe-endpoint --endpoint-type iot:Data-ATS";
    let host = text(&desk.aws(describe).await["endpointAddress"]);
    assert!(host.ends_with("-ats.iot.ap-northeast-1.amazonaws.com"), "{host}");
    // As a device would that resolves AWS's name; the port stands for 8443.
    let post = format!(
        "curl --tlsv1.2 --cacert $ROOT_CA --cert device.crt --key device.key --data '{{}}' \
         --connect-to {host}:8443:localhost:$HTTPS_PORT 'https://{host}:8443/topics/a?qos=1'"
    );
    let id = prepare(&desk).await;

    create_device_policy(&desk, "us-east-1").await;
    assert_eq!(register(&desk, "us-east-1").await, id);
    all_is_well(pubsub(&desk, "$MQTT_PORT").await);
    is_hung_up_on(&pubsub(&desk, &tokyo_port).await);
    desk.run(&post).await.ended_with(52).said("Empty reply from server");
    let listed = desk.aws("--region ap-northeast-1 iot list-certificates").await;
    assert_eq!(listed["certificates"], json!([]));

    create_device_policy(&desk, "ap-northeast-1").await;
    assert_eq!(register(&desk, "ap-northeast-1").await, id, "the same ID everywhere");
    all_is_well(pubsub(&desk, &tokyo_port).await);
    assert_eq!(desk.run(&post).await.succeeded().json()["message"], "OK");

    desk.aws(&format!("iot update-certificate --certificate-id {id} --new-status INACTIVE")).await;
    desk.aws(&format!("iot delete-certificate --certificate-id {id} --force-delete")).await;
    is_hung_up_on(&pubsub(&desk, "$MQTT_PORT").await);
    all_is_well(pubsub(&desk, &tokyo_port).await);
}
