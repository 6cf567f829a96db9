//! How the AWS API says no: [`ApiError`], whose HTTP status follows from its code.
//!
//! The other planes have words of their own: a presented chain ends in a `Rejection`, an
//! action in a `Refusal`, an MQTT connection in a `DisconnectReason`.
//! Truth: the exceptions of botocore's service models, with their HTTP status.

use std::fmt;

use serde_json::{Map, Value};

use crate::names::Arn;

/// Every exception that we answer, with its HTTP status.
macro_rules! error_codes {
    ($($code:ident $status:literal,)*) => {
        /// The name of an AWS exception; on the wire `x-amzn-ErrorType`.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        #[non_exhaustive]
        pub enum ErrorCode {
            $(#[doc = concat!("HTTP ", stringify!($status), ".")] $code,)*
        }

        impl ErrorCode {
            /// The HTTP status that AWS answers with this exception.
            pub const fn status(self) -> u16 {
                match self { $(Self::$code => $status,)* }
            }

            /// The exception's name as AWS spells it.
            pub const fn name(self) -> &'static str {
                match self { $(Self::$code => stringify!($code),)* }
            }
        }
    };
}

//= https://github.com/boto/botocore/tree/develop/botocore/data/iot/2015-05-28
//# each exception shape carries its HTTP status
error_codes! {
    AccessDeniedException 403,
    BadRequestException 400,
    CertificateConflictException 409,
    CertificateStateException 406,
    CertificateValidationException 400,
    CodeStorageExceededException 400,
    ConflictException 409,
    ConflictingResourceUpdateException 409,
    DeleteConflictException 409,
    ForbiddenException 403,
    GatewayTimeoutException 504,
    IncompleteSignatureException 403,
    InternalFailureException 500,
    InvalidParameterValueException 400,
    InvalidRequestContentException 400,
    InvalidRequestException 400,
    InvalidSignatureException 403,
    LimitExceededException 410,
    MalformedPolicyException 400,
    MethodNotAllowedException 405,
    MissingAuthenticationTokenException 403,
    NotConfiguredException 404,
    NotFoundException 404,
    PolicyLengthExceededException 400,
    PreconditionFailedException 412,
    RegistrationCodeValidationException 400,
    RequestEntityTooLargeException 413,
    RequestTooLargeException 413,
    ResourceAlreadyExistsException 409,
    ResourceConflictException 409,
    ResourceNotFoundException 404,
    ResourceRegistrationFailureException 400,
    ServiceException 500,
    ServiceUnavailableException 503,
    SqlParseException 400,
    ThrottlingException 400,
    TooManyRequestsException 429,
    TransferAlreadyCompletedException 410,
    TransferConflictException 409,
    UnauthorizedException 401,
    UnknownOperationException 404,
    UnrecognizedClientException 403,
    ValidationException 400,
    VersionConflictException 409,
    VersionsLimitExceededException 409,
}

/// A refused AWS API call: the exception, AWS's text, and what some exceptions carry besides.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ApiError {
    code: ErrorCode,
    message: String,
    resource: Option<Box<(String, Arn)>>,
}

impl ApiError {
    /// The exception `code` with AWS's text.
    pub fn new(code: ErrorCode, message: impl Into<String>) -> Self {
        Self { code, message: message.into(), resource: None }
    }

    /// `InvalidRequestException` with `message`: the commonest of all.
    pub fn invalid_request(message: impl Into<String>) -> Self {
        Self::new(ErrorCode::InvalidRequestException, message)
    }

    /// `ResourceNotFoundException` with `message`.
    pub fn not_found(message: impl Into<String>) -> Self {
        Self::new(ErrorCode::ResourceNotFoundException, message)
    }

    /// `UnknownOperationException` for an operation that AWS has and the emulator has not.
    pub(crate) fn not_here(service: &str, operation: &str) -> Self {
        let message =
            format!("iot-emulator does not have the operation {operation} of `{service}`");
        Self::new(ErrorCode::UnknownOperationException, message)
    }

    /// Adds `resourceId` and `resourceArn`, as `ResourceAlreadyExistsException` carries them.
    #[must_use]
    pub fn with_resource(mut self, id: impl fmt::Display, arn: Arn) -> Self {
        self.resource = Some(Box::new((id.to_string(), arn)));
        self
    }

    /// The exception.
    pub const fn code(&self) -> ErrorCode {
        self.code
    }

    /// AWS's text.
    pub fn message(&self) -> &str {
        &self.message
    }

    /// The body as AWS sends it, with `__type` for clients that do not read the header.
    pub(crate) fn body(&self) -> Value {
        let mut body = Map::new();
        body.insert("__type".to_owned(), self.code.name().into());
        body.insert("message".to_owned(), self.message.as_str().into());
        if let Some((id, arn)) = self.resource.as_deref() {
            body.insert("resourceId".to_owned(), id.as_str().into());
            body.insert("resourceArn".to_owned(), arn.as_str().into());
        }
        Value::Object(body)
    }
}

impl fmt::Display for ApiError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.code.name(), self.message)
    }
}

impl std::error::Error for ApiError {}
