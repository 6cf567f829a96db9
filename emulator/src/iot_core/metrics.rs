//! How often things happened, under the names that AWS gives them in CloudWatch.
//!
//! It decides which metric an entry of the trace counts for; what leaves no entry is counted where
//! it happens. Counting is one addition. Metrics of services that are not here are left out.
//! Truth: <https://docs.aws.amazon.com/iot/latest/developerguide/metrics_dimensions.html>.

use std::collections::BTreeMap;

use super::log::authentication_details;
use super::provisioning_metrics::ProvisioningMetrics;
use super::throttling::CLIENT_ID_THROTTLED;
use super::{IotCore, State};
use crate::trace::{Entry, Outcome};

/// AWS's dimension `Protocol`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Protocol {
    Mqtt,
    Http,
}

impl Protocol {
    const ALL: [(Self, &'static str); 2] = [(Self::Mqtt, "MQTT"), (Self::Http, "HTTP")];
}

macro_rules! counters {
    ($(#[$doc:meta])* $kind:ident, $count:ident: $($variant:ident $name:literal,)*) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub(super) enum $kind { $($variant,)* }

        impl $kind {
            const ALL: &'static [(Self, &'static str)] = &[$((Self::$variant, $name),)*];
        }

        const $count: usize = $kind::ALL.len();
    };
}

//= https://docs.aws.amazon.com/iot/latest/developerguide/metrics_dimensions.html
//# the authentication and message broker metrics, each with the dimension Protocol
//? assumed: Queued has the dimension too, always MQTT
counters! {
    /// A metric with the dimension `Protocol`.
    Counter, COUNTERS:
    ConnectAuthError "Connect.AuthError",
    ConnectClientError "Connect.ClientError",
    ConnectClientIdThrottle "Connect.ClientIDThrottle",
    ConnectServerError "Connect.ServerError",
    ConnectSuccess "Connect.Success",
    ConnectThrottle "Connect.Throttle",
    ConnectionAuthnError "Connection.AuthNError",
    PingSuccess "Ping.Success",
    PublishInAuthError "PublishIn.AuthError",
    PublishInClientError "PublishIn.ClientError",
    PublishInServerError "PublishIn.ServerError",
    PublishInSuccess "PublishIn.Success",
    PublishInThrottle "PublishIn.Throttle",
    PublishOutAuthError "PublishOut.AuthError",
    PublishOutClientError "PublishOut.ClientError",
    PublishOutSuccess "PublishOut.Success",
    PublishOutThrottle "PublishOut.Throttle",
    PublishRetainedAuthError "PublishRetained.AuthError",
    PublishRetainedServerError "PublishRetained.ServerError",
    PublishRetainedSuccess "PublishRetained.Success",
    PublishRetainedThrottle "PublishRetained.Throttle",
    QueuedServerError "Queued.ServerError",
    QueuedSuccess "Queued.Success",
    QueuedThrottle "Queued.Throttle",
    SubscribeAuthError "Subscribe.AuthError",
    SubscribeClientError "Subscribe.ClientError",
    SubscribeServerError "Subscribe.ServerError",
    SubscribeSuccess "Subscribe.Success",
    SubscribeThrottle "Subscribe.Throttle",
    UnsubscribeClientError "Unsubscribe.ClientError",
    UnsubscribeServerError "Unsubscribe.ServerError",
    UnsubscribeSuccess "Unsubscribe.Success",
    UnsubscribeThrottle "Unsubscribe.Throttle",
}

//= https://docs.aws.amazon.com/iot/latest/developerguide/metrics_dimensions.html
//# the rule metrics have the dimension RuleName, the rule action metrics ActionType besides
counters! {
    /// A metric with the dimension `RuleName`.
    RuleCounter, RULE_COUNTERS:
    ParseError "ParseError",
    RuleMessageThrottled "RuleMessageThrottled",
    RuleNotFound "RuleNotFound",
    TopicMatch "TopicMatch",
    Success "Success",
    Failure "Failure",
    ErrorActionSuccess "ErrorActionSuccess",
    ErrorActionFailure "ErrorActionFailure",
}

const RULES_EXECUTED: &str = "RulesExecuted";

/// Rules that are counted each by itself: a stranger names rules that are not there.
const NAMED_RULES: usize = 1_000;

/// A metric as CloudWatch shows it, counted since the start.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Metric {
    /// AWS's name, such as `PublishIn.Success`.
    pub name: &'static str,
    /// `Protocol`, `RuleName` and `ActionType`, `ClaimCertificateId` or `TemplateName`, with their
    /// values.
    pub dimensions: Vec<(&'static str, String)>,
    /// How often it happened.
    pub value: u64,
}

/// The counters of one account and Region.
#[derive(Debug)]
pub(super) struct Metrics {
    counted: [[u64; COUNTERS]; 2],
    provisioning: ProvisioningMetrics,
    rules_executed: u64,
    /// By rule, and by type of action where it is about one.
    of_rules: BTreeMap<(String, &'static str), [u64; RULE_COUNTERS]>,
    /// How the last message with RETAIN came, of which the broker may say that it was not kept.
    retained_by: Protocol,
}

impl Default for Metrics {
    fn default() -> Self {
        Self {
            counted: [[0; COUNTERS]; 2],
            provisioning: ProvisioningMetrics::default(),
            rules_executed: 0,
            of_rules: BTreeMap::new(),
            retained_by: Protocol::Mqtt,
        }
    }
}

impl Metrics {
    /// Counts one more.
    pub(super) const fn add(&mut self, counter: Counter, protocol: Protocol) {
        self.counted[protocol as usize][counter as usize] += 1;
    }

    /// A message was accepted.
    //? assumed: one with RETAIN counts for PublishIn and for PublishRetained
    pub(super) const fn published(&mut self, protocol: Protocol, retain: bool) {
        self.add(Counter::PublishInSuccess, protocol);
        if retain {
            self.add(Counter::PublishRetainedSuccess, protocol);
            self.retained_by = protocol;
        }
    }

    /// The message that was accepted last was not retained.
    pub(super) const fn not_retained(&mut self) {
        let protocol = self.retained_by;
        let counted = &mut self.counted[protocol as usize];
        let success = &mut counted[Counter::PublishRetainedSuccess as usize];
        *success = success.saturating_sub(1);
        self.add(Counter::PublishRetainedThrottle, protocol);
    }

    /// A message that counts as delivered was not.
    pub(super) const fn undelivered(&mut self) {
        let counted = &mut self.counted[Protocol::Mqtt as usize];
        let success = &mut counted[Counter::PublishOutSuccess as usize];
        *success = success.saturating_sub(1);
    }

    //? assumed: a rule counts as executed once its WHERE is true
    /// A rule ran.
    pub(super) const fn rule_executed(&mut self) {
        self.rules_executed += 1;
    }

    /// Counts one more of the rule `rule`; `action` is empty unless it is about an action.
    pub(super) fn add_of_rule(&mut self, counter: RuleCounter, rule: &str, action: &'static str) {
        let key = (rule.to_owned(), action);
        let known = self.of_rules.len() < NAMED_RULES || self.of_rules.contains_key(&key);
        let key = if known { key } else { (String::new(), action) };
        self.of_rules.entry(key).or_default()[counter as usize] += 1;
    }

    /// Counts what `entry` tells; the successes that leave no entry are counted where they happen.
    pub(super) fn count(&mut self, entry: &Entry) {
        let http = entry.value("protocol") == Some("HTTP");
        let protocol = if http { Protocol::Http } else { Protocol::Mqtt };
        if let Some(counter) = counter(entry) {
            //= https://docs.aws.amazon.com/iot/latest/developerguide/metrics_dimensions.html
            //# HTTP publish supports neither PublishIn.AuthError nor PublishIn.Throttle
            let uncounted = [Counter::PublishInAuthError, Counter::PublishInThrottle];
            if !(http && uncounted.contains(&counter)) {
                self.add(counter, protocol);
            }
            let retain = entry.value("retain").is_some();
            if retain && counter == Counter::PublishInAuthError {
                self.add(Counter::PublishRetainedAuthError, protocol);
            }
        }
        self.provisioning.count(entry);
        if let Some(rule) = entry.value("ruleName") {
            let (counter, action) = match (entry.event_type, entry.value("ruleAction")) {
                ("RuleMatch", _) => (RuleCounter::TopicMatch, ""),
                ("RuleNotFound", _) => (RuleCounter::RuleNotFound, ""),
                ("RuleMessageThrottled", _) => (RuleCounter::RuleMessageThrottled, ""),
                ("RuleExecution", Some(action)) => (
                    match entry.outcome {
                        Outcome::Success => RuleCounter::Success,
                        Outcome::Failure => RuleCounter::Failure,
                    },
                    action_type(action),
                ),
                _ => return,
            };
            self.add_of_rule(counter, rule, action);
        }
    }

    /// Counts what became of a rule's error action.
    pub(super) fn count_error_action(&mut self, entry: &Entry) {
        let counter = match entry.outcome {
            Outcome::Success => RuleCounter::ErrorActionSuccess,
            Outcome::Failure => RuleCounter::ErrorActionFailure,
        };
        let action = action_type(entry.value("ruleAction").unwrap_or_default());
        self.add_of_rule(counter, entry.value("ruleName").unwrap_or_default(), action);
    }

    /// What was counted at all.
    fn all(&self) -> Vec<Metric> {
        let mut all = Vec::new();
        for (protocol, called) in Protocol::ALL {
            for (counter, name) in Counter::ALL {
                let value = self.counted[protocol as usize][*counter as usize];
                let dimensions = vec![("Protocol", called.to_owned())];
                all.push(Metric { name, dimensions, value });
            }
        }
        all.extend(self.provisioning.all());
        let value = self.rules_executed;
        all.push(Metric { name: RULES_EXECUTED, dimensions: Vec::new(), value });
        for ((rule, action), counted) in &self.of_rules {
            let named = (!rule.is_empty()).then(|| ("RuleName", rule.clone()));
            let of_action = (!action.is_empty()).then(|| ("ActionType", (*action).to_owned()));
            let dimensions: Vec<_> = named.into_iter().chain(of_action).collect();
            for (counter, name) in RuleCounter::ALL {
                let value = counted[*counter as usize];
                all.push(Metric { name, dimensions: dimensions.clone(), value });
            }
        }
        all.retain(|metric| metric.value > 0);
        all
    }
}

//? assumed: AWS's words for the two types of action
fn action_type(action: &str) -> &'static str {
    if action == "LambdaAction" { "Lambda" } else { "Republish" }
}

/// How something ended, as the names of metrics have it.
pub(super) enum Ended {
    Success,
    AuthError,
    ClientError,
    ServerError,
    Throttle,
    ClientIdThrottle,
}

impl Ended {
    //? assumed: which reasons of the log are which; AWS says so of none
    pub(super) fn of(entry: &Entry) -> Self {
        match (entry.outcome, entry.reason) {
            (Outcome::Success, None) => Self::Success,
            (_, Some("AUTHORIZATION_FAILURE" | "ForbiddenException")) => Self::AuthError,
            (_, Some("InternalFailureException" | "ServiceUnavailableException")) => {
                Self::ServerError
            }
            (_, Some(CLIENT_ID_THROTTLED)) => Self::ClientIdThrottle,
            (_, Some(reason)) if reason.to_ascii_uppercase().contains("THROTTL") => Self::Throttle,
            (_, _) => Self::ClientError,
        }
    }
}

/// The metric that `entry` counts for, if it is about the message broker.
fn counter(entry: &Entry) -> Option<Counter> {
    use Counter as C;
    use Ended as E;
    Some(match (entry.event_type, Ended::of(entry)) {
        //= https://docs.aws.amazon.com/iot/latest/developerguide/metrics_dimensions.html
        //# Connection.AuthNError counts what is refused for who it is, or is not
        ("Connection.AuthNError", _) => {
            return entry.reason.and_then(authentication_details).map(|_| C::ConnectionAuthnError);
        }
        ("Connect", E::Success) => C::ConnectSuccess,
        ("Connect", E::AuthError) => C::ConnectAuthError,
        ("Connect", E::ClientError) => C::ConnectClientError,
        ("Connect", E::ServerError) => C::ConnectServerError,
        ("Connect", E::Throttle) => C::ConnectThrottle,
        ("Connect", E::ClientIdThrottle) => C::ConnectClientIdThrottle,
        // It is published all the same.
        ("Publish-In", E::ClientError) if entry.reason == Some("NotServed") => return None,
        ("Publish-In", E::AuthError) => C::PublishInAuthError,
        ("Publish-In", E::ClientError) => C::PublishInClientError,
        ("Publish-In", E::ServerError) => C::PublishInServerError,
        ("Publish-In", E::Throttle | E::ClientIdThrottle) => C::PublishInThrottle,
        ("Publish-Out", E::AuthError) => C::PublishOutAuthError,
        ("Publish-Out", E::ClientError) => C::PublishOutClientError,
        ("Publish-Out", E::Throttle | E::ClientIdThrottle) => C::PublishOutThrottle,
        ("Queued", E::Success) => C::QueuedSuccess,
        ("Queued", E::ServerError) => C::QueuedServerError,
        ("Queued", _) => C::QueuedThrottle,
        ("Subscribe", E::Success) => C::SubscribeSuccess,
        ("Subscribe", E::AuthError) => C::SubscribeAuthError,
        ("Subscribe", E::ClientError) => C::SubscribeClientError,
        ("Subscribe", E::ServerError) => C::SubscribeServerError,
        ("Subscribe", E::Throttle | E::ClientIdThrottle) => C::SubscribeThrottle,
        ("Unsubscribe", E::Success) => C::UnsubscribeSuccess,
        ("Unsubscribe", E::ServerError) => C::UnsubscribeServerError,
        ("Unsubscribe", E::Throttle | E::ClientIdThrottle) => C::UnsubscribeThrottle,
        ("Unsubscribe", _) => C::UnsubscribeClientError,
        _ => return None,
    })
}

impl State {
    /// Keeps what became of a rule's error action.
    pub(super) fn note_error_action(&mut self, entry: Entry) {
        self.metrics.count_error_action(&entry);
        self.after.entries.push(entry);
    }
}

impl IotCore {
    /// AWS's CloudWatch metrics of this account and Region (namespace `AWS/IoT`), counted since the
    /// start; those that are zero are left out.
    pub fn metrics(&self) -> Vec<Metric> {
        self.state().metrics.all()
    }

    /// How often AWS's metric `name` was counted since the start, with these values of its
    /// dimensions (see [`Metric`]), or with any; `None` if there is no
    /// such metric here.
    ///
    /// ```
    /// use iot_emulator::Emulator;
    ///
    /// let iot = Emulator::start().iot_core();
    /// // … a device publishes …
    /// assert_eq!(iot.metric("PublishIn.Success", &[("Protocol", "MQTT")]), Some(0));
    /// assert_eq!(iot.metric("Connect.AuthError", &[]), Some(0));
    /// assert_eq!(iot.metric("Connect.Sucess", &[]), None);
    /// ```
    pub fn metric(&self, name: &str, dimensions: &[(&str, &str)]) -> Option<u64> {
        let counters = Counter::ALL.iter().map(|(_, name)| *name);
        let of_rules = RuleCounter::ALL.iter().map(|(_, name)| *name);
        let all = counters.chain(of_rules).chain(ProvisioningMetrics::names());
        all.chain([RULES_EXECUTED]).find(|known| *known == name)?;
        let fits = |metric: &Metric| {
            let has = |(of, value): &(&str, &str)| {
                metric.dimensions.iter().any(|(name, is)| name == of && is == value)
            };
            metric.name == name && dimensions.iter().all(has)
        };
        let metrics = self.metrics();
        Some(metrics.iter().filter(|metric| fits(metric)).map(|metric| metric.value).sum())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::names::Scope;

    #[test]
    fn c50_each_entry_counts_for_the_metric_that_aws_has_for_it() {
        let table = [
            ("Connect", "", "MQTT", Some("Connect.Success")),
            ("Connect", "AUTHORIZATION_FAILURE", "MQTT", Some("Connect.AuthError")),
            ("Connect", "CLIENT_ERROR", "MQTT", Some("Connect.ClientError")),
            ("Connect", "THROTTLED", "MQTT", Some("Connect.Throttle")),
            ("Connect", "CLIENT_ID_THROTTLED", "MQTT", Some("Connect.ClientIDThrottle")),
            ("Connection.AuthNError", "SNI_MISUSED", "HTTP", Some("Connection.AuthNError")),
            ("Connection.AuthNError", "CLIENT_ERROR", "HTTP", None),
            ("Publish-In", "AUTHORIZATION_FAILURE", "MQTT", Some("PublishIn.AuthError")),
            ("Publish-In", "AUTHORIZATION_FAILURE", "HTTP", None),
            ("Publish-In", "RequestEntityTooLargeException", "HTTP", Some("PublishIn.ClientError")),
            ("Publish-In", "NotServed", "MQTT", None),
            ("Publish-Out", "AUTHORIZATION_FAILURE", "MQTT", Some("PublishOut.AuthError")),
            ("Subscribe", "", "MQTT", Some("Subscribe.Success")),
            ("Subscribe", "THROTTLED", "MQTT", Some("Subscribe.Throttle")),
            ("Unsubscribe", "", "MQTT", Some("Unsubscribe.Success")),
            ("Queued", "", "MQTT", Some("Queued.Success")),
            ("Queued", "MessageDropped", "MQTT", Some("Queued.Throttle")),
            ("Disconnect", "AUTH_ERROR", "MQTT", None),
        ];
        let scope = Scope::new("000000000000", "us-east-1");
        for (event_type, reason, protocol, expected) in table {
            let entry = match reason {
                "" => Entry::success(&scope, event_type),
                reason => Entry::failure(&scope, event_type, reason),
            };
            let mut metrics = Metrics::default();
            metrics.count(&entry.member("protocol", protocol));
            let dimensions = vec![("Protocol", protocol.to_owned())];
            let expected = expected.map(|name| Metric { name, dimensions, value: 1 });
            assert_eq!(metrics.all(), Vec::from_iter(expected), "{event_type} {reason}");
        }
    }

    #[test]
    fn jp_14_a_template_that_ran_counts_for_what_became_of_it() {
        let table = [
            ("ProvisionThing", "", Some("ProvisionThing.Success")),
            ("ProvisionThing", "ClientError", Some("ProvisionThing.ClientError")),
            ("ProvisionThing", "InternalFailureException", Some("ProvisionThing.ServerError")),
            // Of RegisterThing AWS counts only what comes over MQTT.
            ("RegisterThing", "", None),
            ("RegisterCertificateJustInTime", "", None),
        ];
        let scope = Scope::new("000000000000", "us-east-1");
        for (event_type, reason, expected) in table {
            let entry = match reason {
                "" => Entry::success(&scope, event_type),
                reason => Entry::failure(&scope, event_type, reason),
            };
            let mut metrics = Metrics::default();
            metrics.count(&entry);
            let expected = expected.map(|name| Metric { name, dimensions: Vec::new(), value: 1 });
            assert_eq!(metrics.all(), Vec::from_iter(expected), "{event_type} {reason}");
        }
    }

    #[test]
    fn rules_that_a_stranger_invents_fill_no_memory() {
        let mut metrics = Metrics::default();
        for number in 0..2 * NAMED_RULES {
            metrics.add_of_rule(RuleCounter::RuleNotFound, &number.to_string(), "");
        }
        let all = metrics.all();
        assert_eq!(all.len(), NAMED_RULES + 1);
        assert_eq!(all.iter().map(|metric| metric.value).sum::<u64>(), 2 * NAMED_RULES as u64);
    }
}
