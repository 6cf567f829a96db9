//! TestAuthorization and GetEffectivePolicies.

use serde_json::{Value, json};

use super::*;

const FRONT: &str = "arn:aws:iot:eu-west-1:123456789012:";

type Names = &'static [&'static str];

fn policy(registry: &mut Registry, name: &str, effect: &str, action: &str, resource: &str) {
    let document = json!({
        "Version": "2012-10-17",
        "Statement": [{ "Effect": effect, "Action": action, "Resource": format!("{FRONT}{resource}") }],
    });
    let json = json!({ "policyName": name, "policyDocument": document.to_string() });
    registry.create_policy(input(json), NOW).unwrap();
}

/// A certificate with three policies, attached to the thing `lamp`.
fn stage() -> (Registry, String) {
    let (mut registry, _id, arn) = with_certificate("ACTIVE");
    let client = "client/${iot:Connection.Thing.ThingName}";
    policy(&mut registry, "Connect", "Allow", "iot:Connect", client);
    policy(&mut registry, "Own", "Allow", "iot:Publish", "topic/${iot:ClientId}/*");
    policy(&mut registry, "Never", "Deny", "iot:Publish", "topic/*/secret");
    policy(&mut registry, "Loose", "Allow", "iot:*", "*");
    for name in ["Connect", "Own", "Never"] {
        registry.attach_policy(input(json!({ "policyName": name, "target": arn }))).unwrap();
    }
    registry.create_thing(input(json!({ "thingName": "lamp" })), NOW).unwrap();
    let attach = json!({ "thingName": "lamp", "principal": arn });
    registry.attach_thing_principal(input(attach)).unwrap();
    (registry, arn)
}

fn ask(registry: &Registry, question: Value) -> Value {
    let answer = registry.test_authorization(input(question), NOW).unwrap();
    serde_json::to_value(answer).unwrap()["authResults"].take()
}

fn names(policies: &Value) -> Vec<&str> {
    let policies = policies["policies"].as_array().unwrap().iter();
    policies.map(|policy| policy["policyName"].as_str().unwrap()).collect()
}

#[test]
fn ta_2_to_5_a_question_is_answered_by_the_policies_in_force() {
    let (registry, arn) = stage();
    // Client ID, action, resource; decision, who allows, denies, says neither, what has no value.
    #[rustfmt::skip]
    let table: [(_, _, _, _, Names, Names, Names, Names); 7] = [
        (Some("lamp"), "CONNECT", "client/lamp", "ALLOWED", &["Connect"], &[], &["Never", "Own"], &[]),
        (Some("lamp"), "CONNECT", "client/other", "IMPLICIT_DENY", &[], &[], &["Connect", "Never", "Own"], &[]),
        (Some("other"), "CONNECT", "client/other", "IMPLICIT_DENY", &[], &[], &["Connect", "Never", "Own"], &["iot:Connection.Thing.ThingName"]),
        (Some("other"), "PUBLISH", "topic/other/a", "ALLOWED", &["Own"], &[], &["Connect", "Never"], &[]),
        (Some("lamp"), "PUBLISH", "topic/lamp/secret", "EXPLICIT_DENY", &["Own"], &["Never"], &["Connect"], &[]),
        (None, "PUBLISH", "topic/lamp/a", "IMPLICIT_DENY", &[], &[], &["Connect", "Never", "Own"], &["iot:ClientId"]),
        (Some("lamp"), "SUBSCRIBE", "topicfilter/#", "IMPLICIT_DENY", &[], &[], &["Connect", "Never", "Own"], &[]),
    ];
    for (client_id, action, resource, decision, allowed, denied, silent, missing) in table {
        let resource = format!("{FRONT}{resource}");
        let info = json!({ "actionType": action, "resources": [resource] });
        let question = json!({ "principal": arn, "clientId": client_id, "authInfos": [info] });
        let results = ask(&registry, question);
        let result = &results[0];
        assert_eq!(result["authInfo"], info);
        assert_eq!(result["authDecision"], decision, "{client_id:?} {action} {resource}");
        assert_eq!(names(&result["allowed"]), allowed, "{client_id:?} {action} {resource}");
        assert_eq!(names(&result["denied"]["explicitDeny"]), denied, "{action} {resource}");
        assert_eq!(names(&result["denied"]["implicitDeny"]), silent, "{action} {resource}");
        assert_eq!(result["missingContextValues"], json!(missing), "{action} {resource}");
    }
}

#[test]
fn ta_2_policies_are_added_and_skipped_for_one_question() {
    let (registry, arn) = stage();
    let secret =
        json!({ "actionType": "PUBLISH", "resources": [format!("{FRONT}topic/lamp/secret")] });
    let both = json!({
        "actionType": "PUBLISH",
        "resources": [format!("{FRONT}topic/lamp/a"), format!("{FRONT}topic/lamp/secret")],
    });
    let table = [
        (json!({ "principal": arn }), ["EXPLICIT_DENY", "EXPLICIT_DENY"]),
        (json!({ "principal": arn, "policyNamesToSkip": ["Never"] }), ["ALLOWED", "ALLOWED"]),
        (json!({ "policyNamesToAdd": ["Own"] }), ["ALLOWED", "ALLOWED"]),
        (json!({ "policyNamesToAdd": ["Never"] }), ["EXPLICIT_DENY", "EXPLICIT_DENY"]),
        (json!({ "policyNamesToAdd": ["Connect"] }), ["IMPLICIT_DENY", "IMPLICIT_DENY"]),
        (json!({}), ["IMPLICIT_DENY", "IMPLICIT_DENY"]),
    ];
    for (mut question, decisions) in table {
        question["clientId"] = "lamp".into();
        question["authInfos"] = json!([secret, both]);
        let results = ask(&registry, question.clone());
        let found = [&results[0]["authDecision"], &results[1]["authDecision"]];
        assert_eq!(found, decisions, "{question}");
    }
}

#[test]
fn ta_2_a_bad_question_is_refused() {
    let (registry, arn) = stage();
    let info = json!({ "actionType": "CONNECT", "resources": ["*"] });
    let table = [
        (
            json!({}),
            "400 InvalidRequestException: 1 validation error detected: Value at 'authInfos' failed",
        ),
        (
            json!({ "authInfos": vec![info.clone(); 11] }),
            "400 InvalidRequestException: 1 validation",
        ),
        (
            json!({ "authInfos": [{ "actionType": "FLY", "resources": ["*"] }] }),
            "400 InvalidRequestException: 1 validation error detected: Value at \
             'authInfos.1.member.actionType' failed to satisfy constraint: Member must satisfy enum \
             value set: [PUBLISH, SUBSCRIBE, RECEIVE, CONNECT]",
        ),
        (json!({ "authInfos": [{ "actionType": "CONNECT" }] }), "400 InvalidRequestException"),
        (json!({ "authInfos": [info], "principal": "x" }), "400 InvalidRequestException: Invalid"),
        (
            json!({ "authInfos": [info], "principal": arn.replace("123456789012", "210987654321") }),
            "403 AccessDeniedException",
        ),
        (
            json!({ "authInfos": [info], "principal": format!("{}{}", &arn[..arn.len() - 64], "0".repeat(64)) }),
            "404 ResourceNotFoundException",
        ),
        (
            json!({ "authInfos": [info], "policyNamesToAdd": ["Nobody"] }),
            "404 ResourceNotFoundException: Policy not found",
        ),
        (json!({ "authInfos": [info], "cognitoIdentityPoolId": "p" }), "400 InvalidRequest"),
    ];
    for (question, expected) in table {
        let answer =
            asked("TestAuthorization", &question, |input| registry.test_authorization(input, NOW));
        assert!(outcome(&answer).starts_with(expected), "{question}: {}", outcome(&answer));
    }
}

#[test]
fn ta_1_the_effective_policies_come_with_their_documents() {
    let (registry, arn) = stage();
    let effective = |question: Value| registry.get_effective_policies(input(question));
    let found = effective(json!({ "principal": arn, "thingName": "lamp" })).unwrap();
    let names: Vec<&str> =
        found.effective_policies.iter().map(|policy| policy.policy_name.as_str()).collect();
    assert_eq!(names, ["Connect", "Never", "Own"]);
    let first = &found.effective_policies[0];
    assert_eq!(first.policy_arn.as_str(), format!("{FRONT}policy/Connect"));
    assert!(first.policy_document.contains("iot:Connect"));
    assert!(effective(json!({ "thingName": "lamp" })).unwrap().effective_policies.is_empty());
    assert!(outcome(&effective(json!({ "thingName": "no" }))).starts_with("404 Resource"));
}

#[test]
fn a_certificate_of_a_whole_fleet_is_told_of_briefly() {
    let (mut registry, id, arn) = with_certificate("ACTIVE");
    let certificate: CertificateId = id.parse().unwrap();
    let mut attach = |names: std::ops::Range<u32>| {
        for number in names {
            let name = format!("lamp{number}");
            registry.create_thing(input(json!({ "thingName": name })), NOW).unwrap();
            let pair = json!({ "thingName": name, "principal": arn });
            registry.attach_thing_principal(input(pair)).unwrap();
        }
        let other = ClientId::new("other");
        registry.standing(&certificate.into(), Things::Of(Some(&other))).why_no_thing(&other)
    };
    let front = "the client ID `other` differs from the thing name: the certificate is attached to";
    assert_eq!(attach(0..2), format!("{front} `lamp0`, `lamp1`"));
    let ten = (0..10).map(|number| format!("`lamp{number}`")).collect::<Vec<_>>().join(", ");
    let ten = format!("{front} {ten}");
    assert_eq!(attach(2..10), ten);
    assert_eq!(attach(10..1000), format!("{ten} and others"));
}
