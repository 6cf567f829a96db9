//! The live connections, each found by its place.
//!
//! It decides nothing: it keeps what the checks and the wake-ups of a connection need.

use std::sync::Arc;

use super::authorization::Authorizer;
use super::log::Subscribing;
use crate::message_broker::{ConnectionFacts, ConnectionId, DisconnectReason};
use crate::names::TopicName;
use crate::outbox::Mailbox;
use crate::time::Timestamp;

/// A live connection.
#[derive(Debug)]
pub(super) struct Live {
    pub(super) facts: Arc<ConnectionFacts>,
    pub(super) authorizer: Authorizer,
    /// The last topic that it published to, if anybody may: most publish to it again.
    pub(super) last_topic: Option<TopicName>,
    pub(super) mailbox: Mailbox,
    /// The SUBSCRIBE that is being worked on.
    pub(super) subscribing: Subscribing,
    /// When it ends at the latest.
    pub(super) ends: Option<Timestamp>,
    /// What is about to end the connection.
    pub(super) misuse: Option<Box<Misuse>>,
}

/// What a client did that it must not, and what it is answered.
#[derive(Debug)]
pub(super) struct Misuse {
    pub(super) why: String,
    pub(super) answer: String,
}

impl Live {
    pub(super) fn close(self, reason: DisconnectReason) {
        self.mailbox.close(reason);
    }
}

/// All of them. Looked up for each packet and each delivery, so by index and not by hash.
#[derive(Debug, Default)]
pub(super) struct LiveConnections {
    places: Vec<Option<Box<Live>>>,
    /// How many of them are taken.
    count: usize,
}

impl LiveConnections {
    pub(super) fn get(&self, connection: ConnectionId) -> Option<&Live> {
        let live = self.places.get(connection.place())?.as_deref()?;
        (live.facts.connection == connection).then_some(live)
    }

    pub(super) fn get_mut(&mut self, connection: ConnectionId) -> Option<&mut Live> {
        let live = self.places.get_mut(connection.place())?.as_deref_mut()?;
        (live.facts.connection == connection).then_some(live)
    }

    pub(super) fn insert(&mut self, live: Live) {
        let place = live.facts.connection.place();
        if place >= self.places.len() {
            self.places.resize_with(place + 1, || None);
        }
        let before = self.places[place].replace(Box::new(live));
        self.count += usize::from(before.is_none());
    }

    pub(super) fn remove(&mut self, connection: ConnectionId) -> Option<Live> {
        self.get(connection)?;
        let live = self.places.get_mut(connection.place())?.take()?;
        self.count -= 1;
        Some(*live)
    }

    /// How many there are.
    pub(super) const fn len(&self) -> usize {
        self.count
    }

    pub(super) fn into_all(self) -> impl Iterator<Item = Live> {
        self.places.into_iter().flatten().map(|live| *live)
    }
}
