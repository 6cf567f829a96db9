//! From one type to another: the standard conversions, and `cast`, which does more.
//!
//! `None` is what AWS calls Undefined.
//! Truth: <https://docs.aws.amazon.com/iot/latest/developerguide/iot-sql-data-types.html>.

use crate::json::{Decimal, Json, Number, Rounding};

use super::syntax::CastTo;

//= https://docs.aws.amazon.com/iot/latest/developerguide/iot-sql-data-types.html
//# numbers are as they are, a string must look like a number, anything else is Undefined
/// The value as a number.
pub(super) fn to_number(value: &Json) -> Option<Number> {
    match value {
        Json::Number(number) => Some(*number),
        Json::String(text) => number_in(text),
        _ => None,
    }
}

/// What a string that looks like a number says: `^-?\d+(\.\d+)?((?i)E-?\d+)?$`.
fn number_in(text: &str) -> Option<Number> {
    if text.contains('+') { None } else { Number::parse(text) }
}

//= https://docs.aws.amazon.com/iot/latest/developerguide/iot-sql-data-types.html
//# a decimal goes to the nearest Int, a string is cut off at its decimal point
/// The value as a whole number.
pub(super) fn to_int(value: &Json) -> Option<i128> {
    match value {
        Json::Number(Number::Int(value)) => Some(*value),
        Json::Number(Number::Decimal(value)) => value.rounded(Rounding::HalfUp).to_int(),
        Json::String(text) => number_in(text)?.to_decimal().truncated(0).to_int(),
        _ => None,
    }
}

/// A number rounded to a whole one, which stays a decimal if it has more than 34 digits.
pub(super) fn round(number: Number, rounding: Rounding) -> Number {
    match number {
        Number::Int(_) => number,
        Number::Decimal(value) => whole(value.rounded(rounding)),
    }
}

/// A whole decimal as an `Int`.
pub(super) fn whole(value: Decimal) -> Number {
    value.to_int().map_or(Number::Decimal(value), Number::Int)
}

/// The value as a Boolean.
pub(super) fn to_boolean(value: &Json) -> Option<bool> {
    match value {
        Json::Boolean(value) => Some(*value),
        Json::String(text) if text.eq_ignore_ascii_case("true") => Some(true),
        Json::String(text) if text.eq_ignore_ascii_case("false") => Some(false),
        _ => None,
    }
}

//= https://docs.aws.amazon.com/iot/latest/developerguide/iot-sql-functions.html
//# like the standard conversions, but also between numbers and Booleans; an Int is rounded down
/// `cast(value as to)`; a cast to a string is made elsewhere, since a text can grow too long.
pub(super) fn cast(value: &Json, to: CastTo) -> Option<Json> {
    let number = || match value {
        Json::Boolean(value) => Some(Number::Int(i128::from(*value))),
        value => to_number(value),
    };
    match to {
        CastTo::Int => Some(round(number()?, Rounding::Down).into()),
        CastTo::Decimal => Some(number()?.into()),
        CastTo::Double => {
            Some(Number::Decimal(Decimal::from_double(number()?.to_double())?).into())
        }
        CastTo::Boolean => match value {
            Json::Number(number) => Some(Json::Boolean(!number.to_decimal().is_zero())),
            value => to_boolean(value).map(Json::Boolean),
        },
        CastTo::String => None,
    }
}
