//! Corners of JP-1 to JP-6 and PT-1, PT-4, PT-5: what a CA may ask for, and what comes in from a
//! subject.

use super::jitp::{common_name, config, connect_and_provision, failing, provisioning_by, thing};
use super::*;
use crate::pki::{AttributeKind, Leaf, Subject};

const ROLE: &str = "arn:aws:iam::000000000000:role/JITPRole";

fn of(name: &str) -> String {
    format!("AWS::IoT::Certificate::{name}")
}

/// The policy document that comes of one whose `Sid` is this.
fn document_with(sid: &Value) -> Value {
    json!({ "policy": { "Type": "AWS::IoT::Policy", "Properties": { "PolicyDocument": {
        "Version": "2012-10-17",
        "Statement": [{
            "Effect": "Allow", "Action": "iot:Connect",
            "Resource": { "Fn::Join": ["", ["arn:aws:iot:us-east-1:000000000000:client/", sid]] },
        }],
    } } } })
}

#[test]
fn jp_1_a_template_without_auto_registration_is_not_run() {
    let table = [
        json!({ "newAutoRegistrationStatus": "DISABLE" }),
        json!({ "newStatus": "INACTIVE" }),
        json!({ "removeAutoRegistration": true }),
    ];
    for change in table {
        let resources = thing(json!({}), Value::Null);
        let (mut registry, ca) = provisioning_by(config(common_name(), resources));
        let waiting = ca.issue("waiting");
        assert_eq!(connect(&mut registry, &waiting).unwrap_err().effects.len(), 2);
        update_ca(&mut registry, &ca, change.clone());
        assert_eq!(connect(&mut registry, &waiting).unwrap_err().effects, [], "{change}");
        let unknown = ca.issue("unknown");
        assert_eq!(connect(&mut registry, &unknown).unwrap_err().effects, [], "{change}");
        assert_eq!(status(&registry, &unknown), None, "{change}");
    }
}

#[test]
fn jp_2_the_id_is_the_certificates_and_the_issuer_and_other_attributes_offer_nothing() {
    let id = json!({ "Ref": of("Id") });
    for declared in [json!({ of("Id"): { "Type": "String" } }), json!({})] {
        let (mut registry, ca) = provisioning_by(config(declared, document_with(&id)));
        let device = ca.issue("lamp");
        let provisioned = connect_and_provision(&mut registry, &device).unwrap();
        let name = provisioned.policy_names[0].to_string();
        let policy = registry.get_policy(input(json!({ "policyName": name }))).unwrap();
        let own = format!("client/{}\"", device.certificate_id());
        assert!(policy.policy_document.contains(&own), "{}", policy.policy_document);
    }
    // Of the issuer `CN=Acme` nothing comes in, nor a locality, nor the number of the certificate.
    for name in ["CommonName", "Locality", "SerialNumber", "SubjectAlternativeName"] {
        let declared = json!({ of(name): { "Type": "String" } });
        let (mut registry, ca) = provisioning_by(config(declared, json!({})));
        let subject = Subject::new().with(AttributeKind::Locality, "Rome");
        let device = ca.issue_with(Leaf::new(subject).host("lamp.example.com"));
        let failure = connect_and_provision(&mut registry, &device).unwrap_err();
        assert_eq!(failure.step, "Parameters", "{name}");
        let sentence = format!("Cannot resolve reference value: {{Ref={}}}", of(name));
        assert!(failure.error.message().ends_with(&sentence), "{name}: {}", failure.error);
    }
}

#[test]
fn jp_4_values_come_in_as_rfc_2253_writes_them() {
    let table = [
        ("testThingC=US", r"testThingC\=US"),
        ("a,b", r"a\,b"),
        ("a+b;c", r"a\+b\;c"),
        (r"a\b", r"a\\b"),
        ("<a>", r"\<a\>"),
        ("#1", r"\#1"),
        ("plain.lamp:1", "plain.lamp:1"),
    ];
    for (common_name_is, expected) in table {
        let resources = document_with(&json!({ "Ref": of("CommonName") }));
        let (mut registry, ca) = provisioning_by(config(common_name(), resources));
        let provisioned = connect_and_provision(&mut registry, &ca.issue(common_name_is)).unwrap();
        let name = provisioned.policy_names[0].to_string();
        let policy = registry.get_policy(input(json!({ "policyName": name }))).unwrap();
        let document: Value = serde_json::from_str(&policy.policy_document).unwrap();
        let resource = document["Statement"][0]["Resource"].as_str().unwrap();
        let value = resource.strip_prefix("arn:aws:iot:us-east-1:000000000000:client/");
        assert_eq!(value, Some(expected), "{common_name_is}");
    }
}

#[test]
fn jp_6_any_role_will_do_and_what_is_none_is_refused() {
    let body = config(common_name(), json!({}))["templateBody"].clone();
    let table = [
        (ROLE, true),
        ("arn:aws:iam::123456789012:role/service-role/Other", true),
        ("arn:aws-cn:iam::000000000000:role/JITPRole", true),
        ("just-any-text-of-twenty-characters", false),
    ];
    for (role, taken) in table {
        let mut registry = registry();
        let ca = CertificateAuthority::new("Acme");
        register_ca(&mut registry, &ca, json!({}));
        let config = json!({ "templateBody": body, "roleArn": role });
        let id = ca.certificate_id().to_string();
        let change = json!({ "certificateId": id, "registrationConfig": config });
        let changed = registry.update_ca_certificate(input(change), NOW);
        assert_eq!(changed.is_ok(), taken, "{role}");
        if taken {
            let device = ca.issue("lamp");
            assert!(connect_and_provision(&mut registry, &device).is_ok(), "{role}");
        }
    }
}

#[test]
fn pt_1_a_parameter_is_a_string_and_may_have_a_default() {
    let attribute = |name: &str| thing(json!({ "ThingTypeName": { "Ref": name } }), Value::Null);
    let with = |name: &str, parameter: Value| {
        let mut parameters = common_name();
        parameters[name] = parameter;
        config(parameters, attribute(name))
    };
    let country = of("Country");
    let table = [
        (with("Model", json!({ "Type": "String", "Default": "Lamp" })), None),
        (with("Model", json!({ "Type": "String", "Default": 7 })), None),
        (with(&country, json!({ "Type": "String", "Default": "XX" })), None),
        (with("Model", json!({ "Type": "String" })), Some("Parameters")),
        (with("Model", json!({ "Type": "Number", "Default": 7 })), Some("the template")),
    ];
    for (config, step) in table {
        let types = |registry: &mut Registry| {
            for name in ["Lamp", "7", "XX", "DE"] {
                registry.create_thing_type(input(json!({ "thingTypeName": name })), NOW).unwrap();
            }
        };
        if let Some(step) = step {
            assert_eq!(failing(config, types).0, step);
            continue;
        }
        // A value of the subject goes before a default.
        for in_subject in [false, true] {
            let (mut registry, ca) = provisioning_by(config.clone());
            types(&mut registry);
            let subject = Subject::new().with(AttributeKind::CommonName, "lamp");
            let of_germany = subject.clone().with(AttributeKind::Country, "DE");
            let subject = if in_subject { of_germany } else { subject };
            let device = ca.issue_with(Leaf::new(subject));
            connect_and_provision(&mut registry, &device).unwrap();
            let thing = registry.thing(&crate::names::ThingName::new("lamp")).unwrap();
            let is_country = config.to_string().contains(&country);
            assert_eq!(thing.thing_type_name() == Some("DE"), in_subject && is_country);
        }
    }
}

#[test]
fn pt_4_and_5_a_device_brings_its_certificate_so_that_the_template_refers_to_its_id() {
    let table = [
        json!({ "CertificateId": { "Ref": "CertificateId" } }),
        json!({ "CertificateId": "ab".repeat(32) }),
        json!({ "CertificateId": { "Fn::Join": ["", [{ "Ref": of("Id") }]] } }),
        json!({ "CertificatePem": { "Ref": "Pem" } }),
        json!({ "CertificateSigningRequest": { "Ref": "Request" } }),
        json!({ "Status": "ACTIVE" }),
    ];
    for properties in table {
        let mut registry = registry();
        let ca = CertificateAuthority::new("Acme");
        register_ca(&mut registry, &ca, json!({}));
        let certificate = json!({ "Type": "AWS::IoT::Certificate", "Properties": properties });
        let body = json!({ "Resources": { "c": certificate } }).to_string();
        let config = json!({ "templateBody": body, "roleArn": ROLE });
        let id = ca.certificate_id().to_string();
        let change = json!({ "certificateId": id, "registrationConfig": config });
        let refused = registry.update_ca_certificate(input(change), NOW).unwrap_err();
        assert_eq!(
            refused.to_string(),
            "InvalidRequestException: The template body is invalid: CertificateId must contain a \
             reference to AWS::IoT::Certificate::Id",
            "{properties}"
        );
    }
}
