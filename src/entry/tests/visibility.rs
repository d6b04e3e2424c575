//! What others can see of a deletion, and that nothing of it says why.

use super::*;

fn died() -> Command {
    Command::Delete(DeletionReason::PopulationRegister)
}

fn left() -> Command {
    Command::Delete(DeletionReason::OwnWish)
}

#[test]
fn a_change_is_seen_where_there_is_a_registration_before_or_after() {
    let set = || contact(Update::Keep, Update::Set(mobile(0)));
    let seen = [
        vec![set()],
        vec![set(), registering(0)],
        vec![set(), left()],
        vec![set(), died()],
        vec![set(), left(), set()],
    ];
    for commands in seen {
        assert!(after(commands.clone()).is_visible, "{commands:?}");
    }
}

#[test]
fn a_death_is_not_seen_where_there_was_no_registration() {
    for commands in [vec![died()], vec![registering(0), left(), died()]] {
        assert!(!after(commands.clone()).is_visible, "{commands:?}");
    }
}

#[test]
fn whoever_died_without_a_registration_is_to_others_nobody_and_stays_out() {
    let unknown_dead = after([died()]).entry;
    assert_eq!(unknown_dead.disclosed(), None);
    assert_eq!(eligibility(Some(&unknown_dead), &provider(0)), Ok(()));
    assert_eq!(run(Some(&unknown_dead), registering(0)), Err(Refused::Deleted));
    for command in [Command::CloseMailbox(provider(0)), Command::Confirm] {
        assert_eq!(run(Some(&unknown_dead), command.clone()), run(None, command));
    }
    let known_dead = after([registering(0), died()]).entry;
    assert_eq!(known_dead.disclosed(), Some(&known_dead));
    assert_eq!(eligibility(Some(&known_dead), &provider(0)), Err(Ineligible::Deleted));
}

#[test]
fn whoever_left_is_seen_as_deleted_since_then_whatever_the_register_hears_later() {
    let gone = after([registering(0), left()]).entry;
    let dead = changed_after(2, &gone, died()).entry;
    let deletion = |entry: &Entry| match &entry.status {
        Status::Deleted(deletion) => deletion.clone(),
        Status::Registered(_) => panic!("the entry is deleted"),
    };
    let expected = Deletion {
        reason: DeletionReason::PopulationRegister,
        ..deletion(&gone)
    };
    assert_eq!(deletion(&dead), expected);
    // So too where the number has given way.
    let (mut old, mut new) = (d_number(Some(dead)), new_number(None));
    assert_eq!(replace(&mut old, &mut new), Ok(true));
    assert_eq!(deletion(&old.entry.unwrap()).deleted_at, start());
}

#[test]
fn a_number_by_which_nobody_was_registered_is_to_others_none_after_a_replacement() {
    let registered = || Some(after([registering(0)]).entry);
    let gone = || Some(after([registering(0), left()]).entry);
    let known_dead = || Some(after([registering(0), died()]).entry);
    let unknown_dead = || Some(after([died()]).entry);
    let is_seen = |number: &Number| number.entry.as_ref().is_some_and(|entry| entry.disclosed().is_some());
    for (before, present) in [
        (None, None),
        (None, registered()),
        (None, unknown_dead()),
        (unknown_dead(), None),
        (unknown_dead(), registered()),
        (unknown_dead(), gone()),
        (registered(), unknown_dead()),
        (gone(), None),
        (gone(), unknown_dead()),
        (known_dead(), None),
        (known_dead(), unknown_dead()),
    ] {
        let (mut old, mut new) = (d_number(before), new_number(present));
        let seen = (is_seen(&old), is_seen(&new));
        assert_eq!(replace(&mut old, &mut new), Ok(true));
        assert_eq!((is_seen(&old), is_seen(&new)), seen);
        assert!(!old.is_registered());
    }
    // Whoever comes back by the new number, and leaves, has been seen there.
    let (mut old, mut new) = (d_number(gone()), new_number(None));
    assert_eq!(replace(&mut old, &mut new), Ok(true));
    let back = changed_after(0, &new.entry.unwrap(), contact(Update::Keep, Update::Set(mobile(0))));
    let left_again = changed_after(1, &back.entry, left());
    assert!(left_again.is_visible && left_again.entry.disclosed().is_some());
}

#[test]
fn a_replacement_is_seen_where_something_is_or_was_registered() {
    let registered = || Some(after([registering(0)]).entry);
    let gone = || Some(after([registering(0), left()]).entry);
    let unknown_dead = || Some(after([died()]).entry);
    for (before, present, expected) in [
        (registered(), None, (true, Some(true))),
        (registered(), registered(), (true, Some(true))),
        (registered(), gone(), (true, Some(true))),
        (registered(), unknown_dead(), (true, None)),
        (unknown_dead(), registered(), (false, Some(true))),
        (unknown_dead(), None, (false, Some(false))),
        (gone(), None, (false, Some(false))),
        (gone(), gone(), (false, Some(false))),
        (None, gone(), (false, Some(false))),
        (None, None, (false, None)),
    ] {
        let (old, new) = (d_number(before), new_number(present));
        let replaced = replace_identifier(old.holder(), new.holder(), start())
            .unwrap()
            .unwrap();
        let seen = (replaced.old.is_visible, replaced.new.map(|new| new.is_visible));
        assert_eq!(seen, expected);
    }
}
