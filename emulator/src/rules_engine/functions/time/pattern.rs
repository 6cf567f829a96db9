//! What Joda-Time's patterns and those of `java.time` have in common: runs of letters, quoted text.

/// A part of a pattern.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Part {
    /// A letter and how often it stands there.
    Field(char, usize),
    Text(String),
}

/// A run of one letter is never longer than this in a sensible pattern.
const RUN: usize = 32;

/// Takes a pattern apart.
pub(super) fn parse(pattern: &str) -> Result<Vec<Part>, String> {
    let mut parts = Vec::new();
    let mut text = String::new();
    let mut rest = pattern;
    while let Some(first) = rest.chars().next() {
        if first.is_ascii_alphabetic() {
            let run = rest.find(|character| character != first).unwrap_or(rest.len());
            if run > RUN {
                return Err(format!("repeats '{first}' too often"));
            }
            if !text.is_empty() {
                parts.push(Part::Text(std::mem::take(&mut text)));
            }
            parts.push(Part::Field(first, run));
            rest = &rest[run..];
        } else if let Some(quoted) = rest.strip_prefix('\'') {
            rest = read_quoted(quoted, &mut text)?;
        } else {
            text.push(first);
            rest = &rest[first.len_utf8()..];
        }
    }
    if !text.is_empty() {
        parts.push(Part::Text(text));
    }
    Ok(parts)
}

/// Reads on after an opening quote; two quotes stand for one, inside and outside.
fn read_quoted<'p>(quoted: &'p str, text: &mut String) -> Result<&'p str, String> {
    if let Some(rest) = quoted.strip_prefix('\'') {
        text.push('\'');
        return Ok(rest);
    }
    let mut rest = quoted;
    loop {
        let end = rest.find('\'').ok_or("has a quote that does not end")?;
        text.push_str(&rest[..end]);
        rest = &rest[end + 1..];
        match rest.strip_prefix('\'') {
            Some(after) => {
                text.push('\'');
                rest = after;
            }
            None => return Ok(rest),
        }
    }
}

pub(super) const MONTHS: [&str; 12] = [
    "January",
    "February",
    "March",
    "April",
    "May",
    "June",
    "July",
    "August",
    "September",
    "October",
    "November",
    "December",
];

pub(super) const WEEKDAYS: [&str; 7] =
    ["Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday"];
