//! What AWS publishes when the registry changes, once UpdateEventConfigurations asks for it; and
//! the one event that nobody has to ask for.

use client_tests::{Message, Mqtt};
use iot_emulator::{AutoRegistration, CertificateAuthority, Emulator, IotCore};
use serde_json::{Value, json};

use crate::common::trusted;

/// An emulator, and a client that hears every event of the registry.
async fn watched() -> (Emulator, Mqtt) {
    let emulator = Emulator::start();
    let watcher = trusted(&emulator.iot_core(), "Watcher").connect("watcher").await;
    let watcher = watcher.expect("a connection");
    let filters = [
        "$aws/events/thing/#",
        "$aws/events/thingType/#",
        "$aws/events/thingTypeAssociation/#",
        "$aws/events/thingGroup/#",
        "$aws/events/thingGroupMembership/#",
        "$aws/events/thingGroupHierarchy/#",
        "$aws/events/certificates/registered/#",
        "done",
    ];
    watcher.subscribe_all(&filters, 1).await.expect("a SUBACK");
    (emulator, watcher)
}

fn enable(iot: &IotCore, kinds: &[&str]) {
    let kinds = kinds.iter().map(|kind| ((*kind).to_owned(), json!({ "Enabled": true })));
    let kinds: serde_json::Map<String, Value> = kinds.collect();
    call(iot, "UpdateEventConfigurations", json!({ "eventConfigurations": kinds }));
}

#[track_caller]
fn call(iot: &IotCore, operation: &str, input: Value) -> Value {
    match iot.call(operation, input) {
        Ok(answer) => answer,
        Err(error) => panic!("{operation}: {error}"),
    }
}

/// All that `watcher` has been sent so far: the end of each topic, and the payload.
async fn so_far(watcher: &Mqtt) -> Vec<(String, Value)> {
    watcher.publish("done", "").await.expect("a PUBACK");
    let heard = watcher.messages_before("done").await;
    let told = |message: &Message| {
        let topic = message.topic.strip_prefix("$aws/events/").expect("an event");
        (topic.to_owned(), message.json())
    };
    heard.iter().map(told).collect()
}

fn topics(events: &[(String, Value)]) -> Vec<&str> {
    events.iter().map(|(topic, _)| topic.as_str()).collect()
}

const ALL: &[&str] = &[
    "THING",
    "THING_GROUP",
    "THING_TYPE",
    "THING_GROUP_MEMBERSHIP",
    "THING_GROUP_HIERARCHY",
    "THING_TYPE_ASSOCIATION",
];

#[tokio::test]
async fn s4_3_no_event_comes_until_its_type_is_enabled() {
    let (emulator, watcher) = watched().await;
    let iot = emulator.iot_core();
    let described = call(&iot, "DescribeEventConfigurations", json!({}));
    let configured = described["eventConfigurations"].as_object().expect("a map");
    assert_eq!(configured.len(), 11);
    assert!(configured.values().all(|value| value["Enabled"] == false), "{described}");
    call(&iot, "CreateThing", json!({ "thingName": "lamp" }));
    assert_eq!(so_far(&watcher).await, []);

    enable(&iot, &["THING_GROUP"]);
    call(&iot, "CreateThing", json!({ "thingName": "fan" }));
    call(&iot, "CreateThingGroup", json!({ "thingGroupName": "Cellar" }));
    assert_eq!(topics(&so_far(&watcher).await), ["thingGroup/Cellar/created"]);
    let described = call(&iot, "DescribeEventConfigurations", json!({}));
    assert_eq!(described["eventConfigurations"]["THING_GROUP"]["Enabled"], true);
    assert!(described["lastModifiedDate"].is_number());
}

#[tokio::test]
async fn s4_3_things_and_thing_types_tell_of_their_lives() {
    let (emulator, watcher) = watched().await;
    let iot = emulator.iot_core();
    enable(&iot, ALL);
    let kind = json!({ "thingTypeName": "Lamp", "thingTypeProperties": {
        "thingTypeDescription": "A lamp", "searchableAttributes": ["wattage"] } });
    let made = call(&iot, "CreateThingType", kind);
    let payload = json!({ "attributes": { "wattage": "40" } });
    let thing = call(
        &iot,
        "CreateThing",
        json!({ "thingName": "lamp", "thingTypeName": "Lamp", "attributePayload": payload }),
    );
    call(&iot, "UpdateThing", json!({ "thingName": "lamp", "removeThingType": true }));
    call(&iot, "DeleteThing", json!({ "thingName": "lamp" }));
    call(&iot, "DeprecateThingType", json!({ "thingTypeName": "Lamp" }));
    let events = so_far(&watcher).await;
    assert_eq!(
        topics(&events),
        [
            "thingType/Lamp/created",
            "thing/lamp/created",
            "thingTypeAssociation/thing/lamp/thingType/Lamp/added",
            "thing/lamp/updated",
            "thingTypeAssociation/thing/lamp/thingType/Lamp/removed",
            "thing/lamp/deleted",
            "thingType/Lamp/updated",
        ]
    );
    let (account, thing_id) = ("000000000000", &thing["thingId"]);
    let of = |index: usize| {
        let mut event = events[index].1.clone();
        let members = event.as_object_mut().expect("an object");
        let event_id = members.remove("eventId").expect("a member");
        assert_eq!(event_id.as_str().map(str::len), Some(36), "a UUID");
        assert!(members.remove("timestamp").expect("a member").is_i64());
        event
    };
    assert_eq!(
        of(0),
        json!({
            "eventType": "THING_TYPE_EVENT", "operation": "CREATED", "accountId": account,
            "thingTypeId": made["thingTypeId"], "thingTypeName": "Lamp", "isDeprecated": false,
            "deprecationDate": null, "searchableAttributes": ["wattage"], "description": "A lamp",
        })
    );
    assert_eq!(
        of(1),
        json!({
            "eventType": "THING_EVENT", "operation": "CREATED", "accountId": account,
            "thingId": thing_id, "thingName": "lamp", "versionNumber": 1, "thingTypeName": "Lamp",
            "attributes": { "wattage": "40" },
        })
    );
    assert_eq!(
        of(2),
        json!({
            "eventType": "THING_TYPE_ASSOCIATION_EVENT", "operation": "ADDED",
            "thingId": thing_id, "thingName": "lamp", "thingTypeName": "Lamp",
        })
    );
    assert_eq!(of(3)["versionNumber"], 2);
    assert_eq!(of(3)["thingTypeName"], Value::Null);
    assert_eq!(of(6)["isDeprecated"], true);
}

#[tokio::test]
async fn s4_3_thing_groups_tell_of_members_and_parents() {
    let (emulator, watcher) = watched().await;
    let iot = emulator.iot_core();
    enable(&iot, ALL);
    let house = call(&iot, "CreateThingGroup", json!({ "thingGroupName": "House" }));
    let cellar = call(
        &iot,
        "CreateThingGroup",
        json!({ "thingGroupName": "Cellar", "parentGroupName": "House" }),
    );
    let thing = call(&iot, "CreateThing", json!({ "thingName": "lamp" }));
    let pair = json!({ "thingGroupName": "Cellar", "thingName": "lamp" });
    call(&iot, "AddThingToThingGroup", pair.clone());
    call(&iot, "RemoveThingFromThingGroup", pair.clone());
    call(&iot, "AddThingToThingGroup", pair);
    call(&iot, "DeleteThing", json!({ "thingName": "lamp" }));
    call(&iot, "DeleteThingGroup", json!({ "thingGroupName": "Cellar" }));
    let events = so_far(&watcher).await;
    let member = |link: &str| format!("thingGroupMembership/thingGroup/Cellar/thing/lamp/{link}");
    let child =
        |link: &str| format!("thingGroupHierarchy/thingGroup/House/childThingGroup/Cellar/{link}");
    assert_eq!(
        topics(&events),
        [
            "thingGroup/House/created",
            "thingGroup/Cellar/created",
            &child("added"),
            "thing/lamp/created",
            &member("added"),
            &member("removed"),
            &member("added"),
            &member("removed"),
            "thing/lamp/deleted",
            &child("removed"),
            "thingGroup/Cellar/deleted",
        ]
    );
    let created = &events[1].1;
    assert_eq!(created["parentGroupName"], "House");
    assert_eq!(created["parentGroupId"], house["thingGroupId"]);
    assert_eq!(
        created["rootToParentThingGroups"],
        json!([{ "groupArn": house["thingGroupArn"], "groupId": house["thingGroupId"] }])
    );
    assert_eq!(created["dynamicGroupMappingId"], Value::Null);
    let hierarchy = &events[2].1;
    assert_eq!(hierarchy["childGroupId"], cellar["thingGroupId"]);
    let membership = &events[4].1;
    assert_eq!(membership["thingArn"], thing["thingArn"]);
    assert_eq!(membership["groupArn"], cellar["thingGroupArn"]);
    assert_eq!(membership["membershipId"].as_str().map(str::len), Some(36));
    assert_eq!(events[5].1["membershipId"], membership["membershipId"], "the same while it lasts");
}

#[tokio::test]
async fn cert_24_registering_a_certificate_by_hand_publishes_no_registered_event() {
    let (emulator, watcher) = watched().await;
    let iot = emulator.iot_core();
    let ca = CertificateAuthority::new("Acme");
    iot.register_ca(&ca, AutoRegistration::Enabled);
    for status in ["ACTIVE", "INACTIVE", "REVOKED"] {
        let pem = ca.issue(status).certificate_pem();
        call(&iot, "RegisterCertificate", json!({ "certificatePem": pem, "status": status }));
        let pem = ca.issue(status).certificate_pem();
        let input = json!({ "certificatePem": pem, "status": status });
        call(&iot, "RegisterCertificateWithoutCA", input);
    }
    assert_eq!(so_far(&watcher).await, []);
}
