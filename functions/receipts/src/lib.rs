//! What SES and SNS report back of the messages they were given: a notice goes on in its life, and an address that
//! nothing reaches is marked in the register.
//!
//! A report may come early, late, twice, and of a message that is none of ours. Applying one again changes nothing, so
//! an event of which a part failed is simply to come again.

pub mod email;
pub mod report;
mod settings;
pub mod sms;
pub mod source;

use futures_util::{StreamExt as _, stream};
use infra_aws::{
    circuits::Circuits,
    error::StoreError,
    outbox::{Outbox, Stored},
    postmarks::Postmarks,
    register::Register,
};
use infra_edge::{clock::Clock, event::UnknownEvent, telemetry, trace};
use mailbox_register::{
    circuit::Trouble,
    contact::{Address, Channel},
    notice::{Notice, NoticeId, State},
};
use serde_json::Value;
use uuid::Uuid;

pub use settings::Settings;

use report::{About, Report};
use source::{Sources, Unreadable};

/// Reports worked on at once.
const AT_ONCE: usize = 8;
/// Tries to apply a report while others take steps with the notice.
const MAX_RACES: u32 = 8;

/// What the function stands on.
#[derive(Debug)]
pub struct App {
    /// Notices, and the letters that some of them tell of.
    pub outbox: Outbox,
    /// Which text message was which notice.
    pub postmarks: Postmarks,
    /// Entries, where an address that nothing reaches is marked.
    pub register: Register,
    /// Channels that are left alone for a while.
    pub circuits: Circuits,
    /// Whom reports are taken from.
    pub sources: Sources,
    /// The time.
    pub clock: Clock,
}

/// What starts the function.
#[derive(Debug)]
pub enum Event {
    /// Notifications of the topic that SES reports to, each an SNS envelope.
    Email(Vec<String>),
    /// Lines of the log that SNS keeps of text messages.
    Sms(Value),
}

impl TryFrom<Value> for Event {
    type Error = UnknownEvent;

    fn try_from(mut event: Value) -> Result<Self, Self::Error> {
        if event.get("awslogs").is_some() {
            return Ok(Self::Sms(event));
        }
        let Some(records) = event.get_mut("Records").and_then(Value::as_array_mut) else {
            return Err(UnknownEvent);
        };
        let envelope = |record: &mut Value| match record.get_mut("Sns") {
            Some(sns) => Ok(sns.take().to_string()),
            None => Err(UnknownEvent),
        };
        records
            .iter_mut()
            .map(envelope)
            .collect::<Result<_, _>>()
            .map(Self::Email)
    }
}

/// Why an event has to come again.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{failures} reports could not be applied, the last because: {last}")]
pub struct Failed {
    failures: usize,
    last: NotApplied,
}

/// Why a report was not applied.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
enum NotApplied {
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error(transparent)]
    Unreadable(#[from] Unreadable),
}

/// Handles one event.
///
/// # Errors
/// [`Failed`], if a report could not be read or applied. The others of the event were. What is not ours is no error: it
/// is refused, and counted.
pub async fn handle(app: &App, event: Event) -> Result<(), Failed> {
    let read: Vec<Result<Report, Unreadable>> = match event {
        Event::Email(envelopes) => envelopes
            .iter()
            .filter_map(|envelope| email::read(envelope, &app.sources).transpose())
            .collect(),
        Event::Sms(event) => sms::read(event, &app.sources).unwrap_or_else(|error| vec![Err(error)]),
    };
    let failures: Vec<NotApplied> = stream::iter(read)
        .map(async |report| match report {
            Ok(report) => take(app, &report).await,
            Err(Unreadable::NotOurs) => {
                tracing::warn!("a report that does not come from our providers is refused");
                metrics::counter!("ReportsRefused").increment(1);
                Ok(())
            }
            Err(error) => Err(logged(error)),
        })
        .buffer_unordered(AT_ONCE)
        .filter_map(async |result| result.err())
        .collect()
        .await;
    telemetry::flush();
    match failures.last() {
        None => Ok(()),
        Some(last) => Err(Failed {
            failures: failures.len(),
            last: last.clone(),
        }),
    }
}

fn logged(error: impl Into<NotApplied>) -> NotApplied {
    let error = error.into();
    tracing::error!(%error, "a report could not be applied");
    metrics::counter!("ReportsFailed").increment(1);
    error
}

/// Takes a report: what it does to a notice follows from what caused that one.
async fn take(app: &App, report: &Report) -> Result<(), NotApplied> {
    let Some((notice, message_id)) = find(app, report).await.map_err(logged)? else {
        return Ok(());
    };
    let trace = notice.trace;
    let applied = async { apply(app, notice, report, message_id).await.map_err(logged) };
    trace::caused_by(trace, applied).await
}

/// The notice that is reported of, and the provider's identity for the message; none where there is none.
async fn find<'a>(app: &App, report: &'a Report) -> Result<Option<(Notice, &'a str)>, StoreError> {
    let now = app.clock.now();
    if report.quota_exhausted {
        // SNS takes messages on and delivers none: no answer to a call says so.
        app.circuits.failed(Channel::Sms, Trouble::Spent, now).await?;
        metrics::counter!("ChannelClosed", "channel" => Channel::Sms.as_str()).increment(1);
    }
    let (notice, message_id) = match &report.about {
        About::Notice { id, message_id } => (Some(*id), message_id),
        About::Message(message_id) => {
            let postmark = app.postmarks.reported(message_id, report.receipt, now).await?;
            (postmark.notice, message_id)
        }
    };
    // Of a message that is not ours, or that the worker who sent it has still to note.
    let Some(id) = notice else { return Ok(None) };
    let notice = app.outbox.notices.get(id).await?;
    if notice.is_none() {
        metrics::counter!("ReportsOfNothing").increment(1);
    }
    Ok(notice.map(|notice| (notice, message_id.as_str())))
}

async fn apply(app: &App, notice: Notice, report: &Report, message_id: &str) -> Result<(), StoreError> {
    let now = app.clock.now();
    let notice = advance(app, notice, report, message_id).await?;
    if report.receipt.ends_address()
        && let Some(reported) = &report.address
    {
        let is_it = |address: &Address| reported.is(address);
        let marked = app
            .register
            .mark_undeliverable(&notice.person, notice.channel, is_it, report.at, now);
        if marked.await? {
            metrics::counter!("AddressesUndeliverable", "channel" => notice.channel.as_str()).increment(1);
        }
    }
    Ok(())
}

/// Takes a notice on by what is reported of it, and gives it.
async fn advance(app: &App, read: Notice, report: &Report, message_id: &str) -> Result<Notice, StoreError> {
    let mut notice = read;
    for _ in 0..MAX_RACES {
        let now = app.clock.now();
        let Some(next) = notice.reported(report.receipt, message_id, now) else {
            return Ok(notice);
        };
        let stored = if matches!(next.state, State::Failed { .. }) {
            let following = NoticeId(Uuid::new_v4());
            app.outbox.settle_and_follow(&notice, &next, following, now).await?
        } else {
            app.outbox.settle(&notice, &next, now).await?
        };
        if stored != Stored::FencedOff {
            let (channel, kind, state) = (next.channel.as_str(), next.message.kind(), next.state.name());
            tracing::info!(notice = %next.id, channel, kind, state, "reported");
            metrics::counter!("Reports", "channel" => channel, "kind" => kind, "state" => state).increment(1);
            return Ok(next);
        }
        // Removed meanwhile: it has no life any more to take on. Its address may still be marked.
        let Some(now) = app.outbox.notices.get(notice.id).await? else {
            return Ok(notice);
        };
        notice = now;
    }
    Err(StoreError::Unavailable("races for a notice".to_owned()))
}
