//! JITR over HTTPS, as the first article types it: curl on 8443, a rule, two functions.
//!
//! Truth: <https://docs.aws.amazon.com/iot/latest/developerguide/auto-register-device-cert.html>;
//! `curl: (52) Empty reply from server` is what the article shows for the first request.

use client_tests::binary::Binary;
use client_tests::programs;
use serde_json::{Value, json};

use crate::articles::{
    OPERATOR, REGISTERED, SUBSCRIBE, attached_policies, certificate_arn, certificate_id,
    create_function, create_policy_of, create_rule, create_rule_alone, describe, make_admin,
    make_ca, make_device, members, register_ca, text,
};

/// The article's functions: the first lets the device in, the second makes it a thing.
const APP: &str = r#"
import json
import uuid

try:
    import boto3
    iot = boto3.client("iot")
except ImportError:  # botocore is what boto3 is made of, and what the AWS CLI brings
    import botocore.session
    iot = botocore.session.get_session().create_client("iot")


def registered(event, context):
    assert event["certificateStatus"] == "PENDING_ACTIVATION", event
    certificate_id = event["certificateId"]
    arn = iot.describe_certificate(certificateId=certificate_id)["certificateDescription"]["certificateArn"]
    iot.update_certificate(certificateId=certificate_id, newStatus="ACTIVE")
    iot.attach_policy(policyName="Jitr", target=arn)


def request(event, context):
    certificate_id = event["certificateId"]
    arn = iot.describe_certificate(certificateId=certificate_id)["certificateDescription"]["certificateArn"]
    thing = str(uuid.uuid4())
    iot.create_thing(thingName=thing)
    iot.attach_thing_principal(thingName=thing, principal=arn)
    iot.attach_policy(policyName="Device", target=arn)
    iot.detach_policy(policyName="Jitr", target=arn)
"#;

/// The same first function for Node.js, with nothing but what Node.js brings.
const NODE_APP: &str = r#"
const api = process.env.AWS_ENDPOINT_URL;

async function call(method, path, body) {
  const response = await fetch(api + path, { method, body: body && JSON.stringify(body) });
  if (!response.ok) throw new Error(`${method} ${path}: ${response.status} ${await response.text()}`);
}

export const registered = async (event) => {
  const { certificateId, awsAccountId } = event;
  const target = `arn:aws:iot:${process.env.AWS_REGION}:${awsAccountId}:cert/${certificateId}`;
  await call("PUT", `/certificates/${certificateId}?newStatus=ACTIVE`);
  await call("PUT", "/target-policies/Jitr", { target });
};
"#;

fn post(topic: &str) -> String {
    format!(
        "curl --tlsv1.2 --cacert $ROOT_CA --cert deviceAndCA.crt --key device.key --request POST \
         --data \"{{}}\" \"https://localhost:$HTTPS_PORT/topics/jitr/{topic}?qos=1\""
    )
}

/// The policies of the article, and a registered CA with one device; answers the CA's ID.
async fn prepare(desk: &Binary) -> String {
    let on = |kind: &str, rest: &str| format!("arn:aws:iot:us-east-1:000000000000:{kind}/{rest}");
    let jitr = [json!({
        "Effect": "Allow", "Action": "iot:Publish",
        "Resource": [on("topic", "jitr/start"), on("topic", "jitr/request")],
    })];
    create_policy_of(desk, "Jitr", &jitr).await;
    let thing = "${iot:Connection.Thing.ThingName}";
    let device = [
        json!({ "Effect": "Allow", "Action": "iot:Connect", "Resource": on("client", thing) }),
        json!({
            "Effect": "Allow", "Action": "iot:Publish",
            "Resource": on("topic", &format!("{thing}/*")),
        }),
    ];
    create_policy_of(desk, "Device", &device).await;
    make_ca(desk, "ca", "/CN=Acme Devices").await;
    let ca_id = register_ca(desk, "ca", "").await;
    make_device(desk, "device", "ca", "/CN=sensor-1").await;
    ca_id
}

/// The answer that lets a message in.
#[track_caller]
fn is_ok(answer: &Value) {
    assert_eq!(members(answer), ["message", "traceId"]);
    assert_eq!(answer["message"], "OK");
    assert_eq!(answer["traceId"].as_str().map(str::len), Some(36), "{answer}");
}

#[tokio::test]
async fn jr_7_the_first_article_from_the_first_request_to_the_thing() {
    if !programs::present(&OPERATOR).await || !programs::present(&["curl", "mosquitto_pub"]).await {
        return;
    }
    let desk = Binary::start();
    let ca_id = prepare(&desk).await;
    desk.shell().write("app.py", APP);
    create_function(&desk, "registered", "python3.11", "app.registered").await;
    create_rule(&desk, "registered", REGISTERED).await;
    create_function(&desk, "request", "python3.11", "app.request").await;
    create_rule(&desk, "request", "SELECT principal() AS certificateId FROM 'jitr/request'").await;

    let first = desk.run(&post("start")).await.ended_with(52);
    first.said("curl: (52) Empty reply from server");
    assert_eq!(first.stdout, "");
    desk.settled().await;
    let id = certificate_id(&desk, "device.crt").await;
    let described = describe(&desk, &id).await;
    assert_eq!(described["status"], "ACTIVE", "{}", desk.trace().await);
    assert_eq!(described["caCertificateId"], ca_id);
    assert_eq!(attached_policies(&desk, &id).await, ["Jitr"]);
    is_ok(&desk.run(&post("start")).await.succeeded().json());

    is_ok(&desk.run(&post("request")).await.succeeded().json());
    desk.settled().await;
    assert_eq!(attached_policies(&desk, &id).await, ["Device"], "{}", desk.trace().await);
    let arn = certificate_arn(&id);
    let things = desk.aws(&format!("iot list-principal-things --principal {arn}")).await;
    let thing = text(&things["things"][0]);
    assert_eq!(things["things"].as_array().map(Vec::len), Some(1), "{things}");
    let refused = desk.run(&post("start")).await.succeeded().json();
    assert_eq!(refused["message"], "Forbidden", "the policy of the first step is gone: {refused}");

    let publish = format!(
        "mosquitto_pub --cafile $ROOT_CA --cert device.crt --key device.key -h localhost \
         -p $MQTT_PORT -q 1 -t {thing}/state -i {thing} --tls-version tlsv1.2 -m '{{}}' -d"
    );
    let published = desk.run(&publish).await.succeeded();
    published.said("received CONNACK (0)").said("received PUBACK (Mid: 1, RC:0)");
}

#[tokio::test]
async fn the_function_of_the_first_article_may_be_written_for_nodejs() {
    if !programs::present(&OPERATOR).await || !programs::present(&["curl", "node"]).await {
        return;
    }
    let desk = Binary::start();
    prepare(&desk).await;
    desk.shell().write("app.mjs", NODE_APP);
    create_function(&desk, "registered", "nodejs20.x", "app.registered").await;
    create_rule(&desk, "registered", REGISTERED).await;
    desk.run(&post("start")).await.ended_with(52).said("Empty reply from server");
    desk.settled().await;
    is_ok(&desk.run(&post("start")).await.succeeded().json());
}

#[tokio::test]
async fn c07_jr_8_and_11_je_1_to_4_the_registered_event_has_exactly_awss_members_and_comes_again_while_pending()
 {
    if !programs::present(&OPERATOR).await || !programs::present(&["curl", "mosquitto_sub"]).await {
        return;
    }
    let desk = Binary::start();
    let ca_id = prepare(&desk).await;
    make_admin(&desk).await;
    let line = format!("{SUBSCRIBE} '$aws/events/certificates/registered/#'");
    let mut subscriber = desk.start_line(&line);
    subscriber.until("Subscribed").await;
    let id = certificate_id(&desk, "device.crt").await;
    let mut created = Value::Null;
    for attempt in ["first", "second"] {
        desk.run(&post("start")).await.ended_with(52).said("Empty reply from server");
        assert_eq!(describe(&desk, &id).await["status"], "PENDING_ACTIVATION", "{attempt}");
        let topic = subscriber.until("received PUBLISH").await;
        assert!(topic.contains(&format!("$aws/events/certificates/registered/{ca_id}")), "{topic}");
        let line = subscriber.until("message ").await;
        let payload = line.strip_prefix("message ").expect("the format asked for");
        let event: Value = serde_json::from_str(payload).expect("an event of JSON");
        assert!(
            event["timestamp"].as_u64().is_some_and(|time| time > 1_600_000_000_000),
            "{event}"
        );
        let registered = event["certificateRegistrationTimestamp"].clone();
        assert_eq!(
            event,
            json!({
                "awsAccountId": "000000000000",
                "caCertificateId": ca_id,
                "certificateId": id,
                "certificateRegistrationTimestamp": registered,
                "certificateStatus": "PENDING_ACTIVATION",
                "sourceIp": "127.0.0.1",
                "timestamp": event["timestamp"],
            })
        );
        if attempt == "first" {
            assert_eq!(registered, Value::Null);
            created = event["timestamp"].clone();
        } else {
            let registered: u64 = text(&registered).parse().expect("milliseconds as text");
            let created = created.as_u64().expect("the first event's time");
            assert!(registered.abs_diff(created) < 1000, "{registered} is not about {created}");
        }
    }
    assert_eq!(attached_policies(&desk, &id).await, [""; 0], "JITR itself attaches nothing");
    let things = desk.aws("iot list-things").await;
    assert_eq!(things["things"], json!([]), "JITR itself makes no thing");
}

#[tokio::test]
async fn a_rule_whose_function_does_not_let_aws_iot_in_activates_nothing_and_the_trace_says_why() {
    if !programs::present(&OPERATOR).await || !programs::present(&["curl"]).await {
        return;
    }
    let desk = Binary::start();
    prepare(&desk).await;
    desk.shell().write("app.py", APP);
    create_function(&desk, "registered", "python3.11", "app.registered").await;
    create_rule_alone(&desk, "registered", REGISTERED).await;
    desk.run(&post("start")).await.ended_with(52).said("Empty reply from server");
    desk.settled().await;
    let id = certificate_id(&desk, "device.crt").await;
    assert_eq!(describe(&desk, &id).await["status"], "PENDING_ACTIVATION");
    let trace = desk.trace().await;
    assert!(trace.contains("iot.amazonaws.com") && trace.contains("registered"), "{trace}");
}
