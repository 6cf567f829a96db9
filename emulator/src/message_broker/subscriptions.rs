//! Who gets a message: the topic trie from filters to sessions and shared groups.
//!
//! It decides by the topic alone. A filter without wildcards is found by one look-up; only those
//! with wildcards make a trie of levels.
//! Truth: <https://docs.aws.amazon.com/iot/latest/developerguide/topics.html>.

use std::collections::HashMap;

use super::session::Slot;
use super::shared::GroupId;
use crate::message::QoS;
use crate::names::TopicFilter;

/// When MQTT 5 wants retained messages upon a subscribe.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum RetainHandling {
    /// 0, and always for MQTT 3.1.1.
    #[default]
    Send,
    /// 1.
    SendIfNew,
    /// 2.
    DoNotSend,
}

/// What a SUBSCRIBE says about one filter; the default is QoS 0 of MQTT 3.1.1.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct SubscribeOptions {
    pub(crate) qos: QoS,
    /// Nothing that this client published itself.
    pub(crate) no_local: bool,
    /// RETAIN as the publisher set it, instead of 0.
    pub(crate) retain_as_published: bool,
    pub(crate) retain_handling: RetainHandling,
}

/// Who is behind a filter.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Target {
    Session(Slot),
    Group(GroupId),
}

/// One of those who get the messages of a filter.
#[derive(Clone, Copy, Debug)]
pub(super) struct Subscriber {
    pub(super) target: Target,
    pub(super) qos: QoS,
    pub(super) no_local: bool,
    pub(super) retain_as_published: bool,
}

impl Subscriber {
    pub(super) const fn session(slot: Slot, options: SubscribeOptions) -> Self {
        let SubscribeOptions { qos, no_local, retain_as_published, .. } = options;
        Self { target: Target::Session(slot), qos, no_local, retain_as_published }
    }

    /// Each member of a group has a QoS of its own, which counts when it is chosen.
    pub(super) const fn group(group: GroupId) -> Self {
        let (no_local, retain_as_published) = (false, false);
        let qos = QoS::AtLeastOnce;
        Self { target: Target::Group(group), qos, no_local, retain_as_published }
    }
}

/// Ordered by target, each once.
type Subscribers = Vec<Subscriber>;

fn put(subscribers: &mut Subscribers, subscriber: Subscriber) {
    match subscribers.binary_search_by_key(&subscriber.target, |other| other.target) {
        Ok(index) => subscribers[index] = subscriber,
        Err(index) => subscribers.insert(index, subscriber),
    }
}

fn take(subscribers: &mut Subscribers, target: Target) {
    if let Ok(index) = subscribers.binary_search_by_key(&target, |other| other.target) {
        subscribers.remove(index);
    }
}

/// One level of the filters with wildcards, below those of its parents.
#[derive(Debug, Default)]
struct Level {
    children: HashMap<Box<str>, Level>,
    /// The level below `+`.
    any: Option<Box<Level>>,
    /// Subscribers whose filter ends here.
    here: Subscribers,
    /// Subscribers whose filter goes on with `#`.
    below: Subscribers,
}

impl Level {
    fn is_empty(&self) -> bool {
        let subscribed = !self.here.is_empty() || !self.below.is_empty();
        !subscribed && self.any.is_none() && self.children.is_empty()
    }

    fn put(&mut self, filter: &str, subscriber: Subscriber) {
        let mut level = self;
        for wanted in filter.split('/') {
            level = match wanted {
                "#" => return put(&mut level.below, subscriber),
                "+" => level.any.get_or_insert_default(),
                wanted => level.children.entry(wanted.into()).or_default(),
            };
        }
        put(&mut level.here, subscriber);
    }

    /// Takes `target` out and prunes what is empty then.
    fn take(&mut self, rest: Option<&str>, target: Target) {
        match rest.map(|rest| split_level(rest)) {
            None => take(&mut self.here, target),
            Some(("#", _)) => take(&mut self.below, target),
            Some(("+", rest)) => {
                let Some(level) = &mut self.any else { return };
                level.take(rest, target);
                if level.is_empty() {
                    self.any = None;
                }
            }
            Some((wanted, rest)) => {
                let Some(level) = self.children.get_mut(wanted) else { return };
                level.take(rest, target);
                if level.is_empty() {
                    self.children.remove(wanted);
                }
            }
        }
    }

    //= https://docs.aws.amazon.com/iot/latest/developerguide/topics.html
    //# `sensor/#` matches `sensor/` and what lies below, but not `sensor` itself
    //? assumed: `#` and `+` at the first level do not match a topic that starts with `$`, as in
    //? MQTT
    fn collect(&self, rest: Option<&str>, wildcards: bool, matches: &mut Matches<'_>) {
        let Some(rest) = rest else { return matches.add(&self.here) };
        let (level, rest) = split_level(rest);
        if wildcards {
            matches.add(&self.below);
            if let Some(any) = &self.any {
                any.collect(rest, true, matches);
            }
        }
        if let Some(child) = self.children.get(level) {
            child.collect(rest, true, matches);
        }
    }
}

fn split_level(topic: &str) -> (&str, Option<&str>) {
    // Levels are short: to set out for a search that takes many bytes at once costs more.
    match topic.bytes().position(|byte| byte == b'/') {
        Some(end) => (&topic[..end], Some(&topic[end + 1..])),
        None => (topic, None),
    }
}

struct Matches<'a> {
    found: &'a mut Vec<Subscriber>,
    filters: usize,
}

impl Matches<'_> {
    fn add(&mut self, subscribers: &[Subscriber]) {
        if !subscribers.is_empty() {
            self.found.extend_from_slice(subscribers);
            self.filters += 1;
        }
    }
}

/// Every subscription of a broker.
#[derive(Debug, Default)]
pub(super) struct Subscriptions {
    exact: HashMap<TopicFilter, Subscribers>,
    wildcards: Level,
}

/// Whether `filter` names one topic, as topic filters of AWS IoT can.
fn is_exact(filter: &str) -> bool {
    filter.split('/').all(|level| !matches!(level, "+" | "#"))
}

impl Subscriptions {
    /// Adds `subscriber` under `filter`, or replaces what its target had there.
    pub(super) fn put(&mut self, filter: &str, subscriber: Subscriber) {
        if !is_exact(filter) {
            self.wildcards.put(filter, subscriber);
        } else if let Some(subscribers) = self.exact.get_mut(filter) {
            put(subscribers, subscriber);
        } else {
            self.exact.insert(TopicFilter::new(filter), vec![subscriber]);
        }
    }

    /// Takes `target` away from `filter`.
    pub(super) fn take(&mut self, filter: &str, target: Target) {
        if !is_exact(filter) {
            self.wildcards.take(Some(filter), target);
        } else if let Some(subscribers) = self.exact.get_mut(filter) {
            take(subscribers, target);
            if subscribers.is_empty() {
                self.exact.remove(filter);
            }
        }
    }

    /// Whose filters match `topic`. A session that matches by several filters stands there for
    /// each.
    pub(super) fn collect(&self, topic: &str, found: &mut Vec<Subscriber>) -> Overlap {
        let mut matches = Matches { found, filters: 0 };
        if let Some(subscribers) = self.exact.get(topic) {
            matches.add(subscribers);
        }
        if !self.wildcards.is_empty() {
            self.wildcards.collect(Some(topic), !topic.starts_with('$'), &mut matches);
        }
        if matches.filters > 1 { Overlap::Possible } else { Overlap::None }
    }
}

/// Whether a target may stand in what was found more than once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Overlap {
    None,
    Possible,
}

//? assumed: overlapping subscriptions of one session get one copy, at the highest QoS (MQTT lets
//? a broker choose between that and a copy for each)
/// Leaves each target once, with the best of what its filters asked for.
pub(super) fn merge(found: &mut Vec<Subscriber>) {
    found.sort_unstable_by_key(|subscriber| subscriber.target);
    found.dedup_by(|later, kept| {
        let same = later.target == kept.target;
        if same {
            kept.qos = kept.qos.max(later.qos);
            kept.retain_as_published |= later.retain_as_published;
        }
        same
    });
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::names::topic_matches;

    fn group(number: u32) -> Target {
        Target::Group(GroupId::of_test(number))
    }

    fn subscriber(number: u32) -> Subscriber {
        Subscriber { target: group(number), ..Subscriber::group(GroupId::of_test(1)) }
    }

    /// A filter of few words, so that filters and topics meet often.
    fn filter() -> impl Strategy<Value = String> {
        let level = prop::sample::select(vec!["", "a", "b", "$aws", "+"]);
        let levels = prop::collection::vec(level, 1..5);
        (levels, prop::bool::weighted(0.3)).prop_map(|(mut levels, all_below)| {
            if all_below {
                levels.push("#");
            }
            levels.join("/")
        })
    }

    fn topic() -> impl Strategy<Value = String> {
        let level = prop::sample::select(vec!["", "a", "b", "$aws"]);
        prop::collection::vec(level, 1..6).prop_map(|levels| levels.join("/"))
    }

    proptest! {
        #[test]
        fn the_trie_finds_whom_a_look_at_every_filter_finds(
            filters in prop::collection::vec((filter(), 1..6_u32), 0..20),
            taken in prop::collection::vec(any::<bool>(), 20),
            topics in prop::collection::vec(topic(), 1..8),
        ) {
            let mut subscriptions = Subscriptions::default();
            for (filter, number) in &filters {
                subscriptions.put(filter, subscriber(*number));
            }
            let mut left: std::collections::BTreeSet<_> = filters.iter().cloned().collect();
            for ((filter, number), _) in filters.iter().zip(&taken).filter(|(_, taken)| **taken) {
                subscriptions.take(filter, group(*number));
                left.remove(&(filter.clone(), *number));
            }
            for topic in &topics {
                let mut found = Vec::new();
                let overlap = subscriptions.collect(topic, &mut found);
                let mut actual: Vec<_> = found.iter().map(|one| one.target).collect();
                actual.sort();
                let matching = left.iter().filter(|(filter, _)| topic_matches(filter, topic));
                let mut expected: Vec<_> = matching.map(|(_, number)| group(*number)).collect();
                expected.sort();
                prop_assert_eq!(&actual, &expected, "{}", topic);
                expected.dedup();
                prop_assert!(overlap == Overlap::Possible || actual.len() == expected.len());
                merge(&mut found);
                let merged: Vec<_> = found.iter().map(|one| one.target).collect();
                prop_assert_eq!(merged, expected);
            }
            // Nothing of the trie stays when all have gone.
            for (filter, number) in &left {
                subscriptions.take(filter, group(*number));
            }
            prop_assert!(subscriptions.exact.is_empty() && subscriptions.wildcards.is_empty());
        }
    }
}
