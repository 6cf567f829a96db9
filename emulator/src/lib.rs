//! AWS IoT Core on your own machine, for tests.
//!
//! An [`Emulator`] speaks MQTT and HTTPS over mutual TLS, registers and provisions devices just in
//! time, enforces policies, runs topic rules and functions, fronts an mTLS API gateway, and
//! answers the AWS API: all in this process, on free loopback ports, until it is dropped. Each test
//! starts its own; hundreds run side by side. When AWS would hang up in silence, it hangs up the
//! same way, and [`Emulator::trace`] says why.
//!
//! ```
//! use iot_emulator::{AutoRegistration, CertificateAuthority, Emulator, allow};
//! use serde_json::json;
//!
//! let emulator = Emulator::start();
//! let iot = emulator.iot_core();
//!
//! let ca = CertificateAuthority::new("Acme Devices");
//! iot.register_ca(&ca, AutoRegistration::Enabled);
//! iot.create_policy("Device", allow(&["iot:Connect", "iot:Publish"], "*"));
//!
//! // Any operation, with exactly the JSON that the AWS CLI would send.
//! let policies = iot.call("ListPolicies", json!({}))?;
//! assert_eq!(policies["policies"][0]["policyName"], "Device");
//!
//! // Where a real client connects, and what it trusts.
//! println!("mqtts://localhost:{}", emulator.mqtt_address().port());
//! println!("{}", emulator.root_ca_pem());
//! # Ok::<(), iot_emulator::ApiError>(())
//! ```
//!
//! What it promises to the crate that tests with it: no default crypto provider, no logger, no
//! environment variable is set; nothing is written to disk unless [`Config::dir`] asks for it;
//! nothing listens off loopback unless [`Config::bind`] asks for it.
#![forbid(unsafe_code)]

mod alarm;
pub mod api_gateway;
mod aws_api;
mod caller;
mod cloud;
pub mod config;
mod credentials;
mod data_plane;
mod device_gateway;
mod device_keys;
mod doors;
mod emulator;
pub mod errors;
mod events;
mod http;
#[cfg(any(test, feature = "internals"))]
#[doc(hidden)]
pub mod internals;
mod iot_core;
mod json;
pub mod lambda;
mod listeners;
mod message;
mod message_broker;
pub mod names;
mod outbox;
pub mod pki;
mod policy;
mod provisioning;
pub mod quotas;
mod regexp;
mod registry;
mod rules_engine;
mod s3;
mod service_model;

pub mod time;
mod tls;
pub mod trace;

pub use crate::api_gateway::ApiGateway;
pub use crate::config::Config;
pub use crate::emulator::{Builder, Emulator, SettleError, StartError};
pub use crate::errors::ApiError;
pub use crate::iot_core::{AutoRegistration, IotCore, Metric, allow};
pub use crate::lambda::Function;
pub use crate::listeners::{Addresses, EndpointAddresses};
pub use crate::pki::{CertificateAuthority, Identity};
pub use crate::quotas::Quotas;
