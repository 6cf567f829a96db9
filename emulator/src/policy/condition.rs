//! One condition of a statement: an operator, a key, and the values that it is held against.
//!
//! It decides when a condition holds. A statement's conditions must all hold.
//! Truth:
//! <https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_elements_condition_operators.html>
//! and, for sets of values,
//! <https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_condition-single-vs-multi-valued-context-keys.html>.

use std::cmp::Ordering;
use std::net::IpAddr;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::context::Context;
use super::malformed::quoted;
use super::moment;
use super::network::Network;
use super::operator::{Comparison, Operator, Quantifier, Relation};
use super::pattern::{Meaning, Pattern, end_of};
use super::variable::Variable;
use crate::json::{Decimal, Number};
use crate::time::Timestamp;

/// A condition, compiled.
#[derive(Debug)]
pub(super) struct Condition {
    name: Box<str>,
    operator: Operator,
    key: Variable,
    wanted: Box<[Wanted]>,
}

/// A value of the policy.
#[derive(Debug)]
pub(super) struct Wanted {
    pattern: Pattern,
    read: Read,
}

/// What a value says to its operator.
#[derive(Debug)]
enum Read {
    /// The pattern is what counts.
    Text,
    /// The six parts of an ARN, or fewer.
    Arn(Box<[Pattern]>),
    Number(Decimal),
    Date(Timestamp),
    Bool(bool),
    Binary(Box<[u8]>),
    Network(Network),
}

impl Condition {
    /// `{name: {key: wanted}}`, where `operator` is what the name says.
    pub(super) fn new(name: &str, operator: Operator, key: &str, wanted: Vec<Wanted>) -> Self {
        Self { name: name.into(), operator, key: Variable::new(key), wanted: wanted.into() }
    }

    /// As the policy names it: `ForAnyValue:StringEquals`.
    pub(super) fn operator(&self) -> &str {
        &self.name
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
        let Operator { quantifier, if_exists, negated, comparison } = self.operator;
        let values = context.values(&self.key);
        if comparison == Comparison::Null {
            let absent = values.is_none();
            return self
                .wanted
                .iter()
                .any(|wanted| matches!(wanted.read, Read::Bool(it) if it == absent));
        }
        let Some(mut values) = values else {
            return match quantifier {
                Quantifier::Single => if_exists || negated,
                Quantifier::All => true,
                Quantifier::Any => if_exists,
            };
        };
        let mut satisfied = |value: &str| self.satisfied_by(value, context);
        match (quantifier, negated) {
            (Quantifier::All, _) | (Quantifier::Single, true) => values.all(&mut satisfied),
            (Quantifier::Any, _) | (Quantifier::Single, false) => values.any(&mut satisfied),
        }
    }

    //= https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_variables.html
    //# negated operators match where the policy's value is a variable without a value
    /// Several values of the policy count as one or the other; negated, as neither the one nor
    /// the other.
    fn satisfied_by(&self, value: &str, context: &Context) -> bool {
        let Operator { comparison, negated, .. } = self.operator;
        self.wanted.iter().any(|wanted| wanted.matches(comparison, value, context)) != negated
    }
}

impl Wanted {
    /// Compiles a value for `operator`, or says why it can be none.
    pub(super) fn compile(operator: Operator, text: &str, variables: bool) -> Result<Self, String> {
        let comparison = operator.comparison;
        let wildcards = matches!(comparison, Comparison::Like | Comparison::Arn);
        let meaning = Meaning { wildcards, variables: variables && takes_variables(comparison) };
        let pattern = Pattern::compile(text, meaning);
        let read = Read::parse(comparison, text, meaning)?;
        Ok(Self { pattern, read })
    }

    fn matches(&self, comparison: Comparison, value: &str, context: &Context) -> bool {
        match (&self.read, comparison) {
            (Read::Text, Comparison::EqualIgnoringCase) => {
                self.pattern.matches_ignoring_case(value, context)
            }
            (Read::Text, _) => self.pattern.matches(value, context),
            (Read::Arn(parts), _) => arn_matches(parts, value, context),
            (Read::Number(wanted), Comparison::Number(relation)) => {
                number(value).is_some_and(|found| relation.fits(found.compare(*wanted)))
            }
            (Read::Date(wanted), Comparison::Date(relation)) => {
                moment::parse(value).is_some_and(|found| relation.fits(found.cmp(wanted)))
            }
            (Read::Bool(wanted), _) => flag(value) == Some(*wanted),
            (Read::Binary(wanted), _) => **wanted == *value.as_bytes(),
            (Read::Network(network), _) => {
                value.parse::<IpAddr>().is_ok_and(|address| network.contains(address))
            }
            (Read::Number(_) | Read::Date(_), _) => false,
        }
    }
}

//= https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_variables.html
//# variables stand in values of the string and the ARN operators, and of no others
fn takes_variables(comparison: Comparison) -> bool {
    use Comparison::{Arn, Equal, EqualIgnoringCase, Like};
    matches!(comparison, Equal | EqualIgnoringCase | Like | Arn)
}

impl Read {
    //? assumed: a value that its operator cannot read makes the document malformed
    fn parse(comparison: Comparison, text: &str, meaning: Meaning) -> Result<Self, String> {
        let (read, expected) = match comparison {
            Comparison::Equal | Comparison::EqualIgnoringCase | Comparison::Like => {
                return Ok(Self::Text);
            }
            Comparison::Arn => return Ok(Self::Arn(arn_parts(text, meaning))),
            Comparison::Number(_) => (number(text).map(Self::Number), "no number"),
            Comparison::Date(_) => (
                moment::parse(text).map(Self::Date),
                "neither a date of ISO 8601 nor seconds since 1970",
            ),
            Comparison::Bool | Comparison::Null => {
                (flag(text).map(Self::Bool), "neither true nor false")
            }
            Comparison::Binary => {
                (STANDARD.decode(text).ok().map(|bytes| Self::Binary(bytes.into())), "no base64")
            }
            Comparison::Ip => (
                Network::parse(text).map(Self::Network),
                "neither an IP address nor a block of them",
            ),
        };
        read.ok_or_else(|| {
            let variables = match text.contains("${") {
                true => "; only String and Arn operators take variables",
                false => "",
            };
            format!("{} is {expected}{variables}", quoted(text))
        })
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

//= https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_elements_condition_operators.html
//# an integer or a decimal
//? assumed: it is written as JSON writes it, and compared by its first 34 digits
fn number(text: &str) -> Option<Decimal> {
    Number::parse(text).map(Number::to_decimal)
}

/// arn:partition:service:region:account:resource
const ARN_PARTS: usize = 6;

fn flag(text: &str) -> Option<bool> {
    let words = [("true", true), ("false", false)];
    words.into_iter().find(|(word, _)| text.eq_ignore_ascii_case(word)).map(|(_, flag)| flag)
}

//= https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_elements_condition_operators.html
//# each of the six parts of an ARN is compared by itself, wildcards and all; Equals is Like here
fn arn_parts(text: &str, meaning: Meaning) -> Box<[Pattern]> {
    let mut parts = Vec::new();
    let mut rest = text;
    while parts.len() < ARN_PARTS - 1
        && let Some(colon) = colon_outside_variables(rest)
    {
        parts.push(Pattern::compile(rest.get(..colon).unwrap_or_default(), meaning));
        rest = rest.get(colon + 1..).unwrap_or_default();
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
        let inner = open + "${".len();
        match rest.get(inner..).and_then(|inner| end_of(inner, '}')) {
            Some(close) => from += inner + close + 1,
            None => return Some(from + colon),
        }
    }
}

//? assumed: `*` alone matches any value; another pattern with fewer parts than the value matches
//? it not, so that no `*` reaches from one part into the next
fn arn_matches(parts: &[Pattern], value: &str, context: &Context) -> bool {
    if let [whole] = parts
        && whole.text() == "*"
    {
        return true;
    }
    let found = value.splitn(ARN_PARTS, ':');
    found.clone().count() == parts.len()
        && parts.iter().zip(found).all(|(part, found)| part.matches(found, context))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_colon_within_a_variable_parts_nothing() {
        let table = [
            ("a:b", Some(1)),
            ("${iot:ClientId}:b", Some(15)),
            ("${iot:ClientId}", None),
            ("${iot:ClientId", Some(5)),
            ("${iot:ClientId, 'a:}'}:b", Some(22)),
            ("", None),
        ];
        for (text, colon) in table {
            assert_eq!(colon_outside_variables(text), colon, "{text}");
        }
    }
}
