//! A message of a shared subscription finds a member, or waits for one.
//!
//! It decides who of a group can take a message now, and who else if that one may not receive it.
//! Who is in a group is decided in `shared.rs`.
//! Truth: <https://docs.aws.amazon.com/iot/latest/developerguide/mqtt.html>.

use std::sync::Arc;
use std::time::Duration;

use super::MessageBroker;
use super::deadlines::Deadline;
use super::delivery::Declined;
use super::message::Message;
use super::queue::{By, Queued};
use super::shared::{GroupId, Kept, Member};
use crate::message::QoS;
use crate::names::TopicFilter;
use crate::quotas::rates::Rate;
use crate::time::Timestamp;

const STORED_EVERY: Duration = Rate::StoredMessagesPerMember.interval();

impl MessageBroker {
    /// Who of the group gets the next message, which counts for it.
    pub(super) fn choose_member(&mut self, group: GroupId, now: Timestamp) -> Option<Member> {
        if self.rates.is_none() {
            return self.groups.choose(group);
        }
        let (rate, sessions) = (Rate::PublishesPerConnection, &self.sessions);
        let member = self.groups.choose_among(group, |member| {
            let session = sessions.get(member.slot);
            session.is_some_and(|session| session.publishes.has_room(rate, 1, now))
        })?;
        self.sessions.get_mut(member.slot)?.publishes.spend(rate, 1, now);
        Some(member)
    }

    //? assumed: what one member may not receive goes to the next of those that are online, and to
    //? nobody if none of them may; AWS does not say
    /// Gives on what a member may not receive; `false` if there is nobody left to give it to.
    pub(crate) fn give_to_another(&mut self, declined: Declined, now: Timestamp) -> bool {
        let Declined { mut queued, group, slot } = declined;
        queued.declined = queued.declined.saturating_add(1);
        let online = self.groups.online(group);
        if usize::from(queued.declined) >= online.len() {
            return false;
        }
        // By their slots, so that nobody is asked twice while others come and go.
        let (rate, counts) = (Rate::PublishesPerConnection, self.rates.is_some());
        let others = online.iter().copied().filter(|member| {
            let session = self.sessions.get(member.slot).filter(|_| member.slot != slot);
            session.is_some_and(|it| !counts || it.publishes.has_room(rate, 1, now))
        });
        let next = others.min_by_key(|member| (member.slot < slot, member.slot));
        let Some(member) = next else { return false };
        if let Some(session) = self.sessions.get_mut(member.slot).filter(|_| counts) {
            session.publishes.spend(rate, 1, now);
        }
        let qos = queued.message.qos.min(member.qos);
        self.enqueue(member.slot, queued, qos, now);
        true
    }

    //= https://docs.aws.amazon.com/iot/latest/developerguide/mqtt.html
    //# with a persistent session among them, QoS 1 messages wait also while all members that are
    //# online get as many as they may
    /// Lets a message wait that no member can take now.
    pub(super) fn keep_for_group(
        &mut self,
        group: GroupId,
        message: &Arc<Message>,
        now: Timestamp,
    ) -> Kept {
        let online = self.groups.online(group);
        let persistent = |member: &Member| {
            let session = self.sessions.get(member.slot);
            member.qos == QoS::AtLeastOnce && session.is_some_and(|it| !it.expiry.is_zero())
        };
        let wanted_online = online.iter().any(persistent);
        let nobody_online = online.is_empty();
        match self.groups.may_keep(group, message, wanted_online) {
            Kept::No if !nobody_online => return Kept::Throttled(Rate::PublishesPerConnection),
            Kept::Waiting => {}
            other => return other,
        }
        if let Err(rate) = self.count(&[Rate::QueuedMessagesPerAccount], None, now) {
            return Kept::Throttled(rate);
        }
        self.groups.keep(group, message);
        self.look_after(group, now);
        Kept::Waiting
    }

    /// Gives the members of the group of `filter` that are online what waited for anybody.
    pub(super) fn hand_out_waiting(&mut self, filter: &TopicFilter, now: Timestamp) {
        let Some(group) = self.groups.id(filter) else { return };
        // At AWS's pace whoever comes gets its part when the others do.
        if !(self.paced && self.groups.has_deadline(group)) {
            self.hand_out(group, now);
        }
    }

    /// The deadline of the group is reached: its members get what has become due since.
    pub(super) fn hand_out_in_time(&mut self, group: GroupId, now: Timestamp) {
        let Some(due) = self.groups.take_deadline(group) else { return };
        let missed = now.since(due).as_millis() / STORED_EVERY.as_millis();
        // What a late caller missed of the last second they get at once.
        for _round in 0..=missed.min(u128::from(Rate::StoredMessagesPerMember.per_second()) - 1) {
            self.hand_out(group, now);
        }
    }

    //= https://docs.aws.amazon.com/iot/latest/developerguide/mqtt.html
    //# what waited for a group comes at twenty a second for each member
    /// Gives each member that is online one message of those that wait; without a pace, all that
    /// there is room for.
    pub(super) fn hand_out(&mut self, group: GroupId, now: Timestamp) {
        let rate = Rate::PublishesPerConnection;
        for member in self.groups.online(group).to_vec() {
            while let Some(session) = self.sessions.get(member.slot) {
                let counts = self.rates.is_some();
                let in_time = !counts || session.publishes.has_room(rate, 1, now);
                if !session.queue.has_room() || !in_time {
                    break;
                }
                let Some(message) = self.groups.next_waiting(group, now) else { return };
                if let Some(session) = self.sessions.get_mut(member.slot).filter(|_| counts) {
                    session.publishes.spend(rate, 1, now);
                }
                let qos = member.qos.min(message.qos);
                self.enqueue(member.slot, Queued::new(message, false, By::Group(group)), qos, now);
                if self.paced {
                    break;
                }
            }
        }
        self.look_after(group, now);
    }

    /// Sees to it that what waits is handed out when members that are online can take more.
    fn look_after(&mut self, group: GroupId, now: Timestamp) {
        let at = now + STORED_EVERY;
        if self.groups.set_deadline(group, at) {
            self.deadlines.set(at, Deadline::Waiting(group));
        }
    }
}
