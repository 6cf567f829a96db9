//! Why something was refused, in lines for the trace.
//!
//! It decides nothing: it looks again at what the policies said, names the statement that denied
//! or the one that came nearest, and says what kept it from matching. It runs only for a refusal,
//! so it may take its time.

use super::condition::Condition;
use super::context::Context;
use super::document::{Effect, Selection, Statement};
use super::evaluate::applies_to_resource;
use super::nearness::Nearness;
use super::pattern::Pattern;
use super::{Decision, PolicyInForce};
use crate::names::topic_matches;
use crate::trace::on_one_line;

/// As wide as `nearest: `, so that what follows stands below it.
const INDENT: &str = "         ";

/// The question that was answered with no.
#[derive(Clone, Copy)]
pub(super) struct Question<'a> {
    pub(super) policies: &'a [PolicyInForce],
    pub(super) context: &'a Context,
    pub(super) action: &'a str,
    pub(super) arn: &'a str,
}

/// A statement and where it stands.
#[derive(Clone, Copy)]
struct Place<'a> {
    policy: &'a PolicyInForce,
    statement: &'a Statement,
}

/// How far a statement, or one of its resources, came; later is nearer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Reached {
    /// It does not speak of the action; whether it speaks of the resource.
    Nothing(bool),
    /// It speaks of the action, and of a resource that is so near.
    Action(Nearness),
    /// It speaks of the action, and of all resources but some; this is one of those.
    AllBut,
    /// It speaks of the action, and would speak of the resource if its variables had values.
    Variables,
    /// It speaks of the action and the resource, but a condition fails.
    Resource,
}

impl<'a> Question<'a> {
    /// The lines that explain `decision`.
    pub(super) fn why(self, decision: Decision) -> Vec<String> {
        let lines = match decision {
            Decision::ExplicitDeny => self.why_denied(),
            Decision::ImplicitDeny => self.why_not_allowed(),
            Decision::Allowed => Vec::new(),
        };
        lines.iter().map(|line| on_one_line(line)).collect()
    }

    fn places(self) -> impl Iterator<Item = Place<'a>> {
        self.policies.iter().flat_map(|policy| {
            policy.document.statements().iter().map(move |statement| Place { policy, statement })
        })
    }

    fn speaks_of_action(self, statement: &Statement) -> bool {
        statement.actions.covers(&self.action.to_ascii_lowercase(), self.context)
    }

    fn why_denied(self) -> Vec<String> {
        let denying = self.places().find(|place| {
            place.statement.effect == Effect::Deny
                && self.speaks_of_action(place.statement)
                && applies_to_resource(place.statement, self.context, self.arn)
        });
        let Some(place) = denying else { return vec!["explicit deny".to_owned()] };
        let mut lines = vec![format!("explicit deny: {place}")];
        let Statement { actions, resources, .. } = place.statement;
        if resources.all_but {
            let labels =
                ["denies:  all but "].into_iter().chain(std::iter::repeat("         and "));
            for (label, pattern) in labels.zip(&resources.patterns) {
                self.describe(label, pattern, &mut lines);
            }
        } else if let Some(pattern) =
            resources.patterns.iter().find(|pattern| pattern.matches(self.arn, self.context))
        {
            self.describe("denies:  ", pattern, &mut lines);
        }
        if actions.all_but {
            lines.push(format!("{INDENT}to every action but {}", spelt(actions)));
        }
        for condition in &place.statement.conditions {
            self.spell("as", condition, &mut lines);
            self.missing_in(condition, &mut lines);
        }
        lines
    }

    fn why_not_allowed(self) -> Vec<String> {
        let mut lines = vec![self.nothing_matches()];
        let allowing = self.places().filter(|place| place.statement.effect == Effect::Allow);
        // The first of several that came equally near.
        let nearest = allowing.first_max_by_key(|place| self.reached(place.statement));
        let Some(place) = nearest else {
            if !self.policies.is_empty() {
                lines.push("nearest: none, as no statement allows anything".to_owned());
            }
            return lines;
        };
        match self.reached(place.statement) {
            Reached::Nothing(_) => lines.push(format!("nearest: {}", self.wrong_action(place))),
            Reached::Action(_) | Reached::AllBut | Reached::Variables => {
                self.wrong_resource(place.statement, &mut lines)
            }
            Reached::Resource => self.failed_conditions(place.statement, &mut lines),
        }
        if self.places().nth(1).is_some() {
            lines.push(format!("{INDENT}in {place}"));
        }
        lines
    }

    fn nothing_matches(self) -> String {
        let names =
            self.policies.iter().map(|policy| format!("`{}` v{}", policy.name, policy.version_id));
        let names: Vec<String> = names.collect();
        match names.as_slice() {
            [] => {
                let whom = match self.context.is_without_certificate() {
                    true => "the Amazon Cognito identity",
                    false => "the certificate or to a group of its thing",
                };
                format!("implicit deny: no policy is attached to {whom}")
            }
            [name] => format!("implicit deny: no statement of policy {name} matches"),
            [names @ .., last] => {
                let names = names.join(", ");
                format!("implicit deny: no statement of policies {names} and {last} matches")
            }
        }
    }

    fn reached(self, statement: &Statement) -> Reached {
        let speaks_of_resource = statement.resources.covers(self.arn, self.context);
        if !self.speaks_of_action(statement) {
            return Reached::Nothing(speaks_of_resource);
        }
        if speaks_of_resource {
            return Reached::Resource;
        }
        if statement.resources.all_but {
            return Reached::AllBut;
        }
        let resources = statement.resources.patterns.iter();
        resources.map(|pattern| self.closeness(pattern)).max().unwrap_or(Reached::Nothing(false))
    }

    /// How near a resource that does not match came.
    fn closeness(self, pattern: &Pattern) -> Reached {
        if pattern.forgiving(self.context).matches(self.arn, self.context) {
            return Reached::Variables;
        }
        Reached::Action(Nearness::of(&pattern.substituted(self.context), self.arn))
    }

    fn wrong_action(self, place: Place<'_>) -> String {
        let actions = spelt(&place.statement.actions);
        match place.statement.actions.all_but {
            true => format!("a statement that allows all but {actions}"),
            false => format!("a statement that allows {actions}, not {}", self.action),
        }
    }

    fn wrong_resource(self, statement: &Statement, lines: &mut Vec<String>) {
        let resources = &statement.resources;
        if resources.all_but {
            let excluding =
                resources.patterns.iter().find(|pattern| pattern.matches(self.arn, self.context));
            if let Some(pattern) = excluding {
                self.describe("nearest: all but ", pattern, lines);
            }
            return;
        }
        let nearest = resources.patterns.iter().first_max_by_key(|pattern| self.closeness(pattern));
        let Some(pattern) = nearest else { return };
        self.describe("nearest: ", pattern, lines);
        if let Some(hint) = self.hint(pattern) {
            lines.push(format!("{INDENT}{hint}"));
        }
    }

    fn failed_conditions(self, statement: &Statement, lines: &mut Vec<String>) {
        let matched = statement
            .resources
            .patterns
            .iter()
            .find(|pattern| pattern.matches(self.arn, self.context));
        match matched {
            Some(pattern) => self.describe("nearest: ", pattern, lines),
            None => lines.push("nearest: a statement with NotResource".to_owned()),
        }
        let failed = statement.conditions.iter().filter(|condition| !condition.holds(self.context));
        for condition in failed {
            self.spell("but not", condition, lines);
            self.missing_in(condition, lines);
        }
    }

    /// The condition, and below it what its key has for a value.
    fn spell(self, label: &str, condition: &Condition, lines: &mut Vec<String>) {
        let quoted = |text: &str| format!("`{text}`");
        let wanted = condition.wanted().map(|wanted| quoted(&wanted.substituted(self.context)));
        let wanted = wanted.collect::<Vec<_>>().join(", ");
        let found = match self.context.values(condition.key()) {
            Some(values) => format!("is {}", values.map(quoted).collect::<Vec<_>>().join(", ")),
            None => format!("has no value: {}", self.context.why_absent(condition.key())),
        };
        let (operator, key) = (condition.operator(), condition.key().written());
        lines.push(format!("{INDENT}{label} {operator} {key} [{wanted}]"));
        lines.push(format!("{INDENT}{key} {found}"));
    }

    /// The pattern, what it becomes, and which of its variables have no value.
    fn describe(self, label: &str, pattern: &Pattern, lines: &mut Vec<String>) {
        lines.push(format!("{label}{}", pattern.text()));
        let substituted = pattern.substituted(self.context);
        if pattern.variables().count() > pattern.unresolved(self.context).count() {
            // The front of both is the same; what differs is behind it.
            let tail = substituted.splitn(6, ':').nth(5).filter(|_| has_plain_front(pattern));
            match tail {
                Some(tail) => lines.push(format!("{INDENT}→ …/{tail}")),
                None => lines.push(format!("{INDENT}→ {substituted}")),
            }
        }
        self.missing(pattern, lines);
    }

    fn missing_in(self, condition: &Condition, lines: &mut Vec<String>) {
        for wanted in condition.wanted() {
            self.missing(wanted, lines);
        }
    }

    //= https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_elements_version.html
    //# in a document that is not of 2012-10-17, a variable is plain text
    /// What in the pattern no value stands for, and why.
    fn missing(self, pattern: &Pattern, lines: &mut Vec<String>) {
        if pattern.has_plain_variables() {
            let plain = "`${` is plain text here: only Version 2012-10-17 has variables";
            lines.push(format!("{INDENT}{plain}"));
        }
        for variable in pattern.unresolved(self.context) {
            let why = self.context.why_absent(variable);
            lines.push(format!("{INDENT}${{{}}} has no value: {why}", variable.written()));
        }
    }

    /// What people commonly overlook, if this is such a case.
    fn hint(self, pattern: &Pattern) -> Option<String> {
        //= https://docs.aws.amazon.com/iot/latest/developerguide/iot-action-resources.html
        //# listing retained messages names no resource
        if self.arn == "*" {
            return Some(format!("{} names no resource: only `*` covers it", self.action));
        }
        let wanted = pattern.substituted(self.context);
        if wanted.eq_ignore_ascii_case(self.arn) {
            return Some("the two differ in upper and lower case only".to_owned());
        }
        let wanted: Vec<&str> = wanted.splitn(6, ':').collect();
        let found: Vec<&str> = self.arn.splitn(6, ':').collect();
        let ([_, wanted_front @ .., wanted], [_, found_front @ .., found]) =
            (wanted.as_slice(), found.as_slice())
        else {
            return None;
        };
        let foreign =
            |wanted: &str, found: &str| wanted != found && !wanted.contains(['*', '?', '$']);
        let parts = ["partition", "service", "Region", "account"].iter();
        for (part, (wanted, found)) in parts.zip(wanted_front.iter().zip(found_front)) {
            if foreign(wanted, found) {
                return Some(format!("the policy names the {part} `{wanted}`; this is {found}"));
            }
        }
        let ((wanted_kind, wanted), (kind, found)) =
            (wanted.split_once('/')?, found.split_once('/')?);
        if foreign(wanted_kind, kind) {
            let action = self.action;
            return Some(format!("{action} is compared with {kind}/…, not with {wanted_kind}/…"));
        }
        //= https://docs.aws.amazon.com/iot/latest/developerguide/pub-sub-policy.html
        //# the wildcards of topic filters are plain characters in a policy
        (wanted.contains(['+', '#']) && topic_matches(wanted, found))
            .then(|| "`+` and `#` are plain characters in a policy; `*` and `?` are not".to_owned())
    }
}

/// The patterns as the policy has them.
fn spelt(selection: &Selection) -> String {
    selection.patterns.iter().map(Pattern::text).collect::<Vec<_>>().join(", ")
}

/// Whether nothing before the resource's own part can be substituted.
fn has_plain_front(pattern: &Pattern) -> bool {
    let front = pattern.text().split("${").next().unwrap_or_default();
    front.splitn(6, ':').nth(5).is_some()
}

impl std::fmt::Display for Place<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { policy, statement } = self;
        write!(f, "statement {}", statement.number)?;
        if let Some(sid) = &statement.sid {
            write!(f, " ({sid})")?;
        }
        let (name, version) = (&policy.name, &policy.version_id);
        write!(f, " of policy `{name}` v{version}, attached to {}", policy.attached_to)
    }
}

/// `max_by_key` with the first of several greatest elements.
trait FirstMax: Iterator + Sized {
    fn first_max_by_key<K: Ord>(self, key: impl Fn(&Self::Item) -> K) -> Option<Self::Item> {
        let keyed = self.map(|item| (key(&item), item));
        keyed.reduce(|best, next| if next.0 > best.0 { next } else { best }).map(|(_, item)| item)
    }
}

impl<I: Iterator> FirstMax for I {}
