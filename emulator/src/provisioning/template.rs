//! A provisioning template, read: parameters, mappings and resources, with their functions still
//! unresolved.
//!
//! Whether a body may be stored is decided in `registry`; here every section, resource, property
//! and setting must be one that is known, so that a misspelt one is not passed over.
//! Truth: <https://docs.aws.amazon.com/iot/latest/developerguide/provision-template.html>.

use std::collections::BTreeMap;

use serde_json::{Map, Value};

use super::functions::text;

/// A template.
#[derive(Debug)]
pub(super) struct Template {
    /// The declared parameters, each with its default.
    pub(super) parameters: BTreeMap<String, Option<String>>,
    pub(super) mappings: Map<String, Value>,
    /// By logical ID.
    pub(super) resources: BTreeMap<String, Resource>,
    /// What a device is told that fleet provisioning provisioned; just in time, nobody is.
    pub(super) device_configuration: Map<String, Value>,
}

/// A resource of a template.
#[derive(Debug)]
pub(super) struct Resource {
    pub(super) kind: ResourceKind,
    pub(super) properties: Map<String, Value>,
    pub(super) overrides: BTreeMap<String, Override>,
}

/// What a resource is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum ResourceKind {
    Thing,
    Certificate,
    Policy,
}

/// What happens to a resource that exists already and differs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Override {
    DoNothing,
    Replace,
    Merge,
    #[default]
    Fail,
}

/// A text that is no template, and where it goes wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct NotATemplate(pub(super) String);

impl ResourceKind {
    const ALL: [Self; 3] = [Self::Thing, Self::Certificate, Self::Policy];

    /// AWS's name for it.
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Thing => "AWS::IoT::Thing",
            Self::Certificate => "AWS::IoT::Certificate",
            Self::Policy => "AWS::IoT::Policy",
        }
    }

    //= https://docs.aws.amazon.com/iot/latest/developerguide/provision-template.html
    //# the properties of each resource
    const fn properties(self) -> &'static [&'static str] {
        match self {
            Self::Thing => {
                &["ThingName", "AttributePayload", "ThingTypeName", "ThingGroups", "BillingGroup"]
            }
            Self::Certificate => &[
                "CertificateSigningRequest",
                "CertificateId",
                "CertificatePem",
                "CACertificatePem",
                "Status",
            ],
            Self::Policy => &["PolicyName", "PolicyDocument"],
        }
    }

    //= https://docs.aws.amazon.com/iot/latest/developerguide/provision-template.html
    //# what may be overridden: three properties of a thing, the status of a certificate, nothing of
    //# a policy. The examples write `AttributePayload` where the list has `ATTRIBUTE_PAYLOAD`
    fn setting(self, name: &str) -> Option<&'static str> {
        match (self, name) {
            (Self::Thing, "AttributePayload" | "ATTRIBUTE_PAYLOAD") => Some("AttributePayload"),
            (Self::Thing, "ThingTypeName" | "THING_TYPE_NAME") => Some("ThingTypeName"),
            (Self::Thing, "ThingGroups" | "THING_GROUPS") => Some("ThingGroups"),
            (Self::Certificate, "Status") => Some("Status"),
            _ => None,
        }
    }
}

impl Override {
    fn parse(setting: &str, text: &str) -> Option<Self> {
        match text {
            "DO_NOTHING" => Some(Self::DoNothing),
            "REPLACE" => Some(Self::Replace),
            "FAIL" => Some(Self::Fail),
            "MERGE" if setting == "AttributePayload" || setting == "ThingGroups" => {
                Some(Self::Merge)
            }
            _ => None,
        }
    }
}

impl Template {
    /// Reads a template body.
    pub(super) fn parse(body: &str) -> Result<Self, NotATemplate> {
        // serde_json gives up at a depth of 128, so nothing here can exhaust the stack.
        let template: Map<String, Value> = serde_json::from_str(body)
            .map_err(|error| NotATemplate(format!("not JSON: {error}")))?;
        let mut parameters = BTreeMap::new();
        let mut resources = BTreeMap::new();
        let mut mappings = Map::new();
        let mut device_configuration = Map::new();
        for (name, section) in template {
            match name.as_str() {
                "Parameters" => {
                    for (name, parameter) in members("Parameters", section)? {
                        let default = parse_parameter(&name, parameter)?;
                        parameters.insert(name, default);
                    }
                }
                "Mappings" => mappings = members("Mappings", section)?,
                "Resources" => {
                    for (id, resource) in members("Resources", section)? {
                        let resource = Resource::parse(&id, resource)?;
                        resources.insert(id, resource);
                    }
                }
                "DeviceConfiguration" => {
                    device_configuration = members("DeviceConfiguration", section)?;
                }
                //? assumed: an unknown section is refused
                _ => return wrong(format!("there is no section `{name}`")),
            }
        }
        let template = Self { parameters, mappings, resources, device_configuration };
        //? assumed: one thing, as there is one certificate; the guide speaks of `a thing`
        for kind in [ResourceKind::Thing, ResourceKind::Certificate] {
            if template.of_kind(kind).count() > 1 {
                return wrong(format!("there can be only one `{}`", kind.name()));
            }
        }
        Ok(template)
    }

    //= https://docs.aws.amazon.com/iot/latest/developerguide/provision-template.html
    //# the default counts where no value is given; without one there is no value
    //? assumed: a value for a parameter that is not declared cannot be referred to, and is no error
    /// The values of its parameters, of which these are given.
    pub(super) fn values(&self, given: &BTreeMap<String, String>) -> BTreeMap<String, String> {
        let declared = self.parameters.iter();
        let values = declared.filter_map(|(name, default)| {
            let value = given.get(name).or(default.as_ref())?;
            Some((name.clone(), value.clone()))
        });
        values.collect()
    }

    /// The resources of a kind, by logical ID.
    pub(super) fn of_kind(&self, kind: ResourceKind) -> impl Iterator<Item = (&str, &Resource)> {
        let all = self.resources.iter().map(|(id, resource)| (id.as_str(), resource));
        all.filter(move |(_, resource)| resource.kind == kind)
    }
}

impl Resource {
    fn parse(id: &str, resource: Value) -> Result<Self, NotATemplate> {
        let place = format!("resource `{id}`");
        let mut resource = members(&place, resource)?;
        let kind = resource.remove("Type");
        let kind = kind.as_ref().and_then(Value::as_str).unwrap_or_default();
        let Some(kind) = ResourceKind::ALL.into_iter().find(|known| known.name() == kind) else {
            return wrong(format!("{place}: there is no Type `{kind}`"));
        };
        let properties = resource.remove("Properties").unwrap_or_default();
        let properties = members(&format!("the Properties of {place}"), properties)?;
        let known = kind.properties();
        if let Some(name) = properties.keys().find(|name| !known.contains(&name.as_str())) {
            return wrong(format!("{place}: `{}` has no property `{name}`", kind.name()));
        }
        let overrides = match resource.remove("OverrideSettings") {
            None => BTreeMap::new(),
            Some(settings) => parse_overrides(&place, kind, settings)?,
        };
        if let Some(name) = resource.keys().next() {
            return wrong(format!("{place}: there is no member `{name}`"));
        }
        Ok(Self { kind, properties, overrides })
    }

    /// What to do about a property that exists already and differs.
    pub(super) fn override_of(&self, property: &str) -> Override {
        self.overrides.get(property).copied().unwrap_or_default()
    }
}

fn parse_overrides(
    place: &str,
    kind: ResourceKind,
    settings: Value,
) -> Result<BTreeMap<String, Override>, NotATemplate> {
    let mut overrides = BTreeMap::new();
    for (name, value) in members(&format!("the OverrideSettings of {place}"), settings)? {
        let Some(setting) = kind.setting(&name) else {
            let kind = kind.name();
            return wrong(format!("{place}: `{kind}` has no override setting `{name}`"));
        };
        let action = value.as_str().and_then(|text| Override::parse(setting, text));
        let Some(action) = action else {
            return wrong(format!("{place}: `{name}` cannot be overridden with {value}"));
        };
        overrides.insert(setting.to_owned(), action);
    }
    Ok(overrides)
}

//= https://docs.aws.amazon.com/iot/latest/developerguide/provision-template.html
//# every parameter is a String, and may have a default
fn parse_parameter(name: &str, parameter: Value) -> Result<Option<String>, NotATemplate> {
    let mut parameter = members(&format!("parameter `{name}`"), parameter)?;
    let kind = parameter.remove("Type");
    if kind.as_ref().and_then(Value::as_str) != Some("String") {
        return wrong(format!("parameter `{name}`: its Type must be String"));
    }
    match parameter.remove("Default") {
        None => Ok(None),
        Some(default) => match text(&default) {
            Some(default) => Ok(Some(default)),
            None => wrong(format!("parameter `{name}`: its Default must be text")),
        },
    }
}

fn members(place: &str, value: Value) -> Result<Map<String, Value>, NotATemplate> {
    match value {
        Value::Object(members) => Ok(members),
        _ => wrong(format!("{place}: not an object")),
    }
}

fn wrong<T>(why: String) -> Result<T, NotATemplate> {
    Err(NotATemplate(why))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pt_1_to_10_what_is_not_known_is_refused() {
        let table = [
            ("", "not JSON: "),
            ("[1]", "not JSON: "),
            (r#"{"Conditions":{}}"#, "there is no section `Conditions`"),
            (r#"{"Parameters":[]}"#, "Parameters: not an object"),
            (r#"{"Parameters":{"N":{"Type":"Number"}}}"#, "parameter `N`: its Type must be String"),
            (
                r#"{"Parameters":{"N":{"Type":"String","Default":[]}}}"#,
                "parameter `N`: its Default must be text",
            ),
            (
                r#"{"Resources":{"r":{"Type":"AWS::IoT::Role","Properties":{}}}}"#,
                "resource `r`: there is no Type `AWS::IoT::Role`",
            ),
            (
                r#"{"Resources":{"r":{"Type":"AWS::IoT::Thing"}}}"#,
                "the Properties of resource `r`: not an object",
            ),
            (
                r#"{"Resources":{"r":{"Type":"AWS::IoT::Thing","Properties":{"Thingname":"x"}}}}"#,
                "resource `r`: `AWS::IoT::Thing` has no property `Thingname`",
            ),
            (
                r#"{"Resources":{"r":{"Type":"AWS::IoT::Policy","Properties":{},
                    "OverrideSettings":{"PolicyDocument":"REPLACE"}}}}"#,
                "resource `r`: `AWS::IoT::Policy` has no override setting `PolicyDocument`",
            ),
            (
                r#"{"Resources":{"r":{"Type":"AWS::IoT::Thing","Properties":{},
                    "OverrideSettings":{"ThingTypeName":"MERGE"}}}}"#,
                "resource `r`: `ThingTypeName` cannot be overridden with \"MERGE\"",
            ),
            (
                r#"{"Resources":{"r":{"Type":"AWS::IoT::Thing","Properties":{}},
                    "s":{"Type":"AWS::IoT::Thing","Properties":{}}}}"#,
                "there can be only one `AWS::IoT::Thing`",
            ),
        ];
        for (body, why) in table {
            let refused = Template::parse(body).expect_err(body).0;
            assert!(refused.starts_with(why), "{body}: {refused}");
        }
    }

    #[test]
    fn pt_10_the_settings_may_be_spelt_both_ways() {
        let body = r#"{"Resources":{"r":{"Type":"AWS::IoT::Thing","Properties":{},
            "OverrideSettings":{"ATTRIBUTE_PAYLOAD":"MERGE","ThingGroups":"DO_NOTHING"}}}}"#;
        let template = Template::parse(body).unwrap();
        let (_, thing) = template.of_kind(ResourceKind::Thing).next().unwrap();
        assert_eq!(thing.override_of("AttributePayload"), Override::Merge);
        assert_eq!(thing.override_of("ThingGroups"), Override::DoNothing);
        assert_eq!(thing.override_of("ThingTypeName"), Override::Fail);
    }

    proptest::proptest! {
        #[test]
        fn no_body_makes_it_panic(body in r#"[\[\]{}":,a-zA-Z0-9 ]{0,60}"#) {
            let _any = Template::parse(&body);
            let _any = Template::parse(&format!("{{\"Resources\":{{\"r\":{body}}}}}"));
        }
    }
}
