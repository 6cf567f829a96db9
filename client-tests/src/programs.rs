//! Outside programs: which are there, and running one with a bound.
//!
//! A [`Shell`] runs the lines that a person would type, in one folder and one environment. No line
//! is waited for without end: after its bound, and when its owner goes away, its whole process
//! group is killed. It decides nothing about what a program says; tests do.
//! Truth for what is installed how: each program's own documentation, and `scripts/clients`.

use std::env;
use std::ffi::OsString;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, BufReader, Lines};
use tokio::process::{Child, ChildStdout, Command};
use tokio::time::timeout;

/// How long one line may take. Generous: a machine that builds meanwhile is slow.
const BOUND: Duration = Duration::from_secs(60);

/// Looks for a module of Python's without importing it: that costs every test up to half a second.
macro_rules! module {
    ($name:literal) => {
        concat!("python3 -c 'import importlib.util as of; of.find_spec(\"", $name, "\").loader'")
    };
}

/// The same for a package of Node.js.
macro_rules! package {
    ($name:literal) => {
        concat!("node -e 'require.resolve(\"", $name, "\")'")
    };
}

/// What a test may need, how it is recognised, and how a person gets it.
const CLIENTS: [(&str, &str, &str); 16] = [
    ("openssl", "openssl version", "apt-get install openssl"),
    ("curl", "curl --version", "apt-get install curl"),
    ("mosquitto_pub", "command -v mosquitto_pub", "apt-get install mosquitto-clients"),
    ("mosquitto_sub", "command -v mosquitto_sub", "apt-get install mosquitto-clients"),
    ("mosquitto_rr", "command -v mosquitto_rr", "apt-get install mosquitto-clients"),
    ("aws", "command -v aws", "scripts/clients, or pip install awscli"),
    ("python3", "python3 --version", "apt-get install python3"),
    ("node", "node --version", "apt-get install nodejs"),
    ("botocore", module!("botocore"), "scripts/clients, or pip install botocore"),
    ("boto3", module!("boto3"), "scripts/clients, or pip install boto3"),
    ("@aws-sdk/client-iot", package!("@aws-sdk/client-iot"), "scripts/clients"),
    ("mqtt.js", package!("mqtt"), "scripts/clients"),
    ("awsiotsdk", module!("awsiot"), "scripts/clients, or pip install awsiotsdk"),
    ("cbor2", module!("cbor2"), "scripts/clients, or pip install cbor2"),
    ("paho-mqtt", module!("paho.mqtt.subscribeoptions"), "scripts/clients"),
    ("aws-iot-device-sdk-v2", package!("aws-iot-device-sdk-v2"), "scripts/clients"),
];

/// Whether all `clients` are there. One that is missing fails the test where `CI=true`; elsewhere
/// one line on standard error says what was left out.
///
/// # Panics
///
/// In CI, if one is missing.
pub async fn present(clients: &[&str]) -> bool {
    let shell = Shell::new(env::temp_dir());
    for client in clients {
        let known = CLIENTS.iter().find(|(name, ..)| name == client);
        let (name, probe, how) = known.expect("a client of the table");
        if shell.run(probe).await.code == Some(0) {
            continue;
        }
        let line = format!("skipped: `{name}` is missing; get it with: {how}");
        assert!(env::var_os("CI").is_none_or(|ci| ci != "true"), "{line}");
        // Past the test harness, which would keep it to itself.
        let _closed = writeln!(std::io::stderr(), "{line}");
        return false;
    }
    true
}

/// A file or a folder of this project, from its root.
pub fn of_the_project(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(path)
}

/// `PATH` with the programs that `scripts/clients` installed in front, and before them the `aws`
/// that starts its AWS CLI in a tenth of the time.
pub fn path() -> OsString {
    let usual = env::var_os("PATH").unwrap_or_default();
    let own = of_the_project(".tools/venv/bin").canonicalize().ok();
    let is_there = own.as_ref().is_some_and(|own| own.join("aws").is_file());
    let quick = is_there.then(|| of_the_project("client-tests/python/aws"));
    let first = quick.and_then(|quick| quick.canonicalize().ok()).into_iter().chain(own);
    env::join_paths(first.chain(env::split_paths(&usual))).expect("paths of a PATH")
}

/// A folder and an environment, in which lines are run.
#[derive(Clone, Debug)]
pub struct Shell {
    folder: PathBuf,
    variables: Vec<(String, OsString)>,
}

impl Shell {
    /// A shell in `folder`, which is its home too, so that nobody's own settings are read.
    pub fn new(folder: impl Into<PathBuf>) -> Self {
        let folder = folder.into();
        let mut shell = Self { folder, variables: Vec::new() };
        shell.set("PATH", path());
        shell.set("NODE_PATH", of_the_project(".tools/node_modules"));
        // What Python compiles of programs that lie beside the sources is not left there.
        shell.set("PYTHONDONTWRITEBYTECODE", "1");
        shell.set("HOME", shell.folder.clone());
        shell
    }

    /// Sets an environment variable of the lines to come.
    pub fn set(&mut self, name: &str, value: impl Into<OsString>) {
        self.variables.push((name.to_owned(), value.into()));
    }

    /// Where the lines run.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// Writes a file beside the programs.
    ///
    /// # Panics
    ///
    /// If the disk refuses.
    pub fn write(&self, file: &str, content: impl AsRef<[u8]>) {
        std::fs::write(self.folder.join(file), content).expect("a file in a folder of our own");
    }

    /// Reads a file that a program wrote.
    ///
    /// # Panics
    ///
    /// If there is none.
    #[track_caller]
    pub fn read(&self, file: &str) -> String {
        let read = std::fs::read_to_string(self.folder.join(file));
        read.unwrap_or_else(|error| panic!("{file}: {error}"))
    }

    /// Runs `line` to its end, however it ends.
    ///
    /// # Panics
    ///
    /// If it takes longer than a minute; it is killed then.
    pub async fn run(&self, line: &str) -> Finished {
        let mut process = Process::spawn(self, line);
        let mut outputs = (Vec::new(), Vec::new());
        let ended = timeout(BOUND, process.read_all(&mut outputs)).await;
        let text = |output: Vec<u8>| String::from_utf8_lossy(&output).into_owned();
        let (stdout, stderr) = (text(outputs.0), text(outputs.1));
        let Ok(code) = ended else {
            panic!("killed after {BOUND:?}: {line}\n{stdout}{stderr}");
        };
        Finished { line: line.to_owned(), code, stdout, stderr }
    }

    /// Starts `line`, whose output is read line by line. It is killed when the answer is dropped.
    pub fn start(&self, line: &str) -> Running {
        let mut process = Process::spawn(self, &format!("{line} 2>&1"));
        let stdout = process.0.stdout.take().expect("a piped stdout");
        Running {
            line: line.to_owned(),
            seen: Vec::new(),
            lines: BufReader::new(stdout).lines(),
            _process: process,
        }
    }
}

/// A child in a process group of its own, which dies with this value.
#[derive(Debug)]
struct Process(Child);

impl Process {
    fn spawn(shell: &Shell, line: &str) -> Self {
        let mut command = Command::new("sh");
        command.args(["-c", line]).current_dir(&shell.folder).process_group(0).kill_on_drop(true);
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        // No profile, endpoint or proxy of the person at the desk leads a test elsewhere.
        for (name, _) in env::vars_os() {
            let text = name.to_string_lossy();
            let leads = text.starts_with("AWS_") || text.starts_with("IOT_EMULATOR_");
            if leads || text.to_ascii_lowercase().ends_with("_proxy") {
                command.env_remove(name);
            }
        }
        command.envs(shell.variables.iter().map(|(name, value)| (name, value)));
        Self(command.spawn().expect("`sh` is on every machine that runs these tests"))
    }

    /// Reads both outputs until they end, and then the exit status.
    async fn read_all(&mut self, (out, err): &mut (Vec<u8>, Vec<u8>)) -> Option<i32> {
        let mut stdout = self.0.stdout.take().expect("a piped stdout");
        let mut stderr = self.0.stderr.take().expect("a piped stderr");
        let (read_out, read_err) = tokio::join!(stdout.read_to_end(out), stderr.read_to_end(err));
        read_out.and(read_err).expect("a pipe that can be read");
        self.0.wait().await.expect("a child that can be waited for").code()
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // Nobody else has the ID while the child was not waited for.
        let group = self.0.id().and_then(|id| i32::try_from(id).ok());
        if let Some(group) = group.and_then(rustix::process::Pid::from_raw) {
            let _gone = rustix::process::kill_process_group(group, rustix::process::Signal::KILL);
        }
    }
}

/// A line that ran to its end.
#[derive(Clone, Debug)]
pub struct Finished {
    /// The line.
    pub line: String,
    /// Its exit status; none if a signal ended it.
    pub code: Option<i32>,
    /// What it wrote to standard output.
    pub stdout: String,
    /// What it wrote to standard error.
    pub stderr: String,
}

impl Finished {
    /// The same, if it ended with 0.
    ///
    /// # Panics
    ///
    /// With all that it said, if it did not.
    #[must_use]
    #[track_caller]
    pub fn succeeded(self) -> Self {
        self.ended_with(0)
    }

    /// The same, if it ended with `code`.
    ///
    /// # Panics
    ///
    /// With all that it said, if it did not.
    #[must_use]
    #[track_caller]
    pub fn ended_with(self, code: i32) -> Self {
        assert_eq!(self.code, Some(code), "{self}");
        self
    }

    /// Checks that it said `text`, on either output.
    ///
    /// # Panics
    ///
    /// With all that it said, if not this.
    #[track_caller]
    pub fn said(&self, text: &str) -> &Self {
        assert!(self.has(text), "`{text}` is not in {self}");
        self
    }

    /// Checks that it did not say `text`.
    ///
    /// # Panics
    ///
    /// With all that it said, if it did.
    #[track_caller]
    pub fn did_not_say(&self, text: &str) -> &Self {
        assert!(!self.has(text), "`{text}` is in {self}");
        self
    }

    fn has(&self, text: &str) -> bool {
        self.stdout.contains(text) || self.stderr.contains(text)
    }

    /// Its standard output without white space around it.
    pub fn text(&self) -> &str {
        self.stdout.trim()
    }

    /// Its standard output as JSON; null if there is none.
    ///
    /// # Panics
    ///
    /// If it is not JSON.
    #[track_caller]
    pub fn json(&self) -> serde_json::Value {
        if self.text().is_empty() {
            return serde_json::Value::Null;
        }
        serde_json::from_str(self.text()).unwrap_or_else(|error| panic!("{error} in {self}"))
    }
}

impl std::fmt::Display for Finished {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { line, code, stdout, stderr } = self;
        write!(f, "$ {line}\n{stdout}{stderr}exit status {code:?}")
    }
}

/// A line that runs still.
#[derive(Debug)]
pub struct Running {
    line: String,
    seen: Vec<String>,
    lines: Lines<BufReader<ChildStdout>>,
    _process: Process,
}

impl Running {
    /// Reads on until a line contains `text`, and gives that line.
    ///
    /// # Panics
    ///
    /// If the program ends first, or says nothing like it within the bound.
    pub async fn until(&mut self, text: &str) -> String {
        loop {
            let Ok(read) = timeout(BOUND, self.lines.next_line()).await else {
                panic!("`{text}` did not come: {self}");
            };
            let Some(line) = read.expect("a pipe that can be read") else {
                panic!("it ended without `{text}`: {self}");
            };
            self.seen.push(line.clone());
            if line.contains(text) {
                return line;
            }
        }
    }
}

impl std::fmt::Display for Running {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "$ {}\n{}", self.line, self.seen.join("\n"))
    }
}
