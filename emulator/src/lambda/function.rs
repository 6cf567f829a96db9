//! What a Lambda function is to whoever makes one: a Rust closure, a process, or an endpoint.
//!
//! It decides only what may be made at all. Running belongs to `runner.rs`, AWS's operations to
//! `functions.rs`.
//! Truth: <https://docs.aws.amazon.com/lambda/latest/dg/lambda-runtimes.html>.

use std::collections::BTreeMap;
use std::error::Error;
use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use serde_json::Value;

use super::code::Code;
use super::forward::Endpoint;

//= https://docs.aws.amazon.com/lambda/latest/dg/configuration-timeout.html
//# a function may run for three seconds unless told otherwise, and for 15 minutes at most
/// How long a function may run unless told otherwise.
pub(crate) const DEFAULT_TIMEOUT: Duration = Duration::from_secs(3);
/// The longest that any function may run.
pub(crate) const LONGEST_TIMEOUT: Duration = Duration::from_secs(900);

/// What a user's closure is.
pub(crate) type Handler =
    dyn Fn(Value) -> Result<Value, Box<dyn Error + Send + Sync>> + Send + Sync;

/// A Lambda function: what a topic rule, an API route or `Invoke` runs.
///
/// The usual one is a closure. It gets the event and returns the result; an error or a panic is a
/// function error, as it is in AWS.
///
/// ```
/// use iot_emulator::Function;
/// use iot_emulator::lambda::ProcessFunction;
/// use serde_json::json;
///
/// let greet = Function::new(|event| {
///     let name = event["name"].as_str().ok_or("no name")?;
///     Ok(json!({ "greeting": format!("hello, {name}") }))
/// });
///
/// // The handler that is deployed to AWS, in the folder `./src`, run by this machine's Python:
/// let handler = ProcessFunction::new("./src", "python3.11", "app.handler")?;
/// let jitr = Function::process(handler.environment("POLICY", "Device"));
///
/// // Whatever answers the Lambda Invoke API, such as `cargo lambda watch`:
/// let elsewhere = Function::http("http://127.0.0.1:9001")?;
/// # let _ = (greet, jitr, elsewhere);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone)]
pub struct Function(pub(super) Kind);

/// The three kinds.
#[derive(Clone)]
pub(super) enum Kind {
    Closure(Arc<Handler>),
    Endpoint(Endpoint),
    Process(ProcessFunction),
}

impl Function {
    /// A function that is this closure. It runs on a thread of its own, so it may block.
    ///
    /// No time limit applies: a thread cannot be killed, and a debugger may be attached.
    pub fn new<F>(handler: F) -> Self
    where
        F: Fn(Value) -> Result<Value, Box<dyn Error + Send + Sync>> + Send + Sync + 'static,
    {
        Self(Kind::Closure(Arc::new(handler)))
    }

    /// A function behind an endpoint of the Lambda Invoke API, over plain HTTP.
    ///
    /// `url` is the root of that API, as `AWS_ENDPOINT_URL_LAMBDA` would name it; the function is
    /// asked for by its name. A URL that ends in `/2015-03-31/functions/NAME/invocations` is used
    /// as it stands, for programs that know the function by another name.
    pub fn http(url: &str) -> Result<Self, InvalidFunction> {
        Ok(Self(Kind::Endpoint(Endpoint::parse(url)?)))
    }

    /// A function whose handler a process on this machine runs.
    pub fn process(process: ProcessFunction) -> Self {
        Self(Kind::Process(process))
    }
}

impl From<ProcessFunction> for Function {
    fn from(process: ProcessFunction) -> Self {
        Self::process(process)
    }
}

impl fmt::Debug for Function {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut kind = f.debug_tuple("Function");
        match &self.0 {
            Kind::Closure(_) => kind.field(&"closure"),
            Kind::Endpoint(endpoint) => kind.field(endpoint),
            Kind::Process(process) => kind.field(process),
        };
        kind.finish()
    }
}

/// A handler in a folder, run by the interpreter on this machine on the Lambda Runtime API.
///
/// One process handles one event at a time and stays warm; events that come together get a process
/// each, up to ten.
#[derive(Clone, Debug)]
pub struct ProcessFunction {
    pub(super) code: Code,
    pub(super) runtime: Runtime,
    pub(super) handler: String,
    pub(super) environment: BTreeMap<String, String>,
    pub(super) timeout: Duration,
}

impl ProcessFunction {
    /// The handler `handler` in the folder `code`, which is used in place.
    ///
    /// `runtime` is AWS's name: `python3.*`, `nodejs*.x` or `provided.*`; the last runs the
    /// folder's executable `bootstrap`.
    pub fn new(
        code: impl AsRef<Path>,
        runtime: &str,
        handler: &str,
    ) -> Result<Self, InvalidFunction> {
        let runtime = Runtime::parse(runtime)
            .ok_or_else(|| InvalidFunction::Runtime { runtime: runtime.to_owned() })?;
        Ok(Self::with_code(Code::folder(code.as_ref())?, runtime, handler))
    }

    pub(super) fn with_code(code: Code, runtime: Runtime, handler: &str) -> Self {
        Self {
            code,
            runtime,
            handler: handler.to_owned(),
            environment: BTreeMap::new(),
            timeout: DEFAULT_TIMEOUT,
        }
    }

    /// Sets an environment variable that the handler sees.
    #[must_use]
    pub fn environment(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.environment.insert(name.into(), value.into());
        self
    }

    /// Sets how long one event may take: three seconds by default, 15 minutes at most.
    ///
    /// It follows real time, also where the emulator's clock is moved by hand.
    #[must_use]
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout = timeout.min(LONGEST_TIMEOUT);
        self
    }
}

/// What runs a process function: AWS's name, and which of our ways to start it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Runtime {
    name: String,
    pub(super) language: Language,
}

/// How a process is started.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Language {
    Python,
    Node,
    Provided,
}

impl Runtime {
    /// The runtimes of today that we run, as an error lists them; others of the families run too.
    pub(super) const EXAMPLES: &str = "nodejs18.x, nodejs20.x, nodejs22.x, nodejs24.x, provided, \
         provided.al2, provided.al2023, python3.9, python3.10, python3.11, python3.12, python3.13, \
         python3.14";

    /// Reads AWS's name; `None` for a runtime that cannot run here.
    pub(super) fn parse(name: &str) -> Option<Self> {
        let digits = |text: &str| {
            !text.is_empty() && text.len() <= 3 && text.bytes().all(|byte| byte.is_ascii_digit())
        };
        let node = || name.strip_prefix("nodejs").and_then(|rest| rest.strip_suffix(".x"));
        let language = if name.strip_prefix("python3.").is_some_and(digits) {
            Language::Python
        } else if node().is_some_and(digits) {
            Language::Node
        } else if matches!(name, "provided" | "provided.al2" | "provided.al2023") {
            Language::Provided
        } else {
            return None;
        };
        Some(Self { name: name.to_owned(), language })
    }

    /// AWS's name.
    pub(super) fn name(&self) -> &str {
        &self.name
    }
}

/// A function that cannot be made.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum InvalidFunction {
    /// Not a runtime that this machine could run.
    #[error("no runtime `{runtime}` here: use python3.*, nodejs*.x or provided.*")]
    Runtime {
        /// What was asked for.
        runtime: String,
    },
    /// The code is not where it was said to be.
    #[error("the code folder `{}` cannot be used: {why}", folder.display())]
    Code {
        /// The folder as it was given.
        folder: PathBuf,
        /// What the machine says about it.
        why: String,
    },
    /// Not a URL that functions can be reached at.
    #[error("cannot invoke functions at `{url}`: {why}")]
    Url {
        /// What was given.
        url: String,
        /// What is wrong with it.
        why: &'static str,
    },
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_runtimes_that_this_machine_can_run_are_taken() {
        let table = [
            ("python3.11", Some(Language::Python)),
            ("python3.9", Some(Language::Python)),
            ("nodejs20.x", Some(Language::Node)),
            ("provided", Some(Language::Provided)),
            ("provided.al2023", Some(Language::Provided)),
            ("python2.7", None),
            ("python3.", None),
            ("python3.x", None),
            ("nodejs", None),
            ("nodejs4.3", None),
            ("nodejs.x", None),
            ("provided.al9", None),
            ("java21", None),
            ("", None),
        ];
        for (name, expected) in table {
            assert_eq!(Runtime::parse(name).map(|runtime| runtime.language), expected, "{name}");
        }
    }

    #[test]
    fn a_function_that_cannot_run_is_refused_when_it_is_made() {
        let missing = ProcessFunction::new("./no-such-folder", "python3.11", "app.handler");
        assert!(matches!(missing, Err(InvalidFunction::Code { .. })));
        let java = ProcessFunction::new(".", "java21", "App");
        assert!(java.unwrap_err().to_string().starts_with("no runtime `java21` here"));
        for url in ["https://127.0.0.1:9001", "127.0.0.1:9001", "/2015-03-31", "http://", "ftp://a"]
        {
            assert!(matches!(Function::http(url), Err(InvalidFunction::Url { .. })), "{url}");
        }
    }

    #[test]
    fn a_function_shows_what_it_is_and_not_what_it_captured() {
        let function = Function::new(Ok);
        assert_eq!(format!("{function:?}"), "Function(\"closure\")");
    }
}
