//! One identity number gave way to another: both entries, both changes and who shares an address, in one transaction.

use infra_aws::{
    error::StoreError,
    register::{Current, Stored},
    retry,
    transaction::{CommitError, Write},
};
use mailbox_register::{
    entry::{Holder, Replacement, replace_identifier},
    person::{PersonIdentifier, PersonKeys},
};

use crate::{App, Applied};

/// Moves a person from one number to another. Either may have given way to a third before: then that one is meant.
pub(crate) async fn replace(app: &App, old: &PersonIdentifier, new: &PersonIdentifier) -> Result<Applied, StoreError> {
    for race in 0..retry::MAX_RACES {
        retry::race(race).await;
        let from = app.register.entries().current_of(old, &app.secrets).await?;
        let to = app.register.entries().current_of(new, &app.secrets).await?;
        let (from_identifier, to_identifier) = (identifier(&from, old), identifier(&to, new));
        if from_identifier == to_identifier {
            return Ok(Applied::Before);
        }
        let (from_keys, to_keys) = (app.secrets.keys(from_identifier), app.secrets.keys(to_identifier));
        // A refusal: one of them has given way since it was read.
        let Ok(replaced) = replace_identifier(
            holder(&from, from_identifier, &from_keys),
            holder(&to, to_identifier, &to_keys),
            app.clock.now(),
        ) else {
            continue;
        };
        let Some(replaced) = replaced else {
            return Ok(Applied::Before);
        };
        let writes = writes(app, &from, &to, &replaced).await?;
        match app.register.commit(writes).await {
            Ok(()) => return Ok(Applied::Now),
            Err(CommitError::Conflict(_)) => {}
            Err(CommitError::Store(error)) => return Err(error),
        }
    }
    Err(StoreError::Unavailable("races for an entry".to_owned()))
}

/// The identifier in use of somebody who was named by one.
fn identifier<'a>(current: &'a Current, named: &'a PersonIdentifier) -> &'a PersonIdentifier {
    current.identifier.as_ref().unwrap_or(named)
}

fn holder<'a>(current: &'a Current, identifier: &'a PersonIdentifier, keys: &'a PersonKeys) -> Holder<'a> {
    Holder {
        identifier,
        key: &current.key,
        keys,
        entry: current.stored.as_ref().map(|stored| &stored.entry),
    }
}

async fn writes(app: &App, from: &Current, to: &Current, replaced: &Replacement) -> Result<Vec<Write>, StoreError> {
    let registration = |stored: &'_ Option<Stored>| {
        let stored = stored.as_ref()?;
        stored.entry.registration().cloned()
    };
    let (left, before) = (registration(&from.stored), registration(&to.stored));
    let after = match &replaced.new {
        Some(new) => new.entry.registration().cloned(),
        None => before.clone(),
    };
    let [leaving, mut taking] = app
        .addresses
        .moving((&from.key, left.as_ref()), (&to.key, before.as_ref(), after.as_ref()))
        .await?;
    // The old number's person was dead: the new one's addresses are free as well. There were none to move.
    if after.is_none() && before.is_some() {
        taking = app.addresses.sharing(&to.key, before.as_ref(), None).await?;
    }
    let mut writes: Vec<_> = leaving.writes().chain(taking.writes()).collect();
    writes.extend(app.register.writes(&from.key, &replaced.old, &leaving)?);
    if let Some(new) = &replaced.new {
        writes.extend(app.register.writes(&to.key, new, &taking)?);
    }
    Ok(writes)
}
