//! Batches and their pieces: what is planned, what is done.
//!
//! A batch is one row, and each of its pieces another. Batches that the register has to see to are in the index `open`,
//! by when they have to be looked at; an organisation's batches are in the index `ofOrganisation`, by when they began.

use aws_sdk_dynamodb::{
    Client,
    error::SdkError,
    operation::put_item::PutItemError,
    types::{AttributeValue, Put, ReturnValuesOnConditionCheckFailure, Update},
};
use futures_util::{StreamExt as _, TryStreamExt as _, stream};
use jiff::{SignedDuration, Timestamp};
use mailbox_register::{
    batch::life::{Batch, BatchId, Chunk, KEPT_FOR, STALLED_AFTER},
    organisation::OrganisationNumber,
};
use uuid::Uuid;

use crate::{
    error::{self, StoreError},
    item::{self, Item, number, text},
    transaction::{self, CommitError, Part, Write},
};

const OPEN_INDEX: &str = "open";
const ORGANISATION_INDEX: &str = "ofOrganisation";
/// There are few batches at a time: one partition of the index holds them.
const OPEN: u8 = 0;
/// The step that is the batch itself.
const HEAD: &str = "batch";
/// Before a piece's number.
const CHUNK: &str = "chunk#";
/// Pieces written at once.
const AT_ONCE: usize = 16;

/// The table `batches`.
#[derive(Debug, Clone)]
pub struct Batches {
    client: Client,
    table: String,
}

impl Batches {
    /// Batches in `table`.
    pub const fn new(client: Client, table: String) -> Self {
        Self { client, table }
    }

    /// Opens a connection before the first event needs it. Whether it worked shows then.
    pub async fn prime(&self) {
        let _ = self.get(BatchId(Uuid::nil())).await;
    }

    /// A batch as of now.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn get(&self, id: BatchId) -> Result<Option<Batch>, StoreError> {
        self.row(&id.to_string(), HEAD.to_owned()).await
    }

    async fn row<T: serde::de::DeserializeOwned>(&self, batch: &str, step: String) -> Result<Option<T>, StoreError> {
        let found = self
            .client
            .get_item()
            .table_name(&self.table)
            .key("batch", text(batch))
            .key("step", text(step))
            .consistent_read(true)
            .send()
            .await?;
        found.item.map(|row| item::read("batches", row)).transpose()
    }

    /// Adds a batch, unless there is one of its identity. Says whether it was added.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn add(&self, batch: &Batch) -> Result<bool, StoreError> {
        let result = self
            .client
            .put_item()
            .table_name(&self.table)
            .set_item(Some(head(batch)?))
            .condition_expression("attribute_not_exists(#batch)")
            .expression_attribute_names("#batch", "batch")
            .send()
            .await;
        error::held(result)
    }

    /// Stores a batch's next state, unless it has moved on since `before` was read. Says whether it was stored.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn save(&self, before: &Batch, after: &Batch) -> Result<bool, StoreError> {
        let result = self
            .client
            .put_item()
            .table_name(&self.table)
            .set_item(Some(head(after)?))
            // Pieces that were done meanwhile are counted in the row: they must not be forgotten.
            .condition_expression("turn = :turn AND chunksDone = :done")
            .expression_attribute_values(":turn", number(before.turn))
            .expression_attribute_values(":done", number(before.chunks_done))
            .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld)
            .send()
            .await;
        let Err(error) = result else { return Ok(true) };
        match &error {
            SdkError::ServiceError(service) => match service.err() {
                // An earlier try of this very call may have been stored, and its answer lost.
                PutItemError::ConditionalCheckFailedException(failed) => {
                    let stored: Option<Batch> = failed.item.clone().and_then(|row| item::read("batches", row).ok());
                    Ok(stored.as_ref() == Some(after))
                }
                _ => Err(error.into()),
            },
            _ => Err(error.into()),
        }
    }

    /// Adds a batch's pieces; what is there stays as it is.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn add_chunks(&self, id: BatchId, chunks: Vec<Chunk>, now: Timestamp) -> Result<(), StoreError> {
        stream::iter(chunks)
            .map(|chunk| async move {
                let result = self
                    .client
                    .put_item()
                    .table_name(&self.table)
                    .set_item(Some(piece(id, &chunk, now)?))
                    // A worker that plans late must not undo what was done since.
                    .condition_expression("attribute_not_exists(#batch)")
                    .expression_attribute_names("#batch", "batch")
                    .send()
                    .await;
                error::held(result).map(|_| ())
            })
            .buffer_unordered(AT_ONCE)
            .try_collect()
            .await
    }

    /// A piece as of now.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn chunk(&self, id: BatchId, chunk: u32) -> Result<Option<Chunk>, StoreError> {
        self.row(&id.to_string(), step(chunk)).await
    }

    /// Stores a piece's next state, unless another worker has begun it since. Says whether it was stored.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn save_chunk(
        &self,
        id: BatchId,
        before: &Chunk,
        after: &Chunk,
        now: Timestamp,
    ) -> Result<bool, StoreError> {
        let result = self
            .client
            .put_item()
            .table_name(&self.table)
            .set_item(Some(piece(id, after, now)?))
            .condition_expression("tries = :tries AND #state <> :done")
            .expression_attribute_names("#state", "state")
            .expression_attribute_values(":tries", number(before.tries))
            .expression_attribute_values(":done", text("done"))
            .send()
            .await;
        error::held(result)
    }

    /// Stores that a piece is done, and counts it in its batch, if this worker still has it and the batch is worked on.
    ///
    /// # Errors
    /// [`CommitError::Conflict`], if not.
    pub async fn complete(&self, id: BatchId, chunk: &Chunk, now: Timestamp) -> Result<(), CommitError> {
        let done = Put::builder()
            .table_name(&self.table)
            .set_item(Some(piece(id, chunk, now)?))
            .condition_expression("tries = :tries AND #state = :claimed")
            .expression_attribute_names("#state", "state")
            .expression_attribute_values(":tries", number(chunk.tries))
            .expression_attribute_values(":claimed", text("claimed"));
        let look_at = now.checked_add(STALLED_AFTER).unwrap_or(Timestamp::MAX);
        let counted = Update::builder()
            .table_name(&self.table)
            .key("batch", text(id.to_string()))
            .key("step", text(HEAD))
            .update_expression(
                "SET progressAt = :now, openAt = :openAt, revivals = :none ADD chunksDone :one, rowsDone :rows",
            )
            .condition_expression("#state = :working")
            .expression_attribute_names("#state", "state")
            .expression_attribute_values(":working", text("working"))
            .expression_attribute_values(":now", text(now.to_string()))
            .expression_attribute_values(":openAt", number(look_at.as_millisecond()))
            .expression_attribute_values(":none", number(0))
            .expression_attribute_values(":one", number(1))
            .expression_attribute_values(":rows", number(chunk.rows));
        let writes = vec![Write::put(Part::Batch, done)?, Write::update(Part::Batch, counted)?];
        transaction::commit(&self.client, writes).await
    }

    /// A page of a batch's pieces in their order, those after `after`; as many as fit into an answer.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn chunks(&self, id: BatchId, after: u32) -> Result<Vec<Chunk>, StoreError> {
        let page = self
            .client
            .query()
            .table_name(&self.table)
            .key_condition_expression("#batch = :batch AND step BETWEEN :first AND :last")
            .expression_attribute_names("#batch", "batch")
            .expression_attribute_values(":batch", text(id.to_string()))
            .expression_attribute_values(":first", text(step(after.saturating_add(1))))
            .expression_attribute_values(":last", text(step(u32::MAX)))
            .consistent_read(true)
            .send()
            .await?;
        let rows = page.items.unwrap_or_default();
        rows.into_iter().map(|row| item::read("batches", row)).collect()
    }

    /// An organisation's batches, newest first, those that began before `before`. Eventually consistent.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn of(
        &self,
        organisation: OrganisationNumber,
        before: Timestamp,
        limit: i32,
    ) -> Result<Vec<Batch>, StoreError> {
        let page = self
            .client
            .query()
            .table_name(&self.table)
            .index_name(ORGANISATION_INDEX)
            .key_condition_expression("organisation = :organisation AND startedAt < :before")
            .expression_attribute_values(":organisation", text(organisation.to_string()))
            .expression_attribute_values(":before", number(before.as_millisecond()))
            .scan_index_forward(false)
            .limit(limit)
            .send()
            .await?;
        let rows = page.items.unwrap_or_default();
        rows.into_iter().map(|row| item::read("batches", row)).collect()
    }

    /// Batches that have to be looked at by `now`, the longest waiting first; a page of them.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn stalled(&self, now: Timestamp, limit: i32) -> Result<Vec<BatchId>, StoreError> {
        let page = self
            .client
            .query()
            .table_name(&self.table)
            .index_name(OPEN_INDEX)
            .key_condition_expression("openBucket = :open AND openAt <= :now")
            .expression_attribute_values(":open", number(OPEN))
            .expression_attribute_values(":now", number(now.as_millisecond()))
            .limit(limit)
            .send()
            .await?;
        let ids = page.items.unwrap_or_default().into_iter().map(|row| {
            let id = row.get("batch").and_then(|id| id.as_s().ok());
            let id = id.and_then(|id| Uuid::try_parse(id).ok());
            id.map(BatchId).ok_or(StoreError::Unreadable("batches"))
        });
        ids.collect()
    }

    /// The batch that was the first with a content within `within`: this one, or an earlier one.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn first_with(
        &self,
        content: &str,
        id: BatchId,
        replacing: Option<BatchId>,
        within: SignedDuration,
        now: Timestamp,
    ) -> Result<BatchId, StoreError> {
        let until = now.checked_add(within).unwrap_or(Timestamp::MAX);
        let replaced = replacing.unwrap_or(id);
        let result = self
            .client
            .put_item()
            .table_name(&self.table)
            .item("batch", text(format!("content#{content}")))
            .item("step", text("first"))
            .item("first", text(id.to_string()))
            .item("expiresAt", number(until.as_second()))
            // What has expired counts as gone, though it may still be there for days.
            .condition_expression("attribute_not_exists(#batch) OR expiresAt <= :now OR #first = :replaced")
            .expression_attribute_names("#batch", "batch")
            .expression_attribute_names("#first", "first")
            .expression_attribute_values(":now", number(now.as_second()))
            .expression_attribute_values(":replaced", text(replaced.to_string()))
            .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld)
            .send()
            .await;
        let Err(error) = result else { return Ok(id) };
        let old = error.as_service_error().and_then(|error| match error {
            PutItemError::ConditionalCheckFailedException(failed) => failed.item.clone(),
            _ => None,
        });
        let Some(old) = old else { return Err(error.into()) };
        let first = old.get("first").and_then(|first| first.as_s().ok());
        let first = first.and_then(|first| Uuid::try_parse(first).ok());
        first.map(BatchId).ok_or(StoreError::Unreadable("batches"))
    }
}

fn step(chunk: u32) -> String {
    format!("{CHUNK}{chunk:010}")
}

fn expires(now: Timestamp) -> AttributeValue {
    number(now.checked_add(KEPT_FOR).unwrap_or(Timestamp::MAX).as_second())
}

fn head(batch: &Batch) -> Result<Item, StoreError> {
    let mut row = item::write("batches", batch)?;
    row.insert("batch".to_owned(), text(batch.id.to_string()));
    row.insert("step".to_owned(), text(HEAD));
    row.insert("startedAt".to_owned(), number(batch.created_at.as_millisecond()));
    row.insert("expiresAt".to_owned(), expires(batch.progress_at));
    if let Some(at) = batch.looked_at() {
        row.insert("openBucket".to_owned(), number(OPEN));
        row.insert("openAt".to_owned(), number(at.as_millisecond()));
    }
    Ok(row)
}

fn piece(id: BatchId, chunk: &Chunk, now: Timestamp) -> Result<Item, StoreError> {
    let mut row = item::write("batches", chunk)?;
    row.insert("batch".to_owned(), text(id.to_string()));
    row.insert("step".to_owned(), text(step(chunk.number)));
    row.insert("expiresAt".to_owned(), expires(now));
    Ok(row)
}
