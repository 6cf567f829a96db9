//! Integrations: `AWS_PROXY` with a Lambda function. Others are refused by name.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::page::{MaxResults, Page, page};
use super::refusals::{bad_request, not_done, refuse_members};
use super::{ApiGateway, State};
use crate::errors::ApiError;
use crate::names::{Arn, Scope};
use crate::time::Timestamp;

//= https://docs.aws.amazon.com/apigateway/latest/developerguide/http-api-quotas.html
//# an integration of an HTTP API has 30 seconds, and the quota is not raised
const TIMEOUT_IN_MILLIS: u64 = 30_000;

/// An integration as AWS describes it.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Integration {
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub(crate) api_gateway_managed: bool,
    pub(crate) connection_type: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) credentials_arn: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) description: Option<String>,
    pub(crate) integration_id: String,
    pub(crate) integration_method: &'static str,
    pub(crate) integration_type: &'static str,
    pub(crate) integration_uri: String,
    pub(crate) payload_format_version: PayloadFormat,
    pub(crate) timeout_in_millis: u64,
    /// The function that `integration_uri` names.
    #[serde(skip)]
    pub(super) function: Arn,
}

/// The shape of the event and of the function's answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub(crate) enum PayloadFormat {
    #[serde(rename = "1.0")]
    V1,
    #[serde(rename = "2.0")]
    V2,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub(crate) struct CreateIntegrationRequest {
    pub(crate) api_id: String,
    pub(crate) connection_id: Option<Value>,
    pub(crate) connection_type: Option<String>,
    pub(crate) content_handling_strategy: Option<Value>,
    pub(crate) credentials_arn: Option<String>,
    pub(crate) description: Option<String>,
    pub(crate) integration_method: Option<String>,
    pub(crate) integration_subtype: Option<Value>,
    pub(crate) integration_type: String,
    pub(crate) integration_uri: Option<String>,
    pub(crate) passthrough_behavior: Option<Value>,
    pub(crate) payload_format_version: Option<String>,
    pub(crate) request_parameters: Option<Value>,
    pub(crate) request_templates: Option<Value>,
    pub(crate) response_parameters: Option<Value>,
    pub(crate) template_selection_expression: Option<Value>,
    pub(crate) timeout_in_millis: Option<u64>,
    pub(crate) tls_config: Option<Value>,
}

/// What the lists of one API ask for.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub(crate) struct ListOfApiRequest {
    pub(crate) api_id: String,
    pub(crate) max_results: Option<MaxResults>,
    pub(crate) next_token: Option<String>,
}

impl ApiGateway {
    /// `CreateIntegration`.
    pub(crate) fn create_integration(
        &self,
        input: CreateIntegrationRequest,
        now: Timestamp,
    ) -> Result<Integration, ApiError> {
        self.lock().add_integration(self.scope(), input, false, now)
    }

    /// `GetIntegrations`.
    pub(crate) fn get_integrations(
        &self,
        input: ListOfApiRequest,
    ) -> Result<Page<Integration>, ApiError> {
        let state = self.lock();
        let api = state.api(self.scope(), &input.api_id)?;
        let items = api.integrations.values().cloned().collect();
        page(items, input.max_results.as_ref(), input.next_token.as_deref())
    }
}

impl State {
    pub(super) fn add_integration(
        &mut self,
        scope: &Scope,
        input: CreateIntegrationRequest,
        managed: bool,
        now: Timestamp,
    ) -> Result<Integration, ApiError> {
        self.api(scope, &input.api_id)?;
        let function = check(&input)?;
        let integration = Integration {
            api_gateway_managed: managed,
            connection_type: "INTERNET",
            credentials_arn: input.credentials_arn,
            description: input.description,
            integration_id: self.identifiers.next(7),
            integration_method: "POST",
            integration_type: "AWS_PROXY",
            integration_uri: input.integration_uri.unwrap_or_default(),
            payload_format_version: payload_format(input.payload_format_version.as_deref())?,
            timeout_in_millis: input.timeout_in_millis.unwrap_or(TIMEOUT_IN_MILLIS),
            function,
        };
        let api = self.api_mut(scope, &input.api_id)?;
        api.integrations.insert(integration.integration_id.clone(), integration.clone());
        self.deploy_changes(&input.api_id, now);
        Ok(integration)
    }
}

/// Refuses what is not done or not right; gives the function.
fn check(input: &CreateIntegrationRequest) -> Result<Arn, ApiError> {
    match input.integration_type.as_str() {
        "AWS_PROXY" => {}
        "HTTP_PROXY" => return Err(not_done("integrationType HTTP_PROXY")),
        //= https://github.com/aws/aws-cli/issues/6363
        //# the text for the types that only other kinds of API have
        "AWS" | "HTTP" | "MOCK" => {
            return Err(bad_request(
                "Currently, an API with a protocol type of HTTP may only be associated with proxy \
                 integrations (AWS_PROXY, HTTP_PROXY)",
            ));
        }
        _ => return Err(bad_request("Invalid integration type specified")),
    }
    if input.connection_type.as_deref().is_some_and(|kind| kind != "INTERNET") {
        return Err(not_done("connectionType VPC_LINK"));
    }
    refuse_members(&[
        ("connectionId", input.connection_id.is_some()),
        ("contentHandlingStrategy", input.content_handling_strategy.is_some()),
        ("integrationSubtype", input.integration_subtype.is_some()),
        ("passthroughBehavior", input.passthrough_behavior.is_some()),
        ("requestParameters", input.request_parameters.is_some()),
        ("requestTemplates", input.request_templates.is_some()),
        ("responseParameters", input.response_parameters.is_some()),
        ("templateSelectionExpression", input.template_selection_expression.is_some()),
        ("tlsConfig", input.tls_config.is_some()),
    ])?;
    //= https://docs.aws.amazon.com/apigateway/latest/developerguide/http-api-develop-integrations-lambda.html
    //# a Lambda function is always called with POST
    if input.integration_method.as_deref().is_some_and(|method| method != "POST") {
        return Err(bad_request("Invalid integrationMethod: a Lambda integration has POST"));
    }
    if input.timeout_in_millis.is_some_and(|timeout| !(50..=TIMEOUT_IN_MILLIS).contains(&timeout)) {
        return Err(bad_request("Timeout should be between 50 ms and 30000 ms"));
    }
    let uri = input.integration_uri.as_deref().unwrap_or_default();
    function_of(uri).ok_or_else(|| {
        bad_request(format!("Invalid integrationUri {uri}: the ARN of a Lambda function is wanted"))
    })
}

//= https://docs.aws.amazon.com/apigateway/latest/developerguide/http-api-develop-integrations-lambda.html
//# a client other than the console must state payloadFormatVersion; 1.0 and 2.0 are supported
fn payload_format(given: Option<&str>) -> Result<PayloadFormat, ApiError> {
    match given {
        Some("1.0") => Ok(PayloadFormat::V1),
        Some("2.0") => Ok(PayloadFormat::V2),
        None => Err(bad_request("payloadFormatVersion is a required parameter for AWS_PROXY")),
        Some(_) => Err(bad_request("Invalid payloadFormatVersion: 1.0 and 2.0 are supported")),
    }
}

//= https://docs.aws.amazon.com/apigatewayv2/latest/api-reference/apis-apiid-integrations.html
//# the function's ARN, or `…:lambda:path/2015-03-31/functions/ARN/invocations` around it
/// The function that an integration's URI names.
fn function_of(uri: &str) -> Option<Arn> {
    let arn = match uri.split_once(":lambda:path/2015-03-31/functions/") {
        Some((head, rest)) if head.starts_with("arn:") => rest.strip_suffix("/invocations")?,
        _ => uri,
    };
    let mut parts = arn.split(':');
    let is_function = parts.next() == Some("arn")
        && parts.next().is_some_and(|partition| partition.starts_with("aws"))
        && parts.next() == Some("lambda")
        && parts.next().is_some_and(|region| !region.is_empty())
        && parts.next().is_some_and(|account| account.len() == 12)
        && parts.next() == Some("function")
        && parts.next().is_some_and(|name| !name.is_empty());
    is_function.then(|| Arn::new(arn))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_integration_uri_names_a_function() {
        let function = "arn:aws:lambda:us-east-1:123456789012:function:sample";
        let wrapped = format!(
            "arn:aws:apigateway:us-east-1:lambda:path/2015-03-31/functions/{function}/invocations"
        );
        let alias = format!("{function}:live");
        let table = [
            (function, Some(function)),
            (wrapped.as_str(), Some(function)),
            (alias.as_str(), Some(alias.as_str())),
            ("arn:aws:lambda:us-east-1:123456789012:function:", None),
            ("arn:aws:s3:::bucket", None),
            ("https://example.com", None),
            ("sample", None),
            ("", None),
        ];
        for (uri, expected) in table {
            assert_eq!(function_of(uri), expected.map(Arn::new), "{uri}");
        }
    }
}
