//! A message of AWS for one connection alone: what it asked for on a reserved topic.
//!
//! Whoever asked gets it, as its subscription has it if there is one. Nobody else does.

use std::sync::Arc;

use super::message::{Message, Publication};
use super::subscriptions::{Overlap, SubscribeOptions, Subscriber, Target, merge};
use super::{ConnectionId, MessageBroker};
use crate::policy::{Permit, Publish};
use crate::time::Timestamp;

/// Whether somebody gets an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Answered {
    Queued,
    /// Queued at QoS 0: the client has no subscription that matches the topic.
    Unsubscribed,
    /// The connection is over.
    Gone,
}

impl MessageBroker {
    //= https://github.com/aws-samples/aws-iot-fleet-provisioning/issues/6
    //# AWS's sample hears what is accepted without a subscription to it
    //? assumed: at QoS 0 then
    /// Publishes to `connection`, whether it has subscribed to the topic of `permit` or not.
    /// Nothing is retained, and a shared subscription does not count: its group might have others
    /// in it.
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
        let answered = subscriber.map_or(Answered::Unsubscribed, |_| Answered::Queued);
        let unasked = || Subscriber::session(connection.slot, SubscribeOptions::default());
        let subscriber = subscriber.unwrap_or_else(unasked);
        let publication = Publication { retain: None, ..publication };
        let message = Arc::new(Message::new(topic, publication, now));
        self.give_to_session(connection.slot, &message, subscriber, now);
        answered
    }
}
