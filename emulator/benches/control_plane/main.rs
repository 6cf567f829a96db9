//! What the AWS API, the registry and a start cost: the numbers that the README may name.
//!
//! It goes through the public API only, and measures itself: what is wanted is a ratio of two
//! sizes, bytes of resident memory and CPU of one thread, which no benchmark crate gives. Each part
//! runs in a process of its own (`scripts/bench`), since memory that one part gave back would hide
//! in the next. Truth: `/proc`, so Linux only.
#![expect(clippy::print_stdout, clippy::print_stderr, reason = "a table is what it is for")]
#![expect(clippy::disallowed_methods, reason = "it measures time as it passes")]

mod aws_api;
mod keep_alive;
mod material;
mod memory;
mod numbers;
mod registry;
mod start;

fn main() -> std::process::ExitCode {
    let part = std::env::args().skip(1).find(|argument| !argument.starts_with("--"));
    let rows = match part.as_deref() {
        Some("registry") => registry::rows(),
        Some("aws_api") => aws_api::rows(),
        Some("memory") => memory::rows(),
        Some("start") => start::rows(),
        _ => {
            eprintln!("which part? registry, aws_api, memory, start");
            return std::process::ExitCode::FAILURE;
        }
    };
    for row in rows {
        println!("{row}");
    }
    std::process::ExitCode::SUCCESS
}
