//! When the broker wants to be called again, and for what.
//!
//! Each deadline is set and cleared exactly, so that the first is always one that matters.

use std::collections::BTreeSet;

use super::direct::DirectMessageId;
use super::session::Slot;
use super::shared::GroupId;
use crate::names::TopicName;
use crate::time::Timestamp;

/// What is to be done.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Deadline {
    /// The session has been away for too long.
    Session(Slot),
    /// A PUBACK may be overdue.
    Redelivery(Slot),
    /// A stored message has bided its time.
    Stored(Slot),
    /// The sender of a direct message waits no longer for the PUBACK.
    Confirmation(DirectMessageId),
    /// Messages wait for the members of a group.
    Waiting(GroupId),
    /// A connection that was held back goes on.
    Resume(Slot),
    /// There is something to tell of what happens over and over.
    Tell,
    /// A retained message expires.
    Retained(TopicName),
}

/// Deadlines, soonest first.
#[derive(Debug, Default)]
pub(super) struct Deadlines(BTreeSet<(Timestamp, Deadline)>);

impl Deadlines {
    pub(super) fn set(&mut self, at: Timestamp, deadline: Deadline) {
        self.0.insert((at, deadline));
    }

    /// Takes back a deadline that may have been set.
    pub(super) fn clear(&mut self, at: Option<Timestamp>, deadline: Deadline) {
        if let Some(at) = at {
            self.0.remove(&(at, deadline));
        }
    }

    pub(super) fn next(&self) -> Option<Timestamp> {
        self.0.first().map(|(at, _deadline)| *at)
    }

    /// Takes the soonest if it is reached.
    pub(super) fn take_due(&mut self, now: Timestamp) -> Option<Deadline> {
        if self.next()? > now {
            return None;
        }
        self.0.pop_first().map(|(_at, deadline)| deadline)
    }
}
