//! The policy variables of a certificate: `iot:Certificate.…`.
//!
//! It decides which fields of a certificate become variables and how their values are spelt. They
//! are spelt out once a policy asks for one of them, as few policies do.
//! Truth: <https://docs.aws.amazon.com/iot/latest/developerguide/cert-policy-variables.html>.

use std::sync::OnceLock;

use super::context::{Entry, Values};
use super::variable::folded;
use crate::names::hex;
use crate::pki::{AlternativeNameKind, AttributeKind, Certificate, Party, escape_rfc2253};

//= https://docs.aws.amazon.com/iot/latest/developerguide/cert-policy-variables.html
//# the attributes of a distinguished name that are variables; Locality is none
const ATTRIBUTES: [(AttributeKind, &str); 13] = [
    (AttributeKind::DistinguishedNameQualifier, "DistinguishedNameQualifier"),
    (AttributeKind::Country, "Country"),
    (AttributeKind::Organization, "Organization"),
    (AttributeKind::OrganizationalUnit, "OrganizationalUnit"),
    (AttributeKind::State, "State"),
    (AttributeKind::CommonName, "CommonName"),
    (AttributeKind::SerialNumber, "SerialNumber"),
    (AttributeKind::Title, "Title"),
    (AttributeKind::Surname, "Surname"),
    (AttributeKind::GivenName, "GivenName"),
    (AttributeKind::Initials, "Initials"),
    (AttributeKind::Pseudonym, "Pseudonym"),
    (AttributeKind::GenerationQualifier, "GenerationQualifier"),
];

const ALTERNATIVE_NAMES: [AlternativeNameKind; 5] = [
    AlternativeNameKind::Rfc822Name,
    AlternativeNameKind::DnsName,
    AlternativeNameKind::DirectoryName,
    AlternativeNameKind::UniformResourceIdentifier,
    AlternativeNameKind::IpAddress,
];

/// A certificate, and its variables once somebody has asked.
#[derive(Clone, Debug)]
pub(super) struct CertificateVariables {
    certificate: Certificate,
    entries: OnceLock<Box<[Entry]>>,
}

impl CertificateVariables {
    /// The variables of `certificate`.
    pub(super) fn new(certificate: Certificate) -> Self {
        Self { certificate, entries: OnceLock::new() }
    }

    /// Those that have values.
    pub(super) fn entries(&self) -> &[Entry] {
        self.entries.get_or_init(|| {
            let mut named = Vec::new();
            for (party, name) in [(Party::Subject, "Subject"), (Party::Issuer, "Issuer")] {
                distinguished_name(&self.certificate, party, name, &mut named);
                alternative_names(&self.certificate, party, name, &mut named);
            }
            //? assumed: the serial number is lower-case hex without separators
            let serial = Values::One(hex(self.certificate.serial()).into());
            named.push(("iot:Certificate.SerialNumber".to_owned(), serial));
            let keys = named.iter().map(|(name, _)| Box::from(name.as_str())).collect();
            //? assumed: the names stand in `AvailableKeys` as the guide prints them, `iot:` and all
            named.push(("iot:Certificate.AvailableKeys".to_owned(), Values::Set(keys)));
            named.into_iter().map(|(name, values)| Entry::new(&folded(&name), values)).collect()
        })
    }
}

//? assumed: several values of one attribute count in the order of the certificate
fn distinguished_name(
    certificate: &Certificate,
    party: Party,
    party_name: &str,
    named: &mut Vec<(String, Values)>,
) {
    let name = match party {
        Party::Subject => certificate.subject(),
        Party::Issuer => certificate.issuer(),
    };
    for (kind, attribute) in ATTRIBUTES {
        let values: Vec<String> = name.values(kind).map(escape_rfc2253).collect();
        if !values.is_empty() {
            let name = format!("iot:Certificate.{party_name}.{attribute}");
            named.push((name, Values::attribute(values)));
        }
    }
}

//? assumed: a directory name is escaped within itself only, the other kinds like any attribute
fn alternative_names(
    certificate: &Certificate,
    party: Party,
    party_name: &str,
    named: &mut Vec<(String, Values)>,
) {
    for kind in ALTERNATIVE_NAMES {
        let of_kind =
            certificate.alternative_names(party).iter().filter(|(found, _)| *found == kind);
        let spelt = of_kind.map(|(_, value)| match kind {
            AlternativeNameKind::DirectoryName => value.clone(),
            _ => escape_rfc2253(value),
        });
        let values: Vec<String> = spelt.collect();
        if !values.is_empty() {
            let name = format!("iot:Certificate.{party_name}.AlternativeName.{}", kind.name());
            named.push((name, Values::attribute(values)));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::context::Context;
    use super::super::variable::Variable;
    use super::*;
    use crate::pki::{CertificateAuthority, Leaf, Subject};

    fn context() -> Context {
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
        let identity = ca.issue_with(leaf);
        let mut context = Context::new();
        context.set_certificate(identity.certificate(), identity.certificate_id());
        context.set("expected:Id", identity.certificate_id().to_string());
        context.set("expected:Serial", hex(identity.certificate().serial()));
        context
    }

    #[test]
    fn pol_40_to_46_a_certificate_gives_its_variables() {
        let context = context();
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
        assert_eq!(text("iot:CertificateId"), text("expected:Id"));
        assert_eq!(text("iot:Certificate.SerialNumber"), text("expected:Serial"));
    }

    #[test]
    fn the_available_keys_are_the_variables_with_values() {
        let context = context();
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
}
