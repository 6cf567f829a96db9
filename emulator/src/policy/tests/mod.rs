//! What must be true of any policy. Beside it: the tables of cases, documents, conditions.

mod cases;
mod conditions;
mod documents;

use proptest::prelude::*;
use serde_json::{Value, json};

use super::context::ThingAttributes;
use super::evaluate::{decide, evaluate};
use super::*;
use crate::names::TopicName;
use crate::time::Timestamp;

const FRONT: &str = "arn:aws:iot:us-east-1:123456789012:";

fn scope() -> Scope {
    Scope::new("123456789012", "us-east-1")
}

fn in_force(name: &str, document: &Value, attached_to: AttachedTo) -> PolicyInForce {
    let document = Document::parse(&document.to_string()).unwrap();
    let version = PolicyVersion { name: name.into(), version_id: 1, document };
    PolicyInForce::new(Arc::new(version), attached_to)
}

fn all_in_force(documents: &[Value]) -> Vec<PolicyInForce> {
    let name = |index: usize| format!("P{}", index + 1);
    let policies = documents.iter().enumerate();
    policies.map(|(at, it)| in_force(&name(at), it, AttachedTo::Certificate)).collect()
}

fn shared<'a>(attributes: impl Iterator<Item = (&'a str, &'a str)>) -> ThingAttributes {
    attributes.map(|(name, value)| (Box::from(name), Box::from(value))).collect()
}

// === answers ===

#[test]
fn a_permit_speaks_of_the_resource_that_was_asked_for() {
    let policies = all_in_force(&[json!({
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
    let policies = all_in_force(&[json!({
        "Version": "2012-10-17",
        "Statement": {
            "Effect": "Allow",
            "Action": "iot:Publish",
            "Resource": format!("{FRONT}topic/things/${{iot:Connection.Thing.ThingName}}/*"),
        },
    })]);
    let mut context = Context::new();
    context.set_thing("sensor-1".into(), None, ThingAttributes::default());
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
    let policies = all_in_force(&[json!({
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
    let policies = all_in_force(&[
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

#[test]
fn a_glance_at_a_resource_overlooks_none() {
    let table = [
        ("*", true),
        ("arn:*:::::", false),
        ("arn:aws:iot:us-east-1:123456789012:topic/é/ü", true),
        ("arn:aws:iot:us-east-1:123456789012:topic/é/*", true),
        ("arn:aws:iot:us-east-1:123456789012:topic/e/*", false),
        ("arn:*:*:*:*:*é/ü", true),
        ("arn:*:*:*:*:*ü", true),
        ("arn:*:*:*:*:*u", false),
        ("arn:aws:iot:us-east-1:123456789012:topic/é/ü/and/more/than/there/is/*", false),
        ("arn:aws:iot:us-east-1:123456789012:*ic/é/ü", true),
        ("arn:aws:iot:us-east-1:123456789012:topic/é/*topic/é/ü", false),
    ];
    for (resource, allowed) in table {
        for (element, allowed) in [("Resource", allowed), ("NotResource", !allowed)] {
            let statement = json!({"Effect": "Allow", "Action": "iot:Publish", element: resource});
            let policies =
                all_in_force(&[json!({"Version": "2012-10-17", "Statement": statement})]);
            let topic = TopicName::new("é/ü");
            let decided = authorize::<Publish>(&policies, &Context::new(), &scope(), topic);
            assert_eq!(decided.is_ok(), allowed, "{element} {resource}");
        }
    }
}

// === any policy ===

fn statement() -> impl Strategy<Value = Value> {
    let action = prop_oneof![Just("iot:*"), Just("iot:Publish"), Just("iot:Connect"), Just("*")];
    let resource = concat!(
        r"(client|topic|topicfilter)/[ab*?/+#]{0,5}",
        r"(\$\{(iot:ClientId|iot:Connection.Thing.(ThingName|Attributes\[a\])|nobody)\})?[b*]{0,2}",
    );
    let condition = prop_oneof![
        Just(json!({})),
        Just(json!({"StringEquals": {"iot:ClientId": ["a", "b"]}})),
        Just(json!({"StringNotLike": {"iot:ClientId": "a*"}})),
        Just(json!({"StringLike": {"iot:ClientId": "*${iot:Connection.Thing.ThingName}*"}})),
        Just(json!({"ForAllValues:StringEquals": {"iot:ConnectAttributes": ["LastWill"]}})),
        Just(json!({"ForAnyValue:StringNotEquals": {"iot:ConnectAttributes": ["LastWill"]}})),
        Just(json!({"ArnNotLike": {"iot:LastWillTopic": "arn:*:*:*:*:topic/a${iot:ClientId}"}})),
        Just(json!({"NumericLessThanIfExists": {"iot:Connection.Thing.Attributes[a]": "5"}})),
        Just(json!({"BoolIfExists": {"iot:Connection.Thing.IsAttached": "false"}})),
        Just(json!({"Null": {"iot:ClientId": "true"}})),
    ];
    let effects = (any::<bool>(), any::<bool>(), any::<bool>());
    (effects, action, resource, condition).prop_map(
        |((deny, not_action, not_resource), action, resource, condition)| {
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
    let document = prop::collection::vec(statement(), 1..3)
        .prop_map(|statements| json!({"Version": "2012-10-17", "Statement": statements}));
    prop::collection::vec(document, 0..4)
}

/// A client of whom some things are known and others are not.
fn variables() -> impl Strategy<Value = Context> {
    clients("[ab*?]{1,3}", "[0-9ab]{1,2}")
}

/// Clients whose names, wills and things are called as `name` says, with attributes like `value`.
fn clients(name: &'static str, value: &'static str) -> impl Strategy<Value = Context> {
    let client = prop::option::of(name);
    let connect = prop::option::of((any::<bool>(), prop::option::of(name)));
    let thing = prop::option::of((name, prop::option::of(name), prop::option::of(value)));
    (client, connect, thing).prop_map(|(client, connect, thing)| {
        let mut context = Context::new();
        if let Some(client) = client {
            context.set_client_id(&client.into());
        }
        if let Some((persistent, will)) = connect {
            let will = will.map(TopicName::from);
            context.set_connect_attributes(&scope(), persistent, will.as_ref());
        }
        match thing {
            Some((name, of_type, value)) => {
                let value = value.as_deref().map(|value| ("a", value));
                context.set_thing(name.into(), of_type.map(Into::into), shared(value.into_iter()));
            }
            None => context.set_no_thing("the certificate is attached to no thing".into()),
        }
        context
    })
}

/// An operator with or without a prefix and `IfExists`.
fn operator() -> impl Strategy<Value = String> {
    let prefix = prop_oneof![Just(""), Just("ForAllValues:"), Just("ForAnyValue:")];
    let plain = prop::sample::select(vec![
        "StringEquals",
        "StringNotEqualsIgnoreCase",
        "StringLike",
        "StringNotLike",
        "NumericEquals",
        "NumericGreaterThan",
        "DateLessThan",
        "DateNotEquals",
        "Bool",
        "BinaryEquals",
        "IpAddress",
        "NotIpAddress",
        "ArnLike",
        "ArnNotEquals",
    ]);
    let suffix = prop_oneof![Just(""), Just("IfExists")];
    (prefix, plain, suffix).prop_map(|(prefix, plain, suffix)| format!("{prefix}{plain}{suffix}"))
}

/// Short text of anything.
const ANY: &str = ".{0,4}";

/// Text of what means something to a policy.
const MEANT: &str = r"([*?$+#:/ ,.'\\{}\[\]()]|\$\{|iot:ClientId|0|é|[ab]){0,12}";

#[test]
fn pol_20_many_stars_cost_no_more_than_the_pattern_times_the_text() {
    // Trying every way to share the text out among these stars would outlast the universe.
    let stars = "*a".repeat(400);
    let variables = "*${iot:ClientId}".repeat(60);
    let text = "a".repeat(2000);
    let document = |statement: Value| json!({ "Version": "2012-10-17", "Statement": statement });
    let allow = |resource: String, condition: Value| {
        document(json!({
            "Effect": "Allow", "Action": "iot:*", "Resource": resource, "Condition": condition,
        }))
    };
    let mut context = Context::new();
    context.set_client_id(&"aa".into());
    context.set_thing("T".into(), None, shared([("n", text.as_str())].into_iter()));
    let key = "iot:Connection.Thing.Attributes[n]";
    let documents = [
        allow(format!("{FRONT}topic/{stars}*b"), json!({})),
        allow(format!("{FRONT}topic/{variables}*b"), json!({})),
        allow("*".to_owned(), json!({"StringLike": {key: format!("{stars}*b")}})),
        allow("*".to_owned(), json!({"StringLike": {key: format!("{variables}*b")}})),
        allow("*".to_owned(), json!({"ArnLike": {key: format!("{stars}*b")}})),
        document(json!({"Effect": "Allow", "Action": format!("{stars}*b"), "Resource": "*"})),
    ];
    for document in &documents {
        let policies = all_in_force(std::slice::from_ref(document));
        let refusal =
            authorize::<Publish>(&policies, &context, &scope(), text.as_str().into()).unwrap_err();
        assert_eq!(refusal.decision, Decision::ImplicitDeny);
        let said = evaluate(&policies, &context, &text, &text);
        assert_eq!(said.decision, Decision::ImplicitDeny);
    }
    // The same with an end that the text has.
    for end in [&stars, &variables] {
        let policies = all_in_force(&[allow(format!("{FRONT}topic/{end}*"), json!({}))]);
        let _permit =
            authorize::<Publish>(&policies, &context, &scope(), text.as_str().into()).unwrap();
    }
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
        let policies = all_in_force(&documents);
        let arn = format!("{FRONT}topic/{topic}");
        for (place, action) in (0..).zip(action::KNOWN) {
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
        let policies = all_in_force(&documents);
        prop_assert_eq!(decide(&policies, &context, Publish::PLACE, &arn), Decision::ExplicitDeny);
    }

    #[test]
    fn another_deny_never_allows_more(
        documents in policies(), more in policies(), context in variables(),
        topic in "[ab/+#]{0,5}",
    ) {
        let arn = format!("{FRONT}topic/{topic}");
        let before = decide(&all_in_force(&documents), &context, Publish::PLACE, &arn);
        let denies = with_effect(&more, "Deny");
        let all: Vec<Value> = documents.into_iter().chain(denies).collect();
        let after = decide(&all_in_force(&all), &context, Publish::PLACE, &arn);
        prop_assert!(after != Decision::Allowed || before == Decision::Allowed);
    }

    #[test]
    fn without_an_allow_nothing_is_allowed(
        documents in policies(), context in variables(), topic in "[ab/+#]{0,5}",
    ) {
        let policies = all_in_force(&with_effect(&documents, "Deny"));
        let arn = format!("{FRONT}topic/{topic}");
        prop_assert_ne!(decide(&policies, &context, Publish::PLACE, &arn), Decision::Allowed);
    }

    #[test]
    fn every_refusal_says_why(
        documents in policies(), context in clients(ANY, ANY), topic in any::<String>(),
    ) {
        let policies = all_in_force(&documents);
        if let Err(refusal) =
            authorize::<Publish>(&policies, &context, &scope(), topic.as_str().into())
        {
            prop_assert_ne!(refusal.decision, Decision::Allowed);
            prop_assert!(!refusal.why.is_empty());
        }
    }

    #[test]
    fn another_allow_never_denies_more(
        documents in policies(), more in policies(), context in variables(),
        topic in "[ab/+#]{0,5}",
    ) {
        let arn = format!("{FRONT}topic/{topic}");
        let before = decide(&all_in_force(&documents), &context, Publish::PLACE, &arn);
        let all: Vec<Value> = documents.into_iter().chain(with_effect(&more, "Allow")).collect();
        let after = decide(&all_in_force(&all), &context, Publish::PLACE, &arn);
        prop_assert!(before != Decision::Allowed || after == Decision::Allowed);
        prop_assert_eq!(before == Decision::ExplicitDeny, after == Decision::ExplicitDeny);
    }

    #[test]
    fn the_order_of_policies_does_not_matter(
        documents in policies(), context in variables(), topic in "[ab/+#]{0,5}",
    ) {
        let arn = format!("{FRONT}topic/{topic}");
        let forwards = decide(&all_in_force(&documents), &context, Publish::PLACE, &arn);
        let reversed: Vec<Value> = documents.into_iter().rev().collect();
        let backwards = decide(&all_in_force(&reversed), &context, Publish::PLACE, &arn);
        prop_assert_eq!(forwards, backwards);
    }

    #[test]
    fn nothing_that_a_policy_or_a_client_says_ends_in_a_panic(
        resource in MEANT, value in MEANT, operator in operator(), action in MEANT,
        context in clients(MEANT, MEANT), name in MEANT, old in any::<bool>(),
    ) {
        let document = json!({
            "Version": if old { "2008-10-17" } else { "2012-10-17" },
            "Statement": [
                {"Effect": "Allow", "Action": "iot:*", "Resource": format!("{FRONT}topic/{resource}")},
                {"Effect": "Deny", "Action": action, "NotResource": format!("{FRONT}client/{resource}")},
                {"Effect": "Allow", "Action": "iot:*", "Resource": "*", "Condition": {
                    operator: {"iot:Connection.Thing.Attributes[a]": value, "iot:LastWillTopic": value},
                }},
            ],
        });
        // Some of these are no policies; those that are decide.
        if let Ok(document) = Document::parse(&document.to_string()) {
            let version = PolicyVersion { name: "P1".into(), version_id: 1, document };
            let policies = [PolicyInForce::new(Arc::new(version), AttachedTo::Certificate)];
            let said = evaluate(&policies, &context, &action, &name);
            let done = authorize::<Publish>(&policies, &context, &scope(), name.as_str().into());
            let _either = (said, done.map(drop));
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
