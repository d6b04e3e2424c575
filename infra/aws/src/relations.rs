//! Which persons an organisation has to do with: it has looked them up or sent them something within 13 months.
//!
//! With it an organisation follows the changes of its own persons, and needs no copy of the register for that.

use std::collections::{HashMap, HashSet};

use aws_sdk_dynamodb::Client;
use futures_util::{StreamExt as _, TryStreamExt as _, stream};
use jiff::{Timestamp, ToSpan as _};
use mailbox_register::{contact::norwegian_time, organisation::OrganisationNumber, person::PersonKey};
use tokio::time::Instant;

use crate::{
    error::{self, StoreError},
    item::{Item, number, text},
    many,
};

/// Relations noted at once: as many connections as a small function can hold.
const AT_ONCE: usize = 32;
/// `BatchGetItem` calls in flight for one request.
const CONCURRENT_BATCHES: usize = 4;

/// The table `relations`.
#[derive(Debug, Clone)]
pub struct Relations {
    client: Client,
    table: String,
}

impl Relations {
    /// Relations in `table`.
    pub const fn new(client: Client, table: String) -> Self {
        Self { client, table }
    }

    /// Notes that an organisation had to do with a person at `at`. What is known of a later time stays.
    ///
    /// # Errors
    /// [`StoreError`].
    async fn note(
        &self,
        organisation: OrganisationNumber,
        person: &PersonKey,
        at: Timestamp,
    ) -> Result<(), StoreError> {
        let result = self
            .client
            .update_item()
            .table_name(&self.table)
            .key("relation", text(key(organisation, person)))
            .update_expression("SET expiresAt = :until")
            .condition_expression("attribute_not_exists(expiresAt) OR expiresAt < :until")
            .expression_attribute_values(":until", number(until(at).as_second()))
            .send()
            .await;
        // Whether it was the later time does not matter.
        error::held(result).map(drop)
    }

    /// Notes the same of many persons.
    ///
    /// # Errors
    /// [`StoreError`]. What was noted stays.
    pub async fn note_all(
        &self,
        organisation: OrganisationNumber,
        persons: impl IntoIterator<Item = &PersonKey>,
        at: Timestamp,
    ) -> Result<(), StoreError> {
        let persons: Vec<_> = persons.into_iter().cloned().collect();
        stream::iter(persons)
            .map(async |person| self.note(organisation, &person, at).await)
            .buffer_unordered(AT_ONCE)
            .try_collect()
            .await
    }

    /// Those among `persons` that an organisation has to do with at `now`.
    ///
    /// # Errors
    /// [`StoreError`], also where something stays unread until `deadline`.
    pub async fn among(
        &self,
        organisation: OrganisationNumber,
        persons: &[PersonKey],
        now: Timestamp,
        deadline: Instant,
    ) -> Result<HashSet<PersonKey>, StoreError> {
        let unique: HashSet<_> = persons.iter().collect();
        let keys: HashMap<String, PersonKey> = unique
            .into_iter()
            .map(|person| (key(organisation, person), person.clone()))
            .collect();
        let names: Vec<_> = keys.keys().cloned().collect();
        let batches: Vec<_> = names.chunks(many::MOST).map(<[String]>::to_vec).collect();
        let found: Vec<Vec<String>> = stream::iter(batches)
            .map(|batch| self.batch(batch, now, deadline))
            .buffer_unordered(CONCURRENT_BATCHES)
            .try_collect()
            .await?;
        Ok(found
            .into_iter()
            .flatten()
            .filter_map(|name| keys.get(&name).cloned())
            .collect())
    }

    async fn batch(&self, names: Vec<String>, now: Timestamp, deadline: Instant) -> Result<Vec<String>, StoreError> {
        let keys = names
            .into_iter()
            .map(|name| Item::from([("relation".to_owned(), text(name))]));
        let rows = many::get(&self.client, &self.table, keys, false, deadline).await?;
        // What has run out may lie there for days.
        let known = rows
            .into_iter()
            .filter(|row| expires(row).is_some_and(|at| at > now.as_second()));
        let name = |row: Item| row.get("relation")?.as_s().ok().cloned();
        Ok(known.filter_map(name).collect())
    }
}

/// The person comes last: keys are spread by what is different in them.
fn key(organisation: OrganisationNumber, person: &PersonKey) -> String {
    format!("{organisation}#{}", person.as_str())
}

/// Thirteen calendar months: what is done once a year is not forgotten in between.
fn until(at: Timestamp) -> Timestamp {
    let until = at.to_zoned(norwegian_time()).checked_add(13.months());
    until.map_or(Timestamp::MAX, |until| until.timestamp())
}

fn expires(row: &Item) -> Option<i64> {
    row.get("expiresAt")?.as_n().ok()?.parse().ok()
}
