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
