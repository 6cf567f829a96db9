//! Between the words of the core and the packets of the codec: requests one way, answers the other.
//!
//! It decides which reason code says a refusal, and nothing else.
//! Truth: <https://docs.aws.amazon.com/iot/latest/developerguide/mqtt.html>, and the CONNACK values
//! that awscrt's own tests assert:
//! <https://github.com/awslabs/aws-crt-python/blob/main/test/test_mqtt5.py>.

use super::codec::encode::{self, Answer, ConnAck};
use super::codec::packets::{Connect, MessageProperties, RetainHandling, Subscription, Will};
use super::codec::{Qos, ReasonCode};
use super::mqtt::Wants;
use crate::iot_core::{Accepted, ConnectRequest, PublishRequest, Refused};
use crate::message::{Properties, ProtocolVersion, QoS};
use crate::message_broker::{self, Delivery, DisconnectReason, SubscribeOptions};
use crate::names::TopicFilter;
use crate::quotas::{
    MAXIMUM_PACKET_SIZE_FLOOR, PACKET_BYTES, RECEIVE_MAXIMUM, TOPIC_ALIAS_MAXIMUM,
};

/// Whether more waits for a client.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Outgoing {
    /// The buffer is full enough to be written first.
    More,
    /// All of it is in the buffer.
    Nothing,
}

/// What a CONNECT asks of the core.
//= https://docs.aws.amazon.com/iot/latest/developerguide/protocols.html
//# user name and password mean nothing with a client certificate
pub(super) fn connect_request(connect: Connect) -> ConnectRequest {
    ConnectRequest {
        version: connect.version,
        client_id: connect.client_id,
        clean_start: connect.clean_start,
        keep_alive_seconds: connect.keep_alive_seconds,
        session_expiry_seconds: connect.properties.session_expiry_interval_seconds,
        receive_maximum: connect.properties.receive_maximum,
        maximum_packet_size: connect.properties.maximum_packet_size,
        authentication_method: connect.properties.authentication_method,
        will_delay_seconds: connect.will.as_ref().and_then(|will| will.delay_interval_seconds),
        will: connect.will.map(will_request),
    }
}

fn will_request(will: Will) -> PublishRequest {
    let (expiry_seconds, properties) = properties(will.properties);
    PublishRequest {
        topic: will.topic,
        payload: will.payload,
        qos: quality(will.qos),
        retain: will.retain,
        expiry_seconds,
        properties,
    }
}

/// QoS as the core knows it; `None` is QoS 2, which AWS does not serve.
pub(super) const fn quality(qos: Qos) -> Option<QoS> {
    match qos {
        Qos::AtMostOnce => Some(QoS::AtMostOnce),
        Qos::AtLeastOnce => Some(QoS::AtLeastOnce),
        Qos::ExactlyOnce => None,
    }
}

/// The expiry, and the properties that pass through.
pub(super) fn properties(of: MessageProperties) -> (Option<u32>, Option<Box<Properties>>) {
    let expiry = of.message_expiry_interval_seconds;
    (expiry, of.passing)
}

/// A filter with what was asked for.
pub(super) fn subscription(of: Subscription) -> (TopicFilter, Option<QoS>, SubscribeOptions) {
    let qos = quality(of.qos);
    let options = SubscribeOptions {
        qos: qos.unwrap_or_default(),
        no_local: of.no_local,
        retain_as_published: of.retain_as_published,
        retain_handling: match of.retain_handling {
            RetainHandling::Send => message_broker::RetainHandling::Send,
            RetainHandling::SendIfNew => message_broker::RetainHandling::SendIfNew,
            RetainHandling::DoNotSend => message_broker::RetainHandling::DoNotSend,
        },
    };
    (of.filter, qos, options)
}

//= https://github.com/awslabs/aws-crt-python/blob/main/test/test_mqtt5.py
//# the properties of AWS's CONNACK, to the number
/// The CONNACK of an accepted client.
pub(super) fn connack(accepted: &Accepted, wants: &Wants, anonymous: bool, out: &mut Vec<u8>) {
    let changed_expiry = wants.session_expiry_seconds.filter(|asked| *asked != 0);
    let connack = ConnAck {
        session_present: accepted.session_present,
        session_expiry_interval_seconds: changed_expiry.map(|_| accepted.session_expiry_seconds),
        receive_maximum: Some(RECEIVE_MAXIMUM),
        maximum_qos: Some(Qos::AtLeastOnce),
        retain_available: Some(true),
        maximum_packet_size: u32::try_from(PACKET_BYTES).ok(),
        assigned_client_identifier: anonymous.then(|| accepted.client_id.clone()),
        topic_alias_maximum: Some(TOPIC_ALIAS_MAXIMUM),
        wildcard_subscription_available: Some(true),
        subscription_identifiers_available: Some(false),
        shared_subscription_available: Some(true),
        //? assumed: the keep-alive is always said, since AWS's own tests see it unchanged too
        server_keep_alive_seconds: Some(accepted.keep_alive_seconds),
        ..ConnAck::new(ReasonCode::Success)
    };
    let answer = Answer::ConnAck(Box::new(connack));
    answer.encode_within(wants.version, wants.maximum_packet_size, out);
}

//= https://github.com/floci-io/floci/pull/3180
//# MQTT 3.1.1 gets no CONNACK for a refusal, MQTT 5 one with 0x87 and a reason string
/// The CONNACK of a refused client; MQTT 3.1.1 gets none.
pub(super) fn connect_refused(refused: Refused, wants: &Wants, trace_id: &str, out: &mut Vec<u8>) {
    if wants.version == ProtocolVersion::Mqtt5 {
        let reason_string = reason_string("CONNACK", refused, wants, trace_id);
        let connack = ConnAck { reason_string, ..ConnAck::new(code(refused)) };
        let answer = Answer::ConnAck(Box::new(connack));
        answer.encode_within(wants.version, wants.maximum_packet_size, out);
    }
}

/// A DISCONNECT for a refused packet.
pub(super) fn disconnect_refused(
    refused: Refused,
    trace_id: &str,
    wants: &Wants,
    out: &mut Vec<u8>,
) {
    disconnect(code(refused), reason_string("DISCONNECT", refused, wants, trace_id), wants, out);
}

/// A DISCONNECT; MQTT 3.1.1 has none that a server sends.
pub(super) fn disconnect(
    reason: ReasonCode,
    reason_string: Option<String>,
    wants: &Wants,
    out: &mut Vec<u8>,
) {
    let answer = Answer::Disconnect { reason, reason_string };
    answer.encode_within(wants.version, wants.maximum_packet_size, out);
}

//= https://docs.aws.amazon.com/iot/latest/developerguide/mqtt.html
//# the DISCONNECT reason codes that AWS sends
/// A DISCONNECT because the broker ended the connection.
pub(super) fn disconnect_for(reason: DisconnectReason, wants: &Wants, out: &mut Vec<u8>) {
    let code = match reason {
        DisconnectReason::DuplicateClientId => ReasonCode::SessionTakenOver,
        DisconnectReason::MqttKeepAliveTimeout => ReasonCode::KeepAliveTimeout,
        DisconnectReason::AuthError | DisconnectReason::ForbiddenAccess => {
            ReasonCode::NotAuthorized
        }
        //? assumed: 0x98 for DeleteConnection
        DisconnectReason::ApiInitiatedDisconnect => ReasonCode::AdministrativeAction,
        DisconnectReason::Throttled => ReasonCode::QuotaExceeded,
        DisconnectReason::ServerInitiatedDisconnect => ReasonCode::ServerShuttingDown,
        _ => ReasonCode::UnspecifiedError,
    };
    disconnect(code, None, wants, out);
}

//= https://github.com/aws-greengrass/aws-greengrass-nucleus/issues/1754
//# a reason string is PACKET:TEXT:TRACE
//= https://docs.oasis-open.org/mqtt/mqtt/v5.0/os/mqtt-v5.0-os.html
//# MQTT-3.2.2-19: none that makes the packet larger than the client takes
/// The reason string of a refusal, unless the client wants none or has no room for it.
fn reason_string(packet: &str, refused: Refused, wants: &Wants, trace_id: &str) -> Option<String> {
    let room = wants.maximum_packet_size.is_none_or(|size| size >= MAXIMUM_PACKET_SIZE_FLOOR);
    let said = wants.problem_information && room;
    said.then(|| format!("{packet}:{}:{trace_id}", refused.text()))
}

/// The lifecycle event's reason for a connection that a refusal ended.
pub(super) const fn end_of(refused: Refused) -> DisconnectReason {
    match refused {
        //= https://docs.aws.amazon.com/iot/latest/developerguide/life-cycle-events.html
        //# AUTH_ERROR: the client failed to authenticate or authorization failed
        Refused::NotAuthorized => DisconnectReason::AuthError,
        _ => DisconnectReason::ClientError,
    }
}

/// The reason code of a refusal.
pub(super) fn code(refused: Refused) -> ReasonCode {
    ReasonCode::from_value(refused.code()).unwrap_or(ReasonCode::UnspecifiedError)
}

/// Puts a message into `out`, unless it is larger than the client takes, which is answered.
pub(super) fn delivery(delivery: &Delivery, wants: &Wants, out: &mut Vec<u8>) -> Result<(), u32> {
    let message = &delivery.message;
    let qos = match delivery.qos {
        QoS::AtMostOnce => Qos::AtMostOnce,
        QoS::AtLeastOnce => Qos::AtLeastOnce,
    };
    let version = wants.version;
    let publish = || encode::Publish {
        version,
        qos,
        topic: &message.topic,
        properties: MessageProperties {
            message_expiry_interval_seconds: delivery.expiry_seconds,
            passing: message.properties.clone(),
        },
        payload: &message.payload,
    };
    let differing = encode::Delivery {
        packet_id: delivery.packet_id.unwrap_or_default(),
        dup: false,
        retain: delivery.retain,
        message_expiry_interval_seconds: delivery.expiry_seconds,
    };
    let before = out.len();
    match message.frame(version, delivery.qos, || publish().frame()) {
        Some(frame) => encode::write(frame, differing, out),
        None => publish().write(differing, out),
    }
    let too_large = |limit: &u32| usize::try_from(*limit).is_ok_and(|it| out.len() - before > it);
    if let Some(limit) = wants.maximum_packet_size.filter(too_large) {
        out.truncate(before);
        return Err(limit);
    }
    Ok(())
}
