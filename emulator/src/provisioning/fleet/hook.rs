//! The pre-provisioning hook: what the function is asked, and what its answer means.
//!
//! Truth: <https://docs.aws.amazon.com/iot/latest/developerguide/pre-provisioning-hook.html>; how
//! leniently an answer is read, and the words, from
//! <https://github.com/ministackorg/ministack/pull/1755>.

use std::collections::BTreeMap;

use bytes::Bytes;
use serde::Serialize;
use serde_json::{Map, Value};

use super::FleetRejection;
use crate::names::{Arn, CertificateId, ClientId};
use crate::provisioning::functions::text;

/// The call of a hook.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct HookCall {
    pub(crate) function_arn: String,
    pub(crate) template_arn: Arn,
    pub(crate) payload: Bytes,
}

/// What became of a call.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum HookOutcome {
    /// AWS IoT may not invoke the function.
    NotPermitted(Vec<String>),
    /// The function was not invoked, or did not end in time.
    NotInvoked(String),
    /// The function failed.
    Failed(String),
    /// What the function answered.
    Answered(Bytes),
}

/// What a hook is asked.
//= https://docs.aws.amazon.com/iot/latest/developerguide/pre-provisioning-hook.html
//# the members of the event
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct HookRequest<'a> {
    pub(super) claim_certificate_id: &'a str,
    pub(super) certificate_id: CertificateId,
    pub(super) certificate_pem: String,
    pub(super) template_arn: &'a Arn,
    pub(super) client_id: &'a ClientId,
    pub(super) parameters: &'a BTreeMap<String, String>,
}

/// What a hook wants changed: a text for a parameter, or none.
pub(super) type Overrides = BTreeMap<String, Option<String>>;

impl HookOutcome {
    /// What the hook wants changed, if it lets the device be provisioned.
    pub(super) fn overrides(self) -> Result<Overrides, FleetRejection> {
        let invocation = |text: &str, why: Vec<String>| {
            let rejection = FleetRejection::new("InvocationError", text);
            Err(FleetRejection { why, ..rejection })
        };
        match self {
            Self::NotPermitted(why) => {
                invocation("Access denied while invoking Lambda function", why)
            }
            Self::NotInvoked(why) => {
                invocation("A failure occurred while invoking the provisioning hook.", vec![why])
            }
            Self::Failed(why) => {
                invocation("The provisioning hook was not executed successfully.", vec![why])
            }
            Self::Answered(answer) => read(&answer),
        }
    }
}

//= https://github.com/ministackorg/ministack/pull/1755
//# nothing, or null, is no response; what is no object with a readable allowProvisioning is invalid
fn read(answer: &[u8]) -> Result<Overrides, FleetRejection> {
    let invalid = |why: &str| {
        let text = "Provisioning hook result is in an invalid format.";
        Err(FleetRejection::new("InvalidResult", text).because(why))
    };
    let mut members: Map<String, Value> = match serde_json::from_slice(answer) {
        Ok(Value::Object(members)) => members,
        Ok(Value::Null) => {
            let text = "The provisioning hook did not return a response.";
            return Err(FleetRejection::new("InvalidResult", text).because("it answered null"));
        }
        Ok(_) | Err(_) => return invalid("the hook's answer is no JSON object"),
    };
    match members.get("allowProvisioning").and_then(truth) {
        Some(true) => {}
        Some(false) => {
            let why = "the hook answered allowProvisioning: false";
            let rejection = FleetRejection::new("AccessDenied", "Access Denied");
            return Err(FleetRejection { status_code: 403, ..rejection }.because(why));
        }
        None => return invalid("allowProvisioning is missing, or neither true nor false"),
    }
    let overrides = match members.remove("parameterOverrides") {
        None | Some(Value::Null) => return Ok(Overrides::new()),
        Some(Value::Object(overrides)) => overrides,
        Some(_) => return invalid("parameterOverrides is no object"),
    };
    let mut read = Overrides::new();
    for (name, value) in overrides {
        let value = match value {
            Value::Null => None,
            value => match text(&value) {
                Some(text) => Some(text),
                None => return invalid(&format!("parameterOverrides.{name} is no text")),
            },
        };
        read.insert(name, value);
    }
    Ok(read)
}

//= https://github.com/ministackorg/ministack/pull/1755
//# true, "true" in any case and 1 allow; their opposites do not
fn truth(value: &Value) -> Option<bool> {
    match value {
        Value::Bool(truth) => Some(*truth),
        Value::Number(number) => match number.as_i64()? {
            1 => Some(true),
            0 => Some(false),
            _ => None,
        },
        Value::String(text) => text.to_ascii_lowercase().parse().ok(),
        Value::Null | Value::Array(_) | Value::Object(_) => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fp_hook_an_answer_is_read_leniently_and_no_further() {
        let pairs = |pairs: &[(&str, Option<&str>)]| {
            let pairs =
                pairs.iter().map(|(name, value)| ((*name).to_owned(), value.map(str::to_owned)));
            Ok(pairs.collect::<Overrides>())
        };
        let table = [
            (r#"{"allowProvisioning":true}"#, pairs(&[])),
            (r#"{"allowProvisioning":"TRUE","other":1}"#, pairs(&[])),
            (r#"{"allowProvisioning":1,"parameterOverrides":null}"#, pairs(&[])),
            (
                r#"{"allowProvisioning":true,"parameterOverrides":{"a":"x","b":7,"c":false,"d":null}}"#,
                pairs(&[("a", Some("x")), ("b", Some("7")), ("c", Some("false")), ("d", None)]),
            ),
            (r#"{"allowProvisioning":false}"#, Err("AccessDenied")),
            (r#"{"allowProvisioning":"false"}"#, Err("AccessDenied")),
            (r#"{"allowProvisioning":0}"#, Err("AccessDenied")),
            (r#"{"allowProvisioning":"yes"}"#, Err("InvalidResult")),
            (r#"{"allowProvisioning":2}"#, Err("InvalidResult")),
            (r#"{"allowProvisioning":null}"#, Err("InvalidResult")),
            ("{}", Err("InvalidResult")),
            ("null", Err("InvalidResult")),
            ("[]", Err("InvalidResult")),
            ("", Err("InvalidResult")),
            (r#"{"allowProvisioning":true,"parameterOverrides":[]}"#, Err("InvalidResult")),
            (r#"{"allowProvisioning":true,"parameterOverrides":{"a":{}}}"#, Err("InvalidResult")),
        ];
        for (answer, expected) in table {
            let overrides = HookOutcome::Answered(answer.into()).overrides();
            assert_eq!(overrides.map_err(|rejection| rejection.error_code), expected, "{answer}");
        }
    }

    #[test]
    fn fp_hook_a_call_that_failed_says_how() {
        let said = |outcome: HookOutcome| {
            let rejection = outcome.overrides().unwrap_err();
            (rejection.status_code, rejection.error_code, rejection.error_message)
        };
        let invocation = |text: &str| (400, "InvocationError", text.to_owned());
        let table = [
            (
                HookOutcome::NotPermitted(Vec::new()),
                invocation("Access denied while invoking Lambda function"),
            ),
            (
                HookOutcome::NotInvoked(String::new()),
                invocation("A failure occurred while invoking the provisioning hook."),
            ),
            (
                HookOutcome::Failed(String::new()),
                invocation("The provisioning hook was not executed successfully."),
            ),
            (
                HookOutcome::Answered("null".into()),
                (400, "InvalidResult", "The provisioning hook did not return a response.".into()),
            ),
            (
                HookOutcome::Answered(r#"{"allowProvisioning":false}"#.into()),
                (403, "AccessDenied", "Access Denied".to_owned()),
            ),
        ];
        for (outcome, expected) in table {
            assert_eq!(said(outcome.clone()), expected, "{outcome:?}");
        }
    }
}
