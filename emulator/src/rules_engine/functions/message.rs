//! Functions that ask about the message: where it came from, who sent it, when.
//!
//! Truth: <https://docs.aws.amazon.com/iot/latest/developerguide/iot-sql-functions.html>.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use crate::json::{Json, Number, Object, Rounding};
use crate::names::hex;

use super::super::conversions;
use super::super::evaluate::Answer;
use super::{Call, text_answer};

fn no_arguments(call: &Call<'_>, answer: Option<Json>) -> Answer {
    Ok(if call.has(0) { answer } else { None })
}

pub(super) fn account_id(call: &Call<'_>) -> Answer {
    no_arguments(call, Some(call.evaluation.setting.account.as_str().into()))
}

//= https://docs.aws.amazon.com/iot/latest/developerguide/iot-sql-functions.html
//# `n/a` for a message that did not come over MQTT
pub(super) fn client_id(call: &Call<'_>) -> Answer {
    let client_id = call.evaluation.message.client_id.as_ref();
    no_arguments(call, Some(client_id.map_or("n/a", |client_id| client_id.as_str()).into()))
}

//= https://docs.aws.amazon.com/iot/latest/developerguide/iot-sql-functions.html
//# the certificate ID of a device, the identity of anybody else
pub(super) fn principal(call: &Call<'_>) -> Answer {
    no_arguments(call, call.evaluation.message.principal.as_deref().map(Json::from))
}

//= https://docs.aws.amazon.com/iot/latest/developerguide/iot-sql-functions.html
//# Undefined for a message that did not come over MQTT
pub(super) fn trace_id(call: &Call<'_>) -> Answer {
    let message = call.evaluation.message;
    let over_mqtt = message.client_id.is_some();
    no_arguments(call, over_mqtt.then(|| message.trace_id.as_str().into()))
}

pub(super) fn timestamp(call: &Call<'_>) -> Answer {
    no_arguments(call, Some(call.evaluation.message.now.milliseconds().into()))
}

pub(super) fn sql_version(call: &Call<'_>) -> Answer {
    no_arguments(call, Some(call.evaluation.version.name().into()))
}

pub(super) fn source_ip(call: &Call<'_>) -> Answer {
    let source_ip = call.evaluation.message.source_ip;
    no_arguments(call, source_ip.map(|source_ip| source_ip.to_string().into()))
}

pub(super) fn new_uuid(call: &Call<'_>) -> Answer {
    let (high, low) = (call.evaluation.random_bits(), call.evaluation.random_bits());
    // Version 4 and the variant of RFC 9562.
    let high = high & !0xf000 | 0x4000;
    let low = low & !(0b11 << 62) | (0b10 << 62);
    let digits = hex(&high.to_be_bytes()) + &hex(&low.to_be_bytes());
    let parts = [&digits[..8], &digits[8..12], &digits[12..16], &digits[16..20], &digits[20..]];
    no_arguments(call, Some(parts.join("-").into()))
}

//= https://docs.aws.amazon.com/iot/latest/developerguide/iot-sql-functions.html
//# the whole topic, or one of its levels counted from 1; Basic Ingest's prefix is not part of it
pub(super) fn topic(call: &Call<'_>) -> Answer {
    let topic = call.evaluation.setting.topic;
    if call.has(0) {
        return text_answer(topic);
    }
    if !call.has(1) {
        return Ok(None);
    }
    let level = call.number(0)?.map(|number| conversions::round(number, Rounding::Down));
    let Some(Number::Int(level)) = level else { return Ok(None) };
    let index = level.checked_sub(1).and_then(|index| usize::try_from(index).ok());
    Ok(index.and_then(|index| topic.split('/').nth(index)).map(Json::from))
}

//= https://docs.aws.amazon.com/iot/latest/developerguide/iot-sql-functions.html
//# four names; correlation data comes as base64; the format indicator always has a value
pub(super) fn mqtt_property(call: &Call<'_>) -> Answer {
    let properties = &call.evaluation.message.properties;
    let name = call.value(0)?;
    let name = name.as_ref().and_then(Json::as_str).filter(|_| call.has(1));
    Ok(match name {
        Some("content_type") => properties.content_type.as_deref().map(Json::from),
        Some("response_topic") => properties.response_topic.as_deref().map(Json::from),
        Some("correlation_data") => {
            properties.correlation_data.as_ref().map(|data| STANDARD.encode(data).into())
        }
        Some("format_indicator") if properties.payload_is_utf8 => Some("UTF8_DATA".into()),
        Some("format_indicator") => Some("UNSPECIFIED_BYTES".into()),
        _ => None,
    })
}

//= https://docs.aws.amazon.com/iot/latest/developerguide/iot-sql-functions.html
//# the values of one key, or all pairs each as an object; Undefined for a key that is not there
pub(super) fn user_properties(call: &Call<'_>) -> Answer {
    let properties = &call.evaluation.message.properties.user_properties;
    if call.has(0) {
        let pairs = properties.iter().map(|(key, value)| {
            Json::object(Object::from_iter([(key.as_str(), Json::from(value.as_str()))]))
        });
        return Ok(Some(Json::array(pairs.collect())));
    }
    let Some(key) = call.text(0)?.filter(|_| call.has(1)) else { return Ok(None) };
    let values = properties.iter().filter(|(name, _)| **name == *key);
    let values: Vec<Json> = values.map(|(_, value)| value.as_str().into()).collect();
    Ok(if values.is_empty() { None } else { Some(Json::array(values)) })
}
