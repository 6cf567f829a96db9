//! What many tests begin with: a device that is enrolled, and the entry of the trace that explains.

use std::sync::Arc;

use client_tests::Device;
use iot_emulator::trace::Entry;
use iot_emulator::{Emulator, Identity, IotCore, allow};
use serde_json::json;

/// All that a device can be allowed on topics and connections.
pub(crate) const EVERYTHING: &[&str] =
    &["iot:Connect", "iot:Publish", "iot:Subscribe", "iot:Receive", "iot:RetainPublish"];

/// A device whose certificate is ACTIVE and has the policy `name`, which says `document`.
pub(crate) fn enrolled(iot: &IotCore, name: &str, document: impl Into<String>) -> Device {
    let device = unattached(iot, name);
    iot.create_policy(name, document);
    iot.attach_policy(name, device.certificate_id());
    device
}

/// A device that may do everything; its policy is called `name`.
pub(crate) fn trusted(iot: &IotCore, name: &str) -> Device {
    enrolled(iot, name, allow(EVERYTHING, "*"))
}

/// A device whose certificate is ACTIVE and has no policy.
pub(crate) fn unattached(iot: &IotCore, name: &str) -> Device {
    let identity = Identity::self_signed(name);
    iot.register_certificate_without_ca(&identity.certificate_pem());
    Device::new(iot, identity)
}

/// Gives the policy `name` a new default version.
pub(crate) fn change_policy(iot: &IotCore, name: &str, document: impl Into<String>) {
    let document: String = document.into();
    let input =
        json!({ "policyName": name, "policyDocument": document, "setAsDefault": true });
    iot.call("CreatePolicyVersion", input).expect("a policy has room for five versions");
}

/// The last refusal of `event_type` in the trace.
#[track_caller]
pub(crate) fn refusal(emulator: &Emulator, event_type: &str) -> Arc<Entry> {
    let mut refusals = emulator.trace().refusals();
    refusals.retain(|entry| entry.event_type == event_type);
    match refusals.pop() {
        Some(entry) => entry,
        None => panic!("nothing refused a {event_type}:\n{}", emulator.trace()),
    }
}

/// Asserts that `entry`, as people read it, says each of `phrases`.
#[track_caller]
pub(crate) fn assert_says(entry: &Entry, phrases: &[&str]) {
    let text = entry.to_string();
    for phrase in phrases {
        assert!(text.contains(phrase), "`{phrase}` is not in\n{text}");
    }
}
