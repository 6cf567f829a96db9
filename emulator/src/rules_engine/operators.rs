//! The operators between two values. `None` is what AWS calls Undefined.
//!
//! Truth: <https://docs.aws.amazon.com/iot/latest/developerguide/iot-sql-operators.html>.

use std::cmp::Ordering;

use crate::json::{Decimal, Json, Number};

use super::conversions::{to_boolean, to_number};
use super::evaluate::{Answer, Evaluation, Failure};
use super::syntax::Operator;

/// `left operator right`.
pub(super) fn apply(
    evaluation: &Evaluation<'_>,
    operator: Operator,
    left: Option<&Json>,
    right: Option<&Json>,
) -> Answer {
    //= https://docs.aws.amazon.com/iot/latest/developerguide/iot-sql-operators.html
    //# no operator makes anything of Undefined
    let (Some(left), Some(right)) = (left, right) else { return Ok(None) };
    Ok(match operator {
        Operator::And => booleans(left, right, |left, right| left && right),
        Operator::Or => booleans(left, right, |left, right| left || right),
        Operator::Equal => Some(equal(evaluation, left, right)?.into()),
        Operator::NotEqual => Some((!equal(evaluation, left, right)?).into()),
        Operator::Greater => order(left, right, Ordering::is_gt),
        Operator::GreaterOrEqual => order(left, right, Ordering::is_ge),
        Operator::Less => order(left, right, Ordering::is_lt),
        Operator::LessOrEqual => order(left, right, Ordering::is_le),
        Operator::In => contains(evaluation, right, left)?,
        Operator::Add => return add(evaluation, left, right),
        Operator::Subtract => arithmetic(left, right, i128::checked_sub, Decimal::sub),
        Operator::Multiply => arithmetic(left, right, i128::checked_mul, Decimal::mul),
        Operator::Divide => arithmetic(left, right, i128::checked_div, Decimal::div),
        Operator::Remainder => remainder(left, right),
    })
}

fn booleans(left: &Json, right: &Json, combine: fn(bool, bool) -> bool) -> Option<Json> {
    Some(combine(to_boolean(left)?, to_boolean(right)?).into())
}

//= https://docs.aws.amazon.com/iot/latest/developerguide/iot-sql-operators.html
//# both sides become decimals, or the answer is Undefined
fn order(left: &Json, right: &Json, wanted: fn(Ordering) -> bool) -> Option<Json> {
    Some(wanted(to_number(left)?.cmp(&to_number(right)?)).into())
}

//= https://docs.aws.amazon.com/iot/latest/developerguide/iot-sql-operators.html
//# only like types can be equal; the order of an object's members does not matter
/// Whether the two are equal.
pub(super) fn equal(
    evaluation: &Evaluation<'_>,
    left: &Json,
    right: &Json,
) -> Result<bool, Failure> {
    evaluation.charge(0)?;
    match (left, right) {
        (Json::String(left), Json::String(right)) => {
            evaluation.charge(left.len().min(right.len()))?;
            Ok(left == right)
        }
        (Json::Array(left), Json::Array(right)) => {
            if left.len() != right.len() {
                return Ok(false);
            }
            for (left, right) in left.iter().zip(right.iter()) {
                if !equal(evaluation, left, right)? {
                    return Ok(false);
                }
            }
            Ok(true)
        }
        (Json::Object(left), Json::Object(right)) => {
            if left.len() != right.len() {
                return Ok(false);
            }
            for (name, left) in left.iter() {
                match right.get(name) {
                    Some(right) if equal(evaluation, left, right)? => {}
                    _ => return Ok(false),
                }
            }
            Ok(true)
        }
        (left, right) => Ok(left == right),
    }
}

//= https://docs.aws.amazon.com/iot/latest/developerguide/iot-sql-operators.html
//# `value IN array` is true if an element equals the value
//? assumed: IN over anything but an array is Undefined
fn contains(evaluation: &Evaluation<'_>, array: &Json, value: &Json) -> Answer {
    let Json::Array(elements) = array else { return Ok(None) };
    for element in elements.iter() {
        if equal(evaluation, element, value)? {
            return Ok(Some(true.into()));
        }
    }
    Ok(Some(false.into()))
}

//= https://docs.aws.amazon.com/iot/latest/developerguide/iot-sql-operators.html
//# `+` joins texts as soon as one side is a string
fn add(evaluation: &Evaluation<'_>, left: &Json, right: &Json) -> Answer {
    if matches!(left, Json::String(_)) || matches!(right, Json::String(_)) {
        let (left, right) = (evaluation.to_text(left)?, evaluation.to_text(right)?);
        let (Some(left), Some(right)) = (left, right) else { return Ok(None) };
        evaluation.bounded(left.len() + right.len())?;
        return Ok(Some([left, right].concat().into()));
    }
    Ok(arithmetic(left, right, i128::checked_add, Decimal::add))
}

//= https://docs.aws.amazon.com/iot/latest/developerguide/iot-sql-operators.html
//# two Ints make an Int, a division among them; anything else makes a Decimal
//? assumed: an Int division is cut off towards zero, as in Java; the guide's SET page shows 23.89
//? for (75 - 32) * 5 / 9, its SELECT page 10 for (50 - 32) * 5 / 9
fn arithmetic(
    left: &Json,
    right: &Json,
    ints: fn(i128, i128) -> Option<i128>,
    decimals: fn(Decimal, Decimal) -> Option<Decimal>,
) -> Option<Json> {
    let (left_number, right_number) = (to_number(left)?, to_number(right)?);
    if let (Json::Number(Number::Int(left)), Json::Number(Number::Int(right))) = (left, right)
        && let Some(value) = ints(*left, *right)
    {
        return Some(Number::int(value).into());
    }
    let value = decimals(left_number.to_decimal(), right_number.to_decimal())?;
    Some(Number::Decimal(value).into())
}

/// What is left of a division: `%`, `mod` and `remainder`.
pub(super) fn remainder(left: &Json, right: &Json) -> Option<Json> {
    arithmetic(left, right, i128::checked_rem, Decimal::rem)
}

//? assumed: a sign may stand before any number, not only before a literal
/// The value with the other sign.
pub(super) fn negative(value: &Json) -> Option<Json> {
    Some(match to_number(value)? {
        Number::Int(value) => Number::int(-value).into(),
        Number::Decimal(value) => Number::Decimal(value.negated()).into(),
    })
}
