//! The emulator inside a test. It starts on free ports, hundreds at a time, changes nothing
//! global, and is gone when it is dropped.

use std::net::{SocketAddr, TcpListener};
use std::process::Stdio;
use std::time::Duration;

use client_tests::{ConnectError, Device, PATIENCE};
use iot_emulator::{AutoRegistration, CertificateAuthority, Emulator, Function, IotCore, allow};
use serde_json::json;
use tokio::task::JoinSet;

use crate::common::{publish_over_the_api, trusted};

#[tokio::test]
async fn a_device_of_a_registered_ca_registers_itself_just_in_time() {
    let emulator = Emulator::start();
    let iot = emulator.iot_core();

    let ca = CertificateAuthority::new("Acme Devices");
    iot.register_ca(&ca, AutoRegistration::Enabled);
    iot.create_policy("Device", allow(&["iot:Connect", "iot:Publish"], "*"));
    iot.create_topic_rule(
        "Jitr",
        "SELECT * FROM '$aws/events/certificates/registered/#'",
        activate(&iot),
    );

    // The first connection is dropped. It leaves a PENDING_ACTIVATION certificate behind.
    let device = Device::new(&iot, ca.issue("sensor-1"));
    assert_eq!(device.connect("sensor-1").await.err(), Some(ConnectError::ClosedBeforeConnack));

    emulator.settled().await;

    let mqtt = device.connect("sensor-1").await.expect("the certificate is ACTIVE now");
    mqtt.publish("things/sensor-1/confirmation", "{}").await.expect("a PUBACK");
}

fn activate(iot: &IotCore) -> Function {
    let iot = iot.clone();
    Function::new(move |event| {
        let id = event["certificateId"].as_str().ok_or("no certificateId")?;
        iot.call("UpdateCertificate", json!({ "certificateId": id, "newStatus": "ACTIVE" }))?;
        iot.call(
            "AttachPolicy",
            json!({ "policyName": "Device", "target": iot.certificate_arn(id) }),
        )?;
        Ok(json!({}))
    })
}

/// AWS's limits are per account; nothing here is shared, so hundreds do not know of each other.
#[test]
fn hundreds_of_emulators_run_in_parallel() {
    if alone("hundreds_of_emulators_run_in_parallel") {
        return;
    }
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    runtime.expect("a runtime").block_on(hundreds_of_emulators());
}

async fn hundreds_of_emulators() {
    const EMULATORS: usize = 200;
    let mut visits = JoinSet::new();
    let mut emulators = Vec::new();
    for number in 0..EMULATORS {
        let emulator = Emulator::start();
        let device = trusted(&emulator.iot_core(), "sensor-1");
        emulators.push(emulator);
        visits.spawn(async move {
            let mqtt = device.connect("sensor-1").await.expect("a policy that allows all");
            mqtt.subscribe("home").await.expect("a SUBACK");
            mqtt.publish("home", number.to_string()).await.expect("a PUBACK");
            let message = mqtt.next_message().await.expect("its own message");
            // One client ID, one topic, as many messages as emulators: each stayed at home.
            assert_eq!(message.text(), number.to_string());
            mqtt
        });
    }
    let connected = visits.join_all().await;
    assert_eq!(connected.len(), EMULATORS);
    let mut ports: Vec<u16> = emulators.iter().map(|one| one.mqtt_address().port()).collect();
    ports.sort_unstable();
    ports.dedup();
    assert_eq!(ports.len(), EMULATORS);
}

#[test]
fn two_emulators_with_one_seed_give_out_the_same_names() {
    let start = |seed| Emulator::builder().seed(seed).start().expect("free ports");
    let code = |emulator: &Emulator| {
        let code = emulator.iot_core().call("GetRegistrationCode", json!({}));
        code.expect("every account has one")["registrationCode"].clone()
    };
    let (one, same, other) = (start(7341), start(7341), start(7342));
    assert_eq!(one.iot_core().aws_endpoint(), same.iot_core().aws_endpoint());
    assert_eq!(code(&one), code(&same));
    assert_ne!(one.iot_core().aws_endpoint(), other.iot_core().aws_endpoint());
    assert_ne!(code(&one), code(&other));
    let elsewhere = |emulator: &Emulator| {
        let iot = emulator.iot_core_of("111122223333", "ap-northeast-1");
        (iot.aws_endpoint(), iot.call("GetRegistrationCode", json!({})).expect("a code"))
    };
    assert_eq!(elsewhere(&one), elsewhere(&same));
    assert_ne!(elsewhere(&one).0, one.iot_core().aws_endpoint());
}

#[tokio::test]
async fn a_manual_clock_moves_when_the_test_moves_it() {
    let emulator = Emulator::builder().manual_clock(true).start().expect("free ports");
    let iot = emulator.iot_core();
    let device = trusted(&iot, "sensor-1");
    let mqtt = device.connect("sensor-1").persistent().await.expect("a connection");
    mqtt.subscribe("news").await.expect("a SUBACK");
    mqtt.disconnect().await;

    emulator.advance(Duration::from_secs(3599)).await.expect("a manual clock");
    let mqtt = device.connect("sensor-1").persistent().await.expect("a connection");
    assert!(mqtt.session_present(), "a persistent session lives for an hour");
    mqtt.disconnect().await;

    emulator.advance(Duration::from_secs(3601)).await.expect("a manual clock");
    let mqtt = device.connect("sensor-1").persistent().await.expect("a connection");
    assert!(!mqtt.session_present(), "and not for longer");

    // Keep-alive follows real time: the hour cut nobody off.
    emulator.advance(Duration::from_secs(3600)).await.expect("a manual clock");
    mqtt.publish("news", "still here").await.expect("a PUBACK");
}

#[tokio::test]
async fn a_manual_clock_stops_at_the_end_of_time() {
    let emulator = Emulator::builder().manual_clock(true).start().expect("free ports");
    let iot = emulator.iot_core();
    let device = trusted(&iot, "sensor-1");
    let mqtt = device.connect("sensor-1").persistent().await.expect("a connection");
    mqtt.subscribe("news").await.expect("a SUBACK");
    for _ in 0..3 {
        emulator.advance(Duration::MAX).await.expect("a manual clock");
    }
    let made = iot.call("CreateThing", json!({ "thingName": "late" })).expect("a thing");
    assert_eq!(made["thingName"], "late");
    iot.call("CreateKeysAndCertificate", json!({})).expect("a certificate");
    mqtt.publish("news", "still here").await.expect("a PUBACK");
    mqtt.unsubscribe("news").await.expect("an UNSUBACK");
    let last = emulator.trace().entries().last().expect("an entry").to_json();
    assert!(last["timestamp"].as_str().is_some_and(|at| at.starts_with("9999-")), "{last}");
}

#[tokio::test]
async fn rules_that_republish_to_each_other_are_stopped() {
    let emulator = Emulator::start();
    let iot = emulator.iot_core();
    for (name, from, to) in [("Ping", "ping", "pong"), ("Pong", "pong", "ping")] {
        let role = "arn:aws:iam::000000000000:role/Republish";
        let twice = [(); 2].map(|()| json!({ "republish": { "roleArn": role, "topic": to } }));
        let payload = json!({ "sql": format!("SELECT * FROM '{from}'"), "actions": twice });
        let rule = json!({ "ruleName": name, "topicRulePayload": payload });
        iot.call("CreateTopicRule", rule).expect("AWS takes such rules");
    }
    let device = trusted(&iot, "sensor-1");
    let mqtt = device.connect("sensor-1").await.expect("a connection");
    mqtt.publish("ping", "{}").await.expect("a PUBACK");
    emulator.settled().await;
    let mut loops = emulator.trace().refusals();
    loops.retain(|entry| entry.reason == Some("RepublishLoop"));
    assert_eq!(loops.len(), 1, "{}", emulator.trace());
}

#[tokio::test]
async fn the_machines_clock_cannot_be_moved() {
    let refused = Emulator::start().advance(Duration::from_secs(1)).await.err();
    assert!(refused.expect("no manual clock").to_string().contains("manual_clock(true)"));
}

#[test]
fn dropping_an_emulator_does_not_wait_for_its_function() {
    let (entered, running) = std::sync::mpsc::channel();
    let (let_go, held) = std::sync::mpsc::channel::<()>();
    let held = std::sync::Mutex::new(held);
    let emulator = Emulator::start();
    let iot = emulator.iot_core();
    let function = Function::new(move |event| {
        entered.send(event["step"].clone()).ok();
        // Runs until the test lets it go, long after the emulator has gone.
        held.lock().expect("one at a time").recv().ok();
        Ok(json!({}))
    });
    iot.create_topic_rule("Slow", "SELECT * FROM 'slow'", function);
    publish_over_the_api(&emulator, "slow", r#"{"step":1}"#);
    assert_eq!(running.recv_timeout(PATIENCE).expect("the function runs"), 1);

    let (dropped, told) = std::sync::mpsc::channel();
    let address = emulator.mqtt_address();
    std::thread::spawn(move || {
        drop(emulator);
        dropped.send(()).ok();
    });
    told.recv_timeout(Duration::from_secs(5)).expect("the drop returns");
    assert!(std::net::TcpStream::connect(address).is_err(), "nobody listens any more");
    drop(let_go);
}

/// Runs `test` again in a process of its own, with as many file descriptors as the system gives;
/// `false` in that process itself.
///
/// Hundreds of emulators need more sockets than many shells allow (1024), and what one emulator
/// leaves behind can only be counted where no other runs.
fn alone(test: &str) -> bool {
    const MARK: &str = "IOT_EMULATOR_TEST_ALONE";
    if std::env::var_os(MARK).is_some() {
        return false;
    }
    let own = std::env::current_exe().expect("a test is a program");
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let mut child = tokio::process::Command::new("sh");
    child
        .args(["-c", r#"ulimit -n "$(ulimit -Hn)"; exec "$0" "$@""#])
        .arg(own)
        .args([&format!("in_process::{test}"), "--exact", "--test-threads=1"])
        .env(MARK, "1")
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .kill_on_drop(true);
    let output = runtime.expect("a runtime").block_on(async {
        tokio::time::timeout(3 * PATIENCE, child.output()).await.expect("the test ends in time")
    });
    let output = output.expect("the test can be run");
    let said = String::from_utf8_lossy(&output.stdout);
    let told = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success() && said.contains("1 passed"), "{said}{told}");
    true
}

#[test]
fn dropping_an_emulator_leaves_nothing_behind() {
    if alone("dropping_an_emulator_leaves_nothing_behind") {
        return;
    }
    let count = |folder: &str| std::fs::read_dir(folder).expect("Linux").count();
    let environment = || std::env::vars_os().collect::<Vec<_>>();
    let visited = || {
        let emulator = Emulator::start();
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        runtime.expect("a runtime").block_on(async {
            let device = trusted(&emulator.iot_core(), "sensor-1");
            let mqtt = device.connect("sensor-1").await.expect("a connection");
            mqtt.publish("a", "b").await.expect("a PUBACK");
            // The connection is alive when the emulator is dropped.
            let addresses = emulator.addresses().clone();
            drop(emulator);
            addresses
        })
    };
    // The first run may load what a process loads once.
    visited();
    let (threads, sockets, variables) =
        (count("/proc/self/task"), count("/proc/self/fd"), environment());
    for _ in 0..20 {
        let addresses = visited();
        let ports: [SocketAddr; 5] =
            [addresses.mqtt, addresses.https, addresses.tls, addresses.gateway, addresses.api];
        for address in ports {
            TcpListener::bind(address).unwrap_or_else(|error| panic!("{address}: {error}"));
        }
        assert_eq!(count("/proc/self/task"), threads, "threads");
        assert_eq!(count("/proc/self/fd"), sockets, "file descriptors");
    }
    assert_eq!(environment(), variables);
    assert!(rustls::crypto::CryptoProvider::get_default().is_none(), "a default crypto provider");
}
