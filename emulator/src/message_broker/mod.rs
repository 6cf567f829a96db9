//! The pub/sub heart of one account in one Region: who gets which message, and when again.
//!
//! It decides sessions, takeover, subscriptions, retained messages, QoS 1 and expiry. It is a plain
//! value: no I/O, no clock, no bytes of MQTT. Who may do what was decided before and comes in as a
//! `Permit`; rules, events and sockets are the caller's. What a call makes necessary elsewhere is
//! gathered in [`Effects`], which the caller takes before it lets go of its lock.
//!
//! A message is pulled: publishing puts it into the queues of sessions, and each connection asks
//! for its next delivery when it can write, which is when `iot:Receive` is asked.
//! Truth: <https://docs.aws.amazon.com/iot/latest/developerguide/mqtt.html>.

mod answer;
mod clients;
mod connection;
mod deadlines;
mod delivery;
mod direct;
mod disconnect;
mod group_delivery;
mod lifecycle;
mod lookup;
mod message;
mod packet_ids;
mod publish;
mod queue;
mod retained;
mod session;
mod shared;
mod subscribe;
mod subscriptions;
#[cfg(test)]
mod tests;
mod throttling;
mod untold;
mod waiting;

pub(crate) use answer::Answered;
pub(crate) use connection::{ConnectRequest, ConnectionDetails, ConnectionFacts, ConnectionId};
pub(crate) use direct::{DirectMessageId, Undelivered};
pub(crate) use disconnect::{ClientDisconnect, DisconnectReason, Ended};
pub(crate) use lifecycle::Deleted;
pub(crate) use message::{Delivery, Message, Publication, Will};
pub(crate) use subscriptions::{RetainHandling, SubscribeOptions};
pub(crate) use throttling::{Excess, Throttled};

use clients::Clients;
use deadlines::Deadlines;
use direct::Confirmations;
use retained::Retained;
use session::Sessions;
use shared::Groups;
use subscriptions::{Subscriber, Subscriptions};
use untold::Untold;

use crate::names::{ClientId, TopicFilter, TopicName};
use crate::quotas::rates::{Rate, Rates};
use crate::time::Timestamp;

/// The message broker of one account in one Region.
#[derive(Debug)]
pub(crate) struct MessageBroker {
    sessions: Sessions,
    clients: Clients,
    subscriptions: Subscriptions,
    groups: Groups,
    retained: Retained,
    deadlines: Deadlines,
    confirmations: Confirmations,
    untold: Untold,
    effects: Effects,
    /// The number of the latest connection.
    generation: u64,
    /// Whether stored messages come at AWS's pace.
    paced: bool,
    /// What was used up of AWS's rates, if they are enforced.
    rates: Option<Box<Rates>>,
    /// The subscriptions of all sessions.
    subscribed: usize,
    /// Room for the receivers of one message, kept from one publish to the next.
    found: Vec<Subscriber>,
}

/// What has to happen outside since this was last emptied.
#[derive(Debug, Default)]
pub(crate) struct Effects {
    /// Connections that have something to fetch with `next_delivery`, each at most once until it
    /// has fetched all. One that is over by the time it is looked at can be passed over.
    pub(crate) wake: Vec<ConnectionId>,
    /// What the trace should say.
    pub(crate) notices: Vec<Notice>,
}

/// Something that happened to a message or a session without anybody asking.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Notice {
    /// A message waits for somebody who is away: CloudWatch's `Queued`.
    Queued { receiver: Receiver, topic: TopicName },
    /// `count` messages do not reach somebody for whom too many messages wait already, or too many
    /// bytes. `topic` is that of the first, which is told alone.
    NoRoom { receiver: Receiver, topic: Option<TopicName>, count: u32 },
    /// A client had a message again and again and sent no PUBACK.
    NeverAcknowledged { client_id: ClientId, topic: TopicName },
    /// The publish went out, but there are as many retained messages as an account may have.
    NotRetained { topic: TopicName },
    /// `count` messages came above `rate`, or a connection was held back so often. `topic` is that
    /// of the one, if it is one.
    Throttled { rate: Rate, excess: Excess, topic: Option<TopicName>, count: u32 },
    /// A persistent session was away for too long.
    SessionExpired { client_id: ClientId },
}

/// Whom a message was for.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Receiver {
    Client(ClientId),
    /// A shared subscription, `$share/NAME/` and all.
    Group(TopicFilter),
}

impl MessageBroker {
    /// A broker that knows nobody. Members of shared subscriptions are chosen by a generator that
    /// starts from `seed`.
    pub(crate) fn new(seed: u64) -> Self {
        Self {
            sessions: Sessions::default(),
            clients: Clients::default(),
            subscriptions: Subscriptions::default(),
            groups: Groups::new(seed),
            retained: Retained::default(),
            deadlines: Deadlines::default(),
            confirmations: Confirmations::default(),
            untold: Untold::default(),
            effects: Effects::default(),
            generation: 0,
            paced: false,
            rates: None,
            subscribed: 0,
            found: Vec::new(),
        }
    }

    /// Counts connections and direct messages on from where `before` is, so that one of its own,
    /// seen late, means nobody.
    pub(crate) fn count_on_from(&mut self, before: &Self) {
        self.generation = before.generation;
        self.confirmations.count_on_from(&before.confirmations);
    }

    /// Enforces AWS's rates; stored messages come at ten a second, instead of at once.
    #[must_use]
    pub(crate) fn with_rates(mut self) -> Self {
        self.paced = true;
        self.rates = Some(Box::default());
        self
    }

    /// What has to happen outside; whoever calls the broker empties it.
    pub(crate) const fn effects(&mut self) -> &mut Effects {
        &mut self.effects
    }

    /// When [`MessageBroker::handle_timeout`] has something to do next.
    pub(crate) fn next_deadline(&self) -> Option<Timestamp> {
        match (self.deadlines.next(), self.clients.next_deadline()) {
            (Some(one), Some(other)) => Some(one.min(other)),
            (one, other) => one.or(other),
        }
    }
}
