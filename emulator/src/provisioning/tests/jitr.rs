//! JR-1 … JR-15, JE-1 … JE-4, MA-3, and the refusals of registered certificates.

use std::time::Duration;

use super::*;
use crate::pki::Leaf;

const NOT_REGISTERED: &str = "DEVICE_CERTIFICATE_NOT_REGISTERED";
const INACTIVE: &str = "DEVICE_CERTIFICATE_INACTIVE";

fn event(
    device: &Identity,
    ca: &CertificateAuthority,
    registered: Option<Timestamp>,
) -> ProvisioningEffect {
    ProvisioningEffect::RegisteredEvent {
        certificate_id: device.certificate_id(),
        ca_certificate_id: ca.certificate_id(),
        status: CertificateStatus::PendingActivation,
        registration_timestamp: registered,
        source_ip: SOURCE_IP,
    }
}

#[test]
fn jr_6_8_11_and_12_the_first_connection_registers_and_each_repeats_the_event() {
    let mut registry = registry();
    let ca = CertificateAuthority::new("Acme");
    register_ca(&mut registry, &ca, json!({}));
    let device = ca.issue("lamp");

    let first = connect(&mut registry, &device).unwrap_err();
    assert_eq!(first.rejection.reason, INACTIVE);
    assert_eq!(first.rejection.certificate_id, Some(device.certificate_id()));
    assert_eq!(first.effects, [event(&device, &ca, None)], "JE-2: null at first");
    let record = registry.certificate(device.certificate_id()).unwrap();
    assert_eq!(record.ca_certificate_id, Some(ca.certificate_id()));
    assert_eq!(record.status, CertificateStatus::PendingActivation);

    let later = NOW + Duration::from_secs(60);
    let chain = [device.certificate().clone(), ca.certificate().clone()];
    for _ in 0..2 {
        let again = present_chain(&mut registry, &chain, false, later).unwrap_err();
        assert_eq!(again.effects, [event(&device, &ca, Some(NOW))], "JE-2: then the time");
        assert_eq!(again.rejection.reason, INACTIVE);
    }
    assert_eq!(status(&registry, &device), Some("PENDING_ACTIVATION"));
    let list = json!({ "caCertificateId": ca.certificate_id().to_string() });
    let listed = registry.list_certificates_by_ca(input(list)).unwrap().certificates;
    assert_eq!(listed.len(), 1);
    let things = registry.list_things(input(json!({}))).unwrap().things;
    let policies = registry.list_policies(input(json!({}))).unwrap().policies;
    assert_eq!((things.len(), policies.len()), (0, 0), "JR-11");

    update(&mut registry, &device, "ACTIVE");
    let principal = connect(&mut registry, &device).expect("it is ACTIVE now");
    assert_eq!(principal.to_string(), device.certificate_id().to_string());
    assert_eq!(principal.certificate().unwrap().id(), device.certificate_id());
}

#[test]
fn jr_1_and_9_a_ca_that_does_not_auto_register() {
    let table = [
        (json!({ "newAutoRegistrationStatus": "DISABLE" }), "ACTIVE", "DISABLE"),
        (json!({ "newStatus": "INACTIVE" }), "INACTIVE", "ENABLE"),
    ];
    for (change, ca_status, auto_registration) in table {
        let mut registry = registry();
        let ca = CertificateAuthority::new("Acme");
        register_ca(&mut registry, &ca, json!({}));
        let (before, after) = (ca.issue("before"), ca.issue("after"));
        connect(&mut registry, &before).unwrap_err();
        update_ca(&mut registry, &ca, change);

        let refused = connect(&mut registry, &after).unwrap_err();
        assert_eq!(refused.rejection.reason, NOT_REGISTERED);
        assert_eq!(refused.effects, []);
        assert_eq!(status(&registry, &after), None);
        let why = &refused.rejection.why[1];
        let end = format!(
            "is signed by CA `CN=Acme` which is registered, {ca_status}, with auto-registration \
             {auto_registration}"
        );
        assert!(why.ends_with(&end), "{why}");

        let pending = connect(&mut registry, &before).unwrap_err();
        assert_eq!(pending.rejection.reason, INACTIVE);
        assert_eq!(pending.effects, [], "a certificate that waits: no event either");
    }
}

#[test]
fn jr_2_only_the_direct_issuer_counts() {
    let mut registry = registry();
    let root = CertificateAuthority::new("Root");
    let factory = root.issue_authority("Factory");
    register_ca(&mut registry, &root, json!({}));
    let device = factory.issue("lamp");
    let chain = [device.certificate().clone(), factory.certificate().clone()];
    let refused = present_chain(&mut registry, &chain, true, NOW).unwrap_err();
    assert_eq!((refused.rejection.reason, refused.effects.len()), (NOT_REGISTERED, 0));
    assert_eq!(
        refused.rejection.why[1..],
        [
            "no registered CA certificate has the subject `CN=Factory`",
            "CA `CN=Root` is registered, but it issued `CN=Factory` of the chain and not the \
             client's certificate: AWS IoT wants the direct issuer registered",
        ]
    );
    register_ca(&mut registry, &factory, json!({}));
    let registered = present_chain(&mut registry, &chain, true, NOW).unwrap_err();
    assert_eq!(registered.effects, [event(&device, &factory, None)]);
}

#[test]
fn jr_3_the_signature_tells_twins_apart_with_and_without_the_ca_in_the_chain() {
    let mut registry = registry();
    let (first, twin) = (CertificateAuthority::new("Acme"), CertificateAuthority::new("Acme"));
    register_ca(&mut registry, &first, json!({}));
    register_ca(&mut registry, &twin, json!({}));
    for with_ca in [false, true] {
        let device = twin.issue("lamp");
        let mut chain = vec![device.certificate().clone()];
        chain.extend(with_ca.then(|| twin.certificate().clone()));
        let registered = present_chain(&mut registry, &chain, !with_ca, NOW).unwrap_err();
        assert_eq!(registered.effects, [event(&device, &twin, None)]);
    }
    let stranger = CertificateAuthority::new("Acme");
    let device = stranger.issue("lamp");
    let refused = connect(&mut registry, &device).unwrap_err();
    assert_eq!(refused.effects, []);
    for why in &refused.rejection.why[1..] {
        assert!(why.contains("does not verify against the registered CA `CN=Acme`"), "{why}");
    }
}

#[test]
fn jr_3_without_sni_the_chain_has_to_bring_the_ca() {
    let mut registry = registry();
    let root = CertificateAuthority::new("Root");
    let factory = root.issue_authority("Factory");
    register_ca(&mut registry, &factory, json!({}));
    let [leaf, ca, above] = [
        factory.issue("lamp").certificate().clone(),
        factory.certificate().clone(),
        root.certificate().clone(),
    ];
    let alone = [leaf.clone()];
    let (without, with) = ([leaf.clone(), above.clone()], [leaf.clone(), above, ca]);
    for chain in [&alone[..], &without] {
        let refused = present_chain(&mut registry, chain, false, NOW).unwrap_err();
        assert_eq!((refused.rejection.reason, refused.effects.len()), (NOT_REGISTERED, 0));
        assert_eq!(
            refused.rejection.why[1],
            "the client sent neither SNI nor, with its own certificate, that of CA `CN=Factory`: \
             AWS IoT needs one of them"
        );
        assert!(registry.certificate(leaf.id()).is_none());
    }
    let registered = present_chain(&mut registry, &with, false, NOW).unwrap_err();
    assert_eq!((registered.rejection.reason, registered.effects.len()), (INACTIVE, 1));
    // Once it is known, its ID is enough.
    let waiting = present_chain(&mut registry, &alone, false, NOW).unwrap_err();
    assert_eq!((waiting.rejection.reason, waiting.effects.len()), (INACTIVE, 1));
}

#[test]
fn jr_3_of_two_certificates_of_one_ca_the_one_in_the_chain_counts() {
    let pems = [
        include_str!("../../registry/tests/testdata/renewed-ca-1.pem"),
        include_str!("../../registry/tests/testdata/renewed-ca-2.pem"),
    ];
    let leaf = include_str!("../../registry/tests/testdata/renewed-leaf.pem");
    let leaf = Certificate::from_pem(leaf).unwrap();
    let cas = pems.map(|pem| Certificate::from_pem(pem).unwrap());
    for (sent, expected) in [(None, 0), (Some(0), 0), (Some(1), 1)] {
        let mut registry = registry();
        for pem in pems {
            let json = json!({
                "caCertificate": pem, "certificateMode": "SNI_ONLY",
                "setAsActive": true, "allowAutoRegistration": true,
            });
            registry.register_ca_certificate(input(json), NOW, |_| true).unwrap();
        }
        let mut chain = vec![leaf.clone()];
        chain.extend(sent.map(|index: usize| cas[index].clone()));
        present_chain(&mut registry, &chain, true, NOW).unwrap_err();
        let record = registry.certificate(leaf.id()).unwrap();
        assert_eq!(record.ca_certificate_id, Some(cas[expected].id()));
    }
}

#[test]
fn jr_4_and_ma_3_sni_only() {
    let mut registry = registry();
    let ca = CertificateAuthority::new("Acme");
    register_sni_only_ca(&mut registry, &ca);
    let device = ca.issue("lamp");
    let chain = [device.certificate().clone()];
    let nameless = present_chain(&mut registry, &chain, false, NOW).unwrap_err();
    assert_eq!((nameless.rejection.reason, nameless.effects.len()), (NOT_REGISTERED, 0));
    assert!(nameless.rejection.why[1].contains("SNI_ONLY"), "{:?}", nameless.rejection.why);
    assert_eq!(status(&registry, &device), None);

    let named = present_chain(&mut registry, &chain, true, NOW).unwrap_err();
    assert_eq!(named.effects, [event(&device, &ca, None)]);
    let record = registry.certificate(device.certificate_id()).unwrap();
    assert_eq!(record.mode.as_str(), "SNI_ONLY", "the mode is the CA's");
    let nameless = present_chain(&mut registry, &chain, false, NOW).unwrap_err();
    assert_eq!((nameless.rejection.reason, nameless.effects.len()), (NOT_REGISTERED, 0));

    update(&mut registry, &device, "ACTIVE");
    assert!(present_chain(&mut registry, &chain, true, NOW).is_ok());
    let nameless = present_chain(&mut registry, &chain, false, NOW).unwrap_err();
    assert_eq!(nameless.rejection.reason, NOT_REGISTERED, "MA-3");
}

#[test]
fn jr_4_the_same_ca_in_two_accounts() {
    let ca = CertificateAuthority::new("Acme");
    let device = ca.issue("lamp");
    let mut first = registry();
    let mut second = Registry::new(Scope::new("111122223333", "us-east-1"), 7);
    register_sni_only_ca(&mut first, &ca);
    register_sni_only_ca(&mut second, &ca);
    present_chain(&mut second, &[device.certificate().clone()], true, NOW).unwrap_err();
    assert_eq!(
        (status(&first, &device), status(&second, &device)),
        (None, Some("PENDING_ACTIVATION"))
    );
}

#[test]
fn s5_a_certificate_that_is_not_active_is_refused_in_silence() {
    let table = [
        ("INACTIVE", INACTIVE),
        ("REGISTER_INACTIVE", INACTIVE),
        ("REVOKED", "DEVICE_CERTIFICATE_REVOKED"),
    ];
    let ca = CertificateAuthority::new("Acme");
    for (state, reason) in table {
        let mut registry = registry();
        register_ca(&mut registry, &ca, json!({}));
        let device = ca.issue("lamp");
        connect(&mut registry, &device).unwrap_err();
        update(&mut registry, &device, state);
        let refused = connect(&mut registry, &device).unwrap_err();
        assert_eq!(refused.rejection.reason, reason);
        assert_eq!(refused.effects, [], "JR-9: {state}");
        assert_eq!(status(&registry, &device), Some(state));
    }
}

#[test]
fn s5_strangers_are_not_registered() {
    let mut registry = registry();
    let nobody = present_chain(&mut registry, &[], true, NOW).unwrap_err();
    assert_eq!(nobody.rejection.reason, "NOT_AUTHENTICATED");
    assert_eq!(nobody.rejection.certificate_id, None);

    let own = Identity::self_signed("mine");
    let refused = connect(&mut registry, &own).unwrap_err();
    assert_eq!(refused.rejection.reason, NOT_REGISTERED);
    assert_eq!(
        refused.rejection.why[1..],
        [
            "no registered CA certificate has the subject `CN=mine`",
            "it is self-signed: RegisterCertificateWithoutCA would register it",
        ]
    );
}

#[test]
fn a_subject_cannot_write_lines_into_the_trace() {
    let device = Identity::self_signed("x\n12:00:00  lamp  ok  Connect");
    let refused = connect(&mut registry(), &device).unwrap_err();
    for why in &refused.rejection.why {
        assert!(!why.contains('\n'), "{why}");
    }
}

#[test]
fn jr_14_an_expired_certificate_registers_nothing_and_an_active_one_is_refused() {
    let mut registry = registry();
    let ca = CertificateAuthority::new("Acme");
    register_ca(&mut registry, &ca, json!({}));
    let until = NOW + Duration::from_secs(60);
    let device = ca.issue_with(Leaf::new("lamp").valid(NOW, until));
    let chain = [device.certificate().clone()];
    let late = until + Duration::from_secs(60);
    let expired = present_chain(&mut registry, &chain, true, late).unwrap_err();
    assert_eq!((expired.rejection.reason, expired.effects.len()), (NOT_REGISTERED, 0));
    assert_eq!(status(&registry, &device), None);

    present_chain(&mut registry, &chain, true, NOW).unwrap_err();
    let waiting = present_chain(&mut registry, &chain, true, late).unwrap_err();
    assert_eq!((waiting.rejection.reason, waiting.effects.len()), (INACTIVE, 0));

    update(&mut registry, &device, "ACTIVE");
    assert!(present_chain(&mut registry, &chain, true, NOW).is_ok());
    let expired = present_chain(&mut registry, &chain, true, late).unwrap_err();
    assert_eq!(expired.rejection.reason, "NOT_AUTHENTICATED");
    assert!(expired.rejection.why[0].contains("is ACTIVE, but is valid from"));
}

#[test]
fn jr_15_after_deletion_the_next_connection_registers_afresh() {
    let mut registry = registry();
    let ca = CertificateAuthority::new("Acme");
    register_ca(&mut registry, &ca, json!({}));
    let device = ca.issue("lamp");
    connect(&mut registry, &device).unwrap_err();
    let id = device.certificate_id().to_string();
    registry.delete_certificate(input(json!({ "certificateId": id }))).expect("CERT-34");
    let afresh = connect(&mut registry, &device).unwrap_err();
    assert_eq!(afresh.effects, [event(&device, &ca, None)]);
}

#[test]
fn cert_26_a_certificate_that_waits_outlives_its_ca_without_an_event() {
    let mut registry = registry();
    let ca = CertificateAuthority::new("Acme");
    register_ca(&mut registry, &ca, json!({}));
    let device = ca.issue("lamp");
    connect(&mut registry, &device).unwrap_err();
    update_ca(&mut registry, &ca, json!({ "newStatus": "INACTIVE" }));
    let id = ca.certificate_id().to_string();
    registry.delete_ca_certificate(input(json!({ "certificateId": id }))).unwrap();
    let waiting = connect(&mut registry, &device).unwrap_err();
    assert_eq!(waiting.effects, []);
    update(&mut registry, &device, "ACTIVE");
    assert!(connect(&mut registry, &device).is_ok(), "CA-25: it works without its CA");
}

#[test]
fn tls_5_version_1_certificates_of_openssl_count() {
    let mut registry = registry();
    let ca = CertificateAuthority::new("Acme");
    register_ca(&mut registry, &ca, json!({}));
    let device = ca.issue_with(Leaf::new("lamp").x509_v1());
    assert_eq!(connect(&mut registry, &device).unwrap_err().effects, [event(&device, &ca, None)]);
}
