//! One [`Config`] behind the builder, `iot-emulator.toml`, the environment and the flags.
//!
//! It holds settings and says which are impossible. Who sets what in which order is decided in
//! `main.rs` (defaults, file, environment, flags) and in `Builder`.

use std::net::{IpAddr, Ipv4Addr};
use std::path::PathBuf;

use serde::Deserialize;
use serde_json::{Map, Value};

pub use crate::credentials::{Credential, SECRET_ACCESS_KEY, Secret};
use crate::names::Scope;
use crate::quotas::Quotas;

/// Every setting of an emulator. The default is the library's: free ports on loopback, nothing on
/// disk.
#[derive(Clone, Debug, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// The address that all listeners bind. Loopback unless told otherwise.
    pub bind: IpAddr,
    /// MQTT over mutual TLS; 0 takes a free port, as everywhere below.
    pub mqtt_port: u16,
    /// The HTTPS data plane over mutual TLS.
    pub https_port: u16,
    /// What port 443 of the data endpoint is on AWS: the protocol is chosen by ALPN.
    pub tls_port: u16,
    /// Port 443 of the API Gateway custom domain names.
    pub gateway_port: u16,
    /// The AWS APIs, HTTP and HTTPS.
    pub api_port: u16,
    /// The account of the default `IotCore`.
    pub account: String,
    /// The Region of the default `IotCore`.
    pub region: String,
    /// Where the root CA (and `s3/BUCKET/KEY`) lies. `None`: nothing is read or written.
    pub dir: Option<PathBuf>,
    /// What `DescribeEndpoint` answers for the default account and Region; `aws` answers the
    /// AWS-style name.
    pub endpoint_host: String,
    /// What endpoint prefixes, registration codes and IDs are derived from. `None` rolls one.
    pub seed: Option<u64>,
    /// Time moves only by `advance`.
    pub manual_clock: bool,
    /// How many seconds after it a change of policies, of groups or of a thing counts for whoever
    /// was decided about before. AWS takes 6 to 8 minutes; 0 is at once.
    pub policy_propagation_seconds: u64,
    /// How many seconds after the connection that asks for it the provisioning template of a CA
    /// certificate runs. 0: as soon as the connection is hung up.
    pub provisioning_delay_seconds: u64,
    /// Which of AWS's quotas count: sizes and counts, or the rates too.
    pub quotas: Quotas,
    /// Whether every SigV4 signature is verified. Off: any credentials are taken, and only the
    /// scope is read.
    pub enforce_sigv4: bool,
    /// Access keys that are known beside every 12-digit one, whose secret is
    /// [`SECRET_ACCESS_KEY`].
    pub credential: Vec<Credential>,
    /// Further accounts and Regions with an address or a port of their own.
    pub endpoint: Vec<Endpoint>,
    /// Lambda functions that exist from the start.
    pub function: Vec<FunctionConfig>,
    /// AWS calls made at the start.
    pub call: Vec<Call>,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            bind: IpAddr::V4(Ipv4Addr::LOCALHOST),
            mqtt_port: 0,
            https_port: 0,
            tls_port: 0,
            gateway_port: 0,
            api_port: 0,
            account: "000000000000".to_owned(),
            region: "us-east-1".to_owned(),
            dir: None,
            endpoint_host: "localhost".to_owned(),
            seed: None,
            manual_clock: false,
            policy_propagation_seconds: 0,
            provisioning_delay_seconds: 0,
            quotas: Quotas::Sizes,
            enforce_sigv4: false,
            credential: Vec::new(),
            endpoint: Vec::new(),
            function: Vec::new(),
            call: Vec::new(),
        }
    }
}

impl Config {
    /// The binary's defaults: AWS-like ports, and a folder for the root CA.
    pub fn for_binary() -> Self {
        Self {
            mqtt_port: 8883,
            https_port: 8443,
            tls_port: 4443,
            gateway_port: 9443,
            api_port: 4566,
            dir: Some(PathBuf::from(".iot-emulator")),
            ..Self::default()
        }
    }

    /// The default account and Region.
    pub(crate) fn scope(&self) -> Scope {
        Scope::new(self.account.as_str(), self.region.as_str())
    }

    /// Says in one line what cannot be, if anything cannot.
    pub(crate) fn check(&self) -> Result<(), String> {
        let accounts = self.endpoint.iter().map(|endpoint| &endpoint.account);
        let of_keys = self.credential.iter().filter_map(|credential| credential.account.as_ref());
        for account in accounts.chain(of_keys).chain([&self.account]) {
            if !is_account(account) {
                return Err(format!("account `{account}` is not 12 digits"));
            }
        }
        let regions = self.endpoint.iter().map(|endpoint| &endpoint.region);
        for region in regions.chain([&self.region]) {
            if !is_region(region) {
                return Err(format!("Region `{region}` is not a Region name such as `us-east-1`"));
            }
        }
        for function in &self.function {
            function.check()?;
        }
        Ok(())
    }
}

/// Whether `text` has the form of an AWS account ID.
pub(crate) fn is_account(text: &str) -> bool {
    text.len() == 12 && text.bytes().all(|byte| byte.is_ascii_digit())
}

/// Whether `text` has the form of a Region's name.
pub(crate) fn is_region(text: &str) -> bool {
    let plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    (1..=32).contains(&text.len()) && text.bytes().all(plain)
}

/// Another account or Region, reached by its AWS-style name in SNI, by its own address or port.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Endpoint {
    /// The account, 12 digits.
    pub account: String,
    /// The Region.
    pub region: String,
    /// An address of its own, such as `127.0.0.2`; also what `DescribeEndpoint` answers.
    #[serde(default)]
    pub host: Option<IpAddr>,
    /// An MQTT port of its own.
    #[serde(default)]
    pub mqtt_port: Option<u16>,
    /// An HTTPS port of its own.
    #[serde(default)]
    pub https_port: Option<u16>,
}

/// A Lambda function that exists from the start: a folder of code, or any Invoke endpoint.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FunctionConfig {
    /// The function's name in the default account and Region.
    pub name: String,
    /// `python3.*`, `nodejs*` or `provided.*`.
    #[serde(default)]
    pub runtime: Option<String>,
    /// As the runtime wants it, such as `app.handler`.
    #[serde(default)]
    pub handler: Option<String>,
    /// A folder, used in place.
    #[serde(default)]
    pub code: Option<PathBuf>,
    /// Environment variables of the function.
    #[serde(default)]
    pub environment: std::collections::BTreeMap<String, String>,
    /// How long one invocation may take.
    #[serde(default = "three")]
    pub timeout_seconds: u64,
    /// An endpoint of the Lambda Invoke API, instead of code.
    #[serde(default)]
    pub url: Option<String>,
}

fn three() -> u64 {
    3
}

impl FunctionConfig {
    fn check(&self) -> Result<(), String> {
        let name = &self.name;
        match (&self.url, &self.code, &self.runtime) {
            (Some(_), None, None) => Ok(()),
            (None, Some(_), Some(_)) => Ok(()),
            (Some(_), ..) => Err(format!("function `{name}` has a `url` beside code or runtime")),
            _ => Err(format!("function `{name}` needs `code` and `runtime`, or a `url`")),
        }
    }
}

/// An AWS call with the JSON that the AWS CLI takes.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Call {
    /// `iot`, `lambda` or `apigatewayv2`.
    #[serde(default = "iot")]
    pub service: String,
    /// The operation, such as `CreatePolicy`.
    pub operation: String,
    /// Its input.
    #[serde(default)]
    pub input: Map<String, Value>,
}

fn iot() -> String {
    "iot".to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn impossible_settings_are_named() {
        let table = [
            (Config { account: "1".to_owned(), ..Config::default() }, "account `1`"),
            (Config { region: "US East".to_owned(), ..Config::default() }, "Region `US East`"),
        ];
        for (config, said) in table {
            assert!(config.check().unwrap_err().contains(said));
        }
        assert_eq!(Config::for_binary().check(), Ok(()));
    }

    #[test]
    fn an_unknown_key_is_refused_by_name() {
        let refused = serde_json::from_str::<Config>(r#"{"mqtt_prot": 1}"#).unwrap_err();
        assert!(refused.to_string().contains("mqtt_prot"), "{refused}");
    }
}
