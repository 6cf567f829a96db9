//! Rule SQL: what a statement makes of a message, and which statements are refused.

use proptest::prelude::*;
use serde_json::{Value, json};

use crate::errors::{ApiError, ErrorCode};
use crate::json::{Json, Numbers};
use crate::names::Scope;
use crate::service_model;

use super::execution::Outcome;
use super::*;

fn engine() -> RulesEngine {
    RulesEngine::new(Scope::new("123456789012", "us-east-1"))
}

fn message(topic: &str, payload: &[u8]) -> RuleMessage {
    let pair = |key: &str, value: &str| (key.to_owned(), value.to_owned());
    RuleMessage {
        topic: TopicName::new(topic),
        payload: Bytes::copy_from_slice(payload),
        client_id: Some(ClientId::new("sensor-1")),
        principal: Some(
            "ba67293af50bf2506f5f93469686da660c7c844e7b3950bfb16813e0d31e9373".to_owned(),
        ),
        source_ip: "192.158.1.38".parse().ok(),
        properties: MessageProperties {
            payload_is_utf8: true,
            content_type: Some("application/json".to_owned()),
            response_topic: Some("answers".to_owned()),
            correlation_data: Some(Bytes::from_static(&[1, 2])),
            message_expiry_seconds: None,
            user_properties: vec![
                pair("some key", "some value"),
                pair("a different key", "a different value"),
                pair("some key", "value with duplicate key"),
            ],
        },
        now: Timestamp::from_milliseconds(1_481_825_251_155),
        trace_id: "12345678-1234-1234-1234-123456789012".to_owned(),
        seed: 7,
    }
}

fn create(rules: &mut RulesEngine, name: &str, payload: Value) -> Result<(), ApiError> {
    let input = json!({ "ruleName": name, "topicRulePayload": payload });
    let now = Timestamp::from_seconds(1);
    service_model::read("CreateTopicRule", input).and_then(|it| rules.create_topic_rule(it, now))
}

fn republish(topic: &str) -> Value {
    json!({ "republish": { "roleArn": "arn:aws:iam::123456789012:role/r", "topic": topic } })
}

fn lambda(name: &str) -> Value {
    let arn = format!("arn:aws:lambda:us-east-1:123456789012:function:{name}");
    json!({ "lambda": { "functionArn": arn } })
}

fn rule(sql: &str, actions: Value) -> Value {
    json!({ "sql": sql, "awsIotSqlVersion": "2016-03-23", "actions": actions })
}

/// What a rule made of a message: the payload, or a word for why there is none.
fn run(sql: &str, version: &str, message: &RuleMessage) -> Result<String, String> {
    let mut rules = engine();
    let payload = json!({
        "sql": sql, "awsIotSqlVersion": version, "actions": [republish("$$aws/out")],
    });
    create(&mut rules, "rule", payload).map_err(|error| {
        assert_eq!(error.code(), ErrorCode::SqlParseException, "{error}");
        error.message().to_owned()
    })?;
    let executions = rules.evaluate(message);
    let Some(execution) = executions.first() else { return Err("no match".to_owned()) };
    match (&execution.outcome, execution.actions.first()) {
        (Outcome::NotFound, _) => Err("no match".to_owned()),
        (Outcome::NotSelected, _) => Err("not selected".to_owned()),
        (Outcome::Failed(why), _) => Err(why.clone()),
        (Outcome::Ran, None) => Err("no action".to_owned()),
        (Outcome::Ran, Some(action)) => match &action.result {
            Ok(Invocation::Republish { payload, .. } | Invocation::Lambda { payload, .. }) => {
                Ok(String::from_utf8_lossy(payload).into_owned())
            }
            Err(failure) => Err(failure.message.clone()),
        },
    }
}

/// Checks one case of a table in `fixtures/rules`.
fn check(case: &Json) -> Result<(), String> {
    let member = |name: &str| case.get(name);
    let text = |name: &str| member(name).and_then(Json::as_str);
    let version = text("version").unwrap_or("2016-03-23");
    let sql = match text("expression") {
        Some(expression) => format!("SELECT VALUE ({expression}) FROM '#'"),
        None => text("sql").expect("a case has an expression or sql").to_owned(),
    };
    let payload = match (text("text"), member("payload")) {
        (Some(text), _) => text.to_owned(),
        (None, Some(payload)) => payload.to_text(),
        (None, None) => "{}".to_owned(),
    };
    let mut message = message(text("topic").unwrap_or("topic/subtopic"), payload.as_bytes());
    if member("http").is_some() {
        message.client_id = None;
        message.properties = MessageProperties::default();
    }
    let expected = match (member("is"), member("output"), text("refused"), text("fails")) {
        (Some(output), ..) | (_, Some(output), ..) => Ok(output.to_text()),
        (_, _, Some(why), _) | (.., Some(why)) => Err(why.to_owned()),
        _ if member("undefined").is_some() || member("empty").is_some() => Ok(String::new()),
        _ if member("passes").is_some() => Ok(payload),
        _ if member("no_match").is_some() => Err("no match".to_owned()),
        _ if member("not_selected").is_some() => Err("not selected".to_owned()),
        _ => panic!("{} expects nothing", case.to_text()),
    };
    let outcome = run(&sql, version, &message);
    if outcome == expected { Ok(()) } else { Err(format!("{outcome:?} {}", case.to_text())) }
}

#[track_caller]
fn check_all(table: &str) {
    let table = Json::parse(table.as_bytes(), Numbers::AsWritten).unwrap();
    let Some(Json::Array(cases)) = table.get("cases") else { panic!("no cases") };
    assert!(table.get("source").is_some());
    let wrong: Vec<String> = cases.iter().filter_map(|case| check(case).err()).collect();
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

macro_rules! tables {
    ($($(#[$doc:meta])* $name:ident $file:literal,)*) => {
        $($(#[$doc])* #[test]
        fn $name() {
            check_all(include_str!(concat!("../../../fixtures/rules/", $file)));
        })*
    };
}

tables! {
    functions_of_numbers_answer_as_documented "math.json",
    functions_of_strings_answer_as_documented "text.json",
    types_convert_as_documented "types.json",
    operators_answer_as_documented "operators.json",
    payloads_encode_decode_and_hash_as_documented "encoding.json",
    functions_of_the_message_answer_as_documented "message.json",
    moments_are_written_and_read_as_documented "time.json",
    regular_expressions_match_as_documented "regexp.json",
    statements_select_as_documented "statements.json",
    what_cannot_be_understood_is_refused_with_its_place "refusals.json",
}

// === operations ===

#[track_caller]
fn refused(error: Result<(), ApiError>) -> (ErrorCode, String) {
    let error = error.unwrap_err();
    (error.code(), error.message().to_owned())
}

#[test]
fn a_rule_is_created_shown_listed_and_deleted() {
    let mut rules = engine();
    let payload = json!({
        "sql": "SELECT * FROM '$aws/events/certificates/registered/#'",
        "awsIotSqlVersion": "2016-03-23",
        "ruleDisabled": false,
        "description": "jitr",
        "actions": [lambda("jitr")],
        "errorAction": republish("errors"),
    });
    create(&mut rules, "jitr", payload).unwrap();
    let now = Timestamp::from_seconds(2);
    let named = |name: &str| json!({ "ruleName": name });
    let get = |rules: &mut RulesEngine| {
        let input = serde_json::from_value(named("jitr")).unwrap();
        serde_json::to_value(rules.get_topic_rule(input, now).unwrap()).unwrap()
    };
    let expected = json!({
        "ruleArn": "arn:aws:iot:us-east-1:123456789012:rule/jitr",
        "rule": {
            "ruleName": "jitr",
            "sql": "SELECT * FROM '$aws/events/certificates/registered/#'",
            "description": "jitr",
            "createdAt": 1.0,
            "actions": [lambda("jitr")],
            "ruleDisabled": false,
            "awsIotSqlVersion": "2016-03-23",
            "errorAction": republish("errors"),
        },
    });
    assert_eq!(get(&mut rules), expected);

    rules.disable_topic_rule(serde_json::from_value(named("jitr")).unwrap(), now).unwrap();
    assert_eq!(get(&mut rules)["rule"]["ruleDisabled"], true);
    assert!(rules.evaluate(&message("$aws/events/certificates/registered/a", b"{}")).is_empty());
    rules.enable_topic_rule(serde_json::from_value(named("jitr")).unwrap(), now).unwrap();
    assert_eq!(rules.evaluate(&message("$aws/events/certificates/registered/a", b"{}")).len(), 1);

    let input = json!({ "ruleName": "jitr", "topicRulePayload": rule("SELECT a", json!([])) });
    rules.replace_topic_rule(serde_json::from_value(input).unwrap(), now).unwrap();
    let shown = get(&mut rules);
    assert_eq!(
        (&shown["rule"]["sql"], &shown["rule"]["createdAt"]),
        (&json!("SELECT a"), &json!(1.0))
    );
    assert!(shown["rule"].get("errorAction").is_none());

    rules.delete_topic_rule(serde_json::from_value(named("jitr")).unwrap(), now).unwrap();
    let gone = rules.get_topic_rule(serde_json::from_value(named("jitr")).unwrap(), now);
    let gone = gone.unwrap_err();
    assert_eq!(gone.code(), ErrorCode::UnauthorizedException);
    assert_eq!(gone.message(), "Access to topic rule 'jitr' was denied");
}

#[test]
fn without_a_version_the_first_one_counts() {
    let mut rules = engine();
    create(&mut rules, "a", json!({ "sql": "SELECT 1 AS a", "actions": [] })).unwrap();
    let input = serde_json::from_value(json!({ "ruleName": "a" })).unwrap();
    let shown = rules.get_topic_rule(input, Timestamp::default()).unwrap();
    let shown = serde_json::to_value(shown).unwrap();
    assert_eq!(shown["rule"]["awsIotSqlVersion"], "2015-10-08");
}

#[test]
fn a_rule_exists_once() {
    let mut rules = engine();
    create(&mut rules, "a", rule("SELECT 1 AS a", json!([]))).unwrap();
    let error = create(&mut rules, "a", rule("SELECT 1 AS a", json!([]))).unwrap_err();
    assert_eq!(error.code(), ErrorCode::ResourceAlreadyExistsException);
    let body = error.body();
    assert_eq!(body["resourceArn"], "arn:aws:iot:us-east-1:123456789012:rule/a");
}

#[test]
fn rules_are_listed_in_pages() {
    let mut rules = engine();
    for (name, filter) in [("a", "x/#"), ("b", "y/+"), ("c", "x/+"), ("d", "z")] {
        create(&mut rules, name, rule(&format!("SELECT * FROM '{filter}'"), json!([]))).unwrap();
    }
    let mut list = |input: Value| {
        let input = serde_json::from_value(input).unwrap();
        rules
            .list_topic_rules(input, Timestamp::default())
            .map(|answer| serde_json::to_value(answer).unwrap())
    };
    let first = list(json!({ "maxResults": 3 })).unwrap();
    assert_eq!(first["rules"].as_array().unwrap().len(), 3);
    assert_eq!(
        first["rules"][0],
        json!({
            "ruleArn": "arn:aws:iot:us-east-1:123456789012:rule/a",
            "ruleName": "a", "topicPattern": "x/#", "createdAt": 1.0, "ruleDisabled": false,
        })
    );
    let second = list(json!({ "maxResults": 3, "nextToken": first["nextToken"] })).unwrap();
    assert_eq!(second["rules"][0]["ruleName"], "d");
    assert!(second.get("nextToken").is_none());
    let of_topic = list(json!({ "topic": "x/1" })).unwrap();
    let names: Vec<_> = of_topic["rules"].as_array().unwrap().iter().collect();
    assert_eq!((&names[0]["ruleName"], &names[1]["ruleName"]), (&json!("a"), &json!("c")));
    assert_eq!(list(json!({ "ruleDisabled": true })).unwrap()["rules"], json!([]));
    let wrong = list(json!({ "nextToken": "?" })).unwrap_err();
    assert_eq!(wrong.code(), ErrorCode::InvalidRequestException);
}

#[test]
fn what_aws_or_we_cannot_take_is_refused_at_creation() {
    let table = [
        ("a-b", rule("SELECT 1 AS a", json!([])), "regular expression pattern: ^[a-zA-Z0-9_]+$"),
        ("a", json!({ "actions": [] }), "Value at 'topicRulePayload.sql'"),
        ("a", json!({ "sql": "SELECT 1 AS a" }), "Value at 'topicRulePayload.actions'"),
        ("a", rule("SELECT 1 AS a", json!(vec![lambda("f"); 11])), "less than or equal to 10"),
        (
            "a",
            json!({ "sql": "SELECT 1 AS a", "actions": [], "awsIotSqlVersion": "2020-01-01" }),
            "SQL version '2020-01-01' is not supported",
        ),
        (
            "a",
            rule(
                "SELECT * FROM 'a'",
                json!([{ "s3": { "bucketName": "b", "key": "k", "roleArn": "arn" } }]),
            ),
            "iot-emulator does not run the action `s3` yet",
        ),
        (
            "a",
            rule("SELECT * FROM 'a'", json!([{ "carrierPigeon": {} }])),
            "Value 'carrierPigeon' at 'topicRulePayload.actions.1.member'",
        ),
        ("a", rule("SELECT * FROM 'a'", json!([{}])), "exactly one action"),
        (
            "a",
            rule("SELECT * FROM 'a'", json!([{ "lambda": {} }])),
            "'topicRulePayload.actions.1.member.lambda.functionArn' failed",
        ),
        (
            "a",
            rule("SELECT * FROM 'a'", json!([{ "lambda": { "functionArn": "f" } }])),
            "Member must be the ARN of a function",
        ),
        (
            "a",
            rule("SELECT * FROM 'a'", json!([{ "republish": { "topic": "b" } }])),
            "roleArn' failed to satisfy constraint: Member must not be null",
        ),
        (
            "a",
            rule("SELECT * FROM 'a/+'", json!([republish("a/b")])),
            "Republish topic cannot be within topic space of rule's topic pattern 'a/+'",
        ),
        (
            "a",
            rule("SELECT * FROM 'a/+'", json!([republish("a/${topic(1)}")])),
            "Republish topic cannot be within topic space of rule's topic pattern 'a/+'",
        ),
        (
            "a",
            rule(
                "SELECT * FROM '$aws/things/#'",
                json!([republish("$$aws/things/a/shadow/update")]),
            ),
            "Republish topic cannot be within topic space",
        ),
        ("a", rule("SELECT * FROM 'a'", json!([republish("b/#")])), "wildcard"),
        ("a", rule("SELECT * FROM 'a'", json!([republish("$aws/things/t/shadow/get")])), "$$"),
        (
            "a",
            rule("SELECT * FROM 'a'", json!([republish("$$aws/things/t/jobs/get")])),
            "topic of jobs",
        ),
    ];
    for (name, payload, expected) in table {
        let (code, text) = refused(create(&mut engine(), name, payload));
        assert_eq!(code, ErrorCode::InvalidRequestException, "{text}");
        assert!(text.contains(expected), "{text}\nlacks\n{expected}");
    }
}

#[test]
fn a_template_that_cannot_be_understood_says_where() {
    let table = [
        ("a/${", "Unexpected end of statement, expected an expression at line 1, column 5"),
        ("a/${b", "Unexpected end of statement at line 1, column 6"),
        ("a/${topic(}", "Unexpected token, '}', expected an expression at line 1, column 11"),
        ("${@missing}", "Variable '@missing' is not defined at line 1, column 3"),
    ];
    for (topic, expected) in table {
        let payload = rule("SELECT * FROM 'x'", json!([republish(topic)]));
        let (code, text) = refused(create(&mut engine(), "a", payload));
        assert_eq!(code, ErrorCode::SqlParseException);
        assert_eq!(text, format!("{expected} of the substitution template '{topic}'"));
    }
}

// === running ===

#[test]
fn je_5_the_registered_event_reaches_its_function_as_it_is() {
    let mut rules = engine();
    let sql = "SELECT * FROM '$aws/events/certificates/registered/#'";
    create(&mut rules, "jitr", rule(sql, json!([lambda("jitr")]))).unwrap();
    let event = br#"{"certificateId":"a","certificateRegistrationTimestamp":null}"#;
    let message = message("$aws/events/certificates/registered/ca", event);
    let executions = rules.evaluate(&message);
    let [execution] = &executions[..] else { panic!("one rule runs") };
    assert_eq!((execution.rule.as_str(), &execution.outcome), ("jitr", &Outcome::Ran));
    let action = &execution.actions[0];
    assert_eq!(
        action.result,
        Ok(Invocation::Lambda {
            function_arn: Arn::new("arn:aws:lambda:us-east-1:123456789012:function:jitr"),
            payload: Bytes::from_static(event),
        })
    );
    let scope = Scope::new("123456789012", "us-east-1");
    let entries: Vec<_> = execution.entries(&scope, &message);
    let types: Vec<_> = entries.iter().map(|entry| entry.event_type).collect();
    assert_eq!(types, ["RuleMatch", "RuleExecution"]);
    assert_eq!(entries[0].value("clientId"), Some("sensor-1"));
    assert_eq!(entries[1].value("ruleAction"), Some("LambdaAction"));
    assert_eq!(
        entries[1].to_json()["resources"],
        serde_json::json!({ "FunctionArn": "arn:aws:lambda:us-east-1:123456789012:function:jitr" })
    );
}

#[test]
fn templates_look_into_the_original_payload_and_know_variables() {
    let mut rules = engine();
    let sql = "SET @kind = upper(kind) SELECT id AS name FROM 'devices/+'";
    let topic = "$$aws/things/${id}/shadow/name/${@kind}/${name}${topic(2)}";
    let action = json!({ "republish": {
        "roleArn": "r", "topic": topic, "qos": 1,
        "headers": {
            "payloadFormatIndicator": "UTF8_DATA",
            "contentType": "rule/${kind}",
            "responseTopic": "answers/${clientid()}",
            "correlationData": "cnVsZSBjb3JyZWxhdGlvbiBkYXRh",
            "messageExpiry": "${60 * 2}",
            "userProperties": [{ "key": "sourceip", "value": "${sourceip()}" }],
        },
    }});
    create(&mut rules, "a", rule(sql, json!([action]))).unwrap();
    let executions = rules.evaluate(&message("devices/x", br#"{"id":"t1","kind":"lamp"}"#));
    assert_eq!(
        executions[0].actions[0].result,
        Ok(Invocation::Republish {
            topic: TopicName::new("$aws/things/t1/shadow/name/LAMP/x"),
            payload: Bytes::from_static(br#"{"name":"t1"}"#),
            qos: 1,
            properties: MessageProperties {
                payload_is_utf8: true,
                content_type: Some("rule/lamp".to_owned()),
                response_topic: Some("answers/sensor-1".to_owned()),
                correlation_data: Some(Bytes::from_static(b"rule correlation data")),
                message_expiry_seconds: Some(120),
                user_properties: vec![("sourceip".to_owned(), "192.158.1.38".to_owned())],
            },
        })
    );
    assert_eq!(executions[0].why, ["${name} has no value"]);
}

#[test]
fn one_error_message_tells_of_every_failure() {
    let mut rules = engine();
    let mut payload = rule(
        "SELECT * FROM 'devices/+'",
        json!([lambda("f"), republish("${kind}"), republish("good")]),
    );
    payload["errorAction"] = republish("errors/${topic(2)}");
    create(&mut rules, "a", payload).unwrap();
    let mut message = message("devices/x", b"not json");
    message.client_id = None;
    let executions = rules.evaluate(&message);
    let failures = executions[0].failures();
    assert_eq!(failures.len(), 2);
    let error = executions[0].error_action(&message, &failures).unwrap();
    let Ok(Invocation::Republish { topic, payload, .. }) = error.result else { panic!() };
    assert_eq!(topic.as_str(), "errors/x");
    let payload: Value = serde_json::from_slice(&payload).unwrap();
    assert_eq!(
        payload,
        json!({
            "ruleName": "a",
            "topic": "devices/x",
            "cloudwatchTraceId": "12345678-1234-1234-1234-123456789012",
            "clientId": "N/A",
            "sourceIp": "192.158.1.38",
            "base64OriginalPayload": "bm90IGpzb24=",
            "failures": [
                {
                    "failedAction": "LambdaAction",
                    "failedResource": "arn:aws:lambda:us-east-1:123456789012:function:f",
                    "errorMessage": "Failed to invoke lambda function. The error received was \
                        the payload is not JSON, which a Lambda action cannot take; \
                        encode(*, 'base64') makes JSON of any payload. Message arrived on: \
                        devices/x, Action: lambda, FunctionArn: \
                        arn:aws:lambda:us-east-1:123456789012:function:f",
                },
                {
                    "failedAction": "RepublishAction",
                    "failedResource": "",
                    "errorMessage": "Failed to republish to topic. The error received was the \
                        topic is empty. Message arrived on: devices/x, Action: republish, \
                        RepublishTopic: ",
                },
            ],
        })
    );
    assert!(executions[0].error_action(&message, &[]).is_none());
    let third = &executions[0].actions[2];
    assert!(third.result.is_ok());
    let refused = third.refused(&message, "no such thing");
    assert!(executions[0].error_action(&message, &[refused]).is_some());
}

#[test]
fn basic_ingest_runs_its_rule_alone() {
    let mut rules = engine();
    create(&mut rules, "a", rule("SELECT * FROM 'x'", json!([lambda("f")]))).unwrap();
    create(&mut rules, "b", rule("SELECT * FROM '$aws/rules/#'", json!([lambda("f")]))).unwrap();
    let topic = TopicName::new("$aws/rules/a/b/c");
    assert_eq!(basic_ingest(&topic), Some(("a", "b/c")));
    assert_eq!(basic_ingest(&TopicName::new("$aws/things/a")), None);
    let executions = rules.evaluate(&message("$aws/rules/a/b/c", b"{}"));
    assert_eq!(executions.len(), 1);
    assert_eq!((executions[0].rule.as_str(), executions[0].actions.len()), ("a", 1));

    let message = message("$aws/rules/example_rule", b"{}");
    let executions = rules.evaluate(&message);
    assert_eq!(executions[0].outcome, Outcome::NotFound);
    let scope = Scope::new("123456789012", "us-east-1");
    let entries = executions[0].entries(&scope, &message);
    assert_eq!((entries[0].event_type, entries[0].reason), ("RuleNotFound", Some("RuleNotFound")));
    assert_eq!(entries[0].details.as_deref(), Some("Rule example_rule not found"));
}

#[test]
fn the_same_message_makes_the_same_random_values() {
    let mut rules = engine();
    let sql = "SELECT newuuid() AS a, rand() AS b FROM 'x'";
    create(&mut rules, "a", rule(sql, json!([lambda("f")]))).unwrap();
    let payload_of = |message: &RuleMessage| match &rules.evaluate(message)[0].actions[0].result {
        Ok(Invocation::Lambda { payload, .. }) => payload.clone(),
        other => panic!("{other:?}"),
    };
    let first = message("x", b"{}");
    let mut second = first.clone();
    assert_eq!(payload_of(&first), payload_of(&second));
    second.seed = 8;
    assert_ne!(payload_of(&first), payload_of(&second));
    let mut others = engine();
    create(&mut others, "b", rule(sql, json!([lambda("f")]))).unwrap();
    let other = &others.evaluate(&first)[0].actions[0].result;
    assert!(
        !matches!(other, Ok(Invocation::Lambda { payload, .. }) if *payload == payload_of(&first))
    );
    let uuid: Value = serde_json::from_slice(&payload_of(&first)).unwrap();
    let uuid = uuid["a"].as_str().unwrap();
    assert_eq!((uuid.len(), &uuid[14..15]), (36, "4"));
    assert!(matches!(&uuid[19..20], "8" | "9" | "a" | "b"));
}

// === hostile input ===

#[test]
fn what_is_too_deep_or_too_long_is_refused_and_not_fatal() {
    let deep = |open: &str, close: &str, count: usize| {
        format!("SELECT {}1{} FROM 'a'", open.repeat(count), close.repeat(count))
    };
    let table = [
        deep("(", ")", 100_000),
        deep("[", "]", 100_000),
        deep("{'a':", "}", 40_000),
        deep("abs(", ")", 50_000),
        deep("NOT ", "", 60_000),
        deep("-", "", 200_000),
        deep("CASE 1 WHEN ", " THEN 1 END", 10_000),
        deep("(SELECT ", " FROM b)", 10_000),
        format!("SELECT {}1 FROM 'a'", "1 + ".repeat(60_000)),
        format!("SELECT a AS {} FROM 'a'", vec!["b"; 100_000].join(".")),
    ];
    for sql in table {
        let (code, _) = refused(create(&mut engine(), "a", rule(&sql, json!([]))));
        assert_eq!(code, ErrorCode::SqlParseException);
    }
    let long = format!("SELECT a.{} AS x FROM 'a'", vec!["b"; 100_000].join("."));
    assert!(create(&mut engine(), "a", rule(&long, json!([]))).is_ok());
    let wide = format!("SELECT {} FROM 'x'", "1 AS a,".repeat(30_000) + "1 AS b");
    assert_eq!(run(&wide, "2016-03-23", &message("x", b"{}")), Ok(r#"{"a":1,"b":1}"#.to_owned()));
    let chain = format!("SELECT VALUE {}1 FROM 'x'", "1 + ".repeat(198));
    assert_eq!(run(&chain, "2016-03-23", &message("x", b"{}")), Ok("199".to_owned()));
    let nested = format!("SELECT VALUE {}1{} FROM 'x'", "abs(".repeat(60), ")".repeat(60));
    assert_eq!(run(&nested, "2016-03-23", &message("x", b"{}")), Ok("1".to_owned()));
    let queries =
        format!("SELECT VALUE {}a{} FROM 'x'", "(SELECT VALUE ".repeat(25), " FROM a)".repeat(25));
    assert_eq!(run(&queries, "2016-03-23", &message("x", br#"{"a":{}}"#)), Ok(String::new()));
    let huge = "x".repeat(300 * 1024);
    let (code, _) = refused(create(&mut engine(), "a", rule(&huge, json!([]))));
    assert_eq!(code, ErrorCode::InvalidRequestException);
}

#[test]
fn a_rule_that_would_never_end_is_given_up() {
    let elements = vec!["1"; 20_000].join(",");
    let payload = format!(r#"{{"e":[{elements}],"s":"{}"}}"#, "a".repeat(60_000));
    let message = message("x", payload.as_bytes());
    let work = Err("The rule takes too much work for one message".to_owned());
    let long = Err("A value is longer than 1 MiB".to_owned());
    let double = "@a=[e,e],@b=[@a,@a],@c=[@b,@b],@d=[@c,@c],@e=[@d,@d]";
    let table = [
        (
            "SELECT (SELECT (SELECT 1 AS x FROM @v) AS y FROM @v) AS z FROM 'x'",
            "SET @v = e ",
            &work,
        ),
        ("SELECT replace(s, 'a', s) AS r FROM 'x'", "", &long),
        ("SELECT (SELECT @v = @v AS q FROM @v) AS r FROM 'x'", "SET @v = e ", &work),
        (
            "SELECT replace(s, 'a', 'aaaaaaaaa') + replace(s, 'a', 'aaaaaaaaa') AS r FROM 'x'",
            "",
            &long,
        ),
        (
            "SELECT 1 AS r FROM 'x'",
            double,
            &Err("Variable '@b' makes more than 128 KiB".to_owned()),
        ),
    ];
    for (select, set, expected) in table {
        let set = if set.starts_with('@') { format!("SET {set} ") } else { set.to_owned() };
        let outcome = run(&format!("{set}{select}"), "2016-03-23", &message);
        assert_eq!(&outcome, expected, "{select}");
    }
    assert_eq!(
        run(
            "SELECT get_or_default(replace(s, 'a', s), 'given up') AS r FROM 'x'",
            "2016-03-23",
            &message
        ),
        Ok(r#"{"r":"given up"}"#.to_owned())
    );
}

proptest! {
    #[test]
    fn no_text_brings_the_parser_down(sql in any::<String>()) {
        let _statement = create(&mut engine(), "a", rule(&sql, json!([republish(&sql)])));
    }

    #[test]
    fn no_mix_of_words_brings_a_rule_down(
        words in prop::collection::vec(prop_oneof![
            prop::sample::select(vec![
                "SELECT", "VALUE", "FROM", "'x'", "WHERE", "AS", "a", "b", "e", "*", ",", "(", ")",
                "[", "]", "{", "}", ":", ".", "=", "<>", "<", "+", "-", "/", "%", "1", "2.5", "'s'",
                "AND", "OR", "NOT", "IN", "CASE", "WHEN", "THEN", "ELSE", "END", "NULL", "true",
                "exists", "get", "topic", "substring", "concat", "encode", "transform", "cast",
                "Int", "@v", "SET",
            ]),
        ], 0..14),
        payload in prop_oneof![
            Just("{\"a\":1,\"b\":\"2\",\"e\":[1,{\"a\":2}]}"), Just("[1,2]"), Just("x"), Just(""),
        ],
    ) {
        let sql = format!("SELECT {} FROM 'x'", words.join(" "));
        for version in ["2015-10-08", "2016-03-23"] {
            let _outcome = run(&sql, version, &message("x", payload.as_bytes()));
        }
        let _outcome = run(&words.join(" "), "2016-03-23", &message("x", payload.as_bytes()));
    }

    #[test]
    fn no_regular_expression_brings_a_rule_down(
        expression in r"[ab(){}\[\]|*+?.^$\\\\dwsbpQE0-9,:<>=!&-]{0,16}",
        text in "[ab0 \n\u{e9}-]{0,12}",
        replacement in r"[a$\\0-9]{0,4}",
    ) {
        let payload = json!({ "e": expression, "t": text, "r": replacement }).to_string();
        let sql = "SELECT regexp_matches(t, e) AS m, regexp_substr(t, e) AS s, \
                   regexp_replace(t, e, r) AS r FROM 'x'";
        let _outcome = run(sql, "2016-03-23", &message("x", payload.as_bytes()));
    }

    #[test]
    fn no_moment_and_no_pattern_bring_a_rule_down(
        pattern in r"[A-Za-z'\[:/ é-]{0,8}",
        text in r"[0-9A-Z:+/ é-]{0,16}",
        zone in r"([+-][0-9:]{0,6}|UTC[+-]?[0-9]{0,2}|America/[A-Z][a-z]{0,6}|Asia/Tokyo)",
        moment in any::<i64>(),
    ) {
        let payload = json!({ "p": pattern, "t": text, "z": zone, "n": moment }).to_string();
        let sql = "SELECT parse_time(p, n, z) AS a, time_to_epoch(t, p) AS b, \
                   parse_time('yyyy-MM-dd xxxx ww D e C h K k SSSS Z ZZ ZZZ z', n, z) AS c \
                   FROM 'x'";
        let _outcome = run(sql, "2016-03-23", &message("x", payload.as_bytes()));
    }

    #[test]
    fn what_parse_time_writes_time_to_epoch_reads(moment in -62_000_000_000i64..250_000_000_000) {
        let payload = json!({ "n": moment * 1000 + 7 }).to_string();
        let sql = "SELECT VALUE time_to_epoch(parse_time(\"yyyy-MM-dd'T'HH:mm:ss.SSS ZZZ\", n, \
                   'America/New_York'), \"yyyy-MM-dd'T'HH:mm:ss.SSS VV\") = n \
                   OR parse_time('M', n, 'America/New_York') IN ['11'] FROM 'x'";
        let outcome = run(sql, "2016-03-23", &message("x", payload.as_bytes()));
        prop_assert_eq!(outcome.as_deref(), Ok("true"));
    }

    #[test]
    fn every_value_of_the_message_selects_itself(text in any::<String>(), number in any::<i64>()) {
        let payload = json!({ "a": text, "b": number });
        let message = message("x", payload.to_string().as_bytes());
        let outcome = run("SELECT a, b FROM 'x'", "2016-03-23", &message);
        let outcome: Value = serde_json::from_str(&outcome.unwrap()).unwrap();
        prop_assert_eq!(outcome, payload);
    }
}
