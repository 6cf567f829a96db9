//! The few MQTT 3.1.1 packets that the load consists of, made before the clock runs.
//!
//! Truth: <https://docs.oasis-open.org/mqtt/mqtt/v3.1.1/mqtt-v3.1.1.html>.

/// Of every message.
pub(crate) const PAYLOAD_BYTES: usize = 256;

pub(crate) const CONNACK: [u8; 4] = [0x20, 2, 0, 0];
pub(crate) const PINGREQ: [u8; 2] = [0xC0, 0];
pub(crate) const PINGRESP: [u8; 2] = [0xD0, 0];
pub(crate) const DISCONNECT: [u8; 2] = [0xE0, 0];

/// A clean session, without a will.
pub(crate) fn connect(client_id: &str) -> Vec<u8> {
    let mut body = vec![0, 4, b'M', b'Q', b'T', b'T', 4, 2];
    body.extend(1200_u16.to_be_bytes());
    put_text(&mut body, client_id);
    packet(0x10, &body)
}

pub(crate) fn subscribe(id: u16, filter: &str, qos: u8) -> Vec<u8> {
    let mut body = id.to_be_bytes().to_vec();
    put_text(&mut body, filter);
    body.push(qos);
    packet(0x82, &body)
}

pub(crate) fn suback(id: u16, qos: u8) -> [u8; 5] {
    let [high, low] = id.to_be_bytes();
    [0x90, 3, high, low, qos]
}

pub(crate) fn puback(id: u16) -> [u8; 4] {
    let [high, low] = id.to_be_bytes();
    [0x40, 2, high, low]
}

/// QoS 1 if it has an ID, else QoS 0.
pub(crate) fn publish(topic: &str, id: Option<u16>) -> Vec<u8> {
    let mut body = Vec::new();
    put_text(&mut body, topic);
    body.extend(id.into_iter().flat_map(u16::to_be_bytes));
    body.extend(std::iter::repeat_n(b'.', PAYLOAD_BYTES));
    packet(if id.is_some() { 0x32 } else { 0x30 }, &body)
}

fn put_text(body: &mut Vec<u8>, text: &str) {
    let length = u16::try_from(text.len()).expect("a short text");
    body.extend(length.to_be_bytes());
    body.extend(text.as_bytes());
}

fn packet(kind: u8, body: &[u8]) -> Vec<u8> {
    let mut packet = vec![kind];
    let mut length = body.len();
    while length >= 0x80 {
        packet.push(0x80 | u8::try_from(length & 0x7F).expect("seven bits"));
        length >>= 7;
    }
    packet.push(u8::try_from(length).expect("seven bits"));
    packet.extend(body);
    packet
}
