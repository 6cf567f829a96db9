//! Who calls: the account, the Region and the service that a request's SigV4 scope names.
//!
//! Any credentials are taken; a 12-digit access key ID is the account. Signatures are not checked.

use percent_encoding::percent_decode_str;

use crate::config::{is_account, is_region};
use crate::http::Request;
use crate::names::Scope;

/// What the SigV4 scope of a request says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Caller {
    /// The account and Region that answer.
    pub(crate) scope: Scope,
    /// The signing name, such as `iot`; `None` where the request is not signed.
    pub(crate) signing_name: Option<String>,
}

impl Caller {
    /// Reads the scope from the `Authorization` header or a presigned query; what is missing is
    /// taken from `default`.
    //= https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv-create-signed-request.html
    //# Credential=AKID/DATE/REGION/SERVICE/aws4_request
    pub(crate) fn of(request: &Request, default: &Scope) -> Self {
        let header = request.header("authorization").and_then(|header| {
            let rest = header.split_once("Credential=")?.1;
            Some(rest.split([',', ' ']).next().unwrap_or(rest).to_owned())
        });
        let query = || {
            let pairs = request.query();
            pairs.into_iter().find(|(name, _)| name == "X-Amz-Credential").map(|(_, value)| value)
        };
        let credential = header.or_else(query).unwrap_or_default();
        let decoded = percent_decode_str(&credential).decode_utf8_lossy();
        let mut parts = decoded.split('/');
        let (key, _date) = (parts.next().unwrap_or_default(), parts.next());
        let (region, service) = (parts.next(), parts.next());
        let account = if is_account(key) { key } else { default.account.as_str() };
        let region = region.filter(|region| is_region(region)).unwrap_or(default.region.as_str());
        Self { scope: Scope::new(account, region), signing_name: service.map(str::to_owned) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::http::{HeaderMap, Method};

    #[test]
    fn the_scope_names_account_region_and_service() {
        let aws4 = "AWS4-HMAC-SHA256 Credential=";
        let table = [
            (
                format!("{aws4}111122223333/20261121/eu-west-1/iot/aws4_request, SignedHeaders=x"),
                "111122223333/eu-west-1",
                Some("iot"),
            ),
            (
                format!("{aws4}AKIDEXAMPLE/20261121/us-east-1/lambda/aws4_request,Signature=x"),
                "000000000000/us-east-1",
                Some("lambda"),
            ),
            ("Bearer x".to_owned(), "000000000000/us-west-2", None),
            (format!("{aws4}/"), "000000000000/us-west-2", None),
        ];
        let default = Scope::new("000000000000", "us-west-2");
        for (authorization, scope, service) in table {
            let mut headers = HeaderMap::new();
            headers.insert("authorization", authorization.parse().unwrap());
            let (uri, body) = ("/".parse().unwrap(), Default::default());
            let caller = Caller::of(&Request { method: Method::GET, uri, headers, body }, &default);
            assert_eq!(caller.scope.to_string(), scope);
            assert_eq!(caller.signing_name.as_deref(), service);
        }
    }

    proptest::proptest! {
        #[test]
        fn no_authorization_is_too_odd_to_be_read(authorization in "[ -~]{0,80}") {
            let mut headers = HeaderMap::new();
            headers.insert("authorization", authorization.parse().unwrap());
            let (uri, body) = ("/".parse().unwrap(), Default::default());
            let request = Request { method: Method::GET, uri, headers, body };
            let caller = Caller::of(&request, &Scope::new("000000000000", "us-east-1"));
            proptest::prop_assert!(is_account(caller.scope.account.as_str()));
        }
    }
}
