//! RT-1 … RT-4 and PT-4: RegisterThing, with each kind of certificate.

use super::*;
use crate::errors::ApiError;
use crate::pki::AwsIssuer;

const ALLOW_ALL: &str =
    r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"iot:*","Resource":"*"}]}"#;
/// P-256, `CN=lamp`, made by OpenSSL.
const CSR: &str = "\
-----BEGIN CERTIFICATE REQUEST-----
MIHJMHECAQAwDzENMAsGA1UEAwwEbGFtcDBZMBMGByqGSM49AgEGCCqGSM49AwEH
A0IABMD+5xj3xIBtm+m4lFgvCth8aO2qWQZaYjVnbAolTMT2+LzAFx2MG2l0fbtK
jb2rfw8lZEN25cbk459ddshO5R6gADAKBggqhkjOPQQDAgNIADBFAiBtUgbEcQOV
jnUY9jClviSF6jHACbinyI6PCbOWVkQhdQIhAOh69vVD4skjuDqcSFOuCNXB5lhJ
OWYGGCZSMMnmYwYT
-----END CERTIFICATE REQUEST-----";

/// The example of the guide, with `certificate` as the certificate's properties.
fn template(certificate: Value) -> Value {
    json!({
        "Parameters": {
            "ThingName": { "Type": "String" },
            "Location": { "Type": "String", "Default": "WA" },
            "Source": { "Type": "String" },
        },
        "Resources": {
            "thing": {
                "Type": "AWS::IoT::Thing",
                "Properties": {
                    "ThingName": { "Ref": "ThingName" },
                    "AttributePayload": { "location": { "Ref": "Location" } },
                },
            },
            "certificate": { "Type": "AWS::IoT::Certificate", "Properties": certificate },
            "made": {
                "Type": "AWS::IoT::Policy", "Properties": { "PolicyDocument": ALLOW_ALL },
            },
            "named": { "Type": "AWS::IoT::Policy", "Properties": { "PolicyName": "Named" } },
        },
    })
}

fn with_named_policy() -> Registry {
    let mut registry = registry();
    let json = json!({ "policyName": "Named", "policyDocument": ALLOW_ALL });
    registry.create_policy(input(json), NOW).unwrap();
    registry
}

/// Runs a template as `IotCore` does.
fn register(
    registry: &mut Registry,
    template: &Value,
    source: &str,
) -> Result<RegisterThingResponse, ApiError> {
    let json = json!({
        "templateBody": template.to_string(),
        "parameters": { "ThingName": "lamp", "Source": source, "Undeclared": "x" },
    });
    let run = |input: RegisterThingRequest| {
        let registration = Registration::read(&input)?;
        let request = registration.signing_request()?;
        let issued = request.map(|request| AwsIssuer::new().issue_for(&request, NOW));
        registration.run(registry, issued, NOW)
    };
    let provisioned = crate::service_model::read("RegisterThing", json).map(run)?;
    let provisioned = provisioned.map_err(|failure| failure.error)?;
    RegisterThingResponse::of(registry, &provisioned)
}

fn text(refused: Result<RegisterThingResponse, ApiError>) -> String {
    refused.expect_err("a template that is refused").to_string()
}

#[test]
fn rt_1_and_4_a_signing_request_becomes_a_thing_with_a_certificate() {
    let mut registry = with_named_policy();
    let request = json!({ "CertificateSigningRequest": { "Ref": "Source" }, "Status": "Active" });
    let answer = register(&mut registry, &template(request), CSR).unwrap();
    let certificate = Certificate::from_pem(&answer.certificate_pem.unwrap()).unwrap();
    let id = certificate.id();
    let keys: Vec<&str> = answer.resource_arns.keys().map(String::as_str).collect();
    assert_eq!(keys, ["certificate", "made", "thing"], "RT-1: `named` is not among them");
    let arn = |key: &str| answer.resource_arns[key].as_str();
    assert_eq!(arn("thing"), "arn:aws:iot:us-east-1:000000000000:thing/lamp");
    assert_eq!(arn("certificate"), format!("arn:aws:iot:us-east-1:000000000000:cert/{id}"));
    assert!(arn("made").starts_with("arn:aws:iot:us-east-1:000000000000:policy/"));

    let record = registry.certificate(id).unwrap();
    assert_eq!(record.status.as_str(), "ACTIVE");
    assert_eq!(registry.policies_in_force(id, None).len(), 2);
    let thing = registry.thing(&crate::names::ThingName::new("lamp")).unwrap();
    assert_eq!(thing.attributes.get("location"), Some("WA"), "RT-2: the default");
    let principals = json!({ "thingName": "lamp" });
    let principals = registry.list_thing_principals(input(principals)).unwrap().principals;
    assert_eq!(principals, [arn("certificate")]);
}

#[test]
fn rt_1_and_pt_2_a_template_may_make_a_thing_and_nothing_else() {
    let mut registry = with_named_policy();
    let mut alone = template(json!({}));
    let resources = alone["Resources"].as_object_mut().unwrap();
    resources.remove("certificate");
    let answer = register(&mut registry, &alone, "").unwrap();
    assert_eq!(answer.certificate_pem, None);
    let keys: Vec<&str> = answer.resource_arns.keys().map(String::as_str).collect();
    assert_eq!(keys, ["made", "thing"]);
    let principals = json!({ "thingName": "lamp" });
    let principals = registry.list_thing_principals(input(principals)).unwrap().principals;
    assert!(principals.is_empty());

    alone["Resources"].as_object_mut().unwrap().remove("thing");
    assert_eq!(
        text(register(&mut registry, &alone, "")),
        "InvalidRequestException: Invalid registration template. there is neither an \
         `AWS::IoT::Thing` nor an `AWS::IoT::Certificate`"
    );
}

#[test]
fn rt_4_a_certificate_is_registered_as_register_certificate_does() {
    let mut registry = with_named_policy();
    let ca = CertificateAuthority::new("Acme");
    register_ca(&mut registry, &ca, json!({}));
    let device = ca.issue("lamp");
    let pem = template(json!({
        "CertificatePem": { "Ref": "Source" }, "CACertificatePem": ca.pem(), "Status": "INACTIVE",
    }));
    let answer = register(&mut registry, &pem, &device.certificate_pem()).unwrap();
    assert_eq!(answer.certificate_pem, Some(device.certificate_pem()));
    assert_eq!(status(&registry, &device), Some("INACTIVE"));
    let record = registry.certificate(device.certificate_id()).unwrap();
    assert_eq!(record.ca_certificate_id, Some(ca.certificate_id()));

    let ended = "ResourceRegistrationFailureException: Register thing workflow execution \
                 terminates due to: ";
    assert_eq!(
        text(register(&mut registry, &pem, &device.certificate_pem())),
        format!("{ended}The certificate is already provisioned or registered"),
    );
    let stranger = Identity::self_signed("stranger");
    let alone = template(json!({ "CertificatePem": { "Ref": "Source" } }));
    assert_eq!(
        text(register(&mut registry, &alone, &stranger.certificate_pem())),
        format!("{ended}No CA certificate exists for the given certificate"),
    );
}

#[test]
fn rt_4_and_pt_11_a_registered_certificate_keeps_or_changes_its_status() {
    let ended = "ResourceRegistrationFailureException: Register thing workflow execution \
                 terminates due to: ";
    let conflict =
        format!("{ended}Existing Status: REVOKED conflicts with Status: ACTIVE in Template.");
    let table = [
        ("ACTIVE", Value::Null, Ok("ACTIVE")),
        ("REVOKED", Value::Null, Err(conflict.clone())),
        ("REVOKED", json!("FAIL"), Err(conflict)),
        ("REVOKED", json!("DO_NOTHING"), Ok("REVOKED")),
        ("REVOKED", json!("REPLACE"), Ok("ACTIVE")),
    ];
    for (before, setting, expected) in table {
        let mut registry = with_named_policy();
        let device = Identity::self_signed("lamp");
        let json = json!({ "certificatePem": device.certificate_pem(), "status": before });
        registry.register_certificate_without_ca(input(json), NOW).unwrap();
        let mut template = template(json!({ "CertificateId": { "Ref": "Source" } }));
        if !setting.is_null() {
            let settings = json!({ "Status": setting });
            template["Resources"]["certificate"]["OverrideSettings"] = settings;
        }
        let id = device.certificate_id().to_string();
        let done = register(&mut registry, &template, &id).map_err(|error| error.to_string());
        let after = status(&registry, &device).unwrap();
        let thing = registry.thing(&crate::names::ThingName::new("lamp"));
        assert_eq!(thing.is_some(), expected.is_ok(), "{before} {setting}");
        assert_eq!(done.map(|_| after), expected, "{before} {setting}");
    }

    // A certificate that registered itself waits for a status.
    let mut registry = with_named_policy();
    let ca = CertificateAuthority::new("Acme");
    register_ca(&mut registry, &ca, json!({}));
    let device = ca.issue("lamp");
    connect(&mut registry, &device).unwrap_err();
    let template = template(json!({ "CertificateId": { "Ref": "Source" } }));
    register(&mut registry, &template, &device.certificate_id().to_string()).unwrap();
    assert!(connect(&mut registry, &device).is_ok());
}

#[test]
fn rt_2_a_value_counts_before_the_default_and_what_nobody_refers_to_needs_neither() {
    let mut template = template(json!({}));
    let resources = template["Resources"].as_object_mut().unwrap();
    resources.retain(|id, _| id == "thing");
    // `Source` is declared, and neither given nor referred to.
    let table = [
        (json!({ "ThingName": "lamp" }), "WA"),
        (json!({ "ThingName": "lamp", "Location": "NY" }), "NY"),
        (json!({ "ThingName": "lamp", "Location": "" }), ""),
    ];
    for (parameters, location) in table {
        let mut registry = registry();
        let body = template.to_string();
        let request = json!({ "templateBody": body, "parameters": parameters });
        let registration = Registration::read(&input(request)).unwrap();
        registration.run(&mut registry, None, NOW).unwrap();
        let thing = registry.thing(&crate::names::ThingName::new("lamp")).unwrap();
        let expected = Some(location).filter(|location| !location.is_empty());
        assert_eq!(thing.attributes.get("location"), expected, "{parameters}");
    }
}

#[test]
fn rt_2_and_3_what_is_refused_and_how() {
    let request = json!({ "CertificateSigningRequest": { "Ref": "Source" } });
    let good = template(request.clone());
    let mut unresolved = good.clone();
    unresolved["Resources"]["thing"]["Properties"]["ThingName"] = json!({ "Ref": "Undeclared" });
    let mut two = request;
    two["CertificateId"] = json!("ab".repeat(32));
    let mut group = good.clone();
    group["Resources"]["thing"]["Properties"]["ThingGroups"] = json!(["v1"]);
    let mut kind = good.clone();
    kind["Resources"]["thing"]["Properties"]["ThingTypeName"] = json!("Lamp");
    let mut policy = good.clone();
    policy["Resources"]["named"]["Properties"]["PolicyName"] = json!("Missing");
    let invalid = "InvalidRequestException: Invalid registration template. ";
    let ended = "ResourceRegistrationFailureException: Register thing workflow execution \
                 terminates due to: ";
    let unknown = "ab".repeat(32);
    let table = [
        ("no JSON", json!("text"), CSR, format!("{invalid}The template body is invalid")),
        (
            "RT-2",
            unresolved,
            CSR,
            format!("{invalid}Cannot resolve reference value: {{Ref=Undeclared}}"),
        ),
        (
            "PT-4",
            template(two),
            CSR,
            format!(
                "{invalid}it must have one of CertificateSigningRequest, CertificateId and \
                 CertificatePem"
            ),
        ),
        (
            "PT-4: none of them",
            template(json!({})),
            CSR,
            format!(
                "{invalid}it must have one of CertificateSigningRequest, CertificateId and \
                 CertificatePem"
            ),
        ),
        ("no request", good, "nonsense", format!("{ended}CSR violates constraints")),
        (
            "no such certificate",
            template(json!({ "CertificateId": { "Ref": "Source" } })),
            unknown.as_str(),
            format!("{ended}CertificateId {unknown} does not exist"),
        ),
        ("PT-13", group, CSR, format!("{ended}ThingGroup 000000000000:v1 not found.")),
        ("PT-13", kind, CSR, format!("{ended}Thing Type 000000000000:Lamp not found.")),
        ("PT-13", policy, CSR, format!("{ended}Policy default version not found")),
    ];
    for (row, template, source, expected) in table {
        let mut registry = with_named_policy();
        assert_eq!(text(register(&mut registry, &template, source)), expected, "{row}");
    }
}

#[test]
fn pt_11_an_existing_thing_that_differs_conflicts() {
    let mut registry = with_named_policy();
    let json = json!({
        "thingName": "lamp", "attributePayload": { "attributes": { "location": "NY" } },
    });
    registry.create_thing(input(json), NOW).unwrap();
    let template = template(json!({ "CertificateSigningRequest": { "Ref": "Source" } }));
    assert_eq!(
        text(register(&mut registry, &template, CSR)),
        "ResourceRegistrationFailureException: Register thing workflow execution terminates due \
         to: Existing AttributePayload: {location=NY} conflicts with AttributePayload: \
         {location=WA} in Template."
    );
}
