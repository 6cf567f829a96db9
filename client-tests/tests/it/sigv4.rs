//! `enforce_sigv4`: the signatures of real clients are verified at every door, and whoever signs
//! wrongly is told so as AWS tells it. Without it, the same clients pass.
//!
//! The clients are the AWS CLI, boto3, curl, the AWS SDK for JavaScript, the AWS IoT Device SDK for
//! Python and mqtt.js. Truth: spec C21; each client's own signer.

use std::time::Duration;

use client_tests::binary::{Binary, executable};
use client_tests::programs::{self, Finished, Shell};
use iot_emulator::config::Credential;
use iot_emulator::{Emulator, Function};
use tempfile::TempDir;

use crate::common::{assert_says, refusal};

const TOKEN: &str = "FwoGZXIvYXdzE/+= token";
const KEY: (&str, &str) = ("AKIDEXAMPLE", "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY");
const MISMATCH: &str = "The request signature we calculated does not match the signature you \
    provided. Check your AWS Secret Access Key and signing method. Consult the service \
    documentation for details.";
const BAD_TOKEN: &str = "The security token included in the request is invalid.";

/// An emulator that enforces, with a function, a long-term key and one with a session token.
fn enforcing(enforce: bool) -> Emulator {
    let (id, secret) = KEY;
    let emulator = Emulator::builder()
        .enforce_sigv4(enforce)
        .manual_clock(true)
        .credential(Credential::new(id, secret).of_account("111122223333"))
        .credential(Credential::new("ASIAEXAMPLE", secret).with_session_token(TOKEN))
        .start()
        .expect("free ports");
    let echo = Function::new(|event| Ok(event.clone()));
    emulator.create_function("echo", echo).expect("a new function");
    emulator
}

/// A shell that knows the emulator as `exec` would tell it.
fn desk(emulator: &Emulator) -> (Shell, TempDir) {
    let folder = tempfile::tempdir().expect("a folder of our own");
    let mut shell = Shell::new(folder.path());
    for (name, value) in emulator.environment() {
        shell.set(name, value);
    }
    shell.write("root-ca.pem", emulator.iot_core().root_ca_pem());
    shell.set("ROOT_CA", folder.path().join("root-ca.pem"));
    shell.set("TLS_PORT", emulator.addresses().tls.port().to_string());
    shell.set("API_PORT", emulator.addresses().api.port().to_string());
    shell.set("AWS_EC2_METADATA_DISABLED", "true");
    shell.set("AWS_MAX_ATTEMPTS", "1");
    (shell, folder)
}

/// The same with other credentials.
fn signing_as(shell: &Shell, id: &str, secret: &str, token: Option<&str>) -> Shell {
    let mut shell = shell.clone();
    shell.set("AWS_ACCESS_KEY_ID", id);
    shell.set("AWS_SECRET_ACCESS_KEY", secret);
    if let Some(token) = token {
        shell.set("AWS_SESSION_TOKEN", token);
    }
    shell
}

async fn boto3(shell: &Shell, steps: &str) -> Finished {
    let program = programs::of_the_project("client-tests/python/signed.py");
    shell.run(&format!("python3 '{}' {steps}", program.display())).await.succeeded()
}

/// What the line that begins with `step` says.
#[track_caller]
fn line<'a>(said: &'a Finished, step: &str) -> &'a str {
    let mut lines = said.stdout.lines();
    let found = lines.find_map(|line| line.strip_prefix(step)?.strip_prefix(' '));
    found.unwrap_or_else(|| panic!("nothing of {step} in {said}"))
}

const ALL: &str =
    "iot iot-tags apigatewayv2 lambda iot-data tls s3-bucket s3 s3-stream s3-list s3-url iot-url";

#[tokio::test]
async fn c21_boto3_signs_for_every_service_and_door() {
    if !programs::present(&["boto3"]).await {
        return;
    }
    let emulator = enforcing(true);
    let (shell, _folder) = desk(&emulator);
    let another = signing_as(&shell, "222233334444", "iot-emulator", None);
    let configured = signing_as(&shell, KEY.0, KEY.1, None);
    let temporary = signing_as(&shell, "ASIAEXAMPLE", KEY.1, Some(TOKEN));
    for shell in [&shell, &another, &configured, &temporary] {
        let said = boto3(shell, ALL).await;
        for step in ["iot", "apigatewayv2", "iot-data", "tls", "s3", "s3-stream", "s3-list"] {
            assert!(line(&said, step).starts_with("200"), "{step}: {said}\n{}", emulator.trace());
        }
        assert_eq!(line(&said, "s3-url"), "200 PEM", "{said}");
        assert!(line(&said, "iot-url").starts_with("200 {"), "{said}\n{}", emulator.trace());
    }
    let said = boto3(&shell, "lambda iot-tags").await;
    assert!(line(&said, "lambda").starts_with("200"), "{said}");
    assert!(line(&said, "iot-tags").starts_with("404"), "a colon in a path: {said}");
}

#[tokio::test]
async fn c21_boto3_is_told_what_is_wrong_with_its_signature() {
    if !programs::present(&["boto3"]).await {
        return;
    }
    let emulator = enforcing(true);
    let (shell, _folder) = desk(&emulator);
    let rest = "iot apigatewayv2 lambda iot-data tls s3-list s3-stream s3-url iot-url s3-unsigned";
    let said_of = |said: &Finished, exception: &str, message: &str| {
        for step in ["iot", "apigatewayv2", "lambda"] {
            let line = line(said, step);
            assert!(line.starts_with("403") && line.contains(exception), "{step}: {said}");
            assert!(line.contains(message), "{step}: {said}");
        }
        for step in ["iot-data", "tls"] {
            let line = line(said, step);
            assert!(line.starts_with("403") && line.contains("ForbiddenException"), "{said}");
            assert!(line.contains(message), "{step}: {said}");
        }
        assert!(line(said, "iot-url").starts_with("403"), "{said}");
        assert!(line(said, "iot-url").contains(message), "{said}");
        let unsigned = line(said, "s3-unsigned");
        assert!(
            unsigned.starts_with("403") && unsigned.contains("Missing Authentication"),
            "{said}"
        );
    };
    let wrong = boto3(&signing_as(&shell, "000000000000", "wrong", None), rest).await;
    said_of(&wrong, "InvalidSignatureException", MISMATCH);
    let s3 = "The request signature we calculated does not match the signature you provided. Check \
              your key and signing method.";
    for step in ["s3-list", "s3-stream", "s3-url"] {
        let line = line(&wrong, step);
        assert!(line.starts_with("403") && line.contains("SignatureDoesNotMatch"), "{wrong}");
        assert!(line.contains(s3), "{wrong}");
    }
    assert!(
        line(&wrong, "s3-url")
            .contains("<CanonicalRequest>GET\n/trust/a%20b/".replace('\n', " ").as_str()),
        "{wrong}"
    );
    let entry = refusal(&emulator, "Connection.AuthNError");
    let why =
        ["SECURITY_TOKEN_SIGNATURE_MISMATCH", "/topics/a%252Fb%2520c", "HTTP 403", "AWS_SIGV4"];
    assert_says(&entry, &why);
    assert!(!emulator.trace().to_string().contains("wrong"), "{}", emulator.trace());

    let unknown = boto3(&signing_as(&shell, "AKIANOBODY", "x", None), rest).await;
    said_of(&unknown, "UnrecognizedClientException", BAD_TOKEN);
    assert!(line(&unknown, "s3-list").contains("InvalidAccessKeyId"), "{unknown}");
    let entry = refusal(&emulator, "Connection.AuthNError");
    assert_says(&entry, &["SECURITY_TOKEN_INVALID", "`AKIANOBODY`"]);

    let token = boto3(&signing_as(&shell, "ASIAEXAMPLE", KEY.1, Some("other")), rest).await;
    said_of(&token, "UnrecognizedClientException", BAD_TOKEN);
    assert!(line(&token, "s3-list").starts_with("400"), "{token}");
    assert!(line(&token, "s3-list").contains("InvalidToken"), "{token}");

    emulator.advance(Duration::from_secs(20 * 60)).await.expect("a manual clock");
    let late = boto3(&shell, rest).await;
    said_of(&late, "InvalidSignatureException", "Signature expired: ");
    for step in ["s3-list", "s3-stream"] {
        assert!(line(&late, step).contains("RequestTimeTooSkewed"), "{late}");
    }
    let url = line(&late, "s3-url");
    assert!(url.starts_with("403") && url.contains("<Message>Request has expired"), "{late}");
    let entry = refusal(&emulator, "Connection.AuthNError");
    assert_says(&entry, &["SECURITY_TOKEN_EXPIRED", "by the manual clock", "15 minutes"]);
    let mut longer = shell.clone();
    longer.set("SECONDS", "3600");
    let longer = boto3(&longer, "iot-url s3-url").await;
    assert!(line(&longer, "iot-url").starts_with("200"), "{longer}");
    assert!(line(&longer, "s3-url").starts_with("404"), "no such bucket: {longer}");
}

#[tokio::test]
async fn c21_without_enforcement_any_credentials_pass() {
    if !programs::present(&["boto3", "curl", "awsiotsdk"]).await {
        return;
    }
    let emulator = enforcing(false);
    let (shell, _folder) = desk(&emulator);
    emulator.advance(Duration::from_secs(20 * 60)).await.expect("a manual clock");
    let wrong = signing_as(&shell, "AKIANOBODY", "wrong", Some("other"));
    let said = boto3(&wrong, ALL).await;
    for step in ["iot", "apigatewayv2", "lambda", "iot-data", "tls", "s3", "s3-stream", "s3-list"] {
        assert!(line(&said, step).starts_with("200"), "{step}: {said}");
    }
    wss(&wrong, "other").await.succeeded().said("disconnected");
    curl(&wrong, "https://localhost:$TLS_PORT/topics/a").await.said("\"OK\"");
    let configured = signing_as(&shell, KEY.0, "wrong", None);
    let said = boto3(&configured, "iot").await;
    assert!(line(&said, "iot").starts_with("200"), "{said}");
    let of_its_account = emulator.iot_core_of("111122223333", "us-east-1");
    assert_ne!(of_its_account.scope(), emulator.iot_core().scope());
}

#[tokio::test]
async fn c21_the_cli_signs_uploads_invokes_and_publishes() {
    if !programs::present(&["aws", "curl"]).await {
        return;
    }
    let emulator = enforcing(true);
    let (mut shell, _folder) = desk(&emulator);
    shell.set("AWS_CA_BUNDLE", shell.folder().join("root-ca.pem"));
    shell.write("config", "[default]\ns3 =\n  signature_version = s3v4\n");
    shell.set("AWS_CONFIG_FILE", shell.folder().join("config"));
    let calls = [
        "aws iot create-thing --thing-name 'sensor:1'",
        "aws iot describe-thing --thing-name 'sensor:1'",
        "aws iot-data publish --topic 'a/b c' --payload d29ybGQ= --qos 1",
        "aws --endpoint-url https://localhost:$TLS_PORT iot-data publish --topic a/b --payload eA==",
        "aws s3 mb s3://trust",
        "head -c 300000 /dev/zero > upload && aws s3 cp upload 's3://trust/a b+c'",
        "aws --endpoint-url https://localhost:$API_PORT s3 cp upload s3://trust/secure",
        "cat upload | aws --endpoint-url https://localhost:$API_PORT s3 cp - s3://trust/stream",
        "aws s3 cp s3://trust/stream back && cmp upload back",
        "aws s3 ls s3://trust/",
        "curl -sf \"$(aws s3 presign 's3://trust/a b+c')\" -o fetched && cmp upload fetched",
        "aws lambda invoke --function-name echo --payload '{\"a\": 1}' out.json && grep -q 1 out.json",
        "aws apigatewayv2 get-apis",
    ];
    for call in calls {
        let _said = shell.run(call).await.succeeded();
    }
    let wrong = signing_as(&shell, "000000000000", "wrong", None);
    let refused = [
        ("aws iot list-things", "(InvalidSignatureException)", MISMATCH),
        ("aws iot-data publish --topic a --payload eA==", "(ForbiddenException)", MISMATCH),
        ("aws lambda list-functions", "(InvalidSignatureException)", MISMATCH),
        ("aws s3 ls s3://trust/", "(SignatureDoesNotMatch)", "Check your key and signing method."),
        ("aws s3 cp upload s3://trust/x", "(SignatureDoesNotMatch)", "signing method."),
    ];
    for (call, exception, message) in refused {
        let said = wrong.run(call).await;
        assert_ne!(said.code, Some(0), "{said}");
        said.said(exception).said(message);
    }
    let nobody = signing_as(&shell, "AKIANOBODY", "x", None);
    nobody.run("aws iot list-things").await.said("(UnrecognizedClientException)").said(BAD_TOKEN);
    nobody.run("aws s3 ls s3://trust/").await.said("(InvalidAccessKeyId)");
    let unsigned = shell.run("aws --no-sign-request iot list-things").await;
    unsigned.said("(MissingAuthenticationTokenException)").said("Missing Authentication Token");
    let late = "curl -s \"$(aws s3 presign --expires-in 60 s3://trust/stream)\"";
    emulator.advance(Duration::from_secs(20 * 60)).await.expect("a manual clock");
    shell.run(late).await.said("<Code>AccessDenied</Code>").said("<X-Amz-Expires>60<");
    shell.run("aws iot list-things").await.said("Signature expired: ").said(" - 15 min.)");
    shell.run("aws s3 ls s3://trust/").await.said("(RequestTimeTooSkewed)");
    let text = emulator.trace().to_string();
    assert!(!text.contains("wrong") && !text.contains("secret access key: "), "{text}");
}

async fn curl(shell: &Shell, url: &str) -> Finished {
    let line = format!(
        "curl -s --cacert root-ca.pem --aws-sigv4 aws:amz:us-east-1:iotdata \
         --user \"$AWS_ACCESS_KEY_ID:$AWS_SECRET_ACCESS_KEY\" --data x {url}"
    );
    shell.run(&line).await.succeeded()
}

#[tokio::test]
async fn c21_curl_signs_a_publish() {
    if !programs::present(&["curl"]).await {
        return;
    }
    let emulator = enforcing(true);
    let (shell, _folder) = desk(&emulator);
    let urls = ["https://localhost:$TLS_PORT/topics/a/b?qos=1", "$AWS_ENDPOINT_URL/topics/a?qos=1"];
    for url in urls {
        curl(&shell, url).await.said("\"OK\"");
        let wrong = signing_as(&shell, "000000000000", "wrong", None);
        curl(&wrong, url).await.said(MISMATCH);
        curl(&signing_as(&shell, "AKIANOBODY", "x", None), url).await.said(BAD_TOKEN);
    }
    let other = "curl -s --cacert root-ca.pem --aws-sigv4 aws:amz:eu-west-1:iot --user \
        \"$AWS_ACCESS_KEY_ID:$AWS_SECRET_ACCESS_KEY\" --data x https://localhost:$TLS_PORT/topics/a";
    shell.run(other).await.said("Credential should be scoped to correct service: 'iotdata'.");
    let other = other.replace("eu-west-1:iot ", "eu-west-1:iotdata ");
    shell.run(&other).await.said("Credential should be scoped to a valid region");
    // This curl signs a path as it sends it; AWS wants it encoded once more.
    let encoded = curl(&shell, "https://localhost:$TLS_PORT/topics/a%2Fb").await;
    if encoded.stdout.contains(MISMATCH) {
        let entry = refusal(&emulator, "Connection.AuthNError");
        assert_says(&entry, &["it is right for the path as it was sent"]);
    } else {
        encoded.said("\"OK\"");
    }
    emulator.advance(Duration::from_secs(20 * 60)).await.expect("a manual clock");
    curl(&shell, urls[0]).await.said("Signature expired: ");
}

#[tokio::test]
async fn c21_the_sdk_for_javascript_signs_its_story() {
    if !programs::present(&["node", "@aws-sdk/client-iot"]).await {
        return;
    }
    let emulator = enforcing(true);
    let (shell, _folder) = desk(&emulator);
    shell.write(
        "ask.js",
        r#"const sdk = require("@aws-sdk/client-iot");
           const iot = new sdk.IoTClient({ maxAttempts: 1 });
           const ask = (command) => iot.send(command).then(
             () => console.log("ok"), (error) => console.log(error.name, error.message));
           (async () => {
             await ask(new sdk.CreateThingCommand({ thingName: "a:b" }));
             await ask(new sdk.DescribeThingCommand({ thingName: "a:b" }));
             await ask(new sdk.ListThingsCommand({ maxResults: 1, attributeName: "a", attributeValue: "a/b:#=" }));
           })();"#,
    );
    let said = shell.run("node ask.js").await.succeeded();
    assert_eq!(said.text(), "ok\nok\nok", "{said}\n{}", emulator.trace());
    let temporary = signing_as(&shell, "ASIAEXAMPLE", KEY.1, Some("FwoGZXIvYXdzE"));
    let said = temporary.run("node ask.js").await.succeeded();
    said.said("UnrecognizedClientException").said(BAD_TOKEN);
    let temporary = signing_as(&shell, "ASIAEXAMPLE", KEY.1, Some(TOKEN));
    let said = temporary.run("node ask.js").await.succeeded();
    assert!(said.text().ends_with("ok\nok"), "{said}\n{}", emulator.trace());
    let wrong = signing_as(&shell, "000000000000", "wrong", None);
    let said = wrong.run("node ask.js").await.succeeded();
    said.said("InvalidSignatureException").said(MISMATCH).did_not_say("ok\n");
    let nobody = signing_as(&shell, "AKIANOBODY", "x", None).run("node ask.js").await;
    nobody.succeeded().said("UnrecognizedClientException");
    emulator.advance(Duration::from_secs(20 * 60)).await.expect("a manual clock");
    let late = shell.run("node ask.js").await.succeeded();
    late.said("InvalidSignatureException Signature expired: ");
}

async fn wss(shell: &Shell, token: &str) -> Finished {
    let program = programs::of_the_project("client-tests/python/wss.py");
    shell.run(&format!("python3 '{}' $TLS_PORT browser mine {token}", program.display())).await
}

#[tokio::test]
async fn c21_the_device_sdk_signs_its_handshake_by_url_and_by_headers() {
    if !programs::present(&["awsiotsdk"]).await {
        return;
    }
    let emulator = enforcing(true);
    let (by_url, _folder) = desk(&emulator);
    let mut by_headers = by_url.clone();
    by_headers.set("SIGNED_IN", "headers");
    let token = format!("'{TOKEN}'");
    for (shell, in_headers) in [(&by_url, false), (&by_headers, true)] {
        let said = wss(shell, "").await;
        let headers = "signed headers: connection;host;x-amz-date";
        assert_eq!(said.stdout.contains(headers), in_headers, "{said}");
        assert_eq!(said.code, Some(0), "{said}\n{}", emulator.trace());
        let temporary = signing_as(shell, "ASIAEXAMPLE", KEY.1, None);
        let said = wss(&temporary, &token).await;
        assert_eq!(said.code, Some(0), "{said}\n{}", emulator.trace());
        let refused = [
            (
                wss(&temporary, "").await,
                "SECURITY_TOKEN_INVALID",
                "known only with a session token",
            ),
            (
                wss(&signing_as(shell, "000000000000", "wrong", None), "").await,
                "SECURITY_TOKEN_SIGNATURE_MISMATCH",
                "the canonical request here:",
            ),
            (
                wss(&signing_as(shell, "AKIANOBODY", "x", None), "").await,
                "SECURITY_TOKEN_INVALID",
                "`AKIANOBODY`",
            ),
        ];
        for (said, _, _) in &refused {
            assert_ne!(said.code, Some(0), "{said}");
            said.said("cannot connect:");
        }
        let entries: Vec<_> = emulator.trace().refusals().iter().map(ToString::to_string).collect();
        for (_, reason, why) in refused {
            let one = |entry: &String| entry.contains(reason) && entry.contains(why);
            assert!(entries.iter().any(one), "{reason}: {}", entries.join("\n"));
        }
        assert!(!emulator.trace().to_string().contains(TOKEN));
    }
    emulator.advance(Duration::from_secs(20 * 60)).await.expect("a manual clock");
    for shell in [&by_url, &by_headers] {
        wss(shell, "").await.said("cannot connect:");
        assert_says(&refusal(&emulator, "Connection.AuthNError"), &["SECURITY_TOKEN_EXPIRED"]);
    }
}

#[tokio::test]
async fn c21_mqtt_js_connects_with_a_presigned_url_that_is_right() {
    if !programs::present(&["node", "mqtt.js"]).await {
        return;
    }
    let emulator = enforcing(true);
    let (shell, _folder) = desk(&emulator);
    let program = programs::of_the_project("client-tests/node/wss.js");
    let line = |token: &str| format!("node '{}' $TLS_PORT browser a {token}", program.display());
    shell.run(&line("")).await.succeeded().said("disconnected");
    let temporary = signing_as(&shell, "ASIAEXAMPLE", KEY.1, None);
    temporary.run(&line(&format!("'{TOKEN}'"))).await.succeeded().said("disconnected");
    let wrong = signing_as(&shell, "000000000000", "wrong", None);
    // It says nothing of a handshake that is refused, and ends.
    wrong.run(&line("")).await.did_not_say("connected");
    let entry = refusal(&emulator, "Connection.AuthNError");
    assert_says(&entry, &["SECURITY_TOKEN_SIGNATURE_MISMATCH", "  /mqtt", "  host:localhost:"]);
    emulator.advance(Duration::from_secs(20 * 60)).await.expect("a manual clock");
    shell.run(&line("")).await.did_not_say("connected");
    assert_says(&refusal(&emulator, "Connection.AuthNError"), &["SECURITY_TOKEN_EXPIRED"]);
}

#[tokio::test]
async fn c21_the_binary_knows_the_keys_of_its_file_and_of_its_environment() {
    if !programs::present(&["aws", "python3"]).await {
        return;
    }
    let desk = Binary::start_with(
        "enforce_sigv4 = true\n[[credential]]\naccess_key_id = \"AKIAFILE\"\n\
         secret_access_key = \"of-the-file\"\naccount = \"111122223333\"\n\
         [[call]]\noperation = \"CreateThing\"\ninput = { thingName = \"from-the-file\" }\n",
    );
    let as_file = "AWS_ACCESS_KEY_ID=AKIAFILE AWS_SECRET_ACCESS_KEY=of-the-file";
    let aws = "aws --endpoint-url http://localhost:$API_PORT";
    let made = desk.run(&format!("{as_file} {aws} iot create-thing --thing-name a")).await;
    made.succeeded().said("arn:aws:iot:us-east-1:111122223333:thing/a");
    let refused = desk.run(&format!("{aws} iot list-things")).await;
    refused.said("(UnrecognizedClientException)");
    // The emulator's own commands need no signature, and what they export is one.
    let emulator = executable();
    let emulator = format!("'{}' --api-url http://localhost:$API_PORT", emulator.display());
    let unset = "unset AWS_ACCESS_KEY_ID AWS_SECRET_ACCESS_KEY";
    desk.all(&[
        &format!("{emulator} enroll lamp"),
        &format!("{emulator} ca Acme --register --auto-registration"),
    ])
    .await;
    let listed =
        desk.run(&format!("{unset}; eval \"$({emulator} env)\"; aws iot list-things")).await;
    listed.succeeded().said("from-the-file").said("lamp");
    let log = desk.trace().await;
    assert!(!log.contains("of-the-file"), "{log}");

    // `exec` leaves the user's own key in place, and knows it.
    let script = "aws iot list-things && AWS_SECRET_ACCESS_KEY=other aws iot list-things";
    let exec = format!("'{}' --enforce-sigv4 exec -- sh -c '{script}'", executable().display());
    let mut shell = Shell::new(desk.shell().folder());
    shell.set("AWS_EC2_METADATA_DISABLED", "true");
    let own = signing_as(&shell, "AKIAOWN", "own", Some("own/token"));
    for shell in [&shell, &own] {
        let said = shell.run(&exec).await;
        assert_ne!(said.code, Some(0), "{said}");
        said.said("\"things\": []").said("(InvalidSignatureException)");
    }
}

#[tokio::test]
async fn c21_a_function_signs_with_what_it_finds() {
    if !programs::present(&["boto3"]).await {
        return;
    }
    let emulator = enforcing(true);
    let (shell, folder) = desk(&emulator);
    shell.write(
        "app.py",
        "import boto3\ndef handler(event, context):\n    \
         return boto3.client('iot').list_things()['things']\n",
    );
    let process =
        iot_emulator::lambda::ProcessFunction::new(folder.path(), "python3.11", "app.handler");
    let process = process.expect("a folder of code").timeout(Duration::from_secs(50));
    let process = process.environment("PYTHONPATH", site_packages().await);
    emulator.create_function("lister", process.into()).expect("a new function");
    let invoke = "aws lambda invoke --function-name lister out.json && cat out.json";
    let said = shell.run(invoke).await.succeeded();
    assert!(said.text().ends_with("[]"), "{said}\n{}", emulator.trace());
}

/// Where the Python of the tests has its packages: a function runs the machine's own.
async fn site_packages() -> String {
    let shell = Shell::new(std::env::temp_dir());
    let said = shell.run("python3 -c 'import boto3; print(boto3.__path__[0])'").await.succeeded();
    said.text().trim_end_matches("/boto3").to_owned()
}
