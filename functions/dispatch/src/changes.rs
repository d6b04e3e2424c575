//! What happened to entries goes into the change feed, which gives each change the next number.
//!
//! A change says itself whether it stands in the feed, so it does not matter how often, or by how many at once, it is
//! looked at: each gets one number, and those of a person get theirs in order.

use std::{collections::VecDeque, time::Duration};

use futures_util::{StreamExt as _, stream};
use infra_aws::{
    changes::{FEED, FeedEntry, UNFED_BUCKETS},
    error::StoreError,
    retry,
    transaction::CommitError,
};
use jiff::SignedDuration;
use mailbox_register::person::PersonKey;

use crate::{App, MOST_WRITES};

/// Changes that get their numbers by one transaction: each brings a write, and the feed two.
const TOGETHER: usize = MOST_WRITES - 2;
/// Tries to write the feed's next entries while others do.
const MAX_RACES: u32 = 20;
/// Persons read at once.
const AT_ONCE: usize = 8;
/// The stream comes within seconds; what has waited longer the tick sees to.
const STREAM_TIME: SignedDuration = SignedDuration::from_secs(30);
/// Changes of one bucket in one tick.
const PAGE: i32 = 200;

/// Brings the feed up to date with what happened to persons. Gives those that this failed for.
pub(crate) async fn feed(app: &App, persons: Vec<PersonKey>) -> Vec<(PersonKey, StoreError)> {
    let mut waiting = VecDeque::from(persons);
    let mut failed = Vec::new();
    let mut races = 0;
    while !waiting.is_empty() {
        let some: Vec<_> = waiting.drain(..waiting.len().min(TOGETHER)).collect();
        match feed_some(app, &some, &mut failed).await {
            Ok(left) => waiting.extend(left),
            Err(CommitError::Conflict(_)) if races < MAX_RACES => {
                waiting.extend(some);
                races += 1;
                retry::wait(races, Duration::from_millis(5), Duration::from_millis(200)).await;
            }
            Err(error) => {
                let error = match error {
                    CommitError::Store(error) => error,
                    CommitError::Conflict(_) => StoreError::Unavailable("races for the feed".to_owned()),
                };
                waiting.extend(some);
                failed.extend(waiting.drain(..).map(|person| (person, error.clone())));
            }
        }
    }
    failed
}

/// What has waited too long for the stream.
pub(crate) async fn tick(app: &App) -> Vec<StoreError> {
    let now = app.clock.now();
    let before = now.checked_sub(STREAM_TIME).unwrap_or(now);
    let mut errors = Vec::new();
    let (mut waiting, mut since) = (Vec::new(), now);
    for bucket in 0..UNFED_BUCKETS {
        match app.changes.unfed(bucket, before, PAGE).await {
            Ok(persons) => {
                since = persons.first().map_or(since, |(_, first)| since.min(*first));
                waiting.extend(persons.into_iter().map(|(person, _)| person));
            }
            Err(error) => errors.push(error),
        }
    }
    waiting.sort_unstable();
    waiting.dedup();
    metrics::histogram!("ChangesUnfed").record(u32::try_from(waiting.len()).unwrap_or(u32::MAX));
    metrics::histogram!("FeedLagSeconds", "feed" => "changes").record(now.duration_since(since).as_secs_f64());
    errors.extend(feed(app, waiting).await.into_iter().map(|(_, error)| error));
    errors
}

/// Feeds what fits one transaction, and gives those of whom there is more.
async fn feed_some(
    app: &App,
    persons: &[PersonKey],
    failed: &mut Vec<(PersonKey, StoreError)>,
) -> Result<Vec<PersonKey>, CommitError> {
    // First the head, then what it lacks: whoever feeds in between moves the head, and this is done again. So nobody's
    // second change can get its number before the first.
    let head = app.feed.head(FEED).await?;
    let mut entries: Vec<FeedEntry> = Vec::new();
    let mut left = Vec::new();
    let mut reading = stream::iter(persons.to_vec())
        .map(async |person| {
            let unfed = app.changes.unfed_of(&person).await;
            (person, unfed)
        })
        .buffered(AT_ONCE);
    while let Some((person, read)) = reading.next().await {
        match read {
            Ok(unfed) => {
                let room = TOGETHER - entries.len();
                if unfed.len() > room {
                    left.push(person);
                }
                entries.extend(unfed.into_iter().take(room));
            }
            Err(error) => failed.push((person, error)),
        }
    }
    if entries.is_empty() {
        return Ok(left);
    }
    // For as long as the history itself: a reader that comes late must not miss anything.
    let mut writes = app.feed.appending(FEED, head, &entries, None)?.to_vec();
    for entry in &entries {
        writes.push(app.changes.fed(entry)?);
    }
    app.feed.commit(writes).await?;
    Ok(left)
}
