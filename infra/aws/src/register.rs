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
    entry::{self, Actor, Command, Entry, Outcome, Successor, Transition},
    person::{PersonIdentifier, PersonKey, PersonKeys},
    secret::Secrets,
};
use serde::Deserialize;
use tokio::time::Instant;

use crate::{
    addresses::Sharing,
    changes::Changes,
    error::{self, StoreError},
    item::{self, Item, number, text},
    many, retry,
    transaction::{self, CommitError, Part, Write},
};

pub use self::everybody::{EntriesCursor, EntriesPage};
use self::reminders::remind_at;
pub(crate) use self::reminders::remind_bucket;
pub use self::reminders::{DueReminder, DueReminders, REMIND_BUCKETS, RemindCursor};

/// `BatchGetItem` calls in flight for one request.
const CONCURRENT_BATCHES: usize = 10;
/// Identifiers of one person, one after the other: more than anybody gets.
const MAX_SUCCESSORS: u32 = 16;
/// Keys of one identifier, one after the other: more secrets than any register has had.
const MAX_MOVES: u32 = 16;
/// The attribute of an item that is no entry, but says under which key it stands. Nothing else is left there of the person.
pub(crate) const MOVED_TO: &str = "movedTo";

/// An entry as it is stored, with what is known of it besides.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Stored {
    /// The key that it is stored under.
    #[serde(rename = "person")]
    pub key: PersonKey,
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
#[serde(rename_all = "camelCase")]
struct Version {
    version: Option<u64>,
    moved_to: Option<PersonKey>,
}

/// What there is under a key.
pub(crate) enum Row {
    Entry(Box<Stored>),
    /// The entry stands under a newer key.
    Moved(PersonKey),
}

impl Row {
    pub(crate) fn read(mut item: Item) -> Result<Self, StoreError> {
        match item.remove(MOVED_TO) {
            Some(AttributeValue::S(key)) => Ok(Self::Moved(PersonKey::from_stored(key))),
            Some(_) => Err(StoreError::Unreadable("register")),
            None => Ok(Self::Entry(Box::new(item::read("register", item)?))),
        }
    }
}

/// An identifier's entry, and the key that it stands under; without one, the key that it would come to stand under.
#[derive(Debug, Clone)]
pub struct Located {
    /// The key.
    pub key: PersonKey,
    /// The entry.
    pub stored: Option<Stored>,
}

impl Located {
    /// The entry alone.
    pub fn entry(&self) -> Option<&Entry> {
        self.stored.as_ref().map(|stored| &stored.entry)
    }

    fn successor(&self) -> Option<&Successor> {
        self.entry().and_then(Entry::successor)
    }
}

/// What there is of a person, by the identifier that is in use.
#[derive(Debug, Clone)]
pub struct Current {
    /// The key of that identifier.
    pub key: PersonKey,
    /// Whether that is another identifier than was asked about.
    pub is_successor: bool,
    /// The identifier, where there is an entry that says it: its own, or that of a predecessor.
    pub identifier: Option<PersonIdentifier>,
    /// The entry, which can be deleted.
    pub stored: Option<Stored>,
}

impl Stored {
    /// What is stored once a transition is.
    pub fn after(key: PersonKey, before: Option<&Self>, outcome: Outcome, sharing: &Sharing) -> Self {
        let was = |flag: fn(&Self) -> bool| before.is_some_and(flag);
        Self {
            key,
            remind_at: remind_at(&outcome.entry, outcome.change.at),
            entry: outcome.entry,
            changed_at: Some(outcome.change.at),
            email_shared: sharing.email.unwrap_or_else(|| was(|stored| stored.email_shared)),
            mobile_shared: sharing.mobile.unwrap_or_else(|| was(|stored| stored.mobile_shared)),
        }
    }

    /// The keys under which the identifier is and was known, the current one first.
    pub fn own_keys(&self) -> Vec<PersonKey> {
        self.entry.own_keys(&self.key).cloned().collect()
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

    /// The entry that a key stands for, as of now; wherever it stands by now.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn at(&self, key: &PersonKey) -> Result<Located, StoreError> {
        let mut key = key.clone();
        for _ in 0..MAX_MOVES {
            let found = self
                .client
                .get_item()
                .table_name(&self.table)
                .key("person", text(key.as_str()))
                .consistent_read(true)
                .send()
                .await?;
            let stored = match found.item.map(Row::read).transpose()? {
                Some(Row::Moved(to)) => {
                    key = to;
                    continue;
                }
                Some(Row::Entry(stored)) => Some(*stored),
                None => None,
            };
            return Ok(Located { key, stored });
        }
        Err(StoreError::Unreadable("register"))
    }

    /// A person's entry as of now, by whichever key.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn find(&self, person: &PersonKeys) -> Result<Located, StoreError> {
        let current = self.at(person.current()).await?;
        if let (None, Some(other)) = (&current.stored, person.other()) {
            // Whoever is moved between the two readings is found by the second one: it says where to.
            let found = self.at(other).await?;
            if found.stored.is_some() {
                return Ok(found);
            }
        }
        Ok(current)
    }

    /// The version of the entry that a key stands for as of now, whether the entry can be read or not; and the key that it
    /// stands under.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn version(&self, key: &PersonKey) -> Result<(PersonKey, Option<u64>), StoreError> {
        let mut key = key.clone();
        for _ in 0..MAX_MOVES {
            let found = self
                .client
                .get_item()
                .table_name(&self.table)
                .key("person", text(key.as_str()))
                .projection_expression("version, movedTo")
                .consistent_read(true)
                .send()
                .await?;
            match found.item.map(|row| item::read("register", row)).transpose()? {
                Some(Version { moved_to: Some(to), .. }) => key = to,
                Some(Version {
                    version: Some(version), ..
                }) => return Ok((key, Some(version))),
                Some(_) => return Err(StoreError::Unreadable("register")),
                None => return Ok((key, None)),
            }
        }
        Err(StoreError::Unreadable("register"))
    }

    /// Puts the word back where an entry has moved to, unless there is anything. Says whether it was put.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn put_moved(&self, from: &PersonKey, to: &PersonKey) -> Result<bool, StoreError> {
        let put = self
            .client
            .put_item()
            .table_name(&self.table)
            .item("person", text(from.as_str()))
            .item(MOVED_TO, text(to.as_str()))
            .condition_expression("attribute_not_exists(person)");
        error::held(put.send().await)
    }

    /// What there is of a person as of now: where the identifier was replaced, by its last successor.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn current(&self, person: &PersonKey) -> Result<Current, StoreError> {
        let found = self.at(person).await?;
        self.follow(found, None).await
    }

    /// The same by the identifier.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn current_of(&self, person: &PersonIdentifier, secrets: &Secrets) -> Result<Current, StoreError> {
        let found = self.find(&secrets.keys(person)).await?;
        self.follow(found, Some(secrets)).await
    }

    async fn follow(&self, mut found: Located, secrets: Option<&Secrets>) -> Result<Current, StoreError> {
        let mut identifier = None;
        let mut is_successor = false;
        for _ in 0..MAX_SUCCESSORS {
            identifier = found.entry().map(|entry| entry.identifier.clone()).or(identifier);
            let Some(successor) = found.successor().cloned() else {
                return Ok(Current {
                    key: found.key,
                    is_successor,
                    identifier,
                    stored: found.stored,
                });
            };
            found = self.at(&successor.key).await?;
            // The key that was noted may be of an earlier secret than the one that the entry came to stand under.
            if let (None, Some(secrets)) = (&found.stored, secrets) {
                found = self.find(&secrets.keys(&successor.identifier)).await?;
            }
            identifier = Some(successor.identifier);
            is_successor = true;
        }
        Err(StoreError::Unreadable("register"))
    }

    /// The entries of many persons, by each one's current key; who is not in the answer is not in the register. Eventually
    /// consistent.
    ///
    /// What DynamoDB leaves unprocessed is asked for again until `deadline`; then the whole fails: an unread entry
    /// must never look like no entry. Who has two keys and is not found by the first is looked for by the second.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn many(
        &self,
        persons: &[PersonKeys],
        deadline: Instant,
    ) -> Result<HashMap<PersonKey, Stored>, StoreError> {
        self.resolve(persons.iter().cloned().collect(), false, deadline).await
    }

    /// Like [`Entries::many`], as of now and by keys that were noted at any time: nobody sees an entry as it was before a
    /// change that is known already.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn many_as_of_now(
        &self,
        persons: &[PersonKey],
        deadline: Instant,
    ) -> Result<HashMap<PersonKey, Stored>, StoreError> {
        let persons = persons.iter().cloned().map(PersonKeys::from).collect();
        self.resolve(persons, true, deadline).await
    }

    async fn resolve(
        &self,
        persons: HashSet<PersonKeys>,
        consistent: bool,
        deadline: Instant,
    ) -> Result<HashMap<PersonKey, Stored>, StoreError> {
        let mut found = HashMap::with_capacity(persons.len());
        let first = persons.iter().map(PersonKeys::current).cloned().collect();
        let first = self.batches(first, consistent, deadline).await?;
        // For whom to read on, and where.
        let (mut second, mut moved) = (HashMap::new(), HashMap::new());
        for person in persons {
            match (first.get(person.current()), person.other()) {
                (Some(Row::Entry(stored)), _) => {
                    found.insert(person.current().clone(), stored.as_ref().clone());
                }
                (Some(Row::Moved(to)), _) => {
                    moved.insert(person.current().clone(), to.clone());
                }
                (None, Some(other)) => {
                    second.insert(person.current().clone(), other.clone());
                }
                (None, None) => {}
            }
        }
        let mut is_a_must = false;
        for _ in 0..MAX_MOVES {
            let asked = std::mem::take(&mut second);
            if !asked.is_empty() {
                let rows = asked.values().cloned().collect();
                // An entry that was moved is under its new key: nothing that was seen of that comes from before it.
                let rows = self.batches(rows, consistent || is_a_must, deadline).await?;
                for (person, key) in asked {
                    match rows.get(&key) {
                        Some(Row::Entry(stored)) => {
                            found.insert(person, stored.as_ref().clone());
                        }
                        Some(Row::Moved(to)) => {
                            moved.insert(person, to.clone());
                        }
                        None if is_a_must => return Err(StoreError::Unreadable("register")),
                        None => {}
                    }
                }
            }
            if moved.is_empty() {
                return Ok(found);
            }
            second = std::mem::take(&mut moved);
            is_a_must = true;
        }
        Err(StoreError::Unreadable("register"))
    }

    async fn batches(
        &self,
        keys: HashSet<PersonKey>,
        consistent: bool,
        deadline: Instant,
    ) -> Result<HashMap<PersonKey, Row>, StoreError> {
        let unique: Vec<_> = keys.into_iter().collect();
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
    ) -> Result<Vec<(PersonKey, Row)>, StoreError> {
        let keys = persons
            .iter()
            .map(|person| Item::from([("person".to_owned(), text(person.as_str()))]));
        let items = many::get(&self.client, &self.table, keys, consistent, deadline).await?;
        let read = |item: Item| {
            let Some(AttributeValue::S(key)) = item.get("person") else {
                return Err(StoreError::Unreadable("register"));
            };
            let key = PersonKey::from_stored(key);
            Ok((key, Row::read(item)?))
        };
        items.into_iter().map(read).collect()
    }

    /// Opens a connection before the first request, by a read that finds nothing. Its result does not matter.
    pub async fn prime(&self) {
        let _ = self.at(&PersonKey::from_stored("v1#")).await;
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
    /// A new entry takes its earlier keys as well, so that the same person never gets two: whoever would make one under an
    /// earlier key finds it taken, and whoever comes with that key is sent on.
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
        if before.is_none() {
            for key in &outcome.entry.earlier_keys {
                let update = Update::builder()
                    .table_name(&self.entries.table)
                    .key("person", text(key.as_str()))
                    .update_expression(format!("SET {MOVED_TO} = :to"))
                    // Another word where to may be left there of an entry that was lost; an entry may not.
                    .condition_expression("attribute_not_exists(entry)")
                    .expression_attribute_values(":to", text(person.as_str()));
                writes.push(Write::update(Part::Entry, update)?);
            }
        }
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
                // Not just anything: who has moved to another key is no longer here.
                .condition_expression("attribute_exists(entry)");
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
