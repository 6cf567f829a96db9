//! Who calls: the account, the Region and the service that a request's SigV4 scope names, and
//! whether its signature is theirs.
//!
//! The signature is read here, once for all doors. With `enforce_sigv4` off it is only read: any
//! credentials are taken. With it on, `verifier.rs` calculates it again from what `canonical.rs`
//! makes of the request and `payload.rs` of its body, with the secret that `known.rs` finds;
//! `refused.rs` words what is wrong; `presign.rs` makes links that pass. Doors decide how that
//! travels.
//! Truth: <https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv-create-signed-request.html>.

mod canonical;
mod known;
mod payload;
mod presign;
mod refused;
#[cfg(test)]
mod signer;
#[cfg(test)]
mod tests;
mod verifier;

pub(crate) use known::{Known, OfFunctions};
pub(crate) use refused::{Mismatch, Refused};
pub(crate) use verifier::{Endpoint, Moment, Verifier};

use std::borrow::Cow;

use crate::config::is_region;
use crate::credentials::Secret;
use crate::http::Request;
use crate::names::Scope;
use crate::time::Timestamp;

/// How SigV4 and S3 write a moment.
const BASIC_TIME: &str = "%Y%m%dT%H%M%SZ";

const ALGORITHM: &str = "AWS4-HMAC-SHA256";

/// What the SigV4 signature of a request says, as far as it says anything.
#[derive(Clone, Debug)]
pub(crate) struct Caller {
    /// The account and Region that answer.
    pub(crate) scope: Scope,
    /// The signing name, such as `iot`; `None` where the request is not signed.
    pub(crate) signing_name: Option<String>,
    /// Empty where the request is not signed.
    pub(crate) access_key_id: String,
    session_token: Option<Secret>,
    parts: Parts,
}

impl Caller {
    /// Reads the scope from the `Authorization` header or a presigned query; what is missing is
    /// taken from `default`.
    //= https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv-create-signed-request.html
    //# Credential=AKID/DATE/REGION/SERVICE/aws4_request
    pub(crate) fn of(request: &Request, default: &Scope, known: &Known) -> Self {
        let parts = Parts::of(request);
        let credential = parts.credential.as_deref().unwrap_or_default();
        let mut scope = credential.split('/');
        let (key, _day) = (scope.next().unwrap_or_default(), scope.next());
        let (region, service) = (scope.next(), scope.next().map(str::to_owned));
        let account = known.account(key).unwrap_or(default.account.as_str());
        let region = region.filter(|region| is_region(region)).unwrap_or(default.region.as_str());
        Self {
            scope: Scope::new(account, region),
            signing_name: service,
            access_key_id: key.to_owned(),
            session_token: parts.session_token.clone(),
            parts,
        }
    }

    /// Whether a signature stands in the query, as in a link that somebody was given.
    pub(crate) fn is_presigned(&self) -> bool {
        self.parts.place == Place::Query && self.parts.signature.is_some()
    }

    pub(crate) fn session_token(&self) -> Option<&str> {
        self.session_token.as_ref().map(Secret::expose)
    }

    /// Whether the signature has the form of one made for one of the services `signing_names`, any
    /// if there are none; why not, else. What it signs is not checked.
    pub(crate) fn check_form(&self, signing_names: &[&str]) -> Result<Signature, Refused> {
        Signature::read(&self.parts, signing_names)
    }
}

/// Where a signature stands.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Place {
    #[default]
    Nowhere,
    Header,
    Query,
}

/// What a signature consists of, as a presigned query names it.
#[derive(Clone, Debug, Default)]
struct Parts {
    place: Place,
    algorithm: Option<String>,
    credential: Option<String>,
    date: Option<String>,
    expires: Option<String>,
    signed_headers: Option<String>,
    signature: Option<String>,
    session_token: Option<Secret>,
}

impl Parts {
    /// The one reading of a signature, whatever door the request came by.
    fn of(request: &Request) -> Self {
        let query = Self::of_query(request.query());
        let header = request.header("authorization");
        let chosen = match header {
            Some(header) if header.contains("Credential=") || query.credential.is_none() => {
                let date = request.header("x-amz-date").or_else(|| request.header("date"));
                Self::of_header(header, date)
            }
            _ => query.clone(),
        };
        //= https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv-create-signed-request.html
        //# temporary credentials add X-Amz-Security-Token, as a header or to the query
        let token = request.header("x-amz-security-token").map(Secret::new);
        Self { session_token: token.or(query.session_token), ..chosen }
    }

    fn of_header(header: &str, date: Option<&str>) -> Self {
        let (algorithm, rest) = match header.split_once(' ') {
            Some((algorithm, rest)) if !algorithm.contains('=') => (Some(algorithm), rest),
            _ => (None, header),
        };
        let part = |wanted: &str| {
            let pairs = rest.split(',').filter_map(|pair| pair.trim().split_once('='));
            let mut values = pairs.filter(|(name, _)| *name == wanted).map(|(_, value)| value);
            values.next().map(str::to_owned)
        };
        Self {
            place: Place::Header,
            algorithm: algorithm.map(str::to_owned),
            credential: part("Credential"),
            date: date.map(str::to_owned),
            signed_headers: part("SignedHeaders"),
            signature: part("Signature"),
            ..Self::default()
        }
    }

    fn of_query(query: Vec<(Cow<'_, str>, Cow<'_, str>)>) -> Self {
        let mut parts = Self::default();
        for (name, value) in query {
            let value = value.into_owned();
            let part = match name.as_ref() {
                "X-Amz-Algorithm" => &mut parts.algorithm,
                "X-Amz-Credential" => &mut parts.credential,
                "X-Amz-Date" => &mut parts.date,
                "X-Amz-Expires" => &mut parts.expires,
                "X-Amz-SignedHeaders" => &mut parts.signed_headers,
                "X-Amz-Signature" => &mut parts.signature,
                "X-Amz-Security-Token" => {
                    parts.session_token = Some(Secret::new(value));
                    continue;
                }
                _ => continue,
            };
            *part = Some(value);
            parts.place = Place::Query;
        }
        parts
    }
}

/// A signature that has the form of one.
#[derive(Clone, Debug)]
pub(crate) struct Signature {
    place: Place,
    /// `YYYYMMDD`, of the credential and of the date.
    day: String,
    region: String,
    service: String,
    /// When it was made: as `YYYYMMDDTHHMMSSZ`, and as a moment.
    date: String,
    at: Timestamp,
    /// What `X-Amz-Expires` says.
    expires: Option<String>,
    /// In lower case, sorted, each once.
    signed_headers: Vec<String>,
    /// 64 hexadecimal digits.
    signature: String,
}

impl Signature {
    //= https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv-create-signed-request.html
    //# algorithm, credential with its scope, date, signed headers of which host is one, signature
    fn read(parts: &Parts, signing_names: &[&str]) -> Result<Self, Refused> {
        let incomplete = |why: String| Refused::Incomplete { why, missing: parts.missing() };
        let given = |part: &Option<String>, name: &str| {
            part.clone().ok_or_else(|| incomplete(format!("{name} is missing")))
        };
        let algorithm = given(&parts.algorithm, "X-Amz-Algorithm")?;
        if algorithm != ALGORITHM {
            return Err(incomplete(format!("X-Amz-Algorithm is `{algorithm}`, not {ALGORITHM}")));
        }
        let credential = given(&parts.credential, "X-Amz-Credential")?;
        let [key, day, region, service, end] = *credential.split('/').collect::<Vec<_>>() else {
            return Err(incomplete(format!(
                "X-Amz-Credential `{credential}` has not five parts: KEY/DATE/REGION/\
                 SERVICE/aws4_request"
            )));
        };
        if key.is_empty() || !is_digits(day, 8) || !is_region(region) || end != "aws4_request" {
            return Err(incomplete(format!(
                "X-Amz-Credential `{credential}` is not KEY/YYYYMMDD/REGION/SERVICE/aws4_request"
            )));
        }
        if !signing_names.is_empty() && !signing_names.contains(&service) {
            let names = signing_names.iter().map(|name| (*name).to_owned()).collect();
            return Err(Refused::OtherService { service: service.to_owned(), names });
        }
        let given_date = given(&parts.date, "X-Amz-Date")?;
        let (date, at) = read_date(&given_date, parts.place)
            .filter(|(date, _)| date.starts_with(day))
            .ok_or(Refused::OtherDay { date: given_date, day: day.to_owned() })?;
        let text = given(&parts.signed_headers, "X-Amz-SignedHeaders")?;
        let mut signed_headers: Vec<_> = text.split(';').map(str::to_ascii_lowercase).collect();
        signed_headers.sort_unstable();
        signed_headers.dedup();
        if !signed_headers.iter().any(|header| header == "host") {
            return Err(Refused::HostNotSigned { signed_headers: text });
        }
        let signature = given(&parts.signature, "X-Amz-Signature")?;
        if signature.len() != 64 || !signature.bytes().all(|byte| byte.is_ascii_hexdigit()) {
            return Err(incomplete("X-Amz-Signature is not 64 hexadecimal digits".to_owned()));
        }
        Ok(Self {
            place: parts.place,
            day: day.to_owned(),
            region: region.to_owned(),
            service: service.to_owned(),
            date,
            at,
            expires: parts.expires.clone(),
            signed_headers,
            signature,
        })
    }

    /// `DAY/REGION/SERVICE/aws4_request`.
    fn scope(&self) -> String {
        format!("{}/{}/{}/aws4_request", self.day, self.region, self.service)
    }

    fn is_of_s3(&self) -> bool {
        self.service == "s3"
    }
}

impl Parts {
    /// The parameters of an `Authorization` header that are not there.
    fn missing(&self) -> Vec<&'static str> {
        let parts = [
            (&self.credential, "Credential"),
            (&self.signature, "Signature"),
            (&self.signed_headers, "SignedHeaders"),
            (&self.date, "X-Amz-Date"),
        ];
        let missing = parts.into_iter().filter(|(part, _)| part.is_none());
        if self.place == Place::Header {
            missing.map(|(_, name)| name).collect()
        } else {
            Vec::new()
        }
    }
}

fn is_digits(text: &str, count: usize) -> bool {
    text.len() == count && text.bytes().all(|byte| byte.is_ascii_digit())
}

/// When a request was signed, as SigV4 writes it and as a moment.
//= https://github.com/boto/botocore/tree/develop/botocore/auth.py
//# in headers the date may be that of HTTP instead of X-Amz-Date
fn read_date(text: &str, place: Place) -> Option<(String, Timestamp)> {
    let time = text.split_once('T').and_then(|(day, time)| Some((day, time.strip_suffix('Z')?)));
    if time.is_some_and(|(day, time)| is_digits(day, 8) && is_digits(time, 6)) {
        return Some((text.to_owned(), Timestamp::parse(BASIC_TIME, text)?));
    }
    let at = Timestamp::parse("%a, %d %b %Y %H:%M:%S GMT", text);
    let at = at.filter(|_| place == Place::Header)?;
    Some((at.format(BASIC_TIME), at))
}
