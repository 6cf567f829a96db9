//! CERT-10 … CERT-35 and the status model.

use super::*;
use crate::pki::{AwsIssuer, DeviceKeyPair, Leaf};

const RENEWED_CA: [&str; 2] =
    [include_str!("testdata/renewed-ca-1.pem"), include_str!("testdata/renewed-ca-2.pem")];
const RENEWED_LEAF: &str = include_str!("testdata/renewed-leaf.pem");
const WEAK: &str = include_str!("testdata/rsa-1024-ca.pem");

const NO_CA: &str = "406 CertificateStateException: No CA certificate exists for the given \
                     certificate";
const NOT_ACTIVE: &str = "406 CertificateStateException: The CA certificate is not active";
const EXISTS: &str = "409 ResourceAlreadyExistsException: The certificate is already provisioned \
                      or registered";

#[test]
fn cert_10_to_12_the_status_at_registration() {
    let pending = |status| {
        format!(
            "406 CertificateStateException: Not allowed to register certificate with {status} status"
        )
    };
    let table = [
        (json!(null), "200".to_owned(), Some("INACTIVE")),
        (json!("ACTIVE"), "200".to_owned(), Some("ACTIVE")),
        (json!("INACTIVE"), "200".to_owned(), Some("INACTIVE")),
        (json!("REVOKED"), "200".to_owned(), Some("REVOKED")),
        (json!("PENDING_ACTIVATION"), pending("PENDING_ACTIVATION"), None),
        (json!("PENDING_TRANSFER"), pending("PENDING_TRANSFER"), None),
        (json!("REGISTER_INACTIVE"), pending("REGISTER_INACTIVE"), None),
    ];
    let ca = CertificateAuthority::new("Acme");
    for (status, expected, stored) in table {
        let mut registry = registry();
        register_ca(&mut registry, &ca, json!({}));
        let (with_ca, without_ca) = (ca.issue("a"), ca.issue("b"));
        let json = |device: &Identity| json!({ "certificatePem": device.certificate_pem(), "status": status });
        let results = [
            registry.register_certificate(input(json(&with_ca)), NOW),
            registry.register_certificate_without_ca(input(json(&without_ca)), NOW),
        ];
        for (result, device) in results.iter().zip([with_ca, without_ca]) {
            assert_eq!(outcome(result), expected, "{status}");
            let record = registry.certificate(device.certificate_id());
            assert_eq!(record.map(|record| record.status.as_str()), stored, "{status}");
        }
    }
}

#[test]
fn cert_10_the_deprecated_flag_counts_without_a_status() {
    let ca = CertificateAuthority::new("Acme");
    let mut registry = registry();
    register_ca(&mut registry, &ca, json!({}));
    for (status, expected) in [(json!(null), "ACTIVE"), (json!("INACTIVE"), "INACTIVE")] {
        let device = ca.issue("a");
        let json = json!({
            "certificatePem": device.certificate_pem(), "status": status, "setAsActive": true
        });
        registry.register_certificate(input(json), NOW).unwrap();
        let record = registry.certificate(device.certificate_id()).unwrap();
        assert_eq!(record.status.as_str(), expected);
    }
}

#[test]
fn cert_13_to_22_a_device_certificate_is_checked_as_aws_checks_it() {
    let mut registry = registry();
    let ca = CertificateAuthority::new("Acme");
    let twin = CertificateAuthority::new("Acme");
    let other = CertificateAuthority::new("Other");
    let unregistered = CertificateAuthority::new("Unregistered");
    let resting = CertificateAuthority::new("Resting");
    for active in [&ca, &twin, &other] {
        register_ca(&mut registry, active, json!({}));
    }
    register_ca(&mut registry, &resting, json!({ "setAsActive": false }));
    let known = resting.issue("known");
    register_without_ca(&mut registry, &known, "ACTIVE");
    let duplicate = ca.issue("duplicate");
    register_without_ca(&mut registry, &duplicate, "ACTIVE");
    let expired = Leaf::new("old").valid(Timestamp::from_seconds(0), Timestamp::from_seconds(9));

    let table = [
        ("CERT-13", ca.issue("a").certificate_pem(), Some(unregistered.pem()), NO_CA),
        (
            "CERT-14: name",
            ca.issue("a").certificate_pem(),
            Some(other.pem()),
            "400 CertificateValidationException: The issuer of the certificate did not match the \
             subject of the provided CA certificate.",
        ),
        (
            "CERT-14: signature",
            ca.issue("a").certificate_pem(),
            Some(twin.pem()),
            "400 CertificateValidationException: The signature of the certificate failed \
             verification against the provided CA certificate.",
        ),
        ("CERT-15: given", resting.issue("a").certificate_pem(), Some(resting.pem()), NOT_ACTIVE),
        ("CERT-15: found", resting.issue("a").certificate_pem(), None, NOT_ACTIVE),
        ("CERT-15: before the duplicate", known.certificate_pem(), None, NOT_ACTIVE),
        ("CERT-17", unregistered.issue("a").certificate_pem(), None, NO_CA),
        ("CERT-20", duplicate.certificate_pem(), Some(ca.pem()), EXISTS),
        (
            "CERT-22",
            ca.issue_with(expired).certificate_pem(),
            None,
            "400 CertificateValidationException: The certificate is not within its validity period",
        ),
        (
            "no PEM",
            "nonsense".to_owned(),
            None,
            "400 CertificateValidationException: The certificate is not an X.509 certificate in PEM",
        ),
        ("a good one", ca.issue("good").certificate_pem(), Some(ca.pem()), "200"),
        (
            "X.509 version 1",
            ca.issue_with(Leaf::new("v1").x509_v1()).certificate_pem(),
            None,
            "200",
        ),
    ];
    for (row, pem, ca_pem, expected) in table {
        let json = json!({ "certificatePem": pem, "caCertificatePem": ca_pem });
        let result = registry.register_certificate(input(json), NOW);
        assert_eq!(outcome(&result), expected, "{row}");
    }
    let weak =
        registry.register_certificate_without_ca(input(json!({ "certificatePem": WEAK })), NOW);
    assert_eq!(
        outcome(&weak),
        "400 CertificateValidationException: The key in the certificate is not valid",
        "CERT-21"
    );
}

#[test]
fn cert_16_and_19_the_signature_finds_the_ca_and_the_mode_is_the_cas() {
    let mut registry = registry();
    let ca = CertificateAuthority::new("Acme");
    let twin = CertificateAuthority::new("Acme");
    register_ca(&mut registry, &ca, json!({}));
    let sni_only = json!({
        "caCertificate": twin.pem(), "certificateMode": "SNI_ONLY", "setAsActive": true
    });
    registry.register_ca_certificate(input(sni_only), NOW, |_| true).unwrap();
    for (issuer, mode) in [(&ca, "DEFAULT"), (&twin, "SNI_ONLY")] {
        let device = issuer.issue("lamp");
        let json = json!({ "certificatePem": device.certificate_pem() });
        registry.register_certificate(input(json), NOW).unwrap();
        let record = registry.certificate(device.certificate_id()).unwrap();
        assert_eq!(record.ca_certificate_id, Some(issuer.certificate_id()));
        assert_eq!(record.mode.as_str(), mode);
    }
    let free = Identity::self_signed("lamp");
    register_without_ca(&mut registry, &free, "ACTIVE");
    let record = registry.certificate(free.certificate_id()).unwrap();
    assert_eq!((record.ca_certificate_id, record.mode.as_str()), (None, "SNI_ONLY"), "CERT-23");
}

#[test]
fn cert_18_two_ca_certificates_of_one_subject_and_key_are_a_conflict() {
    let mut registry = registry();
    for pem in RENEWED_CA {
        let json =
            json!({ "caCertificate": pem, "certificateMode": "SNI_ONLY", "setAsActive": true });
        registry.register_ca_certificate(input(json), NOW, |_| true).unwrap();
    }
    let bare = json!({ "certificatePem": RENEWED_LEAF });
    let conflict = registry.register_certificate(input(bare.clone()), NOW);
    assert!(outcome(&conflict).starts_with("409 CertificateConflictException"));
    // The only ACTIVE one is preferred.
    let new = pki::Certificate::from_pem(RENEWED_CA[1]).unwrap().id();
    let off = json!({ "certificateId": new.to_string(), "newStatus": "INACTIVE" });
    registry.update_ca_certificate(input(off), NOW).unwrap();
    assert_eq!(outcome(&registry.register_certificate(input(bare), NOW)), "200");
}

#[test]
fn cert_25_the_pem_comes_back_as_it_was_given_and_is_kept_only_where_it_differs() {
    let identity = Identity::self_signed("lamp");
    let ours = identity.certificate_pem();
    let table = [(ours.clone(), false), (format!("\n# a lamp\n{ours}\n\n"), true)];
    for (pem, kept) in table {
        let mut registry = registry();
        let json = json!({ "certificatePem": pem });
        registry.register_certificate_without_ca(input(json), NOW).unwrap();
        let id = identity.certificate_id();
        let asked = json!({ "certificateId": id });
        let described = registry.describe_certificate(input(asked)).unwrap();
        assert_eq!(described.certificate_description.certificate_pem, pem);
        assert_eq!(registry.certificate(id).unwrap().pem.is_some(), kept);
    }
}

#[test]
fn cert_25_and_30_to_32_a_certificate_is_described_and_listed_as_aws_does_it() {
    let mut registry = registry();
    let ca = CertificateAuthority::new("Acme");
    register_ca(&mut registry, &ca, json!({}));
    let device = ca.issue("lamp");
    let pem = format!("\n{}\n\n", device.certificate_pem());
    let registered = registry
        .register_certificate(input(json!({ "certificatePem": pem, "status": "ACTIVE" })), NOW)
        .unwrap();
    let id = device.certificate_id().to_string();
    let arn = format!("arn:aws:iot:eu-west-1:123456789012:cert/{id}");
    assert_eq!(output(registered), json!({ "certificateArn": arn, "certificateId": id }));
    let described =
        output(registry.describe_certificate(input(json!({ "certificateId": id }))).unwrap());
    let mut description = described["certificateDescription"].as_object().unwrap().clone();
    assert!(description.remove("generationId").is_some());
    assert_eq!(
        Value::Object(description),
        json!({
            "certificateArn": arn,
            "certificateId": id,
            "caCertificateId": ca.certificate_id().to_string(),
            "status": "ACTIVE",
            "certificatePem": pem,
            "ownedBy": "123456789012",
            "creationDate": 1_800_000_000.053,
            "lastModifiedDate": 1_800_000_000.053,
            "customerVersion": 1,
            "transferData": {},
            "validity": { "notBefore": 1_577_836_800.0, "notAfter": 2_524_607_999.0 },
            "certificateMode": "DEFAULT",
        })
    );
    let listed = output(registry.list_certificates(ListCertificatesRequest::default()).unwrap());
    assert_eq!(
        listed,
        json!({ "certificates": [{
            "certificateArn": arn,
            "certificateId": id,
            "status": "ACTIVE",
            "certificateMode": "DEFAULT",
            "creationDate": 1_800_000_000.053,
        }] }),
        "CERT-32"
    );
    let unknown = "f".repeat(64);
    let missing = registry.describe_certificate(input(json!({ "certificateId": unknown })));
    assert_eq!(
        outcome(&missing),
        format!("404 ResourceNotFoundException: CertificateId {unknown} does not exist"),
        "CERT-31"
    );
}

#[test]
fn s3_3_the_status_model() {
    use CertificateStatus::*;
    let (mut registry, id, _) = with_certificate("ACTIVE");
    let key: CertificateId = id.parse().unwrap();
    let gone = vec![Change::CertificateNoLongerActive(key)];
    let refused = |status| {
        format!(
            "406 CertificateStateException: Not allowed to set certificate status to {status}. Id: {id}"
        )
    };
    let table = [
        ("ACTIVE", "200".to_owned(), Active, vec![]),
        ("INACTIVE", "200".to_owned(), Inactive, gone.clone()),
        ("INACTIVE", "200".to_owned(), Inactive, vec![]),
        ("REVOKED", "200".to_owned(), Revoked, vec![]),
        ("ACTIVE", "200".to_owned(), Active, vec![]),
        ("PENDING_ACTIVATION", refused("PENDING_ACTIVATION"), Active, vec![]),
        ("PENDING_TRANSFER", refused("PENDING_TRANSFER"), Active, vec![]),
        ("REGISTER_INACTIVE", "200".to_owned(), RegisterInactive, gone),
    ];
    for (status, expected, now, changes) in table {
        let before = registry.policy_revision();
        let was = registry.certificate(key).unwrap().status;
        let json = json!({ "certificateId": id, "newStatus": status });
        let updated = registry.update_certificate(input(json), NOW);
        assert_eq!(outcome(&updated), expected, "{status}");
        assert_eq!(registry.certificate(key).unwrap().status, now, "{status}");
        assert_eq!(registry.take_changes(), changes, "{status}");
        assert_eq!(registry.policy_revision() > before, was != now, "{status}");
    }
    registry.set_certificate_status(key, PendingTransfer, NOW);
    let json = json!({ "certificateId": id, "newStatus": "ACTIVE" });
    let transferring = registry.update_certificate(input(json), NOW);
    assert!(outcome(&transferring).starts_with("406 CertificateStateException"));
}

#[test]
fn cert_33_deletion_looks_at_the_status_then_things_then_policies() {
    let (mut registry, id, arn) = with_certificate("ACTIVE");
    registry.create_thing(input(json!({ "thingName": "lamp" })), NOW).unwrap();
    let pair = json!({ "thingName": "lamp", "principal": arn });
    registry.attach_thing_principal(input(pair.clone())).unwrap();
    create_policy(&mut registry, "P");
    registry.attach_policy(input(json!({ "policyName": "P", "target": arn }))).unwrap();

    let delete = |registry: &mut Registry, force: bool| {
        let json = json!({ "certificateId": id, "forceDelete": force });
        outcome(&registry.delete_certificate(input(json)))
    };
    for force in [false, true] {
        assert_eq!(
            delete(&mut registry, force),
            format!(
                "406 CertificateStateException: Certificate must be deactivated (not ACTIVE) \
                 before deletion. Id: {id}"
            )
        );
    }
    let revoke = json!({ "certificateId": id, "newStatus": "REVOKED" });
    registry.update_certificate(input(revoke), NOW).unwrap();
    for force in [false, true] {
        assert_eq!(
            delete(&mut registry, force),
            format!(
                "409 DeleteConflictException: Things must be detached before deletion (arn: {arn})"
            )
        );
    }
    registry.detach_thing_principal(input(pair)).unwrap();
    assert_eq!(
        delete(&mut registry, false),
        format!(
            "409 DeleteConflictException: Certificate policies must be detached before deletion \
             (arn: {arn})"
        )
    );
    registry.take_changes();
    assert_eq!(delete(&mut registry, true), "200");
    let key: CertificateId = id.parse().unwrap();
    assert_eq!(registry.take_changes(), [Change::CertificateDeleted(key)]);
    assert!(registry.policies_in_force(key, None).is_empty());
    let unattached = registry.delete_policy(input(json!({ "policyName": "P" })));
    assert_eq!(outcome(&unattached), "200", "forceDelete detached the policy");
    assert!(delete(&mut registry, true).starts_with("404 ResourceNotFoundException"));
}

#[test]
fn cert_35_what_was_deleted_can_be_registered_afresh() {
    let mut registry = registry();
    let identity = Identity::self_signed("lamp");
    register_without_ca(&mut registry, &identity, "INACTIVE");
    let id = identity.certificate_id().to_string();
    registry.delete_certificate(input(json!({ "certificateId": id }))).unwrap();
    register_without_ca(&mut registry, &identity, "ACTIVE");
}

#[test]
fn cert_1_and_4_certificates_that_aws_issues() {
    let mut registry = registry();
    let issuer = AwsIssuer::new();
    let keys = DeviceKeyPair::generate();
    let certificate = issuer.issue(&keys.spki(), NOW);
    let id = certificate.id();
    let json = json!({ "setAsActive": true });
    let made = registry.create_keys_and_certificate(input(json), &keys, certificate.clone(), NOW);
    let made = output(made.unwrap());
    assert_eq!(made["certificateId"], id.to_string());
    assert_eq!(made["certificatePem"], certificate.pem());
    assert!(made["keyPair"]["PublicKey"].as_str().unwrap().contains("BEGIN PUBLIC KEY"));
    assert!(made["keyPair"]["PrivateKey"].as_str().unwrap().contains("BEGIN RSA PRIVATE KEY"));
    let record = registry.certificate(id).unwrap();
    assert_eq!((record.status.as_str(), record.mode.as_str()), ("ACTIVE", "DEFAULT"));
    assert_eq!(record.ca_certificate_id, None);

    let bad: CreateCertificateFromCsrRequest =
        input(json!({ "certificateSigningRequest": "nonsense" }));
    assert_eq!(
        outcome(&bad.signing_request()),
        "400 InvalidRequestException: CSR violates constraints",
        "CERT-5"
    );
}

#[test]
fn cert_23_a_certificate_that_signed_itself_needs_no_ca() {
    let mut registry = registry();
    let identity = Identity::self_signed("lamp");
    let json = json!({ "certificatePem": identity.certificate_pem() });
    let with_ca = registry.register_certificate(input(json.clone()), NOW);
    assert_eq!(outcome(&with_ca), NO_CA);
    assert_eq!(outcome(&registry.register_certificate_without_ca(input(json), NOW)), "200");
    let record = registry.certificate(identity.certificate_id()).unwrap();
    assert_eq!(record.mode, CertificateMode::SniOnly);
    assert_eq!(record.ca_certificate_id, None);
}

#[test]
fn cert_34_what_waits_for_its_activation_can_be_deleted() {
    let mut registry = registry();
    let ca = CertificateAuthority::new("Acme");
    register_ca(&mut registry, &ca, json!({}));
    let leaf = ca.issue("lamp").certificate().clone();
    let (id, ca) = (leaf.id(), ca.certificate_id());
    registry.register_just_in_time(leaf, ca, CertificateMode::Default, NOW);
    let deleted = registry.delete_certificate(input(json!({ "certificateId": id })));
    assert_eq!(outcome(&deleted), "200");
    let of_ca = registry.list_certificates_by_ca(input(json!({ "caCertificateId": ca }))).unwrap();
    assert_eq!(of_ca.certificates, []);
}
