//! A second writer of certificates: what rcgen issues we read alike, and it can issue below our CA.

use rcgen::{
    BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair, PKCS_ECDSA_P256_SHA256,
    PKCS_ECDSA_P384_SHA384, PKCS_ED25519, SignatureAlgorithm,
};

use super::*;

const ALGORITHMS: [&SignatureAlgorithm; 3] =
    [&PKCS_ECDSA_P256_SHA256, &PKCS_ECDSA_P384_SHA384, &PKCS_ED25519];

fn params(common_name: &str, is_ca: bool) -> CertificateParams {
    let mut params = CertificateParams::new(Vec::new()).unwrap();
    params.distinguished_name.push(DnType::CommonName, common_name);
    params.distinguished_name.push(DnType::CountryName, "DE");
    if is_ca {
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    }
    params
}

#[test]
fn what_another_writer_issues_is_read_alike() {
    for algorithm in ALGORITHMS {
        let ca_key = KeyPair::generate_for(algorithm).unwrap();
        let ca_params = params("Second CA", true);
        let ca = Certificate::from_der(ca_params.self_signed(&ca_key).unwrap().der()).unwrap();
        assert!(ca.is_ca() && ca.is_self_signed());

        let key = KeyPair::generate_for(algorithm).unwrap();
        let issuer = Issuer::new(ca_params, ca_key);
        let leaf = params("sensor-1", false).signed_by(&key, &issuer).unwrap();
        let leaf = Certificate::from_der(leaf.der()).unwrap();
        let common_name: Vec<&str> = leaf.subject().values(AttributeKind::CommonName).collect();
        assert_eq!(common_name, ["sensor-1"]);
        assert_eq!(leaf.issuer().der(), ca.subject().der());
        assert_eq!(leaf.issued_by(&ca), Ok(()));
        assert!(!leaf.is_ca());

        let twin = params("Second CA", true).self_signed(&key).unwrap();
        let twin = Certificate::from_der(twin.der()).unwrap();
        assert!(matches!(leaf.issued_by(&twin), Err(IssuerMismatch::Signature { .. })));
    }
}

#[test]
fn another_writer_issues_below_our_ca() {
    let ours = CertificateAuthority::new("Ours");
    let ca_key = KeyPair::from_pem(&ours.private_key_pem()).unwrap();
    let issuer = Issuer::from_ca_cert_pem(&ours.pem(), ca_key).unwrap();
    let key = KeyPair::generate().unwrap();
    let leaf = params("sensor-2", false).signed_by(&key, &issuer).unwrap();
    let leaf = Certificate::from_der(leaf.der()).unwrap();
    assert_eq!(leaf.issued_by(ours.certificate()), Ok(()));
}

#[test]
fn cert_4_the_request_of_another_writer_is_signed() {
    let key = KeyPair::generate().unwrap();
    let request = params("sensor-3", false).serialize_request(&key).unwrap().pem().unwrap();
    let request = SigningRequest::from_pem(&request).unwrap();
    let issued = AwsIssuer::new().issue_for(&request, Clock::System.now());
    let common_name: Vec<&str> = issued.subject().values(AttributeKind::CommonName).collect();
    assert_eq!(common_name, ["sensor-3"]);
}
