//! The frames of RFC 6455, as far as a server of binary messages needs them.
//!
//! Bytes in, events out. Payload is handed on as it comes, so that no frame is too large to be held
//! and none has to be held whole. What breaks the rules ends the connection, with a status.

use bytes::{Buf as _, BufMut as _, Bytes, BytesMut};

const FIN: u8 = 0x80;
const RESERVED: u8 = 0x70;
const OPCODE: u8 = 0x0F;
const MASK: u8 = 0x80;
const LENGTH: u8 = 0x7F;

const CONTINUATION: u8 = 0x0;
const TEXT: u8 = 0x1;
const BINARY: u8 = 0x2;
const CLOSE: u8 = 0x8;
const PING: u8 = 0x9;
const PONG: u8 = 0xA;

/// The most payload of a frame that controls.
const CONTROL_BYTES: u64 = 125;

//= https://www.rfc-editor.org/rfc/rfc6455
//# 1000 is a normal end, 1002 a broken rule, 1003 a kind of data that is not taken
//? assumed: AWS says these as the RFC has them
/// The status of a close frame; `None` is a frame without one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Status(Option<u16>);

impl Status {
    pub(super) const NORMAL: Self = Self(Some(1000));
    const PROTOCOL_ERROR: Self = Self(Some(1002));
    pub(super) const UNSUPPORTED_DATA: Self = Self(Some(1003));
}

/// What a client's frames say.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Event {
    /// Some bytes of a binary message, never none.
    Payload(Bytes),
    Ping(Bytes),
    Pong,
    /// The client closes; this answers it.
    Close(Status),
}

/// What RFC 6455 or MQTT forbids.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Violation {
    pub(super) status: Status,
    pub(super) why: &'static str,
}

/// Reads frames one after the other.
#[derive(Debug, Default)]
pub(super) struct Frames {
    /// The frame of a binary message whose payload is not all here yet.
    open: Option<Open>,
    /// Whether the binary message goes on in the next frame.
    unfinished: bool,
}

#[derive(Debug)]
struct Open {
    remaining: u64,
    mask: [u8; 4],
}

/// The head of a frame.
#[derive(Debug)]
struct Head {
    first: u8,
    length: u64,
    mask: [u8; 4],
    /// How long the head itself is.
    bytes: usize,
}

impl Frames {
    /// What comes next in `input`; `None` if more must come first.
    pub(super) fn next(&mut self, input: &mut BytesMut) -> Result<Option<Event>, Violation> {
        loop {
            if let Some(open) = &mut self.open {
                if open.remaining == 0 {
                    self.open = None;
                    continue;
                }
                if input.is_empty() {
                    return Ok(None);
                }
                return Ok(Some(Event::Payload(open.take(input))));
            }
            let Some(head) = Head::read(input)? else { return Ok(None) };
            if head.opcode() >= CLOSE {
                return head.control(input);
            }
            self.check_data(&head)?;
            input.advance(head.bytes);
            self.unfinished = head.first & FIN == 0;
            self.open = Some(Open { remaining: head.length, mask: head.mask });
        }
    }

    fn check_data(&self, head: &Head) -> Result<(), Violation> {
        match (head.opcode(), self.unfinished) {
            (BINARY, false) | (CONTINUATION, true) => Ok(()),
            //= https://docs.oasis-open.org/mqtt/mqtt/v5.0/os/mqtt-v5.0-os.html
            //# MQTT packets are sent in binary frames; any other data frame closes the connection
            (TEXT, _) => Err(Violation {
                status: Status::UNSUPPORTED_DATA,
                why: "a text frame: MQTT goes in binary frames",
            }),
            (CONTINUATION, false) => Err(protocol_error("a continuation of no message")),
            (BINARY, true) => Err(protocol_error("a message inside another")),
            _ => Err(protocol_error("a frame of an unknown kind")),
        }
    }
}

impl Open {
    /// What is there of the payload, without its mask.
    fn take(&mut self, input: &mut BytesMut) -> Bytes {
        let count = usize::try_from(self.remaining).unwrap_or(usize::MAX).min(input.len());
        let mut payload = input.split_to(count);
        unmask(&mut payload, self.mask);
        self.mask.rotate_left(count % 4);
        self.remaining -= u64::try_from(count).unwrap_or(self.remaining);
        payload.freeze()
    }
}

impl Head {
    /// The head at the front of `input`, which keeps it; `None` if it is not whole yet.
    fn read(input: &[u8]) -> Result<Option<Self>, Violation> {
        let [first, second, ..] = *input else { return Ok(None) };
        if first & RESERVED != 0 {
            return Err(protocol_error("a frame with an extension that was not agreed on"));
        }
        //= https://www.rfc-editor.org/rfc/rfc6455
        //# a client's frame is masked; a server closes the connection of one that is not
        if second & MASK == 0 {
            return Err(protocol_error("a frame without a mask"));
        }
        let short = second & LENGTH;
        let extra = match short {
            126 => 2,
            127 => 8,
            _ => 0,
        };
        let bytes = 2 + extra + 4;
        let Some(mut rest) = input.get(2..bytes) else { return Ok(None) };
        let length = if extra == 0 { u64::from(short) } else { rest.get_uint(extra) };
        if length > u64::MAX >> 1 {
            return Err(protocol_error("a frame of more than 2^63 bytes"));
        }
        let mut mask = [0; 4];
        rest.copy_to_slice(&mut mask);
        Ok(Some(Self { first, length, mask, bytes }))
    }

    const fn opcode(&self) -> u8 {
        self.first & OPCODE
    }

    /// Reads a frame that controls, which may come between the frames of a message.
    fn control(&self, input: &mut BytesMut) -> Result<Option<Event>, Violation> {
        if self.first & FIN == 0 || self.length > CONTROL_BYTES {
            return Err(protocol_error("a control frame in parts, or of more than 125 bytes"));
        }
        let length = usize::try_from(self.length).unwrap_or(usize::MAX);
        if input.len() < self.bytes + length {
            return Ok(None);
        }
        input.advance(self.bytes);
        let mut payload = input.split_to(length);
        unmask(&mut payload, self.mask);
        match self.opcode() {
            CLOSE => close_status(&payload).map(|status| Some(Event::Close(status))),
            PING => Ok(Some(Event::Ping(payload.freeze()))),
            PONG => Ok(Some(Event::Pong)),
            _ => Err(protocol_error("a frame of an unknown kind")),
        }
    }
}

//= https://www.rfc-editor.org/rfc/rfc6455
//# a close frame is empty, or holds a status that may be sent and a reason in UTF-8; the answer
//# repeats the status
fn close_status(payload: &[u8]) -> Result<Status, Violation> {
    let Some((status, reason)) = payload.split_first_chunk() else {
        let nothing = payload.is_empty();
        return nothing.then_some(Status(None)).ok_or(protocol_error("half a close status"));
    };
    let status = u16::from_be_bytes(*status);
    match status {
        1000..=1003 | 1007..=1014 | 3000..=4999 if std::str::from_utf8(reason).is_ok() => {
            Ok(Status(Some(status)))
        }
        _ => Err(protocol_error("a close frame whose status or reason is none")),
    }
}

const fn protocol_error(why: &'static str) -> Violation {
    Violation { status: Status::PROTOCOL_ERROR, why }
}

fn unmask(payload: &mut [u8], mask: [u8; 4]) {
    for (byte, mask) in payload.iter_mut().zip(mask.iter().cycle()) {
        *byte ^= mask;
    }
}

/// Writes a binary message of one frame.
pub(super) fn binary(payload: &[u8], out: &mut BytesMut) {
    frame(BINARY, payload, out);
}

/// Writes the answer to a ping.
pub(super) fn pong(payload: &[u8], out: &mut BytesMut) {
    frame(PONG, payload, out);
}

/// Writes a close frame.
pub(super) fn close(status: Status, out: &mut BytesMut) {
    let payload = status.0.map(u16::to_be_bytes);
    frame(CLOSE, payload.as_ref().map_or(&[], |status| status.as_slice()), out);
}

fn frame(opcode: u8, payload: &[u8], out: &mut BytesMut) {
    out.put_u8(FIN | opcode);
    match (u8::try_from(payload.len()), u16::try_from(payload.len())) {
        (Ok(length @ ..=125), _) => out.put_u8(length),
        (_, Ok(length)) => {
            out.put_u8(126);
            out.put_u16(length);
        }
        _ => {
            out.put_u8(127);
            out.put_u64(u64::try_from(payload.len()).unwrap_or(u64::MAX));
        }
    }
    out.put_slice(payload);
}
