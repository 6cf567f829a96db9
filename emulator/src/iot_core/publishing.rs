//! One message on its way: to subscribers, to rules, and on to what rules republish; and the
//! events.
//!
//! Who may publish is decided before: a permit comes in. Who gets a message is decided by the
//! broker, what a rule makes of it by the rules engine.

use std::collections::VecDeque;
use std::fmt;
use std::net::IpAddr;
use std::sync::Arc;

use bytes::Bytes;

use super::authorization::Authorizer;
use super::live::LiveConnections;
use super::metrics::RuleCounter;
use super::refusals::Refused;
use super::topics::Destination;
use super::{IotCore, State, throttling};
use crate::events::Event;
use crate::message::{Properties, QoS};
use crate::message_broker::{ConnectionFacts, Notice, Publication, Receiver, Throttled};
use crate::names::{ClientId, Scope, TopicName};
use crate::outbox::{Effect, RuleInvocation};
use crate::policy::{Permit, Publish, Refusal, RetainPublish};
use crate::quotas::{
    CONTENT_TYPE_BYTES, CORRELATION_DATA_BYTES, PAYLOAD_BYTES, USER_PROPERTIES_BYTES,
};
use crate::rules_engine::{self, ActionExecution, Execution, Invocation, RuleMessage};
use crate::time::Timestamp;
use crate::trace::Entry;

//? assumed: how often one message may be republished from rule to rule before it is a loop
const REPUBLISH_DEPTH: u8 = 16;
//? assumed: how many messages one may become by being republished before it is a loop
const REPUBLISHED_MESSAGES: usize = 1_000;

/// Who published a message, as rules can ask.
#[derive(Clone, Copy, Default)]
pub(super) struct Origin<'a> {
    /// None over HTTP, and for AWS itself.
    pub(super) client_id: Option<&'a ClientId>,
    /// Written out only for rules, which are asked for seldom.
    pub(super) principal: Option<&'a dyn fmt::Display>,
    pub(super) source_ip: Option<IpAddr>,
}

impl<'a> Origin<'a> {
    /// A client over MQTT.
    pub(super) fn client(facts: &'a ConnectionFacts) -> Self {
        Self {
            client_id: Some(&facts.client_id),
            principal: Some(&facts.details.principal),
            source_ip: Some(facts.details.source_ip),
        }
    }
}

/// A message with its permit, on its way.
struct Travelling {
    permit: Permit<Publish>,
    publication: Publication,
    depth: u8,
}

impl State {
    /// Publishes to subscribers and rules, and whatever the rules republish; or says which of AWS's
    /// rates does not let the message itself through.
    pub(super) fn distribute(
        &mut self,
        scope: &Scope,
        permit: Permit<Publish>,
        publication: Publication,
        origin: &Origin<'_>,
        now: Timestamp,
    ) -> Result<(), Throttled> {
        if self.concerns_no_rule(permit.resource()) {
            self.broker.accept(permit.resource(), publication.retain.is_some(), now)?;
            return self.broker.publish(permit, publication, now);
        }
        let way = VecDeque::from([Travelling { permit, publication, depth: 0 }]);
        self.travel(scope, way, origin, now)
    }

    fn concerns_no_rule(&self, topic: &TopicName) -> bool {
        self.rules.is_empty() && rules_engine::basic_ingest(topic).is_none()
    }

    fn travel(
        &mut self,
        scope: &Scope,
        mut way: VecDeque<Travelling>,
        origin: &Origin<'_>,
        now: Timestamp,
    ) -> Result<(), Throttled> {
        let mut republished = 0;
        let mut first = Ok(());
        while let Some(Travelling { permit, publication, depth }) = way.pop_front() {
            if republished > REPUBLISHED_MESSAGES {
                self.note_loop(scope, permit.resource());
                break;
            }
            republished += 1;
            let mut refuse = |state: &mut Self, throttled| match depth {
                0 => first = Err(throttled),
                _ => state.discard(throttled, now),
            };
            let retain = publication.retain.is_some();
            if let Err(throttled) = self.broker.accept(permit.resource(), retain, now) {
                refuse(self, throttled);
                continue;
            }
            //= https://docs.aws.amazon.com/iot/latest/developerguide/iot-basic-ingest.html
            //# only the named rule runs, no subscriber gets the message
            let ingested = rules_engine::basic_ingest(permit.resource()).is_some();
            let seen = Arc::new(self.as_rules_see_it(permit.resource(), &publication, origin, now));
            let executions = self.rules.evaluate(&seen);
            if !ingested && let Err(throttled) = self.broker.publish(permit, publication, now) {
                refuse(self, throttled);
                continue;
            }
            for execution in executions {
                self.act(scope, execution, &seen, depth, &mut way);
            }
        }
        first
    }

    fn as_rules_see_it(
        &mut self,
        topic: &TopicName,
        publication: &Publication,
        origin: &Origin<'_>,
        now: Timestamp,
    ) -> RuleMessage {
        RuleMessage {
            topic: topic.clone(),
            payload: Bytes::copy_from_slice(&publication.payload),
            client_id: origin.client_id.cloned(),
            principal: origin.principal.map(ToString::to_string),
            source_ip: origin.source_ip,
            properties: publication.properties.as_deref().map(to_rules).unwrap_or_default(),
            now,
            trace_id: self.uuid().to_string(),
            seed: self.random.u64(..),
        }
    }

    /// Sets going what a rule wants done, and its error action for what cannot be done.
    fn act(
        &mut self,
        scope: &Scope,
        execution: Execution,
        message: &Arc<RuleMessage>,
        depth: u8,
        way: &mut VecDeque<Travelling>,
    ) {
        for entry in execution.entries(scope, message) {
            // Whether a function may be invoked is known, and told, when it is.
            if entry.value("ruleAction") != Some("LambdaAction") || entry.reason.is_some() {
                self.note(entry);
            }
        }
        if execution.executed() {
            self.metrics.rule_executed();
        }
        if execution.unparsed {
            self.metrics.add_of_rule(RuleCounter::ParseError, &execution.rule, "");
        }
        let error_action = execution.error_action(message, &execution.failures());
        let execution = Arc::new(execution);
        for index in 0..execution.actions.len() {
            let asked = RuleInvocation {
                execution: Arc::clone(&execution),
                message: Arc::clone(message),
                action: index,
                depth,
            };
            let action = &execution.actions[index];
            self.invoke(scope, &execution.rule, action, Some(asked), depth, way);
        }
        if let Some(action) = error_action {
            self.note_error_action(action.entry(scope, &execution.rule, message));
            self.invoke(scope, &execution.rule, &action, None, depth, way);
        }
    }

    /// Sets one action going; `asked` gets its rule's error action if a function is refused.
    fn invoke(
        &mut self,
        scope: &Scope,
        rule: &str,
        action: &ActionExecution,
        asked: Option<RuleInvocation>,
        depth: u8,
        way: &mut VecDeque<Travelling>,
    ) {
        match &action.result {
            Err(_told) => {}
            Ok(Invocation::Lambda { function_arn, payload }) => {
                self.after.effects.push(Effect::Invoke {
                    scope: scope.clone(),
                    rule_arn: scope.iot_arn("rule", rule),
                    function_arn: function_arn.clone(),
                    payload: payload.clone(),
                    asked,
                });
            }
            Ok(Invocation::Republish { topic, .. }) if depth >= REPUBLISH_DEPTH => {
                self.note_loop(scope, topic);
            }
            Ok(Invocation::Republish { topic, payload, qos, properties }) => {
                let publication = Publication {
                    payload: payload.clone(),
                    qos: if *qos == 0 { QoS::AtMostOnce } else { QoS::AtLeastOnce },
                    expiry_seconds: properties.message_expiry_seconds,
                    properties: from_rules(properties).boxed(),
                    ..Publication::default()
                };
                let permit = Permit::<Publish>::of_aws(topic.clone());
                way.push_back(Travelling { permit, publication, depth: depth + 1 });
            }
        }
    }

    fn note_loop(&mut self, scope: &Scope, topic: &TopicName) {
        let entry = Entry::failure(scope, "RuleExecution", "RepublishLoop");
        let details = "republished from rule to rule too often";
        self.note(entry.member("topicName", topic).details(details));
    }

    /// AWS publishes an event, if there is one.
    pub(super) fn emit(
        &mut self,
        scope: &Scope,
        event: Option<Event>,
        origin: &Origin<'_>,
        now: Timestamp,
    ) {
        let Some((topic, payload)) = event else { return };
        let publication = Publication { payload, ..Publication::default() };
        let permit = Permit::<Publish>::of_aws(topic);
        if let Err(throttled) = self.distribute(scope, permit, publication, origin, now) {
            self.discard(throttled, now);
        }
    }

    /// Publishes what was permitted; a topic whose service is not here is told so in the trace.
    pub(super) fn send(
        &mut self,
        scope: &Scope,
        destination: Destination,
        permit: Permit<Publish>,
        publication: Publication,
        origin: &Origin<'_>,
        now: Timestamp,
    ) -> Result<(), Throttled> {
        let unanswered = match destination {
            Destination::Unanswered => {
                Some("the service behind this topic is not in iot-emulator yet; nobody answers")
            }
            //? assumed: what is asked without a connection is not served either
            Destination::FleetProvisioning if origin.client_id.is_none() => {
                Some("a reply needs the MQTT connection of a client that asks")
            }
            Destination::FleetProvisioning | Destination::Everybody | Destination::Rule => None,
        };
        if let Some(why) = unanswered {
            let topic = permit.resource().clone();
            let entry = Entry::failure(scope, "Publish-In", "NotServed");
            self.note(entry.member("topicName", topic).details(why).answer("nothing"));
        }
        //? assumed: what a device asks for holds its token: neither subscribers nor rules see it
        if destination == Destination::FleetProvisioning {
            return self.broker.accept(permit.resource(), false, now);
        }
        self.distribute(scope, permit, publication, origin, now)
    }

    /// Takes from the broker what has to happen outside.
    pub(super) fn gather(&mut self) {
        let effects = self.broker.effects();
        for connection in effects.wake.drain(..) {
            if let Some(live) = self.live.get(connection) {
                live.mailbox.wake();
            }
        }
        let notices = std::mem::take(&mut effects.notices);
        for (id, delivered) in self.broker.decided() {
            let sender = self.waiting.remove(&id);
            self.after.delivered.extend(sender.map(|sender| (sender, delivered)));
        }
        for notice in notices {
            if let Notice::NotRetained { .. } = notice {
                self.metrics.not_retained();
                let entry = noticed(self.registry.scope(), &self.live, notice);
                self.after.entries.push(entry);
                continue;
            }
            let entry = noticed(self.registry.scope(), &self.live, notice);
            self.note(entry);
        }
    }
}

/// Properties as SQL can ask for them.
fn to_rules(properties: &Properties) -> rules_engine::MessageProperties {
    let of = properties.clone();
    rules_engine::MessageProperties {
        payload_is_utf8: of.payload_is_utf8.unwrap_or(false),
        content_type: of.content_type,
        response_topic: of.response_topic.map(|topic| topic.as_str().to_owned()),
        correlation_data: of.correlation_data,
        message_expiry_seconds: None,
        user_properties: of.user_properties,
    }
}

/// Properties as a republish action wants them.
fn from_rules(properties: &rules_engine::MessageProperties) -> Properties {
    let of = properties.clone();
    Properties {
        payload_is_utf8: of.payload_is_utf8.then_some(true),
        content_type: of.content_type,
        response_topic: of.response_topic.map(TopicName::from),
        correlation_data: of.correlation_data,
        user_properties: of.user_properties,
    }
}

//= https://docs.aws.amazon.com/general/latest/gr/iot-core.html
//# payload, content type, correlation data and user properties have limits
/// Says what of a message is too large.
pub(super) fn check_sizes(
    payload: &[u8],
    properties: Option<&Properties>,
) -> Result<(), (Refused, String)> {
    let within = |refused, what, size: usize, limit: usize| {
        let too_large = || (refused, format!("{size} bytes of {what}, {limit} at most"));
        if size > limit { Err(too_large()) } else { Ok(()) }
    };
    within(Refused::PayloadTooLarge, "payload", payload.len(), PAYLOAD_BYTES)?;
    let Some(properties) = properties else { return Ok(()) };
    let content_type = properties.content_type.as_ref().map_or(0, String::len);
    within(Refused::QuotaExceeded, "content type", content_type, CONTENT_TYPE_BYTES)?;
    let correlation = properties.correlation_data.as_ref().map_or(0, Bytes::len);
    within(Refused::QuotaExceeded, "correlation data", correlation, CORRELATION_DATA_BYTES)?;
    let pairs = properties.user_properties.iter();
    let pairs = pairs.map(|(name, value)| name.len() + value.len()).sum();
    within(Refused::QuotaExceeded, "user properties", pairs, USER_PROPERTIES_BYTES)
}

//= https://docs.aws.amazon.com/iot/latest/developerguide/cwl-format.html
//# a message that waits for a client that is away is logged as Queued, with its topic, qos 1 and
//# the protocol MQTT; one that is throttled meanwhile in the words below
//? assumed: our own reason, and Publish-Out for what was delivered and never acknowledged
fn noticed(scope: &Scope, live: &LiveConnections, notice: Notice) -> Entry {
    let to = |entry: Entry, receiver: Receiver| {
        let entry = match receiver {
            Receiver::Client(client_id) => entry.member("clientId", client_id),
            Receiver::Group(filter) => entry.member("topicFilter", filter),
        };
        entry.member("protocol", "MQTT")
    };
    let about = |entry, receiver, topic| to(entry, receiver).member("topicName", topic);
    const THROTTLED: &str = "Throttled while queueing offline message";
    match notice {
        Notice::Queued { receiver, topic } => {
            about(Entry::success(scope, "Queued"), receiver, topic).member("qos", 1)
        }
        Notice::NoRoom { receiver, topic, count } => {
            let entry = to(Entry::failure(scope, "Queued", "MessageDropped"), receiver);
            let entry = entry.details(THROTTLED);
            match topic {
                Some(topic) => {
                    let entry = entry.member("topicName", topic).member("qos", 1);
                    entry.why(["as much waits for it as may wait"])
                }
                None => entry
                    .why([format!("{count} more messages within a second of the last such entry")]),
            }
        }
        Notice::NeverAcknowledged { client_id, topic } => {
            let entry = Entry::failure(scope, "Publish-Out", "MessageDropped");
            let details = "no PUBACK came for as long as AWS sends a message again";
            let entry = about(entry, Receiver::Client(client_id), topic).details(details);
            entry.answer("nothing: the message is not sent any more")
        }
        Notice::NotRetained { topic } => {
            let entry = Entry::failure(scope, "Publish-In", "THROTTLED").member("retain", "True");
            entry.member("topicName", topic).details("too many retained messages")
        }
        Notice::Throttled { rate, excess, topic, count } => {
            throttling::entry(scope, live, (rate, &excess), topic, count)
        }
        Notice::SessionExpired { client_id } => {
            Entry::success(scope, "SessionExpired").member("clientId", client_id)
        }
    }
}

// === what became of an invocation ===

impl IotCore {
    //= https://docs.aws.amazon.com/iot/latest/developerguide/rule-error-handling.html
    //# the error action runs when an action of the rule fails
    /// A function that a rule wanted invoked could not be: trace it, and run the error action.
    pub(crate) fn rule_action_refused(&self, asked: &RuleInvocation, why: &[String]) {
        let RuleInvocation { execution, message, action, depth } = asked;
        let Some(action) = execution.actions.get(*action) else { return };
        let failure = action.refused(message, &why.join("; "));
        let (scope, rule) = (self.scope(), execution.rule.as_str());
        self.locked(|state, now| {
            state.note(action.failure_entry(scope, rule, message, &failure).why(why));
            let Some(action) = execution.error_action(message, &[failure]) else { return };
            state.note_error_action(action.entry(scope, rule, message));
            let mut way = VecDeque::new();
            state.invoke(scope, rule, &action, None, *depth, &mut way);
            if let Err(throttled) = state.travel(scope, way, &Origin::default(), now) {
                state.discard(throttled, now);
            }
        });
    }

    /// A function that a rule wanted invoked was: the rule has done its part.
    pub(crate) fn rule_action_done(&self, asked: &RuleInvocation) {
        let RuleInvocation { execution, message, action, .. } = asked;
        if let Some(action) = execution.actions.get(*action) {
            self.note(action.entry(self.scope(), &execution.rule, message));
        }
    }
}

/// The permits of one publish.
pub(super) fn permits(
    authorizer: &mut Authorizer,
    scope: &Scope,
    topic: &TopicName,
    retain: bool,
    now: Timestamp,
) -> Result<(Permit<Publish>, Option<Permit<RetainPublish>>), Refusal> {
    let publish = authorizer.ask::<Publish>(scope, topic.clone(), now)?;
    //= https://docs.aws.amazon.com/iot/latest/developerguide/iot-policy-actions.html
    //# a retained publish needs iot:RetainPublish besides
    let retain = retain.then(|| authorizer.ask::<RetainPublish>(scope, topic.clone(), now));
    Ok((publish, retain.transpose()?))
}
