//! Clients that mean harm, while another one talks on: each is read or let go, one entry says why,
//! and what is kept of it stays bounded.

use std::sync::Arc;

use client_tests::{Device, Ending, Mqtt, PATIENCE, Wire};
use iot_emulator::Emulator;
use iot_emulator::trace::{Entry, Outcome};
use tokio::time::timeout;

use crate::common::trusted;

/// A CONNECT of MQTT 3.1.1 with a clean session as client `x`, kept alive for 20 minutes.
const CONNECT: &[u8] = b"\x10\x0d\x00\x04MQTT\x04\x02\x04\xb0\x00\x01x";
/// The same of MQTT 5.
const CONNECT_5: &[u8] = b"\x10\x0e\x00\x04MQTT\x05\x02\x04\xb0\x00\x00\x01x";

/// The bystander's message comes back to it.
async fn talks(bystander: &Mqtt) {
    let talk = async {
        bystander.publish("talk", "on").await.expect("a PUBACK");
        assert_eq!(bystander.next_message().await.expect("a message").topic, "talk");
    };
    timeout(PATIENCE, talk).await.expect("nobody else is held up");
}

async fn bystander(emulator: &Emulator) -> Mqtt {
    let bystander = trusted(&emulator.iot_core(), "Bystander").connect("bystander").await;
    let bystander = bystander.expect("a connection");
    assert_eq!(bystander.subscribe("talk").await, Ok(1));
    bystander
}

/// What was refused or ended badly since entry `number`.
fn failures(emulator: &Emulator, number: u64) -> Vec<Arc<Entry>> {
    let mut entries = emulator.trace().after(number);
    entries.retain(|entry| entry.outcome == Outcome::Failure);
    entries
}

fn last(emulator: &Emulator) -> u64 {
    emulator.trace().entries().last().map_or(0, |entry| entry.number)
}

/// A packet of the largest size that is taken: its first byte, its head, and `unit` over and over.
fn largest(first: u8, head: &[u8], unit: &[u8]) -> Vec<u8> {
    let mut packet = [&[first, 0x80, 0x90, 0x09], head].concat();
    packet.extend(unit.iter().cycle().take(149_504 - head.len()));
    packet
}

#[tokio::test]
async fn a_hostile_opening_is_let_go_with_one_entry_while_others_talk() {
    let emulator = Emulator::start();
    let device = trusted(&emulator.iot_core(), "Device");
    let bystander = bystander(&emulator).await;
    let long_property = b"\x30\x0a\x00\x01a\xff\xff\xff\x7f\x26\x00\x00";
    let in_connect = b"\x10\x0f\x00\x04MQTT\x05\x02\x00\x3c\xff\xff\xff\x7f\x26";
    let hello = [b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03".as_slice(), &[7; 500]].concat();
    // User properties to the end of the packet and beyond.
    let pair = b"\x26\x00\x00\x00\x00";
    let endless = largest(0x30, b"\x00\x01a\xfa\x8f\x09", pair);
    let endless_subscribe = largest(0x82, b"\x00\x01\xfb\x8f\x09", pair);
    let unsubscribe = largest(0xA2, b"\x00\x01\x00", b"\x00\x01a");
    // What is sent after CONNECT, if that comes first; what MQTT 5 is answered.
    let table: [(&str, bool, &[u8], u8); 13] = [
        ("HTTP", false, b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n", 0),
        ("TLS inside TLS", false, &hello, 0),
        ("SSH", false, b"SSH-2.0-OpenSSH_9.6\r\n", 0),
        ("an endless length", false, &[0x10, 0xFF, 0xFF, 0xFF, 0xFF], 0),
        ("a huge CONNECT", false, &[0x10, 0xFF, 0xFF, 0xFF, 0x7F], 0),
        ("a CONNECT with a huge property length", false, in_connect, 0),
        ("HTTP after CONNECT", true, b"GET / HTTP/1.1\r\n\r\n", 0x81),
        ("TLS after CONNECT", true, &hello, 0x82),
        ("a huge remaining length", true, &[0x30, 0xFF, 0xFF, 0xFF, 0x7F], 0x95),
        ("a property beyond its packet", true, long_property, 0x81),
        ("endless properties", true, &endless, 0x81),
        ("endless properties of a SUBSCRIBE", true, &endless_subscribe, 0x81),
        ("an endless UNSUBSCRIBE", true, &unsubscribe, 0x97),
    ];
    for (what, connects, bytes, code) in table {
        for in_bytes in [false, true] {
            // A byte at a time takes its time; the first hundred are enough to be annoying.
            let alone = if in_bytes { bytes.len().min(100) } else { 0 };
            let mut wire = device.open().await.expect("a handshake");
            if connects {
                wire.send(CONNECT_5).await;
                assert_eq!(wire.packet().await[0], 0x20, "a CONNACK");
            }
            let before = last(&emulator);
            for byte in &bytes[..alone] {
                wire.send(&[*byte]).await;
            }
            wire.send(&bytes[alone..]).await;
            talks(&bystander).await;
            let (answer, ending) = wire.rest().await;
            // A client that is still writing may see the reset instead.
            assert!(ending == Ending::CloseNotify || bytes.len() > 100, "{what}: {ending:?}");
            if connects && ending == Ending::CloseNotify {
                assert_eq!((answer[0], answer[2]), (0xE0, code), "{what}: {answer:x?}");
            }
            emulator.settled().await;
            let said = failures(&emulator, before);
            let event_type = if connects { "Disconnect" } else { "Connect" };
            let expected = [(event_type, Some("CLIENT_ERROR"))];
            let entries: Vec<_> = said.iter().map(|it| (it.event_type, it.reason)).collect();
            assert_eq!(entries, expected, "{what}: {said:#?}");
            let why = said[0].details.iter().chain(&said[0].why).any(|text| !text.is_empty());
            assert!(why, "{what}: it says why: {}", said[0]);
        }
    }
    talks(&bystander).await;
}

#[tokio::test]
async fn a_client_that_says_half_a_packet_and_no_more_holds_up_nobody() {
    let emulator = Emulator::start();
    let device = trusted(&emulator.iot_core(), "Device");
    let bystander = bystander(&emulator).await;
    let mut silent = Vec::new();
    for length in [0, 1, 2, 7, CONNECT.len() - 1] {
        let mut wire = device.open().await.expect("a handshake");
        wire.send(&CONNECT[..length]).await;
        silent.push(wire);
        talks(&bystander).await;
    }
    let half = [b"\x30\x80\x90\x09\x00\x01a".as_slice(), &[0; 70_000]].concat();
    for (client, length) in [(b'1', 1), (b'2', 3), (b'3', half.len())] {
        let mut wire = device.open().await.expect("a handshake");
        wire.send(&[&CONNECT[..CONNECT.len() - 1], &[client]].concat()).await;
        assert_eq!(wire.packet().await[0], 0x20, "a CONNACK");
        wire.send(&half[..length]).await;
        silent.push(wire);
        talks(&bystander).await;
    }
    assert_eq!(failures(&emulator, 0).len(), 0, "nobody was refused: {}", emulator.trace());
    drop(silent);
    talks(&bystander).await;
}

#[tokio::test]
async fn a_client_that_writes_byte_by_byte_is_served_like_any_other() {
    let emulator = Emulator::start();
    let device = trusted(&emulator.iot_core(), "Device");
    let mut wire = device.open().await.expect("a handshake");
    let subscribe = b"\x82\x08\x00\x01\x00\x03a/b\x01";
    let publish = b"\x32\x09\x00\x03a/b\x00\x07hi";
    for byte in [CONNECT, subscribe, publish, b"\xc0\x00"].concat() {
        wire.send(&[byte]).await;
    }
    let mut came = Vec::new();
    for _packet in 0..5 {
        came.push(wire.packet().await[0]);
    }
    came.sort_unstable();
    assert_eq!(came, [0x20, 0x32, 0x40, 0x90, 0xD0], "CONNACK, the message, PUBACK, SUBACK, pong");
}

// === memory ===

/// Says to the test below that it has a process of its own.
const OWN_PROCESS: &str = "MEMORY_OF_HOSTILE_CLIENTS";
/// What the flood is made of: 150 MB, of which a broker without bounds would keep all.
const FLOOD: usize = 1500;
const PAYLOAD: usize = 100 * 1024;
/// Half a packet of the largest size.
const HALF: usize = 75_000;
/// Clients that keep half a packet to themselves.
const HALVES: u8 = 60;

/// The memory of this process in bytes, where the system tells it as Linux does.
fn resident() -> Option<usize> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    Some(line.trim().strip_suffix(" kB")?.parse::<usize>().ok()? * 1024)
}

/// Measured in a process of its own, as all tests of one binary share their memory.
#[test]
fn whatever_hostile_clients_do_memory_stays_bounded() {
    if std::env::var_os(OWN_PROCESS).is_some() {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        return runtime.expect("a runtime").block_on(floods_hostile_clients());
    }
    let this = std::env::current_exe().expect("the path of this executable");
    let name = "hostile::whatever_hostile_clients_do_memory_stays_bounded";
    let mut again = std::process::Command::new(this);
    let output = again.args(["--exact", name, "--nocapture"]).env(OWN_PROCESS, "1").output();
    let output = output.expect("it runs");
    let said = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    assert!(output.status.success(), "{}{}", said(&output.stdout), said(&output.stderr));
}

/// A subscriber of `flood` at this QoS.
async fn subscriber(device: &Device, client: u8, qos: u8) -> Wire {
    let mut wire = device.open().await.expect("a handshake");
    wire.send(&[&CONNECT[..CONNECT.len() - 1], &[client]].concat()).await;
    assert_eq!(wire.packet().await[0], 0x20, "a CONNACK");
    wire.send(&[b"\x82\x0a\x00\x01\x00\x05flood".as_slice(), &[qos]].concat()).await;
    assert_eq!(wire.packet().await[0], 0x90, "a SUBACK");
    wire
}

async fn floods_hostile_clients() {
    let emulator = Emulator::start();
    let iot = emulator.iot_core();
    let device = trusted(&iot, "Device");
    let bystander = bystander(&emulator).await;
    let publisher = trusted(&iot, "Publisher").connect("publisher").await.expect("a connection");
    talks(&bystander).await;
    let before = resident();
    let mut hostile = Vec::new();
    // It never reads; it takes what the window lets through, and acknowledges nothing.
    hostile.push(subscriber(&device, 1, 0).await);
    hostile.push(subscriber(&device, 2, 1).await);
    let mut taker = subscriber(&device, 3, 1).await;
    let taking = tokio::spawn(async move {
        for _message in 0..100 {
            taker.packet().await;
        }
        taker
    });
    // Half a huge packet, a byte of which comes now and then.
    for client in 0..HALVES {
        let mut wire = device.open().await.expect("a handshake");
        wire.send(&[&CONNECT[..CONNECT.len() - 1], &[b'A' + client]].concat()).await;
        assert_eq!(wire.packet().await[0], 0x20, "a CONNACK");
        wire.send(&[b"\x30\x80\x90\x09\x00\x01a".as_slice(), &[0; HALF]].concat()).await;
        hostile.push(wire);
    }
    for number in 0..FLOOD {
        publisher.publish("flood", vec![b'x'; PAYLOAD]).await.expect("a PUBACK");
        if number % 100 == 0 {
            for wire in &mut hostile[2..] {
                wire.send(b"x").await;
            }
            talks(&bystander).await;
        }
    }
    hostile.push(taking.await.expect("it takes a hundred"));
    let grown = resident().zip(before).map_or(0, |(now, before)| now.saturating_sub(before));
    // Three queues of 16 MiB, which share most of their messages, and the encoded copies of those
    // that are on their way; the read buffers of the halves.
    assert!(grown < 90 << 20, "{} MiB more than before", grown >> 20);
    // What was dropped is told, and does not fill the trace.
    let dropped = failures(&emulator, 0);
    assert!(dropped.iter().all(|it| it.reason == Some("MessageDropped")), "{dropped:#?}");
    assert!((3..1000).contains(&dropped.len()), "{} entries", dropped.len());
    drop(hostile);
    talks(&bystander).await;
}
