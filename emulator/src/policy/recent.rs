//! What a connection was allowed lately, so that the same again is answered at once.
//!
//! It decides nothing: it remembers permits that [`authorize`] gave, for as long as nothing has
//! changed that they depend on. Refusals are never remembered, as each must say why.

use super::{Action, Context, Permit, PolicyInForce, Refusal, authorize};
use crate::names::Scope;

/// A device publishes and receives on a handful of topics; more would only be searched longer.
const REMEMBERED: usize = 8;

/// The latest resources that one connection was allowed to act on.
///
/// It belongs to one [`Context`] and one [`Scope`]: whoever changes either starts a new one.
#[derive(Debug, Default)]
pub(crate) struct RecentlyAllowed {
    revision: u64,
    allowed: [Option<Allowed>; REMEMBERED],
    oldest: usize,
}

#[derive(Debug)]
struct Allowed {
    /// The action's place in `KNOWN`.
    place: usize,
    name: Box<str>,
}

impl RecentlyAllowed {
    /// As [`authorize`]; `revision` must grow whenever `policies` may have changed.
    pub(crate) fn authorize<A: Action>(
        &mut self,
        revision: u64,
        policies: &[PolicyInForce],
        context: &Context,
        scope: &Scope,
        resource: A::Resource,
    ) -> Result<Permit<A>, Refusal> {
        let name = A::resource_name(&resource);
        if self.revision != revision {
            *self = Self { revision, ..Self::default() };
        } else if self.remembers(A::PLACE, name) {
            return Ok(Permit { resource });
        }
        let permit = authorize::<A>(policies, context, scope, resource)?;
        // What is allowed now may not be allowed in a second if a policy asks for the time.
        if policies.iter().all(|policy| !policy.document.asks_for_the_time()) {
            self.remember(A::PLACE, A::resource_name(permit.resource()));
        }
        Ok(permit)
    }

    fn remembers(&self, place: usize, name: &str) -> bool {
        let mut allowed = self.allowed.iter().flatten();
        allowed.any(|allowed| allowed.place == place && *allowed.name == *name)
    }

    fn remember(&mut self, place: usize, name: &str) {
        if let Some(slot) = self.allowed.get_mut(self.oldest) {
            *slot = Some(Allowed { place, name: name.into() });
        }
        self.oldest = (self.oldest + 1) % REMEMBERED;
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::policy::{Connect, Document, Publish, Receive};
    use crate::time::Timestamp;

    fn policies(statement: &str) -> Vec<PolicyInForce> {
        let text = format!(r#"{{"Version": "2012-10-17", "Statement": {{{statement}}}}}"#);
        vec![PolicyInForce {
            name: "P".into(),
            version_id: "1".to_owned(),
            document: Arc::new(Document::parse(&text).unwrap()),
            attached_to: "the certificate".to_owned(),
        }]
    }

    fn scope() -> Scope {
        Scope::new("123456789012", "us-east-1")
    }

    #[test]
    fn what_was_allowed_is_allowed_until_the_revision_grows() {
        let mut recent = RecentlyAllowed::default();
        let context = Context::new();
        let all = policies(r#""Effect": "Allow", "Action": "*", "Resource": "*""#);
        assert!(recent.authorize::<Publish>(1, &all, &context, &scope(), "a".into()).is_ok());
        // Without policies, only memory can allow it.
        assert!(recent.authorize::<Publish>(1, &[], &context, &scope(), "a".into()).is_ok());
        assert!(recent.authorize::<Publish>(1, &[], &context, &scope(), "b".into()).is_err());
        assert!(recent.authorize::<Receive>(1, &[], &context, &scope(), "a".into()).is_err());
        assert!(recent.authorize::<Connect>(1, &[], &context, &scope(), "a".into()).is_err());
        assert!(recent.authorize::<Publish>(2, &[], &context, &scope(), "a".into()).is_err());
    }

    #[test]
    fn the_oldest_is_forgotten_first() {
        let mut recent = RecentlyAllowed::default();
        let context = Context::new();
        let all = policies(r#""Effect": "Allow", "Action": "*", "Resource": "*""#);
        for number in 0..=REMEMBERED {
            let topic = number.to_string().into();
            assert!(recent.authorize::<Publish>(1, &all, &context, &scope(), topic).is_ok());
        }
        assert!(recent.authorize::<Publish>(1, &[], &context, &scope(), "0".into()).is_err());
        assert!(recent.authorize::<Publish>(1, &[], &context, &scope(), "1".into()).is_ok());
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
            context.set_now(Timestamp::from_seconds(now));
            let decided = recent.authorize::<Publish>(1, &until, &context, &scope(), "a".into());
            assert_eq!(decided.is_ok(), allowed, "at {now}");
        }
    }
}
