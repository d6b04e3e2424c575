//! Feeds: what has happened, in an order that everybody reads alike.
//!
//! A feed's entries have the numbers 1, 2, 3 … and none is missing or given twice: each transaction moves the head on by
//! as many entries as it adds. Whoever has read up to a number has everything before it.
//!
//! What one transaction adds is one row: so a transaction has room for what it was added from.

use aws_sdk_dynamodb::{
    Client,
    types::{Put, Update},
};
use jiff::Timestamp;
use serde::{Deserialize, Serialize, de::DeserializeOwned};

use crate::{
    error::StoreError,
    item::{self, Item, number, text},
    transaction::{self, CommitError, Part, Write},
};

/// Sorts before every entry.
const HEAD: u64 = 0;
/// Rows read at a time.
const ROWS: i32 = 50;

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

    /// The two writes that add entries after `head`, if that is still the last: what is added together is one row.
    ///
    /// # Errors
    /// [`StoreError::Unwritable`].
    pub fn appending<T: Serialize>(
        &self,
        feed: &str,
        head: u64,
        entries: &[T],
        kept_until: Option<Timestamp>,
    ) -> Result<[Write; 2], StoreError> {
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
        let mut page = Put::builder()
            .table_name(&self.table)
            .item("feed", text(feed))
            // By the last, so that whoever has read a part of the page finds it again by what comes after.
            .item("sequence", number(last))
            .item("entries", item::attribute("feed", &entries)?)
            .condition_expression("attribute_not_exists(feed)");
        if let Some(until) = kept_until {
            page = page.item("expiresAt", number(until.as_second()));
        }
        Ok([Write::update(Part::Feed, moving)?, Write::put(Part::Feed, page)?])
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
        limit: usize,
    ) -> Result<Vec<Numbered<T>>, StoreError> {
        let mut found = Vec::new();
        let mut read = after;
        while found.len() < limit {
            let page = self
                .client
                .query()
                .table_name(&self.table)
                .key_condition_expression("feed = :feed AND #sequence > :read")
                .expression_attribute_names("#sequence", "sequence")
                .expression_attribute_values(":feed", text(feed))
                .expression_attribute_values(":read", number(read))
                // A page may be seen before an earlier one otherwise.
                .consistent_read(true)
                .limit(ROWS)
                .send()
                .await?;
            let rows = page.items.unwrap_or_default();
            let is_last = rows.len() < usize::try_from(ROWS).unwrap_or(usize::MAX);
            for row in rows {
                let last = sequence(&row, "sequence")?;
                let Page { entries } = item::read::<Page<T>>("feed", row)?;
                let first = last + 1 - entries.len() as u64;
                let numbered = (first..).zip(entries).filter(|(sequence, _)| *sequence > after);
                found.extend(numbered.map(|(sequence, entry)| Numbered { sequence, entry }));
                read = last;
            }
            if is_last {
                break;
            }
        }
        found.truncate(limit);
        Ok(found)
    }
}

/// What was added together.
#[derive(Deserialize)]
struct Page<T> {
    entries: Vec<T>,
}

fn sequence(row: &Item, name: &str) -> Result<u64, StoreError> {
    row.get(name)
        .and_then(|value| value.as_n().ok())
        .and_then(|digits| digits.parse().ok())
        .ok_or(StoreError::Unreadable("feed"))
}
