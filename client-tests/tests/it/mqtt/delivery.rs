//! QoS 1 on its way to a client: again and again without a PUBACK, so many at once, and in order.
//! Truth: spec C40, §3.5; awscrt's own tests for the interval.

use std::time::Duration;

use client_tests::packets::{self, Connect, Published, Said, two};
use client_tests::{Device, Raw, Version};
use iot_emulator::Emulator;

use crate::common::{assert_says, refusal, trusted};

use Version::{Mqtt5, Mqtt311};

/// An emulator whose clock stands still, a subscriber to `news` with QoS 1, and a publisher.
async fn stage(connect: &Connect) -> (Emulator, Raw, Raw) {
    let emulator = Emulator::builder().manual_clock(true).start().expect("free ports");
    let device: Device = trusted(&emulator.iot_core(), "Device");
    let mut live = connect.accepted(&device).await;
    live.subscribe(&[("news", 1)]).await;
    let publisher = Connect::new(Mqtt5, "publisher").accepted(&device).await;
    (emulator, live, publisher)
}

async fn publish(publisher: &mut Raw, qos: u8, payload: &str) {
    publisher.send(&packets::publish(Mqtt5, "news", qos, &[], payload.as_bytes())).await;
    publisher.so_far().await;
}

async fn advance(emulator: &Emulator, milliseconds: u64) {
    emulator.advance(Duration::from_millis(milliseconds)).await.expect("a manual clock");
}

/// All that has come by now, and what follows from what was sent.
async fn come(emulator: &Emulator, live: &mut Raw) -> Vec<Published> {
    let mut said = live.so_far().await;
    emulator.settled().await;
    said.extend(live.so_far().await);
    let published = |said| match said {
        Said::Publish(published) => published,
        other => panic!("{other:?} instead of a PUBLISH"),
    };
    said.into_iter().map(published).collect()
}

fn texts(published: &[Published]) -> Vec<&str> {
    published.iter().map(Published::text).collect()
}

#[tokio::test]
async fn c40_a_message_without_puback_comes_again_every_20_seconds_without_dup() {
    for version in Version::BOTH {
        let (emulator, mut live, mut publisher) = stage(&Connect::new(version, "lamp")).await;
        publish(&mut publisher, 1, "x").await;
        let first = live.published().await;
        assert!(!first.duplicate && first.packet_id > 0);
        for again in 1..=3 {
            advance(&emulator, 19_999).await;
            assert_eq!(come(&emulator, &mut live).await, [], "{version:?} {again}");
            advance(&emulator, 1).await;
            assert_eq!(
                come(&emulator, &mut live).await,
                std::slice::from_ref(&first),
                "{version:?} {again}"
            );
        }
        live.send(&packets::puback(first.packet_id)).await;
        assert_eq!(come(&emulator, &mut live).await, []);
        advance(&emulator, 60_000).await;
        assert_eq!(come(&emulator, &mut live).await, [], "{version:?}: it has been acknowledged");
        assert_eq!(emulator.trace().refusals().len(), 0);
    }
}

#[tokio::test]
async fn c40_after_an_hour_or_960_seconds_a_message_is_dropped_and_the_trace_says_so() {
    for (version, seconds) in [(Mqtt311, 3600), (Mqtt5, 960)] {
        let (emulator, mut live, mut publisher) = stage(&Connect::new(version, "lamp")).await;
        publish(&mut publisher, 1, "never acknowledged").await;
        live.published().await;
        let mut sent = 1;
        while emulator.trace().refusals().is_empty() {
            assert!(sent <= seconds / 20, "{version:?}: no end");
            advance(&emulator, 20_000).await;
            sent += come(&emulator, &mut live).await.len();
        }
        assert_eq!(sent, seconds / 20, "{version:?}");
        let entry = refusal(&emulator, "Publish-Out");
        assert_eq!(entry.reason, Some("MessageDropped"));
        assert_says(&entry, &["lamp", "topicName=news", "no PUBACK", "not sent any more"]);
        // Its place among those in flight is free, and the connection lives on.
        publish(&mut publisher, 1, "next").await;
        assert_eq!(texts(&come(&emulator, &mut live).await), ["next"], "{version:?}");
    }
}

#[tokio::test]
async fn c40_so_many_are_on_their_way_and_what_is_acknowledged_makes_room() {
    let with = |maximum| Connect::new(Mqtt5, "lamp").with(&two(packets::RECEIVE_MAXIMUM, maximum));
    let table = [
        (Connect::new(Mqtt311, "lamp"), 100),
        (Connect::new(Mqtt5, "lamp"), 100),
        (with(1), 1),
        (with(3), 3),
        (with(65_535), 100),
    ];
    for (connect, window) in table {
        let (emulator, mut live, mut publisher) = stage(&connect).await;
        let payloads: Vec<String> = (0..window + 2).map(|number| number.to_string()).collect();
        for payload in &payloads {
            publish(&mut publisher, 1, payload).await;
        }
        let first = come(&emulator, &mut live).await;
        assert_eq!(texts(&first), payloads[..window], "{connect:?}");
        publish(&mut publisher, 0, "QoS 0 passes").await;
        assert_eq!(texts(&come(&emulator, &mut live).await), ["QoS 0 passes"]);
        live.send(&packets::puback(first[0].packet_id)).await;
        let second = come(&emulator, &mut live).await;
        assert_eq!(texts(&second), payloads[window..=window], "{connect:?}");
        // A PUBACK that comes twice, or for nothing, makes no room.
        for packet_id in [first[0].packet_id, 40_000] {
            live.send(&packets::puback(packet_id)).await;
        }
        assert_eq!(come(&emulator, &mut live).await, [], "{connect:?}");
        // What comes again counts once: all of the window, and not one more.
        advance(&emulator, 20_000).await;
        let again = come(&emulator, &mut live).await;
        let mut expected: Vec<&str> = payloads[1..=window].iter().map(String::as_str).collect();
        let mut again = texts(&again);
        expected.sort_unstable();
        again.sort_unstable();
        assert_eq!(again, expected, "{connect:?}");
    }
}

#[tokio::test]
async fn c40_messages_of_both_qos_leave_in_the_order_of_their_coming() {
    for version in Version::BOTH {
        let (emulator, mut live, mut publisher) = stage(&Connect::new(version, "lamp")).await;
        let payloads: Vec<String> = (0..60).map(|number| number.to_string()).collect();
        for (number, payload) in payloads.iter().enumerate() {
            let qos = u8::from(number % 3 == 0);
            publisher.send(&packets::publish(Mqtt5, "news", qos, &[], payload.as_bytes())).await;
        }
        publisher.so_far().await;
        assert_eq!(texts(&come(&emulator, &mut live).await), payloads, "{version:?}");
    }
}

#[tokio::test]
async fn c40_a_message_that_expires_meanwhile_does_not_come_again() {
    let (emulator, mut live, mut publisher) = stage(&Connect::new(Mqtt5, "lamp")).await;
    for (seconds, payload) in [(15, "short"), (30, "long")] {
        let expiry = packets::four(packets::MESSAGE_EXPIRY, seconds);
        let packet = packets::publish(Mqtt5, "news", 1, &expiry, payload.as_bytes());
        publisher.send(&packet).await;
        publisher.said().await;
        let published = live.published().await;
        assert_eq!(published.properties.number(packets::MESSAGE_EXPIRY), Some(seconds));
    }
    advance(&emulator, 20_000).await;
    let again = come(&emulator, &mut live).await;
    assert_eq!(texts(&again), ["long"]);
    assert_eq!(again[0].properties.number(packets::MESSAGE_EXPIRY), Some(10));
    advance(&emulator, 20_000).await;
    assert_eq!(come(&emulator, &mut live).await, []);
}
