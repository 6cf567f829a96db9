//! The steps that several articles share, by their own commands: a CA, its registration, devices,
//! functions, rules.
//!
//! Truth:
//! <https://aws.amazon.com/blogs/iot/just-in-time-registration-of-device-certificates-on-aws-iot/>
//! and the commands of the AWS CLI's reference. Only host and port differ from what is typed on
//! AWS.

use client_tests::binary::Binary;
use serde_json::Value;

/// What every test here needs besides its own client.
pub(crate) const OPERATOR: [&str; 3] = ["openssl", "aws", "python3"];

/// Makes `NAME.key` and `NAME.pem`, a root CA of X.509 version 3.
pub(crate) async fn make_ca(desk: &Binary, name: &str, subject: &str) {
    desk.shell().write(
        "ca.conf",
        "[ req ]\ndistinguished_name = req_distinguished_name\nx509_extensions = v3_ca\n\n\
         [ req_distinguished_name ]\n\n[ v3_ca ]\nbasicConstraints=CA:TRUE\n",
    );
    let certify = format!(
        "openssl req -x509 -new -nodes -key {name}.key -sha256 -days 1024 -config ca.conf \
         -extensions v3_ca -subj '{subject}' -out {name}.pem"
    );
    desk.all(&[&format!("openssl genrsa -out {name}.key 2048"), &certify]).await;
}

/// Makes `NAME.crt`, a verification certificate for `code`, signed with `CA.key` as `CA.pem`.
pub(crate) async fn make_verification(desk: &Binary, name: &str, ca: &str, code: &str) {
    desk.all(&[
        &format!("openssl genrsa -out {name}.key 2048"),
        &format!("openssl req -new -key {name}.key -subj '/CN={code}' -out {name}.csr"),
        &format!(
            "openssl x509 -req -in {name}.csr -CA {ca}.pem -CAkey {ca}.key -CAcreateserial \
             -out {name}.crt -days 500 -sha256"
        ),
    ])
    .await;
}

/// The registration code of the default account and Region.
pub(crate) async fn registration_code(desk: &Binary) -> String {
    text(&desk.aws("iot get-registration-code").await["registrationCode"])
}

/// Registers `CA.pem` as ACTIVE with auto-registration, and `more`; answers its ID.
pub(crate) async fn register_ca(desk: &Binary, ca: &str, more: &str) -> String {
    let code = registration_code(desk).await;
    make_verification(desk, "verificationCert", ca, &code).await;
    let registered = desk
        .aws(&format!(
            "iot register-ca-certificate --ca-certificate file://{ca}.pem \
             --verification-cert file://verificationCert.crt \
             --set-as-active --allow-auto-registration {more}"
        ))
        .await;
    text(&registered["certificateId"])
}

/// Makes `NAME.key`, `NAME.crt` and `NAMEAndCA.crt`: a device of the CA, X.509 version 1 where
/// OpenSSL makes that of a request without extensions.
pub(crate) async fn make_device(desk: &Binary, name: &str, ca: &str, subject: &str) {
    desk.all(&[
        &format!("openssl genrsa -out {name}.key 2048"),
        &format!("openssl req -new -key {name}.key -subj '{subject}' -out {name}.csr"),
        &format!(
            "openssl x509 -req -in {name}.csr -CA {ca}.pem -CAkey {ca}.key -CAcreateserial \
             -out {name}.crt -days 365 -sha256"
        ),
        &format!("cat {name}.crt {ca}.pem > {name}AndCA.crt"),
    ])
    .await;
}

/// The ID of `FILE`, as openssl reckons it: the SHA-256 fingerprint.
pub(crate) async fn certificate_id(desk: &Binary, file: &str) -> String {
    let line = format!("openssl x509 -in {file} -noout -fingerprint -sha256");
    let said = desk.run(&line).await.succeeded();
    let (_, fingerprint) = said.text().split_once('=').expect("sha256 Fingerprint=…");
    fingerprint.replace(':', "").to_lowercase()
}

pub(crate) fn certificate_arn(id: &str) -> String {
    format!("arn:aws:iot:us-east-1:000000000000:cert/{id}")
}

/// A policy that allows `actions` on every resource.
pub(crate) async fn create_policy(desk: &Binary, name: &str, actions: &[&str]) {
    let statement = serde_json::json!({ "Effect": "Allow", "Action": actions, "Resource": "*" });
    create_policy_of(desk, name, &[statement]).await;
}

/// A policy of these statements.
pub(crate) async fn create_policy_of(desk: &Binary, name: &str, statements: &[Value]) {
    let document = serde_json::json!({ "Version": "2012-10-17", "Statement": statements });
    desk.shell().write(&format!("{name}.json"), document.to_string());
    let create = "iot create-policy --policy-name";
    desk.aws(&format!("{create} {name} --policy-document file://{name}.json")).await;
}

/// `admin.crt` and `admin.key`: a certificate made by AWS that may do all.
pub(crate) async fn make_admin(desk: &Binary) {
    let made = desk
        .aws(
            "iot create-keys-and-certificate --set-as-active \
             --certificate-pem-outfile admin.crt --private-key-outfile admin.key",
        )
        .await;
    create_policy(desk, "Admin", &["iot:*"]).await;
    let arn = text(&made["certificateArn"]);
    desk.aws(&format!("iot attach-policy --policy-name Admin --target {arn}")).await;
}

/// The beginning of a line for a subscriber with the admin's certificate; ready when it has said
/// `Subscribed`.
pub(crate) const SUBSCRIBE: &str = "stdbuf -oL mosquitto_sub --cafile $ROOT_CA --cert admin.crt \
     --key admin.key -h localhost -p $MQTT_PORT -i admin -q 1 -d -F 'message %p' -t";

/// Creates a function from `FILE`, which AWS IoT may invoke by the rule of the same name.
pub(crate) async fn create_function(desk: &Binary, name: &str, runtime: &str, handler: &str) {
    let file = if runtime.starts_with("python") { "app.py" } else { "app.mjs" };
    desk.all(&[&format!("python3 -m zipfile -c {name}.zip {file}")]).await;
    desk.aws(&format!(
        "lambda create-function --function-name {name} --runtime {runtime} --handler {handler} \
         --role arn:aws:iam::000000000000:role/function --timeout 30 --zip-file fileb://{name}.zip"
    ))
    .await;
}

/// A rule of this statement that invokes the function of the same name, and its permission.
pub(crate) async fn create_rule(desk: &Binary, name: &str, sql: &str) {
    let permission = desk
        .aws(&format!(
            "lambda add-permission --function-name {name} --statement-id iot \
             --principal iot.amazonaws.com --action lambda:InvokeFunction \
             --source-arn arn:aws:iot:us-east-1:000000000000:rule/{name}"
        ))
        .await;
    assert!(permission["Statement"].is_string(), "{permission}");
    create_rule_alone(desk, name, sql).await;
}

/// The rule without the function's permission.
pub(crate) async fn create_rule_alone(desk: &Binary, name: &str, sql: &str) {
    let function = format!("arn:aws:lambda:us-east-1:000000000000:function:{name}");
    let rule = serde_json::json!({
        "sql": sql,
        "awsIotSqlVersion": "2016-03-23",
        "ruleDisabled": false,
        "actions": [{ "lambda": { "functionArn": function } }],
    });
    desk.shell().write(&format!("{name}.json"), rule.to_string());
    let create = "iot create-topic-rule --rule-name";
    desk.aws(&format!("{create} {name} --topic-rule-payload file://{name}.json")).await;
}

/// The rule of the first article.
pub(crate) const REGISTERED: &str = "SELECT * FROM '$aws/events/certificates/registered/#'";

/// What `describe-certificate` tells.
pub(crate) async fn describe(desk: &Binary, id: &str) -> Value {
    let described = desk.aws(&format!("iot describe-certificate --certificate-id {id}")).await;
    described["certificateDescription"].clone()
}

/// The names of the policies attached to a certificate.
pub(crate) async fn attached_policies(desk: &Binary, id: &str) -> Vec<String> {
    let target = certificate_arn(id);
    let attached = desk.aws(&format!("iot list-attached-policies --target {target}")).await;
    let policies = attached["policies"].as_array().expect("policies").iter();
    policies.map(|policy| text(&policy["policyName"])).collect()
}

#[track_caller]
pub(crate) fn text(value: &Value) -> String {
    value.as_str().unwrap_or_else(|| panic!("{value} is no text")).to_owned()
}

/// The members of a JSON object, sorted.
#[track_caller]
pub(crate) fn members(value: &Value) -> Vec<&str> {
    value.as_object().unwrap_or_else(|| panic!("{value}")).keys().map(String::as_str).collect()
}
