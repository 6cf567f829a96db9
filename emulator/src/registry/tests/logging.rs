//! Which entries that cost are wanted, and what the logging operations answer.

use std::net::{IpAddr, Ipv4Addr};

use super::*;

const ROLE: &str = "arn:aws:iam::123456789012:role/logs";

fn call(registry: &mut Registry, operation: &str, json: &Value) -> Value {
    let answered = match operation {
        "SetV2LoggingOptions" => {
            asked(operation, json, |input| registry.set_v2_logging_options(input)).map(output)
        }
        "GetV2LoggingOptions" => {
            asked(operation, json, |input| registry.get_v2_logging_options(input)).map(output)
        }
        "SetV2LoggingLevel" => {
            asked(operation, json, |input| registry.set_v2_logging_level(input)).map(output)
        }
        "ListV2LoggingLevels" => {
            asked(operation, json, |input| registry.list_v2_logging_levels(input)).map(output)
        }
        "DeleteV2LoggingLevel" => {
            asked(operation, json, |input| registry.delete_v2_logging_level(input)).map(output)
        }
        "SetLoggingOptions" => {
            asked(operation, json, |input| registry.set_logging_options(input)).map(output)
        }
        "GetLoggingOptions" => {
            asked(operation, json, |input| registry.get_logging_options(input)).map(output)
        }
        "CreateThing" => {
            asked(operation, json, |input| registry.create_thing(input, NOW)).map(output)
        }
        "CreateThingGroup" => {
            asked(operation, json, |input| registry.create_thing_group(input, NOW)).map(output)
        }
        "AddThingToThingGroup" => {
            asked(operation, json, |input| registry.add_thing_to_thing_group(input, NOW))
                .map(output)
        }
        other => panic!("no {other} here"),
    };
    answered.unwrap_or_else(|error| json!(error.to_string()))
}

/// Whether a message of the client `lamp` leaves an entry, and its ping.
fn wanted(registry: &Registry) -> (bool, bool) {
    let subject = LogSubject {
        client_id: Some("lamp"),
        principal: Some("p"),
        thing: None,
        source_ip: IpAddr::V4(Ipv4Addr::new(192, 0, 2, 7)),
    };
    let logs =
        |event_type, level| registry.logs_more() && registry.logs(event_type, level, &subject);
    (logs("Publish-In", LogLevel::Info), logs("Ping", LogLevel::Debug))
}

#[test]
fn c50_a_resource_counts_before_an_event_type_and_this_before_the_default() {
    let level = |kind: &str, name: &str, level: &str| {
        let target = json!({ "targetType": kind, "targetName": name });
        ("SetV2LoggingLevel", json!({ "logTarget": target, "logLevel": level }))
    };
    let event = |event_type: &str, level: &str| {
        let event = json!({ "eventType": event_type, "logLevel": level });
        ("SetV2LoggingOptions", json!({ "eventConfigurations": [event] }))
    };
    let options = |json: Value| ("SetV2LoggingOptions", json);
    let steps = [
        (
            (
                "SetLoggingOptions",
                json!({ "loggingOptionsPayload": { "roleArn": ROLE, "logLevel": "INFO" } }),
            ),
            (true, false),
        ),
        (options(json!({ "roleArn": ROLE, "defaultLogLevel": "WARN" })), (false, false)),
        (options(json!({ "defaultLogLevel": "DEBUG" })), (true, false)),
        (event("Publish-In", "ERROR"), (false, false)),
        (event("Ping", "DEBUG"), (false, true)),
        (level("SOURCE_IP", "192.0.2.8", "DEBUG"), (false, true)),
        (level("SOURCE_IP", "192.0.2.7", "INFO"), (true, false)),
        (level("PRINCIPAL_ID", "p", "DEBUG"), (true, true)),
        (options(json!({ "disableAllLogs": true })), (false, false)),
        (options(json!({ "disableAllLogs": false })), (true, true)),
        (level("PRINCIPAL_ID", "p", "DISABLED"), (true, false)),
        (level("SOURCE_IP", "192.0.2.7", "DISABLED"), (false, false)),
        // A thing of the client's name is in a group below the one that has a level.
        (level("THING_GROUP", "house", "DEBUG"), (true, true)),
        (level("THING_GROUP", "hall", "ERROR"), (false, false)),
    ];
    let mut registry = registry();
    for (operation, json) in [
        ("CreateThing", json!({ "thingName": "lamp" })),
        ("CreateThingGroup", json!({ "thingGroupName": "house" })),
        ("CreateThingGroup", json!({ "thingGroupName": "hall", "parentGroupName": "house" })),
        ("AddThingToThingGroup", json!({ "thingGroupName": "hall", "thingName": "lamp" })),
    ] {
        call(&mut registry, operation, &json);
    }
    assert_eq!(wanted(&registry), (false, false));
    for (number, ((operation, json), expected)) in steps.into_iter().enumerate() {
        let answer = call(&mut registry, operation, &json);
        assert!(!answer.is_string(), "{operation} {json}: {answer}");
        assert_eq!(wanted(&registry), expected, "step {number}: {operation} {json}");
    }
}

#[test]
fn c50_the_logging_operations_answer_what_was_set() {
    let mut registry = registry();
    let not_configured = "NotConfiguredException: Logging is not configured";
    let level = json!({ "logTarget": { "targetType": "DEFAULT" }, "logLevel": "INFO" });
    for (operation, json) in [
        ("GetV2LoggingOptions", json!({})),
        ("ListV2LoggingLevels", json!({})),
        ("SetV2LoggingLevel", level.clone()),
    ] {
        assert_eq!(call(&mut registry, operation, &json), not_configured, "{operation}");
    }
    let first = "is required to configure logging for the first time";
    let refused = [
        (json!({ "defaultLogLevel": "INFO" }), format!("roleArn {first}")),
        (json!({ "roleArn": ROLE }), format!("defaultLogLevel {first}")),
        (
            json!({ "roleArn": ROLE, "defaultLogLevel": "INFO",
                    "eventConfigurations": [{ "eventType": "Moon" }] }),
            "Invalid event type Moon".to_owned(),
        ),
    ];
    for (json, text) in refused {
        let answer = call(&mut registry, "SetV2LoggingOptions", &json);
        assert_eq!(answer, format!("InvalidRequestException: {text}"));
    }
    let configured = json!({ "eventType": "Publish-In", "logDestination": "mine" });
    let set = json!({ "roleArn": ROLE, "defaultLogLevel": "ERROR",
                      "eventConfigurations": [configured] });
    call(&mut registry, "SetV2LoggingOptions", &set);
    call(&mut registry, "SetV2LoggingLevel", &level);
    let told = call(&mut registry, "GetV2LoggingOptions", &json!({}));
    let expected = json!({ "roleArn": ROLE, "defaultLogLevel": "INFO", "disableAllLogs": false,
                           "eventConfigurations": [configured] });
    assert_eq!(told, expected);
    let verbose = call(&mut registry, "GetV2LoggingOptions", &json!({ "verbose": true }));
    let events = verbose["eventConfigurations"].as_array().unwrap();
    assert!(events.contains(&configured));
    assert!(events.contains(&json!({ "eventType": "Ping", "logLevel": "INFO" })));

    let nameless = json!({ "logTarget": { "targetType": "CLIENT_ID" }, "logLevel": "INFO" });
    let answer = call(&mut registry, "SetV2LoggingLevel", &nameless);
    assert!(answer.as_str().unwrap().contains("targetName is required"), "{answer}");
    let lamp = json!({ "targetType": "CLIENT_ID", "targetName": "lamp" });
    let of_lamp = json!({ "logTarget": lamp, "logLevel": "DEBUG" });
    call(&mut registry, "SetV2LoggingLevel", &of_lamp);
    let mut page = json!({ "maxResults": 1 });
    let mut found = Vec::new();
    loop {
        let answer = call(&mut registry, "ListV2LoggingLevels", &page);
        found.extend(answer["logTargetConfigurations"].as_array().unwrap().clone());
        match answer.get("nextToken") {
            Some(token) => page["nextToken"] = token.clone(),
            None => break,
        }
    }
    assert_eq!(found, [level.clone(), of_lamp]);
    for _ in 0..2 {
        assert_eq!(call(&mut registry, "DeleteV2LoggingLevel", &lamp), Value::Null);
    }
    let all = call(&mut registry, "ListV2LoggingLevels", &json!({ "targetType": "CLIENT_ID" }));
    assert_eq!(all, json!({ "logTargetConfigurations": [] }));
    let older = call(&mut registry, "GetLoggingOptions", &json!({}));
    assert_eq!(older, json!({ "logLevel": "DISABLED" }));
    let payload = json!({ "roleArn": ROLE, "logLevel": "WARN" });
    let set = json!({ "loggingOptionsPayload": payload });
    call(&mut registry, "SetLoggingOptions", &set);
    assert_eq!(call(&mut registry, "GetLoggingOptions", &json!({})), payload);
}
