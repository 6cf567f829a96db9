//! TestAuthorization: what it can be asked, and what it answers to the same facts.
//!
//! Truth: <https://docs.aws.amazon.com/iot/latest/apireference/API_TestAuthorization.html>.

use std::collections::BTreeSet;

use client_tests::programs::{self, Shell};
use serde_json::{Value, json};
use tokio::runtime::Runtime;

use super::check::{Answer, Decision, Question, Said, Table, Way};
use super::{Stage, runtime, table};

//= https://docs.aws.amazon.com/iot/latest/apireference/API_AuthInfo.html
//# it knows four actions
const ACTION_TYPES: [(&str, &str); 4] = [
    ("iot:Connect", "CONNECT"),
    ("iot:Publish", "PUBLISH"),
    ("iot:Subscribe", "SUBSCRIBE"),
    ("iot:Receive", "RECEIVE"),
];

/// Its input, on a stage on which the policies are attached.
fn input(question: &Question<'_>, stage: &Stage) -> Value {
    let (_, action_type) = ACTION_TYPES
        .iter()
        .find(|(action, _)| *action == question.action())
        .expect("an action that it knows");
    let id = stage.certificate_id();
    let info = json!({ "actionType": action_type, "resources": [question.arn(&id)] });
    let mut input = json!({ "principal": stage.iot.certificate_arn(&id), "authInfos": [info] });
    if let Some(client_id) = question.client_id() {
        input["clientId"] = client_id.into();
    }
    input
}

async fn prepared(question: &Question<'_>) -> (Stage, Value) {
    let stage = Stage::set(question).await;
    stage.attach_policies(question);
    let input = input(question, &stage);
    (stage, input)
}

fn can_ask(question: &Question<'_>) -> Result<(), &'static str> {
    let client = question.client();
    if !ACTION_TYPES.iter().any(|(action, _)| *action == question.action()) {
        return Err("it knows CONNECT, PUBLISH, SUBSCRIBE and RECEIVE");
    }
    if client.address.is_some() || client.server_name.is_some() {
        return Err("it knows neither the client's address nor the name in SNI");
    }
    if client.persistent || client.last_will.is_some() {
        return Err("it knows neither persistent sessions nor wills");
    }
    Ok(())
}

/// Reads its output, whose shape is always the same.
fn answer(question: &Question<'_>, output: &Value) -> Answer {
    let results = output["authResults"].as_array().expect("results");
    let [result] = results.as_slice() else { panic!("one question, one answer: {output}") };
    let texts = |list: &Value| -> BTreeSet<String> {
        let texts = list.as_array().unwrap_or_else(|| panic!("a list in {output}")).iter();
        texts.map(|text| text.as_str().expect("a text").to_owned()).collect()
    };
    let names = |list: &Value| -> BTreeSet<String> {
        let policies = list["policies"].as_array().unwrap_or_else(|| panic!("a list in {output}"));
        let names = policies.iter().map(|policy| {
            let name = policy["policyName"].as_str().expect("a name");
            let arn = policy["policyArn"].as_str().expect("an ARN");
            assert!(arn.ends_with(&format!(":policy/{name}")), "{output}");
            name.to_owned()
        });
        names.collect()
    };
    let denied = &result["denied"];
    let said = Said {
        allowed: names(&result["allowed"]),
        implicit_deny: names(&denied["implicitDeny"]),
        explicit_deny: names(&denied["explicitDeny"]),
    };
    let decision = result["authDecision"].as_str().expect("a decision");
    let decision = match decision {
        "ALLOWED" => Decision::Allowed,
        "EXPLICIT_DENY" => Decision::ExplicitDeny,
        "IMPLICIT_DENY" => Decision::ImplicitDeny,
        other => panic!("{other} is no decision"),
    };
    // The decision follows from who said what, and everybody who counts has said something.
    let implied = match (said.explicit_deny.is_empty(), said.allowed.is_empty()) {
        (false, _) => Decision::ExplicitDeny,
        (true, false) => Decision::Allowed,
        (true, true) => Decision::ImplicitDeny,
    };
    assert_eq!(decision, implied, "{question}: {output}");
    let policies = question.policies().filter(|policy| question.counts(policy));
    let all: BTreeSet<String> = policies.map(|policy| policy.name()).collect();
    let heard = said.allowed.iter().chain(&said.implicit_deny).chain(&said.explicit_deny);
    assert_eq!(heard.cloned().collect::<BTreeSet<_>>(), all, "{question}: {output}");
    let missing = Some(texts(&result["missingContextValues"]));
    Answer { decision, why: None, missing, said: Some(said) }
}

/// Asks by the library's own call.
struct Called {
    runtime: Runtime,
}

impl Way for Called {
    fn can_ask(&self, question: &Question<'_>) -> Result<(), &'static str> {
        can_ask(question)
    }

    fn ask(&mut self, question: &Question<'_>) -> Answer {
        let (stage, input) = self.runtime.block_on(prepared(question));
        let info = input["authInfos"][0].clone();
        let output = stage.call("TestAuthorization", input);
        assert_eq!(output["authResults"][0]["authInfo"], info, "{question}");
        let refusals = stage.emulator.trace().refusals();
        let why: Vec<String> = refusals.into_iter().flat_map(|entry| entry.why.clone()).collect();
        // Of what it is not told it says so, where a door says why that is not there.
        let untold = ["iot:ConnectAttributes", "iot:LastWillTopic"];
        let is_told = !untold.iter().any(|text| why.iter().any(|line| line.contains(text)));
        let why = (question.client_id().is_some() && is_told).then_some(why);
        Answer { why, ..answer(question, &output) }
    }
}

/// Asks boto3, all questions of a table in one process.
struct Boto3 {
    outputs: Vec<Option<Value>>,
}

/// One question a line: where, and what.
const PROGRAM: &str = r#"
import json, sys
import boto3

for line in sys.stdin:
    url, question = json.loads(line)
    answer = boto3.client("iot", endpoint_url=url).test_authorization(**question)
    answer.pop("ResponseMetadata")
    print(json.dumps(answer))
"#;

impl Boto3 {
    async fn of(table: &Table) -> Self {
        let folder = tempfile::tempdir().expect("a folder of our own");
        let mut shell = Shell::new(folder.path());
        let mut stages = Vec::new();
        let mut lines = String::new();
        for question in table.questions().filter(|question| can_ask(question).is_ok()) {
            let (stage, input) = prepared(&question).await;
            lines.push_str(&json!([stage.emulator.api_url(), input]).to_string());
            lines.push('\n');
            stages.push((question.number, stage));
        }
        let (_, first) = stages.first().expect("a question");
        for (name, value) in first.emulator.environment() {
            shell.set(name, value);
        }
        shell.write("ask.py", PROGRAM);
        shell.write("questions", lines);
        let asked = shell.run("python3 ask.py < questions").await.succeeded();
        let mut answers =
            asked.stdout.lines().map(|line| serde_json::from_str(line).expect("JSON"));
        let mut outputs = Vec::new();
        for (number, _) in &stages {
            outputs.resize(*number, None);
            outputs.push(Some(answers.next().expect("as many answers as questions")));
        }
        Self { outputs }
    }
}

impl Way for Boto3 {
    fn can_ask(&self, question: &Question<'_>) -> Result<(), &'static str> {
        can_ask(question)
    }

    fn ask(&mut self, question: &Question<'_>) -> Answer {
        let output = self.outputs.get(question.number).and_then(Option::as_ref);
        answer(question, output.expect("boto3 was asked before"))
    }
}

#[tokio::test]
async fn boto3_is_told_what_policies_say_of_resources() {
    if programs::present(&["boto3"]).await {
        let table = table("resources");
        let mut boto3 = Boto3::of(&table).await;
        assert_eq!(table.check(&mut boto3), 67);
    }
}

macro_rules! tables {
    ($($test:ident $file:literal $cases:literal,)*) => {
        $(
            #[test]
            fn $test() {
                let mut called = Called { runtime: runtime() };
                assert_eq!(table($file).check(&mut called), $cases);
            }
        )*
    };
}

tables! {
    certificate_variables "certificate-variables" 88,
    connect_attributes "connect-attributes" 11,
    defaults "defaults" 13,
    https "https" 19,
    last_wills "last-will" 4,
    operators "operators" 114,
    reserved_topics "reserved-topics" 41,
    resources "resources" 67,
    statements "statements" 48,
    thing_groups "thing-groups" 34,
    things "things" 36,
    variables "variables" 61,
}
