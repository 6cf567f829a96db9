//! Bulk registration with the AWS CLI: a file of parameters in S3, a task that works through it,
//! and reports that curl fetches.
//!
//! Truth: the CLI itself, which reads each answer by AWS's own model,
//! <https://docs.aws.amazon.com/iot/latest/developerguide/bulk-provisioning.html>, and the steps of
//! <https://github.com/aws-samples/aws-iot-device-management-workshop>.

use std::fmt::Write as _;

use client_tests::binary::Binary;
use client_tests::programs::{self, Shell};
use iot_emulator::{Config, Emulator};
use serde_json::{Value, json};

use crate::articles::{
    OPERATOR, attached_policies, certificate_arn, certificate_id, create_policy, members, text,
};

const ROLE: &str = "arn:aws:iam::000000000000:role/Bulk";

/// Writes `template.json`, the one of the guide: a thing with a certificate for its request.
fn write_template(desk: &Binary) {
    let parameter = json!({ "Type": "String" });
    let template = json!({
        "Parameters": { "ThingName": parameter, "SerialNumber": parameter, "CSR": parameter },
        "Resources": {
            "thing": {
                "Type": "AWS::IoT::Thing",
                "Properties": {
                    "ThingName": { "Ref": "ThingName" },
                    "AttributePayload": { "serialNumber": { "Ref": "SerialNumber" } },
                },
            },
            "certificate": {
                "Type": "AWS::IoT::Certificate",
                "Properties": {
                    "CertificateSigningRequest": { "Ref": "CSR" }, "Status": "Active",
                },
            },
            "policy": { "Type": "AWS::IoT::Policy", "Properties": { "PolicyName": "Device" } },
        },
    });
    desk.shell().write("template.json", template.to_string());
}

/// Makes `NAME.key` and `NAME.csr`; the request.
async fn make_request(desk: &Binary, name: &str) -> String {
    let line = format!(
        "openssl req -new -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout {name}.key \
         -subj /CN={name} -out {name}.csr"
    );
    desk.all(&[&line]).await;
    desk.shell().read(&format!("{name}.csr"))
}

/// Starts a task for `s3://BUCKET/KEY`; its ID.
async fn start(desk: &Binary, bucket: &str, key: &str) -> String {
    let started = desk
        .aws(&format!(
            "iot start-thing-registration-task --template-body file://template.json \
             --input-file-bucket {bucket} --input-file-key {key} --role-arn {ROLE}"
        ))
        .await;
    text(&started["taskId"])
}

async fn describe(desk: &Binary, id: &str) -> Value {
    desk.aws(&format!("iot describe-thing-registration-task --task-id {id}")).await
}

/// The task, once it has ended.
async fn ended(desk: &Binary, id: &str) -> Value {
    desk.settled().await;
    describe(desk, id).await
}

/// Fetches a report with curl, each of its files by the link to it; its lines.
async fn report(desk: &Binary, id: &str, kind: &str) -> Vec<Value> {
    let list = format!("iot list-thing-registration-task-reports --task-id {id}");
    let listed = desk.aws(&format!("{list} --report-type {kind}")).await;
    assert_eq!(listed["reportType"], kind);
    let mut lines = Vec::new();
    for link in listed["resourceLinks"].as_array().expect("a list") {
        let fetched = desk.run(&format!("curl -sSf '{}'", text(link))).await.succeeded();
        let read = fetched.text().lines().map(serde_json::from_str);
        lines.extend(read.map(|line| line.expect("a line of JSON")));
    }
    lines
}

/// What was registered: a certificate for each, with which the device publishes.
async fn judge_results(desk: &Binary, id: &str, lines: &[String]) {
    let results = report(desk, id, "RESULTS").await;
    assert_eq!(results.len(), 2);
    let end_of = |line: usize| lines[..line].iter().map(|line| line.len() + 1).sum::<usize>();
    let ends = [(1, end_of(1)), (6, end_of(6) - 1)];
    for ((result, name), (number, end)) in results.iter().zip(["lamp", "blind"]).zip(ends) {
        assert_eq!(result["lineNumber"], number);
        assert_eq!(result["offset"], end);
        assert_eq!(result["errorMessage"], Value::Null);
        let response = &result["response"];
        desk.shell().write(&format!("{name}.crt"), text(&response["CertificatePem"]));
        let certificate = certificate_id(desk, &format!("{name}.crt")).await;
        let arns = json!({
            "thing": format!("arn:aws:iot:us-east-1:000000000000:thing/{name}"),
            "certificate": certificate_arn(&certificate),
        });
        assert_eq!(response["ResourceArns"], arns);
        assert_eq!(attached_policies(desk, &certificate).await, ["Device"]);
        let published = desk
            .run(&format!(
                "mosquitto_pub --cafile $ROOT_CA --cert {name}.crt --key {name}.key -h localhost \
                 -p $MQTT_PORT -q 1 -t home -i {name} -m Hello -d"
            ))
            .await;
        published.succeeded().said("received PUBACK (Mid: 1, RC:0)");
    }
}

/// What was not, and why.
async fn judge_errors(desk: &Binary, id: &str) {
    let errors = report(desk, id, "ERRORS").await;
    let expected = [
        (2, "InvalidRequestException: The line is not a valid JSON object"),
        (4, "ResourceRegistrationFailureException: Register thing workflow execution terminates"),
        (5, "Cannot resolve reference value: {Ref=SerialNumber}"),
    ];
    assert_eq!(errors.len(), expected.len());
    for (error, (number, message)) in errors.iter().zip(expected) {
        assert_eq!(members(error), ["errorMessage", "lineNumber", "offset", "response"]);
        assert_eq!(error["lineNumber"], number);
        assert!(text(&error["errorMessage"]).contains(message), "{error}");
        assert_eq!(error["response"], Value::Null);
    }
}

#[tokio::test]
async fn bulk_things_are_registered_from_a_file_in_s3_and_reported_line_by_line() {
    let clients = ["curl", "mosquitto_pub"];
    if !programs::present(&OPERATOR).await || !programs::present(&clients).await {
        return;
    }
    let desk = Binary::start();
    create_policy(&desk, "Device", &["iot:Connect", "iot:Publish"]).await;
    write_template(&desk);
    let (lamp, blind) = (make_request(&desk, "lamp").await, make_request(&desk, "blind").await);
    let lines = [
        json!({ "ThingName": "lamp", "SerialNumber": "1", "CSR": lamp }).to_string(),
        "no JSON".to_owned(),
        String::new(),
        json!({ "ThingName": "clock", "SerialNumber": "2", "CSR": "nonsense" }).to_string(),
        json!({ "ThingName": "shade", "CSR": lamp }).to_string(),
        json!({ "ThingName": "blind", "SerialNumber": 3, "CSR": blind }).to_string(),
    ];
    desk.shell().write("bulk.json", lines.join("\n"));
    desk.all(&[
        "aws --endpoint-url http://localhost:$API_PORT s3 mb s3://bulk-things",
        "aws --endpoint-url http://localhost:$API_PORT s3 cp bulk.json s3://bulk-things/2026/a.json",
    ])
    .await;
    let id = start(&desk, "bulk-things", "2026/a.json").await;
    let task = ended(&desk, &id).await;
    assert_eq!(
        members(&task),
        [
            "creationDate",
            "failureCount",
            "inputFileBucket",
            "inputFileKey",
            "lastModifiedDate",
            "percentageProgress",
            "roleArn",
            "status",
            "successCount",
            "taskId",
            "templateBody",
        ]
    );
    let counts = ["status", "successCount", "failureCount", "percentageProgress"];
    let counts = counts.map(|name| task[name].clone());
    assert_eq!(counts, [json!("Completed"), json!(2), json!(3), json!(100)], "{task}");

    judge_results(&desk, &id, &lines).await;
    judge_errors(&desk, &id).await;
    let thing = desk.aws("iot describe-thing --thing-name blind").await;
    assert_eq!(thing["attributes"], json!({ "serialNumber": "3" }));
    let trace = desk.trace().await;
    for phrase in [
        "lineNumber=2 step=the line",
        "lineNumber=4 step=certificate",
        "lineNumber=5 step=thing",
        "of s3://bulk-things/2026/a.json 2 lines were registered, 3 failed",
    ] {
        assert!(trace.contains(phrase), "`{phrase}` is not in\n{trace}");
    }
}

#[tokio::test]
async fn bulk_tasks_are_listed_and_only_a_link_opens_a_report() {
    if !programs::present(&OPERATOR).await || !programs::present(&["curl"]).await {
        return;
    }
    let desk = Binary::start();
    desk.shell().write("template.json", "{");
    let refused = desk
        .try_aws(&format!(
            "iot start-thing-registration-task --template-body file://template.json \
             --input-file-bucket things --input-file-key a.json --role-arn {ROLE}"
        ))
        .await;
    assert_ne!(refused.code, Some(0), "{refused}");
    refused.said(
        "An error occurred (InvalidRequestException) when calling the StartThingRegistrationTask \
         operation: Invalid registration template. The template body is invalid",
    );
    let nobody = desk.try_aws("iot describe-thing-registration-task --task-id nothing").await;
    assert_ne!(nobody.code, Some(0), "{nobody}");
    nobody.said("(ResourceNotFoundException)").said("Task nothing not found");

    write_template(&desk);
    let missing = start(&desk, "nowhere", "a.json").await;
    let task = ended(&desk, &missing).await;
    assert_eq!(task["status"], "Failed", "{task}");
    assert!(text(&task["message"]).contains("s3://nowhere/a.json: NoSuchBucket"), "{task}");
    assert_eq!(report(&desk, &missing, "ERRORS").await, Vec::<Value>::new());

    // As a file in the emulator's own folder.
    desk.all(&[
        "mkdir -p .emulator/.iot-emulator/s3/things",
        "printf '{}\\n' > .emulator/.iot-emulator/s3/things/a.json",
    ])
    .await;
    let id = start(&desk, "things", "a.json").await;
    assert_eq!(ended(&desk, &id).await["failureCount"], 1);
    let listed = desk.aws("iot list-thing-registration-tasks").await;
    assert_eq!(listed["taskIds"], json!([missing, id]));
    let listed = desk.aws("iot list-thing-registration-tasks --status Completed").await;
    assert_eq!(listed["taskIds"], json!([id]));
    let paged = desk.aws("iot list-thing-registration-tasks --page-size 1").await;
    assert_eq!(paged["taskIds"], json!([missing, id]));

    let list = format!("iot list-thing-registration-task-reports --task-id {id}");
    let listed = desk.aws(&format!("{list} --report-type ERRORS")).await;
    let link = text(&listed["resourceLinks"][0]);
    let (path, _) = link.split_once('?').expect("a presigned link");
    let status = "curl -sS -o answer -w '%{http_code}'";
    let table = [
        (format!("{status} '{link}'"), "200", r#""lineNumber":1,"offset":3"#),
        (format!("{status} '{}'", link.replace("-1?", "-2?")), "404", "<Code>NoSuchKey</Code>"),
        (format!("{status} -X PUT -d x '{link}'"), "403", "<Code>AccessDenied</Code>"),
        (format!("{status} -H 'Range: bytes=0-9' '{link}'"), "206", r#"{"errorMes"#),
        (format!("{status} '{path}'"), "404", "UnknownOperationException"),
    ];
    for (line, code, said) in table {
        desk.run(&line).await.succeeded().said(code);
        let answer = desk.shell().read("answer");
        assert!(answer.contains(said), "{line}: {answer}");
    }
    let bucket = "s3://aws-iot-thing-registration-tasks-us-east-1";
    for line in
        [format!("s3 ls {bucket}"), format!("s3 cp answer {bucket}/000000000000/ERRORS/{id}-1")]
    {
        let refused = desk.try_aws(&line).await;
        assert_ne!(refused.code, Some(0), "{refused}");
        refused.said("(AccessDenied)");
    }
    assert!(desk.trace().await.contains("it belongs to AWS IoT, and is read by the links of"));
}

#[tokio::test]
async fn bulk_a_task_is_stopped_between_two_lines_and_another_waits_for_it() {
    if !programs::present(&OPERATOR).await || !programs::present(&["curl"]).await {
        return;
    }
    let desk = Binary::start();
    create_policy(&desk, "Device", &["iot:Connect"]).await;
    write_template(&desk);
    let request = make_request(&desk, "lamp").await;
    // Each line costs a signature; all of them more time than a few calls of the CLI.
    let lines = 12_000;
    let file = (0..lines).fold(String::new(), |mut file, number| {
        let line = json!({ "ThingName": format!("t{number}"), "SerialNumber": 1, "CSR": request });
        let _infallible = writeln!(file, "{line}");
        file
    });
    desk.shell().write("bulk.json", file);
    desk.all(&[
        "aws --endpoint-url http://localhost:$API_PORT s3 mb s3://bulk-things",
        "aws --endpoint-url http://localhost:$API_PORT s3 cp bulk.json s3://bulk-things/a.json",
    ])
    .await;
    let id = start(&desk, "bulk-things", "a.json").await;
    let second = desk
        .try_aws(&format!(
            "iot start-thing-registration-task --template-body file://template.json \
             --input-file-bucket bulk-things --input-file-key a.json --role-arn {ROLE}"
        ))
        .await;
    second.said("Only one bulk registration task can run at a time");
    let list = format!("iot list-thing-registration-task-reports --task-id {id}");
    let none = desk.aws(&format!("{list} --report-type RESULTS")).await;
    assert_eq!(none["resourceLinks"], json!([]), "not before it has ended");
    let stop = format!("iot stop-thing-registration-task --task-id {id}");
    let _empty = desk.try_aws(&stop).await.succeeded();
    let task = ended(&desk, &id).await;
    assert_eq!(task["status"], "Cancelled", "{task}");
    let registered = task["successCount"].as_u64().expect("a number");
    assert!((1..lines).contains(&registered), "{task}");
    assert!(task["percentageProgress"].as_u64() < Some(100), "{task}");
    let results = report(&desk, &id, "RESULTS").await;
    assert_eq!(u64::try_from(results.len()).ok(), Some(registered));
    let late = desk.try_aws(&stop).await;
    assert_ne!(late.code, Some(0), "{late}");
    late.said("(InvalidRequestException)").said("is not in progress: Cancelled");
    let trace = desk.trace().await;
    assert!(trace.contains(&format!("taskId={id} taskStatus=Cancelled")), "{trace}");
    // What was registered stays, and there is room for another task.
    desk.aws("iot describe-thing --thing-name t0").await;
    desk.shell().write("one.json", "{}");
    desk.all(&[
        "aws --endpoint-url http://localhost:$API_PORT s3 cp one.json s3://bulk-things/one.json",
    ])
    .await;
    let next = start(&desk, "bulk-things", "one.json").await;
    assert_eq!(ended(&desk, &next).await["status"], "Completed");
}

#[tokio::test]
async fn c21_bulk_a_link_opens_a_report_where_signatures_are_verified() {
    if !programs::present(&["curl"]).await {
        return;
    }
    let folder = tempfile::tempdir().expect("a folder of our own");
    let things = folder.path().join("s3/things");
    std::fs::create_dir_all(&things).expect("a folder below our own");
    std::fs::write(things.join("a.json"), "{\"ThingName\": \"lamp\"}\n").expect("a file");
    let dir = Some(folder.path().to_owned());
    let config = Config { dir, enforce_sigv4: true, ..Config::default() };
    let emulator = Emulator::builder().config(config).start().expect("free ports");
    let iot = emulator.iot_core_of("222233334444", "eu-west-1");
    let thing = json!({
        "Type": "AWS::IoT::Thing", "Properties": { "ThingName": { "Ref": "ThingName" } },
    });
    let parameters = json!({ "ThingName": { "Type": "String" } });
    let template = json!({ "Parameters": parameters, "Resources": { "thing": thing } });
    let input = json!({
        "templateBody": template.to_string(), "inputFileBucket": "things",
        "inputFileKey": "a.json", "roleArn": ROLE,
    });
    let started = iot.call("StartThingRegistrationTask", input).expect("a task");
    emulator.settled().await;
    let asked = json!({ "taskId": started["taskId"], "reportType": "RESULTS" });
    let listed = iot.call("ListThingRegistrationTaskReports", asked).expect("a task");
    let link = text(&listed["resourceLinks"][0]);
    let shell = Shell::new(folder.path());
    let fetched = shell.run(&format!("curl -sSf '{link}'")).await.succeeded();
    let arns = json!({ "thing": "arn:aws:iot:eu-west-1:222233334444:thing/lamp" });
    assert_eq!(fetched.json()["response"], json!({ "CertificatePem": null, "ResourceArns": arns }));
    for changed in [link.replace("RESULTS", "ERRORS"), link.replace("222233334444", "111122223333")]
    {
        let refused = shell.run(&format!("curl -sS '{changed}'")).await.succeeded();
        refused.said("<Code>SignatureDoesNotMatch</Code>");
    }
}
