//! PT-20 … PT-35: provisioning templates and their versions, and CA certificates that name one.

use super::*;

const BODY: &str = r#"{"Resources":{"certificate":{"Type":"AWS::IoT::Certificate","Properties":
    {"CertificateId":{"Ref":"AWS::IoT::Certificate::Id"},"Status":"Active"}}}}"#;
const ROLE: &str = "arn:aws:iam::123456789012:role/Provisioning";
const ARN: &str = "arn:aws:iot:eu-west-1:123456789012:provisioningtemplate/Fleet";
const HOOK: &str = "arn:aws:lambda:eu-west-1:123456789012:function:hook";

/// CreateProvisioningTemplate's input for `Fleet`, with more members if `more` has some.
fn fleet(more: Value) -> Value {
    let mut json =
        json!({ "templateName": "Fleet", "templateBody": BODY, "provisioningRoleArn": ROLE });
    json.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    json
}

/// The functions that may be invoked: `hook`.
fn only_the_hook(function: &str, template: &crate::names::Arn) -> bool {
    function == HOOK && template.as_str() == ARN
}

fn create(
    registry: &mut Registry,
    json: &Value,
) -> Result<CreateProvisioningTemplateResponse, ApiError> {
    asked("CreateProvisioningTemplate", json, |input| {
        registry.create_provisioning_template(input, &only_the_hook, NOW)
    })
}

fn update(registry: &mut Registry, json: Value) -> Result<(), ApiError> {
    let mut json = json;
    json["templateName"] = json!("Fleet");
    asked("UpdateProvisioningTemplate", &json, |input| {
        let later = Timestamp::from_milliseconds(NOW.milliseconds() + 1000);
        registry.update_provisioning_template(input, &only_the_hook, later)
    })
}

fn describe(registry: &Registry) -> Value {
    let json = json!({ "templateName": "Fleet" });
    output(registry.describe_provisioning_template(input(json)).expect("the template"))
}

fn version(registry: &mut Registry, more: Value) -> Result<i64, ApiError> {
    let mut json = json!({ "templateName": "Fleet", "templateBody": BODY });
    json.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    let created = asked("CreateProvisioningTemplateVersion", &json, |input| {
        registry.create_provisioning_template_version(input, NOW)
    });
    created.map(|created| created.version_id)
}

fn with_template(more: Value) -> Registry {
    let mut registry = registry();
    create(&mut registry, &fleet(more)).expect("a good template");
    registry
}

#[test]
fn pt_20_and_34_a_template_is_made_described_and_listed() {
    let mut registry = registry();
    let created = create(&mut registry, &fleet(json!({}))).unwrap();
    assert_eq!(
        output(created),
        json!({ "templateArn": ARN, "templateName": "Fleet", "defaultVersionId": 1 })
    );
    let mut expected = json!({
        "templateArn": ARN,
        "templateName": "Fleet",
        "creationDate": 1_800_000_000.053,
        "lastModifiedDate": 1_800_000_000.053,
        "defaultVersionId": 1,
        "templateBody": BODY,
        "enabled": false,
        "provisioningRoleArn": ROLE,
        "type": "FLEET_PROVISIONING",
    });
    assert_eq!(describe(&registry), expected);

    let hook = json!({ "targetArn": HOOK });
    update(
        &mut registry,
        json!({ "description": "lamps", "enabled": true, "preProvisioningHook": hook }),
    )
    .unwrap();
    let changes = json!({
        "description": "lamps",
        "enabled": true,
        "lastModifiedDate": 1_800_000_001.053,
        "preProvisioningHook": { "payloadVersion": "2020-04-01", "targetArn": HOOK },
    });
    expected.as_object_mut().unwrap().extend(changes.as_object().unwrap().clone());
    assert_eq!(describe(&registry), expected, "PT-29: the version is filled in");
    update(&mut registry, json!({ "removePreProvisioningHook": true })).unwrap();
    assert_eq!(describe(&registry).get("preProvisioningHook"), None);

    let second = json!({ "templateName": "Second", "type": "JITP" });
    create(&mut registry, &fleet(second)).unwrap();
    let list = |json: Value| output(registry.list_provisioning_templates(input(json)).unwrap());
    let first = list(json!({ "maxResults": 1 }));
    assert_eq!(
        first["templates"],
        json!([{
            "templateArn": ARN,
            "templateName": "Fleet",
            "creationDate": 1_800_000_000.053,
            "lastModifiedDate": 1_800_000_001.053,
            "enabled": true,
            "type": "FLEET_PROVISIONING",
        }])
    );
    let rest = list(json!({ "nextToken": first["nextToken"] }));
    assert_eq!(rest["templates"][0]["templateName"], "Second");
    assert_eq!(rest["templates"][0]["type"], "JITP");
    assert_eq!(rest.get("nextToken"), None);
}

#[test]
fn pt_21_to_30_what_is_refused_when_a_template_is_made() {
    let body = |body: &str| fleet(json!({ "templateBody": body }));
    let hook = |hook: Value| fleet(json!({ "preProvisioningHook": hook }));
    let other = "arn:aws:lambda:eu-west-1:123456789012:function:other";
    let abroad = "arn:aws:lambda:us-east-1:123456789012:function:hook";
    let invalid = "400 InvalidRequestException: ";
    let table = [
        ("PT-21", body("nonsense"), "The template body is invalid"),
        (
            "PT-26",
            body(&BODY.replace("Active", "Pending")),
            "The template body is invalid: A certificate resource must specify a Status of either \
             \"Active\" or \"Inactive\"",
        ),
        (
            "the role",
            fleet(json!({ "provisioningRoleArn": "the role of provisioning" })),
            "Invalid provisioningRoleArn: the role of provisioning",
        ),
        (
            "PT-28",
            fleet(json!({ "type": "JITP", "preProvisioningHook": { "targetArn": HOOK } })),
            "Provisioning hook is not supported for template type: JITP",
        ),
        (
            "PT-29",
            hook(json!({ "targetArn": HOOK, "payloadVersion": "2020-04-02" })),
            "The hook version cannot be supported by AWS Iot, the supported versions are: \
             [2020-04-01]",
        ),
        ("PT-30", hook(json!({ "targetArn": "hook" })), "Invalid arguments in the call"),
        ("PT-30", hook(json!({ "targetArn": ARN })), "Invalid arguments in the call"),
        ("PT-30", hook(json!({ "targetArn": abroad })), "Invalid arguments in the call"),
        (
            "PT-30",
            hook(json!({ "targetArn": other })),
            "Access denied during lambda validation: \
             arn:aws:lambda:eu-west-1:123456789012:function:other",
        ),
    ];
    let mut registry = registry();
    for (row, json, text) in table {
        assert_eq!(outcome(&create(&mut registry, &json)), format!("{invalid}{text}"), "{row}");
    }
    create(&mut registry, &fleet(json!({}))).unwrap();
    let again = create(&mut registry, &fleet(json!({})));
    assert_eq!(
        outcome(&again),
        "409 ResourceAlreadyExistsException: Template with name Fleet already exists",
        "PT-27"
    );
}

#[test]
fn pt_31_a_template_that_does_not_exist() {
    let mut registry = registry();
    let name = json!({ "templateName": "Fleet" });
    let version = json!({ "templateName": "Fleet", "versionId": 1 });
    let body = json!({ "templateName": "Fleet", "templateBody": BODY });
    let answers = [
        outcome(&registry.describe_provisioning_template(input(name.clone()))),
        outcome(&update(&mut registry, json!({}))),
        outcome(&registry.create_provisioning_template_version(input(body), NOW)),
        outcome(&registry.delete_provisioning_template_version(input(version.clone()))),
        outcome(&registry.describe_provisioning_template_version(input(version))),
        outcome(&registry.list_provisioning_template_versions(input(name.clone()))),
        outcome(&registry.delete_provisioning_template(input(name))),
    ];
    let texts = [
        "Unable to find template named Fleet",
        "Unable to find template named Fleet",
        "Unable to find template named Fleet",
        "Unable to find template named Fleet",
        "Unable to find a template named Fleet",
        "Template named Fleet not found",
        "Unable to delete template, template not found",
    ];
    for (answer, text) in answers.iter().zip(texts) {
        assert_eq!(*answer, format!("404 ResourceNotFoundException: {text}"));
    }
}

#[test]
fn pt_32_and_35_versions_count_up_and_are_never_used_again() {
    let mut registry = with_template(json!({}));
    for expected in 2..=5 {
        assert_eq!(version(&mut registry, json!({})), Ok(expected));
    }
    assert_eq!(
        outcome(&version(&mut registry, json!({}))),
        "409 VersionsLimitExceededException: Can't create a template version for the template \
         Fleet, the maximum number of template versions has been reached"
    );
    let delete = |registry: &mut Registry, id: i64| {
        let json = json!({ "templateName": "Fleet", "versionId": id });
        outcome(&registry.delete_provisioning_template_version(input(json)))
    };
    assert_eq!(
        delete(&mut registry, 1),
        "400 InvalidRequestException: Unable to delete template version 1, it is the default \
         version"
    );
    assert_eq!(delete(&mut registry, 5), "200");
    assert!(delete(&mut registry, 5).starts_with("404 ResourceNotFoundException: "));
    let inactive = BODY.replace("Active", "Inactive");
    let more = json!({ "setAsDefault": true, "templateBody": inactive });
    assert_eq!(version(&mut registry, more), Ok(6), "5 is not used again");
    let described = describe(&registry);
    assert_eq!(described["defaultVersionId"], 6);
    assert_eq!(described["templateBody"], inactive);

    let missing = update(&mut registry, json!({ "defaultVersionId": 5, "enabled": true }));
    assert_eq!(
        outcome(&missing),
        "400 InvalidRequestException: Unable to set version 5 as the default, version does not \
         exist"
    );
    assert_eq!(describe(&registry)["enabled"], false, "nothing of the request counts");
    update(&mut registry, json!({ "defaultVersionId": 2 })).unwrap();

    let json = json!({ "templateName": "Fleet", "maxResults": 1 });
    let list = output(registry.list_provisioning_template_versions(input(json)).unwrap());
    let versions: Vec<_> = list["versions"].as_array().unwrap().iter().collect();
    let ids: Vec<_> = versions.iter().map(|version| version["versionId"].as_i64()).collect();
    assert_eq!(ids, [1, 2, 3, 4, 6].map(Some), "PT-35");
    assert_eq!(list.get("nextToken"), None, "PT-35");
    let default: Vec<_> = versions.iter().map(|version| &version["isDefaultVersion"]).collect();
    assert_eq!(default, [false, true, false, false, false]);
    let json = json!({ "templateName": "Fleet", "versionId": 6 });
    let described = registry.describe_provisioning_template_version(input(json)).unwrap();
    assert_eq!(
        output(described),
        json!({
            "versionId": 6,
            "creationDate": 1_800_000_000.053,
            "templateBody": inactive,
            "isDefaultVersion": false,
        })
    );
}

#[test]
fn pt_28_and_30_an_update_follows_the_rules_of_hooks() {
    let mut registry = with_template(json!({ "type": "JITP" }));
    let hook = json!({ "targetArn": HOOK });
    assert_eq!(
        outcome(&update(&mut registry, json!({ "preProvisioningHook": hook }))),
        "400 InvalidRequestException: Provisioning hook is not supported for template type: JITP"
    );
    let mut registry = with_template(json!({}));
    let both = json!({ "preProvisioningHook": hook, "removePreProvisioningHook": true });
    assert!(outcome(&update(&mut registry, both)).starts_with("400 InvalidRequestException: "));
    assert_eq!(describe(&registry).get("preProvisioningHook"), None);
}

#[test]
fn ca_14_and_27_a_ca_certificate_names_a_template_of_the_type_jitp() {
    let mut registry = with_template(json!({ "type": "JITP" }));
    create(&mut registry, &fleet(json!({ "templateName": "Other" }))).unwrap();
    let ca = CertificateAuthority::new("Acme");
    let config = |name: &str| json!({ "registrationConfig": { "templateName": name } });
    register_ca(&mut registry, &ca, config("Fleet"));
    let id = ca.certificate_id().to_string();
    let change = |registry: &mut Registry, name: &str| {
        let mut json = config(name);
        json["certificateId"] = json!(id);
        outcome(&registry.update_ca_certificate(input(json), NOW))
    };
    assert_eq!(
        change(&mut registry, "None"),
        "404 ResourceNotFoundException: Unable to find template named None"
    );
    assert_eq!(
        change(&mut registry, "Other"),
        "400 InvalidRequestException: The template Other has the type FLEET_PROVISIONING, not JITP"
    );
    let json = json!({ "certificateId": id });
    let described = output(registry.describe_ca_certificate(input(json)).unwrap());
    assert_eq!(described["registrationConfig"], json!({ "templateName": "Fleet" }));

    register_ca(&mut registry, &CertificateAuthority::new("Another"), json!({}));
    let listed = |name: &str| {
        let json = json!({ "templateName": name });
        let list = registry.list_ca_certificates(input(json)).unwrap().certificates;
        list.iter().map(|ca| ca.certificate_id.to_string()).collect::<Vec<_>>()
    };
    assert_eq!(listed("Fleet"), std::slice::from_ref(&id));
    assert_eq!(listed("Other"), [""; 0]);

    let delete = |registry: &mut Registry| {
        let json = json!({ "templateName": "Fleet" });
        outcome(&registry.delete_provisioning_template(input(json)))
    };
    assert_eq!(
        delete(&mut registry),
        format!(
            "409 DeleteConflictException: Unable to delete template Fleet, it is used by the CA \
             certificate {id}"
        )
    );
    let json = json!({ "certificateId": id, "removeAutoRegistration": true });
    registry.update_ca_certificate(input(json), NOW).unwrap();
    assert_eq!(delete(&mut registry), "200");
    let tags = json!([{ "Key": "a", "Value": "b" }]);
    create(&mut registry, &fleet(json!({ "tags": tags }))).expect("the name is free again");
}
