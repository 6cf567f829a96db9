//! How many invocations of one function run at once, how many wait, and how much memory they hold.

use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::errors::{ApiError, ErrorCode};

//? assumed: AWS keeps 1,000 executions an account and a queue without a stated end; a machine that
//? runs tests keeps less, and throttles beyond it as AWS does
/// Invocations of one function that run or wait.
const INVOCATIONS: usize = 1_000;
/// The payloads of those invocations together, in bytes.
const PAYLOAD_BYTES: usize = 64 * 1024 * 1024;

/// Lets a bounded number of invocations run at once, and a bounded number wait.
#[derive(Debug)]
pub(super) struct Gate {
    turns: Arc<Semaphore>,
    admitted: Mutex<Admitted>,
}

#[derive(Debug, Default)]
struct Admitted {
    invocations: usize,
    bytes: usize,
}

impl Gate {
    /// A gate that lets `at_once` invocations run.
    pub(super) fn new(at_once: usize) -> Arc<Self> {
        let turns = Arc::new(Semaphore::new(at_once));
        Arc::new(Self { turns, admitted: Mutex::default() })
    }

    /// Admits an invocation of `bytes`, to run when its turn comes.
    pub(super) fn admit(self: &Arc<Self>, bytes: usize) -> Result<Place, ApiError> {
        let mut admitted = self.admitted.lock().unwrap_or_else(PoisonError::into_inner);
        if admitted.invocations >= INVOCATIONS || admitted.bytes + bytes > PAYLOAD_BYTES {
            //= https://docs.aws.amazon.com/lambda/latest/dg/API_Invoke.html
            //# beyond its concurrency a function is throttled: 429
            return Err(ApiError::new(ErrorCode::TooManyRequestsException, "Rate Exceeded."));
        }
        admitted.invocations += 1;
        admitted.bytes += bytes;
        Ok(Place { gate: Arc::clone(self), bytes })
    }
}

/// An admitted invocation; its place is free again when it is dropped.
#[derive(Debug)]
#[must_use = "the place is given up when this is dropped"]
pub(super) struct Place {
    gate: Arc<Gate>,
    bytes: usize,
}

impl Place {
    /// Waits for the turn of this invocation, which lasts as long as what is returned.
    pub(super) async fn turn(&self) -> OwnedSemaphorePermit {
        let turns = Arc::clone(&self.gate.turns);
        turns.acquire_owned().await.expect("the semaphore is never closed")
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut admitted = self.gate.admitted.lock().unwrap_or_else(PoisonError::into_inner);
        admitted.invocations -= 1;
        admitted.bytes -= self.bytes;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn beyond_the_queue_an_invocation_is_throttled() {
        let gate = Gate::new(1);
        let mut places: Vec<Place> = (0..INVOCATIONS).map(|_| gate.admit(1).unwrap()).collect();
        let error = gate.admit(1).unwrap_err();
        assert_eq!(error.code(), ErrorCode::TooManyRequestsException);
        places.pop();
        assert!(gate.admit(1).is_ok());
    }

    #[test]
    fn waiting_payloads_hold_a_bounded_amount_of_memory() {
        let gate = Gate::new(1);
        let large = gate.admit(PAYLOAD_BYTES).unwrap();
        assert!(gate.admit(1).is_err());
        drop(large);
        assert!(gate.admit(1).is_ok());
    }
}
