//! Notices that are due go to the send queues.
//!
//! A notice may get into its queue twice; claims see to it that it is sent once. It must not get there never: so the
//! queue comes first, and then the note that it is there.

use std::time::Duration;

use futures_util::{StreamExt as _, stream};
use infra_aws::{
    error::StoreError,
    notices::{Cursor, DUE_BUCKETS},
    outbox::Stored,
};
use infra_edge::trace;
use mailbox_register::notice::{Notice, NoticeId, State, Wake};
use tokio::time::Instant;
use uuid::Uuid;

use crate::App;

/// Notices of one bucket in one page.
const PAGE: i32 = 100;
/// How long a tick works: a backlog is worked off by several, each of which is over before Lambda ends it.
pub(crate) const TICK_TIME: Duration = Duration::from_secs(30);
/// Buckets worked on at once, and notices of each: together as many connections as a small function can hold.
const BUCKETS_AT_ONCE: usize = 16;
const AT_ONCE: usize = 4;

/// Works the outbox off, a page of each bucket in turn, and gives what failed. What there is no time for the next tick
/// begins with.
pub(crate) async fn tick(app: &App, until: Instant) -> Vec<StoreError> {
    let mut errors = Vec::new();
    let mut oldest = 0.0_f64;
    let first = app.clock.now().as_second() / 60;
    let first = u8::try_from(first.rem_euclid(i64::from(DUE_BUCKETS))).unwrap_or(0);
    let mut open: Vec<(u8, Option<Cursor>)> = (0..DUE_BUCKETS)
        .map(|bucket| ((first + bucket) % DUE_BUCKETS, None))
        .collect();
    while !open.is_empty() && Instant::now() < until {
        let pages: Vec<_> = stream::iter(open)
            .map(|(bucket, after)| tick_page(app, bucket, after, until))
            .buffered(BUCKETS_AT_ONCE)
            .collect()
            .await;
        open = Vec::new();
        for page in pages {
            oldest = oldest.max(page.oldest);
            errors.extend(page.errors);
            open.extend(page.next.map(|next| (page.bucket, Some(next))));
        }
    }
    metrics::histogram!("OldestDueSeconds").record(oldest);
    errors
}

/// What became of a page of a bucket.
struct Page {
    bucket: u8,
    /// How long its first notice has been due, in seconds.
    oldest: f64,
    errors: Vec<StoreError>,
    next: Option<Cursor>,
}

/// Works a page of a bucket off. One bad notice does not stop its neighbours.
async fn tick_page(app: &App, bucket: u8, after: Option<Cursor>, until: Instant) -> Page {
    let mut done = Page {
        bucket,
        oldest: 0.0,
        errors: Vec::new(),
        next: None,
    };
    if Instant::now() >= until {
        return done;
    }
    let page = match app.outbox.notices.due(bucket, app.clock.now(), PAGE, after).await {
        Ok(page) => page,
        Err(error) => {
            done.errors.push(error);
            return done;
        }
    };
    if let Some(oldest) = page.rows.iter().flatten().next() {
        done.oldest = app.clock.now().duration_since(oldest.at).as_secs_f64();
    }
    let results = stream::iter(page.rows)
        .map(async |due| wake_by_id(app, due?.notice).await)
        .buffer_unordered(AT_ONCE)
        .collect::<Vec<_>>()
        .await;
    // Rows that cannot be read keep nobody behind them waiting; a store or a queue that is down ends the bucket's tick.
    let is_down = !results.is_empty()
        && results
            .iter()
            .all(|result| matches!(result, Err(StoreError::Unavailable(_))));
    done.errors.extend(results.into_iter().filter_map(Result::err));
    done.next = page.next.filter(|_| !is_down);
    done
}

async fn wake_by_id(app: &App, id: NoticeId) -> Result<(), StoreError> {
    match app.outbox.notices.get(id).await? {
        Some(notice) => wake(app, &notice).await,
        None => Ok(()),
    }
}

/// Does what a notice needs now.
pub(crate) async fn wake(app: &App, notice: &Notice) -> Result<(), StoreError> {
    let stepped = async {
        let result = step(app, notice).await;
        result.inspect_err(|error| tracing::error!(%error, notice = %notice.id, "a notice could not be moved on"))
    };
    trace::caused_by(notice.trace, stepped).await
}

async fn step(app: &App, notice: &Notice) -> Result<(), StoreError> {
    let now = app.clock.now();
    match notice.wake(now, app.requeue) {
        Wake::Nothing => {}
        Wake::Enqueue(queued) => {
            app.queues.send(notice).await?;
            // Where a worker was faster the note is not needed any more.
            app.outbox.settle(notice, &queued, now).await?;
        }
        Wake::Postpone(postponed) => {
            app.outbox.settle(notice, &postponed, now).await?;
        }
        Wake::Follow => {
            let next = NoticeId(Uuid::new_v4());
            if let Stored::FollowedBy(next) = app.outbox.settle_and_follow(notice, notice, next, now).await? {
                tracing::warn!(notice = %notice.id, kind = notice.message.kind(), next = %next, "the other channel is used");
                metrics::counter!("NoticesFollowed", "channel" => notice.channel.as_str()).increment(1);
            }
        }
        Wake::Settle(settled) => {
            if app.outbox.settle(notice, &settled, now).await? == Stored::Alone {
                tracing::warn!(notice = %notice.id, kind = notice.message.kind(), state = ?settled.state, "settled");
                metrics::counter!("NoticesSettled", "channel" => notice.channel.as_str()).increment(1);
                // Its worker was lost while it sent. One that was unknown before is only left alone now.
                if matches!(notice.state, State::Sending { .. }) {
                    metrics::counter!("NoticesUnknown", "channel" => notice.channel.as_str()).increment(1);
                }
            }
        }
    }
    Ok(())
}
