//! The emulator: the binary as a user starts it, its trace as it is unless told otherwise.

use std::fmt::Write as _;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use serde_json::{Value, json};

use super::{Kind, Process, Server, Under, loopback, run, write};
use crate::material::Fleet;

/// Another binary than the one just built, such as one of another commit.
const OTHER: &str = "RIVALS_EMULATOR";

pub(crate) fn program() -> PathBuf {
    let built = || env!("CARGO_BIN_EXE_iot-emulator").into();
    std::env::var_os(OTHER).map_or_else(built, PathBuf::from)
}

pub(super) fn start(program: &Path, fleet: &Fleet, under: Under) -> Server {
    let folder = tempfile::tempdir().expect("a folder");
    let ports_file = folder.path().join("ports.json");
    let mut command = run(program, under);
    command.args(ports(0)).arg("--dir").arg(folder.path());
    command.arg("--ports-file").arg(&ports_file);
    let mut process = Process::start(command, folder);
    process.until(|| ports_file.exists());
    let ports: Value =
        serde_json::from_slice(&std::fs::read(&ports_file).expect("ports")).expect("JSON");
    let address = |name: &str| {
        let port = ports[name].as_u64().and_then(|port| u16::try_from(port).ok());
        loopback(port.expect("a port"))
    };
    let server = Server {
        kind: Kind::Emulator,
        mqtt: address("mqtt_port"),
        https: address("https_port"),
        process,
    };
    let mut api = Api::new(address("api_port"));
    for (operation, input) in fleet.calls() {
        api.call(operation, input);
    }
    server
}

/// The calls stand in the configuration: the first CONNECT may come at once.
pub(super) fn command(program: &Path, fleet: &Fleet, folder: &Path, port: u16) -> Command {
    let mut text = String::new();
    for (operation, input) in fleet.calls() {
        let _infallible = writeln!(text, "[[call]]\noperation = {operation:?}");
        let table: toml::Table =
            serde_json::from_value(json!({ "input": input })).expect("a table");
        let table = toml::to_string(&table).expect("TOML").replace("[input", "[call.input");
        text.push_str(&table);
    }
    let config = write(folder, "iot-emulator.toml", &text);
    let mut command = Command::new(program);
    command.args(ports(port)).arg("--dir").arg(folder).arg("--config").arg(config);
    command
}

fn ports(mqtt: u16) -> [String; 5] {
    let free = ["https", "tls", "gateway", "api"].map(|door| format!("--{door}-port=0"));
    let [https, tls, gateway, api] = free;
    [format!("--mqtt-port={mqtt}"), https, tls, gateway, api]
}

/// One connection to the AWS API.
struct Api(BufReader<TcpStream>);

impl Api {
    fn new(address: SocketAddr) -> Self {
        let stream = TcpStream::connect(address).expect("a connection");
        stream.set_nodelay(true).expect("no delay");
        stream.set_read_timeout(Some(Duration::from_secs(30))).expect("a bound");
        Self(BufReader::new(stream))
    }

    /// What AWS would do; a refusal is a defect of the bench.
    fn call(&mut self, operation: &str, input: Value) {
        let body = json!({ "operation": operation, "input": input }).to_string();
        let request = format!(
            "POST /_emulator/call HTTP/1.1\r\nhost: localhost\r\n\
             content-type: application/json\r\ncontent-length: {}\r\n\r\n{body}",
            body.len()
        );
        self.0.get_mut().write_all(request.as_bytes()).expect("a request");
        let (mut status, mut length) = (String::new(), 0);
        loop {
            let mut line = String::new();
            self.0.read_line(&mut line).expect("an answer");
            let line = line.trim_end();
            if line.is_empty() {
                break;
            }
            if status.is_empty() {
                line.clone_into(&mut status);
            } else if let Some(value) = line.strip_prefix("content-length: ") {
                length = value.parse().expect("a length");
            }
        }
        let mut answer = vec![0; length];
        self.0.read_exact(&mut answer).expect("a body");
        let answer = String::from_utf8_lossy(&answer);
        assert!(status.starts_with("HTTP/1.1 200"), "{operation}: {status} {answer}");
    }
}
