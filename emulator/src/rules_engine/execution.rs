//! What came of a message at one rule, and how the trace tells it.
//!
//! Truth: <https://docs.aws.amazon.com/iot/latest/developerguide/cwl-format.html#rule-engine-logs>.

use std::sync::Arc;

use serde_json::json;

use crate::names::Scope;
use crate::trace::Entry;

use super::run::CompiledRule;
use super::{Invocation, RuleMessage};

/// What came of a message at one rule.
#[derive(Debug)]
pub(crate) struct Execution {
    /// The rule's name.
    pub(crate) rule: String,
    pub(crate) outcome: Outcome,
    /// What the rule's actions want done, in the rule's order.
    pub(crate) actions: Vec<ActionExecution>,
    /// What AWS does not say, a line each.
    pub(crate) why: Vec<String>,
    /// It looked for JSON in a payload that is none.
    pub(crate) unparsed: bool,
    compiled: Option<Arc<CompiledRule>>,
    topic: String,
}

/// How far a rule came.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// Its actions ran, well or not.
    Ran,
    /// `WHERE` was not true.
    NotSelected,
    /// Its SQL could not be evaluated for this message.
    Failed(String),
    /// Basic Ingest named a rule that is not there, or is disabled.
    NotFound,
}

/// One action, run.
#[derive(Debug)]
pub(crate) struct ActionExecution {
    /// `LambdaAction` or `RepublishAction`: AWS's `ruleAction`.
    pub(crate) action: &'static str,
    /// What AWS calls the resource, such as `RepublishTopic`.
    pub(crate) resource_name: &'static str,
    /// The function's ARN, or the topic.
    pub(crate) resource: String,
    pub(crate) result: Result<Invocation, ActionFailure>,
}

/// Why an action failed, as the error action is told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ActionFailure {
    pub(crate) action: &'static str,
    pub(crate) resource: String,
    pub(crate) message: String,
}

impl ActionFailure {
    //= https://docs.aws.amazon.com/iot/latest/developerguide/rule-error-handling.html
    //# the text says what failed, on which topic the message arrived, and what the action was about
    //? assumed: the texts of these two actions, by the pattern of the guide's S3 action
    pub(super) fn new(
        action: &'static str,
        resource_name: &str,
        resource: &str,
        message: &RuleMessage,
        why: &str,
    ) -> Self {
        let (what, short) = match action {
            "LambdaAction" => ("Failed to invoke lambda function", "lambda"),
            _ => ("Failed to republish to topic", "republish"),
        };
        let text = format!(
            "{what}. The error received was {why}. Message arrived on: {}, Action: {short}, \
             {resource_name}: {resource}",
            message.topic
        );
        Self { action, resource: resource.to_owned(), message: text }
    }
}

impl ActionExecution {
    /// The failure of an invocation that the world refused, such as one of a missing function.
    pub(crate) fn refused(&self, message: &RuleMessage, why: &str) -> ActionFailure {
        ActionFailure::new(self.action, self.resource_name, &self.resource, message, why)
    }

    /// The `RuleExecution` entry of this action of `rule`.
    pub(crate) fn entry(&self, scope: &Scope, rule: &str, message: &RuleMessage) -> Entry {
        match &self.result {
            Ok(_) => self.describe(Entry::success(scope, "RuleExecution"), rule, message),
            Err(failure) => self.failure_entry(scope, rule, message, failure),
        }
    }

    /// The `RuleExecution` entry of a `failure` of this action of `rule`.
    pub(crate) fn failure_entry(
        &self,
        scope: &Scope,
        rule: &str,
        message: &RuleMessage,
        failure: &ActionFailure,
    ) -> Entry {
        //? assumed: AWS's word for the reason of a failed action is not documented
        let entry = Entry::failure(scope, "RuleExecution", "ActionFailed");
        self.describe(entry, rule, message).details(failure.message.as_str())
    }

    fn describe(&self, entry: Entry, rule: &str, message: &RuleMessage) -> Entry {
        let resources = json!({ self.resource_name: self.resource });
        describe(entry, rule, message)
            .member("ruleAction", self.action)
            .json("resources", resources)
    }
}

//= https://docs.aws.amazon.com/iot/latest/developerguide/cwl-format.html#rule-engine-logs
//# the members of every entry of the rules engine
fn describe(entry: Entry, rule: &str, message: &RuleMessage) -> Entry {
    let client_id = message.client_id.as_ref().map_or("N/A", |client_id| client_id.as_str());
    let entry = entry
        .member("traceId", &message.trace_id)
        .member("clientId", client_id)
        .member("topicName", &message.topic)
        .member("ruleName", rule);
    match &message.principal {
        Some(principal) => entry.member("principalId", principal),
        None => entry,
    }
}

impl Execution {
    pub(super) fn new(compiled: Arc<CompiledRule>, topic: &str, why: Vec<String>) -> Self {
        Self {
            rule: compiled.name.clone(),
            outcome: Outcome::Ran,
            actions: Vec::new(),
            why,
            unparsed: false,
            compiled: Some(compiled),
            topic: topic.to_owned(),
        }
    }

    pub(super) fn not_found(rule: &str) -> Self {
        Self {
            rule: rule.to_owned(),
            outcome: Outcome::NotFound,
            actions: Vec::new(),
            why: Vec::new(),
            unparsed: false,
            compiled: None,
            topic: String::new(),
        }
    }

    /// Whether its actions were to run: `WHERE` was true, or nobody can say.
    pub(crate) const fn executed(&self) -> bool {
        matches!(self.outcome, Outcome::Ran | Outcome::Failed(_))
    }

    /// The failures that are known before anything was invoked.
    pub(crate) fn failures(&self) -> Vec<ActionFailure> {
        self.actions.iter().filter_map(|action| action.result.as_ref().err()).cloned().collect()
    }

    //= https://docs.aws.amazon.com/iot/latest/developerguide/rule-error-handling.html
    //# the error action runs once for a message, whatever number of actions failed
    /// The rule's error action for `failures`: those of [`Execution::failures`] and those that
    /// invoking brought up. `None` without a failure or an error action.
    pub(crate) fn error_action(
        &self,
        message: &RuleMessage,
        failures: &[ActionFailure],
    ) -> Option<ActionExecution> {
        let compiled = self.compiled.as_ref().filter(|_| !failures.is_empty())?;
        compiled.run_error_action(message, &self.topic, failures)
    }

    /// The trace entries of everything up to, and without, the invocations themselves.
    pub(crate) fn entries(&self, scope: &Scope, message: &RuleMessage) -> Vec<Entry> {
        let matched = || describe(Entry::success(scope, "RuleMatch"), &self.rule, message);
        match &self.outcome {
            Outcome::NotFound => {
                let entry = Entry::failure(scope, "RuleNotFound", "RuleNotFound");
                let details = format!("Rule {} not found", self.rule);
                let why = ["no rule has this name, or it is disabled"];
                vec![describe(entry, &self.rule, message).details(details).why(why)]
            }
            Outcome::NotSelected => {
                let why = ["WHERE is not true: no action runs"];
                vec![matched().why(why).why(self.why.iter().map(String::as_str))]
            }
            Outcome::Failed(why) => {
                let entry = Entry::failure(scope, "RuleExecution", "SqlFailed");
                let entry = describe(entry, &self.rule, message).details(why.as_str());
                vec![matched(), entry.why(self.why.iter().map(String::as_str))]
            }
            Outcome::Ran => {
                let matched = matched().why(self.why.iter().map(String::as_str));
                let ran = self.actions.iter().map(|run| run.entry(scope, &self.rule, message));
                std::iter::once(matched).chain(ran).collect()
            }
        }
    }
}
