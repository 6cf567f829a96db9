//! The name of a policy variable, as it stands in `${…}` or as the key of a condition.
//!
//! It decides what a name asks for, once, when the document is read. The values are the
//! [`Context`]'s.
//! Truth: <https://docs.aws.amazon.com/iot/latest/developerguide/iot-policy-variables.html>.
//!
//! [`Context`]: super::context::Context

use crate::pki::{AlternativeNameKind, AttributeKind, Party};

/// A policy variable: as it is written, and what it asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Variable {
    written: Box<str>,
    key: Key,
}

/// What a variable asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Key {
    ClientId,
    SourceIp,
    DomainName,
    SecureTransport,
    CurrentTime,
    EpochTime,
    ConnectAttributes,
    LastWillTopic,
    Topic,
    IncludeSocketInformation,
    ThingName,
    ThingTypeName,
    IsAttached,
    /// Of a thing, by its name.
    ThingAttribute(Box<str>),
    CertificateId,
    SerialNumber,
    AvailableKeys,
    /// Of a certificate, by its place in [`FIELDS`].
    Field(u8, Which),
    /// AWS has it, and nobody here can ever have a value for it; why.
    NeverHere(&'static str),
    /// AWS IoT has no such variable; what is to be said of it.
    Unknown(&'static str),
}

/// Which of several values a variable asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Which {
    /// The only one, or the first.
    First,
    /// `.N`: one of them, counting from 0.
    Nth(usize),
    /// `.List`: all of them.
    List,
}

/// A field of a certificate that is a variable; it may have several values.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Field {
    /// As the guide prints it.
    pub(super) name: &'static str,
    pub(super) party: Party,
    pub(super) kind: FieldKind,
}

/// Where in a certificate a field stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum FieldKind {
    /// In the distinguished name.
    Attribute(AttributeKind),
    /// In the extension of alternative names.
    AlternativeName(AlternativeNameKind),
}

const OF_COGNITO_ROLE: &str = "it belongs to the IAM role of an Amazon Cognito identity";
const OF_ROLE_ALIAS: &str = "it belongs to the IAM role that the credentials provider gives";
const NO_VPC: &str = "there is no VPC here";

//= https://docs.aws.amazon.com/iot/latest/developerguide/basic-policy-variables.html
//# aws:SourceIp, iot:ClientId, iot:DomainName
//= https://docs.aws.amazon.com/iot/latest/developerguide/thing-policy-variables.html
//# name, type and attributes of the thing, and whether it is attached
//= https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_condition-keys.html
//# the time of the request and whether it came over TLS
//= https://docs.aws.amazon.com/iot/latest/developerguide/authorizing-direct-aws.html
//# credentials-iot:ThingName and its like stand in the policies of the IAM role
//= https://docs.aws.amazon.com/cognito/latest/developerguide/role-trust-and-permissions.html
//# cognito-identity.amazonaws.com:aud and amr stand in the trust policies of IAM roles
//? assumed: AWS IoT gives no value to any of these, nor to cognito-identity.amazonaws.com:sub
const NAMES: [(&str, Key); 27] = [
    ("iot:ClientId", Key::ClientId),
    ("aws:SourceIp", Key::SourceIp),
    ("iot:DomainName", Key::DomainName),
    ("aws:SecureTransport", Key::SecureTransport),
    ("aws:CurrentTime", Key::CurrentTime),
    ("aws:EpochTime", Key::EpochTime),
    ("iot:ConnectAttributes", Key::ConnectAttributes),
    ("iot:LastWillTopic", Key::LastWillTopic),
    ("iot:Topic", Key::Topic),
    ("iot:IncludeSocketInformation", Key::IncludeSocketInformation),
    ("iot:JobId", Key::NeverHere("there is no jobs service here")),
    ("iot:Connection.Thing.ThingName", Key::ThingName),
    ("iot:Connection.Thing.ThingTypeName", Key::ThingTypeName),
    ("iot:Connection.Thing.IsAttached", Key::IsAttached),
    ("iot:CertificateId", Key::CertificateId),
    ("iot:Certificate.SerialNumber", Key::SerialNumber),
    ("iot:Certificate.AvailableKeys", Key::AvailableKeys),
    ("aws:SourceVpc", Key::NeverHere(NO_VPC)),
    ("aws:SourceVpce", Key::NeverHere(NO_VPC)),
    ("aws:VpcSourceIp", Key::NeverHere(NO_VPC)),
    ("cognito-identity.amazonaws.com:sub", Key::NeverHere(OF_COGNITO_ROLE)),
    ("cognito-identity.amazonaws.com:aud", Key::NeverHere(OF_COGNITO_ROLE)),
    ("cognito-identity.amazonaws.com:amr", Key::NeverHere(OF_COGNITO_ROLE)),
    ("credentials-iot:ThingName", Key::NeverHere(OF_ROLE_ALIAS)),
    ("credentials-iot:ThingTypeName", Key::NeverHere(OF_ROLE_ALIAS)),
    ("credentials-iot:AwsCertificateId", Key::NeverHere(OF_ROLE_ALIAS)),
    (
        "iot:Thing.ThingName",
        Key::Unknown("AWS IoT has no such variable; iot:Connection.Thing.ThingName is one"),
    ),
];

const THING_ATTRIBUTE: &str = "iot:Connection.Thing.Attributes[";

macro_rules! fields {
    ($($name:literal => $kind:ident($of:ident),)*) => {
        //= https://docs.aws.amazon.com/iot/latest/developerguide/cert-policy-variables.html
        //# the attributes of a distinguished name and the alternative names that are variables, of
        //# the subject and of the issuer; Locality is none
        /// Every field of a certificate that is a variable.
        pub(super) const FIELDS: [Field; 36] = [
            $(Field {
                name: concat!("iot:Certificate.Subject.", $name),
                party: Party::Subject,
                kind: fields!($kind($of)),
            },)*
            $(Field {
                name: concat!("iot:Certificate.Issuer.", $name),
                party: Party::Issuer,
                kind: fields!($kind($of)),
            },)*
        ];
    };
    (Attribute($of:ident)) => { FieldKind::Attribute(AttributeKind::$of) };
    (AlternativeName($of:ident)) => { FieldKind::AlternativeName(AlternativeNameKind::$of) };
}

fields! {
    "DistinguishedNameQualifier" => Attribute(DistinguishedNameQualifier),
    "Country" => Attribute(Country),
    "Organization" => Attribute(Organization),
    "OrganizationalUnit" => Attribute(OrganizationalUnit),
    "State" => Attribute(State),
    "CommonName" => Attribute(CommonName),
    "SerialNumber" => Attribute(SerialNumber),
    "Title" => Attribute(Title),
    "Surname" => Attribute(Surname),
    "GivenName" => Attribute(GivenName),
    "Initials" => Attribute(Initials),
    "Pseudonym" => Attribute(Pseudonym),
    "GenerationQualifier" => Attribute(GenerationQualifier),
    "AlternativeName.RFC822Name" => AlternativeName(Rfc822Name),
    "AlternativeName.DNSName" => AlternativeName(DnsName),
    "AlternativeName.DirectoryName" => AlternativeName(DirectoryName),
    "AlternativeName.UniformResourceIdentifier" => AlternativeName(UniformResourceIdentifier),
    "AlternativeName.IPAddress" => AlternativeName(IpAddress),
}

impl Variable {
    /// Reads `written`, such as `iot:Certificate.Subject.CommonName.1`.
    pub(super) fn new(written: &str) -> Self {
        Self { written: written.into(), key: Key::of(written) }
    }

    /// As the policy has it.
    pub(super) fn written(&self) -> &str {
        &self.written
    }

    /// What it asks for.
    pub(super) const fn key(&self) -> &Key {
        &self.key
    }

    /// Whether it has another value each second.
    pub(super) const fn is_time(&self) -> bool {
        matches!(self.key, Key::CurrentTime | Key::EpochTime)
    }
}

impl Key {
    /// Whether the thing of the connection has it.
    pub(super) const fn is_of_thing(&self) -> bool {
        matches!(
            self,
            Self::ThingName | Self::ThingTypeName | Self::IsAttached | Self::ThingAttribute(_)
        )
    }

    /// Whether the certificate of the client has it.
    pub(super) const fn is_of_certificate(&self) -> bool {
        matches!(
            self,
            Self::CertificateId | Self::SerialNumber | Self::AvailableKeys | Self::Field(..)
        )
    }

    //? assumed: the names of variables and condition keys do not mind their case, as in IAM
    //? assumed: the attribute's name in `Attributes[name]` does mind
    fn of(written: &str) -> Self {
        let named = NAMES.iter().find(|(name, _)| name.eq_ignore_ascii_case(written));
        if let Some((_, key)) = named {
            return key.clone();
        }
        if let Some(attribute) = without_prefix(written, THING_ATTRIBUTE) {
            return match attribute.strip_suffix(']') {
                Some(name) => Self::ThingAttribute(name.into()),
                None => Self::Unknown("the attribute's name must end with `]`"),
            };
        }
        let (base, which) = suffix(written);
        let field = FIELDS.iter().position(|field| field.name.eq_ignore_ascii_case(base));
        match field.and_then(|place| u8::try_from(place).ok()) {
            Some(place) => Self::Field(place, which),
            None => Self::Unknown("AWS IoT has no such variable"),
        }
    }
}

fn without_prefix<'t>(text: &'t str, prefix: &str) -> Option<&'t str> {
    let (head, rest) = text.split_at_checked(prefix.len())?;
    head.eq_ignore_ascii_case(prefix).then_some(rest)
}

//= https://docs.aws.amazon.com/iot/latest/developerguide/cert-policy-variables.html
//# the bare name is the first value, `.1` the second one, and `.List` stands for all of them
fn suffix(name: &str) -> (&str, Which) {
    let Some((base, last)) = name.rsplit_once('.') else { return (name, Which::First) };
    if last.eq_ignore_ascii_case("List") {
        return (base, Which::List);
    }
    let digits = !last.is_empty() && last.bytes().all(|byte| byte.is_ascii_digit());
    // A number too large for a `usize` is beyond every list of values, too.
    if digits {
        (base, Which::Nth(last.parse().unwrap_or(usize::MAX)))
    } else {
        (name, Which::First)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn field(name: &str, which: Which) -> Key {
        let place = FIELDS.iter().position(|field| field.name == name).unwrap();
        Key::Field(u8::try_from(place).unwrap(), which)
    }

    #[test]
    fn pol_40_a_suffix_says_which_value_is_meant() {
        let (subject, issuer) =
            ("iot:Certificate.Subject.Country", "iot:Certificate.Issuer.Country");
        let table = [
            (subject.to_owned(), field(subject, Which::First)),
            (subject.to_uppercase(), field(subject, Which::First)),
            (format!("{subject}.0"), field(subject, Which::Nth(0))),
            (format!("{issuer}.1"), field(issuer, Which::Nth(1))),
            (format!("{subject}.list"), field(subject, Which::List)),
            (format!("{subject}.99999999999999999999"), field(subject, Which::Nth(usize::MAX))),
        ];
        for (written, key) in table {
            assert_eq!(*Variable::new(&written).key(), key, "{written}");
        }
    }

    #[test]
    fn a_name_is_found_whatever_its_case_but_for_the_attribute_of_a_thing() {
        let table = [
            ("iot:ClientId", Key::ClientId),
            ("IOT:CLIENTID", Key::ClientId),
            ("iot:certificate.serialnumber", Key::SerialNumber),
            ("iot:Connection.Thing.Attributes[Model.1]", Key::ThingAttribute("Model.1".into())),
            ("IOT:connection.thing.attributes[Model]", Key::ThingAttribute("Model".into())),
            ("iot:Connection.Thing.Attributes[]", Key::ThingAttribute("".into())),
            ("aws:SourceVpce", Key::NeverHere(NO_VPC)),
            ("credentials-IoT:thingname", Key::NeverHere(OF_ROLE_ALIAS)),
            ("cognito-identity.amazonaws.com:AUD", Key::NeverHere(OF_COGNITO_ROLE)),
        ];
        for (written, key) in table {
            assert_eq!(*Variable::new(written).key(), key, "{written}");
        }
        let unknown = [
            "",
            "iot:ClientId.1",
            "iot:Connection",
            "iot:Connection.Thing.Attributes[open",
            "iot:Certificate.Subject.Locality",
            "iot:Certificate.Subject",
            "iot:Thing.ThingName",
            "é:Connection.Thing.Attributes[a]",
        ];
        for written in unknown {
            assert!(matches!(Variable::new(written).key(), Key::Unknown(_)), "{written}");
        }
    }
}
