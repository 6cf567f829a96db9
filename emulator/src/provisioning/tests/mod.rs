//! What a chain means and what a template makes, row by row. Helpers that the tables share.

mod bulk;
mod by_name;
mod claims;
mod corners;
mod fleet;
mod jitp;
mod jitr;
mod register_thing;
mod things;

use std::net::{IpAddr, Ipv4Addr};

use serde_json::{Value, json};

use super::*;
use crate::names::Scope;
use crate::pki::{CertificateAuthority, Identity};
use crate::registry::{GetRegistrationCodeRequest, Registry};

/// 2027-01-15T08:00:00Z.
const NOW: Timestamp = Timestamp::from_seconds(1_800_000_000);
const SOURCE_IP: IpAddr = IpAddr::V4(Ipv4Addr::new(203, 0, 113, 7));

fn registry() -> Registry {
    Registry::new(Scope::new("000000000000", "us-east-1"), 7)
}

fn input<T: serde::de::DeserializeOwned>(json: Value) -> T {
    serde_json::from_value(json).expect("an input of the model")
}

/// Registers `ca`, ACTIVE and auto-registering, with more members if `more` has some.
fn register_ca(registry: &mut Registry, ca: &CertificateAuthority, more: Value) {
    let code = registry.get_registration_code(GetRegistrationCodeRequest {}).unwrap();
    let mut json = json!({
        "caCertificate": ca.pem(),
        "verificationCertificate": ca.verification_certificate(&code.registration_code),
        "setAsActive": true,
        "allowAutoRegistration": true,
    });
    json.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    registry
        .register_ca_certificate(input(json), NOW, |_| true)
        .expect("a CA certificate that AWS takes");
}

/// Registers `ca` in SNI_ONLY mode.
fn register_sni_only_ca(registry: &mut Registry, ca: &CertificateAuthority) {
    let json = json!({
        "caCertificate": ca.pem(), "certificateMode": "SNI_ONLY",
        "setAsActive": true, "allowAutoRegistration": true,
    });
    registry.register_ca_certificate(input(json), NOW, |_| true).unwrap();
}

fn update_ca(registry: &mut Registry, ca: &CertificateAuthority, mut change: Value) {
    change["certificateId"] = json!(ca.certificate_id().to_string());
    registry.update_ca_certificate(input(change), NOW).unwrap();
}

fn update(registry: &mut Registry, device: &Identity, status: &str) {
    let id = device.certificate_id().to_string();
    let json = json!({ "certificateId": id, "newStatus": status });
    registry.update_certificate(input(json), NOW).unwrap();
}

/// A chain that is presented, with or without the account's endpoint in SNI.
fn present_chain(
    registry: &mut Registry,
    chain: &[Certificate],
    by_name: bool,
    now: Timestamp,
) -> Result<Principal, Box<Rejected>> {
    present(registry, &Presentation { chain, by_name, source_ip: SOURCE_IP }, now)
}

/// The device's own certificate alone, with SNI.
fn connect(registry: &mut Registry, device: &Identity) -> Result<Principal, Box<Rejected>> {
    present_chain(registry, &[device.certificate().clone()], true, NOW)
}

fn status(registry: &Registry, device: &Identity) -> Option<&'static str> {
    registry.certificate(device.certificate_id()).map(|record| record.status.as_str())
}
