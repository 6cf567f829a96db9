//! One encrypted connection: records on the one side, bytes on the other.
//!
//! It decides when records are read and written; what they say is rustls' affair. A client that
//! idles costs no buffer: records are opened and sealed in room that all connections of a thread
//! share, and a connection keeps only what has not come whole or could not be sent.
//! Truth: <https://docs.rs/rustls/latest/rustls/unbuffered/>.

use std::cell::RefCell;
use std::fmt;
use std::future::poll_fn;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use rustls::pki_types::CertificateDer;
use rustls::server::{ServerConnectionData, UnbufferedServerConnection};
use rustls::unbuffered::{
    ConnectionState, EncodeError, EncodeTlsData, EncryptError, UnbufferedStatus,
};
use rustls::{Error, ServerConfig};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;

/// What is taken from the system at once.
const READ_BYTES: usize = 32 * 1024;
/// What may have come and not be whole. A record is a quarter of it; the certificates of a client
/// may take many records, and must not be longer.
const UNFINISHED_BYTES: usize = 64 * 1024;
/// What is sealed at once.
const WRITE_BYTES: usize = 64 * 1024;
/// A close_notify, sealed or not, is less.
const ALERT_BYTES: usize = 256;

thread_local! {
    /// Where records are read into and opened.
    static RECORDS: RefCell<Box<[u8]>> =
        RefCell::new(vec![0; UNFINISHED_BYTES + READ_BYTES].into());
    /// Where records are sealed; it grows to what the largest write takes.
    static SEALED: RefCell<Vec<u8>> = RefCell::new(vec![0; ALERT_BYTES]);
}

/// An encrypted connection.
pub(crate) struct Stream {
    tcp: TcpStream,
    tls: UnbufferedServerConnection,
    /// What has come of records that are not whole.
    unfinished: Vec<u8>,
    /// What was opened and nobody has read.
    opened: Bytes,
    /// What is sealed and not sent.
    unsent: Vec<u8>,
    /// The client says nothing more: that was all, or no TLS.
    over: Option<Result<(), Error>>,
    /// We say nothing more.
    closed: bool,
}

impl fmt::Debug for Stream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Stream").field("tcp", &self.tcp).finish_non_exhaustive()
    }
}

fn of_tls(error: Error) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, error)
}

impl Stream {
    /// A connection on which `records` have come, the client's first message among them, and
    /// nothing was answered yet.
    pub(super) fn new(
        tcp: TcpStream,
        configuration: Arc<ServerConfig>,
        records: Vec<u8>,
    ) -> io::Result<Self> {
        Ok(Self {
            tcp,
            tls: UnbufferedServerConnection::new(configuration).map_err(of_tls)?,
            unfinished: records,
            opened: Bytes::new(),
            unsent: Vec::new(),
            over: None,
            closed: false,
        })
    }

    /// Shakes hands. What the server says last, be it Finished or an alert, waits for no answer, so
    /// it is not sent yet: a flush sends it, or it goes unsaid.
    pub(super) async fn shake_hands(&mut self) -> io::Result<()> {
        let mut records = std::mem::take(&mut self.unfinished);
        self.take_in(&mut records, &mut ReadBuf::new(&mut []));
        while self.tls.is_handshaking() && self.over.is_none() {
            poll_fn(|context| self.poll_send(context)).await?;
            poll_fn(|context| self.poll_take_in(context, &mut ReadBuf::new(&mut []))).await?;
        }
        if !self.tls.is_handshaking() {
            return Ok(());
        }
        match &self.over {
            Some(Err(error)) => Err(of_tls(error.clone())),
            _ => Err(io::ErrorKind::UnexpectedEof.into()),
        }
    }

    /// The client's certificates as it sent them, leaf first.
    pub(super) fn peer_certificates(&self) -> &[CertificateDer<'static>] {
        self.tls.peer_certificates().unwrap_or_default()
    }

    /// The protocol that both sides agreed on.
    #[cfg(test)]
    pub(super) fn alpn_protocol(&self) -> Option<&[u8]> {
        self.tls.alpn_protocol()
    }

    /// What is below TLS; what was not sent is never said.
    pub(super) fn into_tcp(self) -> TcpStream {
        self.tcp
    }

    /// Takes in what has come since, if anything has.
    fn poll_take_in(
        &mut self,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        RECORDS.with_borrow_mut(|room| {
            let before = self.unfinished.len();
            if before > UNFINISHED_BYTES {
                let why = "a message of the handshake is too long";
                return Poll::Ready(Err(io::Error::new(io::ErrorKind::InvalidData, why)));
            }
            let mut read = ReadBuf::new(&mut room[before..before + READ_BYTES]);
            ready!(Pin::new(&mut self.tcp).poll_read(context, &mut read))?;
            let come = read.filled().len();
            if come == 0 {
                // Whoever does not say that this was all may have been cut off.
                return Poll::Ready(Err(io::ErrorKind::UnexpectedEof.into()));
            }
            room[..before].copy_from_slice(&self.unfinished);
            self.take_in(&mut room[..before + come], buffer);
            Poll::Ready(Ok(()))
        })
    }

    /// Works on all that is whole of `records`, and keeps the rest. What the client says goes to
    /// `buffer`; where that is full it waits.
    fn take_in(&mut self, records: &mut [u8], buffer: &mut ReadBuf<'_>) {
        let (mut used, mut waits) = (0, Vec::new());
        let mut opened = |bytes: &[u8]| {
            let (now, later) = bytes.split_at(bytes.len().min(buffer.remaining()));
            buffer.put_slice(now);
            waits.extend_from_slice(later);
        };
        let end = loop {
            // rustls knows places in what it was given and has not used up, and so gets that again.
            let (more, next) =
                step(&mut self.tls, &mut records[used..], &mut opened, &mut self.unsent);
            used += more;
            match next {
                Ok(Next::Step) => {}
                Ok(Next::Pause) => break None,
                Ok(Next::Over) => break Some(Ok(())),
                Err(error) => break Some(Err(error)),
            }
        };
        while matches!(end, Some(Err(_))) && self.tls.wants_write() {
            // Only its alert: rustls must not look at anything else once more.
            let (more, _said) =
                step(&mut self.tls, &mut records[used..], &mut opened, &mut self.unsent);
            used += more;
        }
        self.unfinished = records[used..].to_vec();
        self.over = end;
        self.opened = waits.into();
    }

    /// Sends what is sealed.
    fn poll_send(&mut self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        while !self.unsent.is_empty() {
            let sent = ready!(Pin::new(&mut self.tcp).poll_write(context, &self.unsent))?;
            if sent == 0 {
                return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
            }
            self.unsent.drain(..sent);
        }
        self.unsent = Vec::new();
        Poll::Ready(Ok(()))
    }

    /// Seals what is to be said, and sends as much of it as the system takes.
    fn say(&mut self, context: &mut Context<'_>, what: Saying<'_>) -> io::Result<()> {
        if let Some(Err(error)) = &self.over {
            return Err(of_tls(error.clone()));
        }
        SEALED.with_borrow_mut(|room| {
            let Self { tls, unfinished, unsent, .. } = self;
            let sealed = seal(tls, what, unfinished, room, unsent).map_err(of_tls)?;
            let mut sealed = &room[..sealed];
            if self.unsent.is_empty()
                && let Poll::Ready(sent) = Pin::new(&mut self.tcp).poll_write(context, sealed)
            {
                sealed = &sealed[sent?..];
            }
            self.unsent.extend_from_slice(sealed);
            Ok(())
        })
    }
}

/// What is sealed.
#[derive(Clone, Copy, Debug)]
enum Saying<'a> {
    Bytes(&'a [u8]),
    CloseNotify,
}

/// What comes after a step.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Next {
    /// Another one.
    Step,
    /// Something has to come, or to be said.
    Pause,
    /// Nothing: the client has said its last.
    Over,
}

/// Lets rustls do the next thing; how many of `records` are used up. What the client says goes to
/// `opened`, what rustls says by itself to `unsent`.
fn step(
    tls: &mut UnbufferedServerConnection,
    records: &mut [u8],
    opened: &mut impl FnMut(&[u8]),
    unsent: &mut Vec<u8>,
) -> (usize, Result<Next, Error>) {
    let UnbufferedStatus { discard, state, .. } = tls.process_tls_records(records);
    let mut used = discard;
    let next = state.and_then(|state| match state {
        ConnectionState::ReadTraffic(mut traffic) => {
            while let Some(record) = traffic.next_record() {
                let record = record?;
                opened(record.payload);
                used += record.discard;
            }
            Ok(Next::Step)
        }
        ConnectionState::EncodeTlsData(data) => encode(data, unsent).map(|()| Next::Step),
        ConnectionState::TransmitTlsData(data) => {
            data.done();
            Ok(Next::Step)
        }
        ConnectionState::BlockedHandshake | ConnectionState::WriteTraffic(_) => Ok(Next::Pause),
        ConnectionState::PeerClosed | ConnectionState::Closed => Ok(Next::Over),
        // None of our configurations allows early data, and there is nothing else.
        _ => Err(Error::General("early data".to_owned())),
    });
    (used, next)
}

/// Puts what rustls has to say by itself behind what is said before.
fn encode(
    mut data: EncodeTlsData<'_, ServerConnectionData>,
    out: &mut Vec<u8>,
) -> Result<(), Error> {
    let before = out.len();
    loop {
        let room = out.len() - before;
        match data.encode(&mut out[before..]) {
            Ok(bytes) => {
                out.truncate(before + bytes);
                return Ok(());
            }
            Err(EncodeError::InsufficientSize(size)) if size.required_size > room => {
                out.resize(before + size.required_size, 0);
            }
            Err(error) => return Err(Error::General(error.to_string())),
        }
    }
}

/// Seals into `room`, behind what rustls has to say by itself; how many bytes that takes.
fn seal(
    tls: &mut UnbufferedServerConnection,
    what: Saying<'_>,
    unfinished: &mut [u8],
    room: &mut Vec<u8>,
    unsent: &mut Vec<u8>,
) -> Result<usize, Error> {
    loop {
        // What is unfinished is worked on: it stays as it is.
        match tls.process_tls_records(unfinished).state? {
            ConnectionState::WriteTraffic(mut traffic) => {
                let sealed = match what {
                    Saying::Bytes(bytes) => traffic.encrypt(bytes, room),
                    Saying::CloseNotify => traffic.queue_close_notify(room),
                };
                match sealed {
                    Err(EncryptError::InsufficientSize(size))
                        if size.required_size > room.len() =>
                    {
                        room.resize(size.required_size, 0);
                    }
                    sealed => return sealed.map_err(|error| Error::General(error.to_string())),
                }
            }
            ConnectionState::EncodeTlsData(data) => encode(data, unsent)?,
            ConnectionState::TransmitTlsData(data) => data.done(),
            ConnectionState::PeerClosed => {}
            _ => return Err(Error::General("nothing can be said any more".to_owned())),
        }
    }
}

impl AsyncRead for Stream {
    fn poll_read(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let stream = self.get_mut();
        let before = buffer.filled().len();
        while buffer.remaining() > 0 {
            if !stream.opened.is_empty() {
                let now = buffer.remaining().min(stream.opened.len());
                buffer.put_slice(&stream.opened.split_to(now));
            }
            if buffer.filled().len() > before {
                return Poll::Ready(Ok(()));
            }
            match &stream.over {
                Some(Ok(())) => return Poll::Ready(Ok(())),
                Some(Err(error)) => return Poll::Ready(Err(of_tls(error.clone()))),
                None => ready!(stream.poll_take_in(context, buffer))?,
            }
            // What rustls answers by itself; whatever does not go out now goes with the next write.
            let _sent = stream.poll_send(context)?;
        }
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Stream {
    fn poll_write(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let stream = self.get_mut();
        ready!(stream.poll_send(context))?;
        let now = &bytes[..bytes.len().min(WRITE_BYTES)];
        if !now.is_empty() {
            stream.say(context, Saying::Bytes(now))?;
        }
        Poll::Ready(Ok(now.len()))
    }

    fn poll_flush(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let stream = self.get_mut();
        ready!(stream.poll_send(context))?;
        Pin::new(&mut stream.tcp).poll_flush(context)
    }

    fn poll_shutdown(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let stream = self.get_mut();
        if !std::mem::replace(&mut stream.closed, true) {
            // Where nothing can be said any more, there is no close_notify either.
            let _said = stream.say(context, Saying::CloseNotify);
        }
        ready!(stream.poll_send(context))?;
        Pin::new(&mut stream.tcp).poll_shutdown(context)
    }
}
