//! What AWS is to log, and in how much detail: SetV2LoggingOptions, SetV2LoggingLevel and their
//! kin, and the older SetLoggingOptions.
//!
//! It decides which of the entries that cost (each message, each ping) are wanted. It silences
//! nothing: every refusal and all else that the trace tells by default is told whatever is set
//! here, which is a rule of our own.
//! Truth: <https://docs.aws.amazon.com/iot/latest/developerguide/configure-logging.html>.

use std::collections::BTreeMap;
use std::net::IpAddr;

use serde::{Deserialize, Serialize};

use super::paging::PageRequest;
use super::shelf::Shelf;
use super::{LogLevel, LogTargetType, Registry};
use crate::errors::{ApiError, ErrorCode};
use crate::names::ThingName;

/// SetV2LoggingOptions' input.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct SetV2LoggingOptionsRequest {
    role_arn: Option<String>,
    default_log_level: Option<LogLevel>,
    disable_all_logs: Option<bool>,
    event_configurations: Option<Vec<LogEventConfiguration>>,
}

/// How events of one type are logged.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct LogEventConfiguration {
    event_type: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    log_level: Option<LogLevel>,
    #[serde(skip_serializing_if = "Option::is_none")]
    log_destination: Option<String>,
}

/// GetV2LoggingOptions' input.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct GetV2LoggingOptionsRequest {
    verbose: bool,
}

/// GetV2LoggingOptions' answer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct GetV2LoggingOptionsResponse {
    role_arn: String,
    default_log_level: LogLevel,
    disable_all_logs: bool,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    event_configurations: Vec<LogEventConfiguration>,
}

/// What a level is for.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct LogTarget {
    target_type: LogTargetType,
    #[serde(skip_serializing_if = "Option::is_none")]
    target_name: Option<String>,
}

/// SetV2LoggingLevel's input, and an item of ListV2LoggingLevels' answer.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct SetV2LoggingLevelRequest {
    log_target: LogTarget,
    log_level: LogLevel,
}

/// ListV2LoggingLevels' input.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(crate) struct ListV2LoggingLevelsRequest {
    target_type: Option<LogTargetType>,
    next_token: Option<String>,
    max_results: Option<i64>,
}

/// ListV2LoggingLevels' answer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct ListV2LoggingLevelsResponse {
    log_target_configurations: Vec<SetV2LoggingLevelRequest>,
    #[serde(skip_serializing_if = "Option::is_none")]
    next_token: Option<String>,
}

/// DeleteV2LoggingLevel's input.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct DeleteV2LoggingLevelRequest {
    target_type: LogTargetType,
    target_name: String,
}

/// SetLoggingOptions' input.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct SetLoggingOptionsRequest {
    logging_options_payload: LoggingOptions,
}

/// The older options: SetLoggingOptions' payload, and GetLoggingOptions' answer.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct LoggingOptions {
    #[serde(skip_serializing_if = "Option::is_none")]
    role_arn: Option<String>,
    log_level: Option<LogLevel>,
}

/// GetLoggingOptions takes nothing.
#[derive(Clone, Debug, Default, Deserialize)]
pub(crate) struct GetLoggingOptionsRequest {}

//= https://docs.aws.amazon.com/iot/latest/developerguide/cwl-format.html
//# the event types that the log has
//? assumed: no other can be configured
const EVENT_TYPES: [&str; 29] = [
    "AddThingToDynamicThingGroupsFailed",
    "Connect",
    "Connection.AuthNError",
    "DeleteConnection",
    "DeleteThingShadow",
    "DescribeJobExecution",
    "Disconnect",
    "FunctionExecution",
    "GetConnection",
    "GetPendingJobExecution",
    "GetRetainedMessage",
    "GetThingShadow",
    "ListRetainedMessage",
    "ListSubscriptions",
    "Ping",
    "ProvisionDevice",
    "Publish-In",
    "Publish-Out",
    "Queued",
    "RetrieveOCSPStapleData",
    "RuleExecution",
    "RuleMatch",
    "RuleNotFound",
    "SendDirectMessage",
    "StartingExecution",
    "Subscribe",
    "Unsubscribe",
    "UpdateJobExecution",
    "UpdateThingShadow",
];

/// What is configured.
#[derive(Debug, Default)]
pub(super) struct Logging {
    options: Option<Options>,
    older: LoggingOptions,
    // INVARIANT: the level of `DEFAULT` is here once there are options; empty names are its own.
    levels: Shelf<(LogTargetType, String), LogLevel>,
    /// Whether entries that cost are wanted of anybody.
    more: bool,
}

#[derive(Clone, Debug)]
struct Options {
    role_arn: String,
    disable_all_logs: bool,
    events: BTreeMap<String, LogEventConfiguration>,
}

/// Whom an entry is about.
#[derive(Clone, Copy, Debug)]
pub(crate) struct LogSubject<'a> {
    pub(crate) client_id: Option<&'a str>,
    pub(crate) principal: Option<&'a str>,
    /// That of an exclusive attachment.
    pub(crate) thing: Option<&'a ThingName>,
    pub(crate) source_ip: IpAddr,
}

impl Logging {
    fn level(&self, kind: LogTargetType, name: &str) -> Option<LogLevel> {
        self.levels.get(&(kind, name.to_owned())).copied()
    }

    fn default_level(&self) -> LogLevel {
        let of_older = self.older.log_level.unwrap_or(LogLevel::Disabled);
        self.level(LogTargetType::Default, "").unwrap_or(of_older)
    }

    fn weigh(&mut self) {
        let disabled = self.options.as_ref().is_some_and(|options| options.disable_all_logs);
        let events = self.options.iter().flat_map(|options| options.events.values());
        let levels = self.levels.values().copied().chain(events.filter_map(|it| it.log_level));
        let most = levels.chain([self.default_level()]).max();
        self.more = !disabled && most >= Some(LogLevel::Info);
    }
}

impl Registry {
    /// Whether any entry that costs is wanted of anybody: a look at one flag.
    pub(crate) const fn logs_more(&self) -> bool {
        self.logging.more
    }

    //= https://docs.aws.amazon.com/iot/latest/developerguide/configure-logging.html
    //# a level for a client, a principal, an address or a thing group counts before that of the
    //# event type, and this before the default
    //= https://docs.aws.amazon.com/iot/latest/developerguide/cwl-format.html
    //# a Ping is logged only if its event type or its client has a level
    //? assumed: of several such levels the most detailed
    /// Whether an `event_type` about `subject` that is told at `level` is wanted.
    pub(crate) fn logs(&self, event_type: &str, level: LogLevel, subject: &LogSubject<'_>) -> bool {
        let logging = &self.logging;
        let named = [
            (LogTargetType::ClientId, subject.client_id.map(str::to_owned)),
            (LogTargetType::PrincipalId, subject.principal.map(str::to_owned)),
            (LogTargetType::SourceIp, Some(subject.source_ip.to_string())),
        ];
        let named = named.into_iter().filter_map(|(kind, name)| logging.level(kind, &name?));
        //= https://docs.aws.amazon.com/iot/latest/developerguide/configure-logging.html
        //# a client is associated with the thing of its name, or of an exclusive attachment; the
        //# level of a group holds for the groups below it, unless they have one of their own
        let thing = subject.thing.map(ThingName::as_str).or(subject.client_id);
        let groups = thing.into_iter().flat_map(|thing| self.groups_of_thing(thing));
        let of_groups = groups.filter_map(|group| {
            let group_level = |name: &str| logging.level(LogTargetType::ThingGroup, name);
            self.lineage(group.as_str()).find_map(|group| group_level(group.name.as_str()))
        });
        let of_event = || {
            let configured = logging.options.as_ref()?.events.get(event_type)?;
            configured.log_level
        };
        let effective = named.chain(of_groups).max().or_else(of_event);
        let default = (event_type != "Ping").then(|| logging.default_level());
        effective.or(default).is_some_and(|effective| effective >= level)
    }

    //= https://docs.aws.amazon.com/iot/latest/developerguide/configure-logging.html
    //# the role and the default level are required at first, and may be left out later
    //? assumed: texts; event types that are left out stay as they are
    /// The `SetV2LoggingOptions` operation.
    pub(crate) fn set_v2_logging_options(
        &mut self,
        input: SetV2LoggingOptionsRequest,
    ) -> Result<(), ApiError> {
        let present = self.logging.options.clone();
        let missing = |what: &str| {
            let message = format!("{what} is required to configure logging for the first time");
            ApiError::invalid_request(message)
        };
        let role_arn = input.role_arn.or(present.as_ref().map(|present| present.role_arn.clone()));
        let role_arn = role_arn.ok_or_else(|| missing("roleArn"))?;
        let level = self.logging.level(LogTargetType::Default, "");
        let level = input.default_log_level.or(level).ok_or_else(|| missing("defaultLogLevel"))?;
        let mut options = present.unwrap_or_else(|| Options {
            role_arn: role_arn.clone(),
            disable_all_logs: false,
            events: BTreeMap::new(),
        });
        options.role_arn = role_arn;
        if let Some(disable) = input.disable_all_logs {
            options.disable_all_logs = disable;
        }
        for event in input.event_configurations.unwrap_or_default() {
            if !EVENT_TYPES.contains(&event.event_type.as_str()) {
                let message = format!("Invalid event type {}", event.event_type);
                return Err(ApiError::invalid_request(message));
            }
            options.events.insert(event.event_type.clone(), event);
        }
        self.logging.options = Some(options);
        self.set_level((LogTargetType::Default, String::new()), level);
        Ok(())
    }

    //= https://docs.aws.amazon.com/iot/latest/developerguide/configure-logging.html
    //# NotConfiguredException until SetV2LoggingOptions was called; `verbose` tells each event type
    //? assumed: the text, and that an event type that was not configured is told with the default
    /// The `GetV2LoggingOptions` operation.
    pub(crate) fn get_v2_logging_options(
        &self,
        input: GetV2LoggingOptionsRequest,
    ) -> Result<GetV2LoggingOptionsResponse, ApiError> {
        let options = self.logging.options.as_ref().ok_or_else(not_configured)?;
        let default_log_level = self.logging.default_level();
        let mut events = options.events.clone();
        if input.verbose {
            for event_type in EVENT_TYPES.map(str::to_owned) {
                events.entry(event_type.clone()).or_insert(LogEventConfiguration {
                    event_type,
                    log_level: Some(default_log_level),
                    log_destination: None,
                });
            }
        }
        Ok(GetV2LoggingOptionsResponse {
            role_arn: options.role_arn.clone(),
            default_log_level,
            disable_all_logs: options.disable_all_logs,
            event_configurations: events.into_values().collect(),
        })
    }

    //? assumed: texts; that a thing group need not be there
    /// The `SetV2LoggingLevel` operation.
    pub(crate) fn set_v2_logging_level(
        &mut self,
        input: SetV2LoggingLevelRequest,
    ) -> Result<(), ApiError> {
        self.logging.options.as_ref().ok_or_else(not_configured)?;
        let LogTarget { target_type, target_name } = input.log_target;
        let name = match (target_type, target_name) {
            (LogTargetType::Default, None) => String::new(),
            (LogTargetType::Default, Some(_)) => {
                let message = "targetName must not be specified for the target type DEFAULT";
                return Err(ApiError::invalid_request(message));
            }
            (_, Some(name)) if !name.is_empty() => name,
            (kind, _) => {
                let message = format!("targetName is required for the target type {kind}");
                return Err(ApiError::invalid_request(message));
            }
        };
        self.set_level((target_type, name), input.log_level);
        Ok(())
    }

    fn set_level(&mut self, target: (LogTargetType, String), level: LogLevel) {
        match self.logging.levels.get_mut(&target) {
            Some(present) => *present = level,
            None => {
                let position = self.next_position();
                self.logging.levels.insert(position, target, level);
            }
        }
        self.logging.weigh();
    }

    //= https://docs.aws.amazon.com/cli/latest/reference/iot/list-v2-logging-levels.html
    //# the default is one of the levels that are listed
    /// The `ListV2LoggingLevels` operation.
    pub(crate) fn list_v2_logging_levels(
        &self,
        input: ListV2LoggingLevelsRequest,
    ) -> Result<ListV2LoggingLevelsResponse, ApiError> {
        self.logging.options.as_ref().ok_or_else(not_configured)?;
        let ListV2LoggingLevelsRequest { target_type, next_token, max_results } = input;
        let request =
            PageRequest::tokened("listV2LoggingLevels", max_results, next_token.as_deref())?;
        let (log_target_configurations, next_token) =
            request.page(&self.logging.levels, |(kind, name), level| {
                let target_name = (!name.is_empty()).then(|| name.clone());
                target_type.is_none_or(|wanted| wanted == *kind).then_some(
                    SetV2LoggingLevelRequest {
                        log_target: LogTarget { target_type: *kind, target_name },
                        log_level: *level,
                    },
                )
            });
        Ok(ListV2LoggingLevelsResponse { log_target_configurations, next_token })
    }

    //? assumed: a level that is not there is deleted all the same; the default stays
    /// The `DeleteV2LoggingLevel` operation.
    pub(crate) fn delete_v2_logging_level(
        &mut self,
        input: DeleteV2LoggingLevelRequest,
    ) -> Result<(), ApiError> {
        if input.target_type == LogTargetType::Default {
            let message = "The logging level of the target type DEFAULT cannot be deleted";
            return Err(ApiError::invalid_request(message));
        }
        self.logging.levels.remove(&(input.target_type, input.target_name));
        self.logging.weigh();
        Ok(())
    }

    /// The `SetLoggingOptions` operation.
    pub(crate) fn set_logging_options(
        &mut self,
        input: SetLoggingOptionsRequest,
    ) -> Result<(), ApiError> {
        self.logging.older = input.logging_options_payload;
        self.logging.weigh();
        Ok(())
    }

    //? assumed: DISABLED until they are set
    /// The `GetLoggingOptions` operation.
    pub(crate) fn get_logging_options(
        &self,
        _input: GetLoggingOptionsRequest,
    ) -> Result<LoggingOptions, ApiError> {
        let mut options = self.logging.older.clone();
        options.log_level.get_or_insert(LogLevel::Disabled);
        Ok(options)
    }
}

//? assumed: the text
fn not_configured() -> ApiError {
    ApiError::new(ErrorCode::NotConfiguredException, "Logging is not configured")
}
