//! A D-number gives way to a fødselsnummer: contact data moves to the new number, the old entry is deleted.

use jiff::Timestamp;

use super::{
    Actor, Change, Deletion, DeletionReason, Entry, Event, Outcome, Refused, Status, transition::providers_concerned,
};
use crate::person::{PersonIdentifier, PersonKey};

/// Both entries after a replacement.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Replacement {
    /// The entry of the number that is no longer used.
    pub old: Outcome,
    /// The entry of the number that took over.
    pub new: Outcome,
}

/// Moves an entry to another identifier. Done again it changes nothing.
///
/// Where the new number already has an entry, what the person registered there stays and only what is missing
/// moves: the newer registration is the person's latest word. A reservation holds if either entry had one. Nobody is
/// told and nothing is to be proved anew: it is the same person with the same addresses.
///
/// # Errors
/// [`Refused::Deleted`] where the old entry is deleted otherwise, or the new one by the population register;
/// [`Refused::NotRegistered`] without an old entry.
pub fn replace_identifier(
    old: Option<&Entry>,
    new: Option<&Entry>,
    identifier: &PersonIdentifier,
    successor: PersonKey,
    now: Timestamp,
) -> Result<Option<Replacement>, Refused> {
    let old = old.ok_or(Refused::NotRegistered)?;
    let moving = match &old.status {
        Status::Registered(registration) => registration.clone(),
        Status::Deleted(deletion) if deletion.successor.as_ref() == Some(&successor) => return Ok(None),
        Status::Deleted(_) => return Err(Refused::Deleted),
    };
    let registration = match new.map(|entry| &entry.status) {
        None => moving,
        // Whoever left under the new number by own wish is no other person than the one who is moved.
        Some(Status::Deleted(deletion)) if deletion.reason == DeletionReason::OwnWish => moving,
        Some(Status::Deleted(_)) => return Err(Refused::Deleted),
        Some(Status::Registered(present)) => {
            let mut merged = present.clone();
            merged.email = merged.email.or(moving.email);
            merged.mobile = merged.mobile.or(moving.mobile);
            merged.preferred_channel = merged.preferred_channel.or(moving.preferred_channel);
            merged.reserved_at = merged.reserved_at.or(moving.reserved_at);
            if merged.language_updated_at.is_none() {
                merged.language = moving.language;
                merged.language_updated_at = moving.language_updated_at;
            }
            if merged.mailboxes.registered().next().is_none() && merged.mailboxes.pending().is_none() {
                merged.mailboxes = moving.mailboxes;
            }
            merged
        }
    };
    let deletion = Status::Deleted(Deletion {
        deleted_at: now,
        reason: DeletionReason::IdentifierReplaced,
        successor: Some(successor),
    });
    Ok(Some(Replacement {
        old: outcome(Some(old), &old.identifier, deletion, Event::Deleted, now),
        new: outcome(new, identifier, Status::Registered(registration), Event::MovedHere, now),
    }))
}

fn outcome(
    before: Option<&Entry>,
    identifier: &PersonIdentifier,
    status: Status,
    event: Event,
    now: Timestamp,
) -> Outcome {
    let version = before.map_or(0, |entry| entry.version) + 1;
    let entry = Entry {
        identifier: identifier.clone(),
        version,
        status,
    };
    Outcome {
        providers: providers_concerned(before.and_then(Entry::registration), entry.registration()),
        entry,
        change: Change {
            version,
            at: now,
            actor: Actor::Register,
            events: vec![event],
        },
        notices: Vec::new(),
        codes: Vec::new(),
    }
}
