//! The AWS APIs on one port: a request of the AWS CLI or an SDK becomes one operation of the table.
//!
//! It decides which operation and which account and Region are meant, and how a failure is worded
//! on the wire. What an operation does is decided by the room that the table names.
//! Truth: the service models of botocore.

pub(crate) mod operations;
mod own_paths;
mod reports;
mod signatures;
mod wire;

use std::net::SocketAddr;

use base64::Engine as _;
use bytes::Bytes;
use serde_json::Value;

use self::operations::{Answerer, Needs, OPERATIONS, Operation, Service};
use self::wire::Labels;
use crate::caller::{Caller, Endpoint};
use crate::cloud::{Cloud, Regional};
use crate::data_plane;
use crate::device_keys;
use crate::errors::{ApiError, ErrorCode};
use crate::http::{Answer, Request, Response, response, set_header};
use crate::iot_core::{HttpCaller, IotCore};
use crate::lambda::{Functions, Invocation};
use crate::service_model;
use crate::trace::Entry;

const JSON: &str = "application/json";

/// Answers one request.
pub(crate) async fn answer(cloud: &Cloud, peer: SocketAddr, request: Request) -> Answer {
    if let Some(refused) = refuse_foreign_page(cloud, &request) {
        return refused.into();
    }
    if let Some(path) = request.uri.path().strip_prefix("/_emulator/") {
        return own_paths::answer(cloud, path, &request).await;
    }
    let caller = Caller::of(&request, cloud.default_scope(), cloud.known_credentials());
    let is_s3 = caller.signing_name.as_deref() == Some("s3") || is_unsigned_s3(&caller, &request);
    if let Err(refused) = cloud.verify_signature(&request, &caller, Endpoint::ANY) {
        return signatures::refuse(cloud, &request, &caller, is_s3, &refused).into();
    }
    if is_s3 {
        let report = reports::answer(cloud, &caller, &request);
        let answer = report.unwrap_or_else(|| cloud.buckets().answer(&request, cloud.now()));
        return answer.into();
    }
    let request_id = &cloud.uuid().to_string();
    let regional = cloud.regional(&caller.scope);
    let (name, result) = match operation(&caller, &request) {
        Ok((operation, labels)) => {
            let asked = Asked { operation, labels, peer, request: &request, request_id };
            (operation.name, run(cloud, &regional, asked).await)
        }
        Err(error) => ("-", Err(error)),
    };
    let mut response = result.unwrap_or_else(|error| {
        let entry = Entry::failure(&caller.scope, "AwsApiCall", error.code().name());
        let entry = entry.member("operation", name).member("uri", request.uri.path());
        cloud.trace().record(entry.details(error.message()).answer(format!(
            "HTTP {} {}",
            error.code().status(),
            error.code().name()
        )));
        failure(&error)
    });
    set_header(&mut response, "x-amzn-requestid", request_id);
    response.into()
}

/// Objects are also fetched without credentials, but only where no AWS path has that shape.
fn is_unsigned_s3(caller: &Caller, request: &Request) -> bool {
    let host = request.header("host").unwrap_or_default();
    caller.signing_name.is_none() && host.contains(".s3.")
}

/// A web page must not drive the emulator: `Host` and `Origin` have to be local.
fn refuse_foreign_page(cloud: &Cloud, request: &Request) -> Option<Response> {
    let origin =
        request.header("origin").map(|origin| origin.split("://").last().unwrap_or(origin));
    let host = request.header("host").or_else(|| request.uri.authority().map(|a| a.as_str()));
    let foreign_page = origin.filter(|origin| !cloud.is_local_page(origin, host));
    let foreign = foreign_page.or(host.filter(|host| !cloud.is_local_host(host)))?;
    let message = format!(
        "`{foreign}` is not local: the emulator's API answers only `localhost`, loopback addresses \
         and AWS names"
    );
    let scope = cloud.default_scope();
    let entry = Entry::failure(scope, "AwsApiCall", "FOREIGN_ORIGIN").details(&message);
    cloud.trace().record(entry.answer("HTTP 403"));
    Some(failure(&ApiError::new(ErrorCode::ForbiddenException, message)))
}

/// A request for the operation of a row.
struct Asked<'a> {
    operation: &'static Operation,
    labels: Labels,
    peer: SocketAddr,
    request: &'a Request,
    request_id: &'a str,
}

/// The row that `request` means, and the labels of its path.
fn operation(caller: &Caller, request: &Request) -> Result<(&'static Operation, Labels), ApiError> {
    let signing_name = caller.signing_name.as_deref();
    let services = signing_name.map(|name| (name, Service::of_signing_name(name)));
    let among: &[Service] = match services {
        Some((_, Some(services))) => services,
        Some((name, None)) => {
            return Err(no_service(name));
        }
        None => &[Service::Iot, Service::IotData, Service::Lambda, Service::ApiGatewayV2],
    };
    let path = request.uri.path();
    let candidates = OPERATIONS.iter().filter(|operation| {
        among.contains(&operation.service)
            && operation.wire().operation.method == request.method.as_str()
    });
    let named =
        candidates.filter_map(|operation| Some((operation, operation.wire().labels(path)?)));
    let Some((operation, labels)) = named.max_by_key(|(found, _)| found.wire().precision()) else {
        let method = request.method.as_str();
        let names: Vec<&str> = among.iter().map(|service| service.name()).collect();
        return Err(match service_model::not_here(&names, method, path) {
            Some((service, operation)) => ApiError::not_here(service, operation),
            None => unknown(&format!(
                "there is no operation {method} {path} of the service `{}`",
                signing_name.unwrap_or("-")
            )),
        });
    };
    Ok((operation, labels))
}

async fn run(cloud: &Cloud, regional: &Regional, asked: Asked<'_>) -> Result<Response, ApiError> {
    let Asked { operation, labels, peer, request, request_id } = asked;
    check_size(operation, request)?;
    let members = || operation.allowed(operation.wire().members(labels, request)?);
    let now = cloud.now();
    let output = match &operation.handler.by {
        Answerer::Iot(method) => {
            let members = members()?;
            made_ahead(operation.handler.needs).await;
            method(&regional.iot_core, members)?
        }
        Answerer::Lambda(method) => method(&regional.functions, members()?, now)?,
        Answerer::ApiGateway(method) => method(&regional.api_gateway, members()?, now)?,
        Answerer::Invoke => {
            return invoke(cloud, &regional.functions, &members()?, request.body.clone()).await;
        }
        Answerer::IotData => {
            let caller = HttpCaller::AwsCaller { address: peer };
            let answered = data_plane::answer(&regional.iot_core, &caller, request_id, request);
            return Ok(answered.await);
        }
    };
    Ok(success(operation.wire().operation.status, &output))
}

/// Every other connection waits for whatever keeps this thread busy.
async fn made_ahead(needs: Needs) {
    match needs {
        Needs::Nothing => {}
        Needs::Issuer => device_keys::issuer_made_ahead().await,
        Needs::Key => device_keys::made_ahead().await,
    }
}

/// The largest body of an operation that takes no archive. A policy document alone may have 404,600
/// characters.
//? assumed: the size, and that AWS answers so
const BODY_BYTES: usize = 1024 * 1024;

/// A body of megabytes is not even read: it would keep everybody else waiting.
fn check_size(operation: &Operation, request: &Request) -> Result<(), ApiError> {
    if operation.service == Service::Lambda || request.body.len() <= BODY_BYTES {
        return Ok(());
    }
    let message = format!("The request is larger than {BODY_BYTES} bytes");
    Err(ApiError::new(ErrorCode::RequestEntityTooLargeException, message))
}

//= https://github.com/ministackorg/ministack/pull/1755
//# an operation without output answers 200 with an empty body, not `{}`
fn success(status: u16, output: &Value) -> Response {
    match output {
        Value::Null => response(status, JSON, Bytes::new()),
        output => response(status, JSON, output.to_string()),
    }
}

fn failure(error: &ApiError) -> Response {
    let mut response = response(error.code().status(), JSON, error.body().to_string());
    set_header(&mut response, "x-amzn-errortype", error.code().name());
    response
}

//= https://docs.aws.amazon.com/lambda/latest/api/API_Invoke.html
//# 200 with the function's answer, 202 for Event, 204 for DryRun; X-Amz-Function-Error says it
//# failed
async fn invoke(
    cloud: &Cloud,
    functions: &Functions,
    members: &Value,
    payload: Bytes,
) -> Result<Response, ApiError> {
    let text = |name: &str| members.get(name).and_then(Value::as_str);
    let name = functions.name_of(text("FunctionName").unwrap_or_default(), text("Qualifier"))?;
    let name = name.as_str();
    let client_context = text("ClientContext").map(str::to_owned);
    // A function that runs keeps the emulator unsettled, whoever invoked it.
    let _under_way = cloud.outbox().activity().begin();
    let answer = match text("InvocationType") {
        None | Some("RequestResponse") => {
            functions.invoke(name, Invocation { payload, client_context }).await?
        }
        Some("Event") => {
            let queued = functions.queue_event(name, payload)?;
            let accepted = queued.accepted();
            cloud.run_event(queued);
            accepted
        }
        Some("DryRun") => functions.dry_run(name)?,
        Some(other) => {
            let text = format!("`{other}` is not one of RequestResponse, Event, DryRun");
            return Err(ApiError::new(ErrorCode::InvalidParameterValueException, text));
        }
    };
    let mut response = response(answer.status, JSON, answer.payload);
    if let Some(version) = answer.executed_version {
        set_header(&mut response, "x-amz-executed-version", version);
    }
    if let Some(error) = &answer.function_error {
        set_header(&mut response, "x-amz-function-error", error);
    }
    if text("LogType") == Some("Tail") {
        let tail = base64::engine::general_purpose::STANDARD.encode(answer.log_tail);
        set_header(&mut response, "x-amz-log-result", &tail);
    }
    Ok(response)
}

impl IotCore {
    /// Runs any operation of AWS IoT that is here, with exactly the JSON that the AWS CLI would
    /// send (`aws iot OPERATION --cli-input-json …`), and answers what AWS would answer.
    ///
    /// # Errors
    ///
    /// AWS's exception; `UnknownOperationException` for an operation that is not here.
    ///
    /// ```
    /// use iot_emulator::Emulator;
    /// use serde_json::json;
    ///
    /// let emulator = Emulator::start();
    /// let iot = emulator.iot_core();
    /// iot.call("CreateThing", json!({ "thingName": "sensor-1" }))?;
    /// let thing = iot.call("DescribeThing", json!({ "thingName": "sensor-1" }))?;
    /// assert_eq!(thing["version"], 1);
    /// # Ok::<(), iot_emulator::ApiError>(())
    /// ```
    pub fn call(&self, operation: &str, input: Value) -> Result<Value, ApiError> {
        let row = operations::find(Service::Iot, operation);
        match row.map(|row| (row, &row.handler.by)) {
            Some((row, Answerer::Iot(method))) => method(self, row.allowed(input)?),
            _ => Err(ApiError::not_here(Service::Iot.name(), operation)),
        }
    }
}

/// Runs any operation that is here and waits for nobody, for `[[call]]` tables.
pub(crate) fn call(
    regional: &Regional,
    service: &str,
    operation: &str,
    input: Value,
) -> Result<Value, ApiError> {
    let now = regional.iot_core.now();
    let all = [Service::Iot, Service::Lambda, Service::ApiGatewayV2];
    let Some(service) = all.into_iter().find(|candidate| candidate.name() == service) else {
        return Err(no_service(service));
    };
    let Some(row) = operations::find(service, operation) else {
        return Err(ApiError::not_here(service.name(), operation));
    };
    match &row.handler.by {
        Answerer::Iot(method) => method(&regional.iot_core, row.allowed(input)?),
        Answerer::Lambda(method) => method(&regional.functions, row.allowed(input)?, now),
        Answerer::ApiGateway(method) => method(&regional.api_gateway, row.allowed(input)?, now),
        Answerer::Invoke | Answerer::IotData => Err(ApiError::not_here(service.name(), operation)),
    }
}

fn no_service(name: &str) -> ApiError {
    unknown(&format!("iot-emulator does not answer for the service `{name}`"))
}

fn unknown(message: &str) -> ApiError {
    ApiError::new(ErrorCode::UnknownOperationException, message)
}
