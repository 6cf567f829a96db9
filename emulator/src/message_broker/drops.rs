//! Messages for which a receiver has no room: the first is told, those that follow are counted.
//!
//! It decides how often the trace hears of it, so that whoever floods a slow receiver does not
//! push everything else out of the trace. Who has no room is decided where the message would wait.

use std::collections::BTreeMap;
use std::time::Duration;

use super::deadlines::Deadline;
use super::message::Message;
use super::{Dropped, MessageBroker, Notice, Receiver};

/// How long messages are counted after one was told.
const COUNTED_FOR: Duration = Duration::from_secs(1);

/// Receivers of whom a drop was told lately, and how many were not told since.
#[derive(Debug, Default)]
pub(super) struct Drops(BTreeMap<Receiver, u64>);

#[cfg(test)]
impl Drops {
    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl MessageBroker {
    //? assumed: AWS logs a message that it drops; one entry a second and one that counts the rest
    /// `receiver` does not get `message`, as too much waits for it.
    pub(super) fn drop_for_want_of_room(&mut self, receiver: Receiver, message: &Message) {
        if let Some(untold) = self.drops.0.get_mut(&receiver) {
            *untold += 1;
            return;
        }
        self.drops.0.insert(receiver.clone(), 0);
        let until = message.published + COUNTED_FOR;
        self.deadlines.set(until, Deadline::Drops(receiver.clone()));
        let (topic, why) = (message.topic.clone(), Dropped::QueueFull);
        self.effects.notices.push(Notice::Dropped { receiver, topic, why });
    }

    /// The second is over: tells how many messages `receiver` did not get besides the first.
    pub(super) fn tell_drops(&mut self, receiver: Receiver) {
        if let Some(count @ 1..) = self.drops.0.remove(&receiver) {
            self.effects.notices.push(Notice::DroppedMore { receiver, count });
        }
    }
}
