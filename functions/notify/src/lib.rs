//! Send queues go to SNS and SES: claimed on a lease, sent at most once on a channel, and never lost.

mod channel;
mod prepare;
mod settings;

use std::panic::AssertUnwindSafe;

use aws_lambda_events::event::sqs::{BatchItemFailure, SqsBatchResponse, SqsEvent, SqsMessage};
use futures_util::{FutureExt as _, future};
use infra_aws::{
    caps::Caps,
    circuits::Circuits,
    directory::Directory,
    email::EmailSender,
    error::StoreError,
    outbox::{Outbox, Stored},
    postmarks::Postmarks,
    queues::SendMessage,
    register::Register,
    retry,
    sending::SendError,
    sms::SmsSender,
};
use infra_edge::{clock::Clock, telemetry, trace};
use jiff::{SignedDuration, Timestamp};
use leaky_bucket::RateLimiter;
use mailbox_register::{
    contact::{Address, Channel},
    notice::{Failure, Message, Notice, NoticeId, State},
    secret::Secrets,
    texts::OwnerName,
};
use uuid::Uuid;

use channel::Admitted;
use prepare::{Ready, prepare};
pub use settings::{Clients, Settings};

/// Tries to get hold of a notice that dispatch writes to at the same time.
const MAX_CLAIM_RACES: u32 = 5;
/// Longest wait when a provider has no room.
const THROTTLED: SignedDuration = SignedDuration::from_secs(20);
/// Wait when a provider takes nothing on the channel. Somebody has to see to it: the alarm says so.
const CHANNEL_CLOSED: SignedDuration = SignedDuration::from_mins(5);

/// What the function stands on.
#[derive(Debug)]
pub struct App {
    /// Notices, and the letters that some of them tell of.
    pub outbox: Outbox,
    /// Entries, read anew before each message; an address that is refused is marked there.
    pub register: Register,
    /// Which text message was which notice.
    pub postmarks: Postmarks,
    /// Channels that are left alone for a while.
    pub circuits: Circuits,
    /// How many text messages may go out in a day.
    pub caps: Caps,
    /// This worker's share of what the providers take in a second.
    pub pace: Pace,
    /// Providers' names.
    pub directory: Directory,
    /// SMS.
    pub sms: SmsSender,
    /// E-mail.
    pub email: EmailSender,
    /// What codes are derived with.
    pub secrets: Secrets,
    /// The register's owner, as people know it.
    pub owner: OwnerName,
    /// The time.
    pub clock: Clock,
}

/// What one worker may send in a second: the provider's quota is shared out among as many as run at once.
#[derive(Debug)]
pub struct Pace {
    /// Text messages.
    pub sms: RateLimiter,
    /// E-mails.
    pub email: RateLimiter,
}

/// Handles a batch of one queue. Only what the store failed on is to be delivered again: what a provider refused is
/// written into the notice, and the tick comes back to it.
pub async fn handle(app: &App, event: SqsEvent) -> SqsBatchResponse {
    let outcomes = event.records.iter().map(|record| {
        let handled = handle_message(app, record);
        trace::caused_by(trace::of_message(record), handled)
    });
    let failed = future::join_all(outcomes).await;
    telemetry::flush();
    let mut answer = SqsBatchResponse::default();
    answer.batch_item_failures = failed
        .into_iter()
        .flatten()
        .map(|item_identifier| {
            let mut failure = BatchItemFailure::default();
            failure.item_identifier = item_identifier;
            failure
        })
        .collect();
    answer
}

/// Handles a message, and names it if it is to be delivered again.
async fn handle_message(app: &App, record: &SqsMessage) -> Option<String> {
    let outcome = AssertUnwindSafe(message(app, record)).catch_unwind().await;
    let failed = !matches!(outcome, Ok(Ok(())));
    if failed {
        metrics::counter!("NotifyFailures").increment(1);
    }
    match outcome {
        Ok(Ok(())) => {}
        Ok(Err(error)) => tracing::error!(%error, "a message could not be handled"),
        Err(_) => tracing::error!("a message ended in a panic"),
    }
    failed.then(|| record.message_id.clone().unwrap_or_default())
}

async fn message(app: &App, record: &SqsMessage) -> Result<(), StoreError> {
    let body = record.body.as_deref().unwrap_or_default();
    let SendMessage { notice } = serde_json::from_str(body).map_err(|_| StoreError::Unreadable("queue"))?;
    send(app, notice).await
}

/// Sends a notice, if it is still to be sent.
///
/// # Errors
/// [`StoreError`], while nothing has gone out yet: then the message may be delivered again.
pub async fn send(app: &App, id: NoticeId) -> Result<(), StoreError> {
    let Some(claimed) = claim(app, id).await? else {
        return Ok(());
    };
    let ready = match prepare(app, &claimed).await? {
        Ok(ready) => ready,
        Err(next) => return settle(app, &claimed, &next).await,
    };
    let (circuit, counted) = match channel::admit(app, &claimed, &ready).await? {
        Admitted::Go(circuit, counted) => (circuit, counted),
        Admitted::Not(next) => return settle(app, &claimed, &next).await,
    };
    let called = hand_over(app, &claimed, &ready).await;
    let may_have_gone_out = matches!(&called, Ok(Some((_, result))) if !channel::was_not_taken(result));
    if let Some(counted) = counted.filter(|_| !may_have_gone_out)
        && let Err(error) = app.caps.give_back(&counted).await
    {
        tracing::warn!(%error, "a message that did not go out stays counted");
    }
    let Some((sending, result)) = called? else {
        return Ok(());
    };
    let trouble = channel::trouble(&result);
    let next = outcome(app, &sending, &ready.address(), result).await;
    if let Err(error) = settle(app, &sending, &next).await {
        // The tick will find it in `Sending` and settle it as unknown: the one thing that is true.
        tracing::error!(%error, notice = %id, "what became of a message could not be stored");
    }
    channel::note(app, sending.channel, &circuit, trouble).await;
    Ok(())
}

/// Calls the provider, once; none if this worker may not, or need not any more.
async fn hand_over(
    app: &App,
    claimed: &Notice,
    ready: &Ready,
) -> Result<Option<(Notice, Result<String, SendError>)>, StoreError> {
    // From here on the message may have gone out: nobody sends it again on this channel.
    let now = app.clock.now();
    let Some(sending) = claimed.sending(now) else {
        return Ok(None);
    };
    if app.outbox.settle(claimed, &sending, now).await? == Stored::FencedOff {
        return Ok(None);
    }
    // Whoever opened or called off the letter and saw this notice elsewhere has not called it off.
    if let Message::Letter { letter, .. } = sending.message
        && prepare::wanted(app, letter).await?.is_none()
    {
        settle(app, &sending, &sending.cancelled(now)).await?;
        return Ok(None);
    }
    if sending.wake_at().is_none_or(|until| app.clock.now() >= until) {
        // This worker was stopped for a while. Others count the notice as lost, so it must stay so.
        return Ok(None);
    }
    let result = match ready {
        Ready::Sms(to, text) => app.sms.send(&sending, to, text).await,
        Ready::Email(to, mail) => app.email.send(&sending, to, mail).await,
    };
    Ok(Some((sending, result)))
}

/// Takes a notice on a lease; none if another has it, or nothing is to be done.
async fn claim(app: &App, id: NoticeId) -> Result<Option<Notice>, StoreError> {
    let worker = Uuid::new_v4();
    for race in 0..MAX_CLAIM_RACES {
        let Some(notice) = app.outbox.notices.get(id).await? else {
            return Ok(None);
        };
        // Asked before the turn, so that nobody waits for what is over; taken after it, so that no lease is waited away.
        if race == 0 && notice.claim(app.clock.now(), worker).is_ok() {
            app.pace.turn(notice.channel).await;
        }
        let Ok(claimed) = notice.claim(app.clock.now(), worker) else {
            return Ok(None);
        };
        if app.outbox.notices.step(&notice, &claimed).await? {
            return Ok(Some(claimed));
        }
    }
    Err(StoreError::Unavailable("claim races".to_owned()))
}

/// What a call's result makes of the notice.
async fn outcome(app: &App, sending: &Notice, to: &Address, result: Result<String, SendError>) -> Notice {
    let now = app.clock.now();
    let error = match result {
        Ok(message_id) => return accepted(app, sending, to, message_id, now).await,
        Err(error) => error,
    };
    tracing::warn!(%error, notice = %sending.id, channel = sending.channel.as_str(), "not accepted");
    match error {
        SendError::Throttled => sending.postponed(THROTTLED.mul_f64(retry::fraction()), now),
        SendError::Transient(_) => sending.retry(now),
        SendError::ChannelClosed(_) => {
            metrics::counter!("ChannelClosed", "channel" => sending.channel.as_str()).increment(1);
            sending.postponed(CHANNEL_CLOSED, now)
        }
        SendError::AddressRefused => {
            mark_undeliverable(app, sending, to, now).await;
            sending.failed(Failure::AddressRefused, now)
        }
        SendError::MessageRefused => sending.failed(Failure::MessageRefused, now),
        SendError::AnswerLost(_) => sending.unknown(now),
    }
}

/// The notice as sent; or as what a report says that came before us.
async fn accepted(app: &App, sending: &Notice, to: &Address, message_id: String, now: Timestamp) -> Notice {
    let sent = sending.sent(message_id.clone(), now);
    // An e-mail's report names the notice itself.
    if sending.channel == Channel::Email {
        return sent;
    }
    match app.postmarks.sent(&message_id, sending.id, now).await {
        Ok(postmark) => {
            let Some(receipt) = postmark.report else { return sent };
            if receipt.ends_address() {
                mark_undeliverable(app, sending, to, now).await;
            }
            sent.reported(receipt, &message_id, now).unwrap_or(sent)
        }
        Err(error) => {
            tracing::error!(%error, notice = %sending.id, "its report will not find it");
            sent
        }
    }
}

/// Notes in the entry that nothing reaches an address. Should that fail, the next message there is refused again.
async fn mark_undeliverable(app: &App, notice: &Notice, address: &Address, now: Timestamp) {
    let is_it = |current: &Address| current == address;
    let marked = app
        .register
        .mark_undeliverable(&notice.person, notice.channel, is_it, now, now);
    match marked.await {
        Ok(true) => metrics::counter!("AddressesUndeliverable", "channel" => notice.channel.as_str()).increment(1),
        Ok(false) => {}
        Err(error) => tracing::error!(%error, notice = %notice.id, "an address could not be marked"),
    }
}

/// Stores what became of a notice; where it came to nothing, together with the one that follows on the other channel.
async fn settle(app: &App, held: &Notice, next: &Notice) -> Result<(), StoreError> {
    let now = app.clock.now();
    // An outcome that is not known has an hour to become known: the tick follows that one.
    let stored = if matches!(next.state, State::Failed { .. }) {
        let id = NoticeId(Uuid::new_v4());
        app.outbox.settle_and_follow(held, next, id, now).await?
    } else {
        app.outbox.settle(held, next, now).await?
    };
    let state = match stored {
        Stored::FencedOff => "fenced off",
        Stored::Alone | Stored::FollowedBy(_) => next.state.name(),
    };
    let (channel, kind) = (next.channel.as_str(), next.message.kind());
    tracing::info!(notice = %next.id, channel, kind, state, "handled");
    metrics::counter!("Notices", "channel" => channel, "kind" => kind, "state" => state).increment(1);
    if state == "unknown" {
        metrics::counter!("NoticesUnknown", "channel" => channel).increment(1);
    }
    Ok(())
}
