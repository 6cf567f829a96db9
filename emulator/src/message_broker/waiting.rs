//! Messages in a row, and how much memory they keep while they wait.
//!
//! It counts and decides nothing; how much may wait is said by whoever owns the row.

use std::collections::VecDeque;
use std::collections::vec_deque::{IntoIter, Iter};
use std::sync::Arc;

use super::message::Message;
use super::queue::Queued;

/// What waits in a row.
pub(super) trait HasMessage {
    /// The message, which may wait in other rows too and counts in each.
    fn message(&self) -> &Message;
}

impl HasMessage for Queued {
    fn message(&self) -> &Message {
        &self.message
    }
}

impl HasMessage for Arc<Message> {
    fn message(&self) -> &Message {
        self
    }
}

/// A row of messages, the first to leave in front.
#[derive(Debug)]
pub(super) struct Waiting<T> {
    row: VecDeque<T>,
    // INVARIANT: the sum of `Message::bytes` over `row`.
    bytes: usize,
}

impl<T> Default for Waiting<T> {
    fn default() -> Self {
        Self { row: VecDeque::new(), bytes: 0 }
    }
}

impl<T: HasMessage> Waiting<T> {
    pub(super) fn len(&self) -> usize {
        self.row.len()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.row.is_empty()
    }

    pub(super) fn capacity(&self) -> usize {
        self.row.capacity()
    }

    /// Payload, topic and properties of each message that waits.
    pub(super) const fn bytes(&self) -> usize {
        self.bytes
    }

    pub(super) fn front(&self) -> Option<&T> {
        self.row.front()
    }

    pub(super) fn iter(&self) -> Iter<'_, T> {
        self.row.iter()
    }

    pub(super) fn push_back(&mut self, one: T) {
        self.bytes += one.message().bytes();
        self.row.push_back(one);
    }

    pub(super) fn pop_front(&mut self) -> Option<T> {
        let one = self.row.pop_front()?;
        self.bytes -= one.message().bytes();
        Some(one)
    }

    pub(super) fn remove(&mut self, place: usize) -> Option<T> {
        let one = self.row.remove(place)?;
        self.bytes -= one.message().bytes();
        Some(one)
    }

    pub(super) fn retain(&mut self, mut stays: impl FnMut(&T) -> bool) {
        let mut bytes = 0;
        self.row.retain(|one| {
            let stays = stays(one);
            bytes += if stays { one.message().bytes() } else { 0 };
            stays
        });
        self.bytes = bytes;
    }
}

impl<T> IntoIterator for Waiting<T> {
    type Item = T;
    type IntoIter = IntoIter<T>;

    fn into_iter(self) -> Self::IntoIter {
        self.row.into_iter()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::message::Properties;
    use crate::message_broker::Publication;
    use crate::time::Timestamp;

    fn message(payload: usize) -> Arc<Message> {
        let payload = vec![0; payload].into();
        let publication = Publication { payload, ..Publication::default() };
        Arc::new(Message::new("a/b".into(), publication, Timestamp::default()))
    }

    #[test]
    fn a_message_counts_with_all_that_it_keeps() {
        assert_eq!(message(0).bytes(), 3);
        assert_eq!(message(1000).bytes(), 1003);
        let properties = Properties {
            content_type: Some("text".to_owned()),
            response_topic: Some("r".into()),
            correlation_data: Some(vec![0; 5].into()),
            user_properties: vec![(String::new(), String::new()), ("k".into(), "v".into())],
            ..Properties::default()
        };
        let properties = Some(Box::new(properties));
        let publication = Publication { properties, ..Publication::default() };
        let message = Message::new("a/b".into(), publication, Timestamp::default());
        // A pair takes room even if there is nothing in it.
        let pair = size_of::<(String, String)>();
        assert_eq!(message.bytes(), 3 + 4 + 1 + 5 + 2 * pair + 2);
    }

    proptest! {
        #[test]
        fn bytes_are_counted_exactly(
            steps in prop::collection::vec((0..5_u8, 0..300_usize), 0..60),
        ) {
            let mut waiting = Waiting::default();
            for (step, number) in steps {
                match step {
                    0 | 1 => waiting.push_back(message(number)),
                    2 => drop(waiting.pop_front()),
                    3 => drop(waiting.remove(number % 4)),
                    _ => waiting.retain(|one| one.bytes() % 3 != number % 3),
                }
                let sum: usize = waiting.iter().map(|one| one.bytes()).sum();
                prop_assert_eq!(waiting.bytes(), sum);
            }
            let left = waiting.len();
            prop_assert_eq!(waiting.into_iter().count(), left);
        }
    }
}
