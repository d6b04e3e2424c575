//! A batch as its organisation sees it.

use std::collections::BTreeMap;

use jiff::Timestamp;
use mailbox_register::batch::{
    Kind,
    hold::HoldReason,
    life::{Batch, BatchId, Failure, State},
    name::FileName,
    tally::Tally,
};
use serde::Serialize;
use utoipa::ToSchema;

/// One batch.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = Batch)]
pub(crate) struct BatchView {
    id: BatchId,
    state: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    name: Option<FileName>,
    #[serde(skip_serializing_if = "Option::is_none")]
    kind: Option<Kind>,
    dry_run: bool,
    created_at: Timestamp,
    percent: u8,
    #[serde(skip_serializing_if = "Option::is_none")]
    rows: Option<u64>,
    rows_done: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    rows_per_second: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    seconds_left: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    counts: Option<Tally>,
    #[serde(skip_serializing_if = "Option::is_none")]
    compared_since: Option<Timestamp>,
    #[serde(skip_serializing_if = "Option::is_none")]
    hold: Option<Vec<HoldReason>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    fault: Option<Failure>,
    #[serde(skip_serializing_if = "Option::is_none")]
    duplicate_of: Option<BatchId>,
    /// Where the file can be uploaded.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) upload: Option<UploadView>,
    /// Where the result is.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) result: Option<DownloadView>,
    /// Where the summary is.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) summary: Option<DownloadView>,
}

/// A request that uploads the file.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = Upload)]
pub(crate) struct UploadView {
    pub(crate) method: &'static str,
    pub(crate) url: String,
    pub(crate) headers: BTreeMap<String, String>,
    pub(crate) expires_at: Timestamp,
}

/// An address to fetch something from.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = Download)]
pub(crate) struct DownloadView {
    pub(crate) url: String,
    pub(crate) expires_at: Timestamp,
}

impl BatchView {
    pub(crate) fn of(batch: &Batch, now: Timestamp) -> Self {
        let plan = batch.state.plan();
        let order = batch.order.as_ref();
        let finished = match &batch.state {
            State::Done { finished, .. } => Some(finished),
            _ => None,
        };
        let counts = finished
            .map(|finished| &finished.tally)
            .or(plan.map(|plan| &plan.tally));
        Self {
            id: batch.id,
            state: batch.state.name(),
            name: batch.name.clone(),
            kind: order.map(|order| order.kind),
            dry_run: order.is_some_and(|order| order.dry_run),
            created_at: batch.created_at,
            percent: batch.percent(),
            rows: plan.map(|plan| plan.tally.rows),
            rows_done: batch.rows_done,
            rows_per_second: batch.rows_per_second(now).map(f64::round),
            seconds_left: batch.seconds_left(now),
            counts: counts.cloned(),
            compared_since: plan.and_then(|plan| plan.compared_since),
            hold: match &batch.state {
                State::Held { reasons, .. } => Some(reasons.clone()),
                _ => None,
            },
            fault: match &batch.state {
                State::Failed { failure, .. } => Some(failure.clone()),
                _ => None,
            },
            duplicate_of: match &batch.state {
                State::Duplicate { of, .. } => Some(*of),
                _ => None,
            },
            upload: None,
            result: None,
            summary: None,
        }
    }
}
