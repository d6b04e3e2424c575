//! How many persons each organisation asked for: one item for an organisation and a day, which all workers add to.
//!
//! Counting never stands in anybody's way: a store that fails is left alone, and the worker goes by what it knows.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use aws_sdk_dynamodb::{Client, types::ReturnValue};
use jiff::{SignedDuration, Timestamp};
use mailbox_register::{
    contact::norwegian_time,
    organisation::OrganisationNumber,
    usage::{Ask, Counts, Limits, Quotas, Refusal, Tally, Window, Windows},
};

use crate::{
    error::StoreError,
    item::{Item, number, text},
};

/// Organisations known at a time: more than ever call one instance, and a bound on its memory.
const MAX_ORGANISATIONS: usize = 1000;
/// A day's counts are of no use once it is over.
const KEPT_FOR: SignedDuration = SignedDuration::from_hours(48);
/// Nobody waits longer to be counted.
const PATIENCE: Duration = Duration::from_secs(1);
/// Counts of earlier windows that one call takes away.
const MAX_STALE: usize = 50;

/// The table `usage`.
#[derive(Debug, Clone)]
pub struct Usage {
    client: Client,
    table: String,
    known: Arc<Mutex<HashMap<OrganisationNumber, Shared>>>,
}

type Shared = Arc<tokio::sync::Mutex<Known>>;

/// What this worker knows of an organisation.
#[derive(Debug)]
struct Known {
    tally: Tally,
    /// Counts of earlier windows in the day's item.
    stale: Vec<String>,
}

/// Whether something may be asked for, and whether all workers will know of it.
#[derive(Debug)]
pub struct Asked {
    /// What is left, or why not.
    pub verdict: Result<Quotas, Refusal>,
    /// Why other workers do not know of it. The verdict then holds by what this one counted.
    pub uncounted: Option<StoreError>,
}

impl Usage {
    /// Counts in `table`.
    pub fn new(client: Client, table: String) -> Self {
        Self {
            client,
            table,
            known: Arc::default(),
        }
    }

    /// Whether an organisation may ask for something, which is counted then.
    pub async fn ask(&self, organisation: OrganisationNumber, limits: &Limits, ask: Ask, now: Timestamp) -> Asked {
        let known = self.known(organisation, now);
        let mut known = known.lock().await;
        let known = &mut *known;
        known.tally.at(now);
        let mut uncounted = None;

        let mut verdict = known.tally.judge(limits, ask, now);
        if verdict.is_err() {
            // Nobody is refused by what was true a while ago.
            if !known.tally.is_old(now) {
                return Asked { verdict, uncounted };
            }
            uncounted = self.look(organisation, known, now).await.err();
            verdict = known.tally.judge(limits, ask, now);
            if verdict.is_err() {
                return Asked { verdict, uncounted };
            }
        }
        known.tally.count_ask(ask);
        if known.tally.is_due(now) {
            uncounted = self.tell(organisation, known, now).await.err();
            // Nothing new was learned from a store that failed, and what it may never have counted is not taken back.
            if uncounted.is_none() {
                known.tally.discount(ask);
                verdict = known.tally.judge(limits, ask, now);
                if verdict.is_ok() {
                    known.tally.count_ask(ask);
                } else {
                    // Others were faster: what was counted for this is given back.
                    uncounted = self.tell(organisation, known, now).await.err();
                }
            }
        }
        Asked { verdict, uncounted }
    }

    /// Counts persons who were asked for and are not in the register.
    ///
    /// # Errors
    /// [`StoreError`]: other workers do not know of it.
    pub async fn missed(
        &self,
        organisation: OrganisationNumber,
        persons: u32,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        if persons == 0 {
            return Ok(());
        }
        let known = self.known(organisation, now);
        let mut known = known.lock().await;
        let known = &mut *known;
        known.tally.at(now);
        known.tally.count(Counts {
            missed: persons.into(),
            ..Counts::default()
        });
        if known.tally.is_due(now) {
            self.tell(organisation, known, now).await?;
        }
        Ok(())
    }

    fn known(&self, organisation: OrganisationNumber, now: Timestamp) -> Shared {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        if known.len() >= MAX_ORGANISATIONS && !known.contains_key(&organisation) {
            known.clear();
        }
        let new = || {
            Arc::new(tokio::sync::Mutex::new(Known {
                tally: Tally::new(now),
                stale: Vec::new(),
            }))
        };
        Arc::clone(known.entry(organisation).or_insert_with(new))
    }

    /// Reads what all workers counted.
    async fn look(
        &self,
        organisation: OrganisationNumber,
        known: &mut Known,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        let windows = known.tally.at(now);
        let read = self
            .client
            .get_item()
            .table_name(&self.table)
            .key("organisation", text(organisation.to_string()))
            .key("day", text(day(&windows)))
            .consistent_read(true)
            .send();
        let answer = in_time(read).await.map(|found| found.item.unwrap_or_default());
        known.learn(answer, &windows, now)
    }

    /// Adds what this worker counted to what all counted, and learns that.
    async fn tell(
        &self,
        organisation: OrganisationNumber,
        known: &mut Known,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        let windows = known.tally.at(now);
        let counts = known.tally.tell();
        let names = Names::of(&windows);
        let expires = windows.day.until.checked_add(KEPT_FOR).unwrap_or(Timestamp::MAX);
        let mut call = self
            .client
            .update_item()
            .table_name(&self.table)
            .key("organisation", text(organisation.to_string()))
            .key("day", text(day(&windows)))
            .expression_attribute_names("#lookups", LOOKUPS)
            .expression_attribute_names("#minute", names.minute)
            .expression_attribute_names("#asked", names.asked)
            .expression_attribute_names("#missed", names.missed)
            .expression_attribute_values(":day", number(counts.day))
            .expression_attribute_values(":minute", number(counts.minute))
            .expression_attribute_values(":asked", number(counts.asked))
            .expression_attribute_values(":missed", number(counts.missed))
            .expression_attribute_values(":expires", number(expires.as_second()))
            .return_values(ReturnValue::AllNew);
        let mut stale = Vec::new();
        for (at, name) in known.stale.drain(..).enumerate() {
            stale.push(format!("#stale{at}"));
            call = call.expression_attribute_names(format!("#stale{at}"), name);
        }
        let add = "ADD #lookups :day, #minute :minute, #asked :asked, #missed :missed SET expiresAt = :expires";
        let update = if stale.is_empty() {
            add.to_owned()
        } else {
            format!("{add} REMOVE {}", stale.join(", "))
        };
        let answer = in_time(call.update_expression(update).send()).await;
        known.learn(answer.map(|done| done.attributes.unwrap_or_default()), &windows, now)
    }
}

impl Known {
    fn learn(&mut self, answer: Result<Item, StoreError>, windows: &Windows, now: Timestamp) -> Result<(), StoreError> {
        match answer {
            Ok(item) => {
                self.stale = stale(&item, windows);
                self.tally.learn(counts(&item, windows), now);
                Ok(())
            }
            Err(error) => {
                self.tally.go_on_alone(now);
                Err(error)
            }
        }
    }
}

/// How many persons were looked up in the day.
const LOOKUPS: &str = "lookups";

/// Under which names the counts of the open minute and hour stand in the day's item.
struct Names {
    minute: String,
    asked: String,
    missed: String,
}

impl Names {
    fn of(windows: &Windows) -> Self {
        Self {
            minute: format!("minute#{}", windows.minute.from),
            asked: format!("asked#{}", windows.hour.from),
            missed: format!("missed#{}", windows.hour.from),
        }
    }
}

fn day(windows: &Windows) -> String {
    windows.day.from.to_zoned(norwegian_time()).date().to_string()
}

fn counts(item: &Item, windows: &Windows) -> Counts {
    let names = Names::of(windows);
    let count = |name: &str| {
        let found = item.get(name).and_then(|value| value.as_n().ok());
        found.and_then(|digits| digits.parse().ok()).unwrap_or_default()
    };
    Counts {
        minute: count(&names.minute),
        day: count(LOOKUPS),
        asked: count(&names.asked),
        missed: count(&names.missed),
    }
}

/// Counts that no worker needs any more, though its clock may be a little slow.
fn stale(item: &Item, windows: &Windows) -> Vec<String> {
    let before = |window: Window| Windows::at(window.from - SignedDuration::from_millis(1));
    let kept = Names {
        minute: Names::of(&before(windows.minute)).minute,
        ..Names::of(&before(windows.hour))
    };
    let is_stale = |name: &&String| {
        // Moments sort as they follow each other.
        [
            ("minute#", &kept.minute),
            ("asked#", &kept.asked),
            ("missed#", &kept.missed),
        ]
        .iter()
        .any(|(kind, kept)| name.starts_with(kind) && name < kept)
    };
    item.keys().filter(is_stale).take(MAX_STALE).cloned().collect()
}

async fn in_time<T, E>(call: impl Future<Output = Result<T, E>>) -> Result<T, StoreError>
where
    StoreError: From<E>,
{
    match tokio::time::timeout(PATIENCE, call).await {
        Ok(answer) => Ok(answer?),
        Err(_) => Err(StoreError::Unavailable("patience".to_owned())),
    }
}
