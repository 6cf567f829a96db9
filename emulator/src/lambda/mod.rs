//! AWS Lambda as far as devices need it: functions that topic rules and API routes run.
//!
//! A function is a Rust closure, a process that speaks the Lambda Runtime API, or an endpoint of
//! the Invoke API. This room decides what AWS Lambda decides: which functions there are, who may
//! invoke them, what an invocation answers, and when it is tried again. It leaves to others when a
//! function is invoked (the rules engine, the API gateway) and that somebody waits for a queued
//! event (the outbox).
//!
//! `functions.rs` keeps the functions of one account and Region and runs them; `operations.rs` are
//! AWS's operations on them; `process/` runs handlers in other languages.
//! Truth: <https://docs.aws.amazon.com/lambda/latest/dg/welcome.html> and botocore's model.

mod code;
mod configuration;
mod event;
mod forward;
mod function;
mod functions;
mod gate;
mod host;
mod invocation;
mod operations;
mod permissions;
mod process;
mod reference;
mod runner;
#[cfg(test)]
mod tests;

pub(crate) use self::event::{EventReport, QueuedEvent};
pub use self::function::{Function, InvalidFunction, ProcessFunction};
pub(crate) use self::functions::Functions;
pub(crate) use self::host::{FunctionHost, LogSink, Surroundings};
pub(crate) use self::invocation::Invocation;

/// What every function finds as AWS_SECRET_ACCESS_KEY and AWS_SESSION_TOKEN.
pub(crate) const CREDENTIALS: (&str, &str) = (process::SECRET_ACCESS_KEY, process::SESSION_TOKEN);
