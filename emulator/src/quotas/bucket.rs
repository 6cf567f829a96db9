//! How a rate is counted: a [`Bucket`] that fills by use and leaks by time, and buckets by name.
//!
//! No clock: time is an argument. A name that was not used for a second is forgotten, since its
//! bucket has leaked empty.

use std::collections::HashMap;
use std::time::Duration;

use super::rates::Rate;
use crate::time::Timestamp;

//? assumed: after a pause as much goes at once as may go in a second, and what is refused does not
//? count
/// How much of a rate was used up.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Bucket {
    /// In thousandths, so that what leaks in a millisecond is a whole number.
    level: u64,
    at: Timestamp,
}

impl Bucket {
    fn leak(&mut self, rate: Rate, now: Timestamp) {
        let passed = u64::try_from(now.since(self.at).as_millis()).unwrap_or(u64::MAX);
        self.level = self.level.saturating_sub(passed.saturating_mul(rate.per_second().into()));
        // Also backwards, or a clock that is set back would stop all leaking.
        self.at = now;
    }

    /// Whether `count` more fit. Of what never fits, one goes when nothing else was used.
    pub(crate) fn has_room(&self, rate: Rate, count: usize, now: Timestamp) -> bool {
        let mut bucket = *self;
        bucket.leak(rate, now);
        let level = bucket.level.saturating_add(thousandths(count));
        bucket.level == 0 || level <= capacity(rate)
    }

    /// Counts `count`, whether they fit or not.
    pub(crate) fn spend(&mut self, rate: Rate, count: usize, now: Timestamp) {
        self.leak(rate, now);
        self.level = self.level.saturating_add(thousandths(count));
    }

    /// Counts `count` if they fit.
    pub(crate) fn take(&mut self, rate: Rate, count: usize, now: Timestamp) -> bool {
        let fits = self.has_room(rate, count, now);
        if fits {
            self.spend(rate, count, now);
        }
        fits
    }

    /// Since when no more was used than a second's worth.
    pub(crate) fn within_from(&self, rate: Rate) -> Timestamp {
        let above = self.level.saturating_sub(capacity(rate));
        self.at + Duration::from_millis(above.div_ceil(rate.per_second().into()))
    }
}

fn thousandths(count: usize) -> u64 {
    u64::try_from(count).unwrap_or(u64::MAX).saturating_mul(1000)
}

fn capacity(rate: Rate) -> u64 {
    u64::from(rate.per_second()) * 1000
}

/// One bucket for each client ID, topic or group that was heard of lately.
#[derive(Debug, Default)]
pub(super) struct Named {
    // INVARIANT: whatever stands in `old` was used before `turned`, `young` after it.
    young: HashMap<(Rate, Box<str>), Bucket>,
    old: HashMap<(Rate, Box<str>), Bucket>,
    turned: Timestamp,
}

impl Named {
    const GENERATION: Duration = Duration::from_secs(1);

    /// The bucket of `name`.
    pub(super) fn get(&self, rate: Rate, name: &str) -> Bucket {
        let key = (rate, name.into());
        self.young.get(&key).or_else(|| self.old.get(&key)).copied().unwrap_or_default()
    }

    /// Keeps the bucket of `name`, and forgets those that have leaked empty.
    pub(super) fn put(&mut self, rate: Rate, name: &str, bucket: Bucket, now: Timestamp) {
        if now < self.turned {
            self.turned = now;
        }
        if now.since(self.turned) >= Self::GENERATION {
            self.old = std::mem::take(&mut self.young);
            self.turned = now;
        }
        self.young.insert((rate, name.into()), bucket);
    }

    #[cfg(test)]
    fn len(&self) -> usize {
        self.young.len() + self.old.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const START: Timestamp = Timestamp::from_seconds(1_700_000_000);

    fn after(milliseconds: u64) -> Timestamp {
        START + Duration::from_millis(milliseconds)
    }

    #[test]
    fn a_bucket_lets_a_seconds_worth_through_and_then_as_much_as_has_leaked() {
        // When so many ask one by one; how many of them get through.
        let table = [
            (Rate::ConnectsPerClientId, vec![(0, 5, 1), (999, 1, 0), (1000, 2, 1), (9000, 3, 1)]),
            (Rate::PublishesPerConnection, vec![(0, 150, 100), (9, 9, 0), (10, 9, 1), (60, 9, 5)]),
            (Rate::ConnectsPerAccount, vec![(0, 4000, 3000), (1, 9, 3), (2, 2, 2), (3, 9, 4)]),
            (Rate::PublishesPerConnection, vec![(0, 100, 100), (1000, 101, 100)]),
        ];
        for (rate, steps) in table {
            let mut bucket = Bucket::default();
            for (at, asked, expected) in steps {
                let taken = (0..asked).filter(|_| bucket.take(rate, 1, after(at))).count();
                assert_eq!(taken, expected, "{rate} after {at} ms");
            }
        }
    }

    #[test]
    fn what_never_fits_goes_when_nothing_else_was_used() {
        let (rate, mut bucket) = (Rate::OutboundPublishesPerAccount, Bucket::default());
        assert!(bucket.take(rate, 50_000, START));
        assert!(!bucket.take(rate, 1, after(1500)));
        assert!(bucket.take(rate, 1, after(1501)));
    }

    #[test]
    fn what_was_used_too_much_is_within_again_when_it_has_leaked() {
        let (rate, mut bucket) = (Rate::ThroughputPerConnection, Bucket::default());
        bucket.spend(rate, 512 * 1024, START);
        assert_eq!(bucket.within_from(rate), START);
        bucket.spend(rate, 1, START);
        assert_eq!(bucket.within_from(rate), after(1));
        bucket.spend(rate, 512 * 1024, START);
        assert_eq!(bucket.within_from(rate), after(1001));
    }

    #[test]
    fn a_clock_that_is_set_back_stops_nobody_for_longer_than_a_second() {
        let (rate, mut bucket) = (Rate::ConnectsPerClientId, Bucket::default());
        assert!(bucket.take(rate, 1, after(3_600_000)));
        bucket.spend(rate, 0, START);
        assert!(!bucket.take(rate, 1, after(999)) && bucket.take(rate, 1, after(1000)));
    }

    #[test]
    fn a_name_that_is_idle_is_forgotten() {
        let (rate, mut named) = (Rate::ConnectsPerClientId, Named::default());
        for number in 0..10_000 {
            let now = after(number);
            let name = number.to_string();
            let mut bucket = named.get(rate, &name);
            assert!(bucket.take(rate, 1, now), "{name} is new");
            named.put(rate, &name, bucket, now);
            let before = number.saturating_sub(999).to_string();
            assert!(!named.get(rate, &before).has_room(rate, 1, now), "{before} is remembered");
            assert!(named.len() <= 2000, "{} after {number} ms", named.len());
        }
    }
}
