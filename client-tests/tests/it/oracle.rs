//! Every operation of AWS IoT that is here, held against AWS's own model of it by botocore.
//!
//! What is asked and judged stands in `client-tests/oracle/oracle.py`; this file brings the
//! emulator, with a clock that can be moved, and the certificates that Python cannot make.
//! Truth: botocore's service model of `iot`.

use client_tests::programs::{self, Shell};
use iot_emulator::{CertificateAuthority, Emulator, Identity};
use serde_json::{Value, json};

/// The account in which `course.py` walks.
const ACCOUNT: &str = "111111111111";

/// The certificates of `course.py`, which only a CA can make.
fn material(emulator: &Emulator) -> Value {
    let iot_core = emulator.iot_core_of(ACCOUNT, "us-east-1");
    let code = iot_core.call("GetRegistrationCode", json!({})).expect("a code");
    let code = code["registrationCode"].as_str().expect("a text");
    let ca = CertificateAuthority::new("Oracle");
    let certificates = ["lamp-1", "lamp-2"].map(|name| ca.issue(name).certificate_pem());
    json!({
        "ca": ca.pem(),
        "verification": ca.verification_certificate(code),
        "certificates": certificates,
        "otherCa": CertificateAuthority::new("Other").pem(),
        "selfSigned": Identity::self_signed("lamp-3").certificate_pem(),
    })
}

#[expect(clippy::print_stdout, reason = "how much was seen is told to who runs with --nocapture")]
#[tokio::test]
async fn each_operation_is_what_botocore_says() {
    if !programs::present(&["botocore"]).await {
        return;
    }
    let emulator = Emulator::builder().manual_clock(true).start().expect("an emulator");
    let folder = tempfile::tempdir().expect("a folder of our own");
    let mut shell = Shell::new(folder.path());
    for (name, value) in emulator.environment() {
        shell.set(name, value);
    }
    shell.write("material.json", material(&emulator).to_string());
    let path = |path| programs::of_the_project(path).display().to_string();
    let (oracle, table) =
        (path("client-tests/oracle/oracle.py"), path("emulator/src/service_model/iot.txt"));
    let judged = shell.run(&format!("python3 '{oracle}' '{table}' material.json")).await;
    let judged = judged.succeeded();
    judged.said("\n0 violations");
    println!("{}", judged.stdout);
}
