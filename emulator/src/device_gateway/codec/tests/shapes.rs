//! Which property may stand where, told anew from MQTT 5's table 2-4, and packets that are a byte
//! too long or too short.

use super::*;

/// What a value of the property looks like.
const fn value(identifier: u8) -> Option<&'static [u8]> {
    Some(match identifier {
        // One byte.
        0x01 | 0x17 | 0x19 | 0x24 | 0x25 | 0x28 | 0x29 | 0x2A => &[1],
        // A variable byte integer.
        0x0B => &[1],
        // Two bytes, four bytes.
        0x13 | 0x21..=0x23 => &[0, 1],
        0x02 | 0x11 | 0x18 | 0x27 => &[0, 0, 2, 0],
        // A text or binary data.
        0x03 | 0x08 | 0x09 | 0x12 | 0x15 | 0x16 | 0x1A | 0x1C | 0x1F => &[0, 1, b'x'],
        0x26 => &[0, 1, b'k', 0, 1, b'v'],
        _ => return None,
    })
}

const MESSAGE: &[u8] = &[0x01, 0x02, 0x03, 0x08, 0x09, 0x26];

/// A packet of MQTT 5 around its properties: its first byte, what comes before them, what comes
/// after, and those of table 2-4 that a client may put there.
type Shape = (&'static str, u8, &'static [u8], &'static [u8], Vec<u8>);

fn shapes() -> Vec<Shape> {
    let connect = b"\x00\x04MQTT\x05\x02\x00\x3c";
    let with_will = b"\x00\x04MQTT\x05\x06\x00\x3c\x00\x00\x01a";
    let of_connect = vec![0x11, 0x15, 0x16, 0x17, 0x19, 0x21, 0x22, 0x26, 0x27];
    let of_acknowledgement = vec![0x1F, 0x26];
    vec![
        ("CONNECT", 0x10, connect, b"\x00\x01a", of_connect),
        ("a will", 0x10, with_will, b"\x00\x01w\x00\x01x", [MESSAGE, &[0x18]].concat()),
        ("PUBLISH", 0x30, b"\x00\x01a", b"x", [MESSAGE, &[0x0B, 0x23]].concat()),
        ("PUBACK", 0x40, b"\x00\x01\x00", b"", of_acknowledgement.clone()),
        ("PUBREC", 0x50, b"\x00\x01\x00", b"", of_acknowledgement.clone()),
        ("PUBREL", 0x62, b"\x00\x01\x00", b"", of_acknowledgement.clone()),
        ("PUBCOMP", 0x70, b"\x00\x01\x00", b"", of_acknowledgement),
        ("SUBSCRIBE", 0x82, b"\x00\x01", b"\x00\x01a\x00", vec![0x0B, 0x26]),
        ("UNSUBSCRIBE", 0xA2, b"\x00\x01", b"\x00\x01a", vec![0x26]),
        ("DISCONNECT", 0xE0, b"\x00", b"", vec![0x11, 0x1C, 0x1F, 0x26]),
        ("AUTH", 0xF0, b"\x18", b"", vec![0x15, 0x16, 0x1F, 0x26]),
    ]
}

/// How a packet ends: taken, or refused for a reason.
fn outcome(shape: &Shape, properties: &[u8]) -> Option<ReasonCode> {
    let (what, first, before, after, _) = shape;
    let length = u8::try_from(properties.len()).unwrap();
    let body = [before, &[length][..], properties, after].concat();
    let packet = [&[*first, u8::try_from(body.len()).unwrap()][..], &body].concat();
    let version = (*first != 0x10).then_some(ProtocolVersion::Mqtt5);
    let (packets, error, left) = decode_all(decoder(version), &packet, &[]);
    let error = error.map(|error| error.reason);
    assert_eq!(packets.len(), usize::from(error.is_none()), "{what}");
    assert!(error.is_some() || left == 0, "{what}: {left} bytes are left");
    error
}

#[test]
fn a_property_stands_once_and_only_where_table_2_4_lets_it() {
    for shape in &shapes() {
        let (what, first, .., allowed) = shape;
        for identifier in 0..=u8::MAX {
            let one = [&[identifier][..], value(identifier).unwrap_or(&[0])].concat();
            // Data needs a method, and so does every AUTH.
            let method: &[u8] = match (*first, identifier) {
                (0x10, 0x16) if allowed.contains(&0x16) => b"\x15\x00\x01m",
                (0xF0, identifier) if identifier != 0x15 => b"\x15\x00\x01m",
                _ => b"",
            };
            let expected = match (allowed.contains(&identifier), identifier) {
                (false, _) => Some(ReasonCode::MalformedPacket),
                (true, 0x0B) => Some(ReasonCode::SubscriptionIdentifiersNotSupported),
                (true, _) => None,
            };
            let name = format!("0x{identifier:02X} in {what}");
            assert_eq!(outcome(shape, &[method, &one].concat()), expected, "{name}");
            if expected.is_none() {
                let twice = (identifier != 0x26).then_some(ReasonCode::ProtocolError);
                let properties = [method, &one, &one].concat();
                assert_eq!(outcome(shape, &properties), twice, "{name}, twice");
                let cut = &one[..one.len() - 1];
                let early = Some(ReasonCode::MalformedPacket);
                assert_eq!(outcome(shape, &[method, cut].concat()), early, "{name}, cut short");
            }
        }
        // No identifier of table 2-4 has more than one byte.
        assert_eq!(outcome(shape, &[0x81, 0x01, 0]), Some(ReasonCode::MalformedPacket), "{what}");
    }
}

/// The packet with another body, its length told anew.
fn with_body(packet: &[u8], change: impl FnOnce(&mut Vec<u8>)) -> Vec<u8> {
    let length_bytes = 1 + packet[1..].iter().position(|byte| byte & 0x80 == 0).unwrap();
    let mut body = packet[1 + length_bytes..].to_vec();
    change(&mut body);
    let mut changed = vec![packet[0]];
    super::super::properties::variable(&mut changed, body.len());
    changed.extend(body);
    changed
}

#[test]
fn a_byte_too_many_is_refused_everywhere_but_in_a_payload() {
    for row in rows("accepted.txt").iter().filter(|row| row.bytes[0] >> 4 != 3) {
        let longer = with_body(&row.bytes, |body| body.push(b'x'));
        let (packets, error, _) = decode_all(decoder(row.version), &longer, &[]);
        assert!(packets.is_empty() && error.is_some(), "{}: {packets:?}", row.place);
    }
}

#[test]
fn a_packet_cut_short_anywhere_is_read_or_refused_and_never_waited_for() {
    for row in rows("accepted.txt") {
        let length = with_body(&row.bytes, |_| {}).len();
        for cut in 1..length {
            let shorter =
                with_body(&row.bytes, |body| body.truncate(body.len().saturating_sub(cut)));
            let (packets, error, left) = decode_all(decoder(row.version), &shorter, &[]);
            let read = packets.len() == 1 && left == 0;
            assert_eq!(error.is_none(), read, "{}, {cut} bytes less", row.place);
        }
    }
}
