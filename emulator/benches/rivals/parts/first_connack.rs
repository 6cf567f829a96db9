//! Row 2: from exec to the first CONNACK over mutual TLS, and what a server holds that nobody asks.
//!
//! The client tries again and again until it is taken, as a test does that has just started a
//! server. The emulator finds its device in the configuration.

use std::net::{Ipv4Addr, TcpStream};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use super::say;
use crate::blocking::Blocking;
use crate::material::Fleet;
use crate::packets;
use crate::servers::{Kind, free_port, resident_bytes};
use crate::table::{Goal, Line, median};
use crate::tls::Version;

const STARTS: usize = 31;
const PATIENCE: Duration = Duration::from_secs(20);

/// What the starts of one server took.
struct Side {
    kind: Kind,
    folder: tempfile::TempDir,
    millis: Vec<f64>,
    mebibytes: Vec<f64>,
}

pub(super) fn run() {
    let fleet = Fleet::new(1);
    let here = [Kind::Emulator, Kind::Mosquitto].into_iter().filter(|it| it.program().is_some());
    let mut sides: Vec<Side> = here
        .map(|kind| Side {
            kind,
            folder: tempfile::tempdir().expect("a folder"),
            millis: Vec::new(),
            mebibytes: Vec::new(),
        })
        .collect();
    for _ in 0..STARTS {
        for side in &mut sides {
            start(side, &fleet);
        }
    }
    let figures = |side: Side| (side.kind.name(), median(side.millis), median(side.mebibytes));
    let figures: Vec<_> = sides.into_iter().map(figures).collect();
    let said: Vec<String> = figures
        .iter()
        .map(|(name, millis, mebibytes)| format!("{name} {millis:.2} ms, {mebibytes:.1} MiB"))
        .collect();
    let goals = figures.first().map(|(_, millis, mebibytes)| {
        vec![Goal::within(*millis, 4.0, " ms"), Goal::at_most(*mebibytes, 6.0, " MiB")]
    });
    say(&Line {
        row: "2",
        what: "exec to first CONNACK, idle memory".to_owned(),
        figures: said.join(" | "),
        goals: goals.unwrap_or_default(),
    });
}

fn start(side: &mut Side, fleet: &Fleet) {
    let port = free_port();
    let command = side.kind.command(fleet, side.folder.path(), port);
    let mut command = command.expect("a server of MQTT");
    let device = fleet.devices.first().expect("a device");
    let begun = Instant::now();
    let running = Running::start(&mut command);
    let mut client = loop {
        let connected = TcpStream::connect((Ipv4Addr::LOCALHOST, port))
            .and_then(|tcp| Blocking::connect(tcp, device.tls(Version::Tls13), &device.name));
        match connected {
            Ok(client) => break client,
            Err(error) if begun.elapsed() < PATIENCE => drop(error),
            Err(error) => panic!("{} takes no CONNECT: {error}", side.kind.name()),
        }
        std::thread::yield_now();
    };
    side.millis.push(begun.elapsed().as_secs_f64() * 1e3);
    client.send(&packets::DISCONNECT);
    drop(client);
    side.mebibytes.push(resident_bytes(running.0.id()) / f64::from(1 << 20));
}

/// Killed when dropped, whatever happened.
struct Running(Child);

impl Running {
    fn start(command: &mut Command) -> Self {
        let command = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        Self(command.spawn().expect("a program that runs"))
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ended_already = self.0.kill();
        let _reaped = self.0.wait();
    }
}
