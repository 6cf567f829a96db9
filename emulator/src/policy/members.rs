//! The elements of a document's objects and lists, each with its place.
//!
//! It decides that nothing unknown and nothing twice stands in an object, and that most elements
//! may be one value or a list of them. What an element means is for [`document`] to say.
//! Truth: <https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_grammar.html>.
//!
//! [`document`]: super::document

use super::json::Json;
use super::malformed::{MalformedDocument, Path, near_miss};

/// The members of an object, in their order, no two with one name.
pub(super) fn object(
    json: Json,
    path: &Path<'_>,
    expected: &str,
) -> Result<Vec<(String, Json)>, MalformedDocument> {
    let Json::Object(members) = json else { return Err(unexpected(path, expected, &json)) };
    //? assumed: a member that occurs twice makes the document malformed, as in IAM
    let mut names: Vec<&str> = members.iter().map(|(name, _)| name.as_str()).collect();
    names.sort_unstable();
    match names.windows(2).find(|pair| pair[0] == pair[1]) {
        Some(pair) => Err(path.member(pair[0]).says("occurs twice")),
        None => Ok(members),
    }
}

/// The elements of a document or a statement, which are taken out by name.
pub(super) struct Elements<'a> {
    members: Vec<(String, Json)>,
    path: &'a Path<'a>,
}

impl<'a> Elements<'a> {
    //= https://docs.aws.amazon.com/iot/latest/developerguide/iot-policies.html
    //# a policy says for whom it is by being attached: it has no Principal
    //? assumed: any element that the grammar does not have makes the document malformed
    /// The object here, of which each member must be `known`.
    pub(super) fn of(
        json: Json,
        path: &'a Path<'a>,
        known: &[&str],
    ) -> Result<Self, MalformedDocument> {
        let members = object(json, path, "an object")?;
        match members.iter().find(|(name, _)| !known.contains(&name.as_str())) {
            Some((name, _)) => {
                let near = near_miss(name, known);
                let none = format!("an AWS IoT policy has no such element{near}");
                Err(path.member(name).says(none))
            }
            None => Ok(Self { members, path }),
        }
    }

    /// Takes the element `name` if it is there.
    pub(super) fn take(&mut self, name: &str) -> Option<Json> {
        let place = self.members.iter().position(|(member, _)| member == name)?;
        Some(self.members.swap_remove(place).1)
    }

    /// Takes the element `name`, which must be there.
    pub(super) fn must(&mut self, name: &str) -> Result<Json, MalformedDocument> {
        self.take(name).ok_or_else(|| self.path.says(format!("{name} is missing")))
    }

    /// Takes the element `name`, a text, if it is there.
    pub(super) fn text(&mut self, name: &str) -> Result<Option<String>, MalformedDocument> {
        self.take(name).map(|json| text(json, &self.path.member(name))).transpose()
    }

    /// Takes exactly one of two elements, and says which.
    pub(super) fn either<'n>(
        &mut self,
        name: &'n str,
        not: &'n str,
    ) -> Result<(&'n str, Json), MalformedDocument> {
        match (self.take(name), self.take(not)) {
            (Some(json), None) => Ok((name, json)),
            (None, Some(json)) => Ok((not, json)),
            (Some(_), Some(_)) => {
                Err(self.path.says(format!("{name} and {not} exclude each other")))
            }
            (None, None) => Err(self.path.says(format!("{name} or {not} is missing"))),
        }
    }
}

/// Reads each value of a list, or the one value that stands without a list, in its place.
pub(super) fn each<T>(
    json: Json,
    path: &Path<'_>,
    mut read: impl FnMut(Json, &Path<'_>) -> Result<T, MalformedDocument>,
) -> Result<Vec<T>, MalformedDocument> {
    match json {
        Json::List(values) => {
            let values = values.into_iter().enumerate();
            values.map(|(index, value)| read(value, &path.element(index))).collect()
        }
        value => Ok(vec![read(value, path)?]),
    }
}

/// As [`each`]; but a list must not be empty.
pub(super) fn one_or_more<T>(
    json: Json,
    path: &Path<'_>,
    read: impl FnMut(Json, &Path<'_>) -> Result<T, MalformedDocument>,
) -> Result<Vec<T>, MalformedDocument> {
    if json == Json::List(Vec::new()) {
        return Err(path.says("the list is empty"));
    }
    each(json, path, read)
}

/// The text here.
pub(super) fn text(json: Json, path: &Path<'_>) -> Result<String, MalformedDocument> {
    match json {
        Json::Text(text) => Ok(text),
        json => Err(unexpected(path, "a text", &json)),
    }
}

/// Something else was `expected` here.
pub(super) fn unexpected(path: &Path<'_>, expected: &str, found: &Json) -> MalformedDocument {
    path.says(format!("{expected} was expected, not {}", found.kind()))
}
