//! What the broker is asked and answers, as tables; the stage on which they play.

mod answers;
mod bounds;
mod deliveries;
mod direct;
mod model;
mod sessions;
mod shared;
mod throttling;

use std::net::Ipv4Addr;
use std::time::Duration;

use bytes::Bytes;

use super::connection::Connected;
use super::lookup::ClientStatus;
use super::subscribe::SubscribeError;
use super::*;
use crate::message::{ProtocolVersion, QoS};
use crate::names::{TopicFilter, TopicName};
use crate::policy::{Permit, Publish, RetainPublish};

/// A broker, the time, and short words for what clients do.
pub(super) struct Stage {
    pub(super) broker: MessageBroker,
    pub(super) now: Timestamp,
}

impl Default for Stage {
    fn default() -> Self {
        Self { broker: MessageBroker::new(7), now: Timestamp::from_seconds(1_700_000_000) }
    }
}

/// A message as its receiver sees it: topic, payload, QoS, RETAIN.
pub(super) type Seen = (String, String, u8, bool);

pub(super) fn seen(delivery: &Delivery) -> Seen {
    let payload = String::from_utf8(delivery.message.payload.to_vec()).unwrap();
    assert_eq!(delivery.packet_id.is_some(), delivery.qos == QoS::AtLeastOnce);
    let qos = u8::from(delivery.qos == QoS::AtLeastOnce);
    (delivery.message.topic.to_string(), payload, qos, delivery.retain)
}

pub(super) fn request(version: ProtocolVersion, clean_start: bool) -> ConnectRequest {
    ConnectRequest {
        version,
        clean_start,
        session_expiry_seconds: None,
        keep_alive_seconds: 60,
        receive_maximum: None,
        will: None,
        details: ConnectionDetails {
            principal: "ab12".into(),
            session_identifier: "00000000-0000-0000-0000-000000000000".into(),
            thing_name: None,
            source_ip: Ipv4Addr::LOCALHOST.into(),
            source_port: 49_152,
            target_ip: Ipv4Addr::LOCALHOST.into(),
            target_port: 8883,
        },
    }
}

/// MQTT 3.1.1 with a clean session.
pub(super) fn clean() -> ConnectRequest {
    request(ProtocolVersion::Mqtt311, true)
}

/// MQTT 3.1.1 with a persistent session.
pub(super) fn persistent() -> ConnectRequest {
    request(ProtocolVersion::Mqtt311, false)
}

/// MQTT 5 without a clean start.
pub(super) fn mqtt5(session_expiry_seconds: Option<u32>) -> ConnectRequest {
    ConnectRequest { session_expiry_seconds, ..request(ProtocolVersion::Mqtt5, false) }
}

pub(super) fn will(topic: &str) -> Will {
    let publication = Publication { payload: "gone".into(), ..Publication::default() };
    Will { permit: Permit::<Publish>::of_aws(TopicName::new(topic)), publication }
}

pub(super) const fn qos(number: u8) -> QoS {
    if number == 0 { QoS::AtMostOnce } else { QoS::AtLeastOnce }
}

pub(super) fn options(number: u8) -> SubscribeOptions {
    SubscribeOptions { qos: qos(number), ..SubscribeOptions::default() }
}

impl Stage {
    pub(super) fn connect(&mut self, client_id: &str, request: ConnectRequest) -> Connected {
        self.broker.connect(Permit::of_test(client_id.into()), request, self.now)
    }

    /// Connects with a clean MQTT 3.1.1 session.
    pub(super) fn join(&mut self, client_id: &str) -> ConnectionId {
        self.connect(client_id, clean()).connection
    }

    pub(super) fn subscribe(&mut self, connection: ConnectionId, filter: &str, qos: u8) {
        self.subscribe_with(connection, filter, options(qos)).unwrap();
    }

    pub(super) fn subscribe_with(
        &mut self,
        connection: ConnectionId,
        filter: &str,
        options: SubscribeOptions,
    ) -> Result<QoS, SubscribeError> {
        let permit = Permit::of_test(TopicFilter::new(filter));
        self.broker.subscribe(connection, permit, options, self.now)
    }

    pub(super) fn publish(&mut self, topic: &str, payload: &str, number: u8) {
        let payload = Bytes::copy_from_slice(payload.as_bytes());
        let publication = Publication { payload, qos: qos(number), ..Publication::default() };
        self.publish_with(topic, publication);
    }

    pub(super) fn retain(&mut self, topic: &str, payload: &str, number: u8) {
        let payload = Bytes::copy_from_slice(payload.as_bytes());
        let retain = Some(Permit::<RetainPublish>::of_aws(TopicName::new(topic)));
        let publication =
            Publication { payload, qos: qos(number), retain, ..Publication::default() };
        self.publish_with(topic, publication);
    }

    pub(super) fn publish_with(&mut self, topic: &str, publication: Publication) {
        self.try_publish(topic, publication).unwrap();
    }

    pub(super) fn try_publish(
        &mut self,
        topic: &str,
        publication: Publication,
    ) -> Result<(), Throttled> {
        let permit = Permit::<Publish>::of_aws(TopicName::new(topic));
        self.broker.publish(permit, publication, self.now)
    }

    /// The next delivery, permitted.
    pub(super) fn next(&mut self, connection: ConnectionId) -> Option<Delivery> {
        let pending = self.broker.next_delivery(connection, self.now)?;
        let permit = Permit::of_test(pending.message().topic.clone());
        Some(pending.deliver(permit).expect("the permit is for this topic"))
    }

    /// The next delivery, which the client may not receive; whether somebody else gets it.
    pub(super) fn refuse_next(&mut self, connection: ConnectionId) -> bool {
        let pending = self.broker.next_delivery(connection, self.now).expect("a delivery");
        let declined = pending.refuse();
        declined.is_some_and(|declined| self.broker.give_to_another(declined, self.now))
    }

    /// Whether something could be fetched now.
    pub(super) fn fetchable(&mut self, connection: ConnectionId) -> bool {
        self.broker.next_delivery(connection, self.now).is_some()
    }

    /// All that can be fetched, without an acknowledgement.
    pub(super) fn fetch(&mut self, connection: ConnectionId) -> Vec<Delivery> {
        std::iter::from_fn(|| self.next(connection)).collect()
    }

    /// All that comes, acknowledged as it comes.
    pub(super) fn receive(&mut self, connection: ConnectionId) -> Vec<Seen> {
        let mut received = Vec::new();
        while let Some(delivery) = self.next(connection) {
            received.push(seen(&delivery));
            if let Some(packet_id) = delivery.packet_id {
                assert!(self.broker.acknowledge(connection, packet_id));
            }
        }
        received
    }

    /// The payloads of all that comes.
    pub(super) fn payloads(&mut self, connection: ConnectionId) -> Vec<String> {
        self.receive(connection).into_iter().map(|(_topic, payload, ..)| payload).collect()
    }

    pub(super) fn lose(&mut self, connection: ConnectionId) -> Ended {
        let reason = DisconnectReason::ConnectionLost;
        self.broker.disconnect(connection, reason, self.now).expect("it was connected")
    }

    /// Moves the time and does what becomes due on the way, each at its moment.
    pub(super) fn advance(&mut self, duration: Duration) {
        let until = self.now + duration;
        while let Some(at) = self.broker.next_deadline().filter(|at| *at <= until) {
            self.now = self.now.max(at);
            self.broker.handle_timeout(self.now);
            let next = self.broker.next_deadline();
            assert!(next.is_none_or(|next| next > self.now), "what is due is done");
        }
        self.now = until;
    }

    /// Every live connection.
    pub(super) fn connections(&self) -> Vec<ConnectionId> {
        self.broker.sessions.connections().map(|facts| facts.connection).collect()
    }

    /// The connection of a client that is connected.
    pub(super) fn connection_of(&self, client_id: &str) -> Option<ConnectionId> {
        let session = self.broker.sessions.get(self.broker.clients.slot(&client_id.into())?)?;
        Some(session.online.as_ref()?.facts.connection)
    }

    /// The subscriptions of a client that has a session.
    pub(super) fn subscriptions_of(&self, client_id: &str) -> Option<Vec<(String, QoS)>> {
        let all = self.broker.subscriptions_of(&Permit::of_test(client_id.into()))?;
        Some(all.map(|(filter, qos)| (filter.to_string(), qos)).collect())
    }

    /// The client as `GetConnection` shows it.
    pub(super) fn client(&self, client_id: &str) -> Option<ClientStatus> {
        self.broker.client(&Permit::of_test(client_id.into()), self.now)
    }

    /// The payload that is retained for a topic.
    pub(super) fn retained(&self, topic: &str) -> Option<String> {
        let permit = Permit::of_test(topic.into());
        let message = self.broker.retained_message(&permit, self.now)?;
        Some(String::from_utf8(message.payload.to_vec()).unwrap())
    }

    /// The topics after `after` that have a retained message.
    pub(super) fn retained_topics(&self, after: Option<&str>) -> Vec<String> {
        let after = after.map(TopicName::new);
        let permit = Permit::of_test(());
        let messages = self.broker.retained_messages(&permit, after.as_ref(), self.now);
        messages.map(|message| message.topic.to_string()).collect()
    }

    pub(super) fn woken(&mut self) -> Vec<ConnectionId> {
        std::mem::take(&mut self.broker.effects().wake)
    }

    pub(super) fn notices(&mut self) -> Vec<Notice> {
        std::mem::take(&mut self.broker.effects().notices)
    }
}
