//! Whether an input is what the model allows, and the text of AWS's complaint about all that fails.

use serde_json::{Map, Value};

use super::NOT_AN_OBJECT;
use super::table::{Bounds, Member, Operation, ServiceModel, Shape, Text};

/// A complaint names so many failures at most.
//? assumed: AWS names them all; a hostile input must not make a text of megabytes
const CLAUSES: usize = 100;
/// So much of a map's key is repeated in a complaint.
const KEY_CHARACTERS: usize = 128;
/// A text that is too long and longer than this is not held against its pattern.
//? assumed: AWS names both; a hostile input must not keep this thread busy
const PATTERN_BYTES: usize = 64 * 1024;

/// How much of a model is held against an input.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Extent {
    /// All of it, in AWS IoT's words.
    All,
    /// That what is required is there, and of which type a value is: the room behind the operation
    /// has the words of its own service for the rest.
    Form,
}

impl ServiceModel {
    //= https://github.com/ministackorg/ministack/pull/1755
    //# "1 validation error detected: Value at 'x' failed to satisfy constraint: …", several joined
    //# by "; ", the pattern before the length
    /// AWS's complaint about `members`, if the model does not allow them.
    pub(crate) fn check(
        &self,
        operation: &Operation,
        members: &Value,
        extent: Extent,
    ) -> Result<(), String> {
        let mut checked = Checked { model: self, extent, clauses: Vec::new() };
        match members {
            Value::Object(members) => checked.structure("", &operation.members, members),
            Value::Null => checked.structure("", &operation.members, &Map::new()),
            _ => return Err(NOT_AN_OBJECT.to_owned()),
        }
        match checked.clauses.len() {
            0 => Ok(()),
            1 => Err(format!("1 validation error detected: {}", checked.clauses.concat())),
            count => {
                let clauses = checked.clauses.join("; ");
                Err(format!("{count} validation errors detected: {clauses}"))
            }
        }
    }
}

struct Checked<'m> {
    model: &'m ServiceModel,
    extent: Extent,
    clauses: Vec<String>,
}

impl Checked<'_> {
    fn fails(&mut self, path: &str, constraint: &str) {
        if self.clauses.len() < CLAUSES {
            self.clauses
                .push(format!("Value at '{path}' failed to satisfy constraint: {constraint}"));
        }
    }

    fn structure(&mut self, path: &str, members: &[Member], values: &Map<String, Value>) {
        for member in members {
            let inside = || match path {
                "" => member.name.to_owned(),
                path => format!("{path}.{}", member.name),
            };
            match values.get(member.name).filter(|value| !value.is_null()) {
                Some(value) => self.value(&inside(), self.model.shape(member), value),
                None if member.required => self.fails(&inside(), "Member must not be null"),
                None => {}
            }
        }
    }

    fn value(&mut self, path: &str, shape: &Shape, value: &Value) {
        match (shape, value) {
            (Shape::Structure(members), Value::Object(values)) => {
                self.structure(path, members, values);
            }
            (Shape::List { bounds, member }, Value::Array(values)) => {
                self.all(path, length(values.len(), bounds));
                let shape = self.model.shape_at(*member);
                for (index, value) in values.iter().enumerate() {
                    if self.clauses.len() < CLAUSES {
                        self.value(&format!("{path}.{}.member", index + 1), shape, value);
                    }
                }
            }
            (Shape::Map { .. }, Value::Object(_))
            | (Shape::Text(_) | Shape::Enum(_), Value::String(_))
                if self.extent == Extent::Form => {}
            (Shape::Map { bounds, key, value }, Value::Object(values)) => {
                self.all(path, length(values.len(), bounds));
                self.map(path, [*key, *value], values);
            }
            (Shape::Text(text), Value::String(value)) => self.all(path, failures(text, value)),
            (Shape::Enum(words), Value::String(value)) => {
                if !words.contains(&value.as_str()) {
                    let words = words.join(", ");
                    self.fails(path, &format!("Member must satisfy enum value set: [{words}]"));
                }
            }
            (Shape::Number(bounds), Value::Number(value)) => match value.as_i64() {
                Some(value) => self.all(path, number(value, bounds)),
                //? assumed: the text for a fraction
                None => self.fails(path, "Member must be a whole number"),
            },
            (Shape::Boolean, Value::Bool(_)) | (Shape::Any, _) => {}
            //? assumed: the text for a value of another type
            (shape, _) => self.fails(path, &format!("Member must be {}", shape.kind())),
        }
    }

    //= https://github.com/aws/aws-sdk-java/issues/666
    //# a map that fails is reported with all constraints of its keys, or of its values
    fn map(&mut self, path: &str, [key, value]: [usize; 2], values: &Map<String, Value>) {
        let (key_shape, value_shape) = (self.model.shape_at(key), self.model.shape_at(value));
        let bad_key = values.keys().any(|key| !key_shape.takes(key));
        let bad_value = values.values().any(|value| match value {
            Value::String(value) => !value_shape.takes(value),
            _ => matches!(value_shape, Shape::Text(_)),
        });
        if bad_key {
            let constraints = key_shape.constraints();
            self.fails(path, &format!("Map keys must satisfy constraint: [{constraints}]"));
        }
        if bad_value {
            let constraints = value_shape.constraints();
            self.fails(path, &format!("Map value must satisfy constraint: [{constraints}]"));
        }
        if !matches!(value_shape, Shape::Text(_)) {
            for (key, value) in values {
                let end = key.char_indices().nth(KEY_CHARACTERS).map_or(key.len(), |(end, _)| end);
                self.value(&format!("{path}.{}.member", &key[..end]), value_shape, value);
            }
        }
    }

    fn all(&mut self, path: &str, failures: Vec<String>) {
        if self.extent == Extent::Form {
            return;
        }
        for failure in failures {
            self.fails(path, &failure);
        }
    }
}

impl Shape {
    const fn kind(&self) -> &'static str {
        match self {
            Self::Structure(_) | Self::Map { .. } => "a structure",
            Self::List { .. } => "a list",
            Self::Text(_) | Self::Enum(_) => "a string",
            Self::Number(_) => "a whole number",
            Self::Boolean => "a boolean",
            Self::Any => "a value",
        }
    }

    /// Whether `text` may be a key, or a value that is a text.
    fn takes(&self, text: &str) -> bool {
        match self {
            Self::Text(shape) => failures(shape, text).is_empty(),
            Self::Enum(words) => words.contains(&text),
            _ => true,
        }
    }

    /// All that a text has to satisfy, in AWS's words.
    fn constraints(&self) -> String {
        let text = match self {
            Self::Text(text) => text,
            Self::Enum(words) => {
                return format!("Member must satisfy enum value set: [{}]", words.join(", "));
            }
            _ => return format!("Member must be {}", self.kind()),
        };
        let mut constraints = Vec::new();
        if *text.length.end() < i64::MAX {
            constraints.push(at_most("length", *text.length.end()));
        }
        constraints.push(at_least("length", (*text.length.start()).max(0)));
        constraints.extend(text.pattern.map(pattern));
        constraints.join(", ")
    }
}

/// What of its constraints `value` fails.
fn failures(text: &Text, value: &str) -> Vec<String> {
    let of_length = length(value.chars().count(), &text.length);
    let far_too_long = !of_length.is_empty() && value.len() > PATTERN_BYTES;
    let mut failures = Vec::new();
    if !far_too_long && !text.fits(value) {
        failures.extend(text.pattern.map(pattern));
    }
    failures.extend(of_length);
    failures
}

fn pattern(pattern: &str) -> String {
    format!("Member must satisfy regular expression pattern: {pattern}")
}

fn length(length: usize, bounds: &Bounds) -> Vec<String> {
    outside("length", i64::try_from(length).unwrap_or(i64::MAX), bounds)
}

fn number(value: i64, bounds: &Bounds) -> Vec<String> {
    outside("value", value, bounds)
}

fn outside(what: &str, value: i64, bounds: &Bounds) -> Vec<String> {
    if value < *bounds.start() {
        vec![at_least(what, *bounds.start())]
    } else if value > *bounds.end() {
        vec![at_most(what, *bounds.end())]
    } else {
        Vec::new()
    }
}

fn at_least(what: &str, least: i64) -> String {
    format!("Member must have {what} greater than or equal to {least}")
}

fn at_most(what: &str, most: i64) -> String {
    format!("Member must have {what} less than or equal to {most}")
}
