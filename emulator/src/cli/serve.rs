//! `serve` and `exec`: the two commands that start an emulator.

use std::os::unix::process::ExitStatusExt as _;
use std::path::Path;
use std::process::ExitCode;

use iot_emulator::config::{Credential, SECRET_ACCESS_KEY};
use iot_emulator::{Config, Emulator, trace};

use super::args::{LogFormat, Settings};
use super::{Failure, print};

/// Starts, prints where everything is, waits for Ctrl-C or SIGTERM.
pub(crate) fn serve(settings: &Settings) -> Result<ExitCode, Failure> {
    let config = settings.config(Config::for_binary())?;
    let emulator = start(config, settings.log_format)?;
    print(&banner(&emulator))?;
    if let Some(file) = &settings.ports_file {
        write_ports(&emulator, file)?;
    }
    print("Ready.\n")?;
    runtime()?.block_on(stop_signal())?;
    Ok(ExitCode::SUCCESS)
}

/// Starts on free ports, runs `command` with the environment set, and ends as it ends.
pub(crate) fn exec(settings: &Settings, command: &[String]) -> Result<ExitCode, Failure> {
    let folder = tempfile::tempdir()?;
    let base = Config { dir: Some(folder.path().to_owned()), ..Config::default() };
    let emulator = start(settings.config(base)?, settings.log_format)?;
    if let Some(file) = &settings.ports_file {
        write_ports(&emulator, file)?;
    }
    let (program, arguments) =
        command.split_first().ok_or_else(|| Failure::new("no command to run"))?;
    let unset = |(name, _): &(&'static str, String)| {
        !name.starts_with("AWS_ACCESS") && !name.starts_with("AWS_SECRET")
            || std::env::var_os(name).is_none()
    };
    let status = std::process::Command::new(program)
        .args(arguments)
        .envs(emulator.environment().into_iter().filter(unset))
        .status()
        .map_err(|error| Failure::new(format!("cannot run `{program}`: {error}")))?;
    // As shells say it: 128 and the number of the signal.
    let code = status.code().or_else(|| status.signal().map(|signal| 128 + signal));
    let code = code.and_then(|code| u8::try_from(code).ok());
    Ok(code.map_or(ExitCode::FAILURE, ExitCode::from))
}

/// The access key of the environment, which `exec` leaves to the command: what is not set there is
/// what the emulator exports.
fn of_environment(account: &str, variable: impl Fn(&str) -> Option<String>) -> Option<Credential> {
    let [key, secret, token] =
        ["AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN"].map(variable);
    if key.is_none() && secret.is_none() && token.is_none() {
        return None;
    }
    let key = key.unwrap_or_else(|| account.to_owned());
    let known = Credential::new(key, secret.unwrap_or_else(|| SECRET_ACCESS_KEY.to_owned()));
    Some(match token {
        Some(token) => known.with_session_token(token),
        None => known,
    })
}

fn start(mut config: Config, log_format: LogFormat) -> Result<Emulator, Failure> {
    config.credential.extend(of_environment(&config.account, |name| std::env::var(name).ok()));
    let builder = Emulator::builder().config(config);
    let builder = match log_format {
        LogFormat::Json => builder.on_entry(|entry| log(&entry.to_json().to_string())),
        LogFormat::Text => builder.on_entry(|entry| {
            if entry.outcome == trace::Outcome::Failure {
                log(&entry.to_string());
            }
        }),
    };
    builder.start().map_err(Failure::start)
}

/// The log goes to standard error, so that `Ready.` and a command's output stay alone.
fn log(line: &str) {
    use std::io::Write as _;
    let _closed = writeln!(std::io::stderr().lock(), "{line}");
}

fn banner(emulator: &Emulator) -> String {
    let addresses = emulator.addresses();
    let iot = emulator.iot_core();
    let scope = iot.scope();
    let seed = emulator.seed();
    let root_ca = emulator.root_ca_path().map(|path| path.display().to_string());
    format!(
        "  mqtt         {:<21} root CA   {}\n  \
           https        {:<21} endpoint  {}\n  \
           tls (443)    {:<21} account   {}   Region {}\n  \
           api gateway  {:<21} seed      {seed}   (repeat this run with --seed {seed})\n  \
           aws api      {:<21} export AWS_ENDPOINT_URL={}\n",
        shown(addresses.mqtt),
        root_ca.unwrap_or_else(|| format!("{}/_emulator/root-ca.pem", emulator.api_url())),
        shown(addresses.https),
        iot.aws_endpoint(),
        shown(addresses.tls),
        scope.account,
        scope.region,
        shown(addresses.gateway),
        emulator.api_url(),
        emulator.api_url(),
    )
}

fn shown(address: std::net::SocketAddr) -> String {
    if address.ip().is_loopback() {
        format!("localhost:{}", address.port())
    } else {
        address.to_string()
    }
}

/// Written beside and renamed, so that whoever waits for the file never reads half of it.
fn write_ports(emulator: &Emulator, file: &Path) -> Result<(), Failure> {
    let addresses = emulator.addresses();
    let endpoint = |own: &iot_emulator::EndpointAddresses| {
        serde_json::json!({
            "account": own.account,
            "region": own.region,
            "host": own.mqtt.ip(),
            "mqtt_port": own.mqtt.port(),
            "https_port": own.https.port(),
        })
    };
    let endpoints: Vec<_> = addresses.endpoints.iter().map(endpoint).collect();
    let ports = serde_json::json!({
        "mqtt_port": addresses.mqtt.port(),
        "https_port": addresses.https.port(),
        "tls_port": addresses.tls.port(),
        "gateway_port": addresses.gateway.port(),
        "api_port": addresses.api.port(),
        "api_url": emulator.api_url(),
        "endpoint": emulator.iot_core().endpoint(),
        "aws_endpoint": emulator.iot_core().aws_endpoint(),
        "endpoints": endpoints,
        "root_ca": emulator.root_ca_path(),
        "seed": emulator.seed(),
    });
    let failed = |error: std::io::Error| {
        Failure::start(format!("cannot write the ports file {}: {error}", file.display()))
    };
    let beside = file.with_extension("part");
    std::fs::write(&beside, format!("{ports:#}\n")).map_err(failed)?;
    std::fs::rename(&beside, file).map_err(failed)
}

pub(crate) fn runtime() -> Result<tokio::runtime::Runtime, Failure> {
    Ok(tokio::runtime::Builder::new_current_thread().enable_all().build()?)
}

async fn stop_signal() -> Result<(), Failure> {
    use tokio::signal::unix::{SignalKind, signal};
    let mut terminate = signal(SignalKind::terminate())?;
    tokio::select! {
        interrupted = tokio::signal::ctrl_c() => Ok(interrupted?),
        _ = terminate.recv() => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_access_key_of_the_environment_is_known_as_a_command_finds_it() {
        let found = |set: &[(&str, &str)]| {
            of_environment("000000000000", |name| {
                let mut set = set.iter().filter(|(variable, _)| *variable == name);
                set.next().map(|(_, value)| (*value).to_owned())
            })
        };
        let (key, secret) = (("AWS_ACCESS_KEY_ID", "AKID"), ("AWS_SECRET_ACCESS_KEY", "hush"));
        let token = ("AWS_SESSION_TOKEN", "token");
        assert_eq!(found(&[]), None);
        assert_eq!(found(&[key, secret]), Some(Credential::new("AKID", "hush")));
        assert_eq!(found(&[key]), Some(Credential::new("AKID", SECRET_ACCESS_KEY)));
        let own = Credential::new("000000000000", "hush").with_session_token("token");
        assert_eq!(found(&[secret, token]), Some(own));
    }
}
