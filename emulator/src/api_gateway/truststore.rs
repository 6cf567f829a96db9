//! The truststore of a custom domain name: which client certificates it admits.
//!
//! The chain is built from the truststore alone; what the client sends besides its certificate is
//! not looked at. Revocation is never checked.
//! Truth: <https://docs.aws.amazon.com/apigateway/latest/developerguide/http-api-mutual-tls.html>.

use crate::errors::ApiError;
use crate::pki::{Certificate, Curve, IssuerMismatch, PublicKey};
use crate::s3::Buckets;
use crate::time::Timestamp;

use super::refusals::bad_request;

//= https://docs.aws.amazon.com/apigateway/latest/developerguide/http-api-mutual-tls.html
//# a chain has at most four certificates
//= https://javierinthecloud.com/understanding-the-api-gateway-mtls-chain-depth-limit
//# measured: four CA certificates, the client's own not counted; under a fifth it is HTTP 403
const CA_CERTIFICATES: usize = 4;

//? assumed: these are the limits; AWS documents none
/// Certificates in one truststore.
const CERTIFICATES: usize = 1000;
/// Bytes of one truststore.
const BYTES: usize = 1024 * 1024;

/// Signatures checked for one client, so that a truststore full of namesakes costs little.
const SIGNATURES: usize = 64;

/// The CA certificates that a custom domain name trusts, as they were when it was last updated.
#[derive(Debug)]
pub(super) struct Truststore {
    certificates: Vec<Certificate>,
    warnings: Vec<String>,
}

/// Why a client is answered 403.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Untrusted {
    /// AWS's sentence, as execution logs have it.
    pub(super) details: String,
    /// Which certificate failed which check.
    pub(super) why: Vec<String>,
}

impl Untrusted {
    fn new(reason: &str, why: Vec<String>) -> Self {
        //= https://repost.aws/knowledge-center/api-gateway-mutual-tls-403-errors
        //# the execution log says `Access denied. Reason: …`
        Self { details: format!("Access denied. Reason: {reason}"), why }
    }
}

//= https://repost.aws/knowledge-center/api-gateway-mutual-tls-403-errors
//# the three reasons that AWS logs
const NO_ISSUER: &str = "Could not find issuer for certificate";
const INSECURE: &str = "Client cert using an insecure Signature Algorithm";
const SELF_SIGNED: &str = "self signed certificate";

impl Truststore {
    /// Reads the bundle at `s3://BUCKET/KEY`.
    pub(super) fn load(buckets: &Buckets, uri: &str, now: Timestamp) -> Result<Self, ApiError> {
        let place = uri.strip_prefix("s3://").and_then(|place| place.split_once('/'));
        let Some((bucket, key)) =
            place.filter(|(bucket, key)| !bucket.is_empty() && !key.is_empty())
        else {
            //? assumed: the sentence
            return Err(bad_request(format!(
                "Invalid truststoreUri {uri}: s3://BUCKET/KEY is wanted"
            )));
        };
        let bundle = buckets.get(bucket, key).map_err(|error| {
            //? assumed: the sentence
            bad_request(format!("Unable to read the truststore {uri}: {error}"))
        })?;
        if bundle.len() > BYTES {
            return Err(bad_request(format!("The truststore {uri} has more than {BYTES} bytes")));
        }
        let text = String::from_utf8_lossy(&bundle);
        let truststore = Self::read(&text, now);
        if truststore.certificates.len() > CERTIFICATES {
            return Err(bad_request(format!(
                "The truststore {uri} has more than {CERTIFICATES} certificates"
            )));
        }
        Ok(truststore)
    }

    //= https://docs.aws.amazon.com/apigateway/latest/developerguide/http-api-mutual-tls.html
    //# bad certificates do not fail the call; each gives a warning with its subject and the issue,
    //# and only when the domain name is created or updated
    //? assumed: the wording of a warning
    /// The certificates of a PEM bundle, and what is wrong with them.
    pub(super) fn read(text: &str, now: Timestamp) -> Self {
        let mut truststore = Self { certificates: Vec::new(), warnings: Vec::new() };
        for certificate in Certificate::bundle_from_pem(text) {
            match certificate {
                Ok(certificate) => truststore.certificates.push(certificate),
                Err(error) => {
                    let warning =
                        format!("The truststore contains an invalid certificate: {error}");
                    truststore.warnings.push(warning);
                }
            }
        }
        if truststore.certificates.is_empty() && truststore.warnings.is_empty() {
            truststore.warnings.push("The truststore contains no certificate".to_owned());
        }
        for certificate in &truststore.certificates {
            if let Some(issue) = truststore.issue(certificate, now) {
                let subject = certificate.subject();
                truststore.warnings.push(format!("Certificate with subject '{subject}': {issue}"));
            }
        }
        truststore
    }

    /// The warnings of the last update.
    pub(super) fn warnings(&self) -> &[String] {
        &self.warnings
    }

    /// What is wrong with a certificate of the truststore.
    fn issue(&self, certificate: &Certificate, now: Timestamp) -> Option<&'static str> {
        if let Some(issue) = outside_validity(certificate, now) {
            return Some(issue);
        }
        if weak_key(certificate) {
            return Some("the key is weaker than RSA-2048 or ECDSA-256");
        }
        if certificate.is_self_signed() {
            return None;
        }
        if !certificate.is_ca() {
            return Some("it is neither a CA certificate nor self-signed");
        }
        let issued = self.certificates.iter().any(|ca| certificate.issued_by(ca).is_ok());
        (!issued).then_some("its issuer is not in the truststore, so its chain is incomplete")
    }

    /// Whether the client that shows `chain` is trusted.
    pub(super) fn admit(&self, chain: &[Certificate], now: Timestamp) -> Result<(), Untrusted> {
        let Some(leaf) = chain.first() else {
            return Err(Untrusted::new(NO_ISSUER, vec!["no certificate came".to_owned()]));
        };
        if weak_key(leaf) {
            let why = "the client's key is weaker than RSA-2048 or ECDSA-256".to_owned();
            return Err(Untrusted::new(INSECURE, vec![why]));
        }
        if let Some(issue) = outside_validity(leaf, now) {
            //? assumed: the reason in AWS's log; that it is answered 403 is documented
            return Err(Untrusted::new(issue, vec![validity_line(leaf)]));
        }
        if leaf.is_self_signed() {
            //= https://github.com/subratamazumder/aws-learning/blob/master/apigateway/README.md
            //# a self-signed certificate that lies in the truststore itself is admitted
            if self.certificates.iter().any(|trusted| trusted.der() == leaf.der()) {
                return Ok(());
            }
            let why = "the certificate is its own issuer and is not in the truststore".to_owned();
            return Err(Untrusted::new(SELF_SIGNED, vec![why]));
        }
        let mut climb = Climb { now, left: SIGNATURES, insecure: false, why: Vec::new() };
        if self.climb(leaf, CA_CERTIFICATES, &mut climb) {
            return Ok(());
        }
        self.explain_sent_chain(chain, &mut climb.why);
        let reason = if climb.insecure { INSECURE } else { NO_ISSUER };
        Err(Untrusted::new(reason, climb.why))
    }

    //= https://docs.aws.amazon.com/apigateway/latest/developerguide/http-api-mutual-tls.html
    //# validated are integrity, validity, and an unbroken chain of names and keys, which must lie
    //# in the truststore from the issuing CA up to the root
    /// Whether `certificate` leads to a root of the truststore over at most `depth` CAs.
    fn climb(&self, certificate: &Certificate, depth: usize, climb: &mut Climb) -> bool {
        let named: Vec<_> = self
            .certificates
            .iter()
            .filter(|ca| ca.subject().der() == certificate.issuer().der())
            .collect();
        if named.is_empty() {
            let issuer = certificate.issuer();
            climb.why.push(format!("no certificate of the truststore has the subject {issuer}"));
        }
        if depth == 0 && !named.is_empty() {
            let limit = format!("the chain has more than {CA_CERTIFICATES} CA certificates");
            climb.why.push(limit);
            return false;
        }
        named.into_iter().any(|ca| {
            climb.may_issue(certificate, ca)
                && (ca.is_self_signed() || self.climb(ca, depth - 1, climb))
        })
    }

    /// Says so if the client sent what the truststore lacks.
    fn explain_sent_chain(&self, chain: &[Certificate], why: &mut Vec<String>) {
        let sent = chain.iter().skip(1);
        let lacking = sent.filter(|sent| !self.certificates.iter().any(|t| t.der() == sent.der()));
        for sent in lacking.take(CA_CERTIFICATES) {
            why.push(format!(
                "the client sent {}, but only certificates of the truststore count",
                sent.subject()
            ));
        }
    }
}

/// One search for a root.
struct Climb {
    now: Timestamp,
    left: usize,
    insecure: bool,
    why: Vec<String>,
}

impl Climb {
    /// Whether `ca` issued `certificate` and may have.
    fn may_issue(&mut self, certificate: &Certificate, ca: &Certificate) -> bool {
        let Some(left) = self.left.checked_sub(1) else { return false };
        self.left = left;
        let subject = ca.subject();
        let failed = match certificate.issued_by(ca) {
            Err(IssuerMismatch::Signature { why }) => {
                //= https://docs.aws.amazon.com/apigateway/latest/developerguide/http-api-mutual-tls.html
                //# SHA-256 or stronger is wanted
                self.insecure |= why.contains("SHA-1") || why.contains("not supported");
                format!("the signature does not hold against {subject}: {why}")
            }
            Err(IssuerMismatch::Name) => format!("{subject} is not the issuer"),
            Ok(()) if !ca.is_ca() => format!("{subject} is not a CA certificate"),
            Ok(()) if weak_key(ca) => format!("the key of {subject} is too weak"),
            Ok(()) if !ca.is_valid_at(self.now) => format!("{subject}: {}", validity_line(ca)),
            Ok(()) => return true,
        };
        self.why.push(failed);
        false
    }
}

//= https://docs.aws.amazon.com/apigateway/latest/developerguide/http-api-mutual-tls.html
//# RSA-2048 or stronger, ECDSA-256 or stronger
fn weak_key(certificate: &Certificate) -> bool {
    match certificate.public_key() {
        PublicKey::Rsa { bits } => bits < 2048,
        PublicKey::Ec { curve } => curve == Curve::Other,
        PublicKey::Ed25519 | PublicKey::Other => true,
    }
}

fn outside_validity(certificate: &Certificate, now: Timestamp) -> Option<&'static str> {
    if now > certificate.not_after() {
        Some("certificate has expired")
    } else if now < certificate.not_before() {
        Some("certificate is not yet valid")
    } else {
        None
    }
}

fn validity_line(certificate: &Certificate) -> String {
    let (from, to) = (certificate.not_before(), certificate.not_after());
    let text = crate::pki::validity_text;
    format!("valid from {} to {}", text(from), text(to))
}
