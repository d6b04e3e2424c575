//! A notification's life: `Waiting → Claimed → Sending → Sent → Delivered`, or one of the ends on the way.
//!
//! Two rules keep a person from being told twice or not at all. Whoever holds a notice holds it on a lease and may
//! write it only on the epoch it read; and between "about to call the provider" and "the provider answered" stands
//! `Sending`, from which nobody sends again: a worker lost there leaves the notice `Unknown`.

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::{
    code::{CODE_LIFETIME, Challenge, IssuedFor},
    contact::{Address, Channel},
    language::Language,
    mailbox::ProviderId,
    person::PersonKey,
};

/// A notice that did not get out this long after it was due expires.
pub const DEADLINE: SignedDuration = SignedDuration::from_hours(72);
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
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct NoticeId(pub Uuid);

impl std::fmt::Display for NoticeId {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.fmt(f)
    }
}

/// What a person is told.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case")]
pub enum Message {
    /// This provider's mailbox is now the active one.
    MailboxChosen {
        /// Which provider.
        provider: ProviderId,
    },
    /// An address in the register was changed or taken away; sent to the former one, whatever became of the entry.
    AddressChanged {
        /// Where to.
        former: Address,
        /// In which language: the entry may be gone when it is sent.
        language: Language,
    },
    /// A verification code for an address.
    Code {
        /// What the code is derived from when it is sent.
        challenge: Challenge,
        /// The address it proves: to another it is not sent.
        address: IssuedFor,
    },
}

impl Message {
    /// The kind's name, for records and metrics.
    pub const fn kind(&self) -> &'static str {
        match self {
            Self::MailboxChosen { .. } => "mailbox-chosen",
            Self::AddressChanged { .. } => "address-changed",
            Self::Code { .. } => "code",
        }
    }
}

/// Where a notice is in its life.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "state", rename_all = "lowercase")]
pub enum State {
    /// Has still to be sent.
    Waiting {
        /// Not before this.
        #[serde(rename = "notBefore")]
        not_before: Timestamp,
        /// When the tick looks at it again.
        #[serde(rename = "wakeAt")]
        wake_at: Timestamp,
    },
    /// A worker prepares it.
    Claimed {
        /// The lease's end.
        until: Timestamp,
        /// Who holds it: tells a worker's own write, come twice, from another's.
        worker: Uuid,
    },
    /// A worker calls the provider.
    Sending {
        /// When the call must be over.
        until: Timestamp,
        /// Who calls.
        worker: Uuid,
    },
    /// The provider accepted it.
    Sent {
        /// When.
        at: Timestamp,
        /// The provider's identity for it.
        #[serde(rename = "messageId")]
        message_id: String,
    },
    /// The provider says that it arrived.
    Delivered {
        /// When.
        at: Timestamp,
    },
    /// It cannot be sent.
    Failed {
        /// When that turned out.
        at: Timestamp,
        /// Why.
        reason: Failure,
    },
    /// It may have been sent: the answer was lost. Never sent again on this channel.
    Unknown {
        /// Since when.
        since: Timestamp,
    },
    /// Its deadline passed.
    Expired {
        /// When that was seen.
        at: Timestamp,
    },
    /// No longer wanted.
    Cancelled {
        /// When.
        at: Timestamp,
    },
}

/// Why a notice cannot be sent on its channel.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Failure {
    /// The person has no address on this channel (any more).
    NoAddress,
    /// The provider refuses the address for good: opted out, suppressed, not a subscriber.
    AddressRefused,
    /// The provider refuses the message.
    MessageRefused,
    /// The text cannot be written within its limits.
    NoText,
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
    /// Store it so: it has come to an end, or its outcome is not known.
    Settle(Notice),
    /// Store it so, together with the notice that follows it on the other channel.
    Follow(Box<(Notice, Notice)>),
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
    /// A notice to be sent at once.
    pub fn new(id: NoticeId, person: PersonKey, channel: Channel, message: Message, now: Timestamp) -> Self {
        // A code is of no use once it has run out.
        let lifetime = match message {
            Message::Code { .. } => CODE_LIFETIME,
            Message::MailboxChosen { .. } | Message::AddressChanged { .. } => DEADLINE,
        };
        Self {
            id,
            person,
            channel,
            message,
            first_due_at: now,
            deadline: later(now, lifetime),
            attempts: 0,
            follows: None,
            followed: false,
            epoch: 1,
            state: State::Waiting {
                not_before: now,
                wake_at: now,
            },
        }
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

    /// Whether the other channel can say the same. A code and a word to a former address belong to one address, and
    /// what itself came as a second try is not tried a third time.
    const fn can_be_followed(&self) -> bool {
        matches!(self.message, Message::MailboxChosen { .. }) && self.follows.is_none() && !self.followed
    }

    /// This notice as followed, and the one that follows it on the other channel; none where there is nothing to
    /// follow: it did not fail, or no other channel can say it.
    pub fn follow(&self, next: NoticeId, now: Timestamp) -> Option<(Self, Self)> {
        let came_to_nothing = matches!(self.state, State::Failed { .. } | State::Unknown { .. });
        (came_to_nothing && self.can_be_followed()).then(|| {
            let followed = Self {
                followed: true,
                ..self.step(self.state.clone())
            };
            let following = Self {
                follows: Some(self.id),
                ..Self::new(
                    next,
                    self.person.clone(),
                    self.channel.other(),
                    self.message.clone(),
                    now,
                )
            };
            (followed, following)
        })
    }

    /// What has to happen to it at `now`. After `requeue` without a worker it is put into the queue again; a notice
    /// that follows it is `next`.
    pub fn wake(&self, now: Timestamp, requeue: SignedDuration, next: NoticeId) -> Wake {
        if self.wake_at().is_none_or(|wake_at| now < wake_at) {
            return Wake::Nothing;
        }
        let not_before = match self.state {
            State::Sending { .. } => return Wake::Settle(self.step(State::Unknown { since: now })),
            State::Unknown { .. } => {
                return self
                    .follow(next, now)
                    .map_or(Wake::Nothing, |both| Wake::Follow(Box::new(both)));
            }
            State::Waiting { not_before, .. } => not_before,
            State::Claimed { .. } => now,
            _ => return Wake::Nothing,
        };
        if now >= self.deadline {
            return Wake::Settle(self.step(State::Expired { at: now }));
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
            State::Waiting { not_before, .. } if now < not_before => Err(NotClaimed::Early),
            State::Claimed { until, .. } | State::Sending { until, .. } if now < until => Err(NotClaimed::Held),
            State::Waiting { .. } | State::Claimed { .. } if now < self.deadline => Ok(self.step(State::Claimed {
                until: later(now, LEASE),
                worker,
            })),
            // Expired, or to be settled as unknown: the tick's to write.
            _ => Err(NotClaimed::Over),
        }
    }

    /// The last step before the call to the provider; none if the lease or the deadline has run out meanwhile.
    #[must_use]
    pub fn sending(&self, now: Timestamp) -> Option<Self> {
        match self.state {
            State::Claimed { until, worker } if now < until && now < self.deadline => Some(self.step(State::Sending {
                until: later(now, SENDING_LIMIT),
                worker,
            })),
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
        let at = later(now, wait);
        self.step(State::Waiting {
            not_before: at,
            wake_at: at,
        })
    }

    /// The call was made and its answer lost.
    #[must_use]
    pub fn unknown(&self, now: Timestamp) -> Self {
        self.step(State::Unknown { since: now })
    }

    /// No longer wanted.
    #[must_use]
    pub fn cancelled(&self, now: Timestamp) -> Self {
        self.step(State::Cancelled { at: now })
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

/// `now` plus a duration, at the most the end of time.
fn later(now: Timestamp, wait: SignedDuration) -> Timestamp {
    now.checked_add(wait).unwrap_or(Timestamp::MAX)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const REQUEUE: SignedDuration = SignedDuration::from_mins(15);

    fn start() -> Timestamp {
        "2026-03-01T10:00:00Z".parse().unwrap()
    }

    fn notice() -> Notice {
        Notice::new(
            NoticeId(Uuid::from_u128(1)),
            PersonKey::from_stored("v1#x"),
            Channel::Sms,
            Message::MailboxChosen {
                provider: "digipost".parse().unwrap(),
            },
            start(),
        )
    }

    fn worker() -> Uuid {
        Uuid::from_u128(11)
    }

    fn next() -> NoticeId {
        NoticeId(Uuid::from_u128(12))
    }

    fn after(seconds: i64) -> Timestamp {
        later(start(), SignedDuration::from_secs(seconds))
    }

    #[test]
    fn a_held_notice_is_nobody_elses_until_the_lease_ends() {
        let claimed = notice().claim(start(), worker()).unwrap();
        assert_eq!(claimed.claim(after(29), worker()), Err(NotClaimed::Held));
        assert!(claimed.claim(after(30), worker()).unwrap().epoch > claimed.epoch);
    }

    #[test]
    fn a_worker_that_slept_through_its_lease_may_not_call() {
        let claimed = notice().claim(start(), worker()).unwrap();
        assert!(claimed.sending(after(29)).is_some());
        assert_eq!(claimed.sending(after(30)), None);
    }

    #[test]
    fn a_worker_lost_while_sending_leaves_the_outcome_unknown_for_ever() {
        let sending = notice().claim(start(), worker()).unwrap().sending(start()).unwrap();
        assert_eq!(sending.wake(after(59), REQUEUE, next()), Wake::Nothing);
        assert_eq!(sending.claim(after(61), worker()), Err(NotClaimed::Over));
        let Wake::Settle(unknown) = sending.wake(after(60), REQUEUE, next()) else {
            panic!("the tick settles it");
        };
        assert_eq!(unknown.state, State::Unknown { since: after(60) });
        assert_eq!(unknown.claim(after(100_000), worker()), Err(NotClaimed::Over));
        // An hour later the other channel says it, once; on this one nobody ever does.
        assert_eq!(unknown.wake(after(60 + 3599), REQUEUE, next()), Wake::Nothing);
        let Wake::Follow(both) = unknown.wake(after(60 + 3600), REQUEUE, next()) else {
            panic!("the other channel is used");
        };
        let (followed, following) = *both;
        assert_eq!(
            (following.channel, following.follows),
            (Channel::Email, Some(unknown.id))
        );
        assert_eq!(followed.wake(after(100_000), REQUEUE, next()), Wake::Nothing);
        assert_eq!(followed.claim(after(100_000), worker()), Err(NotClaimed::Over));
        let sent_nowhere = following.failed(Failure::NoAddress, after(4000));
        assert_eq!(sent_nowhere.follow(next(), after(4000)), None);
    }

    #[test]
    fn a_worker_lost_before_sending_costs_nothing() {
        let claimed = notice().claim(start(), worker()).unwrap();
        let Wake::Enqueue(waiting) = claimed.wake(after(30), REQUEUE, next()) else {
            panic!("it goes to the queue again");
        };
        assert!(waiting.claim(after(30), worker()).is_ok());
    }

    #[test]
    fn after_the_deadline_it_expires_and_is_never_sent_late() {
        let late = later(start(), DEADLINE);
        assert_eq!(notice().claim(late, worker()), Err(NotClaimed::Over));
        assert!(matches!(
            notice().wake(late, REQUEUE, next()),
            Wake::Settle(Notice {
                state: State::Expired { .. },
                ..
            })
        ));
    }

    #[test]
    fn a_code_expires_with_the_code() {
        let code = Notice::new(
            NoticeId(Uuid::from_u128(2)),
            PersonKey::from_stored("v1#x"),
            Channel::Sms,
            Message::Code {
                challenge: Challenge::new(Uuid::from_u128(3)),
                address: serde_json::from_str("\"x\"").unwrap(),
            },
            start(),
        );
        assert_eq!(code.deadline, later(start(), CODE_LIFETIME));
    }

    #[test]
    fn tries_come_later_each_time_and_throttling_is_no_try() {
        let mut held = notice().claim(start(), worker()).unwrap();
        let mut waits = Vec::new();
        for _ in 0..9 {
            let retried = held.retry(start());
            let State::Waiting { not_before, .. } = retried.state else {
                panic!("it waits");
            };
            waits.push(not_before.as_second() - start().as_second());
            held = Notice {
                state: held.state.clone(),
                ..retried
            };
        }
        assert_eq!(waits, [30, 60, 120, 240, 480, 960, 1920, 3600, 3600]);
        assert_eq!(
            held.postponed(SignedDuration::from_secs(5), start()).attempts,
            held.attempts
        );
    }

    #[derive(Debug, Clone)]
    enum Step {
        Pass(u32),
        Tick,
        Claim,
        Call,
        Answer,
        Lose,
    }

    fn steps() -> impl Strategy<Value = Vec<Step>> {
        let step = prop_oneof![
            (1u32..100_000).prop_map(Step::Pass),
            Just(Step::Tick),
            Just(Step::Claim),
            Just(Step::Call),
            Just(Step::Answer),
            Just(Step::Lose),
        ];
        proptest::collection::vec(step, 1..60)
    }

    proptest! {
        /// Several workers with copies of their own, any of which may sleep, crash or come late; a store that takes
        /// a write only on the epoch it was made from. The simple model counts calls to the provider.
        #[test]
        fn whatever_workers_do_the_provider_is_called_at_most_once(steps in steps()) {
            let mut now = start();
            let mut stored = notice();
            let mut held: Vec<Notice> = Vec::new();
            let mut calls = 0;
            let put = |stored: &mut Notice, read: &Notice, new: Notice| {
                let fits = stored.epoch == read.epoch;
                if fits {
                    *stored = new;
                }
                fits
            };
            for step in steps {
                match step {
                    Step::Pass(seconds) => now = later(now, SignedDuration::from_secs(seconds.into())),
                    Step::Tick => match stored.wake(now, REQUEUE, next()) {
                        Wake::Nothing => {}
                        Wake::Enqueue(new) | Wake::Settle(new) => stored = new,
                        Wake::Follow(both) => stored = both.0,
                    },
                    Step::Claim => {
                        if let Ok(claimed) = stored.claim(now, worker()) {
                            stored = claimed.clone();
                            held.push(claimed);
                        }
                    }
                    Step::Call => {
                        if let Some(claimed) = held.pop()
                            && let Some(sending) = claimed.sending(now)
                            && put(&mut stored, &claimed, sending.clone())
                        {
                            calls += 1;
                            held.insert(0, sending);
                        }
                    }
                    Step::Answer => {
                        if let Some(at) = held.iter().position(|copy| matches!(copy.state, State::Sending { .. })) {
                            let sending = held.remove(at);
                            put(&mut stored, &sending, sending.sent("id".to_owned(), now));
                        }
                    }
                    Step::Lose => {
                        held.pop();
                    }
                }
            }
            prop_assert!(calls <= 1);
            // Nothing is lost: it is over, or the tick will look at it.
            prop_assert!(stored.ended_at().is_some() != stored.wake_at().is_some());
            if calls == 0 {
                let open = matches!(
                    stored.state,
                    State::Waiting { .. } | State::Claimed { .. } | State::Expired { .. }
                );
                prop_assert!(open);
            }
        }
    }
}
