//! The commands of the binary, and how an error looks: one line on standard error that says what to
//! do, exit status 2 for a start that failed and 1 for anything else.

mod args;
mod remote;
mod serve;

use std::io::Write as _;
use std::process::ExitCode;

use clap::{CommandFactory as _, Parser as _};

use self::args::{Arguments, Command};

/// Why a command ended badly.
#[derive(Debug)]
pub(crate) struct Failure {
    status: u8,
    line: String,
}

impl Failure {
    /// The emulator did not start.
    pub(crate) fn start(error: impl std::fmt::Display) -> Self {
        Self { status: 2, line: error.to_string() }
    }

    /// Anything else.
    pub(crate) fn new(line: impl Into<String>) -> Self {
        Self { status: 1, line: line.into() }
    }
}

impl From<std::io::Error> for Failure {
    fn from(error: std::io::Error) -> Self {
        Self::new(error.to_string())
    }
}

/// Runs the command that was typed.
pub(crate) fn run() -> ExitCode {
    let Arguments { mut settings, command } = Arguments::parse();
    let done = match command.unwrap_or(Command::Serve) {
        Command::Serve => serve::serve(&settings),
        Command::Exec { command } => {
            settings.forget_ports_of_another(|name| std::env::var(name).ok());
            serve::exec(&settings, &command)
        }
        Command::Completions { shell } => {
            let mut script = Vec::new();
            clap_complete::generate(shell, &mut Arguments::command(), "iot-emulator", &mut script);
            print(&String::from_utf8_lossy(&script)).map(|()| ExitCode::SUCCESS)
        }
        remote => remote::run(&settings, remote).map(|()| ExitCode::SUCCESS),
    };
    done.unwrap_or_else(|failure| {
        // Nobody is left to tell if standard error is closed.
        let _closed = writeln!(std::io::stderr(), "iot-emulator: {}", failure.line);
        ExitCode::from(failure.status)
    })
}

/// Writes to standard output; a reader that has gone ends the command in silence, as in any pipe.
pub(crate) fn print(text: &str) -> Result<(), Failure> {
    let mut out = std::io::stdout().lock();
    match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
        Err(error) if error.kind() == std::io::ErrorKind::BrokenPipe => std::process::exit(0),
        done => Ok(done?),
    }
}
