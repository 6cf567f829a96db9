//! `encode` and `decode`: the way for bytes that are no JSON into and out of SQL.
//!
//! Truth: <https://docs.aws.amazon.com/iot/latest/developerguide/binary-payloads.html>.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use crate::json::{Json, Numbers};

use super::super::evaluate::Answer;
use super::super::syntax::{Expression, Version};
use super::{Call, literal, text_answer};

//= https://docs.aws.amazon.com/iot/latest/developerguide/iot-sql-functions.html
//# `*` encodes the payload whatever it is; any other value becomes a string first
//? assumed: a scheme other than 'base64' makes it Undefined
pub(super) fn encode(call: &Call<'_>) -> Answer {
    if !call.has(2) || call.value(1)? != Some("base64".into()) {
        return Ok(None);
    }
    if call.is_all(0) && call.row.is_message {
        let payload = &call.evaluation.message.payload;
        call.evaluation.bounded(payload.len() * 4 / 3)?;
        return text_answer(STANDARD.encode(payload));
    }
    let Some(text) = call.text(0)? else { return Ok(None) };
    call.evaluation.bounded(text.len() * 4 / 3)?;
    text_answer(STANDARD.encode(text.as_bytes()))
}

/// Refuses what needs a protobuf descriptor from S3.
pub(super) fn check_decode(arguments: &[Expression]) -> Result<(), String> {
    match literal(arguments, 1) {
        Some("proto") => {
            Err("iot-emulator does not run the function 'decode' with 'proto' yet".to_owned())
        }
        _ => Ok(()),
    }
}

//= https://docs.aws.amazon.com/iot/latest/developerguide/iot-sql-functions.html
//# JSON becomes a value, other text a string; what cannot be decoded is Null
//? assumed: bytes that are not UTF-8 cannot be decoded
pub(super) fn decode(call: &Call<'_>) -> Answer {
    if !call.has(2) || call.value(1)? != Some("base64".into()) {
        return Ok(None);
    }
    let encoded = match call.value(0)? {
        Some(Json::String(text)) => text.trim().as_bytes().to_vec(),
        _ if call.is_all(0) && call.row.is_message => call.evaluation.message.payload.to_vec(),
        Some(_) => return Ok(Some(Json::Null)),
        None => return Ok(None),
    };
    call.evaluation.bounded(encoded.len())?;
    let Some(bytes) = STANDARD.decode(encoded).ok() else { return Ok(Some(Json::Null)) };
    let numbers = if call.evaluation.version == Version::V2015 {
        Numbers::AsWritten
    } else {
        Numbers::WholeAsInt
    };
    Ok(Some(match (Json::parse(&bytes, numbers), String::from_utf8(bytes)) {
        (Ok(value), _) => value,
        (Err(_), Ok(text)) => text.into(),
        (Err(_), Err(_)) => Json::Null,
    }))
}
