//! Which API, stage and route a request belongs to.

use std::sync::Arc;

use super::apis::ApiState;
use super::deployments::Deployed;
use super::domain_names::{Domain, LeadsTo};
use super::integrations::Integration;
use super::refused::Refused;
use super::route_key::{PathParameters, RouteKey, select};
use super::stages::{Stage, StageState};
use super::{ApiGateway, State, api_mappings};
use crate::http::Request;

/// The stage of a request.
pub(super) struct Found {
    pub(super) api_id: String,
    pub(super) stage: Stage,
    deployed: Arc<Deployed>,
    /// The key of the API mapping; empty for `(none)` and for default endpoints.
    pub(super) mapping_key: String,
    /// The path that the API sees, decoded.
    pub(super) path: String,
}

/// The route of a request.
pub(super) struct Routed {
    pub(super) route_key: RouteKey,
    pub(super) integration: Integration,
    pub(super) path_parameters: PathParameters,
}

impl ApiGateway {
    /// The stage that the request belongs to.
    pub(super) fn find(&self, domain: &Domain, request: &Request) -> Result<Found, Refused> {
        let path = decoded(request.uri.path());
        let state = self.lock();
        match &domain.leads_to {
            LeadsTo::Mappings => find_by_mapping(&state, domain, &path),
            LeadsTo::Api(api_id) => match state.apis.get(api_id) {
                //? assumed: a disabled default endpoint answers like a path that is not there
                Some(api) if api.api.disable_execute_api_endpoint => {
                    Err(Refused::not_found("the API's default endpoint is disabled".to_owned()))
                }
                Some(api) => find_by_stage(api, api_id, &path),
                None => Err(Refused::not_found(format!("the API {api_id} was deleted"))),
            },
        }
    }
}

//= https://github.com/hotsock/voker/pull/8
//# observed: HTTP APIs decode the path, in `rawPath` and in `path` of format 1.0
fn decoded(path: &str) -> String {
    let path = if path.is_empty() { "/" } else { path };
    percent_encoding::percent_decode_str(path).decode_utf8_lossy().into_owned()
}

fn find_by_mapping(state: &State, domain: &Domain, path: &str) -> Result<Found, Refused> {
    let kept = state.domain_names.get(&domain.name);
    let mappings = kept.into_iter().flat_map(|kept| kept.mappings.values());
    let Some((mapping, rest)) = api_mappings::select(mappings, path) else {
        //? assumed: no API mapping for the path is answered like a refusal
        let why = format!("no API mapping of {} matches {path:?}", domain.name);
        return Err(Refused::forbidden(why));
    };
    let api = state.apis.get(&mapping.api_id);
    let stage = api.and_then(|api| api.stages.get(&mapping.stage));
    let stage =
        stage.ok_or_else(|| Refused::not_found(format!("no stage {} is left", mapping.stage)))?;
    Ok(Found {
        api_id: mapping.api_id.clone(),
        deployed: deployed(stage)?,
        stage: stage.stage.clone(),
        mapping_key: mapping.api_mapping_key.clone(),
        path: rest.to_owned(),
    })
}

//= https://docs.aws.amazon.com/apigateway/latest/developerguide/http-api-develop-routes.html
//# the stage that the path names explicitly, else `$default`, else 404
fn find_by_stage(api: &ApiState, api_id: &str, path: &str) -> Result<Found, Refused> {
    let after = path.strip_prefix('/').unwrap_or(path);
    let (first, rest) = after
        .split_once('/')
        .map_or((after, "/".to_owned()), |(first, rest)| (first, format!("/{rest}")));
    let named = api.stages.get(first).filter(|stage| stage.stage.stage_name != "$default");
    let (stage, path) = match (named, api.stages.get("$default")) {
        (Some(stage), _) => (stage, rest),
        (None, Some(stage)) => (stage, path.to_owned()),
        (None, None) => {
            return Err(Refused::not_found(format!("no stage {first:?}, and no stage `$default`")));
        }
    };
    Ok(Found {
        api_id: api_id.to_owned(),
        deployed: deployed(stage)?,
        stage: stage.stage.clone(),
        mapping_key: String::new(),
        path,
    })
}

fn deployed(stage: &StageState) -> Result<Arc<Deployed>, Refused> {
    stage.deployed.clone().ok_or_else(|| {
        let name = &stage.stage.stage_name;
        Refused::not_found(format!(
            "nothing is deployed to the stage {name}: use create-deployment"
        ))
    })
}

/// The route of `request` among those deployed.
pub(super) fn route(found: &Found, request: &Request) -> Result<Routed, Refused> {
    let routes = &found.deployed.routes;
    let Some((key, integration, parameters)) = select(routes, request.method.as_str(), &found.path)
    else {
        let known: Vec<_> = routes.iter().take(20).map(|(key, _)| key.to_string()).collect();
        let why = format!("no route for {} {:?}", request.method, found.path);
        let mut refused = Refused::not_found(why);
        refused.why.push(format!("routes: {}", known.join(", ")));
        return Err(refused);
    };
    //? assumed: a route without a target is as good as none
    let integration = integration.clone();
    let integration = integration
        .ok_or_else(|| Refused::not_found(format!("the route {key} has no integration")))?;
    Ok(Routed { route_key: key.clone(), integration, path_parameters: parameters })
}
