//! THE table: every AWS operation that is here, with its method, its URI, where its members live on
//! the wire, and the method that answers it. What is not in the table is refused by name.
//!
//! Truth: the service models of botocore (`iot`, `iot-data`, `lambda`, `apigatewayv2`).
//!
//! A row's wire column reads: method, URI, then the members that live elsewhere than in the JSON
//! body: `?member` in the query, `^member` in a header, `*member` is the whole body. `=name` is
//! the name on the wire where it differs, `:bool` and `:int` the type where it is not text.

use std::fmt;
use std::sync::LazyLock;

use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

use super::wire::Wire;
use crate::api_gateway::ApiGateway;
use crate::errors::{ApiError, ErrorCode};
use crate::iot_core::IotCore;
use crate::lambda::Functions;
use crate::registry::Registry;
use crate::rules_engine::RulesEngine;
use crate::time::Timestamp;

/// An AWS service with its own set of operations.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Service {
    /// AWS IoT Core's control plane.
    Iot,
    /// Its data plane.
    IotData,
    /// AWS Lambda.
    Lambda,
    /// API Gateway, HTTP APIs.
    ApiGatewayV2,
}

impl Service {
    /// The service that signs its requests as `name`.
    pub(crate) fn of_signing_name(name: &str) -> Option<&'static [Self]> {
        Some(match name {
            //= https://docs.aws.amazon.com/iot/latest/developerguide/protocols.html
            //# data-plane requests are signed for `iotdata`; older clients say `iotdevicegateway`
            "iotdata" | "iotdevicegateway" => &[Self::IotData],
            "iot" | "execute-api" => &[Self::Iot],
            "lambda" => &[Self::Lambda],
            "apigateway" => &[Self::ApiGatewayV2],
            _ => return None,
        })
    }

    /// As the AWS CLI calls it.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Iot => "iot",
            Self::IotData => "iot-data",
            Self::Lambda => "lambda",
            Self::ApiGatewayV2 => "apigatewayv2",
        }
    }
}

type Method<S> = Box<dyn Fn(&S, Value) -> Result<Value, ApiError> + Send + Sync>;
type TimedMethod<S> = Box<dyn Fn(&S, Value, Timestamp) -> Result<Value, ApiError> + Send + Sync>;

/// Who answers an operation.
pub(crate) enum Handler {
    /// The `IotCore` of the caller's account and Region.
    Iot(Method<IotCore>),
    /// Its Lambda functions.
    Lambda(TimedMethod<Functions>),
    /// Its API gateway.
    ApiGateway(TimedMethod<ApiGateway>),
    /// `lambda:Invoke`, the one operation that waits for somebody.
    Invoke,
    /// The data endpoint, which reads the request itself, as behind its other doors.
    IotData,
}

/// One row of the table.
pub(crate) struct Operation {
    pub(crate) service: Service,
    pub(crate) name: &'static str,
    pub(crate) status: u16,
    pub(crate) wire: Wire,
    pub(crate) handler: Handler,
}

impl fmt::Debug for Operation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.service.name(), self.name)
    }
}

/// The row of `name`, if it is here.
pub(crate) fn find(service: Service, name: &str) -> Option<&'static Operation> {
    OPERATIONS.iter().find(|operation| operation.service == service && operation.name == name)
}

fn row(
    service: Service,
    name: &'static str,
    status: u16,
    wire: &'static str,
    handler: Handler,
) -> Operation {
    Operation { service, name, status, wire: Wire::parse(wire), handler }
}

/// Reads the input of an operation, in AWS's words if a member is missing or of a wrong type.
fn input<I: DeserializeOwned>(members: Value) -> Result<I, ApiError> {
    serde_json::from_value(members).map_err(|error| super::wire::invalid_input(&error))
}

fn output<O: Serialize>(output: O) -> Result<Value, ApiError> {
    serde_json::to_value(output)
        .map_err(|error| ApiError::new(ErrorCode::InternalFailureException, error.to_string()))
}

/// A method that answers an operation. Some change the state and some do not, some ask for the time
/// and some do not; `Shape` tells them apart.
trait Operate<S, I, O, Shape>: Send + Sync + 'static {
    fn operate(&self, state: &mut S, input: I, now: Timestamp) -> Result<O, ApiError>;
}

macro_rules! shapes {
    ($($state:ty, $input:ty $(, $now:ty)?;)*) => {$(
        impl<S, I, O, F> Operate<S, I, O, fn($state, $input $(, $now)?)> for F
        where
            F: Fn($state, $input $(, $now)?) -> Result<O, ApiError> + Send + Sync + 'static,
        {
            fn operate(&self, state: &mut S, input: I, now: Timestamp) -> Result<O, ApiError> {
                let _unless_asked_for = now;
                self(state, input $(, { let now: $now = now; now })?)
            }
        }
    )*};
}

shapes! {
    &mut S, I;
    &mut S, I, Timestamp;
    &S, I;
    &S, I, Timestamp;
}

fn registry<I, O, Shape>(method: impl Operate<Registry, I, O, Shape>) -> Handler
where
    I: DeserializeOwned,
    O: Serialize,
{
    Handler::Iot(Box::new(move |iot, members| {
        let input = input(members)?;
        output(iot.registry(|registry, now| method.operate(registry, input, now))?)
    }))
}

fn rules<I, O, Shape>(method: impl Operate<RulesEngine, I, O, Shape>) -> Handler
where
    I: DeserializeOwned,
    O: Serialize,
{
    Handler::Iot(Box::new(move |iot, members| {
        let input = input(members)?;
        output(iot.rules(|rules, now| method.operate(rules, input, now))?)
    }))
}

fn iot<I, O, Shape>(method: impl Operate<IotCore, I, O, Shape>) -> Handler
where
    I: DeserializeOwned,
    O: Serialize,
{
    Handler::Iot(Box::new(move |iot, members| {
        output(method.operate(&mut iot.clone(), input(members)?, iot.now())?)
    }))
}

fn lambda<I, O, Shape>(method: impl Operate<Functions, I, O, Shape>) -> Handler
where
    I: DeserializeOwned,
    O: Serialize,
{
    Handler::Lambda(Box::new(move |functions, members, now| {
        output(method.operate(&mut functions.clone(), input(members)?, now)?)
    }))
}

fn gateway<I, O, Shape>(method: impl Operate<ApiGateway, I, O, Shape>) -> Handler
where
    I: DeserializeOwned,
    O: Serialize,
{
    Handler::ApiGateway(Box::new(move |gateway, members, now| {
        output(method.operate(&mut gateway.clone(), input(members)?, now)?)
    }))
}

/// Every operation that is here.
#[rustfmt::skip]
pub(crate) static OPERATIONS: LazyLock<Vec<Operation>> = LazyLock::new(|| {
    use Service::{ApiGatewayV2, Iot, IotData, Lambda};
    vec![
        row(Iot, "GetRegistrationCode", 200, "GET /registrationcode", registry(Registry::get_registration_code)),
        row(Iot, "DeleteRegistrationCode", 200, "DELETE /registrationcode", registry(Registry::delete_registration_code)),
        row(Iot, "RegisterCACertificate", 200, "POST /cacertificate ?setAsActive:bool ?allowAutoRegistration:bool", iot(IotCore::register_ca_certificate)),
        row(Iot, "DescribeCACertificate", 200, "GET /cacertificate/{certificateId}", registry(Registry::describe_ca_certificate)),
        row(Iot, "UpdateCACertificate", 200, "PUT /cacertificate/{certificateId} ?newStatus ?newAutoRegistrationStatus", registry(Registry::update_ca_certificate)),
        row(Iot, "DeleteCACertificate", 200, "DELETE /cacertificate/{certificateId}", registry(Registry::delete_ca_certificate)),
        row(Iot, "ListCACertificates", 200, "GET /cacertificates ?pageSize:int ?marker ?ascendingOrder=isAscendingOrder:bool ?templateName", registry(Registry::list_ca_certificates)),
        row(Iot, "ListCertificatesByCA", 200, "GET /certificates-by-ca/{caCertificateId} ?pageSize:int ?marker ?ascendingOrder=isAscendingOrder:bool", registry(Registry::list_certificates_by_ca)),
        row(Iot, "CreateKeysAndCertificate", 200, "POST /keys-and-certificate ?setAsActive:bool", iot(IotCore::create_keys_and_certificate)),
        row(Iot, "CreateCertificateFromCsr", 200, "POST /certificates ?setAsActive:bool", iot(IotCore::create_certificate_from_csr)),
        row(Iot, "RegisterCertificate", 200, "POST /certificate/register ?setAsActive:bool", registry(Registry::register_certificate)),
        row(Iot, "RegisterCertificateWithoutCA", 200, "POST /certificate/register-no-ca", registry(Registry::register_certificate_without_ca)),
        row(Iot, "DescribeCertificate", 200, "GET /certificates/{certificateId}", registry(Registry::describe_certificate)),
        row(Iot, "UpdateCertificate", 200, "PUT /certificates/{certificateId} ?newStatus", registry(Registry::update_certificate)),
        row(Iot, "DeleteCertificate", 200, "DELETE /certificates/{certificateId} ?forceDelete:bool", registry(Registry::delete_certificate)),
        row(Iot, "ListCertificates", 200, "GET /certificates ?pageSize:int ?marker ?ascendingOrder=isAscendingOrder:bool", registry(Registry::list_certificates)),
        row(Iot, "CreatePolicy", 200, "POST /policies/{policyName}", registry(Registry::create_policy)),
        row(Iot, "GetPolicy", 200, "GET /policies/{policyName}", registry(Registry::get_policy)),
        row(Iot, "DeletePolicy", 200, "DELETE /policies/{policyName}", registry(Registry::delete_policy)),
        row(Iot, "ListPolicies", 200, "GET /policies ?marker ?pageSize:int ?ascendingOrder=isAscendingOrder:bool", registry(Registry::list_policies)),
        row(Iot, "CreatePolicyVersion", 200, "POST /policies/{policyName}/version ?setAsDefault:bool", registry(Registry::create_policy_version)),
        row(Iot, "GetPolicyVersion", 200, "GET /policies/{policyName}/version/{policyVersionId}", registry(Registry::get_policy_version)),
        row(Iot, "DeletePolicyVersion", 200, "DELETE /policies/{policyName}/version/{policyVersionId}", registry(Registry::delete_policy_version)),
        row(Iot, "ListPolicyVersions", 200, "GET /policies/{policyName}/version", registry(Registry::list_policy_versions)),
        row(Iot, "SetDefaultPolicyVersion", 200, "PATCH /policies/{policyName}/version/{policyVersionId}", registry(Registry::set_default_policy_version)),
        row(Iot, "AttachPolicy", 200, "PUT /target-policies/{policyName}", registry(Registry::attach_policy)),
        row(Iot, "DetachPolicy", 200, "POST /target-policies/{policyName}", registry(Registry::detach_policy)),
        row(Iot, "ListAttachedPolicies", 200, "POST /attached-policies/{target} ?recursive:bool ?marker ?pageSize:int", registry(Registry::list_attached_policies)),
        row(Iot, "ListTargetsForPolicy", 200, "POST /policy-targets/{policyName} ?marker ?pageSize:int", registry(Registry::list_targets_for_policy)),
        row(Iot, "AttachPrincipalPolicy", 200, "PUT /principal-policies/{policyName} ^principal=x-amzn-iot-principal", registry(Registry::attach_principal_policy)),
        row(Iot, "DetachPrincipalPolicy", 200, "DELETE /principal-policies/{policyName} ^principal=x-amzn-iot-principal", registry(Registry::detach_principal_policy)),
        row(Iot, "ListPrincipalPolicies", 200, "GET /principal-policies ?marker ?pageSize:int ?ascendingOrder=isAscendingOrder:bool ^principal=x-amzn-iot-principal", registry(Registry::list_principal_policies)),
        row(Iot, "ListPolicyPrincipals", 200, "GET /policy-principals ?marker ?pageSize:int ?ascendingOrder=isAscendingOrder:bool ^policyName=x-amzn-iot-policy", registry(Registry::list_policy_principals)),
        row(Iot, "CreateThing", 200, "POST /things/{thingName}", registry(Registry::create_thing)),
        row(Iot, "DescribeThing", 200, "GET /things/{thingName}", registry(Registry::describe_thing)),
        row(Iot, "UpdateThing", 200, "PATCH /things/{thingName}", registry(Registry::update_thing)),
        row(Iot, "DeleteThing", 200, "DELETE /things/{thingName} ?expectedVersion:int", registry(Registry::delete_thing)),
        row(Iot, "ListThings", 200, "GET /things ?nextToken ?maxResults:int ?attributeName ?attributeValue ?thingTypeName ?usePrefixAttributeValue:bool", registry(Registry::list_things)),
        row(Iot, "AttachThingPrincipal", 200, "PUT /things/{thingName}/principals ?thingPrincipalType ^principal=x-amzn-principal", registry(Registry::attach_thing_principal)),
        row(Iot, "DetachThingPrincipal", 200, "DELETE /things/{thingName}/principals ^principal=x-amzn-principal", registry(Registry::detach_thing_principal)),
        row(Iot, "ListThingPrincipals", 200, "GET /things/{thingName}/principals ?nextToken ?maxResults:int", registry(Registry::list_thing_principals)),
        row(Iot, "ListPrincipalThings", 200, "GET /principals/things ?nextToken ?maxResults:int ^principal=x-amzn-principal", registry(Registry::list_principal_things)),
        row(Iot, "ListThingPrincipalsV2", 200, "GET /things/{thingName}/principals-v2 ?nextToken ?maxResults:int ?thingPrincipalType", registry(Registry::list_thing_principals_v2)),
        row(Iot, "ListPrincipalThingsV2", 200, "GET /principals/things-v2 ?nextToken ?maxResults:int ?thingPrincipalType ^principal=x-amzn-principal", registry(Registry::list_principal_things_v2)),
        row(Iot, "TestAuthorization", 200, "POST /test-authorization ?clientId", registry(Registry::test_authorization)),
        row(Iot, "GetEffectivePolicies", 200, "POST /effective-policies ?thingName", registry(Registry::get_effective_policies)),
        row(Iot, "DescribeEndpoint", 200, "GET /endpoint ?endpointType", iot(IotCore::describe_endpoint)),
        row(Iot, "CreateTopicRule", 200, "POST /rules/{ruleName} ^tags=x-amz-tagging *topicRulePayload", rules(RulesEngine::create_topic_rule)),
        row(Iot, "ReplaceTopicRule", 200, "PATCH /rules/{ruleName} *topicRulePayload", rules(RulesEngine::replace_topic_rule)),
        row(Iot, "GetTopicRule", 200, "GET /rules/{ruleName}", rules(RulesEngine::get_topic_rule)),
        row(Iot, "DeleteTopicRule", 200, "DELETE /rules/{ruleName}", rules(RulesEngine::delete_topic_rule)),
        row(Iot, "ListTopicRules", 200, "GET /rules ?topic ?maxResults:int ?nextToken ?ruleDisabled:bool", rules(RulesEngine::list_topic_rules)),
        row(Iot, "EnableTopicRule", 200, "POST /rules/{ruleName}/enable", rules(RulesEngine::enable_topic_rule)),
        row(Iot, "DisableTopicRule", 200, "POST /rules/{ruleName}/disable", rules(RulesEngine::disable_topic_rule)),
        row(IotData, "Publish", 200, "POST /topics/{topic} ?qos:int ?retain:bool ?contentType ?responseTopic ?messageExpiry:int ^userProperties=x-amz-mqtt5-user-properties ^payloadFormatIndicator=x-amz-mqtt5-payload-format-indicator ^correlationData=x-amz-mqtt5-correlation-data *payload", Handler::IotData),
        row(IotData, "GetRetainedMessage", 200, "GET /retainedMessage/{topic}", Handler::IotData),
        row(IotData, "ListRetainedMessages", 200, "GET /retainedMessage ?nextToken ?maxResults:int", Handler::IotData),
        row(IotData, "DeleteConnection", 200, "DELETE /connections/{clientId} ?cleanSession:bool ?preventWillMessage:bool", Handler::IotData),
        row(IotData, "GetConnection", 200, "GET /connections/{clientId} ?includeSocketInformation:bool", Handler::IotData),
        row(IotData, "ListSubscriptions", 200, "GET /connections/{clientId}/subscriptions ?nextToken ?maxResults:int", Handler::IotData),
        row(Lambda, "CreateFunction", 201, "POST /2015-03-31/functions", lambda(Functions::create_function)),
        row(Lambda, "GetFunction", 200, "GET /2015-03-31/functions/{FunctionName} ?Qualifier", lambda(Functions::get_function)),
        row(Lambda, "GetFunctionConfiguration", 200, "GET /2015-03-31/functions/{FunctionName}/configuration ?Qualifier", lambda(Functions::get_function_configuration)),
        row(Lambda, "ListFunctions", 200, "GET /2015-03-31/functions ?Marker ?MaxItems:int", lambda(Functions::list_functions)),
        row(Lambda, "UpdateFunctionCode", 200, "PUT /2015-03-31/functions/{FunctionName}/code", lambda(Functions::update_function_code)),
        row(Lambda, "UpdateFunctionConfiguration", 200, "PUT /2015-03-31/functions/{FunctionName}/configuration", lambda(Functions::update_function_configuration)),
        row(Lambda, "DeleteFunction", 200, "DELETE /2015-03-31/functions/{FunctionName} ?Qualifier", lambda(Functions::delete_function)),
        row(Lambda, "AddPermission", 201, "POST /2015-03-31/functions/{FunctionName}/policy ?Qualifier", lambda(Functions::add_permission)),
        row(Lambda, "RemovePermission", 204, "DELETE /2015-03-31/functions/{FunctionName}/policy/{StatementId} ?Qualifier ?RevisionId", lambda(Functions::remove_permission)),
        row(Lambda, "GetPolicy", 200, "GET /2015-03-31/functions/{FunctionName}/policy ?Qualifier", lambda(Functions::get_policy)),
        row(Lambda, "Invoke", 200, "POST /2015-03-31/functions/{FunctionName}/invocations ^InvocationType=X-Amz-Invocation-Type ^LogType=X-Amz-Log-Type ^ClientContext=X-Amz-Client-Context ?Qualifier *Payload", Handler::Invoke),
        row(ApiGatewayV2, "CreateApi", 201, "POST /v2/apis", gateway(ApiGateway::create_api)),
        row(ApiGatewayV2, "GetApi", 200, "GET /v2/apis/{apiId}", gateway(ApiGateway::get_api)),
        row(ApiGatewayV2, "GetApis", 200, "GET /v2/apis ?maxResults ?nextToken", gateway(ApiGateway::get_apis)),
        row(ApiGatewayV2, "DeleteApi", 204, "DELETE /v2/apis/{apiId}", gateway(ApiGateway::delete_api)),
        row(ApiGatewayV2, "CreateIntegration", 201, "POST /v2/apis/{apiId}/integrations", gateway(ApiGateway::create_integration)),
        row(ApiGatewayV2, "GetIntegrations", 200, "GET /v2/apis/{apiId}/integrations ?maxResults ?nextToken", gateway(ApiGateway::get_integrations)),
        row(ApiGatewayV2, "CreateRoute", 201, "POST /v2/apis/{apiId}/routes", gateway(ApiGateway::create_route)),
        row(ApiGatewayV2, "GetRoutes", 200, "GET /v2/apis/{apiId}/routes ?maxResults ?nextToken", gateway(ApiGateway::get_routes)),
        row(ApiGatewayV2, "DeleteRoute", 204, "DELETE /v2/apis/{apiId}/routes/{routeId}", gateway(ApiGateway::delete_route)),
        row(ApiGatewayV2, "CreateStage", 201, "POST /v2/apis/{apiId}/stages", gateway(ApiGateway::create_stage)),
        row(ApiGatewayV2, "GetStages", 200, "GET /v2/apis/{apiId}/stages ?maxResults ?nextToken", gateway(ApiGateway::get_stages)),
        row(ApiGatewayV2, "CreateDeployment", 201, "POST /v2/apis/{apiId}/deployments", gateway(ApiGateway::create_deployment)),
        row(ApiGatewayV2, "CreateDomainName", 201, "POST /v2/domainnames", gateway(ApiGateway::create_domain_name)),
        row(ApiGatewayV2, "GetDomainName", 200, "GET /v2/domainnames/{domainName}", gateway(ApiGateway::get_domain_name)),
        row(ApiGatewayV2, "GetDomainNames", 200, "GET /v2/domainnames ?maxResults ?nextToken", gateway(ApiGateway::get_domain_names)),
        row(ApiGatewayV2, "UpdateDomainName", 200, "PATCH /v2/domainnames/{domainName}", gateway(ApiGateway::update_domain_name)),
        row(ApiGatewayV2, "DeleteDomainName", 204, "DELETE /v2/domainnames/{domainName}", gateway(ApiGateway::delete_domain_name)),
        row(ApiGatewayV2, "CreateApiMapping", 201, "POST /v2/domainnames/{domainName}/apimappings", gateway(ApiGateway::create_api_mapping)),
        row(ApiGatewayV2, "GetApiMappings", 200, "GET /v2/domainnames/{domainName}/apimappings ?maxResults ?nextToken", gateway(ApiGateway::get_api_mappings)),
        row(ApiGatewayV2, "DeleteApiMapping", 204, "DELETE /v2/domainnames/{domainName}/apimappings/{apiMappingId}", gateway(ApiGateway::delete_api_mapping)),
    ]
});

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data_plane;

    #[test]
    fn c22_the_data_endpoint_knows_its_rows_by_the_same_method_and_path() {
        let rows = OPERATIONS.iter().filter(|row| row.service == Service::IotData);
        let named: Vec<_> = rows
            .map(|row| {
                let path = row.wire.sample_path();
                let name = data_plane::name_of(row.wire.method, &path);
                assert_eq!(name.as_deref(), Some(row.name), "{} {path}", row.wire.method);
                row.name
            })
            .collect();
        assert_eq!(named, data_plane::NAMES);
    }
}
