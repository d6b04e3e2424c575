//! What transitions did: a person's history, and the outbox of the change feed.
//!
//! A change is written with the transition that made it, and says that the feed lacks it: it is in the index `unfed`
//! then, where the tick finds it, until the transaction that gives it its number in the feed.
//!
//! What nobody else can see is in the history alone: that an entry which is deleted is deleted once more would tell why.

mod since;

use aws_sdk_dynamodb::{
    Client,
    types::{AttributeValue, Put, Update},
};
use jiff::Timestamp;
use mailbox_register::{
    entry::{Change, Event, Outcome, Status},
    mailbox::ProviderId,
    person::PersonKey,
};
use serde::{Deserialize, Serialize};

use crate::{
    error::StoreError,
    item::{self, Item, number, text},
    transaction::{Part, Write},
};

pub use self::since::{Beginnings, ChangesCursor};

/// The feed of what happens to entries.
pub const FEED: &str = "changes";
/// Changes that the feed lacks are spread over this many partitions of the index.
pub const UNFED_BUCKETS: u8 = 8;
const UNFED_INDEX: &str = "unfed";
/// Changes of one person read at a time: those that the feed lacks are the last few.
const PAGE: i32 = 20;

/// What the feed says of a change: whom it concerns, and what kind of thing happened. What the entry holds is read when
/// the feed is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct FeedEntry {
    /// Whose entry.
    pub person: PersonKey,
    /// Its version after the change.
    pub version: u64,
    /// When.
    pub at: Timestamp,
    /// What happened, in order.
    pub events: Vec<Event>,
    /// Providers whose mailbox, or how they stand with the person, is another than before.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub providers: Vec<ProviderId>,
}

/// The table `changes`.
#[derive(Debug, Clone)]
pub struct Changes {
    client: Client,
    table: String,
}

#[derive(Debug, Deserialize)]
struct Row {
    #[serde(flatten)]
    entry: FeedEntry,
    #[serde(default, rename = "unfedAt")]
    unfed_at: Option<i64>,
    /// Never gets into the feed.
    #[serde(default)]
    hidden: bool,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct IndexRow {
    person: PersonKey,
    /// Milliseconds since 1970.
    unfed_at: i64,
}

impl Changes {
    /// Changes in `table`.
    pub const fn new(client: Client, table: String) -> Self {
        Self { client, table }
    }

    /// The write that adds a transition's change to the history, and to what the feed lacks.
    ///
    /// # Errors
    /// [`StoreError::Unwritable`].
    pub fn adding(&self, person: &PersonKey, outcome: &Outcome) -> Result<Write, StoreError> {
        let mut row = item::write("changes", &outcome.change)?;
        row.insert("person".to_owned(), text(person.as_str()));
        if !outcome.providers.is_empty() {
            let providers = item::attribute("changes", &outcome.providers)?;
            row.insert("providers".to_owned(), providers);
        }
        if let Status::Deleted(deletion) = &outcome.entry.status {
            // For whoever restores the register; shown nowhere.
            row.insert("reason".to_owned(), item::attribute("changes", &deletion.reason)?);
        }
        if outcome.is_visible {
            row.insert("unfedBucket".to_owned(), number(bucket(person)));
            row.insert("unfedAt".to_owned(), number(outcome.change.at.as_millisecond()));
        } else {
            row.insert("hidden".to_owned(), AttributeValue::Bool(true));
        }
        let put = Put::builder()
            .table_name(&self.table)
            .set_item(Some(row))
            .condition_expression("attribute_not_exists(person)");
        Write::put(Part::Entry, put)
    }

    /// A page of an entry's changes, newest first, of versions below `before`. `keys` are those of its identifier, the newest
    /// first: versions go on from one to the next.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn history(
        &self,
        keys: &[PersonKey],
        before: Option<u64>,
        limit: i32,
    ) -> Result<Vec<Change>, StoreError> {
        let mut changes = Vec::new();
        let mut left = limit;
        for key in keys {
            let rows = self.newest(key, before, left).await?;
            left -= i32::try_from(rows.len()).unwrap_or(left);
            for row in rows {
                changes.push(item::read("changes", row)?);
            }
            if left <= 0 {
                break;
            }
        }
        Ok(changes)
    }

    /// What the feed lacks of a person, in order.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn unfed_of(&self, person: &PersonKey) -> Result<Vec<FeedEntry>, StoreError> {
        let mut unfed = Vec::new();
        let mut before = None;
        loop {
            let rows = self.newest(person, before, PAGE).await?;
            let is_last = rows.len() < usize::try_from(PAGE).unwrap_or(usize::MAX);
            for row in rows {
                let row: Row = item::read("changes", row)?;
                before = Some(row.entry.version);
                if row.hidden {
                    continue;
                }
                // They got into the feed in their order: what is older than one that is there is there.
                if row.unfed_at.is_none() {
                    unfed.reverse();
                    return Ok(unfed);
                }
                unfed.push(row.entry);
            }
            if is_last {
                unfed.reverse();
                return Ok(unfed);
            }
        }
    }

    /// The write that says that a change stands in the feed, if nobody else has fed it.
    ///
    /// # Errors
    /// [`StoreError::Unwritable`].
    pub fn fed(&self, entry: &FeedEntry) -> Result<Write, StoreError> {
        let update = Update::builder()
            .table_name(&self.table)
            .key("person", text(entry.person.as_str()))
            .key("version", number(entry.version))
            .update_expression("REMOVE unfedBucket, unfedAt")
            .condition_expression("attribute_exists(unfedAt)");
        Write::update(Part::Feed, update)
    }

    /// Persons of a bucket of whom the feed has lacked something since `before`, each with since when: the longest waiting first.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn unfed(
        &self,
        bucket: u8,
        before: Timestamp,
        limit: i32,
    ) -> Result<Vec<(PersonKey, Timestamp)>, StoreError> {
        let page = self
            .client
            .query()
            .table_name(&self.table)
            .index_name(UNFED_INDEX)
            .key_condition_expression("unfedBucket = :bucket AND unfedAt <= :before")
            .expression_attribute_values(":bucket", number(bucket))
            .expression_attribute_values(":before", number(before.as_millisecond()))
            .limit(limit)
            .send()
            .await?;
        let waiting = |row: Item| {
            let row = item::read::<IndexRow>("changes", row)?;
            Ok((row.person, item::moment("changes", row.unfed_at)?))
        };
        page.items.into_iter().flatten().map(waiting).collect()
    }

    async fn newest(&self, person: &PersonKey, before: Option<u64>, limit: i32) -> Result<Vec<Item>, StoreError> {
        let page = self
            .client
            .query()
            .table_name(&self.table)
            .key_condition_expression("person = :person AND version < :before")
            .expression_attribute_values(":person", text(person.as_str()))
            .expression_attribute_values(":before", number(before.unwrap_or(u64::MAX)))
            .scan_index_forward(false)
            .consistent_read(true)
            .limit(limit)
            .send()
            .await?;
        Ok(page.items.unwrap_or_default())
    }
}

fn bucket(person: &PersonKey) -> u8 {
    person.as_str().bytes().fold(0, u8::wrapping_add) % UNFED_BUCKETS
}
