//! One TLS connection of the load: writes bytes that lie ready, and compares what comes back.

use std::io::ErrorKind;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};

use rustls::ClientConfig;
use rustls::pki_types::ServerName;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpSocket, TcpStream};
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use crate::packets;

const BUFFER_BYTES: usize = 32 * 1024;

/// A connection, and what was read of it and not yet taken.
pub(crate) struct Client {
    stream: TlsStream<TcpStream>,
    buffer: Vec<u8>,
    taken: usize,
    filled: usize,
}

/// A TCP connection from one of many addresses: a single one would run short of ports.
pub(crate) async fn tcp(address: SocketAddr) -> TcpStream {
    static NEXT: AtomicU8 = AtomicU8::new(0);
    let source = Ipv4Addr::new(127, 0, 7, 1 + NEXT.fetch_add(1, Ordering::Relaxed) % 32);
    let socket = TcpSocket::new_v4().expect("a socket");
    socket.bind(SocketAddr::new(IpAddr::V4(source), 0)).expect("a port");
    let stream = socket.connect(address).await.expect("the server accepts a connection");
    stream.set_nodelay(true).expect("no delay");
    stream
}

impl Client {
    /// A finished handshake.
    pub(crate) async fn open(address: SocketAddr, tls: &Arc<ClientConfig>) -> Self {
        let name = ServerName::try_from("localhost").expect("a name");
        let connector = TlsConnector::from(Arc::clone(tls));
        let stream = connector.connect(name, tcp(address).await).await;
        let stream = stream.expect("the server shakes hands");
        Self { stream, buffer: Vec::new(), taken: 0, filled: 0 }
    }

    /// A finished handshake, and a CONNECT that was taken.
    pub(crate) async fn connect(
        address: SocketAddr,
        tls: &Arc<ClientConfig>,
        client_id: &str,
    ) -> Self {
        let mut client = Self::open(address, tls).await;
        client.send(&packets::connect(client_id)).await;
        client.expect(&packets::CONNACK).await;
        client
    }

    /// Sends a CONNECT: whether it is taken, or the server hangs up.
    pub(crate) async fn comes_in(mut self, client_id: &str) -> bool {
        self.send(&packets::connect(client_id)).await;
        while self.waiting().len() < packets::CONNACK.len() {
            if self.try_read().await == 0 {
                return false;
            }
        }
        assert!(self.waiting() == packets::CONNACK, "{client_id} is taken or hung up on");
        true
    }

    pub(crate) async fn subscribe(&mut self, filter: &str, qos: u8) {
        self.send(&packets::subscribe(1, filter, qos)).await;
        self.expect(&packets::suback(1, qos)).await;
    }

    pub(crate) async fn send(&mut self, bytes: &[u8]) {
        self.stream.write_all(bytes).await.expect("the server reads");
        self.stream.flush().await.expect("the server reads");
    }

    /// Exactly these bytes, and nothing else, come next.
    pub(crate) async fn expect(&mut self, bytes: &[u8]) {
        while self.waiting().len() < bytes.len() {
            self.read().await;
        }
        let came = &self.waiting()[..bytes.len()];
        assert!(came == bytes, "expected {bytes:x?}, and {came:x?} came");
        self.take(bytes.len());
    }

    /// What was read and not yet taken.
    pub(crate) fn waiting(&self) -> &[u8] {
        &self.buffer[self.taken..self.filled]
    }

    pub(crate) fn take(&mut self, bytes: usize) {
        self.taken += bytes;
    }

    /// Reads something, or fails: the server is not to hang up.
    pub(crate) async fn read(&mut self) {
        let read = self.try_read().await;
        assert!(read > 0, "the server hung up");
    }

    /// Waits until the server has hung up, and throws away what it says before.
    pub(crate) async fn ended(mut self) {
        while self.try_read().await > 0 {
            self.taken = self.filled;
        }
    }

    /// Ends in order: DISCONNECT, and the server hangs up.
    pub(crate) async fn disconnect(mut self) {
        self.send(&packets::DISCONNECT).await;
        self.ended().await;
    }

    /// Gives back what only a busy connection needs.
    pub(crate) fn rest(&mut self) {
        assert!(self.waiting().is_empty(), "nothing is left to read");
        (self.buffer, self.taken, self.filled) = (Vec::new(), 0, 0);
    }

    async fn try_read(&mut self) -> usize {
        self.buffer.resize(BUFFER_BYTES, 0);
        self.buffer.copy_within(self.taken..self.filled, 0);
        (self.taken, self.filled) = (0, self.filled - self.taken);
        let read = match self.stream.read(&mut self.buffer[self.filled..]).await {
            Ok(read) => read,
            // A server may hang up without a word of TLS.
            Err(error) if error.kind() == ErrorKind::UnexpectedEof => 0,
            Err(error) if error.kind() == ErrorKind::ConnectionReset => 0,
            Err(error) => panic!("the connection broke: {error}"),
        };
        self.filled += read;
        read
    }
}
