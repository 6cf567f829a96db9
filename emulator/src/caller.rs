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
    /// Empty where the request is not signed.
    pub(crate) access_key_id: String,
    pub(crate) session_token: Option<String>,
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
        let query = |wanted: &str| {
            let pairs = request.query();
            pairs.into_iter().find(|(name, _)| name == wanted).map(|(_, value)| value)
        };
        let credential = header.or_else(|| query("X-Amz-Credential")).unwrap_or_default();
        //= https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv-create-signed-request.html
        //# temporary credentials add X-Amz-Security-Token, as a header or to the query
        let token = request.header("x-amz-security-token").map(str::to_owned);
        let session_token = token.or_else(|| query("X-Amz-Security-Token"));
        let decoded = percent_decode_str(&credential).decode_utf8_lossy();
        let mut parts = decoded.split('/');
        let (key, _date) = (parts.next().unwrap_or_default(), parts.next());
        let (region, service) = (parts.next(), parts.next());
        let account = if is_account(key) { key } else { default.account.as_str() };
        let region = region.filter(|region| is_region(region)).unwrap_or(default.region.as_str());
        Self {
            scope: Scope::new(account, region),
            signing_name: service.map(str::to_owned),
            access_key_id: key.to_owned(),
            session_token,
        }
    }
}

const ALGORITHM: &str = "AWS4-HMAC-SHA256";

/// What a signature consists of, as a presented query names it.
#[derive(Debug, Default)]
struct Parts {
    algorithm: Option<String>,
    credential: Option<String>,
    date: Option<String>,
    signed_headers: Option<String>,
    signature: Option<String>,
}

impl Parts {
    fn of_header(header: &str, date: Option<&str>) -> Self {
        let (algorithm, rest) = header.split_once(' ').unwrap_or((header, ""));
        let part = |wanted: &str| {
            let pairs = rest.split(',').filter_map(|pair| pair.trim().split_once('='));
            let mut values = pairs.filter(|(name, _)| *name == wanted).map(|(_, value)| value);
            values.next().map(str::to_owned)
        };
        Self {
            algorithm: Some(algorithm.to_owned()),
            credential: part("Credential"),
            date: date.map(str::to_owned),
            signed_headers: part("SignedHeaders"),
            signature: part("Signature"),
        }
    }

    fn of_query(query: Vec<(String, String)>) -> Self {
        let mut parts = Self::default();
        for (name, value) in query {
            let part = match name.as_str() {
                "X-Amz-Algorithm" => &mut parts.algorithm,
                "X-Amz-Credential" => &mut parts.credential,
                "X-Amz-Date" => &mut parts.date,
                "X-Amz-SignedHeaders" => &mut parts.signed_headers,
                "X-Amz-Signature" => &mut parts.signature,
                _ => continue,
            };
            *part = Some(value);
        }
        parts
    }
}

//= https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv-create-signed-request.html
//# algorithm, credential with its scope, date, signed headers of which host is one, signature
/// Whether the SigV4 signature of `request` has the form of one made for one of the services
/// `signing_names`; why not, else. What it signs is not checked.
pub(crate) fn check_signature(request: &Request, signing_names: &[&str]) -> Result<(), String> {
    let parts = match request.header("authorization") {
        Some(header) => Parts::of_header(header, request.header("x-amz-date")),
        None => Parts::of_query(request.query()),
    };
    let given = |part: Option<String>, name: &str| part.ok_or(format!("{name} is missing"));
    let algorithm = given(parts.algorithm, "X-Amz-Algorithm")?;
    if algorithm != ALGORITHM {
        return Err(format!("X-Amz-Algorithm is `{algorithm}`, not {ALGORITHM}"));
    }
    let credential = given(parts.credential, "X-Amz-Credential")?;
    let [key, day, region, service, end] = *credential.split('/').collect::<Vec<_>>() else {
        return Err(format!(
            "X-Amz-Credential `{credential}` has not five parts: KEY/DATE/REGION/\
                            SERVICE/aws4_request"
        ));
    };
    let digits =
        |text: &str, count| text.len() == count && text.bytes().all(|b| b.is_ascii_digit());
    if key.is_empty() || !digits(day, 8) || !is_region(region) || end != "aws4_request" {
        return Err(format!(
            "X-Amz-Credential `{credential}` is not \
                            KEY/YYYYMMDD/REGION/SERVICE/aws4_request"
        ));
    }
    if !signing_names.contains(&service) {
        let names = signing_names.join(" or ");
        return Err(format!("the signature is for the service `{service}`, not {names}"));
    }
    let date = given(parts.date, "X-Amz-Date")?;
    let time = date.strip_prefix(day).and_then(|rest| rest.strip_prefix('T')?.strip_suffix('Z'));
    if !time.is_some_and(|time| digits(time, 6)) {
        return Err(format!("X-Amz-Date `{date}` is not {day}THHMMSSZ, the day of the credential"));
    }
    let signed_headers = given(parts.signed_headers, "X-Amz-SignedHeaders")?;
    if !signed_headers.split(';').any(|header| header.eq_ignore_ascii_case("host")) {
        return Err(format!("X-Amz-SignedHeaders `{signed_headers}` is without host"));
    }
    let signature = given(parts.signature, "X-Amz-Signature")?;
    if signature.len() != 64 || !signature.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        return Err("X-Amz-Signature is not 64 hexadecimal digits".to_owned());
    }
    Ok(())
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

    fn asked(uri: &str, headers: &[(&'static str, &str)]) -> Request {
        let mut request = Request {
            method: Method::GET,
            uri: uri.parse().unwrap(),
            headers: HeaderMap::new(),
            body: Default::default(),
        };
        for (name, value) in headers {
            request.headers.insert(*name, value.parse().unwrap());
        }
        request
    }

    const QUERY: &str = "X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Credential=AKID%2F20261121%2F\
        us-east-1%2Fiotdevicegateway%2Faws4_request&X-Amz-Date=20261121T101112Z&\
        X-Amz-SignedHeaders=host&X-Amz-Signature=";

    #[test]
    fn a_presigned_query_is_held_against_the_form_of_one() {
        let names = ["iotdevicegateway", "iotdata"];
        let good = format!("/mqtt?{QUERY}{}", "0a".repeat(32));
        let token = format!("{good}&X-Amz-Security-Token=x");
        for uri in [&good, &token, &good.replace("iotdevicegateway", "iotdata")] {
            assert_eq!(check_signature(&asked(uri, &[]), &names), Ok(()), "{uri}");
        }
        let default = Scope::new("000000000000", "us-east-1");
        let caller = Caller::of(&asked(&token, &[]), &default);
        assert_eq!((&*caller.access_key_id, caller.session_token.as_deref()), ("AKID", Some("x")));
        let table = [
            ("AWS4-HMAC-SHA256", "AWS4", "X-Amz-Algorithm is `AWS4`"),
            ("X-Amz-Algorithm", "Algorithm", "X-Amz-Algorithm is missing"),
            ("%2Faws4_request", "", "five parts"),
            ("AKID", "", "is not KEY/"),
            ("iotdevicegateway", "s3", "for the service `s3`, not iotdevicegateway or iotdata"),
            ("X-Amz-Date", "Date", "X-Amz-Date is missing"),
            ("20261121T", "20261122T", "the day of the credential"),
            ("=host", "=x-host", "without host"),
            ("X-Amz-Signature=0a", "X-Amz-Signature=0", "64 hexadecimal digits"),
            ("X-Amz-Signature=0a", "X-Amz-Signature=xx", "64 hexadecimal digits"),
        ];
        for (from, to, why) in table {
            let uri = good.replace(from, to);
            let refused = check_signature(&asked(&uri, &[]), &names).unwrap_err();
            assert!(refused.contains(why), "{uri}: {refused}");
        }
    }

    #[test]
    fn a_signature_in_headers_is_held_against_the_same_form() {
        let authorization = format!(
            "AWS4-HMAC-SHA256 Credential=AKID/20261121/us-east-1/iotdata/aws4_request, \
             SignedHeaders=host;x-amz-date, Signature={}",
            "0".repeat(64)
        );
        let date = ("x-amz-date", "20261121T101112Z");
        let signed = asked("/mqtt", &[("authorization", &authorization), date]);
        assert_eq!(check_signature(&signed, &["iotdata"]), Ok(()));
        let undated = asked("/mqtt", &[("authorization", &authorization)]);
        assert_eq!(check_signature(&undated, &["iotdata"]), Err("X-Amz-Date is missing".into()));
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
