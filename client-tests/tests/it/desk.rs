//! [`Desk`]: an emulator, one device's files, and a shell whose programs find both.
//!
//! It decides what the device may: all but what is called forbidden or unheard. What the programs
//! say is judged by the tests beside it, what the emulator says of them by [`Desk::refused`].

use client_tests::programs::{self, Finished, Running, Shell};
use iot_emulator::{Emulator, Identity};
use serde_json::json;
use tempfile::TempDir;

use crate::common::EVERYTHING;

/// An Amazon Cognito identity, as the session token that makes somebody be it.
const IDENTITY: &str = "us-east-1:0f1e2d3c-4b5a-6978-8796-a5b4c3d2e1f0";

/// An emulator whose clock is moved by hand, and a folder with a device's files.
pub(crate) struct Desk {
    pub(crate) emulator: Emulator,
    shell: Shell,
    _folder: TempDir,
}

/// Everything is allowed, except that nothing called forbidden is touched, nor unheard received.
fn policy() -> String {
    let on = |resource: &str| format!("arn:aws:iot:us-east-1:000000000000:{resource}");
    let forbidden = ["client/forbidden*", "topic/forbidden/*", "topicfilter/forbidden/*"].map(on);
    let unheard = on("topic/unheard/*");
    json!({ "Version": "2012-10-17", "Statement": [
        { "Effect": "Allow", "Action": EVERYTHING, "Resource": "*" },
        { "Effect": "Deny", "Action": EVERYTHING, "Resource": forbidden },
        { "Effect": "Deny", "Action": "iot:Receive", "Resource": unheard },
    ] })
    .to_string()
}

impl Desk {
    /// A desk, if all `clients` are there.
    pub(crate) async fn with(clients: &[&str]) -> Option<Self> {
        if !programs::present(clients).await {
            return None;
        }
        let emulator = Emulator::builder().manual_clock(true).start().expect("free ports");
        let iot = emulator.iot_core();
        let identity = Identity::self_signed("device");
        iot.register_certificate_without_ca(&identity.certificate_pem());
        iot.create_policy("Device", policy());
        iot.attach_policy("Device", identity.certificate_id());
        let attached = json!({ "policyName": "Device", "target": IDENTITY });
        iot.call("AttachPolicy", attached).expect("an identity takes policies");

        let folder = tempfile::tempdir().expect("a folder of our own");
        let mut shell = Shell::new(folder.path());
        for (name, value) in emulator.environment() {
            shell.set(name, value);
        }
        let unknown = Identity::self_signed("unknown");
        for (variable, file, content) in [
            ("ROOT_CA", "root-ca.pem", iot.root_ca_pem().to_owned()),
            ("CERTIFICATE", "certificate.pem", identity.certificate_pem()),
            ("PRIVATE_KEY", "private.key", identity.private_key_pem()),
            ("UNKNOWN_CERTIFICATE", "unknown.pem", unknown.certificate_pem()),
            ("UNKNOWN_PRIVATE_KEY", "unknown.key", unknown.private_key_pem()),
        ] {
            shell.write(file, content);
            shell.set(variable, folder.path().join(file));
        }
        shell.set("MQTT_PORT", emulator.addresses().mqtt.port().to_string());
        shell.set("TLS_PORT", emulator.addresses().tls.port().to_string());
        shell.set("API_URL", emulator.api_url());
        shell.set("SESSION_TOKEN", IDENTITY);
        let files = "--cafile root-ca.pem --cert certificate.pem --key private.key";
        shell.set("DEVICE", format!("-h localhost {files}"));
        Some(Self { emulator, shell, _folder: folder })
    }

    /// Runs a line in the shell, however it ends.
    pub(crate) async fn run(&self, line: &str) -> Finished {
        self.shell.run(line).await
    }

    /// Runs a line in the shell to its good end.
    pub(crate) async fn succeeds(&self, line: &str) -> Finished {
        self.run(line).await.succeeded()
    }

    /// Writes a file beside the programs.
    pub(crate) fn write(&self, file: &str, content: impl AsRef<[u8]>) {
        self.shell.write(file, content);
    }

    /// Starts a line in the shell.
    pub(crate) fn start(&self, line: &str) -> Running {
        self.shell.start(line)
    }

    /// Runs a program of `client-tests`, which asserts by itself, to its good end.
    pub(crate) async fn converses(&self, interpreter: &str, program: &str) {
        let program = programs::of_the_project("client-tests").join(program);
        let told = self.run(&format!("{interpreter} '{}'", program.display())).await;
        told.succeeded().said("all is as on AWS");
    }

    /// What the trace says was refused, in order of the alphabet: who was refused what, why, and
    /// what the client saw. How a connection ended after that is left out.
    pub(crate) fn refused(&self) -> Vec<String> {
        let entries = self.emulator.trace().refusals();
        let mut lines: Vec<String> = entries
            .iter()
            .filter_map(|entry| {
                let answer = entry.answer.as_deref()?;
                let topic = entry.value("topicName").unwrap_or_default();
                let client = entry.value("clientId").unwrap_or("-");
                let reason = entry.reason.unwrap_or_default();
                Some(format!("{} {client} {topic:.20} {reason}: {answer}", entry.event_type))
            })
            .collect();
        lines.sort();
        lines
    }

    /// Asserts that just these were refused.
    #[track_caller]
    pub(crate) fn assert_refused(&self, expected: &[&str]) {
        let mut expected = expected.to_vec();
        expected.sort_unstable();
        assert_eq!(self.refused(), expected, "{}", self.emulator.trace());
    }

    /// Asserts that one refusal, as people read it, says each of `phrases`.
    #[track_caller]
    pub(crate) fn assert_explained(&self, phrases: &[&str]) {
        let trace = self.emulator.trace();
        let explains = |text: String| phrases.iter().all(|phrase| text.contains(phrase));
        let explained = trace.refusals().iter().any(|entry| explains(entry.to_string()));
        assert!(explained, "nothing says {phrases:?} in\n{trace}");
    }
}
