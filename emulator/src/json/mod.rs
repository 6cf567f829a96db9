//! A JSON value that keeps what AWS keeps: the order of members and every digit of a number.
//!
//! `serde_json` serves the AWS API; here are device payloads, which pass through rules and events
//! and must come out as they went in. Values share their insides, so a clone costs nothing.
//! Truth: RFC 8259, and Java's `BigDecimal` for how a number is printed.

mod decimal;
mod number;
mod reader;
mod writer;

use std::collections::BTreeMap;
use std::sync::Arc;

pub(crate) use decimal::{Decimal, Rounding};
pub(crate) use number::Number;
pub(crate) use reader::Numbers;

/// Any JSON value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Json {
    Null,
    Boolean(bool),
    Number(Number),
    String(Arc<str>),
    Array(Arc<Vec<Json>>),
    Object(Arc<Object>),
}

impl Json {
    /// A string value.
    pub(crate) fn string(text: impl Into<Arc<str>>) -> Self {
        Self::String(text.into())
    }

    /// An array value.
    pub(crate) fn array(elements: Vec<Json>) -> Self {
        Self::Array(Arc::new(elements))
    }

    /// An object value.
    pub(crate) fn object(object: Object) -> Self {
        Self::Object(Arc::new(object))
    }

    /// The member `name`, if this is an object that has it.
    pub(crate) fn get(&self, name: &str) -> Option<&Json> {
        match self {
            Self::Object(object) => object.get(name),
            _ => None,
        }
    }

    /// The text, if this is a string.
    pub(crate) fn as_str(&self) -> Option<&str> {
        match self {
            Self::String(text) => Some(text),
            _ => None,
        }
    }
}

impl From<bool> for Json {
    fn from(value: bool) -> Self {
        Self::Boolean(value)
    }
}

impl From<Number> for Json {
    fn from(value: Number) -> Self {
        Self::Number(value)
    }
}

impl From<i64> for Json {
    fn from(value: i64) -> Self {
        Self::Number(Number::Int(i128::from(value)))
    }
}

impl From<&str> for Json {
    fn from(value: &str) -> Self {
        Self::string(value)
    }
}

impl From<String> for Json {
    fn from(value: String) -> Self {
        Self::string(value)
    }
}

/// An object with more members than this finds them by an index.
const MEMBERS_WITHOUT_INDEX: usize = 16;

/// The members of a JSON object, in the order in which they came.
#[derive(Clone, Debug, Default)]
pub(crate) struct Object {
    members: Vec<(Arc<str>, Json)>,
    /// Where each name stands; kept once there are many, so that hostile objects cost no more.
    index: BTreeMap<Arc<str>, usize>,
}

impl Object {
    /// The member `name`.
    pub(crate) fn get(&self, name: &str) -> Option<&Json> {
        self.position(name).and_then(|position| self.members.get(position)).map(|(_, value)| value)
    }

    /// Sets the member `name`; one that was there keeps its place.
    pub(crate) fn insert(&mut self, name: impl Into<Arc<str>>, value: Json) {
        let name = name.into();
        match self.position(&name) {
            Some(position) => self.members[position].1 = value,
            None => self.append(name, value),
        }
    }

    /// The member `name` to be changed in place; `null` if it was not there.
    pub(crate) fn slot(&mut self, name: &Arc<str>) -> &mut Json {
        let position = self.position(name).unwrap_or_else(|| {
            self.append(Arc::clone(name), Json::Null);
            self.members.len() - 1
        });
        &mut self.members[position].1
    }

    fn append(&mut self, name: Arc<str>, value: Json) {
        if self.members.len() == MEMBERS_WITHOUT_INDEX {
            let names = self.members.iter().map(|(name, _)| Arc::clone(name));
            self.index = names.enumerate().map(|(position, name)| (name, position)).collect();
        }
        if self.members.len() >= MEMBERS_WITHOUT_INDEX {
            self.index.insert(Arc::clone(&name), self.members.len());
        }
        self.members.push((name, value));
    }

    fn position(&self, name: &str) -> Option<usize> {
        if self.members.len() > MEMBERS_WITHOUT_INDEX {
            return self.index.get(name).copied();
        }
        self.members.iter().position(|(member, _)| &**member == name)
    }

    /// The members, first to last.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (&Arc<str>, &Json)> {
        self.members.iter().map(|(name, value)| (name, value))
    }

    /// How many members there are.
    pub(crate) fn len(&self) -> usize {
        self.members.len()
    }
}

/// As JSON has it: the order of members does not matter.
impl PartialEq for Object {
    fn eq(&self, other: &Self) -> bool {
        let mut members = self.iter();
        self.len() == other.len() && members.all(|(name, value)| other.get(name) == Some(value))
    }
}

impl Eq for Object {}

impl<N: Into<Arc<str>>> FromIterator<(N, Json)> for Object {
    fn from_iter<I: IntoIterator<Item = (N, Json)>>(members: I) -> Self {
        let mut object = Self::default();
        for (name, value) in members {
            object.insert(name, value);
        }
        object
    }
}

#[cfg(test)]
mod tests;
