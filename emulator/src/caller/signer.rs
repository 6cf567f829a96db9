//! Signs requests, for tests: what it makes the verifier has to take.

use super::canonical::{self, Manner};
use super::verifier::{derive, sign};
use super::{ALGORITHM, BASIC_TIME, Place, Signature};
use crate::credentials::Secret;
use crate::http::{HeaderMap, Method, Request};
use crate::names::hex;
use crate::pki::sha256;
use crate::time::Timestamp;

pub(super) const NOW: &str = "20261121T101112Z";

/// Who signs for what.
#[derive(Clone, Debug)]
pub(super) struct Signer {
    pub(super) access_key_id: &'static str,
    pub(super) secret: &'static str,
    pub(super) service: &'static str,
}

impl Signer {
    fn signature(&self, place: Place, signed_headers: &[&str]) -> Signature {
        Signature {
            place,
            day: NOW[..8].to_owned(),
            region: "us-east-1".to_owned(),
            service: self.service.to_owned(),
            date: NOW.to_owned(),
            at: Timestamp::parse(BASIC_TIME, NOW).unwrap(),
            expires: None,
            signed_headers: signed_headers.iter().map(|name| (*name).to_owned()).collect(),
            signature: String::new(),
        }
    }

    fn sign(&self, request: &Request, signature: &Signature, payload: &str) -> String {
        let text = canonical::request(request, signature, payload, Manner::of(signature));
        let text = canonical::string_to_sign(signature, &text);
        sign(&derive(&Secret::new(self.secret), signature), &text)
    }

    /// `request` with a signature in its headers, over `host` and `x-amz-…`; `payload` stands for
    /// the body.
    pub(super) fn in_headers(&self, mut request: Request, payload: &str) -> Request {
        request.headers.insert("x-amz-date", NOW.parse().unwrap());
        let names: Vec<_> = request.headers.keys().map(|name| name.as_str().to_owned()).collect();
        let mut names: Vec<_> = names.iter().map(String::as_str).collect();
        names.sort_unstable();
        let signature = self.signature(Place::Header, &names);
        let signed = self.sign(&request, &signature, payload);
        let authorization = format!(
            "{ALGORITHM} Credential={}/{}, SignedHeaders={}, Signature={signed}",
            self.access_key_id,
            signature.scope(),
            names.join(";"),
        );
        request.headers.insert("authorization", authorization.parse().unwrap());
        request
    }

    /// `request` with a presigned query, for `seconds` if any are given.
    pub(super) fn in_query(
        &self,
        mut request: Request,
        payload: &str,
        seconds: Option<&str>,
    ) -> Request {
        let signature = self.signature(Place::Query, &["host"]);
        let credential = format!("{}/{}", self.access_key_id, signature.scope());
        let expires = seconds.map(|seconds| format!("&X-Amz-Expires={seconds}"));
        let own = format!(
            "X-Amz-Algorithm={ALGORITHM}&X-Amz-Credential={}&X-Amz-Date={NOW}{}&\
             X-Amz-SignedHeaders=host",
            credential.replace('/', "%2F"),
            expires.unwrap_or_default(),
        );
        let before = request.uri.query().map(|query| format!("{query}&")).unwrap_or_default();
        let uri = format!("{}?{before}{own}", request.uri.path());
        request.uri = uri.parse().unwrap();
        let signed = self.sign(&request, &signature, payload);
        request.uri = format!("{uri}&X-Amz-Signature={signed}").parse().unwrap();
        request
    }
}

/// A request to `localhost`.
pub(super) fn request(
    method: &str,
    target: &str,
    headers: &[(&str, &str)],
    body: &[u8],
) -> Request {
    let mut request = Request {
        method: Method::from_bytes(method.as_bytes()).unwrap(),
        uri: target.parse().unwrap(),
        headers: HeaderMap::new(),
        body: body.to_vec().into(),
    };
    request.headers.insert("host", "localhost:4566".parse().unwrap());
    for (name, value) in headers {
        let name = crate::http::header::HeaderName::from_bytes(name.as_bytes()).unwrap();
        if name == "host" {
            request.headers.remove("host");
        }
        let value = crate::http::header::HeaderValue::from_bytes(value.as_bytes()).unwrap();
        request.headers.append(name, value);
    }
    request
}

pub(super) fn hash(body: &[u8]) -> String {
    hex(&sha256(body))
}
