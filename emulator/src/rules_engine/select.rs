//! `WHERE` and `SELECT`, of the statement and of the queries nested in it.
//!
//! Truth: <https://docs.aws.amazon.com/iot/latest/developerguide/iot-sql-select.html>.

use std::sync::Arc;

use crate::json::{Json, Object};

use super::evaluate::{Answer, Evaluation, Failure, Row};
use super::syntax::{Expression, Item, Nested, Selection};

/// What `SELECT` makes of a message.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Selected {
    /// The payload as it came.
    Payload,
    /// A value of its own; Undefined becomes an empty payload.
    Value(Option<Json>),
}

impl Evaluation<'_> {
    /// Whether a `WHERE` clause lets `row` pass.
    pub(super) fn passes(
        &self,
        condition: Option<&Expression>,
        row: Row<'_>,
    ) -> Result<bool, Failure> {
        let Some(condition) = condition else { return Ok(true) };
        Ok(self.value(condition, row)? == Some(Json::Boolean(true)))
    }

    //= https://docs.aws.amazon.com/iot/latest/developerguide/iot-sql-nested-queries.html
    //# an array answers an array, one element for each that passes
    //= https://docs.aws.amazon.com/iot/latest/developerguide/iot-sql-functions.html
    //# an object answers one value (third example)
    //? assumed: names inside a nested query are looked up in the element alone
    pub(super) fn nested(&self, nested: &Nested, row: Row<'_>) -> Answer {
        let Some(from) = self.value(&nested.from, row)? else { return Ok(None) };
        let Json::Array(elements) = &from else {
            let inner = inner_row(nested, &from);
            if !self.passes(nested.condition.as_ref(), inner)? {
                return Ok(None);
            }
            return self.select_row(&nested.selection, inner);
        };
        let mut rows = Vec::new();
        for element in elements.iter() {
            let inner = inner_row(nested, element);
            if self.passes(nested.condition.as_ref(), inner)? {
                rows.extend(self.select_row(&nested.selection, inner)?);
            }
        }
        Ok(Some(Json::array(rows)))
    }

    //= https://docs.aws.amazon.com/iot/latest/developerguide/iot-sql-operators.html
    //# EXISTS is true if the subquery returns one or more elements
    pub(super) fn exists(&self, nested: &Nested, row: Row<'_>) -> Result<bool, Failure> {
        Ok(match self.nested(nested, row)? {
            Some(Json::Array(rows)) => !rows.is_empty(),
            rows => rows.is_some(),
        })
    }

    /// What a `SELECT` list makes of one row of a nested query.
    fn select_row(&self, selection: &Selection, row: Row<'_>) -> Answer {
        match selection {
            _ if selection.is_whole_payload() => Ok(row.value.cloned()),
            Selection::Value(value) => self.value(value, row),
            Selection::Items(items) => self.items(items, row).map(Some),
        }
    }

    /// What the statement's own `SELECT` makes of the message.
    pub(super) fn select(&self, selection: &Selection) -> Result<Selected, Failure> {
        let row = self.message_row();
        if selection.is_whole_payload() {
            return Ok(Selected::Payload);
        }
        Ok(Selected::Value(match selection {
            Selection::Value(value) => self.value(value, row)?,
            Selection::Items(items) => Some(self.items(items, row)?),
        }))
    }

    //= https://docs.aws.amazon.com/iot/latest/developerguide/iot-sql-select.html
    //# `*` adds the members of the message, an alias renames, what is Undefined is left out
    fn items(&self, items: &[Item], row: Row<'_>) -> Result<Json, Failure> {
        let mut object = Object::default();
        for item in items {
            match item {
                Item::All => self.add_all(&mut object, row)?,
                Item::Named { value, path } => {
                    if let Some(value) = self.value(value, row)? {
                        put(&mut object, path, value);
                    }
                }
            }
        }
        Ok(Json::object(object))
    }

    //? assumed: over a payload that is no JSON object, `SELECT *, more` answers `more` alone
    fn add_all(&self, object: &mut Object, row: Row<'_>) -> Result<(), Failure> {
        if let Some(Json::Object(members)) = row.value {
            self.charge(members.len())?;
            for (name, value) in members.iter() {
                object.insert(Arc::clone(name), value.clone());
            }
        } else if !row.is_message || !self.message.payload.is_empty() {
            self.note("`*` adds nothing: what it stands for is not a JSON object");
        }
        Ok(())
    }
}

fn inner_row<'r>(nested: &'r Nested, value: &'r Json) -> Row<'r> {
    Row { value: Some(value), name: nested.name.as_deref(), is_message: false }
}

//= https://docs.aws.amazon.com/iot/latest/developerguide/iot-sql-json.html
//# `AS bar.baz` puts the value into the member `baz` of the member `bar`
fn put(object: &mut Object, path: &[Arc<str>], value: Json) {
    match path {
        [] => {}
        [name] => object.insert(Arc::clone(name), value),
        [name, rest @ ..] => {
            let slot = object.slot(name);
            if !matches!(slot, Json::Object(_)) {
                *slot = Json::object(Object::default());
            }
            if let Json::Object(inner) = slot {
                put(Arc::make_mut(inner), rest, value);
            }
        }
    }
}
