//! Stages: `CreateStage`, `GetStages`.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use super::apis::iso_8601;
use super::deployments::Deployed;
use super::integrations::ListOfApiRequest;
use super::page::{Page, page};
use super::refusals::{bad_request, conflict, not_found, refuse_members};
use super::{ApiGateway, State};
use crate::errors::ApiError;
use crate::names::Scope;
use crate::time::Timestamp;

/// A stage and the deployment that it answers with.
pub(super) struct StageState {
    pub(super) stage: Stage,
    pub(super) deployed: Option<Arc<Deployed>>,
}

/// A stage as AWS describes it.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Stage {
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub(crate) api_gateway_managed: bool,
    pub(crate) auto_deploy: bool,
    pub(crate) created_date: String,
    pub(crate) default_route_settings: Value,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) deployment_id: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) description: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) last_deployment_status_message: Option<String>,
    pub(crate) last_updated_date: String,
    pub(crate) route_settings: Map<String, Value>,
    pub(crate) stage_name: String,
    pub(crate) stage_variables: BTreeMap<String, String>,
    pub(crate) tags: BTreeMap<String, String>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub(crate) struct CreateStageRequest {
    pub(crate) access_log_settings: Option<Value>,
    pub(crate) api_id: String,
    pub(crate) auto_deploy: Option<bool>,
    pub(crate) client_certificate_id: Option<Value>,
    pub(crate) default_route_settings: Option<Value>,
    pub(crate) deployment_id: Option<String>,
    pub(crate) description: Option<String>,
    pub(crate) route_settings: Option<Value>,
    pub(crate) stage_name: String,
    pub(crate) stage_variables: BTreeMap<String, String>,
    pub(crate) tags: BTreeMap<String, String>,
}

impl ApiGateway {
    /// `CreateStage`.
    pub(crate) fn create_stage(
        &self,
        input: CreateStageRequest,
        now: Timestamp,
    ) -> Result<Stage, ApiError> {
        self.lock().add_stage(self.scope(), input, false, now)
    }

    /// `GetStages`.
    pub(crate) fn get_stages(&self, input: ListOfApiRequest) -> Result<Page<Stage>, ApiError> {
        let state = self.lock();
        let api = state.api(self.scope(), &input.api_id)?;
        let items = api.stages.values().map(|stage| stage.stage.clone()).collect();
        page(items, input.max_results.as_ref(), input.next_token.as_deref())
    }
}

impl State {
    pub(super) fn add_stage(
        &mut self,
        scope: &Scope,
        input: CreateStageRequest,
        managed: bool,
        now: Timestamp,
    ) -> Result<Stage, ApiError> {
        let api = self.api(scope, &input.api_id)?;
        check(&input)?;
        if api.stages.contains_key(&input.stage_name) {
            return Err(conflict("Stage already exists"));
        }
        let given = match &input.deployment_id {
            Some(id) => Some(api.deployment(id).ok_or_else(|| not_found("Deployment", id))?),
            None => None,
        };
        let stage = Stage {
            api_gateway_managed: managed,
            auto_deploy: input.auto_deploy.unwrap_or(false),
            created_date: iso_8601(now),
            default_route_settings: json!({ "detailedMetricsEnabled": false }),
            deployment_id: None,
            description: input.description,
            last_deployment_status_message: None,
            last_updated_date: iso_8601(now),
            route_settings: Map::new(),
            stage_name: input.stage_name,
            stage_variables: input.stage_variables,
            tags: input.tags,
        };
        let State { apis, identifiers, .. } = self;
        let api = apis.get_mut(&input.api_id).expect("the API was found above");
        let deployed = match given {
            None if stage.auto_deploy => Some(Arc::new(api.snapshot(identifiers))),
            given => given,
        };
        let mut stage = StageState { stage, deployed: None };
        if let Some(deployed) = deployed {
            stage.deploy(deployed, now);
        }
        let answer = stage.stage.clone();
        api.stages.insert(answer.stage_name.clone(), stage);
        Ok(answer)
    }
}

impl super::apis::ApiState {
    fn deployment(&self, id: &str) -> Option<Arc<Deployed>> {
        let current = self.stages.values().filter_map(|stage| stage.deployed.as_ref());
        let mut all = self.deployments.values().chain(current);
        all.find(|deployed| deployed.id == id).cloned()
    }
}

impl StageState {
    /// Makes the stage answer with `deployed`.
    pub(super) fn deploy(&mut self, deployed: Arc<Deployed>, now: Timestamp) {
        //= https://docs.aws.amazon.com/cli/latest/reference/apigatewayv2/get-stages.html
        //# lastDeploymentStatusMessage of a stage that deploys by itself
        if self.stage.auto_deploy {
            self.stage.last_deployment_status_message =
                Some(format!("Successfully deployed stage with deployment ID '{}'", deployed.id));
        }
        self.stage.deployment_id = Some(deployed.id.clone());
        self.stage.last_updated_date = iso_8601(now);
        self.deployed = Some(deployed);
    }
}

fn check(input: &CreateStageRequest) -> Result<(), ApiError> {
    //= https://docs.aws.amazon.com/apigateway/latest/developerguide/http-api-stages.html
    //# a stage name has letters, digits, hyphens and underscores, at most 128, or is `$default`
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_');
    let name = &input.stage_name;
    let named = (1..=128).contains(&name.len()) && name.bytes().all(plain);
    if !named && name != "$default" {
        return Err(bad_request(
            "Stage name only allows a-zA-Z0-9_- characters, at most 128, or $default",
        ));
    }
    //= https://docs.aws.amazon.com/apigatewayv2/latest/api-reference/apis-apiid-stages.html
    //# names of stage variables have letters, digits and underscores; values match
    //# [A-Za-z0-9-._~:/?#&=,]+
    let variable = |(name, value): (&String, &String)| {
        let value_byte = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~:/?#&=,".contains(&byte);
        name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
            && !name.is_empty()
            && !value.is_empty()
            && value.bytes().all(value_byte)
    };
    if !input.stage_variables.iter().all(variable) {
        return Err(bad_request("Invalid stage variable"));
    }
    let is_set = |value: &Option<Value>| {
        value.as_ref().is_some_and(|value| !value.as_object().is_some_and(Map::is_empty))
    };
    refuse_members(&[
        ("accessLogSettings", is_set(&input.access_log_settings)),
        ("clientCertificateId", input.client_certificate_id.is_some()),
        ("defaultRouteSettings", is_set(&input.default_route_settings)),
        ("routeSettings", is_set(&input.route_settings)),
    ])
}
