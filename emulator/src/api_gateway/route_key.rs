//! Route keys, `GET /pets/{id}`, and which of them a request matches.
//!
//! Truth:
//! <https://docs.aws.amazon.com/apigateway/latest/developerguide/http-api-develop-routes.html>.

use std::cmp::Reverse;
use std::collections::BTreeMap;
use std::fmt;

use serde::{Serialize, Serializer};

/// The most segments of a path that are looked at; a request has a bounded head anyway.
const SEGMENTS: usize = 1_000;

/// What a route answers to: a method and a path, or everything else.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct RouteKey {
    text: String,
    /// `None` for `$default`.
    path: Option<Path>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Path {
    /// `None` for `ANY`.
    method: Option<String>,
    segments: Vec<Segment>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Segment {
    Literal(String),
    /// `{id}`.
    Variable(String),
    /// `{proxy+}`.
    Greedy(String),
}

/// How well a route fits: the larger, the better.
///
/// Full matches before greedy ones; then, segment by segment from the left, text before a variable;
/// then a method before `ANY`.
type Fit = (bool, Vec<Reverse<u8>>, bool);

/// The values of a route's path variables.
pub(super) type PathParameters = BTreeMap<String, String>;

impl RouteKey {
    /// Reads `METHOD /path` or `$default`; the error is AWS's text.
    pub(super) fn parse(text: &str) -> Result<Self, String> {
        if text == "$default" {
            return Ok(Self { text: text.to_owned(), path: None });
        }
        //? assumed: AWS's sentence, from memory
        let malformed = || {
            "The provided route key is not formatted properly for HTTP protocol. Format should be \
             \"<HTTP METHOD> /<RESOURCE PATH>\" or \"$default\""
                .to_owned()
        };
        let (method, path) = text.split_once(' ').ok_or_else(malformed)?;
        let known = ["DELETE", "GET", "HEAD", "OPTIONS", "PATCH", "POST", "PUT"];
        let method = match method {
            "ANY" => None,
            method if known.contains(&method) => Some(method.to_owned()),
            _ => return Err(malformed()),
        };
        let path = path.strip_prefix('/').ok_or_else(malformed)?;
        if path.contains(char::is_whitespace) || path.split('/').count() > SEGMENTS {
            return Err(malformed());
        }
        let segments = segments(path)?;
        Ok(Self { text: text.to_owned(), path: Some(Path { method, segments }) })
    }

    /// The path of the key as it stands, or `$default`.
    pub(super) fn resource(&self) -> &str {
        self.text.split_once(' ').map_or(&*self.text, |(_, path)| path)
    }

    /// Method and path as an `execute-api` ARN has them: `GET/pets/{id}`, `$default`.
    pub(super) fn in_arn(&self) -> String {
        match (&self.path, self.text.split_once(' ')) {
            (Some(Path { method, .. }), Some((_, path))) => {
                //? assumed: ANY stands as `*`, as in the permissions that the CDK writes
                format!("{}{path}", method.as_deref().unwrap_or("*"))
            }
            _ => self.text.clone(),
        }
    }

    /// Whether both have, at one place, variables of different names.
    pub(super) fn conflicts_with(&self, other: &Self) -> bool {
        let (Some(mine), Some(theirs)) = (&self.path, &other.path) else { return false };
        for pair in mine.segments.iter().zip(&theirs.segments) {
            match pair {
                (Segment::Variable(one), Segment::Variable(another)) if one != another => {
                    return true;
                }
                (one, another) if one == another => {}
                _ => return false,
            }
        }
        false
    }

    /// How well a request fits, with the values of the path variables.
    fn fit(&self, method: &str, path: &[&str]) -> Option<(Fit, PathParameters)> {
        let Some(wanted) = &self.path else { return None };
        if wanted.method.as_deref().is_some_and(|wanted| wanted != method) {
            return None;
        }
        let mut parameters = PathParameters::new();
        let mut fits = Vec::with_capacity(wanted.segments.len());
        let mut full = wanted.segments.len() == path.len();
        for (index, segment) in wanted.segments.iter().enumerate() {
            let here = path.get(index)?;
            match segment {
                Segment::Literal(literal) if literal == here => fits.push(Reverse(0)),
                Segment::Variable(name) if !here.is_empty() => {
                    parameters.insert(name.clone(), (*here).to_owned());
                    fits.push(Reverse(1));
                }
                //= https://docs.aws.amazon.com/apigateway/latest/developerguide/http-api-develop-routes.html
                //# a greedy variable catches all child resources
                //? assumed: at least one of them, so `/{proxy+}` does not match `/`
                Segment::Greedy(name) if !here.is_empty() => {
                    let rest = path.get(index..).unwrap_or_default().join("/");
                    parameters.insert(name.clone(), rest);
                    fits.push(Reverse(2));
                    full = false;
                    return Some(((full, fits, wanted.method.is_some()), parameters));
                }
                _ => return None,
            }
        }
        full.then_some(((full, fits, wanted.method.is_some()), parameters))
    }
}

//= https://docs.aws.amazon.com/apigateway/latest/developerguide/http-api-develop-routes.html
//# the most specific match wins: a full match of route and method, then a match with a greedy
//# path variable, then `$default`; ANY catches the methods that no other route defines
/// The route among `routes` that `method path` belongs to. The path is decoded, its first
/// character a slash.
//? assumed: a trailing slash counts; `/pets/` is not `/pets`
pub(super) fn select<'a, T>(
    routes: &'a [(RouteKey, T)],
    method: &str,
    path: &str,
) -> Option<(&'a RouteKey, &'a T, PathParameters)> {
    let path: Vec<&str> = path.strip_prefix('/').unwrap_or(path).split('/').collect();
    let fitting = routes.iter().filter_map(|(key, route)| {
        key.fit(method, &path).map(|(fit, parameters)| (fit, key, route, parameters))
    });
    let best = fitting.max_by(|one, another| one.0.cmp(&another.0));
    best.map(|(_, key, route, parameters)| (key, route, parameters)).or_else(|| {
        let default = routes.iter().find(|(key, _)| key.path.is_none())?;
        Some((&default.0, &default.1, PathParameters::new()))
    })
}

fn segments(path: &str) -> Result<Vec<Segment>, String> {
    let mut segments: Vec<Segment> = Vec::new();
    for text in path.split('/') {
        if let Some(Segment::Greedy(name)) = segments.last() {
            return Err(format!("The greedy path variable {{{name}+}} must end the path"));
        }
        let segment = segment(text)?;
        if let Segment::Variable(name) | Segment::Greedy(name) = &segment {
            let again = |other: &Segment| match other {
                Segment::Variable(other) | Segment::Greedy(other) => other == name,
                Segment::Literal(_) => false,
            };
            if segments.iter().any(again) {
                return Err(format!("The path variable {{{name}}} stands twice in the path"));
            }
        }
        segments.push(segment);
    }
    Ok(segments)
}

fn segment(text: &str) -> Result<Segment, String> {
    let variable = text.strip_prefix('{').and_then(|text| text.strip_suffix('}'));
    let name = |name: &str| {
        let plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-' | b'.');
        if name.is_empty() || !name.bytes().all(plain) {
            return Err(format!("`{text}` is not a path variable"));
        }
        Ok(name.to_owned())
    };
    match variable {
        Some(variable) => match variable.strip_suffix('+') {
            Some(variable) => name(variable).map(Segment::Greedy),
            None => name(variable).map(Segment::Variable),
        },
        None if text.contains(['{', '}']) => Err(format!("`{text}` is not a path variable")),
        None => Ok(Segment::Literal(text.to_owned())),
    }
}

impl fmt::Display for RouteKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl Serialize for RouteKey {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.text)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn chosen(keys: &[&str], method: &str, path: &str) -> (String, PathParameters) {
        let routes: Vec<_> = keys.iter().map(|key| (RouteKey::parse(key).unwrap(), ())).collect();
        match select(&routes, method, path) {
            Some((key, (), parameters)) => (key.to_string(), parameters),
            None => ("404".to_owned(), PathParameters::new()),
        }
    }

    #[test]
    fn the_most_specific_route_is_chosen() {
        // The routes and the first six rows are the example of the developer guide.
        let documented = [
            "GET /pets/dog/1",
            "GET /pets/dog/{id}",
            "GET /pets/{proxy+}",
            "ANY /{proxy+}",
            "$default",
        ];
        let table: [(&[&str], &str, &str, &str); 22] = [
            (&documented, "GET", "/pets/dog/1", "GET /pets/dog/1"),
            (&documented, "GET", "/pets/dog/2", "GET /pets/dog/{id}"),
            (&documented, "GET", "/pets/cat/1", "GET /pets/{proxy+}"),
            (&documented, "POST", "/test/5", "ANY /{proxy+}"),
            (&documented, "POST", "/pets/dog/1", "ANY /{proxy+}"),
            (&documented, "GET", "/", "$default"),
            (&["GET /sample"], "GET", "/sample", "GET /sample"),
            (&["GET /sample"], "GET", "/sample/", "404"),
            (&["GET /sample"], "POST", "/sample", "404"),
            (&["GET /sample"], "GET", "/other", "404"),
            (&["GET /"], "GET", "/", "GET /"),
            (&["ANY /a", "GET /a"], "GET", "/a", "GET /a"),
            (&["ANY /a", "GET /a"], "PUT", "/a", "ANY /a"),
            (&["ANY /a/b", "GET /a/{x}"], "GET", "/a/b", "ANY /a/b"),
            (&["POST /a/b", "GET /a/{x}"], "GET", "/a/b", "GET /a/{x}"),
            (&["GET /a/{proxy+}", "GET /{x}/b"], "GET", "/a/b", "GET /{x}/b"),
            (&["GET /{proxy+}", "ANY /a/{proxy+}"], "GET", "/a/b", "ANY /a/{proxy+}"),
            (&["ANY /{proxy+}", "GET /{proxy+}"], "GET", "/a/b", "GET /{proxy+}"),
            (&["ANY /{proxy+}"], "GET", "/", "404"),
            (&["GET /a/{x}"], "GET", "/a/", "404"),
            (&["$default"], "HEAD", "/any/thing", "$default"),
            (&["GET /a"], "HEAD", "/a", "404"),
        ];
        for (keys, method, path, expected) in table {
            assert_eq!(chosen(keys, method, path).0, expected, "{method} {path} among {keys:?}");
        }
    }

    #[test]
    fn path_variables_take_their_values() {
        let (_, parameters) = chosen(&["GET /{kind}/{id}/{proxy+}"], "GET", "/pets/6/a//b/");
        let expected = [("id", "6"), ("kind", "pets"), ("proxy", "a//b/")];
        assert_eq!(parameters.len(), 3);
        for (name, value) in expected {
            assert_eq!(parameters.get(name).map(String::as_str), Some(value));
        }
    }

    #[test]
    fn a_route_key_that_aws_would_refuse_is_refused() {
        let refused = [
            "",
            "GET",
            "GET pets",
            "get /pets",
            "TRACE /pets",
            "/pets",
            "GET  /pets",
            "GET /a b",
            "GET /{}",
            "GET /{+}",
            "GET /{a b}",
            "GET /{proxy+}/x",
            "GET /{a}/{a}",
            "GET /x{a}",
            "GET /{a",
            "$connect",
            "$DEFAULT",
        ];
        for key in refused {
            assert!(RouteKey::parse(key).is_err(), "{key}");
        }
    }

    #[test]
    fn variables_of_two_names_at_one_level_conflict() {
        let table = [
            ("GET /orgs/{orgId}/x", "GET /orgs/{org_id}/y", true),
            ("GET /orgs/{id}/{a}", "POST /orgs/{id}/{b}", true),
            ("GET /orgs/{id}", "POST /orgs/{id}", false),
            ("GET /orgs/{id}", "GET /people/{person}", false),
            ("GET /orgs/{id}", "GET /orgs/{proxy+}", false),
            ("GET /orgs/{id}", "$default", false),
        ];
        for (one, another, expected) in table {
            let (left, right) = (RouteKey::parse(one).unwrap(), RouteKey::parse(another).unwrap());
            assert_eq!(left.conflicts_with(&right), expected, "{one} and {another}");
        }
    }

    #[test]
    fn an_arn_names_the_route() {
        let table = [
            ("GET /pets/{id}", "GET/pets/{id}", "/pets/{id}"),
            ("ANY /{proxy+}", "*/{proxy+}", "/{proxy+}"),
            ("$default", "$default", "$default"),
        ];
        for (key, arn, resource) in table {
            let key = RouteKey::parse(key).unwrap();
            assert_eq!((key.in_arn().as_str(), key.resource()), (arn, resource));
        }
    }

    proptest! {
        #[test]
        fn any_text_is_a_route_key_or_an_error(text in ".{0,40}") {
            if let Ok(key) = RouteKey::parse(&text) {
                prop_assert_eq!(key.to_string(), text);
            }
        }

        #[test]
        fn a_path_without_variables_matches_itself(path in "(/[a-z0-9._~-]{0,5}){1,5}") {
            let key = format!("GET {path}");
            prop_assert_eq!(chosen(&[&key, "$default"], "GET", &path).0, key);
        }
    }
}
