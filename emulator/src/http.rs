//! One HTTP/1.1 connection: whole requests in, whole responses out, or a hang-up without a word.
//!
//! It decides nothing about what is asked. Four doors use it: the HTTPS data plane, the AWS API,
//! the API gateway and the Lambda Runtime API. It alone names hyper.

use std::convert::Infallible;
use std::fmt;
use std::future::{Future, poll_fn};
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt, Full, Limited};
use hyper::body::{Body as _, Frame, Incoming, SizeHint};
use hyper::header::{AsHeaderName, IntoHeaderName};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::mpsc;

pub(crate) use hyper::header;
pub(crate) use hyper::{HeaderMap, Method, StatusCode, Uri};

/// A request with its whole body.
#[derive(Debug)]
pub(crate) struct Request {
    pub(crate) method: Method,
    pub(crate) uri: Uri,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
}

impl Request {
    /// The header `name` as text; `None` if it is absent or not text.
    pub(crate) fn header(&self, name: impl AsHeaderName) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }

    /// The query's `(name, value)` pairs, percent-decoded, `+` read as a space.
    pub(crate) fn query(&self) -> Vec<(String, String)> {
        let pairs = self.uri.query().unwrap_or_default().split('&').filter(|pair| !pair.is_empty());
        pairs
            .map(|pair| pair.split_once('=').unwrap_or((pair, "")))
            .map(|(name, value)| (decode_query(name), decode_query(value)))
            .collect()
    }
}

fn decode_query(text: &str) -> String {
    if !text.contains(['+', '%']) {
        return text.to_owned();
    }
    let spaced = text.replace('+', " ");
    percent_encoding::percent_decode_str(&spaced).decode_utf8_lossy().into_owned()
}

/// A response with its whole body.
pub(crate) type Response = hyper::Response<Bytes>;

/// A response of `status` with `body` as `content_type`.
pub(crate) fn response(status: u16, content_type: &str, body: impl Into<Bytes>) -> Response {
    let mut response = Response::new(body.into());
    *response.status_mut() = StatusCode::from_u16(status).unwrap_or(StatusCode::OK);
    if let Ok(value) = header::HeaderValue::from_str(content_type) {
        response.headers_mut().insert(header::CONTENT_TYPE, value);
    }
    response
}

/// Sets a header whose value may come from outside; a value that no header can hold is left out.
pub(crate) fn set_header(response: &mut Response, name: impl IntoHeaderName, value: &str) {
    if let Ok(value) = header::HeaderValue::from_str(value) {
        response.headers_mut().insert(name, value);
    }
}

/// What becomes of a request.
#[derive(Debug)]
pub(crate) enum Answer {
    /// This goes back.
    Respond(Response),
    /// A response of this type whose body comes piece by piece, for as long as somebody reads it.
    Follow(&'static str, mpsc::Receiver<Bytes>),
    /// Nothing goes back: the connection is closed. AWS IoT does this to a refused certificate.
    HangUp,
}

impl From<Response> for Answer {
    fn from(response: Response) -> Self {
        Self::Respond(response)
    }
}

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
    // Boxed, because only an unpinned connection gives its stream back.
    let service = service_fn(|request: hyper::Request<Incoming>| {
        let handler = &handler;
        Box::pin(async move {
            let collecting = collect(request, limits.body_bytes);
            let answer = match tokio::time::timeout(limits.head, collecting).await {
                Ok(Ok(request)) => handler(request).await,
                Ok(Err(refused)) => Answer::Respond(refused),
                Err(_too_slow) => Answer::HangUp,
            };
            match answer {
                Answer::Respond(response) => Ok(response.map(|body| Body::Whole(Full::new(body)))),
                Answer::Follow(content_type, pieces) => {
                    let (head, _empty) = response(200, content_type, Bytes::new()).into_parts();
                    Ok(hyper::Response::from_parts(head, Body::Pieces(pieces)))
                }
                Answer::HangUp => Err(HungUp),
            }
        })
    });
    let mut builder = http1::Builder::new();
    builder.timer(TokioTimer::new()).header_read_timeout(limits.head);
    let mut connection = builder.serve_connection(TokioIo::new(stream), service);
    let ended = poll_fn(|context| connection.poll_without_shutdown(context)).await;
    let unreadable = ended.err().filter(hyper::Error::is_parse).map(|error| error.to_string());
    let parts = connection.into_parts();
    Over { stream: parts.io.into_inner(), ahead: parts.read_buf, unreadable }
}

/// A body that is there, or comes piece by piece.
enum Body {
    Whole(Full<Bytes>),
    Pieces(mpsc::Receiver<Bytes>),
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
            Self::Pieces(pieces) => {
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
    let too_large = || {
        let body = r#"{"message":"Request body is too large"}"#;
        response(413, "application/json", body)
    };
    // Whoever announces too much is told so at once, and need not send it first.
    if body.size_hint().lower() > u64::try_from(limit).unwrap_or(u64::MAX) {
        return Err(too_large());
    }
    let body = Limited::new(body, limit).collect().await.map_err(|_too_large| too_large())?;
    let body = body.to_bytes();
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

/// Asks `request` on `stream` and gives back the whole answer; it may hold `limit` bytes.
pub(crate) async fn exchange<S>(stream: S, request: Request, limit: usize) -> io::Result<Response>
where
    S: AsyncRead + AsyncWrite + Unpin + Send,
{
    let mut asked = hyper::Request::new(Full::new(request.body));
    *asked.method_mut() = request.method;
    *asked.uri_mut() = request.uri;
    *asked.headers_mut() = request.headers;
    let handshake = hyper::client::conn::http1::handshake(TokioIo::new(stream)).await;
    let (mut sender, connection) = handshake.map_err(io::Error::other)?;
    let answer = async move {
        let (head, body) = sender.send_request(asked).await.map_err(io::Error::other)?.into_parts();
        let body = Limited::new(body, limit).collect().await.map_err(io::Error::other)?;
        Ok(Response::from_parts(head, body.to_bytes()))
    };
    tokio::pin!(connection, answer);
    // The connection moves only while somebody polls it; its own end decides nothing.
    tokio::select! {
        answer = &mut answer => answer,
        _ended = &mut connection => answer.await,
    }
}
