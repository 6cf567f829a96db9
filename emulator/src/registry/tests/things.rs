//! Things and their principals, POL-35 … POL-39; their types and billing groups are beside it.

use super::*;

fn create(registry: &mut Registry, json: Value) -> Result<CreateThingResponse, ApiError> {
    asked("CreateThing", &json, |input| registry.create_thing(input, NOW))
}

#[test]
fn things_are_made_once_and_described_as_aws_describes_them() {
    let mut registry = registry();
    let json = json!({ "thingName": "lamp", "attributePayload": { "attributes": { "a": "1" } } });
    let made = create(&mut registry, json.clone()).unwrap();
    let arn = "arn:aws:iot:eu-west-1:123456789012:thing/lamp";
    assert_eq!(made.thing_arn.as_str(), arn);
    assert_eq!(create(&mut registry, json), Ok(made.clone()), "the same configuration succeeds");
    let other = create(&mut registry, json!({ "thingName": "lamp" })).unwrap_err();
    assert_eq!(other.code(), ErrorCode::ResourceAlreadyExistsException);
    assert_eq!(other.body()["resourceArn"], arn);
    let described = registry.describe_thing(input(json!({ "thingName": "lamp" }))).unwrap();
    assert_eq!(
        output(described),
        json!({
            "defaultClientId": "lamp", "thingName": "lamp", "thingId": made.thing_id,
            "thingArn": arn, "attributes": { "a": "1" }, "version": 1,
        })
    );
    assert_eq!(uuid::Uuid::parse_str(&made.thing_id).unwrap().get_version_num(), 4);
}

#[test]
fn what_a_thing_cannot_be() {
    let four = json!({ "a": "1", "b": "2", "c": "3", "d": "4" });
    let table = [
        (json!({ "thingName": "a b" }), "400 InvalidRequestException: 1 validation error detected"),
        (
            json!({ "thingName": "a", "thingTypeName": "Lamp" }),
            "404 ResourceNotFoundException: Thing Type 123456789012:Lamp not found.",
        ),
        (
            json!({ "thingName": "a", "billingGroupName": "B" }),
            "404 ResourceNotFoundException: BillingGroup 123456789012:B not found.",
        ),
        (
            json!({ "thingName": "a", "attributePayload": { "attributes": { "a": "b c" } } }),
            "400 InvalidRequestException: 1 validation error detected: Value at \
             'attributePayload.attributes' failed to satisfy constraint: Map value must",
        ),
        (
            json!({ "thingName": "a", "attributePayload": { "attributes": four } }),
            "400 InvalidRequestException: A thing without a thing type",
        ),
    ];
    for (json, expected) in table {
        let refused = outcome(&create(&mut registry(), json));
        assert!(refused.starts_with(expected), "{refused}");
    }
}

#[test]
fn a_thing_is_updated_and_its_version_counts() {
    let mut registry = registry();
    let attributes = json!({ "attributes": { "a": "1", "b": "2" } });
    create(&mut registry, json!({ "thingName": "lamp", "attributePayload": attributes })).unwrap();
    let update = |registry: &mut Registry, mut json: Value| {
        json["thingName"] = json!("lamp");
        let updated = outcome(&registry.update_thing(input(json), NOW));
        let described = registry.describe_thing(input(json!({ "thingName": "lamp" }))).unwrap();
        (updated, output(described.attributes), described.version)
    };
    let merge = json!({ "merge": true, "attributes": { "b": "", "c": "3" } });
    assert_eq!(
        update(&mut registry, json!({ "attributePayload": merge, "expectedVersion": 1 })),
        ("200".to_owned(), json!({ "a": "1", "c": "3" }), 2)
    );
    let replace = json!({ "attributePayload": { "attributes": { "d": "4" } } });
    assert_eq!(update(&mut registry, replace), ("200".to_owned(), json!({ "d": "4" }), 3));
    let conflict = "409 VersionConflictException: The version for thing lamp does not match the \
                    expected version.";
    assert_eq!(update(&mut registry, json!({ "expectedVersion": 1 })).0, conflict);
    let missing = registry.update_thing(input(json!({ "thingName": "nobody" })), NOW);
    assert_eq!(
        outcome(&missing),
        "404 ResourceNotFoundException: Thing 123456789012:nobody not found."
    );
    let stale =
        registry.delete_thing(input(json!({ "thingName": "lamp", "expectedVersion": 1 })), NOW);
    assert_eq!(outcome(&stale), conflict);
}

#[test]
fn things_are_listed_and_selected() {
    let mut registry = registry();
    for (name, site) in [("b", "Berlin"), ("a", "Bern"), ("c", "Rome")] {
        let attributes = json!({ "attributes": { "site": site } });
        create(&mut registry, json!({ "thingName": name, "attributePayload": attributes }))
            .unwrap();
    }
    let list = |json: Value| {
        let page = registry.list_things(input(json)).unwrap();
        let names = page.things.iter().map(|thing| thing.thing_name.to_string());
        (names.collect::<Vec<_>>(), page.next_token)
    };
    let (first, token) = list(json!({ "maxResults": 2 }));
    assert_eq!(first, ["b", "a"]);
    assert_eq!(list(json!({ "maxResults": 2, "nextToken": token })), (vec!["c".to_owned()], None));
    let by = |value: &str, prefix: bool| {
        list(json!({
            "attributeName": "site", "attributeValue": value, "usePrefixAttributeValue": prefix
        }))
        .0
    };
    assert_eq!(by("Rome", false), ["c"]);
    assert_eq!(by("Ber", true), ["b", "a"]);
    assert_eq!(by("Ber", false), [""; 0]);
    assert_eq!(list(json!({ "thingTypeName": "Lamp" })).0, [""; 0]);
    let foreign = registry.list_things(input(json!({ "nextToken": "?" })));
    assert_eq!(outcome(&foreign), "400 InvalidRequestException: Invalid nextToken");
}

#[test]
fn pol_35_38_and_39_principals_and_exclusive_things() {
    let (mut registry, _, arn) = with_certificate("ACTIVE");
    for name in ["a", "b"] {
        create(&mut registry, json!({ "thingName": name })).unwrap();
    }
    let unknown = format!("arn:aws:iot:eu-west-1:123456789012:cert/{}", "0".repeat(64));
    let identity = "eu-west-1:b4e6a2f0-1111-2222-3333-444455556666";
    let (exclusive, plain) = (Some("EXCLUSIVE_THING"), None);
    let no_principal = format!(
        "404 ResourceNotFoundException: Can't attach the principal {unknown} to thing a because \
         the principal does not exist in your account"
    );
    let no_thing = format!(
        "404 ResourceNotFoundException: Failed to attach the principal {arn} to thing z because \
         the thing does not exist in your account"
    );
    let refused = |thing: &str, principal: &str, why: &str| {
        format!(
            "400 InvalidRequestException: Can't attach the principal {principal} to thing {thing} \
             because {why}"
        )
    };
    let ok = || "200".to_owned();
    let other_things = "it is attached to other things";
    let other_exclusive = "it is attached to another thing exclusively";
    let not_x509 = "only X.509 certificates can be attached exclusively";
    let table = [
        ("a", unknown.as_str(), plain, no_principal),
        ("z", arn.as_str(), plain, no_thing),
        ("a", arn.as_str(), exclusive, ok()),
        ("a", arn.as_str(), exclusive, ok()),
        ("b", arn.as_str(), plain, refused("b", &arn, other_exclusive)),
        ("a", arn.as_str(), plain, ok()),
        ("b", arn.as_str(), plain, ok()),
        ("b", arn.as_str(), exclusive, refused("b", &arn, other_things)),
        ("a", identity, exclusive, refused("a", identity, not_x509)),
        ("a", identity, plain, ok()),
    ];
    for (thing, principal, kind, expected) in table {
        let json =
            json!({ "thingName": thing, "principal": principal, "thingPrincipalType": kind });
        let attached = registry.attach_thing_principal(input(json));
        assert_eq!(outcome(&attached), expected, "{thing} {principal} {kind:?}");
    }
}

#[test]
fn pol_39_principals_are_listed_detached_and_hold_their_things() {
    let (mut registry, _, arn) = with_certificate("ACTIVE");
    let identity = "eu-west-1:b4e6a2f0-1111-2222-3333-444455556666";
    for name in ["a", "b"] {
        create(&mut registry, json!({ "thingName": name })).unwrap();
        let pair = json!({ "thingName": name, "principal": arn });
        registry.attach_thing_principal(input(pair)).unwrap();
    }
    let pair = json!({ "thingName": "a", "principal": identity });
    registry.attach_thing_principal(input(pair)).unwrap();

    let v2 = output(registry.list_thing_principals_v2(input(json!({ "thingName": "a" }))).unwrap());
    let non_exclusive = "NON_EXCLUSIVE_THING";
    assert_eq!(
        v2,
        json!({ "thingPrincipalObjects": [
            { "principal": arn, "thingPrincipalType": non_exclusive },
            { "principal": identity, "thingPrincipalType": non_exclusive },
        ] })
    );
    let principals = registry.list_thing_principals(input(json!({ "thingName": "b" }))).unwrap();
    assert_eq!(principals.principals, std::slice::from_ref(&arn));
    let things = registry.list_principal_things(input(json!({ "principal": arn }))).unwrap();
    assert_eq!(output(things)["things"], json!(["a", "b"]));
    let json = json!({ "principal": arn, "thingPrincipalType": "EXCLUSIVE_THING" });
    let exclusive = registry.list_principal_things_v2(input(json)).unwrap();
    assert_eq!(exclusive.principal_thing_objects, []);

    let held = registry.delete_thing(input(json!({ "thingName": "b" })), NOW);
    assert_eq!(
        outcome(&held),
        "400 InvalidRequestException: Cannot delete. Thing b is still attached to one or more \
         principals"
    );
    let pair = json!({ "thingName": "b", "principal": arn });
    assert_eq!(outcome(&registry.detach_thing_principal(input(pair))), "200");
    assert_eq!(outcome(&registry.delete_thing(input(json!({ "thingName": "b" })), NOW)), "200");
    let gone = registry.delete_thing(input(json!({ "thingName": "b" })), NOW);
    assert_eq!(outcome(&gone), "200", "deleting what does not exist succeeds");
    let pair = json!({ "thingName": "b", "principal": arn });
    let missing = outcome(&registry.detach_thing_principal(input(pair)));
    assert!(missing.starts_with("404 ResourceNotFoundException"), "{missing}");
}

#[test]
fn pol_36_the_thing_that_a_connection_is() {
    let table = [
        ("by name", Some("NON_EXCLUSIVE_THING"), "lamp", Some("lamp"), None),
        ("another client ID", Some("NON_EXCLUSIVE_THING"), "other", None, None),
        ("case matters", Some("NON_EXCLUSIVE_THING"), "Lamp", None, None),
        ("exclusive, any client ID", Some("EXCLUSIVE_THING"), "other", Some("lamp"), Some("lamp")),
        ("POL-48: not attached", None, "lamp", None, None),
    ];
    for (row, kind, client_id, thing, exclusive) in table {
        let (mut registry, id, arn) = with_certificate("ACTIVE");
        create(&mut registry, json!({ "thingName": "lamp" })).unwrap();
        if let Some(kind) = kind {
            let json = json!({ "thingName": "lamp", "principal": arn, "thingPrincipalType": kind });
            registry.attach_thing_principal(input(json)).unwrap();
        }
        let id: CertificateId = id.parse().unwrap();
        let associated = registry.associated_thing(id, &ClientId::new(client_id));
        assert_eq!(associated, thing.map(ThingName::new), "{row}");
        assert_eq!(registry.exclusive_thing(id).map(ThingName::as_str), exclusive, "{row}");
    }
}
