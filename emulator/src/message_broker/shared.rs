//! Shared subscriptions: groups `$share/NAME/FILTER`, each message to one member.
//!
//! It decides who of a group gets a message and what waits while no member is online. The members'
//! own queues belong to their sessions.
//! Truth: <https://docs.aws.amazon.com/iot/latest/developerguide/mqtt.html>.

use std::collections::BTreeMap;
use std::num::NonZeroU32;
use std::sync::Arc;

use super::message::Message;
use super::session::Slot;
use super::waiting::Waiting;
use crate::message::QoS;
use crate::names::TopicFilter;
use crate::quotas;
use crate::quotas::rates::Rate;
use crate::time::Timestamp;

/// One group for as long as it has members; a later one of the same name is another.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct GroupId(NonZeroU32);

#[cfg(test)]
impl GroupId {
    pub(super) fn of_test(number: u32) -> Self {
        Self(NonZeroU32::new(number).unwrap())
    }
}

/// A session in a group.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Member {
    pub(super) slot: Slot,
    pub(super) qos: QoS,
}

#[derive(Debug)]
struct Group {
    filter: TopicFilter,
    online: Vec<Member>,
    offline: Vec<Member>,
    waiting: Waiting<Arc<Message>>,
    /// The deadline that is set for handing out what waits, if one is.
    deadline: Option<Timestamp>,
}

impl Group {
    fn members(&self) -> usize {
        self.online.len() + self.offline.len()
    }

    fn remove(&mut self, slot: Slot) -> Option<Member> {
        let from = |members: &mut Vec<Member>| {
            let index = members.iter().position(|member| member.slot == slot)?;
            Some(members.swap_remove(index))
        };
        from(&mut self.online).or_else(|| from(&mut self.offline))
    }
}

/// Why a session cannot join.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum CannotJoin {
    TooManyGroups,
    TooManyMembers,
}

/// What becomes of a message that no member can get now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kept {
    /// It waits for a member.
    Waiting,
    /// Too much waits already.
    Full,
    /// No member would want it later.
    No,
    /// More than a rate lets through.
    Throttled(Rate),
}

/// All groups of a broker.
#[derive(Debug)]
pub(super) struct Groups {
    ids: BTreeMap<TopicFilter, GroupId>,
    groups: BTreeMap<GroupId, Group>,
    last_id: u32,
    random: fastrand::Rng,
}

impl Groups {
    /// No group yet; members will be chosen by a generator that starts from `seed`.
    pub(super) fn new(seed: u64) -> Self {
        let random = fastrand::Rng::with_seed(seed);
        Self { ids: BTreeMap::new(), groups: BTreeMap::new(), last_id: 0, random }
    }

    //= https://docs.aws.amazon.com/iot/latest/developerguide/mqtt.html
    //# the share name and the filter together name a group
    /// Puts an online `member` into the group of `filter`, or changes its QoS there.
    pub(super) fn join(
        &mut self,
        filter: &TopicFilter,
        member: Member,
    ) -> Result<GroupId, CannotJoin> {
        let id = match self.ids.get(filter) {
            Some(&id) => id,
            None => self.found(filter)?,
        };
        let Some(group) = self.groups.get_mut(&id) else { return Ok(id) };
        //= https://docs.aws.amazon.com/general/latest/gr/iot-core.html
        //# a group has at most 100 subscriptions
        if group.remove(member.slot).is_none()
            && group.members() >= quotas::SHARED_SUBSCRIPTION_GROUPS
        {
            return Err(CannotJoin::TooManyMembers);
        }
        group.online.push(member);
        Ok(id)
    }

    fn found(&mut self, filter: &TopicFilter) -> Result<GroupId, CannotJoin> {
        //= https://docs.aws.amazon.com/general/latest/gr/iot-core.html
        //# an account has at most 100 groups
        if self.groups.len() >= quotas::SHARED_SUBSCRIPTION_GROUPS {
            return Err(CannotJoin::TooManyGroups);
        }
        let id = loop {
            self.last_id = self.last_id.wrapping_add(1);
            let free = NonZeroU32::new(self.last_id).map(GroupId);
            if let Some(id) = free.filter(|id| !self.groups.contains_key(id)) {
                break id;
            }
        };
        let (online, offline, waiting) = (Vec::new(), Vec::new(), Waiting::default());
        let group = Group { filter: filter.clone(), online, offline, waiting, deadline: None };
        self.groups.insert(id, group);
        self.ids.insert(filter.clone(), id);
        Ok(id)
    }

    /// Takes a session out of the group of `filter`; the group's ID if that was its last member.
    pub(super) fn leave(&mut self, filter: &TopicFilter, slot: Slot) -> Option<GroupId> {
        let id = *self.ids.get(filter)?;
        let group = self.groups.get_mut(&id)?;
        group.remove(slot);
        if group.members() > 0 {
            return None;
        }
        self.ids.remove(filter);
        self.groups.remove(&id);
        Some(id)
    }

    /// A member of the group of `filter` comes or goes.
    pub(super) fn set_online(&mut self, filter: &TopicFilter, slot: Slot, online: bool) {
        let group = self.ids.get(filter).and_then(|id| self.groups.get_mut(id));
        let Some(group) = group else { return };
        if let Some(member) = group.remove(slot) {
            if online { &mut group.online } else { &mut group.offline }.push(member);
        }
    }

    //= https://docs.aws.amazon.com/iot/latest/developerguide/mqtt.html
    //# a random member that is online gets the message
    /// Who gets the next message of the group.
    pub(super) fn choose(&mut self, id: GroupId) -> Option<Member> {
        let online = &self.groups.get(&id)?.online;
        match online.as_slice() {
            [] => None,
            [only] => Some(*only),
            several => several.get(self.random.usize(..several.len())).copied(),
        }
    }

    /// The same, of those members that can take one.
    pub(super) fn choose_among(
        &mut self,
        id: GroupId,
        can_take: impl Fn(&Member) -> bool,
    ) -> Option<Member> {
        let able: Vec<Member> = self.online(id).iter().copied().filter(can_take).collect();
        (!able.is_empty()).then(|| able[self.random.usize(..able.len())])
    }

    //= https://docs.aws.amazon.com/iot/latest/developerguide/mqtt.html
    //# while only members with a persistent session are there, none of them online, QoS 1 messages
    //# wait; when too many wait, the new one is dropped; QoS 0 is dropped
    /// Whether `message` may wait for a member; `wanted_online` says that one that is online
    /// would want it later.
    pub(super) fn may_keep(&self, id: GroupId, message: &Message, wanted_online: bool) -> Kept {
        let Some(group) = self.groups.get(&id) else { return Kept::No };
        let mut offline = group.offline.iter();
        let wanted = wanted_online || offline.any(|member| member.qos == QoS::AtLeastOnce);
        if message.qos == QoS::AtMostOnce || !wanted {
            return Kept::No;
        }
        //= https://docs.aws.amazon.com/general/latest/gr/iot-core.html
        //# a group has so many queued messages at most
        if group.waiting.len() >= quotas::QUEUED_MESSAGES_PER_GROUP
            || group.waiting.bytes() + message.bytes() > quotas::QUEUED_BYTES_PER_SESSION
        {
            return Kept::Full;
        }
        Kept::Waiting
    }

    /// Lets `message` wait.
    pub(super) fn keep(&mut self, id: GroupId, message: &Arc<Message>) {
        if let Some(group) = self.groups.get_mut(&id) {
            group.waiting.push_back(Arc::clone(message));
        }
    }

    /// The next message that waits for any member of the group.
    pub(super) fn next_waiting(&mut self, id: GroupId, now: Timestamp) -> Option<Arc<Message>> {
        let waiting = &mut self.groups.get_mut(&id)?.waiting;
        while let Some(message) = waiting.pop_front() {
            if !message.is_expired(now) {
                return Some(message);
            }
        }
        *waiting = Waiting::default();
        None
    }

    /// The group of `filter`, if it has members.
    pub(super) fn id(&self, filter: &TopicFilter) -> Option<GroupId> {
        self.ids.get(filter).copied()
    }

    /// The members that are online.
    pub(super) fn online(&self, id: GroupId) -> &[Member] {
        self.groups.get(&id).map_or(&[], |group| &group.online)
    }

    /// Whether a deadline is set for handing out what waits.
    pub(super) fn has_deadline(&self, id: GroupId) -> bool {
        self.groups.get(&id).is_some_and(|group| group.deadline.is_some())
    }

    /// Sets the deadline at `at` if there is none and somebody could take what waits; whether it
    /// did.
    pub(super) fn set_deadline(&mut self, id: GroupId, at: Timestamp) -> bool {
        let Some(group) = self.groups.get_mut(&id) else { return false };
        let could = !group.waiting.is_empty() && !group.online.is_empty();
        let sets = could && group.deadline.is_none();
        if sets {
            group.deadline = Some(at);
        }
        sets
    }

    /// The deadline is reached, which was set for the answer.
    pub(super) fn take_deadline(&mut self, id: GroupId) -> Option<Timestamp> {
        self.groups.get_mut(&id)?.deadline.take()
    }

    /// What the group's members subscribed to, `$share/NAME/` and all.
    pub(super) fn filter(&self, id: GroupId) -> Option<&TopicFilter> {
        self.groups.get(&id).map(|group| &group.filter)
    }
}
