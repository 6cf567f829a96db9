//! The HTTP operations of the data endpoint, the same behind each of its doors: mutual TLS on 8443,
//! ALPN on 443, SigV4 on the API port.
//!
//! It reads a request and words an answer. Who asks is known when it is called; whether they may
//! is decided by `IotCore`.
//! Truth: <https://docs.aws.amazon.com/iot/latest/developerguide/http.html> and botocore's
//! `iot-data` model.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use percent_encoding::percent_decode_str;
use serde_json::{Map, Value};

use crate::errors::{ApiError, ErrorCode};
use crate::http::{Method, Request, Response, response, set_header};
use crate::iot_core::{HttpCaller, HttpPublish, IotCore};
use crate::message::{Properties, QoS};
use crate::names::TopicName;
use crate::quotas::{CORRELATION_DATA_BYTES, USER_PROPERTIES_BYTES};

/// Answers one request of `caller`; `trace_id` goes into header and body.
pub(crate) fn answer(
    iot_core: &IotCore,
    caller: &HttpCaller,
    trace_id: &str,
    request: &Request,
) -> Response {
    let done = match (request.uri.path(), &request.method) {
        (path, &Method::POST) if path.starts_with("/topics/") => publish(iot_core, caller, request),
        (path, _) if path.starts_with("/topics/") => {
            Err(ApiError::new(ErrorCode::MethodNotAllowedException, "Method Not Allowed"))
        }
        (path, method) => {
            let message = format!("iot-emulator has no data-plane operation {method} {path}");
            Err(ApiError::new(ErrorCode::UnknownOperationException, message))
        }
    };
    match done {
        //= https://docs.aws.amazon.com/iot/latest/developerguide/http.html
        //# a publish that was taken answers 200 with a message and a trace ID
        Ok(()) => worded(200, None, "OK", trace_id),
        Err(error) => {
            iot_core.note_http_failure(caller, request.uri.path(), &error);
            failure(&error, trace_id)
        }
    }
}

//= https://thinbug.com/q/38594159
//# the error type ends in a colon, the body repeats the request ID as traceId
/// A refusal in the data endpoint's words.
pub(crate) fn failure(error: &ApiError, trace_id: &str) -> Response {
    worded(error.code().status(), Some(error.code().name()), error.message(), trace_id)
}

fn worded(status: u16, error: Option<&str>, message: &str, trace_id: &str) -> Response {
    let mut body = Map::new();
    body.insert("message".to_owned(), message.into());
    body.insert("traceId".to_owned(), trace_id.into());
    let mut response = response(status, "application/json", Value::Object(body).to_string());
    set_header(&mut response, "x-amzn-requestid", trace_id);
    if let Some(error) = error {
        set_header(&mut response, "x-amzn-errortype", &format!("{error}:"));
    }
    response
}

fn publish(iot_core: &IotCore, caller: &HttpCaller, request: &Request) -> Result<(), ApiError> {
    iot_core.publish_over_http(caller, read_publish(request)?)
}

//= https://docs.aws.amazon.com/iot/latest/developerguide/http.html
//# POST /topics/TOPIC?qos=…&retain=…; the topic as one encoded segment or with its slashes
/// Reads a Publish: topic, QoS, retain and the MQTT 5 properties.
pub(crate) fn read_publish(request: &Request) -> Result<HttpPublish, ApiError> {
    let path = request.uri.path().strip_prefix("/topics/").unwrap_or_default();
    let topic = percent_decode_str(path)
        .decode_utf8()
        .map_err(|_| ApiError::invalid_request("the topic is not UTF-8"))?;
    if topic.is_empty() || topic.contains(['+', '#', '\0']) {
        return Err(ApiError::invalid_request(format!("`{topic}` is not a topic name")));
    }
    let query = request.query();
    let value = |name: &str| query.iter().find(|(given, _)| given == name).map(|(_, value)| value);
    let qos = match value("qos").map(String::as_str) {
        None | Some("0") => QoS::AtMostOnce,
        Some("1") => QoS::AtLeastOnce,
        Some(other) => return Err(bad("qos", other)),
    };
    let retain = match value("retain").map(String::as_str) {
        None | Some("false") => false,
        Some("true") => true,
        Some(other) => return Err(bad("retain", other)),
    };
    let expiry =
        value("messageExpiry").map(|text| text.parse().map_err(|_| bad("messageExpiry", text)));
    let properties = Properties {
        payload_is_utf8: payload_format(request)?,
        content_type: value("contentType").cloned(),
        response_topic: value("responseTopic").map(|topic| response_topic(topic)).transpose()?,
        correlation_data: correlation_data(request)?,
        user_properties: user_properties(request)?,
    };
    let (topic, payload) = (TopicName::new(&topic), request.body.clone());
    let expiry_seconds = expiry.transpose()?;
    Ok(HttpPublish { topic, payload, qos, retain, expiry_seconds, properties })
}

fn bad(name: &str, value: &str) -> ApiError {
    ApiError::invalid_request(format!("Value '{value}' at '{name}' is not valid"))
}

fn response_topic(topic: &str) -> Result<TopicName, ApiError> {
    if topic.is_empty() || topic.contains(['+', '#', '\0']) {
        return Err(bad("responseTopic", topic));
    }
    Ok(TopicName::new(topic))
}

fn payload_format(request: &Request) -> Result<Option<bool>, ApiError> {
    match request.header("x-amz-mqtt5-payload-format-indicator") {
        None => Ok(None),
        Some("UNSPECIFIED_BYTES") => Ok(Some(false)),
        Some("UTF8_DATA") => Ok(Some(true)),
        Some(other) => Err(bad("payloadFormatIndicator", other)),
    }
}

fn correlation_data(request: &Request) -> Result<Option<bytes::Bytes>, ApiError> {
    let Some(text) = request.header("x-amz-mqtt5-correlation-data") else { return Ok(None) };
    match STANDARD.decode(text) {
        Ok(data) if data.len() <= CORRELATION_DATA_BYTES => Ok(Some(data.into())),
        _ => Err(bad("correlationData", text)),
    }
}

//= https://github.com/boto/botocore/tree/develop/botocore/data/iot-data/2015-05-28
//# a base64 JSON string that holds an array of objects with one member each
fn user_properties(request: &Request) -> Result<Vec<(String, String)>, ApiError> {
    let Some(text) = request.header("x-amz-mqtt5-user-properties") else { return Ok(Vec::new()) };
    let refused = || bad("userProperties", text);
    let decoded = STANDARD.decode(text).map_err(|_| refused())?;
    if decoded.len() > USER_PROPERTIES_BYTES {
        return Err(refused());
    }
    let decoded: Value = serde_json::from_slice(&decoded).map_err(|_| refused())?;
    let inner = match decoded {
        Value::String(text) => serde_json::from_str(&text).map_err(|_| refused())?,
        other => other,
    };
    let pairs = inner.as_array().ok_or_else(refused)?.iter().map(|pair| {
        let mut members = pair.as_object()?.iter();
        let (name, value) = members.next()?;
        let value = value.as_str()?;
        members.next().is_none().then(|| (name.clone(), value.to_owned()))
    });
    pairs.map(|pair| pair.ok_or_else(refused)).collect()
}

/// A request with neither SigV4 nor a certificate.
//= https://thinbug.com/q/38594159
//# 443 without SigV4 answers 403 "Missing Authentication Token"
pub(crate) fn missing_authentication_token(trace_id: &str) -> Response {
    let error = ApiError::new(ErrorCode::ForbiddenException, "Missing Authentication Token");
    failure(&error, trace_id)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::http::HeaderMap;

    fn request(uri: &str, headers: &[(&'static str, String)]) -> Request {
        let mut map = HeaderMap::new();
        for (name, value) in headers {
            map.insert(*name, value.parse().unwrap());
        }
        let (uri, body) = (uri.parse().unwrap(), "{}".into());
        Request { method: Method::POST, uri, headers: map, body }
    }

    #[test]
    fn c20_a_topic_comes_encoded_or_with_its_slashes() {
        for uri in ["/topics/jitr/start?qos=1", "/topics/jitr%2Fstart?qos=1&retain=false"] {
            let publish = read_publish(&request(uri, &[])).unwrap();
            assert_eq!(publish.topic.as_str(), "jitr/start");
            assert_eq!(publish.qos, QoS::AtLeastOnce);
            assert!(!publish.retain);
        }
    }

    #[test]
    fn c20_a_publish_that_cannot_be_is_refused() {
        for uri in [
            "/topics/",
            "/topics/a%2B",
            "/topics/a?qos=2",
            "/topics/a?retain=yes",
            "/topics/%ff",
            "/topics/a?messageExpiry=soon",
            "/topics/a?responseTopic=%23",
        ] {
            assert!(read_publish(&request(uri, &[])).is_err(), "{uri}");
        }
    }

    #[test]
    fn c20_user_properties_travel_as_aws_sdks_send_them() {
        let pairs = json!([{ "deviceName": "alpha" }, { "deviceCnt": "45" }]);
        for json in [Value::String(pairs.to_string()), pairs] {
            let header = STANDARD.encode(json.to_string());
            let publish =
                read_publish(&request("/topics/a", &[("x-amz-mqtt5-user-properties", header)]));
            let expected = [("deviceName", "alpha"), ("deviceCnt", "45")];
            let expected = expected.map(|(name, value)| (name.to_owned(), value.to_owned()));
            assert_eq!(publish.unwrap().properties.user_properties, expected);
        }
    }

    proptest::proptest! {
        #[test]
        fn no_request_is_too_odd_to_be_read(
            path in "/topics/[ -~]{0,40}",
            name in "x-amz-mqtt5-(user-properties|correlation-data|payload-format-indicator)",
            value in "[ -~]{0,60}",
        ) {
            if let Ok(uri) = path.parse() {
                let mut headers = HeaderMap::new();
                let name = crate::http::header::HeaderName::from_bytes(name.as_bytes()).unwrap();
                headers.insert(name, value.parse().unwrap());
                let (method, body) = (Method::POST, Default::default());
                let _read_or_refused = read_publish(&Request { method, uri, headers, body });
            }
        }
    }
}
