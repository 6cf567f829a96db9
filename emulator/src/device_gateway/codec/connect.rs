//! CONNECT: which version the client speaks, who it says it is, its will.
//!
//! Decides whether the packet is legal in that version. Whether the client may connect, under
//! which client identifier, and what becomes of its wishes is left to the gateway.
//! Truth: MQTT 5, 3.1, and MQTT 3.1.1, 3.1.

use bytes::Bytes;

use super::packets::{Connect, ConnectProperties, MessageProperties, Will};
use super::properties::{self, Place, Property};
use super::reader::{Reader, quote, topic_name};
use super::{CodecError, Qos, ReasonCode};
use crate::message::ProtocolVersion;
use crate::names::ClientId;

/// The protocol name and level that CONNECT begins with.
//= https://docs.oasis-open.org/mqtt/mqtt/v5.0/os/mqtt-v5.0-os.html
//# MQTT-3.1.2-1, -2: another protocol name or level may be answered with 0x84 before the end
pub(super) fn protocol_version(body: &mut Reader<'_>) -> Result<ProtocolVersion, CodecError> {
    let name = body.binary()?;
    let level = body.u8()?;
    let why = match (name, level) {
        (b"MQTT", 4) => return Ok(ProtocolVersion::Mqtt311),
        (b"MQTT", 5) => return Ok(ProtocolVersion::Mqtt5),
        (b"MQIsdp", _) => "MQTT 3.1 is not served, only 3.1.1 and 5".to_owned(),
        (b"MQTT", level) => format!("protocol level {level} is neither 4 (MQTT 3.1.1) nor 5"),
        (name, _) => format!("the protocol is called {}", quote(&String::from_utf8_lossy(name))),
    };
    Err(CodecError::new(ReasonCode::UnsupportedProtocolVersion, why))
}

mod connect_flags {
    pub(super) const RESERVED: u8 = 0x01;
    pub(super) const CLEAN_START: u8 = 0x02;
    pub(super) const WILL: u8 = 0x04;
    pub(super) const WILL_QOS: u8 = 0x18;
    pub(super) const WILL_RETAIN: u8 = 0x20;
    pub(super) const PASSWORD: u8 = 0x40;
    pub(super) const USERNAME: u8 = 0x80;
}

/// The rest of a CONNECT.
pub(super) fn connect(
    version: ProtocolVersion,
    body: &mut Reader<'_>,
) -> Result<Connect, CodecError> {
    let flags = body.u8()?;
    check_connect_flags(version, flags)?;
    let keep_alive_seconds = body.u16()?;
    let properties = match version {
        ProtocolVersion::Mqtt311 => ConnectProperties::default(),
        ProtocolVersion::Mqtt5 => connect_properties(body)?,
    };
    let client_id = ClientId::new(body.text()?);
    let clean_start = flags & connect_flags::CLEAN_START != 0;
    //= https://docs.oasis-open.org/mqtt/mqtt/v3.1.1/os/mqtt-v3.1.1-os.html
    //# MQTT-3.1.3-8: a session that is to last needs a client identifier
    if version == ProtocolVersion::Mqtt311 && client_id.as_str().is_empty() && !clean_start {
        let why = "an empty client identifier without clean session";
        return Err(CodecError::new(ReasonCode::ClientIdentifierNotValid, why));
    }
    let will = match flags & connect_flags::WILL {
        0 => None,
        _ => Some(will(version, flags, body)?),
    };
    let username = match flags & connect_flags::USERNAME {
        0 => None,
        _ => Some(body.text()?.to_owned()),
    };
    let password = match flags & connect_flags::PASSWORD {
        0 => None,
        _ => Some(body.binary_copy()?),
    };
    Ok(Connect {
        version,
        client_id,
        clean_start,
        keep_alive_seconds,
        username,
        password,
        will,
        properties,
    })
}

//= https://docs.oasis-open.org/mqtt/mqtt/v5.0/os/mqtt-v5.0-os.html
//# MQTT-3.1.2-3, -11, -12, -13: the reserved bit is 0, and only a will has a QoS and RETAIN
//= https://docs.oasis-open.org/mqtt/mqtt/v3.1.1/os/mqtt-v3.1.1-os.html
//# MQTT-3.1.2-22: no password without a user name
fn check_connect_flags(version: ProtocolVersion, flags: u8) -> Result<(), CodecError> {
    let has = |flag| flags & flag != 0;
    if has(connect_flags::RESERVED) {
        return Err(CodecError::malformed("the reserved connect flag is set"));
    }
    if !has(connect_flags::WILL) && has(connect_flags::WILL_QOS | connect_flags::WILL_RETAIN) {
        return Err(CodecError::malformed("a will QoS or will retain without a will"));
    }
    if flags & connect_flags::WILL_QOS == connect_flags::WILL_QOS {
        return Err(CodecError::malformed("will QoS 3"));
    }
    let nameless = has(connect_flags::PASSWORD) && !has(connect_flags::USERNAME);
    if version == ProtocolVersion::Mqtt311 && nameless {
        return Err(CodecError::malformed("a password without a user name"));
    }
    Ok(())
}

fn connect_properties(body: &mut Reader<'_>) -> Result<ConnectProperties, CodecError> {
    let mut list = ConnectProperties::default();
    properties::read(body, Place::CONNECT, |property| match property {
        Property::SessionExpiryInterval(seconds) => {
            list.session_expiry_interval_seconds = Some(seconds);
        }
        Property::ReceiveMaximum(maximum) => list.receive_maximum = maximum,
        Property::MaximumPacketSize(maximum) => list.maximum_packet_size = Some(maximum),
        Property::TopicAliasMaximum(maximum) => list.topic_alias_maximum = maximum,
        Property::RequestResponseInformation(wanted) => list.request_response_information = wanted,
        Property::RequestProblemInformation(wanted) => list.request_problem_information = wanted,
        Property::User(name, value) => {
            list.user_properties.push((name.to_owned(), value.to_owned()));
        }
        Property::AuthenticationMethod(method) => {
            list.authentication_method = Some(method.to_owned());
        }
        Property::AuthenticationData(data) => {
            list.authentication_data = Some(Bytes::copy_from_slice(data));
        }
        _ => {}
    })?;
    //= https://docs.oasis-open.org/mqtt/mqtt/v5.0/os/mqtt-v5.0-os.html
    //# 3.1.2.11.10: authentication data without a method is a protocol error
    if list.authentication_data.is_some() && list.authentication_method.is_none() {
        return Err(CodecError::protocol("authentication data without an authentication method"));
    }
    Ok(list)
}

fn will(version: ProtocolVersion, flags: u8, body: &mut Reader<'_>) -> Result<Will, CodecError> {
    let mut properties = MessageProperties::default();
    let mut delay_interval_seconds = None;
    if version == ProtocolVersion::Mqtt5 {
        properties::read(body, Place::WILL, |property| {
            if let Some(Property::WillDelayInterval(seconds)) = properties.take(property) {
                delay_interval_seconds = Some(seconds);
            }
        })?;
    }
    let topic = topic_name(body.text()?)?;
    let payload = body.binary_copy()?;
    let qos = Qos::from_bits((flags & connect_flags::WILL_QOS) >> 3)
        .ok_or_else(|| CodecError::malformed("will QoS 3"))?;
    let retain = flags & connect_flags::WILL_RETAIN != 0;
    Ok(Will { topic, payload, qos, retain, delay_interval_seconds, properties })
}
