//! A message from its publish to its last subscriber, and the words for how it travels.
//!
//! It decides when a message has outlived its expiry. It does not know what a message looks like
//! on the wire: the shell keeps its encoded frames here, and only the shell reads them.
//! Truth: <https://docs.aws.amazon.com/iot/latest/developerguide/mqtt.html>.

use std::sync::{Arc, OnceLock};
use std::time::Duration;

use bytes::Bytes;

use crate::message::{Frame, Properties, ProtocolVersion, QoS};
use crate::names::{ClientId, TopicName};
use crate::policy::{Permit, Publish, RetainPublish};
use crate::quotas;
use crate::time::Timestamp;

/// What is published; the topic stands in the permit.
#[derive(Debug, Default)]
pub(crate) struct Publication {
    /// May be a part of something larger: a message that is kept copies it.
    pub(crate) payload: Bytes,
    pub(crate) qos: QoS,
    /// The permission to keep the message for later subscribers, if that was asked for.
    pub(crate) retain: Option<Permit<RetainPublish>>,
    /// The Message Expiry Interval as the publisher wrote it.
    pub(crate) expiry_seconds: Option<u32>,
    pub(crate) properties: Option<Box<Properties>>,
    /// The MQTT client that publishes; none for HTTPS, AWS itself and the AWS API.
    pub(crate) publisher: Option<ClientId>,
}

/// What the broker publishes for a client that went away without saying so.
#[derive(Debug)]
pub(crate) struct Will {
    pub(crate) permit: Permit<Publish>,
    pub(crate) publication: Publication,
}

/// A published message; all its receivers share one.
#[derive(Debug)]
pub(crate) struct Message {
    pub(crate) topic: TopicName,
    pub(crate) payload: Bytes,
    pub(crate) qos: QoS,
    /// Whether its publisher asked for it to be kept.
    pub(crate) retain: bool,
    pub(crate) properties: Option<Box<Properties>>,
    pub(crate) published: Timestamp,
    pub(crate) expires: Option<Timestamp>,
    pub(crate) publisher: Option<ClientId>,
    bytes: usize,
    /// For many receivers.
    frames: Option<Box<[OnceLock<Frame>; 4]>>,
}

impl Message {
    pub(super) fn new(topic: TopicName, publication: Publication, now: Timestamp) -> Self {
        let Publication { payload, qos, retain, expiry_seconds, properties, publisher } =
            publication;
        //= https://docs.aws.amazon.com/general/latest/gr/iot-core.html
        //# an expiry interval of 0 counts as 1, one above seven days as seven days
        let seconds = expiry_seconds.map(|seconds| {
            let range = quotas::MESSAGE_EXPIRY_SECONDS;
            u64::from(seconds.clamp(*range.start(), *range.end()))
        });
        let of_properties = properties.as_deref().map_or(0, Properties::bytes);
        Self {
            bytes: payload.len() + topic.as_str().len() + of_properties,
            topic,
            // Copied, so that a kept message does not keep a connection's whole read buffer.
            payload: Bytes::copy_from_slice(&payload),
            qos,
            retain: retain.is_some(),
            properties,
            published: now,
            expires: seconds.map(|seconds| now + Duration::from_secs(seconds)),
            publisher,
            frames: None,
        }
    }

    /// The same for many receivers: it is encoded once for all of them.
    pub(super) fn for_many(self) -> Self {
        Self { frames: Some(Box::default()), ..self }
    }

    /// Its payload, topic and properties, in bytes of memory.
    pub(super) const fn bytes(&self) -> usize {
        self.bytes
    }

    /// Whether nobody should receive it any more.
    pub(crate) fn is_expired(&self, now: Timestamp) -> bool {
        self.expires.is_some_and(|expires| expires <= now)
    }

    //= https://docs.aws.amazon.com/iot/latest/developerguide/mqtt.html
    //# a receiver gets the seconds that are left, which may be 0 in the last second
    /// The Message Expiry Interval that a receiver is told now.
    pub(crate) fn remaining_expiry_seconds(&self, now: Timestamp) -> Option<u32> {
        let left = self.expires?.since(now).as_secs();
        Some(u32::try_from(left).unwrap_or(u32::MAX))
    }

    /// The frame that the shell encoded for `version` and `qos`, encoded now if it is the first;
    /// `None` for a message that goes to one receiver.
    ///
    /// What differs between receivers (packet ID, RETAIN, the expiry of [`Message::expires`]) is
    /// the shell's to patch.
    pub(crate) fn frame(
        &self,
        version: ProtocolVersion,
        qos: QoS,
        encode: impl FnOnce() -> Frame,
    ) -> Option<&Frame> {
        let [three_0, three_1, five_0, five_1] = self.frames.as_deref()?;
        let frame = match (version, qos) {
            (ProtocolVersion::Mqtt311, QoS::AtMostOnce) => three_0,
            (ProtocolVersion::Mqtt311, QoS::AtLeastOnce) => three_1,
            (ProtocolVersion::Mqtt5, QoS::AtMostOnce) => five_0,
            (ProtocolVersion::Mqtt5, QoS::AtLeastOnce) => five_1,
        };
        Some(frame.get_or_init(encode))
    }
}

/// A message as it goes out to one client.
#[derive(Debug)]
pub(crate) struct Delivery {
    pub(crate) message: Arc<Message>,
    /// The lower of what was published and what was subscribed to.
    pub(crate) qos: QoS,
    /// Present for QoS 1. A message that is sent again keeps its packet ID, without DUP.
    pub(crate) packet_id: Option<u16>,
    pub(crate) retain: bool,
    /// What is left of the Message Expiry Interval.
    pub(crate) expiry_seconds: Option<u32>,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::message::Places;

    fn message(expiry_seconds: Option<u32>) -> Message {
        let publication = Publication { expiry_seconds, ..Publication::default() };
        Message::new(TopicName::new("a"), publication, Timestamp::from_seconds(1000))
    }

    #[test]
    fn c45_the_expiry_interval_is_clamped_and_counts_down() {
        // Interval, milliseconds later, what a receiver is told; none: it has expired.
        let table = [
            (Some(60), 0, Some(60)),
            (Some(60), 1, Some(59)),
            (Some(60), 59_500, Some(0)),
            (Some(60), 60_000, None),
            (Some(0), 0, Some(1)),
            (Some(0), 999, Some(0)),
            (Some(0), 1000, None),
            (Some(u32::MAX), 0, Some(604_800)),
        ];
        for (interval, later, expected) in table {
            let message = message(interval);
            let now = Timestamp::from_seconds(1000) + Duration::from_millis(later);
            let told = message.remaining_expiry_seconds(now).filter(|_| !message.is_expired(now));
            assert_eq!(told, expected, "{interval:?} after {later} ms");
        }
        assert_eq!(
            message(None).remaining_expiry_seconds(Timestamp::from_seconds(9e9 as i64)),
            None
        );
    }

    #[test]
    fn a_frame_is_encoded_once_per_version_and_qos() {
        let message = message(None).for_many();
        let mut encoded = 0;
        for _receiver in 0..3 {
            for version in [ProtocolVersion::Mqtt311, ProtocolVersion::Mqtt5] {
                for qos in [QoS::AtMostOnce, QoS::AtLeastOnce] {
                    let wanted = format!("{version:?} {qos:?}");
                    let frame = message.frame(version, qos, || {
                        encoded += 1;
                        let bytes = Bytes::from(wanted.clone());
                        Frame { bytes, places: Places::default() }
                    });
                    assert_eq!(frame.unwrap().bytes, wanted.as_bytes());
                }
            }
        }
        assert_eq!(encoded, 4);
    }
}
