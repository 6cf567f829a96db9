//! Routes: `CreateRoute`, `GetRoutes`, `DeleteRoute`.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::integrations::ListOfApiRequest;
use super::page::{Page, page};
use super::refusals::{bad_request, conflict, not_done, not_found, refuse_members};
use super::route_key::RouteKey;
use super::{ApiGateway, State};
use crate::errors::ApiError;
use crate::names::Scope;
use crate::time::Timestamp;

/// A route as AWS describes it.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Route {
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub(crate) api_gateway_managed: bool,
    pub(crate) api_key_required: bool,
    pub(crate) authorization_type: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) operation_name: Option<String>,
    pub(crate) route_id: String,
    pub(crate) route_key: RouteKey,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) target: Option<String>,
}

impl Route {
    /// The integration that the route leads to.
    pub(super) fn integration_id(&self) -> Option<&str> {
        self.target.as_deref()?.strip_prefix("integrations/")
    }
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub(crate) struct CreateRouteRequest {
    pub(crate) api_id: String,
    pub(crate) api_key_required: Option<bool>,
    pub(crate) authorization_scopes: Option<Value>,
    pub(crate) authorization_type: Option<String>,
    pub(crate) authorizer_id: Option<Value>,
    pub(crate) model_selection_expression: Option<Value>,
    pub(crate) operation_name: Option<String>,
    pub(crate) request_models: Option<Value>,
    pub(crate) request_parameters: Option<Value>,
    pub(crate) route_key: String,
    pub(crate) route_response_selection_expression: Option<Value>,
    pub(crate) target: Option<String>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct DeleteRouteRequest {
    pub(crate) api_id: String,
    pub(crate) route_id: String,
}

impl ApiGateway {
    /// `CreateRoute`.
    pub(crate) fn create_route(
        &self,
        input: CreateRouteRequest,
        now: Timestamp,
    ) -> Result<Route, ApiError> {
        self.lock().add_route(self.scope(), input, false, now)
    }

    /// `GetRoutes`.
    pub(crate) fn get_routes(&self, input: ListOfApiRequest) -> Result<Page<Route>, ApiError> {
        let state = self.lock();
        let api = state.api(self.scope(), &input.api_id)?;
        let items = api.routes.values().cloned().collect();
        page(items, input.max_results.as_ref(), input.next_token.as_deref())
    }

    /// `DeleteRoute`.
    pub(crate) fn delete_route(
        &self,
        input: DeleteRouteRequest,
        now: Timestamp,
    ) -> Result<(), ApiError> {
        let mut state = self.lock();
        let api = state.api_mut(self.scope(), &input.api_id)?;
        let removed = api.routes.remove(&input.route_id);
        removed.ok_or_else(|| not_found("Route", &input.route_id))?;
        state.deploy_changes(&input.api_id, now);
        Ok(())
    }
}

impl State {
    pub(super) fn add_route(
        &mut self,
        scope: &Scope,
        input: CreateRouteRequest,
        managed: bool,
        now: Timestamp,
    ) -> Result<Route, ApiError> {
        let api = self.api(scope, &input.api_id)?;
        refuse(&input)?;
        //= https://github.com/goldstack/goldstack/issues/42
        //# 400 BadRequestException: Route key is required
        if input.route_key.is_empty() {
            return Err(bad_request("Route key is required"));
        }
        let route_key = RouteKey::parse(&input.route_key).map_err(bad_request)?;
        for existing in api.routes.values() {
            check_conflict(&route_key, &existing.route_key)?;
        }
        let route = Route {
            api_gateway_managed: managed,
            api_key_required: false,
            authorization_type: "NONE",
            operation_name: input.operation_name,
            route_id: String::new(),
            route_key,
            target: input.target,
        };
        if let Some(target) = &route.target {
            let id = route.integration_id();
            if !id.is_some_and(|id| api.integrations.contains_key(id)) {
                return Err(not_found("Integration", id.unwrap_or(target)));
            }
        }
        let route = Route { route_id: self.identifiers.next(7), ..route };
        let api = self.api_mut(scope, &input.api_id)?;
        api.routes.insert(route.route_id.clone(), route.clone());
        self.deploy_changes(&input.api_id, now);
        Ok(route)
    }
}

fn refuse(input: &CreateRouteRequest) -> Result<(), ApiError> {
    if let Some(kind) = input.authorization_type.as_deref().filter(|kind| *kind != "NONE") {
        return Err(not_done(&format!("authorizationType {kind}")));
    }
    refuse_members(&[
        ("apiKeyRequired", input.api_key_required.unwrap_or(false)),
        ("authorizationScopes", input.authorization_scopes.is_some()),
        ("authorizerId", input.authorizer_id.is_some()),
        ("modelSelectionExpression", input.model_selection_expression.is_some()),
        ("requestModels", input.request_models.is_some()),
        ("requestParameters", input.request_parameters.is_some()),
        ("routeResponseSelectionExpression", input.route_response_selection_expression.is_some()),
    ])
}

//= https://github.com/anomalyco/sst/issues/5031
//# 409 ConflictException: Route with key ANY /{proxy+} already exists for this API
//= https://github.com/plutomi/plutomi/issues/271
//# 409 ConflictException: The provided route key "…" has a conflicting variable on the same
//# hierarchical level as "…"
fn check_conflict(new: &RouteKey, existing: &RouteKey) -> Result<(), ApiError> {
    if new == existing {
        return Err(conflict(format!("Route with key {new} already exists for this API")));
    }
    if new.conflicts_with(existing) {
        return Err(conflict(format!(
            "The provided route key \"{new}\" has a conflicting variable on the same hierarchical \
             level as \"{existing}\""
        )));
    }
    Ok(())
}
