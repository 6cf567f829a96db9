//! Deployments: what a stage answers with, and `CreateDeployment`.
//!
//! A stage answers with the routes of its deployment, not with those of the API. A stage that
//! deploys by itself gets a new deployment with every change.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::apis::{ApiState, iso_8601};
use super::integrations::Integration;
use super::refusals::{bad_request, not_found};
use super::route_key::RouteKey;
use super::{ApiGateway, Identifiers, State};
use crate::errors::ApiError;
use crate::time::Timestamp;

/// The routes of an API as they were deployed.
#[derive(Debug)]
pub(super) struct Deployed {
    pub(super) id: String,
    /// A route without a target leads nowhere.
    pub(super) routes: Vec<(RouteKey, Option<Integration>)>,
}

/// A deployment as AWS describes it.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Deployment {
    pub(crate) auto_deployed: bool,
    pub(crate) created_date: String,
    pub(crate) deployment_id: String,
    pub(crate) deployment_status: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) description: Option<String>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub(crate) struct CreateDeploymentRequest {
    pub(crate) api_id: String,
    pub(crate) description: Option<String>,
    pub(crate) stage_name: Option<String>,
}

impl ApiGateway {
    /// `CreateDeployment`: with `stageName`, that stage answers with it from now on.
    pub(crate) fn create_deployment(
        &self,
        input: CreateDeploymentRequest,
        now: Timestamp,
    ) -> Result<Deployment, ApiError> {
        let mut state = self.lock();
        let State { apis, identifiers, .. } = &mut *state;
        let api = apis.get_mut(&input.api_id);
        let api = api.ok_or_else(|| self.no_such_api(&input.api_id))?;
        //= https://github.com/mach-composer/mach-composer-cli/issues/42
        //# 400 BadRequestException: Unable to deploy API because no routes exist in this API
        if api.routes.is_empty() {
            return Err(bad_request("Unable to deploy API because no routes exist in this API"));
        }
        if let Some(stage) = &input.stage_name
            && !api.stages.contains_key(stage)
        {
            return Err(not_found("Stage", stage));
        }
        let deployed = Arc::new(api.snapshot(identifiers));
        api.deployments.insert(deployed.id.clone(), Arc::clone(&deployed));
        if let Some(stage) = input.stage_name.and_then(|name| api.stages.get_mut(&name)) {
            stage.deploy(Arc::clone(&deployed), now);
        }
        Ok(Deployment {
            auto_deployed: false,
            created_date: iso_8601(now),
            deployment_id: deployed.id.clone(),
            deployment_status: "DEPLOYED",
            description: input.description,
        })
    }

    fn no_such_api(&self, api_id: &str) -> ApiError {
        not_found("API", &format!("{}:{api_id}", self.scope().account))
    }
}

impl ApiState {
    /// The API as it is now.
    pub(super) fn snapshot(&self, identifiers: &mut Identifiers) -> Deployed {
        let routes = self.routes.values().map(|route| {
            let integration = route.integration_id().and_then(|id| self.integrations.get(id));
            (route.route_key.clone(), integration.cloned())
        });
        Deployed { id: identifiers.next(6), routes: routes.collect() }
    }
}

impl State {
    /// Brings a change of `api_id` to the stages that deploy by themselves.
    pub(super) fn deploy_changes(&mut self, api_id: &str, now: Timestamp) {
        let Some(api) = self.apis.get_mut(api_id) else { return };
        if !api.stages.values().any(|stage| stage.stage.auto_deploy) {
            return;
        }
        let deployed = Arc::new(api.snapshot(&mut self.identifiers));
        for stage in api.stages.values_mut().filter(|stage| stage.stage.auto_deploy) {
            stage.deploy(Arc::clone(&deployed), now);
        }
    }
}
