//! A D-number gives way to a fødselsnummer, or one number to another: all that the person has moves to the new one, the
//! old entry is deleted and says where to.

use jiff::Timestamp;

use super::{
    Actor, Change, Deletion, DeletionReason, Entry, Event, Outcome, Refused, Registration, Status, Successor,
    transition::{is_visible, providers_concerned},
};
use crate::person::{PersonIdentifier, PersonKey, PersonKeys};

/// An identifier, and what the register has of it.
#[derive(Debug, Clone, Copy)]
pub struct Holder<'a> {
    /// The identifier.
    pub identifier: &'a PersonIdentifier,
    /// Its key.
    pub key: &'a PersonKey,
    /// All keys that may stand for it.
    pub keys: &'a PersonKeys,
    /// Its entry; none if the person is not in the register by it.
    pub entry: Option<&'a Entry>,
}

/// Both entries after a replacement.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Replacement {
    /// The entry of the number that is no longer used.
    pub old: Outcome,
    /// The entry of the number that took over; none where nothing changes there.
    pub new: Option<Outcome>,
}

/// Moves an entry to another identifier. Done again it changes nothing.
///
/// Where the new number already has an entry, what the person registered there stays and only what is missing
/// moves: the newer registration is the person's latest word. A reservation holds if either entry had one, and whoever is
/// out of the population by either number is so by both. Nobody is told and nothing is to be proved anew: it is the same
/// person with the same addresses. A number that was never in the register is none to come in by any more.
///
/// # Errors
/// [`Refused::Deleted`] where either identifier has given way to another itself: then it is that one's turn.
pub fn replace_identifier(old: Holder<'_>, new: Holder<'_>, now: Timestamp) -> Result<Option<Replacement>, Refused> {
    if let Some(successor) = old.entry.and_then(Entry::successor) {
        return if successor.key == *new.key {
            Ok(None)
        } else {
            Err(Refused::Deleted)
        };
    }
    if new.entry.is_some_and(|entry| entry.successor().is_some()) {
        return Err(Refused::Deleted);
    }
    let is_gone = old.entry.is_some_and(Entry::is_out_of_population);
    let reason = if is_gone {
        DeletionReason::PopulationRegister
    } else {
        DeletionReason::IdentifierReplaced
    };
    let deletion = Status::Deleted(Deletion {
        successor: Some(Successor {
            key: new.key.clone(),
            identifier: new.identifier.clone(),
        }),
        ..Deletion::of(old.entry.map(|entry| &entry.status), reason, now)
    });
    Ok(Some(Replacement {
        old: outcome(old, own_predecessors(old), deletion, Event::Deleted, now),
        new: moved(old.entry, new, now).map(|(status, event)| {
            let mut predecessors = own_predecessors(new);
            let entry = old.entry.iter();
            let own = entry.clone().flat_map(|entry| &entry.earlier_keys);
            let former = std::iter::once(old.key).chain(old.keys.each()).chain(own);
            for key in former.chain(entry.flat_map(|entry| &entry.predecessors)) {
                if key != new.key && !predecessors.contains(key) {
                    predecessors.push(key.clone());
                }
            }
            outcome(new, predecessors, status, event, now)
        }),
    }))
}

/// What becomes of the new number's entry; none if nothing.
fn moved(old: Option<&Entry>, new: Holder<'_>, now: Timestamp) -> Option<(Status, Event)> {
    // The dead stay dead.
    if new.entry.is_some_and(Entry::is_out_of_population) {
        return None;
    }
    let present = new.entry.map(|entry| &entry.status);
    let status = match (old.map(|entry| &entry.status), present) {
        (None, None) => return None,
        (Some(Status::Deleted(deletion)), _) if deletion.reason == DeletionReason::PopulationRegister => {
            let deletion = Deletion::of(present, deletion.reason, now);
            return Some((Status::Deleted(deletion), Event::Deleted));
        }
        (Some(Status::Registered(moving)), Some(Status::Registered(present))) => {
            Status::Registered(Box::new(merged(present, moving)))
        }
        // Whoever left under the new number by own wish is no other person than the one who is moved.
        (Some(moving @ Status::Registered(_)), _) => moving.clone(),
        // Whoever left under the old number has left by the new one as well, and may come back by it. Nobody has seen a
        // registration there.
        (Some(Status::Deleted(deletion)), None) => Status::Deleted(Deletion::of(None, deletion.reason, now)),
        // Nothing moves, but the number's history is the person's.
        (_, Some(present)) => present.clone(),
    };
    Some((status, Event::MovedHere))
}

/// What is there, with what is missing from what comes in.
fn merged(present: &Registration, moving: &Registration) -> Registration {
    let (mut merged, moving) = (present.clone(), moving.clone());
    merged.email = merged.email.or(moving.email);
    merged.mobile = merged.mobile.or(moving.mobile);
    merged.preferred_channel = merged.preferred_channel.or(moving.preferred_channel);
    merged.reserved_at = merged.reserved_at.or(moving.reserved_at);
    if merged.language_updated_at.is_none() {
        merged.language = moving.language;
        merged.language_updated_at = moving.language_updated_at;
    }
    merged.mailboxes.take_in(moving.mailboxes);
    merged
}

fn own_predecessors(holder: Holder<'_>) -> Vec<PersonKey> {
    holder.entry.map(|entry| entry.predecessors.clone()).unwrap_or_default()
}

fn outcome(holder: Holder<'_>, predecessors: Vec<PersonKey>, status: Status, event: Event, now: Timestamp) -> Outcome {
    let version = holder.entry.map_or(0, |entry| entry.version) + 1;
    let entry = Entry {
        identifier: holder.identifier.clone(),
        version,
        predecessors,
        earlier_keys: match holder.entry {
            Some(entry) => entry.earlier_keys.clone(),
            None => holder.keys.earlier_than(holder.key),
        },
        status,
    };
    Outcome {
        is_visible: is_visible(holder.entry, &entry),
        providers: providers_concerned(holder.entry.and_then(Entry::registration), entry.registration()),
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
