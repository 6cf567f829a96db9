//! The folder `DIR/s3`, read only: a folder in it is a bucket, a file below is an object.
//!
//! INVARIANT: nothing outside the folder is ever read, whatever the key says and wherever a
//! symbolic link points.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Component, Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

use bytes::Bytes;

use super::listing::Summary;
use super::{OBJECT_BYTES, Object, is_bucket_name};
use crate::time::Timestamp;

/// Files looked at in one bucket, and folders below one another.
const FILES: usize = 10_000;
const DEPTH: usize = 32;

/// The folder whose folders are buckets.
#[derive(Clone, Debug)]
pub(super) struct Folder {
    root: PathBuf,
}

impl Folder {
    pub(super) fn new(root: PathBuf) -> Self {
        Self { root }
    }

    /// Whether there is a folder for `bucket`.
    pub(super) fn holds(&self, bucket: &str) -> bool {
        is_bucket_name(bucket) && self.inside(&self.root.join(bucket)).is_some_and(|p| p.is_dir())
    }

    /// The folders that have a bucket's name.
    pub(super) fn buckets(&self) -> BTreeMap<String, Timestamp> {
        let Ok(entries) = fs::read_dir(&self.root) else { return BTreeMap::new() };
        let names = entries.flatten().filter_map(|entry| entry.file_name().into_string().ok());
        names
            .filter(|name| self.holds(name))
            .map(|name| (name.clone(), modified(&self.root.join(name))))
            .collect()
    }

    /// The object that the file of `key` is; `None` as well for one that is too large.
    pub(super) fn read(&self, bucket: &str, key: &str) -> Option<Object> {
        let path = self.path(bucket, key)?;
        let metadata = fs::metadata(&path).ok()?;
        if !metadata.is_file() || metadata.len() > OBJECT_BYTES as u64 {
            return None;
        }
        let body = Bytes::from(fs::read(&path).ok()?);
        Some(Object::new(body, "binary/octet-stream", modified(&path)))
    }

    /// What lies in the folder of `bucket`.
    pub(super) fn summaries(&self, bucket: &str) -> BTreeMap<String, Summary> {
        let mut found = BTreeMap::new();
        if self.holds(bucket) {
            self.walk(bucket, &self.root.join(bucket), String::new(), 0, &mut found);
        }
        found
    }

    fn walk(
        &self,
        bucket: &str,
        folder: &Path,
        prefix: String,
        depth: usize,
        found: &mut BTreeMap<String, Summary>,
    ) {
        let Ok(entries) = fs::read_dir(folder) else { return };
        for entry in entries.flatten() {
            let Ok(name) = entry.file_name().into_string() else { continue };
            let key = format!("{prefix}{name}");
            if found.len() >= FILES {
                return;
            }
            // A link to a folder is not followed: it may lead in circles.
            if entry.file_type().is_ok_and(|kind| kind.is_dir()) && depth < DEPTH {
                self.walk(bucket, &entry.path(), format!("{key}/"), depth + 1, found);
            } else if let Some(object) = self.read(bucket, &key) {
                found.insert(key, Summary::of(&object));
            }
        }
    }

    /// The file that `key` names, if it is one below the bucket's folder.
    fn path(&self, bucket: &str, key: &str) -> Option<PathBuf> {
        let plain =
            |part: &str| !matches!(part, "" | "." | "..") && !part.contains(['\\', '\0', ':']);
        if !is_bucket_name(bucket) || !key.split('/').all(plain) {
            return None;
        }
        let relative = Path::new(key);
        if !relative.components().all(|part| matches!(part, Component::Normal(_))) {
            return None;
        }
        self.inside(&self.root.join(bucket).join(relative))
    }

    /// `path` with its links followed, if that still is below the folder.
    fn inside(&self, path: &Path) -> Option<PathBuf> {
        let root = self.root.canonicalize().ok()?;
        path.canonicalize().ok().filter(|path| path.starts_with(&root) && *path != root)
    }
}

fn modified(path: &Path) -> Timestamp {
    let modified = fs::metadata(path).and_then(|metadata| metadata.modified());
    let since = modified.unwrap_or(SystemTime::UNIX_EPOCH).duration_since(UNIX_EPOCH);
    Timestamp::default() + since.unwrap_or_default()
}
