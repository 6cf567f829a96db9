//! The words between whoever invokes a function and whatever runs it.

use std::borrow::Cow;

use bytes::Bytes;
use serde_json::{Value, json};

use crate::names::Arn;

/// An event for a function, and what may accompany it.
#[derive(Clone, Debug, Default)]
pub(crate) struct Invocation {
    /// The event, JSON; empty counts as `{}`.
    pub(crate) payload: Bytes,
    /// `X-Amz-Client-Context`, base64 JSON, for a synchronous invocation.
    pub(crate) client_context: Option<String>,
}

impl From<Bytes> for Invocation {
    fn from(payload: Bytes) -> Self {
        Self { payload, client_context: None }
    }
}

/// What `Invoke` answers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct InvokeAnswer {
    /// 200 with a result or a function error, 202 for a queued event, 204 for a dry run.
    pub(crate) status: u16,
    /// The result, or the function's error as JSON.
    pub(crate) payload: Bytes,
    /// `X-Amz-Function-Error`: `Unhandled`, or what an endpoint says.
    pub(crate) function_error: Option<Cow<'static, str>>,
    /// `X-Amz-Executed-Version`.
    pub(crate) executed_version: Option<&'static str>,
    /// The last 4 KB of the log, for `X-Amz-Log-Result` (in base64) where `X-Amz-Log-Type: Tail`.
    pub(crate) log_tail: String,
    /// `x-amzn-RequestId`.
    pub(crate) request_id: String,
}

/// One run of a function: an invocation that has its request ID.
#[derive(Clone, Debug)]
pub(super) struct Attempt {
    pub(super) request_id: String,
    /// What `_X_AMZN_TRACE_ID` becomes.
    pub(super) trace_id: String,
    pub(super) function_arn: Arn,
    pub(super) invocation: Invocation,
}

/// How one run went.
#[derive(Clone, Debug)]
pub(super) struct Ran {
    pub(super) payload: Bytes,
    pub(super) function_error: Option<Cow<'static, str>>,
    pub(super) log_tail: String,
}

impl Ran {
    /// The function returned `payload`.
    pub(super) fn result(payload: Bytes) -> Self {
        Self { payload, function_error: None, log_tail: String::new() }
    }

    //= https://docs.aws.amazon.com/lambda/latest/dg/API_Invoke.html
    //# a function error still answers 200; the header says so, and the payload tells about it
    /// The function failed; `payload` is what its runtime reported.
    pub(super) fn error(payload: Bytes) -> Self {
        Self { payload, function_error: Some(Cow::Borrowed("Unhandled")), log_tail: String::new() }
    }

    /// The function failed, and we word the report.
    pub(super) fn failed(error_type: &str, error_message: &str) -> Self {
        let report = json!({ "errorType": error_type, "errorMessage": error_message });
        Self::error(json_bytes(&report))
    }
}

/// `value` as JSON text.
pub(super) fn json_bytes(value: &Value) -> Bytes {
    Bytes::from(value.to_string())
}
