//! The attributes of a thing: names with values, in the order of the names, in little memory.
//!
//! How many there may be is decided where they are given (`things.rs`).
//! Truth: <https://docs.aws.amazon.com/iot/latest/apireference/API_AttributePayload.html>.

use std::collections::BTreeMap;

use serde::{Serialize, Serializer};

/// Attributes. A fleet has one of these for each thing, so that it has no room to grow.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Attributes(Box<[(Box<str>, Box<str>)]>);

impl Attributes {
    //= https://docs.aws.amazon.com/iot/latest/apireference/API_AttributePayload.html
    //# an empty value removes an attribute
    /// The attributes of `map` that have a value.
    pub(super) fn new(map: BTreeMap<String, String>) -> Self {
        let with_value = map.into_iter().filter(|(_, value)| !value.is_empty());
        Self(with_value.map(|(name, value)| (name.into(), value.into())).collect())
    }

    pub(super) const fn len(&self) -> usize {
        self.0.len()
    }

    /// The value of an attribute.
    pub(crate) fn get(&self, name: &str) -> Option<&str> {
        let index = self.0.binary_search_by(|(other, _)| (**other).cmp(name)).ok()?;
        self.0.get(index).map(|(_, value)| &**value)
    }

    /// Names and values, in the order of the names.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0.iter().map(|(name, value)| (&**name, &**value))
    }

    /// The same as a map, to change it.
    pub(crate) fn to_map(&self) -> BTreeMap<String, String> {
        self.iter().map(|(name, value)| (name.to_owned(), value.to_owned())).collect()
    }
}

impl Serialize for Attributes {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.iter())
    }
}
