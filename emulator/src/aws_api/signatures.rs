//! A signature that is not taken, as the services on the API port say it.
//!
//! What is wrong is decided in `caller/`. `iot-data` is refused as the data endpoint refuses, S3 in
//! XML, all others with an exception in JSON.
//! Truth: transcripts, which the marks name, and
//! <https://docs.aws.amazon.com/AmazonS3/latest/API/ErrorResponses.html>.

use super::failure;
use crate::caller::{Caller, Mismatch, Refused};
use crate::cloud::Cloud;
use crate::data_plane;
use crate::errors::ApiError;
use crate::http::{Request, Response, set_header};
use crate::s3::{S3Error, S3ErrorCode};
use crate::time::Timestamp;
use crate::trace::Entry;

const NO_MATCH: &str = "The request signature we calculated does not match the signature you \
    provided. Check your key and signing method.";

/// Answers a request whose signature is not taken, and tells the trace.
pub(super) fn refuse(
    cloud: &Cloud,
    request: &Request,
    caller: &Caller,
    is_s3: bool,
    refused: &Refused,
) -> Response {
    let request_id = cloud.uuid().to_string();
    let (code, message) = refused.exception();
    let of_data = matches!(caller.signing_name.as_deref(), Some("iotdata" | "iotdevicegateway"));
    let (name, details, mut response) = if is_s3 {
        let error = in_s3_words(refused, cloud.now());
        (error.code().name(), error.message().to_owned(), error.answer(request))
    } else if of_data {
        (code.name(), message.clone(), data_plane::refused(403, &message, &request_id))
    } else {
        let error = ApiError::new(code, message);
        (code.name(), error.message().to_owned(), failure(&error))
    };
    let entry = Entry::failure(&caller.scope, "AwsApiCall", name)
        .member("uri", request.uri.path())
        .member("principalId", &caller.access_key_id);
    let status = response.status().as_u16();
    let answer = format!("HTTP {status} {name}");
    cloud.trace().record(entry.details(details).why(refused.why()).answer(answer));
    set_header(&mut response, "x-amzn-requestid", &request_id);
    response
}

fn in_s3_words(refused: &Refused, now: Timestamp) -> S3Error {
    let server_time = now.format("%Y-%m-%dT%H:%M:%SZ");
    match refused {
        //= https://docs.aws.amazon.com/AmazonS3/latest/API/ErrorResponses.html
        //# 403 AccessDenied "Access Denied"
        Refused::Unsigned => S3Error::new(S3ErrorCode::AccessDenied, "Access Denied"),
        Refused::Incomplete { why, missing } => incomplete(why, missing),
        //= https://github.com/krobertson/deb-s3/issues/157
        //# 400 AuthorizationHeaderMalformed; what is wrong stands behind the semicolon
        //? assumed: what stands there
        Refused::OtherService { .. }
        | Refused::OtherRegion { .. }
        | Refused::OtherDay { .. }
        | Refused::HostNotSigned { .. } => malformed(&refused.exception().1),
        //= https://github.com/versity/versitygw/issues/2042
        //# 403 InvalidAccessKeyId with the ID
        Refused::UnknownKey { access_key_id } => {
            let text = "The AWS Access Key Id you provided does not exist in our records.";
            S3Error::new(S3ErrorCode::InvalidAccessKeyId, text)
                .about("AWSAccessKeyId", access_key_id)
        }
        //= https://github.com/s3tools/s3cmd/issues/297
        //# 400 InvalidToken
        Refused::InvalidToken { .. } => {
            let text = "The provided token is malformed or otherwise invalid.";
            S3Error::new(S3ErrorCode::InvalidToken, text)
        }
        Refused::TooOld { date, .. } | Refused::TooNew { date, .. } => skewed(date, &server_time),
        //= https://github.com/aws/aws-sdk-php/issues/1333
        //# 403 AccessDenied with the seconds, the end and the server's time
        Refused::Expired { seconds, at, .. } => {
            S3Error::new(S3ErrorCode::AccessDenied, "Request has expired")
                .about("X-Amz-Expires", &seconds.to_string())
                .about("Expires", &at.format("%Y-%m-%dT%H:%M:%SZ"))
                .about("ServerTime", &server_time)
        }
        //= https://github.com/bryanjos/aws_auth/issues/31
        //# AuthorizationQueryParametersError
        Refused::OddExpires { why } => {
            S3Error::new(S3ErrorCode::AuthorizationQueryParametersError, *why)
        }
        Refused::Mismatch(mismatch) => no_match(mismatch),
        _ => about_content(refused),
    }
}

//= https://github.com/versity/versitygw/issues/1514
//# 403 RequestTimeTooSkewed with both times and 900000
//? assumed: a presigned URL of the future is told so too; S3 says that it is not yet valid
fn skewed(date: &str, server_time: &str) -> S3Error {
    let text = "The difference between the request time and the current time is too large.";
    S3Error::new(S3ErrorCode::RequestTimeTooSkewed, text)
        .about("RequestTime", date)
        .about("ServerTime", server_time)
        .about("MaxAllowedSkewMilliseconds", "900000")
}

//= https://github.com/ex-aws/ex_aws/issues/537
//# 400 for a header without its three components
//= https://github.com/kaliber-scala/play-s3/issues/73
//# the text for a presigned URL without its parameters
fn incomplete(why: &str, missing: &[&str]) -> S3Error {
    let is_query = why.ends_with(" is missing") && missing.is_empty();
    if is_query {
        let text = "Query-string authentication version 4 requires the X-Amz-Algorithm, \
                    X-Amz-Credential, X-Amz-Signature, X-Amz-Date, X-Amz-SignedHeaders, and \
                    X-Amz-Expires parameters.";
        return S3Error::new(S3ErrorCode::AuthorizationQueryParametersError, text);
    }
    let components = ["Credential", "SignedHeaders", "Signature"];
    if missing.iter().any(|part| components.contains(part)) {
        let text = "The authorization header is malformed; the authorization header requires \
                    three components: Credential, SignedHeaders, and Signature.";
        return S3Error::new(S3ErrorCode::AuthorizationHeaderMalformed, text);
    }
    malformed(why)
}

//? assumed: the end of the text where nothing is missing
fn malformed(why: &str) -> S3Error {
    let text = format!("The authorization header is malformed; {}", why.trim_end());
    S3Error::new(S3ErrorCode::AuthorizationHeaderMalformed, text)
}

//= https://github.com/aws/aws-cli/issues/4356
//# 403 SignatureDoesNotMatch shows what was calculated, as text and byte by byte
fn no_match(mismatch: &Mismatch) -> S3Error {
    let canonical = &mismatch.canonical_request;
    S3Error::new(S3ErrorCode::SignatureDoesNotMatch, NO_MATCH)
        .about("AWSAccessKeyId", &mismatch.access_key_id)
        .about("StringToSign", &mismatch.string_to_sign)
        .about("SignatureProvided", &mismatch.provided)
        .about("StringToSignBytes", &bytes_of(mismatch.string_to_sign.as_bytes()))
        .about("CanonicalRequest", &String::from_utf8_lossy(canonical))
        .about("CanonicalRequestBytes", &bytes_of(canonical))
}

fn bytes_of(text: &[u8]) -> String {
    text.iter().map(|byte| format!("{byte:02x}")).collect::<Vec<_>>().join(" ")
}

/// What is wrong with the body, or with what is said of it.
fn about_content(refused: &Refused) -> S3Error {
    match refused {
        //= https://github.com/soto-project/soto/issues/374
        //# 403 AccessDenied with the names
        Refused::HeadersNotSigned(names) => {
            let text = "There were headers present in the request which were not signed";
            S3Error::new(S3ErrorCode::AccessDenied, text)
                .about("HeadersNotSigned", &names.join(", "))
        }
        //? assumed: the text
        Refused::NoContentHash => {
            let text = "Missing required header for this request: x-amz-content-sha256";
            S3Error::new(S3ErrorCode::InvalidRequest, text)
        }
        //= https://github.com/arnemolland/sigv4/issues/8
        //# the text for a word that is none
        Refused::OddContentHash(word) => {
            let text = "x-amz-content-sha256 must be UNSIGNED-PAYLOAD, \
                        STREAMING-AWS4-HMAC-SHA256-PAYLOAD, or a valid sha256 value.";
            S3Error::new(S3ErrorCode::InvalidArgument, text)
                .about("ArgumentName", "x-amz-content-sha256")
                .about("ArgumentValue", word)
        }
        //= https://github.com/versity/versitygw/issues/2043
        //# 400 XAmzContentSHA256Mismatch with both hashes
        Refused::OtherContent { claimed, computed } => {
            let text = "The provided 'x-amz-content-sha256' header does not match what was \
                        computed.";
            S3Error::new(S3ErrorCode::XAmzContentSHA256Mismatch, text)
                .about("ClientComputedContentSHA256", claimed)
                .about("S3ComputedContentSHA256", computed)
        }
        Refused::BrokenBody => {
            let text = "The request body terminated unexpectedly";
            S3Error::new(S3ErrorCode::IncompleteBody, text)
        }
        //? assumed: a chunk is refused as a request is
        Refused::OtherChunk { string_to_sign, provided } => {
            S3Error::new(S3ErrorCode::SignatureDoesNotMatch, NO_MATCH)
                .about("StringToSign", string_to_sign)
                .about("SignatureProvided", provided)
        }
        _ => S3Error::new(S3ErrorCode::AccessDenied, "Access Denied"),
    }
}
