//! The entries and their history.

mod everybody;
mod reminders;

use std::collections::{BTreeMap, HashMap, HashSet};

use aws_sdk_dynamodb::{
    Client,
    types::{AttributeValue, Update},
};
use futures_util::{StreamExt as _, TryStreamExt as _, stream};
use jiff::Timestamp;
use mailbox_register::{
    contact::{Address, Channel},
    entry::{self, Actor, Command, Entry, Outcome, Transition},
    person::{PersonIdentifier, PersonKey},
};
use serde::Deserialize;
use tokio::time::Instant;

use crate::{
    addresses::Sharing,
    changes::Changes,
    error::StoreError,
    item::{self, Item, number, text},
    many, retry,
    transaction::{self, CommitError, Part, Write},
};

pub use self::everybody::{EntriesCursor, EntriesPage};
pub use self::reminders::{DueReminder, DueReminders, REMIND_BUCKETS, RemindCursor};
use self::reminders::{remind_at, remind_bucket};

/// `BatchGetItem` calls in flight for one request.
const CONCURRENT_BATCHES: usize = 10;
/// Identifiers of one person, one after the other: more than anybody gets.
const MAX_SUCCESSORS: u32 = 16;

/// An entry as it is stored, with what is known of it besides.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Stored {
    /// The entry.
    pub entry: Entry,
    /// Whether another person has the same e-mail.
    #[serde(default)]
    pub email_shared: bool,
    /// Whether another person has the same mobile.
    #[serde(default)]
    pub mobile_shared: bool,
    /// When the entry last changed; none in rows from before that was written beside it.
    #[serde(default)]
    pub changed_at: Option<Timestamp>,
    /// Where the entry stands in the index `remind`, in milliseconds since 1970.
    #[serde(default)]
    remind_at: Option<i64>,
}

#[derive(Deserialize)]
struct Version {
    version: u64,
}

/// What there is of a person, by the identifier that is in use.
#[derive(Debug, Clone)]
pub struct Current {
    /// The key of that identifier.
    pub key: PersonKey,
    /// The identifier, where there is an entry that says it: its own, or that of a predecessor.
    pub identifier: Option<PersonIdentifier>,
    /// The entry, which can be deleted.
    pub stored: Option<Stored>,
}

impl Stored {
    /// What is stored once a transition is.
    pub fn after(before: Option<&Self>, outcome: Outcome, sharing: &Sharing) -> Self {
        let was = |flag: fn(&Self) -> bool| before.is_some_and(flag);
        Self {
            remind_at: remind_at(&outcome.entry, outcome.change.at),
            entry: outcome.entry,
            changed_at: Some(outcome.change.at),
            email_shared: sharing.email.unwrap_or_else(|| was(|stored| stored.email_shared)),
            mobile_shared: sharing.mobile.unwrap_or_else(|| was(|stored| stored.mobile_shared)),
        }
    }
}

/// The table `register`, to be read.
#[derive(Debug, Clone)]
pub struct Entries {
    client: Client,
    table: String,
}

impl Entries {
    /// Entries in `table`.
    pub const fn new(client: Client, table: String) -> Self {
        Self { client, table }
    }

    /// A person's entry as of now.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn one(&self, person: &PersonKey) -> Result<Option<Stored>, StoreError> {
        let found = self
            .client
            .get_item()
            .table_name(&self.table)
            .key("person", text(person.as_str()))
            .consistent_read(true)
            .send()
            .await?;
        found.item.map(|item| item::read("register", item)).transpose()
    }

    /// The version of a person's entry as of now, whether the entry can be read or not.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn version(&self, person: &PersonKey) -> Result<Option<u64>, StoreError> {
        let found = self
            .client
            .get_item()
            .table_name(&self.table)
            .key("person", text(person.as_str()))
            .projection_expression("version")
            .consistent_read(true)
            .send()
            .await?;
        let read = |row| item::read::<Version>("register", row).map(|row| row.version);
        found.item.map(read).transpose()
    }

    /// What there is of a person as of now: where the identifier was replaced, by its last successor.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn current(&self, person: &PersonKey) -> Result<Current, StoreError> {
        let mut current = Current {
            key: person.clone(),
            identifier: None,
            stored: None,
        };
        for _ in 0..MAX_SUCCESSORS {
            current.stored = self.one(&current.key).await?;
            let entry = current.stored.as_ref().map(|stored| &stored.entry);
            current.identifier = entry.map(|entry| entry.identifier.clone()).or(current.identifier);
            let Some(successor) = entry.and_then(Entry::successor).cloned() else {
                return Ok(current);
            };
            (current.key, current.identifier) = (successor.key, Some(successor.identifier));
        }
        Err(StoreError::Unreadable("register"))
    }

    /// The entries of many persons; who is not in the answer is not in the register. Eventually consistent.
    ///
    /// What DynamoDB leaves unprocessed is asked for again until `deadline`; then the whole fails: an unread entry
    /// must never look like no entry.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn many(
        &self,
        persons: &[PersonKey],
        deadline: Instant,
    ) -> Result<HashMap<PersonKey, Stored>, StoreError> {
        self.batches(persons, false, deadline).await
    }

    /// Like [`Entries::many`], as of now: nobody sees an entry as it was before a change that is known already.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn many_as_of_now(
        &self,
        persons: &[PersonKey],
        deadline: Instant,
    ) -> Result<HashMap<PersonKey, Stored>, StoreError> {
        self.batches(persons, true, deadline).await
    }

    async fn batches(
        &self,
        persons: &[PersonKey],
        consistent: bool,
        deadline: Instant,
    ) -> Result<HashMap<PersonKey, Stored>, StoreError> {
        let unique: Vec<_> = persons.iter().cloned().collect::<HashSet<_>>().into_iter().collect();
        let batches: Vec<_> = unique.chunks(many::MOST).map(<[PersonKey]>::to_vec).collect();
        stream::iter(batches)
            .map(|batch| self.batch(batch, consistent, deadline))
            .buffer_unordered(CONCURRENT_BATCHES)
            .try_fold(HashMap::with_capacity(unique.len()), |mut all, batch| async {
                all.extend(batch);
                Ok(all)
            })
            .await
    }

    async fn batch(
        &self,
        persons: Vec<PersonKey>,
        consistent: bool,
        deadline: Instant,
    ) -> Result<Vec<(PersonKey, Stored)>, StoreError> {
        let keys = persons
            .iter()
            .map(|person| Item::from([("person".to_owned(), text(person.as_str()))]));
        let items = many::get(&self.client, &self.table, keys, consistent, deadline).await?;
        items.into_iter().map(everybody::keyed).collect()
    }

    /// Opens a connection before the first request, by a read that finds nothing. Its result does not matter.
    pub async fn prime(&self) {
        let _ = self.one(&PersonKey::from_stored("v1#")).await;
    }
}

/// The tables `register` and `changes`, to be read and written.
#[derive(Debug, Clone)]
pub struct Register {
    entries: Entries,
    changes: Changes,
}

impl Register {
    /// Entries in `table`, their history in `changes`.
    pub fn new(client: Client, table: String, changes: String) -> Self {
        Self {
            changes: Changes::new(client.clone(), changes),
            entries: Entries::new(client, table),
        }
    }

    /// The entries, to be read.
    pub const fn entries(&self) -> &Entries {
        &self.entries
    }

    /// Their history.
    pub const fn changes(&self) -> &Changes {
        &self.changes
    }

    /// The writes of a transition: the entry, on the version it was made from, and its change.
    ///
    /// # Errors
    /// [`StoreError::Unwritable`].
    pub fn writes(&self, person: &PersonKey, outcome: &Outcome, sharing: &Sharing) -> Result<Vec<Write>, StoreError> {
        let before = outcome.entry.version - 1;
        self.writes_on((before > 0).then_some(before), person, outcome, sharing)
    }

    /// The same on any version: none where there is no entry, whatever its history says.
    ///
    /// # Errors
    /// [`StoreError::Unwritable`].
    pub fn writes_on(
        &self,
        before: Option<u64>,
        person: &PersonKey,
        outcome: &Outcome,
        sharing: &Sharing,
    ) -> Result<Vec<Write>, StoreError> {
        let mut assignments = vec!["version = :version", "entry = :entry", "changedAt = :changedAt"];
        let mut update = Update::builder()
            .table_name(&self.entries.table)
            .key("person", text(person.as_str()))
            .expression_attribute_values(":version", number(outcome.entry.version))
            .expression_attribute_values(":entry", item::attribute("register", &outcome.entry)?)
            .expression_attribute_values(":changedAt", text(outcome.change.at.to_string()));
        if let Some(shared) = sharing.email {
            assignments.push("emailShared = :emailShared");
            update = update.expression_attribute_values(":emailShared", AttributeValue::Bool(shared));
        }
        if let Some(shared) = sharing.mobile {
            assignments.push("mobileShared = :mobileShared");
            update = update.expression_attribute_values(":mobileShared", AttributeValue::Bool(shared));
        }
        let mut gone = "";
        if let Some(at) = remind_at(&outcome.entry, outcome.change.at) {
            assignments.extend(["remindBucket = :remindBucket", "remindAt = :remindAt"]);
            update = update
                .expression_attribute_values(":remindBucket", number(remind_bucket(person)))
                .expression_attribute_values(":remindAt", number(at));
        } else {
            gone = " REMOVE remindBucket, remindAt";
        }
        update = update.update_expression(format!("SET {}{gone}", assignments.join(", ")));
        update = match before {
            None => update.condition_expression("attribute_not_exists(person)"),
            Some(before) => update
                .condition_expression("version = :before")
                .expression_attribute_values(":before", number(before)),
        };
        let change = self.changes.adding(person, outcome)?;
        let mut writes = vec![Write::update(Part::Entry, update)?, change];
        writes.extend(self.flags(sharing)?);
        Ok(writes)
    }

    /// The writes to entries of others who share an address, or no longer do.
    ///
    /// # Errors
    /// [`StoreError::Unwritable`].
    pub fn flags(&self, sharing: &Sharing) -> Result<Vec<Write>, StoreError> {
        let mut writes = Vec::new();
        // A transaction takes one write per item: who shares both addresses gets both flags by one.
        let mut others = HashMap::<&PersonKey, BTreeMap<&str, bool>>::new();
        for (other, flag, shared) in &sharing.others {
            others.entry(other).or_default().insert(flag, *shared);
        }
        for (other, flags) in others {
            let assignments: Vec<_> = flags.keys().map(|flag| format!("{flag} = :{flag}")).collect();
            let mut update = Update::builder()
                .table_name(&self.entries.table)
                .key("person", text(other.as_str()))
                .update_expression(format!("SET {}", assignments.join(", ")))
                .condition_expression("attribute_exists(person)");
            for (flag, shared) in flags {
                update = update.expression_attribute_values(format!(":{flag}"), AttributeValue::Bool(shared));
            }
            writes.push(Write::update(Part::Address, update)?);
        }
        Ok(writes)
    }

    /// Notes that nothing reaches a person's address on a channel any more, as was seen at `seen_at`, if `is_it` says that
    /// it is that address: a late report of an earlier one says nothing of the one that is there now, nor does one from
    /// before the person last said that it is right. Where the identifier was replaced, it is its successor's address. Says
    /// whether that was news.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn mark_undeliverable(
        &self,
        person: &PersonKey,
        channel: Channel,
        is_it: impl Fn(&Address) -> bool,
        seen_at: Timestamp,
        now: Timestamp,
    ) -> Result<bool, StoreError> {
        for race in 0..retry::MAX_RACES {
            retry::race(race).await;
            let current = self.entries.current(person).await?;
            let Some(stored) = current.stored else {
                return Ok(false);
            };
            let address = stored
                .entry
                .registration()
                .filter(|registration| registration.said_at(channel).is_some_and(|said_at| said_at <= seen_at))
                .and_then(|registration| registration.address(channel))
                .filter(&is_it);
            let Some(address) = address else {
                return Ok(false);
            };
            let command = Command::MarkUndeliverable(address);
            let identifier = stored.entry.identifier.clone();
            let transition = entry::apply(Some(&stored.entry), &identifier, command, Actor::Register, now);
            let Ok(Transition::Changed(outcome)) = transition else {
                return Ok(false);
            };
            match self
                .commit(self.writes(&current.key, &outcome, &Sharing::default())?)
                .await
            {
                Ok(()) => return Ok(true),
                Err(CommitError::Conflict(_)) => {}
                Err(CommitError::Store(error)) => return Err(error),
            }
        }
        Err(StoreError::Unavailable("races for an entry".to_owned()))
    }

    /// Stores writes together, those of other tables with them.
    ///
    /// # Errors
    /// [`CommitError`].
    pub async fn commit(&self, writes: Vec<Write>) -> Result<(), CommitError> {
        transaction::commit(&self.entries.client, writes).await
    }
}
