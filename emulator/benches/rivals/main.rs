//! The emulator's server against mosquitto (and nginx, for HTTPS), under one and the same load.
//!
//! Each server is a process of its own on loopback, with mutual TLS and authorization on; the load
//! comes from this process. (Only what an unknown device waits for is measured inside it, and has
//! no rival.) What counts is the server's CPU, and its ratio to the rival's in the same run: rates
//! depend on who else uses the machine. Truth: `/proc` and valgrind, so Linux only.
#![expect(clippy::print_stdout, clippy::print_stderr, reason = "a table is what it is for")]
#![expect(clippy::disallowed_methods, reason = "it measures time as it passes")]

mod blocking;
mod budget;
mod client;
mod load;
mod machine;
mod material;
mod packets;
mod parts;
mod servers;
mod table;
mod tls;

use std::process::ExitCode;

use machine::slowness;

fn main() -> ExitCode {
    let arguments: Vec<String> =
        std::env::args().skip(1).filter(|argument| !argument.starts_with("--")).collect();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.expect("a runtime");
    let mut known = !arguments.is_empty();
    println!("# this machine takes x{:.2} as long as the goals' for the same work", slowness());
    for part in &arguments {
        known &= runtime.block_on(parts::run(part));
    }
    if known {
        return ExitCode::SUCCESS;
    }
    eprintln!("which part? {}", parts::NAMES.join(", "));
    ExitCode::FAILURE
}
