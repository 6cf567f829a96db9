//! The HTTP operations of the data endpoint, the same behind each of its doors: mutual TLS on 8443,
//! ALPN on 443, SigV4 on the API port.
//!
//! It reads a request and words an answer. Who asks is known when it is called; whether they may
//! is decided by `IotCore`.
//! Truth: <https://docs.aws.amazon.com/iot/latest/developerguide/http.html> and botocore's
//! `iot-data` model.

mod operation;
mod reading;
#[cfg(test)]
mod tests;

use serde::Serialize;
use serde_json::Value;

use self::operation::{Operation, event_type};
use self::reading::{Query, read_direct_message, read_publish};
use crate::errors::{ApiError, ErrorCode};
use crate::http::header::HeaderName;
use crate::http::{Request, Response, response, set_header};
use crate::iot_core::{HttpCaller, HttpRefusal, IotCore, Sent, http_status};

const JSON: &str = "application/json";

// Read once: a name that comes as text is read and checked for each request.
static REQUEST_ID: HeaderName = HeaderName::from_static("x-amzn-requestid");

/// What an operation answers if it did what was asked.
enum Done {
    /// The words of a publish that was taken.
    Taken,
    /// The same, when the client has the message or nobody asks whether it has.
    Sent(Sent),
    /// Nothing but 200.
    Nothing,
    Output(Value),
}

/// Answers one request of `caller`; `trace_id` goes into header and body.
pub(crate) async fn answer(
    iot_core: &IotCore,
    caller: &HttpCaller,
    trace_id: &str,
    request: &Request,
) -> Response {
    let (method, path) = (&request.method, request.uri.path());
    let operation = Operation::of(method, path).map_err(HttpRefusal::from);
    let mut done = operation.and_then(|operation| operation.run(iot_core, caller, request));
    if let Ok(Done::Sent(Sent::Awaited(confirmation))) = done {
        // In a box, for which all other requests keep no room.
        done = Box::pin(confirmation.received()).await.map(|()| Done::Taken);
    }
    match done {
        //? assumed: the word for a direct message, which is answered as a publish is
        Ok(Done::Taken | Done::Sent(_)) => taken(trace_id),
        Ok(Done::Nothing) => identified(response(200, JSON, ""), trace_id),
        Ok(Done::Output(output)) => identified(response(200, JSON, output.to_string()), trace_id),
        Err(refusal) => {
            iot_core.note_http_failure(caller, event_type(method, path), path, &refusal);
            let answer = failure(&refusal.error, trace_id);
            if refusal.wordless { answer.map(|_body| Default::default()) } else { answer }
        }
    }
}

impl Operation {
    fn run(
        self,
        iot_core: &IotCore,
        caller: &HttpCaller,
        request: &Request,
    ) -> Result<Done, HttpRefusal> {
        let query = Query::of(request);
        match self {
            Self::Publish(topic) => {
                let publish = read_publish(topic, &query, request)?;
                iot_core.publish_over_http(caller, publish)?;
                Ok(Done::Taken)
            }
            Self::GetRetainedMessage(topic) => output(iot_core.retained_message(caller, topic)?),
            Self::ListRetainedMessages => {
                output(iot_core.retained_messages(caller, &query.page()?)?)
            }
            Self::DeleteConnection(client_id) => {
                let clean_session = query.flag("cleanSession")?;
                let prevent_will = query.flag("preventWillMessage")?;
                iot_core.delete_connection(caller, client_id, clean_session, prevent_will)?;
                Ok(Done::Nothing)
            }
            Self::GetConnection(client_id) => {
                let sockets = query.flag("includeSocketInformation")?;
                output(iot_core.connection(caller, client_id, sockets)?)
            }
            Self::ListSubscriptions(client_id) => {
                output(iot_core.subscriptions(caller, client_id, &query.page()?)?)
            }
            Self::SendDirectMessage(client_id) => {
                let message = read_direct_message(client_id, &query, request)?;
                Ok(Done::Sent(iot_core.send_direct_message(caller, message)?))
            }
            Self::Absent(absent) => {
                let absent = absent.with_shadow(query.value("name"));
                Err(iot_core.refuse_absent(caller, absent).into())
            }
        }
    }
}

fn output(output: impl Serialize) -> Result<Done, HttpRefusal> {
    let output = serde_json::to_value(output)
        .map_err(|error| ApiError::new(ErrorCode::InternalFailureException, error.to_string()))?;
    Ok(Done::Output(output))
}

//= https://docs.aws.amazon.com/iot/latest/developerguide/http.html
//# a publish that was taken answers 200 with a message and a trace ID
/// The answer that goes out most often, and so is not put together member by member.
fn taken(trace_id: &str) -> Response {
    let body = [r#"{"message":"OK","traceId":""#, trace_id, r#""}"#].concat();
    identified(response(200, JSON, body), trace_id)
}

//= https://thinbug.com/q/38594159
//# the error type ends in a colon, the body repeats the request ID as traceId
/// A refusal in the data endpoint's words.
pub(crate) fn failure(error: &ApiError, trace_id: &str) -> Response {
    worded(http_status(error.code()), error.code().name(), error.message(), trace_id)
}

/// The body of an answer that is nothing but words.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Words<'a> {
    message: &'a str,
    trace_id: &'a str,
}

fn worded(status: u16, error: &str, message: &str, trace_id: &str) -> Response {
    let body = serde_json::to_vec(&Words { message, trace_id }).unwrap_or_default();
    let mut response = identified(response(status, JSON, body), trace_id);
    set_header(&mut response, "x-amzn-errortype", &format!("{error}:"));
    response
}

fn identified(mut response: Response, trace_id: &str) -> Response {
    set_header(&mut response, &REQUEST_ID, trace_id);
    response
}

/// A request with neither SigV4 nor a certificate.
//= https://thinbug.com/q/38594159
//# 443 without SigV4 answers 403 "Missing Authentication Token"
pub(crate) fn missing_authentication_token(trace_id: &str) -> Response {
    let error = ApiError::new(ErrorCode::ForbiddenException, "Missing Authentication Token");
    failure(&error, trace_id)
}

/// A request whose signature is none, or which asks for a WebSocket as nobody should.
//? assumed: the words, after those of an unsigned request
pub(crate) fn refused(status: u16, why: &str, trace_id: &str) -> Response {
    let code = match status {
        403 => ErrorCode::ForbiddenException,
        _ => ErrorCode::InvalidRequestException,
    };
    worded(status, code.name(), why, trace_id)
}

/// What this room answers, as the table of the AWS API has to list it.
#[cfg(test)]
pub(crate) const NAMES: [&str; 7] = [
    "Publish",
    "GetRetainedMessage",
    "ListRetainedMessages",
    "DeleteConnection",
    "GetConnection",
    "ListSubscriptions",
    "SendDirectMessage",
];

/// The name of the operation that a method and a path name.
#[cfg(test)]
pub(crate) fn name_of(method: &str, path: &str) -> Option<String> {
    let method = crate::http::Method::from_bytes(method.as_bytes()).ok()?;
    let operation = format!("{:?}", Operation::of(&method, path).ok()?);
    operation.split('(').next().map(str::to_owned)
}
