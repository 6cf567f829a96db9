//! Requests of the AWS API on one keep-alive connection; client and server share the machine.

use std::thread::park_timeout;
use std::time::{Duration, Instant};

use iot_emulator::CertificateAuthority;
use serde_json::{Value, json};

use crate::keep_alive::KeepAlive;
use crate::material::{certificates, emulator, text, thing, thing_name};
use crate::numbers::{Row, cpu_of_threads, is_running, median, micros_each};

const REQUESTS: usize = 5_000;
const KEYS: usize = 20;

pub(crate) fn rows() -> Vec<Row> {
    let ca = CertificateAuthority::new("Acme Devices");
    let (pems, _took) = certificates(&ca, REQUESTS);
    let (emulator, _iot) = emulator(&ca);
    let mut client = KeepAlive::new(&emulator);

    let bodies: Vec<String> = (0..REQUESTS).map(|n| thing(&thing_name(n)).to_string()).collect();
    let create = row("CreateThing", |number| {
        client.ask("POST", &format!("/things/{}", thing_name(number)), &bodies[number]);
    });
    let bodies: Vec<String> =
        pems.iter().map(|pem| json!({ "certificatePem": pem }).to_string()).collect();
    let mut ids = Vec::new();
    let register = row("RegisterCertificate (CA-signed, P-256)", |number| {
        ids.push(client.ask("POST", "/certificate/register", &bodies[number]));
    });
    let id = |output: &Vec<u8>| {
        let output: Value = serde_json::from_slice(output).expect("JSON");
        text(&output, "certificateId")
    };
    let paths: Vec<String> = ids.iter().map(|it| format!("/certificates/{}", id(it))).collect();
    let describe = row("DescribeCertificate", |number| {
        client.ask("GET", &paths[number], "");
    });
    vec![create, describe, register, keys(&mut client)]
}

fn row(what: &str, mut ask: impl FnMut(usize)) -> Row {
    let (begun, cpu) = (Instant::now(), cpu_of_threads("iot-emulator"));
    (0..REQUESTS).for_each(&mut ask);
    let each = micros_each(begun.elapsed(), REQUESTS);
    let cpu = micros_each(cpu_of_threads("iot-emulator") - cpu, REQUESTS);
    let rate = 1e6 / each;
    Row {
        what: format!("HTTP {what}"),
        figures: format!("{rate:8.0}/s, {each:6.1} µs, of them {cpu:6.1} µs of server CPU"),
        goal: "> 5,000/s".to_owned(),
        reached: rate > 5_000.0,
    }
}

/// Asks when keys lie ready: the thread that makes them ends when there are enough.
fn keys(client: &mut KeepAlive) -> Row {
    let mut ask = || {
        let begun = Instant::now();
        client.ask("POST", "/keys-and-certificate?setAsActive=true", "");
        begun.elapsed()
    };
    let first = ask();
    let mut times = Vec::new();
    for _ in 0..KEYS {
        while is_running("iot-emulator-keys") {
            park_timeout(Duration::from_millis(1));
        }
        times.push(ask());
    }
    let p50 = median(times);
    let (first, p50) = (first.as_secs_f64() * 1e3, p50.as_secs_f64() * 1e3);
    Row {
        what: "HTTP CreateKeysAndCertificate, keys ready".to_owned(),
        figures: format!("p50 {p50:.3} ms (the first of the process {first:.0} ms)"),
        goal: "<= 1 ms".to_owned(),
        reached: p50 <= 1.0,
    }
}
