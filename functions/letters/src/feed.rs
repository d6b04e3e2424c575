//! `GET /v1/letters`: what happened to the organisation's letters, from any place on.

use axum::{
    Json,
    extract::State,
    response::{IntoResponse as _, Response},
};
use infra_aws::{feed::Numbered, letters::FeedEntry};
use infra_edge::{
    page::After,
    problem::{Kind, Problem},
    unavailable::OrUnavailable as _,
};
use serde::Serialize;
use utoipa::ToSchema;

use crate::{SharedApp, callers::Announcer};

/// A page of what happened to letters, oldest first.
#[derive(Serialize, ToSchema)]
#[schema(as = LetterChanges)]
pub(crate) struct PageView {
    changes: Vec<ChangeView>,
    /// What to ask for next time as `after`.
    last: u64,
    /// Whether there is more now.
    more: bool,
}

/// One thing that happened to a letter.
#[derive(Serialize, ToSchema)]
#[schema(as = LetterChange)]
struct ChangeView {
    /// Its place: there are no gaps.
    sequence: u64,
    #[serde(flatten)]
    entry: FeedEntry,
}

/// Shows a page of changes after the `last` of the page before, or of all there is.
pub(crate) async fn show(
    Announcer { machine, .. }: Announcer,
    State(app): State<SharedApp>,
    After { after, limit }: After<u64, 100, 1000>,
) -> Result<Response, Problem> {
    let after = after.unwrap_or(0);
    let feed = infra_aws::letters::feed_of(machine.organisation);
    let head = app.feed.head(&feed).await.or_unavailable()?;
    if after > head {
        return Err(Kind::UnknownPlace.into());
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
