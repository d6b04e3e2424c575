//! `/v1/me/contact/validate`: the code that a person received.

use axum::{extract::State, http::StatusCode, response::Response};
use infra_aws::{
    codes::{Attempt, Codes, TooSoon},
    register::Stored,
    requests::{Answer, Claim},
    transaction::{CommitError, Part},
};
use infra_edge::{
    body::{Body, Field, Given, Reading},
    once::{Done, Request, answer, once, respond, text},
    problem::{Kind, Problem},
    request::{IdempotencyKey, IfMatch},
    unavailable::{OrUnavailable as _, not_committed},
};
use jiff::Timestamp;
use mailbox_register::{
    caller::Citizen,
    code::{Code, RESEND_AFTER},
    contact::{Address, Channel},
    entry::{Actor, Command, Entry},
    person::PersonKey,
};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::{App, SharedApp, callers::ContactWriter, contact::parse_channel, effect::Order, view};

/// A code received on a channel; without `code`: send me one (again).
#[derive(Debug, Deserialize, ToSchema)]
pub(crate) struct Validate {
    #[schema(value_type = Channel, required = true)]
    #[serde(default)]
    channel: Field,
    /// The six digits.
    #[schema(value_type = Code)]
    #[serde(default)]
    code: Field,
}

/// A code is on its way.
#[derive(Serialize, ToSchema)]
pub(crate) struct SentAgain {
    channel: Channel,
}

/// Takes a code, or sends one again.
pub(crate) async fn validate(
    ContactWriter(citizen): ContactWriter,
    key: IdempotencyKey,
    if_match: Option<IfMatch>,
    State(app): State<SharedApp>,
    Body { value, raw }: Body<Validate>,
) -> Result<Response, Problem> {
    let now = app.clock.now();
    let mut reading = Reading::default();
    let channel = reading.required("channel", value.channel, parse_channel);
    let code = reading.nullable("code", value.code, |text| {
        Code::parse(text).map_err(|_| Kind::WrongCode)
    });
    // An empty field of a form is no wish for another code.
    let code = code.and_then(|code| match code {
        Given::Value(code) => Some(Some(code)),
        Given::Absent => Some(None),
        Given::Null => reading.refuse("code", Kind::InvalidValue),
    });
    let (channel, code) = reading.finish(channel.zip(code))?;

    let request = Request {
        caller: citizen.person.as_str(),
        key: Some(&key),
        content: ["POST /v1/me/contact/validate", text(&raw)],
    };
    let answer = once(&app.requests, request, now, async |claim| {
        let found = app.located(&citizen.person).await?;
        let registration = found.entry().and_then(Entry::registration);
        let address = registration.and_then(|registration| registration.address(channel));
        let keys = found.stored.as_ref().map(Stored::own_keys).unwrap_or_default();
        if let Some(code) = code {
            let address = address.ok_or(Kind::WrongCode)?;
            app.take_code(&citizen, &keys, address, &code, if_match.as_ref(), claim, now)
                .await
        } else {
            let address = address.ok_or(Kind::ContactRequired)?;
            app.send_again(&keys, &address, claim, now).await
        }
    })
    .await?;
    // Only the entry has a version; "sent again" names nobody.
    Ok(if answer.version.is_some() {
        view::to_citizen(answer, &citizen.person)
    } else {
        respond(answer)
    })
}

impl App {
    #[expect(clippy::too_many_arguments, reason = "one call, and each is a thing of its own")]
    async fn take_code(
        &self,
        citizen: &Citizen,
        keys: &[PersonKey],
        address: Address,
        code: &Code,
        if_match: Option<&IfMatch>,
        claim: Option<&Claim>,
        now: Timestamp,
    ) -> Result<Done, Problem> {
        let attempt = self.codes.attempt(keys, &address, code, now).await.or_unavailable()?;
        let issued = match attempt {
            Attempt::Right(issued) => issued,
            Attempt::Wrong => return Err(Kind::WrongCode.into()),
            Attempt::TooMany(seconds) => return Err(Problem::new(Kind::TooManyRequests).retry_after(seconds)),
        };
        let using = self.codes.using(address.channel(), &issued).or_unavailable()?;
        let providers = self.directory.providers(now).await.or_unavailable()?;
        let order = Order {
            person: &citizen.person,
            actor: Actor::Citizen,
            command: Command::Validate(address),
            if_match,
            besides: vec![using],
        };
        self.transition(order, claim, now, |step| {
            view::own_entry(step.after, citizen, &providers, now)
        })
        .await
    }

    async fn send_again(
        &self,
        keys: &[PersonKey],
        address: &Address,
        claim: Option<&Claim>,
        now: Timestamp,
    ) -> Result<Done, Problem> {
        let person = keys.first().ok_or(Kind::ContactRequired)?;
        let last = self.codes.last(keys, address.channel()).await.or_unavailable()?;
        Codes::may_resend(last.as_ref(), now)
            .map_err(|TooSoon(seconds)| Problem::new(Kind::TooManyRequests).retry_after(seconds))?;
        let mut writes = Vec::from(self.issue_code(person, address, last.as_ref(), now)?);
        let answer: Answer = answer(
            StatusCode::ACCEPTED,
            None,
            &SentAgain {
                channel: address.channel(),
            },
        );
        if let Some(claim) = claim {
            let answering = self.requests.answering(claim, &answer);
            writes.push(answering.or_unavailable()?);
        }
        self.register.commit(writes).await.map_err(|error| match error {
            // Another wish for a code came at the same time, and was granted.
            CommitError::Conflict(Part::Code) => {
                let seconds = u32::try_from(RESEND_AFTER.as_secs()).unwrap_or(u32::MAX);
                Problem::new(Kind::TooManyRequests).retry_after(seconds)
            }
            error => not_committed(&error),
        })?;
        Ok(Done::with_answer_stored(answer))
    }
}
