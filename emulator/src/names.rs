//! The words that everybody uses: accounts, Regions, ARNs, client IDs, certificate IDs, topics.
//!
//! Each is a type, so that a topic filter cannot be taken for a topic name. They are cheap to
//! clone. What AWS allows in a topic beyond MQTT (length, slashes, reserved `$` names) is not
//! decided here but in `quotas.rs` and where the topic is used.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use serde::{Serialize, Serializer};

/// Defines a cheap-to-clone text newtype.
macro_rules! text {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, Eq, PartialOrd, Ord)]
        pub struct $name(Arc<str>);

        impl PartialEq for $name {
            fn eq(&self, other: &Self) -> bool {
                // A name is cloned far more often than it is written again.
                Arc::ptr_eq(&self.0, &other.0) || self.0 == other.0
            }
        }

        impl std::hash::Hash for $name {
            fn hash<H: std::hash::Hasher>(&self, state: &mut H) {
                self.0.hash(state);
            }
        }

        impl $name {
            /// Takes `text` as it stands.
            pub fn new(text: &str) -> Self {
                Self(Arc::from(text))
            }

            /// The text itself.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl From<$name> for Arc<str> {
            /// The text, without copying it.
            fn from(name: $name) -> Self {
                name.0
            }
        }

        impl std::borrow::Borrow<str> for $name {
            fn borrow(&self) -> &str {
                &self.0
            }
        }

        impl AsRef<str> for $name {
            fn as_ref(&self) -> &str {
                &self.0
            }
        }

        impl From<&str> for $name {
            fn from(text: &str) -> Self {
                Self::new(text)
            }
        }

        impl From<String> for $name {
            fn from(text: String) -> Self {
                Self(Arc::from(text))
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{:?}", &*self.0)
            }
        }

        impl Serialize for $name {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.serialize_str(&self.0)
            }
        }
    };
}

text! {
    /// A 12-digit AWS account.
    AccountId
}
text! {
    /// An AWS Region, such as `us-east-1`.
    Region
}
text! {
    /// What an MQTT client calls itself; at most 128 bytes.
    ClientId
}
text! {
    /// The name of a thing in the registry.
    ThingName
}
text! {
    /// The name of a thing group in the registry.
    ThingGroupName
}
text! {
    /// The name of a thing type.
    ThingTypeName
}
text! {
    /// The name of a billing group.
    BillingGroupName
}
text! {
    /// The name of an AWS IoT policy.
    PolicyName
}
text! {
    /// The name of a provisioning template.
    TemplateName
}
text! {
    /// Where a message is published to; never holds `+` or `#` as wildcards.
    TopicName
}
text! {
    /// What a client subscribes to; `+` and `#` are wildcards, `$share/NAME/` may stand in front.
    TopicFilter
}

impl TopicFilter {
    /// Whether a message published to `topic` reaches this filter.
    ///
    /// A `$share/NAME/` prefix is not looked at: strip it first with [`TopicFilter::shared`].
    pub fn matches(&self, topic: &TopicName) -> bool {
        topic_matches(self.as_str(), topic.as_str())
    }

    /// `$share/NAME/FILTER` taken apart into `(NAME, FILTER)`.
    pub fn shared(&self) -> Option<(&str, &str)> {
        self.as_str().strip_prefix("$share/")?.split_once('/')
    }
}

//= https://docs.aws.amazon.com/iot/latest/developerguide/topics.html
//# `sensor/#` matches what lies below `sensor`, but not `sensor` itself, as MQTT would have it
/// The MQTT match of a filter against a topic, with AWS IoT's deviation for `#`.
pub fn topic_matches(filter: &str, topic: &str) -> bool {
    if topic.starts_with('$') && !filter.starts_with('$') {
        return false;
    }
    let mut levels = topic.split('/');
    for wanted in filter.split('/') {
        match (wanted, levels.next()) {
            ("#", level) => return level.is_some(),
            ("+", Some(_)) => {}
            (wanted, Some(level)) if wanted == level => {}
            _ => return false,
        }
    }
    levels.next().is_none()
}

/// The SHA-256 of a certificate's DER, which is its ID in every account and Region.
//= https://github.com/getmoto/moto/issues/7866
//# the certificate ID is the lower-case hex SHA-256 of the DER, not of the PEM text
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct CertificateId([u8; 32]);

impl CertificateId {
    /// The ID that has this digest.
    pub const fn from_digest(digest: [u8; 32]) -> Self {
        Self(digest)
    }
}

impl fmt::Display for CertificateId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&hex(&self.0))
    }
}

impl fmt::Debug for CertificateId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl FromStr for CertificateId {
    type Err = NotACertificateId;

    /// Reads 64 lower-case hex digits; AWS knows no certificate by an upper-case ID.
    fn from_str(text: &str) -> Result<Self, NotACertificateId> {
        let lower = text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
        if text.len() != 64 || !lower {
            return Err(NotACertificateId);
        }
        let mut digest = [0; 32];
        for (index, byte) in digest.iter_mut().enumerate() {
            let pair = text.get(2 * index..2 * index + 2).ok_or(NotACertificateId)?;
            *byte = u8::from_str_radix(pair, 16).map_err(|_| NotACertificateId)?;
        }
        Ok(Self(digest))
    }
}

impl Serialize for CertificateId {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

/// The text names no certificate.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not a certificate ID: 64 lower-case hex digits are wanted")]
pub struct NotACertificateId;

/// Lower-case hex.
pub(crate) fn hex(bytes: &[u8]) -> String {
    // A formatter for each byte costs twenty times as much, and certificate IDs are in demand.
    let digit = |value: u8| b"0123456789abcdef"[usize::from(value)];
    let mut text = Vec::with_capacity(2 * bytes.len());
    for byte in bytes {
        text.extend_from_slice(&[digit(byte >> 4), digit(byte & 0x0F)]);
    }
    String::from_utf8(text).unwrap_or_default()
}

/// One account in one Region: what an `IotCore` stands for and what every ARN in it names.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Scope {
    /// The account.
    pub account: AccountId,
    /// The Region.
    pub region: Region,
}

impl Scope {
    /// The account `account` in the Region `region`.
    pub fn new(account: impl Into<AccountId>, region: impl Into<Region>) -> Self {
        Self { account: account.into(), region: region.into() }
    }

    /// The ARN of an AWS IoT resource here: `arn:aws:iot:REGION:ACCOUNT:KIND/NAME`.
    pub fn iot_arn(&self, kind: &str, name: impl fmt::Display) -> Arn {
        Arn(Arc::from(format!("arn:aws:iot:{}:{}:{kind}/{name}", self.region, self.account)))
    }

    /// The ARN of a Lambda function here.
    pub fn function_arn(&self, name: &str) -> Arn {
        Arn(Arc::from(format!("arn:aws:lambda:{}:{}:function:{name}", self.region, self.account)))
    }
}

impl fmt::Display for Scope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.account, self.region)
    }
}

text! {
    /// An Amazon Resource Name.
    Arn
}

impl Arn {
    /// The account and Region that the ARN names, if it is one.
    pub fn scope(&self) -> Option<Scope> {
        let mut parts = self.as_str().splitn(6, ':').skip(3);
        let (region, account) = (parts.next()?, parts.next()?);
        Some(Scope::new(account, region))
    }

    /// The part after the account: `cert/ID`, `thing/NAME`, `function:NAME`.
    pub fn tail(&self) -> Option<&str> {
        self.as_str().splitn(6, ':').nth(5)
    }

    /// `NAME`, if the ARN ends in `KIND/NAME`.
    pub fn name_of(&self, kind: &str) -> Option<&str> {
        self.tail()?.strip_prefix(kind)?.strip_prefix('/')
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn c38_a_filter_matches_as_aws_matches() {
        let table = [
            ("sensor/#", "sensor", false),
            ("sensor/#", "sensor/", true),
            ("sensor/#", "sensor/a/b", true),
            ("sensor/+", "sensor/a", true),
            ("sensor/+", "sensor/a/b", false),
            ("+/+", "/finance", true),
            ("+", "/finance", false),
            ("#", "a/b", true),
            ("#", "$aws/events/x", false),
            ("+/events/x", "$aws/events/x", false),
            ("$aws/events/#", "$aws/events/x", true),
            ("a", "a", true),
            ("a", "a/", false),
        ];
        for (filter, topic, expected) in table {
            let matches = TopicFilter::new(filter).matches(&TopicName::new(topic));
            assert_eq!(matches, expected, "{filter} against {topic}");
        }
    }

    #[test]
    fn id_3_only_a_lower_case_id_names_a_certificate() {
        let id = CertificateId::from_digest([0xab; 32]);
        assert_eq!(id.to_string().parse(), Ok(id));
        assert!(id.to_string().to_uppercase().parse::<CertificateId>().is_err());
        assert!("ab".parse::<CertificateId>().is_err());
        assert!("é".repeat(32).parse::<CertificateId>().is_err());
    }

    #[test]
    fn an_arn_comes_apart() {
        let scope = Scope::new("123456789012", "eu-west-1");
        let arn = scope.iot_arn("cert", "ab");
        assert_eq!(arn.as_str(), "arn:aws:iot:eu-west-1:123456789012:cert/ab");
        assert_eq!(arn.scope(), Some(scope));
        assert_eq!(arn.name_of("cert"), Some("ab"));
        assert_eq!(arn.name_of("thing"), None);
    }
}
