//! Every minute of the day: who has not said for sixteen months that contact details are right is reminded, once.
//!
//! Who is due stands in an index, so nobody is looked for. A minute has its number of reminders: what is more waits for
//! the next, so that a register that was taken over whole does not write to everybody at nine, and codes and letters go
//! out meanwhile. At night nobody is reminded, so that the night's do not come together in the morning either.

mod settings;

use std::time::Duration;

use futures_util::{StreamExt as _, stream};
use infra_aws::{
    addresses::Sharing,
    effects,
    error::StoreError,
    notices::Notices,
    register::{Located, REMIND_BUCKETS, Register, RemindCursor},
    retry,
    transaction::CommitError,
};
use infra_edge::{
    clock::Clock,
    event::{self, UnknownEvent},
    telemetry, trace,
};
use mailbox_register::{
    entry::{self, Actor, Command, Transition},
    hours,
    person::PersonKey,
};
use serde_json::Value;
use tokio::time::Instant;

pub use settings::Settings;

/// How long a tick works: it is over before Lambda ends it, and before the next.
const TICK_TIME: Duration = Duration::from_secs(30);
/// Partitions of the index read at once, and persons worked on at once.
const AT_ONCE: usize = 8;
/// Rows of a partition in one page.
const PAGE: i32 = 100;
/// Persons after whom the time is looked at.
const TOGETHER: usize = 64;

/// What the function stands on.
#[derive(Debug)]
pub struct App {
    /// Entries and their history.
    pub register: Register,
    /// The outbox.
    pub notices: Notices,
    /// How many persons are reminded in a minute, at the most.
    pub per_minute: usize,
    /// The time.
    pub clock: Clock,
}

/// What starts the function: a minute has passed.
#[derive(Debug, Clone, Copy)]
pub struct Tick;

impl TryFrom<&Value> for Tick {
    type Error = UnknownEvent;

    fn try_from(event: &Value) -> Result<Self, Self::Error> {
        if event::is_tick(event) {
            Ok(Self)
        } else {
            Err(UnknownEvent)
        }
    }
}

/// Why a tick did not do all it should have. The next one does the rest.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{failures} persons or partitions could not be worked on, the last because: {last}")]
pub struct TickFailed {
    failures: usize,
    last: StoreError,
}

/// Reminds who is due, as many as a minute may have.
///
/// # Errors
/// [`TickFailed`].
pub async fn handle(app: &App, _tick: Tick) -> Result<(), TickFailed> {
    let result = if hours::is_decent(app.clock.now()) {
        remind_all(app).await
    } else {
        Ok(())
    };
    telemetry::flush();
    result
}

/// What became of one who was due.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Reminded {
    Now,
    /// Another tick was first, or the person has said meanwhile that the details are right.
    NoLonger,
}

async fn remind_all(app: &App) -> Result<(), TickFailed> {
    let until = Instant::now() + TICK_TIME;
    let mut left = app.per_minute;
    let mut oldest = 0.0_f64;
    let mut errors = Vec::new();
    let mut open: Vec<(u8, Option<RemindCursor>)> = (0..REMIND_BUCKETS).map(|bucket| (bucket, None)).collect();
    while !open.is_empty() && left > 0 && Instant::now() < until {
        let now = app.clock.now();
        let page = async |(bucket, after)| {
            (
                bucket,
                app.register.entries().due_reminders(bucket, now, PAGE, after).await,
            )
        };
        let pages: Vec<_> = stream::iter(open).map(page).buffered(AT_ONCE).collect().await;
        open = Vec::new();
        let mut due = Vec::new();
        for (bucket, page) in pages {
            match page {
                Ok(page) => {
                    open.extend(page.next.map(|next| (bucket, Some(next))));
                    for row in page.rows {
                        row.map_or_else(|error| errors.push(error), |row| due.push(row));
                    }
                }
                Err(error) => errors.push(error),
            }
        }
        // Where there are more than a minute may have, those go first who have waited longest.
        due.sort_unstable_by_key(|row| row.at);
        if let Some(first) = due.first() {
            oldest = oldest.max(now.duration_since(first.at).as_secs_f64());
        }
        let mut due = due.into_iter();
        while left > 0
            && Instant::now() < until
            && let some = due.by_ref().take(left.min(TOGETHER)).collect::<Vec<_>>()
            && !some.is_empty()
        {
            let reminded = stream::iter(some).map(async |row| remind(app, &row.person).await);
            for result in reminded.buffer_unordered(AT_ONCE).collect::<Vec<_>>().await {
                match result {
                    Ok(Reminded::Now) => left -= 1,
                    Ok(Reminded::NoLonger) => {}
                    Err(error) => errors.push(error),
                }
            }
        }
    }
    metrics::counter!("Reminders").increment(u64::try_from(app.per_minute - left).unwrap_or(u64::MAX));
    metrics::histogram!("OldestReminderSeconds").record(oldest);
    errors.last().map_or(Ok(()), |last| {
        Err(TickFailed {
            failures: errors.len(),
            last: last.clone(),
        })
    })
}

/// Reminds one person: entry, change and notice are stored together, or not at all.
async fn remind(app: &App, person: &PersonKey) -> Result<Reminded, StoreError> {
    for race in 0..retry::MAX_RACES {
        retry::race(race).await;
        let now = app.clock.now();
        let Located { key, stored } = app.register.entries().at(person).await?;
        let Some(stored) = stored else {
            return Ok(Reminded::NoLonger);
        };
        let identifier = &stored.entry.identifier;
        let command = Command::RemindOfFreshness;
        let transition = entry::apply(Some(&stored.entry), identifier, command, Actor::Register, now);
        let Ok(Transition::Changed(outcome)) = transition else {
            app.register.correct_reminder(&stored, now).await?;
            return Ok(Reminded::NoLonger);
        };
        let (sharing, trace) = (Sharing::default(), trace::current());
        let writes = effects::writes(&app.register, &app.notices, &key, &outcome, &sharing, now, trace)?;
        match app.register.commit(writes).await {
            Ok(()) => return Ok(Reminded::Now),
            Err(CommitError::Conflict(_)) => {}
            Err(CommitError::Store(error)) => return Err(error),
        }
    }
    Err(StoreError::Unavailable("races for an entry".to_owned()))
}
