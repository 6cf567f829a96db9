//! What port 443 of the data endpoint speaks: ALPN chooses, and with it who speaks for the caller.

use client_tests::{Device, Ending};
use iot_emulator::Emulator;

use crate::common::{assert_says, refusal, trusted};

/// A CONNECT of MQTT 3.1.1 with a clean session as client `x`.
const CONNECT: &[u8] = b"\x10\x0d\x00\x04MQTT\x04\x02\x00\x3c\x00\x01x";

/// Publishes over HTTPS and answers all that comes back.
async fn post(device: &Device, emulator: &Emulator, alpn: &[&str], headers: &str) -> String {
    let wire = device.open_at(emulator.addresses().tls, alpn).await;
    let mut wire = wire.expect("a handshake");
    let request = format!(
        "POST /topics/a?qos=1 HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1\r\n\
         Connection: close\r\n{headers}\r\nx"
    );
    wire.send(request.as_bytes()).await;
    let (answer, ending) = wire.rest().await;
    assert_eq!(ending, Ending::CloseNotify);
    String::from_utf8_lossy(&answer).into_owned()
}

#[tokio::test]
async fn c10_alpn_chooses_mqtt_or_https_with_a_client_certificate() {
    let emulator = Emulator::start();
    let device = trusted(&emulator.iot_core(), "Device");
    let tls = emulator.addresses().tls;
    let mut mqtt = device.open_at(tls, &["x-amzn-mqtt-ca"]).await.expect("a handshake");
    mqtt.send(CONNECT).await;
    assert_eq!(mqtt.packet().await, b"\x20\x02\x00\x00", "a CONNACK");
    let mut hasty = device.open_at(tls, &["x-amzn-mqtt-ca"]).await.expect("a handshake");
    hasty.send(&[CONNECT, b"\xC0\x00"].concat()).await;
    assert_eq!(hasty.packet().await, b"\x20\x02\x00\x00", "a CONNACK");
    assert_eq!(hasty.packet().await, b"\xD0\x00", "a PINGRESP to what came with the CONNECT");
    let answer = post(&device, &emulator, &["x-amzn-http-ca"], "").await;
    assert!(answer.starts_with("HTTP/1.1 200") && answer.contains("\"OK\""), "{answer}");

    let mut custom = device.open_at(tls, &["mqtt"]).await.expect("a handshake");
    custom.send(CONNECT).await;
    assert_eq!(custom.rest().await.0, b"", "no CONNACK");
    let entry = refusal(&emulator, "Connection.AuthNError");
    assert_says(&entry, &["NOT_AUTHENTICATED", "custom authorizer"]);
}

#[tokio::test]
async fn c21_without_alpn_a_signature_speaks_for_the_caller_and_its_absence_is_explained() {
    let emulator = Emulator::start();
    let iot = emulator.iot_core();
    let signed = "Authorization: AWS4-HMAC-SHA256 Credential=000000000000/20260101/us-east-1/\
                  iotdata/aws4_request, SignedHeaders=host, Signature=0\r\n";
    let nobody = Device::without_certificate(&iot);
    let answer = post(&nobody, &emulator, &[], signed).await;
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");

    // A client certificate is not even asked for here.
    for device in [nobody, trusted(&iot, "Device")] {
        let answer = post(&device, &emulator, &[], "").await;
        assert!(answer.starts_with("HTTP/1.1 403"), "{answer}");
        assert!(answer.contains("x-amzn-errortype: ForbiddenException:"), "{answer}");
        assert!(answer.contains("Missing Authentication Token"), "{answer}");
    }
    let entry = refusal(&emulator, "Connection.AuthNError");
    assert_says(&entry, &["NOT_AUTHENTICATED", "SigV4", "x-amzn-http-ca", "HTTP 403"]);
}
