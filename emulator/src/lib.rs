//! AWS IoT Core on your own machine, for tests.
#![forbid(unsafe_code)]

mod api_gateway;
mod aws_api;
mod caller;
mod cloud;
mod config;
mod data_plane;
mod device_gateway;
mod doors;
mod emulator;
pub mod errors;
mod events;
mod http;
mod iot_core;
mod json;
mod lambda;
mod listeners;
mod message;
mod message_broker;
pub mod names;
mod outbox;
mod pki;
mod policy;
mod provisioning;
pub mod quotas;
mod registry;
mod rules_engine;
mod s3;
pub mod time;
mod tls;
pub mod trace;

pub use crate::api_gateway::{ApiGateway, DomainNameBuilder};
pub use crate::config::{Call, Config, Endpoint, FunctionConfig};
pub use crate::emulator::{Builder, Emulator, SettleError, StartError};
pub use crate::errors::{ApiError, ErrorCode};
pub use crate::iot_core::{AutoRegistration, IotCore, allow};
pub use crate::lambda::{Function, InvalidFunction, ProcessFunction};
pub use crate::listeners::{Addresses, EndpointAddresses};
pub use crate::s3::{Buckets, S3Error, S3ErrorCode};
pub use pki::{
    AttributeKind, CertificateAuthority, Identity, KeyKind, Leaf, Subject, UnusableAuthority,
};
