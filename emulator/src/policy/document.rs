//! A policy document: read once, kept in the form that decisions need.
//!
//! It decides which texts CreatePolicy takes, and what a refused text is told. Names, versions and
//! attachments of policies are the registry's.
//! Truth: <https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_grammar.html> and
//! <https://docs.aws.amazon.com/iot/latest/apireference/API_CreatePolicy.html>.

use super::action::KNOWN;
use super::condition::{Condition, colon_outside_variables};
use super::context::Context;
use super::json::Json;
use super::pattern::{Meaning, Pattern};
use super::variable::Variable;
use crate::quotas::POLICY_DOCUMENT_CHARACTERS;

/// A policy document, compiled.
#[derive(Debug)]
pub(crate) struct Document {
    statements: Box<[Statement]>,
    /// For each action of [`KNOWN`], the places of the statements that speak of it.
    by_action: [Box<[u16]>; KNOWN.len()],
    asks_for_the_time: bool,
}

/// A statement, compiled.
#[derive(Debug)]
pub(super) struct Statement {
    pub(super) sid: Option<Box<str>>,
    /// Counts from 1.
    pub(super) number: usize,
    pub(super) effect: Effect,
    pub(super) actions: Selection,
    pub(super) resources: Selection,
    pub(super) conditions: Box<[Condition]>,
}

/// What a statement does where it applies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Effect {
    Allow,
    Deny,
}

/// `Action` or `Resource`: what any of the patterns matches. `NotAction` or `NotResource`: all but
/// that.
#[derive(Debug)]
pub(super) struct Selection {
    pub(super) all_but: bool,
    pub(super) patterns: Box<[Pattern]>,
}

/// Why a text is no policy document, in AWS's words.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum MalformedDocument {
    /// It is no JSON.
    #[error("Policy document is Malformed")]
    NotJson,
    /// It is JSON, but no policy.
    #[error("Policy document is Malformed: Invalid policy syntax.")]
    Syntax,
    /// These are neither ARNs nor `*`.
    #[error("Policy document is Malformed: The following resources are invalid : {0}")]
    Resources(String),
    /// It is longer than AWS stores.
    //? assumed: AWS's wording for a document that is too long is not known
    #[error("Policy document is Malformed: Cannot exceed {POLICY_DOCUMENT_CHARACTERS} characters")]
    TooLong,
}

impl Document {
    //= https://github.com/dwyl/learn-aws-iot/issues/17
    //# what is no JSON is told just that it is malformed
    //= https://docs.aws.amazon.com/iot/latest/apireference/API_CreatePolicy.html
    //# white space does not count towards the 2048 characters
    /// Reads `text` as CreatePolicy would take it.
    pub(crate) fn parse(text: &str) -> Result<Self, MalformedDocument> {
        let counted = text.chars().filter(|character| !character.is_whitespace());
        if counted.take(POLICY_DOCUMENT_CHARACTERS + 1).count() > POLICY_DOCUMENT_CHARACTERS {
            return Err(MalformedDocument::TooLong);
        }
        let json = serde_json::from_str(text).map_err(|_| MalformedDocument::NotJson)?;
        let Json::Object(members) = json else { return Err(MalformedDocument::Syntax) };
        let mut document = Members::of(members)?;
        let _named = document.text("Id")?;
        let variables = has_variables(document.text("Version")?.as_deref())?;
        let statements = match document.take("Statement").ok_or(MalformedDocument::Syntax)? {
            Json::List(statements) if !statements.is_empty() => statements,
            statement @ Json::Object(_) => vec![statement],
            _ => return Err(MalformedDocument::Syntax),
        };
        document.finish()?;
        let statements = statements.into_iter().enumerate();
        let statements: Box<[_]> = statements
            .map(|(index, json)| Statement::compile(index + 1, json, variables))
            .collect::<Result<_, _>>()?;
        let by_action = KNOWN.map(|action| places(&statements, action));
        let asks_for_the_time =
            statements.iter().any(|statement| statement.variables().any(Variable::is_time));
        Ok(Self { statements, by_action, asks_for_the_time })
    }

    /// Whether a decision may change by time alone.
    pub(crate) fn asks_for_the_time(&self) -> bool {
        self.asks_for_the_time
    }

    /// The statements.
    pub(super) fn statements(&self) -> &[Statement] {
        &self.statements
    }

    /// The statements that speak of the action at `place` in [`KNOWN`].
    pub(super) fn speaking_of(&self, place: u8) -> impl Iterator<Item = &Statement> {
        let places = self.by_action.get(usize::from(place)).map_or(&[][..], |places| places);
        places.iter().filter_map(|index| self.statements.get(usize::from(*index)))
    }
}

fn places(statements: &[Statement], action: &str) -> Box<[u16]> {
    let action = action.to_ascii_lowercase();
    let speaking = statements
        .iter()
        .enumerate()
        .filter(|(_, statement)| statement.actions.covers(&action, &Context::new()));
    speaking.filter_map(|(index, _)| u16::try_from(index).ok()).collect()
}

//= https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_elements_version.html
//# only 2012-10-17 has policy variables; a document without a version is of 2008-10-17
fn has_variables(version: Option<&str>) -> Result<bool, MalformedDocument> {
    match version {
        Some("2012-10-17") => Ok(true),
        Some("2008-10-17") | None => Ok(false),
        Some(_) => Err(MalformedDocument::Syntax),
    }
}

impl Statement {
    fn compile(number: usize, json: Json, variables: bool) -> Result<Self, MalformedDocument> {
        let Json::Object(members) = json else { return Err(MalformedDocument::Syntax) };
        let mut members = Members::of(members)?;
        let sid = members.text("Sid")?.map(String::into_boxed_str);
        let effect = match members.text("Effect")?.as_deref() {
            Some("Allow") => Effect::Allow,
            Some("Deny") => Effect::Deny,
            _ => return Err(MalformedDocument::Syntax),
        };
        let (not_actions, actions) = members.either("Action", "NotAction")?;
        let (not_resources, resources) = members.either("Resource", "NotResource")?;
        let conditions = match members.take("Condition") {
            Some(json) => conditions(json, variables)?,
            None => Box::default(),
        };
        members.finish()?;
        check_resources(&resources)?;
        // Actions do not mind their case, and have no variables.
        let plain = Meaning { wildcards: true, variables: false };
        let actions =
            actions.iter().map(|text| Pattern::compile(&text.to_ascii_lowercase(), plain));
        let meaning = Meaning { wildcards: true, variables };
        let resources = resources.iter().map(|text| Pattern::compile(text, meaning));
        Ok(Self {
            sid,
            number,
            effect,
            actions: Selection { all_but: not_actions, patterns: actions.collect() },
            resources: Selection { all_but: not_resources, patterns: resources.collect() },
            conditions,
        })
    }

    /// Every variable that the resources and the conditions name.
    pub(super) fn variables(&self) -> impl Iterator<Item = &Variable> {
        let resources = self.resources.patterns.iter().flat_map(|pattern| pattern.variables());
        let conditions = self.conditions.iter().flat_map(|condition| {
            let wanted = condition.wanted().flat_map(|pattern| pattern.variables());
            std::iter::once(condition.key()).chain(wanted)
        });
        resources.chain(conditions)
    }

    /// The variables that keep it from being decided, as nothing stands for them.
    pub(super) fn missing<'a>(
        &'a self,
        context: &'a Context,
    ) -> impl Iterator<Item = &'a Variable> {
        let resources = self.resources.patterns.iter();
        let resources = resources.flat_map(|pattern| pattern.unresolved(context));
        let conditions = self.conditions.iter().flat_map(|condition| {
            let wanted = condition.wanted().flat_map(|pattern| pattern.unresolved(context));
            let key = Some(condition.key()).filter(|key| context.values(key).is_none());
            key.into_iter().chain(wanted)
        });
        resources.chain(conditions)
    }

    /// Whether every condition holds.
    pub(super) fn conditions_hold(&self, context: &Context) -> bool {
        self.conditions.iter().all(|condition| condition.holds(context))
    }
}

impl Selection {
    /// Whether `text` is selected; an action must come in lower case.
    pub(super) fn covers(&self, text: &str, context: &Context) -> bool {
        self.patterns.iter().any(|pattern| pattern.matches(text, context)) != self.all_but
    }
}

//= https://github.com/aws-samples/simplerobotservice/issues/1
//# a resource that is neither `*` nor an ARN is named in the refusal
//? assumed: an ARN needs its five colons, and several bad resources are named with commas
fn check_resources(resources: &[String]) -> Result<(), MalformedDocument> {
    let invalid = |text: &&String| *text != "*" && !is_arn(text);
    let invalid: Vec<&str> = resources.iter().filter(invalid).map(String::as_str).collect();
    if invalid.is_empty() {
        return Ok(());
    }
    Err(MalformedDocument::Resources(invalid.join(", ")))
}

fn is_arn(text: &str) -> bool {
    let mut rest = text;
    for _ in 0..5 {
        let Some(colon) = colon_outside_variables(rest) else { return false };
        rest = rest.get(colon + 1..).unwrap_or_default();
    }
    text.starts_with("arn:")
}

fn conditions(json: Json, variables: bool) -> Result<Box<[Condition]>, MalformedDocument> {
    let Json::Object(operators) = json else { return Err(MalformedDocument::Syntax) };
    let mut conditions = Vec::new();
    for (operator, keys) in Members::of(operators)?.0 {
        let Json::Object(keys) = keys else { return Err(MalformedDocument::Syntax) };
        for (key, values) in Members::of(keys)?.0 {
            let values = scalars(values)?;
            let values: Vec<&str> = values.iter().map(String::as_str).collect();
            let condition = Condition::compile(&operator, &key, &values, variables)
                .filter(|_| !key.is_empty())
                .ok_or(MalformedDocument::Syntax)?;
            conditions.push(condition);
        }
    }
    Ok(conditions.into())
}

/// The text of one value or several, as conditions take them: quotation marks are optional around
/// numbers and truth values.
fn scalars(json: Json) -> Result<Vec<String>, MalformedDocument> {
    let values = match json {
        Json::List(values) => values,
        value => vec![value],
    };
    let text = values.into_iter().map(|value| match value {
        Json::Text(text) | Json::Number(text) => Ok(text),
        Json::Bool(flag) => Ok(flag.to_string()),
        _ => Err(MalformedDocument::Syntax),
    });
    text.collect()
}

/// The members of an object, which are taken out one by one so that an unknown one remains.
struct Members(Vec<(String, Json)>);

impl Members {
    //? assumed: a member that occurs twice makes the document malformed, as in IAM
    fn of(members: Vec<(String, Json)>) -> Result<Self, MalformedDocument> {
        let mut names: Vec<&str> = members.iter().map(|(name, _)| name.as_str()).collect();
        names.sort_unstable();
        if names.windows(2).any(|pair| pair[0] == pair[1]) {
            return Err(MalformedDocument::Syntax);
        }
        Ok(Self(members))
    }

    fn take(&mut self, name: &str) -> Option<Json> {
        let place = self.0.iter().position(|(member, _)| member == name)?;
        Some(self.0.swap_remove(place).1)
    }

    fn text(&mut self, name: &str) -> Result<Option<String>, MalformedDocument> {
        match self.take(name) {
            None => Ok(None),
            Some(Json::Text(text)) => Ok(Some(text)),
            Some(_) => Err(MalformedDocument::Syntax),
        }
    }

    /// The texts of exactly one of two members, and whether it is the second one.
    fn either(&mut self, name: &str, not: &str) -> Result<(bool, Vec<String>), MalformedDocument> {
        let (second, json) = match (self.take(name), self.take(not)) {
            (Some(json), None) => (false, json),
            (None, Some(json)) => (true, json),
            _ => return Err(MalformedDocument::Syntax),
        };
        let values = match json {
            Json::List(values) if !values.is_empty() => values,
            text @ Json::Text(_) => vec![text],
            _ => return Err(MalformedDocument::Syntax),
        };
        let texts = values.into_iter().map(|value| match value {
            Json::Text(text) if !text.is_empty() => Ok(text),
            _ => Err(MalformedDocument::Syntax),
        });
        Ok((second, texts.collect::<Result<_, _>>()?))
    }

    /// Nothing may be left that a policy does not have, such as `Principal`.
    fn finish(self) -> Result<(), MalformedDocument> {
        if self.0.is_empty() { Ok(()) } else { Err(MalformedDocument::Syntax) }
    }
}
