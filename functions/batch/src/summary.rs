//! What an organisation reads of a batch beside its result.

use jiff::Timestamp;
use mailbox_register::{
    batch::{
        Kind,
        cost::{Cost, cost},
        hold::HoldReason,
        life::{Batch, BatchId, Failure, Finished, State},
        tally::Tally,
    },
    organisation::OrganisationNumber,
    words::{Purpose, Reference},
};
use serde::Serialize;

use crate::{App, stop::Later};

/// The summary of a batch that has come to a stop.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Summary<'a> {
    batch: BatchId,
    organisation: OrganisationNumber,
    state: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    name: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    kind: Option<Kind>,
    #[serde(skip_serializing_if = "Option::is_none")]
    purpose: Option<&'a Purpose>,
    #[serde(skip_serializing_if = "Option::is_none")]
    reference: Option<&'a Reference>,
    dry_run: bool,
    created_at: Timestamp,
    #[serde(skip_serializing_if = "Option::is_none")]
    ended_at: Option<Timestamp>,
    #[serde(skip_serializing_if = "Option::is_none")]
    duration_seconds: Option<f64>,
    /// SHA-256 of the file.
    #[serde(skip_serializing_if = "Option::is_none")]
    sha256: Option<&'a str>,
    #[serde(flatten, skip_serializing_if = "Option::is_none")]
    tally: Option<&'a Tally>,
    /// What it costs, or would.
    #[serde(skip_serializing_if = "Option::is_none")]
    cost: Option<Cost>,
    #[serde(skip_serializing_if = "Option::is_none")]
    result: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    result_sha256: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    compared_since: Option<Timestamp>,
    #[serde(skip_serializing_if = "Option::is_none")]
    held_because: Option<&'a [HoldReason]>,
    #[serde(skip_serializing_if = "Option::is_none")]
    failure: Option<&'a Failure>,
    #[serde(skip_serializing_if = "Option::is_none")]
    duplicate_of: Option<BatchId>,
}

/// Writes the summary of a batch beside where its result is, or would be.
pub(crate) async fn write(app: &App, batch: &Batch) -> Result<(), Later> {
    let summary = summary(app, batch);
    // Only maps with keys that are no texts fail to serialise: there are none.
    let content = serde_json::to_vec_pretty(&summary).unwrap_or_default();
    app.files.put(&batch.objects().summary(), content).await?;
    Ok(())
}

/// Tells how a batch ended that somebody else ended meanwhile: a worker that comes late has told of another end.
pub(crate) async fn correct(app: &App, id: BatchId) -> Result<(), Later> {
    match app.batches.get(id).await? {
        Some(batch) if batch.state.is_over() => write(app, &batch).await,
        _ => Ok(()),
    }
}

fn summary<'a>(app: &App, batch: &'a Batch) -> Summary<'a> {
    let plan = batch.state.plan();
    let finished: Option<&Finished> = match &batch.state {
        State::Done { finished, .. } => Some(finished),
        _ => None,
    };
    let ended_at = match &batch.state {
        State::Done { finished, .. } => Some(finished.at),
        State::Failed { at, .. } | State::Cancelled { at, .. } | State::Duplicate { at, .. } => Some(*at),
        _ => None,
    };
    let tally = finished
        .map(|finished| &finished.tally)
        .or(plan.map(|plan| &plan.tally));
    let order = batch.order.as_ref();
    Summary {
        batch: batch.id,
        organisation: batch.organisation,
        state: batch.state.name(),
        name: batch.name.as_ref().map(mailbox_register::batch::name::FileName::as_str),
        kind: order.map(|order| order.kind),
        purpose: order.map(|order| &order.purpose),
        reference: order.and_then(|order| order.reference.as_ref()),
        dry_run: order.is_some_and(|order| order.dry_run),
        created_at: batch.created_at,
        ended_at,
        duration_seconds: ended_at.map(|at| at.duration_since(batch.created_at).as_secs_f64()),
        sha256: plan.map(|plan| plan.sha256.as_str()),
        tally,
        cost: tally.map(|tally| cost(tally, &app.prices)),
        result: finished.and_then(|finished| finished.result.as_deref()),
        result_sha256: finished.and_then(|finished| finished.result_sha256.as_deref()),
        compared_since: plan.and_then(|plan| plan.compared_since),
        held_because: match &batch.state {
            State::Held { reasons, .. } => Some(reasons),
            _ => None,
        },
        failure: match &batch.state {
            State::Failed { failure, .. } => Some(failure),
            _ => None,
        },
        duplicate_of: match &batch.state {
            State::Duplicate { of, .. } => Some(*of),
            _ => None,
        },
    }
}
