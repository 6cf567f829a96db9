//! Rows 5 and 5b: from the first CONNECT of a device that nobody knows to the CONNACK that lets it
//! in. It is hung up on, and tries again each millisecond.
//!
//! The emulator runs as in a test, on a thread of this process, since the function of row 5b is a
//! closure; the devices have the main thread. Nobody else does this work, so there is no rival.

use std::collections::VecDeque;
use std::net::{SocketAddr, TcpStream};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::park_timeout;
use std::time::{Duration, Instant};

use iot_emulator::pki::{AttributeKind, Leaf, Subject};
use iot_emulator::{
    AutoRegistration, CertificateAuthority, Emulator, Function, Identity, IotCore, allow,
};
use rustls::ClientConfig;
use serde_json::{Value, json};
use tokio::time::{MissedTickBehavior, interval};

use super::{is_wanted, say};
use crate::blocking::Blocking;
use crate::budget::Budget;
use crate::client::Client;
use crate::table::{Goal, Line, percentile};
use crate::tls::{Configurations, Version};

/// Rounds of which the fastest counts, since noise only adds.
const ROUNDS: usize = 7;
/// Devices of a round that come one after the other.
const ALONE: usize = 300;
/// Devices of a round of which so many come at the same time.
const MANY: usize = 1_000;
const AT_ONCE: usize = 32;
/// Before anything counts: code and tables that the first ones bring into memory.
const FIRST: usize = 50;
const EVERY: Duration = Duration::from_millis(1);
const PATIENCE: Duration = Duration::from_secs(5);

/// How a device that is unknown comes to be let in.
#[derive(Clone, Copy)]
enum Way {
    /// By the article's template: a thing, and a policy that all devices share.
    Template,
    /// By a rule and a function that activates the certificate and attaches a policy.
    Function,
}

struct Device {
    name: String,
    tls: Arc<ClientConfig>,
}

/// Makes devices that no emulator has seen.
struct Factory {
    ca: CertificateAuthority,
    configurations: Configurations,
}

pub(super) async fn run() {
    let [most_p50, most_p99] = [2.5, 10.0];
    let rows = [
        ("5", "JITP, first CONNECT to CONNACK", Way::Template, most_p50),
        ("5b", "JITR, a function in the process", Way::Function, 3.0),
    ];
    for (row, what, way, most) in rows {
        if !is_wanted(what) {
            continue;
        }
        let factory = Factory::new();
        let emulator = start(way, &factory.ca);
        let address = emulator.mqtt_address();
        one_by_one(address, &factory.devices("first", FIRST));
        let (mut p50, mut p99, mut best) = (f64::MAX, f64::MAX, Many::default());
        for round in 0..ROUNDS {
            let devices = |kind, count| factory.devices(&format!("{kind}-{round}"), count);
            let mut millis = one_by_one(address, &devices("alone", ALONE));
            p50 = p50.min(percentile(&mut millis, 0.5));
            p99 = p99.min(percentile(&mut millis, 0.99));
            let many = at_once(address, devices("many", MANY)).await;
            best = if many.rate > best.rate { many } else { best };
        }
        let Many { rate, cpu, tries } = best;
        let mut goals = vec![Goal::within(p50, most, " ms at p50")];
        if row == "5" {
            goals.push(Goal::within(p99, most_p99, " ms at p99"));
            goals.push(Goal::rate(rate, 1_000.0, "/s"));
        }
        let figures = format!(
            "p50 {p50:.2} ms, p99 {p99:.2} ms; {AT_ONCE} at once {rate:.0}/s, {cpu:.0} µs of CPU, \
             {tries:.1} tries"
        );
        say(&Line { row, what: what.to_owned(), figures, goals });
    }
}

impl Factory {
    fn new() -> Self {
        let ca = CertificateAuthority::new("Acme Devices");
        Self { ca, configurations: Configurations::new() }
    }

    fn devices(&self, kind: &str, count: usize) -> Vec<Device> {
        let device = |number: usize| {
            let name = format!("{kind}-{number:05}");
            let subject = Subject::new().with(AttributeKind::Country, "DE");
            let subject = subject.with(AttributeKind::CommonName, &name);
            let identity: Identity = self.ca.issue_with(Leaf::new(subject));
            Device { name, tls: self.configurations.client(&identity, Version::Tls13) }
        };
        (0..count).map(device).collect()
    }
}

/// An emulator that lets the devices of `ca` in.
fn start(way: Way, ca: &CertificateAuthority) -> Emulator {
    let emulator = Emulator::start();
    let iot = emulator.iot_core();
    match way {
        Way::Template => {
            let article = include_str!("../../../../fixtures/templates/thing-policy.json");
            let article: Value = serde_json::from_str(article).expect("a registrationConfig");
            let body = article["templateBody"].as_str().expect("a template");
            let body = serde_json::from_str(body).expect("JSON");
            iot.register_ca(ca, AutoRegistration::Template(body));
        }
        Way::Function => {
            iot.register_ca(ca, AutoRegistration::Enabled);
            iot.create_policy("Device", allow(&["iot:Connect", "iot:Publish"], "*"));
            let sql = "SELECT * FROM '$aws/events/certificates/registered/#'";
            iot.create_topic_rule("Jitr", sql, activate(&iot));
        }
    }
    emulator
}

fn activate(iot: &IotCore) -> Function {
    let iot = iot.clone();
    Function::new(move |event| {
        let id = event["certificateId"].as_str().ok_or("no certificateId")?;
        iot.call("UpdateCertificate", json!({ "certificateId": id, "newStatus": "ACTIVE" }))?;
        let target = iot.certificate_arn(id);
        iot.call("AttachPolicy", json!({ "policyName": "Device", "target": target }))?;
        Ok(json!({}))
    })
}

/// Milliseconds of each; no two share the emulator.
fn one_by_one(address: SocketAddr, devices: &[Device]) -> Vec<f64> {
    let mut millis = Vec::with_capacity(devices.len());
    for device in devices {
        let begun = Instant::now();
        let mut tries = 1;
        let connected = loop {
            let tcp = TcpStream::connect(address).expect("the emulator listens");
            // It is hung up on until it is known.
            if let Ok(connected) = Blocking::connect(tcp, &device.tls, &device.name) {
                break connected;
            }
            let name = &device.name;
            assert!(begun.elapsed() < PATIENCE, "{name} is not let in after {tries} tries");
            until(begun + EVERY * tries);
            tries += 1;
        };
        millis.push(begun.elapsed().as_secs_f64() * 1e3);
        assert!(tries > 1, "{} was unknown", device.name);
        drop(connected);
    }
    millis
}

fn until(moment: Instant) {
    loop {
        let left = moment.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return;
        }
        park_timeout(left);
    }
}

/// What became of devices that came at the same time.
#[derive(Default)]
struct Many {
    /// Devices a second.
    rate: f64,
    /// Microseconds of the emulator's CPU for each.
    cpu: f64,
    /// Connections of each.
    tries: f64,
}

async fn at_once(address: SocketAddr, devices: Vec<Device>) -> Many {
    let count = devices.len() as u64;
    let budget = Budget::of(count);
    let devices = Arc::new(Mutex::new(VecDeque::from(devices)));
    let (begun, before) = (Instant::now(), cpu_of_the_emulator());
    let tasks = (0..AT_ONCE).map(|_| {
        let (budget, devices) = (Arc::clone(&budget), Arc::clone(&devices));
        async move {
            let mut tries = 0;
            while budget.take(1) {
                let next = devices.lock().unwrap_or_else(PoisonError::into_inner).pop_front();
                tries += until_let_in(address, &next.expect("as many as were asked for")).await;
                budget.confirm(1);
            }
            tries
        }
    });
    let tries: u32 = budget.spend(tasks).await.into_iter().sum();
    let (wall, cpu) = (begun.elapsed(), cpu_of_the_emulator() - before);
    let done = budget.done() as f64;
    Many {
        rate: done / wall.as_secs_f64(),
        cpu: cpu.as_secs_f64() * 1e6 / done,
        tries: f64::from(tries) / done,
    }
}

/// How many connections that took.
async fn until_let_in(address: SocketAddr, device: &Device) -> u32 {
    let begun = Instant::now();
    let mut every = interval(EVERY);
    every.set_missed_tick_behavior(MissedTickBehavior::Skip);
    for tries in 1.. {
        every.tick().await;
        if Client::open(address, &device.tls).await.comes_in(&device.name).await {
            return tries;
        }
        assert!(begun.elapsed() < PATIENCE, "{} is not let in", device.name);
    }
    unreachable!("it is out of patience first")
}

/// What the emulator's thread has spent on a processor.
fn cpu_of_the_emulator() -> Duration {
    let tasks = std::fs::read_dir("/proc/self/task").expect("/proc").flatten();
    let read = |task: &std::fs::DirEntry, file| {
        // A thread may end just now.
        std::fs::read_to_string(task.path().join(file)).unwrap_or_default()
    };
    let own = tasks.filter(|task| read(task, "comm").trim_end() == "iot-emulator");
    let nanoseconds = own.map(|task| {
        let text = read(&task, "schedstat");
        text.split(' ').next().and_then(|figure| figure.parse::<u64>().ok()).unwrap_or_default()
    });
    Duration::from_nanos(nanoseconds.sum())
}
