//! The resources of a template with every function resolved: what is to be made.
//!
//! Truth: <https://docs.aws.amazon.com/iot/latest/developerguide/provision-template.html>.

use std::collections::BTreeMap;

use serde_json::{Map, Value};

use crate::registry::CertificateStatus;

use super::functions::{Resolver, Unresolved, text};
use super::template::{Override, Resource, ResourceKind, Template};

/// What a template comes to for one device.
#[derive(Debug)]
pub(super) struct Resources {
    pub(super) thing: Option<ThingResource>,
    pub(super) policies: Vec<PolicyResource>,
    pub(super) certificate: CertificateResource,
}

/// A thing to make or to find.
#[derive(Debug)]
pub(super) struct ThingResource {
    pub(super) logical_id: String,
    pub(super) name: String,
    pub(super) attributes: Option<BTreeMap<String, String>>,
    pub(super) attributes_override: Override,
    pub(super) thing_type: Option<String>,
    pub(super) thing_type_override: Override,
    pub(super) groups: Vec<String>,
    pub(super) groups_override: Override,
    pub(super) billing_group: Option<String>,
}

/// A policy to make or to find.
#[derive(Debug)]
pub(super) struct PolicyResource {
    pub(super) logical_id: String,
    pub(super) source: PolicySource,
}

/// Where a policy comes from.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum PolicySource {
    /// It exists under this name.
    Name(String),
    /// This is its document.
    Document(String),
}

/// The certificate, and what it becomes.
#[derive(Debug)]
pub(super) struct CertificateResource {
    pub(super) logical_id: String,
    pub(super) source: CertificateSource,
    pub(super) status: CertificateStatus,
    pub(super) status_override: Override,
}

/// Where a certificate comes from.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum CertificateSource {
    /// AWS issues it for this request.
    SigningRequest(String),
    /// It is registered.
    Id(String),
    /// This is it, and perhaps its CA.
    Pem { certificate: String, ca_certificate: Option<String> },
    /// The template makes do without one.
    Absent,
}

impl CertificateResource {
    //= https://github.com/yilmaznaslan/aws-iot-core-registering-things-in-bulk
    //# a bulk registration with a template that has a thing and nothing else makes things
    /// What stands for the certificate of a template that has none.
    fn absent() -> Self {
        Self {
            logical_id: "Resources".to_owned(),
            source: CertificateSource::Absent,
            status: CertificateStatus::Active,
            status_override: Override::Fail,
        }
    }
}

/// Why a template comes to nothing: the resource, AWS's sentence if there is one, and why.
#[derive(Debug)]
pub(super) struct Unusable {
    pub(super) logical_id: String,
    pub(super) sentence: Option<String>,
    pub(super) why: String,
}

impl Resources {
    /// Resolves `template` with `parameters`.
    pub(super) fn resolve(
        template: &Template,
        parameters: &BTreeMap<String, String>,
    ) -> Result<Self, Unusable> {
        let mut resolver = Resolver::new(parameters, &template.mappings);
        let mut thing = None;
        let mut policies = Vec::new();
        let mut certificate = None;
        for (id, resource) in &template.resources {
            let properties = Properties::of(id, &resource.properties, &mut resolver)?;
            match resource.kind {
                ResourceKind::Thing => thing = Some(properties.thing(resource)?),
                ResourceKind::Policy => policies.push(properties.policy()?),
                ResourceKind::Certificate => certificate = Some(properties.certificate(resource)?),
            }
        }
        if thing.is_none() && certificate.is_none() {
            return Err(Unusable {
                logical_id: "Resources".to_owned(),
                sentence: None,
                why: "there is neither an `AWS::IoT::Thing` nor an `AWS::IoT::Certificate`"
                    .to_owned(),
            });
        }
        let certificate = certificate.unwrap_or_else(CertificateResource::absent);
        Ok(Self { thing, policies, certificate })
    }
}

//= https://docs.aws.amazon.com/iot/latest/developerguide/provision-template.html
//# what a device is told: any names and values, without objects in each other
/// The `DeviceConfiguration` of `template` for these `parameters`.
pub(super) fn device_configuration(
    template: &Template,
    parameters: &BTreeMap<String, String>,
) -> Result<Map<String, Value>, Unusable> {
    const SECTION: &str = "DeviceConfiguration";
    let mut resolver = Resolver::new(parameters, &template.mappings);
    let values = Properties::of(SECTION, &template.device_configuration, &mut resolver)?;
    match values.values.iter().find(|(_, value)| text(value).is_none()) {
        Some((name, _)) => Err(values.wrong(format!("{name} must be a single value"))),
        None => Ok(values.values),
    }
}

/// The resolved properties of one resource.
struct Properties<'a> {
    id: &'a str,
    values: Map<String, Value>,
}

impl<'a> Properties<'a> {
    fn of(
        id: &'a str,
        properties: &Map<String, Value>,
        resolver: &mut Resolver<'_>,
    ) -> Result<Self, Unusable> {
        let mut values = Map::new();
        for (name, value) in properties {
            let value =
                resolver.resolve(value).map_err(|Unresolved { function, why }| Unusable {
                    logical_id: id.to_owned(),
                    sentence: Some(format!("Cannot resolve reference value: {function}")),
                    why: format!("{name}: {why}"),
                })?;
            values.insert(name.clone(), value);
        }
        Ok(Self { id, values })
    }

    fn wrong(&self, why: impl Into<String>) -> Unusable {
        Unusable { logical_id: self.id.to_owned(), sentence: None, why: why.into() }
    }

    fn text(&self, name: &str) -> Result<Option<String>, Unusable> {
        let Some(value) = self.values.get(name) else { return Ok(None) };
        text(value).map(Some).ok_or_else(|| self.wrong(format!("{name} must be text")))
    }

    fn thing(&self, resource: &Resource) -> Result<ThingResource, Unusable> {
        let name = self.text("ThingName")?.ok_or_else(|| self.wrong("it has no ThingName"))?;
        let attributes = match self.values.get("AttributePayload") {
            None => None,
            Some(Value::Object(attributes)) => Some(self.attributes(attributes)?),
            Some(_) => return Err(self.wrong("AttributePayload must be an object")),
        };
        let groups = match self.values.get("ThingGroups") {
            None => Vec::new(),
            Some(Value::Array(groups)) => groups
                .iter()
                .map(|group| text(group).ok_or_else(|| self.wrong("a thing group must be text")))
                .collect::<Result<_, _>>()?,
            Some(_) => return Err(self.wrong("ThingGroups must be a list")),
        };
        Ok(ThingResource {
            logical_id: self.id.to_owned(),
            name,
            attributes,
            attributes_override: resource.override_of("AttributePayload"),
            thing_type: self.text("ThingTypeName")?,
            thing_type_override: resource.override_of("ThingTypeName"),
            groups,
            groups_override: resource.override_of("ThingGroups"),
            billing_group: self.text("BillingGroup")?,
        })
    }

    fn attributes(
        &self,
        attributes: &Map<String, Value>,
    ) -> Result<BTreeMap<String, String>, Unusable> {
        let pairs = attributes.iter().map(|(name, value)| {
            let value = text(value)
                .ok_or_else(|| self.wrong(format!("attribute `{name}` must be text")))?;
            Ok((name.clone(), value))
        });
        pairs.collect()
    }

    //= https://docs.aws.amazon.com/iot/latest/developerguide/provision-template.html
    //# PolicyName or PolicyDocument, but not both; the document is escaped JSON, and in the fleet
    //# provisioning examples an object
    fn policy(&self) -> Result<PolicyResource, Unusable> {
        let source = match (self.text("PolicyName")?, self.values.get("PolicyDocument")) {
            (Some(name), None) => PolicySource::Name(name),
            (None, Some(Value::String(document))) => PolicySource::Document(document.clone()),
            (None, Some(document @ Value::Object(_))) => {
                PolicySource::Document(document.to_string())
            }
            (None, Some(_)) => return Err(self.wrong("PolicyDocument must be text or an object")),
            (Some(_), Some(_)) => {
                return Err(self.wrong("PolicyName and PolicyDocument exclude each other"));
            }
            (None, None) => return Err(self.wrong("it has neither PolicyName nor PolicyDocument")),
        };
        Ok(PolicyResource { logical_id: self.id.to_owned(), source })
    }

    //= https://docs.aws.amazon.com/iot/latest/developerguide/provision-template.html
    //# Status is ACTIVE or INACTIVE, and ACTIVE unless given; the examples also spell it `Active`
    fn certificate(&self, resource: &Resource) -> Result<CertificateResource, Unusable> {
        let source = self.certificate_source()?;
        let status = match self.text("Status")? {
            None => CertificateStatus::Active,
            Some(status) if status.eq_ignore_ascii_case("ACTIVE") => CertificateStatus::Active,
            Some(status) if status.eq_ignore_ascii_case("INACTIVE") => CertificateStatus::Inactive,
            Some(status) => return Err(self.wrong(format!("there is no Status `{status}`"))),
        };
        Ok(CertificateResource {
            logical_id: self.id.to_owned(),
            source,
            status,
            status_override: resource.override_of("Status"),
        })
    }

    //= https://docs.aws.amazon.com/iot/latest/developerguide/provision-template.html
    //# a request, an ID, or a certificate, and with the last perhaps the CA certificate
    //? assumed: two of them are refused, and so is a CA certificate without a certificate
    fn certificate_source(&self) -> Result<CertificateSource, Unusable> {
        let request = self.text("CertificateSigningRequest")?;
        let id = self.text("CertificateId")?;
        let certificate = self.text("CertificatePem")?;
        let ca_certificate = self.text("CACertificatePem")?;
        match (request, id, certificate, ca_certificate) {
            (Some(request), None, None, None) => Ok(CertificateSource::SigningRequest(request)),
            (None, Some(id), None, None) => Ok(CertificateSource::Id(id)),
            (None, None, Some(certificate), ca_certificate) => {
                Ok(CertificateSource::Pem { certificate, ca_certificate })
            }
            _ => Err(self.wrong(
                "it must have one of CertificateSigningRequest, CertificateId and CertificatePem",
            )),
        }
    }
}
