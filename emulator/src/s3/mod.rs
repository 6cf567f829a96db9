//! S3 as far as truststores and files of parameters need it: buckets and objects, kept in memory,
//! with the files of `DIR/s3/BUCKET/KEY` showing through where nothing was put.
//!
//! It decides what a bucket holds. `rest.rs` speaks the S3 REST API, `listing.rs` lists,
//! `folder.rs` alone touches the disk. Nothing is ever written there. Versions, multipart uploads,
//! policies and the rest of S3 are refused by name.
//! Truth: <https://docs.aws.amazon.com/AmazonS3/latest/API/>.

mod chunked;
mod error;
mod folder;
mod listing;
mod range;
mod rest;
#[cfg(test)]
mod tests;
mod xml;

use std::collections::BTreeMap;
use std::fmt;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;

pub(crate) use error::{S3Error, S3ErrorCode};
pub(crate) use rest::{answer_object, place_of};

use crate::time::Timestamp;
use folder::Folder;

//? assumed: a test needs truststores, not a data lake; S3 itself allows 5 GB in one PUT
/// The largest object.
pub(crate) const OBJECT_BYTES: usize = 10 * 1024 * 1024;
/// All objects together.
const TOTAL_BYTES: usize = 256 * 1024 * 1024;
/// Buckets of one emulator.
const BUCKETS: usize = 1_000;

/// The S3 buckets of one emulator; clones share them.
///
/// A bucket name is unique in all of S3, so one value serves every account and Region.
#[derive(Clone, Debug)]
pub(crate) struct Buckets {
    shared: Arc<Shared>,
}

struct Shared {
    folder: Option<Folder>,
    buckets: Mutex<BTreeMap<String, Bucket>>,
}

impl fmt::Debug for Shared {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Shared").field("folder", &self.folder).finish_non_exhaustive()
    }
}

/// What was done to a bucket since the start.
#[derive(Clone, Debug, Default)]
struct Bucket {
    /// A bucket of the folder that was deleted here: it no longer shows through.
    deleted: bool,
    /// Made again after that: the folder's files are not its own.
    remade: bool,
    created: Timestamp,
    /// `None` hides a file of the folder that was deleted here.
    objects: BTreeMap<String, Option<Arc<Object>>>,
}

/// One object as it was put.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Object {
    pub(crate) body: Bytes,
    pub(crate) content_type: String,
    /// `x-amz-meta-*`, without the prefix.
    pub(crate) metadata: BTreeMap<String, String>,
    /// With its quotes.
    pub(crate) etag: String,
    pub(crate) last_modified: Timestamp,
}

impl Object {
    fn new(body: Bytes, content_type: &str, last_modified: Timestamp) -> Self {
        Self {
            etag: etag(&body),
            body,
            content_type: content_type.to_owned(),
            metadata: BTreeMap::new(),
            last_modified,
        }
    }
}

//? assumed: no MD5 is at hand, so the ETag takes the form of a multipart upload's (`HEX-1`),
//? which no SDK mistakes for the MD5 of the body
fn etag(body: &[u8]) -> String {
    let digest = crate::names::hex(&crate::pki::sha256(body));
    format!("\"{}-1\"", digest.get(..32).unwrap_or_default())
}

impl Buckets {
    /// No buckets, but those that are folders in `folder`.
    pub(crate) fn new(folder: Option<PathBuf>) -> Self {
        let folder = folder.map(Folder::new);
        Self { shared: Arc::new(Shared { folder, buckets: Mutex::default() }) }
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<String, Bucket>> {
        self.shared.buckets.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn folder(&self) -> Option<&Folder> {
        self.shared.folder.as_ref()
    }

    /// The folder, if its files show through in `bucket`.
    fn folder_of(&self, bucket: &str) -> Option<&Folder> {
        let remade = self.lock().get(bucket).is_some_and(|bucket| bucket.remade);
        self.folder().filter(|_| !remade)
    }

    /// Puts `body` at `s3://BUCKET/KEY`; makes the bucket where there is none.
    ///
    /// A truststore that was put again comes into force with `UpdateDomainName`, as on AWS.
    ///
    /// # Errors
    /// If S3 knows no such bucket name, the object is larger than 10 MB, or memory is full.
    pub(crate) fn put(
        &self,
        bucket: &str,
        key: &str,
        body: impl Into<Bytes>,
    ) -> Result<(), S3Error> {
        if !self.holds(bucket) {
            self.create_bucket(bucket, Timestamp::default())?;
        }
        let object = Object::new(body.into(), "binary/octet-stream", Timestamp::default());
        self.put_object(bucket, key, object)
    }

    /// The bytes at `s3://BUCKET/KEY`.
    ///
    /// # Errors
    /// `NoSuchBucket` or `NoSuchKey`.
    pub(crate) fn get(&self, bucket: &str, key: &str) -> Result<Bytes, S3Error> {
        Ok(self.object(bucket, key)?.body.clone())
    }

    /// Forgets everything that was put or deleted; the folder's files show again.
    pub(crate) fn clear(&self) {
        self.lock().clear();
    }

    /// Whether there is a bucket `name`.
    fn holds(&self, name: &str) -> bool {
        match self.lock().get(name) {
            Some(bucket) => !bucket.deleted,
            None => self.folder().is_some_and(|folder| folder.holds(name)),
        }
    }

    fn require(&self, name: &str) -> Result<(), S3Error> {
        if self.holds(name) { Ok(()) } else { Err(S3Error::no_such_bucket(name)) }
    }

    fn create_bucket(&self, name: &str, now: Timestamp) -> Result<(), S3Error> {
        if !is_bucket_name(name) {
            return Err(S3Error::new(
                S3ErrorCode::InvalidBucketName,
                "The specified bucket is not valid.",
            )
            .about("BucketName", name));
        }
        if self.holds(name) {
            //= https://docs.aws.amazon.com/AmazonS3/latest/API/API_CreateBucket.html
            //# a bucket that one owns already is a 409 outside us-east-1
            return Err(S3Error::new(
                S3ErrorCode::BucketAlreadyOwnedByYou,
                "Your previous request to create the named bucket succeeded and you already own \
                 it.",
            )
            .about("BucketName", name));
        }
        let mut buckets = self.lock();
        if buckets.len() >= BUCKETS {
            return Err(S3Error::new(
                S3ErrorCode::TooManyBuckets,
                "You have attempted to create more buckets than allowed",
            ));
        }
        let remade = buckets.contains_key(name);
        buckets.insert(name.to_owned(), Bucket { remade, created: now, ..Bucket::default() });
        Ok(())
    }

    fn delete_bucket(&self, name: &str) -> Result<(), S3Error> {
        self.require(name)?;
        if !self.keys(name)?.is_empty() {
            return Err(S3Error::new(
                S3ErrorCode::BucketNotEmpty,
                "The bucket you tried to delete is not empty",
            )
            .about("BucketName", name));
        }
        let mut buckets = self.lock();
        if self.folder().is_some_and(|folder| folder.holds(name)) {
            let hidden = Bucket { deleted: true, ..Bucket::default() };
            buckets.insert(name.to_owned(), hidden);
        } else {
            buckets.remove(name);
        }
        Ok(())
    }

    fn put_object(&self, bucket: &str, key: &str, object: Object) -> Result<(), S3Error> {
        self.require(bucket)?;
        check_key(key)?;
        if object.body.len() > OBJECT_BYTES {
            return Err(S3Error::too_large(object.body.len()));
        }
        let mut buckets = self.lock();
        let kept: usize = buckets.values().map(Bucket::bytes).sum();
        let bucket = buckets.entry(bucket.to_owned()).or_default();
        let replaced = bucket.objects.get(key).and_then(Option::as_ref).map_or(0, |o| o.body.len());
        if kept - replaced + object.body.len() > TOTAL_BYTES {
            return Err(S3Error::full(TOTAL_BYTES));
        }
        bucket.objects.insert(key.to_owned(), Some(Arc::new(object)));
        Ok(())
    }

    fn object(&self, bucket: &str, key: &str) -> Result<Arc<Object>, S3Error> {
        self.require(bucket)?;
        check_key(key)?;
        if let Some(known) = self.lock().get(bucket).and_then(|bucket| bucket.objects.get(key)) {
            return known.clone().ok_or_else(|| S3Error::no_such_key(key));
        }
        let read = self.folder_of(bucket).and_then(|folder| folder.read(bucket, key));
        read.map(Arc::new).ok_or_else(|| S3Error::no_such_key(key))
    }

    /// Deletes `key`; one that is not there is deleted as well as any other.
    fn delete_object(&self, bucket: &str, key: &str) -> Result<(), S3Error> {
        self.require(bucket)?;
        check_key(key)?;
        let on_disk =
            self.folder_of(bucket).is_some_and(|folder| folder.read(bucket, key).is_some());
        let mut buckets = self.lock();
        if on_disk {
            buckets.entry(bucket.to_owned()).or_default().objects.insert(key.to_owned(), None);
        } else if let Some(bucket) = buckets.get_mut(bucket) {
            bucket.objects.remove(key);
        }
        Ok(())
    }

    /// Every key of `bucket`, in S3's order: by bytes.
    fn keys(&self, bucket: &str) -> Result<BTreeMap<String, listing::Summary>, S3Error> {
        self.require(bucket)?;
        let mut keys =
            self.folder_of(bucket).map(|folder| folder.summaries(bucket)).unwrap_or_default();
        if let Some(bucket) = self.lock().get(bucket) {
            for (key, object) in &bucket.objects {
                match object {
                    Some(object) => keys.insert(key.clone(), listing::Summary::of(object)),
                    None => keys.remove(key),
                };
            }
        }
        Ok(keys)
    }

    /// Every bucket with its time of creation.
    fn names(&self) -> BTreeMap<String, Timestamp> {
        let mut names = self.folder().map(Folder::buckets).unwrap_or_default();
        for (name, bucket) in &*self.lock() {
            if bucket.deleted {
                names.remove(name);
            } else {
                names.entry(name.clone()).or_insert(bucket.created);
            }
        }
        names
    }
}

impl Bucket {
    fn bytes(&self) -> usize {
        self.objects.values().flatten().map(|object| object.body.len()).sum()
    }
}

//= https://docs.aws.amazon.com/AmazonS3/latest/userguide/bucketnamingrules.html
//# 3 to 63 lower-case letters, digits, dots and hyphens; a letter or digit at both ends; no `..`
fn is_bucket_name(name: &str) -> bool {
    let inner = |byte: u8| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'.' | b'-');
    let end = |byte: Option<&u8>| byte.is_some_and(|byte| byte.is_ascii_alphanumeric());
    let bytes = name.as_bytes();
    (3..=63).contains(&bytes.len())
        && bytes.iter().all(|byte| inner(*byte))
        && end(bytes.first())
        && end(bytes.last())
        && !name.contains("..")
}

//= https://docs.aws.amazon.com/AmazonS3/latest/userguide/object-keys.html
//# a key is 1 to 1024 bytes of UTF-8
fn check_key(key: &str) -> Result<(), S3Error> {
    if key.len() > 1024 {
        let text = "Your key is too long";
        return Err(S3Error::new(S3ErrorCode::KeyTooLongError, text));
    }
    if key.is_empty() { Err(S3Error::no_such_key(key)) } else { Ok(()) }
}
