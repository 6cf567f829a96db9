//! What many tests begin with: a device that is enrolled, and the entry of the trace that explains.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::sync::Arc;

use client_tests::{Device, PATIENCE};
use iot_emulator::trace::Entry;
use iot_emulator::{Emulator, Identity, IotCore, allow};
use serde_json::{Value, json};

/// All that a device can be allowed on topics and connections.
pub(crate) const EVERYTHING: &[&str] =
    &["iot:Connect", "iot:Publish", "iot:Subscribe", "iot:Receive", "iot:RetainPublish"];

/// A device whose certificate is ACTIVE and has the policy `name`, which says `document`.
pub(crate) fn enrolled(iot: &IotCore, name: &str, document: impl Into<String>) -> Device {
    let device = unattached(iot, name);
    iot.create_policy(name, document);
    iot.attach_policy(name, device.certificate_id());
    device
}

/// A device that may do everything; its policy is called `name`.
pub(crate) fn trusted(iot: &IotCore, name: &str) -> Device {
    enrolled(iot, name, allow(EVERYTHING, "*"))
}

/// A device whose certificate is ACTIVE and has no policy.
pub(crate) fn unattached(iot: &IotCore, name: &str) -> Device {
    let identity = Identity::self_signed(name);
    iot.register_certificate_without_ca(&identity.certificate_pem());
    Device::new(iot, identity)
}

/// Gives the policy `name` a new default version.
pub(crate) fn change_policy(iot: &IotCore, name: &str, document: impl Into<String>) {
    let document: String = document.into();
    let input = json!({ "policyName": name, "policyDocument": document, "setAsDefault": true });
    iot.call("CreatePolicyVersion", input).expect("a policy has room for five versions");
}

/// The last refusal of `event_type` in the trace.
#[track_caller]
pub(crate) fn refusal(emulator: &Emulator, event_type: &str) -> Arc<Entry> {
    let mut refusals = emulator.trace().refusals();
    refusals.retain(|entry| entry.event_type == event_type);
    match refusals.pop() {
        Some(entry) => entry,
        None => panic!("nothing refused a {event_type}:\n{}", emulator.trace()),
    }
}

/// Asserts that the trace has an entry of a connection's end that says each of `phrases`: a client
/// that misuses MQTT leaves one that says why, and one that it is gone.
#[track_caller]
pub(crate) fn assert_ended(emulator: &Emulator, phrases: &[&str]) {
    let mut ends = emulator.trace().refusals();
    ends.retain(|entry| entry.event_type == "Disconnect");
    let says = |entry: &Arc<Entry>| {
        let text = entry.to_string();
        phrases.iter().all(|phrase| text.contains(phrase))
    };
    assert!(ends.iter().any(says), "no end for {phrases:?}:\n{}", emulator.trace());
}

/// Asserts that `entry`, as people read it, says each of `phrases`.
#[track_caller]
pub(crate) fn assert_says(entry: &Entry, phrases: &[&str]) {
    let text = entry.to_string();
    for phrase in phrases {
        assert!(text.contains(phrase), "`{phrase}` is not in\n{text}");
    }
}

/// Sends `request` to the API port as it is, and answers all that comes back.
pub(crate) fn raw_api(emulator: &Emulator, request: &[u8]) -> String {
    let mut stream = TcpStream::connect(emulator.addresses().api).expect("the API port is open");
    stream.set_read_timeout(Some(PATIENCE)).expect("a socket takes a time-out");
    // A server that has answered may close before it has read all.
    let _refused = stream.write_all(request);
    let mut answer = Vec::new();
    let mut part = [0; 4096];
    while let Ok(count) = stream.read(&mut part) {
        answer.extend_from_slice(&part[..count]);
        if count == 0 || is_whole(&answer) {
            break;
        }
    }
    String::from_utf8_lossy(&answer).into_owned()
}

/// Whether `answer` is an HTTP response with as much body as it announces.
fn is_whole(answer: &[u8]) -> bool {
    let text = String::from_utf8_lossy(answer).to_ascii_lowercase();
    let Some((head, body)) = text.split_once("\r\n\r\n") else { return false };
    let length = head.lines().find_map(|line| line.strip_prefix("content-length: "));
    length.and_then(|length| length.trim().parse().ok()).is_some_and(|length| body.len() >= length)
}

/// `iot-data:Publish`, as an SDK sends it.
pub(crate) fn publish_over_the_api(emulator: &Emulator, topic: &str, payload: &str) {
    let request = format!(
        "POST /topics/{topic}?qos=1 HTTP/1.1\r\nHost: localhost\r\nAuthorization: AWS4-HMAC-SHA256 \
         Credential=000000000000/20260101/us-east-1/iotdata/aws4_request, SignedHeaders=host, \
         Signature=0\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{payload}",
        payload.len()
    );
    let answer = raw_api(emulator, request.as_bytes());
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
}

/// What the data endpoint's API answers an IAM identity: status and body.
pub(crate) fn signed(emulator: &Emulator, method: &str, path: &str) -> (u16, Value) {
    let request = format!(
        "{method} {path} HTTP/1.1\r\nHost: localhost\r\nAuthorization: AWS4-HMAC-SHA256 \
         Credential=000000000000/20260101/us-east-1/iotdata/aws4_request, SignedHeaders=host, \
         Signature=0\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
    );
    let answer = raw_api(emulator, request.as_bytes());
    let (head, body) = answer.split_once("\r\n\r\n").expect("an HTTP answer");
    let status = head.split(' ').nth(1).and_then(|status| status.parse().ok());
    (status.expect("a status"), serde_json::from_str(body).unwrap_or_default())
}

/// The status of an HTTPS publish of `device` to `topic`.
pub(crate) async fn publish_over_https(device: &Device, topic: &str) -> String {
    let mut wire = device.open_https().await.expect("a handshake");
    let request = format!(
        "POST /topics/{topic}?qos=1 HTTP/1.1\r\nHost: localhost\r\nContent-Length: 2\r\n\
         Connection: close\r\n\r\n{{}}"
    );
    wire.send(request.as_bytes()).await;
    let (answer, _) = wire.rest().await;
    let answer = String::from_utf8_lossy(&answer);
    answer.split(' ').nth(1).unwrap_or_default().to_owned()
}
