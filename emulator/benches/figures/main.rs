//! What a start, the AWS API, the registry and a policy decision cost: the numbers that the README
//! may name.
//!
//! It goes through the public API, but for decisions, which only `internals` shows. It measures
//! itself: what is wanted is a ratio of two sizes, bytes of resident memory, CPU of one thread and
//! instructions, which no benchmark crate gives. Each part runs in a process of its own
//! (`scripts/bench`), since memory that one part gave back would hide in the next. Truth: `/proc`
//! and valgrind, so Linux only.
#![expect(clippy::print_stdout, clippy::print_stderr, reason = "a table is what it is for")]
#![expect(clippy::disallowed_methods, reason = "it measures time as it passes")]

mod aws_api;
mod keep_alive;
mod material;
mod memory;
mod numbers;
mod policy;
mod registry;
mod start;

fn main() -> std::process::ExitCode {
    let part = std::env::args().skip(1).find(|argument| !argument.starts_with("--"));
    let rows = match part.as_deref() {
        Some("registry") => registry::rows(),
        Some("aws_api") => aws_api::rows(),
        Some("memory") => memory::rows(),
        Some("start") => start::rows(),
        Some("policy") => policy::rows(),
        // What `policy` runs under valgrind.
        Some(policy::COUNTED) => return policy::counted(std::env::args().skip(2)),
        _ => {
            eprintln!("which part? registry, aws_api, memory, start, policy");
            return std::process::ExitCode::FAILURE;
        }
    };
    for row in rows {
        println!("{row}");
    }
    std::process::ExitCode::SUCCESS
}
