//! Messages that are received: by a hundred, from a hundred, in pairs. Not one may be lost.
//!
//! Each message carries who sent it and its number, and each receiver checks that the numbers come
//! without a gap. A publisher goes on when what it sent before has been *received*: no queue of a
//! server grows without end, and the slowest part of the way is what is measured.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use tokio::sync::Notify;

use crate::budget::Budget;
use crate::client::Client;
use crate::material::Fleet;
use crate::packets::{self, PAYLOAD_BYTES};
use crate::servers::Server;
use crate::tls::Version;

/// Who publishes to many, and who receives from many.
const MANY: usize = 100;
const PAIRS: usize = 50;
/// Writes of a publisher that were not received yet.
const AHEAD: u64 = 2;
/// The last message of a run has this number.
const END: u64 = u64::MAX;

pub(crate) struct Fan {
    publishers: Vec<Publisher>,
    receivers: Vec<Receiver>,
    lanes: Arc<[Lane]>,
}

/// What a publisher's receivers have of it, all together.
#[derive(Default)]
struct Lane {
    received: AtomicU64,
    wanted: AtomicU64,
    wake: Notify,
}

impl Lane {
    fn receive(&self) {
        let received = self.received.load(Ordering::Relaxed) + 1;
        self.received.store(received, Ordering::Relaxed);
        if received == self.wanted.load(Ordering::Relaxed) {
            self.wake.notify_one();
        }
    }

    async fn reach(&self, wanted: u64) {
        self.wanted.store(wanted, Ordering::Relaxed);
        while self.received.load(Ordering::Relaxed) < wanted {
            self.wake.notified().await;
        }
    }
}

/// How many publish, how many receive, who hears whom, and how much is written at once.
struct Shape {
    publishers: usize,
    receivers: usize,
    qos: u8,
    batch: u16,
}

impl Fan {
    pub(crate) async fn out(server: &Server, fleet: &Fleet, qos: u8) -> Self {
        Self::new(server, fleet, Shape { publishers: 1, receivers: MANY, qos, batch: 8 }).await
    }

    pub(crate) async fn into_one(server: &Server, fleet: &Fleet) -> Self {
        Self::new(server, fleet, Shape { publishers: MANY, receivers: 1, qos: 1, batch: 16 }).await
    }

    pub(crate) async fn pairs(server: &Server, fleet: &Fleet) -> Self {
        let shape = Shape { publishers: PAIRS, receivers: PAIRS, qos: 1, batch: 4 };
        Self::new(server, fleet, shape).await
    }

    async fn new(server: &Server, fleet: &Fleet, shape: Shape) -> Self {
        let Shape { publishers, receivers, qos, batch } = shape;
        assert!(publishers + receivers <= fleet.devices.len(), "enough devices");
        let (publishing, receiving) = fleet.devices.split_at(publishers);
        let topic = |lane: usize| format!("z/line1/{lane:04}/t");
        let pairs = publishers > 1 && receivers > 1;
        let fan_in = publishers > 1 && !pairs;

        let mut fan = Self {
            publishers: Vec::new(),
            receivers: Vec::new(),
            lanes: (0..publishers).map(|_| Lane::default()).collect(),
        };
        for (index, device) in receiving.iter().take(receivers).enumerate() {
            let tls = device.tls(Version::Tls13);
            let mut client = Client::connect(server.mqtt, tls, &device.name).await;
            let own = if pairs { index } else { 0 };
            let filter = if fan_in { "z/line1/+/t".to_owned() } else { topic(own) };
            client.subscribe(&filter, qos).await;
            let form = Form::new(&topic(0), qos);
            let ends = if fan_in { publishers } else { 1 };
            let numbers = vec![0; publishers];
            let lanes = Arc::clone(&fan.lanes);
            fan.receivers.push(Receiver { client, form, numbers, ends, lanes });
        }
        for (lane, device) in publishing.iter().enumerate() {
            let tls = device.tls(Version::Tls13);
            let client = Client::connect(server.mqtt, tls, &device.name).await;
            fan.publishers.push(Publisher {
                client,
                form: Form::new(&topic(0), qos),
                turns: turns(&topic(lane), lane, qos, batch),
                messages: u64::from(batch),
                listeners: if pairs { 1 } else { receivers as u64 },
                lane,
                lanes: Arc::clone(&fan.lanes),
                number: 0,
            });
        }
        fan
    }

    pub(crate) async fn run(&mut self, budget: &Arc<Budget>) {
        let tasks = std::mem::take(&mut self.publishers).into_iter().map(Side::Publisher);
        let tasks =
            tasks.chain(std::mem::take(&mut self.receivers).into_iter().map(Side::Receiver));
        for side in budget.spend(tasks.map(|side| side.run(Arc::clone(budget)))).await {
            match side {
                Side::Publisher(publisher) => self.publishers.push(publisher),
                Side::Receiver(receiver) => self.receivers.push(receiver),
            }
        }
    }
}

enum Side {
    Publisher(Publisher),
    Receiver(Receiver),
}

impl Side {
    async fn run(self, budget: Arc<Budget>) -> Self {
        match self {
            Self::Publisher(publisher) => Self::Publisher(publisher.run(&budget).await),
            Self::Receiver(receiver) => Self::Receiver(receiver.run(&budget).await),
        }
    }
}

/// Where things stand in a PUBLISH; all topics of a load are of one length.
#[derive(Clone, Copy)]
struct Form {
    kind: u8,
    bytes: usize,
    id: Option<usize>,
    payload: usize,
}

impl Form {
    fn new(topic: &str, qos: u8) -> Self {
        let id = (qos > 0).then_some(1);
        let packet = packets::publish(topic, id);
        let (kind, bytes) = (packet[0], packet.len());
        let payload = bytes - PAYLOAD_BYTES;
        Self { kind, bytes, id: id.map(|_| payload - 2), payload }
    }

    /// The lane and the number, which the payload begins with.
    fn read(&self, packet: &[u8]) -> (usize, u64) {
        assert!(packet[0] == self.kind, "a PUBLISH {:x}, not {:x}", self.kind, packet[0]);
        let word = |at: usize| {
            let bytes = packet[self.payload + at..].first_chunk().expect("a payload");
            u64::from_be_bytes(*bytes)
        };
        (usize::try_from(word(0)).expect("a lane"), word(8))
    }

    fn number(&self, packet: &mut [u8], number: u64) {
        packet[self.payload + 8..][..8].copy_from_slice(&number.to_be_bytes());
    }
}

/// A write and its PUBACKs, by turns.
fn turns(topic: &str, lane: usize, qos: u8, batch: u16) -> [(Vec<u8>, Vec<u8>); 2] {
    [1, 1 + batch].map(|first| {
        let (mut write, mut answers) = (Vec::new(), Vec::new());
        for id in first..first + batch {
            let id = (qos > 0).then_some(id);
            let mut packet = packets::publish(topic, id);
            let payload = packet.len() - PAYLOAD_BYTES;
            packet[payload..][..8].copy_from_slice(&(lane as u64).to_be_bytes());
            write.extend(packet);
            answers.extend(id.into_iter().flat_map(packets::puback));
        }
        (write, answers)
    })
}

struct Publisher {
    client: Client,
    form: Form,
    turns: [(Vec<u8>, Vec<u8>); 2],
    messages: u64,
    listeners: u64,
    lane: usize,
    lanes: Arc<[Lane]>,
    number: u64,
}

impl Publisher {
    async fn run(mut self, budget: &Budget) -> Self {
        let (mut sent, mut answered) = (0, 0);
        let begun = self.lanes[self.lane].received.load(Ordering::Relaxed);
        while budget.take(self.messages * self.listeners) {
            if sent - answered == AHEAD {
                self.answer(answered, begun).await;
                answered += 1;
            }
            let (packets, _) = &mut self.turns[usize::from(sent % 2 == 1)];
            for packet in packets.chunks_exact_mut(self.form.bytes) {
                self.form.number(packet, self.number);
                self.number += 1;
            }
            self.client.send(packets).await;
            sent += 1;
        }
        while answered < sent {
            self.answer(answered, begun).await;
            answered += 1;
        }
        let (packets, answers) = &mut self.turns[0];
        let last = &mut packets[..self.form.bytes];
        self.form.number(last, END);
        self.client.send(last).await;
        let answer = answers.first_chunk::<4>().map_or(&[][..], |answer| answer);
        self.client.expect(answer).await;
        self
    }

    /// The PUBACKs of a turn are here, and all its receivers have it.
    async fn answer(&mut self, turn: u64, begun: u64) {
        let (_, answers) = &self.turns[usize::from(turn % 2 == 1)];
        self.client.expect(answers).await;
        let deliveries = (turn + 1) * self.messages * self.listeners;
        self.lanes[self.lane].reach(begun + deliveries).await;
    }
}

struct Receiver {
    client: Client,
    form: Form,
    /// What comes next of each lane.
    numbers: Vec<u64>,
    /// How many lanes end here.
    ends: usize,
    lanes: Arc<[Lane]>,
}

impl Receiver {
    async fn run(mut self, budget: &Budget) -> Self {
        let mut ended = 0;
        let mut answers = Vec::new();
        while ended < self.ends {
            self.client.read().await;
            let (mut bytes, mut received) = (0, 0);
            for packet in self.client.waiting().chunks_exact(self.form.bytes) {
                bytes += packet.len();
                let (lane, number) = self.form.read(packet);
                if let Some(id) = self.form.id {
                    answers.extend([0x40, 2, packet[id], packet[id + 1]]);
                }
                if number == END {
                    ended += 1;
                    continue;
                }
                let next = &mut self.numbers[lane];
                assert!(number == *next, "message {next} of lane {lane} was lost: {number} came");
                *next += 1;
                received += 1;
                self.lanes[lane].receive();
            }
            self.client.take(bytes);
            budget.confirm(received);
            if !answers.is_empty() {
                self.client.send(&answers).await;
                answers.clear();
            }
        }
        self
    }
}
