//! `GET /v1/batches` and `GET /v1/batches/{id}`: how far files are.

use std::time::Duration;

use axum::{
    Json,
    extract::{FromRequestParts, Path, State},
    http::request::Parts,
    response::{IntoResponse as _, Response},
};
use infra_aws::files::FileError;
use infra_edge::{
    page::Before,
    problem::{Kind, Problem},
    unavailable::OrUnavailable as _,
};
use jiff::{SignedDuration, Timestamp};
use mailbox_register::{
    batch::life::{Batch, BatchId, State as BatchState},
    directory::Agency,
};
use serde::Serialize;
use utoipa::ToSchema;
use uuid::Uuid;

use crate::{
    App, SharedApp,
    caller::Sender,
    view::{BatchView, DownloadView},
};

/// How long a result can be fetched by the address that was given for it.
const VALID: Duration = Duration::from_mins(15);

/// The batch that the path names.
pub(crate) struct Named(pub(crate) BatchId);

impl FromRequestParts<SharedApp> for Named {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, app: &SharedApp) -> Result<Self, Problem> {
        // What is no identity is nobody's batch either.
        let path = Path::<Uuid>::from_request_parts(parts, app).await;
        path.map(|Path(id)| Self(BatchId(id)))
            .map_err(|_| Kind::NotFound.into())
    }
}

/// A page of batches, newest first.
#[derive(Serialize, ToSchema)]
#[schema(as = Batches)]
pub(crate) struct PageView {
    batches: Vec<BatchView>,
    /// Where the next page begins; none on the last.
    #[serde(skip_serializing_if = "Option::is_none")]
    next: Option<Timestamp>,
}

/// Shows the organisation's batches, newest first.
pub(crate) async fn list(
    Sender(agency): Sender,
    State(app): State<SharedApp>,
    Before { before, limit }: Before<Timestamp, 20, 100>,
) -> Result<Response, Problem> {
    let now = app.clock.now();
    let batches = app
        .batches
        .of(agency.id, before.unwrap_or(Timestamp::MAX), limit.into())
        .await
        .or_unavailable()?;
    let next = (batches.len() == usize::from(limit))
        .then(|| batches.last().map(|batch| batch.created_at))
        .flatten();
    let batches = batches.iter().map(|batch| BatchView::of(batch, now)).collect();
    Ok(Json(PageView { batches, next }).into_response())
}

/// Shows one batch.
pub(crate) async fn show(
    Sender(agency): Sender,
    State(app): State<SharedApp>,
    Named(id): Named,
) -> Result<Response, Problem> {
    let batch = app.own(&agency, id).await?;
    Ok(Json(app.view(&batch).await?).into_response())
}

impl App {
    /// An organisation's own batch. Another's is not there.
    pub(crate) async fn own(&self, agency: &Agency, id: BatchId) -> Result<Batch, Problem> {
        let batch = self.batches.get(id).await.or_unavailable()?;
        batch
            .filter(|batch| batch.organisation == agency.id)
            .ok_or_else(|| Kind::NotFound.into())
    }

    /// A batch, with where its result is.
    pub(crate) async fn view(&self, batch: &Batch) -> Result<BatchView, Problem> {
        let now = self.clock.now();
        let mut view = BatchView::of(batch, now);
        if let BatchState::Done { finished, .. } = &batch.state
            && let Some(key) = &finished.result
        {
            view.result = Some(self.download(key, now).await?);
        }
        let has_summary = batch.state.is_over() || matches!(batch.state, BatchState::Held { .. });
        if has_summary {
            view.summary = Some(self.download(&batch.objects().summary(), now).await?);
        }
        Ok(view)
    }

    async fn download(&self, key: &str, now: Timestamp) -> Result<DownloadView, Problem> {
        let request = self
            .files
            .presign_download(key, VALID)
            .await
            .map_err(|error| unavailable(&error))?;
        let valid = SignedDuration::try_from(VALID).unwrap_or_default();
        Ok(DownloadView {
            url: request.url,
            expires_at: now.checked_add(valid).unwrap_or(now),
        })
    }
}

pub(crate) fn unavailable(error: &FileError) -> Problem {
    tracing::error!(%error, "a request to the files could not be signed");
    Problem::new(Kind::Unavailable).retry_after(2)
}
