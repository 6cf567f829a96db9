//! The real binary `iot-emulator`, started the way a person starts it: free ports, an empty folder,
//! stopped when the value goes away.
//!
//! It finds the binary beside the test executable; building it is the test command's work. What a
//! person would type against it goes through [`Binary::run`] and [`Binary::aws`].

use std::env;
use std::io::{BufRead as _, BufReader, Read as _};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::Duration;

use serde_json::Value;
use tempfile::TempDir;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::time::timeout;

use crate::programs::{Finished, Running, Shell, path};

/// How long the start may take, and the end.
const START: Duration = Duration::from_secs(30);
const STOP: Duration = Duration::from_secs(5);
/// How long one of the emulator's own paths may take; `settled` gives up by itself before.
const ANSWER: Duration = Duration::from_secs(10);
/// How often `settled` is asked again: a cold interpreter on a busy machine takes its time.
const SETTLE_ATTEMPTS: usize = 6;

/// A running emulator, a folder, and a shell in it that knows where the emulator is:
/// `$MQTT_PORT`, `$HTTPS_PORT`, `$TLS_PORT`, `$GATEWAY_PORT`, `$API_PORT`, `$ROOT_CA`.
#[derive(Debug)]
pub struct Binary {
    child: Child,
    ended: Receiver<()>,
    log: Arc<Mutex<String>>,
    ports: Value,
    shell: Shell,
    _folder: TempDir,
}

/// What is heard from the emulator's standard output.
enum Heard {
    Ready,
    Ended(String),
}

/// Where cargo puts the binary that belongs to this test executable.
///
/// # Panics
///
/// If nobody has built it.
pub fn executable() -> PathBuf {
    let test = env::current_exe().expect("the path of this executable");
    // target/PROFILE/deps/it-HASH
    let profile = test.ancestors().nth(2).expect("a test executable lies in target/PROFILE/deps");
    let binary = profile.join("iot-emulator");
    let release = if profile.ends_with("release") { " --release" } else { "" };
    assert!(
        binary.is_file(),
        "there is no {}: build it with `cargo build -p iot-emulator --features cli{release}`",
        binary.display()
    );
    binary
}

impl Binary {
    /// Starts with the default settings.
    ///
    /// # Panics
    ///
    /// If it does not start.
    pub fn start() -> Self {
        Self::start_with("")
    }

    /// Starts with this `iot-emulator.toml`.
    ///
    /// # Panics
    ///
    /// If it does not start.
    pub fn start_with(settings: &str) -> Self {
        let folder = tempfile::tempdir().expect("a folder of our own");
        // Apart from what the lines of a test write, so that a listing shows only that.
        let own = folder.path().join(".emulator");
        std::fs::create_dir(&own).expect("a folder of our own");
        std::fs::write(own.join("iot-emulator.toml"), settings).expect("a file of our own");
        let mut command = Command::new(executable());
        for (name, _) in env::vars_os() {
            let text = name.to_string_lossy();
            if text.starts_with("AWS_") || text.starts_with("IOT_EMULATOR_") {
                command.env_remove(name);
            }
        }
        for port in ["mqtt", "https", "tls", "gateway", "api"] {
            command.args([format!("--{port}-port"), "0".to_owned()]);
        }
        let mut child = command
            .args(["--ports-file", "ports.json"])
            // Functions that it starts find the interpreters of `scripts/clients`.
            .env("PATH", path())
            .env("TMPDIR", &own)
            .current_dir(&own)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("the emulator's binary can be run");
        let log = read_log(&mut child);
        let heard = read_output(&mut child);
        match heard.0.recv_timeout(START) {
            Ok(Heard::Ready) => {}
            Ok(Heard::Ended(said)) => panic!("the emulator ended at once: {said}{}", text_of(&log)),
            Err(_) => {
                let _gone = child.kill();
                panic!("the emulator was not ready after {START:?}: {}", text_of(&log));
            }
        }
        let ports = std::fs::read_to_string(own.join("ports.json")).expect("the ports file");
        let ports: Value = serde_json::from_str(&ports).expect("a ports file of JSON");
        let shell = shell_beside(&folder, &ports, &own);
        Self { child, ended: heard.1, log, ports, shell, _folder: folder }
    }

    /// What the ports file says.
    pub fn ports(&self) -> &Value {
        &self.ports
    }

    /// The shell that knows where the emulator is.
    pub fn shell(&self) -> &Shell {
        &self.shell
    }

    /// Runs a line in the shell, however it ends.
    pub async fn run(&self, line: &str) -> Finished {
        self.shell.run(line).await
    }

    /// Runs lines in the shell, each of which must succeed.
    ///
    /// # Panics
    ///
    /// If one does not.
    pub async fn all(&self, lines: &[&str]) {
        for line in lines {
            let _finished = self.run(line).await.succeeded();
        }
    }

    /// Starts a line in the shell.
    pub fn start_line(&self, line: &str) -> Running {
        self.shell.start(line)
    }

    /// Runs the AWS CLI against the emulator, however that ends.
    pub async fn try_aws(&self, arguments: &str) -> Finished {
        self.run(&format!("aws --endpoint-url http://localhost:$API_PORT {arguments}")).await
    }

    /// Runs the AWS CLI against the emulator and reads its answer.
    ///
    /// # Panics
    ///
    /// If it is an error, or no JSON.
    pub async fn aws(&self, arguments: &str) -> Value {
        self.try_aws(arguments).await.succeeded().json()
    }

    /// Waits until nothing is under way: no function runs, no template is being provisioned.
    ///
    /// # Panics
    ///
    /// If that never comes, with the emulator's reasons.
    pub async fn settled(&self) {
        let mut said = String::new();
        for _ in 0..SETTLE_ATTEMPTS {
            let (status, body) = self.get("/_emulator/settled").await;
            if status == 200 {
                return;
            }
            said = body;
        }
        panic!("it does not settle: {said}");
    }

    /// What happened and why, as the emulator tells it to people.
    ///
    /// # Panics
    ///
    /// If the emulator does not answer.
    pub async fn trace(&self) -> String {
        let (_, body) = self.get("/_emulator/trace").await;
        let trace: Value = serde_json::from_str(&body).expect("a trace of JSON");
        let entries = trace["entries"].as_array().into_iter().flatten();
        entries.filter_map(|entry| entry["text"].as_str()).collect::<Vec<_>>().join("\n")
    }

    /// One of the emulator's own paths: status and body.
    async fn get(&self, path: &str) -> (u16, String) {
        let port = self.ports["api_port"].as_u64().and_then(|port| u16::try_from(port).ok());
        let exchange = async {
            let mut stream = TcpStream::connect(("127.0.0.1", port.expect("a port"))).await?;
            let request =
                format!("GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n");
            stream.write_all(request.as_bytes()).await?;
            let mut answer = String::new();
            stream.read_to_string(&mut answer).await?;
            Ok::<_, std::io::Error>(answer)
        };
        let answer = timeout(ANSWER, exchange).await.expect("an answer in time");
        let answer = answer.expect("an emulator that answers");
        let (head, body) = answer.split_once("\r\n\r\n").expect("an HTTP response");
        let status = head.split(' ').nth(1).and_then(|status| status.parse().ok());
        (status.expect("a status"), body.to_owned())
    }
}

impl Drop for Binary {
    fn drop(&mut self) {
        let id = i32::try_from(self.child.id()).ok().and_then(rustix::process::Pid::from_raw);
        if let Some(id) = id {
            // Politely first, as a service manager does: it stops the functions that it runs.
            let _gone = rustix::process::kill_process(id, rustix::process::Signal::TERM);
        }
        if self.ended.recv_timeout(STOP).is_err() {
            let _gone = self.child.kill();
        }
        let _status = self.child.wait();
        if thread::panicking() {
            say(&text_of(&self.log));
        }
    }
}

/// Shows a failed test what the emulator refused, and why.
#[expect(clippy::print_stderr, reason = "the test harness shows it with the failure")]
fn say(log: &str) {
    eprintln!("--- the emulator's log ---\n{log}");
}

fn text_of(log: &Mutex<String>) -> String {
    log.lock().unwrap_or_else(PoisonError::into_inner).clone()
}

/// Collects standard error as it comes, or the emulator would wait for a reader.
fn read_log(child: &mut Child) -> Arc<Mutex<String>> {
    let stderr = child.stderr.take().expect("a piped stderr");
    let log = Arc::new(Mutex::new(String::new()));
    let written = Arc::clone(&log);
    thread::spawn(move || {
        for line in BufReader::new(stderr).lines().map_while(Result::ok) {
            let mut log = written.lock().unwrap_or_else(PoisonError::into_inner);
            log.push_str(&line);
            log.push('\n');
        }
    });
    log
}

/// Tells when `Ready.` was said, and when the output ended, with the process.
fn read_output(child: &mut Child) -> (Receiver<Heard>, Receiver<()>) {
    let stdout = child.stdout.take().expect("a piped stdout");
    let (say, heard) = channel();
    let (end, ended) = channel();
    thread::spawn(move || {
        let mut stdout = BufReader::new(stdout);
        let mut said = String::new();
        while stdout.read_line(&mut said).is_ok_and(|read| read > 0) {
            if said.ends_with("Ready.\n") {
                let _nobody = say.send(Heard::Ready);
            }
        }
        let _rest = stdout.read_to_end(&mut Vec::new());
        let _nobody = (say.send(Heard::Ended(said)), end.send(()));
    });
    (heard, ended)
}

/// A shell in `folder` whose lines find the emulator, as the articles' lines find AWS.
fn shell_beside(folder: &TempDir, ports: &Value, own: &std::path::Path) -> Shell {
    let mut shell = Shell::new(folder.path());
    for port in ["mqtt", "https", "tls", "gateway", "api"] {
        let number = ports[format!("{port}_port")].to_string();
        shell.set(&format!("{}_PORT", port.to_uppercase()), number);
    }
    let root_ca = ports["root_ca"].as_str().expect("a path of the root CA");
    shell.set("ROOT_CA", own.join(root_ca));
    for (name, value) in [
        ("AWS_ACCESS_KEY_ID", "test"),
        ("AWS_SECRET_ACCESS_KEY", "test"),
        ("AWS_DEFAULT_REGION", "us-east-1"),
        ("AWS_DEFAULT_OUTPUT", "json"),
        ("AWS_EC2_METADATA_DISABLED", "true"),
        ("AWS_PAGER", ""),
    ] {
        shell.set(name, value);
    }
    shell
}
