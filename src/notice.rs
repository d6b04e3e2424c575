//! A notification's life: `Waiting → Claimed → Sending → Sent → Delivered`, or one of the ends on the way.
//!
//! Two rules keep a person from being told twice or not at all. Whoever holds a notice holds it on a lease and may
//! write it only on the epoch it read; and between "about to call the provider" and "the provider answered" stands
//! `Sending`, from which nobody sends again: a worker lost there leaves the notice `Unknown`.

use jiff::{SignedDuration, Timestamp, Unit};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use uuid::Uuid;

use crate::{
    contact::Channel,
    hours,
    person::PersonKey,
    receipt::{Fate, Receipt},
    trace::{self, Trace},
};

mod message;
mod state;

#[cfg(test)]
mod tests;

pub use message::Message;
pub use state::{Failure, State};

/// A notice that did not get out this long after it was due expires.
pub const DEADLINE: SignedDuration = SignedDuration::from_hours(72);
/// A reminder that contact details go stale two months later is worth sending for this long.
pub const REMINDER_LIFETIME: SignedDuration = SignedDuration::from_hours(30 * 24);
/// How long a worker may hold a notice before another may take it.
pub const LEASE: SignedDuration = SignedDuration::from_secs(30);
/// How long a call to a provider can last, its answer stored; after that it is not known what became of it.
pub const SENDING_LIMIT: SignedDuration = SignedDuration::from_secs(60);
/// After this long without knowing what became of a notice, the other channel is used.
pub const FALLBACK: SignedDuration = SignedDuration::from_hours(1);
/// First wait after a failure that may pass; it doubles with each, to an hour.
const FIRST_RETRY: SignedDuration = SignedDuration::from_secs(30);
const LONGEST_RETRY: SignedDuration = SignedDuration::from_hours(1);

/// A notice's identity. Random, so that it says nothing of the person.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, ToSchema)]
#[serde(transparent)]
pub struct NoticeId(pub Uuid);

impl std::fmt::Display for NoticeId {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.fmt(f)
    }
}

/// One notification to one person on one channel.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Notice {
    /// Its identity.
    pub id: NoticeId,
    /// To whom.
    pub person: PersonKey,
    /// By what.
    pub channel: Channel,
    /// What it says.
    #[serde(flatten)]
    pub message: Message,
    /// When it was first to go out; its deadline counts from here.
    pub first_due_at: Timestamp,
    /// After this it is not sent any more.
    pub deadline: Timestamp,
    /// Failed tries so far. Throttling is not one.
    pub attempts: u32,
    /// The request that it follows from; none in notices from before that was kept.
    #[serde(default, deserialize_with = "trace::stored", skip_serializing_if = "Option::is_none")]
    pub trace: Option<Trace>,
    /// The notice on the other channel that this one follows, where that came to nothing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub follows: Option<NoticeId>,
    /// Whether another notice has followed this one.
    #[serde(default, skip_serializing_if = "is_false")]
    pub followed: bool,
    /// Grows with every step: a write holds only on the epoch it read, which fences off whoever lost the lease.
    pub epoch: u64,
    /// Where it is in its life.
    #[serde(flatten)]
    pub state: State,
}

/// What a due notice needs, as the tick sees it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Wake {
    /// Nothing now.
    Nothing,
    /// Store it so, and put it into its send queue.
    Enqueue(Notice),
    /// Store it so: it has to wait for the day.
    Postpone(Notice),
    /// Store it so: it has come to an end, or its outcome is not known.
    Settle(Notice),
    /// Nothing is known of it for too long: another follows it on the other channel, see [`Notice::follow`].
    Follow,
}

/// Why a worker does not get a notice.
#[derive(Debug, Clone, Copy, thiserror::Error, PartialEq, Eq)]
pub enum NotClaimed {
    /// Another holds it.
    #[error("another worker holds the notice")]
    Held,
    /// Not yet due: a message that came early.
    #[error("the notice is not due yet")]
    Early,
    /// It has come to an end, or nobody may send it again.
    #[error("the notice is over")]
    Over,
}

impl Notice {
    /// A notice to be sent at `at`, or at the first decent hour after it where it can wait.
    pub fn new(id: NoticeId, person: PersonKey, channel: Channel, message: Message, at: Timestamp) -> Self {
        let due_at = decent(&message, channel, at);
        Self {
            id,
            person,
            channel,
            first_due_at: due_at,
            deadline: later(due_at, message.lifetime()),
            message,
            attempts: 0,
            trace: None,
            follows: None,
            followed: false,
            epoch: 1,
            state: State::Waiting {
                not_before: due_at,
                wake_at: due_at,
            },
        }
    }

    /// The notice as one that a request has caused.
    #[must_use]
    pub fn caused_by(self, trace: Option<Trace>) -> Self {
        Self { trace, ..self }
    }

    /// When the tick has to look at it; none once nothing more has to happen.
    pub fn wake_at(&self) -> Option<Timestamp> {
        match self.state {
            State::Waiting { wake_at, .. } => Some(wake_at),
            State::Claimed { until, .. } | State::Sending { until, .. } => Some(until),
            State::Unknown { since } if self.can_be_followed() => Some(later(since, FALLBACK)),
            _ => None,
        }
    }

    /// When it came to its end; none while something can still become of it.
    pub fn ended_at(&self) -> Option<Timestamp> {
        match self.state {
            State::Sent { at, .. }
            | State::Delivered { at }
            | State::Failed { at, .. }
            | State::Expired { at }
            | State::Cancelled { at } => Some(at),
            State::Unknown { since } => self.wake_at().is_none().then_some(since),
            State::Waiting { .. } | State::Claimed { .. } | State::Sending { .. } => None,
        }
    }

    /// Whether the other channel may say the same: what itself came as a second try is not tried a third time.
    const fn can_be_followed(&self) -> bool {
        self.message.suits_any_channel() && self.follows.is_none() && !self.followed
    }

    /// Whether a provider may have taken it, and so the person may have got it.
    pub const fn may_have_gone_out(&self) -> bool {
        matches!(
            self.state,
            State::Sending { .. } | State::Sent { .. } | State::Delivered { .. } | State::Unknown { .. }
        )
    }

    /// Whether nobody has called a provider with it, so that it can still be called off.
    pub const fn can_be_cancelled(&self) -> bool {
        matches!(self.state, State::Waiting { .. } | State::Claimed { .. })
    }

    /// This notice as followed, and the one that follows it on the other channel; none where there is nothing to
    /// follow: it did not fail, no other channel can say it, or it is too late for either.
    pub fn follow(&self, next: NoticeId, now: Timestamp) -> Option<(Self, Self)> {
        let came_to_nothing = match self.state {
            State::Failed { reason, .. } => reason.is_of_channel(),
            State::Unknown { .. } => true,
            _ => false,
        };
        (came_to_nothing && self.can_be_followed() && now < self.deadline).then(|| {
            let following = Self {
                follows: Some(self.id),
                trace: self.trace,
                // Both channels together have the time that one has.
                deadline: self.deadline,
                ..Self::new(
                    next,
                    self.person.clone(),
                    self.channel.other(),
                    self.message.clone(),
                    now,
                )
            };
            (self.left_alone(), following)
        })
    }

    /// This notice, which nobody has to look at any more: another follows it, or none is wanted.
    #[must_use]
    pub fn left_alone(&self) -> Self {
        Self {
            followed: true,
            ..self.step(self.state.clone())
        }
    }

    /// What has to happen to it at `now`. After `requeue` without a worker it is put into the queue again.
    pub fn wake(&self, now: Timestamp, requeue: SignedDuration) -> Wake {
        if self.wake_at().is_none_or(|wake_at| now < wake_at) {
            return Wake::Nothing;
        }
        let not_before = match self.state {
            State::Sending { .. } => return Wake::Settle(self.step(State::Unknown { since: now })),
            State::Unknown { .. } if now < self.deadline => return Wake::Follow,
            State::Unknown { .. } => return Wake::Settle(self.left_alone()),
            State::Waiting { not_before, .. } => not_before,
            State::Claimed { .. } => now,
            _ => return Wake::Nothing,
        };
        if now >= self.deadline {
            return Wake::Settle(self.step(State::Expired { at: now }));
        }
        if !self.may_ring(now) {
            return Wake::Postpone(self.waiting_until(now));
        }
        Wake::Enqueue(self.step(State::Waiting {
            not_before,
            wake_at: later(now, requeue),
        }))
    }

    /// Takes the notice on a lease for a worker.
    ///
    /// # Errors
    /// [`NotClaimed`], if it is not to be had.
    pub fn claim(&self, now: Timestamp, worker: Uuid) -> Result<Self, NotClaimed> {
        match self.state {
            State::Waiting { not_before, .. } if now < not_before || !self.may_ring(now) => Err(NotClaimed::Early),
            State::Claimed { until, .. } | State::Sending { until, .. } if now < until => Err(NotClaimed::Held),
            State::Waiting { .. } | State::Claimed { .. } if now < self.deadline => Ok(self.step(State::Claimed {
                until: later(now, LEASE),
                worker,
            })),
            // Expired, or to be settled as unknown: the tick's to write.
            _ => Err(NotClaimed::Over),
        }
    }

    /// The last step before the call to the provider; none if the lease, the deadline or the day has run out meanwhile.
    #[must_use]
    pub fn sending(&self, now: Timestamp) -> Option<Self> {
        match self.state {
            State::Claimed { until, worker } if now < until && now < self.deadline && self.may_ring(now) => {
                Some(self.step(State::Sending {
                    until: later(now, SENDING_LIMIT),
                    worker,
                }))
            }
            _ => None,
        }
    }

    /// The provider accepted it.
    #[must_use]
    pub fn sent(&self, message_id: String, now: Timestamp) -> Self {
        self.step(State::Sent { at: now, message_id })
    }

    /// It cannot be sent on this channel.
    #[must_use]
    pub fn failed(&self, reason: Failure, now: Timestamp) -> Self {
        self.step(State::Failed { at: now, reason })
    }

    /// The provider did certainly not get it: another try, later each time.
    #[must_use]
    pub fn retry(&self, now: Timestamp) -> Self {
        let wait = FIRST_RETRY
            .checked_mul(1 << self.attempts.min(10))
            .map_or(LONGEST_RETRY, |wait| wait.min(LONGEST_RETRY));
        Self {
            attempts: self.attempts + 1,
            ..self.postponed(wait, now)
        }
    }

    /// The provider has no room now: it waits, and the try does not count.
    #[must_use]
    pub fn postponed(&self, wait: SignedDuration, now: Timestamp) -> Self {
        self.waiting_until(later(now, wait))
    }

    /// The person would rather have it on the other channel, and no provider was called on this one.
    #[must_use]
    pub fn moved(&self, now: Timestamp) -> Self {
        let channel = self.channel.other();
        Self {
            channel,
            ..self.clone()
        }
        .waiting_until(now)
    }

    /// The call was made and its answer lost.
    #[must_use]
    pub fn unknown(&self, now: Timestamp) -> Self {
        self.step(State::Unknown { since: now })
    }

    /// As it is put back from a time before its table was lost, at `lost_at`: what may have been sent by then nobody sends
    /// again, on either channel. What was not to go out before waits as it did.
    #[must_use]
    pub fn put_back(&self, lost_at: Timestamp) -> Self {
        match self.state {
            State::Waiting { not_before, .. } if not_before > lost_at => self.clone(),
            State::Waiting { .. } | State::Claimed { .. } | State::Sending { .. } => self.unknown(lost_at).left_alone(),
            State::Unknown { .. } => self.left_alone(),
            _ => self.clone(),
        }
    }

    /// No longer wanted.
    #[must_use]
    pub fn cancelled(&self, now: Timestamp) -> Self {
        self.step(State::Cancelled { at: now })
    }

    /// What a provider's report makes of it; none where it says nothing new.
    ///
    /// Reports come late, twice and in any order: each takes a notice on, and none takes it back.
    #[must_use]
    pub fn reported(&self, receipt: Receipt, message_id: &str, now: Timestamp) -> Option<Self> {
        let is_open = matches!(
            self.state,
            State::Waiting { .. } | State::Claimed { .. } | State::Sending { .. } | State::Unknown { .. }
        );
        let is_on_its_way = is_open || matches!(self.state, State::Sent { .. });
        let has_arrived = matches!(self.state, State::Delivered { .. });
        let next = match receipt {
            Receipt::Accepted if is_open => State::Sent {
                at: now,
                message_id: message_id.to_owned(),
            },
            Receipt::Delivered | Receipt::Complained if is_on_its_way => State::Delivered { at: now },
            // A mail server may take a message and find out later that nobody has the address. Its other words after
            // the delivery, such as that somebody is on holiday, change nothing.
            Receipt::Undelivered(fate) if is_on_its_way || has_arrived && fate == Fate::AddressDead => State::Failed {
                at: now,
                reason: match fate {
                    Fate::AddressDead => Failure::AddressRefused,
                    Fate::MessageFailed => Failure::Undelivered,
                },
            },
            Receipt::Accepted
            | Receipt::Delayed
            | Receipt::Delivered
            | Receipt::Undelivered(_)
            | Receipt::Complained => return None,
        };
        Some(self.step(next))
    }

    /// Whether it may reach the person at this hour.
    fn may_ring(&self, now: Timestamp) -> bool {
        decent(&self.message, self.channel, now) == now
    }

    fn waiting_until(&self, at: Timestamp) -> Self {
        // In whole milliseconds, as the index has it: else the tick would look a moment too early.
        let at = at.round(Unit::Millisecond).unwrap_or(at);
        let at = decent(&self.message, self.channel, at);
        self.step(State::Waiting {
            not_before: at,
            wake_at: at,
        })
    }

    fn step(&self, state: State) -> Self {
        Self {
            epoch: self.epoch + 1,
            state,
            ..self.clone()
        }
    }
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde calls it with a reference")]
const fn is_false(value: &bool) -> bool {
    !*value
}

/// `at`, or the first decent hour after it for a telephone and what can wait.
fn decent(message: &Message, channel: Channel, at: Timestamp) -> Timestamp {
    match channel {
        Channel::Sms if message.can_wait_for_the_day() => hours::next_decent(at),
        Channel::Sms | Channel::Email => at,
    }
}

/// `now` plus a duration, at the most the end of time.
fn later(now: Timestamp, wait: SignedDuration) -> Timestamp {
    now.checked_add(wait).unwrap_or(Timestamp::MAX)
}
