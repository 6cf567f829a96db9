//! What the policy variables stand for in one connection or request.
//!
//! It holds facts (who, from where, which thing, which certificate), and for each variable gives
//! its values or the reason why it has none. Which thing belongs to the connection is decided by
//! whoever fills it.
//! Truth: <https://docs.aws.amazon.com/iot/latest/developerguide/iot-policy-variables.html>.

use std::borrow::Cow;
use std::net::IpAddr;
use std::sync::{Arc, OnceLock};

use super::certificate::CertificateVariables;
use super::variable::{Key, Variable};
use crate::names::{ClientId, Scope, ThingName, ThingTypeName, TopicName};
use crate::pki::Certificate;
use crate::time::Timestamp;

/// Of a variable that has several values, where one is wanted.
pub(super) const ONLY_FOR_CONDITIONS: &str = "it is a set of values, which only conditions can use";

const UNKNOWN: &str = "it is not known here";
const NOT_OVER_HTTPS: &str = "not available over HTTPS";

/// Names and values of a thing's attributes, by name; the registry shares them.
pub(super) type ThingAttributes = Arc<[(Box<str>, Box<str>)]>;

/// The facts behind the policy variables of one connection or request.
#[derive(Clone, Debug)]
pub(crate) struct Context {
    client_id: Option<ClientId>,
    source_ip: Option<Box<str>>,
    domain_name: Option<Arc<str>>,
    certificate: Option<CertificateVariables>,
    thing: Thing,
    request: Request,
    now: Option<Box<Now>>,
}

/// The thing that belongs to a connection.
#[derive(Clone, Debug)]
enum Thing {
    /// Nobody has asked.
    Unknown,
    /// Nothing connects over HTTPS.
    NotOverHttps,
    /// There is none; why.
    None(Cow<'static, str>),
    Some {
        name: ThingName,
        thing_type: Option<ThingTypeName>,
        attributes: ThingAttributes,
    },
}

/// What is asked, as far as it has variables of its own.
#[derive(Clone, Debug)]
enum Request {
    Unknown,
    Connect(Box<Asked>),
    /// The CONNECT is over.
    Connected,
    SendDirectMessage(Box<TopicName>),
    GetConnection {
        include_socket_information: bool,
    },
}

/// What a CONNECT asks for.
#[derive(Clone, Debug)]
struct Asked {
    attributes: &'static [&'static str],
    last_will_topic: Option<Box<str>>,
}

/// The moment of the request, spelt out once a policy asks for it.
#[derive(Clone, Debug)]
struct Now {
    /// Since 1970.
    seconds: i64,
    spelt: OnceLock<(String, String)>,
}

impl Default for Context {
    fn default() -> Self {
        Self::new()
    }
}

impl Context {
    /// A context in which no variable has a value yet.
    pub(crate) const fn new() -> Self {
        Self {
            client_id: None,
            source_ip: None,
            domain_name: None,
            certificate: None,
            thing: Thing::Unknown,
            request: Request::Unknown,
            now: None,
        }
    }

    /// Sets `iot:CertificateId` and the variables of the certificate.
    pub(crate) fn set_certificate(&mut self, certificate: &Certificate) {
        self.certificate = Some(CertificateVariables::new(certificate));
    }

    /// Sets `iot:ClientId`.
    pub(crate) fn set_client_id(&mut self, client_id: &ClientId) {
        self.client_id = Some(client_id.clone());
    }

    /// `iot:ClientId`.
    pub(crate) const fn client_id(&self) -> Option<&ClientId> {
        self.client_id.as_ref()
    }

    /// Sets `aws:SourceIp`.
    pub(crate) fn set_source_ip(&mut self, address: IpAddr) {
        self.source_ip = Some(address.to_canonical().to_string().into());
    }

    /// Sets `iot:DomainName` to the host name in SNI.
    pub(crate) fn set_domain_name(&mut self, server_name: Option<Arc<str>>) {
        self.domain_name = server_name;
    }

    /// Sets `aws:CurrentTime` and `aws:EpochTime`.
    pub(crate) fn set_now(&mut self, now: Timestamp) {
        let seconds = now.milliseconds().div_euclid(1000);
        if self.now.as_ref().is_none_or(|known| known.seconds != seconds) {
            self.now = Some(Box::new(Now { seconds, spelt: OnceLock::new() }));
        }
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
        let attributes: &[&str] = match (persistent, last_will) {
            (false, None) => &[],
            (true, None) => &["PersistentConnect"],
            (false, Some(_)) => &["LastWill"],
            (true, Some(_)) => &["PersistentConnect", "LastWill"],
        };
        let arn = |topic| scope.iot_arn("topic", topic).as_str().into();
        let asked = Asked { attributes, last_will_topic: last_will.map(arn) };
        self.request = Request::Connect(Box::new(asked));
    }

    /// Any values for `iot:ConnectAttributes`, the variable that several values can be given to.
    #[cfg(test)]
    pub(super) fn set_connect_attributes_of_test(&mut self, values: &[&str]) {
        let attributes = values.iter().map(|value| &*value.to_string().leak());
        let attributes = attributes.collect::<Vec<&'static str>>().leak();
        self.request = Request::Connect(Box::new(Asked { attributes, last_will_topic: None }));
    }

    //? assumed: what a CONNECT asks for has no value in the actions that follow it
    /// Takes back what [`Context::set_connect_attributes`] has set, once the client is connected.
    pub(crate) fn set_connected(&mut self) {
        self.request = Request::Connected;
    }

    //= https://docs.aws.amazon.com/iot/latest/developerguide/direct-messaging-policy-examples.html
    //# `iot:Topic` is the topic of a direct message as it stands, without an ARN in front
    /// Sets `iot:Topic`, which SendDirectMessage alone has.
    pub(crate) fn set_topic(&mut self, topic: &TopicName) {
        self.request = Request::SendDirectMessage(Box::new(topic.clone()));
    }

    //= https://docs.aws.amazon.com/iot/latest/developerguide/device-connectivity-status.html
    //# `iot:IncludeSocketInformation` says whether socket information is asked for
    /// Sets `iot:IncludeSocketInformation`, which GetConnection alone has.
    pub(crate) fn set_include_socket_information(&mut self, include_socket_information: bool) {
        self.request = Request::GetConnection { include_socket_information };
    }

    //= https://docs.aws.amazon.com/iot/latest/developerguide/thing-policy-variables.html
    //# the thing that belongs to the connection gives its name, its type and its attributes
    /// Sets `iot:Connection.Thing.…` for the thing that belongs to the connection.
    pub(crate) fn set_thing(
        &mut self,
        name: ThingName,
        thing_type: Option<ThingTypeName>,
        attributes: ThingAttributes,
    ) {
        self.thing = Thing::Some { name, thing_type, attributes };
    }

    /// Says why no thing belongs to the connection: `the certificate is attached to no thing`.
    pub(crate) fn set_no_thing(&mut self, why: Cow<'static, str>) {
        self.thing = Thing::None(why);
    }

    //= https://docs.aws.amazon.com/iot/latest/developerguide/http.html
    //# a request over HTTPS has no client ID, and so no thing that belongs to a connection
    /// Says that the request came over HTTPS.
    pub(crate) fn set_https(&mut self) {
        self.client_id = None;
        self.thing = Thing::NotOverHttps;
    }

    /// The text that stands for `variable` in a resource or in the value of a condition.
    pub(super) fn text(&self, variable: &Variable) -> Option<&str> {
        match variable.key() {
            Key::ClientId => self.client_id.as_ref().map(ClientId::as_str),
            Key::SourceIp => self.source_ip.as_deref(),
            Key::DomainName => self.domain_name.as_deref(),
            //= https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_condition-keys.html
            //# aws:SecureTransport tells whether TLS was used; there is no door without it
            Key::SecureTransport => self.source_ip.as_ref().map(|_| "true"),
            Key::CurrentTime => self.now.as_ref().map(|now| &*now.spelt().0),
            Key::EpochTime => self.now.as_ref().map(|now| &*now.spelt().1),
            Key::LastWillTopic | Key::Topic | Key::IncludeSocketInformation => {
                self.request.text(variable.key())
            }
            Key::CertificateId => self.certificate.as_ref().map(CertificateVariables::id),
            Key::SerialNumber => self.certificate.as_ref().map(CertificateVariables::serial_number),
            Key::Field(place, which) => self.certificate.as_ref()?.text(*place, *which),
            key if key.is_of_thing() => self.thing.text(key),
            _ => None,
        }
    }

    /// What a condition on the key `variable` is held against; `None` if it has no value.
    pub(super) fn values<'a>(
        &'a self,
        variable: &Variable,
    ) -> Option<impl Iterator<Item = &'a str> + Clone + use<'a>> {
        let (mut one, mut keys, mut field) = (None, None, None);
        let mut set: &'static [&'static str] = &[];
        match (variable.key(), &self.request, &self.certificate) {
            (Key::ConnectAttributes, Request::Connect(asked), _) => set = asked.attributes,
            (Key::AvailableKeys, _, Some(certificate)) => keys = Some(certificate.available_keys()),
            (Key::Field(place, which), _, Some(certificate)) => {
                field = Some(certificate.values(*place, *which));
            }
            _ => one = self.text(variable),
        }
        let names = set.iter().copied().chain(keys.into_iter().flatten());
        let values = one.into_iter().chain(names.map(|name: &'static str| -> &'a str { name }));
        let values = values.chain(field.into_iter().flatten());
        values.clone().next().is_some().then_some(values)
    }

    /// Whether somebody came without a certificate.
    pub(super) const fn is_without_certificate(&self) -> bool {
        self.source_ip.is_some() && self.certificate.is_none()
    }

    /// Why `variable` has no value.
    pub(super) fn why_absent(&self, variable: &Variable) -> Cow<'static, str> {
        let somebody_came = self.source_ip.is_some();
        let why = match (variable.key(), &self.request, &self.certificate) {
            (Key::NeverHere(why) | Key::Unknown(why), ..) => why,
            (Key::ClientId, ..) if matches!(self.thing, Thing::NotOverHttps) => NOT_OVER_HTTPS,
            (Key::DomainName, ..) if somebody_came => "the client sent no host name in SNI",
            (Key::ConnectAttributes, Request::Connect(asked), _) if asked.attributes.is_empty() => {
                "the set is empty"
            }
            (Key::ConnectAttributes, Request::Connect(_), _) => ONLY_FOR_CONDITIONS,
            (Key::LastWillTopic, Request::Connect(_), _) => "the client names no will",
            (Key::ConnectAttributes | Key::LastWillTopic, ..) if somebody_came => {
                "only a CONNECT has it"
            }
            (Key::Topic, ..) if somebody_came => "only a request of SendDirectMessage has it",
            (Key::IncludeSocketInformation, ..) if somebody_came => {
                "only a request of GetConnection has it"
            }
            (key, ..) if key.is_of_thing() => return self.thing.why_absent(key),
            (Key::Field(place, which), _, Some(certificate)) => {
                return certificate.why_absent(*place, *which);
            }
            (Key::AvailableKeys, _, Some(_)) => ONLY_FOR_CONDITIONS,
            (key, ..) if key.is_of_certificate() && self.is_without_certificate() => {
                "the client has no certificate"
            }
            _ => UNKNOWN,
        };
        why.into()
    }
}

impl Request {
    fn text(&self, key: &Key) -> Option<&str> {
        match (self, key) {
            (Self::Connect(asked), Key::LastWillTopic) => asked.last_will_topic.as_deref(),
            (Self::SendDirectMessage(topic), Key::Topic) => Some(topic.as_str()),
            (Self::GetConnection { include_socket_information }, Key::IncludeSocketInformation) => {
                Some(if *include_socket_information { "true" } else { "false" })
            }
            _ => None,
        }
    }
}

impl Thing {
    fn text(&self, key: &Key) -> Option<&str> {
        match (self, key) {
            (Self::None(_), Key::IsAttached) => Some("false"),
            (Self::Some { .. }, Key::IsAttached) => Some("true"),
            (Self::Some { name, .. }, Key::ThingName) => Some(name.as_str()),
            (Self::Some { thing_type, .. }, Key::ThingTypeName) => {
                thing_type.as_ref().map(ThingTypeName::as_str)
            }
            (Self::Some { attributes, .. }, Key::ThingAttribute(wanted)) => {
                let place = attributes.binary_search_by(|(name, _)| name.cmp(wanted)).ok()?;
                attributes.get(place).map(|(_, value)| &**value)
            }
            _ => None,
        }
    }

    fn why_absent(&self, key: &Key) -> Cow<'static, str> {
        match self {
            Self::Unknown => UNKNOWN.into(),
            Self::NotOverHttps => NOT_OVER_HTTPS.into(),
            Self::None(why) => why.clone(),
            Self::Some { .. } if *key == Key::ThingTypeName => "the thing has no type".into(),
            Self::Some { .. } => "the thing has no such attribute".into(),
        }
    }
}

impl Now {
    //= https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_condition-keys.html
    //# the time of the request, in ISO 8601 and in seconds since 1970
    fn spelt(&self) -> &(String, String) {
        self.spelt.get_or_init(|| {
            let date = Timestamp::from_seconds(self.seconds).format("%Y-%m-%dT%H:%M:%SZ");
            (date, self.seconds.to_string())
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(context: &Context, name: &str) -> Option<String> {
        context.text(&Variable::new(name)).map(str::to_owned)
    }

    fn why(context: &Context, name: &str) -> Cow<'static, str> {
        context.why_absent(&Variable::new(name))
    }

    fn attributes(pairs: &[(&str, &str)]) -> ThingAttributes {
        pairs.iter().map(|(name, value)| (Box::from(*name), Box::from(*value))).collect()
    }

    #[test]
    fn the_nearest_reason_speaks() {
        let mut context = Context::new();
        context.set_connect_attributes(&Scope::new("1", "r"), true, Some(&"will".into()));
        assert_eq!(
            text(&context, "iot:LastWillTopic").as_deref(),
            Some("arn:aws:iot:r:1:topic/will")
        );
        assert_eq!(why(&context, "iot:ConnectAttributes"), ONLY_FOR_CONDITIONS);
        context.set_connect_attributes(&Scope::new("1", "r"), false, None);
        assert_eq!(why(&context, "iot:ConnectAttributes"), "the set is empty");
        assert_eq!(why(&context, "iot:LastWillTopic"), "the client names no will");
        context.set_connected();
        assert_eq!(text(&context, "iot:LastWillTopic"), None);
        assert_eq!(why(&context, "iot:ConnectAttributes"), UNKNOWN);
        assert_eq!(why(&context, "iot:Connection.Thing.ThingName"), UNKNOWN);
        context.set_no_thing("no thing".into());
        assert_eq!(why(&context, "iot:connection.thing.THINGNAME"), "no thing");
        context.set_thing("T".into(), None, ThingAttributes::default());
        assert_eq!(why(&context, "iot:Connection.Thing.ThingTypeName"), "the thing has no type");
        let attribute = "iot:Connection.Thing.Attributes[a]";
        assert_eq!(why(&context, attribute), "the thing has no such attribute");
        assert_eq!(why(&context, "iot:Connection"), "AWS IoT has no such variable");
        assert_eq!(why(&context, "aws:SourceVpc"), "there is no VPC here");
        assert_eq!(why(&context, "iot:DomainName"), UNKNOWN);
        assert_eq!(why(&context, "iot:CertificateId"), UNKNOWN);
        context.set_source_ip(IpAddr::from([127, 0, 0, 1]));
        assert_eq!(why(&context, "iot:DomainName"), "the client sent no host name in SNI");
        assert_eq!(why(&context, "iot:CertificateId"), "the client has no certificate");
        assert_eq!(why(&context, "iot:ConnectAttributes"), "only a CONNECT has it");
        assert_eq!(why(&context, "iot:Topic"), "only a request of SendDirectMessage has it");
        context.set_topic(&"a/b".into());
        assert_eq!(text(&context, "iot:Topic").as_deref(), Some("a/b"));
        context.set_include_socket_information(true);
        assert_eq!(text(&context, "iot:IncludeSocketInformation").as_deref(), Some("true"));
        assert_eq!(why(&context, "iot:Topic"), "only a request of SendDirectMessage has it");
        assert_eq!(why(&context, "aws:EpochTime"), UNKNOWN);
    }

    #[test]
    fn a_thing_and_its_absence_replace_each_other() {
        let name = "iot:Connection.Thing.ThingName";
        let mut context = Context::new();
        let site = attributes(&[("city", "Berlin"), ("site", "7")]);
        context.set_thing("T".into(), Some("Lamp".into()), site);
        assert_eq!(text(&context, name).as_deref(), Some("T"));
        assert_eq!(text(&context, "iot:Connection.Thing.ThingTypeName").as_deref(), Some("Lamp"));
        assert_eq!(text(&context, "iot:Connection.Thing.Attributes[site]").as_deref(), Some("7"));
        assert_eq!(text(&context, "iot:Connection.Thing.Attributes[Site]"), None);
        context.set_no_thing("the certificate is attached to no thing".into());
        assert_eq!(text(&context, name), None);
        assert_eq!(text(&context, "iot:Connection.Thing.Attributes[site]"), None);
        assert_eq!(text(&context, "iot:Connection.Thing.IsAttached").as_deref(), Some("false"));
        context.set_thing("U".into(), None, ThingAttributes::default());
        assert_eq!(text(&context, name).as_deref(), Some("U"));
        context.set_https();
        assert_eq!(text(&context, "iot:Connection.Thing.IsAttached"), None);
        assert_eq!(why(&context, "iot:ClientId"), NOT_OVER_HTTPS);
    }

    #[test]
    fn an_ipv4_address_is_spelt_as_one_even_on_an_ipv6_socket() {
        let mut context = Context::new();
        assert_eq!(text(&context, "aws:SecureTransport"), None);
        context.set_source_ip("::ffff:192.0.2.1".parse().unwrap());
        assert_eq!(text(&context, "aws:SourceIp").as_deref(), Some("192.0.2.1"));
        assert_eq!(text(&context, "aws:SecureTransport").as_deref(), Some("true"));
    }

    #[test]
    fn the_moment_is_spelt_for_its_own_second() {
        let mut context = Context::new();
        for seconds in [0, 1] {
            context.set_now(Timestamp::from_seconds(seconds));
            assert_eq!(text(&context, "aws:EpochTime"), Some(seconds.to_string()));
        }
        assert_eq!(text(&context, "aws:CurrentTime").as_deref(), Some("1970-01-01T00:00:01Z"));
    }
}
