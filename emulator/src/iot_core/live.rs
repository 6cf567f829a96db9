//! The live connections, each found by its place.
//!
//! It decides nothing: it keeps what the checks and the wake-ups of a connection need.

use std::sync::Arc;

use super::authorization::Authorizer;
use super::log::Subscribing;
use crate::message_broker::{ConnectionFacts, ConnectionId, DisconnectReason};
use crate::outbox::Mailbox;
use crate::time::Timestamp;

/// A live connection.
#[derive(Debug)]
pub(super) struct Live {
    pub(super) facts: Arc<ConnectionFacts>,
    pub(super) authorizer: Authorizer,
    pub(super) mailbox: Mailbox,
    /// The SUBSCRIBE that is being worked on.
    pub(super) subscribing: Subscribing,
    /// When it ends at the latest.
    pub(super) ends: Option<Timestamp>,
}

impl Live {
    pub(super) fn close(self, reason: DisconnectReason) {
        self.mailbox.close(reason);
    }
}

/// All of them. Looked up for each packet and each delivery, so by index and not by hash.
#[derive(Debug, Default)]
pub(super) struct LiveConnections(Vec<Option<Box<Live>>>);

impl LiveConnections {
    pub(super) fn get(&self, connection: ConnectionId) -> Option<&Live> {
        let live = self.0.get(connection.place())?.as_deref()?;
        (live.facts.connection == connection).then_some(live)
    }

    pub(super) fn get_mut(&mut self, connection: ConnectionId) -> Option<&mut Live> {
        let live = self.0.get_mut(connection.place())?.as_deref_mut()?;
        (live.facts.connection == connection).then_some(live)
    }

    pub(super) fn insert(&mut self, live: Live) {
        let place = live.facts.connection.place();
        if place >= self.0.len() {
            self.0.resize_with(place + 1, || None);
        }
        self.0[place] = Some(Box::new(live));
    }

    pub(super) fn remove(&mut self, connection: ConnectionId) -> Option<Live> {
        self.get(connection)?;
        self.0.get_mut(connection.place())?.take().map(|live| *live)
    }

    pub(super) fn into_all(self) -> impl Iterator<Item = Live> {
        self.0.into_iter().flatten().map(|live| *live)
    }
}
