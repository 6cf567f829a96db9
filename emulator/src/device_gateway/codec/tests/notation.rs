//! Packets in words, one line each, as `fixtures/packets/` has them. What has its default is not
//! said; texts stand in quotes, bytes in hex.

use std::fmt::Write as _;

use bytes::Bytes;

use super::super::encode::{Answer, ConnAck};
use super::super::packets::{
    Acknowledgement, Connect, MessageProperties, Packet, Publish, RetainHandling, Subscription,
    Will,
};
use super::super::{CodecError, Qos, ReasonCode};

/// `key=value`, separated by blanks.
struct Words(String);

impl Words {
    fn new(head: &str) -> Self {
        Self(head.to_owned())
    }

    fn say(&mut self, key: &str, value: impl std::fmt::Display) {
        write!(self.0, " {key}={value}").unwrap();
    }

    fn maybe(&mut self, key: &str, value: Option<impl std::fmt::Display>) {
        if let Some(value) = value {
            self.say(key, value);
        }
    }

    fn text(&mut self, key: &str, value: &str) {
        self.say(key, format_args!("{value:?}"));
    }

    fn maybe_text(&mut self, key: &str, value: Option<&str>) {
        if let Some(value) = value {
            self.text(key, value);
        }
    }

    fn bytes(&mut self, key: &str, value: &[u8]) {
        self.say(key, hex(value));
    }

    fn maybe_bytes(&mut self, key: &str, value: Option<&Bytes>) {
        if let Some(value) = value {
            self.bytes(key, value);
        }
    }

    fn flag(&mut self, key: &str, value: bool) {
        if value {
            write!(self.0, " {key}").unwrap();
        }
    }

    fn maybe_bit(&mut self, key: &str, value: Option<bool>) {
        self.maybe(key, value.map(u8::from));
    }

    fn reason(&mut self, reason: ReasonCode) {
        self.say("reason", code(reason));
    }

    fn user(&mut self, prefix: &str, properties: &[(String, String)]) {
        for (name, value) in properties {
            write!(self.0, " {prefix}user[{name:?}]={value:?}").unwrap();
        }
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn code(reason: ReasonCode) -> String {
    format!("0x{:02X}", reason.value())
}

/// A refusal as the fixtures have it.
pub(crate) fn error(error: &CodecError) -> String {
    let when = if error.before_connect { "before CONNECT: " } else { "" };
    format!("{when}{error}")
}

/// A packet of a client as the fixtures have it.
pub(crate) fn packet(packet: &Packet) -> String {
    match packet {
        Packet::Connect(packet) => connect(packet),
        Packet::Publish(packet) => publish(packet),
        Packet::PubAck(packet) => acknowledgement("PUBACK", packet),
        Packet::PubRec(packet) => acknowledgement("PUBREC", packet),
        Packet::PubRel(packet) => acknowledgement("PUBREL", packet),
        Packet::PubComp(packet) => acknowledgement("PUBCOMP", packet),
        Packet::Subscribe(packet) => {
            let mut words = Words::new("SUBSCRIBE");
            words.say("id", packet.packet_id);
            words.user("", &packet.user_properties);
            packet.filters.iter().for_each(|filter| subscription(&mut words, filter));
            words.0
        }
        Packet::Unsubscribe(packet) => {
            let mut words = Words::new("UNSUBSCRIBE");
            words.say("id", packet.packet_id);
            words.user("", &packet.user_properties);
            for filter in &packet.filters {
                write!(words.0, " ({:?})", filter.as_str()).unwrap();
            }
            words.0
        }
        Packet::PingReq => "PINGREQ".to_owned(),
        Packet::Disconnect(packet) => {
            let mut words = Words::new("DISCONNECT");
            words.reason(packet.reason);
            words.maybe("session_expiry", packet.session_expiry_interval_seconds);
            words.maybe_text("reason_string", packet.reason_string.as_deref());
            words.user("", &packet.user_properties);
            words.0
        }
        Packet::Auth(packet) => {
            let mut words = Words::new("AUTH");
            words.reason(packet.reason);
            words.text("authentication_method", &packet.authentication_method);
            words.maybe_bytes("authentication_data", packet.authentication_data.as_ref());
            words.0
        }
    }
}

fn connect(connect: &Connect) -> String {
    let mut words = Words::new("CONNECT");
    words.say("version", connect.version);
    words.text("client", connect.client_id.as_str());
    words.say("clean", u8::from(connect.clean_start));
    words.say("keep_alive", connect.keep_alive_seconds);
    words.maybe_text("username", connect.username.as_deref());
    words.maybe_bytes("password", connect.password.as_ref());
    let list = &connect.properties;
    words.maybe("session_expiry", list.session_expiry_interval_seconds);
    words.maybe("receive_maximum", Some(list.receive_maximum).filter(|&maximum| maximum < 65535));
    words.maybe("maximum_packet_size", list.maximum_packet_size);
    words.maybe("topic_alias_maximum", Some(list.topic_alias_maximum).filter(|&most| most > 0));
    if list.request_response_information {
        words.say("request_response_information", 1);
    }
    if !list.request_problem_information {
        words.say("request_problem_information", 0);
    }
    words.user("", &list.user_properties);
    words.maybe_text("authentication_method", list.authentication_method.as_deref());
    words.maybe_bytes("authentication_data", list.authentication_data.as_ref());
    if let Some(packet) = &connect.will {
        will(&mut words, packet);
    }
    words.0
}

fn will(words: &mut Words, will: &Will) {
    words.text("will", will.topic.as_str());
    words.say("will_qos", will.qos as u8);
    words.flag("will_retain", will.retain);
    words.maybe("will_delay", will.delay_interval_seconds);
    message_properties(words, "will_", &will.properties);
    words.bytes("will_payload", &will.payload);
}

fn publish(publish: &Publish) -> String {
    let mut words = Words::new("PUBLISH");
    words.flag("dup", publish.dup);
    words.say("qos", publish.qos as u8);
    words.flag("retain", publish.retain);
    words.maybe_text("topic", publish.topic.as_ref().map(|topic| topic.as_str()));
    words.maybe("alias", publish.topic_alias);
    words.maybe("id", Some(publish.packet_id).filter(|_| publish.qos != Qos::AtMostOnce));
    message_properties(&mut words, "", &publish.properties);
    words.bytes("payload", &publish.payload);
    words.0
}

fn message_properties(words: &mut Words, prefix: &str, list: &MessageProperties) {
    let key = |name| format!("{prefix}{name}");
    let expiry = list.message_expiry_interval_seconds;
    let list = list.passing.as_deref().cloned().unwrap_or_default();
    words.maybe_bit(&key("payload_format"), list.payload_is_utf8);
    words.maybe(&key("expiry"), expiry);
    words.maybe_text(&key("content_type"), list.content_type.as_deref());
    let response_topic = list.response_topic.as_ref().map(|topic| topic.as_str());
    words.maybe_text(&key("response_topic"), response_topic);
    words.maybe_bytes(&key("correlation"), list.correlation_data.as_ref());
    words.user(prefix, &list.user_properties);
}

fn acknowledgement(name: &str, packet: &Acknowledgement) -> String {
    let mut words = Words::new(name);
    words.say("id", packet.packet_id);
    words.reason(packet.reason);
    words.0
}

fn subscription(words: &mut Words, subscription: &Subscription) {
    write!(words.0, " ({:?}", subscription.filter.as_str()).unwrap();
    words.say("qos", subscription.qos as u8);
    words.flag("no_local", subscription.no_local);
    words.flag("retain_as_published", subscription.retain_as_published);
    words.maybe(
        "retain_handling",
        match subscription.retain_handling {
            RetainHandling::Send => None,
            RetainHandling::SendIfNew => Some(1),
            RetainHandling::DoNotSend => Some(2),
        },
    );
    words.0.push(')');
}

/// A packet of the server as the fixtures have it.
pub(crate) fn answer(answer: &Answer) -> String {
    match answer {
        Answer::ConnAck(packet) => connack(packet),
        Answer::PubAck { packet_id, reason, reason_string } => {
            let mut words = Words::new("PUBACK");
            words.say("id", packet_id);
            words.reason(*reason);
            words.maybe_text("reason_string", reason_string.as_deref());
            words.0
        }
        Answer::SubAck { packet_id, reasons, reason_string } => {
            acknowledgements("SUBACK", *packet_id, reasons, reason_string.as_deref())
        }
        Answer::UnsubAck { packet_id, reasons, reason_string } => {
            acknowledgements("UNSUBACK", *packet_id, reasons, reason_string.as_deref())
        }
        Answer::PingResp => "PINGRESP".to_owned(),
        Answer::Disconnect { reason, reason_string } => {
            let mut words = Words::new("DISCONNECT");
            words.reason(*reason);
            words.maybe_text("reason_string", reason_string.as_deref());
            words.0
        }
    }
}

fn acknowledgements(
    name: &str,
    packet_id: u16,
    reasons: &[ReasonCode],
    reason_string: Option<&str>,
) -> String {
    let mut words = Words::new(name);
    words.say("id", packet_id);
    let reasons: Vec<String> = reasons.iter().map(|&reason| code(reason)).collect();
    words.say("reasons", reasons.join(","));
    words.maybe_text("reason_string", reason_string);
    words.0
}

fn connack(connack: &ConnAck) -> String {
    let mut words = Words::new("CONNACK");
    words.flag("present", connack.session_present);
    words.reason(connack.reason);
    words.maybe("session_expiry", connack.session_expiry_interval_seconds);
    words.maybe("receive_maximum", connack.receive_maximum);
    words.maybe("maximum_qos", connack.maximum_qos.map(|qos| qos as u8));
    words.maybe_bit("retain_available", connack.retain_available);
    words.maybe("maximum_packet_size", connack.maximum_packet_size);
    let client_id = connack.assigned_client_identifier.as_ref();
    words.maybe_text("client", client_id.map(|client_id| client_id.as_str()));
    words.maybe("topic_alias_maximum", connack.topic_alias_maximum);
    words.maybe_text("reason_string", connack.reason_string.as_deref());
    words.maybe_bit("wildcards", connack.wildcard_subscription_available);
    words.maybe_bit("identifiers", connack.subscription_identifiers_available);
    words.maybe_bit("shared", connack.shared_subscription_available);
    words.maybe("keep_alive", connack.server_keep_alive_seconds);
    words.0
}
