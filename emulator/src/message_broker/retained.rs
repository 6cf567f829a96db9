//! The retained messages: at most one a topic.
//!
//! It decides what stays. Whether a client may retain or read one is decided before.
//! Truth: <https://docs.aws.amazon.com/iot/latest/developerguide/mqtt.html>.

use std::collections::BTreeMap;
use std::ops::Bound;
use std::sync::Arc;

use super::message::Message;
use crate::names::TopicName;
use crate::quotas;
use crate::time::Timestamp;

/// There are as many retained messages as an account may have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct TooManyRetained;

/// Retained messages by topic.
#[derive(Debug, Default)]
pub(super) struct Retained {
    messages: BTreeMap<TopicName, Arc<Message>>,
}

impl Retained {
    //= https://docs.aws.amazon.com/iot/latest/developerguide/mqtt.html
    //# a retained publish replaces the topic's retained message; one without payload deletes it and
    //# is not kept
    /// Keeps `message` in place of what its topic had, which is given back.
    pub(super) fn put(
        &mut self,
        message: &Arc<Message>,
    ) -> Result<Option<Arc<Message>>, TooManyRetained> {
        if message.payload.is_empty() {
            return Ok(self.messages.remove(&message.topic));
        }
        let full = self.messages.len() >= quotas::RETAINED_MESSAGES;
        if full && !self.messages.contains_key(&message.topic) {
            return Err(TooManyRetained);
        }
        Ok(self.messages.insert(message.topic.clone(), Arc::clone(message)))
    }

    /// The message of `topic`, unless it has expired.
    pub(super) fn get(&self, topic: &str, now: Timestamp) -> Option<&Arc<Message>> {
        self.messages.get(topic).filter(|message| !message.is_expired(now))
    }

    /// Forgets the message of `topic` if it has expired.
    pub(super) fn expire(&mut self, topic: &TopicName, now: Timestamp) {
        if self.messages.get(topic).is_some_and(|message| message.is_expired(now)) {
            self.messages.remove(topic);
        }
    }

    /// Those that have not expired and come after the topic `after`, by topic.
    pub(super) fn after<'a>(
        &'a self,
        after: Option<&TopicName>,
        now: Timestamp,
    ) -> impl Iterator<Item = &'a Arc<Message>> + use<'a> {
        let from = after.map_or(Bound::Unbounded, Bound::Excluded);
        let messages = self.messages.range::<TopicName, _>((from, Bound::Unbounded));
        messages.map(|(_topic, message)| message).filter(move |message| !message.is_expired(now))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::message_broker::message::Publication;

    #[test]
    fn c39_above_the_quota_a_topic_can_change_but_none_be_added() {
        let message = |topic: &str, payload: &'static str| {
            let publication = Publication { payload: payload.into(), ..Publication::default() };
            Arc::new(Message::new(topic.into(), publication, Timestamp::default()))
        };
        let mut retained = Retained::default();
        let filler = message("filler", "x");
        for number in 0..quotas::RETAINED_MESSAGES {
            let topic = TopicName::from(format!("{number:06}"));
            retained.messages.insert(topic, Arc::clone(&filler));
        }
        assert_eq!(retained.put(&message("new", "x")).err(), Some(TooManyRetained));
        assert!(retained.put(&message("000001", "changed")).is_ok());
        assert!(retained.put(&message("000002", "")).is_ok());
        assert!(retained.put(&message("new", "x")).is_ok());
        assert_eq!(retained.put(&message("newer", "x")).err(), Some(TooManyRetained));
    }
}
