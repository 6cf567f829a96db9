//! The other end of the wire, for tests and fuzz targets: writes what a client sends.
//!
//! Written apart from the decoder, from the MQTT text, so that a mistake would have to be made
//! twice. It decides nothing, and what it is given is legal.

use bytes::{BufMut, Bytes};

use super::packets::{
    Acknowledgement, Connect, MessageProperties, Packet, Publish, RetainHandling, Subscription,
    Will,
};
use super::{Qos, ReasonCode};
use crate::message::ProtocolVersion;

/// The packet as a client would write it. A CONNECT has a version of its own.
pub(crate) fn encode(version: ProtocolVersion, packet: &Packet) -> Vec<u8> {
    let v5 = version == ProtocolVersion::Mqtt5;
    let mut body = Vec::new();
    let first = match packet {
        Packet::Connect(packet) => {
            connect(packet, &mut body);
            0x10
        }
        Packet::Publish(packet) => publish(packet, v5, &mut body),
        Packet::PubAck(packet) => acknowledgement(0x40, *packet, &mut body),
        Packet::PubRec(packet) => acknowledgement(0x50, *packet, &mut body),
        Packet::PubRel(packet) => acknowledgement(0x62, *packet, &mut body),
        Packet::PubComp(packet) => acknowledgement(0x70, *packet, &mut body),
        Packet::Subscribe(packet) => {
            body.put_u16(packet.packet_id);
            if v5 {
                list(&mut body, |list| user(list, &packet.user_properties));
            }
            for filter in &packet.filters {
                text(&mut body, filter.filter.as_str());
                body.put_u8(options(filter));
            }
            0x82
        }
        Packet::Unsubscribe(packet) => {
            body.put_u16(packet.packet_id);
            if v5 {
                list(&mut body, |list| user(list, &packet.user_properties));
            }
            packet.filters.iter().for_each(|filter| text(&mut body, filter.as_str()));
            0xA2
        }
        Packet::PingReq => 0xC0,
        Packet::Disconnect(packet) if v5 => {
            body.put_u8(packet.reason.value());
            list(&mut body, |list| {
                put_u32(list, 17, packet.session_expiry_interval_seconds);
                put_text(list, 31, packet.reason_string.as_deref());
                user(list, &packet.user_properties);
            });
            0xE0
        }
        Packet::Disconnect(_) => 0xE0,
        Packet::Auth(packet) => {
            body.put_u8(packet.reason.value());
            list(&mut body, |list| {
                put_text(list, 21, Some(&packet.authentication_method));
                put_binary(list, 22, packet.authentication_data.as_ref());
            });
            0xF0
        }
    };
    let mut out = vec![first];
    variable(&mut out, body.len());
    out.extend(body);
    out
}

fn connect(connect: &Connect, body: &mut Vec<u8>) {
    text(body, "MQTT");
    let v5 = connect.version == ProtocolVersion::Mqtt5;
    body.put_u8(if v5 { 5 } else { 4 });
    let mut flags = u8::from(connect.clean_start) << 1;
    flags |= u8::from(connect.username.is_some()) << 7 | u8::from(connect.password.is_some()) << 6;
    if let Some(will) = &connect.will {
        flags |= u8::from(will.retain) << 5 | (will.qos as u8) << 3 | 1 << 2;
    }
    body.put_u8(flags);
    body.put_u16(connect.keep_alive_seconds);
    if v5 {
        let properties = &connect.properties;
        list(body, |list| {
            put_u32(list, 17, properties.session_expiry_interval_seconds);
            put_u16(list, 33, Some(properties.receive_maximum).filter(|&most| most != 65_535));
            put_u32(list, 39, properties.maximum_packet_size);
            put_u16(list, 34, Some(properties.topic_alias_maximum).filter(|&most| most != 0));
            put_u8(list, 25, Some(1).filter(|_| properties.request_response_information));
            put_u8(list, 23, Some(0).filter(|_| !properties.request_problem_information));
            user(list, &properties.user_properties);
            put_text(list, 21, properties.authentication_method.as_deref());
            put_binary(list, 22, properties.authentication_data.as_ref());
        });
    }
    text(body, connect.client_id.as_str());
    if let Some(packet) = &connect.will {
        will(packet, v5, body);
    }
    if let Some(username) = &connect.username {
        text(body, username);
    }
    if let Some(password) = &connect.password {
        binary(body, password);
    }
}

fn will(will: &Will, v5: bool, body: &mut Vec<u8>) {
    if v5 {
        list(body, |list| {
            put_u32(list, 24, will.delay_interval_seconds);
            message_properties(list, &will.properties);
        });
    }
    text(body, will.topic.as_str());
    binary(body, &will.payload);
}

fn publish(publish: &Publish, v5: bool, body: &mut Vec<u8>) -> u8 {
    text(body, publish.topic.as_ref().map_or("", |topic| topic.as_str()));
    if publish.qos != Qos::AtMostOnce {
        body.put_u16(publish.packet_id);
    }
    if v5 {
        list(body, |list| {
            message_properties(list, &publish.properties);
            put_u16(list, 35, publish.topic_alias);
        });
    }
    body.extend_from_slice(&publish.payload);
    0x30 | u8::from(publish.dup) << 3 | (publish.qos as u8) << 1 | u8::from(publish.retain)
}

fn message_properties(out: &mut Vec<u8>, list: &MessageProperties) {
    put_u32(out, 2, list.message_expiry_interval_seconds);
    let Some(list) = &list.passing else { return };
    put_u8(out, 1, list.payload_is_utf8.map(u8::from));
    put_text(out, 3, list.content_type.as_deref());
    put_text(out, 8, list.response_topic.as_ref().map(|topic| topic.as_str()));
    put_binary(out, 9, list.correlation_data.as_ref());
    user(out, &list.user_properties);
}

fn acknowledgement(first: u8, packet: Acknowledgement, body: &mut Vec<u8>) -> u8 {
    body.put_u16(packet.packet_id);
    if packet.reason != ReasonCode::Success {
        body.put_u8(packet.reason.value());
    }
    first
}

fn options(subscription: &Subscription) -> u8 {
    let handling = match subscription.retain_handling {
        RetainHandling::Send => 0,
        RetainHandling::SendIfNew => 1,
        RetainHandling::DoNotSend => 2,
    };
    handling << 4
        | u8::from(subscription.retain_as_published) << 3
        | u8::from(subscription.no_local) << 2
        | subscription.qos as u8
}

fn list(out: &mut Vec<u8>, write: impl FnOnce(&mut Vec<u8>)) {
    let mut list = Vec::new();
    write(&mut list);
    variable(out, list.len());
    out.extend(list);
}

fn variable(out: &mut Vec<u8>, value: usize) {
    let (low, high) = ((value % 128) as u8, value / 128);
    if high == 0 {
        out.push(low);
    } else {
        out.push(low + 128);
        variable(out, high);
    }
}

fn text(out: &mut Vec<u8>, value: &str) {
    binary(out, value.as_bytes());
}

fn binary(out: &mut Vec<u8>, value: &[u8]) {
    out.put_u16(value.len().try_into().expect("no packet has a longer one"));
    out.put_slice(value);
}

fn user(out: &mut Vec<u8>, properties: &[(String, String)]) {
    for (name, value) in properties {
        put_text(out, 38, Some(name));
        text(out, value);
    }
}

fn put_u8(out: &mut Vec<u8>, identifier: u8, value: Option<u8>) {
    if let Some(value) = value {
        out.put_slice(&[identifier, value]);
    }
}

fn put_u16(out: &mut Vec<u8>, identifier: u8, value: Option<u16>) {
    if let Some(value) = value {
        out.put_u8(identifier);
        out.put_u16(value);
    }
}

fn put_u32(out: &mut Vec<u8>, identifier: u8, value: Option<u32>) {
    if let Some(value) = value {
        out.put_u8(identifier);
        out.put_u32(value);
    }
}

fn put_text(out: &mut Vec<u8>, identifier: u8, value: Option<&str>) {
    if let Some(value) = value {
        out.put_u8(identifier);
        text(out, value);
    }
}

fn put_binary(out: &mut Vec<u8>, identifier: u8, value: Option<&Bytes>) {
    if let Some(value) = value {
        out.put_u8(identifier);
        binary(out, value);
    }
}
