//! AWS hangs up in silence; the trace says why. Each refusal, and what explains it.

use client_tests::Device;
use iot_emulator::{
    AutoRegistration, CertificateAuthority, Emulator, Function, Identity, IotCore, allow,
};
use serde_json::{Value, json};

use crate::common::{
    EVERYTHING, assert_says, change_policy, enrolled, publish_over_the_api, raw_api, refusal,
    trusted, unattached,
};

const ARN: &str = "arn:aws:iot:us-east-1:000000000000:";

fn statement(effect: &str, action: &str, resource: &str) -> Value {
    json!({ "Effect": effect, "Action": action, "Resource": format!("{ARN}{resource}") })
}

fn document(statements: &[Value]) -> String {
    json!({ "Version": "2012-10-17", "Statement": statements }).to_string()
}

fn attach_thing(iot: &IotCore, device: &Device, thing: &str) {
    iot.call("CreateThing", json!({ "thingName": thing })).expect("a thing");
    let principal = iot.certificate_arn(device.certificate_id());
    let input = json!({ "thingName": thing, "principal": principal });
    iot.call("AttachThingPrincipal", input).expect("an attachment");
}

#[tokio::test]
async fn c51_a_refused_publish_names_the_policy_its_version_and_the_nearest_pattern() {
    let emulator = Emulator::start();
    let iot = emulator.iot_core();
    let own = "topic/things/${iot:Connection.Thing.ThingName}/*";
    let device = enrolled(&iot, "Device", allow(&["iot:Connect"], "*"));
    change_policy(
        &iot,
        "Device",
        document(&[
            statement("Allow", "iot:Connect", "client/*"),
            statement("Allow", "iot:Publish", own),
        ]),
    );
    attach_thing(&iot, &device, "sensor-1");
    let mqtt = device.connect("sensor-1").await.expect("allowed");
    mqtt.publish("things/sensor-2/confirmation", "{}").await.expect_err("not its own topic");

    let entry = refusal(&emulator, "Publish-In");
    assert_eq!(entry.reason, Some("AUTHORIZATION_FAILURE"));
    assert_eq!(entry.value("clientId"), Some("sensor-1"));
    assert_eq!(entry.value("topicName"), Some("things/sensor-2/confirmation"));
    assert_says(
        &entry,
        &[
            "refused iot:Publish on ",
            "topic/things/sensor-2/confirmation",
            "implicit deny: no statement of policy `Device` v2 matches",
            &format!("nearest: {ARN}{own}"),
            "→ …/topic/things/sensor-1/*",
            "AWS answers: disconnects",
        ],
    );
}

#[tokio::test]
async fn a_variable_without_a_value_is_named_and_why_it_has_none() {
    let emulator = Emulator::start();
    let iot = emulator.iot_core();
    let own = "client/${iot:Connection.Thing.ThingName}";
    let device = enrolled(&iot, "Device", document(&[statement("Allow", "iot:Connect", own)]));
    device.connect("DemoThing").await.expect_err("no thing");
    let variable = "${iot:Connection.Thing.ThingName} has no value";
    assert_says(
        &refusal(&emulator, "Connect"),
        &[
            "refused iot:Connect on ",
            own,
            &format!("{variable}: the certificate is attached to no thing"),
            "disconnects, no CONNACK",
        ],
    );
    attach_thing(&iot, &device, "DemoThing");
    device.connect("somebody-else").mqtt5().await.expect_err("another name");
    assert_says(
        &refusal(&emulator, "Connect"),
        &[
            &format!("{variable}: the client ID `somebody-else` differs from the thing name"),
            "DemoThing",
            "CONNACK 0x87",
        ],
    );
}

#[tokio::test]
async fn no_policy_at_all_a_denial_and_a_message_not_received_are_told_apart() {
    let emulator = Emulator::start();
    let iot = emulator.iot_core();
    let device = unattached(&iot, "Device");
    device.connect("sensor-1").await.expect_err("no policy");
    let nothing = "implicit deny: no policy is attached to the certificate";
    assert_says(&refusal(&emulator, "Connect"), &[nothing]);

    let all = json!({ "Effect": "Allow", "Action": ["iot:Connect", "iot:Publish", "iot:Subscribe"],
                      "Resource": "*" });
    let statements = [all, statement("Deny", "iot:Publish", "topic/alarms/*")];
    iot.create_policy("NoAlarms", document(&statements));
    iot.attach_policy("NoAlarms", device.certificate_id());
    let mqtt = device.connect("sensor-1").mqtt5().await.expect("allowed");
    mqtt.publish("alarms/1", "x").await.expect_err("denied");
    let denies = format!("denies:  {ARN}topic/alarms/*");
    assert_says(
        &refusal(&emulator, "Publish-In"),
        &["explicit deny: statement 2 of policy `NoAlarms` v1", &denies, "PUBACK 0x87"],
    );

    assert_eq!(mqtt.subscribe("news").await, Ok(1));
    mqtt.publish("news", "x").await.expect("allowed");
    emulator.settled().await;
    assert_says(
        &refusal(&emulator, "Publish-Out"),
        &["refused iot:Receive on ", "topic/news", "`NoAlarms` v1", "the message is not delivered"],
    );
}

#[tokio::test]
async fn a_refused_subscription_says_what_people_overlook() {
    let emulator = Emulator::start();
    let iot = emulator.iot_core();
    let connect = statement("Allow", "iot:Connect", "client/*");
    let table = [
        ("topic/news", "news", "iot:Subscribe is compared with topicfilter/…, not with topic/…"),
        ("topicfilter/a/#", "a/b", "`+` and `#` are plain characters in a policy"),
        ("topicfilter/News", "news", "the two differ in upper and lower case only"),
    ];
    for (number, (resource, filter, hint)) in table.into_iter().enumerate() {
        let statements = [connect.clone(), statement("Allow", "iot:Subscribe", resource)];
        let device = enrolled(&iot, &format!("Device{number}"), document(&statements));
        let mqtt = device.connect("sensor-1").mqtt5().await.expect("allowed");
        assert_eq!(mqtt.subscribe(filter).await, Ok(0x87));
        assert_says(&refusal(&emulator, "Subscribe"), &["refused iot:Subscribe on ", hint]);
    }
}

#[tokio::test]
async fn an_unknown_certificate_is_told_with_the_ca_that_is_missing_or_unwilling() {
    let emulator = Emulator::start();
    let iot = emulator.iot_core();
    let attempt = |identity: Identity| {
        let device = Device::new(&iot, identity);
        async move { device.connect("sensor-1").await.expect_err("unknown") }
    };
    let explained = || {
        let entry = refusal(&emulator, "Connection.AuthNError");
        assert_eq!(entry.reason, Some("DEVICE_CERTIFICATE_NOT_REGISTERED"));
        entry
    };
    let ca = CertificateAuthority::new("Acme Devices");
    attempt(ca.issue("sensor-1")).await;
    let missing = "no registered CA certificate has the subject `CN=Acme Devices`";
    assert_says(&explained(), &[missing, "(`CN=sensor-1`) is not registered"]);

    attempt(Identity::self_signed("sensor-1")).await;
    assert_says(&explained(), &["it is self-signed: RegisterCertificateWithoutCA"]);

    iot.register_ca(&ca, AutoRegistration::Disabled);
    attempt(ca.issue("sensor-1")).await;
    let unwilling = "is signed by CA `CN=Acme Devices` which is registered, ACTIVE, with \
                     auto-registration DISABLE";
    assert_says(&explained(), &[unwilling]);

    // Another CA that only has the same name.
    attempt(CertificateAuthority::new("Acme Devices").issue("sensor-1")).await;
    let signature = "does not verify against the registered CA `CN=Acme Devices`";
    assert_says(&explained(), &[signature]);

    // The root is registered; the CA between is what issued the certificate.
    attempt(ca.issue_authority("Acme Plant 7").issue("sensor-1")).await;
    assert_says(&explained(), &["AWS IoT wants the direct issuer registered", "Acme Plant 7"]);
}

#[tokio::test]
async fn a_known_certificate_that_may_not_connect_is_told_with_its_status() {
    let emulator = Emulator::start();
    let iot = emulator.iot_core();
    let ca = CertificateAuthority::new("Acme Devices");
    iot.register_ca(&ca, AutoRegistration::Enabled);
    let device = Device::new(&iot, ca.issue("sensor-1"));
    let id = device.certificate_id().to_string();
    let set = |status: &str| {
        let input = json!({ "certificateId": id, "newStatus": status });
        iot.call("UpdateCertificate", input).expect("a status");
    };
    let table = [
        (None, "DEVICE_CERTIFICATE_INACTIVE", "was unknown and is PENDING_ACTIVATION now"),
        (None, "DEVICE_CERTIFICATE_INACTIVE", "is PENDING_ACTIVATION"),
        (Some("INACTIVE"), "DEVICE_CERTIFICATE_INACTIVE", "is INACTIVE"),
        (Some("REVOKED"), "DEVICE_CERTIFICATE_REVOKED", "is REVOKED"),
    ];
    for (status, reason, said) in table {
        status.into_iter().for_each(set);
        device.connect("sensor-1").await.expect_err("not ACTIVE");
        let entry = refusal(&emulator, "Connection.AuthNError");
        assert_eq!(entry.reason, Some(reason));
        assert_eq!(entry.value("principalId"), Some(id.as_str()));
        assert_says(&entry, &[said, "AWS answers: disconnects"]);
    }
    let nobody = Device::without_certificate(&iot);
    nobody.connect("sensor-1").await.expect_err("no certificate");
    let entry = refusal(&emulator, "Connection.AuthNError");
    assert_eq!(entry.reason, Some("NOT_AUTHENTICATED"));
    assert_says(&entry, &["the client presented no certificate"]);
}

#[tokio::test]
async fn a_connection_that_ends_because_of_its_certificate_says_so() {
    let emulator = Emulator::start();
    let iot = emulator.iot_core();
    let device = trusted(&iot, "Device");
    let mqtt = device.connect("sensor-1").await.expect("allowed");
    let id = device.certificate_id().to_string();
    let input = json!({ "certificateId": id, "newStatus": "INACTIVE" });
    iot.call("UpdateCertificate", input).expect("a status");
    mqtt.closed().await;
    let entry = refusal(&emulator, "Disconnect");
    assert_eq!(entry.value("disconnectReason"), Some("AUTH_ERROR"));
    assert_says(&entry, &["its certificate is no longer ACTIVE"]);
}

/// What a terminal shows of the last entry of `event_type`.
#[track_caller]
fn printed(emulator: &Emulator, event_type: &str) -> String {
    let entries = emulator.trace().entries();
    let entry = entries.iter().rfind(|entry| entry.event_type == event_type);
    entry.unwrap_or_else(|| panic!("no {event_type}:\n{}", emulator.trace())).to_string()
}

#[tokio::test]
async fn a_terminal_shows_who_what_why_and_the_packet_that_the_client_sees() {
    let emulator = Emulator::start();
    let iot = emulator.iot_core();
    let statements = [
        statement("Allow", "iot:Connect", "client/*"),
        statement("Allow", "iot:Publish", "topic/a"),
    ];
    let device = enrolled(&iot, "Device", document(&statements));
    let id = device.certificate_id().to_string();

    let retained = device.connect("lamp").will_with("a", "bye", 0, true);
    retained.mqtt5().await.expect_err("no iot:RetainPublish");
    let refused = printed(&emulator, "Connect");
    let of_will = "the CONNECT names a will, which has to be permitted too";
    for line in ["not iot:RetainPublish", "in statement 2 of policy `Device` v1", of_will] {
        assert!(refused.contains(line), "`{line}` is not in\n{refused}");
    }

    let mqtt = device.connect("lamp").mqtt5().await.expect("allowed");
    assert_eq!(mqtt.subscribe("a").await, Ok(0x87));
    let refused = printed(&emulator, "Subscribe");
    assert!(refused.ends_with("AWS answers: SUBACK 0x87"), "{refused}");
    mqtt.publish("b", "x").await.expect_err("no iot:Publish");
    let refused = printed(&emulator, "Publish-In");
    assert!(refused.ends_with("AWS answers: PUBACK 0x87"), "{refused}");
    let first = format!("  lamp  refused Publish-In topicName=b protocol=MQTT principalId={id}");
    assert!(refused.lines().next().is_some_and(|line| line.ends_with(&first)), "{refused}");
    let _closed = mqtt.publish_with("b", "x", 0, false).await;
    mqtt.closed().await;
    let refused = printed(&emulator, "Publish-In");
    assert!(refused.ends_with("AWS answers: DISCONNECT 0x87"), "{refused}");
    let ended = printed(&emulator, "Disconnect");
    assert!(
        ended.contains(&format!("  lamp  ended   Disconnect protocol=MQTT principalId={id}\n"))
    );
    assert!(ended.ends_with("something that it asked for was refused: see above"), "{ended}");
}

#[tokio::test]
async fn a_refused_https_publish_says_the_same_as_over_mqtt() {
    let emulator = Emulator::start();
    let device = enrolled(&emulator.iot_core(), "Device", allow(&["iot:Connect"], "*"));
    let mut wire = device.open_https().await.expect("a handshake");
    let request = "POST /topics/a HTTP/1.1\r\nHost: localhost\r\nContent-Length: 2\r\n\
                   Connection: close\r\n\r\n{}";
    wire.send(request.as_bytes()).await;
    let (answer, _) = wire.rest().await;
    let answer = String::from_utf8_lossy(&answer);
    assert!(answer.starts_with("HTTP/1.1 403"), "{answer}");
    assert!(answer.contains("ForbiddenException:"), "{answer}");
    let entry = refusal(&emulator, "Publish-In");
    assert_eq!(entry.value("protocol"), Some("HTTP"));
    let id = device.certificate_id().to_string();
    let first = format!("  {id}  refused Publish-In protocol=HTTP topicName=a");
    let printed = entry.to_string();
    assert!(printed.lines().next().is_some_and(|line| line.ends_with(&first)), "{printed}");
    assert_says(&entry, &["no statement of policy `Device` v1 matches", "HTTP 403"]);
}

#[tokio::test]
async fn a_rule_that_may_not_invoke_its_function_says_which_permission_is_missing() {
    let emulator = Emulator::start();
    let iot = emulator.iot_core();
    // `app.py` with a handler; it is never run.
    const ZIP: &str = "UEsDBBQAAAAAAAAAIQDiR0PnGAAAABgAAAAGAAAAYXBwLnB5ZGVmIGhhbmRsZXIoZSwgYyk6IHBh\
        c3MKUEsBAhQDFAAAAAAAAAAhAOJHQ+cYAAAAGAAAAAYAAAAAAAAAAAAAAIABAAAAAGFwcC5weVBLBQYAAAAAAQAB\
        ADQAAAA8AAAAAAA=";
    let function = json!({
        "FunctionName": "jitr",
        "Runtime": "python3.11",
        "Handler": "app.handler",
        "Role": "arn:aws:iam::000000000000:role/lambda",
        "Code": { "ZipFile": ZIP },
    })
    .to_string();
    let request = format!(
        "POST /2015-03-31/functions HTTP/1.1\r\nHost: localhost\r\nContent-Length: {}\r\n\
         Connection: close\r\n\r\n{function}",
        function.len()
    );
    let answer = raw_api(&emulator, request.as_bytes());
    assert!(answer.starts_with("HTTP/1.1 201"), "{answer}");
    let arn = "arn:aws:lambda:us-east-1:000000000000:function:jitr";
    let payload = json!({ "sql": "SELECT * FROM 'start'",
                          "actions": [{ "lambda": { "functionArn": arn } }] });
    let input = json!({ "ruleName": "Start", "topicRulePayload": payload });
    iot.call("CreateTopicRule", input).expect("a rule");
    publish_over_the_api(&emulator, "start", "{}");
    emulator.settled().await;
    assert_says(
        &refusal(&emulator, "RuleExecution"),
        &[
            "aws lambda add-permission --function-name jitr",
            "--principal iot.amazonaws.com",
            "--source-arn arn:aws:iot:us-east-1:000000000000:rule/Start",
        ],
    );
}

#[tokio::test]
async fn a_function_that_fails_says_what_it_said() {
    let emulator = Emulator::builder().manual_clock(true).start().expect("free ports");
    let iot = emulator.iot_core();
    let failing = Function::new(|_event| Err("the database is away".into()));
    iot.create_topic_rule("Failing", "SELECT * FROM 'start'", failing);
    publish_over_the_api(&emulator, "start", "{}");
    emulator.settled().await;
    let entry = refusal(&emulator, "AsynchronousInvocation");
    assert_says(&entry, &["the database is away"]);
}

#[tokio::test]
async fn a_provisioning_template_that_cannot_be_followed_says_at_which_step() {
    let emulator = Emulator::start();
    let iot = emulator.iot_core();
    let ca = CertificateAuthority::new("Acme Devices");
    let template = json!({
        "Parameters": {
            "AWS::IoT::Certificate::Id": { "Type": "String" },
            "AWS::IoT::Certificate::CommonName": { "Type": "String" },
        },
        "Resources": {
            "certificate": {
                "Type": "AWS::IoT::Certificate",
                "Properties": {
                    "CertificateId": { "Ref": "AWS::IoT::Certificate::Id" },
                    "Status": "ACTIVE",
                },
            },
            "policy": {
                "Type": "AWS::IoT::Policy",
                "Properties": { "PolicyName": "NobodyMadeThisPolicy" },
            },
        },
    });
    iot.register_ca(&ca, AutoRegistration::Template(template));
    let device = Device::new(&iot, ca.issue("DemoThing"));
    device.connect("DemoThing").await.expect_err("the first connection is dropped");
    emulator.settled().await;
    let entry = refusal(&emulator, "ProvisionThing");
    assert_says(&entry, &["NobodyMadeThisPolicy", "step=", "the next connect tries again"]);
    let status = iot.certificate_status(device.certificate_id());
    assert_eq!(status.as_deref(), Some("PENDING_ACTIVATION"));
}

#[tokio::test]
async fn the_trace_can_be_read_over_http_as_well() {
    let emulator = Emulator::start();
    let device = enrolled(&emulator.iot_core(), "Device", allow(&EVERYTHING[1..], "*"));
    device.connect("sensor-1").await.expect_err("no iot:Connect");
    let request = "GET /_emulator/trace?after=0 HTTP/1.1\r\nHost: localhost\r\n\
                   Connection: close\r\n\r\n";
    let answer = raw_api(&emulator, request.as_bytes());
    let (_, body) = answer.split_once("\r\n\r\n").expect("a body");
    for phrase in ["AUTHORIZATION_FAILURE", "sensor-1", "no statement of policy `Device` v1"] {
        assert!(body.contains(phrase), "`{phrase}` is not in {body}");
    }
}

#[tokio::test]
async fn error_actions_that_call_each_other_come_to_an_end() {
    let emulator = Emulator::start();
    let iot = emulator.iot_core();
    for (name, from, to) in [("There", "ping", "pong"), ("Back", "pong", "ping")] {
        let missing = "arn:aws:lambda:us-east-1:000000000000:function:missing";
        let role = "arn:aws:iam::000000000000:role/rules";
        let payload = json!({
            "sql": format!("SELECT * FROM '{from}'"),
            "actions": [{ "lambda": { "functionArn": missing } }],
            "errorAction": { "republish": { "topic": to, "roleArn": role } },
        });
        let input = json!({ "ruleName": name, "topicRulePayload": payload });
        iot.call("CreateTopicRule", input).expect("a rule");
    }
    let mqtt = trusted(&iot, "sensor-1").connect("sensor-1").await.expect("a connection");
    mqtt.publish("ping", "{}").await.expect("a PUBACK");
    emulator.settled().await;
    // Each error message holds the one before, and outgrows what can be published.
    assert_says(&refusal(&emulator, "RuleExecution"), &["more than 128 KiB"]);
}
