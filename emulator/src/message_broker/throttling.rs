//! AWS's rates where the broker keeps to them.
//!
//! It decides what counts where. What a client is answered is decided in `iot_core/`. Without
//! [`MessageBroker::with_rates`] nothing is counted and nothing held back.
//! Truth: <https://docs.aws.amazon.com/general/latest/gr/iot-core.html>.

use super::MessageBroker;
use super::connection::ConnectionId;
use super::deadlines::Deadline;
use super::session::Slot;
use super::untold::Recurring;
use crate::message::QoS;
use crate::names::{ClientId, TopicFilter, TopicName};
use crate::quotas::rates::Rate;
use crate::time::Timestamp;

/// Whose messages came above a rate.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Excess {
    /// What came from a client, or all that its connection carries.
    OfConnection(ConnectionId),
    ToConnection(ConnectionId),
    /// The client is away.
    ToClient(ClientId),
    /// A shared subscription, `$share/NAME/` and all.
    ToGroup(TopicFilter),
    OnTopic(TopicName),
    OfAccount,
}

/// A message that a rate of the account or of its topic does not let through.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Throttled {
    pub(crate) rate: Rate,
    pub(crate) topic: TopicName,
}

impl MessageBroker {
    /// Counts a request in rates of the account, and of one client ID or group; or says which has
    /// no room.
    pub(crate) fn count(
        &mut self,
        account: &[Rate],
        named: Option<(Rate, &str)>,
        now: Timestamp,
    ) -> Result<(), Rate> {
        let Some(rates) = &mut self.rates else { return Ok(()) };
        rates.take(account, named, 1, now)
    }

    //= https://docs.aws.amazon.com/general/latest/gr/iot-core.html
    //# publishes from a client and to it count together; what is above the rate is discarded
    /// Counts what a client publishes; `false` if it is to be discarded.
    pub(crate) fn count_publish(
        &mut self,
        connection: ConnectionId,
        topic: &TopicName,
        now: Timestamp,
    ) -> bool {
        let rate = Rate::PublishesPerConnection;
        if self.rates.is_none() {
            return true;
        }
        let session = self.sessions.connected(connection);
        let counted = session.is_none_or(|session| session.publishes.take(rate, 1, now));
        if !counted {
            self.discard(rate, Excess::OfConnection(connection), Some(topic), now);
        }
        counted
    }

    //= https://docs.aws.amazon.com/general/latest/gr/iot-core.html
    //# every message counts that is to be routed, those with RETAIN for account and topic besides
    /// Counts a message that comes in, by whatever way.
    pub(crate) fn accept(
        &mut self,
        topic: &TopicName,
        retain: bool,
        now: Timestamp,
    ) -> Result<(), Throttled> {
        if self.rates.is_none() {
            return Ok(());
        }
        let inbound = Rate::InboundPublishesPerAccount;
        let counted = if retain {
            let account = [inbound, Rate::RetainedPublishesPerAccount];
            let named = Some((Rate::RetainedPublishesPerTopic, topic.as_str()));
            self.count(&account, named, now)
        } else {
            self.count(&[inbound], None, now)
        };
        counted.map_err(|rate| Throttled { rate, topic: topic.clone() })
    }

    //= https://docs.aws.amazon.com/general/latest/gr/iot-core.html
    //# each subscription that a message matches counts; above the rate the inbound message is
    //# throttled and dropped
    //? assumed: a retained message for a new subscription, and a direct one, do not count here
    /// Counts those who get a message.
    pub(super) fn count_receivers(&mut self, count: usize, now: Timestamp) -> Result<(), Rate> {
        match &mut self.rates {
            Some(rates) if count > 0 => {
                rates.take(&[Rate::OutboundPublishesPerAccount], None, count, now)
            }
            _ => Ok(()),
        }
    }

    //= https://docs.aws.amazon.com/general/latest/gr/iot-core.html
    //# what is sent to a client that is away counts for its connection too, and for the account as
    //# queued
    //? assumed: it does not count again when it goes out
    /// Counts a message for the session in `slot`; `false` if it is discarded.
    pub(super) fn passes(
        &mut self,
        slot: Slot,
        qos: QoS,
        topic: &TopicName,
        now: Timestamp,
    ) -> bool {
        let Some(rates) = &mut self.rates else { return true };
        let Some(session) = self.sessions.get_mut(slot) else { return true };
        let connection = session.online.as_ref().map(|online| online.facts.connection);
        if connection.is_none() && qos == QoS::AtMostOnce {
            return true;
        }
        let per_connection = Rate::PublishesPerConnection;
        let over = if !session.publishes.has_room(per_connection, 1, now) {
            Some(per_connection)
        } else if connection.is_none() {
            rates.take(&[Rate::QueuedMessagesPerAccount], None, 1, now).err()
        } else {
            None
        };
        let Some(rate) = over else {
            session.publishes.spend(per_connection, 1, now);
            return true;
        };
        let client_id = &session.client_id;
        let excess =
            connection.map_or_else(|| Excess::ToClient(client_id.clone()), Excess::ToConnection);
        self.discard(rate, excess, Some(topic), now);
        false
    }

    //= https://docs.aws.amazon.com/general/latest/gr/iot-core.html
    //# data received or sent above the throughput of a connection is delayed, not dropped
    /// Counts what went over a connection; `true` if nothing more should for now. Then
    /// [`super::Effects::wake`] tells when to ask again.
    pub(crate) fn moved(&mut self, connection: ConnectionId, bytes: usize, now: Timestamp) -> bool {
        let rate = Rate::ThroughputPerConnection;
        if self.rates.is_none() {
            return false;
        }
        let session = self.sessions.connected(connection);
        let Some(online) = session.and_then(|session| session.online.as_mut()) else {
            return false;
        };
        online.throughput.spend(rate, bytes, now);
        let resumes = online.throughput.within_from(rate);
        if resumes <= now {
            return false;
        }
        if online.resumes.is_none() {
            online.resumes = Some(resumes);
            self.deadlines.set(resumes, Deadline::Resume(connection.slot));
        }
        if bytes > 0 {
            self.discard(rate, Excess::OfConnection(connection), None, now);
        }
        true
    }

    /// The connection of `slot`, which was held back, goes on.
    pub(super) fn resume(&mut self, slot: Slot) {
        let session = self.sessions.get_mut(slot);
        if let Some(online) = session.and_then(|session| session.online.as_mut()) {
            online.resumes = None;
            self.effects.wake.push(online.facts.connection);
        }
    }

    /// Tells of something above `rate`.
    pub(crate) fn discard(
        &mut self,
        rate: Rate,
        excess: Excess,
        topic: Option<&TopicName>,
        now: Timestamp,
    ) {
        self.tell(Recurring::Throttled(rate, excess), topic, now);
    }
}
