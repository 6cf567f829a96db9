//! One condition of a statement: an operator, a key, and the values that it is held against.
//!
//! It decides when a condition holds. A statement's conditions must all hold.
//! Truth:
//! <https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_elements_condition_operators.html>
//! and, for sets of values,
//! <https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_condition-single-vs-multi-valued-context-keys.html>.

use std::cmp::Ordering;
use std::net::IpAddr;

use super::context::Context;
use super::moment;
use super::network::Network;
use super::pattern::{Meaning, Pattern};
use super::variable::Variable;
use crate::time::Timestamp;

/// A condition, compiled.
#[derive(Debug)]
pub(super) struct Condition {
    operator: Box<str>,
    quantifier: Quantifier,
    if_exists: bool,
    negated: bool,
    comparison: Comparison,
    key: Variable,
    wanted: Box<[Wanted]>,
}

/// How the several values of a key count.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Quantifier {
    /// No prefix.
    Single,
    /// `ForAllValues:`
    All,
    /// `ForAnyValue:`
    Any,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Comparison {
    Equal,
    EqualIgnoringCase,
    Like,
    Arn,
    Number(Relation),
    Date(Relation),
    Bool,
    Binary,
    Ip,
    Null,
}

/// How the key's value must stand to the policy's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Relation {
    Equal,
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
}

/// A value of the policy.
#[derive(Debug)]
struct Wanted {
    pattern: Pattern,
    /// What it says, where its text is compared with nothing.
    read: Read,
}

#[derive(Debug)]
enum Read {
    /// The pattern's text is what counts, or holds a variable and is read when that has a value.
    Text,
    Number(f64),
    Date(Timestamp),
    Bool(bool),
    Network(Network),
    /// The six parts of an ARN.
    Arn(Box<[Pattern]>),
}

/// Every operator by the name it has without prefix and suffix: what it compares, and whether it
/// asks for the opposite.
const OPERATORS: [(&str, Comparison, bool); 27] = [
    ("StringEquals", Comparison::Equal, false),
    ("StringNotEquals", Comparison::Equal, true),
    ("StringEqualsIgnoreCase", Comparison::EqualIgnoringCase, false),
    ("StringNotEqualsIgnoreCase", Comparison::EqualIgnoringCase, true),
    ("StringLike", Comparison::Like, false),
    ("StringNotLike", Comparison::Like, true),
    ("NumericEquals", Comparison::Number(Relation::Equal), false),
    ("NumericNotEquals", Comparison::Number(Relation::Equal), true),
    ("NumericLessThan", Comparison::Number(Relation::Less), false),
    ("NumericLessThanEquals", Comparison::Number(Relation::LessOrEqual), false),
    ("NumericGreaterThan", Comparison::Number(Relation::Greater), false),
    ("NumericGreaterThanEquals", Comparison::Number(Relation::GreaterOrEqual), false),
    ("DateEquals", Comparison::Date(Relation::Equal), false),
    ("DateNotEquals", Comparison::Date(Relation::Equal), true),
    ("DateLessThan", Comparison::Date(Relation::Less), false),
    ("DateLessThanEquals", Comparison::Date(Relation::LessOrEqual), false),
    ("DateGreaterThan", Comparison::Date(Relation::Greater), false),
    ("DateGreaterThanEquals", Comparison::Date(Relation::GreaterOrEqual), false),
    ("Bool", Comparison::Bool, false),
    ("BinaryEquals", Comparison::Binary, false),
    ("IpAddress", Comparison::Ip, false),
    ("NotIpAddress", Comparison::Ip, true),
    ("ArnEquals", Comparison::Arn, false),
    ("ArnNotEquals", Comparison::Arn, true),
    ("ArnLike", Comparison::Arn, false),
    ("ArnNotLike", Comparison::Arn, true),
    ("Null", Comparison::Null, false),
];

impl Condition {
    /// Compiles `{operator: {key: values}}`; `None` if the operator does not exist or a value is
    /// none that it can compare.
    pub(super) fn compile(
        operator: &str,
        key: &str,
        values: &[&str],
        variables: bool,
    ) -> Option<Self> {
        let (quantifier, name) = match operator.split_once(':') {
            Some(("ForAllValues", name)) => (Quantifier::All, name),
            Some(("ForAnyValue", name)) => (Quantifier::Any, name),
            Some(_) => return None,
            None => (Quantifier::Single, operator),
        };
        let (name, if_exists) = match name.strip_suffix("IfExists") {
            Some(name) => (name, true),
            None => (name, false),
        };
        let (_, comparison, negated) = *OPERATORS.iter().find(|(known, ..)| *known == name)?;
        if comparison == Comparison::Null && (if_exists || quantifier != Quantifier::Single) {
            return None;
        }
        let wanted = values.iter().map(|text| Wanted::compile(comparison, text, variables));
        Some(Self {
            operator: operator.into(),
            quantifier,
            if_exists,
            negated,
            comparison,
            key: Variable::new(key),
            wanted: wanted.collect::<Option<_>>()?,
        })
    }

    /// As the policy names it: `ForAnyValue:StringEquals`.
    pub(super) fn operator(&self) -> &str {
        &self.operator
    }

    /// Whose values are compared.
    pub(super) fn key(&self) -> &Variable {
        &self.key
    }

    /// The policy's values.
    pub(super) fn wanted(&self) -> impl Iterator<Item = &Pattern> {
        self.wanted.iter().map(|wanted| &wanted.pattern)
    }

    //= https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_elements_condition_operators.html
    //# a key without a value fails the condition, unless the operator is negated or says IfExists
    //= https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_condition-single-vs-multi-valued-context-keys.html
    //# ForAllValues is true of no values, ForAnyValue is not
    //? assumed: without a prefix, one of a key's several values is enough, or none if negated
    /// Whether the condition holds in `context`.
    pub(super) fn holds(&self, context: &Context) -> bool {
        let values = context.values(&self.key);
        if self.comparison == Comparison::Null {
            return self.wanted.iter().any(|wanted| wanted.flag(context) == Some(values.is_none()));
        }
        let Some(mut values) = values else {
            return match self.quantifier {
                Quantifier::Single => self.if_exists || self.negated,
                Quantifier::All => true,
                Quantifier::Any => self.if_exists,
            };
        };
        let mut satisfied = |value: &str| self.satisfied_by(value, context);
        match (self.quantifier, self.negated) {
            (Quantifier::All, _) | (Quantifier::Single, true) => values.all(&mut satisfied),
            (Quantifier::Any, _) | (Quantifier::Single, false) => values.any(&mut satisfied),
        }
    }

    /// Several values of the policy count as one or the other; negated, as neither the one nor
    /// the other.
    fn satisfied_by(&self, value: &str, context: &Context) -> bool {
        let matched =
            self.wanted.iter().any(|wanted| wanted.matches(self.comparison, value, context));
        matched != self.negated
    }
}

impl Wanted {
    //? assumed: a value that its operator cannot read makes the document malformed
    fn compile(comparison: Comparison, text: &str, variables: bool) -> Option<Self> {
        let wildcards = matches!(comparison, Comparison::Like | Comparison::Arn);
        let meaning = Meaning { wildcards, variables };
        let pattern = Pattern::compile(text, meaning);
        let read = match comparison {
            Comparison::Arn => Read::Arn(arn_parts(text, meaning)),
            _ if pattern.variables().next().is_some() => Read::Text,
            _ => Read::parse(comparison, text)?,
        };
        Some(Self { pattern, read })
    }

    fn matches(&self, comparison: Comparison, value: &str, context: &Context) -> bool {
        match &self.read {
            Read::Text => match comparison {
                Comparison::Equal | Comparison::Like | Comparison::Binary => {
                    self.pattern.matches(value, context)
                }
                Comparison::EqualIgnoringCase => self
                    .pattern
                    .resolved(context)
                    .is_some_and(|wanted| lower(&wanted).eq(lower(value))),
                _ => self
                    .pattern
                    .resolved(context)
                    .and_then(|wanted| Read::parse(comparison, &wanted))
                    .is_some_and(|read| read.compares(comparison, value)),
            },
            Read::Arn(parts) => arn_matches(parts, value, context),
            read => read.compares(comparison, value),
        }
    }

    fn flag(&self, context: &Context) -> Option<bool> {
        match &self.read {
            Read::Bool(flag) => Some(*flag),
            _ => flag(&self.pattern.resolved(context)?),
        }
    }
}

impl Read {
    fn parse(comparison: Comparison, text: &str) -> Option<Self> {
        Some(match comparison {
            Comparison::Number(_) => Self::Number(number(text)?),
            Comparison::Date(_) => Self::Date(moment::parse(text)?),
            Comparison::Bool | Comparison::Null => Self::Bool(flag(text)?),
            Comparison::Ip => Self::Network(Network::parse(text)?),
            _ => Self::Text,
        })
    }

    fn compares(&self, comparison: Comparison, value: &str) -> bool {
        match (self, comparison) {
            (Self::Number(wanted), Comparison::Number(relation)) => number(value)
                .and_then(|found| found.partial_cmp(wanted))
                .is_some_and(|ordering| relation.fits(ordering)),
            (Self::Date(wanted), Comparison::Date(relation)) => {
                moment::parse(value).is_some_and(|found| relation.fits(found.cmp(wanted)))
            }
            (Self::Bool(wanted), _) => flag(value) == Some(*wanted),
            (Self::Network(network), _) => {
                value.parse::<IpAddr>().is_ok_and(|address| network.contains(address))
            }
            _ => false,
        }
    }
}

impl Relation {
    fn fits(self, ordering: Ordering) -> bool {
        match self {
            Self::Equal => ordering.is_eq(),
            Self::Less => ordering.is_lt(),
            Self::LessOrEqual => ordering.is_le(),
            Self::Greater => ordering.is_gt(),
            Self::GreaterOrEqual => ordering.is_ge(),
        }
    }
}

fn lower(text: &str) -> impl Iterator<Item = char> {
    text.chars().flat_map(char::to_lowercase)
}

fn number(text: &str) -> Option<f64> {
    let plain = text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'.' | b'-' | b'+'));
    text.parse().ok().filter(|number: &f64| plain && number.is_finite())
}

fn flag(text: &str) -> Option<bool> {
    let words = [("true", true), ("false", false)];
    words.into_iter().find(|(word, _)| text.eq_ignore_ascii_case(word)).map(|(_, flag)| flag)
}

//= https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_elements_condition_operators.html
//# each of the six parts of an ARN is compared by itself, wildcards and all; Equals is Like here
//? assumed: a value with fewer than six parts, such as `*`, is compared as a whole
fn arn_parts(text: &str, meaning: Meaning) -> Box<[Pattern]> {
    let mut parts = Vec::new();
    let mut rest = text;
    while parts.len() < 5 {
        let Some(colon) = colon_outside_variables(rest) else { break };
        parts.push(Pattern::compile(rest.get(..colon).unwrap_or_default(), meaning));
        rest = rest.get(colon + 1..).unwrap_or_default();
    }
    if parts.len() < 5 {
        return [Pattern::compile(text, meaning)].into();
    }
    parts.push(Pattern::compile(rest, meaning));
    parts.into()
}

/// Where the first colon stands that is not part of a `${…}`.
pub(super) fn colon_outside_variables(text: &str) -> Option<usize> {
    let mut from = 0;
    loop {
        let rest = text.get(from..)?;
        let colon = rest.find(':')?;
        let Some(open) = rest.find("${").filter(|open| *open < colon) else {
            return Some(from + colon);
        };
        match rest.get(open..).and_then(|variable| variable.find('}')) {
            Some(close) => from += open + close + 1,
            None => return Some(from + colon),
        }
    }
}

fn arn_matches(parts: &[Pattern], value: &str, context: &Context) -> bool {
    if let [whole] = parts {
        return whole.matches(value, context);
    }
    let mut found = value.splitn(parts.len(), ':');
    parts.iter().all(|part| found.next().is_some_and(|found| part.matches(found, context)))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const KEY: &str = "iot:Connection.Thing.Attributes[k]";

    fn set_attribute(context: &mut Context, value: &str) {
        context.set_thing("T".into(), None, [("k".into(), value.into())].into());
    }

    #[test]
    fn a_colon_within_a_variable_parts_nothing() {
        let table = [
            ("a:b", Some(1)),
            ("${iot:ClientId}:b", Some(15)),
            ("${iot:ClientId}", None),
            ("${iot:ClientId", Some(5)),
            ("", None),
        ];
        for (text, colon) in table {
            assert_eq!(colon_outside_variables(text), colon, "{text}");
        }
    }

    #[test]
    fn an_operator_that_does_not_exist_is_refused() {
        let table = [
            "stringEquals",
            "StringEqual",
            "IfExists",
            "NullIfExists",
            "ForAllValues:Null",
            "ForAllValues:",
            "ForSomeValues:StringEquals",
            "ForAllValues:ForAllValues:StringEquals",
            "BinaryNotEquals",
            "",
        ];
        for operator in table {
            assert!(Condition::compile(operator, KEY, &["true"], true).is_none(), "{operator}");
        }
    }

    proptest! {
        #[test]
        fn any_condition_compiles_or_not_and_holds_or_not(
            operator in 0..OPERATORS.len(), prefix in 0..3_usize, suffix: bool,
            wanted in "[-0-9.:/*?${}ktT]{0,12}", found in "[-0-9.:/*?${}ktT]{0,12}",
        ) {
            let prefix = ["", "ForAllValues:", "ForAnyValue:"][prefix];
            let suffix = if suffix { "IfExists" } else { "" };
            let operator = format!("{prefix}{}{suffix}", OPERATORS[operator].0);
            let mut context = Context::new();
            set_attribute(&mut context, &found);
            if let Some(condition) = Condition::compile(&operator, KEY, &[&wanted], true) {
                let _either = condition.holds(&context);
            }
        }

        #[test]
        fn a_negated_operator_says_the_opposite_of_a_single_value(
            pair in 0..5_usize, wanted in "[ab*?]{1,4}", found in "[ab*?]{1,4}",
        ) {
            let (positive, negative) = [
                ("StringEquals", "StringNotEquals"),
                ("StringEqualsIgnoreCase", "StringNotEqualsIgnoreCase"),
                ("StringLike", "StringNotLike"),
                ("ArnLike", "ArnNotLike"),
                ("ArnEquals", "ArnNotEquals"),
            ][pair];
            let mut context = Context::new();
            set_attribute(&mut context, &found);
            let holds = |operator| {
                Condition::compile(operator, KEY, &[&wanted], true).unwrap().holds(&context)
            };
            prop_assert_ne!(holds(positive), holds(negative));
        }
    }
}
