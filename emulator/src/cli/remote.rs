//! The commands that speak to a running emulator, over its API port.

use std::fmt::Write as _;
use std::path::Path;

use http_body_util::{BodyExt as _, Full};
use hyper::body::Incoming;
use hyper_util::rt::TokioIo;
use iot_emulator::CertificateAuthority;
use serde_json::{Value, json};

use super::args::{Command, Settings};
use super::serve::runtime;
use super::{Failure, print};

/// Runs a command that needs an emulator that runs already.
pub(crate) fn run(settings: &Settings, command: Command) -> Result<(), Failure> {
    let remote = Remote::new(settings);
    match command {
        Command::Env => env(&remote),
        Command::Enroll { name } => enroll(&remote, &name),
        Command::Ca { name, register, auto_registration, template } => {
            let template = template.as_deref();
            let register = register || auto_registration || template.is_some();
            let auto = auto_registration || template.is_some();
            ca(&remote, &name, register.then_some(auto), template)
        }
        Command::Trace { follow, json } => trace(&remote, follow, json),
        Command::Advance { duration } => {
            let body = json!({ "seconds": seconds(&duration)? });
            remote.send("POST", "/_emulator/advance", Some(body)).map(drop)
        }
        Command::Settled => remote.send("GET", "/_emulator/settled", None).map(drop),
        Command::Reset => remote.send("POST", "/_emulator/reset", None).map(drop),
        Command::Healthcheck => remote.send("GET", "/_emulator/health", None).map(drop),
        Command::Serve | Command::Exec { .. } | Command::Completions { .. } => {
            Err(Failure::new("this command starts its own emulator"))
        }
    }
}

/// A running emulator.
struct Remote {
    authority: String,
}

impl Remote {
    fn new(settings: &Settings) -> Self {
        let url = settings.remote_url(|name| std::env::var(name).ok());
        let authority = url.trim_start_matches("http://").trim_end_matches('/').to_owned();
        Self { authority }
    }

    /// One request; anything but 2xx is a failure with the emulator's own message.
    fn send(&self, method: &str, path: &str, body: Option<Value>) -> Result<Value, Failure> {
        let text = self.exchange(method, path, body)?;
        if text.is_empty() {
            return Ok(Value::Null);
        }
        serde_json::from_str(&text).map_err(|_| Failure::new(format!("not JSON: {text}")))
    }

    /// One operation of AWS IoT, with the JSON that the AWS CLI takes: it needs no signature.
    fn iot(&self, operation: &str, input: Value) -> Result<Value, Failure> {
        let call = json!({ "operation": operation, "input": input });
        self.send("POST", "/_emulator/call", Some(call))
    }

    fn exchange(&self, method: &str, path: &str, body: Option<Value>) -> Result<String, Failure> {
        runtime()?.block_on(async {
            let response = self.ask(method, path, "application/json", body).await?;
            let collected = response.into_body().collect().await;
            let body = collected.map_err(|error| self.unreachable(&error))?.to_bytes();
            Ok(String::from_utf8_lossy(&body).into_owned())
        })
    }

    /// Hands each server-sent event of `path` to `each`, for as long as the emulator runs.
    fn follow(
        &self,
        path: &str,
        mut each: impl FnMut(&str) -> Result<(), Failure>,
    ) -> Result<(), Failure> {
        runtime()?.block_on(async {
            let mut body = self.ask("GET", path, "text/event-stream", None).await?.into_body();
            let mut waiting = Vec::new();
            while let Some(Ok(frame)) = body.frame().await {
                waiting.extend_from_slice(&frame.into_data().unwrap_or_default());
                while let Some(end) = waiting.windows(2).position(|pair| pair == b"\n\n") {
                    let event: Vec<u8> = waiting.drain(..end + 2).collect();
                    let event = String::from_utf8_lossy(&event);
                    if let Some(data) = event.lines().find_map(|line| line.strip_prefix("data: ")) {
                        each(data)?;
                    }
                }
            }
            Ok(())
        })
    }

    fn unreachable(&self, error: &dyn std::fmt::Display) -> Failure {
        Failure::new(format!(
            "no emulator answers at http://{} ({error}); start one with `iot-emulator`, or name it \
             with --api-url",
            self.authority
        ))
    }

    async fn ask(
        &self,
        method: &str,
        path: &str,
        accept: &str,
        body: Option<Value>,
    ) -> Result<hyper::Response<Incoming>, Failure> {
        let body = body.map(|body| body.to_string()).unwrap_or_default();
        let request = hyper::Request::builder()
            .method(method)
            .uri(path)
            .header("host", &self.authority)
            .header("content-type", "application/json")
            .header("accept", accept)
            .body(Full::new(hyper::body::Bytes::from(body)))
            .map_err(|error| self.unreachable(&error))?;
        let stream = tokio::net::TcpStream::connect(self.authority.as_str()).await;
        let stream = TokioIo::new(stream.map_err(|error| self.unreachable(&error))?);
        let handshake = hyper::client::conn::http1::handshake(stream).await;
        let (mut sender, connection) = handshake.map_err(|error| self.unreachable(&error))?;
        tokio::spawn(connection);
        let sent = sender.send_request(request).await;
        let response = sent.map_err(|error| self.unreachable(&error))?;
        if response.status().is_success() {
            return Ok(response);
        }
        let body = response.into_body().collect().await;
        let body = body.map_err(|error| self.unreachable(&error))?.to_bytes();
        let text = String::from_utf8_lossy(&body).into_owned();
        let message = serde_json::from_str::<Value>(&text)
            .ok()
            .and_then(|body| body["message"].as_str().map(str::to_owned));
        Err(Failure::new(message.unwrap_or(text)))
    }
}

fn env(remote: &Remote) -> Result<(), Failure> {
    let environment = remote.send("GET", "/_emulator/environment", None)?;
    let mut lines = String::new();
    for (name, value) in environment.as_object().into_iter().flatten() {
        let credential = name.starts_with("AWS_ACCESS") || name.starts_with("AWS_SECRET");
        if credential && std::env::var_os(name).is_some() {
            continue;
        }
        let value = value.as_str().unwrap_or_default().replace('\'', r"'\''");
        let _infallible = writeln!(lines, "export {name}='{value}'");
    }
    print(&lines)
}

fn trace(remote: &Remote, follow: bool, json: bool) -> Result<(), Failure> {
    let show = |entry: &Value| {
        let line = if json { entry.to_string() } else { text_of(entry) };
        print(&format!("{line}\n"))
    };
    if follow {
        return remote.follow("/_emulator/trace", |event| {
            show(&serde_json::from_str(event).unwrap_or_default())
        });
    }
    let news = remote.send("GET", "/_emulator/trace", None)?;
    news["entries"].as_array().into_iter().flatten().try_for_each(show)
}

/// The entry's own text form, which the emulator sends along.
fn text_of(entry: &Value) -> String {
    entry["text"].as_str().map_or_else(|| entry.to_string(), str::to_owned)
}

/// `90`, `90s`, `30m`, `1h`, `1d` as seconds.
fn seconds(text: &str) -> Result<f64, Failure> {
    let (number, unit) = match text.trim_end_matches(|letter: char| letter.is_ascii_alphabetic()) {
        number if number.len() == text.len() => (number, 1.0),
        number => match text.trim_start_matches(number) {
            "s" => (number, 1.0),
            "m" => (number, 60.0),
            "h" => (number, 3600.0),
            "d" => (number, 86_400.0),
            unit => return Err(Failure::new(format!("`{unit}` is not one of s, m, h, d"))),
        },
    };
    let number: f64 = number
        .parse()
        .map_err(|_| Failure::new(format!("`{text}` is not a duration such as 90s or 1h")))?;
    Ok(number * unit)
}

/// Writes a file that others may read, or not if it holds a key.
fn write(folder: &Path, name: &str, text: &str, secret: bool) -> Result<(), Failure> {
    use std::io::Write as _;
    use std::os::unix::fs::OpenOptionsExt as _;
    let path = folder.join(name);
    let mode = if secret { 0o600 } else { 0o644 };
    let failed =
        |error: std::io::Error| Failure::new(format!("cannot write {}: {error}", path.display()));
    let mut options = std::fs::OpenOptions::new();
    let mut file = options.write(true).create_new(true).mode(mode).open(&path).map_err(failed)?;
    file.write_all(text.as_bytes()).map_err(failed)
}

fn new_folder(name: &str) -> Result<&Path, Failure> {
    let folder = Path::new(name);
    std::fs::create_dir_all(folder)
        .map_err(|error| Failure::new(format!("cannot make ./{name}: {error}")))?;
    Ok(folder)
}

/// Like the console's "connect one device": all that a client needs, in one folder.
fn enroll(remote: &Remote, name: &str) -> Result<(), Failure> {
    remote.iot("CreateThing", json!({ "thingName": name }))?;
    let made = remote.iot("CreateKeysAndCertificate", json!({ "setAsActive": true }))?;
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let folder = new_folder(name)?;
    write(folder, "certificate.pem", &text(&made["certificatePem"]), false)?;
    write(folder, "private.key", &text(&made["keyPair"]["PrivateKey"]), true)?;
    write(folder, "root-ca.pem", &remote.exchange("GET", "/_emulator/root-ca.pem", None)?, false)?;
    let document = json!({
        "Version": "2012-10-17",
        "Statement": [{ "Effect": "Allow", "Action": "iot:*", "Resource": "*" }],
    });
    let policy = format!("{name}-full-access");
    let body = json!({ "policyName": policy, "policyDocument": document.to_string() });
    remote.iot("CreatePolicy", body)?;
    let certificate_arn = text(&made["certificateArn"]);
    remote.iot("AttachPolicy", json!({ "policyName": policy, "target": certificate_arn }))?;
    let attach = json!({ "thingName": name, "principal": certificate_arn });
    remote.iot("AttachThingPrincipal", attach)?;
    let environment = remote.send("GET", "/_emulator/environment", None)?;
    print(&format!(
        "{name}/ holds certificate.pem, private.key and root-ca.pem. Try:\n  mosquitto_pub \
         -h localhost -p {} --cafile {name}/root-ca.pem --cert {name}/certificate.pem \
         --key {name}/private.key -i {name} -t hello -m world -q 1 -d\n",
        text(&environment["IOT_EMULATOR_MQTT_PORT"])
    ))
}

/// A CA as the articles make it; `register` with its auto-registration, if it is to be registered.
fn ca(
    remote: &Remote,
    name: &str,
    register: Option<bool>,
    template: Option<&Path>,
) -> Result<(), Failure> {
    let ca = CertificateAuthority::new(name);
    let folder = new_folder(name)?;
    write(folder, "ca.pem", &ca.pem(), false)?;
    write(folder, "ca.key", &ca.private_key_pem(), true)?;
    let Some(auto_registration) = register else {
        return print(&format!("{name}/ holds ca.pem and ca.key.\n"));
    };
    let code = remote.iot("GetRegistrationCode", json!({}))?;
    let code = code["registrationCode"].as_str().unwrap_or_default();
    let mut body = json!({
        "caCertificate": ca.pem(),
        "verificationCertificate": ca.verification_certificate(code),
    });
    if let Some(file) = template {
        let text = std::fs::read_to_string(file)
            .map_err(|error| Failure::new(format!("cannot read {}: {error}", file.display())))?;
        body["registrationConfig"] = json!({
            "templateBody": text,
            "roleArn": "arn:aws:iam::000000000000:role/JITPRole",
        });
    }
    body["setAsActive"] = true.into();
    body["allowAutoRegistration"] = auto_registration.into();
    let registered = remote.iot("RegisterCACertificate", body)?;
    print(&format!(
        "{name}/ holds ca.pem and ca.key; registered as {}\n",
        registered["certificateId"].as_str().unwrap_or_default()
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_duration_is_read_with_or_without_a_unit() {
        for (text, expected) in [("90", 90.0), ("90s", 90.0), ("1.5m", 90.0), ("1h", 3600.0)] {
            assert_eq!(seconds(text).unwrap(), expected, "{text}");
        }
        assert!(seconds("1w").is_err() && seconds("soon").is_err());
    }
}
