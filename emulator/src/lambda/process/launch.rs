//! How a process is started: the interpreter, our bootstrap, the environment that AWS documents.
//!
//! Truth: <https://docs.aws.amazon.com/lambda/latest/dg/configuration-envvars.html>.

use std::collections::BTreeMap;
use std::env;
use std::ffi::OsString;
use std::net::SocketAddr;
use std::process::Stdio;

use tokio::process::Command;

use super::super::function::{Language, ProcessFunction};
use super::super::host::Host;
use crate::names::Scope;
use crate::time::Clock;

/// What runs a Python handler: the standard library only.
const PYTHON_BOOTSTRAP: &str = include_str!("bootstrap.py");
/// What runs a Node.js handler: nothing that Node.js does not bring.
const NODE_BOOTSTRAP: &str = include_str!("bootstrap.mjs");

/// The secret access key of every function.
pub(in crate::lambda) const SECRET_ACCESS_KEY: &str = "emulated";
/// The session token of every function: those of AWS have temporary credentials too.
pub(in crate::lambda) const SESSION_TOKEN: &str = "emulated";

/// What one function's processes are started from.
#[derive(Clone, Debug)]
pub(in crate::lambda) struct Launch {
    pub(in crate::lambda) scope: Scope,
    pub(in crate::lambda) name: String,
    pub(in crate::lambda) memory_megabytes: u32,
    pub(in crate::lambda) process: ProcessFunction,
}

/// The AWS services whose endpoint a handler's SDK finds in a variable of their own, which outranks
/// `AWS_ENDPOINT_URL`. Truth: the service IDs in botocore.
const SERVICES: [&str; 7] =
    ["IOT", "IOT_DATA_PLANE", "IOT_JOBS_DATA_PLANE", "LAMBDA", "API_GATEWAY", "APIGATEWAYV2", "S3"];

impl Launch {
    /// The program that runs the handler, by the name that an error may say.
    pub(super) fn program(&self) -> OsString {
        match self.process.runtime.language {
            Language::Python => "python3".into(),
            Language::Node => "node".into(),
            Language::Provided => self.process.code.root().join("bootstrap").into(),
        }
    }

    /// The command that starts a process which talks to the runtime API at `runtime_api`.
    pub(super) fn command(&self, host: &Host, runtime_api: SocketAddr) -> Command {
        let mut command = Command::new(self.program());
        match self.process.runtime.language {
            // Given as arguments, because nothing is written to disk unless asked.
            Language::Python => command.args(["-u", "-c", PYTHON_BOOTSTRAP]),
            Language::Node => command.args(["--input-type=module", "-e", NODE_BOOTSTRAP]),
            Language::Provided => &mut command,
        };
        command
            .current_dir(self.process.code.root())
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        // No AWS profile or endpoint of the developer leads a handler's calls to a real account.
        for (name, _) in env::vars_os() {
            let name_text = name.to_string_lossy();
            if ["AWS_", "LAMBDA_", "_HANDLER", "_X_AMZN_"]
                .iter()
                .any(|own| name_text.starts_with(own))
            {
                command.env_remove(name);
            }
        }
        command.envs(self.variables(host, runtime_api));
        command
    }

    /// What the process finds in its environment, beside what the machine gives every process.
    fn variables(&self, host: &Host, runtime_api: SocketAddr) -> BTreeMap<String, String> {
        let mut variables = surrounding_variables(host);
        // What the function's owner sets outranks the emulator, but never what AWS reserves.
        variables.extend(self.process.environment.clone());
        let region = self.scope.region.as_str();
        let runtime = self.process.runtime.name();
        let mut set = |name: &str, value: &str| {
            variables.insert(name.to_owned(), value.to_owned());
        };
        set("_HANDLER", &self.process.handler);
        set("LAMBDA_TASK_ROOT", &self.process.code.root().to_string_lossy());
        set("AWS_LAMBDA_RUNTIME_API", &runtime_api.to_string());
        set("AWS_REGION", region);
        set("AWS_DEFAULT_REGION", region);
        set("AWS_EXECUTION_ENV", &format!("AWS_Lambda_{runtime}"));
        set("AWS_LAMBDA_FUNCTION_NAME", &self.name);
        set("AWS_LAMBDA_FUNCTION_VERSION", "$LATEST");
        set("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", &self.memory_megabytes.to_string());
        set("AWS_LAMBDA_INITIALIZATION_TYPE", "on-demand");
        set("AWS_LAMBDA_LOG_GROUP_NAME", &format!("/aws/lambda/{}", self.name));
        let day = Clock::System.now().format("%Y/%m/%d");
        let stream = format!("{day}/[$LATEST]{}", host.random_hex(16));
        set("AWS_LAMBDA_LOG_STREAM_NAME", &stream);
        // A 12-digit access key ID is an account here, so that calls land where the function lives.
        set("AWS_ACCESS_KEY_ID", self.scope.account.as_str());
        set("AWS_SECRET_ACCESS_KEY", SECRET_ACCESS_KEY);
        set("AWS_SESSION_TOKEN", SESSION_TOKEN);
        variables
    }
}

/// What leads a handler's AWS SDK, or its MQTT client, back to the emulator.
fn surrounding_variables(host: &Host) -> BTreeMap<String, String> {
    let surroundings = host.surroundings();
    let mut variables = surroundings.variables;
    let mut set = |name: &str, value: &str| {
        variables.insert(name.to_owned(), value.to_owned());
    };
    set("TZ", "UTC");
    set("LANG", "en_US.UTF-8");
    // The machine may be an EC2 instance, whose role would otherwise be found.
    set("AWS_EC2_METADATA_DISABLED", "true");
    if let Some(url) = &surroundings.api_url {
        set("AWS_ENDPOINT_URL", url);
        for service in SERVICES {
            set(&format!("AWS_ENDPOINT_URL_{service}"), url);
        }
        set("IOT_EMULATOR_API_URL", url);
        for name in ["NO_PROXY", "no_proxy"] {
            let others = env::var(name).map(|others| format!("{others},")).unwrap_or_default();
            set(name, &format!("{others}localhost,127.0.0.1,::1"));
        }
    }
    if let Some(path) = &surroundings.root_ca {
        set("IOT_EMULATOR_ROOT_CA", &path.to_string_lossy());
    }
    variables
}
