//! The canonical request and the string to sign: one text for one request, whoever writes it.
//!
//! It knows nothing of secrets. What stands for the body is decided in `payload.rs`.
//! Truth: <https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv-create-signed-request.html>.

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_decode_str, percent_encode};

use super::{ALGORITHM, Place, Signature};
use crate::http::Request;
use crate::names::hex;
use crate::pki::sha256;

//= https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv-create-signed-request.html
//# letters, digits, `-`, `.`, `_` and `~` stand as they are, all else as %XY in upper case
pub(super) const ENCODED: &AsciiSet =
    &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');
const ENCODED_IN_PATH: &AsciiSet = &ENCODED.remove(b'/');

/// How the path stands in the canonical request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Path {
    /// As sent, without `.`, `..` and empty segments, and then encoded once more.
    EncodedAgain,
    /// Decoded, and encoded once.
    EncodedOnce,
    /// No service wants it so.
    AsSent,
}

/// What differs between services, and between AWS and a client that is mistaken about it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Manner {
    pub(super) path: Path,
    /// `X-Amz-Security-Token` of the query is signed.
    pub(super) query_token_signed: bool,
    /// The host is signed without its port.
    pub(super) host_without_port: bool,
}

impl Manner {
    //= https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv-create-signed-request.html
    //# each path segment is encoded twice except for Amazon S3, which does not normalise either
    //= https://docs.aws.amazon.com/iot/latest/developerguide/iam-users-groups-roles.html
    //# for message broker connections the query's X-Amz-Security-Token is appended after signing
    //? assumed: the host counts as it was sent: awscrt and AWSIoTPythonSDK send and sign it without
    //? a port, botocore, mqtt.js and aws-iot-device-sdk with one, curl as the URL has it
    /// How AWS does it for the service that `signature` is for.
    pub(super) fn of(signature: &Signature) -> Self {
        Self {
            path: if signature.is_of_s3() { Path::EncodedOnce } else { Path::EncodedAgain },
            query_token_signed: !matches!(&*signature.service, "iotdevicegateway" | "iotdata"),
            host_without_port: false,
        }
    }

    /// What clients do who are mistaken, and what is to be said to them.
    pub(super) fn mistakes(self) -> [(Self, &'static str); 3] {
        let path = match self.path {
            Path::EncodedAgain => (
                Self { path: Path::AsSent, ..self },
                "it is right for the path as it was sent: the client did not encode it once more, \
                 as all services but S3 want it",
            ),
            _ => (
                Self { path: Path::EncodedAgain, ..self },
                "it is right for a path that is encoded once more, as all services but S3 want it",
            ),
        };
        [
            path,
            (
                Self { query_token_signed: !self.query_token_signed, ..self },
                if self.query_token_signed {
                    "it is right without X-Amz-Security-Token in the query, which only AWS IoT's \
                     data endpoint leaves out"
                } else {
                    "it is right with X-Amz-Security-Token in the query, which AWS IoT's data \
                     endpoint leaves out: append it after signing"
                },
            ),
            (
                Self { host_without_port: true, ..self },
                "it is right for the host without its port: sign the Host header that is sent",
            ),
        ]
    }
}

/// The canonical request, in which `payload` stands for the body.
pub(super) fn request(
    request: &Request,
    signature: &Signature,
    payload: &str,
    manner: Manner,
) -> Vec<u8> {
    let mut text = Vec::new();
    let mut line = |content: &[u8]| {
        text.extend_from_slice(content);
        text.push(b'\n');
    };
    line(request.method.as_str().as_bytes());
    line(path(request.uri.path(), manner.path).as_bytes());
    line(query(request.uri.query().unwrap_or_default(), signature, manner).as_bytes());
    for name in &signature.signed_headers {
        let mut header = format!("{name}:").into_bytes();
        header.extend(value(request, name, manner));
        line(&header);
    }
    line(b"");
    line(signature.signed_headers.join(";").as_bytes());
    text.extend_from_slice(payload.as_bytes());
    text
}

/// The string to sign of a request.
pub(super) fn string_to_sign(signature: &Signature, canonical_request: &[u8]) -> String {
    let digest = hex(&sha256(canonical_request));
    format!("{ALGORITHM}\n{}\n{}\n{digest}", signature.date, signature.scope())
}

fn path(sent: &str, path: Path) -> String {
    match path {
        Path::EncodedAgain => {}
        Path::EncodedOnce => {
            let decoded: Vec<u8> = percent_decode_str(sent).collect();
            return percent_encode(&decoded, ENCODED_IN_PATH).to_string();
        }
        Path::AsSent => return sent.to_owned(),
    }
    let mut segments = Vec::new();
    for segment in sent.split('/') {
        match segment {
            "" | "." => {}
            ".." => drop(segments.pop()),
            segment => segments.push(segment),
        }
    }
    let end = if sent.ends_with('/') && !segments.is_empty() { "/" } else { "" };
    let normal = format!("/{}{end}", segments.join("/"));
    percent_encode(normal.as_bytes(), ENCODED_IN_PATH).to_string()
}

//= https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv-create-signed-request.html
//# names and values encoded once, sorted by name in code points, then by value; a presigned query
//# without its X-Amz-Signature
//? assumed: a `+` in the query is a space, as S3 reads it
fn query(sent: &str, signature: &Signature, manner: Manner) -> String {
    let encoded = |text: &str| {
        let text = text.replace('+', " ");
        let decoded: Vec<u8> = percent_decode_str(&text).collect();
        percent_encode(&decoded, ENCODED).to_string()
    };
    let pairs = sent.split('&').filter(|pair| !pair.is_empty());
    let pairs = pairs.map(|pair| pair.split_once('=').unwrap_or((pair, "")));
    let mut pairs: Vec<_> = pairs.map(|(name, value)| (encoded(name), encoded(value))).collect();
    if signature.place == Place::Query {
        let left_out = |name: &str| {
            name == "X-Amz-Signature"
                || (name == "X-Amz-Security-Token" && !manner.query_token_signed)
        };
        pairs.retain(|(name, _)| !left_out(name));
    }
    pairs.sort_unstable();
    let pairs: Vec<_> = pairs.into_iter().map(|(name, value)| format!("{name}={value}")).collect();
    pairs.join("&")
}

//= https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv-create-signed-request.html
//# values without space around them, runs of spaces as one, several values joined by commas
//= https://github.com/aws/aws-cli/issues/4356
//# a signed header that did not arrive stands there without a value
fn value(request: &Request, name: &str, manner: Manner) -> Vec<u8> {
    let folded = |value: &[u8]| {
        let words = value.split(|byte| matches!(byte, b' ' | b'\t'));
        words.filter(|word| !word.is_empty()).collect::<Vec<_>>().join(&b' ')
    };
    let values = request.headers.get_all(name).iter().map(|value| folded(value.as_bytes()));
    let mut value = values.collect::<Vec<_>>().join(&b',');
    if name != "host" {
        return value;
    }
    if value.is_empty() {
        let authority = request.uri.authority().map(|authority| authority.as_str());
        value = authority.unwrap_or_default().as_bytes().to_vec();
    }
    let end = value.iter().rposition(|byte| *byte == b':').filter(|_| manner.host_without_port);
    value.truncate(end.unwrap_or(value.len()));
    value
}
