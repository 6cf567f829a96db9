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
use super::log::{Who, refused};
use super::publishing::{Origin, boxed, check_sizes, permits};
use super::refusals::{self, Published, Reaction, Refused};
use super::requests::PublishRequest;
use super::topics;
use crate::events::{Event, Subject};
use crate::message::QoS;
use crate::message_broker::{
    ClientDisconnect, ConnectionFacts, ConnectionId, Delivery, DisconnectReason, Publication,
    SubscribeError, SubscribeOptions,
};
use crate::names::{Scope, TopicFilter, TopicName};
use crate::policy::{Permit, Receive, Refusal, Subscribe};
use crate::quotas::rates::Rate;
use crate::time::Timestamp;
use crate::trace::Entry;

/// What one batch of deliveries holds at most, so that nobody else waits long for the lock.
const BATCH: usize = 256;
/// The payload bytes after which a batch is full.
const BATCH_BYTES: usize = 64 * 1024;

/// One connected client, while the lock is held for it.
pub(crate) struct Held<'a> {
    pub(super) state: &'a mut State,
    pub(super) scope: &'a Scope,
    pub(super) facts: Arc<ConnectionFacts>,
    pub(super) now: Timestamp,
}

impl Held<'_> {
    fn connection(&self) -> ConnectionId {
        self.facts.connection
    }

    /// The client publishes.
    pub(crate) fn publish(&mut self, request: PublishRequest) -> Result<Published, Reaction> {
        let version = self.facts.version;
        //? assumed: a publish that policies would refuse counts too, and is discarded alike
        if !self.state.broker.count_publish(self.connection(), &request.topic, self.now) {
            return Ok(Published::Discarded);
        }
        let PublishRequest { topic, payload, qos, retain, expiry_seconds, properties } = request;
        let react = |refused| refusals::publish(version, qos, refused);
        let Some(quality) = qos else {
            let why = "QoS 2 is not served".to_owned();
            return Err(self.refuse("Publish-In", &topic, why, react(Refused::QosNotSupported)));
        };
        if let Err((refused, why)) = check_sizes(&payload, &properties) {
            return Err(self.refuse("Publish-In", &topic, why, react(refused)));
        }
        let destination = match topics::publish(&topic, retain) {
            Ok(destination) => destination,
            Err(refusal) => {
                let reaction = react(Refused::TopicNameInvalid);
                return Err(self.refuse("Publish-In", &topic, refusal.0, reaction));
            }
        };
        let Some(live) = self.state.live.get_mut(self.connection()) else {
            return Ok(Published::Accepted);
        };
        let asked = permits(&mut live.authorizer, self.scope, &topic, retain, self.now);
        let (permit, retain) = asked.map_err(|refusal| {
            let reaction = react(Refused::NotAuthorized);
            let entry = self.refused("Publish-In", &topic, &refusal);
            let entry = if retain { entry.member("retain", "True") } else { entry };
            self.note_refused(entry, reaction)
        })?;
        self.note_caveat("Publish-In", &topic);
        let origin = Origin::client(&self.facts);
        let publication = Publication {
            payload,
            qos: quality,
            retain,
            expiry_seconds,
            properties: boxed(properties),
            publisher: Some(self.facts.client_id.clone()),
        };
        let sent = self.state.send(self.scope, destination, permit, publication, &origin, self.now);
        Ok(sent.map_or_else(
            |throttled| {
                self.state.discard(throttled, self.now);
                Published::Discarded
            },
            |()| Published::Accepted,
        ))
    }

    //= https://docs.aws.amazon.com/iot/latest/developerguide/cwl-format.html
    //# Publish-In and Publish-Out are logged for what is allowed too
    //? assumed: only while a change of policies propagates, which is when one asks why
    /// Traces that a message passes by policies that are no more.
    fn note_caveat(&mut self, event_type: &'static str, topic: &TopicName) {
        let Some(live) = self.state.live.get(self.facts.connection) else { return };
        let Some(caveat) = live.authorizer.caveat() else { return };
        let entry = Entry::success(self.scope, event_type);
        let entry = Who::connected(&self.facts).signs(entry.member("topicName", topic));
        self.state.note(entry.why([caveat]));
    }

    /// The client subscribes; each filter with its QoS, `None` for QoS 2, and what else it asks.
    ///
    /// Nothing is subscribed to if one of them ends the connection, so that a session that lives
    /// on has no subscription that its client was never told of.
    pub(crate) fn subscribe(
        &mut self,
        asked: Vec<(TopicFilter, Option<QoS>, SubscribeOptions)>,
    ) -> Result<Vec<Result<QoS, Refused>>, Refused> {
        let mut permitted = Vec::with_capacity(asked.len());
        for (filter, qos, options) in asked {
            permitted.push(match self.may_subscribe(filter, qos) {
                Ok(permit) => Ok((permit, options)),
                Err(Reaction::Acknowledge(refused)) => Err(refused),
                Err(Reaction::Disconnect(refused)) => return Err(refused),
            });
        }
        let mut filters = Vec::new();
        let mut granted = Vec::with_capacity(permitted.len());
        for permit in permitted {
            granted.push(match permit {
                Ok((permit, options)) => self.subscribe_to(permit, options, &mut filters)?,
                Err(refused) => Err(refused),
            });
        }
        if !filters.is_empty() {
            self.tell("Subscribe", &filters, |subject| subject.subscribed(&filters));
        }
        Ok(granted)
    }

    /// Whether the client may subscribe to one filter.
    fn may_subscribe(
        &mut self,
        filter: TopicFilter,
        qos: Option<QoS>,
    ) -> Result<Permit<Subscribe>, Reaction> {
        let version = self.facts.version;
        let react = |refused| refusals::subscribe(version, refused);
        if qos.is_none() {
            let why = "QoS 2 is not served".to_owned();
            return Err(self.refuse("Subscribe", &filter, why, react(Refused::QosNotSupported)));
        }
        if let Err(refusal) = topics::subscribe(&filter) {
            let reaction = react(Refused::TopicFilterInvalid);
            return Err(self.refuse("Subscribe", &filter, refusal.0, reaction));
        }
        let Some(live) = self.state.live.get_mut(self.facts.connection) else {
            return Err(Reaction::Disconnect(Refused::UnspecifiedError));
        };
        let permit = live.authorizer.ask::<Subscribe>(self.scope, filter.clone(), self.now);
        permit.map_err(|refusal| {
            let reaction = react(Refused::NotAuthorized);
            let entry = self.refused("Subscribe", &filter, &refusal);
            self.note_refused(entry, reaction)
        })
    }

    /// Subscribes to the filter of `permit`, which is added to those that were `granted`.
    fn subscribe_to(
        &mut self,
        permit: Permit<Subscribe>,
        options: SubscribeOptions,
        granted: &mut Vec<TopicFilter>,
    ) -> Result<Result<QoS, Refused>, Refused> {
        let filter = permit.resource().clone();
        if let Err(rate) = self.count_subscription(&filter, &[Rate::SubscriptionsPerAccount]) {
            let entry = self.throttled("Subscribe", &filter, rate);
            let reaction = refusals::subscribe(self.facts.version, Refused::QuotaExceeded);
            return match self.note_refused(entry, reaction) {
                Reaction::Acknowledge(refused) => Ok(Err(refused)),
                Reaction::Disconnect(refused) => Err(refused),
            };
        }
        match self.state.broker.subscribe(self.connection(), permit, options, self.now) {
            Ok(qos) => {
                granted.push(filter);
                Ok(Ok(qos))
            }
            Err(error) => {
                let refused = match error {
                    SubscribeError::FilterTooLong => Refused::TopicFilterInvalid,
                    _ => Refused::QuotaExceeded,
                };
                let reaction = refusals::subscribe(self.facts.version, refused);
                match self.refuse("Subscribe", &filter, error.to_string(), reaction) {
                    Reaction::Acknowledge(refused) => Ok(Err(refused)),
                    Reaction::Disconnect(refused) => Err(refused),
                }
            }
        }
    }

    /// The client unsubscribes; which filters come above a rate.
    pub(crate) fn unsubscribe(&mut self, filters: &[TopicFilter]) -> Vec<Result<(), Refused>> {
        let mut ended = Vec::with_capacity(filters.len());
        let answers = filters.iter().map(|filter| {
            if let Err(rate) = self.count_subscription(filter, &[]) {
                let entry = self.throttled("Unsubscribe", filter, rate);
                let entry = Who::connected(&self.facts).signs(entry);
                self.state.note(entry.answer("UNSUBACK 0x80: the subscription stays"));
                return Err(Refused::UnspecifiedError);
            }
            ended.push(filter.clone());
            self.state.broker.unsubscribe(self.connection(), filter);
            Ok(())
        });
        let answers = answers.collect();
        if !ended.is_empty() {
            self.tell("Unsubscribe", &ended, |subject| subject.unsubscribed(&ended));
        }
        answers
    }

    /// Counts a filter of a SUBSCRIBE or an UNSUBSCRIBE.
    fn count_subscription(&mut self, filter: &TopicFilter, account: &[Rate]) -> Result<(), Rate> {
        let group = filter.shared().map(|_| (Rate::SubscriptionsPerGroup, filter.as_str()));
        self.state.broker.count(account, group, self.now)
    }

    fn throttled(&self, event_type: &'static str, filter: &TopicFilter, rate: Rate) -> Entry {
        let entry = Entry::failure(self.scope, event_type, "THROTTLED");
        entry.member("topicName", filter).details(rate.to_string())
    }

    fn tell(
        &mut self,
        event_type: &'static str,
        filters: &[TopicFilter],
        event: impl FnOnce(Subject<'_>) -> Option<Event>,
    ) {
        let names: Vec<&str> = filters.iter().map(TopicFilter::as_str).collect();
        let entry = Entry::success(self.scope, event_type).member("topicName", names.join(","));
        let caveat =
            self.state.live.get(self.facts.connection).and_then(|it| it.authorizer.caveat());
        self.state.note(Who::connected(&self.facts).signs(entry).why(caveat));
        let event = event(subject(&self.facts, self.now));
        self.state.emit(self.scope, event, &Origin::default(), self.now);
    }

    /// The client sent DISCONNECT; how the connection ended for it.
    pub(crate) fn disconnect(&mut self, asked: ClientDisconnect) -> DisconnectReason {
        let ended = self.state.broker.client_disconnect(self.connection(), asked, self.now);
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
        if let Some(live) = self.state.live.get_mut(self.connection()) {
            live.misuse = Some(Box::new(Misuse { why: why.to_owned(), answer }));
        }
    }

    /// A fresh one for a reason string.
    pub(crate) fn trace_id(&mut self) -> String {
        self.state.uuid().to_string()
    }

    /// The client has the message `packet_id`.
    pub(crate) fn acknowledge(&mut self, packet_id: u16) {
        self.state.broker.acknowledge(self.connection(), packet_id);
    }

    //= https://docs.oasis-open.org/mqtt/mqtt/v5.0/os/mqtt-v5.0-os.html
    //# a packet above the client's maximum is not sent, as if it had been delivered
    /// The message was larger than the client takes; whoever waits for its PUBACK waits on.
    pub(crate) fn too_large(&mut self, delivery: &Delivery, maximum_packet_size: u32) {
        if let Some(packet_id) = delivery.packet_id {
            self.state.broker.give_up(self.connection(), packet_id);
        }
        let entry = Entry::failure(self.scope, "Publish-Out", "MessageDropped");
        let entry = entry.member("topicName", &delivery.message.topic);
        let details =
            format!("a packet above the client's Maximum Packet Size, {maximum_packet_size}");
        let entry = Who::connected(&self.facts).signs(entry).details(details);
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
            self.note_caveat("Publish-Out", &delivery.message.topic);
            into.push(delivery);
        }
        true
    }

    fn next_delivery(&mut self) -> Option<Delivery> {
        loop {
            let pending = self.state.broker.next_delivery(self.connection(), self.now)?;
            let live = self.state.live.get_mut(self.facts.connection)?;
            let topic = pending.message().topic.clone();
            match live.authorizer.ask::<Receive>(self.scope, topic.clone(), self.now) {
                Ok(permit) => {
                    if let Some(delivery) = pending.deliver(permit) {
                        return Some(delivery);
                    }
                }
                Err(refusal) => {
                    pending.refuse();
                    let decided = (&live.authorizer, &self.state.registry);
                    let entry = refused(self.scope, "Publish-Out", &refusal, decided);
                    let entry = Who::connected(&self.facts).signs(entry.member("topicName", topic));
                    self.state.note(entry.answer("nothing: the message is not delivered"));
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
        let acknowledgement = if entry.event_type == "Subscribe" { "SUBACK" } else { "PUBACK" };
        let answer = reaction.answer(self.facts.version, acknowledgement);
        self.state.note(Who::connected(&self.facts).signs(entry).answer(answer));
        reaction
    }
}
