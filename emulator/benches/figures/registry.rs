//! One call at 1,000 and at 100,000 things and certificates. What a request costs beside it, the
//! part `aws_api` tells; here a hundred thousand records show as misses of the processor's cache.
//!
//! Rounds at either size take turns, so that whatever else the machine does meets both; the fastest
//! round counts, since noise only adds.

use std::time::{Duration, Instant};

use iot_emulator::{CertificateAuthority, Emulator, IotCore};
use serde_json::{Value, json};

use crate::material::{certificates, emulator, must, text, thing, thing_name};
use crate::numbers::{Row, micros_each};

const SIZES: [usize; 2] = [1_000, 100_000];
const ROUNDS: usize = 15;
/// New records of a round, which are deleted again before the next.
pub(crate) const NEW: usize = 100;
const PAGE: usize = 250;

/// An emulator with so many things and certificates.
pub(crate) struct World {
    pub(crate) emulator: Emulator,
    pub(crate) iot: IotCore,
    pub(crate) certificate_ids: Vec<String>,
    pub(crate) things: usize,
    /// Where each page of things begins.
    tokens: Vec<String>,
}

impl World {
    fn new(size: usize, ca: &CertificateAuthority, pems: &[String]) -> Self {
        let (emulator, iot) = emulator(ca);
        let registered = pems
            .iter()
            .take(size)
            .map(|pem| text(&must(&iot, "RegisterCertificate", pem_input(pem)), "certificateId"));
        let certificate_ids = registered.collect();
        for number in 0..size {
            must(&iot, "CreateThing", thing(&thing_name(number)));
        }
        let mut tokens = Vec::new();
        let mut page = json!({ "maxResults": PAGE });
        while let Some(token) = must(&iot, "ListThings", page)["nextToken"].as_str() {
            tokens.push(token.to_owned());
            page = json!({ "maxResults": PAGE, "nextToken": token });
        }
        Self { emulator, iot, certificate_ids, things: size, tokens }
    }

    /// What it takes to make a call for each of `inputs`.
    fn spend(&self, operation: &str, inputs: Vec<Value>) -> Duration {
        let begun = Instant::now();
        for input in inputs {
            std::hint::black_box(must(&self.iot, operation, input));
        }
        begun.elapsed()
    }
}

pub(crate) fn pem_input(pem: &str) -> Value {
    json!({ "certificatePem": pem })
}

/// A small world and a large one, and certificates that neither has.
pub(crate) fn worlds() -> ([World; 2], Vec<String>) {
    let ca = CertificateAuthority::new("Acme Devices");
    let [_, large] = SIZES;
    let (mut pems, took) = certificates(&ca, large + NEW);
    println!("# {} certificates issued in {:.1} s", pems.len(), took.as_secs_f64());
    let new = pems.split_off(large);
    (SIZES.map(|size| World::new(size, &ca, &pems)), new)
}

/// Deletes the certificates that a round has registered.
pub(crate) fn delete_newest(world: &World) {
    let newest = must(&world.iot, "ListCertificates", json!({ "pageSize": NEW }));
    for certificate in newest["certificates"].as_array().expect("a page") {
        let id = &certificate["certificateId"];
        must(&world.iot, "DeleteCertificate", json!({ "certificateId": id }));
    }
}

pub(crate) fn rows() -> Vec<Row> {
    let (worlds, new) = worlds();
    let mut random = fastrand::Rng::with_seed(7341);
    vec![
        row("CreateThing", NEW, &worlds, |world| {
            let names = || (0..NEW).map(|number| format!("new-{number}"));
            let spent = world.spend("CreateThing", names().map(|name| thing(&name)).collect());
            for name in names() {
                must(&world.iot, "DeleteThing", json!({ "thingName": name }));
            }
            spent
        }),
        row("DescribeThing", 1_000, &worlds, |world| {
            let mut name = || thing_name(random.usize(..world.things));
            world.spend("DescribeThing", inputs(1_000, || json!({ "thingName": name() })))
        }),
        row("DescribeCertificate", 1_000, &worlds, |world| {
            let mut id = || &world.certificate_ids[random.usize(..world.things)];
            world.spend("DescribeCertificate", inputs(1_000, || json!({ "certificateId": id() })))
        }),
        row("RegisterCertificate (CA-signed, P-256)", NEW, &worlds, |world| {
            let spent =
                world.spend("RegisterCertificate", new.iter().map(|pem| pem_input(pem)).collect());
            delete_newest(world);
            spent
        }),
        row("ListThings, a page of 250", 10, &worlds, |world| {
            let mut token = || &world.tokens[random.usize(..world.tokens.len() - 1)];
            let page = || json!({ "maxResults": PAGE, "nextToken": token() });
            world.spend("ListThings", inputs(10, page))
        }),
    ]
}

fn inputs(count: usize, mut input: impl FnMut() -> Value) -> Vec<Value> {
    (0..count).map(|_| input()).collect()
}

fn row(
    what: &str,
    calls: usize,
    worlds: &[World; 2],
    mut round: impl FnMut(&World) -> Duration,
) -> Row {
    let mut fastest = [Duration::MAX; 2];
    for _ in 0..ROUNDS {
        for (world, fastest) in worlds.iter().zip(&mut fastest) {
            *fastest = round(world).min(*fastest);
        }
    }
    let [small, large] = fastest.map(|fastest| micros_each(fastest, calls));
    let ratio = large / small;
    Row {
        what: what.to_owned(),
        figures: format!("{small:8.2} µs at 1,000 {large:8.2} µs at 100,000, ratio {ratio:.2}"),
        goal: String::new(),
        reached: true,
    }
}
