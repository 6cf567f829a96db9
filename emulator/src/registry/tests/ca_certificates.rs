//! CA-1 … CA-29.

use super::*;
use crate::pki::{Leaf, Subject};

const WEAK_CA: &str = include_str!("testdata/rsa-1024-ca.pem");
const ED25519_CA: &str = include_str!("testdata/ed25519-ca.pem");
const V1_CA: &str = include_str!("testdata/v1-ca.pem");

const TEMPLATE: &str = r#"{"Resources":{"certificate":{"Type":"AWS::IoT::Certificate",
    "Properties":{"CertificateId":{"Ref":"AWS::IoT::Certificate::Id"}}}}}"#;
const ROLE: &str = "arn:aws:iam::123456789012:role/JITPRole";

fn sni_only(pem: &str) -> Value {
    json!({ "caCertificate": pem, "certificateMode": "SNI_ONLY" })
}

const NOT_CA: &str = "400 CertificateValidationException: CA certificate is not valid. The CA \
                      certificate does not have the basicConstraints extension as true";
const BAD_KEY: &str = "400 CertificateValidationException: The key in the certificate is not valid";
const BAD_CODE: &str = "400 RegistrationCodeValidationException: Registration code provided in the \
                        CN field of verification certificate is invalid.";

/// Registers each row's input and compares; none is registered.
fn refuses<const N: usize>(registry: &mut Registry, table: [(&str, Value, &str); N]) {
    for (row, json, expected) in table {
        let refused = asked("RegisterCACertificate", &json, |input| {
            registry.register_ca_certificate(input, NOW, |_| true)
        });
        assert_eq!(outcome(&refused), expected, "{row}");
    }
    let list = registry.list_ca_certificates(ListCaCertificatesRequest::default()).unwrap();
    assert_eq!(list.certificates, [], "nothing was registered");
}

#[test]
fn ca_2_to_7_and_16_mode_and_verification_certificate() {
    let mut registry = registry();
    let ca = CertificateAuthority::new("Acme");
    let twin = CertificateAuthority::new("Acme");
    let stranger = CertificateAuthority::new("Other");
    let code = code(&mut registry);
    let second = ["x", code.as_str()].into_iter().fold(Subject::new(), |subject, name| {
        subject.with(crate::pki::AttributeKind::CommonName, name)
    });
    let second = ca.issue_with(Leaf::new(second)).certificate_pem();
    let with = |verification: &str| json!({ "caCertificate": ca.pem(), "verificationCertificate": verification });
    let mut both = with(&ca.verification_certificate(&code));
    both["certificateMode"] = json!("SNI_ONLY");
    let mode = json!({ "caCertificate": ca.pem(), "certificateMode": "BOTH" });
    let table = [
        (
            "CA-2",
            json!({ "caCertificate": ca.pem() }),
            "400 InvalidRequestException: Need to provide verification certificate for registering \
             CA Certificates in DEFAULT mode",
        ),
        (
            "CA-3",
            both,
            "400 InvalidRequestException: Cannot provide verification certificate for registering \
             CA Certificates in SNI_ONLY mode",
        ),
        (
            "CA-4",
            with("nonsense"),
            "400 InvalidRequestException: Contents of the Verification Certificate are not correct",
        ),
        (
            "CA-5",
            with(&stranger.verification_certificate(&code)),
            "400 CertificateValidationException: The issuer of the certificate did not match the \
             subject of the provided CA certificate.",
        ),
        (
            "CA-6",
            with(&twin.verification_certificate(&code)),
            "400 CertificateValidationException: The signature of the certificate failed \
             verification against the provided CA certificate.",
        ),
        ("CA-7: wrong code", with(&ca.verification_certificate("0000")), BAD_CODE),
        ("CA-7: the first CN counts", with(&second), BAD_CODE),
        (
            "CA-16",
            mode,
            "400 InvalidRequestException: 1 validation error detected: Value at 'certificateMode' \
             failed to satisfy constraint: Member must satisfy enum value set: [DEFAULT, SNI_ONLY]",
        ),
        (
            "§10.3",
            json!({}),
            "400 InvalidRequestException: 1 validation error detected: Value at 'caCertificate' \
             failed to satisfy constraint: Member must not be null",
        ),
    ];
    refuses(&mut registry, table);
}

#[test]
fn ca_9_to_17_the_ca_certificate_itself() {
    let leaf = Identity::self_signed("no CA");
    let table = [
        ("CA-9", sni_only(&leaf.certificate_pem()), NOT_CA),
        ("CA-9: X.509 version 1", sni_only(V1_CA), NOT_CA),
        (
            "CA-13: no PEM",
            sni_only("nonsense"),
            "400 CertificateValidationException: CA certificate is not valid. It is not an X.509 \
             certificate in PEM",
        ),
        ("CA-13: RSA 1024", sni_only(WEAK_CA), BAD_KEY),
        ("CA-17: Ed25519", sni_only(ED25519_CA), BAD_KEY),
    ];
    refuses(&mut registry(), table);
}

#[test]
fn ca_14_and_15_the_registration_config() {
    let ca = CertificateAuthority::new("Acme");
    let config = |config: Value| {
        let mut json = sni_only(&ca.pem());
        json["registrationConfig"] = config;
        json
    };
    let table = [
        (
            "CA-14",
            config(json!({ "templateName": "Fleet" })),
            "404 ResourceNotFoundException: Unable to find template named Fleet",
        ),
        (
            "CA-15",
            config(json!({ "templateName": "Fleet", "templateBody": TEMPLATE, "roleArn": ROLE })),
            "400 InvalidRequestException: templateName cannot be specified together with \
             templateBody or roleArn",
        ),
        (
            "JP-1: a template without a role",
            config(json!({ "templateBody": TEMPLATE })),
            "400 InvalidRequestException: registrationConfig must have a roleArn",
        ),
        (
            "JP-1: a role without a template",
            config(json!({ "roleArn": ROLE })),
            "400 InvalidRequestException: registrationConfig must have a templateBody",
        ),
        (
            "JP-6",
            config(json!({ "templateBody": TEMPLATE, "roleArn": "the role of provisioning" })),
            "400 InvalidRequestException: Invalid roleArn: the role of provisioning",
        ),
        (
            "PT-21",
            config(json!({ "templateBody": "nonsense", "roleArn": ROLE })),
            "400 InvalidRequestException: The template body is invalid",
        ),
        (
            "§10.3",
            config(json!({ "templateBody": "x".repeat(10_241), "roleArn": "short" })),
            "400 InvalidRequestException: 2 validation errors detected: Value at \
             'registrationConfig.templateBody' failed to satisfy constraint: Member must have \
             length less than or equal to 10240; Value at 'registrationConfig.roleArn' failed to \
             satisfy constraint: Member must have length greater than or equal to 20",
        ),
    ];
    refuses(&mut registry(), table);
}

#[test]
fn ca_8_presence_then_pem_then_issuer_then_signature_then_code_then_duplicate() {
    let mut registry = registry();
    let ca = CertificateAuthority::new("Acme");
    register_ca(&mut registry, &ca, json!({}));
    // Registered already, and yet the earlier check speaks.
    let twin = CertificateAuthority::new("Acme");
    let table = [
        (Value::Null, "InvalidRequestException"),
        (json!("nonsense"), "InvalidRequestException"),
        (json!(twin.verification_certificate("0")), "CertificateValidationException"),
        (json!(ca.verification_certificate("0")), "RegistrationCodeValidationException"),
        (
            json!(ca.verification_certificate(&code(&mut registry))),
            "ResourceAlreadyExistsException",
        ),
    ];
    for (verification, exception) in table {
        let json = json!({ "caCertificate": ca.pem(), "verificationCertificate": verification });
        let refused = registry.register_ca_certificate(input(json), NOW, |_| true).unwrap_err();
        assert_eq!(refused.code().name(), exception);
    }
}

#[test]
fn ca_7_without_a_registration_code_none_is_right() {
    let mut registry = registry();
    let ca = CertificateAuthority::new("Acme");
    let json = json!({
        "caCertificate": ca.pem(), "verificationCertificate": ca.verification_certificate("")
    });
    let refused = registry.register_ca_certificate(input(json), NOW, |_| true);
    assert!(outcome(&refused).starts_with("400 RegistrationCodeValidationException"));
}

#[test]
fn ca_10_and_12_a_ca_certificate_is_registered_once() {
    let mut registry = registry();
    let ca = CertificateAuthority::new("Acme");
    register_ca(&mut registry, &ca, json!({}));
    let again =
        registry.register_ca_certificate(input(sni_only(&ca.pem())), NOW, |_| true).unwrap_err();
    let arn = format!("arn:aws:iot:eu-west-1:123456789012:cacert/{}", ca.certificate_id());
    assert_eq!(
        again.body(),
        json!({
            "__type": "ResourceAlreadyExistsException",
            "message": "The certificate is already provisioned or registered",
            "resourceId": ca.certificate_id().to_string(),
            "resourceArn": arn,
        })
    );
    assert!(registry.owns_ca_by_default(ca.certificate_id()));

    let mut other = Registry::new(Scope::new("210987654321", "eu-west-1"), 7);
    let verification = ca.verification_certificate(&code(&mut other));
    let by_default = json!({ "caCertificate": ca.pem(), "verificationCertificate": verification });
    let own = |id| !registry.owns_ca_by_default(id);
    let refused = other.register_ca_certificate(input(by_default), NOW, own);
    assert!(outcome(&refused).starts_with("409 ResourceAlreadyExistsException"), "CA-12");
    let by_sni = other.register_ca_certificate(input(sni_only(&ca.pem())), NOW, own);
    assert_eq!(outcome(&by_sni), "200", "CA-12: SNI_ONLY may be registered by many accounts");
    assert!(!other.owns_ca_by_default(ca.certificate_id()));
}

#[test]
fn ca_11_ten_ca_certificates_may_share_a_subject() {
    let mut registry = registry();
    for number in 1..=11 {
        let ca = CertificateAuthority::new("Acme");
        let result = registry.register_ca_certificate(input(sni_only(&ca.pem())), NOW, |_| true);
        let expected = if number <= 10 { "200" } else { "410 LimitExceededException" };
        assert!(outcome(&result).starts_with(expected), "CA {number}");
    }
    let ca = CertificateAuthority::new("Acme");
    let verification = ca.verification_certificate(&code(&mut registry));
    let by_default = json!({ "caCertificate": ca.pem(), "verificationCertificate": verification });
    let never = |_| panic!("what is refused makes nobody an owner");
    let result = registry.register_ca_certificate(input(by_default), NOW, never);
    assert!(outcome(&result).starts_with("410 LimitExceededException"));
    let other = CertificateAuthority::new("Other");
    let result = registry.register_ca_certificate(input(sni_only(&other.pem())), NOW, |_| true);
    assert_eq!(outcome(&result), "200");
}

#[test]
fn ca_13_a_ca_certificate_counts_within_its_validity() {
    let ca = CertificateAuthority::new("Acme");
    for moment in [Timestamp::from_seconds(0), Timestamp::from_seconds(4_000_000_000)] {
        let refused =
            registry().register_ca_certificate(input(sni_only(&ca.pem())), moment, |_| true);
        assert_eq!(
            outcome(&refused),
            "400 CertificateValidationException: The certificate is not within its validity period"
        );
    }
}

#[test]
fn ca_17_an_intermediate_ca_may_be_registered() {
    let mut registry = registry();
    let root = CertificateAuthority::new("Root");
    register_ca(&mut registry, &root.issue_authority("Factory"), json!({}));
}

#[test]
fn ca_20_a_ca_certificate_is_described_as_aws_describes_it() {
    let mut registry = registry();
    let ca = CertificateAuthority::new("Acme");
    let config = json!({ "templateBody": TEMPLATE, "roleArn": ROLE });
    register_ca(&mut registry, &ca, json!({ "registrationConfig": config }));
    let id = ca.certificate_id().to_string();
    let described =
        registry.describe_ca_certificate(input(json!({ "certificateId": id }))).unwrap();
    let mut described = output(described);
    let description = described["certificateDescription"].as_object_mut().unwrap();
    let generation = description.remove("generationId").unwrap();
    assert_eq!(generation.as_str().unwrap().len(), 36);
    assert_eq!(
        described,
        json!({
            "certificateDescription": {
                "certificateArn": format!("arn:aws:iot:eu-west-1:123456789012:cacert/{id}"),
                "certificateId": id,
                "status": "ACTIVE",
                "certificatePem": ca.pem(),
                "ownedBy": "123456789012",
                "creationDate": 1_800_000_000.053,
                "autoRegistrationStatus": "DISABLE",
                "lastModifiedDate": 1_800_000_000.053,
                "customerVersion": 1,
                "validity": { "notBefore": 1_577_836_800.0, "notAfter": 2_524_607_999.0 },
                "certificateMode": "DEFAULT",
            },
            "registrationConfig": { "templateBody": TEMPLATE, "roleArn": ROLE },
        })
    );
}

#[test]
fn ca_1_and_20_new_ca_certificates_rest_until_they_are_switched_on() {
    let mut registry = registry();
    let ca = CertificateAuthority::new("Acme");
    registry.register_ca_certificate(input(sni_only(&ca.pem())), NOW, |_| true).unwrap();
    let id = ca.certificate_id().to_string();
    let described =
        output(registry.describe_ca_certificate(input(json!({ "certificateId": id }))).unwrap());
    assert_eq!(described["certificateDescription"]["status"], "INACTIVE");
    assert_eq!(described["certificateDescription"]["autoRegistrationStatus"], "DISABLE");
    assert_eq!(described["certificateDescription"]["certificateMode"], "SNI_ONLY");
    assert_eq!(described.get("registrationConfig"), None, "absent when never configured");
}

#[test]
fn ca_21_to_24_updating_and_deleting() {
    let mut registry = registry();
    let ca = CertificateAuthority::new("Acme");
    register_ca(&mut registry, &ca, json!({}));
    let id = ca.certificate_id().to_string();
    let upper = id.to_uppercase();
    let missing = "404 ResourceNotFoundException: Requested CA Certificate does not exist.";
    let mut update = |json: Value| {
        let updated =
            asked("UpdateCACertificate", &json, |input| registry.update_ca_certificate(input, NOW));
        let now = registry.ca_certificate(ca.certificate_id()).unwrap();
        let has_config = now.registration_config.is_some();
        (outcome(&updated), now.status.as_str(), now.auto_registration.as_str(), has_config)
    };
    let config = json!({ "templateBody": TEMPLATE, "roleArn": ROLE });
    let table = [
        ("CA-21", json!({ "certificateId": upper }), (missing, "ACTIVE", "DISABLE", false)),
        ("CA-22: nothing", json!({ "certificateId": id }), ("200", "ACTIVE", "DISABLE", false)),
        (
            "CA-22: one by one",
            json!({ "certificateId": id, "newAutoRegistrationStatus": "ENABLE" }),
            ("200", "ACTIVE", "ENABLE", false),
        ),
        (
            "CA-22: the config",
            json!({ "certificateId": id, "registrationConfig": config }),
            ("200", "ACTIVE", "ENABLE", true),
        ),
        (
            "CA-22: an empty config changes nothing",
            json!({ "certificateId": id, "registrationConfig": {} }),
            ("200", "ACTIVE", "ENABLE", true),
        ),
        (
            "CA-23",
            json!({ "certificateId": id, "removeAutoRegistration": true }),
            ("200", "ACTIVE", "DISABLE", false),
        ),
    ];
    for (row, json, expected) in table {
        let (result, status, auto_registration, config) = update(json);
        assert_eq!((result.as_str(), status, auto_registration, config), expected, "{row}");
    }
    let wrong = update(json!({ "certificateId": id, "newStatus": "OFF" })).0;
    assert!(wrong.contains("'newStatus' failed to satisfy constraint"), "{wrong}");

    let delete = |registry: &mut Registry| {
        outcome(&registry.delete_ca_certificate(input(json!({ "certificateId": id }))))
    };
    assert_eq!(
        delete(&mut registry),
        format!(
            "406 CertificateStateException: CA Certificate must be deactivated (not ACTIVE) before \
             deletion. Id: {id}"
        ),
        "CA-24"
    );
    let off = json!({ "certificateId": id, "newStatus": "INACTIVE" });
    registry.update_ca_certificate(input(off), NOW).unwrap();
    assert_eq!(delete(&mut registry), "200");
    assert_eq!(registry.take_changes(), [Change::CaCertificateDeleted(ca.certificate_id())]);
    assert_eq!(delete(&mut registry), missing);
}

#[test]
fn ca_26_and_28_device_certificates_outlive_their_ca_and_stay_in_its_list() {
    let mut registry = registry();
    let ca = CertificateAuthority::new("Acme");
    register_ca(&mut registry, &ca, json!({}));
    let mut registered = Vec::new();
    for status in ["ACTIVE", "INACTIVE", "REVOKED"] {
        let device = ca.issue(status);
        let json = json!({ "certificatePem": device.certificate_pem(), "status": status });
        registry.register_certificate(input(json), NOW).unwrap();
        registered.push(device.certificate_id());
    }
    register_without_ca(&mut registry, &ca.issue("without"), "ACTIVE");
    let id = ca.certificate_id().to_string();
    let off = json!({ "certificateId": id, "newStatus": "INACTIVE" });
    registry.update_ca_certificate(input(off), NOW).unwrap();
    registry.delete_ca_certificate(input(json!({ "certificateId": id }))).unwrap();

    let list = |json: Value| {
        let page = registry.list_certificates_by_ca(input(json)).unwrap();
        let ids = page.certificates.iter().map(|certificate| certificate.certificate_id);
        (ids.collect::<Vec<_>>(), page.next_marker)
    };
    let newest_first: Vec<CertificateId> = registered.iter().rev().copied().collect();
    assert_eq!(list(json!({ "caCertificateId": id })).0, newest_first);
    assert_eq!(list(json!({ "caCertificateId": id, "ascendingOrder": true })).0, registered);
    assert_eq!(list(json!({ "caCertificateId": id.to_uppercase() })).0, [], "ID-3");
    assert_eq!(list(json!({ "caCertificateId": "0".repeat(64) })).0, [], "unknown: an empty list");

    let (page, marker) = list(json!({ "caCertificateId": id, "pageSize": 2 }));
    assert_eq!(page, newest_first[..2]);
    let json = json!({ "caCertificateId": id, "pageSize": 2, "marker": marker });
    assert_eq!(list(json), (vec![newest_first[2]], None), "CA-29");
    let malformed = json!({ "caCertificateId": id, "marker": "YWJj" });
    assert_eq!(
        outcome(&registry.list_certificates_by_ca(input(malformed))),
        "400 InvalidRequestException: Invalid/Malformed marker passed for listCertificateByCA",
        "CA-29"
    );
}

#[test]
fn ca_27_ca_certificates_are_listed_newest_first() {
    let mut registry = registry();
    let (first, second) = (CertificateAuthority::new("A"), CertificateAuthority::new("B"));
    register_ca(&mut registry, &first, json!({}));
    register_ca(&mut registry, &second, json!({}));
    let list = |json: Value| output(registry.list_ca_certificates(input(json)).unwrap());
    let newest = list(json!({ "pageSize": 1 }));
    assert_eq!(
        newest["certificates"],
        json!([{
            "certificateArn":
                format!("arn:aws:iot:eu-west-1:123456789012:cacert/{}", second.certificate_id()),
            "certificateId": second.certificate_id().to_string(),
            "status": "ACTIVE",
            "creationDate": 1_800_000_000.053,
        }])
    );
    let next = list(json!({ "pageSize": 1, "marker": newest["nextMarker"] }));
    assert_eq!(next["certificates"][0]["certificateId"], first.certificate_id().to_string());
    assert_eq!(next.get("nextMarker"), None);
    assert_eq!(list(json!({ "templateName": "Fleet" }))["certificates"], json!([]));
}

#[test]
fn ca_25_a_ca_that_is_switched_off_takes_no_device_and_keeps_those_it_has() {
    let mut registry = registry();
    let ca = CertificateAuthority::new("Acme");
    register_ca(&mut registry, &ca, json!({}));
    let (old, new) = (ca.issue("old"), ca.issue("new"));
    let register = |registry: &mut Registry, device: &crate::pki::Identity| {
        let json = json!({ "certificatePem": device.certificate_pem(), "status": "ACTIVE" });
        outcome(&registry.register_certificate(input(json), NOW))
    };
    assert_eq!(register(&mut registry, &old), "200");
    let off = json!({ "certificateId": ca.certificate_id(), "newStatus": "INACTIVE" });
    registry.update_ca_certificate(input(off), NOW).unwrap();
    assert_eq!(
        register(&mut registry, &new),
        "406 CertificateStateException: The CA certificate is not active"
    );
    let kept = registry.certificate(old.certificate_id()).unwrap();
    assert_eq!(kept.status, CertificateStatus::Active);
    assert_eq!(registry.take_changes(), [], "nobody is disconnected");
}
