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
use serde_json::{Map, Value};

pub(crate) use self::check::Extent;
pub(crate) use self::table::{Member, Operation, Place, ServiceModel};

use crate::errors::{ApiError, ErrorCode};

/// AWS IoT Core's control plane.
pub(crate) static IOT: LazyLock<ServiceModel> =
    LazyLock::new(|| ServiceModel::new(include_str!("iot.txt")));
/// Its data plane.
pub(crate) static IOT_DATA: LazyLock<ServiceModel> =
    LazyLock::new(|| ServiceModel::new(include_str!("iot_data.txt")));
/// AWS Lambda.
pub(crate) static LAMBDA: LazyLock<ServiceModel> =
    LazyLock::new(|| ServiceModel::new(include_str!("lambda.txt")));
/// API Gateway, HTTP APIs.
pub(crate) static API_GATEWAY_V2: LazyLock<ServiceModel> =
    LazyLock::new(|| ServiceModel::new(include_str!("apigatewayv2.txt")));

//? assumed: the text; AWS's own differs by service and version
/// The complaint about an input that is no JSON object.
pub(crate) const NOT_AN_OBJECT: &str = "Invalid request content: not a JSON object";

/// The operation of one of `services` that `method` and `path` mean, if AWS has it and we do not.
pub(crate) fn not_here(
    services: &[&str],
    method: &str,
    path: &str,
) -> Option<(&'static str, &'static str)> {
    let parts = || path.trim_matches('/').split('/');
    let mut nearest: Option<(usize, (&'static str, &'static str))> = None;
    for line in include_str!("not_here.txt").lines().filter(|line| !line.starts_with('#')) {
        let mut words = line.split(' ');
        let mut word = || words.next().unwrap_or_default();
        let (service, name, its_method, uri) = (word(), word(), word(), word());
        let segments = || uri.trim_matches('/').split('/');
        let same = |(segment, part): (&str, &str)| segment.starts_with('{') || segment == part;
        let literal = segments().filter(|segment| !segment.starts_with('{')).count();
        if services.contains(&service)
            && its_method == method
            && segments().count() == parts().count()
            && segments().zip(parts()).all(same)
            && nearest.is_none_or(|(most, _)| literal > most)
        {
            nearest = Some((literal, (service, name)));
        }
    }
    nearest.map(|(_, operation)| operation)
}

/// The input of an AWS IoT operation, if the model allows it; else AWS's complaint.
pub(crate) fn read<I: DeserializeOwned>(operation: &str, members: Value) -> Result<I, ApiError> {
    if let Some(operation) = IOT.operation(operation) {
        IOT.check(operation, &members, Extent::All).map_err(ApiError::invalid_request)?;
    }
    of_members(members)
}

/// The input as a type, once the model has allowed it.
pub(crate) fn of_members<I: DeserializeOwned>(members: Value) -> Result<I, ApiError> {
    // Null counts as absent; types behind an allowed input can then not be wrong.
    let members = if members.is_null() { Map::new().into() } else { without_nulls(members) };
    serde_json::from_value(members)
        .map_err(|error| ApiError::new(ErrorCode::InvalidRequestException, error.to_string()))
}

fn without_nulls(value: Value) -> Value {
    match value {
        Value::Object(members) => {
            let members = members.into_iter().filter(|(_, value)| !value.is_null());
            members.map(|(name, value)| (name, without_nulls(value))).collect()
        }
        Value::Array(items) => items.into_iter().map(without_nulls).collect(),
        other => other,
    }
}

#[cfg(test)]
mod tests;
