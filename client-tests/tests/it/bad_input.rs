//! What no well-behaved client sends. It gets what AWS gives, and nobody else notices.

use std::io::Write as _;
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use client_tests::{Closed, Device, Ending, Version};
use iot_emulator::Emulator;
use iot_emulator::errors::ErrorCode;
use serde_json::{Value, json};
use tokio::time::timeout;

use crate::common::{assert_says, raw_api, refusal, trusted};

/// A CONNECT of MQTT 3.1.1 with a clean session as client `x`.
const CONNECT: &[u8] = b"\x10\x0d\x00\x04MQTT\x04\x02\x00\x3c\x00\x01x";
/// The same of MQTT 5.
const CONNECT_5: &[u8] = b"\x10\x0e\x00\x04MQTT\x05\x02\x00\x3c\x00\x00\x01x";

/// Another client is served, soon.
async fn still_serves(device: &Device) {
    let visit = async {
        let mqtt = device.connect("well-behaved").await.expect("a connection");
        mqtt.publish("still/here", "x").await.expect("a PUBACK");
    };
    timeout(Duration::from_secs(5), visit).await.expect("others are not slowed down");
}

fn started() -> (Emulator, Device) {
    let emulator = Emulator::start();
    let device = trusted(&emulator.iot_core(), "Device");
    (emulator, device)
}

#[tokio::test]
async fn garbage_before_connect_is_hung_up_on_without_a_word() {
    let (emulator, device) = started();
    let wrong_name = b"\x10\x0d\x00\x04MQTX\x04\x02\x00\x3c\x00\x01x";
    let old_version = b"\x10\x0f\x00\x06MQIsdp\x03\x02\x00\x3c\x00\x01x";
    let table: [(&str, &[u8], &str); 8] = [
        ("PINGREQ first", b"\xc0\x00", "PINGREQ"),
        ("PUBLISH first", b"\x30\x05\x00\x01aHi", "PUBLISH"),
        ("SUBSCRIBE first", b"\x82\x06\x00\x01\x00\x01a\x00", "SUBSCRIBE"),
        ("a CONNACK of the client", b"\x20\x02\x00\x00", "CONNACK"),
        ("a wrong protocol name", wrong_name, "MQTX"),
        ("MQTT 3.1", old_version, "MQTT 3.1 is not served"),
        ("HTTP on the MQTT port", b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n", ""),
        ("zeroes", &[0; 64], ""),
    ];
    for (what, bytes, said) in table {
        let mut wire = device.open().await.expect("a handshake");
        wire.send(bytes).await;
        let (answer, ending) = wire.rest().await;
        assert_eq!((answer.as_slice(), ending), (&b""[..], Ending::CloseNotify), "{what}");
        let entry = refusal(&emulator, "Connect");
        assert_eq!(entry.reason, Some("CLIENT_ERROR"), "{what}");
        assert_says(&entry, &[said, "disconnects"]);
    }
    still_serves(&device).await;
}

#[tokio::test]
async fn garbage_after_connect_ends_that_connection_alone() {
    let (emulator, device) = started();
    let bystander = device.connect("bystander").await.expect("a connection");
    // Each with the reason code of MQTT 5's DISCONNECT; MQTT 3.1.1 gets no word.
    let table: [(&str, Vec<u8>, u8); 6] = [
        ("ones", vec![0xFF; 64], 0x81),
        ("a reserved packet type", vec![0x00, 0x00], 0x81),
        ("wrong flags", vec![0x80, 0x00], 0x81),
        ("an endless length", vec![0x30, 0xFF, 0xFF, 0xFF, 0xFF, 0x7F], 0x81),
        ("a topic that is not UTF-8", b"\x30\x04\x00\x02\xc3\x28".to_vec(), 0x81),
        ("a wildcard in a topic name", b"\x30\x05\x00\x03a/#".to_vec(), 0x90),
    ];
    for (what, bytes, code) in table {
        for (connect, connack) in [(CONNECT, 0), (CONNECT_5, code)] {
            let mut wire = device.open().await.expect("a handshake");
            wire.send(connect).await;
            assert_eq!(wire.packet().await[0], 0x20, "a CONNACK");
            let five = connack != 0;
            // In MQTT 5 a PUBLISH has properties.
            let bytes = if five && bytes[0] == 0x30 && bytes[1] < 0x80 {
                let mut with = bytes.clone();
                with[1] += 1;
                with.push(0);
                with
            } else {
                bytes.clone()
            };
            wire.send(&bytes).await;
            let (answer, ending) = wire.rest().await;
            assert_eq!(ending, Ending::CloseNotify, "{what}");
            match five {
                false => assert_eq!(answer, b"", "{what}"),
                true => assert_eq!((answer[0], answer[2]), (0xE0, code), "{what}: {answer:x?}"),
            }
            assert_eq!(refusal(&emulator, "Disconnect").reason, Some("CLIENT_ERROR"), "{what}");
        }
    }
    bystander.publish("a", "x").await.expect("nobody else is touched");
    still_serves(&device).await;
}

//= https://docs.oasis-open.org/mqtt/mqtt/v5.0/os/mqtt-v5.0-os.html
//# 4.12: a server that does not know the authentication method refuses and closes
#[tokio::test]
async fn a_client_that_wants_enhanced_authentication_is_refused() {
    let (emulator, device) = started();
    let mut wire = device.open().await.expect("a handshake");
    wire.send(b"\x10\x12\x00\x04MQTT\x05\x02\x00\x3c\x04\x15\x00\x01m\x00\x01x").await;
    let (answer, ending) = wire.rest().await;
    assert_eq!(ending, Ending::CloseNotify);
    assert_eq!((answer[0], answer[2], answer[3]), (0x20, 0, 0x87), "{answer:x?}");
    assert_says(&refusal(&emulator, "Connect"), &["CLIENT_ERROR", "authentication method `m`"]);
    still_serves(&device).await;
}

//= https://docs.oasis-open.org/mqtt/mqtt/v5.0/os/mqtt-v5.0-os.html
//# 3.14.2.2.2: a session expiry of zero cannot be raised: the server answers 0x82
#[tokio::test]
async fn a_disconnect_that_raises_a_session_expiry_of_zero_is_a_protocol_error() {
    let (emulator, device) = started();
    let mut wire = device.open().await.expect("a handshake");
    wire.send(CONNECT_5).await;
    assert_eq!(wire.packet().await[0], 0x20, "a CONNACK");
    wire.send(b"\xe0\x07\x00\x05\x11\x00\x00\x00\x3c").await;
    let (answer, ending) = wire.rest().await;
    assert_eq!(ending, Ending::CloseNotify);
    assert_eq!((answer[0], answer[2]), (0xE0, 0x82), "{answer:x?}");
    assert_says(&refusal(&emulator, "Disconnect"), &["CLIENT_ERROR", "session expiry"]);
    still_serves(&device).await;
}

#[tokio::test]
async fn a_packet_of_a_megabyte_ends_the_connection() {
    let (emulator, device) = started();
    for version in [Version::Mqtt311, Version::Mqtt5] {
        // More than the payload that AWS takes, and then more than any packet.
        for bytes in [128 * 1024 + 1, 1 << 20] {
            let mqtt = device.connect("x").speaking(version).await.expect("a connection");
            let payload = vec![b'x'; bytes];
            let refused = mqtt.publish("large", payload).await;
            // rumqttc itself refuses what the CONNACK's Maximum Packet Size forbids.
            assert!(refused.is_err(), "{version:?} {bytes}");
            if version == Version::Mqtt311 {
                let closed = mqtt.closed().await;
                // A client that is still writing may see the reset instead of the close_notify.
                assert!(matches!(closed, Closed::HungUp | Closed::Broken(_)), "{closed:?}");
            }
        }
    }
    let mut wire = device.open().await.expect("a handshake");
    wire.send(CONNECT_5).await;
    wire.packet().await;
    // A PUBLISH that announces a megabyte; its first bytes are enough to refuse it.
    wire.send(b"\x30\x80\x80\x40\x00\x01a\x00").await;
    let (answer, ending) = wire.rest().await;
    assert_eq!((answer[0], answer[2], ending), (0xE0, 0x95, Ending::CloseNotify), "{answer:x?}");
    assert_says(&refusal(&emulator, "Disconnect"), &["CLIENT_ERROR"]);
    // The largest payload that AWS takes goes through.
    let mqtt = device.connect("x").await.expect("a connection");
    mqtt.publish("large", vec![b'x'; 128 * 1024]).await.expect("128 KB are not too large");
    still_serves(&device).await;
}

#[tokio::test]
async fn half_open_handshakes_slow_nobody_down() {
    let (emulator, device) = started();
    let addresses = emulator.addresses();
    let doors = [addresses.mqtt, addresses.https, addresses.tls, addresses.gateway, addresses.api];
    let mut half = Vec::new();
    for number in 0..200 {
        let mut stream = TcpStream::connect(doors[number % doors.len()]).expect("an open port");
        // The head of a record that promises 512 bytes of a ClientHello; one byte comes.
        stream.write_all(b"\x16\x03\x01\x02\x00\x01").expect("a connection");
        half.push(stream);
    }
    still_serves(&device).await;
    let health = "GET /_emulator/health HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n";
    assert!(raw_api(&emulator, health.as_bytes()).starts_with("HTTP/1.1 200"));
    drop(half);
    still_serves(&device).await;
}

#[tokio::test]
async fn a_connection_that_breaks_off_anywhere_leaves_no_trace_in_others() {
    let (_emulator, device) = started();
    // Half a CONNECT, then nothing: gone without a close_notify.
    for length in [1, 7, CONNECT.len() - 1, CONNECT.len()] {
        let mut wire = device.open().await.expect("a handshake");
        wire.send(&CONNECT[..length]).await;
        drop(wire);
    }
    still_serves(&device).await;
}

#[test]
fn bytes_that_are_not_tls_do_not_stop_a_tls_port() {
    let (emulator, device) = started();
    let addresses = emulator.addresses();
    for address in [addresses.mqtt, addresses.https, addresses.tls, addresses.gateway] {
        for garbage in [&b"GET / HTTP/1.1\r\n\r\n"[..], CONNECT, &[0; 1000], &[0x16; 1000]] {
            let mut stream = TcpStream::connect(address).expect("an open port");
            let _refused = stream.write_all(garbage);
            assert_ends(&mut stream, address);
        }
    }
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    runtime.expect("a runtime").block_on(still_serves(&device));
}

/// The server closes the connection by itself, whatever it says before.
fn assert_ends(stream: &mut TcpStream, address: SocketAddr) {
    use std::io::Read as _;
    stream.set_read_timeout(Some(client_tests::PATIENCE)).expect("a socket takes a time-out");
    let mut rest = Vec::new();
    let timed_out = |error: &std::io::Error| error.kind() == std::io::ErrorKind::WouldBlock;
    let ended = stream.read_to_end(&mut rest);
    assert!(!ended.is_err_and(|error| timed_out(&error)), "{address} keeps garbage waiting");
}

/// An API call as it comes over the wire: its status, its error type and its body.
fn call(emulator: &Emulator, line: &str, headers: &str, body: &str) -> (u16, String, Value) {
    let length = body.len();
    let request = format!(
        "{line} HTTP/1.1\r\n{headers}Content-Length: {length}\r\nConnection: close\r\n\r\n{body}"
    );
    let answer = raw_api(emulator, request.as_bytes());
    let (head, body) = answer.split_once("\r\n\r\n").expect("a response");
    let status = head.split(' ').nth(1).and_then(|code| code.parse().ok()).expect("a status");
    let kind = head.lines().find_map(|line| line.strip_prefix("x-amzn-errortype: "));
    (status, kind.unwrap_or("-").to_owned(), serde_json::from_str(body).unwrap_or(Value::Null))
}

const LOCAL: &str = "Host: localhost\r\n";

#[tokio::test]
async fn the_api_answers_garbage_in_aws_words() {
    let (emulator, device) = started();
    let ca = json!({ "caCertificate": "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----",
                     "certificateMode": "SNI_ONLY" });
    let table = [
        (
            "garbage PEM",
            call(&emulator, "POST /cacertificate", LOCAL, &ca.to_string()),
            (400, "CertificateValidationException", "CA certificate is not valid"),
        ),
        (
            "garbage JSON",
            call(&emulator, "POST /policies/P", LOCAL, r#"{"policyDocument": "#),
            (400, "InvalidRequestException", "not a JSON object"),
        ),
        (
            "JSON of another shape",
            call(&emulator, "POST /policies/P", LOCAL, r#"{"policyDocument": 7}"#),
            (400, "InvalidRequestException", "validation error"),
        ),
        (
            "a garbage policy",
            call(&emulator, "POST /policies/P", LOCAL, r#"{"policyDocument": "{"}"#),
            (400, "MalformedPolicyException", "Malformed (at line 1, column 1: EOF while parsing"),
        ),
        (
            "an unknown operation",
            call(&emulator, "GET /no-such-operation", LOCAL, ""),
            (404, "UnknownOperationException", "GET /no-such-operation"),
        ),
        (
            "an unknown thing",
            call(&emulator, "GET /things/nobody", LOCAL, ""),
            (404, "ResourceNotFoundException", "nobody"),
        ),
        (
            "a foreign host",
            call(&emulator, "GET /policies", "Host: evil.example\r\n", ""),
            (403, "ForbiddenException", "evil.example"),
        ),
        (
            "a foreign page",
            call(
                &emulator,
                "GET /policies",
                "Host: localhost\r\nOrigin: https://evil.example\r\n",
                "",
            ),
            (403, "ForbiddenException", "evil.example"),
        ),
        (
            "a foreign page that lies in a bucket",
            call(
                &emulator,
                "POST /_emulator/reset",
                "Host: localhost\r\nOrigin: http://evil.s3-website-us-east-1.amazonaws.com\r\n",
                "",
            ),
            (403, "ForbiddenException", "evil.s3-website-us-east-1.amazonaws.com"),
        ),
    ];
    for (what, (status, kind, body), (expected, expected_kind, said)) in table {
        assert_eq!((status, kind.as_str()), (expected, expected_kind), "{what}: {body}");
        let message = body["message"].as_str().unwrap_or_default();
        assert!(message.contains(said), "{what}: {body}");
        assert_eq!(body["__type"], expected_kind, "{what}");
    }
    let unknown = emulator.iot_core().call("ReticulateSplines", json!({})).expect_err("unknown");
    assert_eq!(unknown.code(), ErrorCode::UnknownOperationException);
    assert!(unknown.message().contains("ReticulateSplines"), "{unknown}");
    still_serves(&device).await;
}

#[tokio::test]
async fn the_api_survives_what_is_not_http_and_what_is_too_large() {
    let (emulator, device) = started();
    let huge =
        b"POST /policies/P HTTP/1.1\r\nHost: localhost\r\nContent-Length: 99999999999\r\n\r\n{";
    assert!(raw_api(&emulator, huge).starts_with("HTTP/1.1 413"), "announced, and never sent");
    // What no operation takes, and what only an archive of a function may be.
    for length in [80 << 20, 2 << 20] {
        let head = format!(
            "POST /policies/P HTTP/1.1\r\nHost: localhost\r\nContent-Length: {length}\r\n\r\n"
        );
        let sent = [head.as_bytes(), &vec![b' '; length]].concat();
        assert!(raw_api(&emulator, &sent).starts_with("HTTP/1.1 413"), "announced and sent");
    }
    let garbage: [&[u8]; 4] =
        [b"\x00\x01\x02garbage\r\n\r\n", b"GET\r\n\r\n", b"\r\n\r\n\xff\xff", CONNECT];
    for bytes in garbage {
        let answer = raw_api(&emulator, &[bytes, b"\r\n\r\n"].concat());
        assert!(answer.is_empty() || answer.starts_with("HTTP/1.1 400"), "{bytes:?}: {answer}");
    }
    let long = format!("GET /{} HTTP/1.1\r\nHost: localhost\r\n\r\n", "x".repeat(1 << 20));
    let answer = raw_api(&emulator, long.as_bytes());
    assert!(answer.is_empty() || answer.starts_with("HTTP/1.1 4"), "{answer}");
    still_serves(&device).await;
}

#[tokio::test]
async fn the_https_data_plane_refuses_what_is_too_large_and_what_it_does_not_know() {
    let (emulator, device) = started();
    let post = |path: &str, body: &[u8]| {
        let length = body.len();
        let head = format!(
            "POST {path} HTTP/1.1\r\nHost: localhost\r\nContent-Length: {length}\r\n\
             Connection: close\r\n\r\n"
        );
        [head.as_bytes(), body].concat()
    };
    let large = vec![b'x'; 128 * 1024 + 1];
    let own = "/topics/$aws/events/presence/connected/x";
    let table: [(&str, Vec<u8>, u16, &str); 6] = [
        ("all well", post("/topics/a%2Fb?qos=1", b"{}"), 200, "Publish-In"),
        ("too large", post("/topics/a", &large), 413, "Publish-In"),
        ("a bad QoS", post("/topics/a?qos=2", b"{}"), 400, "Publish-In"),
        ("AWS's own topic", post(own, b"{}"), 400, "Publish-In"),
        ("no topic name", post("/topics/%2B", b"{}"), 400, "Publish-In"),
        ("no such path", post("/elsewhere", b"{}"), 404, "DataPlaneRequest"),
    ];
    for (what, request, status, event_type) in table {
        let mut wire = device.open_https().await.expect("a handshake");
        wire.send(&request).await;
        let (answer, ending) = wire.rest().await;
        let answer = String::from_utf8_lossy(&answer);
        assert!(answer.starts_with(&format!("HTTP/1.1 {status} ")), "{what}: {answer}");
        let (_, body) = answer.split_once("\r\n\r\n").expect("a body");
        let body: Value = serde_json::from_str(body).expect("JSON");
        assert_eq!(body["traceId"].as_str().map(str::len), Some(36), "{what}: {body}");
        assert_eq!(ending, Ending::CloseNotify, "{what}");
        if status != 200 {
            assert_says(&refusal(&emulator, event_type), &[&format!("HTTP {status}")]);
        }
    }
    still_serves(&device).await;
}
