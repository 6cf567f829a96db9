//! Distinguished names: attributes in the order of the certificate, several values of one kind.
//!
//! Two names are the same if their DER is: AWS compares an issuer with a subject byte by byte, and
//! so does everything here. Which attributes become policy variables or template parameters is
//! `policy`'s and `provisioning`'s business.
//! Truth: RFC 4519 for the attributes, RFC 2253 for the escaping, and the AWS pages named below.

use std::fmt;

use x509_parser::x509::{AttributeTypeAndValue, X509Name};

use super::der;
use crate::names::hex;

macro_rules! attribute_kinds {
    ($($(#[$doc:meta])* $kind:ident $symbol:literal [$($byte:literal)+],)*) => {
        /// What an attribute of a distinguished name is.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        #[non_exhaustive]
        pub enum AttributeKind {
            $($(#[$doc])* $kind,)*
        }

        impl AttributeKind {
            /// The short name that stands before the `=`: `C`, `OU`, `CN` …
            pub const fn symbol(self) -> &'static str {
                match self { $(Self::$kind => $symbol,)* }
            }

            /// The content of the DER object identifier.
            pub(super) const fn oid(self) -> &'static [u8] {
                match self { $(Self::$kind => &[$($byte),+],)* }
            }

            fn of_oid(oid: &[u8]) -> Option<Self> {
                [$(Self::$kind),*].into_iter().find(|kind| kind.oid() == oid)
            }
        }
    };
}

//? assumed: attributes other than C, ST, L, O, OU and CN carry the symbols of Bouncy Castle, whose
//? order, commas and escapes are those that AWS prints
attribute_kinds! {
    /// `C`, 2.5.4.6.
    Country "C" [0x55 0x04 0x06],
    /// `O`, 2.5.4.10.
    Organization "O" [0x55 0x04 0x0a],
    /// `OU`, 2.5.4.11.
    OrganizationalUnit "OU" [0x55 0x04 0x0b],
    /// `DN`, 2.5.4.46.
    DistinguishedNameQualifier "DN" [0x55 0x04 0x2e],
    /// `ST`, 2.5.4.8.
    State "ST" [0x55 0x04 0x08],
    /// `CN`, 2.5.4.3.
    CommonName "CN" [0x55 0x04 0x03],
    /// The subject's `SERIALNUMBER`, 2.5.4.5; not the serial number of the certificate.
    SerialNumber "SERIALNUMBER" [0x55 0x04 0x05],
    /// `L`, 2.5.4.7.
    Locality "L" [0x55 0x04 0x07],
    /// `T`, 2.5.4.12.
    Title "T" [0x55 0x04 0x0c],
    /// `SURNAME`, 2.5.4.4.
    Surname "SURNAME" [0x55 0x04 0x04],
    /// `GIVENNAME`, 2.5.4.42.
    GivenName "GIVENNAME" [0x55 0x04 0x2a],
    /// `INITIALS`, 2.5.4.43.
    Initials "INITIALS" [0x55 0x04 0x2b],
    /// `Pseudonym`, 2.5.4.65.
    Pseudonym "Pseudonym" [0x55 0x04 0x41],
    /// `GENERATION`, 2.5.4.44.
    GenerationQualifier "GENERATION" [0x55 0x04 0x2c],
    /// `STREET`, 2.5.4.9.
    Street "STREET" [0x55 0x04 0x09],
    /// `PostalCode`, 2.5.4.17.
    PostalCode "PostalCode" [0x55 0x04 0x11],
    /// `DC`, 0.9.2342.19200300.100.1.25.
    DomainComponent "DC" [0x09 0x92 0x26 0x89 0x93 0xf2 0x2c 0x64 0x01 0x19],
    /// `UID`, 0.9.2342.19200300.100.1.1.
    UserId "UID" [0x09 0x92 0x26 0x89 0x93 0xf2 0x2c 0x64 0x01 0x01],
    /// `E`, 1.2.840.113549.1.9.1.
    EmailAddress "E" [0x2a 0x86 0x48 0x86 0xf7 0x0d 0x01 0x09 0x01],
}

/// One attribute of a distinguished name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Attribute {
    /// What it is; `None` for a kind that has no name here.
    pub(crate) kind: Option<AttributeKind>,
    /// The object identifier with dots, of a kind that has no name here.
    oid: Option<Box<str>>,
    /// The value as text, unescaped; `#` and hex for what is no text.
    pub(crate) value: Box<str>,
    is_text: bool,
    /// Stands in the same relative distinguished name as the attribute before it.
    joined: bool,
}

/// The name of a subject or an issuer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct DistinguishedName {
    der: Box<[u8]>,
    attributes: Box<[Attribute]>,
}

impl Attribute {
    /// The text before the `=`: the kind's symbol, or the object identifier with dots.
    fn symbol(&self) -> &str {
        self.kind.map(AttributeKind::symbol).or(self.oid.as_deref()).unwrap_or_default()
    }
}

impl DistinguishedName {
    pub(super) fn of(name: &X509Name<'_>) -> Self {
        let mut attributes = Vec::new();
        for relative in name.iter_rdn() {
            for (index, attribute) in relative.iter().enumerate() {
                attributes.push(read_attribute(attribute, index > 0));
            }
        }
        Self { der: name.as_raw().into(), attributes: attributes.into() }
    }

    /// The name as it stands in the certificate.
    pub(crate) fn der(&self) -> &[u8] {
        &self.der
    }

    /// Every attribute, in the order of the certificate.
    #[cfg(test)]
    pub(crate) fn attributes(&self) -> &[Attribute] {
        &self.attributes
    }

    /// The values of `kind`, unescaped, in the order of the certificate.
    pub(crate) fn values(&self, kind: AttributeKind) -> impl Iterator<Item = &str> + Clone {
        let of_kind = self.attributes.iter().filter(move |found| found.kind == Some(kind));
        of_kind.map(|found| &*found.value)
    }
}

//= https://docs.aws.amazon.com/apigateway/latest/developerguide/http-api-develop-integrations-lambda.html
//# subjectDN and issuerDN: `C=US,ST=Washington,…,CN=My Client`, in certificate order, no spaces
impl fmt::Display for DistinguishedName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, attribute) in self.attributes.iter().enumerate() {
            match (index, attribute.joined) {
                (0, _) => {}
                (_, true) => f.write_str("+")?,
                (_, false) => f.write_str(",")?,
            }
            f.write_str(attribute.symbol())?;
            f.write_str("=")?;
            if attribute.is_text {
                f.write_str(&escape_rfc2253(&attribute.value))?;
            } else {
                f.write_str(&attribute.value)?;
            }
        }
        Ok(())
    }
}

fn read_attribute(attribute: &AttributeTypeAndValue<'_>, joined: bool) -> Attribute {
    let oid = attribute.attr_type();
    let kind = AttributeKind::of_oid(oid.as_bytes());
    let unnamed = kind.is_none().then(|| oid.to_id_string().into());
    let value = attribute.attr_value();
    let (tag, content) = (value.tag().0, value.data);
    let text = text_of(tag, content);
    let is_text = text.is_some();
    let value = text.unwrap_or_else(|| {
        let tag = u8::try_from(tag).unwrap_or(0x0c);
        format!("#{}", hex(&der::value(tag, content)))
    });
    Attribute { kind, oid: unnamed, value: value.into(), is_text, joined }
}

/// The text in a DER string of the universal class; `None` for what is no string.
fn text_of(tag: u32, content: &[u8]) -> Option<String> {
    match tag {
        // UTF8String, NumericString, PrintableString, IA5String, VisibleString
        0x0c | 0x12 | 0x13 | 0x16 | 0x1a => String::from_utf8(content.to_vec()).ok(),
        // TeletexString, which everybody writes as Latin-1
        0x14 => Some(content.iter().copied().map(char::from).collect()),
        // BMPString
        0x1e => {
            let (pairs, odd) = content.as_chunks::<2>();
            let units: Vec<u16> = pairs.iter().map(|pair| u16::from_be_bytes(*pair)).collect();
            if odd.is_empty() { String::from_utf16(&units).ok() } else { None }
        }
        _ => None,
    }
}

/// `value` as it stands in a distinguished name, in policy variables and in template parameters.
///
/// A `#` or space that opens the value and a space that closes it are escaped as well.
//= https://docs.aws.amazon.com/iot/latest/developerguide/cert-policy-variables.html
//# , " \ + = < > ; in a certificate's values carry a backslash, as RFC 2253 has it
pub(crate) fn escape_rfc2253(value: &str) -> String {
    let mut escaped = String::with_capacity(value.len());
    let body = value.trim_end_matches(' ');
    let mut leading = true;
    for (index, character) in value.char_indices() {
        let special = matches!(character, ',' | '"' | '\\' | '+' | '=' | '<' | '>' | ';')
            || character == '#' && index == 0
            || character == ' ' && (leading || index >= body.len());
        leading = leading && character == ' ';
        if special {
            escaped.push('\\');
        }
        escaped.push(character);
    }
    escaped
}
