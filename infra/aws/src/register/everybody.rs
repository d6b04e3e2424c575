//! All entries, page by page: for what an operator does to many at once. No index says who has a mailbox where.
//!
//! A page is up to a megabyte, some thousand entries, and takes 128 read units: five million entries are 5 GB, 640 000
//! units and a few minutes.

use aws_sdk_dynamodb::types::AttributeValue;
use mailbox_register::person::PersonKey;

use super::{Entries, Stored};
use crate::{
    error::StoreError,
    item::{self, Item},
};

/// A page of entries, as they were within the last seconds.
#[derive(Debug)]
pub struct EntriesPage {
    /// The rows, in no order. One that cannot be read stands for itself among its neighbours.
    pub rows: Vec<Result<(PersonKey, Stored), StoreError>>,
    /// Where the next page begins; none on the last.
    pub next: Option<EntriesCursor>,
}

/// The end of a page.
#[derive(Debug)]
pub struct EntriesCursor(Item);

impl Entries {
    /// A page of all entries.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn everybody(&self, after: Option<EntriesCursor>) -> Result<EntriesPage, StoreError> {
        let page = self
            .client
            .scan()
            .table_name(&self.table)
            .set_exclusive_start_key(after.map(|cursor| cursor.0))
            .send()
            .await?;
        Ok(EntriesPage {
            rows: page.items.into_iter().flatten().map(keyed).collect(),
            next: page.last_evaluated_key.map(EntriesCursor),
        })
    }
}

/// An entry with its key.
pub(super) fn keyed(row: Item) -> Result<(PersonKey, Stored), StoreError> {
    let Some(AttributeValue::S(key)) = row.get("person") else {
        return Err(StoreError::Unreadable("register"));
    };
    let key = PersonKey::from_stored(key);
    Ok((key, item::read("register", row)?))
}
