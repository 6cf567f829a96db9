//! Shared subscriptions.

use std::collections::BTreeMap;

use proptest::prelude::*;

use super::*;
use crate::message::QoS;
use crate::quotas;

#[test]
fn c42_each_message_goes_to_one_random_member_that_is_online() {
    let mut stage = Stage::default();
    let members: Vec<_> = (0..4).map(|number| stage.join(&format!("m{number}"))).collect();
    for member in &members {
        stage.subscribe(*member, "$share/g/a/+", 1);
    }
    for number in 0..400 {
        stage.publish("a/b", &number.to_string(), 1);
    }
    let received: Vec<_> = members.iter().map(|member| stage.receive(*member).len()).collect();
    assert_eq!(received.iter().sum::<usize>(), 400);
    assert!(received.iter().all(|count| (60..140).contains(count)), "{received:?}");

    // The same seed chooses the same members.
    let mut again = Stage::default();
    let members: Vec<_> = (0..4).map(|number| again.join(&format!("m{number}"))).collect();
    for member in &members {
        again.subscribe(*member, "$share/g/a/+", 1);
    }
    for number in 0..400 {
        again.publish("a/b", &number.to_string(), 1);
    }
    let repeated: Vec<_> = members.iter().map(|member| again.receive(*member).len()).collect();
    assert_eq!(received, repeated);
}

#[test]
fn c42_name_and_filter_make_the_group() {
    let mut stage = Stage::default();
    let connection = stage.join("c");
    for filter in ["$share/g/a/b", "$share/g/a/+", "$share/h/a/b", "a/b"] {
        stage.subscribe(connection, filter, 0);
    }
    let other = stage.join("other");
    stage.subscribe(other, "$share/g/a/b", 0);
    stage.publish("a/b", "x", 0);
    let copies = stage.receive(connection).len() + stage.receive(other).len();
    assert_eq!(copies, 4, "three groups and a subscription of its own");
}

#[test]
fn c42_messages_wait_while_only_persistent_members_exist() {
    // The member's session, its QoS, the message's QoS; whether the message waits.
    let table = [
        (persistent as fn() -> ConnectRequest, 1, 1, true),
        (persistent, 0, 1, false),
        (persistent, 1, 0, false),
        (clean, 1, 1, false),
    ];
    for (request, subscribed, published, waits) in table {
        let mut stage = Stage::default();
        let connection = stage.connect("c", request()).connection;
        stage.subscribe(connection, "$share/g/a", subscribed);
        stage.lose(connection);
        stage.publish("a", "x", published);
        let queued =
            Notice::Queued { receiver: Receiver::Group("$share/g/a".into()), topic: "a".into() };
        assert_eq!(stage.notices().contains(&queued), waits);
        let again = stage.connect("c", request()).connection;
        assert_eq!(stage.payloads(again).len(), usize::from(waits));
    }
}

#[test]
fn c42_a_member_that_goes_away_gives_back_what_it_was_not_sent() {
    for request in [persistent, clean] {
        let mut stage = Stage::default();
        let leaver = stage.connect("leaver", request()).connection;
        stage.subscribe(leaver, "$share/g/a", 1);
        stage.subscribe(leaver, "a", 1);
        for payload in ["1", "2", "3"] {
            stage.publish("a", payload, 1);
        }
        let stayer = stage.join("stayer");
        stage.subscribe(stayer, "$share/g/a", 1);
        // "1" and its private twin are on their way, the rest is not.
        assert!(stage.next(leaver).is_some() && stage.next(leaver).is_some());
        stage.lose(leaver);
        let expected: &[&str] = if request().clean_start { &["1", "2", "3"] } else { &["2", "3"] };
        assert_eq!(stage.payloads(stayer), expected);
        assert_eq!(stage.woken().last(), Some(&stayer));

        let again = stage.connect("leaver", request()).connection;
        let expected: &[&str] = if request().clean_start { &[] } else { &["1", "1", "2", "3"] };
        assert_eq!(stage.payloads(again), expected);
    }
}

#[test]
fn c34_c42_what_one_member_may_not_receive_another_gets_and_nobody_is_asked_twice() {
    for number in [0, 1] {
        for (members, permitted) in [(1, None), (4, None), (4, Some(0)), (4, Some(3))] {
            let mut stage = Stage::default();
            let join = |number| stage.join(&format!("m{number}"));
            let members: Vec<_> = (0..members).map(join).collect();
            let away = stage.connect("away", persistent()).connection;
            for member in members.iter().chain([&away]) {
                stage.subscribe(*member, "$share/g/a", number);
            }
            stage.lose(away);
            stage.publish("a", "x", number);
            let mut asked = Vec::new();
            let got = loop {
                let waits = |member: &&ConnectionId| stage.fetchable(**member);
                let Some(member) = members.iter().find(waits).copied() else { break None };
                if permitted.map(|index: usize| members[index]) == Some(member) {
                    break stage.next(member).map(|_| member);
                }
                assert!(!asked.contains(&member), "asked twice");
                asked.push(member);
                let goes_on = stage.refuse_next(member);
                assert_eq!(goes_on, asked.len() < members.len(), "{asked:?}");
            };
            assert_eq!(got, permitted.map(|index| members[index]));
            if got.is_none() {
                assert_eq!(asked.len(), members.len());
            }
            let again = stage.connect("away", persistent()).connection;
            assert_eq!(stage.payloads(again), [""; 0], "who was away gets nothing of it");
        }
    }
}

#[test]
fn c42_what_waits_goes_to_the_first_member_that_comes() {
    let mut stage = Stage::default();
    let away = stage.connect("away", persistent()).connection;
    stage.subscribe(away, "$share/g/a", 1);
    stage.lose(away);
    stage.publish("a", "x", 1);
    let newcomer = stage.join("newcomer");
    stage.subscribe(newcomer, "$share/g/a", 1);
    assert_eq!(stage.payloads(newcomer), ["x"]);
    let again = stage.connect("away", persistent()).connection;
    assert_eq!(stage.payloads(again), [""; 0]);
}

#[test]
fn c42_a_group_without_members_is_forgotten() {
    let mut stage = Stage::default();
    let member = stage.connect("c", persistent()).connection;
    stage.subscribe(member, "$share/g/a", 1);
    stage.lose(member);
    stage.publish("a", "x", 1);
    stage.advance(Duration::from_secs(3600));
    let newcomer = stage.join("newcomer");
    stage.subscribe(newcomer, "$share/g/a", 1);
    assert_eq!(stage.payloads(newcomer), [""; 0]);
    assert_eq!(stage.broker.unsubscribe(newcomer, &"$share/g/a".into()), Some(true));
    stage.publish("a", "y", 1);
    assert_eq!(stage.payloads(newcomer), [""; 0]);
}

#[test]
fn c42_groups_and_members_are_limited() {
    let mut stage = Stage::default();
    let limit = quotas::SHARED_SUBSCRIPTION_GROUPS;
    for number in 0..limit {
        let connection = stage.join(&format!("m{number}"));
        stage.subscribe(connection, "$share/full/a", 1);
        if number > 0 {
            stage.subscribe(connection, &format!("$share/g{number}/a"), 1);
        }
    }
    let one_more = stage.join("one more");
    let refused = stage.subscribe_with(one_more, "$share/full/a", options(1));
    assert_eq!(refused, Err(SubscribeError::TooManyMembers));
    let refused = stage.subscribe_with(one_more, "$share/new/a", options(1));
    assert_eq!(refused, Err(SubscribeError::TooManyGroups));
    assert_eq!(stage.subscriptions_of("one more").unwrap().len(), 0);
    // A member may change its mind all the same.
    let member = stage.connection_of("m5").unwrap();
    assert_eq!(stage.subscribe_with(member, "$share/full/a", options(0)), Ok(QoS::AtMostOnce));
    stage.lose(member);
    stage.subscribe(one_more, "$share/full/a", 1);
    stage.subscribe(one_more, "$share/new/a", 1);
}

#[test]
fn c42_a_full_group_drops_the_new_message() {
    let mut stage = Stage::default();
    let member = stage.connect("c", persistent()).connection;
    stage.subscribe(member, "$share/g/a", 1);
    stage.lose(member);
    stage.publish("a", "kept", 1);
    let group = stage.broker.groups.id(&"$share/g/a".into()).unwrap();
    let kept = stage.broker.groups.next_waiting(group, stage.now).unwrap();
    for _message in 0..quotas::QUEUED_MESSAGES_PER_GROUP {
        stage.broker.groups.keep(group, &kept);
    }
    stage.notices();
    stage.publish("a", "dropped", 1);
    let receiver = Receiver::Group("$share/g/a".into());
    let topic = Some("a".into());
    assert_eq!(stage.notices(), [Notice::NoRoom { receiver, topic, count: 1 }]);
}

#[test]
fn c42_what_has_no_room_in_a_members_own_queue_follows_when_it_has() {
    let mut stage = Stage::default();
    let member = stage.connect("c", persistent()).connection;
    stage.subscribe(member, "$share/g/a", 1);
    stage.lose(member);
    let waiting = quotas::QUEUED_MESSAGES_PER_SESSION + 5;
    for _message in 0..waiting {
        stage.publish("a", "x", 1);
    }
    let member = stage.connect("c", persistent()).connection;
    assert_eq!(stage.payloads(member).len(), quotas::QUEUED_MESSAGES_PER_SESSION);
    stage.woken();
    stage.advance(Duration::from_millis(50));
    assert_eq!(stage.woken(), [member]);
    assert_eq!(stage.payloads(member).len(), 5);
}

#[derive(Clone, Debug)]
enum Step {
    Come {
        member: usize,
        persistent: bool,
    },
    Go {
        member: usize,
    },
    Publish,
    /// Fetch and acknowledge so many.
    Receive {
        member: usize,
        count: usize,
    },
}

fn step() -> impl Strategy<Value = Step> {
    let member = 0..4_usize;
    prop_oneof![
        (member.clone(), any::<bool>())
            .prop_map(|(member, persistent)| Step::Come { member, persistent }),
        member.clone().prop_map(|member| Step::Go { member }),
        Just(Step::Publish),
        Just(Step::Publish),
        (member, 1..4_usize).prop_map(|(member, count)| Step::Receive { member, count }),
    ]
}

proptest! {
    /// Each message is acknowledged by exactly one member, as long as a member was there to take
    /// it: nothing is lost or doubled by coming and going.
    #[test]
    fn c42_a_group_loses_and_doubles_nothing(steps in prop::collection::vec(step(), 1..80)) {
        let mut stage = Stage::default();
        // Keeps the group alive, so that messages wait while nobody is online.
        let keeper = stage.connect("keeper", persistent()).connection;
        stage.subscribe(keeper, "$share/g/a", 1);
        stage.lose(keeper);
        let mut online: BTreeMap<usize, ConnectionId> = BTreeMap::new();
        let (mut published, mut received) = (0_usize, Vec::new());
        for step in steps {
            match step {
                Step::Come { member, persistent: keep } => {
                    let request = if keep { persistent() } else { clean() };
                    let connection = stage.connect(&format!("m{member}"), request).connection;
                    stage.subscribe(connection, "$share/g/a", 1);
                    online.insert(member, connection);
                }
                Step::Go { member } => {
                    if let Some(connection) = online.remove(&member) {
                        stage.lose(connection);
                    }
                }
                Step::Publish => {
                    stage.publish("a", &published.to_string(), 1);
                    published += 1;
                }
                Step::Receive { member, count } => {
                    let Some(connection) = online.get(&member) else { continue };
                    for _message in 0..count {
                        let Some(delivery) = stage.next(*connection) else { break };
                        received.push(seen(&delivery).1.parse::<usize>().unwrap());
                        stage.broker.acknowledge(*connection, delivery.packet_id.unwrap());
                    }
                }
            }
        }
        // In the end everybody comes back and takes what is there.
        for member in 0..4 {
            online.insert(member, stage.connect(&format!("m{member}"), persistent()).connection);
        }
        online.insert(4, stage.connect("keeper", persistent()).connection);
        for connection in online.values() {
            received.extend(
                stage.payloads(*connection).iter().map(|payload| payload.parse::<usize>().unwrap()),
            );
        }
        received.sort_unstable();
        prop_assert_eq!(received, (0..published).collect::<Vec<_>>());
    }
}
