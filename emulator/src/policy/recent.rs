//! What a connection was allowed lately, so that the same again is answered at once.
//!
//! It decides nothing: it remembers permits that [`authorize`] gave, for as long as nothing has
//! changed that they depend on. Refusals are never remembered, as each must say why.

use std::sync::Arc;

use super::{Action, Context, Permit, PolicyInForce, Refusal, authorize};
use crate::names::Scope;
use crate::time::Timestamp;

/// A device publishes and receives on a handful of topics; more would be searched longer, and kept
/// by every session.
const REMEMBERED: usize = 5;

/// The latest resources that one connection was allowed to act on.
///
/// It belongs to one [`Scope`], and to the policies and the [`Context`] of one connection: whoever
/// changes either calls [`RecentlyAllowed::forget`].
#[derive(Debug, Default)]
pub(crate) struct RecentlyAllowed {
    /// The oldest first. Has room for all from the first one, so that no later decision allocates.
    allowed: Vec<Allowed>,
}

#[derive(Debug)]
struct Allowed {
    /// The action's place in `KNOWN`.
    place: u8,
    name: Arc<str>,
}

impl RecentlyAllowed {
    /// Policies or context have changed.
    pub(crate) fn forget(&mut self) {
        self.allowed.clear();
    }

    /// As [`authorize`] at `now`.
    pub(crate) fn authorize<A: Action>(
        &mut self,
        policies: &[PolicyInForce],
        context: &mut Context,
        scope: &Scope,
        resource: A::Resource,
        now: Timestamp,
    ) -> Result<Permit<A>, Refusal> {
        let name = A::resource_name(&resource);
        if self.remembers(A::PLACE, name) {
            return Ok(Permit { resource });
        }
        let hangs_on_the_time = policies.iter().any(|policy| policy.document.asks_for_the_time());
        if hangs_on_the_time {
            context.set_now(now);
        }
        let permit = authorize::<A>(policies, context, scope, resource)?;
        // What is allowed now may not be allowed in a second if a policy asks for the time.
        if !hangs_on_the_time && let Some(name) = A::resource_to_remember(permit.resource()) {
            self.remember(A::PLACE, name);
        }
        Ok(permit)
    }

    fn remembers(&self, place: u8, name: &str) -> bool {
        // A client that publishes to one topic again and again has one name for it.
        let same = |other: &str| std::ptr::eq(other, name) || other == name;
        self.allowed.iter().any(|allowed| allowed.place == place && same(&allowed.name))
    }

    fn remember(&mut self, place: u8, name: Arc<str>) {
        if self.allowed.capacity() == 0 {
            self.allowed.reserve_exact(REMEMBERED);
        }
        if self.allowed.len() == REMEMBERED {
            self.allowed.remove(0);
        }
        self.allowed.push(Allowed { place, name });
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::names::TopicName;
    use crate::policy::{AttachedTo, Connect, Document, PolicyVersion, Publish, Receive};

    const NOW: Timestamp = Timestamp::from_seconds(0);

    fn policies(statement: &str) -> Vec<PolicyInForce> {
        let text = format!(r#"{{"Version": "2012-10-17", "Statement": {{{statement}}}}}"#);
        let document = Document::parse(&text).unwrap();
        let version = PolicyVersion { name: "P".into(), version_id: 1, document };
        vec![PolicyInForce::new(Arc::new(version), AttachedTo::Certificate)]
    }

    fn scope() -> Scope {
        Scope::new("123456789012", "us-east-1")
    }

    #[test]
    fn what_was_allowed_is_allowed_until_it_is_forgotten() {
        let mut recent = RecentlyAllowed::default();
        let mut context = Context::new();
        let all = policies(r#""Effect": "Allow", "Action": "*", "Resource": "*""#);
        assert!(recent.authorize::<Publish>(&all, &mut context, &scope(), "a".into(), NOW).is_ok());
        // Without policies, only memory can allow it.
        assert!(recent.authorize::<Publish>(&[], &mut context, &scope(), "a".into(), NOW).is_ok());
        assert!(recent.authorize::<Publish>(&[], &mut context, &scope(), "b".into(), NOW).is_err());
        assert!(recent.authorize::<Receive>(&[], &mut context, &scope(), "a".into(), NOW).is_err());
        assert!(recent.authorize::<Connect>(&[], &mut context, &scope(), "a".into(), NOW).is_err());
        recent.forget();
        assert!(recent.authorize::<Publish>(&[], &mut context, &scope(), "a".into(), NOW).is_err());
    }

    #[test]
    fn the_oldest_is_forgotten_first() {
        let mut recent = RecentlyAllowed::default();
        let mut context = Context::new();
        let all = policies(r#""Effect": "Allow", "Action": "*", "Resource": "*""#);
        for number in 0..=REMEMBERED {
            let topic = number.to_string().into();
            assert!(recent.authorize::<Publish>(&all, &mut context, &scope(), topic, NOW).is_ok());
        }
        assert!(recent.authorize::<Publish>(&[], &mut context, &scope(), "0".into(), NOW).is_err());
        assert!(recent.authorize::<Publish>(&[], &mut context, &scope(), "1".into(), NOW).is_ok());
    }

    #[test]
    fn what_hangs_on_the_time_is_decided_each_time() {
        let mut recent = RecentlyAllowed::default();
        let until = policies(
            r#""Effect": "Allow", "Action": "*", "Resource": "*",
            "Condition": {"NumericLessThan": {"aws:EpochTime": "100"}}"#,
        );
        let mut context = Context::new();
        for (now, allowed) in [(99, true), (100, false), (99, true)] {
            let decided = recent.authorize::<Publish>(
                &until,
                &mut context,
                &scope(),
                "a".into(),
                Timestamp::from_seconds(now),
            );
            assert_eq!(decided.is_ok(), allowed, "at {now}");
        }
    }

    #[test]
    fn an_allowed_decision_allocates_nothing() {
        let policies = policies(
            r#""Effect": "Allow", "Action": "iot:*", "Resource": [
                "arn:aws:iot:us-east-1:123456789012:topic/a/${iot:ClientId}/*",
                "arn:aws:iot:us-east-1:123456789012:topic/b/${iot:Connection.Thing.ThingName}"
            ], "Condition": {
                "StringLike": {"iot:Connection.Thing.Attributes[site]": "B*"},
                "StringEqualsIgnoreCase": {"iot:Connection.Thing.Attributes[site]": "BERLIN"},
                "DateLessThan": {"iot:Connection.Thing.Attributes[until]": "2030-01-01"}
            }"#,
        );
        let (scope, mut context) = (scope(), Context::new());
        context.set_client_id(&"c".into());
        let until = "2029-12-31T23:59:59.5Z";
        let attributes = [("site".into(), "Berlin".into()), ("until".into(), until.into())];
        context.set_thing("t".into(), None, attributes.into());
        let mut recent = RecentlyAllowed::default();
        let mut allocations = |topic: &str| {
            let topic = TopicName::new(topic);
            let allocated = allocation_counter::measure(|| {
                let topic = topic.clone();
                let asked =
                    recent.authorize::<Publish>(&policies, &mut context, &scope, topic, NOW);
                assert!(asked.is_ok());
            });
            allocated.count_total
        };
        // The first decision makes room: for the ARN, once a thread, and for what is remembered.
        assert!(allocations("a/c/first") <= 5);
        let topics = ["a/c/x", "b/t", "a/c/x", "a/c/y", "a/c/z", "b/t", "a/c/x/y/z"];
        for topic in topics {
            assert_eq!(allocations(topic), 0, "{topic}");
        }
    }
}
