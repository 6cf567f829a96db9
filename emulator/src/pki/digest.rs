//! Digests, for everybody: SHA-256 and SHA-1.
//!
//! SHA-1 is here for names that are defined by it, never for signatures.

use aws_lc_rs::digest;

/// The SHA-256 of `data`.
pub(crate) fn sha256(data: &[u8]) -> [u8; 32] {
    let mut bytes = [0; 32];
    bytes.copy_from_slice(digest::digest(&digest::SHA256, data).as_ref());
    bytes
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
