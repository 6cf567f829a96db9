//! AWS's quotas. Sizes and counts are named constants, each with its source, and always enforced;
//! rates (`rates.rs`, counted in `bucket.rs`) are enforced under [`Quotas::Strict`].
//!
//! Truth: <https://docs.aws.amazon.com/general/latest/gr/iot-core.html>, unless a constant says
//! otherwise.

mod bucket;
pub(crate) mod rates;

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use serde::Deserialize;

pub(crate) use bucket::Bucket;

/// Which of AWS's quotas count.
///
/// ```
/// use iot_emulator::{Emulator, Quotas};
///
/// let emulator = Emulator::builder().quotas(Quotas::Strict).start()?;
/// # drop(emulator);
/// assert_eq!("sizes".parse(), Ok(Quotas::Sizes));
/// # Ok::<(), iot_emulator::StartError>(())
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Quotas {
    /// Sizes and counts. Rates are not limited, so that a fast test suite is not slowed.
    #[default]
    Sizes,
    /// The rates too: one CONNECT a second for each client ID, and so on.
    Strict,
}

/// A word that names no [`Quotas`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UnknownQuotas(String);

impl fmt::Display for UnknownQuotas {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "`{}` is neither `sizes` nor `strict`", self.0)
    }
}

impl std::error::Error for UnknownQuotas {}

impl FromStr for Quotas {
    type Err = UnknownQuotas;

    fn from_str(word: &str) -> Result<Self, UnknownQuotas> {
        match word {
            "sizes" => Ok(Self::Sizes),
            "strict" => Ok(Self::Strict),
            other => Err(UnknownQuotas(other.to_owned())),
        }
    }
}

//= https://docs.aws.amazon.com/general/latest/gr/iot-core.html
//# message broker and protocol limits
/// The longest client ID, in bytes.
pub const CLIENT_ID_BYTES: usize = 128;
/// The longest topic name or filter, in bytes, not counting `$aws/rules/NAME/` or `$share/NAME/`.
pub const TOPIC_BYTES: usize = 256;
/// The most slashes in a topic, not counting those of `$aws/rules/NAME/` or `$share/NAME/`.
pub const TOPIC_SLASHES: usize = 7;
//= https://github.com/boto/botocore/tree/develop/botocore/data/iot/2015-05-28
//# RuleName, 128 at most
/// The longest name of a rule, in characters.
pub const RULE_NAME_CHARACTERS: usize = 128;
//= https://docs.aws.amazon.com/iot/latest/developerguide/mqtt.html
//# the share name of a shared subscription has 1 to 128 characters
/// The longest share name of a shared subscription, in characters.
pub const SHARE_NAME_CHARACTERS: usize = 128;
/// The largest payload of a publish.
pub const PAYLOAD_BYTES: usize = 128 * 1024;
/// The largest MQTT packet: variable header and payload.
pub const PACKET_BYTES: usize = 149_504;
/// How long a WebSocket may live.
pub const WEBSOCKET_LIFETIME: Duration = Duration::from_secs(86_400);
/// The least Maximum Packet Size that a client may ask for.
pub const MAXIMUM_PACKET_SIZE_FLOOR: u32 = 512;
/// Filters in one SUBSCRIBE.
pub const SUBSCRIPTIONS_PER_REQUEST: usize = 8;
/// Subscriptions of one connection.
pub const SUBSCRIPTIONS_PER_CONNECTION: usize = 50;
/// QoS 1 messages sent and not yet acknowledged, each way.
pub const RECEIVE_MAXIMUM: u16 = 100;
/// Topic aliases that a client may use towards the broker.
pub const TOPIC_ALIAS_MAXIMUM: u16 = 8;
/// Keep-alive: what a client asks for is brought into this range; 0 counts as the upper end.
pub const KEEP_ALIVE_SECONDS: std::ops::RangeInclusive<u16> = 30..=1200;
/// How long a persistent session outlives its connection.
pub const PERSISTENT_SESSION_EXPIRY: Duration = Duration::from_secs(3600);
/// Longest life of a message with an expiry interval; shorter than a second counts as one.
pub const MESSAGE_EXPIRY_SECONDS: std::ops::RangeInclusive<u32> = 1..=604_800;
/// The longest MQTT 5 content type, in bytes.
pub const CONTENT_TYPE_BYTES: usize = 256;
/// The longest MQTT 5 correlation data, in bytes.
pub const CORRELATION_DATA_BYTES: usize = 8 * 1024;
/// All MQTT 5 user properties of one packet, in bytes.
pub const USER_PROPERTIES_BYTES: usize = 8 * 1024;
//= https://docs.aws.amazon.com/iot/latest/apireference/API_iotdata_SendDirectMessage.html
//# a sender waits 1 to 15 seconds for the confirmation, 5 unless told
/// How long the sender of a direct message may wait for its confirmation, in seconds.
pub const DIRECT_MESSAGE_TIMEOUT_SECONDS: std::ops::RangeInclusive<u64> = 1..=15;
/// How long it waits unless it says.
pub const DIRECT_MESSAGE_TIMEOUT_DEFAULT_SECONDS: u64 = 5;

//= https://docs.aws.amazon.com/general/latest/gr/iot-core.html
//# message broker limits of an account
/// Connections of one account at a time.
pub const CONNECTIONS: usize = 500_000;
/// Subscriptions of one account, of clients that are away and have a session too.
pub const SUBSCRIPTIONS: usize = 500_000;
/// Retained messages of one account.
pub const RETAINED_MESSAGES: usize = 500_000;
/// Messages that wait for any member of one group of shared subscriptions.
pub const QUEUED_MESSAGES_PER_GROUP: usize = 500_000;
/// Groups of shared subscriptions in one account, and members of one group.
pub const SHARED_SUBSCRIPTION_GROUPS: usize = 100;

//= https://docs.aws.amazon.com/general/latest/gr/iot-core.html
//# security and identity limits
/// CA certificates with one subject in one account.
pub const CA_CERTIFICATES_PER_SUBJECT: usize = 10;
/// The largest policy document, in characters that are not white space.
pub const POLICY_DOCUMENT_CHARACTERS: usize = 2048;
/// Versions of one policy.
pub const POLICY_VERSIONS: usize = 5;
/// Policies attached to one certificate.
pub const POLICIES_PER_PRINCIPAL: usize = 10;
/// Versions of one provisioning template.
pub const PROVISIONING_TEMPLATE_VERSIONS: usize = 5;

//= https://docs.aws.amazon.com/iot/latest/developerguide/thing-groups.html
//# two policies to a thing group, and ten groups to a thing
/// Policies attached to one thing group.
pub const POLICIES_PER_THING_GROUP: usize = 2;
/// Static thing groups that one thing is in.
pub const THING_GROUPS_PER_THING: usize = 10;

//= https://docs.aws.amazon.com/general/latest/gr/iot_device_management.html
//# thing group limits
/// Levels of a hierarchy of thing groups; the root is the first.
pub const THING_GROUP_LEVELS: usize = 7;
/// Thing groups right below one thing group.
pub const CHILD_GROUPS_PER_THING_GROUP: usize = 100;
/// Attributes of one thing group.
pub const ATTRIBUTES_PER_THING_GROUP: usize = 50;

//= https://docs.aws.amazon.com/general/latest/gr/iot_device_management.html
//# bulk thing registration limits: one task at a time, a line of at most 256K, and what belongs to
//# a task is deleted 30 days after it ended
//? assumed: a K is 1,024 bytes
/// The longest line of a file of parameters, in bytes.
pub const REGISTRATION_LINE_BYTES: usize = 256 * 1024;
/// How long a bulk registration task is known after it ended.
pub const REGISTRATION_TASK_RETENTION: Duration = Duration::from_secs(30 * 24 * 60 * 60);
//? assumed: AWS names none; of more tasks the oldest that has ended is forgotten
/// Bulk registration tasks that are known in one account and Region.
pub const REGISTRATION_TASKS: usize = 100;
//? assumed: AWS names none; first the oldest tasks that have ended are forgotten, then the task
//? fails
/// All reports of the bulk registration tasks of one account and Region, in bytes.
pub const REGISTRATION_REPORT_BYTES: usize = 64 * 1024 * 1024;
//? assumed: the size at which another file begins; AWS numbers the files from 1
/// One file of a report of a bulk registration task, in bytes.
pub const REGISTRATION_REPORT_FILE_BYTES: usize = 10 * 1024 * 1024;

//? assumed: ten, and that the configurations of default endpoints do not count
/// Domain configurations in one account and Region.
pub const DOMAIN_CONFIGURATIONS: usize = 10;

//? assumed: an emulator of a test keeps fewer than AWS would; a message more is dropped and traced
/// Messages that wait for one session.
pub const QUEUED_MESSAGES_PER_SESSION: usize = 10_000;
//? assumed: 16 MiB, so that nobody fills the memory of a test with large messages
/// Payloads, topics and properties of the messages that wait for one session or one group of a
/// shared subscription, in bytes. What was sent and not acknowledged yet does not wait.
pub const QUEUED_BYTES_PER_SESSION: usize = 16 * 1024 * 1024;
