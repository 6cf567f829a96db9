//! What servers are asked to do, and by how many connections at once.
//!
//! A load is made ready once for each server, and then run again and again: connections stay.

mod connections;
mod fan;
mod https;
mod publish;

use std::sync::Arc;

use crate::budget::Budget;
use crate::material::Fleet;
use crate::servers::Server;
use crate::tls::Version;

/// Devices that the largest load needs.
pub(crate) const DEVICES: usize = 101;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Work {
    /// Handshake, CONNECT, DISCONNECT.
    Connect(Version),
    /// The same client ID again and again; the connection before is cut off.
    TakeOver,
    /// QoS 1, 32 in flight.
    Pipelined,
    /// QoS 1, the next after the PUBACK.
    OneAtATime,
    /// QoS 0, sixteen in a write.
    AtMostOnce,
    /// One publishes, a hundred receive.
    FanOut { qos: u8 },
    /// A hundred publish, one receives; QoS 1.
    FanIn,
    /// Fifty publish to fifty; QoS 1.
    Pairs,
    /// HTTPS publish on connections that stay.
    KeepAlive,
    /// HTTPS publish, a handshake for each.
    FreshHttps,
}

/// Work that is ready to be done on one server.
pub(crate) enum Load {
    Connections(connections::Connections),
    Publish(publish::Publish),
    Fan(fan::Fan),
    Https(https::Https),
}

impl Load {
    pub(crate) async fn new(work: Work, server: &Server, fleet: &Arc<Fleet>) -> Self {
        use connections::Connections;
        match work {
            Work::Connect(version) => {
                Self::Connections(Connections::coming_and_going(server, fleet, version))
            }
            Work::TakeOver => Self::Connections(Connections::taking_over(server, fleet).await),
            Work::Pipelined => Self::Publish(publish::Publish::pipelined(server, fleet).await),
            Work::OneAtATime => Self::Publish(publish::Publish::one_at_a_time(server, fleet).await),
            Work::AtMostOnce => Self::Publish(publish::Publish::at_most_once(server, fleet).await),
            Work::FanOut { qos } => Self::Fan(fan::Fan::out(server, fleet, qos).await),
            Work::FanIn => Self::Fan(fan::Fan::into_one(server, fleet).await),
            Work::Pairs => Self::Fan(fan::Fan::pairs(server, fleet).await),
            Work::KeepAlive => Self::Https(https::Https::kept(server, fleet).await),
            Work::FreshHttps => Self::Https(https::Https::fresh(server, fleet)),
        }
    }

    /// Spends `budget`; what was begun has come to its end when it returns.
    pub(crate) async fn run(&mut self, budget: &Arc<Budget>) {
        match self {
            Self::Connections(load) => load.run(budget).await,
            Self::Publish(load) => load.run(budget).await,
            Self::Fan(load) => load.run(budget).await,
            Self::Https(load) => load.run(budget).await,
        }
    }
}
