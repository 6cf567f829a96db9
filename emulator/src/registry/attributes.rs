//! The attributes of a thing or a thing group: names with values, in the order of the names, in
//! little memory.
//!
//! How many there may be is decided where they are given (`things.rs`, `thing_groups.rs`).
//! Truth: <https://docs.aws.amazon.com/iot/latest/apireference/API_AttributePayload.html>.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::{Deserialize, Serialize, Serializer};

/// Attributes as a client gives them, and whether they add to those that are there.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(crate) struct AttributePayload {
    pub(crate) attributes: BTreeMap<String, String>,
    pub(crate) merge: bool,
}

/// Attributes, shared by all that ask. A fleet has one of these for each thing, so that it has no
/// room to grow.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Attributes(Arc<[(Box<str>, Box<str>)]>);

impl Attributes {
    //= https://docs.aws.amazon.com/iot/latest/apireference/API_AttributePayload.html
    //# an empty value removes an attribute
    /// The attributes of `map` that have a value.
    fn new(map: BTreeMap<String, String>) -> Self {
        let with_value = map.into_iter().filter(|(_, value)| !value.is_empty());
        let mut pairs = with_value.map(|(name, value)| (name.into(), value.into())).peekable();
        // All that are empty share one allocation.
        if pairs.peek().is_none() { Self::default() } else { Self(pairs.collect()) }
    }

    //= https://docs.aws.amazon.com/iot/latest/apireference/API_AttributePayload.html
    //# without `merge` the attributes replace the old ones
    /// What becomes of these attributes when a client gives `payload`.
    pub(super) fn changed(&self, payload: Option<AttributePayload>) -> Self {
        match payload {
            None => self.clone(),
            Some(AttributePayload { attributes, merge: false }) => Self::new(attributes),
            Some(AttributePayload { attributes, merge: true }) => {
                let mut merged = self.to_map();
                merged.extend(attributes);
                Self::new(merged)
            }
        }
    }

    /// Names and values, in the order of the names.
    pub(super) fn shared(&self) -> Arc<[(Box<str>, Box<str>)]> {
        Arc::clone(&self.0)
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(super) fn len(&self) -> usize {
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn attributes_replace_the_old_ones_or_add_to_them_and_an_empty_value_removes_one() {
        let map = |text: &str| {
            let pairs = text.split_whitespace().filter_map(|pair| pair.split_once('='));
            pairs.map(|(name, value)| (name.to_owned(), value.to_owned())).collect()
        };
        let old = Attributes::new(map("a=1 b=2"));
        let table = [
            (None, "a=1 b=2"),
            (Some(("", false)), ""),
            (Some(("", true)), "a=1 b=2"),
            (Some(("b=3 c=4", false)), "b=3 c=4"),
            (Some(("b=3 c=4", true)), "a=1 b=3 c=4"),
            (Some(("a= c=4", true)), "b=2 c=4"),
            (Some(("a= c=4", false)), "c=4"),
        ];
        for (given, expected) in table {
            let payload =
                given.map(|(text, merge)| AttributePayload { attributes: map(text), merge });
            assert_eq!(old.changed(payload).to_map(), map(expected), "{given:?}");
        }
    }
}
