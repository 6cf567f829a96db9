//! The tables of `fixtures/policies` against the engine, and what must be true of any policy.

use std::collections::BTreeMap;

use proptest::prelude::*;
use serde::Deserialize;
use serde_json::{Value, json};

use super::evaluate::{decide, evaluate};
use super::*;
use crate::names::TopicName;
use crate::time::Timestamp;

const FRONT: &str = "arn:aws:iot:us-east-1:123456789012:";

fn scope() -> Scope {
    Scope::new("123456789012", "us-east-1")
}

// === fixtures ===

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Table {
    #[serde(rename = "what")]
    _what: String,
    groups: Vec<Group>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Group {
    name: String,
    #[serde(rename = "source")]
    _source: String,
    documents: Vec<Value>,
    cases: Vec<Case>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Case {
    #[serde(default)]
    context: BTreeMap<String, Value>,
    action: String,
    resource: String,
    decision: String,
    #[serde(default)]
    why: Vec<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Thing {
    name: Option<String>,
    r#type: Option<String>,
    #[serde(default)]
    attributes: BTreeMap<String, String>,
    none: Option<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct ConnectFacts {
    persistent: bool,
    last_will: Option<String>,
}

fn texts(value: &Value) -> Vec<&str> {
    value.as_array().unwrap().iter().map(|text| text.as_str().unwrap()).collect()
}

fn context(variables: &BTreeMap<String, Value>) -> Context {
    let mut context = Context::new();
    for (name, value) in variables {
        match (name.as_str(), value) {
            ("thing", value) => {
                let thing: Thing = serde_json::from_value(value.clone()).unwrap();
                let attributes = thing.attributes.iter().map(|(name, value)| (&**name, &**value));
                match (&thing.name, &thing.none) {
                    (Some(name), None) => {
                        context.set_thing(&(&**name).into(), thing.r#type.as_deref(), attributes);
                    }
                    (None, Some(why)) => context.set_no_thing(why),
                    _ => panic!("a thing has a name, or a reason why there is none"),
                }
            }
            ("connect", value) => {
                let facts: ConnectFacts = serde_json::from_value(value.clone()).unwrap();
                let last_will = facts.last_will.map(TopicName::from);
                context.set_connect_attributes(&scope(), facts.persistent, last_will.as_ref());
            }
            ("https", Value::Bool(true)) => context.set_https(),
            ("now", seconds) => context.set_now(Timestamp::from_seconds(seconds.as_i64().unwrap())),
            (name, Value::String(value)) => context.set(name, value.as_str()),
            (name, list @ Value::Array(_)) => context.set_list(name, &texts(list)),
            (name, value) => context.set_attribute(name, &texts(&value["attribute"])),
        }
    }
    context
}

fn in_force(documents: &[Value]) -> Vec<PolicyInForce> {
    let numbered = documents.iter().enumerate();
    numbered
        .map(|(index, document)| PolicyInForce {
            name: format!("P{}", index + 1).into(),
            version_id: "1".to_owned(),
            document: Arc::new(Document::parse(&document.to_string()).unwrap()),
            attached_to: "the certificate".to_owned(),
        })
        .collect()
}

/// What `authorize` makes of an action of this engine; `None` for actions of other engines.
fn authorized(
    policies: &[PolicyInForce],
    context: &Context,
    action: &str,
    name: &str,
) -> Option<Result<(), Refusal>> {
    fn ask<A: Action>(
        policies: &[PolicyInForce],
        context: &Context,
        resource: A::Resource,
    ) -> Option<Result<(), Refusal>> {
        Some(authorize::<A>(policies, context, &scope(), resource).map(drop))
    }
    match action {
        "iot:Connect" => ask::<Connect>(policies, context, name.into()),
        "iot:Publish" => ask::<Publish>(policies, context, name.into()),
        "iot:RetainPublish" => ask::<RetainPublish>(policies, context, name.into()),
        "iot:Subscribe" => ask::<Subscribe>(policies, context, name.into()),
        "iot:Receive" => ask::<Receive>(policies, context, name.into()),
        "iot:GetRetainedMessage" => ask::<GetRetainedMessage>(policies, context, name.into()),
        "iot:ListRetainedMessages" => ask::<ListRetainedMessages>(policies, context, ()),
        "iot:DeleteConnection" => ask::<DeleteConnection>(policies, context, name.into()),
        "iot:GetConnection" => ask::<GetConnection>(policies, context, name.into()),
        "iot:ListSubscriptions" => ask::<ListSubscriptions>(policies, context, name.into()),
        _ => None,
    }
}

/// Asks the engine every question of a table; returns how many.
#[track_caller]
fn check(table: &str) -> usize {
    let table: Table = serde_json::from_str(table).unwrap();
    let mut asked = 0;
    for group in &table.groups {
        let policies = in_force(&group.documents);
        for case in &group.cases {
            let context = context(&case.context);
            let plain = case.resource == "*";
            let arn = if plain { "*".to_owned() } else { format!("{FRONT}{}", case.resource) };
            let decision = evaluate(&policies, &context, &case.action, &arn).decision;
            let expected = match case.decision.as_str() {
                "ALLOWED" => Decision::Allowed,
                "EXPLICIT_DENY" => Decision::ExplicitDeny,
                "IMPLICIT_DENY" => Decision::ImplicitDeny,
                other => panic!("{other} is no decision"),
            };
            let asks =
                format!("{}: {} {} {:?}", group.name, case.action, case.resource, case.context);
            assert_eq!(decision, expected, "{asks}");
            let question = explain::Question {
                policies: &policies,
                context: &context,
                action: &case.action,
                arn: &arn,
            };
            let why = question.why(decision);
            assert_eq!(why.is_empty(), decision == Decision::Allowed, "{asks}");
            for line in &case.why {
                assert!(why.join("\n").contains(line), "{asks}: {line:?} is not in {why:#?}");
            }
            let name = case.resource.split_once('/').map_or("", |(_, name)| name);
            match authorized(&policies, &context, &case.action, name) {
                Some(Ok(())) => assert_eq!(decision, Decision::Allowed, "{asks}"),
                Some(Err(refusal)) => assert_eq!(
                    (refusal.decision, refusal.resource, refusal.why),
                    (decision, arn, why),
                    "{asks}"
                ),
                None => assert!(!action::KNOWN.contains(&&*case.action), "{asks}"),
            }
            asked += 1;
        }
    }
    asked
}

macro_rules! tables {
    ($($test:ident $file:literal $least:literal,)*) => {
        $(
            #[test]
            fn $test() {
                let table = include_str!(concat!(
                    env!("CARGO_MANIFEST_DIR"), "/../fixtures/policies/", $file, ".json"
                ));
                assert!(check(table) >= $least, "cases have gone from the table");
            }
        )*
    };
}

tables! {
    pol_20_pol_21_resources_are_compared_as_aws_compares_them "resources" 60,
    pol_2_pol_8_statements_and_policies_combine "statements" 30,
    connect_attributes_are_what_the_guide_says "connect-attributes" 48,
    every_condition_operator_holds_when_it_should "operators" 110,
    variables_have_values_or_say_why_not "variables" 40,
    pol_40_to_46_certificate_variables_have_their_limits "certificate-variables" 40,
}

// === answers ===

#[test]
fn a_permit_speaks_of_the_resource_that_was_asked_for() {
    let policies = in_force(&[json!({
        "Version": "2012-10-17",
        "Statement": {"Effect": "Allow", "Action": "iot:*", "Resource": "*"},
    })]);
    let permit = authorize::<Publish>(&policies, &Context::new(), &scope(), "a/b".into()).unwrap();
    assert_eq!(permit.resource(), &TopicName::new("a/b"));
    assert_eq!(format!("{permit:?}"), "Permit<iot:Publish>(a/b)");
    assert_eq!(permit.into_resource(), TopicName::new("a/b"));
}

#[test]
fn a_refusal_reads_as_the_trace_shows_it() {
    let policies = in_force(&[json!({
        "Version": "2012-10-17",
        "Statement": {
            "Effect": "Allow",
            "Action": "iot:Publish",
            "Resource": format!("{FRONT}topic/things/${{iot:Connection.Thing.ThingName}}/*"),
        },
    })]);
    let mut context = Context::new();
    context.set_thing(&"sensor-1".into(), None, []);
    let topic = "things/sensor-2/confirmation".into();
    let refusal = authorize::<Publish>(&policies, &context, &scope(), topic).unwrap_err();
    assert_eq!(refusal.action, "iot:Publish");
    assert_eq!(refusal.resource, format!("{FRONT}topic/things/sensor-2/confirmation"));
    assert_eq!(refusal.decision, Decision::ImplicitDeny);
    assert_eq!(
        refusal.why,
        [
            "implicit deny: no statement of policy `P1` v1 matches",
            "nearest: arn:aws:iot:us-east-1:123456789012:topic/things/${iot:Connection.Thing.ThingName}/*",
            "         → …/topic/things/sensor-1/*",
        ]
    );
}

#[test]
fn a_client_id_cannot_write_lines_into_the_trace() {
    let policies = in_force(&[json!({
        "Version": "2012-10-17",
        "Statement": {
            "Effect": "Allow",
            "Action": "iot:Publish",
            "Resource": format!("{FRONT}topic/${{iot:ClientId}}"),
        },
    })]);
    let mut context = Context::new();
    context.set_client_id(&"a\nAWS answers: CONNACK 0".into());
    let refusal = authorize::<Publish>(&policies, &context, &scope(), "x".into()).unwrap_err();
    assert!(refusal.why.iter().all(|line| !line.contains('\n')), "{:?}", refusal.why);
    assert_eq!(refusal.why.last().unwrap(), r"         → …/topic/a\nAWS answers: CONNACK 0");
}

#[test]
fn ta_3_ta_4_an_evaluation_names_the_policies_and_the_missing_values() {
    let policies = in_force(&[
        json!({"Version": "2012-10-17", "Statement":
            {"Effect": "Allow", "Action": "iot:Publish", "Resource": "*"}}),
        json!({"Version": "2012-10-17", "Statement":
            {"Effect": "Deny", "Action": "iot:Publish", "Resource": format!("{FRONT}topic/a")}}),
        json!({"Version": "2012-10-17", "Statement":
            {"Effect": "Allow", "Action": "iot:Publish",
             "Resource": format!("{FRONT}topic/${{iot:ClientId}}"),
             "Condition": {"Bool": {"iot:Connection.Thing.IsAttached": "true"}}}}),
        json!({"Version": "2012-10-17", "Statement":
            {"Effect": "Allow", "Action": "iot:Connect",
             "Resource": format!("{FRONT}client/${{iot:CertificateId}}")}}),
    ]);
    let context = Context::new();
    let evaluation = evaluate(&policies, &context, "iot:Publish", &format!("{FRONT}topic/a"));
    let names = |policies: &[&PolicyInForce]| {
        policies.iter().map(|policy| policy.name.to_string()).collect::<Vec<_>>()
    };
    assert_eq!(evaluation.decision, Decision::ExplicitDeny);
    assert_eq!(names(&evaluation.allowed_by), ["P1"]);
    assert_eq!(names(&evaluation.explicitly_denied_by), ["P2"]);
    assert_eq!(names(&evaluation.implicitly_denied_by), ["P3", "P4"]);
    let missing: Vec<String> = evaluation.missing_context_values.into_iter().collect();
    assert_eq!(missing, ["iot:ClientId", "iot:Connection.Thing.IsAttached"]);
}

// === any policy ===

fn statement() -> impl Strategy<Value = Value> {
    let action = prop_oneof![Just("iot:*"), Just("iot:Publish"), Just("iot:Connect"), Just("*")];
    let resource = "(client|topic|topicfilter)/[ab*?/+#]{0,5}(\\$\\{iot:ClientId\\})?";
    let condition = prop_oneof![
        Just(json!({})),
        Just(json!({"StringEquals": {"iot:ClientId": ["a", "b"]}})),
        Just(json!({"StringNotLike": {"iot:ClientId": "a*"}})),
        Just(json!({"ForAllValues:StringEquals": {"set": ["a"]}})),
        Just(json!({"Null": {"iot:ClientId": "true"}})),
    ];
    (any::<bool>(), any::<bool>(), any::<bool>(), action, resource, condition).prop_map(
        |(deny, not_action, not_resource, action, resource, condition)| {
            json!({
                "Effect": if deny { "Deny" } else { "Allow" },
                if not_action { "NotAction" } else { "Action" }: action,
                if not_resource { "NotResource" } else { "Resource" }: format!("{FRONT}{resource}"),
                "Condition": condition,
            })
        },
    )
}

fn policies() -> impl Strategy<Value = Vec<Value>> {
    let document = prop::collection::vec(statement(), 1..4)
        .prop_map(|statements| json!({"Version": "2012-10-17", "Statement": statements}));
    prop::collection::vec(document, 0..4)
}

fn variables() -> impl Strategy<Value = Context> {
    let client = prop::option::of("[ab*?]{1,3}");
    let set = prop::option::of(prop::collection::vec("[ab]", 0..3));
    (client, set).prop_map(|(client, set)| {
        let mut context = Context::new();
        if let Some(client) = client {
            context.set("iot:ClientId", client);
        }
        if let Some(set) = set {
            context.set_list("set", &set.iter().map(String::as_str).collect::<Vec<_>>());
        }
        context
    })
}

fn with_effect(documents: &[Value], effect: &str) -> Vec<Value> {
    let mut documents = documents.to_vec();
    for document in &mut documents {
        for statement in document["Statement"].as_array_mut().unwrap() {
            statement["Effect"] = effect.into();
        }
    }
    documents
}

proptest! {
    #[test]
    fn deciding_and_evaluating_agree(
        documents in policies(), context in variables(), topic in "[ab/+#]{0,5}",
    ) {
        let policies = in_force(&documents);
        let arn = format!("{FRONT}topic/{topic}");
        for (place, action) in action::KNOWN.iter().enumerate() {
            let evaluation = evaluate(&policies, &context, action, &arn);
            prop_assert_eq!(decide(&policies, &context, place, &arn), evaluation.decision);
        }
    }

    #[test]
    fn an_explicit_deny_always_wins(
        documents in policies(), context in variables(), topic in "[ab/+#]{0,5}", at in 0..4_usize,
    ) {
        let arn = format!("{FRONT}topic/{topic}");
        let mut documents = documents;
        let deny = json!({"Statement": {"Effect": "Deny", "Action": "iot:Pub*", "Resource": "*"}});
        documents.insert(at.min(documents.len()), deny);
        let policies = in_force(&documents);
        prop_assert_eq!(decide(&policies, &context, Publish::PLACE, &arn), Decision::ExplicitDeny);
    }

    #[test]
    fn another_deny_never_allows_more(
        documents in policies(), more in policies(), context in variables(),
        topic in "[ab/+#]{0,5}",
    ) {
        let arn = format!("{FRONT}topic/{topic}");
        let before = decide(&in_force(&documents), &context, Publish::PLACE, &arn);
        let denies = with_effect(&more, "Deny");
        let all: Vec<Value> = documents.into_iter().chain(denies).collect();
        let after = decide(&in_force(&all), &context, Publish::PLACE, &arn);
        prop_assert!(after != Decision::Allowed || before == Decision::Allowed);
    }

    #[test]
    fn without_an_allow_nothing_is_allowed(
        documents in policies(), context in variables(), topic in "[ab/+#]{0,5}",
    ) {
        let policies = in_force(&with_effect(&documents, "Deny"));
        let arn = format!("{FRONT}topic/{topic}");
        prop_assert_ne!(decide(&policies, &context, Publish::PLACE, &arn), Decision::Allowed);
    }

    #[test]
    fn every_refusal_says_why(
        documents in policies(), context in variables(), topic in any::<String>(),
    ) {
        let policies = in_force(&documents);
        if let Err(refusal) =
            authorize::<Publish>(&policies, &context, &scope(), topic.as_str().into())
        {
            prop_assert_ne!(refusal.decision, Decision::Allowed);
            prop_assert!(!refusal.why.is_empty());
        }
    }

    #[test]
    fn any_text_is_a_document_or_an_error(text in any::<String>()) {
        let _either = Document::parse(&text);
    }

    #[test]
    fn a_damaged_document_is_a_document_or_an_error(
        documents in policies(), at in any::<prop::sample::Index>(), with in any::<char>(),
    ) {
        for document in documents {
            let mut characters: Vec<char> = document.to_string().chars().collect();
            let at = at.index(characters.len());
            characters[at] = with;
            let _either = Document::parse(&characters.into_iter().collect::<String>());
        }
    }
}
