//! `mosquitto_pub` and `mosquitto_sub`, as people type them: both versions of MQTT and of TLS, both
//! ports, and to the letter what they print when AWS refuses.
//!
//! Truth: spec C01, C03, C10, C34 to C39, C41 to C46; what the programs print was seen against AWS
//! where <https://repost.aws/knowledge-center/aws-iot-core-jitp-setup> shows it.

use client_tests::programs::Running;

use crate::common::{assert_says, refusal};
use crate::desk::Desk;

const CLIENTS: &[&str] = &["mosquitto_pub", "mosquitto_sub"];
const VERSIONS: [&str; 2] = ["mqttv311", "mqttv5"];
const HUNG_UP: &str = "Error: The connection was lost.";
/// What follows after an MQTT 5 refusal that mosquitto has named.
const REFUSED: &str =
    "Error: A network protocol error occurred when communicating with the broker.";

/// Starts a `mosquitto_sub`, which tells line by line, and waits until it is subscribed.
async fn subscribed(desk: &Desk, arguments: &str) -> Running {
    let line = format!("stdbuf -oL mosquitto_sub $DEVICE -p $MQTT_PORT -d {arguments}");
    let mut subscriber = desk.start(&line);
    subscriber.until("Subscribed").await;
    subscriber
}

/// Publishes with QoS 1, which must succeed.
async fn publish(desk: &Desk, arguments: &str) {
    let line = format!("mosquitto_pub $DEVICE -p $MQTT_PORT -q 1 {arguments}");
    assert_eq!(desk.run(&line).await.succeeded().stderr, "", "{line}");
}

#[tokio::test]
async fn c01_c10_messages_go_by_both_ports_tls_and_mqtt_versions() {
    let Some(desk) = Desk::with(CLIENTS).await else { return };
    for version in VERSIONS {
        let mut subscriber =
            subscribed(&desk, &format!("-V {version} -i sub -q 1 -t a/+ -v")).await;
        for port in ["-p $MQTT_PORT", "-p $TLS_PORT --tls-alpn x-amzn-mqtt-ca"] {
            for tls in ["tlsv1.2", "tlsv1.3"] {
                for qos in [0, 1] {
                    let published = desk
                        .run(&format!(
                            "mosquitto_pub $DEVICE {port} --tls-version {tls} -V {version} -i pub \
                             -q {qos} -t a/{qos} -m '{tls} {qos}' -d"
                        ))
                        .await
                        .succeeded();
                    published.said("Client pub received CONNACK (0)");
                    if qos == 1 {
                        published.said("Client pub received PUBACK (Mid: 1, RC:0)");
                    }
                    let received = subscriber.until("received PUBLISH").await;
                    assert!(received.contains(&format!("(d0, q{qos}, r0,")), "{received}");
                    let line = format!("a/{qos} {tls} {qos}");
                    assert_eq!(subscriber.until(&line).await, line);
                }
            }
        }
    }
    desk.assert_refused(&[]);
}

#[tokio::test]
async fn c03_c05_a_refused_publisher_prints_what_it_prints_on_aws() {
    let Some(desk) = Desk::with(CLIENTS).await else { return };
    const NOT_AUTHORIZED: &[&str] = &["Connection error: Not authorized", REFUSED];
    let table: [(&str, i32, &[&str], &str); 8] = [
        ("-i forbidden -t a", 135, NOT_AUTHORIZED, "Connect forbidden  AUTHORIZATION_FAILURE"),
        (
            "-i x -t a --will-topic forbidden/x",
            135,
            NOT_AUTHORIZED,
            "Connect x  AUTHORIZATION_FAILURE",
        ),
        (
            "-i x -t a --will-topic w --will-qos 2",
            155,
            &["Connection error: QoS not supported", REFUSED],
            "Connect x  CLIENT_ERROR",
        ),
        (
            "-i '$GEN/x' -t a",
            133,
            &["Connection error: Client Identifier not valid", REFUSED],
            "Connect $GEN/x  CLIENT_ERROR",
        ),
        (
            "-i x -t forbidden/x",
            0,
            &["Warning: Publish 1 failed: Not authorized."],
            "Publish-In x forbidden/x AUTHORIZATION_FAILURE",
        ),
        (
            "-i x -t '$SYS/x'",
            0,
            &["Warning: Publish 1 failed: Topic Name invalid."],
            "Publish-In x $SYS/x CLIENT_ERROR",
        ),
        (
            "--cert unknown.pem --key unknown.key -i x -t a",
            7,
            &[HUNG_UP],
            "Connection.AuthNError x  DEVICE_CERTIFICATE_NOT_REGISTERED",
        ),
        (
            "-p $TLS_PORT --tls-alpn mqtt -i x -t a",
            7,
            &[HUNG_UP],
            "Connection.AuthNError -  NOT_AUTHENTICATED",
        ),
    ];
    for (arguments, status, said_by_mqtt5, refused) in table {
        for (version, status, lines) in
            [("mqttv311", 7, &[HUNG_UP][..]), ("mqttv5", status, said_by_mqtt5)]
        {
            let before = desk.refused();
            let line = "mosquitto_pub $DEVICE -p $MQTT_PORT -q 1 -m x";
            let ended = desk.run(&format!("{line} -V {version} {arguments}")).await;
            assert_eq!((ended.code, ended.stdout.as_str()), (Some(status), ""), "{ended}");
            assert_eq!(ended.stderr.lines().collect::<Vec<_>>(), lines, "{ended}");
            let mut new = desk.refused();
            for line in before {
                new.remove(new.iter().position(|it| *it == line).expect("entries stay"));
            }
            let [entry] = new.as_slice() else { panic!("one entry, not {new:?}") };
            assert!(entry.starts_with(refused), "{entry} for {ended}");
        }
    }
}

#[tokio::test]
async fn c34_to_c37_a_refused_subscriber_prints_what_it_prints_on_aws() {
    let Some(desk) = Desk::with(CLIENTS).await else { return };
    let nine: String = (1..=9).map(|number| format!(" -t nine/{number}")).collect();
    let denied = "All subscription requests were denied.";
    let table = [
        ("-q 1 -t forbidden/x", denied, "Subscribe", "topicfilter/forbidden/x"),
        ("-q 1 -t '$SYS/#'", denied, "Subscribe", "clients may not subscribe to `$SYS/#`"),
        ("-q 2 -t a", "Received DISCONNECT (155)", "Subscribe", "QoS 2 is not served"),
        (&nine, "Received DISCONNECT (151)", "Disconnect", "9 filters in one SUBSCRIBE"),
    ];
    for (arguments, said, event_type, why) in table {
        let line = format!("mosquitto_sub $DEVICE -p $MQTT_PORT -i x -d {arguments}");
        desk.run(&format!("{line} -V mqttv5")).await.succeeded().said(said);
        assert_refused_with(&desk, event_type, why);
        // MQTT 3.1.1 says nothing: mosquitto_sub tries again and again.
        let mut again = desk.start(&format!("stdbuf -oL {line} -V mqttv311"));
        for _ in 0..2 {
            again.until("sending CONNECT").await;
            again.until("sending SUBSCRIBE").await;
        }
        assert!(!again.to_string().contains("SUBACK"), "{again}");
        assert_refused_with(&desk, event_type, why);
    }
}

#[track_caller]
fn assert_refused_with(desk: &Desk, event_type: &str, why: &str) {
    let entries = desk.emulator.trace().refusals();
    let entry = entries.iter().rfind(|entry| entry.answer.is_some()).expect("a refusal");
    assert_eq!(entry.event_type, event_type, "{entry}");
    assert_says(entry, &[why]);
}

#[tokio::test]
async fn a_publish_with_qos_2_gets_no_answer() {
    let Some(desk) = Desk::with(CLIENTS).await else { return };
    let line = "mosquitto_pub $DEVICE -p $MQTT_PORT -i x -q 2 -t a -m x -d";
    let old = desk.run(&format!("{line} -V mqttv311")).await.ended_with(7);
    old.said("received CONNACK (0)").said(HUNG_UP).did_not_say("PUBREC");
    assert_says(&refusal(&desk.emulator, "Publish-In"), &["QoS 2 is not served"]);
    // What the CONNACK says is enough for mosquitto_pub to refuse it by itself.
    let new = desk.run(&format!("{line} -V mqttv5")).await;
    new.said("Message QoS not supported on broker, try a lower QoS.").did_not_say("PUBLISH");
    desk.assert_refused(&["Publish-In x a CLIENT_ERROR: disconnects"]);
}

#[tokio::test]
async fn c38_c39_filters_match_and_retained_messages_come_as_on_aws() {
    let Some(desk) = Desk::with(CLIENTS).await else { return };
    for version in VERSIONS {
        let arguments = format!("-V {version} -i below -q 1 -v -t sensor/# -t end");
        let mut below = subscribed(&desk, &arguments).await;
        for topic in ["sensor", "sensor/", "sensor/1/x", "end"] {
            publish(&desk, &format!("-V {version} -t {topic} -m ---")).await;
        }
        below.until("end ---").await;
        let said = below.to_string();
        let heard: Vec<&str> = said.lines().filter(|line| line.ends_with(" ---")).collect();
        assert_eq!(heard, ["sensor/ ---", "sensor/1/x ---", "end ---"]);

        publish(&desk, &format!("-V {version} -r -t kept/x -m one")).await;
        publish(&desk, &format!("-V {version} -r -t kept/x -m two")).await;
        let arguments = format!("-V {version} -i exact -F 'retain %r: %p' -q 1");
        let exact = "mosquitto_sub $DEVICE -p $MQTT_PORT -C 1 -t kept/x";
        let exact = desk.run(&format!("{exact} {arguments}")).await.succeeded();
        assert_eq!(exact.stdout, "retain 1: two\n");
        let filters = "-t kept/+ -t kept/# -t '$share/group/kept/x' -t end";
        let mut wild = subscribed(&desk, &format!("{arguments} {filters}")).await;
        publish(&desk, &format!("-V {version} -t end -m live")).await;
        wild.until("retain 0: live").await;
        // The empty one takes it away, and is heard by who is there.
        publish(&desk, &format!("-V {version} -r -n -t kept/x")).await;
        wild.until("retain 0: ").await;
        assert!(!wild.to_string().contains("retain 1"), "{wild}");
        let mut late = subscribed(&desk, &format!("{arguments} -t kept/x")).await;
        publish(&desk, &format!("-V {version} -t kept/x -m live")).await;
        late.until("retain 0: live").await;
        assert!(!late.to_string().contains("two"), "{late}");
    }
    desk.assert_refused(&[]);
}

#[tokio::test]
async fn c41_c43_a_session_is_resumed_and_a_killed_client_leaves_its_will() {
    let Some(desk) = Desk::with(CLIENTS).await else { return };
    for (version, expiry) in [("mqttv311", ""), ("mqttv5", "-x 3600")] {
        let sub = format!("mosquitto_sub $DEVICE -p $MQTT_PORT -V {version} -c -i keeps {expiry}");
        let _subscribed = desk.run(&format!("{sub} -q 1 -t news -E")).await.succeeded();
        publish(&desk, &format!("-V {version} -t news -m queued-1")).await;
        publish(&desk, &format!("-V {version} -t news -m queued-2")).await;
        // Another filter, or the subscription would be renewed.
        let resumed = desk.run(&format!("{sub} -q 1 -t other -C 2")).await.succeeded();
        assert_eq!(resumed.stdout, "queued-1\nqueued-2\n", "{resumed}");

        let arguments = format!("-V {version} -i watcher -q 1 -v -t wills");
        let mut watcher = subscribed(&desk, &arguments).await;
        let will = "--will-topic wills --will-payload cut --will-qos 1";
        let arguments = format!("-V {version} -i dies -t a {will}");
        drop(subscribed(&desk, &arguments).await);
        watcher.until("wills cut").await;
    }
    desk.assert_refused(&[]);
}

#[tokio::test]
async fn c42_of_a_shared_subscription_one_gets_each_message() {
    let Some(desk) = Desk::with(CLIENTS).await else { return };
    let mut members = Vec::new();
    for (number, version) in ["mqttv311", "mqttv5", "mqttv5"].into_iter().enumerate() {
        let filters = "-t '$share/team/jobs/#' -t end";
        let arguments = format!("-V {version} -i member-{number} -q 1 -v {filters}");
        members.push(subscribed(&desk, &arguments).await);
    }
    let lines = "seq 30 | mosquitto_pub $DEVICE -p $MQTT_PORT -q 1 -t jobs/x -l";
    let _published = desk.run(lines).await.succeeded();
    publish(&desk, "-t end -m all").await;
    let mut jobs: Vec<u32> = Vec::new();
    for member in &mut members {
        member.until("end all").await;
        let said = member.to_string();
        let own = said.lines().filter_map(|line| line.strip_prefix("jobs/x ")?.parse::<u32>().ok());
        let before = jobs.len();
        jobs.extend(own);
        assert!(jobs.len() > before, "each gets some: {said}");
    }
    jobs.sort_unstable();
    assert_eq!(jobs, (1..=30).collect::<Vec<_>>());
}

#[tokio::test]
async fn c46_properties_are_passed_on_to_mqtt_5_and_dropped_for_mqtt_311() {
    let Some(desk) = Desk::with(CLIENTS).await else { return };
    let format = "-F '%p|%P|%C|%R|%D|%F|%E'";
    let arguments = |version: &str| format!("-V {version} -i {version} -q 1 -t a {format}");
    let mut old = subscribed(&desk, &arguments("mqttv311")).await;
    let mut new = subscribed(&desk, &arguments("mqttv5")).await;
    publish(
        &desk,
        "-V mqttv5 -t a -m text -D publish user-property b 1 -D publish user-property a 2 \
         -D publish content-type text/plain -D publish response-topic answers/here \
         -D publish correlation-data 7 -D publish payload-format-indicator 1 \
         -D publish message-expiry-interval 100 -D publish topic-alias 3",
    )
    .await;
    assert_eq!(new.until("text|").await, "text|b:1 a:2|text/plain|answers/here|7|1|100");
    assert_eq!(old.until("text|").await, "text||||||");
    desk.assert_refused(&[]);
}
