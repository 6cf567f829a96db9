//! The Lambda functions of one account and Region: which there are, and running one of them.
//!
//! AWS's operations on functions are in `operations.rs`. What calls a function, and when, is
//! somebody else's decision.
//! Truth: <https://docs.aws.amazon.com/lambda/latest/dg/API_Invoke.html>.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use bytes::Bytes;
use serde::de::IgnoredAny;
use serde_json::Value;

use super::configuration::{Environment, FunctionConfiguration};
use super::event::QueuedEvent;
use super::function::{Function, Kind};
use super::gate::Place;
use super::host::{FunctionHost, Host};
use super::invocation::{Attempt, Invocation, InvokeAnswer, Ran};
use super::permissions::{NotPermitted, ResourcePolicy};
use super::reference::Reference;
use super::runner::Runner;
use crate::errors::{ApiError, ErrorCode};
use crate::names::{AccountId, Arn, Scope};
use crate::time::{Clock, Timestamp};

//= https://docs.aws.amazon.com/lambda/latest/dg/API_Invoke.html
//# a synchronous event is at most 6 MB, an asynchronous one 1 MB
/// The largest event of a synchronous invocation, in bytes.
const SYNCHRONOUS_BYTES: usize = 6 * 1024 * 1024;
/// The largest event of an asynchronous invocation, in bytes.
const ASYNCHRONOUS_BYTES: usize = 1024 * 1024;

/// The functions of one account and Region; clones share them.
#[derive(Clone)]
pub(crate) struct Functions(pub(super) Arc<Shared>);

pub(super) struct Shared {
    pub(super) scope: Scope,
    pub(super) host: Arc<Host>,
    /// Held for a look or a change, never while a function runs.
    entries: Mutex<BTreeMap<String, Entry>>,
}

/// One function.
#[derive(Debug)]
pub(super) struct Entry {
    pub(super) configuration: FunctionConfiguration,
    pub(super) tags: BTreeMap<String, String>,
    pub(super) policy: ResourcePolicy,
    pub(super) function: Function,
    pub(super) runner: Arc<Runner>,
}

impl fmt::Debug for Functions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names: Vec<String> = self.entries().keys().cloned().collect();
        f.debug_struct("Functions").field("scope", &self.0.scope).field("names", &names).finish()
    }
}

impl Functions {
    /// No functions yet, in `scope`, to be run by `host`.
    pub(crate) fn new(scope: Scope, host: &FunctionHost) -> Self {
        let host = Arc::clone(host.host());
        Self(Arc::new(Shared { scope, host, entries: Mutex::default() }))
    }

    pub(super) fn entries(&self) -> MutexGuard<'_, BTreeMap<String, Entry>> {
        self.0.entries.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Makes `function` known as `name`, in the place of one that had the name.
    ///
    /// AWS IoT and API Gateway may invoke it; [`Functions::remove_permission`] takes that back.
    pub(crate) fn register(
        &self,
        name: &str,
        function: impl Into<Function>,
        now: Timestamp,
    ) -> Result<Arn, ApiError> {
        let name = Reference::parse(name)?.within(&self.0.scope, None)?;
        let function = function.into();
        let arn = self.0.scope.function_arn(name);
        let mut configuration = FunctionConfiguration::new(name, arn.clone());
        if let Kind::Process(process) = &function.0 {
            configuration.runtime = Some(process.runtime.name().to_owned());
            configuration.handler = Some(process.handler.clone());
            configuration.timeout = process.timeout.as_secs_f64().ceil() as i64;
            let variables = process.environment.clone();
            configuration.environment = Some(Environment { variables });
        }
        configuration.touch(self.0.host.new_id(), now);
        let entry = Entry {
            runner: self.runner(&function, &configuration),
            policy: ResourcePolicy::open(&arn),
            tags: BTreeMap::new(),
            function,
            configuration,
        };
        // What it replaces is dropped after the lock: a closure may own anything.
        let replaced = self.entries().insert(name.to_owned(), entry);
        drop(replaced);
        Ok(arn)
    }

    /// Forgets all functions. One that runs is not interrupted; [`FunctionHost`] does that.
    pub(crate) fn clear(&self) {
        // Dropped after the lock: a closure may own whatever calls this.
        let forgotten = std::mem::take(&mut *self.entries());
        drop(forgotten);
    }

    /// Makes `function` ready to run with `configuration`.
    pub(super) fn runner(
        &self,
        function: &Function,
        configuration: &FunctionConfiguration,
    ) -> Arc<Runner> {
        let memory_megabytes = u32::try_from(configuration.memory_size).unwrap_or(u32::MAX);
        let name = &configuration.function_name;
        let Shared { scope, host, .. } = &*self.0;
        Arc::new(Runner::new(function, scope, name, memory_megabytes, host))
    }

    /// Invokes `function`, a name or an ARN, and waits for its result: `RequestResponse`.
    pub(crate) async fn invoke(
        &self,
        function: &str,
        invocation: impl Into<Invocation>,
    ) -> Result<InvokeAnswer, ApiError> {
        let name = self.name_of(function, None)?;
        let (attempt, place, runner) = self.admit(&name, invocation.into(), SYNCHRONOUS_BYTES)?;
        let request_id = attempt.request_id.clone();
        let ran = runner.run(&place, attempt).await?;
        Ok(answer(ran, request_id))
    }

    /// Says whether `function` could be invoked, and does not: `DryRun`.
    pub(crate) fn dry_run(&self, function: &str) -> Result<InvokeAnswer, ApiError> {
        let name = self.name_of(function, None)?;
        self.with_entry(&name, |_| ())?;
        Ok(empty_answer(204, self.0.host.new_id()))
    }

    /// Takes an event for `function` that somebody must [run](QueuedEvent::run): `Event`.
    pub(crate) fn queue_event(
        &self,
        function: &str,
        invocation: impl Into<Invocation>,
    ) -> Result<QueuedEvent, ApiError> {
        // A client context is for synchronous invocations; AWS drops it here.
        let invocation = Invocation::from(invocation.into().payload);
        let name = self.name_of(function, None)?;
        let (attempt, place, _runner) = self.admit(&name, invocation, ASYNCHRONOUS_BYTES)?;
        Ok(QueuedEvent::new(self.clone(), name, attempt, place))
    }

    /// Whether `service`, such as `iot.amazonaws.com`, may invoke `function` for `source_arn`.
    ///
    /// A function that does not exist is permitted to nobody either.
    pub(crate) fn may_invoke(
        &self,
        service: &str,
        source_arn: &Arn,
        source_account: &AccountId,
        function: &str,
    ) -> Result<(), NotPermitted> {
        let unknown = |error: ApiError| NotPermitted { why: vec![error.to_string()] };
        let name = self.name_of(function, None).map_err(unknown)?;
        let policy = self.with_entry(&name, |entry| entry.policy.clone()).map_err(unknown)?;
        policy.check(&name, service, source_arn, source_account)
    }

    /// The name of a function here that `function` means, whether there is one or not.
    pub(crate) fn name_of(
        &self,
        function: &str,
        qualifier: Option<&str>,
    ) -> Result<String, ApiError> {
        Ok(Reference::parse(function)?.within(&self.0.scope, qualifier)?.to_owned())
    }

    /// Looks at or changes the function `name`.
    pub(super) fn with_entry<T>(
        &self,
        name: &str,
        look: impl FnOnce(&mut Entry) -> T,
    ) -> Result<T, ApiError> {
        match self.entries().get_mut(name) {
            Some(entry) => Ok(look(entry)),
            None => Err(self.not_found(name)),
        }
    }

    pub(super) fn not_found(&self, name: &str) -> ApiError {
        let arn = self.0.scope.function_arn(name);
        ApiError::not_found(format!("Function not found: {arn}"))
    }

    pub(super) fn runner_of(&self, name: &str) -> Result<Arc<Runner>, ApiError> {
        self.with_entry(name, |entry| Arc::clone(&entry.runner))
    }

    /// Checks an invocation and gives it a request ID and a place.
    fn admit(
        &self,
        name: &str,
        mut invocation: Invocation,
        most: usize,
    ) -> Result<(Attempt, Place, Arc<Runner>), ApiError> {
        let runner = self.runner_of(name)?;
        invocation.payload = checked_payload(invocation.payload, most)?;
        if let Some(context) = &mut invocation.client_context {
            *context = decoded_context(context)?;
        }
        let place = runner.admit(invocation.payload.len())?;
        let attempt = Attempt {
            request_id: self.0.host.new_id(),
            trace_id: self.trace_id(),
            function_arn: self.0.scope.function_arn(name),
            invocation,
        };
        Ok((attempt, place, runner))
    }

    /// A trace header in X-Ray's form, which says that nothing is sampled.
    fn trace_id(&self) -> String {
        let seconds = Clock::System.now().milliseconds() / 1000;
        let host = &self.0.host;
        let (root, parent) = (host.random_hex(12), host.random_hex(8));
        format!("Root=1-{seconds:08x}-{root};Parent={parent};Sampled=0")
    }
}

/// What `Invoke` answers for a run.
pub(super) fn answer(ran: Ran, request_id: String) -> InvokeAnswer {
    InvokeAnswer {
        payload: ran.payload,
        function_error: ran.function_error,
        log_tail: ran.log_tail,
        ..empty_answer(200, request_id)
    }
}

/// What `Invoke` answers where nothing has run.
pub(super) fn empty_answer(status: u16, request_id: String) -> InvokeAnswer {
    InvokeAnswer {
        status,
        payload: Bytes::new(),
        function_error: None,
        executed_version: (status == 200).then_some("$LATEST"),
        log_tail: String::new(),
        request_id,
    }
}

fn checked_payload(payload: Bytes, most: usize) -> Result<Bytes, ApiError> {
    if payload.len() > most {
        let text =
            format!("Request must be smaller than {most} bytes for the InvokeFunction operation");
        return Err(ApiError::new(ErrorCode::RequestTooLargeException, text));
    }
    if payload.is_empty() {
        return Ok(Bytes::from_static(b"{}"));
    }
    match serde_json::from_slice::<IgnoredAny>(&payload) {
        Ok(_) => Ok(payload),
        Err(error) => Err(ApiError::new(
            ErrorCode::InvalidRequestContentException,
            format!(
                "Could not parse request body into json: Could not parse payload into json: {error}"
            ),
        )),
    }
}

/// A client context is base64 on its way to us and JSON on its way to the function.
fn decoded_context(context: &str) -> Result<String, ApiError> {
    let bytes = BASE64_STANDARD.decode(context).ok();
    let value: Option<Value> = bytes.and_then(|bytes| serde_json::from_slice(&bytes).ok());
    match value {
        // Printed anew, so that no line break is left for the header that carries it.
        Some(Value::Object(members)) => Ok(Value::Object(members).to_string()),
        _ => Err(ApiError::new(
            ErrorCode::InvalidRequestContentException,
            "Client context must be a valid Base64-encoded JSON object.",
        )),
    }
}
