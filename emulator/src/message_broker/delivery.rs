//! Messages leave the broker: one at a time, when their connection asks for them.
//!
//! Whether the client may receive a message is asked here, at the last moment, by demanding a
//! `Permit<Receive>`. A message that is refused is forgotten, or goes to somebody else of a shared
//! subscription; its publisher hears nothing of it.
//! Truth: <https://docs.aws.amazon.com/iot/latest/developerguide/iot-policy-actions.html>.

use super::MessageBroker;
use super::connection::ConnectionId;
use super::deadlines::{Deadline, Deadlines};
use super::direct::{Confirmations, Undelivered};
use super::message::{Delivery, Message};
use super::queue::{Lane, Queued};
use super::session::{Session, Slot};
use super::shared::GroupId;
use crate::policy::{Permit, Receive};
use crate::time::Timestamp;

/// The next message for a connection. Left alone, it stays where it is.
#[derive(Debug)]
#[must_use = "a message goes out by `deliver` and is forgotten by `refuse`; else it waits on"]
pub(crate) struct PendingDelivery<'a> {
    session: &'a mut Session,
    deadlines: &'a mut Deadlines,
    confirmations: &'a mut Confirmations,
    connection: ConnectionId,
    lane: Lane,
    paced: bool,
    now: Timestamp,
}

/// A message of a shared subscription that one member may not receive.
#[derive(Debug)]
#[must_use = "another member may receive it"]
pub(crate) struct Declined {
    pub(super) queued: Queued,
    pub(super) group: GroupId,
    /// Whose it was.
    pub(super) slot: Slot,
}

impl MessageBroker {
    /// What may go out on `connection` next; nothing when its queue is empty or its client owes
    /// too many PUBACKs, and then [`super::Effects::wake`] tells when to ask again.
    pub(crate) fn next_delivery(
        &mut self,
        connection: ConnectionId,
        now: Timestamp,
    ) -> Option<PendingDelivery<'_>> {
        let session = self.sessions.connected(connection)?;
        let online = session.online.as_mut()?;
        let Some(lane) = session.queue.next(online.window, now) else {
            online.woken = false;
            let waits = session.queue.stored_from().filter(|at| now < *at);
            if let Some(at) = waits.filter(|_| online.stored.is_none()) {
                online.stored = Some(at);
                self.deadlines.set(at, Deadline::Stored(connection.slot));
            }
            return None;
        };
        let (deadlines, confirmations) = (&mut self.deadlines, &mut self.confirmations);
        let paced = self.paced;
        Some(PendingDelivery { session, deadlines, confirmations, connection, lane, paced, now })
    }

    /// The client has the message `packet_id`; `false` if it was not sent or is acknowledged.
    ///
    /// What the window held back can be fetched now.
    pub(crate) fn acknowledge(&mut self, connection: ConnectionId, packet_id: u16) -> bool {
        let known = self.take_sent(connection, packet_id);
        if let Some(id) = known.as_ref().and_then(|queued| queued.by.direct()) {
            self.confirmations.decide(id, Ok(()), &mut self.deadlines);
        }
        known.is_some()
    }

    //? assumed: whoever wants a direct message confirmed hears nothing until its time is up
    /// The message `packet_id` cannot be sent after all: it is forgotten, and nobody has it.
    pub(crate) fn give_up(&mut self, connection: ConnectionId, packet_id: u16) {
        self.take_sent(connection, packet_id);
    }

    fn take_sent(&mut self, connection: ConnectionId, packet_id: u16) -> Option<Queued> {
        let session = self.sessions.connected(connection)?;
        let sent = session.queue.acknowledge(packet_id);
        self.effects.wake.extend(session.wake());
        sent
    }
}

impl PendingDelivery<'_> {
    /// The message, whose topic `iot:Receive` is asked for.
    pub(crate) fn message(&self) -> &Message {
        let queued = self.session.queue.peek(self.lane);
        &queued.expect("the lane was chosen because it has a message").message
    }

    /// Hands the message out. A permit for another topic does not count: the message is forgotten.
    pub(crate) fn deliver(self, permit: Permit<Receive>) -> Option<Delivery> {
        if *permit.resource() != self.message().topic {
            let _forgotten = self.refuse();
            return None;
        }
        let delivery = self.session.queue.take(self.lane, self.paced, self.now);
        let online = self.session.online.as_mut()?;
        if online.redelivery.is_none() {
            online.redelivery = self.session.queue.redelivery();
            if let Some(at) = online.redelivery {
                self.deadlines.set(at, Deadline::Redelivery(self.connection.slot));
            }
        }
        delivery
    }

    //= https://docs.aws.amazon.com/iot/latest/developerguide/iot-policy-actions.html
    //# iot:Receive is asked for each delivery; a message that is not allowed is not delivered
    /// Forgets the message: this client may not receive it. That of a group is given back, for
    /// [`MessageBroker::give_to_another`].
    pub(crate) fn refuse(self) -> Option<Declined> {
        let queued = self.session.queue.discard(self.lane)?;
        if let Some(id) = queued.by.direct() {
            self.confirmations.decide(id, Err(Undelivered::NotPermitted), self.deadlines);
        }
        let group = queued.by.group()?;
        Some(Declined { queued, group, slot: self.connection.slot })
    }
}
