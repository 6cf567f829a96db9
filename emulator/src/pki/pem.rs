//! PEM text to DER blocks and back.
//!
//! Text around the blocks, CRLF, and several blocks are fine, as they are to OpenSSL. What a block
//! holds is not looked at here.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use rustls_pki_types::pem::{self, PemObject as _, SectionKind};

/// The largest text or DER that is read at all.
//= https://github.com/boto/botocore/tree/develop/botocore/data/iot/2015-05-28
//# a CertificatePem has 1 to 65536 characters
pub(super) const LIMIT_BYTES: usize = 65_536;

//? assumed: the truststore of an API Gateway domain name holds at most 1 MB
/// The largest text with many certificates.
pub(super) const BUNDLE_LIMIT_BYTES: usize = 1024 * 1024;

/// What PEM blocks we read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Label {
    Certificate,
    CertificateRequest,
    PrivateKey,
}

impl Label {
    const fn text(self) -> &'static str {
        match self {
            Self::Certificate => "CERTIFICATE",
            Self::CertificateRequest => "CERTIFICATE REQUEST",
            Self::PrivateKey => "PRIVATE KEY",
        }
    }

    fn of(kind: SectionKind) -> Option<Self> {
        match kind {
            SectionKind::Certificate => Some(Self::Certificate),
            SectionKind::Csr => Some(Self::CertificateRequest),
            SectionKind::PrivateKey => Some(Self::PrivateKey),
            _ => None,
        }
    }
}

/// Every block called `label` in `text`, in order; other blocks are passed over.
///
/// A broken block is an `Err` in its place that says what is wrong, for a person.
pub(super) fn blocks(text: &str, label: Label) -> impl Iterator<Item = Result<Vec<u8>, String>> {
    let sections = <(SectionKind, Vec<u8>)>::pem_slice_iter(text.as_bytes());
    sections.filter_map(move |section| match section {
        Ok((kind, der)) => (Label::of(kind) == Some(label)).then_some(Ok(der)),
        Err(error) => Some(Err(explain(&error))),
    })
}

fn explain(error: &pem::Error) -> String {
    match error {
        pem::Error::MissingSectionEnd { end_marker } => {
            let label = String::from_utf8_lossy(end_marker);
            format!("a block is never closed: `-----END {}-----` is missing", printable(&label))
        }
        pem::Error::IllegalSectionStart { line } => {
            let line = String::from_utf8_lossy(line);
            format!("`{}` does not open a block", printable(&line))
        }
        pem::Error::Base64Decode(_) => "what a block holds is not Base64".to_owned(),
        other => printable(&other.to_string()),
    }
}

/// At most forty harmless characters of what a stranger sent.
fn printable(text: &str) -> String {
    text.chars().filter(|character| !character.is_control()).take(40).collect()
}

/// `der` as one PEM block, lines of 64 characters, closed by a line feed.
pub(super) fn encode(label: &str, der: &[u8]) -> String {
    let base64 = STANDARD.encode(der);
    let mut text = format!("-----BEGIN {label}-----\n");
    let mut rest = base64.as_str();
    while !rest.is_empty() {
        let (line, after) = rest.split_at(rest.len().min(64));
        text.push_str(line);
        text.push('\n');
        rest = after;
    }
    text.push_str("-----END ");
    text.push_str(label);
    text.push_str("-----\n");
    text
}

/// A certificate as PEM.
pub(super) fn certificate(der: &[u8]) -> String {
    encode(Label::Certificate.text(), der)
}

/// A PKCS#8 private key as PEM.
pub(super) fn private_key(pkcs8: &[u8]) -> String {
    encode(Label::PrivateKey.text(), pkcs8)
}
