//! A message of AWS for one connection alone: what it asked for on a reserved topic.
//!
//! It goes the way of any other message through the subscriptions of that client.

use std::sync::Arc;

use super::message::{Message, Publication};
use super::subscriptions::{Overlap, Target, merge};
use super::{ConnectionId, MessageBroker};
use crate::policy::{Permit, Publish};
use crate::time::Timestamp;

/// Whether somebody gets an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Answered {
    Queued,
    /// The client has no subscription that matches the topic.
    NotSubscribed,
    /// The connection is over.
    Gone,
}

impl MessageBroker {
    /// Publishes to `connection`, if it has subscribed to the topic of `permit`. Nothing is
    /// retained, and a shared subscription does not count: its group might have others in it.
    pub(crate) fn answer(
        &mut self,
        permit: Permit<Publish>,
        publication: Publication,
        connection: ConnectionId,
        now: Timestamp,
    ) -> Answered {
        if self.sessions.connected(connection).is_none() {
            return Answered::Gone;
        }
        let topic = permit.into_resource();
        let mut found = std::mem::take(&mut self.found);
        if self.subscriptions.collect(topic.as_str(), &mut found) == Overlap::Possible {
            merge(&mut found);
        }
        let own = Target::Session(connection.slot);
        let subscriber = found.iter().position(|subscriber| subscriber.target == own);
        let subscriber = subscriber.map(|index| found.swap_remove(index));
        found.clear();
        self.found = found;
        let Some(subscriber) = subscriber else { return Answered::NotSubscribed };
        let publication = Publication { retain: None, ..publication };
        let message = Arc::new(Message::new(topic, publication, now));
        self.give_to_session(connection.slot, &message, subscriber, now);
        Answered::Queued
    }
}
