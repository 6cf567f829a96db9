//! Every black-box test in one binary: it links once.

mod api_gateway;
mod articles;
mod aws_cli;
mod bad_input;
mod bulk_registration;
mod codec_second_reading;
mod common;
mod conversations;
mod cut;
mod desk;
mod direct_messages;
mod domains;
mod events;
mod exclusive_things;
mod fleet_claims;
mod fleet_hooks;
mod fleet_in_process;
mod fleet_provisioning;
mod hostile;
mod in_process;
mod jitp;
mod jitr_https;
mod jitr_mqtt;
mod just_in_time;
mod log_members;
mod logs;
mod models;
mod mosquitto;
mod mqtt;
mod multi_account;
mod operator;
mod oracle;
mod policies;
mod policy_cases;
mod policy_operations;
mod propagation;
mod provisioning_templates;
mod quotas;
mod registry_events;
mod requirements;
mod rows;
mod sdks;
mod sigv4;
mod slow_clients;
mod takeover;
mod tls_port;
mod trace;
mod wire;
mod without_a_ca;
mod wss;

/// For the codec's source, which `codec_second_reading` compiles and which says `crate::names`.
use iot_emulator::names;
#[expect(dead_code, reason = "written for the library, of which it is a part")]
#[path = "../../../emulator/src/message.rs"]
mod message;
