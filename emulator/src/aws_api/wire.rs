//! How an operation looks on the wire: REST-JSON, read into the one JSON object that the AWS CLI
//! would take, wherever a member travels (path, query, header, body).
//!
//! Truth: botocore's service models and
//! <https://smithy.io/2.0/aws/protocols/aws-restjson1-protocol.html>.

use percent_encoding::percent_decode_str;
use serde_json::{Map, Value};

use crate::errors::ApiError;
use crate::http::Request;

/// The type of a member that travels as text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Text,
    Bool,
    Int,
}

/// Where a member lives.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Place {
    Query,
    Header,
    Payload,
}

#[derive(Clone, Copy, Debug)]
struct Member {
    name: &'static str,
    on_the_wire: &'static str,
    kind: Kind,
    place: Place,
}

/// The labels of a path, by name, percent-decoded.
pub(crate) type Labels = Vec<(&'static str, String)>;

/// One segment of a URI.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Segment {
    Literal(&'static str),
    Label(&'static str),
}

/// The wire column of a row, taken apart.
#[derive(Debug)]
pub(crate) struct Wire {
    pub(crate) method: &'static str,
    segments: Vec<Segment>,
    members: Vec<Member>,
}

impl Wire {
    /// Takes `METHOD /uri/{label} ?query ^header *payload` apart.
    pub(crate) fn parse(text: &'static str) -> Self {
        let mut words = text.split(' ');
        let (method, uri) = (words.next().unwrap_or_default(), words.next().unwrap_or_default());
        let segment = |text: &'static str| {
            let label = text.strip_prefix('{').and_then(|text| text.strip_suffix('}'));
            label.map_or(Segment::Literal(text), Segment::Label)
        };
        let segments = uri.trim_start_matches('/').split('/').map(segment).collect();
        Self { method, segments, members: words.map(Member::parse).collect() }
    }

    /// A path that names the operation, with the names of its labels for values.
    #[cfg(test)]
    pub(crate) fn sample_path(&self) -> String {
        let segments = self.segments.iter().map(|segment| match segment {
            Segment::Literal(text) | Segment::Label(text) => format!("/{text}"),
        });
        segments.collect()
    }

    /// The labels of `path`, percent-decoded, if this is the operation it names. A last label
    /// `{topic}` takes the rest, since devices send its slashes as they are.
    pub(crate) fn labels(&self, path: &str) -> Option<Labels> {
        let rest = path.strip_prefix('/')?;
        let greedy = matches!(self.segments.last(), Some(Segment::Label("topic")));
        let parts: Vec<&str> = if greedy {
            rest.splitn(self.segments.len(), '/').collect()
        } else {
            rest.split('/').collect()
        };
        if parts.len() != self.segments.len() {
            return None;
        }
        let mut labels = Vec::new();
        for (segment, part) in self.segments.iter().zip(parts) {
            match segment {
                Segment::Literal(text) if *text == part => {}
                Segment::Literal(_) => return None,
                Segment::Label(_) if part.is_empty() => return None,
                Segment::Label(name) => {
                    labels.push((*name, percent_decode_str(part).decode_utf8_lossy().into_owned()));
                }
            }
        }
        Some(labels)
    }

    /// How many segments are literal: the more, the better a match.
    pub(crate) fn precision(&self) -> usize {
        self.segments.iter().filter(|segment| matches!(segment, Segment::Literal(_))).count()
    }

    /// Every member of `request` in one JSON object.
    pub(crate) fn members(&self, labels: Labels, request: &Request) -> Result<Value, ApiError> {
        let payload = self.members.iter().find(|member| member.place == Place::Payload);
        let mut members = match payload {
            None => body(request)?,
            Some(Member { name: "payload" | "Payload", .. }) => Map::new(),
            Some(member) => Map::from_iter([(member.name.to_owned(), body(request)?.into())]),
        };
        let query = request.query();
        for member in &self.members {
            let text = match member.place {
                Place::Payload => None,
                Place::Header => request.header(member.on_the_wire).map(str::to_owned),
                Place::Query => {
                    let same = |(name, _): &&(String, String)| name == member.on_the_wire;
                    query.iter().find(same).map(|(_, value)| value.clone())
                }
            };
            if let Some(text) = text {
                members.insert(member.name.to_owned(), member.value(text)?);
            }
        }
        for (name, value) in labels {
            members.insert(name.to_owned(), value.into());
        }
        Ok(Value::Object(members))
    }
}

impl Member {
    fn parse(word: &'static str) -> Self {
        let place = match word.as_bytes().first() {
            Some(b'?') => Place::Query,
            Some(b'^') => Place::Header,
            _ => Place::Payload,
        };
        let word = word.get(1..).unwrap_or_default();
        let (word, kind) = match word.rsplit_once(':') {
            Some((word, "bool")) => (word, Kind::Bool),
            Some((word, _)) => (word, Kind::Int),
            None => (word, Kind::Text),
        };
        let (name, on_the_wire) = word.split_once('=').unwrap_or((word, word));
        Self { name, on_the_wire, kind, place }
    }

    fn value(&self, text: String) -> Result<Value, ApiError> {
        let value = match self.kind {
            Kind::Text => Some(Value::String(text.clone())),
            Kind::Bool => text.parse::<bool>().ok().map(Value::Bool),
            Kind::Int => text.parse::<i64>().ok().map(Value::from),
        };
        value.ok_or_else(|| {
            let name = self.name;
            ApiError::invalid_request(format!("Value '{text}' at '{name}' has the wrong type"))
        })
    }
}

/// The body as a JSON object; an empty one counts as `{}`.
fn body(request: &Request) -> Result<Map<String, Value>, ApiError> {
    if request.body.iter().all(u8::is_ascii_whitespace) {
        return Ok(Map::new());
    }
    //? assumed: the text; AWS's own differs by service and version
    serde_json::from_slice(&request.body)
        .map_err(|_| ApiError::invalid_request("Invalid request content: not a JSON object"))
}

//= https://github.com/ministackorg/ministack/pull/1755
//# "1 validation error detected: Value at 'x' failed to satisfy constraint: …"
/// A serde error in AWS's validation words.
pub(crate) fn invalid_input(error: &serde_json::Error) -> ApiError {
    let text = error.to_string();
    let missing = text.strip_prefix("missing field `").and_then(|rest| rest.split('`').next());
    ApiError::invalid_request(match missing {
        Some(name) => format!(
            "1 validation error detected: Value null at '{name}' failed to satisfy constraint: \
             Member must not be null"
        ),
        None => format!("1 validation error detected: {text}"),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::http::{HeaderMap, Method};
    use serde_json::json;

    fn request(uri: &str, body: &'static str) -> Request {
        let mut headers = HeaderMap::new();
        headers.insert("x-amzn-principal", "arn:cert".parse().unwrap());
        Request { method: Method::PUT, uri: uri.parse().unwrap(), headers, body: body.into() }
    }

    fn read(wire: &'static str, uri: &str, body: &'static str) -> Option<Result<Value, ApiError>> {
        let (wire, request) = (Wire::parse(wire), request(uri, body));
        Some(wire.members(wire.labels(request.uri.path())?, &request))
    }

    #[test]
    fn members_are_gathered_from_wherever_they_travel() {
        let table = [
            (
                "PUT /a/{x} ?y:bool",
                "/a/b%2Fc?y=true",
                r#"{"z":1}"#,
                json!({"x":"b/c","y":true,"z":1}),
            ),
            ("PUT /a ?y=isY:int", "/a?isY=7&y=8", "", json!({"y":7})),
            ("PUT /a ^p=x-amzn-principal", "/a", "", json!({"p":"arn:cert"})),
            ("PUT /a/{n} *doc", "/a/r", r#"{"sql":"S"}"#, json!({"n":"r","doc":{"sql":"S"}})),
            ("POST /topics/{topic} *payload", "/topics/a/b%20c", "raw", json!({"topic":"a/b c"})),
        ];
        for (wire, uri, body, expected) in table {
            assert_eq!(read(wire, uri, body), Some(Ok(expected)), "{wire} {uri}");
        }
    }

    #[test]
    fn another_path_is_another_operation() {
        for uri in ["/a", "/a/", "/b/x", "/a/x/y"] {
            assert!(read("PUT /a/{x}", uri, "").is_none(), "{uri}");
        }
    }

    #[test]
    fn a_bad_body_or_value_is_refused_in_aws_words() {
        assert!(read("PUT /a", "/a", "{").is_some_and(|read| read.is_err()));
        assert!(read("PUT /a", "/a", "[]").is_some_and(|read| read.is_err()));
        assert!(read("PUT /a ?y:bool", "/a?y=maybe", "").is_some_and(|read| read.is_err()));
        let error = serde_json::from_str::<crate::config::Call>("{}").unwrap_err();
        assert_eq!(
            invalid_input(&error).message(),
            "1 validation error detected: Value null at 'operation' failed to satisfy constraint: \
             Member must not be null"
        );
    }

    proptest::proptest! {
        #[test]
        fn no_path_query_or_body_is_too_odd_to_be_read(path in "/[ -~]{0,40}", body in ".{0,60}") {
            if let Ok(uri) = path.parse() {
                let (method, headers) = (Method::PUT, HeaderMap::new());
                let request = Request { method, uri, headers, body: body.into() };
                for wire in ["PUT /{a}/{b} ?c:int ^d=x-d", "POST /topics/{topic} *payload"] {
                    let wire = Wire::parse(wire);
                    let labels = wire.labels(request.uri.path());
                    let _read_or_refused = labels.map(|labels| wire.members(labels, &request));
                }
            }
        }
    }
}
