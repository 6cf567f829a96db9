//! AWS IoT Core on your own machine, for tests.
#![forbid(unsafe_code)]

mod api_gateway;
pub mod errors;
pub(crate) mod http;
pub(crate) mod lambda;
pub mod names;
mod pki;
pub mod quotas;
mod s3;
pub mod time;
mod tls;
pub mod trace;

pub use api_gateway::{ApiGateway, DomainNameBuilder};
pub use lambda::{Function, InvalidFunction, ProcessFunction};
pub use pki::{
    AttributeKind, CertificateAuthority, Identity, KeyKind, Leaf, Subject, UnusableAuthority,
};
pub use s3::{Buckets, S3Error, S3ErrorCode};
