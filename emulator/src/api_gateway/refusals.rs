//! API Gateway's exceptions with AWS's texts.

use crate::errors::{ApiError, ErrorCode};

/// `BadRequestException`.
pub(super) fn bad_request(message: impl Into<String>) -> ApiError {
    ApiError::new(ErrorCode::BadRequestException, message)
}

/// `ConflictException`.
pub(super) fn conflict(message: impl Into<String>) -> ApiError {
    ApiError::new(ErrorCode::ConflictException, message)
}

//= https://github.com/getmoto/moto/blob/master/moto/apigatewayv2/exceptions.py
//# `Invalid Route identifier specified ID`, and so for each kind of resource
/// `NotFoundException` for a `kind` of resource, such as `Route`.
pub(super) fn not_found(kind: &str, id: &str) -> ApiError {
    ApiError::new(ErrorCode::NotFoundException, format!("Invalid {kind} identifier specified {id}"))
}

/// Refuses the members of AWS's request that were given, but that we do not do.
pub(super) fn refuse_members(given: &[(&str, bool)]) -> Result<(), ApiError> {
    match given.iter().find(|(_, given)| *given) {
        Some((member, _)) => Err(not_done(member)),
        None => Ok(()),
    }
}

/// What this emulator does not do.
pub(super) fn not_done(what: &str) -> ApiError {
    bad_request(format!("{what} is not done by this emulator"))
}
