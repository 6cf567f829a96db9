//! The Lambda Runtime API for one process: it asks for the next event and reports how it went.
//!
//! Each process has a listener of its own on a free port of the loopback. A shared one would need a
//! path in `AWS_LAMBDA_RUNTIME_API` to tell processes apart, which AWS documents as `host:port` and
//! several runtime clients take for nothing else.
//! Truth: <https://docs.aws.amazon.com/lambda/latest/dg/runtimes-api.html>.

use std::fmt;
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use serde_json::json;
use tokio::net::TcpListener;
use tokio::sync::Notify;
use tokio::task::{AbortHandle, JoinSet};

use super::super::function::LONGEST_TIMEOUT;
use super::super::invocation::{Attempt, json_bytes};
use crate::http::{self, Answer, Limits, Method, Request, Response};
use crate::time::Timestamp;

//= https://docs.aws.amazon.com/lambda/latest/dg/gettingstarted-limits.html
//# a synchronous response is at most 6 MB; the runtime API counts 100 bytes more
/// The largest response, in bytes.
const RESPONSE_BYTES: usize = 6_291_556;

/// What is read of a response to find it too large; more than this ends without being looked at.
const READ_BYTES: usize = 4 * RESPONSE_BYTES;

/// The API for one process; it goes down when this is dropped.
pub(super) struct RuntimeApi {
    shared: Arc<Shared>,
    address: SocketAddr,
    server: AbortHandle,
}

impl fmt::Debug for RuntimeApi {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RuntimeApi").field("address", &self.address).finish_non_exhaustive()
    }
}

impl Drop for RuntimeApi {
    fn drop(&mut self) {
        self.server.abort();
    }
}

/// How the runtime says that an event went.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Report {
    /// `/response`: the result.
    Response(Bytes),
    /// `/error`: the function's error as JSON.
    Error(Bytes),
}

/// Whether the runtime started.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Initialised {
    /// It asked for its first event.
    Ready,
    /// `/init/error`: why not, as JSON.
    Failed(Bytes),
}

#[derive(Default)]
struct Shared {
    state: Mutex<State>,
    changed: Notify,
}

#[derive(Default)]
struct State {
    initialised: Option<Initialised>,
    turn: Turn,
}

/// Where the one event of this process is.
#[derive(Default)]
enum Turn {
    /// There is none.
    #[default]
    Idle,
    /// It waits until the runtime asks.
    Offered(Box<Event>),
    /// The runtime has it.
    Running { request_id: String },
    /// The runtime has reported.
    Reported(Report),
}

/// An event with its deadline.
struct Event {
    attempt: Attempt,
    deadline: Timestamp,
}

impl RuntimeApi {
    /// Binds the API for one process.
    pub(super) async fn bind() -> io::Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        let address = listener.local_addr()?;
        let shared = Arc::new(Shared::default());
        let server = tokio::spawn(accept(listener, Arc::clone(&shared))).abort_handle();
        Ok(Self { shared, address, server })
    }

    /// What `AWS_LAMBDA_RUNTIME_API` says.
    pub(super) fn address(&self) -> SocketAddr {
        self.address
    }

    /// Waits until the runtime has started, or says that it cannot.
    pub(super) async fn initialised(&self) -> Initialised {
        self.shared.until(|state| state.initialised.clone()).await
    }

    /// Gives the runtime an event, which it gets when it asks next.
    pub(super) fn offer(&self, attempt: Attempt, deadline: Timestamp) {
        let event = Box::new(Event { attempt, deadline });
        self.shared.update(|state| state.turn = Turn::Offered(event));
    }

    /// Whether the runtime has not asked for the event offered last.
    pub(super) fn is_untouched(&self) -> bool {
        matches!(self.shared.lock().turn, Turn::Offered(_))
    }

    /// Waits for the runtime's report.
    pub(super) async fn report(&self) -> Report {
        let reported = |state: &mut State| match std::mem::take(&mut state.turn) {
            Turn::Reported(report) => Some(report),
            other => {
                state.turn = other;
                None
            }
        };
        self.shared.until(reported).await
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn update<T>(&self, change: impl FnOnce(&mut State) -> T) -> T {
        let result = change(&mut self.lock());
        self.changed.notify_waiters();
        result
    }

    /// Waits until `check` finds what it looks for.
    async fn until<T>(&self, mut check: impl FnMut(&mut State) -> Option<T>) -> T {
        loop {
            let changed = self.changed.notified();
            tokio::pin!(changed);
            // Registered before the check, or a change between the two would be missed.
            changed.as_mut().enable();
            if let Some(found) = check(&mut self.lock()) {
                return found;
            }
            changed.await;
        }
    }
}

/// Serves connections until it is aborted, which closes them.
async fn accept(listener: TcpListener, shared: Arc<Shared>) {
    // A runtime is silent while its handler works, and while it waits for an event.
    let head = LONGEST_TIMEOUT + Duration::from_secs(60);
    let limits = Limits { body_bytes: READ_BYTES, head };
    let mut connections = JoinSet::new();
    while let Ok((stream, _)) = listener.accept().await {
        let shared = Arc::clone(&shared);
        connections.spawn(async move {
            http::serve(stream, limits, |request| answer(&shared, request)).await;
        });
        while connections.try_join_next().is_some() {}
    }
}

async fn answer(shared: &Shared, request: Request) -> Answer {
    let path = request.uri.path().strip_prefix("/2018-06-01/runtime/").unwrap_or_default();
    let response = match (&request.method, path) {
        (&Method::GET, "invocation/next") => next(shared).await,
        (&Method::POST, "init/error") => init_error(shared, request.body),
        (&Method::POST, path) => {
            match path.strip_prefix("invocation/").and_then(|rest| rest.split_once('/')) {
                Some((id, "response")) => report(shared, id, Report::Response(request.body)),
                Some((id, "error")) => report(shared, id, Report::Error(request.body)),
                _ => not_found(&request),
            }
        }
        _ => not_found(&request),
    };
    Answer::Respond(response)
}

//= https://docs.aws.amazon.com/lambda/latest/dg/runtimes-api.html
//# the runtime waits for the next event without a time limit
async fn next(shared: &Shared) -> Response {
    let too_early = shared.update(|state| {
        let running = matches!(state.turn, Turn::Running { .. });
        if !running {
            state.initialised.get_or_insert(Initialised::Ready);
        }
        running
    });
    if too_early {
        return invalid_transition();
    }
    let event = shared.until(|state| match std::mem::take(&mut state.turn) {
        Turn::Offered(event) => {
            state.turn = Turn::Running { request_id: event.attempt.request_id.clone() };
            Some(event)
        }
        other => {
            state.turn = other;
            None
        }
    });
    event_response(*event.await)
}

fn event_response(Event { attempt, deadline }: Event) -> Response {
    let mut response = http::response(200, "application/json", attempt.invocation.payload);
    let mut header = |name, value: &str| http::set_header(&mut response, name, value);
    header("lambda-runtime-aws-request-id", &attempt.request_id);
    header("lambda-runtime-deadline-ms", &deadline.milliseconds().to_string());
    header("lambda-runtime-invoked-function-arn", attempt.function_arn.as_str());
    header("lambda-runtime-trace-id", &attempt.trace_id);
    if let Some(context) = &attempt.invocation.client_context {
        header("lambda-runtime-client-context", context);
    }
    response
}

fn init_error(shared: &Shared, body: Bytes) -> Response {
    shared.update(|state| {
        if state.initialised.is_some() {
            return invalid_transition();
        }
        state.initialised = Some(Initialised::Failed(body));
        accepted()
    })
}

fn report(shared: &Shared, id: &str, report: Report) -> Response {
    shared.update(|state| match &state.turn {
        Turn::Running { request_id } if request_id == id => {
            let (report, response) = within_limit(report);
            state.turn = Turn::Reported(report);
            response
        }
        Turn::Running { .. } => refusal(400, "InvalidRequestID", "Invalid request ID"),
        _ => invalid_transition(),
    })
}

/// A response that is too large becomes an error, for the function and for the runtime.
fn within_limit(report: Report) -> (Report, Response) {
    match report {
        Report::Response(body) if body.len() > RESPONSE_BYTES => {
            let message = format!(
                "Response payload size exceeded maximum allowed payload size \
                 ({RESPONSE_BYTES} bytes)."
            );
            let error = json!({
                "errorType": "Function.ResponseSizeTooLarge",
                "errorMessage": message,
            });
            let response = refusal(413, "RequestEntityTooLarge", &message);
            (Report::Error(json_bytes(&error)), response)
        }
        report => (report, accepted()),
    }
}

fn accepted() -> Response {
    http::response(202, "application/json", r#"{"status":"OK"}"#)
}

fn invalid_transition() -> Response {
    refusal(403, "InvalidStateTransition", "State transition is not allowed")
}

fn not_found(request: &Request) -> Response {
    let message = format!("the runtime API has no {} {}", request.method, request.uri.path());
    refusal(404, "NotFound", &message)
}

fn refusal(status: u16, error_type: &str, message: &str) -> Response {
    let body = json!({ "errorType": error_type, "errorMessage": message });
    http::response(status, "application/json", json_bytes(&body))
}
