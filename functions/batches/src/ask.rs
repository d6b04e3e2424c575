//! `POST /v1/batches`: where a file can be uploaded, and what is to be done with it.

use std::time::Duration;

use axum::{
    Json,
    extract::State,
    http::StatusCode,
    response::{IntoResponse as _, Response},
};
use infra_edge::{
    body::{Body, Field, Reading},
    problem::{Kind, Problem},
    request::IdempotencyKey,
    trace,
    unavailable::OrUnavailable as _,
};
use jiff::{SignedDuration, Timestamp};
use mailbox_register::{
    batch::{
        Kind as FileKind,
        life::{Batch, BatchId, Order, State as BatchState},
        name::FileName,
        place::Upload,
    },
    directory::Agency,
    words::{Purpose, Reference},
};
use serde::Deserialize;
use utoipa::ToSchema;
use uuid::Uuid;

use crate::{
    App, SharedApp,
    caller::Sender,
    show::unavailable,
    view::{BatchView, UploadView},
};

/// How long an upload may be begun.
const VALID: Duration = Duration::from_hours(1);

/// A file that is to come.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = AskForUpload)]
pub(crate) struct Ask {
    /// The file's name, without identity numbers. Its ending says what is in it.
    #[schema(value_type = FileName, required = true)]
    #[serde(default)]
    name: Field,
    /// What is done with the persons; without it, they are looked up.
    #[schema(value_type = Option<FileKind>)]
    #[serde(default)]
    kind: Field,
    /// Why: the persons can read it. Without it, the organisation's usual one.
    #[schema(value_type = Option<Purpose>)]
    #[serde(default)]
    purpose: Field,
    /// The organisation's own name for the file's matter.
    #[schema(value_type = Option<Reference>)]
    #[serde(default)]
    reference: Field,
    /// Whether it is only told what would happen.
    #[schema(value_type = bool)]
    #[serde(default)]
    dry_run: Field,
    /// An earlier batch of look-ups; the result says what has changed since.
    #[schema(value_type = Option<Uuid>)]
    #[serde(default)]
    compare_with: Field,
}

impl Ask {
    fn read(self, agency: &Agency) -> Result<(FileName, Order), Problem> {
        let mut reading = Reading::default();
        let name = reading.required("name", self.name, |text| {
            FileName::parse(text).map_err(|_| Kind::InvalidFileName)
        });
        let kind = reading.optional("kind", self.kind, |text| text.parse().map_err(|_| Kind::InvalidValue));
        let purpose = reading.optional("purpose", self.purpose, |text| {
            Purpose::parse(text).map_err(|_| Kind::InvalidPurpose)
        });
        let reference = reading.optional("reference", self.reference, |text| {
            Reference::parse(text).map_err(|_| Kind::InvalidReference)
        });
        let dry_run = match self.dry_run {
            Field::Absent => Some(false),
            given @ Field::Given(_) => reading.truth("dryRun", &given),
        };
        let compare_with = reading.optional("compareWith", self.compare_with, |text| {
            Uuid::try_parse(text).map(BatchId).map_err(|_| Kind::InvalidValue)
        });
        let (name, dry_run) = reading.finish(name.zip(dry_run))?;
        let kind: FileKind = kind.unwrap_or_default();
        agency.may_send(kind).ok_or(Kind::Forbidden)?;
        let purpose = purpose
            .or_else(|| agency.purpose.clone())
            .ok_or(Kind::PurposeRequired)?;
        let order = Order {
            kind,
            purpose,
            reference,
            dry_run,
            compare_with,
        };
        Ok((name, order))
    }
}

/// Says where a file can be uploaded. The same request again gives the same batch, and a new way in.
pub(crate) async fn ask(
    Sender(agency): Sender,
    key: IdempotencyKey,
    State(app): State<SharedApp>,
    Body { value, .. }: Body<Ask>,
) -> Result<Response, Problem> {
    let now = app.clock.now();
    let (name, order) = value.read(&agency)?;
    app.is_comparable(&agency, &order).await?;
    let organisation = agency.id.to_string();
    let id = BatchId::of(app.secrets.oldest(), &["asked", &organisation, key.as_str()]);
    let new =
        Batch::new(id, agency.id, Some(name), Some(order), BatchState::AwaitingUpload, now).caused_by(trace::current());
    let batch = if app.batches.add(&new).await.or_unavailable()? {
        metrics::counter!("BatchesAskedFor").increment(1);
        new
    } else {
        let known = app.batches.get(id).await.or_unavailable()?.ok_or(Kind::Unavailable)?;
        if (&known.name, &known.order) != (&new.name, &new.order) {
            return Err(Kind::IdempotencyKeyReused.into());
        }
        known
    };
    let mut view = BatchView::of(&batch, now);
    if matches!(batch.state, BatchState::AwaitingUpload) {
        view.upload = Some(app.upload(&batch, now).await?);
    }
    Ok((StatusCode::CREATED, Json(view)).into_response())
}

impl App {
    /// Whether what is to be compared with can be.
    async fn is_comparable(&self, agency: &Agency, order: &Order) -> Result<(), Problem> {
        let Some(id) = order.compare_with else { return Ok(()) };
        let earlier = self.batches.get(id).await.or_unavailable()?;
        let is_known = order.kind == FileKind::Lookup
            && earlier.is_some_and(|earlier| {
                let kind = earlier.order.as_ref().map(|order| order.kind);
                let is_done = matches!(earlier.state, BatchState::Done { .. });
                earlier.organisation == agency.id && kind == Some(FileKind::Lookup) && is_done
            });
        if is_known {
            Ok(())
        } else {
            Err(Problem::of_fields(&[("/compareWith".to_owned(), Kind::UnknownBatch)]))
        }
    }

    async fn upload(&self, batch: &Batch, now: Timestamp) -> Result<UploadView, Problem> {
        let (Some(name), Some(order)) = (&batch.name, &batch.order) else {
            return Err(Kind::Internal.into());
        };
        let key = Upload::key(batch.organisation, order.kind, batch.id, name);
        let request = self
            .files
            .presign_upload(&key, VALID)
            .await
            .map_err(|error| unavailable(&error))?;
        let valid = SignedDuration::try_from(VALID).unwrap_or_default();
        Ok(UploadView {
            method: "PUT",
            url: request.url,
            headers: request.headers.into_iter().collect(),
            expires_at: now.checked_add(valid).unwrap_or(now),
        })
    }
}
