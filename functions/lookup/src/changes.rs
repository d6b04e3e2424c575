//! `GET /v1/changes`: what happened to entries, from any place on, with what they hold now.

use std::{collections::HashMap, time::Duration};

use axum::{
    Json,
    extract::{Query, State},
    response::{IntoResponse as _, Response},
};
use infra_aws::{
    changes::{FEED, FeedEntry},
    disclosures::Disclosure,
    feed::Numbered,
    register::Stored,
};
use infra_edge::{
    person::{PersonView, Shown},
    problem::{Kind, Problem},
    unavailable::{OrUnavailable as _, not_on_record},
};
use jiff::Timestamp;
use mailbox_register::{
    caller::Fields,
    entry::{Entry, Event},
    mailbox::{ProviderId, Standing},
    person::PersonKey,
};
use serde::{Deserialize, Serialize};
use tokio::time::Instant;
use uuid::Uuid;

use crate::{
    App, SharedApp,
    follower::{Follower, Role},
};

const DEFAULT_LIMIT: u16 = 100;
const MAX_LIMIT: u16 = 1000;
/// How long what DynamoDB left unread is asked for again.
const PATIENCE: Duration = Duration::from_secs(5);
/// Why changes are followed, as a citizen reads it.
const PURPOSE: &str = "To follow changes in the register";

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Asked {
    /// What has been read: `last` of the page before; 0 for all there is.
    after: Option<u64>,
    limit: Option<u16>,
    /// Only persons the organisation has to do with.
    mine: Option<bool>,
}

#[derive(Serialize)]
struct PageView<'a> {
    changes: Vec<ChangeView<'a>>,
    /// What to ask for next time as `after`.
    last: u64,
    /// Whether there is more now.
    more: bool,
}

#[derive(Serialize)]
struct ChangeView<'a> {
    sequence: u64,
    at: Timestamp,
    events: Vec<&'static str>,
    /// How the asking provider stands with the person now.
    #[serde(skip_serializing_if = "Option::is_none")]
    standing: Option<StandingView>,
    person: PersonView<'a>,
}

#[derive(Serialize)]
#[serde(untagged)]
enum StandingView {
    Some(Standing),
    None(&'static str),
}

/// A page of the feed, as far as it concerns whoever asked.
pub(crate) struct Page {
    pub(crate) entries: Vec<Numbered<FeedEntry>>,
    /// The persons' entries as of now.
    pub(crate) stored: HashMap<PersonKey, Stored>,
    /// The last number that was looked at.
    pub(crate) last: u64,
    /// The last number there is.
    pub(crate) head: u64,
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
    let page = read(&app, &follower, after.unwrap_or(0), limit, mine.unwrap_or(false), now).await?;
    let providers = app.directory.providers(now).await.or_unavailable()?;
    let fields = follower.fields();
    let changes = page.entries.iter().filter_map(|Numbered { sequence, entry }| {
        // Whose number was never stored is no entry of the register.
        let stored = page.stored.get(&entry.person)?;
        let shown = Shown {
            entry: Some(&stored.entry),
            email_shared: stored.email_shared,
            mobile_shared: stored.mobile_shared,
            providers: &providers,
        };
        Some(ChangeView {
            sequence: *sequence,
            at: entry.at,
            events: entry
                .events
                .iter()
                .filter(|event| concerns(event, &follower.role))
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

/// Reads a page, puts on record whom it shows, and reads their entries.
pub(crate) async fn read(
    app: &App,
    follower: &Follower,
    after: u64,
    limit: u16,
    mine: bool,
    now: Timestamp,
) -> Result<Page, Problem> {
    let head = app.feed.head(FEED).await.or_unavailable()?;
    if after > head {
        return Err(Kind::InvalidParameter.into());
    }
    let mut entries: Vec<Numbered<FeedEntry>> = app.feed.after(FEED, after, limit.into()).await.or_unavailable()?;
    // The head was read first: what came after it is not passed over if nothing of it was seen.
    let last = entries.last().map_or(head, |entry| entry.sequence);
    let head = head.max(last);
    entries.retain(|Numbered { entry, .. }| is_for(entry, &follower.role));
    let deadline = Instant::now() + PATIENCE;
    let organisation = follower.machine.organisation;
    let mut persons = persons(&entries);
    if mine {
        let known = app
            .relations
            .among(organisation, &persons, now, deadline)
            .await
            .or_unavailable()?;
        entries.retain(|Numbered { entry, .. }| known.contains(&entry.person));
        persons.retain(|person| known.contains(person));
    }
    if persons.is_empty() {
        return Ok(Page {
            entries,
            stored: HashMap::new(),
            last,
            head,
        });
    }
    let disclosure = Disclosure {
        request: Uuid::new_v4(),
        organisation,
        supplier: follower.machine.supplier,
        at: now,
        purpose: PURPOSE,
        reference: None,
        fields: follower.fields().names(),
        persons: &persons,
    };
    app.disclosures
        .record(&disclosure)
        .await
        .map_err(|error| not_on_record(&error))?;
    let stored = app.register.many_as_of_now(&persons, deadline).await.or_unavailable()?;
    Ok(Page {
        entries,
        stored,
        last,
        head,
    })
}

/// Each person once.
fn persons(entries: &[Numbered<FeedEntry>]) -> Vec<PersonKey> {
    let mut persons: Vec<_> = entries.iter().map(|numbered| numbered.entry.person.clone()).collect();
    persons.sort_unstable();
    persons.dedup();
    persons
}

/// Whether an organisation learns of a change at all.
fn is_for(entry: &FeedEntry, role: &Role) -> bool {
    match role {
        // What concerns mailboxes of others is not its business.
        Role::Provider(provider) => entry.providers.contains(provider),
        Role::Agency(_) => entry.events.iter().any(|event| concerns(event, role)),
    }
}

/// Whether an organisation learns of an event.
fn concerns(event: &Event, role: &Role) -> bool {
    match role {
        Role::Provider(_) => !event.is_of_contact(),
        Role::Agency(Fields { contact, mailbox }) => {
            (*contact || !event.is_of_contact()) && (*mailbox || !event.is_of_mailbox())
        }
    }
}

fn standing(entry: &Entry, role: &Role) -> Option<StandingView> {
    let Role::Provider(provider) = role else { return None };
    let standing = |provider: &ProviderId| entry.registration()?.mailboxes.standing(provider);
    Some(standing(provider).map_or(StandingView::None("none"), StandingView::Some))
}
