//! What time it is: a [`Timestamp`] that AWS would print, and the [`Clock`] that the shell asks.
//!
//! Core rooms never ask: they take `now` as an argument. Keep-alive and handshake limits follow
//! real time, so that moving a manual clock by an hour does not cut off every client.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use serde::{Serialize, Serializer};

/// A moment in milliseconds since 1970, UTC: the resolution of every time that AWS IoT reports.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Timestamp(i64);

//? assumed: AWS writes years with four digits, and so ends where certificates without an end do
/// The last moment that a clock shows: the end of 9999, as far as it is one in every time zone.
const LAST: i64 = 253_402_207_200_000;

impl Timestamp {
    /// The moment `milliseconds` after 1970-01-01T00:00:00Z.
    pub const fn from_milliseconds(milliseconds: i64) -> Self {
        Self(milliseconds)
    }

    /// The moment `seconds` after 1970-01-01T00:00:00Z.
    pub const fn from_seconds(seconds: i64) -> Self {
        Self(seconds.saturating_mul(1000))
    }

    /// Milliseconds since 1970: what event payloads carry.
    pub const fn milliseconds(self) -> i64 {
        self.0
    }

    /// Seconds since 1970 with a millisecond fraction: what the AWS API answers.
    pub fn epoch_seconds(self) -> f64 {
        self.0 as f64 / 1000.0
    }

    /// How long after `earlier` this is; zero if it is not after it.
    pub fn since(self, earlier: Timestamp) -> Duration {
        Duration::from_millis(u64::try_from(self.0.saturating_sub(earlier.0)).unwrap_or(0))
    }

    /// The moment in UTC that `text` says by `pattern` (strptime), without a zone of its own.
    pub(crate) fn parse(pattern: &str, text: &str) -> Option<Self> {
        let civil = jiff::civil::DateTime::strptime(pattern, text).ok()?;
        let moment = civil.to_zoned(jiff::tz::TimeZone::UTC).ok()?;
        Some(Self(moment.timestamp().as_millisecond()))
    }

    /// `pattern` (strftime) filled in for this moment in UTC.
    pub fn format(self, pattern: &str) -> String {
        match jiff::Timestamp::from_millisecond(self.0) {
            Ok(moment) => moment.strftime(pattern).to_string(),
            // The last two hours of 9999, where certificates without an end expire.
            Err(_) => {
                let since = jiff::SignedDuration::from_millis(self.0);
                let civil = jiff::civil::date(1970, 1, 1).at(0, 0, 0, 0).saturating_add(since);
                jiff::fmt::strtime::BrokenDownTime::from(civil)
                    .to_string(pattern)
                    .unwrap_or_default()
            }
        }
    }
}

impl std::ops::Add<Duration> for Timestamp {
    type Output = Self;

    fn add(self, duration: Duration) -> Self {
        let milliseconds = i64::try_from(duration.as_millis()).unwrap_or(i64::MAX);
        Self(self.0.saturating_add(milliseconds))
    }
}

impl std::ops::Sub<Duration> for Timestamp {
    type Output = Self;

    fn sub(self, duration: Duration) -> Self {
        let milliseconds = i64::try_from(duration.as_millis()).unwrap_or(i64::MAX);
        Self(self.0.saturating_sub(milliseconds))
    }
}

/// As AWS APIs print it: epoch seconds, a JSON number with a millisecond fraction.
impl Serialize for Timestamp {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_f64(self.epoch_seconds())
    }
}

/// Where `now` comes from: the machine, or a test's hand.
#[derive(Clone, Debug, Default)]
pub enum Clock {
    /// The machine's own clock.
    #[default]
    System,
    /// Stands still until it is advanced.
    Manual(Arc<AtomicI64>),
}

impl Clock {
    /// A clock that starts at the machine's time and moves only by `Emulator::advance`.
    pub fn manual() -> Self {
        Self::Manual(Arc::new(AtomicI64::new(Self::System.now().milliseconds())))
    }

    /// The present moment.
    #[expect(clippy::disallowed_methods, reason = "the one place that reads the machine's clock")]
    pub fn now(&self) -> Timestamp {
        match self {
            Self::System => {
                let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
                Timestamp(i64::try_from(since.as_millis()).unwrap_or(i64::MAX))
            }
            Self::Manual(milliseconds) => Timestamp(milliseconds.load(Ordering::Acquire)),
        }
    }

    /// Moves a manual clock, to the end of 9999 at most; `false` for the system clock, which nobody
    /// moves.
    pub(crate) fn advance(&self, duration: Duration) -> bool {
        let Self::Manual(milliseconds) = self else { return false };
        let by = i64::try_from(duration.as_millis()).unwrap_or(i64::MAX);
        let add = |now: i64| Some(now.saturating_add(by).min(LAST));
        let _infallible = milliseconds.fetch_update(Ordering::AcqRel, Ordering::Acquire, add);
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_timestamp_prints_as_aws_prints_it() {
        let moment = Timestamp::from_milliseconds(1_569_365_372_053);
        assert_eq!(serde_json::to_string(&moment).unwrap(), "1569365372.053");
        assert_eq!(moment.format("%Y-%m-%d %H:%M:%S%.3f"), "2019-09-24 22:49:32.053");
    }

    #[test]
    fn a_timestamp_is_read_as_http_and_sigv4_write_it() {
        let moment = Timestamp::from_seconds(1_440_938_160);
        let basic = Timestamp::parse("%Y%m%dT%H%M%SZ", "20150830T123600Z");
        let http = Timestamp::parse("%a, %d %b %Y %H:%M:%S GMT", "Sun, 30 Aug 2015 12:36:00 GMT");
        assert_eq!((basic, http), (Some(moment), Some(moment)));
        for odd in ["20151330T123600Z", "20150830T123600", "20150830T1236000Z", ""] {
            assert_eq!(Timestamp::parse("%Y%m%dT%H%M%SZ", odd), None, "{odd}");
        }
    }

    #[test]
    fn a_manual_clock_moves_only_when_it_is_advanced() {
        let clock = Clock::manual();
        let before = clock.now();
        assert!(clock.advance(Duration::from_secs(3600)));
        assert_eq!(clock.now().since(before), Duration::from_secs(3600));
        assert!(!Clock::System.advance(Duration::from_secs(1)));
    }
}
