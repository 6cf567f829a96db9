//! `regexp_matches`, `regexp_replace`, `regexp_substr`: what a rule does with a regular expression.
//!
//! Truth: <https://docs.aws.amazon.com/iot/latest/developerguide/iot-sql-functions.html>.

use std::sync::Arc;

use super::super::evaluate::{Answer, Failure};
use super::super::syntax::Expression;
use super::{Call, literal, text_answer};
use crate::regexp::{NotUsable, Program, find};

/// Refuses an expression that is known before any message and that this emulator does not run.
pub(super) fn check(arguments: &[Expression]) -> Result<(), String> {
    match literal(arguments, 1).map(Program::compile) {
        Some(Err(NotUsable::NotRunYet(what))) => Err(not_run_yet(what)),
        _ => Ok(()),
    }
}

fn not_run_yet(what: &str) -> String {
    format!("iot-emulator does not run a regular expression with {what} yet")
}

//= https://docs.aws.amazon.com/iot/latest/developerguide/iot-sql-functions.html
//# an expression that is not valid makes it Undefined
/// The text and the expression of a call; `None` where the answer is Undefined.
fn arguments(call: &Call<'_>) -> Result<Option<(Arc<str>, Program)>, Failure> {
    let (Some(text), Some(expression)) = (call.text(0)?, call.text(1)?) else { return Ok(None) };
    call.evaluation.charge(8 * expression.len())?;
    let program = match Program::compile(&expression) {
        Ok(program) => program,
        Err(NotUsable::NotRunYet(what)) => return Err(Failure(not_run_yet(what))),
        Err(NotUsable::Invalid) => {
            call.evaluation.note(format!("'{expression}' is not a regular expression"));
            return Ok(None);
        }
    };
    call.evaluation.charge(program.work().saturating_mul(text.len() + 1))?;
    Ok(Some((text, program)))
}

//= https://docs.aws.amazon.com/iot/latest/developerguide/iot-sql-functions.html
//# true if the text contains a match
pub(super) fn matches(call: &Call<'_>) -> Answer {
    if !call.has(2) {
        return Ok(None);
    }
    Ok(arguments(call)?.map(|(text, program)| find(&program, &text, 0).is_some().into()))
}

//? assumed: Undefined where nothing matches
pub(super) fn substr(call: &Call<'_>) -> Answer {
    if !call.has(2) {
        return Ok(None);
    }
    let Some((text, program)) = arguments(call)? else { return Ok(None) };
    Ok(find(&program, &text, 0)
        .and_then(|found| found.group(0))
        .map(|(start, end)| text[start..end].into()))
}

//= https://docs.aws.amazon.com/iot/latest/developerguide/iot-sql-functions.html
//# every match is replaced; `$1` stands for the first group
pub(super) fn replace(call: &Call<'_>) -> Answer {
    if !call.has(3) {
        return Ok(None);
    }
    let (Some((text, program)), Some(replacement)) = (arguments(call)?, call.text(2)?) else {
        return Ok(None);
    };
    let Some(parts) = replacement_parts(&replacement, program.groups) else { return Ok(None) };
    let mut replaced = String::new();
    let (mut copied, mut from) = (0, 0);
    while let Some(found) = find(&program, &text, from) {
        let Some((start, end)) = found.group(0) else { break };
        call.evaluation.charge(program.work().saturating_mul(found.looked_at - from))?;
        replaced.push_str(&text[copied..start]);
        for part in &parts {
            match part {
                Part::Text(part) => replaced.push_str(part),
                Part::Group(group) => {
                    let group = found.group(*group).map(|(start, end)| &text[start..end]);
                    replaced.push_str(group.unwrap_or_default());
                }
            }
        }
        call.evaluation.bounded(replaced.len())?;
        copied = end;
        from = match text[end..].chars().next() {
            _ if end > start => end,
            Some(next) => end + next.len_utf8(),
            None => break,
        };
    }
    call.evaluation.bounded(replaced.len() + text.len() - copied)?;
    replaced.push_str(&text[copied..]);
    text_answer(replaced)
}

enum Part {
    Text(String),
    Group(usize),
}

/// Takes a replacement apart; `None` if it is none, or names a group that is not there.
fn replacement_parts(replacement: &str, groups: usize) -> Option<Vec<Part>> {
    let mut parts = Vec::new();
    let mut text = String::new();
    let mut characters = replacement.chars().peekable();
    while let Some(character) = characters.next() {
        match character {
            '\\' => text.push(characters.next()?),
            '$' => {
                let mut group = usize::try_from(characters.next()?.to_digit(10)?).ok()?;
                // As in Java, a further digit counts only if such a group exists.
                while let Some(digit) = characters.peek().and_then(|next| next.to_digit(10)) {
                    let wider = group * 10 + usize::try_from(digit).ok()?;
                    if wider > groups {
                        break;
                    }
                    group = wider;
                    characters.next();
                }
                if group > groups {
                    return None;
                }
                parts.push(Part::Text(std::mem::take(&mut text)));
                parts.push(Part::Group(group));
            }
            other => text.push(other),
        }
    }
    parts.push(Part::Text(text));
    Some(parts)
}
