//! What can be typed, and how it becomes a `Config`: defaults, file, environment, flags.

use std::net::IpAddr;
use std::path::{Path, PathBuf};

use clap::builder::FalseyValueParser;
use clap::{Args, Parser, Subcommand, ValueEnum};
use iot_emulator::Config;

use super::Failure;

/// AWS IoT Core on your own machine, for tests.
#[derive(Debug, Parser)]
#[command(name = "iot-emulator", version, about)]
pub(crate) struct Arguments {
    #[command(flatten)]
    pub(crate) settings: Settings,
    #[command(subcommand)]
    pub(crate) command: Option<Command>,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Start, print where everything is, wait. The default.
    Serve,
    /// Start on free ports, run COMMAND with the environment set, stop.
    Exec {
        /// The command and its arguments.
        #[arg(trailing_var_arg = true, required = true, allow_hyphen_values = true)]
        command: Vec<String>,
    },
    /// Print `export` lines for the running emulator.
    Env,
    /// Make a key, an ACTIVE certificate, a thing and a full-access policy, into ./NAME/.
    Enroll {
        /// The thing's name.
        name: String,
    },
    /// Make a CA into ./NAME/, and register it on request.
    Ca {
        /// The CA's common name.
        name: String,
        /// Register it as ACTIVE.
        #[arg(long)]
        register: bool,
        /// Register it with auto-registration: devices register themselves just in time.
        #[arg(long)]
        auto_registration: bool,
        /// Register it with auto-registration and this provisioning template.
        #[arg(long, value_name = "FILE")]
        template: Option<PathBuf>,
    },
    /// Print what happened and why.
    Trace {
        /// Go on as it happens.
        #[arg(long)]
        follow: bool,
        /// One JSON object a line.
        #[arg(long)]
        json: bool,
    },
    /// Move the manual clock, by seconds or as in `90s`, `30m`, `1h`, `1d`.
    Advance {
        /// How far.
        duration: String,
    },
    /// Wait until nothing is under way.
    Settled,
    /// Forget all state.
    Reset,
    /// Exit with 0 when the emulator is ready.
    Healthcheck,
    /// Print a completion script.
    Completions {
        /// For this shell.
        shell: clap_complete::Shell,
    },
}

/// How the trace is printed while serving.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub(crate) enum LogFormat {
    /// Refusals, for people.
    #[default]
    Text,
    /// Every entry as CloudWatch would log it, one JSON object a line.
    Json,
}

#[derive(Args, Debug)]
#[command(next_help_heading = "Settings")]
pub(crate) struct Settings {
    /// The configuration file; `iot-emulator.toml` is read if it is there.
    #[arg(long, global = true, env = "IOT_EMULATOR_CONFIG", value_name = "FILE")]
    pub(crate) config: Option<PathBuf>,
    /// The address to listen on.
    #[arg(long, global = true, env = "IOT_EMULATOR_BIND")]
    pub(crate) bind: Option<IpAddr>,
    /// MQTT over mutual TLS (8883).
    #[arg(long, global = true, env = "IOT_EMULATOR_MQTT_PORT", value_name = "PORT")]
    pub(crate) mqtt_port: Option<u16>,
    /// The HTTPS data plane over mutual TLS (8443).
    #[arg(long, global = true, env = "IOT_EMULATOR_HTTPS_PORT", value_name = "PORT")]
    pub(crate) https_port: Option<u16>,
    /// What 443 of the data endpoint is; the protocol is chosen by ALPN (4443).
    #[arg(long, global = true, env = "IOT_EMULATOR_TLS_PORT", value_name = "PORT")]
    pub(crate) tls_port: Option<u16>,
    /// What 443 of API Gateway custom domain names is (9443).
    #[arg(long, global = true, env = "IOT_EMULATOR_GATEWAY_PORT", value_name = "PORT")]
    pub(crate) gateway_port: Option<u16>,
    /// The AWS APIs (4566).
    #[arg(long, global = true, env = "IOT_EMULATOR_API_PORT", value_name = "PORT")]
    pub(crate) api_port: Option<u16>,
    /// The default account (000000000000).
    #[arg(long, global = true, env = "IOT_EMULATOR_ACCOUNT")]
    pub(crate) account: Option<String>,
    /// The default Region (us-east-1).
    #[arg(long, global = true, env = "IOT_EMULATOR_REGION")]
    pub(crate) region: Option<String>,
    /// Where the root CA and s3/BUCKET/KEY lie (.iot-emulator).
    #[arg(long, global = true, env = "IOT_EMULATOR_DIR")]
    pub(crate) dir: Option<PathBuf>,
    /// What DescribeEndpoint answers (localhost); `aws` answers the AWS-style name.
    #[arg(long, global = true, env = "IOT_EMULATOR_ENDPOINT_HOST", value_name = "HOST")]
    pub(crate) endpoint_host: Option<String>,
    /// What endpoint prefixes, registration codes and IDs are derived from (random).
    #[arg(long, global = true, env = "IOT_EMULATOR_SEED")]
    pub(crate) seed: Option<u64>,
    /// Time moves only by `iot-emulator advance`.
    #[arg(long, global = true, env = "IOT_EMULATOR_MANUAL_CLOCK",
        value_parser = FalseyValueParser::new())]
    pub(crate) manual_clock: bool,
    /// How long after it a change of policies counts for whoever was decided about before (0: at
    /// once; AWS takes 360 to 480).
    #[arg(
        long,
        global = true,
        env = "IOT_EMULATOR_POLICY_PROPAGATION_SECONDS",
        value_name = "SECONDS"
    )]
    pub(crate) policy_propagation_seconds: Option<u64>,
    /// How long after the connection that asks for it the provisioning template of a CA certificate
    /// runs (0: as soon as the connection is hung up).
    #[arg(
        long,
        global = true,
        env = "IOT_EMULATOR_PROVISIONING_DELAY_SECONDS",
        value_name = "SECONDS"
    )]
    pub(crate) provisioning_delay_seconds: Option<u64>,
    /// Verify every SigV4 signature; without it any credentials are taken.
    #[arg(long, global = true, env = "IOT_EMULATOR_ENFORCE_SIGV4",
        value_parser = FalseyValueParser::new())]
    pub(crate) enforce_sigv4: bool,
    /// Which of AWS's quotas count: `sizes` (sizes and counts) or `strict` (the rates too).
    #[arg(long, global = true, env = "IOT_EMULATOR_QUOTAS", value_name = "WHICH")]
    pub(crate) quotas: Option<String>,
    /// How the trace is printed.
    #[arg(long, global = true, env = "IOT_EMULATOR_LOG_FORMAT", default_value = "text")]
    pub(crate) log_format: LogFormat,
    /// Write ports, host names and file paths there as JSON, once all are bound.
    #[arg(long, global = true, env = "IOT_EMULATOR_PORTS_FILE", value_name = "FILE")]
    pub(crate) ports_file: Option<PathBuf>,
    /// The running emulator that the other commands speak to.
    #[arg(long, global = true, env = API_URL, value_name = "URL")]
    pub(crate) api_url: Option<String>,
}

/// A running emulator, as its flag and the environment name it.
const API_URL: &str = "IOT_EMULATOR_API_URL";

/// The file that is read if nobody names another.
const DEFAULT_FILE: &str = "iot-emulator.toml";

impl Settings {
    /// Forgets the ports that `eval "$(iot-emulator env)"` set: they are those of an emulator that
    /// runs, and whoever starts another on free ports does not ask for them.
    pub(crate) fn forget_ports_of_another(&mut self, variable: impl Fn(&str) -> Option<String>) {
        if variable(API_URL).is_none() {
            return;
        }
        for (port, name) in [
            (&mut self.mqtt_port, "IOT_EMULATOR_MQTT_PORT"),
            (&mut self.https_port, "IOT_EMULATOR_HTTPS_PORT"),
            (&mut self.tls_port, "IOT_EMULATOR_TLS_PORT"),
            (&mut self.gateway_port, "IOT_EMULATOR_GATEWAY_PORT"),
        ] {
            let set = variable(name).and_then(|text| text.parse().ok());
            *port = port.filter(|asked| Some(*asked) != set);
        }
    }

    /// Where the running emulator is: what was typed wins over the environment.
    pub(crate) fn remote_url(&self, variable: impl Fn(&str) -> Option<String>) -> String {
        let port = self.api_port.map(|port| format!("http://localhost:{port}"));
        let url = self.api_url.clone();
        let typed = url.clone().filter(|url| Some(url) != variable(API_URL).as_ref());
        let found = typed.or(port).or(url).or_else(|| variable("AWS_ENDPOINT_URL"));
        found.unwrap_or_else(|| "http://localhost:4566".to_owned())
    }

    /// `base`, then the file, then what was set by environment and flags.
    pub(crate) fn config(&self, base: Config) -> Result<Config, Failure> {
        let mut config = self.file(base)?;
        macro_rules! take {
            ($($field:ident)*) => {
                $(if let Some(value) = self.$field.clone() { config.$field = value; })*
            };
        }
        take!(bind mqtt_port https_port tls_port gateway_port api_port account region endpoint_host
            policy_propagation_seconds provisioning_delay_seconds);
        if let Some(word) = &self.quotas {
            // clap would say it in several lines.
            let refused = |error| Failure::start(format!("--quotas: {error}"));
            config.quotas = word.parse().map_err(refused)?;
        }
        config.dir = self.dir.clone().or(config.dir);
        config.seed = self.seed.or(config.seed);
        config.manual_clock |= self.manual_clock;
        config.enforce_sigv4 |= self.enforce_sigv4;
        Ok(config)
    }

    fn file(&self, base: Config) -> Result<Config, Failure> {
        let path = match &self.config {
            Some(path) => path.as_path(),
            None if Path::new(DEFAULT_FILE).exists() => Path::new(DEFAULT_FILE),
            None => return Ok(base),
        };
        let failed = |error: &dyn std::fmt::Display| {
            let text = error.to_string();
            Failure::start(format!("{}: {}", path.display(), text.trim_end().replace('\n', " ")))
        };
        let text = std::fs::read_to_string(path).map_err(|error| failed(&error))?;
        let file: Config = toml::from_str(&text).map_err(|error| failed(&shown(&text, &error)))?;
        let mentioned: toml::Table =
            toml::from_str(&text).map_err(|error| failed(&shown(&text, &error)))?;
        Ok(merge(base, file, &mentioned))
    }
}

/// What is wrong and where; without the line itself where it may hold a secret.
fn shown(text: &str, error: &toml::de::Error) -> String {
    let start = error.span().map_or(0, |span| span.start.min(text.len()));
    let before = text.get(..start).unwrap_or(text);
    let number = before.split('\n').count();
    let own = text.lines().nth(number - 1).into_iter();
    let table = own.chain(before.lines().rev()).find(|line| line.trim_start().starts_with('['));
    if table.is_some_and(|table| table.contains("credential")) {
        return format!("line {number}, in [[credential]]: {}", error.message());
    }
    error.to_string()
}

/// `file` where it says something, `base` elsewhere.
fn merge(base: Config, file: Config, mentioned: &toml::Table) -> Config {
    let mut config = base;
    macro_rules! take {
        ($($field:ident)*) => {
            $(if mentioned.contains_key(stringify!($field)) { config.$field = file.$field; })*
        };
    }
    take!(bind mqtt_port https_port tls_port gateway_port api_port account region dir endpoint_host
        seed manual_clock policy_propagation_seconds provisioning_delay_seconds quotas
        enforce_sigv4 credential endpoint function call);
    config
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;
    use iot_emulator::Quotas;

    use super::*;

    #[test]
    fn flags_win_over_the_file_and_the_file_over_the_default() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("x.toml");
        let text = "mqtt_port = 1\nhttps_port = 2\npolicy_propagation_seconds = 4\n\
                    provisioning_delay_seconds = 5\nquotas = \"strict\"\n";
        std::fs::write(&file, text).unwrap();
        let arguments = Arguments::parse_from([
            "iot-emulator",
            "--config",
            file.to_str().unwrap(),
            "--mqtt-port",
            "3",
        ]);
        let config = arguments.settings.config(Config::for_binary()).unwrap();
        assert_eq!((config.mqtt_port, config.https_port, config.api_port), (3, 2, 4566));
        assert_eq!((config.policy_propagation_seconds, config.quotas), (4, Quotas::Strict));
        assert_eq!(config.provisioning_delay_seconds, 5);
        let typed = ["iot-emulator", "--policy-propagation-seconds", "360", "--quotas", "strict"];
        let typed = [&typed[..], &["--provisioning-delay-seconds", "6"]].concat();
        let config = Arguments::parse_from(typed).settings.config(Config::for_binary()).unwrap();
        assert_eq!((config.policy_propagation_seconds, config.quotas), (360, Quotas::Strict));
        assert_eq!(config.provisioning_delay_seconds, 6);
        let typed = ["iot-emulator", "--quotas", "some"];
        let refused = Arguments::parse_from(typed).settings.config(Config::for_binary());
        let line = refused.unwrap_err().line;
        assert_eq!(line, "--quotas: `some` is neither `sizes` nor `strict`");
    }

    #[test]
    fn exec_takes_free_ports_beside_the_emulator_of_the_environment() {
        let environment = |name: &str| match name {
            "IOT_EMULATOR_API_URL" => Some("http://localhost:4566".to_owned()),
            "IOT_EMULATOR_MQTT_PORT" | "IOT_EMULATOR_TLS_PORT" => Some("8883".to_owned()),
            _ => None,
        };
        let typed = ["iot-emulator", "--mqtt-port", "8883", "--tls-port", "7"];
        let mut settings = Arguments::parse_from(typed).settings;
        settings.forget_ports_of_another(|_| None);
        assert_eq!((settings.mqtt_port, settings.tls_port), (Some(8883), Some(7)));
        settings.forget_ports_of_another(environment);
        assert_eq!((settings.mqtt_port, settings.tls_port), (None, Some(7)));
    }

    #[test]
    fn what_is_typed_names_the_running_emulator_before_the_environment_does() {
        let environment = |name: &str| match name {
            "AWS_ENDPOINT_URL" => Some("http://localhost:1".to_owned()),
            "IOT_EMULATOR_API_URL" => Some("http://localhost:2".to_owned()),
            _ => None,
        };
        let url = |typed: &[&str], variable: &dyn Fn(&str) -> Option<String>| {
            let typed = ["iot-emulator"].iter().chain(typed);
            Arguments::parse_from(typed).settings.remote_url(variable)
        };
        let from_environment = ["--api-url", "http://localhost:2"];
        assert_eq!(url(&from_environment, &environment), "http://localhost:2");
        let both = [&from_environment[..], &["--api-port", "3"]].concat();
        assert_eq!(url(&both, &environment), "http://localhost:3");
        let three = ["--api-port", "3", "--api-url", "http://localhost:4"];
        assert_eq!(url(&three, &environment), "http://localhost:4");
        assert_eq!(url(&["--api-port", "3"], &environment), "http://localhost:3");
        assert_eq!(url(&[], &environment), "http://localhost:1");
        assert_eq!(url(&[], &|_| None), "http://localhost:4566");
    }

    #[test]
    fn the_readme_has_every_flag_and_every_command() {
        let readme = concat!(env!("CARGO_MANIFEST_DIR"), "/../README.md");
        let readme = std::fs::read_to_string(readme).unwrap();
        let command = Arguments::command();
        let flags = command.get_arguments().filter_map(|argument| argument.get_long());
        for flag in flags {
            assert!(readme.contains(&format!("`--{flag}")), "--{flag} is not in the README");
        }
        for command in command.get_subcommands().map(clap::Command::get_name) {
            assert!(readme.contains(&format!("`{command}")), "`{command}` is not in the README");
        }
    }

    #[test]
    fn what_is_wrong_with_a_credential_is_told_without_its_secret() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("x.toml");
        let table = [
            ("secret_acces_key = \"hush-hush\"", "secret_acces_key"),
            ("secret_access_key = \"hush-hush", "line 4"),
            ("secret_access_key = 4711", "a text in quotes"),
            ("secret_access_key = \"a\"\nsession_token = [\"hush-hush\"]", "a text in quotes"),
        ];
        for (line, said) in table {
            let text =
                format!("enforce_sigv4 = true\n[[credential]]\naccess_key_id = \"A\"\n{line}\n");
            std::fs::write(&file, text).unwrap();
            let typed = ["iot-emulator", "--config", file.to_str().unwrap()];
            let settings = Arguments::parse_from(typed).settings;
            let shown = settings.config(Config::for_binary()).unwrap_err().line;
            assert!(shown.contains(said), "{shown}");
            assert!(!shown.contains("hush") && !shown.contains("4711"), "{shown}");
        }
        let good = "enforce_sigv4 = true\n[[credential]]\naccess_key_id = \"A\"\n\
                    secret_access_key = \"hush\"\naccount = \"111122223333\"\n";
        std::fs::write(&file, good).unwrap();
        let typed = ["iot-emulator", "--config", file.to_str().unwrap()];
        let config = Arguments::parse_from(typed).settings.config(Config::for_binary()).unwrap();
        assert!(config.enforce_sigv4 && !format!("{config:?}").contains("hush"));
        assert_eq!(config.credential[0].account.as_deref(), Some("111122223333"));
    }

    #[test]
    fn an_unknown_key_is_refused_with_file_and_line() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("x.toml");
        std::fs::write(&file, "\nmqtt_prot = 1\n").unwrap();
        let arguments = Arguments::parse_from(["iot-emulator", "--config", file.to_str().unwrap()]);
        let line = arguments.settings.config(Config::for_binary()).unwrap_err().line;
        assert!(line.contains("x.toml") && line.contains("line 2"), "{line}");
        assert!(line.contains("mqtt_prot"), "{line}");
    }
}
