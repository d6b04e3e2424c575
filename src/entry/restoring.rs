//! An entry is put back as it was before an accident: a table was lost, or written to by what should not have.
//!
//! The past comes back without what was asked for since: whoever was erased, has left or died stays so, and nobody is told
//! anything again. Versions go on, so that nobody who knows a later one takes the restored entry for it.

use jiff::Timestamp;

use super::{
    Actor, Change, Deletion, DeletionReason, Entry, Event, Outcome, Registration, Status,
    transition::{is_visible, providers_concerned},
};
use crate::contact::Channel;

/// Something that happened to an entry after the moment that it is restored to: what its history says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Since {
    /// What.
    pub change: Change,
    /// Why, where the entry was deleted.
    pub reason: Option<DeletionReason>,
}

/// Puts an entry back as it was.
///
/// `there` is what there is now, if that can be read; `since` what happened after `then`, in order. None, if the entry is as
/// it is to be already.
pub fn restore(
    there: Option<&Entry>,
    then: &Entry,
    since: &[Since],
    as_of: Timestamp,
    now: Timestamp,
) -> Option<Outcome> {
    let status = status(then, since);
    if there.is_some_and(|there| there.status == status) {
        return None;
    }
    let known = there.map(|there| there.version);
    let versions = since.iter().map(|since| since.change.version);
    let highest = versions.chain(known).fold(then.version, u64::max);
    let mut predecessors = then.predecessors.clone();
    for key in there.iter().flat_map(|there| &there.predecessors) {
        if !predecessors.contains(key) {
            predecessors.push(key.clone());
        }
    }
    let entry = Entry {
        identifier: then.identifier.clone(),
        version: highest + 1,
        predecessors,
        earlier_keys: there.unwrap_or(then).earlier_keys.clone(),
        status,
    };
    let before = there.unwrap_or(then);
    Some(Outcome {
        is_visible: is_visible(Some(before), &entry),
        providers: providers_concerned(before.registration(), entry.registration()),
        change: Change {
            version: entry.version,
            at: now,
            actor: Actor::Operator,
            events: vec![Event::Restored { as_of }],
        },
        entry,
        notices: Vec::new(),
        codes: Vec::new(),
    })
}

/// What was registered then, or that it was deleted since.
fn status(then: &Entry, since: &[Since]) -> Status {
    let mut status = then.status.clone();
    for Since { change, reason } in since {
        for event in &change.events {
            match event {
                // What replaced an identifier since is told of again: until then the person is who it was.
                Event::Deleted if *reason != Some(DeletionReason::IdentifierReplaced) => {
                    let reason = reason.unwrap_or(DeletionReason::OwnWish);
                    status = Status::Deleted(Deletion::of(Some(&status), reason, change.at));
                }
                Event::Erased => {
                    if let Status::Deleted(deletion) = &mut status {
                        deletion.erased_at = Some(change.at);
                    }
                }
                Event::FreshnessReminded { channels } => {
                    if let Status::Registered(registration) = &mut status {
                        reminded(registration, channels, change.at);
                    }
                }
                // Whoever came back after a deletion has to come back once more: what was registered is not known any more,
                // and what had been before was to be gone.
                _ => {}
            }
        }
    }
    status
}

/// Nobody is reminded a second time.
fn reminded(registration: &mut Registration, channels: &[Channel], at: Timestamp) {
    for channel in channels {
        match channel {
            Channel::Sms => (registration.mobile.iter_mut()).for_each(|point| point.reminded_at = Some(at)),
            Channel::Email => (registration.email.iter_mut()).for_each(|point| point.reminded_at = Some(at)),
        }
    }
}
