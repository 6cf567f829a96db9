//! A CA, what it issued, and what is allowed: alike for every server, each in its own language.
//!
//! Authorization is made as expensive as AWS lets it be: five policies of twenty statements, of
//! which the last one allows; a hundred lines of an access list, of which the last one allows.

use std::sync::Arc;

use iot_emulator::pki::Leaf;
use iot_emulator::{CertificateAuthority, Identity};
use serde_json::{Value, json};

use crate::tls::{Configurations, Version};

const POLICIES: usize = 5;
const STATEMENTS: usize = 20;
/// What AWS takes, not counting white space.
const DOCUMENT_CHARACTERS: usize = 2048;

/// One client: its name is its client ID, its thing, and its certificate's common name.
pub(crate) struct Device {
    pub(crate) name: String,
    identity: Identity,
    tls: [Arc<rustls::ClientConfig>; 2],
}

impl Device {
    pub(crate) fn tls(&self, version: Version) -> &Arc<rustls::ClientConfig> {
        let [newer, older] = &self.tls;
        if version == Version::Tls13 { newer } else { older }
    }

    /// A topic that nobody else publishes to.
    pub(crate) fn topic(&self) -> String {
        format!("z/line1/{}/t", self.name)
    }

    /// The same over HTTPS.
    pub(crate) fn https_topic(&self) -> String {
        format!("y/{}", self.name)
    }
}

/// Every client of a bench, and what its servers need.
pub(crate) struct Fleet {
    ca: CertificateAuthority,
    server: Identity,
    pub(crate) devices: Vec<Device>,
}

impl Fleet {
    pub(crate) fn new(count: usize) -> Self {
        let ca = CertificateAuthority::new("Acme Devices");
        let server = ca.issue_with(Leaf::new("localhost").host("localhost"));
        let configurations = Configurations::new();
        let device = |number: usize| {
            let name = format!("sensor-{number:05}");
            let identity = ca.issue(&name);
            let tls =
                [Version::Tls13, Version::Tls12].map(|it| configurations.client(&identity, it));
            Device { name, identity, tls }
        };
        let devices = (0..count).map(device).collect();
        Self { ca, server, devices }
    }

    pub(crate) fn ca_pem(&self) -> String {
        self.ca.pem()
    }

    /// The server's certificate and key, where it has none of its own.
    pub(crate) fn server_pem(&self) -> (String, String) {
        (self.server.certificate_pem(), self.server.private_key_pem())
    }

    /// The AWS calls after which each device is known, ACTIVE, and may do what the last statement
    /// says.
    pub(crate) fn calls(&self) -> impl Iterator<Item = (&'static str, Value)> {
        let policies = (0..POLICIES).map(|policy| {
            let input =
                json!({ "policyName": policy_name(policy), "policyDocument": document(policy) });
            ("CreatePolicy", input)
        });
        policies.chain(self.devices.iter().flat_map(calls_of))
    }
}

fn calls_of(device: &Device) -> Vec<(&'static str, Value)> {
    let name = &device.name;
    let arn =
        format!("arn:aws:iot:us-east-1:000000000000:cert/{}", device.identity.certificate_id());
    let pem = device.identity.certificate_pem();
    let mut calls = vec![
        ("RegisterCertificateWithoutCA", json!({ "certificatePem": pem, "status": "ACTIVE" })),
        (
            "CreateThing",
            json!({
                "thingName": name, "attributePayload": { "attributes": { "g": "line1" } },
            }),
        ),
        ("AttachThingPrincipal", json!({ "thingName": name, "principal": arn })),
    ];
    calls.extend((0..POLICIES).map(|policy| {
        ("AttachPolicy", json!({ "policyName": policy_name(policy), "target": arn }))
    }));
    calls
}

fn policy_name(policy: usize) -> String {
    format!("rival-{policy}")
}

/// Twenty statements, each with a variable; the last of the last policy is the one that allows.
fn document(policy: usize) -> String {
    const THING: &str = "iot:Connection.Thing.ThingName";
    const CERTIFICATE: &str = "iot:Certificate.Subject.CommonName";
    const SHORT: &str = "iot:ClientId";
    let is_last = policy == POLICIES - 1;
    let mut statements: Vec<Value> = ('a'..)
        .take(STATEMENTS - usize::from(is_last))
        .map(|letter| {
            // So many long ones as a document has room for.
            let variable = match letter {
                'b' | 'g' | 'm' | 'q' if !is_last => THING,
                'd' | 'j' | 'n' | 't' if !is_last => CERTIFICATE,
                _ => SHORT,
            };
            let resource = if is_last {
                format!("arn:aws:iot:*:*:topic/{letter}/${{{variable}}}")
            } else {
                format!("arn:aws:iot:*:*:topic/{policy}{letter}/${{{variable}}}/*")
            };
            json!({ "Effect": "Allow", "Action": "iot:*", "Resource": resource })
        })
        .collect();
    if is_last {
        statements.push(deciding());
    }
    let document = json!({ "Version": "2012-10-17", "Statement": statements }).to_string();
    assert!(document.len() <= DOCUMENT_CHARACTERS, "{} characters", document.len());
    document
}

/// Allows a thing to connect, to tell and hear those of its group, and to publish over HTTPS, where
/// no thing is known.
fn deciding() -> Value {
    const THING: &str = "${iot:Connection.Thing.ThingName}";
    const CERTIFICATE: &str = "${iot:Certificate.Subject.CommonName}";
    const GROUP: &str = "${iot:Connection.Thing.Attributes[g]}";
    let arn = |what: &str, name: &str| format!("arn:aws:iot:*:*:{what}/{name}");
    json!({
        "Effect": "Allow", "Action": "iot:*",
        "Resource": [
            arn("client", THING),
            arn("topic", &format!("z/{GROUP}/*")),
            arn("topicfilter", &format!("z/{GROUP}/*")),
            arn("topic", &format!("y/{CERTIFICATE}")),
        ],
    })
}

/// The same for mosquitto: it knows user names and client IDs, and reads from the top each time. As
/// many lines as there are statements, unless the environment says how many.
pub(crate) fn access_list() -> String {
    let lines = std::env::var("RIVALS_ACCESS_LIST_LINES").ok().and_then(|it| it.parse().ok());
    let line = |number: usize| {
        let variable = if number.is_multiple_of(2) { "%u" } else { "%c" };
        format!("pattern readwrite {number}/{variable}/#\n")
    };
    let before: String = (1..lines.unwrap_or(POLICIES * STATEMENTS)).map(line).collect();
    before + "pattern readwrite z/line1/#\n"
}
