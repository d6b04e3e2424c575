//! The outbox goes to the send queues, and what happened to entries and letters into the feeds: at once by the tables'
//! streams, and what the streams missed by a tick every minute.

mod changes;
mod letters;
mod outbox;
mod settings;

use std::{collections::HashSet, hash::Hash};

use aws_lambda_events::event::dynamodb;
use infra_aws::{
    changes::Changes, circuits::Circuits, error::StoreError, feed::Feed, outbox::Outbox, queues::SendQueues,
};
use infra_edge::{
    clock::Clock,
    event::{self, UnknownEvent},
    stream::BatchItemFailure,
    telemetry,
};
use jiff::SignedDuration;
use mailbox_register::{contact::Channel, letter::LetterId, notice::Notice, person::PersonKey};
use serde::Deserialize;
use serde_json::Value;
use tokio::time::Instant;

pub use infra_edge::stream::Answer;
pub use settings::Settings;

/// How long a queued notice may stay without a worker before the tick queues it again.
pub const REQUEUE: SignedDuration = SignedDuration::from_mins(15);
/// DynamoDB's limit on one transaction.
pub(crate) const MOST_WRITES: usize = 100;

/// What the function stands on.
#[derive(Debug)]
pub struct App {
    /// Notices, and the letters that some of them tell of.
    pub outbox: Outbox,
    /// What happened to entries.
    pub changes: Changes,
    /// What happened to entries and letters, for organisations to read.
    pub feed: Feed,
    /// Which channels are left alone.
    pub circuits: Circuits,
    /// The send queues.
    pub queues: SendQueues,
    /// Names of the tables with changes and letters: tell one stream from another.
    pub changes_table: String,
    /// See there.
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

impl TryFrom<Value> for Event {
    type Error = UnknownEvent;

    fn try_from(event: Value) -> Result<Self, Self::Error> {
        if event.get("Records").is_some() {
            return event::read(event).map(|records| Self::Stream(Box::new(records)));
        }
        if event::is_tick(&event) {
            Ok(Self::Tick)
        } else {
            Err(UnknownEvent)
        }
    }
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
    let mut persons: Vec<(PersonKey, String)> = Vec::new();
    for record in event.records {
        let table = table_of(record.event_source_arn.as_deref());
        let sequence_number = record.change.sequence_number.unwrap_or_default();
        let image = record.change.new_image;
        // An item that is removed leaves an empty image.
        if image.is_empty() {
            continue;
        }
        let handled = if table == Some(&app.letters_table) {
            serde_dynamo::from_item::<_, LetterRecord>(image)
                .map(|record| letters.push((record.id, sequence_number.clone())))
                .map_err(|_| StoreError::Unreadable("letters"))
        } else if table == Some(&app.changes_table) {
            serde_dynamo::from_item::<_, ChangeRecord>(image)
                .map(|record| persons.push((record.person, sequence_number.clone())))
                .map_err(|_| StoreError::Unreadable("changes"))
        } else {
            match serde_dynamo::from_item::<_, Notice>(image) {
                Ok(notice) => outbox::wake(app, &notice).await,
                Err(_) => Err(StoreError::Unreadable("notices")),
            }
        };
        if let Err(error) = handled {
            failed.push((sequence_number, error));
        }
    }
    let unfed = letters::feed(app, each_once(&letters)).await;
    failed.extend(records_of(&letters, &unfed));
    let unfed = changes::feed(app, each_once(&persons)).await;
    failed.extend(records_of(&persons, &unfed));
    Answer {
        batch_item_failures: failed
            .into_iter()
            .map(|(sequence_number, error)| {
                tracing::error!(%error, "a record could not be handled");
                metrics::counter!("DispatchFailures").increment(1);
                BatchItemFailure {
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

/// All that is needed of a change's record: what the feed lacks of the person is read anew.
#[derive(Deserialize)]
struct ChangeRecord {
    person: PersonKey,
}

/// In the order in which they happened.
fn each_once<T: Eq + Hash + Clone>(records: &[(T, String)]) -> Vec<T> {
    let mut seen = HashSet::new();
    let all = records.iter().map(|(what, _)| what);
    all.filter(|what| seen.insert(*what)).cloned().collect()
}

/// The records of what could not be fed.
fn records_of<T: PartialEq>(records: &[(T, String)], unfed: &[(T, StoreError)]) -> Vec<(String, StoreError)> {
    let of = |(what, error): &(T, StoreError)| {
        let records = records
            .iter()
            .filter(|(one, _)| one == what)
            .map(|(_, number)| number.clone());
        records.map(|number| (number, error.clone())).collect::<Vec<_>>()
    };
    unfed.iter().flat_map(of).collect()
}

/// The table whose stream has this ARN: `arn:…:table/<name>/stream/<label>`.
fn table_of(stream: Option<&str>) -> Option<&str> {
    let (_, rest) = stream?.split_once(":table/")?;
    rest.split('/').next()
}

async fn tick(app: &App) -> Result<(), TickFailed> {
    let until = Instant::now() + outbox::TICK_TIME;
    // First what is short, so that a backlog does not hide it.
    let mut errors = show_circuits(app).await;
    errors.extend(letters::tick(app).await);
    errors.extend(changes::tick(app).await);
    errors.extend(outbox::tick(app, until).await);
    match errors.last() {
        None => Ok(()),
        Some(last) => Err(TickFailed {
            failures: errors.len(),
            last: last.clone(),
        }),
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
