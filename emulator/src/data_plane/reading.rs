//! What a request asks for beside its path: parameters of the query, and MQTT 5's properties.

use std::borrow::Cow;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::Value;

use super::operation::is_topic_name;
use crate::errors::ApiError;
use crate::http::Request;
use crate::http::header::HeaderName;
use crate::iot_core::{DirectMessageRequest, Page, PublishRequest};
use crate::message::{Properties, QoS, illegal_character};
use crate::names::{ClientId, TopicName};

// Read once: a name that comes as text is read and checked for each request.
static PAYLOAD_FORMAT: HeaderName = HeaderName::from_static("x-amz-mqtt5-payload-format-indicator");
static CORRELATION_DATA: HeaderName = HeaderName::from_static("x-amz-mqtt5-correlation-data");
static USER_PROPERTIES: HeaderName = HeaderName::from_static("x-amz-mqtt5-user-properties");

/// How the name of each header begins that has a property of MQTT 5.
const MQTT5_HEADERS: &str = "x-amz-mqtt5-";

/// The decoded pairs of a query.
pub(super) struct Query<'a>(Vec<(Cow<'a, str>, Cow<'a, str>)>);

impl<'a> Query<'a> {
    pub(super) fn of(request: &'a Request) -> Self {
        Self(request.query())
    }

    pub(super) fn value(&self, name: &str) -> Option<&str> {
        self.0.iter().find(|(given, _)| given == name).map(|(_, value)| value.as_ref())
    }

    /// A Boolean, false unless given.
    pub(super) fn flag(&self, name: &str) -> Result<bool, ApiError> {
        //? assumed: in any case, since AWS's guide writes TRUE and its SDKs send true
        match self.value(name) {
            None => Ok(false),
            Some(text) => text.to_ascii_lowercase().parse().map_err(|_| bad(name, text)),
        }
    }

    pub(super) fn page(&self) -> Result<Page, ApiError> {
        let max_results = self.value("maxResults");
        let max_results = max_results.map(|text| text.parse().map_err(|_| bad("maxResults", text)));
        let next_token = self.value("nextToken").map(str::to_owned);
        Ok(Page { next_token, max_results: max_results.transpose()? })
    }
}

//= https://docs.aws.amazon.com/iot/latest/developerguide/http.html
//# POST /topics/TOPIC?qos=…&retain=…
/// Reads a Publish: QoS, retain and the MQTT 5 properties.
pub(super) fn read_publish(
    topic: TopicName,
    query: &Query<'_>,
    request: &Request,
) -> Result<PublishRequest, ApiError> {
    let qos = match query.value("qos") {
        None | Some("0") => Some(QoS::AtMostOnce),
        Some("1") => Some(QoS::AtLeastOnce),
        Some(other) => return Err(bad("qos", other)),
    };
    let retain = query.flag("retain")?;
    let expiry_seconds = query.value("messageExpiry").map(message_expiry).transpose()?;
    let properties = read_properties(query, request)?;
    let payload = request.body.clone();
    Ok(PublishRequest { topic, payload, qos, retain, expiry_seconds, properties })
}

//= https://docs.aws.amazon.com/iot/latest/apireference/API_iotdata_SendDirectMessage.html
//# POST /connections/CLIENT_ID/messages?topic=…&confirmation=…&timeout=…
/// Reads a direct message; what its parameters may be is decided where it is sent.
pub(super) fn read_direct_message(
    client_id: ClientId,
    query: &Query<'_>,
    request: &Request,
) -> Result<DirectMessageRequest, ApiError> {
    let value = |name: &str| query.value(name).map(str::to_owned);
    Ok(DirectMessageRequest {
        client_id,
        topic: value("topic"),
        confirmation: value("confirmation"),
        timeout: value("timeout"),
        payload: request.body.clone(),
        properties: read_properties(query, request)?,
    })
}

/// Reads the MQTT 5 properties of a message.
fn read_properties(
    query: &Query<'_>,
    request: &Request,
) -> Result<Option<Box<Properties>>, ApiError> {
    let mut properties = Properties {
        content_type: query.value("contentType").map(content_type).transpose()?,
        response_topic: query.value("responseTopic").map(response_topic).transpose()?,
        ..Properties::default()
    };
    // One look at the names costs less than to ask for three of them.
    if request.headers.keys().any(|name| name.as_str().starts_with(MQTT5_HEADERS)) {
        properties.payload_is_utf8 = payload_format(request)?;
        properties.correlation_data = correlation_data(request)?;
        properties.user_properties = user_properties(request)?;
    }
    Ok(properties.boxed())
}

fn bad(name: &str, value: &str) -> ApiError {
    ApiError::invalid_request(format!("Value '{value}' at '{name}' is not valid"))
}

//= https://github.com/boto/botocore/tree/develop/botocore/data/iot-data/2015-05-28
//# messageExpiry is a long; above the quota it counts as the quota
fn message_expiry(text: &str) -> Result<u32, ApiError> {
    let seconds: i64 = text.parse().map_err(|_| bad("messageExpiry", text))?;
    let in_range = u32::try_from(seconds.min(i64::from(u32::MAX)));
    in_range.map_err(|_negative| bad("messageExpiry", text))
}

/// Whether `text` can go on to MQTT clients.
fn is_mqtt_text(text: &str) -> bool {
    illegal_character(text).is_none()
}

fn content_type(text: &str) -> Result<String, ApiError> {
    if is_mqtt_text(text) { Ok(text.to_owned()) } else { Err(bad("contentType", text)) }
}

fn response_topic(topic: &str) -> Result<TopicName, ApiError> {
    if is_topic_name(topic) { Ok(TopicName::new(topic)) } else { Err(bad("responseTopic", topic)) }
}

fn payload_format(request: &Request) -> Result<Option<bool>, ApiError> {
    match request.header(&PAYLOAD_FORMAT) {
        None => Ok(None),
        Some("UNSPECIFIED_BYTES") => Ok(Some(false)),
        Some("UTF8_DATA") => Ok(Some(true)),
        Some(other) => Err(bad("payloadFormatIndicator", other)),
    }
}

fn correlation_data(request: &Request) -> Result<Option<bytes::Bytes>, ApiError> {
    let Some(text) = request.header(&CORRELATION_DATA) else { return Ok(None) };
    let data = STANDARD.decode(text).map_err(|_| bad("correlationData", text))?;
    Ok(Some(data.into()))
}

//= https://github.com/boto/botocore/tree/develop/botocore/data/iot-data/2015-05-28
//# a base64 JSON string that holds an array of objects with one member each
fn user_properties(request: &Request) -> Result<Vec<(String, String)>, ApiError> {
    let Some(text) = request.header(&USER_PROPERTIES) else { return Ok(Vec::new()) };
    let refused = || bad("userProperties", text);
    let decoded = STANDARD.decode(text).map_err(|_| refused())?;
    let decoded: Value = serde_json::from_slice(&decoded).map_err(|_| refused())?;
    let inner = match decoded {
        Value::String(text) => serde_json::from_str(&text).map_err(|_| refused())?,
        other => other,
    };
    let pairs = inner.as_array().ok_or_else(refused)?.iter().map(|pair| {
        let mut members = pair.as_object()?.iter();
        let (name, value) = members.next()?;
        let value = value.as_str()?;
        let sole = members.next().is_none() && is_mqtt_text(name) && is_mqtt_text(value);
        sole.then(|| (name.clone(), value.to_owned()))
    });
    pairs.map(|pair| pair.ok_or_else(refused)).collect()
}
