//! HTTPS publish: what a request can say, what reaches MQTT subscribers of it, and what is refused.
//!
//! curl asks where it shows what users type; where only the bytes count, a bare connection does.
//! Truth: <https://docs.aws.amazon.com/iot/latest/developerguide/http.html> and botocore's
//! `iot-data`.

use client_tests::programs::{self, Shell};
use client_tests::{Device, Message, Mqtt, Properties, Version};
use iot_emulator::{Emulator, Identity, IotCore, allow};
use serde_json::Value;
use tempfile::TempDir;

use super::packets::anybody;
use crate::common::{EVERYTHING, assert_says, enrolled, refusal, trusted};

/// `"[{\"b\": \"1\"}, {\"a\": \"ü\"}, {\"b\": \"1\"}]"`, a JSON text in JSON, as AWS's SDKs send it.
const PAIRS: &str = "Ilt7XCJiXCI6IFwiMVwifSwge1wiYVwiOiBcIsO8XCJ9LCB7XCJiXCI6IFwiMVwifV0i";

/// A receiver of everything in each version.
async fn receivers(iot: &IotCore) -> [Mqtt; 2] {
    let device = trusted(iot, "Receiver");
    let mut receivers = Vec::new();
    for version in Version::BOTH {
        let receiver = device.connect(&anybody()).speaking(version).await.expect("allowed");
        receiver.subscribe("#").await.expect("a SUBACK");
        receivers.push(receiver);
    }
    receivers.try_into().expect("two versions")
}

/// curl beside the files of a device that may do everything.
struct Desk {
    shell: Shell,
    port: u16,
    _folder: TempDir,
}

impl Desk {
    fn of(emulator: &Emulator) -> Self {
        let iot = emulator.iot_core();
        let identity = Identity::self_signed("publisher");
        iot.register_certificate_without_ca(&identity.certificate_pem());
        iot.create_policy("Publisher", allow(EVERYTHING, "*"));
        iot.attach_policy("Publisher", identity.certificate_id());
        let folder = tempfile::tempdir().expect("a folder of our own");
        let shell = Shell::new(folder.path());
        shell.write("root.pem", emulator.root_ca_pem());
        shell.write("device.pem", identity.certificate_pem());
        shell.write("device.key", identity.private_key_pem());
        Self { shell, port: emulator.https_address().port(), _folder: folder }
    }

    /// What curl prints for a publish, head and body.
    async fn publish(&self, options: &str, path: &str) -> String {
        let line = format!(
            "curl --silent --show-error --include --cacert root.pem --cert device.pem \
             --key device.key {options} 'https://localhost:{}/topics/{path}'",
            self.port
        );
        self.shell.run(&line).await.succeeded().stdout
    }
}

/// Checks that it says `OK`, with the trace ID in header and body.
#[track_caller]
fn assert_taken(answer: &str) {
    let (head, body) = answer.split_once("\r\n\r\n").expect("a head and a body");
    assert_eq!(head.split(' ').nth(1), Some("200"), "{answer}");
    let body: Value = serde_json::from_str(body).expect(answer);
    assert_eq!(body["message"], "OK", "{answer}");
    let id = body["traceId"].as_str().expect("a trace ID");
    assert_eq!(id.len(), 36, "{answer}");
    let head = head.to_ascii_lowercase();
    assert!(head.contains(&format!("x-amzn-requestid: {id}")), "{answer}");
    assert!(head.contains("content-type: application/json"), "{answer}");
}

async fn next(receiver: &Mqtt) -> Message {
    receiver.next_message().await.expect("a message")
}

#[tokio::test]
async fn c20_curl_publishes_to_an_encoded_or_a_raw_topic_in_either_http_version() {
    if !programs::present(&["curl"]).await {
        return;
    }
    let emulator = Emulator::start();
    let receivers = receivers(&emulator.iot_core()).await;
    let desk = Desk::of(&emulator);
    // How curl is asked; the topic, payload and QoS that arrive.
    let table = [
        ("--data hello", "device%2Fmessage?qos=1", "device/message", "hello", 1),
        ("--data hello", "device/message?qos=0", "device/message", "hello", 0),
        ("--data hello", "device/message", "device/message", "hello", 0),
        ("--data '{\"a\": 1}'", "a?qos=1", "a", "{\"a\": 1}", 1),
        ("--http1.0 --data hello", "old%2fway?qos=1", "old/way", "hello", 1),
        ("--request POST", "empty?qos=1", "empty", "", 1),
        ("--header 'Transfer-Encoding: chunked' --data pieces", "a", "a", "pieces", 0),
        ("--data x", "with%20space/%C3%BC?qos=1", "with space/ü", "x", 1),
        ("--data x", "a?qos=1&retain=false&unknown=1", "a", "x", 1),
    ];
    for (options, path, topic, payload, qos) in table {
        let answer = desk.publish(options, path).await;
        assert_taken(&answer);
        for receiver in &receivers {
            let message = next(receiver).await;
            assert_eq!((message.topic.as_str(), message.text()), (topic, payload), "{options}");
            assert_eq!((message.qos, message.retain), (qos, false), "{options} {path}");
        }
    }
}

#[tokio::test]
async fn c20_c39_c46_curl_says_all_that_mqtt_5_can_say() {
    if !programs::present(&["curl"]).await {
        return;
    }
    let emulator = Emulator::builder().manual_clock(true).start().expect("free ports");
    let iot = emulator.iot_core();
    let [old, new] = receivers(&iot).await;
    let desk = Desk::of(&emulator);
    let options = format!(
        "--data hello --header 'x-amz-mqtt5-user-properties: {PAIRS}' \
         --header 'x-amz-mqtt5-payload-format-indicator: UTF8_DATA' \
         --header 'x-amz-mqtt5-correlation-data: AAH/'"
    );
    let query = "qos=1&retain=true&contentType=text%2Fplain&responseTopic=replies%2F1";
    let answer = desk.publish(&options, &format!("a/b?{query}&messageExpiry=100")).await;
    assert_taken(&answer);
    let pairs = [("b", "1"), ("a", "ü"), ("b", "1")];
    let expected = Properties {
        payload_format: Some(1),
        expiry_seconds: Some(100),
        content_type: Some("text/plain".to_owned()),
        response_topic: Some("replies/1".to_owned()),
        correlation_data: Some(vec![0, 1, 255]),
        user_properties: pairs.map(|(name, value)| (name.to_owned(), value.to_owned())).into(),
        ..Properties::default()
    };
    let message = next(&new).await;
    assert_eq!((message.text(), message.retain, &message.properties), ("hello", false, &expected));
    assert_eq!(next(&old).await.properties, Properties::default());

    // It is retained, with all of that.
    let device = trusted(&iot, "Newcomer");
    for version in Version::BOTH {
        let newcomer = device.connect(&anybody()).speaking(version).await.expect("allowed");
        newcomer.subscribe("a/b").await.expect("a SUBACK");
        let message = next(&newcomer).await;
        let expected = match version {
            Version::Mqtt311 => Properties::default(),
            Version::Mqtt5 => expected.clone(),
        };
        assert_eq!((message.retain, message.properties), (true, expected), "{version:?}");
    }
    // An empty body deletes it, and subscribers get that too.
    assert_taken(&desk.publish("--request POST", "a/b?retain=TRUE").await);
    for receiver in [&old, &new] {
        assert_eq!((next(receiver).await.text(), receiver.subscribe("a/b").await), ("", Ok(1)));
    }
    // Each property alone, and an expiry out of range.
    let bytes = "--data x --header 'x-amz-mqtt5-payload-format-indicator: UNSPECIFIED_BYTES'";
    let none = Properties::default();
    let expiring = |seconds| Properties { expiry_seconds: Some(seconds), ..Properties::default() };
    let table = [
        (bytes, "a", Properties { payload_format: Some(0), ..none.clone() }),
        ("--data x", "a?messageExpiry=0", expiring(1)),
        ("--data x", "a?messageExpiry=604801", expiring(604_800)),
        ("--data x", "a?messageExpiry=99999999999", expiring(604_800)),
        ("--data x", "a", none),
    ];
    for (options, path, expected) in table {
        assert_taken(&desk.publish(options, path).await);
        assert_eq!(next(&new).await.properties, expected, "{path}");
        assert_eq!(next(&old).await.properties, Properties::default(), "{path}");
    }
}

/// Status, error type and message of the answer to a POST of `body`.
async fn post(
    device: &Device,
    target: &str,
    headers: &str,
    body: &[u8],
) -> (String, String, String) {
    let mut wire = device.open_https().await.expect("a handshake");
    let head = format!(
        "POST {target} HTTP/1.1\r\nHost: localhost\r\n{headers}Content-Length: {}\r\n\
         Connection: close\r\n\r\n",
        body.len()
    );
    wire.send(&[head.as_bytes(), body].concat()).await;
    let (answer, _ending) = wire.rest().await;
    let answer = String::from_utf8_lossy(&answer);
    let (head, body) = answer.split_once("\r\n\r\n").expect("a head and a body");
    let kind = head.lines().find_map(|line| line.strip_prefix("x-amzn-errortype: "));
    let body: Value = serde_json::from_str(body).expect("a body of JSON");
    assert!(head.contains(body["traceId"].as_str().expect("a trace ID")), "{answer}");
    let message = body["message"].as_str().expect("a message");
    let status = head.split(' ').nth(1).expect("a status");
    (status.to_owned(), kind.unwrap_or("-").to_owned(), message.to_owned())
}

const INVALID: &str = "InvalidRequestException:";

#[tokio::test]
async fn c20_a_request_that_cannot_be_is_refused_and_reaches_nobody() {
    let emulator = Emulator::start();
    let iot = emulator.iot_core();
    let receivers = receivers(&iot).await;
    let device = trusted(&iot, "Publisher");
    let header = |name: &str, value: &str| format!("x-amz-mqtt5-{name}: {value}\r\n");
    let user = |value: &str| header("user-properties", value);
    let long = "x".repeat(257);
    let correlation = header("correlation-data", &"AAAA".repeat(2731));
    let table = [
        ("/topics/".to_owned(), String::new(), "not a topic name"),
        ("/topics/a%2B".to_owned(), String::new(), "not a topic name"),
        ("/topics/a/%23".to_owned(), String::new(), "not a topic name"),
        ("/topics/a%00".to_owned(), String::new(), "not a topic name"),
        ("/topics/%ff".to_owned(), String::new(), "UTF-8"),
        (format!("/topics/{long}"), String::new(), "256 at most"),
        ("/topics/a/b/c/d/e/f/g/h/i".to_owned(), String::new(), "7 at most"),
        ("/topics/%24SYS%2Fx".to_owned(), String::new(), "reserved"),
        ("/topics/$aws/events/x".to_owned(), String::new(), "reserved"),
        ("/topics/$aws/things/t/shadow/update/delta".to_owned(), String::new(), "reserved"),
        ("/topics/$aws/rules/r/a?retain=true".to_owned(), String::new(), "retained"),
        ("/topics/a?qos=2".to_owned(), String::new(), "'2' at 'qos'"),
        ("/topics/a?qos=".to_owned(), String::new(), "'' at 'qos'"),
        ("/topics/a?retain=yes".to_owned(), String::new(), "'yes' at 'retain'"),
        ("/topics/a?messageExpiry=soon".to_owned(), String::new(), "messageExpiry"),
        ("/topics/a?messageExpiry=-1".to_owned(), String::new(), "messageExpiry"),
        ("/topics/a?responseTopic=b%2F%2B".to_owned(), String::new(), "responseTopic"),
        ("/topics/a?responseTopic=".to_owned(), String::new(), "responseTopic"),
        ("/topics/a?contentType=%00".to_owned(), String::new(), "contentType"),
        (format!("/topics/a?contentType={long}"), String::new(), "256 at most"),
        ("/topics/a".to_owned(), header("payload-format-indicator", "1"), "payloadFormat"),
        ("/topics/a".to_owned(), header("correlation-data", "???"), "correlationData"),
        ("/topics/a".to_owned(), correlation, "8192 at most"),
        ("/topics/a".to_owned(), user("???"), "userProperties"),
        // A number as a value, two pairs in one object, no array, a text, no pair, U+0000.
        ("/topics/a".to_owned(), user("W3siYSI6MX1d"), "userProperties"),
        ("/topics/a".to_owned(), user("W3siYSI6IjEiLCJiIjoiMiJ9XQ=="), "userProperties"),
        ("/topics/a".to_owned(), user("eyJhIjoiYiJ9"), "userProperties"),
        ("/topics/a".to_owned(), user("Ingi"), "userProperties"),
        ("/topics/a".to_owned(), user("W3t9XQ=="), "userProperties"),
        ("/topics/a".to_owned(), user("W3siYSI6ICJcdTAwMDAifV0="), "userProperties"),
    ];
    for (number, (target, headers, said)) in (1..).zip(&table) {
        let (status, kind, message) = post(&device, target, headers, b"x").await;
        assert_eq!((status.as_str(), kind.as_str()), ("400", INVALID), "{target} {headers}");
        assert!(message.contains(said), "{target} {headers}: {message}");
        assert_eq!(emulator.trace().refusals().len(), number, "{target}: {}", emulator.trace());
        assert_says(&refusal(&emulator, "Publish-In"), &[said, "HTTP 400"]);
    }
    let (status, ..) = post(&device, "/topics/end?qos=1", "", b"x").await;
    assert_eq!(status, "200");
    for receiver in &receivers {
        assert_eq!(receiver.messages_before("end").await, [], "nothing of these arrives");
    }
    // A byte too much is a status of its own; what AWS takes at most goes through.
    let large = vec![b'x'; 128 * 1024 + 1];
    let (status, kind, _) = post(&device, "/topics/large", "", &large).await;
    let expected = ("413", "RequestEntityTooLargeException:");
    assert_eq!((status.as_str(), kind.as_str()), expected);
    let (status, ..) = post(&device, "/topics/largest?qos=1", "", &large[1..]).await;
    assert_eq!(status, "200");
    // rumqttc's MQTT 5 client takes no packet so large.
    assert_eq!(next(&receivers[0]).await.payload.len(), large.len() - 1);
}

#[tokio::test]
async fn c20_c34_what_no_policy_allows_is_403_and_needs_no_iot_connect() {
    let emulator = Emulator::start();
    let iot = emulator.iot_core();
    let receivers = receivers(&iot).await;
    let arn = |kind: &str| format!("arn:aws:iot:us-east-1:000000000000:{kind}");
    let device = enrolled(&iot, "Publisher", allow(&["iot:Publish"], &arn("topic/mine/*")));
    let own = enrolled(&iot, "Own", allow(&["iot:Publish"], &arn("topic/${iot:ClientId}/a")));
    let table = [
        (&device, "mine/a", "200"),
        (&device, "theirs/a", "403"),
        (&device, "mine/a?retain=true", "403"),
        (&own, "x/a", "403"),
    ];
    for (device, path, expected) in table {
        let (status, kind, _) = post(device, &format!("/topics/{path}"), "", b"x").await;
        assert_eq!(status, expected, "{path}: {}", emulator.trace());
        if expected == "403" {
            assert_eq!(kind, "ForbiddenException:");
            let entry = refusal(&emulator, "Publish-In");
            assert_says(&entry, &["AUTHORIZATION_FAILURE", "HTTP 403"]);
        }
    }
    for receiver in &receivers {
        assert_eq!(next(receiver).await.topic, "mine/a");
    }
}

//? assumed: Basic Ingest takes HTTPS as it takes MQTT
#[tokio::test]
async fn c20_c37_basic_ingest_over_https_tells_of_a_rule_that_is_not_there() {
    let emulator = Emulator::start();
    let iot = emulator.iot_core();
    let device = trusted(&iot, "Publisher");
    let (status, ..) = post(&device, "/topics/$aws/rules/Nobody/a/b?qos=1", "", b"{}").await;
    assert_eq!(status, "200");
    emulator.settled().await;
    assert_eq!(refusal(&emulator, "RuleNotFound").value("ruleName"), Some("Nobody"));
}
