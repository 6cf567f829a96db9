//! Clients that do not keep up: they hold up neither the end of their own connection nor the
//! answers to what they ask meanwhile.

use client_tests::{Device, PATIENCE, Wire};
use iot_emulator::Emulator;
use serde_json::json;
use tokio::time::timeout;

use crate::common::trusted;

/// A CONNECT of MQTT 3.1.1 with a clean session as client `x`, kept alive for 20 minutes.
const CONNECT: &[u8] = b"\x10\x0d\x00\x04MQTT\x04\x02\x04\xb0\x00\x01x";
/// A SUBSCRIBE to `flood` with QoS 0.
const SUBSCRIBE: &[u8] = b"\x82\x0a\x00\x01\x00\x05flood\x00";

/// A PUBLISH to `flood` with QoS 0; its subscribers get the same bytes.
const PUBLISH: &[u8] = b"\x30\x08\x00\x05floodx";

async fn subscriber(device: &Device) -> Wire {
    let mut wire = device.open().await.expect("a handshake");
    wire.send(CONNECT).await;
    assert_eq!(wire.packet().await[0], 0x20, "a CONNACK");
    wire.send(SUBSCRIBE).await;
    assert_eq!(wire.packet().await[0], 0x90, "a SUBACK");
    wire
}

/// More than the buffers of both ends of a socket hold.
async fn flood(device: &Device) {
    let publisher = device.connect("publisher").await.expect("a connection");
    let payload = vec![b'x'; 100 * 1024];
    for _ in 0..300 {
        publisher.publish("flood", &payload).await.expect("a PUBACK");
    }
}

#[tokio::test]
async fn a_client_that_takes_nothing_is_let_go_when_its_connection_is_over() {
    for taken_over in [true, false] {
        let emulator = Emulator::start();
        let iot = emulator.iot_core();
        let device = trusted(&iot, "Device");
        let stuck = subscriber(&device).await;
        flood(&trusted(&iot, "Publisher")).await;
        let newcomer = if taken_over {
            Some(device.connect("x").await.expect("the newcomer wins"))
        } else {
            let id = device.certificate_id().to_string();
            let input = json!({ "certificateId": id, "newStatus": "INACTIVE" });
            iot.call("UpdateCertificate", input).expect("it was ACTIVE");
            None
        };
        // It fails after five seconds; the keep-alive would let the old connection live for thirty
        // minutes.
        emulator.settled().await;
        drop((stuck, newcomer));
    }
}

#[tokio::test]
async fn a_client_is_answered_while_it_is_flooded() {
    let emulator = Emulator::start();
    let iot = emulator.iot_core();
    let device = trusted(&iot, "Device");
    let mut flooded = subscriber(&device).await;
    let publisher = trusted(&iot, "Publisher");
    let mut floods = tokio::task::JoinSet::new();
    for client in [b'1', b'2'] {
        let mut wire = publisher.open().await.expect("a handshake");
        let mut connect = CONNECT.to_vec();
        *connect.last_mut().expect("its client ID") = client;
        wire.send(&connect).await;
        assert_eq!(wire.packet().await[0], 0x20, "a CONNACK");
        let packets = PUBLISH.repeat(10_000);
        floods.spawn(async move {
            loop {
                wire.send(&packets).await;
                tokio::task::yield_now().await;
            }
        });
    }
    // Until the flood has begun.
    flooded.read(100_000 * PUBLISH.len()).await;
    flooded.send(b"\xc0\x00").await;
    let answered = async {
        // The two bytes of a PINGRESP move all that follow.
        while flooded.read(1000 * PUBLISH.len()).await.starts_with(PUBLISH) {}
    };
    timeout(PATIENCE, answered).await.expect("a PINGRESP");
}
