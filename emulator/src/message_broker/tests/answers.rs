//! FP-5: a message of AWS for the one connection that asked.

use super::*;

impl Stage {
    fn answer(&mut self, connection: ConnectionId, topic: &str) -> Answered {
        let permit = Permit::<Publish>::of_aws(TopicName::new(topic));
        let publication =
            Publication { payload: "x".into(), qos: QoS::AtLeastOnce, ..Publication::default() };
        self.broker.answer(permit, publication, connection, self.now)
    }
}

#[test]
fn fp_5_whoever_asked_is_answered_as_its_subscription_has_it_and_nobody_else_is() {
    let table = [
        (&[("a/b", 1)][..], Answered::Queued, 1),
        (&[("a/b", 0)], Answered::Queued, 0),
        (&[("a/+", 0), ("a/b", 1)], Answered::Queued, 1),
        (&[("b", 1)], Answered::Unsubscribed, 0),
        (&[("$share/group/a/b", 1)], Answered::Unsubscribed, 0),
        (&[], Answered::Unsubscribed, 0),
    ];
    for (filters, answered, qos) in table {
        let mut stage = Stage::default();
        let (lamp, other) = (stage.join("lamp"), stage.join("other"));
        for filter in ["a/b", "#", "$share/group/a/b"] {
            stage.subscribe(other, filter, 1);
        }
        for (filter, qos) in filters {
            stage.subscribe(lamp, filter, *qos);
        }
        assert_eq!(stage.answer(lamp, "a/b"), answered, "{filters:?}");
        let expected = [("a/b".to_owned(), "x".to_owned(), qos, false)];
        assert_eq!(stage.receive(lamp), expected, "{filters:?}");
        assert_eq!(stage.receive(other), [], "{filters:?}");
    }
}

#[test]
fn fp_5_who_has_left_is_not_answered_when_it_comes_back() {
    let mut stage = Stage::default();
    let lamp = stage.connect("lamp", persistent()).connection;
    stage.subscribe(lamp, "a/b", 1);
    stage.lose(lamp);
    assert_eq!(stage.answer(lamp, "a/b"), Answered::Gone);
    let again = stage.connect("lamp", persistent()).connection;
    assert_eq!(stage.answer(lamp, "a/b"), Answered::Gone);
    assert_eq!(stage.receive(again), []);
}
