//! The few lines that a test writes for a custom domain name; sugar over AWS's operations.

use super::ApiGateway;
use super::api_mappings::CreateApiMappingRequest;
use super::apis::{ApiRequest, CreateApiRequest};
use super::domain_names::{
    DomainNameConfiguration, DomainNameInput, DomainNameRequest, DomainNameUpdate,
    MutualTlsAuthentication,
};
use super::integrations::CreateIntegrationRequest;
use super::refusals::bad_request;
use super::routes::CreateRouteRequest;
use super::stages::CreateStageRequest;
use crate::errors::ApiError;
use crate::lambda::Function;
use crate::names::Arn;
use crate::time::Timestamp;

/// Where [`DomainNameBuilder::truststore`] puts its bundles.
const TRUSTSTORES: &str = "truststores";

impl ApiGateway {
    /// Describes a custom domain name with an HTTP API behind it; [`DomainNameBuilder::create`]
    /// makes it.
    ///
    /// ```
    /// use iot_emulator::{CertificateAuthority, Emulator, Function};
    /// use serde_json::json;
    ///
    /// let (emulator, ca) = (Emulator::start(), CertificateAuthority::new("Acme Devices"));
    /// emulator
    ///     .api_gateway()
    ///     .domain_name("sample.example.com")
    ///     .truststore(&ca.pem())
    ///     .route("GET /sample", Function::new(|_event| Ok(json!({ "message": "Good." }))))
    ///     .create()?;
    /// // https://sample.example.com/sample, at emulator.gateway_address()
    /// # Ok::<(), iot_emulator::ApiError>(())
    /// ```
    pub fn domain_name(&self, name: &str) -> DomainNameBuilder {
        DomainNameBuilder {
            gateway: self.clone(),
            name: name.to_owned(),
            truststore: None,
            routes: Vec::new(),
        }
    }

    /// Gives a domain name another truststore, as uploading the bundle and `UpdateDomainName` do.
    ///
    /// # Errors
    /// If there is no such domain name.
    pub fn update_truststore(&self, name: &str, pem: &str) -> Result<(), ApiError> {
        let input = DomainNameUpdate {
            domain_name: name.to_owned(),
            mutual_tls_authentication: Some(self.upload(name, pem)?),
            ..DomainNameUpdate::default()
        };
        self.update_domain_name(input, self.now()).map(drop)
    }

    fn upload(&self, name: &str, pem: &str) -> Result<MutualTlsAuthentication, ApiError> {
        let key = format!("{name}.pem");
        let put = self.shared.buckets.put(TRUSTSTORES, &key, pem.to_owned());
        put.map_err(|error| bad_request(error.to_string()))?;
        Ok(MutualTlsAuthentication {
            truststore_uri: Some(format!("s3://{TRUSTSTORES}/{key}")),
            ..MutualTlsAuthentication::default()
        })
    }

    fn now(&self) -> Timestamp {
        self.shared.clock.now()
    }
}

/// A custom domain name, an HTTP API of the same name, and what answers its routes.
///
/// It makes what the AWS CLI would need six commands for: functions, an API with integrations and
/// routes in payload format 2.0, its stage `$default`, the domain name, and the API mapping.
#[derive(Clone, Debug)]
#[must_use = "nothing is made before `create` is called"]
pub struct DomainNameBuilder {
    gateway: ApiGateway,
    name: String,
    truststore: Option<String>,
    routes: Vec<(String, Function)>,
}

impl DomainNameBuilder {
    /// Turns mutual TLS on: only clients whose chain lies in this PEM bundle, from the issuing CA
    /// up to the root, are answered.
    pub fn truststore(mut self, pem: &str) -> Self {
        self.truststore = Some(pem.to_owned());
        self
    }

    /// Lets `function` answer the route `route_key`: `GET /pets/{id}`, `ANY /{proxy+}`, `$default`.
    pub fn route(mut self, route_key: &str, function: Function) -> Self {
        self.routes.push((route_key.to_owned(), function));
        self
    }

    /// Makes all of it, or nothing.
    ///
    /// # Errors
    /// What AWS answers to a wrong route key or domain name, or to one that is there already.
    pub fn create(self) -> Result<(), ApiError> {
        let now = self.gateway.now();
        let api = CreateApiRequest {
            name: self.name.clone(),
            protocol_type: "HTTP".to_owned(),
            ..CreateApiRequest::default()
        };
        let api_id = self.gateway.create_api(api, now)?.api_id;
        let made = self.fill(&api_id, now);
        if made.is_err() {
            let _gone = self.gateway.delete_api(ApiRequest { api_id }, now);
        }
        made
    }

    fn fill(&self, api_id: &str, now: Timestamp) -> Result<(), ApiError> {
        for (index, (route_key, function)) in self.routes.iter().enumerate() {
            let name = function_name(&self.name, index);
            let arn = self.gateway.shared.functions.register(&name, function.clone(), now)?;
            self.add_route(api_id, route_key, &arn, now)?;
        }
        let stage = CreateStageRequest {
            api_id: api_id.to_owned(),
            stage_name: "$default".to_owned(),
            auto_deploy: Some(true),
            ..CreateStageRequest::default()
        };
        self.gateway.create_stage(stage, now)?;
        let truststore = self.truststore.as_ref();
        let mutual = truststore.map(|pem| self.gateway.upload(&self.name, pem)).transpose()?;
        let domain_name = DomainNameInput {
            domain_name: self.name.clone(),
            domain_name_configurations: Some(vec![DomainNameConfiguration::default()]),
            mutual_tls_authentication: mutual,
            ..DomainNameInput::default()
        };
        self.gateway.create_domain_name(domain_name, now)?;
        let mapping = CreateApiMappingRequest {
            api_id: api_id.to_owned(),
            domain_name: self.name.clone(),
            stage: "$default".to_owned(),
            ..CreateApiMappingRequest::default()
        };
        self.gateway.create_api_mapping(mapping, now).map(drop).inspect_err(|_| {
            let request = DomainNameRequest { domain_name: self.name.clone() };
            let _gone = self.gateway.delete_domain_name(request, now);
        })
    }

    fn add_route(
        &self,
        api_id: &str,
        route_key: &str,
        function: &Arn,
        now: Timestamp,
    ) -> Result<(), ApiError> {
        let integration = CreateIntegrationRequest {
            api_id: api_id.to_owned(),
            integration_type: "AWS_PROXY".to_owned(),
            integration_uri: Some(function.to_string()),
            payload_format_version: Some("2.0".to_owned()),
            ..CreateIntegrationRequest::default()
        };
        let integration = self.gateway.create_integration(integration, now)?;
        let route = CreateRouteRequest {
            api_id: api_id.to_owned(),
            route_key: route_key.to_owned(),
            target: Some(format!("integrations/{}", integration.integration_id)),
            ..CreateRouteRequest::default()
        };
        self.gateway.create_route(route, now).map(drop)
    }
}

/// A name for the function of a route: at most 64 letters, digits, hyphens and underscores.
fn function_name(domain_name: &str, index: usize) -> String {
    let plain = |byte: u8| if byte.is_ascii_alphanumeric() { char::from(byte) } else { '-' };
    let name: String = domain_name.bytes().take(50).map(plain).collect();
    format!("{name}-{}", index + 1)
}
