//! Which thing a connection is, which policies of groups count for it, and what a refusal says of
//! it. Truth: spec POL-36, and the guide's exclusive-thing and thing-policy-variables.

use client_tests::{Device, MqttError};
use iot_emulator::{Emulator, IotCore, allow};
use serde_json::{Value, json};

use crate::common::{assert_says, enrolled, publish_over_https, refusal};

const NOT_AUTHORIZED: u8 = 0x87;

fn call(iot: &IotCore, operation: &str, input: Value) -> Value {
    iot.call(operation, input).unwrap_or_else(|error| panic!("{operation}: {error}"))
}

/// A device that may only connect, and the thing `lamp` in the group `Hall`, whose policy lets a
/// thing publish on the topic of its own name; attached as `kind` says.
fn stage(iot: &IotCore, kind: Option<&str>) -> Device {
    let device = enrolled(iot, "Connect", allow(&["iot:Connect"], "*"));
    call(iot, "CreateThing", json!({ "thingName": "lamp" }));
    let group = call(iot, "CreateThingGroup", json!({ "thingGroupName": "Hall" }));
    let own = "arn:aws:iot:us-east-1:000000000000:topic/${iot:Connection.Thing.ThingName}";
    let everywhere = "arn:aws:iot:us-east-1:000000000000:topic/everywhere";
    let statement = json!({ "Effect": "Allow", "Action": "iot:Publish",
                            "Resource": [own, everywhere] });
    let document = json!({ "Version": "2012-10-17", "Statement": [statement] });
    iot.create_policy("Hall", document.to_string());
    let target = &group["thingGroupArn"];
    call(iot, "AttachPolicy", json!({ "policyName": "Hall", "target": target }));
    let join = json!({ "thingName": "lamp", "thingGroupName": "Hall" });
    call(iot, "AddThingToThingGroup", join);
    if let Some(kind) = kind {
        let principal = iot.certificate_arn(device.certificate_id());
        let pair =
            json!({ "thingName": "lamp", "principal": principal, "thingPrincipalType": kind });
        call(iot, "AttachThingPrincipal", pair);
    }
    device
}

#[tokio::test]
async fn pol_36_the_thing_of_a_connection_brings_its_groups_and_its_variables() {
    let (exclusive, plain) = (Some("EXCLUSIVE_THING"), Some("NON_EXCLUSIVE_THING"));
    let no_thing = "the certificate is attached to no thing";
    let differs = "differs from the thing name: the certificate is attached to `lamp`";
    // How the certificate is attached, the client ID, and what is said if it is not the thing.
    let table = [
        (exclusive, "lamp", None),
        (exclusive, "other", None),
        (plain, "lamp", None),
        (plain, "other", Some(format!("the client ID `other` {differs}"))),
        (plain, "Lamp", Some(format!("the client ID `Lamp` {differs}"))),
        (None, "lamp", Some(no_thing.to_owned())),
    ];
    for (kind, client_id, why) in table {
        let emulator = Emulator::start();
        let device = stage(&emulator.iot_core(), kind);
        let mqtt = device.connect(client_id).mqtt5().await.expect("iot:Connect is allowed");
        let expected = if why.is_none() { Ok(()) } else { Err(MqttError::Refused(NOT_AUTHORIZED)) };
        for topic in ["lamp", "everywhere"] {
            assert_eq!(mqtt.publish(topic, "x").await, expected, "{kind:?} {client_id} {topic}");
            if let Some(why) = &why {
                let left_out = "policies of thing group `Hall` are not in force because no thing \
                                belongs to the connection";
                assert_says(&refusal(&emulator, "Publish-In"), &[left_out, why]);
            }
        }
        // What no policy of the group allows is not its fault.
        assert!(mqtt.publish("elsewhere", "x").await.is_err());
        let entry = refusal(&emulator, "Publish-In").to_string();
        assert!(!entry.contains("not in force"), "{entry}");
    }
}

#[tokio::test]
async fn pol_36_over_https_no_thing_belongs_to_a_request() {
    for kind in ["EXCLUSIVE_THING", "NON_EXCLUSIVE_THING"] {
        let emulator = Emulator::start();
        let device = stage(&emulator.iot_core(), Some(kind));
        assert_eq!(publish_over_https(&device, "everywhere").await, "403", "{kind}");
        assert_says(
            &refusal(&emulator, "Publish-In"),
            &[
                "policies of thing group `Hall` are not in force because no thing belongs to the \
                 request",
                "a thing belongs to an MQTT connection, never to a request over HTTPS",
            ],
        );
    }
}
