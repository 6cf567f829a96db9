//! AWS's rates: what counts where, what is held back, what is told.

use super::*;
use crate::quotas;

fn strict() -> Stage {
    Stage { broker: MessageBroker::new(7).with_rates(), ..Stage::default() }
}

/// What was told of rates: which, whose, how often.
fn told(stage: &mut Stage) -> Vec<(Rate, Excess, u32)> {
    let told = stage.notices().into_iter().filter_map(|notice| match notice {
        Notice::Throttled { rate, excess, count, .. } => Some((rate, excess, count)),
        _ => None,
    });
    told.collect()
}

fn second() -> Duration {
    Duration::from_secs(1)
}

fn qos1(payload: &'static str) -> Publication {
    Publication { payload: payload.into(), qos: QoS::AtLeastOnce, ..Publication::default() }
}

/// A client with a persistent session that subscribed to `filter` and went away.
fn away(stage: &mut Stage, client_id: &str, filter: &str) {
    let connection = stage.connect(client_id, persistent()).connection;
    stage.subscribe(connection, filter, 1);
    stage.lose(connection);
}

#[test]
fn publishes_of_a_connection_count_both_ways_and_the_excess_is_discarded() {
    let rate = Rate::PublishesPerConnection;
    // So many from the client, so many to it; how many of each pass.
    for (from, to, passed) in [(60, 60, (60, 40)), (0, 101, (0, 100)), (130, 5, (100, 0))] {
        let mut stage = strict();
        let connection = stage.join("c");
        stage.subscribe(connection, "a", 1);
        let topic = TopicName::new("b");
        let mut publish = || stage.broker.count_publish(connection, &topic, stage.now);
        let sent = (0..from).filter(|_| publish()).count();
        for _message in 0..to {
            stage.publish("a", "x", 1);
        }
        assert_eq!((sent, stage.payloads(connection).len()), passed);
        let mut over = vec![
            (rate, Excess::OfConnection(connection), from - passed.0),
            (rate, Excess::ToConnection(connection), to - passed.1),
        ];
        over.retain(|(.., count)| *count > 0);
        let first = over.iter().cloned().map(|(rate, excess, _)| (rate, excess, 1));
        assert_eq!(told(&mut stage), first.collect::<Vec<_>>(), "the first is told at once");
        stage.advance(second());
        let rest = over.into_iter().filter(|(.., count)| *count > 1);
        let rest =
            rest.map(|(rate, excess, count)| (rate, excess, u32::try_from(count - 1).unwrap()));
        assert_eq!(
            told(&mut stage),
            rest.collect::<Vec<_>>(),
            "the others once, with their number"
        );
        stage.publish("a", "later", 1);
        assert_eq!(stage.payloads(connection), ["later"]);
        stage.advance(second() * 2);
        assert_eq!(told(&mut stage), []);
    }
}

#[test]
fn without_rates_nothing_is_counted_or_held_back() {
    let mut stage = Stage::default();
    let connection = stage.connect("c", persistent()).connection;
    stage.subscribe(connection, "a", 1);
    let topic = TopicName::new("a");
    for _message in 0..1000 {
        assert!(stage.broker.count_publish(connection, &topic, stage.now));
        assert_eq!(stage.broker.accept(&topic, true, stage.now), Ok(()));
        assert_eq!(stage.broker.count(&[Rate::GetConnection], None, stage.now), Ok(()));
        assert!(!stage.broker.moved(connection, 1 << 20, stage.now));
        stage.publish("a", "x", 1);
    }
    assert_eq!(stage.payloads(connection).len(), 1000);
    stage.lose(connection);
    for _message in 0..1000 {
        stage.publish("a", "x", 1);
    }
    let again = stage.connect("c", persistent()).connection;
    assert_eq!(stage.payloads(again).len(), 1000);
    assert_eq!(told(&mut stage), []);
}

#[test]
fn c41_what_is_stored_for_a_client_counts_for_it_and_for_the_account() {
    let mut stage = strict();
    for number in 0..6 {
        away(&mut stage, &number.to_string(), "a");
    }
    for _message in 0..100 {
        stage.publish("a", "x", 1);
    }
    let mut dropped = told(&mut stage);
    stage.advance(second());
    dropped.extend(told(&mut stage));
    assert!(dropped.iter().all(|(rate, ..)| *rate == Rate::QueuedMessagesPerAccount));
    assert_eq!(dropped.iter().map(|(.., count)| count).sum::<u32>(), 100, "of 600: {dropped:?}");

    let mut stage = strict();
    away(&mut stage, "c", "a");
    for number in 0..150 {
        stage.publish_with("a", qos1(if number < 100 { "kept" } else { "dropped" }));
    }
    // QoS 0 is not stored, and does not count.
    stage.publish("a", "x", 0);
    let excess = Excess::ToClient("c".into());
    assert_eq!(told(&mut stage), [(Rate::PublishesPerConnection, excess.clone(), 1)]);
    stage.advance(second());
    assert_eq!(told(&mut stage), [(Rate::PublishesPerConnection, excess, 49)]);
    let again = stage.connect("c", persistent()).connection;
    let mut received = stage.payloads(again);
    for _second in 0..10 {
        stage.advance(second());
        received.extend(stage.payloads(again));
    }
    assert_eq!(received, vec!["kept"; 100], "what was stored does not count again");
}

#[test]
fn c41_who_looks_late_gets_what_became_due_in_the_last_second() {
    let mut stage = strict();
    away(&mut stage, "c", "a");
    for _message in 0..50 {
        stage.publish("a", "x", 1);
    }
    let again = stage.connect("c", persistent()).connection;
    assert_eq!(stage.payloads(again).len(), 1);
    for (milliseconds, due) in [(1000, 10), (99, 0), (1, 1), (60_000, 10)] {
        stage.now = stage.now + Duration::from_millis(milliseconds);
        stage.broker.handle_timeout(stage.now);
        assert_eq!(stage.payloads(again).len(), due, "after {milliseconds} ms");
    }
}

#[test]
fn c42_what_waits_for_a_group_comes_at_twenty_a_second_for_each_member() {
    // How many members come back; what each has got after a second.
    for members in [1, 2, 3] {
        let mut stage = strict();
        for number in 0..members {
            away(&mut stage, &number.to_string(), "$share/g/a");
        }
        for _message in 0..90 {
            stage.publish("a", "x", 1);
        }
        let back: Vec<_> = (0..members)
            .map(|number| stage.connect(&number.to_string(), persistent()).connection)
            .collect();
        let mut received = vec![0; members];
        let mut receive = |stage: &mut Stage| {
            for (count, member) in received.iter_mut().zip(&back) {
                *count += stage.payloads(*member).len();
            }
            received.clone()
        };
        // Who comes first finds nobody who has been served before.
        assert_eq!(receive(&mut stage)[0], 1);
        let one_second = receive(&mut stage);
        stage.advance(second());
        let two_seconds = receive(&mut stage);
        for (before, after) in one_second.iter().zip(&two_seconds) {
            assert_eq!(after - before, 20, "{members} members");
        }
        stage.now = stage.now + second() * 60;
        stage.broker.handle_timeout(stage.now);
        let late = receive(&mut stage);
        assert!(late.iter().zip(two_seconds).all(|(after, before)| after - before <= 20));
        stage.advance(second() * 5);
        assert_eq!(receive(&mut stage).iter().sum::<usize>(), 90, "all came in the end");
    }
}

#[test]
fn c42_a_group_spares_the_member_that_gets_as_many_as_it_may() {
    let mut stage = strict();
    let members = [stage.join("1"), stage.join("2")];
    for member in members {
        stage.subscribe(member, "$share/g/a", 1);
    }
    let topic = TopicName::new("b");
    for _message in 0..100 {
        assert!(stage.broker.count_publish(members[0], &topic, stage.now));
    }
    for _message in 0..101 {
        stage.publish("a", "x", 1);
    }
    assert_eq!(members.map(|member| stage.payloads(member).len()), [0, 100]);
    // Nobody has a persistent session for which the last one could wait.
    let excess = Excess::ToGroup("$share/g/a".into());
    assert_eq!(told(&mut stage), [(Rate::PublishesPerConnection, excess, 1)]);

    let keeper = stage.connect("keeper", persistent()).connection;
    stage.subscribe(keeper, "$share/g/a", 1);
    for _message in 0..130 {
        stage.publish("a", "x", 1);
    }
    assert_eq!(told(&mut stage), [], "30 wait");
    let mut received = stage.payloads(keeper).len();
    assert_eq!(received, 100);
    stage.advance(second());
    received += stage.payloads(keeper).len();
    received += members.iter().map(|member| stage.payloads(*member).len()).sum::<usize>();
    assert_eq!(received, 130);
}

#[test]
fn a_message_with_more_receivers_than_the_account_may_have_is_dropped() {
    let mut stage = strict();
    let connections: Vec<_> = (0..200).map(|number| stage.join(&number.to_string())).collect();
    for connection in &connections {
        stage.subscribe(*connection, "a", 0);
    }
    for _message in 0..100 {
        assert_eq!(stage.try_publish("a", qos1("x")), Ok(()));
    }
    let throttled = Throttled { rate: Rate::OutboundPublishesPerAccount, topic: "a".into() };
    assert_eq!(stage.try_publish("a", qos1("dropped")), Err(throttled));
    assert_eq!(stage.try_publish("nobody", qos1("x")), Ok(()));
    assert!(connections.iter().all(|connection| stage.payloads(*connection).len() == 100));
    stage.advance(second());
    assert_eq!(stage.try_publish("a", qos1("x")), Ok(()));
}

#[test]
fn c39_retained_publishes_count_for_account_and_topic() {
    let mut stage = strict();
    let accept = |stage: &mut Stage, topic: &str, retain| {
        stage.broker.accept(&TopicName::new(topic), retain, stage.now).map_err(|over| over.rate)
    };
    assert_eq!(accept(&mut stage, "a", true), Ok(()));
    assert_eq!(accept(&mut stage, "a", true), Err(Rate::RetainedPublishesPerTopic));
    assert_eq!(accept(&mut stage, "a", false), Ok(()));
    for number in 1..500 {
        assert_eq!(accept(&mut stage, &number.to_string(), true), Ok(()));
    }
    assert_eq!(accept(&mut stage, "b", true), Err(Rate::RetainedPublishesPerAccount));
    for _message in 0..20_000 - 501 {
        assert_eq!(accept(&mut stage, "a", false), Ok(()));
    }
    assert_eq!(accept(&mut stage, "a", false), Err(Rate::InboundPublishesPerAccount));
    stage.advance(second());
    assert_eq!(accept(&mut stage, "a", true), Ok(()));
}

#[test]
fn a_connection_is_held_back_until_its_throughput_has_passed() {
    let mut stage = strict();
    let connection = stage.join("c");
    let kilobyte = 1024;
    assert!(!stage.broker.moved(connection, 512 * kilobyte, stage.now));
    assert!(stage.broker.moved(connection, 256 * kilobyte, stage.now));
    assert!(stage.broker.moved(connection, 256 * kilobyte, stage.now));
    let excess = Excess::OfConnection(connection);
    let rate = Rate::ThroughputPerConnection;
    assert_eq!(told(&mut stage), [(rate, excess, 1)]);
    stage.advance(Duration::from_millis(499));
    assert_eq!(stage.woken(), []);
    stage.advance(Duration::from_millis(1));
    assert_eq!(stage.woken(), [connection], "it is woken, and asks again");
    assert!(stage.broker.moved(connection, 0, stage.now));
    stage.advance(Duration::from_millis(500));
    assert_eq!(stage.woken(), [connection]);
    assert!(!stage.broker.moved(connection, 0, stage.now));
    assert!(stage.broker.moved(connection, kilobyte, stage.now));
    stage.lose(connection);
    stage.advance(second() * 2);
    assert_eq!(stage.woken(), [], "nobody is left to go on");
}

#[test]
fn c22_a_direct_message_counts_in_the_publishes_of_its_receiver() {
    let mut stage = strict();
    let connection = stage.join("c");
    let send = |stage: &mut Stage| {
        let (client_id, topic) = ("c".into(), TopicName::new("t"));
        let permit = Permit::of_test(crate::policy::DirectMessage { client_id, topic });
        let receive = Permit::of_test(TopicName::new("t"));
        stage.broker.send_direct_message(permit, receive, qos1("x"), None, stage.now)
    };
    for _message in 0..100 {
        assert_eq!(send(&mut stage), Ok(None));
    }
    assert_eq!(send(&mut stage), Err(Undelivered::Throttled));
    assert_eq!(stage.payloads(connection).len(), 100);
}

#[test]
fn c36_an_account_has_so_many_subscriptions_and_no_more() {
    let mut stage = Stage::default();
    let connection = stage.connect("c", persistent()).connection;
    for filter in ["a", "b", "b", "$share/g/c"] {
        stage.subscribe(connection, filter, 1);
    }
    assert_eq!(stage.broker.subscribed, 3);
    stage.broker.subscribed = quotas::SUBSCRIPTIONS;
    let refused = stage.subscribe_with(connection, "d", options(1));
    assert_eq!(refused, Err(SubscribeError::TooManyInAccount));
    assert_eq!(stage.subscribe_with(connection, "a", options(0)), Ok(QoS::AtMostOnce));
    assert_eq!(stage.broker.unsubscribe(connection, &"a".into()), Some(true));
    assert_eq!(stage.subscribe_with(connection, "d", options(1)), Ok(QoS::AtLeastOnce));
    stage.broker.subscribed = 3;
    stage.lose(connection);
    assert_eq!(stage.broker.subscribed, 3, "those of a session that is kept count");
    stage.advance(Duration::from_secs(3600));
    assert_eq!(stage.broker.subscribed, 0);
}
