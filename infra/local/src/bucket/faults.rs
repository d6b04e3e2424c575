//! What goes wrong with calls to S3, as a test has it.

use std::sync::{Mutex, MutexGuard, PoisonError};

use axum::http::{HeaderMap, HeaderName, HeaderValue};
use s3s::{S3Error, S3ErrorCode};

/// Marks an answer that is not to be sent: the connection is closed in its place.
pub(super) const BROKEN: HeaderName = HeaderName::from_static("x-local-broken");

/// How a call fails.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BucketFault {
    /// 403: the caller may not.
    AccessDenied,
    /// 404: the object is not there.
    NoSuchKey,
    /// 503: too many calls. The SDK tries again by itself.
    SlowDown,
    /// The connection is closed before anything is done, without an answer. The SDK tries again by itself.
    Broken,
}

impl BucketFault {
    fn error(self) -> S3Error {
        match self {
            Self::AccessDenied => S3Error::with_message(S3ErrorCode::AccessDenied, "Access Denied"),
            Self::NoSuchKey => S3Error::with_message(S3ErrorCode::NoSuchKey, "The specified key does not exist."),
            Self::SlowDown => S3Error::with_message(S3ErrorCode::SlowDown, "Please reduce your request rate."),
            Self::Broken => {
                let mut error = S3Error::new(S3ErrorCode::ServiceUnavailable);
                error.set_headers(HeaderMap::from_iter([(BROKEN, HeaderValue::from_static("yes"))]));
                error
            }
        }
    }
}

#[derive(Debug)]
struct Script {
    operation: String,
    prefix: String,
    left: u32,
    how: BucketFault,
}

/// The scripted faults.
#[derive(Debug, Default)]
pub(super) struct Faults(Mutex<Vec<Script>>);

impl Faults {
    pub(super) fn script(&self, operation: &str, prefix: &str, times: u32, how: BucketFault) {
        self.scripts().push(Script {
            operation: operation.to_owned(),
            prefix: prefix.to_owned(),
            left: times,
            how,
        });
    }

    pub(super) fn clear(&self) {
        self.scripts().clear();
    }

    /// Lets this call pass, or fails it as the oldest script has it that it fits.
    pub(super) fn check(&self, operation: &str, key: &str) -> Result<(), S3Error> {
        let mut scripts = self.scripts();
        let fitting = scripts
            .iter_mut()
            .find(|script| script.left > 0 && script.operation == operation && key.starts_with(&script.prefix));
        let Some(script) = fitting else { return Ok(()) };
        script.left -= 1;
        Err(script.how.error())
    }

    fn scripts(&self) -> MutexGuard<'_, Vec<Script>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
