//! What AWS's log and metrics say: one entry for a SUBSCRIBE, all of a Connection.AuthNError, what
//! logging options add, and how often things happened.
//!
//! Truth: <https://docs.aws.amazon.com/iot/latest/developerguide/cwl-format.html>,
//! <https://docs.aws.amazon.com/iot/latest/developerguide/metrics_dimensions.html> and
//! <https://docs.aws.amazon.com/iot/latest/developerguide/configure-logging.html>.

use client_tests::programs::{self, Shell};
use client_tests::{Closed, Device};
use iot_emulator::trace::Outcome;
use iot_emulator::{Emulator, Identity, IotCore, allow};
use serde_json::{Value, json};

use crate::common::{
    EVERYTHING, change_policy, enrolled, publish_over_https, raw_api, refusal, trusted,
};

/// The entries of `event_type` as `--log-format json` prints them.
fn told(emulator: &Emulator, event_type: &str) -> Vec<Value> {
    let entries = emulator.trace().entries();
    let of_type = entries.iter().filter(|entry| entry.event_type == event_type);
    of_type.map(|entry| entry.to_json()).collect()
}

/// The one entry of `event_type`.
#[track_caller]
fn only(emulator: &Emulator, event_type: &str) -> Value {
    let mut entries = told(emulator, event_type);
    assert_eq!(entries.len(), 1, "{event_type}:\n{}", emulator.trace());
    entries.remove(0)
}

fn subscribing(iot: &IotCore) -> Device {
    let topic = "arn:aws:iot:us-east-1:000000000000:topicfilter/test/*";
    let statements = json!([
        { "Effect": "Allow", "Action": "iot:Connect", "Resource": "*" },
        { "Effect": "Allow", "Action": "iot:Subscribe", "Resource": topic },
    ]);
    enrolled(iot, "Device", json!({ "Version": "2012-10-17", "Statement": statements }).to_string())
}

#[tokio::test]
async fn c50_a_subscribe_is_one_entry_with_the_reason_code_of_each_filter() {
    // Filters; reason codes; status, reason, and lines that say why.
    type Row =
        (&'static [&'static str], &'static [u8], &'static str, Value, &'static [&'static str]);
    let authorization = json!("AUTHORIZATION_FAILURE");
    let table: [Row; 5] = [
        (&["test/1", "test/2"], &[1, 1], "Success", Value::Null, &[]),
        (
            &["test/topic1", "$invalid/reserved/topic"],
            &[1, 143],
            "Success",
            json!("CLIENT_ERROR"),
            &[],
        ),
        (&["a"], &[135], "Failure", authorization.clone(), &["topicfilter/a"]),
        (&["a", "b"], &[135, 135], "Failure", authorization.clone(), &["filter/a", "filter/b"]),
        (
            &["a", "test/1", "$SYS/#"],
            &[135, 1, 143],
            "Success",
            authorization,
            &["topicfilter/a", "`$SYS/#`: "],
        ),
    ];
    for (filters, codes, status, reason, why) in table {
        let emulator = Emulator::start();
        let device = subscribing(&emulator.iot_core());
        let mqtt = device.connect("lamp").mqtt5().await.expect("allowed");
        assert_eq!(mqtt.subscribe_all(filters, 1).await, Ok(codes.to_vec()));
        let entry = only(&emulator, "Subscribe");
        assert_eq!((&entry["status"], &entry["reason"]), (&json!(status), &reason), "{entry}");
        assert_eq!(entry["logLevel"], if status == "Success" { "INFO" } else { "ERROR" });
        assert_eq!(entry["topicName"], filters.join(","));
        let each = filters.iter().zip(codes);
        let each: Vec<Value> =
            each.map(|(name, code)| json!({ "topicName": name, "reasonCode": code })).collect();
        assert_eq!(entry["subscriptions"], Value::from(each));
        let said = entry["why"].to_string();
        assert!(why.iter().all(|line| said.contains(line)), "{entry}");
        // Whoever asks for refusals finds it if anything was refused.
        let refused = codes.iter().any(|code| *code >= 0x80);
        assert_eq!(emulator.trace().refusals().len(), usize::from(refused), "{entry}");
        if refused {
            let answer: String = codes.iter().map(|code| format!(" 0x{code:02X}")).collect();
            assert_eq!(entry["answer"], format!("SUBACK{answer}"));
        }
    }
}

#[tokio::test]
async fn c50_a_subscribe_that_ends_an_mqtt_3_connection_is_one_entry_too() {
    let emulator = Emulator::start();
    let device = subscribing(&emulator.iot_core());
    let mqtt = device.connect("lamp").await.expect("allowed");
    mqtt.subscribe_all(&["test/1", "a", "test/2"], 1).await.expect_err("not allowed");
    let entry = only(&emulator, "Subscribe");
    assert_eq!((&entry["status"], &entry["topicName"]), (&json!("Failure"), &json!("test/1,a")));
    assert_eq!(entry["reason"], "AUTHORIZATION_FAILURE");
    assert_eq!((&entry["answer"], entry.get("subscriptions")), (&json!("disconnects"), None));
    let _unsubscribed = device.connect("lamp").await.expect("allowed").unsubscribe("test/1").await;
    let entry = only(&emulator, "Unsubscribe");
    assert_eq!((&entry["status"], entry.get("topicName")), (&json!("Success"), None), "{entry}");
    assert_eq!(entry["why"], json!(["unsubscribes from test/1"]));
}

#[tokio::test]
async fn c50_the_trace_id_in_a_reason_string_leads_to_the_entry() {
    let emulator = Emulator::start();
    let device = subscribing(&emulator.iot_core());
    let mqtt = device.connect("lamp").mqtt5().await.expect("allowed");
    let _closed = mqtt.publish_with("a", "x", 0, false).await;
    let Closed::Disconnected { reason_string: Some(text), .. } = mqtt.closed().await else {
        panic!("an MQTT 5 client is told:\n{}", emulator.trace());
    };
    let entry = only(&emulator, "Publish-In");
    let trace_id = entry["traceId"].as_str().expect("a UUID");
    assert!(text.ends_with(&format!(":{trace_id}")), "{text} {entry}");
}

#[tokio::test]
async fn c50_a_message_that_waits_is_queued_with_aws_members() {
    let emulator = Emulator::start();
    let device = trusted(&emulator.iot_core(), "Lamp");
    let lamp = device.connect("lamp").persistent().await.expect("a connection");
    lamp.subscribe("news").await.expect("a SUBACK");
    lamp.disconnect().await;
    let publisher = device.connect("publisher").await.expect("a connection");
    publisher.publish("news", "x").await.expect("a PUBACK");
    emulator.settled().await;
    let entry = only(&emulator, "Queued");
    for (name, value) in [
        ("status", "Success"),
        ("clientId", "lamp"),
        ("topicName", "news"),
        ("qos", "1"),
        ("protocol", "MQTT"),
    ] {
        assert_eq!(entry[name], value, "{entry}");
    }
}

/// Asserts that `entry` has the members of every Connection.AuthNError, and `particular` ones.
#[track_caller]
fn assert_unauthenticated(entry: &Value, port: u16, particular: &Value) {
    let always = json!({
        "status": "Failure", "logLevel": "ERROR", "eventType": "Connection.AuthNError",
        "sourceIp": "127.0.0.1", "targetIp": "127.0.0.1", "targetPort": port,
    });
    for members in [&always, particular] {
        for (name, value) in members.as_object().expect("an object") {
            assert_eq!(&entry[name], value, "{name}: {entry}");
        }
    }
    assert!(entry["sourcePort"].as_u64().is_some_and(|port| port > 0), "{entry}");
}

#[tokio::test]
async fn c50_whoever_is_nobody_leaves_all_that_aws_tells_of_it() {
    let emulator = Emulator::start();
    let iot = emulator.iot_core();
    let (mqtt, https) = (emulator.mqtt_address().port(), emulator.https_address().port());
    let stranger = Device::new(&iot, Identity::self_signed("lamp"));
    let id = stranger.certificate_id().to_string();
    let unregistered = json!({
        "protocol": "MQTT", "authenticationType": "AWS_X509", "clientId": "lamp",
        "principalId": id, "serverNameIndication": "localhost",
        "reason": "DEVICE_CERTIFICATE_NOT_REGISTERED",
        "details": "Device certificate is not registered",
    });
    stranger.connect("lamp").await.expect_err("unknown");
    let entry = refusal(&emulator, "Connection.AuthNError").to_json();
    assert_unauthenticated(&entry, mqtt, &unregistered);

    let mut over_https = unregistered.clone();
    over_https["protocol"] = "HTTP".into();
    over_https["clientId"] = Value::Null;
    assert_eq!(publish_over_https(&stranger, "a").await, "");
    let entry = refusal(&emulator, "Connection.AuthNError").to_json();
    assert_unauthenticated(&entry, https, &over_https);
    assert_eq!(entry.get("clientId"), None);

    let name = "nobody-ats.iot.us-east-1.amazonaws.com";
    let lost = stranger.clone().asking_for(name);
    lost.connect("lamp").await.expect_err("a name of nobody");
    let misused = json!({
        "protocol": "MQTT", "authenticationType": "AWS_X509", "serverNameIndication": name,
        "reason": "SNI_MISUSED",
        "details": "The client used an SNI that is not associated with this account",
    });
    let entry = refusal(&emulator, "Connection.AuthNError").to_json();
    assert_unauthenticated(&entry, mqtt, &misused);

    let counted = |protocol| iot.metric("Connection.AuthNError", &[("Protocol", protocol)]);
    assert_eq!((counted("MQTT"), counted("HTTP")), (Some(1), Some(1)), "none for a wrong name");
}

#[tokio::test]
async fn c50_mosquitto_as_a_stranger_is_told_with_its_client_id() {
    if !programs::present(&["mosquitto_pub"]).await {
        return;
    }
    let emulator = Emulator::start();
    let folder = tempfile::tempdir().expect("a folder of our own");
    let shell = Shell::new(folder.path());
    let identity = Identity::self_signed("lamp");
    shell.write("ca.pem", emulator.root_ca_pem());
    shell.write("lamp.pem", identity.certificate_pem());
    shell.write("lamp.key", identity.private_key_pem());
    let port = emulator.mqtt_address().port();
    let line = format!(
        "mosquitto_pub -h localhost -p {port} --cafile ca.pem --cert lamp.pem --key lamp.key \
         -i mosquitto-1 -t a -m x"
    );
    let _lost = shell.run(&line).await;
    let entry = refusal(&emulator, "Connection.AuthNError").to_json();
    let particular = json!({
        "clientId": "mosquitto-1", "principalId": identity.certificate_id().to_string(),
        "reason": "DEVICE_CERTIFICATE_NOT_REGISTERED", "serverNameIndication": "localhost",
    });
    assert_unauthenticated(&entry, port, &particular);
}

#[tokio::test]
async fn c50_what_happens_is_counted_under_aws_names() {
    let emulator = Emulator::start();
    let iot = emulator.iot_core();
    let most: Vec<&str> = EVERYTHING.iter().filter(|it| **it != "iot:Connect").copied().collect();
    let device = enrolled(&iot, "Device", allow(&most, "*"));
    device.connect("lamp").await.expect_err("no iot:Connect");
    change_policy(&iot, "Device", allow(EVERYTHING, "*"));
    let rule = json!({ "sql": "SELECT * FROM 'rule'", "actions": [{ "republish": {
        "topic": "news", "roleArn": "arn:aws:iam::000000000000:role/rules" } }] });
    let input = json!({ "ruleName": "Again", "topicRulePayload": rule });
    iot.call("CreateTopicRule", input).expect("a rule");

    let lamp = device.connect("lamp").mqtt5().await.expect("allowed");
    lamp.subscribe("news").await.expect("a SUBACK");
    lamp.publish("rule", "{}").await.expect("a PUBACK");
    lamp.publish_with("state", "on", 1, true).await.expect("a PUBACK");
    lamp.publish("$aws/events/presence/connected/x", "x").await.expect_err("not for clients");
    assert_eq!(lamp.subscribe("$SYS/#").await, Ok(0x8F));
    lamp.unsubscribe("news").await.expect("an UNSUBACK");
    publish_over_https(&device, "b").await;
    let mut wire = device.open().await.expect("a handshake");
    wire.send(b"\x10\x10\x00\x04MQTT\x04\x02\x00\x3c\x00\x04wire\xc0\x00").await;
    assert_eq!(wire.packet().await, b"\x20\x02\x00\x00");
    assert_eq!(wire.packet().await, b"\xd0\x00");
    change_policy(&iot, "Device", allow(&["iot:Connect"], "*"));
    lamp.publish_with("state", "on", 1, true).await.expect_err("no iot:Publish");
    emulator.settled().await;

    let again = [("RuleName", "Again")];
    let action = [("RuleName", "Again"), ("ActionType", "Republish")];
    type Dimensions<'a> = &'a [(&'a str, &'a str)];
    let table: [(&str, Dimensions<'_>, u64); 16] = [
        ("Connect.AuthError", &[("Protocol", "MQTT")], 1),
        ("Connect.Success", &[("Protocol", "MQTT")], 2),
        ("Ping.Success", &[("Protocol", "MQTT")], 1),
        ("PublishIn.Success", &[("Protocol", "MQTT")], 2),
        ("PublishIn.Success", &[("Protocol", "HTTP")], 1),
        ("PublishIn.Success", &[], 3),
        ("PublishIn.ClientError", &[("Protocol", "MQTT")], 1),
        ("PublishIn.AuthError", &[("Protocol", "MQTT")], 1),
        ("PublishRetained.Success", &[], 1),
        ("PublishRetained.AuthError", &[], 1),
        ("PublishOut.Success", &[("Protocol", "MQTT")], 1),
        ("Subscribe.Success", &[], 1),
        ("Subscribe.ClientError", &[], 1),
        ("Unsubscribe.Success", &[], 1),
        ("TopicMatch", &again, 1),
        ("Success", &action, 1),
    ];
    for (name, dimensions, expected) in table {
        let found = iot.metric(name, dimensions);
        assert_eq!(found, Some(expected), "{name} {dimensions:?}:\n{:#?}", iot.metrics());
    }
    assert_eq!(iot.metric("RulesExecuted", &[]), Some(1));
    assert_eq!(iot.metric("RulesExecuted", &again), Some(0), "it has no dimension");

    let request = "GET /_emulator/metrics HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n";
    let answer = raw_api(&emulator, request.as_bytes());
    let (_, body) = answer.split_once("\r\n\r\n").expect("a body");
    let body: Value = serde_json::from_str(body).expect("JSON");
    let pinged = json!({
        "accountId": "000000000000", "region": "us-east-1", "name": "Ping.Success",
        "dimensions": { "Protocol": "MQTT" }, "value": 1,
    });
    let metrics = body["metrics"].as_array().expect("a list");
    assert!(metrics.contains(&pinged), "{body:#}");
    assert!(metrics.iter().all(|metric| metric["value"].as_u64() > Some(0)), "{body:#}");
}

/// The AWS CLI, in a folder of its own.
fn cli(emulator: &Emulator) -> (tempfile::TempDir, Shell) {
    let folder = tempfile::tempdir().expect("a folder of our own");
    let mut shell = Shell::new(folder.path());
    for (name, value) in emulator.environment() {
        shell.set(name, value);
    }
    (folder, shell)
}

#[tokio::test]
async fn c50_logging_options_of_the_aws_cli_add_what_costs_and_silence_no_refusal() {
    if !programs::present(&["aws"]).await {
        return;
    }
    let emulator = Emulator::start();
    let (_folder, shell) = cli(&emulator);
    let most: Vec<&str> = EVERYTHING.iter().filter(|it| **it != "iot:Publish").copied().collect();
    let allowed = trusted(&emulator.iot_core(), "Lamp");
    let refused = enrolled(&emulator.iot_core(), "Refused", allow(&most, "*"));
    let lamp = allowed.connect("lamp").await.expect("a connection");
    lamp.subscribe("news").await.expect("a SUBACK");
    let entries = |event_type: &str| {
        let entries = emulator.trace().entries();
        let of_type = entries.iter().filter(|entry| entry.event_type == event_type);
        of_type.filter(|entry| entry.outcome == Outcome::Success).count()
    };
    let speaks = async || {
        let before = [entries("Publish-In"), entries("Publish-Out")];
        let refusals = emulator.trace().refusals().len();
        lamp.publish("news", "x").await.expect("a PUBACK");
        lamp.next_message().await.expect("its own message");
        let other = refused.connect("other").mqtt5().await.expect("a connection");
        other.publish("news", "x").await.expect_err("no iot:Publish");
        let told = emulator.trace().refusals().len() - refusals;
        assert_eq!(told, 1, "every refusal is told:\n{}", emulator.trace());
        [entries("Publish-In") - before[0], entries("Publish-Out") - before[1]]
    };
    shell.run("aws iot get-v2-logging-options").await.said("NotConfiguredException");
    assert_eq!(speaks().await, [0, 0], "by default");
    let role = "--role-arn arn:aws:iam::000000000000:role/logs";
    let id = allowed.certificate_id();
    let table = [
        (format!("set-v2-logging-options {role} --default-log-level INFO"), [1, 1]),
        ("set-v2-logging-options --disable-all-logs".to_owned(), [0, 0]),
        ("set-v2-logging-options --no-disable-all-logs".to_owned(), [1, 1]),
        ("set-v2-logging-options --default-log-level ERROR".to_owned(), [0, 0]),
        (
            "set-v2-logging-options --event-configurations eventType=Publish-Out,logLevel=DEBUG"
                .to_owned(),
            [0, 1],
        ),
        (
            format!(
                "set-v2-logging-level --log-level DISABLED --log-target \
                 targetType=PRINCIPAL_ID,targetName={id}"
            ),
            [0, 0],
        ),
        (
            "set-v2-logging-level --log-level INFO --log-target \
             targetType=CLIENT_ID,targetName=lamp"
                .to_owned(),
            [1, 1],
        ),
        ("delete-v2-logging-level --target-type CLIENT_ID --target-name lamp".to_owned(), [0, 0]),
    ];
    for (line, expected) in table {
        let _set = shell.run(&format!("aws iot {line}")).await.succeeded();
        assert_eq!(speaks().await, expected, "after {line}");
    }
    let told = shell.run("aws iot get-v2-logging-options").await.succeeded().json();
    let options = (&told["defaultLogLevel"], &told["disableAllLogs"]);
    assert_eq!(options, (&json!("ERROR"), &json!(false)));
    let levels = shell.run("aws iot list-v2-logging-levels").await.succeeded().json();
    let kinds = levels["logTargetConfigurations"].as_array().expect("a list").iter();
    let kinds: Vec<_> = kinds.map(|level| &level["logTarget"]["targetType"]).collect();
    assert_eq!(kinds, ["DEFAULT", "PRINCIPAL_ID"]);
    let of_lamp = told_of(&emulator, "Publish-In");
    let members = ["protocol", "topicName", "clientId"].map(|name| &of_lamp[name]);
    assert_eq!(members, ["MQTT", "news", "lamp"]);
}

/// The first success of `event_type`.
#[track_caller]
fn told_of(emulator: &Emulator, event_type: &str) -> Value {
    let entries = told(emulator, event_type).into_iter();
    let found = entries.into_iter().find(|entry| entry["status"] == "Success");
    found.unwrap_or_else(|| panic!("no {event_type}:\n{}", emulator.trace()))
}

#[tokio::test]
async fn c50_a_ping_is_logged_where_its_level_is_debug() {
    let emulator = Emulator::start();
    let iot = emulator.iot_core();
    let device = trusted(&iot, "Lamp");
    let ping = async || {
        let mut wire = device.open().await.expect("a handshake");
        wire.send(b"\x10\x10\x00\x04MQTT\x04\x02\x00\x3c\x00\x04lamp\xc0\x00").await;
        assert_eq!(wire.packet().await, b"\x20\x02\x00\x00");
        assert_eq!(wire.packet().await, b"\xd0\x00");
        told(&emulator, "Ping").len()
    };
    let set = |input: Value| iot.call("SetV2LoggingOptions", input).expect("options");
    let role = "arn:aws:iam::000000000000:role/logs";
    set(json!({ "roleArn": role, "defaultLogLevel": "DEBUG" }));
    assert_eq!(ping().await, 0, "the default level is not enough");
    for (level, expected) in [("INFO", 0), ("DEBUG", 1)] {
        set(json!({ "eventConfigurations": [{ "eventType": "Ping", "logLevel": level }] }));
        assert_eq!(ping().await, expected, "{level}");
    }
    let entry = told_of(&emulator, "Ping");
    assert_eq!((&entry["logLevel"], &entry["clientId"]), (&json!("DEBUG"), &json!("lamp")));
    assert_eq!((&entry["protocol"], &entry["latency"]), (&json!("MQTT"), &json!(0)));
    assert_eq!(entry["requestTimestamp"], entry["responseTimestamp"]);
    assert_eq!(entry["requestTimestamp"].as_str().map(str::len), Some(23), "{entry}");
}
