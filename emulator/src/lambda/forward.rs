//! A function behind somebody else's Lambda Invoke API, such as `cargo lambda watch`.
//!
//! Truth: <https://docs.aws.amazon.com/lambda/latest/dg/API_Invoke.html>.

use std::borrow::Cow;
use std::io;

use bytes::Bytes;
use serde_json::Value;
use tokio::net::TcpStream;
use tokio::time::timeout;

use super::function::{InvalidFunction, LONGEST_TIMEOUT};
use super::invocation::{Attempt, Ran};
use super::process::timed_out;
use crate::errors::{ApiError, ErrorCode};
use crate::http::{self, Method, Request, Response, Uri, header};
use crate::names::Scope;
use crate::time::Clock;

/// The most that an endpoint may answer, in bytes: a little more than AWS's 6 MB.
const ANSWER_BYTES: usize = 8 * 1024 * 1024;

/// Where functions are invoked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Endpoint {
    authority: String,
    /// What stands before `/2015-03-31`, or the whole path of one function.
    path: String,
    whole: bool,
}

impl Endpoint {
    /// Reads `http://HOST[:PORT][/PATH]`.
    pub(super) fn parse(url: &str) -> Result<Self, InvalidFunction> {
        let refuse = |why| InvalidFunction::Url { url: url.to_owned(), why };
        let uri: Uri = url.parse().map_err(|_| refuse("not a URL"))?;
        if uri.scheme_str() == Some("https") {
            return Err(refuse("only plain HTTP is spoken to functions"));
        }
        if uri.scheme_str() != Some("http") {
            return Err(refuse("it must begin with http://"));
        }
        let host = uri.host().filter(|host| !host.is_empty()).ok_or_else(|| refuse("no host"))?;
        let path = uri.path().trim_end_matches('/').to_owned();
        let whole = path.ends_with("/invocations");
        let authority = format!("{host}:{}", uri.port_u16().unwrap_or(80));
        Ok(Self { authority, path, whole })
    }

    fn target(&self, name: &str) -> String {
        if self.whole {
            return self.path.clone();
        }
        format!("{}/2015-03-31/functions/{name}/invocations", self.path)
    }

    /// Runs the function `name` there, once.
    ///
    /// It always waits for the result, also where the event is asynchronous: retries are made here,
    /// so that the emulator knows when the function has finished.
    pub(super) async fn run(
        &self,
        scope: &Scope,
        name: &str,
        attempt: &Attempt,
    ) -> Result<Ran, ApiError> {
        let request = self.request(scope, name, attempt)?;
        let Ok(answer) = timeout(LONGEST_TIMEOUT, self.exchange(request)).await else {
            return Ok(timed_out(&attempt.request_id, LONGEST_TIMEOUT));
        };
        let response = answer.map_err(|error| {
            unavailable(format!("cannot invoke {name} at http://{}: {error}", self.authority))
        })?;
        self.read(name, response)
    }

    async fn exchange(&self, request: Request) -> io::Result<Response> {
        let stream = TcpStream::connect(&self.authority).await?;
        http::exchange(stream, request, ANSWER_BYTES).await
    }

    fn request(&self, scope: &Scope, name: &str, attempt: &Attempt) -> Result<Request, ApiError> {
        let target = self.target(name);
        let uri =
            target.parse().map_err(|_| unavailable(format!("no URL for {name}: {target}")))?;
        let mut headers = http::HeaderMap::new();
        let day = Clock::System.now().format("%Y%m%d");
        // Other emulators take the account and the Region from here, and look no further.
        let authorization = format!(
            "AWS4-HMAC-SHA256 Credential={}/{day}/{}/lambda/aws4_request, \
             SignedHeaders=host, Signature={:064}",
            scope.account, scope.region, 0
        );
        let context = attempt.invocation.client_context.as_deref();
        let lines = [
            ("host", Some(self.authority.as_str())),
            ("content-type", Some("application/json")),
            ("authorization", Some(authorization.as_str())),
            ("x-amz-invocation-type", Some("RequestResponse")),
            ("x-amz-log-type", Some("Tail")),
            ("x-amz-client-context", context),
            ("x-amzn-trace-id", Some(attempt.trace_id.as_str())),
        ];
        for (name, value) in lines {
            let value = value.and_then(|value| header::HeaderValue::from_str(value).ok());
            if let Some(value) = value {
                headers.insert(name, value);
            }
        }
        let body = attempt.invocation.payload.clone();
        Ok(Request { method: Method::POST, uri, headers, body })
    }

    fn read(&self, name: &str, response: Response) -> Result<Ran, ApiError> {
        let text = |name: &str| response.headers().get(name)?.to_str().ok().map(str::to_owned);
        if !response.status().is_success() {
            return Err(self.refusal(name, &response));
        }
        let function_error = text("x-amz-function-error").map(Cow::Owned);
        let log_tail = text("x-amz-log-result").and_then(|log| decode(&log)).unwrap_or_default();
        Ok(Ran { payload: response.into_body(), function_error, log_tail })
    }

    /// What the endpoint refuses is refused with the same exception, as far as `Invoke` has it.
    fn refusal(&self, name: &str, response: &Response) -> ApiError {
        let status = response.status().as_u16();
        let message = message_of(response.body());
        let code = match status {
            400 => ErrorCode::InvalidRequestContentException,
            404 => ErrorCode::ResourceNotFoundException,
            413 => ErrorCode::RequestTooLargeException,
            429 => ErrorCode::TooManyRequestsException,
            _ => ErrorCode::ServiceException,
        };
        let text = format!("{name} at http://{} answered {status}: {message}", self.authority);
        ApiError::new(code, text)
    }
}

fn unavailable(text: String) -> ApiError {
    ApiError::new(ErrorCode::ServiceException, text)
}

fn decode(base64: &str) -> Option<String> {
    use base64::Engine;

    let bytes = base64::prelude::BASE64_STANDARD.decode(base64).ok()?;
    Some(String::from_utf8_lossy(&bytes).into_owned())
}

/// The `message` of an AWS error, or as much of the body as a line holds.
fn message_of(body: &Bytes) -> String {
    let json: Option<Value> = serde_json::from_slice(body).ok();
    let message =
        json.as_ref().and_then(|json| json.get("message").or_else(|| json.get("Message")));
    match message.and_then(Value::as_str) {
        Some(message) => message.to_owned(),
        None => String::from_utf8_lossy(body).chars().take(200).collect(),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn an_endpoint_is_the_root_of_the_invoke_api_or_one_function() {
        let table = [
            ("http://127.0.0.1:9001", "127.0.0.1:9001", "/2015-03-31/functions/f/invocations"),
            ("http://localhost/", "localhost:80", "/2015-03-31/functions/f/invocations"),
            ("http://[::1]:9/a/", "[::1]:9", "/a/2015-03-31/functions/f/invocations"),
            (
                "http://localhost:9000/2015-03-31/functions/function/invocations",
                "localhost:9000",
                "/2015-03-31/functions/function/invocations",
            ),
        ];
        for (url, authority, target) in table {
            let endpoint = Endpoint::parse(url).unwrap();
            assert_eq!(
                (endpoint.authority.as_str(), endpoint.target("f").as_str()),
                (authority, target)
            );
        }
    }

    proptest! {
        #[test]
        fn no_text_makes_parsing_panic(url in "(http://)?[a-z0-9:/@\\[\\]?#é-]{0,30}") {
            let _either = Endpoint::parse(&url);
        }
    }
}
