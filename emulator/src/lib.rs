//! AWS IoT Core on your own machine, for tests.
#![forbid(unsafe_code)]

pub(crate) mod device_gateway;
pub mod errors;
pub(crate) mod events;
pub(crate) mod http;
pub(crate) mod message_broker;
pub mod names;
mod pki;
pub(crate) mod policy;
pub(crate) mod provisioning;
pub mod quotas;
pub(crate) mod registry;
pub mod time;
mod tls;
pub mod trace;

pub use pki::{
    AttributeKind, CertificateAuthority, Identity, KeyKind, Leaf, Subject, UnusableAuthority,
};
