//! What a function is told of a request: payload formats 2.0 and 1.0 of an HTTP API.
//!
//! Truth:
//! <https://docs.aws.amazon.com/apigateway/latest/developerguide/http-api-develop-integrations-lambda.html>.

use std::collections::BTreeMap;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Map, Value, json};

use super::call::Call;
use super::client_certificate::client_cert;
use super::integrations::PayloadFormat;

/// Headers that belong to the connection and not to the request.
const HOP_BY_HOP: [&str; 6] =
    ["connection", "keep-alive", "proxy-connection", "te", "transfer-encoding", "upgrade"];

/// The event in the payload format that the integration asks for.
pub(super) fn event(call: &Call<'_>, format: PayloadFormat) -> Value {
    match format {
        PayloadFormat::V1 => payload_1_0(call),
        PayloadFormat::V2 => payload_2_0(call),
    }
}

fn payload_2_0(call: &Call<'_>) -> Value {
    let mut headers = headers(call);
    //= https://docs.aws.amazon.com/apigateway/latest/developerguide/http-api-develop-integrations-lambda.html
    //# cookies are a list of their own; repeated headers and query parameters are joined by commas
    let cookies: Vec<String> = headers
        .remove("cookie")
        .unwrap_or_default()
        .iter()
        .flat_map(|line| line.split(';'))
        .map(|cookie| cookie.trim().to_owned())
        .filter(|cookie| !cookie.is_empty())
        .collect();
    let (body, is_base64_encoded) = body(call);
    let mut event = Map::new();
    let mut put = |name: &str, value: Value| event.insert(name.to_owned(), value);
    put("version", "2.0".into());
    put("routeKey", call.route_key.to_string().into());
    put("rawPath", call.path_with_stage().into());
    put("rawQueryString", call.request.uri.query().unwrap_or_default().into());
    put("headers", joined(&headers));
    put("requestContext", context_2_0(call));
    put("isBase64Encoded", is_base64_encoded.into());
    let query = query(call);
    if !query.is_empty() {
        put("queryStringParameters", joined(&query));
    }
    if !cookies.is_empty() {
        put("cookies", cookies.into());
    }
    if !call.path_parameters.is_empty() {
        put("pathParameters", json!(call.path_parameters));
    }
    if !call.stage_variables.is_empty() {
        put("stageVariables", json!(call.stage_variables));
    }
    if let Some(body) = body {
        put("body", body.into());
    }
    Value::Object(event)
}

fn context_2_0(call: &Call<'_>) -> Value {
    let mut context = json!({
        "accountId": call.scope.account.as_str(),
        "apiId": call.api_id,
        "domainName": call.domain_name,
        "domainPrefix": call.domain_prefix(),
        "http": {
            "method": call.request.method.as_str(),
            "path": call.path_with_stage(),
            //= https://docs.aws.amazon.com/apigateway/latest/developerguide/http-api-logging-variables.html
            //# the protocol is HTTP/1.1, also for HTTP/2
            "protocol": "HTTP/1.1",
            "sourceIp": call.source_ip.to_string(),
            "userAgent": call.request.header("user-agent").unwrap_or_default(),
        },
        "requestId": call.request_id,
        "routeKey": call.route_key.to_string(),
        "stage": call.stage,
        "time": call.now.format("%d/%b/%Y:%H:%M:%S +0000"),
        "timeEpoch": call.now.milliseconds(),
    });
    //? assumed: without mutual TLS the member is absent, not null
    if let (Some(client), Some(context)) = (call.client, context.as_object_mut()) {
        let authentication = json!({ "clientCert": client_cert(client) });
        context.insert("authentication".to_owned(), authentication);
    }
    context
}

//= https://docs.aws.amazon.com/apigateway/latest/developerguide/http-api-develop-integrations-lambda.html
//# format 1.0 has the shape of a REST API's event and `version`; what is absent is null
fn payload_1_0(call: &Call<'_>) -> Value {
    let headers = headers(call);
    let query = query(call);
    let or_null = |value: Value, empty: bool| if empty { Value::Null } else { value };
    let (body, is_base64_encoded) = body(call);
    json!({
        "version": "1.0",
        "resource": call.route_key.resource(),
        "path": call.path_with_mapping(),
        "httpMethod": call.request.method.as_str(),
        "headers": last(&headers),
        "multiValueHeaders": headers,
        "queryStringParameters": or_null(last(&query), query.is_empty()),
        "multiValueQueryStringParameters": or_null(json!(query), query.is_empty()),
        "requestContext": context_1_0(call),
        "pathParameters": or_null(json!(call.path_parameters), call.path_parameters.is_empty()),
        "stageVariables": or_null(json!(call.stage_variables), call.stage_variables.is_empty()),
        "body": body,
        "isBase64Encoded": is_base64_encoded,
    })
}

fn context_1_0(call: &Call<'_>) -> Value {
    let mut identity = json!({
        "accessKey": null,
        "accountId": null,
        "caller": null,
        "cognitoAuthenticationProvider": null,
        "cognitoAuthenticationType": null,
        "cognitoIdentityId": null,
        "cognitoIdentityPoolId": null,
        "principalOrgId": null,
        "sourceIp": call.source_ip.to_string(),
        "user": null,
        "userAgent": call.request.header("user-agent").unwrap_or_default(),
        "userArn": null,
    });
    if let (Some(client), Some(identity)) = (call.client, identity.as_object_mut()) {
        identity.insert("clientCert".to_owned(), client_cert(client));
    }
    json!({
        "accountId": call.scope.account.as_str(),
        "apiId": call.api_id,
        "domainName": call.domain_name,
        "domainPrefix": call.domain_prefix(),
        "extendedRequestId": call.request_id,
        "httpMethod": call.request.method.as_str(),
        "identity": identity,
        "path": call.path_with_mapping(),
        "protocol": "HTTP/1.1",
        "requestId": call.request_id,
        "requestTime": call.now.format("%d/%b/%Y:%H:%M:%S +0000"),
        "requestTimeEpoch": call.now.milliseconds(),
        "resourceId": null,
        "resourcePath": call.route_key.resource(),
        "stage": call.stage,
    })
}

type Multimap = BTreeMap<String, Vec<String>>;

//= https://docs.aws.amazon.com/apigateway/latest/developerguide/http-api-develop-integrations-lambda.html
//# all header names are in lower case
//= https://github.com/logandk/serverless-wsgi/issues/191
//# observed: content-length (0 without a body), host, x-amzn-trace-id and x-forwarded-* are there
fn headers(call: &Call<'_>) -> Multimap {
    let mut headers = Multimap::new();
    for (name, value) in &call.request.headers {
        if !HOP_BY_HOP.contains(&name.as_str()) {
            let value = String::from_utf8_lossy(value.as_bytes()).into_owned();
            headers.entry(name.as_str().to_owned()).or_default().push(value);
        }
    }
    let mut set = |name: &str, value: String| headers.insert(name.to_owned(), vec![value]);
    set("content-length", call.request.body.len().to_string());
    set("x-forwarded-proto", "https".to_owned());
    // Whatever port it is here, it stands for 443 of the domain name.
    set("x-forwarded-port", "443".to_owned());
    let came_through = headers.remove("x-forwarded-for").unwrap_or_default();
    let all = came_through.into_iter().chain([call.source_ip.to_string()]);
    headers.insert("x-forwarded-for".to_owned(), vec![all.collect::<Vec<_>>().join(", ")]);
    headers.entry("x-amzn-trace-id".to_owned()).or_insert_with(|| vec![call.trace_id.clone()]);
    headers.entry("host".to_owned()).or_insert_with(|| vec![call.domain_name.to_owned()]);
    headers
}

fn query(call: &Call<'_>) -> Multimap {
    let mut query = Multimap::new();
    for (name, value) in call.request.query() {
        query.entry(name.into_owned()).or_default().push(value.into_owned());
    }
    query
}

fn joined(map: &Multimap) -> Value {
    map.iter().map(|(name, values)| (name.clone(), values.join(","))).collect()
}

fn last(map: &Multimap) -> Value {
    map.iter().map(|(name, values)| (name.clone(), values.last().cloned())).collect()
}

/// The body as text, or in base64 and `true`; `None` where there is none.
fn body(call: &Call<'_>) -> (Option<String>, bool) {
    let bytes = &call.request.body;
    if bytes.is_empty() {
        return (None, false);
    }
    let text = std::str::from_utf8(bytes).ok();
    match text.filter(|_| is_text(call.request.header("content-type"))) {
        Some(text) => (Some(text.to_owned()), false),
        None => (Some(STANDARD.encode(bytes)), true),
    }
}

//? assumed: text/*, JSON, XML and JavaScript pass as text, and so does a body that does not say
//? what it is; everything else, forms included, is sent in base64
fn is_text(content_type: Option<&str>) -> bool {
    let Some(content_type) = content_type else { return true };
    let essence = content_type.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    let known = ["application/json", "application/xml", "application/javascript"];
    essence.starts_with("text/")
        || known.contains(&essence.as_str())
        || essence.ends_with("+json")
        || essence.ends_with("+xml")
}
