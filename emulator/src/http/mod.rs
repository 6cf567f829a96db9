//! One HTTP/1.1 connection: whole requests in, whole responses out, or a hang-up without a word.
//!
//! It decides nothing about what is asked. Four doors use it: the HTTPS data plane, the AWS API,
//! the API gateway and the Lambda Runtime API. It alone names hyper.

mod serving;
#[cfg(test)]
mod tests;

use std::borrow::Cow;
use std::io;

use bytes::{Bytes, BytesMut};
use http_body_util::{BodyExt as _, Full};
use hyper::body::{Body as _, Incoming};
use hyper::header::{AsHeaderName, IntoHeaderName};
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::mpsc;

pub(crate) use hyper::header;
pub(crate) use hyper::{HeaderMap, Method, StatusCode, Uri};
pub(crate) use serving::{Limits, Over, serve, serve_until_over};

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
    pub(crate) fn query(&self) -> Vec<(Cow<'_, str>, Cow<'_, str>)> {
        let pairs = self.uri.query().unwrap_or_default().split('&').filter(|pair| !pair.is_empty());
        pairs
            .map(|pair| pair.split_once('=').unwrap_or((pair, "")))
            .map(|(name, value)| (decode_query(name), decode_query(value)))
            .collect()
    }
}

fn decode_query(text: &str) -> Cow<'_, str> {
    if !text.bytes().any(|byte| matches!(byte, b'+' | b'%')) {
        return Cow::Borrowed(text);
    }
    let spaced = text.replace('+', " ");
    Cow::Owned(percent_encoding::percent_decode_str(&spaced).decode_utf8_lossy().into_owned())
}

/// A response with its whole body.
pub(crate) type Response = hyper::Response<Bytes>;

/// A response of `status` with `body` as `content_type`.
pub(crate) fn response(
    status: u16,
    content_type: &'static str,
    body: impl Into<Bytes>,
) -> Response {
    let mut response = Response::new(body.into());
    *response.status_mut() = StatusCode::from_u16(status).unwrap_or(StatusCode::OK);
    let content_type = header::HeaderValue::from_static(content_type);
    response.headers_mut().insert(header::CONTENT_TYPE, content_type);
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

/// All of a body, without a copy if it came in one piece; an error if it breaks off, or is larger
/// than `limit`.
///
/// Nobody waits for the end of a body whose length is known and has come: that would cost a small
/// request as much as its policies.
async fn whole(mut body: Incoming, limit: usize) -> io::Result<Bytes> {
    let too_large = || io::Error::other("length limit exceeded");
    // Whoever announces too much is told so at once, and need not send it first.
    if body.size_hint().lower() > u64::try_from(limit).unwrap_or(u64::MAX) {
        return Err(too_large());
    }
    let mut first = Bytes::new();
    let mut all = BytesMut::new();
    while !body.is_end_stream()
        && let Some(frame) = body.frame().await
    {
        let Ok(piece) = frame.map_err(io::Error::other)?.into_data() else { continue };
        if first.len().max(all.len()) + piece.len() > limit {
            return Err(too_large());
        }
        if first.is_empty() {
            first = piece;
            continue;
        }
        if all.is_empty() {
            all.extend_from_slice(&first);
        }
        all.extend_from_slice(&piece);
    }
    Ok(if all.is_empty() { first } else { all.freeze() })
}

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
        Ok(Response::from_parts(head, whole(body, limit).await?))
    };
    tokio::pin!(connection, answer);
    // The connection moves only while somebody polls it; its own end decides nothing.
    tokio::select! {
        answer = &mut answer => answer,
        _ended = &mut connection => answer.await,
    }
}
