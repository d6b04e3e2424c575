//! `GET /v1/letters`: what happened to the organisation's letters, from any place on.

use axum::{
    Json,
    extract::{Query, State},
    response::{IntoResponse as _, Response},
};
use infra_aws::{feed::Numbered, letters::FeedEntry};
use infra_edge::{
    problem::{Kind, Problem},
    unavailable::OrUnavailable as _,
};
use serde::{Deserialize, Serialize};

use crate::{SharedApp, callers::Announcer};

const DEFAULT_LIMIT: u16 = 100;
const MAX_LIMIT: u16 = 1000;

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Page {
    /// What has been read: `last` of the page before; 0 for all there is.
    after: Option<u64>,
    limit: Option<u16>,
}

#[derive(Serialize)]
struct PageView {
    changes: Vec<ChangeView>,
    /// What to ask for next time as `after`.
    last: u64,
    /// Whether there is more now.
    more: bool,
}

#[derive(Serialize)]
struct ChangeView {
    sequence: u64,
    #[serde(flatten)]
    entry: FeedEntry,
}

/// Shows a page of changes.
pub(crate) async fn show(
    Announcer { machine, .. }: Announcer,
    State(app): State<SharedApp>,
    page: Result<Query<Page>, axum::extract::rejection::QueryRejection>,
) -> Result<Response, Problem> {
    let Ok(Query(Page { after, limit })) = page else {
        return Err(Kind::InvalidParameter.into());
    };
    let (after, limit) = (after.unwrap_or(0), limit.unwrap_or(DEFAULT_LIMIT));
    if !(1..=MAX_LIMIT).contains(&limit) {
        return Err(Kind::InvalidParameter.into());
    }
    let feed = infra_aws::letters::feed_of(machine.organisation);
    let head = app.feed.head(&feed).await.or_unavailable()?;
    if after > head {
        return Err(Kind::InvalidParameter.into());
    }
    let entries: Vec<Numbered<FeedEntry>> = app.feed.after(&feed, after, limit.into()).await.or_unavailable()?;
    // What has run out is behind whoever asks for it: the head was read first, so nothing newer is passed over.
    let last = entries.last().map_or(head, |entry| entry.sequence);
    let changes = entries
        .into_iter()
        .map(|Numbered { sequence, entry }| ChangeView { sequence, entry })
        .collect();
    let more = last < head;
    Ok(Json(PageView { changes, last, more }).into_response())
}
