//! [`Wire`]: a device's TLS connection without a protocol, for what no well-behaved client sends.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;

use rustls::pki_types::ServerName;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use crate::PATIENCE;
use crate::device::{ConnectError, Device};

/// How the other side ended a connection.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Ending {
    /// In order: close_notify, then the end of the stream.
    CloseNotify,
    /// Any other way, in the words of the system or of rustls.
    Broken(String),
}

/// A finished handshake; bytes go through as they are.
#[derive(Debug)]
pub struct Wire {
    stream: TlsStream<TcpStream>,
}

impl Wire {
    pub(crate) async fn open(
        device: &Device,
        address: Option<SocketAddr>,
        port: u16,
        alpn: &[&str],
    ) -> Result<Self, ConnectError> {
        let failed = |error: io::Error| ConnectError::Handshake(error.to_string());
        let target = &device.target;
        let shaking = async {
            let tcp = match address {
                Some(address) => TcpStream::connect(address).await,
                None => TcpStream::connect((target.host.as_str(), port)).await,
            };
            let tcp = tcp.map_err(failed)?;
            let name = device.server_name.clone().unwrap_or_else(|| target.host.clone());
            let name = ServerName::try_from(name).expect("a host name or an address");
            let mut config = target.client_config(device.identity.as_ref());
            Arc::make_mut(&mut config).alpn_protocols =
                alpn.iter().map(|protocol| protocol.as_bytes().to_vec()).collect();
            let connector = TlsConnector::from(config);
            Ok(Self { stream: connector.connect(name, tcp).await.map_err(failed)? })
        };
        timeout(PATIENCE, shaking).await.unwrap_or(Err(ConnectError::Timeout))
    }

    /// Sends `bytes`. A connection that is gone is noticed by whoever reads from it.
    pub async fn send(&mut self, bytes: &[u8]) {
        let sending = async {
            self.stream.write_all(bytes).await?;
            self.stream.flush().await
        };
        let _gone = timeout(PATIENCE, sending).await.expect("the other side reads");
    }

    /// Reads exactly `count` bytes.
    ///
    /// # Panics
    ///
    /// If they do not come.
    pub async fn read(&mut self, count: usize) -> Vec<u8> {
        let mut bytes = vec![0; count];
        let reading = timeout(PATIENCE, self.stream.read_exact(&mut bytes)).await;
        reading.expect("bytes in time").expect("the bytes");
        bytes
    }

    /// One whole MQTT packet.
    ///
    /// # Panics
    ///
    /// If none comes.
    pub async fn packet(&mut self) -> Vec<u8> {
        let mut packet = self.read(2).await;
        let mut length = usize::from(packet[1] & 0x7F);
        let mut shift = 7;
        while packet[packet.len() - 1] & 0x80 != 0 {
            let more = self.read(1).await[0];
            packet.push(more);
            length |= usize::from(more & 0x7F) << shift;
            shift += 7;
        }
        let rest = self.read(length).await;
        packet.extend(rest);
        packet
    }

    /// Reads until the other side ends the connection: what it said, and how it ended.
    ///
    /// # Panics
    ///
    /// If it does not end.
    pub async fn rest(mut self) -> (Vec<u8>, Ending) {
        let mut bytes = Vec::new();
        let reading = timeout(PATIENCE, self.stream.read_to_end(&mut bytes)).await;
        match reading.expect("the end of the connection") {
            Ok(_) => (bytes, Ending::CloseNotify),
            Err(error) => (bytes, Ending::Broken(error.to_string())),
        }
    }

    /// Loses the connection as a power cut does: no close_notify, and the other side sees the end.
    pub fn lose(self) {
        drop(self);
    }

    /// Loses it the hard way: a TCP reset, and nothing of what is still on its way arrives.
    pub fn reset(self) {
        let _gone = self.stream.get_ref().0.set_zero_linger();
    }

    pub(crate) fn into_stream(self) -> TlsStream<TcpStream> {
        self.stream
    }
}
