//! The events that AWS IoT publishes on `$aws/events/…`: topic and payload, exactly AWS's shape.
//!
//! It decides the members and their order, and which clients have no lifecycle events. When an
//! event happens is decided elsewhere; so is its way, which is that of any other message.
//! Truth: <https://docs.aws.amazon.com/iot/latest/developerguide/life-cycle-events.html> and
//! <https://docs.aws.amazon.com/iot/latest/developerguide/auto-register-device-cert.html>.

mod registry;

use std::net::IpAddr;

use bytes::Bytes;
use serde::Serialize;

use crate::names::{AccountId, CertificateId, ClientId, ThingName, TopicFilter, TopicName};
use crate::time::Timestamp;

pub(crate) use registry::*;

/// Where an event is published, and what it says.
pub(crate) type Event = (TopicName, Bytes);

/// Whom a lifecycle event is about, and when it happened.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Subject<'a> {
    pub(crate) client_id: &'a ClientId,
    /// Only with an `EXCLUSIVE_THING` attachment.
    pub(crate) thing_name: Option<&'a ThingName>,
    /// A UUID of the connection.
    pub(crate) session_identifier: &'a str,
    /// The certificate ID, or what a custom authorizer or SigV4 named.
    pub(crate) principal_identifier: &'a str,
    pub(crate) at: Timestamp,
}

impl Subject<'_> {
    //= https://docs.aws.amazon.com/iot/latest/developerguide/life-cycle-events.html
    //# a client whose ID has `+` or `#` in it has no lifecycle events
    fn event(&self, kind: &str, payload: &impl Serialize) -> Option<Event> {
        let client_id = self.client_id.as_str();
        if client_id.contains(['+', '#']) {
            return None;
        }
        Some((TopicName::from(format!("$aws/events/{kind}/{client_id}")), json(payload)))
    }

    /// A client connected.
    pub(crate) fn connected(&self, source_ip: IpAddr, version_number: u64) -> Option<Event> {
        let Subject { client_id, thing_name, session_identifier, principal_identifier, at } = *self;
        let payload = Connected {
            client_id,
            thing_name,
            timestamp: at.milliseconds(),
            event_type: "connected",
            session_identifier,
            principal_identifier,
            ip_address: source_ip,
            version_number,
        };
        self.event("presence/connected", &payload)
    }

    /// A client's connection is over; `reason` in AWS's spelling.
    pub(crate) fn disconnected(
        &self,
        client_initiated: bool,
        reason: &str,
        version_number: u64,
    ) -> Option<Event> {
        let Subject { client_id, thing_name, session_identifier, principal_identifier, at } = *self;
        let payload = Disconnected {
            client_id,
            thing_name,
            timestamp: at.milliseconds(),
            event_type: "disconnected",
            session_identifier,
            principal_identifier,
            client_initiated_disconnect: client_initiated,
            disconnect_reason: reason,
            version_number,
        };
        self.event("presence/disconnected", &payload)
    }

    //= https://docs.aws.amazon.com/iot/latest/developerguide/life-cycle-events.html
    //# the client was not authorised to connect, or not to publish to its will's topic
    /// A client was not let in, though its certificate is good.
    pub(crate) fn connect_failed(&self, source_ip: IpAddr) -> Option<Event> {
        let Subject { client_id, thing_name, session_identifier, principal_identifier, at } = *self;
        let payload = ConnectFailed {
            client_id,
            thing_name,
            timestamp: at.milliseconds(),
            event_type: "connect_failed",
            connect_failure_reason: "AUTHORIZATION_FAILED",
            principal_identifier,
            session_identifier,
            ip_address: source_ip,
        };
        self.event("presence/connect_failed", &payload)
    }

    /// A client subscribed to `filters` in one request.
    pub(crate) fn subscribed(&self, filters: &[TopicFilter]) -> Option<Event> {
        self.subscription("subscribed", filters)
    }

    /// A client unsubscribed from `filters` in one request.
    pub(crate) fn unsubscribed(&self, filters: &[TopicFilter]) -> Option<Event> {
        self.subscription("unsubscribed", filters)
    }

    fn subscription(&self, event_type: &str, topics: &[TopicFilter]) -> Option<Event> {
        let Subject { client_id, thing_name, session_identifier, principal_identifier, at } = *self;
        let payload = Subscription {
            client_id,
            thing_name,
            timestamp: at.milliseconds(),
            event_type,
            session_identifier,
            principal_identifier,
            topics,
        };
        self.event(&format!("subscriptions/{event_type}"), &payload)
    }
}

/// A certificate was registered just in time, or was shown again before it became active.
#[derive(Clone, Copy, Debug)]
pub(crate) struct CertificateRegistered<'a> {
    pub(crate) certificate_id: CertificateId,
    pub(crate) ca_certificate_id: CertificateId,
    pub(crate) account: &'a AccountId,
    /// When an earlier connection registered it; none for the one that does now.
    pub(crate) registered: Option<Timestamp>,
    pub(crate) source_ip: IpAddr,
    pub(crate) at: Timestamp,
}

impl CertificateRegistered<'_> {
    //= https://github.com/ministackorg/ministack/pull/1755
    //# `certificateRegistrationTimestamp` is null on the connect that registers the certificate,
    //# and the milliseconds of its registration as a string on later ones; `sourceIp` is there
    /// The event on which JITR rests.
    pub(crate) fn event(&self) -> Event {
        let payload = Registered {
            certificate_id: self.certificate_id,
            ca_certificate_id: self.ca_certificate_id,
            timestamp: self.at.milliseconds(),
            certificate_status: "PENDING_ACTIVATION",
            aws_account_id: self.account,
            certificate_registration_timestamp: self
                .registered
                .map(|registered| registered.milliseconds().to_string()),
            source_ip: self.source_ip,
        };
        let topic = format!("$aws/events/certificates/registered/{}", self.ca_certificate_id);
        (TopicName::from(topic), json(&payload))
    }
}

fn json(payload: &impl Serialize) -> Bytes {
    serde_json::to_vec(payload).expect("text and numbers always make JSON").into()
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Connected<'a> {
    client_id: &'a ClientId,
    #[serde(skip_serializing_if = "Option::is_none")]
    thing_name: Option<&'a ThingName>,
    timestamp: i64,
    event_type: &'static str,
    session_identifier: &'a str,
    principal_identifier: &'a str,
    ip_address: IpAddr,
    version_number: u64,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Disconnected<'a> {
    client_id: &'a ClientId,
    #[serde(skip_serializing_if = "Option::is_none")]
    thing_name: Option<&'a ThingName>,
    timestamp: i64,
    event_type: &'static str,
    session_identifier: &'a str,
    principal_identifier: &'a str,
    client_initiated_disconnect: bool,
    disconnect_reason: &'a str,
    version_number: u64,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct ConnectFailed<'a> {
    client_id: &'a ClientId,
    #[serde(skip_serializing_if = "Option::is_none")]
    thing_name: Option<&'a ThingName>,
    timestamp: i64,
    event_type: &'static str,
    connect_failure_reason: &'static str,
    principal_identifier: &'a str,
    session_identifier: &'a str,
    ip_address: IpAddr,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Subscription<'a> {
    client_id: &'a ClientId,
    #[serde(skip_serializing_if = "Option::is_none")]
    thing_name: Option<&'a ThingName>,
    timestamp: i64,
    event_type: &'a str,
    session_identifier: &'a str,
    principal_identifier: &'a str,
    topics: &'a [TopicFilter],
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Registered<'a> {
    certificate_id: CertificateId,
    ca_certificate_id: CertificateId,
    timestamp: i64,
    certificate_status: &'static str,
    aws_account_id: &'a AccountId,
    certificate_registration_timestamp: Option<String>,
    source_ip: IpAddr,
}

#[cfg(test)]
mod tests {
    use super::*;

    const IP: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(192, 0, 2, 0));

    fn check(event: Option<Event>, topic: &str, payload: &str) {
        let (actual_topic, actual_payload) = event.expect("an event");
        assert_eq!(actual_topic.as_str(), topic);
        assert_eq!(std::str::from_utf8(&actual_payload).unwrap(), payload);
    }

    #[test]
    fn c44_lifecycle_events_have_the_members_of_aws_in_the_order_of_aws() {
        let (client_id, thing_name) = (ClientId::new("186b5"), ThingName::new("exampleThing"));
        let with_thing = Subject {
            client_id: &client_id,
            thing_name: Some(&thing_name),
            session_identifier: "00000000-0000-0000-0000-000000000000",
            principal_identifier: "ab12",
            at: Timestamp::from_milliseconds(1_573_002_230_757),
        };
        let without_thing = Subject { thing_name: None, ..with_thing };
        check(
            with_thing.connected(IP, 0),
            "$aws/events/presence/connected/186b5",
            r#"{"clientId":"186b5","thingName":"exampleThing","timestamp":1573002230757,"eventType":"connected","sessionIdentifier":"00000000-0000-0000-0000-000000000000","principalIdentifier":"ab12","ipAddress":"192.0.2.0","versionNumber":0}"#,
        );
        check(
            without_thing.connected(IP, 1),
            "$aws/events/presence/connected/186b5",
            r#"{"clientId":"186b5","timestamp":1573002230757,"eventType":"connected","sessionIdentifier":"00000000-0000-0000-0000-000000000000","principalIdentifier":"ab12","ipAddress":"192.0.2.0","versionNumber":1}"#,
        );
        check(
            with_thing.disconnected(true, "CLIENT_INITIATED_DISCONNECT", 0),
            "$aws/events/presence/disconnected/186b5",
            r#"{"clientId":"186b5","thingName":"exampleThing","timestamp":1573002230757,"eventType":"disconnected","sessionIdentifier":"00000000-0000-0000-0000-000000000000","principalIdentifier":"ab12","clientInitiatedDisconnect":true,"disconnectReason":"CLIENT_INITIATED_DISCONNECT","versionNumber":0}"#,
        );
        check(
            with_thing.connect_failed(IP),
            "$aws/events/presence/connect_failed/186b5",
            r#"{"clientId":"186b5","thingName":"exampleThing","timestamp":1573002230757,"eventType":"connect_failed","connectFailureReason":"AUTHORIZATION_FAILED","principalIdentifier":"ab12","sessionIdentifier":"00000000-0000-0000-0000-000000000000","ipAddress":"192.0.2.0"}"#,
        );
        let filters = [TopicFilter::new("foo/bar"), TopicFilter::new("device/data")];
        check(
            with_thing.subscribed(&filters),
            "$aws/events/subscriptions/subscribed/186b5",
            r#"{"clientId":"186b5","thingName":"exampleThing","timestamp":1573002230757,"eventType":"subscribed","sessionIdentifier":"00000000-0000-0000-0000-000000000000","principalIdentifier":"ab12","topics":["foo/bar","device/data"]}"#,
        );
        check(
            without_thing.unsubscribed(&filters[..1]),
            "$aws/events/subscriptions/unsubscribed/186b5",
            r#"{"clientId":"186b5","timestamp":1573002230757,"eventType":"unsubscribed","sessionIdentifier":"00000000-0000-0000-0000-000000000000","principalIdentifier":"ab12","topics":["foo/bar"]}"#,
        );
    }

    #[test]
    fn c44_a_client_with_a_wildcard_in_its_id_has_no_lifecycle_events() {
        for (client_id, expected) in
            [("a+b", false), ("#", false), ("$GEN/0ab1", true), ("a/b", true), ("", true)]
        {
            let subject = Subject {
                client_id: &ClientId::new(client_id),
                thing_name: None,
                session_identifier: "",
                principal_identifier: "",
                at: Timestamp::default(),
            };
            let events = [
                subject.connected(IP, 0),
                subject.disconnected(false, "CONNECTION_LOST", 0),
                subject.connect_failed(IP),
                subject.subscribed(&[]),
                subject.unsubscribed(&[]),
            ];
            for event in events {
                assert_eq!(event.is_some(), expected, "{client_id}");
            }
        }
    }

    #[test]
    fn je_1_to_4_the_registered_event_has_the_keys_of_aws() {
        let (leaf, ca) = (CertificateId::from_digest([1; 32]), CertificateId::from_digest([2; 32]));
        let first = CertificateRegistered {
            certificate_id: leaf,
            ca_certificate_id: ca,
            account: &AccountId::new("123456789012"),
            registered: None,
            source_ip: "203.0.113.7".parse().unwrap(),
            at: Timestamp::from_milliseconds(1_654_051_712_321),
        };
        let (topic, payload) = first.event();
        assert_eq!(topic.as_str(), format!("$aws/events/certificates/registered/{ca}"));
        let expected = format!(
            r#"{{"certificateId":"{leaf}","caCertificateId":"{ca}","timestamp":1654051712321,"certificateStatus":"PENDING_ACTIVATION","awsAccountId":"123456789012","certificateRegistrationTimestamp":null,"sourceIp":"203.0.113.7"}}"#
        );
        assert_eq!(std::str::from_utf8(&payload).unwrap(), expected);

        let registered = Some(Timestamp::from_milliseconds(1_654_051_712_000));
        let (_topic, payload) = CertificateRegistered { registered, ..first }.event();
        let again = expected.replace(":null,", r#":"1654051712000","#);
        assert_eq!(std::str::from_utf8(&payload).unwrap(), again);
    }
}
