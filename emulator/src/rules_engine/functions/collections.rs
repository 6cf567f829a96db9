//! Functions that look at what a value is, or into it.
//!
//! Truth: <https://docs.aws.amazon.com/iot/latest/developerguide/iot-sql-functions.html>.

use std::sync::Arc;

use crate::json::Json;

use super::super::conversions;
use super::super::evaluate::{Answer, Failure};
use super::super::syntax::Expression;
use super::{Call, literal};

//= https://docs.aws.amazon.com/iot/latest/developerguide/iot-sql-functions.html
//# the array that transform answers has at most 128 KiB
const TRANSFORMED_BYTES: usize = 128 * 1024;

pub(super) fn is_null(call: &Call<'_>) -> Answer {
    if !call.has(1) {
        return Ok(None);
    }
    Ok(Some((call.value(0)? == Some(Json::Null)).into()))
}

pub(super) fn is_undefined(call: &Call<'_>) -> Answer {
    if !call.has(1) {
        return Ok(None);
    }
    Ok(Some(call.value(0)?.is_none().into()))
}

//= https://docs.aws.amazon.com/iot/latest/developerguide/iot-sql-functions.html
//# an index counts from 0 and is converted to an Int; a member's name must be a string
pub(super) fn get(call: &Call<'_>) -> Answer {
    if !call.has(2) {
        return Ok(None);
    }
    let (Some(collection), Some(key)) = (call.value(0)?, call.value(1)?) else { return Ok(None) };
    let index = || conversions::to_int(&key).and_then(|index| usize::try_from(index).ok());
    Ok(match &collection {
        Json::Object(object) => key.as_str().and_then(|name| object.get(name)).cloned(),
        Json::Array(elements) => index().and_then(|index| elements.get(index)).cloned(),
        Json::String(text) => {
            call.evaluation.charge(text.len())?;
            let character = index().and_then(|index| text.chars().nth(index));
            character.map(|character| character.to_string().into())
        }
        _ => None,
    })
}

//= https://docs.aws.amazon.com/iot/latest/developerguide/iot-sql-functions.html
//# the second argument stands in for Null, for Undefined and for a failure
pub(super) fn get_or_default(call: &Call<'_>) -> Answer {
    if !call.has(1) && !call.has(2) {
        return Ok(None);
    }
    match call.value(0) {
        Ok(Some(value)) if value != Json::Null => Ok(Some(value)),
        _ => call.value(1),
    }
}

//= https://docs.aws.amazon.com/iot/latest/developerguide/iot-sql-set.html
//# a mode such as "enrichArray" cannot come from a variable
pub(super) fn check_transform(arguments: &[Expression]) -> Result<(), String> {
    match literal(arguments, 0) {
        Some(_) => Ok(()),
        None => Err("The mode of 'transform' must be a string literal".to_owned()),
    }
}

//= https://docs.aws.amazon.com/iot/latest/developerguide/iot-sql-functions.html
//# `enrichArray` adds the object's members behind those of each element
//? assumed: of two members of one name, the object's wins
pub(super) fn transform(call: &Call<'_>) -> Answer {
    if !call.has(3) || literal(call.arguments, 0) != Some("enrichArray") {
        return Ok(None);
    }
    let (Some(Json::Object(added)), Some(Json::Array(elements))) = (call.value(1)?, call.value(2)?)
    else {
        return Ok(None);
    };
    let mut enriched = Vec::with_capacity(elements.len());
    for element in elements.iter() {
        let Json::Object(members) = element else { return Ok(None) };
        call.evaluation.charge(32 * (members.len() + added.len()))?;
        let mut members = members.as_ref().clone();
        for (name, value) in added.iter() {
            members.insert(Arc::clone(name), value.clone());
        }
        enriched.push(Json::object(members));
    }
    let enriched = Json::array(enriched);
    match enriched.to_text_within(TRANSFORMED_BYTES) {
        Some(text) => call.evaluation.charge(text.len()).map(|()| Some(enriched)),
        None => Err(Failure("'transform' makes more than 128 KiB".to_owned())),
    }
}
