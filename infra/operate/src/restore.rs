//! `operate restore`: entries are put back from a table that was restored to an earlier moment.
//!
//! The restored table stands beside the stack's own, which keeps its streams, indexes and rights. Each person is one
//! transaction, as everything that happens to an entry is: so the stack goes on meanwhile, what people do meanwhile counts, and
//! a run that was stopped goes on where it was. The history, which is never restored, says what was deleted since.

mod there;

use std::{collections::BTreeSet, num::NonZeroU32, time::Duration};

use clap::Args;
use futures_util::{StreamExt as _, stream};
use infra_aws::{
    addresses::Addresses,
    error::StoreError,
    letters::Letters,
    notices::Notices,
    outbox::Outbox,
    register::{Entries, Register, Stored},
    retry,
    sweeping::{Known, Row, Sweep},
    transaction::CommitError,
};
use infra_edge::clock::Clock;
use jiff::Timestamp;
use mailbox_register::{
    entry::{self, DeletionReason, Entry, Since, Status},
    notice::State,
    person::{PersonKey, PersonKeys},
    secret::Secrets,
};
use serde::Serialize;
use tokio::time::Instant;

use self::there::There;
use crate::{
    command::How,
    end::{End, Summary},
    pace::Pace,
    place::{Place, PlaceError},
};

/// Persons worked on at once.
const AT_ONCE: usize = 16;
/// How long what DynamoDB left unread is asked for again.
const PATIENCE: Duration = Duration::from_mins(1);

/// What is to be put back.
#[derive(Debug, Clone, Args)]
pub struct Restoring {
    /// The moment that the tables were restored to, such as 2026-11-22T16:00:00Z.
    #[arg(long, value_name = "MOMENT")]
    pub as_of: Timestamp,
    /// Name of the table that the stack's `RegisterTable` was restored to.
    #[arg(long, value_name = "TABLE")]
    pub register: String,
    /// Puts back everybody whose entry is another now, and so undoes what people did since. Without it: only entries that are
    /// lost or cannot be read.
    #[arg(long)]
    pub everybody: bool,
    /// Name of the table that `NoticesTable` was restored to, where notices were lost as well.
    #[arg(long, value_name = "TABLE", requires = "lost_at")]
    pub notices: Option<String>,
    /// Name of the table that `LettersTable` was restored to, where letters were lost as well.
    #[arg(long, value_name = "TABLE")]
    pub letters: Option<String>,
    /// When notices were lost: what was due by then may have been sent, and is not sent again.
    #[arg(long, value_name = "MOMENT")]
    pub lost_at: Option<Timestamp>,
    /// Persons a minute.
    #[arg(long, value_name = "PERSONS", default_value = "6000")]
    pub pace: NonZeroU32,
}

/// Why nothing can be done.
#[derive(Debug, thiserror::Error)]
pub enum RestoreError {
    /// The place.
    #[error(transparent)]
    Place(#[from] PlaceError),
    /// The store.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The moment has not come.
    #[error("{0} lies ahead")]
    Ahead(Timestamp),
}

/// What came of it. Persons are counted, and not named.
#[derive(Debug, Default, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Restored {
    dry_run: bool,
    stopped: bool,
    /// Entries of the restored table.
    looked_at: u64,
    /// Put back as they were.
    put_back: u64,
    /// Put back as deleted: they were deleted or erased since.
    put_back_deleted: u64,
    /// Left as they are.
    left_alone: u64,
    /// Of those put back: whose identity number was replaced since. Have the population register tell again.
    replaced_since: u64,
    /// Who came in since, of whom nothing is left: they have to come in again.
    came_in_since: u64,
    /// Keys of earlier secrets under which it is said again where the entry stands.
    earlier_keys: u64,
    /// Places among those who share an address that belonged to what is lost.
    vacated: u64,
    /// Letters put back.
    letters: u64,
    /// Notices put back.
    notices: Notified,
    /// What failed, or waits for the change feed.
    failed: u64,
}

#[derive(Debug, Default, Serialize)]
#[serde(rename_all = "camelCase")]
struct Notified {
    /// They still go out at their time.
    waiting: u64,
    /// They may have been sent, and are not sent again.
    unknown: u64,
    /// They had come to their end.
    ended: u64,
}

impl Summary for Restored {
    fn end(&self) -> End {
        End::unless(self.stopped || self.failed > 0)
    }
}

struct Work<'a> {
    register: Register,
    then: Entries,
    addresses: Addresses,
    secrets: Secrets,
    clock: Clock,
    restoring: &'a Restoring,
    pace: Pace,
    how: &'a How,
}

/// What becomes of one person's entry.
enum Became {
    PutBack { deleted: bool, replaced: bool },
    LeftAlone,
}

/// Does it, or only counts.
///
/// # Errors
/// [`RestoreError`]. What was done stays; run again it goes on.
pub async fn run(place: &Place, restoring: &Restoring, how: &How) -> Result<Restored, RestoreError> {
    let now = place.clock().now();
    for moment in [Some(restoring.as_of), restoring.lost_at].into_iter().flatten() {
        if moment > now {
            return Err(RestoreError::Ahead(moment));
        }
    }
    let work = Work {
        register: place.register()?,
        then: Entries::new(place.dynamodb(), restoring.register.clone()),
        addresses: place.addresses().await?,
        secrets: place.secrets().await?,
        clock: place.clock().clone(),
        restoring,
        pace: Pace::per_minute(restoring.pace),
        how,
    };
    let mut restored = Restored {
        dry_run: how.dry_run,
        ..Restored::default()
    };
    let table = |table: &str| Sweep::new(place.dynamodb(), table.to_owned(), &["id"]);
    let done = async {
        work.entries(&mut restored).await?;
        work.came_in_since(&mut restored).await?;
        if !how.dry_run {
            let places = Sweep::new(place.dynamodb(), place.value("AddressesTable")?, &["address", "person"]);
            work.vacate(&places, &mut restored).await?;
        }
        if let Some(letters) = &restoring.letters {
            let there = table(&place.value("LettersTable")?);
            work.letters(&table(letters), &there, &mut restored).await?;
        }
        if let (Some(notices), Some(lost_at)) = (&restoring.notices, restoring.lost_at) {
            let there = Outbox {
                notices: Notices::new(place.dynamodb(), place.value("NoticesTable")?),
                letters: Letters::new(place.dynamodb(), place.value("LettersTable")?),
            };
            work.notices(&table(notices), &there, lost_at, &mut restored).await?;
        }
        Ok::<_, RestoreError>(())
    };
    let done = done.await;
    how.progress.end();
    done?;
    restored.stopped = how.stop.is_asked();
    Ok(restored)
}

impl Work<'_> {
    async fn entries(&self, restored: &mut Restored) -> Result<(), StoreError> {
        let mut from = None;
        loop {
            let page = self.then.everybody(from).await?;
            let mut done = stream::iter(page.rows)
                .take_while(|_| std::future::ready(!self.how.stop.is_asked()))
                .map(async |then| self.one(&then?).await)
                .buffer_unordered(AT_ONCE);
            while let Some(done) = done.next().await {
                restored.looked_at += 1;
                match done {
                    Ok(Became::LeftAlone) => restored.left_alone += 1,
                    Ok(Became::PutBack { deleted, replaced }) => {
                        restored.put_back += u64::from(!deleted);
                        restored.put_back_deleted += u64::from(deleted);
                        restored.replaced_since += u64::from(replaced);
                    }
                    Err(_) => restored.failed += 1,
                }
                self.show(restored);
            }
            self.moved(page.moved, restored).await?;
            from = page.next;
            if from.is_none() || self.how.stop.is_asked() {
                return Ok(());
            }
        }
    }

    async fn one(&self, then: &Stored) -> Result<Became, StoreError> {
        for race in 0..retry::MAX_RACES {
            retry::race(race).await;
            let There { key, entry, version } = there::find(self.register.entries(), &self.secrets, then).await?;
            // What is deleted stays so, and what is only of another time stays unless it is to be undone.
            let is_left = |there: &Entry| !self.restoring.everybody || there.registration().is_none();
            if entry.as_ref().is_some_and(is_left) {
                return Ok(Became::LeftAlone);
            }
            let keys = self.secrets.keys(&then.entry.identifier);
            let then = there::under(then, &key, &keys);
            let since = self.since(&then, &key, entry.as_ref(), &keys).await?;
            let now = self.clock.now();
            let restored = entry::restore(entry.as_ref(), &then, &since, self.restoring.as_of, now);
            let Some(outcome) = restored else {
                return Ok(Became::LeftAlone);
            };
            let became = Became::PutBack {
                deleted: outcome.entry.registration().is_none(),
                replaced: since
                    .iter()
                    .any(|since| since.reason == Some(DeletionReason::IdentifierReplaced)),
            };
            if self.how.dry_run {
                return Ok(became);
            }
            self.pace.turn().await;
            let after = outcome.entry.registration();
            let sharing = if let Some(there) = &entry {
                self.addresses.sharing(&key, there.registration(), after).await?
            } else {
                let also = keys.each().find(|other| **other != key).unwrap_or(&key);
                self.addresses.putting_back([&key, also], after).await?
            };
            let mut writes: Vec<_> = sharing.writes().collect();
            writes.extend(self.register.writes_on(version, &key, &outcome, &sharing)?);
            match self.register.commit(writes).await {
                Ok(()) => return Ok(became),
                Err(CommitError::Conflict(_)) => {}
                Err(CommitError::Store(error)) => return Err(error),
            }
        }
        Err(StoreError::Unavailable("races for an entry".to_owned()))
    }

    /// What happened since, whichever key the person had then.
    async fn since(
        &self,
        then: &Entry,
        key: &PersonKey,
        there: Option<&Entry>,
        keys: &PersonKeys,
    ) -> Result<Vec<Since>, StoreError> {
        let earlier = there.unwrap_or(then).own_keys(key);
        let all: BTreeSet<_> = earlier.chain(&then.earlier_keys).chain(keys.each()).collect();
        let mut since = Vec::new();
        for key in all {
            since.extend(self.register.changes().since(key, then.version).await?);
        }
        since.sort_by_key(|since| since.change.version);
        Ok(since)
    }

    /// Where an entry had moved to is said again, if nothing is there.
    async fn moved(&self, moved: Vec<(PersonKey, PersonKey)>, restored: &mut Restored) -> Result<(), StoreError> {
        for (from, to) in moved {
            let (key, version) = self.register.entries().version(&from).await?;
            if key == from && version.is_none() {
                let is_put = self.how.dry_run || self.register.entries().put_moved(&from, &to).await?;
                restored.earlier_keys += u64::from(is_put);
            }
        }
        Ok(())
    }

    /// Of whom nothing but a history is left could not come in again: a history begins once.
    async fn came_in_since(&self, restored: &mut Restored) -> Result<(), StoreError> {
        let changes = self.register.changes();
        let mut from = None;
        while !self.how.stop.is_asked() {
            let page = changes.began_since(self.restoring.as_of, from).await?;
            for person in page.persons {
                let (_, there) = self.register.entries().version(&person).await?;
                let (_, then) = self.then.version(&person).await?;
                if there.is_some() || then.is_some() {
                    continue;
                }
                let (_, waiting) = changes.forget(&person, u64::MAX, self.how.dry_run).await?;
                restored.came_in_since += 1;
                restored.failed += u64::from(waiting > 0);
                self.show(restored);
            }
            from = page.next;
            if from.is_none() {
                break;
            }
        }
        Ok(())
    }

    /// Whoever stands at an address that no entry has could not take it again, and shares it with whoever has it.
    async fn vacate(&self, places: &Sweep, restored: &mut Restored) -> Result<(), StoreError> {
        let mut from = None;
        while !self.how.stop.is_asked() {
            let page = places.page(Known::There, from).await?;
            let place = |row: &Row| Some((row.text("address")?.to_owned(), row.person()?));
            // The head of an address is nobody.
            let rows = page.rows.iter().filter(|row| row.text("person") != Some("#"));
            let taken: Vec<_> = rows.filter_map(place).collect();
            let persons: Vec<_> = taken.iter().map(|(_, person)| person.clone()).collect();
            let deadline = Instant::now() + PATIENCE;
            let entries = self.register.entries().many_as_of_now(&persons, deadline).await?;
            for (address, person) in taken {
                // Whoever was moved stands there under the new key.
                let stored = entries.get(&person).filter(|stored| stored.key == person);
                let registration = stored.and_then(|stored| stored.entry.registration());
                if self.addresses.is_of(&person, registration, &address)? {
                    continue;
                }
                let sharing = self
                    .addresses
                    .vacating(self.register.entries(), &address, &person)
                    .await?;
                let writes = sharing.writes().chain(self.register.flags(&sharing)?).collect();
                match self.register.commit(writes).await {
                    Ok(()) => restored.vacated += 1,
                    // Somebody is at that address just now: the next run sees to it.
                    Err(CommitError::Conflict(_)) => restored.failed += 1,
                    Err(CommitError::Store(error)) => return Err(error),
                }
                self.show(restored);
            }
            from = page.next;
            if from.is_none() {
                break;
            }
        }
        Ok(())
    }

    async fn letters(&self, then: &Sweep, there: &Sweep, restored: &mut Restored) -> Result<(), StoreError> {
        let mut from = None;
        while !self.how.stop.is_asked() {
            let page = then.page(Known::There, from).await?;
            for row in page.rows {
                if !self.is_erased(&row).await? && (self.how.dry_run || there.put_back(&row).await?) {
                    restored.letters += 1;
                }
                self.show(restored);
            }
            from = page.next;
            if from.is_none() {
                break;
            }
        }
        Ok(())
    }

    async fn notices(
        &self,
        then: &Sweep,
        there: &Outbox,
        lost_at: Timestamp,
        restored: &mut Restored,
    ) -> Result<(), StoreError> {
        let mut from = None;
        while !self.how.stop.is_asked() {
            let page = then.page(Known::There, from).await?;
            for row in page.rows {
                if self.is_erased(&row).await? {
                    continue;
                }
                let then = row.notice()?;
                let notice = then.put_back(lost_at);
                let is_back = if self.how.dry_run {
                    there.notices.get(notice.id).await?.is_none()
                } else {
                    there.put_back(&then, &notice, self.clock.now()).await?
                };
                if is_back {
                    let counted = match notice.state {
                        State::Waiting { .. } => &mut restored.notices.waiting,
                        State::Unknown { .. } => &mut restored.notices.unknown,
                        _ => &mut restored.notices.ended,
                    };
                    *counted += 1;
                }
                self.show(restored);
            }
            from = page.next;
            if from.is_none() {
                break;
            }
        }
        Ok(())
    }

    /// Whether it is about somebody who was erased.
    async fn is_erased(&self, row: &Row) -> Result<bool, StoreError> {
        let Some(person) = row.person() else { return Ok(false) };
        let found = self.register.entries().at(&person).await?;
        let erased = |entry: &Entry| matches!(&entry.status, Status::Deleted(gone) if gone.erased_at.is_some());
        Ok(found.entry().is_some_and(erased))
    }

    fn show(&self, restored: &Restored) {
        let counts = [
            ("entries looked at", restored.looked_at),
            ("put back", restored.put_back + restored.put_back_deleted),
            ("letters", restored.letters),
            (
                "notices",
                restored.notices.waiting + restored.notices.unknown + restored.notices.ended,
            ),
            ("failed", restored.failed),
        ];
        self.how.progress.counted("restoring", &counts);
    }
}
