//! Who gets a message, how, and when again.

use super::*;
use crate::message::{Properties, QoS};
use crate::quotas;

#[test]
fn c38_a_message_reaches_those_whose_filter_matches_as_aws_matches() {
    let table = [
        ("sensor/#", "sensor", false),
        ("sensor/#", "sensor/", true),
        ("sensor/#", "sensor/a/b", true),
        ("sensor/+", "sensor/a", true),
        ("sensor/+", "sensor/a/b", false),
        ("+/+", "/finance", true),
        ("+", "/finance", false),
        ("#", "a/b", true),
        ("#", "$aws/events/x", false),
        ("+/events/x", "$aws/events/x", false),
        ("$aws/events/#", "$aws/events/x", true),
        ("$aws/+/x", "$aws/events/x", true),
        ("a", "a", true),
        ("a", "a/", false),
        ("a/+/c", "a//c", true),
    ];
    for (filter, topic, expected) in table {
        let mut stage = Stage::default();
        let connection = stage.join("c");
        stage.subscribe(connection, filter, 0);
        stage.publish(topic, "x", 0);
        assert_eq!(stage.receive(connection).len(), usize::from(expected), "{filter} {topic}");
    }
}

#[test]
fn the_lower_qos_counts() {
    for published in [0, 1] {
        for subscribed in [0, 1] {
            let mut stage = Stage::default();
            let connection = stage.join("c");
            stage.subscribe(connection, "a", subscribed);
            stage.publish("a", "x", published);
            let expected = published.min(subscribed);
            assert_eq!(stage.receive(connection), [("a".into(), "x".into(), expected, false)]);
        }
    }
}

#[test]
fn overlapping_subscriptions_get_one_copy_at_the_highest_qos() {
    let orders = [["a/b", "a/+", "#"], ["#", "a/b", "a/+"], ["a/+", "#", "a/b"]];
    for order in orders {
        for best in 0..3 {
            let mut stage = Stage::default();
            let other = stage.join("other");
            stage.subscribe(other, "a/#", 0);
            let connection = stage.join("c");
            for (index, filter) in order.into_iter().enumerate() {
                stage.subscribe(connection, filter, u8::from(index == best));
            }
            stage.publish("a/b", "x", 1);
            assert_eq!(stage.receive(connection), [("a/b".into(), "x".into(), 1, false)]);
            assert_eq!(stage.receive(other), [("a/b".into(), "x".into(), 0, false)]);
        }
    }
}

#[test]
fn no_local_keeps_a_clients_own_messages_from_it() {
    let mut stage = Stage::default();
    let own = stage.connect("own", mqtt5(None)).connection;
    let other = stage.connect("other", mqtt5(None)).connection;
    let no_local = SubscribeOptions { no_local: true, ..options(1) };
    for connection in [own, other] {
        stage.subscribe_with(connection, "a/#", no_local).unwrap();
    }
    let from = |publisher: Option<&str>| Publication {
        payload: publisher.unwrap_or("aws").to_owned().into(),
        publisher: publisher.map(Into::into),
        ..Publication::default()
    };
    stage.publish_with("a/b", from(Some("own")));
    stage.publish_with("a/b", from(None));
    assert_eq!(stage.payloads(own), ["aws"]);
    assert_eq!(stage.payloads(other), ["own", "aws"]);
    // A second filter without no_local lets the message through.
    stage.subscribe(own, "a/b", 0);
    stage.publish_with("a/b", from(Some("own")));
    assert_eq!(stage.payloads(own), ["own"]);
}

#[test]
fn c39_retained_messages_come_only_for_exactly_their_topic() {
    let table = [
        ("a/b", true),
        ("a/+", false),
        ("a/#", false),
        ("#", false),
        ("+/b", false),
        ("a", false),
        ("$share/g/a/b", false),
    ];
    for (filter, expected) in table {
        let mut stage = Stage::default();
        let connection = stage.join("c");
        stage.retain("a/b", "kept", 1);
        stage.subscribe(connection, filter, 1);
        let expected: &[Seen] =
            if expected { &[("a/b".into(), "kept".into(), 1, true)] } else { &[] };
        assert_eq!(stage.receive(connection), expected, "{filter}");
        // A live one is like any other, unless MQTT 5 asks otherwise.
        if filter != "a" {
            stage.retain("a/b", "live", 1);
            let expected = [("a/b".into(), "live".into(), 1, false)];
            assert_eq!(stage.receive(connection), expected, "{filter}");
        }
    }
}

#[test]
fn c39_retain_handling_and_retain_as_published_are_obeyed() {
    use RetainHandling::*;
    // The option; whether the message comes upon the first subscribe, and upon the second.
    for (retain_handling, first, second) in [(Send, 1, 1), (SendIfNew, 1, 0), (DoNotSend, 0, 0)] {
        let mut stage = Stage::default();
        let connection = stage.connect("c", mqtt5(None)).connection;
        stage.retain("a", "kept", 0);
        for expected in [first, second] {
            let options = SubscribeOptions { retain_handling, ..options(1) };
            stage.subscribe_with(connection, "a", options).unwrap();
            assert_eq!(stage.receive(connection).len(), expected, "{retain_handling:?}");
        }
    }
    for (filter, retain_as_published, expected) in
        [("a", false, false), ("a", true, true), ("$share/g/a", true, false)]
    {
        let mut stage = Stage::default();
        let connection = stage.connect("c", mqtt5(None)).connection;
        let options = SubscribeOptions { retain_as_published, ..options(0) };
        stage.subscribe_with(connection, filter, options).unwrap();
        stage.publish("a", "plain", 0);
        stage.retain("a", "kept", 0);
        let received: Vec<_> = stage.receive(connection).into_iter().map(|seen| seen.3).collect();
        assert_eq!(received, [false, expected], "{filter}");
    }
}

#[test]
fn c39_a_retained_message_is_replaced_deleted_and_expires() {
    let mut stage = Stage::default();
    let listener = stage.join("listener");
    stage.subscribe(listener, "a", 0);
    let kept = |stage: &Stage| stage.retained("a");
    stage.retain("a", "one", 0);
    stage.retain("a", "two", 0);
    stage.publish("a", "not kept", 0);
    assert_eq!(kept(&stage).as_deref(), Some("two"));
    stage.retain("a", "", 0);
    assert_eq!(kept(&stage), None);
    assert_eq!(stage.payloads(listener), ["one", "two", "not kept", ""]);

    let expiring = |payload: &str, expiry_seconds| Publication {
        payload: payload.to_owned().into(),
        expiry_seconds,
        retain: Some(Permit::<RetainPublish>::of_aws("a".into())),
        ..Publication::default()
    };
    stage.publish_with("a", expiring("soon gone", Some(10)));
    stage.publish_with("a", expiring("later gone", Some(20)));
    stage.advance(Duration::from_secs(10));
    assert_eq!(kept(&stage).as_deref(), Some("later gone"));
    stage.advance(Duration::from_secs(9));
    let late = stage.join("late");
    stage.subscribe(late, "a", 0);
    assert_eq!(stage.next(late).unwrap().expiry_seconds, Some(1));
    stage.advance(Duration::from_secs(1));
    assert_eq!(kept(&stage), None);
    stage.publish_with("a", expiring("for ever", None));
    stage.publish_with("b", expiring("permit of another topic", None));
    assert_eq!(stage.retained_topics(None), ["a"]);
    assert_eq!(stage.broker.next_deadline(), None);
}

#[test]
fn retained_messages_are_listed_by_topic_from_any_place() {
    let mut stage = Stage::default();
    for topic in ["b", "c", "a/b", "a"] {
        stage.retain(topic, "x", 1);
    }
    let topics = |after| stage.retained_topics(after);
    assert_eq!(topics(None), ["a", "a/b", "b", "c"]);
    assert_eq!(topics(Some("a/b")), ["b", "c"]);
    assert_eq!(topics(Some("bb")), ["c"]);
    assert!(topics(Some("c")).is_empty());
}

#[test]
fn c40_a_message_without_puback_comes_again_on_the_same_connection() {
    let mut stage = Stage::default();
    let connection = stage.join("c");
    stage.subscribe(connection, "a", 1);
    stage.publish("a", "x", 1);
    let first = stage.next(connection).unwrap();
    assert!(stage.next(connection).is_none());
    stage.woken();
    for _again in 0..3 {
        stage.advance(Duration::from_millis(19_999));
        assert!(stage.woken().is_empty());
        assert!(stage.next(connection).is_none());
        stage.advance(Duration::from_millis(1));
        assert_eq!(stage.woken(), [connection]);
        let again = stage.next(connection).unwrap();
        assert_eq!(again.packet_id, first.packet_id);
        assert_eq!(seen(&again), seen(&first));
        assert!(stage.next(connection).is_none());
    }
    // A PUBACK ends it, and a second one finds nothing.
    assert!(stage.broker.acknowledge(connection, first.packet_id.unwrap()));
    assert!(!stage.broker.acknowledge(connection, first.packet_id.unwrap()));
    stage.advance(Duration::from_secs(60));
    assert!(stage.woken().is_empty());
    assert_eq!(stage.broker.next_deadline(), None);
}

#[test]
fn c40_after_an_hour_or_960_seconds_nobody_tries_any_more() {
    for (request, seconds) in [(clean(), 3600), (mqtt5(None), 960)] {
        let mut stage = Stage::default();
        let connection = stage.connect("c", request).connection;
        stage.subscribe(connection, "a", 1);
        stage.publish("a", "x", 1);
        let mut sent = stage.fetch(connection).len();
        while stage.notices().is_empty() {
            stage.advance(Duration::from_secs(20));
            sent += stage.fetch(connection).len();
        }
        assert_eq!(sent, seconds / 20);
        assert_eq!(stage.broker.next_deadline(), None);
    }
}

#[test]
fn c40_a_late_puback_stops_what_was_about_to_come_again() {
    let mut stage = Stage::default();
    let connection = stage.join("c");
    stage.subscribe(connection, "a", 1);
    for payload in ["1", "2", "3"] {
        stage.publish("a", payload, 1);
    }
    let sent = stage.fetch(connection);
    stage.advance(Duration::from_secs(20));
    assert!(stage.broker.acknowledge(connection, sent[1].packet_id.unwrap()));
    stage.publish("a", "4", 1);
    assert_eq!(stage.payloads(connection), ["1", "3", "4"]);
    assert!(stage.next(connection).is_none());
}

#[test]
fn the_window_holds_qos_1_back_and_lets_qos_0_pass() {
    let table = [(None, 100), (Some(1), 1), (Some(3), 3), (Some(65_535), 100), (Some(0), 1)];
    for (receive_maximum, window) in table {
        let mut stage = Stage::default();
        let request = ConnectRequest { receive_maximum, ..mqtt5(None) };
        let connection = stage.connect("c", request).connection;
        stage.subscribe(connection, "a", 1);
        for number in 0..window + 2 {
            stage.publish("a", &number.to_string(), 1);
        }
        assert_eq!(stage.woken(), [connection], "once, until all is fetched");
        let sent = stage.fetch(connection);
        assert_eq!(sent.len(), window);
        stage.publish("a", "held back", 1);
        assert!(stage.woken().is_empty(), "nothing could go out");
        stage.publish("a", "passes", 0);
        assert_eq!(stage.woken(), [connection]);
        assert_eq!(stage.payloads(connection), ["passes"]);
        assert!(stage.broker.acknowledge(connection, sent[0].packet_id.unwrap()));
        assert_eq!(stage.woken(), [connection]);
        assert_eq!(seen(&stage.next(connection).unwrap()).1, window.to_string());
        assert!(stage.next(connection).is_none());
    }
}

#[test]
fn both_qos_leave_in_the_order_of_their_coming() {
    let mut stage = Stage::default();
    let connection = stage.join("c");
    stage.subscribe(connection, "a", 1);
    let expected: Vec<String> = (0..20).map(|number| number.to_string()).collect();
    for (number, payload) in expected.iter().enumerate() {
        stage.publish("a", payload, u8::from(number % 3 == 0));
    }
    assert_eq!(stage.payloads(connection), expected);
}

#[test]
fn packet_ids_wrap_round_and_step_over_those_in_flight() {
    let mut stage = Stage::default();
    let connection = stage.join("c");
    stage.subscribe(connection, "a", 1);
    stage.publish("a", "never acknowledged", 1);
    assert_eq!(stage.next(connection).unwrap().packet_id, Some(1));
    for number in 0..70_000_u32 {
        stage.publish("a", "x", 1);
        let packet_id = stage.next(connection).unwrap().packet_id.unwrap();
        assert_eq!(u32::from(packet_id), number % 65_534 + 2);
        assert!(stage.broker.acknowledge(connection, packet_id));
    }
}

#[test]
fn a_full_queue_drops_what_comes_and_says_so() {
    for away in [false, true] {
        let mut stage = Stage::default();
        let connection = stage.connect("c", persistent()).connection;
        stage.subscribe(connection, "a", 1);
        if away {
            stage.lose(connection);
        }
        for _message in 0..quotas::QUEUED_MESSAGES_PER_SESSION {
            stage.publish("a", "kept", 1);
        }
        stage.notices();
        stage.publish("a", "dropped", 1);
        let receiver = Receiver::Client("c".into());
        let dropped = Notice::NoRoom { receiver, topic: Some("a".into()), count: 1 };
        assert_eq!(stage.notices(), [dropped]);
        let connection = stage.connect("c", persistent()).connection;
        let received = stage.payloads(connection);
        assert_eq!(received.len(), quotas::QUEUED_MESSAGES_PER_SESSION);
        assert!(received.iter().all(|payload| payload == "kept"));
    }
}

#[test]
fn c45_an_expired_message_is_not_delivered() {
    let mut stage = Stage::default();
    let connection = stage.connect("c", mqtt5(Some(600))).connection;
    stage.subscribe(connection, "a", 1);
    let publish = |stage: &mut Stage, payload: &str, expiry_seconds| {
        let payload = payload.to_owned().into();
        let qos = QoS::AtLeastOnce;
        let publication = Publication { payload, qos, expiry_seconds, ..Publication::default() };
        stage.publish_with("a", publication);
    };
    stage.lose(connection);
    publish(&mut stage, "short", Some(10));
    publish(&mut stage, "long", Some(100));
    publish(&mut stage, "none", None);
    stage.advance(Duration::from_millis(30_500));
    let again = stage.connect("c", mqtt5(Some(600))).connection;
    let got = stage.fetch(again);
    let told: Vec<_> = got.iter().map(|delivery| delivery.expiry_seconds).collect();
    assert_eq!(told, [Some(69), None]);
    // Nor is it sent again.
    stage.advance(Duration::from_secs(70));
    assert_eq!(stage.payloads(again), ["none"]);
}

#[test]
fn c46_properties_pass_through_in_order() {
    let mut stage = Stage::default();
    let connection = stage.connect("c", mqtt5(None)).connection;
    stage.subscribe(connection, "a", 0);
    let pair = |name: &str, value: &str| (name.to_owned(), value.to_owned());
    let properties = Properties {
        payload_is_utf8: Some(true),
        content_type: Some("application/json".to_owned()),
        response_topic: Some("replies".into()),
        correlation_data: Some(Bytes::from_static(&[0, 255])),
        user_properties: vec![pair("b", "1"), pair("a", "2"), pair("b", "1")],
    };
    let with = Some(Box::new(properties.clone()));
    stage.publish_with("a", Publication { properties: with, ..Publication::default() });
    let delivery = stage.next(connection).unwrap();
    assert_eq!(delivery.message.properties.as_deref(), Some(&properties));
}

#[test]
fn c34_a_delivery_needs_a_permit_for_its_own_topic() {
    let mut stage = Stage::default();
    let connection = stage.join("c");
    stage.subscribe(connection, "a", 1);
    for payload in ["refused", "wrong permit", "left alone", "last"] {
        stage.publish("a", payload, 1);
    }
    assert!(!stage.refuse_next(connection));
    let pending = stage.broker.next_delivery(connection, stage.now).unwrap();
    assert!(pending.deliver(Permit::of_test("b".into())).is_none());
    assert!(stage.broker.next_delivery(connection, stage.now).is_some());
    assert_eq!(stage.payloads(connection), ["left alone", "last"]);

    // A message that comes again is asked for again.
    stage.publish("a", "revoked", 1);
    assert!(stage.next(connection).is_some());
    stage.advance(Duration::from_secs(20));
    assert!(!stage.refuse_next(connection));
    assert!(stage.next(connection).is_none());
    stage.advance(Duration::from_secs(20));
    assert_eq!(stage.broker.next_deadline(), None);
}
