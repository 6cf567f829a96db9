//! What waits for one session, and what was sent to its client without an acknowledgement yet.
//!
//! It decides the order of deliveries, packet IDs, the window of QoS 1 and when a message is sent
//! again. It does not know who the client is nor why a message came.
//! Truth: <https://docs.aws.amazon.com/iot/latest/developerguide/mqtt.html>.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use super::direct::DirectMessageId;
use super::message::{Delivery, Message};
use super::packet_ids::PacketIds;
use super::shared::GroupId;
use super::waiting::Waiting;
use crate::message::{ProtocolVersion, QoS};
use crate::quotas;
use crate::quotas::rates::Rate;
use crate::time::Timestamp;

//= https://github.com/awslabs/aws-crt-python/blob/main/test/test_mqtt5.py
//# a message without PUBACK comes again on the same connection within 35 s, without DUP
//? assumed: after 20 s
/// How long the broker waits for a PUBACK.
pub(super) const REDELIVERY_AFTER: Duration = Duration::from_secs(20);

/// A larger buffer is given back when nothing waits in it any more.
const IDLE_CAPACITY: usize = 64;

//= https://docs.aws.amazon.com/general/latest/gr/iot-core.html
//# a QoS 1 message is sent again for an hour (MQTT 3) or for 960 s (MQTT 5), then dropped
/// How long a message without PUBACK is sent again and again.
const fn retry_window(version: ProtocolVersion) -> Duration {
    match version {
        ProtocolVersion::Mqtt311 => Duration::from_secs(3600),
        ProtocolVersion::Mqtt5 => Duration::from_secs(960),
    }
}

/// What a message came by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum By {
    Subscription,
    /// A shared subscription, which gets it back if the client goes away.
    Group(GroupId),
    /// Its sender named the client.
    Direct(DirectMessageId),
}

impl By {
    pub(super) const fn group(self) -> Option<GroupId> {
        match self {
            Self::Group(group) => Some(group),
            Self::Subscription | Self::Direct(_) => None,
        }
    }

    pub(super) const fn direct(self) -> Option<DirectMessageId> {
        match self {
            Self::Direct(id) => Some(id),
            Self::Subscription | Self::Group(_) => None,
        }
    }
}

/// A message that waits.
#[derive(Debug)]
pub(super) struct Queued {
    pub(super) message: Arc<Message>,
    /// RETAIN as the client will see it.
    pub(super) retain: bool,
    pub(super) by: By,
    /// How many members of its group may not receive it.
    pub(super) declined: u8,
    /// Counts the session's messages up, so that both QoS leave in the order of their coming.
    sequence: u32,
}

impl Queued {
    pub(super) const fn new(message: Arc<Message>, retain: bool, by: By) -> Self {
        Self { message, retain, by, declined: 0, sequence: 0 }
    }

    /// Numbers wrap round; no queue is long enough for that to mislead.
    const fn came_before(&self, other: &Self) -> bool {
        other.sequence.wrapping_sub(self.sequence) < u32::MAX / 2
    }
}

#[derive(Debug)]
struct InFlight {
    packet_id: u16,
    queued: Queued,
    first_sent: Timestamp,
    sent: Timestamp,
}

/// Where the next delivery comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Lane {
    /// Sent before, and not acknowledged in time.
    Again,
    /// Came while the client was away.
    Stored,
    AtLeastOnce,
    AtMostOnce,
}

/// The messages of one session, waiting and in flight.
#[derive(Debug, Default)]
pub(super) struct Queue {
    at_most_once: Waiting<Queued>,
    at_least_once: Waiting<Queued>,
    stored: Waiting<Queued>,
    // INVARIANT: ordered by `sent`, the first `due` of them waiting to be sent again.
    in_flight: VecDeque<InFlight>,
    due: usize,
    sequence: u32,
    packet_ids: PacketIds,
    next_stored: Timestamp,
}

impl Queue {
    fn len(&self) -> usize {
        self.at_most_once.len() + self.at_least_once.len() + self.stored.len()
    }

    /// Payload, topic and properties of all that waits; what is in flight does not wait.
    pub(super) fn bytes(&self) -> usize {
        self.at_most_once.bytes() + self.at_least_once.bytes() + self.stored.bytes()
    }

    #[cfg(test)]
    pub(super) fn bytes_in_flight(&self) -> usize {
        self.in_flight.iter().map(|sent| sent.queued.message.bytes()).sum()
    }

    /// Whether another message may wait, be it the largest that there is.
    pub(super) fn has_room(&self) -> bool {
        self.has_room_for(quotas::PACKET_BYTES)
    }

    fn has_room_for(&self, bytes: usize) -> bool {
        self.len() < quotas::QUEUED_MESSAGES_PER_SESSION
            && self.bytes() + bytes <= quotas::QUEUED_BYTES_PER_SESSION
    }

    /// Lets `queued` wait; gives it back if too much waits already.
    pub(super) fn push(&mut self, mut queued: Queued, lane: Lane) -> Result<(), Queued> {
        if !self.has_room_for(queued.message.bytes()) {
            return Err(queued);
        }
        queued.sequence = self.sequence;
        self.sequence = self.sequence.wrapping_add(1);
        match lane {
            Lane::AtMostOnce => self.at_most_once.push_back(queued),
            Lane::AtLeastOnce => self.at_least_once.push_back(queued),
            Lane::Stored | Lane::Again => self.stored.push_back(queued),
        }
        Ok(())
    }

    /// QoS 1 messages that the client has and did not acknowledge.
    fn outstanding(&self) -> usize {
        self.in_flight.len() - self.due
    }

    /// Whether the client may be sent another QoS 1 message before it acknowledges one.
    pub(super) fn is_open(&self, window: u16) -> bool {
        self.outstanding() < usize::from(window)
    }

    /// Whether something could go out now, stored messages that bide their time aside.
    pub(super) fn is_ready(&self, window: u16) -> bool {
        let open = self.is_open(window);
        let waiting = self.due > 0 || !self.at_least_once.is_empty() || !self.stored.is_empty();
        !self.at_most_once.is_empty() || open && waiting
    }

    /// Where the next delivery comes from; expired messages on the way are forgotten.
    pub(super) fn next(&mut self, window: u16, now: Timestamp) -> Option<Lane> {
        self.forget_expired(now);
        let open = self.is_open(window);
        if open && self.due > 0 {
            return Some(Lane::Again);
        }
        if open && !self.stored.is_empty() && self.next_stored <= now {
            return Some(Lane::Stored);
        }
        let sure = self.at_least_once.front().filter(|_| open);
        match (sure, self.at_most_once.front()) {
            (Some(sure), Some(other)) if sure.came_before(other) => Some(Lane::AtLeastOnce),
            (_, Some(_)) => Some(Lane::AtMostOnce),
            (Some(_), None) => Some(Lane::AtLeastOnce),
            (None, None) => {
                self.give_back_buffers();
                None
            }
        }
    }

    fn forget_expired(&mut self, now: Timestamp) {
        let expired = |queued: &Queued| queued.message.is_expired(now);
        for lane in [&mut self.at_most_once, &mut self.at_least_once, &mut self.stored] {
            while lane.front().is_some_and(expired) {
                lane.pop_front();
            }
        }
        while self.due > 0 && self.in_flight.front().is_some_and(|sent| expired(&sent.queued)) {
            self.in_flight.pop_front();
            self.due -= 1;
        }
    }

    fn give_back_buffers(&mut self) {
        for lane in [&mut self.at_most_once, &mut self.at_least_once, &mut self.stored] {
            if lane.is_empty() && lane.capacity() > IDLE_CAPACITY {
                *lane = Waiting::default();
            }
        }
    }

    fn lane(&mut self, lane: Lane) -> Option<&mut Waiting<Queued>> {
        match lane {
            Lane::Again => None,
            Lane::Stored => Some(&mut self.stored),
            Lane::AtLeastOnce => Some(&mut self.at_least_once),
            Lane::AtMostOnce => Some(&mut self.at_most_once),
        }
    }

    /// The message that `next` spoke of.
    pub(super) fn peek(&self, lane: Lane) -> Option<&Queued> {
        match lane {
            Lane::Again => self.in_flight.front().map(|sent| &sent.queued),
            Lane::Stored => self.stored.front(),
            Lane::AtLeastOnce => self.at_least_once.front(),
            Lane::AtMostOnce => self.at_most_once.front(),
        }
    }

    /// Forgets the message that `next` spoke of, and gives it back.
    pub(super) fn discard(&mut self, lane: Lane) -> Option<Queued> {
        if let Some(lane) = self.lane(lane) {
            return lane.pop_front();
        }
        let sent = self.in_flight.pop_front()?;
        self.due = self.due.saturating_sub(1);
        Some(sent.queued)
    }

    /// Forgets a direct message that was not sent yet.
    pub(super) fn withdraw(&mut self, id: DirectMessageId) {
        for lane in [&mut self.at_least_once, &mut self.stored] {
            // Senders give up in the order in which they came: its place is near the front.
            if let Some(place) = lane.iter().position(|queued| queued.by == By::Direct(id)) {
                lane.remove(place);
                return;
            }
        }
    }

    /// Forgets all direct messages, as the connection is over.
    pub(super) fn forget_direct(&mut self) -> Vec<DirectMessageId> {
        let mut forgotten = Vec::new();
        let mut stays = |queued: &Queued| {
            forgotten.extend(queued.by.direct());
            queued.by.direct().is_none()
        };
        for lane in [&mut self.at_most_once, &mut self.at_least_once, &mut self.stored] {
            lane.retain(&mut stays);
        }
        self.due = 0;
        self.in_flight.retain(|sent| stays(&sent.queued));
        forgotten
    }

    /// Takes the message that `next` spoke of for its way out.
    pub(super) fn take(&mut self, lane: Lane, paced: bool, now: Timestamp) -> Option<Delivery> {
        let (queued, packet_id) = match lane {
            Lane::AtMostOnce => {
                let queued = self.at_most_once.pop_front()?;
                return Some(delivery(queued.message, QoS::AtMostOnce, None, queued.retain, now));
            }
            Lane::Again => {
                let mut again = self.in_flight.pop_front()?;
                self.due = self.due.saturating_sub(1);
                again.sent = now;
                self.in_flight.push_back(again);
                let again = self.in_flight.back()?;
                (&again.queued, again.packet_id)
            }
            Lane::Stored | Lane::AtLeastOnce => {
                let queued = self.lane(lane)?.pop_front()?;
                if lane == Lane::Stored && paced {
                    // What a late caller missed of the last second it gets at once.
                    let every = Rate::StoredMessagesPerSession.interval();
                    let missed = now - Duration::from_secs(1) + every;
                    self.next_stored = self.next_stored.max(missed) + every;
                }
                let in_use = self.in_flight.iter().map(|sent| sent.packet_id);
                let packet_id = self.packet_ids.next(in_use);
                self.in_flight.push_back(InFlight {
                    packet_id,
                    queued,
                    first_sent: now,
                    sent: now,
                });
                (&self.in_flight.back()?.queued, packet_id)
            }
        };
        let message = Arc::clone(&queued.message);
        Some(delivery(message, QoS::AtLeastOnce, Some(packet_id), queued.retain, now))
    }

    /// The client has it; what it was, if it was waited for.
    pub(super) fn acknowledge(&mut self, packet_id: u16) -> Option<Queued> {
        let index = self.in_flight.iter().position(|sent| sent.packet_id == packet_id)?;
        let sent = match index {
            // Most clients acknowledge in the order in which they are sent to.
            0 => self.in_flight.pop_front()?,
            index => self.in_flight.remove(index)?,
        };
        if index < self.due {
            self.due -= 1;
        }
        Some(sent.queued)
    }

    /// When the oldest message without PUBACK must be sent again.
    pub(super) fn redelivery(&self) -> Option<Timestamp> {
        self.in_flight.get(self.due).map(|sent| sent.sent + REDELIVERY_AFTER)
    }

    /// When a stored message that bides its time may go.
    pub(super) fn stored_from(&self) -> Option<Timestamp> {
        (!self.stored.is_empty()).then_some(self.next_stored)
    }

    /// Marks what was not acknowledged in time; gives back what was tried for too long.
    pub(super) fn mark_due(&mut self, version: ProtocolVersion, now: Timestamp) -> Vec<Queued> {
        let mut given_up = Vec::new();
        while self.redelivery().is_some_and(|at| at <= now) {
            let first_sent = self.in_flight.get(self.due).map(|sent| sent.first_sent);
            if first_sent.is_some_and(|first| first + retry_window(version) <= now) {
                given_up.extend(self.in_flight.remove(self.due).map(|sent| sent.queued));
            } else {
                self.due += 1;
            }
        }
        given_up
    }

    //= https://docs.aws.amazon.com/iot/latest/developerguide/mqtt.html
    //# a session keeps what was not acknowledged and new QoS 1 messages; QoS 0 is not stored
    /// The client is away. Gives back what a shared subscription can give to somebody else.
    pub(super) fn go_offline(&mut self) -> Vec<Queued> {
        self.at_most_once = Waiting::default();
        self.due = 0;
        let mut returned = Vec::new();
        for lane in [std::mem::take(&mut self.stored), std::mem::take(&mut self.at_least_once)] {
            for queued in lane {
                if queued.by.group().is_some() {
                    returned.push(queued);
                } else {
                    self.stored.push_back(queued);
                }
            }
        }
        returned
    }

    /// The client is back: all that it did not acknowledge is sent again.
    pub(super) fn go_online(&mut self, paced: bool, now: Timestamp) {
        self.due = self.in_flight.len();
        //? assumed: the time for which a message is tried starts anew with each connection
        for sent in &mut self.in_flight {
            sent.first_sent = now;
        }
        if paced {
            self.next_stored = now;
        } else {
            // Without a pace they are no different from what comes now.
            self.at_least_once = std::mem::take(&mut self.stored);
        }
    }

    /// The session is over. Gives back what a shared subscription can give to somebody else.
    pub(super) fn into_shared(self) -> impl Iterator<Item = Queued> {
        let in_flight = self.in_flight.into_iter().map(|sent| sent.queued);
        let waiting = in_flight.chain(self.stored).chain(self.at_least_once);
        waiting.filter(|queued| queued.by.group().is_some())
    }
}

fn delivery(
    message: Arc<Message>,
    qos: QoS,
    packet_id: Option<u16>,
    retain: bool,
    now: Timestamp,
) -> Delivery {
    let expiry_seconds = message.remaining_expiry_seconds(now);
    Delivery { message, qos, packet_id, retain, expiry_seconds }
}
