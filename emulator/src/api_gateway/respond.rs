//! What a function's result means as an HTTP response of an HTTP API.
//!
//! Truth:
//! <https://docs.aws.amazon.com/apigateway/latest/developerguide/http-api-develop-integrations-lambda.html>
//! and, where AWS does otherwise, what AWS measured for its own test tool.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use serde_json::{Map, Value};

use super::integrations::PayloadFormat;
use crate::http::{Response, header, response};

/// Headers that the connection decides, whatever a function says.
const RESERVED: [&str; 7] = [
    "connection",
    "content-length",
    "keep-alive",
    "proxy-connection",
    "te",
    "transfer-encoding",
    "upgrade",
];

/// The response that `result` stands for; the error says why it stands for none, which AWS
/// answers with 500.
pub(super) fn respond(result: &Bytes, format: PayloadFormat) -> Result<Response, String> {
    let parsed = serde_json::from_slice::<Value>(result);
    match (parsed, format) {
        (Ok(Value::Object(parts)), PayloadFormat::V2) if parts.contains_key("statusCode") => {
            formatted(&parts, format)
        }
        (parsed, PayloadFormat::V2) => Ok(inferred(parsed.ok(), result)),
        (Ok(Value::Object(parts)), PayloadFormat::V1) => formatted(&parts, format),
        (Ok(_), PayloadFormat::V1) => Err("the function's result is not an object".to_owned()),
        (Err(error), PayloadFormat::V1) => {
            Err(format!("the function's result is not JSON: {error}"))
        }
    }
}

//= https://docs.aws.amazon.com/apigateway/latest/developerguide/http-api-develop-integrations-lambda.html
//# without statusCode: 200, application/json, and the result is the body; of a string, its text
//= https://github.com/aws/aws-lambda-dotnet/blob/master/Tools/LambdaTestTool-v2/src/Amazon.Lambda.TestTool/Extensions/InvokeResponseExtensions.cs
//# observed: what is no JSON is the body as well
fn inferred(parsed: Option<Value>, result: &Bytes) -> Response {
    let body = match parsed {
        Some(Value::String(text)) => Bytes::from(text),
        _ => result.clone(),
    };
    response(200, "application/json", body)
}

fn formatted(parts: &Map<String, Value>, format: PayloadFormat) -> Result<Response, String> {
    let status = status(parts.get("statusCode"))?;
    let body = body(parts)?;
    let mut response = response(status, "", body);
    response.headers_mut().remove(header::CONTENT_TYPE);
    if format == PayloadFormat::V1 {
        // The values of both are sent, those of `multiValueHeaders` first.
        for (name, values) in object(parts, "multiValueHeaders")? {
            let Value::Array(values) = values else {
                return Err(format!("multiValueHeaders.{name} is not a list"));
            };
            for value in values {
                append(&mut response, name, value)?;
            }
        }
    }
    for (name, value) in object(parts, "headers")? {
        append(&mut response, name, value)?;
    }
    if format == PayloadFormat::V2 {
        //= https://docs.aws.amazon.com/apigateway/latest/developerguide/http-api-develop-integrations-lambda.html
        //# each of the cookies becomes a set-cookie header
        for cookie in list(parts, "cookies")? {
            append(&mut response, "set-cookie", cookie)?;
        }
    }
    //= https://github.com/aws/aws-lambda-dotnet/blob/master/Tools/LambdaTestTool-v2/src/Amazon.Lambda.TestTool/Extensions/ApiGatewayResponseExtensions.cs
    //# observed: with statusCode and without content-type, it is text/plain; charset=utf-8
    let plain = header::HeaderValue::from_static("text/plain; charset=utf-8");
    response.headers_mut().entry(header::CONTENT_TYPE).or_insert(plain);
    Ok(response)
}

//= https://github.com/aws/aws-lambda-dotnet/blob/master/Tools/LambdaTestTool-v2/src/Amazon.Lambda.TestTool/Extensions/ApiGatewayResponseExtensions.cs
//# observed: format 1.0 without statusCode is a 500
//? assumed: digits in a string count as a number, as they do for a REST API
fn status(value: Option<&Value>) -> Result<u16, String> {
    let number = match value {
        Some(Value::Number(number)) => number.as_u64(),
        Some(Value::String(text)) => text.parse().ok(),
        Some(_) => None,
        None => return Err("the function's result has no statusCode".to_owned()),
    };
    let status = number.and_then(|number| u16::try_from(number).ok());
    // A final response begins at 200.
    let status = status.filter(|status| (200..=599).contains(status));
    status.ok_or_else(|| format!("{} is no statusCode", value.unwrap_or(&Value::Null)))
}

fn body(parts: &Map<String, Value>) -> Result<Bytes, String> {
    let text = match parts.get("body") {
        None | Some(Value::Null) => return Ok(Bytes::new()),
        Some(Value::String(text)) => text,
        //? assumed: only text is a body
        Some(_) => return Err("the body is not a string".to_owned()),
    };
    match parts.get("isBase64Encoded") {
        None | Some(Value::Null | Value::Bool(false)) => Ok(Bytes::from(text.clone())),
        Some(Value::Bool(true)) => STANDARD
            .decode(text)
            .map(Bytes::from)
            .map_err(|error| format!("the body is not base64, as isBase64Encoded says: {error}")),
        Some(_) => Err("isBase64Encoded is neither true nor false".to_owned()),
    }
}

/// The members of an object that may be absent or null.
fn object<'a>(
    parts: &'a Map<String, Value>,
    name: &str,
) -> Result<impl Iterator<Item = (&'a String, &'a Value)>, String> {
    match parts.get(name) {
        None | Some(Value::Null) => Ok(None.into_iter().flatten()),
        Some(Value::Object(members)) => Ok(Some(members).into_iter().flatten()),
        Some(_) => Err(format!("{name} is not an object")),
    }
}

fn list<'a>(parts: &'a Map<String, Value>, name: &str) -> Result<&'a [Value], String> {
    match parts.get(name) {
        None | Some(Value::Null) => Ok(&[]),
        Some(Value::Array(values)) => Ok(values),
        Some(_) => Err(format!("{name} is not a list")),
    }
}

//? assumed: numbers and booleans are written out, as for a REST API; anything else is malformed
fn append(response: &mut Response, name: &str, value: &Value) -> Result<(), String> {
    let text = match value {
        Value::String(text) => text.clone(),
        Value::Number(number) => number.to_string(),
        Value::Bool(truth) => truth.to_string(),
        _ => return Err(format!("the header {name} is not a string")),
    };
    let wrong = || format!("`{name}: {text}` is not a header");
    let header = header::HeaderName::from_bytes(name.as_bytes()).map_err(|_| wrong())?;
    let value = header::HeaderValue::from_str(&text).map_err(|_| wrong())?;
    if !RESERVED.contains(&header.as_str()) {
        response.headers_mut().append(header, value);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Status, content type and body, or `500` and why.
    fn seen(result: &str, format: PayloadFormat) -> String {
        match respond(&Bytes::copy_from_slice(result.as_bytes()), format) {
            Ok(response) => {
                let content_type = response.headers()[header::CONTENT_TYPE].to_str().unwrap();
                let body = String::from_utf8_lossy(response.body()).into_owned();
                format!("{} {content_type} {body}", response.status().as_u16())
            }
            Err(why) => format!("500: {why}"),
        }
    }

    const PLAIN: &str = "text/plain; charset=utf-8";

    #[test]
    fn payload_2_0_is_inferred() {
        let table = [
            (r#""Hello from Lambda!""#, "200 application/json Hello from Lambda!".to_owned()),
            (r#"{ "message": "Hi" }"#, r#"200 application/json { "message": "Hi" }"#.to_owned()),
            ("null", "200 application/json null".to_owned()),
            ("[1, 2]", "200 application/json [1, 2]".to_owned()),
            (r#"{"body":"x"}"#, r#"200 application/json {"body":"x"}"#.to_owned()),
            (r#"{"name": "John"#, r#"200 application/json {"name": "John"#.to_owned()),
            // The function of the first article.
            (
                r#"{"statusCode":200,"body":"{\"message\": \"Good.\"}"}"#,
                format!(r#"200 {PLAIN} {{"message": "Good."}}"#),
            ),
            (r#"{"statusCode":204}"#, format!("204 {PLAIN} ")),
            (r#"{"statusCode":"201"}"#, format!("201 {PLAIN} ")),
            (
                r#"{"statusCode":200,"headers":{"Content-Type":"text/html"},"body":"<p>"}"#,
                "200 text/html <p>".to_owned(),
            ),
            (
                r#"{"statusCode":200,"body":"aGVsbG8=","isBase64Encoded":true}"#,
                format!("200 {PLAIN} hello"),
            ),
            (r#"{"statusCode":200,"headers":null,"cookies":null}"#, format!("200 {PLAIN} ")),
            (r#"{"statusCode":200,"surprise":1}"#, format!("200 {PLAIN} ")),
            (r#"{"statusCode":"test"}"#, r#"500: "test" is no statusCode"#.to_owned()),
            (r#"{"statusCode":0}"#, "500: 0 is no statusCode".to_owned()),
            (r#"{"statusCode":1000}"#, "500: 1000 is no statusCode".to_owned()),
            (r#"{"statusCode":null}"#, "500: null is no statusCode".to_owned()),
            (r#"{"statusCode":200,"body":{}}"#, "500: the body is not a string".to_owned()),
            (
                r#"{"statusCode":200,"headers":{"a":[]}}"#,
                "500: the header a is not a string".to_owned(),
            ),
            (r#"{"statusCode":200,"headers":[]}"#, "500: headers is not an object".to_owned()),
            (r#"{"statusCode":200,"cookies":{}}"#, "500: cookies is not a list".to_owned()),
        ];
        for (result, expected) in table {
            assert_eq!(seen(result, PayloadFormat::V2), expected, "{result}");
        }
    }

    #[test]
    fn payload_1_0_is_not_inferred() {
        let table = [
            (r#"{"statusCode":200,"body":"x"}"#, format!("200 {PLAIN} x")),
            (r#"{"body":"x"}"#, "500: the function's result has no statusCode".to_owned()),
            (r#""x""#, "500: the function's result is not an object".to_owned()),
            (
                r#"{"statusCode":200,"multiValueHeaders":{"a":"x"}}"#,
                "500: multiValueHeaders.a is not a list".to_owned(),
            ),
        ];
        for (result, expected) in table {
            assert_eq!(seen(result, PayloadFormat::V1), expected, "{result}");
        }
        assert!(
            seen("nonsense", PayloadFormat::V1).starts_with("500: the function's result is not")
        );
    }

    #[test]
    fn headers_and_cookies_are_sent() {
        let result = Bytes::from_static(
            br#"{"statusCode":200,"cookies":["a=1","b=2"],
                "headers":{"X-One":"1","x-yes":true,"x-number":5,"Content-Length":"999"}}"#,
        );
        let response = respond(&result, PayloadFormat::V2).unwrap();
        let all = |name: &str| -> Vec<&str> {
            response.headers().get_all(name).iter().map(|v| v.to_str().unwrap()).collect()
        };
        assert_eq!(all("set-cookie"), ["a=1", "b=2"]);
        assert_eq!(all("x-one"), ["1"]);
        assert_eq!(all("x-yes"), ["true"]);
        assert_eq!(all("x-number"), ["5"]);
        assert!(all("content-length").is_empty());

        let result = Bytes::from_static(
            br#"{"statusCode":200,"headers":{"test-multi":"solo"},
                "multiValueHeaders":{"test-multi":["one","two"]}}"#,
        );
        let response = respond(&result, PayloadFormat::V1).unwrap();
        let all: Vec<_> = response.headers().get_all("test-multi").iter().collect();
        assert_eq!(all, ["one", "two", "solo"]);
    }

    proptest! {
        #[test]
        fn any_result_is_a_response_or_a_reason(result: Vec<u8>, first: bool) {
            let format = if first { PayloadFormat::V1 } else { PayloadFormat::V2 };
            let _answered = respond(&Bytes::from(result), format);
        }
    }
}
