//! PT-2 … PT-13 and JP-1 … JP-14: what a template makes of a device that connects.

use super::*;
use crate::pki::{AttributeKind, Leaf, Subject, sha1_hex_upper};
use crate::registry::RegistrationConfig;

const ROLE: &str = "arn:aws:iam::000000000000:role/JITPRole";
const ALLOW_ALL: &str =
    r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"iot:*","Resource":"*"}]}"#;

fn fixture(name: &str) -> Value {
    let text = match name {
        "thing-policy" => include_str!("../../../../fixtures/templates/thing-policy.json"),
        "admin-policy" => include_str!("../../../../fixtures/templates/admin-policy.json"),
        "named-policy" => include_str!("../../../../fixtures/templates/named-policy.json"),
        other => panic!("there is no fixture {other}"),
    };
    serde_json::from_str(text).expect("a registrationConfig")
}

/// The configuration for a template of these resources besides the certificate.
pub(super) fn config(parameters: Value, mut resources: Value) -> Value {
    resources["certificate"] = json!({
        "Type": "AWS::IoT::Certificate",
        "Properties": { "CertificateId": { "Ref": "AWS::IoT::Certificate::Id" } }
    });
    config_of(&json!({ "Parameters": parameters, "Resources": resources }))
}

fn config_of(template: &Value) -> Value {
    json!({ "templateBody": template.to_string(), "roleArn": ROLE })
}

pub(super) fn common_name() -> Value {
    json!({ COMMON_NAME: { "Type": "String" }, ID: { "Type": "String" } })
}

const COMMON_NAME: &str = "AWS::IoT::Certificate::CommonName";
const ID: &str = "AWS::IoT::Certificate::Id";

pub(super) fn thing(properties: Value, overrides: Value) -> Value {
    let mut thing = json!({
        "Type": "AWS::IoT::Thing", "Properties": { "ThingName": { "Ref": COMMON_NAME } }
    });
    thing["Properties"].as_object_mut().unwrap().extend(properties.as_object().unwrap().clone());
    if !overrides.is_null() {
        thing["OverrideSettings"] = overrides;
    }
    json!({ "thing": thing })
}

fn policy(properties: Value) -> Value {
    json!({ "policy": { "Type": "AWS::IoT::Policy", "Properties": properties } })
}

fn subject(name: &str) -> Subject {
    Subject::new().with(AttributeKind::Country, "DE").with(AttributeKind::CommonName, name)
}

/// Connects a device and runs what that asks for.
pub(super) fn connect_and_provision(
    registry: &mut Registry,
    device: &Identity,
) -> Result<Provisioned, Box<ProvisioningFailure>> {
    let rejected = connect(registry, device).expect_err("the first connection is dropped");
    let [
        ProvisioningEffect::RegisteredEvent { .. },
        ProvisioningEffect::Provision { certificate_id, .. },
    ] = rejected.effects.as_slice()
    else {
        panic!("{:?}", rejected.effects)
    };
    provision(registry, *certificate_id, NOW)
}

/// A registry whose CA provisions its devices by `config`, and the CA.
pub(super) fn provisioning_by(config: Value) -> (Registry, CertificateAuthority) {
    let mut registry = registry();
    let ca = CertificateAuthority::new("Acme");
    register_ca(&mut registry, &ca, json!({ "registrationConfig": config }));
    (registry, ca)
}

/// The text of the failure of a first connection of `lamp`.
pub(super) fn failing(
    config: Value,
    prepare: impl FnOnce(&mut Registry),
) -> (String, String, Registry) {
    let (mut registry, ca) = provisioning_by(config);
    prepare(&mut registry);
    let device = ca.issue_with(Leaf::new(subject("lamp")));
    let failure = connect_and_provision(&mut registry, &device).expect_err("a template that fails");
    assert_eq!(status(&registry, &device), Some("PENDING_ACTIVATION"), "JP-8");
    let again = connect_and_provision(&mut registry, &device).expect_err("it fails again");
    assert_eq!((&again.step, &again.error), (&failure.step, &failure.error), "JP-8");
    (failure.step, failure.error.to_string(), registry)
}

#[test]
fn s2_pt_7_to_9_and_12_the_articles_device_is_provisioned_and_connects() {
    let (mut registry, ca) = provisioning_by(fixture("thing-policy"));
    let device = ca.issue_with(Leaf::new(subject("DemoThing")).x509_v1());
    let provisioned = connect_and_provision(&mut registry, &device).unwrap();
    let document = registry.policies_in_force(device.certificate_id(), None);
    let name = document[0].name.to_string();
    assert_eq!(document.len(), 1);
    assert_eq!(name.len(), 40, "PT-7");
    assert!(name.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'A'..=b'F')), "PT-7: {name}");
    assert_eq!(
        provisioned.lines,
        [
            "made thing `DemoThing`".to_owned(),
            format!("made policy `{name}`"),
            format!("attached policy `{name}` to the certificate"),
            "attached the certificate to thing `DemoThing`".to_owned(),
            "set the certificate ACTIVE".to_owned(),
        ],
        "PT-12"
    );
    let stored = registry.get_policy(input(json!({ "policyName": name }))).unwrap();
    let text = stored.policy_document;
    assert!(text.contains("client/${iot:Connection.Thing.ThingName}"), "PT-9: {text}");
    assert_eq!(name, sha1_hex_upper(text.as_bytes()));
    let thing = registry.thing(&crate::names::ThingName::new("DemoThing")).unwrap();
    assert_eq!(thing.attributes.get("country"), Some("DE"));
    let client_id = crate::names::ClientId::new("DemoThing");
    let associated = registry.associated_thing(device.certificate_id(), &client_id);
    assert_eq!(associated.as_ref().map(|name| name.as_str()), Some("DemoThing"));
    assert!(connect(&mut registry, &device).is_ok(), "JP-11: the leaf alone is enough");

    let next = ca.issue_with(Leaf::new(subject("NextThing")));
    let provisioned = connect_and_provision(&mut registry, &next).unwrap();
    let made_policy = format!("made policy `{name}`");
    assert!(!provisioned.lines.contains(&made_policy), "PT-8: the policy is used again");
    assert_eq!(registry.list_policies(input(json!({}))).unwrap().policies.len(), 1);
    let arns: Vec<(&str, &str)> = provisioned
        .resource_arns
        .iter()
        .map(|(id, arn)| (id.as_str(), arn.name_of("policy").unwrap_or_default()))
        .collect();
    assert_eq!(arns, [("certificate", ""), ("policy", name.as_str()), ("thing", "")]);
}

#[test]
fn s2_pt_11_and_13_the_articles_other_templates() {
    let (mut registry, ca) = provisioning_by(fixture("admin-policy"));
    let device = ca.issue_with(Leaf::new(subject("lamp")));
    assert!(connect_and_provision(&mut registry, &device).is_ok());
    assert!(connect(&mut registry, &device).is_ok());

    let (step, error, mut registry) = failing(fixture("named-policy"), |_| {});
    assert_eq!(step, "policy");
    assert_eq!(
        error,
        "ResourceRegistrationFailureException: Register thing workflow execution terminates due \
         to: Policy default version not found",
        "PT-13"
    );
    let things = registry.list_things(input(json!({}))).unwrap().things;
    assert_eq!(things.len(), 1, "JP-9: what was made stays");
    let policy = json!({ "policyName": "Device", "policyDocument": ALLOW_ALL });
    registry.create_policy(input(policy), NOW).unwrap();
    let waiting = registry.list_certificates(input(json!({}))).unwrap().certificates;
    let provisioned = provision(&mut registry, waiting[0].certificate_id, NOW).unwrap();
    assert_eq!(provisioned.lines[0], "thing `lamp` exists and is kept", "PT-11: an equal one");
    assert_eq!(provisioned.status, Some(CertificateStatus::Active));
    assert_eq!(provisioned.resource_arns.get("policy"), None, "RT-1: none for a policy by name");
}

#[test]
fn jp_3_to_5_what_the_subject_lacks_fails_before_anything_is_made() {
    let country = "AWS::IoT::Certificate::Country";
    let declares =
        |name: &str| json!({ name: { "Type": "String" }, COMMON_NAME: { "Type": "String" } });
    let in_attribute =
        |name: &str| thing(json!({ "AttributePayload": { "x": { "Ref": name } } }), Value::Null);
    let organization = "AWS::IoT::Certificate::Organization";
    let table = [
        (
            "JP-3",
            config(declares(organization), in_attribute(organization)),
            "Parameters",
            organization,
        ),
        ("JP-5", config(declares(organization), json!({})), "Parameters", organization),
        ("not AWS's", config(declares("Serial"), json!({})), "Parameters", "Serial"),
        ("not declared", config(common_name(), in_attribute(country)), "thing", country),
    ];
    for (row, config, step, name) in table {
        let (at, error, registry) = failing(config, |_| {});
        assert_eq!(
            error,
            format!(
                "InvalidRequestException: Invalid registration template. Cannot resolve reference \
                 value: {{Ref={name}}}"
            ),
            "{row}"
        );
        assert_eq!(at, step, "{row}");
        assert_eq!(registry.list_things(input(json!({}))).unwrap().things, [], "{row}");
    }
    let with_default = json!({
        organization: { "Type": "String", "Default": "Acme" }, COMMON_NAME: { "Type": "String" }
    });
    let (mut registry, ca) = provisioning_by(config(with_default, in_attribute(organization)));
    let device = ca.issue("lamp");
    connect_and_provision(&mut registry, &device).expect("JP-5: a Default stands in");
    let made = registry.thing(&crate::names::ThingName::new("lamp")).unwrap();
    assert_eq!(made.attributes.get("x"), Some("Acme"));
}

#[test]
fn jp_2_and_4_the_parameters_come_from_the_subject_escaped() {
    let kinds = [
        ("Country", AttributeKind::Country),
        ("Organization", AttributeKind::Organization),
        ("OrganizationalUnit", AttributeKind::OrganizationalUnit),
        ("DistinguishedNameQualifier", AttributeKind::DistinguishedNameQualifier),
        ("StateName", AttributeKind::State),
        ("CommonName", AttributeKind::CommonName),
        ("SerialNumber", AttributeKind::SerialNumber),
    ];
    for (name, kind) in kinds {
        let parameter = format!("AWS::IoT::Certificate::{name}");
        let resources = json!({ "thing": {
            "Type": "AWS::IoT::Thing", "Properties": { "ThingName": { "Ref": parameter } }
        } });
        let (mut registry, ca) =
            provisioning_by(config(json!({ parameter: { "Type": "String" } }), resources));
        let device = ca.issue_with(Leaf::new(Subject::new().with(kind, "X1").with(kind, "X2")));
        let provisioned = connect_and_provision(&mut registry, &device).unwrap();
        assert_eq!(provisioned.thing_name.unwrap().as_str(), "X1", "{name}: the first value");
    }
    let resources = thing(json!({}), Value::Null);
    let (mut registry, ca) = provisioning_by(config(common_name(), resources));
    let device = ca.issue("testThingC=US");
    let failure = connect_and_provision(&mut registry, &device).unwrap_err();
    assert_eq!(failure.step, "thing");
    assert!(failure.error.message().contains("'thingName' failed"), "JP-4: a backslash came in");
    let by_document = policy(json!({ "PolicyDocument": { "Fn::Sub": format!(
        "{{\"Version\":\"2012-10-17\",\"Id\":\"${{{COMMON_NAME}}}\",\"Statement\":[]}}"
    ) } }));
    let (mut registry, ca) = provisioning_by(config(common_name(), by_document));
    let failure = connect_and_provision(&mut registry, &ca.issue("a=b")).unwrap_err();
    assert!(failure.error.message().contains("Policy document is Malformed"), "JP-4: `a\\=b`");
}

#[test]
fn pt_4_and_12_the_status_comes_from_the_template() {
    let body = |status: Value, overrides: Value| {
        let mut certificate = json!({
            "Type": "AWS::IoT::Certificate", "Properties": { "CertificateId": { "Ref": ID } }
        });
        if !status.is_null() {
            certificate["Properties"]["Status"] = status;
        }
        if !overrides.is_null() {
            certificate["OverrideSettings"] = overrides;
        }
        config_of(&json!({
            "Parameters": { ID: { "Type": "String" } }, "Resources": { "c": certificate }
        }))
    };
    let table = [
        (json!(null), json!(null), Some("ACTIVE")),
        (json!("ACTIVE"), json!(null), Some("ACTIVE")),
        (json!("Active"), json!({ "Status": "DO_NOTHING" }), Some("ACTIVE")),
        (json!("inactive"), json!(null), Some("INACTIVE")),
        (json!("REVOKED"), json!(null), None),
    ];
    for (state, overrides, expected) in table {
        let (mut registry, ca) = provisioning_by(body(state.clone(), overrides));
        let device = ca.issue("lamp");
        let result = connect_and_provision(&mut registry, &device);
        match expected {
            Some(expected) => assert_eq!(status(&registry, &device), Some(expected), "{state}"),
            None => assert_eq!(result.unwrap_err().step, "c"),
        }
    }
}

#[test]
fn pt_11_an_existing_thing_follows_the_override_settings() {
    let attributes = json!({ "AttributePayload": { "a": "2", "b": "3" } });
    let override_with = |action: &str| json!({ "AttributePayload": action });
    let table = [
        (json!(null), None),
        (override_with("FAIL"), None),
        (override_with("DO_NOTHING"), Some(json!({ "a": "1", "z": "9" }))),
        (override_with("REPLACE"), Some(json!({ "a": "2", "b": "3" }))),
        (override_with("MERGE"), Some(json!({ "a": "2", "b": "3", "z": "9" }))),
    ];
    let existing = |registry: &mut Registry| {
        let payload = json!({ "attributes": { "a": "1", "z": "9" } });
        let json = json!({ "thingName": "lamp", "attributePayload": payload });
        registry.create_thing(input(json), NOW).unwrap();
    };
    for (overrides, expected) in table {
        let config = config(common_name(), thing(attributes.clone(), overrides.clone()));
        let Some(expected) = expected else {
            let (step, error, _) = failing(config, existing);
            assert_eq!(step, "thing");
            assert_eq!(
                error,
                "ResourceRegistrationFailureException: Register thing workflow execution \
                 terminates due to: Existing AttributePayload: {a=1, z=9} conflicts with \
                 AttributePayload: {a=2, b=3} in Template."
            );
            continue;
        };
        let (mut registry, ca) = provisioning_by(config);
        existing(&mut registry);
        connect_and_provision(&mut registry, &ca.issue("lamp")).unwrap();
        let thing = registry.thing(&crate::names::ThingName::new("lamp")).unwrap();
        assert_eq!(json!(thing.attributes), expected, "{overrides}");
    }
}

#[test]
fn pt_6_and_13_what_ends_a_run() {
    let terminated = |cause: &str| {
        format!(
            "ResourceRegistrationFailureException: Register thing workflow execution terminates \
             due to: {cause}"
        )
    };
    let invalid =
        |why: &str| format!("InvalidRequestException: Invalid registration template. {why}");
    let both = json!({ "PolicyName": "P", "PolicyDocument": ALLOW_ALL });
    let table = [
        (
            "PT-13",
            thing(json!({ "ThingTypeName": "Lamp" }), Value::Null),
            "thing",
            terminated("Thing Type 000000000000:Lamp not found."),
        ),
        (
            "PT-13",
            thing(json!({ "ThingGroups": ["v1", { "Ref": ID }] }), Value::Null),
            "thing",
            terminated("ThingGroup 000000000000:v1 not found."),
        ),
        (
            "PT-3",
            thing(json!({ "BillingGroup": "B" }), Value::Null),
            "thing",
            terminated("BillingGroup 000000000000:B not found."),
        ),
        (
            "PT-6",
            policy(both),
            "policy",
            invalid("PolicyName and PolicyDocument exclude each other"),
        ),
        (
            "PT-6",
            policy(json!({})),
            "policy",
            invalid("it has neither PolicyName nor PolicyDocument"),
        ),
        (
            "POL-6",
            policy(json!({ "PolicyDocument": { "Statement": [{ "effect": "Allow" }] } })),
            "policy",
            terminated(
                "Policy document is Malformed: Invalid policy syntax. (at Statement[0].effect: \
                 an AWS IoT policy has no such element; Effect is one)",
            ),
        ),
        (
            "PT-3",
            json!({ "thing": { "Type": "AWS::IoT::Thing", "Properties": {} } }),
            "thing",
            invalid("it has no ThingName"),
        ),
        (
            "Fn::Select",
            thing(json!({ "ThingTypeName": { "Fn::Select": [1, ["a"]] } }), Value::Null),
            "thing",
            invalid("Cannot resolve reference value: {Fn::Select=[1,[\"a\"]]}"),
        ),
    ];
    for (row, resources, step, expected) in table {
        let (at, error, _) = failing(config(common_name(), resources), |_| {});
        assert_eq!((at.as_str(), error), (step, expected), "{row}");
    }
}

#[test]
fn pt_6_to_9_a_document_may_be_an_object_with_functions() {
    let document = json!({
        "Version": "2012-10-17",
        "Statement": [{
            "Effect": "Allow",
            "Action": ["iot:Connect"],
            "Resource": { "Fn::FindInMap": ["Site", { "Ref": COMMON_NAME }, "client"] },
        }],
    });
    let client = "arn:aws:iot:us-east-1:000000000000:client/${iot:ClientId}";
    let mut resources = policy(json!({ "PolicyDocument": document }));
    resources["c"] = json!({
        "Type": "AWS::IoT::Certificate", "Properties": { "CertificateId": { "Ref": ID } }
    });
    let template = json!({
        "Parameters": common_name(),
        "Mappings": { "Site": { "lamp": { "client": client } } },
        "Resources": resources,
        "DeviceConfiguration": { "Foo": "Bar" },
    });
    let (mut registry, ca) = provisioning_by(config_of(&template));
    let provisioned = connect_and_provision(&mut registry, &ca.issue("lamp")).unwrap();
    let name = provisioned.policy_names[0].to_string();
    let text = registry.get_policy(input(json!({ "policyName": name }))).unwrap().policy_document;
    assert!(text.contains(client), "{text}");
    assert_eq!(name, sha1_hex_upper(text.as_bytes()));
}

#[test]
fn pt_2_several_policies_or_none() {
    let several = json!({
        "one": { "Type": "AWS::IoT::Policy", "Properties": { "PolicyDocument": ALLOW_ALL } },
        "two": { "Type": "AWS::IoT::Policy", "Properties": { "PolicyName": "Named" } },
    });
    for (resources, expected) in [(several, 2), (json!({}), 0)] {
        let (mut registry, ca) = provisioning_by(config(common_name(), resources));
        let json = json!({ "policyName": "Named", "policyDocument": ALLOW_ALL });
        registry.create_policy(input(json), NOW).unwrap();
        let device = ca.issue("lamp");
        let provisioned = connect_and_provision(&mut registry, &device).unwrap();
        assert_eq!(provisioned.policy_names.len(), expected);
        assert_eq!(registry.policies_in_force(device.certificate_id(), None).len(), expected);
        assert_eq!(provisioned.thing_name, None);
    }
}

#[test]
fn jp_8_and_9_a_run_that_fails_tells_what_it_did_and_a_mended_template_ends_it() {
    let mut resources = thing(json!({}), Value::Null);
    resources["policy"] = policy(json!({ "PolicyName": "Missing" }))["policy"].take();
    let (mut registry, ca) = provisioning_by(config(common_name(), resources));
    let device = ca.issue("lamp");
    let failure = connect_and_provision(&mut registry, &device).unwrap_err();
    assert_eq!(failure.done, ["made thing `lamp`"]);
    assert_eq!(failure.step, "policy");

    let mended = config(common_name(), thing(json!({}), Value::Null));
    update_ca(&mut registry, &ca, json!({ "registrationConfig": mended }));
    assert!(connect_and_provision(&mut registry, &device).is_ok());
    assert!(connect(&mut registry, &device).is_ok());
}

#[test]
fn jp_12_only_a_certificate_that_waits_is_provisioned() {
    let (mut registry, ca) = provisioning_by(config(common_name(), thing(json!({}), Value::Null)));
    let known = ca.issue("known");
    let json = json!({ "certificatePem": known.certificate_pem(), "status": "INACTIVE" });
    registry.register_certificate(input(json), NOW).unwrap();
    assert_eq!(connect(&mut registry, &known).unwrap_err().effects, []);
    let nothing = provision(&mut registry, known.certificate_id(), NOW).unwrap();
    assert_eq!(nothing.status, None);
    assert_eq!(nothing.lines, ["nothing to do: the certificate is INACTIVE meanwhile"]);

    // Two connections before the template ran: it runs once, the second finds nothing to do.
    let device = ca.issue("lamp");
    for _ in 0..2 {
        assert_eq!(connect(&mut registry, &device).unwrap_err().effects.len(), 2);
    }
    assert!(provision(&mut registry, device.certificate_id(), NOW).unwrap().status.is_some());
    assert_eq!(provision(&mut registry, device.certificate_id(), NOW).unwrap().status, None);

    let gone = ca.issue("gone");
    connect(&mut registry, &gone).unwrap_err();
    update_ca(&mut registry, &ca, json!({ "removeAutoRegistration": true }));
    let failure = provision(&mut registry, gone.certificate_id(), NOW).unwrap_err();
    assert_eq!(failure.step, "the CA certificate");
    let id = json!({ "certificateId": gone.certificate_id().to_string() });
    registry.delete_certificate(input(id)).unwrap();
    let failure = provision(&mut registry, gone.certificate_id(), NOW).unwrap_err();
    assert_eq!(failure.step, "the certificate");
}

#[test]
fn a_stored_template_that_is_none_fails_and_names_itself() {
    let typo = thing(json!({ "Thingtypename": "x" }), Value::Null);
    let (step, error, _) = failing(config(common_name(), typo), |_| {});
    assert_eq!(step, "the template");
    assert_eq!(
        error,
        "InvalidRequestException: Invalid registration template. The template body is invalid"
    );
    let empty: RegistrationConfig = input(json!({}));
    assert_eq!(empty, RegistrationConfig::default());
}
