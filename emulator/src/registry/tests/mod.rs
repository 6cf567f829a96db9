//! What AWS answers, row by row. Helpers that several tables share; the tables are beside it.

mod billing_groups;
mod ca_certificates;
mod certificates;
mod domain_configurations;
mod logging;
mod mirrors;
mod policies;
mod provisioning_templates;
mod tags;
mod thing_groups;
mod thing_registration_tasks;
mod thing_types;
mod things;
mod transfers;
mod trial;

use serde::Serialize;
use serde_json::{Value, json};

use super::*;
use crate::names::ClientId;
use crate::pki::{CertificateAuthority, Identity};

/// 2027-01-15T08:00:00Z.
pub(super) const NOW: Timestamp = Timestamp::from_milliseconds(1_800_000_000_053);

/// Allows everything.
pub(super) const ALLOW_ALL: &str = r#"{"Version":"2012-10-17","Statement":
    [{"Effect":"Allow","Action":"iot:*","Resource":"*"}]}"#;

pub(super) fn registry() -> Registry {
    Registry::new(Scope::new("123456789012", "eu-west-1"), 7)
}

/// The input that `json` is, as the AWS CLI takes it.
pub(super) fn input<T: serde::de::DeserializeOwned>(json: Value) -> T {
    serde_json::from_value(json).expect("an input of the model")
}

/// What `operation` answers to `json`, once AWS's model has allowed it.
pub(super) fn asked<I: serde::de::DeserializeOwned, O>(
    operation: &str,
    json: &Value,
    answer: impl FnOnce(I) -> Result<O, ApiError>,
) -> Result<O, ApiError> {
    crate::service_model::read(operation, json.clone()).and_then(answer)
}

pub(super) fn output(output: impl Serialize) -> Value {
    serde_json::to_value(output).expect("an answer is JSON")
}

/// `200`, or status, exception and text.
pub(super) fn outcome<T>(result: &Result<T, ApiError>) -> String {
    match result {
        Ok(_) => "200".to_owned(),
        Err(error) => {
            format!("{} {}: {}", error.code().status(), error.code().name(), error.message())
        }
    }
}

pub(super) fn code(registry: &mut Registry) -> String {
    registry.get_registration_code(GetRegistrationCodeRequest {}).unwrap().registration_code
}

/// Registers `ca` ACTIVE in DEFAULT mode, with more members if `more` has some.
pub(super) fn register_ca(registry: &mut Registry, ca: &CertificateAuthority, more: Value) {
    let verification = ca.verification_certificate(&code(registry));
    let mut json = json!({
        "caCertificate": ca.pem(), "verificationCertificate": verification, "setAsActive": true
    });
    json.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    registry
        .register_ca_certificate(input(json), NOW, |_| true)
        .expect("a CA certificate that AWS takes");
}

pub(super) fn register_without_ca(registry: &mut Registry, identity: &Identity, status: &str) {
    let json = json!({ "certificatePem": identity.certificate_pem(), "status": status });
    registry.register_certificate_without_ca(input(json), NOW).expect("a good certificate");
}

/// A registry with one registered certificate, its ID and its ARN.
pub(super) fn with_certificate(status: &str) -> (Registry, String, String) {
    let mut registry = registry();
    let identity = Identity::self_signed("lamp");
    register_without_ca(&mut registry, &identity, status);
    let id = identity.certificate_id().to_string();
    let arn = format!("arn:aws:iot:eu-west-1:123456789012:cert/{id}");
    (registry, id, arn)
}

pub(super) fn create_policy(registry: &mut Registry, name: &str) {
    let json = json!({ "policyName": name, "policyDocument": ALLOW_ALL });
    registry.create_policy(input(json), NOW).expect("a good policy");
}

#[test]
fn rc_1_to_4_the_registration_code_is_made_once_and_stays_until_it_is_deleted() {
    let mut registry = registry();
    let first = code(&mut registry);
    assert_eq!(first.len(), 64);
    assert_eq!(code(&mut registry), first);
    registry.delete_registration_code(DeleteRegistrationCodeRequest {}).unwrap();
    let deleted_again = registry.delete_registration_code(DeleteRegistrationCodeRequest {});
    assert!(outcome(&deleted_again).starts_with("404 ResourceNotFoundException"));
    assert_ne!(code(&mut registry), first);

    let mut elsewhere = Registry::new(Scope::new("123456789012", "us-east-1"), 7);
    assert_ne!(code(&mut elsewhere), first);
    let mut again = Registry::new(Scope::new("123456789012", "eu-west-1"), 7);
    assert_eq!(code(&mut again), first, "it follows from account, Region and seed");
}

#[test]
fn id_6_a_generation_is_a_uuid_that_follows_from_the_seed() {
    let (registry, id, _) = with_certificate("ACTIVE");
    let described = registry.describe_certificate(input(json!({ "certificateId": id }))).unwrap();
    let generation = described.certificate_description.generation_id;
    assert_eq!(uuid::Uuid::parse_str(&generation).unwrap().get_version_num(), 4);
    let (again, id, _) = with_certificate("ACTIVE");
    let described = again.describe_certificate(input(json!({ "certificateId": id }))).unwrap();
    assert_eq!(described.certificate_description.generation_id, generation);
}

#[test]
fn id_2_and_7_accounts_and_regions_share_an_id_and_nothing_else() {
    let identity = Identity::self_signed("lamp");
    let id = identity.certificate_id().to_string();
    let mut codes = Vec::new();
    for (account, region) in [
        ("123456789012", "eu-west-1"),
        ("123456789012", "us-east-1"),
        ("210987654321", "us-east-1"),
    ] {
        let mut registry = Registry::new(Scope::new(account, region), 7);
        let json = json!({ "certificatePem": identity.certificate_pem() });
        let made = output(registry.register_certificate_without_ca(input(json), NOW).unwrap());
        assert_eq!(made["certificateId"], id);
        assert_eq!(made["certificateArn"], format!("arn:aws:iot:{region}:{account}:cert/{id}"));
        codes.push(code(&mut registry));
    }
    codes.dedup();
    assert_eq!(codes.len(), 3);
}

#[test]
fn id_4_and_5_arns_and_moments_are_written_as_aws_writes_them() {
    let mut registry = registry();
    let ca = CertificateAuthority::new("Acme");
    register_ca(&mut registry, &ca, json!({}));
    let id = ca.certificate_id().to_string();
    let described = registry.describe_ca_certificate(input(json!({ "certificateId": id })));
    let ca = output(described.unwrap())["certificateDescription"].take();
    assert_eq!(ca["creationDate"].to_string(), "1800000000.053");
    assert_eq!(ca["validity"]["notAfter"].to_string(), "2524607999.0");
    create_policy(&mut registry, "P");
    let policy = registry.get_policy(input(json!({ "policyName": "P" }))).unwrap();
    let thing = registry.create_thing(input(json!({ "thingName": "lamp" })), NOW).unwrap();
    let group = json!({ "thingGroupName": "G" });
    let group = registry.create_thing_group(input(group), NOW).unwrap();
    let arns = [
        (ca["certificateArn"].clone(), format!("cacert/{id}")),
        (output(policy.policy_arn), "policy/P".to_owned()),
        (output(thing.thing_arn), "thing/lamp".to_owned()),
        (output(group.thing_group_arn), "thinggroup/G".to_owned()),
    ];
    for (arn, tail) in arns {
        assert_eq!(arn, format!("arn:aws:iot:eu-west-1:123456789012:{tail}"));
    }
}
