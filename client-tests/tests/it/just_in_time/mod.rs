//! Registration and provisioning just in time, corner by corner, at both doors: a CONNECT on 8883
//! and a request on 8443 must do the same.
//!
//! The articles' own command lines stand in `jitr_mqtt`, `jitr_https` and `jitp`; here devices come
//! to an emulator inside the test, whose clock the test holds.

mod delay;
mod event;
mod programs;
mod provisioning;
mod registration;

use client_tests::{ConnectError, Device, Ending, Message, Mqtt};
use iot_emulator::{Emulator, IotCore};
use serde_json::{Value, json};

use crate::common::trusted;

const EVENTS: &str = "$aws/events/certificates/registered/";

/// Where a device comes in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Door {
    /// CONNECT on 8883.
    Mqtt,
    /// A publish on 8443.
    Https,
}

impl Door {
    const BOTH: [Self; 2] = [Self::Mqtt, Self::Https];

    /// Whether `device` is let in, as `lamp`; the other answer is a hang-up in order and without a
    /// word, and anything else fails.
    async fn lets_in(self, device: &Device) -> bool {
        match self {
            Self::Mqtt => match device.connect("lamp").await {
                Ok(mqtt) => {
                    mqtt.disconnect().await;
                    true
                }
                Err(ConnectError::ClosedBeforeConnack) => false,
                Err(other) => panic!("{other:?}"),
            },
            Self::Https => {
                let mut wire = device.open_https().await.expect("a handshake");
                wire.send(
                    b"POST /topics/start?qos=1 HTTP/1.1\r\nHost: localhost\r\n\
                      Content-Length: 2\r\nConnection: close\r\n\r\n{}",
                )
                .await;
                let (answer, ending) = wire.rest().await;
                assert_eq!(ending, Ending::CloseNotify);
                let answer = String::from_utf8_lossy(&answer);
                assert!(answer.is_empty() || answer.starts_with("HTTP/1.1 200"), "{answer}");
                !answer.is_empty()
            }
        }
    }
}

/// A client that hears of every certificate that registers itself.
async fn watcher(iot: &IotCore) -> Mqtt {
    let watcher = trusted(iot, "Watcher").connect("watcher").await.expect("a connection");
    let filters = [&format!("{EVENTS}#"), "done"];
    // QoS 0: nothing comes again because the clock was moved before its PUBACK came.
    watcher.subscribe_all(&filters, 0).await.expect("a SUBACK");
    watcher
}

/// The events that `watcher` has been sent since it was asked last.
async fn heard(watcher: &Mqtt) -> Vec<Message> {
    watcher.publish("done", "").await.expect("a PUBACK");
    watcher.messages_before("done").await
}

#[track_caller]
fn call(iot: &IotCore, operation: &str, input: Value) -> Value {
    iot.call(operation, input).unwrap_or_else(|error| panic!("{operation}: {error}"))
}

/// The status of the device's certificate; empty if it is not registered.
fn status(iot: &IotCore, device: &Device) -> String {
    iot.certificate_status(device.certificate_id()).unwrap_or_default()
}

fn activate(iot: &IotCore, device: &Device) {
    let id = device.certificate_id().to_string();
    call(iot, "UpdateCertificate", json!({ "certificateId": id, "newStatus": "ACTIVE" }));
}

fn with_a_manual_clock() -> Emulator {
    Emulator::builder().manual_clock(true).start().expect("free ports")
}
