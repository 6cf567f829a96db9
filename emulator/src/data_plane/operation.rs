//! Which operation a method and a path name.
//!
//! Truth: botocore's `iot-data` model, and `absent.rs` for what nobody serves here.

use std::borrow::Cow;

use percent_encoding::percent_decode_str;

use crate::errors::{ApiError, ErrorCode};
use crate::http::Method;
use crate::iot_core::Absent;
use crate::message::illegal_character;
use crate::names::{ClientId, TopicName};

/// An operation of the data endpoint, with what its path names.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Operation {
    Publish(TopicName),
    GetRetainedMessage(TopicName),
    ListRetainedMessages,
    DeleteConnection(ClientId),
    GetConnection(ClientId),
    ListSubscriptions(ClientId),
    SendDirectMessage(ClientId),
    /// Nobody serves it.
    Absent(Absent),
}

impl Operation {
    /// The operation that a method and a path name.
    pub(super) fn of(method: &Method, path: &str) -> Result<Self, ApiError> {
        let named = |operation: Self, by: Method| (*method == by).then_some(operation);
        let found = if let Some(topic) = path.strip_prefix("/topics/") {
            named(Self::Publish(topic_name(topic)?), Method::POST)
        } else if matches!(path, "/retainedMessage" | "/retainedMessage/") {
            named(Self::ListRetainedMessages, Method::GET)
        } else if let Some(topic) = path.strip_prefix("/retainedMessage/") {
            named(Self::GetRetainedMessage(topic_name(topic)?), Method::GET)
        } else if let Some(rest) = path.strip_prefix("/connections/") {
            //= https://docs.aws.amazon.com/iot/latest/developerguide/mqtt.html
            //# a client ID is one encoded segment: `x/subscriptions` means the subscriptions of `x`
            match rest.split_once('/') {
                Some((client_id, "subscriptions")) => {
                    named(Self::ListSubscriptions(client_id_of(client_id)?), Method::GET)
                }
                Some((client_id, "messages")) => {
                    named(Self::SendDirectMessage(client_id_of(client_id)?), Method::POST)
                }
                Some(_) => return Err(nothing_at(method, path)),
                None => match *method {
                    Method::GET => Some(Self::GetConnection(client_id_of(rest)?)),
                    Method::DELETE => Some(Self::DeleteConnection(client_id_of(rest)?)),
                    _ => None,
                },
            }
        } else {
            absent(method, path)?
        };
        found.ok_or_else(|| {
            ApiError::new(ErrorCode::MethodNotAllowedException, "Method Not Allowed")
        })
    }
}

fn nothing_at(method: &Method, path: &str) -> ApiError {
    let message = format!("iot-emulator has no data-plane operation {method} {path}");
    ApiError::new(ErrorCode::UnknownOperationException, message)
}

/// What AWS has at a path, and nobody serves here; `None` if it has another method.
fn absent(method: &Method, path: &str) -> Result<Option<Operation>, ApiError> {
    let segments = path.split('/').skip(1).map(|segment| decoded(segment).map(Cow::into_owned));
    let segments = segments.collect::<Result<Vec<String>, ApiError>>()?;
    let mut known = Absent::at(&segments).peekable();
    if known.peek().is_none() {
        return Err(nothing_at(method, path));
    }
    let found = known.find(|absent| absent.method() == method.as_str());
    Ok(found.map(Operation::Absent))
}

fn decoded(text: &str) -> Result<Cow<'_, str>, ApiError> {
    if !text.contains('%') {
        return Ok(Cow::Borrowed(text));
    }
    let decoded = percent_decode_str(text).decode_utf8();
    decoded.map_err(|_| ApiError::invalid_request("the path is not UTF-8"))
}

fn client_id_of(segment: &str) -> Result<ClientId, ApiError> {
    decoded(segment).map(|client_id| ClientId::new(&client_id))
}

//= https://docs.aws.amazon.com/iot/latest/developerguide/http.html
//# the topic as one encoded segment or with its slashes
fn topic_name(path: &str) -> Result<TopicName, ApiError> {
    let topic = decoded(path)?;
    if !is_topic_name(&topic) {
        return Err(ApiError::invalid_request(format!("`{topic}` is not a topic name")));
    }
    Ok(TopicName::new(&topic))
}

/// Whether MQTT clients can be told of `topic`.
pub(super) fn is_topic_name(topic: &str) -> bool {
    let wildcard = topic.bytes().any(|byte| matches!(byte, b'+' | b'#'));
    !topic.is_empty() && !wildcard && illegal_character(topic).is_none()
}

//= https://docs.aws.amazon.com/iot/latest/developerguide/cwl-format.html
//# the eventType of each operation; that of the list of retained messages has no `s`
//? assumed: the word for a path that names no operation
/// What AWS's logs call a request that failed, even if it could not be read.
pub(super) fn event_type(method: &Method, path: &str) -> &'static str {
    match path.split('/').nth(1) {
        Some("topics") => "Publish-In",
        Some("retainedMessage") if path.trim_end_matches('/') == "/retainedMessage" => {
            "ListRetainedMessage"
        }
        Some("retainedMessage") => "GetRetainedMessage",
        Some("connections") if path.ends_with("/subscriptions") => "ListSubscriptions",
        Some("connections") if path.ends_with("/messages") => "SendDirectMessage",
        Some("connections") if method == Method::DELETE => "DeleteConnection",
        Some("connections") => "GetConnection",
        _ => match Operation::of(method, path) {
            Ok(Operation::Absent(absent)) => absent.name(),
            _ => "DataPlaneRequest",
        },
    }
}
