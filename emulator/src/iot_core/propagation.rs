//! [`Propagation`]: since when a change of policies counts, and for whom.
//!
//! AWS caches what is in force for a principal, so that a change of its policies, its groups or its
//! thing counts only minutes later. Here it counts at once, unless `policy_propagation_seconds`
//! says otherwise: then whoever was decided about before a change is decided about as before,
//! until so many seconds after it. What counts is read in `registry/standing.rs`.
//! Truth: <https://docs.aws.amazon.com/iot/latest/developerguide/iot-policies.html>.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use crate::names::ClientId;
use crate::registry::{Registry, Standing, Target, Things};
use crate::time::Timestamp;

/// So many principals are remembered; of more, those that asked longest ago are read afresh.
const PRINCIPALS: usize = 10_000;
/// So many changes of one principal are under way at most; of more, the newest are taken together.
const CHANGES: usize = 64;

/// What counts for whom.
#[derive(Debug)]
pub(super) struct Propagation {
    delay: Duration,
    /// The registry's revision that `known` is up to date with.
    revision: u64,
    /// Who was decided about; nobody if there is no delay.
    known: HashMap<Target, Known>,
}

/// A principal that was decided about.
#[derive(Debug)]
struct Known {
    asked: Timestamp,
    /// What counts now, and what will count; each since the moment it was read.
    // INVARIANT: never empty.
    standings: VecDeque<(Timestamp, Arc<Standing>)>,
}

/// What counts for a principal.
#[derive(Debug)]
pub(super) struct Effective {
    pub(super) standing: Arc<Standing>,
    pub(super) pending: Option<Pending>,
}

/// A change that does not count yet.
#[derive(Clone, Debug)]
pub(super) struct Pending {
    as_of: Timestamp,
    until: Timestamp,
    delay: Duration,
}

impl Pending {
    /// Whether the change counts at `now`.
    pub(super) fn is_over(&self, now: Timestamp) -> bool {
        now >= self.until
    }

    /// The line for the trace.
    pub(super) fn why(&self) -> String {
        format!(
            "policies as of {}: a change is still propagating, policy_propagation_seconds = {}",
            self.as_of.format("%H:%M:%S"),
            self.delay.as_secs()
        )
    }
}

impl Propagation {
    /// Changes count after `delay`.
    pub(super) fn new(delay: Duration) -> Self {
        Self { delay, revision: 0, known: HashMap::new() }
    }

    //= https://docs.aws.amazon.com/iot/latest/developerguide/iot-policies.html
    //# a change takes 6 to 8 minutes to become effective because of how AWS IoT caches policies
    //? assumed: the cache is by principal, and holds its groups and its things too
    /// What counts at `now` for `principal`, which is decided about.
    pub(super) fn effective(
        &mut self,
        registry: &Registry,
        principal: &Target,
        client_id: Option<&ClientId>,
        now: Timestamp,
    ) -> Effective {
        if self.delay.is_zero() {
            let standing = Arc::new(registry.standing(principal, Things::Of(client_id)));
            return Effective { standing, pending: None };
        }
        self.observe(registry, now);
        if self.known.len() >= PRINCIPALS && !self.known.contains_key(principal) {
            self.forget_oldest();
        }
        let known = self.known.entry(principal.clone()).or_insert_with(|| {
            let standing = Arc::new(registry.standing(principal, Things::All));
            Known { asked: now, standings: VecDeque::from([(now, standing)]) }
        });
        known.asked = now;
        known.effective(self.delay, now)
    }

    /// Takes in what has changed in the registry: whoever does so must not let time pass before.
    pub(super) fn observe(&mut self, registry: &Registry, now: Timestamp) {
        if self.delay.is_zero() || self.revision == registry.policy_revision() {
            return;
        }
        let concerned: Vec<Target> = match registry.concerned_since(self.revision) {
            Some(concerned) => concerned.into_iter().cloned().collect(),
            None => self.known.keys().cloned().collect(),
        };
        self.revision = registry.policy_revision();
        for principal in concerned {
            let Some(known) = self.known.get_mut(&principal) else { continue };
            // A certificate that is deleted is gone at once; registered again, it is a new one.
            if !registry.has_standing(&principal) {
                self.known.remove(&principal);
                continue;
            }
            known.change(registry.standing(&principal, Things::All), self.delay, now);
        }
    }

    fn forget_oldest(&mut self) {
        let oldest = self.known.iter().min_by_key(|(_, known)| known.asked);
        if let Some(principal) = oldest.map(|(principal, _)| principal.clone()) {
            self.known.remove(&principal);
        }
    }
}

impl Known {
    fn effective(&mut self, delay: Duration, now: Timestamp) -> Effective {
        self.settle(delay, now);
        // INVARIANT: there is always one that counts.
        let (as_of, standing) = self.standings.front().expect("a standing that counts");
        let next = self.standings.get(1);
        Effective {
            standing: Arc::clone(standing),
            pending: next.map(|(made, _)| Pending { as_of: *as_of, until: *made + delay, delay }),
        }
    }

    /// Forgets what has been replaced.
    fn settle(&mut self, delay: Duration, now: Timestamp) {
        while self.standings.get(1).is_some_and(|(made, _)| now >= *made + delay) {
            self.standings.pop_front();
        }
    }

    fn change(&mut self, standing: Standing, delay: Duration, now: Timestamp) {
        self.settle(delay, now);
        if self.standings.back().is_some_and(|(_, last)| **last == standing) {
            return;
        }
        if self.standings.len() > CHANGES {
            self.standings.pop_back();
        }
        self.standings.push_back((now, Arc::new(standing)));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::names::Scope;

    const DELAY: Duration = Duration::from_secs(10);

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_seconds(seconds)
    }

    fn nobody(number: u64) -> Target {
        Target::Certificate(format!("{number:064x}").parse().unwrap())
    }

    fn registry() -> Registry {
        Registry::new(Scope::new("000000000000", "us-east-1"), 7)
    }

    /// What counts for a certificate that has a policy.
    fn with_a_policy() -> Standing {
        let mut registry = registry();
        let identity = crate::pki::Identity::self_signed("lamp");
        let id = identity.certificate_id();
        let input = serde_json::json!({ "certificatePem": identity.certificate_pem() });
        let input = serde_json::from_value(input).unwrap();
        registry.register_certificate_without_ca(input, at(1_800_000_000)).unwrap();
        let document = crate::iot_core::allow(&["iot:*"], "*");
        let input = serde_json::json!({ "policyName": "P", "policyDocument": document });
        registry.create_policy(serde_json::from_value(input).unwrap(), at(1_800_000_000)).unwrap();
        let target = format!("arn:aws:iot:us-east-1:000000000000:cert/{id}");
        let input = serde_json::json!({ "policyName": "P", "target": target });
        registry.attach_policy(serde_json::from_value(input).unwrap()).unwrap();
        registry.standing(&id.into(), Things::All)
    }

    #[test]
    fn without_a_delay_nothing_is_remembered() {
        let mut propagation = Propagation::new(Duration::ZERO);
        let effective = propagation.effective(&registry(), &nobody(1), None, at(0));
        assert!(effective.pending.is_none() && propagation.known.is_empty());
    }

    #[test]
    fn no_more_principals_are_remembered_than_there_is_room_for() {
        let (registry, mut propagation) = (registry(), Propagation::new(DELAY));
        for number in 0..=PRINCIPALS as u64 {
            let now = at(i64::try_from(number).unwrap());
            let _decided = propagation.effective(&registry, &nobody(number), None, now);
        }
        assert_eq!(propagation.known.len(), PRINCIPALS);
        let remembers = |number| propagation.known.contains_key(&nobody(number));
        assert!(!remembers(0) && remembers(1), "the one that asked longest ago has gone");
    }

    #[test]
    fn what_has_been_replaced_goes_and_changes_are_taken_together_before_they_are_too_many() {
        let registry = registry();
        let standing = || registry.standing(&nobody(1), Things::All);
        let other = with_a_policy();
        let first = Arc::new(standing());
        let mut known = Known { asked: at(0), standings: VecDeque::from([(at(0), first)]) };
        known.change(standing(), DELAY, at(1));
        assert_eq!(known.standings.len(), 1, "nothing has changed");
        for second in 1..200 {
            let changed = if second % 2 == 0 { standing() } else { other.clone() };
            known.change(changed, Duration::from_secs(10_000), at(second));
        }
        assert!(known.standings.len() <= CHANGES + 1, "{}", known.standings.len());
        assert!(known.effective(Duration::from_secs(10_000), at(200)).pending.is_some());
        assert!(known.effective(DELAY, at(1_000)).pending.is_none());
        assert_eq!(known.standings.len(), 1);
    }
}
