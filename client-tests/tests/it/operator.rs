//! The operator at the AWS CLI: CA certificates, certificates, policies, things, rules, functions.
//!
//! Truth: the CLI itself, which reads each answer by AWS's own model, and
//! <https://docs.aws.amazon.com/iot/latest/apireference/API_RegisterCACertificate.html>.

use client_tests::binary::Binary;
use client_tests::programs::{self, Finished};
use serde_json::{Value, json};

use crate::articles::{
    OPERATOR, attached_policies, certificate_arn, certificate_id, create_function, create_policy,
    create_rule, describe, make_ca, make_device, make_verification, members, register_ca,
    registration_code, text,
};

/// Registers `ca.pem` with this verification certificate, or tries.
async fn try_to_register(desk: &Binary, verification: &str) -> Finished {
    let register = "iot register-ca-certificate --ca-certificate file://ca.pem";
    desk.try_aws(&format!("{register} {verification}")).await
}

/// An error as the CLI shows it: AWS's exception, the operation, AWS's text.
#[track_caller]
fn refused(finished: &Finished, exception: &str, operation: &str, message: &str) {
    assert_ne!(finished.code, Some(0), "{finished}");
    finished.said(&format!(
        "An error occurred ({exception}) when calling the {operation} operation: {message}"
    ));
}

#[tokio::test]
async fn a_ca_is_registered_and_described() {
    if !programs::present(&OPERATOR).await {
        return;
    }
    let desk = Binary::start();
    let code = registration_code(&desk).await;
    assert!(code.len() == 64 && code.bytes().all(|byte| byte.is_ascii_hexdigit()), "{code}");
    assert_eq!(registration_code(&desk).await, code, "it stays until it is deleted");

    make_ca(&desk, "ca", "/C=DE/O=Acme/CN=Acme Devices").await;
    let id = register_ca(&desk, "ca", "").await;
    assert_eq!(id, certificate_id(&desk, "ca.pem").await);
    let described = desk.aws(&format!("iot describe-ca-certificate --certificate-id {id}")).await;
    assert_eq!(members(&described), ["certificateDescription"], "no registrationConfig");
    let ca = &described["certificateDescription"];
    assert_eq!(
        members(ca),
        [
            "autoRegistrationStatus",
            "certificateArn",
            "certificateId",
            "certificateMode",
            "certificatePem",
            "creationDate",
            "customerVersion",
            "generationId",
            "lastModifiedDate",
            "ownedBy",
            "status",
            "validity",
        ]
    );
    let arn = format!("arn:aws:iot:us-east-1:000000000000:cacert/{id}");
    assert_eq!(ca["certificateArn"], arn);
    let states = (&ca["status"], &ca["autoRegistrationStatus"], &ca["certificateMode"]);
    assert_eq!(states, (&json!("ACTIVE"), &json!("ENABLE"), &json!("DEFAULT")));
    assert_eq!(ca["certificatePem"], desk.shell().read("ca.pem"));

    let again = try_to_register(&desk, "--verification-cert file://verificationCert.crt").await;
    refused(&again, "ResourceAlreadyExistsException", "RegisterCACertificate", "");
    let delete = desk.try_aws(&format!("iot delete-ca-certificate --certificate-id {id}")).await;
    let message =
        format!("CA Certificate must be deactivated (not ACTIVE) before deletion. Id: {id}");
    refused(&delete, "CertificateStateException", "DeleteCACertificate", &message);
}

#[tokio::test]
async fn a_wrong_verification_certificate_is_refused_in_awss_words() {
    if !programs::present(&OPERATOR).await {
        return;
    }
    let desk = Binary::start();
    let code = registration_code(&desk).await;
    make_ca(&desk, "ca", "/CN=Acme Devices").await;
    // Another CA, and one that only has the same name.
    make_ca(&desk, "other", "/CN=Other Devices").await;
    make_ca(&desk, "twin", "/CN=Acme Devices").await;
    make_verification(&desk, "of_other", "other", &code).await;
    make_verification(&desk, "of_twin", "twin", &code).await;
    make_verification(&desk, "of_nobody", "ca", "0123456789abcdef").await;
    desk.shell()
        .write("garbage.crt", "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n");
    let table = [
        (
            "",
            "InvalidRequestException",
            "Need to provide verification certificate for registering CA Certificates in DEFAULT mode",
        ),
        (
            "--verification-cert file://garbage.crt",
            "InvalidRequestException",
            "Contents of the Verification Certificate are not correct",
        ),
        (
            "--verification-cert file://of_other.crt",
            "CertificateValidationException",
            "The issuer of the certificate did not match the subject of the provided CA certificate.",
        ),
        (
            "--verification-cert file://of_twin.crt",
            "CertificateValidationException",
            "The signature of the certificate failed verification against the provided CA certificate.",
        ),
        (
            "--verification-cert file://of_nobody.crt",
            "RegistrationCodeValidationException",
            "Registration code provided in the CN field of verification certificate is invalid.",
        ),
    ];
    for (verification, exception, message) in table {
        let answer = try_to_register(&desk, verification).await;
        refused(&answer, exception, "RegisterCACertificate", message);
    }
    assert_eq!(desk.aws("iot list-ca-certificates").await["certificates"], json!([]));
    make_verification(&desk, "right", "ca", &code).await;
    let right = try_to_register(&desk, "--verification-cert file://right.crt").await;
    let id = text(&right.succeeded().json()["certificateId"]);
    let described = desk.aws(&format!("iot describe-ca-certificate --certificate-id {id}")).await;
    let ca = &described["certificateDescription"];
    let states = (&ca["status"], &ca["autoRegistrationStatus"]);
    assert_eq!(states, (&json!("INACTIVE"), &json!("DISABLE")), "nothing that was not asked for");
}

#[tokio::test]
async fn a_certificate_and_a_thing_are_registered_and_tied_together() {
    if !programs::present(&OPERATOR).await {
        return;
    }
    let desk = Binary::start();
    make_ca(&desk, "ca", "/CN=Acme Devices").await;
    let ca_id = register_ca(&desk, "ca", "").await;
    make_device(&desk, "device", "ca", "/CN=sensor-1").await;
    let register = "iot register-certificate --certificate-pem file://device.crt";
    let registered = desk.aws(&format!("{register} --ca-certificate-pem file://ca.pem")).await;
    let id = text(&registered["certificateId"]);
    let arn = certificate_arn(&id);
    assert_eq!(registered, json!({ "certificateArn": arn, "certificateId": id }));
    let described = describe(&desk, &id).await;
    assert_eq!(described["caCertificateId"], ca_id);
    assert_eq!(described["status"], "INACTIVE");
    let activate = format!("iot update-certificate --certificate-id {id} --new-status");
    assert_eq!(desk.aws(&format!("{activate} ACTIVE")).await, Value::Null);
    let listed = desk.aws("iot list-certificates").await;
    let listed = &listed["certificates"][0];
    assert_eq!((&listed["certificateId"], &listed["status"]), (&json!(id), &json!("ACTIVE")));

    create_policy(&desk, "Device", &["iot:Connect"]).await;
    desk.aws(&format!("iot attach-policy --policy-name Device --target {arn}")).await;
    assert_eq!(attached_policies(&desk, &id).await, ["Device"]);
    let thing = desk.aws("iot create-thing --thing-name sensor-1").await;
    assert_eq!(members(&thing), ["thingArn", "thingId", "thingName"]);
    desk.aws(&format!("iot attach-thing-principal --thing-name sensor-1 --principal {arn}")).await;
    let principals = desk.aws("iot list-thing-principals --thing-name sensor-1").await;
    assert_eq!(principals["principals"], json!([arn]));
    let described = desk.aws("iot describe-thing --thing-name sensor-1").await;
    assert_eq!((&described["version"], &described["attributes"]), (&json!(1), &json!({})));

    let delete = format!("iot delete-certificate --certificate-id {id}");
    let message = format!("Certificate must be deactivated (not ACTIVE) before deletion. Id: {id}");
    let early = desk.try_aws(&delete).await;
    refused(&early, "CertificateStateException", "DeleteCertificate", &message);
    desk.aws(&format!("{activate} INACTIVE")).await;
    desk.aws(&format!("iot detach-thing-principal --thing-name sensor-1 --principal {arn}")).await;
    let message = format!("Certificate policies must be detached before deletion (arn: {arn})");
    let early = desk.try_aws(&delete).await;
    refused(&early, "DeleteConflictException", "DeleteCertificate", &message);
    desk.aws(&format!("iot detach-policy --policy-name Device --target {arn}")).await;
    desk.aws(&delete).await;
    let gone = desk.try_aws(&format!("iot describe-certificate --certificate-id {id}")).await;
    let message = format!("CertificateId {id} does not exist");
    refused(&gone, "ResourceNotFoundException", "DescribeCertificate", &message);
}

#[tokio::test]
async fn an_endpoint_is_described_and_what_aws_does_not_know_is_refused() {
    if !programs::present(&OPERATOR).await {
        return;
    }
    let desk = Binary::start();
    let endpoint = desk.aws("iot describe-endpoint --endpoint-type iot:Data-ATS").await;
    assert_eq!(endpoint, json!({ "endpointAddress": "localhost" }));
    let retired = desk.try_aws("iot describe-endpoint --endpoint-type iot:Data").await;
    let message = "iot:Data is not supported. Please use iot:Data-ATS instead.";
    refused(&retired, "InvalidRequestException", "DescribeEndpoint", message);

    desk.shell().write("garbage.txt", "garbage");
    let create = "iot create-policy --policy-name Bad --policy-document file://garbage.txt";
    let message = "Policy document is Malformed (at line 1, column 1: expected value, found `g`)";
    refused(&desk.try_aws(create).await, "MalformedPolicyException", "CreatePolicy", message);
    let register = "iot register-certificate-without-ca --certificate-pem file://garbage.txt";
    let garbage = desk.try_aws(register).await;
    assert_ne!(garbage.code, Some(0), "{garbage}");
    garbage.said("when calling the RegisterCertificateWithoutCA operation: ");
    desk.shell().write("rule.json", r#"{ "sql": "SELECT FROM WHERE", "actions": [] }"#);
    let rule = "iot create-topic-rule --rule-name bad --topic-rule-payload file://rule.json";
    refused(&desk.try_aws(rule).await, "SqlParseException", "CreateTopicRule", "");
    let unknown = desk.try_aws("iot list-jobs").await;
    assert_ne!(unknown.code, Some(0), "{unknown}");
    unknown.said("An error occurred (").said("the operation ListJobs of `iot`");
    assert!(desk.aws("iot list-things").await["things"].is_array(), "the emulator lives on");
}

#[tokio::test]
async fn functions_of_each_runtime_are_created_and_invoked() {
    if !programs::present(&OPERATOR).await || !programs::present(&["node", "curl"]).await {
        return;
    }
    let desk = Binary::start();
    let shell = desk.shell();
    shell.write("app.py", "def hello(event, context):\n    return {'hello': event['name']}\n");
    shell.write("app.mjs", "export const hello = async (event) => ({ hello: event.name });\n");
    create_function(&desk, "python", "python3.11", "app.hello").await;
    create_function(&desk, "node", "nodejs20.x", "app.hello").await;
    // The custom runtime of AWS's own tutorial: a shell script on the Runtime API.
    shell.write(
        "bootstrap",
        r#"#!/bin/sh
while true; do
  event="$(curl -sS --noproxy '*' -D headers "http://$AWS_LAMBDA_RUNTIME_API/2018-06-01/runtime/invocation/next")"
  id="$(grep -i '^lambda-runtime-aws-request-id:' headers | tr -d '\r' | cut -d' ' -f2)"
  curl -sS --noproxy '*' -o /dev/null -d "{\"echo\": $event}" \
    "http://$AWS_LAMBDA_RUNTIME_API/2018-06-01/runtime/invocation/$id/response" || exit 1
done
"#,
    );
    desk.all(&["chmod +x bootstrap", "python3 -m zipfile -c own.zip bootstrap"]).await;
    desk.aws(
        "lambda create-function --function-name own --runtime provided.al2023 --handler any \
         --role arn:aws:iam::000000000000:role/function --zip-file fileb://own.zip",
    )
    .await;
    shell.write("event.json", r#"{"name": "world"}"#);
    let table = [
        ("python", json!({ "hello": "world" })),
        ("node", json!({ "hello": "world" })),
        ("own", json!({ "echo": { "name": "world" } })),
    ];
    for (name, expected) in table {
        let invoke = format!("lambda invoke --function-name {name} --payload fileb://event.json");
        let answer = desk.aws(&format!("{invoke} {name}.out")).await;
        let result = shell.read(&format!("{name}.out"));
        assert_eq!(answer["StatusCode"], 200, "{name}: {answer}");
        assert_eq!(answer["FunctionError"], Value::Null, "{name}: {result}");
        let result: Value = serde_json::from_str(&result).expect("JSON");
        assert_eq!(result, expected, "{name}");
    }
    create_rule(&desk, "python", "SELECT * FROM 'things/#'").await;
    let rule = desk.aws("iot get-topic-rule --rule-name python").await;
    assert_eq!(rule["rule"]["sql"], "SELECT * FROM 'things/#'");
    let function = "arn:aws:lambda:us-east-1:000000000000:function:python";
    assert_eq!(rule["rule"]["actions"], json!([{ "lambda": { "functionArn": function } }]));
    let version = desk.try_aws("lambda invoke --function-name python --qualifier 7 out").await;
    let message = "Function not found: arn:aws:lambda:us-east-1:000000000000:function:python:7";
    refused(&version, "ResourceNotFoundException", "Invoke", message);
    let missing = desk.try_aws("lambda invoke --function-name nobody out").await;
    let message = "Function not found: arn:aws:lambda:us-east-1:000000000000:function:nobody";
    refused(&missing, "ResourceNotFoundException", "Invoke", message);
}
