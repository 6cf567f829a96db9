//! A client comes, is taken over, goes, and its session ends.
//!
//! It decides whether a session is resumed and what of it outlives the connection. Which end of a
//! connection has which reason is the caller's to say.
//! Truth: <https://docs.aws.amazon.com/iot/latest/developerguide/mqtt.html>.

use std::sync::Arc;
use std::time::Duration;

use super::clients::Away;
use super::connection::{self, ConnectRequest, Connected, ConnectionFacts, ConnectionId};
use super::deadlines::Deadline;
use super::disconnect::{ClientDisconnect, DisconnectReason, Ended};
use super::message::Will;
use super::queue::Queued;
use super::session::{Online, Session, Slot};
use super::{MessageBroker, Notice};
use crate::names::ClientId;
use crate::policy::{Connect, DeleteConnection, Permit};
use crate::quotas::Bucket;
use crate::time::Timestamp;

/// What `DeleteConnection` found to delete.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Deleted {
    /// The client is connected: the caller ends this connection, for `ApiInitiatedDisconnect`.
    Connection(ConnectionId),
    /// The client was away, and its session is gone.
    Session,
}

impl MessageBroker {
    //= https://docs.aws.amazon.com/iot/latest/developerguide/mqtt.html
    //# a newcomer takes a client ID over; the connection that had it is disconnected
    /// Connects the client that the permit names.
    pub(crate) fn connect(
        &mut self,
        permit: Permit<Connect>,
        request: ConnectRequest,
        now: Timestamp,
    ) -> Connected {
        let client_id = permit.into_resource();
        let taken_over = self.clients.slot(&client_id).and_then(|slot| {
            self.end_connection(slot, DisconnectReason::DuplicateClientId, true, now)
        });
        let resumed = self.resumable(&client_id, &request, now);
        let session_present = resumed.is_some();
        let slot = resumed.unwrap_or_else(|| {
            self.sessions.insert(Session::new(client_id.clone(), request.version))
        });
        let version_number = self.clients.connect(&client_id, slot, now);
        self.generation += 1;
        let expiry = request.session_expiry();
        let facts = Arc::new(ConnectionFacts {
            connection: ConnectionId { generation: self.generation, slot },
            client_id,
            version: request.version,
            clean_session: expiry.is_zero(),
            keep_alive_seconds: request.effective_keep_alive_seconds(),
            connected_since: now,
            version_number,
            details: request.details.clone(),
        });
        self.go_online(slot, Arc::clone(&facts), request, now);
        Connected {
            connection: facts.connection,
            facts,
            session_present,
            session_expiry_seconds: u32::try_from(expiry.as_secs()).unwrap_or(u32::MAX),
            taken_over,
        }
    }

    //= https://docs.aws.amazon.com/iot/latest/developerguide/mqtt.html
    //# a session is resumed only by the MQTT version that made it, and not by a clean start
    //? assumed: a session that cannot be resumed is gone, and not kept beside the new one
    fn resumable(
        &mut self,
        client_id: &ClientId,
        request: &ConnectRequest,
        now: Timestamp,
    ) -> Option<Slot> {
        let slot = self.clients.slot(client_id)?;
        let session = self.sessions.get(slot)?;
        let expired = session.expires.is_some_and(|expires| expires <= now);
        if request.clean_start || session.version != request.version || expired {
            self.end_session(slot, now);
            return None;
        }
        Some(slot)
    }

    fn go_online(
        &mut self,
        slot: Slot,
        facts: Arc<ConnectionFacts>,
        request: ConnectRequest,
        now: Timestamp,
    ) {
        let Some(session) = self.sessions.get_mut(slot) else { return };
        self.deadlines.clear(session.expires.take(), Deadline::Session(slot));
        session.expiry = request.session_expiry();
        session.online = Some(Online {
            facts,
            window: request.window(),
            will: request.will.map(Box::new),
            woken: false,
            redelivery: None,
            stored: None,
            throughput: Bucket::default(),
            resumes: None,
        });
        session.queue.go_online(self.paced, now);
        self.effects.wake.extend(session.wake());
        let shared = session.subscriptions.keys().filter(|filter| filter.shared().is_some());
        for filter in shared.cloned().collect::<Vec<_>>() {
            self.groups.set_online(&filter, slot, true);
            self.hand_out_waiting(&filter, now);
        }
    }

    /// Ends `connection` for `reason`; nothing if it is over already.
    ///
    /// A DISCONNECT of the client itself goes through [`MessageBroker::client_disconnect`].
    pub(crate) fn disconnect(
        &mut self,
        connection: ConnectionId,
        reason: DisconnectReason,
        now: Timestamp,
    ) -> Option<Ended> {
        self.sessions.connected(connection)?;
        self.end_connection(connection.slot, reason, reason.sends_will(), now)
    }

    //= https://docs.oasis-open.org/mqtt/mqtt/v5.0/os/mqtt-v5.0-os.html
    //# DISCONNECT may change the session expiry, but from zero only to zero: else a protocol error
    //= https://github.com/awslabs/aws-crt-python/blob/main/test/test_mqtt5.py
    //# reason 0x04 asks for the will, and gets it
    /// Ends `connection` because the client sent DISCONNECT; nothing if it is over already.
    ///
    /// The reason is `ClientError` if the client raised a session expiry of zero.
    pub(crate) fn client_disconnect(
        &mut self,
        connection: ConnectionId,
        disconnect: ClientDisconnect,
        now: Timestamp,
    ) -> Option<Ended> {
        let session = self.sessions.connected(connection)?;
        let mut reason = DisconnectReason::ClientInitiatedDisconnect;
        match disconnect.session_expiry_seconds.map(connection::session_expiry) {
            Some(expiry) if session.expiry.is_zero() && !expiry.is_zero() => {
                reason = DisconnectReason::ClientError;
            }
            Some(expiry) => session.expiry = expiry,
            None => {}
        }
        let with_will = disconnect.with_will || reason.sends_will();
        self.end_connection(connection.slot, reason, with_will, now)
    }

    //= https://docs.aws.amazon.com/iot/latest/developerguide/mqtt.html
    //# DeleteConnection disconnects, sends the will unless told not to, and on request ends the
    //# persistent session
    //? assumed: a persistent session of a client that is away can be deleted too
    /// `DeleteConnection`, up to the end of the connection, which is the caller's to say like any
    /// other; nothing if the client has neither connection nor session.
    pub(crate) fn delete_connection(
        &mut self,
        permit: &Permit<DeleteConnection>,
        clean_session: bool,
        prevent_will_message: bool,
        now: Timestamp,
    ) -> Option<Deleted> {
        let slot = self.clients.slot(permit.resource())?;
        let session = self.sessions.get_mut(slot)?;
        let Some(online) = &mut session.online else {
            return clean_session.then(|| {
                self.end_session(slot, now);
                Deleted::Session
            });
        };
        if prevent_will_message {
            online.will = None;
        }
        let connection = online.facts.connection;
        if clean_session {
            session.expiry = Duration::ZERO;
        }
        Some(Deleted::Connection(connection))
    }

    fn end_connection(
        &mut self,
        slot: Slot,
        reason: DisconnectReason,
        with_will: bool,
        now: Timestamp,
    ) -> Option<Ended> {
        self.forget_direct_messages(slot);
        let session = self.sessions.get_mut(slot)?;
        let online = session.online.take()?;
        self.deadlines.clear(online.redelivery, Deadline::Redelivery(slot));
        self.deadlines.clear(online.stored, Deadline::Stored(slot));
        self.deadlines.clear(online.resumes, Deadline::Resume(slot));
        let facts = online.facts;
        let session_expiry = session.expiry;
        let away = Away { facts: Arc::clone(&facts), since: now, reason, session_expiry };
        self.clients.disconnect(away);
        if session.expiry == Duration::ZERO {
            self.end_session(slot, now);
        } else {
            //= https://docs.aws.amazon.com/iot/latest/developerguide/mqtt.html
            //# the session's time runs from when the broker sees the client gone
            let expires = now + session.expiry;
            session.expires = Some(expires);
            self.deadlines.set(expires, Deadline::Session(slot));
            let returned = session.queue.go_offline();
            let shared = session.subscriptions.keys().filter(|filter| filter.shared().is_some());
            for filter in shared {
                self.groups.set_online(filter, slot, false);
            }
            self.give_back(returned, now);
        }
        let will = online.will.filter(|_| with_will).map(|will: Box<Will>| *will);
        Some(Ended { facts, reason, will })
    }

    /// Ends the session in `slot`, whose client is away.
    pub(super) fn end_session(&mut self, slot: Slot, now: Timestamp) {
        let Some(session) = self.sessions.remove(slot) else { return };
        self.deadlines.clear(session.expires, Deadline::Session(slot));
        for filter in session.subscriptions.keys() {
            self.remove_subscription(filter, slot);
        }
        self.clients.end_session(&session.client_id, now);
        self.give_back(session.queue.into_shared().collect(), now);
    }

    //= https://docs.oasis-open.org/mqtt/mqtt/v5.0/os/mqtt-v5.0-os.html
    //# what a member of a shared subscription cannot receive any more goes to another member
    fn give_back(&mut self, returned: Vec<Queued>, now: Timestamp) {
        for queued in returned {
            if let Some(group) = queued.by.group() {
                self.give_to_group(group, &queued.message, now);
            }
        }
    }

    /// Does what is due by now; [`MessageBroker::effects`] tells who has something to fetch.
    pub(crate) fn handle_timeout(&mut self, now: Timestamp) {
        while let Some(deadline) = self.deadlines.take_due(now) {
            match deadline {
                Deadline::Session(slot) => self.expire_session(slot, now),
                Deadline::Redelivery(slot) => self.redeliver(slot, now),
                Deadline::Stored(slot) => {
                    if let Some(session) = self.sessions.get_mut(slot) {
                        if let Some(online) = &mut session.online {
                            online.stored = None;
                        }
                        self.effects.wake.extend(session.wake());
                    }
                }
                Deadline::Waiting(group) => self.hand_out_in_time(group, now),
                Deadline::Resume(slot) => self.resume(slot),
                Deadline::Tell => self.tell_untold(now),
                Deadline::Confirmation(id) => self.give_up_confirmation(id),
                Deadline::Retained(topic) => self.retained.expire(&topic, now),
            }
        }
        self.clients.forget(now);
    }

    fn expire_session(&mut self, slot: Slot, now: Timestamp) {
        if let Some(session) = self.sessions.get(slot) {
            let client_id = session.client_id.clone();
            self.effects.notices.push(Notice::SessionExpired { client_id });
        }
        self.end_session(slot, now);
    }

    fn redeliver(&mut self, slot: Slot, now: Timestamp) {
        let Some(session) = self.sessions.get_mut(slot) else { return };
        for queued in session.queue.mark_due(session.version, now) {
            self.effects.notices.push(Notice::NeverAcknowledged {
                client_id: session.client_id.clone(),
                topic: queued.message.topic.clone(),
            });
        }
        if let Some(online) = &mut session.online {
            online.redelivery = session.queue.redelivery();
            if let Some(at) = online.redelivery {
                self.deadlines.set(at, Deadline::Redelivery(slot));
            }
        }
        self.effects.wake.extend(session.wake());
    }
}
