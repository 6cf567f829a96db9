//! Subscribing and unsubscribing, one filter at a time.
//!
//! It decides the limits of a connection and which retained message follows. The eight filters of
//! one SUBSCRIBE, reserved topics, the length and the syntax of a filter are the caller's to check.
//! Truth: <https://docs.aws.amazon.com/iot/latest/developerguide/mqtt.html>.

use std::sync::Arc;

use super::MessageBroker;
use super::connection::ConnectionId;
use super::queue::{By, Queued};
use super::session::Slot;
use super::shared::{CannotJoin, Member};
use super::subscriptions::{RetainHandling, SubscribeOptions, Subscriber, Target};
use crate::message::QoS;
use crate::names::TopicFilter;
use crate::policy::{Permit, Subscribe};
use crate::quotas;
use crate::time::Timestamp;

/// Why a subscription does not come about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum SubscribeError {
    /// Nobody is there any more to be told.
    #[error("the connection is over")]
    NotConnected,
    #[error("a connection has at most {} subscriptions", quotas::SUBSCRIPTIONS_PER_CONNECTION)]
    TooManySubscriptions,
    #[error("an account has at most {} subscriptions", quotas::SUBSCRIPTIONS)]
    TooManyInAccount,
    #[error("an account has at most {} shared subscriptions", quotas::SHARED_SUBSCRIPTION_GROUPS)]
    TooManyGroups,
    #[error("a shared subscription has at most {} members", quotas::SHARED_SUBSCRIPTION_GROUPS)]
    TooManyMembers,
}

impl From<CannotJoin> for SubscribeError {
    fn from(why: CannotJoin) -> Self {
        match why {
            CannotJoin::TooManyGroups => Self::TooManyGroups,
            CannotJoin::TooManyMembers => Self::TooManyMembers,
        }
    }
}

impl MessageBroker {
    /// Subscribes `connection` to the filter of `permit`; the QoS that it gets.
    pub(crate) fn subscribe(
        &mut self,
        connection: ConnectionId,
        permit: Permit<Subscribe>,
        options: SubscribeOptions,
        now: Timestamp,
    ) -> Result<QoS, SubscribeError> {
        let (filter, slot) = (permit.into_resource(), connection.slot);
        let session = self.sessions.connected(connection).ok_or(SubscribeError::NotConnected)?;
        let is_new = !session.subscriptions.contains_key(&filter);
        //= https://docs.aws.amazon.com/general/latest/gr/iot-core.html
        //# a subscription too many is refused in the SUBACK; the connection stays
        if is_new && session.subscriptions.len() >= quotas::SUBSCRIPTIONS_PER_CONNECTION {
            return Err(SubscribeError::TooManySubscriptions);
        }
        if is_new && self.subscribed >= quotas::SUBSCRIPTIONS {
            return Err(SubscribeError::TooManyInAccount);
        }
        let shared = filter.shared().map(|(_name, inner)| inner);
        let inner = shared.unwrap_or(filter.as_str());
        if shared.is_some() {
            let group = self.groups.join(&filter, Member { slot, qos: options.qos })?;
            self.subscriptions.put(inner, Subscriber::group(group));
        } else {
            self.subscriptions.put(inner, Subscriber::session(slot, options));
        }
        if let Some(session) = self.sessions.get_mut(slot) {
            session.subscriptions.insert(filter.clone(), options);
            self.subscribed += usize::from(is_new);
        }
        if shared.is_some() {
            self.hand_out_waiting(&filter, now);
        } else {
            self.send_retained(slot, &filter, options, is_new, now);
        }
        Ok(options.qos)
    }

    //= https://docs.aws.amazon.com/iot/latest/developerguide/mqtt.html
    //# a retained message comes only for a filter that is exactly its topic, with RETAIN 1
    fn send_retained(
        &mut self,
        slot: Slot,
        filter: &TopicFilter,
        options: SubscribeOptions,
        is_new: bool,
        now: Timestamp,
    ) {
        let wanted = match options.retain_handling {
            RetainHandling::Send => true,
            RetainHandling::SendIfNew => is_new,
            RetainHandling::DoNotSend => false,
        };
        let retained = self.retained.get(filter.as_str(), now).filter(|_| wanted);
        let Some(message) = retained.map(Arc::clone) else { return };
        let publisher = message.publisher.as_ref();
        let own = publisher.is_some_and(|by| self.clients.slot(by) == Some(slot));
        if own && options.no_local {
            return;
        }
        let qos = message.qos.min(options.qos);
        if self.passes(slot, qos, &message.topic, now) {
            self.enqueue(slot, Queued::new(message, true, By::Subscription), qos, now);
        }
    }

    /// Ends a subscription; whether there was one. `None` if the connection is over.
    pub(crate) fn unsubscribe(
        &mut self,
        connection: ConnectionId,
        filter: &TopicFilter,
    ) -> Option<bool> {
        let session = self.sessions.connected(connection)?;
        let existed = session.subscriptions.remove(filter).is_some();
        if existed {
            self.remove_subscription(filter, connection.slot);
        }
        Some(existed)
    }

    /// Takes the session in `slot` out of those who get the messages of `filter`.
    pub(super) fn remove_subscription(&mut self, filter: &TopicFilter, slot: Slot) {
        self.subscribed = self.subscribed.saturating_sub(1);
        let Some((_name, inner)) = filter.shared() else {
            return self.subscriptions.take(filter.as_str(), Target::Session(slot));
        };
        if let Some(emptied) = self.groups.leave(filter, slot) {
            self.subscriptions.take(inner, Target::Group(emptied));
        }
    }
}
