//! What can go wrong with a table or a service.

use aws_sdk_dynamodb::error::{ProvideErrorMetadata, SdkError};

/// A table or service that did not do what it was asked.
///
/// Holds a stable name of the cause only: SDK errors can repeat keys and values of the request.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum StoreError {
    /// It is down, throttled or too slow: the same call can succeed later.
    #[error("the store is unavailable: {0}")]
    Unavailable(String),
    /// It refuses the call: rights, settings or the request itself are wrong. The same call fails again.
    #[error("the store refuses the call: {0}")]
    Refused(String),
    /// What is stored cannot be read by this version of the code.
    #[error("an item of {0} cannot be read")]
    Unreadable(&'static str),
    /// A value cannot be stored.
    #[error("an item of {0} cannot be written")]
    Unwritable(&'static str),
}

/// Codes of errors that do not pass by themselves.
const PERMANENT: [&str; 11] = [
    "AccessDenied",
    "AccessDeniedException",
    "DisabledException",
    "InvalidKeyUsageException",
    "NotFoundException",
    "ResourceNotFoundException",
    "SerializationException",
    "UnrecognizedClientException",
    "ValidationException",
    "AWS.SimpleQueueService.NonExistentQueue",
    "construction",
];

impl<E: ProvideErrorMetadata, R> From<SdkError<E, R>> for StoreError {
    fn from(error: SdkError<E, R>) -> Self {
        let cause = cause(&error).to_owned();
        if PERMANENT.contains(&cause.as_str()) {
            Self::Refused(cause)
        } else {
            Self::Unavailable(cause)
        }
    }
}

/// Of a write on a condition, whether the condition held.
pub(crate) fn held<T, E: ProvideErrorMetadata, R>(result: Result<T, SdkError<E, R>>) -> Result<bool, StoreError> {
    match result {
        Ok(_) => Ok(true),
        Err(error) if cause(&error) == "ConditionalCheckFailedException" => Ok(false),
        Err(error) => Err(error.into()),
    }
}

/// The error's code, or the stage at which the call broke off. Never its message.
pub fn cause<E: ProvideErrorMetadata, R>(error: &SdkError<E, R>) -> &str {
    match error {
        SdkError::ConstructionFailure(_) => "construction",
        SdkError::TimeoutError(_) => "timeout",
        SdkError::DispatchFailure(_) => "dispatch",
        SdkError::ResponseError(_) => "response",
        SdkError::ServiceError(service) => service.err().code().unwrap_or("service"),
        _ => "other",
    }
}
