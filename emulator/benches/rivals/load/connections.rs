//! Connections that come and go: in order, or because another takes the client ID over.

use std::sync::Arc;

use crate::budget::Budget;
use crate::client::Client;
use crate::material::Fleet;
use crate::servers::Server;
use crate::tls::Version;

/// Devices that connect at the same time.
const AT_ONCE: usize = 8;

pub(crate) struct Connections {
    fleet: Arc<Fleet>,
    address: std::net::SocketAddr,
    version: Version,
    /// Who is connected and will be taken over; none if each disconnects by itself.
    connected: Option<Vec<Client>>,
}

impl Connections {
    pub(crate) fn coming_and_going(server: &Server, fleet: &Arc<Fleet>, version: Version) -> Self {
        Self { fleet: Arc::clone(fleet), address: server.mqtt, version, connected: None }
    }

    pub(crate) async fn taking_over(server: &Server, fleet: &Arc<Fleet>) -> Self {
        let mut load = Self::coming_and_going(server, fleet, Version::Tls13);
        let mut connected = Vec::new();
        for device in fleet.devices.iter().take(AT_ONCE) {
            let tls = device.tls(load.version);
            connected.push(Client::connect(load.address, tls, &device.name).await);
        }
        load.connected = Some(connected);
        load
    }

    pub(crate) async fn run(&mut self, budget: &Arc<Budget>) {
        let taking_over = self.connected.is_some();
        let mut connected = self.connected.take().into_iter().flatten();
        let tasks = (0..AT_ONCE).map(|index| {
            let (fleet, budget) = (Arc::clone(&self.fleet), Arc::clone(budget));
            let (address, version) = (self.address, self.version);
            let mut before = connected.next();
            async move {
                let device = &fleet.devices[index];
                while budget.take(1) {
                    let client = Client::connect(address, device.tls(version), &device.name).await;
                    if taking_over {
                        let before = before.replace(client).expect("somebody is connected");
                        before.ended().await;
                    } else {
                        client.disconnect().await;
                    }
                    budget.confirm(1);
                }
                before
            }
        });
        let connected: Vec<Client> = budget.spend(tasks).await.into_iter().flatten().collect();
        self.connected = taking_over.then_some(connected);
    }
}
