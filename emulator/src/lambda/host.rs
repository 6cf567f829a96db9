//! What the functions of one emulator share: where it can be reached, where their output goes, the
//! processes that run, and the end of them all.
//!
//! Whoever runs the emulator keeps the [`FunctionHost`]; dropping it kills every process. Functions
//! hold the [`Host`] behind it, so that a closure that holds an `IotCore` keeps nothing alive.

use std::collections::BTreeMap;
use std::fmt;
use std::io;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::process::{Child, Command};

use crate::errors::{ApiError, ErrorCode};
use crate::names::{Scope, hex};

/// Is told each line that a function writes: the scope, the function's name, the line.
pub(crate) type LogSink = Box<dyn Fn(&Scope, &str, &str) + Send + Sync>;

/// Where a function finds the emulator that runs it.
#[derive(Clone, Debug, Default)]
pub(crate) struct Surroundings {
    /// The URL of the AWS APIs, which the handler's AWS SDK calls: `http://127.0.0.1:4566`.
    pub(crate) api_url: Option<String>,
    /// The root certificate that devices trust, a PEM file: `IOT_EMULATOR_ROOT_CA`.
    pub(crate) root_ca: Option<PathBuf>,
    /// Further variables, such as `IOT_EMULATOR_ENDPOINT`.
    pub(crate) variables: BTreeMap<String, String>,
}

/// Runs the functions of one emulator. Dropping it kills their processes before it returns.
#[derive(Debug)]
pub(crate) struct FunctionHost(Arc<Host>);

impl FunctionHost {
    /// A host whose functions write to `log`; request IDs follow from `seed`.
    pub(crate) fn new(seed: u64, log: LogSink) -> Self {
        Self(Arc::new(Host {
            log,
            surroundings: Mutex::default(),
            random: Mutex::new(fastrand::Rng::with_seed(seed)),
            processes: Mutex::default(),
        }))
    }

    /// Says where the emulator is, once its ports are bound. Processes started before do not know.
    pub(crate) fn set_surroundings(&self, surroundings: Surroundings) {
        *lock(&self.0.surroundings) = surroundings;
    }

    /// Kills every process and lets no other start, for whoever cannot drop this yet.
    pub(crate) fn stop(&self) {
        self.0.stop();
    }

    pub(super) fn host(&self) -> &Arc<Host> {
        &self.0
    }
}

impl Drop for FunctionHost {
    fn drop(&mut self) {
        self.stop();
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// What functions know of their host.
pub(super) struct Host {
    log: LogSink,
    surroundings: Mutex<Surroundings>,
    random: Mutex<fastrand::Rng>,
    processes: Mutex<Processes>,
}

#[derive(Debug, Default)]
struct Processes {
    stopped: bool,
    started: u64,
    /// The process IDs, which are those of their process groups too.
    running: BTreeMap<u64, u32>,
}

impl fmt::Debug for Host {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Host").field("processes", &self.processes).finish_non_exhaustive()
    }
}

impl Host {
    /// Passes on a line that a function wrote.
    pub(super) fn log(&self, scope: &Scope, name: &str, line: &str) {
        (self.log)(scope, name, line);
    }

    pub(super) fn surroundings(&self) -> Surroundings {
        lock(&self.surroundings).clone()
    }

    /// A request or revision ID: the same in each run with the same seed, if asked in one order.
    pub(super) fn new_id(&self) -> String {
        let bytes = lock(&self.random).u128(..).to_be_bytes();
        uuid::Builder::from_random_bytes(bytes).into_uuid().to_string()
    }

    /// `bytes` random bytes in hex, as trace IDs and log streams carry them.
    pub(super) fn random_hex(&self, bytes: usize) -> String {
        let mut random = vec![0; bytes];
        lock(&self.random).fill(&mut random);
        hex(&random)
    }

    /// `ServiceException` once the emulator has stopped: no process may outlive it.
    pub(super) fn ensure_running(&self) -> Result<(), ApiError> {
        if lock(&self.processes).stopped {
            return Err(ApiError::new(ErrorCode::ServiceException, "the emulator has stopped"));
        }
        Ok(())
    }

    /// Starts `command` in a process group of its own, which is killed with what is returned.
    pub(super) fn spawn(self: &Arc<Self>, mut command: Command) -> io::Result<(Child, Group)> {
        command.kill_on_drop(true);
        #[cfg(unix)]
        command.process_group(0);
        // Held while the process starts, or one could start behind the back of `stop`.
        let mut processes = lock(&self.processes);
        if processes.stopped {
            return Err(io::Error::other("the emulator has stopped"));
        }
        let child = command.spawn()?;
        processes.started += 1;
        let number = processes.started;
        if let Some(id) = child.id() {
            processes.running.insert(number, id);
        }
        Ok((child, Group { host: Arc::clone(self), number }))
    }

    fn stop(&self) {
        let mut processes = lock(&self.processes);
        processes.stopped = true;
        for id in std::mem::take(&mut processes.running).into_values() {
            kill_group(id);
        }
    }
}

/// A running process with whatever it has started; dropping this kills them.
#[derive(Debug)]
pub(super) struct Group {
    host: Arc<Host>,
    number: u64,
}

impl Drop for Group {
    fn drop(&mut self) {
        if let Some(id) = lock(&self.host.processes).running.remove(&self.number) {
            kill_group(id);
        }
    }
}

/// Kills a group of processes: a shell's children would outlive the shell.
#[cfg(unix)]
fn kill_group(id: u32) {
    let id = i32::try_from(id).ok().and_then(rustix::process::Pid::from_raw);
    if let Some(id) = id {
        // Nothing is left to kill where the processes ended by themselves.
        let _gone = rustix::process::kill_process_group(id, rustix::process::Signal::KILL);
    }
}

/// Elsewhere only the process itself is killed, by `kill_on_drop`.
#[cfg(not(unix))]
fn kill_group(_id: u32) {}
