//! The servers that are measured, each a process of its own on loopback.
//!
//! Decides how a server is started, watched and ended. What each is told, `emulator`, `mosquitto`
//! and `nginx` decide. CPU is what the threads of the process spent, in nanoseconds; instructions
//! are counted by valgrind, which then runs the process.

mod emulator;
mod mosquitto;
mod nginx;

use std::fs;
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread::park_timeout;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};
use tempfile::TempDir;

use crate::material::Fleet;

pub(crate) use self::emulator::program as emulator_program;

/// Until a server is ready, and until it has ended; valgrind is slow.
const PATIENCE: Duration = Duration::from_secs(60);
const POLL: Duration = Duration::from_millis(2);

/// A folder for what `callgrind_annotate` reads; without it nothing is kept.
const PROFILES: &str = "RIVALS_PROFILES";

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Emulator,
    Mosquitto,
    Nginx,
}

/// What runs the program.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Under {
    Nothing,
    /// Counts the instructions that it executes for itself, not those of the system.
    Callgrind,
}

/// A server that runs, until it is dropped.
pub(crate) struct Server {
    pub(crate) kind: Kind,
    pub(crate) mqtt: SocketAddr,
    pub(crate) https: SocketAddr,
    process: Process,
}

impl Kind {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Emulator => "iot-emulator",
            Self::Mosquitto => "mosquitto",
            Self::Nginx => "nginx",
        }
    }

    /// Where its program is; Debian keeps servers where only root looks for programs.
    pub(crate) fn program(self) -> Option<PathBuf> {
        if self == Self::Emulator {
            return Some(emulator_program());
        }
        let path = std::env::var_os("PATH").unwrap_or_default();
        let folders = std::env::split_paths(&path).chain(["/usr/sbin".into()]);
        folders.map(|folder| folder.join(self.name())).find(|program| program.is_file())
    }

    /// Starts one that knows each device of `fleet`; `None` if the program is not here.
    pub(crate) fn start(self, fleet: &Fleet, under: Under) -> Option<Server> {
        let program = self.program()?;
        Some(match self {
            Self::Emulator => emulator::start(&program, fleet, under),
            Self::Mosquitto => mosquitto::start(&program, fleet, under),
            Self::Nginx => nginx::start(&program, fleet, under),
        })
    }

    /// Makes one ready to be started in `folder` with its MQTT at `port`, and forgets nothing that
    /// a first CONNECT needs.
    pub(crate) fn command(self, fleet: &Fleet, folder: &Path, port: u16) -> Option<Command> {
        let program = self.program()?;
        match self {
            Self::Emulator => Some(emulator::command(&program, fleet, folder, port)),
            Self::Mosquitto => Some(mosquitto::command(&program, fleet, folder, port)),
            Self::Nginx => None,
        }
    }
}

impl Server {
    /// What it spent on a processor so far.
    pub(crate) fn cpu(&self) -> Duration {
        let tasks = fs::read_dir(format!("/proc/{}/task", self.process.id())).expect("it runs");
        let spent = |task: PathBuf| -> u64 {
            // A thread may end just now.
            let text = fs::read_to_string(task.join("schedstat")).unwrap_or_default();
            text.split(' ').next().and_then(|figure| figure.parse().ok()).unwrap_or_default()
        };
        Duration::from_nanos(tasks.flatten().map(|task| spent(task.path())).sum::<u64>())
    }

    /// What it holds in memory, in bytes.
    pub(crate) fn memory(&self) -> f64 {
        resident_bytes(self.process.id())
    }

    /// Ends it as its user would, and says how many instructions valgrind counted.
    pub(crate) fn stop(mut self) -> u64 {
        let pid = Pid::from_child(&self.process.child);
        kill_process(pid, Signal::TERM).expect("a process of ours");
        let begun = Instant::now();
        while self.process.child.try_wait().expect("a child").is_none() {
            assert!(begun.elapsed() < PATIENCE, "it does not end");
            park_timeout(POLL);
        }
        let said = self.process.said();
        let counted = said.lines().find_map(|line| line.split_once("Collected : "));
        let counted = counted.and_then(|(_, figure)| figure.trim().parse().ok());
        counted.unwrap_or_else(|| panic!("valgrind counted nothing:\n{said}"))
    }
}

/// A child, its folder, and what it says: killed when dropped, and quoted if that is in a panic.
struct Process {
    child: Child,
    folder: TempDir,
}

impl Process {
    fn start(mut command: Command, folder: TempDir) -> Self {
        let said = fs::File::create(folder.path().join("said")).expect("a file");
        let child = command
            .current_dir(folder.path())
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(said)
            .spawn()
            .expect("a program that runs");
        Self { child, folder }
    }

    fn id(&self) -> u32 {
        self.child.id()
    }

    /// Waits until it is ready; fails when it has ended instead.
    fn until(&mut self, is_ready: impl Fn() -> bool) {
        let begun = Instant::now();
        while !is_ready() {
            let ended = self.child.try_wait().expect("a child");
            assert!(ended.is_none(), "the server ended: {ended:?}");
            assert!(begun.elapsed() < PATIENCE, "the server is not ready after {PATIENCE:?}");
            park_timeout(POLL);
        }
    }

    fn until_it_listens(&mut self, address: SocketAddr) {
        self.until(|| TcpStream::connect(address).is_ok());
    }

    fn said(&self) -> String {
        fs::read_to_string(self.folder.path().join("said")).unwrap_or_default()
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ended_already = self.child.kill();
        let _reaped = self.child.wait();
        if std::thread::panicking() {
            let said = self.said();
            let last: Vec<&str> = said.lines().rev().take(20).collect();
            for line in last.iter().rev() {
                eprintln!("the server said: {line}");
            }
        }
    }
}

/// `program`, run by itself or by valgrind.
fn run(program: &Path, under: Under) -> Command {
    if under == Under::Nothing {
        return Command::new(program);
    }
    let file = match std::env::var_os(PROFILES) {
        Some(folder) => Path::new(&folder).join("callgrind.out.%p").display().to_string(),
        None => "/dev/null".to_owned(),
    };
    let mut command = Command::new("valgrind");
    command.arg("--tool=callgrind").arg(format!("--callgrind-out-file={file}")).arg(program);
    command
}

/// Resident bytes of a process, exact: `statm` may lag behind by some pages a thread.
pub(crate) fn resident_bytes(pid: u32) -> f64 {
    let text = fs::read_to_string(format!("/proc/{pid}/smaps_rollup")).expect("it runs");
    let line = text.lines().find(|line| line.starts_with("Rss:")).expect("memory");
    let kibibytes: f64 =
        line.split_whitespace().nth(1).and_then(|n| n.parse().ok()).expect("a number");
    kibibytes * 1024.0
}

/// A port that nobody has at the moment.
pub(crate) fn free_port() -> u16 {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a free port");
    listener.local_addr().expect("an address").port()
}

fn loopback(port: u16) -> SocketAddr {
    SocketAddr::new(Ipv4Addr::LOCALHOST.into(), port)
}

fn write(folder: &Path, name: &str, text: &str) -> PathBuf {
    let path = folder.join(name);
    fs::write(&path, text).expect("a file");
    path
}
