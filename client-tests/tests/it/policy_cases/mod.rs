//! Every case of `fixtures/policies`, asked in two ways that anybody can: TestAuthorization, and a
//! live client that tries what the case says.
//!
//! The third way, the pure function, is in the emulator's own tests. How a case is read, and what
//! its answer is compared with, stands in `fixtures/policies/check.rs`, which all ways share.
//! Truth: the `source` of each group of a table.

#[path = "../../../../fixtures/policies/check.rs"]
mod check;
mod live;
mod trial;

use client_tests::Device;
use iot_emulator::pki;
use iot_emulator::{AutoRegistration, CertificateAuthority, Emulator, Identity, IotCore};
use serde_json::{Value, json};

use check::{Attachment, Policy, Question, Table};

/// A client of a question with all that the registry knows of it, in an emulator of its own.
struct Stage {
    emulator: Emulator,
    iot: IotCore,
    device: Device,
    identity: Identity,
}

impl Stage {
    /// Everything but the policies.
    async fn set(question: &Question<'_>) -> Self {
        let clock_moves = question.client().now.is_some();
        let builder = Emulator::builder().scope(check::ACCOUNT, check::REGION);
        let emulator = builder.manual_clock(clock_moves).start().expect("free ports");
        let iot = emulator.iot_core();
        let (identity, device) = match question.server_name() {
            Some(name) => {
                let identity = question.client().certificate.identity();
                iot.register_certificate_without_ca(&identity.certificate_pem());
                (identity.clone(), Device::new(&iot, identity).asking_for(name))
            }
            None => {
                let identity = registered_with_a_ca(&iot);
                (identity.clone(), Device::new(&iot, identity).without_sni())
            }
        };
        let stage = Self { emulator, iot, device, identity };
        stage.make_things(question);
        if let Some(now) = question.client().now {
            stage.wait_until(now).await;
        }
        stage
    }

    fn certificate_id(&self) -> String {
        self.identity.certificate_id().to_string()
    }

    #[track_caller]
    fn call(&self, operation: &str, input: Value) -> Value {
        let done = self.iot.call(operation, input);
        done.unwrap_or_else(|error| panic!("{operation}: {error}"))
    }

    fn make_things(&self, question: &Question<'_>) {
        for group in &question.group.thing_groups {
            let mut input = json!({ "thingGroupName": group.name });
            if let Some(parent) = &group.parent {
                input["parentGroupName"] = parent.as_str().into();
            }
            self.call("CreateThingGroup", input);
        }
        let Some(thing) = &question.client().thing else { return };
        let attributes = json!({ "attributes": thing.attributes });
        let mut input = json!({ "thingName": thing.name, "attributePayload": attributes });
        if let Some(name) = &thing.r#type {
            self.call("CreateThingType", json!({ "thingTypeName": name }));
            input["thingTypeName"] = name.as_str().into();
        }
        self.call("CreateThing", input);
        if let Some(group) = &thing.group {
            let input = json!({ "thingName": thing.name, "thingGroupName": group });
            self.call("AddThingToThingGroup", input);
        }
        let kind = match thing.attached {
            Attachment::No => return,
            Attachment::NonExclusive => "NON_EXCLUSIVE_THING",
            Attachment::Exclusive => "EXCLUSIVE_THING",
        };
        let principal = self.iot.certificate_arn(self.certificate_id());
        let input = json!({ "thingName": thing.name, "principal": principal,
                            "thingPrincipalType": kind });
        self.call("AttachThingPrincipal", input);
    }

    /// Moves the clock into the second `now` since 1970.
    async fn wait_until(&self, now: i64) {
        let input = json!({ "certificateId": self.certificate_id() });
        let described = self.call("DescribeCertificate", input);
        let at = described["certificateDescription"]["creationDate"].as_f64().expect("a moment");
        let wait = std::time::Duration::from_secs_f64(now as f64 + 0.5 - at);
        let moved = self.emulator.advance(wait).await;
        moved.expect("a manual clock");
    }

    /// Creates the policies of the question and attaches each to where it belongs.
    fn attach_policies(&self, question: &Question<'_>) {
        for policy in question.policies() {
            self.iot.create_policy(&policy.name(), policy.document.to_string());
            let input = json!({ "policyName": policy.name(), "target": self.target(&policy) });
            self.call("AttachPolicy", input);
        }
    }

    fn target(&self, policy: &Policy<'_>) -> String {
        match policy.group {
            None => self.iot.certificate_arn(self.certificate_id()).to_string(),
            Some(group) => {
                format!("arn:aws:iot:{}:{}:thinggroup/{group}", check::REGION, check::ACCOUNT)
            }
        }
    }
}

//= https://docs.aws.amazon.com/iot/latest/developerguide/register-device-cert.html
//# who names no host in SNI needs a certificate in DEFAULT mode, and so a registered CA
fn registered_with_a_ca(iot: &IotCore) -> Identity {
    let ca = CertificateAuthority::new("Devices");
    iot.register_ca(&ca, AutoRegistration::Disabled);
    let identity = ca.issue("device");
    let input = json!({ "certificatePem": identity.certificate_pem(),
                        "caCertificatePem": ca.pem(), "status": "ACTIVE" });
    iot.call("RegisterCertificate", input).expect("a certificate of the CA");
    identity
}

/// The table in `file`.
fn table(file: &str) -> Table {
    let path = client_tests::programs::of_the_project("fixtures/policies").join(file);
    let path = path.with_extension("json");
    let text = std::fs::read_to_string(&path);
    Table::read(&text.unwrap_or_else(|error| panic!("{}: {error}", path.display())))
}

/// A runtime of one's own: the check that all ways share awaits nothing.
fn runtime() -> tokio::runtime::Runtime {
    let builder = &mut tokio::runtime::Builder::new_current_thread();
    builder.enable_all().build().expect("a runtime")
}
