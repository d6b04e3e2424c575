//! The single rules that deserve a story; in `leaving`, a provider that leaves the market; in `visibility`, what others see; and in `model`, all of them in any order.

mod leaving;
mod model;
mod restoring;
mod visibility;

use jiff::ToSpan as _;

use super::*;
use crate::{
    contact::{mobile::AllowedCountries, norwegian_time},
    mailbox::ProviderId,
    notice::Message,
    person::{PersonKeys, Population},
};

const PROVIDERS: [&str; 3] = ["digipost", "e-boks", "posten"];
const MOBILES: [&str; 3] = ["+46701740605", "+46701740606", "+46701740607"];
const EMAILS: [&str; 3] = ["ola@example.no", "kari@example.no", "ola.nordmann@example.no"];

fn start() -> Timestamp {
    "2026-03-01T10:00:00Z".parse().unwrap()
}

fn person() -> PersonIdentifier {
    PersonIdentifier::parse("20914695016", Population::Synthetic).unwrap()
}

fn other_person() -> PersonIdentifier {
    PersonIdentifier::parse("22885399316", Population::Synthetic).unwrap()
}

fn provider(at: usize) -> ProviderId {
    PROVIDERS[at].parse().unwrap()
}

fn email(at: usize) -> EmailAddress {
    EmailAddress::parse(EMAILS[at]).unwrap()
}

fn mobile(at: usize) -> MobileNumber {
    MobileNumber::parse(MOBILES[at], &"NO,SE".parse::<AllowedCountries>().unwrap()).unwrap()
}

fn contact(email: Update<EmailAddress>, mobile: Update<MobileNumber>) -> Command {
    Command::SetContact(ContactUpdate {
        email,
        mobile,
        language: None,
        preferred_channel: None,
    })
}

fn registering(at: usize) -> Command {
    Command::RegisterMailbox(Registering {
        provider: provider(at),
        address: format!("ola.nordmann#{at}").try_into().unwrap(),
        certificate: Update::Keep,
    })
}

fn run(entry: Option<&Entry>, command: Command) -> Result<Transition, Refused> {
    run_after(0, entry, command)
}

/// As many months after the start.
fn later(months: i32) -> Timestamp {
    let start = start().to_zoned(norwegian_time());
    start.checked_add(months.months()).unwrap().timestamp()
}

fn run_after(months: i32, entry: Option<&Entry>, command: Command) -> Result<Transition, Refused> {
    apply(entry, &person(), command, Actor::Citizen, later(months))
}

/// What a command does so many months after the start, where it must do something.
fn changed_after(months: i32, entry: &Entry, command: Command) -> Outcome {
    match run_after(months, Some(entry), command).unwrap() {
        Transition::Changed(outcome) => *outcome,
        Transition::Unchanged => panic!("the command changes nothing"),
    }
}

/// The outcome of commands one after the other, none of which may be refused; the last one must change something.
fn after(commands: impl IntoIterator<Item = Command>) -> Outcome {
    let mut last = None::<Outcome>;
    for command in commands {
        match run(last.as_ref().map(|outcome| &outcome.entry), command).unwrap() {
            Transition::Changed(outcome) => last = Some(*outcome),
            Transition::Unchanged => panic!("the command changes nothing"),
        }
    }
    last.unwrap()
}

fn chosen(at: usize) -> Message {
    Message::MailboxChosen { provider: provider(at) }
}

fn told(former: Address) -> Message {
    Message::AddressChanged {
        former,
        language: Language::Nb,
    }
}

#[test]
fn whoever_leaves_is_told_at_every_address_so_that_nobody_makes_an_entry_vanish() {
    let both = || contact(Update::Set(email(0)), Update::Set(mobile(0)));
    let left = after([both(), Command::Delete(DeletionReason::OwnWish)]);
    let expected = [
        (Channel::Sms, told(mobile(0).into())),
        (Channel::Email, told(email(0).into())),
    ];
    assert_eq!(left.notices, expected);
    // Next of kin are not written to.
    assert_eq!(
        after([both(), Command::Delete(DeletionReason::PopulationRegister)]).notices,
        []
    );
}

#[test]
fn a_pending_choice_becomes_active_when_its_provider_registers_and_the_person_is_told_once() {
    let outcome = after([
        contact(Update::Keep, Update::Set(mobile(0))),
        Command::Choose(provider(1)),
        registering(1),
    ]);
    let mailboxes = &outcome.entry.registration().unwrap().mailboxes;
    assert!(mailboxes.is_active(&provider(1)));
    assert_eq!(mailboxes.pending(), None);
    assert_eq!(outcome.notices, [(Channel::Sms, chosen(1))]);
}

#[test]
fn without_a_mobile_the_choice_is_confirmed_by_email_and_without_either_by_nothing() {
    let by_email = after([contact(Update::Set(email(0)), Update::Keep), registering(0)]);
    assert_eq!(by_email.notices, [(Channel::Email, chosen(0))]);
    let by_nothing = after([registering(0)]);
    assert_eq!(by_nothing.notices, []);
    let active = by_nothing
        .entry
        .registration()
        .unwrap()
        .mailboxes
        .active()
        .cloned()
        .unwrap();
    assert_eq!(active.confirmed_by, None);
}

#[test]
fn a_provider_cannot_take_an_active_choice_over() {
    let outcome = after([registering(0), registering(1)]);
    let mailboxes = &outcome.entry.registration().unwrap().mailboxes;
    assert!(mailboxes.is_active(&provider(0)));
    assert!(mailboxes.of(&provider(1)).is_some());
    assert_eq!(outcome.notices, []);
}

#[test]
fn what_the_person_said_outranks_another_providers_mailbox() {
    let pending = after([Command::Choose(provider(1)), registering(0)]).entry;
    assert_eq!(pending.registration().unwrap().mailboxes.active(), None);
    let chosen = after([Command::Choose(provider(1)), registering(0), registering(1)]).entry;
    assert!(chosen.registration().unwrap().mailboxes.is_active(&provider(1)));
    let closed_and_back = after([
        registering(0),
        Command::Withdraw,
        Command::CloseMailbox(provider(0)),
        registering(0),
    ]);
    assert_eq!(closed_and_back.entry.registration().unwrap().mailboxes.active(), None);
    assert_eq!(closed_and_back.notices, []);
}

#[test]
fn saving_stale_details_again_makes_them_fresh() {
    let entry = after([contact(Update::Set(email(0)), Update::Keep)]).entry;
    let later = "2027-10-01T10:00:00Z".parse().unwrap();
    assert!(!entry.registration().unwrap().can_be_notified(later));
    let same = contact(Update::Set(email(0)), Update::Keep);
    let saved = apply(Some(&entry), &person(), same, Actor::Citizen, later).unwrap();
    let Transition::Changed(saved) = saved else {
        panic!("it was stale");
    };
    assert!(saved.entry.registration().unwrap().can_be_notified(later));
    assert_eq!(saved.codes, []);
}

#[test]
fn whoever_has_not_said_for_sixteen_months_that_details_are_right_is_reminded_once() {
    let entry = after([contact(Update::Set(email(0)), Update::Set(mobile(0)))]).entry;
    let remind = || Command::RemindOfFreshness;
    assert_eq!(entry.registration().unwrap().next_reminder_at(start()), Some(later(16)));
    assert_eq!(run_after(15, Some(&entry), remind()), Ok(Transition::Unchanged));
    let reminded = changed_after(16, &entry, remind());
    assert_eq!(reminded.notices, [(Channel::Email, Message::FreshnessReminder)]);
    let channels = vec![Channel::Sms, Channel::Email];
    assert_eq!(reminded.change.events, [Event::FreshnessReminded { channels }]);
    let stored = serde_json::to_string(&reminded.entry).unwrap();
    assert_eq!(serde_json::from_str::<Entry>(&stored).unwrap(), reminded.entry);
    let reminded = reminded.entry;
    assert!(reminded.registration().unwrap().has_reminder_open());
    for months in [16, 17, 18, 40] {
        assert_eq!(run_after(months, Some(&reminded), remind()), Ok(Transition::Unchanged));
    }
    assert_eq!(reminded.registration().unwrap().next_reminder_at(later(16)), None);

    let confirmed = changed_after(17, &reminded, Command::Confirm).entry;
    let registration = confirmed.registration().unwrap();
    assert!(!registration.has_reminder_open());
    assert_eq!(registration.next_reminder_at(later(17)), Some(later(17 + 16)));
    assert_eq!(changed_after(33, &confirmed, remind()).notices.len(), 1);
}

#[test]
fn a_reminder_goes_by_email_or_else_by_sms_and_only_of_what_can_be_reached() {
    let remind = || Command::RemindOfFreshness;
    let by_sms = vec![(Channel::Sms, Message::FreshnessReminder)];
    let only_mobile = after([contact(Update::Keep, Update::Set(mobile(0)))]).entry;
    assert_eq!(changed_after(16, &only_mobile, remind()).notices, by_sms);
    let dead_email = after([
        contact(Update::Set(email(0)), Update::Set(mobile(0))),
        Command::MarkUndeliverable(email(0).into()),
    ])
    .entry;
    let reminded = changed_after(16, &dead_email, remind());
    assert_eq!(reminded.notices, by_sms);
    let channels = vec![Channel::Sms];
    assert_eq!(reminded.change.events, [Event::FreshnessReminded { channels }]);
    let nothing_reached = changed_after(1, &dead_email, Command::MarkUndeliverable(mobile(0).into())).entry;
    assert_eq!(
        run_after(16, Some(&nothing_reached), remind()),
        Ok(Transition::Unchanged)
    );
}

#[test]
fn each_address_has_its_own_sixteen_months() {
    let email_first = after([contact(Update::Set(email(0)), Update::Keep)]).entry;
    let both = changed_after(3, &email_first, contact(Update::Keep, Update::Set(mobile(0)))).entry;
    let reminded = changed_after(16, &both, Command::RemindOfFreshness).entry;
    assert_eq!(
        reminded.registration().unwrap().next_reminder_at(later(16)),
        Some(later(19))
    );
    let again = changed_after(19, &reminded, Command::RemindOfFreshness);
    assert_eq!(again.notices, [(Channel::Email, Message::FreshnessReminder)]);
}

#[test]
fn saving_or_proving_a_reminded_address_is_a_word_that_it_is_right() {
    let entry = after([
        contact(Update::Set(email(0)), Update::Keep),
        Command::Validate(email(0).into()),
    ])
    .entry;
    let reminded = changed_after(16, &entry, Command::RemindOfFreshness).entry;
    for command in [
        contact(Update::Set(email(0)), Update::Keep),
        contact(Update::Set(email(1)), Update::Keep),
        Command::Validate(email(0).into()),
        Command::Confirm,
    ] {
        let said = changed_after(17, &reminded, command.clone()).entry;
        let registration = said.registration().unwrap();
        assert_eq!(registration.next_reminder_at(later(17)), Some(later(33)), "{command:?}");
        assert!(!registration.has_reminder_open());
        assert_eq!(run_after(17, Some(&said), command), Ok(Transition::Unchanged));
    }
}

#[test]
fn the_reserved_are_reminded_and_whoever_is_stale_or_gone_is_not() {
    let remind = || Command::RemindOfFreshness;
    let entry = after([contact(Update::Set(email(0)), Update::Keep)]).entry;
    let reserved = changed_after(1, &entry, Command::Reserve).entry;
    assert_eq!(changed_after(16, &reserved, remind()).notices.len(), 1);
    assert_eq!(run_after(18, Some(&entry), remind()), Ok(Transition::Unchanged));
    assert_eq!(entry.registration().unwrap().next_reminder_at(later(18)), None);
    for reason in [DeletionReason::OwnWish, DeletionReason::PopulationRegister] {
        let gone = changed_after(1, &entry, Command::Delete(reason)).entry;
        assert_eq!(run_after(16, Some(&gone), remind()), Ok(Transition::Unchanged));
    }
    assert_eq!(run_after(16, None, remind()), Ok(Transition::Unchanged));
}

#[test]
fn a_new_address_leaves_the_certificate_as_it_is() {
    let pem = "not parsed here".to_owned();
    let certificate: crate::mailbox::Certificate = serde_json::from_value(pem.into()).unwrap();
    let with = |address: &str, certificate| {
        Command::RegisterMailbox(Registering {
            provider: provider(0),
            address: address.to_owned().try_into().unwrap(),
            certificate,
        })
    };
    let registered = with("ola.nordmann#1", Update::Set(certificate.clone()));
    let moved = after([registered.clone(), with("ola.nordmann#2", Update::Keep)]).entry;
    let active = moved.registration().unwrap().mailboxes.active().unwrap();
    assert_eq!(active.certificate, Some(certificate));
    let without = after([registered, with("ola.nordmann#1", Update::Remove)]).entry;
    assert_eq!(
        without.registration().unwrap().mailboxes.active().unwrap().certificate,
        None
    );
}

#[test]
fn an_update_by_the_provider_does_not_bring_a_withdrawn_choice_back() {
    let withdrawn = after([registering(0), Command::Withdraw]).entry;
    let update = Command::RegisterMailbox(Registering {
        provider: provider(0),
        address: "ola.nordmann#new".to_owned().try_into().unwrap(),
        certificate: Update::Keep,
    });
    let Transition::Changed(outcome) = run(Some(&withdrawn), update).unwrap() else {
        panic!("the address is new");
    };
    assert_eq!(outcome.entry.registration().unwrap().mailboxes.active(), None);
}

#[test]
fn a_switch_is_one_step_that_keeps_the_old_mailbox() {
    let outcome = after([
        contact(Update::Keep, Update::Set(mobile(0))),
        registering(1),
        registering(0),
        Command::Choose(provider(0)),
    ]);
    let mailboxes = &outcome.entry.registration().unwrap().mailboxes;
    assert!(mailboxes.is_active(&provider(0)));
    assert!(mailboxes.of(&provider(1)).is_some());
    assert_eq!(outcome.notices, [(Channel::Sms, chosen(0))]);
    assert_eq!(
        outcome.change.events,
        [Event::MailboxActivated {
            provider: provider(0),
            before: Some(provider(1)),
        }]
    );
}

#[test]
fn the_old_address_is_told_of_a_change_and_the_new_one_gets_a_code() {
    let outcome = after([
        contact(Update::Set(email(0)), Update::Set(mobile(0))),
        contact(Update::Remove, Update::Set(mobile(1))),
    ]);
    assert_eq!(outcome.codes, [Channel::Sms]);
    assert_eq!(
        outcome.notices,
        [
            (Channel::Sms, told(mobile(0).into())),
            (Channel::Email, told(email(0).into())),
        ]
    );
}

#[test]
fn an_address_that_nothing_reaches_is_passed_over_until_it_is_set_again() {
    let gone = after([
        contact(Update::Set(email(0)), Update::Set(mobile(0))),
        Command::MarkUndeliverable(mobile(0).into()),
    ])
    .entry;
    assert_eq!(gone.registration().unwrap().service_channel(), Some(Channel::Email));
    let Transition::Changed(back) = run(Some(&gone), contact(Update::Keep, Update::Set(mobile(0)))).unwrap() else {
        panic!("it is reachable again");
    };
    assert_eq!(back.entry.registration().unwrap().service_channel(), Some(Channel::Sms));
    assert_eq!(back.codes, []);
}

#[test]
fn a_receipt_for_an_earlier_address_says_nothing_of_the_present_one() {
    let entry = after([
        contact(Update::Keep, Update::Set(mobile(0))),
        contact(Update::Keep, Update::Set(mobile(1))),
    ])
    .entry;
    assert_eq!(
        run(Some(&entry), Command::MarkUndeliverable(mobile(0).into())),
        Err(Refused::AddressNotCurrent)
    );
}

#[test]
fn whoever_left_by_own_wish_may_come_back_and_the_dead_may_not() {
    let left = after([registering(0), Command::Delete(DeletionReason::OwnWish)]).entry;
    assert_eq!(run(Some(&left), registering(0)), Err(Refused::Deleted));
    assert!(run(Some(&left), contact(Update::Keep, Update::Set(mobile(0)))).is_ok());
    let dead = after([registering(0), Command::Delete(DeletionReason::PopulationRegister)]).entry;
    for command in [
        contact(Update::Keep, Update::Set(mobile(0))),
        Command::Choose(provider(0)),
        Command::Reserve,
        Command::Confirm,
        registering(0),
    ] {
        assert_eq!(run(Some(&dead), command), Err(Refused::Deleted));
    }
}

/// A number of the same person's, by the name of its key.
struct Number {
    identifier: PersonIdentifier,
    key: PersonKey,
    keys: PersonKeys,
    entry: Option<Entry>,
}

impl Number {
    fn new(name: &str, identifier: PersonIdentifier, entry: Option<Entry>) -> Self {
        Self {
            identifier,
            key: PersonKey::from_stored(name),
            keys: PersonKey::from_stored(name).into(),
            entry,
        }
    }

    const fn holder(&self) -> Holder<'_> {
        Holder {
            identifier: &self.identifier,
            key: &self.key,
            keys: &self.keys,
            entry: self.entry.as_ref(),
        }
    }

    fn is_registered(&self) -> bool {
        self.entry.as_ref().is_some_and(|entry| entry.registration().is_some())
    }
}

/// One number gives way to another, and both are as they are then. Says whether anything changed.
fn replace(old: &mut Number, new: &mut Number) -> Result<bool, Refused> {
    let Some(replaced) = replace_identifier(old.holder(), new.holder(), start())? else {
        return Ok(false);
    };
    for (number, outcome) in [(old, Some(replaced.old)), (new, replaced.new)] {
        if let Some(outcome) = outcome {
            assert_eq!(
                outcome.entry.version,
                number.entry.as_ref().map_or(0, |entry| entry.version) + 1
            );
            assert_eq!((outcome.notices, outcome.codes), (Vec::new(), Vec::new()));
            number.entry = Some(outcome.entry);
        }
    }
    Ok(true)
}

fn d_number(entry: Option<Entry>) -> Number {
    Number::new("v1#old", person(), entry)
}

fn new_number(entry: Option<Entry>) -> Number {
    Number::new("v1#new", other_person(), entry)
}

#[test]
fn contact_data_moves_to_the_new_identifier_and_doing_it_again_changes_nothing() {
    let entry = after([contact(Update::Set(email(0)), Update::Set(mobile(0))), registering(0)]).entry;
    let (mut old, mut new) = (d_number(Some(entry.clone())), new_number(None));
    assert_eq!(replace(&mut old, &mut new), Ok(true));
    let moved = new.entry.clone().unwrap();
    assert_eq!(moved.registration(), entry.registration());
    assert_eq!((&moved.identifier, moved.version), (&other_person(), 1));
    assert_eq!(moved.predecessors, [old.key.clone()]);
    let successor = old.entry.as_ref().unwrap().successor().unwrap();
    assert_eq!((&successor.key, &successor.identifier), (&new.key, &new.identifier));
    assert!(!old.is_registered());
    assert_eq!(replace(&mut old, &mut new), Ok(false));
}

#[test]
fn what_was_registered_under_the_new_identifier_stays() {
    let old = after([
        contact(Update::Set(email(0)), Update::Set(mobile(0))),
        registering(0),
        Command::Reserve,
    ]);
    let present = after([contact(Update::Keep, Update::Set(mobile(1)))]).entry;
    let (mut old, mut new) = (d_number(Some(old.entry)), new_number(Some(present)));
    assert_eq!(replace(&mut old, &mut new), Ok(true));
    let moved = new.entry.unwrap();
    let registration = moved.registration().unwrap();
    assert_eq!(registration.address(Channel::Sms), Some(mobile(1).into()));
    assert_eq!(registration.address(Channel::Email), Some(email(0).into()));
    assert!(registration.mailboxes.is_active(&provider(0)));
    assert!(registration.is_reserved());
}

#[test]
fn a_choice_withdrawn_by_the_new_number_is_withdrawn_for_what_moves_to_it() {
    let with_both = after([registering(0), Command::Choose(provider(1))]).entry;
    let withdrawn = after([Command::Choose(provider(2)), Command::Withdraw]).entry;
    let (mut old, mut new) = (d_number(Some(with_both)), new_number(Some(withdrawn)));
    assert_eq!(replace(&mut old, &mut new), Ok(true));
    let moved = new.entry.unwrap();
    let mailboxes = &moved.registration().unwrap().mailboxes;
    assert_eq!((mailboxes.active(), mailboxes.pending()), (None, None));
    let mailbox = mailboxes.of(&provider(0)).unwrap();
    assert_eq!((mailbox.confirmed_by, mailboxes.has_room()), (None, false));
    // A new mailbox does not become the active one either, until the person chooses.
    let with_another = changed_after(0, &moved, registering(1)).entry;
    assert_eq!(with_another.registration().unwrap().mailboxes.active(), None);
    let chosen = changed_after(0, &with_another, Command::Choose(provider(0))).entry;
    assert!(chosen.registration().unwrap().mailboxes.is_active(&provider(0)));
}

#[test]
fn a_mailbox_closed_under_the_new_number_stays_closed_when_others_move_to_it() {
    let present = after([registering(1), Command::CloseMailbox(provider(1))]).entry;
    let (mut old, mut new) = (d_number(Some(after([registering(0)]).entry)), new_number(Some(present)));
    assert_eq!(replace(&mut old, &mut new), Ok(true));
    let moved = new.entry.unwrap();
    assert!(moved.registration().unwrap().mailboxes.is_active(&provider(0)));
    let again = run(Some(&moved), Command::CloseMailbox(provider(1)));
    assert_eq!(again, Ok(Transition::Unchanged));
}

#[test]
fn whoever_is_out_of_the_population_by_one_number_is_so_by_both() {
    let registered = || Some(after([registering(0)]).entry);
    let gone = || Some(after([registering(0), Command::Delete(DeletionReason::PopulationRegister)]).entry);
    let is_out = |number: &Number| number.entry.as_ref().is_some_and(Entry::is_out_of_population);
    for (before, present) in [
        (registered(), gone()),
        (gone(), registered()),
        (gone(), None),
        (gone(), gone()),
    ] {
        let (mut old, mut new) = (d_number(before), new_number(present));
        assert_eq!(replace(&mut old, &mut new), Ok(true));
        assert!(is_out(&new));
        assert!(!old.is_registered() && old.entry.as_ref().unwrap().successor().is_some());
        assert_eq!(replace(&mut old, &mut new), Ok(false));
    }
}

#[test]
fn whoever_has_left_or_was_never_here_does_not_come_in_by_a_replacement() {
    let left = || Some(after([registering(0), Command::Delete(DeletionReason::OwnWish)]).entry);
    let set = || contact(Update::Keep, Update::Set(mobile(0)));
    let (mut old, mut new) = (d_number(left()), new_number(None));
    assert_eq!(replace(&mut old, &mut new), Ok(true));
    assert!(!new.is_registered());
    // Back by the new number, but not by the old one.
    assert!(run(new.entry.as_ref(), set()).is_ok());
    assert_eq!(run(old.entry.as_ref(), set()), Err(Refused::Deleted));

    let (mut old, mut new) = (d_number(None), new_number(None));
    assert_eq!(replace(&mut old, &mut new), Ok(true));
    assert_eq!(new.entry, None);
    assert_eq!(run(old.entry.as_ref(), registering(0)), Err(Refused::Deleted));
    // Whoever came in by the new number alone has the old one's history as well.
    let (mut old, mut new) = (d_number(None), new_number(Some(after([registering(0)]).entry)));
    assert_eq!(replace(&mut old, &mut new), Ok(true));
    assert!(new.is_registered());
    assert_eq!(new.entry.unwrap().predecessors, [old.key]);
}

#[test]
fn a_number_that_has_given_way_leaves_the_next_step_to_its_successor() {
    let third = PersonIdentifier::parse("21836797660", Population::Synthetic).unwrap();
    let (mut old, mut new) = (d_number(Some(after([registering(0)]).entry)), new_number(None));
    let mut last = Number::new("v1#last", third, None);
    assert_eq!(replace(&mut old, &mut new), Ok(true));
    assert_eq!(replace(&mut new, &mut last), Ok(true));
    assert!(last.is_registered() && !new.is_registered());
    assert_eq!(
        last.entry.as_ref().unwrap().predecessors,
        [new.key.clone(), old.key.clone()]
    );
    assert_eq!(replace(&mut old, &mut last), Err(Refused::Deleted));
    assert_eq!(replace(&mut last, &mut new), Err(Refused::Deleted));
    let dead = run(last.entry.as_ref(), Command::Delete(DeletionReason::PopulationRegister)).unwrap();
    let Transition::Changed(dead) = dead else {
        panic!("the entry is there");
    };
    assert_eq!(dead.entry.predecessors.len(), 2);
}

#[test]
fn whoever_died_without_an_entry_gets_none_by_a_late_provider() {
    let dead = after([Command::Delete(DeletionReason::PopulationRegister)]);
    assert!(dead.entry.is_out_of_population());
    assert_eq!(run(Some(&dead.entry), registering(0)), Err(Refused::Deleted));
    assert_eq!(
        run(None, Command::Delete(DeletionReason::OwnWish)),
        Ok(Transition::Unchanged)
    );
}

#[test]
fn an_entry_is_the_same_after_it_was_stored() {
    let registered = after([
        contact(Update::Set(email(0)), Update::Set(mobile(0))),
        registering(0),
        registering(1),
        Command::Choose(provider(2)),
        Command::CloseMailbox(provider(1)),
        Command::Reserve,
    ]);
    let deleted = after([registering(0), Command::Delete(DeletionReason::OwnWish)]);
    for outcome in [registered, deleted] {
        let stored = serde_json::to_string(&outcome.entry).unwrap();
        assert_eq!(serde_json::from_str::<Entry>(&stored).unwrap(), outcome.entry);
        let stored = serde_json::to_string(&outcome.change).unwrap();
        assert_eq!(serde_json::from_str::<Change>(&stored).unwrap(), outcome.change);
    }
}
