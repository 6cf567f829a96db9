//! What happens over and over: the first is told at once, the others once a second by their number.
//!
//! It decides how often the trace hears of it, so that whoever floods does not push everything else
//! out of the trace. Who has no room, and what is above a rate, is decided where that comes up.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::time::Duration;

use super::deadlines::Deadline;
use super::throttling::Excess;
use super::{MessageBroker, Notice, Receiver};
use crate::names::TopicName;
use crate::quotas::rates::Rate;
use crate::time::Timestamp;

/// How often something is told, however often it happens.
const TOLD_EVERY: Duration = Duration::from_secs(1);

/// What can happen over and over.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Recurring {
    /// Somebody does not get a message, as too much waits for it.
    NoRoom(Receiver),
    /// A message comes above a rate, or a connection is held back.
    Throttled(Rate, Excess),
}

impl Recurring {
    fn notice(self, topic: Option<TopicName>, count: u32) -> Notice {
        match self {
            Self::NoRoom(receiver) => Notice::NoRoom { receiver, topic, count },
            Self::Throttled(rate, excess) => Notice::Throttled { rate, excess, topic, count },
        }
    }
}

/// What was told lately, and how often it happened since.
// INVARIANT: not empty exactly while `Deadline::Tell` is set.
#[derive(Debug, Default)]
pub(super) struct Untold(BTreeMap<Recurring, u32>);

#[cfg(test)]
impl Untold {
    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl MessageBroker {
    //? assumed: AWS logs each message; one entry at once, and one a second that counts the others
    /// Tells of something at once if it is the first, else within a second together with the
    /// others.
    pub(super) fn tell(&mut self, what: Recurring, topic: Option<&TopicName>, now: Timestamp) {
        if self.untold.0.is_empty() {
            self.deadlines.set(now + TOLD_EVERY, Deadline::Tell);
        }
        match self.untold.0.entry(what) {
            Entry::Occupied(mut untold) => *untold.get_mut() = untold.get().saturating_add(1),
            Entry::Vacant(first) => {
                self.effects.notices.push(first.key().clone().notice(topic.cloned(), 1));
                first.insert(0);
            }
        }
    }

    /// Tells what happened in the last second besides, and forgets what did not.
    pub(super) fn tell_untold(&mut self, now: Timestamp) {
        self.untold.0.retain(|_what, untold| *untold > 0);
        for (what, untold) in &mut self.untold.0 {
            let count = std::mem::take(untold);
            self.effects.notices.push(what.clone().notice(None, count));
        }
        if !self.untold.0.is_empty() {
            self.deadlines.set(now + TOLD_EVERY, Deadline::Tell);
        }
    }
}
