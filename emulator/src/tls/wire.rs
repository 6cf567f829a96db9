//! The TCP connection below TLS, which can hold back what the server says last.
//!
//! TLS reads a few kilobytes at a time; the wire takes all that has come from the system at once
//! and hands it on in such pieces.
//!
//! A held wire sends only when the server waits for an answer. The last words of a handshake, be
//! they Finished or an alert, wait for none: they stay here until [`Wire::release`], or go unsaid.

use std::cell::RefCell;
use std::io::{self, IoSlice};
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::{Buf as _, Bytes};
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt as _, ReadBuf};
use tokio::net::TcpStream;

/// What is taken from the system at once.
const READ_BYTES: usize = 32 * 1024;

thread_local! {
    /// Where all wires read into.
    static READ: RefCell<Box<[u8]>> = RefCell::new(vec![0; READ_BYTES].into());
}

/// A TCP connection.
#[derive(Debug)]
pub(crate) struct Wire {
    tcp: TcpStream,
    /// What is held back; `None` if nothing is to be.
    held: Option<Vec<u8>>,
    /// What has come and TLS has not read yet.
    ahead: Bytes,
}

impl Wire {
    /// A wire that holds nothing back.
    pub(super) fn new(tcp: TcpStream) -> Self {
        Self { tcp, held: None, ahead: Bytes::new() }
    }

    /// From now on, sends only when the server waits for an answer.
    pub(super) fn hold(&mut self) {
        self.held.get_or_insert_default();
    }

    /// Sends what is held back, and holds nothing back from now on.
    pub(super) async fn release(&mut self) -> io::Result<()> {
        match self.held.take() {
            Some(held) => self.tcp.write_all(&held).await,
            None => Ok(()),
        }
    }

    /// Drops the connection with a TCP reset; what is held back is never said.
    pub(super) fn reset(self) {
        // A socket that refuses the option is gone already.
        let _gone = self.tcp.set_zero_linger();
    }

    /// Sends what is held back before the server waits.
    fn poll_say(&mut self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        while let Some(held) = self.held.as_mut().filter(|held| !held.is_empty()) {
            let sent = ready!(Pin::new(&mut self.tcp).poll_write(context, held))?;
            if sent == 0 {
                return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
            }
            held.drain(..sent);
        }
        Poll::Ready(Ok(()))
    }
}

impl AsyncRead for Wire {
    fn poll_read(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let wire = self.get_mut();
        if wire.ahead.is_empty() {
            ready!(wire.poll_say(context))?;
            return READ.with_borrow_mut(|room| {
                let mut read = ReadBuf::new(room);
                ready!(Pin::new(&mut wire.tcp).poll_read(context, &mut read))?;
                let (now, later) =
                    read.filled().split_at(read.filled().len().min(buffer.remaining()));
                buffer.put_slice(now);
                wire.ahead = Bytes::copy_from_slice(later);
                Poll::Ready(Ok(()))
            });
        }
        let count = wire.ahead.len().min(buffer.remaining());
        buffer.put_slice(&wire.ahead[..count]);
        wire.ahead.advance(count);
        if wire.ahead.is_empty() {
            wire.ahead = Bytes::new();
        }
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Wire {
    fn poll_write(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let wire = self.get_mut();
        match &mut wire.held {
            Some(held) => {
                held.extend_from_slice(bytes);
                Poll::Ready(Ok(bytes.len()))
            }
            None => Pin::new(&mut wire.tcp).poll_write(context, bytes),
        }
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let wire = self.get_mut();
        match &mut wire.held {
            Some(held) => {
                let before = held.len();
                slices.iter().for_each(|slice| held.extend_from_slice(slice));
                Poll::Ready(Ok(held.len() - before))
            }
            None => Pin::new(&mut wire.tcp).poll_write_vectored(context, slices),
        }
    }

    fn is_write_vectored(&self) -> bool {
        self.tcp.is_write_vectored()
    }

    fn poll_flush(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().tcp).poll_flush(context)
    }

    fn poll_shutdown(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let wire = self.get_mut();
        ready!(wire.poll_say(context))?;
        Pin::new(&mut wire.tcp).poll_shutdown(context)
    }
}
