//! JITP, as the re:Post article types it: a CA with a provisioning template, and mosquitto_pub.
//!
//! Truth: <https://repost.aws/knowledge-center/aws-iot-core-jitp-setup> and
//! <https://docs.aws.amazon.com/iot/latest/developerguide/jit-provisioning.html>.

use client_tests::binary::Binary;
use client_tests::programs::{self, Finished};
use serde_json::{Value, json};

use crate::articles::{
    OPERATOR, SUBSCRIBE, attached_policies, certificate_arn, certificate_id, create_policy,
    describe, make_admin, make_device, members, register_ca,
};

const CONFIGURATION: &str = "\
[ req ]
distinguished_name       = req_distinguished_name
extensions               = v3_ca
req_extensions           = v3_ca

[ v3_ca ]
basicConstraints         = CA:TRUE

[ req_distinguished_name ]
countryName              = Country Name (2 letter code)
countryName_default      = IN
countryName_min          = 2
countryName_max          = 2
organizationName         = Organization Name (eg, company)
organizationName_default = AMZ
";

/// What the article pastes into `jitp_template.json`, by file of `fixtures/templates/`.
fn template(name: &str) -> &'static str {
    match name {
        "thing-policy" => include_str!("../../../fixtures/templates/thing-policy.json"),
        "admin-policy" => include_str!("../../../fixtures/templates/admin-policy.json"),
        "named-policy" => include_str!("../../../fixtures/templates/named-policy.json"),
        other => panic!("there is no template {other}"),
    }
}

/// The article up to the device certificate; answers the CA's ID.
async fn prepare(desk: &Binary, name: &str) -> String {
    desk.shell().write("deviceRootCA_openssl.conf", CONFIGURATION);
    desk.shell().write("jitp_template.json", template(name));
    desk.all(&[
        "openssl genrsa -out deviceRootCA.key 2048",
        // openssl asks for the subject; a press of the return key takes the defaults.
        "printf '\\n\\n' | openssl req -new -sha256 -key deviceRootCA.key -nodes \
         -out deviceRootCA.csr -config deviceRootCA_openssl.conf",
        "openssl x509 -req -days 3650 -extfile deviceRootCA_openssl.conf -extensions v3_ca \
         -in deviceRootCA.csr -signkey deviceRootCA.key -out deviceRootCA.pem",
    ])
    .await;
    let more = "--registration-config file://jitp_template.json";
    let ca_id = register_ca(desk, "deviceRootCA", more).await;
    make_device(desk, "deviceCert", "deviceRootCA", "/C=IN/CN=DemoThing").await;
    ca_id
}

/// The article's first connection, with leaf and CA.
async fn connect_first(desk: &Binary) -> Finished {
    desk.run(
        "mosquitto_pub --cafile $ROOT_CA --cert deviceCertAndCA.crt --key deviceCert.key \
         -h localhost -p $MQTT_PORT -q 1 -t foo/bar -i anyclientID --tls-version tlsv1.2 \
         -m 'Hello' -d",
    )
    .await
}

/// The article's next connections, with the leaf alone.
async fn publish(desk: &Binary, topic: &str, client_id: &str) -> Finished {
    desk.run(&format!(
        "mosquitto_pub --cafile $ROOT_CA --cert deviceCert.crt --key deviceCert.key -h localhost \
         -p $MQTT_PORT -q 1 -t {topic} -i {client_id} --tls-version tlsv1.2 -m 'Hello' -d"
    ))
    .await
}

/// What a device sees that is not let in.
#[track_caller]
fn is_hung_up_on(finished: Finished) {
    let finished = finished.ended_with(7);
    finished.said("sending CONNECT").said("Error: The connection was lost.");
    finished.did_not_say("OpenSSL").did_not_say("CONNACK");
}

/// The thing, the certificate and the policy that the template made.
async fn is_provisioned(desk: &Binary, ca_id: &str) -> String {
    desk.settled().await;
    let id = certificate_id(desk, "deviceCert.crt").await;
    let described = describe(desk, &id).await;
    assert_eq!(described["status"], "ACTIVE", "{}", desk.trace().await);
    assert_eq!(described["caCertificateId"], ca_id);
    let thing = desk.aws("iot describe-thing --thing-name DemoThing").await;
    assert_eq!(thing["attributes"], json!({ "version": "v1", "country": "IN" }));
    let principals = desk.aws("iot list-thing-principals --thing-name DemoThing").await;
    assert_eq!(principals["principals"], json!([certificate_arn(&id)]));
    let attached = attached_policies(desk, &id).await;
    let [policy] = attached.as_slice() else { panic!("one policy, not {attached:?}") };
    policy.clone()
}

#[tokio::test]
async fn jp_1_7_and_11_pt_7_a_device_is_provisioned_by_the_articles_template() {
    if !programs::present(&OPERATOR).await || !programs::present(&["mosquitto_sub"]).await {
        return;
    }
    let desk = Binary::start();
    let ca_id = prepare(&desk, "thing-policy").await;
    let described =
        desk.aws(&format!("iot describe-ca-certificate --certificate-id {ca_id}")).await;
    assert_eq!(members(&described), ["certificateDescription", "registrationConfig"]);
    let given: Value = serde_json::from_str(template("thing-policy")).expect("JSON");
    assert_eq!(described["registrationConfig"], given);

    is_hung_up_on(connect_first(&desk).await);
    let policy = is_provisioned(&desk, &ca_id).await;
    let hash = policy.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'A'..=b'F'));
    assert!(policy.len() == 40 && hash, "{policy} is no hash of the document");
    let stored = desk.aws(&format!("iot get-policy --policy-name {policy}")).await;
    let document = stored["policyDocument"].as_str().expect("a document");
    assert!(document.contains("client/${iot:Connection.Thing.ThingName}"), "{document}");

    make_admin(&desk).await;
    let mut subscriber = desk.start_line(&format!("{SUBSCRIBE} DemoThing/test"));
    subscriber.until("Subscribed").await;
    let published = publish(&desk, "DemoThing/test", "DemoThing").await.succeeded();
    published.said("Client DemoThing received CONNACK (0)").said("received PUBACK (Mid: 1, RC:0)");
    assert_eq!(subscriber.until("message ").await, "message Hello");

    is_hung_up_on(publish(&desk, "DemoThing/test", "somebody-else").await);
    let elsewhere = publish(&desk, "OtherThing/test", "DemoThing").await;
    assert_ne!(elsewhere.code, Some(0), "{elsewhere}");
    elsewhere.said("received CONNACK (0)").did_not_say("PUBACK");
    let trace = desk.trace().await;
    assert!(trace.contains("client/somebody-else"), "the trace names what was refused: {trace}");
    assert!(trace.contains("topic/OtherThing/test"), "the trace names what was refused: {trace}");
}

#[tokio::test]
async fn a_device_is_provisioned_with_the_admin_policy() {
    if !programs::present(&OPERATOR).await || !programs::present(&["mosquitto_pub"]).await {
        return;
    }
    let desk = Binary::start();
    let ca_id = prepare(&desk, "admin-policy").await;
    is_hung_up_on(connect_first(&desk).await);
    is_provisioned(&desk, &ca_id).await;
    publish(&desk, "any/topic", "anybody").await.succeeded().said("received PUBACK (Mid: 1, RC:0)");
}

#[tokio::test]
async fn jp_8_pt_13_a_device_is_provisioned_with_a_named_policy_once_that_exists() {
    if !programs::present(&OPERATOR).await || !programs::present(&["mosquitto_pub"]).await {
        return;
    }
    let desk = Binary::start();
    let ca_id = prepare(&desk, "named-policy").await;
    is_hung_up_on(connect_first(&desk).await);
    desk.settled().await;
    let id = certificate_id(&desk, "deviceCert.crt").await;
    assert_eq!(
        describe(&desk, &id).await["status"],
        "PENDING_ACTIVATION",
        "no policy `Device` yet"
    );
    let trace = desk.trace().await;
    assert!(trace.contains("Device"), "the trace names the missing policy: {trace}");

    create_policy(&desk, "Device", &["iot:Connect", "iot:Publish"]).await;
    is_hung_up_on(connect_first(&desk).await);
    assert_eq!(is_provisioned(&desk, &ca_id).await, "Device");
    publish(&desk, "any/topic", "anybody").await.succeeded().said("received PUBACK (Mid: 1, RC:0)");
}

#[tokio::test]
async fn jp_3_a_subject_without_a_declared_parameter_is_not_provisioned() {
    if !programs::present(&OPERATOR).await || !programs::present(&["mosquitto_pub"]).await {
        return;
    }
    let desk = Binary::start();
    prepare(&desk, "thing-policy").await;
    make_device(&desk, "deviceCert", "deviceRootCA", "/CN=DemoThing").await;
    is_hung_up_on(connect_first(&desk).await);
    desk.settled().await;
    let id = certificate_id(&desk, "deviceCert.crt").await;
    assert_eq!(describe(&desk, &id).await["status"], "PENDING_ACTIVATION");
    assert_eq!(desk.aws("iot list-things").await["things"], json!([]));
    let trace = desk.trace().await;
    assert!(trace.contains("AWS::IoT::Certificate::Country"), "{trace}");
}
