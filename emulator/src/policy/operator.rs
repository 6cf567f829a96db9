//! The operator of a condition by its name: `ForAnyValue:StringLikeIfExists`.
//!
//! It decides which operators there are, and what each compares. How two values compare is for
//! [`condition`] to say.
//! Truth:
//! <https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_elements_condition_operators.html>.
//!
//! [`condition`]: super::condition

use super::malformed::near_miss;

/// An operator, taken apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Operator {
    pub(super) quantifier: Quantifier,
    pub(super) if_exists: bool,
    /// It asks for the opposite of its comparison.
    pub(super) negated: bool,
    pub(super) comparison: Comparison,
}

/// How the several values of a key count.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Quantifier {
    /// No prefix.
    Single,
    /// `ForAllValues:`
    All,
    /// `ForAnyValue:`
    Any,
}

/// What an operator compares.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Comparison {
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
pub(super) enum Relation {
    Equal,
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
}

/// Every operator by the name it has without prefix and suffix: what it compares, and whether it
/// asks for the opposite.
pub(super) const OPERATORS: [(&str, Comparison, bool); 27] = [
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

const QUANTIFIERS: [(&str, Quantifier); 3] = [
    ("ForAllValues:", Quantifier::All),
    ("ForAnyValue:", Quantifier::Any),
    ("", Quantifier::Single),
];

const IF_EXISTS: &str = "IfExists";

impl Operator {
    //= https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_elements_condition_operators.html
    //# IfExists can stand at the end of any operator but Null
    //? assumed: neither can Null have a prefix; the names mind their case
    /// Takes `name` apart, or says what is wrong with it.
    pub(super) fn parse(name: &str) -> Result<Self, String> {
        let prefixed = QUANTIFIERS.iter().find_map(|(prefix, quantifier)| {
            name.strip_prefix(prefix).map(|rest| (rest, *quantifier))
        });
        let (rest, quantifier) = prefixed.unwrap_or((name, Quantifier::Single));
        let (rest, if_exists) = match rest.strip_suffix(IF_EXISTS) {
            Some(rest) => (rest, true),
            None => (rest, false),
        };
        let known = OPERATORS.iter().find(|(known, ..)| *known == rest);
        let Some((_, comparison, negated)) = known.copied() else {
            return Err(format!("no such operator{}", near_miss(name, every_name())));
        };
        if comparison == Comparison::Null && (if_exists || quantifier != Quantifier::Single) {
            return Err("Null has neither a prefix nor IfExists".to_owned());
        }
        Ok(Self { quantifier, if_exists, negated, comparison })
    }
}

/// Each operator with each prefix, with and without `IfExists`; the plain ones first.
fn every_name() -> impl Iterator<Item = String> {
    let prefixes = QUANTIFIERS.iter().rev();
    let ends = prefixes.flat_map(|(prefix, _)| ["", IF_EXISTS].map(|suffix| (prefix, suffix)));
    ends.flat_map(|(prefix, suffix)| {
        OPERATORS.iter().filter_map(move |(name, comparison, _)| {
            let bare = prefix.is_empty() && suffix.is_empty();
            (bare || *comparison != Comparison::Null).then(|| format!("{prefix}{name}{suffix}"))
        })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_operator_is_read_with_its_prefix_and_suffix() {
        let names: Vec<String> = every_name().collect();
        assert_eq!(names.len(), 26 * 6 + 1);
        for name in names {
            let operator = Operator::parse(&name).unwrap();
            assert_eq!(operator.if_exists, name.ends_with("IfExists"), "{name}");
            assert_eq!(operator.negated, name.contains("Not"), "{name}");
            let (all, any) = (name.starts_with("ForAll"), name.starts_with("ForAny"));
            assert_eq!(operator.quantifier == Quantifier::All, all, "{name}");
            assert_eq!(operator.quantifier == Quantifier::Any, any, "{name}");
        }
    }

    #[test]
    fn an_operator_that_does_not_exist_is_refused_with_the_nearest() {
        let table = [
            ("stringEquals", "no such operator; StringEquals is one"),
            ("StringEqual", "no such operator; StringEquals is one"),
            ("NumericLessThanOrEquals", "no such operator; NumericLessThanEquals is one"),
            ("IPAddress", "no such operator; IpAddress is one"),
            ("ARNLIKE", "no such operator; ArnLike is one"),
            ("bool", "no such operator; Bool is one"),
            ("Boolean", "no such operator; Bool is one"),
            ("String", "no such operator; StringLike is one"),
            ("ForAllValue:StringLike", "no such operator; ForAllValues:StringLike is one"),
            (
                "ForAnyValues:StringEqualsIfExist",
                "no such operator; ForAnyValue:StringEqualsIfExists is one",
            ),
            ("StringEqualsIfExist", "no such operator; StringEqualsIfExists is one"),
            ("BinaryNotEquals", "no such operator"),
            ("IfExists", "no such operator"),
            ("ForAllValues:", "no such operator; ForAllValues:Bool is one"),
            ("ForAllValues:ForAllValues:StringEquals", "no such operator"),
            ("iot:ClientId", "no such operator"),
            ("", "no such operator"),
            ("NullIfExists", "Null has neither a prefix nor IfExists"),
            ("ForAllValues:Null", "Null has neither a prefix nor IfExists"),
        ];
        for (name, fault) in table {
            assert_eq!(Operator::parse(name), Err(fault.to_owned()), "{name}");
        }
    }
}
