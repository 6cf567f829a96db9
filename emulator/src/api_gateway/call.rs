//! One request on its way: the API, stage and route that it belongs to, and the names of all that.

use std::collections::BTreeMap;
use std::net::IpAddr;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE;
use uuid::Uuid;

use super::route_key::{PathParameters, RouteKey};
use crate::http::Request;
use crate::names::Scope;
use crate::pki::Certificate;
use crate::time::Timestamp;

/// A request that a route was found for.
pub(super) struct Call<'a> {
    pub(super) scope: &'a Scope,
    pub(super) api_id: &'a str,
    pub(super) stage: &'a str,
    pub(super) stage_variables: &'a BTreeMap<String, String>,
    pub(super) domain_name: &'a str,
    /// The key of the API mapping; empty for `(none)` and for default endpoints.
    pub(super) mapping_key: &'a str,
    pub(super) route_key: &'a RouteKey,
    pub(super) path_parameters: &'a PathParameters,
    /// The path that the API sees, decoded.
    pub(super) path: &'a str,
    pub(super) request: &'a Request,
    /// The trusted client certificate, where mutual TLS is on.
    pub(super) client: Option<&'a Certificate>,
    pub(super) source_ip: IpAddr,
    pub(super) request_id: &'a str,
    pub(super) trace_id: String,
    pub(super) now: Timestamp,
}

impl Call<'_> {
    /// The first label of the domain name.
    pub(super) fn domain_prefix(&self) -> &str {
        self.domain_name.split('.').next().unwrap_or_default()
    }

    //= https://github.com/CodeGenieApp/serverless-express/issues/465
    //# observed: rawPath begins with a named stage, behind a custom domain name as well, and never
    //# has the key of the API mapping
    /// The path as payload format 2.0 has it.
    pub(super) fn path_with_stage(&self) -> String {
        match self.stage {
            "$default" => self.path.to_owned(),
            stage => format!("/{stage}{}", self.path),
        }
    }

    //= https://docs.aws.amazon.com/apigateway/latest/developerguide/http-api-develop-integrations-lambda.html
    //# the API mapping is in `path` of format 1.0
    //= https://github.com/dougmoscrop/serverless-http/pull/143
    //# observed: on the default endpoint `path` begins with a named stage
    /// The path as payload format 1.0 has it.
    pub(super) fn path_with_mapping(&self) -> String {
        match self.mapping_key {
            "" => self.path_with_stage(),
            key if self.path == "/" => format!("/{key}"),
            key => format!("/{key}{}", self.path),
        }
    }
}

//= https://aasisodiya.github.io/nodejs/nodejs-aws/nodejs-aws-apigw
//# observed: an HTTP API answers `Apigw-Requestid: KtUfbjJIg=`-like IDs, not UUIDs
/// A request ID in the form of an HTTP API's, made of `uuid`.
pub(super) fn request_id(uuid: Uuid) -> String {
    URL_SAFE.encode(uuid.as_bytes().get(..11).unwrap_or_default())
}

//= https://docs.aws.amazon.com/xray/latest/devguide/xray-concepts.html
//# a trace ID is `1-`, the second in 8 hex digits, `-`, and 24 hex digits
/// The value of `x-amzn-trace-id` for a request that came without.
pub(super) fn trace_id(uuid: Uuid, now: Timestamp) -> String {
    let rest = crate::names::hex(uuid.as_bytes().get(4..).unwrap_or_default());
    format!("Root=1-{:08x}-{rest}", now.milliseconds() / 1000)
}
