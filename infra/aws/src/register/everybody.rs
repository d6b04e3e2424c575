//! All entries, page by page: for what an operator does to many at once. No index says who has a mailbox where.
//!
//! A page is up to a megabyte, some thousand entries, and takes 128 read units: five million entries are 5 GB, 640 000
//! units and a few minutes.

use mailbox_register::person::PersonKey;

use super::{Entries, Row, Stored};
use crate::{error::StoreError, item::Item};

/// A page of entries, as they were within the last seconds.
#[derive(Debug)]
pub struct EntriesPage {
    /// The rows, in no order. One that cannot be read stands for itself among its neighbours.
    pub rows: Vec<Result<Stored, StoreError>>,
    /// Keys that entries stood under, and those that they were moved to.
    pub moved: Vec<(PersonKey, PersonKey)>,
    /// Where the next page begins; none on the last.
    pub next: Option<EntriesCursor>,
}

/// The end of a page.
#[derive(Debug)]
pub struct EntriesCursor(Item);

impl Entries {
    /// A page of all entries. Whoever is moved to another key meanwhile may be on none.
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
        let mut read = EntriesPage {
            rows: Vec::new(),
            moved: Vec::new(),
            next: page.last_evaluated_key.map(EntriesCursor),
        };
        for item in page.items.into_iter().flatten() {
            let from = item.get("person").and_then(|key| key.as_s().ok()).cloned();
            match (Row::read(item), from) {
                (Ok(Row::Entry(stored)), _) => read.rows.push(Ok(*stored)),
                (Ok(Row::Moved(to)), Some(from)) => read.moved.push((PersonKey::from_stored(from), to)),
                (Ok(Row::Moved(_)), None) => read.rows.push(Err(StoreError::Unreadable("register"))),
                (Err(error), _) => read.rows.push(Err(error)),
            }
        }
        Ok(read)
    }
}
