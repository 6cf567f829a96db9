//! Row 15: what a server holds for a connection over mutual TLS that has one subscription and says
//! nothing; ten thousand of them, each a device of its own, and not one error.

use std::sync::Arc;

use super::say;
use crate::budget::Budget;
use crate::client::Client;
use crate::material::Fleet;
use crate::packets;
use crate::servers::{Kind, Server, Under};
use crate::table::{Goal, Line};
use crate::tls::Version;

const CONNECTIONS: usize = 10_000;
/// What a server takes for the first of them it takes once.
const FIRST: usize = 100;
const AT_ONCE: usize = 16;
const GOAL_KILOBYTES: f64 = 11.5;

pub(super) async fn run() {
    let fleet = Arc::new(Fleet::new(CONNECTIONS));
    let mut said = Vec::new();
    let mut goals = Vec::new();
    for kind in [Kind::Emulator, Kind::Mosquitto] {
        let Some(server) = kind.start(&fleet, Under::Nothing) else { continue };
        let bytes = measure(&server, &fleet).await;
        said.push(format!("{} {:.2} KB, no error", kind.name(), bytes / 1e3));
        if kind == Kind::Emulator {
            goals.push(Goal::at_most(bytes / 1e3, GOAL_KILOBYTES, " KB"));
        }
    }
    say(&Line {
        row: "15",
        what: "an idle connection, 10,000 of them".to_owned(),
        figures: said.join(" | "),
        goals,
    });
}

async fn measure(server: &Server, fleet: &Arc<Fleet>) -> f64 {
    let mut clients = connect(server, fleet, 0..FIRST).await;
    let before = server.memory();
    clients.extend(connect(server, fleet, FIRST..CONNECTIONS).await);
    let held = server.memory() - before;
    // Each of them still answers, or it was no connection that was measured.
    let budget = Budget::of(CONNECTIONS as u64);
    let tasks = clients.into_iter().map(|mut client| {
        let budget = Arc::clone(&budget);
        async move {
            assert!(budget.take(1), "one for each");
            client.send(&packets::PINGREQ).await;
            client.expect(&packets::PINGRESP).await;
            client.rest();
            budget.confirm(1);
            client
        }
    });
    let alive = budget.spend(tasks).await;
    assert!(alive.len() == CONNECTIONS && budget.done() == CONNECTIONS as u64, "all are alive");
    held / (CONNECTIONS - FIRST) as f64
}

async fn connect(
    server: &Server,
    fleet: &Arc<Fleet>,
    which: std::ops::Range<usize>,
) -> Vec<Client> {
    let budget = Budget::of(which.len() as u64);
    let address = server.mqtt;
    let tasks = (0..AT_ONCE).map(|worker| {
        let (fleet, budget) = (Arc::clone(fleet), Arc::clone(&budget));
        let own = which.clone().skip(worker).step_by(AT_ONCE);
        async move {
            let mut clients = Vec::new();
            for device in own.map(|index| &fleet.devices[index]) {
                assert!(budget.take(1), "one for each");
                let tls = device.tls(Version::Tls13);
                let mut client = Client::connect(address, tls, &device.name).await;
                client.subscribe(&device.topic(), 1).await;
                client.rest();
                clients.push(client);
                budget.confirm(1);
            }
            clients
        }
    });
    budget.spend(tasks).await.into_iter().flatten().collect()
}
