//! A letter that has arrived in a person's mailbox: whom to tell, on which channel and when, and what became of it.

use jiff::{SignedDuration, Timestamp, ToSpan as _};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use uuid::Uuid;

use crate::{
    contact::{Channel, ContactPoint, norwegian_time},
    entry::{Entry, Registration, Status},
    language::Language,
    notice::{Failure, Message, Notice, NoticeId, State},
    organisation::OrganisationNumber,
    person::PersonKey,
    secret::{Secret, Secrets},
    words::Reference,
};

/// A letter that is unopened so many days after it became available is told of once more (eForvaltningsforskriften
/// § 8: one week).
pub const REMINDER_DAYS: i32 = 7;

/// How long a letter may have been there before it is announced: clocks differ, and batches take their time.
const MOST_PAST: SignedDuration = SignedDuration::from_hours(24);
/// How far ahead a letter can be announced.
const MOST_AHEAD: SignedDuration = SignedDuration::from_hours(366 * 24);

/// A letter's identity: made from who announced it and that organisation's own reference, so that the same letter
/// announced twice is one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, ToSchema)]
#[serde(transparent)]
pub struct LetterId(pub Uuid);

impl LetterId {
    /// The identity of an organisation's letter. Keyed, so that a reference cannot be guessed from it.
    pub fn new(secret: &Secret, announced_by: OrganisationNumber, reference: &Reference) -> Self {
        let mac = secret.mac_bytes("letter", &[&announced_by.to_string(), reference.as_str()]);
        let mut bytes = [0; 16];
        bytes.copy_from_slice(&mac[..16]);
        Self(uuid::Builder::from_custom_bytes(bytes).into_uuid())
    }
}

/// The identities that one letter can have: two, while one secret gives way to the next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LetterIds {
    /// The one that a new letter is given.
    pub current: LetterId,
    /// The one that it has if it was announced by the other secret.
    pub other: Option<LetterId>,
}

impl LetterIds {
    /// The identities of an organisation's letter.
    pub fn of(secrets: &Secrets, announced_by: OrganisationNumber, reference: &Reference) -> Self {
        let id = |secret| LetterId::new(secret, announced_by, reference);
        Self {
            current: id(secrets.current()),
            other: secrets.other().map(id),
        }
    }

    /// Each of them, the current one first.
    pub fn each(self) -> impl Iterator<Item = LetterId> {
        std::iter::once(self.current).chain(self.other)
    }
}

impl std::fmt::Display for LetterId {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.fmt(f)
    }
}

/// Whether a sender belongs to the public administration.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum Sector {
    /// It does.
    Public,
    /// It does not.
    Private,
}

/// Who wrote the letter.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Sender {
    /// The organisation.
    pub organisation: OrganisationNumber,
    /// Where it belongs.
    pub sector: Sector,
    /// Whether a message may name it: the name of a hospital says something of whoever gets its letters.
    pub name_may_be_shown: bool,
}

/// What an organisation says of a letter. It never changes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Announcement {
    /// To whom the letter is.
    pub person: PersonKey,
    /// Who announces it.
    pub announced_by: OrganisationNumber,
    /// Who wrote it.
    pub sender: Sender,
    /// The announcing organisation's own name for it.
    pub reference: Reference,
    /// From when on the person can read it.
    pub available_from: Timestamp,
    /// Whether telling of it is legal notice: that needs fresh details and nobody who is reserved.
    pub legal_notice: bool,
    /// Whether the person is told once more when it stays unopened.
    pub remind: bool,
    /// The language of the letter, for a person who chose none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub language: Option<Language>,
}

impl Announcement {
    /// Whether a letter that becomes available then can be announced at `now`.
    pub fn is_timely(&self, now: Timestamp) -> bool {
        let ahead = self.available_from.duration_since(now);
        -MOST_PAST <= ahead && ahead <= MOST_AHEAD
    }
}

/// A letter, and what has happened to it so far.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Letter {
    /// Its identity.
    pub id: LetterId,
    /// What was said of it.
    #[serde(flatten)]
    pub announcement: Announcement,
    /// When it was announced.
    pub announced_at: Timestamp,
    /// When the person opened it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub opened_at: Option<Timestamp>,
    /// When the organisation called it off.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cancelled_at: Option<Timestamp>,
    /// What happened, in order, and nothing left out.
    pub events: Vec<Event>,
}

/// One thing that happened to a letter.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = LetterEvent)]
pub struct Event {
    /// When.
    pub at: Timestamp,
    /// What.
    #[serde(flatten)]
    pub what: What,
}

/// What can happen to a letter.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(tag = "event", rename_all = "kebab-case")]
#[schema(as = LetterHappening)]
pub enum What {
    /// It was announced.
    Announced,
    /// Nobody can be notified of it.
    Unreachable {
        /// Why.
        reason: Unreachable,
    },
    /// A notice of it took a step.
    Notice(NoticeStep),
    /// The person opened it.
    Opened,
    /// The organisation called it off.
    Cancelled,
}

/// A step of a notice that the letter's sender learns of.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct NoticeStep {
    /// Which notice.
    pub notice: NoticeId,
    /// On which channel.
    pub channel: Channel,
    /// Whether it is the reminder.
    pub reminder: bool,
    /// What it came to.
    #[serde(flatten)]
    pub outcome: Outcome,
}

/// What a notice came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(tag = "state", rename_all = "kebab-case")]
#[schema(as = NoticeOutcome)]
pub enum Outcome {
    /// It will be sent.
    Planned {
        /// When, at the earliest.
        #[serde(rename = "dueAt")]
        due_at: Timestamp,
    },
    /// A provider took it.
    Sent,
    /// It arrived.
    Delivered,
    /// It did not go out, or did not arrive.
    Failed {
        /// Why.
        reason: Failure,
    },
    /// It may have gone out.
    Unknown,
    /// It did not go out in time.
    Expired,
    /// It was no longer wanted.
    Cancelled,
}

/// Why nobody can be notified of a letter.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Unreachable {
    /// The person is not in the register.
    NotRegistered,
    /// The entry was deleted.
    Deleted,
    /// The person refuses digital decisions.
    Reserved,
    /// There is neither a mobile nor an e-mail.
    NoDetails,
    /// Nothing reaches any of the addresses.
    Undeliverable,
    /// The addresses are too old for legal notice.
    Stale,
}

impl Unreachable {
    /// Whether a later letter may well find the person reachable: details are renewed any day.
    pub const fn is_retryable(self) -> bool {
        matches!(self, Self::NoDetails | Self::Undeliverable | Self::Stale)
    }
}

impl From<Unreachable> for Failure {
    fn from(reason: Unreachable) -> Self {
        match reason {
            Unreachable::NotRegistered => Self::NotRegistered,
            Unreachable::Deleted => Self::Deleted,
            Unreachable::Reserved => Self::Reserved,
            Unreachable::NoDetails => Self::NoAddress,
            Unreachable::Undeliverable => Self::Undeliverable,
            Unreachable::Stale => Self::Stale,
        }
    }
}

/// The channels on which a person may be notified at `now`, the preferred one first.
///
/// Legal notice needs an address that is fresh and a person who is not reserved (eForvaltningsforskriften §§ 8, 9 and
/// 32); a service message may go to a stale address where there is no fresh one.
///
/// # Errors
/// [`Unreachable`].
pub fn channels(entry: Option<&Entry>, legal_notice: bool, now: Timestamp) -> Result<Vec<Channel>, Unreachable> {
    let registration = match entry.and_then(Entry::disclosed).map(|entry| &entry.status) {
        None => return Err(Unreachable::NotRegistered),
        Some(Status::Deleted(_)) => return Err(Unreachable::Deleted),
        Some(Status::Registered(registration)) => registration,
    };
    if legal_notice && registration.is_reserved() {
        return Err(Unreachable::Reserved);
    }
    let mut known: Vec<_> = Channel::ALL
        .into_iter()
        .filter(|channel| registration.address(*channel).is_some())
        .collect();
    if known.is_empty() {
        return Err(Unreachable::NoDetails);
    }
    known.retain(|channel| registration.is_reachable(*channel));
    if known.is_empty() {
        return Err(Unreachable::Undeliverable);
    }
    let is_stale = |channel: Channel| !is_fresh(registration, channel, now);
    if legal_notice {
        known.retain(|channel| !is_stale(*channel));
    }
    known.sort_by_key(|channel| (is_stale(*channel), registration.preferred_channel != Some(*channel)));
    if known.is_empty() {
        return Err(Unreachable::Stale);
    }
    Ok(known)
}

fn is_fresh(registration: &Registration, channel: Channel, now: Timestamp) -> bool {
    match channel {
        Channel::Sms => fresh(registration.mobile.as_ref(), now),
        Channel::Email => fresh(registration.email.as_ref(), now),
    }
}

fn fresh<A>(point: Option<&ContactPoint<A>>, now: Timestamp) -> bool {
    point.is_some_and(|point| point.is_fresh(now))
}

impl Letter {
    /// A letter as it is announced, with the notices that tell of it: one when it is available, and the reminder.
    ///
    /// `entry` is the person's, `ids` name the notices.
    pub fn announce(
        id: LetterId,
        announcement: Announcement,
        entry: Option<&Entry>,
        ids: [NoticeId; 2],
        now: Timestamp,
    ) -> (Self, Vec<Notice>) {
        let mut events = vec![What::Announced];
        let available_from = announcement.available_from.max(now);
        let mut notices = Vec::new();
        // What counts is how the person can be reached when the letter is there; what is known today is the best guess.
        match channels(entry, announcement.legal_notice, now) {
            Err(reason) => events.push(What::Unreachable { reason }),
            Ok(channels) => {
                let moments = [
                    Some((available_from, false)),
                    announcement
                        .remind
                        .then(|| (a_week_after(announcement.available_from), true)),
                ];
                for ((at, reminder), id_of_notice) in moments.into_iter().flatten().zip(ids) {
                    let message = Message::Letter {
                        letter: id,
                        reminder,
                        announced_by: announcement.announced_by,
                    };
                    let person = announcement.person.clone();
                    notices.extend(
                        channels
                            .first()
                            .map(|channel| Notice::new(id_of_notice, person, *channel, message, at)),
                    );
                }
            }
        }
        events.extend(notices.iter().filter_map(planned));
        let letter = Self {
            id,
            announcement,
            announced_at: now,
            opened_at: None,
            cancelled_at: None,
            events: events.into_iter().map(|what| Event { at: now, what }).collect(),
        };
        (letter, notices)
    }

    /// Whether nobody has to be told of it any more.
    pub const fn is_closed(&self) -> bool {
        self.opened_at.is_some() || self.cancelled_at.is_some()
    }

    /// Why nobody could be notified when it was announced.
    pub fn unreachable(&self) -> Option<Unreachable> {
        self.events.iter().find_map(|event| match event.what {
            What::Unreachable { reason } => Some(reason),
            _ => None,
        })
    }

    /// The steps of its notices, in order.
    pub fn steps(&self) -> impl Iterator<Item = (Timestamp, &NoticeStep)> {
        self.events.iter().filter_map(|event| match &event.what {
            What::Notice(step) => Some((event.at, step)),
            _ => None,
        })
    }

    /// Its notices, each once, in the order in which they were planned.
    pub fn notices(&self) -> Vec<NoticeId> {
        let mut notices = Vec::new();
        for (_, step) in self.steps() {
            if !notices.contains(&step.notice) {
                notices.push(step.notice);
            }
        }
        notices
    }

    /// Whether notice was given: a reminder is a second word, not a first.
    pub fn was_told(&self) -> bool {
        let first_words = self.notices().into_iter().filter_map(|notice| {
            let last = self.steps().filter(|(_, step)| step.notice == notice).last();
            last.map(|(_, step)| step).filter(|step| !step.reminder)
        });
        first_words
            .into_iter()
            .any(|step| matches!(step.outcome, Outcome::Sent | Outcome::Delivered | Outcome::Unknown))
    }

    /// What language to write in: the person's own choice, else the letter's, else the register's.
    pub fn language(&self, registration: &Registration) -> Language {
        match (registration.language_updated_at, self.announcement.language) {
            (None, Some(language)) => language,
            _ => registration.language,
        }
    }
}

/// The same hour a week later, in Norwegian time.
fn a_week_after(available_from: Timestamp) -> Timestamp {
    available_from
        .to_zoned(norwegian_time())
        .checked_add(REMINDER_DAYS.days())
        .map_or(Timestamp::MAX, |week_later| week_later.timestamp())
}

/// That a notice of a letter will be sent; none for a notice of something else.
pub fn planned(notice: &Notice) -> Option<What> {
    let State::Waiting { not_before, .. } = notice.state else {
        return None;
    };
    step(notice, Outcome::Planned { due_at: not_before })
}

/// What the sender of a letter learns from the state of its notice; none where that is no news, or of something else.
pub fn news(notice: &Notice) -> Option<What> {
    let outcome = match notice.state {
        State::Waiting { .. } | State::Claimed { .. } | State::Sending { .. } => return None,
        State::Sent { .. } => Outcome::Sent,
        State::Delivered { .. } => Outcome::Delivered,
        State::Failed { reason, .. } => Outcome::Failed { reason },
        State::Unknown { .. } => Outcome::Unknown,
        State::Expired { .. } => Outcome::Expired,
        State::Cancelled { .. } => Outcome::Cancelled,
    };
    step(notice, outcome)
}

fn step(notice: &Notice, outcome: Outcome) -> Option<What> {
    let Message::Letter { reminder, .. } = notice.message else {
        return None;
    };
    Some(What::Notice(NoticeStep {
        notice: notice.id,
        channel: notice.channel,
        reminder,
        outcome,
    }))
}

#[cfg(test)]
mod tests;
