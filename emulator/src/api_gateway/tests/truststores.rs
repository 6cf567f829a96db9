//! Which chains a truststore admits, and what it warns of.

use super::super::truststore::Truststore;
use crate::pki::{Certificate, CertificateAuthority, Identity, KeyKind, Leaf};
use crate::s3::Buckets;
use crate::time::Timestamp;

use super::NOW;

fn chain(pem: &str) -> Vec<Certificate> {
    Certificate::bundle_from_pem(pem).into_iter().map(Result::unwrap).collect()
}

/// `admitted`, or AWS's reason.
fn decision_at(truststore: &str, client: &str, now: Timestamp) -> String {
    let truststore = Truststore::read(truststore, now);
    match truststore.admit(&chain(client), now) {
        Ok(()) => "admitted".to_owned(),
        Err(untrusted) => {
            assert!(!untrusted.why.is_empty(), "a refusal says why");
            untrusted.details.strip_prefix("Access denied. Reason: ").unwrap().to_owned()
        }
    }
}

fn decision(truststore: &str, client: &str) -> String {
    decision_at(truststore, client, NOW)
}

const NO_ISSUER: &str = "Could not find issuer for certificate";
const INSECURE: &str = "Client cert using an insecure Signature Algorithm";

#[test]
fn the_chain_is_built_from_the_truststore_alone() {
    let root = CertificateAuthority::new("Root");
    let intermediate = root.issue_authority("Intermediate");
    let other = CertificateAuthority::new("Other");
    // The same name with another key.
    let namesake = CertificateAuthority::new("Root");
    let of_root = root.issue("device");
    let of_intermediate = intermediate.issue("device");
    let both = root.pem() + &intermediate.pem();
    let with_namesake = namesake.pem() + &root.pem();
    let stranger = Identity::self_signed("stranger");
    let device_pem = of_root.certificate_pem();
    let table = [
        (root.pem(), of_root.certificate_pem(), "admitted"),
        (root.pem(), of_root.chain_pem(), "admitted"),
        (both.clone(), of_intermediate.certificate_pem(), "admitted"),
        (both, of_root.certificate_pem(), "admitted"),
        (with_namesake, of_root.certificate_pem(), "admitted"),
        // The client sends its intermediate, but the truststore has the root only.
        (root.pem(), of_intermediate.chain_pem(), NO_ISSUER),
        // The truststore lacks the root above the intermediate.
        (intermediate.pem(), of_intermediate.chain_pem(), NO_ISSUER),
        (other.pem(), of_root.chain_pem(), NO_ISSUER),
        (namesake.pem(), of_root.chain_pem(), NO_ISSUER),
        (String::new(), of_root.chain_pem(), NO_ISSUER),
        (root.pem(), String::new(), NO_ISSUER),
        (root.pem(), stranger.certificate_pem(), "self signed certificate"),
        (stranger.certificate_pem(), stranger.certificate_pem(), "admitted"),
        // A device certificate in the truststore neither stands for itself nor issues others.
        (device_pem.clone(), device_pem, NO_ISSUER),
        (root.pem(), root.pem(), "admitted"),
    ];
    for (number, (truststore, client, expected)) in table.into_iter().enumerate() {
        assert_eq!(decision(&truststore, &client), expected, "row {number}");
    }
}

#[test]
fn four_ca_certificates_are_admitted_and_five_are_not() {
    let mut authority = CertificateAuthority::new("CA 1");
    let mut truststore = authority.pem();
    for level in 2..=5 {
        authority = authority.issue_authority(&format!("CA {level}"));
        truststore += &authority.pem();
        let expected = if level <= 4 { "admitted" } else { NO_ISSUER };
        let device = authority.issue("device");
        assert_eq!(decision(&truststore, &device.chain_pem()), expected, "{level} CAs");
    }
}

#[test]
fn certificates_outside_their_validity_are_refused() {
    let root = CertificateAuthority::new("Root");
    let hour = std::time::Duration::from_secs(3600);
    let device = root.issue_with(Leaf::new("device").valid(NOW, NOW + hour));
    let table = [
        (NOW - hour, "certificate is not yet valid"),
        (NOW, "admitted"),
        (NOW + hour, "admitted"),
        (NOW + hour + hour, "certificate has expired"),
    ];
    for (now, expected) in table {
        assert_eq!(decision_at(&root.pem(), &device.chain_pem(), now), expected);
    }
    // The CA's own validity ends with 2049.
    let until = Timestamp::from_seconds(4_000_000_000);
    let device = root.issue_with(Leaf::new("device").valid(NOW, until + hour));
    assert_eq!(decision_at(&root.pem(), &device.chain_pem(), until), NO_ISSUER);
}

#[test]
fn weak_algorithms_are_refused() {
    // Made with OpenSSL, valid from 2026 for a hundred years.
    let now = Timestamp::from_seconds(1_900_000_000);
    let ca = include_str!("certificates/ca.pem");
    let sha1 = include_str!("certificates/sha1_leaf.pem");
    let rsa_1024 = include_str!("certificates/rsa_1024_leaf.pem");
    assert_eq!(decision_at(ca, sha1, now), INSECURE);
    assert_eq!(decision_at(ca, rsa_1024, now), INSECURE);
    let root = CertificateAuthority::new("Root");
    let strong = root.issue_with(Leaf::new("device").key(KeyKind::P384));
    assert_eq!(decision(&root.pem(), &strong.chain_pem()), "admitted");
}

#[test]
fn a_refusal_says_what_came_nearest() {
    let root = CertificateAuthority::new("Root");
    let intermediate = root.issue_authority("Intermediate");
    let device = intermediate.issue("device");
    let truststore = Truststore::read(&root.pem(), NOW);
    let untrusted = truststore.admit(&chain(&device.chain_pem()), NOW).unwrap_err();
    assert_eq!(
        untrusted.why,
        [
            "no certificate of the truststore has the subject CN=Intermediate",
            "the client sent CN=Intermediate, but only certificates of the truststore count",
        ]
    );
}

#[test]
fn a_truststore_full_of_namesakes_costs_a_bounded_number_of_signatures() {
    let mut bundle = String::new();
    for _ in 0..100 {
        bundle += &CertificateAuthority::new("Root").pem();
    }
    let root = CertificateAuthority::new("Root");
    let truststore = Truststore::read(&bundle, NOW);
    assert!(truststore.admit(&chain(&root.issue("device").chain_pem()), NOW).is_err());
}

#[test]
fn bad_certificates_in_the_bundle_are_warned_of() {
    let root = CertificateAuthority::new("Root");
    let intermediate = root.issue_authority("Intermediate");
    let device = root.issue("device");
    let broken = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
    let none: [&str; 0] = [];
    let warnings = |pem: &str, now| Truststore::read(pem, now).warnings().to_vec();
    assert_eq!(warnings(&(root.pem() + &intermediate.pem()), NOW), none);
    assert_eq!(
        warnings(&intermediate.pem(), NOW),
        [
            "Certificate with subject 'CN=Intermediate': its issuer is not in the truststore, so its \
          chain is incomplete"
        ]
    );
    assert_eq!(
        warnings(&(root.pem() + &device.certificate_pem()), NOW),
        ["Certificate with subject 'CN=device': it is neither a CA certificate nor self-signed"]
    );
    let late = Timestamp::from_seconds(4_000_000_000);
    assert_eq!(
        warnings(&root.pem(), late),
        ["Certificate with subject 'CN=Root': certificate has expired"]
    );
    let [warning] = &warnings(broken, NOW)[..] else { panic!("one warning") };
    assert!(warning.starts_with("The truststore contains an invalid certificate: "), "{warning}");
    assert_eq!(warnings("nothing here", NOW), ["The truststore contains no certificate"]);
    // The good ones of such a bundle count.
    assert_eq!(decision(&(broken.to_owned() + &root.pem()), &device.chain_pem()), "admitted");
}

#[test]
fn a_truststore_is_read_from_s3() {
    let buckets = Buckets::new(None);
    buckets.put("trust", "dir/root.pem", CertificateAuthority::new("Root").pem()).unwrap();
    assert!(Truststore::load(&buckets, "s3://trust/dir/root.pem", NOW).is_ok());
    buckets.put("trust", "large.pem", vec![b'\n'; 1024 * 1024 + 1]).unwrap();
    let refused = [
        "s3://trust/large.pem",
        "s3://trust/missing.pem",
        "s3://missing/root.pem",
        "s3://trust/",
        "s3://trust",
        "s3:///root.pem",
        "https://trust/root.pem",
        "/etc/passwd",
        "s3://trust/../../etc/passwd",
        "",
    ];
    for uri in refused {
        let error = Truststore::load(&buckets, uri, NOW).unwrap_err();
        assert_eq!(error.code(), crate::errors::ErrorCode::BadRequestException, "{uri}");
    }
}
