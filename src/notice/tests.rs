use jiff::ToSpan as _;
use proptest::prelude::*;

use super::*;
use crate::{
    code::{CODE_LIFETIME, Challenge},
    contact::{FRESH_MONTHS, REMINDER_MONTHS, norwegian_time},
    letter::LetterId,
};

const REQUEUE: SignedDuration = SignedDuration::from_mins(15);

fn start() -> Timestamp {
    "2026-03-01T10:00:00Z".parse().unwrap()
}

fn notice() -> Notice {
    Notice::new(
        NoticeId(Uuid::from_u128(1)),
        PersonKey::from_stored("v1#x"),
        Channel::Sms,
        Message::MailboxChosen {
            provider: "digipost".parse().unwrap(),
        },
        start(),
    )
}

fn worker() -> Uuid {
    Uuid::from_u128(11)
}

fn next() -> NoticeId {
    NoticeId(Uuid::from_u128(12))
}

fn after(seconds: i64) -> Timestamp {
    later(start(), SignedDuration::from_secs(seconds))
}

#[test]
fn a_held_notice_is_nobody_elses_until_the_lease_ends() {
    let claimed = notice().claim(start(), worker()).unwrap();
    assert_eq!(claimed.claim(after(29), worker()), Err(NotClaimed::Held));
    assert!(claimed.claim(after(30), worker()).unwrap().epoch > claimed.epoch);
}

#[test]
fn a_worker_that_slept_through_its_lease_may_not_call() {
    let claimed = notice().claim(start(), worker()).unwrap();
    assert!(claimed.sending(after(29)).is_some());
    assert_eq!(claimed.sending(after(30)), None);
}

#[test]
fn a_worker_lost_while_sending_leaves_the_outcome_unknown_for_ever() {
    let sending = notice().claim(start(), worker()).unwrap().sending(start()).unwrap();
    assert_eq!(sending.wake(after(59), REQUEUE), Wake::Nothing);
    assert_eq!(sending.claim(after(61), worker()), Err(NotClaimed::Over));
    let Wake::Settle(unknown) = sending.wake(after(60), REQUEUE) else {
        panic!("the tick settles it");
    };
    assert_eq!(unknown.state, State::Unknown { since: after(60) });
    assert_eq!(unknown.claim(after(100_000), worker()), Err(NotClaimed::Over));
    // An hour later the other channel says it, once; on this one nobody ever does.
    assert_eq!(unknown.wake(after(60 + 3599), REQUEUE), Wake::Nothing);
    assert_eq!(unknown.wake(after(60 + 3600), REQUEUE), Wake::Follow);
    let (followed, following) = unknown.follow(next(), after(60 + 3600)).unwrap();
    assert_eq!(
        (following.channel, following.follows),
        (Channel::Email, Some(unknown.id))
    );
    assert_eq!(followed.wake(after(100_000), REQUEUE), Wake::Nothing);
    assert_eq!(followed.claim(after(100_000), worker()), Err(NotClaimed::Over));
    let sent_nowhere = following.failed(Failure::NoAddress, after(4000));
    assert_eq!(sent_nowhere.follow(next(), after(4000)), None);
}

#[test]
fn a_worker_lost_before_sending_costs_nothing() {
    let claimed = notice().claim(start(), worker()).unwrap();
    let Wake::Enqueue(waiting) = claimed.wake(after(30), REQUEUE) else {
        panic!("it goes to the queue again");
    };
    assert!(waiting.claim(after(30), worker()).is_ok());
}

#[test]
fn after_the_deadline_it_expires_and_is_never_sent_late() {
    let late = later(start(), DEADLINE);
    assert_eq!(notice().claim(late, worker()), Err(NotClaimed::Over));
    assert!(matches!(
        notice().wake(late, REQUEUE),
        Wake::Settle(Notice {
            state: State::Expired { .. },
            ..
        })
    ));
}

#[test]
fn a_code_expires_with_the_code() {
    let code = Notice::new(
        NoticeId(Uuid::from_u128(2)),
        PersonKey::from_stored("v1#x"),
        Channel::Sms,
        Message::Code {
            challenge: Challenge::new(Uuid::from_u128(3)),
            address: serde_json::from_str("\"x\"").unwrap(),
        },
        start(),
    );
    assert_eq!(code.deadline, later(start(), CODE_LIFETIME));
}

#[test]
fn tries_come_later_each_time_and_throttling_is_no_try() {
    let mut held = notice().claim(start(), worker()).unwrap();
    let mut waits = Vec::new();
    for _ in 0..9 {
        let retried = held.retry(start());
        let State::Waiting { not_before, .. } = retried.state else {
            panic!("it waits");
        };
        waits.push(not_before.as_second() - start().as_second());
        held = Notice {
            state: held.state.clone(),
            ..retried
        };
    }
    assert_eq!(waits, [30, 60, 120, 240, 480, 960, 1920, 3600, 3600]);
    assert_eq!(
        held.postponed(SignedDuration::from_secs(5), start()).attempts,
        held.attempts
    );
}

#[derive(Debug, Clone)]
enum Step {
    Pass(u32),
    Tick,
    Claim,
    Call,
    Answer,
    Lose,
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        (1u32..100_000).prop_map(Step::Pass),
        Just(Step::Tick),
        Just(Step::Claim),
        Just(Step::Call),
        Just(Step::Answer),
        Just(Step::Lose),
    ];
    proptest::collection::vec(step, 1..60)
}

proptest! {
    /// Several workers with copies of their own, any of which may sleep, crash or come late; a store that takes
    /// a write only on the epoch it was made from. The simple model counts calls to the provider.
    #[test]
    fn whatever_workers_do_the_provider_is_called_at_most_once(steps in steps()) {
        let mut now = start();
        let mut stored = notice();
        let mut held: Vec<Notice> = Vec::new();
        let mut calls = 0;
        let put = |stored: &mut Notice, read: &Notice, new: Notice| {
            let fits = stored.epoch == read.epoch;
            if fits {
                *stored = new;
            }
            fits
        };
        for step in steps {
            match step {
                Step::Pass(seconds) => now = later(now, SignedDuration::from_secs(seconds.into())),
                Step::Tick => match stored.wake(now, REQUEUE) {
                    Wake::Nothing => {}
                    Wake::Enqueue(new) | Wake::Settle(new) | Wake::Postpone(new) => stored = new,
                    Wake::Follow => stored = stored.follow(next(), now).unwrap().0,
                },
                Step::Claim => {
                    if let Ok(claimed) = stored.claim(now, worker()) {
                        stored = claimed.clone();
                        held.push(claimed);
                    }
                }
                Step::Call => {
                    if let Some(claimed) = held.pop()
                        && let Some(sending) = claimed.sending(now)
                        && put(&mut stored, &claimed, sending.clone())
                    {
                        calls += 1;
                        held.insert(0, sending);
                    }
                }
                Step::Answer => {
                    if let Some(at) = held.iter().position(|copy| matches!(copy.state, State::Sending { .. })) {
                        let sending = held.remove(at);
                        put(&mut stored, &sending, sending.sent("id".to_owned(), now));
                    }
                }
                Step::Lose => {
                    held.pop();
                }
            }
        }
        prop_assert!(calls <= 1);
        // Nothing is lost: it is over, or the tick will look at it.
        prop_assert!(stored.ended_at().is_some() != stored.wake_at().is_some());
        if calls == 0 {
            let open = matches!(
                stored.state,
                State::Waiting { .. } | State::Claimed { .. } | State::Expired { .. }
            );
            prop_assert!(open);
        }
    }
}

fn letter_notice(channel: Channel, at: &str) -> Notice {
    Notice::new(
        NoticeId(Uuid::from_u128(4)),
        PersonKey::from_stored("v1#x"),
        channel,
        Message::Letter {
            letter: LetterId(Uuid::from_u128(5)),
            reminder: false,
            announced_by: "991825827".parse().unwrap(),
        },
        at.parse().unwrap(),
    )
}

#[test]
fn a_letters_sms_waits_for_the_day_and_its_email_does_not() {
    // Half past ten in the evening, in Norway.
    let night = "2026-03-01T21:30:00Z";
    let morning: Timestamp = "2026-03-02T08:00:00Z".parse().unwrap();
    let sms = letter_notice(Channel::Sms, night);
    assert_eq!((sms.first_due_at, sms.wake_at()), (morning, Some(morning)));
    // The deadline counts from when it was due.
    assert_eq!(sms.deadline, later(morning, DEADLINE));
    let email = letter_notice(Channel::Email, night);
    assert_eq!(email.first_due_at, night.parse().unwrap());
    // What the person has just asked for comes at any hour.
    let chosen = Notice::new(
        NoticeId(Uuid::from_u128(1)),
        PersonKey::from_stored("v1#x"),
        Channel::Sms,
        notice().message,
        night.parse().unwrap(),
    );
    assert_eq!(chosen.first_due_at, night.parse().unwrap());
}

#[test]
fn a_letters_sms_that_did_not_get_out_by_day_waits_for_the_next_one() {
    let sms = letter_notice(Channel::Sms, "2026-03-02T18:59:00Z");
    let evening: Timestamp = "2026-03-02T19:00:00Z".parse().unwrap();
    let morning: Timestamp = "2026-03-03T08:00:00Z".parse().unwrap();
    assert_eq!(sms.claim(evening, worker()), Err(NotClaimed::Early));
    // A worker that took it by day and gets to the call by night does not call.
    let claimed = sms
        .claim(later(evening, SignedDuration::from_secs(-1)), worker())
        .unwrap();
    assert_eq!(claimed.sending(evening), None);
    let retried = claimed.retry(later(evening, SignedDuration::from_secs(-1)));
    assert_eq!(retried.wake_at(), Some(morning));
    let Wake::Postpone(postponed) = sms.wake(evening, REQUEUE) else {
        panic!("it waits");
    };
    assert_eq!(postponed.wake_at(), Some(morning));
    assert_eq!((postponed.deadline, postponed.attempts), (sms.deadline, 0));
}

#[test]
fn a_notice_that_moves_to_the_other_channel_is_the_same_notice() {
    let claimed = letter_notice(Channel::Email, "2026-03-01T21:30:00Z")
        .claim("2026-03-01T21:30:00Z".parse().unwrap(), worker())
        .unwrap();
    let moved = claimed.moved("2026-03-01T21:30:00Z".parse().unwrap());
    assert_eq!((moved.id, moved.channel), (claimed.id, Channel::Sms));
    assert_eq!(moved.wake_at(), Some("2026-03-02T08:00:00Z".parse().unwrap()));
    assert_eq!(moved.deadline, claimed.deadline);
}

#[test]
fn a_reminder_of_freshness_outlasts_weeks_in_which_nothing_goes_out_and_ends_while_the_address_is_fresh() {
    let reminder = Notice::new(
        NoticeId(Uuid::from_u128(6)),
        PersonKey::from_stored("v1#x"),
        Channel::Email,
        Message::FreshnessReminder,
        start(),
    );
    let weeks_later = later(start(), SignedDuration::from_hours(21 * 24));
    assert!(matches!(reminder.wake(weeks_later, REQUEUE), Wake::Enqueue(_)));
    let at_last = reminder.claim(weeks_later, worker()).unwrap();
    assert!(at_last.sending(weeks_later).is_some());
    let Wake::Settle(over) = reminder.wake(reminder.deadline, REQUEUE) else {
        panic!("it is too late");
    };
    assert_eq!(over.state.name(), "expired");
    let verified = start().to_zoned(norwegian_time()).checked_sub(REMINDER_MONTHS.months());
    let stale_at = verified.unwrap().checked_add(FRESH_MONTHS.months()).unwrap();
    assert!(reminder.deadline < stale_at.timestamp());
}

#[test]
fn what_follows_on_the_other_channel_has_the_same_cause() {
    let trace = Trace::parse("Root=1-5759e988-bd862e3fe1be46a994272793");
    let failed = notice().caused_by(trace).failed(Failure::NoAddress, after(60));
    let (followed, following) = failed.follow(next(), after(60)).unwrap();
    assert_eq!((followed.trace, following.trace), (trace, trace));
}

#[test]
fn what_follows_has_no_more_time_than_what_it_follows() {
    let failed = notice().failed(Failure::AddressRefused, after(3600));
    let (_, following) = failed.follow(next(), after(3600)).unwrap();
    assert_eq!(following.deadline, notice().deadline);
    let late = later(start(), DEADLINE);
    assert_eq!(
        notice().failed(Failure::AddressRefused, late).follow(next(), late),
        None
    );
    // Of that, nobody is told anything by the other channel either.
    for reason in [
        Failure::Reserved,
        Failure::Stale,
        Failure::Undeliverable,
        Failure::Deleted,
    ] {
        assert_eq!(notice().failed(reason, start()).follow(next(), start()), None);
    }
}

#[test]
fn nothing_known_until_the_deadline_is_left_alone() {
    let unknown = notice().unknown(later(start(), DEADLINE - SignedDuration::from_mins(30)));
    let Wake::Settle(left) = unknown.wake(later(start(), DEADLINE + FALLBACK), REQUEUE) else {
        panic!("nobody looks at it any more");
    };
    assert_eq!((left.wake_at(), &left.state), (None, &unknown.state));
}

#[test]
fn reports_take_a_notice_on_and_never_back() {
    use Receipt::{Accepted, Complained, Delayed, Delivered, Undelivered};
    let dead = Undelivered(Fate::AddressDead);
    let failed = Undelivered(Fate::MessageFailed);
    let name = |notice: &Notice| notice.state.name();
    let run = |receipts: &[Receipt]| {
        let sending = notice().claim(start(), worker()).unwrap().sending(start()).unwrap();
        receipts.iter().fold(sending, |notice, receipt| {
            notice.reported(*receipt, "id", after(5)).unwrap_or(notice)
        })
    };
    let cases: [(&[Receipt], &str); 12] = [
        (&[Accepted], "sent"),
        (&[Delayed], "sending"),
        (&[Accepted, Delivered], "delivered"),
        (&[Delivered, Accepted], "delivered"),
        (&[Delivered, Delivered, Accepted, Delayed], "delivered"),
        (&[Complained], "delivered"),
        (&[Accepted, dead], "failed"),
        (&[Delivered, dead], "failed"),
        (&[dead, Delivered], "failed"),
        (&[failed], "failed"),
        // An absence notice after the delivery is no failure.
        (&[Delivered, failed], "delivered"),
        (&[dead, Accepted, Complained], "failed"),
    ];
    for (receipts, end) in cases {
        assert_eq!(name(&run(receipts)), end, "{receipts:?}");
    }
    let unknown = notice().unknown(start());
    assert_eq!(name(&unknown.reported(Accepted, "id", after(5)).unwrap()), "sent");
    for over in [
        notice().cancelled(start()),
        notice().failed(Failure::NoAddress, start()),
        Notice {
            state: State::Expired { at: start() },
            ..notice()
        },
    ] {
        for receipt in [Accepted, Delivered, dead, Complained] {
            assert_eq!(over.reported(receipt, "id", after(5)), None);
        }
    }
}

#[test]
fn what_may_have_gone_out_before_it_was_lost_is_put_back_so_that_nobody_sends_it_again() {
    let lost_at = after(3600);
    let waiting = notice();
    let claimed = waiting.claim(start(), worker()).unwrap();
    let sending = claimed.sending(start()).unwrap();
    for notice in [&waiting, &claimed, &sending, &sending.unknown(after(1))] {
        let back = notice.put_back(lost_at);
        assert!(matches!(back.state, State::Unknown { .. }) && back.epoch > notice.epoch);
        // Nor does the other channel say it.
        assert_eq!((back.wake_at(), back.follow(next(), lost_at)), (None, None));
        assert_eq!(back.claim(lost_at, worker()), Err(NotClaimed::Over));
        // A late report still counts.
        assert!(back.reported(Receipt::Delivered, "id", lost_at).is_some());
    }
    let to_come = Notice {
        state: State::Waiting {
            not_before: after(3601),
            wake_at: after(3601),
        },
        ..waiting
    };
    for notice in [
        to_come,
        sending.sent("id".to_owned(), after(1)),
        claimed.cancelled(after(1)),
    ] {
        assert_eq!(notice.put_back(lost_at), notice);
    }
}
