//! AWS IoT Core on your own machine, for tests.
#![forbid(unsafe_code)]

pub mod errors;
pub(crate) mod http;
pub(crate) mod json;
pub mod names;
pub mod quotas;
pub(crate) mod rules_engine;
pub mod time;
pub mod trace;
