//! AWS IoT Core on your own machine, for tests.
#![forbid(unsafe_code)]

pub mod errors;
pub(crate) mod http;
pub(crate) mod lambda;
pub mod names;
mod pki;
pub mod quotas;
pub mod time;
mod tls;
pub mod trace;

pub use lambda::{Function, InvalidFunction, ProcessFunction};
pub use pki::{
    AttributeKind, CertificateAuthority, Identity, KeyKind, Leaf, Subject, UnusableAuthority,
};
