//! How callers name a function: by name, by ARN, by part of an ARN, with or without a qualifier.
//!
//! Truth: <https://docs.aws.amazon.com/lambda/latest/dg/API_Invoke.html>, its `FunctionName`.

use crate::errors::{ApiError, ErrorCode};
use crate::names::Scope;

/// The pattern that botocore's model gives a function's name, as AWS quotes it.
const NAME_PATTERN: &str = concat!(
    r"(arn:(aws[a-zA-Z-]*)?:lambda:)?([a-z]{2}((-gov)|(-iso([a-z]?)))?-[a-z]+-\d{1}:)?",
    r"(\d{12}:)?(function:)?([a-zA-Z0-9-_\.]+)(:(\$LATEST(\.PUBLISHED)?|[a-zA-Z0-9-_]+))?",
);

/// The longest name of a function.
const NAME_BYTES: usize = 64;

/// A parsed `FunctionName`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Reference<'a> {
    region: Option<&'a str>,
    account: Option<&'a str>,
    pub(super) name: &'a str,
    qualifier: Option<&'a str>,
}

impl<'a> Reference<'a> {
    /// Reads `text`, which AWS calls `functionName`.
    pub(super) fn parse(text: &'a str) -> Result<Self, ApiError> {
        let refuse = || {
            constraint(
                text,
                "functionName",
                &format!("Member must satisfy regular expression pattern: {NAME_PATTERN}"),
            )
        };
        let parsed = Self::split(text).ok_or_else(refuse)?;
        let fits = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.');
        if parsed.name.is_empty() || !parsed.name.bytes().all(fits) {
            return Err(refuse());
        }
        if parsed.name.len() > NAME_BYTES {
            let what = "Member must have length less than or equal to 64";
            return Err(constraint(parsed.name, "functionName", what));
        }
        Ok(parsed)
    }

    fn split(text: &'a str) -> Option<Self> {
        let mut parts = text.split(':').peekable();
        let whole = parts.next_if_eq(&"arn").is_some();
        if whole {
            parts.next_if(|partition| partition.starts_with("aws"))?;
            parts.next_if_eq(&"lambda")?;
        }
        let mut last = |wanted: &dyn Fn(&str) -> bool| parts.next_if(|part| wanted(part));
        let region = last(&|part| is_region(part));
        let account = last(&|part| is_account(part));
        let function = last(&|part| part == "function");
        if whole && (region.is_none() || account.is_none() || function.is_none()) {
            return None;
        }
        // The last part is the name, whatever else it looks like.
        let (name, qualifier) = match (parts.next(), function.or(account).or(region)) {
            (Some(name), _) => (name, parts.next()),
            (None, Some(name)) if !whole => (name, None),
            (None, _) => return None,
        };
        let qualifies = |text: &str| {
            let latest = matches!(text, "$LATEST" | "$LATEST.PUBLISHED");
            let plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_');
            latest || (!text.is_empty() && text.bytes().all(plain))
        };
        if parts.next().is_some() || !qualifier.is_none_or(qualifies) {
            return None;
        }
        Some(Self { region, account, name, qualifier })
    }

    /// The name of the function here that is meant, if it can be one of `scope`.
    pub(super) fn within(
        self,
        scope: &Scope,
        qualifier: Option<&str>,
    ) -> Result<&'a str, ApiError> {
        let here = scope.region.as_str();
        if let Some(region) = self.region.filter(|region| *region != here) {
            return Err(ApiError::not_found(format!(
                "Functions from '{region}' are not reachable in this region ('{here}')"
            )));
        }
        if let (Some(named), Some(given)) = (self.qualifier, qualifier)
            && named != given
        {
            let text = "The derived qualifier from the function name does not match the specified \
                        qualifier.";
            return Err(ApiError::new(ErrorCode::InvalidParameterValueException, text));
        }
        let qualifier = self.qualifier.or(qualifier);
        //? assumed: a function of another account is not found; AWS denies access to it
        let elsewhere = self.account.filter(|account| *account != scope.account.as_str());
        if elsewhere.is_some() || qualifier.is_some_and(|qualifier| qualifier != "$LATEST") {
            let account = elsewhere.unwrap_or(scope.account.as_str());
            let arn = format!("arn:aws:lambda:{here}:{account}:function:{}", self.name);
            let qualifier = qualifier.map(|qualifier| format!(":{qualifier}")).unwrap_or_default();
            return Err(ApiError::not_found(format!("Function not found: {arn}{qualifier}")));
        }
        Ok(self.name)
    }
}

fn is_account(text: &str) -> bool {
    text.len() == 12 && text.bytes().all(|byte| byte.is_ascii_digit())
}

/// Whether `text` has the form of a Region, such as `us-gov-west-1`.
fn is_region(text: &str) -> bool {
    let mut parts = text.split('-');
    let lower = |part: &str| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_lowercase());
    let start = parts.next().is_some_and(|part| part.len() == 2 && lower(part));
    let Some(number) = parts.next_back() else { return false };
    let middle: Vec<&str> = parts.collect();
    let digit = number.len() == 1 && number.bytes().all(|byte| byte.is_ascii_digit());
    start && digit && matches!(middle.len(), 1 | 2) && middle.into_iter().all(lower)
}

//= https://github.com/localstack/localstack/blob/main/tests/aws/services/lambda_/test_lambda_api.snapshot.json
//# what breaks a constraint of the model is a ValidationException in these words
/// A member that breaks a constraint of AWS's model.
pub(super) fn constraint(value: impl std::fmt::Display, member: &str, what: &str) -> ApiError {
    let text = format!(
        "1 validation error detected: Value '{value}' at '{member}' failed to satisfy constraint: \
         {what}"
    );
    ApiError::new(ErrorCode::ValidationException, text)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_function_has_many_names() {
        let scope = Scope::new("123456789012", "us-east-1");
        let table = [
            "f",
            "f:$LATEST",
            "function:f",
            "123456789012:f",
            "123456789012:function:f",
            "123456789012:function:f:$LATEST",
            "arn:aws:lambda:us-east-1:123456789012:function:f",
            "arn:aws:lambda:us-east-1:123456789012:function:f:$LATEST",
        ];
        for text in table {
            let found = Reference::parse(text).and_then(|parsed| parsed.within(&scope, None));
            assert_eq!(found, Ok("f"), "{text}");
        }
        for text in ["function", "123456789012", "us-east-1"] {
            assert_eq!(Reference::parse(text).unwrap().name, text);
        }
    }

    #[test]
    fn a_function_elsewhere_is_not_found_here() {
        let scope = Scope::new("123456789012", "us-east-1");
        let table = [
            (
                "arn:aws:lambda:eu-west-1:123456789012:function:f",
                None,
                "Functions from 'eu-west-1' are not reachable in this region ('us-east-1')",
            ),
            (
                "arn:aws:lambda:us-east-1:000000000000:function:f",
                None,
                "Function not found: arn:aws:lambda:us-east-1:000000000000:function:f",
            ),
            ("f:1", None, "Function not found: arn:aws:lambda:us-east-1:123456789012:function:f:1"),
            (
                "f",
                Some("prod"),
                "Function not found: arn:aws:lambda:us-east-1:123456789012:function:f:prod",
            ),
        ];
        for (text, qualifier, expected) in table {
            let error = Reference::parse(text).unwrap().within(&scope, qualifier).unwrap_err();
            assert_eq!(
                (error.code(), error.message()),
                (ErrorCode::ResourceNotFoundException, expected)
            );
        }
    }

    #[test]
    fn what_names_no_function_is_refused() {
        let long = "f".repeat(65);
        let table = [
            "",
            "a b",
            "f:",
            "f:a:b",
            "arn:aws:lambda:f",
            "arn:aws:iot:us-east-1:123456789012:function:f",
            "f/g",
            &long,
        ];
        for text in table {
            let error = Reference::parse(text).unwrap_err();
            assert_eq!(error.code(), ErrorCode::ValidationException, "{text}");
        }
    }

    proptest! {
        #[test]
        fn no_text_makes_parsing_panic(text in "[a-z0-9:$.é-]{0,60}") {
            let _either = Reference::parse(&text);
        }
    }
}
