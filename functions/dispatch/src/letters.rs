//! What happened to letters goes into their organisations' feeds.
//!
//! A letter says itself how much of it stands in the feed, so it does not matter how often, or by how many at once, it
//! is looked at: each of its events gets into the feed once, in order.

use std::{collections::BTreeMap, time::Duration};

use futures_util::{StreamExt as _, stream};
use infra_aws::{
    error::StoreError,
    letters::{Stored, UNFED_BUCKETS, feed_of},
    retry,
    transaction::CommitError,
};
use jiff::SignedDuration;
use mailbox_register::{letter::LetterId, organisation::OrganisationNumber};

use crate::{App, MOST_WRITES};

/// Letters brought up to date by one transaction: each brings a write, and the feed two.
const TOGETHER: usize = MOST_WRITES - 2;
/// How long an entry of the feed can be read.
const KEPT_FOR: SignedDuration = SignedDuration::from_hours(90 * 24);
/// Tries to write a feed's next entries while others do.
const MAX_RACES: u32 = 20;
/// Letters read at once.
const AT_ONCE: usize = 8;
/// The stream comes within seconds; what has waited longer the tick sees to.
const STREAM_TIME: SignedDuration = SignedDuration::from_secs(30);
/// Letters of one bucket in one tick.
const PAGE: i32 = 200;

/// Brings letters' feeds up to date. Gives the letters that this failed for.
pub(crate) async fn feed(app: &App, letters: Vec<LetterId>) -> Vec<(LetterId, StoreError)> {
    let mut failed = Vec::new();
    let mut feeds: BTreeMap<OrganisationNumber, Vec<LetterId>> = BTreeMap::new();
    for read in read(app, letters).await {
        match read {
            Ok(stored) => feeds
                .entry(stored.letter.announcement.announced_by)
                .or_default()
                .push(stored.letter.id),
            Err(error) => failed.push(error),
        }
    }
    for (organisation, letters) in feeds {
        failed.extend(feed_one(app, organisation, letters).await);
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
        match app.outbox.letters.unfed(bucket, before, PAGE).await {
            Ok(letters) => {
                since = letters.first().map_or(since, |(_, first)| since.min(*first));
                waiting.extend(letters.into_iter().map(|(letter, _)| letter));
            }
            Err(error) => errors.push(error),
        }
    }
    metrics::histogram!("FeedLagSeconds", "feed" => "letters").record(now.duration_since(since).as_secs_f64());
    errors.extend(feed(app, waiting).await.into_iter().map(|(_, error)| error));
    errors
}

/// The letters that the feed lacks something of, read anew.
async fn read(app: &App, letters: Vec<LetterId>) -> Vec<Result<Stored, (LetterId, StoreError)>> {
    let read = stream::iter(letters)
        .map(async |id| match app.outbox.letters.get(id).await {
            Ok(stored) => stored.filter(|stored| !stored.unfed().is_empty()).map(Ok),
            Err(error) => Some(Err((id, error))),
        })
        .buffered(AT_ONCE);
    read.filter_map(std::future::ready).collect().await
}

/// Brings one organisation's feed up to date.
async fn feed_one(
    app: &App,
    organisation: OrganisationNumber,
    mut letters: Vec<LetterId>,
) -> Vec<(LetterId, StoreError)> {
    let feed = feed_of(organisation);
    let mut failed = Vec::new();
    let mut races = 0;
    while !letters.is_empty() {
        // Read after the one that wrote before, whose news are not ours to write again.
        let rest = letters.split_off(letters.len().min(TOGETHER));
        let mut unfed = Vec::new();
        for read in read(app, std::mem::replace(&mut letters, rest)).await {
            match read {
                Ok(stored) => unfed.push(stored),
                Err(error) => failed.push(error),
            }
        }
        if unfed.is_empty() {
            continue;
        }
        match write(app, &feed, &unfed).await {
            Ok(()) => {}
            Err(CommitError::Conflict(_)) if races < MAX_RACES => {
                letters.extend(unfed.iter().map(|stored| stored.letter.id));
                races += 1;
                retry::wait(races, Duration::from_millis(5), Duration::from_millis(200)).await;
            }
            Err(error) => {
                let error = match error {
                    CommitError::Store(error) => error,
                    CommitError::Conflict(_) => StoreError::Unavailable("races for a feed".to_owned()),
                };
                letters.extend(unfed.iter().map(|stored| stored.letter.id));
                failed.extend(letters.into_iter().map(|id| (id, error.clone())));
                break;
            }
        }
    }
    failed
}

async fn write(app: &App, feed: &str, letters: &[Stored]) -> Result<(), CommitError> {
    let head = app.feed.head(feed).await?;
    let entries: Vec<_> = letters.iter().flat_map(Stored::unfed).collect();
    let kept_until = app.clock.now().checked_add(KEPT_FOR).ok();
    let mut writes = app.feed.appending(feed, head, &entries, kept_until)?.to_vec();
    for stored in letters {
        writes.push(app.outbox.letters.fed(stored)?);
    }
    app.feed.commit(writes).await
}
