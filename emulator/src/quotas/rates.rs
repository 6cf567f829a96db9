//! AWS's rates: one table of how often what may happen, and [`Rates`], which counts for an
//! account.
//!
//! What becomes of an excess is decided where it comes up; the table says it for people.
//! Truth: <https://docs.aws.amazon.com/general/latest/gr/iot-core.html>, whose names these are.

use std::fmt;
use std::time::Duration;

use super::bucket::{Bucket, Named};
use crate::time::Timestamp;

/// The rows: a word for us, AWS's name, how many a second, what becomes of more.
macro_rules! rates {
    ($($rate:ident $name:literal $per_second:literal $excess:literal)*) => {
        /// One of AWS's rates.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub(crate) enum Rate {
            $(#[doc = concat!($name, ": ", $excess)] $rate,)*
        }

        impl Rate {
            pub(crate) const ALL: &[Self] = &[$(Self::$rate,)*];

            /// As AWS's list of quotas calls it.
            pub(crate) const fn name(self) -> &'static str {
                match self { $(Self::$rate => $name,)* }
            }

            /// How many in a second; bytes of throughput, else requests or messages.
            pub(crate) const fn per_second(self) -> u32 {
                match self { $(Self::$rate => $per_second,)* }
            }

            /// What becomes of what is above it, as the README says it.
            #[cfg(test)]
            pub(crate) const fn excess(self) -> &'static str {
                match self { $(Self::$rate => $excess,)* }
            }
        }
    };
}

//= https://docs.aws.amazon.com/general/latest/gr/iot-core.html
//# message broker and protocol limits per second, for all of an account, a client ID, a connection,
//# a topic, a group of shared subscriptions; publishes above the rate of a connection are
//# discarded, data above its throughput is delayed
//= https://docs.aws.amazon.com/iot/latest/developerguide/mqtt.html
//# stored messages of a session come at ten a second, those of a group at twenty for each member
//= https://github.com/floci-io/floci/pull/3180
//# measured: MQTT 5 gets CONNACK 0x97 for a CONNECT too soon after the last
//? assumed: MQTT 3.1.1 is hung up on without CONNACK; what AWS calls throttled is discarded; an
//? UNSUBSCRIBE above the rate is answered 0x80, for 0x97 is none of AWS's UNSUBACK codes
rates! {
    ConnectsPerAccount "Connect requests per second per account" 3000
        "MQTT 5: CONNACK 0x97; MQTT 3.1.1: hung up on"
    ConnectsPerClientId "Connect requests per second per client ID" 1
        "MQTT 5: CONNACK 0x97; MQTT 3.1.1: hung up on"
    PublishesPerConnection "Publish requests per second per connection" 100
        "discarded, without PUBACK"
    ThroughputPerConnection "Throughput per second per connection" 524_288
        "delayed"
    InboundPublishesPerAccount "Inbound publish requests per second per account" 20_000
        "discarded, without PUBACK; HTTP 429"
    OutboundPublishesPerAccount "Outbound publish requests per second per account" 20_000
        "the inbound publish is discarded, without PUBACK; HTTP 429"
    RetainedPublishesPerAccount
        "Retained message inbound publish requests per second per account" 500
        "discarded, without PUBACK; HTTP 429"
    RetainedPublishesPerTopic
        "Retained message inbound publish requests per second per topic" 1
        "discarded, without PUBACK; HTTP 429"
    QueuedMessagesPerAccount "Queued messages per second per account" 500
        "not stored"
    StoredMessagesPerSession "Stored messages per second per session" 10
        "delayed"
    StoredMessagesPerMember "Stored messages per second per member of a group" 20
        "delayed"
    SubscriptionsPerAccount "Subscriptions per second per account" 3000
        "SUBACK 0x97 or 0x80"
    SubscriptionsPerGroup "Subscribe and unsubscribe requests per second per group" 100
        "SUBACK 0x97 or 0x80, UNSUBACK 0x80"
    DeleteConnectionPerClientId "DeleteConnection requests per second per client ID" 1
        "HTTP 429"
    DeleteConnection "DeleteConnection API TPS" 100
        "HTTP 429"
    GetConnectionPerClientId "GetConnection requests per second per client ID" 1
        "HTTP 429"
    GetConnection "GetConnection API TPS" 100
        "HTTP 429"
    ListSubscriptionsPerClientId "ListSubscriptions requests per second per client ID" 1
        "HTTP 429"
    ListSubscriptions "ListSubscriptions API TPS" 100
        "HTTP 429"
    SendDirectMessage "SendDirectMessage API TPS" 20_000
        "HTTP 429"
}

impl Rate {
    /// How long after one the next may come.
    pub(crate) const fn interval(self) -> Duration {
        Duration::from_millis(1000 / self.per_second() as u64)
    }
}

/// As the trace says it.
impl fmt::Display for Rate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let per_second = self.per_second();
        match self {
            Self::ThroughputPerConnection => {
                write!(f, "{}: {} KB at most", self.name(), per_second / 1024)
            }
            _ => write!(f, "{}: {per_second} at most", self.name()),
        }
    }
}

/// What one account used up. It remembers names for as long as they matter, and no more of them
/// than the rates of the account let through.
#[derive(Debug, Default)]
pub(crate) struct Rates {
    account: [Bucket; Rate::ALL.len()],
    named: Named,
}

impl Rates {
    /// Counts `count` in each of `account`, and in the rate of one client ID, topic or group, if
    /// there is room in all; else the first that has none, and nothing is counted.
    pub(crate) fn take(
        &mut self,
        account: &[Rate],
        named: Option<(Rate, &str)>,
        count: usize,
        now: Timestamp,
    ) -> Result<(), Rate> {
        for rate in account {
            if !self.account[*rate as usize].has_room(*rate, count, now) {
                return Err(*rate);
            }
        }
        if let Some((rate, name)) = named {
            let mut bucket = self.named.get(rate, name);
            if !bucket.take(rate, count, now) {
                return Err(rate);
            }
            self.named.put(rate, name, bucket, now);
        }
        for rate in account {
            self.account[*rate as usize].spend(*rate, count, now);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const START: Timestamp = Timestamp::from_seconds(1_700_000_000);

    #[test]
    fn each_rate_lets_as_many_through_in_a_second_as_its_row_says() {
        for rate in Rate::ALL.iter().copied() {
            let mut rates = Rates::default();
            let per_second = usize::try_from(rate.per_second()).unwrap();
            for second in 0..3 {
                let now = START + Duration::from_secs(second);
                assert_eq!(rates.take(&[rate], None, per_second, now), Ok(()), "{rate}");
                assert_eq!(rates.take(&[rate], None, 1, now), Err(rate));
            }
        }
    }

    #[test]
    fn a_name_has_a_rate_of_its_own_beside_that_of_the_account() {
        let mut rates = Rates::default();
        let account = [Rate::GetConnection];
        let mut ask = |name: &str, now| {
            rates.take(&account, Some((Rate::GetConnectionPerClientId, name)), 1, now)
        };
        assert_eq!(ask("a", START), Ok(()));
        // What is refused counts for nothing.
        for _ in 0..200 {
            assert_eq!(ask("a", START), Err(Rate::GetConnectionPerClientId));
        }
        for number in 1..100 {
            assert_eq!(ask(&number.to_string(), START), Ok(()));
        }
        assert_eq!(ask("b", START), Err(Rate::GetConnection));
        assert_eq!(
            ask("a", START + Duration::from_millis(999)),
            Err(Rate::GetConnectionPerClientId)
        );
        assert_eq!(ask("a", START + Duration::from_secs(1)), Ok(()));
    }

    #[test]
    fn the_readme_has_every_rate() {
        let readme = concat!(env!("CARGO_MANIFEST_DIR"), "/../README.md");
        let readme = std::fs::read_to_string(readme).unwrap();
        for rate in Rate::ALL {
            let row = format!("| {} | {} | {} |", rate.name(), number(*rate), rate.excess());
            assert!(readme.contains(&row), "not in the README: {row}");
        }
    }

    fn number(rate: Rate) -> String {
        let per_second = rate.per_second();
        match per_second {
            524_288 => "512 KB".to_owned(),
            large @ 10_000.. => format!("{},{:03}", large / 1000, large % 1000),
            small => small.to_string(),
        }
    }
}
