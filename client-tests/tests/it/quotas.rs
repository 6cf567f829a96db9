//! AWS's rates over sockets: off unless asked for, then each with AWS's answer and an entry of the
//! trace that names the quota. The clock stands still, so that a second is over when the test says.
//! Truth: <https://docs.aws.amazon.com/general/latest/gr/iot-core.html>.

use std::time::Duration;

use client_tests::packets::{self, Connect};
use client_tests::programs::{self, Shell};
use client_tests::{ConnectError, Device, Mqtt, Version, Wire, binary};
use iot_emulator::{Emulator, Identity, Quotas, allow};
use tempfile::TempDir;

use crate::common::{EVERYTHING, assert_says, publish_over_https, refusal, trusted};

const QUOTA_EXCEEDED: u8 = 0x97;

fn strict() -> Emulator {
    let builder = Emulator::builder().manual_clock(true).quotas(Quotas::Strict);
    builder.start().expect("free ports")
}

async fn pass(emulator: &Emulator, milliseconds: u64) {
    emulator.advance(Duration::from_millis(milliseconds)).await.expect("a manual clock");
}

async fn connected(device: &Device, client_id: &str) -> Mqtt {
    device.connect(client_id).await.expect("a CONNACK")
}

#[tokio::test]
async fn without_strict_a_client_connects_a_hundred_times_in_a_row() {
    let emulator = Emulator::builder().manual_clock(true).start().expect("free ports");
    let device = trusted(&emulator.iot_core(), "Lamp");
    for attempt in 0..100 {
        let version = Version::BOTH[attempt % 2];
        let lamp = device.connect("lamp").speaking(version).await;
        lamp.unwrap_or_else(|error| panic!("{attempt}: {error:?}")).disconnect().await;
    }
    assert_eq!(emulator.trace().refusals().len(), 0, "{}", emulator.trace());
}

#[tokio::test]
async fn a_client_id_connects_once_a_second() {
    for (version, refused, answer) in [
        (Version::Mqtt311, ConnectError::ClosedBeforeConnack, "disconnects, no CONNACK"),
        (Version::Mqtt5, ConnectError::Refused(QUOTA_EXCEEDED), "CONNACK 0x97"),
    ] {
        let emulator = strict();
        let device = trusted(&emulator.iot_core(), "Lamp");
        let first = connected(&device, "lamp").await;
        let again = || async { device.connect("lamp").speaking(version).await };
        assert_eq!(again().await.err(), Some(refused.clone()));
        let entry = refusal(&emulator, "Connect");
        let quota = "CLIENT_ID_THROTTLED: Connect requests per second per client ID: 1 at most";
        assert_says(&entry, &["lamp", quota, answer]);
        assert_eq!(emulator.trace().refusals().len(), 1, "{}", emulator.trace());
        first.publish("still", "here").await.expect("who is connected stays connected");
        let _other = connected(&device, "other").await;
        pass(&emulator, 999).await;
        assert_eq!(again().await.err(), Some(refused));
        pass(&emulator, 1).await;
        again().await.expect("a second is over");
        for (metric, count) in [("ClientIDThrottle", 2), ("Throttle", 0), ("Success", 3)] {
            let name = format!("Connect.{metric}");
            let counted = emulator.iot_core().metric(&name, &[("Protocol", "MQTT")]);
            assert_eq!(counted, Some(count), "{name}");
        }
    }
}

#[tokio::test]
async fn mosquitto_says_that_the_connection_was_lost_and_a_second_later_it_publishes() {
    if !programs::present(&["mosquitto_pub"]).await {
        return;
    }
    let emulator = strict();
    let desk = Desk::new(&emulator, EVERYTHING);
    let port = desk.emulator.mqtt_address().port();
    let publish = format!(
        "mosquitto_pub -h localhost -p {port} --cafile root.pem --cert device.pem \
         --key device.key -i lamp -t a -m x -q 1"
    );
    let _first = desk.shell.run(&publish).await.succeeded();
    desk.shell.run(&publish).await.ended_with(7).said("Error: The connection was lost.");
    let quota = "Connect requests per second per client ID: 1 at most";
    assert_says(&refusal(desk.emulator, "Connect"), &["CLIENT_ID_THROTTLED", quota]);
    pass(desk.emulator, 1000).await;
    let _second = desk.shell.run(&publish).await.succeeded();
}

/// A connection of MQTT 3.1.1 or 5 as client `x`, whose packets are up to the test.
async fn raw(device: &Device, version: Version) -> Wire {
    let mut wire = device.open().await.expect("a handshake");
    wire.send(&Connect::new(version, "x").bytes()).await;
    assert_eq!(wire.packet().await[0], 0x20, "a CONNACK");
    wire
}

/// A PUBLISH with QoS 1.
fn publish(version: Version, topic: &str, packet_id: u16, payload: &[u8]) -> Vec<u8> {
    packets::publish_with(version, 2, packet_id, topic, &[], payload)
}

/// Publishes so many, and the PUBACKs that come before the answer to a ping.
async fn acknowledged(wire: &mut Wire, version: Version, count: u16) -> usize {
    for packet_id in 1..=count {
        wire.send(&publish(version, "a", packet_id, b"x")).await;
    }
    wire.send(b"\xc0\x00").await;
    let mut acknowledged = 0;
    while wire.packet().await[0] == 0x40 {
        acknowledged += 1;
    }
    acknowledged
}

#[tokio::test]
async fn above_a_hundred_publishes_a_second_there_is_no_puback_and_nobody_gets_them() {
    for version in Version::BOTH {
        let emulator = strict();
        let device = trusted(&emulator.iot_core(), "Lamp");
        let watcher = connected(&device, "watcher").await;
        watcher.subscribe("a").await.expect("a SUBACK");
        let mut wire = raw(&device, version).await;
        assert_eq!(acknowledged(&mut wire, version, 150).await, 100, "{version:?}");
        let quota = "THROTTLED: Publish requests per second per connection: 100 at most";
        let discarded = "nothing: the publish is discarded, without PUBACK";
        let entry = refusal(&emulator, "Publish-In");
        assert_says(&entry, &[quota, discarded, "topicName=a"]);
        assert_eq!(entry.value("clientId"), Some("x"));
        assert_eq!(emulator.trace().refusals().len(), 1, "{}", emulator.trace());
        pass(&emulator, 1000).await;
        assert_says(&refusal(&emulator, "Publish-In"), &[quota, "49 times in the last second"]);
        assert_eq!(emulator.trace().refusals().len(), 2, "{}", emulator.trace());
        assert_eq!(acknowledged(&mut wire, version, 1).await, 1);
        connected(&device, "end").await.publish("a", "end").await.expect("a PUBACK");
        let mut received = 0;
        while watcher.next_message().await.expect("the messages").text() != "end" {
            received += 1;
        }
        assert_eq!(received, 101, "{version:?}");
    }
}

#[tokio::test]
async fn c41_stored_messages_come_at_ten_a_second_beside_live_ones() {
    let emulator = strict();
    let device = trusted(&emulator.iot_core(), "Lamp");
    let lamp = device.connect("lamp").persistent().await.expect("a CONNACK");
    lamp.subscribe_all(&["a", "live"], 1).await.expect("a SUBACK");
    lamp.disconnect().await;
    let publisher = connected(&device, "publisher").await;
    for number in 0..25 {
        publisher.publish("a", number.to_string()).await.expect("a PUBACK");
    }
    pass(&emulator, 1000).await;
    let lamp = device.connect("lamp").persistent().await.expect("a CONNACK");
    for stored in [1, 10, 10, 4] {
        emulator.settled().await;
        publisher.publish("live", "x").await.expect("a PUBACK");
        assert_eq!(lamp.messages_before("live").await.len(), stored);
        pass(&emulator, 1000).await;
    }
}

#[tokio::test]
async fn c39_a_topic_takes_one_retained_publish_a_second() {
    let emulator = strict();
    let device = trusted(&emulator.iot_core(), "Lamp");
    let mut wire = raw(&device, Version::Mqtt5).await;
    for packet_id in 1..=3_u16 {
        let payload = packet_id.to_be_bytes();
        let retained = packets::publish_with(Version::Mqtt5, 2 | 1, packet_id, "a", &[], &payload);
        wire.send(&retained).await;
    }
    wire.send(b"\xc0\x00").await;
    assert_eq!(wire.packet().await[..4], [0x40, 2, 0, 1], "the first is acknowledged");
    assert_eq!(wire.packet().await, [0xd0, 0], "the others are not");
    let quota = "Retained message inbound publish requests per second per topic: 1 at most";
    assert_says(&refusal(&emulator, "Publish-In"), &["THROTTLED", quota, "topicName=a"]);
    assert_eq!(publish_over_https(&device, "a").await, "200", "without RETAIN it is let through");
    assert_eq!(publish_over_https(&device, "a?retain=true&x=").await, "429");
    assert_says(&refusal(&emulator, "Publish-In"), &["THROTTLED", quota, "HTTP 429"]);
    pass(&emulator, 1000).await;
    assert_eq!(publish_over_https(&device, "a?retain=true&x=").await, "200");
}

#[tokio::test]
async fn c42_a_group_takes_a_hundred_subscribes_and_unsubscribes_a_second() {
    let emulator = strict();
    let device = trusted(&emulator.iot_core(), "Lamp");
    let lamp = device.connect("lamp").mqtt5().await.expect("a CONNACK");
    for _ in 0..50 {
        assert_eq!(lamp.subscribe("$share/g/a").await, Ok(1));
        assert_eq!(lamp.unsubscribe("$share/g/a").await, Ok(vec![0]));
    }
    let quota = "Subscribe and unsubscribe requests per second per group: 100 at most";
    assert_eq!(lamp.subscribe("$share/g/a").await, Ok(QUOTA_EXCEEDED));
    assert_says(&refusal(&emulator, "Subscribe"), &["THROTTLED", quota, "SUBACK 0x97"]);
    assert_eq!(lamp.unsubscribe("$share/g/a").await, Ok(vec![0x80]));
    assert_says(&refusal(&emulator, "Unsubscribe"), &["THROTTLED", quota, "UNSUBACK 0x80"]);
    assert_eq!(lamp.subscribe_all(&["$share/h/a", "a"], 1).await, Ok(vec![1, 1]));
    let old = device.connect("old").await.expect("a CONNACK");
    assert_eq!(old.subscribe("$share/g/a").await, Ok(0x80));
}

#[tokio::test]
async fn data_above_the_throughput_of_a_connection_comes_later() {
    let emulator = strict();
    let device = trusted(&emulator.iot_core(), "Lamp");
    let watcher = connected(&device, "watcher").await;
    watcher.subscribe("b").await.expect("a SUBACK");
    let mut wire = raw(&device, Version::Mqtt311).await;
    let payload = vec![b'x'; 100 * 1024];
    for packet_id in 1..=10 {
        wire.send(&publish(Version::Mqtt311, "a", packet_id, &payload)).await;
    }
    wire.send(&publish(Version::Mqtt311, "b", 11, b"last")).await;
    // So many have room in 512 KB; the last one has not, while the clock stands still.
    for packet_id in 1..=5 {
        assert_eq!(wire.packet().await, [0x40, 2, 0, packet_id]);
    }
    connected(&device, "other").await.publish("b", "meanwhile").await.expect("a PUBACK");
    assert_eq!(watcher.next_message().await.expect("a message").text(), "meanwhile");
    pass(&emulator, 1000).await;
    assert_eq!(watcher.next_message().await.expect("a message").text(), "last");
    for packet_id in 6..=11 {
        assert_eq!(wire.packet().await, [0x40, 2, 0, packet_id], "nothing was dropped");
    }
    let quota = "THROTTLED: Throughput per second per connection: 512 KB at most";
    let entry = refusal(&emulator, "Throughput");
    assert_says(&entry, &[quota, "nothing: what follows is delayed"]);
    assert_eq!(entry.value("clientId"), Some("x"));
}

/// A folder with the files of one device, and the AWS CLI beside it, which does not try again.
struct Desk<'a> {
    emulator: &'a Emulator,
    shell: Shell,
    _folder: TempDir,
}

impl<'a> Desk<'a> {
    /// The device may do `actions`.
    fn new(emulator: &'a Emulator, actions: &[&str]) -> Self {
        let iot = emulator.iot_core();
        let folder = tempfile::tempdir().expect("a folder of our own");
        let mut shell = Shell::new(folder.path());
        for (name, value) in emulator.environment() {
            shell.set(name, value);
        }
        shell.set("AWS_MAX_ATTEMPTS", "1");
        let identity = Identity::self_signed("device");
        iot.register_certificate_without_ca(&identity.certificate_pem());
        iot.create_policy("Desk", allow(actions, "*"));
        iot.attach_policy("Desk", identity.certificate_id());
        shell.write("root.pem", emulator.root_ca_pem());
        shell.write("device.pem", identity.certificate_pem());
        shell.write("device.key", identity.private_key_pem());
        Self { emulator, shell, _folder: folder }
    }
}

#[tokio::test]
async fn c22_the_data_plane_answers_429_above_its_rates() {
    if !programs::present(&["aws"]).await {
        return;
    }
    let emulator = strict();
    let device = trusted(&emulator.iot_core(), "Lamp");
    let lamp = connected(&device, "lamp").await;
    lamp.subscribe("a").await.expect("a SUBACK");
    let desk = Desk::new(&emulator, EVERYTHING);
    let shell = &desk.shell;
    for (command, operation) in [
        ("get-connection", "GetConnection"),
        ("list-subscriptions", "ListSubscriptions"),
        ("delete-connection", "DeleteConnection"),
    ] {
        let line = format!("aws iot-data {command} --client-id");
        let _first = shell.run(&format!("{line} lamp")).await.succeeded();
        let again = shell.run(&format!("{line} lamp")).await;
        let refused = format!("(ThrottlingException) when calling the {operation} operation");
        again.said(&refused).said("Rate exceeded");
        let quota = format!("THROTTLED: {operation} requests per second per client ID: 1 at most");
        let entry = refusal(&emulator, operation);
        assert_says(&entry, &[&quota, "HTTP 429"]);
        assert_eq!(entry.value("clientId"), Some("lamp"));
        let refusals = emulator.trace().refusals();
        let of_operation = refusals.iter().filter(|entry| entry.event_type == operation);
        assert_eq!(of_operation.count(), 1, "{}", emulator.trace());
        // Another client ID has a rate of its own.
        shell.run(&format!("{line} other")).await.said("ResourceNotFoundException");
    }
    pass(&emulator, 1000).await;
    let line = "aws iot-data delete-connection --client-id lamp";
    shell.run(line).await.said("ResourceNotFoundException");
}

#[tokio::test]
async fn c22_direct_messages_count_in_the_publishes_of_their_receiver() {
    if !programs::present(&["curl"]).await {
        return;
    }
    let emulator = strict();
    let device = trusted(&emulator.iot_core(), "Lamp");
    let mut wire = raw(&device, Version::Mqtt311).await;
    assert_eq!(acknowledged(&mut wire, Version::Mqtt311, 99).await, 99);
    let desk = Desk::new(&emulator, &["iot:SendDirectMessage"]);
    let port = emulator.https_address().port();
    let line = format!(
        "curl --silent --cacert root.pem --cert device.pem --key device.key --data hello \
         --write-out '%{{http_code}}' 'https://localhost:{port}/connections/x/messages?topic=t'"
    );
    desk.shell.run(&line).await.succeeded().said("200");
    let words = "The request was denied because request rate exceeded the outbound publish \
                 requests per second per connection";
    desk.shell.run(&line).await.succeeded().said(words).said("429");
    let entry = refusal(&emulator, "SendDirectMessage");
    assert_says(&entry, &["RECEIVE_SESSION_THROTTLED", words, "HTTP 429"]);
    pass(&emulator, 1000).await;
    desk.shell.run(&line).await.succeeded().said("200");
}

#[tokio::test]
async fn the_flag_wins_over_the_environment_and_another_word_is_refused_in_one_line() {
    let folder = tempfile::tempdir().expect("a folder of our own");
    let shell = Shell::new(folder.path());
    let emulator = binary::executable().display().to_string();
    let other = "`some` is neither `sizes` nor `strict`\n";
    let table = [
        ("IOT_EMULATOR_QUOTAS=some", "", format!("iot-emulator: --quotas: {other}")),
        ("IOT_EMULATOR_QUOTAS=strict", "--quotas some", format!("iot-emulator: --quotas: {other}")),
    ];
    for (environment, flags, expected) in table {
        let refused = shell.run(&format!("{environment} {emulator} {flags}")).await.ended_with(2);
        assert_eq!(refused.stderr, expected, "{refused}");
    }
    shell.write("iot-emulator.toml", "quotas = \"some\"\n");
    let refused = shell.run(&emulator).await.ended_with(2);
    refused.said("line 1").said("`sizes` or `strict`");
    assert_eq!(refused.stderr.lines().count(), 1, "{refused}");
    shell.write("iot-emulator.toml", "quotas = \"strict\"\n");
    let _ran =
        shell.run(&format!("IOT_EMULATOR_QUOTAS=sizes {emulator} exec true")).await.succeeded();
}
