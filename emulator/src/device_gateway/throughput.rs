//! Whether a connection is held back because more went over it than AWS lets through in a second.
//!
//! It counts nothing: `IotCore` does, and wakes the connection when it may go on. While AWS's rates
//! are not enforced, nobody is asked.
//! Truth: <https://docs.aws.amazon.com/general/latest/gr/iot-core.html>.

use crate::iot_core::IotCore;
use crate::message_broker::ConnectionId;
use crate::quotas::Quotas;

/// The throughput of one connection.
#[derive(Debug)]
pub(super) struct Throughput {
    /// Whom to ask, if anybody.
    counted_by: Option<(IotCore, ConnectionId)>,
    held_back: bool,
}

impl Throughput {
    pub(super) fn new(iot_core: &IotCore, connection: ConnectionId) -> Self {
        let counts = iot_core.quotas() == Quotas::Strict;
        Self { counted_by: counts.then(|| (iot_core.clone(), connection)), held_back: false }
    }

    /// So many bytes were read or written.
    pub(super) fn moved(&mut self, bytes: usize) {
        if let Some((iot_core, connection)) = &self.counted_by {
            self.held_back = iot_core.moved(*connection, bytes);
        }
    }

    /// There is news, which may be that the connection goes on.
    pub(super) fn look_again(&mut self) {
        if self.held_back {
            self.moved(0);
        }
    }

    /// Whether nothing is to be read, and no message to be written.
    pub(super) const fn is_held_back(&self) -> bool {
        self.held_back
    }
}
