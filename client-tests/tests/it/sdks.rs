//! One story, told with each of AWS's own clients: certificates, attachments, sixty things page by
//! page, errors as the client's own classes, timestamps as its own dates, deletion in AWS's order.
//!
//! boto3 tells it in `client-tests/python`, the AWS SDK for JavaScript in `client-tests/node`, the
//! AWS SDK for Rust in `tests/aws_sdk.rs`, the AWS CLI here. What the CLI says of CA certificates,
//! attachments and deletion stands in `operator.rs`.
//! Truth: the clients, which are made of AWS's own models.

use client_tests::programs::{self, Shell};
use iot_emulator::{CertificateAuthority, Emulator};
use serde_json::{Value, json};
use tempfile::TempDir;

/// A shell that finds the emulator, beside the certificates that the story needs.
fn desk(emulator: &Emulator, folder: &TempDir) -> Shell {
    let mut shell = Shell::new(folder.path());
    for (name, value) in emulator.environment() {
        shell.set(name, value);
    }
    let code = emulator.iot_core().call("GetRegistrationCode", json!({})).expect("a code");
    let code = code["registrationCode"].as_str().expect("a text");
    let ca = CertificateAuthority::new("Story");
    shell.write("ca.pem", ca.pem());
    shell.write("verification.pem", ca.verification_certificate(code));
    shell.write("device.pem", ca.issue("sensor").certificate_pem());
    shell
}

async fn tells_the_story(clients: &[&str], interpreter: &str, program: &str) {
    if !programs::present(clients).await {
        return;
    }
    let emulator = Emulator::start();
    let folder = tempfile::tempdir().expect("a folder of our own");
    let program = programs::of_the_project(program);
    let shell = desk(&emulator, &folder);
    let told = shell.run(&format!("{interpreter} '{}'", program.display())).await;
    told.succeeded().said("the story is told");
}

#[tokio::test]
async fn boto3_tells_the_story() {
    tells_the_story(&["boto3"], "python3", "client-tests/python/story.py").await;
}

#[tokio::test]
async fn the_sdk_for_javascript_tells_the_story() {
    let clients = ["node", "@aws-sdk/client-iot"];
    tells_the_story(&clients, "node", "client-tests/node/story.js").await;
}

#[tokio::test]
async fn the_cli_pages_through_sixty_things_and_shows_dates_and_errors() {
    if !programs::present(&["aws"]).await {
        return;
    }
    let emulator = Emulator::start();
    let iot = emulator.iot_core();
    for number in 0..60 {
        let thing = json!({ "thingName": format!("thing-{number}") });
        iot.call("CreateThing", thing).expect("a new thing");
    }
    let folder = tempfile::tempdir().expect("a folder of our own");
    let mut shell = desk(&emulator, &folder);
    let names = |said: &Value| said["things"].as_array().map_or(0, Vec::len);
    let all = shell.run("aws iot list-things --page-size 25").await.succeeded().json();
    assert_eq!((names(&all), &all["nextToken"]), (60, &Value::Null));
    // The CLI's own token, which holds the server's and how much of that page was shown.
    let first = shell.run("aws iot list-things --page-size 25 --max-items 40").await;
    let first = first.succeeded().json();
    assert_eq!(names(&first), 40);
    let token = first["NextToken"].as_str().expect("more is there");
    let rest = shell.run(&format!("aws iot list-things --starting-token {token}")).await;
    let rest = rest.succeeded().json();
    assert_eq!((names(&rest), &rest["NextToken"]), (20, &Value::Null));
    assert_eq!(rest["things"][0]["thingName"], "thing-40");

    let made = shell.run("aws iot create-keys-and-certificate --set-as-active").await;
    let id = made.succeeded().json()["certificateId"].as_str().expect("an ID").to_owned();
    // Without it the CLI shows a timestamp as it came.
    shell.write("config", "[default]\ncli_timestamp_format = iso8601\n");
    shell.set("AWS_CONFIG_FILE", "config");
    let query = "--query certificateDescription.creationDate --output text";
    let described =
        shell.run(&format!("aws iot describe-certificate --certificate-id {id} {query}")).await;
    let date = described.succeeded().text().to_owned();
    assert!(date.len() > 19 && &date[10..11] == "T", "a date: {date}");

    let other = "aws iot create-thing --thing-name thing-7 --attribute-payload attributes={a=b}";
    let exists = shell.run(other).await;
    exists.said("An error occurred (ResourceAlreadyExistsException) when calling the CreateThing");
    assert_ne!(exists.code, Some(0));
    let invalid = shell.run("aws iot create-thing --thing-name 'not a name'").await;
    invalid.said("An error occurred (InvalidRequestException) when calling the CreateThing");
    invalid.said("Value at 'thingName' failed to satisfy constraint: ");
    assert_ne!(invalid.code, Some(0));
}
