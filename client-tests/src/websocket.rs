//! [`WebSocket`]: MQTT over WebSocket, byte by byte, for what no well-behaved client sends.

use iot_emulator::Emulator;

use crate::device::Device;
use crate::wire::{Ending, Wire};

/// What the client's frames are masked with.
const MASK: [u8; 4] = [0x12, 0x34, 0x56, 0x78];

/// The head of an HTTP answer, and its body.
#[derive(Clone, Debug)]
pub struct Answer {
    /// The status line and the headers, in lower case.
    pub head: String,
    /// The body, as far as Content-Length announces one.
    pub body: String,
}

/// A WebSocket after its upgrade.
#[derive(Debug)]
pub struct WebSocket {
    wire: Wire,
    /// What the server's binary frames held and no packet has taken.
    bytes: Vec<u8>,
    /// The frames between them that are none: opcode and payload.
    pub others: Vec<(u8, Vec<u8>)>,
}

/// A frame as a client sends it: `first` is FIN and the opcode.
pub fn frame(first: u8, payload: &[u8]) -> Vec<u8> {
    let mut frame = vec![first];
    match u8::try_from(payload.len()) {
        Ok(length @ ..=125) => frame.push(0x80 | length),
        _ => {
            frame.push(0x80 | 127);
            frame.extend(u64::try_from(payload.len()).expect("a length").to_be_bytes());
        }
    }
    frame.extend(MASK);
    frame.extend(payload.iter().zip(MASK.iter().cycle()).map(|(byte, mask)| byte ^ mask));
    frame
}

/// A query that has the form of a presigned one, with a session token after the signature.
pub fn presigned(access_key_id: &str, session_token: Option<&str>) -> String {
    let token = session_token.map(|token| {
        let token = token.replace(':', "%3A");
        format!("&X-Amz-Security-Token={token}")
    });
    format!(
        "X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Credential={access_key_id}%2F20261121%2Fus-east-1\
         %2Fiotdevicegateway%2Faws4_request&X-Amz-Date=20261121T101112Z&X-Amz-SignedHeaders=host&\
         X-Amz-Signature={}{}",
        "0b".repeat(32),
        token.unwrap_or_default()
    )
}

/// The request that asks for MQTT over WebSocket at `/mqtt?query`.
pub fn upgrade(query: &str) -> String {
    format!(
        "GET /mqtt?{query} HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: \
         Upgrade\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\
         Sec-WebSocket-Protocol: mqtt\r\n\r\n"
    )
}

/// Reads one HTTP answer.
///
/// # Panics
///
/// If none comes.
pub async fn answer(wire: &mut Wire) -> Answer {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.extend(wire.read(1).await);
    }
    let head = String::from_utf8(head).expect("a head is text").to_ascii_lowercase();
    let length = head.lines().find_map(|line| line.strip_prefix("content-length: "));
    let length = length.map_or(0, |length| length.parse().expect("a length"));
    let body = String::from_utf8(wire.read(length).await).expect("a body of text");
    Answer { head, body }
}

impl WebSocket {
    /// Opens one with a presigned query, as whoever the session token names.
    ///
    /// # Panics
    ///
    /// If the server does not switch.
    pub async fn open(emulator: &Emulator, session_token: Option<&str>) -> Self {
        let query = presigned("AKIDEXAMPLE", session_token);
        let device = Device::without_certificate(&emulator.iot_core());
        let wire = device.open_at(emulator.addresses().tls, &["http/1.1"]).await;
        Self::switch(wire.expect("a handshake"), &upgrade(&query)).await
    }

    /// Switches a connection with `request`.
    ///
    /// # Panics
    ///
    /// If the server does not switch.
    pub async fn switch(mut wire: Wire, request: &str) -> Self {
        wire.send(request.as_bytes()).await;
        let Answer { head, .. } = answer(&mut wire).await;
        assert!(head.starts_with("http/1.1 101"), "{head}");
        assert!(head.contains("sec-websocket-protocol: mqtt\r\n"), "{head}");
        assert!(head.contains("sec-websocket-accept: s3pplmbitxaq9kygzzhzrbk+xoo=\r\n"), "{head}");
        Self { wire, bytes: Vec::new(), others: Vec::new() }
    }

    /// Opens one and connects with MQTT 3.1.1 and a clean session; answers what came back.
    ///
    /// # Panics
    ///
    /// If the server does not switch.
    pub async fn connect(
        emulator: &Emulator,
        session_token: Option<&str>,
        client_id: &str,
        will: Option<&str>,
    ) -> Self {
        let mut socket = Self::open(emulator, session_token).await;
        socket.send(&frame(0x82, &connect(client_id, will))).await;
        socket
    }

    /// Sends bytes as they are.
    pub async fn send(&mut self, bytes: &[u8]) {
        self.wire.send(bytes).await;
    }

    /// The next MQTT packet.
    ///
    /// # Panics
    ///
    /// If none comes; if its length takes more than a byte.
    pub async fn packet(&mut self) -> Vec<u8> {
        loop {
            if let [_, length, ..] = *self.bytes
                && self.bytes.len() >= 2 + usize::from(length)
            {
                assert!(length < 0x80, "a short packet");
                return self.bytes.drain(..2 + usize::from(length)).collect();
            }
            let (opcode, payload) = self.frame().await;
            match opcode {
                2 => self.bytes.extend(payload),
                _ => self.others.push((opcode, payload)),
            }
        }
    }

    /// The next frame of the server: its opcode and payload.
    ///
    /// # Panics
    ///
    /// If none comes, or one is masked or in parts.
    pub async fn frame(&mut self) -> (u8, Vec<u8>) {
        let head = self.wire.read(2).await;
        assert_eq!(head[0] & 0xF0, 0x80, "a whole frame");
        let length = match head[1] {
            126 => u64::from(u16::from_be_bytes(self.array().await)),
            127 => u64::from_be_bytes(self.array().await),
            length => u64::from(length),
        };
        assert!(length < 1 << 20, "not masked, and of a size");
        let length = usize::try_from(length).expect("it is small");
        (head[0] & 0x0F, self.wire.read(length).await)
    }

    async fn array<const N: usize>(&mut self) -> [u8; N] {
        self.wire.read(N).await.try_into().expect("as many bytes as were asked for")
    }

    /// Reads until the server ends the connection: the status of its close frame.
    ///
    /// # Panics
    ///
    /// If it does not end, or not with a close frame.
    pub async fn closed(self) -> u16 {
        let (rest, ending) = self.wire.rest().await;
        assert_eq!(ending, Ending::CloseNotify);
        let [.., 0x88, 2, high, low] = *rest else { panic!("no close frame: {rest:02X?}") };
        u16::from_be_bytes([high, low])
    }

    /// Cuts the connection without a word.
    pub fn cut(self) {
        drop(self.wire);
    }
}

/// A CONNECT of MQTT 3.1.1 with a clean session; the will is empty, on a topic.
pub fn connect(client_id: &str, will: Option<&str>) -> Vec<u8> {
    let mut rest = b"\x00\x04MQTT\x04".to_vec();
    rest.extend([if will.is_some() { 0x06 } else { 0x02 }, 0, 60]);
    rest.extend(text(client_id));
    if let Some(topic) = will {
        rest.extend(text(topic));
        rest.extend(text(""));
    }
    packet(0x10, &rest)
}

/// A PUBLISH with QoS 1 and packet ID 1, without payload.
pub fn publish(topic: &str) -> Vec<u8> {
    let mut rest = text(topic);
    rest.extend([0, 1]);
    packet(0x32, &rest)
}

fn text(text: &str) -> Vec<u8> {
    let mut bytes = u16::try_from(text.len()).expect("a short text").to_be_bytes().to_vec();
    bytes.extend(text.as_bytes());
    bytes
}

fn packet(first: u8, rest: &[u8]) -> Vec<u8> {
    let length = u8::try_from(rest.len()).expect("a short packet");
    [&[first, length], rest].concat()
}
