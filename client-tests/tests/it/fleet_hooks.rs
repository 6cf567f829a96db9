//! Pre-provisioning hooks: functions in Python that the emulator runs, asked for devices that
//! mosquitto's programs are.
//!
//! Truth: <https://docs.aws.amazon.com/iot/latest/developerguide/pre-provisioning-hook.html>; the
//! words of rejections from <https://github.com/ministackorg/ministack/pull/1755>.

use client_tests::binary::Binary;
use client_tests::programs;
use serde_json::{Value, json};

use crate::articles::{certificate_id, describe, text};
use crate::fleet_claims::{
    CLIENTS, Device, PROVISION, create_template, make_fleet_claim, register,
};
use crate::fleet_provisioning::arn;

const FUNCTION: &str = "arn:aws:lambda:us-east-1:000000000000:function:hook";
/// Keeps what it is asked, and answers by the serial number.
const HOOK: &str = r#"
import json
import os


def handler(event, context):
    with open(os.environ["SEEN"], "w", encoding="ascii") as seen:
        json.dump(event, seen)
    serial_number = event["parameters"]["SerialNumber"]
    if serial_number == "raises":
        raise ValueError("no such lamp")
    answers = {
        "denied": {"allowProvisioning": False},
        "denied-in-words": {"allowProvisioning": "false"},
        "silent": None,
        "wrong": "yes",
        "nested": {"allowProvisioning": True, "parameterOverrides": {"Location": {}}},
        "unresolved": {"allowProvisioning": True, "parameterOverrides": {"SerialNumber": None}},
    }
    overrides = {"Location": "hall", "SerialNumber": "7-" + serial_number}
    allowed = {"allowProvisioning": True, "parameterOverrides": overrides}
    return answers.get(serial_number, allowed)
"#;

/// An emulator with the function and the template that names it; and the claim's ID.
async fn prepare() -> (Binary, String) {
    let desk = Binary::start();
    desk.shell().write("app.py", HOOK);
    let seen = desk.shell().folder().join("seen.json");
    desk.all(&["python3 -m zipfile -c hook.zip app.py"]).await;
    desk.aws(&format!(
        "lambda create-function --function-name hook --runtime python3.12 --handler app.handler \
         --role arn:aws:iam::000000000000:role/function --zip-file fileb://hook.zip \
         --timeout 30 --environment 'Variables={{SEEN={}}}'",
        seen.display()
    ))
    .await;
    // As the guide advises: for this template alone.
    desk.aws(&format!(
        "lambda add-permission --function-name hook --statement-id iot --principal \
         iot.amazonaws.com --action lambda:InvokeFunction --source-arn {}",
        arn("provisioningtemplate/Fleet")
    ))
    .await;
    create_template(&desk, &format!("--pre-provisioning-hook targetArn={FUNCTION}")).await;
    let claim = make_fleet_claim(&desk).await;
    (desk, claim)
}

fn rejection(status_code: u16, error_code: &str, error_message: &str) -> Value {
    json!({ "statusCode": status_code, "errorCode": error_code, "errorMessage": error_message })
}

#[tokio::test]
async fn fp_hook_a_function_is_asked_exactly_as_documented_and_overrides_parameters() {
    if !programs::present(&CLIENTS).await || !programs::present(&["python3"]).await {
        return;
    }
    let (desk, claim_id) = prepare().await;
    let claim = Device { desk: &desk, name: "claim", version: "mqttv311" };
    let token = claim.create_keys("lamp").await;
    let id = certificate_id(&desk, "lamp.pem").await;
    let parameters = json!({ "SerialNumber": "1", "Location": "attic", "Colour": "red" });
    let registered = claim.ask(PROVISION, &register(&token, &parameters)).await;
    let event: Value = serde_json::from_str(&desk.shell().read("seen.json")).expect("JSON");
    assert_eq!(
        event,
        json!({
            "claimCertificateId": claim_id,
            "certificateId": id,
            "certificatePem": desk.shell().read("lamp.pem"),
            "templateArn": arn("provisioningtemplate/Fleet"),
            "clientId": "asker of claim",
            "parameters": parameters,
        })
    );
    assert_eq!(registered["thingName"], "lamp-7-1");
    assert_eq!(registered["deviceConfiguration"]["Home"], "hall");
    let thing = desk.aws("iot describe-thing --thing-name lamp-7-1").await;
    let attributes = json!({ "version": "v1", "serialNumber": "7-1", "location": "hall" });
    assert_eq!(thing["attributes"], attributes);
    let lamp = Device { name: "lamp", ..claim };
    let published = lamp.publish("lamp-7-1", "lamps/lamp-7-1/state").await.succeeded();
    published.said("received PUBACK (Mid: 1, RC:0)");
}

#[tokio::test]
async fn fp_hook_a_function_denies_devices_or_fails_and_nothing_is_changed() {
    if !programs::present(&CLIENTS).await || !programs::present(&["python3"]).await {
        return;
    }
    let (desk, _) = prepare().await;
    let claim = Device { desk: &desk, name: "claim", version: "mqttv5" };
    let token = claim.create_keys("lamp").await;
    let id = certificate_id(&desk, "lamp.pem").await;
    let invalid = "Provisioning hook result is in an invalid format.";
    let silent = "The provisioning hook did not return a response.";
    let failed = "The provisioning hook was not executed successfully.";
    let table = [
        ("denied", 403, "AccessDenied", "Access Denied"),
        ("denied-in-words", 403, "AccessDenied", "Access Denied"),
        ("raises", 400, "InvocationError", failed),
        ("silent", 400, "InvalidResult", silent),
        ("wrong", 400, "InvalidResult", invalid),
        ("nested", 400, "InvalidResult", invalid),
        ("unresolved", 400, "InvalidParameters", "Cannot resolve reference value: SerialNumber"),
    ];
    for (serial_number, status, code, message) in table {
        let asked = register(&token, &json!({ "SerialNumber": serial_number }));
        let said = claim.is_rejected(PROVISION, &asked).await;
        assert_eq!(said, rejection(status, code, message), "{serial_number}");
        assert_eq!(describe(&desk, &id).await["status"], "PENDING_ACTIVATION");
    }
    // Who has no token is not asked about.
    desk.all(&["rm seen.json"]).await;
    let asked = register("x", &json!({ "SerialNumber": "1" }));
    let said = claim.is_rejected(PROVISION, &asked).await;
    assert_eq!(text(&said["errorCode"]), "InvalidCertificateOwnershipToken");
    desk.run("ls seen.json").await.said("No such file");

    desk.aws("lambda remove-permission --function-name hook --statement-id iot").await;
    let asked = register(&token, &json!({ "SerialNumber": "1" }));
    let said = claim.is_rejected(PROVISION, &asked).await;
    let denied = "Access denied while invoking Lambda function";
    assert_eq!(said, rejection(400, "InvocationError", denied));
    desk.run("ls seen.json").await.said("No such file");
    desk.aws("lambda delete-function --function-name hook").await;
    let said = claim.is_rejected(PROVISION, &asked).await;
    assert_eq!(said["errorCode"], "InvocationError", "{said}");
    assert_eq!(desk.aws("iot list-things").await["things"], json!([]));
    let trace = desk.trace().await;
    let whys = ["no such lamp", "allowProvisioning: false", "the hook's answer is no JSON object"];
    for why in whys {
        assert!(trace.contains(why), "{why} is not in\n{trace}");
    }
}

#[tokio::test]
async fn fp_hook_a_function_of_the_configuration_is_a_hook_too() {
    if !programs::present(&CLIENTS).await || !programs::present(&["python3"]).await {
        return;
    }
    let code = tempfile::tempdir().expect("a folder of our own");
    std::fs::write(code.path().join("app.py"), HOOK).expect("a file of our own");
    let desk = Binary::start_with(&format!(
        "[[function]]\nname = \"hook\"\nruntime = \"python3.12\"\nhandler = \"app.handler\"\n\
         code = \"{code}\"\nenvironment = {{ SEEN = \"{code}/seen.json\" }}\n",
        code = code.path().display()
    ));
    create_template(&desk, &format!("--pre-provisioning-hook targetArn={FUNCTION}")).await;
    make_fleet_claim(&desk).await;
    let claim = Device { desk: &desk, name: "claim", version: "mqttv5" };
    let token = claim.create_keys("lamp").await;
    let denied = register(&token, &json!({ "SerialNumber": "denied" }));
    let said = claim.is_rejected(PROVISION, &denied).await;
    assert_eq!(said, rejection(403, "AccessDenied", "Access Denied"));
    let allowed = register(&token, &json!({ "SerialNumber": "1" }));
    assert_eq!(claim.ask(PROVISION, &allowed).await["thingName"], "lamp-7-1");
    let seen = std::fs::read_to_string(code.path().join("seen.json")).expect("it was asked");
    let event: Value = serde_json::from_str(&seen).expect("JSON");
    assert_eq!(event["parameters"], json!({ "SerialNumber": "1" }));
}
