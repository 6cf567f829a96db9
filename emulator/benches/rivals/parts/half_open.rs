//! Row 17: what a connection costs while a thousand others have begun a handshake and do not go on.
//!
//! Half of them sent nothing, half the beginning of a `ClientHello`.

use std::sync::Arc;

use rustls::ClientConnection;
use rustls::pki_types::ServerName;
use tokio::io::AsyncWriteExt as _;
use tokio::net::TcpStream;

use super::compare::once;
use super::say;
use crate::budget::Budget;
use crate::client;
use crate::load::{DEVICES, Load, Work};
use crate::material::Fleet;
use crate::servers::{Kind, Server, Under};
use crate::table::{Cost, Goal, Line, Spent};
use crate::tls::Version;

const HALF_OPEN: usize = 1_000;
const PORTION: usize = 50;
const RUNS: usize = 7;
/// Connections after which a server has seen all that came before them.
const SETTLE: u64 = 16;
const GOAL_RATIO: f64 = 1.1;

struct Side {
    server: Server,
    load: Load,
    alone: Vec<Spent>,
    beside: Vec<Spent>,
}

pub(super) async fn run() {
    let fleet = Arc::new(Fleet::new(DEVICES));
    let beginning = beginning(&fleet);
    let mut sides = Vec::new();
    for kind in [Kind::Emulator, Kind::Mosquitto] {
        let Some(server) = kind.start(&fleet, Under::Nothing) else { continue };
        let load = Load::new(Work::Connect(Version::Tls13), &server, &fleet).await;
        sides.push(Side { server, load, alone: Vec::new(), beside: Vec::new() });
    }
    for _ in 0..RUNS {
        for side in &mut sides {
            side.load.run(&Budget::of(SETTLE)).await;
            side.alone.push(once(&side.server, &mut side.load).await);
            let waiting = open(side, &beginning).await;
            side.beside.push(once(&side.server, &mut side.load).await);
            let still = waiting.iter().filter(|stream| is_open(stream)).count();
            let name = side.server.kind.name();
            assert!(still == HALF_OPEN, "{name} closed {} early", HALF_OPEN - still);
        }
    }
    let mut figures = Vec::new();
    let mut goals = Vec::new();
    for side in sides {
        let (alone, beside) = (Cost::of(&side.alone), Cost::of(&side.beside));
        let ratio = beside.cpu_micros / alone.cpu_micros;
        let name = side.server.kind.name();
        figures.push(format!("{name} {alone}, beside them {beside}, CPU x{ratio:.2}"));
        if side.server.kind == Kind::Emulator {
            goals.push(Goal::at_most(ratio, GOAL_RATIO, " x"));
        }
    }
    say(&Line {
        row: "17",
        what: "connect beside 1,000 half-open".to_owned(),
        figures: figures.join(" | "),
        goals,
    });
}

/// The first bytes of a handshake, not all of its first message.
fn beginning(fleet: &Fleet) -> Vec<u8> {
    let tls = fleet.devices.first().expect("a device").tls(Version::Tls13);
    let name = ServerName::try_from("localhost").expect("a name");
    let mut client = ClientConnection::new(Arc::clone(tls), name).expect("a client");
    let mut hello = Vec::new();
    client.write_tls(&mut hello).expect("a message");
    hello.truncate(hello.len() / 2);
    hello
}

/// A thousand of them, which the server has seen; in portions, as large as a server lets wait.
async fn open(side: &mut Side, beginning: &[u8]) -> Vec<TcpStream> {
    let mut waiting = Vec::new();
    while waiting.len() < HALF_OPEN {
        for number in 0..PORTION {
            let mut stream = client::tcp(side.server.mqtt).await;
            if number % 2 == 0 {
                stream.write_all(beginning).await.expect("the server listens");
            }
            waiting.push(stream);
        }
        side.load.run(&Budget::of(SETTLE)).await;
    }
    waiting
}

/// Whether the server has said nothing and not hung up.
fn is_open(stream: &TcpStream) -> bool {
    let nothing = stream.try_read(&mut [0]);
    nothing.is_err_and(|error| error.kind() == std::io::ErrorKind::WouldBlock)
}
