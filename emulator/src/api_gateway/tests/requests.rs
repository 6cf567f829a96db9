//! Requests from the handshake's end to the response: trust, routing, events, answers, the trace.

use std::net::SocketAddr;
use std::sync::PoisonError;

use uuid::Uuid;

use super::super::handle::Visit;
use super::*;
use crate::http::Response;
use crate::lambda::Function;
use crate::pki::{AttributeKind, Certificate, CertificateAuthority, Leaf, Subject};
use crate::trace::{Outcome, Trace};

const PEER: &str = "192.0.2.7:51000";
const UUID: Uuid = Uuid::from_u128(0x00112233_4455_4677_8899_aabbccddeeff);
const REQUEST_ID: &str = "ABEiM0RVRneImao=";

async fn ask(
    gateway: &ApiGateway,
    server_name: &str,
    chain: &[Certificate],
    request: &Request,
    trace: &Trace,
) -> Response {
    let domain = gateway.domain(Some(server_name)).unwrap();
    let peer: SocketAddr = PEER.parse().unwrap();
    let visit = Visit { domain: &domain, chain, peer, request_id: UUID, now: NOW };
    gateway.handle(visit, request, trace).await
}

fn trace() -> Trace {
    Trace::new(Clock::default(), None)
}

fn seen(response: &Response) -> String {
    let body = String::from_utf8_lossy(response.body());
    format!("{} {body}", response.status().as_u16())
}

/// A function that remembers what it was told and answers `answer`.
fn telling(answer: Value) -> (Function, Told) {
    let told = Told::default();
    let kept = Arc::clone(&told);
    let function = Function::new(move |event| {
        kept.lock().unwrap_or_else(PoisonError::into_inner).push(event);
        Ok(answer.clone())
    });
    (function, told)
}

fn last(told: &Told) -> Value {
    told.lock().unwrap().last().cloned().expect("the function was called")
}

/// An API with `routes`, each on a function that says its route key, in the payload format given.
fn api(bench: &Bench, routes: &[&str], format: &str) -> (String, Told) {
    let told = Told::default();
    let id = ok!(bench.gateway, create_api, { "name": "a", "protocolType": "HTTP" });
    let id = text(&id, "apiId").to_owned();
    let kept = Arc::clone(&told);
    let function = Function::new(move |event| {
        let body = event["requestContext"]["routeKey"].as_str().or(event["resource"].as_str());
        let answer = json!({ "statusCode": 200, "body": body });
        kept.lock().unwrap_or_else(PoisonError::into_inner).push(event);
        Ok(answer)
    });
    let arn = put(bench, "telling", function);
    let integration = ok!(bench.gateway, create_integration, {
        "apiId": id, "integrationType": "AWS_PROXY", "integrationUri": arn,
        "payloadFormatVersion": format,
    });
    let target = format!("integrations/{}", text(&integration, "integrationId"));
    for route in routes {
        ok!(bench.gateway, create_route, { "apiId": id, "routeKey": route, "target": target });
    }
    (id, told)
}

fn put(bench: &Bench, name: &str, function: Function) -> String {
    bench.functions.register(name, function, NOW).unwrap().to_string()
}

fn map(bench: &Bench, domain: &str, key: &str, api: &str, stage: &str) {
    if bench.gateway.domain_named(domain).is_none() {
        ok!(bench.gateway, create_domain_name, {
            "domainName": domain, "domainNameConfigurations": [{}],
        });
    }
    ok!(bench.gateway, create_api_mapping, {
        "domainName": domain, "apiMappingKey": key, "apiId": api, "stage": stage,
    });
}

#[tokio::test]
async fn the_first_articles_sample_answers_its_devices_and_nobody_else() {
    let bench = bench();
    let gateway = &bench.gateway;
    let (ca, stranger) = (CertificateAuthority::new("Acme"), CertificateAuthority::new("Other"));
    let (function, told) =
        telling(json!({ "statusCode": 200, "body": "{\"message\": \"Good.\"}" }));
    gateway
        .domain_name("sample.example.com")
        .truststore(&ca.pem())
        .route("GET /sample", function)
        .create()
        .unwrap();
    let trace = trace();
    let get = request("GET", "/sample", &[("host", "sample.example.com")], "");
    let domain = gateway.domain(Some("sample.example.com")).unwrap();
    assert!(domain.requires_client_certificate());

    let device = [ca.issue("device").certificate().clone()];
    let good = ask(gateway, "sample.example.com", &device, &get, &trace).await;
    assert_eq!(seen(&good), "200 {\"message\": \"Good.\"}");
    assert_eq!(good.headers()["apigw-requestid"], REQUEST_ID);
    assert_eq!(
        last(&told)["requestContext"]["authentication"]["clientCert"]["subjectDN"],
        "CN=device"
    );

    // Every request of an untrusted connection is answered 403.
    let other = [stranger.issue("device").certificate().clone()];
    for _ in 0..2 {
        let refused = ask(gateway, "sample.example.com", &other, &get, &trace).await;
        assert_eq!(seen(&refused), "403 {\"message\":\"Forbidden\"}");
        assert_eq!(refused.headers()["x-amzn-errortype"], "ForbiddenException");
        assert_eq!(refused.headers()["content-type"], "application/json");
    }
    assert_eq!(told.lock().unwrap().len(), 1);

    let entries = trace.entries();
    let outcomes: Vec<_> = entries.iter().map(|entry| entry.outcome).collect();
    assert_eq!(outcomes, [Outcome::Success, Outcome::Failure, Outcome::Failure]);
    let refused = &entries[1];
    let details = "Access denied. Reason: Could not find issuer for certificate";
    assert_eq!(refused.details.as_deref(), Some(details));
    assert_eq!(refused.why, ["no certificate of the truststore has the subject CN=Other"]);
    assert_eq!(refused.answer.as_deref(), Some("HTTP 403"));
    assert_eq!(entries[0].value("routeKey"), Some("GET /sample"));

    gateway.update_truststore("sample.example.com", &stranger.pem()).unwrap();
    let now_trusted = ask(gateway, "sample.example.com", &other, &get, &trace).await;
    assert_eq!(now_trusted.status(), 200);
}

#[tokio::test]
async fn a_domain_name_is_made_whole_or_not_at_all() {
    let bench = bench();
    let gateway = &bench.gateway;
    let function = || telling(json!({})).0;
    let refusals = [
        gateway.domain_name("a.example.com").route("GET sample", function()).create(),
        gateway.domain_name("A").route("GET /", function()).create(),
        gateway.domain_name("a.b").route("GET /", function()).route("GET /", function()).create(),
    ];
    assert!(refusals.iter().all(Result::is_err));
    assert!(gateway.domains().is_empty());
    assert_eq!(got!(gateway, get_apis, {})["items"], json!([]));
    gateway.domain_name("a.b").create().unwrap();
    assert!(gateway.domain_name("a.b").create().is_err());
    assert_eq!(gateway.domains().len(), 1);
}

#[tokio::test]
async fn api_mapping_stage_and_route_are_chosen() {
    let bench = bench();
    let (one, _) = api(&bench, &["GET /pets/{id}", "ANY /{proxy+}"], "2.0");
    ok!(bench.gateway, create_stage, { "apiId": one, "stageName": "$default", "autoDeploy": true });
    let (two, _) = api(&bench, &["GET /", "GET /items"], "2.0");
    ok!(bench.gateway, create_stage, { "apiId": two, "stageName": "dev", "autoDeploy": true });
    map(&bench, "shop.example.com", "", &one, "$default");
    map(&bench, "shop.example.com", "orders/v1", &two, "dev");
    map(&bench, "other.example.com", "orders", &two, "dev");
    let endpoint_one = format!("{one}.execute-api.us-east-1.amazonaws.com");
    let endpoint_two = format!("{two}.execute-api.us-east-1.amazonaws.com");
    let table = [
        ("shop.example.com", "GET", "/pets/6", "200 GET /pets/{id}"),
        ("shop.example.com", "POST", "/pets/6", "200 ANY /{proxy+}"),
        ("shop.example.com", "GET", "/orders/v1", "200 GET /"),
        ("shop.example.com", "GET", "/orders/v1/", "200 GET /"),
        ("shop.example.com", "GET", "/orders/v1/items?a=b", "200 GET /items"),
        ("shop.example.com", "GET", "/orders/v1/none", "404 {\"message\":\"Not Found\"}"),
        // The stage is not in the path of a custom domain name.
        ("shop.example.com", "GET", "/orders/v1/dev/items", "404 {\"message\":\"Not Found\"}"),
        ("shop.example.com", "GET", "/", "404 {\"message\":\"Not Found\"}"),
        ("other.example.com", "GET", "/items", "403 {\"message\":\"Forbidden\"}"),
        ("other.example.com", "GET", "/orders/items", "200 GET /items"),
        (&endpoint_one, "GET", "/pets/6", "200 GET /pets/{id}"),
        (&endpoint_two, "GET", "/dev/items", "200 GET /items"),
        (&endpoint_two, "GET", "/dev", "200 GET /"),
        (&endpoint_two, "GET", "/items", "404 {\"message\":\"Not Found\"}"),
        (&endpoint_two, "GET", "/", "404 {\"message\":\"Not Found\"}"),
    ];
    let trace = trace();
    for (host, method, path, expected) in table {
        let request = request(method, path, &[], "");
        let response = ask(&bench.gateway, host, &[], &request, &trace).await;
        assert_eq!(seen(&response), expected, "{method} {host}{path}");
    }
    assert!(trace.refusals().iter().all(|entry| !entry.why.is_empty()));
}

#[tokio::test]
async fn a_stage_answers_with_what_is_deployed_to_it() {
    let bench = bench();
    let (id, _) = api(&bench, &["GET /one"], "2.0");
    ok!(bench.gateway, create_stage, { "apiId": id, "stageName": "prod" });
    ok!(bench.gateway, create_stage, { "apiId": id, "stageName": "dev", "autoDeploy": true });
    map(&bench, "a.example.com", "prod", &id, "prod");
    map(&bench, "a.example.com", "dev", &id, "dev");
    let trace = trace();
    let statuses = async || {
        let mut statuses = Vec::new();
        for path in ["/prod/one", "/prod/two", "/dev/one", "/dev/two"] {
            let request = request("GET", path, &[], "");
            let response = ask(&bench.gateway, "a.example.com", &[], &request, &trace).await;
            statuses.push(response.status().as_u16());
        }
        statuses
    };
    assert_eq!(statuses().await, [404, 404, 200, 404]);
    ok!(bench.gateway, create_deployment, { "apiId": id, "stageName": "prod" });
    let integrations = got!(bench.gateway, get_integrations, { "apiId": id });
    let target = format!("integrations/{}", text(&integrations["items"][0], "integrationId"));
    ok!(bench.gateway, create_route, { "apiId": id, "routeKey": "GET /two", "target": target });
    assert_eq!(statuses().await, [200, 404, 200, 200]);
    ok!(bench.gateway, create_deployment, { "apiId": id, "stageName": "prod" });
    assert_eq!(statuses().await, [200, 200, 200, 200]);
}

#[tokio::test]
async fn what_goes_wrong_behind_the_route_is_a_500() {
    let bench = bench();
    let gateway = &bench.gateway;
    let failing = Function::new(|_event| Err("no such table".into()));
    gateway
        .domain_name("a.example.com")
        .route("GET /fails", failing)
        .route("GET /malformed", telling(json!({ "statusCode": "x" })).0)
        .create()
        .unwrap();
    let apis = got!(gateway, get_apis, {});
    let id = text(&apis["items"][0], "apiId");
    let gone = ok!(gateway, create_integration, {
        "apiId": id, "integrationType": "AWS_PROXY", "payloadFormatVersion": "2.0",
        "integrationUri": "arn:aws:lambda:us-east-1:123456789012:function:gone",
    });
    let target = format!("integrations/{}", text(&gone, "integrationId"));
    ok!(gateway, create_route, { "apiId": id, "routeKey": "GET /gone", "target": target });
    ok!(gateway, create_route, { "apiId": id, "routeKey": "GET /nowhere" });
    let table = [
        ("/fails", "500 {\"message\":\"Internal Server Error\"}", "no such table"),
        ("/malformed", "500 {\"message\":\"Internal Server Error\"}", "is no statusCode"),
        ("/gone", "500 {\"message\":\"Internal Server Error\"}", "function:gone"),
        ("/nowhere", "404 {\"message\":\"Not Found\"}", "has no integration"),
    ];
    for (path, expected, why) in table {
        let trace = trace();
        let request = request("GET", path, &[], "");
        let response = ask(gateway, "a.example.com", &[], &request, &trace).await;
        assert_eq!(seen(&response), expected, "{path}");
        let entry = trace.to_string();
        assert!(entry.contains(why), "{entry}");
    }
}

#[tokio::test]
async fn a_function_that_is_slower_than_its_integration_is_a_503() {
    let bench = bench();
    let (release, wait) = std::sync::mpsc::channel::<()>();
    let wait = std::sync::Mutex::new(wait);
    let slow = Function::new(move |event| {
        let _released = wait.lock().unwrap_or_else(PoisonError::into_inner).recv();
        Ok(event)
    });
    let api = ok!(bench.gateway, create_api, { "name": "a", "protocolType": "HTTP" });
    let id = text(&api, "apiId");
    let integration = ok!(bench.gateway, create_integration, {
        "apiId": id, "integrationType": "AWS_PROXY", "payloadFormatVersion": "2.0",
        "integrationUri": put(&bench, "slow", slow), "timeoutInMillis": 50,
    });
    let target = format!("integrations/{}", text(&integration, "integrationId"));
    ok!(bench.gateway, create_route, { "apiId": id, "routeKey": "$default", "target": target });
    ok!(bench.gateway, create_stage, { "apiId": id, "stageName": "$default", "autoDeploy": true });
    map(&bench, "a.example.com", "", id, "$default");
    let trace = trace();
    let request = request("GET", "/", &[], "");
    let response = ask(&bench.gateway, "a.example.com", &[], &request, &trace).await;
    assert_eq!(seen(&response), "503 {\"message\":\"Service Unavailable\"}");
    assert!(trace.to_string().contains("more than 50 ms"), "{trace}");
    drop(release);
}

#[tokio::test]
async fn a_function_lets_in_the_routes_that_it_has_a_permission_for() {
    let bench = bench();
    let (id, told) = api(&bench, &["GET /sample", "GET /other"], "2.0");
    ok!(bench.gateway, create_stage, { "apiId": id, "stageName": "$default", "autoDeploy": true });
    map(&bench, "a.example.com", "", &id, "$default");
    let input = json!({ "FunctionName": "telling", "StatementId": "registered-apigateway" });
    bench.functions.remove_permission(serde_json::from_value(input).unwrap()).unwrap();
    let get = request("GET", "/sample", &[], "");
    let trace = trace();
    let refused = ask(&bench.gateway, "a.example.com", &[], &get, &trace).await;
    assert_eq!(seen(&refused), "500 {\"message\":\"Internal Server Error\"}");
    assert!(told.lock().unwrap().is_empty());
    let source = format!("arn:aws:execute-api:us-east-1:{ACCOUNT}:{id}/$default/GET/sample");
    let entry = trace.to_string();
    assert!(entry.contains("AUTHORIZATION_FAILURE") && entry.contains(&source), "{entry}");

    // As `aws lambda add-permission` is used in AWS's guides.
    let input = json!({
        "FunctionName": "telling", "StatementId": "api", "Action": "lambda:InvokeFunction",
        "Principal": "apigateway.amazonaws.com",
        "SourceArn": format!("arn:aws:execute-api:us-east-1:{ACCOUNT}:{id}/*/*/sample"),
    });
    bench.functions.add_permission(serde_json::from_value(input).unwrap()).unwrap();
    let allowed = ask(&bench.gateway, "a.example.com", &[], &get, &trace).await;
    assert_eq!(seen(&allowed), "200 GET /sample");
    let other = request("GET", "/other", &[], "");
    assert_eq!(ask(&bench.gateway, "a.example.com", &[], &other, &trace).await.status(), 500);
}

#[tokio::test]
async fn a_body_that_lambda_does_not_take_is_a_413() {
    let bench = bench();
    let (function, _) = telling(json!({}));
    bench.gateway.domain_name("a.example.com").route("$default", function).create().unwrap();
    let mut post = request("POST", "/", &[("content-type", "application/octet-stream")], "");
    post.body = Bytes::from(vec![0; 5 * 1024 * 1024]);
    let trace = trace();
    let response = ask(&bench.gateway, "a.example.com", &[], &post, &trace).await;
    assert_eq!(seen(&response), "413 {\"message\":\"Request Entity Too Large\"}");
    assert!(!trace.refusals().is_empty());
}

/// A device with a subject of many parts, valid from 1 to 5 August.
fn device(ca: &CertificateAuthority) -> Certificate {
    let subject = Subject::new()
        .with(AttributeKind::Country, "US")
        .with(AttributeKind::Organization, "Amazon Web Services")
        .with(AttributeKind::CommonName, "My Client");
    // Aug  1 00:00:00 2020 GMT, Aug  5 09:36:04 2021 GMT.
    let (from, until) =
        (Timestamp::from_seconds(1_596_240_000), Timestamp::from_seconds(1_628_156_164));
    ca.issue_with(Leaf::new(subject).valid(from, until)).certificate().clone()
}

fn client_cert(device: &Certificate) -> Value {
    json!({
        "clientCertPem": device.pem(),
        "subjectDN": "C=US,O=Amazon Web Services,CN=My Client",
        "issuerDN": "CN=Acme",
        "serialNumber": crate::pki::serial_text(device.serial()),
        "validity": {
            "notBefore": "Aug  1 00:00:00 2020 GMT",
            "notAfter": "Aug  5 09:36:04 2021 GMT",
        },
    })
}

/// One request with all that an event can hold, to a stage `dev` below the key `shop`.
async fn full_event(format: &str) -> (Value, Certificate, String) {
    let bench = bench();
    let ca = CertificateAuthority::new("Acme");
    let device = device(&ca);
    let (id, told) = api(&bench, &["POST /pets/{id}"], format);
    ok!(bench.gateway, create_stage, {
        "apiId": id, "stageName": "dev", "autoDeploy": true, "stageVariables": { "table": "t-1" },
    });
    bench.buckets.put("trust", "root.pem", ca.pem()).unwrap();
    ok!(bench.gateway, create_domain_name, {
        "domainName": "shop.example.com", "domainNameConfigurations": [{}],
        "mutualTlsAuthentication": { "truststoreUri": "s3://trust/root.pem" },
    });
    map(&bench, "shop.example.com", "shop", &id, "dev");
    let headers = [
        ("host", "shop.example.com"),
        ("user-agent", "curl/8"),
        ("content-type", "application/json"),
        ("cookie", "a=1; b=2"),
        ("x-two", "one"),
        ("x-two", "two"),
        ("x-forwarded-for", "198.51.100.1"),
        ("connection", "keep-alive"),
    ];
    let uri = "/shop/pets/caf%C3%A9%20x?q=a%20b&q=c+d&flag";
    let request = request("POST", uri, &headers, "{\"a\":1}");
    let chain = [device.clone()];
    let response = ask(&bench.gateway, "shop.example.com", &chain, &request, &trace()).await;
    assert_eq!(response.status(), 200, "{}", seen(&response));
    (last(&told), device, id)
}

#[tokio::test]
async fn the_event_of_payload_2_0_is_aws_s() {
    let (event, device, id) = full_event("2.0").await;
    let expected = json!({
        "version": "2.0",
        "routeKey": "POST /pets/{id}",
        "rawPath": "/dev/pets/café x",
        "rawQueryString": "q=a%20b&q=c+d&flag",
        "cookies": ["a=1", "b=2"],
        "headers": {
            "content-length": "7",
            "content-type": "application/json",
            "host": "shop.example.com",
            "user-agent": "curl/8",
            "x-amzn-trace-id": "Root=1-5f5e1000-445546778899aabbccddeeff",
            "x-forwarded-for": "198.51.100.1, 192.0.2.7",
            "x-forwarded-port": "443",
            "x-forwarded-proto": "https",
            "x-two": "one,two",
        },
        "queryStringParameters": { "q": "a b,c d", "flag": "" },
        "requestContext": {
            "accountId": ACCOUNT,
            "apiId": id,
            "authentication": { "clientCert": client_cert(&device) },
            "domainName": "shop.example.com",
            "domainPrefix": "shop",
            "http": {
                "method": "POST",
                "path": "/dev/pets/café x",
                "protocol": "HTTP/1.1",
                "sourceIp": "192.0.2.7",
                "userAgent": "curl/8",
            },
            "requestId": REQUEST_ID,
            "routeKey": "POST /pets/{id}",
            "stage": "dev",
            "time": "13/Sep/2020:12:26:40 +0000",
            "timeEpoch": 1_600_000_000_000_i64,
        },
        "body": "{\"a\":1}",
        "pathParameters": { "id": "café x" },
        "isBase64Encoded": false,
        "stageVariables": { "table": "t-1" },
    });
    assert_eq!(event, expected);
}

#[tokio::test]
async fn the_event_of_payload_1_0_is_aws_s() {
    let (event, device, id) = full_event("1.0").await;
    let expected = json!({
        "version": "1.0",
        "resource": "/pets/{id}",
        "path": "/shop/pets/café x",
        "httpMethod": "POST",
        "headers": {
            "content-length": "7",
            "content-type": "application/json",
            "cookie": "a=1; b=2",
            "host": "shop.example.com",
            "user-agent": "curl/8",
            "x-amzn-trace-id": "Root=1-5f5e1000-445546778899aabbccddeeff",
            "x-forwarded-for": "198.51.100.1, 192.0.2.7",
            "x-forwarded-port": "443",
            "x-forwarded-proto": "https",
            "x-two": "two",
        },
        "multiValueHeaders": {
            "content-length": ["7"],
            "content-type": ["application/json"],
            "cookie": ["a=1; b=2"],
            "host": ["shop.example.com"],
            "user-agent": ["curl/8"],
            "x-amzn-trace-id": ["Root=1-5f5e1000-445546778899aabbccddeeff"],
            "x-forwarded-for": ["198.51.100.1, 192.0.2.7"],
            "x-forwarded-port": ["443"],
            "x-forwarded-proto": ["https"],
            "x-two": ["one", "two"],
        },
        "queryStringParameters": { "q": "c d", "flag": "" },
        "multiValueQueryStringParameters": { "q": ["a b", "c d"], "flag": [""] },
        "requestContext": {
            "accountId": ACCOUNT,
            "apiId": id,
            "domainName": "shop.example.com",
            "domainPrefix": "shop",
            "extendedRequestId": REQUEST_ID,
            "httpMethod": "POST",
            "identity": {
                "accessKey": null,
                "accountId": null,
                "caller": null,
                "clientCert": client_cert(&device),
                "cognitoAuthenticationProvider": null,
                "cognitoAuthenticationType": null,
                "cognitoIdentityId": null,
                "cognitoIdentityPoolId": null,
                "principalOrgId": null,
                "sourceIp": "192.0.2.7",
                "user": null,
                "userAgent": "curl/8",
                "userArn": null,
            },
            "path": "/shop/pets/café x",
            "protocol": "HTTP/1.1",
            "requestId": REQUEST_ID,
            "requestTime": "13/Sep/2020:12:26:40 +0000",
            "requestTimeEpoch": 1_600_000_000_000_i64,
            "resourceId": null,
            "resourcePath": "/pets/{id}",
            "stage": "dev",
        },
        "pathParameters": { "id": "café x" },
        "stageVariables": { "table": "t-1" },
        "body": "{\"a\":1}",
        "isBase64Encoded": false,
    });
    assert_eq!(event, expected);
}

#[tokio::test]
async fn an_event_leaves_out_what_the_request_has_not() {
    for format in ["2.0", "1.0"] {
        let bench = bench();
        let (id, told) = api(&bench, &["$default"], format);
        ok!(bench.gateway, create_stage, {
            "apiId": id, "stageName": "$default", "autoDeploy": true,
        });
        map(&bench, "a.example.com", "", &id, "$default");
        let request = request("GET", "/x", &[], "");
        ask(&bench.gateway, "a.example.com", &[], &request, &trace()).await;
        let event = last(&told);
        let optional =
            ["body", "cookies", "pathParameters", "queryStringParameters", "stageVariables"];
        for member in optional {
            match (format, member) {
                ("2.0", _) | (_, "cookies") => assert_eq!(event.get(member), None, "{member}"),
                _ => assert_eq!(event[member], Value::Null, "{member}"),
            }
        }
        assert_eq!(event["isBase64Encoded"], false);
        assert_eq!(event["headers"]["content-length"], "0");
        assert_eq!(event["headers"]["host"], "a.example.com");
        if format == "2.0" {
            assert_eq!(event["rawPath"], "/x");
            assert_eq!(event["rawQueryString"], "");
            assert_eq!(event["requestContext"].get("authentication"), None);
        } else {
            assert_eq!((text(&event, "path"), text(&event, "resource")), ("/x", "$default"));
            assert_eq!(event["requestContext"]["identity"].get("clientCert"), None);
        }
    }
}

#[tokio::test]
async fn a_body_is_text_or_base64() {
    let bench = bench();
    let (id, told) = api(&bench, &["$default"], "2.0");
    ok!(bench.gateway, create_stage, { "apiId": id, "stageName": "$default", "autoDeploy": true });
    map(&bench, "a.example.com", "", &id, "$default");
    let table: [(Option<&str>, &[u8], &str, bool); 8] = [
        (Some("application/json"), b"{}", "{}", false),
        (Some("text/plain; charset=utf-8"), b"hi", "hi", false),
        (Some("application/problem+json"), b"{}", "{}", false),
        (Some("Application/JSON"), b"{}", "{}", false),
        (None, b"hi", "hi", false),
        (None, b"\xff", "/w==", true),
        (Some("application/x-www-form-urlencoded"), b"a=1", "YT0x", true),
        (Some("application/octet-stream"), b"hi", "aGk=", true),
    ];
    for (content_type, body, expected, encoded) in table {
        let headers: Vec<_> =
            content_type.map(|value| ("content-type", value)).into_iter().collect();
        let mut request = request("POST", "/", &headers, "");
        request.body = Bytes::copy_from_slice(body);
        ask(&bench.gateway, "a.example.com", &[], &request, &trace()).await;
        let event = last(&told);
        assert_eq!((text(&event, "body"), &event["isBase64Encoded"]), (expected, &json!(encoded)));
    }
}

#[test]
fn a_gateway_is_shared_between_threads() {
    fn is_shared<T: Send + Sync + Clone + 'static>(_value: &T) {}
    is_shared(&bench().gateway);
    is_shared(&bench().buckets);
}
