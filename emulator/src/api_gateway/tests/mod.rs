//! API Gateway as its users see it: operations with the JSON of the AWS CLI, requests and answers.

mod domains;
mod operations;
mod requests;
mod truststores;

use std::sync::Arc;

use bytes::Bytes;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use super::ApiGateway;
use crate::errors::ApiError;
use crate::http::{HeaderMap, Request};
use crate::lambda::{FunctionHost, Functions};
use crate::names::Scope;
use crate::s3::Buckets;
use crate::time::{Clock, Timestamp};

/// 2020-09-13T12:26:40Z.
const NOW: Timestamp = Timestamp::from_seconds(1_600_000_000);
const ACCOUNT: &str = "123456789012";

fn scope() -> Scope {
    Scope::new(ACCOUNT, "us-east-1")
}

/// A gateway with what it stands on.
struct Bench {
    /// Functions run as long as it is there.
    _host: FunctionHost,
    gateway: ApiGateway,
    functions: Functions,
    buckets: Buckets,
}

fn bench() -> Bench {
    let host = FunctionHost::new(7, Box::new(|_, _, _| {}));
    let functions = Functions::new(scope(), &host);
    let buckets = Buckets::new(None);
    let gateway = ApiGateway::new(scope(), 7, functions.clone(), buckets.clone(), Clock::default());
    Bench { _host: host, gateway, functions, buckets }
}

/// Calls an operation with the JSON that the AWS CLI takes, and gives the JSON that it prints.
fn call<I: DeserializeOwned, O: Serialize>(
    operation: impl FnOnce(&ApiGateway, I, Timestamp) -> Result<O, ApiError>,
    gateway: &ApiGateway,
    input: Value,
) -> Result<Value, ApiError> {
    let input = serde_json::from_value(input).expect("the input has the operation's members");
    operation(gateway, input, NOW).map(|output| serde_json::to_value(output).unwrap())
}

/// Calls an operation that succeeds.
macro_rules! ok {
    ($gateway:expr, $operation:ident, $input:tt) => {
        call(ApiGateway::$operation, &$gateway, json!($input)).unwrap()
    };
}
use ok;

/// Calls an operation that only looks.
macro_rules! got {
    ($gateway:expr, $operation:ident, $input:tt) => {
        call(|gateway, input, _now| gateway.$operation(input), &$gateway, json!($input)).unwrap()
    };
}
use got;

/// Calls an operation that only looks and is refused.
macro_rules! not_got {
    ($gateway:expr, $operation:ident, $input:tt) => {
        call(|gateway, input, _now| gateway.$operation(input), &$gateway, json!($input))
            .unwrap_err()
            .to_string()
    };
}
use not_got;

/// Calls an operation that is refused, and gives `Exception: text`.
macro_rules! refused {
    ($gateway:expr, $operation:ident, $input:tt) => {
        call(ApiGateway::$operation, &$gateway, json!($input)).unwrap_err().to_string()
    };
}
use refused;

fn text<'a>(value: &'a Value, member: &str) -> &'a str {
    value[member].as_str().unwrap_or_else(|| panic!("{member} in {value}"))
}

fn request(method: &str, uri: &str, headers: &[(&str, &str)], body: &str) -> Request {
    let mut map = HeaderMap::new();
    for (name, value) in headers {
        let name = crate::http::header::HeaderName::from_bytes(name.as_bytes()).unwrap();
        map.append(name, value.parse().unwrap());
    }
    let (method, uri) = (method.parse().unwrap(), uri.parse().unwrap());
    Request { method, uri, headers: map, body: Bytes::copy_from_slice(body.as_bytes()) }
}

/// What a function was told, for a test to look at.
type Told = Arc<std::sync::Mutex<Vec<Value>>>;
