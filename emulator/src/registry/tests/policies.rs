//! PC-1 … PC-14.

use super::*;
use crate::registry::policy_versions::PolicyVersionRequest;

fn version(policy: &str, id: &str) -> PolicyVersionRequest {
    input(json!({ "policyName": policy, "policyVersionId": id }))
}

fn add_version(registry: &mut Registry, default: bool) -> Result<String, ApiError> {
    let json = json!({ "policyName": "P", "policyDocument": ALLOW_ALL, "setAsDefault": default });
    let made = registry.create_policy_version(input(json), NOW)?;
    assert_eq!(made.is_default_version, default);
    Ok(made.policy_version_id)
}

#[test]
fn pc_1_and_2_creating_a_policy() {
    let mut registry = registry();
    let json = json!({ "policyName": "P", "policyDocument": ALLOW_ALL });
    let arn = "arn:aws:iot:eu-west-1:123456789012:policy/P";
    let made = registry.create_policy(input(json.clone()), NOW).unwrap();
    assert_eq!(
        output(made),
        json!({
            "policyName": "P", "policyArn": arn, "policyDocument": ALLOW_ALL, "policyVersionId": "1"
        })
    );
    let again = registry.create_policy(input(json), NOW).unwrap_err();
    assert_eq!(
        again.body(),
        json!({
            "__type": "ResourceAlreadyExistsException",
            "message": "Policy cannot be created - name already exists (name=P)",
            "resourceId": "P",
            "resourceArn": arn,
        })
    );
    let mut got = output(registry.get_policy(input(json!({ "policyName": "P" }))).unwrap());
    let generation = got.as_object_mut().unwrap().remove("generationId").unwrap();
    assert_eq!(generation.as_str().unwrap().len(), 64, "ID-6");
    assert_eq!(
        got,
        json!({
            "policyName": "P", "policyArn": arn, "policyDocument": ALLOW_ALL,
            "defaultVersionId": "1", "creationDate": 1_800_000_000.053,
            "lastModifiedDate": 1_800_000_000.053,
        })
    );
}

#[test]
fn pol_6_a_malformed_document_is_told_in_aws_words() {
    let mut registry = registry();
    create_policy(&mut registry, "P");
    let json = |name| json!({ "policyName": name, "policyDocument": "nonsense" });
    let malformed = "400 MalformedPolicyException: Policy document is Malformed \
                     (at line 1, column 2: expected ident, found `o`)";
    assert_eq!(outcome(&registry.create_policy(input(json("Q")), NOW)), malformed);
    assert_eq!(outcome(&registry.create_policy_version(input(json("P")), NOW)), malformed);
    let named = json!({ "policyName": "not a name", "policyDocument": ALLOW_ALL });
    let refused = asked("CreatePolicy", &named, |input| registry.create_policy(input, NOW));
    assert!(outcome(&refused).contains("'policyName' failed"));
}

#[test]
fn pc_3_to_7_and_14_versions() {
    let mut registry = registry();
    create_policy(&mut registry, "P");
    assert_eq!(add_version(&mut registry, false).unwrap(), "2");
    assert_eq!(add_version(&mut registry, true).unwrap(), "3");
    let default_of = |registry: &Registry| {
        let got = registry.get_policy(input(json!({ "policyName": "P" }))).unwrap();
        got.default_version_id
    };
    assert_eq!(default_of(&registry), "3", "PC-4");
    for id in ["4", "5"] {
        assert_eq!(add_version(&mut registry, false).unwrap(), id);
    }
    assert_eq!(
        outcome(&add_version(&mut registry, false)),
        "409 VersionsLimitExceededException: The policy P already has the maximum number of \
         versions (5)",
        "PC-3"
    );
    let missing =
        "404 ResourceNotFoundException: Policy version does not exist (name=P, versionId=9)";
    let unknown = "404 ResourceNotFoundException: Policy not found";
    for (policy, id, expected) in [("P", "9", missing), ("Q", "1", unknown)] {
        let got = registry.get_policy_version(version(policy, id));
        let set = registry.set_default_policy_version(version(policy, id), NOW);
        let deleted = registry.delete_policy_version(version(policy, id));
        assert_eq!([outcome(&got), outcome(&set), outcome(&deleted)], [expected; 3], "PC-5");
    }
    assert_eq!(outcome(&registry.set_default_policy_version(version("P", "1"), NOW)), "200");
    assert_eq!(default_of(&registry), "1");
    assert_eq!(
        outcome(&registry.delete_policy_version(version("P", "1"))),
        "409 DeleteConflictException: Cannot delete a default policy version (name=P, versionId=1)",
        "PC-7"
    );
    assert_eq!(outcome(&registry.delete_policy_version(version("P", "5"))), "200");
    assert_eq!(add_version(&mut registry, false).unwrap(), "6", "PC-1: never used again");
    let json = json!({ "policyName": "P" });
    let listed = registry.list_policy_versions(input(json)).unwrap().policy_versions;
    let listed: Vec<(&str, bool)> =
        listed.iter().map(|it| (it.version_id.as_str(), it.is_default_version)).collect();
    let newest_first = [("6", false), ("4", false), ("3", false), ("2", false), ("1", true)];
    assert_eq!(listed, newest_first, "PC-14");
    let got = output(registry.get_policy_version(version("P", "1")).unwrap());
    assert_eq!((&got["isDefaultVersion"], &got["policyVersionId"]), (&json!(true), &json!("1")));
    let get = registry.get_policy(input(json!({ "policyName": "Q" })));
    assert_eq!(
        outcome(&get),
        "404 ResourceNotFoundException: Policy default version not found",
        "PC-6"
    );
}

#[test]
fn pc_8_deletion_looks_at_the_versions_then_at_the_attachments() {
    let (mut registry, _, arn) = with_certificate("ACTIVE");
    create_policy(&mut registry, "P");
    add_version(&mut registry, false).unwrap();
    let attachment = json!({ "policyName": "P", "target": arn });
    registry.attach_policy(input(attachment.clone())).unwrap();
    let delete = |registry: &mut Registry| {
        outcome(&registry.delete_policy(input(json!({ "policyName": "P" }))))
    };
    assert_eq!(
        delete(&mut registry),
        "409 DeleteConflictException: The policy cannot be deleted as multiple versions of the \
         policy exist (name=P). Use DeletePolicyVersion action to delete all non-default versions \
         of the policy and retry."
    );
    registry.delete_policy_version(version("P", "2")).unwrap();
    assert_eq!(
        delete(&mut registry),
        "409 DeleteConflictException: The policy cannot be deleted as the policy is attached to \
         one or more principals (name=P)"
    );
    registry.detach_policy(input(attachment)).unwrap();
    assert_eq!(delete(&mut registry), "200", "PC-9: at once");
    assert_eq!(delete(&mut registry), "404 ResourceNotFoundException: Policy not found");
}

#[test]
fn pc_10_and_11_attaching_and_detaching() {
    let (mut registry, _, arn) = with_certificate("ACTIVE");
    create_policy(&mut registry, "P");
    let unknown = format!("arn:aws:iot:eu-west-1:123456789012:cert/{}", "0".repeat(64));
    let group = "arn:aws:iot:eu-west-1:123456789012:thinggroup/G";
    let thing = "arn:aws:iot:eu-west-1:123456789012:thing/T";
    let identity = "eu-west-1:b4e6a2f0-1111-2222-3333-444455556666";
    let no_group = "404 ResourceNotFoundException: Cannot find requested thing group for \
                    accountId: 123456789012 and thing group name: G";
    let no_certificate =
        "404 ResourceNotFoundException: The certificate given in the principal does not exist.";
    let other_account = "403 AccessDeniedException: Cross account not allowed. Please check the \
                         account of the resource specified.";
    let invalid = "400 InvalidRequestException: Invalid Target";
    let other_kind = format!("{invalid}: {thing}");
    let table = [
        ("P", arn.as_str(), "200", "200"),
        ("P", arn.as_str(), "200", "200"),
        ("Q", arn.as_str(), "404 ResourceNotFoundException: Policy not found", "200"),
        ("P", unknown.as_str(), no_certificate, "200"),
        ("P", group, no_group, "200"),
        ("P", thing, other_kind.as_str(), other_kind.as_str()),
        ("P", "arn:aws:iot:eu-west-1:210987654321:cert/0", other_account, other_account),
        ("P", "arn:aws:iot:us-east-1:123456789012:cert/0", invalid, invalid),
        ("P", "arn:aws:s3:eu-west-1:123456789012:cert/0", invalid, invalid),
        ("P", "arn:", invalid, invalid),
        ("P", "lamp", invalid, invalid),
        ("P", identity, "200", "200"),
    ];
    for (policy, target, attached, detached) in table {
        let json = json!({ "policyName": policy, "target": target });
        let attach = registry.attach_policy(input(json.clone()));
        assert_eq!(outcome(&attach), attached, "attach {policy} {target}");
        let detach = registry.detach_policy(input(json.clone()));
        assert_eq!(outcome(&detach), detached, "detach {policy} {target}");
        let again = registry.detach_policy(input(json));
        assert_eq!(outcome(&again), detached, "what is not attached counts as detached");
    }
}

#[test]
fn pc_12_and_13_the_lists_and_the_older_operations() {
    let (mut registry, id, arn) = with_certificate("ACTIVE");
    for name in ["B", "A"] {
        create_policy(&mut registry, name);
        let json = json!({ "policyName": name, "principal": arn });
        registry.attach_principal_policy(input(json)).unwrap();
    }
    let names = |page: &Value| -> Vec<String> {
        let policies = page["policies"].as_array().unwrap();
        policies.iter().map(|it| it["policyName"].as_str().unwrap().to_owned()).collect()
    };
    let target = json!({ "target": arn });
    let attached = output(registry.list_attached_policies(input(target)).unwrap());
    assert_eq!(names(&attached), ["B", "A"], "in the order of attachment");
    let first = json!({ "principal": arn, "pageSize": 1, "ascendingOrder": true });
    let first = output(registry.list_principal_policies(input(first)).unwrap());
    assert_eq!(names(&first), ["B"]);
    let second = json!({
        "principal": arn, "pageSize": 1, "ascendingOrder": true, "marker": first["nextMarker"]
    });
    let second = output(registry.list_principal_policies(input(second)).unwrap());
    assert_eq!((names(&second), second.get("nextMarker")), (vec!["A".to_owned()], None));

    let json = json!({ "policyName": "A" });
    let targets = registry.list_targets_for_policy(input(json.clone())).unwrap().targets;
    let principals = registry.list_policy_principals(input(json)).unwrap().principals;
    assert_eq!((&targets, &principals), (&vec![arn.clone()], &vec![arn.clone()]));
    let missing = registry.list_targets_for_policy(input(json!({ "policyName": "Q" })));
    assert_eq!(outcome(&missing), "404 ResourceNotFoundException: Policy not found");
    let all = output(registry.list_policies(ListPoliciesRequest::default()).unwrap());
    assert_eq!(names(&all), ["A", "B"], "newest first");

    let key: CertificateId = id.parse().unwrap();
    let in_force: Vec<String> = registry
        .policies_in_force(key, None)
        .iter()
        .map(|policy| format!("{} v{} {}", policy.name, policy.version_id, policy.attached_to))
        .collect();
    assert_eq!(in_force, ["A v1 the certificate", "B v1 the certificate"]);

    let group = "arn:aws:iot:eu-west-1:123456789012:thinggroup/G";
    let table = [
        ("A", arn.as_str(), "200"),
        ("A", arn.as_str(), "200"),
        ("Q", arn.as_str(), "404 ResourceNotFoundException: Policy not found"),
        ("A", group, "400 InvalidRequestException: The given ARN does not represent a cert"),
    ];
    for (policy, principal, expected) in table {
        let json = json!({ "policyName": policy, "principal": principal });
        assert_eq!(outcome(&registry.detach_principal_policy(input(json))), expected);
    }
    assert_eq!(registry.policies_in_force(key, None).len(), 1);
}

#[test]
fn pol_4_ten_policies_to_a_certificate_and_every_change_counts() {
    let (mut registry, _, arn) = with_certificate("ACTIVE");
    for number in 1..=11 {
        create_policy(&mut registry, &format!("P{number}"));
        let before = registry.policy_revision();
        let json = json!({ "policyName": format!("P{number}"), "target": arn });
        let attached = registry.attach_policy(input(json));
        if number <= 10 {
            assert_eq!(outcome(&attached), "200");
            assert!(registry.policy_revision() > before);
        } else {
            assert!(outcome(&attached).starts_with("410 LimitExceededException"));
            assert_eq!(registry.policy_revision(), before);
        }
    }
}

#[test]
fn pc_9_a_policy_can_go_as_soon_as_it_is_detached() {
    let (mut registry, _id, arn) = with_certificate("ACTIVE");
    create_policy(&mut registry, "P");
    let pair = json!({ "policyName": "P", "target": arn });
    registry.attach_policy(input(pair.clone())).unwrap();
    registry.detach_policy(input(pair)).unwrap();
    let deleted = registry.delete_policy(input(json!({ "policyName": "P" })));
    assert_eq!(outcome(&deleted), "200");
}

#[test]
fn whom_a_change_concerns_is_known_until_there_were_too_many() {
    let (mut registry, id, arn) = with_certificate("ACTIVE");
    let principal = Target::Certificate(id.parse().unwrap());
    create_policy(&mut registry, "P");
    let thing = |more: Value| {
        let mut json = json!({ "thingName": "T" });
        json.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        json
    };
    registry.create_thing(input(thing(json!({}))), NOW).unwrap();
    type Change<'a> = (&'a str, Box<dyn Fn(&mut Registry) + 'a>, Option<bool>);
    let attach = json!({ "policyName": "P", "target": arn });
    let attributes = json!({ "attributePayload": { "attributes": { "a": "b" } } });
    let status = json!({ "certificateId": id, "newStatus": "INACTIVE" });
    // Whether it concerns the certificate alone, nobody, or may concern everybody.
    let changes: [Change<'_>; 7] = [
        ("nothing", Box::new(|_| {}), Some(false)),
        (
            "a thing of nobody",
            Box::new(|it| it.update_thing(input(thing(attributes.clone())), NOW).unwrap()),
            Some(false),
        ),
        ("a policy", Box::new(|it| it.attach_policy(input(attach.clone())).unwrap()), Some(true)),
        (
            "a thing",
            Box::new(|it| {
                let attached = thing(json!({ "principal": arn }));
                it.attach_thing_principal(input(attached)).unwrap();
            }),
            Some(true),
        ),
        (
            "the thing's attributes",
            Box::new(|it| it.update_thing(input(thing(attributes.clone())), NOW).unwrap()),
            Some(true),
        ),
        (
            "a version",
            Box::new(|it| {
                add_version(it, true).unwrap();
            }),
            None,
        ),
        (
            "its status",
            Box::new(|it| it.update_certificate(input(status.clone()), NOW).unwrap()),
            Some(true),
        ),
    ];
    for (name, change, expected) in changes {
        let before = registry.policy_revision();
        change(&mut registry);
        let found = registry.concerned_since(before);
        let alone = expected.map(|one| one.then_some(&principal).into_iter().collect());
        assert_eq!(found, alone, "{name}");
    }
    let before = registry.policy_revision();
    for number in 0..=64 {
        assert_eq!(registry.concerned_since(before).map(|all| all.len()), Some(number));
        let other = Identity::self_signed(&format!("other {number}"));
        register_without_ca(&mut registry, &other, "ACTIVE");
    }
    assert_eq!(registry.concerned_since(before), None);
}
