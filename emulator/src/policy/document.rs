//! A policy document: read once, kept in the form that decisions need.
//!
//! It decides which texts CreatePolicy takes. How a refused text is told where it is wrong, says
//! [`malformed`]; names, versions and attachments of policies are the registry's.
//!
//! [`malformed`]: super::malformed
//!
//! Truth: <https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_grammar.html> and
//! <https://docs.aws.amazon.com/iot/latest/apireference/API_CreatePolicy.html>.

use super::action::KNOWN;
use super::condition::{Condition, Wanted, colon_outside_variables};
use super::context::Context;
use super::glance::{Glance, Seen};
use super::json::Json;
use super::malformed::{MalformedDocument, Path, quoted};
use super::members::{Elements, each, object, one_or_more, text, unexpected};
use super::operator::Operator;
use super::pattern::{Meaning, Pattern};
use super::variable::Variable;
use crate::quotas::POLICY_DOCUMENT_CHARACTERS;

/// A policy document, compiled.
#[derive(Debug)]
pub(crate) struct Document {
    statements: Box<[Statement]>,
    /// Every resource of every statement.
    resources: Box<[Resource]>,
    asks_for_the_time: bool,
}

/// A resource of a statement, as far as it is looked at before the statement is.
#[derive(Debug)]
struct Resource {
    glance: Glance,
    /// A bit for each action of [`KNOWN`] that the statement speaks of.
    actions: u32,
    statement: u16,
}

const _: () = assert!(KNOWN.len() <= u32::BITS as usize, "each action has a bit");

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

/// The elements of a document.
//? assumed: an Id is taken and means nothing
const DOCUMENT: [&str; 3] = ["Version", "Id", "Statement"];

/// The elements of a statement.
const STATEMENT: [&str; 7] =
    ["Sid", "Effect", "Action", "NotAction", "Resource", "NotResource", "Condition"];

impl Document {
    /// Reads `text` as CreatePolicy would take it.
    pub(crate) fn parse(text: &str) -> Result<Self, MalformedDocument> {
        let characters = counted(text);
        if characters > POLICY_DOCUMENT_CHARACTERS {
            return Err(MalformedDocument::TooLong { characters });
        }
        let path = Path::Document;
        let mut document = Elements::of(Json::parse(text)?, &path, &DOCUMENT)?;
        let _named = document.text("Id")?;
        let variables = has_variables(document.text("Version")?, &path)?;
        let statements = document.must("Statement")?;
        let mut number = 0;
        let statements = one_or_more(statements, &path.member("Statement"), |json, path| {
            number += 1;
            Statement::compile(number, json, path, variables)
        });
        let statements = statements?.into_boxed_slice();
        let resources = (0..).zip(&statements).flat_map(|(at, it)| it.to_glance_at(at)).collect();
        let asks_for_the_time =
            statements.iter().any(|statement| statement.variables().any(Variable::is_time));
        Ok(Self { statements, resources, asks_for_the_time })
    }

    /// Whether a decision may change by time alone.
    pub(super) fn asks_for_the_time(&self) -> bool {
        self.asks_for_the_time
    }

    /// The statements.
    pub(super) fn statements(&self) -> &[Statement] {
        &self.statements
    }

    /// The statements that speak of the action at `place` in [`KNOWN`], and perhaps of a resource
    /// of which `seen` was seen; one may come twice.
    pub(super) fn speaking_of(&self, place: u8, seen: Seen) -> impl Iterator<Item = &Statement> {
        let speaking = self.resources.iter().filter(move |resource| {
            resource.actions & (1 << place) != 0 && resource.glance.admits(seen)
        });
        speaking.filter_map(|resource| self.statements.get(usize::from(resource.statement)))
    }
}

//= https://docs.aws.amazon.com/iot/latest/apireference/API_CreatePolicy.html
//# white space does not count towards the 2048 characters
//? assumed: white space is what may stand between the tokens of JSON; within a text it is the space
fn counted(text: &str) -> usize {
    let white = [' ', '\t', '\n', '\r'];
    text.chars().filter(|character| !white.contains(character)).count()
}

//= https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_elements_version.html
//# only 2012-10-17 has policy variables; a document without a version is of 2008-10-17
fn has_variables(version: Option<String>, path: &Path<'_>) -> Result<bool, MalformedDocument> {
    match version.as_deref() {
        Some("2012-10-17") => Ok(true),
        Some("2008-10-17") | None => Ok(false),
        Some(other) => {
            let fault = format!("{} is neither 2012-10-17 nor 2008-10-17", quoted(other));
            Err(path.member("Version").says(fault))
        }
    }
}

impl Statement {
    //= https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_elements_sid.html
    //# a Sid has letters and digits, and in IAM no other statement of the document has it
    //= https://docs.aws.amazon.com/IAM/latest/UserGuide/access-analyzer-reference-policy-checks.html
    //# an empty Sid is something to suggest against, no error
    //? assumed: AWS IoT takes any text for a Sid, and takes one twice
    fn compile(
        number: usize,
        json: Json,
        path: &Path<'_>,
        variables: bool,
    ) -> Result<Self, MalformedDocument> {
        let mut elements = Elements::of(json, path, &STATEMENT)?;
        let sid = elements.text("Sid")?.map(String::into_boxed_str);
        let effect = effect(elements.must("Effect")?, &path.member("Effect"))?;
        let (name, actions) = elements.either("Action", "NotAction")?;
        let actions = Selection {
            all_but: name == "NotAction",
            patterns: actions_of(actions, &path.member(name))?,
        };
        let (name, resources) = elements.either("Resource", "NotResource")?;
        let resources = Selection {
            all_but: name == "NotResource",
            patterns: resources_of(resources, &path.member(name), variables)?,
        };
        let conditions = match elements.take("Condition") {
            Some(json) => conditions(json, &path.member("Condition"), variables)?,
            None => Box::default(),
        };
        Ok(Self { sid, number, effect, actions, resources, conditions })
    }

    /// Its resources, to be glanced at; the statement is the one at `place`.
    fn to_glance_at(&self, place: u16) -> impl Iterator<Item = Resource> {
        let speaks_of =
            |action: &&str| self.actions.covers(&action.to_ascii_lowercase(), &Context::new());
        let known = (0..).zip(KNOWN).filter(|(_, action)| speaks_of(action));
        let actions = known.fold(0, |bits, (place, _)| bits | 1_u32 << place);
        let glances = match self.resources.all_but {
            true => vec![Glance::ANY],
            false => self.resources.patterns.iter().map(Glance::of).collect(),
        };
        glances.into_iter().map(move |glance| Resource { glance, actions, statement: place })
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

    /// The variables that it needs, have no default, and have no value.
    pub(super) fn missing<'a>(
        &'a self,
        context: &'a Context,
    ) -> impl Iterator<Item = &'a Variable> {
        let wanted = self.conditions.iter().flat_map(Condition::wanted);
        let patterns = self.resources.patterns.iter().chain(wanted);
        let unresolved = patterns.flat_map(|pattern| pattern.unresolved(context));
        let needed = unresolved.chain(self.conditions.iter().map(Condition::key));
        needed.filter(|variable| context.values(variable).is_none())
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

//= https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_elements_effect.html
//# Allow or Deny, in exactly this case
fn effect(json: Json, path: &Path<'_>) -> Result<Effect, MalformedDocument> {
    match text(json, path)?.as_str() {
        "Allow" => Ok(Effect::Allow),
        "Deny" => Ok(Effect::Deny),
        other => Err(path.says(format!("{} is neither Allow nor Deny", quoted(other)))),
    }
}

//= https://github.com/aws/aws-sdk-js/issues/3993
//# the names of actions are not looked at: misspelt ones and those of other services are stored
//= https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_elements_action.html
//# the prefix and the name of an action mind no case, and both may have wildcards
//? assumed: so are names without a prefix or with spaces, which match only themselves
fn actions_of(json: Json, path: &Path<'_>) -> Result<Box<[Pattern]>, MalformedDocument> {
    let actions = one_or_more(json, path, |json, path| Ok(Pattern::action(&filled(json, path)?)));
    Ok(actions?.into())
}

//= https://docs.aws.amazon.com/greengrass/v1/developerguide/device-auth.html
//# a policy of AWS IoT names resources of other services, such as `arn:aws:greengrass:…`
fn resources_of(
    json: Json,
    path: &Path<'_>,
    variables: bool,
) -> Result<Box<[Pattern]>, MalformedDocument> {
    let meaning = Meaning { wildcards: true, variables };
    let (mut invalid, mut first_fault) = (Vec::new(), None);
    let patterns = one_or_more(json, path, |json, path| {
        let text = filled(json, path)?;
        if let Some(fault) = no_resource(&text) {
            first_fault.get_or_insert_with(|| path.fault(fault));
            invalid.push(text.clone());
        }
        Ok(Pattern::compile(&text, meaning))
    })?;
    match first_fault {
        Some(fault) => Err(MalformedDocument::resources(&invalid, fault)),
        None => Ok(patterns.into()),
    }
}

/// Why `text` is neither `*` nor an ARN.
//? assumed: an ARN needs its five colons, and what stands between them may be anything
fn no_resource(text: &str) -> Option<String> {
    if text == "*" {
        return None;
    }
    if !text.starts_with("arn:") {
        return Some("neither `*` nor an ARN".to_owned());
    }
    let mut parts = 1;
    let mut rest = text;
    while let Some(colon) = colon_outside_variables(rest) {
        parts += 1;
        rest = rest.get(colon + 1..).unwrap_or_default();
    }
    (parts < 6).then(|| {
        format!(
            "an ARN has six parts, arn:partition:service:region:account:resource; this has {parts}"
        )
    })
}

/// The text here, which must not be empty.
fn filled(json: Json, path: &Path<'_>) -> Result<String, MalformedDocument> {
    let text = text(json, path)?;
    if text.is_empty() { Err(path.says("the text is empty")) } else { Ok(text) }
}

//? assumed: a Condition without operators and an operator without keys are taken, and hold
fn conditions(
    json: Json,
    path: &Path<'_>,
    variables: bool,
) -> Result<Box<[Condition]>, MalformedDocument> {
    let mut conditions = Vec::new();
    for (name, keys) in object(json, path, "an object of operators")? {
        let path = path.member(&name);
        let operator = Operator::parse(&name).map_err(|fault| path.says(fault))?;
        for (key, values) in object(keys, &path, "an object of keys and their values")? {
            if key.is_empty() {
                return Err(path.says("a key is empty"));
            }
            let wanted = each(values, &path.member(&key), |json, path| {
                let text = scalar(json, path)?;
                Wanted::compile(operator, &text, variables).map_err(|fault| path.says(fault))
            })?;
            conditions.push(Condition::new(&name, operator, &key, wanted));
        }
    }
    Ok(conditions.into())
}

//= https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_grammar.html
//# quotation marks are optional around numbers and truth values
/// The text of a condition's value.
fn scalar(json: Json, path: &Path<'_>) -> Result<String, MalformedDocument> {
    match json {
        Json::Text(text) | Json::Number(text) => Ok(text),
        Json::Bool(flag) => Ok(flag.to_string()),
        json => Err(unexpected(path, "a text, a number or a truth value", &json)),
    }
}
