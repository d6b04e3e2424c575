//! Why a step does not come to its end.

use infra_aws::{error::StoreError, files::FileError, transaction::CommitError};
use mailbox_register::batch::life::{Failure, FailureCode};

/// Why a step breaks off.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Stop {
    /// The batch cannot be done, and its organisation is told why.
    Failed(Failure),
    /// Another worker has it, or it is over.
    Overtaken,
    /// The same step may succeed later.
    Later(Later),
}

/// Something this function stands on did not do its part.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Later {
    /// A table or a queue.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The files.
    #[error(transparent)]
    Files(#[from] FileError),
    /// A message of another version of this code.
    #[error("a message is neither a step nor a file that arrived")]
    UnknownMessage,
    /// Others were faster again and again.
    #[error("too many others at it")]
    Races,
}

impl From<Later> for Stop {
    fn from(later: Later) -> Self {
        Self::Later(later)
    }
}

impl From<StoreError> for Stop {
    fn from(error: StoreError) -> Self {
        Self::Later(error.into())
    }
}

impl From<FileError> for Stop {
    fn from(error: FileError) -> Self {
        Self::Later(error.into())
    }
}

impl From<Failure> for Stop {
    fn from(failure: Failure) -> Self {
        Self::Failed(failure)
    }
}

impl From<FailureCode> for Stop {
    fn from(code: FailureCode) -> Self {
        Self::Failed(code.into())
    }
}

impl From<CommitError> for Stop {
    fn from(error: CommitError) -> Self {
        match error {
            CommitError::Conflict(_) => Self::Overtaken,
            CommitError::Store(error) => error.into(),
        }
    }
}

/// What an error on reading an organisation's file means: whatever happened to it there is the organisation's to know.
pub(crate) fn on_reading(error: FileError) -> Stop {
    match error {
        FileError::NotFound => FailureCode::Gone.into(),
        FileError::Replaced => FailureCode::Replaced.into(),
        FileError::Denied => FailureCode::Unreadable.into(),
        FileError::Unavailable(_) => Stop::Later(error.into()),
    }
}
