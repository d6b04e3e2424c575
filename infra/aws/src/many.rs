//! Many items by one call.

use std::{collections::HashMap, time::Duration};

use aws_sdk_dynamodb::{Client, types::KeysAndAttributes};
use tokio::time::Instant;

use crate::{error::StoreError, item::Item, retry};

/// Keys in one `BatchGetItem`, DynamoDB's limit.
pub(crate) const MOST: usize = 100;

/// The items of a table with these keys, at the most [`MOST`], each once; those that are not there are left out.
///
/// What DynamoDB leaves unprocessed is asked for again until `deadline`; then the whole fails: an unread item must never
/// look like none.
///
/// # Errors
/// [`StoreError`].
pub(crate) async fn get(
    client: &Client,
    table: &str,
    keys: impl Iterator<Item = Item>,
    consistent: bool,
    deadline: Instant,
) -> Result<Vec<Item>, StoreError> {
    let keys = KeysAndAttributes::builder()
        .set_keys(Some(keys.collect()))
        .consistent_read(consistent)
        .build()
        .map_err(|_| StoreError::Unavailable("construction".to_owned()))?;
    let mut unread = HashMap::from([(table.to_owned(), keys)]);
    let mut found = Vec::new();
    for attempt in 0.. {
        let batch = client.batch_get_item().set_request_items(Some(unread)).send().await?;
        found.extend(batch.responses.into_iter().flatten().flat_map(|(_, items)| items));
        unread = batch.unprocessed_keys.unwrap_or_default();
        if unread.is_empty() {
            return Ok(found);
        }
        if Instant::now() >= deadline {
            break;
        }
        retry::wait(attempt, Duration::from_millis(25), Duration::from_millis(800)).await;
    }
    Err(StoreError::Unavailable("unprocessed keys".to_owned()))
}
