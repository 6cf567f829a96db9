//! Direct messages: to one connected client, whether it subscribes or not.
//!
//! It decides whether the client can take one now, and follows one that its sender wants confirmed
//! until the PUBACK. The message itself waits and goes out like any other of the connection.
//! Truth: <https://docs.aws.amazon.com/iot/latest/developerguide/direct-messaging.html>.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use super::MessageBroker;
use super::connection::ConnectionId;
use super::deadlines::{Deadline, Deadlines};
use super::message::{Message, Publication};
use super::queue::{By, Queued};
use super::session::Slot;
use crate::message::QoS;
use crate::policy::{DirectMessage, Permit, Receive, SendDirectMessage};
use crate::quotas::rates::Rate;
use crate::time::Timestamp;

/// One direct message; the numbers begin anew after four thousand million.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct DirectMessageId(u32);

/// Why a client does not get a direct message, or why nobody knows whether it did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Undelivered {
    /// Nobody of that name is connected.
    NotFound,
    /// Nobody of that name is connected, but there is a session.
    NotConnected,
    /// The client may not receive on the topic.
    NotPermitted,
    /// So many messages wait for the client that this one has no room.
    QueueFull,
    /// More would go to the client than may in a second.
    Throttled,
    /// The client owes as many PUBACKs as it may.
    TooManyUnacknowledged,
    /// The PUBACK did not come in time.
    TimedOut,
}

/// Direct messages whose senders wait for a PUBACK.
#[derive(Debug, Default)]
pub(super) struct Confirmations {
    last: u32,
    awaited: HashMap<DirectMessageId, Awaited>,
    /// What became of those that are awaited no longer, until somebody asks.
    decided: Vec<(DirectMessageId, Result<(), Undelivered>)>,
}

#[derive(Debug)]
struct Awaited {
    slot: Slot,
    until: Timestamp,
}

impl Confirmations {
    pub(super) const fn count_on_from(&mut self, before: &Self) {
        self.last = before.last;
    }

    /// Tells the sender, if it still waits, what became of its message.
    pub(super) fn decide(
        &mut self,
        id: DirectMessageId,
        outcome: Result<(), Undelivered>,
        deadlines: &mut Deadlines,
    ) {
        if self.forget(id, deadlines).is_some() {
            self.decided.push((id, outcome));
        }
    }

    fn forget(&mut self, id: DirectMessageId, deadlines: &mut Deadlines) -> Option<Awaited> {
        let awaited = self.awaited.remove(&id)?;
        deadlines.clear(Some(awaited.until), Deadline::Confirmation(id));
        Some(awaited)
    }
}

impl MessageBroker {
    /// The connection that a direct message would go to, whose `iot:Receive` is asked next.
    pub(crate) fn direct_receiver(
        &self,
        permit: &Permit<SendDirectMessage>,
    ) -> Result<ConnectionId, Undelivered> {
        let slot = self.clients.slot(&permit.resource().client_id);
        let session = slot.and_then(|slot| self.sessions.get(slot));
        let session = session.ok_or(Undelivered::NotFound)?;
        let online = session.online.as_ref().ok_or(Undelivered::NotConnected)?;
        Ok(online.facts.connection)
    }

    //= https://docs.aws.amazon.com/iot/latest/developerguide/direct-messaging.html
    //# to the client of that ID alone, without a subscription; no rule sees it, nobody keeps it
    /// Sends a message to the client that the permit names; with `confirmed_within` at QoS 1, and
    /// [`MessageBroker::decided`] will tell what became of it.
    pub(crate) fn send_direct_message(
        &mut self,
        permit: Permit<SendDirectMessage>,
        receive: Permit<Receive>,
        mut publication: Publication,
        confirmed_within: Option<Duration>,
        now: Timestamp,
    ) -> Result<Option<DirectMessageId>, Undelivered> {
        let connection = self.direct_receiver(&permit)?;
        let DirectMessage { topic, .. } = permit.into_resource();
        if *receive.resource() != topic {
            return Err(Undelivered::NotPermitted);
        }
        let session = self.sessions.connected(connection).ok_or(Undelivered::NotFound)?;
        if !session.queue.has_room() {
            return Err(Undelivered::QueueFull);
        }
        let window = session.online.as_ref().map_or(0, |online| online.window);
        //= https://docs.aws.amazon.com/iot/latest/developerguide/cwl-format.html
        //# RECEIVER_MAX_UNACKED_QOS1_EXCEEDED: the receiver owes as many PUBACKs as it may
        if confirmed_within.is_some() && !session.queue.is_open(window) {
            return Err(Undelivered::TooManyUnacknowledged);
        }
        //= https://docs.aws.amazon.com/general/latest/gr/iot-core.html
        //# direct messages count in the publishes of the receiver's connection
        let rate = Rate::PublishesPerConnection;
        if self.rates.is_some() && !session.publishes.take(rate, 1, now) {
            return Err(Undelivered::Throttled);
        }
        publication.qos = match confirmed_within {
            Some(_) => QoS::AtLeastOnce,
            None => QoS::AtMostOnce,
        };
        let qos = publication.qos;
        let message = Arc::new(Message::new(topic, publication, now));
        let id = self.next_direct();
        let slot = connection.slot;
        self.enqueue(slot, Queued::new(message, false, By::Direct(id)), qos, now);
        Ok(confirmed_within.map(|within| {
            let until = now + within;
            self.deadlines.set(until, Deadline::Confirmation(id));
            self.confirmations.awaited.insert(id, Awaited { slot, until });
            id
        }))
    }

    fn next_direct(&mut self) -> DirectMessageId {
        self.confirmations.last = self.confirmations.last.wrapping_add(1);
        DirectMessageId(self.confirmations.last)
    }

    /// The PUBACK did not come in time.
    pub(super) fn give_up_confirmation(&mut self, id: DirectMessageId) {
        self.withdraw_direct_message(id);
        self.confirmations.decided.push((id, Err(Undelivered::TimedOut)));
    }

    //? assumed: what was not sent yet when its sender stops waiting is not sent any more; what was
    //? sent is sent again like any other, for as long as the connection lives
    /// The sender waits no longer.
    pub(crate) fn withdraw_direct_message(&mut self, id: DirectMessageId) {
        let Some(awaited) = self.confirmations.forget(id, &mut self.deadlines) else { return };
        if let Some(session) = self.sessions.get_mut(awaited.slot) {
            session.queue.withdraw(id);
        }
    }

    //= https://docs.aws.amazon.com/iot/latest/developerguide/direct-messaging.html
    //# direct messages are not queued for offline devices
    /// The connection of `slot` ends: what it did not acknowledge it does not get any more.
    pub(super) fn forget_direct_messages(&mut self, slot: Slot) {
        let Some(session) = self.sessions.get_mut(slot) else { return };
        let kept = !session.expiry.is_zero();
        let outcome = if kept { Undelivered::NotConnected } else { Undelivered::NotFound };
        for id in session.queue.forget_direct() {
            self.confirmations.decide(id, Err(outcome), &mut self.deadlines);
        }
    }

    /// What became of the messages whose senders wait, since this was last asked.
    pub(crate) fn decided(&mut self) -> Vec<(DirectMessageId, Result<(), Undelivered>)> {
        std::mem::take(&mut self.confirmations.decided)
    }
}
