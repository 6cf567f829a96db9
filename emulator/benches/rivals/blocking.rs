//! One connection that waits in the system for its bytes: nothing but the server stands between a
//! write and the read that answers it.

use std::io::{self, Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;
use std::time::Duration;

use rustls::pki_types::ServerName;
use rustls::{ClientConfig, ClientConnection, StreamOwned};

use crate::packets;

/// Far longer than an answer takes.
const PATIENCE: Duration = Duration::from_secs(20);

pub(crate) struct Blocking(StreamOwned<ClientConnection, TcpStream>);

impl Blocking {
    /// Shakes hands on `tcp`, and has its CONNECT taken; an error if the server hangs up.
    pub(crate) fn connect(
        tcp: TcpStream,
        tls: &Arc<ClientConfig>,
        client_id: &str,
    ) -> io::Result<Self> {
        tcp.set_nodelay(true)?;
        tcp.set_read_timeout(Some(PATIENCE))?;
        let name = ServerName::try_from("localhost").expect("a name");
        let tls = ClientConnection::new(Arc::clone(tls), name).expect("a client");
        let mut stream = StreamOwned::new(tls, tcp);
        stream.write_all(&packets::connect(client_id))?;
        let mut answer = [0; 4];
        stream.read_exact(&mut answer)?;
        assert!(answer == packets::CONNACK, "{client_id} is taken");
        Ok(Self(stream))
    }

    /// The same, on a connection of its own, to a server that is ready.
    pub(crate) fn open(address: SocketAddr, tls: &Arc<ClientConfig>, client_id: &str) -> Self {
        let tcp = TcpStream::connect(address).expect("the server accepts a connection");
        Self::connect(tcp, tls, client_id).expect("the server takes a CONNECT")
    }

    pub(crate) fn send(&mut self, bytes: &[u8]) {
        self.0.write_all(bytes).expect("the server reads");
        self.0.flush().expect("the server reads");
    }

    /// So many bytes.
    pub(crate) fn read<const BYTES: usize>(&mut self) -> [u8; BYTES] {
        let mut bytes = [0; BYTES];
        self.read_into(&mut bytes);
        bytes
    }

    pub(crate) fn read_into(&mut self, bytes: &mut [u8]) {
        self.0.read_exact(bytes).expect("the server answers");
    }
}
