//! The way of a request: trust, API mapping, stage, route, function, response.
//!
//! Every request leaves an entry in the trace: `ExecuteApi`, a success when the function's answer
//! went back, a failure that says why otherwise.

use std::net::SocketAddr;
use std::time::Duration;

use bytes::Bytes;
use uuid::Uuid;

use super::ApiGateway;
use super::call::{Call, request_id, trace_id};
use super::domain_names::Domain;
use super::event::event;
use super::find::{Found, Routed, route};
use super::integrations::Integration;
use super::refused::Refused;
use super::respond::respond;
use crate::errors::{ApiError, ErrorCode};
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
                    .details(&refused.details)
                    .why(&refused.why);
                let response = refused.response();
                record(trace, made, entry, &response);
                response
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
            let mut refused = Refused::failed(format!("{source} may not invoke {function}"));
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
            let why = format!("the function took more than {} ms", limit.as_millis());
            let refused = Refused::failed(why).answering(503, "Service Unavailable");
            return Err(Refused { reason: "INTEGRATION_TIMEOUT", ..refused });
        };
        let answer = invoked.map_err(|error| not_invoked(&error))?;
        //= https://docs.aws.amazon.com/apigateway/latest/developerguide/http-api-troubleshooting-lambda.html
        //# a function that fails, or answers in a wrong format, is a 500 to the client
        if answer.function_error.is_some() {
            let report = String::from_utf8_lossy(&answer.payload);
            return Err(Refused::failed(format!("the function failed: {report}")));
        }
        respond(&answer.payload, integration.payload_format_version).map_err(Refused::failed)
    }
}

const EVENT_TYPE: &str = "ExecuteApi";

type Members = Vec<(&'static str, String)>;

fn record(trace: &Trace, mut entry: Entry, members: Members, response: &Response) {
    for (name, value) in members {
        entry = entry.member(name, value);
    }
    entry = entry.member("status", response.status().as_u16());
    trace.record(entry.answer(format!("HTTP {}", response.status().as_u16())));
}

//= https://docs.aws.amazon.com/apigateway/latest/developerguide/http-api-mutual-tls.html
//# a certificate that is not trusted, expired, or of an unsupported algorithm is answered 403
/// The client's certificate, if the domain name asks for one and trusts it.
fn admit<'a>(visit: &Visit<'a>) -> Result<Option<&'a Certificate>, Refused> {
    let Some(truststore) = &visit.domain.truststore else { return Ok(None) };
    truststore.admit(visit.chain, visit.now).map_err(|untrusted| Refused {
        details: untrusted.details,
        why: untrusted.why,
        ..Refused::forbidden(String::new())
    })?;
    Ok(visit.chain.first())
}

/// Lambda did not take the event.
fn not_invoked(error: &ApiError) -> Refused {
    let refused = Refused::failed(error.to_string());
    //? assumed: what a client is answered when Lambda throttles, or takes no event of that size
    match error.code() {
        ErrorCode::TooManyRequestsException => refused.answering(503, "Service Unavailable"),
        ErrorCode::RequestTooLargeException | ErrorCode::RequestEntityTooLargeException => {
            refused.answering(413, "Request Entity Too Large")
        }
        _ => refused,
    }
}
