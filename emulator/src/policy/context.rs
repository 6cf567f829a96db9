//! What the policy variables stand for in one connection or request.
//!
//! It keeps, for each variable, its values or the reason why it has none. Which thing belongs to
//! the connection is decided by whoever fills it.
//! Truth: <https://docs.aws.amazon.com/iot/latest/developerguide/iot-policy-variables.html>.

use std::net::IpAddr;
use std::sync::OnceLock;

use super::certificate::CertificateVariables;
use super::variable::{Variable, Which, digest, folded, is_attribute};
use crate::names::{CertificateId, ClientId, Scope, ThingName, TopicName};
use crate::pki::Certificate;
use crate::time::Timestamp;

//= https://docs.aws.amazon.com/iot/latest/developerguide/cert-policy-variables.html
//# of an attribute with several values, the sixth and further ones are ignored
const ATTRIBUTE_VALUES: usize = 5;

//= https://docs.aws.amazon.com/iot/latest/developerguide/cert-policy-variables.html
//# a longer value is not substituted
const ATTRIBUTE_CHARACTERS: usize = 1024;

//= https://docs.aws.amazon.com/iot/latest/developerguide/cert-policy-variables.html
//# a value with a wildcard of a policy or of a topic filter in it is not substituted
const UNFIT_CHARACTERS: [char; 5] = ['*', '$', '+', '?', '#'];

const CURRENT_TIME: &str = "aws:currenttime";
const EPOCH_TIME: &str = "aws:epochtime";

/// The policy variables of one connection or request.
#[derive(Clone, Debug, Default)]
pub(crate) struct Context {
    entries: Vec<Entry>,
    absences: Vec<Absence>,
    certificate: Option<CertificateVariables>,
    now: Option<Now>,
}

/// A variable and its values.
#[derive(Clone, Debug)]
pub(super) struct Entry {
    /// Folded.
    name: Box<str>,
    digest: u64,
    values: Values,
}

/// The values of a variable.
#[derive(Clone, Debug)]
pub(super) enum Values {
    One(Box<str>),
    /// Only conditions can use it.
    Set(Box<[Box<str>]>),
    /// Of a certificate: the bare name is the first one.
    Attribute(Box<[AttributeValue]>),
}

/// A value of a certificate's attribute.
#[derive(Clone, Debug)]
pub(super) struct AttributeValue {
    text: Box<str>,
    /// Whether AWS IoT substitutes it.
    fit: bool,
}

/// Why the variable, or all variables below it, have no value.
#[derive(Clone, Debug)]
struct Absence {
    name: Box<str>,
    why: Box<str>,
}

/// The moment of the request, spelt out once a policy asks for it.
#[derive(Clone, Debug)]
struct Now {
    at: Timestamp,
    spelt: OnceLock<(Values, Values)>,
}

impl Context {
    /// A context in which no variable has a value yet.
    pub(crate) fn new() -> Self {
        Self::default()
    }

    /// Gives the variable `name` one value.
    pub(crate) fn set(&mut self, name: &str, value: impl Into<String>) {
        self.put(name, Values::One(value.into().into()));
    }

    /// Gives the variable `name` a set of values, as `iot:ConnectAttributes` has one.
    pub(crate) fn set_list(&mut self, name: &str, values: &[&str]) {
        self.put(name, Values::Set(values.iter().map(|value| Box::from(*value)).collect()));
    }

    /// Gives the certificate variable `name` the values of an attribute, escaped, in their order.
    #[cfg(test)]
    pub(crate) fn set_attribute(&mut self, name: &str, values: &[&str]) {
        self.put(name, Values::attribute(values.iter().copied()));
    }

    /// Says why the variable `name` has no value; a name that ends in `.` speaks for all below it.
    pub(crate) fn absent(&mut self, name: &str, why: impl Into<String>) {
        let name = folded(name).into_boxed_str();
        self.entries.retain(|entry| !speaks_for(&name, &entry.name));
        self.absences.retain(|absence| absence.name != name);
        self.absences.push(Absence { name, why: why.into().into() });
    }

    /// Sets `iot:CertificateId` and the variables of the certificate.
    pub(crate) fn set_certificate(&mut self, certificate: &Certificate, id: CertificateId) {
        self.set("iot:CertificateId", id.to_string());
        self.certificate = Some(CertificateVariables::new(certificate.clone()));
    }

    /// Sets `iot:ClientId`.
    pub(crate) fn set_client_id(&mut self, client_id: &ClientId) {
        self.set("iot:ClientId", client_id.as_str());
    }

    /// Sets `aws:SourceIp`.
    pub(crate) fn set_source_ip(&mut self, address: IpAddr) {
        self.set("aws:SourceIp", address.to_canonical().to_string());
    }

    /// Sets `aws:CurrentTime` and `aws:EpochTime`.
    pub(crate) fn set_now(&mut self, now: Timestamp) {
        self.now = Some(Now { at: now, spelt: OnceLock::new() });
    }

    //= https://docs.aws.amazon.com/iot/latest/developerguide/mqtt.html
    //# a connect has the attribute `PersistentConnect`, `LastWill`, both or none
    /// Sets `iot:ConnectAttributes` and `iot:LastWillTopic`, which a CONNECT alone has.
    pub(crate) fn set_connect_attributes(
        &mut self,
        scope: &Scope,
        persistent: bool,
        last_will: Option<&TopicName>,
    ) {
        let attributes =
            [("PersistentConnect", persistent), ("LastWill", last_will.is_some())].into_iter();
        let held: Vec<&str> = attributes.filter(|(_, held)| *held).map(|(name, _)| name).collect();
        self.set_list("iot:ConnectAttributes", &held);
        match last_will {
            Some(topic) => self.set("iot:LastWillTopic", scope.iot_arn("topic", topic).as_str()),
            None => self.absent("iot:LastWillTopic", "the client names no will"),
        }
    }

    //? assumed: what a CONNECT asks for has no value in the actions that follow it
    /// Takes back what [`Context::set_connect_attributes`] has set, once the client is connected.
    pub(crate) fn set_connected(&mut self) {
        for name in ["iot:ConnectAttributes", "iot:LastWillTopic"] {
            self.absent(name, "only a CONNECT has it");
        }
    }

    //= https://docs.aws.amazon.com/iot/latest/developerguide/direct-messaging-policy-examples.html
    //# `iot:Topic` is the topic of a direct message as it stands, without an ARN in front
    /// Sets `iot:Topic`, which SendDirectMessage alone has.
    pub(crate) fn set_topic(&mut self, topic: &TopicName) {
        self.set("iot:Topic", topic.as_str());
    }

    //= https://docs.aws.amazon.com/iot/latest/developerguide/device-connectivity-status.html
    //# `iot:IncludeSocketInformation` says whether socket information is asked for
    /// Sets `iot:IncludeSocketInformation`, which GetConnection alone has.
    pub(crate) fn set_include_socket_information(&mut self, included: bool) {
        self.set("iot:IncludeSocketInformation", included.to_string());
    }

    //= https://docs.aws.amazon.com/iot/latest/developerguide/thing-policy-variables.html
    //# the thing that belongs to the connection gives its name, its type and its attributes
    /// Sets `iot:Connection.Thing.…` for the thing that belongs to the connection.
    pub(crate) fn set_thing<'a>(
        &mut self,
        name: &ThingName,
        thing_type: Option<&str>,
        attributes: impl IntoIterator<Item = (&'a str, &'a str)>,
    ) {
        self.absent("iot:Connection.Thing.", "the thing has no such attribute");
        self.set("iot:Connection.Thing.ThingName", name.as_str());
        self.set("iot:Connection.Thing.IsAttached", "true");
        match thing_type {
            Some(name) => self.set("iot:Connection.Thing.ThingTypeName", name),
            None => self.absent("iot:Connection.Thing.ThingTypeName", "the thing has no type"),
        }
        for (attribute, value) in attributes {
            self.set(&format!("iot:Connection.Thing.Attributes[{attribute}]"), value);
        }
    }

    /// Says why no thing belongs to the connection: `the certificate is attached to no thing`.
    pub(crate) fn set_no_thing(&mut self, why: &str) {
        self.absent("iot:Connection.Thing.", why);
        self.set("iot:Connection.Thing.IsAttached", "false");
    }

    //= https://docs.aws.amazon.com/iot/latest/developerguide/http.html
    //# a request over HTTPS has no client ID, and so no thing that belongs to a connection
    /// Says that the request came over HTTPS.
    pub(crate) fn set_https(&mut self) {
        self.absent("iot:ClientId", "not available over HTTPS");
        self.absent("iot:Connection.Thing.", "not available over HTTPS");
    }

    fn put(&mut self, name: &str, values: Values) {
        let name = folded(name).into_boxed_str();
        self.absences.retain(|absence| absence.name != name);
        match self.entries.iter_mut().find(|entry| entry.name == name) {
            Some(entry) => entry.values = values,
            None => self.entries.push(Entry::new(&name, values)),
        }
    }

    fn found(&self, variable: &Variable) -> Option<&Values> {
        let name = variable.name();
        // A context holds few variables: looking at each is faster than any map.
        let of_name = |entry: &&Entry| entry.digest == variable.digest() && *entry.name == *name;
        let mut found = self.entries.iter().find(of_name);
        if found.is_none() && name.starts_with("iot:certificate.") {
            found = self.certificate.as_ref()?.entries().iter().find(of_name);
        }
        match (found, name) {
            (Some(entry), _) => Some(&entry.values),
            (None, CURRENT_TIME) => Some(&self.now.as_ref()?.spelt().0),
            (None, EPOCH_TIME) => Some(&self.now.as_ref()?.spelt().1),
            (None, _) => None,
        }
    }

    /// The text that stands for `variable` in a resource or in the value of a condition.
    pub(super) fn text(&self, variable: &Variable) -> Option<&str> {
        match (self.found(variable)?, variable.which()) {
            (Values::One(value), Which::First) => Some(value),
            (Values::Attribute(values), Which::First) => values.first()?.fit(),
            (Values::Attribute(values), Which::Nth(index)) => values.get(index)?.fit(),
            _ => None,
        }
    }

    //? assumed: an unfit value is missing from conditions and `.List`, as it is from substitution
    /// What a condition on the key `variable` is held against; `None` if it has no value.
    pub(super) fn values<'a>(
        &'a self,
        variable: &Variable,
    ) -> Option<impl Iterator<Item = &'a str> + Clone + use<'a>> {
        let (plain, attribute): (&[Box<str>], &[AttributeValue]) =
            match (self.found(variable)?, variable.which()) {
                (Values::One(value), Which::First) => (std::slice::from_ref(value), &[]),
                (Values::Set(values), Which::First) => (values, &[]),
                (Values::Attribute(values), Which::List) => (&[], values),
                (Values::Attribute(values), Which::First) => (&[], values.get(..1)?),
                (Values::Attribute(values), Which::Nth(index)) => {
                    (&[], std::slice::from_ref(values.get(index)?))
                }
                _ => return None,
            };
        let fit = attribute.iter().filter_map(AttributeValue::fit);
        let values = plain.iter().map(|value| &**value).chain(fit);
        values.clone().next().is_some().then_some(values)
    }

    /// Why `variable` has no value.
    pub(super) fn why_absent(&self, variable: &Variable) -> String {
        let name = variable.name();
        if let Some(found) = self.found(variable) {
            return found.why_unusable(variable.which());
        }
        // The longest name speaks: `…ThingTypeName` before `iot:Connection.Thing.`.
        let spoken = self.absences.iter().filter(|absence| speaks_for(&absence.name, name));
        if let Some(absence) = spoken.max_by_key(|absence| absence.name.len()) {
            return absence.why.to_string();
        }
        let why = match name {
            "iot:thing.thingname" => {
                "AWS IoT has no such variable; iot:Connection.Thing.ThingName is one"
            }
            "iot:topic" => "only a request of SendDirectMessage has it",
            "iot:includesocketinformation" => "only a request of GetConnection has it",
            _ if is_attribute(name) => "the certificate has no such attribute",
            _ if KNOWN.contains(&name) => "it is not known here",
            _ => "AWS IoT has no such variable",
        };
        why.to_owned()
    }
}

/// Variables that AWS IoT documents, folded, besides those of certificates and things.
const KNOWN: [&str; 14] = [
    CURRENT_TIME,
    EPOCH_TIME,
    "aws:securetransport",
    "aws:sourceip",
    "aws:sourcevpc",
    "aws:sourcevpce",
    "aws:vpcsourceip",
    "iot:certificate.availablekeys",
    "iot:certificate.serialnumber",
    "iot:certificateid",
    "iot:clientid",
    "iot:connectattributes",
    "iot:domainname",
    "iot:lastwilltopic",
];

impl Entry {
    /// The variable `name`, folded, with `values`.
    pub(super) fn new(name: &str, values: Values) -> Self {
        Self { name: name.into(), digest: digest(name), values }
    }
}

impl Values {
    /// The values of a certificate's attribute, of which the sixth and further ones do not count.
    pub(super) fn attribute(values: impl IntoIterator<Item = impl Into<Box<str>>>) -> Self {
        let kept = values.into_iter().take(ATTRIBUTE_VALUES);
        Self::Attribute(kept.map(|text| AttributeValue::new(text.into())).collect())
    }

    fn why_unusable(&self, which: Which) -> String {
        let value = match (self, which) {
            (Self::Set(values), _) if values.is_empty() => return "the set is empty".to_owned(),
            (Self::Attribute(values), Which::Nth(index)) if index >= values.len() => {
                return format!("the certificate has {} such values, counted from 0", values.len());
            }
            (Self::Attribute(values), Which::Nth(index)) => values.get(index),
            (Self::Attribute(values), Which::First) => values.first(),
            _ => return "it is a set of values, which only conditions can use".to_owned(),
        };
        let Some(value) = value else { return "the certificate has no such attribute".to_owned() };
        match value.text.chars().find(|character| UNFIT_CHARACTERS.contains(character)) {
            Some(unfit) => {
                format!("`{unfit}` in the certificate's value keeps it from substitution")
            }
            None => {
                format!("the certificate's value is longer than {ATTRIBUTE_CHARACTERS} characters")
            }
        }
    }
}

impl AttributeValue {
    fn new(text: Box<str>) -> Self {
        let short = text.chars().count() <= ATTRIBUTE_CHARACTERS;
        let fit = short && !text.contains(UNFIT_CHARACTERS);
        Self { text, fit }
    }

    fn fit(&self) -> Option<&str> {
        self.fit.then_some(&self.text)
    }
}

/// Whether `variable` has another value each second.
pub(super) fn is_time(variable: &Variable) -> bool {
    matches!(variable.name(), CURRENT_TIME | EPOCH_TIME)
}

fn speaks_for(absence: &str, name: &str) -> bool {
    name == absence || (absence.ends_with('.') && name.starts_with(absence))
}

impl Now {
    //= https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_condition-keys.html
    //# the time of the request, in ISO 8601 and in seconds since 1970
    fn spelt(&self) -> &(Values, Values) {
        self.spelt.get_or_init(|| {
            let seconds = self.at.milliseconds().div_euclid(1000);
            let date = self.at.format("%Y-%m-%dT%H:%M:%SZ");
            (Values::One(date.into()), Values::One(seconds.to_string().into()))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(context: &Context, name: &str) -> Option<String> {
        context.text(&Variable::new(name)).map(str::to_owned)
    }

    #[test]
    fn pol_44_a_certificates_value_has_1024_characters_at_most() {
        let name = "iot:Certificate.Subject.CommonName";
        let mut context = Context::new();
        context.set_attribute(name, &[&"é".repeat(1024)]);
        assert!(text(&context, name).is_some());
        context.set_attribute(name, &[&"x".repeat(1025), "b"]);
        assert_eq!(text(&context, name), None);
        assert!(context.why_absent(&Variable::new(name)).contains("1024 characters"));
        assert_eq!(text(&context, &format!("{name}.1")).as_deref(), Some("b"));
        let list = Variable::new(&format!("{name}.List"));
        assert_eq!(context.values(&list).unwrap().collect::<Vec<_>>(), ["b"]);
    }

    #[test]
    fn the_nearest_reason_speaks() {
        let mut context = Context::new();
        let why = |context: &Context, name: &str| context.why_absent(&Variable::new(name));
        context.set_connect_attributes(&Scope::new("1", "r"), true, Some(&"will".into()));
        context.set_connected();
        assert_eq!(text(&context, "iot:LastWillTopic"), None);
        assert_eq!(why(&context, "iot:ConnectAttributes"), "only a CONNECT has it");
        context.absent("iot:Connection.Thing.", "no thing");
        context.absent("iot:Connection.Thing.ThingTypeName", "no type");
        assert_eq!(why(&context, "iot:connection.thing.THINGNAME"), "no thing");
        assert_eq!(why(&context, "iot:Connection.Thing.ThingTypeName"), "no type");
        assert_eq!(why(&context, "iot:Connection"), "AWS IoT has no such variable");
        assert_eq!(why(&context, "iot:DomainName"), "it is not known here");
    }

    #[test]
    fn a_value_and_its_absence_replace_each_other() {
        let name = "iot:Connection.Thing.ThingName";
        let mut context = Context::new();
        context.set_thing(&"T".into(), Some("Lamp"), [("site", "Berlin")]);
        assert_eq!(text(&context, name).as_deref(), Some("T"));
        context.set_no_thing("the certificate is attached to no thing");
        assert_eq!(text(&context, name), None);
        assert_eq!(text(&context, "iot:Connection.Thing.Attributes[site]"), None);
        assert_eq!(text(&context, "iot:Connection.Thing.IsAttached").as_deref(), Some("false"));
        context.set_thing(&"U".into(), None, []);
        assert_eq!(text(&context, name).as_deref(), Some("U"));
        context.set_https();
        assert_eq!(text(&context, "iot:Connection.Thing.IsAttached"), None);
    }

    #[test]
    fn an_ipv4_address_is_spelt_as_one_even_on_an_ipv6_socket() {
        let mut context = Context::new();
        context.set_source_ip("::ffff:192.0.2.1".parse().unwrap());
        assert_eq!(text(&context, "aws:SourceIp").as_deref(), Some("192.0.2.1"));
    }
}
