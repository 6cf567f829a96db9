//! Digests, for everybody: SHA-1 and SHA-2, and HMAC-SHA-256.
//!
//! SHA-1 is here for names that are defined by it, never for signatures.

use aws_lc_rs::{constant_time, digest, hmac};

/// A digest of the SHA family.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Sha {
    Sha1,
    Sha224,
    Sha256,
    Sha384,
    Sha512,
}

/// The digest of `data` by `sha`.
pub(crate) fn digest(sha: Sha, data: &[u8]) -> Vec<u8> {
    let algorithm = match sha {
        Sha::Sha1 => &digest::SHA1_FOR_LEGACY_USE_ONLY,
        Sha::Sha224 => &digest::SHA224,
        Sha::Sha256 => &digest::SHA256,
        Sha::Sha384 => &digest::SHA384,
        Sha::Sha512 => &digest::SHA512,
    };
    digest::digest(algorithm, data).as_ref().to_vec()
}

/// The SHA-256 of `data`.
pub(crate) fn sha256(data: &[u8]) -> [u8; 32] {
    let mut bytes = [0; 32];
    bytes.copy_from_slice(digest::digest(&digest::SHA256, data).as_ref());
    bytes
}

/// The HMAC-SHA-256 of `data` under `key`.
pub(crate) fn hmac_sha256(key: &[u8], data: &[u8]) -> [u8; 32] {
    let key = hmac::Key::new(hmac::HMAC_SHA256, key);
    let mut bytes = [0; 32];
    bytes.copy_from_slice(hmac::sign(&key, data).as_ref());
    bytes
}

/// Whether both are the same, in a time that does not tell where they differ.
pub(crate) fn is_same(one: &[u8], other: &[u8]) -> bool {
    constant_time::verify_slices_are_equal(one, other).is_ok()
}

/// The SHA-1 of `data` in upper-case hex, as rules engine functions and thumbprints print it.
pub(crate) fn sha1_hex_upper(data: &[u8]) -> String {
    crate::names::hex(&sha1(data)).to_ascii_uppercase()
}

/// The SHA-1 of `data`: key identifiers are made of it.
pub(super) fn sha1(data: &[u8]) -> [u8; 20] {
    let mut bytes = [0; 20];
    bytes.copy_from_slice(digest::digest(&digest::SHA1_FOR_LEGACY_USE_ONLY, data).as_ref());
    bytes
}
