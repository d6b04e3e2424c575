//! A request with an effect: once for each key, and one transaction for all that follows from it.

use std::time::Duration;

use infra_aws::{
    codes::TooSoon,
    error::StoreError,
    register::Stored,
    requests::{Answer, Begun, Claim},
    retry,
    transaction::{self, CommitError, Part},
};
use infra_edge::{
    problem::{Kind, Problem},
    request::{IdempotencyKey, IfMatch},
};
use jiff::Timestamp;
use mailbox_register::{
    caller::Citizen,
    code::{Challenge, IssuedFor},
    entry::{self, Actor, Command, Refused, Transition},
    notice::{Message, Notice, NoticeId},
    person::{PersonIdentifier, PersonKey},
};
use uuid::Uuid;

use crate::{App, view};

/// Tries after another writer was first.
const MAX_RACES: u32 = 8;

/// A request that may come twice.
pub(crate) struct Request<'a> {
    /// Who asks: part of the key's meaning, so that no caller meets another's answers.
    pub(crate) caller: &'a str,
    /// The caller's name for the request.
    pub(crate) key: Option<&'a IdempotencyKey>,
    /// All that makes it this request and no other: route and body.
    pub(crate) content: [&'a str; 2],
}

/// What was done.
pub(crate) struct Done {
    pub(crate) answer: Answer,
    /// Whether the answer was stored with it.
    stored: bool,
}

impl Done {
    /// Done, the answer stored in the same transaction.
    pub(crate) const fn with_answer_stored(answer: Answer) -> Self {
        Self { answer, stored: true }
    }

    /// There was nothing to do.
    pub(crate) const fn nothing(answer: Answer) -> Self {
        Self { answer, stored: false }
    }
}

/// A person's entry before and after a command. The same, where the command changes nothing.
pub(crate) struct Step<'a> {
    pub(crate) before: Option<&'a Stored>,
    pub(crate) after: Option<&'a Stored>,
}

/// A command to a person's entry.
pub(crate) struct Order<'a> {
    pub(crate) person: &'a PersonIdentifier,
    pub(crate) actor: Actor,
    pub(crate) command: Command,
    /// The versions it may be applied to; none: whatever there is.
    pub(crate) if_match: Option<&'a IfMatch>,
    /// Writes that belong to it, such as using a code up.
    pub(crate) besides: Vec<transaction::Write>,
}

impl App {
    /// Does the work of a request once, however often it comes, and gives the same answer each time.
    pub(crate) async fn once(
        &self,
        request: Request<'_>,
        now: Timestamp,
        work: impl AsyncFnOnce(Option<&Claim>) -> Result<Done, Problem>,
    ) -> Result<Answer, Problem> {
        let Some(key) = request.key else {
            return work(None).await.map(|done| done.answer);
        };
        let begun = self
            .requests
            .begin(request.caller, key.as_str(), &request.content, now)
            .await
            .or_unavailable()?;
        let claim = match begun {
            Begun::New(claim) => claim,
            Begun::Answered(answer) => return Ok(answer),
            Begun::InProgress => return Err(Kind::RequestInProgress.into()),
            Begun::Reused => return Err(Kind::IdempotencyKeyReused.into()),
        };
        match work(Some(&claim)).await {
            Ok(done) => {
                if !done.stored {
                    self.requests
                        .answer(&claim, &done.answer)
                        .await
                        .map_err(|error| not_committed(&error))?;
                }
                Ok(done.answer)
            }
            Err(problem) => {
                // Safe also where the store's answer was lost: what was stored has its answer with it and stays, and
                // a transaction still on its way finds the request gone and is not stored.
                if let Err(error) = self.requests.release(&claim).await {
                    tracing::warn!(%error, "a failed request stays in progress for a minute");
                }
                Err(problem)
            }
        }
    }

    /// Applies a command to a person's entry and stores what follows: entry, change, notices, codes and answer.
    ///
    /// Another writer's change in between is no fault: the command is applied anew to what is there then.
    pub(crate) async fn transition(
        &self,
        order: Order<'_>,
        claim: Option<&Claim>,
        now: Timestamp,
        answer: impl Fn(&Step<'_>) -> Answer,
    ) -> Result<Done, Problem> {
        let key = self.secret.person_key(order.person);
        for race in 0..MAX_RACES {
            if race > 0 {
                retry::wait(race, Duration::from_millis(5), Duration::from_millis(100)).await;
            }
            let before = self.register.entries().one(&key).await.or_unavailable()?;
            let entry = before.as_ref().map(|stored| &stored.entry);
            let transition = entry::apply(entry, order.person, order.command.clone(), order.actor.clone(), now)
                .map_err(refused_problem)?;
            let Transition::Changed(outcome) = transition else {
                // The entry already is as the caller wants it: a repeated request gets its answer, whatever version
                // it was first made on (RFC 9110, section 13.1.1).
                let step = Step {
                    before: before.as_ref(),
                    after: before.as_ref(),
                };
                return Ok(Done::nothing(answer(&step)));
            };
            let version = entry.map_or(0, |entry| entry.version);
            if order.if_match.is_some_and(|if_match| !if_match.admits(version)) {
                return Err(Kind::PreconditionFailed.into());
            }

            let mut writes = order.besides.clone();
            for (channel, message) in outcome.notices.clone() {
                let notice = Notice::new(NoticeId(Uuid::new_v4()), key.clone(), channel, message, now);
                writes.push(self.notices.adding(&notice).or_unavailable()?);
            }
            for channel in &outcome.codes {
                let address = outcome
                    .entry
                    .registration()
                    .and_then(|registration| registration.address(*channel));
                if let Some(address) = address {
                    let last = self.codes.last(&key, *channel).await.or_unavailable()?;
                    writes.extend(self.issue_code(&key, &address, last.as_ref(), now)?);
                }
            }
            let sharing = self
                .addresses
                .sharing(
                    &key,
                    entry.and_then(|entry| entry.registration()),
                    outcome.entry.registration(),
                )
                .await
                .or_unavailable()?;
            writes.extend(sharing.writes());
            let stored = self.register.writes(&key, &outcome, &sharing);
            writes.extend(stored.or_unavailable()?);

            let after = Stored::after(before.as_ref(), outcome.entry, &sharing);
            let answer = answer(&Step {
                before: before.as_ref(),
                after: Some(&after),
            });
            if let Some(claim) = claim {
                let answering = self.requests.answering(claim, &answer);
                writes.push(answering.or_unavailable()?);
            }
            match self.register.commit(writes).await {
                Ok(()) => return Ok(Done::with_answer_stored(answer)),
                Err(CommitError::Conflict(Part::Entry | Part::Address | Part::Notice)) => {}
                Err(CommitError::Conflict(Part::Code)) if order.besides.is_empty() => {}
                Err(error) => return Err(not_committed(&error)),
            }
        }
        metrics::counter!("LostRaces").increment(1);
        Err(Kind::Unavailable.into())
    }

    /// Applies a citizen's command to the own entry; the answer is the entry.
    pub(crate) async fn change_own(
        &self,
        citizen: &Citizen,
        request: Request<'_>,
        command: Command,
        if_match: Option<&IfMatch>,
    ) -> Result<Answer, Problem> {
        let now = self.clock.now();
        let providers = self.directory.providers(now).await.or_unavailable()?;
        self.once(request, now, async |claim| {
            let order = Order {
                person: &citizen.person,
                actor: Actor::Citizen,
                command,
                if_match,
                besides: Vec::new(),
            };
            self.transition(order, claim, now, |step| {
                view::own_entry(step.after, citizen, &providers, now)
            })
            .await
        })
        .await
    }

    /// The writes that issue a code for an address and have it sent.
    pub(crate) fn issue_code(
        &self,
        key: &PersonKey,
        address: &mailbox_register::contact::Address,
        last: Option<&infra_aws::codes::Issued>,
        now: Timestamp,
    ) -> Result<[transaction::Write; 2], Problem> {
        let challenge = Challenge::new(Uuid::new_v4());
        let issuing = self
            .codes
            .issuing(key, address, &challenge, last, now)
            .or_unavailable()?
            .map_err(|TooSoon(seconds)| Problem::new(Kind::TooManyRequests).retry_after(seconds))?;
        let notice = Notice::new(
            NoticeId(Uuid::new_v4()),
            key.clone(),
            address.channel(),
            Message::Code {
                challenge,
                address: IssuedFor::new(&self.secret, address),
            },
            now,
        );
        let adding = self.notices.adding(&notice).or_unavailable()?;
        Ok([issuing, adding])
    }
}

/// A body that was read as JSON is UTF-8.
pub(crate) fn text(raw: &[u8]) -> &str {
    std::str::from_utf8(raw).unwrap_or_default()
}

const fn refused_kind(refused: Refused) -> Kind {
    match refused {
        Refused::Reserved => Kind::Reserved,
        Refused::Deleted => Kind::Deleted,
        Refused::NotRegistered => Kind::NotRegistered,
        Refused::ContactRequired => Kind::ContactRequired,
        Refused::MailboxNotFound => Kind::MailboxNotFound,
        // The address was changed after its code was sent.
        Refused::AddressNotCurrent => Kind::WrongCode,
    }
}

fn refused_problem(refused: Refused) -> Problem {
    refused_kind(refused).into()
}

/// What the store failed to do is a problem of this service.
pub(crate) trait OrUnavailable<T> {
    /// The value, or the answer where the store did not do its part.
    fn or_unavailable(self) -> Result<T, Problem>;
}

impl<T> OrUnavailable<T> for Result<T, StoreError> {
    fn or_unavailable(self) -> Result<T, Problem> {
        self.map_err(|error| unavailable(&error))
    }
}

fn unavailable(error: &StoreError) -> Problem {
    match error {
        StoreError::Unavailable(_) => {
            tracing::warn!(%error, "the store is unavailable");
            Problem::new(Kind::Unavailable).retry_after(2)
        }
        StoreError::Refused(_) | StoreError::Unreadable(_) | StoreError::Unwritable(_) => {
            tracing::error!(%error, "the store and this code do not fit");
            Kind::Internal.into()
        }
    }
}

/// The answer where a transaction was not stored.
pub(crate) fn not_committed(error: &CommitError) -> Problem {
    match error {
        // Another worker took the request over; or the code was used up at the same time.
        CommitError::Conflict(Part::Request) => Kind::RequestInProgress.into(),
        CommitError::Conflict(Part::Code) => Kind::WrongCode.into(),
        CommitError::Conflict(_) => Kind::Unavailable.into(),
        CommitError::Store(error) => unavailable(error),
    }
}
