//! What a request is read as, and what is refused.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::json;

use super::operation::event_type;
use super::*;
use crate::http::{HeaderMap, Method};
use crate::iot_core::{Page, PublishRequest};
use crate::message::QoS;
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
        Operation::Publish(topic) => read_publish(topic, &Query::of(request), request),
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
    let asked = |text: &str| request(&format!("/?{text}"), &[]);
    let clean_session = |text: &str| Query::of(&asked(text)).flag("cleanSession");
    assert_eq!(clean_session("cleanSession=TRUE"), Ok(true));
    assert_eq!(clean_session(""), Ok(false));
    assert!(clean_session("cleanSession=1").is_err());
    let page = Page { next_token: Some("x y".to_owned()), max_results: Some(7) };
    assert_eq!(Query::of(&asked("maxResults=7&nextToken=x%20y")).page(), Ok(page));
    assert!(Query::of(&asked("maxResults=many")).page().is_err());
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
        let publish = publish(&request("/topics/a", &[("x-amz-mqtt5-user-properties", header)]));
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
