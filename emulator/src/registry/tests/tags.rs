//! Tags of resources.

use super::*;

const POLICY: &str = "arn:aws:iot:eu-west-1:123456789012:policy/P";

fn tag(registry: &mut Registry, arn: &str, tags: Value) -> String {
    let json = json!({ "resourceArn": arn, "tags": tags });
    outcome(&asked("TagResource", &json, |input| registry.tag_resource(input, |_| false)))
}

fn untag(registry: &mut Registry, arn: &str, keys: Value) -> String {
    let json = json!({ "resourceArn": arn, "tagKeys": keys });
    outcome(&asked("UntagResource", &json, |input| registry.untag_resource(input, |_| false)))
}

fn tags(registry: &Registry, arn: &str, token: &Value) -> Value {
    let json = json!({ "resourceArn": arn, "nextToken": token });
    let listed = asked("ListTagsForResource", &json, |input| {
        registry.list_tags_for_resource(input, |_| false)
    });
    listed.map_or_else(|error| json!(outcome::<()>(&Err(error))), output)
}

/// `numbers` as keys.
fn numbered(numbers: std::ops::Range<u32>) -> Value {
    numbers.map(|number| json!({ "Key": format!("k{number}"), "Value": "v" })).collect()
}

#[test]
fn tags_are_added_changed_and_taken_away() {
    let mut registry = registry();
    create_policy(&mut registry, "P");
    let none = Value::Null;
    assert_eq!(tags(&registry, POLICY, &none), json!({ "tags": [] }));
    let two = json!([{ "Key": "Assembly", "Value": "Fact1NW" }, { "Key": "MyTag" }]);
    assert_eq!(tag(&mut registry, POLICY, two), "200");
    assert_eq!(
        tags(&registry, POLICY, &none),
        json!({ "tags": [{ "Key": "Assembly", "Value": "Fact1NW" }, { "Key": "MyTag", "Value": "" }] })
    );
    assert_eq!(tag(&mut registry, POLICY, json!([{ "Key": "MyTag", "Value": "777" }])), "200");
    assert_eq!(untag(&mut registry, POLICY, json!(["Assembly", "nothing"])), "200");
    assert_eq!(
        tags(&registry, POLICY, &none),
        json!({ "tags": [{ "Key": "MyTag", "Value": "777" }] })
    );
    registry.delete_policy(input(json!({ "policyName": "P" }))).unwrap();
    create_policy(&mut registry, "P");
    assert_eq!(tags(&registry, POLICY, &none), json!({ "tags": [] }), "a new one has none");
}

#[test]
fn the_kinds_of_resources_that_have_tags() {
    let mut registry = registry();
    let ca = CertificateAuthority::new("Acme");
    let wanted = json!([{ "Key": "k", "Value": "v" }]);
    register_ca(&mut registry, &ca, json!({ "tags": wanted }));
    let json = json!({ "policyName": "P", "policyDocument": ALLOW_ALL, "tags": wanted });
    registry.create_policy(input(json), NOW).unwrap();
    let json = json!({ "thingTypeName": "T", "tags": wanted });
    registry.create_thing_type(input(json), NOW).unwrap();
    let json = json!({ "billingGroupName": "B", "tags": wanted });
    registry.create_billing_group(input(json), NOW).unwrap();
    registry.create_thing(input(json!({ "thingName": "t" })), NOW).unwrap();
    let identity = Identity::self_signed("lamp");
    register_without_ca(&mut registry, &identity, "ACTIVE");

    let arn = |tail: &str| format!("arn:aws:iot:eu-west-1:123456789012:{tail}");
    let cacert = format!("cacert/{}", ca.certificate_id());
    for tail in [&*cacert, "policy/P", "thingtype/T", "billinggroup/B"] {
        assert_eq!(tags(&registry, &arn(tail), &Value::Null), json!({ "tags": wanted }), "{tail}");
    }
    let cert = format!("cert/{}", identity.certificate_id());
    let elsewhere = "arn:aws:iot:us-east-1:123456789012:policy/P";
    let unknown = [&*arn("thing/t"), &*arn(&cert), &*arn("policy/Q"), &*arn("policy"), elsewhere];
    for arn in unknown {
        let expected = format!("404 ResourceNotFoundException: Resource {arn} not found.");
        assert_eq!(tag(&mut registry, arn, wanted.clone()), expected);
        assert_eq!(untag(&mut registry, arn, json!(["k"])), expected);
        assert_eq!(tags(&registry, arn, &Value::Null), expected);
    }
    let malformed = tag(&mut registry, "policy/P", wanted);
    assert_eq!(malformed, "400 InvalidRequestException: Invalid resource ARN: policy/P");
}

#[test]
fn a_resource_has_up_to_50_tags_and_lists_them_in_pages() {
    let mut registry = registry();
    create_policy(&mut registry, "P");
    assert_eq!(tag(&mut registry, POLICY, numbered(0..49)), "200");
    let full = format!("410 LimitExceededException: There can be up to 50 tags on {POLICY}");
    assert_eq!(tag(&mut registry, POLICY, numbered(48..51)), full);
    assert_eq!(tag(&mut registry, POLICY, numbered(40..50)), "200", "what is there counts once");
    let mut token = Value::Null;
    let mut keys = Vec::new();
    loop {
        let page = tags(&registry, POLICY, &token);
        keys.extend(page["tags"].as_array().unwrap().iter().map(|tag| tag["Key"].clone()));
        token = page["nextToken"].clone();
        if token.is_null() {
            break;
        }
    }
    assert_eq!(keys, (0..50).map(|number| json!(format!("k{number}"))).collect::<Vec<_>>());
    let json = json!({ "thingTypeName": "T", "tags": numbered(0..51) });
    let made = asked("CreateThingType", &json, |input| registry.create_thing_type(input, NOW));
    let refused = "400 InvalidRequestException: There can be up to 50 tags on the new resource";
    assert_eq!(outcome(&made), refused);
}

#[test]
fn tags_that_begin_with_aws_are_refused() {
    let mut registry = registry();
    create_policy(&mut registry, "P");
    let refused = |key: &str| {
        format!(
            "400 InvalidRequestException: Tag {key} is reserved: keys and values must not begin \
             with aws:"
        )
    };
    let table = [
        (json!([{ "Key": "aws:x" }]), refused("aws:x")),
        (json!([{ "Key": "AWS:x" }]), refused("AWS:x")),
        (json!([{ "Key": "k", "Value": "aws:x" }]), refused("k")),
        (json!([{ "Key": "aws", "Value": "über" }]), "200".to_owned()),
    ];
    for (tags, expected) in table {
        assert_eq!(tag(&mut registry, POLICY, tags), expected);
    }
    let json = json!({ "billingGroupName": "B", "tags": [{ "Key": "aws:x" }] });
    let made =
        asked("CreateBillingGroup", &json, |input| registry.create_billing_group(input, NOW));
    assert_eq!(outcome(&made), refused("aws:x"));
    let json =
        json!({ "policyName": "Q", "policyDocument": ALLOW_ALL, "tags": [{ "Key": "aws:x" }] });
    let made = asked("CreatePolicy", &json, |input| registry.create_policy(input, NOW));
    assert_eq!(outcome(&made), refused("aws:x"));
}
