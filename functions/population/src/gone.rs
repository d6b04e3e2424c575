//! Somebody has died or left the country: the entry is deleted, and nobody is told.

use infra_aws::{error::StoreError, register::Current, retry, transaction::CommitError};
use mailbox_register::{
    entry::{self, Actor, Command, DeletionReason, Entry, Transition},
    person::PersonIdentifier,
};

use crate::{App, Applied};

/// Somebody has died. Who has no entry gets one that says that there is none, so that no provider who has not heard of it
/// brings the person in.
pub(crate) async fn died(app: &App, person: &PersonIdentifier) -> Result<Applied, StoreError> {
    delete(app, person, true).await
}

/// Somebody has left the country. Of who has no entry nothing is kept.
pub(crate) async fn emigrated(app: &App, person: &PersonIdentifier) -> Result<Applied, StoreError> {
    delete(app, person, false).await
}

async fn delete(app: &App, person: &PersonIdentifier, without_entry_too: bool) -> Result<Applied, StoreError> {
    for race in 0..retry::MAX_RACES {
        retry::race(race).await;
        let Current {
            key,
            identifier,
            stored,
            ..
        } = app.register.entries().current_of(person, &app.secrets).await?;
        let entry = stored.as_ref().map(|stored| &stored.entry);
        if entry.is_none() && !without_entry_too {
            return Ok(Applied::Before);
        }
        let identifier = identifier.as_ref().unwrap_or(person);
        let command = Command::Delete(DeletionReason::PopulationRegister);
        let transition = entry::apply(entry, identifier, command, Actor::Register, app.clock.now());
        let Ok(Transition::Changed(outcome)) = transition else {
            return Ok(Applied::Before);
        };
        let outcome = outcome.under(&key, &app.secrets.keys(identifier));
        let sharing = app
            .addresses
            .sharing(&key, entry.and_then(Entry::registration), None)
            .await?;
        let mut writes: Vec<_> = sharing.writes().collect();
        writes.extend(app.register.writes(&key, &outcome, &sharing)?);
        match app.register.commit(writes).await {
            Ok(()) => return Ok(Applied::Now),
            Err(CommitError::Conflict(_)) => {}
            Err(CommitError::Store(error)) => return Err(error),
        }
    }
    Err(StoreError::Unavailable("races for an entry".to_owned()))
}
