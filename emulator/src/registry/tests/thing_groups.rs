//! Static thing groups, their things, and the policies that things have from them.

use super::*;

const FRONT: &str = "arn:aws:iot:eu-west-1:123456789012:";

fn create(registry: &mut Registry, json: Value) -> Result<CreateThingGroupResponse, ApiError> {
    asked("CreateThingGroup", &json, |input| registry.create_thing_group(input, NOW))
}

/// Makes `name` below `parent`.
fn group(registry: &mut Registry, name: &str, parent: Option<&str>) {
    let json = json!({ "thingGroupName": name, "parentGroupName": parent });
    create(registry, json).expect("a good group");
}

fn thing(registry: &mut Registry, name: &str) {
    registry.create_thing(input(json!({ "thingName": name })), NOW).expect("a good thing");
}

fn add(registry: &mut Registry, thing: &str, group: &str) -> String {
    let json = json!({ "thingName": thing, "thingGroupName": group });
    outcome(&asked("AddThingToThingGroup", &json, |it| registry.add_thing_to_thing_group(it, NOW)))
}

fn remove(registry: &mut Registry, thing: &str, group: &str) -> String {
    let json = json!({ "thingName": thing, "thingGroupName": group });
    let removed = asked("RemoveThingFromThingGroup", &json, |input| {
        registry.remove_thing_from_thing_group(input, NOW)
    });
    outcome(&removed)
}

fn attach(registry: &mut Registry, policy: &str, group: &str) -> String {
    let target = format!("{FRONT}thinggroup/{group}");
    outcome(&registry.attach_policy(input(json!({ "policyName": policy, "target": target }))))
}

fn describe(registry: &Registry, name: &str) -> Result<Value, ApiError> {
    registry.describe_thing_group(input(json!({ "thingGroupName": name }))).map(output)
}

fn delete(registry: &mut Registry, json: &Value) -> String {
    outcome(&asked("DeleteThingGroup", json, |input| registry.delete_thing_group(input, NOW)))
}

/// The names of a page of groups, and its token.
fn names(page: ThingGroupsPage) -> (Vec<String>, Option<String>) {
    let names = page.thing_groups.into_iter().map(|group| group.group_name.to_string());
    (names.collect(), page.next_token)
}

fn groups_of(registry: &Registry, thing: &str) -> Vec<String> {
    let json = json!({ "thingName": thing });
    names(registry.list_thing_groups_for_thing(input(json)).expect("a thing")).0
}

fn things_in(registry: &Registry, json: Value) -> (Vec<String>, Option<String>) {
    let page = registry.list_things_in_thing_group(input(json)).expect("a group");
    (page.things.iter().map(ToString::to_string).collect(), page.next_token)
}

/// `Site` above `Hall` above `Row`; `Fleet` beside them.
fn hierarchy() -> Registry {
    let mut registry = registry();
    for (name, parent) in
        [("Site", None), ("Hall", Some("Site")), ("Row", Some("Hall")), ("Fleet", None)]
    {
        group(&mut registry, name, parent);
    }
    registry
}

#[test]
fn groups_are_described_as_aws_describes_them() {
    let mut registry = hierarchy();
    let made = create(
        &mut registry,
        json!({
            "thingGroupName": "Lamps", "parentGroupName": "Hall",
            "tags": [{ "Key": "k", "Value": "v" }],
            "thingGroupProperties": {
                "thingGroupDescription": "All lamps",
                "attributePayload": { "attributes": { "watts": "60", "none": "" } },
            },
        }),
    );
    let made = made.unwrap();
    assert_eq!(made.thing_group_arn.as_str(), format!("{FRONT}thinggroup/Lamps"));
    assert_eq!(uuid::Uuid::parse_str(&made.thing_group_id).unwrap().get_version_num(), 4);
    let above =
        |name: &str| json!({ "groupName": name, "groupArn": format!("{FRONT}thinggroup/{name}") });
    assert_eq!(
        describe(&registry, "Lamps").unwrap(),
        json!({
            "thingGroupName": "Lamps", "thingGroupId": made.thing_group_id,
            "thingGroupArn": made.thing_group_arn, "version": 1,
            "thingGroupProperties": {
                "thingGroupDescription": "All lamps",
                "attributePayload": { "attributes": { "watts": "60" } },
            },
            "thingGroupMetadata": {
                "parentGroupName": "Hall",
                "rootToParentThingGroups": [above("Site"), above("Hall")],
                "creationDate": 1_800_000_000.053,
            },
        })
    );
    let root = describe(&registry, "Site").unwrap();
    assert_eq!(root["thingGroupProperties"], json!({}));
    assert_eq!(root["thingGroupMetadata"], json!({ "creationDate": 1_800_000_000.053 }));
    let missing = outcome(&describe(&registry, "No"));
    assert_eq!(missing, "404 ResourceNotFoundException: ThingGroup 123456789012:No not found.");
}

#[test]
fn a_group_is_made_once_and_can_be_asked_for_again() {
    let mut registry = hierarchy();
    let json = json!({
        "thingGroupName": "G", "thingGroupProperties": { "thingGroupDescription": "example" },
    });
    let made = create(&mut registry, json.clone()).unwrap();
    assert_eq!(create(&mut registry, json.clone()), Ok(made.clone()));
    let other = |member: &str, value: Value| {
        let mut json = json.clone();
        json[member] = value;
        json
    };
    for json in [
        other("thingGroupProperties", json!({})),
        other("thingGroupProperties", json!({ "thingGroupDescription": "another one" })),
        other("parentGroupName", json!("Site")),
    ] {
        let refused = create(&mut registry, json).unwrap_err();
        assert_eq!(refused.code(), ErrorCode::ResourceAlreadyExistsException);
        let text = "Thing Group G already exists in current account with different properties";
        assert_eq!(refused.message(), text);
        assert_eq!(refused.body()["resourceArn"], made.thing_group_arn.as_str());
    }
}

#[test]
fn what_a_group_cannot_be() {
    let mut registry = registry();
    let invalid = "400 InvalidRequestException:";
    let attributes = |count: u32| -> Value {
        (0..count).map(|number| (format!("a{number}"), json!("1"))).collect::<Value>()
    };
    let with_attributes = |count: u32| {
        let payload = json!({ "attributes": attributes(count) });
        json!({ "thingGroupName": "A", "thingGroupProperties": { "attributePayload": payload } })
    };
    let table = [
        (json!({ "thingGroupName": "a b" }), format!("{invalid} 1 validation error detected")),
        (
            json!({ "thingGroupName": "A", "parentGroupName": "No" }),
            "404 ResourceNotFoundException: ThingGroup 123456789012:No not found.".to_owned(),
        ),
        (with_attributes(51), format!("{invalid} A thing group can have up to 50 attributes")),
        (with_attributes(50), "200".to_owned()),
    ];
    for (json, expected) in table {
        let refused = outcome(&create(&mut registry, json));
        assert!(refused.starts_with(&expected), "{refused}");
    }
    group(&mut registry, "L1", None);
    for level in 2..=7 {
        group(&mut registry, &format!("L{level}"), Some(&format!("L{}", level - 1)));
    }
    let deep = create(&mut registry, json!({ "thingGroupName": "L8", "parentGroupName": "L7" }));
    assert_eq!(
        outcome(&deep),
        format!("{invalid} A thing group hierarchy can have up to 7 levels")
    );
    for number in 2..=100 {
        group(&mut registry, &format!("C{number}"), Some("L1"));
    }
    let wide = create(&mut registry, json!({ "thingGroupName": "W", "parentGroupName": "L1" }));
    let text = format!("{invalid} A thing group can have up to 100 direct child groups");
    assert_eq!(outcome(&wide), text);
}

#[test]
fn a_group_is_updated_and_its_version_counts() {
    let mut registry = registry();
    let attributes = json!({ "attributes": { "a": "1", "b": "2" } });
    let properties = json!({ "thingGroupDescription": "old", "attributePayload": attributes });
    create(&mut registry, json!({ "thingGroupName": "G", "thingGroupProperties": properties }))
        .unwrap();
    let conflict = "409 VersionConflictException: The version for thing G does not match the expected version.";
    let merge = json!({ "merge": true, "attributes": { "b": "", "c": "3" } });
    let replace = json!({ "attributes": { "d": "4" } });
    let table = [
        (
            json!({ "attributePayload": merge }),
            Some(1),
            "200",
            "old",
            json!({ "a": "1", "c": "3" }),
        ),
        (json!({}), Some(1), conflict, "old", json!({ "a": "1", "c": "3" })),
        (json!({ "attributePayload": replace }), Some(2), "200", "old", json!({ "d": "4" })),
        (json!({ "thingGroupDescription": "new" }), None, "200", "new", json!({ "d": "4" })),
    ];
    for (properties, version, expected, description, attributes) in table {
        let json = json!({
            "thingGroupName": "G", "thingGroupProperties": properties, "expectedVersion": version
        });
        let updated = asked("UpdateThingGroup", &json, |it| registry.update_thing_group(it, NOW));
        assert_eq!(outcome(&updated), expected, "{json}");
        let described = describe(&registry, "G").unwrap();
        let properties = &described["thingGroupProperties"];
        assert_eq!(properties["thingGroupDescription"], description);
        assert_eq!(properties["attributePayload"]["attributes"], attributes);
        if let Ok(updated) = updated {
            assert_eq!(described["version"], updated.version);
        }
    }
    let json = json!({ "thingGroupName": "No", "thingGroupProperties": {} });
    assert!(outcome(&registry.update_thing_group(input(json), NOW)).starts_with("404 Resource"));
    let stale = delete(&mut registry, &json!({ "thingGroupName": "G", "expectedVersion": 1 }));
    assert_eq!(stale, conflict);
}

#[test]
fn groups_are_listed_by_parent_and_prefix() {
    let registry = hierarchy();
    let list = |json: Value| {
        let page = asked("ListThingGroups", &json, |input| registry.list_thing_groups(input));
        page.map(names)
    };
    let table = [
        (json!({}), vec!["Site", "Hall", "Row", "Fleet"]),
        (json!({ "recursive": true }), vec!["Site", "Hall", "Row", "Fleet"]),
        (json!({ "recursive": false }), vec!["Site", "Fleet"]),
        (json!({ "parentGroup": "Site" }), vec!["Hall", "Row"]),
        (json!({ "parentGroup": "Site", "recursive": true }), vec!["Hall", "Row"]),
        (json!({ "parentGroup": "Site", "recursive": false }), vec!["Hall"]),
        (json!({ "parentGroup": "Row" }), vec![]),
        (json!({ "namePrefixFilter": "R" }), vec!["Row"]),
        (json!({ "parentGroup": "Site", "namePrefixFilter": "Ha" }), vec!["Hall"]),
        (json!({ "parentGroup": "Hall", "namePrefixFilter": "Ha" }), vec![]),
    ];
    for (json, expected) in table {
        let expected = expected.into_iter().map(str::to_owned).collect();
        assert_eq!(list(json.clone()), Ok((expected, None)), "{json}");
    }
    let (first, token) = list(json!({ "maxResults": 3 })).unwrap();
    assert_eq!(first, ["Site", "Hall", "Row"]);
    let rest = list(json!({ "maxResults": 3, "nextToken": token }));
    assert_eq!(rest, Ok((vec!["Fleet".to_owned()], None)));
    assert!(outcome(&list(json!({ "parentGroup": "No" }))).starts_with("404 Resource"));
}

#[test]
fn a_group_with_children_stays_and_one_with_things_and_policies_goes() {
    let mut registry = hierarchy();
    create_policy(&mut registry, "P");
    thing(&mut registry, "lamp");
    assert_eq!(add(&mut registry, "lamp", "Row"), "200");
    assert_eq!(attach(&mut registry, "P", "Row"), "200");
    let hall = json!({ "thingGroupName": "Hall" });
    assert_eq!(
        delete(&mut registry, &hall),
        "400 InvalidRequestException: Cannot delete thing group : Hall when there are still child \
         groups attached to it"
    );
    let held = registry.delete_policy(input(json!({ "policyName": "P" })));
    assert!(outcome(&held).starts_with("409 DeleteConflictException"));

    let before = registry.policy_revision();
    let row = json!({ "thingGroupName": "Row" });
    assert_eq!(delete(&mut registry, &row), "200");
    assert!(registry.policy_revision() > before);
    assert_eq!(delete(&mut registry, &row), "200", "deleting what does not exist succeeds");
    assert_eq!(registry.groups_of_thing("lamp").count(), 0);
    assert_eq!(outcome(&registry.delete_policy(input(json!({ "policyName": "P" })))), "200");
    assert_eq!(delete(&mut registry, &hall), "200", "its child is gone");
}

#[test]
fn a_thing_is_in_one_group_of_a_hierarchy_and_in_ten_at_most() {
    let mut registry = hierarchy();
    thing(&mut registry, "lamp");
    let invalid = "400 InvalidRequestException: Cannot add thing lamp to thing group";
    assert_eq!(add(&mut registry, "lamp", "Row"), "200");
    assert_eq!(add(&mut registry, "lamp", "Row"), "200", "it is in it already");
    for group in ["Site", "Hall"] {
        let text = format!("{invalid} {group}: it is in thing group Row of the same hierarchy");
        assert_eq!(add(&mut registry, "lamp", group), text);
    }
    for number in 2..=10 {
        let name = format!("G{number}");
        group(&mut registry, &name, None);
        assert_eq!(add(&mut registry, "lamp", &name), "200");
    }
    let full = format!("{invalid} Fleet: it is in 10 thing groups");
    assert_eq!(add(&mut registry, "lamp", "Fleet"), full);
    assert_eq!(remove(&mut registry, "lamp", "G2"), "200");
    assert_eq!(remove(&mut registry, "lamp", "G2"), "200", "it is not in it any more");
    assert_eq!(add(&mut registry, "lamp", "Fleet"), "200");
}

#[test]
fn a_thing_and_a_group_are_named_by_name_or_by_arn() {
    let mut registry = hierarchy();
    thing(&mut registry, "lamp");
    let (lamp, row) = (format!("{FRONT}thing/lamp"), format!("{FRONT}thinggroup/Row"));
    let invalid = "400 InvalidRequestException:";
    let table = [
        (json!({ "thingArn": lamp, "thingGroupArn": row }), "200".to_owned()),
        (
            json!({ "thingName": "lamp", "thingArn": lamp, "thingGroupName": "Row",
                "thingGroupArn": row, "overrideDynamicGroups": true }),
            "200".to_owned(),
        ),
        (
            json!({ "thingName": "lamp" }),
            format!(
                "{invalid} Both thingGroupArn and thingGroupName are empty. Need to specify at \
                 least one of them"
            ),
        ),
        (
            json!({ "thingGroupName": "Row" }),
            format!(
                "{invalid} Both thingArn and thingName are empty. Need to specify at least one of \
                 them"
            ),
        ),
        (
            json!({ "thingName": "lamp", "thingGroupName": "Hall", "thingGroupArn": row }),
            format!(
                "{invalid} ThingGroupName thingGroupArn does not match specified thingGroupName in \
                 request"
            ),
        ),
        (
            json!({ "thingName": "other", "thingArn": lamp, "thingGroupName": "Row" }),
            format!("{invalid} ThingName thingArn does not match specified thingName in request"),
        ),
        (
            json!({ "thingArn": row, "thingGroupName": "Row" }),
            format!("{invalid} Invalid thingArn"),
        ),
        (
            json!({ "thingName": "no", "thingGroupName": "Row" }),
            "404 ResourceNotFoundException: Thing 123456789012:no not found.".to_owned(),
        ),
        (
            json!({ "thingName": "lamp", "thingGroupArn": format!("{FRONT}thinggroup/No") }),
            "404 ResourceNotFoundException: ThingGroup 123456789012:No not found.".to_owned(),
        ),
    ];
    for (json, expected) in table {
        let added =
            asked("AddThingToThingGroup", &json, |it| registry.add_thing_to_thing_group(it, NOW));
        assert_eq!(outcome(&added), expected, "{json}");
        let mut json = json;
        json.as_object_mut().unwrap().remove("overrideDynamicGroups");
        let removed = asked("RemoveThingFromThingGroup", &json, |input| {
            registry.remove_thing_from_thing_group(input, NOW)
        });
        assert_eq!(outcome(&removed), expected, "{json}");
    }
}

#[test]
fn the_groups_of_a_thing_change_together_or_not_at_all() {
    let mut registry = hierarchy();
    thing(&mut registry, "lamp");
    assert_eq!(add(&mut registry, "lamp", "Row"), "200");
    let mut update = |add: &[&str], remove: &[&str]| {
        let json = json!({
            "thingName": "lamp", "thingGroupsToAdd": add, "thingGroupsToRemove": remove
        });
        let updated = asked("UpdateThingGroupsForThing", &json, |input| {
            registry.update_thing_groups_for_thing(input, NOW)
        });
        let groups = registry.groups_of_thing("lamp").map(ToString::to_string);
        (outcome(&updated), groups.collect::<Vec<_>>().join(" "))
    };
    let missing = "404 ResourceNotFoundException: ThingGroup 123456789012:No not found.";
    let twice = "400 InvalidRequestException: Cannot add thing lamp to thing group Hall: it is in \
                 thing group Row of the same hierarchy";
    let both = "400 InvalidRequestException: Cannot add thing lamp to thing group Site: it is in \
                thing group Hall of the same hierarchy";
    assert_eq!(update(&["Fleet", "No"], &["Row"]), (missing.to_owned(), "Row".to_owned()));
    assert_eq!(update(&["Fleet", "Hall"], &[]), (twice.to_owned(), "Row".to_owned()));
    assert_eq!(update(&["Hall", "Site"], &["Row"]), (both.to_owned(), "Row".to_owned()));
    assert_eq!(update(&["Fleet", "Hall"], &["Row"]), ("200".to_owned(), "Fleet Hall".to_owned()));
    assert_eq!(update(&["Hall"], &["Hall", "Fleet"]), ("200".to_owned(), "Hall".to_owned()));
    assert_eq!(update(&[], &[]), ("200".to_owned(), "Hall".to_owned()));
    let nobody = registry.update_thing_groups_for_thing(input(json!({})), NOW);
    assert!(outcome(&nobody).starts_with("400 InvalidRequestException: thingName"));
}

#[test]
fn things_and_groups_find_each_other() {
    let mut registry = hierarchy();
    for (name, group) in [("a", "Row"), ("b", "Hall"), ("c", "Row"), ("d", "Site")] {
        thing(&mut registry, name);
        assert_eq!(add(&mut registry, name, group), "200");
    }
    assert_eq!(add(&mut registry, "a", "Fleet"), "200");
    assert_eq!(groups_of(&registry, "a"), ["Site", "Hall", "Row", "Fleet"]);
    assert_eq!(groups_of(&registry, "d"), ["Site"]);
    let direct = registry.groups_of_thing("a").map(ThingGroupName::as_str);
    assert_eq!(direct.collect::<Vec<_>>(), ["Row", "Fleet"]);

    let (direct, _) = things_in(&registry, json!({ "thingGroupName": "Hall" }));
    assert_eq!(direct, ["b"]);
    let mut json = json!({ "thingGroupName": "Site", "recursive": true, "maxResults": 3 });
    let (first, token) = things_in(&registry, json.clone());
    assert_eq!(first, ["a", "b", "c"], "in the order in which they joined");
    json["nextToken"] = json!(token);
    assert_eq!(things_in(&registry, json), (vec!["d".to_owned()], None));

    registry.delete_thing(input(json!({ "thingName": "a" })), NOW).unwrap();
    let (left, _) = things_in(&registry, json!({ "thingGroupName": "Row" }));
    assert_eq!(left, ["c"]);
    thing(&mut registry, "a");
    assert_eq!(groups_of(&registry, "a"), [""; 0], "a new thing of that name is in no group");
}

#[test]
fn pol_4_and_pc_10_to_13_policies_of_groups() {
    let mut registry = hierarchy();
    for name in ["A", "B", "C"] {
        create_policy(&mut registry, name);
    }
    assert_eq!(attach(&mut registry, "B", "Row"), "200");
    assert_eq!(attach(&mut registry, "A", "Row"), "200");
    assert_eq!(attach(&mut registry, "A", "Row"), "200", "it is attached already");
    assert!(attach(&mut registry, "C", "Row").starts_with("410 LimitExceededException"));
    assert_eq!(attach(&mut registry, "C", "Site"), "200");
    assert_eq!(attach(&mut registry, "B", "Site"), "200");
    let row = format!("{FRONT}thinggroup/Row");
    let attached = |json: Value| {
        let page = registry.list_attached_policies(input(json)).unwrap();
        let names = page.policies.iter().map(|policy| policy.policy_name.to_string());
        (names.collect::<Vec<_>>().join(" "), page.next_marker)
    };
    assert_eq!(attached(json!({ "target": row })).0, "B A");
    assert_eq!(attached(json!({ "target": row, "recursive": true })).0, "B A C");
    let (first, marker) = attached(json!({ "target": row, "recursive": true, "pageSize": 2 }));
    assert_eq!(first, "B A");
    let rest = attached(json!({ "target": row, "recursive": true, "marker": marker }));
    assert_eq!(rest, ("C".to_owned(), None));
    let targets = registry.list_targets_for_policy(input(json!({ "policyName": "B" }))).unwrap();
    assert_eq!(targets.targets, [row.clone(), format!("{FRONT}thinggroup/Site")]);

    let not_a_certificate = "400 InvalidRequestException: The given ARN does not represent a cert";
    let older = json!({ "policyName": "A", "principal": row });
    let refused = outcome(&registry.attach_principal_policy(input(older.clone())));
    assert_eq!(refused, not_a_certificate);
    assert_eq!(outcome(&registry.detach_principal_policy(input(older))), not_a_certificate);
    thing(&mut registry, "lamp");
    let principal = json!({ "thingName": "lamp", "principal": row });
    let refused = outcome(&registry.attach_thing_principal(input(principal)));
    assert!(refused.starts_with("404 ResourceNotFoundException"), "{refused}");
    let json = json!({ "policyName": "A", "target": row });
    assert_eq!(outcome(&registry.detach_policy(input(json))), "200");
    assert_eq!(attach(&mut registry, "C", "Row"), "200", "there is room again");
}

/// The thing `lamp`, its certificate, and the hierarchy with a policy at each end.
fn stage() -> (Registry, CertificateId, String) {
    let (mut registry, id, arn) = with_certificate("ACTIVE");
    for (name, parent) in [("Site", None), ("Hall", Some("Site")), ("Row", Some("Hall"))] {
        group(&mut registry, name, parent);
    }
    for name in ["Own", "OfRow", "OfSite"] {
        create_policy(&mut registry, name);
    }
    let json = json!({ "policyName": "Own", "target": arn });
    registry.attach_policy(input(json)).unwrap();
    for (policy, group) in [("OfRow", "Row"), ("OfSite", "Site"), ("Own", "Site")] {
        assert_eq!(attach(&mut registry, policy, group), "200");
    }
    thing(&mut registry, "lamp");
    let json = json!({ "thingName": "lamp", "principal": arn });
    registry.attach_thing_principal(input(json)).unwrap();
    (registry, id.parse().unwrap(), arn)
}

#[test]
fn pol_3_a_thing_has_the_policies_of_its_groups_and_of_all_above_them() {
    let (mut registry, id, _) = stage();
    let in_force = |registry: &Registry, thing: Option<&str>| {
        let policies = registry.policies_in_force(id, thing.map(ThingName::new).as_ref());
        let policies = policies.iter();
        let policies = policies.map(|policy| format!("{}: {}", policy.name, policy.attached_to));
        policies.collect::<Vec<_>>()
    };
    let own = ["Own: the certificate"];
    assert_eq!(in_force(&registry, Some("lamp")), own);
    let before = registry.policy_revision();
    assert_eq!(add(&mut registry, "lamp", "Row"), "200");
    assert!(registry.policy_revision() > before);
    let all = ["OfRow: thing group `Row`", "OfSite: thing group `Site`", "Own: the certificate"];
    assert_eq!(in_force(&registry, Some("lamp")), all);
    assert_eq!(in_force(&registry, None), own, "without a thing there are no groups");

    group(&mut registry, "Bare", None);
    let before = registry.policy_revision();
    assert_eq!(add(&mut registry, "lamp", "Bare"), "200");
    assert_eq!(registry.policy_revision(), before, "a group without policies decides nothing");
    assert_eq!(remove(&mut registry, "lamp", "Row"), "200");
    assert!(registry.policy_revision() > before);
    assert_eq!(in_force(&registry, Some("lamp")), own);
}

#[test]
fn ta_1_and_ta_5_groups_count_in_trials() {
    let (mut registry, _, arn) = stage();
    assert_eq!(add(&mut registry, "lamp", "Row"), "200");
    let effective = |json: Value| {
        let found = registry.get_effective_policies(input(json)).unwrap();
        let names = found.effective_policies.iter().map(|policy| policy.policy_name.to_string());
        names.collect::<Vec<_>>().join(" ")
    };
    let row = format!("{FRONT}thinggroup/Row");
    assert_eq!(effective(json!({ "principal": arn })), "Own");
    assert_eq!(effective(json!({ "thingName": "lamp" })), "OfRow OfSite Own");
    assert_eq!(effective(json!({ "principal": arn, "thingName": "lamp" })), "Own OfRow OfSite");
    assert_eq!(effective(json!({ "principal": row })), "OfRow OfSite Own");

    let allowed = |principal: &str, client_id: &str| {
        let info = json!({ "actionType": "PUBLISH", "resources": [format!("{FRONT}topic/a")] });
        let json = json!({ "principal": principal, "clientId": client_id, "authInfos": [info] });
        let answer = output(registry.test_authorization(input(json), NOW).unwrap());
        let policies = answer["authResults"][0]["allowed"]["policies"].as_array().unwrap().clone();
        let names = policies.iter().map(|it| it["policyName"].as_str().unwrap().to_owned());
        names.collect::<Vec<_>>().join(" ")
    };
    assert_eq!(allowed(&arn, "lamp"), "OfRow OfSite Own");
    assert_eq!(allowed(&arn, "other"), "Own", "another client ID is another thing, or none");
    assert_eq!(allowed(&row, "other"), "OfRow OfSite Own");
}
