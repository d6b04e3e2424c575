//! What the store failed to do, as a problem of this service.

use infra_aws::{
    error::StoreError,
    transaction::{CommitError, Part},
};

use crate::problem::{Kind, Problem};

/// What the store failed to do is a problem of this service.
pub trait OrUnavailable<T> {
    /// The value, or the answer where the store did not do its part.
    ///
    /// # Errors
    /// The [`Problem`].
    fn or_unavailable(self) -> Result<T, Problem>;
}

impl<T> OrUnavailable<T> for Result<T, StoreError> {
    fn or_unavailable(self) -> Result<T, Problem> {
        self.map_err(|error| unavailable(&error))
    }
}

fn unavailable(error: &StoreError) -> Problem {
    match error {
        StoreError::Unavailable(_) => {
            tracing::warn!(%error, "the store is unavailable");
            Problem::new(Kind::Unavailable).retry_after(2)
        }
        StoreError::Refused(_) | StoreError::Unreadable(_) | StoreError::Unwritable(_) => {
            tracing::error!(%error, "the store and this code do not fit");
            Kind::Internal.into()
        }
    }
}

/// The answer where a disclosure could not be put on record: nothing is disclosed then.
///
/// Whatever the cause, missing rights among them: it is the audit trail that is down, and it comes back.
pub fn not_on_record(error: &StoreError) -> Problem {
    tracing::error!(%error, "not on record, so nothing disclosed");
    metrics::counter!("DisclosuresNotRecorded").increment(1);
    Problem::new(Kind::Unavailable).retry_after(2)
}

/// The answer where a transaction was not stored.
pub fn not_committed(error: &CommitError) -> Problem {
    match error {
        // Another worker took the request over; or the code was used up at the same time.
        CommitError::Conflict(Part::Request) => Kind::RequestInProgress.into(),
        CommitError::Conflict(Part::Code) => Kind::WrongCode.into(),
        CommitError::Conflict(_) => Kind::Unavailable.into(),
        CommitError::Store(error) => unavailable(error),
    }
}
