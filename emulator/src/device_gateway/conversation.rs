//! What a connected client says, packet by packet, and what goes into the buffer for it.
//!
//! No I/O: bytes in, bytes out. What a refused packet is answered is `IotCore`'s table; here it is
//! written in the client's version.

use std::cell::RefCell;
use std::ops::ControlFlow;

use bytes::BytesMut;

use super::answers::{self, Outgoing};
use super::codec::decode::Decoder;
use super::codec::encode::{self, Answer};
use super::codec::packets::{Packet, Publish, Subscribe};
use super::codec::{Qos, ReasonCode};
use super::mqtt::Wants;
use crate::iot_core::{Held, IotCore, PublishRequest, Published, Reaction, Refused};
use crate::message::{ProtocolVersion, QoS};
use crate::message_broker::{ClientDisconnect, ConnectionId, Delivery, DisconnectReason};
use crate::names::TopicName;
use crate::quotas::{
    RULE_NAME_CHARACTERS, SUBSCRIPTIONS_PER_REQUEST, TOPIC_ALIAS_MAXIMUM, TOPIC_BYTES,
};

/// Goes on, or the connection ends for a reason.
type Turn = ControlFlow<DisconnectReason>;

/// The topics that a client's aliases stand for; most clients have none.
type Aliases = Option<Box<[Option<TopicName>; TOPIC_ALIAS_MAXIMUM as usize]>>;

/// No topic that a client may publish to is longer.
const LONGEST_TOPIC: usize = "$aws/rules/".len() + RULE_NAME_CHARACTERS + "/".len() + TOPIC_BYTES;

/// One connected client.
#[derive(Debug)]
pub(super) struct Conversation {
    iot_core: IotCore,
    connection: ConnectionId,
    wants: Wants,
    aliases: Aliases,
}

thread_local! {
    /// Room for what one connection after the other reads and is delivered.
    static PACKETS: RefCell<Vec<Packet>> = const { RefCell::new(Vec::new()) };
    static DELIVERIES: RefCell<Vec<Delivery>> = const { RefCell::new(Vec::new()) };
}

impl Conversation {
    pub(super) fn new(iot_core: IotCore, connection: ConnectionId, wants: Wants) -> Self {
        Self { iot_core, connection, wants, aliases: Aliases::default() }
    }

    /// Obeys every packet that `buffer` holds whole, and puts the answers into `out`; how many
    /// there were.
    ///
    /// All of them are decoded before the lock is taken, and it is taken once for all.
    pub(super) fn read(
        &mut self,
        decoder: &mut Decoder,
        buffer: &mut BytesMut,
        out: &mut Vec<u8>,
    ) -> ControlFlow<DisconnectReason, usize> {
        let mut packets = PACKETS.take();
        let ended = loop {
            match decoder.decode(buffer) {
                Ok(Some(packet)) => packets.push(packet),
                Ok(None) => break None,
                Err(error) => break Some(error),
            }
        };
        let count = packets.len();
        if count == 0 && ended.is_none() {
            PACKETS.set(packets);
            return ControlFlow::Continue(0);
        }
        let iot_core = self.iot_core.clone();
        let obeyed = iot_core.on(self.connection, |held| {
            packets.drain(..).try_for_each(|packet| self.obey(held, packet, out))?;
            match ended {
                None => ControlFlow::Continue(()),
                Some(error) => self.misused(held, &error.to_string(), error.reason, out),
            }
        });
        packets.clear();
        PACKETS.set(packets);
        // Somebody else ended the connection: its mailbox says why.
        obeyed.unwrap_or(ControlFlow::Continue(())).map_continue(|()| count)
    }

    /// The connection is over, for a reason that came from its socket or from itself.
    pub(super) fn end(&self, reason: DisconnectReason) {
        self.iot_core.end(self.connection, reason);
    }

    /// The last words to a client whose connection was ended.
    pub(super) fn farewell(&self, reason: DisconnectReason, out: &mut Vec<u8>) {
        answers::disconnect_for(reason, &self.wants, out);
    }

    fn obey(&mut self, held: &mut Held<'_>, packet: Packet, out: &mut Vec<u8>) -> Turn {
        match packet {
            Packet::Publish(publish) => self.publish(held, publish, out),
            Packet::PubAck(acknowledged) => {
                held.acknowledge(acknowledged.packet_id);
                ControlFlow::Continue(())
            }
            Packet::Subscribe(subscribe) => self.subscribe(held, subscribe, out),
            //= https://docs.aws.amazon.com/iot/latest/developerguide/mqtt.html
            //# of UNSUBACK's codes AWS sends 0x00 and failures; No subscription existed is not one
            //? assumed: so a filter that nobody subscribed to is a success, as in MQTT 3.1.1
            Packet::Unsubscribe(unsubscribe) => {
                let reason = |ended| match ended {
                    Ok(()) => ReasonCode::Success,
                    Err(refused) => answers::code(refused),
                };
                let ended = held.unsubscribe(&unsubscribe.filters).into_iter();
                let (packet_id, reasons) = (unsubscribe.packet_id, ended.map(reason).collect());
                let answer = Answer::UnsubAck { packet_id, reasons, reason_string: None };
                answer.encode(self.wants.version, out);
                ControlFlow::Continue(())
            }
            Packet::PingReq => {
                held.ping();
                Answer::PingResp.encode(self.wants.version, out);
                ControlFlow::Continue(())
            }
            Packet::Disconnect(disconnect) => {
                //= https://docs.oasis-open.org/mqtt/mqtt/v5.0/os/mqtt-v5.0-os.html
                //# 3.1.2.5: only the normal disconnection, 0x00, keeps the will back
                //? assumed: that AWS honours this for the codes of errors too, as it does for 0x04
                let reason = held.disconnect(ClientDisconnect {
                    with_will: disconnect.reason != ReasonCode::Success,
                    session_expiry_seconds: disconnect.session_expiry_interval_seconds,
                });
                if reason == DisconnectReason::ClientError {
                    answers::disconnect(ReasonCode::ProtocolError, None, &self.wants, out);
                }
                ControlFlow::Break(reason)
            }
            Packet::PubRec(_) | Packet::PubRel(_) | Packet::PubComp(_) => {
                self.misused(held, "QoS 2 is not served", ReasonCode::QosNotSupported, out)
            }
            Packet::Auth(_) => {
                let why = "AUTH: there is no enhanced authentication";
                self.misused(held, why, ReasonCode::ProtocolError, out)
            }
            //= https://docs.aws.amazon.com/iot/latest/developerguide/life-cycle-events.html
            //# a second CONNECT ends the connection as a client error
            Packet::Connect(_) => {
                self.misused(held, "a second CONNECT", ReasonCode::ProtocolError, out)
            }
        }
    }

    /// Traces what is wrong with what carries the client's packets.
    pub(super) fn note_misuse(&self, why: &str) {
        let answer = "disconnects".to_owned();
        self.iot_core.on(self.connection, |held| held.note_misuse(why, answer));
    }

    /// Ends the connection of a client that does what MQTT or AWS forbids.
    fn misused(
        &self,
        held: &mut Held<'_>,
        why: &str,
        reason: ReasonCode,
        out: &mut Vec<u8>,
    ) -> Turn {
        let answer = match self.wants.version {
            ProtocolVersion::Mqtt311 => "disconnects".to_owned(),
            ProtocolVersion::Mqtt5 => format!("DISCONNECT 0x{:02X}", reason.value()),
        };
        held.note_misuse(why, answer);
        answers::disconnect(reason, None, &self.wants, out);
        ControlFlow::Break(DisconnectReason::ClientError)
    }

    fn refused(&self, held: &mut Held<'_>, refused: Refused, out: &mut Vec<u8>) -> Turn {
        answers::disconnect_refused(refused, &held.trace_id(), &self.wants, out);
        ControlFlow::Break(answers::end_of(refused))
    }

    fn publish(&mut self, held: &mut Held<'_>, mut publish: Publish, out: &mut Vec<u8>) -> Turn {
        let topic = match self.topic(&mut publish) {
            Ok(topic) => topic,
            Err((reason, why)) => return self.misused(held, why, reason, out),
        };
        let (expiry_seconds, properties) = answers::properties(publish.properties);
        let request = PublishRequest {
            topic,
            payload: publish.payload,
            qos: answers::quality(publish.qos),
            retain: publish.retain,
            expiry_seconds,
            properties,
        };
        let reason = match held.publish(request) {
            Ok(Published::Accepted) => ReasonCode::Success,
            //= https://github.com/awslabs/aws-c-mqtt/blob/main/include/aws/mqtt/client.h
            //# there is no response to a publish above the quota
            //? assumed: for MQTT 5 too, although 0x97 is among AWS's PUBACK codes
            Ok(Published::Discarded) => return ControlFlow::Continue(()),
            Err(Reaction::Acknowledge(refused)) => answers::code(refused),
            Err(Reaction::Disconnect(refused)) => return self.refused(held, refused, out),
            Err(Reaction::AcknowledgeThenDisconnect(refused)) => {
                self.acknowledge(publish.packet_id, ReasonCode::Success, out);
                return self.refused(held, refused, out);
            }
        };
        if publish.qos == Qos::AtLeastOnce {
            self.acknowledge(publish.packet_id, reason, out);
        }
        ControlFlow::Continue(())
    }

    fn acknowledge(&self, packet_id: u16, reason: ReasonCode, out: &mut Vec<u8>) {
        if reason == ReasonCode::Success {
            return encode::taken(packet_id, out);
        }
        let answer = Answer::PubAck { packet_id, reason, reason_string: None };
        answer.encode(self.wants.version, out);
    }

    //= https://docs.aws.amazon.com/general/latest/gr/iot-core.html
    //# a client that uses a topic alias above 8 is disconnected
    //= https://docs.oasis-open.org/mqtt/mqtt/v5.0/os/mqtt-v5.0-os.html
    //# 3.3.2.3.4: an alias that stands for nothing yet is a protocol error
    fn topic(&mut self, publish: &mut Publish) -> Result<TopicName, (ReasonCode, &'static str)> {
        let Some(alias) = publish.topic_alias else {
            let neither = (ReasonCode::ProtocolError, "neither a topic nor an alias");
            return publish.topic.take().ok_or(neither);
        };
        let aliases = self.aliases.get_or_insert_default();
        let slot = aliases.get_mut(usize::from(alias).wrapping_sub(1));
        let slot = slot.ok_or((ReasonCode::TopicAliasInvalid, "a topic alias above 8"))?;
        if let Some(topic) = publish.topic.take() {
            //? assumed: an alias does not come to stand for a topic that is too long for AWS
            *slot = Some(topic.clone()).filter(|topic| topic.as_str().len() <= LONGEST_TOPIC);
            return Ok(topic);
        }
        let unknown = (ReasonCode::ProtocolError, "a topic alias that stands for nothing yet");
        slot.clone().ok_or(unknown)
    }

    fn subscribe(&mut self, held: &mut Held<'_>, subscribe: Subscribe, out: &mut Vec<u8>) -> Turn {
        //= https://docs.aws.amazon.com/general/latest/gr/iot-core.html
        //# a SUBSCRIBE with more than eight filters ends the connection
        if subscribe.filters.len() > SUBSCRIPTIONS_PER_REQUEST {
            let why = format!(
                "{} filters in one SUBSCRIBE, {SUBSCRIPTIONS_PER_REQUEST} at most",
                subscribe.filters.len()
            );
            return self.misused(held, &why, ReasonCode::QuotaExceeded, out);
        }
        let asked = subscribe.filters.into_iter().map(answers::subscription).collect();
        let granted = match held.subscribe(asked) {
            Ok(granted) => granted,
            Err(refused) => return self.refused(held, refused, out),
        };
        let reason = |granted| match granted {
            Ok(QoS::AtMostOnce) => ReasonCode::Success,
            Ok(QoS::AtLeastOnce) => ReasonCode::GrantedQos1,
            Err(refused) => answers::code(refused),
        };
        let reasons = granted.into_iter().map(reason).collect();
        let packet_id = subscribe.packet_id;
        let answer = Answer::SubAck { packet_id, reasons, reason_string: None };
        answer.encode(self.wants.version, out);
        ControlFlow::Continue(())
    }

    /// Puts what waits for the client into `out`, up to a batch; the lock is taken once for it.
    pub(super) fn deliver(&mut self, out: &mut Vec<u8>) -> Outgoing {
        let mut deliveries = DELIVERIES.take();
        let more = self.iot_core.on(self.connection, |held| held.deliveries(&mut deliveries));
        let mut too_large = Vec::new();
        for delivery in deliveries.drain(..) {
            if let Err(maximum) = answers::delivery(&delivery, &self.wants, out) {
                too_large.push((delivery, maximum));
            }
        }
        DELIVERIES.set(deliveries);
        if !too_large.is_empty() {
            self.iot_core.on(self.connection, |held| {
                too_large.iter().for_each(|(delivery, maximum)| held.too_large(delivery, *maximum));
            });
        }
        if more == Some(true) { Outgoing::More } else { Outgoing::Nothing }
    }
}
