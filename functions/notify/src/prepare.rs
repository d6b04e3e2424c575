//! What a notice says, to which address, for the entry and the letter as they are now.

use infra_aws::error::StoreError;
use jiff::{SignedDuration, Timestamp};
use mailbox_register::{
    code::{Code, IssuedFor},
    contact::{Address, EmailAddress, MobileNumber},
    directory::Provider,
    entry::{Entry, Registration},
    language::Language,
    letter::{self, Letter, LetterId, Outcome, Sender},
    mailbox::ProviderId,
    notice::{Failure, Message, Notice},
    secret::Secret,
    sms::SmsText,
    texts,
};

use crate::App;

/// When a reminder looks again for what became of the first word.
const FIRST_WORD_PENDING: SignedDuration = SignedDuration::from_hours(1);

/// A message that is written and addressed.
pub(crate) enum Ready {
    Sms(MobileNumber, SmsText),
    Email(EmailAddress, texts::Mail),
}

impl Ready {
    pub(crate) fn address(&self) -> Address {
        match self {
            Self::Sms(number, _) => number.clone().into(),
            Self::Email(address, _) => address.clone().into(),
        }
    }
}

/// Writes the message for the entry as it is now; or the notice's next step, where there is nothing to send.
pub(crate) async fn prepare(app: &App, notice: &Notice) -> Result<Result<Ready, Notice>, StoreError> {
    let now = app.clock.now();
    let text = match &notice.message {
        Message::AddressChanged { former, language } => {
            // Next of kin are not written to.
            let current = app.register.entries().current(&notice.person).await?;
            if current.stored.is_some_and(|stored| stored.entry.is_out_of_population()) {
                return Ok(Err(notice.cancelled(now)));
            }
            let what = former.channel();
            write(app, &texts::Message::AddressChanged { what }, *language, former.clone())
        }
        Message::MailboxChosen { provider } => {
            let (language, address) = match reach(app, notice, now).await? {
                Ok(reached) => reached,
                Err(end) => return Ok(Err(end)),
            };
            let providers = app.directory.providers(now).await?;
            let provider = name_of(&providers, provider);
            write(app, &texts::Message::MailboxChosen { provider }, language, address)
        }
        Message::ProviderLeaves { provider, on, instead } => {
            let (language, address) = match reach(app, notice, now).await? {
                Ok(reached) => reached,
                Err(end) => return Ok(Err(end)),
            };
            let providers = app.directory.providers(now).await?;
            let text = texts::Message::ProviderLeaves {
                provider: name_of(&providers, provider),
                on: *on,
                instead: instead.as_ref().map(|instead| name_of(&providers, instead)),
            };
            write(app, &text, language, address)
        }
        Message::Code { challenge, address } => {
            let (language, current) = match reach(app, notice, now).await? {
                Ok(reached) => reached,
                Err(end) => return Ok(Err(end)),
            };
            // The address was changed since: its own code is on the way, and this one would prove nothing.
            let issued_by = |secret: &&Secret| *address == IssuedFor::new(secret, &current);
            let Some(secret) = app.secrets.each().find(issued_by) else {
                return Ok(Err(notice.cancelled(now)));
            };
            let code = Code::derive(secret, challenge);
            write(app, &texts::Message::Code { code: &code }, language, current)
        }
        Message::FreshnessReminder => {
            let (language, address) = match reach(app, notice, now).await? {
                Ok(reached) => reached,
                Err(end) => return Ok(Err(end)),
            };
            write(app, &texts::Message::FreshnessReminder, language, address)
        }
        Message::Letter { letter, reminder, .. } => {
            let Some(letter) = wanted(app, *letter).await? else {
                return Ok(Err(notice.cancelled(now)));
            };
            if *reminder && let Some(next) = without_first_word(&letter, notice, now) {
                return Ok(Err(next));
            }
            let (language, address) = match reach_for_letter(app, &letter, notice, now).await? {
                Ok(reached) => reached,
                Err(next) => return Ok(Err(next)),
            };
            let name = sender_name(app, letter.announcement.sender, now).await?;
            let sender = name.as_deref().and_then(texts::nameable_sender);
            let text = if *reminder {
                texts::Message::LetterReminder { sender }
            } else {
                texts::Message::LetterArrived { sender }
            };
            write(app, &text, language, address)
        }
    };
    Ok(text.map_err(|error| {
        tracing::error!(%error, notice = %notice.id, kind = notice.message.kind(), "no text");
        notice.failed(Failure::NoText, now)
    }))
}

/// What people know a provider as.
fn name_of<'a>(providers: &'a [Provider], id: &'a ProviderId) -> &'a str {
    let known = providers.iter().find(|known| known.id == *id);
    known.map_or(id.as_str(), |known| known.name.as_str())
}

/// Language and address of the entry as it is now; or the notice's end, where there is none.
async fn reach(app: &App, notice: &Notice, now: Timestamp) -> Result<Result<(Language, Address), Notice>, StoreError> {
    let current = app.register.entries().current(&notice.person).await?;
    // A code proves an address of the entry that it was made for.
    if current.is_successor && matches!(notice.message, Message::Code { .. }) {
        return Ok(Err(notice.cancelled(now)));
    }
    let Some(registration) = current.stored.as_ref().and_then(|stored| stored.entry.registration()) else {
        return Ok(Err(notice.cancelled(now)));
    };
    // The person has said meanwhile that the details are right.
    if notice.message == Message::FreshnessReminder && !registration.has_reminder_open() {
        return Ok(Err(notice.cancelled(now)));
    }
    // The person has another mailbox by now, and was told of that.
    if let Message::ProviderLeaves { instead, .. } = &notice.message {
        let active = registration.mailboxes.active().map(|mailbox| &mailbox.provider);
        if active != instead.as_ref() {
            return Ok(Err(notice.cancelled(now)));
        }
    }
    Ok(registration
        .address(notice.channel)
        .map(|address| (registration.language, address))
        .ok_or_else(|| notice.failed(Failure::NoAddress, now)))
}

/// The letter, unless it was opened, called off, or is gone.
pub(crate) async fn wanted(app: &App, id: LetterId) -> Result<Option<Letter>, StoreError> {
    let stored = app.outbox.letters.get(id).await?;
    Ok(stored.map(|stored| stored.letter).filter(|letter| !letter.is_closed()))
}

/// What a reminder comes to where no first word was given: it is not the first one itself.
fn without_first_word(letter: &Letter, reminder: &Notice, now: Timestamp) -> Option<Notice> {
    if letter.was_told() {
        return None;
    }
    let first = letter
        .steps()
        .filter(|(_, step)| !step.reminder)
        .last()
        .map(|(_, step)| step.outcome);
    Some(match first {
        Some(Outcome::Planned { .. }) => reminder.postponed(FIRST_WORD_PENDING, now),
        _ => reminder.cancelled(now),
    })
}

/// Language and address for a letter's notice; or its next step: it cannot be given any more, or on the other channel.
async fn reach_for_letter(
    app: &App,
    letter: &Letter,
    notice: &Notice,
    now: Timestamp,
) -> Result<Result<(Language, Address), Notice>, StoreError> {
    let current = app.register.entries().current(&notice.person).await?;
    let entry = current.stored.as_ref().map(|stored| &stored.entry);
    let channels = match letter::channels(entry, letter.announcement.legal_notice, now) {
        Ok(channels) => channels,
        Err(reason) => return Ok(Err(notice.failed(reason.into(), now))),
    };
    let registration = entry.and_then(Entry::registration);
    if !is_told_by_a_provider_of_the_person(app, letter, registration, now).await? {
        return Ok(Err(notice.cancelled(now)));
    }
    if notice.follows.is_none() {
        if channels.first() != Some(&notice.channel) {
            return Ok(Err(notice.moved(now)));
        }
    } else if !channels.contains(&notice.channel) {
        // What follows a failure on one channel has only this one left.
        let reason = match registration {
            Some(registration) if registration.address(notice.channel).is_none() => Failure::NoAddress,
            Some(registration) if !registration.is_reachable(notice.channel) => Failure::Undeliverable,
            _ => Failure::Stale,
        };
        return Ok(Err(notice.failed(reason, now)));
    }
    let reached = registration.and_then(|registration| {
        let address = registration.address(notice.channel)?;
        Some((letter.language(registration), address))
    });
    Ok(reached.ok_or_else(|| notice.failed(Failure::NoAddress, now)))
}

/// Whether a letter that a provider announced still has a mailbox of that provider to be in: people leave.
async fn is_told_by_a_provider_of_the_person(
    app: &App,
    letter: &Letter,
    registration: Option<&Registration>,
    now: Timestamp,
) -> Result<bool, StoreError> {
    let announced_by = letter.announcement.announced_by;
    let Some(provider) = app.directory.provider_of(announced_by, now).await? else {
        return Ok(true);
    };
    Ok(registration.is_some_and(|registration| registration.mailboxes.of(&provider.id).is_some()))
}

/// The name of whoever wrote the letter, as the directory has it; none where it may not be named.
async fn sender_name(app: &App, sender: Sender, now: Timestamp) -> Result<Option<String>, StoreError> {
    if !sender.name_may_be_shown {
        return Ok(None);
    }
    if let Some(agency) = app.directory.agency(sender.organisation, now).await? {
        return Ok(Some(agency.name));
    }
    let provider = app.directory.provider_of(sender.organisation, now).await?;
    Ok(provider.map(|provider| provider.name.into()))
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
