//! What has changed of persons since an earlier batch.

use std::collections::HashMap;

use futures_util::{StreamExt as _, TryStreamExt as _, stream};
use infra_aws::{error::StoreError, register::Stored};
use jiff::Timestamp;
use mailbox_register::{
    batch::changed::changed,
    entry::{Change, Entry},
    person::{PersonKey, PersonKeys},
};

use crate::{App, stop::Stop, work::Piece};

/// Histories read at once.
const AT_ONCE: usize = 16;
/// Persons asked about together.
const IN_MEMORY: usize = 128;
/// Changes read at once: more than most persons ever have.
const PAGE: i32 = 25;

/// The names of what has changed, of those of whom anything has. Only who changed since then has a history that is read.
pub(crate) async fn since(
    piece: &Piece<'_>,
    keys: &[PersonKeys],
    entries: &HashMap<PersonKey, Stored>,
    since: Timestamp,
) -> Result<HashMap<PersonKey, Vec<&'static str>>, Stop> {
    let mut all = HashMap::new();
    for keys in keys.chunks(IN_MEMORY) {
        let known = keys
            .iter()
            .map(PersonKeys::current)
            .filter_map(|key| entries.get(key).map(|stored| (key, stored)));
        let asking: Vec<_> = known.map(|(key, stored)| ask(piece, key, stored, since)).collect();
        let asked: Vec<_> = stream::iter(asking).buffer_unordered(AT_ONCE).try_collect().await?;
        all.extend(asked.into_iter().filter(|(_, names)| !names.is_empty()));
    }
    Ok(all)
}

async fn ask(
    piece: &Piece<'_>,
    key: &PersonKey,
    stored: &Stored,
    since: Timestamp,
) -> Result<(PersonKey, Vec<&'static str>), Stop> {
    let changes = if stored.changed_at.is_some_and(|at| at <= since) {
        Vec::new()
    } else {
        history(piece.app, stored, since).await?
    };
    let entry: &Entry = &stored.entry;
    let names = changed(Some(entry), &changes, piece.fields, since, piece.plan.at);
    Ok((key.clone(), names))
}

/// A person's changes after `since`.
async fn history(app: &App, stored: &Stored, since: Timestamp) -> Result<Vec<Change>, StoreError> {
    let mut changes = Vec::new();
    let mut before = None;
    let keys = stored.own_keys();
    loop {
        let page = app.register.changes().history(&keys, before, PAGE).await?;
        let Some(last) = page.last() else { return Ok(changes) };
        let is_enough = last.at <= since;
        before = Some(last.version);
        changes.extend(page.into_iter().filter(|change| change.at > since));
        if is_enough {
            return Ok(changes);
        }
    }
}
