//! What a connected client says, packet by packet, and what goes into the buffer for it.
//!
//! No I/O: bytes in, bytes out. What a refused packet is answered is `IotCore`'s table; here it is
//! written in the client's version.

use std::ops::ControlFlow;

use bytes::{Bytes, BytesMut};

use super::answers::{self, Outgoing};
use super::codec::decode::Decoder;
use super::codec::encode::Answer;
use super::codec::packets::{Packet, Publish, Subscribe, Unsubscribe};
use super::codec::{Qos, ReasonCode};
use super::mqtt::Wants;
use crate::iot_core::{IotCore, Peer, PublishRequest, Reaction, Refused};
use crate::message::{ProtocolVersion, QoS};
use crate::message_broker::{ClientDisconnect, ConnectionId, DisconnectReason};
use crate::names::TopicName;
use crate::quotas::{SUBSCRIPTIONS_PER_REQUEST, TOPIC_ALIAS_MAXIMUM};

/// Bytes after which what waits is written before more is fetched.
const BATCH_BYTES: usize = 64 * 1024;

/// Goes on, or the connection ends for a reason.
type Turn = ControlFlow<DisconnectReason>;

/// One connected client.
#[derive(Debug)]
pub(super) struct Conversation {
    iot_core: IotCore,
    connection: ConnectionId,
    peer: Peer,
    wants: Wants,
    aliases: [Option<TopicName>; TOPIC_ALIAS_MAXIMUM as usize],
}

impl Conversation {
    pub(super) fn new(
        iot_core: IotCore,
        connection: ConnectionId,
        peer: Peer,
        wants: Wants,
    ) -> Self {
        Self { iot_core, connection, peer, wants, aliases: Default::default() }
    }

    /// Obeys every packet that `buffer` holds whole, and puts the answers into `out`.
    pub(super) fn read(
        &mut self,
        decoder: &mut Decoder,
        buffer: &mut BytesMut,
        out: &mut Vec<u8>,
    ) -> Turn {
        loop {
            match decoder.decode(buffer) {
                Ok(Some(packet)) => self.obey(packet, out)?,
                Ok(None) => return ControlFlow::Continue(()),
                Err(error) => {
                    let why = error.to_string();
                    self.iot_core.note_protocol_error(Some(self.connection), &self.peer, &why);
                    answers::disconnect(error.reason, None, &self.wants, out);
                    return ControlFlow::Break(DisconnectReason::ClientError);
                }
            }
        }
    }

    fn obey(&mut self, packet: Packet, out: &mut Vec<u8>) -> Turn {
        match packet {
            Packet::Publish(publish) => self.publish(publish, out),
            Packet::PubAck(acknowledged) => {
                self.iot_core.on(self.connection, |held| held.acknowledge(acknowledged.packet_id));
                ControlFlow::Continue(())
            }
            Packet::Subscribe(subscribe) => self.subscribe(subscribe, out),
            Packet::Unsubscribe(unsubscribe) => self.unsubscribe(&unsubscribe, out),
            Packet::PingReq => {
                Answer::PingResp.encode(self.wants.version, out);
                ControlFlow::Continue(())
            }
            Packet::Disconnect(disconnect) => {
                let asked = ClientDisconnect {
                    with_will: disconnect.reason == ReasonCode::DisconnectWithWillMessage,
                    session_expiry_seconds: disconnect.session_expiry_interval_seconds,
                };
                self.iot_core.client_disconnect(self.connection, asked);
                ControlFlow::Break(DisconnectReason::ClientInitiatedDisconnect)
            }
            Packet::PubRec(_) | Packet::PubRel(_) | Packet::PubComp(_) => {
                self.protocol_error("QoS 2 is not served", ReasonCode::QosNotSupported, out)
            }
            Packet::Auth(_) => {
                let why = "AUTH: there is no enhanced authentication";
                self.protocol_error(why, ReasonCode::ProtocolError, out)
            }
            //= https://docs.aws.amazon.com/iot/latest/developerguide/life-cycle-events.html
            //# a second CONNECT ends the connection as a client error
            Packet::Connect(_) => {
                self.protocol_error("a second CONNECT", ReasonCode::ProtocolError, out)
            }
        }
    }

    fn protocol_error(&self, why: &str, reason: ReasonCode, out: &mut Vec<u8>) -> Turn {
        self.iot_core.note_protocol_error(Some(self.connection), &self.peer, why);
        answers::disconnect(reason, None, &self.wants, out);
        ControlFlow::Break(DisconnectReason::ClientError)
    }

    fn refused(&self, refused: Refused, out: &mut Vec<u8>) -> Turn {
        answers::disconnect_refused(refused, &self.iot_core.trace_id(), &self.wants, out);
        ControlFlow::Break(answers::end_of(refused))
    }

    fn publish(&mut self, publish: Publish, out: &mut Vec<u8>) -> Turn {
        let topic = match self.topic(&publish) {
            Ok(topic) => topic,
            Err(why) => return self.protocol_error(why, ReasonCode::TopicAliasInvalid, out),
        };
        let (expiry_seconds, properties) = answers::properties(publish.properties);
        let request = PublishRequest {
            topic,
            // Copied, so that a kept message does not keep the connection's whole read buffer.
            payload: Bytes::copy_from_slice(&publish.payload),
            qos: answers::quality(publish.qos),
            retain: publish.retain,
            expiry_seconds,
            properties,
        };
        let done = self.iot_core.on(self.connection, |held| held.publish(request));
        let reason = match done {
            None => return ControlFlow::Break(DisconnectReason::DuplicateClientId),
            Some(Ok(())) => ReasonCode::Success,
            Some(Err(Reaction::Acknowledge(refused))) => answers::code(refused),
            Some(Err(Reaction::Disconnect(refused))) => return self.refused(refused, out),
        };
        if publish.qos == Qos::AtLeastOnce {
            let packet_id = publish.packet_id;
            let reason_string = None;
            Answer::PubAck { packet_id, reason, reason_string }.encode(self.wants.version, out);
        }
        ControlFlow::Continue(())
    }

    //= https://docs.aws.amazon.com/general/latest/gr/iot-core.html
    //# a client that uses a topic alias above 8 is disconnected
    fn topic(&mut self, publish: &Publish) -> Result<TopicName, &'static str> {
        let Some(alias) = publish.topic_alias else {
            return publish.topic.clone().ok_or("neither a topic nor an alias");
        };
        let slot = self.aliases.get_mut(usize::from(alias).wrapping_sub(1));
        let slot = slot.ok_or("a topic alias above 8")?;
        match &publish.topic {
            Some(topic) => *slot = Some(topic.clone()),
            None if slot.is_none() => return Err("a topic alias that stands for nothing yet"),
            None => {}
        }
        slot.clone().ok_or("a topic alias that stands for nothing yet")
    }

    fn subscribe(&mut self, subscribe: Subscribe, out: &mut Vec<u8>) -> Turn {
        //= https://docs.aws.amazon.com/general/latest/gr/iot-core.html
        //# a SUBSCRIBE with more than eight filters ends the connection
        if subscribe.filters.len() > SUBSCRIPTIONS_PER_REQUEST {
            let why = format!(
                "{} filters in one SUBSCRIBE, {SUBSCRIPTIONS_PER_REQUEST} at most",
                subscribe.filters.len()
            );
            return self.protocol_error(&why, ReasonCode::QuotaExceeded, out);
        }
        let mut reasons = Vec::with_capacity(subscribe.filters.len());
        let done = self.iot_core.on(self.connection, |held| {
            for subscription in subscribe.filters {
                let (filter, qos, options) = answers::subscription(subscription);
                reasons.push(match held.subscribe(filter, qos, options) {
                    Ok(QoS::AtMostOnce) => ReasonCode::Success,
                    Ok(QoS::AtLeastOnce) => ReasonCode::GrantedQos1,
                    Err(Reaction::Acknowledge(refused)) => answers::code(refused),
                    Err(Reaction::Disconnect(refused)) => return Err(refused),
                });
            }
            held.subscribed();
            Ok(())
        });
        match done {
            None => ControlFlow::Break(DisconnectReason::DuplicateClientId),
            Some(Err(refused)) => self.refused(refused, out),
            Some(Ok(())) => {
                let packet_id = subscribe.packet_id;
                Answer::SubAck { packet_id, reasons, reason_string: None }
                    .encode(self.wants.version, out);
                ControlFlow::Continue(())
            }
        }
    }

    fn unsubscribe(&mut self, unsubscribe: &Unsubscribe, out: &mut Vec<u8>) -> Turn {
        let done = self.iot_core.on(self.connection, |held| held.unsubscribe(&unsubscribe.filters));
        let Some(existed) = done else {
            return ControlFlow::Break(DisconnectReason::DuplicateClientId);
        };
        let reason = |existed| match existed {
            true => ReasonCode::Success,
            false => ReasonCode::NoSubscriptionExisted,
        };
        let (packet_id, reasons) =
            (unsubscribe.packet_id, existed.into_iter().map(reason).collect());
        Answer::UnsubAck { packet_id, reasons, reason_string: None }
            .encode(self.wants.version, out);
        ControlFlow::Continue(())
    }

    /// Puts what waits for the client into `out`, up to a batch.
    pub(super) fn deliver(&mut self, out: &mut Vec<u8>) -> Outgoing {
        loop {
            let delivery = self.iot_core.on(self.connection, |held| held.next_delivery());
            let Some(Some(delivery)) = delivery else { return Outgoing::Nothing };
            let written = answers::delivery(&delivery, &self.wants, out);
            //= https://docs.oasis-open.org/mqtt/mqtt/v5.0/os/mqtt-v5.0-os.html
            //# a packet above the client's maximum is not sent, as if it had been delivered
            if let (false, Some(packet_id)) = (written, delivery.packet_id) {
                self.iot_core.on(self.connection, |held| held.acknowledge(packet_id));
            }
            if out.len() >= BATCH_BYTES {
                return Outgoing::More;
            }
        }
    }

    /// The version that the client speaks.
    #[cfg(test)]
    pub(super) fn version(&self) -> ProtocolVersion {
        self.wants.version
    }
}
