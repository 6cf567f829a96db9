//! Whole conversations of real clients, each a program that asserts with its client's own objects:
//! paho-mqtt, the AWS IoT Device SDKs v2 for Python and JavaScript, mqtt.js. Beside each stands
//! what the trace has to say of what was refused.
//!
//! Truth: spec C04, C05, C10, C30 to C46, C50; the clients, which read what they are sent as they
//! read AWS; and for the numbers of the CONNACK
//! <https://github.com/awslabs/aws-crt-python/blob/main/test/test_mqtt5.py>.

use crate::desk::Desk;

#[tokio::test]
async fn paho_is_let_in_refused_and_taken_over_as_on_aws() {
    let Some(desk) = Desk::with(&["paho-mqtt"]).await else { return };
    desk.converses("python3", "python/paho_connects.py").await;
    let refused = desk.refused();
    let (nameless, refused): (Vec<_>, Vec<_>) =
        refused.iter().map(String::as_str).partition(|line| line.contains("$GEN/"));
    assert_eq!(nameless.len(), 2, "one of each version: {nameless:?}");
    assert_eq!(
        refused,
        [
            "Connect forbidden-311  AUTHORIZATION_FAILURE: disconnects, no CONNACK",
            "Connect forbidden-5  AUTHORIZATION_FAILURE: CONNACK 0x87",
            "Connect forbidden-5  AUTHORIZATION_FAILURE: CONNACK 0x87",
            "Connect odd-will-311  CLIENT_ERROR: disconnects, no CONNACK",
            "Connect odd-will-311  CLIENT_ERROR: disconnects, no CONNACK",
            "Connect odd-will-5  CLIENT_ERROR: CONNACK 0x90",
            "Connect odd-will-5  CLIENT_ERROR: CONNACK 0x9B",
            "Connect small  CLIENT_ERROR: CONNACK 0x80",
            "Connect will-311  AUTHORIZATION_FAILURE: disconnects, no CONNACK",
            "Connect will-5  AUTHORIZATION_FAILURE: CONNACK 0x87",
            "Publish-Out small small MessageDropped: nothing: the message is not delivered",
        ],
        "{}",
        desk.emulator.trace()
    );
    desk.assert_explained(&["taken", "DUPLICATE_CLIENT_ID"]);
}

#[tokio::test]
async fn paho_is_told_what_it_may_not_and_every_refusal_has_its_reason() {
    let Some(desk) = Desk::with(&["paho-mqtt"]).await else { return };
    desk.converses("python3", "python/paho_refusals.py").await;
    desk.assert_refused(&[
        "Publish-In publishes forbidden/x AUTHORIZATION_FAILURE: PUBACK 0x87",
        "Publish-In publishes forbidden/x AUTHORIZATION_FAILURE: PUBACK 0x87",
        "Publish-In publishes forbidden/x AUTHORIZATION_FAILURE: DISCONNECT 0x87",
        "Publish-In publishes forbidden/x AUTHORIZATION_FAILURE: disconnects",
        "Publish-In publishes forbidden/x AUTHORIZATION_FAILURE: disconnects",
        "Publish-In publishes $SYS/x CLIENT_ERROR: PUBACK 0x90",
        "Publish-In publishes a/b/c/d/e/f/g/h/i CLIENT_ERROR: PUBACK 0x90",
        "Publish-In publishes xxxxxxxxxxxxxxxxxxxx CLIENT_ERROR: PUBACK 0x90",
        "Subscribe subscribes allowed,forbidden/x, AUTHORIZATION_FAILURE: \
         SUBACK 0x01 0x87 0x8F 0x8F 0x01",
        "Subscribe subscribes allowed,forbidden/x AUTHORIZATION_FAILURE: disconnects",
        "Subscribe subscribes allowed,$SYS/# CLIENT_ERROR: disconnects",
        "Subscribe subscribes allowed,a/b/c/d/e/f/ CLIENT_ERROR: disconnects",
        "Publish-Out hears-311 unheard/x AUTHORIZATION_FAILURE: \
         nothing: the message is not delivered",
        "Publish-Out hears-5 unheard/x AUTHORIZATION_FAILURE: \
         nothing: the message is not delivered",
        "Publish-In qos-2-311 allowed CLIENT_ERROR: disconnects",
        "Publish-In qos-2-5 allowed CLIENT_ERROR: DISCONNECT 0x9B",
        "Subscribe qos-2-311 allowed CLIENT_ERROR: disconnects",
        "Subscribe qos-2-5 allowed CLIENT_ERROR: DISCONNECT 0x9B",
        "Subscribe greedy-311 many/49,many/50 THROTTLED: SUBACK 0x01 0x80",
        "Subscribe greedy-5 many/49,many/50 THROTTLED: SUBACK 0x01 0x97",
        "Disconnect greedy-311  CLIENT_ERROR: disconnects",
        "Disconnect greedy-5  CLIENT_ERROR: DISCONNECT 0x97",
        "Publish-In large large CLIENT_ERROR: DISCONNECT 0x97",
        "Publish-In large large CLIENT_ERROR: disconnects",
        "Disconnect identifies  CLIENT_ERROR: DISCONNECT 0xA1",
        "Disconnect aliases  CLIENT_ERROR: DISCONNECT 0x94",
    ]);
    for why in [
        "explicit deny: statement 2 of policy `Device` v1",
        "8 slashes in the topic, 7 at most",
        "257 bytes of topic, 256 at most",
        "clients may not subscribe to `$SYS/#`",
        "a connection has at most 50 subscriptions",
        "9 filters in one SUBSCRIBE, 8 at most",
        "131073 bytes of payload, 131072 at most",
        "Subscription Identifier",
        "a topic alias above 8",
    ] {
        desk.assert_explained(&[why]);
    }
}

#[tokio::test]
async fn paho_clients_of_both_versions_read_what_they_write_to_each_other() {
    let Some(desk) = Desk::with(&["paho-mqtt"]).await else { return };
    desk.converses("python3", "python/paho_messages.py").await;
    desk.assert_refused(&["Disconnect alias  CLIENT_ERROR: DISCONNECT 0x82"]);
    desk.assert_explained(&["a topic alias that stands for nothing yet"]);
}

#[tokio::test]
async fn paho_finds_its_session_its_will_and_its_events_kept() {
    let Some(desk) = Desk::with(&["paho-mqtt"]).await else { return };
    desk.converses("python3", "python/paho_sessions.py").await;
    desk.assert_refused(&[]);
}

#[tokio::test]
async fn the_device_sdk_for_python_negotiates_mqtt_5_as_with_aws() {
    let Some(desk) = Desk::with(&["awsiotsdk"]).await else { return };
    desk.converses("python3", "python/device_sdk_mqtt5.py").await;
    desk.assert_refused(&[
        "Connect $GEN/0f1e2d3c-4b5a-6978-8796-a5b4c3d2e1f0  CLIENT_ERROR: CONNACK 0x85",
        "Connect forbidden-5  AUTHORIZATION_FAILURE: CONNACK 0x87",
        "Connection.AuthNError unknown  DEVICE_CERTIFICATE_NOT_REGISTERED: disconnects",
        "Subscribe refused allowed,forbidden/x, AUTHORIZATION_FAILURE: SUBACK 0x01 0x87 0x8F",
        "Publish-In refused forbidden/x AUTHORIZATION_FAILURE: PUBACK 0x87",
        "Publish-In refused forbidden/x AUTHORIZATION_FAILURE: DISCONNECT 0x87",
    ]);
}

#[tokio::test]
async fn the_device_sdk_for_python_speaks_mqtt_311_as_with_aws() {
    let Some(desk) = Desk::with(&["awsiotsdk"]).await else { return };
    desk.converses("python3", "python/device_sdk_mqtt311.py").await;
    desk.assert_refused(&[
        "Connect forbidden-311  AUTHORIZATION_FAILURE: disconnects, no CONNACK",
        "Connect qos-2  CLIENT_ERROR: disconnects, no CONNACK",
        "Connection.AuthNError unknown  DEVICE_CERTIFICATE_NOT_REGISTERED: disconnects",
        "Subscribe subscribes forbidden/x AUTHORIZATION_FAILURE: disconnects",
        "Publish-In publishes forbidden/x AUTHORIZATION_FAILURE: disconnects",
        "Publish-In publishes forbidden/x AUTHORIZATION_FAILURE: disconnects",
        "Publish-In publishes $SYS/x CLIENT_ERROR: disconnects",
    ]);
}

#[tokio::test]
async fn the_device_sdk_for_javascript_speaks_both_versions_on_every_way_in() {
    let Some(desk) = Desk::with(&["node", "aws-iot-device-sdk-v2"]).await else { return };
    desk.converses("node", "node/device_sdk.js").await;
    desk.assert_refused(&[
        "Connect forbidden-5  AUTHORIZATION_FAILURE: CONNACK 0x87",
        "Connect forbidden-311  AUTHORIZATION_FAILURE: disconnects, no CONNACK",
        "Connection.AuthNError unknown  DEVICE_CERTIFICATE_NOT_REGISTERED: disconnects",
        "Connection.AuthNError unknown  DEVICE_CERTIFICATE_NOT_REGISTERED: disconnects",
        "Subscribe refused allowed,forbidden/x, AUTHORIZATION_FAILURE: SUBACK 0x01 0x87 0x8F",
        "Publish-In refused forbidden/x AUTHORIZATION_FAILURE: PUBACK 0x87",
        "Publish-In refused forbidden/x AUTHORIZATION_FAILURE: DISCONNECT 0x87",
        "Publish-In cut forbidden/x AUTHORIZATION_FAILURE: disconnects",
        "Publish-In cut $SYS/x CLIENT_ERROR: disconnects",
    ]);
}

#[tokio::test]
async fn mqtt_js_converses_in_both_versions_over_wss() {
    let Some(desk) = Desk::with(&["node", "mqtt.js"]).await else { return };
    desk.converses("node", "node/mqtt_over_wss.js").await;
    desk.assert_refused(&[
        "Connect forbidden-5  AUTHORIZATION_FAILURE: CONNACK 0x87",
        "Connect forbidden-311  AUTHORIZATION_FAILURE: disconnects, no CONNACK",
        "Subscribe refused-5 forbidden/x AUTHORIZATION_FAILURE: SUBACK 0x87",
        "Subscribe refused-5 $SYS/# CLIENT_ERROR: SUBACK 0x8F",
        "Publish-In refused-5 forbidden/x AUTHORIZATION_FAILURE: PUBACK 0x87",
        "Publish-In refused-5 forbidden/x AUTHORIZATION_FAILURE: DISCONNECT 0x87",
        "Publish-In refused-311 forbidden/x AUTHORIZATION_FAILURE: disconnects",
        "Publish-In refused-311 $SYS/x CLIENT_ERROR: disconnects",
        "Subscribe refused-311 forbidden/x AUTHORIZATION_FAILURE: disconnects",
        "Subscribe refused-311 $SYS/x CLIENT_ERROR: disconnects",
    ]);
}
