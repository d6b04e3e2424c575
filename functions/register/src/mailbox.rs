//! `/v1/me/mailbox`: the citizen's choice of provider.

use axum::{extract::State, http::StatusCode, response::Response};
use infra_aws::{register::Stored, requests::Answer};
use infra_edge::{
    body::{Body, Field, Reading},
    once::{Request, answer, once, respond, text},
    problem::{Kind, Problem},
    request::{IdempotencyKey, IfMatch},
    unavailable::OrUnavailable as _,
};
use mailbox_register::{
    directory::Provider,
    entry::{Actor, Command},
    mailbox::ProviderId,
};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::{
    SharedApp,
    callers::MailboxWriter,
    effect::Order,
    view::{self, MailboxView, PendingView},
};

/// The chosen provider.
#[derive(Debug, Deserialize, ToSchema)]
pub(crate) struct Choose {
    /// One of `GET /v1/providers`.
    #[schema(value_type = ProviderId, required = true)]
    #[serde(default)]
    provider: Field,
}

/// The answer to a choice of a provider that has a mailbox for the person.
#[derive(Serialize, ToSchema)]
pub(crate) struct Chosen<'a> {
    mailbox: Option<MailboxView<'a>>,
}

/// The answer to a choice that waits for its provider.
#[derive(Serialize, ToSchema)]
pub(crate) struct ChosenPending<'a> {
    pending: PendingView<'a>,
}

/// Chooses a provider, or switches to it: active at once where it has a mailbox for the person, pending otherwise.
pub(crate) async fn choose(
    MailboxWriter(citizen): MailboxWriter,
    if_match: IfMatch,
    key: Option<IdempotencyKey>,
    State(app): State<SharedApp>,
    Body { value, raw }: Body<Choose>,
) -> Result<Response, Problem> {
    let now = app.clock.now();
    let providers = app.directory.providers(now).await.or_unavailable()?;
    let mut reading = Reading::default();
    let provider = reading.required("provider", value.provider, |text| {
        let id: ProviderId = text.parse().map_err(|_| Kind::UnknownProvider)?;
        providers
            .iter()
            .any(|provider| provider.id == id && provider.validity.holds(now))
            .then_some(id)
            .ok_or(Kind::UnknownProvider)
    });
    let provider = reading.finish(provider)?;

    let request = Request {
        caller: citizen.person.as_str(),
        key: key.as_ref(),
        content: ["PUT /v1/me/mailbox", text(&raw)],
    };
    let answer = once(&app.requests, request, now, async |claim| {
        let order = Order {
            person: &citizen.person,
            actor: Actor::Citizen,
            command: Command::Choose(provider.clone()),
            if_match: Some(&if_match),
            besides: Vec::new(),
        };
        app.transition(order, claim, now, |step| chosen(step.after, &providers))
            .await
    })
    .await?;
    Ok(respond(answer))
}

/// The answer to a choice: the active mailbox, or the choice that is pending.
fn chosen(stored: Option<&Stored>, providers: &[Provider]) -> Answer {
    let version = Some(view::version(stored));
    if let Some(pending) = PendingView::of(stored, providers) {
        return answer(StatusCode::ACCEPTED, version, &ChosenPending { pending });
    }
    let mailbox = stored
        .and_then(|stored| stored.entry.registration())
        .and_then(|registration| registration.mailboxes.active())
        .map(|mailbox| MailboxView::new(mailbox, true));
    answer(StatusCode::OK, version, &Chosen { mailbox })
}

/// Withdraws the choice; the mailbox stays registered.
pub(crate) async fn withdraw(
    MailboxWriter(citizen): MailboxWriter,
    if_match: IfMatch,
    key: Option<IdempotencyKey>,
    State(app): State<SharedApp>,
) -> Result<Response, Problem> {
    let request = Request {
        caller: citizen.person.as_str(),
        key: key.as_ref(),
        content: ["DELETE /v1/me/mailbox", ""],
    };
    let answer = app
        .change_own(&citizen, request, Command::Withdraw, Some(&if_match))
        .await?;
    Ok(view::to_citizen(answer, &citizen.person))
}
