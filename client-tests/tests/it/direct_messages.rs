//! Direct messages, and who may ask about connections, shadows and jobs: curl with a device's
//! certificate, boto3 as AWS's own client, rumqttc and mosquitto_sub as receivers.
//!
//! Truth: <https://docs.aws.amazon.com/iot/latest/developerguide/direct-messaging.html>,
//! <https://docs.aws.amazon.com/iot/latest/developerguide/mqtt.html> and botocore's `iot-data`.

use std::time::Duration;

use client_tests::programs::{self, Running, Shell};
use client_tests::{Mqtt, MqttError, Version, Wire, websocket};
use iot_emulator::{Emulator, Identity, IotCore, allow};
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::common::{EVERYTHING, assert_says, change_policy, enrolled, refusal, trusted};

const ARN: &str = "arn:aws:iot:us-east-1:000000000000:";

/// An emulator whose clock stands still, and a folder with the files of one device, `sender`.
struct Scene {
    emulator: Emulator,
    iot: IotCore,
    shell: Shell,
    _folder: TempDir,
}

impl Scene {
    /// The policy of `sender` has these statements.
    fn new(statements: &[Value]) -> Self {
        let emulator = Emulator::builder().manual_clock(true).start().expect("an emulator");
        let iot = emulator.iot_core();
        let folder = tempfile::tempdir().expect("a folder of our own");
        let mut shell = Shell::new(folder.path());
        for (name, value) in emulator.environment() {
            shell.set(name, value);
        }
        let sender = Identity::self_signed("sender");
        iot.register_certificate_without_ca(&sender.certificate_pem());
        iot.create_policy("Sender", document(statements));
        iot.attach_policy("Sender", sender.certificate_id());
        shell.write("root.pem", emulator.root_ca_pem());
        shell.write("sender.pem", sender.certificate_pem());
        shell.write("sender.key", sender.private_key_pem());
        Self { emulator, iot, shell, _folder: folder }
    }

    /// A receiver that may do everything, and is called as it is named.
    async fn receiver(&self, name: &str, version: Version) -> Mqtt {
        let device = trusted(&self.iot, name);
        device.connect(name).speaking(version).await.expect("allowed")
    }

    /// curl as `sender`, up to the URL.
    fn curl(&self, rest: &str) -> String {
        let port = self.emulator.https_address().port();
        format!(
            "curl --silent --show-error --cacert root.pem --cert sender.pem --key sender.key \
             --write-out '\\n%{{http_code}}' {rest}"
        )
        .replace("HOST", &format!("https://localhost:{port}"))
    }

    /// Body and status that curl gets as `sender`.
    async fn ask(&self, rest: &str) -> (String, u16) {
        let finished = self.shell.run(&self.curl(rest)).await.succeeded();
        let (body, status) = finished.stdout.rsplit_once('\n').expect("a status");
        (body.to_owned(), status.parse().expect("a number"))
    }

    /// What the AWS CLI gets of the data plane.
    async fn iot_data(&self, arguments: &str) -> Value {
        self.shell.run(&format!("aws iot-data {arguments}")).await.succeeded().json()
    }

    async fn send(&self, query: &str) -> (String, u16) {
        self.ask(&format!("--data hello 'HOST/connections/{query}'")).await
    }

    /// The same, in the background.
    fn start_sending(&self, query: &str) -> Running {
        self.shell.start(&self.curl(&format!("--data hello 'HOST/connections/{query}'")))
    }

    /// The last refusal of `event_type`, which says each of `phrases`.
    #[track_caller]
    fn refused(&self, event_type: &str, phrases: &[&str]) {
        assert_says(&refusal(&self.emulator, event_type), phrases);
    }
}

fn statement(action: &str, resource: &str) -> Value {
    json!({ "Effect": "Allow", "Action": action, "Resource": format!("{ARN}{resource}") })
}

fn on_condition(action: &str, resource: &str, condition: Value) -> Value {
    let mut statement = statement(action, resource);
    statement["Condition"] = condition;
    statement
}

fn document(statements: &[Value]) -> String {
    json!({ "Version": "2012-10-17", "Statement": statements }).to_string()
}

fn to_anybody() -> Value {
    statement("iot:SendDirectMessage", "client/*")
}

async fn curl_is_missing() -> bool {
    !programs::present(&["curl"]).await
}

#[tokio::test]
async fn a_device_sends_to_another_without_subscription_and_hears_its_puback() {
    if curl_is_missing().await {
        return;
    }
    let scene = Scene::new(&[to_anybody()]);
    let rule = json!({ "ruleName": "all", "topicRulePayload": {
        "sql": "SELECT * FROM 'commands/#'",
        "actions": [{ "republish": { "roleArn": "arn:aws:iam::000000000000:role/r",
                                     "topic": "copies" } }],
    }});
    scene.iot.call("CreateTopicRule", rule).expect("a rule");
    let other = scene.receiver("other", Version::Mqtt311).await;
    assert_eq!(other.subscribe("#").await, Ok(1));
    let everything = trusted(&scene.iot, "Lamp");
    for (name, version) in [("my/lamp", Version::Mqtt311), ("my/lamp5", Version::Mqtt5)] {
        let lamp = everything.connect(name).speaking(version).await.expect("allowed");
        let encoded = name.replace('/', "%2F");
        for (more, qos) in
            [("", 0), ("&confirmation=false&timeout=99", 0), ("&confirmation=true", 1)]
        {
            let query = format!("{encoded}/messages?topic=commands%2Freboot{more}");
            let (body, status) = scene.send(&query).await;
            let body: Value = serde_json::from_str(&body).expect("JSON");
            assert_eq!((status, &body["message"]), (200, &json!("OK")), "{body}");
            assert_eq!(body["traceId"].as_str().map(str::len), Some(36));
            let message = lamp.next_message().await.expect("the message");
            assert_eq!((message.topic.as_str(), message.text()), ("commands/reboot", "hello"));
            assert_eq!((message.qos, message.retain), (qos, false), "{version:?} {more}");
        }
    }
    // Neither another client nor a rule has seen any of them.
    other.publish("end", "x").await.expect("allowed");
    assert_eq!(other.messages_before("end").await, []);
    let entries = scene.emulator.trace().entries();
    let sent = entries.iter().filter(|entry| entry.event_type == "SendDirectMessage");
    let told = sent.map(|entry| entry.to_json());
    let told = told.map(|entry| (entry["confirmation"].as_bool(), entry["timeout"].as_u64()));
    let unconfirmed = (Some(false), None);
    let three = [unconfirmed, unconfirmed, (Some(true), Some(5))];
    assert_eq!(told.collect::<Vec<_>>(), [three, three].concat());
}

#[tokio::test]
async fn without_a_puback_the_sender_gets_504_when_its_time_is_up() {
    if curl_is_missing().await {
        return;
    }
    let scene = Scene::new(&[to_anybody()]);
    for (name, version, query, seconds) in
        [("three", Version::Mqtt311, "&timeout=15", 15), ("five", Version::Mqtt5, "", 5)]
    {
        let device = trusted(&scene.iot, name);
        let silent = device.connect(name).speaking(version).without_acknowledging();
        let silent = silent.await.expect("allowed");
        let query = format!("{name}/messages?topic=t&confirmation=true{query}");
        let mut sending = scene.start_sending(&query);
        let message = silent.next_message().await.expect("the message");
        assert_eq!((message.text(), message.qos), ("hello", 1));
        let almost = Duration::from_millis(seconds * 1000 - 1);
        scene.emulator.advance(almost).await.expect("settled");
        assert!(scene.emulator.trace().refusals().iter().all(|entry| {
            entry.event_type != "SendDirectMessage" || entry.value("clientId") != Some(name)
        }));
        scene.emulator.advance(Duration::from_millis(1)).await.expect("settled");
        let words =
            "The delivery confirmation was not received within the specified timeout period";
        sending.until(words).await;
        sending.until("504").await;
        let said = ["DELIVERY_CONFIRMATION_TIMEOUT", "HTTP 504", name, words];
        scene.refused("SendDirectMessage", &said);
    }
}

#[tokio::test]
async fn each_refusal_has_its_status_and_aws_reason() {
    if curl_is_missing().await {
        return;
    }
    let scene = Scene::new(&[to_anybody()]);
    let _lamp = scene.receiver("lamp", Version::Mqtt5).await;
    let away = trusted(&scene.iot, "away").connect("away").persistent().await.expect("allowed");
    away.disconnect().await;
    let [large, long] = [128 * 1024 + 1, 129].map(|length| "x".repeat(length));
    scene.shell.write("large", &large);
    let deep = "a/b/c/d/e/f/g/h/i";
    let table = [
        ("lamp/messages".to_owned(), 400, "INVALID_TOPIC"),
        ("lamp/messages?topic=%24aws/x".to_owned(), 400, "INVALID_TOPIC"),
        ("lamp/messages?topic=a%2F%23".to_owned(), 400, "INVALID_TOPIC"),
        (format!("lamp/messages?topic={deep}"), 400, "INVALID_TOPIC"),
        (format!("{long}/messages?topic=t"), 400, "MALFORMED_CLIENTID"),
        ("%24x/messages?topic=t".to_owned(), 400, "MALFORMED_CLIENTID"),
        ("lamp/messages?topic=t&confirmation=1".to_owned(), 400, "INVALID_CONFIRMATION_PARAMETER"),
        (
            "lamp/messages?topic=t&confirmation=true&timeout=16".to_owned(),
            400,
            "INVALID_TIMEOUT_PARAMETER",
        ),
        ("nobody/messages?topic=t".to_owned(), 404, "TARGET_CLIENT_ID_NOT_FOUND"),
        ("away/messages?topic=t".to_owned(), 404, "TARGET_CLIENT_NOT_CONNECTED"),
    ];
    for (query, status, reason) in table {
        let (body, found) = scene.send(&query).await;
        assert_eq!(found, status, "{query}: {body}");
        scene.refused("SendDirectMessage", &[reason, &format!("HTTP {status}")]);
        let body: Value = serde_json::from_str(&body).expect("JSON");
        let details = refusal(&scene.emulator, "SendDirectMessage").details.clone();
        assert_eq!(body["message"].as_str(), details.as_deref(), "{query}");
    }
    let large = "--data-binary @large 'HOST/connections/lamp/messages?topic=t'";
    assert_eq!(scene.ask(large).await.1, 413);
    scene.refused("SendDirectMessage", &["RequestEntityTooLargeException", "131073 bytes"]);
}

#[tokio::test]
async fn the_sender_needs_a_grant_for_client_and_topic_and_the_receiver_one_to_receive() {
    if curl_is_missing().await {
        return;
    }
    let topics = json!({ "StringEquals": { "iot:Topic": ["commands/reboot", "commands/update"] } });
    let scene =
        Scene::new(&[on_condition("iot:SendDirectMessage", "client/myDevice", topics.clone())]);
    let receiving =
        [statement("iot:Connect", "client/*"), statement("iot:Receive", "topic/commands/reboot")];
    let device = enrolled(&scene.iot, "Receiver", document(&receiving));
    let lamp = device.connect("myDevice").mqtt5().await.expect("allowed");
    let _other = scene.receiver("other", Version::Mqtt5).await;
    assert_eq!(scene.send("myDevice/messages?topic=commands/reboot").await.1, 200);
    assert_eq!(lamp.next_message().await.expect("the message").topic, "commands/reboot");

    // Twice each: what was allowed for one topic is not remembered for another.
    for _ in 0..2 {
        let (body, status) = scene.send("myDevice/messages?topic=commands/erase").await;
        assert_eq!((body.as_str(), status), ("", 403), "no body for a sender without a grant");
        let said = [
            "AUTHORIZATION_FAILURE",
            "refused iot:SendDirectMessage on ",
            "client/myDevice",
            "iot:Topic is `commands/erase`",
            "HTTP 403",
        ];
        scene.refused("SendDirectMessage", &said);
        assert_eq!(scene.send("myDevice/messages?topic=commands/reboot").await.1, 200);
    }
    let (body, status) = scene.send("other/messages?topic=commands/reboot").await;
    assert_eq!((body.as_str(), status), ("", 403));
    scene.refused("SendDirectMessage", &["client/other", "nearest: ", "client/myDevice"]);

    let (body, status) = scene.send("myDevice/messages?topic=commands/update").await;
    assert_eq!(status, 403);
    assert!(body.contains("Authorization failed for the target client"), "{body}");
    let said = [
        "RECEIVE_AUTHORIZATION_FAILURE",
        "the receiver is refused iot:Receive on ",
        "topic/commands/update",
        "policy `Receiver` v1",
    ];
    scene.refused("SendDirectMessage", &said);
    let receiving = [receiving[0].clone(), statement("iot:Receive", "topic/commands/*")];
    change_policy(&scene.iot, "Receiver", document(&receiving));
    assert_eq!(scene.send("myDevice/messages?topic=commands/update").await.1, 200);

    let pattern = json!({ "StringLike": { "iot:Topic": "commands/*" } });
    let all = [on_condition("iot:SendDirectMessage", "client/*", pattern)];
    change_policy(&scene.iot, "Sender", document(&all));
    assert_eq!(scene.send("other/messages?topic=commands/erase").await.1, 200);
    assert_eq!(scene.send("other/messages?topic=news").await.1, 403);
}

#[tokio::test]
async fn a_wait_ends_when_receiver_or_sender_goes_or_the_emulator_stops() {
    if curl_is_missing().await {
        return;
    }
    let scene = Scene::new(&[to_anybody()]);
    let device = trusted(&scene.iot, "lamp");
    let query = "lamp/messages?topic=t&confirmation=true&timeout=15";
    let connect = || async {
        let silent = device.connect("lamp").without_acknowledging().await.expect("allowed");
        let sending = scene.start_sending(query);
        silent.next_message().await.expect("the message");
        (silent, sending)
    };
    let (silent, mut sending) = connect().await;
    silent.disconnect().await;
    sending.until("404").await;
    scene.refused("SendDirectMessage", &["TARGET_CLIENT_ID_NOT_FOUND", "lamp"]);

    let (silent, sending) = connect().await;
    drop(sending);
    let follow = "DELIVERY_CONFIRMATION_SENDER_DISCONNECT";
    let seen =
        || scene.emulator.trace().refusals().iter().any(|entry| entry.reason == Some(follow));
    // The trace has no bell: each request gives the emulator time to see the other one go.
    for _ in 0..50 {
        assert_eq!(scene.send("nobody/messages?topic=t").await.1, 404);
        if seen() {
            break;
        }
    }
    assert!(seen(), "{}", scene.emulator.trace());
    drop(silent);

    let (_silent, mut sending) = connect().await;
    scene.emulator.reset();
    sending.until("404").await;

    let scene = Scene::new(&[to_anybody()]);
    let device = trusted(&scene.iot, "lamp").connect("lamp").without_acknowledging();
    let silent = device.await.expect("allowed");
    let mut sending = scene.start_sending(query);
    silent.next_message().await.expect("the message");
    drop(scene.emulator);
    sending.until("000").await;
}

#[tokio::test]
async fn mqtt_5_properties_arrive_and_the_cli_and_boto3_send_and_look() {
    if !programs::present(&["aws", "boto3", "mosquitto_sub"]).await {
        return;
    }
    let scene = Scene::new(&[to_anybody()]);
    let device = Identity::self_signed("lamp");
    scene.iot.register_certificate_without_ca(&device.certificate_pem());
    scene.iot.create_policy("Lamp", allow(EVERYTHING, "*"));
    scene.iot.attach_policy("Lamp", device.certificate_id());
    scene.shell.write("lamp.pem", device.certificate_pem());
    scene.shell.write("lamp.key", device.private_key_pem());
    let mqtt = scene.emulator.mqtt_address().port();
    let ready = trusted(&scene.iot, "ready").connect("ready").await.expect("allowed");
    ready.publish_with("ready", "x", 1, true).await.expect("allowed");
    let mut lamp = scene.shell.start(&format!(
        "mosquitto_sub -V 5 -h localhost -p {mqtt} -i lamp --cafile root.pem --cert lamp.pem \
         --key lamp.key -t ready -q 1 -F '%t|%q|%p|%C|%R|%D|%P'"
    ));
    lamp.until("ready|").await;
    let sent = scene
        .iot_data(
            "send-direct-message --client-id lamp --topic commands/reboot --confirmation \
             --timeout 10 --payload hello --content-type text/plain --response-topic answers/lamp \
             --correlation-data Y29ycmVsYXRlZA== --payload-format-indicator UTF8_DATA \
             --user-properties '[{\"deviceName\":\"alpha\"},{\"deviceCnt\":\"45\"}]'",
        )
        .await;
    assert_eq!(sent["message"], "OK");
    let told = lamp.until("commands/reboot").await;
    let properties = "text/plain|answers/lamp|correlated|deviceName:alpha deviceCnt:45";
    assert_eq!(told, format!("commands/reboot|1|hello|{properties}"));

    scene.shell.write("look.py", LOOK);
    let looked = scene.shell.run("python3 look.py").await.succeeded().json();
    let port = looked["targetPort"].as_u64();
    assert_eq!((port, &looked["targetIp"]), (Some(mqtt.into()), &json!("127.0.0.1")), "{looked}");
    assert_eq!(looked["sourceIp"], "127.0.0.1");
    let members = looked.as_object().expect("an object").keys().map(String::as_str);
    let expected = [
        "cleanSession",
        "clientId",
        "connected",
        "connectedSince",
        "keepAliveDuration",
        "sessionExpiry",
        "sourceIp",
        "sourcePort",
        "targetIp",
        "targetPort",
    ];
    assert_eq!(members.collect::<Vec<_>>(), expected, "no thing, no VPC endpoint");
    let plain = scene.iot_data("get-connection --client-id lamp").await;
    assert!(plain["sourceIp"].is_null() && plain["targetPort"].is_null(), "{plain}");
}

/// AWS's own reading of the answers, and of each error as its class.
const LOOK: &str = r#"
import boto3, json

data = boto3.client("iot-data")
for call, error in [
    (lambda: data.send_direct_message(clientId="nobody", topic="t"), "ResourceNotFoundException"),
    (lambda: data.send_direct_message(clientId="lamp", topic="$x"), "InvalidRequestException"),
    (lambda: data.send_direct_message(clientId="lamp", topic="t", payload=b"x" * 131073),
     "RequestEntityTooLargeException"),
]:
    try:
        call()
        raise SystemExit(f"no {error}")
    except getattr(data.exceptions, error):
        pass
found = data.get_connection(clientId="lamp", includeSocketInformation=True)
del found["ResponseMetadata"]
known = set(data.meta.service_model.operation_model("GetConnection").output_shape.members)
assert set(found) <= known, set(found) - known
print(json.dumps(found))
"#;

#[tokio::test]
async fn socket_information_needs_its_own_leave_for_the_whole_call() {
    if curl_is_missing().await {
        return;
    }
    let without = json!({ "Bool": { "iot:IncludeSocketInformation": "false" } });
    let scene = Scene::new(&[on_condition("iot:GetConnection", "client/*", without)]);
    let _lamp = scene.receiver("lamp", Version::Mqtt311).await;
    for query in ["", "?includeSocketInformation=false"] {
        let (body, status) = scene.ask(&format!("'HOST/connections/lamp{query}'")).await;
        let body: Value = serde_json::from_str(&body).expect("JSON");
        assert_eq!((status, &body["connected"]), (200, &json!(true)));
        assert!(body["sourceIp"].is_null() && body["targetIp"].is_null(), "{body}");
    }
    let with = "'HOST/connections/lamp?includeSocketInformation=true'";
    assert_eq!(scene.ask(with).await.1, 403);
    let said = ["refused iot:GetConnection on ", "iot:IncludeSocketInformation is `true`"];
    scene.refused("GetConnection", &said);
    change_policy(&scene.iot, "Sender", document(&[statement("iot:GetConnection", "client/*")]));
    let (body, status) = scene.ask(with).await;
    let body: Value = serde_json::from_str(&body).expect("JSON");
    assert_eq!((status, body["targetPort"].is_u64()), (200, true), "{body}");
}

#[tokio::test]
async fn shadows_and_jobs_over_https_ask_the_policy_first_and_then_say_what_is_missing() {
    if curl_is_missing().await {
        return;
    }
    let things = ["iot:*", "iotjobsdata:*"].map(|action| statement(action, "thing/other"));
    let scene = Scene::new(&things);
    let table = [
        ("GET", "things/T/shadow", "iot:GetThingShadow", "thing/T"),
        ("GET", "things/T/shadow?name=s", "iot:GetThingShadow", "thing/T/s"),
        ("POST", "things/T/shadow", "iot:UpdateThingShadow", "thing/T"),
        ("DELETE", "things/T/shadow?name=s", "iot:DeleteThingShadow", "thing/T/s"),
        (
            "GET",
            "api/things/shadow/ListNamedShadowsForThing/T",
            "iot:ListNamedShadowsForThing",
            "thing/T",
        ),
        ("GET", "things/T/jobs", "iotjobsdata:GetPendingJobExecutions", "thing/T"),
        ("PUT", "things/T/jobs/$next", "iotjobsdata:StartNextPendingJobExecution", "thing/T"),
        ("GET", "things/T/jobs/j", "iotjobsdata:DescribeJobExecution", "thing/T"),
        ("POST", "things/T/jobs/j", "iotjobsdata:UpdateJobExecution", "thing/T"),
        ("GET", "role-aliases/R/credentials", "iot:AssumeRoleWithCertificate", "rolealias/R"),
    ];
    let request = |method: &str, path: &str| format!("--request {method} -d x 'HOST/{path}'");
    for (method, path, action, resource) in table {
        let (body, status) = scene.ask(&request(method, path)).await;
        assert_eq!(status, 403, "{method} {path}: {body}");
        let (_prefix, name) = action.split_once(':').expect("a prefix");
        scene.refused(name, &[&format!("refused {action} on {ARN}{resource}"), "HTTP 403"]);
    }
    let granted = table.map(|(_, _, action, resource)| statement(action, resource));
    change_policy(&scene.iot, "Sender", document(&granted));
    for (method, path, action, _) in table {
        let (body, status) = scene.ask(&request(method, path)).await;
        let (_prefix, name) = action.split_once(':').expect("a prefix");
        let missing = format!("iot-emulator does not have the operation {name} of `");
        assert!(status == 404 && body.contains(&missing), "{method} {path}: {status} {body}");
        scene.refused(name, &["UnknownOperationException", &missing, "HTTP 404"]);
    }
    assert_eq!(scene.ask(&request("PUT", "things/T/shadow")).await.1, 405);
    let foreign = scene.ask(&request("GET", "things/T%2Fs/shadow")).await;
    assert_eq!(foreign.1, 404, "a slash names no thing: {}", foreign.0);
}

#[tokio::test]
async fn shadows_and_jobs_over_mqtt_are_asked_by_their_topics() {
    let emulator = Emulator::start();
    let iot = emulator.iot_core();
    let connect = statement("iot:Connect", "client/*");
    let actions = "iot:GetThingShadow iot:UpdateThingShadow iotjobsdata:GetPendingJobExecutions";
    let https = actions.split(' ').map(|action| statement(action, "thing/T"));
    let unhelpful: Vec<Value> = https.chain([connect.clone()]).collect();
    let without = enrolled(&iot, "Without", document(&unhelpful));
    let topics = [
        ("$aws/things/T/shadow/update", "$aws/things/T/shadow/update/accepted"),
        ("$aws/things/T/jobs/get", "$aws/things/T/jobs/notify"),
    ];
    for (number, (publish, subscribe)) in topics.into_iter().enumerate() {
        let mqtt = without.connect("without").mqtt5().await.expect("allowed");
        assert_eq!(mqtt.publish(publish, "{}").await, Err(MqttError::Refused(0x87)));
        let said = format!("refused iot:Publish on {ARN}topic/{publish}");
        assert_says(&refusal(&emulator, "Publish-In"), &[&said]);
        assert_eq!(mqtt.subscribe(subscribe).await, Ok(0x87));
        let said = format!("refused iot:Subscribe on {ARN}topicfilter/{subscribe}");
        assert_says(&refusal(&emulator, "Subscribe"), &[&said]);

        let granted = [
            connect.clone(),
            statement("iot:Publish", &format!("topic/{publish}")),
            statement("iot:Subscribe", &format!("topicfilter/{subscribe}")),
        ];
        let with = enrolled(&iot, &format!("With{number}"), document(&granted));
        let mqtt = with.connect("with").mqtt5().await.expect("allowed");
        assert_eq!(mqtt.publish(publish, "{}").await, Ok(()));
        assert_eq!(mqtt.subscribe(subscribe).await, Ok(1));
    }
}

#[tokio::test]
async fn what_a_shadow_would_answer_arrives_only_where_receive_is_allowed() {
    let emulator = Emulator::start();
    let iot = emulator.iot_core();
    // A rule stands in for the service, which nobody but AWS can publish for.
    let accepted = "$aws/things/T/shadow/update/accepted";
    let rule = json!({ "ruleName": "answer", "topicRulePayload": {
        "sql": "SELECT * FROM 'answer'",
        "actions": [{ "republish": { "roleArn": "arn:aws:iam::000000000000:role/r",
                                     "topic": format!("${accepted}") } }],
    }});
    iot.call("CreateTopicRule", rule).expect("a rule");
    let mut granted = vec![
        statement("iot:Connect", "client/*"),
        statement("iot:Publish", "topic/answer"),
        statement("iot:Subscribe", "topicfilter/$aws/things/T/shadow/*"),
    ];
    let device = enrolled(&iot, "Device", document(&granted));
    let mqtt = device.connect("T").await.expect("allowed");
    assert_eq!(mqtt.subscribe(accepted).await, Ok(1));
    mqtt.publish("answer", "{}").await.expect("allowed");
    emulator.settled().await;
    let said = format!("refused iot:Receive on {ARN}topic/{accepted}");
    assert_says(&refusal(&emulator, "Publish-Out"), &[&said, "the message is not delivered"]);
    granted.push(statement("iot:Receive", "topic/$aws/things/T/shadow/*"));
    change_policy(&iot, "Device", document(&granted));
    mqtt.publish("answer", "{}").await.expect("allowed");
    assert_eq!(mqtt.next_message().await.expect("allowed now").topic, accepted);
}

/// Connects `tiny` over MQTT 5: one message in flight, packets of 512 bytes; subscribed to `s`.
async fn tiny(scene: &Scene) -> Wire {
    let mut tiny = trusted(&scene.iot, "Tiny").open().await.expect("a handshake");
    tiny.send(
        b"\x10\x19\x00\x04MQTT\x05\x02\x00\x3C\x08\x21\x00\x01\x27\x00\x00\x02\x00\x00\x04tiny",
    )
    .await;
    let connack = tiny.packet().await;
    assert!(connack[0] == 0x20 && connack[2..4] == [0, 0], "{connack:02X?}");
    tiny.send(b"\x82\x07\x00\x01\x00\x00\x01s\x01").await;
    assert_eq!(tiny.packet().await, b"\x90\x04\x00\x01\x00\x01", "a SUBACK");
    tiny
}

#[tokio::test]
async fn a_receiver_that_owes_too_much_or_has_a_full_queue_is_429() {
    const QUEUE: u16 = 10_000;
    if curl_is_missing().await {
        return;
    }
    let scene = Scene::new(&[to_anybody()]);
    let mut tiny = tiny(&scene).await;
    let confirmed = "tiny/messages?topic=t&confirmation=true&timeout=15";
    let mut sending = scene.start_sending(confirmed);
    let first = tiny.packet().await;
    assert!(first[0] == 0x32 && first.ends_with(b"hello"), "{first:02X?}");
    let (body, status) = scene.send(confirmed).await;
    assert_eq!(status, 429, "{body}");
    scene.refused("SendDirectMessage", &["RECEIVER_MAX_UNACKED_QOS1_EXCEEDED", "HTTP 429", "tiny"]);
    // QoS 0 owes nothing.
    assert_eq!(scene.send("tiny/messages?topic=t").await.1, 200);
    assert_eq!(tiny.packet().await[0], 0x30);

    let mut flood = trusted(&scene.iot, "Flood").open().await.expect("a handshake");
    flood.send(b"\x10\x0D\x00\x04MQTT\x04\x02\x00\x3C\x00\x01f").await;
    flood.packet().await;
    let publishes = (1..=QUEUE).flat_map(|packet_id| {
        let [high, low] = packet_id.to_be_bytes();
        [0x32, 0x06, 0x00, 0x01, b's', high, low, b'x']
    });
    flood.send(&publishes.collect::<Vec<u8>>()).await;
    flood.read(4 * usize::from(QUEUE)).await;
    let (body, status) = scene.send("tiny/messages?topic=t").await;
    assert_eq!(status, 429, "{body}");
    scene.refused("SendDirectMessage", &["RECEIVE_SESSION_THROTTLED", "HTTP 429", "tiny"]);
    // Its first PUBACK ends the wait of the first sender, and makes room.
    tiny.send(b"\x40\x02\x00\x01").await;
    sending.until("200").await;
}

#[tokio::test]
async fn a_message_that_is_too_large_for_its_receiver_is_never_said_to_have_arrived() {
    if curl_is_missing().await {
        return;
    }
    let scene = Scene::new(&[to_anybody()]);
    let mut tiny = tiny(&scene).await;
    scene.shell.write("large", "x".repeat(600));
    let query = "--data-binary @large 'HOST/connections/tiny/messages?topic=t&confirmation=true'";
    let mut sending = scene.shell.start(&scene.curl(query));
    let dropped = || {
        let refusals = scene.emulator.trace().refusals();
        refusals.iter().any(|entry| entry.reason == Some("MessageDropped"))
    };
    // The trace has no bell: each request gives the emulator time for the other one.
    for _ in 0..50 {
        assert_eq!(scene.send("nobody/messages?topic=t").await.1, 404);
        if dropped() {
            break;
        }
    }
    scene.refused("Publish-Out", &["MessageDropped", "Maximum Packet Size, 512", "tiny"]);
    scene.emulator.advance(Duration::from_secs(5)).await.expect("settled");
    sending.until("504").await;
    assert_eq!(scene.send("tiny/messages?topic=t").await.1, 200);
    assert!(tiny.packet().await.ends_with(b"hello"), "the connection lives on");
}

#[tokio::test]
async fn port_443_takes_direct_messages_of_certificates_and_cognito_identities() {
    const IDENTITY: &str = "us-east-1:0f1e2d3c-4b5a-6978-8796-a5b4c3d2e1f0";
    if !programs::present(&["aws"]).await {
        return;
    }
    let mut scene = Scene::new(&[to_anybody()]);
    let lamp = scene.receiver("lamp", Version::Mqtt5).await;
    let _other = scene.receiver("other", Version::Mqtt5).await;
    let tls = scene.emulator.addresses().tls;
    let sender = enrolled(&scene.iot, "443", document(&[to_anybody()]));
    let mut wire = sender.open_at(tls, &["x-amzn-http-ca"]).await.expect("a handshake");
    let post = "POST /connections/lamp/messages?topic=t&confirmation=true HTTP/1.1\r\n\
                Host: localhost\r\nContent-Length: 5\r\n\r\nhello";
    wire.send(post.as_bytes()).await;
    let answer = websocket::answer(&mut wire).await;
    assert!(answer.head.starts_with("http/1.1 200"), "{answer:?}");
    assert_eq!(lamp.next_message().await.expect("the message").text(), "hello");

    scene.shell.set("AWS_SESSION_TOKEN", IDENTITY);
    let send = |client_id: &str| {
        format!(
            "aws iot-data send-direct-message --endpoint-url https://localhost:{} --ca-bundle \
             root.pem --client-id {client_id} --topic t --confirmation --payload hello",
            tls.port()
        )
    };
    let refused = scene.shell.run(&send("lamp")).await;
    assert!(refused.stderr.contains("ForbiddenException"), "{refused:?}");
    let why = ["iot:SendDirectMessage", "no policy is attached to the Amazon Cognito identity"];
    scene.refused("SendDirectMessage", &why);
    let to_lamp = [statement("iot:SendDirectMessage", "client/lamp")];
    scene.iot.create_policy("Identity", document(&to_lamp));
    let attached = json!({ "policyName": "Identity", "target": IDENTITY });
    scene.iot.call("AttachPolicy", attached).expect("an identity takes policies");
    let sent = scene.shell.run(&send("lamp")).await.succeeded().json();
    assert_eq!(sent["message"], "OK");
    assert_eq!(lamp.next_message().await.expect("the message").text(), "hello");
    assert!(scene.shell.run(&send("other")).await.stderr.contains("ForbiddenException"));
    scene.refused("SendDirectMessage", &["client/other", IDENTITY, "HTTP 403"]);
}
