//! Thing types, and what they are to things.

use std::time::Duration;

use super::*;

const ARN: &str = "arn:aws:iot:eu-west-1:123456789012:thingtype/Lamp";

fn call(registry: &mut Registry, operation: &str, json: &Value, now: Timestamp) -> Value {
    let answered = match operation {
        "CreateThingType" => {
            asked(operation, json, |input| registry.create_thing_type(input, now)).map(output)
        }
        "DescribeThingType" => {
            asked(operation, json, |input| registry.describe_thing_type(input)).map(output)
        }
        "UpdateThingType" => {
            asked(operation, json, |input| registry.update_thing_type(input, NOW)).map(output)
        }
        "DeprecateThingType" => {
            asked(operation, json, |input| registry.deprecate_thing_type(input, now)).map(output)
        }
        "DeleteThingType" => {
            asked(operation, json, |input| registry.delete_thing_type(input, now)).map(output)
        }
        "ListThingTypes" => {
            asked(operation, json, |input| registry.list_thing_types(input)).map(output)
        }
        "CreateThing" => {
            asked(operation, json, |input| registry.create_thing(input, now)).map(output)
        }
        "UpdateThing" => {
            asked(operation, json, |input| registry.update_thing(input, now)).map(output)
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

fn now(registry: &mut Registry, operation: &str, json: &Value) -> Value {
    call(registry, operation, json, NOW)
}

fn many(count: usize) -> Value {
    (0..count)
        .map(|number| (format!("a{number}"), json!("1")))
        .collect::<serde_json::Map<_, _>>()
        .into()
}

#[test]
fn a_thing_type_is_made_once_and_described_as_aws_describes_it() {
    let mut registry = registry();
    let properties = json!({
        "thingTypeDescription": "light bulb type", "searchableAttributes": ["wattage", "model"]
    });
    let json = json!({ "thingTypeName": "Lamp", "thingTypeProperties": properties });
    let made = now(&mut registry, "CreateThingType", &json);
    let id = made["thingTypeId"].as_str().unwrap().to_owned();
    assert_eq!(uuid::Uuid::parse_str(&id).unwrap().get_version_num(), 4);
    assert_eq!(made, json!({ "thingTypeName": "Lamp", "thingTypeArn": ARN, "thingTypeId": id }));
    let definition = json!({
        "thingTypeName": "Lamp", "thingTypeArn": ARN, "thingTypeProperties": properties,
        "thingTypeMetadata": { "deprecated": false, "creationDate": 1_800_000_000.053 },
    });
    let mut described =
        now(&mut registry, "DescribeThingType", &json!({ "thingTypeName": "Lamp" }));
    assert_eq!(described["thingTypeId"], id);
    described.as_object_mut().unwrap().remove("thingTypeId");
    assert_eq!(described, definition);
    let listed = now(&mut registry, "ListThingTypes", &json!({}));
    assert_eq!(listed, json!({ "thingTypes": [definition] }));

    let again = json!({ "thingTypeName": "Lamp", "thingTypeProperties": {
        "thingTypeDescription": "light bulb type", "searchableAttributes": ["model", "wattage"],
    } });
    assert_eq!(now(&mut registry, "CreateThingType", &again), made, "the attributes are a set");
    let other: Result<CreateThingTypeResponse, _> =
        asked("CreateThingType", &json!({ "thingTypeName": "Lamp" }), |input| {
            registry.create_thing_type(input, NOW)
        });
    let other = other.unwrap_err();
    assert_eq!(other.code(), ErrorCode::ResourceAlreadyExistsException);
    assert_eq!(
        (&other.body()["resourceId"], &other.body()["resourceArn"]),
        (&json!("Lamp"), &json!(ARN))
    );

    let bare = json!({ "thingTypeName": "Bare" });
    assert_eq!(now(&mut registry, "CreateThingType", &bare)["thingTypeName"], "Bare");
    let described = now(&mut registry, "DescribeThingType", &bare);
    assert_eq!(described["thingTypeProperties"], json!({}));
    let begins = now(&mut registry, "ListThingTypes", &json!({ "thingTypeName": "Ba" }));
    assert_eq!(begins["thingTypes"][0]["thingTypeName"], "Bare");
    let first = now(&mut registry, "ListThingTypes", &json!({ "maxResults": 1 }));
    let next = json!({ "maxResults": 1, "nextToken": first["nextToken"] });
    let second = now(&mut registry, "ListThingTypes", &next);
    assert_eq!(second["thingTypes"][0]["thingTypeName"], "Bare");
    assert_eq!(second["nextToken"], Value::Null);
}

#[test]
fn what_a_thing_type_cannot_be() {
    let invalid = |why: &str| format!("400 InvalidRequestException: {why}");
    let searchable = json!({ "searchableAttributes": ["a", "b", "c", "d"] });
    let propagating = |attribute: Value| json!({ "mqtt5Configuration": { "propagatingAttributes": [attribute] } });
    let one_source = invalid(
        "Propagating attribute k must have either a thingAttribute or a connectionAttribute",
    );
    let table = [
        (searchable, invalid("Only three searchable attributes are allowed for a thing type.")),
        (
            propagating(json!({ "thingAttribute": "model" })),
            invalid("A propagating attribute must have a userPropertyKey"),
        ),
        (propagating(json!({ "userPropertyKey": "k" })), one_source.clone()),
        (
            propagating(json!({
                "userPropertyKey": "k", "thingAttribute": "a", "connectionAttribute": "iot:ClientId"
            })),
            one_source,
        ),
        (
            propagating(json!({ "userPropertyKey": "k", "connectionAttribute": "iot:Other" })),
            invalid(
                "connectionAttribute iot:Other of propagating attribute k must be one of \
                 iot:ClientId, iot:Thing.ThingName",
            ),
        ),
    ];
    for (properties, expected) in table {
        let json = json!({ "thingTypeName": "Lamp", "thingTypeProperties": properties });
        assert_eq!(now(&mut registry(), "CreateThingType", &json), expected, "{properties}");
    }
}

#[test]
fn only_the_mqtt5_configuration_of_a_thing_type_can_change() {
    let mut registry = registry();
    let attributes = |key: &str| {
        json!({ "propagatingAttributes": [
            { "userPropertyKey": key, "connectionAttribute": "iot:ClientId" },
            { "userPropertyKey": "model", "thingAttribute": "model" },
        ] })
    };
    let lamp =
        |properties: Value| json!({ "thingTypeName": "Lamp", "thingTypeProperties": properties });
    let first = json!({ "thingTypeDescription": "d", "mqtt5Configuration": attributes("a") });
    now(&mut registry, "CreateThingType", &lamp(first));
    let table = [
        (lamp(json!({ "mqtt5Configuration": attributes("b") })), Value::Null),
        (lamp(json!({})), Value::Null),
        (
            lamp(json!({ "searchableAttributes": ["product"] })),
            json!("400 InvalidRequestException: Can only update mqtt5Configuration."),
        ),
        (
            lamp(json!({ "thingTypeDescription": "d" })),
            json!("400 InvalidRequestException: Can only update mqtt5Configuration."),
        ),
        (
            json!({ "thingTypeName": "Other" }),
            json!("404 ResourceNotFoundException: Thing Type 123456789012:Other not found."),
        ),
    ];
    for (json, expected) in table {
        assert_eq!(now(&mut registry, "UpdateThingType", &json), expected, "{json}");
    }
    let described = now(&mut registry, "DescribeThingType", &json!({ "thingTypeName": "Lamp" }));
    assert_eq!(
        described["thingTypeProperties"],
        json!({ "thingTypeDescription": "d", "mqtt5Configuration": attributes("b") })
    );
}

#[test]
fn a_thing_type_is_deprecated_left_by_its_things_and_deleted_after_five_minutes() {
    let mut registry = registry();
    let lamp = json!({ "thingTypeName": "Lamp" });
    let refused = |why: &str| {
        json!(format!("400 InvalidRequestException: Cannot delete thing type : Lamp. {why}"))
    };
    let unknown = json!("404 ResourceNotFoundException: Thing Type 123456789012:Lamp not found.");
    for operation in ["DescribeThingType", "DeprecateThingType", "DeleteThingType"] {
        assert_eq!(now(&mut registry, operation, &lamp), unknown, "{operation}");
    }
    now(&mut registry, "CreateThingType", &lamp);
    let typed = json!({ "thingName": "t", "thingTypeName": "Lamp" });
    now(&mut registry, "CreateThing", &typed);
    assert_eq!(
        now(&mut registry, "DeleteThingType", &lamp),
        refused("Please deprecate the thing type and then retry")
    );
    assert_eq!(now(&mut registry, "DeprecateThingType", &lamp), Value::Null);
    let metadata = |registry: &mut Registry| {
        now(registry, "DescribeThingType", &lamp)["thingTypeMetadata"].clone()
    };
    let date = 1_800_000_000.053;
    assert_eq!(
        metadata(&mut registry),
        json!({ "deprecated": true, "deprecationDate": date, "creationDate": date })
    );
    let undo = json!({ "thingTypeName": "Lamp", "undoDeprecate": true });
    assert_eq!(now(&mut registry, "DeprecateThingType", &undo), Value::Null);
    assert_eq!(metadata(&mut registry), json!({ "deprecated": false, "creationDate": date }));

    now(&mut registry, "DeprecateThingType", &lamp);
    let minutes = |minutes: u64| NOW + Duration::from_secs(60 * minutes);
    let delete = |registry: &mut Registry, at| call(registry, "DeleteThingType", &lamp, at);
    assert_eq!(
        delete(&mut registry, minutes(5) - Duration::from_millis(1)),
        refused("Please wait for 5 minutes after deprecation and then retry")
    );
    assert_eq!(
        delete(&mut registry, minutes(5)),
        refused("It is still associated with one or more things")
    );
    let remove = json!({ "thingName": "t", "removeThingType": true });
    assert_eq!(now(&mut registry, "UpdateThing", &remove), Value::Null);
    assert_eq!(delete(&mut registry, minutes(5)), Value::Null);
    assert_eq!(delete(&mut registry, minutes(5)), unknown);
}

#[test]
fn a_thing_has_the_type_that_it_is_given_and_no_deprecated_one() {
    let mut registry = registry();
    for name in ["Lamp", "Old"] {
        now(&mut registry, "CreateThingType", &json!({ "thingTypeName": name }));
    }
    let thing = json!({ "thingName": "t", "thingTypeName": "Old" });
    let made = now(&mut registry, "CreateThing", &thing);
    now(&mut registry, "DeprecateThingType", &json!({ "thingTypeName": "Old" }));
    assert_eq!(now(&mut registry, "CreateThing", &thing), made, "what is there is the same");
    let change = |name: &str| json!({ "thingName": "t", "thingTypeName": name });
    let table = [
        (
            "CreateThing",
            json!({ "thingName": "u", "thingTypeName": "Old" }),
            "400 InvalidRequestException: Can not create new thing with depreated thing type:Old",
        ),
        (
            "CreateThing",
            change("Lamp"),
            "409 ResourceAlreadyExistsException: Thing t already exists in account with different \
             attributes",
        ),
        (
            "UpdateThing",
            change("None"),
            "404 ResourceNotFoundException: Thing Type 123456789012:None not found.",
        ),
        (
            "UpdateThing",
            json!({ "thingName": "t", "thingTypeName": "Lamp", "removeThingType": true }),
            "400 InvalidRequestException: thingTypeName and removeThingType cannot be specified \
             together",
        ),
    ];
    for (operation, json, expected) in table {
        assert_eq!(now(&mut registry, operation, &json), expected, "{json}");
    }
    assert_eq!(now(&mut registry, "UpdateThing", &change("Lamp")), Value::Null);
    assert_eq!(
        now(&mut registry, "UpdateThing", &change("Old")),
        "400 InvalidRequestException: Can not update a thing to use deprecated thing type: Old"
    );
    let described = now(&mut registry, "DescribeThing", &json!({ "thingName": "t" }));
    assert_eq!((&described["thingTypeName"], &described["version"]), (&json!("Lamp"), &json!(2)));
    let of_type = registry.list_things(input(json!({ "thingTypeName": "Lamp" }))).unwrap();
    assert_eq!(output(&of_type)["things"][0]["thingTypeName"], "Lamp");
    let of_type = registry.list_things(input(json!({ "thingTypeName": "Old" }))).unwrap();
    assert_eq!(of_type.things, []);

    now(&mut registry, "DeprecateThingType", &json!({ "thingTypeName": "Lamp" }));
    now(&mut registry, "DeleteThing", &json!({ "thingName": "t" }));
    for name in ["Lamp", "Old"] {
        let json = json!({ "thingTypeName": name });
        let later = NOW + Duration::from_secs(300);
        assert_eq!(call(&mut registry, "DeleteThingType", &json, later), Value::Null, "{name}");
    }
}

#[test]
fn a_thing_with_a_type_has_up_to_50_attributes_and_one_without_3() {
    let mut registry = registry();
    now(&mut registry, "CreateThingType", &json!({ "thingTypeName": "Lamp" }));
    let create = |count: usize, kind: Value| {
        let attributes = json!({ "attributes": many(count) });
        json!({ "thingName": "t", "thingTypeName": kind, "attributePayload": attributes })
    };
    let too_many =
        |kind: &str| json!(format!("400 InvalidRequestException: A thing {kind} attributes"));
    let without = too_many("without a thing type can have up to 3");
    assert_eq!(now(&mut registry, "CreateThing", &create(4, Value::Null)), without);
    let with = too_many("with a thing type can have up to 50");
    assert_eq!(now(&mut registry, "CreateThing", &create(51, json!("Lamp"))), with);
    assert_eq!(now(&mut registry, "CreateThing", &create(50, json!("Lamp")))["thingName"], "t");
    let remove = json!({ "thingName": "t", "removeThingType": true });
    assert_eq!(now(&mut registry, "UpdateThing", &remove), without);
    let fewer = json!({ "thingName": "t", "removeThingType": true,
        "attributePayload": { "attributes": many(3) } });
    assert_eq!(now(&mut registry, "UpdateThing", &fewer), Value::Null);
    let described = now(&mut registry, "DescribeThing", &json!({ "thingName": "t" }));
    assert_eq!(described["thingTypeName"], Value::Null);
}

#[test]
fn a_policy_knows_the_type_of_the_thing_as_soon_as_it_changes() {
    let (mut registry, _, principal) = with_certificate("ACTIVE");
    now(&mut registry, "CreateThingType", &json!({ "thingTypeName": "Lamp" }));
    now(&mut registry, "CreateThing", &json!({ "thingName": "t" }));
    let pair = json!({ "thingName": "t", "principal": principal });
    registry.attach_thing_principal(input(pair)).unwrap();
    let resource = "arn:aws:iot:eu-west-1:123456789012:topic/${iot:Connection.Thing.ThingTypeName}";
    let document = json!({ "Version": "2012-10-17", "Statement": [
        { "Effect": "Allow", "Action": "iot:Publish", "Resource": resource },
    ] });
    let json = json!({ "policyName": "P", "policyDocument": document.to_string() });
    registry.create_policy(input(json), NOW).unwrap();
    let json = json!({ "policyName": "P", "target": principal });
    registry.attach_policy(input(json)).unwrap();
    let decision = |registry: &Registry| {
        let topic = "arn:aws:iot:eu-west-1:123456789012:topic/Lamp";
        let question = json!({ "actionType": "PUBLISH", "resources": [topic] });
        let json = json!({ "principal": principal, "clientId": "t", "authInfos": [question] });
        registry.test_authorization(input(json), NOW).unwrap().auth_results[0].auth_decision
    };
    assert_eq!(decision(&registry), "IMPLICIT_DENY");
    let before = registry.policy_revision();
    now(&mut registry, "UpdateThing", &json!({ "thingName": "t", "thingTypeName": "Lamp" }));
    assert_eq!(decision(&registry), "ALLOWED");
    assert!(registry.policy_revision() > before, "connections ask again");
}
