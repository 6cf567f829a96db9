//! How often devices were provisioned, under the names that AWS gives it in CloudWatch.
//!
//! It decides which metric an entry of the trace counts for.
//! Truth: <https://docs.aws.amazon.com/iot/latest/developerguide/metrics_dimensions.html>.

use std::collections::BTreeMap;

use super::metrics::{Ended, Metric};
use crate::trace::Entry;

/// Claims and templates that are counted each by itself: a stranger names templates that are not
/// there.
const NAMED: usize = 1_000;

/// A metric, and which member of an entry is the value of its dimension.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Counter {
    name: &'static str,
    dimension: Option<(&'static str, &'static str)>,
}

const fn just_in_time(name: &'static str) -> Counter {
    Counter { name, dimension: None }
}

const fn by_claim(name: &'static str) -> Counter {
    Counter { name, dimension: Some(("ClaimCertificateId", "principalId")) }
}

//= https://docs.aws.amazon.com/iot/latest/developerguide/metrics_dimensions.html
//# the just-in-time provisioning metrics, for which the guide names no dimension
const CLIENT_ERROR: Counter = just_in_time("ProvisionThing.ClientError");
const SERVER_ERROR: Counter = just_in_time("ProvisionThing.ServerError");
const SUCCESS: Counter = just_in_time("ProvisionThing.Success");
//= https://docs.aws.amazon.com/iot/latest/developerguide/metrics_dimensions.html
//# the fleet provisioning metrics count what failed over MQTT, and the devices that were registered
//? assumed: which of the two dimensions each has
const REGISTERED: Counter = by_claim("ApproximateNumberOfThingsRegistered");
const KEYS_FAILED: Counter = by_claim("CreateKeysAndCertificateFailed");
const SIGNING_FAILED: Counter = by_claim("CreateCertificateFromCsrFailed");
const REGISTERING_FAILED: Counter =
    Counter { name: "RegisterThingFailed", dimension: Some(("TemplateName", "templateName")) };

const ALL: [Counter; 7] = [
    CLIENT_ERROR,
    SERVER_ERROR,
    SUCCESS,
    REGISTERED,
    KEYS_FAILED,
    SIGNING_FAILED,
    REGISTERING_FAILED,
];

/// The counters of one account and Region, each by the value of its dimension.
#[derive(Debug, Default)]
pub(super) struct ProvisioningMetrics(BTreeMap<(Counter, String), u64>);

impl ProvisioningMetrics {
    /// The names of all there are.
    pub(super) fn names() -> impl Iterator<Item = &'static str> {
        ALL.iter().map(|counter| counter.name)
    }

    /// Counts what `entry` tells, if it is about provisioning.
    pub(super) fn count(&mut self, entry: &Entry) {
        let Some(counter) = counter(entry) else { return };
        let value = counter.dimension.and_then(|(_, member)| entry.value(member));
        let key = (counter, value.unwrap_or_default().to_owned());
        let known = self.0.len() < NAMED || self.0.contains_key(&key);
        let key = if known { key } else { (counter, String::new()) };
        *self.0.entry(key).or_default() += 1;
    }

    /// What was counted.
    pub(super) fn all(&self) -> impl Iterator<Item = Metric> {
        self.0.iter().map(|((counter, of), value)| {
            let dimension = counter.dimension.filter(|_| !of.is_empty());
            let dimensions = dimension.map(|(name, _member)| (name, of.clone()));
            let dimensions = dimensions.into_iter().collect();
            Metric { name: counter.name, dimensions, value: *value }
        })
    }
}

/// The metric that `entry` counts for. RegisterThing of the AWS API has none.
fn counter(entry: &Entry) -> Option<Counter> {
    let over_mqtt = entry.value("protocol") == Some("MQTT");
    match (entry.event_type, Ended::of(entry)) {
        ("ProvisionThing", Ended::Success) => Some(SUCCESS),
        ("ProvisionThing", Ended::ServerError) => Some(SERVER_ERROR),
        ("ProvisionThing", _) => Some(CLIENT_ERROR),
        _ if !over_mqtt => None,
        ("RegisterThing", Ended::Success) => Some(REGISTERED),
        ("RegisterThing", _) => Some(REGISTERING_FAILED),
        (_, Ended::Success) => None,
        ("CreateKeysAndCertificate", _) => Some(KEYS_FAILED),
        ("CreateCertificateFromCsr", _) => Some(SIGNING_FAILED),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::names::Scope;

    fn entry(event_type: &'static str, reason: &'static str, protocol: &str) -> Entry {
        let scope = Scope::new("000000000000", "us-east-1");
        let entry = match reason {
            "" => Entry::success(&scope, event_type),
            reason => Entry::failure(&scope, event_type, reason),
        };
        entry.member("protocol", protocol).member("principalId", "ab12")
    }

    #[test]
    fn jp_14_each_entry_counts_for_the_metric_that_aws_has_for_it() {
        let claim = vec![("ClaimCertificateId", "ab12".to_owned())];
        let template = vec![("TemplateName", "Lamps".to_owned())];
        let table = [
            ("ProvisionThing", "", "", Some((SUCCESS, Vec::new()))),
            ("ProvisionThing", "ClientError", "", Some((CLIENT_ERROR, Vec::new()))),
            ("ProvisionThing", "InternalFailureException", "", Some((SERVER_ERROR, Vec::new()))),
            ("RegisterThing", "", "MQTT", Some((REGISTERED, claim.clone()))),
            ("RegisterThing", "InvalidTemplate", "MQTT", Some((REGISTERING_FAILED, template))),
            ("RegisterThing", "", "", None),
            ("RegisterThing", "InvalidRequestException", "", None),
            ("CreateKeysAndCertificate", "", "MQTT", None),
            (
                "CreateKeysAndCertificate",
                "TooManyRequests",
                "MQTT",
                Some((KEYS_FAILED, claim.clone())),
            ),
            ("CreateCertificateFromCsr", "InvalidPayload", "MQTT", Some((SIGNING_FAILED, claim))),
            ("Connect", "CLIENT_ERROR", "MQTT", None),
        ];
        for (event_type, reason, protocol, expected) in table {
            let mut metrics = ProvisioningMetrics::default();
            metrics.count(&entry(event_type, reason, protocol).member("templateName", "Lamps"));
            let expected = expected.map(|(counter, dimensions)| Metric {
                name: counter.name,
                dimensions,
                value: 1,
            });
            assert_eq!(metrics.all().collect::<Vec<_>>(), Vec::from_iter(expected), "{event_type}");
        }
    }

    #[test]
    fn so_many_names_are_kept_and_no_more() {
        let mut metrics = ProvisioningMetrics::default();
        for number in 0..2 * NAMED {
            let entry = entry("RegisterThing", "InvalidTemplate", "MQTT");
            metrics.count(&entry.member("templateName", number));
        }
        assert_eq!(metrics.0.len(), NAMED + 1);
        assert_eq!(metrics.all().map(|metric| metric.value).sum::<u64>(), 2 * NAMED as u64);
    }
}
