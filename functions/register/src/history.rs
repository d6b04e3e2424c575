//! `/v1/me/history`: what changed, newest first.

use axum::{
    Json,
    extract::{Query, State},
    response::{IntoResponse as _, Response},
};
use infra_edge::problem::{Kind, Problem};
use mailbox_register::entry::Change;
use serde::{Deserialize, Serialize};

use crate::{SharedApp, callers::ContactReader, effect::unavailable};

const DEFAULT_LIMIT: u8 = 50;
const MAX_LIMIT: u8 = 100;

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Page {
    /// Only versions below this one: `next` of the page before.
    before: Option<u64>,
    limit: Option<u8>,
}

#[derive(Serialize)]
struct History {
    changes: Vec<Change>,
    /// Where the next page begins; none on the last.
    #[serde(skip_serializing_if = "Option::is_none")]
    next: Option<u64>,
}

/// Shows a page of the history.
pub(crate) async fn show(
    ContactReader(citizen): ContactReader,
    State(app): State<SharedApp>,
    page: Result<Query<Page>, axum::extract::rejection::QueryRejection>,
) -> Result<Response, Problem> {
    let Ok(Query(Page { before, limit })) = page else {
        return Err(Kind::InvalidParameter.into());
    };
    let limit = limit.unwrap_or(DEFAULT_LIMIT);
    if !(1..=MAX_LIMIT).contains(&limit) {
        return Err(Kind::InvalidParameter.into());
    }
    let key = app.secret.person_key(&citizen.person);
    let changes = app
        .register
        .history(&key, before, limit.into())
        .await
        .map_err(|error| unavailable(&error))?;
    let next = (changes.len() == usize::from(limit))
        .then(|| changes.last().map(|change| change.version))
        .flatten()
        .filter(|version| *version > 1);
    Ok(Json(History { changes, next }).into_response())
}
