//! What the emulator answers for itself, beside AWS's paths: `/_emulator/…`.
//!
//! Health, the root CA, the trace, the metrics, waiting until all is settled, moving the clock,
//! forgetting.

use std::fmt::Write as _;
use std::time::Duration;

use serde::Deserialize;
use serde_json::{Value, json};
use tokio::sync::mpsc;

use super::operations::{self, Service};
use crate::cloud::Cloud;
use crate::config::Call;
use crate::http::{Answer, Method, Request, Response, response};
use crate::trace::Entry;

const JSON: &str = "application/json";

/// Server-sent events, for whoever follows the trace.
const EVENT_STREAM: &str = "text/event-stream";

/// Answers `/_emulator/PATH`.
pub(crate) async fn answer(cloud: &Cloud, path: &str, request: &Request) -> Answer {
    let follows = request.header("accept").is_some_and(|accept| accept.contains(EVENT_STREAM));
    if path == "trace" && follows {
        return follow(cloud, request);
    }
    whole(cloud, path, request).await.into()
}

async fn whole(cloud: &Cloud, path: &str, request: &Request) -> Response {
    let get = request.method == Method::GET;
    let post = request.method == Method::POST;
    match path {
        "health" if get => response(200, JSON, json!({ "status": "ready" }).to_string()),
        "root-ca.pem" if get => {
            response(200, "application/x-pem-file", cloud.root_ca_pem().to_owned())
        }
        "trace" if get => trace(cloud, request),
        "metrics" if get => response(200, JSON, metrics(cloud).to_string()),
        "settled" if get => match cloud.settled().await {
            Ok(()) => response(200, JSON, json!({ "settled": true }).to_string()),
            Err(unsettled) => refuse(503, &unsettled.to_string()),
        },
        "environment" if get => {
            let environment = cloud.environment().into_iter();
            let environment = environment.map(|(name, value)| (name.to_owned(), value.into()));
            response(200, JSON, Value::Object(environment.collect()).to_string())
        }
        "call" if post => call(cloud, request).await,
        "advance" if post => advance(cloud, request).await,
        "reset" if post => {
            cloud.reset();
            response(200, JSON, "{}")
        }
        "health" | "root-ca.pem" | "trace" | "metrics" | "settled" | "environment" | "call"
        | "advance" | "reset" => {
            refuse(405, &format!("{} is not for `/_emulator/{path}`", request.method))
        }
        _ => refuse(404, &format!("there is no `/_emulator/{path}`")),
    }
}

fn refuse(status: u16, message: &str) -> Response {
    response(status, JSON, json!({ "message": message }).to_string())
}

/// The number after which entries are asked for.
fn after(request: &Request) -> Result<u64, String> {
    let query = request.query();
    let after =
        query.iter().find(|(name, _)| name == "after").map_or("0", |(_, value)| value.as_ref());
    after.parse().map_err(|_| format!("`after={after}` is not a number"))
}

/// An entry as JSON, with the text that `iot-emulator trace` prints.
fn shown(entry: &Entry) -> Value {
    let mut json = entry.to_json();
    json["text"] = entry.to_string().into();
    json
}

fn trace(cloud: &Cloud, request: &Request) -> Response {
    let after = match after(request) {
        Ok(after) => after,
        Err(message) => return refuse(400, &message),
    };
    let entries: Vec<Value> = cloud.trace().after(after).iter().map(|entry| shown(entry)).collect();
    response(200, JSON, json!({ "entries": entries }).to_string())
}

/// What every account and Region has counted, in CloudWatch's words; nothing that is zero.
fn metrics(cloud: &Cloud) -> Value {
    let mut metrics = Vec::new();
    for iot_core in cloud.iot_cores() {
        let scope = iot_core.scope();
        metrics.extend(iot_core.metrics().into_iter().map(|metric| {
            let of = metric.dimensions.into_iter();
            let dimensions = of.map(|(name, value)| (name.to_owned(), value.into())).collect();
            json!({
                "accountId": scope.account,
                "region": scope.region,
                "name": metric.name,
                "dimensions": Value::Object(dimensions),
                "value": metric.value,
            })
        }));
    }
    json!({ "metrics": metrics })
}

/// Sends each entry as it happens, until the other side has enough.
fn follow(cloud: &Cloud, request: &Request) -> Answer {
    let mut after = match after(request) {
        Ok(after) => after,
        Err(message) => return refuse(400, &message).into(),
    };
    let (pieces, receiver) = mpsc::channel(16);
    let trace = cloud.trace().clone();
    tokio::spawn(async move {
        loop {
            let entries = tokio::select! {
                entries = trace.next_after(after) => entries,
                () = pieces.closed() => return,
            };
            let mut text = String::new();
            for entry in entries {
                after = entry.number;
                let _infallible = write!(text, "id: {after}\ndata: {}\n\n", shown(&entry));
            }
            if pieces.send(text.into()).await.is_err() {
                return;
            }
        }
    });
    Answer::Follow(EVENT_STREAM, receiver)
}

/// Any operation with the JSON that the AWS CLI takes, wherever a member travels on AWS's wire.
async fn call(cloud: &Cloud, request: &Request) -> Response {
    let call: Call = match serde_json::from_slice(&request.body) {
        Ok(call) => call,
        Err(error) => return refuse(400, &error.to_string()),
    };
    if call.service == Service::Iot.name()
        && let Some(row) = operations::find(Service::Iot, &call.operation)
    {
        super::made_ahead(row.handler.needs).await;
    }
    let regional = cloud.regional(cloud.default_scope());
    match super::call(&regional, &call.service, &call.operation, call.input.into()) {
        Ok(output) => response(200, JSON, output.to_string()),
        Err(error) => super::failure(&error),
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Advance {
    seconds: f64,
}

async fn advance(cloud: &Cloud, request: &Request) -> Response {
    let Ok(Advance { seconds }) = serde_json::from_slice(&request.body) else {
        return refuse(400, r#"the body is not {"seconds": NUMBER}"#);
    };
    let Ok(duration) = Duration::try_from_secs_f64(seconds) else {
        return refuse(400, &format!("{seconds} seconds is not a duration"));
    };
    match cloud.advance(duration).await {
        Ok(()) => response(200, JSON, "{}"),
        Err(error) => refuse(409, &error.to_string()),
    }
}
