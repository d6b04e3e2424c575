use super::*;
use crate::{
    contact::{EmailAddress, MobileNumber, mobile::AllowedCountries},
    entry::{Actor, Command, ContactUpdate, DeletionReason, Transition, Update, apply},
    person::{PersonIdentifier, Population},
};

const ID: LetterId = LetterId(Uuid::from_u128(1));

fn at(text: &str) -> Timestamp {
    text.parse().unwrap()
}

/// A Monday morning in Norway.
fn now() -> Timestamp {
    at("2026-03-02T09:00:00Z")
}

fn person() -> PersonIdentifier {
    PersonIdentifier::parse("20914695016", Population::Synthetic).unwrap()
}

fn after(entry: Option<&Entry>, command: Command, now: Timestamp) -> Entry {
    match apply(entry, &person(), command, Actor::Citizen, now).unwrap() {
        Transition::Changed(outcome) => outcome.entry,
        Transition::Unchanged => entry.unwrap().clone(),
    }
}

fn details(mobile: bool, email: bool) -> Command {
    let countries: AllowedCountries = "SE".parse().unwrap();
    let mobile = mobile.then(|| MobileNumber::parse("+46701740605", &countries).unwrap());
    let email = email.then(|| EmailAddress::parse("ola@example.no").unwrap());
    Command::SetContact(ContactUpdate {
        mobile: mobile.map_or(Update::Keep, Update::Set),
        email: email.map_or(Update::Keep, Update::Set),
        language: None,
        preferred_channel: None,
    })
}

fn prefers(channel: Channel) -> Command {
    Command::SetContact(ContactUpdate {
        mobile: Update::Keep,
        email: Update::Keep,
        language: None,
        preferred_channel: Some(channel),
    })
}

fn announcement() -> Announcement {
    Announcement {
        person: PersonKey::from_stored("v1#x"),
        announced_by: "991825827".parse().unwrap(),
        sender: Sender {
            organisation: "991825827".parse().unwrap(),
            sector: Sector::Public,
            name_may_be_shown: true,
        },
        reference: Reference::parse("2026/1").unwrap(),
        available_from: now(),
        legal_notice: true,
        remind: true,
        language: None,
    }
}

fn ids() -> [NoticeId; 2] {
    [NoticeId(Uuid::from_u128(11)), NoticeId(Uuid::from_u128(12))]
}

fn announce(announcement: Announcement, entry: &Entry) -> (Letter, Vec<Notice>) {
    Letter::announce(ID, announcement, Some(entry), ids(), now())
}

#[test]
fn the_mobile_comes_first_unless_the_person_said_otherwise() {
    use Channel::{Email, Sms};
    let both = after(None, details(true, true), now());
    for legal in [true, false] {
        assert_eq!(channels(Some(&both), legal, now()), Ok(vec![Sms, Email]));
        let email_first = after(Some(&both), prefers(Email), now());
        assert_eq!(channels(Some(&email_first), legal, now()), Ok(vec![Email, Sms]));
    }
    let only_email = after(None, details(false, true), now());
    assert_eq!(channels(Some(&only_email), true, now()), Ok(vec![Email]));
}

#[test]
fn legal_notice_needs_fresh_details_and_nobody_who_is_reserved() {
    use Channel::{Email, Sms};
    let old = after(None, details(true, false), at("2024-01-01T12:00:00Z"));
    assert_eq!(channels(Some(&old), true, now()), Err(Unreachable::Stale));
    assert_eq!(channels(Some(&old), false, now()), Ok(vec![Sms]));
    // What is fresh comes before what is preferred.
    let with_email = after(Some(&old), details(false, true), now());
    assert_eq!(channels(Some(&with_email), true, now()), Ok(vec![Email]));
    assert_eq!(channels(Some(&with_email), false, now()), Ok(vec![Email, Sms]));

    let reserved = after(Some(&with_email), Command::Reserve, now());
    assert_eq!(channels(Some(&reserved), true, now()), Err(Unreachable::Reserved));
    assert_eq!(channels(Some(&reserved), false, now()), Ok(vec![Email, Sms]));
}

#[test]
fn an_address_that_nothing_reaches_is_left_out() {
    let both = after(None, details(true, true), now());
    let mobile = both.registration().unwrap().address(Channel::Sms).unwrap();
    let one = after(Some(&both), Command::MarkUndeliverable(mobile), now());
    assert_eq!(channels(Some(&one), true, now()), Ok(vec![Channel::Email]));
    let email = both.registration().unwrap().address(Channel::Email).unwrap();
    let none = after(Some(&one), Command::MarkUndeliverable(email), now());
    assert_eq!(channels(Some(&none), false, now()), Err(Unreachable::Undeliverable));
}

#[test]
fn whoever_is_not_there_is_not_reached() {
    assert_eq!(channels(None, false, now()), Err(Unreachable::NotRegistered));
    let bare = after(None, Command::Reserve, now());
    assert_eq!(channels(Some(&bare), false, now()), Err(Unreachable::NoDetails));
    let gone = after(Some(&bare), Command::Delete(DeletionReason::PopulationRegister), now());
    assert_eq!(channels(Some(&gone), false, now()), Err(Unreachable::Deleted));
    // Nobody learns of a letter that somebody has died who never was in the register.
    let unknown_dead = after(None, Command::Delete(DeletionReason::PopulationRegister), now());
    assert_eq!(
        channels(Some(&unknown_dead), false, now()),
        Err(Unreachable::NotRegistered)
    );
}

#[test]
fn a_letter_is_told_of_at_once_and_after_a_week() {
    let entry = after(None, details(true, true), now());
    let (letter, notices) = announce(announcement(), &entry);
    let due: Vec<_> = notices
        .iter()
        .map(|notice| (notice.channel, notice.first_due_at))
        .collect();
    assert_eq!(due, [(Channel::Sms, now()), (Channel::Sms, at("2026-03-09T09:00:00Z"))]);
    assert_eq!(letter.notices(), ids());
    assert_eq!(letter.unreachable(), None);
    let (_, once) = announce(
        Announcement {
            remind: false,
            ..announcement()
        },
        &entry,
    );
    assert_eq!(once.len(), 1);
}

#[test]
fn the_reminder_comes_at_the_same_hour_also_across_summer_time() {
    let entry = after(None, details(true, false), now());
    // Ten in the morning on the Thursday before the clocks go forward.
    let available_from = at("2026-03-26T09:00:00Z");
    let (_, notices) = announce(
        Announcement {
            available_from,
            ..announcement()
        },
        &entry,
    );
    let due: Vec<_> = notices.iter().map(|notice| notice.first_due_at).collect();
    assert_eq!(due, [available_from, at("2026-04-02T08:00:00Z")]);
}

#[test]
fn what_is_available_at_night_rings_in_the_morning_and_is_mailed_at_once() {
    // Two in the morning.
    let available_from = at("2026-03-03T01:00:00Z");
    let announcement = Announcement {
        available_from,
        ..announcement()
    };
    let with_mobile = after(None, details(true, false), now());
    let (letter, notices) = announce(announcement.clone(), &with_mobile);
    assert_eq!(notices[0].first_due_at, at("2026-03-03T08:00:00Z"));
    assert_eq!(notices[1].first_due_at, at("2026-03-10T08:00:00Z"));
    let planned: Vec<_> = letter.steps().map(|(_, step)| step.outcome).collect();
    assert_eq!(
        planned[0],
        Outcome::Planned {
            due_at: at("2026-03-03T08:00:00Z")
        }
    );
    let with_email = after(None, details(false, true), now());
    let (_, notices) = announce(announcement, &with_email);
    assert_eq!(notices[0].first_due_at, available_from);
}

#[test]
fn nobody_to_notify_is_said_and_nothing_is_planned() {
    let (letter, notices) = Letter::announce(ID, announcement(), None, ids(), now());
    assert_eq!(letter.unreachable(), Some(Unreachable::NotRegistered));
    assert_eq!((notices.len(), letter.events.len()), (0, 2));
}

#[test]
fn the_persons_own_language_comes_before_the_letters() {
    let chose_none = after(None, details(true, false), now());
    let (mut letter, _) = announce(announcement(), &chose_none);
    let language = |letter: &Letter, entry: &Entry| letter.language(entry.registration().unwrap());
    assert_eq!(language(&letter, &chose_none), Language::Nb);
    letter.announcement.language = Some(Language::En);
    assert_eq!(language(&letter, &chose_none), Language::En);
    let chose = after(
        Some(&chose_none),
        Command::SetContact(ContactUpdate {
            mobile: Update::Keep,
            email: Update::Keep,
            language: Some(Language::Nb),
            preferred_channel: None,
        }),
        now(),
    );
    assert_eq!(language(&letter, &chose), Language::Nb);
}

#[test]
fn the_same_reference_is_the_same_letter_of_one_organisation_only() {
    let secret = Secret::new([7; 32]);
    let of = |organisation: &str, reference: &str| {
        LetterId::new(
            &secret,
            organisation.parse().unwrap(),
            &Reference::parse(reference).unwrap(),
        )
    };
    assert_eq!(of("991825827", "2026/1"), of("991825827", "2026/1"));
    assert_ne!(of("991825827", "2026/1"), of("991825827", "2026/2"));
    assert_ne!(of("991825827", "2026/1"), of("974760673", "2026/1"));
    assert_ne!(
        of("991825827", "2026/1"),
        LetterId::new(
            &Secret::new([8; 32]),
            "991825827".parse().unwrap(),
            &Reference::parse("2026/1").unwrap()
        )
    );
}

#[test]
fn an_event_is_the_same_after_it_was_stored() {
    let step = |outcome| {
        What::Notice(NoticeStep {
            notice: ids()[0],
            channel: Channel::Sms,
            reminder: true,
            outcome,
        })
    };
    let whats = [
        What::Announced,
        What::Unreachable {
            reason: Unreachable::NoDetails,
        },
        What::Opened,
        What::Cancelled,
        step(Outcome::Planned { due_at: now() }),
        step(Outcome::Sent),
        step(Outcome::Failed {
            reason: Failure::AddressRefused,
        }),
    ];
    for what in whats {
        let event = Event { at: now(), what };
        let json = serde_json::to_value(&event).unwrap();
        assert_eq!(serde_json::from_value::<Event>(json).unwrap(), event);
    }
}
