//! Messages over HTTPS, as `curl` sends them: on a connection that stays, or each on its own.

use std::net::SocketAddr;
use std::sync::Arc;

use crate::budget::Budget;
use crate::client::Client;
use crate::material::Fleet;
use crate::packets::PAYLOAD_BYTES;
use crate::servers::Server;
use crate::tls::Version;

/// Connections at the same time.
const KEPT: usize = 16;
const FRESH: usize = 8;

pub(crate) struct Https {
    fleet: Arc<Fleet>,
    address: SocketAddr,
    /// Those that stay; none if each request has its own.
    kept: Option<Vec<Client>>,
}

impl Https {
    pub(crate) fn fresh(server: &Server, fleet: &Arc<Fleet>) -> Self {
        Self { fleet: Arc::clone(fleet), address: server.https, kept: None }
    }

    pub(crate) async fn kept(server: &Server, fleet: &Arc<Fleet>) -> Self {
        let mut kept = Vec::new();
        for device in fleet.devices.iter().take(KEPT) {
            kept.push(Client::open(server.https, device.tls(Version::Tls13)).await);
        }
        Self { kept: Some(kept), ..Self::fresh(server, fleet) }
    }

    pub(crate) async fn run(&mut self, budget: &Arc<Budget>) {
        match self.kept.take() {
            Some(kept) => {
                let tasks = kept.into_iter().enumerate().map(|(index, mut client)| {
                    let request = request(&self.fleet.devices[index].https_topic(), "keep-alive");
                    let budget = Arc::clone(budget);
                    async move {
                        while budget.take(1) {
                            client.send(&request).await;
                            answered(&mut client).await;
                            budget.confirm(1);
                        }
                        client
                    }
                });
                self.kept = Some(budget.spend(tasks).await);
            }
            None => {
                let tasks = (0..FRESH).map(|index| {
                    let (fleet, address) = (Arc::clone(&self.fleet), self.address);
                    let budget = Arc::clone(budget);
                    async move {
                        let device = &fleet.devices[index];
                        let request = request(&device.https_topic(), "close");
                        while budget.take(1) {
                            let tls = device.tls(Version::Tls13);
                            let mut client = Client::open(address, tls).await;
                            client.send(&request).await;
                            answered(&mut client).await;
                            client.ended().await;
                            budget.confirm(1);
                        }
                    }
                });
                budget.spend(tasks).await;
            }
        }
    }
}

fn request(topic: &str, connection: &str) -> Vec<u8> {
    let head = format!(
        "POST /topics/{topic}?qos=1 HTTP/1.1\r\nHost: localhost\r\nUser-Agent: load\r\n\
         Accept: */*\r\nConnection: {connection}\r\nContent-Type: application/octet-stream\r\n\
         Content-Length: {PAYLOAD_BYTES}\r\n\r\n"
    );
    let mut request = head.into_bytes();
    request.extend(std::iter::repeat_n(b'.', PAYLOAD_BYTES));
    request
}

/// Reads one answer, which must be a success.
async fn answered(client: &mut Client) {
    const LENGTH: &[u8] = b"content-length: ";
    let bytes = loop {
        let waiting = client.waiting();
        if let Some(end) = waiting.windows(4).position(|four| four == b"\r\n\r\n") {
            let head = &waiting[..end];
            assert!(head.starts_with(b"HTTP/1.1 200"), "{}", String::from_utf8_lossy(waiting));
            let name = |bytes: &[u8]| bytes.eq_ignore_ascii_case(LENGTH);
            let at = head.windows(LENGTH.len()).position(name).expect("a length");
            let digits = head[at + LENGTH.len()..].iter().take_while(|byte| byte.is_ascii_digit());
            let length = digits.fold(0, |length, digit| length * 10 + usize::from(digit - b'0'));
            if waiting.len() >= end + 4 + length {
                break end + 4 + length;
            }
        }
        client.read().await;
    };
    client.take(bytes);
}
