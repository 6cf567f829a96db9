//! A way for rumqttc to name one host and reach another: its SNI is always the host that it
//! connects to, and AWS's endpoint names lead nowhere on this machine.
//!
//! rumqttc speaks plain MQTT to a port of this process; what goes in comes out of a TLS connection
//! with the device's certificate and the wanted name. An orderly end stays one, anything else
//! becomes a reset, so that the client still sees the difference.

use std::net::SocketAddr;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;

use crate::wire::Wire;

/// A tunnel for one connection; it falls in when it is dropped.
#[derive(Debug)]
pub(crate) struct Tunnel {
    pub(crate) entrance: SocketAddr,
    task: JoinHandle<()>,
}

impl Tunnel {
    pub(crate) async fn through(wire: Wire) -> std::io::Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let entrance = listener.local_addr()?;
        let task = tokio::spawn(async move {
            if let Ok((client, _)) = listener.accept().await {
                drop(listener);
                carry(client, wire).await;
            }
        });
        Ok(Self { entrance, task })
    }
}

impl Drop for Tunnel {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn carry(mut client: TcpStream, wire: Wire) {
    let mut device = wire.into_stream();
    let (mut from_client, mut from_server) = ([0; 16 * 1024], [0; 16 * 1024]);
    loop {
        tokio::select! {
            read = client.read(&mut from_client) => match read {
                Ok(count) if count > 0 => {
                    // Whether the server still listens is seen by reading from it.
                    let _gone = device.write_all(&from_client[..count]).await;
                    let _gone = device.flush().await;
                }
                _ => return,
            },
            read = device.read(&mut from_server) => match read {
                Ok(0) => return hang_up(client).await,
                Ok(count) if client.write_all(&from_server[..count]).await.is_ok() => {}
                Ok(_) => return,
                Err(_broken) => {
                    let _gone = client.set_zero_linger();
                    return;
                }
            },
        }
    }
}

/// What the client is still sending is read, or the system would answer it with a reset.
async fn hang_up(mut client: TcpStream) {
    let _gone = client.shutdown().await;
    let mut ignored = [0; 4096];
    while client.read(&mut ignored).await.is_ok_and(|count| count > 0) {}
}
