//! How much is to be done: a time on the wall, or a number of operations; and never for ever.

use std::future::Future;
use std::panic::resume_unwind;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use tokio::task::JoinSet;

/// Longer than any run takes; under valgrind everything takes fifty times as long.
const PATIENCE: Duration = Duration::from_secs(300);

/// What the connections of one run share.
#[derive(Debug)]
pub(crate) struct Budget {
    until: Option<Instant>,
    left: AtomicU64,
    taken: AtomicU64,
    confirmed: AtomicU64,
}

impl Budget {
    pub(crate) fn lasting(duration: Duration) -> Arc<Self> {
        Arc::new(Self::new(Some(Instant::now() + duration), u64::MAX))
    }

    pub(crate) fn of(operations: u64) -> Arc<Self> {
        Arc::new(Self::new(None, operations))
    }

    fn new(until: Option<Instant>, left: u64) -> Self {
        Self { until, left: left.into(), taken: 0.into(), confirmed: 0.into() }
    }

    /// Whether so many operations more are to be done.
    pub(crate) fn take(&self, operations: u64) -> bool {
        let left = self.left.load(Ordering::Relaxed);
        let more = left >= operations && self.until.is_none_or(|until| Instant::now() < until);
        if more {
            self.left.store(left - operations, Ordering::Relaxed);
            self.taken.fetch_add(operations, Ordering::Relaxed);
        }
        more
    }

    /// So many operations came to their end.
    pub(crate) fn confirm(&self, operations: u64) {
        self.confirmed.fetch_add(operations, Ordering::Relaxed);
    }

    /// How many were done; all that were begun, or something was lost.
    pub(crate) fn done(&self) -> u64 {
        let (taken, confirmed) = self.told();
        assert!(taken == confirmed, "{taken} were begun, {confirmed} came to their end");
        confirmed
    }

    fn told(&self) -> (u64, u64) {
        (self.taken.load(Ordering::Relaxed), self.confirmed.load(Ordering::Relaxed))
    }

    /// Runs all tasks to their end, and gives back what they give back, in their order.
    pub(crate) async fn spend<T: Send + 'static>(
        &self,
        tasks: impl IntoIterator<Item = impl Future<Output = T> + Send + 'static>,
    ) -> Vec<T> {
        let mut running = JoinSet::new();
        for (index, task) in tasks.into_iter().enumerate() {
            running.spawn(async move { (index, task.await) });
        }
        let all = async {
            let mut ended = Vec::new();
            while let Some(task) = running.join_next().await {
                match task {
                    Ok(it) => ended.push(it),
                    Err(error) => resume_unwind(error.into_panic()),
                }
            }
            ended
        };
        let Ok(mut ended) = tokio::time::timeout(PATIENCE, all).await else {
            let (taken, confirmed) = self.told();
            panic!("no end after {PATIENCE:?}: {taken} were begun, {confirmed} came to their end");
        };
        ended.sort_unstable_by_key(|(index, _)| *index);
        ended.into_iter().map(|(_, it)| it).collect()
    }
}
