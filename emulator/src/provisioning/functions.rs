//! The intrinsic functions of provisioning templates: `Ref`, `Fn::Join`, `Fn::Select`, `Fn::Split`,
//! `Fn::FindInMap`, `Fn::Sub`.
//!
//! What a value is used for is not known here. Depth and size of what comes out are bounded,
//! because a small template can ask for a very large text.
//! Truth: <https://docs.aws.amazon.com/iot/latest/developerguide/provision-template.html>.

use std::collections::BTreeMap;

use serde_json::{Map, Value};

/// How deeply functions, lists and objects may stand in each other.
const DEPTH: usize = 64;
/// How much text may come out of one template, in bytes.
const RESOLVED_BYTES: usize = 256 * 1024;

/// Resolves the functions in the values of one template.
#[derive(Debug)]
pub(super) struct Resolver<'a> {
    parameters: &'a BTreeMap<String, String>,
    mappings: &'a Map<String, Value>,
    bytes_left: usize,
}

/// A function that has no value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Unresolved {
    /// As AWS prints it: `{Ref=AWS::IoT::Certificate::Country}`.
    pub(super) function: String,
    /// What AWS does not say.
    pub(super) why: String,
}

impl<'a> Resolver<'a> {
    /// Resolves with these values of the parameters and this `Mappings` section.
    pub(super) const fn new(
        parameters: &'a BTreeMap<String, String>,
        mappings: &'a Map<String, Value>,
    ) -> Self {
        Self { parameters, mappings, bytes_left: RESOLVED_BYTES }
    }

    /// `value` with every function in it replaced by what it stands for.
    pub(super) fn resolve(&mut self, value: &Value) -> Result<Value, Unresolved> {
        self.value(value, 0)
    }

    fn value(&mut self, value: &Value, depth: usize) -> Result<Value, Unresolved> {
        if depth > DEPTH {
            return Err(Unresolved {
                function: "…".to_owned(),
                why: format!("more than {DEPTH} functions, lists and objects in each other"),
            });
        }
        match value {
            Value::Array(items) => {
                let items = items.iter().map(|item| self.value(item, depth + 1));
                items.collect::<Result<_, _>>().map(Value::Array)
            }
            Value::Object(members) => match function(members) {
                Some((name, argument)) => self
                    .call(name, argument, depth + 1)
                    .map_err(|why| why.into_unresolved(name, argument)),
                None => {
                    let mut resolved = Map::new();
                    for (name, member) in members {
                        self.charge(name.len()).map_err(|why| why.into_unresolved(name, member))?;
                        resolved.insert(name.clone(), self.value(member, depth + 1)?);
                    }
                    Ok(Value::Object(resolved))
                }
            },
            Value::String(text) => {
                self.charge(text.len()).map_err(|why| why.into_unresolved("…", &Value::Null))?;
                Ok(value.clone())
            }
            Value::Null | Value::Bool(_) | Value::Number(_) => Ok(value.clone()),
        }
    }

    fn call(&mut self, name: &str, argument: &Value, depth: usize) -> Result<Value, Failed> {
        match name {
            "Ref" => {
                let name = argument.as_str().ok_or(Failed::shape("a parameter's name"))?;
                self.parameter(name).map(Value::String)
            }
            "Fn::Join" => self.join(argument, depth),
            "Fn::Select" => self.select(argument, depth),
            "Fn::Split" => self.split(argument, depth),
            "Fn::FindInMap" => self.find_in_map(argument, depth),
            "Fn::Sub" => self.sub(argument, depth),
            other => Err(Failed::Why(format!("there is no function `{other}`"))),
        }
    }

    fn parameter(&mut self, name: &str) -> Result<String, Failed> {
        let Some(value) = self.parameters.get(name) else {
            return Err(Failed::Why(format!("the parameter `{name}` has no value")));
        };
        self.charge(value.len())?;
        Ok(value.clone())
    }

    fn join(&mut self, argument: &Value, depth: usize) -> Result<Value, Failed> {
        let [delimiter, list] = self.arguments(argument, depth, "[delimiter, [value, …]]")?;
        let delimiter = text(&delimiter).ok_or(Failed::shape("a delimiter that is text"))?;
        let Value::Array(items) = list else { return Err(Failed::shape("a list to join")) };
        let mut joined = String::new();
        for (index, item) in items.iter().enumerate() {
            let item = text(item).ok_or(Failed::shape("a list of texts"))?;
            self.charge(item.len() + delimiter.len())?;
            if index > 0 {
                joined.push_str(&delimiter);
            }
            joined.push_str(&item);
        }
        Ok(Value::String(joined))
    }

    //= https://docs.aws.amazon.com/iot/latest/developerguide/provision-template.html
    //# an index out of bounds and a null in the list are provisioning errors
    fn select(&mut self, argument: &Value, depth: usize) -> Result<Value, Failed> {
        let [index, list] = self.arguments(argument, depth, "[index, [value, …]]")?;
        let number = text(&index).and_then(|text| text.parse::<usize>().ok());
        let number = number.ok_or(Failed::shape("an index, from 0"))?;
        let Value::Array(mut items) = list else { return Err(Failed::shape("a list")) };
        let length = items.len();
        if number >= length {
            let why = format!("the index {number} is out of bounds: the list has {length} values");
            return Err(Failed::Why(why));
        }
        if items.iter().any(Value::is_null) {
            return Err(Failed::Why("the list contains null".to_owned()));
        }
        Ok(items.swap_remove(number))
    }

    fn split(&mut self, argument: &Value, depth: usize) -> Result<Value, Failed> {
        let [delimiter, source] = self.arguments(argument, depth, "[delimiter, text]")?;
        let delimiter = text(&delimiter).filter(|text| !text.is_empty());
        let delimiter = delimiter.ok_or(Failed::shape("a delimiter that is not empty"))?;
        let source = text(&source).ok_or(Failed::shape("a text to split"))?;
        let mut parts = Vec::new();
        for part in source.split(&delimiter) {
            self.charge(part.len() + size_of::<Value>())?;
            parts.push(Value::String(part.to_owned()));
        }
        Ok(Value::Array(parts))
    }

    //= https://docs.aws.amazon.com/iot/latest/developerguide/provision-template.html
    //# two levels of keys; no functions inside `Mappings`
    fn find_in_map(&mut self, argument: &Value, depth: usize) -> Result<Value, Failed> {
        let keys: [Value; 3] =
            self.arguments(argument, depth, "[map, top-level key, second-level key]")?;
        let [map, top, second] = keys.map(|key| text(&key));
        let (Some(map), Some(top), Some(second)) = (map, top, second) else {
            return Err(Failed::shape("three names"));
        };
        let level = |value: Option<&'a Value>| value.and_then(Value::as_object);
        let mappings = self.mappings;
        let Some(maps) = level(mappings.get(&map)) else {
            return Err(Failed::Why(format!("`Mappings` has no `{map}`")));
        };
        let Some(values) = level(maps.get(&top)) else {
            return Err(Failed::Why(format!("the mapping `{map}` has no `{top}`")));
        };
        let Some(value) = values.get(&second) else {
            return Err(Failed::Why(format!("`{top}` of the mapping `{map}` has no `{second}`")));
        };
        let texts = value.as_array().is_some_and(|items| items.iter().all(|it| text(it).is_some()));
        if text(value).is_none() && !texts {
            return Err(Failed::Why(format!("`{second}` of `{top}` of `{map}` is no text")));
        }
        self.charge(value.to_string().len())?;
        Ok(value.clone())
    }

    //= https://docs.aws.amazon.com/iot/latest/developerguide/provision-template.html
    //# substitutes `${name}` by the value given with it, or by the parameter of that name
    fn sub(&mut self, argument: &Value, depth: usize) -> Result<Value, Failed> {
        let mut variables = BTreeMap::new();
        let pattern = match argument {
            Value::Array(items) => {
                let [Value::String(pattern), Value::Object(given)] = items.as_slice() else {
                    return Err(Failed::shape("text, or [text, {name: value, …}]"));
                };
                for (name, value) in given {
                    let value = self.value(value, depth + 1)?;
                    let value = text(&value).ok_or(Failed::shape("variables that are texts"))?;
                    variables.insert(name.as_str(), value);
                }
                pattern
            }
            Value::String(pattern) => pattern,
            _ => return Err(Failed::shape("text, or [text, {name: value, …}]")),
        };
        let mut substituted = String::new();
        let mut rest = pattern.as_str();
        while let Some((before, after)) = rest.split_once("${") {
            self.charge(before.len())?;
            substituted.push_str(before);
            let Some((name, after)) = after.split_once('}') else {
                return Err(Failed::Why("a `${` has no `}`".to_owned()));
            };
            rest = after;
            match (name.strip_prefix('!'), variables.get(name)) {
                // `${!name}` stands for `${name}`: so policy variables come through.
                (Some(literal), _) => {
                    self.charge(literal.len() + 3)?;
                    substituted.extend(["${", literal, "}"]);
                }
                (None, Some(value)) => {
                    self.charge(value.len())?;
                    substituted.push_str(value);
                }
                (None, None) => substituted.push_str(&self.parameter(name)?),
            }
        }
        self.charge(rest.len())?;
        substituted.push_str(rest);
        Ok(Value::String(substituted))
    }

    /// The `N` arguments of a function, resolved.
    fn arguments<const N: usize>(
        &mut self,
        argument: &Value,
        depth: usize,
        shape: &'static str,
    ) -> Result<[Value; N], Failed> {
        let Value::Array(items) = argument else { return Err(Failed::shape(shape)) };
        let items: Vec<Value> = items
            .iter()
            .map(|item| self.value(item, depth + 1))
            .collect::<Result<_, Unresolved>>()?;
        items.try_into().map_err(|_| Failed::shape(shape))
    }

    fn charge(&mut self, bytes: usize) -> Result<(), Failed> {
        let left = self.bytes_left.checked_sub(bytes);
        let why = || format!("the template comes to more than {RESOLVED_BYTES} bytes");
        self.bytes_left = left.ok_or_else(|| Failed::Why(why()))?;
        Ok(())
    }
}

/// Why a call has no value; an argument that has none is reported itself.
enum Failed {
    Argument(Unresolved),
    Why(String),
}

impl Failed {
    fn shape(wanted: &str) -> Self {
        Self::Why(format!("it takes {wanted}"))
    }

    fn into_unresolved(self, name: &str, argument: &Value) -> Unresolved {
        match self {
            Self::Argument(unresolved) => unresolved,
            Self::Why(why) => {
                Unresolved { function: format!("{{{name}={}}}", printed(argument)), why }
            }
        }
    }
}

impl From<Unresolved> for Failed {
    fn from(unresolved: Unresolved) -> Self {
        Self::Argument(unresolved)
    }
}

/// An object of one member that is named like a function.
fn function(members: &Map<String, Value>) -> Option<(&str, &Value)> {
    let mut all = members.iter();
    let (name, argument) = all.next()?;
    let is_function = name == "Ref" || name.starts_with("Fn::");
    (is_function && all.next().is_none()).then_some((name.as_str(), argument))
}

/// A value that can stand as text.
//? assumed: numbers and truth values count as the text that they are written with
pub(super) fn text(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.clone()),
        Value::Number(number) => Some(number.to_string()),
        Value::Bool(truth) => Some(truth.to_string()),
        Value::Null | Value::Array(_) | Value::Object(_) => None,
    }
}

/// A value as AWS prints one in a message, cut where it is long.
fn printed(value: &Value) -> String {
    const LONGEST: usize = 200;
    let text = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
    match text.char_indices().nth(LONGEST) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn resolve(value: &Value) -> Result<Value, Unresolved> {
        let parameters = BTreeMap::from([
            ("Name".to_owned(), "lamp-1".to_owned()),
            ("Country".to_owned(), "DE".to_owned()),
            ("List".to_owned(), "a,b,,c".to_owned()),
        ]);
        let mappings =
            json!({ "Site": { "DE": { "city": "Berlin", "all": ["x", "y"], "deep": {} } } });
        Resolver::new(&parameters, mappings.as_object().unwrap()).resolve(value)
    }

    #[test]
    fn pt_functions_stand_for_what_the_guide_says() {
        let table = [
            ("Ref", json!({ "Ref": "Name" }), json!("lamp-1")),
            ("Join", json!({ "Fn::Join": ["-", ["a", { "Ref": "Country" }]] }), json!("a-DE")),
            ("Join, empty delimiter", json!({ "Fn::Join": ["", ["a", 1, true]] }), json!("a1true")),
            ("Join, empty list", json!({ "Fn::Join": [",", []] }), json!("")),
            (
                "Select of Split",
                json!({ "Fn::Select": ["3", { "Fn::Split": [",", { "Ref": "List" }] }] }),
                json!("c"),
            ),
            ("Split", json!({ "Fn::Split": ["|", "a|b"] }), json!(["a", "b"])),
            (
                "FindInMap",
                json!({ "Fn::FindInMap": ["Site", { "Ref": "Country" }, "city"] }),
                json!("Berlin"),
            ),
            (
                "FindInMap of a list",
                json!({ "Fn::Join": ["+", { "Fn::FindInMap": ["Site", "DE", "all"] }] }),
                json!("x+y"),
            ),
            ("Sub", json!({ "Fn::Sub": "thing/${Name}/$x" }), json!("thing/lamp-1/$x")),
            (
                "Sub with variables",
                json!({ "Fn::Sub": ["${a}-${Country}", { "a": { "Ref": "Name" } }] }),
                json!("lamp-1-DE"),
            ),
            (
                "PT-9: Sub leaves what is escaped",
                json!({ "Fn::Sub": "client/${!iot:ClientId}" }),
                json!("client/${iot:ClientId}"),
            ),
            (
                "Sub does not look at what it put in",
                json!({ "Fn::Sub": ["${a}", { "a": "${a}" }] }),
                json!("${a}"),
            ),
            (
                "PT-9: policy variables outside Sub are left alone",
                json!({ "Resource": ["client/${iot:ClientId}"] }),
                json!({ "Resource": ["client/${iot:ClientId}"] }),
            ),
            (
                "two members: no function",
                json!({ "Ref": "x", "b": 1 }),
                json!({ "Ref": "x", "b": 1 }),
            ),
        ];
        for (row, value, expected) in table {
            assert_eq!(resolve(&value), Ok(expected), "{row}");
        }
    }

    #[test]
    fn jp_3_what_has_no_value_is_named_as_aws_names_it() {
        let table = [
            (
                json!({ "a": [{ "Ref": "Nope" }] }),
                "{Ref=Nope}",
                "the parameter `Nope` has no value",
            ),
            (
                json!({ "Fn::Join": ["", [{ "Ref": "Nope" }]] }),
                "{Ref=Nope}",
                "the parameter `Nope` has no value",
            ),
            (
                json!({ "Fn::Select": [2, ["a", "b"]] }),
                "{Fn::Select=[2,[\"a\",\"b\"]]}",
                "the index 2 is out of bounds: the list has 2 values",
            ),
            (
                json!({ "Fn::Select": [0, ["a", null]] }),
                "{Fn::Select=[0,[\"a\",null]]}",
                "the list contains null",
            ),
            (
                json!({ "Fn::Select": [-1, ["a"]] }),
                "{Fn::Select=[-1,[\"a\"]]}",
                "it takes an index, from 0",
            ),
            (
                json!({ "Fn::FindInMap": ["Site", "FR", "city"] }),
                "{Fn::FindInMap=[\"Site\",\"FR\",\"city\"]}",
                "the mapping `Site` has no `FR`",
            ),
            (
                json!({ "Fn::FindInMap": ["Site", "DE", "deep"] }),
                "{Fn::FindInMap=[\"Site\",\"DE\",\"deep\"]}",
                "`deep` of `DE` of `Site` is no text",
            ),
            (
                json!({ "Fn::Sub": "client/${iot:ClientId}" }),
                "{Fn::Sub=client/${iot:ClientId}}",
                "the parameter `iot:ClientId` has no value",
            ),
            (json!({ "Fn::Sub": "a${b" }), "{Fn::Sub=a${b}", "a `${` has no `}`"),
            (
                json!({ "Fn::Split": ["", "ab"] }),
                "{Fn::Split=[\"\",\"ab\"]}",
                "it takes a delimiter that is not empty",
            ),
            (json!({ "Fn::Join": "x" }), "{Fn::Join=x}", "it takes [delimiter, [value, …]]"),
            (
                json!({ "Fn::GetAtt": ["a", "b"] }),
                "{Fn::GetAtt=[\"a\",\"b\"]}",
                "there is no function `Fn::GetAtt`",
            ),
            (json!({ "Ref": {} }), "{Ref={}}", "it takes a parameter's name"),
        ];
        for (value, function, why) in table {
            let unresolved = resolve(&value).expect_err(function);
            assert_eq!((unresolved.function.as_str(), unresolved.why.as_str()), (function, why));
        }
    }

    #[test]
    fn a_template_that_grows_without_measure_is_stopped() {
        // Each level doubles the text of the one below it.
        let mut value = json!("0123456789");
        for _ in 0..30 {
            value = json!({ "Fn::Sub": ["${a}${a}", { "a": value }] });
        }
        let unresolved = resolve(&value).unwrap_err();
        assert_eq!(unresolved.why, "the template comes to more than 262144 bytes");
        let mut nested = json!("x");
        for _ in 0..100 {
            nested = json!([nested]);
        }
        assert!(resolve(&nested).unwrap_err().why.starts_with("more than 64 functions"));
    }

    fn any_value() -> impl proptest::strategy::Strategy<Value = Value> {
        use proptest::prelude::*;
        let leaf = prop_oneof![
            Just(Value::Null),
            any::<i8>().prop_map(Value::from),
            "[a-zN${}!,]{0,8}".prop_map(Value::from),
            Just(json!("Name")),
        ];
        leaf.prop_recursive(6, 64, 4, |inner| {
            let function = prop_oneof![
                Just("Ref"),
                Just("Fn::Join"),
                Just("Fn::Select"),
                Just("Fn::Split"),
                Just("Fn::Sub"),
                Just("Fn::FindInMap"),
                Just("a"),
            ];
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
                (function, inner).prop_map(|(name, value)| json!({ name: value })),
            ]
        })
    }

    proptest::proptest! {
        #[test]
        fn no_value_makes_it_panic_and_no_function_is_left(value in any_value()) {
            if let Ok(resolved) = resolve(&value) {
                let left = resolved.to_string().contains("Fn::");
                proptest::prop_assert!(!left);
            }
        }
    }
}
