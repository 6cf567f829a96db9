//! [`Verifier`]: calculates a signature again and compares.
//!
//! It decides in this order: form, service and Region, access key, time, signature, body.
//! Truth: <https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv-create-signed-request.html>.

use std::collections::VecDeque;
use std::fmt;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use super::canonical::{self, Manner};
use super::known::Unknown;
use super::{BASIC_TIME, Caller, Known, Mismatch, Place, Refused, Signature, payload};
use crate::credentials::Secret;
use crate::http::Request;
use crate::names::hex;
use crate::pki::{hmac_sha256, is_same};
use crate::time::Timestamp;

//= https://docs.aws.amazon.com/iotanalytics/latest/APIReference/CommonErrors.html
//# of all services: a date more than 15 minutes ago or in the future is not taken
/// How far the clocks of client and server may be apart.
pub(super) const SKEW: Duration = Duration::from_secs(15 * 60);

//= https://docs.aws.amazon.com/AmazonS3/latest/API/sigv4-query-string-auth.html
//# X-Amz-Expires is at most 604800, seven days
const EXPIRES_SECONDS: u64 = 7 * 24 * 60 * 60;

/// Signing keys that are remembered.
const KEYS: usize = 64;

/// The moment at which a signature is looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Moment {
    pub(crate) now: Timestamp,
    /// The clock moves only by `advance`, whatever the clients' clocks do.
    pub(crate) manual: bool,
}

impl Moment {
    pub(super) fn told(self) -> String {
        let now = self.now.format(BASIC_TIME);
        if self.manual {
            return format!("{now} by the manual clock, which moves only by `advance`");
        }
        now
    }
}

/// What an endpoint wants of the scope of a signature.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Endpoint<'a> {
    /// The signing names that it takes; any if there are none.
    pub(crate) signing_names: &'a [&'a str],
    /// The Region that it is in, if the signature does not choose one.
    pub(crate) region: Option<&'a str>,
}

impl Endpoint<'_> {
    /// The port of all services and Regions.
    pub(crate) const ANY: Endpoint<'static> = Endpoint { signing_names: &[], region: None };
}

/// Verifies signatures, if that is asked for.
pub(crate) struct Verifier {
    enforced: bool,
    known: Known,
    keys: Mutex<VecDeque<(KeyOf, [u8; 32])>>,
}

/// What a signing key is derived from.
#[derive(PartialEq, Eq)]
struct KeyOf {
    secret: Secret,
    day: String,
    region: String,
    service: String,
}

impl fmt::Debug for Verifier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Verifier").field("enforced", &self.enforced).finish_non_exhaustive()
    }
}

impl Verifier {
    pub(crate) fn new(enforced: bool, known: Known) -> Self {
        Self { enforced, known, keys: Mutex::default() }
    }

    pub(crate) const fn known(&self) -> &Known {
        &self.known
    }

    /// Whether `request` was signed by its `caller`, or nobody asks.
    pub(crate) fn verify(
        &self,
        request: &Request,
        caller: &Caller,
        endpoint: Endpoint<'_>,
        moment: Moment,
    ) -> Result<(), Refused> {
        if !self.enforced {
            return Ok(());
        }
        if caller.parts.place == Place::Nowhere {
            return Err(Refused::Unsigned);
        }
        let signature = caller.check_form(endpoint.signing_names)?;
        if let Some(expected) = endpoint.region.filter(|region| *region != signature.region) {
            let (region, expected) = (signature.region, expected.to_owned());
            return Err(Refused::OtherRegion { region, expected });
        }
        let id = caller.access_key_id.as_str();
        let secret = self.known.secret(id, caller.session_token()).map_err(|unknown| {
            let (access_key_id, given) = (id.to_owned(), caller.session_token.is_some());
            match unknown {
                Unknown::AccessKeyId => Refused::UnknownKey { access_key_id },
                Unknown::SessionToken => Refused::InvalidToken { access_key_id, given },
            }
        })?;
        check_time(&signature, moment)?;
        let key = self.signing_key(secret, &signature);
        let payload = payload::of(request, &signature)?;
        compare(request, caller, &signature, &payload, &key)?;
        check_headers(request, &signature)?;
        payload::check(request, &signature, &payload, &key)
    }

    /// The key of a secret for a day, a Region and a service; the last few are remembered.
    fn signing_key(&self, secret: &Secret, signature: &Signature) -> [u8; 32] {
        let Signature { day, region, service, .. } = signature;
        let mut keys = self.keys.lock().unwrap_or_else(PoisonError::into_inner);
        let is_it = |of: &KeyOf| {
            (&of.day, &of.region, &of.service) == (day, region, service) && of.secret == *secret
        };
        if let Some((_, key)) = keys.iter().find(|(of, _)| is_it(of)) {
            return *key;
        }
        let key = derive(secret, signature);
        let (day, region, service) = (day.clone(), region.clone(), service.clone());
        if keys.len() == KEYS {
            keys.pop_front();
        }
        keys.push_back((KeyOf { secret: secret.clone(), day, region, service }, key));
        key
    }
}

//= https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv-create-signed-request.html
//# HMAC of `AWS4` and the secret over the day, of that over the Region, the service, aws4_request
pub(super) fn derive(secret: &Secret, signature: &Signature) -> [u8; 32] {
    let Signature { day, region, service, .. } = signature;
    let first = hmac_sha256(format!("AWS4{}", secret.expose()).as_bytes(), day.as_bytes());
    let steps = [region.as_str(), service, "aws4_request"];
    steps.into_iter().fold(first, |key, step| hmac_sha256(&key, step.as_bytes()))
}

/// The signature of a string, as requests carry it.
pub(super) fn sign(key: &[u8], string_to_sign: &str) -> String {
    hex(&hmac_sha256(key, string_to_sign.as_bytes()))
}

fn compare(
    request: &Request,
    caller: &Caller,
    signature: &Signature,
    payload: &str,
    key: &[u8],
) -> Result<(), Refused> {
    let attempt = |manner: Manner| {
        let canonical_request = canonical::request(request, signature, payload, manner);
        let string_to_sign = canonical::string_to_sign(signature, &canonical_request);
        let calculated = sign(key, &string_to_sign);
        let same = is_same(calculated.as_bytes(), signature.signature.as_bytes());
        (same, canonical_request, string_to_sign)
    };
    let manner = Manner::of(signature);
    let (same, canonical_request, string_to_sign) = attempt(manner);
    if same {
        return Ok(());
    }
    let mut mistakes = manner.mistakes().into_iter();
    let mistake = mistakes.find(|(manner, _)| attempt(*manner).0);
    Err(Refused::Mismatch(Box::new(Mismatch {
        access_key_id: caller.access_key_id.clone(),
        canonical_request,
        string_to_sign,
        provided: signature.signature.clone(),
        session_token: caller.session_token.clone(),
        hint: mistake.map(|(_, hint)| hint),
    })))
}

//= https://github.com/soto-project/soto/issues/374
//# S3 names the x-amz- headers that came and were not signed
//= https://github.com/demarche-numerique/ds_proxy/pull/164
//# it takes x-amz-content-sha256 without
fn check_headers(request: &Request, signature: &Signature) -> Result<(), Refused> {
    if !signature.is_of_s3() {
        return Ok(());
    }
    let names = request.headers.keys().map(|name| name.as_str());
    let of_aws = names.filter(|name| name.starts_with("x-amz-") && *name != "x-amz-content-sha256");
    let signed = |name: &str| signature.signed_headers.iter().any(|signed| signed == name);
    let missing: Vec<_> = of_aws.filter(|name| !signed(name)).map(str::to_owned).collect();
    if missing.is_empty() { Ok(()) } else { Err(Refused::HeadersNotSigned(missing)) }
}

fn check_time(signature: &Signature, moment: Moment) -> Result<(), Refused> {
    let (date, at, now) = (signature.date.clone(), signature.at, moment.now);
    let presigned = signature.place == Place::Query;
    let expires = match &signature.expires {
        Some(text) if presigned => Some(read_expires(text)?),
        None if presigned && signature.is_of_s3() => {
            //= https://github.com/kaliber-scala/play-s3/issues/73
            //# S3 wants X-Amz-Expires in a presigned URL
            let why = "X-Amz-Expires is missing".to_owned();
            return Err(Refused::Incomplete { why, missing: Vec::new() });
        }
        _ => None,
    };
    if at > now + SKEW {
        return Err(Refused::TooNew { date, moment });
    }
    let Some(seconds) = expires else {
        return if at + SKEW < now { Err(Refused::TooOld { date, moment }) } else { Ok(()) };
    };
    let end = at + Duration::from_secs(seconds);
    //= https://docs.aws.amazon.com/iotanalytics/latest/APIReference/CommonErrors.html
    //# of a presigned URL the expiration counts, and may be 15 minutes ago
    //= https://github.com/aws/aws-sdk-php/issues/1333
    //# S3 refuses it as soon as it has passed
    let grace = if signature.is_of_s3() { Duration::ZERO } else { SKEW };
    if end + grace < now {
        return Err(Refused::Expired { seconds, at: end, moment });
    }
    Ok(())
}

//= https://github.com/minio/minio-js/issues/1312
//# the text for what is no number
//= https://github.com/fog/fog/issues/3528
//# the text for what is negative
//= https://github.com/bryanjos/aws_auth/issues/31
//# the text for what is more than a week
fn read_expires(text: &str) -> Result<u64, Refused> {
    let odd = |why| Err(Refused::OddExpires { why });
    match text.parse::<i128>() {
        Err(_) => odd("X-Amz-Expires should be a number"),
        Ok(..0) => odd("X-Amz-Expires must be non-negative"),
        Ok(seconds) => match u64::try_from(seconds) {
            Ok(seconds @ ..=EXPIRES_SECONDS) => Ok(seconds),
            _ => odd("X-Amz-Expires must be less than a week (in seconds); that is, the given \
                 X-Amz-Expires must be less than 604800 seconds"),
        },
    }
}
