//! Custom domain names: the operations, and the [`Domain`] that a connection arrived for.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::api_mappings::ApiMapping;
use super::apis::execute_api_host;
use super::page::{MaxResults, Page, page};
use super::refusals::{bad_request, conflict, not_done};
use super::truststore::Truststore;
use super::{ApiGateway, State};
use crate::errors::{ApiError, ErrorCode};
use crate::time::Timestamp;

/// What a server name leads to, as it was when the connection came in.
#[derive(Debug)]
pub(crate) struct Domain {
    pub(super) name: String,
    pub(super) leads_to: LeadsTo,
    pub(super) truststore: Option<Arc<Truststore>>,
}

#[derive(Debug, PartialEq, Eq)]
pub(super) enum LeadsTo {
    /// A custom domain name: its API mappings choose.
    Mappings,
    /// The default endpoint of one API: the first segment of the path chooses the stage.
    Api(String),
}

impl Domain {
    /// The custom domain name, or the host name of a default endpoint.
    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    //= https://docs.aws.amazon.com/apigateway/latest/developerguide/http-api-mutual-tls.html
    //# with mutual TLS, a client must present a certificate; without one the handshake fails
    /// Whether a client without a certificate is cut off in the handshake.
    pub(crate) fn requires_client_certificate(&self) -> bool {
        self.truststore.is_some()
    }

    //= https://docs.aws.amazon.com/apigateway/latest/developerguide/apigateway-custom-domain-tls-version.html
    //# the policy TLS_1_2 of a Regional domain name lists suites of TLS 1.2 only
    //? assumed: this still holds, although default endpoints speak TLS 1.3
    /// Whether nothing but TLS 1.2 is spoken.
    pub(crate) fn tls12_only(&self) -> bool {
        self.leads_to == LeadsTo::Mappings
    }
}

pub(super) struct DomainNameState {
    description: DomainName,
    domain: Arc<Domain>,
    pub(super) mappings: BTreeMap<String, ApiMapping>,
}

impl DomainNameState {
    /// Whether a mapping leads to `api_id`.
    pub(super) fn maps(&self, api_id: &str) -> bool {
        self.mappings.values().any(|mapping| mapping.api_id == api_id)
    }
}

/// A domain name as AWS describes it.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct DomainName {
    pub(crate) api_mapping_selection_expression: &'static str,
    pub(crate) domain_name: String,
    pub(crate) domain_name_arn: String,
    pub(crate) domain_name_configurations: Vec<DomainNameConfiguration>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) mutual_tls_authentication: Option<MutualTlsAuthentication>,
    pub(crate) routing_mode: &'static str,
    pub(crate) tags: BTreeMap<String, String>,
}

#[derive(Clone, Debug, Default, Deserialize, Serialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub(crate) struct DomainNameConfiguration {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) api_gateway_domain_name: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) certificate_arn: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) certificate_name: Option<String>,
    #[serde(skip_serializing)]
    pub(crate) certificate_upload_date: Option<Value>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) domain_name_status: Option<String>,
    #[serde(skip_serializing)]
    pub(crate) domain_name_status_message: Option<Value>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) endpoint_type: Option<String>,
    #[serde(skip_serializing)]
    pub(crate) hosted_zone_id: Option<Value>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) ip_address_type: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) security_policy: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) ownership_verification_certificate_arn: Option<String>,
}

#[derive(Clone, Debug, Default, Deserialize, Serialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub(crate) struct MutualTlsAuthentication {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) truststore_uri: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) truststore_version: Option<String>,
    #[serde(skip_serializing_if = "Vec::is_empty", skip_deserializing)]
    pub(crate) truststore_warnings: Vec<String>,
}

/// `CreateDomainName` and `UpdateDomainName` have the same members, but for `tags`.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub(crate) struct DomainNameInput {
    pub(crate) domain_name: String,
    pub(crate) domain_name_configurations: Option<Vec<DomainNameConfiguration>>,
    pub(crate) mutual_tls_authentication: Option<MutualTlsAuthentication>,
    pub(crate) routing_mode: Option<String>,
    pub(crate) tags: BTreeMap<String, String>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub(crate) struct DomainNameUpdate {
    pub(crate) domain_name: String,
    pub(crate) domain_name_configurations: Option<Vec<DomainNameConfiguration>>,
    pub(crate) mutual_tls_authentication: Option<MutualTlsAuthentication>,
    pub(crate) routing_mode: Option<String>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct DomainNameRequest {
    pub(crate) domain_name: String,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub(crate) struct GetDomainNamesRequest {
    pub(crate) max_results: Option<MaxResults>,
    pub(crate) next_token: Option<String>,
}

impl ApiGateway {
    /// `CreateDomainName`: reads the truststore, once.
    pub(crate) fn create_domain_name(
        &self,
        input: DomainNameInput,
        now: Timestamp,
    ) -> Result<DomainName, ApiError> {
        check_name(&input.domain_name)?;
        check_routing_mode(input.routing_mode.as_deref())?;
        let [given] = one_configuration(input.domain_name_configurations)?;
        let (mutual, truststore) = self.mutual_tls(input.mutual_tls_authentication, None, now)?;
        let mut state = self.lock();
        if state.domain_names.contains_key(&input.domain_name) {
            //= https://github.com/aws-cloudformation/cloudformation-coverage-roadmap/issues/1151
            //# the text for a domain name that is there already
            //? assumed: under the exception that the model of v2 has for it
            return Err(conflict("The domain name you provided already exists."));
        }
        let host = format!(
            "d-{}.execute-api.{}.amazonaws.com",
            state.identifiers.next(10),
            self.scope().region
        );
        let description = DomainName {
            api_mapping_selection_expression: "$request.basepath",
            domain_name_arn: format!(
                "arn:aws:apigateway:{}::/domainnames/{}",
                self.scope().region,
                input.domain_name
            ),
            domain_name_configurations: vec![configuration(given, Some(host))?],
            mutual_tls_authentication: mutual,
            routing_mode: "API_MAPPING_ONLY",
            tags: input.tags,
            domain_name: input.domain_name,
        };
        let kept = DomainNameState {
            domain: domain(&description, truststore),
            mappings: BTreeMap::new(),
            description: description.clone(),
        };
        state.domain_names.insert(description.domain_name.clone(), kept);
        Ok(description)
    }

    /// `UpdateDomainName`: reads the truststore again; an empty `truststoreUri` ends mutual TLS.
    pub(crate) fn update_domain_name(
        &self,
        input: DomainNameUpdate,
        now: Timestamp,
    ) -> Result<DomainName, ApiError> {
        check_routing_mode(input.routing_mode.as_deref())?;
        let before = self.lock().domain_name(&input.domain_name)?.description.clone();
        let given = match input.domain_name_configurations {
            Some(given) => Some(one_configuration(Some(given))?),
            None => None,
        };
        let asked = input.mutual_tls_authentication;
        let touched = asked.is_some();
        let old = before.mutual_tls_authentication.as_ref();
        let (mutual, truststore) = self.mutual_tls(asked, old, now)?;
        let mut state = self.lock();
        let kept = state.domain_name_mut(&input.domain_name)?;
        if let Some([given]) = given {
            let host = kept.description.domain_name_configurations.first();
            let host = host.and_then(|old| old.api_gateway_domain_name.clone());
            kept.description.domain_name_configurations = vec![configuration(given, host)?];
        }
        if touched {
            kept.description.mutual_tls_authentication = mutual;
            kept.domain = domain(&kept.description, truststore);
        }
        Ok(kept.description.clone())
    }

    /// `GetDomainName`.
    pub(crate) fn get_domain_name(&self, input: DomainNameRequest) -> Result<DomainName, ApiError> {
        Ok(self.lock().domain_name(&input.domain_name)?.description.clone())
    }

    /// `GetDomainNames`.
    pub(crate) fn get_domain_names(
        &self,
        input: GetDomainNamesRequest,
    ) -> Result<Page<DomainName>, ApiError> {
        let state = self.lock();
        let items = state.domain_names.values().map(|kept| kept.description.clone()).collect();
        page(items, input.max_results.as_ref(), input.next_token.as_deref())
    }

    /// `DeleteDomainName`, with its API mappings.
    pub(crate) fn delete_domain_name(
        &self,
        input: DomainNameRequest,
        _now: Timestamp,
    ) -> Result<(), ApiError> {
        let removed = self.lock().domain_names.remove(&input.domain_name);
        removed.map(drop).ok_or_else(no_such_domain_name)
    }

    /// What a connection with this server name leads to: the domain name it names, or, as a help
    /// for `localhost`, the only custom domain name there is; `cloud` asks all accounts so.
    #[cfg(test)]
    pub(crate) fn domain(&self, server_name: Option<&str>) -> Option<Arc<Domain>> {
        let named = server_name.and_then(|name| self.domain_named(name));
        named.or_else(|| {
            let mut all = self.domains();
            if all.len() == 1 { all.pop() } else { None }
        })
    }

    //= https://docs.aws.amazon.com/apigateway/latest/developerguide/http-api-custom-domain-names.html
    //# a wildcard custom domain name answers for the names that no other custom domain name has
    /// The domain that `server_name` names: a custom domain name, or an API's default endpoint.
    pub(crate) fn domain_named(&self, server_name: &str) -> Option<Arc<Domain>> {
        let name = server_name.trim_end_matches('.').to_ascii_lowercase();
        let state = self.lock();
        if let Some(kept) = state.domain_names.get(&name) {
            return Some(Arc::clone(&kept.domain));
        }
        let wildcard = name.split_once('.').map(|(_, parent)| format!("*.{parent}"));
        if let Some(kept) = wildcard.and_then(|wildcard| state.domain_names.get(&wildcard)) {
            return Some(Arc::clone(&kept.domain));
        }
        let api = state.apis.keys().find(|id| execute_api_host(self.scope(), id) == name)?;
        let leads_to = LeadsTo::Api(api.clone());
        Some(Arc::new(Domain { name, leads_to, truststore: None }))
    }

    /// Every custom domain name.
    pub(crate) fn domains(&self) -> Vec<Arc<Domain>> {
        self.lock().domain_names.values().map(|kept| Arc::clone(&kept.domain)).collect()
    }

    /// What mutual TLS becomes by `asked`, given what it was.
    fn mutual_tls(
        &self,
        asked: Option<MutualTlsAuthentication>,
        before: Option<&MutualTlsAuthentication>,
        now: Timestamp,
    ) -> Result<(Option<MutualTlsAuthentication>, Option<Arc<Truststore>>), ApiError> {
        let Some(asked) = asked else { return Ok((None, None)) };
        let old = before.and_then(|before| before.truststore_uri.clone());
        //= https://docs.aws.amazon.com/apigateway/latest/developerguide/http-api-mutual-tls.html
        //# an empty truststoreUri disables mutual TLS
        let uri = match asked.truststore_uri.or(old) {
            Some(uri) if uri.is_empty() => return Ok((None, None)),
            Some(uri) => uri,
            None => return Err(bad_request("A truststoreUri is required for mutual TLS")),
        };
        let truststore = Truststore::load(&self.shared.buckets, &uri, now)?;
        let mutual = MutualTlsAuthentication {
            truststore_uri: Some(uri),
            //? assumed: the emulator's S3 keeps one version of an object, whatever it is called
            truststore_version: asked.truststore_version,
            truststore_warnings: truststore.warnings().to_vec(),
        };
        Ok((Some(mutual), Some(Arc::new(truststore))))
    }
}

impl State {
    pub(super) fn domain_name(&self, name: &str) -> Result<&DomainNameState, ApiError> {
        self.domain_names.get(name).ok_or_else(no_such_domain_name)
    }

    pub(super) fn domain_name_mut(&mut self, name: &str) -> Result<&mut DomainNameState, ApiError> {
        self.domain_names.get_mut(name).ok_or_else(no_such_domain_name)
    }
}

fn no_such_domain_name() -> ApiError {
    //= https://github.com/hashicorp/terraform-provider-aws/issues/41659
    //# 404 NotFoundException: Invalid domain name identifier specified
    ApiError::new(ErrorCode::NotFoundException, "Invalid domain name identifier specified")
}

fn domain(description: &DomainName, truststore: Option<Arc<Truststore>>) -> Arc<Domain> {
    let name = description.domain_name.clone();
    Arc::new(Domain { name, leads_to: LeadsTo::Mappings, truststore })
}

//= https://github.com/hashicorp/terraform-provider-aws/issues/18312
//# 400 BadRequestException: Invalid input. Expected one domain name configuration
fn one_configuration(
    given: Option<Vec<DomainNameConfiguration>>,
) -> Result<[DomainNameConfiguration; 1], ApiError> {
    let one = <[_; 1]>::try_from(given.unwrap_or_default());
    one.map_err(|_| bad_request("Invalid input. Expected one domain name configuration"))
}

/// The configuration as AWS answers it. The certificate is not looked up: the emulator issues its
/// own for every domain name.
fn configuration(
    given: DomainNameConfiguration,
    host: Option<String>,
) -> Result<DomainNameConfiguration, ApiError> {
    //= https://docs.aws.amazon.com/apigateway/latest/developerguide/http-api-mutual-tls.html
    //# mutual TLS wants a Regional custom domain name and at least TLS 1.2; so does any HTTP API
    //= https://github.com/amplify-education/serverless-domain-manager/issues/381
    //# the text for any other domain name in the API of v2
    let regional = matches!(given.endpoint_type.as_deref(), None | Some("REGIONAL"));
    let tls_1_2 = matches!(given.security_policy.as_deref(), None | Some("TLS_1_2"));
    if !regional || !tls_1_2 {
        return Err(bad_request(
            "Only REGIONAL domain names with a security policy of TLS 1.2 can be managed through \
             the API Gateway V2 API. For TLS 1.0 domain names, please use the API Gateway V1 API \
             to upgrade your security policy to TLS 1.2. Currently, only REST APIs can be attached \
             to a domain name with a security policy of TLS 1.0.",
        ));
    }
    let or = |given: Option<String>, default: &str| given.unwrap_or_else(|| default.to_owned());
    Ok(DomainNameConfiguration {
        api_gateway_domain_name: host,
        certificate_arn: given.certificate_arn,
        certificate_name: given.certificate_name,
        domain_name_status: Some("AVAILABLE".to_owned()),
        endpoint_type: Some("REGIONAL".to_owned()),
        ip_address_type: Some(or(given.ip_address_type, "ipv4")),
        security_policy: Some("TLS_1_2".to_owned()),
        ownership_verification_certificate_arn: given.ownership_verification_certificate_arn,
        ..DomainNameConfiguration::default()
    })
}

fn check_routing_mode(routing_mode: Option<&str>) -> Result<(), ApiError> {
    match routing_mode {
        None | Some("API_MAPPING_ONLY") => Ok(()),
        Some(other) => Err(not_done(&format!("routingMode {other}"))),
    }
}

/// A host name in lower case; its first label may be `*`.
fn check_name(name: &str) -> Result<(), ApiError> {
    let plain = |byte: u8| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'-');
    let label = |label: &str| {
        (1..=63).contains(&label.len())
            && label.bytes().all(plain)
            && !label.starts_with('-')
            && !label.ends_with('-')
    };
    let rest = name.strip_prefix("*.").unwrap_or(name);
    if name.len() <= 253 && rest.split('.').all(label) {
        return Ok(());
    }
    Err(bad_request("Invalid domain name: a host name in lower case is wanted"))
}
