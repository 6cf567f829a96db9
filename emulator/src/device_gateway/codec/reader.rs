//! The smallest parts of a packet: numbers, texts, binary data, topic names and filters.
//!
//! Decides whether each is well formed. How long a topic may be and which of them exist is left
//! to the gateway. Truth: MQTT 5, 1.5 (data types), 4.7 (topics), 4.8.2 (shared subscriptions).

use bytes::Bytes;

use super::{CodecError, ReasonCode};
use crate::message::illegal_character;
use crate::names::{TopicFilter, TopicName};

/// The bytes of a packet that are not yet read.
#[derive(Clone, Copy, Debug)]
pub(super) struct Reader<'a> {
    bytes: &'a [u8],
}

impl<'a> Reader<'a> {
    pub(super) fn new(bytes: &'a [u8]) -> Self {
        Self { bytes }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.bytes.is_empty()
    }

    /// How many bytes are left.
    pub(super) fn left(&self) -> usize {
        self.bytes.len()
    }

    /// The next `length` bytes.
    pub(super) fn take(&mut self, length: usize) -> Result<&'a [u8], CodecError> {
        let (taken, rest) = self.bytes.split_at_checked(length).ok_or_else(ends_early)?;
        self.bytes = rest;
        Ok(taken)
    }

    fn array<const LENGTH: usize>(&mut self) -> Result<[u8; LENGTH], CodecError> {
        let (taken, rest) = self.bytes.split_first_chunk().ok_or_else(ends_early)?;
        self.bytes = rest;
        Ok(*taken)
    }

    pub(super) fn u8(&mut self) -> Result<u8, CodecError> {
        self.array().map(|[byte]| byte)
    }

    pub(super) fn u16(&mut self) -> Result<u16, CodecError> {
        self.array().map(u16::from_be_bytes)
    }

    pub(super) fn u32(&mut self) -> Result<u32, CodecError> {
        self.array().map(u32::from_be_bytes)
    }

    /// A variable byte integer, such as the length of the properties.
    pub(super) fn variable(&mut self) -> Result<usize, CodecError> {
        let (value, length) = variable(self.bytes)?.ok_or_else(ends_early)?;
        self.take(length)?;
        Ok(value)
    }

    /// Binary data: two bytes of length, then as many bytes.
    pub(super) fn binary(&mut self) -> Result<&'a [u8], CodecError> {
        let length = self.u16()?;
        self.take(usize::from(length))
    }

    /// Binary data of its own, for what is seldom sent and short.
    pub(super) fn binary_copy(&mut self) -> Result<Bytes, CodecError> {
        self.binary().map(Bytes::copy_from_slice)
    }

    /// A UTF-8 encoded string.
    pub(super) fn text(&mut self) -> Result<&'a str, CodecError> {
        text(self.binary()?)
    }

    /// The packet identifier of a packet that must have one.
    //= https://docs.oasis-open.org/mqtt/mqtt/v5.0/os/mqtt-v5.0-os.html
    //# MQTT-2.2.1-3, -4: a packet identifier is not zero
    pub(super) fn packet_id(&mut self) -> Result<u16, CodecError> {
        match self.u16()? {
            0 => Err(CodecError::protocol("the packet identifier is 0")),
            packet_id => Ok(packet_id),
        }
    }

    /// Nothing may be left.
    pub(super) fn finish(self) -> Result<(), CodecError> {
        if self.is_empty() {
            Ok(())
        } else {
            Err(CodecError::malformed("bytes follow its contents"))
        }
    }
}

fn ends_early() -> CodecError {
    CodecError::malformed("the packet ends before its contents do")
}

/// The variable byte integer that `bytes` begin with, and how many they are; `None`: too few.
//= https://docs.oasis-open.org/mqtt/mqtt/v5.0/os/mqtt-v5.0-os.html
//# MQTT-1.5.5-1: at most four bytes, and no more than the value needs
//? assumed: the second half holds for MQTT 3.1.1 too, which does not say it
pub(super) fn variable(bytes: &[u8]) -> Result<Option<(usize, usize)>, CodecError> {
    let mut value = 0;
    for (index, &byte) in bytes.iter().take(4).enumerate() {
        value |= usize::from(byte & 0x7F) << (7 * index);
        if byte & 0x80 == 0 {
            if byte == 0 && index > 0 {
                return Err(CodecError::malformed(
                    "a length is written with more bytes than it needs",
                ));
            }
            return Ok(Some((value, index + 1)));
        }
    }
    if bytes.len() < 4 {
        Ok(None)
    } else {
        Err(CodecError::malformed("a length has over four bytes"))
    }
}

/// `bytes` as a UTF-8 encoded string of MQTT.
//= https://docs.oasis-open.org/mqtt/mqtt/v5.0/os/mqtt-v5.0-os.html
//# MQTT-1.5.4-1: a text is well-formed UTF-8
pub(super) fn text(bytes: &[u8]) -> Result<&str, CodecError> {
    let text =
        std::str::from_utf8(bytes).map_err(|_| CodecError::malformed("a text is not UTF-8"))?;
    // Non-characters begin with 0xEF or a four-byte lead: most texts are not looked at twice.
    let suspect = bytes.iter().any(|&byte| byte == 0 || byte >= 0xEF);
    match suspect.then(|| illegal_character(text)).flatten() {
        None => Ok(text),
        Some('\0') => Err(CodecError::malformed("a text holds U+0000")),
        Some(other) => Err(CodecError::malformed(format!(
            "a text holds the non-character U+{:04X}",
            u32::from(other)
        ))),
    }
}

/// What makes `topic` no topic name, if anything.
//= https://docs.oasis-open.org/mqtt/mqtt/v5.0/os/mqtt-v5.0-os.html
//# MQTT-4.7.3-1, 4.7.0-1: a topic name has a character and no wildcard
pub(super) fn topic_name_fault(topic: &str) -> Option<&'static str> {
    if topic.is_empty() {
        Some("is empty")
    } else if topic.bytes().any(|byte| matches!(byte, b'+' | b'#')) {
        Some("holds a wildcard")
    } else {
        None
    }
}

/// A well-formed topic name.
//= https://docs.aws.amazon.com/iot/latest/developerguide/mqtt.html
//# a topic name that is not acceptable gets 0x90, Topic Name invalid
pub(super) fn topic_name(topic: &str) -> Result<TopicName, CodecError> {
    match topic_name_fault(topic) {
        None => Ok(TopicName::new(topic)),
        Some(why) => {
            let why = format!("the topic name {why}: {}", quote(topic));
            Err(CodecError::new(ReasonCode::TopicNameInvalid, why))
        }
    }
}

/// A well-formed topic filter.
//= https://docs.oasis-open.org/mqtt/mqtt/v5.0/os/mqtt-v5.0-os.html
//# MQTT-4.7.1-1, -2, 4.7.3-1: `#` is the whole last level, `+` a whole level, nothing is empty
//= https://docs.oasis-open.org/mqtt/mqtt/v5.0/os/mqtt-v5.0-os.html
//# MQTT-4.8.2-1, -2: a share name has a character, no wildcard, and a filter behind it
//? assumed: a filter that is not well formed gets Topic Filter invalid, the nearest code AWS lists
pub(super) fn topic_filter(text: &str) -> Result<TopicFilter, CodecError> {
    let filter = match text.strip_prefix("$share/") {
        None => text,
        Some(shared) => {
            let (name, filter) = shared
                .split_once('/')
                .ok_or_else(|| invalid_filter("no topic filter follows the share name", text))?;
            if name.is_empty() {
                return Err(invalid_filter("the share name is empty", text));
            }
            if name.contains(['+', '#']) {
                return Err(invalid_filter("the share name holds a wildcard", text));
            }
            filter
        }
    };
    if filter.is_empty() {
        return Err(invalid_filter("the topic filter is empty", text));
    }
    let mut levels = filter.split('/').peekable();
    while let Some(level) = levels.next() {
        if level.contains('#') && (level != "#" || levels.peek().is_some()) {
            return Err(invalid_filter("# is not the whole last level", text));
        }
        if level.contains('+') && level != "+" {
            return Err(invalid_filter("+ is not a whole level", text));
        }
    }
    Ok(TopicFilter::new(text))
}

fn invalid_filter(why: &'static str, filter: &str) -> CodecError {
    CodecError::new(ReasonCode::TopicFilterInvalid, format!("{why}: {}", quote(filter)))
}

/// A client's text for the trace, cut where it gets long.
pub(super) fn quote(text: &str) -> String {
    match text.char_indices().nth(256) {
        None => format!("{text:?}"),
        Some((end, _)) => format!("{:?}…", &text[..end]),
    }
}
