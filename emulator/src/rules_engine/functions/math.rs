//! Functions of numbers. Anything that is no number, nor a string that looks like one, makes them
//! Undefined.
//!
//! Truth: <https://docs.aws.amazon.com/iot/latest/developerguide/iot-sql-functions.html>.

use crate::json::{Decimal, Json, Number, Rounding};

use super::super::conversions;
use super::super::evaluate::{Answer, Failure};
use super::super::operators;
use super::Call;

/// Defines functions of one number that count with doubles.
macro_rules! doubles {
    ($($name:ident $function:expr,)*) => {
        $(pub(super) fn $name(call: &Call<'_>) -> Answer {
            double(call, $function)
        })*
    };
}

//= https://docs.aws.amazon.com/iot/latest/developerguide/iot-sql-functions.html
//# these count with double precision; an imaginary result is Undefined
doubles! {
    acos f64::acos,
    asin f64::asin,
    atan f64::atan,
    cos f64::cos,
    cosh f64::cosh,
    exp f64::exp,
    ln f64::ln,
    log f64::log10,
    sin f64::sin,
    sinh f64::sinh,
    sqrt f64::sqrt,
    tan f64::tan,
    tanh f64::tanh,
}

fn double(call: &Call<'_>, function: fn(f64) -> f64) -> Answer {
    if !call.has(1) {
        return Ok(None);
    }
    Ok(call.number(0)?.and_then(|number| from_double(function(number.to_double()))))
}

fn from_double(value: f64) -> Option<Json> {
    Decimal::from_double(value).map(|value| Number::Decimal(value).into())
}

fn two_doubles(call: &Call<'_>, function: fn(f64, f64) -> f64) -> Answer {
    let (Some(first), Some(second)) = (call.number(0)?, call.number(1)?) else { return Ok(None) };
    Ok(from_double(function(first.to_double(), second.to_double())))
}

pub(super) fn atan2(call: &Call<'_>) -> Answer {
    if call.has(2) { two_doubles(call, f64::atan2) } else { Ok(None) }
}

pub(super) fn power(call: &Call<'_>) -> Answer {
    if call.has(2) { two_doubles(call, f64::powf) } else { Ok(None) }
}

/// A function of one number that keeps all its digits.
fn exact(call: &Call<'_>, function: fn(Number) -> Number) -> Answer {
    if !call.has(1) {
        return Ok(None);
    }
    Ok(call.number(0)?.map(|number| function(number).into()))
}

pub(super) fn abs(call: &Call<'_>) -> Answer {
    exact(call, |number| match number {
        Number::Int(value) => Number::int(value.abs()),
        Number::Decimal(value) => Number::Decimal(value.abs()),
    })
}

pub(super) fn ceil(call: &Call<'_>) -> Answer {
    exact(call, |number| conversions::round(number, Rounding::Up))
}

pub(super) fn floor(call: &Call<'_>) -> Answer {
    exact(call, |number| conversions::round(number, Rounding::Down))
}

//= https://docs.aws.amazon.com/iot/latest/developerguide/iot-sql-functions.html
//# to the nearest Int; Round(1.5) is 2 and Round(-1.5) is -2
pub(super) fn round(call: &Call<'_>) -> Answer {
    exact(call, |number| conversions::round(number, Rounding::HalfUp))
}

pub(super) fn sign(call: &Call<'_>) -> Answer {
    exact(call, |number| {
        let value = number.to_decimal();
        let magnitude = i128::from(!value.is_zero());
        Number::Int(if value.is_negative() { -magnitude } else { magnitude })
    })
}

//= https://docs.aws.amazon.com/iot/latest/developerguide/iot-sql-functions.html
//# the places are rounded down and brought between 0 and 34; trailing zeros go
pub(super) fn trunc(call: &Call<'_>) -> Answer {
    //? assumed: the places may not be a string, as the guide's table has it
    let places = match call.value(1)? {
        Some(Json::Number(places)) if call.has(2) => places.to_decimal().rounded(Rounding::Down),
        _ => return Ok(None),
    };
    let places = match places.to_int() {
        Some(places) => u32::try_from(places.clamp(0, 34)).unwrap_or(34),
        None if places.is_negative() => 0,
        None => 34,
    };
    Ok(call.number(0)?.map(|number| match number {
        Number::Int(_) => number.into(),
        Number::Decimal(value) => conversions::whole(value.truncated(places)).into(),
    }))
}

pub(super) fn remainder(call: &Call<'_>) -> Answer {
    if !call.has(2) {
        return Ok(None);
    }
    let (left, right) = (call.value(0)?, call.value(1)?);
    Ok(left.and_then(|left| operators::remainder(&left, right.as_ref()?)))
}

//= https://docs.aws.amazon.com/iot/latest/developerguide/iot-sql-functions.html
//# the second argument stands in for Undefined and Null
pub(super) fn nanvl(call: &Call<'_>) -> Answer {
    if !call.has(2) {
        return Ok(None);
    }
    match call.value(0)? {
        None | Some(Json::Null) => call.value(1),
        value => Ok(value),
    }
}

pub(super) fn rand(call: &Call<'_>) -> Answer {
    // The 53 bits that a double between 0 and 1 has.
    let bits = call.evaluation.random_bits() >> 11;
    Ok(if call.has(0) { from_double(bits as f64 / (1u64 << 53) as f64) } else { None })
}

/// The argument at `index` rounded down to a whole number.
fn int(call: &Call<'_>, index: usize) -> Result<Option<i128>, Failure> {
    let number = call.number(index)?.map(|number| conversions::round(number, Rounding::Down));
    Ok(match number {
        Some(Number::Int(value)) => Some(value),
        _ => None,
    })
}

fn bits(call: &Call<'_>, combine: fn(i128, i128) -> i128) -> Answer {
    if !call.has(2) {
        return Ok(None);
    }
    let (Some(left), Some(right)) = (int(call, 0)?, int(call, 1)?) else { return Ok(None) };
    Ok(Some(Number::int(combine(left, right)).into()))
}

pub(super) fn bit_and(call: &Call<'_>) -> Answer {
    bits(call, |left, right| left & right)
}

pub(super) fn bit_or(call: &Call<'_>) -> Answer {
    bits(call, |left, right| left | right)
}

pub(super) fn bit_xor(call: &Call<'_>) -> Answer {
    bits(call, |left, right| left ^ right)
}

//= https://docs.aws.amazon.com/iot/latest/developerguide/iot-sql-functions.html
//# bitnot(13) is 2
//? assumed: so only the bits that the number has are turned over, and of a negative one all
pub(super) fn bit_not(call: &Call<'_>) -> Answer {
    if !call.has(1) {
        return Ok(None);
    }
    Ok(int(call, 0)?.map(|value| {
        let length = i128::BITS - value.leading_zeros();
        let all = if value < 0 { -1 } else { (1 << length) - 1 };
        Number::int(value ^ all).into()
    }))
}
