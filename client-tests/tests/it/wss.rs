//! MQTT over WebSocket on port 443 of the data endpoint: who speaks, what frames may do, how it
//! ends. The clients are mqtt.js, the AWS IoT Device SDK for Python, and bytes.
//! Truth: spec C10, C21; RFC 6455; the lifecycle events of each end.

use std::time::Duration;

use client_tests::programs::{self, Finished, Shell};
use client_tests::websocket::{self, WebSocket, frame, presigned, publish, upgrade};
use client_tests::{Device, Mqtt, Version};
use iot_emulator::{Emulator, IotCore};
use serde_json::json;

use crate::common::{assert_says, refusal, trusted};

const IDENTITY: &str = "us-east-1:0f1e2d3c-4b5a-6978-8796-a5b4c3d2e1f0";
const CONNACK: &[u8] = b"\x20\x02\x00\x00";
const PUBACK: &[u8] = b"\x40\x02\x00\x01";
const PINGREQ: &[u8] = b"\xC0\x00";
const PINGRESP: &[u8] = b"\xD0\x00";

/// Attaches the policy `name`, which says `document`, to the Amazon Cognito identity.
fn attach(iot: &IotCore, name: &str, document: impl Into<String>) {
    iot.create_policy(name, document);
    let attached = json!({ "policyName": name, "target": IDENTITY });
    iot.call("AttachPolicy", attached).expect("an identity takes policies");
}

/// May connect as `browser` and do anything on the topic `mine`.
fn one_topic_only() -> String {
    let on = |resource: &str| format!("arn:aws:iot:us-east-1:000000000000:{resource}");
    let statement = json!({
        "Effect": "Allow",
        "Action": ["iot:Connect", "iot:Publish", "iot:Subscribe", "iot:Receive"],
        "Resource": [on("client/browser"), on("topic/mine"), on("topicfilter/mine")],
    });
    json!({ "Version": "2012-10-17", "Statement": [statement] }).to_string()
}

async fn watcher(iot: &IotCore, filters: &[&str]) -> Mqtt {
    let watcher = trusted(iot, "Watcher").connect("watcher").speaking(Version::Mqtt5).await;
    let watcher = watcher.expect("a connection");
    watcher.subscribe_all(filters, 1).await.expect("a SUBACK");
    watcher
}

#[tokio::test]
async fn c10_frames_are_nothing_but_a_byte_stream() {
    let emulator = Emulator::start();
    let iot = emulator.iot_core();
    let watcher = watcher(&iot, &["$aws/events/presence/connected/browser", "a"]).await;
    let device = Device::without_certificate(&iot);
    let mut wire = device.open_at(emulator.addresses().tls, &[]).await.expect("a handshake");
    // HTTPS first, then the switch on the same connection.
    let query = presigned("AKIDEXAMPLE", None);
    let post = format!("POST /topics/a?{query} HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n");
    wire.send(post.as_bytes()).await;
    let posted = websocket::answer(&mut wire).await;
    assert!(posted.head.starts_with("http/1.1 200"), "{posted:?}");
    let mut socket = WebSocket::switch(wire, &upgrade(&query)).await;

    let connect = websocket::connect("browser", None);
    socket.send(&frame(0x02, &connect[..1])).await;
    socket.send(&frame(0x89, b"there?")).await;
    let mut rest = frame(0x00, &connect[1..9]);
    rest.extend(frame(0x00, b""));
    // The rest of the CONNECT and two packets more, in one frame.
    rest.extend(frame(0x80, &[&connect[9..], PINGREQ, &publish("a")].concat()));
    for piece in rest.chunks(3) {
        socket.send(piece).await;
    }
    assert_eq!(socket.packet().await, CONNACK);
    assert_eq!(socket.packet().await, PINGRESP);
    assert_eq!(socket.packet().await, PUBACK);
    assert_eq!(socket.others, [(10, b"there?".to_vec())], "a pong");

    let seen = watcher.messages_before("a").await;
    assert!(seen.is_empty(), "the HTTPS publish comes first: {seen:?}");
    let seen = watcher.messages_before("a").await;
    let event = seen[0].json();
    assert_eq!(event["principalIdentifier"], "AKIDEXAMPLE");
    socket.send(&frame(0x82, b"\xE0\x00")).await;
    assert_eq!(socket.closed().await, 1000);
}

#[tokio::test]
async fn c21_what_is_no_upgrade_gets_one_answer_and_one_entry() {
    let emulator = Emulator::start();
    let device = Device::without_certificate(&emulator.iot_core());
    let good = upgrade(&presigned("AKIDEXAMPLE", None));
    let table: [(&str, &str, &str, &[&str]); 9] = [
        ("X-Amz-Credential=", "Credential=", "403", &["NOT_AUTHENTICATED", "no SigV4 signature"]),
        ("X-Amz-Signature=0b", "X-Amz-Signature=", "403", &["64 hexadecimal digits"]),
        ("%2Fiotdevicegateway%2F", "%2Fs3%2F", "403", &["for the service `s3`"]),
        ("SignedHeaders=host", "SignedHeaders=x", "403", &["without host"]),
        ("Sec-WebSocket-Key: ", "X: ", "400", &["CLIENT_ERROR", "Sec-WebSocket-Key"]),
        ("Version: 13", "Version: 12", "426", &["Sec-WebSocket-Version is not 13"]),
        ("Protocol: mqtt", "Protocol: chat", "400", &["offers no `mqtt`"]),
        ("Upgrade: websocket", "X: websocket", "400", &["speaks WebSocket"]),
        ("GET /mqtt", "POST /mqtt", "400", &["is a GET"]),
    ];
    let refusals = || emulator.trace().refusals().len();
    for (number, (from, to, status, why)) in table.into_iter().enumerate() {
        let wire = device.open_at(emulator.addresses().tls, &[]).await;
        let mut wire = wire.expect("a handshake");
        wire.send(good.replace(from, to).as_bytes()).await;
        let answer = websocket::answer(&mut wire).await;
        assert!(answer.head.starts_with(&format!("http/1.1 {status}")), "{to}: {answer:?}");
        assert!(answer.body.contains("\"traceId\""), "{to}: {answer:?}");
        assert_eq!(refusals(), number + 1, "{}", emulator.trace());
        let entry = refusal(&emulator, "Connection.AuthNError");
        assert_says(&entry, &[why, &["AWS_SIGV4", &format!("HTTP {status}")]].concat());
    }
    // Another path stays HTTPS, Upgrade or not.
    let mut wire = device.open_at(emulator.addresses().tls, &[]).await.expect("a handshake");
    wire.send(good.replace("/mqtt", "/retainedMessage").as_bytes()).await;
    let answer = websocket::answer(&mut wire).await;
    assert!(answer.head.starts_with("http/1.1 200"), "{answer:?}");
    assert!(answer.body.contains("retainedTopics"), "{answer:?}");
}

#[tokio::test]
async fn c21_signed_headers_speak_for_the_caller_too() {
    let emulator = Emulator::start();
    let device = Device::without_certificate(&emulator.iot_core());
    let headers = format!(
        "Host: localhost\r\nX-Amz-Date: 20261121T101112Z\r\nAuthorization: AWS4-HMAC-SHA256 \
         Credential=AKID/20261121/us-east-1/iotdata/aws4_request, SignedHeaders=host;x-amz-date, \
         Signature={}",
        "1c".repeat(32)
    );
    let request = upgrade("").replace("/mqtt?", "/mqtt").replace("Host: localhost", &headers);
    let wire = device.open_at(emulator.addresses().tls, &[]).await.expect("a handshake");
    let mut socket = WebSocket::switch(wire, &request).await;
    socket.send(&frame(0x82, &websocket::connect("browser", None))).await;
    assert_eq!(socket.packet().await, CONNACK);
}

#[tokio::test]
async fn each_end_has_its_reason_and_only_a_wish_keeps_the_will_back() {
    const LATER: &str = "later";
    let emulator = Emulator::builder().manual_clock(true).start().expect("free ports");
    let iot = emulator.iot_core();
    let disconnected = "$aws/events/presence/disconnected/#";
    let watcher = watcher(&iot, &[disconnected, "wills/#", LATER]).await;
    let clients = ["says-close", "is-cut", "sends-text", "unmasked", "outlives"];
    let mut sockets = Vec::new();
    for client in clients {
        let will = format!("wills/{client}");
        let mut socket = WebSocket::connect(&emulator, None, client, Some(&will)).await;
        assert_eq!(socket.packet().await, CONNACK);
        sockets.push(socket);
    }
    let [mut says_close, is_cut, mut sends_text, mut unmasked, outlives] =
        <[WebSocket; 5]>::try_from(sockets).expect("five");
    says_close.send(&frame(0x88, &[0x03, 0xE9])).await;
    assert_eq!(says_close.closed().await, 1001, "repeated");
    is_cut.cut();
    sends_text.send(&frame(0x81, b"{}")).await;
    assert_eq!(sends_text.closed().await, 1003);
    assert_says(&refusal(&emulator, "Disconnect"), &["CLIENT_ERROR"]);
    unmasked.send(b"\x82\x02\xC0\x00").await;
    assert_eq!(unmasked.closed().await, 1002);

    let day = Duration::from_secs(24 * 3600);
    emulator.advance(day - Duration::from_secs(1)).await.expect("a manual clock");
    watcher.publish(LATER, "").await.expect("a PUBACK");
    let mut seen = Vec::new();
    while seen.len() < 8 {
        let message = watcher.next_message().await.expect("four ends, three wills, the marker");
        seen.push(match message.topic.split_once("disconnected/") {
            Some((_, client)) => {
                let event = message.json();
                let wished = event["clientInitiatedDisconnect"] == true;
                let reason = event["disconnectReason"].as_str().expect("a reason").to_owned();
                format!("{client} {reason} {wished}")
            }
            None => message.topic,
        });
    }
    seen.sort();
    let mut expected = [
        "says-close CLIENT_INITIATED_DISCONNECT true",
        "wills/is-cut",
        "is-cut CONNECTION_LOST false",
        "wills/sends-text",
        "sends-text CLIENT_ERROR false",
        "wills/unmasked",
        "unmasked CLIENT_ERROR false",
        LATER,
    ];
    expected.sort_unstable();
    assert_eq!(seen, expected);

    emulator.advance(Duration::from_secs(1)).await.expect("a manual clock");
    assert_eq!(outlives.closed().await, 1000);
    assert_eq!(watcher.next_message().await.expect("the will").topic, "wills/outlives");
    let event = watcher.next_message().await.expect("the event").json();
    assert_eq!(event["disconnectReason"], "WEBSOCKET_TTL_EXPIRATION");
    assert_eq!(event["clientInitiatedDisconnect"], false);
    assert_says(&refusal(&emulator, "Disconnect"), &["WEBSOCKET_TTL_EXPIRATION", "24 hours"]);
}

#[tokio::test]
async fn a_websocket_that_is_a_day_old_connects_no_more_and_takes_nobody_over() {
    let emulator = Emulator::builder().manual_clock(true).start().expect("free ports");
    let mut late = WebSocket::open(&emulator, None).await;
    emulator.advance(Duration::from_secs(24 * 3600)).await.expect("a manual clock");
    let mut live = WebSocket::connect(&emulator, None, "browser", None).await;
    assert_eq!(live.packet().await, CONNACK);
    late.send(&frame(0x82, &websocket::connect("browser", None))).await;
    assert_eq!(late.closed().await, 1000, "no CONNACK");
    assert_says(&refusal(&emulator, "Connect"), &["CLIENT_ERROR", "24 hours"]);
    live.send(&frame(0x82, PINGREQ)).await;
    assert_eq!(live.packet().await, PINGRESP);
}

#[tokio::test]
async fn a_frame_may_be_as_large_as_it_likes_but_a_packet_may_not() {
    let emulator = Emulator::start();
    let mut socket = WebSocket::connect(&emulator, None, "browser", None).await;
    assert_eq!(socket.packet().await, CONNACK);
    // A frame of 9 exabytes that begins with a packet above AWS's size.
    socket.send(b"\x82\xFF\x7F\xFF\xFF\xFF\xFF\xFF\xFF\xFF\0\0\0\0").await;
    socket.send(b"\x30\xFF\xFF\xFF\x7F\x00\x01a").await;
    assert_eq!(socket.closed().await, 1000);
    assert_says(&refusal(&emulator, "Disconnect"), &["CLIENT_ERROR"]);
    // The same before a CONNECT, and a frame that is none there.
    for bytes in [&b"\x82\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF\0\0\0\0"[..], b"\x81\x80\0\0\0\0"] {
        let mut socket = WebSocket::open(&emulator, None).await;
        socket.send(bytes).await;
        assert!(matches!(socket.closed().await, 1002 | 1003));
        assert_says(&refusal(&emulator, "Connect"), &["CLIENT_ERROR", "frame"]);
    }
}

#[tokio::test]
async fn a_cognito_identity_may_what_the_policies_attached_to_it_say() {
    let emulator = Emulator::start();
    let iot = emulator.iot_core();
    let nobody = WebSocket::connect(&emulator, Some(IDENTITY), "browser", None).await;
    assert_eq!(nobody.closed().await, 1000, "no CONNACK");
    let why = ["iot:Connect", "no policy is attached to the Amazon Cognito identity", IDENTITY];
    assert_says(&refusal(&emulator, "Connect"), &why);

    attach(&iot, "OneTopic", one_topic_only());
    let mut browser = WebSocket::connect(&emulator, Some(IDENTITY), "browser", None).await;
    assert_eq!(browser.packet().await, CONNACK);
    browser.send(&frame(0x82, &publish("mine"))).await;
    assert_eq!(browser.packet().await, PUBACK);
    browser.send(&frame(0x82, &publish("yours"))).await;
    assert_eq!(browser.closed().await, 1000);
    let entry = refusal(&emulator, "Publish-In");
    assert_says(&entry, &["refused iot:Publish", "topic/yours", "`OneTopic`", IDENTITY]);

    // An identity of elsewhere has no policies here, and is nobody from IAM either.
    let elsewhere = IDENTITY.replace("us-east-1", "eu-west-1");
    let elsewhere = WebSocket::connect(&emulator, Some(&elsewhere), "browser", None).await;
    assert_eq!(elsewhere.closed().await, 1000, "no CONNACK");
    // Another token is one of IAM's.
    let mut iam = WebSocket::connect(&emulator, Some("FwoGZXIvYXdzE"), "browser", None).await;
    assert_eq!(iam.packet().await, CONNACK);
}

#[tokio::test]
async fn a_signed_publish_over_https_follows_the_same_policies() {
    let emulator = Emulator::start();
    let iot = emulator.iot_core();
    attach(&iot, "OneTopic", one_topic_only());
    let device = Device::without_certificate(&iot);
    let mut wire = device.open_at(emulator.addresses().tls, &[]).await.expect("a handshake");
    let [identity, other] = [Some(IDENTITY), None].map(|token| presigned("AKID", token));
    let table = [("mine", &identity, 200), ("yours", &identity, 403), ("yours", &other, 200)];
    for (topic, query, status) in table {
        let post = format!(
            "POST /topics/{topic}?{query} HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n"
        );
        wire.send(post.as_bytes()).await;
        let answer = websocket::answer(&mut wire).await;
        assert!(answer.head.starts_with(&format!("http/1.1 {status}")), "{topic}: {answer:?}");
    }
    let entry = refusal(&emulator, "Publish-In");
    assert_says(&entry, &["refused iot:Publish", "topic/yours", IDENTITY, "HTTP"]);
}

#[tokio::test]
async fn policy_variables_of_an_identity_are_its_things_and_never_a_certificates() {
    let emulator = Emulator::start();
    let iot = emulator.iot_core();
    let change = |operation: &str, name: &str| {
        let input = json!({ "policyName": name, "target": IDENTITY });
        iot.call(operation, input).expect("an identity takes policies");
    };
    let refused = |mut socket: WebSocket, topic: &'static str| async {
        assert_eq!(socket.packet().await, CONNACK);
        socket.send(&frame(0x82, &publish(topic))).await;
        assert_eq!(socket.closed().await, 1000);
        refusal(&emulator, "Publish-In")
    };
    let browser = || WebSocket::connect(&emulator, Some(IDENTITY), "browser", None);
    let table = [
        ("Id", "iot:CertificateId", "the client has no certificate"),
        ("Subject", "iot:Certificate.Subject.CommonName", "the client has no certificate"),
        ("Thing", "iot:Connection.Thing.ThingName", "the identity is attached to no thing"),
    ];
    for (name, variable, why) in table {
        let topic = format!("arn:aws:iot:us-east-1:000000000000:topic/mine/${{{variable}}}");
        let statement = |action: &str, resource: &str| json!({ "Effect": "Allow", "Action": action, "Resource": resource });
        let statements = [statement("iot:Connect", "*"), statement("iot:Publish", &topic)];
        let document = json!({ "Version": "2012-10-17", "Statement": statements });
        attach(&iot, name, document.to_string());
        let entry = refused(browser().await, "mine/browser").await;
        assert_says(&entry, &[variable, why]);
        change("DetachPolicy", name);
    }
    change("AttachPolicy", "Thing");
    iot.call("CreateThing", json!({ "thingName": "browser" })).expect("a new thing");
    let attached = json!({ "thingName": "browser", "principal": IDENTITY });
    iot.call("AttachThingPrincipal", attached).expect("a thing takes an identity");
    let mut socket = browser().await;
    assert_eq!(socket.packet().await, CONNACK);
    socket.send(&frame(0x82, &publish("mine/browser"))).await;
    assert_eq!(socket.packet().await, PUBACK);
    let other = WebSocket::connect(&emulator, Some(IDENTITY), "other", None).await;
    let entry = refused(other, "mine/other").await;
    assert_says(&entry, &["`other` differs from the thing name: the identity is attached"]);
}

/// A program of the client tests, told the port, its client ID, its topic and its session token.
async fn runs(emulator: &Emulator, program: &str, arguments: &str) -> Finished {
    let folder = tempfile::tempdir().expect("a folder of our own");
    let mut shell = Shell::new(folder.path());
    for (name, value) in emulator.environment() {
        shell.set(name, value);
    }
    shell.write("root-ca.pem", emulator.iot_core().root_ca_pem());
    shell.set("ROOT_CA", "root-ca.pem");
    let (interpreter, path) = match program {
        "wss.js" => ("node", "client-tests/node/wss.js"),
        _ => ("python3", "client-tests/python/wss.py"),
    };
    let path = programs::of_the_project(path);
    let port = emulator.addresses().tls.port();
    shell.run(&format!("{interpreter} '{}' {port} {arguments}", path.display())).await
}

#[tokio::test]
async fn the_device_sdk_for_python_speaks_both_versions_over_wss() {
    if !programs::present(&["awsiotsdk"]).await {
        return;
    }
    let emulator = Emulator::start();
    let said = runs(&emulator, "wss.py", "browser mine").await.succeeded();
    said.said("suback [1]").said("puback 0").said("received mine 5555").said("received mine three");
    said.said("disconnected");

    let refused = runs(&emulator, "wss.py", &format!("browser mine {IDENTITY}")).await;
    refused.said("cannot connect:");
    assert_ne!(refused.code, Some(0));
    attach(&emulator.iot_core(), "OneTopic", one_topic_only());
    let allowed = runs(&emulator, "wss.py", &format!("browser mine {IDENTITY}")).await;
    allowed.succeeded().said("disconnected");
    let elsewhere = runs(&emulator, "wss.py", &format!("browser yours {IDENTITY}")).await;
    assert_ne!(elsewhere.code, Some(0), "{elsewhere}");
    assert_says(&refusal(&emulator, "Subscribe"), &["topicfilter/yours", "`OneTopic`", IDENTITY]);
}

#[tokio::test]
async fn mqtt_js_speaks_over_wss_with_a_presigned_url() {
    if !programs::present(&["node", "mqtt.js"]).await {
        return;
    }
    let emulator = Emulator::start();
    attach(&emulator.iot_core(), "OneTopic", one_topic_only());
    for arguments in ["anybody topic".to_owned(), format!("browser mine {IDENTITY}")] {
        let said = runs(&emulator, "wss.js", &arguments).await.succeeded();
        said.said("connected").said("Hello").said("disconnected");
    }
    let refused = runs(&emulator, "wss.js", &format!("browser yours {IDENTITY}")).await;
    refused.said("not subscribed:");
    assert_says(&refusal(&emulator, "Subscribe"), &["topicfilter/yours", "`OneTopic`", IDENTITY]);
}
