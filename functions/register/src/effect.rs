//! A command to a person's entry: one transaction for all that follows from it.

use infra_aws::{
    codes::TooSoon,
    effects,
    register::{Located, Stored},
    requests::{Answer, Claim},
    retry,
    transaction::{self, CommitError, Part},
};
use infra_edge::{
    once::{Done, Request, once},
    problem::{Kind, Problem},
    request::IfMatch,
    trace,
    unavailable::{OrUnavailable as _, not_committed},
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
        let keys = self.secrets.keys(order.person);
        for race in 0..retry::MAX_RACES {
            retry::race(race).await;
            let Located { key, stored: before } = self.register.entries().find(&keys).await.or_unavailable()?;
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
            let version = view::version(before.as_ref());
            if order.if_match.is_some_and(|if_match| !if_match.admits(version)) {
                return Err(Kind::PreconditionFailed.into());
            }

            let outcome = outcome.under(&key, &keys);
            let mut writes = order.besides.clone();
            for channel in &outcome.codes {
                let address = outcome
                    .entry
                    .registration()
                    .and_then(|registration| registration.address(*channel));
                if let Some(address) = address {
                    let own: Vec<_> = outcome.entry.own_keys(&key).cloned().collect();
                    let last = self.codes.last(&own, *channel).await.or_unavailable()?;
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
            let trace = trace::current();
            let effects = effects::writes(&self.register, &self.notices, &key, &outcome, &sharing, now, trace);
            writes.extend(effects.or_unavailable()?);

            let after = Stored::after(key, before.as_ref(), outcome, &sharing);
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
        once(&self.requests, request, now, async |claim| {
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
                address: IssuedFor::new(self.secrets.current(), address),
            },
            now,
        )
        .caused_by(trace::current());
        let adding = self.notices.adding(&notice).or_unavailable()?;
        Ok([issuing, adding])
    }
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
