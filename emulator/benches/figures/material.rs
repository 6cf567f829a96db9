//! A CA and device certificates in bulk, made by the library as a test makes them.

use std::time::{Duration, Instant};

use iot_emulator::{AutoRegistration, CertificateAuthority, Emulator, IotCore};
use serde_json::{Value, json};

/// An emulator with a registered CA.
pub(crate) fn emulator(ca: &CertificateAuthority) -> (Emulator, IotCore) {
    let emulator = Emulator::start();
    let iot = emulator.iot_core();
    iot.register_ca(ca, AutoRegistration::Disabled);
    (emulator, iot)
}

/// `count` P-256 certificates of `ca`, PEM, and what they took. Two threads of their own issue
/// them, so that what they gave back lies in their part of the heap and not among what is measured.
pub(crate) fn certificates(ca: &CertificateAuthority, count: usize) -> (Vec<String>, Duration) {
    let begun = Instant::now();
    let issue = |part: &str, count: usize| -> Vec<String> {
        (0..count).map(|n| ca.issue(&format!("{part}-{n}")).certificate_pem()).collect()
    };
    let pems = std::thread::scope(|scope| {
        let first = scope.spawn(|| issue("first", count / 2));
        let second = scope.spawn(|| issue("second", count - count / 2));
        let mut pems = first.join().expect("certificates");
        pems.extend(second.join().expect("certificates"));
        pems
    });
    (pems, begun.elapsed())
}

pub(crate) fn thing_name(number: usize) -> String {
    format!("building-7-sensor-{number:06}")
}

/// CreateThing's input, with three attributes.
pub(crate) fn thing(name: &str) -> Value {
    json!({
        "thingName": name,
        "attributePayload": { "attributes": {
            "serialNumber": name, "firmware": "4.11.2", "location": "Building-7:Floor-3",
        } },
    })
}

/// Runs `operation`, which must not be refused.
pub(crate) fn must(iot: &IotCore, operation: &str, input: Value) -> Value {
    iot.call(operation, input).unwrap_or_else(|error| panic!("{operation}: {error}"))
}

/// A member that is text.
pub(crate) fn text(output: &Value, member: &str) -> String {
    output[member].as_str().expect(member).to_owned()
}
