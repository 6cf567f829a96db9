//! How S3 says no: a code, a text, and what it is about, in XML.

use std::fmt;

use super::xml::Xml;
use crate::http::{Request, Response, response};

macro_rules! s3_error_codes {
    ($($code:ident $status:literal,)*) => {
        /// S3's error codes, as far as we answer them.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        #[non_exhaustive]
        pub(crate) enum S3ErrorCode {
            $(#[doc = concat!("HTTP ", stringify!($status), ".")] $code,)*
        }

        impl S3ErrorCode {
            /// The HTTP status that S3 answers with this code.
            pub(crate) const fn status(self) -> u16 {
                match self { $(Self::$code => $status,)* }
            }

            /// The code as S3 spells it.
            pub(crate) const fn name(self) -> &'static str {
                match self { $(Self::$code => stringify!($code),)* }
            }
        }
    };
}

//= https://docs.aws.amazon.com/AmazonS3/latest/API/ErrorResponses.html
//# each code has its HTTP status
s3_error_codes! {
    AccessDenied 403,
    AuthorizationHeaderMalformed 400,
    AuthorizationQueryParametersError 400,
    BucketAlreadyOwnedByYou 409,
    BucketNotEmpty 409,
    EntityTooLarge 400,
    IncompleteBody 400,
    InvalidAccessKeyId 403,
    InvalidArgument 400,
    InvalidBucketName 400,
    InvalidRange 416,
    InvalidRequest 400,
    InvalidToken 400,
    KeyTooLongError 400,
    MethodNotAllowed 405,
    NoSuchBucket 404,
    NoSuchKey 404,
    NotImplemented 501,
    RequestTimeTooSkewed 403,
    SignatureDoesNotMatch 403,
    TooManyBuckets 400,
    XAmzContentSHA256Mismatch 400,
}

/// A refused S3 request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct S3Error {
    code: S3ErrorCode,
    message: String,
    about: Vec<(&'static str, String)>,
}

impl S3Error {
    pub(crate) fn new(code: S3ErrorCode, message: impl Into<String>) -> Self {
        Self { code, message: message.into(), about: Vec::new() }
    }

    /// Adds an element that says what it is about, such as `Key`.
    pub(crate) fn about(mut self, element: &'static str, value: &str) -> Self {
        self.about.push((element, value.to_owned()));
        self
    }

    pub(super) fn no_such_bucket(name: &str) -> Self {
        let text = "The specified bucket does not exist";
        Self::new(S3ErrorCode::NoSuchBucket, text).about("BucketName", name)
    }

    pub(super) fn no_such_key(key: &str) -> Self {
        Self::new(S3ErrorCode::NoSuchKey, "The specified key does not exist.").about("Key", key)
    }

    /// An operation of S3 that is not done here.
    pub(super) fn not_implemented(operation: &str) -> Self {
        let text = format!(
            "{operation} is not done by this emulator, whose S3 holds truststores and files of \
             parameters."
        );
        Self::new(S3ErrorCode::NotImplemented, text)
    }

    pub(super) fn too_large(bytes: usize) -> Self {
        let text = "Your proposed upload exceeds the maximum allowed size";
        Self::new(S3ErrorCode::EntityTooLarge, text).about("ProposedSize", &bytes.to_string())
    }

    pub(super) fn full(bytes: usize) -> Self {
        let text = format!("This emulator keeps {bytes} bytes of objects in all.");
        Self::new(S3ErrorCode::EntityTooLarge, text)
    }

    /// S3's code.
    pub(crate) const fn code(&self) -> S3ErrorCode {
        self.code
    }

    /// S3's text.
    pub(crate) fn message(&self) -> &str {
        &self.message
    }

    /// The answer to `request` as S3 sends it.
    pub(crate) fn answer(&self, request: &Request) -> Response {
        let body = self.body(request.uri.path());
        // A HEAD has no body, so all that it tells is the status.
        let body = if request.method == "HEAD" { String::new() } else { body };
        response(self.code.status(), "application/xml", body)
    }

    /// The body as S3 sends it.
    pub(super) fn body(&self, resource: &str) -> String {
        let mut xml = Xml::document();
        xml.open("Error", None);
        xml.text("Code", self.code.name());
        xml.text("Message", &self.message);
        for (element, value) in &self.about {
            xml.text(element, value);
        }
        xml.text("Resource", resource);
        xml.close("Error");
        xml.finish()
    }
}

impl fmt::Display for S3Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.code.name(), self.message)?;
        let mut about = self.about.iter();
        about.try_for_each(|(element, value)| write!(f, " ({element} {value})"))
    }
}

impl std::error::Error for S3Error {}
