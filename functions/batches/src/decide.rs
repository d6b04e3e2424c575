//! `POST /v1/batches/{id}/approve` and `…/cancel`: a held file goes on, or a file is called off.
//!
//! Both can be repeated as often as wanted: an Idempotency-Key is not needed.

use axum::{
    Json,
    extract::State,
    response::{IntoResponse as _, Response},
};
use infra_aws::steps::Step;
use infra_edge::{
    body::{Body, Nothing},
    problem::{Kind, Problem},
    request::IdempotencyKey,
    unavailable::OrUnavailable as _,
};
use jiff::Timestamp;
use mailbox_register::{
    batch::life::{Batch, BatchId, NotNow, State as BatchState},
    directory::Agency,
};

use crate::{App, SharedApp, caller::Sender, show::Named};

/// Tries while pieces of the batch are being done.
const MOST_RACES: u32 = 20;

/// A held file goes on.
pub(crate) async fn approve(
    Sender(agency): Sender,
    State(app): State<SharedApp>,
    Named(id): Named,
    _: Option<IdempotencyKey>,
    _: Option<Body<Nothing>>,
) -> Result<Response, Problem> {
    app.decide(&agency, id, Batch::approve).await
}

/// A file is called off. What was done with it stays done.
pub(crate) async fn cancel(
    Sender(agency): Sender,
    State(app): State<SharedApp>,
    Named(id): Named,
    _: Option<IdempotencyKey>,
    _: Option<Body<Nothing>>,
) -> Result<Response, Problem> {
    app.decide(&agency, id, Batch::cancel).await
}

impl App {
    async fn decide(
        &self,
        agency: &Agency,
        id: BatchId,
        decision: fn(&Batch, Timestamp) -> Result<Option<Batch>, NotNow>,
    ) -> Result<Response, Problem> {
        for _ in 0..MOST_RACES {
            let batch = self.own(agency, id).await?;
            let decided = decision(&batch, self.clock.now()).map_err(|NotNow| Kind::WrongState)?;
            let decided = match decided {
                Some(decided) if self.batches.save(&batch, &decided).await.or_unavailable()? => decided,
                Some(_) => continue,
                // Whoever called it off may not have been able to ask, and the tick does not look at what is over.
                None if matches!(batch.state, BatchState::Cancelled { .. }) => batch,
                None => return Ok(Json(self.view(&batch).await?).into_response()),
            };
            // Where this does not get through, the tick finds a batch that goes on.
            let asked = self.steps.ask(&decided, &[Step::Plan]).await;
            asked.or_unavailable()?;
            return Ok(Json(self.view(&decided).await?).into_response());
        }
        Err(Kind::Unavailable.into())
    }
}
