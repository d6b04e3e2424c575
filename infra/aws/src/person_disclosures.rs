//! Who looked a person up: the record of disclosures, person by person.

use aws_sdk_dynamodb::Client;
use futures_util::{StreamExt as _, TryStreamExt as _, future::try_join_all, stream};
use jiff::Timestamp;
use mailbox_register::{
    disclosure::{Record, Told},
    person::PersonKey,
};
use serde::Deserialize;

use crate::{
    error::{self, StoreError},
    item::{self, number, text},
};

/// Persons written at once: as many connections as a small function can hold.
const AT_ONCE: usize = 32;

/// The table `person-disclosures`.
#[derive(Debug, Clone)]
pub struct PersonDisclosures {
    client: Client,
    table: String,
}

/// A page of what a person may read, newest first.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Page {
    /// What was disclosed.
    pub told: Vec<Told>,
    /// The place in time of the last of it; none if there is nothing before.
    pub next: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Row {
    #[serde(rename = "disclosure")]
    place: String,
    /// In seconds since 1970.
    expires_at: Option<i64>,
    #[serde(flatten)]
    told: Told,
}

impl PersonDisclosures {
    /// Disclosures in `table`.
    pub const fn new(client: Client, table: String) -> Self {
        Self { client, table }
    }

    /// Adds a record to what one of its persons may read, until it expires (in seconds since 1970). Once is as good as twice.
    ///
    /// # Errors
    /// [`StoreError`].
    async fn add(&self, person: &PersonKey, record: &Record, expires_at: i64) -> Result<(), StoreError> {
        let mut row = item::write("person-disclosures", &record.told())?;
        row.insert("person".to_owned(), text(person.as_str()));
        row.insert("disclosure".to_owned(), text(record.place_in_time()));
        row.insert("expiresAt".to_owned(), number(expires_at));
        let result = self
            .client
            .put_item()
            .table_name(&self.table)
            .set_item(Some(row))
            .condition_expression("attribute_not_exists(person)")
            .send()
            .await;
        error::held(result).map(drop)
    }

    /// Adds a record to what each of its persons may read, each once.
    ///
    /// # Errors
    /// The first [`StoreError`]: some of it may be there then, and the whole can be done again.
    pub async fn add_all(&self, record: &Record, expires_at: i64) -> Result<(), StoreError> {
        let persons: Vec<PersonKey> = record.named().into_iter().cloned().collect();
        stream::iter(persons)
            .map(async |person| self.add(&person, record, expires_at).await)
            .buffer_unordered(AT_ONCE)
            .try_collect()
            .await
    }

    /// What was disclosed of a person, newest first, from before a place in time on, under whichever of `keys` the person is
    /// and was known. What is past its time at `now` is no longer there.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn page(
        &self,
        keys: &[PersonKey],
        before: Option<&str>,
        limit: u16,
        now: Timestamp,
    ) -> Result<Page, StoreError> {
        // One more says whether there is more.
        let asked = limit.saturating_add(1);
        let found = keys.iter().map(|key| self.newest(key, before, asked));
        let mut rows: Vec<_> = try_join_all(found).await?.into_iter().flatten().collect();
        rows.sort_unstable_by(|one, other| other.place.cmp(&one.place));
        // A record that names a person by two numbers is one.
        rows.dedup_by(|one, other| one.place == other.place);
        let is_more = rows.len() > usize::from(limit);
        rows.truncate(limit.into());
        let next = rows.last().filter(|_| is_more).map(|row| row.place.clone());
        let is_there = |row: &Row| row.expires_at.is_some_and(|at| at > now.as_second());
        let told = rows.into_iter().filter(is_there).map(|row| row.told).collect();
        Ok(Page { told, next })
    }

    /// So many of one key's, newest first.
    async fn newest(&self, key: &PersonKey, before: Option<&str>, limit: u16) -> Result<Vec<Row>, StoreError> {
        let page = self
            .client
            .query()
            .table_name(&self.table)
            .key_condition_expression("person = :person AND disclosure < :before")
            .expression_attribute_values(":person", text(key.as_str()))
            // Times are written in digits: all of them come before this.
            .expression_attribute_values(":before", text(before.unwrap_or("~")))
            .scan_index_forward(false)
            .limit(limit.into())
            .send()
            .await?;
        let rows = page.items.into_iter().flatten();
        rows.map(|row| item::read("person-disclosures", row)).collect()
    }
}
