//! THE table: every AWS operation that is here, and the method that answers it. What is not in the
//! table is refused by name.
//!
//! How an operation travels and what its input must be stands in AWS's own model of it
//! (`service_model/`); `scripts/models` brings the model of a new row.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{LazyLock, OnceLock};

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
use crate::service_model::{self, Extent, ServiceModel, of_members};
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

    /// AWS's model of its operations.
    fn model(self) -> &'static ServiceModel {
        match self {
            Self::Iot => &service_model::IOT,
            Self::IotData => &service_model::IOT_DATA,
            Self::Lambda => &service_model::LAMBDA,
            Self::ApiGatewayV2 => &service_model::API_GATEWAY_V2,
        }
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
pub(crate) struct Handler {
    pub(crate) by: Answerer,
    pub(crate) needs: Needs,
    /// The members that it reads, if it reads them from a type.
    #[cfg(test)]
    fields: Option<&'static [&'static str]>,
}

impl Handler {
    #[cfg_attr(
        not(test),
        expect(
            clippy::extra_unused_type_parameters,
            reason = "a test asks which members it reads"
        )
    )]
    fn reading<I: DeserializeOwned>(by: Answerer) -> Self {
        Self {
            by,
            needs: Needs::Nothing,
            #[cfg(test)]
            fields: tests::fields_of::<I>(),
        }
    }
}

/// What takes its time and is made ready before an operation is answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Needs {
    Nothing,
    /// The key of the CA that stands for Amazon's.
    Issuer,
    /// That, and a key for a device.
    Key,
}

/// The room that answers.
pub(crate) enum Answerer {
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
    pub(crate) handler: Handler,
    /// Read when it is first asked for.
    wire: OnceLock<Wire>,
}

impl fmt::Debug for Operation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.service.name(), self.name)
    }
}

impl Operation {
    /// How it travels.
    pub(crate) fn wire(&self) -> &Wire {
        self.wire.get_or_init(|| {
            let model = self.service.model();
            // INVARIANT: a test holds the rows against the models.
            let operation = model.operation(self.name).expect("scripts/models brings each row's");
            Wire::new(model, operation)
        })
    }

    /// `members`, if AWS's model allows them. Lambda and API Gateway say in words of their own what
    /// is wrong with a value.
    pub(crate) fn allowed(&self, members: Value) -> Result<Value, ApiError> {
        let extent = match self.service {
            Service::Iot | Service::IotData => Extent::All,
            Service::Lambda | Service::ApiGatewayV2 => Extent::Form,
        };
        let Err(complaint) = self.wire().check(&members, extent) else { return Ok(members) };
        Err(match self.service {
            Service::Iot | Service::IotData => ApiError::invalid_request(complaint),
            Service::Lambda => ApiError::new(ErrorCode::ValidationException, complaint),
            Service::ApiGatewayV2 => ApiError::new(ErrorCode::BadRequestException, complaint),
        })
    }
}

/// The row of `name`, if it is here.
pub(crate) fn find(service: Service, name: &str) -> Option<&'static Operation> {
    BY_NAME.get(&(service, name)).copied()
}

static BY_NAME: LazyLock<BTreeMap<(Service, &str), &Operation>> = LazyLock::new(|| {
    let rows = OPERATIONS.iter();
    rows.map(|operation| ((operation.service, operation.name), operation)).collect()
});

const fn row(service: Service, name: &'static str, handler: Handler) -> Operation {
    Operation { service, name, handler, wire: OnceLock::new() }
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
    Handler::reading::<I>(Answerer::Iot(Box::new(move |iot, members| {
        let input = of_members(members)?;
        output(iot.registry(|registry, now| method.operate(registry, input, now))?)
    })))
}

fn rules<I, O, Shape>(method: impl Operate<RulesEngine, I, O, Shape>) -> Handler
where
    I: DeserializeOwned,
    O: Serialize,
{
    Handler::reading::<I>(Answerer::Iot(Box::new(move |iot, members| {
        let input = of_members(members)?;
        output(iot.rules(|rules, now| method.operate(rules, input, now))?)
    })))
}

fn iot<I, O, Shape>(method: impl Operate<IotCore, I, O, Shape>) -> Handler
where
    I: DeserializeOwned,
    O: Serialize,
{
    Handler::reading::<I>(Answerer::Iot(Box::new(move |iot, members| {
        output(method.operate(&mut iot.clone(), of_members(members)?, iot.now())?)
    })))
}

fn lambda<I, O, Shape>(method: impl Operate<Functions, I, O, Shape>) -> Handler
where
    I: DeserializeOwned,
    O: Serialize,
{
    Handler::reading::<I>(Answerer::Lambda(Box::new(move |functions, members, now| {
        output(method.operate(&mut functions.clone(), of_members(members)?, now)?)
    })))
}

fn gateway<I, O, Shape>(method: impl Operate<ApiGateway, I, O, Shape>) -> Handler
where
    I: DeserializeOwned,
    O: Serialize,
{
    Handler::reading::<I>(Answerer::ApiGateway(Box::new(move |gateway, members, now| {
        output(method.operate(&mut gateway.clone(), of_members(members)?, now)?)
    })))
}

fn needing(needs: Needs, handler: Handler) -> Handler {
    Handler { needs, ..handler }
}

fn data_plane() -> Handler {
    Handler::reading::<()>(Answerer::IotData)
}

fn invoke() -> Handler {
    Handler::reading::<()>(Answerer::Invoke)
}

/// Every operation that is here.
#[rustfmt::skip]
pub(crate) static OPERATIONS: LazyLock<Vec<Operation>> = LazyLock::new(|| {
    use Service::{ApiGatewayV2, Iot, IotData, Lambda};
    vec![
        row(Iot, "GetRegistrationCode", registry(Registry::get_registration_code)),
        row(Iot, "DeleteRegistrationCode", registry(Registry::delete_registration_code)),
        row(Iot, "RegisterCACertificate", iot(IotCore::register_ca_certificate)),
        row(Iot, "DescribeCACertificate", registry(Registry::describe_ca_certificate)),
        row(Iot, "UpdateCACertificate", registry(Registry::update_ca_certificate)),
        row(Iot, "DeleteCACertificate", registry(Registry::delete_ca_certificate)),
        row(Iot, "ListCACertificates", registry(Registry::list_ca_certificates)),
        row(Iot, "ListCertificatesByCA", registry(Registry::list_certificates_by_ca)),
        row(Iot, "CreateKeysAndCertificate", needing(Needs::Key, iot(IotCore::create_keys_and_certificate))),
        row(Iot, "CreateCertificateFromCsr", needing(Needs::Issuer, iot(IotCore::create_certificate_from_csr))),
        row(Iot, "RegisterCertificate", registry(Registry::register_certificate)),
        row(Iot, "RegisterCertificateWithoutCA", registry(Registry::register_certificate_without_ca)),
        row(Iot, "DescribeCertificate", registry(Registry::describe_certificate)),
        row(Iot, "UpdateCertificate", registry(Registry::update_certificate)),
        row(Iot, "DeleteCertificate", registry(Registry::delete_certificate)),
        row(Iot, "ListCertificates", registry(Registry::list_certificates)),
        row(Iot, "TransferCertificate", iot(IotCore::transfer_certificate)),
        row(Iot, "AcceptCertificateTransfer", iot(IotCore::accept_certificate_transfer)),
        row(Iot, "RejectCertificateTransfer", iot(IotCore::reject_certificate_transfer)),
        row(Iot, "CancelCertificateTransfer", iot(IotCore::cancel_certificate_transfer)),
        row(Iot, "ListOutgoingCertificates", registry(Registry::list_outgoing_certificates)),
        row(Iot, "CreateProvisioningTemplate", iot(IotCore::create_provisioning_template)),
        row(Iot, "DescribeProvisioningTemplate", registry(Registry::describe_provisioning_template)),
        row(Iot, "UpdateProvisioningTemplate", iot(IotCore::update_provisioning_template)),
        row(Iot, "DeleteProvisioningTemplate", registry(Registry::delete_provisioning_template)),
        row(Iot, "ListProvisioningTemplates", registry(Registry::list_provisioning_templates)),
        row(Iot, "CreateProvisioningTemplateVersion", registry(Registry::create_provisioning_template_version)),
        row(Iot, "DescribeProvisioningTemplateVersion", registry(Registry::describe_provisioning_template_version)),
        row(Iot, "DeleteProvisioningTemplateVersion", registry(Registry::delete_provisioning_template_version)),
        row(Iot, "ListProvisioningTemplateVersions", registry(Registry::list_provisioning_template_versions)),
        row(Iot, "CreateProvisioningClaim", needing(Needs::Key, iot(IotCore::create_provisioning_claim))),
        row(Iot, "StartThingRegistrationTask", iot(IotCore::start_thing_registration_task)),
        row(Iot, "StopThingRegistrationTask", registry(Registry::stop_thing_registration_task)),
        row(Iot, "DescribeThingRegistrationTask", registry(Registry::describe_thing_registration_task)),
        row(Iot, "ListThingRegistrationTasks", registry(Registry::list_thing_registration_tasks)),
        row(Iot, "ListThingRegistrationTaskReports", iot(IotCore::list_thing_registration_task_reports)),
        row(Iot, "RegisterThing", needing(Needs::Issuer, iot(IotCore::register_thing))),
        row(Iot, "CreatePolicy", registry(Registry::create_policy)),
        row(Iot, "GetPolicy", registry(Registry::get_policy)),
        row(Iot, "DeletePolicy", registry(Registry::delete_policy)),
        row(Iot, "ListPolicies", registry(Registry::list_policies)),
        row(Iot, "CreatePolicyVersion", registry(Registry::create_policy_version)),
        row(Iot, "GetPolicyVersion", registry(Registry::get_policy_version)),
        row(Iot, "DeletePolicyVersion", registry(Registry::delete_policy_version)),
        row(Iot, "ListPolicyVersions", registry(Registry::list_policy_versions)),
        row(Iot, "SetDefaultPolicyVersion", registry(Registry::set_default_policy_version)),
        row(Iot, "AttachPolicy", registry(Registry::attach_policy)),
        row(Iot, "DetachPolicy", registry(Registry::detach_policy)),
        row(Iot, "ListAttachedPolicies", registry(Registry::list_attached_policies)),
        row(Iot, "ListTargetsForPolicy", registry(Registry::list_targets_for_policy)),
        row(Iot, "AttachPrincipalPolicy", registry(Registry::attach_principal_policy)),
        row(Iot, "DetachPrincipalPolicy", registry(Registry::detach_principal_policy)),
        row(Iot, "ListPrincipalPolicies", registry(Registry::list_principal_policies)),
        row(Iot, "ListPolicyPrincipals", registry(Registry::list_policy_principals)),
        row(Iot, "CreateThing", registry(Registry::create_thing)),
        row(Iot, "DescribeThing", registry(Registry::describe_thing)),
        row(Iot, "UpdateThing", registry(Registry::update_thing)),
        row(Iot, "DeleteThing", registry(Registry::delete_thing)),
        row(Iot, "ListThings", registry(Registry::list_things)),
        row(Iot, "AttachThingPrincipal", registry(Registry::attach_thing_principal)),
        row(Iot, "DetachThingPrincipal", registry(Registry::detach_thing_principal)),
        row(Iot, "ListThingPrincipals", registry(Registry::list_thing_principals)),
        row(Iot, "ListPrincipalThings", registry(Registry::list_principal_things)),
        row(Iot, "ListThingPrincipalsV2", registry(Registry::list_thing_principals_v2)),
        row(Iot, "ListPrincipalThingsV2", registry(Registry::list_principal_things_v2)),
        row(Iot, "CreateThingGroup", registry(Registry::create_thing_group)),
        row(Iot, "DescribeThingGroup", registry(Registry::describe_thing_group)),
        row(Iot, "UpdateThingGroup", registry(Registry::update_thing_group)),
        row(Iot, "DeleteThingGroup", registry(Registry::delete_thing_group)),
        row(Iot, "ListThingGroups", registry(Registry::list_thing_groups)),
        row(Iot, "AddThingToThingGroup", registry(Registry::add_thing_to_thing_group)),
        row(Iot, "RemoveThingFromThingGroup", registry(Registry::remove_thing_from_thing_group)),
        row(Iot, "UpdateThingGroupsForThing", registry(Registry::update_thing_groups_for_thing)),
        row(Iot, "ListThingGroupsForThing", registry(Registry::list_thing_groups_for_thing)),
        row(Iot, "ListThingsInThingGroup", registry(Registry::list_things_in_thing_group)),
        row(Iot, "CreateThingType", registry(Registry::create_thing_type)),
        row(Iot, "DescribeThingType", registry(Registry::describe_thing_type)),
        row(Iot, "UpdateThingType", registry(Registry::update_thing_type)),
        row(Iot, "DeprecateThingType", registry(Registry::deprecate_thing_type)),
        row(Iot, "DeleteThingType", registry(Registry::delete_thing_type)),
        row(Iot, "ListThingTypes", registry(Registry::list_thing_types)),
        row(Iot, "CreateBillingGroup", registry(Registry::create_billing_group)),
        row(Iot, "DescribeBillingGroup", registry(Registry::describe_billing_group)),
        row(Iot, "UpdateBillingGroup", registry(Registry::update_billing_group)),
        row(Iot, "DeleteBillingGroup", registry(Registry::delete_billing_group)),
        row(Iot, "ListBillingGroups", registry(Registry::list_billing_groups)),
        row(Iot, "AddThingToBillingGroup", registry(Registry::add_thing_to_billing_group)),
        row(Iot, "RemoveThingFromBillingGroup", registry(Registry::remove_thing_from_billing_group)),
        row(Iot, "ListThingsInBillingGroup", registry(Registry::list_things_in_billing_group)),
        row(Iot, "TagResource", iot(IotCore::tag_resource)),
        row(Iot, "UntagResource", iot(IotCore::untag_resource)),
        row(Iot, "ListTagsForResource", iot(IotCore::list_tags_for_resource)),
        row(Iot, "TestAuthorization", iot(IotCore::test_authorization)),
        row(Iot, "GetEffectivePolicies", registry(Registry::get_effective_policies)),
        row(Iot, "DescribeEventConfigurations", registry(Registry::describe_event_configurations)),
        row(Iot, "UpdateEventConfigurations", registry(Registry::update_event_configurations)),
        row(Iot, "SetV2LoggingOptions", registry(Registry::set_v2_logging_options)),
        row(Iot, "GetV2LoggingOptions", registry(Registry::get_v2_logging_options)),
        row(Iot, "SetV2LoggingLevel", registry(Registry::set_v2_logging_level)),
        row(Iot, "ListV2LoggingLevels", registry(Registry::list_v2_logging_levels)),
        row(Iot, "DeleteV2LoggingLevel", registry(Registry::delete_v2_logging_level)),
        row(Iot, "SetLoggingOptions", registry(Registry::set_logging_options)),
        row(Iot, "GetLoggingOptions", registry(Registry::get_logging_options)),
        row(Iot, "DescribeEndpoint", iot(IotCore::describe_endpoint)),
        row(Iot, "CreateDomainConfiguration", iot(IotCore::create_domain_configuration)),
        row(Iot, "DescribeDomainConfiguration", iot(IotCore::describe_domain_configuration)),
        row(Iot, "UpdateDomainConfiguration", iot(IotCore::update_domain_configuration)),
        row(Iot, "DeleteDomainConfiguration", iot(IotCore::delete_domain_configuration)),
        row(Iot, "ListDomainConfigurations", registry(Registry::list_domain_configurations)),
        row(Iot, "CreateTopicRule", iot(IotCore::create_topic_rule_with_tags)),
        row(Iot, "ReplaceTopicRule", rules(RulesEngine::replace_topic_rule)),
        row(Iot, "GetTopicRule", rules(RulesEngine::get_topic_rule)),
        row(Iot, "DeleteTopicRule", iot(IotCore::delete_topic_rule)),
        row(Iot, "ListTopicRules", rules(RulesEngine::list_topic_rules)),
        row(Iot, "EnableTopicRule", rules(RulesEngine::enable_topic_rule)),
        row(Iot, "DisableTopicRule", rules(RulesEngine::disable_topic_rule)),
        row(IotData, "Publish", data_plane()),
        row(IotData, "GetRetainedMessage", data_plane()),
        row(IotData, "ListRetainedMessages", data_plane()),
        row(IotData, "DeleteConnection", data_plane()),
        row(IotData, "GetConnection", data_plane()),
        row(IotData, "ListSubscriptions", data_plane()),
        row(IotData, "SendDirectMessage", data_plane()),
        row(Lambda, "CreateFunction", lambda(Functions::create_function)),
        row(Lambda, "GetFunction", lambda(Functions::get_function)),
        row(Lambda, "GetFunctionConfiguration", lambda(Functions::get_function_configuration)),
        row(Lambda, "ListFunctions", lambda(Functions::list_functions)),
        row(Lambda, "UpdateFunctionCode", lambda(Functions::update_function_code)),
        row(Lambda, "UpdateFunctionConfiguration", lambda(Functions::update_function_configuration)),
        row(Lambda, "DeleteFunction", lambda(Functions::delete_function)),
        row(Lambda, "AddPermission", lambda(Functions::add_permission)),
        row(Lambda, "RemovePermission", lambda(Functions::remove_permission)),
        row(Lambda, "GetPolicy", lambda(Functions::get_policy)),
        row(Lambda, "Invoke", invoke()),
        row(ApiGatewayV2, "CreateApi", gateway(ApiGateway::create_api)),
        row(ApiGatewayV2, "GetApi", gateway(ApiGateway::get_api)),
        row(ApiGatewayV2, "GetApis", gateway(ApiGateway::get_apis)),
        row(ApiGatewayV2, "DeleteApi", gateway(ApiGateway::delete_api)),
        row(ApiGatewayV2, "CreateIntegration", gateway(ApiGateway::create_integration)),
        row(ApiGatewayV2, "GetIntegrations", gateway(ApiGateway::get_integrations)),
        row(ApiGatewayV2, "CreateRoute", gateway(ApiGateway::create_route)),
        row(ApiGatewayV2, "GetRoutes", gateway(ApiGateway::get_routes)),
        row(ApiGatewayV2, "DeleteRoute", gateway(ApiGateway::delete_route)),
        row(ApiGatewayV2, "CreateStage", gateway(ApiGateway::create_stage)),
        row(ApiGatewayV2, "GetStages", gateway(ApiGateway::get_stages)),
        row(ApiGatewayV2, "CreateDeployment", gateway(ApiGateway::create_deployment)),
        row(ApiGatewayV2, "CreateDomainName", gateway(ApiGateway::create_domain_name)),
        row(ApiGatewayV2, "GetDomainName", gateway(ApiGateway::get_domain_name)),
        row(ApiGatewayV2, "GetDomainNames", gateway(ApiGateway::get_domain_names)),
        row(ApiGatewayV2, "UpdateDomainName", gateway(ApiGateway::update_domain_name)),
        row(ApiGatewayV2, "DeleteDomainName", gateway(ApiGateway::delete_domain_name)),
        row(ApiGatewayV2, "CreateApiMapping", gateway(ApiGateway::create_api_mapping)),
        row(ApiGatewayV2, "GetApiMappings", gateway(ApiGateway::get_api_mappings)),
        row(ApiGatewayV2, "DeleteApiMapping", gateway(ApiGateway::delete_api_mapping)),
    ]
});

#[cfg(test)]
mod tests {
    use serde::de::value::Error;
    use serde::de::{Deserializer, Error as _, Visitor};
    use serde::forward_to_deserialize_any;

    use super::*;
    use crate::data_plane;

    /// Notes the fields that a type asks for, and gives it none.
    struct Fields<'f>(&'f mut Option<&'static [&'static str]>);

    impl<'de> Deserializer<'de> for Fields<'_> {
        type Error = Error;

        fn deserialize_any<V: Visitor<'de>>(self, _visitor: V) -> Result<V::Value, Error> {
            Err(Error::custom("not a structure"))
        }

        fn deserialize_struct<V: Visitor<'de>>(
            self,
            _name: &'static str,
            fields: &'static [&'static str],
            _visitor: V,
        ) -> Result<V::Value, Error> {
            *self.0 = Some(fields);
            Err(Error::custom("no value"))
        }

        forward_to_deserialize_any! {
            bool i8 i16 i32 i64 u8 u16 u32 u64 f32 f64 char str string bytes byte_buf option unit
            unit_struct newtype_struct seq tuple tuple_struct map enum identifier ignored_any
        }
    }

    /// The members that a type reads; `None` for what is no structure.
    pub(super) fn fields_of<I: DeserializeOwned>() -> Option<&'static [&'static str]> {
        let mut fields = None;
        let _no_value = I::deserialize(Fields(&mut fields));
        fields
    }

    #[test]
    fn every_row_has_a_model_and_every_model_a_row() {
        for service in [Service::Iot, Service::IotData, Service::Lambda, Service::ApiGatewayV2] {
            let rows = OPERATIONS.iter().filter(|row| row.service == service);
            let mut rows: Vec<_> = rows.map(|row| row.name).collect();
            rows.sort_unstable();
            let models: Vec<_> = service.model().names().collect();
            assert_eq!(rows, models, "run scripts/models");
        }
    }

    #[test]
    fn every_member_of_a_model_is_read_and_nothing_else() {
        let mut wrong = Vec::new();
        for row in OPERATIONS.iter() {
            let Some(fields) = row.handler.fields else { continue };
            let members: Vec<_> = row.wire().operation.members.iter().map(|it| it.name).collect();
            let unread = members.iter().filter(|member| !fields.contains(member));
            wrong.extend(unread.map(|member| format!("{row:?} does not read {member}")));
            let unknown = fields.iter().filter(|field| !members.contains(field));
            wrong.extend(unknown.map(|field| format!("{row:?} has no member {field}")));
        }
        assert_eq!(wrong, Vec::<String>::new());
    }

    #[test]
    fn lambda_and_api_gateway_say_in_their_own_words_what_is_wrong_with_a_value() {
        let table = [
            (Service::Lambda, "GetFunction", serde_json::json!({ "FunctionName": "a b" })),
            (
                Service::ApiGatewayV2,
                "CreateApi",
                serde_json::json!({ "name": "", "protocolType": "FTP" }),
            ),
        ];
        for (service, name, members) in table {
            let row = find(service, name).expect(name);
            assert!(row.allowed(members).is_ok(), "{name}");
            assert!(row.allowed(serde_json::json!({})).is_err(), "{name} needs members");
        }
    }

    #[test]
    fn c22_the_data_endpoint_knows_its_rows_by_the_same_method_and_path() {
        let rows = OPERATIONS.iter().filter(|row| row.service == Service::IotData);
        let named: Vec<_> = rows
            .map(|row| {
                let path = row.wire().sample_path();
                let name = data_plane::name_of(row.wire().operation.method, &path);
                assert_eq!(name.as_deref(), Some(row.name), "{path}");
                row.name
            })
            .collect();
        assert_eq!(named, data_plane::NAMES);
    }
}
