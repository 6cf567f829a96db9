//! Fleet provisioning inside a test: a closure as the hook, a clock that a test moves, and what the
//! trace says of requests that nobody can be answered for. The SDKs go the whole way in
//! `fleet_provisioning.rs`.

use std::time::Duration;

use client_tests::Mqtt;
use iot_emulator::{Emulator, Function, IotCore};
use serde_json::{Value, json};

use crate::common::{publish_over_the_api, refusal, trusted};

const CREATE: &str = "$aws/certificates/create/json";
const PROVISION: &str = "$aws/provisioning-templates/Lamps/provision/json";

/// Makes the template `Lamps` of a lamp, with a function of this ARN as its hook.
fn create_template(iot: &IotCore, hook: Option<&str>) {
    let body = json!({
        "Parameters": { "SerialNumber": { "Type": "String" } },
        "Resources": {
            "lamp": {
                "Type": "AWS::IoT::Thing",
                "Properties": { "ThingName": { "Ref": "SerialNumber" } },
            },
            "certificate": {
                "Type": "AWS::IoT::Certificate",
                "Properties": {
                    "CertificateId": { "Ref": "AWS::IoT::Certificate::Id" }, "Status": "Active",
                },
            },
        },
    });
    let mut input = json!({
        "templateName": "Lamps", "templateBody": body.to_string(), "enabled": true,
        "provisioningRoleArn": "arn:aws:iam::000000000000:role/Provisioning",
    });
    if let Some(hook) = hook {
        input["preProvisioningHook"] = json!({ "targetArn": hook });
    }
    iot.call("CreateProvisioningTemplate", input).expect("a template");
}

/// What is answered to `said` on `topic`: `accepted` or `rejected`, and the answer.
async fn asked(mqtt: &Mqtt, topic: &str, said: &Value) -> (String, Value) {
    mqtt.publish(topic, said.to_string()).await.expect("a PUBACK");
    let message = mqtt.next_message().await.expect("an answer");
    let word = message.topic.strip_prefix(&format!("{topic}/")).map(str::to_owned);
    (word.expect("a topic of answers"), message.json())
}

/// A certificate that AWS made: its ID and its token.
async fn given(mqtt: &Mqtt) -> (String, String) {
    let (word, answer) = asked(mqtt, CREATE, &json!({})).await;
    assert_eq!(word, "accepted", "{answer}");
    let text = |name: &str| answer[name].as_str().expect("text").to_owned();
    (text("certificateId"), text("certificateOwnershipToken"))
}

/// A device that may ask, and hears the answers: at QoS 0, so that none comes again when a test
/// moves the clock before the PUBACK is there.
async fn asking(iot: &IotCore) -> Mqtt {
    let mqtt = trusted(iot, "asking").connect("asking").await.expect("a connection");
    let filters = [CREATE, PROVISION].map(|topic| format!("{topic}/+"));
    let filters = filters.each_ref().map(String::as_str);
    mqtt.subscribe_all(&filters, 0).await.expect("a SUBACK");
    mqtt
}

#[tokio::test]
async fn fp_hook_a_closure_lets_in_changes_and_refuses() {
    let emulator = Emulator::start();
    let iot = emulator.iot_core();
    let hook = Function::new(|event| {
        assert_eq!(event["clientId"], "asking");
        let serial = event["parameters"]["SerialNumber"].as_str().unwrap_or_default();
        match serial {
            "fails" => Err("the database is gone".into()),
            "nothing" => Ok(Value::Null),
            serial => Ok(json!({
                "allowProvisioning": serial != "stolen",
                "parameterOverrides": { "SerialNumber": format!("lamp-{serial}") },
            })),
        }
    });
    let hook = emulator.create_function("hook", hook).expect("a function");
    create_template(&iot, Some(hook.as_str()));
    let mqtt = asking(&iot).await;
    let (id, token) = given(&mqtt).await;
    let said = |serial: &str| json!({ "certificateOwnershipToken": token, "parameters": { "SerialNumber": serial } });
    let invocation = "The provisioning hook was not executed successfully.";
    let table = [
        ("stolen", 403, "AccessDenied", "Access Denied"),
        ("fails", 400, "InvocationError", invocation),
        ("nothing", 400, "InvalidResult", "The provisioning hook did not return a response."),
    ];
    for (serial, status, code, message) in table {
        let answer = asked(&mqtt, PROVISION, &said(serial)).await;
        let expected = json!({ "statusCode": status, "errorCode": code, "errorMessage": message });
        assert_eq!(answer, ("rejected".to_owned(), expected), "{serial}");
        let refused = refusal(&emulator, "RegisterThing");
        assert_eq!(refused.reason, Some(code));
        assert_eq!(iot.certificate_status(&id).as_deref(), Some("PENDING_ACTIVATION"));
    }
    let why = refusal(&emulator, "RegisterThing").to_string();
    assert!(why.contains("it answered null"), "{why}");
    let answer = asked(&mqtt, PROVISION, &said("1")).await;
    let expected = json!({ "deviceConfiguration": {}, "thingName": "lamp-1" });
    assert_eq!(answer, ("accepted".to_owned(), expected));
    assert_eq!(iot.certificate_status(&id).as_deref(), Some("ACTIVE"));
}

#[tokio::test]
async fn fp_hook_a_function_that_takes_too_long_is_not_waited_for() {
    let emulator = Emulator::start();
    let iot = emulator.iot_core();
    let (released, waiting) = std::sync::mpsc::channel::<()>();
    let waiting = std::sync::Mutex::new(waiting);
    let hook = Function::new(move |_event| {
        let _released = waiting.lock().expect("a lock").recv();
        Ok(json!({ "allowProvisioning": true }))
    });
    let hook = emulator.create_function("hook", hook).expect("a function");
    create_template(&iot, Some(hook.as_str()));
    let mqtt = asking(&iot).await;
    let (_, token) = given(&mqtt).await;
    let said = json!({ "certificateOwnershipToken": token, "parameters": { "SerialNumber": "1" } });
    let (word, answer) = asked(&mqtt, PROVISION, &said).await;
    drop(released);
    let message = "A failure occurred while invoking the provisioning hook.";
    assert_eq!((word.as_str(), answer["errorMessage"].as_str()), ("rejected", Some(message)));
    let why = refusal(&emulator, "RegisterThing").to_string();
    assert!(why.contains("the hook took more than 5 seconds"), "{why}");
}

#[tokio::test]
async fn fp_2_a_certificate_that_nobody_provisions_is_deleted_after_an_hour() {
    let emulator = Emulator::builder().manual_clock(true).start().expect("an emulator");
    let iot = emulator.iot_core();
    create_template(&iot, None);
    let mqtt = asking(&iot).await;
    let (unwanted, token) = given(&mqtt).await;
    let (wanted, other) = given(&mqtt).await;
    let said = |token: &str| json!({ "certificateOwnershipToken": token, "parameters": { "SerialNumber": "lamp" } });
    assert_eq!(asked(&mqtt, PROVISION, &said(&other)).await.0, "accepted");

    emulator.advance(Duration::from_secs(3599)).await.expect("settled");
    assert_eq!(iot.certificate_status(&unwanted).as_deref(), Some("PENDING_ACTIVATION"));
    emulator.advance(Duration::from_secs(1)).await.expect("settled");
    assert_eq!(iot.certificate_status(&unwanted), None);
    assert_eq!(iot.certificate_status(&wanted).as_deref(), Some("ACTIVE"));
    let trace = emulator.trace().to_string();
    assert!(trace.contains("its ownership token expired before it was activated"), "{trace}");

    let (word, answer) = asked(&mqtt, PROVISION, &said(&token)).await;
    assert_eq!(word, "rejected");
    assert_eq!(answer["errorMessage"], "Certificate ownership token is invalid.");
}

/// Whoever asks without a subscription is answered, and the trace says that this is not promised;
/// whoever asks without a connection is not.
#[tokio::test]
async fn fp_5_the_trace_tells_of_those_whom_a_reply_need_not_reach() {
    let emulator = Emulator::start();
    let iot = emulator.iot_core();
    let mqtt = trusted(&iot, "lazy").connect("lazy").await.expect("a connection");
    mqtt.publish(CREATE, "{}").await.expect("a PUBACK");
    let answer = mqtt.next_message().await.expect("an answer");
    assert_eq!(answer.topic, format!("{CREATE}/accepted"));
    let trace = emulator.trace().to_string();
    assert!(trace.contains("the client has not subscribed to the topic of the reply"), "{trace}");

    publish_over_the_api(&emulator, CREATE, "{}");
    let refused = refusal(&emulator, "Publish-In").to_string();
    assert!(refused.contains("a reply needs the MQTT connection of a client"), "{refused}");
}

/// A request holds a token, and a reply may hold a private key.
#[tokio::test]
async fn fp_5_rules_and_others_see_neither_requests_nor_replies() {
    let emulator = Emulator::start();
    let iot = emulator.iot_core();
    let (seen, saw) = std::sync::mpsc::channel();
    for (name, filter) in [("Asked", "$aws/certificates/#"), ("End", "end")] {
        let seen = seen.clone();
        let rule = Function::new(move |event| {
            let _sent = seen.send(event["topic"].clone());
            Ok(Value::Null)
        });
        iot.create_topic_rule(name, &format!("SELECT topic() AS topic FROM '{filter}'"), rule);
    }
    let listener = trusted(&iot, "listens").connect("listens").await.expect("a connection");
    for filter in ["$aws/certificates/#", "end"] {
        listener.subscribe(filter).await.expect("a SUBACK");
    }
    let mqtt = asking(&iot).await;
    given(&mqtt).await;
    mqtt.publish("end", "{}").await.expect("a PUBACK");
    assert!(listener.messages_before("end").await.is_empty());
    emulator.settled().await;
    assert_eq!(saw.try_iter().collect::<Vec<_>>(), [json!("end")]);
}
