//! Who is to be reminded that an address goes stale.
//!
//! The index `remind` is sparse: an entry is in it under the moment when its person is to be reminded, and every
//! transition writes that anew. So nobody ever scans: of five million persons some ten thousand are due a day, and a
//! tick reads those alone.

use aws_sdk_dynamodb::types::Update;
use jiff::Timestamp;
use mailbox_register::{entry::Entry, person::PersonKey};
use serde::Deserialize;

use super::{Entries, Register, Stored};
use crate::{
    error::StoreError,
    item::{self, Item, number, text},
    transaction::{CommitError, Part, Write},
};

/// Who is to be reminded is spread over this many partitions of the index.
pub const REMIND_BUCKETS: u8 = 32;
const REMIND_INDEX: &str = "remind";

/// A person who is to be reminded that an address goes stale.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DueReminder {
    /// Who.
    pub person: PersonKey,
    /// Since when.
    pub at: Timestamp,
}

/// A page of who is to be reminded.
#[derive(Debug)]
pub struct DueReminders {
    /// The rows, the oldest first.
    pub rows: Vec<Result<DueReminder, StoreError>>,
    /// Where the next page begins; none on the last.
    pub next: Option<RemindCursor>,
}

/// The end of a page.
#[derive(Debug)]
pub struct RemindCursor(Item);

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct RemindRow {
    person: PersonKey,
    remind_at: i64,
}

impl Entries {
    /// Who of a bucket is to be reminded at `now` that an address goes stale, the oldest first. A row that cannot be read
    /// stands for itself among its neighbours.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn due_reminders(
        &self,
        bucket: u8,
        now: Timestamp,
        limit: i32,
        after: Option<RemindCursor>,
    ) -> Result<DueReminders, StoreError> {
        let page = self
            .client
            .query()
            .table_name(&self.table)
            .index_name(REMIND_INDEX)
            .key_condition_expression("remindBucket = :bucket AND remindAt <= :now")
            .expression_attribute_values(":bucket", number(bucket))
            .expression_attribute_values(":now", number(now.as_millisecond()))
            .limit(limit)
            .set_exclusive_start_key(after.map(|cursor| cursor.0))
            .send()
            .await?;
        Ok(DueReminders {
            rows: page.items.into_iter().flatten().map(due_reminder).collect(),
            next: page.last_evaluated_key.map(RemindCursor),
        })
    }

    /// When each person is to be reminded: a reading of the whole index, for stacks of one machine.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn reminders_due_at(&self) -> Result<Vec<Timestamp>, StoreError> {
        let scan = self.client.scan().table_name(&self.table).index_name(REMIND_INDEX);
        let mut rows = scan.into_paginator().items().send();
        let mut moments = Vec::new();
        while let Some(row) = rows.next().await {
            moments.push(due_reminder(row?)?.at);
        }
        Ok(moments)
    }
}

impl Register {
    /// Puts right where a person stands in the index `remind`, if that is not where the entry belongs at `now`: what went
    /// stale before anybody was reminded is nothing to remind of any more.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn correct_reminder(&self, read: &Stored, now: Timestamp) -> Result<(), StoreError> {
        let at = remind_at(&read.entry, now);
        if at == read.remind_at {
            return Ok(());
        }
        let mut update = Update::builder()
            .table_name(&self.entries.table)
            .key("person", text(read.key.as_str()))
            .condition_expression("version = :version")
            .expression_attribute_values(":version", number(read.entry.version));
        update = match at {
            None => update.update_expression("REMOVE remindBucket, remindAt"),
            Some(at) => update
                .update_expression("SET remindBucket = :remindBucket, remindAt = :remindAt")
                .expression_attribute_values(":remindBucket", number(remind_bucket(&read.key)))
                .expression_attribute_values(":remindAt", number(at)),
        };
        match self.commit(vec![Write::update(Part::Entry, update)?]).await {
            // Whoever changed the entry meanwhile has put it where it belongs.
            Ok(()) | Err(CommitError::Conflict(_)) => Ok(()),
            Err(CommitError::Store(error)) => Err(error),
        }
    }
}

fn due_reminder(item: Item) -> Result<DueReminder, StoreError> {
    let row: RemindRow = item::read("register", item)?;
    let at = item::moment("register", row.remind_at)?;
    Ok(DueReminder { person: row.person, at })
}

/// Where an entry stands in the index `remind`, in milliseconds since 1970; none if its person is not to be reminded.
pub(super) fn remind_at(entry: &Entry, now: Timestamp) -> Option<i64> {
    let due = entry.registration()?.next_reminder_at(now)?;
    Some(due.as_millisecond())
}

/// The partition of the index that a person stands in: keys are as good as random.
pub(crate) fn remind_bucket(person: &PersonKey) -> u8 {
    let sum = person.as_str().bytes().fold(0, u8::wrapping_add);
    sum % REMIND_BUCKETS
}
