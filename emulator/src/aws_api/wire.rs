//! How an operation looks on the wire: REST-JSON, read into the one JSON object that the AWS CLI
//! would take, wherever a member travels (path, query, header, body).
//!
//! Truth: botocore's service models and
//! <https://smithy.io/2.0/aws/protocols/aws-restjson1-protocol.html>.

use percent_encoding::percent_decode_str;
use serde_json::{Map, Value};

use crate::errors::ApiError;
use crate::http::Request;
use crate::service_model::{Extent, Member, NOT_AN_OBJECT, Operation, Place, ServiceModel};

/// The labels of a path, by name, percent-decoded.
pub(crate) type Labels = Vec<(&'static str, String)>;

/// One segment of a URI.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Segment {
    Literal(&'static str),
    /// The member, by its own name.
    Label(&'static str),
}

/// How one operation travels.
#[derive(Debug)]
pub(crate) struct Wire {
    pub(crate) operation: &'static Operation,
    model: &'static ServiceModel,
    segments: Vec<Segment>,
}

impl Wire {
    /// As `operation` of `model` says.
    pub(crate) fn new(model: &'static ServiceModel, operation: &'static Operation) -> Self {
        let segment = |text: &'static str| {
            let label = text.strip_prefix('{').and_then(|text| text.strip_suffix('}'));
            label.map_or(Segment::Literal(text), |label| {
                let same = |member: &&Member| member.on_the_wire == label;
                let member = operation.members.iter().find(same);
                Segment::Label(member.map_or(label, |member| member.name))
            })
        };
        let segments = operation.uri.trim_start_matches('/').split('/').map(segment).collect();
        Self { operation, model, segments }
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
        // Most rows fail at their first word: for those nothing is taken apart.
        if let Some(Segment::Literal(first)) = self.segments.first()
            && rest.split('/').next() != Some(first)
        {
            return None;
        }
        // AWS's models end some URIs in a slash; clients send it or not.
        let ends_in_word = matches!(self.segments.last(), Some(Segment::Literal(_)));
        let rest = rest.strip_suffix('/').filter(|_| ends_in_word).unwrap_or(rest);
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
        let described = &self.operation.members;
        let payload = described.iter().find(|member| member.place == Place::Payload);
        let mut members = match payload {
            None => body(request)?,
            Some(Member { name: "payload" | "Payload", .. }) => Map::new(),
            Some(member) => Map::from_iter([(member.name.to_owned(), body(request)?.into())]),
        };
        let query = request.query();
        for member in described {
            let text = match member.place {
                Place::Payload | Place::Body => None,
                Place::Header => request.header(member.on_the_wire).map(str::to_owned),
                Place::Query => {
                    let found = query.iter().find(|(name, _)| name == member.on_the_wire);
                    found.map(|(_, value)| value.clone().into_owned())
                }
            };
            match text {
                Some(text) => {
                    members.insert(member.name.to_owned(), self.value(member, text)?);
                }
                // In the body it has no meaning.
                None if matches!(member.place, Place::Query | Place::Header) => {
                    members.remove(member.name);
                }
                None => {}
            }
        }
        for (name, text) in labels {
            let value = match described.iter().find(|member| member.name == name) {
                Some(member) => self.value(member, text)?,
                None => text.into(),
            };
            members.insert(name.to_owned(), value);
        }
        Ok(Value::Object(members))
    }

    /// What the model finds wrong with `members`.
    pub(crate) fn check(&self, members: &Value, extent: Extent) -> Result<(), String> {
        self.model.check(self.operation, members, extent)
    }

    /// The text of a path, a query or a header as the member's type.
    fn value(&self, member: &Member, text: String) -> Result<Value, ApiError> {
        let value = if self.model.is_boolean(member) {
            text.parse::<bool>().ok().map(Value::Bool)
        } else if self.model.is_number(member) {
            text.parse::<i64>().ok().map(Value::from)
        } else {
            return Ok(Value::String(text));
        };
        //? assumed: the text
        value.ok_or_else(|| {
            let name = member.name;
            ApiError::invalid_request(format!("Value '{text}' at '{name}' has the wrong type"))
        })
    }
}

/// The body as a JSON object; an empty one counts as `{}`.
fn body(request: &Request) -> Result<Map<String, Value>, ApiError> {
    if request.body.iter().all(u8::is_ascii_whitespace) {
        return Ok(Map::new());
    }
    serde_json::from_slice(&request.body).map_err(|_| ApiError::invalid_request(NOT_AN_OBJECT))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::http::{HeaderMap, Method};
    use serde_json::json;

    use crate::service_model::{IOT, IOT_DATA, LAMBDA};

    fn wire(model: &'static ServiceModel, operation: &str) -> Wire {
        Wire::new(model, model.operation(operation).expect(operation))
    }

    fn request(uri: &str, body: &str) -> Request {
        let mut headers = HeaderMap::new();
        headers.insert("x-amzn-principal", "arn:cert".parse().unwrap());
        let (uri, body) = (uri.parse().unwrap(), body.to_owned().into());
        Request { method: Method::PUT, uri, headers, body }
    }

    fn read(wire: &Wire, uri: &str, body: &str) -> Option<Result<Value, ApiError>> {
        let request = request(uri, body);
        Some(wire.members(wire.labels(request.uri.path())?, &request))
    }

    #[test]
    fn members_are_gathered_from_wherever_they_travel() {
        let table: [(&'static ServiceModel, _, _, _, _); 7] = [
            (
                &IOT,
                "DescribeProvisioningTemplateVersion",
                "/provisioning-templates/Fleet/versions/2",
                "",
                json!({ "templateName": "Fleet", "versionId": 2 }),
            ),
            (
                &IOT,
                "CreatePolicyVersion",
                "/policies/b%2Fc/version?setAsDefault=true",
                r#"{"policyDocument":"{}"}"#,
                json!({"policyName":"b/c","setAsDefault":true,"policyDocument":"{}"}),
            ),
            (
                &IOT,
                "ListCertificates",
                "/certificates?isAscendingOrder=true&pageSize=7&size=8",
                r#"{"marker":"no meaning here"}"#,
                json!({"ascendingOrder":true,"pageSize":7}),
            ),
            (
                &IOT,
                "DetachThingPrincipal",
                "/things/t/principals",
                "",
                json!({"thingName":"t","principal":"arn:cert"}),
            ),
            (
                &IOT,
                "CreateTopicRule",
                "/rules/r",
                r#"{"sql":"S"}"#,
                json!({"ruleName":"r","topicRulePayload":{"sql":"S"}}),
            ),
            (&IOT_DATA, "Publish", "/topics/a/b%20c", "raw", json!({"topic":"a/b c"})),
            (
                &LAMBDA,
                "ListFunctions",
                "/2015-03-31/functions/?MaxItems=3",
                "",
                json!({"MaxItems":3}),
            ),
        ];
        for (model, operation, uri, body, expected) in table {
            assert_eq!(read(&wire(model, operation), uri, body), Some(Ok(expected)), "{uri}");
        }
    }

    #[test]
    fn another_path_is_another_operation() {
        for uri in ["/things", "/things/", "/b/x", "/things/x/y"] {
            assert!(read(&wire(&IOT, "DescribeThing"), uri, "").is_none(), "{uri}");
        }
    }

    #[test]
    fn a_bad_body_or_value_is_refused_in_aws_words() {
        let wire = wire(&IOT, "CreateKeysAndCertificate");
        for (uri, body) in [
            ("/keys-and-certificate", "{"),
            ("/keys-and-certificate", "[]"),
            ("/keys-and-certificate?setAsActive=maybe", ""),
        ] {
            assert!(read(&wire, uri, body).is_some_and(|read| read.is_err()), "{uri} {body}");
        }
    }

    proptest::proptest! {
        #[test]
        fn no_path_query_or_body_is_too_odd_to_be_read(path in "/[ -~]{0,40}", body in ".{0,60}") {
            if let Ok(uri) = path.parse() {
                let (method, headers) = (Method::PUT, HeaderMap::new());
                let request = Request { method, uri, headers, body: body.into() };
                for wire in [wire(&IOT, "ListThingPrincipals"), wire(&IOT_DATA, "Publish")] {
                    let labels = wire.labels(request.uri.path());
                    let _read_or_refused = labels.map(|labels| wire.members(labels, &request));
                }
            }
        }
    }
}
