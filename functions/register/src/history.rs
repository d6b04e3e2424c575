//! `/v1/me/history`: what changed, newest first.

use axum::{
    Json,
    extract::{Query, State},
    response::{IntoResponse as _, Response},
};
use infra_edge::{
    problem::{Kind, Problem},
    unavailable::OrUnavailable as _,
};
use mailbox_register::{caller::Fields, entry::Change};
use serde::{Deserialize, Serialize};

use crate::{SharedApp, callers::ContactReader};

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

/// Shows a page of the history. A page can be shorter than asked for, and still have a next one.
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
        .changes()
        .history(&key, before, limit.into())
        .await
        .or_unavailable()?;
    let fields = Fields::of_citizen(&citizen.scopes);
    let next = (changes.len() == usize::from(limit))
        .then(|| changes.last().map(|change| change.version))
        .flatten()
        .filter(|version| *version > 1);
    // What the token's scopes do not cover is left out, as everywhere.
    let changes = changes.into_iter().filter_map(|mut change| {
        change.events.retain(|event| {
            if event.is_of_mailbox() {
                fields.mailbox
            } else {
                fields.contact
            }
        });
        (!change.events.is_empty()).then_some(change)
    });
    let changes = changes.collect();
    Ok(Json(History { changes, next }).into_response())
}
