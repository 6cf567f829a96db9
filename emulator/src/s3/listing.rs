//! `ListObjectsV2`: one page of the keys of a bucket.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

use super::xml::Xml;
use super::{Object, S3Error, S3ErrorCode};
use crate::time::Timestamp;

/// Keys of one page at most, and unless asked otherwise.
const PAGE: usize = 1000;

/// What a listing says of an object.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Summary {
    pub(super) etag: String,
    pub(super) size: usize,
    pub(super) last_modified: Timestamp,
}

impl Summary {
    pub(super) fn of(object: &Object) -> Self {
        Self {
            etag: object.etag.clone(),
            size: object.body.len(),
            last_modified: object.last_modified,
        }
    }
}

/// The query of a `ListObjectsV2`.
#[derive(Debug, Default)]
pub(super) struct Listing {
    prefix: String,
    delimiter: Option<String>,
    start_after: Option<String>,
    continuation_token: Option<String>,
    page: usize,
    url: bool,
}

impl Listing {
    /// Reads the query of a request.
    pub(super) fn read(query: Vec<(Cow<'_, str>, Cow<'_, str>)>) -> Result<Self, S3Error> {
        let mut listing = Self { page: PAGE, ..Self::default() };
        for (name, value) in query {
            let value = value.into_owned();
            match name.as_ref() {
                "prefix" => listing.prefix = value,
                "delimiter" => listing.delimiter = Some(value).filter(|d| !d.is_empty()),
                "start-after" => listing.start_after = Some(value),
                "continuation-token" => listing.continuation_token = Some(value),
                "max-keys" => listing.page = page(&value)?,
                "encoding-type" if value == "url" => listing.url = true,
                "encoding-type" => {
                    return Err(invalid("Invalid Encoding Method specified in Request"));
                }
                _ => {}
            }
        }
        Ok(listing)
    }

    /// The keys after which the page begins.
    fn after(&self) -> Result<Option<String>, S3Error> {
        let Some(token) = &self.continuation_token else { return Ok(self.start_after.clone()) };
        let wrong = || invalid("The continuation token provided is incorrect");
        let bytes = URL_SAFE_NO_PAD.decode(token).map_err(|_| wrong())?;
        String::from_utf8(bytes).map(Some).map_err(|_| wrong())
    }

    /// One page as XML.
    pub(super) fn answer(
        &self,
        bucket: &str,
        keys: &BTreeMap<String, Summary>,
    ) -> Result<String, S3Error> {
        let after = self.after()?;
        // The last key of the page before, if there was one.
        let before = after.as_deref().filter(|_| self.continuation_token.is_some());
        let mut contents = Vec::new();
        let mut common = BTreeSet::new();
        let mut last = None;
        let mut truncated = false;
        for (key, summary) in keys {
            let Some(rest) = key.strip_prefix(&self.prefix) else { continue };
            if after.as_deref().is_some_and(|after| key.as_str() <= after) {
                continue;
            }
            let folded = self.fold(rest);
            // A prefix that ended the page before does not come again.
            let seen = folded.as_ref().is_some_and(|folded| {
                common.contains(folded) || before.is_some_and(|last| last.starts_with(folded))
            });
            if !seen {
                if contents.len() + common.len() >= self.page {
                    truncated = true;
                    break;
                }
                match folded {
                    Some(folded) => drop(common.insert(folded)),
                    None => contents.push((key, summary)),
                }
            }
            last = Some(key);
        }
        let next = last.filter(|_| truncated).map(|key| URL_SAFE_NO_PAD.encode(key));
        Ok(self.xml(bucket, &contents, &common, next.as_deref()))
    }

    /// The common prefix that `rest`, the key after the prefix, is folded into.
    fn fold(&self, rest: &str) -> Option<String> {
        let delimiter = self.delimiter.as_deref()?;
        let end = rest.find(delimiter)? + delimiter.len();
        Some(format!("{}{}", self.prefix, rest.get(..end)?))
    }

    fn xml(
        &self,
        bucket: &str,
        contents: &[(&String, &Summary)],
        common: &BTreeSet<String>,
        next: Option<&str>,
    ) -> String {
        let mut xml = Xml::document();
        xml.open("ListBucketResult", Some("http://s3.amazonaws.com/doc/2006-03-01/"));
        xml.text("Name", bucket);
        xml.text("Prefix", &self.encoded(&self.prefix));
        if let Some(delimiter) = &self.delimiter {
            xml.text("Delimiter", &self.encoded(delimiter));
        }
        if let Some(start_after) = &self.start_after {
            xml.text("StartAfter", &self.encoded(start_after));
        }
        if let Some(token) = &self.continuation_token {
            xml.text("ContinuationToken", token);
        }
        if let Some(next) = next {
            xml.text("NextContinuationToken", next);
        }
        xml.text("KeyCount", &(contents.len() + common.len()).to_string());
        xml.text("MaxKeys", &self.page.to_string());
        if self.url {
            xml.text("EncodingType", "url");
        }
        xml.text("IsTruncated", if next.is_some() { "true" } else { "false" });
        for (key, summary) in contents {
            xml.open("Contents", None);
            xml.text("Key", &self.encoded(key));
            xml.text("LastModified", &summary.last_modified.format("%Y-%m-%dT%H:%M:%S%.3fZ"));
            xml.text("ETag", &summary.etag);
            xml.text("Size", &summary.size.to_string());
            xml.text("StorageClass", "STANDARD");
            xml.close("Contents");
        }
        for prefix in common {
            xml.open("CommonPrefixes", None);
            xml.text("Prefix", &self.encoded(prefix));
            xml.close("CommonPrefixes");
        }
        xml.close("ListBucketResult");
        xml.finish()
    }

    fn encoded(&self, text: &str) -> String {
        /// What stands for itself in `encoding-type=url`.
        const ENCODED: &AsciiSet =
            &NON_ALPHANUMERIC.remove(b'-').remove(b'_').remove(b'.').remove(b'*').remove(b'/');
        if self.url { utf8_percent_encode(text, ENCODED).to_string() } else { text.to_owned() }
    }
}

fn page(value: &str) -> Result<usize, S3Error> {
    let number = value.parse::<usize>();
    number.map(|keys| keys.min(PAGE)).map_err(|_| invalid("Provided max-keys not an integer"))
}

fn invalid(message: &str) -> S3Error {
    S3Error::new(S3ErrorCode::InvalidArgument, message)
}
