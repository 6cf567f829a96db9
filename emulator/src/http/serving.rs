//! The server's end of a connection, and how long it waits for its client.

use std::convert::Infallible;
use std::fmt;
use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use http_body_util::Full;
use hyper::body::{Frame, Incoming, SizeHint};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::mpsc;
use tokio::time::Instant;

use super::{Answer, Request, Response, response, whole};
use crate::alarm::Alarm;

/// Limits of one connection.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Limits {
    /// The largest body; a larger one is answered 413.
    pub(crate) body_bytes: usize,
    /// How long the head of a request may take to arrive, and so how long a connection may idle;
    /// and how long its body may take.
    pub(crate) head: Duration,
}

/// A connection that speaks HTTP no more.
pub(crate) struct Over<S> {
    pub(crate) stream: S,
    /// What has come and was not read as HTTP.
    pub(crate) ahead: Bytes,
    /// What is wrong with it, if that is why.
    pub(crate) unreadable: Option<String>,
}

/// Speaks HTTP/1.1 on `stream` until either side ends it, and gives the stream back for an orderly
/// close. A request that hyper cannot read ends the connection with hyper's own 400.
pub(crate) async fn serve<S, H, F>(stream: S, limits: Limits, handler: H) -> S
where
    S: AsyncRead + AsyncWrite + Unpin + Send,
    H: Fn(Request) -> F + Send + Sync,
    F: Future<Output = Answer> + Send,
{
    serve_until_over(stream, limits, handler).await.stream
}

/// The same, and how it ended. Where the handler answers 101 the connection then speaks something
/// else.
pub(crate) async fn serve_until_over<S, H, F>(stream: S, limits: Limits, handler: H) -> Over<S>
where
    S: AsyncRead + AsyncWrite + Unpin + Send,
    H: Fn(Request) -> F + Send + Sync,
    F: Future<Output = Answer> + Send,
{
    let patience = Arc::new(Patience::new(limits.head));
    // Boxed, because only an unpinned connection gives its stream back.
    let service = service_fn(|request: hyper::Request<Incoming>| {
        let (handler, patience) = (&handler, &patience);
        Box::pin(async move {
            patience.begin();
            let collected = collect(request, limits.body_bytes).await;
            patience.end();
            let answer = match collected {
                Ok(request) => handler(request).await,
                Err(refused) => Answer::Respond(refused),
            };
            match answer {
                Answer::Respond(response) => {
                    patience.begin();
                    Ok(response.map(|body| Body::Whole(Full::new(body))))
                }
                Answer::Follow(content_type, pieces) => {
                    let (head, _empty) = response(200, content_type, Bytes::new()).into_parts();
                    let pieces = Pieces { pieces, patience: Arc::clone(patience) };
                    Ok(hyper::Response::from_parts(head, Body::Pieces(pieces)))
                }
                Answer::HangUp => Err(HungUp),
            }
        })
    });
    let mut connection = http1::Builder::new().serve_connection(TokioIo::new(stream), service);
    let mut alarm = Alarm::at(Instant::now() + limits.head);
    let ended = poll_fn(|context| match connection.poll_without_shutdown(context) {
        Poll::Ready(ended) => Poll::Ready(ended.err()),
        Poll::Pending => patience.poll_over(&mut alarm, context).map(|()| None),
    });
    let unreadable = ended.await.filter(hyper::Error::is_parse).map(|error| error.to_string());
    let parts = connection.into_parts();
    Over { stream: parts.io.into_inner(), ahead: parts.read_buf, unreadable }
}

/// How long the client may keep a connection waiting: for a head, then for its body.
///
/// One timer for the connection: one for each head and each body would cost a request more than the
/// decision of its policies.
struct Patience {
    limit: Duration,
    /// `None` while it is the client that waits.
    waiting_since: Mutex<Option<Instant>>,
}

impl Patience {
    fn new(limit: Duration) -> Self {
        Self { limit, waiting_since: Mutex::new(Some(Instant::now())) }
    }

    fn begin(&self) {
        self.set(Some(Instant::now()));
    }

    fn end(&self) {
        self.set(None);
    }

    fn set(&self, waiting_since: Option<Instant>) {
        *self.waiting_since.lock().unwrap_or_else(PoisonError::into_inner) = waiting_since;
    }

    /// Ready when the client has kept the connection waiting for too long.
    fn poll_over(&self, alarm: &mut Alarm, context: &mut Context<'_>) -> Poll<()> {
        alarm.poll_until(context, |now| {
            let since = *self.waiting_since.lock().unwrap_or_else(PoisonError::into_inner);
            // Whoever begins to wait after this moment waits longer than until then.
            since.unwrap_or(now) + self.limit
        })
    }
}

/// A body that is there, or comes piece by piece.
enum Body {
    Whole(Full<Bytes>),
    Pieces(Pieces),
}

/// What comes for as long as somebody reads it; then the next request is waited for.
struct Pieces {
    pieces: mpsc::Receiver<Bytes>,
    patience: Arc<Patience>,
}

impl Drop for Pieces {
    fn drop(&mut self) {
        self.patience.begin();
    }
}

impl hyper::body::Body for Body {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        match self.get_mut() {
            Self::Whole(body) => Pin::new(body).poll_frame(context),
            Self::Pieces(Pieces { pieces, .. }) => {
                pieces.poll_recv(context).map(|piece| Some(Ok(Frame::data(piece?))))
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        matches!(self, Self::Whole(body) if body.is_end_stream())
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            Self::Whole(body) => body.size_hint(),
            Self::Pieces(_) => SizeHint::default(),
        }
    }
}

async fn collect(request: hyper::Request<Incoming>, limit: usize) -> Result<Request, Response> {
    let (head, body) = request.into_parts();
    let body = whole(body, limit).await.map_err(|_too_large| {
        let body = r#"{"message":"Request body is too large"}"#;
        response(413, "application/json", body)
    })?;
    Ok(Request { method: head.method, uri: head.uri, headers: head.headers, body })
}

/// The service's way to end a connection without an answer.
#[derive(Debug)]
struct HungUp;

impl fmt::Display for HungUp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("hung up")
    }
}

impl std::error::Error for HungUp {}
