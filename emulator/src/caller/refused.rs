//! [`Refused`]: why a signature does not speak for its caller, in AWS's words and in ours.
//!
//! How the words travel is decided by the doors: JSON, S3's XML, the data endpoint's 403.
//! Truth: transcripts, which the marks name, and
//! <https://docs.aws.amazon.com/iot/latest/developerguide/cwl-format.html>.

use super::BASIC_TIME;
use super::verifier::{Moment, SKEW};
use crate::errors::ErrorCode;
use crate::time::Timestamp;

/// How much of a canonical request the trace keeps, in bytes: a stranger chooses it.
const SHOWN_BYTES: usize = 8 * 1024;

/// Why a signature is not taken.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Refused {
    Unsigned,
    /// It has not the form of one; `missing` are the parameters of the header that are not there.
    Incomplete {
        why: String,
        missing: Vec<&'static str>,
    },
    OtherService {
        service: String,
        names: Vec<String>,
    },
    OtherRegion {
        region: String,
        expected: String,
    },
    OtherDay {
        date: String,
        day: String,
    },
    HostNotSigned {
        signed_headers: String,
    },
    UnknownKey {
        access_key_id: String,
    },
    /// The access key is known, but not with this session token, or with none.
    InvalidToken {
        access_key_id: String,
        given: bool,
    },
    TooOld {
        date: String,
        moment: Moment,
    },
    TooNew {
        date: String,
        moment: Moment,
    },
    /// What a presigned URL allows has passed.
    Expired {
        seconds: u64,
        at: Timestamp,
        moment: Moment,
    },
    /// `X-Amz-Expires` is none.
    OddExpires {
        why: &'static str,
    },
    Mismatch(Box<Mismatch>),
    /// S3: headers that begin with `x-amz-` and are not signed.
    HeadersNotSigned(Vec<String>),
    /// S3: `x-amz-content-sha256` is missing.
    NoContentHash,
    /// S3: `x-amz-content-sha256` is this.
    OddContentHash(String),
    OtherContent {
        claimed: String,
        computed: String,
    },
    /// A chunk of the body, or its trailer, has another signature than the one beside it.
    OtherChunk {
        string_to_sign: String,
        provided: String,
    },
    /// A body that should come in signed chunks does not.
    BrokenBody,
}

/// What was calculated, and what the client sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Mismatch {
    pub(crate) access_key_id: String,
    pub(crate) canonical_request: Vec<u8>,
    pub(crate) string_to_sign: String,
    pub(crate) provided: String,
    /// The session token that the canonical request may hold, which the trace does not show.
    pub(super) session_token: Option<crate::credentials::Secret>,
    /// The mistake that explains it, if it is a common one.
    pub(super) hint: Option<&'static str>,
}

const NO_MATCH: &str = "The request signature we calculated does not match the signature you \
    provided. Check your AWS Secret Access Key and signing method. Consult the service \
    documentation for details.";

impl Refused {
    /// The exception of a service that speaks JSON, and its text.
    pub(crate) fn exception(&self) -> (ErrorCode, String) {
        let invalid = ErrorCode::InvalidSignatureException;
        match self {
            //= https://github.com/brefphp/bref/issues/1250
            //# 403 MissingAuthenticationTokenException "Missing Authentication Token"
            Self::Unsigned => {
                let text = "Missing Authentication Token";
                (ErrorCode::MissingAuthenticationTokenException, text.to_owned())
            }
            Self::Incomplete { why, missing } => {
                (ErrorCode::IncompleteSignatureException, incomplete(why, missing))
            }
            //= https://github.com/aws/aws-sdk-js-v3/issues/1704
            //# InvalidSignatureException; the correct service stands in the text
            Self::OtherService { names, .. } => {
                let name = names.first().map(String::as_str).unwrap_or_default();
                (invalid, format!("Credential should be scoped to correct service: '{name}'. "))
            }
            //= https://github.com/aws/aws-sdk-java/issues/1097
            //# the Region of the credential stands in the text
            Self::OtherRegion { region, .. } => (
                invalid,
                format!("Credential should be scoped to a valid region, not '{region}'. "),
            ),
            //? assumed: the text, and that these are an InvalidSignatureException
            Self::OtherDay { .. } | Self::OddExpires { .. } => (invalid, self.in_a_line()),
            //= https://github.com/aws/aws-sdk-php/issues/2469
            //# the host has to be signed
            Self::HostNotSigned { .. } => {
                let text = "'Host' or ':authority' must be a 'SignedHeader' in the AWS \
                            Authorization.";
                (invalid, text.to_owned())
            }
            //= https://github.com/badslug/Paw-AWSSignature4DynamicValue/issues/5
            //# 403 UnrecognizedClientException for an access key that nobody has
            Self::UnknownKey { .. } | Self::InvalidToken { .. } => {
                let text = "The security token included in the request is invalid.";
                (ErrorCode::UnrecognizedClientException, text.to_owned())
            }
            //= https://github.com/aws/aws-sdk-js/issues/254
            //# the moment of the signature, the earliest one allowed, and how that is found
            Self::TooOld { date, moment } => (invalid, expired(date, *moment)),
            Self::Expired { at, moment, .. } => (invalid, expired(&at.format(BASIC_TIME), *moment)),
            //= https://github.com/aws/aws-sdk-go/issues/2194
            //# the moment of the signature, the latest one allowed, and how that is found
            Self::TooNew { date, moment } => {
                let (now, latest) = (moment.now, moment.now + SKEW);
                let (now, latest) = (now.format(BASIC_TIME), latest.format(BASIC_TIME));
                let text = format!(
                    "Signature not yet current: {date} is still later than {latest} ({now} + 15 \
                     min.)"
                );
                (invalid, text)
            }
            //= https://github.com/aws/aws-sdk-js-v3/issues/1569
            //# AWS IoT: 403 InvalidSignatureException
            _ => (invalid, NO_MATCH.to_owned()),
        }
    }

    //= https://docs.aws.amazon.com/iot/latest/developerguide/cwl-format.html
    //# a security token that is expired, invalid, or signed with another secret
    //? assumed: which of the three a time in the future is
    /// AWS IoT's word for the reason.
    pub(crate) fn reason(&self) -> &'static str {
        match self {
            Self::TooOld { .. } | Self::Expired { .. } => "SECURITY_TOKEN_EXPIRED",
            Self::UnknownKey { .. } | Self::InvalidToken { .. } | Self::TooNew { .. } => {
                "SECURITY_TOKEN_INVALID"
            }
            Self::Mismatch(_) => "SECURITY_TOKEN_SIGNATURE_MISMATCH",
            _ => "NOT_AUTHENTICATED",
        }
    }

    /// What AWS does not say, a line each. It holds no secret and no session token.
    pub(crate) fn why(&self) -> Vec<String> {
        let Self::Mismatch(mismatch) = self else { return vec![self.in_a_line()] };
        let hint = mismatch.hint.unwrap_or(
            "compare the lines below with what the client signed; if all are the same, it signed \
             with another secret access key",
        );
        let mut lines = vec![hint.to_owned(), "the canonical request here:".to_owned()];
        let canonical = String::from_utf8_lossy(&mismatch.canonical_request).into_owned();
        let canonical = match &mismatch.session_token {
            Some(token) => hidden(&canonical, token.expose()),
            None => canonical,
        };
        lines.extend(indented(&canonical));
        lines.push("the string to sign here:".to_owned());
        lines.extend(indented(&mismatch.string_to_sign));
        lines.push(format!("the signature that the client sent: {}", mismatch.provided));
        lines
    }

    fn in_a_line(&self) -> String {
        match self {
            Self::Unsigned => "the request has no SigV4 signature, and enforce_sigv4 is on".into(),
            Self::Incomplete { why, .. } => why.clone(),
            Self::OtherService { service, names } => {
                format!("the signature is for the service `{service}`, not {}", names.join(" or "))
            }
            Self::OtherRegion { region, expected } => {
                format!("the signature is for the Region `{region}`, the endpoint in {expected}")
            }
            Self::OtherDay { date, day } => {
                format!("X-Amz-Date `{date}` is not {day}THHMMSSZ, the day of the credential")
            }
            Self::HostNotSigned { signed_headers } => {
                format!("X-Amz-SignedHeaders `{signed_headers}` is without host")
            }
            Self::UnknownKey { access_key_id } => format!(
                "no credential has the access key ID `{access_key_id}`: known are 12-digit ones, \
                 those of [[credential]] in the configuration, and what the emulator finds as \
                 AWS_ACCESS_KEY_ID"
            ),
            Self::InvalidToken { access_key_id, given: true } => {
                format!("`{access_key_id}` is known, but not with this session token")
            }
            Self::InvalidToken { access_key_id, given: false } => {
                format!("`{access_key_id}` is known only with a session token, and none came")
            }
            Self::TooOld { date, moment } | Self::TooNew { date, moment } => {
                format!("signed at {date}, and it is {}; 15 minutes are allowed", moment.told())
            }
            Self::Expired { seconds, at, moment } => format!(
                "presigned for {seconds} seconds, until {}, and it is {}",
                at.format(BASIC_TIME),
                moment.told()
            ),
            Self::OddExpires { why } => (*why).to_owned(),
            Self::HeadersNotSigned(names) => format!("not signed: {}", names.join(", ")),
            Self::NoContentHash => "S3 wants the header x-amz-content-sha256".to_owned(),
            Self::OddContentHash(word) => format!("x-amz-content-sha256 is `{word}`"),
            Self::OtherContent { claimed, computed } => {
                format!("x-amz-content-sha256 is {claimed}, the hash of the body {computed}")
            }
            Self::OtherChunk { string_to_sign, provided } => {
                let one_line = string_to_sign.replace('\n', " ");
                format!("a chunk is signed {provided}; the string to sign here is {one_line}")
            }
            Self::BrokenBody => "the body does not come in signed chunks".to_owned(),
            Self::Mismatch(_) => NO_MATCH.to_owned(),
        }
    }
}

fn expired(date: &str, moment: Moment) -> String {
    let (now, earliest) = (moment.now, moment.now - SKEW);
    let (now, earliest) = (now.format(BASIC_TIME), earliest.format(BASIC_TIME));
    format!("Signature expired: {date} is now earlier than {earliest} ({now} - 15 min.)")
}

//= https://github.com/aws/chalice/issues/828
//# 403; one sentence for each parameter that the header lacks; AWS repeats the header behind them,
//# which may be somebody's token and is left out here
//? assumed: the text for a header that has all of them, and still is none
fn incomplete(why: &str, missing: &[&str]) -> String {
    let sentences = missing.iter().map(|part| match *part {
        "X-Amz-Date" => "Authorization header requires existence of either a 'X-Amz-Date' or a \
                         'Date' header."
            .to_owned(),
        part => format!("Authorization header requires '{part}' parameter."),
    });
    let sentences: Vec<_> = sentences.collect();
    if sentences.is_empty() { why.to_owned() } else { sentences.join(" ") }
}

/// `text` without the session token, as it stands in a header or, encoded, in a query.
fn hidden(text: &str, token: &str) -> String {
    if token.is_empty() {
        return text.to_owned();
    }
    let encoded =
        percent_encoding::utf8_percent_encode(token, super::canonical::ENCODED).to_string();
    let folded = token.split_whitespace().collect::<Vec<_>>().join(" ");
    [token, &encoded, &folded]
        .iter()
        .filter(|token| !token.is_empty())
        .fold(text.to_owned(), |text, token| text.replace(*token, "(the session token)"))
}

/// The lines of `text`, as far as the trace has room for them.
fn indented(text: &str) -> Vec<String> {
    let mut room = SHOWN_BYTES;
    let mut lines = Vec::new();
    for line in text.split('\n') {
        let Some(left) = room.checked_sub(line.len() + 1) else {
            lines.push("  …".to_owned());
            break;
        };
        room = left;
        lines.push(format!("  {line}"));
    }
    lines
}
