//! The AWS API byte by byte, where an SDK hides what it got: headers, error bodies, timestamps,
//! pages, empty bodies, bodies that are no object or have the wrong types.
//!
//! What each operation answers by its model is judged by `oracle.rs`.
//! Truth: <https://smithy.io/2.0/aws/protocols/aws-restjson1-protocol.html>.

use iot_emulator::Emulator;
use serde_json::{Value, json};

use crate::common::raw_api;

const INVALID: &str = "InvalidRequestException";

/// An answer of the API port.
struct Answer {
    text: String,
    status: u16,
    head: String,
    body: String,
}

impl Answer {
    fn header(&self, name: &str) -> Option<&str> {
        let mut lines = self.head.lines().filter_map(|line| line.split_once(": "));
        lines.find(|(key, _)| key.eq_ignore_ascii_case(name)).map(|(_, value)| value)
    }

    #[track_caller]
    fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_else(|error| panic!("{error}: {}", self.text))
    }

    /// Checks that it is this exception, in the header and in the body, and answers its message.
    #[track_caller]
    fn refuses(&self, status: u16, exception: &str) -> String {
        assert_eq!(self.status, status, "{}", self.text);
        assert_eq!(self.header("x-amzn-errortype"), Some(exception), "{}", self.text);
        assert_eq!(self.header("content-type"), Some("application/json"), "{}", self.text);
        let body = self.json();
        assert_eq!(body["__type"], exception, "{}", self.text);
        body["message"].as_str().expect("a message").to_owned()
    }
}

fn ask(emulator: &Emulator, request: &str, headers: &str, body: &str) -> Answer {
    let length = body.len();
    let text = raw_api(
        emulator,
        format!(
            "{request} HTTP/1.1\r\nHost: localhost\r\nAuthorization: AWS4-HMAC-SHA256 \
             Credential=000000000000/20260101/us-east-1/iot/aws4_request, SignedHeaders=host, \
             Signature=0\r\n{headers}Content-Length: {length}\r\nConnection: close\r\n\r\n{body}"
        )
        .as_bytes(),
    );
    let (head, body) = text.split_once("\r\n\r\n").expect("an HTTP answer");
    let status = head.split(' ').nth(1).and_then(|status| status.parse().ok());
    let (status, head, body) = (status.expect("a status"), head.to_owned(), body.to_owned());
    Answer { status, head, body, text }
}

#[test]
fn wp_1_an_error_is_named_in_a_header_and_told_in_the_body() {
    let emulator = Emulator::start();
    let missing = ask(&emulator, "GET /things/nobody", "", "");
    missing.refuses(404, "ResourceNotFoundException");
    assert!(ask(&emulator, "POST /things/sensor", "", "").status == 200);
    let other = r#"{"attributePayload":{"attributes":{"a":"b"}}}"#;
    let exists = ask(&emulator, "POST /things/sensor", "", other);
    exists.refuses(409, "ResourceAlreadyExistsException");
    let arn = "arn:aws:iot:us-east-1:000000000000:thing/sensor";
    assert_eq!(exists.json()["resourceArn"], arn);
    assert!(exists.json()["resourceId"].is_string(), "{}", exists.text);
    let unknown = ask(&emulator, "GET /no/such/path", "", "");
    let message = unknown.refuses(404, "UnknownOperationException");
    assert!(message.contains("GET /no/such/path"), "{message}");
}

#[test]
fn wp_2_every_answer_has_a_request_id_of_its_own() {
    let emulator = Emulator::start();
    let mut ids = Vec::new();
    for request in ["GET /things", "GET /things", "GET /things/nobody", "GET /no/such/path"] {
        let answer = ask(&emulator, request, "", "");
        let id = answer.header("x-amzn-requestid").expect("a request ID").to_owned();
        let form: Vec<_> = id.split('-').map(str::len).collect();
        assert_eq!(form, [8, 4, 4, 4, 12], "{id}");
        ids.push(id);
    }
    ids.sort_unstable();
    ids.dedup();
    assert_eq!(ids.len(), 4, "{ids:?}");
}

#[test]
fn wp_3_an_operation_without_output_answers_with_an_empty_body() {
    let emulator = Emulator::start();
    let made = ask(&emulator, "POST /keys-and-certificate?setAsActive=true", "", "").json();
    let (id, arn) = (made["certificateId"].as_str(), made["certificateArn"].as_str());
    let (id, arn) = (id.expect("an ID"), arn.expect("an ARN"));
    assert_eq!(ask(&emulator, "POST /things/sensor", "", "").status, 200);
    let principal = format!("x-amzn-principal: {arn}\r\n");
    let update = format!("PUT /certificates/{id}?newStatus=INACTIVE");
    for (request, headers) in
        [("PUT /things/sensor/principals", principal.as_str()), (update.as_str(), "")]
    {
        let answer = ask(&emulator, request, headers, "");
        assert_eq!((answer.status, answer.body.as_str()), (200, ""), "{}", answer.text);
        assert_eq!(answer.header("content-length"), Some("0"), "{}", answer.text);
    }
}

#[test]
fn pt_33_an_update_of_a_template_answers_with_an_empty_body() {
    let emulator = Emulator::start();
    let body = r#"{"Resources":{"c":{"Type":"AWS::IoT::Certificate","Properties":
        {"CertificateId":{"Ref":"AWS::IoT::Certificate::Id"},"Status":"Active"}}}}"#;
    let role = "arn:aws:iam::000000000000:role/Provisioning";
    let input =
        json!({ "templateName": "Fleet", "templateBody": body, "provisioningRoleArn": role });
    let made = ask(&emulator, "POST /provisioning-templates", "", &input.to_string());
    assert_eq!(made.status, 200, "{}", made.text);
    let update = r#"{"enabled":true}"#;
    let answer = ask(&emulator, "PATCH /provisioning-templates/Fleet", "", update);
    assert_eq!((answer.status, answer.body.as_str()), (200, ""), "{}", answer.text);
}

#[test]
fn wp_4_nobody_is_asked_for_credentials() {
    let emulator = Emulator::start();
    let request = b"GET /things HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n";
    let answer = raw_api(&emulator, request);
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
}

#[test]
fn wp_5_and_6_a_publish_is_told_how_it_ended() {
    let emulator = Emulator::start();
    let publish = |topic: &str| {
        let text = raw_api(
            &emulator,
            format!(
                "POST /topics/{topic} HTTP/1.1\r\nHost: localhost\r\nAuthorization: \
                 AWS4-HMAC-SHA256 Credential=000000000000/20260101/us-east-1/iotdata/aws4_request, \
                 SignedHeaders=host, Signature=0\r\nContent-Length: 2\r\nConnection: \
                 close\r\n\r\nhi"
            )
            .as_bytes(),
        );
        let (head, body) = text.split_once("\r\n\r\n").expect("an HTTP answer");
        let body: Value = serde_json::from_str(body).expect(body);
        let id = body["traceId"].as_str().expect("a trace ID");
        assert!(head.to_lowercase().contains(&format!("x-amzn-requestid: {id}")), "{text}");
        (head[9..12].to_owned(), body["message"].clone())
    };
    assert_eq!(publish("home"), ("200".to_owned(), json!("OK")));
    let (status, message) = publish("$mine/x");
    assert_eq!(status, "400");
    assert!(message.as_str().is_some_and(|message| message.contains("reserved")), "{message}");
}

#[test]
fn a_timestamp_is_a_number_of_seconds_with_three_decimals_at_most() {
    let emulator = Emulator::start();
    let made = ask(&emulator, "POST /keys-and-certificate", "", "").json();
    let id = made["certificateId"].as_str().expect("an ID");
    let described = ask(&emulator, &format!("GET /certificates/{id}"), "", "");
    for member in ["creationDate", "lastModifiedDate", "notBefore", "notAfter"] {
        let (_, rest) = described.body.split_once(&format!("\"{member}\":")).expect(member);
        let number: String = rest.chars().take_while(|c| !matches!(c, ',' | '}')).collect();
        let (seconds, fraction) = number.split_once('.').unwrap_or((&number, "0"));
        let digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
        assert!(seconds.len() == 10 && digits(seconds), "{member}: {number}");
        assert!((1..=3).contains(&fraction.len()) && digits(fraction), "{member}: {number}");
    }
}

/// The pages of `path`, each by the last one's token, to the page without one.
fn pages(emulator: &Emulator, path: &str, list: &str, [asks, answers]: [&str; 2]) -> Vec<usize> {
    let mut sizes = Vec::new();
    let mut token = String::new();
    loop {
        let page = ask(emulator, &format!("GET {path}{token}"), "", "").json();
        sizes.push(page[list].as_array().expect(list).len());
        assert!(sizes.len() < 10, "{path}: pages without end");
        let Some(next) = page.get(answers) else { return sizes };
        let next = next.as_str().expect("a token is never null");
        let escaped = next.replace('+', "%2B").replace('/', "%2F").replace('=', "%3D");
        token = format!("&{asks}={escaped}");
    }
}

#[test]
fn the_last_page_is_the_one_without_a_token() {
    let emulator = Emulator::start();
    let iot = emulator.iot_core();
    for number in 0..6 {
        iot.call("CreateThing", json!({ "thingName": format!("t{number}") })).expect("a thing");
        iot.create_policy(&format!("p{number}"), iot_emulator::allow(&["iot:Connect"], "*"));
    }
    let tokened = ["nextToken", "nextToken"];
    let marked = ["marker", "nextMarker"];
    assert_eq!(pages(&emulator, "/things?maxResults=4", "things", tokened), [4, 2]);
    assert_eq!(pages(&emulator, "/things?maxResults=3", "things", tokened), [3, 3]);
    assert_eq!(pages(&emulator, "/things?maxResults=250", "things", tokened), [6]);
    assert_eq!(pages(&emulator, "/policies?pageSize=4", "policies", marked), [4, 2]);
    assert_eq!(pages(&emulator, "/policies?pageSize=3", "policies", marked), [3, 3]);
    assert_eq!(pages(&emulator, "/certificates?pageSize=1", "certificates", marked), [0]);
}

#[test]
fn a_marker_that_nobody_gave_out_is_refused() {
    let emulator = Emulator::start();
    for request in [
        "GET /policies?marker=%21%21",
        "GET /policies?marker=",
        "GET /policies?marker=AAAA",
        "GET /certificates?marker=bm9ib2R5",
        "GET /things?nextToken=nobody",
    ] {
        ask(&emulator, request, "", "").refuses(400, INVALID);
    }
}

#[test]
fn all_that_is_wrong_is_told_at_once() {
    let emulator = Emulator::start();
    let message = ask(&emulator, "POST /policies/%21", "", "{}").refuses(400, INVALID);
    assert!(message.starts_with("2 validation errors detected: Value at '"), "{message}");
    let clauses: Vec<_> = message.split("; ").collect();
    assert_eq!(clauses.len(), 2, "{message}");
    assert!(clauses[0].contains("'policyName' failed to satisfy constraint: "), "{message}");
    assert!(clauses[1].contains("'policyDocument' failed to satisfy constraint: "), "{message}");
}

#[test]
fn a_body_that_is_no_object_is_refused() {
    let emulator = Emulator::start();
    for body in ["[]", "7", "null", "\"text\"", "{", "{} {}", "{\"a\":", "\u{1}"] {
        let answer = ask(&emulator, "POST /things/sensor", "", body);
        answer.refuses(400, INVALID);
    }
    assert_eq!(ask(&emulator, "POST /things/sensor", "", " {} ").status, 200);
    assert_eq!(ask(&emulator, "POST /things/sensor", "", "").status, 200, "no body is `{{}}`");
}

#[test]
fn a_member_of_the_wrong_type_is_refused_by_name() {
    let emulator = Emulator::start();
    let table = [
        ("POST /things/a", json!({ "attributePayload": 7 }), "attributePayload"),
        ("POST /things/a", json!({ "attributePayload": { "attributes": [] } }), "attributes"),
        ("POST /things/a", json!({ "attributePayload": { "merge": "yes" } }), "merge"),
        ("POST /things/a", json!({ "thingTypeName": ["a"] }), "thingTypeName"),
        ("POST /policies/a", json!({ "policyDocument": { "Version": "1" } }), "policyDocument"),
        ("POST /policies/a", json!({ "policyDocument": "{}", "tags": {} }), "tags"),
        ("POST /policies/a", json!({ "policyDocument": "{}", "tags": [7] }), "tags"),
        ("PATCH /things/a", json!({ "expectedVersion": "1" }), "expectedVersion"),
        ("PATCH /things/a", json!({ "expectedVersion": 1.5 }), "expectedVersion"),
    ];
    for (request, body, member) in table {
        let answer = ask(&emulator, request, "", &body.to_string());
        let message = answer.refuses(400, INVALID);
        assert!(message.contains(member), "{body}: {message}");
    }
    for query in ["maxResults=many", "maxResults=1.5", "maxResults=", "usePrefixAttributeValue=1"] {
        let answer = ask(&emulator, &format!("GET /things?{query}"), "", "");
        let message = answer.refuses(400, INVALID);
        let member = query.split('=').next().expect("a name");
        assert!(message.contains(member), "{query}: {message}");
    }
}
