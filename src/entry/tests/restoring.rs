//! An entry is put back as it was; and what erasing leaves.

use super::*;

/// Each command a version, so many months after the start.
fn story(commands: impl IntoIterator<Item = (i32, Command)>) -> Vec<Outcome> {
    let mut outcomes = Vec::<Outcome>::new();
    for (months, command) in commands {
        let entry = outcomes.last().map(|outcome| &outcome.entry);
        let Ok(Transition::Changed(outcome)) = run_after(months, entry, command) else {
            panic!("each command changes something");
        };
        outcomes.push(*outcome);
    }
    outcomes
}

fn since(outcomes: &[Outcome]) -> Vec<Since> {
    let since = |outcome: &Outcome| Since {
        change: outcome.change.clone(),
        reason: match &outcome.entry.status {
            Status::Deleted(deletion) => Some(deletion.reason),
            Status::Registered(_) => None,
        },
    };
    outcomes.iter().map(since).collect()
}

/// The first entry put back after all the others; `lost`: nothing is left of it but its history.
fn put_back(outcomes: &[Outcome], lost: bool) -> Option<Outcome> {
    let (first, rest) = outcomes.split_first().unwrap();
    let there = outcomes.last().filter(|_| !lost).map(|outcome| &outcome.entry);
    restore(there, &first.entry, &since(rest), later(0), later(12))
}

fn set(at: usize) -> Command {
    contact(Update::Set(email(at)), Update::Set(mobile(at)))
}

#[test]
fn it_is_as_it_was_under_a_version_that_nobody_knows_and_nobody_is_told() {
    for lost in [true, false] {
        let outcomes = story([(0, set(0)), (1, set(1)), (2, Command::Choose(provider(0)))]);
        let restored = put_back(&outcomes, lost).unwrap();
        assert_eq!((restored.entry.version, restored.change.version), (4, 4));
        assert_eq!(restored.entry.status, outcomes[0].entry.status);
        assert_eq!(restored.change.events, [Event::Restored { as_of: later(0) }]);
        assert_eq!(
            (&restored.notices[..], &restored.codes[..], restored.is_visible),
            (&[][..], &[][..], true)
        );
    }
}

#[test]
fn what_is_so_already_stays() {
    assert_eq!(put_back(&story([(0, set(0))]), false), None);
    assert_eq!(put_back(&story([(0, set(0))]), true).unwrap().entry.version, 2);
}

#[test]
fn whoever_was_deleted_since_stays_deleted_as_finally_as_then() {
    let own_wish = Command::Delete(DeletionReason::OwnWish);
    let died = Command::Delete(DeletionReason::PopulationRegister);
    let deletions = [
        vec![own_wish.clone()],
        vec![died.clone()],
        vec![Command::Erase],
        vec![own_wish, died, Command::Erase],
    ];
    for commands in deletions {
        let outcomes = story([(0, set(0))].into_iter().chain((1..).zip(commands.clone())));
        let restored = put_back(&outcomes, true).unwrap();
        assert_eq!(
            restored.entry.status,
            outcomes.last().unwrap().entry.status,
            "{commands:?}"
        );
    }
}

#[test]
fn whoever_came_back_since_has_to_come_back_once_more() {
    let outcomes = story([(0, set(0)), (1, Command::Erase), (2, set(1))]);
    let restored = put_back(&outcomes, true).unwrap();
    assert_eq!((restored.entry.registration(), restored.entry.version), (None, 4));
}

#[test]
fn whose_number_was_replaced_since_is_registered_until_that_is_told_again() {
    let outcomes = story([(0, set(0)), (1, Command::Delete(DeletionReason::OwnWish))]);
    let mut rest = since(&outcomes[1..]);
    rest[0].reason = Some(DeletionReason::IdentifierReplaced);
    let restored = restore(None, &outcomes[0].entry, &rest, later(0), later(2)).unwrap();
    assert!(restored.entry.registration().is_some());
}

#[test]
fn whoever_was_reminded_since_is_not_reminded_again() {
    let outcomes = story([(0, set(0)), (17, Command::RemindOfFreshness)]);
    let restored = put_back(&outcomes, true).unwrap();
    let again = run_after(17, Some(&restored.entry), Command::RemindOfFreshness);
    assert_eq!(again, Ok(Transition::Unchanged));
}

#[test]
fn erasing_leaves_when_and_whether_the_person_can_come_back() {
    let erased = after([set(0), Command::Erase]);
    assert_eq!(erased.change.events, [Event::Deleted, Event::Erased]);
    assert!(erased.notices.is_empty() && erased.is_visible);
    assert!(run(Some(&erased.entry), set(1)).is_ok());
    let dead = after([
        set(0),
        Command::Delete(DeletionReason::PopulationRegister),
        Command::Erase,
    ]);
    // Others have seen the deletion, and learn nothing more.
    assert!(!dead.is_visible);
    assert_eq!(run(Some(&dead.entry), set(1)), Err(Refused::Deleted));
}
