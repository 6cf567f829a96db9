//! Runs one function, whatever it is made of.
//!
//! It decides how many run at once; what they are asked and what becomes of the result is decided
//! in `functions.rs`.

use std::any::Any;
use std::fmt;
use std::sync::Arc;

use serde_json::Value;
use tokio::sync::OwnedSemaphorePermit;

use super::forward::Endpoint;
use super::function::{Function, Handler, Kind};
use super::gate::{Gate, Place};
use super::host::Host;
use super::invocation::{Attempt, Ran, json_bytes};
use super::process::{Launch, Pool};
use crate::errors::{ApiError, ErrorCode};
use crate::names::Scope;

//? assumed: ten processes of one function are enough on one machine; AWS would start 1,000
/// Processes of one function.
const PROCESSES: usize = 10;
/// Closures or forwarded events of one function that run at once.
const CLOSURES: usize = 100;

/// One function, ready to run.
#[derive(Debug)]
pub(super) struct Runner {
    gate: Arc<Gate>,
    backend: Backend,
}

enum Backend {
    Closure(Arc<Handler>, Arc<Host>),
    Elsewhere(Arc<Elsewhere>),
}

/// What runs a function outside this process.
enum Elsewhere {
    Endpoint { endpoint: Endpoint, scope: Scope, name: String },
    Process(Pool),
}

impl fmt::Debug for Backend {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Closure(..) => f.write_str("Closure"),
            Self::Elsewhere(elsewhere) => match &**elsewhere {
                Elsewhere::Endpoint { endpoint, .. } => endpoint.fmt(f),
                Elsewhere::Process(pool) => pool.fmt(f),
            },
        }
    }
}

impl Runner {
    /// Makes `function` ready to run as `name`.
    pub(super) fn new(
        function: &Function,
        scope: &Scope,
        name: &str,
        memory_megabytes: u32,
        host: &Arc<Host>,
    ) -> Self {
        let (scope, name, host) = (scope.clone(), name.to_owned(), Arc::clone(host));
        let (at_once, backend) = match &function.0 {
            Kind::Closure(handler) => (CLOSURES, Backend::Closure(Arc::clone(handler), host)),
            Kind::Endpoint(endpoint) => {
                let endpoint = Elsewhere::Endpoint { endpoint: endpoint.clone(), scope, name };
                (CLOSURES, Backend::Elsewhere(Arc::new(endpoint)))
            }
            Kind::Process(process) => {
                let launch = Launch { scope, name, memory_megabytes, process: process.clone() };
                let pool = Elsewhere::Process(Pool::new(launch, host));
                (PROCESSES, Backend::Elsewhere(Arc::new(pool)))
            }
        };
        Self { gate: Gate::new(at_once), backend }
    }

    /// Admits an event of `bytes`.
    pub(super) fn admit(&self, bytes: usize) -> Result<Place, ApiError> {
        self.gate.admit(bytes)
    }

    /// Runs the function once, when it is its turn.
    pub(super) async fn run(&self, place: &Place, attempt: Attempt) -> Result<Ran, ApiError> {
        let turn = place.turn().await;
        let elsewhere = match &self.backend {
            // It has a thread of its own, and each task more would wait behind all who are busy.
            Backend::Closure(handler, host) => {
                host.ensure_running()?;
                return Ok(run_closure(Arc::clone(handler), attempt, turn).await);
            }
            Backend::Elsewhere(elsewhere) => Arc::clone(elsewhere),
        };
        // A task of its own: a caller who gives up does not stop a function, in AWS neither.
        let task = tokio::spawn(async move {
            let _turn = turn;
            elsewhere.run(attempt).await
        });
        let ended = |_| ApiError::new(ErrorCode::ServiceException, "the emulator has stopped");
        task.await.map_err(ended)?
    }
}

impl Elsewhere {
    async fn run(&self, attempt: Attempt) -> Result<Ran, ApiError> {
        match self {
            Self::Endpoint { endpoint, scope, name } => endpoint.run(scope, name, &attempt).await,
            Self::Process(pool) => pool.run(&attempt).await,
        }
    }
}

/// Runs a closure where it may block, and takes a panic for what it is: a function error.
async fn run_closure(handler: Arc<Handler>, attempt: Attempt, turn: OwnedSemaphorePermit) -> Ran {
    let event: Value = match serde_json::from_slice(&attempt.invocation.payload) {
        Ok(event) => event,
        Err(error) => {
            return Ran::failed(
                "Runtime.UnmarshalError",
                &format!("Unable to unmarshal input: {error}"),
            );
        }
    };
    //? assumed: a Rust error has no name that AWS would show, so the type says no more than this
    let run = move || {
        // The next one's turn is when this one is done, and not when somebody has noticed.
        let _turn = turn;
        handler(event)
    };
    match tokio::task::spawn_blocking(run).await {
        Ok(Ok(result)) => Ran::result(json_bytes(&result)),
        Ok(Err(error)) => Ran::failed("Error", &error.to_string()),
        Err(ended) => match ended.try_into_panic() {
            Ok(panic) => Ran::failed("Panic", panic_message(&*panic)),
            Err(_cancelled) => Ran::failed("Runtime.ExitError", "the emulator has stopped"),
        },
    }
}

fn panic_message(panic: &(dyn Any + Send)) -> &str {
    let text = panic.downcast_ref::<&str>().copied();
    text.or_else(|| panic.downcast_ref::<String>().map(String::as_str)).unwrap_or("panicked")
}
