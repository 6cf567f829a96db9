//! What OpenSSL makes, read; what we make, read by OpenSSL's rules; and noise.

mod second_writer;

use std::time::Duration;

use proptest::prelude::*;

use super::*;
use crate::time::{Clock, Timestamp};

const OPENSSL: &str = include_str!("../testdata/openssl.pem");

/// The text from the line `# name:` on; the first block in it is the one named.
fn fixture(name: &str) -> &'static str {
    let start = OPENSSL.find(&format!("\n# {name}: ")).unwrap();
    let text = &OPENSSL[start + 1..];
    let end = text.find("-----END").unwrap();
    let close = text[end..].find('\n').unwrap();
    &text[..end + close + 1]
}

fn certificate(name: &str) -> Certificate {
    Certificate::from_pem(fixture(name)).unwrap()
}

// === Reading ===

#[test]
fn c08_id_1_the_id_is_the_sha_256_of_the_der() {
    let leaf = certificate("v1-leaf");
    // openssl x509 -outform der | sha256sum
    let expected = "1ac6b6d205c9b1d4f5bfa5979b2e2de122c5c173cd3a2d9de293b5dbc921e483";
    assert_eq!(leaf.id().to_string(), expected);
    assert_eq!(Certificate::from_der(leaf.der()).unwrap(), leaf);
    assert_eq!(Certificate::from_pem(&leaf.pem()).unwrap().id(), leaf.id());
}

#[test]
fn pem_is_read_with_text_around_it_with_crlf_and_in_bundles() {
    let ca = certificate("ca");
    let crlf = format!("subject=CN=x\r\n\r\n{}trailer", ca.pem().replace('\n', "\r\n"));
    assert_eq!(Certificate::from_pem(&crlf).unwrap(), ca);

    let all = Certificate::bundle_from_pem(OPENSSL);
    assert_eq!(all.len(), 15, "requests are passed over");
    assert!(all.iter().all(Result::is_ok));

    let key_first = CertificateAuthority::new("x").private_key_pem() + &ca.pem();
    assert_eq!(Certificate::from_pem(&key_first).unwrap(), ca);

    let broken = "-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----\n";
    let bundle = Certificate::bundle_from_pem(&(broken.to_owned() + &ca.pem()));
    assert!(matches!(bundle.as_slice(), [Err(_), Ok(second)] if *second == ca));
}

#[test]
fn what_is_no_certificate_is_refused_with_a_reason() {
    let closed =
        |inner: &str| format!("-----BEGIN CERTIFICATE-----\n{inner}\n-----END CERTIFICATE-----\n");
    let ca = certificate("ca");
    let mut trailing = ca.der().to_vec();
    trailing.push(0);
    let cases = [
        (String::new(), "no `-----BEGIN CERTIFICATE-----` block"),
        ("garbage".to_owned(), "no `-----BEGIN CERTIFICATE-----` block"),
        (fixture("csr-rsa").to_owned(), "no `-----BEGIN CERTIFICATE-----` block"),
        (
            "-----BEGIN CERTIFICATE-----\nMIIB".to_owned(),
            "broken PEM: a block is never closed: `-----END CERTIFICATE-----` is missing",
        ),
        (closed("%%%"), "broken PEM: what a block holds is not Base64"),
        (closed("MIIB"), "not an X.509 certificate: it ends too early"),
        (pem::certificate(&trailing), "not an X.509 certificate: something follows it"),
        ("x".repeat(65_537), "more than 65536 bytes"),
    ];
    for (text, message) in cases {
        assert_eq!(Certificate::from_pem(&text).unwrap_err().to_string(), message);
    }
    assert!(Certificate::from_der(&vec![0x30; 70_000]).is_err());
}

#[test]
fn tls_5_versions_1_and_3_are_told_apart() {
    let (leaf, ca) = (certificate("v1-leaf"), certificate("ca"));
    assert_eq!((leaf.version(), leaf.is_ca()), (1, false));
    assert_eq!((ca.version(), ca.is_ca()), (3, true));
    assert_eq!(leaf.subject().to_string(), "C=JP,O=Acme,CN=v1-device");
    assert_eq!(leaf.issuer().der(), ca.subject().der());
}

#[test]
fn public_keys_are_told_apart() {
    let cases = [
        ("ca", PublicKey::Rsa { bits: 2048 }),
        ("rsa-1024", PublicKey::Rsa { bits: 1024 }),
        ("p256", PublicKey::Ec { curve: Curve::P256 }),
        ("p384", PublicKey::Ec { curve: Curve::P384 }),
        ("p521", PublicKey::Ec { curve: Curve::P521 }),
        ("ed25519", PublicKey::Ed25519),
        ("dsa", PublicKey::Other),
    ];
    for (name, expected) in cases {
        assert_eq!(certificate(name).public_key(), expected, "{name}");
    }
}

#[test]
fn pol_40_every_attribute_is_found_in_the_order_of_the_certificate() {
    let rich = certificate("rich");
    let values = |kind| rich.subject().values(kind).collect::<Vec<_>>();
    let cases: &[(AttributeKind, &[&str])] = &[
        (AttributeKind::Country, &["US"]),
        (AttributeKind::OrganizationalUnit, &["First", "Second"]),
        (AttributeKind::Organization, &["Acme, Ltd <a+b=c;d>\\e"]),
        (AttributeKind::DistinguishedNameQualifier, &["q1"]),
        (AttributeKind::State, &["Ohio"]),
        (AttributeKind::Locality, &["Berlin"]),
        (AttributeKind::SerialNumber, &["SN-7"]),
        (AttributeKind::Title, &["Dr"]),
        (AttributeKind::Surname, &["Müller"]),
        (AttributeKind::GivenName, &["Ada"]),
        (AttributeKind::Initials, &["AM"]),
        (AttributeKind::Pseudonym, &["P"]),
        (AttributeKind::GenerationQualifier, &["III"]),
        (AttributeKind::CommonName, &["rich"]),
        (AttributeKind::EmailAddress, &["a@b.c"]),
        (AttributeKind::UserId, &[]),
    ];
    for (kind, expected) in cases {
        assert_eq!(values(*kind), *expected, "{kind:?}");
    }
    assert_eq!(
        rich.subject().to_string(),
        "C=US,OU=First,OU=Second,O=Acme\\, Ltd \\<a\\+b\\=c\\;d\\>\\\\e,DN=q1,ST=Ohio,L=Berlin,\
         SERIALNUMBER=SN-7,T=Dr,SURNAME=Müller,GIVENNAME=Ada,INITIALS=AM,Pseudonym=P,\
         GENERATION=III,CN=rich+E=a@b.c,2.3.4=odd"
    );
    assert_eq!(rich.subject().attributes().len(), 17);
}

#[test]
fn alternative_names_of_both_parties_are_found() {
    use AlternativeNameKind::{
        DirectoryName, DnsName, IpAddress, Rfc822Name, UniformResourceIdentifier,
    };
    let rich = certificate("rich");
    let text = |(kind, name): &(AlternativeNameKind, String)| (*kind, name.clone());
    let subject: Vec<_> = rich.alternative_names(Party::Subject).iter().map(text).collect();
    let expected = [
        (Rfc822Name, "a@b.c"),
        (DnsName, "one.example"),
        (DnsName, "two.example"),
        (UniformResourceIdentifier, "urn:x:y"),
        (IpAddress, "10.1.2.3"),
        (IpAddress, "::1"),
        (DirectoryName, "C=DE,CN=inner"),
    ];
    assert_eq!(subject, expected.map(|(kind, name)| (kind, name.to_owned())));
    let issuer: Vec<_> = rich.alternative_names(Party::Issuer).iter().map(text).collect();
    let expected = [(DnsName, "issuer.example"), (Rfc822Name, "i@b.c")];
    assert_eq!(issuer, expected.map(|(kind, name)| (kind, name.to_owned())));
    assert!(certificate("v1-leaf").alternative_names(Party::Subject).is_empty());
}

#[test]
fn pol_46_jp_4_values_are_escaped_as_rfc_2253_has_it() {
    let cases = [
        ("plain", "plain"),
        ("testThingC=US", "testThingC\\=US"),
        (
            "Amazon Web Services O=Amazon.com Inc. L=Seattle ST=Washington C=US",
            "Amazon Web Services O\\=Amazon.com Inc. L\\=Seattle ST\\=Washington C\\=US",
        ),
        (",\"\\+=<>;", "\\,\\\"\\\\\\+\\=\\<\\>\\;"),
        ("#lead and in#side", "\\#lead and in#side"),
        ("  both ends ", "\\ \\ both ends\\ "),
        (" ", "\\ "),
        ("Müller", "Müller"),
        ("", ""),
    ];
    for (value, expected) in cases {
        assert_eq!(escape_rfc2253(value), expected);
    }
}

#[test]
fn serial_and_validity_print_as_api_gateway_prints_them() {
    let rich = certificate("rich");
    assert_eq!(
        serial_text(rich.serial()),
        "3c:47:69:25:28:4f:9c:66:0c:76:5b:7c:fb:fd:f4:e9:bd:22:5d:ab"
    );
    assert_eq!(validity_text(rich.not_before()), "Nov 22 00:08:13 2026 GMT");
    assert_eq!(validity_text(rich.not_after()), "Apr  9 00:08:13 2054 GMT");
    assert_eq!(validity_text(Timestamp::from_seconds(1_628_156_184)), "Aug  5 09:36:24 2021 GMT");
    let cases: [(&[u8], &str); 4] = [(&[1], "1"), (&[0], "0"), (&[0xa1, 0x01], "a1:01"), (&[], "")];
    for (serial, expected) in cases {
        assert_eq!(serial_text(serial), expected);
    }
}

#[test]
fn cert_22_validity_holds_from_its_first_to_its_last_second() {
    let (from, until) =
        (Timestamp::from_seconds(2_000_000_000), Timestamp::from_seconds(2_000_000_060));
    let identity = Identity::self_signed_with(Leaf::new("x").valid(from, until));
    let certificate = identity.certificate();
    assert_eq!((certificate.not_before(), certificate.not_after()), (from, until));
    let millisecond = Duration::from_millis(1);
    let cases = [
        (from - millisecond, false),
        (from, true),
        (until, true),
        (until + Duration::from_millis(999), true),
        (until + Duration::from_secs(1), false),
    ];
    for (now, expected) in cases {
        assert_eq!(certificate.is_valid_at(now), expected, "{now:?}");
    }
}

#[test]
fn dates_before_1950_and_after_2049_survive_the_writing() {
    for (from, until) in [(-1_000_000_000, 4_000_000_000), (0, 253_402_300_799)] {
        let (from, until) = (Timestamp::from_seconds(from), Timestamp::from_seconds(until));
        let identity = Identity::self_signed_with(Leaf::new("x").valid(from, until));
        let certificate = identity.certificate();
        assert_eq!((certificate.not_before(), certificate.not_after()), (from, until));
    }
    // What IEEE 802.1AR gives a device that is to be valid for good.
    let for_good = Timestamp::from_seconds(253_402_300_799);
    assert_eq!(validity_text(for_good), "Dec 31 23:59:59 9999 GMT");
}

// === Who signed what ===

#[test]
fn ca_17_signatures_of_each_algorithm_are_verified() {
    let ca = certificate("ca");
    for leaf in ["v1-leaf", "sha384-leaf", "sha512-leaf", "pss-leaf"] {
        assert_eq!(certificate(leaf).issued_by(&ca), Ok(()), "{leaf}");
    }
    for own in ["ca", "ed25519", "p256", "p384", "p521", "twin", "rich"] {
        assert!(certificate(own).is_self_signed(), "{own}");
    }
    assert!(!certificate("v1-leaf").is_self_signed());
}

#[test]
fn ca_5_ca_6_the_name_is_looked_at_before_the_signature() {
    let (ca, twin, leaf) = (certificate("ca"), certificate("twin"), certificate("v1-leaf"));
    assert_eq!(leaf.issued_by(&certificate("p256")), Err(IssuerMismatch::Name));
    let why = |child: &str, parent: &Certificate| match certificate(child).issued_by(parent) {
        Err(IssuerMismatch::Signature { why }) => why,
        other => panic!("{child}: {other:?}"),
    };
    assert_eq!(twin.subject().der(), ca.subject().der());
    assert_eq!(why("v1-leaf", &twin), "another key made the signature");
    assert_eq!(why("sha1-leaf", &ca), "it is signed with SHA-1");
    assert_eq!(
        why("pss-long-salt-leaf", &ca),
        "RSASSA-PSS is verified only with SHA-2 and a salt as long as the hash"
    );
    assert_eq!(why("dsa", &certificate("dsa")), "DSA signatures are not verified by this emulator");
    assert_eq!(
        why("rsa-1024", &certificate("rsa-1024")),
        "the RSA key of the CA has fewer than 2048 bits"
    );
    let elliptic = CertificateAuthority::with_subject(
        Subject::new()
            .with(AttributeKind::Country, "JP")
            .with(AttributeKind::Organization, "Acme")
            .with(AttributeKind::CommonName, "Acme Devices"),
    );
    // OpenSSL chose PrintableString for the country and UTF8String else, and so do we.
    assert_eq!(why("v1-leaf", elliptic.certificate()), "the key is not of the kind that signed");
}

#[test]
fn a_tampered_certificate_is_not_issued_by_its_ca() {
    let (ca, leaf) = (certificate("ca"), certificate("v1-leaf"));
    let mut der = leaf.der().to_vec();
    let name = der.windows(9).position(|window| window == b"v1-device").unwrap();
    der[name] = b'w';
    let tampered = Certificate::from_der(&der).unwrap();
    assert!(matches!(tampered.issued_by(&ca), Err(IssuerMismatch::Signature { .. })));
}

// === Issuing ===

#[test]
fn a_ca_issues_what_a_ca_and_a_device_look_like() {
    let ca = CertificateAuthority::new("Acme Devices");
    let device = ca.issue("sensor-1");
    let (above, leaf) = (ca.certificate(), device.certificate());
    assert!(above.is_ca() && above.is_self_signed());
    assert_eq!((leaf.version(), leaf.is_ca(), leaf.issued_by(above)), (3, false, Ok(())));
    assert_eq!(leaf.subject().to_string(), "CN=sensor-1");
    assert_eq!(leaf.serial().len(), 20);
    assert_eq!(leaf.id(), device.certificate_id());
    assert_eq!(device.chain_pem(), device.certificate_pem() + &ca.pem());
    assert_ne!(ca.issue("sensor-1").certificate_id(), device.certificate_id());

    let verification = Certificate::from_pem(&ca.verification_certificate("c0de")).unwrap();
    assert_eq!(verification.issued_by(above), Ok(()));
    assert_eq!(verification.subject().to_string(), "CN=c0de");
}

#[test]
fn every_kind_of_key_and_both_versions_can_be_issued() {
    let ca = CertificateAuthority::new("Acme");
    for kind in [KeyKind::P256, KeyKind::P384, KeyKind::P521, KeyKind::Rsa2048] {
        let modern = ca.issue_with(Leaf::new("x").key(kind));
        let old = ca.issue_with(Leaf::new("x").key(kind).x509_v1());
        assert_eq!((modern.certificate().version(), old.certificate().version()), (3, 1));
        for device in [modern, old] {
            assert_eq!(device.certificate().issued_by(ca.certificate()), Ok(()), "{kind:?}");
            assert!(device.private_key_pem().starts_with("-----BEGIN PRIVATE KEY-----\n"));
        }
        assert!(
            Identity::self_signed_with(Leaf::new("x").key(kind)).certificate().is_self_signed()
        );
    }
}

#[test]
fn a_ca_below_a_ca_issues_with_the_whole_chain() {
    let root = CertificateAuthority::new("Root");
    let middle = root.issue_authority("Middle");
    let device = middle.issue("sensor-1");
    assert!(middle.certificate().is_ca());
    assert_eq!(middle.certificate().issued_by(root.certificate()), Ok(()));
    assert_eq!(device.certificate().issued_by(middle.certificate()), Ok(()));
    assert_eq!(device.chain_pem(), device.certificate_pem() + &middle.pem() + &root.pem());
}

#[test]
fn subjects_and_hosts_are_written_as_they_were_given() {
    let subject = Subject::new()
        .with(AttributeKind::Country, "US")
        .with(AttributeKind::OrganizationalUnit, "One")
        .with(AttributeKind::OrganizationalUnit, "Two, Ltd")
        .with(AttributeKind::SerialNumber, "ß")
        .with(AttributeKind::EmailAddress, "a@b.c");
    let leaf = Leaf::new(subject).host("device.example").host("10.0.0.1").host("::1");
    let identity = Identity::self_signed_with(leaf);
    let read = identity.certificate();
    assert_eq!(read.subject().to_string(), "C=US,OU=One,OU=Two\\, Ltd,SERIALNUMBER=ß,E=a@b.c");
    let hosts: Vec<_> =
        read.alternative_names(Party::Subject).iter().map(|(_, name)| name.as_str()).collect();
    assert_eq!(hosts, ["device.example", "10.0.0.1", "::1"]);
}

#[test]
fn a_ca_of_yours_is_taken_only_with_its_own_key() {
    let ca = CertificateAuthority::new("Acme");
    let other = CertificateAuthority::new("Acme");
    let again = CertificateAuthority::from_pem(&ca.pem(), &ca.private_key_pem()).unwrap();
    assert_eq!(again.issue("x").certificate().issued_by(ca.certificate()), Ok(()));
    let error = |certificate: &str, key: &str| {
        CertificateAuthority::from_pem(certificate, key).unwrap_err().to_string()
    };
    assert_eq!(
        error(&ca.pem(), &other.private_key_pem()),
        "not a usable CA: the private key is not that of the certificate"
    );
    assert_eq!(
        error(&ca.pem(), "nothing"),
        "not a usable CA: no `-----BEGIN PRIVATE KEY-----` block (PKCS#8)"
    );
    assert!(error("nothing", &ca.private_key_pem()).contains("no `-----BEGIN CERTIFICATE-----`"));
}

#[test]
fn debug_shows_names_and_ids_but_never_a_key() {
    let ca = CertificateAuthority::new("Acme");
    let device = ca.issue("sensor-1");
    assert_eq!(
        format!("{device:?}"),
        format!("Identity(Certificate(CN=sensor-1 {}))", device.certificate_id())
    );
    assert_eq!(format!("{:?}", ca.key()), "KeyPair(P256, private)");
    assert!(format!("{:?}", ServerAuthority::generate()).len() < 300);
}

// === AWS's own certificates ===

#[test]
fn cert_1_to_3_aws_issues_a_certificate_with_keys() {
    let (aws, keys, now) = (AwsIssuer::new(), DeviceKeyPair::generate(), Clock::System.now());
    assert!(keys.private_key_pem().starts_with("-----BEGIN RSA PRIVATE KEY-----\nMII"));
    assert!(keys.public_key_pem().starts_with("-----BEGIN PUBLIC KEY-----\nMIIBIjAN"));
    let issued = aws.issue(&keys.spki(), now);
    assert_eq!(issued.subject().to_string(), "CN=AWS IoT Certificate");
    assert_eq!(
        issued.issuer().values(AttributeKind::OrganizationalUnit).collect::<Vec<_>>(),
        ["Amazon Web Services O=Amazon.com Inc. L=Seattle ST=Washington C=US"]
    );
    assert_eq!((issued.version(), issued.is_ca(), issued.serial().len()), (3, false, 20));
    assert_eq!(issued.public_key(), PublicKey::Rsa { bits: 2048 });
    assert_eq!(validity_text(issued.not_after()), "Dec 31 23:59:59 2049 GMT");
    let backdated = now.since(issued.not_before());
    assert!((120..=121).contains(&backdated.as_secs()), "{backdated:?}");
}

#[test]
fn fp_3_a_claim_looks_like_the_sample_and_ends_after_five_minutes() {
    let (aws, now) = (AwsIssuer::new(), Timestamp::from_seconds(1_800_000_000));
    let claim = aws.issue_claim(&DeviceKeyPair::generate().spki(), now);
    let name = claim.subject().to_string();
    let digits = name.strip_prefix("CN=").expect("a common name and nothing else");
    assert!(digits.len() == 64 && digits.bytes().all(|byte| byte.is_ascii_hexdigit()), "{name}");
    assert_eq!(
        claim.issuer().to_string(),
        "C=US,ST=Washington,L=Seattle,O=Amazon.com Inc.,OU=Amazon IoT Provisioning,\
         SERIALNUMBER=1.0"
    );
    let validity = claim.not_after().since(claim.not_before());
    assert_eq!((validity.as_secs(), claim.not_after().since(now).as_secs()), (420, 300));
}

#[test]
fn cert_4_a_request_gives_its_subject_and_each_time_another_certificate() {
    let (aws, now) = (AwsIssuer::new(), Timestamp::from_seconds(1_800_000_000));
    let request = SigningRequest::from_pem(fixture("csr-p521")).unwrap();
    let issued = aws.issue_for(&request, now);
    assert_eq!(issued.subject().to_string(), "C=US,OU=First,OU=Second,CN=p521");
    assert_eq!(issued.public_key(), PublicKey::Ec { curve: Curve::P521 });
    assert!(issued.alternative_names(Party::Subject).is_empty(), "AWS copies no extension");
    assert_ne!(aws.issue_for(&request, now).id(), issued.id());
    assert!(SigningRequest::from_pem(fixture("csr-rsa")).is_ok());
}

#[test]
fn cert_5_a_bad_request_violates_constraints() {
    let rsa = fixture("csr-rsa");
    let mut der = pem::blocks(rsa, pem::Label::CertificateRequest).next().unwrap().unwrap();
    let name = der.windows(9).position(|window| window == b"v1-device").unwrap();
    der[name] = b'w';
    let tampered = pem::encode("CERTIFICATE REQUEST", &der);
    let cases = [
        ("", "there is no `-----BEGIN CERTIFICATE REQUEST-----` block"),
        (fixture("ca"), "there is no `-----BEGIN CERTIFICATE REQUEST-----` block"),
        (fixture("csr-rsa-1024"), "its RSA key has fewer than 2048 bits"),
        (fixture("csr-ed25519"), "its key is neither RSA nor on P-256, P-384 or P-521"),
        (fixture("csr-secp256k1"), "its key is neither RSA nor on P-256, P-384 or P-521"),
        (&tampered, "its own signature: another key made the signature"),
    ];
    for (text, why) in cases {
        let refused = SigningRequest::from_pem(text).unwrap_err();
        assert_eq!(
            (refused.to_string().as_str(), refused.why.as_str()),
            ("CSR violates constraints", why)
        );
    }
}

// === The root that devices trust ===

#[test]
fn a_server_certificate_names_the_host_and_this_machine_and_is_short_lived() {
    let (authority, now) = (ServerAuthority::generate(), Clock::System.now());
    let root = Certificate::from_pem(&authority.root_pem()).unwrap();
    assert_eq!(root.subject().to_string(), "O=iot-emulator,CN=iot-emulator Root CA");
    let endpoint = "a1b2c3d4e5f6g7-ats.iot.us-east-1.amazonaws.com";
    let cases = [
        (endpoint, ServerKey::Ecdsa, vec![endpoint, "localhost", "127.0.0.1", "::1"]),
        ("localhost", ServerKey::Rsa, vec!["localhost", "127.0.0.1", "::1"]),
        ("127.0.0.2", ServerKey::Ecdsa, vec!["127.0.0.2", "localhost", "127.0.0.1", "::1"]),
    ];
    for (name, key, expected) in cases {
        let issued = authority.server_certificate(name, key, now);
        let leaf = Certificate::from_der(&issued.chain[0]).unwrap();
        assert_eq!(leaf.issued_by(&root), Ok(()));
        let hosts: Vec<_> =
            leaf.alternative_names(Party::Subject).iter().map(|(_, name)| name.as_str()).collect();
        assert_eq!(hosts, expected);
        assert!(leaf.is_valid_at(now));
        assert!(leaf.not_after().since(leaf.not_before()) <= Duration::from_secs(397 * 86_400));
        let rsa = matches!(leaf.public_key(), PublicKey::Rsa { bits: 2048 });
        assert_eq!(rsa, key == ServerKey::Rsa);
    }
}

#[test]
fn the_root_stays_across_runs_and_its_key_is_private() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path().join("deep").join("down");
    let first = ServerAuthority::load_or_create(&folder).unwrap();
    let second = ServerAuthority::load_or_create(&folder).unwrap();
    assert_eq!(first.root_pem(), second.root_pem());
    let root_file = folder.join("AmazonRootCA1.pem");
    assert_eq!(std::fs::read_to_string(&root_file).unwrap(), first.root_pem());

    std::fs::remove_file(&root_file).unwrap();
    assert_eq!(ServerAuthority::load_or_create(&folder).unwrap().root_pem(), first.root_pem());
    assert!(root_file.exists());

    let key_file = folder.join("AmazonRootCA1.key.pem");
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt as _;
        let mode = std::fs::metadata(&key_file).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
    }
    let files = std::fs::read_dir(&folder).unwrap().count();
    assert_eq!(files, 2, "no draft is left behind");

    std::fs::write(&key_file, "spoilt").unwrap();
    let error = ServerAuthority::load_or_create(&folder).unwrap_err().to_string();
    assert!(error.contains("AmazonRootCA1.key.pem: not a usable CA"), "{error}");
    assert!(error.ends_with("delete the file to get a new root"), "{error}");
}

#[test]
fn emulators_that_start_at_once_share_one_root() {
    let folder = tempfile::tempdir().unwrap();
    let roots: Vec<String> = std::thread::scope(|scope| {
        let load = || ServerAuthority::load_or_create(folder.path()).unwrap().root_pem();
        let threads: Vec<_> = (0..8).map(|_| scope.spawn(load)).collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).collect()
    });
    assert!(roots.iter().all(|root| *root == roots[0]));
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 2);
}

#[test]
fn digests_are_those_of_the_standards() {
    let empty = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
    assert_eq!(crate::names::hex(&sha256(b"")), empty);
    assert_eq!(sha1_hex_upper(b"abc"), "A9993E364706816ABA3E25717850C26C9CD0D89D");
}

// === Noise ===

/// Everything that a certificate can be asked.
fn interrogate(certificate: &Certificate) {
    let _ = format!("{certificate:?} {} {}", certificate.subject(), certificate.issuer());
    let _ = (certificate.is_self_signed(), certificate.public_key(), certificate.pem());
    let _ = serial_text(certificate.serial());
    let _ = validity_text(certificate.not_after());
    let _ = certificate.is_valid_at(Timestamp::default());
    let _ = certificate.alternative_names(Party::Subject).len();
}

proptest! {
    #[test]
    fn noise_is_never_a_panic(bytes in proptest::collection::vec(any::<u8>(), 0..600)) {
        if let Ok(certificate) = Certificate::from_der(&bytes) {
            interrogate(&certificate);
        }
        let text = String::from_utf8_lossy(&bytes);
        let _ = Certificate::bundle_from_pem(&text);
        for label in ["CERTIFICATE", "CERTIFICATE REQUEST", "PRIVATE KEY"] {
            let block = pem::encode(label, &bytes);
            let _ = Certificate::from_pem(&block);
            let _ = SigningRequest::from_pem(&block);
            let _ = CertificateAuthority::from_pem(fixture("ca"), &block);
        }
        let _ = verify::check_signed(&bytes, &bytes);
    }

    #[test]
    fn a_certificate_with_bytes_changed_is_never_a_panic(
        which in 0..4_usize,
        changes in proptest::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..4),
    ) {
        let name = ["rich", "v1-leaf", "pss-leaf", "p521"][which];
        let mut der = certificate(name).der().to_vec();
        for (index, byte) in changes {
            let index = index.index(der.len());
            der[index] = byte;
        }
        if let Ok(certificate) = Certificate::from_der(&der) {
            interrogate(&certificate);
        }
    }

    #[test]
    fn pem_gives_back_what_it_was_given(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
        let text = pem::certificate(&bytes);
        let blocks: Vec<_> = pem::blocks(&text, pem::Label::Certificate).collect();
        prop_assert_eq!(blocks, vec![Ok(bytes)]);
    }

    #[test]
    fn any_text_survives_in_a_subject(text in "\\PC{0,40}") {
        let identity = Identity::self_signed(&text);
        let certificate = identity.certificate();
        prop_assert_eq!(
            certificate.subject().values(AttributeKind::CommonName).collect::<Vec<_>>(),
            vec![text.as_str()]
        );
    }

    #[test]
    fn escaping_can_be_undone(text in "\\PC{0,40}") {
        let mut unescaped = String::new();
        let escaped = escape_rfc2253(&text);
        let mut characters = escaped.chars();
        while let Some(character) = characters.next() {
            unescaped.extend(if character == '\\' { characters.next() } else { Some(character) });
        }
        prop_assert_eq!(unescaped, text);
    }
}
