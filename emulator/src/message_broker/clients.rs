//! What the broker remembers of a client ID while it is connected and for an hour afterwards.
//!
//! It decides the version numbers of lifecycle events.
//! Truth: <https://docs.aws.amazon.com/iot/latest/developerguide/life-cycle-events.html>.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;
use std::time::Duration;

use super::connection::ConnectionFacts;
use super::disconnect::DisconnectReason;
use super::session::Slot;
use crate::names::ClientId;
use crate::time::Timestamp;

//= https://docs.aws.amazon.com/iot/latest/developerguide/life-cycle-events.html
//# version numbers start again at 0 when a client has been away for about an hour
//? assumed: for exactly an hour
const REMEMBERED: Duration = Duration::from_secs(3600);

/// Clients without a session that are remembered; those that are away longest go first.
const REMEMBERED_MAXIMUM: usize = 100_000;

/// How a client's last connection ended.
#[derive(Debug)]
pub(super) struct Away {
    pub(super) facts: Arc<ConnectionFacts>,
    pub(super) since: Timestamp,
    pub(super) reason: DisconnectReason,
    /// How long its session outlives the connection; zero for a clean one.
    pub(super) session_expiry: Duration,
}

impl Away {
    //= https://docs.aws.amazon.com/iot/latest/developerguide/life-cycle-events.html
    //# of a persistent session they start again when it has been away for as long as it may be
    /// Since when the version numbers start again.
    fn numbers_anew_from(&self) -> Timestamp {
        let kept = if self.session_expiry.is_zero() { REMEMBERED } else { self.session_expiry };
        self.since + kept
    }
}

#[derive(Debug)]
pub(super) struct Client {
    pub(super) slot: Option<Slot>,
    pub(super) version_number: u64,
    pub(super) away: Option<Away>,
}

/// Every client ID that is connected, has a session, or went away not long ago.
#[derive(Debug, Default)]
pub(super) struct Clients {
    known: HashMap<ClientId, Client>,
    /// When those without a session are forgotten.
    // INVARIANT: holds exactly the known clients that have neither session nor connection.
    forgotten: BTreeSet<(Timestamp, ClientId)>,
}

impl Clients {
    pub(super) fn get(&self, client_id: &str) -> Option<&Client> {
        self.known.get(client_id)
    }

    pub(super) fn slot(&self, client_id: &ClientId) -> Option<Slot> {
        self.known.get(client_id)?.slot
    }

    /// The client has a session in `slot` and is connected; the version number of its events.
    pub(super) fn connect(&mut self, client_id: &ClientId, slot: Slot, now: Timestamp) -> u64 {
        let version_number = match self.known.get_mut(client_id) {
            None => 0,
            Some(client) => {
                let forget_at = client.away.as_ref().map(|away| away.since + REMEMBERED);
                if let Some(at) = forget_at.filter(|_| client.slot.is_none()) {
                    self.forgotten.remove(&(at, client_id.clone()));
                }
                match &client.away {
                    Some(away) if away.numbers_anew_from() <= now => 0,
                    _ => client.version_number + 1,
                }
            }
        };
        let client = Client { slot: Some(slot), version_number, away: None };
        self.known.insert(client_id.clone(), client);
        version_number
    }

    /// The client's connection is over.
    pub(super) fn disconnect(&mut self, away: Away) {
        if let Some(client) = self.known.get_mut(&away.facts.client_id) {
            client.away = Some(away);
        }
    }

    /// The client's session is over, and its connection with it.
    pub(super) fn end_session(&mut self, client_id: &ClientId, now: Timestamp) {
        let Some(client) = self.known.get_mut(client_id) else { return };
        client.slot = None;
        let since = client.away.as_ref().map_or(now, |away| away.since);
        self.forgotten.insert((since + REMEMBERED, client_id.clone()));
        if self.forgotten.len() > REMEMBERED_MAXIMUM {
            self.forget_first();
        }
    }

    fn forget_first(&mut self) {
        if let Some((_at, client_id)) = self.forgotten.pop_first() {
            self.known.remove(&client_id);
        }
    }

    /// When the next client is forgotten.
    pub(super) fn next_deadline(&self) -> Option<Timestamp> {
        self.forgotten.first().map(|(at, _client_id)| *at)
    }

    /// Forgets those who have been away for long enough.
    pub(super) fn forget(&mut self, now: Timestamp) {
        while self.next_deadline().is_some_and(|at| at <= now) {
            self.forget_first();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::message_broker::tests::Stage;

    #[test]
    fn only_so_many_clients_are_remembered_and_the_latest_stay() {
        let mut stage = Stage::default();
        for number in 0..=REMEMBERED_MAXIMUM {
            stage.now = stage.now + Duration::from_millis(1);
            let connection = stage.join(&number.to_string());
            stage.lose(connection);
        }
        let clients = &stage.broker.clients;
        assert_eq!((clients.known.len(), clients.forgotten.len()), (100_000, 100_000));
        assert!(clients.get("0").is_none() && clients.get("1").is_some());
    }
}
