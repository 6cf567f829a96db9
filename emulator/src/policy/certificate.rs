//! The policy variables of a certificate: `iot:CertificateId` and `iot:Certificate.…`.
//!
//! It decides which fields of a certificate have values and how these are spelt. They are read from
//! the certificate itself, which a session shares; kept are only values that are spelt otherwise
//! than the certificate has them.
//! Truth: <https://docs.aws.amazon.com/iot/latest/developerguide/cert-policy-variables.html>.

use std::borrow::Cow;
use std::sync::OnceLock;

use super::context::ONLY_FOR_CONDITIONS;
use super::variable::{FIELDS, Field, FieldKind, Which};
use crate::names::hex;
use crate::pki::{AlternativeNameKind, Certificate, Party, escape_rfc2253};

//= https://docs.aws.amazon.com/iot/latest/developerguide/cert-policy-variables.html
//# of an attribute with several values, the sixth and further ones are ignored
const VALUES: usize = 5;

//= https://docs.aws.amazon.com/iot/latest/developerguide/cert-policy-variables.html
//# a longer value is not substituted
const CHARACTERS: usize = 1024;

//= https://docs.aws.amazon.com/iot/latest/developerguide/cert-policy-variables.html
//# a value with a wildcard of a policy or of a topic filter in it is not substituted
const UNFIT_CHARACTERS: [char; 5] = ['*', '$', '+', '?', '#'];

/// The certificate of a connection or request, as policies see it.
#[derive(Clone, Debug)]
pub(super) struct CertificateVariables {
    certificate: Certificate,
    spelt: OnceLock<Box<Spelt>>,
}

/// What is not spelt as the certificate has it; worked out once a policy asks, as few do.
#[derive(Clone, Debug)]
struct Spelt {
    id: Box<str>,
    serial: Box<str>,
    odd: Box<[Odd]>,
}

/// A value of a field, and how it is spelt.
#[derive(Clone, Debug)]
struct Odd {
    /// The field's place in [`FIELDS`].
    place: u8,
    value: Box<str>,
    spelling: Spelling,
}

/// How a value is spelt in a policy, if not as it stands.
#[derive(Clone, Debug)]
enum Spelling {
    Escaped(Box<str>),
    /// AWS IoT does not substitute it.
    Unfit,
}

impl CertificateVariables {
    /// The variables of `certificate`.
    pub(super) fn new(certificate: &Certificate) -> Self {
        Self { certificate: certificate.clone(), spelt: OnceLock::new() }
    }

    fn all_spelt(&self) -> &Spelt {
        self.spelt.get_or_init(|| {
            let odd = (0..).zip(&FIELDS).flat_map(|(place, field)| {
                raw(&self.certificate, *field).filter_map(move |value| {
                    let spelling = Spelling::of(field.kind, value)?;
                    Some(Odd { place, value: value.into(), spelling })
                })
            });
            let id = self.certificate.id().to_string().into();
            //? assumed: the serial number is lower-case hex without separators
            let serial = hex(self.certificate.serial()).into();
            Box::new(Spelt { id, serial, odd: odd.collect() })
        })
    }

    /// `iot:CertificateId`.
    pub(super) fn id(&self) -> &str {
        &self.all_spelt().id
    }

    /// `iot:Certificate.SerialNumber`.
    pub(super) fn serial_number(&self) -> &str {
        &self.all_spelt().serial
    }

    //= https://docs.aws.amazon.com/iot/latest/developerguide/cert-policy-variables.html
    //# the names of all certificate variables that have values
    //? assumed: they stand there as the guide prints them, `iot:` and all
    /// `iot:Certificate.AvailableKeys`.
    pub(super) fn available_keys(&self) -> impl Iterator<Item = &'static str> + Clone + use<'_> {
        let has_values = |field: &&Field| raw(&self.certificate, **field).next().is_some();
        let fields = FIELDS.iter().filter(has_values).map(|field| field.name);
        fields.chain(["iot:Certificate.SerialNumber"])
    }

    fn raw(&self, place: u8) -> impl Iterator<Item = &str> + Clone + use<'_> {
        let field = FIELDS.get(usize::from(place)).copied();
        field.into_iter().flat_map(|field| raw(&self.certificate, field))
    }

    /// The text that stands for one value of the field at `place` in [`FIELDS`].
    pub(super) fn text(&self, place: u8, which: Which) -> Option<&str> {
        let index = match which {
            Which::First => 0,
            Which::Nth(index) => index,
            Which::List => return None,
        };
        self.raw(place).nth(index).and_then(|value| self.spelt(place, value))
    }

    //? assumed: an unfit value is missing from conditions and `.List`, as it is from substitution
    /// What a condition on the field at `place` is held against.
    pub(super) fn values(
        &self,
        place: u8,
        which: Which,
    ) -> impl Iterator<Item = &str> + Clone + use<'_> {
        let (from, count) = match which {
            Which::First => (0, 1),
            Which::Nth(index) => (index, 1),
            Which::List => (0, VALUES),
        };
        let values = self.raw(place).skip(from).take(count);
        values.filter_map(move |value| self.spelt(place, value))
    }

    fn spelt<'a>(&'a self, place: u8, value: &'a str) -> Option<&'a str> {
        let odd =
            self.all_spelt().odd.iter().find(|odd| odd.place == place && *odd.value == *value);
        match odd.map(|odd| &odd.spelling) {
            None => Some(value),
            Some(Spelling::Escaped(escaped)) => Some(escaped),
            Some(Spelling::Unfit) => None,
        }
    }

    /// Why the field at `place` has no value to give.
    pub(super) fn why_absent(&self, place: u8, which: Which) -> Cow<'static, str> {
        let mut values = self.raw(place);
        let count = values.clone().count();
        let value = match which {
            _ if count == 0 => return "the certificate has no such attribute".into(),
            Which::Nth(index) if index >= VALUES => {
                return format!("only the first {VALUES} values count, counted from 0").into();
            }
            Which::Nth(index) if index >= count => {
                return format!("the certificate has {count} such values, counted from 0").into();
            }
            Which::Nth(index) => values.nth(index),
            Which::First => values.next(),
            Which::List => values.find(|value| self.spelt(place, value).is_none()),
        };
        let Some(value) = value else { return ONLY_FOR_CONDITIONS.into() };
        let why = match value.chars().find(|character| UNFIT_CHARACTERS.contains(character)) {
            Some(unfit) => {
                format!("`{unfit}` in the certificate's value keeps it from substitution")
            }
            None => format!("the certificate's value is longer than {CHARACTERS} characters"),
        };
        why.into()
    }
}

//? assumed: several values of one attribute count in the order of the certificate
/// The values of a field as the certificate has them, as far as they count.
fn raw(certificate: &Certificate, field: Field) -> impl Iterator<Item = &str> + Clone {
    let name = match field.party {
        Party::Subject => certificate.subject(),
        Party::Issuer => certificate.issuer(),
    };
    let (attribute, alternative) = match field.kind {
        FieldKind::Attribute(kind) => (Some(kind), None),
        FieldKind::AlternativeName(kind) => (None, Some(kind)),
    };
    let attributes = attribute.into_iter().flat_map(|kind| name.values(kind));
    let alternatives = alternative.into_iter().flat_map(move |kind| {
        let all = certificate.alternative_names(field.party).iter();
        all.filter(move |(found, _)| *found == kind).map(|(_, value)| &**value)
    });
    attributes.chain(alternatives).take(VALUES)
}

impl Spelling {
    //? assumed: a directory name is escaped within itself only, the other kinds like any attribute
    fn of(kind: FieldKind, value: &str) -> Option<Self> {
        let escaped = match kind {
            FieldKind::AlternativeName(AlternativeNameKind::DirectoryName) => value.to_owned(),
            _ => escape_rfc2253(value),
        };
        if escaped.contains(UNFIT_CHARACTERS) || escaped.chars().count() > CHARACTERS {
            return Some(Self::Unfit);
        }
        (escaped != value).then(|| Self::Escaped(escaped.into()))
    }
}

#[cfg(test)]
mod tests {
    use super::super::context::Context;
    use super::super::variable::Variable;
    use super::*;
    use crate::pki::{AttributeKind, CertificateAuthority, Identity, Leaf, Subject};

    fn identity() -> Identity {
        let ca = CertificateAuthority::with_subject(
            Subject::new()
                .with(AttributeKind::OrganizationalUnit, "Amazon Web Services O=Amazon.com Inc."),
        );
        let subject = Subject::new()
            .with(AttributeKind::Country, "US")
            .with(AttributeKind::CommonName, "first")
            .with(AttributeKind::CommonName, "second")
            .with(AttributeKind::Locality, "Berlin")
            .with(AttributeKind::Title, "all*");
        let leaf = Leaf::new(subject).host("sensor.example.com").host("192.0.2.7");
        ca.issue_with(leaf)
    }

    fn context(identity: &Identity) -> Context {
        let mut context = Context::new();
        context.set_certificate(identity.certificate());
        context
    }

    #[test]
    fn pol_40_to_46_a_certificate_gives_its_variables() {
        let identity = identity();
        let context = context(&identity);
        let text = |name: &str| context.text(&Variable::new(name)).map(str::to_owned);
        let table = [
            ("iot:Certificate.Subject.Country", Some("US")),
            ("iot:Certificate.Subject.CommonName", Some("first")),
            ("iot:Certificate.Subject.CommonName.1", Some("second")),
            ("iot:Certificate.Subject.CommonName.2", None),
            ("iot:Certificate.Subject.Locality", None),
            ("iot:Certificate.Subject.Title", None),
            (
                "iot:Certificate.Issuer.OrganizationalUnit",
                Some(r"Amazon Web Services O\=Amazon.com Inc."),
            ),
            ("iot:Certificate.Subject.AlternativeName.DNSName", Some("sensor.example.com")),
            ("iot:Certificate.Subject.AlternativeName.IPAddress", Some("192.0.2.7")),
            ("iot:Certificate.Issuer.AlternativeName.DNSName", None),
        ];
        for (name, value) in table {
            assert_eq!(text(name).as_deref(), value, "{name}");
        }
        assert_eq!(text("iot:CertificateId"), Some(identity.certificate_id().to_string()));
        let serial = hex(identity.certificate().serial());
        assert_eq!(text("iot:Certificate.SerialNumber"), Some(serial));
    }

    #[test]
    fn the_available_keys_are_the_variables_with_values() {
        let context = context(&identity());
        let keys = context.values(&Variable::new("iot:Certificate.AvailableKeys")).unwrap();
        let keys: Vec<&str> = keys.collect();
        assert_eq!(
            keys,
            [
                "iot:Certificate.Subject.Country",
                "iot:Certificate.Subject.CommonName",
                "iot:Certificate.Subject.Title",
                "iot:Certificate.Subject.AlternativeName.DNSName",
                "iot:Certificate.Subject.AlternativeName.IPAddress",
                "iot:Certificate.Issuer.OrganizationalUnit",
                "iot:Certificate.SerialNumber",
            ]
        );
    }

    #[test]
    fn pol_44_a_value_has_1024_characters_at_most() {
        let name = "iot:Certificate.Subject.CommonName";
        let with_names = |names: &[&str]| {
            let named =
                |subject: Subject, name: &&str| subject.with(AttributeKind::CommonName, *name);
            let subject = names.iter().fold(Subject::new(), named);
            context(&CertificateAuthority::new("CA").issue_with(Leaf::new(subject)))
        };
        let text = |context: &Context, name: &str| context.text(&Variable::new(name)).is_some();
        assert!(text(&with_names(&[&"é".repeat(1024)]), name));
        let context = with_names(&[&"x".repeat(1025), "b"]);
        assert!(!text(&context, name));
        assert!(context.why_absent(&Variable::new(name)).contains("1024 characters"));
        assert!(text(&context, &format!("{name}.1")));
        let list = Variable::new(&format!("{name}.List"));
        assert_eq!(context.values(&list).unwrap().collect::<Vec<_>>(), ["b"]);
    }

    #[test]
    fn what_has_no_value_says_why() {
        let context = context(&identity());
        let table = [
            ("iot:Certificate.Subject.Country.1", "has 1 such values, counted from 0"),
            ("iot:Certificate.Subject.Title", "`*` in the certificate's value"),
            ("iot:Certificate.Subject.Title.List", "`*` in the certificate's value"),
            ("iot:Certificate.Subject.Surname", "has no such attribute"),
            ("iot:Certificate.Subject.CommonName.List", "only conditions can use"),
        ];
        for (name, why) in table {
            let found = context.why_absent(&Variable::new(name));
            assert!(found.contains(why), "{name}: {found}");
        }
    }
}
