//! Every operation of AWS IoT that is here, held against AWS's own model of it by botocore.
//!
//! What is asked and judged stands in `client-tests/oracle/oracle.py`; this file brings the
//! emulator, and the certificates that Python cannot make.
//! Truth: botocore's service model of `iot`.

use client_tests::programs::{self, Shell};
use iot_emulator::{CertificateAuthority, Emulator, Identity};
use serde_json::{Value, json};

/// The samples that only a CA can make.
fn material(emulator: &Emulator) -> Value {
    let code = emulator.iot_core().call("GetRegistrationCode", json!({})).expect("a code");
    let code = code["registrationCode"].as_str().expect("a text");
    let ca = CertificateAuthority::new("Oracle");
    let of_ca = json!({ "certificateId": ca.certificate_id() .to_string() });
    json!({
        "*": { "caCertificateId": ca.certificate_id().to_string() },
        "RegisterCACertificate": {
            "caCertificate": ca.pem(),
            "verificationCertificate": ca.verification_certificate(code),
        },
        "RegisterCertificate": { "certificatePem": ca.issue("sensor-1").certificate_pem() },
        "RegisterCertificateWithoutCA": {
            "certificatePem": Identity::self_signed("sensor-2").certificate_pem(),
        },
        "DescribeCACertificate": of_ca,
        "UpdateCACertificate": of_ca,
        "DeleteCACertificate": of_ca,
    })
}

#[tokio::test]
async fn each_operation_is_what_botocore_says() {
    if !programs::present(&["botocore"]).await {
        return;
    }
    let emulator = Emulator::start();
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
    judged.succeeded().said("0 violations");
}
