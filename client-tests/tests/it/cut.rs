//! A client is cut off at any point of the QoS 1 handshake, without a word: no message is lost
//! whose publisher has its PUBACK, and none comes again whose PUBACK the subscriber has sent.

use client_tests::packets::{self, Connect, DISCONNECT, Published, SESSION_EXPIRY, Said, four};
use client_tests::{Device, Mqtt, PATIENCE, Version, Wire};
use iot_emulator::Emulator;
use iot_emulator::trace::Entry;
use tokio::sync::mpsc;
use tokio::time::timeout;

use crate::common::trusted;

const CLIENT: &str = "lamp";
const TOPIC: &str = "home/lamp";

/// How a connection ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Cut {
    /// The socket is closed.
    Lost,
    /// The socket is reset.
    Reset,
    /// It is still there when the client comes back.
    TakenOver,
}

/// An emulator, and what its trace says of connections that are over.
struct Stage {
    emulator: Emulator,
    device: Device,
    other: Device,
    ended: mpsc::UnboundedReceiver<Entry>,
}

impl Stage {
    fn start() -> Self {
        let (sender, ended) = mpsc::unbounded_channel();
        let listener = move |entry: &Entry| {
            if entry.event_type == "Disconnect" && entry.value("clientId") == Some(CLIENT) {
                let _nobody_waits = sender.send(entry.clone());
            }
        };
        let emulator = Emulator::builder().on_entry(listener).start().expect("free ports");
        let iot = emulator.iot_core();
        let (device, other) = (trusted(&iot, "Lamp"), trusted(&iot, "Other"));
        Self { emulator, device, other, ended }
    }

    /// Cuts `wire`, and waits until the emulator has noticed; the wire that stays, if one does.
    async fn cut(&mut self, wire: Wire, cut: Cut) -> Option<Wire> {
        match cut {
            Cut::Lost => wire.lose(),
            Cut::Reset => wire.reset(),
            Cut::TakenOver => return Some(wire),
        }
        let ended = timeout(PATIENCE, self.ended.recv()).await.expect("its end is noticed");
        let entry = ended.expect("the emulator lives");
        assert_eq!(entry.reason, Some("CONNECTION_LOST"), "{entry}");
        None
    }

    async fn client(&self, name: &str, version: Version) -> Mqtt {
        self.other.connect(name).speaking(version).await.expect("a connection")
    }
}

// === packets ===

/// A CONNECT that keeps its session for an hour.
fn connect(version: Version) -> Vec<u8> {
    Connect::new(version, CLIENT).resuming().expiring(3600).bytes()
}

fn subscribe(version: Version) -> Vec<u8> {
    packets::subscribe(version, 1, &[(TOPIC, 1)])
}

fn publish(version: Version, number: u8, again: bool) -> Vec<u8> {
    let flags = if again { 8 | 2 } else { 2 };
    packets::publish_with(version, flags, u16::from(number) + 1, TOPIC, &[], &[number])
}

/// Number and packet identifier of a PUBLISH of [`TOPIC`].
fn published(version: Version, packet: &[u8]) -> (u8, u16) {
    match packets::read(version, packet).as_slice() {
        [Said::Publish(Published { qos: 1, topic, packet_id, payload, .. })]
            if topic == TOPIC && payload.len() == 1 =>
        {
            (payload[0], *packet_id)
        }
        other => panic!("no PUBLISH of QoS 1: {other:?}"),
    }
}

async fn acknowledge(wire: &mut Wire, packet_id: u16) {
    wire.send(&packets::puback(packet_id)).await;
}

async fn connected(device: &Device, version: Version, session_present: bool) -> Wire {
    let mut wire = device.open().await.expect("a handshake");
    wire.send(&connect(version)).await;
    assert_connack(&mut wire, session_present).await;
    wire
}

async fn assert_connack(wire: &mut Wire, session_present: bool) {
    let connack = wire.packet().await;
    assert_eq!((connack[0], connack[2], connack[3]), (0x20, u8::from(session_present), 0));
}

// === the subscriber ===

/// The last that a subscriber does before it is cut off.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Subscriber {
    SendsConnect,
    HasConnack,
    SendsSubscribe,
    HasSuback,
    /// Takes so many messages without a word.
    Takes(u8),
    /// Takes three messages and acknowledges so many of them.
    Acknowledges(u8),
}

/// Messages before the cut, and after it.
const BEFORE: u8 = 3;
const AFTER: u8 = 2;

impl Subscriber {
    const ALL: [Self; 9] = [
        Self::SendsConnect,
        Self::HasConnack,
        Self::SendsSubscribe,
        Self::HasSuback,
        Self::Takes(1),
        Self::Takes(3),
        Self::Acknowledges(1),
        Self::Acknowledges(2),
        Self::Acknowledges(3),
    ];

    /// Goes as far as that; `others` publish as soon as there is a subscription.
    async fn go(self, device: &Device, version: Version, others: &Mqtt) -> Wire {
        let mut wire = device.open().await.expect("a handshake");
        wire.send(&connect(version)).await;
        if self == Self::SendsConnect {
            return wire;
        }
        assert_connack(&mut wire, false).await;
        if self == Self::HasConnack {
            return wire;
        }
        wire.send(&subscribe(version)).await;
        if self == Self::SendsSubscribe {
            return wire;
        }
        assert_eq!(wire.packet().await[0], 0x90, "a SUBACK");
        for number in 0..BEFORE {
            others.publish(TOPIC, [number]).await.expect("a PUBACK");
        }
        let (takes, acknowledges) = match self {
            Self::Takes(count) => (count, 0),
            Self::Acknowledges(count) => (BEFORE, count),
            _ => (0, 0),
        };
        let mut ids = Vec::new();
        for expected in 0..takes {
            let (number, id) = published(version, &wire.packet().await);
            assert_eq!(number, expected);
            ids.push(id);
        }
        for id in &ids[..usize::from(acknowledges)] {
            acknowledge(&mut wire, *id).await;
        }
        wire
    }

    /// The messages that were published for it and that it has not acknowledged.
    fn owed(self) -> Vec<u8> {
        let acknowledged = if let Self::Acknowledges(count) = self { count } else { 0 };
        // Without a SUBACK it cannot count on what came before it subscribed again.
        let first = if self < Self::HasSuback { BEFORE } else { acknowledged };
        (first..BEFORE + AFTER).collect()
    }
}

/// All messages that come until nothing comes any more, each acknowledged.
async fn drain(wire: &mut Wire, version: Version) -> Vec<u8> {
    let mut numbers = Vec::new();
    loop {
        wire.send(b"\xc0\x00").await;
        loop {
            let packet = wire.packet().await;
            if packet == b"\xd0\x00" {
                break;
            }
            let (number, id) = published(version, &packet);
            numbers.push(number);
            acknowledge(wire, id).await;
        }
        // What was published last is always owed.
        if numbers.contains(&(BEFORE + AFTER - 1)) {
            return numbers;
        }
    }
}

#[tokio::test]
async fn a_subscriber_that_is_cut_off_anywhere_gets_what_it_did_not_acknowledge() {
    for version in Version::BOTH {
        for cut in [Cut::Lost, Cut::Reset, Cut::TakenOver] {
            let mut stage = Stage::start();
            let others = stage.client("publisher", version).await;
            for subscriber in Subscriber::ALL {
                // Nobody knows when a CONNECT is read that is reset at once, or not waited for.
                if subscriber == Subscriber::SendsConnect && cut != Cut::Lost {
                    continue;
                }
                let what = format!("{version:?}: it {subscriber:?}, {cut:?}");
                let wire = subscriber.go(&stage.device, version, &others).await;
                let old = stage.cut(wire, cut).await;
                // Without a SUBACK nobody knows how far the emulator has come.
                let mut wire = stage.device.open().await.expect("a handshake");
                wire.send(&connect(version)).await;
                let connack = wire.packet().await;
                assert_eq!((connack[0], connack[3]), (0x20, 0), "{what}: {connack:x?}");
                assert_eq!(connack[2], 1, "{what}: the session goes on");
                if subscriber < Subscriber::HasSuback {
                    wire.send(&subscribe(version)).await;
                    assert_eq!(wire.packet().await[0], 0x90, "{what}: a SUBACK");
                }
                for number in BEFORE..BEFORE + AFTER {
                    others.publish(TOPIC, [number]).await.expect("a PUBACK");
                }
                let mut came = drain(&mut wire, version).await;
                let owed = subscriber.owed();
                came.sort_unstable();
                came.dedup();
                match cut {
                    Cut::Lost => assert_eq!(came, owed, "{what}"),
                    // Its last PUBACKs may not have arrived.
                    _ => assert!(owed.iter().all(|it| came.contains(it)), "{what}: {came:?}"),
                }
                forget(&mut stage, wire, version).await;
                drop(old);
            }
        }
    }
}

/// Ends the session, so that the next case begins anew.
async fn forget(stage: &mut Stage, mut wire: Wire, version: Version) {
    match version {
        Version::Mqtt311 => wire.send(DISCONNECT).await,
        Version::Mqtt5 => wire.send(&packets::disconnect(0, &four(SESSION_EXPIRY, 0))).await,
    }
    drop(wire.rest().await);
    if version == Version::Mqtt311 {
        let clean = stage.device.connect(CLIENT).speaking(version).await.expect("a connection");
        clean.disconnect().await;
    }
    stage.emulator.settled().await;
    while stage.ended.try_recv().is_ok() {}
}

// === the publisher ===

/// The last that a publisher does before it is cut off.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Publisher {
    HasConnack,
    /// So many bytes of a PUBLISH.
    SendsHalf(usize),
    SendsPublish,
    HasPuback,
    SendsAnother,
    HasBoth,
}

impl Publisher {
    const ALL: [Self; 7] = [
        Self::HasConnack,
        Self::SendsHalf(1),
        Self::SendsHalf(12),
        Self::SendsPublish,
        Self::HasPuback,
        Self::SendsAnother,
        Self::HasBoth,
    ];

    /// Goes as far as that; how many PUBACKs it has.
    async fn go(self, wire: &mut Wire, version: Version) -> u8 {
        match self {
            Self::HasConnack => return 0,
            Self::SendsHalf(bytes) => {
                wire.send(&publish(version, 0, false)[..bytes]).await;
                return 0;
            }
            _ => wire.send(&publish(version, 0, false)).await,
        }
        if self == Self::SendsPublish {
            return 0;
        }
        assert_eq!(wire.packet().await, [0x40, 2, 0, 1], "a PUBACK");
        if self == Self::HasPuback {
            return 1;
        }
        wire.send(&publish(version, 1, false)).await;
        if self == Self::SendsAnother {
            return 1;
        }
        assert_eq!(wire.packet().await, [0x40, 2, 0, 2], "a PUBACK");
        2
    }
}

#[tokio::test]
async fn a_publisher_that_is_cut_off_anywhere_loses_nothing_that_was_acknowledged() {
    for version in Version::BOTH {
        for cut in [Cut::Lost, Cut::Reset] {
            let mut stage = Stage::start();
            let subscriber = stage.client("subscriber", version).await;
            assert_eq!(subscriber.subscribe(TOPIC).await, Ok(1));
            assert_eq!(subscriber.subscribe("done").await, Ok(1));
            let others = stage.client("other", version).await;
            for (round, publisher) in Publisher::ALL.into_iter().enumerate() {
                let what = format!("{version:?}: it {publisher:?}, {cut:?}");
                let mut wire = connected(&stage.device, version, round > 0).await;
                let acknowledged = publisher.go(&mut wire, version).await;
                stage.cut(wire, cut).await;
                others.publish("done", "").await.expect("a PUBACK");
                let came = subscriber.messages_before("done").await;
                let first: Vec<u8> = came.iter().map(|message| message.payload[0]).collect();
                // In order, each once, and nothing of half a packet.
                let all = (0..first.len() as u8).collect::<Vec<_>>();
                assert_eq!(first, all, "{what}");
                assert!(first.len() >= usize::from(acknowledged), "{what}: {first:?}");
                if matches!(publisher, Publisher::HasConnack | Publisher::SendsHalf(_)) {
                    assert!(first.is_empty(), "{what}: {first:?}");
                }
                // It comes back and says again what it has no PUBACK for.
                let mut wire = connected(&stage.device, version, true).await;
                for number in acknowledged..2 {
                    wire.send(&publish(version, number, true)).await;
                    assert_eq!(wire.packet().await, [0x40, 2, 0, number + 1], "{what}: a PUBACK");
                }
                others.publish("done", "").await.expect("a PUBACK");
                let again = subscriber.messages_before("done").await;
                let again: Vec<u8> = again.iter().map(|message| message.payload[0]).collect();
                assert_eq!(again, (acknowledged..2).collect::<Vec<_>>(), "{what}");
                wire.lose();
                let ended = timeout(PATIENCE, stage.ended.recv()).await;
                ended.expect("its end is noticed").expect("the emulator lives");
            }
        }
    }
}
