//! A request for fleet provisioning on its way to its answer, and the room that it takes.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use bytes::Bytes;

use crate::message_broker::ConnectionFacts;
use crate::names::Scope;
use crate::provisioning::FleetRequest;

/// What requests that are not answered yet may hold: their payloads, and so much more for each.
const WAITING_BYTES: usize = 16 << 20;
const BYTES_OF_A_REQUEST: usize = 1024;

/// What a connected client asked for.
#[derive(Debug)]
pub(crate) struct FleetCall {
    pub(crate) scope: Scope,
    pub(crate) request: FleetRequest,
    /// Who asked, and whom to answer.
    pub(crate) facts: Arc<ConnectionFacts>,
    pub(crate) payload: Bytes,
    /// Free again when the call has been answered.
    _room: Room,
}

impl FleetCall {
    /// A call for which there is room.
    pub(crate) fn new(
        room: Room,
        scope: Scope,
        request: FleetRequest,
        facts: Arc<ConnectionFacts>,
        payload: Bytes,
    ) -> Self {
        Self { scope, request, facts, payload, _room: room }
    }
}

/// The room that requests take which are not answered yet; clones share it.
#[derive(Clone, Debug, Default)]
pub(crate) struct Waiting(Arc<AtomicUsize>);

/// The room of one request, until it is dropped.
#[derive(Debug)]
pub(crate) struct Room {
    bytes: usize,
    waiting: Waiting,
}

impl Waiting {
    /// Room for a request with this payload, if there is any.
    pub(crate) fn room(&self, payload: &[u8]) -> Option<Room> {
        let bytes = payload.len() + BYTES_OF_A_REQUEST;
        let before = self.0.fetch_add(bytes, Ordering::AcqRel);
        // Dropped, it gives back what it took.
        let room = Room { bytes, waiting: self.clone() };
        (before + bytes <= WAITING_BYTES).then_some(room)
    }
}

impl Drop for Room {
    fn drop(&mut self) {
        self.waiting.0.fetch_sub(self.bytes, Ordering::AcqRel);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn there_is_room_for_so_many_requests_and_again_when_they_are_answered() {
        let waiting = Waiting::default();
        let most = WAITING_BYTES / BYTES_OF_A_REQUEST;
        let mut rooms: Vec<Room> =
            std::iter::from_fn(|| waiting.room(b"")).take(most + 1).collect();
        assert_eq!(rooms.len(), most);
        assert!(waiting.room(b"").is_none());
        rooms.pop();
        assert!(waiting.room(b"x").is_none());
        assert!(waiting.room(b"").is_some());
    }
}
