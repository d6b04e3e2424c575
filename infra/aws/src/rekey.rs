//! Persons are moved from the keys of one secret to those of the next.
//!
//! A move is one transaction: the entry as it is under the new key, a word under the old one that says so, and where the
//! person's addresses stand. It changes nothing that anybody sees, so it has no version and no place in the history or the
//! feed; it holds only on the very item that was read, so that whoever changes the entry meanwhile wins. Done again it does
//! nothing, so it may break off anywhere, and several may be at it.

use std::collections::HashMap;

use aws_sdk_dynamodb::{
    Client,
    types::{AttributeValue, Put},
};
use futures_util::{StreamExt as _, stream};
use jiff::Timestamp;
use mailbox_register::{
    entry::Entry,
    letter::{Letter, LetterId},
    person::{KeyVersion, PersonKey},
    secret::{Secret, Secrets},
};
use serde::Deserialize;

use crate::{
    addresses::Addresses,
    changes::Changes,
    error::StoreError,
    item::{self, Item, number, text},
    register::{MOVED_TO, Row, Stored, remind_bucket},
    retry,
    transaction::{self, CommitError, Part, Write},
};

/// Rows of one page of a scan: a megabyte at the most, and so many persons whose moving is told together.
const PAGE: i32 = 500;
/// Attributes of an entry's item that may come to be without a new version of the entry.
const BESIDES: [&str; 4] = ["emailShared", "mobileShared", "remindBucket", "remindAt"];

/// Names of the tables that hold what is moved, or what is asked about.
#[derive(Debug, Clone)]
pub struct Tables {
    /// Entries.
    pub register: String,
    /// Their history.
    pub changes: String,
    /// Who shares an address.
    pub addresses: String,
    /// Letters, whose identity is made with the secret.
    pub letters: String,
}

/// How persons are moved.
#[derive(Debug, Clone, Copy)]
pub struct Pace {
    /// Parts of the table that are read at once.
    pub segments: u16,
    /// Persons of one part who are moved at once.
    pub at_once: usize,
}

/// Secrets between which nothing is to be moved: there is one, or the next one is not the current one yet.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the new secret has to be the current one, and the old one the previous one")]
pub struct NothingToMove;

/// What was found, and what has become of it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Counts {
    /// Items that were read.
    pub read: u64,
    /// Entries under another key than the current secret's.
    pub found: u64,
    /// Of these, those that were moved now.
    pub moved: u64,
    /// Those that somebody else moved first.
    pub before: u64,
    /// Those that have to wait: the feed lacks a change of theirs.
    pub waiting: u64,
    /// Those that could not be moved, by the cause.
    pub failed: HashMap<String, u64>,
}

impl Counts {
    /// These and others.
    pub fn add(&mut self, other: &Self) {
        self.read += other.read;
        self.found += other.found;
        self.moved += other.moved;
        self.before += other.before;
        self.waiting += other.waiting;
        for (cause, count) in &other.failed {
            *self.failed.entry(cause.clone()).or_default() += count;
        }
    }

    /// How many could not be moved.
    pub fn failures(&self) -> u64 {
        self.failed.values().sum()
    }
}

/// What still depends on the old secret.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Left {
    /// Entries under keys of another secret than the current one.
    pub entries: u64,
    /// Addresses' members under such keys.
    pub addresses: u64,
    /// Letters whose identity was made with the old secret.
    pub letters: u64,
    /// Until when the last of these letters is kept; no later announcement of the same letter is known as such once the
    /// secret is gone.
    pub letters_until: Option<Timestamp>,
}

impl Left {
    /// Whether nobody would be lost with the old secret.
    pub const fn is_nobody(&self) -> bool {
        self.entries == 0 && self.addresses == 0
    }
}

/// What became of one person.
enum Moved {
    Now,
    Before,
    Waiting,
}

/// Moves persons.
#[derive(Debug, Clone)]
pub struct Rekey {
    client: Client,
    tables: Tables,
    changes: Changes,
    addresses: Addresses,
    secrets: Secrets,
}

impl Rekey {
    /// Moves persons in `tables` from the older of the secrets to the current one.
    ///
    /// # Errors
    /// [`NothingToMove`].
    pub fn new(client: Client, tables: Tables, secrets: Secrets) -> Result<Self, NothingToMove> {
        let is_newer = |other: &Secret| other.version() < secrets.current().version();
        if !secrets.other().is_some_and(is_newer) {
            return Err(NothingToMove);
        }
        Ok(Self {
            changes: Changes::new(client.clone(), tables.changes.clone()),
            addresses: Addresses::new(client.clone(), tables.addresses.clone(), secrets.clone()),
            client,
            tables,
            secrets,
        })
    }

    /// Goes through all entries once and moves who is still to be moved; with `dry_run` only counts them. Before each move
    /// `wait` is asked; once it `is_over`, nobody more is moved; after each page of a part `told` is what was done in it.
    ///
    /// # Errors
    /// [`StoreError`], if the table cannot be read. Who could not be moved is in the counts.
    pub async fn pass(
        &self,
        pace: Pace,
        dry_run: bool,
        wait: impl AsyncFn(),
        is_over: impl Fn() -> bool,
        told: impl Fn(&Counts),
    ) -> Result<Counts, StoreError> {
        let (wait, is_over, told) = (&wait, &is_over, &told);
        let segments = stream::iter(0..pace.segments)
            .map(|segment| self.segment(segment, pace, dry_run, (wait, is_over, told)))
            .buffer_unordered(pace.segments.max(1).into());
        let counts: Vec<Result<Counts, StoreError>> = segments.collect().await;
        let mut all = Counts::default();
        for counts in counts {
            all.add(&counts?);
        }
        Ok(all)
    }

    async fn segment(
        &self,
        segment: u16,
        pace: Pace,
        dry_run: bool,
        (wait, is_over, told): (&impl AsyncFn(), &impl Fn() -> bool, &impl Fn(&Counts)),
    ) -> Result<Counts, StoreError> {
        let mut all = Counts::default();
        let mut from = None;
        loop {
            let read = self
                .client
                .scan()
                .table_name(&self.tables.register)
                .segment(segment.into())
                .total_segments(pace.segments.into())
                .filter_expression("attribute_exists(entry) AND NOT begins_with(person, :current)")
                .expression_attribute_values(":current", text(prefix(self.secrets.current().version())))
                .consistent_read(true)
                .limit(PAGE)
                .set_exclusive_start_key(from)
                .send()
                .await?;
            let items = read.items.unwrap_or_default();
            let mut counts = Counts {
                read: u64::try_from(read.scanned_count).unwrap_or_default(),
                found: items.len() as u64,
                ..Counts::default()
            };
            if !dry_run {
                let items = items.into_iter().take_while(|_| !is_over());
                let moved = stream::iter(items).map(async |item| {
                    wait().await;
                    self.move_one(item).await
                });
                let mut moved = std::pin::pin!(moved.buffer_unordered(pace.at_once.max(1)));
                while let Some(moved) = moved.next().await {
                    match moved {
                        Ok(Moved::Now) => counts.moved += 1,
                        Ok(Moved::Before) => counts.before += 1,
                        Ok(Moved::Waiting) => counts.waiting += 1,
                        Err(error) => *counts.failed.entry(error.to_string()).or_default() += 1,
                    }
                }
            }
            told(&counts);
            all.add(&counts);
            from = read.last_evaluated_key;
            if from.is_none() || is_over() {
                return Ok(all);
            }
        }
    }

    async fn move_one(&self, mut item: Item) -> Result<Moved, StoreError> {
        let key = key_of(&item)?;
        for race in 0..retry::MAX_RACES {
            retry::race(race).await;
            if race > 0 {
                let read = self
                    .client
                    .get_item()
                    .table_name(&self.tables.register)
                    .key("person", text(key.as_str()))
                    .consistent_read(true)
                    .send()
                    .await?;
                // An item of the register is never removed.
                item = read.item.ok_or(StoreError::Unreadable("register"))?;
            }
            if let Row::Moved(_) = Row::read(item.clone())? {
                return Ok(Moved::Before);
            }
            let Some(writes) = self.writes(&item).await? else {
                return Ok(Moved::Waiting);
            };
            match transaction::commit(&self.client, writes).await {
                Ok(()) => return Ok(Moved::Now),
                Err(CommitError::Conflict(_)) => {}
                Err(CommitError::Store(error)) => return Err(error),
            }
        }
        Err(StoreError::Unavailable("races for an entry".to_owned()))
    }

    /// What moves an entry; none while the feed lacks a change of it: the feed has a person's changes in their order, and what
    /// follows stands under another key.
    async fn writes(&self, item: &Item) -> Result<Option<Vec<Write>>, StoreError> {
        let stored: Stored = item::read("register", item.clone())?;
        let (from, to) = (&stored.key, self.secrets.current().person_key(&stored.entry.identifier));
        let old = self.secrets.of(from).ok_or(StoreError::Unreadable("register"))?;
        if old.person_key(&stored.entry.identifier) != *from {
            // Of another secret of that version: whoever looked for this person would not find them here either.
            return Err(StoreError::Unreadable("register"));
        }
        if !self.changes.unfed_of(from).await?.is_empty() {
            return Ok(None);
        }
        let entry = stored.entry.under_new_key(from, self.secrets.current());
        let mut writes = vec![self.arriving(item, &entry, &to)?, self.leaving(item, from, &to)?];
        if let Some(registration) = entry.registration() {
            writes.extend(self.addresses.rekeying((from, &to), registration).await?);
        }
        Ok(Some(writes))
    }

    fn arriving(&self, item: &Item, entry: &Entry, to: &PersonKey) -> Result<Write, StoreError> {
        let mut row = item.clone();
        row.insert("person".to_owned(), text(to.as_str()));
        row.insert("entry".to_owned(), item::attribute("register", entry)?);
        if row.contains_key("remindBucket") {
            row.insert("remindBucket".to_owned(), number(remind_bucket(to)));
        }
        let put = Put::builder()
            .table_name(&self.tables.register)
            .set_item(Some(row))
            .condition_expression("attribute_not_exists(person)");
        Write::put(Part::Entry, put)
    }

    /// Leaves the word where to, if nothing is other than it was read: flags change without a new version.
    fn leaving(&self, item: &Item, from: &PersonKey, to: &PersonKey) -> Result<Write, StoreError> {
        let mut put = Put::builder()
            .table_name(&self.tables.register)
            .item("person", text(from.as_str()))
            .item(MOVED_TO, text(to.as_str()));
        let mut conditions = Vec::new();
        let version = item.get("version").ok_or(StoreError::Unreadable("register"))?;
        let same = [("version", Some(version))];
        for (at, (name, value)) in same
            .into_iter()
            .chain(BESIDES.map(|name| (name, item.get(name))))
            .enumerate()
        {
            put = put.expression_attribute_names(format!("#n{at}"), name);
            conditions.push(match value {
                None => format!("attribute_not_exists(#n{at})"),
                Some(value) => {
                    put = put.expression_attribute_values(format!(":v{at}"), value.clone());
                    format!("#n{at} = :v{at}")
                }
            });
        }
        Write::put(Part::Entry, put.condition_expression(conditions.join(" AND ")))
    }

    /// What still depends on the old secret, as of now.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn left(&self) -> Result<Left, StoreError> {
        let mut left = Left::default();
        let current = prefix(self.secrets.current().version());
        let scan = |table: &str, filter: &str| {
            self.client
                .scan()
                .table_name(table)
                .filter_expression(filter)
                .consistent_read(true)
        };
        let filter = "attribute_exists(entry) AND NOT begins_with(person, :current)";
        let entries = scan(&self.tables.register, filter)
            .expression_attribute_values(":current", text(&current))
            .select(aws_sdk_dynamodb::types::Select::Count);
        let mut pages = entries.into_paginator().send();
        while let Some(page) = pages.next().await {
            left.entries += u64::try_from(page?.count).unwrap_or_default();
        }
        let members = scan(
            &self.tables.addresses,
            "person <> :head AND NOT begins_with(person, :current)",
        )
        .expression_attribute_values(":head", text(crate::addresses::HEAD))
        .expression_attribute_values(":current", text(&current))
        .select(aws_sdk_dynamodb::types::Select::Count);
        let mut pages = members.into_paginator().send();
        while let Some(page) = pages.next().await {
            left.addresses += u64::try_from(page?.count).unwrap_or_default();
        }
        let Some(old) = self.secrets.other() else {
            return Ok(left);
        };
        let letters = self.client.scan().table_name(&self.tables.letters);
        let mut rows = letters.into_paginator().items().send();
        while let Some(row) = rows.next().await {
            let row: LetterRow = item::read("letters", row?)?;
            let announcement = &row.letter.announcement;
            if row.letter.id == LetterId::new(old, announcement.announced_by, &announcement.reference) {
                left.letters += 1;
                let until = Timestamp::from_second(row.expires_at).ok();
                left.letters_until = left.letters_until.max(until);
            }
        }
        Ok(left)
    }
}

#[derive(Deserialize)]
struct LetterRow {
    #[serde(flatten)]
    letter: Letter,
    #[serde(rename = "expiresAt")]
    expires_at: i64,
}

/// What keys of a version begin with.
fn prefix(version: KeyVersion) -> String {
    format!("v{version}#")
}

fn key_of(item: &Item) -> Result<PersonKey, StoreError> {
    match item.get("person") {
        Some(AttributeValue::S(key)) => Ok(PersonKey::from_stored(key)),
        _ => Err(StoreError::Unreadable("register")),
    }
}
