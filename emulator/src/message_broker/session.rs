//! A session: what the broker keeps of a client, over one connection or several.
//!
//! Truth: <https://docs.aws.amazon.com/iot/latest/developerguide/mqtt.html>.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use super::connection::{ConnectionFacts, ConnectionId};
use super::message::Will;
use super::queue::Queue;
use super::subscriptions::SubscribeOptions;
use crate::message::ProtocolVersion;
use crate::names::{ClientId, TopicFilter};
use crate::quotas::Bucket;
use crate::time::Timestamp;

/// The place of a session in [`Sessions`], free for another when the session is over.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct Slot(u32);

impl Slot {
    pub(super) const fn index(self) -> usize {
        self.0 as usize
    }
}

/// What is there only while the client is connected.
#[derive(Debug)]
pub(super) struct Online {
    pub(super) facts: Arc<ConnectionFacts>,
    pub(super) will: Option<Box<Will>>,
    /// QoS 1 messages that may be on their way at once.
    pub(super) window: u16,
    /// Whether the connection knows that something waits for it.
    pub(super) woken: bool,
    /// The deadline that is set for sending again, if one is.
    pub(super) redelivery: Option<Timestamp>,
    /// The deadline that is set for the next stored message, if one is.
    pub(super) stored: Option<Timestamp>,
    /// What went over the connection lately, in bytes; counted only while AWS's rates are enforced.
    pub(super) throughput: Bucket,
    /// The deadline that is set for going on, if it is held back.
    pub(super) resumes: Option<Timestamp>,
}

/// What the broker keeps of one client.
#[derive(Debug)]
pub(super) struct Session {
    pub(super) client_id: ClientId,
    pub(super) version: ProtocolVersion,
    /// How long it outlives its connection; zero for a clean one.
    pub(super) expiry: Duration,
    /// Set while the client is away.
    pub(super) expires: Option<Timestamp>,
    pub(super) subscriptions: BTreeMap<TopicFilter, SubscribeOptions>,
    pub(super) queue: Queue,
    /// Messages from and to the client lately; counted only while AWS's rates are enforced.
    pub(super) publishes: Bucket,
    pub(super) online: Option<Online>,
}

impl Session {
    pub(super) fn new(client_id: ClientId, version: ProtocolVersion) -> Self {
        Self {
            client_id,
            version,
            expiry: Duration::ZERO,
            expires: None,
            subscriptions: BTreeMap::new(),
            queue: Queue::default(),
            publishes: Bucket::default(),
            online: None,
        }
    }

    /// The connection, if something could go out on it and it was not told yet; now it is.
    pub(super) fn wake(&mut self) -> Option<ConnectionId> {
        let online = self.online.as_mut()?;
        if online.woken || !self.queue.is_ready(online.window) {
            return None;
        }
        online.woken = true;
        Some(online.facts.connection)
    }
}

/// All sessions of a broker, each in its slot.
#[derive(Debug, Default)]
pub(super) struct Sessions {
    slots: Vec<Option<Box<Session>>>,
    free: Vec<Slot>,
}

impl Sessions {
    pub(super) fn insert(&mut self, session: Session) -> Slot {
        let session = Some(Box::new(session));
        if let Some(slot) = self.free.pop() {
            self.slots[slot.index()] = session;
            return slot;
        }
        let slot = Slot(u32::try_from(self.slots.len()).expect("memory ends long before 2^32"));
        self.slots.push(session);
        slot
    }

    pub(super) fn remove(&mut self, slot: Slot) -> Option<Session> {
        let session = self.slots.get_mut(slot.index())?.take()?;
        self.free.push(slot);
        Some(*session)
    }

    pub(super) fn get(&self, slot: Slot) -> Option<&Session> {
        self.slots.get(slot.index())?.as_deref()
    }

    pub(super) fn get_mut(&mut self, slot: Slot) -> Option<&mut Session> {
        self.slots.get_mut(slot.index())?.as_deref_mut()
    }

    /// The session of `connection`, unless that connection is over.
    pub(super) fn connected(&mut self, connection: ConnectionId) -> Option<&mut Session> {
        let session = self.get_mut(connection.slot)?;
        let current = session.online.as_ref()?.facts.connection;
        (current == connection).then_some(session)
    }

    /// What is known of every live connection, in the order of their slots.
    pub(super) fn connections(&self) -> impl Iterator<Item = &Arc<ConnectionFacts>> {
        let sessions = self.slots.iter().flatten();
        sessions.filter_map(|session| session.online.as_ref()).map(|online| &online.facts)
    }
}
