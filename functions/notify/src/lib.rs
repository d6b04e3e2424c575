//! Send queues go to SNS and SES: claimed on a lease, sent at most once on a channel, and never lost.

mod settings;

use std::panic::AssertUnwindSafe;

use aws_lambda_events::event::sqs::{BatchItemFailure, SqsBatchResponse, SqsEvent, SqsMessage};
use futures_util::{FutureExt as _, future};
use infra_aws::{
    directory::Directory, email::EmailSender, error::StoreError, notices::Notices, queues::SendMessage,
    register::Entries, retry, sending::SendError, sms::SmsSender,
};
use infra_edge::{clock::Clock, telemetry};
use jiff::{SignedDuration, Timestamp};
use mailbox_register::{
    code::{Code, IssuedFor},
    contact::Address,
    language::Language,
    notice::{Failure, Message, Notice, NoticeId, State},
    secret::Secret,
    texts::{self, OwnerName},
};
use uuid::Uuid;

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
    /// The outbox.
    pub notices: Notices,
    /// Entries, read anew before each message.
    pub register: Entries,
    /// Providers' names.
    pub directory: Directory,
    /// SMS.
    pub sms: SmsSender,
    /// E-mail.
    pub email: EmailSender,
    /// What codes are derived with.
    pub secret: Secret,
    /// The register's owner, as people know it.
    pub owner: OwnerName,
    /// The time.
    pub clock: Clock,
}

/// Handles a batch of one queue. Only what the store failed on is to be delivered again: what a provider refused is
/// written into the notice, and the tick comes back to it.
pub async fn handle(app: &App, event: SqsEvent) -> SqsBatchResponse {
    let outcomes = event.records.iter().map(|record| async {
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
        Err(end) => return settle(app, &claimed, &end).await,
    };
    // From here on the message may have gone out: nobody sends it again on this channel.
    let Some(sending) = claimed.sending(app.clock.now()) else {
        return Ok(());
    };
    if !app.notices.step(&claimed, &sending).await? {
        return Ok(());
    }
    if sending.wake_at().is_none_or(|until| app.clock.now() >= until) {
        // This worker was stopped for a while. Others count the notice as lost, so it must stay so.
        return Ok(());
    }
    let result = match &ready {
        Ready::Sms(to, text) => app.sms.send(&sending, to, text).await,
        Ready::Email(to, mail) => app.email.send(&sending, to, mail).await,
    };
    let next = outcome(&sending, result, app.clock.now());
    if let Err(error) = settle(app, &sending, &next).await {
        // The tick will find it in `Sending` and settle it as unknown: the one thing that is true.
        tracing::error!(%error, notice = %id, "what became of a message could not be stored");
    }
    Ok(())
}

/// Takes a notice on a lease; none if another has it, or nothing is to be done.
async fn claim(app: &App, id: NoticeId) -> Result<Option<Notice>, StoreError> {
    let worker = Uuid::new_v4();
    for _ in 0..MAX_CLAIM_RACES {
        let Some(notice) = app.notices.get(id).await? else {
            return Ok(None);
        };
        let Ok(claimed) = notice.claim(app.clock.now(), worker) else {
            return Ok(None);
        };
        if app.notices.step(&notice, &claimed).await? {
            return Ok(Some(claimed));
        }
    }
    Err(StoreError::Unavailable("claim races".to_owned()))
}

/// A message that is written and addressed.
enum Ready {
    Sms(mailbox_register::contact::MobileNumber, mailbox_register::sms::SmsText),
    Email(mailbox_register::contact::EmailAddress, texts::Mail),
}

/// Writes the message for the entry as it is now; or the notice's end, where there is nothing to send.
async fn prepare(app: &App, notice: &Notice) -> Result<Result<Ready, Notice>, StoreError> {
    let now = app.clock.now();
    let text = match &notice.message {
        Message::AddressChanged { former, language } => {
            let what = former.channel();
            write(app, &texts::Message::AddressChanged { what }, *language, former.clone())
        }
        Message::MailboxChosen { provider } => {
            let (language, address) = match reach(app, notice, now).await? {
                Ok(reached) => reached,
                Err(end) => return Ok(Err(end)),
            };
            let providers = app.directory.providers(now).await?;
            let name = providers
                .iter()
                .find(|known| known.id == *provider)
                .map_or(provider.as_str(), |known| known.name.as_str());
            write(
                app,
                &texts::Message::MailboxChosen { provider: name },
                language,
                address,
            )
        }
        Message::Code { challenge, address } => {
            let (language, current) = match reach(app, notice, now).await? {
                Ok(reached) => reached,
                Err(end) => return Ok(Err(end)),
            };
            // The address was changed since: its own code is on the way, and this one would prove nothing.
            if *address != IssuedFor::new(&app.secret, &current) {
                return Ok(Err(notice.cancelled(now)));
            }
            let code = Code::derive(&app.secret, challenge);
            write(app, &texts::Message::Code { code: &code }, language, current)
        }
    };
    Ok(text.map_err(|error| {
        tracing::error!(%error, notice = %notice.id, kind = notice.message.kind(), "no text");
        notice.failed(Failure::NoText, now)
    }))
}

/// Language and address of the entry as it is now; or the notice's end, where there is none.
async fn reach(app: &App, notice: &Notice, now: Timestamp) -> Result<Result<(Language, Address), Notice>, StoreError> {
    let stored = app.register.one(&notice.person).await?;
    let Some(registration) = stored.as_ref().and_then(|stored| stored.entry.registration()) else {
        return Ok(Err(notice.cancelled(now)));
    };
    Ok(registration
        .address(notice.channel)
        .map(|address| (registration.language, address))
        .ok_or_else(|| notice.failed(Failure::NoAddress, now)))
}

fn write(
    app: &App,
    message: &texts::Message<'_>,
    language: Language,
    address: Address,
) -> Result<Ready, texts::TextError> {
    match address {
        Address::Sms(number) => Ok(Ready::Sms(number, texts::sms(message, language, app.owner.as_str())?)),
        Address::Email(email) => Ok(Ready::Email(email, texts::mail(message, language, app.owner.as_str())?)),
    }
}

/// What a call's result makes of the notice.
fn outcome(sending: &Notice, result: Result<String, SendError>, now: Timestamp) -> Notice {
    match result {
        Ok(message_id) => sending.sent(message_id, now),
        Err(error) => {
            tracing::warn!(%error, notice = %sending.id, channel = sending.channel.as_str(), "not accepted");
            match error {
                SendError::Throttled => sending.postponed(THROTTLED.mul_f64(retry::fraction()), now),
                SendError::Transient(_) => sending.retry(now),
                SendError::ChannelClosed(_) => {
                    metrics::counter!("ChannelClosed", "channel" => sending.channel.as_str()).increment(1);
                    sending.postponed(CHANNEL_CLOSED, now)
                }
                SendError::AddressRefused => sending.failed(Failure::AddressRefused, now),
                SendError::MessageRefused => sending.failed(Failure::MessageRefused, now),
                SendError::AnswerLost(_) => sending.unknown(now),
            }
        }
    }
}

/// Stores what became of a notice; where it came to nothing, together with the one that follows on the other channel.
async fn settle(app: &App, held: &Notice, next: &Notice) -> Result<(), StoreError> {
    // An outcome that is not known has an hour to become known: the tick follows that one.
    let failed = matches!(next.state, State::Failed { .. });
    let follow = failed
        .then(|| next.follow(NoticeId(Uuid::new_v4()), app.clock.now()))
        .flatten();
    let stored = match &follow {
        Some((followed, following)) => app.notices.follow(held, followed, following).await?,
        None => app.notices.step(held, next).await?,
    };
    let state = match next.state {
        _ if !stored => "fenced off",
        State::Sent { .. } => "sent",
        State::Failed { .. } => "failed",
        State::Unknown { .. } => "unknown",
        State::Cancelled { .. } => "cancelled",
        _ => "waiting",
    };
    let (channel, kind) = (next.channel.as_str(), next.message.kind());
    tracing::info!(notice = %next.id, channel, kind, state, "handled");
    metrics::counter!("Notices", "channel" => channel, "kind" => kind, "state" => state).increment(1);
    Ok(())
}
