//! Which record a request means: by its name, by its ARN or by both, and in which version.
//!
//! What AWS answers to a request that is not clear is decided by the operations.
//! Truth: <https://docs.aws.amazon.com/iot/latest/apireference/API_AddThingToThingGroup.html>.

use std::fmt;

use crate::errors::{ApiError, ErrorCode};
use crate::names::Scope;

/// Why a request does not say which record it means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Unclear {
    /// It has neither a name nor an ARN.
    NotNamed,
    /// Its ARN is that of something else, or from elsewhere.
    OtherArn,
    /// Its name and its ARN do not mean the same.
    TwoNames,
}

//? assumed: name and ARN may both be given, if they mean the same
/// The name of the record that a request means, whose ARN says `KIND/NAME`.
pub(super) fn meant<'a>(
    scope: &Scope,
    kind: &str,
    name: Option<&'a str>,
    arn: Option<&'a str>,
) -> Result<&'a str, Unclear> {
    let front = scope.iot_arn(kind, "");
    let in_arn = arn.map(|arn| arn.strip_prefix(front.as_str()));
    match (name, in_arn) {
        (Some(name), None) | (None, Some(Some(name))) => Ok(name),
        (Some(name), Some(Some(same))) if name == same => Ok(name),
        (Some(_), Some(_)) => Err(Unclear::TwoNames),
        (None, Some(None)) => Err(Unclear::OtherArn),
        (None, None) => Err(Unclear::NotNamed),
    }
}

//= https://github.com/getmoto/moto/blob/5.2.1/moto/iot/exceptions.py
//# the text for an expectedVersion that is not the record's; it says "thing" of a thing group too
//? assumed: of a billing group it says what it is
/// Whether a record is in the version that a request expects, if it expects any.
pub(super) fn check_version(
    kind: &str,
    name: impl fmt::Display,
    version: i64,
    expected: Option<i64>,
) -> Result<(), ApiError> {
    if expected.is_none_or(|expected| expected == version) {
        return Ok(());
    }
    Err(ApiError::new(
        ErrorCode::VersionConflictException,
        format!("The version for {kind} {name} does not match the expected version."),
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_record_is_meant_by_its_name_its_arn_or_both() {
        let scope = Scope::new("123456789012", "eu-west-1");
        let of = |account: &str, tail: &str| format!("arn:aws:iot:eu-west-1:{account}:{tail}");
        let lamp = of("123456789012", "thing/lamp");
        let (other_kind, elsewhere) =
            (of("123456789012", "thinggroup/lamp"), of("111122223333", "thing/lamp"));
        let table = [
            (Some("lamp"), None, Ok("lamp")),
            (None, Some(&lamp), Ok("lamp")),
            (Some("lamp"), Some(&lamp), Ok("lamp")),
            (Some("other"), Some(&lamp), Err(Unclear::TwoNames)),
            (Some("lamp"), Some(&elsewhere), Err(Unclear::TwoNames)),
            (None, Some(&other_kind), Err(Unclear::OtherArn)),
            (None, Some(&elsewhere), Err(Unclear::OtherArn)),
            (None, None, Err(Unclear::NotNamed)),
        ];
        for (name, arn, expected) in table {
            let found = meant(&scope, "thing", name, arn.map(String::as_str));
            assert_eq!(found, expected, "{name:?} {arn:?}");
        }
    }
}
