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
use serde::Serialize;
use serde_json::Value;

use crate::errors::{ApiError, ErrorCode};
use crate::http::header::HeaderName;
use crate::http::{Method, Request, Response, response, set_header};
use crate::iot_core::{
    Absent, DirectMessageRequest, HttpCaller, HttpRefusal, IotCore, Page, PublishRequest, Sent,
    http_status,
};
use crate::message::{Properties, QoS, illegal_character};
use crate::names::{ClientId, TopicName};

const JSON: &str = "application/json";

// Read once: a name that comes as text is read and checked for each request.
static PAYLOAD_FORMAT: HeaderName = HeaderName::from_static("x-amz-mqtt5-payload-format-indicator");
static CORRELATION_DATA: HeaderName = HeaderName::from_static("x-amz-mqtt5-correlation-data");
static USER_PROPERTIES: HeaderName = HeaderName::from_static("x-amz-mqtt5-user-properties");
static REQUEST_ID: HeaderName = HeaderName::from_static("x-amzn-requestid");

/// An operation of the data endpoint, with what its path names.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Operation {
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

/// What an operation answers if it did what was asked.
enum Done {
    /// The words of a publish that was taken.
    Taken,
    /// Nothing but 200.
    Nothing,
    Output(Value),
}

/// Answers one request of `caller`; `trace_id` goes into header and body.
pub(crate) async fn answer(
    iot_core: &IotCore,
    caller: &HttpCaller,
    trace_id: &str,
    request: &Request,
) -> Response {
    let (method, path) = (&request.method, request.uri.path());
    let operation = Operation::of(method, path);
    let done = match operation {
        Ok(operation) => operation.run(iot_core, caller, request).await,
        Err(error) => Err(error.into()),
    };
    match done {
        //= https://docs.aws.amazon.com/iot/latest/developerguide/http.html
        //# a publish that was taken answers 200 with a message and a trace ID
        //? assumed: the word for a direct message, which is answered in the same form
        Ok(Done::Taken) => worded(200, None, "OK", trace_id),
        Ok(Done::Nothing) => identified(response(200, JSON, ""), trace_id),
        Ok(Done::Output(output)) => identified(response(200, JSON, output.to_string()), trace_id),
        Err(refusal) => {
            iot_core.note_http_failure(caller, event_type(method, path), path, &refusal);
            let answer = failure(&refusal.error, trace_id);
            if refusal.wordless { answer.map(|_body| Default::default()) } else { answer }
        }
    }
}

impl Operation {
    /// The operation that a method and a path name.
    fn of(method: &Method, path: &str) -> Result<Self, ApiError> {
        let known: Vec<(Method, Self)> = if let Some(topic) = path.strip_prefix("/topics/") {
            vec![(Method::POST, Self::Publish(topic_name(topic)?))]
        } else if matches!(path, "/retainedMessage" | "/retainedMessage/") {
            vec![(Method::GET, Self::ListRetainedMessages)]
        } else if let Some(topic) = path.strip_prefix("/retainedMessage/") {
            vec![(Method::GET, Self::GetRetainedMessage(topic_name(topic)?))]
        } else if let Some(rest) = path.strip_prefix("/connections/") {
            //= https://docs.aws.amazon.com/iot/latest/developerguide/mqtt.html
            //# a client ID is one encoded segment: `x/subscriptions` means the subscriptions of `x`
            match rest.split_once('/') {
                Some((client_id, "subscriptions")) => {
                    vec![(Method::GET, Self::ListSubscriptions(client_id_of(client_id)?))]
                }
                Some((client_id, "messages")) => {
                    vec![(Method::POST, Self::SendDirectMessage(client_id_of(client_id)?))]
                }
                Some(_) => Vec::new(),
                None => {
                    let client_id = client_id_of(rest)?;
                    vec![
                        (Method::GET, Self::GetConnection(client_id.clone())),
                        (Method::DELETE, Self::DeleteConnection(client_id)),
                    ]
                }
            }
        } else {
            absent_at(path)?
        };
        if let Some((_, operation)) = known.iter().find(|(known, _)| known == method) {
            return Ok(operation.clone());
        }
        if known.is_empty() {
            let message = format!("iot-emulator has no data-plane operation {method} {path}");
            return Err(ApiError::new(ErrorCode::UnknownOperationException, message));
        }
        Err(ApiError::new(ErrorCode::MethodNotAllowedException, "Method Not Allowed"))
    }

    async fn run(
        self,
        iot_core: &IotCore,
        caller: &HttpCaller,
        request: &Request,
    ) -> Result<Done, HttpRefusal> {
        let query = Query(request.query());
        match self {
            Self::Publish(topic) => {
                let publish = read_publish(topic, &query, request)?;
                iot_core.publish_over_http(caller, publish)?;
                Ok(Done::Taken)
            }
            Self::GetRetainedMessage(topic) => output(iot_core.retained_message(caller, topic)?),
            Self::ListRetainedMessages => {
                output(iot_core.retained_messages(caller, &query.page()?)?)
            }
            Self::DeleteConnection(client_id) => {
                let clean_session = query.flag("cleanSession")?;
                let prevent_will = query.flag("preventWillMessage")?;
                iot_core.delete_connection(caller, client_id, clean_session, prevent_will)?;
                Ok(Done::Nothing)
            }
            Self::GetConnection(client_id) => {
                let sockets = query.flag("includeSocketInformation")?;
                output(iot_core.connection(caller, client_id, sockets)?)
            }
            Self::ListSubscriptions(client_id) => {
                output(iot_core.subscriptions(caller, client_id, &query.page()?)?)
            }
            Self::SendDirectMessage(client_id) => {
                let message = read_direct_message(client_id, &query, request)?;
                if let Sent::Awaited(confirmation) =
                    iot_core.send_direct_message(caller, message)?
                {
                    confirmation.received().await?;
                }
                Ok(Done::Taken)
            }
            Self::Absent(absent) => {
                let absent = absent.with_shadow(query.value("name"));
                Err(iot_core.refuse_absent(caller, absent).into())
            }
        }
    }
}

//= https://docs.aws.amazon.com/iot/latest/developerguide/cwl-format.html
//# the eventType of each operation; that of the list of retained messages has no `s`
//? assumed: the word for a path that names no operation
/// What AWS's logs call a request that failed, even if it could not be read.
fn event_type(method: &Method, path: &str) -> &'static str {
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

fn output(output: impl Serialize) -> Result<Done, HttpRefusal> {
    let output = serde_json::to_value(output)
        .map_err(|error| ApiError::new(ErrorCode::InternalFailureException, error.to_string()))?;
    Ok(Done::Output(output))
}

//= https://thinbug.com/q/38594159
//# the error type ends in a colon, the body repeats the request ID as traceId
/// A refusal in the data endpoint's words.
pub(crate) fn failure(error: &ApiError, trace_id: &str) -> Response {
    worded(http_status(error.code()), Some(error.code().name()), error.message(), trace_id)
}

/// The body of an answer that is nothing but words.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Words<'a> {
    message: &'a str,
    trace_id: &'a str,
}

fn worded(status: u16, error: Option<&str>, message: &str, trace_id: &str) -> Response {
    let body = serde_json::to_vec(&Words { message, trace_id }).unwrap_or_default();
    let mut response = identified(response(status, JSON, body), trace_id);
    if let Some(error) = error {
        set_header(&mut response, "x-amzn-errortype", &format!("{error}:"));
    }
    response
}

fn identified(mut response: Response, trace_id: &str) -> Response {
    set_header(&mut response, &REQUEST_ID, trace_id);
    response
}

fn decoded(text: &str) -> Result<String, ApiError> {
    let decoded = percent_decode_str(text).decode_utf8();
    decoded.map(Into::into).map_err(|_| ApiError::invalid_request("the path is not UTF-8"))
}

/// What AWS has at a path, and nobody serves here, by method.
fn absent_at(path: &str) -> Result<Vec<(Method, Operation)>, ApiError> {
    let segments = path.split('/').skip(1).map(decoded);
    let segments = segments.collect::<Result<Vec<String>, ApiError>>()?;
    let known = Absent::at(&segments).filter_map(|absent| {
        let method = Method::from_bytes(absent.method().as_bytes()).ok()?;
        Some((method, Operation::Absent(absent)))
    });
    Ok(known.collect())
}

fn client_id_of(segment: &str) -> Result<ClientId, ApiError> {
    decoded(segment).map(ClientId::from)
}

//= https://docs.aws.amazon.com/iot/latest/developerguide/http.html
//# the topic as one encoded segment or with its slashes
fn topic_name(path: &str) -> Result<TopicName, ApiError> {
    let topic = decoded(path)?;
    if topic.is_empty() || topic.contains(['+', '#']) || !is_mqtt_text(&topic) {
        return Err(ApiError::invalid_request(format!("`{topic}` is not a topic name")));
    }
    Ok(TopicName::from(topic))
}

/// The decoded pairs of a query.
struct Query(Vec<(String, String)>);

impl Query {
    fn value(&self, name: &str) -> Option<&str> {
        self.0.iter().find(|(given, _)| given == name).map(|(_, value)| value.as_str())
    }

    /// A Boolean, false unless given.
    fn flag(&self, name: &str) -> Result<bool, ApiError> {
        //? assumed: in any case, since AWS's guide writes TRUE and its SDKs send true
        match self.value(name) {
            None => Ok(false),
            Some(text) => text.to_ascii_lowercase().parse().map_err(|_| bad(name, text)),
        }
    }

    fn page(&self) -> Result<Page, ApiError> {
        let max_results = self.value("maxResults");
        let max_results = max_results.map(|text| text.parse().map_err(|_| bad("maxResults", text)));
        let next_token = self.value("nextToken").map(str::to_owned);
        Ok(Page { next_token, max_results: max_results.transpose()? })
    }
}

//= https://docs.aws.amazon.com/iot/latest/developerguide/http.html
//# POST /topics/TOPIC?qos=…&retain=…
/// Reads a Publish: QoS, retain and the MQTT 5 properties.
fn read_publish(
    topic: TopicName,
    query: &Query,
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
fn read_direct_message(
    client_id: ClientId,
    query: &Query,
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
fn read_properties(query: &Query, request: &Request) -> Result<Option<Box<Properties>>, ApiError> {
    let properties = Properties {
        payload_is_utf8: payload_format(request)?,
        content_type: query.value("contentType").map(content_type).transpose()?,
        response_topic: query.value("responseTopic").map(response_topic).transpose()?,
        correlation_data: correlation_data(request)?,
        user_properties: user_properties(request)?,
    };
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
    if topic.is_empty() || topic.contains(['+', '#']) || !is_mqtt_text(topic) {
        return Err(bad("responseTopic", topic));
    }
    Ok(TopicName::new(topic))
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

/// A request with neither SigV4 nor a certificate.
//= https://thinbug.com/q/38594159
//# 443 without SigV4 answers 403 "Missing Authentication Token"
pub(crate) fn missing_authentication_token(trace_id: &str) -> Response {
    let error = ApiError::new(ErrorCode::ForbiddenException, "Missing Authentication Token");
    failure(&error, trace_id)
}

/// A request whose signature is none, or which asks for a WebSocket as nobody should.
//? assumed: the words, after those of an unsigned request
pub(crate) fn refused(status: u16, why: &str, trace_id: &str) -> Response {
    let code = match status {
        403 => ErrorCode::ForbiddenException,
        _ => ErrorCode::InvalidRequestException,
    };
    worded(status, Some(code.name()), why, trace_id)
}

/// What this room answers, as the table of the AWS API has to list it.
#[cfg(test)]
pub(crate) const NAMES: [&str; 7] = [
    "Publish",
    "GetRetainedMessage",
    "ListRetainedMessages",
    "DeleteConnection",
    "GetConnection",
    "ListSubscriptions",
    "SendDirectMessage",
];

/// The name of the operation that a method and a path name.
#[cfg(test)]
pub(crate) fn name_of(method: &str, path: &str) -> Option<String> {
    let method = Method::from_bytes(method.as_bytes()).ok()?;
    let operation = format!("{:?}", Operation::of(&method, path).ok()?);
    operation.split('(').next().map(str::to_owned)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::http::HeaderMap;
    use crate::quotas::USER_PROPERTIES_BYTES;

    fn request(uri: &str, headers: &[(&'static str, String)]) -> Request {
        let mut map = HeaderMap::new();
        for (name, value) in headers {
            map.insert(*name, value.parse().unwrap());
        }
        let (uri, body) = (uri.parse().unwrap(), "{}".into());
        Request { method: Method::POST, uri, headers: map, body }
    }

    fn publish(request: &Request) -> Result<PublishRequest, ApiError> {
        match Operation::of(&request.method, request.uri.path())? {
            Operation::Publish(topic) => read_publish(topic, &Query(request.query()), request),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn c22_a_method_and_a_path_name_an_operation() {
        use Operation::*;
        let table = [
            ("POST", "/topics/a/b", Ok(Publish("a/b".into()))),
            ("GET", "/topics/a", Err(405)),
            ("GET", "/retainedMessage", Ok(ListRetainedMessages)),
            ("GET", "/retainedMessage/a%2Fb", Ok(GetRetainedMessage("a/b".into()))),
            ("GET", "/retainedMessage/a/b", Ok(GetRetainedMessage("a/b".into()))),
            ("GET", "/retainedMessage/%2B", Err(400)),
            ("DELETE", "/retainedMessage/a", Err(405)),
            ("GET", "/connections/c", Ok(GetConnection("c".into()))),
            ("DELETE", "/connections/a%2Fb", Ok(DeleteConnection("a/b".into()))),
            ("POST", "/connections/c", Err(405)),
            ("GET", "/connections/c/subscriptions", Ok(ListSubscriptions("c".into()))),
            ("GET", "/connections/c%2Fsubscriptions", Ok(GetConnection("c/subscriptions".into()))),
            ("DELETE", "/connections/c/subscriptions", Err(405)),
            ("POST", "/connections/c/messages", Ok(SendDirectMessage("c".into()))),
            ("POST", "/connections/a%2Fb/messages", Ok(SendDirectMessage("a/b".into()))),
            ("GET", "/connections/c/messages", Err(405)),
            ("POST", "/connections/c/letters", Err(404)),
            ("PUT", "/things/T/shadow", Err(405)),
            ("GET", "/things//shadow", Err(404)),
            ("PUT", "/things/T/jobs/j", Err(405)),
            ("GET", "/connections/%ff", Err(400)),
            ("GET", "/", Err(404)),
            ("GET", "/topics", Err(404)),
        ];
        for (method, path, expected) in table {
            let method = Method::from_bytes(method.as_bytes()).unwrap();
            let found = Operation::of(&method, path).map_err(|error| error.code().status());
            assert_eq!(found, expected, "{method} {path}");
        }
    }

    #[test]
    fn c22_a_failure_is_traced_under_the_name_of_its_operation() {
        let table = [
            ("POST", "/topics/%2B", "Publish-In"),
            ("GET", "/retainedMessage", "ListRetainedMessage"),
            ("GET", "/retainedMessage/+", "GetRetainedMessage"),
            ("GET", "/connections/%ff", "GetConnection"),
            ("DELETE", "/connections/x", "DeleteConnection"),
            ("GET", "/connections/x/subscriptions", "ListSubscriptions"),
            ("POST", "/connections/%ff/messages", "SendDirectMessage"),
            ("GET", "/things/T/shadow", "GetThingShadow"),
            ("PUT", "/things/T/jobs/%24next", "StartNextPendingJobExecution"),
            ("GET", "/elsewhere", "DataPlaneRequest"),
        ];
        for (method, path, expected) in table {
            let method = Method::from_bytes(method.as_bytes()).unwrap();
            assert_eq!(event_type(&method, path), expected, "{method} {path}");
        }
    }

    #[test]
    fn c22_a_query_that_cannot_be_is_refused() {
        let query = |text: &str| Query(request(&format!("/?{text}"), &[]).query());
        assert_eq!(query("cleanSession=TRUE").flag("cleanSession"), Ok(true));
        assert_eq!(query("").flag("cleanSession"), Ok(false));
        assert!(query("cleanSession=1").flag("cleanSession").is_err());
        let page = Page { next_token: Some("x y".to_owned()), max_results: Some(7) };
        assert_eq!(query("maxResults=7&nextToken=x%20y").page(), Ok(page));
        assert!(query("maxResults=many").page().is_err());
    }

    #[test]
    fn c20_a_topic_comes_encoded_or_with_its_slashes() {
        for uri in ["/topics/jitr/start?qos=1", "/topics/jitr%2Fstart?qos=1&retain=false"] {
            let publish = publish(&request(uri, &[])).unwrap();
            assert_eq!(publish.topic.as_str(), "jitr/start");
            assert_eq!(publish.qos, Some(QoS::AtLeastOnce));
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
            "/topics/a?messageExpiry=-1",
            "/topics/a?contentType=%00",
            "/topics/a%EF%BF%BF",
            "/topics/a?responseTopic=%23",
        ] {
            assert!(publish(&request(uri, &[])).is_err(), "{uri}");
        }
    }

    #[test]
    fn c20_user_properties_travel_as_aws_sdks_send_them() {
        let pairs = json!([{ "deviceName": "alpha" }, { "deviceCnt": "45" }]);
        for json in [Value::String(pairs.to_string()), pairs] {
            let header = STANDARD.encode(json.to_string());
            let publish =
                publish(&request("/topics/a", &[("x-amz-mqtt5-user-properties", header)]));
            let expected = [("deviceName", "alpha"), ("deviceCnt", "45")];
            let expected = expected.map(|(name, value)| (name.to_owned(), value.to_owned()));
            assert_eq!(publish.unwrap().properties.unwrap().user_properties, expected);
        }
    }

    /// The quota is of names and values, whatever JSON and base64 make of them.
    #[test]
    fn c20_c46_eight_kilobytes_of_user_properties_can_be_read() {
        let value = "\"".repeat(USER_PROPERTIES_BYTES - 1);
        let pairs = json!([{ "n": value }]).to_string();
        let header = STANDARD.encode(Value::String(pairs).to_string());
        let publish = publish(&request("/topics/a", &[("x-amz-mqtt5-user-properties", header)]));
        assert_eq!(publish.unwrap().properties.unwrap().user_properties, [("n".to_owned(), value)]);
    }

    #[test]
    fn c20_c45_an_expiry_is_as_long_as_it_can_be() {
        for (text, expected) in [("0", 0), ("100", 100), ("99999999999", u32::MAX)] {
            let uri = format!("/topics/a?messageExpiry={text}");
            assert_eq!(publish(&request(&uri, &[])).unwrap().expiry_seconds, Some(expected));
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
                let _read_or_refused = publish(&Request { method, uri, headers, body });
            }
        }
    }
}
