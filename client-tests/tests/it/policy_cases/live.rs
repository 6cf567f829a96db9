//! Live clients: rumqttc over MQTT, curl over HTTPS. What they see tells whether it was allowed;
//! what the trace says tells why not.
//!
//! Two thirds of the MQTT clients speak MQTT 5, whose acknowledgements say 0x87; the others speak
//! MQTT 3.1.1 and are cut off.

use client_tests::programs::{self, Shell};
use client_tests::{Closed, ConnectError, Device, Mqtt, MqttError, Version};
use iot_emulator::{Identity, allow};
use serde_json::json;
use tokio::runtime::Runtime;

use super::check::{Answer, Decision, Door, Question, Way};
use super::{Stage, runtime, table};
use crate::common::EVERYTHING;

const NOT_AUTHORIZED: u8 = 0x87;

/// The policy that lets a client come so far that the question can be asked.
const WAY_THERE: &str = "WayThere";

/// The actions that a client can try here, and by which packet or request.
const ACTIONS: [&str; 10] = [
    "iot:Connect",
    "iot:Publish",
    "iot:RetainPublish",
    "iot:Subscribe",
    "iot:Receive",
    "iot:GetRetainedMessage",
    "iot:ListRetainedMessages",
    "iot:DeleteConnection",
    "iot:GetConnection",
    "iot:ListSubscriptions",
];

/// Clients at one door.
struct Live {
    door: Door,
    runtime: Runtime,
}

impl Live {
    fn at(door: Door) -> Self {
        Self { door, runtime: runtime() }
    }
}

impl Way for Live {
    fn can_ask(&self, question: &Question<'_>) -> Result<(), &'static str> {
        let name = question.name("");
        let action = question.action();
        if question.door() != self.door {
            return Err("it is another door's");
        }
        if !ACTIONS.contains(&action) {
            return Err("no door here asks for this action");
        }
        if !question.address().is_loopback() {
            return Err("a client on this machine cannot choose its address");
        }
        if question.server_name().is_some_and(|name| name != "localhost") {
            return Err("the endpoint has another name");
        }
        let is_topic = matches!(action, "iot:Publish" | "iot:RetainPublish" | "iot:Receive");
        if is_topic && name.contains(['+', '#']) {
            return Err("MQTT has no topic with a wildcard of its filters");
        }
        Ok(())
    }

    fn ask(&mut self, question: &Question<'_>) -> Answer {
        self.runtime.block_on(async {
            let stage = Stage::set(question).await;
            let allowed = match self.door {
                Door::Mqtt => over_mqtt(question, &stage).await,
                Door::Https => over_https(question, &stage).await,
            };
            answer(question, &stage, allowed)
        })
    }
}

/// Reads the reason from the trace, which has one if and only if the client was refused.
fn answer(question: &Question<'_>, stage: &Stage, allowed: bool) -> Answer {
    let mut refusals = stage.emulator.trace().refusals();
    refusals.retain(|entry| entry.reason == Some("AUTHORIZATION_FAILURE"));
    // Fleet provisioning answers a publish; whether that may be received is another question.
    let receives = question.action() == "iot:Receive";
    refusals.retain(|entry| receives || entry.event_type != "Publish-Out");
    assert_eq!(refusals.len(), usize::from(!allowed), "{question}: {}", stage.emulator.trace());
    let why = refusals.pop().map(|entry| entry.why.clone()).unwrap_or_default();
    let decision = match why.get(1).map(|line| line.split(':').next().unwrap_or_default()) {
        None => Decision::Allowed,
        Some("explicit deny") => Decision::ExplicitDeny,
        Some("implicit deny") => Decision::ImplicitDeny,
        Some(other) => panic!("{question}: {other} is no decision"),
    };
    Answer { decision, why: Some(why), missing: None, said: None }
}

// === MQTT ===

fn version(question: &Question<'_>) -> Version {
    if question.number.is_multiple_of(3) { Version::Mqtt311 } else { Version::Mqtt5 }
}

async fn over_mqtt(question: &Question<'_>, stage: &Stage) -> bool {
    let client_id = question.client_id().expect("an MQTT client has an ID");
    let version = version(question);
    let connecting = connecting(question, stage, &client_id).speaking(version);
    if question.action() == "iot:Connect" {
        stage.attach_policies(question);
        return match (connecting.await, version) {
            (Ok(_mqtt), _) => true,
            (Err(ConnectError::ClosedBeforeConnack), Version::Mqtt311)
            | (Err(ConnectError::Refused(NOT_AUTHORIZED)), Version::Mqtt5) => false,
            (Err(error), _) => panic!("{question}: {error:?}"),
        };
    }
    // What comes before the question is not asked: the policies of the case may forbid it.
    stage.iot.create_policy(WAY_THERE, allow(EVERYTHING, "*"));
    stage.iot.attach_policy(WAY_THERE, stage.certificate_id());
    let mqtt = connecting.await.unwrap_or_else(|error| panic!("{question}: {error:?}"));
    let name = question.name(&stage.certificate_id());
    if question.action() == "iot:Receive" {
        assert_eq!(mqtt.subscribe(&name).await, Ok(1), "{question}");
    }
    stage.attach_policies(question);
    let target = stage.iot.certificate_arn(stage.certificate_id());
    stage.call("DetachPolicy", json!({ "policyName": WAY_THERE, "target": target }));
    match question.action() {
        "iot:Publish" => acknowledged(question, mqtt.publish(&name, "x").await),
        "iot:RetainPublish" => acknowledged(question, mqtt.publish_with(&name, "x", 1, true).await),
        "iot:Subscribe" => match mqtt.subscribe(&name).await {
            Ok(1) => true,
            Ok(code) => acknowledged(question, Err(MqttError::Refused(code))),
            Err(error) => acknowledged(question, Err(error)),
        },
        "iot:Receive" => arrives(stage, &mqtt, &name).await,
        other => panic!("{question}: {other} is no packet"),
    }
}

fn connecting(question: &Question<'_>, stage: &Stage, client_id: &str) -> client_tests::Connecting {
    let client = question.client();
    let connecting = stage.device.connect(client_id);
    let connecting = match &client.last_will {
        Some(will) => connecting.will_with(&will.topic, "gone", 1, will.retain),
        None => connecting,
    };
    if client.persistent { connecting.persistent() } else { connecting }
}

/// Whether it was taken; a refusal must look as AWS's does.
fn acknowledged(question: &Question<'_>, done: Result<(), MqttError>) -> bool {
    match (done, version(question)) {
        (Ok(()), _) => true,
        (Err(MqttError::Closed(Closed::HungUp)), Version::Mqtt311)
        | (Err(MqttError::Refused(NOT_AUTHORIZED)), Version::Mqtt5) => false,
        (Err(error), _) => panic!("{question}: {error:?}"),
    }
}

/// Whether a message of somebody who may do all arrives.
async fn arrives(stage: &Stage, mqtt: &Mqtt, topic: &str) -> bool {
    let publisher = another(stage, "Publisher").connect("publisher").await.expect("allowed");
    publisher.publish(topic, "hello").await.expect("allowed");
    stage.emulator.settled().await;
    if !stage.emulator.trace().refusals().is_empty() {
        return false;
    }
    let message = mqtt.next_message().await.expect("a message that nothing refused");
    message.topic == topic && message.text() == "hello"
}

/// A device with another certificate, that may do all; its policy is called `name`.
fn another(stage: &Stage, name: &str) -> Device {
    crate::common::trusted(&stage.iot, name)
}

// === HTTPS ===

/// Only letters and digits stay as they are, so that nothing means anything to a URL or a shell.
fn encoded(text: &str) -> String {
    text.bytes().fold(String::new(), |mut url, byte| {
        if byte.is_ascii_alphanumeric() {
            url.push(byte.into());
        } else {
            url.push_str(&format!("%{byte:02X}"));
        }
        url
    })
}

/// Method, path and query of the request.
fn request(action: &str, name: &str) -> (&'static str, String) {
    let name = encoded(name);
    match action {
        "iot:Publish" => ("POST", format!("/topics/{name}?qos=1")),
        "iot:RetainPublish" => ("POST", format!("/topics/{name}?qos=1&retain=true")),
        "iot:GetRetainedMessage" => ("GET", format!("/retainedMessage/{name}")),
        "iot:ListRetainedMessages" => ("GET", "/retainedMessage".to_owned()),
        "iot:DeleteConnection" => ("DELETE", format!("/connections/{name}")),
        "iot:GetConnection" => ("GET", format!("/connections/{name}")),
        "iot:ListSubscriptions" => ("GET", format!("/connections/{name}/subscriptions")),
        other => panic!("{other} is no request"),
    }
}

async fn over_https(question: &Question<'_>, stage: &Stage) -> bool {
    let name = question.name(&stage.certificate_id());
    // What is asked for is there, so that nothing but a policy keeps it back.
    let somebody = another(stage, "Somebody");
    let _connected = match question.action() {
        "iot:GetRetainedMessage" => {
            let mqtt = somebody.connect("somebody").await.expect("allowed");
            mqtt.publish_with(&name, "kept", 1, true).await.expect("allowed");
            Some(mqtt)
        }
        "iot:DeleteConnection" | "iot:GetConnection" | "iot:ListSubscriptions" => {
            Some(somebody.connect(&name).await.expect("allowed"))
        }
        _ => None,
    };
    stage.attach_policies(question);
    let (method, path) = request(question.action(), &name);
    let body = if method == "POST" { "--data-binary x" } else { "" };
    let url = format!("https://localhost:{}{path}", stage.emulator.https_address().port());
    let said = curl(stage, &format!("--request {method} {body} '{url}'")).await;
    match said.as_str() {
        "200" => true,
        "403" => false,
        other => panic!("{question}: HTTP {other}, {}", stage.emulator.trace()),
    }
}

/// The status that curl shows.
async fn curl(stage: &Stage, arguments: &str) -> String {
    let folder = tempfile::tempdir().expect("a folder of our own");
    let shell = Shell::new(folder.path());
    let identity: &Identity = &stage.identity;
    shell.write("ca.pem", stage.emulator.root_ca_pem());
    shell.write("device.pem", identity.chain_pem());
    shell.write("device.key", identity.private_key_pem());
    let tls = "--cacert ca.pem --cert device.pem --key device.key";
    let show = "--silent --show-error --output body --write-out '%{http_code}'";
    shell.run(&format!("curl {show} {tls} {arguments}")).await.succeeded().text().to_owned()
}

#[test]
fn curl_may_do_what_policies_say() {
    let tables = [
        ("certificate-variables", 2),
        ("defaults", 2),
        ("https", 42),
        ("last-will", 3),
        ("operators", 11),
        ("reserved-topics", 1),
        ("resources", 5),
        ("statements", 1),
        ("thing-groups", 3),
        ("things", 3),
        ("variables", 8),
    ];
    let mut curl = Live::at(Door::Https);
    if curl.runtime.block_on(programs::present(&["curl"])) {
        for (file, cases) in tables {
            assert_eq!(table(file).check(&mut curl), cases, "{file}");
        }
    }
}

macro_rules! tables {
    ($($test:ident $file:literal $cases:literal,)*) => {
        $(
            #[test]
            fn $test() {
                assert_eq!(table($file).check(&mut Live::at(Door::Mqtt)), $cases);
            }
        )*
    };
}

tables! {
    certificate_variables "certificate-variables" 83,
    connect_attributes "connect-attributes" 48,
    defaults "defaults" 11,
    https "https" 6,
    last_wills "last-will" 20,
    operators "operators" 132,
    reserved_topics "reserved-topics" 40,
    resources "resources" 68,
    statements "statements" 50,
    thing_groups "thing-groups" 31,
    things "things" 33,
    variables "variables" 61,
}
