//! One transition is one `TransactWriteItems`: all of it is stored, or none.

use std::time::Duration;

use aws_sdk_dynamodb::{
    Client,
    error::SdkError,
    operation::transact_write_items::TransactWriteItemsError,
    types::{CancellationReason, TransactWriteItem},
};

use crate::{error::StoreError, retry};

/// What a write belongs to: says which condition did not hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Part {
    /// The entry or its history: somebody else changed it first.
    Entry,
    /// Who shares an address: somebody else set the same address at the same time.
    Address,
    /// A notification.
    Notice,
    /// A letter: it was opened or called off, or more has happened to it.
    Letter,
    /// A feed: somebody else wrote its next entry first.
    Feed,
    /// A verification code: another was issued or used at the same time.
    Code,
    /// A batch, or a piece of one: it is in another state, or another worker has taken it over.
    Batch,
    /// The record of a disclosure: it is there.
    Disclosure,
    /// A chain of records: somebody else added to it first.
    Chain,
    /// The answer to the request: this worker no longer owns it.
    Request,
}

/// One write of a transaction.
#[derive(Debug, Clone)]
pub struct Write {
    pub(crate) part: Part,
    pub(crate) item: TransactWriteItem,
}

impl Write {
    pub(crate) fn put(part: Part, put: aws_sdk_dynamodb::types::builders::PutBuilder) -> Result<Self, StoreError> {
        let put = put.build().map_err(|_| StoreError::Unwritable("transaction"))?;
        Ok(Self {
            part,
            item: TransactWriteItem::builder().put(put).build(),
        })
    }

    pub(crate) fn update(
        part: Part,
        update: aws_sdk_dynamodb::types::builders::UpdateBuilder,
    ) -> Result<Self, StoreError> {
        let update = update.build().map_err(|_| StoreError::Unwritable("transaction"))?;
        Ok(Self {
            part,
            item: TransactWriteItem::builder().update(update).build(),
        })
    }

    /// Nothing is written, but the condition holds for the whole.
    pub(crate) fn check(
        part: Part,
        check: aws_sdk_dynamodb::types::builders::ConditionCheckBuilder,
    ) -> Result<Self, StoreError> {
        let check = check.build().map_err(|_| StoreError::Unwritable("transaction"))?;
        Ok(Self {
            part,
            item: TransactWriteItem::builder().condition_check(check).build(),
        })
    }

    pub(crate) fn delete(
        part: Part,
        delete: aws_sdk_dynamodb::types::builders::DeleteBuilder,
    ) -> Result<Self, StoreError> {
        let delete = delete.build().map_err(|_| StoreError::Unwritable("transaction"))?;
        Ok(Self {
            part,
            item: TransactWriteItem::builder().delete(delete).build(),
        })
    }
}

/// Why nothing was stored.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CommitError {
    /// A condition did not hold: what was read is no longer so.
    #[error("what was read has changed")]
    Conflict(Part),
    /// The store did not take it now. Whether it was stored is not known if the answer was lost.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Tries after other transactions on the same items.
const MAX_CONFLICTS: u32 = 6;

/// Commits writes together.
///
/// Conflicts with another transaction in flight are tried again with full jitter. The SDK gives each call a token of
/// its own, so that its retries after a lost answer do not store twice.
///
/// # Errors
/// [`CommitError`]; nothing was stored then, but for a lost answer.
pub async fn commit(client: &Client, writes: Vec<Write>) -> Result<(), CommitError> {
    let parts: Vec<_> = writes.iter().map(|write| write.part).collect();
    let items: Vec<_> = writes.into_iter().map(|write| write.item).collect();
    for attempt in 0.. {
        let result = client
            .transact_write_items()
            .set_transact_items(Some(items.clone()))
            .send()
            .await;
        let Err(error) = result else {
            return Ok(());
        };
        match verdict(&error, &parts) {
            Verdict::Conflict(part) => return Err(CommitError::Conflict(part)),
            Verdict::TryAgain if attempt < MAX_CONFLICTS => {
                retry::wait(attempt, Duration::from_millis(20), Duration::from_millis(500)).await;
            }
            Verdict::Refused => return Err(StoreError::Refused("transaction".to_owned()).into()),
            Verdict::TryAgain | Verdict::Failed => return Err(StoreError::from(error).into()),
        }
    }
    Err(StoreError::Unavailable("conflicts".to_owned()).into())
}

enum Verdict {
    Conflict(Part),
    TryAgain,
    Refused,
    Failed,
}

fn verdict<R>(error: &SdkError<TransactWriteItemsError, R>, parts: &[Part]) -> Verdict {
    let Some(TransactWriteItemsError::TransactionCanceledException(cancelled)) = error.as_service_error() else {
        return Verdict::Failed;
    };
    let code = |reason: &CancellationReason| reason.code().unwrap_or_default().to_owned();
    let reasons: Vec<_> = cancelled.cancellation_reasons().iter().map(code).collect();
    let unmet = reasons.iter().position(|code| code == "ConditionalCheckFailed");
    if let Some(part) = unmet.and_then(|at| parts.get(at)) {
        return Verdict::Conflict(*part);
    }
    let passing = [
        "TransactionConflict",
        "ThrottlingError",
        "ProvisionedThroughputExceeded",
    ];
    if reasons
        .iter()
        .any(|code| code == "ValidationError" || code == "ItemCollectionSizeLimitExceeded")
    {
        return Verdict::Refused;
    }
    if reasons.iter().any(|code| passing.contains(&code.as_str())) {
        return Verdict::TryAgain;
    }
    Verdict::Failed
}
