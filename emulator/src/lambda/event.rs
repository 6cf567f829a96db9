//! Asynchronous invocations: an event is taken at once, and run until it succeeds or is given up.
//!
//! Truth: <https://docs.aws.amazon.com/lambda/latest/dg/invocation-async-error-handling.html>.

use super::functions::{Functions, answer, empty_answer};
use super::gate::Place;
use super::invocation::{Attempt, InvokeAnswer};
use crate::errors::ApiError;
use crate::names::{Arn, Scope};

//= https://docs.aws.amazon.com/lambda/latest/dg/invocation-async-error-handling.html
//# a function that fails is run up to two more times, with the same request ID
//? assumed: AWS waits one minute and then two between them; nothing is waited for here
/// How often an event is run at most.
const ATTEMPTS: u32 = 3;

/// An event that was taken and has not run. AWS has answered 202 by now.
#[derive(Debug)]
#[must_use = "the event is lost unless somebody awaits `run`"]
pub(crate) struct QueuedEvent {
    functions: Functions,
    name: String,
    attempt: Attempt,
    place: Place,
}

/// What became of an event, for the trace.
#[derive(Clone, Debug)]
pub(crate) struct EventReport {
    /// The function.
    pub(crate) function_arn: Arn,
    /// The request ID of all attempts.
    pub(crate) request_id: String,
    /// How often the function ran.
    pub(crate) attempts: u32,
    /// The last attempt: the result, a function error, or why it could not run.
    pub(crate) outcome: Result<InvokeAnswer, ApiError>,
}

impl EventReport {
    /// Whether the function returned a result in the end.
    #[cfg(test)]
    pub(crate) fn succeeded(&self) -> bool {
        self.outcome.as_ref().is_ok_and(|answer| answer.function_error.is_none())
    }
}

impl QueuedEvent {
    pub(super) fn new(functions: Functions, name: String, attempt: Attempt, place: Place) -> Self {
        Self { functions, name, attempt, place }
    }

    /// Where the function is.
    pub(crate) fn scope(&self) -> &Scope {
        &self.functions.0.scope
    }

    /// What `Invoke` answers at once: 202 and nothing else.
    pub(crate) fn accepted(&self) -> InvokeAnswer {
        empty_answer(202, self.attempt.request_id.clone())
    }

    /// Runs the event until the function succeeds or no attempt is left.
    pub(crate) async fn run(self) -> EventReport {
        let mut attempts = 0;
        let outcome = loop {
            // Looked up again each time: the code may have been mended meanwhile.
            let runner = match self.functions.runner_of(&self.name) {
                Ok(runner) => runner,
                Err(gone) => break Err(gone),
            };
            attempts += 1;
            let ran = runner.run(&self.place, self.attempt.clone()).await;
            let failed = !matches!(&ran, Ok(ran) if ran.function_error.is_none());
            if !failed || attempts == ATTEMPTS {
                break ran.map(|ran| answer(ran, self.attempt.request_id.clone()));
            }
        };
        let Attempt { request_id, function_arn, .. } = self.attempt;
        EventReport { function_arn, request_id, attempts, outcome }
    }
}
