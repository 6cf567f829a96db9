//! The words for a message on its way: MQTT version, quality of service, MQTT 5 properties.
//!
//! Truth: <https://docs.oasis-open.org/mqtt/mqtt/v5.0/os/mqtt-v5.0-os.html>, chapters 3.1 and 3.3.

use std::fmt;

use bytes::Bytes;

use crate::names::TopicName;

/// The MQTT versions that AWS IoT speaks; CONNECT settles one for the whole connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum ProtocolVersion {
    /// MQTT 3.1.1, protocol level 4.
    Mqtt311,
    /// MQTT 5, protocol level 5.
    Mqtt5,
}

impl fmt::Display for ProtocolVersion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Mqtt311 => "3.1.1",
            Self::Mqtt5 => "5",
        })
    }
}

//= https://docs.aws.amazon.com/iot/latest/developerguide/mqtt.html
//# QoS 2 is not served, so there is no word for it once a packet is taken
/// How surely a message arrives.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum QoS {
    /// QoS 0.
    #[default]
    AtMostOnce,
    /// QoS 1.
    AtLeastOnce,
}

impl From<QoS> for u8 {
    fn from(qos: QoS) -> Self {
        match qos {
            QoS::AtMostOnce => 0,
            QoS::AtLeastOnce => 1,
        }
    }
}

//= https://docs.oasis-open.org/mqtt/mqtt/v5.0/os/mqtt-v5.0-os.html
//# MQTT-1.5.4-2 and 1.5.4.1: a text is without U+0000; non-characters may be refused
//? assumed: AWS IoT refuses non-characters and takes control characters
/// The first character of `text` that no text of MQTT may hold.
pub(crate) fn illegal_character(text: &str) -> Option<char> {
    text.chars().find(|character| {
        let code = u32::from(*character);
        code == 0 || matches!(code, 0xFDD0..=0xFDEF) || code & 0xFFFE == 0xFFFE
    })
}

/// The MQTT 5 properties that pass through unchanged; an MQTT 3.1.1 receiver never sees them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Properties {
    /// Whether the payload claims to be UTF-8; nobody has looked whether it is.
    pub payload_is_utf8: Option<bool>,
    /// A MIME type, or whatever else the two sides agreed on.
    pub(crate) content_type: Option<String>,
    /// Where an answer is expected; without wildcards.
    pub(crate) response_topic: Option<TopicName>,
    /// Any bytes.
    pub(crate) correlation_data: Option<Bytes>,
    /// In the order of the publisher, which is kept; names may repeat.
    pub(crate) user_properties: Vec<(String, String)>,
}

impl Properties {
    /// Themselves, unless there is nothing in them: most messages have none, and are moved a lot.
    pub(crate) fn boxed(self) -> Option<Box<Self>> {
        (!self.is_empty()).then(|| Box::new(self))
    }

    /// Whether there is nothing in them.
    fn is_empty(&self) -> bool {
        let Self {
            payload_is_utf8,
            content_type,
            response_topic,
            correlation_data,
            user_properties,
        } = self;
        payload_is_utf8.is_none()
            && content_type.is_none()
            && response_topic.is_none()
            && correlation_data.is_none()
            && user_properties.is_empty()
    }

    /// What they keep in memory, in bytes; a user property takes room however short it is.
    pub(crate) fn bytes(&self) -> usize {
        let text = |text: &Option<String>| text.as_ref().map_or(0, String::len);
        let topic = self.response_topic.as_ref().map_or(0, |topic| topic.as_str().len());
        let data = self.correlation_data.as_ref().map_or(0, Bytes::len);
        let pair = |(name, value): &(String, String)| {
            size_of::<(String, String)>() + name.len() + value.len()
        };
        let pairs: usize = self.user_properties.iter().map(pair).sum();
        text(&self.content_type) + topic + data + pairs
    }
}

/// A message as it was encoded once, with the places where its receivers differ. What the bytes
/// mean only the codec knows; a message keeps them for it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Frame {
    /// The whole packet, without flags, its packet ID 0.
    pub(crate) bytes: Bytes,
    pub(crate) places: Places,
}

/// Where in a packet the receivers of one message differ.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Places {
    /// Where the packet ID goes, two bytes; nowhere with QoS 0.
    pub(crate) packet_id: Option<usize>,
    /// Where the message expiry interval goes, four bytes, if the message has one.
    pub(crate) expiry: Option<usize>,
}
