//! What can be told of a resource at a glance, before its pattern is matched.
//!
//! Most resources of a policy are told apart from the one that is asked about by a few bytes behind
//! `topic/`, or by their last ones. It decides nothing: what it lets through is matched, and it
//! keeps back only what cannot match.

use super::pattern::Pattern;

/// So many bytes are looked at, at either end.
const BYTES: usize = size_of::<u64>();

/// What the resource of a statement must begin and end with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Glance {
    front: Bytes,
    back: Bytes,
}

/// Bytes that must stand somewhere; those outside the mask may be any.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Bytes {
    mask: u64,
    wanted: u64,
}

/// The ARN of a request, glanced at.
#[derive(Clone, Copy, Debug)]
pub(super) struct Seen {
    /// The name, from behind `topic/`.
    front: u64,
    /// The end of the ARN.
    back: u64,
    /// Whether the name has no colon, so that the five of the ARN are where a pattern has them.
    plain: bool,
}

impl Seen {
    /// Glances at the ARN of a request.
    pub(super) fn of(arn: &str) -> Self {
        let name = arn.split_once('/').map(|(_kind, name)| name.as_bytes());
        let (Some(name), Some(end)) = (name, arn.as_bytes().last_chunk()) else {
            return Self { front: 0, back: 0, plain: false };
        };
        Self {
            front: Bytes::first(name).wanted,
            back: u64::from_le_bytes(*end),
            plain: !name.contains(&b':'),
        }
    }
}

impl Glance {
    /// What may be anything.
    pub(super) const ANY: Self =
        Self { front: Bytes { mask: 0, wanted: 0 }, back: Bytes { mask: 0, wanted: 0 } };

    /// What must be so for `resource` to match. Wildcards may stand for colons, too: only where the
    /// ARN has no more colons than the pattern do the two stand one beside the other.
    pub(super) fn of(resource: &Pattern) -> Self {
        let Some((behind_colons, end)) = resource.anchors() else { return Self::ANY };
        let front = behind_colons.split_once('/').map_or("", |(_kind, name)| name);
        Self { front: Bytes::first(front.as_bytes()), back: Bytes::last(end.as_bytes()) }
    }

    /// Whether a resource of which `seen` was seen may match.
    pub(super) const fn admits(&self, seen: Seen) -> bool {
        !seen.plain || (self.front.fit(seen.front) && self.back.fit(seen.back))
    }
}

impl Bytes {
    const fn fit(self, found: u64) -> bool {
        found & self.mask == self.wanted
    }

    /// The first of `text`, with zeros behind it if it is short.
    fn first(text: &[u8]) -> Self {
        let (mut wanted, mut mask) = ([0; BYTES], [0; BYTES]);
        for ((wanted, mask), found) in wanted.iter_mut().zip(&mut mask).zip(text) {
            (*wanted, *mask) = (*found, 0xff);
        }
        Self { mask: u64::from_le_bytes(mask), wanted: u64::from_le_bytes(wanted) }
    }

    /// The last of `text`.
    fn last(text: &[u8]) -> Self {
        let backwards: Vec<u8> = text.iter().rev().copied().take(BYTES).collect();
        let Self { mask, wanted } = Self::first(&backwards);
        Self { mask: mask.swap_bytes(), wanted: wanted.swap_bytes() }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::context::Context;
    use super::super::pattern::Meaning;
    use super::*;

    fn pattern(text: &str) -> Pattern {
        Pattern::compile(text, Meaning { wildcards: true, variables: true })
    }

    fn admits(resource: &str, arn: &str) -> bool {
        Glance::of(&pattern(resource)).admits(Seen::of(arn))
    }

    #[test]
    fn a_few_bytes_tell_most_resources_apart() {
        let arn = "arn:aws:iot:eu-west-1:1:topic/lamps/7/on";
        let table = [
            ("*", true),
            ("arn:aws:iot:eu-west-1:1:topic/lamps/7/on", true),
            ("arn:aws:iot:*:*:topic/lamps/*", true),
            ("arn:aws:iot:*:*:topic/*/on", true),
            ("arn:aws:iot:*:*:topic*", true),
            ("arn:aws:iot:*:*:topi*c/lamps/7/on", true),
            ("arn:aws:iot:*:*:topic/${iot:ClientId}", true),
            ("arn:aws:iot:*:*:topic/lamp/*", false),
            ("arn:aws:iot:*:*:topic/lamps/7/on/and/off", false),
            ("arn:aws:iot:*:*:topic/*/off", false),
            ("arn:aws:iot:*:*:topic/${iot:ClientId}/off", false),
        ];
        for (resource, expected) in table {
            assert_eq!(admits(resource, arn), expected, "{resource}");
        }
        // A wildcard may stand for the colon of a name.
        let arn = "arn:aws:iot:eu-west-1:1:topic/x:topic/lamps";
        assert!(pattern("arn:aws:iot:*:*:topic/lamps").matches(arn, &Context::new()));
        assert!(admits("arn:aws:iot:*:*:topic/lamps", arn));
    }

    proptest! {
        #[test]
        fn what_matches_is_admitted(
            front in "(arn:aws:iot:(r|\\*|r\\*):(a|\\*):(topic|client|t\\*|\\*)/?|arn:\\*)",
            resource in "[ab/:*?]{0,12}(\\$\\{iot:ClientId\\})?[ab/:*]{0,3}",
            kind in "(topic|client)", name in "[ab/:]{0,14}", client_id in "[ab:]{0,3}",
        ) {
            let mut context = Context::new();
            context.set_client_id(&client_id.into());
            let resource = format!("{front}{resource}");
            let arn = format!("arn:aws:iot:r:a:{kind}/{name}");
            if pattern(&resource).matches(&arn, &context) {
                prop_assert!(admits(&resource, &arn), "{resource} {arn}");
            }
        }
    }
}
