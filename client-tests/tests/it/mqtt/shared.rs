//! Shared subscriptions: each message to one member of a group, in either version of MQTT.
//!
//! How many groups and members there may be, and what a full group drops, stands in the broker's
//! own tests.
//! Truth: <https://docs.aws.amazon.com/iot/latest/developerguide/mqtt.html>.

use client_tests::{Mqtt, Version};
use iot_emulator::{Emulator, allow};

use super::packets::{Answer, anybody, exchange, subscribe};
use crate::common::{assert_ended, assert_says, enrolled, refusal, trusted};

use Version::{Mqtt5, Mqtt311};

/// The payloads that came so far; the client hears a topic of its own as well.
async fn so_far(mqtt: &Mqtt) -> Vec<String> {
    let end = anybody();
    mqtt.subscribe(&end).await.expect("a SUBACK");
    mqtt.publish(&end, "x").await.expect("a PUBACK");
    let messages = mqtt.messages_before(&end).await;
    mqtt.unsubscribe(&end).await.expect("an UNSUBACK");
    messages.iter().map(|message| message.text().to_owned()).collect()
}

#[tokio::test]
async fn c42_each_message_goes_to_one_of_those_who_are_online() {
    let emulator = Emulator::builder().seed(7).start().expect("free ports");
    let device = trusted(&emulator.iot_core(), "Device");
    let sender = device.connect("sender").await.expect("allowed");
    // Members of both versions and both QoS, one of them away.
    let mut members = Vec::new();
    for (version, qos) in [(Mqtt311, 0), (Mqtt311, 1), (Mqtt5, 0), (Mqtt5, 1)] {
        let member = device.connect(&anybody()).speaking(version).await.expect("allowed");
        assert_eq!(member.subscribe_all(&["$share/g/work/+"], qos).await, Ok(vec![qos]));
        members.push((member, qos));
    }
    let away = device.connect("away").persistent().await.expect("allowed");
    away.subscribe("$share/g/work/+").await.expect("a SUBACK");
    away.disconnect().await;

    let mut sent: Vec<String> = (0..80).map(|number| format!("{number:02}")).collect();
    for (number, text) in sent.iter().enumerate() {
        let topic = format!("work/{}", number % 3);
        sender.publish_with(&topic, text, (number % 2) as u8, false).await.expect("taken");
    }
    sender.publish("end", "x").await.expect("a PUBACK behind all of them");
    let mut received = Vec::new();
    for (member, qos) in &members {
        member.subscribe("end").await.expect("a SUBACK");
        member.publish("end", "x").await.expect("a PUBACK");
        let messages = member.messages_before("end").await;
        member.unsubscribe("end").await.expect("an UNSUBACK");
        assert!(!messages.is_empty(), "chance leaves nobody out of eighty");
        for message in messages {
            let number: u8 = message.text().parse().expect("a number");
            assert_eq!(message.qos, (number % 2).min(*qos), "the lower of both sides");
            received.push(message.text().to_owned());
        }
    }
    received.sort_unstable();
    sent.sort_unstable();
    assert_eq!(received, sent, "each once, and none to a member that is away");
}

#[tokio::test]
async fn c42_name_and_filter_make_a_group_and_each_group_gets_a_copy() {
    let emulator = Emulator::start();
    let device = trusted(&emulator.iot_core(), "Device");
    let sender = device.connect("sender").await.expect("allowed");
    for version in Version::BOTH {
        let mqtt = device.connect(&anybody()).speaking(version).await.expect("allowed");
        // Three groups and a subscription of its own, and no group that does not match.
        let filters = ["$share/g/a/b", "$share/g/a/+", "$share/h/a/b", "a/b", "$share/g/b"];
        mqtt.subscribe_all(&filters, 1).await.expect("a SUBACK");
        // Another member of one of them takes some of its messages.
        let other = device.connect(&anybody()).speaking(version).await.expect("allowed");
        other.subscribe("$share/h/a/b").await.expect("a SUBACK");
        sender.publish("a/b", "x").await.expect("a PUBACK");
        let copies = so_far(&mqtt).await.len() + so_far(&other).await.len();
        assert_eq!(copies, 4, "{version:?}");
        // A group is left filter by filter.
        mqtt.unsubscribe("$share/g/a/b").await.expect("an UNSUBACK");
        sender.publish("a/b", "x").await.expect("a PUBACK");
        let copies = so_far(&mqtt).await.len() + so_far(&other).await.len();
        assert_eq!(copies, 3, "{version:?}");
        mqtt.disconnect().await;
        other.disconnect().await;
    }
}

#[tokio::test]
async fn c34_c42_what_one_member_may_not_receive_another_gets() {
    let emulator = Emulator::builder().seed(7).start().expect("free ports");
    let iot = emulator.iot_core();
    let device = trusted(&iot, "Device");
    let deaf = enrolled(&iot, "Deaf", allow(&["iot:Connect", "iot:Subscribe"], "*"));
    let sender = device.connect("sender").await.expect("allowed");
    for version in Version::BOTH {
        let member = device.connect(&anybody()).speaking(version).await.expect("allowed");
        let deaf = deaf.connect(&anybody()).speaking(version).await.expect("allowed");
        for member in [&member, &deaf] {
            member.subscribe("$share/g/a").await.expect("a SUBACK");
        }
        let sent: Vec<String> = (0..20).map(|number| format!("{number:02}")).collect();
        for text in &sent {
            sender.publish("a", text.as_str()).await.expect("a PUBACK");
        }
        emulator.settled().await;
        let mut received = so_far(&member).await;
        received.sort_unstable();
        assert_eq!(received, sent, "{version:?}: each once");
        let answer = "nothing: another member of the group gets the message";
        assert_says(&refusal(&emulator, "Publish-Out"), &["AUTHORIZATION_FAILURE", answer]);
        // Nobody is left who may.
        member.disconnect().await;
        sender.publish("a", "nobody's").await.expect("a PUBACK");
        emulator.settled().await;
        let answer = "nothing: the message is not delivered";
        assert_says(&refusal(&emulator, "Publish-Out"), &["AUTHORIZATION_FAILURE", answer]);
        deaf.disconnect().await;
    }
}

#[tokio::test]
async fn c42_messages_wait_while_only_a_persistent_member_is_left() {
    let emulator = Emulator::start();
    let device = trusted(&emulator.iot_core(), "Device");
    let sender = device.connect("sender").await.expect("allowed");
    for version in Version::BOTH {
        // The member's QoS; what waits for it while it is away.
        for (qos, expected) in [(1, &["sure", "kept"][..]), (0, &[])] {
            let id = anybody();
            let member = || device.connect(&id).speaking(version).persistent();
            let first = member().await.expect("allowed");
            first.subscribe_all(&["$share/g/a"], qos).await.expect("a SUBACK");
            first.disconnect().await;
            for (text, qos, retain) in [("sure", 1, false), ("lost", 0, false), ("kept", 1, true)] {
                sender.publish_with("a", text, qos, retain).await.expect("taken");
            }
            sender.publish("end", "x").await.expect("a PUBACK behind all of them");
            let again = member().await.expect("allowed");
            assert!(again.session_present());
            assert_eq!(so_far(&again).await, expected, "{version:?} {qos}");
            again.unsubscribe("$share/g/a").await.expect("an UNSUBACK");
            again.disconnect().await;
        }
        // A member without a session leaves nothing that could wait.
        let member = device.connect(&anybody()).speaking(version).await.expect("allowed");
        member.subscribe("$share/g/a").await.expect("a SUBACK");
        member.disconnect().await;
        sender.publish("a", "nobody's").await.expect("a PUBACK");
        let newcomer = device.connect(&anybody()).speaking(version).await.expect("allowed");
        newcomer.subscribe("$share/g/a").await.expect("a SUBACK");
        assert_eq!(so_far(&newcomer).await, [""; 0], "{version:?}");
        newcomer.disconnect().await;
    }
}

#[tokio::test]
async fn c42_a_member_that_goes_gives_back_what_it_did_not_acknowledge() {
    let emulator = Emulator::start();
    let device = trusted(&emulator.iot_core(), "Device");
    let sender = device.connect("sender").await.expect("allowed");
    for version in Version::BOTH {
        let leaver = device.connect(&anybody()).speaking(version).without_acknowledging();
        let leaver = leaver.await.expect("allowed");
        leaver.subscribe("$share/g/a").await.expect("a SUBACK");
        for text in ["1", "2", "3"] {
            sender.publish("a", text).await.expect("a PUBACK");
            assert_eq!(leaver.next_message().await.expect("a message").text(), text);
        }
        let stayer = device.connect(&anybody()).speaking(version).await.expect("allowed");
        stayer.subscribe("$share/g/a").await.expect("a SUBACK");
        drop(leaver);
        for text in ["1", "2", "3"] {
            assert_eq!(stayer.next_message().await.expect("a message").text(), text, "{version:?}");
        }
        stayer.disconnect().await;
    }
}

//= https://docs.oasis-open.org/mqtt/mqtt/v5.0/os/mqtt-v5.0-os.html
//# MQTT-3.8.3-4: No Local on a shared subscription is a protocol error
#[tokio::test]
async fn c42_no_local_is_not_for_a_shared_subscription() {
    let emulator = Emulator::start();
    let device = trusted(&emulator.iot_core(), "Device");
    let asked = subscribe(Mqtt5, &[], &[("$share/g/a", 0x05)]);
    assert_eq!(exchange(&device, Mqtt5, &[asked]).await, Answer::Disconnected(0x82));
    assert_ended(&emulator, &["No Local on a shared subscription"]);
    // In MQTT 3.1.1 the same bit is reserved.
    let asked = subscribe(Mqtt311, &[], &[("$share/g/a", 0x05)]);
    assert_eq!(exchange(&device, Mqtt311, &[asked]).await, Answer::HungUp);
    let without = subscribe(Mqtt5, &[], &[("$share/g/a", 0x01), ("a", 0x05)]);
    assert_eq!(exchange(&device, Mqtt5, &[without]).await, Answer::suback(Mqtt5, &[1, 1]));
}
