//! JP-1 and JP-13: a CA certificate that names a template instead of holding one.

use super::*;
use crate::registry::Registry;

/// Makes the JITP template `Lamps`, whose thing has this name.
fn body(thing: &str) -> String {
    json!({
        "Resources": {
            "thing": { "Type": "AWS::IoT::Thing", "Properties": { "ThingName": thing } },
            "certificate": {
                "Type": "AWS::IoT::Certificate",
                "Properties": {
                    "CertificateId": { "Ref": "AWS::IoT::Certificate::Id" }, "Status": "Active",
                },
            },
        },
    })
    .to_string()
}

fn change(registry: &mut Registry, mut json: Value) {
    json["templateName"] = json!("Lamps");
    registry.update_provisioning_template(input(json), &|_, _| false, NOW).unwrap();
}

#[test]
fn jp_1_and_13_the_default_version_runs_while_the_template_is_enabled() {
    let mut registry = registry();
    let json = json!({
        "templateName": "Lamps", "templateBody": body("one"), "type": "JITP",
        "provisioningRoleArn": "arn:aws:iam::000000000000:role/JITPRole",
    });
    registry.create_provisioning_template(input(json), &|_, _| false, NOW).unwrap();
    let ca = CertificateAuthority::new("Acme");
    let config = json!({ "registrationConfig": { "templateName": "Lamps" } });
    register_ca(&mut registry, &ca, config);

    let device = ca.issue("lamp");
    assert_eq!(connect(&mut registry, &device).unwrap_err().effects.len(), 2);
    let failure = provision(&mut registry, device.certificate_id(), NOW).unwrap_err();
    assert_eq!(failure.step, "the template");
    assert_eq!(
        failure.error.to_string(),
        "InvalidRequestException: Template Lamps is not enabled."
    );
    assert_eq!(status(&registry, &device), Some("PENDING_ACTIVATION"), "JP-8");

    change(&mut registry, json!({ "enabled": true }));
    let json = json!({ "templateName": "Lamps", "templateBody": body("two") });
    registry.create_provisioning_template_version(input(json), NOW).unwrap();
    let provisioned = provision(&mut registry, device.certificate_id(), NOW).unwrap();
    assert_eq!(provisioned.thing_name.unwrap().as_str(), "one");
    assert!(connect(&mut registry, &device).is_ok());

    change(&mut registry, json!({ "defaultVersionId": 2 }));
    let next = ca.issue("next");
    connect(&mut registry, &next).unwrap_err();
    let provisioned = provision(&mut registry, next.certificate_id(), NOW).unwrap();
    assert_eq!(provisioned.thing_name.unwrap().as_str(), "two");
}
