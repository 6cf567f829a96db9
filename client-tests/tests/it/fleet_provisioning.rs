//! Fleet provisioning over MQTT, judged by the clients that devices run: the AWS IoT Device SDKs v2
//! for Python and JavaScript with both versions of their identity clients, paho-mqtt with cbor2 in
//! CBOR, and mosquitto's programs with claims and hooks.
//!
//! The operator's part is the AWS CLI's. Truth: the clients, which read what they are sent as they
//! read AWS, and <https://docs.aws.amazon.com/iot/latest/developerguide/provision-wo-cert.html>.

use serde_json::{Value, json};

use crate::desk::Desk;

pub(crate) const ROLE: &str = "arn:aws:iam::000000000000:role/Provisioning";

pub(crate) fn arn(resource: &str) -> String {
    format!("arn:aws:iot:us-east-1:000000000000:{resource}")
}

/// A lamp, which may connect as what it is called and publish below that; in the form of the guide.
pub(crate) fn template() -> Value {
    let serial_number = json!({ "Ref": "SerialNumber" });
    let may = |action: &str, resource: &str| json!({ "Effect": "Allow", "Action": action, "Resource": arn(resource) });
    json!({
        "Parameters": {
            "SerialNumber": { "Type": "String" },
            "Location": { "Type": "String", "Default": "WA" },
            "AWS::IoT::Certificate::Id": { "Type": "String" },
        },
        "Resources": {
            "certificate": {
                "Type": "AWS::IoT::Certificate",
                "Properties": {
                    "CertificateId": { "Ref": "AWS::IoT::Certificate::Id" }, "Status": "Active",
                },
            },
            "policy": {
                "Type": "AWS::IoT::Policy",
                "Properties": { "PolicyDocument": { "Version": "2012-10-17", "Statement": [
                    may("iot:Connect", "client/${iot:Connection.Thing.ThingName}"),
                    may("iot:Publish", "topic/lamps/${iot:Connection.Thing.ThingName}/*"),
                ] } },
            },
            "thing": {
                "Type": "AWS::IoT::Thing",
                "OverrideSettings": { "AttributePayload": "MERGE" },
                "Properties": {
                    "ThingName": { "Fn::Join": ["", ["lamp-", serial_number]] },
                    "AttributePayload": {
                        "version": "v1",
                        "serialNumber": serial_number,
                        "location": { "Ref": "Location" },
                    },
                },
            },
        },
        "DeviceConfiguration": {
            "FallbackUrl": "https://example.com/lamps", "Home": { "Ref": "Location" },
        },
    })
}

//= https://docs.aws.amazon.com/iot/latest/developerguide/provision-wo-cert.html
//# the example policy of a claim certificate
/// The policy of a claim for `template`, which names these topics of the certificates.
pub(crate) fn claim_policy(template: &str, certificates: &[&str]) -> Value {
    let provision = format!("$aws/provisioning-templates/{template}/provision/*");
    let of = |kind: &str| -> Vec<String> {
        let topics = certificates.iter().copied().chain([provision.as_str()]);
        topics.map(|topic| arn(&format!("{kind}/{topic}"))).collect()
    };
    json!({ "Version": "2012-10-17", "Statement": [
        { "Effect": "Allow", "Action": ["iot:Connect"], "Resource": "*" },
        { "Effect": "Allow", "Action": ["iot:Publish", "iot:Receive"], "Resource": of("topic") },
        { "Effect": "Allow", "Action": "iot:Subscribe", "Resource": of("topicfilter") },
    ] })
}

/// What a claim of the guide is allowed; requests for a signature are not among it.
pub(crate) const GUIDE: &[&str] = &["$aws/certificates/create/*"];
/// The same with requests for a signature.
const BOTH_WAYS: &[&str] = &["$aws/certificates/create/*", "$aws/certificates/create-from-csr/*"];

/// Makes the template `Fleet`, and `claim.pem` and `claim.key` with this policy.
async fn prepare(desk: &Desk, policy: &Value) {
    desk.write("template.json", template().to_string());
    desk.write("claim.json", policy.to_string());
    for line in [
        &format!(
            "aws iot create-provisioning-template --template-name Fleet --enabled \
             --provisioning-role-arn {ROLE} --template-body file://template.json"
        ),
        "aws iot create-policy --policy-name Claim --policy-document file://claim.json",
        "aws iot create-keys-and-certificate --set-as-active --certificate-pem-outfile claim.pem \
         --private-key-outfile claim.key --query certificateArn --output text > claim.arn",
        "aws iot attach-policy --policy-name Claim --target $(cat claim.arn)",
        "openssl req -new -newkey rsa:2048 -nodes -keyout device.key -subj /CN=lamp \
         -out device.csr",
    ] {
        desk.succeeds(line).await;
    }
}

/// What the AWS CLI answers.
async fn aws(desk: &Desk, line: &str) -> Value {
    desk.succeeds(&format!("aws {line}")).await.json()
}

/// Asserts that `thing` is what the template makes of it, with one ACTIVE certificate.
async fn assert_is_a_lamp(desk: &Desk, serial_number: &str) {
    let name = format!("lamp-{serial_number}");
    let thing = aws(desk, &format!("iot describe-thing --thing-name {name}")).await;
    let attributes = json!({ "version": "v1", "serialNumber": serial_number, "location": "WA" });
    assert_eq!(thing["attributes"], attributes);
    let principals = aws(desk, &format!("iot list-thing-principals --thing-name {name}")).await;
    let [Value::String(certificate)] =
        principals["principals"].as_array().expect("a list").as_slice()
    else {
        panic!("one principal, not {principals}");
    };
    let id = certificate.rsplit('/').next().expect("an ID");
    let described = aws(desk, &format!("iot describe-certificate --certificate-id {id}")).await;
    assert_eq!(described["certificateDescription"]["status"], "ACTIVE");
}

/// What the trace says of a rejection.
fn rejected(client: &str, operation: &str, code: &str, topic: &str) -> String {
    format!("{operation} {client}  {code}: a message on {topic}/rejected")
}

#[tokio::test]
async fn fp_1_and_6_the_device_sdk_for_python_is_provisioned_by_both_of_its_clients() {
    let clients = ["awsiotsdk", "aws", "openssl"];
    let Some(desk) = Desk::with(&clients).await else { return };
    prepare(&desk, &claim_policy("Fleet", BOTH_WAYS)).await;
    desk.converses("python3", "python/fleet_provisioning_sdk.py").await;
    all_ways_are_as_on_aws(&desk).await;
}

#[tokio::test]
async fn fp_1_and_6_the_device_sdk_for_javascript_is_provisioned_by_both_of_its_clients() {
    let clients = ["node", "aws-iot-device-sdk-v2", "aws", "openssl"];
    let Some(desk) = Desk::with(&clients).await else { return };
    prepare(&desk, &claim_policy("Fleet", BOTH_WAYS)).await;
    desk.converses("node", "node/fleet_provisioning.js").await;
    all_ways_are_as_on_aws(&desk).await;
}

#[tokio::test]
async fn fp_5_paho_is_provisioned_in_cbor_and_nobody_hears_the_replies_of_another() {
    let clients = ["paho-mqtt", "cbor2", "aws", "openssl"];
    let Some(desk) = Desk::with(&clients).await else { return };
    prepare(&desk, &claim_policy("*", BOTH_WAYS)).await;
    desk.converses("python3", "python/fleet_provisioning_paho.py").await;
    let [cbor, json] = ["cbor", "json"].map(|format| {
        [
            format!("$aws/certificates/create-from-csr/{format}"),
            format!("$aws/provisioning-templates/Fleet/provision/{format}"),
        ]
    });
    let missing = "$aws/provisioning-templates/Missing/provision/cbor";
    let mut refused = Vec::new();
    for version in ["311", "5"] {
        let claim = format!("claim-cbor-{version}");
        for (times, operation, code, topic) in [
            (2, "CreateCertificateFromCsr", "InvalidCertificateSigningRequest", &*cbor[0]),
            (6, "CreateCertificateFromCsr", "InvalidPayload", &cbor[0]),
            (4, "RegisterThing", "InvalidPayload", &cbor[1]),
            (1, "RegisterThing", "InvalidTemplate", missing),
            (2, "RegisterThing", "InvalidCertificateOwnershipToken", &cbor[1]),
            (1, "RegisterThing", "InvalidParameters", &cbor[1]),
        ] {
            let line = rejected(&claim, operation, code, topic);
            refused.extend(std::iter::repeat_n(line, times));
        }
        for asker in ["asks-0", "asks-1"] {
            let asker = format!("{asker}-{version}");
            refused.push(rejected(&asker, "RegisterThing", "InvalidPayload", &json[1]));
        }
    }
    assert_all_refused(&desk, &refused);
    let trace = desk.emulator.trace().to_string();
    for why in ["the payload is empty", "is no object in CBOR: more follows it"] {
        assert!(trace.contains(why), "{why} is not in\n{trace}");
    }
    let unasked = "the client has not subscribed to the topic of the reply";
    assert_eq!(trace.matches(unasked).count(), 4, "{trace}");
}

#[tokio::test]
async fn fp_4_a_claim_counts_for_five_minutes_and_for_its_template() {
    let clients = ["paho-mqtt", "aws", "openssl"];
    for version in ["3.1.1", "5"] {
        let Some(desk) = Desk::with(&clients).await else { return };
        prepare(&desk, &claim_policy("Fleet", GUIDE)).await;
        make_claim(&desk).await;
        let python = format!("VERSION={version} python3");
        desk.converses(&python, "python/fleet_provisioning_claim.py").await;
        let (version, publish, subscribe, cut) = match version {
            "5" => ("5", "PUBACK 0x87", "SUBACK 0x87", "PUBACK, DISCONNECT 0x87"),
            _ => ("311", "disconnects", "disconnects", "PUBACK, disconnects"),
        };
        let mut refused = vec![format!(
            "Connection.AuthNError too-late-{version}  DEVICE_CERTIFICATE_NOT_REGISTERED: \
             disconnects"
        )];
        for (event, client, topic, seen) in [
            ("Publish-In", "refused", "home", publish),
            ("Publish-In", "refused", "$aws/provisioning-te", publish),
            ("Publish-In", "refused", "$aws/things/x/shadow", publish),
            ("Subscribe", "refused", "home/accepted", subscribe),
            ("Subscribe", "refused", "$aws/provisioning-te", subscribe),
            ("Subscribe", "refused", "$aws/things/x/shadow", subscribe),
            ("Publish-In", "early", "$aws/certificates/cr", cut),
            ("Publish-In", "late", "$aws/certificates/cr", cut),
        ] {
            let line = format!("{event} {client}-{version} {topic} AUTHORIZATION_FAILURE: {seen}");
            refused.push(line);
        }
        assert_all_refused(&desk, &refused);
        desk.assert_explained(&["early", "aws:EpochTime is", "the provisioning claim for `Fleet`"]);
    }
}

/// Makes `claim.pem` and `claim.key` of a provisioning claim.
async fn make_claim(desk: &Desk) {
    let claim = aws(desk, "iot create-provisioning-claim --template-name Fleet").await;
    let text = |value: &Value| value.as_str().expect("a text").to_owned();
    desk.write("claim.pem", text(&claim["certificatePem"]));
    desk.write("claim.key", text(&claim["keyPair"]["PrivateKey"]));
}

fn assert_all_refused(desk: &Desk, refused: &[String]) {
    let refused: Vec<&str> = refused.iter().map(String::as_str).collect();
    desk.assert_refused(&refused);
}

/// Every device of the conversation is provisioned, and what was refused has its reason.
async fn all_ways_are_as_on_aws(desk: &Desk) {
    let provision = "$aws/provisioning-templates/Fleet/provision/json";
    let mut refused = Vec::new();
    for client in ["v1", "v2"] {
        for version in ["311", "5"] {
            for way in ["keys", "csr"] {
                let name = format!("{client}-{version}-{way}");
                assert_is_a_lamp(desk, &name).await;
                let claim = format!("claim-{name}");
                let token = "InvalidCertificateOwnershipToken";
                refused.push(rejected(&claim, "RegisterThing", "InvalidParameters", provision));
                refused.push(rejected(&claim, "RegisterThing", token, provision));
                refused.push(rejected(&claim, "RegisterThing", token, provision));
                if way == "csr" {
                    let operation = "CreateCertificateFromCsr";
                    let code = "InvalidCertificateSigningRequest";
                    let topic = "$aws/certificates/create-from-csr/json";
                    refused.push(rejected(&claim, operation, code, topic));
                }
                let seen = if version == "5" { "PUBACK 0x87" } else { "disconnects" };
                refused.push(format!(
                    "Publish-In lamp-{name} lamps/lamp-other/sta AUTHORIZATION_FAILURE: {seen}"
                ));
            }
        }
    }
    assert_all_refused(desk, &refused);
}
