//! A server's answers and messages → bytes, in either version.
//!
//! Decides how each is written, and says when a version has no words for one. What is answered,
//! and whether at all, is left to the gateway. A message is written once for all subscribers of
//! one version and QoS; what differs between them is patched in.
//! Truth: MQTT 5 and MQTT 3.1.1, chapter 3.

use super::packets::MessageProperties;
use super::properties::{cut, id, put_text, put_u8, put_u16, put_u32, text, variable};
use super::{PacketType, Qos, ReasonCode};
use crate::message::{Frame, Places, ProtocolVersion};
use crate::names::{ClientId, TopicName};

/// One packet of the server, a PUBLISH excepted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Answer {
    /// To CONNECT.
    ConnAck(Box<ConnAck>),
    /// To a QoS 1 PUBLISH. MQTT 3.1.1 has no PUBACK that refuses.
    PubAck { packet_id: u16, reason: ReasonCode, reason_string: Option<String> },
    /// To SUBSCRIBE: a reason for each filter, in their order.
    SubAck { packet_id: u16, reasons: Vec<ReasonCode>, reason_string: Option<String> },
    /// To UNSUBSCRIBE: a reason for each filter, in their order; MQTT 3.1.1 says none of them.
    UnsubAck { packet_id: u16, reasons: Vec<ReasonCode>, reason_string: Option<String> },
    /// To PINGREQ.
    PingResp,
    /// Before the server hangs up. MQTT 3.1.1 lets only clients say it.
    Disconnect { reason: ReasonCode, reason_string: Option<String> },
}

/// CONNACK; MQTT 3.1.1 says only the first two members. What is absent is not sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ConnAck {
    /// Not said with a refusal.
    pub(crate) session_present: bool,
    /// What becomes of the connection.
    pub(crate) reason: ReasonCode,
    /// Absent: what the client asked for.
    pub(crate) session_expiry_interval_seconds: Option<u32>,
    /// QoS 1 messages that the server takes unacknowledged.
    pub(crate) receive_maximum: Option<u16>,
    /// Absent, or QoS 2: the server serves all.
    pub(crate) maximum_qos: Option<Qos>,
    /// Whether messages may be retained.
    pub(crate) retain_available: Option<bool>,
    /// The largest packet that the server takes.
    pub(crate) maximum_packet_size: Option<u32>,
    /// What the server calls a client that gave no identifier.
    pub(crate) assigned_client_identifier: Option<ClientId>,
    /// Topic aliases that the server takes.
    pub(crate) topic_alias_maximum: Option<u16>,
    /// A refusal in words.
    pub(crate) reason_string: Option<String>,
    /// Whether `+` and `#` are served.
    pub(crate) wildcard_subscription_available: Option<bool>,
    /// Whether a SUBSCRIBE may carry a subscription identifier.
    pub(crate) subscription_identifiers_available: Option<bool>,
    /// Whether `$share/…` is served.
    pub(crate) shared_subscription_available: Option<bool>,
    /// Absent: what the client asked for.
    pub(crate) server_keep_alive_seconds: Option<u16>,
}

impl ConnAck {
    /// The bare answer.
    pub(crate) fn new(reason: ReasonCode) -> Self {
        Self {
            session_present: false,
            reason,
            session_expiry_interval_seconds: None,
            receive_maximum: None,
            maximum_qos: None,
            retain_available: None,
            maximum_packet_size: None,
            assigned_client_identifier: None,
            topic_alias_maximum: None,
            reason_string: None,
            wildcard_subscription_available: None,
            subscription_identifiers_available: None,
            shared_subscription_available: None,
            server_keep_alive_seconds: None,
        }
    }

    fn properties(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(64);
        if let Some(seconds) = self.session_expiry_interval_seconds {
            put_u32(&mut out, id::SESSION_EXPIRY_INTERVAL, seconds);
        }
        if let Some(maximum) = self.receive_maximum {
            put_u16(&mut out, id::RECEIVE_MAXIMUM, maximum);
        }
        //= https://docs.oasis-open.org/mqtt/mqtt/v5.0/os/mqtt-v5.0-os.html
        //# 3.2.2.3.4: Maximum QoS is 0 or 1; a server that serves QoS 2 does not send it
        if let Some(qos @ (Qos::AtMostOnce | Qos::AtLeastOnce)) = self.maximum_qos {
            put_u8(&mut out, id::MAXIMUM_QOS, qos as u8);
        }
        put_flag(&mut out, id::RETAIN_AVAILABLE, self.retain_available);
        if let Some(bytes) = self.maximum_packet_size {
            put_u32(&mut out, id::MAXIMUM_PACKET_SIZE, bytes);
        }
        if let Some(client_id) = &self.assigned_client_identifier {
            put_text(&mut out, id::ASSIGNED_CLIENT_IDENTIFIER, client_id.as_str());
        }
        if let Some(maximum) = self.topic_alias_maximum {
            put_u16(&mut out, id::TOPIC_ALIAS_MAXIMUM, maximum);
        }
        if let Some(reason) = &self.reason_string {
            put_text(&mut out, id::REASON_STRING, reason);
        }
        let wildcards = self.wildcard_subscription_available;
        put_flag(&mut out, id::WILDCARD_SUBSCRIPTION_AVAILABLE, wildcards);
        let identifiers = self.subscription_identifiers_available;
        put_flag(&mut out, id::SUBSCRIPTION_IDENTIFIER_AVAILABLE, identifiers);
        let shared = self.shared_subscription_available;
        put_flag(&mut out, id::SHARED_SUBSCRIPTION_AVAILABLE, shared);
        if let Some(seconds) = self.server_keep_alive_seconds {
            put_u16(&mut out, id::SERVER_KEEP_ALIVE, seconds);
        }
        out
    }

    fn encode(&self, version: ProtocolVersion, out: &mut Vec<u8>) -> bool {
        //= https://docs.oasis-open.org/mqtt/mqtt/v5.0/os/mqtt-v5.0-os.html
        //# MQTT-3.2.2-6: a refusal says that there is no session
        let session_present = self.session_present && self.reason == ReasonCode::Success;
        match version {
            ProtocolVersion::Mqtt311 => {
                let Some(return_code) = self.reason.return_code() else { return false };
                let head = [u8::from(session_present), return_code];
                packet(PacketType::ConnAck, &[&head], out);
            }
            ProtocolVersion::Mqtt5 => {
                let head = [u8::from(session_present), self.reason.value()];
                packet_with_properties(PacketType::ConnAck, &head, &self.properties(), &[], out);
            }
        }
        true
    }
}

impl Answer {
    /// Appends the packet to `out`. `false`: this version has no words for it, nothing is written.
    pub(crate) fn encode(&self, version: ProtocolVersion, out: &mut Vec<u8>) -> bool {
        match self {
            Self::ConnAck(connack) => return connack.encode(version, out),
            Self::PubAck { packet_id, reason, reason_string } => {
                return puback(version, *packet_id, *reason, reason_string.as_deref(), out);
            }
            Self::SubAck { packet_id, reasons, reason_string } => {
                let codes = reasons.iter().map(|code| match version {
                    ProtocolVersion::Mqtt311 => code.suback_return_code(),
                    ProtocolVersion::Mqtt5 => code.value(),
                });
                let (kind, words) = (PacketType::SubAck, reason_string.as_deref());
                acknowledge(version, kind, *packet_id, &codes.collect::<Vec<_>>(), words, out);
            }
            Self::UnsubAck { packet_id, reasons, reason_string } => {
                let said = if version == ProtocolVersion::Mqtt5 { reasons.len() } else { 0 };
                let codes: Vec<u8> = reasons[..said].iter().map(|code| code.value()).collect();
                let (kind, words) = (PacketType::UnsubAck, reason_string.as_deref());
                acknowledge(version, kind, *packet_id, &codes, words, out);
            }
            Self::PingResp => packet(PacketType::PingResp, &[], out),
            Self::Disconnect { reason, reason_string } => {
                if version == ProtocolVersion::Mqtt311 {
                    return false;
                }
                // rumqttc, for one, cannot do without the property length that MQTT lets us omit.
                let properties = reason_string_property(reason_string.as_deref());
                let reason = [reason.value()];
                packet_with_properties(PacketType::Disconnect, &reason, &properties, &[], out);
            }
        }
        true
    }
}

impl Answer {
    //= https://docs.oasis-open.org/mqtt/mqtt/v5.0/os/mqtt-v5.0-os.html
    //# MQTT-3.1.2-24, -25: no packet is larger than the client takes, one that would be is not sent
    //= https://docs.oasis-open.org/mqtt/mqtt/v5.0/os/mqtt-v5.0-os.html
    //# MQTT-3.2.2-19, 3.14.2-3: a reason string that makes it too large is left out
    /// The same for a client that takes at most `maximum` bytes in one packet.
    pub(crate) fn encode_within(
        &self,
        version: ProtocolVersion,
        maximum: Option<u32>,
        out: &mut Vec<u8>,
    ) -> bool {
        let start = out.len();
        for answer in [self, &self.without_reason_string()] {
            let most = maximum.map_or(usize::MAX, |most| most as usize);
            if answer.encode(version, out) && out.len() - start <= most {
                return true;
            }
            out.truncate(start);
        }
        false
    }

    fn without_reason_string(&self) -> Self {
        let mut bare = self.clone();
        match &mut bare {
            Self::ConnAck(connack) => connack.reason_string = None,
            Self::PubAck { reason_string, .. }
            | Self::SubAck { reason_string, .. }
            | Self::UnsubAck { reason_string, .. }
            | Self::Disconnect { reason_string, .. } => *reason_string = None,
            Self::PingResp => {}
        }
        bare
    }
}

/// Appends the PUBACK of a message that was taken, which is sent more often than any other answer
/// and is the same in both versions.
pub(crate) fn taken(packet_id: u16, out: &mut Vec<u8>) {
    let [high, low] = packet_id.to_be_bytes();
    out.extend_from_slice(&[PacketType::PubAck.first_byte(0), 2, high, low]);
}

fn puback(
    version: ProtocolVersion,
    packet_id: u16,
    reason: ReasonCode,
    reason_string: Option<&str>,
    out: &mut Vec<u8>,
) -> bool {
    match (version, reason, reason_string) {
        (ProtocolVersion::Mqtt311, reason, _) if reason.is_error() => return false,
        (ProtocolVersion::Mqtt311, ..) | (_, ReasonCode::Success, None) => taken(packet_id, out),
        (_, reason, reason_string) => {
            let [high, low] = packet_id.to_be_bytes();
            let properties = reason_string_property(reason_string);
            let head = [high, low, reason.value()];
            packet_with_properties(PacketType::PubAck, &head, &properties, &[], out);
        }
    }
    true
}

/// SUBACK or UNSUBACK.
fn acknowledge(
    version: ProtocolVersion,
    packet_type: PacketType,
    packet_id: u16,
    codes: &[u8],
    reason_string: Option<&str>,
    out: &mut Vec<u8>,
) {
    let head = packet_id.to_be_bytes();
    if version == ProtocolVersion::Mqtt311 {
        return packet(packet_type, &[&head, codes], out);
    }
    let properties = reason_string_property(reason_string);
    packet_with_properties(packet_type, &head, &properties, codes, out);
}

fn reason_string_property(reason: Option<&str>) -> Vec<u8> {
    let mut out = Vec::new();
    if let Some(reason) = reason {
        put_text(&mut out, id::REASON_STRING, reason);
    }
    out
}

fn put_flag(out: &mut Vec<u8>, identifier: u8, flag: Option<bool>) {
    if let Some(flag) = flag {
        put_u8(out, identifier, u8::from(flag));
    }
}

/// A packet of `parts`.
fn packet(packet_type: PacketType, parts: &[&[u8]], out: &mut Vec<u8>) {
    out.push(packet_type.first_byte(0));
    variable(out, parts.iter().map(|part| part.len()).sum());
    for part in parts {
        out.extend_from_slice(part);
    }
}

/// A packet of `head`, the properties with their length, and `tail`.
fn packet_with_properties(
    packet_type: PacketType,
    head: &[u8],
    properties: &[u8],
    tail: &[u8],
    out: &mut Vec<u8>,
) {
    let mut length = Vec::with_capacity(4);
    variable(&mut length, properties.len());
    packet(packet_type, &[head, &length, properties, tail], out);
}

/// What differs between the subscribers of one message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Delivery {
    /// Means nothing with QoS 0.
    pub(crate) packet_id: u16,
    /// Sent before.
    pub(crate) dup: bool,
    /// Sent because it was retained, or retained as published.
    pub(crate) retain: bool,
    /// What is left of the message expiry interval; absent: as the message was written.
    pub(crate) message_expiry_interval_seconds: Option<u32>,
}

/// What one version and QoS are told of a message; MQTT 3.1.1 is told no properties.
#[derive(Debug)]
pub(crate) struct Publish<'a> {
    pub(crate) version: ProtocolVersion,
    pub(crate) qos: Qos,
    pub(crate) topic: &'a TopicName,
    pub(crate) properties: MessageProperties,
    pub(crate) payload: &'a [u8],
}

impl Publish<'_> {
    /// Encodes the message once for all its subscribers of this version and QoS.
    pub(crate) fn frame(&self) -> Frame {
        let mut out = Vec::new();
        let places = self.put(&mut out);
        Frame { bytes: out.into(), places }
    }

    /// Appends the packet for the only subscriber to `out`.
    pub(crate) fn write(&self, delivery: Delivery, out: &mut Vec<u8>) {
        let start = out.len();
        let places = self.put(out);
        delivery.patch(&mut out[start..], places);
    }

    fn put(&self, out: &mut Vec<u8>) -> Places {
        let Self { version, qos, topic, properties, payload } = self;
        let (version, qos) = (*version, *qos);
        let (mut list, mut list_length, mut expiry) = (Vec::new(), Vec::new(), None);
        if version == ProtocolVersion::Mqtt5 {
            expiry = properties.write(&mut list);
            variable(&mut list_length, list.len());
        }
        let topic = cut(topic.as_str());
        let id_bytes = if qos == Qos::AtMostOnce { 0 } else { 2 };
        let length = 2 + topic.len() + id_bytes + list_length.len() + list.len() + payload.len();
        out.reserve(5 + length);
        let start = out.len();
        out.push(PacketType::Publish.first_byte((qos as u8) << 1));
        variable(out, length);
        text(out, topic);
        let packet_id = (qos != Qos::AtMostOnce).then_some(out.len() - start);
        out.extend_from_slice(&[0, 0][..id_bytes]);
        out.extend_from_slice(&list_length);
        let expiry = expiry.map(|at| out.len() - start + at);
        out.extend_from_slice(&list);
        out.extend_from_slice(payload);
        Places { packet_id, expiry }
    }
}

/// Appends the packet for one subscriber of many to `out`.
pub(crate) fn write(frame: &Frame, delivery: Delivery, out: &mut Vec<u8>) {
    let start = out.len();
    out.extend_from_slice(&frame.bytes);
    delivery.patch(&mut out[start..], frame.places);
}

impl Delivery {
    fn patch(self, packet: &mut [u8], places: Places) {
        packet[0] |= u8::from(self.dup) << 3 | u8::from(self.retain);
        if let Some(at) = places.packet_id {
            packet[at..at + 2].copy_from_slice(&self.packet_id.to_be_bytes());
        }
        if let (Some(at), Some(seconds)) = (places.expiry, self.message_expiry_interval_seconds) {
            packet[at..at + 4].copy_from_slice(&seconds.to_be_bytes());
        }
    }
}
