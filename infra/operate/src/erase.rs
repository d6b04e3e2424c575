//! `operate erase`: a person is erased by order.
//!
//! First the entry, by the rule and in one transaction; then, table by table, what else there is of the person, under the current
//! identity number and former ones. Whole tables are read for it: no index says whose a notice is.

use std::{
    collections::BTreeMap,
    io::{self, BufRead as _},
};

use clap::Args;
use infra_aws::{
    addresses::Addresses,
    error::StoreError,
    register::{Register, Stored},
    retry,
    sweeping::{Known, Sweep},
    transaction::CommitError,
};
use infra_edge::clock::Clock;
use mailbox_register::{
    contact::Channel,
    entry::{self, Actor, Command, Transition},
    person::{PersonIdentifier, PersonKey},
};
use serde::Serialize;

use crate::{
    command::How,
    end::{End, Summary},
    place::{Place, PlaceError},
};

/// Who is to be erased.
#[derive(Debug, Clone, Args)]
pub struct Erasing {
    /// The identity number comes by standard input, one line: an argument would stand in the shell's history and the list of
    /// processes.
    #[arg(long, required = true)]
    pub person_from_stdin: bool,
}

/// Why nothing can be done.
#[derive(Debug, thiserror::Error)]
pub enum EraseError {
    /// The place.
    #[error(transparent)]
    Place(#[from] PlaceError),
    /// The store.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// Standard input.
    #[error("standard input: {0}")]
    Input(#[from] io::Error),
    /// The line is no identity number of this register's population. It is not shown.
    #[error("what came by standard input is no identity number of this register")]
    NotAPerson,
}

/// What came of it.
#[derive(Debug, Default, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Erased {
    dry_run: bool,
    stopped: bool,
    /// Identity numbers under which there was something: the current one, and former ones.
    entries: u64,
    /// Those of them that were not erased before.
    anew: u64,
    /// Rows that were found, table by table, and went.
    rows: BTreeMap<&'static str, u64>,
    /// Rows of the history that the change feed lacks: they go when this is run again in some minutes.
    waiting: u64,
}

impl Summary for Erased {
    fn end(&self) -> End {
        End::unless(self.stopped || self.waiting > 0)
    }
}

/// Reads the identity number.
///
/// # Errors
/// [`EraseError`].
pub fn from_stdin(place: &Place) -> Result<PersonIdentifier, EraseError> {
    let mut line = String::new();
    io::stdin().lock().read_line(&mut line)?;
    PersonIdentifier::parse(line.trim(), place.population()?).map_err(|_| EraseError::NotAPerson)
}

struct Work<'a> {
    register: Register,
    addresses: Addresses,
    clock: Clock,
    how: &'a How,
}

/// Tables with rows about a person, besides the entry and its history.
const TABLES: [(&str, &[&str]); 5] = [
    ("CodesTable", &["person", "channel"]),
    ("NoticesTable", &["id"]),
    ("LettersTable", &["id"]),
    ("RelationsTable", &["relation"]),
    ("RequestsTable", &["request"]),
];

/// Does it, or only counts.
///
/// # Errors
/// [`EraseError`]. What was erased is; run again it goes on.
pub async fn run(place: &Place, person: &PersonIdentifier, how: &How) -> Result<Erased, EraseError> {
    let work = Work {
        register: place.register()?,
        addresses: place.addresses().await?,
        clock: place.clock().clone(),
        how,
    };
    let secrets = place.secrets().await?;
    let current = work.register.entries().current_of(person, &secrets).await?;
    let texts = current.stored.as_ref().map(personal).unwrap_or_default();
    let mut keys: Vec<_> = std::iter::once(current.key)
        .chain(secrets.keys(person).each().cloned())
        .collect();
    let mut entries = Vec::new();
    // Each may lead to more: former identity numbers, and each one's keys under earlier secrets.
    let mut at = 0;
    while let Some(key) = keys.get(at).cloned() {
        at += 1;
        let found = work.register.entries().at(&key).await?;
        let known = found.stored.iter().flat_map(|stored| &stored.entry.predecessors);
        let own = found.stored.iter().flat_map(|stored| &stored.entry.earlier_keys);
        for key in std::iter::once(&found.key).chain(own).chain(known) {
            if !keys.contains(key) {
                keys.push(key.clone());
            }
        }
        if found.stored.is_some() && !entries.contains(&found.key) {
            entries.push(found.key);
        }
    }
    let mut erased = Erased {
        dry_run: how.dry_run,
        ..Erased::default()
    };
    for key in &entries {
        work.entry(key, &mut erased).await?;
    }
    for (table, key) in TABLES {
        let sweep = Sweep::new(place.dynamodb(), place.value(table)?, key);
        let known = match table {
            "RelationsTable" => Known::Named("relation", &keys),
            // Whose a stored answer is only what it holds can tell. All of them go within a day.
            "RequestsTable" => Known::Holds(&texts),
            _ => Known::Person(&keys),
        };
        let found = work.sweep(table, &sweep, known).await?;
        erased.rows.insert(table, found);
    }
    how.progress.end();
    erased.stopped = how.stop.is_asked();
    Ok(erased)
}

/// What an entry holds that says who it is.
fn personal(stored: &Stored) -> Vec<String> {
    let Some(registration) = stored.entry.registration() else {
        return Vec::new();
    };
    let addresses = Channel::ALL
        .into_iter()
        .filter_map(|channel| registration.address(channel));
    let addresses = addresses.map(|address| address.as_str().to_owned());
    let mailboxes = registration.mailboxes.registered();
    addresses
        .chain(mailboxes.map(|mailbox| mailbox.address.as_str().to_owned()))
        .collect()
}

impl Work<'_> {
    /// The entry, and its history but for the last word.
    async fn entry(&self, key: &PersonKey, erased: &mut Erased) -> Result<(), StoreError> {
        for race in 0..retry::MAX_RACES {
            retry::race(race).await;
            let Some(stored) = self.register.entries().at(key).await?.stored else {
                return Ok(());
            };
            let person = &stored.key;
            let (entry, now) = (&stored.entry, self.clock.now());
            let transition = entry::apply(Some(entry), &entry.identifier, Command::Erase, Actor::Operator, now);
            let outcome = match transition {
                Ok(Transition::Changed(outcome)) => Some(outcome),
                Ok(Transition::Unchanged) | Err(_) => None,
            };
            let mut last = entry.version;
            if let Some(outcome) = &outcome
                && !self.how.dry_run
            {
                let (before, after) = (entry.registration(), outcome.entry.registration());
                let sharing = self.addresses.sharing(person, before, after).await?;
                let mut writes: Vec<_> = sharing.writes().collect();
                writes.extend(self.register.writes(person, outcome, &sharing)?);
                match self.register.commit(writes).await {
                    Ok(()) => last = outcome.entry.version,
                    Err(CommitError::Conflict(_)) => continue,
                    Err(CommitError::Store(error)) => return Err(error),
                }
            }
            erased.entries += 1;
            erased.anew += u64::from(outcome.is_some());
            let upto = if self.how.dry_run && outcome.is_some() {
                last
            } else {
                last - 1
            };
            // Versions go on from one key of the identifier to the next.
            for key in stored.own_keys() {
                let (forgotten, waiting) = self.register.changes().forget(&key, upto, self.how.dry_run).await?;
                *erased.rows.entry("ChangesTable").or_default() += forgotten;
                erased.waiting += waiting;
            }
            return Ok(());
        }
        Err(StoreError::Unavailable("races for an entry".to_owned()))
    }

    async fn sweep(&self, name: &str, table: &Sweep, known: Known<'_>) -> Result<u64, StoreError> {
        let (mut read, mut found, mut from) = (0, 0, None);
        while !self.how.stop.is_asked() {
            let page = table.page(known, from).await?;
            read += page.read;
            for row in page.rows {
                match known {
                    _ if self.how.dry_run => {}
                    Known::Holds(_) => table.empty_answer(&row).await?,
                    _ => table.delete(&row).await?,
                }
                found += 1;
            }
            self.how
                .progress
                .counted(name, &[("rows read", read), ("of the person", found)]);
            from = page.next;
            if from.is_none() {
                break;
            }
        }
        Ok(found)
    }
}
