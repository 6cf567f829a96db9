//! FP-1, FP-2, FP-7 and the catalogue of rejections: certificates with ownership tokens, and
//! RegisterThing over MQTT.

use std::time::Duration;

use super::*;
use crate::names::{ClientId, TemplateName, ThingName, TopicName};
use crate::registry::OwnershipToken;

const HOUR: Duration = Duration::from_secs(60 * 60);
const ALLOW_ALL: &str =
    r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"iot:*","Resource":"*"}]}"#;
const FUNCTION: &str = "arn:aws:lambda:us-east-1:000000000000:function:hook";

fn request(format: &str) -> FleetRequest {
    let topic = format!("$aws/provisioning-templates/Fleet/provision/{format}");
    FleetRequest::of(&TopicName::from(topic)).unwrap()
}

fn template_of(resources: Value) -> Value {
    let mut body = json!({
        "Parameters": {
            "SerialNumber": { "Type": "String" },
            "Place": { "Type": "String", "Default": "Cellar" },
        },
        "Resources": {
            "certificate": {
                "Type": "AWS::IoT::Certificate",
                "Properties": {
                    "CertificateId": { "Ref": "AWS::IoT::Certificate::Id" }, "Status": "Active",
                },
            },
        },
    });
    let all = body["Resources"].as_object_mut().unwrap();
    all.extend(resources.as_object().unwrap().clone());
    body
}

fn lamp() -> Value {
    json!({
        "Type": "AWS::IoT::Thing",
        "Properties": {
            "ThingName": { "Ref": "SerialNumber" },
            "AttributePayload": { "place": { "Ref": "Place" } },
        },
    })
}

fn named_policy(name: &str) -> Value {
    json!({ "Type": "AWS::IoT::Policy", "Properties": { "PolicyName": name } })
}

fn create_template(registry: &mut Registry, body: &Value, more: Value) {
    let mut json = json!({
        "templateName": "Fleet", "templateBody": body.to_string(), "enabled": true,
        "provisioningRoleArn": "arn:aws:iam::000000000000:role/Provisioning",
    });
    json.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    registry.create_provisioning_template(input(json), &|_, _| true, NOW).unwrap();
}

fn with_template(body: &Value) -> Registry {
    let mut registry = registry();
    create_template(&mut registry, body, json!({}));
    registry
}

/// A certificate that a device was given, with its token.
fn given(registry: &mut Registry, seed: u64, now: Timestamp) -> (CertificateId, String) {
    let certificate = Identity::self_signed(&format!("device-{seed}")).certificate().clone();
    let mut random = fastrand::Rng::with_seed(seed);
    let token = OwnershipToken::new(|bytes| random.fill(bytes));
    let text = token.as_str().to_owned();
    let id = certificate.id();
    CertificateReply::store(registry, certificate, None, token, now).unwrap();
    (id, text)
}

fn begin(
    registry: &Registry,
    said: &Value,
    now: Timestamp,
) -> Result<(Registering, Option<HookCall>), FleetRejection> {
    let client_id = ClientId::new("device");
    let caller = FleetCaller { client_id: &client_id, certificate_id: "ab12" };
    let template = TemplateName::new("Fleet");
    let payload = said.to_string();
    Registering::begin(registry, &request("json"), &template, payload.as_bytes(), caller, now)
}

/// What the device is answered, as the members of a JSON object.
fn register(registry: &mut Registry, said: &Value, now: Timestamp) -> Result<Value, Value> {
    let registered = begin(registry, said, now)
        .and_then(|(registering, _hook)| registering.finish(registry, "the-request", now));
    match registered {
        Ok(registered) => Ok(serde_json::to_value(registered).unwrap()),
        Err(rejection) => Err(serde_json::to_value(rejection).unwrap()),
    }
}

fn status_of(registry: &Registry, id: CertificateId) -> Option<&'static str> {
    registry.certificate(id).map(|record| record.status.as_str())
}

#[test]
fn fp_topics_name_a_request_and_its_format() {
    let table = [
        ("$aws/certificates/create/json", Some("CreateKeysAndCertificate")),
        ("$aws/certificates/create/cbor", Some("CreateKeysAndCertificate")),
        ("$aws/certificates/create-from-csr/json", Some("CreateCertificateFromCsr")),
        ("$aws/provisioning-templates/T/provision/cbor", Some("RegisterThing")),
        ("$aws/provisioning-templates/T/provision/xml", None),
        ("$aws/provisioning-templates/T/provision", None),
        ("$aws/provisioning-templates/T/other/json", None),
        ("$aws/certificates/create/json/accepted", None),
        ("$aws/certificates/json", None),
        ("certificates/create/json", None),
    ];
    for (topic, expected) in table {
        let request = FleetRequest::of(&TopicName::new(topic));
        assert_eq!(request.map(|request| request.operation.name()), expected, "{topic}");
    }
    let reply = request("cbor").accept(&json!({}));
    assert_eq!(reply.topic.as_str(), "$aws/provisioning-templates/Fleet/provision/cbor/accepted");
    assert_eq!(reply.payload.as_ref(), b"\xa0");
}

#[test]
fn fp_1_fp_7_a_certificate_waits_until_its_device_is_provisioned() {
    let body = template_of(json!({ "lamp": lamp(), "policy": {
        "Type": "AWS::IoT::Policy",
        "Properties": { "PolicyDocument": ALLOW_ALL },
    } }));
    let mut registry = with_template(&body);
    let (id, token) = given(&mut registry, 1, NOW);
    assert_eq!(token.len(), 464);
    assert_eq!(status_of(&registry, id), Some("PENDING_ACTIVATION"));
    let said = json!({
        "certificateOwnershipToken": token,
        "parameters": { "SerialNumber": "lamp-1", "Unknown": "x", "AWS::IoT::Certificate::Id": "y" },
    });
    let answer = register(&mut registry, &said, NOW);
    assert_eq!(answer, Ok(json!({ "deviceConfiguration": {}, "thingName": "lamp-1" })));
    assert_eq!(status_of(&registry, id), Some("ACTIVE"));
    let thing = registry.thing(&ThingName::new("lamp-1")).unwrap();
    assert_eq!(thing.attributes.get("place"), Some("Cellar"));
    let again = register(&mut registry, &said, NOW).unwrap_err();
    assert_eq!(again["errorMessage"], "Certificate ownership token is invalid.", "used");
    assert_eq!(registry.lapse_tokens(NOW + HOUR), [], "it is ACTIVE");
}

#[test]
fn fp_7_without_a_thing_there_is_no_name_and_the_configuration_is_the_templates() {
    let mut body = template_of(json!({}));
    body["Mappings"] = json!({ "Url": { "Cellar": { "url": "https://cellar.example.com" } } });
    body["DeviceConfiguration"] = json!({
        "Url": { "Fn::FindInMap": ["Url", { "Ref": "Place" }, "url"] },
        "Serial": { "Fn::Sub": "no ${SerialNumber}" },
        "Interval": 5,
    });
    let mut registry = with_template(&body);
    let (_, token) = given(&mut registry, 1, NOW);
    let said = json!({ "certificateOwnershipToken": token, "parameters": { "SerialNumber": 7 } });
    let configuration =
        json!({ "Url": "https://cellar.example.com", "Serial": "no 7", "Interval": 5 });
    let answer = register(&mut registry, &said, NOW);
    assert_eq!(answer, Ok(json!({ "deviceConfiguration": configuration })));
}

#[test]
fn fp_rejections_before_anything_is_looked_up_come_in_aws_order() {
    let mut registry = registry();
    let disabled = json!({ "enabled": false });
    let token = |token: &str| json!({ "certificateOwnershipToken": token, "parameters": { "SerialNumber": "s" } });
    let rejected = |registry: &Registry, said: &Value| {
        let rejection = begin(registry, said, NOW).unwrap_err();
        (rejection.status_code, rejection.error_code, rejection.error_message)
    };
    let expected = |code, text: &str| (400, code, text.to_owned());
    for unreadable in [json!([]), json!("x"), json!({ "parameters": { "a": [] } })] {
        let answer = rejected(&registry, &unreadable);
        assert_eq!(answer, expected("InvalidPayload", "Message cannot be parsed"), "{unreadable}");
    }
    let answer = rejected(&registry, &json!({}));
    assert_eq!(answer, expected("InvalidTemplate", "Template with name Fleet does not exist."));
    create_template(&mut registry, &template_of(json!({})), disabled);
    let answer = rejected(&registry, &json!({}));
    assert_eq!(answer, expected("InvalidTemplate", "Template Fleet is not enabled."));
    let enable = json!({ "templateName": "Fleet", "enabled": true });
    registry.update_provisioning_template(input(enable), &|_, _| true, NOW).unwrap();
    let code = "InvalidCertificateOwnershipToken";
    for missing in [json!({}), token("")] {
        let answer = rejected(&registry, &missing);
        assert_eq!(answer, expected(code, "Certificate ownership token cannot be empty."));
    }
    let answer = rejected(&registry, &token("x"));
    assert_eq!(answer, expected(code, "Certificate ownership token is invalid."));
    let (_, lapsed) = given(&mut registry, 1, NOW);
    let late = begin(&registry, &token(&lapsed), NOW + HOUR).unwrap_err();
    assert_eq!(late.error_message, "Certificate ownership token is invalid.");
    assert!(begin(&registry, &token(&lapsed), NOW + HOUR - Duration::from_millis(1)).is_ok());
}

#[test]
fn fp_a_template_for_jitp_is_none_for_a_fleet() {
    let mut registry = registry();
    create_template(&mut registry, &template_of(json!({})), json!({ "type": "JITP" }));
    let rejection = begin(&registry, &json!({}), NOW).unwrap_err();
    assert_eq!(rejection.error_message, "Template with name Fleet does not exist.");
}

/// What a rejected request must not have changed.
fn seen(registry: &Registry, id: CertificateId) -> String {
    let things = registry.list_things(input(json!({}))).unwrap();
    let policies = registry.list_policies(input(json!({}))).unwrap();
    let groups: Vec<String> = registry.groups_of_thing("lamp-1").map(ToString::to_string).collect();
    let attached = registry.policies_in_force(id, None).len();
    let of_thing = json!({ "thingName": "lamp-1" });
    let principals = registry.list_thing_principals(input(of_thing)).ok();
    let status = status_of(registry, id);
    format!("{things:?} {policies:?} {groups:?} {attached} {principals:?} {status:?}")
}

#[test]
fn fp_what_the_registry_refuses_changes_nothing() {
    let of_type = |name: &str| {
        let mut lamp = lamp();
        lamp["Properties"]["ThingTypeName"] = json!(name);
        json!({ "lamp": lamp })
    };
    let with_groups = |groups: Value| {
        let mut lamp = lamp();
        lamp["Properties"]["ThingGroups"] = groups;
        lamp["OverrideSettings"] = json!({
            "AttributePayload": "REPLACE", "ThingGroups": "REPLACE", "ThingTypeName": "REPLACE",
        });
        lamp["Properties"]["ThingTypeName"] = json!("Lamp");
        json!({ "lamp": lamp, "document": {
            "Type": "AWS::IoT::Policy",
            "Properties": { "PolicyDocument": ALLOW_ALL },
        }, "policy": named_policy("Missing") })
    };
    let missing_policy = "Policy default version not found";
    let conflict = "Existing AttributePayload: {place=Attic} conflicts with AttributePayload: \
                    {place=Cellar} in Template.";
    let groups = json!(["Cellar"]);
    let table = [
        (json!({ "lamp": lamp(), "policy": named_policy("Missing") }), false, missing_policy),
        (of_type("None"), false, "Thing Type 000000000000:None not found."),
        (with_groups(json!(["None"])), false, "ThingGroup 000000000000:None not found."),
        (with_groups(groups.clone()), false, missing_policy),
        (json!({ "lamp": lamp() }), true, conflict),
        (with_groups(groups), true, missing_policy),
    ];
    for (resources, exists, cause) in table {
        let mut registry = with_template(&template_of(resources.clone()));
        for thing_type in ["Lamp", "Fan"] {
            let json = json!({ "thingTypeName": thing_type });
            registry.create_thing_type(input(json), NOW).unwrap();
        }
        for group in ["Cellar", "Attic"] {
            let json = json!({ "thingGroupName": group });
            registry.create_thing_group(input(json), NOW).unwrap();
        }
        if exists {
            let json = json!({
                "thingName": "lamp-1", "thingTypeName": "Fan",
                "attributePayload": { "attributes": { "place": "Attic" } },
            });
            registry.create_thing(input(json), NOW).unwrap();
            let json = json!({ "thingName": "lamp-1", "thingGroupName": "Attic" });
            registry.add_thing_to_thing_group(input(json), NOW).unwrap();
        }
        let (id, token) = given(&mut registry, 1, NOW);
        let before = seen(&registry, id);
        registry.take_changes();
        let said = json!({
            "certificateOwnershipToken": token, "parameters": { "SerialNumber": "lamp-1" },
        });
        let rejection = register(&mut registry, &said, NOW).unwrap_err();
        let message = format!(
            "Register thing workflow execution terminates due to: {cause} (Service: AWSIot; \
             Status Code: 400; Error Code: ResourceRegistrationFailureException; Request ID: \
             the-request; Proxy: null)"
        );
        let expected = json!({ "statusCode": 400, "errorCode": "ProvisioningFailed", "errorMessage": message });
        assert_eq!(rejection, expected, "{resources}");
        assert_eq!(seen(&registry, id), before, "{resources}");
        assert_eq!(registry.take_changes(), [], "{resources}");
        // The device may try again when the template's mistake is mended.
        let json = json!({ "policyName": "Missing", "policyDocument": ALLOW_ALL });
        registry.create_policy(input(json), NOW).unwrap();
        if cause == missing_policy {
            assert_eq!(register(&mut registry, &said, NOW).unwrap()["thingName"], "lamp-1");
        }
    }
}

#[test]
fn fp_a_parameter_without_a_value_is_named() {
    let mut registry = with_template(&template_of(json!({ "lamp": lamp() })));
    let (id, token) = given(&mut registry, 1, NOW);
    let said = json!({ "certificateOwnershipToken": token });
    let expected = json!({
        "statusCode": 400, "errorCode": "InvalidParameters",
        "errorMessage": "Cannot resolve reference value: SerialNumber",
    });
    assert_eq!(register(&mut registry, &said, NOW), Err(expected));
    assert_eq!(status_of(&registry, id), Some("PENDING_ACTIVATION"));
}

#[test]
fn fp_hook_the_function_is_asked_before_the_template_runs() {
    let mut registry = registry();
    let body = template_of(json!({ "lamp": lamp() }));
    let hook = json!({ "preProvisioningHook": { "targetArn": FUNCTION } });
    create_template(&mut registry, &body, hook);
    let (id, token) = given(&mut registry, 1, NOW);
    let said = json!({
        "certificateOwnershipToken": token, "parameters": { "SerialNumber": "s", "Place": "Attic" },
    });
    let (mut registering, call) = begin(&registry, &said, NOW).unwrap();
    let call = call.expect("a hook");
    assert_eq!(call.function_arn, FUNCTION);
    let template_arn = "arn:aws:iot:us-east-1:000000000000:provisioningtemplate/Fleet";
    assert_eq!(call.template_arn.as_str(), template_arn);
    let asked: Value = serde_json::from_slice(&call.payload).unwrap();
    let pem = registry.certificate(id).unwrap().certificate.pem();
    let expected = json!({
        "claimCertificateId": "ab12", "certificateId": id.to_string(), "certificatePem": pem,
        "templateArn": template_arn, "clientId": "device",
        "parameters": { "SerialNumber": "s", "Place": "Attic" },
    });
    assert_eq!(asked, expected);
    let answer =
        r#"{"allowProvisioning":true,"parameterOverrides":{"SerialNumber":"t","Place":null}}"#;
    registering.take_in(HookOutcome::Answered(answer.into())).unwrap();
    let registered = registering.finish(&mut registry, "r", NOW).unwrap();
    assert_eq!(registered.provisioned.thing_name, Some(ThingName::new("t")));
    // Null takes the device's value away; the default counts then.
    let thing = registry.thing(&ThingName::new("t")).unwrap();
    assert_eq!(thing.attributes.get("place"), Some("Cellar"));
}

/// While the hook was asked, another request may have used the token.
#[test]
fn fp_two_requests_with_one_token_make_one_thing() {
    let mut registry = with_template(&template_of(json!({ "lamp": lamp() })));
    let (_, token) = given(&mut registry, 1, NOW);
    let said = |name: &str| json!({ "certificateOwnershipToken": token, "parameters": { "SerialNumber": name } });
    let (first, _) = begin(&registry, &said("a"), NOW).unwrap();
    let (second, _) = begin(&registry, &said("b"), NOW).unwrap();
    assert!(first.finish(&mut registry, "r", NOW).is_ok());
    let rejection = second.finish(&mut registry, "r", NOW).unwrap_err();
    assert_eq!(rejection.error_code, "InvalidCertificateOwnershipToken");
    assert!(registry.thing(&ThingName::new("b")).is_none());
}

#[test]
fn fp_2_a_certificate_that_nobody_wants_goes_with_its_token() {
    let mut registry = registry();
    let policy = json!({ "policyName": "p", "policyDocument": ALLOW_ALL });
    registry.create_policy(input(policy), NOW).unwrap();
    registry.create_thing(input(json!({ "thingName": "t" })), NOW).unwrap();
    let given: Vec<_> = (0..5).map(|seed| given(&mut registry, seed, NOW).0).collect();
    let [unwanted, activated, with_policy, with_thing, deleted] = given[..] else { panic!() };
    let active = json!({ "certificateId": activated.to_string(), "newStatus": "ACTIVE" });
    registry.update_certificate(input(active), NOW).unwrap();
    let attached = json!({ "policyName": "p", "target": arn_of(with_policy) });
    registry.attach_policy(input(attached)).unwrap();
    let attached = json!({ "thingName": "t", "principal": arn_of(with_thing) });
    registry.attach_thing_principal(input(attached)).unwrap();
    let gone = json!({ "certificateId": deleted.to_string() });
    registry.delete_certificate(input(gone)).unwrap();

    assert_eq!(registry.next_token_deadline(), Some(NOW + HOUR));
    assert_eq!(registry.lapse_tokens(NOW + HOUR - Duration::from_millis(1)), []);
    assert_eq!(registry.lapse_tokens(NOW + HOUR), [unwanted]);
    assert_eq!(registry.next_token_deadline(), None);
    let left = given.iter().map(|id| status_of(&registry, *id));
    let waits = Some("PENDING_ACTIVATION");
    assert_eq!(left.collect::<Vec<_>>(), [None, Some("ACTIVE"), waits, waits, None]);
}

fn arn_of(id: CertificateId) -> String {
    format!("arn:aws:iot:us-east-1:000000000000:cert/{id}")
}
