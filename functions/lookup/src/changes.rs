//! `GET /v1/changes`: what happened to entries, from any place on, with what they hold now.

use axum::{
    Json,
    extract::{Query, State},
    response::{IntoResponse as _, Response},
};
use infra_aws::feed::Numbered;
use infra_edge::{
    person::PersonView,
    problem::{Kind, Problem},
};
use jiff::Timestamp;
use mailbox_register::{
    entry::{Entry, Event},
    mailbox::{ProviderId, Standing},
};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::{
    SharedApp,
    follow::Following,
    follower::{Follower, Role},
};

pub(crate) const DEFAULT_LIMIT: u16 = 100;
pub(crate) const MAX_LIMIT: u16 = 1000;

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Asked {
    /// What has been read: `last` of the page before; 0 for all there is.
    after: Option<u64>,
    limit: Option<u16>,
    /// Only persons the organisation has to do with.
    mine: Option<bool>,
}

/// A page of changes, oldest first.
#[derive(Serialize, ToSchema)]
#[schema(as = Changes)]
pub(crate) struct PageView<'a> {
    changes: Vec<ChangeView<'a>>,
    /// What to ask for next time as `after`.
    last: u64,
    /// Whether there is more now.
    more: bool,
}

/// A change of somebody's entry.
#[derive(Serialize, ToSchema)]
#[schema(as = EntryChange)]
struct ChangeView<'a> {
    /// Its place: there are no gaps.
    sequence: u64,
    at: Timestamp,
    /// What happened, in order.
    events: Vec<&'static str>,
    /// How the asking provider stands with the person now.
    #[serde(skip_serializing_if = "Option::is_none")]
    standing: Option<StandingView>,
    /// The person as of now.
    person: PersonView<'a>,
}

/// How a provider stands with a person.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "lowercase")]
#[schema(as = Standing)]
enum StandingView {
    /// Letters go to its mailbox.
    Active,
    /// It has a mailbox for the person, and another one is active, or none.
    Registered,
    /// The person has chosen it, and it has no mailbox for the person yet.
    Pending,
    /// In no way.
    None,
}

impl From<Option<Standing>> for StandingView {
    fn from(standing: Option<Standing>) -> Self {
        match standing {
            Some(Standing::Active) => Self::Active,
            Some(Standing::Registered) => Self::Registered,
            Some(Standing::Pending) => Self::Pending,
            None => Self::None,
        }
    }
}

/// Shows a page of changes.
pub(crate) async fn show(
    follower: Follower,
    State(app): State<SharedApp>,
    asked: Result<Query<Asked>, axum::extract::rejection::QueryRejection>,
) -> Result<Response, Problem> {
    let Ok(Query(Asked { after, limit, mine })) = asked else {
        return Err(Kind::InvalidParameter.into());
    };
    let limit = limit.unwrap_or(DEFAULT_LIMIT);
    if !(1..=MAX_LIMIT).contains(&limit) {
        return Err(Kind::InvalidParameter.into());
    }
    let now = app.clock.now();
    let fields = follower.fields();
    let following = Following {
        machine: &follower.machine,
        role: &follower.role,
        fields: fields.names(),
        after: after.unwrap_or(0),
        limit,
        mine: mine.unwrap_or(false),
    };
    let page = app.follow(following, now).await?;
    let page = page.ok_or(Kind::UnknownPlace)?;
    let changes = page.entries.iter().filter_map(|Numbered { sequence, entry }| {
        // Whose number was never stored is no entry of the register.
        let stored = page.stored.get(&entry.person)?;
        let shown = page.shown(stored);
        Some(ChangeView {
            sequence: *sequence,
            at: entry.at,
            events: entry
                .events
                .iter()
                .filter(|event| follower.role.learns_of(event))
                .map(Event::kind)
                .collect(),
            standing: standing(&stored.entry, &follower.role),
            person: shown.to_others(stored.entry.identifier.as_str(), fields, now),
        })
    });
    let view = PageView {
        changes: changes.collect(),
        last: page.last,
        more: page.last < page.head,
    };
    Ok(Json(view).into_response())
}

fn standing(entry: &Entry, role: &Role) -> Option<StandingView> {
    let Role::Provider(provider) = role else { return None };
    let standing = |provider: &ProviderId| entry.registration()?.mailboxes.standing(provider);
    Some(standing(provider).into())
}
