//! Connecting, takeover, sessions that stay, and what the AWS API asks of them.

use super::*;
use crate::message::QoS;
use crate::quotas;

const HOUR: Duration = Duration::from_secs(3600);

#[test]
fn c30_keep_alive_and_session_expiry_are_brought_into_range() {
    let mut stage = Stage::default();
    let keep_alives =
        [(0, 1200), (6, 30), (30, 30), (600, 600), (1200, 1200), (1201, 1200), (65_535, 1200)];
    for (keep_alive_seconds, expected) in keep_alives {
        let connected = stage.connect("c", ConnectRequest { keep_alive_seconds, ..clean() });
        assert_eq!(connected.facts.keep_alive_seconds, expected, "{keep_alive_seconds}");
    }
    let expiries = [
        (clean(), 0, true),
        (persistent(), 3600, false),
        (mqtt5(None), 0, true),
        (mqtt5(Some(0)), 0, true),
        (mqtt5(Some(600)), 600, false),
        (mqtt5(Some(600_000)), 3600, false),
        (mqtt5(Some(u32::MAX)), 3600, false),
    ];
    for (request, expected, clean_session) in expiries {
        let connected = stage.connect("c", request);
        assert_eq!(connected.session_expiry_seconds, expected);
        assert_eq!(connected.facts.clean_session, clean_session);
    }
}

#[test]
fn c32_a_newcomer_takes_the_client_id_over() {
    for request in [clean, persistent, || mqtt5(None), || mqtt5(Some(60))] {
        let mut stage = Stage::default();
        let first = stage.connect("c", ConnectRequest { will: Some(will("wills/c")), ..request() });
        assert!(first.taken_over.is_none());
        let second = stage.connect("c", request());
        let ended = second.taken_over.expect("the first connection has ended");
        assert_eq!(ended.reason.name(), "DUPLICATE_CLIENTID");
        assert_eq!(ended.facts.connection, first.connection);
        assert_eq!(ended.facts.version_number, 0);
        assert_eq!(second.facts.version_number, 1);
        let will = ended.will.expect("the will of the first connection is sent");
        assert_eq!(will.permit.resource().as_str(), "wills/c");

        // Late words of the first connection change nothing.
        let stale = first.connection;
        assert_ne!(stale, second.connection);
        let refused = stage.subscribe_with(stale, "a", options(1));
        assert_eq!(refused, Err(SubscribeError::NotConnected));
        assert_eq!(stage.broker.unsubscribe(stale, &"a".into()), None);
        assert!(stage.next(stale).is_none());
        assert!(!stage.broker.acknowledge(stale, 1));
        let lost = DisconnectReason::ConnectionLost;
        assert!(stage.broker.disconnect(stale, lost, stage.now).is_none());
        let packet = ClientDisconnect::default();
        assert!(stage.broker.client_disconnect(stale, packet, stage.now).is_none());
        assert_eq!(stage.connection_of("c"), Some(second.connection));
    }
}

#[test]
fn c32_a_thousand_takeovers_leave_one_session() {
    let mut stage = Stage::default();
    let listener = stage.join("listener");
    stage.subscribe(listener, "a", 1);
    for round in 0_u64..1000 {
        let connected = stage.connect("c", persistent());
        assert_eq!(connected.session_present, round > 0);
        assert_eq!(connected.facts.version_number, round);
        stage.subscribe(connected.connection, "a", 1);
        stage.subscribe(connected.connection, "$share/g/a", 1);
    }
    assert_eq!(stage.connections().len(), 2);
    stage.publish("a", "once", 1);
    let survivor = stage.connection_of("c").unwrap();
    assert_eq!(stage.payloads(survivor), ["once", "once"], "its own copy, and its group's");
    assert_eq!(stage.payloads(listener), ["once"]);

    // Clean sessions in turn: nothing is left of those before.
    for _round in 0..1000 {
        let connected = stage.connect("c", clean());
        assert!(!connected.session_present);
        stage.subscribe(connected.connection, "a", 0);
    }
    stage.publish("a", "again", 1);
    let survivor = stage.connection_of("c").unwrap();
    assert_eq!(stage.receive(survivor), [("a".into(), "again".into(), 0, false)]);
}

#[test]
fn c41_a_session_is_resumed_by_its_own_version_and_without_a_clean_start() {
    type Make = fn() -> ConnectRequest;
    let clean5: Make = || ConnectRequest { clean_start: true, ..mqtt5(Some(60)) };
    let table: [(Make, Make, bool); 9] = [
        (persistent, persistent, true),
        (persistent, clean, false),
        (clean, persistent, false),
        (persistent, || mqtt5(Some(60)), false),
        (|| mqtt5(Some(60)), persistent, false),
        (|| mqtt5(Some(60)), || mqtt5(Some(60)), true),
        (|| mqtt5(Some(60)), || mqtt5(None), true),
        (|| mqtt5(None), || mqtt5(Some(60)), false),
        (|| mqtt5(Some(60)), clean5, false),
    ];
    for (index, (first, second, present)) in table.into_iter().enumerate() {
        for taken_over in [false, true] {
            let mut stage = Stage::default();
            let connection = stage.connect("c", first()).connection;
            stage.subscribe(connection, "a", 1);
            if !taken_over {
                stage.lose(connection);
            }
            stage.publish("a", "waits", 1);
            let again = stage.connect("c", second());
            assert_eq!(again.session_present, present, "row {index}");
            let expected: &[&str] = if present { &["waits"] } else { &[] };
            assert_eq!(stage.payloads(again.connection), expected, "row {index}");
            let count = stage.subscriptions_of("c").unwrap().len();
            assert_eq!(count, usize::from(present), "row {index}");
        }
    }
}

#[test]
fn c41_a_session_expires_when_its_time_is_up_and_not_before() {
    let table = [
        (persistent as fn() -> ConnectRequest, 3599, true),
        (persistent, 3600, false),
        (|| mqtt5(Some(60)), 59, true),
        (|| mqtt5(Some(60)), 60, false),
        (|| mqtt5(Some(u32::MAX)), 3599, true),
        (|| mqtt5(Some(u32::MAX)), 3600, false),
    ];
    for (request, seconds, present) in table {
        for timer_runs in [true, false] {
            let mut stage = Stage::default();
            let connection = stage.connect("c", request()).connection;
            stage.subscribe(connection, "a", 1);
            // While it is connected no time is counted.
            stage.advance(2 * HOUR);
            stage.lose(connection);
            assert!(stage.subscriptions_of("c").is_some());
            let gone = Duration::from_secs(seconds);
            if timer_runs {
                stage.advance(gone);
                let expired = Notice::SessionExpired { client_id: "c".into() };
                assert_eq!(stage.notices().contains(&expired), !present);
                let known = stage.subscriptions_of("c").is_some();
                assert_eq!(known, present, "{seconds}");
            } else {
                // A connect that overtakes the timer sees the same.
                stage.now = stage.now + gone;
            }
            let again = stage.connect("c", request());
            assert_eq!(again.session_present, present, "{seconds}");
        }
    }
}

#[test]
fn c41_only_qos_1_waits_for_a_client_that_is_away() {
    let mut stage = Stage::default();
    let connection = stage.connect("c", persistent()).connection;
    stage.subscribe(connection, "zero", 0);
    stage.subscribe(connection, "one", 1);
    stage.publish("one", "before", 0);
    stage.lose(connection);
    for (topic, payload, qos) in [("zero", "a", 1), ("one", "b", 0), ("one", "c", 1)] {
        stage.publish(topic, payload, qos);
    }
    let receiver = Receiver::Client("c".into());
    assert_eq!(stage.notices(), [Notice::Queued { receiver, topic: "one".into() }]);
    assert_eq!(stage.woken(), [connection], "for what came before");
    let again = stage.connect("c", persistent()).connection;
    assert_eq!(stage.woken(), [again]);
    assert_eq!(stage.receive(again), [("one".into(), "c".into(), 1, false)]);
}

#[test]
fn c41_what_was_not_acknowledged_comes_again_first_with_its_packet_id() {
    let mut stage = Stage::default();
    let connection = stage.connect("c", persistent()).connection;
    stage.subscribe(connection, "a", 1);
    for payload in ["1", "2", "3"] {
        stage.publish("a", payload, 1);
    }
    let sent = stage.fetch(connection);
    let packet_ids: Vec<_> = sent.iter().map(|delivery| delivery.packet_id.unwrap()).collect();
    assert!(stage.broker.acknowledge(connection, packet_ids[1]));
    stage.lose(connection);
    stage.publish("a", "4", 1);
    let again = stage.connect("c", persistent()).connection;
    let sent: Vec<_> = stage
        .fetch(again)
        .into_iter()
        .map(|delivery| (delivery.packet_id.unwrap(), seen(&delivery).1))
        .collect();
    let expected = [(packet_ids[0], "1"), (packet_ids[2], "3"), (packet_ids[2] + 1, "4")];
    let expected = expected.map(|(packet_id, payload)| (packet_id, payload.to_owned()));
    assert_eq!(sent, expected);
}

#[test]
fn c41_stored_messages_can_come_at_ten_a_second_beside_live_ones() {
    let broker = MessageBroker::new(7).with_rates();
    let mut stage = Stage { broker, ..Stage::default() };
    let connection = stage.connect("c", persistent()).connection;
    stage.subscribe(connection, "a", 1);
    stage.lose(connection);
    for number in 0..30 {
        stage.publish("a", &format!("stored {number}"), 1);
    }
    let again = stage.connect("c", persistent()).connection;
    assert_eq!(stage.payloads(again), ["stored 0"]);
    stage.publish("a", "live", 1);
    assert_eq!(stage.payloads(again), ["live"]);
    let mut received = 1;
    for _second in 0..2 {
        for _step in 0..10 {
            stage.woken();
            stage.advance(Duration::from_millis(100));
            assert_eq!(stage.woken(), [again]);
            received += stage.payloads(again).len();
        }
    }
    assert_eq!(received, 21);
    // What is left waits on when the client goes away, and comes before what came later.
    stage.lose(again);
    stage.publish("a", "last", 1);
    let again = stage.connect("c", persistent()).connection;
    let mut rest = Vec::new();
    while rest.len() < 10 {
        rest.extend(stage.payloads(again));
        stage.advance(Duration::from_millis(100));
    }
    assert_eq!(rest[0], "stored 21");
    assert_eq!(rest[9], "last");
}

#[test]
fn c43_only_the_clients_own_disconnect_suppresses_the_will() {
    use DisconnectReason::*;
    let table = [
        (AuthError, true),
        (ClientInitiatedDisconnect, false),
        (ClientError, true),
        (ConnectionLost, true),
        (DuplicateClientId, true),
        (ForbiddenAccess, true),
        (MqttKeepAliveTimeout, true),
        (ServerError, true),
        (ServerInitiatedDisconnect, true),
        (ApiInitiatedDisconnect, true),
        (Throttled, true),
        (WebsocketTtlExpiration, true),
        (CustomauthTtlExpiration, true),
    ];
    let mut stage = Stage::default();
    for (reason, expected) in table {
        let request = ConnectRequest { will: Some(will("w")), ..clean() };
        let connection = stage.connect("c", request).connection;
        let ended = stage.broker.disconnect(connection, reason, stage.now).unwrap();
        assert_eq!(ended.will.is_some(), expected, "{}", reason.name());
        assert_eq!(ended.reason, reason);
        assert!(stage.subscriptions_of("c").is_none());
        assert_eq!(reason.is_client_initiated(), !expected);
    }
    for with_will in [false, true] {
        let request = ConnectRequest { will: Some(will("w")), ..clean() };
        let connection = stage.connect("c", request).connection;
        let packet = ClientDisconnect { with_will, ..ClientDisconnect::default() };
        let ended = stage.broker.client_disconnect(connection, packet, stage.now).unwrap();
        assert_eq!(ended.will.is_some(), with_will);
        assert_eq!(ended.reason, ClientInitiatedDisconnect);
    }
}

#[test]
fn a_will_is_published_like_any_message() {
    let mut stage = Stage::default();
    let listener = stage.join("listener");
    stage.subscribe(listener, "wills/+", 1);
    let mut with_retain = will("wills/c");
    with_retain.publication.retain = Some(Permit::<RetainPublish>::of_aws("wills/c".into()));
    let request = ConnectRequest { will: Some(with_retain), ..clean() };
    let connection = stage.connect("c", request).connection;
    let will = stage.lose(connection).will.unwrap();
    stage.broker.publish(will.permit, will.publication, stage.now).unwrap();
    assert_eq!(stage.receive(listener), [("wills/c".into(), "gone".into(), 0, false)]);
    assert!(stage.retained("wills/c").is_some());
}

#[test]
fn a_disconnect_packet_may_change_the_session_expiry_but_not_raise_it_from_zero() {
    use DisconnectReason::{ClientError, ClientInitiatedDisconnect};
    // Interval at CONNECT, at DISCONNECT, the reason, seconds that the session lasts then.
    let table = [
        (None, None, ClientInitiatedDisconnect, 0),
        (None, Some(0), ClientInitiatedDisconnect, 0),
        (None, Some(60), ClientError, 0),
        (Some(0), Some(u32::MAX), ClientError, 0),
        (Some(60), None, ClientInitiatedDisconnect, 60),
        (Some(60), Some(0), ClientInitiatedDisconnect, 0),
        (Some(60), Some(120), ClientInitiatedDisconnect, 120),
        (Some(60), Some(u32::MAX), ClientInitiatedDisconnect, 3600),
    ];
    for (at_connect, session_expiry_seconds, reason, lasts) in table {
        let mut stage = Stage::default();
        let request = ConnectRequest { will: Some(will("w")), ..mqtt5(at_connect) };
        let connection = stage.connect("c", request).connection;
        let packet = ClientDisconnect { session_expiry_seconds, ..ClientDisconnect::default() };
        let ended = stage.broker.client_disconnect(connection, packet, stage.now).unwrap();
        assert_eq!(ended.reason, reason, "{at_connect:?} {session_expiry_seconds:?}");
        assert_eq!(ended.will.is_some(), reason == ClientError);
        assert_eq!(stage.subscriptions_of("c").is_none(), lasts == 0);
        if lasts > 0 {
            stage.advance(Duration::from_secs(lasts - 1));
            assert!(stage.subscriptions_of("c").is_some());
            stage.advance(Duration::from_secs(1));
        }
        assert!(stage.subscriptions_of("c").is_none());
    }
}

#[test]
fn c44_version_numbers_rise_until_a_client_has_been_away_for_an_hour_or_its_sessions_time() {
    let table = [
        (clean as fn() -> ConnectRequest, 3600),
        (persistent, 3600),
        (|| mqtt5(None), 3600),
        (|| mqtt5(Some(60)), 60),
        (|| mqtt5(Some(u32::MAX)), 3600),
    ];
    for (request, kept) in table {
        for timer_runs in [true, false] {
            let mut stage = Stage::default();
            for (away_seconds, expected) in [(0, 0), (0, 1), (kept - 1, 2), (kept, 0), (1, 1)] {
                if timer_runs {
                    stage.advance(Duration::from_secs(away_seconds));
                } else {
                    stage.now = stage.now + Duration::from_secs(away_seconds);
                }
                let connected = stage.connect("c", request());
                assert_eq!(connected.facts.version_number, expected, "after {away_seconds}");
                // An hour of being connected resets nothing.
                stage.advance(2 * HOUR);
                let ended = stage.lose(connected.connection);
                assert_eq!(ended.facts.version_number, expected);
            }
            // Nothing is remembered in the end.
            stage.advance(2 * HOUR);
            assert_eq!(stage.broker.next_deadline(), None);
        }
    }
}

#[test]
fn c36_a_connection_has_at_most_50_subscriptions() {
    let mut stage = Stage::default();
    let connection = stage.join("c");
    for number in 0..quotas::SUBSCRIPTIONS_PER_CONNECTION {
        stage.subscribe(connection, &format!("a/{number}"), 1);
    }
    let refused = |stage: &mut Stage| stage.subscribe_with(connection, "b", options(1));
    assert_eq!(refused(&mut stage), Err(SubscribeError::TooManySubscriptions));
    // Changing one of them is not one more; an unsubscribe makes room.
    assert_eq!(stage.subscribe_with(connection, "a/0", options(0)), Ok(QoS::AtMostOnce));
    assert_eq!(stage.broker.unsubscribe(connection, &"a/1".into()), Some(true));
    assert_eq!(stage.broker.unsubscribe(connection, &"a/1".into()), Some(false));
    assert_eq!(refused(&mut stage), Ok(QoS::AtLeastOnce));
    stage.publish("a/1", "gone", 1);
    stage.publish("b", "there", 1);
    assert_eq!(stage.payloads(connection), ["there"]);
}

#[test]
fn a_connection_can_be_deleted_by_the_aws_api() {
    // Persistent, connected, cleanSession asked for; found, session gone.
    let table = [
        (false, true, false, true, true),
        (false, true, true, true, true),
        (true, true, false, true, false),
        (true, true, true, true, true),
        (true, false, false, false, false),
        (true, false, true, true, true),
        (false, false, true, false, true),
    ];
    for (kept, connected, clean_session, found, gone) in table {
        for prevent_will in [false, true] {
            let mut stage = Stage::default();
            let request = if kept { persistent() } else { clean() };
            let request = ConnectRequest { will: Some(will("w")), ..request };
            let connection = stage.connect("c", request).connection;
            if !connected {
                stage.lose(connection);
            }
            let permit = Permit::of_test("c".into());
            let now = stage.now;
            let deleted = stage.broker.delete_connection(&permit, clean_session, prevent_will, now);
            assert_eq!(deleted.is_some(), found);
            let deleted_connection = matches!(deleted, Some(Deleted::Connection(_)));
            assert_eq!(deleted_connection, connected);
            if let Some(Deleted::Connection(connection)) = deleted {
                let reason = DisconnectReason::ApiInitiatedDisconnect;
                let ended = stage.broker.disconnect(connection, reason, stage.now).unwrap();
                assert_eq!(ended.reason.name(), "API_INITIATED_DISCONNECT");
                assert_eq!(ended.will.is_some(), !prevent_will);
            }
            assert_eq!(stage.subscriptions_of("c").is_none(), gone);
            assert_eq!(stage.connection_of("c"), None);
        }
    }
}

#[test]
fn a_client_is_known_for_half_an_hour_after_it_went_away() {
    let mut stage = Stage::default();
    assert!(stage.client("c").is_none());
    let connected = stage.connect("c", persistent());
    let status = stage.client("c").unwrap();
    assert_eq!(status.facts.connected_since, stage.now);
    assert_eq!((status.disconnected, status.session_expiry_seconds), (None, 3600));
    stage.advance(Duration::from_secs(5));
    stage.lose(connected.connection);
    let gone = Some((stage.now, DisconnectReason::ConnectionLost));
    stage.advance(Duration::from_secs(30 * 60 - 1));
    let status = stage.client("c").unwrap();
    assert_eq!(status.disconnected, gone);
    stage.advance(Duration::from_secs(1));
    assert!(stage.client("c").is_none());
}

#[test]
fn all_connections_of_a_certificate_are_found() {
    let mut stage = Stage::default();
    let mut of_certificate = |client_id: &str, certificate: &str| {
        let mut request = clean();
        request.details.principal = certificate.into();
        stage.connect(client_id, request).connection
    };
    let first = of_certificate("a", "cert-1");
    let _other = of_certificate("b", "cert-2");
    let second = of_certificate("c", "cert-1");
    assert_eq!(stage.broker.connections_of("cert-1"), [first, second]);
    assert_ne!(first.slot.index(), second.slot.index());
    stage.lose(first);
    assert_eq!(stage.broker.connections_of("cert-1"), [second]);
    assert_eq!(stage.broker.connections_of("cert-3"), []);
}
