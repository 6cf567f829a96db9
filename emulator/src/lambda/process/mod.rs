//! The processes of one function: warm ones are used again, more are started as events need them.
//!
//! An event is one process's only event while it lasts. Which events come at once is bounded by the
//! `Gate`. Time limits follow real time: a process knows no other.
//! Truth: <https://docs.aws.amazon.com/lambda/latest/dg/lambda-runtime-environment.html>.

mod environment;
mod launch;
mod logs;
mod runtime_api;

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

pub(super) use self::environment::timed_out;
use self::environment::{Environment, Handled, Start, cannot_start};
pub(super) use self::launch::{Launch, SECRET_ACCESS_KEY, SESSION_TOKEN};
use super::host::Host;
use super::invocation::{Attempt, Ran};
use crate::errors::ApiError;
use crate::time::Clock;

//= https://docs.aws.amazon.com/lambda/latest/dg/lambda-runtime-environment.html
//# initialisation may take ten seconds; then it is tried again within the function's own limit
/// How long a process may take to ask for its first event.
const INIT_LIMIT: Duration = Duration::from_secs(10);

/// A function's processes.
#[derive(Debug)]
pub(super) struct Pool {
    launch: Launch,
    host: Arc<Host>,
    idle: Mutex<Vec<Environment>>,
    init_limit: Duration,
}

impl Pool {
    pub(super) fn new(launch: Launch, host: Arc<Host>) -> Self {
        Self { launch, host, idle: Mutex::default(), init_limit: INIT_LIMIT }
    }

    #[cfg(test)]
    pub(super) fn with_init_limit(mut self, limit: Duration) -> Self {
        self.init_limit = limit;
        self
    }

    /// Runs the function once.
    pub(super) async fn run(&self, attempt: &Attempt) -> Result<Ran, ApiError> {
        self.host.ensure_running()?;
        let limit = self.launch.process.timeout;
        while let Some(mut environment) = self.take_idle() {
            match environment.handle(attempt, limit, &self.launch).await {
                Handled::Reported(ran) => return Ok(self.keep(environment, ran)),
                Handled::Broken(ran) => return Ok(ran),
                Handled::Untouched(_) => {}
            }
        }
        Ok(self.run_cold(attempt).await)
    }

    /// Runs the function once in a new process.
    async fn run_cold(&self, attempt: &Attempt) -> Ran {
        let mut limit = self.launch.process.timeout;
        let id = &attempt.request_id;
        let mut environment = match Environment::start(&self.launch, &self.host).await {
            Ok(environment) => environment,
            Err(error) => return cannot_start(&self.launch, id, &error),
        };
        let mut start = environment.initialise(id, self.init_limit).await;
        if matches!(start, Start::TimedOut) {
            drop(environment);
            environment = match Environment::start(&self.launch, &self.host).await {
                Ok(environment) => environment,
                Err(error) => return cannot_start(&self.launch, id, &error),
            };
            let started = Clock::System.now();
            start = environment.initialise(id, limit).await;
            limit = limit.saturating_sub(Clock::System.now().since(started));
        }
        match start {
            Start::Ready => {}
            Start::Failed(ran) => return ran,
            Start::TimedOut => return timed_out(id, self.launch.process.timeout),
        }
        match environment.handle(attempt, limit, &self.launch).await {
            Handled::Reported(ran) => self.keep(environment, ran),
            Handled::Broken(ran) | Handled::Untouched(ran) => ran,
        }
    }

    fn idle(&self) -> MutexGuard<'_, Vec<Environment>> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The process used last, which is the likeliest to be still there.
    fn take_idle(&self) -> Option<Environment> {
        loop {
            let mut environment = self.idle().pop()?;
            if environment.is_alive() {
                return Some(environment);
            }
        }
    }

    fn keep(&self, environment: Environment, ran: Ran) -> Ran {
        self.idle().push(environment);
        ran
    }
}
