//! Row 12: from a publisher's write to the receiver's read, QoS 1, a thousand times a second.

use std::thread::park_timeout;
use std::time::{Duration, Instant};

use super::say;
use crate::blocking::Blocking;
use crate::material::Fleet;
use crate::packets;
use crate::servers::{Kind, Server, Under};
use crate::table::{Goal, Line, median, percentile};
use crate::tls::Version;

const ROUNDS: usize = 9;
const MESSAGES: u32 = 1_000;
const EVERY: Duration = Duration::from_millis(1);

struct Side {
    server: Server,
    publisher: Blocking,
    receiver: Blocking,
    packet: Vec<u8>,
    /// Of each round, in microseconds.
    p50: Vec<f64>,
    p99: Vec<f64>,
}

pub(super) fn run() {
    let fleet = Fleet::new(2);
    let servers = [Kind::Emulator, Kind::Mosquitto];
    let servers = servers.into_iter().filter_map(|kind| kind.start(&fleet, Under::Nothing));
    let mut sides: Vec<Side> = servers.map(|server| Side::new(server, &fleet)).collect();
    for _ in 0..ROUNDS {
        sides.iter_mut().for_each(Side::round);
    }
    let figures: Vec<(&str, f64, f64)> = sides
        .into_iter()
        .map(|side| (side.server.kind.name(), median(side.p50), median(side.p99)))
        .collect();
    let said: Vec<String> = figures
        .iter()
        .map(|(name, p50, p99)| format!("{name} p50 {p50:.0} µs, p99 {p99:.0} µs"))
        .collect();
    let goals = match figures.as_slice() {
        [(_, p50, p99), (_, other_p50, other_p99)] => vec![
            Goal::at_most(p50 / other_p50, 1.1, " x at p50"),
            Goal::at_most(p99 / other_p99, 1.25, " x at p99"),
        ],
        _ => Vec::new(),
    };
    let what = "round trip at 1,000/s, QoS 1".to_owned();
    say(&Line { row: "12", what, figures: said.join(" | "), goals });
}

impl Side {
    fn new(server: Server, fleet: &Fleet) -> Self {
        let [one, other] = fleet.devices.as_slice() else { panic!("two devices") };
        let connect = |device: &crate::material::Device| {
            Blocking::open(server.mqtt, device.tls(Version::Tls13), &device.name)
        };
        let (publisher, mut receiver) = (connect(one), connect(other));
        receiver.send(&packets::subscribe(1, &one.topic(), 1));
        assert!(receiver.read() == packets::suback(1, 1), "a subscription");
        let packet = packets::publish(&one.topic(), Some(1));
        Self { server, publisher, receiver, packet, p50: Vec::new(), p99: Vec::new() }
    }

    fn round(&mut self) {
        let begun = Instant::now();
        let mut came = vec![0; self.packet.len()];
        let mut micros = Vec::new();
        for number in 0..MESSAGES {
            let due = begun + EVERY * number;
            while let Some(early) = due.checked_duration_since(Instant::now()) {
                if early.is_zero() {
                    break;
                }
                park_timeout(early);
            }
            let written = Instant::now();
            self.publisher.send(&self.packet);
            self.receiver.read_into(&mut came);
            micros.push(written.elapsed().as_secs_f64() * 1e6);
            let id = came.len() - packets::PAYLOAD_BYTES - 2;
            assert!(came[..id] == self.packet[..id], "the message comes as it was sent");
            self.receiver.send(&[0x40, 2, came[id], came[id + 1]]);
            assert!(self.publisher.read() == packets::puback(1), "a PUBACK");
        }
        self.p50.push(percentile(&mut micros, 0.5));
        self.p99.push(percentile(&mut micros, 0.99));
    }
}
