//! One process of a function, from its start to its end: AWS calls it an execution environment.

use std::future;
use std::io;
use std::process::ExitStatus;
use std::sync::Arc;
use std::time::Duration;

use tokio::process::Child;
use tokio::time::timeout;

use super::super::host::{Group, Host};
use super::super::invocation::{Attempt, Ran};
use super::launch::Launch;
use super::logs::Logs;
use super::runtime_api::{Initialised, Report, RuntimeApi};
use crate::time::{Clock, Timestamp};

/// A process, its runtime API and its output. Dropping it kills the process.
#[derive(Debug)]
pub(super) struct Environment {
    /// Dropped first: it kills by process ID, which is nobody else's while `child` is there.
    _group: Group,
    child: Child,
    api: RuntimeApi,
    logs: Logs,
}

/// Whether the process got as far as to ask for an event.
#[derive(Debug)]
pub(super) enum Start {
    Ready,
    /// It said that it cannot, or ended.
    Failed(Ran),
    TimedOut,
}

/// What came of an event.
#[derive(Debug)]
pub(super) enum Handled {
    /// The runtime reported, and will ask for another event.
    Reported(Ran),
    /// The process ended or was too slow; it is of no more use.
    Broken(Ran),
    /// The process ended before it took the event, which another may take.
    Untouched(Ran),
}

/// What ended a wait.
enum Seen<T> {
    Said(T),
    Exited(io::Result<ExitStatus>),
    TimedOut,
}

impl Environment {
    /// Starts a process.
    pub(super) async fn start(launch: &Launch, host: &Arc<Host>) -> io::Result<Self> {
        let api = RuntimeApi::bind().await?;
        let (mut child, group) = host.spawn(launch.command(host, api.address()))?;
        let (output, errors) = (child.stdout.take(), child.stderr.take());
        let logs = Logs::new(host, &launch.scope, &launch.name, output, errors);
        Ok(Self { _group: group, child, api, logs })
    }

    /// Waits up to `limit` until the process asks for its first event.
    pub(super) async fn initialise(&mut self, request_id: &str, limit: Duration) -> Start {
        let seen = watch(&mut self.child, &mut self.logs, self.api.initialised(), limit).await;
        match seen {
            Seen::Said(Initialised::Ready) => Start::Ready,
            Seen::Said(Initialised::Failed(report)) => {
                Start::Failed(self.close(Ran::error(report)).await)
            }
            Seen::Exited(status) => Start::Failed(self.close(exited(request_id, status)).await),
            Seen::TimedOut => Start::TimedOut,
        }
    }

    /// Lets the process handle an event within `limit`, what is left of the function's own.
    pub(super) async fn handle(
        &mut self,
        attempt: &Attempt,
        limit: Duration,
        launch: &Launch,
    ) -> Handled {
        // The process compares the deadline with the machine's clock, whatever clock a test moves.
        let started = Clock::System.now();
        let id = &attempt.request_id;
        self.logs.note(&format!("START RequestId: {id} Version: $LATEST"));
        self.api.offer(attempt.clone(), started + limit);
        let seen = watch(&mut self.child, &mut self.logs, self.api.report(), limit).await;
        let (ran, status) = match seen {
            Seen::Said(Report::Response(payload)) => (Ran::result(payload), None),
            Seen::Said(Report::Error(payload)) => (Ran::error(payload), None),
            Seen::Exited(status) if self.api.is_untouched() => {
                return Handled::Untouched(self.close(exited(id, status)).await);
            }
            Seen::Exited(status) => {
                (exited(id, status), Some("error\tError Type: Runtime.ExitError"))
            }
            Seen::TimedOut => (timed_out(id, launch.process.timeout), Some("timeout")),
        };
        self.logs.drain().await;
        self.note_end(id, started, launch.memory_megabytes, status);
        let ran = Ran { log_tail: self.logs.take_tail(), ..ran };
        if status.is_none() { Handled::Reported(ran) } else { Handled::Broken(ran) }
    }

    //= https://docs.aws.amazon.com/lambda/latest/dg/lambda-runtime-environment.html
    //# each execution is framed by START, END and REPORT lines; the last tells the duration, and
    //# the status of a process that did not report
    fn note_end(&mut self, id: &str, started: Timestamp, memory: u32, status: Option<&str>) {
        let duration = Clock::System.now().since(started).as_millis();
        let status = status.map(|status| format!("\tStatus: {status}")).unwrap_or_default();
        self.logs.note(&format!("END RequestId: {id}"));
        self.logs.note(&format!(
            "REPORT RequestId: {id}\tDuration: {duration}.00 ms\tBilled Duration: {duration} ms\t\
             Memory Size: {memory} MB{status}"
        ));
    }

    /// Whether the process is still there to take another event.
    pub(super) fn is_alive(&mut self) -> bool {
        matches!(self.child.try_wait(), Ok(None))
    }

    async fn close(&mut self, ran: Ran) -> Ran {
        self.logs.drain().await;
        Ran { log_tail: self.logs.take_tail(), ..ran }
    }
}

/// Waits until `said` is there, the process ends, or `limit` has passed, and passes on its output.
async fn watch<T>(
    child: &mut Child,
    logs: &mut Logs,
    said: impl Future<Output = T>,
    limit: Duration,
) -> Seen<T> {
    let seen = async {
        tokio::select! {
            // A runtime that reports and ends at once has reported.
            biased;
            said = said => Seen::Said(said),
            status = child.wait() => Seen::Exited(status),
            () = logs.pump() => future::pending().await,
        }
    };
    timeout(limit, seen).await.unwrap_or(Seen::TimedOut)
}

//= https://github.com/aws/aws-lambda-runtime-interface-emulator
//# the error type is Sandbox.Timedout, and the message names the request and the limit
/// The function error of an event that took longer than `limit`.
pub(in crate::lambda) fn timed_out(request_id: &str, limit: Duration) -> Ran {
    let seconds = limit.as_secs_f64();
    let message =
        format!("RequestId: {request_id} Error: Task timed out after {seconds:.2} seconds");
    Ran::failed("Sandbox.Timedout", &message)
}

//= https://docs.aws.amazon.com/lambda/latest/dg/lambda-runtime-environment.html
//# a process that ends instead of reporting is a Runtime.ExitError
fn exited(request_id: &str, status: io::Result<ExitStatus>) -> Ran {
    let why = match status {
        Ok(status) if status.success() => "Runtime exited without providing a reason".to_owned(),
        Ok(status) => format!("Runtime exited with error: {}", describe(status)),
        Err(error) => format!("Runtime exited with error: {error}"),
    };
    Ran::failed("Runtime.ExitError", &format!("RequestId: {request_id} Error: {why}"))
}

fn describe(status: ExitStatus) -> String {
    #[cfg(unix)]
    {
        use std::os::unix::process::ExitStatusExt;
        if let Some(signal) = status.signal() {
            let name = match signal {
                6 => "aborted",
                9 => "killed",
                11 => "segmentation fault",
                15 => "terminated",
                _ => return format!("signal: {signal}"),
            };
            return format!("signal: {name}");
        }
    }
    format!("exit status {}", status.code().unwrap_or(-1))
}

/// The function error of a process that could not be started.
pub(super) fn cannot_start(launch: &Launch, request_id: &str, error: &io::Error) -> Ran {
    let program = launch.program();
    let program = program.to_string_lossy();
    let message = format!(
        "RequestId: {request_id} Error: cannot run `{program}` for runtime {}: {error}",
        launch.process.runtime.name()
    );
    Ran::failed("Runtime.InvalidEntrypoint", &message)
}
