//! [`Held`]: one connected client, while the lock is held for it, and all that it may ask.
//!
//! It decides the order of AWS's checks on a packet, and what a refusal leaves in the trace.
//! Whether something is permitted, and who gets what, is decided in `policy/` and
//! `message_broker/`.
//! Truth: <https://docs.aws.amazon.com/iot/latest/developerguide/mqtt.html>.

use std::sync::Arc;

use super::State;
use super::connections::subject;
use super::live::Misuse;
use super::log::{RefusedFilter, Who, refused};
use super::metrics::{Counter, Protocol};
use super::publishing::{Origin, check_sizes, permits};
use super::refusals::{self, Published, Reaction, Refused};
use super::requests::PublishRequest;
use super::topics::{self, Destination, TopicRefusal};
use crate::message::{ProtocolVersion, QoS};
use crate::message_broker::{
    ClientDisconnect, ConnectionFacts, Delivery, DisconnectReason, Publication, SubscribeOptions,
};
use crate::names::{Scope, TopicFilter, TopicName};
use crate::policy::{Permit, Receive, Refusal, Subscribe};
use crate::quotas::rates::Rate;
use crate::registry::{LogLevel, LogSubject};
use crate::time::Timestamp;
use crate::trace::{Entry, Outcome};

/// What one batch of deliveries holds at most, so that nobody else waits long for the lock.
const BATCH: usize = 256;
/// The payload bytes after which a batch is full.
const BATCH_BYTES: usize = 64 * 1024;

/// A filter of a SUBSCRIBE that may be subscribed to, or why not.
type LookedAt = Result<(Permit<Subscribe>, SubscribeOptions), Box<RefusedFilter>>;

/// One connected client, while the lock is held for it.
pub(crate) struct Held<'a> {
    pub(super) state: &'a mut State,
    pub(super) scope: &'a Scope,
    pub(super) facts: Arc<ConnectionFacts>,
    pub(super) now: Timestamp,
    /// Whether somebody may want to know of messages that pass.
    pub(super) tells_what_passes: bool,
    /// The `traceId` of what was refused last.
    pub(super) trace_id: Option<String>,
}

impl Held<'_> {
    /// The client publishes.
    pub(crate) fn publish(&mut self, request: PublishRequest) -> Result<Published, Reaction> {
        let version = self.facts.version;
        //? assumed: a publish that policies would refuse counts too, and is discarded alike
        if !self.state.broker.count_publish(self.facts.connection, &request.topic, self.now) {
            return Ok(Published::Discarded);
        }
        let PublishRequest { topic, payload, qos, retain, expiry_seconds, properties } = request;
        let react = |refused| refusals::publish(version, qos, refused);
        let Some(quality) = qos else {
            let why = "QoS 2 is not served".to_owned();
            return Err(self.refuse("Publish-In", &topic, why, react(Refused::QosNotSupported)));
        };
        if let Err((refused, why)) = check_sizes(&payload, properties.as_deref()) {
            return Err(self.refuse("Publish-In", &topic, why, react(refused)));
        }
        let destination = match self.destination(&topic, retain) {
            Ok(destination) => destination,
            Err(refusal) => {
                let reaction = react(Refused::TopicNameInvalid);
                return Err(self.refuse("Publish-In", &topic, refusal.0, reaction));
            }
        };
        let Some(live) = self.state.live.get_mut(self.facts.connection) else {
            return Ok(Published::Accepted);
        };
        let asked = permits(&mut live.authorizer, self.scope, &topic, retain, self.now);
        let (permit, retain) = asked.map_err(|refusal| {
            let refused = Refused::NotAuthorized;
            let reaction = match quality {
                _ if !self.outlives_its_claim() => react(refused),
                QoS::AtMostOnce => Reaction::Disconnect(refused),
                QoS::AtLeastOnce => Reaction::AcknowledgeThenDisconnect(refused),
            };
            let entry = self.refused("Publish-In", &topic, &refusal);
            let entry = if retain { entry.member("retain", "True") } else { entry };
            self.note_refused(entry, reaction)
        })?;
        self.state.metrics.published(Protocol::Mqtt, retain.is_some());
        if self.tells_what_passes {
            self.note_passed("Publish-In", &topic, retain.is_some());
        }
        let origin = Origin::client(&self.facts);
        let asks = destination == Destination::FleetProvisioning;
        let asked = asks.then(|| payload.clone());
        let publication = Publication {
            payload,
            qos: quality,
            retain,
            expiry_seconds,
            properties,
            publisher: Some(self.facts.client_id.clone()),
        };
        let sent = self.state.send(self.scope, destination, permit, publication, &origin, self.now);
        if let Err(throttled) = sent {
            self.state.discard(throttled, self.now);
            return Ok(Published::Discarded);
        }
        if let Some(payload) = asked {
            self.ask_fleet_provisioning(&topic, &payload);
        }
        Ok(Published::Accepted)
    }

    /// Where a publish to `topic` goes, if it may go anywhere.
    fn destination(
        &mut self,
        topic: &TopicName,
        retain: bool,
    ) -> Result<Destination, TopicRefusal> {
        let Some(live) = self.state.live.get_mut(self.facts.connection) else {
            return topics::publish(topic, retain);
        };
        if live.last_topic.as_ref() == Some(topic) {
            return Ok(Destination::Everybody);
        }
        let destination = topics::publish(topic, retain)?;
        // Whether a reserved topic may be published to depends on more than its name.
        let plain = destination == Destination::Everybody && !topic.as_str().starts_with('$');
        live.last_topic = plain.then(|| topic.clone());
        Ok(destination)
    }

    //= https://github.com/ministackorg/ministack/pull/1755
    //# a connection that outlives its provisioning claim gets a PUBACK when it publishes again, no
    //# reply, and is closed
    //? assumed: in MQTT 5 too, where a denial alone would leave it open
    /// Whether the client came with a claim that has expired.
    fn outlives_its_claim(&self) -> bool {
        let registry = &self.state.registry;
        let certificate = self.facts.details.principal.parse();
        certificate.is_ok_and(|id| {
            registry.certificate(id).is_none() && !registry.holds_claim(id, self.now)
        })
    }

    //= https://docs.aws.amazon.com/iot/latest/developerguide/cwl-format.html
    //# Publish-In and Publish-Out are logged for what is allowed too
    //? assumed: of our own, only if the logging options ask for it, or while a change of policies
    //? propagates, which is when one asks why
    /// Traces that a message passes, if that is wanted, or if it does by policies that are no more.
    fn note_passed(&mut self, event_type: &'static str, topic: &TopicName, retain: bool) {
        let Some(live) = self.state.live.get(self.facts.connection) else { return };
        let caveat = live.authorizer.caveat();
        if caveat.is_none() && !self.logs(event_type, LogLevel::Info) {
            return;
        }
        let entry = Entry::success(self.scope, event_type).member("topicName", topic);
        let entry = if retain { entry.member("retain", "True") } else { entry };
        self.state.note(Who::connected(&self.facts).signs(entry).why(caveat));
    }

    /// Whether the logging options ask for the entries of this client that cost.
    fn logs(&self, event_type: &str, level: LogLevel) -> bool {
        let registry = &self.state.registry;
        registry.logs_more() && {
            let details = &self.facts.details;
            let about = LogSubject {
                client_id: Some(self.facts.client_id.as_str()),
                principal: Some(&details.principal),
                thing: details.thing_name.as_ref(),
                source_ip: details.source_ip,
            };
            registry.logs(event_type, level, &about)
        }
    }

    //= https://docs.aws.amazon.com/iot/latest/developerguide/cwl-format.html
    //# a Ping that is answered is logged at DEBUG, with its latency in milliseconds
    /// The client asks for a PINGRESP, and gets it.
    pub(crate) fn ping(&mut self) {
        self.state.metrics.add(Counter::PingSuccess, Protocol::Mqtt);
        if self.logs("Ping", LogLevel::Debug) {
            // Both happen in one turn, under one look at the clock.
            let at = self.now.format("%Y-%m-%d %H:%M:%S%.3f");
            let entry = Entry::success(self.scope, "Ping").number("latency", 0_u8);
            let entry = entry.member("requestTimestamp", &at).member("responseTimestamp", at);
            self.state.note(Who::connected(&self.facts).signs(entry));
        }
    }

    /// The client subscribes; what it is granted of each filter, or why not. Nothing is subscribed
    /// to if one of them ends the connection.
    pub(crate) fn subscribe(
        &mut self,
        asked: Vec<(TopicFilter, Option<QoS>, SubscribeOptions)>,
    ) -> Result<Vec<Result<QoS, Refused>>, Refused> {
        let mut looked_at = Vec::with_capacity(asked.len());
        for (filter, qos, options) in asked {
            match self.may_subscribe(&filter, qos) {
                Ok(permit) => looked_at.push(Ok((permit, options))),
                Err(told) => match told.reaction {
                    Reaction::Acknowledge(_) => looked_at.push(Err(told)),
                    Reaction::Disconnect(refused)
                    | Reaction::AcknowledgeThenDisconnect(refused) => {
                        self.end_subscribe(looked_at, told);
                        return Err(refused);
                    }
                },
            }
        }
        let mut answers = Vec::with_capacity(looked_at.len());
        for filter in looked_at {
            let answer = filter.and_then(|(permit, options)| self.subscribe_to(permit, options));
            answers.push(answer.map_err(|told| {
                let refused = told.reaction.refused();
                if let Some(live) = self.state.live.get_mut(self.facts.connection) {
                    live.subscribing.refuse(told);
                }
                refused
            }));
        }
        let filters = self.note_subscribe(None);
        if !filters.is_empty() {
            let event = subject(&self.facts, self.now).subscribed(&filters);
            self.state.emit(self.scope, event, &Origin::default(), self.now);
        }
        Ok(answers)
    }

    /// Whether the client may subscribe to one filter; else what is to be told of it.
    fn may_subscribe(
        &mut self,
        filter: &TopicFilter,
        qos: Option<QoS>,
    ) -> Result<Permit<Subscribe>, Box<RefusedFilter>> {
        let version = self.facts.version;
        let told = |entry: Entry, refused| {
            let reaction = refusals::subscribe(version, refused);
            Box::new(RefusedFilter { filter: filter.clone(), entry, reaction })
        };
        let misused = |why: String, refused| {
            let entry = Entry::failure(self.scope, "Subscribe", "CLIENT_ERROR").details(why);
            Err(told(entry, refused))
        };
        if qos.is_none() {
            return misused("QoS 2 is not served".to_owned(), Refused::QosNotSupported);
        }
        if let Err(refusal) = topics::subscribe(filter) {
            return misused(refusal.0, Refused::TopicFilterInvalid);
        }
        let Some(live) = self.state.live.get_mut(self.facts.connection) else {
            return misused("the connection is over".to_owned(), Refused::UnspecifiedError);
        };
        let permit = live.authorizer.ask::<Subscribe>(self.scope, filter.clone(), self.now);
        permit.map_err(|refusal| {
            told(self.refused("Subscribe", filter, &refusal), Refused::NotAuthorized)
        })
    }

    /// Subscribes to the filter of `permit`, unless a quota forbids it.
    fn subscribe_to(
        &mut self,
        permit: Permit<Subscribe>,
        options: SubscribeOptions,
    ) -> Result<QoS, Box<RefusedFilter>> {
        let filter = permit.resource().clone();
        let told = |filter, entry, refused| {
            let reaction = Reaction::Acknowledge(refused);
            Err(Box::new(RefusedFilter { filter, entry, reaction }))
        };
        //= https://docs.aws.amazon.com/iot/latest/developerguide/metrics_dimensions.html
        //# what exceeds the subscriptions of a connection or an account is throttled
        //? assumed: the reason
        let throttled =
            |why: String| Entry::failure(self.scope, "Subscribe", "THROTTLED").details(why);
        if let Err(rate) = self.count_subscription(&filter, &[Rate::SubscriptionsPerAccount]) {
            return told(filter, throttled(rate.to_string()), Refused::QuotaExceeded);
        }
        let connection = self.facts.connection;
        match self.state.broker.subscribe(connection, permit, options, self.now) {
            Ok(qos) => {
                if let Some(live) = self.state.live.get_mut(connection) {
                    live.subscribing.grant(filter, qos);
                }
                Ok(qos)
            }
            Err(error) => told(filter, throttled(error.to_string()), Refused::QuotaExceeded),
        }
    }

    /// Tells of a SUBSCRIBE that ends the connection: of its filters, up to the one that does.
    fn end_subscribe(&mut self, before: Vec<LookedAt>, last: Box<RefusedFilter>) {
        let reaction = last.reaction;
        if let Some(live) = self.state.live.get_mut(self.facts.connection) {
            for looked_at in before {
                match looked_at {
                    Ok((permit, options)) => {
                        live.subscribing.grant(permit.into_resource(), options.qos);
                    }
                    Err(told) => live.subscribing.refuse(told),
                }
            }
            live.subscribing.refuse(last);
        }
        self.note_subscribe(Some(reaction));
    }

    /// Writes the one entry of a SUBSCRIBE; the filters that were granted.
    fn note_subscribe(&mut self, ended: Option<Reaction>) -> Vec<TopicFilter> {
        let version = self.facts.version;
        let Some(live) = self.state.live.get_mut(self.facts.connection) else { return Vec::new() };
        let subscribing = std::mem::take(&mut live.subscribing);
        let mut entry = subscribing.entry(self.scope, version).why(live.authorizer.caveat());
        if let Some(reaction) = ended {
            // Nothing of it was acknowledged.
            entry.outcome = Outcome::Failure;
            entry = self.named(entry, reaction).answer(reaction.answer(version, "SUBACK"));
        }
        self.state.note(Who::connected(&self.facts).signs(entry));
        subscribing.granted
    }

    /// The client unsubscribes; which filters come above a rate.
    pub(crate) fn unsubscribe(&mut self, filters: &[TopicFilter]) -> Vec<Result<(), Refused>> {
        let mut ended = Vec::with_capacity(filters.len());
        let answers = filters.iter().map(|filter| {
            if let Err(rate) = self.count_subscription(filter, &[]) {
                let entry = Entry::failure(self.scope, "Unsubscribe", "THROTTLED");
                let entry = entry.member("topicName", filter).details(rate.to_string());
                let entry = Who::connected(&self.facts).signs(entry);
                self.state.note(entry.answer("UNSUBACK 0x80: the subscription stays"));
                return Err(Refused::UnspecifiedError);
            }
            ended.push(filter.clone());
            self.state.broker.unsubscribe(self.facts.connection, filter);
            Ok(())
        });
        let answers = answers.collect();
        if !ended.is_empty() {
            //= https://docs.aws.amazon.com/iot/latest/developerguide/cwl-format.html
            //# an Unsubscribe has no topicName
            let names: Vec<&str> = ended.iter().map(TopicFilter::as_str).collect();
            let from = format!("unsubscribes from {}", names.join(","));
            let entry = Entry::success(self.scope, "Unsubscribe").why([from]);
            self.state.note(Who::connected(&self.facts).signs(entry));
            let event = subject(&self.facts, self.now).unsubscribed(&ended);
            self.state.emit(self.scope, event, &Origin::default(), self.now);
        }
        answers
    }

    /// Counts a filter of a SUBSCRIBE or an UNSUBSCRIBE.
    fn count_subscription(&mut self, filter: &TopicFilter, account: &[Rate]) -> Result<(), Rate> {
        let group = filter.shared().map(|_| (Rate::SubscriptionsPerGroup, filter.as_str()));
        self.state.broker.count(account, group, self.now)
    }

    /// The client sent DISCONNECT; how the connection ended for it.
    pub(crate) fn disconnect(&mut self, asked: ClientDisconnect) -> DisconnectReason {
        let ended = self.state.broker.client_disconnect(self.facts.connection, asked, self.now);
        let reason = DisconnectReason::ClientInitiatedDisconnect;
        let reason = ended.as_ref().map_or(reason, |ended| ended.reason);
        let why = "its DISCONNECT would raise a session expiry of zero, which MQTT forbids";
        let why = (reason == DisconnectReason::ClientError).then_some(why);
        self.state.finish(self.scope, ended, why, self.now);
        reason
    }

    /// Keeps in mind what MQTT or AWS does not allow a connected client, and what it is answered,
    /// for the entry of its end.
    pub(crate) fn note_misuse(&mut self, why: &str, answer: String) {
        if let Some(live) = self.state.live.get_mut(self.facts.connection) {
            live.misuse = Some(Box::new(Misuse { why: why.to_owned(), answer }));
        }
    }

    /// For a reason string: the `traceId` of what was refused last, or a fresh one.
    pub(crate) fn trace_id(&mut self) -> String {
        self.trace_id.take().unwrap_or_else(|| self.state.uuid().to_string())
    }

    /// The client has the message `packet_id`.
    pub(crate) fn acknowledge(&mut self, packet_id: u16) {
        self.state.broker.acknowledge(self.facts.connection, packet_id);
    }

    //= https://docs.oasis-open.org/mqtt/mqtt/v5.0/os/mqtt-v5.0-os.html
    //# a packet above the client's maximum is not sent, as if it had been delivered
    /// The message was larger than the client takes; whoever waits for its PUBACK waits on.
    pub(crate) fn too_large(&mut self, delivery: &Delivery, maximum_packet_size: u32) {
        if let Some(packet_id) = delivery.packet_id {
            self.state.broker.give_up(self.facts.connection, packet_id);
        }
        let entry = Entry::failure(self.scope, "Publish-Out", "MessageDropped");
        let entry = entry.member("topicName", &delivery.message.topic);
        let details =
            format!("a packet above the client's Maximum Packet Size, {maximum_packet_size}");
        let entry = Who::connected(&self.facts).signs(entry).details(details);
        self.state.metrics.undelivered();
        self.state.note(entry.answer("nothing: the message is not delivered"));
    }

    //= https://docs.aws.amazon.com/iot/latest/developerguide/iot-policy-actions.html
    //# iot:Receive is checked on every delivery; what is not allowed does not arrive
    /// The next messages for the client that it may receive; whether there may be more.
    pub(crate) fn deliveries(&mut self, into: &mut Vec<Delivery>) -> bool {
        let mut bytes = 0;
        while into.len() < BATCH && bytes < BATCH_BYTES {
            let Some(delivery) = self.next_delivery() else { return false };
            bytes += delivery.message.payload.len();
            self.state.metrics.add(Counter::PublishOutSuccess, Protocol::Mqtt);
            if self.tells_what_passes {
                self.note_passed("Publish-Out", &delivery.message.topic, false);
            }
            into.push(delivery);
        }
        true
    }

    fn next_delivery(&mut self) -> Option<Delivery> {
        loop {
            let pending = self.state.broker.next_delivery(self.facts.connection, self.now)?;
            let live = self.state.live.get_mut(self.facts.connection)?;
            let topic = pending.message().topic.clone();
            match live.authorizer.ask::<Receive>(self.scope, topic, self.now) {
                Ok(permit) => {
                    if let Some(delivery) = pending.deliver(permit) {
                        return Some(delivery);
                    }
                }
                Err(refusal) => {
                    let topic = pending.message().topic.clone();
                    let declined = pending.refuse();
                    let broker = &mut self.state.broker;
                    let goes_on = declined.is_some_and(|it| broker.give_to_another(it, self.now));
                    let answer = match goes_on {
                        true => "nothing: another member of the group gets the message",
                        false => "nothing: the message is not delivered",
                    };
                    let decided = (&live.authorizer, &self.state.registry);
                    let entry = refused(self.scope, "Publish-Out", &refusal, decided);
                    let entry = Who::connected(&self.facts).signs(entry.member("topicName", topic));
                    self.state.note(entry.answer(answer));
                }
            }
        }
    }

    /// The entry of what a policy refused, without who it was.
    fn refused(
        &self,
        event_type: &'static str,
        topic: impl std::fmt::Display,
        refusal: &Refusal,
    ) -> Entry {
        let entry = match self.state.live.get(self.facts.connection) {
            Some(live) => {
                let decided = (&live.authorizer, &self.state.registry);
                refused(self.scope, event_type, refusal, decided)
            }
            None => Entry::failure(self.scope, event_type, "AUTHORIZATION_FAILURE"),
        };
        entry.member("topicName", topic)
    }

    fn refuse(
        &mut self,
        event_type: &'static str,
        topic: impl std::fmt::Display,
        why: String,
        reaction: Reaction,
    ) -> Reaction {
        let entry = Entry::failure(self.scope, event_type, "CLIENT_ERROR");
        self.note_refused(entry.member("topicName", topic).details(why), reaction)
    }

    fn note_refused(&mut self, entry: Entry, reaction: Reaction) -> Reaction {
        let answer = reaction.answer(self.facts.version, "PUBACK");
        let entry = self.named(entry, reaction);
        self.state.note(Who::connected(&self.facts).signs(entry).answer(answer));
        reaction
    }

    /// `entry` with the `traceId` that the client will read in a reason string.
    fn named(&mut self, entry: Entry, reaction: Reaction) -> Entry {
        match (reaction, self.facts.version) {
            (
                Reaction::Disconnect(_) | Reaction::AcknowledgeThenDisconnect(_),
                ProtocolVersion::Mqtt5,
            ) => {
                let trace_id = self.state.uuid().to_string();
                self.trace_id = Some(trace_id.clone());
                entry.member("traceId", trace_id)
            }
            _ => entry,
        }
    }
}
