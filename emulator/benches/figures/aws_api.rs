//! Requests of the AWS API on one keep-alive connection, at 1,000 and at 100,000 things and
//! certificates; client and server share the machine.
//!
//! Rounds at either size take turns, so that whatever else the machine does meets both; the fastest
//! round counts, since noise only adds. The sizes are compared by the CPU of the server's thread;
//! `scripts/bench` keeps client and server on one core.

use std::cell::RefCell;
use std::thread::park_timeout;
use std::time::{Duration, Instant};

use serde_json::json;

use crate::keep_alive::KeepAlive;
use crate::material::{must, thing};
use crate::numbers::{Row, cpu_of_threads, is_running, median, micros_each};
use crate::registry::{NEW, World, delete_newest, pem_input, worlds};

const ROUNDS: usize = 50;
const KEYS: usize = 20;

/// A world and a connection to it.
struct Asked {
    world: World,
    client: RefCell<KeepAlive>,
}

/// What a round took: on the wall, and of the server's CPU.
#[derive(Clone, Copy)]
struct Spent {
    wall: Duration,
    cpu: Duration,
}

impl Asked {
    /// What it takes to send so many requests one after the other.
    fn spend(&self, method: &str, requests: &[(String, String)]) -> Spent {
        let mut client = self.client.borrow_mut();
        let (begun, cpu) = (Instant::now(), cpu_of_threads("iot-emulator"));
        for (path, body) in requests {
            std::hint::black_box(client.ask(method, path, body));
        }
        Spent { wall: begun.elapsed(), cpu: cpu_of_threads("iot-emulator") - cpu }
    }
}

pub(crate) fn rows() -> Vec<Row> {
    let (worlds, new) = worlds();
    let asked = worlds.map(|world| {
        let client = RefCell::new(KeepAlive::new(&world.emulator));
        Asked { world, client }
    });
    let names: Vec<String> = (0..NEW).map(|number| format!("new-{number}")).collect();
    let creations: Vec<_> =
        names.iter().map(|name| (format!("/things/{name}"), thing(name).to_string())).collect();
    let registrations: Vec<_> = new
        .iter()
        .map(|pem| ("/certificate/register".to_owned(), pem_input(pem).to_string()))
        .collect();
    let mut random = fastrand::Rng::with_seed(7341);
    vec![
        row("16 CreateThing over HTTP", 40.0, &asked, |asked| {
            let spent = asked.spend("POST", &creations);
            for name in &names {
                must(&asked.world.iot, "DeleteThing", json!({ "thingName": name }));
            }
            spent
        }),
        row("DescribeCertificate over HTTP", f64::MAX, &asked, |asked| {
            let mut id = || &asked.world.certificate_ids[random.usize(..asked.world.things)];
            let path = |_| (format!("/certificates/{}", id()), String::new());
            asked.spend("GET", &(0..NEW).map(path).collect::<Vec<_>>())
        }),
        row("RegisterCertificate over HTTP (CA, P-256)", f64::MAX, &asked, |asked| {
            let spent = asked.spend("POST", &registrations);
            delete_newest(&asked.world);
            spent
        }),
        keys(&mut asked[0].client.borrow_mut()),
    ]
}

/// `most` microseconds of CPU are the goal, where there is one.
fn row(what: &str, most: f64, asked: &[Asked; 2], mut round: impl FnMut(&Asked) -> Spent) -> Row {
    let mut fastest = [Spent { wall: Duration::MAX, cpu: Duration::MAX }; 2];
    for _ in 0..ROUNDS {
        for (asked, fastest) in asked.iter().zip(&mut fastest) {
            let Spent { wall, cpu } = round(asked);
            *fastest = Spent { wall: wall.min(fastest.wall), cpu: cpu.min(fastest.cpu) };
        }
    }
    let [small, large] = fastest.map(|fastest| micros_each(fastest.cpu, NEW));
    let slower = fastest.iter().map(|fastest| fastest.wall).max().unwrap_or_default();
    let (rate, ratio) = (1e6 / micros_each(slower, NEW), large / small);
    Row {
        what: what.to_owned(),
        figures: format!(
            "{small:5.1} µs of CPU at 1,000 {large:5.1} at 100,000, ratio {ratio:.2}; {rate:6.0}/s"
        ),
        goal: if most < f64::MAX {
            format!("<= {most} µs, < 1.3")
        } else {
            "> 5,000/s, < 1.3".to_owned()
        },
        reached: rate > 5_000.0 && ratio < 1.3 && small <= most,
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
        what: "16 CreateKeysAndCertificate over HTTP".to_owned(),
        figures: format!("p50 {p50:.3} ms (the first of the process {first:.0} ms)"),
        goal: "<= 1 ms".to_owned(),
        reached: p50 <= 1.0,
    }
}
