//! Clocks, resident memory, and a row of the table.
//!
//! Beside the time on the wall stands the CPU of the server's thread: it survives a machine that
//! others use too.

use std::fmt;
use std::fs;
use std::time::Duration;

/// One line of the table: what, the figures, and the goal they are held against, if there is one.
pub(crate) struct Row {
    pub(crate) what: String,
    pub(crate) figures: String,
    pub(crate) goal: String,
    pub(crate) reached: bool,
}

impl fmt::Display for Row {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.goal.is_empty() {
            return write!(f, "{:<44} {}", self.what, self.figures);
        }
        let verdict = if self.reached { "ok" } else { "MISSED" };
        write!(f, "{:<44} {:<58} goal {:<14} {verdict}", self.what, self.figures, self.goal)
    }
}

/// What the threads called `name` have spent on a processor.
pub(crate) fn cpu_of_threads(name: &str) -> Duration {
    threads(name).map(|task| on_cpu(&format!("{task}/schedstat"))).sum()
}

/// Whether a thread called `name` runs.
pub(crate) fn is_running(name: &str) -> bool {
    threads(name).next().is_some()
}

fn threads(name: &str) -> impl Iterator<Item = String> {
    let tasks = fs::read_dir("/proc/self/task").expect("/proc").flatten();
    let tasks = tasks.map(|task| task.path().display().to_string());
    tasks.filter(move |task| {
        // The system keeps fifteen characters of a name.
        let comm = fs::read_to_string(format!("{task}/comm")).unwrap_or_default();
        !comm.is_empty()
            && name.starts_with(comm.trim_end())
            && comm.trim_end().len() >= name.len().min(15)
    })
}

/// The first figure is nanoseconds on a processor; nothing if the thread has just ended.
fn on_cpu(path: &str) -> Duration {
    let text = fs::read_to_string(path).unwrap_or_default();
    let nanoseconds = text.split(' ').next().and_then(|figure| figure.parse().ok());
    Duration::from_nanos(nanoseconds.unwrap_or_default())
}

/// Resident bytes of this process, exact: `statm` may lag behind by some pages a thread.
pub(crate) fn resident_bytes() -> f64 {
    let text = fs::read_to_string("/proc/self/smaps_rollup").expect("/proc");
    let line = text.lines().find(|line| line.starts_with("Rss:")).expect("memory");
    let kibibytes: f64 =
        line.split_whitespace().nth(1).and_then(|n| n.parse().ok()).expect("a number");
    kibibytes * 1024.0
}

/// The middle one; half the runs were faster.
pub(crate) fn median(mut times: Vec<Duration>) -> Duration {
    times.sort_unstable();
    times.get(times.len() / 2).copied().unwrap_or_default()
}

/// Microseconds of one of `calls`.
pub(crate) fn micros_each(whole: Duration, calls: usize) -> f64 {
    whole.as_secs_f64() * 1e6 / calls as f64
}
