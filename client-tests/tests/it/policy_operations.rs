//! The nineteen operations on policies, at the AWS CLI.
//!
//! Truth: the CLI, which reads each answer by AWS's own model; spec PC-1 to PC-14, TA-1 to TA-5.

use client_tests::programs::{self, Finished, Shell};
use iot_emulator::Emulator;
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::articles::members;

const FRONT: &str = "arn:aws:iot:us-east-1:000000000000:";

/// A policy document, spread over lines that AWS keeps.
fn document(effect: &str, action: &str, resource: &str) -> String {
    format!(
        "{{\n  \"Version\": \"2012-10-17\",\n  \"Statement\": [{{ \"Effect\": \"{effect}\",\n    \
         \"Action\": \"{action}\", \"Resource\": \"{resource}\" }}]\n}}\n"
    )
}

/// An emulator, and a shell in which the CLI finds it.
struct Desk {
    emulator: Emulator,
    shell: Shell,
    _folder: TempDir,
}

impl Desk {
    async fn try_aws(&self, line: &str) -> Finished {
        self.shell.run(&format!("aws {line}")).await
    }

    async fn done(&self, line: &str) {
        let _said_nothing = self.try_aws(line).await.succeeded();
    }

    async fn aws(&self, line: &str) -> Value {
        self.try_aws(line).await.succeeded().json()
    }

    /// What is only there so that something else can be asked.
    fn call(&self, operation: &str, input: Value) -> Value {
        self.emulator.iot_core().call(operation, input).expect("a good call")
    }

    fn create(&self, name: &str, file: &str) {
        let document = self.shell.read(&format!("{file}.json"));
        self.call("CreatePolicy", json!({ "policyName": name, "policyDocument": document }));
    }

    /// The ARN of a new ACTIVE certificate.
    fn certificate(&self) -> String {
        let made = self.call("CreateKeysAndCertificate", json!({ "setAsActive": true }));
        text(&made["certificateArn"]).to_owned()
    }
}

async fn desk() -> Option<Desk> {
    if !programs::present(&["aws"]).await {
        return None;
    }
    let emulator = Emulator::start();
    let folder = tempfile::tempdir().expect("a folder of our own");
    let mut shell = Shell::new(folder.path());
    for (name, value) in emulator.environment() {
        shell.set(name, value);
    }
    shell.write("publish.json", document("Allow", "iot:Publish", &format!("{FRONT}topic/a")));
    shell.write("connect.json", document("Allow", "iot:Connect", "*"));
    let own = format!("{FRONT}topic/${{iot:ClientId}}");
    shell.write("own.json", document("Allow", "iot:Publish", &own));
    shell.write("never.json", document("Deny", "iot:Publish", "*"));
    Some(Desk { emulator, shell, _folder: folder })
}

/// Asserts what AWS answers to a line that it refuses.
async fn refused(desk: &Desk, line: &str, error: &str) {
    let finished = desk.try_aws(&format!("iot {line}")).await;
    assert_ne!(finished.code, Some(0), "{finished}");
    finished.said(error);
}

fn text(value: &Value) -> &str {
    value.as_str().expect("a text")
}

fn names(listed: &Value) -> Vec<&str> {
    let policies = listed["policies"].as_array().expect("a list of policies").iter();
    policies.map(|policy| text(&policy["policyName"])).collect()
}

#[tokio::test]
async fn pc_1_2_4_and_5_a_policy_and_its_versions_are_made_and_shown() {
    let Some(desk) = desk().await else { return };
    let made = "iot create-policy --policy-name P --policy-document file://publish.json";
    let made = desk.aws(made).await;
    let stored = desk.shell.read("publish.json");
    let arn = format!("{FRONT}policy/P");
    assert_eq!(
        made,
        json!({ "policyName": "P", "policyArn": arn, "policyDocument": stored,
                "policyVersionId": "1" }),
        "PC-1: verbatim"
    );
    let again = "create-policy --policy-name P --policy-document file://publish.json";
    let taken = "(ResourceAlreadyExistsException) when calling the CreatePolicy operation: Policy \
                 cannot be created - name already exists (name=P)";
    refused(&desk, again, taken).await;
    let version = "iot create-policy-version --policy-name P --policy-document";
    let second = desk.aws(&format!("{version} file://connect.json")).await;
    assert_eq!(
        (&second["policyVersionId"], &second["isDefaultVersion"]),
        (&json!("2"), &json!(false))
    );
    let third = desk.aws(&format!("{version} file://connect.json --set-as-default")).await;
    assert_eq!(third["isDefaultVersion"], true);
    let got = desk.aws("iot get-policy --policy-name P").await;
    assert_eq!(got["defaultVersionId"], "3", "PC-4");
    assert_eq!(
        members(&got),
        [
            "creationDate",
            "defaultVersionId",
            "generationId",
            "lastModifiedDate",
            "policyArn",
            "policyDocument",
            "policyName"
        ]
    );
    let set = "iot set-default-policy-version --policy-name P --policy-version-id";
    desk.done(&format!("{set} 1")).await;
    let one = desk.aws("iot get-policy-version --policy-name P --policy-version-id 1").await;
    assert_eq!(
        (&one["isDefaultVersion"], &one["policyDocument"]),
        (&json!(true), &json!(stored)),
        "PC-5"
    );
}

#[tokio::test]
async fn pc_3_to_9_and_14_what_a_policy_and_its_versions_refuse() {
    let Some(desk) = desk().await else { return };
    desk.create("P", "publish");
    let stored = desk.shell.read("connect.json");
    for _ in 2..=5 {
        desk.call("CreatePolicyVersion", json!({ "policyName": "P", "policyDocument": stored }));
    }
    let sixth = "create-policy-version --policy-name P --policy-document file://connect.json";
    let most = "(VersionsLimitExceededException) when calling the CreatePolicyVersion operation: \
                The policy P already has the maximum number of versions (5)";
    refused(&desk, sixth, most).await;
    let table = [
        (
            "set-default-policy-version --policy-name P --policy-version-id 9",
            "(ResourceNotFoundException) when calling the SetDefaultPolicyVersion operation: Policy \
          version does not exist (name=P, versionId=9)",
        ),
        ("set-default-policy-version --policy-name Q --policy-version-id 1", ": Policy not found"),
        (
            "set-default-policy-version --policy-name P --policy-version-id x",
            "(InvalidRequestException) when calling the SetDefaultPolicyVersion operation: 1 \
          validation error detected: Value at 'policyVersionId' failed to satisfy constraint: \
          Member must satisfy regular expression pattern: [0-9]+",
        ),
        ("get-policy --policy-name Q", ": Policy default version not found"),
        ("list-policy-versions --policy-name Q", ": Policy not found"),
        (
            "delete-policy-version --policy-name P --policy-version-id 1",
            "(DeleteConflictException) when calling the DeletePolicyVersion operation: Cannot delete \
          a default policy version (name=P, versionId=1)",
        ),
        (
            "delete-policy --policy-name P",
            "(DeleteConflictException) when calling the DeletePolicy operation: The policy cannot be \
          deleted as multiple versions of the policy exist (name=P). Use DeletePolicyVersion \
          action to delete all non-default versions of the policy and retry.",
        ),
    ];
    for (line, error) in table {
        refused(&desk, line, error).await;
    }
    let listed = desk.aws("iot list-policy-versions --policy-name P").await;
    let versions = listed["policyVersions"].as_array().expect("versions");
    let ids: Vec<&str> = versions.iter().map(|version| text(&version["versionId"])).collect();
    assert_eq!(ids, ["5", "4", "3", "2", "1"], "PC-14");
    assert_eq!(members(&versions[0]), ["createDate", "isDefaultVersion", "versionId"]);
    desk.done("iot delete-policy-version --policy-name P --policy-version-id 2").await;
    for id in ["3", "4", "5"] {
        let version = json!({ "policyName": "P", "policyVersionId": id });
        desk.call("DeletePolicyVersion", version);
    }
    desk.done("iot delete-policy --policy-name P").await;
    refused(&desk, "delete-policy --policy-name P", ": Policy not found").await;
}

#[tokio::test]
async fn pc_10_to_13_attachments_old_and_new() {
    let Some(desk) = desk().await else { return };
    for name in ["B", "A", "C"] {
        desk.create(name, "publish");
    }
    let certificate = desk.certificate();
    for name in ["B", "A", "A"] {
        let attach = format!("iot attach-policy --policy-name {name} --target {certificate}");
        desk.done(&attach).await;
    }
    let attach = format!("iot attach-principal-policy --policy-name C --principal {certificate}");
    desk.done(&attach).await;
    let attached = desk.aws(&format!("iot list-attached-policies --target {certificate}")).await;
    assert_eq!(names(&attached), ["B", "A", "C"]);
    let of_principal = format!("iot list-principal-policies --principal {certificate}");
    let descending = desk.aws(&of_principal).await;
    assert_eq!(names(&descending), ["C", "A", "B"]);
    let first = desk.aws(&format!("{of_principal} --ascending-order --page-size 2")).await;
    assert_eq!(names(&first), ["B", "A"]);
    let marker = text(&first["nextMarker"]);
    let next = format!("{of_principal} --ascending-order --page-size 2 --marker {marker}");
    let next = desk.aws(&next).await;
    assert_eq!((names(&next), next.get("nextMarker")), (vec!["C"], None));
    let all = desk.aws("iot list-policies").await;
    assert_eq!(names(&all), ["C", "A", "B"]);
    let ascending = desk.aws("iot list-policies --ascending-order").await;
    assert_eq!(names(&ascending), ["B", "A", "C"]);
    let targets = desk.aws("iot list-targets-for-policy --policy-name A").await;
    assert_eq!(targets, json!({ "targets": [certificate] }));
    let principals = desk.aws("iot list-policy-principals --policy-name A").await;
    assert_eq!(principals, json!({ "principals": [certificate] }));

    let attached = "(DeleteConflictException) when calling the DeletePolicy operation: The policy \
                    cannot be deleted as the policy is attached to one or more principals (name=A)";
    refused(&desk, "delete-policy --policy-name A", attached).await;
    let unknown = format!("{FRONT}cert/{}", "0".repeat(64));
    let thing = format!("{FRONT}thing/T");
    let group = format!("{FRONT}thinggroup/G");
    let elsewhere = certificate.replace("us-east-1", "eu-west-1");
    let theirs = certificate.replace("000000000000", "111122223333");
    let other_kind = format!(
        "(InvalidRequestException) when calling the AttachPolicy operation: \
                              Invalid Target: {thing}"
    );
    let table = [
        (unknown.as_str(), "The certificate given in the principal does not exist."),
        (
            group.as_str(),
            "Cannot find requested thing group for accountId: 000000000000 and thing \
                          group name: G",
        ),
        (thing.as_str(), other_kind.as_str()),
        (elsewhere.as_str(), "Invalid Target"),
        (
            theirs.as_str(),
            "(AccessDeniedException) when calling the AttachPolicy operation: Cross \
                           account not allowed. Please check the account of the resource specified.",
        ),
    ];
    for (target, error) in table {
        refused(&desk, &format!("attach-policy --policy-name A --target {target}"), error).await;
    }
    let detach = "iot detach-policy --policy-name";
    for name in ["A", "A", "Nobody"] {
        desk.done(&format!("{detach} {name} --target {certificate}")).await;
    }
    let detach = format!("detach-principal-policy --principal {certificate} --policy-name");
    desk.done(&format!("iot {detach} C")).await;
    refused(&desk, &format!("{detach} Nobody"), ": Policy not found").await;
    let attached = desk.aws(&format!("iot list-attached-policies --target {certificate}")).await;
    assert_eq!(names(&attached), ["B"]);
}

#[tokio::test]
async fn pol_4_and_pc_12_limits_and_groups() {
    let Some(desk) = desk().await else { return };
    let certificate = desk.certificate();
    let site = desk.aws("iot create-thing-group --thing-group-name Site").await;
    let hall = "iot create-thing-group --thing-group-name Hall --parent-group-name Site";
    let hall = desk.aws(hall).await;
    let (site, hall) = (text(&site["thingGroupArn"]), text(&hall["thingGroupArn"]));
    for number in 1..=11 {
        desk.create(&format!("P{number}"), "publish");
        if number <= 10 {
            let pair = json!({ "policyName": format!("P{number}"), "target": certificate });
            desk.call("AttachPolicy", pair);
        }
    }
    let most = "(LimitExceededException) when calling the AttachPolicy operation";
    refused(&desk, &format!("attach-policy --policy-name P11 --target {certificate}"), most).await;
    for (number, target, fits) in
        [(1, hall, true), (2, hall, true), (3, hall, false), (3, site, true)]
    {
        let attach = format!("iot attach-policy --policy-name P{number} --target {target}");
        assert_eq!(desk.try_aws(&attach).await.code == Some(0), fits, "P{number} to {target}");
    }
    let own = desk.aws(&format!("iot list-attached-policies --target {hall}")).await;
    assert_eq!(names(&own), ["P1", "P2"]);
    let all = desk.aws(&format!("iot list-attached-policies --recursive --target {hall}")).await;
    assert_eq!(names(&all), ["P1", "P2", "P3"]);
    let old = format!("attach-principal-policy --policy-name P1 --principal {hall}");
    refused(&desk, &old, ": The given ARN does not represent a cert").await;
}

#[tokio::test]
async fn ta_1_to_5_what_would_be_permitted() {
    let Some(desk) = desk().await else { return };
    let certificate = desk.certificate();
    for (name, file) in [("Own", "own"), ("Connect", "connect"), ("Never", "never")] {
        desk.create(name, file);
    }
    for name in ["Own", "Connect"] {
        let attach = format!("iot attach-policy --policy-name {name} --target {certificate}");
        desk.done(&attach).await;
    }
    desk.aws("iot create-thing --thing-name lamp").await;
    let group = desk.aws("iot create-thing-group --thing-group-name Hall").await;
    let group = text(&group["thingGroupArn"]);
    let never = format!("iot attach-policy --policy-name Never --target {group}");
    desk.done(&never).await;
    let join = "iot add-thing-to-thing-group --thing-name lamp --thing-group-name Hall";
    desk.done(join).await;

    let effective = format!("iot get-effective-policies --principal {certificate}");
    let found = desk.aws(&format!("{effective} --thing-name lamp")).await;
    let found = found["effectivePolicies"].as_array().expect("policies");
    let names: Vec<&str> = found.iter().map(|policy| text(&policy["policyName"])).collect();
    assert_eq!(names, ["Connect", "Own", "Never"], "TA-1");
    assert_eq!(members(&found[0]), ["policyArn", "policyDocument", "policyName"]);

    let infos = format!(
        "--auth-infos actionType=PUBLISH,resources={FRONT}topic/lamp \
         actionType=CONNECT,resources={FRONT}client/lamp"
    );
    let question = format!("iot test-authorization --principal {certificate} {infos}");
    let decisions = async |more: &str| {
        let told = desk.aws(&format!("{question} {more}")).await;
        let results = told["authResults"].as_array().expect("results").clone();
        let decisions = results.iter().map(|it| text(&it["authDecision"]).to_owned());
        (decisions.collect::<Vec<_>>(), results)
    };
    let (found, results) = decisions("").await;
    assert_eq!(found, ["IMPLICIT_DENY", "ALLOWED"]);
    assert_eq!(results[0]["missingContextValues"], json!(["iot:ClientId"]), "TA-4");
    assert_eq!(decisions("--client-id lamp").await.0, ["ALLOWED", "ALLOWED"], "not its thing");
    let add = "--client-id lamp --policy-names-to-add Never --policy-names-to-skip Connect";
    assert_eq!(decisions(add).await.0, ["EXPLICIT_DENY", "IMPLICIT_DENY"], "TA-2");
    let attach = format!("iot attach-thing-principal --thing-name lamp --principal {certificate}");
    desk.done(&attach).await;
    let (found, results) = decisions("--client-id lamp").await;
    assert_eq!(found, ["EXPLICIT_DENY", "ALLOWED"], "TA-5: the client ID is the thing");
    assert_eq!(
        members(&results[0]),
        ["allowed", "authDecision", "authInfo", "denied", "missingContextValues"],
        "TA-3"
    );
    assert_eq!(results[0]["denied"]["explicitDeny"]["policies"][0]["policyName"], "Never");
}
