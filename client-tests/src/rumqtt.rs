//! rumqttc's two clients, MQTT 3.1.1 and 5, seen as one: what was sent and what came in.
//!
//! It never reconnects: how a connection ended is what most tests are about.

use std::sync::Arc;
use std::time::Duration;

use rumqttc::v5::mqttbytes::v5::{PublishProperties, RetainForwardRule};
use rumqttc::{QoS, Transport, v5};
use rustls::ClientConfig;

use crate::PATIENCE;
use crate::device::{ConnectError, Version};
use crate::mqtt::{Closed, Message, Mqtt, Properties, Subscription};
use crate::tunnel::Tunnel;

/// Requests that may wait for the network.
const REQUESTS: usize = 16;
/// More than any packet that AWS takes, so that tests can send what is too large.
const PACKET_BYTES: usize = 2 << 20;

/// What a CONNECT says.
#[derive(Clone, Debug)]
pub(crate) struct Session {
    pub(crate) client_id: String,
    pub(crate) version: Version,
    pub(crate) persistent: bool,
    pub(crate) keep_alive: Duration,
    pub(crate) will: Option<Will>,
    pub(crate) acknowledges: bool,
}

#[derive(Clone, Debug)]
pub(crate) struct Will {
    pub(crate) topic: String,
    pub(crate) payload: String,
    pub(crate) qos: u8,
    pub(crate) retain: bool,
}

/// Sends requests.
#[derive(Clone, Debug)]
pub(crate) enum Client {
    Mqtt311(rumqttc::AsyncClient),
    Mqtt5(v5::AsyncClient),
}

/// Moves bytes and tells what happened.
pub(crate) enum Driver {
    Mqtt311(Box<rumqttc::EventLoop>),
    Mqtt5(Box<v5::EventLoop>),
}

/// What happened on a connection.
#[derive(Debug)]
pub(crate) enum News {
    Connected {
        session_present: bool,
    },
    Message(Message),
    /// A PUBLISH is on its way.
    Sent,
    Published(u8),
    Subscribed(Vec<u8>),
    Unsubscribed(Vec<u8>),
    /// Nothing that anybody asks for.
    Other,
}

/// Connects as `session` says; without `tls` to a tunnel that has it already.
pub(crate) async fn connect(
    session: Session,
    host: &str,
    port: u16,
    tls: Option<Arc<ClientConfig>>,
    tunnel: Option<Tunnel>,
) -> Result<Mqtt, ConnectError> {
    let transport = match tls {
        Some(config) => Transport::tls_with_config(rumqttc::TlsConfiguration::Rustls(config)),
        None => Transport::tcp(),
    };
    let (client, mut driver) = match session.version {
        Version::Mqtt311 => mqtt311(session, host, port, transport),
        Version::Mqtt5 => mqtt5(session, host, port, transport),
    };
    loop {
        match driver.step().await {
            (_, Some(Failure::Connect(error))) => return Err(error),
            (_, Some(Failure::Closed(Closed::HungUp))) => {
                return Err(ConnectError::ClosedBeforeConnack);
            }
            (_, Some(Failure::Closed(closed))) => {
                return Err(ConnectError::Other(format!("{closed:?}")));
            }
            (Some(News::Connected { session_present }), None) => {
                return Ok(Mqtt::new(client, driver, tunnel, session_present));
            }
            _ => {}
        }
    }
}

fn mqtt311(session: Session, host: &str, port: u16, transport: Transport) -> (Client, Driver) {
    let mut options = rumqttc::MqttOptions::new(session.client_id, host, port);
    options
        .set_transport(transport)
        .set_clean_session(!session.persistent)
        .set_keep_alive(session.keep_alive)
        .set_manual_acks(!session.acknowledges)
        .set_max_packet_size(PACKET_BYTES, PACKET_BYTES);
    if let Some(Will { topic, payload, qos, retain }) = session.will {
        options.set_last_will(rumqttc::LastWill::new(topic, payload, quality(qos), retain));
    }
    let (client, mut driver) = rumqttc::AsyncClient::new(options, REQUESTS);
    driver.network_options.set_connection_timeout(PATIENCE.as_secs());
    driver.network_options.set_tcp_nodelay(true);
    (Client::Mqtt311(client), Driver::Mqtt311(Box::new(driver)))
}

fn mqtt5(session: Session, host: &str, port: u16, transport: Transport) -> (Client, Driver) {
    let mut options = v5::MqttOptions::new(session.client_id, host, port);
    let mut network = rumqttc::NetworkOptions::new();
    // Else a CONNECT waits for the server to acknowledge the handshake, which takes 40 ms.
    network.set_tcp_nodelay(true);
    options
        .set_network_options(network)
        .set_transport(transport)
        .set_clean_start(!session.persistent)
        .set_session_expiry_interval(session.persistent.then_some(3600))
        .set_keep_alive(session.keep_alive)
        .set_manual_acks(!session.acknowledges)
        .set_connection_timeout(PATIENCE.as_secs());
    if let Some(Will { topic, payload, qos, retain }) = session.will {
        let will = v5::mqttbytes::v5::LastWill::new(topic, payload, quality5(qos), retain, None);
        options.set_last_will(will);
    }
    let (client, driver) = v5::AsyncClient::new(options, REQUESTS);
    (Client::Mqtt5(client), Driver::Mqtt5(Box::new(driver)))
}

fn quality(qos: u8) -> QoS {
    rumqttc::qos(qos).expect("QoS is 0, 1 or 2")
}

fn quality5(qos: u8) -> v5::mqttbytes::QoS {
    v5::mqttbytes::qos(qos).expect("QoS is 0, 1 or 2")
}

impl Client {
    /// Whether the request could be made; what became of it is told by the driver.
    pub(crate) async fn publish(
        &self,
        topic: &str,
        payload: Vec<u8>,
        qos: u8,
        retain: bool,
    ) -> bool {
        match self {
            Self::Mqtt311(client) => {
                client.publish(topic, quality(qos), retain, payload).await.is_ok()
            }
            Self::Mqtt5(client) => {
                client.publish(topic, quality5(qos), retain, payload).await.is_ok()
            }
        }
    }

    /// The same with properties, which only MQTT 5 has.
    pub(crate) async fn publish_saying(
        &self,
        topic: &str,
        payload: Vec<u8>,
        (qos, retain): (u8, bool),
        properties: &Properties,
    ) -> bool {
        let Self::Mqtt5(client) = self else { panic!("MQTT 3.1.1 has no properties") };
        let properties = written(properties.clone());
        let qos = quality5(qos);
        client.publish_with_properties(topic, qos, retain, payload, properties).await.is_ok()
    }

    pub(crate) async fn subscribe(&self, subscriptions: &[Subscription<'_>]) -> bool {
        match self {
            Self::Mqtt311(client) => {
                let filters = subscriptions.iter().map(|asked| {
                    rumqttc::SubscribeFilter::new(asked.filter.to_owned(), quality(asked.qos))
                });
                client.subscribe_many(filters).await.is_ok()
            }
            Self::Mqtt5(client) => {
                let filters = subscriptions.iter().map(|asked| v5::mqttbytes::v5::Filter {
                    path: asked.filter.to_owned(),
                    qos: quality5(asked.qos),
                    nolocal: asked.no_local,
                    preserve_retain: asked.retain_as_published,
                    retain_forward_rule: match asked.retain_handling {
                        0 => RetainForwardRule::OnEverySubscribe,
                        1 => RetainForwardRule::OnNewSubscribe,
                        _ => RetainForwardRule::Never,
                    },
                });
                client.subscribe_many(filters).await.is_ok()
            }
        }
    }

    pub(crate) async fn unsubscribe(&self, filter: &str) -> bool {
        match self {
            Self::Mqtt311(client) => client.unsubscribe(filter).await.is_ok(),
            Self::Mqtt5(client) => client.unsubscribe(filter).await.is_ok(),
        }
    }

    pub(crate) async fn disconnect(&self) -> bool {
        match self {
            Self::Mqtt311(client) => client.disconnect().await.is_ok(),
            Self::Mqtt5(client) => client.disconnect().await.is_ok(),
        }
    }
}

/// The end, before or after the CONNACK.
#[derive(Debug)]
pub(crate) enum Failure {
    Connect(ConnectError),
    Closed(Closed),
}

impl Driver {
    /// The next thing that happened, or the end.
    pub(crate) async fn step(&mut self) -> (Option<News>, Option<Failure>) {
        match self {
            Self::Mqtt311(driver) => match driver.poll().await {
                Ok(event) => (Some(news311(event)), None),
                Err(error) => (None, Some(failure311(error))),
            },
            Self::Mqtt5(driver) => match driver.poll().await {
                Ok(event) => (Some(news5(event)), None),
                Err(error) => (None, Some(failure5(error))),
            },
        }
    }

    /// What came in before the end and was not told yet.
    pub(crate) fn left_over(&mut self) -> Vec<News> {
        match self {
            Self::Mqtt311(driver) => driver.state.events.drain(..).map(news311).collect(),
            Self::Mqtt5(driver) => driver.state.events.drain(..).map(news5).collect(),
        }
    }
}

fn news311(event: rumqttc::Event) -> News {
    use rumqttc::{Event, Outgoing, Packet, SubscribeReasonCode};
    match event {
        Event::Incoming(Packet::ConnAck(connack)) => {
            News::Connected { session_present: connack.session_present }
        }
        Event::Incoming(Packet::Publish(publish)) => News::Message(Message {
            topic: publish.topic,
            payload: publish.payload.to_vec(),
            qos: publish.qos as u8,
            retain: publish.retain,
            duplicate: publish.dup,
            packet_id: publish.pkid,
            properties: Properties::default(),
        }),
        Event::Incoming(Packet::PubAck(_)) => News::Published(0),
        Event::Incoming(Packet::SubAck(suback)) => {
            let codes = suback.return_codes.into_iter().map(|code| match code {
                SubscribeReasonCode::Success(qos) => qos as u8,
                SubscribeReasonCode::Failure => 0x80,
            });
            News::Subscribed(codes.collect())
        }
        Event::Incoming(Packet::UnsubAck(_)) => News::Unsubscribed(Vec::new()),
        Event::Outgoing(Outgoing::Publish(_)) => News::Sent,
        _ => News::Other,
    }
}

fn news5(event: v5::Event) -> News {
    use v5::Event;
    use v5::mqttbytes::v5::Packet;
    match event {
        Event::Incoming(Packet::ConnAck(connack)) => {
            News::Connected { session_present: connack.session_present }
        }
        Event::Incoming(Packet::Publish(publish)) => News::Message(Message {
            topic: String::from_utf8_lossy(&publish.topic).into_owned(),
            payload: publish.payload.to_vec(),
            qos: publish.qos as u8,
            retain: publish.retain,
            duplicate: publish.dup,
            packet_id: publish.pkid,
            properties: publish.properties.map(read).unwrap_or_default(),
        }),
        Event::Incoming(Packet::PubAck(puback)) => News::Published(puback_code(puback.reason)),
        Event::Incoming(Packet::SubAck(suback)) => {
            News::Subscribed(suback.return_codes.into_iter().map(suback_code).collect())
        }
        Event::Incoming(Packet::UnsubAck(unsuback)) => {
            News::Unsubscribed(unsuback.reasons.into_iter().map(unsuback_code).collect())
        }
        Event::Outgoing(rumqttc::Outgoing::Publish(_)) => News::Sent,
        _ => News::Other,
    }
}

fn failure311(error: rumqttc::ConnectionError) -> Failure {
    use rumqttc::{ConnectionError, StateError};
    match error {
        // rumqttc says this only of a stream that ended in order, after a close_notify.
        ConnectionError::MqttState(StateError::ConnectionAborted) => {
            Failure::Closed(Closed::HungUp)
        }
        ConnectionError::ConnectionRefused(code) => {
            Failure::Connect(ConnectError::Refused(code as u8))
        }
        ConnectionError::Tls(error) => Failure::Connect(ConnectError::Handshake(error.to_string())),
        error => Failure::Closed(Closed::Broken(error.to_string())),
    }
}

fn failure5(error: v5::ConnectionError) -> Failure {
    use v5::{ConnectionError, StateError};
    match error {
        ConnectionError::MqttState(StateError::ConnectionAborted) => {
            Failure::Closed(Closed::HungUp)
        }
        ConnectionError::MqttState(StateError::ServerDisconnect { reason_code, reason_string }) => {
            Failure::Closed(Closed::Disconnected { reason: reason_code as u8, reason_string })
        }
        ConnectionError::ConnectionRefused(code) => Failure::Connect(connack_error(code)),
        ConnectionError::Tls(error) => Failure::Connect(ConnectError::Handshake(error.to_string())),
        error => Failure::Closed(Closed::Broken(error.to_string())),
    }
}

fn written(of: Properties) -> PublishProperties {
    PublishProperties {
        payload_format_indicator: of.payload_format,
        message_expiry_interval: of.expiry_seconds,
        topic_alias: of.topic_alias,
        response_topic: of.response_topic,
        correlation_data: of.correlation_data.map(Into::into),
        user_properties: of.user_properties,
        subscription_identifiers: Vec::new(),
        content_type: of.content_type,
    }
}

fn read(of: PublishProperties) -> Properties {
    Properties {
        payload_format: of.payload_format_indicator,
        expiry_seconds: of.message_expiry_interval,
        content_type: of.content_type,
        response_topic: of.response_topic,
        correlation_data: of.correlation_data.map(|data| data.to_vec()),
        topic_alias: of.topic_alias,
        user_properties: of.user_properties,
    }
}

// === rumqttc's names as MQTT 5's numbers ===

//= https://docs.oasis-open.org/mqtt/mqtt/v5.0/os/mqtt-v5.0-os.html
//# 2.4 Reason Code
fn connack_error(code: v5::mqttbytes::v5::ConnectReturnCode) -> ConnectError {
    use v5::mqttbytes::v5::ConnectReturnCode as Code;
    ConnectError::Refused(match code {
        Code::UnspecifiedError => 0x80,
        Code::MalformedPacket => 0x81,
        Code::ProtocolError => 0x82,
        Code::UnsupportedProtocolVersion => 0x84,
        Code::ClientIdentifierNotValid => 0x85,
        Code::BadUserNamePassword => 0x86,
        Code::NotAuthorized => 0x87,
        Code::TopicNameInvalid => 0x90,
        Code::PacketTooLarge => 0x95,
        Code::QuotaExceeded => 0x97,
        Code::QoSNotSupported => 0x9B,
        other => return ConnectError::Other(format!("{other:?}")),
    })
}

fn puback_code(reason: v5::mqttbytes::v5::PubAckReason) -> u8 {
    use v5::mqttbytes::v5::PubAckReason as Reason;
    match reason {
        Reason::Success => 0x00,
        Reason::NoMatchingSubscribers => 0x10,
        Reason::UnspecifiedError => 0x80,
        Reason::ImplementationSpecificError => 0x83,
        Reason::NotAuthorized => 0x87,
        Reason::TopicNameInvalid => 0x90,
        Reason::PacketIdentifierInUse => 0x91,
        Reason::QuotaExceeded => 0x97,
        Reason::PayloadFormatInvalid => 0x99,
    }
}

fn suback_code(reason: v5::mqttbytes::v5::SubscribeReasonCode) -> u8 {
    use v5::mqttbytes::v5::SubscribeReasonCode as Reason;
    match reason {
        Reason::Success(qos) => qos as u8,
        Reason::Failure | Reason::Unspecified => 0x80,
        Reason::ImplementationSpecific => 0x83,
        Reason::NotAuthorized => 0x87,
        Reason::TopicFilterInvalid => 0x8F,
        Reason::PkidInUse => 0x91,
        Reason::QuotaExceeded => 0x97,
        Reason::SharedSubscriptionsNotSupported => 0x9E,
        Reason::SubscriptionIdNotSupported => 0xA1,
        Reason::WildcardSubscriptionsNotSupported => 0xA2,
    }
}

fn unsuback_code(reason: v5::mqttbytes::v5::UnsubAckReason) -> u8 {
    use v5::mqttbytes::v5::UnsubAckReason as Reason;
    match reason {
        Reason::Success => 0x00,
        Reason::NoSubscriptionExisted => 0x11,
        Reason::UnspecifiedError => 0x80,
        Reason::ImplementationSpecificError => 0x83,
        Reason::NotAuthorized => 0x87,
        Reason::TopicFilterInvalid => 0x8F,
        Reason::PacketIdentifierInUse => 0x91,
    }
}
