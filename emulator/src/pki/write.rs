//! Writing one certificate: a draft and a key give DER.
//!
//! What stands in a draft is decided by whoever issues; this file only knows how it is written.
//! Truth: RFC 5280, section 4.

use std::net::IpAddr;

use super::digest::sha1;
use super::key::{KeyPair, random_serial};
use super::{AttributeKind, der};
use crate::time::Timestamp;

/// All that a certificate says before it is signed.
pub(super) struct Draft<'a> {
    /// The issuer's name, DER.
    pub(super) issuer: &'a [u8],
    /// The subject's name, DER.
    pub(super) subject: &'a [u8],
    /// The subject's `SubjectPublicKeyInfo`, DER.
    pub(super) spki: &'a [u8],
    pub(super) not_before: Timestamp,
    pub(super) not_after: Timestamp,
    /// DER extensions; with none of them the certificate is version 1.
    pub(super) extensions: Vec<Vec<u8>>,
}

impl Draft<'_> {
    /// The certificate that `key` signed, with a serial number of its own.
    pub(super) fn sign(&self, key: &KeyPair) -> Vec<u8> {
        let algorithm = key.signature_algorithm();
        let validity = der::sequence(&[&der::time(self.not_before), &der::time(self.not_after)]);
        let mut parts: Vec<Vec<u8>> = Vec::with_capacity(8);
        if !self.extensions.is_empty() {
            parts.push(der::value(0xa0, &der::positive_integer(&[2])));
        }
        parts.push(der::positive_integer(&random_serial()));
        parts.push(algorithm.clone());
        parts.push(self.issuer.to_vec());
        parts.push(validity);
        parts.push(self.subject.to_vec());
        parts.push(self.spki.to_vec());
        if !self.extensions.is_empty() {
            parts.push(der::value(0xa3, &der::value(0x30, &self.extensions.concat())));
        }
        let signed = der::value(0x30, &parts.concat());
        let signature = der::bit_string(0, &key.sign(&signed));
        der::sequence(&[&signed, &algorithm, &signature])
    }
}

/// A DER name of one attribute after the other.
pub(super) fn name<'a>(attributes: impl IntoIterator<Item = (AttributeKind, &'a str)>) -> Vec<u8> {
    let mut relative_names = Vec::new();
    for (kind, text) in attributes {
        let pair = der::sequence(&[&der::oid(kind.oid()), &text_value(kind, text)]);
        relative_names.extend(der::set(&[&pair]));
    }
    der::value(0x30, &relative_names)
}

/// RFC 5280 wants PrintableString and IA5String for a few attributes; all others are UTF-8.
fn text_value(kind: AttributeKind, text: &str) -> Vec<u8> {
    let tag = match kind {
        AttributeKind::Country
        | AttributeKind::SerialNumber
        | AttributeKind::DistinguishedNameQualifier
            if is_printable(text) =>
        {
            0x13
        }
        AttributeKind::EmailAddress | AttributeKind::DomainComponent if text.is_ascii() => 0x16,
        _ => 0x0c,
    };
    der::value(tag, text.as_bytes())
}

fn is_printable(text: &str) -> bool {
    text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b" '()+,-./:=?".contains(&byte))
}

// Object identifiers of extensions: 2.5.29.n.
const SUBJECT_KEY_IDENTIFIER: u8 = 14;
const KEY_USAGE: u8 = 15;
const SUBJECT_ALTERNATIVE_NAME: u8 = 17;
const BASIC_CONSTRAINTS: u8 = 19;
const AUTHORITY_KEY_IDENTIFIER: u8 = 35;
const EXTENDED_KEY_USAGE: u8 = 37;

fn extension(number: u8, critical: bool, content: &[u8]) -> Vec<u8> {
    let critical = if critical { der::BOOLEAN_TRUE } else { &[] };
    der::sequence(&[&der::oid(&[0x55, 0x1d, number]), critical, &der::octet_string(content)])
}

/// `basicConstraints`, critical.
pub(super) fn basic_constraints(is_ca: bool) -> Vec<u8> {
    let ca = if is_ca { der::BOOLEAN_TRUE } else { &[] };
    extension(BASIC_CONSTRAINTS, true, &der::sequence(&[ca]))
}

/// What a key may do.
#[derive(Clone, Copy)]
pub(super) enum KeyUsage {
    /// `digitalSignature`.
    Sign,
    /// `digitalSignature` and `keyEncipherment`, for RSA servers.
    SignAndEncipher,
    /// `keyCertSign` and `cRLSign`.
    Issue,
}

/// `keyUsage`, critical.
pub(super) fn key_usage(usage: KeyUsage) -> Vec<u8> {
    let bits = match usage {
        KeyUsage::Sign => der::bit_string(7, &[0b1000_0000]),
        KeyUsage::SignAndEncipher => der::bit_string(5, &[0b1010_0000]),
        KeyUsage::Issue => der::bit_string(1, &[0b0000_0110]),
    };
    extension(KEY_USAGE, true, &bits)
}

/// `extendedKeyUsage` with `serverAuth` and, or only, `clientAuth`.
pub(super) fn extended_key_usage(server: bool) -> Vec<u8> {
    const SERVER: &[u8] = &[0x2b, 0x06, 0x01, 0x05, 0x05, 0x07, 0x03, 0x01];
    const CLIENT: &[u8] = &[0x2b, 0x06, 0x01, 0x05, 0x05, 0x07, 0x03, 0x02];
    let server = if server { der::oid(SERVER) } else { Vec::new() };
    extension(EXTENDED_KEY_USAGE, false, &der::sequence(&[&server, &der::oid(CLIENT)]))
}

/// `subjectKeyIdentifier` of the key `spki`.
pub(super) fn subject_key_identifier(spki: &[u8]) -> Vec<u8> {
    extension(SUBJECT_KEY_IDENTIFIER, false, &der::octet_string(&key_identifier(spki)))
}

/// `authorityKeyIdentifier` of the issuing key `spki`.
pub(super) fn authority_key_identifier(spki: &[u8]) -> Vec<u8> {
    let identifier = der::value(0x80, &key_identifier(spki));
    extension(AUTHORITY_KEY_IDENTIFIER, false, &der::sequence(&[&identifier]))
}

/// RFC 5280, section 4.2.1.2, method 1: the SHA-1 of the bits of the key.
fn key_identifier(spki: &[u8]) -> [u8; 20] {
    let bits = der::element(spki)
        .and_then(|outer| der::element(outer.content))
        .and_then(|algorithm| der::element(algorithm.rest))
        .and_then(|key| key.content.get(1..));
    sha1(bits.unwrap_or(spki))
}

/// `subjectAltName` of host names, addresses, e-mail addresses and URIs, told apart by their form.
pub(super) fn subject_alternative_names(hosts: &[&str]) -> Vec<u8> {
    let mut names = Vec::new();
    for host in hosts {
        match host.parse::<IpAddr>() {
            Ok(IpAddr::V4(address)) => names.extend(der::value(0x87, &address.octets())),
            Ok(IpAddr::V6(address)) => names.extend(der::value(0x87, &address.octets())),
            Err(_) if host.contains("://") => names.extend(der::value(0x86, host.as_bytes())),
            Err(_) if host.contains('@') => names.extend(der::value(0x81, host.as_bytes())),
            Err(_) => names.extend(der::value(0x82, host.as_bytes())),
        }
    }
    extension(SUBJECT_ALTERNATIVE_NAME, false, &der::value(0x30, &names))
}
