//! JSON with the members of an object in their order, the repeated ones among them.
//!
//! `serde_json::Value` keeps the last of two members with one name and says nothing: two
//! conditions on the same operator would quietly become one. What is no JSON is told where.

use std::fmt;

use serde::de::{Deserialize, Deserializer, MapAccess, SeqAccess, Visitor};

use super::malformed::{Fault, MalformedDocument, Path, quoted};

/// A JSON value.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Json {
    Null,
    Bool(bool),
    /// As it is printed in decimal.
    Number(String),
    Text(String),
    List(Vec<Json>),
    Object(Vec<(String, Json)>),
}

impl Json {
    //= https://github.com/dwyl/learn-aws-iot/issues/17
    //# what is no JSON is told just that it is malformed
    //? assumed: a byte order mark, a comment and a trailing comma are no JSON to AWS either
    /// Reads a whole text.
    pub(super) fn parse(text: &str) -> Result<Self, MalformedDocument> {
        serde_json::from_str(text).map_err(|error| {
            let fault = no_text_of_a_document(text).unwrap_or_else(|| fault(text, &error));
            MalformedDocument::NotJson(fault)
        })
    }

    /// As a sentence calls it: `not a list`.
    pub(super) fn kind(&self) -> &'static str {
        match self {
            Self::Null => "null",
            Self::Bool(_) => "a truth value",
            Self::Number(_) => "a number",
            Self::Text(_) => "a text",
            Self::List(_) => "a list",
            Self::Object(_) => "an object",
        }
    }
}

/// Says so if there is nothing, or the name of a file where its content should be.
fn no_text_of_a_document(text: &str) -> Option<Fault> {
    let text = text.trim();
    if text.is_empty() {
        return Some(Path::Document.fault("the document is empty"));
    }
    let is_name = text.ends_with(".json") && !text.contains(['{', '"', '\n']);
    is_name.then(|| {
        let name = quoted(text);
        Path::Document.fault(format!(
            "{name} names a file; its content was expected (with the AWS CLI: file://PATH)"
        ))
    })
}

/// What serde_json says, and which character it met; it counts columns in bytes, we in characters.
fn fault(text: &str, error: &serde_json::Error) -> Fault {
    let said = error.to_string();
    let what = said.split(" at line ").next().unwrap_or_default();
    let mut lines = text.split('\n').skip(error.line().saturating_sub(2));
    // A line break itself is counted to the line that it begins.
    if error.column() == 0 && error.line() > 1 {
        let before = lines.next().unwrap_or_default();
        return Fault::in_text(error.line() - 1, before.chars().count() + 1, what);
    }
    let line = if error.line() > 1 { lines.nth(1) } else { lines.next() }.unwrap_or_default();
    let end = (error.column()..=line.len()).find(|end| line.is_char_boundary(*end));
    let read = line.get(..end.unwrap_or(line.len())).unwrap_or_default();
    let column = read.chars().count().max(1);
    let names_it = ["expected", "key must", "trailing characters"].iter();
    match read.chars().next_back() {
        Some(met) if names_it.into_iter().any(|start| what.starts_with(start)) => {
            // What cannot be seen, such as a byte order mark, is spelt out.
            let met = match met {
                '"' | '\'' => met.to_string(),
                met => met.escape_debug().to_string(),
            };
            Fault::in_text(error.line(), column, format_args!("{what}, found `{met}`"))
        }
        _ => Fault::in_text(error.line(), column, what),
    }
}

impl<'de> Deserialize<'de> for Json {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(Reader)
    }
}

struct Reader;

impl<'de> Visitor<'de> for Reader {
    type Value = Json;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON value")
    }

    fn visit_unit<E>(self) -> Result<Json, E> {
        Ok(Json::Null)
    }

    fn visit_bool<E>(self, flag: bool) -> Result<Json, E> {
        Ok(Json::Bool(flag))
    }

    fn visit_i64<E>(self, number: i64) -> Result<Json, E> {
        Ok(Json::Number(number.to_string()))
    }

    fn visit_u64<E>(self, number: u64) -> Result<Json, E> {
        Ok(Json::Number(number.to_string()))
    }

    fn visit_f64<E>(self, number: f64) -> Result<Json, E> {
        Ok(Json::Number(number.to_string()))
    }

    fn visit_str<E>(self, text: &str) -> Result<Json, E> {
        Ok(Json::Text(text.to_owned()))
    }

    fn visit_string<E>(self, text: String) -> Result<Json, E> {
        Ok(Json::Text(text))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Json, A::Error> {
        let mut values = Vec::new();
        while let Some(value) = list.next_element()? {
            values.push(value);
        }
        Ok(Json::List(values))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut object: A) -> Result<Json, A::Error> {
        let mut members = Vec::new();
        while let Some(member) = object.next_entry()? {
            members.push(member);
        }
        Ok(Json::Object(members))
    }
}
