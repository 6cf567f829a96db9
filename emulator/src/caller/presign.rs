//! Links that carry a signature in their query: what AWS hands out so that anybody can GET one
//! object of S3 for a while.
//!
//! Truth: <https://docs.aws.amazon.com/AmazonS3/latest/API/sigv4-query-string-auth.html>.

use percent_encoding::utf8_percent_encode;

use super::canonical::{self, ENCODED, Manner};
use super::verifier::{derive, sign};
use super::{ALGORITHM, BASIC_TIME, Place, Signature, Verifier, payload};
use crate::http::{HeaderMap, Method, Request};
use crate::names::Scope;
use crate::time::Timestamp;

impl Verifier {
    //= https://docs.aws.amazon.com/AmazonS3/latest/API/sigv4-query-string-auth.html
    //# algorithm, credential, date, expiry and signed headers stand in the query and are signed,
    //# with UNSIGNED-PAYLOAD for the body
    /// `path` with the query by which the account of `scope` lets anybody GET it from S3 at `host`
    /// for `seconds`; the path has no character that wants encoding.
    pub(crate) fn presigned(
        &self,
        scope: &Scope,
        host: &str,
        path: &str,
        seconds: u64,
        now: Timestamp,
    ) -> Option<String> {
        let access_key_id = scope.account.as_str();
        let secret = self.known().secret(access_key_id, None).ok()?;
        let date = now.format(BASIC_TIME);
        let signature = Signature {
            place: Place::Query,
            day: date.get(..8)?.to_owned(),
            region: scope.region.as_str().to_owned(),
            service: "s3".to_owned(),
            date,
            at: now,
            expires: Some(seconds.to_string()),
            signed_headers: vec!["host".to_owned()],
            signature: String::new(),
        };
        let credential = format!("{access_key_id}/{}", signature.scope());
        let target = format!(
            "{path}?X-Amz-Algorithm={ALGORITHM}&X-Amz-Credential={}&X-Amz-Date={}\
             &X-Amz-Expires={seconds}&X-Amz-SignedHeaders=host",
            utf8_percent_encode(&credential, ENCODED),
            signature.date,
        );
        let mut headers = HeaderMap::new();
        headers.insert("host", host.parse().ok()?);
        let uri = target.parse().ok()?;
        let request = Request { method: Method::GET, uri, headers, body: bytes::Bytes::new() };
        let payload = payload::of(&request, &signature).ok()?;
        let text = canonical::request(&request, &signature, &payload, Manner::of(&signature));
        let text = canonical::string_to_sign(&signature, &text);
        let signed = sign(&derive(secret, &signature), &text);
        Some(format!("{target}&X-Amz-Signature={signed}"))
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::caller::{Caller, Endpoint, Known, Moment, OfFunctions, Refused};
    use crate::config::Credential;

    fn verifier(configured: Vec<Credential>) -> Verifier {
        let of_functions = OfFunctions { secret_access_key: "f", session_token: "f" };
        Verifier::new(true, Known::new(configured, of_functions, |_| false))
    }

    fn get(verifier: &Verifier, target: &str, now: Timestamp) -> Result<(), Refused> {
        let mut headers = HeaderMap::new();
        headers.insert("host", "localhost:4566".parse().unwrap());
        let uri = target.parse().unwrap();
        let request = Request { method: Method::GET, uri, headers, body: bytes::Bytes::new() };
        let default = Scope::new("000000000000", "us-east-1");
        let caller = Caller::of(&request, &default, verifier.known());
        assert!(caller.is_presigned());
        assert_eq!(caller.scope, Scope::new("222233334444", "eu-west-1"));
        verifier.verify(&request, &caller, Endpoint::ANY, Moment { now, manual: false })
    }

    #[test]
    fn c21_a_link_is_taken_from_whoever_has_it_until_it_expires() {
        let now = Timestamp::from_seconds(1_800_000_000);
        let scope = Scope::new("222233334444", "eu-west-1");
        for configured in [vec![], vec![Credential::new("222233334444", "own")]] {
            let verifier = verifier(configured);
            let target = verifier.presigned(&scope, "localhost:4566", "/b/a/k-1", 60, now).unwrap();
            assert!(target.starts_with("/b/a/k-1?X-Amz-Algorithm=AWS4-HMAC-SHA256&"), "{target}");
            let last = now + Duration::from_secs(60);
            assert!(get(&verifier, &target, last).is_ok());
            let expired = get(&verifier, &target, last + Duration::from_secs(1));
            assert!(matches!(expired, Err(Refused::Expired { .. })), "{expired:?}");
            let other = get(&verifier, &target.replace("k-1", "k-2"), now);
            assert!(matches!(other, Err(Refused::Mismatch(_))), "{other:?}");
        }
    }
}
