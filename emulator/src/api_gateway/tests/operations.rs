//! The operations of `apigatewayv2`, by the JSON of the AWS CLI.

use super::*;

const FUNCTION: &str = "arn:aws:lambda:us-east-1:123456789012:function:sample";

#[test]
fn quick_create_makes_all_that_an_api_needs() {
    let Bench { gateway, .. } = bench();
    let input = json!({
        "name": "sample", "protocolType": "HTTP", "routeKey": "GET /sample", "target": FUNCTION,
    });
    let api = ok!(gateway, create_api, input);
    let id = text(&api, "apiId");
    assert_eq!(id.len(), 10);
    assert_eq!(
        api,
        json!({
            "apiEndpoint": format!("https://{id}.execute-api.us-east-1.amazonaws.com"),
            "apiId": id,
            "apiKeySelectionExpression": "$request.header.x-api-key",
            "createdDate": "2020-09-13T12:26:40Z",
            "disableExecuteApiEndpoint": false,
            "ipAddressType": "ipv4",
            "name": "sample",
            "protocolType": "HTTP",
            "routeSelectionExpression": "$request.method $request.path",
            "tags": {},
        })
    );
    let api_id = json!({ "apiId": id });
    let integration = got!(gateway, get_integrations, (api_id.clone()))["items"][0].clone();
    assert_eq!(integration["payloadFormatVersion"], "2.0");
    assert_eq!(integration["integrationUri"], FUNCTION);
    assert_eq!(integration["apiGatewayManaged"], true);
    let route = got!(gateway, get_routes, (api_id.clone()))["items"][0].clone();
    assert_eq!(route["routeKey"], "GET /sample");
    let target = format!("integrations/{}", text(&integration, "integrationId"));
    assert_eq!(text(&route, "target"), target);
    let stage = got!(gateway, get_stages, (api_id.clone()))["items"][0].clone();
    assert_eq!((text(&stage, "stageName"), &stage["autoDeploy"]), ("$default", &json!(true)));
    let deployment = text(&stage, "deploymentId");
    assert_eq!(
        text(&stage, "lastDeploymentStatusMessage"),
        format!("Successfully deployed stage with deployment ID '{deployment}'")
    );
    assert_eq!(got!(gateway, get_api, (api_id.clone())), api);
    assert_eq!(got!(gateway, get_apis, {})["items"], json!([api]));
    assert_eq!(ok!(gateway, delete_api, (api_id.clone())), Value::Null);
    assert_eq!(
        not_got!(gateway, get_api, api_id),
        format!("NotFoundException: Invalid API identifier specified {ACCOUNT}:{id}")
    );
}

#[test]
fn a_quick_create_that_is_refused_leaves_nothing() {
    let Bench { gateway, .. } = bench();
    let refusals = [
        (json!({"target": "https://example.com"}), "HTTP_PROXY"),
        (json!({"target": "sample"}), "Invalid integrationUri sample"),
        (json!({"target": FUNCTION, "routeKey": "sample"}), "route key is not formatted"),
        (json!({"routeKey": "GET /"}), "A target is required"),
        (json!({"corsConfiguration": {}}), "corsConfiguration is not done"),
        (json!({"protocolType": "WEBSOCKET"}), "protocolType WEBSOCKET is not done"),
        (json!({"protocolType": "FTP"}), "Must be one of [HTTP, WEBSOCKET]"),
        (json!({"name": ""}), "Invalid name"),
    ];
    for (members, expected) in refusals {
        let mut input = json!({ "name": "sample", "protocolType": "HTTP" });
        input.as_object_mut().unwrap().extend(members.as_object().unwrap().clone());
        let error = refused!(gateway, create_api, input);
        assert!(error.starts_with("BadRequestException: ") && error.contains(expected), "{error}");
    }
    assert_eq!(got!(gateway, get_apis, {})["items"], json!([]));
}

#[test]
fn an_unknown_member_is_an_error() {
    let input = json!({ "name": "sample", "protocolTyp": "HTTP" });
    let error = serde_json::from_value::<super::super::apis::CreateApiRequest>(input).unwrap_err();
    assert!(error.to_string().contains("protocolTyp"));
}

#[test]
fn an_api_is_put_together_step_by_step() {
    let Bench { gateway, .. } = bench();
    let api = ok!(gateway, create_api, { "name": "sample", "protocolType": "HTTP" });
    let id = text(&api, "apiId");
    let uri = format!(
        "arn:aws:apigateway:us-east-1:lambda:path/2015-03-31/functions/{FUNCTION}/invocations"
    );
    let integration = ok!(gateway, create_integration, {
        "apiId": id, "integrationType": "AWS_PROXY", "integrationUri": uri,
        "payloadFormatVersion": "1.0", "integrationMethod": "POST", "timeoutInMillis": 5000,
    });
    let integration_id = text(&integration, "integrationId");
    assert_eq!(
        integration,
        json!({
            "connectionType": "INTERNET", "integrationId": integration_id,
            "integrationMethod": "POST", "integrationType": "AWS_PROXY", "integrationUri": uri,
            "payloadFormatVersion": "1.0", "timeoutInMillis": 5000,
        })
    );
    let target = format!("integrations/{integration_id}");
    let route = ok!(gateway, create_route, {
        "apiId": id, "routeKey": "ANY /{proxy+}", "target": target,
    });
    assert_eq!(
        route,
        json!({
            "apiKeyRequired": false, "authorizationType": "NONE", "routeId": text(&route, "routeId"),
            "routeKey": "ANY /{proxy+}", "target": target,
        })
    );
    assert_eq!(
        refused!(gateway, create_route, { "apiId": id, "routeKey": "ANY /{proxy+}" }),
        "ConflictException: Route with key ANY /{proxy+} already exists for this API"
    );
    let deployment = ok!(gateway, create_deployment, { "apiId": id });
    assert_eq!(deployment["deploymentStatus"], "DEPLOYED");
    let stage = ok!(gateway, create_stage, {
        "apiId": id, "stageName": "dev", "deploymentId": deployment["deploymentId"],
        "stageVariables": { "table": "dev-1" },
    });
    assert_eq!(stage["deploymentId"], deployment["deploymentId"]);
    assert_eq!(stage["stageVariables"]["table"], "dev-1");
    assert_eq!(
        refused!(gateway, create_stage, { "apiId": id, "stageName": "dev" }),
        "ConflictException: Stage already exists"
    );
    let route_id = text(&route, "routeId");
    assert_eq!(ok!(gateway, delete_route, { "apiId": id, "routeId": route_id }), Value::Null);
    assert_eq!(
        refused!(gateway, delete_route, { "apiId": id, "routeId": route_id }),
        format!("NotFoundException: Invalid Route identifier specified {route_id}")
    );
}

#[test]
fn what_is_not_done_or_not_right_is_refused() {
    let Bench { gateway, .. } = bench();
    let api = ok!(gateway, create_api, { "name": "sample", "protocolType": "HTTP" });
    let id = text(&api, "apiId");
    let integration = |members: Value| {
        let mut input = json!({
            "apiId": id, "integrationType": "AWS_PROXY", "integrationUri": FUNCTION,
            "payloadFormatVersion": "2.0",
        });
        input.as_object_mut().unwrap().extend(members.as_object().unwrap().clone());
        refused!(gateway, create_integration, input)
    };
    let table = [
        (
            integration(json!({"integrationType": "HTTP_PROXY"})),
            "integrationType HTTP_PROXY is not done",
        ),
        (integration(json!({"integrationType": "MOCK"})), "protocol type of HTTP may only be"),
        (integration(json!({"integrationType": "X"})), "Invalid integration type"),
        (integration(json!({"connectionType": "VPC_LINK"})), "VPC_LINK"),
        (integration(json!({"requestParameters": {"a": "b"}})), "requestParameters"),
        (integration(json!({"payloadFormatVersion": null})), "payloadFormatVersion is a required"),
        (integration(json!({"payloadFormatVersion": "3.0"})), "1.0 and 2.0"),
        (integration(json!({"timeoutInMillis": 30001})), "between 50 ms and 30000 ms"),
        (integration(json!({"apiId": "none"})), "Invalid API identifier specified"),
        (
            refused!(gateway, create_route, {
                "apiId": id, "routeKey": "GET /", "authorizationType": "JWT",
            }),
            "authorizationType JWT",
        ),
        (
            refused!(gateway, create_route, {
                "apiId": id, "routeKey": "GET /", "target": "integrations/none",
            }),
            "Invalid Integration identifier specified none",
        ),
        (refused!(gateway, create_deployment, { "apiId": id }), "no routes exist in this API"),
        (refused!(gateway, create_stage, { "apiId": id, "stageName": "a b" }), "Stage name only"),
        (
            refused!(gateway, create_stage, {
                "apiId": id, "stageName": "a", "accessLogSettings": { "format": "x" },
            }),
            "accessLogSettings",
        ),
        (
            refused!(gateway, create_stage, { "apiId": id, "stageName": "a", "deploymentId": "b" }),
            "Invalid Deployment identifier specified b",
        ),
        (not_got!(gateway, get_routes, { "apiId": "none" }), "Invalid API identifier"),
        (not_got!(gateway, get_stages, { "apiId": id, "maxResults": "x" }), "maxResults"),
    ];
    for (error, expected) in table {
        assert!(error.contains(expected), "{error} / {expected}");
    }
}

#[test]
fn equal_seeds_give_equal_identifiers() {
    let id = || {
        let Bench { gateway, .. } = bench();
        ok!(gateway, create_api, { "name": "a", "protocolType": "HTTP" })["apiId"].clone()
    };
    assert_eq!(id(), id());
    let Bench { gateway, .. } = bench();
    let mut ids = std::collections::BTreeSet::new();
    for _ in 0..100 {
        let api = ok!(gateway, create_api, { "name": "a", "protocolType": "HTTP" });
        assert!(ids.insert(text(&api, "apiId").to_owned()));
    }
    gateway.clear();
    assert_eq!(got!(gateway, get_apis, {})["items"], json!([]));
}

#[test]
fn a_mapped_api_stays_until_its_mapping_is_gone() {
    let Bench { gateway, .. } = bench();
    let api = ok!(gateway, create_api, {
        "name": "sample", "protocolType": "HTTP", "target": FUNCTION,
    });
    let id = text(&api, "apiId");
    ok!(gateway, create_domain_name, {
        "domainName": "sample.example.com", "domainNameConfigurations": [{}],
    });
    let create = |members: Value| {
        let mut input = json!({
            "domainName": "sample.example.com", "apiId": id, "stage": "$default",
        });
        input.as_object_mut().unwrap().extend(members.as_object().unwrap().clone());
        call(ApiGateway::create_api_mapping, &gateway, input)
    };
    let mapping = create(json!({})).unwrap();
    assert_eq!(mapping["apiMappingKey"], "");
    assert_eq!(
        create(json!({"apiMappingKey": "orders/v1"})).unwrap()["apiMappingKey"],
        "orders/v1"
    );
    let table = [
        (json!({}), "ConflictException: ApiMapping key already exists for this domain name"),
        (json!({"stage": "dev"}), "BadRequestException: Invalid stage identifier specified"),
        (json!({"apiId": "none"}), "NotFoundException: Invalid API identifier specified"),
        (json!({"domainName": "x.y"}), "NotFoundException: Invalid domain name identifier"),
        (json!({"apiMappingKey": "a b"}), "BadRequestException: API mapping key"),
        (json!({"apiMappingKey": "/a"}), "BadRequestException: API mapping key"),
        (json!({"apiMappingKey": "a".repeat(301)}), "BadRequestException: API mapping key"),
    ];
    for (members, expected) in table {
        let mut members = members;
        let keyed = members.get("apiMappingKey").is_some() || members == json!({});
        if !keyed {
            members["apiMappingKey"] = json!("other");
        }
        let error = create(members).unwrap_err().to_string();
        assert!(error.starts_with(expected), "{error}");
    }
    assert!(refused!(gateway, delete_api, { "apiId": id }).contains("remove all API mappings"));
    let list = got!(gateway, get_api_mappings, { "domainName": "sample.example.com" });
    for mapping in list["items"].as_array().unwrap() {
        let input = json!({
            "domainName": "sample.example.com", "apiMappingId": mapping["apiMappingId"],
        });
        ok!(gateway, delete_api_mapping, input);
    }
    ok!(gateway, delete_api, { "apiId": id });
}
