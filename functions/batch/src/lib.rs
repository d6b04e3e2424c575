//! Files of recipients: each is read once to be planned, worked off in pieces, and put together to one result.
//!
//! Every step can come twice, and every worker can die: a step first takes a lease, does its work where nobody sees it,
//! and then stores that it is done, if the lease is still its own. What nobody carries on with the tick finds.

mod answer;
mod arrive;
mod changed;
mod finish;
mod hex;
mod lease;
mod letters;
mod order;
mod plan;
mod settings;
mod stop;
mod summary;
mod tick;
mod unpack;
mod work;

use aws_lambda_events::event::sqs::{BatchItemFailure, SqsBatchResponse, SqsEvent};
use infra_aws::{
    batches::Batches,
    directory::Directory,
    disclosures::Disclosures,
    files::Files,
    outbox::Outbox,
    register::Register,
    steps::{Step, StepMessage, StepQueue},
};
use infra_edge::{
    clock::Clock,
    event::{self, UnknownEvent},
    telemetry, trace,
};
use leaky_bucket::RateLimiter;
use mailbox_register::{batch::cost::Prices, person::Population, secret::Secrets, texts::OwnerName};
use serde_json::Value;

pub use arrive::ObjectCreated;
pub use settings::{Clients, Settings};
pub use tick::{TickFailed, adopt};

/// What the function stands on.
#[derive(Debug)]
pub struct App {
    /// Batches and their pieces.
    pub batches: Batches,
    /// The files.
    pub files: Files,
    /// The queue of steps.
    pub steps: StepQueue,
    /// Entries and their history, to be read.
    pub register: Register,
    /// Letters and their notices.
    pub outbox: Outbox,
    /// The record of what was told of persons, to be added to.
    pub disclosures: Disclosures,
    /// Agencies and providers.
    pub directory: Directory,
    /// What person keys, letters' and batches' identities are made with.
    pub secrets: Secrets,
    /// Which persons this register holds.
    pub population: Population,
    /// The register's owner, as messages name it: says how long they are.
    pub owner: OwnerName,
    /// What things cost.
    pub prices: Prices,
    /// How large a file may be.
    pub limits: Limits,
    /// Entries read in a second: below the table's quota, so that files do not slow down people.
    pub pace: RateLimiter,
    /// The time.
    pub clock: Clock,
}

/// How large a file may be, and when somebody has to look at it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Rows of a file.
    pub rows: u64,
    /// Bytes of a file, unpacked.
    pub bytes: u64,
    /// Rows of a piece.
    pub chunk_rows: u64,
    /// Bad rows in percent above which a file is held.
    pub bad_percent: u8,
    /// How many functions work on files at once.
    pub workers: u32,
}

impl Limits {
    /// Pieces of one file that are in the queue at a time: enough for all workers, and for another file's to take turns.
    pub(crate) fn ahead(&self) -> usize {
        usize::try_from(self.workers)
            .unwrap_or(usize::MAX)
            .saturating_mul(2)
            .max(16)
    }
}

/// What starts the function.
#[derive(Debug)]
pub enum Event {
    /// Messages of the queue: files that arrived, and steps.
    Queue(Box<SqsEvent>),
    /// A minute has passed.
    Tick,
}

impl TryFrom<Value> for Event {
    type Error = UnknownEvent;

    fn try_from(event: Value) -> Result<Self, Self::Error> {
        if event.get("Records").is_some() {
            return event::read(event).map(|messages| Self::Queue(Box::new(messages)));
        }
        if event::is_tick(&event) {
            Ok(Self::Tick)
        } else {
            Err(UnknownEvent)
        }
    }
}

/// Handles one event.
///
/// # Errors
/// [`TickFailed`]. Messages that fail are named in the answer instead.
pub async fn handle(app: &App, event: Event) -> Result<SqsBatchResponse, TickFailed> {
    let result = match event {
        Event::Queue(event) => Ok(Box::pin(messages(app, *event)).await),
        Event::Tick => Box::pin(tick::tick(app)).await.map(|()| SqsBatchResponse::default()),
    };
    telemetry::flush();
    result
}

async fn messages(app: &App, event: SqsEvent) -> SqsBatchResponse {
    let mut answer = SqsBatchResponse::default();
    for message in event.records {
        let handled = handle_message(app, message.body.as_deref().unwrap_or_default());
        if !trace::message(&message, handled).await {
            metrics::counter!("BatchStepFailures").increment(1);
            let mut failure = BatchItemFailure::default();
            failure.item_identifier = message.message_id.unwrap_or_default();
            answer.batch_item_failures.push(failure);
        }
    }
    answer
}

async fn handle_message(app: &App, body: &str) -> Result<(), stop::Later> {
    if let Ok(StepMessage { batch, step }) = serde_json::from_str(body) {
        return match step {
            Step::Plan => plan::plan(app, batch).await,
            Step::Chunk { chunk } => work::work(app, batch, chunk).await,
            Step::Finish => Box::pin(finish::finish(app, batch)).await,
        };
    }
    for object in arrive::read(body).ok_or(stop::Later::UnknownMessage)? {
        arrive::arrive(app, &object).await?;
    }
    Ok(())
}
