//! Packets that nobody thought of: proptest strategies for what is legal.

use bytes::Bytes;
use proptest::collection::vec;
use proptest::option::of;
use proptest::prelude::*;
use proptest::sample::select;

use super::super::encode::{Answer, ConnAck};
use super::super::packets::{
    Acknowledgement, Auth, Connect, ConnectProperties, Disconnect, MessageProperties, Packet,
    Publish, RetainHandling, Subscribe, Subscription, Unsubscribe, Will,
};
use super::super::{PacketType, Qos, ReasonCode};
use crate::message::{Properties, ProtocolVersion};
use crate::names::{ClientId, TopicFilter, TopicName};

pub(crate) fn version() -> impl Strategy<Value = ProtocolVersion> {
    select(vec![ProtocolVersion::Mqtt311, ProtocolVersion::Mqtt5])
}

fn qos() -> impl Strategy<Value = Qos> {
    select(vec![Qos::AtMostOnce, Qos::AtLeastOnce, Qos::ExactlyOnce])
}

/// A legal text, now and then a long one.
fn text() -> impl Strategy<Value = String> {
    prop_oneof![
        6 => "[a-zA-Z0-9 /$?=.-]{0,12}",
        2 => "[\u{1}-\u{7F}\u{80}-\u{D7FF}\u{E000}-\u{FDCF}\u{10000}-\u{1FFFD}]{0,8}",
        1 => (100..400_usize).prop_map(|length| "x".repeat(length)),
    ]
}

fn topic_name() -> impl Strategy<Value = TopicName> {
    let topic = text().prop_map(|text| text.replace(['+', '#'], "_"));
    topic.prop_filter("not empty", |topic| !topic.is_empty()).prop_map(TopicName::from)
}

fn topic_filter() -> impl Strategy<Value = TopicFilter> {
    let level = prop_oneof![2 => "[a-z$]{0,4}", 1 => Just("+".to_owned())];
    let filter = (vec(level, 1..5), any::<bool>()).prop_map(|(mut levels, all)| {
        if all {
            levels.push("#".to_owned());
        }
        levels.join("/")
    });
    let filter = filter
        .prop_filter("well formed", |filter| !filter.is_empty() && !filter.starts_with("$share/"));
    (of("\\$share/[a-z]{1,4}/"), filter)
        .prop_map(|(share, filter)| TopicFilter::from(share.unwrap_or_default() + &filter))
}

fn binary() -> impl Strategy<Value = Bytes> {
    vec(any::<u8>(), 0..200).prop_map(Bytes::from)
}

fn user_properties() -> impl Strategy<Value = Vec<(String, String)>> {
    vec((text(), text()), 0..4)
}

fn message_properties() -> impl Strategy<Value = MessageProperties> {
    let parts = (
        of(any::<bool>()),
        of(any::<u32>()),
        of(text()),
        of(topic_name()),
        of(binary()),
        user_properties(),
    );
    parts.prop_map(|(format, expiry, content_type, response_topic, correlation_data, user)| {
        let passing = Properties {
            payload_is_utf8: format,
            content_type,
            response_topic,
            correlation_data,
            user_properties: user,
        };
        MessageProperties { message_expiry_interval_seconds: expiry, passing: passing.boxed() }
    })
}

fn properties_of(version: ProtocolVersion) -> BoxedStrategy<MessageProperties> {
    match version {
        ProtocolVersion::Mqtt311 => Just(MessageProperties::default()).boxed(),
        ProtocolVersion::Mqtt5 => {
            prop_oneof![Just(MessageProperties::default()), message_properties()].boxed()
        }
    }
}

fn will(version: ProtocolVersion) -> impl Strategy<Value = Will> {
    let delay = match version {
        ProtocolVersion::Mqtt311 => Just(None).boxed(),
        ProtocolVersion::Mqtt5 => of(any::<u32>()).boxed(),
    };
    (topic_name(), binary(), qos(), any::<bool>(), delay, properties_of(version)).prop_map(
        |(topic, payload, qos, retain, delay_interval_seconds, properties)| Will {
            topic,
            payload,
            qos,
            retain,
            delay_interval_seconds,
            properties,
        },
    )
}

fn connect_properties() -> impl Strategy<Value = ConnectProperties> {
    let numbers = (of(any::<u32>()), 1..=u16::MAX, of(1..=u32::MAX), any::<u16>());
    let flags = (any::<bool>(), any::<bool>());
    let method = of((text(), of(binary())));
    (numbers, flags, user_properties(), method).prop_map(
        |((expiry, receive, packet, alias), (response, problem), user_properties, method)| {
            let (authentication_method, data) = method.unzip();
            ConnectProperties {
                session_expiry_interval_seconds: expiry,
                receive_maximum: receive,
                maximum_packet_size: packet,
                topic_alias_maximum: alias,
                request_response_information: response,
                request_problem_information: problem,
                user_properties,
                authentication_method,
                authentication_data: data.flatten(),
            }
        },
    )
}

/// A CONNECT of either version.
pub(crate) fn connect() -> impl Strategy<Value = Connect> {
    version().prop_flat_map(|version| {
        let properties = match version {
            ProtocolVersion::Mqtt311 => Just(ConnectProperties::default()).boxed(),
            ProtocolVersion::Mqtt5 => connect_properties().boxed(),
        };
        let login = (of(text()), of(binary()));
        let parts = (text(), any::<bool>(), any::<u16>(), login, of(will(version)), properties);
        parts.prop_map(move |(client_id, clean, keep_alive, login, will, properties)| {
            let (username, password) = login;
            let v311 = version == ProtocolVersion::Mqtt311;
            Connect {
                version,
                clean_start: clean || v311 && client_id.is_empty(),
                client_id: ClientId::from(client_id),
                keep_alive_seconds: keep_alive,
                password: password.filter(|_| !v311 || username.is_some()),
                username,
                will,
                properties,
            }
        })
    })
}

fn publish(version: ProtocolVersion) -> impl Strategy<Value = Publish> {
    let alias = match version {
        ProtocolVersion::Mqtt311 => Just((None, true)).boxed(),
        ProtocolVersion::Mqtt5 => (of(1..=u16::MAX), any::<bool>()).boxed(),
    };
    let flags = (any::<bool>(), qos(), any::<bool>());
    (flags, topic_name(), alias, 1..=u16::MAX, properties_of(version), binary()).prop_map(
        |((dup, qos, retain), topic, (topic_alias, named), packet_id, properties, payload)| {
            let once = qos == Qos::AtMostOnce;
            Publish {
                dup: dup && !once,
                qos,
                retain,
                topic: Some(topic).filter(|_| named || topic_alias.is_none()),
                topic_alias,
                packet_id: if once { 0 } else { packet_id },
                properties,
                payload,
            }
        },
    )
}

/// A PUBLISH of the server: no alias, no QoS 2.
pub(crate) fn delivered(version: ProtocolVersion) -> impl Strategy<Value = Publish> {
    let publish = publish(version).prop_filter("named", |publish| publish.topic.is_some());
    publish.prop_map(|publish| Publish { topic_alias: None, ..publish })
}

fn acknowledgement(
    version: ProtocolVersion,
    packet: PacketType,
) -> impl Strategy<Value = Acknowledgement> {
    let reasons = match version {
        ProtocolVersion::Mqtt311 => vec![ReasonCode::Success],
        ProtocolVersion::Mqtt5 => of_client(packet),
    };
    (1..=u16::MAX, select(reasons))
        .prop_map(|(packet_id, reason)| Acknowledgement { packet_id, reason })
}

fn of_client(packet: PacketType) -> Vec<ReasonCode> {
    ReasonCode::ALL.iter().copied().filter(|code| code.is_for_client(packet)).collect()
}

fn subscription(version: ProtocolVersion) -> BoxedStrategy<Subscription> {
    let handling = vec![RetainHandling::Send, RetainHandling::SendIfNew, RetainHandling::DoNotSend];
    let v5 = version == ProtocolVersion::Mqtt5;
    let options = (any::<bool>(), any::<bool>(), select(handling));
    let parts = (topic_filter(), qos(), options);
    let subscription = parts.prop_map(move |(filter, qos, (no_local, published, handling))| {
        let shared = filter.shared().is_some();
        Subscription {
            filter,
            qos,
            no_local: no_local && !shared && v5,
            retain_as_published: published && v5,
            retain_handling: if v5 { handling } else { RetainHandling::Send },
        }
    });
    subscription.boxed()
}

fn user_properties_of(version: ProtocolVersion) -> BoxedStrategy<Vec<(String, String)>> {
    match version {
        ProtocolVersion::Mqtt311 => Just(Vec::new()).boxed(),
        ProtocolVersion::Mqtt5 => user_properties().boxed(),
    }
}

fn disconnect(version: ProtocolVersion) -> BoxedStrategy<Disconnect> {
    if version == ProtocolVersion::Mqtt311 {
        let disconnect = Disconnect {
            reason: ReasonCode::Success,
            session_expiry_interval_seconds: None,
            reason_string: None,
            user_properties: Vec::new(),
        };
        return Just(disconnect).boxed();
    }
    let reason = select(of_client(PacketType::Disconnect));
    let parts = (reason, of(any::<u32>()), of(text()), user_properties());
    let disconnect =
        parts.prop_map(|(reason, expiry, reason_string, user_properties)| Disconnect {
            reason,
            session_expiry_interval_seconds: expiry,
            reason_string,
            user_properties,
        });
    disconnect.boxed()
}

/// Any packet that a client may send after CONNECT.
pub(crate) fn packet(version: ProtocolVersion) -> BoxedStrategy<Packet> {
    let of_version = move |packet| acknowledgement(version, packet);
    let user = user_properties_of(version);
    let subscribe = (1..=u16::MAX, vec(subscription(version), 1..4), user.clone()).prop_map(
        |(packet_id, filters, user_properties)| {
            Packet::Subscribe(Subscribe { packet_id, filters, user_properties })
        },
    );
    let unsubscribe = (1..=u16::MAX, vec(topic_filter(), 1..4), user).prop_map(
        |(packet_id, filters, user_properties)| {
            Packet::Unsubscribe(Unsubscribe { packet_id, filters, user_properties })
        },
    );
    let common = prop_oneof![
        4 => publish(version).prop_map(Packet::Publish),
        1 => of_version(PacketType::PubAck).prop_map(Packet::PubAck),
        1 => of_version(PacketType::PubRec).prop_map(Packet::PubRec),
        1 => of_version(PacketType::PubRel).prop_map(Packet::PubRel),
        1 => of_version(PacketType::PubComp).prop_map(Packet::PubComp),
        2 => subscribe,
        2 => unsubscribe,
        1 => Just(Packet::PingReq),
        1 => disconnect(version).prop_map(Packet::Disconnect),
    ];
    if version == ProtocolVersion::Mqtt311 {
        return common.boxed();
    }
    let parts = (select(of_client(PacketType::Auth)), text(), of(binary()));
    let auth = parts.prop_map(|(reason, authentication_method, authentication_data)| {
        Packet::Auth(Auth { reason, authentication_method, authentication_data })
    });
    prop_oneof![12 => common, 1 => auth].boxed()
}

/// What MQTT 5 lets a CONNACK say, table 3-1.
const CONNACK: &[u8] = &[
    0x00, 0x80, 0x81, 0x82, 0x83, 0x84, 0x85, 0x86, 0x87, 0x88, 0x89, 0x8A, 0x8C, 0x90, 0x95, 0x97,
    0x99, 0x9A, 0x9B, 0x9C, 0x9D, 0x9F,
];

fn connack(version: ProtocolVersion) -> BoxedStrategy<Answer> {
    let answer = |connack| Answer::ConnAck(Box::new(connack));
    if version == ProtocolVersion::Mqtt311 {
        let all = [0x00, 0x84, 0x85, 0x86, 0x87, 0x88]
            .map(|value| ReasonCode::from_value(value).unwrap());
        let parts = (select(all.to_vec()), any::<bool>());
        let connack = parts.prop_map(|(reason, present)| {
            let session_present = present && reason == ReasonCode::Success;
            ConnAck { session_present, ..ConnAck::new(reason) }
        });
        return connack.prop_map(answer).boxed();
    }
    let numbers = (of(any::<u32>()), of(1..=u16::MAX), of(1..=u32::MAX), of(any::<u16>()));
    let qos = of(select(vec![Qos::AtMostOnce, Qos::AtLeastOnce]));
    let bit = || of(any::<bool>());
    let texts = (of(text().prop_map(ClientId::from)), of(text()), of(any::<u16>()));
    let flags = (any::<bool>(), bit(), bit(), bit(), bit());
    let reasons = CONNACK.iter().map(|&value| ReasonCode::from_value(value).unwrap());
    let parts = (select(reasons.collect::<Vec<_>>()), numbers, qos, texts, flags);
    let connack = parts.prop_map(|(reason, numbers, maximum_qos, texts, flags)| ConnAck {
        session_present: flags.0 && reason == ReasonCode::Success,
        reason,
        session_expiry_interval_seconds: numbers.0,
        receive_maximum: numbers.1,
        maximum_qos,
        retain_available: flags.1,
        maximum_packet_size: numbers.2,
        assigned_client_identifier: texts.0,
        topic_alias_maximum: numbers.3,
        reason_string: texts.1,
        wildcard_subscription_available: flags.2,
        subscription_identifiers_available: flags.3,
        shared_subscription_available: flags.4,
        server_keep_alive_seconds: texts.2,
    });
    connack.prop_map(answer).boxed()
}

/// Any packet that the server may send to this version, a PUBLISH excepted.
pub(crate) fn answer(version: ProtocolVersion) -> BoxedStrategy<Answer> {
    let known = |values: &[u8]| -> Vec<ReasonCode> {
        values.iter().map(|&value| ReasonCode::from_value(value).unwrap()).collect()
    };
    if version == ProtocolVersion::Mqtt311 {
        let reasons = vec(select(known(&[0, 1, 2, 0x80])), 1..9);
        return prop_oneof![
            connack(version),
            (1..=u16::MAX).prop_map(|packet_id| Answer::PubAck {
                packet_id,
                reason: ReasonCode::Success,
                reason_string: None,
            }),
            (1..=u16::MAX, reasons).prop_map(|(packet_id, reasons)| Answer::SubAck {
                packet_id,
                reasons,
                reason_string: None,
            }),
            (1..=u16::MAX).prop_map(|packet_id| Answer::UnsubAck {
                packet_id,
                reasons: Vec::new(),
                reason_string: None,
            }),
            Just(Answer::PingResp),
        ]
        .boxed();
    }
    let puback = select(known(&[0, 0x10, 0x80, 0x83, 0x87, 0x90, 0x91, 0x97, 0x99]));
    let granted = vec(select(known(&[0, 1, 2, 0x80, 0x87, 0x8F, 0x91, 0x97])), 1..9);
    let ended = vec(select(known(&[0, 0x11, 0x80, 0x87, 0x8F, 0x91])), 1..9);
    let left = select(known(&[0, 0x81, 0x82, 0x87, 0x8B, 0x8D, 0x8E, 0x95, 0x98, 0x9B, 0xA1]));
    prop_oneof![
        connack(version),
        (1..=u16::MAX, puback, of(text())).prop_map(|(packet_id, reason, reason_string)| {
            Answer::PubAck { packet_id, reason, reason_string }
        }),
        (1..=u16::MAX, granted, of(text())).prop_map(|(packet_id, reasons, reason_string)| {
            Answer::SubAck { packet_id, reasons, reason_string }
        }),
        (1..=u16::MAX, ended, of(text())).prop_map(|(packet_id, reasons, reason_string)| {
            Answer::UnsubAck { packet_id, reasons, reason_string }
        }),
        Just(Answer::PingResp),
        (left, of(text()))
            .prop_map(|(reason, reason_string)| Answer::Disconnect { reason, reason_string }),
    ]
    .boxed()
}
