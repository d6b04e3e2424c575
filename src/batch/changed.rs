//! What has changed of a person since an earlier batch, as far as the organisation sees it.

use jiff::Timestamp;

use crate::{
    caller::Fields,
    contact::Channel,
    entry::{Change, Entry, Event, Registration, Status},
};

/// The names of what has changed since, each once, in the order of the result's columns. `changes` are those of the
/// entry after `since`, in any order; `now` is the moment that answers speak of.
pub fn changed(
    entry: Option<&Entry>,
    changes: &[Change],
    fields: Fields,
    since: Timestamp,
    now: Timestamp,
) -> Vec<&'static str> {
    let Some(entry) = entry.and_then(Entry::disclosed) else {
        return Vec::new();
    };
    if let Status::Deleted(deletion) = &entry.status
        && deletion.deleted_at <= since
    {
        // What the register has heard since of somebody who had left already is nobody's business.
        return Vec::new();
    }
    let registration = entry.registration();
    let events = || {
        let since = changes.iter().filter(|change| change.at > since);
        since.flat_map(|change| &change.events)
    };
    let happened: Vec<_> = events().filter_map(|event| name(event, registration)).collect();
    // Whatever was undone.
    let was_restored = events().any(|event| matches!(event, Event::Restored { .. }));
    let can_be_notified = |at| registration.is_some_and(|registration| registration.can_be_notified(at));
    // Time alone makes addresses stale.
    let has_aged = can_be_notified(since) != can_be_notified(now);
    let seen = [
        ("status", true),
        ("reserved", true),
        ("canBeNotified", fields.contact),
        ("language", fields.contact),
        ("email", fields.contact),
        ("mobile", fields.contact),
        ("mailbox", fields.mailbox),
    ];
    seen.into_iter()
        .filter(|(name, is_seen)| {
            *is_seen && (was_restored || happened.contains(name) || (has_aged && *name == "canBeNotified"))
        })
        .map(|(name, _)| name)
        .collect()
}

/// What an event changed of what organisations see; none, if nothing.
fn name(event: &Event, registration: Option<&Registration>) -> Option<&'static str> {
    let active = registration.and_then(|registration| registration.mailboxes.active());
    match event {
        Event::Registered | Event::Deleted | Event::MovedHere => Some("status"),
        Event::Reserved | Event::Unreserved => Some("reserved"),
        Event::LanguageSet { .. } => Some("language"),
        // Whoever says that the details are right makes them fresh.
        Event::ContactConfirmed => Some("canBeNotified"),
        Event::ContactSet { channel }
        | Event::ContactValidated { channel }
        | Event::ContactRemoved { channel }
        | Event::ContactUndeliverable { channel }
        | Event::ContactDeliverableAgain { channel } => Some(match channel {
            Channel::Email => "email",
            Channel::Sms => "mobile",
        }),
        Event::MailboxActivated { .. } | Event::MailboxWithdrawn => Some("mailbox"),
        // Mailboxes that are not the active one are nobody's business.
        Event::MailboxUpdated { provider } => active
            .is_some_and(|active| active.provider == *provider)
            .then_some("mailbox"),
        Event::MailboxClosed { .. } | Event::MailboxProviderLeaves { .. } => active.is_none().then_some("mailbox"),
        Event::PreferredChannelSet { .. }
        | Event::FreshnessReminded { .. }
        | Event::MailboxChoicePending { .. }
        | Event::MailboxChoiceTakenBack { .. }
        | Event::MailboxRegistered { .. }
        | Event::Erased
        | Event::Restored { .. } => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        entry::{self, Actor, Command, ContactUpdate, DeletionReason, Transition, Update},
        person::{PersonIdentifier, Population},
    };

    fn at(text: &str) -> Timestamp {
        text.parse().unwrap()
    }

    const ALL: Fields = Fields {
        contact: true,
        mailbox: true,
    };

    fn story(commands: Vec<(Timestamp, Command)>) -> (Entry, Vec<Change>) {
        let person = PersonIdentifier::parse("20914695016", Population::Synthetic).unwrap();
        let (mut entry, mut changes) = (None::<Entry>, Vec::new());
        for (now, command) in commands {
            let Ok(Transition::Changed(outcome)) = entry::apply(entry.as_ref(), &person, command, Actor::Citizen, now)
            else {
                panic!("each command changes something")
            };
            changes.push(outcome.change);
            entry = Some(outcome.entry);
        }
        (entry.unwrap(), changes)
    }

    fn email(address: &str) -> Command {
        Command::SetContact(ContactUpdate {
            email: Update::Set(address.parse().unwrap()),
            mobile: Update::Keep,
            language: None,
            preferred_channel: None,
        })
    }

    #[test]
    fn what_happened_since_is_named_and_what_happened_before_is_not() {
        let (first, second) = (at("2026-01-10T10:00:00Z"), at("2026-02-10T10:00:00Z"));
        let (entry, changes) = story(vec![(first, email("a@example.no")), (second, Command::Reserve)]);
        let since = |since| changed(Some(&entry), &changes, ALL, since, at("2026-03-01T10:00:00Z"));
        assert_eq!(since(at("2026-01-01T10:00:00Z")), ["status", "reserved", "email"]);
        assert_eq!(since(first), ["reserved"]);
        assert!(since(second).is_empty());
        assert!(changed(None, &[], ALL, first, second).is_empty());
    }

    #[test]
    fn nothing_is_told_of_what_the_organisation_does_not_see() {
        let (first, second) = (at("2026-01-10T10:00:00Z"), at("2026-02-10T10:00:00Z"));
        let (entry, changes) = story(vec![(first, email("a@example.no")), (second, email("b@example.no"))]);
        let mailbox_only = Fields {
            contact: false,
            mailbox: true,
        };
        assert!(changed(Some(&entry), &changes, mailbox_only, first, second).is_empty());
        assert_eq!(changed(Some(&entry), &changes, ALL, first, second), ["email"]);
    }

    #[test]
    fn nothing_is_told_of_a_death_where_nothing_is_seen_of_it() {
        let [first, second, third] = ["2026-01-10T10:00:00Z", "2026-02-10T10:00:00Z", "2026-03-10T10:00:00Z"].map(at);
        let died = || Command::Delete(DeletionReason::PopulationRegister);
        let now = at("2026-04-01T10:00:00Z");
        let (unknown, changes) = story(vec![(third, died())]);
        assert!(changed(Some(&unknown), &changes, ALL, second, now).is_empty());
        let left = Command::Delete(DeletionReason::OwnWish);
        let (gone, changes) = story(vec![(first, Command::Reserve), (second, left), (third, died())]);
        assert_eq!(changed(Some(&gone), &changes, ALL, first, now), ["status"]);
        assert!(changed(Some(&gone), &changes, ALL, second, now).is_empty());
    }

    #[test]
    fn an_address_that_has_become_too_old_is_told_of() {
        let (entry, changes) = story(vec![(at("2024-09-01T10:00:00Z"), email("a@example.no"))]);
        let since = at("2026-02-01T10:00:00Z");
        let named = changed(Some(&entry), &changes, ALL, since, at("2026-04-01T10:00:00Z"));
        assert_eq!(named, ["canBeNotified"]);
    }
}
