//! A client's connection over a stream in memory, while the time of the machine stands still until
//! everybody waits: what no test over a socket could wait for.

use std::sync::Arc;
use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, DuplexStream, duplex};
use tokio::task::JoinHandle;
use tokio::time::{Instant, advance, timeout};

use super::mqtt::{Carrier, End, greet};
use crate::cloud::Cloud;
use crate::config::Config;
use crate::iot_core::{IotCore, Peer, Principal};
use crate::listeners;

/// The version of MQTT as CONNECT says it.
const MQTT_311: u8 = 4;
const MQTT_5: u8 = 5;
const PINGREQ: [u8; 2] = [0xC0, 0];
const PINGRESP: [u8; 2] = [0xD0, 0];

impl Carrier for DuplexStream {
    fn end(&self) -> End {
        End::Lost
    }

    async fn hang_up(self) {}
}

struct Stage {
    cloud: Cloud,
    iot_core: IotCore,
}

impl Stage {
    fn new() -> Self {
        let config = Config { seed: Some(7), ..Config::default() };
        let bound = listeners::bind(&config).unwrap();
        let (cloud, _jobs) = Cloud::new(config, bound.addresses(), None).unwrap();
        let iot_core = cloud.regional(cloud.default_scope()).iot_core;
        Self { cloud, iot_core }
    }

    /// A client whose stream holds `room` bytes each way, and the task that serves it. It may do
    /// everything.
    async fn connect(&self, level: u8, keep_alive: u16, room: usize) -> (DuplexStream, Served) {
        self.connect_as(b'c', level, keep_alive, room).await
    }

    /// The same, as a client with this client ID.
    async fn connect_as(
        &self,
        client_id: u8,
        level: u8,
        keep_alive: u16,
        room: usize,
    ) -> (DuplexStream, Served) {
        let (mut client, server) = duplex(room);
        let (cloud, iot_core) = (self.cloud.clone(), self.iot_core.clone());
        let address = ([127, 0, 0, 1], 50_000).into();
        let (server_name, by_name, protocol, ends) = (None, false, "MQTT", None);
        let peer = Peer { address, local: address, server_name, by_name, protocol, ends };
        let served = tokio::spawn(async move {
            let identify = |_: &_| Ok(Arc::new(Principal::signed("AKIDEXAMPLE", None)));
            let link = greet(&cloud, iot_core, peer, server, identify).await;
            link.expect("a CONNECT that is permitted").run().await;
        });
        let [high, low] = keep_alive.to_be_bytes();
        let mut connect = vec![0, 4, b'M', b'Q', b'T', b'T', level, 2, high, low];
        connect.extend(if level == MQTT_5 { &[0][..] } else { &[] });
        connect.extend([0, 1, client_id]);
        client.write_all(&[0x10, u8::try_from(connect.len()).unwrap()]).await.unwrap();
        client.write_all(&connect).await.unwrap();
        let mut head = [0; 2];
        client.read_exact(&mut head).await.unwrap();
        let mut connack = vec![0; usize::from(head[1])];
        client.read_exact(&mut connack).await.unwrap();
        assert_eq!((head[0], connack[1]), (0x20, 0), "CONNACK {connack:02X?}");
        (client, served)
    }

    /// Why the client's last connection ended, in AWS's words.
    fn reason(&self) -> Option<String> {
        let entries = self.cloud.trace().entries();
        let mut ends = entries.iter().filter(|entry| entry.event_type == "Disconnect");
        ends.next_back().and_then(|end| end.value("disconnectReason").map(str::to_owned))
    }
}

type Served = JoinHandle<()>;

/// All that still comes, and how long it takes until the end.
async fn rest(client: &mut DuplexStream) -> (Vec<u8>, Duration) {
    let (mut rest, begun) = (Vec::new(), Instant::now());
    client.read_to_end(&mut rest).await.unwrap();
    (rest, begun.elapsed())
}

#[tokio::test(start_paused = true)]
async fn c31_a_silent_client_is_cut_off_after_one_and_a_half_times_its_keep_alive() {
    // What it asked for; seconds after which it is cut off.
    for (asked, seconds) in [(6, 45), (30, 45), (60, 90), (1200, 1800), (0, 1800), (u16::MAX, 1800)]
    {
        for (level, last_words) in [(MQTT_311, &[][..]), (MQTT_5, &[0xE0, 2, 0x8D, 0])] {
            let stage = Stage::new();
            let (mut client, served) = stage.connect(level, asked, 4096).await;
            let (said, after) = rest(&mut client).await;
            assert_eq!(said, last_words, "level {level}, keep-alive {asked}");
            assert_eq!(after.as_secs(), seconds, "level {level}, keep-alive {asked}");
            served.await.unwrap();
            assert_eq!(stage.reason().as_deref(), Some("MQTT_KEEP_ALIVE_TIMEOUT"));
        }
    }
}

#[tokio::test(start_paused = true)]
async fn c31_every_whole_packet_counts_and_nothing_less() {
    let stage = Stage::new();
    let (mut client, served) = stage.connect(MQTT_311, 30, 4096).await;
    for _ in 0..3 {
        advance(Duration::from_secs(44)).await;
        client.write_all(&PINGREQ).await.unwrap();
        let mut answer = [0; 2];
        client.read_exact(&mut answer).await.unwrap();
        assert_eq!(answer, PINGRESP);
    }
    // The first byte of a PINGREQ, and never the second.
    advance(Duration::from_secs(44)).await;
    client.write_all(&PINGREQ[..1]).await.unwrap();
    let (said, after) = rest(&mut client).await;
    assert_eq!((said, after.as_secs()), (vec![], 1));
    served.await.unwrap();
}

/// `SUBSCRIBE` to `t`, and its SUBACK taken.
async fn subscribe(client: &mut DuplexStream) {
    client.write_all(&[0x82, 6, 0, 1, 0, 1, b't', 0]).await.unwrap();
    let mut suback = [0; 5];
    client.read_exact(&mut suback).await.unwrap();
    assert_eq!(suback, [0x90, 3, 0, 1, 0]);
}

/// A PUBLISH of QoS 0 to `t` with 1,000 bytes.
fn publish() -> Vec<u8> {
    let mut packet = vec![0x30, 0xEB, 0x07, 0, 1, b't'];
    packet.extend([b'x'; 1000]);
    packet
}

#[tokio::test(start_paused = true)]
async fn a_client_that_takes_slowly_is_heard_all_the_same() {
    let stage = Stage::new();
    let (mut client, served) = stage.connect(MQTT_311, 30, 512).await;
    subscribe(&mut client).await;
    // What it publishes comes back to it, and soon more waits than the stream holds.
    for _ in 0..100 {
        client.write_all(&publish()).await.unwrap();
    }
    for _ in 0..5 {
        advance(Duration::from_secs(40)).await;
        client.write_all(&PINGREQ).await.unwrap();
    }
    let mut all = vec![0; 100 * publish().len() + 5 * PINGRESP.len()];
    client.read_exact(&mut all).await.unwrap();
    assert_eq!(all.iter().filter(|byte| **byte == b'x').count(), 100 * 1000);
    drop(client);
    served.await.unwrap();
    assert_eq!(stage.reason().as_deref(), Some("CONNECTION_LOST"));
}

#[tokio::test(start_paused = true)]
async fn a_client_that_takes_nothing_is_read_from_no_more_and_cut_off() {
    let stage = Stage::new();
    let (mut client, served) = stage.connect(MQTT_311, 30, 512).await;
    // Each is answered by two bytes, and 256 KiB of them may wait.
    let pings = PINGREQ.repeat(1024);
    let mut taken = 0;
    while timeout(Duration::from_secs(1), client.write_all(&pings)).await.is_ok() {
        taken += pings.len();
    }
    assert!((256 * 1024..300 * 1024).contains(&taken), "{taken}");
    let begun = Instant::now();
    served.await.unwrap();
    assert!(begun.elapsed() <= Duration::from_secs(46), "{:?}", begun.elapsed());
    assert_eq!(stage.reason().as_deref(), Some("MQTT_KEEP_ALIVE_TIMEOUT"));
}

#[tokio::test(start_paused = true)]
async fn a_client_is_served_while_another_floods() {
    const FLOOD: usize = 8 * 1024 * 1024;
    let stage = Stage::new();
    let (mut flooder, _) = stage.connect_as(b'f', MQTT_311, 30, FLOOD).await;
    let (mut other, _) = stage.connect_as(b'o', MQTT_311, 30, 4096).await;
    let packets = FLOOD / publish().len();
    flooder.write_all(&publish().repeat(packets)).await.unwrap();
    let mut before = 0;
    for round in 1..=5 {
        other.write_all(&PINGREQ).await.unwrap();
        let mut answer = [0; 2];
        other.read_exact(&mut answer).await.unwrap();
        assert_eq!(answer, PINGRESP);
        let obeyed = stage.iot_core.metric("PublishIn.Success", &[]).unwrap();
        let bytes = (obeyed - before) as usize * publish().len();
        assert!(bytes <= 1024 * 1024, "{bytes} bytes of the flood went first in round {round}");
        before = obeyed;
    }
    assert!(before > 0, "the flood is under way");
}

/// A PUBLISH of QoS 1 in MQTT 5 with the topic alias 1.
fn publish_by_alias(topic: &str) -> Vec<u8> {
    let length = u16::try_from(topic.len()).unwrap();
    let mut body = Vec::from(length.to_be_bytes());
    body.extend(topic.as_bytes());
    body.extend([0, 7, 3, 0x23, 0, 1]);
    let septet = |length: usize| u8::try_from(length % 128).unwrap();
    let head = match body.len() {
        short @ ..128 => vec![0x32, septet(short)],
        long => vec![0x32, septet(long) | 0x80, septet(long / 128)],
    };
    [head, body].concat()
}

#[tokio::test(start_paused = true)]
async fn an_alias_stands_for_no_topic_that_is_longer_than_any_may_be() {
    let longest = format!("$aws/rules/{}/{}", "r".repeat(128), "t".repeat(256));
    let cases = [
        // The topic, the code of its PUBACK, and what the alias alone is answered.
        (longest.clone(), 0x00, 0x40),
        ("$reserved".to_owned(), 0x90, 0x40),
        (format!("{longest}t"), 0x90, 0xE0),
        ("t".repeat(10_000), 0x90, 0xE0),
    ];
    for (topic, code, afterwards) in cases {
        let stage = Stage::new();
        let (mut client, served) = stage.connect(MQTT_5, 30, 65_536).await;
        client.write_all(&publish_by_alias(&topic)).await.unwrap();
        client.write_all(&publish_by_alias("")).await.unwrap();
        client.write_all(&[0xE0, 0]).await.unwrap();
        let (said, _) = rest(&mut client).await;
        let bytes = topic.len();
        assert_eq!(said[0], 0x40, "{bytes} bytes: {said:02X?}");
        let reason = if said[1] > 2 { said[4] } else { 0 };
        assert_eq!(reason, code, "{bytes} bytes: {said:02X?}");
        assert_eq!(said[usize::from(said[1]) + 2], afterwards, "{bytes} bytes: {said:02X?}");
        served.await.unwrap();
    }
}
