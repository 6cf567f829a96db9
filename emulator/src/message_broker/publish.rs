//! A message comes in and goes to the queues of those who subscribed.
//!
//! It decides who gets it and at which QoS. Rules are not asked here: the rules engine is.
//! Truth: <https://docs.aws.amazon.com/iot/latest/developerguide/mqtt.html>.

use std::sync::Arc;

use super::deadlines::Deadline;
use super::message::{Message, Publication};
use super::queue::{By, Lane, Queued};
use super::session::Slot;
use super::shared::{GroupId, Kept};
use super::subscriptions::{Overlap, Subscriber, Target, merge};
use super::throttling::{Excess, Throttled};
use super::untold::Recurring;
use super::{MessageBroker, Notice, Receiver};
use crate::message::QoS;
use crate::names::{ClientId, TopicName};
use crate::policy::{Permit, Publish};
use crate::time::Timestamp;

impl MessageBroker {
    /// Publishes to the topic of `permit`, or says which rate would be exceeded.
    pub(crate) fn publish(
        &mut self,
        permit: Permit<Publish>,
        mut publication: Publication,
        now: Timestamp,
    ) -> Result<(), Throttled> {
        let topic = permit.into_resource();
        // A permit to retain under another topic is none for this one.
        publication.retain = publication.retain.filter(|retain| *retain.resource() == topic);
        let mut found = std::mem::take(&mut self.found);
        let given = self.give(topic, publication, &mut found, now);
        found.clear();
        self.found = found;
        given
    }

    /// Gives the message to whoever subscribed; `found` is room for them.
    fn give(
        &mut self,
        topic: TopicName,
        publication: Publication,
        found: &mut Vec<Subscriber>,
        now: Timestamp,
    ) -> Result<(), Throttled> {
        let overlap = self.subscriptions.collect(topic.as_str(), found);
        if found.is_empty() && publication.retain.is_none() {
            return Ok(());
        }
        self.leave_own_out(found, publication.publisher.as_ref());
        if overlap == Overlap::Possible {
            merge(found);
        }
        if let Err(rate) = self.count_receivers(found.len(), now) {
            return Err(Throttled { rate, topic });
        }
        let message = Message::new(topic, publication, now);
        let many = message.retain || found.len() > 1;
        let message = Arc::new(if many { message.for_many() } else { message });
        if message.retain {
            self.retain(&message);
        }
        for subscriber in found.drain(..) {
            match subscriber.target {
                Target::Session(slot) => self.give_to_session(slot, &message, subscriber, now),
                Target::Group(group) => self.give_to_group(group, &message, now),
            }
        }
        Ok(())
    }

    //= https://docs.oasis-open.org/mqtt/mqtt/v5.0/os/mqtt-v5.0-os.html
    //# with No Local a client does not get what it published itself
    fn leave_own_out(&self, found: &mut Vec<Subscriber>, publisher: Option<&ClientId>) {
        if found.iter().any(|subscriber| subscriber.no_local)
            && let Some(own) = publisher.and_then(|publisher| self.clients.slot(publisher))
        {
            let own = Target::Session(own);
            found.retain(|subscriber| !(subscriber.no_local && subscriber.target == own));
        }
    }

    fn retain(&mut self, message: &Arc<Message>) {
        let Ok(replaced) = self.retained.put(message) else {
            //= https://docs.aws.amazon.com/general/latest/gr/iot-core.html
            //# above the quota, retained publishes with a payload are throttled
            //? assumed: that subscribers get such a message all the same
            let topic = message.topic.clone();
            return self.effects.notices.push(Notice::NotRetained { topic });
        };
        let deadline = Deadline::Retained(message.topic.clone());
        self.deadlines.clear(replaced.and_then(|replaced| replaced.expires), deadline.clone());
        if let Some(at) = message.expires.filter(|_| !message.payload.is_empty()) {
            self.deadlines.set(at, deadline);
        }
    }

    pub(super) fn give_to_session(
        &mut self,
        slot: Slot,
        message: &Arc<Message>,
        subscriber: Subscriber,
        now: Timestamp,
    ) {
        let qos = message.qos.min(subscriber.qos);
        if !self.passes(slot, qos, &message.topic, now) {
            return;
        }
        //= https://docs.aws.amazon.com/iot/latest/developerguide/mqtt.html
        //# RETAIN is 1 only for what comes because of a new subscription; MQTT 5 can ask otherwise
        let retain = message.retain && subscriber.retain_as_published;
        let queued = Queued::new(Arc::clone(message), retain, By::Subscription);
        self.enqueue(slot, queued, qos, now);
    }

    /// Gives `message` to one member of a group, or keeps it for the group.
    pub(super) fn give_to_group(&mut self, group: GroupId, message: &Arc<Message>, now: Timestamp) {
        if let Some(member) = self.choose_member(group, now) {
            //= https://docs.aws.amazon.com/iot/latest/developerguide/mqtt.html
            //# to a shared subscription a retained publish is like any other
            let queued = Queued::new(Arc::clone(message), false, By::Group(group));
            return self.enqueue(member.slot, queued, message.qos.min(member.qos), now);
        }
        let kept = self.keep_for_group(group, message, now);
        let Some(filter) = self.groups.filter(group).filter(|_| kept != Kept::No) else { return };
        let (receiver, topic) = (Receiver::Group(filter.clone()), message.topic.clone());
        if let Kept::Throttled(rate) = kept {
            let excess = Excess::ToGroup(filter.clone());
            return self.discard(rate, excess, Some(&topic), now);
        }
        if kept == Kept::Waiting {
            self.effects.notices.push(Notice::Queued { receiver, topic });
        } else {
            self.tell(Recurring::NoRoom(receiver), Some(&topic), now);
        }
    }

    /// Lets a message wait for a session, and wakes its connection.
    pub(super) fn enqueue(&mut self, slot: Slot, queued: Queued, qos: QoS, now: Timestamp) {
        let Some(session) = self.sessions.get_mut(slot) else { return };
        let lane = match (qos, &session.online) {
            //= https://docs.aws.amazon.com/iot/latest/developerguide/mqtt.html
            //# QoS 0 messages are not stored for a client that is away
            (QoS::AtMostOnce, None) => return,
            (QoS::AtMostOnce, Some(_)) => Lane::AtMostOnce,
            (QoS::AtLeastOnce, None) => Lane::Stored,
            (QoS::AtLeastOnce, Some(_)) => Lane::AtLeastOnce,
        };
        let away = session.online.is_none().then(|| queued.message.topic.clone());
        match (session.queue.push(queued, lane), away) {
            (Err(Queued { message, .. }), _) => {
                let receiver = Receiver::Client(session.client_id.clone());
                self.tell(Recurring::NoRoom(receiver), Some(&message.topic), now);
            }
            (Ok(()), Some(topic)) => {
                let receiver = Receiver::Client(session.client_id.clone());
                self.effects.notices.push(Notice::Queued { receiver, topic });
            }
            (Ok(()), None) => self.effects.wake.extend(session.wake()),
        }
    }
}
