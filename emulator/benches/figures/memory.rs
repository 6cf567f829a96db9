//! Resident bytes of a thing and of a certificate, by what 100,000 of each add to the process.

use iot_emulator::CertificateAuthority;
use serde_json::json;

use crate::material::{certificates, emulator, must, text, thing, thing_name};
use crate::numbers::{Row, resident_bytes};

const COUNT: usize = 100_000;
/// Before anything is measured: tables and code that the first calls bring into memory.
const FIRST: usize = 1_000;

pub(crate) fn rows() -> Vec<Row> {
    let ca = CertificateAuthority::new("Acme Devices");
    let (pems, _took) = certificates(&ca, FIRST + COUNT);
    let (_emulator, iot) = emulator(&ca);
    let mut arns = Vec::with_capacity(FIRST + COUNT);
    let register = |pem: &String| {
        let output = must(&iot, "RegisterCertificate", json!({ "certificatePem": pem }));
        text(&output, "certificateArn")
    };
    let create = |(number, arn): (usize, &String)| {
        let name = thing_name(number);
        must(&iot, "CreateThing", thing(&name));
        let principal = json!({ "thingName": name, "principal": arn });
        must(&iot, "AttachThingPrincipal", principal);
    };
    let (first, others) = pems.split_at(FIRST);
    arns.extend(first.iter().map(register));
    arns.iter().enumerate().for_each(create);

    let before = resident_bytes();
    arns.extend(others.iter().map(register));
    // The ARNs are the bench's own.
    let own: usize = arns.iter().skip(FIRST).map(|arn| (arn.len() + 8).next_multiple_of(16)).sum();
    let certificates = (resident_bytes() - before - own as f64) / COUNT as f64;

    let before = resident_bytes();
    arns.iter().enumerate().skip(FIRST).for_each(create);
    let things = (resident_bytes() - before) / COUNT as f64;
    vec![
        row("thing: three attributes, one principal", things, 2),
        row("certificate with its PEM", certificates, 6),
    ]
}

fn row(what: &str, bytes: f64, goal_kibibytes: u32) -> Row {
    Row {
        what: format!("memory of a {what}"),
        figures: format!("{bytes:8.0} bytes"),
        goal: format!("<= {goal_kibibytes} KiB"),
        reached: bytes <= f64::from(goal_kibibytes) * 1024.0,
    }
}
