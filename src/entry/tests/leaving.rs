//! A provider leaves the market.

use jiff::civil::Date;

use super::*;

/// The first day without it: a month after the start.
fn day() -> Date {
    later(1).to_zoned(norwegian_time()).date()
}

/// The provider of the second place leaves, and those of `instead` may step in.
fn leaves(instead: &[usize]) -> Command {
    Command::ProviderLeaves(Leaving {
        provider: provider(1),
        on: day(),
        instead: instead.iter().copied().map(provider).collect(),
    })
}

fn told_of(instead: Option<usize>) -> (Channel, Message) {
    let message = Message::ProviderLeaves {
        provider: provider(1),
        on: day(),
        instead: instead.map(provider),
    };
    (Channel::Sms, message)
}

/// Reached by mobile, with mailboxes of some providers, of which the last one is chosen.
fn with_mailboxes(registered: &[usize]) -> Vec<Command> {
    let mut commands = vec![contact(Update::Keep, Update::Set(mobile(0)))];
    commands.extend(registered.iter().copied().map(registering));
    if let [_, .., last] = *registered {
        commands.push(Command::Choose(provider(last)));
    }
    commands
}

fn leaving_with(commands: Vec<Command>, instead: &[usize]) -> Outcome {
    after(commands.into_iter().chain([leaves(instead)]))
}

#[test]
fn the_mailbox_of_whoever_may_step_in_becomes_active_and_the_person_is_told_once() {
    let outcome = leaving_with(with_mailboxes(&[0, 1]), &[0, 2]);
    let mailboxes = &outcome.entry.registration().unwrap().mailboxes;
    assert!(mailboxes.is_active(&provider(0)));
    assert_eq!(mailboxes.active().unwrap().confirmed_by, Some(Channel::Sms));
    assert_eq!(outcome.notices, [told_of(Some(0))]);
    let expected = [
        Event::MailboxProviderLeaves {
            provider: provider(1),
            on: day(),
        },
        Event::MailboxActivated {
            provider: provider(0),
            before: Some(provider(1)),
        },
    ];
    assert_eq!(outcome.change.events, expected);
    // Both see it in the feed. What lies in the old mailbox can be read until the day, and be told of.
    assert_eq!(outcome.providers, [provider(0), provider(1)]);
    assert!(mailboxes.of(&provider(1)).is_some());
    assert_eq!(run(Some(&outcome.entry), leaves(&[0, 2])), Ok(Transition::Unchanged));
}

#[test]
fn nobody_is_moved_to_a_mailbox_that_may_not_step_in_or_to_one_of_several() {
    for (registered, instead) in [
        (&[1][..], &[0][..]),
        (&[0, 1], &[2]),
        (&[0, 1], &[]),
        (&[0, 2, 1], &[0, 2]),
    ] {
        let outcome = leaving_with(with_mailboxes(registered), instead);
        let mailboxes = &outcome.entry.registration().unwrap().mailboxes;
        assert_eq!(mailboxes.active(), None, "{registered:?} {instead:?}");
        assert_eq!(outcome.notices, [told_of(None)]);
        // The person has said nothing: the next mailbox that is registered is the active one, as at the beginning.
        assert!(mailboxes.has_room());
    }
}

#[test]
fn a_provider_that_updates_a_mailbox_meanwhile_does_not_take_the_choice_back() {
    let outcome = leaving_with(with_mailboxes(&[1]), &[]);
    let updated = Command::RegisterMailbox(Registering {
        provider: provider(1),
        address: "another.address".to_owned().try_into().unwrap(),
        certificate: Update::Keep,
    });
    let updated = changed_after(0, &outcome.entry, updated);
    assert_eq!(updated.entry.registration().unwrap().mailboxes.active(), None);
}

#[test]
fn a_pending_choice_ends_and_an_active_mailbox_elsewhere_stays() {
    let mut commands = with_mailboxes(&[0]);
    commands.push(Command::Choose(provider(1)));
    let outcome = leaving_with(commands, &[]);
    let mailboxes = &outcome.entry.registration().unwrap().mailboxes;
    assert!(mailboxes.is_active(&provider(0)) && mailboxes.pending().is_none());
    assert_eq!(outcome.notices, [told_of(Some(0))]);
}

#[test]
fn whoever_waits_for_another_provider_goes_on_waiting() {
    let mut commands = with_mailboxes(&[1]);
    commands.push(Command::Choose(provider(2)));
    let outcome = leaving_with(commands, &[0]);
    let mailboxes = &outcome.entry.registration().unwrap().mailboxes;
    assert!(mailboxes.is_pending(&provider(2)) && mailboxes.active().is_none());
}

#[test]
fn whoever_is_reserved_is_moved_for_whenever_that_ends() {
    let mut commands = with_mailboxes(&[0, 1]);
    commands.push(Command::Reserve);
    let outcome = leaving_with(commands, &[0]);
    let registration = outcome.entry.registration().unwrap();
    assert!(registration.is_reserved() && registration.mailboxes.is_active(&provider(0)));
}

#[test]
fn on_the_day_its_mailboxes_are_closed_and_who_was_told_is_not_told_again() {
    let moved = leaving_with(with_mailboxes(&[0, 1]), &[0]).entry;
    let closed = changed_after(1, &moved, leaves(&[0]));
    assert_eq!(closed.notices, []);
    assert_eq!(closed.change.events, [Event::MailboxClosed { provider: provider(1) }]);
    assert_eq!(
        run_after(1, Some(&closed.entry), leaves(&[0])),
        Ok(Transition::Unchanged)
    );
}

#[test]
fn it_is_nothing_to_whoever_is_deleted_unknown_or_with_another_provider() {
    let gone = after([registering(1), Command::Delete(DeletionReason::OwnWish)]).entry;
    let elsewhere = after([registering(0)]).entry;
    for entry in [None, Some(&gone), Some(&elsewhere)] {
        assert_eq!(run(entry, leaves(&[0])), Ok(Transition::Unchanged));
    }
}
