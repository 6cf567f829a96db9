//! The emulator and its rival, the same load, in turns: server CPU of one operation, and the rate.

use std::sync::Arc;
use std::time::{Duration, Instant};

use super::{is_wanted, say};
use crate::budget::Budget;
use crate::load::{DEVICES, Load, Work};
use crate::material::Fleet;
use crate::servers::{Kind, Server, Under};
use crate::table::{Cost, Goal, Line, Spent};
use crate::tls::Version;

/// Runs on each server, of which the median counts.
const RUNS: usize = 7;
const RUN: Duration = Duration::from_millis(700);
/// Before anything counts: buffers grow, and policies are asked for the first time.
const FIRST: Duration = Duration::from_millis(200);

/// A load with its goal: most CPU of one operation, in microseconds, and how many times less than
/// the rival's it is at least.
pub(crate) struct Figure {
    row: &'static str,
    what: &'static str,
    work: Work,
    most_micros: f64,
    least_ratio: f64,
}

const fn figure(
    row: &'static str,
    what: &'static str,
    work: Work,
    most_micros: f64,
    least_ratio: f64,
) -> Figure {
    Figure { row, what, work, most_micros, least_ratio }
}

pub(crate) const CONNECT: &[Figure] = &[
    figure("4", "connect, TLS 1.3, P-256", Work::Connect(Version::Tls13), 205.0, 3.8),
    figure("4", "connect, TLS 1.2, P-256", Work::Connect(Version::Tls12), 180.0, 2.4),
];

pub(crate) const PUBLISH: &[Figure] = &[
    figure("7", "QoS 1 in, 32 in flight", Work::Pipelined, 0.6, 12.0),
    figure("8", "QoS 1 in, one at a time", Work::OneAtATime, 4.0, 2.0),
    figure("9", "QoS 0 in, 16 a write", Work::AtMostOnce, 0.35, 1.8),
];

pub(crate) const FAN: &[Figure] = &[
    figure("10", "fan-out 1 to 100, QoS 0, a delivery", Work::FanOut { qos: 0 }, 0.8, 8.0),
    figure("10", "fan-out 1 to 100, QoS 1, a delivery", Work::FanOut { qos: 1 }, 1.0, 8.0),
    figure("11", "fan-in 100 to 1, QoS 1", Work::FanIn, 2.2, 5.0),
    figure("11", "50 pairs, QoS 1", Work::Pairs, 2.6, 5.0),
];

pub(crate) const TAKEOVER: &[Figure] =
    &[figure("13", "takeover of a client ID, TLS 1.3", Work::TakeOver, 230.0, 3.0)];

pub(crate) const HTTPS: &[Figure] = &[
    figure("14", "HTTPS publish, keep-alive", Work::KeepAlive, 9.0, 1.0),
    figure("14", "HTTPS publish, fresh TLS 1.3 handshake", Work::FreshHttps, 210.0, 2.4),
];

pub(crate) async fn run(figures: &[Figure]) {
    println!("# µs of server CPU an operation, which are seconds a million; operations a second");
    let fleet = Arc::new(Fleet::new(DEVICES));
    let over_https = |figure: &Figure| matches!(figure.work, Work::KeepAlive | Work::FreshHttps);
    let rival = if figures.iter().all(over_https) { Kind::Nginx } else { Kind::Mosquitto };
    let emulator = Kind::Emulator.start(&fleet, Under::Nothing).expect("the binary");
    let rival = rival.start(&fleet, Under::Nothing);
    for figure in figures.iter().filter(|figure| is_wanted(figure.what)) {
        say(&measure(figure, &emulator, rival.as_ref(), &fleet).await);
    }
}

async fn measure(
    figure: &Figure,
    emulator: &Server,
    rival: Option<&Server>,
    fleet: &Arc<Fleet>,
) -> Line {
    let mut sides = Vec::new();
    for server in [Some(emulator), rival].into_iter().flatten() {
        let mut load = Load::new(figure.work, server, fleet).await;
        load.run(&Budget::lasting(FIRST)).await;
        sides.push((server, load, Vec::new()));
    }
    for _ in 0..RUNS {
        for (server, load, runs) in &mut sides {
            runs.push(once(server, load).await);
        }
    }
    let costs: Vec<(&str, Cost)> =
        sides.iter().map(|(server, _, runs)| (server.kind.name(), Cost::of(runs))).collect();
    line(figure, &costs)
}

/// One run of a load that is ready.
pub(super) async fn once(server: &Server, load: &mut Load) -> Spent {
    let (begun, cpu) = (Instant::now(), server.cpu());
    let budget = Budget::lasting(RUN);
    load.run(&budget).await;
    Spent { operations: budget.done(), cpu: server.cpu() - cpu, wall: begun.elapsed() }
}

fn line(figure: &Figure, costs: &[(&str, Cost)]) -> Line {
    let said: Vec<String> = costs.iter().map(|(name, cost)| format!("{name} {cost}")).collect();
    let mut figures = said.join(" | ");
    let mut goals = Vec::new();
    if let [(_, ours), rest @ ..] = costs {
        goals.push(Goal::within(ours.cpu_micros, figure.most_micros, " µs"));
        if let [(_, theirs)] = rest {
            let ratio = theirs.cpu_micros / ours.cpu_micros;
            figures += &format!(" | CPU x{ratio:.2}, rate x{:.2}", ours.rate / theirs.rate);
            goals.push(Goal::at_least(ratio, figure.least_ratio, " x"));
        }
    }
    Line { row: figure.row, what: figure.what.to_owned(), figures, goals }
}
