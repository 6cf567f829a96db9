//! Functions of strings. What is no string becomes one by the standard conversions; Null and
//! Undefined make them Undefined.
//!
//! Truth: <https://docs.aws.amazon.com/iot/latest/developerguide/iot-sql-functions.html>.

use std::sync::Arc;

use crate::json::{Decimal, Json, Number, Rounding};

use super::super::conversions;
use super::super::evaluate::{Answer, Failure};
use super::{Call, text_answer};

/// A function of one string.
fn one(call: &Call<'_>, function: impl FnOnce(&str) -> Json) -> Answer {
    if !call.has(1) {
        return Ok(None);
    }
    Ok(call.text(0)?.map(|text| function(&text)))
}

/// A function of two strings.
fn two(call: &Call<'_>, function: impl FnOnce(&str, &str) -> Json) -> Answer {
    if !call.has(2) {
        return Ok(None);
    }
    let (Some(first), Some(second)) = (call.text(0)?, call.text(1)?) else { return Ok(None) };
    Ok(Some(function(&first, &second)))
}

fn count(length: usize) -> Json {
    Json::from(i64::try_from(length).unwrap_or(i64::MAX))
}

pub(super) fn lower(call: &Call<'_>) -> Answer {
    one(call, |text| text.to_lowercase().into())
}

pub(super) fn upper(call: &Call<'_>) -> Answer {
    one(call, |text| text.to_uppercase().into())
}

//= https://docs.aws.amazon.com/iot/latest/developerguide/iot-sql-functions.html
//# white space is tabs and spaces
pub(super) fn ltrim(call: &Call<'_>) -> Answer {
    one(call, |text| text.trim_start_matches([' ', '\t']).into())
}

pub(super) fn rtrim(call: &Call<'_>) -> Answer {
    one(call, |text| text.trim_end_matches([' ', '\t']).into())
}

pub(super) fn trim(call: &Call<'_>) -> Answer {
    one(call, |text| text.trim().into())
}

//? assumed: a character is a Unicode one, also where Java would count two
pub(super) fn length(call: &Call<'_>) -> Answer {
    one(call, |text| count(text.chars().count()))
}

pub(super) fn num_bytes(call: &Call<'_>) -> Answer {
    one(call, |text| count(text.len()))
}

pub(super) fn starts_with(call: &Call<'_>) -> Answer {
    two(call, |text, start| text.starts_with(start).into())
}

pub(super) fn ends_with(call: &Call<'_>) -> Answer {
    two(call, |text, end| text.ends_with(end).into())
}

//? assumed: -1 where the text is not found, as in Java
pub(super) fn index_of(call: &Call<'_>) -> Answer {
    two(call, |text, wanted| match text.find(wanted) {
        Some(at) => count(text[..at].chars().count()),
        None => Json::from(-1),
    })
}

//= https://docs.aws.amazon.com/iot/latest/developerguide/iot-sql-functions.html
//# the number is rounded down; what is no ASCII value makes it Undefined
pub(super) fn chr(call: &Call<'_>) -> Answer {
    if !call.has(1) {
        return Ok(None);
    }
    let code = call.number(0)?.map(|number| conversions::round(number, Rounding::Down));
    let Some(Number::Int(code)) = code else { return Ok(None) };
    let ascii = u8::try_from(code).ok().filter(u8::is_ascii);
    Ok(ascii.map(|ascii| char::from(ascii).to_string().into()))
}

//= https://docs.aws.amazon.com/iot/latest/developerguide/iot-sql-functions.html
//# arrays take in everything; otherwise one string makes all strings; concat(1) is "1"
//? assumed: two values or more of which none is an array or a string make it Undefined
pub(super) fn concat(call: &Call<'_>) -> Answer {
    let mut values = Vec::with_capacity(call.arguments.len());
    for index in 0..call.arguments.len() {
        values.push(call.value(index)?);
    }
    if values.iter().any(|value| matches!(value, Some(Json::Array(_)))) {
        return join_arrays(call, values);
    }
    let has_string = values.iter().any(|value| matches!(value, Some(Json::String(_))));
    if values.is_empty() || (values.len() > 1 && !has_string) {
        return Ok(None);
    }
    let mut joined = String::new();
    for value in values {
        let Some(value) = value else { return Ok(None) };
        let Some(text) = call.evaluation.to_text(&value)? else { return Ok(None) };
        call.evaluation.bounded(joined.len() + text.len())?;
        joined.push_str(&text);
    }
    text_answer(joined)
}

fn join_arrays(call: &Call<'_>, values: Vec<Option<Json>>) -> Answer {
    let mut joined = Vec::new();
    for value in values.into_iter().flatten() {
        match value {
            Json::Array(elements) => {
                // An element takes 16 bytes or more.
                call.evaluation.bounded(16 * (joined.len() + elements.len()))?;
                joined.extend(elements.iter().cloned());
            }
            value => joined.push(value),
        }
    }
    Ok(Some(Json::array(joined)))
}

//? assumed: an empty text to be replaced leaves all as it is
pub(super) fn replace(call: &Call<'_>) -> Answer {
    if !call.has(3) {
        return Ok(None);
    }
    let (Some(text), Some(from), Some(to)) = (call.text(0)?, call.text(1)?, call.text(2)?) else {
        return Ok(None);
    };
    if from.is_empty() {
        return text_answer(text);
    }
    let grown = text.matches(&*from).count().saturating_mul(to.len());
    call.evaluation.bounded(text.len().saturating_add(grown))?;
    text_answer(text.replace(&*from, &to))
}

/// The argument at `index` rounded down, and brought between 0 and `most`.
fn within(call: &Call<'_>, index: usize, most: usize) -> Result<Option<usize>, Failure> {
    let Some(number) = call.number(index)? else { return Ok(None) };
    let value = number.to_decimal().rounded(Rounding::Down);
    if value.is_negative() {
        return Ok(Some(0));
    }
    let most_decimal = Decimal::from_int(i128::try_from(most).unwrap_or(i128::MAX));
    if value.compare(most_decimal).is_ge() {
        return Ok(Some(most));
    }
    Ok(value.to_int().and_then(|value| usize::try_from(value).ok()))
}

//= https://docs.aws.amazon.com/iot/latest/developerguide/iot-sql-functions.html
//# as many spaces as the second argument says, between 0 and 1000
fn padding(call: &Call<'_>) -> Result<Option<(Arc<str>, String)>, Failure> {
    if !call.has(2) {
        return Ok(None);
    }
    let (Some(text), Some(spaces)) = (call.text(0)?, within(call, 1, 1000)?) else {
        return Ok(None);
    };
    call.evaluation.bounded(text.len() + spaces)?;
    Ok(Some((text, " ".repeat(spaces))))
}

pub(super) fn lpad(call: &Call<'_>) -> Answer {
    Ok(padding(call)?.map(|(text, spaces)| (spaces + &text).into()))
}

pub(super) fn rpad(call: &Call<'_>) -> Answer {
    Ok(padding(call)?.map(|(text, spaces)| (text.to_string() + &spaces).into()))
}

//= https://docs.aws.amazon.com/iot/latest/developerguide/iot-sql-functions.html
//# indexes are brought between 0 and the text's length; the second one is exclusive
pub(super) fn substring(call: &Call<'_>) -> Answer {
    if !call.has(2) && !call.has(3) {
        return Ok(None);
    }
    let Some(text) = call.text(0)? else { return Ok(None) };
    let Some(start) = within(call, 1, text.len())? else { return Ok(None) };
    let end = if call.has(3) { within(call, 2, text.len())? } else { Some(text.len()) };
    let Some(end) = end else { return Ok(None) };
    let characters = text.chars().skip(start).take(end.saturating_sub(start));
    text_answer(characters.collect::<String>())
}
