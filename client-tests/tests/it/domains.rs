//! Domain configurations on the wire: a name of one's own leads to its account, goes by its
//! security policy and protocol, and to nobody while it is DISABLED.
//!
//! Truth: <https://docs.aws.amazon.com/iot/latest/developerguide/iot-custom-endpoints-managing.html>
//! and <https://docs.aws.amazon.com/iot/latest/developerguide/transport-security.html>.

use std::sync::mpsc;

use client_tests::binary::Binary;
use client_tests::{ConnectError, PATIENCE, programs};
use iot_emulator::errors::{ApiError, ErrorCode};
use iot_emulator::{Emulator, IotCore};
use serde_json::{Value, json};

use crate::articles::{OPERATOR, make_ca, make_device, text};
use crate::common::{EVERYTHING, assert_says, refusal, trusted};

const NEIGHBOUR: (&str, &str) = ("222233334444", "us-east-1");
const NAME: &str = "devices.example.com";

/// Makes a configuration of the domain [`NAME`], and `more`.
fn create(iot: &IotCore, name: &str, more: &Value) -> Result<Value, ApiError> {
    let scope = iot.scope();
    let arn = format!("arn:aws:acm:{}:{}:certificate/1", scope.region, scope.account);
    let mut input = json!({
        "domainConfigurationName": name, "domainName": NAME, "serverCertificateArns": [arn],
    });
    let more = more.as_object().cloned().unwrap_or_default();
    input.as_object_mut().expect("an object").extend(more);
    iot.call("CreateDomainConfiguration", input)
}

fn set_status(iot: &IotCore, name: &str, status: &str) {
    let input = json!({ "domainConfigurationName": name, "domainConfigurationStatus": status });
    iot.call("UpdateDomainConfiguration", input).expect("it is there");
}

#[tokio::test]
async fn ma_2_a_domain_name_leads_to_its_account_until_it_is_disabled() {
    let emulator = Emulator::start();
    let iot = emulator.iot_core_of(NEIGHBOUR.0, NEIGHBOUR.1);
    let device = trusted(&iot, "sensor-1").asking_for("Devices.Example.com");
    let elsewhere = device.connect("sensor-1").await.err();
    assert_eq!(elsewhere, Some(ConnectError::ClosedBeforeConnack), "it means the default account");

    create(&iot, "Own", &json!({})).expect("a free name");
    let mqtt = device.connect("sensor-1").await.expect("its own account");
    mqtt.subscribe("greetings").await.expect("a SUBACK");

    set_status(&iot, "Own", "DISABLED");
    let refused = device.connect("sensor-2").await.err();
    assert_eq!(refused, Some(ConnectError::ClosedBeforeConnack));
    let entry = refusal(&emulator, "Connection.AuthNError");
    assert_eq!(entry.reason, Some("DOMAIN_CONFIGURATION_DISABLED"));
    assert_eq!(&entry.scope, iot.scope());
    assert_eq!(entry.value("domainConfigurationName"), Some("Own"));
    // Who is there stays, and the account's own endpoint goes on.
    let by_endpoint = device.clone().asking_for(&iot.aws_endpoint());
    let other = by_endpoint.connect("sensor-2").await.expect("the endpoint's name");
    other.publish("greetings", "hello").await.expect("a PUBACK");
    assert_eq!(mqtt.next_message().await.expect("a message").text(), "hello");

    set_status(&iot, "Own", "ENABLED");
    device.connect("sensor-3").await.expect("it is ENABLED again");
}

#[tokio::test]
async fn a_name_that_aws_made_leads_to_its_account_too() {
    let emulator = Emulator::start();
    let iot = emulator.iot_core_of(NEIGHBOUR.0, NEIGHBOUR.1);
    let name = json!({ "domainConfigurationName": "More" });
    iot.call("CreateDomainConfiguration", name.clone()).expect("a free name");
    let described = iot.call("DescribeDomainConfiguration", name).expect("it is there");
    let domain = text(&described["domainName"]);
    let device = trusted(&iot, "sensor-1").asking_for(&domain);
    device.connect("sensor-1").await.expect("its own account");
    let stranger = domain.replacen('d', "e", 1);
    let refused = device.asking_for(&stranger).connect("sensor-1").await.err();
    assert_eq!(refused, Some(ConnectError::ClosedBeforeConnack));
    assert_eq!(refusal(&emulator, "Connection.AuthNError").reason, Some("SNI_MISUSED"));
}

#[tokio::test]
async fn a_domain_name_has_one_owner_in_a_region_until_it_is_deleted() {
    let emulator = Emulator::start();
    let (here, neighbour) = (emulator.iot_core(), emulator.iot_core_of(NEIGHBOUR.0, NEIGHBOUR.1));
    let abroad = emulator.iot_core_of(NEIGHBOUR.0, "eu-west-1");
    let outcome = |iot: &IotCore, name: &str| {
        create(iot, name, &json!({})).map(drop).map_err(|error| error.code())
    };
    let taken = Err(ErrorCode::ResourceAlreadyExistsException);
    assert_eq!(outcome(&here, "Own"), Ok(()));
    assert_eq!(outcome(&here, "Again"), taken);
    assert_eq!(outcome(&neighbour, "Own"), taken);
    assert_eq!(outcome(&abroad, "Own"), Ok(()));
    let listed = neighbour.call("ListDomainConfigurations", json!({})).expect("a list");
    let listed = listed["domainConfigurations"].as_array().expect("a list").len();
    assert_eq!(listed, 1, "nothing is left of what was refused");

    // Two Regions have the name; this machine's address is that of the default Region.
    let device = trusted(&here, "sensor-1").asking_for(NAME);
    device.connect("sensor-1").await.expect("the default Region");
    set_status(&here, "Own", "DISABLED");
    let name = json!({ "domainConfigurationName": "Own" });
    here.call("DeleteDomainConfiguration", name).expect("it is DISABLED");
    assert_eq!(outcome(&neighbour, "Own"), Ok(()), "whoever deletes it lets it go");
    device.connect("sensor-1").await.expect_err("it is the neighbour's now");
}

#[tokio::test]
async fn an_application_protocol_needs_no_alpn_on_443() {
    let emulator = Emulator::start();
    let iot = emulator.iot_core();
    let terms = json!({ "authenticationType": "AWS_X509", "applicationProtocol": "SECURE_MQTT" });
    create(&iot, "Mqtt", &terms).expect("a free name");
    let device = trusted(&iot, "x").asking_for(NAME);
    let mut wire = device.open_at(emulator.addresses().tls, &[]).await.expect("a handshake");
    wire.send(b"\x10\x0d\x00\x04MQTT\x04\x02\x00\x3c\x00\x01x").await;
    assert_eq!(wire.packet().await, b"\x20\x02\x00\x00", "a CONNACK");

    let update = json!({ "domainConfigurationName": "Mqtt", "applicationProtocol": "HTTPS" });
    iot.call("UpdateDomainConfiguration", update).expect("it is there");
    let mut wire = device.open_at(emulator.addresses().tls, &[]).await.expect("a handshake");
    wire.send(
        b"POST /topics/a?qos=1 HTTP/1.1\r\nHost: devices.example.com\r\nContent-Length: 1\r\n\
          Connection: close\r\n\r\nx",
    )
    .await;
    let answer = String::from_utf8_lossy(&wire.rest().await.0).into_owned();
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
}

#[tokio::test]
async fn a_refused_handshake_is_told_to_the_account_of_the_domain() {
    if !programs::present(&["openssl"]).await {
        return;
    }
    let (sender, entries) = mpsc::channel();
    let emulator = Emulator::builder().on_entry(move |entry| {
        let _gone = sender.send(entry.clone());
    });
    let emulator = emulator.start().expect("free ports");
    let iot = emulator.iot_core_of(NEIGHBOUR.0, NEIGHBOUR.1);
    let tls13 = json!({ "tlsConfig": { "securityPolicy": "IoTSecurityPolicy_TLS13_1_3_2022_10" } });
    create(&iot, "Modern", &tls13).expect("a free name");
    let folder = tempfile::tempdir().expect("a folder of our own");
    let shell = programs::Shell::new(folder.path());
    let connect = format!(
        "openssl s_client -connect {} -servername {NAME} -tls1_2 < /dev/null",
        emulator.mqtt_address()
    );
    let finished = shell.run(&connect).await;
    assert_ne!(finished.code, Some(0), "{finished}");
    finished.said("alert protocol version");
    // The trace is written when the client is gone, which is not before its process ends.
    let entry = loop {
        let entry = entries.recv_timeout(PATIENCE).expect("the refusal is traced");
        if entry.event_type == "Connection" {
            break entry;
        }
    };
    assert_eq!(&entry.scope, iot.scope());
    assert_says(&entry, &["HANDSHAKE_FAILED", "Modern", NAME, "no TLS version in common"]);

    let device = trusted(&iot, "sensor-1").asking_for(NAME);
    device.connect("sensor-1").await.expect("TLS 1.3");
    let tls12 = json!({ "securityPolicy": "IoTSecurityPolicy_TLS12_1_2_2022_10" });
    let update = json!({ "domainConfigurationName": "Modern", "tlsConfig": tls12 });
    iot.call("UpdateDomainConfiguration", update).expect("it is there");
    let finished = shell.run(&connect).await;
    finished.said("New, TLSv1.2, Cipher is").said(NAME);
    shell.run(&connect.replace("-tls1_2", "-tls1_3")).await.said("alert protocol version");
}

/// The AWS CLI of a second account.
async fn neighbour(desk: &Binary, arguments: &str) -> programs::Finished {
    let endpoint = "--endpoint-url http://localhost:$API_PORT";
    desk.run(&format!("AWS_ACCESS_KEY_ID={} aws {endpoint} {arguments}", NEIGHBOUR.0)).await
}

#[tokio::test]
async fn the_operator_gives_a_second_account_a_domain_and_curl_finds_it() {
    if !programs::present(&[OPERATOR.as_slice(), &["curl"]].concat()).await {
        return;
    }
    let desk = Binary::start();
    make_ca(&desk, "ca", "/CN=Acme Devices").await;
    make_device(&desk, "device", "ca", "/CN=sensor-1").await;
    let registered = neighbour(
        &desk,
        "iot register-certificate-without-ca --certificate-pem file://device.crt --status ACTIVE",
    );
    let arn = text(&registered.await.succeeded().json()["certificateArn"]);
    let statement = json!([{ "Effect": "Allow", "Action": EVERYTHING, "Resource": "*" }]);
    let document = json!({ "Version": "2012-10-17", "Statement": statement });
    desk.shell().write("all.json", document.to_string());
    for line in [
        "iot create-policy --policy-name All --policy-document file://all.json".to_owned(),
        format!("iot attach-policy --policy-name All --target {arn}"),
    ] {
        let _done = neighbour(&desk, &line).await.succeeded();
    }
    let create = format!(
        "iot create-domain-configuration --domain-configuration-name Own --domain-name {NAME} \
         --server-certificate-arns arn:aws:acm:us-east-1:{}:certificate/1 --service-type DATA",
        NEIGHBOUR.0
    );
    let created = neighbour(&desk, &create).await.succeeded().json();
    let own = format!("arn:aws:iot:us-east-1:{}:domainconfiguration/Own/", NEIGHBOUR.0);
    assert!(text(&created["domainConfigurationArn"]).starts_with(&own), "{created}");
    let listed = neighbour(&desk, "iot list-domain-configurations").await.succeeded().json();
    let names = listed["domainConfigurations"].as_array().expect("a list").iter();
    let names: Vec<_> = names.map(|it| text(&it["domainConfigurationName"])).collect();
    assert_eq!(names, ["Own", "iot:Data-ATS"]);

    let publish = |more: &str| {
        format!(
            "curl -sS {more} --resolve {NAME}:$HTTPS_PORT:127.0.0.1 --cacert $ROOT_CA \
             --cert device.crt --key device.key --data hello \
             \"https://{NAME}:$HTTPS_PORT/topics/greetings?qos=1\""
        )
    };
    desk.run(&publish("--tls-max 1.2")).await.succeeded().said("\"OK\"");
    let update = |more: &str| {
        format!("iot update-domain-configuration --domain-configuration-name Own {more}")
    };
    let tls13 = "--tls-config securityPolicy=IoTSecurityPolicy_TLS13_1_3_2022_10";
    let _done = neighbour(&desk, &update(tls13)).await.succeeded();
    let refused = desk.run(&publish("--tls-max 1.2")).await;
    refused.ended_with(35).said("alert protocol version");
    desk.run(&publish("")).await.succeeded().said("\"OK\"");

    let delete = "iot delete-domain-configuration --domain-configuration-name Own";
    neighbour(&desk, delete).await.said("must be DISABLED before deletion");
    let disabled = "--domain-configuration-status DISABLED";
    let _done = neighbour(&desk, &update(disabled)).await.succeeded();
    desk.run(&publish("")).await.ended_with(52).said("Empty reply from server");
    let trace = desk.trace().await;
    assert!(trace.contains("DOMAIN_CONFIGURATION_DISABLED"), "{trace}");
    let _done = neighbour(&desk, delete).await.succeeded();
}
