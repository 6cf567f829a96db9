//! `parse_time` and `time_to_epoch`: moments as texts, and back.
//!
//! The first writes by the patterns of Joda-Time, the second reads by those of `java.time`; they
//! look alike and differ in what some letters mean.
//! Truth: <https://docs.aws.amazon.com/iot/latest/developerguide/iot-sql-functions.html>.

mod pattern;
mod reading;
mod writing;
mod zone;

use jiff::Timestamp;

use super::super::conversions;
use super::super::evaluate::Answer;
use super::super::syntax::Expression;
use super::{Call, literal, text_answer};

/// What it costs to look up a time zone.
const ZONE_WORK: usize = 4096;

/// Refuses a pattern that is known before any message and that nothing could be written by.
pub(super) fn check_parse_time(arguments: &[Expression]) -> Result<(), String> {
    let Some(text) = literal(arguments, 0) else { return Ok(()) };
    let checked = pattern::parse(text).and_then(|parts| writing::check(&parts));
    checked.map_err(|why| format!("Pattern '{text}' of 'parse_time' {why}"))
}

//= https://docs.aws.amazon.com/iot/latest/developerguide/iot-sql-functions.html
//# a pattern of Joda-Time, milliseconds since 1970, and a time zone that is UTC if left out
pub(super) fn parse_time(call: &Call<'_>) -> Answer {
    if !call.has(2) && !call.has(3) {
        return Ok(None);
    }
    let Some(text) = call.text(0)? else { return Ok(None) };
    let milliseconds = call.value(1)?.as_ref().and_then(conversions::to_int);
    let moment = milliseconds
        .and_then(|milliseconds| i64::try_from(milliseconds).ok())
        .and_then(|milliseconds| Timestamp::from_millisecond(milliseconds).ok());
    let Some(moment) = moment else { return Ok(None) };
    let zone = match call.has(3) {
        true => call.text(2)?,
        false => Some("UTC".into()),
    };
    call.evaluation.charge(ZONE_WORK)?;
    let Some(zone) = zone.as_deref().and_then(zone::named) else {
        call.evaluation.note("parse_time: the time zone is not known");
        return Ok(None);
    };
    let written = pattern::parse(&text)
        .and_then(|parts| writing::check(&parts).map(|()| parts))
        .map(|parts| writing::write(&parts, moment, &zone));
    match written {
        Ok(written) => {
            call.evaluation.bounded(written.len())?;
            text_answer(written)
        }
        Err(why) => {
            call.evaluation.note(format!("parse_time: the pattern {why}"));
            Ok(None)
        }
    }
}

/// Refuses a pattern that is known before any message and that nothing could be read by.
pub(super) fn check_time_to_epoch(arguments: &[Expression]) -> Result<(), String> {
    let Some(text) = literal(arguments, 1) else { return Ok(()) };
    let checked = pattern::parse(text).and_then(|parts| reading::check(&parts));
    checked.map_err(|why| format!("Pattern '{text}' of 'time_to_epoch' {why}"))
}

//= https://docs.aws.amazon.com/iot/latest/developerguide/iot-sql-functions.html
//# a text and the pattern of java.time that it follows; UTC where the text names no time zone
pub(super) fn time_to_epoch(call: &Call<'_>) -> Answer {
    if !call.has(2) {
        return Ok(None);
    }
    let (Some(text), Some(pattern)) = (call.text(0)?, call.text(1)?) else { return Ok(None) };
    call.evaluation.charge(ZONE_WORK + text.len() + pattern.len())?;
    let read = pattern::parse(&pattern)
        .and_then(|parts| reading::check(&parts).map(|()| parts))
        .and_then(|parts| reading::read(&parts, &text));
    match read {
        Ok(moment) => Ok(Some(moment.as_millisecond().into())),
        Err(why) => {
            call.evaluation.note(format!("time_to_epoch: {why}"));
            Ok(None)
        }
    }
}
