//! How near a resource of a policy comes to a resource that it does not match.
//!
//! It decides nothing about access, only which of several resources a refusal shows: the one that
//! a person would point at, so it goes by the levels of a topic and not by single letters.

use std::cmp::Reverse;

use super::context::Context;
use super::pattern::{Meaning, Pattern};

/// The greater, the nearer; a field counts where those before it are equal.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Nearness {
    /// The name matches as a whole, so that only its kind or the front of the ARN is wrong.
    same_name: bool,
    /// Both are topics, or clients, or topic filters.
    same_kind: bool,
    /// How many levels match from the front.
    front: usize,
    /// How many levels are left between those and the ones that match from the end.
    between: Reverse<usize>,
    /// With how many characters the first of these begins alike, in whatever case.
    begins: usize,
    /// How many parts of the ARN match, before the resource's own.
    parts: usize,
}

impl Nearness {
    /// Between the ARN `found` and one of a policy, in which values stand for variables.
    pub(super) fn of(wanted: &str, found: &str) -> Self {
        let (wanted_front, wanted_kind, wanted_name) = apart(wanted);
        let (found_front, found_kind, found_name) = apart(found);
        let wanted: Vec<&str> = wanted_name.split('/').collect();
        let found: Vec<&str> = found_name.split('/').collect();
        let front = wanted.iter().zip(&found).take_while(|(a, b)| fits(a, b)).count();
        let (wanted, found) =
            (wanted.get(front..).unwrap_or_default(), found.get(front..).unwrap_or_default());
        let ends = wanted.iter().rev().zip(found.iter().rev());
        let back = ends.take_while(|(a, b)| fits(a, b)).count();
        let begins = match (wanted.first(), found.first()) {
            (Some(wanted), Some(found)) => {
                let both = wanted.chars().zip(found.chars());
                both.take_while(|(a, b)| a.eq_ignore_ascii_case(b)).count()
            }
            _ => 0,
        };
        let parts = wanted_front.iter().zip(&found_front).filter(|(a, b)| fits(a, b)).count();
        Self {
            same_name: fits(wanted_name, found_name),
            same_kind: fits(wanted_kind, found_kind),
            front,
            between: Reverse(wanted.len().max(found.len()) - back),
            begins,
            parts,
        }
    }
}

/// The parts of an ARN before its resource, the resource's kind, and its name.
fn apart(arn: &str) -> (Vec<&str>, &str, &str) {
    let mut parts: Vec<&str> = arn.splitn(6, ':').collect();
    let resource = parts.pop().unwrap_or_default();
    let (kind, name) = resource.split_once('/').unwrap_or((resource, ""));
    (parts, kind, name)
}

fn fits(wanted: &str, found: &str) -> bool {
    let meaning = Meaning { wildcards: true, variables: true };
    wanted == found || Pattern::compile(wanted, meaning).matches(found, &Context::new())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_nearest_is_what_a_person_would_point_at() {
        let front = "arn:aws:iot:us-east-1:123456789012:";
        // What is asked for, the nearest, and what is farther.
        let table = [
            ("topic/a", "topicfilter/a", "topic/b"),
            ("topic/a/b/c", "topicfilter/a/*", "topic/a/b/d"),
            ("topic/a/b", "topic/a/c", "topicfilter/a/c"),
            ("topic/a/b/e", "topic/a/c/d", "topic/0b1e"),
            ("topic/a/b/e", "topic/a/b/x", "topic/x/b/e"),
            ("topic/devices/7/cmd", "topic/devices/0f3d/cmd", "topic/devices/7d7d/x/cmd"),
            ("topic/things/s-2/x", "topic/things/s-1/*", "topic/things/other/x"),
            ("topic/otter", "topic/other", "topic/things/s-1/*"),
            ("topic/Lamp/on", "topic/lamp/on", "topic/door/on"),
            ("topic/a/b", "topic/a/*/c", "topic/b/*/c"),
            ("topic/a/*", "topic/a/b", "topic/b/*"),
        ];
        for (found, nearer, farther) in table {
            let nearness =
                |wanted| Nearness::of(&format!("{front}{wanted}"), &format!("{front}{found}"));
            assert!(nearness(nearer) > nearness(farther), "{found}");
        }
        let elsewhere = "arn:aws:iot:eu-west-1:123456789012:topic/a/b";
        let nearness = |wanted: &str| Nearness::of(wanted, &format!("{front}topic/a/b"));
        assert!(nearness(elsewhere) > nearness(&format!("{front}topic/a/c")));
        assert!(
            nearness(&format!("{front}topic/a/x")) > nearness(&elsewhere.replace("a/b", "a/x"))
        );
    }

    #[test]
    fn what_is_no_arn_is_near_or_not() {
        for text in ["", "*", ":", "/", "a:b:c", "arn:aws:iot:::topic"] {
            let _either = (Nearness::of(text, "*"), Nearness::of("arn:aws:iot:r:1:topic/a", text));
        }
    }
}
