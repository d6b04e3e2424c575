//! The outbox goes to the send queues, and what happened to letters into the feeds: at once by the tables' streams, and
//! what the streams missed by a tick every minute.
//!
//! A notice may get into its queue twice; claims see to it that it is sent once. It must not get there never: so the
//! queue comes first, and then the note that it is there.

mod feed;
mod settings;

use std::time::Duration;

use aws_lambda_events::event::dynamodb;
use futures_util::{StreamExt as _, stream};
use infra_aws::{
    circuits::Circuits,
    error::StoreError,
    feed::Feed,
    notices::{Cursor, DUE_BUCKETS},
    outbox::{Outbox, Stored},
    queues::SendQueues,
};
use infra_edge::{clock::Clock, telemetry};
use jiff::SignedDuration;
use mailbox_register::{
    contact::Channel,
    letter::LetterId,
    notice::{Notice, NoticeId, Wake},
};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use tokio::time::Instant;
use uuid::Uuid;

pub use settings::Settings;

/// How long a queued notice may stay without a worker before the tick queues it again.
pub const REQUEUE: SignedDuration = SignedDuration::from_mins(15);
/// Notices of one bucket in one page.
const PAGE: i32 = 100;
/// How long a tick works: a backlog is worked off by several, each of which is over before Lambda ends it.
const TICK_TIME: Duration = Duration::from_secs(30);
/// Buckets worked on at once, and notices of each: together as many connections as a small function can hold.
const BUCKETS_AT_ONCE: usize = 16;
const AT_ONCE: usize = 4;

/// What the function stands on.
#[derive(Debug)]
pub struct App {
    /// Notices, and the letters that some of them tell of.
    pub outbox: Outbox,
    /// What happened to letters, for their organisations to read.
    pub feed: Feed,
    /// Which channels are left alone.
    pub circuits: Circuits,
    /// The send queues.
    pub queues: SendQueues,
    /// Name of the table with the letters: tells one stream from the other.
    pub letters_table: String,
    /// The time.
    pub clock: Clock,
    /// After how long without a worker a notice is queued again.
    pub requeue: SignedDuration,
}

/// What starts the function.
#[derive(Debug)]
pub enum Event {
    /// Records of the table's stream.
    Stream(Box<dynamodb::Event>),
    /// A minute has passed.
    Tick,
}

/// An event that is neither.
#[derive(Debug, Clone, Copy, thiserror::Error, PartialEq, Eq)]
#[error("neither stream records nor a tick")]
pub struct UnknownEvent;

impl TryFrom<Value> for Event {
    type Error = UnknownEvent;

    fn try_from(event: Value) -> Result<Self, Self::Error> {
        if event.get("Records").is_some() {
            let records = serde_json::from_value(event).map_err(|_| UnknownEvent)?;
            return Ok(Self::Stream(Box::new(records)));
        }
        match event.get("detail-type").and_then(Value::as_str) {
            Some("Scheduled Event") => Ok(Self::Tick),
            _ => Err(UnknownEvent),
        }
    }
}

/// Records that have to be delivered again. Without any, all were handled.
#[derive(Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Answer {
    /// The records' sequence numbers.
    pub batch_item_failures: Vec<BatchItemFailure>,
}

/// One record that has to be delivered again.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct BatchItemFailure {
    /// Its sequence number.
    pub item_identifier: String,
}

/// Why a tick did not do all it should have. The next one does the rest.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{failures} notices or buckets could not be worked on, the last because: {last}")]
pub struct TickFailed {
    failures: usize,
    last: StoreError,
}

/// Handles one event.
///
/// # Errors
/// [`TickFailed`]. Records that fail are named in the answer instead.
pub async fn handle(app: &App, event: Event) -> Result<Answer, TickFailed> {
    let result = match event {
        Event::Stream(records) => Ok(stream_records(app, *records).await),
        Event::Tick => tick(app).await.map(|()| Answer::default()),
    };
    telemetry::flush();
    result
}

async fn stream_records(app: &App, event: dynamodb::Event) -> Answer {
    let mut failed = Vec::new();
    let mut letters: Vec<(LetterId, String)> = Vec::new();
    for record in event.records {
        let is_of_letters = table_of(record.event_source_arn.as_deref()) == Some(&app.letters_table);
        let sequence_number = record.change.sequence_number.unwrap_or_default();
        // An item that is removed leaves an empty image.
        if record.change.new_image.is_empty() {
            continue;
        }
        let handled = if is_of_letters {
            serde_dynamo::from_item::<_, LetterRecord>(record.change.new_image)
                .map(|record| letters.push((record.id, sequence_number.clone())))
                .map_err(|_| StoreError::Unreadable("letters"))
        } else {
            match serde_dynamo::from_item::<_, Notice>(record.change.new_image) {
                Ok(notice) => wake(app, &notice).await,
                Err(_) => Err(StoreError::Unreadable("notices")),
            }
        };
        if let Err(error) = handled {
            failed.push((sequence_number, error));
        }
    }
    let mut ids: Vec<_> = letters.iter().map(|(id, _)| *id).collect();
    ids.sort_unstable();
    ids.dedup();
    for (unfed, error) in feed::feed(app, ids).await {
        let records = letters.iter().filter(|(id, _)| *id == unfed);
        failed.extend(records.map(|(_, sequence_number)| (sequence_number.clone(), error.clone())));
    }
    Answer {
        batch_item_failures: failed
            .into_iter()
            .map(|(sequence_number, error)| {
                tracing::error!(%error, "a record could not be handled");
                metrics::counter!("DispatchFailures").increment(1);
                BatchItemFailure {
                    // Without a number Lambda would take the whole batch for handled: an empty one fails it all.
                    item_identifier: sequence_number,
                }
            })
            .collect(),
    }
}

/// All that is needed of a letter's record: the letter is read anew.
#[derive(Deserialize)]
struct LetterRecord {
    id: LetterId,
}

/// The table whose stream has this ARN: `arn:…:table/<name>/stream/<label>`.
fn table_of(stream: Option<&str>) -> Option<&str> {
    let (_, rest) = stream?.split_once(":table/")?;
    rest.split('/').next()
}

async fn tick(app: &App) -> Result<(), TickFailed> {
    let until = Instant::now() + TICK_TIME;
    // First what is short, so that a backlog does not hide it.
    let mut errors = show_circuits(app).await;
    errors.extend(feed::tick(app).await);
    errors.extend(tick_outbox(app, until).await);
    match errors.last() {
        None => Ok(()),
        Some(last) => Err(TickFailed {
            failures: errors.len(),
            last: last.clone(),
        }),
    }
}

/// Works the outbox off, a page of each bucket in turn, and gives what failed. What there is no time for the next tick
/// begins with.
async fn tick_outbox(app: &App, until: Instant) -> Vec<StoreError> {
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

/// Counts which channels are left alone, once a minute, for as long as they are.
async fn show_circuits(app: &App) -> Vec<StoreError> {
    let mut errors = Vec::new();
    for channel in Channel::ALL {
        match app.circuits.get(channel).await {
            Ok(circuit) => {
                // Counted, not shown as a gauge: that would be shown again with every event.
                let open = u64::from(circuit.is_open(app.clock.now()));
                metrics::counter!("CircuitOpen", "channel" => channel.as_str()).increment(open);
            }
            Err(error) => errors.push(error),
        }
    }
    errors
}

/// Does what a notice needs now.
async fn wake(app: &App, notice: &Notice) -> Result<(), StoreError> {
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
            }
        }
    }
    Ok(())
}
