//! Direct messages: who gets one, what becomes of one that is to be confirmed.

use super::*;
use crate::message_broker::tests::{Stage, mqtt5, persistent, seen};
use crate::policy::{DirectMessage, Receive, SendDirectMessage};

const FIVE: Duration = Duration::from_secs(5);

impl Stage {
    /// Sends `payload` to `client_id` on the topic `t`.
    fn direct(
        &mut self,
        client_id: &str,
        payload: &'static str,
        within: Option<Duration>,
    ) -> Result<Option<DirectMessageId>, Undelivered> {
        let message = DirectMessage { client_id: client_id.into(), topic: "t".into() };
        let permit = Permit::<SendDirectMessage>::of_test(message);
        let receive = Permit::<Receive>::of_test("t".into());
        let publication = Publication { payload: payload.into(), ..Publication::default() };
        self.broker.send_direct_message(permit, receive, publication, within, self.now)
    }

    fn confirmed(&mut self, client_id: &str, payload: &'static str) -> DirectMessageId {
        self.direct(client_id, payload, Some(FIVE)).unwrap().expect("it is to be confirmed")
    }
}

#[test]
fn c22_the_client_gets_it_without_a_subscription_and_nobody_else_does() {
    let mut stage = Stage::default();
    let (lamp, other) = (stage.join("lamp"), stage.join("other"));
    stage.subscribe(other, "#", 1);
    assert_eq!(stage.direct("lamp", "0", None), Ok(None));
    let id = stage.confirmed("lamp", "1");
    assert_eq!(stage.woken(), [lamp]);
    let expected = [("t", "0", 0), ("t", "1", 1)];
    let expected = expected.map(|(topic, payload, qos)| (topic.into(), payload.into(), qos, false));
    assert_eq!(stage.receive(lamp), expected);
    assert_eq!(stage.receive(other), []);
    assert_eq!(stage.broker.decided(), [(id, Ok(()))]);
    stage.advance(FIVE);
    assert_eq!(stage.broker.decided(), []);
}

#[test]
fn c22_nobody_there_no_room_and_too_much_owed_are_told_apart() {
    let mut stage = Stage::default();
    assert_eq!(stage.direct("lamp", "x", None), Err(Undelivered::NotFound));
    let lamp = stage.connect("lamp", persistent()).connection;
    stage.lose(lamp);
    assert_eq!(stage.direct("lamp", "x", None), Err(Undelivered::NotConnected));
    let one = ConnectRequest { receive_maximum: Some(1), ..mqtt5(None) };
    let lamp = stage.connect("lamp", one).connection;
    stage.confirmed("lamp", "first");
    assert_eq!(stage.fetch(lamp).len(), 1);
    assert_eq!(stage.direct("lamp", "x", Some(FIVE)), Err(Undelivered::TooManyUnacknowledged));
    assert_eq!(stage.direct("lamp", "x", None), Ok(None));
    for _ in 1..crate::quotas::QUEUED_MESSAGES_PER_SESSION {
        stage.direct("lamp", "x", None).unwrap();
    }
    assert_eq!(stage.direct("lamp", "x", None), Err(Undelivered::QueueFull));
}

#[test]
fn a_permit_to_receive_on_another_topic_does_not_count() {
    let mut stage = Stage::default();
    let lamp = stage.join("lamp");
    let message = DirectMessage { client_id: "lamp".into(), topic: "t".into() };
    let permit = Permit::<SendDirectMessage>::of_test(message);
    let receive = Permit::<Receive>::of_test("u".into());
    let publication = Publication::default();
    let sent = stage.broker.send_direct_message(permit, receive, publication, None, stage.now);
    assert_eq!(sent, Err(Undelivered::NotPermitted));
    assert_eq!(stage.receive(lamp), []);
}

#[test]
fn c22_without_a_puback_its_sender_hears_so_in_time_and_what_was_not_sent_is_withdrawn() {
    let mut stage = Stage::default();
    let request = ConnectRequest { receive_maximum: Some(1), ..mqtt5(None) };
    let lamp = stage.connect("lamp", request).connection;
    let (sent, waits) = (stage.confirmed("lamp", "sent"), stage.confirmed("lamp", "waits"));
    let delivery = stage.next(lamp).unwrap();
    assert_eq!((seen(&delivery).1.as_str(), stage.next(lamp).is_none()), ("sent", true));
    stage.advance(FIVE - Duration::from_millis(1));
    assert_eq!(stage.broker.decided(), []);
    stage.advance(Duration::from_millis(1));
    let late = Err(Undelivered::TimedOut);
    assert_eq!(stage.broker.decided(), [(sent, late), (waits, late)]);
    // A PUBACK that comes late tells nobody anything.
    assert!(stage.broker.acknowledge(lamp, delivery.packet_id.unwrap()));
    assert_eq!((stage.broker.decided(), stage.receive(lamp)), (Vec::new(), Vec::new()));
}

#[test]
fn c22_a_sender_who_waits_no_longer_takes_back_what_was_not_sent() {
    let mut stage = Stage::default();
    let lamp = stage.join("lamp");
    let id = stage.confirmed("lamp", "x");
    stage.broker.withdraw_direct_message(id);
    assert_eq!(stage.receive(lamp), []);
    assert_eq!((stage.broker.decided(), stage.broker.next_deadline()), (Vec::new(), None));
}

#[test]
fn c22_a_client_that_goes_keeps_none_and_its_senders_hear_so() {
    for (request, expected) in
        [(persistent(), Undelivered::NotConnected), (clean(), Undelivered::NotFound)]
    {
        let mut stage = Stage::default();
        let lamp = stage.connect("lamp", request).connection;
        stage.subscribe(lamp, "s", 1);
        let sent = stage.confirmed("lamp", "sent");
        assert_eq!(stage.fetch(lamp).len(), 1);
        let waits = stage.confirmed("lamp", "waits");
        stage.publish("s", "stays", 1);
        stage.lose(lamp);
        assert_eq!(stage.broker.decided(), [(waits, Err(expected)), (sent, Err(expected))]);
        let again = stage.connect("lamp", persistent()).connection;
        let stays = (expected == Undelivered::NotConnected).then_some("stays");
        assert_eq!(stage.payloads(again), Vec::from_iter(stays));
    }
}

#[test]
fn c22_who_may_not_receive_any_more_when_it_goes_out_does_not_get_it() {
    let mut stage = Stage::default();
    let lamp = stage.join("lamp");
    let id = stage.confirmed("lamp", "x");
    assert!(!stage.refuse_next(lamp));
    assert_eq!(stage.broker.decided(), [(id, Err(Undelivered::NotPermitted))]);
}

#[test]
fn what_was_sent_and_not_confirmed_comes_again_while_the_connection_lives() {
    let mut stage = Stage::default();
    let lamp = stage.join("lamp");
    stage.confirmed("lamp", "x");
    assert_eq!(stage.fetch(lamp).len(), 1);
    stage.advance(Duration::from_secs(20));
    assert_eq!(stage.payloads(lamp), ["x"]);
}

#[test]
fn what_is_too_large_for_its_client_is_confirmed_to_nobody() {
    let mut stage = Stage::default();
    let lamp = stage.join("lamp");
    let id = stage.confirmed("lamp", "x");
    let delivery = stage.next(lamp).unwrap();
    stage.broker.give_up(lamp, delivery.packet_id.unwrap());
    assert_eq!(stage.broker.decided(), []);
    stage.advance(FIVE);
    assert_eq!(stage.broker.decided(), [(id, Err(Undelivered::TimedOut))]);
    stage.advance(Duration::from_secs(20));
    assert_eq!(stage.payloads(lamp), Vec::<String>::new(), "nor is it sent again");
}
