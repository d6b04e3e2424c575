//! `POST /v1/letters/{id}/opened` and `…/cancel`: nobody has to be told any more.
//!
//! Both can be repeated as often as wanted: an Idempotency-Key is not needed.

use axum::{
    Json,
    extract::State,
    response::{IntoResponse as _, Response},
};
use infra_aws::{letters::Closing, outbox::Closed};
use infra_edge::{
    body::{Body, Nothing},
    problem::{Kind, Problem},
    request::IdempotencyKey,
    unavailable::OrUnavailable as _,
};
use mailbox_register::{caller::Machine, letter::LetterId};

use crate::{
    App, SharedApp,
    callers::Announcer,
    view::{LetterView, Named},
};

/// The person has opened the letter: there is no reminder.
pub(crate) async fn opened(
    Announcer { machine, .. }: Announcer,
    State(app): State<SharedApp>,
    Named(id): Named,
    _: Option<IdempotencyKey>,
    _: Option<Body<Nothing>>,
) -> Result<Response, Problem> {
    app.close(&machine, id, Closing::Opened).await
}

/// The letter is called off: what has not been sent is not.
pub(crate) async fn cancel(
    Announcer { machine, .. }: Announcer,
    State(app): State<SharedApp>,
    Named(id): Named,
    _: Option<IdempotencyKey>,
    _: Option<Body<Nothing>>,
) -> Result<Response, Problem> {
    app.close(&machine, id, Closing::Cancelled).await
}

impl App {
    async fn close(&self, machine: &Machine, id: LetterId, closing: Closing) -> Result<Response, Problem> {
        let letter = self.own_letter(machine, id).await?;
        let closed = self
            .outbox
            .close(letter.id, closing, self.clock.now())
            .await
            .or_unavailable()?;
        if closed == Closed::NotThere {
            return Err(Kind::NotFound.into());
        }
        let letter = self.own_letter(machine, id).await?;
        Ok(Json(LetterView::of(&letter)).into_response())
    }
}
