//! Billing groups, and the things in them.

use super::*;

const GROUP: &str = "arn:aws:iot:eu-west-1:123456789012:billinggroup/G";

fn call(registry: &mut Registry, operation: &str, json: &Value) -> Value {
    let answered = match operation {
        "CreateBillingGroup" => {
            asked(operation, json, |input| registry.create_billing_group(input, NOW)).map(output)
        }
        "DescribeBillingGroup" => {
            asked(operation, json, |input| registry.describe_billing_group(input)).map(output)
        }
        "UpdateBillingGroup" => {
            asked(operation, json, |input| registry.update_billing_group(input)).map(output)
        }
        "DeleteBillingGroup" => {
            asked(operation, json, |input| registry.delete_billing_group(input)).map(output)
        }
        "ListBillingGroups" => {
            asked(operation, json, |input| registry.list_billing_groups(input)).map(output)
        }
        "AddThingToBillingGroup" => {
            asked(operation, json, |input| registry.add_thing_to_billing_group(input)).map(output)
        }
        "RemoveThingFromBillingGroup" => {
            asked(operation, json, |input| registry.remove_thing_from_billing_group(input))
                .map(output)
        }
        "ListThingsInBillingGroup" => {
            asked(operation, json, |input| registry.list_things_in_billing_group(input)).map(output)
        }
        "CreateThing" => {
            asked(operation, json, |input| registry.create_thing(input, NOW)).map(output)
        }
        "DescribeThing" => {
            asked(operation, json, |input| registry.describe_thing(input)).map(output)
        }
        "DeleteThing" => {
            asked(operation, json, |input| registry.delete_thing(input, NOW)).map(output)
        }
        other => unreachable!("{other}"),
    };
    answered.unwrap_or_else(|error| json!(outcome::<()>(&Err(error))))
}

fn group(name: &str) -> Value {
    json!({ "billingGroupName": name })
}

#[test]
fn a_billing_group_is_made_once_described_and_changed() {
    let mut registry = registry();
    let made = call(&mut registry, "CreateBillingGroup", &group("G"));
    let id = made["billingGroupId"].as_str().unwrap().to_owned();
    assert_eq!(
        made,
        json!({ "billingGroupName": "G", "billingGroupArn": GROUP, "billingGroupId": id })
    );
    assert_eq!(call(&mut registry, "CreateBillingGroup", &group("G")), made);
    let mut json = group("G");
    json["billingGroupProperties"] = json!({ "billingGroupDescription": "d" });
    assert_eq!(
        call(&mut registry, "CreateBillingGroup", &json),
        "409 ResourceAlreadyExistsException: Billing group G already exists."
    );
    assert_eq!(
        call(&mut registry, "DescribeBillingGroup", &group("G")),
        json!({
            "billingGroupName": "G", "billingGroupId": id, "billingGroupArn": GROUP, "version": 1,
            "billingGroupProperties": {},
            "billingGroupMetadata": { "creationDate": 1_800_000_000.053 },
        })
    );
    json["expectedVersion"] = json!(1);
    assert_eq!(call(&mut registry, "UpdateBillingGroup", &json), json!({ "version": 2 }));
    let conflict = "409 VersionConflictException: The version for billing group G does not match \
                    the expected version.";
    assert_eq!(call(&mut registry, "UpdateBillingGroup", &json), conflict);
    let stale = json!({ "billingGroupName": "G", "expectedVersion": 1 });
    assert_eq!(call(&mut registry, "DeleteBillingGroup", &stale), conflict);
    let described = call(&mut registry, "DescribeBillingGroup", &group("G"));
    assert_eq!(described["billingGroupProperties"], json!({ "billingGroupDescription": "d" }));

    let unknown = "404 ResourceNotFoundException: BillingGroup 123456789012:X not found.";
    for operation in ["DescribeBillingGroup", "UpdateBillingGroup", "ListThingsInBillingGroup"] {
        let mut json = group("X");
        if operation == "UpdateBillingGroup" {
            json["billingGroupProperties"] = json!({});
        }
        assert_eq!(call(&mut registry, operation, &json), unknown, "{operation}");
    }
    assert_eq!(call(&mut registry, "DeleteBillingGroup", &group("G")), Value::Null);
    assert_eq!(call(&mut registry, "DeleteBillingGroup", &group("G")), Value::Null);
}

#[test]
fn billing_groups_are_listed_and_selected() {
    let mut registry = registry();
    for name in ["Ab", "B", "Aa"] {
        call(&mut registry, "CreateBillingGroup", &group(name));
    }
    let mut list = |json: Value| {
        let page = call(&mut registry, "ListBillingGroups", &json);
        let groups = page["billingGroups"].as_array().unwrap().iter();
        let names = groups.map(|group| group["groupName"].as_str().unwrap().to_owned());
        (names.collect::<Vec<_>>(), page["nextToken"].clone())
    };
    assert_eq!(
        list(json!({ "namePrefixFilter": "A" })),
        (vec!["Ab".into(), "Aa".into()], json!(null))
    );
    let (first, token) = list(json!({ "maxResults": 2 }));
    assert_eq!(first, ["Ab", "B"]);
    assert_eq!(list(json!({ "nextToken": token })).0, ["Aa"]);
    let page = call(&mut registry, "ListBillingGroups", &json!({ "namePrefixFilter": "B" }));
    let arn = "arn:aws:iot:eu-west-1:123456789012:billinggroup/B";
    assert_eq!(page["billingGroups"], json!([{ "groupName": "B", "groupArn": arn }]));
}

/// Billing groups G and H; thing `a` is in G, thing `b` in none.
fn with_things() -> Registry {
    let mut registry = registry();
    for name in ["G", "H"] {
        call(&mut registry, "CreateBillingGroup", &group(name));
    }
    call(&mut registry, "CreateThing", &json!({ "thingName": "a", "billingGroupName": "G" }));
    call(&mut registry, "CreateThing", &json!({ "thingName": "b" }));
    registry
}

fn pair(thing: &str, group: &str) -> Value {
    json!({ "thingName": thing, "billingGroupName": group })
}

#[test]
fn a_thing_is_in_one_billing_group_and_leaves_it_when_it_goes() {
    let mut registry = with_things();
    let born = json!({ "thingName": "a", "billingGroupName": "G" });
    let made = call(&mut registry, "CreateThing", &born);
    assert_eq!(call(&mut registry, "CreateThing", &born), made);
    assert_eq!(
        call(&mut registry, "CreateThing", &json!({ "thingName": "a" })),
        "409 ResourceAlreadyExistsException: Thing a already exists in account with different \
         attributes"
    );
    let described = call(&mut registry, "DescribeThing", &json!({ "thingName": "a" }));
    assert_eq!(described["billingGroupName"], "G");

    assert_eq!(call(&mut registry, "AddThingToBillingGroup", &pair("b", "G")), Value::Null);
    let listed = |registry: &mut Registry| call(registry, "ListThingsInBillingGroup", &group("G"));
    assert_eq!(listed(&mut registry), json!({ "things": ["a", "b"] }));
    assert_eq!(
        call(&mut registry, "DeleteBillingGroup", &group("G")),
        "400 InvalidRequestException: Cannot delete billing group G. There are still things in it"
    );
    assert_eq!(call(&mut registry, "RemoveThingFromBillingGroup", &pair("b", "G")), Value::Null);
    assert_eq!(call(&mut registry, "DeleteThing", &json!({ "thingName": "a" })), Value::Null);
    assert_eq!(listed(&mut registry), json!({ "things": [] }));
    assert_eq!(call(&mut registry, "DeleteBillingGroup", &group("G")), Value::Null);
}

#[test]
fn what_adding_and_removing_a_thing_answers() {
    let mut registry = with_things();
    let thing_arn = "arn:aws:iot:eu-west-1:123456789012:thing/b";
    let (add, remove) = ("AddThingToBillingGroup", "RemoveThingFromBillingGroup");
    let table = [
        (add, json!({ "thingArn": thing_arn, "billingGroupArn": GROUP }), Value::Null),
        (add, pair("b", "G"), Value::Null),
        (
            add,
            pair("b", "H"),
            json!("400 InvalidRequestException: Thing b is already in billing group G"),
        ),
        (
            add,
            pair("z", "G"),
            json!("404 ResourceNotFoundException: Thing 123456789012:z not found."),
        ),
        (
            add,
            pair("b", "X"),
            json!("404 ResourceNotFoundException: BillingGroup 123456789012:X not found."),
        ),
        (
            add,
            json!({ "thingName": "b" }),
            json!(
                "400 InvalidRequestException: Both billingGroupName and billingGroupArn cannot be \
                 null"
            ),
        ),
        (
            remove,
            json!({ "billingGroupName": "G" }),
            json!("400 InvalidRequestException: Both thingName and thingArn cannot be null"),
        ),
        (
            remove,
            json!({ "thingName": "b", "billingGroupName": "H", "billingGroupArn": GROUP }),
            json!(
                "400 InvalidRequestException: billingGroupName and billingGroupArn do not name the \
                 same"
            ),
        ),
        (
            remove,
            json!({ "thingName": "b", "billingGroupArn": thing_arn }),
            json!("400 InvalidRequestException: Invalid billingGroupArn"),
        ),
        (remove, pair("b", "H"), Value::Null),
    ];
    for (operation, json, expected) in table {
        assert_eq!(call(&mut registry, operation, &json), expected, "{operation} {json}");
    }
}
