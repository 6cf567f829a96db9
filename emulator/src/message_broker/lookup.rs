//! What the data endpoint asks about clients, subscriptions and retained messages.
//!
//! Truth: <https://docs.aws.amazon.com/iot/latest/developerguide/mqtt.html>.

use std::sync::Arc;
use std::time::Duration;

use super::MessageBroker;
use super::connection::{ConnectionFacts, ConnectionId};
use super::disconnect::DisconnectReason;
use super::message::Message;
use crate::message::QoS;
use crate::names::{TopicFilter, TopicName};
use crate::policy::{
    GetConnection, GetRetainedMessage, ListRetainedMessages, ListSubscriptions, Permit,
};
use crate::time::Timestamp;

//= https://docs.aws.amazon.com/iot/latest/developerguide/mqtt.html
//# GetConnection still knows a client 30 minutes after it disconnected
const STATUS_KEPT: Duration = Duration::from_secs(30 * 60);

/// What `GetConnection` says.
#[derive(Clone, Debug)]
pub(crate) struct ClientStatus {
    /// Of the connection, or of the last one.
    pub(crate) facts: Arc<ConnectionFacts>,
    /// When and why the client went away; `None` while it is connected.
    pub(crate) disconnected: Option<(Timestamp, DisconnectReason)>,
    /// How long the session outlives its connection.
    pub(crate) session_expiry_seconds: u64,
}

impl MessageBroker {
    /// The client as `GetConnection` shows it.
    pub(crate) fn client(
        &self,
        permit: &Permit<GetConnection>,
        now: Timestamp,
    ) -> Option<ClientStatus> {
        let client = self.clients.get(permit.resource().as_str())?;
        let session = client.slot.and_then(|slot| self.sessions.get(slot));
        let session_expiry_seconds = session.map_or(0, |session| session.expiry.as_secs());
        if let Some(online) = session.and_then(|session| session.online.as_ref()) {
            let facts = Arc::clone(&online.facts);
            return Some(ClientStatus { facts, disconnected: None, session_expiry_seconds });
        }
        let away = client.away.as_ref().filter(|away| now < away.since + STATUS_KEPT)?;
        let disconnected = Some((away.since, away.reason));
        Some(ClientStatus { facts: Arc::clone(&away.facts), disconnected, session_expiry_seconds })
    }

    /// The subscriptions of a client's session, by filter; also of one that is away.
    pub(crate) fn subscriptions_of<'a>(
        &'a self,
        permit: &Permit<ListSubscriptions>,
    ) -> Option<impl Iterator<Item = (&'a TopicFilter, QoS)> + use<'a>> {
        let session = self.sessions.get(self.clients.slot(permit.resource())?)?;
        Some(session.subscriptions.iter().map(|(filter, options)| (filter, options.qos)))
    }

    /// The live connections of a principal, such as a certificate ID.
    pub(crate) fn connections_of(&self, principal: &str) -> Vec<ConnectionId> {
        let connections = self.sessions.connections();
        let of_principal = connections.filter(|facts| *facts.details.principal == *principal);
        of_principal.map(|facts| facts.connection).collect()
    }

    /// The retained message of a topic.
    pub(crate) fn retained_message(
        &self,
        permit: &Permit<GetRetainedMessage>,
        now: Timestamp,
    ) -> Option<&Arc<Message>> {
        self.retained.get(permit.resource().as_str(), now)
    }

    /// The retained messages whose topics come after `after`, by topic.
    pub(crate) fn retained_messages<'a>(
        &'a self,
        _permit: &Permit<ListRetainedMessages>,
        after: Option<&TopicName>,
        now: Timestamp,
    ) -> impl Iterator<Item = &'a Arc<Message>> + use<'a> {
        self.retained.after(after, now)
    }
}
