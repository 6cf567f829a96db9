//! The rules engine: which rules a message triggers, and what their actions then do.
//!
//! It decides by SQL (`SELECT … FROM … WHERE`) and returns [`Invocation`]s; it neither calls a
//! function nor publishes. Time, trace ID and the seed of all that is random come with the
//! message, so one message always gives one answer.
//! Truth: <https://docs.aws.amazon.com/iot/latest/developerguide/iot-rules.html>.

mod actions;
mod conversions;
mod evaluate;
mod execution;
mod expressions;
mod functions;
mod lexer;
mod operators;
mod parser;
mod payload;
mod requests;
mod rules;
mod run;
mod select;
mod syntax;
mod template;

use std::net::IpAddr;

use bytes::Bytes;

use crate::names::{Arn, ClientId, TopicName};
use crate::time::Timestamp;

pub(crate) use execution::{ActionExecution, Execution};
pub(crate) use requests::{CreateTopicRuleRequest, DeleteTopicRuleRequest};
pub(crate) use rules::RulesEngine;
pub(crate) use run::basic_ingest;

/// A message as the rules engine sees it.
#[derive(Clone, Debug)]
pub(crate) struct RuleMessage {
    /// Where it was published, `$aws/rules/NAME/…` and all.
    pub(crate) topic: TopicName,
    pub(crate) payload: Bytes,
    /// Who published it; `None` if it did not come over MQTT.
    pub(crate) client_id: Option<ClientId>,
    /// What `principal()` answers: a certificate ID, or an IAM identity.
    pub(crate) principal: Option<String>,
    pub(crate) source_ip: Option<IpAddr>,
    /// The MQTT 5 properties that SQL can ask for.
    pub(crate) properties: MessageProperties,
    pub(crate) now: Timestamp,
    /// A UUID.
    pub(crate) trace_id: String,
    /// Where `newuuid()` and `rand()` come from; another for each message.
    pub(crate) seed: u64,
}

/// The MQTT 5 properties of a message, received or to be republished.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct MessageProperties {
    /// Whether the payload is said to be UTF-8 text.
    pub(crate) payload_is_utf8: bool,
    pub(crate) content_type: Option<String>,
    pub(crate) response_topic: Option<String>,
    pub(crate) correlation_data: Option<Bytes>,
    /// Only on its way out.
    pub(crate) message_expiry_seconds: Option<u32>,
    pub(crate) user_properties: Vec<(String, String)>,
}

/// What an action wants done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Invocation {
    /// Invoke a function asynchronously.
    Lambda { function_arn: Arn, payload: Bytes },
    /// Publish another message.
    Republish { topic: TopicName, payload: Bytes, qos: u8, properties: MessageProperties },
}

#[cfg(test)]
mod tests;
