//! MQTT over WebSocket: the upgrade, and the connection after it as a byte stream.
//!
//! It knows frames and nothing of MQTT: a packet may span frames, and a frame may hold several.
//! Truth: <https://www.rfc-editor.org/rfc/rfc6455>, and
//! <https://docs.aws.amazon.com/iot/latest/developerguide/protocols.html>.

mod frames;
mod upgrade;

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::{Buf as _, Bytes, BytesMut};
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt as _, ReadBuf};

use self::frames::{Event, Frames, Status};
use super::mqtt::{Carrier, End};
use crate::tls;

pub(super) use upgrade::{NoUpgrade, switch};

/// Room for what arrives at once.
const READ_BYTES: usize = 8 * 1024;
/// The most payload in one frame that goes out; more goes into the next.
const FRAME_BYTES: usize = 64 * 1024;
/// A client that takes no more than this is not read from either, however often it pings.
const UNSENT_BYTES: usize = 64 * 1024;
/// How long the close frame may take.
const FAREWELL: Duration = Duration::from_secs(1);

/// A WebSocket of a client: its binary messages, read and written as bytes.
#[derive(Debug)]
pub(super) struct WebSocket<S> {
    stream: S,
    frames: Frames,
    /// What came and is not looked at.
    input: BytesMut,
    /// Payload that nobody has read yet.
    payload: Bytes,
    /// Frames that are not sent yet.
    unsent: BytesMut,
    /// How it ended, and what the close frame that answers says.
    over: Option<(End, Status)>,
}

impl<S: AsyncRead + AsyncWrite + Unpin> WebSocket<S> {
    /// The WebSocket on a stream that has switched to it; `ahead` has come from there already.
    pub(super) fn new(stream: S, ahead: &[u8]) -> Self {
        Self {
            stream,
            frames: Frames::default(),
            input: BytesMut::from(ahead),
            payload: Bytes::new(),
            unsent: BytesMut::new(),
            over: None,
        }
    }

    /// Sends what is not sent yet.
    fn drain(&mut self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        while !self.unsent.is_empty() {
            let stream = Pin::new(&mut self.stream);
            let sent = ready!(stream.poll_write(context, &self.unsent))?;
            if sent == 0 {
                return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
            }
            self.unsent.advance(sent);
        }
        Poll::Ready(Ok(()))
    }

    /// Looks at what came until there is payload to read, or the end, or more must come.
    fn look(&mut self) {
        while self.payload.is_empty() && self.over.is_none() && self.unsent.len() < UNSENT_BYTES {
            match self.frames.next(&mut self.input) {
                Ok(None) => return,
                Ok(Some(Event::Payload(payload))) => self.payload = payload,
                Ok(Some(Event::Ping(payload))) => frames::pong(&payload, &mut self.unsent),
                Ok(Some(Event::Pong)) => {}
                Ok(Some(Event::Close(status))) => self.over = Some((End::Closed, status)),
                Err(violation) => {
                    self.over = Some((End::Misused(violation.why), violation.status));
                }
            }
        }
    }

    /// Takes in more; `false` at the end.
    fn take_in(&mut self, context: &mut Context<'_>) -> Poll<io::Result<bool>> {
        let mut room = [0; READ_BYTES];
        let mut buffer = ReadBuf::new(&mut room);
        ready!(Pin::new(&mut self.stream).poll_read(context, &mut buffer))?;
        self.input.extend_from_slice(buffer.filled());
        Poll::Ready(Ok(!buffer.filled().is_empty()))
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> AsyncRead for WebSocket<S> {
    fn poll_read(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        loop {
            this.look();
            // A pong goes out even if nobody has anything to write.
            let crowded = this.unsent.len() >= UNSENT_BYTES;
            let drained = this.drain(context);
            // What came is read even if the client takes no answers any more.
            if !this.payload.is_empty() {
                let count = this.payload.len().min(buffer.remaining());
                buffer.put_slice(&this.payload.split_to(count));
                return Poll::Ready(Ok(()));
            }
            if this.over.is_some() {
                return Poll::Ready(Ok(()));
            }
            if crowded {
                ready!(drained)?;
                continue;
            }
            if drained?.is_ready() {
                // TLS keeps small writes until it is told.
                let _later = Pin::new(&mut this.stream).poll_flush(context)?;
            }
            if !ready!(this.take_in(context))? {
                return Poll::Ready(Ok(()));
            }
        }
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> AsyncWrite for WebSocket<S> {
    fn poll_write(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        if this.unsent.len() >= UNSENT_BYTES {
            ready!(this.drain(context))?;
        }
        let count = bytes.len().min(FRAME_BYTES);
        frames::binary(&bytes[..count], &mut this.unsent);
        // What cannot be sent now is sent by the next write or the flush.
        let _later = this.drain(context)?;
        Poll::Ready(Ok(count))
    }

    fn poll_flush(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        ready!(this.drain(context))?;
        Pin::new(&mut this.stream).poll_flush(context)
    }

    fn poll_shutdown(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        ready!(this.drain(context))?;
        Pin::new(&mut this.stream).poll_shutdown(context)
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin + Send> Carrier for WebSocket<S> {
    fn end(&self) -> End {
        self.over.map_or(End::Lost, |(end, _)| end)
    }

    //? assumed: AWS says goodbye with status 1000 after an MQTT DISCONNECT and whatever else ends
    //? the connection
    /// Says or answers the close frame, and closes what is below.
    async fn hang_up(mut self) {
        let status = self.over.map_or(Status::NORMAL, |(_, status)| status);
        frames::close(status, &mut self.unsent);
        // A client that takes nothing any more gets no goodbye.
        let _gone = tokio::time::timeout(FAREWELL, self.flush()).await;
        tls::hang_up(self.stream).await;
    }
}

#[cfg(test)]
mod tests;
