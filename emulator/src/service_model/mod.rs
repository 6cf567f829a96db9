//! What AWS's own service models say of each operation: method, URI, status, where its members
//! travel, what they must be, and the exceptions that it declares.
//!
//! It reads the tables that `scripts/models` takes from botocore, and decides whether an input is
//! what the model allows. What an operation then does is decided in its room.
//! Truth: botocore's `service-2.json` of each service, version in the first line of each table.

mod check;
mod table;

use std::sync::LazyLock;

use serde::de::DeserializeOwned;
use serde_json::Value;

pub(crate) use self::table::{Member, Operation, Place, ServiceModel};

use crate::errors::{ApiError, ErrorCode};

/// AWS IoT Core's control plane.
pub(crate) static IOT: LazyLock<ServiceModel> =
    LazyLock::new(|| ServiceModel::parse(include_str!("iot.txt")));
/// Its data plane.
pub(crate) static IOT_DATA: LazyLock<ServiceModel> =
    LazyLock::new(|| ServiceModel::parse(include_str!("iot_data.txt")));
/// AWS Lambda.
pub(crate) static LAMBDA: LazyLock<ServiceModel> =
    LazyLock::new(|| ServiceModel::parse(include_str!("lambda.txt")));
/// API Gateway, HTTP APIs.
pub(crate) static API_GATEWAY_V2: LazyLock<ServiceModel> =
    LazyLock::new(|| ServiceModel::parse(include_str!("apigatewayv2.txt")));

/// The input of an AWS IoT operation, if the model allows it; else AWS's complaint.
pub(crate) fn read<I: DeserializeOwned>(operation: &str, members: Value) -> Result<I, ApiError> {
    if let Some(operation) = IOT.operation(operation) {
        IOT.check(operation, &members).map_err(ApiError::invalid_request)?;
    }
    of_members(members)
}

/// The input as a type, once the model has allowed it.
pub(crate) fn of_members<I: DeserializeOwned>(members: Value) -> Result<I, ApiError> {
    // Null counts as absent; types behind an allowed input can then not be wrong.
    serde_json::from_value(without_nulls(members))
        .map_err(|error| ApiError::new(ErrorCode::InvalidRequestException, error.to_string()))
}

fn without_nulls(members: Value) -> Value {
    match members {
        Value::Object(mut members) => {
            members.retain(|_, value| !value.is_null());
            Value::Object(members)
        }
        other => other,
    }
}

#[cfg(test)]
mod tests;
