//! Messages in, which nobody receives.

use std::sync::Arc;

use crate::budget::Budget;
use crate::client::Client;
use crate::material::Fleet;
use crate::packets;
use crate::servers::Server;
use crate::tls::Version;

/// Connections that publish at the same time.
const PIPELINED: usize = 4;
const ONE_AT_A_TIME: usize = 16;
/// Messages of one write; twice as many are in flight where they are confirmed.
const BATCH: u16 = 16;

/// Connections, and what each writes and then expects, by turns.
pub(crate) struct Publish {
    publishers: Vec<Publisher>,
}

struct Publisher {
    client: Client,
    /// One write and the answer to it; the second has other packet IDs.
    turns: [(Vec<u8>, Vec<u8>); 2],
    /// Messages of one write.
    messages: u64,
    /// Writes that may be unanswered.
    ahead: u64,
}

impl Publish {
    /// A write whenever half of what is in flight was confirmed.
    pub(crate) async fn pipelined(server: &Server, fleet: &Fleet) -> Self {
        let turns = |topic: &str| {
            [1, 1 + BATCH].map(|first| {
                let ids = first..first + BATCH;
                let packets = ids.clone().flat_map(|id| packets::publish(topic, Some(id)));
                (packets.collect(), ids.flat_map(packets::puback).collect())
            })
        };
        Self::new(server, fleet, PIPELINED, turns, BATCH, 2).await
    }

    pub(crate) async fn one_at_a_time(server: &Server, fleet: &Fleet) -> Self {
        let turns = |topic: &str| {
            [1, 2].map(|id| (packets::publish(topic, Some(id)), packets::puback(id).to_vec()))
        };
        Self::new(server, fleet, ONE_AT_A_TIME, turns, 1, 1).await
    }

    /// Nothing confirms QoS 0: a PINGRESP at the end says that all before it was read.
    pub(crate) async fn at_most_once(server: &Server, fleet: &Fleet) -> Self {
        let turns = |topic: &str| {
            let batch = packets::publish(topic, None).repeat(usize::from(BATCH));
            [(batch.clone(), Vec::new()), (batch, Vec::new())]
        };
        Self::new(server, fleet, PIPELINED, turns, BATCH, 1).await
    }

    async fn new(
        server: &Server,
        fleet: &Fleet,
        connections: usize,
        turns: impl Fn(&str) -> [(Vec<u8>, Vec<u8>); 2],
        messages: u16,
        ahead: u64,
    ) -> Self {
        let mut publishers = Vec::new();
        for device in fleet.devices.iter().take(connections) {
            let tls = device.tls(Version::Tls13);
            let client = Client::connect(server.mqtt, tls, &device.name).await;
            let (turns, messages) = (turns(&device.topic()), messages.into());
            publishers.push(Publisher { client, turns, messages, ahead });
        }
        Self { publishers }
    }

    pub(crate) async fn run(&mut self, budget: &Arc<Budget>) {
        let publishers = std::mem::take(&mut self.publishers).into_iter();
        let tasks = publishers.map(|publisher| publisher.run(Arc::clone(budget)));
        self.publishers = budget.spend(tasks).await;
    }
}

impl Publisher {
    async fn run(mut self, budget: Arc<Budget>) -> Self {
        let (mut sent, mut answered) = (0, 0);
        while budget.take(self.messages) {
            if sent - answered == self.ahead {
                self.answer(answered, &budget).await;
                answered += 1;
            }
            let (packets, _) = &self.turns[usize::from(sent % 2 == 1)];
            self.client.send(packets).await;
            sent += 1;
        }
        while answered < sent {
            self.answer(answered, &budget).await;
            answered += 1;
        }
        self.client.send(&packets::PINGREQ).await;
        self.client.expect(&packets::PINGRESP).await;
        self
    }

    async fn answer(&mut self, turn: u64, budget: &Budget) {
        let (_, answers) = &self.turns[usize::from(turn % 2 == 1)];
        self.client.expect(answers).await;
        budget.confirm(self.messages);
    }
}
