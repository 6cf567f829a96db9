//! A client's bytes → packets, one at a time, whatever way they are cut into reads.
//!
//! Decides where a packet ends and whether it is legal, before its contents are buffered where
//! the first bytes tell. A message's payload stays a slice of the read buffer; its topic is
//! made once for as long as the client keeps publishing to it.
//! Truth: MQTT 5 and MQTT 3.1.1, chapters 2 and 3; the sections are named beside the rules.

use bytes::{Buf, Bytes, BytesMut};

use super::connect::{connect, protocol_version};
use super::packets::{
    Acknowledgement, Auth, Disconnect, MessageProperties, Packet, Publish, RetainHandling,
    Subscribe, Subscription, Unsubscribe,
};
use super::properties::{self, Place, Property};
use super::reader::{Reader, text, topic_filter, topic_name, variable};
use super::{CodecError, PacketType, Qos, ReasonCode};
use crate::message::ProtocolVersion;
use crate::names::TopicName;

//? assumed: AWS names no limit; so many reasons fit into the least packet that a client may ask for
/// Filters in one UNSUBSCRIBE.
const FILTERS_PER_UNSUBSCRIBE: usize = 500;

/// Reads the packets of one connection.
#[derive(Debug)]
pub(crate) struct Decoder {
    version: Option<ProtocolVersion>,
    pub(super) maximum_packet: usize,
    /// The topic of the last PUBLISH: most clients publish to it again.
    last_topic: Option<TopicName>,
}

/// What the first bytes of a packet say.
#[derive(Clone, Copy, Debug)]
struct FixedHeader {
    packet: PacketType,
    flags: u8,
    /// Where the contents begin and end.
    start: usize,
    end: usize,
}

impl Decoder {
    /// For a fresh connection; `maximum_packet` bounds variable header and payload of each packet.
    pub(crate) fn new(maximum_packet: usize) -> Self {
        Self { version: None, maximum_packet, last_topic: None }
    }

    /// For the middle of a connection.
    #[cfg(any(test, feature = "internals"))]
    pub(crate) fn of_version(version: ProtocolVersion, maximum_packet: usize) -> Self {
        Self { version: Some(version), ..Self::new(maximum_packet) }
    }

    /// Takes the next packet out of `buffer`; `None`: it is not all there yet.
    ///
    /// While it answers `None` the buffer holds at most `maximum_packet` bytes and a fixed header.
    pub(crate) fn decode(&mut self, buffer: &mut BytesMut) -> Result<Option<Packet>, CodecError> {
        let before_connect = self.version.is_none();
        // Told in place: a packet that is moved from result to result costs more than its reading.
        let mut result = self.next(buffer);
        if let Err(error) = &mut result {
            error.packet = buffer.first().and_then(|first| PacketType::from_bits(first >> 4));
            error.version = self.version;
            error.before_connect = before_connect;
        }
        result
    }

    #[inline]
    fn next(&mut self, buffer: &mut BytesMut) -> Result<Option<Packet>, CodecError> {
        let Some(header) = self.fixed_header(buffer)? else { return Ok(None) };
        if header.end > buffer.len() {
            return Ok(None);
        }
        match (header.packet, self.version) {
            (PacketType::Publish, Some(version)) => self.publish(version, header, buffer),
            _ => self.other(header, buffer),
        }
    }

    /// The fixed header, if it is all there. Refuses what can be refused without the contents.
    fn fixed_header(&self, buffer: &[u8]) -> Result<Option<FixedHeader>, CodecError> {
        let Some((&first, rest)) = buffer.split_first() else { return Ok(None) };
        let flags = first & 0x0F;
        let packet = PacketType::from_bits(first >> 4)
            .ok_or_else(|| CodecError::malformed("packet type 0 is reserved"))?;
        self.check_packet_type(packet)?;
        check_flags(packet, flags)?;
        let Some((length, length_bytes)) = variable(rest)? else { return Ok(None) };
        if length > self.maximum_packet {
            let why = format!("{length} bytes; at most {} are taken", self.maximum_packet);
            return Err(CodecError::new(ReasonCode::PacketTooLarge, why));
        }
        let start = 1 + length_bytes;
        Ok(Some(FixedHeader { packet, flags, start, end: start + length }))
    }

    /// Whether a client may send such a packet now.
    //= https://docs.oasis-open.org/mqtt/mqtt/v5.0/os/mqtt-v5.0-os.html
    //# MQTT-3.1.0-1, -2: CONNECT is the first packet, and comes once
    fn check_packet_type(&self, packet: PacketType) -> Result<(), CodecError> {
        use PacketType as P;
        match (packet, self.version) {
            (P::Connect, None) => Ok(()),
            (P::Connect, Some(_)) => Err(CodecError::protocol("a second CONNECT")),
            (_, None) => Err(CodecError::protocol("the first packet is not CONNECT")),
            (P::ConnAck | P::SubAck | P::UnsubAck | P::PingResp, _) => {
                Err(CodecError::protocol("only a server sends it"))
            }
            (P::Auth, Some(ProtocolVersion::Mqtt311)) => {
                Err(CodecError::malformed("packet type 15 is reserved in MQTT 3.1.1"))
            }
            _ => Ok(()),
        }
    }

    /// PUBLISH, all of which is there.
    #[inline]
    fn publish(
        &mut self,
        version: ProtocolVersion,
        header: FixedHeader,
        buffer: &mut BytesMut,
    ) -> Result<Option<Packet>, CodecError> {
        let flags = header.flags;
        let mut body = Reader::new(&buffer[header.start..header.end]);
        let qos = Qos::from_bits(flags >> 1 & 3).ok_or_else(|| CodecError::malformed("QoS 3"))?;
        let topic = body.binary()?;
        let topic = if topic.is_empty() { None } else { Some(self.topic(topic)?) };
        let packet_id = if qos == Qos::AtMostOnce { 0 } else { body.packet_id()? };
        let mut properties = MessageProperties::default();
        let mut topic_alias = None;
        if version == ProtocolVersion::Mqtt5 {
            properties::read(&mut body, Place::PUBLISH, |property| {
                if let Some(Property::TopicAlias(alias)) = properties.take(property) {
                    topic_alias = Some(alias);
                }
            })?;
        }
        //= https://docs.oasis-open.org/mqtt/mqtt/v5.0/os/mqtt-v5.0-os.html
        //# 3.3.2.1: a topic without a character needs an alias that stands for it
        if topic.is_none() && topic_alias.is_none() {
            return Err(CodecError::protocol("the topic name is empty"));
        }
        let payload = match body.left() {
            0 => {
                buffer.advance(header.end);
                Bytes::new()
            }
            bytes => {
                let mut packet = buffer.split_to(header.end).freeze();
                packet.advance(header.end - bytes);
                packet
            }
        };
        let (dup, retain) = (flags & 0x08 != 0, flags & 0x01 != 0);
        Ok(Some(Packet::Publish(Publish {
            dup,
            qos,
            retain,
            topic,
            topic_alias,
            packet_id,
            properties,
            payload,
        })))
    }

    /// Any other packet, all of which is there.
    fn other(
        &mut self,
        header: FixedHeader,
        buffer: &mut BytesMut,
    ) -> Result<Option<Packet>, CodecError> {
        let mut body = Reader::new(&buffer[header.start..header.end]);
        let version = match self.version {
            Some(version) => version,
            // Without a version it is a CONNECT: `check_packet_type` has let nothing else through.
            None => *self.version.insert(protocol_version(&mut body)?),
        };
        let acknowledged = |body: &mut _| acknowledgement(header.packet, version, body);
        let packet = match header.packet {
            PacketType::Connect => Packet::Connect(Box::new(connect(version, &mut body)?)),
            PacketType::PubAck => Packet::PubAck(acknowledged(&mut body)?),
            PacketType::PubRec => Packet::PubRec(acknowledged(&mut body)?),
            PacketType::PubRel => Packet::PubRel(acknowledged(&mut body)?),
            PacketType::PubComp => Packet::PubComp(acknowledged(&mut body)?),
            PacketType::Subscribe => Packet::Subscribe(subscribe(version, &mut body)?),
            PacketType::Unsubscribe => Packet::Unsubscribe(unsubscribe(version, &mut body)?),
            PacketType::PingReq => Packet::PingReq,
            PacketType::Disconnect => Packet::Disconnect(disconnect(version, &mut body)?),
            PacketType::Auth => Packet::Auth(auth(&mut body)?),
            _ => return Err(CodecError::protocol("only a server sends it")),
        };
        body.finish()?;
        buffer.advance(header.end);
        Ok(Some(packet))
    }

    /// The topic name that these bytes are.
    fn topic(&mut self, bytes: &[u8]) -> Result<TopicName, CodecError> {
        if let Some(last) = &self.last_topic
            && last.as_str().as_bytes() == bytes
        {
            return Ok(last.clone());
        }
        let topic = topic_name(text(bytes)?)?;
        self.last_topic = Some(topic.clone());
        Ok(topic)
    }
}

//= https://docs.oasis-open.org/mqtt/mqtt/v5.0/os/mqtt-v5.0-os.html
//# MQTT-2.1.3-1: a reserved flag has the value of table 2-2
fn check_flags(packet: PacketType, flags: u8) -> Result<(), CodecError> {
    let expected = match packet {
        PacketType::Publish => {
            //= https://docs.oasis-open.org/mqtt/mqtt/v5.0/os/mqtt-v5.0-os.html
            //# MQTT-3.3.1-2, -4: QoS 0 has no DUP, and there is no QoS 3
            return match (flags >> 1 & 3, flags & 0x08 != 0) {
                (3, _) => Err(CodecError::malformed("QoS 3")),
                (0, true) => Err(CodecError::malformed("DUP with QoS 0")),
                _ => Ok(()),
            };
        }
        PacketType::PubRel | PacketType::Subscribe | PacketType::Unsubscribe => 2,
        _ => 0,
    };
    if flags == expected {
        return Ok(());
    }
    Err(CodecError::malformed(format!("the reserved flags are {flags:04b}, not {expected:04b}")))
}

/// PUBACK, PUBREC, PUBREL or PUBCOMP.
//= https://docs.oasis-open.org/mqtt/mqtt/v5.0/os/mqtt-v5.0-os.html
//# 3.4.2.1, 3.4.2.2.1: success may be left out, and so may properties that there are none of
fn acknowledgement(
    packet: PacketType,
    version: ProtocolVersion,
    body: &mut Reader<'_>,
) -> Result<Acknowledgement, CodecError> {
    let packet_id = body.packet_id()?;
    if version == ProtocolVersion::Mqtt311 || body.is_empty() {
        return Ok(Acknowledgement { packet_id, reason: ReasonCode::Success });
    }
    let reason = reason_code(packet, body)?;
    if !body.is_empty() {
        properties::read(body, Place::ACKNOWLEDGEMENT, |_| {})?;
    }
    Ok(Acknowledgement { packet_id, reason })
}

//= https://docs.oasis-open.org/mqtt/mqtt/v5.0/os/mqtt-v5.0-os.html
//# MQTT-3.4.2-1, 3.14.2-1, 3.15.2-1: the reason code is one that a client may send in this packet
fn reason_code(packet: PacketType, body: &mut Reader<'_>) -> Result<ReasonCode, CodecError> {
    let value = body.u8()?;
    match ReasonCode::from_value(value).filter(|code| code.is_for_client(packet)) {
        Some(code) => Ok(code),
        None => {
            Err(CodecError::protocol(format!("a client sends no reason code 0x{value:02X} in it")))
        }
    }
}

fn subscribe(version: ProtocolVersion, body: &mut Reader<'_>) -> Result<Subscribe, CodecError> {
    let packet_id = body.packet_id()?;
    let user_properties = user_properties(version, Place::SUBSCRIBE, body)?;
    let mut filters = Vec::with_capacity(1);
    while !body.is_empty() {
        filters.push(subscription(version, body)?);
    }
    //= https://docs.oasis-open.org/mqtt/mqtt/v5.0/os/mqtt-v5.0-os.html
    //# MQTT-3.8.3-2, 3.10.3-2: a packet without a filter is a protocol error
    if filters.is_empty() {
        return Err(CodecError::protocol("no topic filter"));
    }
    Ok(Subscribe { packet_id, filters, user_properties })
}

//= https://docs.oasis-open.org/mqtt/mqtt/v5.0/os/mqtt-v5.0-os.html
//# 3.8.3.1, MQTT-3.8.3-4, -5: reserved bits make it malformed; QoS 3, retain handling 3 and No
//# Local on a shared subscription are protocol errors
fn subscription(
    version: ProtocolVersion,
    body: &mut Reader<'_>,
) -> Result<Subscription, CodecError> {
    let filter = topic_filter(body.text()?)?;
    let options = body.u8()?;
    let reserved = if version == ProtocolVersion::Mqtt5 { 0xC0 } else { 0xFC };
    if options & reserved != 0 {
        return Err(CodecError::malformed("a reserved bit of the subscription options is set"));
    }
    let qos = Qos::from_bits(options & 3).ok_or_else(|| match version {
        ProtocolVersion::Mqtt5 => CodecError::protocol("maximum QoS 3"),
        ProtocolVersion::Mqtt311 => CodecError::malformed("requested QoS 3"),
    })?;
    let no_local = options & 0x04 != 0;
    if no_local && filter.shared().is_some() {
        return Err(CodecError::protocol("No Local on a shared subscription"));
    }
    let retain_handling = match options >> 4 {
        0 => RetainHandling::Send,
        1 => RetainHandling::SendIfNew,
        2 => RetainHandling::DoNotSend,
        _ => return Err(CodecError::protocol("retain handling 3")),
    };
    let retain_as_published = options & 0x08 != 0;
    Ok(Subscription { filter, qos, no_local, retain_as_published, retain_handling })
}

fn unsubscribe(version: ProtocolVersion, body: &mut Reader<'_>) -> Result<Unsubscribe, CodecError> {
    let packet_id = body.packet_id()?;
    let user_properties = user_properties(version, Place::UNSUBSCRIBE, body)?;
    let mut filters = Vec::with_capacity(1);
    while !body.is_empty() {
        if filters.len() == FILTERS_PER_UNSUBSCRIBE {
            let why = format!("more than {FILTERS_PER_UNSUBSCRIBE} topic filters");
            return Err(CodecError::new(ReasonCode::QuotaExceeded, why));
        }
        filters.push(topic_filter(body.text()?)?);
    }
    if filters.is_empty() {
        return Err(CodecError::protocol("no topic filter"));
    }
    Ok(Unsubscribe { packet_id, filters, user_properties })
}

/// The user properties of a packet that has no others to keep.
fn user_properties(
    version: ProtocolVersion,
    place: Place,
    body: &mut Reader<'_>,
) -> Result<Vec<(String, String)>, CodecError> {
    let mut list = Vec::new();
    if version == ProtocolVersion::Mqtt5 {
        properties::read(body, place, |property| {
            if let Property::User(name, value) = property {
                list.push((name.to_owned(), value.to_owned()));
            }
        })?;
    }
    Ok(list)
}

fn disconnect(version: ProtocolVersion, body: &mut Reader<'_>) -> Result<Disconnect, CodecError> {
    let mut disconnect = Disconnect {
        reason: ReasonCode::Success,
        session_expiry_interval_seconds: None,
        reason_string: None,
        user_properties: Vec::new(),
    };
    if version == ProtocolVersion::Mqtt311 || body.is_empty() {
        return Ok(disconnect);
    }
    disconnect.reason = reason_code(PacketType::Disconnect, body)?;
    if !body.is_empty() {
        properties::read(body, Place::DISCONNECT, |property| match property {
            Property::SessionExpiryInterval(seconds) => {
                disconnect.session_expiry_interval_seconds = Some(seconds);
            }
            Property::ReasonString(text) => disconnect.reason_string = Some(text.to_owned()),
            Property::User(name, value) => {
                disconnect.user_properties.push((name.to_owned(), value.to_owned()));
            }
            _ => {}
        })?;
    }
    Ok(disconnect)
}

//= https://docs.oasis-open.org/mqtt/mqtt/v5.0/os/mqtt-v5.0-os.html
//# 3.15.2.1, 3.15.2.2.2: without a reason code it is a server's success; it always names the method
fn auth(body: &mut Reader<'_>) -> Result<Auth, CodecError> {
    if body.is_empty() {
        return Err(CodecError::protocol("a client sends no reason code 0x00 in it"));
    }
    let reason = reason_code(PacketType::Auth, body)?;
    let (mut method, mut authentication_data) = (None, None);
    properties::read(body, Place::AUTH, |property| match property {
        Property::AuthenticationMethod(name) => method = Some(name.to_owned()),
        Property::AuthenticationData(data) => {
            authentication_data = Some(Bytes::copy_from_slice(data));
        }
        _ => {}
    })?;
    let authentication_method =
        method.ok_or_else(|| CodecError::protocol("no authentication method"))?;
    Ok(Auth { reason, authentication_method, authentication_data })
}
