//! `/v1/me/reservation`: the citizen refuses digital decisions, or accepts them again.

use axum::{extract::State, response::Response};
use infra_edge::{
    body::{Body, Nothing},
    once::Request,
    problem::Problem,
    request::{IdempotencyKey, IfMatch},
};
use mailbox_register::{caller::Citizen, entry::Command};

use crate::{SharedApp, callers::MailboxWriter, view};

/// Reserves.
pub(crate) async fn reserve(
    MailboxWriter(citizen): MailboxWriter,
    if_match: IfMatch,
    key: Option<IdempotencyKey>,
    State(app): State<SharedApp>,
    _: Option<Body<Nothing>>,
) -> Result<Response, Problem> {
    change(
        &app,
        &citizen,
        &if_match,
        key.as_ref(),
        "PUT /v1/me/reservation",
        Command::Reserve,
    )
    .await
}

/// Undoes the reservation.
pub(crate) async fn undo(
    MailboxWriter(citizen): MailboxWriter,
    if_match: IfMatch,
    key: Option<IdempotencyKey>,
    State(app): State<SharedApp>,
) -> Result<Response, Problem> {
    change(
        &app,
        &citizen,
        &if_match,
        key.as_ref(),
        "DELETE /v1/me/reservation",
        Command::Unreserve,
    )
    .await
}

async fn change(
    app: &SharedApp,
    citizen: &Citizen,
    if_match: &IfMatch,
    key: Option<&IdempotencyKey>,
    route: &str,
    command: Command,
) -> Result<Response, Problem> {
    let request = Request {
        caller: citizen.person.as_str(),
        key,
        content: [route, ""],
    };
    let answer = app.change_own(citizen, request, command, Some(if_match)).await?;
    Ok(view::to_citizen(answer, &citizen.person))
}
