//! One message against the rules: which match, what `WHERE` and `SELECT` say, what the actions do.
//!
//! Truth: <https://docs.aws.amazon.com/iot/latest/developerguide/iot-rules.html>.

use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;

use crate::json::Json;
use crate::names::{AccountId, Arn, TopicName};
use crate::quotas::{PAYLOAD_BYTES, TOPIC_BYTES, TOPIC_SLASHES};

use super::actions::{CompiledAction, CompiledHeaders, payload_is_utf8, republish_topic};
use super::evaluate::{Evaluation, Failure, Setting};
use super::execution::{ActionExecution, ActionFailure, Execution, Outcome};
use super::payload::Payload;
use super::select::Selected;
use super::syntax::Statement;
use super::template::Template;
use super::{Invocation, MessageProperties, RuleMessage};

/// A rule, ready to run.
#[derive(Debug)]
pub(super) struct CompiledRule {
    pub(super) name: String,
    pub(super) account: AccountId,
    pub(super) statement: Statement,
    pub(super) actions: Vec<CompiledAction>,
    pub(super) error_action: Option<CompiledAction>,
}

//= https://docs.aws.amazon.com/iot/latest/developerguide/iot-basic-ingest.html
//# a message to `$aws/rules/NAME/rest` goes to that rule and to nobody else
/// `(NAME, rest)` of a topic that Basic Ingest takes; such a message never reaches the broker.
pub(crate) fn basic_ingest(topic: &TopicName) -> Option<(&str, &str)> {
    let rest = topic.as_str().strip_prefix("$aws/rules/")?;
    Some(rest.split_once('/').unwrap_or((rest, "")))
}

impl CompiledRule {
    fn setting<'m>(&'m self, topic: &'m str) -> Setting<'m> {
        Setting { rule: &self.name, account: &self.account, topic }
    }

    /// Runs the rule for a message that it is known to match, at `topic` as SQL sees it.
    pub(super) fn run(
        self: &Arc<Self>,
        message: &RuleMessage,
        topic: &str,
        payload: &Payload<'_>,
    ) -> Execution {
        let begun = Evaluation::begin(&self.statement, self.setting(topic), message, payload);
        let (result, why) = match begun {
            Ok(evaluation) => {
                let result = self.run_actions(&evaluation);
                (result, evaluation.take_notes())
            }
            Err(failure) => (Err(failure), Vec::new()),
        };
        let mut execution = Execution::new(Arc::clone(self), topic, why);
        match result {
            Ok(Some(actions)) => execution.actions = actions,
            Ok(None) => execution.outcome = Outcome::NotSelected,
            Err(Failure(why)) => execution.outcome = Outcome::Failed(why),
        }
        execution.unparsed = payload.is_unparsable();
        execution
    }

    //= https://docs.aws.amazon.com/iot/latest/developerguide/iot-sql-where.html
    //# WHERE comes first; actions run only if it is true
    fn run_actions(
        &self,
        evaluation: &Evaluation<'_>,
    ) -> Result<Option<Vec<ActionExecution>>, Failure> {
        if let Some(condition) = &self.statement.condition
            && !evaluation.passes(Some(condition), evaluation.message_row())?
        {
            return Ok(None);
        }
        let selected = evaluation.select(&self.statement.selection)?;
        let payload = match &selected {
            Selected::Payload => evaluation.message.payload.clone(),
            Selected::Value(value) => Bytes::from(evaluation.to_payload(value.as_ref())?),
        };
        let is_raw = selected == Selected::Payload;
        let run = |action: &CompiledAction| action.run(evaluation, payload.clone(), is_raw);
        Ok(Some(self.actions.iter().map(run).collect()))
    }

    /// Runs the error action for `failures`.
    pub(super) fn run_error_action(
        &self,
        message: &RuleMessage,
        topic: &str,
        failures: &[ActionFailure],
    ) -> Option<ActionExecution> {
        let action = self.error_action.as_ref()?;
        let payload = Bytes::from(error_message(&self.name, message, failures).to_text());
        let original = Payload::new(&message.payload);
        let begun = Evaluation::begin(&self.statement, self.setting(topic), message, &original);
        Some(match begun {
            Ok(evaluation) => action.run(&evaluation, payload, false),
            Err(Failure(why)) => action.failed(message, String::new(), &why),
        })
    }
}

//= https://docs.aws.amazon.com/iot/latest/developerguide/rule-error-handling.html
//# one message for a rule and a message, with every failure in it
//= https://github.com/ministackorg/ministack/blob/main/CHANGELOG.md
//# `clientId` is `N/A` for what did not come over MQTT, and there is a `sourceIp`
fn error_message(rule: &str, message: &RuleMessage, failures: &[ActionFailure]) -> Json {
    let client_id = message.client_id.as_ref().map_or("N/A", |client_id| client_id.as_str());
    let failures = failures.iter().map(|failure| {
        Json::object(
            [
                ("failedAction", Json::from(failure.action)),
                ("failedResource", failure.resource.as_str().into()),
                ("errorMessage", failure.message.as_str().into()),
            ]
            .into_iter()
            .collect(),
        )
    });
    let members = [
        ("ruleName", Some(Json::from(rule))),
        ("topic", Some(message.topic.as_str().into())),
        ("cloudwatchTraceId", Some(message.trace_id.as_str().into())),
        ("clientId", Some(client_id.into())),
        ("sourceIp", message.source_ip.map(|source_ip| source_ip.to_string().into())),
        ("base64OriginalPayload", Some(STANDARD.encode(&message.payload).into())),
        ("failures", Some(Json::array(failures.collect()))),
    ];
    let present = members.into_iter().filter_map(|(name, value)| Some((name, value?)));
    Json::object(present.collect())
}

impl CompiledAction {
    /// AWS's `ruleAction` and `failedAction`.
    const fn name(&self) -> &'static str {
        match self {
            Self::Lambda { .. } => "LambdaAction",
            Self::Republish { .. } => "RepublishAction",
        }
    }

    //? assumed: `FunctionArn` by the pattern of `RepublishTopic`, which the guide shows
    /// What AWS calls the resource in `resources`.
    const fn resource_name(&self) -> &'static str {
        match self {
            Self::Lambda { .. } => "FunctionArn",
            Self::Republish { .. } => "RepublishTopic",
        }
    }

    fn done(&self, resource: String, invocation: Invocation) -> ActionExecution {
        let resource_name = self.resource_name();
        let result = Ok(invocation);
        ActionExecution { action: self.name(), resource_name, resource, result }
    }

    fn failed(&self, message: &RuleMessage, resource: String, why: &str) -> ActionExecution {
        let (action, resource_name) = (self.name(), self.resource_name());
        let failure = ActionFailure::new(action, resource_name, &resource, message, why);
        ActionExecution { action, resource_name, resource, result: Err(failure) }
    }

    /// Runs the action; `is_raw` says that `payload` is the message's own.
    fn run(&self, evaluation: &Evaluation<'_>, payload: Bytes, is_raw: bool) -> ActionExecution {
        let message = evaluation.message;
        //= https://docs.aws.amazon.com/iot/latest/developerguide/binary-payloads.html
        //# what is no JSON passes through `SELECT *` as it is, but a Lambda action cannot take it
        let is_json = || !is_raw || payload.is_empty() || evaluation.payload().is_some();
        match self {
            Self::Lambda { function_arn } => match function_arn.fill(evaluation) {
                Ok(arn) if is_json() => {
                    let function_arn = Arn::new(&arn);
                    self.done(arn, Invocation::Lambda { function_arn, payload })
                }
                Ok(arn) => {
                    let why = "the payload is not JSON, which a Lambda action cannot take; \
                               encode(*, 'base64') makes JSON of any payload";
                    self.failed(message, arn, why)
                }
                Err(Failure(why)) => self.failed(message, String::new(), &why),
            },
            Self::Republish { topic, qos, headers } => {
                let filled = match topic.fill(evaluation) {
                    Ok(filled) => filled,
                    Err(Failure(why)) => return self.failed(message, String::new(), &why),
                };
                match republish(&filled, *qos, headers, evaluation, payload) {
                    Ok((topic, invocation)) => self.done(topic, invocation),
                    Err(why) => self.failed(message, filled, &why),
                }
            }
        }
    }
}

fn republish(
    filled: &str,
    qos: u8,
    headers: &CompiledHeaders,
    evaluation: &Evaluation<'_>,
    payload: Bytes,
) -> Result<(String, Invocation), String> {
    let topic = republish_topic(filled).map_err(|why| format!("the topic {why}"))?;
    let name = TopicName::new(&topic);
    // The name of a Basic Ingest rule does not count.
    let counted = basic_ingest(&name).map_or(topic.as_str(), |(_, rest)| rest);
    if counted.len() > TOPIC_BYTES || counted.matches('/').count() > TOPIC_SLASHES {
        return Err("the topic is too long or has too many slashes".to_owned());
    }
    if payload.len() > PAYLOAD_BYTES {
        return Err(format!("the payload has {} bytes, more than 128 KiB", payload.len()));
    }
    let properties = fill_headers(headers, evaluation).map_err(|Failure(why)| why)?;
    Ok((topic, Invocation::Republish { topic: name, payload, qos, properties }))
}

fn fill_headers(
    headers: &CompiledHeaders,
    evaluation: &Evaluation<'_>,
) -> Result<MessageProperties, Failure> {
    let fill = |template: &Option<Template>| {
        template.as_ref().map(|template| template.fill(evaluation)).transpose()
    };
    let wrong = |name: &str, text: &str| Failure(format!("'{text}' is no {name}"));
    let payload_is_utf8 = match fill(&headers.payload_format_indicator)? {
        Some(text) => {
            payload_is_utf8(&text).ok_or_else(|| wrong("payloadFormatIndicator", &text))?
        }
        None => false,
    };
    let correlation_data = match fill(&headers.correlation_data)? {
        Some(text) => {
            let data = STANDARD.decode(&text).map_err(|_| wrong("correlationData", &text))?;
            Some(Bytes::from(data))
        }
        None => None,
    };
    let message_expiry_seconds = match fill(&headers.message_expiry)? {
        Some(text) => Some(text.parse().map_err(|_| wrong("messageExpiry", &text))?),
        None => None,
    };
    let mut user_properties = Vec::with_capacity(headers.user_properties.len());
    for (key, value) in &headers.user_properties {
        user_properties.push((key.fill(evaluation)?, value.fill(evaluation)?));
    }
    Ok(MessageProperties {
        payload_is_utf8,
        content_type: fill(&headers.content_type)?,
        response_topic: fill(&headers.response_topic)?,
        correlation_data,
        message_expiry_seconds,
        user_properties,
    })
}
