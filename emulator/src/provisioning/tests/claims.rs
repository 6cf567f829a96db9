//! FP-3 and FP-4: who a provisioning claim is, what it may do, and for how long.

use std::time::Duration;

use super::*;
use crate::names::{ClientId, TopicFilter, TopicName};
use crate::pki::{AwsIssuer, DeviceKeyPair};
use crate::policy::{Connect, Context, Publish, Receive, Subscribe, authorize};
use crate::registry::CreateProvisioningClaimResponse;

const BODY: &str = r#"{"Resources":{"certificate":{"Type":"AWS::IoT::Certificate","Properties":
    {"CertificateId":{"Ref":"AWS::IoT::Certificate::Id"},"Status":"Active"}}}}"#;

fn with_template() -> Registry {
    let mut registry = registry();
    let json = json!({
        "templateName": "Lamps", "templateBody": BODY,
        "provisioningRoleArn": "arn:aws:iam::000000000000:role/Provisioning",
    });
    registry.create_provisioning_template(input(json), &|_, _| false, NOW).unwrap();
    registry
}

fn claim(registry: &mut Registry, now: Timestamp) -> CreateProvisioningClaimResponse {
    let keys = DeviceKeyPair::generate();
    let certificate = AwsIssuer::new().issue_claim(&keys.spki(), now);
    let json = json!({ "templateName": "Lamps" });
    registry.create_provisioning_claim(input(json), &keys, certificate, now).unwrap()
}

/// What the claim may do at `now`, a letter each: Connect, Publish, Receive, Subscribe.
fn may(registry: &Registry, principal: &Principal, topic: &str, now: Timestamp) -> String {
    let policies = registry.policies_in_force(principal.certificate().unwrap().id(), None);
    let mut context = Context::new();
    context.set_now(now);
    let scope = registry.scope();
    let client_id = ClientId::new("anybody");
    let (name, filter) = (TopicName::new(topic), TopicFilter::new(topic));
    let answers = [
        ('C', authorize::<Connect>(&policies, &context, scope, client_id).is_ok()),
        ('P', authorize::<Publish>(&policies, &context, scope, name.clone()).is_ok()),
        ('R', authorize::<Receive>(&policies, &context, scope, name).is_ok()),
        ('S', authorize::<Subscribe>(&policies, &context, scope, filter).is_ok()),
    ];
    answers.iter().filter(|(_, allowed)| *allowed).map(|(letter, _)| letter).collect()
}

#[test]
fn fp_3_a_claim_is_somebody_for_five_minutes_and_stands_in_no_list() {
    let mut registry = with_template();
    let answer = claim(&mut registry, NOW);
    let certificate = Certificate::from_pem(&answer.certificate_pem).unwrap();
    let expiration = NOW + Duration::from_secs(300);
    assert_eq!(answer.expiration, expiration);
    assert_eq!(answer.certificate_id, certificate.id());
    let mut connect =
        |now| present_chain(&mut registry, std::slice::from_ref(&certificate), false, now);
    assert_eq!(connect(NOW).unwrap().to_string(), certificate.id().to_string());
    assert!(connect(expiration).is_ok());
    let rejected = connect(expiration + Duration::from_secs(1)).unwrap_err();
    assert_eq!(rejected.rejection.reason, "DEVICE_CERTIFICATE_NOT_REGISTERED");
    let mut elsewhere = Registry::new(Scope::new("222233334444", "us-east-1"), 7);
    let stranger = present_chain(&mut elsewhere, std::slice::from_ref(&certificate), false, NOW);
    assert_eq!(stranger.unwrap_err().rejection.reason, "DEVICE_CERTIFICATE_NOT_REGISTERED");
    assert_eq!(registry.list_certificates(input(json!({}))).unwrap().certificates, []);
    let id = json!({ "certificateId": certificate.id().to_string() });
    assert!(registry.describe_certificate(input(id)).is_err());
}

#[test]
fn fp_4_a_claim_may_connect_and_be_provisioned_by_its_template() {
    let mut registry = with_template();
    let answer = claim(&mut registry, NOW);
    let certificate = Certificate::from_pem(&answer.certificate_pem).unwrap();
    let principal = present_chain(&mut registry, &[certificate], false, NOW).unwrap();
    let table = [
        ("$aws/certificates/create/json", "CPRS"),
        ("$aws/certificates/create/cbor/accepted", "CPRS"),
        ("$aws/certificates/create-from-csr/json", "CPRS"),
        ("$aws/provisioning-templates/Lamps/provision/json", "CPRS"),
        ("$aws/provisioning-templates/Others/provision/json", "C"),
        ("$aws/events/certificates/registered/x", "C"),
        ("home", "C"),
    ];
    for (topic, allowed) in table {
        assert_eq!(may(&registry, &principal, topic, NOW), allowed, "{topic}");
        let expired = NOW + Duration::from_secs(301);
        assert_eq!(may(&registry, &principal, topic, expired), "", "{topic}");
    }
    // The next claim drops what has expired.
    let later = NOW + Duration::from_secs(600);
    claim(&mut registry, later);
    assert!(!registry.holds_claim(principal.certificate().unwrap().id(), NOW));
    let json = json!({ "templateName": "None" });
    let keys = DeviceKeyPair::generate();
    let certificate = AwsIssuer::new().issue_claim(&keys.spki(), later);
    let refused = registry.create_provisioning_claim(input(json), &keys, certificate, later);
    assert_eq!(refused.unwrap_err().message(), "Unable to find template named None", "PT-31");
}
