//! Feeds: what has happened, in an order that everybody reads alike.
//!
//! A feed's entries have the numbers 1, 2, 3 … and none is missing or given twice: each transaction moves the head on by
//! as many entries as it adds. Whoever has read up to a number has everything before it.

use aws_sdk_dynamodb::{
    Client,
    types::{Put, Update},
};
use jiff::{SignedDuration, Timestamp};
use serde::{Serialize, de::DeserializeOwned};

use crate::{
    error::StoreError,
    item::{self, Item, number, text},
    transaction::{self, CommitError, Part, Write},
};

/// Sorts before every entry.
const HEAD: u64 = 0;
/// How long an entry can be read.
const KEPT_FOR: SignedDuration = SignedDuration::from_hours(90 * 24);

/// The table `feed`.
#[derive(Debug, Clone)]
pub struct Feed {
    client: Client,
    table: String,
}

/// An entry and its number.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Numbered<T> {
    /// Its place in the feed, from 1 on.
    pub sequence: u64,
    /// What it says.
    pub entry: T,
}

impl Feed {
    /// Feeds in `table`.
    pub const fn new(client: Client, table: String) -> Self {
        Self { client, table }
    }

    /// The number of the last entry; 0 for a feed without one.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn head(&self, feed: &str) -> Result<u64, StoreError> {
        let found = self
            .client
            .get_item()
            .table_name(&self.table)
            .key("feed", text(feed))
            .key("sequence", number(HEAD))
            .consistent_read(true)
            .send()
            .await?;
        match found.item {
            None => Ok(0),
            Some(row) => sequence(&row, "head"),
        }
    }

    /// The writes that add entries after `head`, if that is still the last.
    ///
    /// # Errors
    /// [`StoreError::Unwritable`].
    pub fn appending<T: Serialize>(
        &self,
        feed: &str,
        head: u64,
        entries: &[T],
        now: Timestamp,
    ) -> Result<Vec<Write>, StoreError> {
        let last = head + entries.len() as u64;
        let mut moving = Update::builder()
            .table_name(&self.table)
            .key("feed", text(feed))
            .key("sequence", number(HEAD))
            .update_expression("SET head = :last")
            .expression_attribute_values(":last", number(last));
        moving = if head == 0 {
            moving.condition_expression("attribute_not_exists(head)")
        } else {
            moving
                .condition_expression("head = :head")
                .expression_attribute_values(":head", number(head))
        };
        let mut writes = vec![Write::update(Part::Feed, moving)?];
        let expires = now.checked_add(KEPT_FOR).unwrap_or(Timestamp::MAX);
        for (sequence, entry) in (head + 1..).zip(entries) {
            let mut row = item::write("feed", entry)?;
            row.insert("feed".to_owned(), text(feed));
            row.insert("sequence".to_owned(), number(sequence));
            row.insert("expiresAt".to_owned(), number(expires.as_second()));
            let put = Put::builder()
                .table_name(&self.table)
                .set_item(Some(row))
                .condition_expression("attribute_not_exists(feed)");
            writes.push(Write::put(Part::Feed, put)?);
        }
        Ok(writes)
    }

    /// Stores writes together.
    ///
    /// # Errors
    /// [`CommitError`].
    pub async fn commit(&self, writes: Vec<Write>) -> Result<(), CommitError> {
        transaction::commit(&self.client, writes).await
    }

    /// Up to `limit` entries after a number, in order.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn after<T: DeserializeOwned>(
        &self,
        feed: &str,
        after: u64,
        limit: i32,
    ) -> Result<Vec<Numbered<T>>, StoreError> {
        let page = self
            .client
            .query()
            .table_name(&self.table)
            .key_condition_expression("feed = :feed AND #sequence > :after")
            .expression_attribute_names("#sequence", "sequence")
            .expression_attribute_values(":feed", text(feed))
            .expression_attribute_values(":after", number(after))
            // A transaction's entries may be seen in part otherwise, a later one before an earlier.
            .consistent_read(true)
            .limit(limit)
            .send()
            .await?;
        page.items
            .into_iter()
            .flatten()
            .map(|row| {
                Ok(Numbered {
                    sequence: sequence(&row, "sequence")?,
                    entry: item::read("feed", row)?,
                })
            })
            .collect()
    }
}

fn sequence(row: &Item, name: &str) -> Result<u64, StoreError> {
    row.get(name)
        .and_then(|value| value.as_n().ok())
        .and_then(|digits| digits.parse().ok())
        .ok_or(StoreError::Unreadable("feed"))
}
