//! Instructions of one operation that the server executes for itself, without those of the system.
//!
//! valgrind runs the server twice, with few operations and with many: what comes before and after
//! them drops out. The figure repeats within a few per cent on any machine.

use std::sync::Arc;

use super::{is_wanted, say};
use crate::budget::Budget;
use crate::load::{DEVICES, Load, Work};
use crate::material::Fleet;
use crate::servers::{Kind, Under};
use crate::table::{Goal, Line};
use crate::tls::Version;

/// A load, how many operations few and many are, and the most instructions of one.
struct Counted {
    row: &'static str,
    what: &'static str,
    work: Work,
    few: u64,
    many: u64,
    most: f64,
}

const fn counted(
    row: &'static str,
    what: &'static str,
    work: Work,
    sizes: [u64; 2],
    most: f64,
) -> Counted {
    let [few, many] = sizes;
    Counted { row, what, work, few, many, most }
}

const TLS_13: Work = Work::Connect(Version::Tls13);
const TLS_12: Work = Work::Connect(Version::Tls12);
const COUNTED: [Counted; 7] = [
    counted("4", "connect, TLS 1.3, P-256", TLS_13, [40, 200], 2.6e6),
    counted("4", "connect, TLS 1.2, P-256", TLS_12, [40, 200], 2.1e6),
    counted("7", "QoS 1 in, 32 in flight", Work::Pipelined, [1_600, 17_600], 2.0e3),
    counted("8", "QoS 1 in, one at a time", Work::OneAtATime, [800, 8_800], 11e3),
    counted("10", "fan-out, QoS 1, a delivery", Work::FanOut { qos: 1 }, [4_000, 24_000], 2.6e3),
    counted("11", "fan-in, QoS 1", Work::FanIn, [3_200, 16_000], 8e3),
    counted("14", "HTTPS publish, keep-alive", Work::KeepAlive, [800, 5_600], 20e3),
];

pub(super) async fn run() {
    let fleet = Arc::new(Fleet::new(DEVICES));
    for counted in COUNTED.iter().filter(|counted| is_wanted(counted.what)) {
        let https = counted.work == Work::KeepAlive;
        let rival = if https { Kind::Nginx } else { Kind::Mosquitto };
        let mut figures = Vec::new();
        let mut goals = Vec::new();
        for kind in [Kind::Emulator, rival] {
            let Some(each) = instructions(kind, counted, &fleet).await else { continue };
            figures.push(format!("{} {each:.0}", kind.name()));
            if kind == Kind::Emulator {
                goals.push(Goal::at_most(each, counted.most, ""));
            }
        }
        let what = format!("instructions: {}", counted.what);
        say(&Line { row: counted.row, what, figures: figures.join(" | "), goals });
    }
}

async fn instructions(kind: Kind, counted: &Counted, fleet: &Arc<Fleet>) -> Option<f64> {
    let (few, less) = count(kind, counted.work, counted.few, fleet).await?;
    let (many, more) = count(kind, counted.work, counted.many, fleet).await?;
    Some((more as f64 - less as f64) / (many as f64 - few as f64))
}

/// How many operations were done, and the instructions of the whole process.
async fn count(kind: Kind, work: Work, operations: u64, fleet: &Arc<Fleet>) -> Option<(u64, u64)> {
    let server = kind.start(fleet, Under::Callgrind)?;
    let mut load = Load::new(work, &server, fleet).await;
    let budget = Budget::of(operations);
    load.run(&budget).await;
    drop(load);
    Some((budget.done(), server.stop()))
}
