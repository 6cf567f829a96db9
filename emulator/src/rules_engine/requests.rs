//! What the AWS operations on rules take and answer.
//!
//! Truth: <https://docs.aws.amazon.com/iot/latest/apireference/API_CreateTopicRule.html> and its
//! neighbours.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::names::Arn;
use crate::time::Timestamp;

use super::actions::Action;

/// The request of CreateTopicRule.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct CreateTopicRuleRequest {
    pub(crate) rule_name: String,
    pub(super) topic_rule_payload: TopicRulePayload,
    /// `key=value&key=value`, as the header has them.
    pub(crate) tags: Option<String>,
}

/// The request of ReplaceTopicRule.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct ReplaceTopicRuleRequest {
    pub(super) rule_name: String,
    pub(super) topic_rule_payload: TopicRulePayload,
}

/// What a rule is made of.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct TopicRulePayload {
    pub(super) sql: String,
    pub(super) description: Option<String>,
    pub(super) actions: Vec<Value>,
    pub(super) rule_disabled: Option<bool>,
    pub(super) aws_iot_sql_version: Option<String>,
    pub(super) error_action: Option<Value>,
}

/// Defines the requests that only name a rule.
macro_rules! named_rule_requests {
    ($($(#[$doc:meta])* $name:ident)*) => {
        $($(#[$doc])*
        #[derive(Debug, Deserialize)]
        #[serde(rename_all = "camelCase")]
        pub(crate) struct $name {
            pub(crate) rule_name: String,
        })*
    };
}

named_rule_requests! {
    /// The request of GetTopicRule.
    GetTopicRuleRequest
    /// The request of DeleteTopicRule.
    DeleteTopicRuleRequest
    /// The request of EnableTopicRule.
    EnableTopicRuleRequest
    /// The request of DisableTopicRule.
    DisableTopicRuleRequest
}

/// The response of GetTopicRule.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct GetTopicRuleResponse {
    pub(super) rule_arn: Arn,
    pub(super) rule: TopicRule,
}

/// A rule as GetTopicRule shows it.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct TopicRule {
    pub(super) rule_name: String,
    pub(super) sql: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) description: Option<String>,
    pub(super) created_at: Timestamp,
    pub(super) actions: Vec<Action>,
    pub(super) rule_disabled: bool,
    pub(super) aws_iot_sql_version: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) error_action: Option<Action>,
}

/// The request of ListTopicRules.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct ListTopicRulesRequest {
    pub(super) topic: Option<String>,
    pub(super) max_results: Option<usize>,
    pub(super) next_token: Option<String>,
    pub(super) rule_disabled: Option<bool>,
}

/// The response of ListTopicRules.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct ListTopicRulesResponse {
    pub(super) rules: Vec<TopicRuleListItem>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) next_token: Option<String>,
}

/// A rule as ListTopicRules shows it.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct TopicRuleListItem {
    pub(super) rule_arn: Arn,
    pub(super) rule_name: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) topic_pattern: Option<String>,
    pub(super) created_at: Timestamp,
    pub(super) rule_disabled: bool,
}
