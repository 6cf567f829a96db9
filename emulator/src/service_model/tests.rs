//! What AWS complains of, word for word.

use serde_json::json;

use super::*;

fn complaint(operation: &str, members: Value) -> String {
    let row = IOT.operation(operation).expect(operation);
    IOT.check(row, &members, Extent::All).err().unwrap_or_default()
}

#[test]
fn s10_3_a_failed_constraint_is_told_as_aws_tells_it() {
    let long = "x".repeat(129);
    let id = "ab".repeat(32);
    let table = [
        ("ListCertificates", json!({ "pageSize": 250 }), ""),
        (
            "ListCertificates",
            json!({ "pageSize": 0 }),
            "1 validation error detected: Value at 'pageSize' failed to satisfy constraint: Member \
             must have value greater than or equal to 1",
        ),
        (
            "ListCertificatesByCA",
            json!({ "caCertificateId": "xyz" }),
            "2 validation errors detected: Value at 'caCertificateId' failed to satisfy \
             constraint: Member must satisfy regular expression pattern: (0x)?[a-fA-F0-9]+; Value \
             at 'caCertificateId' failed to satisfy constraint: Member must have length greater \
             than or equal to 64",
        ),
        (
            "UpdateCertificate",
            json!({ "certificateId": id, "newStatus": "active" }),
            "1 validation error detected: Value at 'newStatus' failed to satisfy constraint: \
             Member must satisfy enum value set: [ACTIVE, INACTIVE, REVOKED, PENDING_TRANSFER, \
             REGISTER_INACTIVE, PENDING_ACTIVATION]",
        ),
        (
            "RegisterCertificate",
            json!({ "certificatePem": null }),
            "1 validation error detected: Value at 'certificatePem' failed to satisfy constraint: \
             Member must not be null",
        ),
        (
            "CreateThing",
            json!({ "thingName": long }),
            "1 validation error detected: Value at 'thingName' failed to satisfy constraint: \
             Member must have length less than or equal to 128",
        ),
        (
            "CreateThing",
            json!({ "thingName": "t", "attributePayload": { "attributes": { "a b": "c" } } }),
            "1 validation error detected: Value at 'attributePayload.attributes' failed to satisfy \
             constraint: Map keys must satisfy constraint: [Member must have length less than or \
             equal to 128, Member must have length greater than or equal to 0, Member must satisfy \
             regular expression pattern: [a-zA-Z0-9_.,@/:#-]+]",
        ),
        (
            "TestAuthorization",
            json!({ "authInfos": [{ "resources": [] }, { "resources": ["x"], "actionType": "x" }] }),
            "1 validation error detected: Value at 'authInfos.2.member.actionType' failed to \
             satisfy constraint: Member must satisfy enum value set: [PUBLISH, SUBSCRIBE, RECEIVE, \
             CONNECT]",
        ),
        (
            "CreateThing",
            json!({ "thingName": 5 }),
            "1 validation error detected: Value at 'thingName' failed to satisfy constraint: \
             Member must be a string",
        ),
    ];
    for (operation, members, expected) in table {
        assert_eq!(complaint(operation, members.clone()), expected, "{operation} {members}");
    }
}

#[test]
fn a_hostile_input_gets_a_bounded_complaint() {
    let members = json!({ "policyNamesToAdd": vec![" "; 10_000], "authInfos": [] });
    let complaint = complaint("TestAuthorization", members);
    assert!(complaint.len() < 20_000, "{}", complaint.len());

    let wrong = json!({ "dataTraceEnabled": 5, "loggingLevel": "x" });
    let settings = json!({ ("k".repeat(1_000_000)): wrong });
    let members = json!({ "apiId": "a", "stageName": "s", "routeSettings": settings });
    let row = API_GATEWAY_V2.operation("CreateStage").expect("CreateStage");
    let complaint = API_GATEWAY_V2.check(row, &members, Extent::All).expect_err("wrong types");
    assert!(complaint.len() < 20_000, "{}", complaint.len());
}

#[test]
fn a_text_that_is_far_too_long_is_not_held_against_its_pattern() {
    for (length, clauses) in [(128, 1), (129, 2), (1_000_000, 1)] {
        let tags = json!([{ "Key": "!".repeat(length) }]);
        let members = json!({ "policyName": "p", "policyDocument": "{}", "tags": tags });
        let complaint = complaint("CreatePolicy", members);
        assert_eq!(complaint.matches("failed to satisfy").count(), clauses, "{complaint}");
    }
}

#[test]
fn an_operation_that_is_not_here_has_a_name() {
    let iot = &["iot"];
    assert_eq!(not_here(iot, "PUT", "/jobs/j1"), Some(("iot", "CreateJob")));
    assert_eq!(not_here(iot, "GET", "/jobs/j1/job-document"), Some(("iot", "GetJobDocument")));
    assert_eq!(not_here(iot, "POST", "/things/t"), None, "CreateThing is here");
    let provider = not_here(iot, "POST", "/certificate-providers/p");
    assert_eq!(provider, Some(("iot", "CreateCertificateProvider")), "CERT-6");
    assert_eq!(not_here(iot, "GET", "/nothing/at/all"), None);
    assert_eq!(
        not_here(&["iot-data"], "GET", "/things/t/shadow"),
        Some(("iot-data", "GetThingShadow"))
    );
}

#[test]
fn null_counts_as_absent() {
    let members = json!({ "thingName": "t", "attributePayload": null });
    let read: Value = read("CreateThing", members).expect("a good input");
    assert_eq!(read, json!({ "thingName": "t" }));
    let inside = json!({
        "thingName": "t", "attributePayload": { "attributes": null, "merge": null },
    });
    let read: crate::registry::CreateThingRequest =
        super::read("CreateThing", inside).expect("null inside is absent, too");
    assert_eq!(read.thing_name, "t");
}

#[test]
fn an_input_that_is_no_structure_is_refused_as_one() {
    for input in [json!(5), json!([]), json!([1, 2]), json!("x")] {
        let text = complaint("ListThings", input.clone());
        assert_eq!(text, "Invalid request content: not a JSON object", "{input}");
    }
    let nothing: Result<Value, _> = read("ListThings", Value::Null);
    assert_eq!(nothing, Ok(json!({})));
}

#[test]
fn every_pattern_of_aws_iot_is_understood() {
    for line in include_str!("iot.txt").lines() {
        if let Some(shape) = line.strip_prefix("string ")
            && let [_, _, pattern] = shape.splitn(3, ' ').collect::<Vec<_>>()[..]
        {
            assert!(crate::regexp::WholeMatch::compile(pattern).is_ok(), "{line}");
        }
    }
}

proptest::proptest! {
    #[test]
    fn no_input_makes_it_panic(name in ".{0,20}", value in ".{0,40}") {
        let _any = complaint("CreateThing", json!({ "thingName": value, (name): value }));
    }
}
