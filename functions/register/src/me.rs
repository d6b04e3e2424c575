//! `/v1/me`: the citizen's own entry.

use axum::{extract::State, response::Response};
use infra_edge::{
    caller::CitizenCaller,
    once::{Request, once, respond},
    problem::Problem,
    request::{IdempotencyKey, IfMatch},
    unavailable::OrUnavailable as _,
};
use mailbox_register::entry::{Actor, Command, DeletionReason};

use crate::{SharedApp, callers::ContactWriter, effect::Order, view};

/// Shows the entry. What the token's scopes do not cover is left out.
pub(crate) async fn show(
    CitizenCaller(citizen): CitizenCaller,
    State(app): State<SharedApp>,
) -> Result<Response, Problem> {
    let now = app.clock.now();
    let stored = app.located(&citizen.person).await?.stored;
    let providers = app.directory.providers(now).await.or_unavailable()?;
    let answer = view::own_entry(stored.as_ref(), &citizen, &providers, now);
    Ok(view::to_citizen(answer, &citizen.person))
}

/// Deletes the entry at the person's own wish.
pub(crate) async fn delete(
    ContactWriter(citizen): ContactWriter,
    if_match: IfMatch,
    key: Option<IdempotencyKey>,
    State(app): State<SharedApp>,
) -> Result<Response, Problem> {
    let now = app.clock.now();
    let request = Request {
        caller: citizen.person.as_str(),
        key: key.as_ref(),
        content: ["DELETE /v1/me", ""],
    };
    let answer = once(&app.requests, request, now, async |claim| {
        let order = Order {
            person: &citizen.person,
            actor: Actor::Citizen,
            command: Command::Delete(DeletionReason::OwnWish),
            if_match: Some(&if_match),
            besides: Vec::new(),
        };
        app.transition(order, claim, now, |_| view::empty_answer(None)).await
    })
    .await?;
    Ok(respond(answer))
}
