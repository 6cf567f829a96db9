//! The rules of one account and Region, and the AWS operations on them.
//!
//! A rule is understood in full when it is created: its SQL, and every template of its actions.
//! Truth: <https://docs.aws.amazon.com/iot/latest/apireference/API_CreateTopicRule.html> and its
//! neighbours.

use std::collections::BTreeMap;
use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use crate::errors::{ApiError, ErrorCode};
use crate::names::{Arn, Scope, topic_matches};
use crate::time::Timestamp;

use super::RuleMessage;
use super::actions::Action;
use super::execution::Execution;
use super::payload::Payload;
use super::requests::{
    CreateTopicRuleRequest, DeleteTopicRuleRequest, DisableTopicRuleRequest,
    EnableTopicRuleRequest, GetTopicRuleRequest, GetTopicRuleResponse, ListTopicRulesRequest,
    ListTopicRulesResponse, ReplaceTopicRuleRequest, TopicRule, TopicRuleListItem,
    TopicRulePayload,
};
use super::run::{CompiledRule, basic_ingest};
use super::syntax::{Statement, Version};

//= https://docs.aws.amazon.com/general/latest/gr/iot-core.html
//# a rule has at most 256 kilobytes
const RULE_BYTES: usize = 256 * 1024;
//= https://docs.aws.amazon.com/iot/latest/apireference/API_ListTopicRules.html
//# at most 10000 results
const RESULTS: usize = 10_000;
//= https://docs.aws.amazon.com/iot/latest/developerguide/iot-create-rule.html
//# 2015-10-08 is used where no version is given
const DEFAULT_VERSION: Version = Version::V2015;

/// Every rule of one account in one Region.
#[derive(Debug)]
pub(crate) struct RulesEngine {
    scope: Scope,
    rules: BTreeMap<String, Rule>,
}

#[derive(Debug)]
struct Rule {
    created_at: Timestamp,
    description: Option<String>,
    sql: String,
    disabled: bool,
    version: Version,
    actions: Vec<Action>,
    error_action: Option<Action>,
    compiled: Arc<CompiledRule>,
}

impl RulesEngine {
    /// No rules yet, in `scope`.
    pub(crate) fn new(scope: Scope) -> Self {
        Self { scope, rules: BTreeMap::new() }
    }

    /// Whether there is no rule at all.
    pub(crate) fn is_empty(&self) -> bool {
        self.rules.is_empty()
    }

    /// Whether there is a rule of this name.
    pub(crate) fn has_rule(&self, name: &str) -> bool {
        self.rules.contains_key(name)
    }

    fn arn(&self, rule: &str) -> Arn {
        self.scope.iot_arn("rule", rule)
    }

    /// Creates a rule that does not exist yet.
    pub(crate) fn create_topic_rule(
        &mut self,
        input: CreateTopicRuleRequest,
        now: Timestamp,
    ) -> Result<(), ApiError> {
        let rule = self.compile(&input.rule_name, input.topic_rule_payload, now)?;
        if self.rules.contains_key(&input.rule_name) {
            let text = format!("Rule {} already exists", input.rule_name);
            return Err(ApiError::new(ErrorCode::ResourceAlreadyExistsException, text)
                .with_resource(&input.rule_name, self.arn(&input.rule_name)));
        }
        self.rules.insert(input.rule_name, rule);
        Ok(())
    }

    //? assumed: a replaced rule keeps the time at which it was created
    /// Replaces all of a rule that exists.
    pub(crate) fn replace_topic_rule(
        &mut self,
        input: ReplaceTopicRuleRequest,
        now: Timestamp,
    ) -> Result<(), ApiError> {
        let mut rule = self.compile(&input.rule_name, input.topic_rule_payload, now)?;
        let existing = self.existing(&input.rule_name)?;
        rule.created_at = existing.created_at;
        *existing = rule;
        Ok(())
    }

    /// Shows a rule.
    pub(crate) fn get_topic_rule(
        &mut self,
        input: GetTopicRuleRequest,
        _now: Timestamp,
    ) -> Result<GetTopicRuleResponse, ApiError> {
        let rule_arn = self.arn(&input.rule_name);
        let rule = self.existing(&input.rule_name)?;
        let rule = TopicRule {
            rule_name: input.rule_name,
            sql: rule.sql.clone(),
            description: rule.description.clone(),
            created_at: rule.created_at,
            actions: rule.actions.clone(),
            rule_disabled: rule.disabled,
            aws_iot_sql_version: rule.version.name(),
            error_action: rule.error_action.clone(),
        };
        Ok(GetTopicRuleResponse { rule_arn, rule })
    }

    /// Deletes a rule.
    pub(crate) fn delete_topic_rule(
        &mut self,
        input: DeleteTopicRuleRequest,
        _now: Timestamp,
    ) -> Result<(), ApiError> {
        self.existing(&input.rule_name)?;
        self.rules.remove(&input.rule_name);
        Ok(())
    }

    /// Lets a rule run again.
    pub(crate) fn enable_topic_rule(
        &mut self,
        input: EnableTopicRuleRequest,
        _now: Timestamp,
    ) -> Result<(), ApiError> {
        self.existing(&input.rule_name)?.disabled = false;
        Ok(())
    }

    /// Keeps a rule from running.
    pub(crate) fn disable_topic_rule(
        &mut self,
        input: DisableTopicRuleRequest,
        _now: Timestamp,
    ) -> Result<(), ApiError> {
        self.existing(&input.rule_name)?.disabled = true;
        Ok(())
    }

    //? assumed: `topic` finds the rules that a message to this topic, or this very filter, triggers
    /// Lists rules by name.
    pub(crate) fn list_topic_rules(
        &mut self,
        input: ListTopicRulesRequest,
        _now: Timestamp,
    ) -> Result<ListTopicRulesResponse, ApiError> {
        let results = input.max_results.unwrap_or(RESULTS);
        let after = input.next_token.as_deref().map(read_token).transpose()?;
        let wanted = |rule: &Rule| {
            let from = rule.compiled.statement.from.as_ref();
            let of_topic = input.topic.as_deref().is_none_or(|topic| {
                from.is_some_and(|from| {
                    from.as_str() == topic || topic_matches(from.as_str(), topic)
                })
            });
            of_topic && input.rule_disabled.is_none_or(|disabled| disabled == rule.disabled)
        };
        let mut rules = self
            .rules
            .iter()
            .filter(|(name, _)| after.as_ref().is_none_or(|after| *name > after))
            .filter(|(_, rule)| wanted(rule));
        let page: Vec<_> = rules.by_ref().take(results).collect();
        let last = page.last().map(|(name, _)| name.as_bytes());
        let next_token = last.filter(|_| rules.next().is_some()).map(|last| STANDARD.encode(last));
        let rules = page.into_iter().map(|(name, rule)| self.list_item(name, rule)).collect();
        Ok(ListTopicRulesResponse { rules, next_token })
    }

    fn list_item(&self, name: &str, rule: &Rule) -> TopicRuleListItem {
        TopicRuleListItem {
            rule_arn: self.arn(name),
            rule_name: name.to_owned(),
            topic_pattern: rule.compiled.statement.from.as_ref().map(ToString::to_string),
            created_at: rule.created_at,
            rule_disabled: rule.disabled,
        }
    }

    //= https://github.com/ministackorg/ministack/blob/main/ministack/services/iot.py
    //# a rule that does not exist answers UnauthorizedException
    //? assumed: so it does in every operation on a rule, since none of them knows ResourceNotFound
    fn existing(&mut self, name: &str) -> Result<&mut Rule, ApiError> {
        self.rules.get_mut(name).ok_or_else(|| {
            let text = format!("Access to topic rule '{name}' was denied");
            ApiError::new(ErrorCode::UnauthorizedException, text)
        })
    }

    fn compile(
        &self,
        name: &str,
        payload: TopicRulePayload,
        now: Timestamp,
    ) -> Result<Rule, ApiError> {
        let TopicRulePayload { sql, actions, .. } = payload;
        if sql.len() > RULE_BYTES {
            return Err(ApiError::invalid_request("The rule is larger than 256 KB"));
        }
        let version = match payload.aws_iot_sql_version.as_deref() {
            None => DEFAULT_VERSION,
            //? assumed: AWS's text for a version that it does not know
            Some(name) => Version::named(name).ok_or_else(|| {
                ApiError::invalid_request(format!("SQL version '{name}' is not supported"))
            })?,
        };
        let statement = Statement::parse(&sql, version)
            .map_err(|error| ApiError::new(ErrorCode::SqlParseException, error.to_string()))?;
        let mut shown = Vec::with_capacity(actions.len());
        let mut compiled = Vec::with_capacity(actions.len());
        for (index, action) in actions.iter().enumerate() {
            let place = format!("topicRulePayload.actions.{}.member", index + 1);
            let (action, ready) = Action::compile(action, &place, &statement)?;
            shown.push(action);
            compiled.push(ready);
        }
        let place = "topicRulePayload.errorAction";
        let error_action = payload.error_action.filter(|action| !action.is_null());
        let error_action = match &error_action {
            Some(action) => Some(Action::compile(action, place, &statement)?),
            None => None,
        };
        let (error_action, compiled_error_action) = error_action.unzip();
        let compiled = Arc::new(CompiledRule {
            name: name.to_owned(),
            account: self.scope.account.clone(),
            statement,
            actions: compiled,
            error_action: compiled_error_action,
        });
        Ok(Rule {
            created_at: now,
            description: payload.description,
            sql,
            disabled: payload.rule_disabled.unwrap_or(false),
            version,
            actions: shown,
            error_action,
            compiled,
        })
    }

    //= https://docs.aws.amazon.com/iot/latest/developerguide/iot-basic-ingest.html
    //# Basic Ingest names its rule; any other message triggers every rule whose filter it matches
    //? assumed: Basic Ingest does not look at the rule's own filter
    /// Runs every rule that `message` triggers; the caller carries out what they want.
    pub(crate) fn evaluate(&self, message: &RuleMessage) -> Vec<Execution> {
        let payload = Payload::new(&message.payload);
        let enabled = |rule: &&Rule| !rule.disabled;
        if let Some((name, topic)) = basic_ingest(&message.topic) {
            return vec![match self.rules.get(name).filter(enabled) {
                Some(rule) => rule.compiled.run(message, topic, &payload),
                None => Execution::not_found(name),
            }];
        }
        let topic = message.topic.as_str();
        let triggered = self.rules.values().filter(enabled).filter(|rule| {
            let from = rule.compiled.statement.from.as_ref();
            from.is_some_and(|from| topic_matches(from.as_str(), topic))
        });
        triggered.map(|rule| rule.compiled.run(message, topic, &payload)).collect()
    }
}

fn read_token(token: &str) -> Result<String, ApiError> {
    let bytes = STANDARD.decode(token).ok();
    bytes
        .and_then(|bytes| String::from_utf8(bytes).ok())
        .ok_or_else(|| ApiError::invalid_request("Invalid nextToken"))
}
