//! HTTP APIs: `CreateApi` with its quick create, `GetApi`, `GetApis`, `DeleteApi`.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::deployments::Deployed;
use super::integrations::{CreateIntegrationRequest, Integration};
use super::page::{MaxResults, Page, page};
use super::refusals::{bad_request, not_done, not_found, refuse_members};
use super::routes::{CreateRouteRequest, Route};
use super::stages::{CreateStageRequest, StageState};
use super::{ApiGateway, State};
use crate::errors::ApiError;
use crate::names::Scope;
use crate::time::Timestamp;

/// One API and all that belongs to it.
pub(super) struct ApiState {
    pub(super) api: Api,
    pub(super) integrations: BTreeMap<String, Integration>,
    pub(super) routes: BTreeMap<String, Route>,
    pub(super) stages: BTreeMap<String, StageState>,
    pub(super) deployments: BTreeMap<String, Arc<Deployed>>,
}

/// An API as AWS describes it.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Api {
    pub(crate) api_endpoint: String,
    pub(crate) api_id: String,
    pub(crate) api_key_selection_expression: &'static str,
    pub(crate) created_date: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) description: Option<String>,
    pub(crate) disable_execute_api_endpoint: bool,
    pub(crate) ip_address_type: String,
    pub(crate) name: String,
    pub(crate) protocol_type: &'static str,
    pub(crate) route_selection_expression: &'static str,
    pub(crate) tags: BTreeMap<String, String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) version: Option<String>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub(crate) struct CreateApiRequest {
    pub(crate) api_key_selection_expression: Option<Value>,
    pub(crate) cors_configuration: Option<Value>,
    pub(crate) credentials_arn: Option<String>,
    pub(crate) description: Option<String>,
    pub(crate) disable_schema_validation: Option<Value>,
    pub(crate) disable_execute_api_endpoint: Option<bool>,
    pub(crate) ip_address_type: Option<String>,
    pub(crate) name: String,
    pub(crate) protocol_type: String,
    pub(crate) route_key: Option<String>,
    pub(crate) route_selection_expression: Option<String>,
    pub(crate) tags: BTreeMap<String, String>,
    pub(crate) target: Option<String>,
    pub(crate) version: Option<String>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct ApiRequest {
    pub(crate) api_id: String,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub(crate) struct GetApisRequest {
    pub(crate) max_results: Option<MaxResults>,
    pub(crate) next_token: Option<String>,
}

/// A time as `apigatewayv2` prints it, unlike AWS IoT: ISO 8601.
pub(super) fn iso_8601(now: Timestamp) -> String {
    now.format("%Y-%m-%dT%H:%M:%SZ")
}

const ROUTE_SELECTION: &str = "$request.method $request.path";

impl ApiGateway {
    /// `CreateApi`: with `target`, an integration, a route and the stage `$default` come with it.
    //= https://docs.aws.amazon.com/apigatewayv2/latest/api-reference/apis.html
    //# quick create makes an API with an integration, a catch-all route, and a default stage that
    //# deploys changes by itself; the payload format is 2.0
    pub(crate) fn create_api(
        &self,
        input: CreateApiRequest,
        now: Timestamp,
    ) -> Result<Api, ApiError> {
        check(&input)?;
        let mut state = self.lock();
        let api = new_api(&mut state, self.scope(), &input, now);
        let quick = input.target.map(|target| Quick {
            target,
            route_key: input.route_key.unwrap_or_else(|| "$default".to_owned()),
            credentials_arn: input.credentials_arn,
        });
        if let Some(quick) = quick
            && let Err(error) = self.quick_create(&mut state, &api.api_id, quick, now)
        {
            state.apis.remove(&api.api_id);
            return Err(error);
        }
        Ok(api)
    }

    fn quick_create(
        &self,
        state: &mut State,
        api_id: &str,
        quick: Quick,
        now: Timestamp,
    ) -> Result<(), ApiError> {
        if quick.target.starts_with("http://") || quick.target.starts_with("https://") {
            return Err(not_done("HTTP_PROXY, the integration with an HTTP URL,"));
        }
        let integration = CreateIntegrationRequest {
            api_id: api_id.to_owned(),
            integration_type: "AWS_PROXY".to_owned(),
            integration_uri: Some(quick.target),
            payload_format_version: Some("2.0".to_owned()),
            credentials_arn: quick.credentials_arn,
            ..CreateIntegrationRequest::default()
        };
        let integration = state.add_integration(self.scope(), integration, true, now)?;
        let route = CreateRouteRequest {
            api_id: api_id.to_owned(),
            route_key: quick.route_key,
            target: Some(format!("integrations/{}", integration.integration_id)),
            ..CreateRouteRequest::default()
        };
        state.add_route(self.scope(), route, true, now)?;
        let stage = CreateStageRequest {
            api_id: api_id.to_owned(),
            stage_name: "$default".to_owned(),
            auto_deploy: Some(true),
            ..CreateStageRequest::default()
        };
        state.add_stage(self.scope(), stage, true, now).map(drop)
    }

    /// `GetApi`.
    pub(crate) fn get_api(&self, input: ApiRequest) -> Result<Api, ApiError> {
        Ok(self.lock().api(self.scope(), &input.api_id)?.api.clone())
    }

    /// `GetApis`.
    pub(crate) fn get_apis(&self, input: GetApisRequest) -> Result<Page<Api>, ApiError> {
        let items = self.lock().apis.values().map(|state| state.api.clone()).collect();
        page(items, input.max_results.as_ref(), input.next_token.as_deref())
    }

    /// `DeleteApi`.
    pub(crate) fn delete_api(&self, input: ApiRequest, _now: Timestamp) -> Result<(), ApiError> {
        let mut state = self.lock();
        state.api(self.scope(), &input.api_id)?;
        let mapped = state.domain_names.values().any(|domain| domain.maps(&input.api_id));
        //? assumed: as for a REST API, whose base path mappings have to go first
        if mapped {
            return Err(bad_request(
                "Please remove all API mappings related to your domains before deleting your API.",
            ));
        }
        state.apis.remove(&input.api_id);
        Ok(())
    }
}

struct Quick {
    target: String,
    route_key: String,
    credentials_arn: Option<String>,
}

fn check(input: &CreateApiRequest) -> Result<(), ApiError> {
    match input.protocol_type.as_str() {
        "HTTP" => {}
        "WEBSOCKET" => return Err(not_done("protocolType WEBSOCKET")),
        //= https://github.com/getmoto/moto/blob/master/moto/apigatewayv2/exceptions.py
        //# the text for an unknown protocol
        _ => {
            return Err(bad_request(
                "Invalid protocol specified. Must be one of [HTTP, WEBSOCKET]",
            ));
        }
    }
    if !(1..=128).contains(&input.name.chars().count()) {
        return Err(bad_request("Invalid name: 1 to 128 characters are wanted"));
    }
    if input.route_selection_expression.as_deref().is_some_and(|given| {
        //= https://docs.aws.amazon.com/apigatewayv2/latest/api-reference/apis.html
        //# an HTTP API's routeSelectionExpression must be ${request.method} ${request.path}
        !matches!(given, ROUTE_SELECTION | "${request.method} ${request.path}")
    }) {
        return Err(bad_request(format!(
            "Invalid routeSelectionExpression: an HTTP API has {ROUTE_SELECTION}"
        )));
    }
    if input.route_key.is_some() && input.target.is_none() {
        return Err(bad_request("A target is required with a routeKey"));
    }
    refuse_members(&[
        ("apiKeySelectionExpression", input.api_key_selection_expression.is_some()),
        ("corsConfiguration", input.cors_configuration.is_some()),
        ("disableSchemaValidation", input.disable_schema_validation.is_some()),
    ])
}

fn new_api(state: &mut State, scope: &Scope, input: &CreateApiRequest, now: Timestamp) -> Api {
    let api_id = state.identifiers.next(10);
    let api = Api {
        api_endpoint: format!("https://{}", execute_api_host(scope, &api_id)),
        api_id: api_id.clone(),
        api_key_selection_expression: "$request.header.x-api-key",
        created_date: iso_8601(now),
        description: input.description.clone(),
        disable_execute_api_endpoint: input.disable_execute_api_endpoint.unwrap_or(false),
        ip_address_type: input.ip_address_type.clone().unwrap_or_else(|| "ipv4".to_owned()),
        name: input.name.clone(),
        protocol_type: "HTTP",
        route_selection_expression: ROUTE_SELECTION,
        tags: input.tags.clone(),
        version: input.version.clone(),
    };
    let kept = ApiState {
        api: api.clone(),
        integrations: BTreeMap::new(),
        routes: BTreeMap::new(),
        stages: BTreeMap::new(),
        deployments: BTreeMap::new(),
    };
    state.apis.insert(api_id, kept);
    api
}

/// The host name under which an API answers without a custom domain name.
pub(super) fn execute_api_host(scope: &Scope, api_id: &str) -> String {
    format!("{api_id}.execute-api.{}.amazonaws.com", scope.region)
}

impl State {
    //= https://github.com/localstack/localstack/blob/master/tests/aws/services/apigateway/test_apigateway_api.snapshot.json
    //# AWS names the account before the API: `Invalid API identifier specified 123456789012:abc`
    pub(super) fn api(&self, scope: &Scope, api_id: &str) -> Result<&ApiState, ApiError> {
        let missing = || not_found("API", &format!("{}:{api_id}", scope.account));
        self.apis.get(api_id).ok_or_else(missing)
    }

    pub(super) fn api_mut(
        &mut self,
        scope: &Scope,
        api_id: &str,
    ) -> Result<&mut ApiState, ApiError> {
        let missing = || not_found("API", &format!("{}:{api_id}", scope.account));
        self.apis.get_mut(api_id).ok_or_else(missing)
    }
}
