//! A function's resource policy: which services and accounts may invoke it.
//!
//! The statement that lets AWS IoT or API Gateway in is the one that people forget; without it AWS
//! does nothing and says nothing, and so here the refusal says what is missing.
//! Truth: <https://docs.aws.amazon.com/lambda/latest/dg/access-control-resource-based.html>.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::configuration::invalid;
use super::reference::constraint;
use crate::errors::{ApiError, ErrorCode};
use crate::names::{AccountId, Arn};

//= https://docs.aws.amazon.com/lambda/latest/dg/gettingstarted-limits.html
//# a function's resource-based policy is at most 20 KB
/// The longest policy, in bytes.
const POLICY_BYTES: usize = 20 * 1024;

/// `AddPermission`.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub(crate) struct AddPermissionRequest {
    pub(crate) function_name: String,
    pub(crate) qualifier: Option<String>,
    pub(crate) statement_id: String,
    pub(crate) action: String,
    pub(crate) principal: String,
    pub(crate) source_arn: Option<String>,
    pub(crate) source_account: Option<String>,
    pub(crate) event_source_token: Option<String>,
    #[serde(rename = "PrincipalOrgID")]
    pub(crate) principal_org_id: Option<String>,
    pub(crate) function_url_auth_type: Option<String>,
    pub(crate) invoked_via_function_url: Option<bool>,
    pub(crate) revision_id: Option<String>,
}

/// `AddPermission` answers the new statement as JSON text.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct AddPermissionResponse {
    pub(crate) statement: String,
}

/// `RemovePermission`.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct RemovePermissionRequest {
    pub(crate) function_name: String,
    pub(crate) statement_id: String,
    pub(crate) qualifier: Option<String>,
    pub(crate) revision_id: Option<String>,
}

/// `GetPolicy` answers the policy as JSON text.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct GetPolicyResponse {
    pub(crate) policy: String,
    pub(crate) revision_id: String,
}

/// Nobody lets this caller in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct NotPermitted {
    /// A line for each statement that does not let it in, or what to add.
    pub(crate) why: Vec<String>,
}

/// The statements of one function.
#[derive(Clone, Debug, Default)]
pub(super) struct ResourcePolicy {
    statements: Vec<Statement>,
}

/// Serialised in AWS's order of members.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
struct Statement {
    sid: String,
    effect: &'static str,
    principal: Principal,
    action: String,
    resource: Arn,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    condition: BTreeMap<&'static str, BTreeMap<&'static str, String>>,
}

#[derive(Clone, Debug, Serialize)]
enum Principal {
    Service(String),
    #[serde(rename = "AWS")]
    Aws(String),
    #[serde(untagged)]
    Anybody(&'static str),
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Document<'a> {
    version: &'static str,
    id: &'static str,
    statement: &'a [Statement],
}

const SOURCE_ARN: &str = "AWS:SourceArn";
const SOURCE_ACCOUNT: &str = "AWS:SourceAccount";

impl ResourcePolicy {
    /// The policy that lets AWS IoT and API Gateway invoke `function` for whatever rule or route.
    ///
    /// A function that a test hands over has no AWS beside it where a statement could be added.
    pub(super) fn open(function: &Arn) -> Self {
        let statement = |sid: &str, service: &str| Statement {
            sid: sid.to_owned(),
            effect: "Allow",
            principal: Principal::Service(service.to_owned()),
            action: "lambda:InvokeFunction".to_owned(),
            resource: function.clone(),
            condition: BTreeMap::new(),
        };
        let statements = vec![
            statement("registered-iot", "iot.amazonaws.com"),
            statement("registered-apigateway", "apigateway.amazonaws.com"),
        ];
        Self { statements }
    }

    /// Adds the statement that `input` describes.
    pub(super) fn add(
        &mut self,
        function: &Arn,
        input: AddPermissionRequest,
    ) -> Result<AddPermissionResponse, ApiError> {
        let statement = Statement::new(function, input)?;
        if self.statements.iter().any(|other| other.sid == statement.sid) {
            let text = format!(
                "The statement id ({}) provided already exists. Please provide a new statement id, \
                 or remove the existing statement.",
                statement.sid
            );
            return Err(ApiError::new(ErrorCode::ResourceConflictException, text));
        }
        let text = to_json(&statement);
        self.statements.push(statement);
        let length = self.document().len();
        if length > POLICY_BYTES {
            self.statements.pop();
            let text = format!(
                "The final policy size ({length}) is bigger than the limit ({POLICY_BYTES})."
            );
            return Err(ApiError::new(ErrorCode::PolicyLengthExceededException, text));
        }
        Ok(AddPermissionResponse { statement: text })
    }

    /// Removes the statement `sid`.
    pub(super) fn remove(&mut self, sid: &str) -> Result<(), ApiError> {
        let found = self.statements.iter().position(|statement| statement.sid == sid);
        let Some(index) = found else {
            let text = format!("Statement {sid} is not found in resource policy.");
            return Err(ApiError::not_found(text));
        };
        self.statements.remove(index);
        Ok(())
    }

    /// The policy as JSON text; a function without statements has none.
    pub(super) fn text(&self) -> Result<String, ApiError> {
        if self.statements.is_empty() {
            return Err(ApiError::not_found("The resource you requested does not exist."));
        }
        Ok(self.document())
    }

    fn document(&self) -> String {
        to_json(&Document { version: "2012-10-17", id: "default", statement: &self.statements })
    }

    /// Whether the service `service` may invoke `name` on behalf of `source_arn`.
    pub(super) fn check(
        &self,
        name: &str,
        service: &str,
        source_arn: &Arn,
        source_account: &AccountId,
    ) -> Result<(), NotPermitted> {
        let mut why = Vec::new();
        for statement in &self.statements {
            match statement.objection(service, source_arn, source_account) {
                None => return Ok(()),
                Some(objection) => why.push(format!("statement `{}`: {objection}", statement.sid)),
            }
        }
        why.push(format!(
            "let it in: aws lambda add-permission --function-name {name} --statement-id invoke \
             --action lambda:InvokeFunction --principal {service} --source-arn {source_arn}"
        ));
        Err(NotPermitted { why })
    }
}

fn to_json(value: &impl Serialize) -> String {
    serde_json::to_string(value).expect("texts and maps of texts are always JSON")
}

impl Statement {
    fn new(function: &Arn, input: AddPermissionRequest) -> Result<Self, ApiError> {
        check_statement_id(&input.statement_id)?;
        check_action(&input.action)?;
        let mut condition: BTreeMap<_, BTreeMap<_, _>> = BTreeMap::new();
        let mut require = |operator, key, value: Option<String>| {
            if let Some(value) = value {
                condition.entry(operator).or_default().insert(key, value);
            }
        };
        require("ArnLike", SOURCE_ARN, input.source_arn);
        require("StringEquals", SOURCE_ACCOUNT, input.source_account);
        require("StringEquals", "lambda:EventSourceToken", input.event_source_token);
        require("StringEquals", "aws:PrincipalOrgID", input.principal_org_id);
        require("StringEquals", "lambda:FunctionUrlAuthType", input.function_url_auth_type);
        let by_url = input.invoked_via_function_url.map(|by_url| by_url.to_string());
        require("Bool", "lambda:InvokedViaFunctionUrl", by_url);
        Ok(Self {
            sid: input.statement_id,
            effect: "Allow",
            principal: Principal::parse(&input.principal)?,
            action: input.action,
            resource: function.clone(),
            condition,
        })
    }

    /// Why this statement does not let `service` in; `None` if it does.
    fn objection(
        &self,
        service: &str,
        source_arn: &Arn,
        source_account: &AccountId,
    ) -> Option<String> {
        match &self.principal {
            Principal::Anybody(_) => {}
            Principal::Service(allowed) if allowed == service => {}
            Principal::Service(other) | Principal::Aws(other) => {
                return Some(format!("its principal is {other}, not {service}"));
            }
        }
        if !matches!(self.action.as_str(), "lambda:InvokeFunction" | "lambda:*" | "*") {
            return Some(format!("its action is {}, not lambda:InvokeFunction", self.action));
        }
        let conditions = self.condition.values().flatten();
        conditions
            .filter_map(|(key, wanted)| match *key {
                SOURCE_ARN if arn_like(wanted, source_arn.as_str()) => None,
                SOURCE_ARN => Some(format!("{SOURCE_ARN} {source_arn} is not like {wanted}")),
                SOURCE_ACCOUNT if wanted == source_account.as_str() => None,
                SOURCE_ACCOUNT => {
                    Some(format!("{SOURCE_ACCOUNT} {source_account} is not {wanted}"))
                }
                other => Some(format!("{service} calls without {other}")),
            })
            .next()
    }
}

impl Principal {
    fn parse(text: &str) -> Result<Self, ApiError> {
        let account =
            |text: &str| text.len() == 12 && text.bytes().all(|byte| byte.is_ascii_digit());
        if text == "*" {
            Ok(Self::Anybody("*"))
        } else if account(text) {
            Ok(Self::Aws(format!("arn:aws:iam::{text}:root")))
        } else if text.starts_with("arn:") {
            Ok(Self::Aws(text.to_owned()))
        } else if text.ends_with(".amazonaws.com") || text.ends_with(".amazonaws.com.cn") {
            Ok(Self::Service(text.to_owned()))
        } else {
            Err(invalid(
                "The provided principal was invalid. Please check the principal and try again.",
            ))
        }
    }
}

fn check_statement_id(id: &str) -> Result<(), ApiError> {
    let fits = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_');
    if !id.is_empty() && id.len() <= 100 && id.bytes().all(fits) {
        return Ok(());
    }
    let what = "Member must satisfy regular expression pattern: ([a-zA-Z0-9-_]+)";
    Err(constraint(id, "statementId", what))
}

fn check_action(action: &str) -> Result<(), ApiError> {
    let named = action.strip_prefix("lambda:").is_some_and(|name| {
        name == "*" || (!name.is_empty() && name.bytes().all(|byte| byte.is_ascii_alphabetic()))
    });
    if named || action == "*" {
        return Ok(());
    }
    let what = "Member must satisfy regular expression pattern: (lambda:[*]|lambda:[a-zA-Z]+|[*])";
    Err(constraint(action, "action", what))
}

//= https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_elements_condition_operators.html
//# ArnLike compares the six parts of an ARN one by one, each with * and ?
fn arn_like(pattern: &str, arn: &str) -> bool {
    let mut wanted = pattern.splitn(6, ':');
    let mut parts = arn.splitn(6, ':');
    loop {
        match (wanted.next(), parts.next()) {
            (None, None) => return true,
            (Some(wanted), Some(part)) if glob(wanted.as_bytes(), part.as_bytes()) => {}
            _ => return false,
        }
    }
}

/// Whether `text` matches `pattern`, where `*` is any run and `?` any one byte.
fn glob(pattern: &[u8], text: &[u8]) -> bool {
    let (mut at, mut from) = (0, 0);
    // Where the last star stood, and how much of the text it has taken so far.
    let mut star: Option<(usize, usize)> = None;
    while let Some(byte) = text.get(from) {
        match pattern.get(at) {
            Some(b'*') => {
                star = Some((at, from));
                at += 1;
            }
            Some(wanted) if wanted == byte || *wanted == b'?' => {
                at += 1;
                from += 1;
            }
            _ => match star {
                Some((position, taken)) => {
                    star = Some((position, taken + 1));
                    at = position + 1;
                    from = taken + 1;
                }
                None => return false,
            },
        }
    }
    pattern.get(at..).is_some_and(|rest| rest.iter().all(|byte| *byte == b'*'))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::{Value, json};

    use super::*;

    const RULE: &str = "arn:aws:iot:us-east-1:123456789012:rule/Jitr";

    fn function() -> Arn {
        Arn::new("arn:aws:lambda:us-east-1:123456789012:function:jitr")
    }

    fn request(input: Value) -> AddPermissionRequest {
        let mut request = json!({
            "StatementId": "s",
            "Action": "lambda:InvokeFunction",
            "Principal": "iot.amazonaws.com",
        });
        let members = request.as_object_mut().unwrap();
        members.extend(input.as_object().unwrap().clone());
        serde_json::from_value(request).unwrap()
    }

    fn check(policy: &ResourcePolicy) -> Result<(), NotPermitted> {
        policy.check("jitr", "iot.amazonaws.com", &RULE.into(), &"123456789012".into())
    }

    #[test]
    fn l20_only_a_statement_that_fits_lets_a_rule_in() {
        let table = [
            (json!({}), None),
            (json!({"Principal": "*"}), None),
            (json!({"Action": "lambda:*"}), None),
            (json!({"Action": "*"}), None),
            (json!({"SourceArn": RULE, "SourceAccount": "123456789012"}), None),
            (json!({"SourceArn": "arn:aws:iot:us-east-1:123456789012:rule/*"}), None),
            (json!({"SourceArn": "arn:aws:iot:*:*:rule/J?tr"}), None),
            (json!({"Action": "lambda:GetFunction"}), Some("its action is lambda:GetFunction")),
            (json!({"Principal": "apigateway.amazonaws.com"}), Some("its principal is apigateway")),
            (
                json!({"Principal": "123456789012"}),
                Some("its principal is arn:aws:iam::123456789012:root"),
            ),
            (json!({"SourceArn": "arn:aws:iot:*"}), Some("is not like")),
            (
                json!({"SourceArn": "arn:aws:iot:us-east-1:123456789012:rule/Other"}),
                Some("is not like"),
            ),
            (
                json!({"SourceAccount": "000000000000"}),
                Some("AWS:SourceAccount 123456789012 is not"),
            ),
            (json!({"EventSourceToken": "t"}), Some("without lambda:EventSourceToken")),
            (json!({"PrincipalOrgID": "o-abcdefghij"}), Some("without aws:PrincipalOrgID")),
        ];
        for (input, objection) in table {
            let mut policy = ResourcePolicy::default();
            policy.add(&function(), request(input.clone())).unwrap();
            match (check(&policy), objection) {
                (Ok(()), None) => {}
                (Err(refused), Some(objection)) => {
                    assert!(refused.why[0].contains(objection), "{input}: {:?}", refused.why);
                }
                (result, _) => panic!("{input}: {result:?}"),
            }
        }
    }

    #[test]
    fn l20_without_a_statement_the_refusal_says_what_to_add() {
        let refused = check(&ResourcePolicy::default()).unwrap_err();
        assert_eq!(refused.why.len(), 1);
        assert!(
            refused.why[0].contains("add-permission --function-name jitr"),
            "{:?}",
            refused.why
        );
        assert_eq!(check(&ResourcePolicy::open(&function())), Ok(()));
    }

    #[test]
    fn a_statement_reads_as_aws_writes_it() {
        let mut policy = ResourcePolicy::default();
        let input = json!({"SourceArn": RULE, "SourceAccount": "123456789012"});
        let answer = policy.add(&function(), request(input)).unwrap();
        assert_eq!(
            answer.statement,
            concat!(
                r#"{"Sid":"s","Effect":"Allow","Principal":{"Service":"iot.amazonaws.com"},"#,
                r#""Action":"lambda:InvokeFunction","#,
                r#""Resource":"arn:aws:lambda:us-east-1:123456789012:function:jitr","#,
                r#""Condition":{"ArnLike":{"AWS:SourceArn":"arn:aws:iot:us-east-1:123456789012:rule/Jitr"},"#,
                r#""StringEquals":{"AWS:SourceAccount":"123456789012"}}}"#,
            )
        );
        let text = policy.text().unwrap();
        assert!(
            text.starts_with(r#"{"Version":"2012-10-17","Id":"default","Statement":[{"Sid":"s""#)
        );
        let anybody =
            policy.add(&function(), request(json!({"StatementId": "a", "Principal": "*"})));
        assert!(anybody.unwrap().statement.contains(r#""Principal":"*""#));
    }

    #[test]
    fn statements_are_refused_in_aws_words() {
        let mut policy = ResourcePolicy::default();
        policy.add(&function(), request(json!({}))).unwrap();
        let table = [
            (
                json!({}),
                ErrorCode::ResourceConflictException,
                "The statement id (s) provided already exists",
            ),
            (json!({"StatementId": "a b"}), ErrorCode::ValidationException, "at 'statementId'"),
            (
                json!({"StatementId": "x", "Action": "iot:Publish"}),
                ErrorCode::ValidationException,
                "at 'action'",
            ),
            (
                json!({"StatementId": "x", "Principal": "nobody"}),
                ErrorCode::InvalidParameterValueException,
                "The provided principal was invalid",
            ),
            (
                json!({"StatementId": "x", "SourceArn": "a".repeat(POLICY_BYTES)}),
                ErrorCode::PolicyLengthExceededException,
                "The final policy size",
            ),
        ];
        for (input, code, text) in table {
            let error = policy.add(&function(), request(input)).unwrap_err();
            assert_eq!(error.code(), code, "{error}");
            assert!(error.message().contains(text), "{error}");
        }
        assert_eq!(
            policy.remove("x").unwrap_err().message(),
            "Statement x is not found in resource policy."
        );
        policy.remove("s").unwrap();
        assert_eq!(
            policy.text().unwrap_err().message(),
            "The resource you requested does not exist."
        );
    }

    proptest! {
        #[test]
        fn a_text_matches_itself_and_any_part_of_it_may_be_a_star(text in "[a-z/:]{1,12}", cut in 0_usize..12) {
            let cut = cut.min(text.len());
            prop_assert!(glob(text.as_bytes(), text.as_bytes()));
            for pattern in [format!("{}*", &text[..cut]), format!("*{}", &text[cut..])] {
                prop_assert!(glob(pattern.as_bytes(), text.as_bytes()), "{}", pattern);
            }
        }

        #[test]
        fn no_pattern_makes_matching_panic(pattern in "[a*?]{0,20}", text in "[ab]{0,20}") {
            let _either = glob(pattern.as_bytes(), text.as_bytes());
        }
    }
}
