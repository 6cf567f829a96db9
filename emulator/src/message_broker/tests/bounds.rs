//! How much one session can make the broker keep, whatever its client does or leaves undone.

use super::*;
use crate::quotas::{
    PACKET_BYTES, PAYLOAD_BYTES, QUEUED_BYTES_PER_SESSION, QUEUED_MESSAGES_PER_SESSION,
    RECEIVE_MAXIMUM,
};

/// Topic and payload of the messages here, in bytes.
const MESSAGE: usize = 1 + PAYLOAD_BYTES;
/// How many of them may wait.
const ROOM: usize = QUEUED_BYTES_PER_SESSION / MESSAGE;

impl Stage {
    fn publish_large(&mut self, number: u8) {
        let payload = Bytes::from_static(&[b'x'; PAYLOAD_BYTES]);
        let publication = Publication { payload, qos: qos(number), ..Publication::default() };
        self.publish_with("a", publication);
    }

    /// What waits for the client, and what is on its way to it, in bytes.
    fn kept_for(&self, client_id: &str) -> (usize, usize) {
        let slot = self.broker.clients.slot(&ClientId::from(client_id)).unwrap();
        let queue = &self.broker.sessions.get(slot).unwrap().queue;
        (queue.bytes(), queue.bytes_in_flight())
    }

    /// The messages that were told as dropped, one by one and summed up.
    fn dropped(&mut self) -> (usize, u64) {
        let (mut told, mut counted) = (0, 0);
        for notice in self.notices() {
            match notice {
                Notice::NoRoom { topic: Some(_), .. } => told += 1,
                Notice::NoRoom { topic: None, count, .. } => counted += u64::from(count),
                _ => {}
            }
        }
        (told, counted)
    }
}

#[test]
fn no_client_makes_the_broker_keep_more_than_its_share() {
    // QoS of the subscription, whether the client asks for deliveries, whether it is away.
    let table = [
        ("never reads, QoS 0", 0, false, false),
        ("never reads, QoS 1", 1, false, false),
        ("reads, and never acknowledges", 1, true, false),
        ("is away", 1, false, true),
    ];
    for (what, number, reads, away) in table {
        let mut stage = Stage::default();
        let connection = stage.connect("c", persistent()).connection;
        stage.subscribe(connection, "a", number);
        if away {
            stage.lose(connection);
        }
        stage.notices();
        let published = ROOM + usize::from(RECEIVE_MAXIMUM) + 50;
        for _message in 0..published {
            stage.publish_large(number);
            while reads && stage.next(connection).is_some() {}
        }
        let (waiting, in_flight) = stage.kept_for("c");
        assert_eq!(waiting, ROOM * MESSAGE, "{what}");
        assert!(waiting <= QUEUED_BYTES_PER_SESSION, "{what}");
        let window = if reads { usize::from(RECEIVE_MAXIMUM) } else { 0 };
        assert_eq!(in_flight, window * MESSAGE, "{what}");
        assert!(in_flight <= usize::from(RECEIVE_MAXIMUM) * PACKET_BYTES, "{what}");
        stage.advance(Duration::from_secs(1));
        let (told, counted) = stage.dropped();
        let lost = published - ROOM - window;
        assert_eq!((told, counted), (1, lost as u64 - 1), "{what}");
    }
}

#[test]
fn bytes_are_given_back_as_messages_leave_by_whatever_way() {
    let mut stage = Stage::default();
    let connection = stage.connect("c", persistent()).connection;
    stage.subscribe(connection, "a", 1);
    for _message in 0..2 * ROOM {
        stage.publish_large(1);
    }
    // A small one still fits.
    stage.publish("a", "small", 1);
    assert_eq!(stage.kept_for("c").0, ROOM * MESSAGE + 6);
    let connection = stage.connect("c", persistent()).connection;
    assert_eq!(stage.payloads(connection).len(), ROOM + 1);
    assert_eq!(stage.kept_for("c"), (0, 0));
    stage.publish_large(1);
    assert_eq!(stage.payloads(connection).len(), 1, "there is room again");
}

#[test]
fn c42_a_group_keeps_no_more_than_a_session() {
    let mut stage = Stage::default();
    let member = stage.connect("c", persistent()).connection;
    stage.subscribe(member, "$share/g/a", 1);
    stage.lose(member);
    stage.notices();
    for _message in 0..ROOM + 10 {
        stage.publish_large(1);
    }
    stage.advance(Duration::from_secs(1));
    assert_eq!(stage.dropped(), (1, 9));
    // The member takes over what the group has kept, and nothing is lost on the way.
    let member = stage.connect("c", persistent()).connection;
    assert_eq!(stage.payloads(member).len(), ROOM);
    assert_eq!(stage.dropped(), (0, 0));
}

#[test]
fn a_flood_of_drops_is_told_at_once_and_then_once_a_second() {
    let mut stage = Stage::default();
    let connection = stage.connect("c", persistent()).connection;
    stage.subscribe(connection, "a", 1);
    for _message in 0..QUEUED_MESSAGES_PER_SESSION {
        stage.publish("a", "kept", 1);
    }
    assert_eq!(stage.notices(), []);
    // So many in each second, and what is told of them: at once, and by their number.
    for (messages, told) in [(1000, (1, 999)), (1000, (0, 1000)), (1, (0, 1)), (0, (0, 0))] {
        for _message in 0..messages {
            stage.publish("a", "dropped", 1);
        }
        let (first, counted) = stage.dropped();
        assert_eq!((first, counted), (told.0, 0), "the first at once");
        stage.advance(Duration::from_secs(1));
        assert_eq!(stage.dropped(), (0, told.1), "the others within a second");
    }
    assert!(stage.broker.untold.is_empty(), "nothing is remembered of it");
    stage.publish("a", "dropped", 1);
    assert_eq!(stage.dropped(), (1, 0));
    stage.advance(Duration::from_secs(1));
    assert_eq!(stage.dropped(), (0, 0), "one alone needs no sum");
}
