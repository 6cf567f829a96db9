//! AWS IoT Core on your own machine, for tests.
#![forbid(unsafe_code)]

pub(crate) mod device_gateway;
pub mod errors;
pub(crate) mod http;
mod message;
pub mod names;
pub mod quotas;
pub mod time;
pub mod trace;
