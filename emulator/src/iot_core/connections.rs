//! A client connects and goes.
//!
//! It decides the order of AWS's checks on a CONNECT, and what a refusal leaves in the trace.
//! Whether something is permitted, and who gets what, is decided in `policy/` and
//! `message_broker/`.
//! Truth: <https://docs.aws.amazon.com/iot/latest/developerguide/mqtt.html>.

use std::sync::Arc;

use bytes::Bytes;

use super::authorization::Authorizer;
use super::log::{Subscribing, Who, let_in, refused};
use super::publishing::{Origin, check_sizes, permits};
use super::refusals::Refused;
use super::requests::{Accepted, ConnectRequest, Peer, PublishRequest};
use super::{Held, IotCore, Live, State};
use super::{throttling, topics};
use crate::events::Subject;
use crate::message::ProtocolVersion;
use crate::message_broker::{
    self, ConnectionDetails, ConnectionFacts, ConnectionId, DisconnectReason, Ended, Publication,
    Will,
};
use crate::names::{ClientId, Scope};
use crate::outbox::Mailbox;
use crate::policy::{Action, Connect, Permit, Refusal};
use crate::provisioning::Principal;
use crate::quotas::rates::Rate;
use crate::quotas::{CLIENT_ID_BYTES, CONNECTIONS, MAXIMUM_PACKET_SIZE_FLOOR};
use crate::time::Timestamp;
use crate::trace::Entry;

/// Why a CONNECT is refused: the answer, and the entry that explains it.
type ConnectRefusal = (Refused, Box<Entry>);

impl IotCore {
    /// Lets a client in, or says how to refuse it, and the `traceId` of the entry that says why.
    pub(crate) fn connect(
        &self,
        principal: Arc<Principal>,
        peer: &Peer,
        request: ConnectRequest,
        mailbox: Mailbox,
    ) -> Result<Accepted, (Refused, String)> {
        let scope = self.scope();
        self.locked(|state, now| {
            let client_id = match request.client_id.as_str() {
                //= https://github.com/awslabs/aws-c-mqtt/blob/main/source/v5/mqtt5_utils.c
                //# a client without an ID is called $GEN/ and a UUID
                "" => ClientId::from(format!("$GEN/{}", state.uuid())),
                _ => request.client_id.clone(),
            };
            let session = state.uuid().to_string();
            let version = request.version;
            let admitted = state.admit(scope, principal, peer, &client_id, &session, request, now);
            match admitted {
                Ok(request) => Ok(state.let_in(scope, peer, request, mailbox, now)),
                Err((refused, entry)) => {
                    // MQTT 5 reads it in a reason string.
                    let trace_id = state.uuid().to_string();
                    state.note(match version {
                        ProtocolVersion::Mqtt5 => entry.member("traceId", &trace_id),
                        ProtocolVersion::Mqtt311 => *entry,
                    });
                    Err((refused, trace_id))
                }
            }
        })
    }

    /// Asks something for a connected client; `None` if its connection is over.
    pub(crate) fn on<R>(
        &self,
        connection: ConnectionId,
        ask: impl FnOnce(&mut Held<'_>) -> R,
    ) -> Option<R> {
        self.locked(|state, now| {
            let (live, registry) = state.live_now(connection, now)?;
            let facts = Arc::clone(&live.facts);
            let tells_what_passes = registry.logs_more() || live.authorizer.has_caveat();
            let scope = self.scope();
            Some(ask(&mut Held { state, scope, facts, now, tells_what_passes, trace_id: None }))
        })
    }

    /// The connection is over, seen from its socket; nothing if the broker ended it before.
    pub(crate) fn end(&self, connection: ConnectionId, reason: DisconnectReason) {
        let why = "something that it asked for was refused: see above";
        let why = (reason == DisconnectReason::AuthError).then_some(why);
        self.locked(|state, now| state.end(self.scope(), connection, reason, why, now));
    }

    /// Traces bytes that are not MQTT, or not what MQTT allows, where a CONNECT should be.
    pub(crate) fn note_misuse_before_connect(&self, peer: &Peer, why: &str) {
        let entry = Entry::failure(self.scope(), "Connect", "CLIENT_ERROR");
        let entry = Who::unknown(peer).signs(entry);
        self.note(entry.details(why).answer("disconnects"));
    }
}

/// A CONNECT that may be.
struct Admitted {
    permit: Permit<Connect>,
    request: message_broker::ConnectRequest,
    authorizer: Authorizer,
    /// What the client asked for and does not get.
    unheard: Option<String>,
}

impl State {
    #[expect(clippy::too_many_arguments, reason = "each is what one CONNECT consists of")]
    fn admit(
        &mut self,
        scope: &Scope,
        principal: Arc<Principal>,
        peer: &Peer,
        client_id: &ClientId,
        session: &str,
        request: ConnectRequest,
        now: Timestamp,
    ) -> Result<Admitted, ConnectRefusal> {
        let who = Who::connecting(peer, client_id, principal.to_string());
        let entry = |refused: Refused, entry: Entry| {
            let entry = who.signs(entry);
            let answer = match request.version {
                ProtocolVersion::Mqtt311 => "disconnects, no CONNACK".to_owned(),
                ProtocolVersion::Mqtt5 => {
                    format!("CONNACK 0x{:02X}", refused.code())
                }
            };
            (refused, Box::new(entry.answer(answer)))
        };
        self.check_connect(&request, client_id, now).map_err(|(refused, reason, why)| {
            entry(refused, Entry::failure(scope, "Connect", reason).details(why))
        })?;
        let mut authorizer = Authorizer::new(self.sources(now), &principal, peer, Some(client_id));
        let topic = request.will.as_ref().map(|will| &will.topic);
        authorizer.set_connect_attributes(scope, is_persistent(&request), topic);
        let asked = authorizer.ask::<Connect>(scope, client_id.clone(), now).and_then(|permit| {
            let will = request.will.as_ref();
            let will =
                will.map(|will| permits(&mut authorizer, scope, &will.topic, will.retain, now));
            Ok((permit, will.transpose()?))
        });
        let exclusive = |target| self.registry.exclusive_thing(target).cloned();
        let thing_name = principal.target().and_then(exclusive);
        let (permit, will_permits) = asked.map_err(|refusal| {
            //= https://docs.aws.amazon.com/iot/latest/developerguide/life-cycle-events.html
            //# connect_failed: not authorized to connect, or not to publish the will
            let principal_identifier = principal.to_string();
            let subject = Subject {
                client_id,
                thing_name: thing_name.as_ref(),
                session_identifier: session,
                principal_identifier: &principal_identifier,
                at: now,
            };
            self.emit(scope, subject.connect_failed(peer.address.ip()), &Origin::default(), now);
            let decided = (&authorizer, &self.registry);
            let failed = refused(scope, "Connect", &refusal, decided).why(of_will(&refusal));
            entry(Refused::NotAuthorized, failed)
        })?;
        let details = ConnectionDetails {
            principal: principal.to_string().into(),
            session_identifier: session.into(),
            thing_name,
            source_ip: peer.address.ip(),
            source_port: peer.address.port(),
            target_ip: peer.local.ip(),
            target_port: peer.local.port(),
        };
        let unheard = delayed_will(&request);
        let will = request.will.zip(will_permits).map(|(will, (permit, retain))| Will {
            permit,
            publication: Publication {
                // Copied, as it waits for as long as the connection that it was read from.
                payload: Bytes::copy_from_slice(&will.payload),
                qos: will.qos.unwrap_or_default(),
                retain,
                expiry_seconds: will.expiry_seconds,
                properties: will.properties,
                publisher: Some(client_id.clone()),
            },
        });
        let request = message_broker::ConnectRequest {
            version: request.version,
            clean_start: request.clean_start,
            session_expiry_seconds: request.session_expiry_seconds,
            keep_alive_seconds: request.keep_alive_seconds,
            receive_maximum: Some(request.receive_maximum),
            will,
            details,
        };
        Ok(Admitted { permit, request, authorizer, unheard })
    }

    //= https://docs.aws.amazon.com/general/latest/gr/iot-core.html
    //# a client ID connects once a second
    //? assumed: a CONNECT that policies refuse counts too; one of a certificate that is not known,
    //? not active or just registered does not
    /// What AWS refuses about a CONNECT before any policy: the answer, the reason and why.
    fn check_connect(
        &mut self,
        request: &ConnectRequest,
        client_id: &ClientId,
        now: Timestamp,
    ) -> Result<(), (Refused, &'static str, String)> {
        check_connect(request).map_err(|(refused, why)| (refused, "CLIENT_ERROR", why))?;
        let throttled = |reason, why: String| (Refused::QuotaExceeded, reason, why);
        check_room(self.live.len()).map_err(|why| throttled("THROTTLED", why))?;
        let of_client = Some((Rate::ConnectsPerClientId, client_id.as_str()));
        let counted = self.broker.count(&[Rate::ConnectsPerAccount], of_client, now);
        counted.map_err(|rate| throttled(throttling::reason(rate), rate.to_string()))
    }

    fn let_in(
        &mut self,
        scope: &Scope,
        peer: &Peer,
        admitted: Admitted,
        mailbox: Mailbox,
        now: Timestamp,
    ) -> Accepted {
        let Admitted { permit, request, mut authorizer, unheard } = admitted;
        authorizer.connected();
        let connected = self.broker.connect(permit, request, now);
        let why = "another connection took the client ID over";
        self.finish(scope, connected.taken_over, Some(why), now);
        let facts = connected.facts;
        let caveat = authorizer.caveat();
        let live = Live {
            last_topic: None,
            facts: Arc::clone(&facts),
            authorizer,
            mailbox,
            subscribing: Subscribing::default(),
            ends: peer.ends,
            misuse: None,
        };
        self.lifetimes.extend(peer.ends.map(|ends| (ends, connected.connection)));
        self.live.insert(live);
        let entry = let_in(scope, &facts, connected.session_expiry_seconds);
        self.note(entry.why(caveat).why(unheard));
        let event = subject(&facts, now).connected(peer.address.ip(), facts.version_number);
        self.emit(scope, event, &Origin::default(), now);
        Accepted {
            connection: connected.connection,
            client_id: facts.client_id.clone(),
            session_present: connected.session_present,
            session_expiry_seconds: connected.session_expiry_seconds,
            keep_alive_seconds: facts.keep_alive_seconds,
        }
    }

    /// Ends a connection for a reason that is not the client's wish.
    pub(super) fn end(
        &mut self,
        scope: &Scope,
        connection: ConnectionId,
        reason: DisconnectReason,
        why: Option<&str>,
        now: Timestamp,
    ) {
        let ended = self.broker.disconnect(connection, reason, now);
        self.finish(scope, ended, why, now);
    }

    //= https://docs.aws.amazon.com/iot/latest/developerguide/life-cycle-events.html
    //# a WebSocket that has been connected for 24 hours is disconnected
    /// Ends the connections whose time is up by now.
    pub(super) fn end_what_is_over(&mut self, scope: &Scope, now: Timestamp) {
        while let Some((ends, connection)) = self.lifetimes.first().copied()
            && ends <= now
        {
            self.lifetimes.pop_first();
            let why = "24 hours have passed since the upgrade to a WebSocket";
            let reason = DisconnectReason::WebsocketTtlExpiration;
            self.end(scope, connection, reason, Some(why), now);
        }
    }

    /// What the end of a connection leaves to be done: tell its task, the will, the event, the log.
    pub(super) fn finish(
        &mut self,
        scope: &Scope,
        ended: Option<Ended>,
        why: Option<&str>,
        now: Timestamp,
    ) {
        let Some(ended) = ended else { return };
        let Ended { facts, reason, will, .. } = ended;
        let mut misuse = None;
        if let Some(mut live) = self.live.remove(facts.connection) {
            if let Some(ends) = live.ends {
                self.lifetimes.remove(&(ends, facts.connection));
            }
            misuse = live.misuse.take();
            live.close(reason);
        }
        let entry = match (reason, misuse) {
            (DisconnectReason::ClientInitiatedDisconnect, _) => Entry::success(scope, "Disconnect"),
            //= https://docs.aws.amazon.com/iot/latest/developerguide/security-best-practices.html
            //# the log says DUPLICATE_CLIENT_ID where the event says DUPLICATE_CLIENTID
            (DisconnectReason::DuplicateClientId, _) => {
                Entry::failure(scope, "Disconnect", "DUPLICATE_CLIENT_ID")
                    .details("A new connection was established with the same client ID")
            }
            //= https://docs.aws.amazon.com/iot/latest/developerguide/life-cycle-events.html
            //# CLIENT_ERROR: the client did something that ended the connection
            (DisconnectReason::ClientError, Some(misuse)) => {
                let entry = Entry::failure(scope, "Disconnect", reason.name());
                entry.details(misuse.why).answer(misuse.answer)
            }
            (reason, _) => Entry::failure(scope, "Disconnect", reason.name()),
        };
        let entry = Who::connected(&facts).signs(entry).member("disconnectReason", reason.name());
        self.note(entry.why(why));
        if let Some(will) = will {
            let origin = Origin::client(&facts);
            let sent = self.distribute(scope, will.permit, will.publication, &origin, now);
            sent.unwrap_or_else(|throttled| self.discard(throttled, now));
        }
        let event = subject(&facts, now).disconnected(
            reason.is_client_initiated(),
            reason.name(),
            facts.version_number,
        );
        self.emit(scope, event, &Origin::default(), now);
    }
}

/// What is to be said of a CONNECT that was refused for something else than `iot:Connect`.
fn of_will(refusal: &Refusal) -> Option<&'static str> {
    let why = "the CONNECT names a will, which has to be permitted too";
    (refusal.action != Connect::NAME).then_some(why)
}

pub(super) fn subject(facts: &ConnectionFacts, at: Timestamp) -> Subject<'_> {
    Subject {
        client_id: &facts.client_id,
        thing_name: facts.details.thing_name.as_ref(),
        session_identifier: &facts.details.session_identifier,
        principal_identifier: &facts.details.principal,
        at,
    }
}

//= https://docs.aws.amazon.com/iot/latest/developerguide/mqtt.html
//# MQTT 3.1.1: no clean session; MQTT 5
//? assumed: for MQTT 5 a session expiry above 0 is what makes a connect persistent
fn is_persistent(request: &ConnectRequest) -> bool {
    match request.version {
        ProtocolVersion::Mqtt311 => !request.clean_start,
        ProtocolVersion::Mqtt5 => request.session_expiry_seconds.is_some_and(|seconds| seconds > 0),
    }
}

//= https://docs.aws.amazon.com/iot/latest/developerguide/mqtt.html
//# Will Delay Interval is not among the properties that AWS supports
//? assumed: a will with one is taken, and sent at once
/// What is to be said of a will that is to be sent only later.
fn delayed_will(request: &ConnectRequest) -> Option<String> {
    let seconds = request.will_delay_seconds.filter(|seconds| *seconds > 0)?;
    Some(format!(
        "its Will Delay Interval of {seconds} s counts for nothing: AWS does not list that \
         property, and sends a will at once"
    ))
}

//= https://docs.aws.amazon.com/general/latest/gr/iot-core.html
//# so many concurrent connections of an account at most
//? assumed: one more is answered like one too fast
pub(super) fn check_room(connections: usize) -> Result<(), String> {
    match connections {
        CONNECTIONS.. => Err(format!("{CONNECTIONS} concurrent connections of an account at most")),
        _ => Ok(()),
    }
}

/// What AWS refuses about the CONNECT itself.
fn check_connect(request: &ConnectRequest) -> Result<(), (Refused, String)> {
    let client_id = request.client_id.as_str();
    //= https://github.com/awslabs/aws-c-mqtt/blob/main/source/v5/mqtt5_utils.c
    //# a client ID that begins with `$` is refused, even one that the server gave before
    if client_id.starts_with('$') {
        let why = format!("the client ID `{client_id}` begins with `$`");
        return Err((Refused::ClientIdentifierNotValid, why));
    }
    if client_id.len() > CLIENT_ID_BYTES {
        let why = format!("{} bytes of client ID, {CLIENT_ID_BYTES} at most", client_id.len());
        return Err((Refused::ClientIdentifierNotValid, why));
    }
    //= https://docs.aws.amazon.com/general/latest/gr/iot-core.html
    //# a client whose Maximum Packet Size is below 512 may not connect
    if let Some(size) = request.maximum_packet_size.filter(|size| *size < MAXIMUM_PACKET_SIZE_FLOOR)
    {
        let why = format!("a Maximum Packet Size of {size}, {MAXIMUM_PACKET_SIZE_FLOOR} at least");
        return Err((Refused::UnspecifiedError, why));
    }
    //= https://docs.oasis-open.org/mqtt/mqtt/v5.0/os/mqtt-v5.0-os.html
    //# 4.12: a server that does not know the method refuses with 0x8C or 0x87 and closes
    //= https://docs.aws.amazon.com/iot/latest/developerguide/mqtt.html
    //# AUTH is not supported
    //? assumed: 0x87, as AWS lists no 0x8C
    if let Some(method) = &request.authentication_method {
        let why = format!("the authentication method `{method}`: there is none in a CONNECT");
        return Err((Refused::NotAuthorized, why));
    }
    request.will.as_ref().map_or(Ok(()), check_will)
}

//= https://github.com/bertmelis/espMqttClient/issues/116
//# a will with QoS 2 refuses the connect
fn check_will(will: &PublishRequest) -> Result<(), (Refused, String)> {
    if will.qos.is_none() {
        return Err((
            Refused::QosNotSupported,
            "a will with QoS 2, which is not served".to_owned(),
        ));
    }
    topics::publish(&will.topic, will.retain)
        .map_err(|refusal| (Refused::TopicNameInvalid, format!("the will: {}", refusal.0)))?;
    check_sizes(&will.payload, will.properties.as_deref())
}
