//! Connections as `IotCore` keeps them: what a thousand takeovers leave, and how many there may be.

use std::net::IpAddr;
use std::time::Duration;

use super::connections::check_room;
use super::requests::{ConnectRequest, Peer};
use crate::cloud::Cloud;
use crate::config::Config;
use crate::message::ProtocolVersion;
use crate::message_broker::DisconnectReason;
use crate::outbox::Mailbox;
use crate::pki::Identity;
use crate::quotas::CONNECTIONS;

fn request(number: u16) -> ConnectRequest {
    let version =
        if number.is_multiple_of(2) { ProtocolVersion::Mqtt5 } else { ProtocolVersion::Mqtt311 };
    ConnectRequest {
        version,
        client_id: "lamp".into(),
        clean_start: number.is_multiple_of(3),
        keep_alive_seconds: 60,
        session_expiry_seconds: number.is_multiple_of(4).then_some(60),
        receive_maximum: 100,
        maximum_packet_size: None,
        authentication_method: None,
        will: None,
        will_delay_seconds: None,
    }
}

#[test]
fn c32_a_thousand_takeovers_leave_nothing_behind_but_the_last() {
    let config = Config { manual_clock: true, ..Config::default() };
    let bound = crate::listeners::bind(&config).expect("free ports");
    let (cloud, _jobs) = Cloud::new(config, bound.addresses(), None).expect("a start");
    let iot = cloud.regional(cloud.default_scope()).iot_core;
    let device = Identity::self_signed("lamp");
    iot.register_certificate_without_ca(&device.certificate_pem());
    iot.create_policy("P", super::allow(&["iot:*"], "*"));
    iot.attach_policy("P", device.certificate_id());
    let address = (IpAddr::from([127, 0, 0, 1]), 50_000).into();
    let ends = Some(iot.now() + Duration::from_secs(3600));
    let (server_name, protocol) = (None, "MQTT");
    let peer = Peer { address, local: address, server_name, by_name: true, protocol, ends };
    let activity = cloud.outbox().activity();
    let mut last = None;
    for number in 0..1000 {
        let chain = std::slice::from_ref(device.certificate());
        let principal = iot.present(chain, &peer, None).expect("it is registered");
        let mailbox = Mailbox::new(activity);
        let accepted = iot.connect(principal, &peer, request(number), mailbox.clone());
        let connection = accepted.expect("it is allowed").connection;
        iot.on(connection, |held| {
            held.subscribe(vec![("news".into(), Some(Default::default()), Default::default())])
        });
        // Its task would read that it was taken over, and end.
        last = Some((connection, mailbox));
    }
    let (connection, mailbox) = last.expect("a thousand");
    let principal = device.certificate_id().to_string();
    {
        let state = iot.state();
        assert!(state.live.len() == 1 && state.live.get(connection).is_some());
        assert_eq!(state.lifetimes.len(), 1);
        assert_eq!(state.broker.connections_of(&principal), [connection]);
    }
    iot.end(connection, DisconnectReason::ConnectionLost);
    drop(mailbox);
    let state = iot.state();
    assert!(state.live.len() == 0 && state.lifetimes.is_empty());
    assert_eq!(state.broker.connections_of(&principal), []);
    assert_eq!(activity.count(), 0, "nothing waits to be read by who is gone");
}

#[test]
fn an_account_has_so_many_connections_and_no_more() {
    assert_eq!(check_room(CONNECTIONS - 1), Ok(()));
    let why = check_room(CONNECTIONS).unwrap_err();
    assert_eq!(why, "500000 concurrent connections of an account at most");
}
