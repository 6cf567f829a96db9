//! What AWS checks of a request before it looks at any state, and the text of its complaint.
//!
//! All clauses that fail are reported in one message. What depends on stored state (unknown IDs,
//! conflicts) is decided by the operations.
//! Truth: lengths, patterns and enumerations of botocore's model of `iot` 2015-05-28.

use std::ops::RangeInclusive;

use crate::errors::ApiError;

use super::Tag;
use super::words::Word;

/// Gathers the constraints that a request fails.
#[derive(Debug, Default)]
pub(crate) struct Constraints {
    clauses: Vec<String>,
}

impl Constraints {
    /// No constraint failed yet.
    pub(crate) fn new() -> Self {
        Self::default()
    }

    fn fail(&mut self, member: &str, constraint: impl AsRef<str>) {
        let constraint = constraint.as_ref();
        self.clauses
            .push(format!("Value at '{member}' failed to satisfy constraint: {constraint}"));
    }

    /// `value` was given. An empty text counts as absent.
    pub(crate) fn required(&mut self, member: &str, value: &str) -> &mut Self {
        if value.is_empty() {
            self.fail(member, "Member must not be null");
        }
        self
    }

    /// `value` has a length in `range`; an absent value passes.
    pub(crate) fn length(
        &mut self,
        member: &str,
        value: Option<&str>,
        range: RangeInclusive<usize>,
    ) -> &mut Self {
        match value.map(|value| value.chars().count()) {
            Some(length) => self.size(member, length, range),
            None => self,
        }
    }

    /// A text or a list has a `length` in `range`.
    pub(crate) fn size(
        &mut self,
        member: &str,
        length: usize,
        range: RangeInclusive<usize>,
    ) -> &mut Self {
        if length < *range.start() {
            let least = range.start();
            self.fail(member, format!("Member must have length greater than or equal to {least}"));
        } else if length > *range.end() {
            let most = range.end();
            self.fail(member, format!("Member must have length less than or equal to {most}"));
        }
        self
    }

    /// Every character of `value` is `allowed`; `pattern` is how the model writes that.
    pub(crate) fn pattern(
        &mut self,
        member: &str,
        value: Option<&str>,
        pattern: &str,
        allowed: impl Fn(char) -> bool,
    ) -> &mut Self {
        if value.is_some_and(|value| !value.chars().all(allowed)) {
            self.fail(member, format!("Member must satisfy regular expression pattern: {pattern}"));
        }
        self
    }

    /// `value` is shaped like a certificate ID: 64 hex digits. Whether it names one is not asked.
    pub(crate) fn certificate_id(&mut self, member: &str, value: &str) -> &mut Self {
        let digits = value.strip_prefix("0x").unwrap_or(value);
        if digits.is_empty() || !digits.bytes().all(|byte| byte.is_ascii_hexdigit()) {
            let pattern = "(0x)?[a-fA-F0-9]+";
            self.fail(member, format!("Member must satisfy regular expression pattern: {pattern}"));
        }
        self.length(member, Some(value), 64..=64)
    }

    /// A PEM is given and not longer than the model allows.
    pub(crate) fn pem(&mut self, member: &str, value: &str) -> &mut Self {
        self.required(member, value).length(member, Some(value), 0..=65_536)
    }

    /// A policy's name.
    pub(crate) fn policy_name(&mut self, value: &str) -> &mut Self {
        let word = |c: char| c.is_ascii_alphanumeric() || "_+=,.@-".contains(c);
        self.pattern("policyName", Some(value), r"[\w+=,.@-]+", word);
        self.length("policyName", Some(value), 1..=128)
    }

    /// A policy document, whatever it says.
    pub(crate) fn policy_document(&mut self, value: &str) -> &mut Self {
        self.length("policyDocument", Some(value), 0..=404_600)
    }

    /// A policy version's ID.
    pub(crate) fn policy_version_id(&mut self, value: &str) -> &mut Self {
        if value.is_empty() {
            self.fail("policyVersionId", "Member must satisfy regular expression pattern: [0-9]+");
        }
        self.pattern("policyVersionId", Some(value), "[0-9]+", |c| c.is_ascii_digit())
    }

    /// The name of a thing, a thing type, a thing group or a billing group.
    pub(crate) fn registry_name(&mut self, member: &str, value: Option<&str>) -> &mut Self {
        let allowed = |c: char| c.is_ascii_alphanumeric() || ":_-".contains(c);
        self.pattern(member, value, "[a-zA-Z0-9:_-]+", allowed).length(member, value, 1..=128)
    }

    /// The name of a provisioning template.
    pub(crate) fn template_name(&mut self, member: &str, value: Option<&str>) -> &mut Self {
        let allowed = |c: char| c.is_ascii_alphanumeric() || "_-".contains(c);
        self.pattern(member, value, "^[0-9A-Za-z_-]+$", allowed).length(member, value, 1..=36)
    }

    /// `value` lies in `range`; an absent value passes.
    pub(crate) fn number(
        &mut self,
        member: &str,
        value: Option<i64>,
        range: RangeInclusive<i64>,
    ) -> &mut Self {
        let Some(value) = value else { return self };
        if value < *range.start() {
            let least = range.start();
            self.fail(member, format!("Member must have value greater than or equal to {least}"));
        } else if value > *range.end() {
            let most = range.end();
            self.fail(member, format!("Member must have value less than or equal to {most}"));
        }
        self
    }

    /// The word that `value` stands for; a word outside the list fails.
    pub(crate) fn word<W: Word>(&mut self, member: &str, value: Option<&str>) -> Option<W> {
        let word = W::parse(value?);
        if word.is_none() {
            let words = W::WORDS.join(", ");
            self.fail(member, format!("Member must satisfy enum value set: [{words}]"));
        }
        word
    }

    /// The keys and values of a thing's attributes.
    pub(crate) fn attributes<'a>(
        &mut self,
        attributes: impl Iterator<Item = (&'a String, &'a String)>,
    ) -> &mut Self {
        let member = "attributePayload.attributes";
        for (name, value) in attributes {
            let name_allowed = |c: char| c.is_ascii_alphanumeric() || "_.,@/:#-".contains(c);
            if name.is_empty() || name.len() > 128 || !name.chars().all(name_allowed) {
                self.fail(member, ATTRIBUTE_NAME);
            }
            let value_allowed = |c: char| c.is_ascii_alphanumeric() || "_.,@/:#=[]-".contains(c);
            if value.len() > 800 || !value.chars().all(value_allowed) {
                self.fail(member, ATTRIBUTE_VALUE);
            }
        }
        self
    }

    /// The tags of a new resource.
    pub(crate) fn tags(&mut self, tags: &[Tag]) -> &mut Self {
        for (index, tag) in tags.iter().enumerate() {
            let member = |name: &str| format!("tags.{}.member.{name}", index + 1);
            self.length(&member("key"), Some(&tag.key), 1..=128);
            self.length(&member("value"), tag.value.as_deref(), 0..=256);
        }
        self
    }

    /// AWS's complaint about everything that failed, if anything did.
    pub(crate) fn finish(&mut self) -> Result<(), ApiError> {
        let clauses = std::mem::take(&mut self.clauses);
        match clauses.len() {
            0 => Ok(()),
            1 => Err(ApiError::invalid_request(format!(
                "1 validation error detected: {}",
                clauses.concat()
            ))),
            count => Err(ApiError::invalid_request(format!(
                "{count} validation errors detected: {}",
                clauses.join("; ")
            ))),
        }
    }
}

//= https://github.com/aws/aws-sdk-java/issues/666
//# a map that fails is reported with all constraints of its keys, or of its values
const ATTRIBUTE_NAME: &str = "Map keys must satisfy constraint: \
    [Member must have length less than or equal to 128, \
    Member must have length greater than or equal to 1, \
    Member must satisfy regular expression pattern: [a-zA-Z0-9_.,@/:#-]+]";
const ATTRIBUTE_VALUE: &str = "Map value must satisfy constraint: \
    [Member must have length less than or equal to 800, \
    Member must have length greater than or equal to 0, \
    Member must satisfy regular expression pattern: [a-zA-Z0-9_.,@/:#=\\[\\]-]*]";

#[cfg(test)]
mod tests {
    use super::*;
    use crate::registry::words::CertificateMode;

    fn complaint(build: impl FnOnce(&mut Constraints)) -> String {
        let mut constraints = Constraints::new();
        build(&mut constraints);
        constraints.finish().map_or_else(|error| error.message().to_owned(), |()| String::new())
    }

    #[test]
    fn s10_3_a_failed_constraint_is_told_as_aws_tells_it() {
        type Build = fn(&mut Constraints);
        let table: [(&str, Build); 6] = [
            ("", |c| {
                c.number("pageSize", Some(250), 1..=250);
            }),
            (
                "1 validation error detected: Value at 'pageSize' failed to satisfy constraint: \
                 Member must have value greater than or equal to 1",
                |c| {
                    c.number("pageSize", Some(0), 1..=250);
                },
            ),
            (
                "2 validation errors detected: Value at 'caCertificateId' failed to satisfy \
                 constraint: Member must satisfy regular expression pattern: (0x)?[a-fA-F0-9]+; \
                 Value at 'caCertificateId' failed to satisfy constraint: Member must have length \
                 greater than or equal to 64",
                |c| {
                    c.certificate_id("caCertificateId", "xyz");
                },
            ),
            (
                "1 validation error detected: Value at 'certificateMode' failed to satisfy \
                 constraint: Member must satisfy enum value set: [DEFAULT, SNI_ONLY]",
                |c| {
                    c.word::<CertificateMode>("certificateMode", Some("default"));
                },
            ),
            (
                "1 validation error detected: Value at 'certificatePem' failed to satisfy \
                 constraint: Member must not be null",
                |c| {
                    c.pem("certificatePem", "");
                },
            ),
            (
                "1 validation error detected: Value at 'policyVersionId' failed to satisfy \
                 constraint: Member must satisfy regular expression pattern: [0-9]+",
                |c| {
                    c.policy_version_id("one");
                },
            ),
        ];
        for (expected, build) in table {
            assert_eq!(complaint(build), expected);
        }
    }
}
