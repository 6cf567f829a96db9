//! API Gateway with mutual TLS: the device's certificate opens a route that a function answers.
//!
//! Truth: <https://docs.aws.amazon.com/apigateway/latest/developerguide/http-api-mutual-tls.html>;
//! the answer and the way a connection without a certificate ends are what the first article shows.

use client_tests::binary::Binary;
use client_tests::programs::{self, Finished, Shell};
use iot_emulator::{CertificateAuthority, Emulator, Function, Identity};
use serde_json::{Value, json};

use crate::articles::{OPERATOR, create_function, make_ca, make_device, members, text};

const APP: &str = r#"
import json


def sample(event, context):
    certificate = event["requestContext"]["authentication"]["clientCert"]
    assert certificate["subjectDN"].endswith("CN=sensor-1"), certificate
    return {"statusCode": 200, "body": json.dumps({"message": "Good."})}


def seen(event, context):
    return event["requestContext"]["authentication"]["clientCert"]
"#;

/// A request for `path` with these certificates, at the domain's own name.
async fn get(desk: &Binary, path: &str, certificate: &str) -> Finished {
    desk.run(&format!(
        "curl --silent --show-error --cacert $ROOT_CA {certificate} --write-out '\\n%{{http_code}}' \
         --connect-to api.example.com:443:localhost:$GATEWAY_PORT https://api.example.com{path}"
    ))
    .await
}

/// Body and status of a request that got an answer.
#[track_caller]
fn answer(finished: Finished) -> (String, String) {
    let finished = finished.succeeded();
    let (body, status) = finished.text().rsplit_once('\n').expect("a body and a status");
    (body.to_owned(), status.to_owned())
}

/// A function behind `GET /NAME` of the API.
async fn create_route(desk: &Binary, api: &str, name: &str) {
    create_function(desk, name, "python3.11", &format!("app.{name}")).await;
    desk.aws(&format!(
        "lambda add-permission --function-name {name} --statement-id gateway \
         --principal apigateway.amazonaws.com --action lambda:InvokeFunction \
         --source-arn 'arn:aws:execute-api:us-east-1:000000000000:{api}/*/*/{name}'"
    ))
    .await;
    let made = desk
        .aws(&format!(
            "apigatewayv2 create-integration --api-id {api} --integration-type AWS_PROXY \
             --integration-uri arn:aws:lambda:us-east-1:000000000000:function:{name} \
             --payload-format-version 2.0"
        ))
        .await;
    let integration = text(&made["IntegrationId"]);
    let route = desk
        .aws(&format!(
            "apigatewayv2 create-route --api-id {api} --route-key 'GET /{name}' \
             --target integrations/{integration}"
        ))
        .await;
    assert_eq!(route["RouteKey"], format!("GET /{name}"));
}

/// The article's gateway, whose truststore is `ca.pem`.
async fn prepare(desk: &Binary) {
    make_ca(desk, "ca", "/C=DE/O=Acme/CN=Acme Devices").await;
    make_device(desk, "device", "ca", "/C=DE/O=Acme/CN=sensor-1").await;
    desk.shell().write("app.py", APP);
    desk.all(&[
        "aws --endpoint-url http://localhost:$API_PORT s3 mb s3://truststores",
        "cp ca.pem truststore.pem",
        "aws --endpoint-url http://localhost:$API_PORT s3 cp truststore.pem \
         s3://truststores/acme/truststore.pem",
    ])
    .await;
    let made = desk.aws("apigatewayv2 create-api --name sample --protocol-type HTTP").await;
    let api = text(&made["ApiId"]);
    create_route(desk, &api, "sample").await;
    create_route(desk, &api, "seen").await;
    let stage = format!("create-stage --api-id {api} --stage-name '$default' --auto-deploy");
    desk.aws(&format!("apigatewayv2 {stage}")).await;
    let domain = desk
        .aws(
            "apigatewayv2 create-domain-name --domain-name api.example.com \
             --domain-name-configurations CertificateArn=arn:aws:acm:us-east-1:000000000000:certificate/\
11111111-2222-3333-4444-555555555555,EndpointType=REGIONAL,SecurityPolicy=TLS_1_2 \
             --mutual-tls-authentication TruststoreUri=s3://truststores/acme/truststore.pem",
        )
        .await;
    let mutual_tls = json!({ "TruststoreUri": "s3://truststores/acme/truststore.pem" });
    assert_eq!(domain["MutualTlsAuthentication"], mutual_tls);
    let mapping = format!(
        "apigatewayv2 create-api-mapping --api-id {api} --domain-name api.example.com \
         --stage '$default'"
    );
    desk.aws(&mapping).await;
}

#[tokio::test]
async fn the_devices_certificate_opens_the_route_and_no_other_does() {
    if !programs::present(&OPERATOR).await || !programs::present(&["curl"]).await {
        return;
    }
    let desk = Binary::start();
    prepare(&desk).await;
    let device = "--cert device.crt --key device.key";
    let good = answer(get(&desk, "/sample", device).await);
    assert_eq!(good, (r#"{"message": "Good."}"#.to_owned(), "200".to_owned()));

    let (seen, _) = answer(get(&desk, "/seen", device).await);
    let seen: Value = serde_json::from_str(&seen).expect("clientCert as JSON");
    let names = ["clientCertPem", "issuerDN", "serialNumber", "subjectDN", "validity"];
    assert_eq!(members(&seen), names);
    assert_eq!(seen["subjectDN"], "C=DE,O=Acme,CN=sensor-1");
    assert_eq!(seen["issuerDN"], "C=DE,O=Acme,CN=Acme Devices");
    let pem = desk.run("openssl x509 -in device.crt").await.succeeded();
    assert_eq!(seen["clientCertPem"].as_str().map(str::trim), Some(pem.text()));
    assert_eq!(members(&seen["validity"]), ["notAfter", "notBefore"]);

    let without = get(&desk, "/sample", "").await.ended_with(35);
    without.said("curl: (35)");
    make_ca(&desk, "other", "/CN=Other Devices").await;
    make_device(&desk, "stranger", "other", "/CN=sensor-1").await;
    make_ca(&desk, "twin", "/C=DE/O=Acme/CN=Acme Devices").await;
    make_device(&desk, "forged", "twin", "/C=DE/O=Acme/CN=sensor-1").await;
    for name in ["stranger", "forged"] {
        let certificate = format!("--cert {name}AndCA.crt --key {name}.key");
        let forbidden = answer(get(&desk, "/sample", &certificate).await);
        assert_eq!(
            forbidden,
            (r#"{"message":"Forbidden"}"#.to_owned(), "403".to_owned()),
            "{name}"
        );
    }
    let nowhere = answer(get(&desk, "/nowhere", device).await);
    assert_eq!(nowhere, (r#"{"message":"Not Found"}"#.to_owned(), "404".to_owned()));
}

#[tokio::test]
async fn a_new_truststore_counts_from_the_update_on() {
    if !programs::present(&OPERATOR).await || !programs::present(&["curl"]).await {
        return;
    }
    let desk = Binary::start();
    prepare(&desk).await;
    make_ca(&desk, "next", "/C=DE/O=Acme/CN=Next Devices").await;
    make_device(&desk, "newcomer", "next", "/C=DE/O=Acme/CN=sensor-1").await;
    desk.all(&[
        "cat ca.pem next.pem > truststore.pem",
        "aws --endpoint-url http://localhost:$API_PORT s3 cp truststore.pem \
         s3://truststores/acme/truststore.pem",
    ])
    .await;
    let newcomer = "--cert newcomer.crt --key newcomer.key";
    assert_eq!(answer(get(&desk, "/sample", newcomer).await).1, "403", "the old truststore");
    desk.aws(
        "apigatewayv2 update-domain-name --domain-name api.example.com \
         --mutual-tls-authentication TruststoreUri=s3://truststores/acme/truststore.pem",
    )
    .await;
    assert_eq!(answer(get(&desk, "/sample", newcomer).await).1, "200");
    let device = "--cert device.crt --key device.key";
    assert_eq!(answer(get(&desk, "/sample", device).await).1, "200");
}

#[tokio::test]
async fn a_test_puts_a_gateway_in_front_of_its_function_in_three_lines() {
    if !programs::present(&["curl"]).await {
        return;
    }
    let emulator = Emulator::start();
    let (ca, stranger) = (CertificateAuthority::new("Acme"), CertificateAuthority::new("Other"));
    let gateway = emulator.api_gateway();
    gateway
        .domain_name("sample.example.com")
        .truststore(&ca.pem())
        .route(
            "GET /sample",
            Function::new(|event| {
                let certificate = &event["requestContext"]["authentication"]["clientCert"];
                let subject = certificate["subjectDN"].as_str().ok_or("no subjectDN")?;
                Ok(json!({ "message": format!("Good, {subject}.") }))
            }),
        )
        .create()
        .expect("a custom domain name");

    let folder = tempfile::tempdir().expect("a folder");
    let shell = Shell::new(folder.path());
    shell.write("root.pem", emulator.root_ca_pem());
    let port = emulator.gateway_address().port();
    let ask = async |identity: &Identity| {
        shell.write("device.pem", identity.certificate_pem());
        shell.write("device.key", identity.private_key_pem());
        let line = format!(
            "curl --silent --show-error --cacert root.pem --cert device.pem --key device.key \
             --write-out '\\n%{{http_code}}' \
             --connect-to sample.example.com:443:localhost:{port} https://sample.example.com/sample"
        );
        answer(shell.run(&line).await)
    };
    let good = (r#"{"message":"Good, CN=sensor-1."}"#.to_owned(), "200".to_owned());
    assert_eq!(ask(&ca.issue("sensor-1")).await, good);
    let forbidden = (r#"{"message":"Forbidden"}"#.to_owned(), "403".to_owned());
    assert_eq!(ask(&stranger.issue("sensor-1")).await, forbidden);
    let refusals = emulator.trace().refusals();
    let last = refusals.last().expect("the trace says why").to_string();
    assert!(last.contains("Could not find issuer for certificate"), "{last}");
}
