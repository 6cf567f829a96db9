//! The properties of MQTT 5: which belong to which packet, how each is read and written.
//!
//! Decides what makes a list of properties illegal. What a legal one means is left to whoever
//! reads the packet. Truth: MQTT 5, 2.2.2 and the property sections of chapter 3.

use bytes::Bytes;

use super::packets::MessageProperties;
use super::reader::{Reader, quote, topic_name_fault};
use super::{CodecError, ReasonCode};
use crate::message::Properties;
use crate::names::TopicName;

macro_rules! identifiers {
    ($($constant:ident $value:literal $name:literal;)*) => {
        /// The identifiers of table 2-4 that this codec reads or writes.
        pub(super) mod id {
            $(pub(crate) const $constant: u8 = $value;)*
        }

        /// What MQTT 5 calls the property.
        fn name(identifier: u8) -> &'static str {
            match identifier {
                $($value => $name,)*
                _ => "unknown",
            }
        }
    };
}

identifiers! {
    PAYLOAD_FORMAT_INDICATOR          0x01 "Payload Format Indicator";
    MESSAGE_EXPIRY_INTERVAL           0x02 "Message Expiry Interval";
    CONTENT_TYPE                      0x03 "Content Type";
    RESPONSE_TOPIC                    0x08 "Response Topic";
    CORRELATION_DATA                  0x09 "Correlation Data";
    SUBSCRIPTION_IDENTIFIER           0x0B "Subscription Identifier";
    SESSION_EXPIRY_INTERVAL           0x11 "Session Expiry Interval";
    ASSIGNED_CLIENT_IDENTIFIER        0x12 "Assigned Client Identifier";
    SERVER_KEEP_ALIVE                 0x13 "Server Keep Alive";
    AUTHENTICATION_METHOD             0x15 "Authentication Method";
    AUTHENTICATION_DATA               0x16 "Authentication Data";
    REQUEST_PROBLEM_INFORMATION       0x17 "Request Problem Information";
    WILL_DELAY_INTERVAL               0x18 "Will Delay Interval";
    REQUEST_RESPONSE_INFORMATION      0x19 "Request Response Information";
    SERVER_REFERENCE                  0x1C "Server Reference";
    REASON_STRING                     0x1F "Reason String";
    RECEIVE_MAXIMUM                   0x21 "Receive Maximum";
    TOPIC_ALIAS_MAXIMUM               0x22 "Topic Alias Maximum";
    TOPIC_ALIAS                       0x23 "Topic Alias";
    MAXIMUM_QOS                       0x24 "Maximum QoS";
    RETAIN_AVAILABLE                  0x25 "Retain Available";
    USER_PROPERTY                     0x26 "User Property";
    MAXIMUM_PACKET_SIZE               0x27 "Maximum Packet Size";
    WILDCARD_SUBSCRIPTION_AVAILABLE   0x28 "Wildcard Subscription Available";
    SUBSCRIPTION_IDENTIFIER_AVAILABLE 0x29 "Subscription Identifier Available";
    SHARED_SUBSCRIPTION_AVAILABLE     0x2A "Shared Subscription Available";
}

/// The properties that may stand in one place, as bits of their identifiers.
#[derive(Clone, Copy, Debug)]
pub(super) struct Place(u64);

impl Place {
    const MESSAGE: &[u8] = &[
        id::PAYLOAD_FORMAT_INDICATOR,
        id::MESSAGE_EXPIRY_INTERVAL,
        id::CONTENT_TYPE,
        id::RESPONSE_TOPIC,
        id::CORRELATION_DATA,
        id::USER_PROPERTY,
    ];

    pub(super) const CONNECT: Self = Self::of(&[
        id::SESSION_EXPIRY_INTERVAL,
        id::RECEIVE_MAXIMUM,
        id::MAXIMUM_PACKET_SIZE,
        id::TOPIC_ALIAS_MAXIMUM,
        id::REQUEST_RESPONSE_INFORMATION,
        id::REQUEST_PROBLEM_INFORMATION,
        id::USER_PROPERTY,
        id::AUTHENTICATION_METHOD,
        id::AUTHENTICATION_DATA,
    ]);
    pub(super) const WILL: Self = Self::of(Self::MESSAGE).and(id::WILL_DELAY_INTERVAL);
    pub(super) const PUBLISH: Self =
        Self::of(Self::MESSAGE).and(id::TOPIC_ALIAS).and(id::SUBSCRIPTION_IDENTIFIER);
    pub(super) const ACKNOWLEDGEMENT: Self = Self::of(&[id::REASON_STRING, id::USER_PROPERTY]);
    pub(super) const SUBSCRIBE: Self = Self::of(&[id::SUBSCRIPTION_IDENTIFIER, id::USER_PROPERTY]);
    pub(super) const UNSUBSCRIBE: Self = Self::of(&[id::USER_PROPERTY]);
    pub(super) const DISCONNECT: Self = Self::of(&[
        id::SESSION_EXPIRY_INTERVAL,
        id::REASON_STRING,
        id::USER_PROPERTY,
        id::SERVER_REFERENCE,
    ]);
    pub(super) const AUTH: Self = Self::of(&[
        id::AUTHENTICATION_METHOD,
        id::AUTHENTICATION_DATA,
        id::REASON_STRING,
        id::USER_PROPERTY,
    ]);

    const fn of(identifiers: &[u8]) -> Self {
        let mut place = Self(0);
        let mut index = 0;
        while index < identifiers.len() {
            place = place.and(identifiers[index]);
            index += 1;
        }
        place
    }

    const fn and(self, identifier: u8) -> Self {
        Self(self.0 | 1 << identifier)
    }

    const fn holds(self, identifier: u8) -> bool {
        identifier < 64 && self.0 & 1 << identifier != 0
    }
}

/// One property of a client's packet, legal by itself.
#[derive(Clone, Copy, Debug)]
pub(super) enum Property<'a> {
    PayloadFormatIndicator(bool),
    MessageExpiryInterval(u32),
    ContentType(&'a str),
    ResponseTopic(&'a str),
    CorrelationData(&'a [u8]),
    SessionExpiryInterval(u32),
    AuthenticationMethod(&'a str),
    AuthenticationData(&'a [u8]),
    RequestProblemInformation(bool),
    WillDelayInterval(u32),
    RequestResponseInformation(bool),
    ServerReference,
    ReasonString(&'a str),
    ReceiveMaximum(u16),
    TopicAliasMaximum(u16),
    TopicAlias(u16),
    User(&'a str, &'a str),
    MaximumPacketSize(u32),
}

/// Reads the properties that stand in `place` and hands each to `each`.
//= https://docs.oasis-open.org/mqtt/mqtt/v5.0/os/mqtt-v5.0-os.html
//# 2.2.2.2: what does not belong to the packet makes it malformed; a property that may stand
//# once and stands twice is a protocol error
pub(super) fn read<'a>(
    body: &mut Reader<'a>,
    place: Place,
    mut each: impl FnMut(Property<'a>),
) -> Result<(), CodecError> {
    let length = body.variable()?;
    if length == 0 {
        return Ok(());
    }
    let mut list = Reader::new(body.take(length)?);
    let mut seen = Place(0);
    while !list.is_empty() {
        let identifier = list.u8()?;
        if !place.holds(identifier) {
            let name = name(identifier);
            let why = format!("property 0x{identifier:02X} ({name}) does not belong here");
            return Err(CodecError::malformed(why));
        }
        if seen.holds(identifier) && identifier != id::USER_PROPERTY {
            return Err(CodecError::protocol(format!("{} stands twice", name(identifier))));
        }
        seen = seen.and(identifier);
        each(value(&mut list, identifier)?);
    }
    Ok(())
}

fn value<'a>(list: &mut Reader<'a>, identifier: u8) -> Result<Property<'a>, CodecError> {
    Ok(match identifier {
        id::PAYLOAD_FORMAT_INDICATOR => Property::PayloadFormatIndicator(flag(list, identifier)?),
        id::MESSAGE_EXPIRY_INTERVAL => Property::MessageExpiryInterval(list.u32()?),
        id::CONTENT_TYPE => Property::ContentType(list.text()?),
        id::RESPONSE_TOPIC => Property::ResponseTopic(response_topic(list)?),
        id::CORRELATION_DATA => Property::CorrelationData(list.binary()?),
        id::SESSION_EXPIRY_INTERVAL => Property::SessionExpiryInterval(list.u32()?),
        id::AUTHENTICATION_METHOD => Property::AuthenticationMethod(list.text()?),
        id::AUTHENTICATION_DATA => Property::AuthenticationData(list.binary()?),
        id::REQUEST_PROBLEM_INFORMATION => {
            Property::RequestProblemInformation(flag(list, identifier)?)
        }
        id::WILL_DELAY_INTERVAL => Property::WillDelayInterval(list.u32()?),
        id::REQUEST_RESPONSE_INFORMATION => {
            Property::RequestResponseInformation(flag(list, identifier)?)
        }
        id::SERVER_REFERENCE => {
            list.text()?;
            Property::ServerReference
        }
        id::REASON_STRING => Property::ReasonString(list.text()?),
        //= https://docs.oasis-open.org/mqtt/mqtt/v5.0/os/mqtt-v5.0-os.html
        //# 3.1.2.11.3, 3.1.2.11.4: neither maximum may be 0
        id::RECEIVE_MAXIMUM => match list.u16()? {
            0 => return Err(CodecError::protocol("Receive Maximum is 0")),
            maximum => Property::ReceiveMaximum(maximum),
        },
        id::MAXIMUM_PACKET_SIZE => match list.u32()? {
            0 => return Err(CodecError::protocol("Maximum Packet Size is 0")),
            maximum => Property::MaximumPacketSize(maximum),
        },
        id::TOPIC_ALIAS_MAXIMUM => Property::TopicAliasMaximum(list.u16()?),
        //= https://docs.oasis-open.org/mqtt/mqtt/v5.0/os/mqtt-v5.0-os.html
        //# MQTT-3.3.2-8: a topic alias is not 0
        id::TOPIC_ALIAS => match list.u16()? {
            0 => {
                return Err(CodecError::new(ReasonCode::TopicAliasInvalid, "the topic alias is 0"));
            }
            alias => Property::TopicAlias(alias),
        },
        id::USER_PROPERTY => Property::User(list.text()?, list.text()?),
        //= https://docs.aws.amazon.com/iot/latest/developerguide/mqtt.html
        //# AWS IoT has no subscription identifiers and disconnects with 0xA1
        id::SUBSCRIPTION_IDENTIFIER => {
            let reason = ReasonCode::SubscriptionIdentifiersNotSupported;
            return Err(CodecError::new(
                reason,
                "a subscription identifier, which AWS IoT has not",
            ));
        }
        _ => return Err(CodecError::malformed(format!("property 0x{identifier:02X} is unknown"))),
    })
}

/// A byte that may only be 0 or 1.
fn flag(list: &mut Reader<'_>, identifier: u8) -> Result<bool, CodecError> {
    match list.u8()? {
        0 => Ok(false),
        1 => Ok(true),
        other => Err(CodecError::protocol(format!("{} is {other}, not 0 or 1", name(identifier)))),
    }
}

//= https://docs.oasis-open.org/mqtt/mqtt/v5.0/os/mqtt-v5.0-os.html
//# MQTT-3.3.2-14: a response topic holds no wildcard
fn response_topic<'a>(list: &mut Reader<'a>) -> Result<&'a str, CodecError> {
    let topic = list.text()?;
    match topic_name_fault(topic) {
        None => Ok(topic),
        Some(why) => {
            Err(CodecError::protocol(format!("the response topic {why}: {}", quote(topic))))
        }
    }
}

// === impl MessageProperties ===

impl MessageProperties {
    fn passing(&mut self) -> &mut Properties {
        self.passing.get_or_insert_default()
    }

    /// Takes a property that travels with a message; hands back any other.
    pub(super) fn take<'a>(&mut self, property: Property<'a>) -> Option<Property<'a>> {
        match property {
            Property::PayloadFormatIndicator(is_text) => {
                self.passing().payload_is_utf8 = Some(is_text)
            }
            Property::MessageExpiryInterval(seconds) => {
                self.message_expiry_interval_seconds = Some(seconds);
            }
            Property::ContentType(text) => self.passing().content_type = Some(text.to_owned()),
            Property::ResponseTopic(topic) => {
                self.passing().response_topic = Some(TopicName::new(topic));
            }
            Property::CorrelationData(data) => {
                self.passing().correlation_data = Some(Bytes::copy_from_slice(data));
            }
            Property::User(name, value) => {
                self.passing().user_properties.push((name.to_owned(), value.to_owned()));
            }
            other => return Some(other),
        }
        None
    }

    /// Writes them without their length; answers where the message expiry interval went.
    pub(super) fn write(&self, out: &mut Vec<u8>) -> Option<usize> {
        let none = Properties::default();
        let passing = self.passing.as_deref().unwrap_or(&none);
        if let Some(is_text) = passing.payload_is_utf8 {
            put_u8(out, id::PAYLOAD_FORMAT_INDICATOR, u8::from(is_text));
        }
        let expiry_at = self.message_expiry_interval_seconds.map(|seconds| {
            put_u32(out, id::MESSAGE_EXPIRY_INTERVAL, seconds);
            out.len() - 4
        });
        if let Some(content_type) = &passing.content_type {
            put_text(out, id::CONTENT_TYPE, content_type);
        }
        if let Some(topic) = &passing.response_topic {
            put_text(out, id::RESPONSE_TOPIC, topic.as_str());
        }
        if let Some(data) = &passing.correlation_data {
            out.push(id::CORRELATION_DATA);
            binary(out, data);
        }
        for (name, value) in &passing.user_properties {
            put_text(out, id::USER_PROPERTY, name);
            text(out, value);
        }
        expiry_at
    }
}

// === writing ===

pub(super) fn put_u8(out: &mut Vec<u8>, identifier: u8, value: u8) {
    out.extend_from_slice(&[identifier, value]);
}

pub(super) fn put_u16(out: &mut Vec<u8>, identifier: u8, value: u16) {
    out.push(identifier);
    out.extend_from_slice(&value.to_be_bytes());
}

pub(super) fn put_u32(out: &mut Vec<u8>, identifier: u8, value: u32) {
    out.push(identifier);
    out.extend_from_slice(&value.to_be_bytes());
}

pub(super) fn put_text(out: &mut Vec<u8>, identifier: u8, value: &str) {
    out.push(identifier);
    text(out, value);
}

/// A text with its length. What MQTT cannot say, being over 65,535 bytes, is cut: AWS IoT's
/// quotas refuse it long before, and a wrong length would spoil the whole connection.
pub(super) fn text(out: &mut Vec<u8>, value: &str) {
    binary(out, cut(value).as_bytes());
}

/// The most of a text that MQTT can say.
pub(super) fn cut(value: &str) -> &str {
    let mut end = value.len().min(usize::from(u16::MAX));
    while !value.is_char_boundary(end) {
        end -= 1;
    }
    &value[..end]
}

/// Binary data with its length, cut like a text.
pub(super) fn binary(out: &mut Vec<u8>, value: &[u8]) {
    let length = u16::try_from(value.len()).unwrap_or(u16::MAX);
    out.extend_from_slice(&length.to_be_bytes());
    out.extend_from_slice(&value[..usize::from(length)]);
}

/// A variable byte integer.
pub(super) fn variable(out: &mut Vec<u8>, mut value: usize) {
    while value >= 0x80 {
        out.push((value & 0x7F) as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}
