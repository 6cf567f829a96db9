//! The tables of `fixtures/policies` against the engine, and what must be true of any policy.

use proptest::prelude::*;
use serde::Deserialize;
use serde_json::{Value, json};

use super::evaluate::{decide, evaluate};
use super::*;
use crate::names::TopicName;
use crate::pki::{AttributeKind, CertificateAuthority, Identity, Leaf, Subject};
use crate::time::Timestamp;

const FRONT: &str = "arn:aws:iot:us-east-1:123456789012:";

fn scope() -> Scope {
    Scope::new("123456789012", "us-east-1")
}

// === fixtures ===

#[path = "../../../fixtures/policies/check.rs"]
mod check;

use check::{Answer, Door, Question, Said, Table, Way};

/// The pure function: a context is made of the facts, and the engine is asked.
struct Pure;

impl Way for Pure {
    fn can_ask(&self, _question: &Question<'_>) -> Result<(), &'static str> {
        Ok(())
    }

    fn ask(&mut self, question: &Question<'_>) -> Answer {
        let identity = identity(&question.client().certificate);
        let id = identity.certificate_id().to_string();
        let mut asked = Asked {
            policies: question.policies().filter(|it| question.counts(it)).map(attached).collect(),
            context: context(question, &identity),
            said: Said::default(),
        };
        let name = question.name(&id);
        let client = question.client();
        let refused = match question.action() {
            "iot:Connect" => asked.may::<Connect>(name.into()).and_then(|()| {
                client.last_will.as_ref().map_or(Ok(()), |will| {
                    let topic = TopicName::from(will.topic.as_str());
                    asked.may::<Publish>(topic.clone())?;
                    if will.retain { asked.may::<RetainPublish>(topic) } else { Ok(()) }
                })
            }),
            "iot:RetainPublish" => asked
                .may::<Publish>(name.as_str().into())
                .and_then(|()| asked.may::<RetainPublish>(name.into())),
            "iot:Publish" => asked.may::<Publish>(name.into()),
            "iot:Subscribe" => asked.may::<Subscribe>(name.into()),
            "iot:Receive" => asked.may::<Receive>(name.into()),
            "iot:GetRetainedMessage" => asked.may::<GetRetainedMessage>(name.into()),
            "iot:ListRetainedMessages" => asked.may::<ListRetainedMessages>(()),
            "iot:DeleteConnection" => asked.may::<DeleteConnection>(name.into()),
            "iot:GetConnection" => asked.may::<GetConnection>(name.into()),
            "iot:ListSubscriptions" => asked.may::<ListSubscriptions>(name.into()),
            other => asked.may_other(other, &question.arn(&id)),
        };
        let (decision, why) = match refused {
            Ok(()) => (Decision::Allowed, Vec::new()),
            Err(Refusal { action, resource, decision, why }) => {
                assert!(!why.is_empty(), "{question}: no reason");
                let first = format!("refused {action} on {resource}");
                (decision, [first].into_iter().chain(why).collect())
            }
        };
        let decision = match decision {
            Decision::Allowed => check::Decision::Allowed,
            Decision::ExplicitDeny => check::Decision::ExplicitDeny,
            Decision::ImplicitDeny => check::Decision::ImplicitDeny,
        };
        Answer { decision, why: Some(why), missing: None, said: Some(asked.said) }
    }
}

/// The engine with what one question gives it.
struct Asked {
    policies: Vec<PolicyInForce>,
    context: Context,
    /// By the last action that was asked for.
    said: Said,
}

impl Asked {
    /// Whether the client may do `A`; evaluating must say the same.
    fn may<A: Action>(&mut self, resource: A::Resource) -> Result<(), Refusal> {
        let arn = A::resource_arn(&scope(), &resource);
        let done = authorize::<A>(&self.policies, &self.context, &scope(), resource).map(drop);
        let decision = self.evaluated(A::NAME, &arn);
        assert_eq!(done.as_ref().err().map_or(Decision::Allowed, |it| it.decision), decision);
        done
    }

    /// The same for an action that no door of ours asks for.
    fn may_other(&mut self, action: &str, arn: &str) -> Result<(), Refusal> {
        assert!(!action::KNOWN.contains(&action), "{action} has a type");
        let decision = self.evaluated(action, arn);
        let Self { policies, context, .. } = self;
        let question = explain::Question { policies, context, action, arn };
        match decision {
            Decision::Allowed => Ok(()),
            _ => Err(Refusal {
                action: "another action",
                resource: arn.to_owned(),
                decision,
                why: question.why(decision),
            }),
        }
    }

    fn evaluated(&mut self, action: &str, arn: &str) -> Decision {
        let said = evaluate(&self.policies, &self.context, action, arn);
        let names = |policies: &[&PolicyInForce]| {
            policies.iter().map(|policy| policy.name.to_string()).collect()
        };
        self.said = Said {
            allowed: names(&said.allowed_by),
            implicit_deny: names(&said.implicitly_denied_by),
            explicit_deny: names(&said.explicitly_denied_by),
        };
        said.decision
    }
}

fn attached(policy: check::Policy<'_>) -> PolicyInForce {
    let certificate = || "the certificate".to_owned();
    PolicyInForce {
        name: policy.name().into(),
        version_id: "1".to_owned(),
        document: Arc::new(Document::parse(&policy.document.to_string()).unwrap()),
        attached_to: policy.group.map_or_else(certificate, |name| format!("thing group `{name}`")),
    }
}

fn identity(facts: &check::Certificate) -> Identity {
    let subject = |attributes: &[(check::Attribute, String)]| {
        let attributes = attributes.iter();
        attributes.fold(Subject::new(), |name, (kind, value)| name.with((*kind).into(), value))
    };
    let leaf = match facts.subject.as_slice() {
        [] => Leaf::new("device"),
        attributes => Leaf::new(subject(attributes)),
    };
    let leaf = facts.alternative_names.iter().fold(leaf, Leaf::host);
    match facts.issuer.as_slice() {
        [] => Identity::self_signed_with(leaf),
        issuer => CertificateAuthority::with_subject(subject(issuer)).issue_with(leaf),
    }
}

/// The policy variables of the client, as an `Authorizer` sets them.
fn context(question: &Question<'_>, identity: &Identity) -> Context {
    let client = question.client();
    let mut context = Context::new();
    context.set_certificate(identity.certificate(), identity.certificate_id());
    context.set_source_ip(question.address());
    match question.server_name() {
        Some(name) => context.set("iot:DomainName", name),
        None => context.absent("iot:DomainName", "the client sent no host name in SNI"),
    }
    context.set("aws:SecureTransport", "true");
    context.set_now(Timestamp::from_seconds(client.now.unwrap_or(1_800_000_000)));
    match (question.door(), question.client_id()) {
        (Door::Mqtt, Some(id)) => {
            context.set_client_id(&id.into());
            let topic = client.last_will.as_ref().map(|will| will.topic.as_str().into());
            context.set_connect_attributes(&scope(), client.persistent, topic.as_ref());
            if question.action() != Connect::NAME {
                context.set_connected();
            }
            match question.thing() {
                Ok(thing) => {
                    let attributes =
                        thing.attributes.iter().map(|(name, value)| (&**name, &**value));
                    context.set_thing(&(&*thing.name).into(), thing.r#type.as_deref(), attributes);
                }
                Err(why) => context.set_no_thing(&why),
            }
        }
        _ => context.set_https(),
    }
    context
}

macro_rules! attribute_kinds {
    ($($kind:ident)*) => {
        impl From<check::Attribute> for AttributeKind {
            fn from(attribute: check::Attribute) -> Self {
                match attribute { $(check::Attribute::$kind => Self::$kind,)* }
            }
        }
    };
}

attribute_kinds! {
    DistinguishedNameQualifier Country Organization OrganizationalUnit State CommonName SerialNumber
    Title Surname GivenName Initials Pseudonym GenerationQualifier Locality
}

macro_rules! tables {
    ($($test:ident $file:literal $cases:literal,)*) => {
        $(
            #[test]
            fn $test() {
                let table = include_str!(concat!(
                    env!("CARGO_MANIFEST_DIR"), "/../fixtures/policies/", $file, ".json"
                ));
                assert_eq!(Table::read(table).check(&mut Pure), $cases);
            }
        )*
    };
}

tables! {
    pol_20_pol_21_resources_are_compared_as_aws_compares_them "resources" 77,
    pol_2_pol_8_statements_and_policies_combine "statements" 47,
    connect_attributes_are_what_the_guide_says "connect-attributes" 48,
    every_condition_operator_holds_when_it_should "operators" 142,
    variables_have_values_or_say_why_not "variables" 69,
    pol_40_to_46_certificate_variables_have_their_limits "certificate-variables" 88,
    pol_30_a_will_needs_what_a_publish_needs "last-will" 23,
    pol_35_to_49_a_connection_is_a_thing_or_says_why_not "things" 36,
    pol_3_pol_4_policies_of_thing_groups_count "thing-groups" 34,
    reserved_topics_are_topics_to_a_policy "reserved-topics" 42,
    over_https_there_is_no_client_id_and_no_thing "https" 47,
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

#[test]
fn pol_6_a_malformed_document_is_told_so_in_awss_words() {
    #[derive(Deserialize)]
    struct Table {
        documents: Vec<Case>,
    }
    #[derive(Deserialize)]
    struct Case {
        name: String,
        text: Option<String>,
        document: Option<Value>,
        error: Option<String>,
    }
    let table =
        include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/../fixtures/policies/documents.json"));
    let table: Table = serde_json::from_str(table).unwrap();
    assert!(table.documents.len() >= 40);
    for case in table.documents {
        let text = case.text.unwrap_or_else(|| case.document.unwrap().to_string());
        let error = Document::parse(&text).err().map(|error| error.to_string());
        assert_eq!(error, case.error, "{}: {text}", case.name);
    }
}

#[test]
fn pol_7_white_space_does_not_count_towards_the_size() {
    let with_sid = |length: usize, space: &str| {
        let sid = "s".repeat(length);
        format!(
            r#"{{"Statement":{{"Sid":"{sid}","Effect":"Allow",{space}"Action":"*","Resource":"*"}}}}"#
        )
    };
    let most = 2048 - with_sid(0, "").len();
    assert!(Document::parse(&with_sid(most, "")).is_ok());
    assert!(Document::parse(&with_sid(most, &" \n\t".repeat(5000))).is_ok());
    assert_eq!(Document::parse(&with_sid(most + 1, "")).err(), Some(MalformedDocument::TooLong));
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
fn pol_6_a_malformed_document_becomes_awss_exception() {
    let error = ApiError::from(Document::parse("{}").unwrap_err());
    assert_eq!(error.code(), ErrorCode::MalformedPolicyException);
    assert_eq!(error.message(), "Policy document is Malformed: Invalid policy syntax.");
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
                context.set_thing(&name.into(), of_type.as_deref(), value);
            }
            None => context.set_no_thing("the certificate is attached to no thing"),
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
    context.set_thing(&"T".into(), None, [("n", text.as_str())]);
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
        let policies = in_force(std::slice::from_ref(document));
        let refusal =
            authorize::<Publish>(&policies, &context, &scope(), text.as_str().into()).unwrap_err();
        assert_eq!(refusal.decision, Decision::ImplicitDeny);
        let said = evaluate(&policies, &context, &text, &text);
        assert_eq!(said.decision, Decision::ImplicitDeny);
    }
    // The same with an end that the text has.
    for end in [&stars, &variables] {
        let policies = in_force(&[allow(format!("{FRONT}topic/{end}*"), json!({}))]);
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
        documents in policies(), context in clients(ANY, ANY), topic in any::<String>(),
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
    fn another_allow_never_denies_more(
        documents in policies(), more in policies(), context in variables(),
        topic in "[ab/+#]{0,5}",
    ) {
        let arn = format!("{FRONT}topic/{topic}");
        let before = decide(&in_force(&documents), &context, Publish::PLACE, &arn);
        let all: Vec<Value> = documents.into_iter().chain(with_effect(&more, "Allow")).collect();
        let after = decide(&in_force(&all), &context, Publish::PLACE, &arn);
        prop_assert!(before != Decision::Allowed || after == Decision::Allowed);
        prop_assert_eq!(before == Decision::ExplicitDeny, after == Decision::ExplicitDeny);
    }

    #[test]
    fn the_order_of_policies_does_not_matter(
        documents in policies(), context in variables(), topic in "[ab/+#]{0,5}",
    ) {
        let arn = format!("{FRONT}topic/{topic}");
        let forwards = decide(&in_force(&documents), &context, Publish::PLACE, &arn);
        let reversed: Vec<Value> = documents.into_iter().rev().collect();
        let backwards = decide(&in_force(&reversed), &context, Publish::PLACE, &arn);
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
            let policies = [PolicyInForce {
                name: "P1".into(),
                version_id: "1".to_owned(),
                document: Arc::new(document),
                attached_to: "the certificate".to_owned(),
            }];
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
