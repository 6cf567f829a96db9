//! The other end of the wire: reads what a server sends, and writes what a client sends.
//!
//! Written apart from the codec, from the MQTT text, so that a mistake would have to be made twice.

use bytes::{Bytes, BytesMut};

pub(crate) use super::super::client::encode;
use super::super::encode::{Answer, ConnAck};
use super::super::packets::{Packet, Publish};
use super::super::{Qos, ReasonCode};
use super::decoder;
use crate::message::ProtocolVersion;
use crate::names::ClientId;

/// A PUBLISH of the server, which is written like one of a client.
pub(crate) fn read_publish(version: ProtocolVersion, bytes: &[u8]) -> Publish {
    match decoder(Some(version)).decode(&mut BytesMut::from(bytes)) {
        Ok(Some(Packet::Publish(publish))) => publish,
        other => panic!("{other:?}"),
    }
}

/// Any other packet of the server. Panics when it is none.
pub(crate) fn read_answer(version: ProtocolVersion, bytes: &[u8]) -> Answer {
    let mut bytes = Bytes::copy_from_slice(bytes);
    let first = take_u8(&mut bytes);
    assert_eq!(first & 0x0F, 0, "the flags of a server's packet");
    let mut body = take_list(&mut bytes);
    assert!(bytes.is_empty(), "bytes behind the packet");
    let v5 = version == ProtocolVersion::Mqtt5;
    let answer = match first >> 4 {
        2 => Answer::ConnAck(Box::new(connack(v5, &mut body))),
        4 => {
            let packet_id = take_u16(&mut body);
            let reason = if body.is_empty() { ReasonCode::Success } else { take_reason(&mut body) };
            let reason_string = take_reason_string(&mut body);
            Answer::PubAck { packet_id, reason, reason_string }
        }
        kind @ (9 | 11) => {
            let packet_id = take_u16(&mut body);
            let reason_string = if v5 { take_reason_string(&mut body) } else { None };
            let mut reasons = Vec::new();
            while !body.is_empty() {
                reasons.push(take_reason(&mut body));
            }
            if kind == 9 {
                Answer::SubAck { packet_id, reasons, reason_string }
            } else {
                Answer::UnsubAck { packet_id, reasons, reason_string }
            }
        }
        13 => Answer::PingResp,
        14 => {
            assert!(v5, "MQTT 3.1.1 has no DISCONNECT of a server");
            let reason = if body.is_empty() { ReasonCode::Success } else { take_reason(&mut body) };
            Answer::Disconnect { reason, reason_string: take_reason_string(&mut body) }
        }
        other => panic!("packet type {other}"),
    };
    assert!(body.is_empty(), "bytes behind the contents");
    answer
}

fn connack(v5: bool, body: &mut Bytes) -> ConnAck {
    let session_present = take_bit(body);
    if !v5 {
        let return_code = take_u8(body);
        let mut all = [0x00, 0x84, 0x85, 0x88, 0x86, 0x87].map(ReasonCode::from_value).into_iter();
        let mut connack = ConnAck::new(all.nth(usize::from(return_code)).unwrap().unwrap());
        connack.session_present = session_present;
        return connack;
    }
    let mut connack = ConnAck::new(take_reason(body));
    connack.session_present = session_present;
    let mut list = take_list(body);
    while !list.is_empty() {
        match take_u8(&mut list) {
            17 => connack.session_expiry_interval_seconds = Some(take_u32(&mut list)),
            18 => {
                let client_id = ClientId::new(&take_text(&mut list));
                connack.assigned_client_identifier = Some(client_id);
            }
            19 => connack.server_keep_alive_seconds = Some(take_u16(&mut list)),
            31 => connack.reason_string = Some(take_text(&mut list)),
            33 => connack.receive_maximum = Some(take_u16(&mut list)),
            34 => connack.topic_alias_maximum = Some(take_u16(&mut list)),
            36 => {
                let one = take_bit(&mut list);
                connack.maximum_qos = Some(if one { Qos::AtLeastOnce } else { Qos::AtMostOnce });
            }
            37 => connack.retain_available = Some(take_bit(&mut list)),
            39 => connack.maximum_packet_size = Some(take_u32(&mut list)),
            40 => connack.wildcard_subscription_available = Some(take_bit(&mut list)),
            41 => connack.subscription_identifiers_available = Some(take_bit(&mut list)),
            42 => connack.shared_subscription_available = Some(take_bit(&mut list)),
            other => panic!("property {other}"),
        }
    }
    connack
}

fn take_u8(bytes: &mut Bytes) -> u8 {
    bytes.split_to(1)[0]
}

fn take_u16(bytes: &mut Bytes) -> u16 {
    u16::from_be_bytes(bytes.split_to(2)[..].try_into().unwrap())
}

fn take_u32(bytes: &mut Bytes) -> u32 {
    u32::from_be_bytes(bytes.split_to(4)[..].try_into().unwrap())
}

fn take_bit(bytes: &mut Bytes) -> bool {
    match take_u8(bytes) {
        0 => false,
        1 => true,
        other => panic!("{other} is not 0 or 1"),
    }
}

fn take_text(bytes: &mut Bytes) -> String {
    let length = take_u16(bytes);
    String::from_utf8(bytes.split_to(length.into()).to_vec()).unwrap()
}

fn take_reason(bytes: &mut Bytes) -> ReasonCode {
    ReasonCode::from_value(take_u8(bytes)).unwrap()
}

/// What a variable byte integer in front of it measures.
fn take_list(bytes: &mut Bytes) -> Bytes {
    let (mut length, mut unit) = (0, 1);
    loop {
        let byte = usize::from(take_u8(bytes));
        length += byte % 128 * unit;
        unit *= 128;
        if byte < 128 {
            return bytes.split_to(length);
        }
    }
}

/// The properties of an acknowledgement, if there are any: a reason string and nothing else.
fn take_reason_string(bytes: &mut Bytes) -> Option<String> {
    if bytes.is_empty() {
        return None;
    }
    let mut list = take_list(bytes);
    if list.is_empty() {
        return None;
    }
    assert_eq!(take_u8(&mut list), 31, "a reason string is wanted");
    let reason = take_text(&mut list);
    assert!(list.is_empty(), "one property is wanted");
    Some(reason)
}
