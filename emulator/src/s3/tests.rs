//! S3 as a client sees it: requests in, responses out; and what the folder must not let out.

use super::rest::bucket_of_host;
use super::*;
use crate::http::{HeaderMap, Request, Response};

const NOW: Timestamp = Timestamp::from_seconds(1_600_000_000);

fn request(method: &str, uri: &str, headers: &[(&str, &str)], body: &[u8]) -> Request {
    let mut map = HeaderMap::new();
    for (name, value) in headers {
        let name = crate::http::header::HeaderName::from_bytes(name.as_bytes()).unwrap();
        map.insert(name, value.parse().unwrap());
    }
    Request {
        method: method.parse().unwrap(),
        uri: uri.parse().unwrap(),
        headers: map,
        body: Bytes::copy_from_slice(body),
    }
}

fn ask(buckets: &Buckets, method: &str, uri: &str, body: &[u8]) -> Response {
    buckets.answer(&request(method, uri, &[("host", "localhost:4566")], body), NOW)
}

fn text(response: &Response) -> String {
    let body = String::from_utf8_lossy(response.body());
    format!("{} {body}", response.status().as_u16())
}

/// The code of an error answer, or the status.
fn outcome(response: &Response) -> String {
    let text = text(response);
    match text.split_once("<Code>").and_then(|(_, rest)| rest.split_once("</Code>")) {
        Some((code, _)) => code.to_owned(),
        None => response.status().as_u16().to_string(),
    }
}

#[test]
fn requests_are_answered_as_s3_answers_them() {
    let buckets = Buckets::new(None);
    let table: [(&str, &str, &[u8], &str); 28] = [
        ("GET", "/", b"", "200"),
        ("PUT", "/trust", b"", "200"),
        ("PUT", "/trust", b"", "200"),
        ("PUT", "/trust", b"<CreateBucketConfiguration/>", "BucketAlreadyOwnedByYou"),
        ("PUT", "/Trust", b"", "InvalidBucketName"),
        ("PUT", "/a..b", b"", "InvalidBucketName"),
        ("HEAD", "/trust", b"", "200"),
        ("HEAD", "/nothing", b"", "404"),
        ("GET", "/trust/root.pem", b"", "NoSuchKey"),
        ("GET", "/nothing/root.pem", b"", "NoSuchBucket"),
        ("PUT", "/nothing/root.pem", b"x", "NoSuchBucket"),
        ("PUT", "/trust/root.pem?x-id=PutObject", b"PEM", "200"),
        ("GET", "/trust/root.pem?x-id=GetObject", b"", "200"),
        ("HEAD", "/trust/root.pem", b"", "200"),
        ("HEAD", "/trust/other.pem", b"", "404"),
        ("DELETE", "/trust", b"", "BucketNotEmpty"),
        ("DELETE", "/trust/root.pem", b"", "204"),
        ("DELETE", "/trust/root.pem", b"", "204"),
        ("GET", "/trust/root.pem", b"", "NoSuchKey"),
        ("POST", "/trust/big?uploads", b"", "NotImplemented"),
        ("PUT", "/trust/big?partNumber=1&uploadId=2", b"", "NotImplemented"),
        ("GET", "/trust?versioning", b"", "NotImplemented"),
        ("GET", "/trust/a?versionId=1", b"", "NotImplemented"),
        ("GET", "/trust", b"", "NotImplemented"),
        ("POST", "/trust?delete", b"", "NotImplemented"),
        ("PATCH", "/trust/a", b"", "MethodNotAllowed"),
        ("DELETE", "/trust", b"", "204"),
        ("DELETE", "/trust", b"", "NoSuchBucket"),
    ];
    for (method, uri, body, expected) in table {
        assert_eq!(outcome(&ask(&buckets, method, uri, body)), expected, "{method} {uri}");
    }
}

#[test]
fn what_is_not_done_is_refused_by_name() {
    let buckets = Buckets::new(None);
    let copy = request("PUT", "/a-b/c", &[("x-amz-copy-source", "/d/e")], b"");
    assert!(text(&buckets.answer(&copy, NOW)).contains("CopyObject"));
    assert!(text(&ask(&buckets, "POST", "/a-b/c?uploads", b"")).contains("CreateMultipartUpload "));
    assert!(text(&ask(&buckets, "GET", "/a-b", b"")).contains("ListObjects "));
    assert!(text(&ask(&buckets, "PUT", "/a-b?acl", b"")).contains("PUT ?acl "));
}

#[test]
fn an_object_comes_back_with_what_it_was_put_with() {
    let buckets = Buckets::new(None);
    ask(&buckets, "PUT", "/trust", b"");
    let headers = [("content-type", "text/plain"), ("x-amz-meta-owner", "acme")];
    let put = buckets.answer(&request("PUT", "/trust/a%20b/%C3%A9", &headers, b"0123456789"), NOW);
    let got = ask(&buckets, "GET", "/trust/a%20b/%C3%A9", b"");
    assert_eq!(text(&got), "200 0123456789");
    assert_eq!(got.headers()["content-type"], "text/plain");
    assert_eq!(got.headers()["x-amz-meta-owner"], "acme");
    assert_eq!(got.headers()["last-modified"], "Sun, 13 Sep 2020 12:26:40 GMT");
    assert_eq!(got.headers()["etag"], put.headers()["etag"]);

    let part = request("GET", "/trust/a%20b/%C3%A9", &[("range", "bytes=2-4")], b"");
    let part = buckets.answer(&part, NOW);
    assert_eq!(text(&part), "206 234");
    assert_eq!(part.headers()["content-range"], "bytes 2-4/10");
    let beyond = request("GET", "/trust/a%20b/%C3%A9", &[("range", "bytes=10-")], b"");
    assert_eq!(outcome(&buckets.answer(&beyond, NOW)), "InvalidRange");
}

#[test]
fn a_body_in_aws_chunks_is_put_without_them() {
    let buckets = Buckets::new(None);
    ask(&buckets, "PUT", "/trust", b"");
    let headers = [
        ("x-amz-content-sha256", "STREAMING-UNSIGNED-PAYLOAD-TRAILER"),
        ("content-encoding", "aws-chunked"),
        ("x-amz-trailer", "x-amz-checksum-crc32"),
    ];
    let body = b"3\r\nPEM\r\n0\r\nx-amz-checksum-crc32:sOO8/Q==\r\n\r\n";
    let put = buckets.answer(&request("PUT", "/trust/root.pem", &headers, body), NOW);
    assert_eq!(put.status(), 200);
    assert_eq!(buckets.get("trust", "root.pem").unwrap(), "PEM");
    let broken = buckets.answer(&request("PUT", "/trust/x", &headers, b"9\r\nPEM"), NOW);
    assert_eq!(outcome(&broken), "IncompleteBody");
}

#[test]
fn an_object_and_all_objects_have_a_bound() {
    let buckets = Buckets::new(None);
    let largest = Bytes::from(vec![0; OBJECT_BYTES]);
    assert!(buckets.put("trust", "a", vec![0; OBJECT_BYTES + 1]).is_err());
    let fitting = TOTAL_BYTES / OBJECT_BYTES;
    for number in 0..fitting {
        buckets.put("trust", &number.to_string(), largest.clone()).unwrap();
    }
    assert_eq!(
        buckets.put("trust", "more", largest.clone()).unwrap_err().code(),
        S3ErrorCode::EntityTooLarge
    );
    buckets.put("trust", "0", largest).expect("it takes the place of the one before");
}

#[test]
fn a_host_name_may_name_the_bucket() {
    let table = [
        ("localhost:4566", None),
        ("127.0.0.1:4566", None),
        ("[::1]:4566", None),
        ("trust.localhost:4566", Some("trust")),
        ("my.trust.localhost", Some("my.trust")),
        ("s3.localhost:4566", None),
        ("trust.s3.localhost:4566", Some("trust")),
        ("trust.s3.us-east-1.amazonaws.com", Some("trust")),
        ("my.trust.s3-eu-west-1.amazonaws.com", Some("my.trust")),
        ("s3.us-east-1.amazonaws.com", None),
        ("s3.us-east-1.localhost", None),
        ("", None),
    ];
    for (host, expected) in table {
        assert_eq!(bucket_of_host(host), expected, "{host}");
    }
    let buckets = Buckets::new(None);
    buckets.put("trust", "dir/root.pem", "PEM").unwrap();
    let get = request("GET", "/dir/root.pem", &[("host", "trust.localhost:4566")], b"");
    assert_eq!(text(&buckets.answer(&get, NOW)), "200 PEM");
}

fn keys(body: &str) -> Vec<String> {
    let parts = body.split("<Key>").skip(1);
    parts.map(|part| part.split("</Key>").next().unwrap().to_owned()).collect()
}

#[test]
fn objects_are_listed_page_by_page() {
    let buckets = Buckets::new(None);
    for key in ["a/1", "a/2", "b/1", "c", "d&e", "f g"] {
        buckets.put("trust", key, "x").unwrap();
    }
    let list =
        |query: &str| text(&ask(&buckets, "GET", &format!("/trust?list-type=2{query}"), b""));
    assert_eq!(keys(&list("")), ["a/1", "a/2", "b/1", "c", "d&amp;e", "f g"]);
    assert_eq!(keys(&list("&encoding-type=url"))[4..], ["d%26e", "f%20g"]);
    assert_eq!(keys(&list("&prefix=a/")), ["a/1", "a/2"]);
    assert_eq!(keys(&list("&start-after=b/1")), ["c", "d&amp;e", "f g"]);
    let folded = list("&delimiter=/");
    assert_eq!(keys(&folded), ["c", "d&amp;e", "f g"]);
    assert_eq!(folded.matches("<CommonPrefixes>").count(), 2);
    assert!(folded.contains("<KeyCount>5</KeyCount>"));

    let (mut seen, mut token, mut prefixes) = (Vec::new(), String::new(), 0);
    loop {
        let page = list(&format!("&delimiter=/&max-keys=1{token}"));
        assert!(page.contains("<KeyCount>1</KeyCount>"), "{page}");
        seen.extend(keys(&page));
        prefixes += page.matches("<CommonPrefixes>").count();
        match page.split_once("<NextContinuationToken>") {
            Some((_, rest)) => {
                let next = rest.split('<').next().unwrap();
                token = format!("&continuation-token={next}");
            }
            None => break,
        }
    }
    assert_eq!((seen.len(), prefixes), (3, 2));
    for wrong in ["&max-keys=x", "&encoding-type=x", "&continuation-token=!"] {
        assert!(list(wrong).contains("InvalidArgument"), "{wrong}");
    }
    assert!(list("&max-keys=0").contains("<IsTruncated>false</IsTruncated>"));
}

/// `DIR/secret` beside `DIR/s3/trust/{root.pem,dir/leaf.pem}`.
fn folder() -> (tempfile::TempDir, Buckets) {
    let dir = tempfile::tempdir().unwrap();
    let trust = dir.path().join("s3/trust/dir");
    std::fs::create_dir_all(&trust).unwrap();
    std::fs::write(dir.path().join("secret"), "SECRET").unwrap();
    std::fs::write(dir.path().join("s3/trust/root.pem"), "ROOT").unwrap();
    std::fs::write(trust.join("leaf.pem"), "LEAF").unwrap();
    let buckets = Buckets::new(Some(dir.path().join("s3")));
    (dir, buckets)
}

#[test]
fn files_of_the_folder_are_objects() {
    let (_dir, buckets) = folder();
    assert_eq!(buckets.get("trust", "root.pem").unwrap(), "ROOT");
    assert_eq!(buckets.get("trust", "dir/leaf.pem").unwrap(), "LEAF");
    assert!(buckets.get("trust", "dir").is_err());
    let listed = text(&ask(&buckets, "GET", "/trust?list-type=2", b""));
    assert_eq!(keys(&listed), ["dir/leaf.pem", "root.pem"]);
    assert!(text(&ask(&buckets, "GET", "/", b"")).contains("<Name>trust</Name>"));

    buckets.put("trust", "root.pem", "NEW").unwrap();
    assert_eq!(buckets.get("trust", "root.pem").unwrap(), "NEW");
    for key in ["root.pem", "dir/leaf.pem"] {
        assert_eq!(ask(&buckets, "DELETE", &format!("/trust/{key}"), b"").status(), 204);
        assert!(buckets.get("trust", key).is_err());
    }
    assert_eq!(outcome(&ask(&buckets, "DELETE", "/trust", b"")), "204");
    assert_eq!(outcome(&ask(&buckets, "HEAD", "/trust", b"")), "404");
    assert!(!text(&ask(&buckets, "GET", "/", b"")).contains("trust"));
    ask(&buckets, "PUT", "/trust", b"");
    assert_eq!(text(&ask(&buckets, "GET", "/trust?list-type=2", b"")).matches("<Key>").count(), 0);

    buckets.clear();
    assert_eq!(buckets.get("trust", "root.pem").unwrap(), "ROOT");
}

#[test]
fn nothing_outside_the_folder_is_read() {
    let (dir, buckets) = folder();
    let absolute = dir.path().join("secret");
    let keys = [
        "../../secret",
        "dir/../../../secret",
        "./root.pem",
        "dir/./leaf.pem",
        "/root.pem",
        "dir//leaf.pem",
        "..",
        ".",
        "..\\..\\secret",
        "root.pem\0",
        absolute.to_str().unwrap(),
    ];
    for key in keys {
        assert!(buckets.get("trust", key).is_err(), "{key}");
    }
    for bucket in ["..", ".", "", "../s3/trust", "trust/dir", "/"] {
        assert!(buckets.get(bucket, "secret").is_err(), "{bucket}");
    }
    for uri in ["/trust/%2E%2E%2F%2E%2E%2Fsecret", "/%2E%2E/secret", "/trust/..%2f..%2fsecret"] {
        assert!(ask(&buckets, "GET", uri, b"").status() != 200, "{uri}");
    }
}

#[cfg(unix)]
#[test]
fn a_link_out_of_the_folder_leads_nowhere() {
    let (dir, buckets) = folder();
    let trust = dir.path().join("s3/trust");
    std::os::unix::fs::symlink(dir.path().join("secret"), trust.join("file")).unwrap();
    std::os::unix::fs::symlink(dir.path(), trust.join("away")).unwrap();
    std::os::unix::fs::symlink(dir.path(), dir.path().join("s3/outside")).unwrap();
    std::os::unix::fs::symlink(&trust, trust.join("loop")).unwrap();
    assert!(buckets.get("trust", "file").is_err());
    assert!(buckets.get("trust", "away/secret").is_err());
    assert!(buckets.get("outside", "secret").is_err());
    let listed = text(&ask(&buckets, "GET", "/trust?list-type=2", b""));
    assert!(!listed.contains("secret") && !listed.contains("<Key>file"), "{listed}");
}

proptest::proptest! {
    #[test]
    fn any_request_is_answered(method in "GET|PUT|HEAD|DELETE|POST", path in "/[ -~]{0,40}") {
        let buckets = Buckets::new(None);
        buckets.put("trust", "root.pem", "PEM").unwrap();
        if path.parse::<crate::http::Uri>().is_ok() {
            let response = ask(&buckets, &method, &path, b"x");
            proptest::prop_assert!(response.status().as_u16() >= 200);
        }
    }
}
