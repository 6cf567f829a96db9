//! Domain configurations: CreateDomainConfiguration, DescribeDomainConfiguration,
//! UpdateDomainConfiguration, DeleteDomainConfiguration, ListDomainConfigurations.
//!
//! It decides which records there are and what they say. That a domain name belongs to one account
//! only is decided where accounts meet (`iot_core/domains.rs`), how it is served in
//! `domain_terms.rs` and at the doors.
//! Truth: <https://docs.aws.amazon.com/iot/latest/developerguide/iot-custom-endpoints-managing.html>.

use std::time::Duration;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::errors::{ApiError, ErrorCode};
use crate::names::{Arn, Scope};
use crate::quotas::DOMAIN_CONFIGURATIONS;
use crate::time::Timestamp;

use super::domain_terms::{
    AskedTerms, DomainTerms, ServerCertificateConfig, TlsConfig, not_served,
};
use super::paging::PageRequest;
use super::shelf::Shelf;
use super::tags::check_new_tags;
use super::{
    DomainAuthentication, DomainConfigurationStatus, DomainProtocol, DomainType, Registry,
    ServiceType, Tag,
};

/// The configuration of the endpoint that every account has.
const DEFAULT: &str = "iot:Data-ATS";
/// How long a domain of AWS's is DISABLED before it may go.
const DISABLED_FOR: Duration = Duration::from_secs(7 * 24 * 60 * 60);

/// CreateDomainConfiguration's input.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(crate) struct CreateDomainConfigurationRequest {
    pub(crate) domain_configuration_name: String,
    pub(crate) domain_name: Option<String>,
    pub(crate) server_certificate_arns: Vec<String>,
    pub(crate) validation_certificate_arn: Option<String>,
    pub(crate) authorizer_config: Option<Value>,
    pub(crate) service_type: Option<ServiceType>,
    pub(crate) tags: Vec<Tag>,
    pub(crate) tls_config: Option<TlsConfig>,
    pub(crate) server_certificate_config: Option<ServerCertificateConfig>,
    pub(crate) authentication_type: Option<String>,
    pub(crate) application_protocol: Option<String>,
    pub(crate) client_certificate_config: Option<Value>,
}

/// UpdateDomainConfiguration's input.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(crate) struct UpdateDomainConfigurationRequest {
    pub(crate) domain_configuration_name: String,
    pub(crate) authorizer_config: Option<Value>,
    pub(crate) domain_configuration_status: Option<DomainConfigurationStatus>,
    pub(crate) remove_authorizer_config: bool,
    pub(crate) tls_config: Option<TlsConfig>,
    pub(crate) server_certificate_config: Option<ServerCertificateConfig>,
    pub(crate) authentication_type: Option<String>,
    pub(crate) application_protocol: Option<String>,
    pub(crate) client_certificate_config: Option<Value>,
}

/// The answer to CreateDomainConfiguration and UpdateDomainConfiguration.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct NamedDomainConfiguration {
    pub(crate) domain_configuration_name: String,
    pub(crate) domain_configuration_arn: Arn,
}

/// DescribeDomainConfiguration's input.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(crate) struct DescribeDomainConfigurationRequest {
    pub(crate) domain_configuration_name: String,
}

/// DescribeDomainConfiguration's answer.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct DescribeDomainConfigurationResponse {
    pub(crate) domain_configuration_name: String,
    pub(crate) domain_configuration_arn: Arn,
    pub(crate) domain_name: String,
    pub(crate) server_certificates: Vec<ServerCertificateSummary>,
    pub(crate) domain_configuration_status: DomainConfigurationStatus,
    pub(crate) service_type: ServiceType,
    pub(crate) domain_type: DomainType,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) last_status_change_date: Option<Timestamp>,
    pub(crate) tls_config: TlsConfig,
    pub(crate) server_certificate_config: ServerCertificateConfig,
    pub(crate) authentication_type: DomainAuthentication,
    pub(crate) application_protocol: DomainProtocol,
}

/// The server certificate of a domain.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct ServerCertificateSummary {
    pub(crate) server_certificate_arn: String,
    pub(crate) server_certificate_status: &'static str,
}

/// DeleteDomainConfiguration's input.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(crate) struct DeleteDomainConfigurationRequest {
    pub(crate) domain_configuration_name: String,
}

/// ListDomainConfigurations' input.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(crate) struct ListDomainConfigurationsRequest {
    pub(crate) marker: Option<String>,
    pub(crate) page_size: Option<i64>,
    pub(crate) service_type: Option<ServiceType>,
}

/// A domain configuration in a list.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct DomainConfigurationSummary {
    pub(crate) domain_configuration_name: String,
    pub(crate) domain_configuration_arn: Arn,
    pub(crate) service_type: ServiceType,
}

/// A page of domain configurations.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct DomainConfigurationsPage {
    pub(crate) domain_configurations: Vec<DomainConfigurationSummary>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) next_marker: Option<String>,
}

/// A domain configuration.
#[derive(Clone, Debug)]
pub(super) struct DomainConfiguration {
    arn: Arn,
    /// `None` for the default endpoint, whose name is not the registry's to know.
    domain_name: Option<String>,
    domain_type: DomainType,
    server_certificate_arn: Option<String>,
    status: DomainConfigurationStatus,
    status_changed: Option<Timestamp>,
    terms: DomainTerms,
}

/// A domain name that devices may ask for, and how it is served.
#[derive(Clone, Debug)]
pub(crate) struct ServedDomain {
    /// In lower case; of a name that AWS made, only its own first part.
    pub(crate) key: String,
    pub(crate) configuration: String,
    pub(crate) enabled: bool,
    pub(crate) terms: DomainTerms,
}

//= https://docs.aws.amazon.com/cli/latest/reference/iot/list-domain-configurations.html
//# besides its own, an account has the configurations of its default endpoints, such as
//# iot:Data-ATS; their ARNs end with the name
//? assumed: their type is ENDPOINT; those that nothing serves here (iot:Jobs and
//? iot:CredentialProvider) are left out
/// What is there before anything is created; it comes after all others in a list.
pub(super) fn default_domain_configurations(scope: &Scope) -> Shelf<String, DomainConfiguration> {
    let mut shelf = Shelf::default();
    let configuration = DomainConfiguration {
        arn: scope.iot_arn("domainconfiguration", DEFAULT),
        domain_name: None,
        domain_type: DomainType::Endpoint,
        server_certificate_arn: None,
        status: DomainConfigurationStatus::Enabled,
        status_changed: None,
        terms: DomainTerms::default(),
    };
    shelf.insert(0, DEFAULT.to_owned(), configuration);
    shelf
}

impl CreateDomainConfigurationRequest {
    //= https://github.com/hashicorp/terraform-provider-aws/pull/24765
    //# the text where a domain name cannot be had
    //= https://github.com/aws/aws-cli/issues/7148
    //# `Must provide a valid domain name to configure.`, for a name that is AWS's own
    //? assumed: the first is said of a name without a server certificate, the second of every name
    //? that is none; a certificate without a name is refused
    /// The domain name that is asked for; `None` if AWS is to make one.
    fn own_domain_name(&self) -> Result<Option<&str>, ApiError> {
        let certified = !self.server_certificate_arns.is_empty();
        match self.domain_name.as_deref() {
            Some(_) if !certified => Err(ApiError::invalid_request(
                "Cannot provide a custom domain name for an AWS Managed Domain",
            )),
            Some(name) if is_custom_domain(name) => Ok(Some(name)),
            None if !certified && self.validation_certificate_arn.is_none() => Ok(None),
            Some(_) | None => {
                Err(ApiError::invalid_request("Must provide a valid domain name to configure."))
            }
        }
    }
}

impl Registry {
    /// The ARN of a configuration, if there is one of this name.
    pub(super) fn domain_configuration_arn(&self, name: &str) -> Option<&Arn> {
        self.domain_configurations.get(name).map(|record| &record.arn)
    }

    //= https://docs.aws.amazon.com/iot/latest/developerguide/iot-custom-endpoints-configurable-custom.html
    //# a domain of the customer's has a name and one server certificate from ACM
    //= https://docs.aws.amazon.com/iot/latest/developerguide/iot-custom-endpoints-configurable-aws.html
    //# a domain of AWS's gets a name; only the service type DATA; the ARN ends with five characters
    //? assumed: without ACM every certificate ARN stands for a VALID certificate that proves the
    //? name; the server certificate that clients then see is issued by the emulator's own root
    /// Makes a domain configuration, which is ENABLED.
    pub(crate) fn create_domain_configuration(
        &mut self,
        input: CreateDomainConfigurationRequest,
        now: Timestamp,
    ) -> Result<NamedDomainConfiguration, ApiError> {
        let own_name = input.own_domain_name()?.map(str::to_owned);
        check_new_tags(&input.tags)?;
        if let Some(other @ (ServiceType::CredentialProvider | ServiceType::Jobs)) =
            input.service_type
        {
            return Err(not_served(&format!("domains of the serviceType {other}")));
        }
        let terms = DomainTerms::default().changed(AskedTerms {
            tls: input.tls_config,
            server_certificate: input.server_certificate_config,
            authentication: input.authentication_type,
            protocol: input.application_protocol,
            authorizer: input.authorizer_config,
            client_certificate: input.client_certificate_config,
        })?;
        let name = input.domain_configuration_name;
        if let Some(there) = self.domain_configurations.get(&name) {
            //? assumed: the text, and that the same configuration once more is refused as well
            let message = format!("Domain configuration {name} already exists");
            return Err(Self::already_exists(message, &name, there.arn.clone()));
        }
        if self.domain_configurations.len() > DOMAIN_CONFIGURATIONS {
            //? assumed: the text
            let message = "The maximum number of domain configurations has been reached";
            return Err(ApiError::new(ErrorCode::LimitExceededException, message));
        }
        let position = self.next_position();
        let id = letters(&self.derive("domain configuration", position), 5);
        let arn = self.scope.iot_arn("domainconfiguration", format!("{name}/{id}"));
        let domain_type = match own_name {
            Some(_) => DomainType::CustomerManaged,
            None => DomainType::AwsManaged,
        };
        let configuration = DomainConfiguration {
            arn: arn.clone(),
            domain_name: Some(own_name.unwrap_or_else(|| self.aws_made_domain_name(position))),
            domain_type,
            server_certificate_arn: input.server_certificate_arns.into_iter().next(),
            status: DomainConfigurationStatus::Enabled,
            status_changed: Some(now),
            terms,
        };
        self.domain_configurations.insert(position, name.clone(), configuration);
        self.tag_new(&arn, input.tags);
        let domain_configuration_arn = arn;
        Ok(NamedDomainConfiguration { domain_configuration_name: name, domain_configuration_arn })
    }

    //= https://github.com/hashicorp/terraform-provider-aws/issues/41819
    //# such as d0774346294xp3mx7udo9-ats.iot.eu-central-1.amazonaws.com
    fn aws_made_domain_name(&self, position: u64) -> String {
        let own = letters(&self.derive("domain name", position), 19);
        format!("d0{own}-ats.iot.{}.amazonaws.com", self.scope.region)
    }

    /// A domain configuration; `endpoint` is the name of the default endpoint.
    pub(crate) fn describe_domain_configuration(
        &self,
        input: DescribeDomainConfigurationRequest,
        endpoint: &str,
    ) -> Result<DescribeDomainConfigurationResponse, ApiError> {
        let name = input.domain_configuration_name;
        let found = self.domain_configurations.get(&name).ok_or_else(|| no_such(&name))?;
        let summary = |arn: &String| ServerCertificateSummary {
            server_certificate_arn: arn.clone(),
            server_certificate_status: "VALID",
        };
        let policy = found.terms.security_policy.as_str();
        Ok(DescribeDomainConfigurationResponse {
            domain_configuration_name: name,
            domain_configuration_arn: found.arn.clone(),
            domain_name: found.domain_name.clone().unwrap_or_else(|| endpoint.to_owned()),
            server_certificates: found.server_certificate_arn.iter().map(summary).collect(),
            domain_configuration_status: found.status,
            service_type: ServiceType::Data,
            domain_type: found.domain_type,
            last_status_change_date: found.status_changed,
            tls_config: TlsConfig { security_policy: Some(policy.to_owned()) },
            server_certificate_config: ServerCertificateConfig::default(),
            authentication_type: found.terms.authentication,
            application_protocol: found.terms.protocol,
        })
    }

    //= https://docs.aws.amazon.com/iot/latest/apireference/API_UpdateDomainConfiguration.html
    //# configurations of default endpoints cannot be updated
    /// Changes status or terms of a domain configuration.
    pub(crate) fn update_domain_configuration(
        &mut self,
        input: UpdateDomainConfigurationRequest,
        now: Timestamp,
    ) -> Result<NamedDomainConfiguration, ApiError> {
        let name = input.domain_configuration_name;
        let found = self.domain_configurations.get_mut(&name).ok_or_else(|| no_such(&name))?;
        if found.domain_type == DomainType::Endpoint {
            let message = "Domain configurations for default endpoints can't be updated";
            return Err(ApiError::invalid_request(message));
        }
        // There is never an authorizer here, so removing it is done already.
        let _removed = input.remove_authorizer_config;
        found.terms = found.terms.changed(AskedTerms {
            tls: input.tls_config,
            server_certificate: input.server_certificate_config,
            authentication: input.authentication_type,
            protocol: input.application_protocol,
            authorizer: input.authorizer_config,
            client_certificate: input.client_certificate_config,
        })?;
        if let Some(status) = input.domain_configuration_status
            && status != found.status
        {
            found.status = status;
            found.status_changed = Some(now);
        }
        let domain_configuration_arn = found.arn.clone();
        Ok(NamedDomainConfiguration { domain_configuration_name: name, domain_configuration_arn })
    }

    //= https://docs.aws.amazon.com/iot/latest/developerguide/iot-custom-endpoints-managing.html
    //# only when DISABLED; a domain of AWS's after 7 days of that, a customer's at once
    //? assumed: InvalidRequestException otherwise, and the texts
    /// Deletes a domain configuration.
    pub(crate) fn delete_domain_configuration(
        &mut self,
        input: DeleteDomainConfigurationRequest,
        now: Timestamp,
    ) -> Result<(), ApiError> {
        let name = &input.domain_configuration_name;
        let found = self.domain_configurations.get(name).ok_or_else(|| no_such(name))?;
        if found.status != DomainConfigurationStatus::Disabled {
            let message = format!("Domain configuration {name} must be DISABLED before deletion");
            return Err(ApiError::invalid_request(message));
        }
        let may_go = found.status_changed.is_none_or(|since| since + DISABLED_FOR <= now);
        if found.domain_type == DomainType::AwsManaged && !may_go {
            return Err(ApiError::invalid_request(format!(
                "Domain configuration {name} is AWS_MANAGED and must be DISABLED for 7 days before \
                 deletion"
            )));
        }
        self.withdraw_domain_configuration(name);
        Ok(())
    }

    /// Takes a domain configuration back, however it stands.
    pub(crate) fn withdraw_domain_configuration(&mut self, name: &str) {
        if let Some(gone) = self.domain_configurations.remove(name) {
            self.forget_tags(&gone.arn);
        }
    }

    //? assumed: newest first, as the example of the CLI's reference has it
    /// The domain configurations of this account and Region.
    pub(crate) fn list_domain_configurations(
        &self,
        input: ListDomainConfigurationsRequest,
    ) -> Result<DomainConfigurationsPage, ApiError> {
        let marker = input.marker.as_deref();
        let request =
            PageRequest::marked("listDomainConfigurations", input.page_size, marker, false)?;
        let asked = input.service_type.is_none_or(|asked| asked == ServiceType::Data);
        let (domain_configurations, next_marker) =
            request.page(&self.domain_configurations, |name, record| {
                asked.then(|| DomainConfigurationSummary {
                    domain_configuration_name: name.clone(),
                    domain_configuration_arn: record.arn.clone(),
                    service_type: ServiceType::Data,
                })
            });
        Ok(DomainConfigurationsPage { domain_configurations, next_marker })
    }

    /// The domain that the configuration `name` serves; the default endpoint is none of them.
    pub(crate) fn served_domain(&self, name: &str) -> Option<ServedDomain> {
        let found = self.domain_configurations.get(name)?;
        let domain_name = found.domain_name.as_deref()?.to_ascii_lowercase();
        let key = match found.domain_type {
            DomainType::AwsManaged => domain_name.split("-ats.").next()?.to_owned(),
            DomainType::CustomerManaged | DomainType::Endpoint => domain_name,
        };
        Some(ServedDomain {
            key,
            configuration: name.to_owned(),
            enabled: found.status == DomainConfigurationStatus::Enabled,
            terms: found.terms,
        })
    }
}

//? assumed: the text
fn no_such(name: &str) -> ApiError {
    ApiError::not_found(format!("Domain configuration {name} not found"))
}

/// Whether `name` is a fully qualified domain name, and none of AWS's own.
fn is_custom_domain(name: &str) -> bool {
    let lower = name.to_ascii_lowercase();
    let of_aws = ["amazonaws.com", "aws.dev"].iter().any(|zone| {
        lower.strip_suffix(zone).is_some_and(|rest| rest.is_empty() || rest.ends_with('.'))
    });
    let is_label = |label: &str| {
        (1..=63).contains(&label.len())
            && !label.starts_with('-')
            && !label.ends_with('-')
            && label.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
    };
    let is_address = name.parse::<std::net::IpAddr>().is_ok();
    !of_aws && !is_address && name.contains('.') && name.split('.').all(is_label)
}

/// The first `count` bytes of `digest` as lower-case letters and digits.
fn letters(digest: &[u8], count: usize) -> String {
    let letter = |byte: &u8| char::from_digit(u32::from(byte % 36), 36).unwrap_or('a');
    digest.iter().take(count).map(letter).collect()
}
