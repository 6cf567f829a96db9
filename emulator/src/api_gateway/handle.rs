//! The way of a request: trust, API mapping, stage, route, function, response.
//!
//! Every request leaves an entry in the trace: `ExecuteApi`, a success when the function's answer
//! went back, a failure that says why otherwise.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use uuid::Uuid;

use super::apis::ApiState;
use super::call::{Call, request_id, trace_id};
use super::deployments::Deployed;
use super::domain_names::{Domain, LeadsTo};
use super::event::event;
use super::integrations::Integration;
use super::respond::{message, respond};
use super::route_key::{PathParameters, RouteKey, select};
use super::stages::Stage;
use super::{ApiGateway, State, api_mappings};
use crate::http::{Request, Response, set_header};
use crate::names::Arn;
use crate::pki::Certificate;
use crate::time::Timestamp;
use crate::trace::{Entry, Trace};

/// Who asks, over which connection, and when.
#[derive(Debug)]
pub(crate) struct Visit<'a> {
    /// What the server name of the handshake led to.
    pub(crate) domain: &'a Domain,
    /// The certificates that the client showed, its own first.
    pub(crate) chain: &'a [Certificate],
    pub(crate) peer: SocketAddr,
    /// A fresh one for each request.
    pub(crate) request_id: Uuid,
    pub(crate) now: Timestamp,
}

/// A request that ends without a function's answer.
struct Refused {
    response: Response,
    reason: &'static str,
    details: String,
    why: Vec<String>,
}

/// What a request was found to belong to.
struct Found {
    api_id: String,
    stage: Stage,
    deployed: Arc<Deployed>,
    mapping_key: String,
    /// The path that the API sees, decoded.
    path: String,
}

/// The route of a request.
struct Routed {
    route_key: RouteKey,
    integration: Integration,
    path_parameters: PathParameters,
}

impl ApiGateway {
    /// Answers one request that came in over a connection for `visit.domain`.
    pub(crate) async fn handle(
        &self,
        visit: Visit<'_>,
        request: &Request,
        trace: &Trace,
    ) -> Response {
        let id = request_id(visit.request_id);
        let mut entry = vec![
            ("requestId", id.clone()),
            ("domainName", visit.domain.name.clone()),
            ("httpMethod", request.method.to_string()),
            ("path", request.uri.path().to_owned()),
            ("sourceIp", visit.peer.ip().to_string()),
        ];
        if let Some(client) = visit.chain.first() {
            entry.push(("principalId", client.id().to_string()));
        }
        let answered = self.answer(&visit, request, &id, &mut entry).await;
        let mut response = match answered {
            Ok(response) => {
                let made = Entry::success(self.scope(), EVENT_TYPE);
                record(trace, made, entry, &response);
                response
            }
            Err(refused) => {
                let made = Entry::failure(self.scope(), EVENT_TYPE, refused.reason)
                    .details(refused.details)
                    .why(refused.why);
                record(trace, made, entry, &refused.response);
                refused.response
            }
        };
        //= https://aasisodiya.github.io/nodejs/nodejs-aws/nodejs-aws-apigw
        //# observed: an HTTP API names the request in `apigw-requestid`
        set_header(&mut response, "apigw-requestid", &id);
        response
    }

    async fn answer(
        &self,
        visit: &Visit<'_>,
        request: &Request,
        request_id: &str,
        entry: &mut Members,
    ) -> Result<Response, Refused> {
        let client = admit(visit)?;
        let found = self.find(visit.domain, request)?;
        entry.push(("apiId", found.api_id.clone()));
        entry.push(("stage", found.stage.stage_name.clone()));
        let routed = route(&found, request)?;
        entry.push(("routeKey", routed.route_key.to_string()));
        entry.push(("functionArn", routed.integration.function.to_string()));
        self.check_permission(&found, &routed)?;
        let call = Call {
            scope: self.scope(),
            api_id: &found.api_id,
            stage: &found.stage.stage_name,
            stage_variables: &found.stage.stage_variables,
            domain_name: &visit.domain.name,
            mapping_key: &found.mapping_key,
            route_key: &routed.route_key,
            path_parameters: &routed.path_parameters,
            path: &found.path,
            request,
            client,
            source_ip: visit.peer.ip(),
            request_id,
            trace_id: trace_id(visit.request_id, visit.now),
            now: visit.now,
        };
        let event = event(&call, routed.integration.payload_format_version);
        self.invoke(&routed.integration, Bytes::from(event.to_string())).await
    }

    /// The stage that the request belongs to.
    fn find(&self, domain: &Domain, request: &Request) -> Result<Found, Refused> {
        let path = decoded(request.uri.path());
        let state = self.lock();
        match &domain.leads_to {
            LeadsTo::Mappings => find_by_mapping(&state, domain, &path),
            LeadsTo::Api(api_id) => match state.apis.get(api_id) {
                //? assumed: a disabled default endpoint answers like a path that is not there
                Some(api) if api.api.disable_execute_api_endpoint => {
                    Err(not_found("the API's default endpoint is disabled".to_owned()))
                }
                Some(api) => find_by_stage(api, api_id, &path),
                None => Err(not_found(format!("the API {api_id} was deleted"))),
            },
        }
    }

    //= https://docs.aws.amazon.com/apigateway/latest/developerguide/http-api-troubleshooting-lambda.html
    //# without the permission to invoke the function, the client gets a 500
    fn check_permission(&self, found: &Found, routed: &Routed) -> Result<(), Refused> {
        // With credentials, API Gateway assumes that role and needs no permission of the function.
        if routed.integration.credentials_arn.is_some() {
            return Ok(());
        }
        let scope = self.scope();
        let source = Arn::from(format!(
            "arn:aws:execute-api:{}:{}:{}/{}/{}",
            scope.region,
            scope.account,
            found.api_id,
            found.stage.stage_name,
            routed.route_key.in_arn()
        ));
        let function = routed.integration.function.as_str();
        let functions = &self.shared.functions;
        let service = "apigateway.amazonaws.com";
        let permitted = functions.may_invoke(service, &source, &scope.account, function);
        permitted.map_err(|not_permitted| {
            let mut refused = failed(format!("{source} may not invoke {function}"));
            refused.reason = "AUTHORIZATION_FAILURE";
            refused.why.extend(not_permitted.why);
            refused
        })
    }

    async fn invoke(&self, integration: &Integration, event: Bytes) -> Result<Response, Refused> {
        let functions = &self.shared.functions;
        let invoked = functions.invoke(integration.function.as_str(), event);
        let limit = Duration::from_millis(integration.timeout_in_millis);
        let Ok(invoked) = tokio::time::timeout(limit, invoked).await else {
            //? assumed: the status and text of a time-out of an HTTP API
            return Err(Refused {
                response: message(503, "Service Unavailable"),
                reason: "INTEGRATION_TIMEOUT",
                details: "Endpoint request timed out".to_owned(),
                why: vec![format!("the function took more than {} ms", limit.as_millis())],
            });
        };
        let answer = invoked.map_err(|error| failed(error.to_string()))?;
        //= https://docs.aws.amazon.com/apigateway/latest/developerguide/http-api-troubleshooting-lambda.html
        //# a function that fails, or answers in a wrong format, is a 500 to the client
        if answer.function_error.is_some() {
            let report = String::from_utf8_lossy(&answer.payload);
            return Err(failed(format!("the function failed: {report}")));
        }
        respond(&answer.payload, integration.payload_format_version).map_err(failed)
    }
}

const EVENT_TYPE: &str = "ExecuteApi";

type Members = Vec<(&'static str, String)>;

fn record(trace: &Trace, mut entry: Entry, members: Members, response: &Response) {
    entry.members = members;
    entry.members.push(("status", response.status().as_u16().to_string()));
    trace.record(entry.answer(format!("HTTP {}", response.status().as_u16())));
}

//= https://docs.aws.amazon.com/apigateway/latest/developerguide/http-api-mutual-tls.html
//# a certificate that is not trusted, expired, or of an unsupported algorithm is answered 403
/// The client's certificate, if the domain name asks for one and trusts it.
fn admit<'a>(visit: &Visit<'a>) -> Result<Option<&'a Certificate>, Refused> {
    let Some(truststore) = &visit.domain.truststore else { return Ok(None) };
    truststore.admit(visit.chain, visit.now).map_err(|untrusted| Refused {
        response: forbidden(),
        reason: "FORBIDDEN",
        details: untrusted.details,
        why: untrusted.why,
    })?;
    Ok(visit.chain.first())
}

//? assumed: the body and the error type are those of any 403 of API Gateway
fn forbidden() -> Response {
    let mut response = message(403, "Forbidden");
    set_header(&mut response, "x-amzn-errortype", "ForbiddenException");
    response
}

fn not_found(why: String) -> Refused {
    Refused {
        response: message(404, "Not Found"),
        reason: "NOT_FOUND",
        details: "Not Found".to_owned(),
        why: vec![why],
    }
}

fn failed(why: String) -> Refused {
    Refused {
        response: message(500, "Internal Server Error"),
        reason: "INTEGRATION_FAILURE",
        details: "Internal Server Error".to_owned(),
        why: vec![why],
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
        return Err(Refused {
            response: forbidden(),
            reason: "FORBIDDEN",
            details: "Forbidden".to_owned(),
            why: vec![format!("no API mapping of {} matches {path}", domain.name)],
        });
    };
    let api = state.apis.get(&mapping.api_id);
    let stage = api.and_then(|api| api.stages.get(&mapping.stage));
    let stage = stage.ok_or_else(|| not_found(format!("no stage {} is left", mapping.stage)))?;
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
            return Err(not_found(format!("no stage `{first}`, and no stage `$default`")));
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

fn deployed(stage: &super::stages::StageState) -> Result<Arc<Deployed>, Refused> {
    stage.deployed.clone().ok_or_else(|| {
        let name = &stage.stage.stage_name;
        not_found(format!("nothing is deployed to the stage {name}: use create-deployment"))
    })
}

fn route(found: &Found, request: &Request) -> Result<Routed, Refused> {
    let routes = &found.deployed.routes;
    let Some((key, integration, parameters)) = select(routes, request.method.as_str(), &found.path)
    else {
        let known: Vec<_> = routes.iter().take(20).map(|(key, _)| key.to_string()).collect();
        let why = format!("no route for {} {}", request.method, found.path);
        let mut refused = not_found(why);
        refused.why.push(format!("routes: {}", known.join(", ")));
        return Err(refused);
    };
    //? assumed: a route without a target is as good as none
    let integration = integration.clone();
    let integration =
        integration.ok_or_else(|| not_found(format!("the route {key} has no integration")))?;
    Ok(Routed { route_key: key.clone(), integration, path_parameters: parameters })
}
