//! The caller room as its users see it: one reading, AWS's own signatures, and what breaks one.

use std::time::Duration;

use proptest::prelude::*;

use super::signer::{NOW, Signer, hash, request};
use super::*;
use crate::config::is_account;
use crate::credentials::Credential;

const ANY: Endpoint<'_> = Endpoint::ANY;

fn known(credentials: Vec<Credential>) -> Known {
    let of_functions = OfFunctions { secret_access_key: "function", session_token: "function" };
    Known::new(credentials, of_functions, |token| token.starts_with("us-east-1:"))
}

fn verifier(credentials: Vec<Credential>) -> Verifier {
    Verifier::new(true, known(credentials))
}

fn default_scope() -> Scope {
    Scope::new("000000000000", "us-east-1")
}

fn moment(text: &str, later: Duration) -> Moment {
    let now = Timestamp::parse(BASIC_TIME, text).unwrap() + later;
    Moment { now, manual: false }
}

/// What becomes of `request` that many seconds after it was signed.
fn verified(verifier: &Verifier, request: &Request, seconds: u64) -> Result<(), Refused> {
    let caller = Caller::of(request, &default_scope(), verifier.known());
    verifier.verify(request, &caller, ANY, moment(NOW, Duration::from_secs(seconds)))
}

fn akid() -> Verifier {
    verifier(vec![Credential::new("AKID", "hush")])
}

fn of(service: &'static str) -> Signer {
    Signer { access_key_id: "AKID", secret: "hush", service }
}

// === reading ===

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
        (
            "Credential=111122223333/20261121/us-east-1/iot".to_owned(),
            "111122223333/us-east-1",
            Some("iot"),
        ),
        ("Bearer x".to_owned(), "000000000000/us-west-2", None),
        (format!("{aws4}/"), "000000000000/us-west-2", None),
    ];
    let (default, verifier) = (Scope::new("000000000000", "us-west-2"), akid());
    for (authorization, scope, service) in table {
        let asked = request("GET", "/", &[("authorization", &authorization)], b"");
        let caller = Caller::of(&asked, &default, verifier.known());
        assert_eq!(caller.scope.to_string(), scope);
        assert_eq!(caller.signing_name.as_deref(), service);
    }
}

const QUERY: &str = "X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Credential=AKID%2F20261121%2F\
    us-east-1%2Fiotdevicegateway%2Faws4_request&X-Amz-Date=20261121T101112Z&\
    X-Amz-SignedHeaders=host&X-Amz-Signature=";

fn form(asked: &Request, names: &[&str]) -> Result<(), String> {
    let caller = Caller::of(asked, &default_scope(), akid().known());
    caller.check_form(names).map(drop).map_err(|refused| refused.why().concat())
}

#[test]
fn a_presigned_query_is_held_against_the_form_of_one() {
    let names = ["iotdevicegateway", "iotdata"];
    let good = format!("/mqtt?{QUERY}{}", "0a".repeat(32));
    let token = format!("{good}&X-Amz-Security-Token=x");
    for uri in [&good, &token, &good.replace("iotdevicegateway", "iotdata")] {
        assert_eq!(form(&request("GET", uri, &[], b""), &names), Ok(()), "{uri}");
    }
    let asked = request("GET", &token, &[], b"");
    let caller = Caller::of(&asked, &default_scope(), akid().known());
    assert_eq!((&*caller.access_key_id, caller.session_token()), ("AKID", Some("x")));
    let table = [
        ("AWS4-HMAC-SHA256", "AWS4", "X-Amz-Algorithm is `AWS4`"),
        ("X-Amz-Algorithm", "Algorithm", "X-Amz-Algorithm is missing"),
        ("%2Faws4_request", "", "five parts"),
        ("AKID", "", "is not KEY/"),
        ("iotdevicegateway", "s3", "for the service `s3`, not iotdevicegateway or iotdata"),
        ("X-Amz-Date", "Date", "X-Amz-Date is missing"),
        ("20261121T", "20261122T", "the day of the credential"),
        ("20261121T101112Z", "20261121T991112Z", "the day of the credential"),
        ("=host", "=x-host", "without host"),
        ("X-Amz-Signature=0a", "X-Amz-Signature=0", "64 hexadecimal digits"),
        ("X-Amz-Signature=0a", "X-Amz-Signature=xx", "64 hexadecimal digits"),
    ];
    for (from, to, why) in table {
        let uri = good.replace(from, to);
        let refused = form(&request("GET", &uri, &[], b""), &names).unwrap_err();
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
    let authorization = ("authorization", &*authorization);
    for date in [("x-amz-date", NOW), ("date", "Sat, 21 Nov 2026 10:11:12 GMT")] {
        let signed = request("GET", "/mqtt", &[authorization, date], b"");
        assert_eq!(form(&signed, &["iotdata"]), Ok(()), "{date:?}");
    }
    let undated = request("GET", "/mqtt", &[authorization], b"");
    assert_eq!(form(&undated, &["iotdata"]), Err("X-Amz-Date is missing".into()));
}

// === AWS's own signatures ===

#[test]
fn c21_the_requests_that_aws_signed_are_verified() {
    let suite = include_str!("../../../fixtures/signatures/suite.json");
    let suite: serde_json::Value = serde_json::from_str(suite).unwrap();
    let text = |value: &serde_json::Value| value.as_str().unwrap().to_owned();
    let secret = text(&suite["secret_access_key"]);
    let at = moment(&text(&suite["at"]), Duration::ZERO);
    let mut count = 0;
    for row in suite["requests"].as_array().unwrap() {
        for place in ["header", "query"] {
            let sent = &row[place];
            let headers: Vec<(String, String)> =
                serde_json::from_value(sent["headers"].clone()).unwrap();
            let headers: Vec<_> = headers.iter().map(|(name, value)| (&**name, &**value)).collect();
            let (method, target) = (text(&sent["method"]), text(&sent["target"]));
            let asked = request(&method, &target, &headers, text(&sent["body"]).as_bytes());
            let caller = Caller::of(&asked, &default_scope(), akid().known());
            let key = Credential::new("AKIDEXAMPLE", &*secret);
            let key = match caller.session_token() {
                Some(token) => key.with_session_token(token),
                None => key,
            };
            let answer = verifier(vec![key]).verify(&asked, &caller, ANY, at);
            let name = format!("{} in the {place}", row["name"]);
            if name == "\"post-sts-header-after\" in the query" {
                // So AWS IoT wants it, but this one is signed for another service.
                let Err(Refused::Mismatch(mismatch)) = answer else { panic!("{answer:?}") };
                assert!(mismatch.hint.unwrap().contains("without X-Amz-Security-Token"));
                continue;
            }
            assert_eq!(answer, Ok(()), "{name}");
            count += 1;
        }
    }
    assert!(count > 40, "{count}");
}

/// The examples that AWS's documentation of S3 calculates.
//= https://docs.aws.amazon.com/AmazonS3/latest/API/sig-v4-header-based-auth.html
//# GET, PUT and two lists of `examplebucket`
//= https://docs.aws.amazon.com/AmazonS3/latest/API/sigv4-query-string-auth.html
//# a presigned GET
#[test]
fn c21_the_examples_of_s3_are_verified() {
    let empty = hash(b"");
    let welcome = hash(b"Welcome to Amazon S3.");
    let host = ("host", "examplebucket.s3.amazonaws.com");
    let date = ("x-amz-date", "20130524T000000Z");
    let sha = ("x-amz-content-sha256", &*empty);
    let get = "f0e8bdb87c964420e857bd35b5d6ed310bd44f0170aba48dd91039c6036bdb41";
    let put = "98ad721746da40c64f1a55b78f14c238d841ea1380cd77a1b5971af0ece108bd";
    let lifecycle = "fea454ca298b7da1c68078a5d1bdbfbbe0d65c699e0f91ac7a200a0136783543";
    let list = "34b48302e7b5fa45bde8084f4b7868a86f0a534bc59db6670ed5711ef69dc6f7";
    type Row<'a> = (&'a str, &'a str, Vec<(&'a str, &'a str)>, &'a [u8], &'a str, &'a str);
    let short = "host;x-amz-content-sha256;x-amz-date";
    let table: [Row<'_>; 4] = [
        (
            "GET",
            "/test.txt",
            vec![host, date, sha, ("range", "bytes=0-9")],
            b"",
            "host;range;x-amz-content-sha256;x-amz-date",
            get,
        ),
        (
            "PUT",
            "/test$file.text",
            vec![
                host,
                date,
                ("x-amz-content-sha256", &welcome),
                ("date", "Fri, 24 May 2013 00:00:00 GMT"),
                ("x-amz-storage-class", "REDUCED_REDUNDANCY"),
            ],
            b"Welcome to Amazon S3.",
            "date;host;x-amz-content-sha256;x-amz-date;x-amz-storage-class",
            put,
        ),
        ("GET", "/?lifecycle", vec![host, date, sha], b"", short, lifecycle),
        ("GET", "/?max-keys=2&prefix=J", vec![host, date, sha], b"", short, list),
    ];
    for (method, target, mut headers, body, names, signature) in table {
        let authorization = format!(
            "AWS4-HMAC-SHA256 Credential=AKIAIOSFODNN7EXAMPLE/20130524/us-east-1/s3/aws4_request,\
             SignedHeaders={names},Signature={signature}"
        );
        headers.push(("authorization", &authorization));
        assert_eq!(
            of_the_examples(&request(method, target, &headers, body), 0),
            Ok(()),
            "{target}"
        );
    }
    let presigned = "/test.txt?X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Credential=\
        AKIAIOSFODNN7EXAMPLE%2F20130524%2Fus-east-1%2Fs3%2Faws4_request&X-Amz-Date=\
        20130524T000000Z&X-Amz-Expires=86400&X-Amz-SignedHeaders=host&X-Amz-Signature=\
        aeeed9bbccd4d02ee5c0109b86d86835f995330da4c265957d157751f604d404";
    let presigned = request("GET", presigned, &[host], b"");
    assert_eq!(of_the_examples(&presigned, 86_400), Ok(()));
    let late = of_the_examples(&presigned, 86_401);
    assert!(matches!(late, Err(Refused::Expired { seconds: 86_400, .. })), "{late:?}");
}

fn of_the_examples(asked: &Request, seconds: u64) -> Result<(), Refused> {
    let secret = "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY";
    let verifier = verifier(vec![Credential::new("AKIAIOSFODNN7EXAMPLE", secret)]);
    let caller = Caller::of(asked, &default_scope(), verifier.known());
    let at = moment("20130524T000000Z", Duration::from_secs(seconds));
    verifier.verify(asked, &caller, ANY, at)
}

const SEED: &str = "4f232c4386841ef735655705268965c44a0e4690baa4adea153f7db9fa80a0a9";
const CHUNKS: [&str; 3] = [
    "ad80c730a21e5b8d04586a2213dd63b9a0e99e0e2307b0ade35a65485a288648",
    "0055627c9e194cb4542bae2aa5492e3c1575bbb81b612b7d234b86a503ef5497",
    "b6c6ea8a5354eaf15b3cb7646744f4275b71ea724fed81ceb9323e279d449df9",
];
const SEED_BEFORE_TRAILER: &str =
    "106e2a8a18243abcf37539882f36619c00e2dfc72633413f02d3b74544bfeb8e";
const CHUNKS_BEFORE_TRAILER: [&str; 3] = [
    "b474d8862b1487a5145d686f57f013e54db672cee1c953b3010fb58501ef5aa2",
    "1c1344b170168f8e65b41376b44b20fe354e373826ccbbe2c1d40a8cae51e5c7",
    "2ca2aba2005185cf7159c6277faf83795951dd77a3a99e6e65d5c9f85863f992",
];
const TRAILER: &str = "x-amz-checksum-crc32c:sOO8/Q==\r\nx-amz-trailer-signature:\
    d81f82fc3505edab99d459891051a732e8730629a2e4a59689829ca17fe2e435\r\n\r\n";

//= https://docs.aws.amazon.com/AmazonS3/latest/API/sigv4-streaming.html
//# 66,560 times `a` in two chunks, with each chunk's signature
//= https://docs.aws.amazon.com/AmazonS3/latest/API/sigv4-streaming-trailers.html
//# the same with a checksum in the trailer
#[test]
fn c21_the_chunks_of_an_upload_are_verified() {
    let sizes = [65_536, 1024, 0];
    let body = |signatures: [&str; 3], trailer: &str| {
        let mut body = String::new();
        for (size, signature) in sizes.into_iter().zip(signatures) {
            body.push_str(&format!("{size:x};chunk-signature={signature}\r\n"));
            body.push_str(&"a".repeat(size));
            if size > 0 {
                body.push_str("\r\n");
            }
        }
        body + if trailer.is_empty() { "\r\n" } else { trailer }
    };
    let upload = |trailer: bool, body: &str| {
        let (seed, word, own) = if trailer {
            let own = [("x-amz-trailer", "x-amz-checksum-crc32c")];
            (SEED_BEFORE_TRAILER, "STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER", own.to_vec())
        } else {
            (SEED, "STREAMING-AWS4-HMAC-SHA256-PAYLOAD", vec![("content-length", "66824")])
        };
        let mut headers = vec![
            ("host", "s3.amazonaws.com"),
            ("x-amz-date", "20130524T000000Z"),
            ("x-amz-storage-class", "REDUCED_REDUNDANCY"),
            ("x-amz-content-sha256", word),
            ("content-encoding", "aws-chunked"),
            ("x-amz-decoded-content-length", "66560"),
        ];
        headers.extend(own);
        let mut names: Vec<_> = headers.iter().map(|(name, _)| *name).collect();
        names.sort_unstable();
        let authorization = format!(
            "AWS4-HMAC-SHA256 Credential=AKIAIOSFODNN7EXAMPLE/20130524/us-east-1/s3/aws4_request,\
             SignedHeaders={},Signature={seed}",
            names.join(";")
        );
        headers.push(("authorization", &authorization));
        let target = "/examplebucket/chunkObject.txt";
        of_the_examples(&request("PUT", target, &headers, body.as_bytes()), 0)
    };
    let plain = body(CHUNKS, "");
    assert_eq!(upload(false, &plain), Ok(()));
    let with_trailer = body(CHUNKS_BEFORE_TRAILER, TRAILER);
    assert_eq!(upload(true, &with_trailer), Ok(()));

    let changed = |text: &str, from: &str, to: &str| text.replacen(from, to, 1);
    let other = |answer: Result<(), Refused>| matches!(answer, Err(Refused::OtherChunk { .. }));
    assert!(other(upload(false, &changed(&plain, "aaa", "aab"))));
    assert!(other(upload(false, &changed(&plain, CHUNKS[1], CHUNKS[2]))));
    assert!(other(upload(false, &changed(&plain, CHUNKS[2], CHUNKS[1]))));
    assert!(other(upload(true, &changed(&with_trailer, "sOO8", "tOO8"))));
    let broken = [
        plain[..7_000].to_owned(),
        changed(&plain, ";chunk-signature", ";signature"),
        changed(&plain, "10000;", "zz;"),
        changed(&plain, "10000;", "ffffffffffffffff;"),
    ];
    for body in broken {
        assert_eq!(upload(false, &body), Err(Refused::BrokenBody));
    }
    let end = changed(&with_trailer, "x-amz-trailer-signature", "x-amz-other");
    assert_eq!(upload(true, &end), Err(Refused::BrokenBody));
}

// === what breaks one ===

#[test]
fn c21_a_signature_lasts_fifteen_minutes_and_a_presigned_one_as_long_as_it_says() {
    let (verifier, get) = (akid(), || request("GET", "/things", &[], b""));
    let in_headers = of("iot").in_headers(get(), &hash(b""));
    let day = of("iot").in_query(get(), &hash(b""), Some("86400"));
    let bare = of("iot").in_query(get(), &hash(b""), None);
    let of_s3 = of("s3").in_query(get(), "UNSIGNED-PAYLOAD", Some("60"));
    let table = [
        (&in_headers, 900, None),
        (&in_headers, 901, Some("Signature expired: 20261121T101112Z is now earlier than")),
        (&bare, 900, None),
        (&bare, 901, Some("Signature expired")),
        (&day, 86_400 + 900, None),
        (&day, 86_400 + 901, Some("Signature expired: 20261122T101112Z")),
        (&of_s3, 60, None),
        (&of_s3, 61, Some("Signature expired")),
    ];
    for (asked, seconds, said) in table {
        let answer = verified(&verifier, asked, seconds);
        match said {
            None => assert_eq!(answer, Ok(()), "{seconds}"),
            Some(said) => {
                let refused = answer.unwrap_err();
                assert!(refused.exception().1.starts_with(said), "{:?}", refused.exception());
                assert_eq!(refused.reason(), "SECURITY_TOKEN_EXPIRED");
            }
        }
    }
    let caller = Caller::of(&in_headers, &default_scope(), verifier.known());
    let before = |seconds| {
        let now = Timestamp::parse(BASIC_TIME, NOW).unwrap() - Duration::from_secs(seconds);
        verifier.verify(&in_headers, &caller, ANY, Moment { now, manual: true })
    };
    assert_eq!(before(900), Ok(()));
    let early = before(901).unwrap_err();
    let text = "Signature not yet current: 20261121T101112Z is still later than 20261121T101111Z \
                (20261121T095611Z + 15 min.)";
    assert_eq!(early.exception().1, text);
    assert!(early.why()[0].contains("manual clock"), "{:?}", early.why());
    for (seconds, said) in [("x", "a number"), ("-1", "non-negative"), ("604801", "a week")] {
        let odd = of("s3").in_query(get(), "UNSIGNED-PAYLOAD", Some(seconds));
        let refused = verified(&verifier, &odd, 0).unwrap_err();
        assert!(refused.why()[0].contains(said), "{refused:?}");
    }
    let week = of("s3").in_query(get(), "UNSIGNED-PAYLOAD", Some("604800"));
    assert_eq!(verified(&verifier, &week, 604_800), Ok(()));
}

#[test]
fn c21_what_is_wrong_is_told_in_the_words_of_aws() {
    let get = || request("GET", "/things", &[], b"");
    let signed = |signer: Signer| signer.in_headers(get(), &hash(b""));
    let other = Signer { access_key_id: "AKIX", ..of("iot") };
    let wrong = Signer { secret: "other", ..of("iot") };
    let edited = |from: &str, to: &str| {
        let mut asked = signed(of("iot"));
        let text = asked.header("authorization").unwrap().replace(from, to);
        asked.headers.insert("authorization", text.parse().unwrap());
        asked
    };
    let mut token = signed(of("iot"));
    token.headers.insert("x-amz-security-token", "x".parse().unwrap());
    let table = [
        (get(), "MissingAuthenticationTokenException", "Missing Authentication Token"),
        (signed(other), "UnrecognizedClientException", "The security token included in the"),
        (token, "UnrecognizedClientException", "The security token included in the"),
        (signed(wrong), "InvalidSignatureException", "The request signature we calculated does"),
        (
            edited("SignedHeaders=host;x-amz-date, ", ""),
            "IncompleteSignatureException",
            "Authorization header requires 'SignedHeaders' parameter.",
        ),
        (edited("host;", ""), "InvalidSignatureException", "'Host' or ':authority' must be"),
        (edited("/20261121/", "/20261120/"), "InvalidSignatureException", "X-Amz-Date"),
        (edited("AWS4-", "AWS5-"), "IncompleteSignatureException", "X-Amz-Algorithm"),
    ];
    for (asked, exception, text) in table {
        let refused = verified(&akid(), &asked, 0).unwrap_err();
        let (code, said) = refused.exception();
        assert_eq!(code.name(), exception, "{refused:?}");
        assert_eq!(code.status(), 403);
        assert!(said.starts_with(text), "{said}");
    }
    let asked = signed(of("iot"));
    let caller = Caller::of(&asked, &default_scope(), akid().known());
    let at = |signing_names, region| {
        let endpoint = Endpoint { signing_names, region };
        akid().verify(&asked, &caller, endpoint, moment(NOW, Duration::ZERO)).unwrap_err()
    };
    let (_, said) = at(&["iotdata"], None).exception();
    assert_eq!(said, "Credential should be scoped to correct service: 'iotdata'. ");
    let (_, said) = at(&[], Some("eu-west-1")).exception();
    assert_eq!(said, "Credential should be scoped to a valid region, not 'us-east-1'. ");
}

#[test]
fn c21_common_mistakes_are_told_and_no_secret_is() {
    let verifier = akid();
    let why = |asked: &Request| verified(&verifier, asked, 0).unwrap_err().why().join("\n");
    // Signed as for S3, sent to AWS IoT: what a signer without a second encoding does.
    let publish = request("POST", "/topics/a%2Fb", &[("x-amz-date", NOW)], b"x");
    let mut once = of("iotdata").in_headers(publish, &hash(b"x"));
    let names = ["host".to_owned(), "x-amz-date".to_owned()];
    let canonical = format!(
        "POST\n/topics/a%2Fb\n\nhost:localhost:4566\nx-amz-date:{NOW}\n\n{}\n{}",
        names.join(";"),
        hash(b"x")
    );
    let caller = Caller::of(&once, &default_scope(), verifier.known());
    let form = caller.check_form(&[]).unwrap();
    let key = verifier::derive(&Secret::new("hush"), &form);
    let text = canonical::string_to_sign(&form, canonical.as_bytes());
    let right = once
        .header("authorization")
        .unwrap()
        .replace(&form.signature, &verifier::sign(&key, &text));
    once.headers.insert("authorization", right.parse().unwrap());
    assert!(why(&once).starts_with("it is right for the path as it was sent"), "{}", why(&once));

    let mut moved =
        of("iot").in_headers(request("GET", "/things", &[("host", "localhost")], b""), &hash(b""));
    moved.headers.insert("host", "localhost:4566".parse().unwrap());
    assert!(
        why(&moved).starts_with("it is right for the host without its port"),
        "{}",
        why(&moved)
    );

    let token = "us-east-1:hush/hush";
    let wrong = Signer { secret: "hush-hush", ..of("iot") };
    let things = request("GET", "/things?b=2&a=1", &[("x-amz-security-token", token)], b"");
    let told = why(&wrong.in_headers(things, &hash(b"")));
    let lines = ["  GET", "  /things", "  a=1&b=2", "  host:localhost:4566", "the string to sign"];
    for line in lines {
        assert!(told.contains(line), "{line} is not in\n{told}");
    }
    assert!(told.contains("x-amz-security-token:(the session token)"), "{told}");
    let query = format!("/things?X-Amz-Security-Token={}", token.replace(':', "%3A"));
    let told_of_query = why(&wrong.in_query(request("GET", &query, &[], b""), &hash(b""), None));
    assert!(!told.contains("hush") && !told_of_query.contains("hush"), "{told}{told_of_query}");
    // A stranger's headers fill no memory.
    let long = "x".repeat(60_000);
    let many = request("GET", "/things", &[("x-amz-meta-a", &long), ("x-amz-meta-b", &long)], b"");
    assert!(why(&wrong.in_headers(many, &hash(b""))).len() < 16_384);
}

#[test]
fn c21_the_data_endpoint_leaves_the_token_of_a_query_out_and_others_sign_it() {
    let identity = "us-east-1%3A0f1e2d3c";
    for (service, taken) in [("iotdevicegateway", true), ("iotdata", true), ("iot", false)] {
        let mut asked = of(service).in_query(request("GET", "/mqtt", &[], b""), &hash(b""), None);
        let uri = format!("{}&X-Amz-Security-Token={identity}", asked.uri);
        asked.uri = uri.parse().unwrap();
        assert_eq!(verified(&akid(), &asked, 0).is_ok(), taken, "{service}");
    }
}

#[test]
fn c21_s3_wants_the_hash_of_the_body_and_every_header_of_its_own_signed() {
    let verifier = akid();
    let put = |hash: &str, body: &[u8]| {
        let headers = [("x-amz-content-sha256", hash), ("x-amz-meta-hall", "7")];
        of("s3").in_headers(request("PUT", "/trust/a%20b", &headers, body), hash)
    };
    let body = b"PEM";
    for word in [&hash(body), "UNSIGNED-PAYLOAD", "STREAMING-UNSIGNED-PAYLOAD-TRAILER"] {
        assert_eq!(verified(&verifier, &put(word, body), 0), Ok(()), "{word}");
    }
    let other = verified(&verifier, &put(&hash(b"other"), body), 0);
    assert!(matches!(other, Err(Refused::OtherContent { .. })), "{other:?}");
    let odd = verified(&verifier, &put("SIGNED", body), 0);
    assert_eq!(odd, Err(Refused::OddContentHash("SIGNED".to_owned())));
    let bare = of("s3").in_headers(request("PUT", "/trust/a", &[], body), &hash(body));
    assert_eq!(verified(&verifier, &bare, 0), Err(Refused::NoContentHash));
    let mut added = put(&hash(body), body);
    added.headers.insert("x-amz-tagging", "a=b".parse().unwrap());
    let not_signed = Refused::HeadersNotSigned(vec!["x-amz-tagging".to_owned()]);
    assert_eq!(verified(&verifier, &added, 0), Err(not_signed));
}

#[test]
fn enforcement_is_off_unless_asked_for() {
    let off = Verifier::new(false, known(Vec::new()));
    let unsigned = request("GET", "/things", &[], b"");
    assert_eq!(verified(&off, &unsigned, 0), Ok(()));
}

fn text() -> impl Strategy<Value = String> {
    "[a-z0-9]{1,8}"
}

proptest! {
    #[test]
    fn c21_what_is_signed_is_verified_and_no_byte_of_it_may_change(
        path in prop::collection::vec(text(), 1..4),
        query in prop::collection::vec((text(), text()), 0..4),
        header in text(),
        body in prop::collection::vec(any::<u8>(), 1..40),
        in_query in any::<bool>(),
        place in any::<prop::sample::Index>(),
        what in 0..6_u8,
    ) {
        let verifier = akid();
        let pairs: Vec<_> = query.iter().map(|(name, value)| format!("{name}={value}")).collect();
        let target = format!("/{}?{}", path.join("/"), pairs.join("&"));
        let asked = request("POST", target.trim_end_matches('?'), &[], &body);
        let mut signed = if in_query {
            of("iot").in_query(asked, &hash(&body), Some("60"))
        } else {
            let mut asked = asked;
            asked.headers.insert("x-amz-meta", header.parse().unwrap());
            of("iot").in_headers(asked, &hash(&body))
        };
        prop_assert_eq!(verified(&verifier, &signed, 0), Ok(()));
        let change = |text: &str, within: std::ops::Range<usize>| {
            let at = within.start + place.index(within.len());
            let mut bytes = text.as_bytes().to_vec();
            bytes[at] = if bytes[at] == b'b' { b'c' } else { b'b' };
            String::from_utf8(bytes).unwrap()
        };
        let uri = signed.uri.to_string();
        let end = uri.find('?').unwrap_or(uri.len());
        match what {
            0 => {
                let mut changed = body.clone();
                let at = place.index(changed.len());
                changed[at] ^= 0x20;
                signed.body = changed.into();
            }
            1 => signed.uri = change(&uri, 1..end).parse().unwrap(),
            2 if end < uri.len() => {
                // A changed `&` or `=` is a change too.
                signed.uri = change(&uri, end + 1..uri.len()).parse().unwrap();
            }
            3 => {
                signed.headers.insert("host", "localhost:4567".parse().unwrap());
            }
            4 if !in_query => {
                let name = if place.index(2) == 0 { "x-amz-date" } else { "x-amz-meta" };
                let value = signed.header(name).unwrap().to_owned();
                let value = change(&value, 0..value.len());
                signed.headers.insert(name, value.parse().unwrap());
            }
            5 if !in_query => {
                let value = signed.header("authorization").unwrap().to_owned();
                let value = change(&value, 0..value.len());
                signed.headers.insert("authorization", value.parse().unwrap());
            }
            _ => signed.method = crate::http::Method::PUT,
        }
        prop_assert!(verified(&verifier, &signed, 0).is_err(), "{:?}", signed);
    }

    #[test]
    fn no_authorization_is_too_odd_to_be_read(
        authorization in prop::collection::vec(any::<u8>(), 0..200),
        query in "[ -~]{0,80}",
        signs in any::<bool>(),
    ) {
        let mut asked = request("GET", "/", &[("x-amz-date", NOW)], b"");
        let prefix: &[u8] = if signs { b"AWS4-HMAC-SHA256 Credential=" } else { b"" };
        let bytes = [prefix, &authorization].concat();
        if let Ok(value) = crate::http::header::HeaderValue::from_bytes(&bytes) {
            asked.headers.insert("authorization", value);
        }
        if let Ok(uri) = format!("/?X-Amz-Credential={query}").parse() {
            asked.uri = uri;
        }
        let verifier = akid();
        let caller = Caller::of(&asked, &default_scope(), verifier.known());
        prop_assert!(is_account(caller.scope.account.as_str()));
        let refused = verified(&verifier, &asked, 0).unwrap_err();
        let (_, _, _) = (refused.why(), refused.exception(), refused.reason());
    }
}
