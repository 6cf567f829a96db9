//! Topics that begin with `$`: AWS's table row by row, one way and the other, in either version of
//! MQTT; and what MQTT tools do with them.
//!
//! Truth: <https://docs.aws.amazon.com/iot/latest/developerguide/reserved-topics.html>.

use client_tests::programs::{self, Shell};
use client_tests::{Device, Version};
use iot_emulator::{Emulator, Identity, allow};

use super::packets::{Answer, exchange, publish, subscribe};
use crate::common::{EVERYTHING, assert_says, refusal, trusted};

use Version::{Mqtt5, Mqtt311};

/// A family of topics; whether clients publish to it, and whether they subscribe.
const TABLE: &[(&str, bool, bool)] = &[
    ("$aws/things/t/shadow/{get,update,delete}", true, true),
    ("$aws/things/t/shadow/name/n/{get,update,delete}", true, true),
    ("$aws/things/t/shadow/{get,update,delete}/{accepted,rejected}", false, true),
    ("$aws/things/t/shadow/update/{delta,documents}", false, true),
    ("$aws/things/t/shadow/name/n/{get,update,delete}/{accepted,rejected}", false, true),
    ("$aws/things/t/shadow/name/n/update/{delta,documents}", false, true),
    ("$aws/things/t/jobs/{get,start-next}", true, false),
    ("$aws/things/t/jobs/j/{get,update}", true, false),
    ("$aws/things/t/jobs/{get,start-next}/{accepted,rejected}", false, true),
    ("$aws/things/t/jobs/j/{get,update}/{accepted,rejected}", false, true),
    ("$aws/things/t/jobs/{notify,notify-next}", false, true),
    ("$aws/certificates/{create,create-from-csr}/{json,cbor}", true, false),
    ("$aws/certificates/{create,create-from-csr}/{json,cbor}/{accepted,rejected}", false, true),
    ("$aws/provisioning-templates/p/provision/{json,cbor}", true, false),
    ("$aws/provisioning-templates/p/provision/{json,cbor}/{accepted,rejected}", false, true),
    ("$aws/rules/r", true, false),
    ("$aws/rules/r/a/b", true, false),
    ("$aws/events/presence/{connected,disconnected,connect_failed}/c", false, true),
    ("$aws/events/subscriptions/{subscribed,unsubscribed}/c", false, true),
    ("$aws/events/certificates/registered/c", false, true),
    ("$aws/events/{thing/t/created,job/j/completed,jobExecution/j/failed}", false, true),
    ("$aws/things/t/defender/metrics/{json,cbor}", true, false),
    ("$aws/things/t/defender/metrics/{json,cbor}/{accepted,rejected}", false, true),
    ("$aws/things/t/streams/s/{get,describe}/{json,cbor}", true, false),
    ("$aws/things/t/streams/s/{data,description,rejected}/{json,cbor}", false, true),
    ("$aws/things/t/tunnels/notify", false, true),
    ("$aws/device_location/d/get_position_estimate", true, false),
    ("$aws/device_location/d/get_position_estimate/{accepted,rejected}", false, true),
    ("$aws/commands/things/d/executions/e/response/{json,cbor}", true, false),
    ("$aws/commands/things/d/executions/e/request", false, true),
    ("$aws/commands/clients/d/executions/e/request/{json,cbor}", false, true),
    ("$aws/commands/things/d/executions/e/response/{accepted,rejected}", false, true),
    ("$aws/sitewise/asset-models/m/assets/a/properties/p", false, true),
    // Nobody's, in either direction.
    ("{$,$aws,$aws/,$SYS,$SYS/broker/version,$mine,$invalid/reserved/topic}", false, false),
    ("$aws/{things/t,things//shadow/get,things/t/shadow,things/t/shadow/put}", false, false),
    ("$aws/{certificates/create/xml,things/t/defender/metrics/xml,unknown/x}", false, false),
    ("{$AWS/rules/r/a,$aws/Rules/r/a,$AWS/events/x,$SHARE/g/a}", false, false),
];

/// `a{b,c}d` written out.
fn written_out(topics: &str) -> Vec<String> {
    let Some((front, rest)) = topics.split_once('{') else { return vec![topics.to_owned()] };
    let (words, back) = rest.split_once('}').expect("a closing brace");
    let choices = words.split(',').map(|word| format!("{front}{word}{back}"));
    choices.flat_map(|topics| written_out(&topics)).collect()
}

fn topics() -> impl Iterator<Item = (String, bool, bool)> {
    TABLE.iter().flat_map(|(topics, publish, subscribe)| {
        written_out(topics).into_iter().map(|topic| (topic, *publish, *subscribe))
    })
}

fn refusals(emulator: &Emulator, event_type: &str) -> usize {
    let refusals = emulator.trace().refusals();
    let of_type = |entry: &&std::sync::Arc<iot_emulator::trace::Entry>| {
        entry.event_type == event_type && entry.reason == Some("CLIENT_ERROR")
    };
    refusals.iter().filter(of_type).count()
}

#[tokio::test]
async fn c37_clients_publish_to_reserved_topics_row_by_row() {
    for version in Version::BOTH {
        let emulator = Emulator::start();
        let device = trusted(&emulator.iot_core(), "Device");
        // Those that are taken end nothing: one client can publish to all.
        let taken: Vec<String> = topics().filter(|row| row.1).map(|row| row.0).collect();
        let packets: Vec<_> =
            taken.iter().map(|topic| publish(version, 2, topic, &[], b"{}")).collect();
        let Answer::Lives(pubacks) = exchange(&device, version, &packets).await else {
            panic!("{version:?}: {}", emulator.trace());
        };
        let Answer::Lives(mut expected) = Answer::puback(version, 0) else { unreachable!() };
        expected.resize(taken.len(), expected[0].clone());
        assert_eq!(pubacks, expected, "{version:?}");
        assert_eq!(refusals(&emulator, "Publish-In"), 0, "{}", emulator.trace());

        let mut refused: Vec<(String, u8)> =
            topics().filter(|row| !row.1).map(|row| (row.0, 2)).collect();
        // Nothing of them can be retained, and with QoS 0 there is no PUBACK to say so.
        refused.extend(taken.into_iter().map(|topic| (topic, 3)));
        refused.extend(["$SYS/x", "$aws/events/x"].map(|topic| (topic.to_owned(), 0)));
        // Whom a PUBACK tells of it, it does not end either.
        let lives = |row: &(String, u8)| version == Mqtt5 && row.1 != 0;
        let (told, refused): (Vec<_>, Vec<_>) = refused.into_iter().partition(lives);
        let packets: Vec<_> =
            told.iter().map(|(topic, flags)| publish(version, *flags, topic, &[], b"{}")).collect();
        let Answer::Lives(mut expected) = Answer::puback(version, 0x90) else { unreachable!() };
        expected.resize(told.len(), expected[0].clone());
        assert_eq!(exchange(&device, version, &packets).await, Answer::Lives(expected));
        assert_eq!(refusals(&emulator, "Publish-In"), told.len(), "{}", emulator.trace());
        for (number, (topic, flags)) in (told.len() + 1..).zip(&refused) {
            let packet = publish(version, *flags, topic, &[], b"{}");
            let expected = Answer::ended(version, 0x90);
            assert_eq!(exchange(&device, version, &[packet]).await, expected, "{topic}");
            let entries = refusals(&emulator, "Publish-In");
            assert_eq!(entries, number, "{topic}: {}", emulator.trace());
        }
    }
}

#[tokio::test]
async fn c37_clients_subscribe_to_reserved_topics_row_by_row() {
    // Filters with wildcards are taken where they reach a row.
    let filters = [
        ("$aws/things/+/shadow/#", true),
        ("$aws/things/t/shadow/+/accepted", true),
        ("$aws/things/#", true),
        ("$aws/things/t/jobs/+/update/+", true),
        ("$aws/events/#", true),
        ("$share/g/$aws/events/#", true),
        ("$aws/certificates/create/+/accepted", true),
        ("$SYS/#", false),
        ("$aws/rules/#", false),
        ("$aws/rules/+/a", false),
        ("$aws/#", false),
        ("$aws/+/x", false),
        ("$share/g/$SYS/#", false),
        ("$share/g/$aws/rules/r", false),
        ("$aws/things/t/shadow/update/accepted/#", false),
    ];
    let filters = filters.map(|(filter, taken)| (filter.to_owned(), taken));
    let (taken, refused): (Vec<_>, Vec<_>) =
        topics().map(|row| (row.0, row.2)).chain(filters).partition(|(_, taken)| *taken);
    for version in Version::BOTH {
        let emulator = Emulator::start();
        let device = trusted(&emulator.iot_core(), "Device");
        for some in taken.chunks(8) {
            let filters: Vec<_> = some.iter().map(|(filter, _)| (filter.as_str(), 1)).collect();
            let answer = exchange(&device, version, &[subscribe(version, &[], &filters)]).await;
            let expected = Answer::suback(version, &vec![1; filters.len()]);
            assert_eq!(answer, expected, "{filters:?}: {}", emulator.trace());
        }
        assert_eq!(refusals(&emulator, "Subscribe"), 0, "{}", emulator.trace());
        // One filter ends a connection of MQTT 3.1.1; MQTT 5 is told of each, eight at once.
        let at_once = if version == Mqtt5 { 8 } else { 1 };
        for (number, some) in (1..).zip(refused.chunks(at_once)) {
            let filters: Vec<_> = some.iter().map(|(filter, _)| (filter.as_str(), 1)).collect();
            let answer = exchange(&device, version, &[subscribe(version, &[], &filters)]).await;
            let expected = match version {
                Mqtt311 => Answer::HungUp,
                Mqtt5 => Answer::suback(version, &vec![0x8F; filters.len()]),
            };
            assert_eq!(answer, expected, "{filters:?}: {}", emulator.trace());
            let entries = refusals(&emulator, "Subscribe");
            assert_eq!(entries, number, "{filters:?}: {}", emulator.trace());
        }
    }
}

//= https://github.com/thomasnordquist/MQTT-Explorer/issues/17
//# a tool that subscribes to `$SYS/#` beside `#` is cut off; the entry says why
#[tokio::test]
async fn c37_g5_a_tool_that_looks_into_sys_is_cut_off() {
    if !programs::present(&["mosquitto_sub"]).await {
        return;
    }
    let emulator = Emulator::start();
    let iot = emulator.iot_core();
    let identity = Identity::self_signed("tool");
    iot.register_certificate_without_ca(&identity.certificate_pem());
    iot.create_policy("Tool", allow(EVERYTHING, "*"));
    iot.attach_policy("Tool", identity.certificate_id());
    let folder = tempfile::tempdir().expect("a folder of our own");
    let shell = Shell::new(folder.path());
    shell.write("ca.pem", emulator.root_ca_pem());
    shell.write("tool.pem", identity.certificate_pem());
    shell.write("tool.key", identity.private_key_pem());
    let port = emulator.mqtt_address().port();
    let line = |version: &str, filters: &str| {
        format!(
            "mosquitto_sub -V {version} -h localhost -p {port} --cafile ca.pem --cert tool.pem \
             --key tool.key -i tool-{version} -d -C 1 {filters}"
        )
    };
    // It tries again and again, until its time is up.
    let cut_off = shell.run(&line("mqttv311", "-W 4 -t '#' -t '$SYS/#'")).await;
    assert_ne!(cut_off.code, Some(0), "{cut_off}");
    cut_off.did_not_say("SUBACK");
    assert_says(&refusal(&emulator, "Subscribe"), &["$SYS/#", "may not subscribe", "disconnects"]);

    // `#` alone is taken, and hears what does not begin with `$`.
    let device = Device::new(&iot, identity);
    let sender = device.connect("sender").await.expect("allowed");
    for version in ["mqttv311", "mqttv5"] {
        let event = format!("$aws/events/subscriptions/subscribed/tool-{version}");
        sender.subscribe(&event).await.expect("a SUBACK");
        let publish = async {
            sender.next_message().await.expect("the event of its subscription");
            sender.publish("hello", "everybody").await.expect("a PUBACK");
        };
        let subscribe = line(version, "-W 20 -t '#'");
        let (tool, ()) = tokio::join!(shell.run(&subscribe), publish);
        tool.succeeded().said("everybody");
    }
    // MQTT 5 is told of each filter, and stays.
    let filters = [("#", 0), ("$SYS/#", 0)];
    let answer = exchange(&device, Mqtt5, &[subscribe(Mqtt5, &[], &filters)]).await;
    assert_eq!(answer, Answer::suback(Mqtt5, &[0, 0x8F]));
}
