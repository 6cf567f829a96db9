//! The little DER that issuing needs: writing values, and stepping over one.
//!
//! Certificates are written by hand because a device's name may hold an attribute twice and its
//! certificate may be version 1, which no issuing crate offers. Reading is `x509-parser`'s job;
//! [`element`] only cuts raw bytes out of what it has already parsed.

use crate::time::Timestamp;

pub(super) const BOOLEAN_TRUE: &[u8] = &[0x01, 0x01, 0xff];

/// One value: tag, length, content.
pub(super) fn value(tag: u8, content: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(content.len() + 6);
    bytes.push(tag);
    let length = content.len();
    match length {
        0..=0x7f => bytes.push(length as u8),
        _ => {
            let big_endian = length.to_be_bytes();
            let zeros = big_endian.iter().take_while(|byte| **byte == 0).count();
            let significant = big_endian.get(zeros..).unwrap_or_default();
            bytes.push(0x80 | significant.len() as u8);
            bytes.extend_from_slice(significant);
        }
    }
    bytes.extend_from_slice(content);
    bytes
}

pub(super) fn sequence(parts: &[&[u8]]) -> Vec<u8> {
    value(0x30, &parts.concat())
}

pub(super) fn set(parts: &[&[u8]]) -> Vec<u8> {
    value(0x31, &parts.concat())
}

pub(super) fn oid(content: &[u8]) -> Vec<u8> {
    value(0x06, content)
}

pub(super) fn octet_string(content: &[u8]) -> Vec<u8> {
    value(0x04, content)
}

/// A bit string whose last `unused` bits do not count.
pub(super) fn bit_string(unused: u8, content: &[u8]) -> Vec<u8> {
    value(0x03, &[&[unused], content].concat())
}

/// A positive integer from big-endian bytes.
pub(super) fn positive_integer(magnitude: &[u8]) -> Vec<u8> {
    let zeros = magnitude.iter().take_while(|byte| **byte == 0).count();
    let significant = magnitude.get(zeros..).unwrap_or_default();
    match significant.first() {
        None => value(0x02, &[0]),
        Some(first) if first & 0x80 != 0 => value(0x02, &[&[0], significant].concat()),
        Some(_) => value(0x02, significant),
    }
}

/// A moment as RFC 5280 wants it: two-digit years from 1950 to 2049, else four digits.
pub(super) fn time(moment: Timestamp) -> Vec<u8> {
    let year: i32 = moment.format("%Y").parse().unwrap_or(1970);
    if (1950..2050).contains(&year) {
        value(0x17, moment.format("%y%m%d%H%M%SZ").as_bytes())
    } else {
        value(0x18, moment.format("%Y%m%d%H%M%SZ").as_bytes())
    }
}

/// The first value in some DER.
pub(super) struct Element<'a> {
    pub(super) tag: u8,
    pub(super) content: &'a [u8],
    pub(super) rest: &'a [u8],
}

/// The first value in `input`, if it is whole and of definite length.
pub(super) fn element(input: &[u8]) -> Option<Element<'_>> {
    let (&tag, after_tag) = input.split_first()?;
    let (&first, after_first) = after_tag.split_first()?;
    let (length, after_length) = if first & 0x80 == 0 {
        (usize::from(first), after_first)
    } else {
        let count = usize::from(first & 0x7f);
        if !(1..=4).contains(&count) {
            return None;
        }
        let (bytes, rest) = after_first.split_at_checked(count)?;
        let length = bytes.iter().fold(0_usize, |sum, byte| sum << 8 | usize::from(*byte));
        (length, rest)
    };
    let (content, rest) = after_length.split_at_checked(length)?;
    Some(Element { tag, content, rest })
}
