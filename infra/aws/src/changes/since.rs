//! What an operator needs of histories: what happened since a moment, and that a person's is forgotten.

use jiff::Timestamp;
use mailbox_register::{
    entry::{Change, DeletionReason, Since},
    person::PersonKey,
};
use serde::Deserialize;

use super::Changes;
use crate::{
    error::{self, StoreError},
    item::{self, Item, number, text},
};

#[derive(Debug, Deserialize)]
struct SinceRow {
    #[serde(flatten)]
    change: Change,
    #[serde(default)]
    reason: Option<DeletionReason>,
}

#[derive(Debug, Deserialize)]
struct HistoryRow {
    version: u64,
    #[serde(default, rename = "unfedAt")]
    unfed_at: Option<i64>,
}

#[derive(Debug, Deserialize)]
struct BeginningRow {
    person: PersonKey,
    at: Timestamp,
}

/// Persons whose history began after a moment.
#[derive(Debug)]
pub struct Beginnings {
    /// Their keys.
    pub persons: Vec<PersonKey>,
    /// Where the next page begins; none on the last.
    pub next: Option<ChangesCursor>,
}

/// The end of a page.
#[derive(Debug)]
pub struct ChangesCursor(Item);

impl Changes {
    /// What happened to a person's entry after a version, in order.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn since(&self, person: &PersonKey, version: u64) -> Result<Vec<Since>, StoreError> {
        let mut rows = self
            .client
            .query()
            .table_name(&self.table)
            .key_condition_expression("person = :person AND version > :version")
            .expression_attribute_values(":person", text(person.as_str()))
            .expression_attribute_values(":version", number(version))
            .consistent_read(true)
            .into_paginator()
            .items()
            .send();
        let mut since = Vec::new();
        while let Some(row) = rows.next().await {
            let SinceRow { change, reason } = item::read("changes", row?)?;
            since.push(Since { change, reason });
        }
        Ok(since)
    }

    /// A page of the persons whose history began after a moment. Such a page can be empty, and not the last.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn began_since(&self, moment: Timestamp, after: Option<ChangesCursor>) -> Result<Beginnings, StoreError> {
        let page = self
            .client
            .scan()
            .table_name(&self.table)
            .filter_expression("version = :first")
            .projection_expression("person, #at")
            .expression_attribute_names("#at", "at")
            .expression_attribute_values(":first", number(1))
            .set_exclusive_start_key(after.map(|cursor| cursor.0))
            .send()
            .await?;
        let mut persons = Vec::new();
        for row in page.items.into_iter().flatten() {
            let row: BeginningRow = item::read("changes", row)?;
            if row.at > moment {
                persons.push(row.person);
            }
        }
        Ok(Beginnings {
            persons,
            next: page.last_evaluated_key.map(ChangesCursor),
        })
    }

    /// Forgets a person's history up to a version. What the feed lacks stays until the feed has it. Says how many changes were
    /// forgotten (or, `dry`, would be), and how many stay for now.
    ///
    /// # Errors
    /// [`StoreError`]. What was forgotten is.
    pub async fn forget(&self, person: &PersonKey, upto: u64, dry: bool) -> Result<(u64, u64), StoreError> {
        let mut rows = self
            .client
            .query()
            .table_name(&self.table)
            .key_condition_expression("person = :person AND version <= :upto")
            .projection_expression("version, unfedAt")
            .expression_attribute_values(":person", text(person.as_str()))
            .expression_attribute_values(":upto", number(upto))
            .consistent_read(true)
            .into_paginator()
            .items()
            .send();
        let (mut forgotten, mut waiting) = (0, 0);
        while let Some(row) = rows.next().await {
            let row: HistoryRow = item::read("changes", row?)?;
            let goes = if row.unfed_at.is_some() {
                false
            } else if dry {
                true
            } else {
                let deleted = self
                    .client
                    .delete_item()
                    .table_name(&self.table)
                    .key("person", text(person.as_str()))
                    .key("version", number(row.version))
                    .condition_expression("attribute_not_exists(unfedAt)")
                    .send()
                    .await;
                error::held(deleted)?
            };
            forgotten += u64::from(goes);
            waiting += u64::from(!goes);
        }
        Ok((forgotten, waiting))
    }
}
