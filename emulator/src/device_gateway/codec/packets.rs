//! What the packets of a client say, once their bytes are read: plain values, nothing decided.
//!
//! Names and defaults are MQTT 5's; MQTT 3.1.1 uses the same values with nothing in the
//! properties. Truth: <https://docs.oasis-open.org/mqtt/mqtt/v5.0/os/mqtt-v5.0-os.html>, chapter 3.

use bytes::Bytes;

use super::{Qos, ReasonCode};
use crate::message::{Properties, ProtocolVersion};
use crate::names::{ClientId, TopicFilter, TopicName};

/// One packet of a client.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Packet {
    /// Always the first packet and never a later one.
    Connect(Box<Connect>),
    /// A message for others.
    Publish(Publish),
    /// A QoS 1 message has arrived.
    PubAck(Acknowledgement),
    /// QoS 2: read, so that the gateway can refuse it as AWS does.
    PubRec(Acknowledgement),
    /// QoS 2: read, so that the gateway can refuse it as AWS does.
    PubRel(Acknowledgement),
    /// QoS 2: read, so that the gateway can refuse it as AWS does.
    PubComp(Acknowledgement),
    /// One filter or more.
    Subscribe(Subscribe),
    /// One filter or more.
    Unsubscribe(Unsubscribe),
    /// The client lives.
    PingReq,
    /// The client leaves.
    Disconnect(Disconnect),
    /// MQTT 5's enhanced authentication.
    Auth(Auth),
}

/// CONNECT.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Connect {
    /// The version of this and of every later packet.
    pub(crate) version: ProtocolVersion,
    /// Empty when the server is to choose one.
    pub(crate) client_id: ClientId,
    /// MQTT 3.1.1 calls it clean session.
    pub(crate) clean_start: bool,
    /// As asked for; 0 is no keep-alive at all.
    pub(crate) keep_alive_seconds: u16,
    /// MQTT 5 allows a password without one.
    pub(crate) username: Option<String>,
    /// Any bytes.
    pub(crate) password: Option<Bytes>,
    /// What to publish when the connection is lost.
    pub(crate) will: Option<Will>,
    /// Nothing in them in MQTT 3.1.1.
    pub(crate) properties: ConnectProperties,
}

/// The MQTT 5 properties of a CONNECT; what is absent has the default that MQTT gives it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ConnectProperties {
    /// Absent is 0: the session ends with the connection.
    pub(crate) session_expiry_interval_seconds: Option<u32>,
    /// QoS 1 messages that the client takes unacknowledged; never 0.
    pub(crate) receive_maximum: u16,
    /// The largest packet that the client takes, if it sets a limit; never 0.
    pub(crate) maximum_packet_size: Option<u32>,
    /// Topic aliases that the client takes.
    pub(crate) topic_alias_maximum: u16,
    /// Whether the client asks for response information.
    pub(crate) request_response_information: bool,
    /// Whether reason strings and user properties may be sent in acknowledgements.
    pub(crate) request_problem_information: bool,
    /// In their order, names may repeat.
    pub(crate) user_properties: Vec<(String, String)>,
    /// The method of enhanced authentication.
    pub(crate) authentication_method: Option<String>,
    /// Only ever beside a method.
    pub(crate) authentication_data: Option<Bytes>,
}

impl Default for ConnectProperties {
    fn default() -> Self {
        Self {
            session_expiry_interval_seconds: None,
            receive_maximum: u16::MAX,
            maximum_packet_size: None,
            topic_alias_maximum: 0,
            request_response_information: false,
            request_problem_information: true,
            user_properties: Vec::new(),
            authentication_method: None,
            authentication_data: None,
        }
    }
}

/// What a client wants published when its connection is lost.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Will {
    /// Where to; without wildcards.
    pub(crate) topic: TopicName,
    /// What.
    pub(crate) payload: Bytes,
    /// As asked for: 2 is for the gateway to refuse.
    pub(crate) qos: Qos,
    /// Whether it is to be retained.
    pub(crate) retain: bool,
    /// How long the server waits with it; absent is 0.
    pub(crate) delay_interval_seconds: Option<u32>,
    /// What travels with it.
    pub(crate) properties: MessageProperties,
}

/// The MQTT 5 properties that travel with a message from its publisher to its subscribers.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct MessageProperties {
    /// As the publisher set it.
    pub(crate) message_expiry_interval_seconds: Option<u32>,
    /// Those that the server passes on as they are, if there are any.
    pub(crate) passing: Option<Box<Properties>>,
}

/// PUBLISH.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Publish {
    /// Whether the client has sent it before; never with QoS 0.
    pub(crate) dup: bool,
    /// As sent: 2 is for the gateway to refuse.
    pub(crate) qos: Qos,
    /// Whether it is to be retained.
    pub(crate) retain: bool,
    /// Without wildcards; absent only when `topic_alias` stands for it.
    pub(crate) topic: Option<TopicName>,
    /// With a topic: remember it under this number. Never 0, whether too great is not decided here.
    pub(crate) topic_alias: Option<u16>,
    /// 0 with QoS 0, and only then.
    pub(crate) packet_id: u16,
    /// What travels with the message.
    pub(crate) properties: MessageProperties,
    /// A slice of the connection's read buffer: whoever keeps it for long copies it.
    pub(crate) payload: Bytes,
}

/// PUBACK, PUBREC, PUBREL or PUBCOMP. Its reason string and user properties are read and left.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Acknowledgement {
    /// Never 0.
    pub(crate) packet_id: u16,
    /// Always success in MQTT 3.1.1.
    pub(crate) reason: ReasonCode,
}

/// SUBSCRIBE.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Subscribe {
    /// Never 0.
    pub(crate) packet_id: u16,
    /// Never empty.
    pub(crate) filters: Vec<Subscription>,
    /// In their order, names may repeat.
    pub(crate) user_properties: Vec<(String, String)>,
}

/// One filter of a SUBSCRIBE with its options.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Subscription {
    /// Well formed, a `$share` prefix included.
    pub(crate) filter: TopicFilter,
    /// The most that the client wants.
    pub(crate) qos: Qos,
    /// Do not send me what I publish; never on a shared subscription.
    pub(crate) no_local: bool,
    /// Keep the RETAIN flag of what is forwarded.
    pub(crate) retain_as_published: bool,
    /// What becomes of the retained messages.
    pub(crate) retain_handling: RetainHandling,
}

/// When a subscription is sent the retained messages.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum RetainHandling {
    /// On every SUBSCRIBE; all that MQTT 3.1.1 knows.
    Send,
    /// Only when the subscription is new.
    SendIfNew,
    /// Never.
    DoNotSend,
}

/// UNSUBSCRIBE.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Unsubscribe {
    /// Never 0.
    pub(crate) packet_id: u16,
    /// Never empty; each well formed.
    pub(crate) filters: Vec<TopicFilter>,
    /// In their order, names may repeat.
    pub(crate) user_properties: Vec<(String, String)>,
}

/// DISCONNECT. A server reference, which means nothing from a client, is read and left.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Disconnect {
    /// Always success, the normal disconnection, in MQTT 3.1.1.
    pub(crate) reason: ReasonCode,
    /// Replaces the one of CONNECT.
    pub(crate) session_expiry_interval_seconds: Option<u32>,
    /// What the client says in words.
    pub(crate) reason_string: Option<String>,
    /// In their order, names may repeat.
    pub(crate) user_properties: Vec<(String, String)>,
}

/// AUTH.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Auth {
    /// Continue or start over.
    pub(crate) reason: ReasonCode,
    /// The one of CONNECT, if the client keeps to the protocol.
    pub(crate) authentication_method: String,
    /// What the method makes of it.
    pub(crate) authentication_data: Option<Bytes>,
}
