//! Claims, as AWS's guide has them made: a certificate that a whole fleet is made with, and one
//! that a trusted user asks for and hands to a device. mosquitto's programs are the device.
//!
//! Truth: <https://docs.aws.amazon.com/iot/latest/developerguide/provision-wo-cert.html>, and
//! `mosquitto_rr`, which subscribes, publishes and waits for one message.

use client_tests::binary::Binary;
use client_tests::programs::{self, Finished};
use serde_json::{Value, json};

use crate::articles::{certificate_arn, certificate_id, describe, text};
use crate::fleet_provisioning::{GUIDE, ROLE, claim_policy, template};

/// What a device and its operator need.
pub(crate) const CLIENTS: [&str; 4] = ["aws", "openssl", "mosquitto_rr", "mosquitto_pub"];
const VERSIONS: [&str; 2] = ["mqttv311", "mqttv5"];
pub(crate) const CREATE: &str = "$aws/certificates/create/json";
const FROM_CSR: &str = "$aws/certificates/create-from-csr/json";
pub(crate) const PROVISION: &str = "$aws/provisioning-templates/Fleet/provision/json";

/// Somebody with `NAME.pem` and `NAME.key`, who speaks one version of MQTT.
#[derive(Clone, Copy)]
pub(crate) struct Device<'a> {
    pub(crate) desk: &'a Binary,
    pub(crate) name: &'a str,
    pub(crate) version: &'a str,
}

impl Device<'_> {
    fn options(self, client_id: &str) -> String {
        let Self { name, version, .. } = self;
        format!(
            "--cafile $ROOT_CA --cert {name}.pem --key {name}.key -h localhost -p $MQTT_PORT -q 1 \
             -V {version} -i '{client_id}'"
        )
    }

    /// Asks, and waits for the reply that ends in `word`.
    pub(crate) async fn try_ask(self, topic: &str, word: &str, payload: &Value) -> Finished {
        self.desk.shell().write("request.json", payload.to_string());
        let options = self.options(&format!("asker of {}", self.name));
        // Its `-f` sends nothing.
        let message = "\"$(cat request.json)\"";
        let line =
            format!("mosquitto_rr {options} -t '{topic}' -e '{topic}/{word}' -m {message} -W 20");
        self.desk.run(&line).await
    }

    pub(crate) async fn ask(self, topic: &str, payload: &Value) -> Value {
        self.try_ask(topic, "accepted", payload).await.succeeded().json()
    }

    /// What a refused request is told.
    pub(crate) async fn is_rejected(self, topic: &str, payload: &Value) -> Value {
        self.try_ask(topic, "rejected", payload).await.succeeded().json()
    }

    /// Publishes as `client_id`.
    pub(crate) async fn publish(self, client_id: &str, topic: &str) -> Finished {
        let options = self.options(client_id);
        self.desk.run(&format!("mosquitto_pub {options} -t '{topic}' -m Hello -d")).await
    }

    /// Has keys made; they are `NAME.pem` and `NAME.key` then. Answers the ownership token.
    pub(crate) async fn create_keys(self, name: &str) -> String {
        let made = self.ask(CREATE, &json!({})).await;
        self.desk.shell().write(&format!("{name}.key"), text(&made["privateKey"]));
        self.keep(name, &made)
    }

    fn keep(self, name: &str, made: &Value) -> String {
        self.desk.shell().write(&format!("{name}.pem"), text(&made["certificatePem"]));
        text(&made["certificateOwnershipToken"])
    }
}

/// RegisterThing's payload.
pub(crate) fn register(token: &str, parameters: &Value) -> Value {
    json!({ "certificateOwnershipToken": token, "parameters": parameters })
}

/// Makes the template `Fleet`, with `more`.
pub(crate) async fn create_template(desk: &Binary, more: &str) {
    desk.shell().write("template.json", template().to_string());
    desk.aws(&format!(
        "iot create-provisioning-template --template-name Fleet --enabled \
         --provisioning-role-arn {ROLE} --template-body file://template.json {more}"
    ))
    .await;
}

/// `claim.pem` and `claim.key` of the guide; answers the ID.
pub(crate) async fn make_fleet_claim(desk: &Binary) -> String {
    desk.shell().write("claim.json", claim_policy("Fleet", GUIDE).to_string());
    desk.aws("iot create-policy --policy-name Claim --policy-document file://claim.json").await;
    let made = desk
        .aws(
            "iot create-keys-and-certificate --set-as-active --certificate-pem-outfile claim.pem \
             --private-key-outfile claim.key",
        )
        .await;
    let arn = text(&made["certificateArn"]);
    desk.aws(&format!("iot attach-policy --policy-name Claim --target {arn}")).await;
    text(&made["certificateId"])
}

/// The device works as the thing that it has become, and as nothing else.
async fn is_a_lamp(device: Device<'_>) {
    let thing = format!("lamp-{}", device.name);
    let topic = format!("lamps/{thing}/state");
    let published = device.publish(&thing, &topic).await.succeeded();
    published.said("received PUBACK (Mid: 1, RC:0)");
    let elsewhere = device.publish(&thing, "lamps/lamp-other/state").await;
    elsewhere.said("received CONNACK (0)").did_not_say("received PUBACK (Mid: 1, RC:0)");
    let somebody_else = device.publish("lamp-other", &topic).await;
    assert_ne!(somebody_else.code, Some(0), "{somebody_else}");
    somebody_else.did_not_say("PUBACK");
    let id = certificate_id(device.desk, &format!("{}.pem", device.name)).await;
    assert_eq!(describe(device.desk, &id).await["status"], "ACTIVE");
    let line = format!("iot list-thing-principals --thing-name {thing}");
    let principals = device.desk.aws(&line).await;
    assert_eq!(principals["principals"], json!([certificate_arn(&id)]));
}

#[tokio::test]
async fn fp_4_a_fleet_is_provisioned_with_one_claim_certificate_and_the_guides_policy() {
    if !programs::present(&CLIENTS).await {
        return;
    }
    let desk = Binary::start();
    create_template(&desk, "").await;
    let id = make_fleet_claim(&desk).await;
    for (version, name) in VERSIONS.into_iter().zip(["first", "second"]) {
        let claim = Device { desk: &desk, name: "claim", version };
        let token = claim.create_keys(name).await;
        let asked = register(&token, &json!({ "SerialNumber": name }));
        let registered = claim.ask(PROVISION, &asked).await;
        let configuration = json!({ "FallbackUrl": "https://example.com/lamps", "Home": "WA" });
        let thing_name = format!("lamp-{name}");
        let expected = json!({ "deviceConfiguration": configuration, "thingName": thing_name });
        assert_eq!(registered, expected);
        is_a_lamp(Device { name, ..claim }).await;

        // The guide's policy has no topic of requests for a signature.
        let refused = claim.try_ask(FROM_CSR, "accepted", &json!({})).await;
        refused.said(if version == "mqttv5" { "Not authorized" } else { "" });
        assert!(!refused.stdout.contains('{'), "{refused}");
        let refused = claim.publish("anybody", "home").await;
        refused.said("received CONNACK (0)").did_not_say("received PUBACK (Mid: 1, RC:0)");
    }
    let trace = desk.trace().await;
    assert_eq!(trace.matches("refused iot:Subscribe on ").count(), 2, "{trace}");

    // What the guide advises where a claim is misused.
    let disable = format!("iot update-certificate --certificate-id {id} --new-status INACTIVE");
    desk.aws(&disable).await;
    for version in VERSIONS {
        let claim = Device { desk: &desk, name: "claim", version };
        let refused = claim.publish("anybody", CREATE).await;
        assert_ne!(refused.code, Some(0), "{refused}");
        refused.did_not_say("received CONNACK (0)");
    }
    let trace = desk.trace().await;
    assert!(trace.contains("INACTIVE"), "{trace}");
}

#[tokio::test]
async fn fp_3_a_trusted_user_signs_for_a_claim_and_hands_it_to_a_device() {
    if !programs::present(&CLIENTS).await {
        return;
    }
    let desk = Binary::start_with(
        "enforce_sigv4 = true\n[[credential]]\naccess_key_id = \"AKIAOPERATOR\"\n\
         secret_access_key = \"of-the-operator\"\n[[credential]]\naccess_key_id = \
         \"AKIAINSTALLER\"\nsecret_access_key = \"of-the-installer\"\n",
    );
    let as_operator = |line: &str| {
        format!(
            "AWS_ACCESS_KEY_ID=AKIAOPERATOR AWS_SECRET_ACCESS_KEY=of-the-operator aws \
             --endpoint-url http://localhost:$API_PORT iot {line}"
        )
    };
    desk.shell().write("template.json", template().to_string());
    let create = format!(
        "create-provisioning-template --template-name Fleet --enabled --provisioning-role-arn \
         {ROLE} --template-body file://template.json"
    );
    desk.all(&[&as_operator(&create)]).await;

    let ask = "iot create-provisioning-claim --template-name Fleet";
    let nobody = desk.try_aws(ask).await;
    assert_ne!(nobody.code, Some(0), "{nobody}");
    nobody.said("(UnrecognizedClientException)");
    let installer = |secret: &str| {
        format!(
            "AWS_ACCESS_KEY_ID=AKIAINSTALLER AWS_SECRET_ACCESS_KEY={secret} aws --endpoint-url \
             http://localhost:$API_PORT {ask}"
        )
    };
    desk.run(&installer("wrong")).await.said("(InvalidSignatureException)");
    let claim = desk.run(&installer("of-the-installer")).await.succeeded().json();
    desk.shell().write("claim.pem", text(&claim["certificatePem"]));
    desk.shell().write("claim.key", text(&claim["keyPair"]["PrivateKey"]));

    // The device keeps its own key to itself.
    desk.all(&["openssl req -new -newkey rsa:2048 -nodes -keyout lamp.key -subj /CN=lamp \
                -out lamp.csr"])
        .await;
    let device = Device { desk: &desk, name: "claim", version: "mqttv5" };
    let request = json!({ "certificateSigningRequest": desk.shell().read("lamp.csr") });
    let made = device.ask(FROM_CSR, &request).await;
    let token = device.keep("lamp", &made);
    let asked = register(&token, &json!({ "SerialNumber": "lamp" }));
    assert_eq!(device.ask(PROVISION, &asked).await["thingName"], "lamp-lamp");
    let lamp = Device { name: "lamp", ..device };
    let published = lamp.publish("lamp-lamp", "lamps/lamp-lamp/state").await.succeeded();
    published.said("received PUBACK (Mid: 1, RC:0)");

    let listed = desk.run(&as_operator("list-certificates")).await.succeeded().json();
    let ids: Vec<&Value> = listed["certificates"]
        .as_array()
        .expect("a list")
        .iter()
        .map(|it| &it["certificateId"])
        .collect();
    assert_eq!(ids, [&made["certificateId"]], "the claim stands in no list");
}

#[tokio::test]
async fn fp_2_a_token_counts_for_an_hour_and_a_certificate_that_nobody_wants_goes_with_it() {
    if !programs::present(&CLIENTS).await || !programs::present(&["curl"]).await {
        return;
    }
    let desk = Binary::start_with("manual_clock = true\n");
    create_template(&desk, "").await;
    make_fleet_claim(&desk).await;
    let claim = Device { desk: &desk, name: "claim", version: "mqttv311" };
    let advance = |seconds: u32| {
        format!(
            "curl -sf -d '{{\"seconds\":{seconds}}}' http://localhost:$API_PORT/_emulator/advance"
        )
    };
    let expired = claim.create_keys("expired").await;
    claim.create_keys("wanted").await;
    let [expired_id, wanted_id] =
        [certificate_id(&desk, "expired.pem").await, certificate_id(&desk, "wanted.pem").await];
    let wanted = certificate_arn(&wanted_id);
    desk.aws(&format!("iot attach-policy --policy-name Claim --target {wanted}")).await;
    let late = claim.create_keys("late").await;

    desk.all(&[&advance(3599)]).await;
    let asked = register(&late, &json!({ "SerialNumber": "late" }));
    assert_eq!(claim.ask(PROVISION, &asked).await["thingName"], "lamp-late");
    is_a_lamp(Device { name: "late", ..claim }).await;

    desk.all(&[&advance(2)]).await;
    let asked = register(&expired, &json!({ "SerialNumber": "expired" }));
    let rejected = claim.is_rejected(PROVISION, &asked).await;
    assert_eq!(
        rejected,
        json!({
            "statusCode": 400,
            "errorCode": "InvalidCertificateOwnershipToken",
            "errorMessage": "Certificate ownership token is invalid.",
        })
    );
    let ask = format!("iot describe-certificate --certificate-id {expired_id}");
    desk.try_aws(&ask).await.said("(ResourceNotFoundException)");
    assert_eq!(describe(&desk, &wanted_id).await["status"], "PENDING_ACTIVATION");
    is_a_lamp(Device { name: "late", ..claim }).await;
}
