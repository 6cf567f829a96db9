//! Provisioning templates with the AWS CLI: JITP by a template's name, RegisterThing with a request
//! of openssl's, hooks, and claims that mosquitto connects with.
//!
//! Truth: the CLI itself, which reads each answer by AWS's own model, and
//! <https://docs.aws.amazon.com/iot/latest/developerguide/provision-template.html>.

use client_tests::binary::Binary;
use client_tests::programs::{self, Finished};
use serde_json::json;

use crate::articles::{
    OPERATOR, attached_policies, certificate_arn, certificate_id, create_function, create_policy,
    describe, make_ca, make_device, members, register_ca, text,
};

const ROLE: &str = "arn:aws:iam::000000000000:role/Provisioning";
const ALLOW_ALL: &str =
    r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"iot:*","Resource":"*"}]}"#;

/// Writes `template.json`: a thing that is called as its certificate, which may do all.
fn write_template(desk: &Binary) {
    let name = "AWS::IoT::Certificate::CommonName";
    let id = "AWS::IoT::Certificate::Id";
    let template = json!({
        "Parameters": { name: { "Type": "String" }, id: { "Type": "String" } },
        "Resources": {
            "thing": {
                "Type": "AWS::IoT::Thing", "Properties": { "ThingName": { "Ref": name } },
            },
            "certificate": {
                "Type": "AWS::IoT::Certificate",
                "Properties": { "CertificateId": { "Ref": id }, "Status": "Active" },
            },
            "policy": {
                "Type": "AWS::IoT::Policy", "Properties": { "PolicyDocument": ALLOW_ALL },
            },
        },
    });
    desk.shell().write("template.json", template.to_string());
}

/// The line that makes the template `NAME` of `template.json`.
fn create_template(name: &str, more: &str) -> String {
    format!(
        "iot create-provisioning-template --template-name {name} \
         --template-body file://template.json --provisioning-role-arn {ROLE} {more}"
    )
}

/// Publishes with `NAME.crt` and `NAME.key`.
async fn publish(desk: &Binary, name: &str, topic: &str) -> Finished {
    desk.run(&format!(
        "mosquitto_pub --cafile $ROOT_CA --cert {name}.crt --key {name}.key -h localhost \
         -p $MQTT_PORT -q 1 -t {topic} -i {name} -m Hello -d"
    ))
    .await
}

#[tokio::test]
async fn a_device_is_provisioned_by_the_template_that_its_ca_names() {
    if !programs::present(&OPERATOR).await || !programs::present(&["mosquitto_pub"]).await {
        return;
    }
    let desk = Binary::start();
    write_template(&desk);
    let created = desk.aws(&create_template("Lamps", "--type JITP --no-enabled")).await;
    let arn = "arn:aws:iot:us-east-1:000000000000:provisioningtemplate/Lamps";
    assert_eq!(
        created,
        json!({ "templateArn": arn, "templateName": "Lamps", "defaultVersionId": 1 })
    );
    let described = desk.aws("iot describe-provisioning-template --template-name Lamps").await;
    assert_eq!(
        members(&described),
        [
            "creationDate",
            "defaultVersionId",
            "enabled",
            "lastModifiedDate",
            "provisioningRoleArn",
            "templateArn",
            "templateBody",
            "templateName",
            "type",
        ]
    );
    make_ca(&desk, "ca", "/CN=Acme Devices").await;
    register_ca(&desk, "ca", "--registration-config templateName=Lamps").await;
    make_device(&desk, "lamp", "ca", "/CN=lamp").await;
    let id = certificate_id(&desk, "lamp.crt").await;

    publish(&desk, "lamp", "home").await.ended_with(7).said("Error: The connection was lost.");
    desk.settled().await;
    assert_eq!(describe(&desk, &id).await["status"], "PENDING_ACTIVATION");
    let trace = desk.trace().await;
    assert!(trace.contains("Template Lamps is not enabled."), "{trace}");

    desk.aws("iot update-provisioning-template --template-name Lamps --enabled").await;
    publish(&desk, "lamp", "home").await.ended_with(7).said("Error: The connection was lost.");
    desk.settled().await;
    assert_eq!(describe(&desk, &id).await["status"], "ACTIVE", "{}", desk.trace().await);
    let principals = desk.aws("iot list-thing-principals --thing-name lamp").await;
    assert_eq!(principals["principals"], json!([certificate_arn(&id)]));
    publish(&desk, "lamp", "home").await.succeeded().said("received PUBACK (Mid: 1, RC:0)");

    let delete = desk.try_aws("iot delete-provisioning-template --template-name Lamps").await;
    assert_ne!(delete.code, Some(0), "{delete}");
    delete.said("(DeleteConflictException)");
}

#[tokio::test]
async fn a_thing_is_registered_with_a_request_that_openssl_made() {
    if !programs::present(&OPERATOR).await || !programs::present(&["mosquitto_pub"]).await {
        return;
    }
    let desk = Binary::start();
    create_policy(&desk, "Device", &["iot:Connect", "iot:Publish"]).await;
    let template = json!({
        "Parameters": {
            "ThingName": { "Type": "String" },
            "Location": { "Type": "String", "Default": "WA" },
            "CSR": { "Type": "String" },
        },
        "Resources": {
            "thing": {
                "Type": "AWS::IoT::Thing",
                "Properties": {
                    "ThingName": { "Ref": "ThingName" },
                    "AttributePayload": { "version": "v1", "location": { "Ref": "Location" } },
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
    desk.all(&["openssl req -new -newkey rsa:2048 -nodes -keyout lamp.key -subj /CN=lamp \
                -out lamp.csr"])
        .await;
    let request = desk.shell().read("lamp.csr");
    let register = "iot register-thing --template-body file://template.json --parameters \
                    file://parameters.json";
    desk.shell().write("parameters.json", json!({ "CSR": request }).to_string());
    let refused = desk.try_aws(register).await;
    assert_ne!(refused.code, Some(0), "{refused}");
    refused.said(
        "An error occurred (InvalidRequestException) when calling the RegisterThing operation: \
         Invalid registration template. Cannot resolve reference value: {Ref=ThingName}",
    );

    let parameters = json!({ "ThingName": "lamp", "CSR": request });
    desk.shell().write("parameters.json", parameters.to_string());
    let registered = desk.aws(register).await;
    desk.shell().write("lamp.crt", text(&registered["certificatePem"]));
    let id = certificate_id(&desk, "lamp.crt").await;
    assert_eq!(
        registered["resourceArns"],
        json!({
            "thing": "arn:aws:iot:us-east-1:000000000000:thing/lamp",
            "certificate": certificate_arn(&id),
        })
    );
    let thing = desk.aws("iot describe-thing --thing-name lamp").await;
    assert_eq!(thing["attributes"], json!({ "version": "v1", "location": "WA" }));
    assert_eq!(attached_policies(&desk, &id).await, ["Device"]);
    publish(&desk, "lamp", "home").await.succeeded().said("received PUBACK (Mid: 1, RC:0)");
}

#[tokio::test]
async fn a_hook_is_a_function_that_aws_iot_may_invoke() {
    if !programs::present(&OPERATOR).await || !programs::present(&["python3"]).await {
        return;
    }
    let desk = Binary::start();
    write_template(&desk);
    desk.shell().write("app.py", "def handler(event, context):\n    return {}\n");
    create_function(&desk, "hook", "python3.12", "app.handler").await;
    let function = "arn:aws:lambda:us-east-1:000000000000:function:hook";
    let hook = format!("--pre-provisioning-hook targetArn={function}");
    let refused = desk.try_aws(&create_template("Fleet", &hook)).await;
    assert_ne!(refused.code, Some(0), "{refused}");
    refused.said(&format!(
        "An error occurred (InvalidRequestException) when calling the CreateProvisioningTemplate \
         operation: Access denied during lambda validation: {function}"
    ));
    desk.aws(
        "lambda add-permission --function-name hook --statement-id iot \
         --principal iot.amazonaws.com --action lambda:InvokeFunction",
    )
    .await;
    desk.aws(&create_template("Fleet", &hook)).await;
    let described = desk.aws("iot describe-provisioning-template --template-name Fleet").await;
    let kept = json!({ "payloadVersion": "2020-04-01", "targetArn": function });
    assert_eq!(described["preProvisioningHook"], kept);

    let version = "iot create-provisioning-template-version --template-name Fleet \
                   --template-body file://template.json --set-as-default";
    assert_eq!(desk.aws(version).await["versionId"], 2);
    let list = "iot list-provisioning-template-versions --template-name Fleet";
    assert_eq!(desk.aws(list).await["versions"].as_array().map(Vec::len), Some(2));
    desk.aws("iot delete-provisioning-template-version --template-name Fleet --version-id 1").await;
    let version = "iot describe-provisioning-template-version --template-name Fleet --version-id 2";
    assert_eq!(desk.aws(version).await["isDefaultVersion"], true);
    desk.aws("iot delete-provisioning-template --template-name Fleet").await;
    assert_eq!(desk.aws("iot list-provisioning-templates").await["templates"], json!([]));
}

#[tokio::test]
async fn a_claim_connects_and_may_do_nothing_but_be_provisioned() {
    let clients = ["mosquitto_pub", "mosquitto_sub"];
    if !programs::present(&OPERATOR).await || !programs::present(&clients).await {
        return;
    }
    let desk = Binary::start();
    write_template(&desk);
    desk.aws(&create_template("Fleet", "--enabled")).await;
    let claim = desk.aws("iot create-provisioning-claim --template-name Fleet").await;
    assert_eq!(members(&claim), ["certificateId", "certificatePem", "expiration", "keyPair"]);
    desk.shell().write("claim.crt", text(&claim["certificatePem"]));
    desk.shell().write("claim.key", text(&claim["keyPair"]["PrivateKey"]));
    assert_eq!(claim["certificateId"], certificate_id(&desk, "claim.crt").await);
    assert_eq!(desk.aws("iot list-certificates").await["certificates"], json!([]));

    let mut subscriber = desk.start_line(
        "stdbuf -oL mosquitto_sub --cafile $ROOT_CA --cert claim.crt --key claim.key -h localhost \
         -p $MQTT_PORT -i anybody -q 1 -d -t '$aws/certificates/create/json/accepted' \
         -t '$aws/provisioning-templates/Fleet/provision/json/accepted'",
    );
    subscriber.until("Subscribed (mid: 1): 1, 1").await;
    let create = publish(&desk, "claim", "'$aws/certificates/create/json'").await;
    create.succeeded().said("received PUBACK (Mid: 1, RC:0)");
    for topic in ["home", "'$aws/provisioning-templates/Other/provision/json'"] {
        let refused = publish(&desk, "claim", topic).await;
        assert_ne!(refused.code, Some(0), "{refused}");
        refused.said("received CONNACK (0)").did_not_say("PUBACK");
    }
}
