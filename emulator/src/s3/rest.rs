//! The S3 REST API as the AWS CLI and the SDKs speak it to an endpoint URL.
//!
//! It tells the operation from method, path and query. Whatever is not in [`operation`] is refused
//! with S3's `NotImplemented` and its name.

use std::net::IpAddr;

use bytes::Bytes;

use super::listing::Listing;
use super::range::{Asked, asked};
use super::xml::Xml;
use super::{Buckets, Object, S3Error, S3ErrorCode, chunked};
use crate::http::{Request, Response, header, response, set_header};
use crate::time::Timestamp;

/// Sub-resources: a query parameter of this name makes another operation of the request.
const SUBRESOURCES: [&str; 38] = [
    "accelerate",
    "acl",
    "analytics",
    "attributes",
    "cors",
    "delete",
    "encryption",
    "intelligent-tiering",
    "inventory",
    "legal-hold",
    "lifecycle",
    "location",
    "logging",
    "metadataConfiguration",
    "metadataTable",
    "metrics",
    "notification",
    "object-lock",
    "ownershipControls",
    "partNumber",
    "policy",
    "policyStatus",
    "publicAccessBlock",
    "renameObject",
    "replication",
    "requestPayment",
    "restore",
    "retention",
    "select",
    "session",
    "tagging",
    "torrent",
    "uploadId",
    "uploads",
    "versionId",
    "versioning",
    "versions",
    "website",
];

/// The operations done here.
#[derive(Debug, PartialEq, Eq)]
enum Operation {
    ListBuckets,
    CreateBucket(String),
    HeadBucket(String),
    DeleteBucket(String),
    ListObjectsV2(String),
    PutObject(String, String),
    GetObject(String, String),
    HeadObject(String, String),
    DeleteObject(String, String),
}

impl Buckets {
    /// Answers one request of the S3 REST API.
    pub(crate) fn answer(&self, request: &Request, now: Timestamp) -> Response {
        let answered = operation(request).and_then(|operation| self.run(&operation, request, now));
        answered.unwrap_or_else(|error| error.answer(request))
    }

    fn run(
        &self,
        asked: &Operation,
        request: &Request,
        now: Timestamp,
    ) -> Result<Response, S3Error> {
        match asked {
            Operation::ListBuckets => Ok(self.list_buckets()),
            Operation::CreateBucket(bucket) => {
                //= https://docs.aws.amazon.com/AmazonS3/latest/API/API_CreateBucket.html
                //# in us-east-1, creating a bucket that one owns already succeeds
                if !(request.body.is_empty() && self.holds(bucket)) {
                    self.create_bucket(bucket, now)?;
                }
                let mut response = response(200, "application/xml", "");
                set_header(&mut response, "location", &format!("/{bucket}"));
                Ok(response)
            }
            Operation::HeadBucket(bucket) => {
                self.require(bucket)?;
                Ok(response(200, "application/xml", ""))
            }
            Operation::DeleteBucket(bucket) => {
                self.delete_bucket(bucket)?;
                Ok(response(204, "application/xml", ""))
            }
            Operation::ListObjectsV2(bucket) => {
                let page = Listing::read(request.query())?;
                let body = page.answer(bucket, &self.keys(bucket)?)?;
                Ok(response(200, "application/xml", body))
            }
            Operation::PutObject(bucket, key) => self.put_from(bucket, key, request, now),
            Operation::GetObject(bucket, key) | Operation::HeadObject(bucket, key) => {
                part_of(&*self.object(bucket, key)?, request)
            }
            Operation::DeleteObject(bucket, key) => {
                self.delete_object(bucket, key)?;
                Ok(response(204, "application/xml", ""))
            }
        }
    }

    fn list_buckets(&self) -> Response {
        let mut xml = Xml::document();
        xml.open("ListAllMyBucketsResult", Some("http://s3.amazonaws.com/doc/2006-03-01/"));
        xml.open("Buckets", None);
        for (name, created) in self.names() {
            xml.open("Bucket", None);
            xml.text("Name", &name);
            xml.text("CreationDate", &created.format("%Y-%m-%dT%H:%M:%S%.3fZ"));
            xml.close("Bucket");
        }
        xml.close("Buckets");
        xml.close("ListAllMyBucketsResult");
        response(200, "application/xml", xml.finish())
    }

    fn put_from(
        &self,
        bucket: &str,
        key: &str,
        request: &Request,
        now: Timestamp,
    ) -> Result<Response, S3Error> {
        let content_type = request.header("content-type").unwrap_or("binary/octet-stream");
        let mut object = Object::new(chunked::body(request)?, content_type, now);
        for name in request.headers.keys() {
            if let Some(meta) = name.as_str().strip_prefix("x-amz-meta-") {
                let value = request.header(name.as_str()).unwrap_or_default();
                object.metadata.insert(meta.to_owned(), value.to_owned());
            }
        }
        let etag = object.etag.clone();
        self.put_object(bucket, key, object)?;
        let mut response = response(200, "application/xml", "");
        set_header(&mut response, "etag", &etag);
        Ok(response)
    }
}

/// Bucket and key that `request` names, if it names a bucket.
pub(crate) fn place_of(request: &Request) -> Option<(String, Option<String>)> {
    let (bucket, key) = place(request).ok()?;
    Some((bucket?, key))
}

/// Answers a GET or a HEAD of the object at `key` that no bucket here holds: its bytes, and since
/// when they are there.
pub(crate) fn answer_object(
    request: &Request,
    key: &str,
    object: Option<(Bytes, Timestamp)>,
) -> Response {
    let object = object.map(|(body, since)| Object::new(body, "binary/octet-stream", since));
    let answered = object
        .ok_or_else(|| S3Error::no_such_key(key))
        .and_then(|object| part_of(&object, request));
    answered.unwrap_or_else(|error| error.answer(request))
}

/// The object, or the range of it that is asked for.
fn part_of(object: &Object, request: &Request) -> Result<Response, S3Error> {
    let length = object.body.len();
    let (status, body) = match asked(request.header("range"), length) {
        Asked::Whole => (200, object.body.clone()),
        Asked::Part(first, last) => (206, object.body.slice(first..=last)),
        Asked::Nothing => {
            let text = "The requested range is not satisfiable";
            return Err(S3Error::new(S3ErrorCode::InvalidRange, text));
        }
    };
    let mut response = response(status, "", body);
    set_header(&mut response, "content-type", &object.content_type);
    if let Asked::Part(first, last) = asked(request.header("range"), length) {
        set_header(&mut response, "content-range", &format!("bytes {first}-{last}/{length}"));
    }
    set_header(&mut response, "accept-ranges", "bytes");
    set_header(&mut response, "etag", &object.etag);
    let modified = object.last_modified.format("%a, %d %b %Y %H:%M:%S GMT");
    set_header(&mut response, "last-modified", &modified);
    for (name, value) in &object.metadata {
        let name = header::HeaderName::from_bytes(format!("x-amz-meta-{name}").as_bytes());
        if let (Ok(name), Ok(value)) = (name, header::HeaderValue::from_str(value)) {
            response.headers_mut().insert(name, value);
        }
    }
    Ok(response)
}

/// S3's name for what a sub-resource asks, or else how it asks it.
fn named(method: &str, subresource: &str) -> String {
    let name = match (method, subresource) {
        ("POST", "uploads") => "CreateMultipartUpload",
        ("GET", "uploads") => "ListMultipartUploads",
        ("PUT", "uploadId" | "partNumber") => "UploadPart",
        ("POST", "uploadId") => "CompleteMultipartUpload",
        ("DELETE", "uploadId") => "AbortMultipartUpload",
        ("POST", "delete") => "DeleteObjects",
        ("GET", "location") => "GetBucketLocation",
        ("GET", "versioning") => "GetBucketVersioning",
        ("PUT", "versioning") => "PutBucketVersioning",
        ("GET", "versions") => "ListObjectVersions",
        (_, "versionId") => "An object version",
        _ => return format!("{method} ?{subresource}"),
    };
    name.to_owned()
}

/// What `request` asks for.
fn operation(request: &Request) -> Result<Operation, S3Error> {
    let (bucket, key) = place(request)?;
    let query = request.query();
    if let Some((name, _)) = query.iter().find(|(name, _)| SUBRESOURCES.contains(&name.as_ref())) {
        return Err(S3Error::not_implemented(&named(request.method.as_str(), name)));
    }
    if request.header("x-amz-copy-source").is_some() {
        return Err(S3Error::not_implemented("CopyObject"));
    }
    let parameter = |name: &str| query.iter().any(|(parameter, _)| parameter == name);
    match (request.method.as_str(), bucket, key) {
        ("GET", None, _) => Ok(Operation::ListBuckets),
        ("PUT", Some(bucket), None) => Ok(Operation::CreateBucket(bucket)),
        ("HEAD", Some(bucket), None) => Ok(Operation::HeadBucket(bucket)),
        ("DELETE", Some(bucket), None) => Ok(Operation::DeleteBucket(bucket)),
        ("GET", Some(bucket), None) if parameter("list-type") => {
            Ok(Operation::ListObjectsV2(bucket))
        }
        ("GET", Some(_), None) => Err(S3Error::not_implemented("ListObjects")),
        ("POST", Some(_), None) => Err(S3Error::not_implemented("PostObject")),
        ("PUT", Some(bucket), Some(key)) => Ok(Operation::PutObject(bucket, key)),
        ("GET", Some(bucket), Some(key)) => Ok(Operation::GetObject(bucket, key)),
        ("HEAD", Some(bucket), Some(key)) => Ok(Operation::HeadObject(bucket, key)),
        ("DELETE", Some(bucket), Some(key)) => Ok(Operation::DeleteObject(bucket, key)),
        (method, ..) => Err(S3Error::new(
            S3ErrorCode::MethodNotAllowed,
            "The specified method is not allowed against this resource.",
        )
        .about("Method", method)),
    }
}

//= https://docs.aws.amazon.com/AmazonS3/latest/userguide/VirtualHosting.html
//# the bucket stands in the host name or is the first segment of the path
/// Bucket and key of a request, percent-decoded.
fn place(request: &Request) -> Result<(Option<String>, Option<String>), S3Error> {
    let path = request.uri.path();
    let path = path.strip_prefix('/').unwrap_or(path);
    let host = request.header("host").or_else(|| request.uri.host()).unwrap_or_default();
    let (bucket, key) = match bucket_of_host(host) {
        Some(bucket) => (Some(bucket.to_owned()), path),
        None => {
            let (bucket, key) = path.split_once('/').unwrap_or((path, ""));
            (Some(decode(bucket)?).filter(|bucket| !bucket.is_empty()), key)
        }
    };
    Ok((bucket, Some(decode(key)?).filter(|key| !key.is_empty())))
}

fn decode(text: &str) -> Result<String, S3Error> {
    let decoded = percent_encoding::percent_decode_str(text).decode_utf8();
    decoded.map(Into::into).map_err(|_| {
        S3Error::new(S3ErrorCode::InvalidArgument, "The key is not UTF-8 when it is URL-decoded")
    })
}

/// The bucket in `BUCKET.localhost`, `BUCKET.s3.localhost`, `BUCKET.s3.REGION.amazonaws.com`.
pub(super) fn bucket_of_host(host: &str) -> Option<&str> {
    let name = host.rsplit_once(':').map_or(host, |(name, port)| {
        if port.bytes().all(|byte| byte.is_ascii_digit()) { name } else { host }
    });
    if name.parse::<IpAddr>().is_ok() || name.starts_with('[') {
        return None;
    }
    for domain in [".s3.", ".s3-"] {
        if let Some((bucket, _)) = name.split_once(domain) {
            return Some(bucket);
        }
    }
    let bucket = name.strip_suffix(".localhost")?;
    if bucket == "s3" || bucket.starts_with("s3.") { None } else { Some(bucket) }
}
