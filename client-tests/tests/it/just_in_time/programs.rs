//! JR-3, JR-6 and JR-7 as programs in the field show them: mosquitto_pub and curl, with the leaf
//! alone and with the chain.

use client_tests::programs::{self, Shell};
use iot_emulator::{AutoRegistration, CertificateAuthority, Emulator, Identity, allow};

use crate::common::{EVERYTHING, refusal};

const MOSQUITTO: &str = "mosquitto_pub -h localhost -p $MQTT_PORT --cafile root.pem \
     --cert $CERTIFICATE --key device.key -i lamp -q 1 -t start -m x -d";
const CURL: &str = "curl --silent --show-error --cacert root.pem --cert $CERTIFICATE \
     --key device.key --data x 'https://localhost:$HTTPS_PORT/topics/start?qos=1'";

/// A folder with what `identity` needs at `emulator`.
fn shell(emulator: &Emulator, identity: &Identity, folder: &std::path::Path) -> Shell {
    let shell = Shell::new(folder);
    shell.write("root.pem", emulator.root_ca_pem());
    shell.write("leaf.pem", identity.certificate_pem());
    shell.write("chain.pem", identity.chain_pem());
    shell.write("device.key", identity.private_key_pem());
    shell
}

/// `line` with the ports of `emulator`, and a client that sends what stands in `file`.
fn typed(emulator: &Emulator, line: &str, file: &str) -> String {
    line.replace("$MQTT_PORT", &emulator.mqtt_address().port().to_string())
        .replace("$HTTPS_PORT", &emulator.iot_core().https_address().port().to_string())
        .replace("$CERTIFICATE", file)
}

#[tokio::test]
async fn jr_3_6_and_7_the_leaf_alone_and_the_chain_register_themselves_with_sni() {
    if !programs::present(&["mosquitto_pub", "curl"]).await {
        return;
    }
    let emulator = Emulator::start();
    let iot = emulator.iot_core();
    iot.create_policy("Device", allow(EVERYTHING, "*"));
    let ca = CertificateAuthority::new("Acme Devices");
    iot.register_ca(&ca, AutoRegistration::Enabled);
    for file in ["leaf.pem", "chain.pem"] {
        for line in [MOSQUITTO, CURL] {
            let identity = ca.issue("lamp");
            let folder = tempfile::tempdir().expect("a folder of our own");
            let shell = shell(&emulator, &identity, folder.path());
            let line = typed(&emulator, line, file);
            for attempt in ["first", "second"] {
                let refused = shell.run(&line).await;
                if line.starts_with("curl") {
                    refused.ended_with(52).said("curl: (52) Empty reply from server");
                } else {
                    let refused = refused.ended_with(7);
                    refused.said("The connection was lost.").did_not_say("CONNACK");
                }
                let status = iot.certificate_status(identity.certificate_id());
                assert_eq!(status.as_deref(), Some("PENDING_ACTIVATION"), "{attempt} {line}");
            }
            iot.attach_policy("Device", identity.certificate_id());
            super::activate(&iot, &client_tests::Device::new(&iot, identity));
            let taken = shell.run(&line).await.succeeded();
            if line.starts_with("curl") {
                assert_eq!(taken.json()["message"], "OK", "{line}");
            } else {
                taken.said("received CONNACK (0)").said("received PUBACK (Mid: 1, RC:0)");
            }
        }
    }
}

#[tokio::test]
async fn jr_3_without_sni_only_the_chain_registers_itself() {
    if !programs::present(&["mosquitto_pub", "curl"]).await {
        return;
    }
    let emulator = Emulator::start();
    let iot = emulator.iot_core();
    let ca = CertificateAuthority::new("Acme Devices");
    iot.register_ca(&ca, AutoRegistration::Enabled);
    for line in [MOSQUITTO, CURL] {
        let identity = ca.issue("lamp");
        let folder = tempfile::tempdir().expect("a folder of our own");
        let shell = shell(&emulator, &identity, folder.path());
        for (file, expected) in [("leaf.pem", None), ("chain.pem", Some("PENDING_ACTIVATION"))] {
            // Whoever connects to an address names no host.
            let nameless = typed(&emulator, line, file).replace("localhost", "127.0.0.1");
            let code = if line == CURL { 52 } else { 7 };
            let _hung_up_on = shell.run(&nameless).await.ended_with(code);
            let status = iot.certificate_status(identity.certificate_id());
            assert_eq!(status.as_deref(), expected, "{file}: {line}");
            let entry = refusal(&emulator, "Connection.AuthNError");
            let unnamed = entry.to_string().contains("the client sent neither SNI nor");
            assert_eq!(unnamed, expected.is_none(), "{entry}");
        }
    }
}
