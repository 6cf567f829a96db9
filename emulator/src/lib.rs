//! AWS IoT Core on your own machine, for tests.
#![forbid(unsafe_code)]

pub mod errors;
pub(crate) mod http;
pub mod names;
mod pki;
pub(crate) mod policy;
pub mod quotas;
pub mod time;
mod tls;
pub mod trace;

pub use pki::{
    AttributeKind, CertificateAuthority, Identity, KeyKind, Leaf, Subject, UnusableAuthority,
};
