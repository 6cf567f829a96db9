//! The actions that a rule can have: which of them run, and what they are made of.
//!
//! Actions that AWS knows and this emulator does not run are refused when the rule is created.
//! Truth: <https://docs.aws.amazon.com/iot/latest/developerguide/iot-rule-actions.html> and the
//! shapes of <https://docs.aws.amazon.com/iot/latest/apireference/API_Action.html>.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::errors::{ApiError, ErrorCode};
use crate::names::topic_matches;

use super::syntax::Statement;
use super::template::Template;

//= https://docs.aws.amazon.com/iot/latest/apireference/API_Action.html
//# every action that a rule may have
const KNOWN_ACTIONS: [&str; 24] = [
    "cloudwatchAlarm",
    "cloudwatchLogs",
    "cloudwatchMetric",
    "dynamoDB",
    "dynamoDBv2",
    "elasticsearch",
    "firehose",
    "http",
    "influxDB",
    "iotAnalytics",
    "iotEvents",
    "iotSiteWise",
    "kafka",
    "kinesis",
    "lambda",
    "location",
    "openSearch",
    "republish",
    "s3",
    "salesforce",
    "sns",
    "sqs",
    "stepFunctions",
    "timestream",
];

//= https://docs.aws.amazon.com/iot/latest/apireference/API_MqttHeaders.html
//# at most 100 user properties
const USER_PROPERTIES: usize = 100;

/// An action as the AWS API shows it.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) enum Action {
    Lambda(LambdaAction),
    Republish(RepublishAction),
}

/// `lambda`: invoke a function asynchronously.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct LambdaAction {
    function_arn: Option<String>,
}

/// `republish`: publish to another topic.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct RepublishAction {
    role_arn: Option<String>,
    topic: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    qos: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    headers: Option<MqttHeaders>,
}

/// The MQTT 5 properties of a republished message.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct MqttHeaders {
    #[serde(skip_serializing_if = "Option::is_none")]
    payload_format_indicator: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    content_type: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    response_topic: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    correlation_data: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    message_expiry: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    user_properties: Option<Vec<UserProperty>>,
}

/// One MQTT 5 user property.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct UserProperty {
    key: String,
    value: String,
}

/// An action whose templates are understood.
#[derive(Clone, Debug)]
pub(super) enum CompiledAction {
    Lambda { function_arn: Template },
    Republish { topic: Template, qos: u8, headers: Box<CompiledHeaders> },
}

/// [`MqttHeaders`] whose templates are understood.
#[derive(Clone, Debug, Default)]
pub(super) struct CompiledHeaders {
    pub(super) payload_format_indicator: Option<Template>,
    pub(super) content_type: Option<Template>,
    pub(super) response_topic: Option<Template>,
    pub(super) correlation_data: Option<Template>,
    pub(super) message_expiry: Option<Template>,
    pub(super) user_properties: Vec<(Template, Template)>,
}

impl Action {
    /// Reads the action at `place` of a request, and understands its templates.
    pub(super) fn compile(
        action: &Value,
        place: &str,
        statement: &Statement,
    ) -> Result<(Self, CompiledAction), ApiError> {
        let (name, parameters) = only_member(action, place)?;
        let reader = Reader { statement, place: format!("{place}.{name}") };
        match name {
            "lambda" => {
                let action: LambdaAction = reader.read(parameters)?;
                Ok((Self::Lambda(action.clone()), reader.lambda(&action)?))
            }
            "republish" => {
                let action: RepublishAction = reader.read(parameters)?;
                Ok((Self::Republish(action.clone()), reader.republish(&action)?))
            }
            known if KNOWN_ACTIONS.contains(&known) => Err(ApiError::invalid_request(format!(
                "iot-emulator does not run the action `{known}` yet"
            ))),
            unknown => Err(ApiError::invalid_request(format!(
                "1 validation error detected: Value '{unknown}' at '{place}' failed to satisfy \
                 constraint: Member must satisfy enum value set: [{}]",
                KNOWN_ACTIONS.join(", ")
            ))),
        }
    }
}

//? assumed: AWS wants exactly one kind of action in each element; the text is ours
fn only_member<'v>(action: &'v Value, place: &str) -> Result<(&'v str, &'v Value), ApiError> {
    let mut members =
        action.as_object().into_iter().flatten().filter(|(_, value)| !value.is_null());
    match (members.next(), members.next()) {
        (Some((name, parameters)), None) => Ok((name, parameters)),
        _ => Err(ApiError::invalid_request(format!(
            "1 validation error detected: Value at '{place}' failed to satisfy constraint: \
             Member must have exactly one action"
        ))),
    }
}

struct Reader<'s> {
    statement: &'s Statement,
    place: String,
}

impl Reader<'_> {
    fn read<'v, T: Deserialize<'v>>(&self, parameters: &'v Value) -> Result<T, ApiError> {
        T::deserialize(parameters).map_err(|error| {
            ApiError::invalid_request(format!("Value at '{}' is not valid: {error}", self.place))
        })
    }

    fn violation(&self, member: &str, constraint: &str) -> ApiError {
        ApiError::invalid_request(format!(
            "1 validation error detected: Value at '{}.{member}' failed to satisfy constraint: \
             {constraint}",
            self.place
        ))
    }

    fn required<'v>(&self, value: Option<&'v String>, member: &str) -> Result<&'v str, ApiError> {
        match value {
            Some(value) if !value.is_empty() => Ok(value),
            _ => Err(self.violation(member, "Member must not be null")),
        }
    }

    fn template(&self, text: &str) -> Result<Template, ApiError> {
        Template::parse(text, self.statement).map_err(|error| {
            let what = format!("{error} of the substitution template '{text}'");
            ApiError::new(ErrorCode::SqlParseException, what)
        })
    }

    fn optional(&self, text: Option<&String>) -> Result<Option<Template>, ApiError> {
        text.map(|text| self.template(text)).transpose()
    }

    fn lambda(&self, action: &LambdaAction) -> Result<CompiledAction, ApiError> {
        let arn = self.required(action.function_arn.as_ref(), "functionArn")?;
        let function_arn = self.template(arn)?;
        //? assumed: AWS refuses a fixed text that is not the ARN of a function; the text is ours
        let parts: Vec<&str> = arn.splitn(7, ':').collect();
        let is_function = matches!(&parts[..], ["arn", _, "lambda", _, _, "function", _]);
        if function_arn.is_fixed() && !is_function {
            return Err(self.violation("functionArn", "Member must be the ARN of a function"));
        }
        Ok(CompiledAction::Lambda { function_arn })
    }

    fn republish(&self, action: &RepublishAction) -> Result<CompiledAction, ApiError> {
        self.required(action.role_arn.as_ref(), "roleArn")?;
        let topic = self.required(action.topic.as_ref(), "topic")?;
        self.check_own_topic(topic)?;
        let compiled = self.template(topic)?;
        if compiled.is_fixed() {
            let checked = republish_topic(topic);
            checked.map_err(|why| self.violation("topic", &format!("The topic {why}")))?;
        }
        let qos = match action.qos {
            None | Some(0) => 0,
            Some(1) => 1,
            Some(_) => {
                return Err(self.violation("qos", "Member must have value less than or equal to 1"));
            }
        };
        let headers = match &action.headers {
            Some(headers) => self.headers(headers)?,
            None => CompiledHeaders::default(),
        };
        Ok(CompiledAction::Republish { topic: compiled, qos, headers: Box::new(headers) })
    }

    //= https://github.com/ministackorg/ministack/blob/main/ministack/services/iot.py
    //# a republish topic, its templates as they are written, must not match the rule's own filter
    fn check_own_topic(&self, topic: &str) -> Result<(), ApiError> {
        let Some(from) = &self.statement.from else { return Ok(()) };
        let topic = topic.strip_prefix("$$").map_or(topic.to_owned(), |rest| format!("${rest}"));
        if topic_matches(from.as_str(), &topic) {
            return Err(ApiError::invalid_request(format!(
                "Republish topic cannot be within topic space of rule's topic pattern '{from}'"
            )));
        }
        Ok(())
    }

    fn headers(&self, headers: &MqttHeaders) -> Result<CompiledHeaders, ApiError> {
        let properties = headers.user_properties.as_deref().unwrap_or_default();
        if properties.len() > USER_PROPERTIES {
            let constraint = "Member must have length less than or equal to 100";
            return Err(self.violation("headers.userProperties", constraint));
        }
        let mut user_properties = Vec::with_capacity(properties.len());
        for property in properties {
            user_properties.push((self.template(&property.key)?, self.template(&property.value)?));
        }
        let compiled = CompiledHeaders {
            payload_format_indicator: self.optional(headers.payload_format_indicator.as_ref())?,
            content_type: self.optional(headers.content_type.as_ref())?,
            response_topic: self.optional(headers.response_topic.as_ref())?,
            correlation_data: self.optional(headers.correlation_data.as_ref())?,
            message_expiry: self.optional(headers.message_expiry.as_ref())?,
            user_properties,
        };
        let fixed = |template: &Option<Template>, value: &Option<String>| {
            value.clone().filter(|_| template.as_ref().is_some_and(Template::is_fixed))
        };
        if let Some(text) =
            fixed(&compiled.payload_format_indicator, &headers.payload_format_indicator)
            && payload_is_utf8(&text).is_none()
        {
            let constraint = "Member must satisfy enum value set: [UNSPECIFIED_BYTES, UTF8_DATA]";
            return Err(self.violation("headers.payloadFormatIndicator", constraint));
        }
        if let Some(text) = fixed(&compiled.correlation_data, &headers.correlation_data)
            && STANDARD.decode(&text).is_err()
        {
            return Err(self.violation("headers.correlationData", "Member must be base64"));
        }
        if let Some(text) = fixed(&compiled.message_expiry, &headers.message_expiry)
            && text.parse::<u32>().is_err()
        {
            return Err(self.violation("headers.messageExpiry", "Member must be a number"));
        }
        Ok(compiled)
    }
}

//= https://docs.aws.amazon.com/iot/latest/apireference/API_MqttHeaders.html
//# UNSPECIFIED_BYTES and UTF8_DATA
/// What a `payloadFormatIndicator` says.
pub(super) fn payload_is_utf8(indicator: &str) -> Option<bool> {
    match indicator {
        "UTF8_DATA" => Some(true),
        "UNSPECIFIED_BYTES" => Some(false),
        _ => None,
    }
}

//= https://docs.aws.amazon.com/iot/latest/developerguide/republish-rule-action.html
//# a reserved topic is written with `$$`; republishing to the topics of jobs is not supported
/// The topic that a filled-in `topic` parameter means, or why it means none.
pub(super) fn republish_topic(topic: &str) -> Result<String, &'static str> {
    let reserved = topic.strip_prefix("$$").map(|rest| format!("${rest}"));
    if reserved.is_none() && topic.starts_with('$') {
        return Err("is reserved: it must start with $$ in place of $");
    }
    let topic = reserved.unwrap_or_else(|| topic.to_owned());
    if topic.is_empty() {
        return Err("is empty");
    }
    if topic.contains(['#', '+', '\0']) {
        return Err("has a wildcard or a null character");
    }
    let mut levels = topic.split('/');
    let is_job_topic = levels.next() == Some("$aws")
        && levels.next() == Some("things")
        && levels.nth(1) == Some("jobs");
    if is_job_topic {
        return Err("is a reserved topic of jobs, to which republishing is not supported");
    }
    Ok(topic)
}
