//! MA-1 to MA-6: one certificate in several accounts and Regions of one emulator,
//! told apart by the host name in SNI, by an address or by a port; and TR-1 to TR-5: one that goes
//! from an account to another.

use client_tests::binary::Binary;
use client_tests::programs::{self, Finished};
use client_tests::{ConnectError, Device, Ending, Mqtt};
use iot_emulator::config::Endpoint;
use iot_emulator::errors::ErrorCode;
use iot_emulator::{AutoRegistration, CertificateAuthority, Emulator, Identity, IotCore, allow};
use serde_json::json;

use crate::articles::{OPERATOR, certificate_arn, create_policy, text};
use crate::common::{EVERYTHING, assert_says, refusal};

const ELSEWHERE: (&str, &str) = ("111122223333", "ap-northeast-1");
const NEIGHBOUR: (&str, &str) = ("222233334444", "us-east-1");

/// Registers `identity` without a CA, and lets it do everything.
fn register(iot: &IotCore, identity: &Identity) {
    let id = iot.register_certificate_without_ca(&identity.certificate_pem());
    iot.create_policy("All", allow(EVERYTHING, "*"));
    iot.attach_policy("All", id);
}

async fn subscribed(device: &Device) -> Mqtt {
    let mqtt = device.connect("sensor-1").await.expect("a registered certificate");
    mqtt.subscribe("greetings").await.expect("a SUBACK");
    mqtt
}

#[tokio::test]
async fn ma_1_ma_2_one_certificate_in_several_accounts_and_regions_by_the_name_in_sni() {
    let emulator = Emulator::start();
    let identity = Identity::self_signed("sensor-1");
    let accounts = [
        emulator.iot_core(),
        emulator.iot_core_of(ELSEWHERE.0, ELSEWHERE.1),
        emulator.iot_core_of(NEIGHBOUR.0, NEIGHBOUR.1),
        emulator.iot_core_of(NEIGHBOUR.0, ELSEWHERE.1),
    ];
    let mut connected = Vec::new();
    for iot in &accounts {
        register(iot, &identity);
        // One port for all of them; only the name differs.
        assert_eq!(iot.mqtt_address(), emulator.mqtt_address());
        let device = Device::new(iot, identity.clone()).asking_for(&iot.aws_endpoint());
        connected.push(subscribed(&device).await);
    }
    // The same client ID everywhere, and nobody was taken over: each account has its own clients.
    for (mqtt, iot) in connected.iter().zip(&accounts) {
        mqtt.publish("greetings", iot.scope().to_string()).await.expect("a PUBACK");
    }
    for (mqtt, iot) in connected.iter().zip(&accounts) {
        let heard = mqtt.next_message().await.expect("its own greeting");
        assert_eq!(heard.text(), iot.scope().to_string());
    }
}

#[tokio::test]
async fn ma_5_registered_in_one_account_and_region_is_unknown_in_another() {
    let emulator = Emulator::start();
    let here = emulator.iot_core();
    let identity = Identity::self_signed("sensor-1");
    register(&here, &identity);
    Device::new(&here, identity.clone()).connect("sensor-1").await.expect("registered here");
    let own_account = here.scope().account.to_string();
    for (account, region) in [ELSEWHERE, NEIGHBOUR, (&own_account, ELSEWHERE.1)] {
        let there = emulator.iot_core_of(account, region);
        let swapped = Device::new(&there, identity.clone());
        let refused = swapped.connect("sensor-1").await.err();
        assert_eq!(refused, Some(ConnectError::ClosedBeforeConnack));
        let entry = refusal(&emulator, "Connection.AuthNError");
        assert_eq!(entry.reason, Some("DEVICE_CERTIFICATE_NOT_REGISTERED"));
        assert_eq!(&entry.scope, there.scope(), "it is told to the account that SNI names");
        assert_eq!(entry.value("serverNameIndication"), Some(there.aws_endpoint().as_str()));
    }
}

/// Registers `ca` in DEFAULT mode, and one certificate of it as ACTIVE and allowed everything.
fn register_in_default_mode(iot: &IotCore, ca: &CertificateAuthority) -> Identity {
    iot.register_ca(ca, AutoRegistration::Disabled);
    let identity = ca.issue("sensor-1");
    let input = json!({
        "certificatePem": identity.certificate_pem(),
        "caCertificatePem": ca.pem(),
        "status": "ACTIVE",
    });
    iot.call("RegisterCertificate", input).expect("the CA is registered");
    iot.create_policy("All", allow(EVERYTHING, "*"));
    iot.attach_policy("All", identity.certificate_id());
    identity
}

#[tokio::test]
async fn ma_3_a_certificate_in_default_mode_is_found_without_sni_and_one_in_sni_only_mode_is_not() {
    let emulator = Emulator::start();
    let iot = emulator.iot_core_of(ELSEWHERE.0, ELSEWHERE.1);
    let ca = CertificateAuthority::new("Acme Devices");
    let by_default = Device::new(&iot, register_in_default_mode(&iot, &ca));
    let mqtt = by_default.clone().without_sni().connect("sensor-1").await;
    mqtt.expect("DEFAULT mode").publish("a", "x").await.expect("a PUBACK");

    let identity = Identity::self_signed("sensor-2");
    register(&emulator.iot_core(), &identity);
    let sni_only = Device::new(&emulator.iot_core(), identity);
    sni_only.connect("sensor-2").await.expect("with SNI");
    let refused = sni_only.without_sni().connect("sensor-2").await.err();
    assert_eq!(refused, Some(ConnectError::ClosedBeforeConnack));
    assert_says(
        &refusal(&emulator, "Connection.AuthNError"),
        &["SNI_ONLY mode", "SNI did not name"],
    );
}

#[tokio::test]
async fn ma_4_a_ca_in_sni_only_mode_registers_devices_in_every_account_that_has_it() {
    let emulator = Emulator::start();
    let accounts = [emulator.iot_core(), emulator.iot_core_of(NEIGHBOUR.0, NEIGHBOUR.1)];
    let ca = CertificateAuthority::new("Acme Devices");
    let identity = ca.issue("sensor-1");
    for iot in &accounts {
        let input = json!({
            "caCertificate": ca.pem(),
            "certificateMode": "SNI_ONLY",
            "setAsActive": true,
            "allowAutoRegistration": true,
        });
        iot.call("RegisterCACertificate", input).expect("SNI_ONLY may be shared");
        assert_eq!(iot.certificate_status(identity.certificate_id()), None);
        let device = Device::new(iot, identity.clone());
        let first = device.connect("sensor-1").await.err();
        assert_eq!(first, Some(ConnectError::ClosedBeforeConnack));
        let status = iot.certificate_status(identity.certificate_id());
        assert_eq!(status.as_deref(), Some("PENDING_ACTIVATION"));
        // Without a host name there is no account to register in.
        let nameless = Device::new(iot, ca.issue("sensor-2")).without_sni();
        nameless.connect("sensor-2").await.expect_err("SNI_ONLY");
        let status = iot.certificate_status(nameless.certificate_id());
        assert_eq!(status, None);
    }
}

#[tokio::test]
async fn ca_12_a_ca_has_one_owner_in_default_mode_in_each_region() {
    let emulator = Emulator::start();
    let (here, neighbour) = (emulator.iot_core(), emulator.iot_core_of(NEIGHBOUR.0, NEIGHBOUR.1));
    let abroad = emulator.iot_core_of(NEIGHBOUR.0, ELSEWHERE.1);
    let ca = CertificateAuthority::new("Acme Devices");
    here.register_ca(&ca, AutoRegistration::Disabled);
    abroad.register_ca(&ca, AutoRegistration::Disabled);
    let again = |iot: &IotCore| {
        let code = iot.call("GetRegistrationCode", json!({})).expect("a code");
        let code = code["registrationCode"].as_str().expect("text");
        let verification = ca.verification_certificate(code);
        let input = json!({ "caCertificate": ca.pem(), "verificationCertificate": verification });
        iot.call("RegisterCACertificate", input).map(drop).map_err(|error| error.code())
    };
    assert_eq!(again(&neighbour), Err(ErrorCode::ResourceAlreadyExistsException));

    let id = ca.certificate_id().to_string();
    let input = json!({ "certificateId": id, "newStatus": "INACTIVE" });
    here.call("UpdateCACertificate", input).expect("it is registered");
    here.call("DeleteCACertificate", json!({ "certificateId": id })).expect("it is INACTIVE");
    assert_eq!(again(&neighbour), Ok(()), "whoever deletes it lets it go");
}

#[tokio::test]
async fn ma_6_another_account_may_register_without_a_ca_what_one_has_in_default_mode() {
    let emulator = Emulator::start();
    let (here, neighbour) = (emulator.iot_core(), emulator.iot_core_of(NEIGHBOUR.0, NEIGHBOUR.1));
    let identity = register_in_default_mode(&here, &CertificateAuthority::new("Acme Devices"));
    register(&neighbour, &identity);
    let [one, other] = [&here, &neighbour].map(|iot| Device::new(iot, identity.clone()));
    let (one_mqtt, other_mqtt) = (subscribed(&one).await, subscribed(&other).await);
    one_mqtt.publish("greetings", "one").await.expect("a PUBACK");
    other_mqtt.publish("greetings", "other").await.expect("a PUBACK");
    assert_eq!(one_mqtt.next_message().await.expect("a message").text(), "one");
    assert_eq!(other_mqtt.next_message().await.expect("a message").text(), "other");
    // Without a name it is the account that has it in DEFAULT mode.
    let nameless = one.without_sni().connect("sensor-1").await.expect("DEFAULT mode");
    assert_eq!(one_mqtt.closed().await, client_tests::Closed::HungUp);
    nameless.publish("greetings", "nameless").await.expect("a PUBACK");
}

#[tokio::test]
async fn tr_1_tr_2_a_device_connects_nowhere_while_its_certificate_waits_and_then_in_the_new_account()
 {
    let emulator = Emulator::start();
    let (here, neighbour) = (emulator.iot_core(), emulator.iot_core_of(NEIGHBOUR.0, NEIGHBOUR.1));
    let ca = CertificateAuthority::new("Acme Devices");
    let identity = register_in_default_mode(&here, &ca);
    let id = identity.certificate_id().to_string();
    let arn = here.certificate_arn(&id);
    let [old, new] = [&here, &neighbour].map(|iot| Device::new(iot, identity.clone()));
    let nameless = new.clone().without_sni();
    let was_connected = subscribed(&old).await;
    for (operation, input) in [
        ("UpdateCertificate", json!({ "certificateId": id, "newStatus": "INACTIVE" })),
        ("DetachPolicy", json!({ "policyName": "All", "target": arn })),
        ("TransferCertificate", json!({ "certificateId": id, "targetAwsAccount": NEIGHBOUR.0 })),
    ] {
        here.call(operation, input).expect("nothing hinders the transfer");
    }
    was_connected.closed().await;
    for (device, told) in [(&old, &here), (&new, &neighbour), (&nameless, &here)] {
        let refused = device.connect("sensor-1").await.err();
        assert_eq!(refused, Some(ConnectError::ClosedBeforeConnack));
        let entry = refusal(&emulator, "Connection.AuthNError");
        assert_eq!(entry.reason, Some("DEVICE_CERTIFICATE_INACTIVE"));
        assert_eq!(&entry.scope, told.scope());
        assert_says(&entry, &["is PENDING_TRANSFER"]);
    }
    let accept = json!({ "certificateId": id, "setAsActive": true });
    neighbour.call("AcceptCertificateTransfer", accept).expect("it waits");
    neighbour.create_policy("All", allow(EVERYTHING, "*"));
    neighbour.attach_policy("All", &id);
    // Its mode came along: it is found without a name.
    for device in [&new, &nameless] {
        subscribed(device).await.publish("greetings", "x").await.expect("a PUBACK");
    }
    let refused = old.connect("sensor-1").await.err();
    assert_eq!(refused, Some(ConnectError::ClosedBeforeConnack));
    let entry = refusal(&emulator, "Connection.AuthNError");
    assert_eq!(entry.reason, Some("DEVICE_CERTIFICATE_NOT_REGISTERED"));
    assert_eq!(&entry.scope, here.scope());
}

/// Runs the AWS CLI as somebody of the other account.
async fn as_neighbour(desk: &Binary, arguments: &str) -> Finished {
    let caller = format!("AWS_ACCESS_KEY_ID={}", NEIGHBOUR.0);
    desk.run(&format!("{caller} aws --endpoint-url http://localhost:$API_PORT {arguments}")).await
}

/// The device publishes over HTTPS to the account that has the endpoint `host`.
async fn publish_to(desk: &Binary, host: &str) -> Finished {
    desk.run(&format!(
        "curl -s --cacert $ROOT_CA --cert device.crt --key device.key --data x \
         --connect-to {host}:8443:localhost:$HTTPS_PORT 'https://{host}:8443/topics/a?qos=1'"
    ))
    .await
}

#[tokio::test]
async fn tr_1_to_5_the_operators_of_two_accounts_hand_a_certificate_over() {
    if !programs::present(&OPERATOR).await || !programs::present(&["curl"]).await {
        return;
    }
    let desk = Binary::start();
    let made = desk
        .aws(
            "iot create-keys-and-certificate --set-as-active \
             --certificate-pem-outfile device.crt --private-key-outfile device.key",
        )
        .await;
    let id = text(&made["certificateId"]);
    create_policy(&desk, "Device", &["iot:Connect", "iot:Publish"]).await;
    let attached = format!("--policy-name Device --target {}", certificate_arn(&id));
    desk.aws(&format!("iot attach-policy {attached}")).await;
    let endpoint = "iot describe-endpoint --endpoint-type iot:Data-ATS";
    let old = text(&desk.aws(endpoint).await["endpointAddress"]);
    let new = as_neighbour(&desk, endpoint).await.succeeded();
    let new = text(&new.json()["endpointAddress"]);
    publish_to(&desk, &old).await.succeeded().said(r#""message":"OK""#);

    let transfer = format!(
        "iot transfer-certificate --certificate-id {id} --target-aws-account {} \
         --transfer-message yours",
        NEIGHBOUR.0
    );
    let early = desk.try_aws(&transfer).await;
    early.said("(CertificateStateException) when calling the TransferCertificate operation");
    desk.aws(&format!("iot update-certificate --certificate-id {id} --new-status INACTIVE")).await;
    let early = desk.try_aws(&transfer).await;
    early.said("(TransferConflictException) when calling the TransferCertificate operation");
    desk.aws(&format!("iot detach-policy {attached}")).await;
    let arn = certificate_arn(&id).replace("000000000000", NEIGHBOUR.0);
    assert_eq!(desk.aws(&transfer).await, json!({ "transferredCertificateArn": arn }));
    let outgoing = desk.aws("iot list-outgoing-certificates").await;
    let outgoing = &outgoing["outgoingCertificates"][0];
    assert_eq!(
        (&outgoing["certificateArn"], &outgoing["transferMessage"]),
        (&json!(arn), &json!("yours"))
    );
    let waiting = as_neighbour(&desk, "iot list-certificates").await.succeeded().json();
    assert_eq!(waiting["certificates"][0]["status"], "PENDING_TRANSFER");
    for host in [&old, &new] {
        let _empty_reply = publish_to(&desk, host).await.ended_with(52);
    }

    let accept = format!("iot accept-certificate-transfer --certificate-id {id} --set-as-active");
    for arguments in [
        accept.as_str(),
        "iot create-policy --policy-name Device --policy-document file://Device.json",
        &format!("iot attach-policy --policy-name Device --target {arn}"),
    ] {
        let _answer = as_neighbour(&desk, arguments).await.succeeded();
    }
    publish_to(&desk, &new).await.succeeded().said(r#""message":"OK""#);
    let _empty_reply = publish_to(&desk, &old).await.ended_with(52);
    let cancel = format!("iot cancel-certificate-transfer --certificate-id {id}");
    desk.try_aws(&cancel).await.said("(TransferAlreadyCompletedException)");
    as_neighbour(&desk, &accept).await.said("(TransferAlreadyCompletedException)");
    let describe = format!("iot describe-certificate --certificate-id {id}");
    let described = as_neighbour(&desk, &describe).await.succeeded().json();
    let described = &described["certificateDescription"];
    assert_eq!(
        (&described["ownedBy"], &described["previousOwnedBy"]),
        (&json!(NEIGHBOUR.0), &json!("000000000000"))
    );
    assert_eq!(described["transferData"]["transferMessage"], "yours");
}

#[tokio::test]
async fn an_account_can_have_an_address_or_a_port_of_its_own() {
    let endpoint = |(account, region): (&str, &str), host: Option<&str>, mqtt_port| Endpoint {
        account: account.to_owned(),
        region: region.to_owned(),
        host: host.map(|host| host.parse().expect("an address")),
        mqtt_port,
        https_port: None,
    };
    let emulator = Emulator::builder()
        .endpoint(endpoint(ELSEWHERE, Some("127.0.0.2"), None))
        .endpoint(endpoint(NEIGHBOUR, None, Some(0)))
        .start()
        .expect("free ports");
    let identity = Identity::self_signed("sensor-1");
    let by_address = emulator.iot_core_of(ELSEWHERE.0, ELSEWHERE.1);
    let by_port = emulator.iot_core_of(NEIGHBOUR.0, NEIGHBOUR.1);
    assert_eq!(by_address.endpoint(), "127.0.0.2");
    assert_eq!(by_address.mqtt_address().ip().to_string(), "127.0.0.2");
    assert_ne!(by_port.mqtt_address(), emulator.mqtt_address());
    assert_eq!(by_port.https_address(), emulator.https_address());

    register(&by_address, &identity);
    register(&by_port, &identity);
    let by_address = Device::new(&by_address, identity.clone());
    let by_port = Device::new(&by_port, identity.clone()).asking_for("localhost");
    let (one, other) = (subscribed(&by_address).await, subscribed(&by_port).await);
    one.publish("greetings", "address").await.expect("a PUBACK");
    other.publish("greetings", "port").await.expect("a PUBACK");
    assert_eq!(one.next_message().await.expect("a message").text(), "address");
    assert_eq!(other.next_message().await.expect("a message").text(), "port");
    // The default account does not know the certificate.
    let default = Device::new(&emulator.iot_core(), identity).connect("sensor-1").await.err();
    assert_eq!(default, Some(ConnectError::ClosedBeforeConnack));
}

#[tokio::test]
async fn an_endpoint_name_that_nobody_here_has_is_hung_up_on() {
    let emulator = Emulator::start();
    let identity = Identity::self_signed("sensor-1");
    register(&emulator.iot_core(), &identity);
    let stranger = "a1b2c3d4e5f6g7-ats.iot.eu-central-1.amazonaws.com";
    let device = Device::new(&emulator.iot_core(), identity).asking_for(stranger);
    let refused = device.connect("sensor-1").await.err();
    assert_eq!(refused, Some(ConnectError::ClosedBeforeConnack));
    let (said, ending) = device.open().await.expect("the handshake finishes").rest().await;
    assert_eq!((said.as_slice(), ending), (&b""[..], Ending::CloseNotify));
    let entry = refusal(&emulator, "Connection.AuthNError");
    assert_eq!(entry.reason, Some("SNI_MISUSED"));
    assert_eq!(entry.value("serverNameIndication"), Some(stranger));
    assert_says(&entry, &["no account and Region here has the endpoint", stranger]);
}
