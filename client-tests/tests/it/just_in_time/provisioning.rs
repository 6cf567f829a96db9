//! JP-1 to JP-14 over sockets: what a template makes of a device, and what a device sees of it.
//!
//! Truth: <https://docs.aws.amazon.com/iot/latest/developerguide/jit-provisioning.html>. Templates
//! in all their forms: the unit tests of `provisioning/`.

use client_tests::Device;
use iot_emulator::pki::{AttributeKind, Leaf, Subject};
use iot_emulator::{AutoRegistration, CertificateAuthority, Emulator, IotCore, allow};
use serde_json::{Value, json};

use super::{Door, call, heard, status, watcher};
use crate::common::{EVERYTHING, assert_says, refusal};

const ROLE: &str = "arn:aws:iam::000000000000:role/JITPRole";
const COMMON_NAME: &str = "AWS::IoT::Certificate::CommonName";

/// A thing called by the common name, and a policy of this kind.
pub(super) fn template(policy: &Value) -> Value {
    json!({
        "Parameters": {
            COMMON_NAME: { "Type": "String" }, "AWS::IoT::Certificate::Id": { "Type": "String" },
        },
        "Resources": {
            "device": {
                "Type": "AWS::IoT::Thing", "Properties": { "ThingName": { "Ref": COMMON_NAME } },
            },
            "identity": {
                "Type": "AWS::IoT::Certificate",
                "Properties": {
                    "CertificateId": { "Ref": "AWS::IoT::Certificate::Id" }, "Status": "Active",
                },
            },
            "rights": { "Type": "AWS::IoT::Policy", "Properties": policy },
        },
    })
}

/// The policy that lets a device do everything, by its document.
pub(super) fn everything() -> Value {
    json!({ "PolicyDocument": allow(EVERYTHING, "*") })
}

/// How the template comes to the CA.
#[derive(Clone, Copy, Debug)]
enum Given {
    Inline,
    ByName,
}

fn register(iot: &IotCore, ca: &CertificateAuthority, given: Given, template: &Value) {
    match given {
        Given::Inline => {
            iot.register_ca(ca, AutoRegistration::Template(template.clone()));
        }
        Given::ByName => {
            let input = json!({
                "templateName": "Lamps", "templateBody": template.to_string(), "type": "JITP",
                "provisioningRoleArn": ROLE, "enabled": true,
            });
            call(iot, "CreateProvisioningTemplate", input);
            iot.register_ca(ca, AutoRegistration::Enabled);
            let id = ca.certificate_id().to_string();
            let config = json!({ "templateName": "Lamps" });
            let input = json!({ "certificateId": id, "registrationConfig": config });
            call(iot, "UpdateCACertificate", input);
        }
    }
}

#[tokio::test]
async fn jp_1_7_10_and_11_the_first_visit_is_refused_and_told_and_the_next_is_let_in() {
    for given in [Given::Inline, Given::ByName] {
        for door in Door::BOTH {
            let emulator = Emulator::start();
            let iot = emulator.iot_core();
            let watcher = watcher(&iot).await;
            let ca = CertificateAuthority::new("Acme Devices");
            register(&iot, &ca, given, &template(&everything()));
            let device = Device::new(&iot, ca.issue("lamp"));
            assert!(!door.lets_in(&device).await, "JP-7: {given:?} {door:?}");
            emulator.settled().await;
            let [event] = heard(&watcher).await.try_into().expect("JP-10: one event");
            assert_eq!(event.json()["certificateStatus"], "PENDING_ACTIVATION", "JP-10");
            assert_eq!(status(&iot, &device), "ACTIVE", "{}", emulator.trace());
            assert!(door.lets_in(&device).await, "{given:?} {door:?}");
            assert_eq!(heard(&watcher).await, [], "it is known now");
            let principals = json!({ "thingName": "lamp" });
            let principals = call(&iot, "ListThingPrincipals", principals)["principals"].clone();
            let arn = iot.certificate_arn(device.certificate_id());
            assert_eq!(principals, json!([arn]));
        }
    }
}

#[tokio::test]
async fn jp_2_and_pt_3_type_groups_billing_group_and_attributes_come_from_the_subject() {
    let emulator = Emulator::start();
    let iot = emulator.iot_core();
    call(&iot, "CreateThingType", json!({ "thingTypeName": "Lamp" }));
    call(&iot, "CreateThingGroup", json!({ "thingGroupName": "Acme" }));
    call(&iot, "CreateThingGroup", json!({ "thingGroupName": "DE" }));
    call(&iot, "CreateBillingGroup", json!({ "billingGroupName": "North" }));
    let of = |name: &str| format!("AWS::IoT::Certificate::{name}");
    let mut template = template(&everything());
    let declared = ["Country", "Organization", "OrganizationalUnit", "SerialNumber"];
    for name in declared {
        template["Parameters"][of(name)] = json!({ "Type": "String" });
    }
    let properties = &mut template["Resources"]["device"]["Properties"];
    properties["AttributePayload"] = json!({
        "serial": { "Ref": of("SerialNumber") },
        "place": { "Fn::Join": ["/", [{ "Ref": of("Country") }, { "Ref": of("Organization") }]] },
    });
    properties["ThingTypeName"] = json!({ "Ref": of("OrganizationalUnit") });
    properties["ThingGroups"] = json!([{ "Ref": of("Organization") }, { "Ref": of("Country") }]);
    properties["BillingGroup"] = json!("North");
    let ca = CertificateAuthority::new("Acme Devices");
    iot.register_ca(&ca, AutoRegistration::Template(template));
    let subject = Subject::new()
        .with(AttributeKind::Country, "DE")
        .with(AttributeKind::Organization, "Acme")
        .with(AttributeKind::OrganizationalUnit, "Lamp")
        .with(AttributeKind::SerialNumber, "4711")
        .with(AttributeKind::CommonName, "lamp");
    let device = Device::new(&iot, ca.issue_with(Leaf::new(subject)));
    assert!(!Door::Mqtt.lets_in(&device).await);
    emulator.settled().await;
    assert!(Door::Mqtt.lets_in(&device).await, "{}", emulator.trace());
    let thing = call(&iot, "DescribeThing", json!({ "thingName": "lamp" }));
    assert_eq!(thing["thingTypeName"], "Lamp");
    assert_eq!(thing["billingGroupName"], "North");
    assert_eq!(thing["attributes"], json!({ "serial": "4711", "place": "DE/Acme" }));
    let groups = call(&iot, "ListThingGroupsForThing", json!({ "thingName": "lamp" }));
    let groups = groups["thingGroups"].as_array().expect("a list");
    let names: Vec<&Value> = groups.iter().map(|group| &group["groupName"]).collect();
    assert_eq!(names, ["Acme", "DE"]);
}

#[tokio::test]
async fn jp_3_8_9_13_and_14_each_visit_tries_again_until_the_template_can_be_followed() {
    for door in Door::BOTH {
        let emulator = Emulator::start();
        let iot = emulator.iot_core();
        let ca = CertificateAuthority::new("Acme Devices");
        let named = json!({ "PolicyName": "Rights" });
        register(&iot, &ca, Given::ByName, &template(&named));
        let update = |change: Value| {
            let mut input = change;
            input["templateName"] = json!("Lamps");
            call(&iot, "UpdateProvisioningTemplate", input)
        };
        update(json!({ "enabled": false }));
        let device = Device::new(&iot, ca.issue("lamp"));
        let knock = async |said: &[&str]| {
            assert!(!door.lets_in(&device).await);
            emulator.settled().await;
            assert_eq!(status(&iot, &device), "PENDING_ACTIVATION", "JP-8");
            assert_says(&refusal(&emulator, "ProvisionThing"), said);
        };
        let again = "the next connect tries again";
        knock(&["step=the template", "Template Lamps is not enabled.", again]).await;
        update(json!({ "enabled": true }));
        for done in ["made thing `lamp`", "thing `lamp` exists and is kept"] {
            let done = format!("done before, and stays: {done}");
            let error = "Register thing workflow execution terminates due to: ";
            knock(&["step=rights", "policy `Rights`", error, &done, again]).await;
        }
        let things = call(&iot, "ListThings", json!({}))["things"].clone();
        assert_eq!(things.as_array().map(Vec::len), Some(1), "JP-9: what was made stays");

        // The template is mended, and then lacks something of the subject.
        let mut body = template(&everything());
        body["Parameters"]["AWS::IoT::Certificate::Country"] = json!({ "Type": "String" });
        let version = |body: &Value| {
            let input = json!({
                "templateName": "Lamps", "templateBody": body.to_string(), "setAsDefault": true,
            });
            call(&iot, "CreateProvisioningTemplateVersion", input);
        };
        version(&body);
        let country = "Cannot resolve reference value: {Ref=AWS::IoT::Certificate::Country}";
        for _ in 0..2 {
            knock(&["step=Parameters", country, "`CN=lamp` has no C", again]).await;
        }
        version(&template(&everything()));
        assert!(!door.lets_in(&device).await);
        emulator.settled().await;
        assert!(door.lets_in(&device).await, "{}", emulator.trace());
        let counted = |what| iot.metric(&format!("ProvisionThing.{what}"), &[]);
        assert_eq!((counted("Success"), counted("ClientError")), (Some(1), Some(5)), "JP-14");
        assert_eq!(counted("ServerError"), Some(0), "JP-14");
        let entries = emulator.trace().entries();
        let of_ca = entries.iter().filter(|entry| entry.event_type == "ProvisionThing");
        let ca_id = ca.certificate_id().to_string();
        assert!(of_ca.clone().all(|it| it.value("caCertificateId") == Some(&ca_id)), "JP-14");
        assert_eq!(of_ca.count(), 6);
    }
}

#[tokio::test]
async fn pt_2_7_and_8_the_second_device_uses_the_policy_of_the_first_and_none_will_do() {
    let emulator = Emulator::start();
    let iot = emulator.iot_core();
    let several = CertificateAuthority::new("Several");
    let mut body = template(&everything());
    body["Resources"]["more"] = json!({
        "Type": "AWS::IoT::Policy", "Properties": { "PolicyDocument": allow(&["iot:Connect"], "*") },
    });
    iot.register_ca(&several, AutoRegistration::Template(body.clone()));
    let none = CertificateAuthority::new("None");
    let resources = body["Resources"].as_object_mut().expect("an object");
    resources.retain(|id, _| id == "identity");
    iot.register_ca(&none, AutoRegistration::Template(body));
    let mut policies = Vec::new();
    for name in ["one", "two"] {
        let device = Device::new(&iot, several.issue(name));
        assert!(!Door::Mqtt.lets_in(&device).await);
        emulator.settled().await;
        assert!(Door::Mqtt.lets_in(&device).await, "{}", emulator.trace());
        let target = iot.certificate_arn(device.certificate_id());
        let attached = call(&iot, "ListAttachedPolicies", json!({ "target": target }));
        policies.push(attached["policies"].clone());
    }
    assert_eq!(policies[0], policies[1], "PT-8");
    let made = policies[0].as_array().expect("a list");
    assert_eq!(made.len(), 2, "PT-2");
    let all = call(&iot, "ListPolicies", json!({}))["policies"].clone();
    assert_eq!(all.as_array().map(Vec::len), Some(2), "PT-8");
    for policy in made {
        let name = policy["policyName"].as_str().expect("text");
        let hash = name.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'A'..=b'F'));
        assert!(name.len() == 40 && hash, "PT-7: {name}");
    }

    let device = Device::new(&iot, none.issue("three"));
    assert!(!Door::Mqtt.lets_in(&device).await);
    emulator.settled().await;
    assert_eq!(status(&iot, &device), "ACTIVE", "PT-2: without a policy it is ACTIVE too");
    assert!(!Door::Mqtt.lets_in(&device).await, "and may do nothing");
    assert_eq!(refusal(&emulator, "Connect").reason, Some("AUTHORIZATION_FAILURE"));
    let things = call(&iot, "ListThings", json!({}))["things"].clone();
    assert_eq!(things.as_array().map(Vec::len), Some(2), "none for the third");
}

#[tokio::test]
async fn jp_12_a_certificate_that_is_known_is_not_provisioned() {
    let emulator = Emulator::start();
    let iot = emulator.iot_core();
    let ca = CertificateAuthority::new("Acme Devices");
    iot.register_ca(&ca, AutoRegistration::Template(template(&everything())));
    let identity = ca.issue("lamp");
    let input = json!({ "certificatePem": identity.certificate_pem() });
    call(&iot, "RegisterCertificate", input);
    let device = Device::new(&iot, identity);
    for door in Door::BOTH {
        assert!(!door.lets_in(&device).await);
        emulator.settled().await;
        assert_eq!(status(&iot, &device), "INACTIVE");
    }
    assert_eq!(call(&iot, "ListThings", json!({}))["things"], json!([]));
    assert_eq!(iot.metric("ProvisionThing.ClientError", &[]), Some(0));
}
