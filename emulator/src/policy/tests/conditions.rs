//! What must be true of every condition operator, whatever its values.

use std::cmp::Ordering;
use std::net::IpAddr;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use proptest::prelude::*;

use super::super::condition::{Condition, Wanted};
use super::super::context::Context;
use super::super::operator::{OPERATORS, Operator};
use crate::time::Timestamp;

/// A key that may have several values.
const KEY: &str = "iot:ConnectAttributes";

/// A condition on [`KEY`], or nothing if a value is none for the operator.
fn condition(name: &str, wanted: &[&str]) -> Option<Condition> {
    let operator = Operator::parse(name).unwrap();
    let wanted = wanted.iter().map(|text| Wanted::compile(operator, text, true).ok());
    Some(Condition::new(name, operator, KEY, wanted.collect::<Option<_>>()?))
}

fn context(found: &[&str]) -> Context {
    let mut context = Context::new();
    context.set_connect_attributes_of_test(found);
    context
}

/// Whether `found`, all values of the key, satisfies the operator; no values are no key.
#[track_caller]
fn holds(name: &str, wanted: &[&str], found: &[&str]) -> bool {
    condition(name, wanted).unwrap().holds(&context(found))
}

fn strings(texts: &[String]) -> Vec<&str> {
    texts.iter().map(String::as_str).collect()
}

/// Operators with their opposites, and texts that both can read.
const OPPOSITES: [(&str, &str, &str); 7] = [
    ("StringEquals", "StringNotEquals", "[ab*?]{1,2}"),
    ("StringEqualsIgnoreCase", "StringNotEqualsIgnoreCase", "[abAB]{1,2}"),
    ("StringLike", "StringNotLike", "[ab*?]{1,2}"),
    ("ArnLike", "ArnNotLike", "arn:aws:iot:[ab*?]::[ab*?:]{1,2}"),
    ("NumericEquals", "NumericNotEquals", "-?[01](\\.[05])?"),
    ("DateEquals", "DateNotEquals", "203[01](-0[12])?"),
    ("IpAddress", "NotIpAddress", "10\\.0\\.0\\.[01]"),
];

fn opposites() -> impl Strategy<Value = (&'static str, &'static str, Vec<String>, Vec<String>)> {
    (0..OPPOSITES.len()).prop_flat_map(|index| {
        let (positive, negative, texts) = OPPOSITES[index];
        let some = prop::collection::vec(texts, 0..4);
        (Just(positive), Just(negative), some.clone(), some)
    })
}

proptest! {
    #[test]
    fn a_negated_operator_says_the_opposite_of_a_single_value(
        (positive, negative, wanted, found) in opposites(),
    ) {
        let wanted = strings(&wanted);
        for found in strings(&found) {
            prop_assert_ne!(holds(positive, &wanted, &[found]), holds(negative, &wanted, &[found]));
        }
    }

    #[test]
    fn what_all_values_are_none_of_them_is_not(
        (positive, negative, wanted, found) in opposites(),
    ) {
        let (wanted, found) = (strings(&wanted), strings(&found));
        let holds = |prefix: &str, name: &str| holds(&format!("{prefix}{name}"), &wanted, &found);
        let all = holds("ForAllValues:", positive);
        prop_assert_eq!(all, !holds("ForAnyValue:", negative));
        let none = holds("ForAllValues:", negative);
        prop_assert_eq!(none, !holds("ForAnyValue:", positive));
        if !found.is_empty() {
            prop_assert_eq!(holds("", positive), !none);
            prop_assert_eq!(holds("", negative), none);
        }
    }

    #[test]
    fn several_values_of_the_policy_are_one_or_the_other(
        (positive, negative, wanted, found) in opposites(),
    ) {
        let wanted = strings(&wanted);
        for found in strings(&found) {
            let any = wanted.iter().any(|wanted| holds(positive, &[wanted], &[found]));
            prop_assert_eq!(holds(positive, &wanted, &[found]), any);
            let all = wanted.iter().all(|wanted| holds(negative, &[wanted], &[found]));
            prop_assert_eq!(holds(negative, &wanted, &[found]), all);
        }
    }

    #[test]
    fn if_exists_says_nothing_of_a_key_that_does(
        (positive, negative, wanted, found) in opposites(), prefix in 0..3_usize,
    ) {
        let (wanted, found) = (strings(&wanted), strings(&found));
        for name in [positive, negative] {
            let name = format!("{}{name}", ["", "ForAllValues:", "ForAnyValue:"][prefix]);
            let with = holds(&format!("{name}IfExists"), &wanted, &found);
            let without = holds(&name, &wanted, &found);
            prop_assert_eq!(with, without || found.is_empty(), "{}", name);
        }
    }

    #[test]
    fn numbers_compare_as_numbers(a in any::<i64>(), b in any::<i64>(), places in 0..4_usize) {
        let spelt = |number: i64, places: usize| match places {
            0 => number.to_string(),
            places => format!("{number}.{}", "0".repeat(places)),
        };
        let (wanted, found) = (spelt(a, places), spelt(b, 3 - places.min(3)));
        compares("Numeric", &wanted, &found, b.cmp(&a));
    }

    #[test]
    fn decimals_compare_by_their_digits(a in 0..1_000_000_u32, b in 0..1_000_000_u32) {
        let spelt = |number: u32| format!("{}.{:03}", number / 1000, number % 1000);
        compares("Numeric", &spelt(a), &spelt(b), b.cmp(&a));
        compares("Numeric", &format!("-{}", spelt(a)), &format!("-{}", spelt(b)), a.cmp(&b));
    }

    #[test]
    fn dates_compare_as_moments_in_whatever_form(
        a in -62_135_596_800_i64..253_402_300_000, b in -62_135_596_800_i64..253_402_300_000,
        form in 0..3_usize,
    ) {
        let spelt = |seconds: i64, form: usize| match form {
            // Four digits would be a year.
            0 if seconds.abs() > 9999 => seconds.to_string(),
            1 => Timestamp::from_seconds(seconds).format("%Y-%m-%dT%H:%M:%S.000+00:00"),
            _ => Timestamp::from_seconds(seconds).format("%Y-%m-%dT%H:%M:%SZ"),
        };
        compares("Date", &spelt(a, form), &spelt(b, 2 - form), b.cmp(&a));
        compares("Date", &spelt(a, form), &spelt(a, 2 - form), Ordering::Equal);
    }

    #[test]
    fn a_block_of_addresses_is_what_the_mask_leaves(
        network in any::<u32>(), address in any::<u32>(), bits in 0..=32_u32, near: bool,
    ) {
        let mask = u32::MAX.checked_shl(32 - bits).unwrap_or(0);
        let address = if near { (network & mask) | (address & !mask) } else { address };
        let block = format!("{}/{bits}", IpAddr::from(network.to_be_bytes()));
        let found = IpAddr::from(address.to_be_bytes()).to_string();
        let inside = network & mask == address & mask;
        prop_assert_eq!(holds("IpAddress", &[&block], &[&found]), inside);
        prop_assert_eq!(holds("NotIpAddress", &[&block], &[&found]), !inside);
    }

    #[test]
    fn a_block_of_ipv6_addresses_is_what_the_mask_leaves(
        network in any::<u128>(), address in any::<u128>(), bits in 0..=128_u32,
    ) {
        let mask = u128::MAX.checked_shl(128 - bits).unwrap_or(0);
        let near = (network & mask) | (address & !mask);
        let block = format!("{}/{bits}", IpAddr::from(network.to_be_bytes()));
        for address in [address, near] {
            let found = IpAddr::from(address.to_be_bytes());
            let inside = network & mask == address & mask;
            prop_assume!(!found.to_canonical().is_ipv4());
            prop_assert_eq!(holds("IpAddress", &[&block], &[&found.to_string()]), inside);
        }
    }

    #[test]
    fn each_of_the_six_parts_of_an_arn_is_compared_by_itself(
        parts in prop::collection::vec("[a-c]{1,3}", 6), at in 0..6_usize, other in "[d-f]{1,3}",
    ) {
        let arn = parts.join(":");
        let with = |text: &str| {
            let mut parts = parts.clone();
            parts[at] = text.to_owned();
            parts.join(":")
        };
        for name in ["ArnEquals", "ArnLike"] {
            prop_assert!(holds(name, &[&arn], &[&arn]));
            prop_assert!(!holds(name, &[&arn], &[&with(&other)]));
            prop_assert!(!holds(name, &[&arn], &[&arn.to_uppercase()]));
            prop_assert!(holds(name, &[&with("*")], &[&with(&other)]));
            prop_assert!(holds(name, &[&with(&"?".repeat(other.len()))], &[&with(&other)]));
            // Only the resource has colons of its own.
            prop_assert_eq!(holds(name, &[&with("*")], &[&with("x:y")]), at == 5);
        }
    }

    #[test]
    fn binary_values_are_compared_as_bytes(wanted in any::<String>(), found in any::<String>()) {
        let policy = STANDARD.encode(&wanted);
        prop_assert!(holds("BinaryEquals", &[&policy], &[&wanted]));
        prop_assert_eq!(holds("BinaryEquals", &[&policy], &[&found]), wanted == found);
    }

    #[test]
    fn texts_are_equal_as_they_are_or_without_their_case(text in "[a-zA-Z0-9*?/é]{0,8}") {
        let upper = text.to_uppercase();
        prop_assert!(holds("StringEquals", &[&text], &[&text]));
        prop_assert!(holds("StringEqualsIgnoreCase", &[&text], &[&upper]));
        prop_assert_eq!(holds("StringEquals", &[&text], &[&upper]), text == upper);
        let (within, around) = (format!("*{text}*"), format!("x{text}y"));
        prop_assert!(holds("StringLike", &[&within], &[&around]));
    }

    #[test]
    fn any_condition_compiles_or_not_and_holds_or_not(
        operator in 0..OPERATORS.len(), prefix in 0..3_usize, suffix: bool,
        wanted in "[-0-9.:/*?${}ktT=]{0,12}", found in "[-0-9.:/*?${}ktT=]{0,12}",
    ) {
        let prefix = ["", "ForAllValues:", "ForAnyValue:"][prefix];
        let suffix = if suffix { "IfExists" } else { "" };
        let name = format!("{prefix}{}{suffix}", OPERATORS[operator].0);
        if Operator::parse(&name).is_ok()
            && let Some(condition) = condition(&name, &[&wanted])
        {
            let _either = condition.holds(&context(&[&found]));
        }
    }
}

/// Each operator of the family says what `ordering`, of the found to the wanted, makes true.
#[track_caller]
fn compares(family: &str, wanted: &str, found: &str, ordering: Ordering) {
    let table = [
        ("Equals", ordering.is_eq()),
        ("NotEquals", ordering.is_ne()),
        ("LessThan", ordering.is_lt()),
        ("LessThanEquals", ordering.is_le()),
        ("GreaterThan", ordering.is_gt()),
        ("GreaterThanEquals", ordering.is_ge()),
    ];
    for (relation, expected) in table {
        let name = format!("{family}{relation}");
        assert_eq!(holds(&name, &[wanted], &[found]), expected, "{found} {name} {wanted}");
    }
}

#[test]
fn numbers_beyond_a_double_are_told_apart() {
    compares("Numeric", "9007199254740992", "9007199254740993", Ordering::Greater);
    compares("Numeric", "0.1", "0.10000000000000000001", Ordering::Greater);
    compares("Numeric", "1e3", "1000.0", Ordering::Equal);
    compares("Numeric", "-0", "0", Ordering::Equal);
}

#[test]
fn a_found_value_that_cannot_be_read_matches_nothing() {
    let table = [("Numeric", "1", "one"), ("Date", "2030", "tomorrow")];
    for (family, wanted, found) in table {
        for relation in ["Equals", "LessThan", "LessThanEquals", "GreaterThan"] {
            assert!(!holds(&format!("{family}{relation}"), &[wanted], &[found]));
        }
        assert!(holds(&format!("{family}NotEquals"), &[wanted], &[found]));
    }
    assert!(!holds("Bool", &["false"], &["no"]));
    assert!(!holds("IpAddress", &["0.0.0.0/0"], &["here"]));
    assert!(holds("NotIpAddress", &["0.0.0.0/0"], &["here"]));
}

#[test]
fn no_values_of_the_policy_match_nothing() {
    for (name, comparison, negated) in OPERATORS {
        let expected = negated;
        assert_eq!(holds(name, &[], &["a"]), expected, "{name} {comparison:?}");
        if name != "Null" {
            assert_eq!(holds(&format!("ForAllValues:{name}"), &[], &["a"]), expected);
            assert_eq!(holds(&format!("ForAnyValue:{name}"), &[], &["a"]), expected);
            assert!(holds(&format!("ForAllValues:{name}"), &[], &[]));
            assert!(!holds(&format!("ForAnyValue:{name}"), &[], &[]));
        }
    }
}

#[test]
fn null_asks_for_the_key_and_not_for_its_value() {
    let table: &[(&[&str], &[&str], bool)] = &[
        (&["true"], &[], true),
        (&["true"], &[""], false),
        (&["false"], &[], false),
        (&["FALSE"], &["true"], true),
        (&["true", "false"], &[], true),
        (&["true", "false"], &["a"], true),
    ];
    for (wanted, found, expected) in table {
        assert_eq!(holds("Null", wanted, found), *expected, "{wanted:?} {found:?}");
    }
}

#[test]
fn only_texts_and_arns_take_variables() {
    for (name, ..) in OPERATORS {
        let takes = name.starts_with("String") || name.starts_with("Arn");
        assert_eq!(condition(name, &["${iot:ClientId}"]).is_some(), takes, "{name}");
    }
    let fault = Wanted::compile(Operator::parse("Bool").unwrap(), "${a}", true).unwrap_err();
    assert_eq!(
        fault,
        "`${a}` is neither true nor false; only String and Arn operators take variables"
    );
}

#[test]
fn an_ipv4_block_written_as_ipv6_is_one() {
    assert!(holds("IpAddress", &["::ffff:10.0.0.0/104"], &["10.1.2.3"]));
    assert!(!holds("IpAddress", &["::ffff:10.0.0.0/104"], &["11.1.2.3"]));
    assert!(holds("IpAddress", &["::ffff:10.0.0.7"], &["10.0.0.7"]));
}
