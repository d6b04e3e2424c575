//! `operate provider-leaves`: a provider leaves the market, and nobody is to be left with an address that leads into nothing.
//!
//! What happens to one person is a rule of `entry`, and one transaction: the entry on the version it was made from, its
//! history, the feed and one notice. Whoever chooses anew meanwhile has another version, and the rule is asked again. Who was moved
//! has nothing with the provider any more that the rule would change: so nobody is told twice, however often this is run.

use std::{
    collections::{BTreeMap, BTreeSet},
    num::NonZeroU32,
};

use clap::Args;
use futures_util::{StreamExt as _, stream};
use infra_aws::{
    addresses::Sharing,
    directory::Directory,
    effects,
    error::StoreError,
    notices::Notices,
    register::{Register, Stored},
    retry,
    transaction::CommitError,
};
use infra_edge::clock::Clock;
use jiff::civil::Date;
use mailbox_register::{
    contact::Channel,
    directory::Provider,
    entry::{self, Actor, Command, Entry, Leaving, Outcome, Registration, Transition},
    mailbox::{ProviderId, Standing},
};
use serde::Serialize;

use crate::{
    command::How,
    end::{End, Summary},
    pace::Pace,
    place::{Place, PlaceError},
    progress::Progress,
};

/// Persons worked on at once.
const AT_ONCE: usize = 8;

/// What is to happen.
#[derive(Debug, Clone, Args)]
pub struct Leave {
    /// Who leaves, by its id in the directory, such as e-boks.
    #[arg(long, value_name = "ID")]
    pub provider: ProviderId,
    /// The first day without it, such as 2026-12-31. The directory says so from now on: from that day it can register no mailbox,
    /// and nobody can choose it.
    #[arg(long, value_name = "DAY")]
    pub by: Date,
    /// What becomes of persons whose active mailbox is there.
    #[command(flatten)]
    pub then: Then,
    /// Persons a minute.
    #[arg(long, value_name = "PERSONS", default_value = "600")]
    pub pace: NonZeroU32,
}

/// What becomes of persons whose active mailbox is with the provider.
#[derive(Debug, Clone, Args)]
#[group(required = true, multiple = false)]
pub struct Then {
    /// This provider's mailbox becomes the active one where a person has one there. Everybody else's choice ends.
    #[arg(long, value_name = "ID")]
    pub to: Option<ProviderId>,
    /// Where a person has a mailbox with just one other provider, it becomes the active one. Everybody else's choice ends.
    #[arg(long)]
    pub to_only_other: bool,
    /// Everybody's choice ends.
    #[arg(long)]
    pub end: bool,
}

/// Why nothing can be done.
#[derive(Debug, thiserror::Error)]
pub enum LeaveError {
    /// The place.
    #[error(transparent)]
    Place(#[from] PlaceError),
    /// The store.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// There is no such provider.
    #[error("the directory has no provider {}", .0.as_str())]
    Unknown(ProviderId),
    /// Nobody can be moved to whom nobody can choose on that day.
    #[error("{} cannot be chosen itself, now or on that day", .0.as_str())]
    NotInForce(ProviderId),
}

/// What came of it. Persons are counted, and not named.
#[derive(Debug, Default, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Left {
    dry_run: bool,
    stopped: bool,
    /// Persons in the register.
    looked_at: u64,
    /// How those whom it concerns stood with the provider.
    were: BTreeMap<Standing, u64>,
    /// Those of them who refuse digital decisions: their mailboxes move all the same, for whenever they no longer do.
    reserved: u64,
    /// Whose mailbox is the active one now.
    moved: BTreeMap<ProviderId, u64>,
    /// Persons without an active mailbox now.
    ended: u64,
    /// How they are told. Whom nothing reaches cannot be.
    told: Told,
    /// Entries that cannot be read, and persons whom it failed for.
    failed: u64,
}

#[derive(Debug, Default, Serialize)]
struct Told {
    sms: u64,
    email: u64,
    unreachable: u64,
}

impl Left {
    /// Persons whom it concerned.
    fn changed(&self) -> u64 {
        self.were.values().sum()
    }

    fn count(&mut self, leaving: &ProviderId, before: &Entry, outcome: &Outcome) {
        let registration = before.registration();
        let standing = registration.and_then(|registration| registration.mailboxes.standing(leaving));
        let Some(standing) = standing else { return };
        *self.were.entry(standing).or_default() += 1;
        self.reserved += u64::from(registration.is_some_and(Registration::is_reserved));
        // Whoever only had a mailbox there has chosen another provider long since.
        if standing == Standing::Registered {
            return;
        }
        let after = outcome.entry.registration();
        match after.and_then(|registration| registration.mailboxes.active()) {
            Some(active) if standing == Standing::Active => {
                *self.moved.entry(active.provider.clone()).or_default() += 1;
            }
            Some(_) => {}
            None => self.ended += 1,
        }
        match outcome.notices.first() {
            Some((Channel::Sms, _)) => self.told.sms += 1,
            Some((Channel::Email, _)) => self.told.email += 1,
            None => self.told.unreachable += 1,
        }
    }
}

impl Summary for Left {
    fn end(&self) -> End {
        End::unless(self.stopped || self.failed > 0)
    }
}

struct Work {
    register: Register,
    notices: Notices,
    clock: Clock,
    leaving: Leaving,
    pace: Pace,
    dry_run: bool,
}

/// Does it, or only counts.
///
/// # Errors
/// [`LeaveError`]. What was done stays; run again it goes on.
pub async fn run(place: &Place, leave: &Leave, how: &How) -> Result<Left, LeaveError> {
    let now = place.clock().now();
    let directory = Directory::new(place.dynamodb(), place.value("DirectoryTable")?);
    let providers = directory.providers(now).await?;
    let known = |id: &ProviderId| {
        let known = providers.iter().find(|provider| provider.id == *id);
        known.ok_or_else(|| LeaveError::Unknown(id.clone()))
    };
    known(&leave.provider)?;
    let is_in_force = |provider: &Provider| {
        let stays = provider.validity.until.is_none_or(|until| leave.by < until);
        provider.id != leave.provider && provider.validity.holds(now) && stays
    };
    let instead: BTreeSet<_> = match &leave.then {
        Then { to: Some(to), .. } if is_in_force(known(to)?) => BTreeSet::from([to.clone()]),
        Then { to: Some(to), .. } => return Err(LeaveError::NotInForce(to.clone())),
        Then { end: true, .. } => BTreeSet::new(),
        Then { .. } => {
            let others = providers.iter().filter(|provider| is_in_force(provider));
            others.map(|provider| provider.id.clone()).collect()
        }
    };
    let work = Work {
        register: place.register()?,
        notices: Notices::new(place.dynamodb(), place.value("NoticesTable")?),
        clock: place.clock().clone(),
        leaving: Leaving {
            provider: leave.provider.clone(),
            on: leave.by,
            instead,
        },
        pace: Pace::per_minute(leave.pace),
        dry_run: how.dry_run,
    };
    if !how.dry_run {
        directory.ends(&leave.provider, leave.by).await?;
    }
    let left = work.all(how).await;
    how.progress.end();
    Ok(left?)
}

impl Work {
    async fn all(&self, how: &How) -> Result<Left, StoreError> {
        let How { stop, progress, .. } = how;
        let mut left = Left {
            dry_run: self.dry_run,
            ..Left::default()
        };
        let mut from = None;
        loop {
            let page = self.register.entries().everybody(from).await?;
            let mut concerned = Vec::new();
            for row in page.rows {
                left.looked_at += 1;
                match row {
                    Ok(stored) if self.outcome(&stored).is_some() => concerned.push(stored),
                    Ok(_) => {}
                    Err(_) => left.failed += 1,
                }
            }
            let mut done = stream::iter(concerned)
                .take_while(|_| std::future::ready(!stop.is_asked()))
                .map(async |stored| self.one(stored).await)
                .buffer_unordered(AT_ONCE);
            while let Some(done) = done.next().await {
                match done {
                    Ok(Some((before, outcome))) => left.count(&self.leaving.provider, &before, &outcome),
                    Ok(None) => {}
                    Err(_) => left.failed += 1,
                }
                self.show(&left, progress);
            }
            self.show(&left, progress);
            left.stopped = stop.is_asked();
            from = page.next;
            if from.is_none() || left.stopped {
                return Ok(left);
            }
        }
    }

    fn show(&self, left: &Left, progress: &Progress) {
        let doing = if self.dry_run { "would be moved" } else { "moved" };
        let counts = [
            ("persons looked at", left.looked_at),
            ("concerned", left.changed()),
            ("failed", left.failed),
        ];
        progress.counted(doing, &counts);
    }

    /// What the rule makes of an entry; none if nothing changes.
    fn outcome(&self, stored: &Stored) -> Option<Outcome> {
        let entry = &stored.entry;
        let command = Command::ProviderLeaves(self.leaving.clone());
        let transition = entry::apply(
            Some(entry),
            &entry.identifier,
            command,
            Actor::Operator,
            self.clock.now(),
        );
        match transition {
            Ok(Transition::Changed(outcome)) => Some(*outcome),
            Ok(Transition::Unchanged) | Err(_) => None,
        }
    }

    /// The entry before and what became of it; none if nothing.
    async fn one(&self, seen: Stored) -> Result<Option<(Entry, Outcome)>, StoreError> {
        if self.dry_run {
            return Ok(self.outcome(&seen).map(|outcome| (seen.entry, outcome)));
        }
        self.pace.turn().await;
        for race in 0..retry::MAX_RACES {
            retry::race(race).await;
            let found = self.register.entries().at(&seen.key).await?;
            let changed = found
                .stored
                .and_then(|stored| Some((self.outcome(&stored)?, stored.entry)));
            let Some((outcome, before)) = changed else {
                return Ok(None);
            };
            let (nobody_else, now) = (Sharing::default(), outcome.change.at);
            // No request causes it: an operator does.
            let writes = effects::writes(
                &self.register,
                &self.notices,
                &found.key,
                &outcome,
                &nobody_else,
                now,
                None,
            )?;
            match self.register.commit(writes).await {
                Ok(()) => return Ok(Some((before, outcome))),
                Err(CommitError::Conflict(_)) => {}
                Err(CommitError::Store(error)) => return Err(error),
            }
        }
        Err(StoreError::Unavailable("races for an entry".to_owned()))
    }
}
