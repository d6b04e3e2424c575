//! `/v1/me/history`: what changed, newest first.

use std::{fmt, str::FromStr};

use axum::{
    Json,
    extract::State,
    response::{IntoResponse as _, Response},
};
use infra_edge::{page::Before, problem::Problem, unavailable::OrUnavailable as _};
use mailbox_register::{caller::Fields, entry::Change};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::{SharedApp, callers::ContactReader};

/// A page of changes, newest first.
#[derive(Serialize, ToSchema)]
pub(crate) struct History {
    changes: Vec<Shown>,
    /// Where the next page begins; none on the last. Callers give it back as it is.
    #[serde(skip_serializing_if = "Option::is_none")]
    next: Option<String>,
}

/// A change as its person sees it.
#[derive(Serialize, ToSchema)]
#[schema(as = OwnChange)]
struct Shown {
    #[serde(flatten)]
    change: Change,
    /// Whether it happened under a former identity number. Versions are those of its entry.
    #[serde(rename = "formerNumber", skip_serializing_if = "std::ops::Not::not")]
    of_former_number: bool,
}

/// Where a page begins: at one of the person's identifiers, the current one being the first, below a version.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub(crate) struct Place {
    key: usize,
    /// None: at the newest.
    before: Option<u64>,
}

impl Place {
    const START: Self = Self { key: 0, before: None };
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.before {
            Some(before) => write!(f, "{}-{before}", self.key),
            None => write!(f, "{}", self.key),
        }
    }
}

/// A text that no page ended with.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not a place in the history")]
pub(crate) struct NotAPlace;

impl TryFrom<String> for Place {
    type Error = NotAPlace;

    fn try_from(text: String) -> Result<Self, NotAPlace> {
        fn number<N: FromStr + ToString>(text: &str) -> Result<N, NotAPlace> {
            let number: N = text.parse().map_err(|_| NotAPlace)?;
            (number.to_string() == text).then_some(number).ok_or(NotAPlace)
        }
        let (key, before) = match text.split_once('-') {
            Some((key, before)) => (key, Some(number(before)?)),
            None => (text.as_str(), None),
        };
        let key = number(key)?;
        Ok(Self { key, before })
    }
}

/// Shows a page of the history, that of former identity numbers after the current one's. A page can be shorter than asked
/// for, and still have a next one.
pub(crate) async fn show(
    ContactReader(citizen): ContactReader,
    State(app): State<SharedApp>,
    Before { before, limit }: Before<Place, 50, 100>,
) -> Result<Response, Problem> {
    let mut place = before.unwrap_or(Place::START);
    let histories = app.histories(&citizen.person).await?;
    let fields = Fields::of_citizen(&citizen.scopes);
    let mut changes = Vec::new();
    let mut room = limit;
    let mut next = None;
    while let Some(keys) = histories.get(place.key) {
        if room == 0 {
            next = Some(place);
            break;
        }
        let page = app
            .register
            .changes()
            .history(keys, place.before, room.into())
            .await
            .or_unavailable()?;
        room -= u16::try_from(page.len()).unwrap_or(room);
        let oldest = page.last().map(|change| change.version);
        let of_former_number = place.key > 0;
        changes.extend(page.into_iter().map(|change| Shown {
            change,
            of_former_number,
        }));
        place = match oldest.filter(|version| room == 0 && *version > 1) {
            before @ Some(_) => Place { before, ..place },
            None => Place {
                key: place.key + 1,
                before: None,
            },
        };
    }
    // What the token's scopes do not cover is left out, as everywhere.
    changes.retain_mut(|Shown { change, .. }| {
        change.events.retain(|event| {
            if event.is_of_mailbox() {
                fields.mailbox
            } else {
                fields.contact
            }
        });
        !change.events.is_empty()
    });
    let next = next.map(|place| place.to_string());
    Ok(Json(History { changes, next }).into_response())
}
