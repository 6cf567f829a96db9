//! The binary `iot-emulator`: arguments become a `Config`, a `Config` becomes an `Emulator`.
//!
//! No decision about AWS is made here; it names only the library's public door.

mod cli;

use std::process::ExitCode;

fn main() -> ExitCode {
    cli::run()
}
