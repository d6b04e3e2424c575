use jiff::SignedDuration;
use proptest::prelude::*;

use super::*;

fn limits(per_minute: u32, per_day: u32, miss_percent: u8) -> Limits {
    Limits {
        per_minute: NonZeroU32::new(per_minute).unwrap(),
        per_day: NonZeroU32::new(per_day).unwrap(),
        miss_percent: miss_percent.try_into().unwrap(),
    }
}

fn at(text: &str) -> Timestamp {
    text.parse().unwrap()
}

/// Nine o'clock and twelve and a half seconds in Norway.
fn morning() -> Timestamp {
    at("2026-03-02T08:00:12.5Z")
}

fn looked_up(persons: i64) -> Counts {
    Counts {
        minute: persons,
        day: persons,
        asked: persons,
        missed: 0,
    }
}

#[test]
fn what_is_left_is_told_and_when_there_is_more() {
    let limits = limits(1000, 5000, 50);
    let quotas = limits.judge(&looked_up(300), Ask::LookUp(200), morning()).unwrap();
    assert_eq!(
        quotas.minute,
        Quota {
            most: 1000,
            left: 500,
            window: 60,
            ends_in: 48
        }
    );
    assert_eq!(
        quotas.day,
        Quota {
            most: 5000,
            left: 4500,
            window: 86_400,
            ends_in: 15 * 3600 - 12
        }
    );
}

#[test]
fn whoever_asks_too_fast_waits_for_the_next_minute_and_for_the_next_day() {
    let limits = limits(1000, 1500, 50);
    let minute = limits.judge(&looked_up(900), Ask::LookUp(101), morning()).unwrap_err();
    assert_eq!((minute.reason, minute.wait), (Reason::Minute, 48));
    // So many could still be asked for.
    assert_eq!(minute.quotas.minute.left, 100);
    limits.judge(&looked_up(900), Ask::LookUp(100), morning()).unwrap();

    let counts = Counts {
        minute: 0,
        day: 1400,
        ..Counts::default()
    };
    let day = limits.judge(&counts, Ask::LookUp(101), morning()).unwrap_err();
    assert_eq!((day.reason, day.wait), (Reason::Day, 15 * 3600 - 12));
    // Letters and mailboxes are no look-ups.
    limits.judge(&looked_up(1500), Ask::Action, morning()).unwrap();
}

#[test]
fn more_than_a_whole_window_holds_is_never_answered() {
    for limits in [limits(10, 100, 50), limits(100, 10, 50)] {
        let refused = limits.judge(&Counts::default(), Ask::LookUp(11), morning());
        assert_eq!(refused.unwrap_err().reason, Reason::TooLarge);
        limits.judge(&Counts::default(), Ask::LookUp(10), morning()).unwrap();
    }
}

#[test]
fn too_many_unknown_persons_end_the_hour_for_look_ups_and_actions() {
    let limits = limits(100_000, 100_000, 20);
    let counts = |asked, missed| Counts {
        asked,
        missed,
        ..Counts::default()
    };
    // A few slips are no search, and one in five is allowed.
    for fine in [counts(299, 299), counts(300, 60), counts(10_000, 2000)] {
        limits.judge(&fine, Ask::LookUp(1000), morning()).unwrap();
    }
    for ask in [Ask::LookUp(1), Ask::Action] {
        let refused = limits.judge(&counts(300, 61), ask, morning()).unwrap_err();
        assert_eq!((refused.reason, refused.wait), (Reason::Misses, 3600 - 12));
    }
    let lenient = Limits {
        miss_percent: Percent(100),
        ..limits
    };
    lenient.judge(&counts(9000, 9000), Ask::Action, morning()).unwrap();
}

#[test]
fn an_organisation_may_have_limits_of_its_own() {
    let common = limits(1000, 5000, 50);
    let own: OwnLimits = serde_json::from_str(r#"{"lookupsPerDay": 1000000, "missPercent": 10}"#).unwrap();
    assert_eq!(common.but(&own), limits(1000, 1_000_000, 10));
    assert_eq!(common.but(&OwnLimits::default()), common);
    for wrong in [
        r#"{"lookupsPerDay": 0}"#,
        r#"{"missPercent": 101}"#,
        r#"{"lookupsPerMinute": -1}"#,
    ] {
        serde_json::from_str::<OwnLimits>(wrong).unwrap_err();
    }
}

#[test]
fn a_day_is_from_midnight_to_midnight_in_norway() {
    for (now, from, hours) in [
        ("2026-03-02T22:59:59.999Z", "2026-03-01T23:00:00Z", 24),
        ("2026-03-02T23:00:00Z", "2026-03-02T23:00:00Z", 24),
        ("2026-03-29T12:00:00Z", "2026-03-28T23:00:00Z", 23),
        ("2026-10-25T12:00:00Z", "2026-10-24T22:00:00Z", 25),
    ] {
        let day = Windows::at(at(now)).day;
        assert_eq!((day.from, day.seconds()), (at(from), hours * 3600), "{now}");
    }
}

#[test]
fn a_person_who_is_named_twice_is_one() {
    let secret = crate::secret::Secret::new([7; 32]);
    let keys = ["20914695016", "10915596784", "20914695016"].map(|text| {
        let person = crate::person::PersonIdentifier::parse(text, crate::person::Population::Synthetic).unwrap();
        secret.person_key(&person)
    });
    assert_eq!(Ask::look_up(&keys), Ask::LookUp(2));
}

#[test]
fn a_busy_organisation_is_told_of_once_a_second_and_a_list_at_once() {
    let now = morning();
    let mut tally = Tally::new(now);
    assert!(tally.is_due(now), "nothing is known yet");
    tally.count_ask(Ask::LookUp(1));
    assert_eq!(tally.tell(), looked_up(1));
    tally.learn(looked_up(41), now);
    for _ in 0..99 {
        assert!(!tally.is_due(now));
        tally.count_ask(Ask::LookUp(1));
    }
    tally.count_ask(Ask::LookUp(1));
    assert!(tally.is_due(now), "much has come together");
    assert_eq!(tally.tell(), looked_up(100));
    tally.learn(looked_up(141), now);
    assert!(!tally.is_due(now));
    assert!(tally.is_due(now + SignedDuration::from_secs(1)));
    assert!(
        tally.is_due(now - SignedDuration::from_secs(1)),
        "the clock was set back"
    );
}

#[test]
fn a_store_that_does_not_answer_is_left_alone_and_counts_go_on() {
    let now = morning();
    let mut tally = Tally::new(now);
    tally.count_ask(Ask::LookUp(900));
    tally.tell();
    tally.go_on_alone(now);
    tally.count_ask(Ask::LookUp(50));
    let later = now + SignedDuration::from_secs(9);
    assert!(!tally.is_due(later));
    let refused = tally
        .judge(&limits(1000, 1000, 50), Ask::LookUp(51), later)
        .unwrap_err();
    assert_eq!(refused.reason, Reason::Day);
    assert!(tally.is_due(later + SignedDuration::from_secs(1)));
    // What it was told without an answer it may have counted: it is not told again.
    assert_eq!(tally.tell(), looked_up(50));
}

#[test]
fn what_was_counted_in_another_window_is_forgotten() {
    let mut tally = Tally::new(morning());
    tally.count_ask(Ask::LookUp(7));
    tally.learn(
        Counts {
            missed: 3,
            ..looked_up(5)
        },
        morning(),
    );
    let counts_at = |text| {
        let mut tally = tally.clone();
        tally.at(at(text));
        (tally.counted(), tally.is_old(at(text)))
    };
    let all = Counts {
        missed: 3,
        ..looked_up(12)
    };
    assert_eq!(counts_at("2026-03-02T08:00:13Z"), (all, false));
    assert_eq!(counts_at("2026-03-02T08:01:00Z").0, Counts { minute: 0, ..all });
    let of_day = Counts {
        day: 12,
        ..Counts::default()
    };
    assert_eq!(counts_at("2026-03-02T09:00:00Z").0, of_day);
    assert_eq!(counts_at("2026-03-02T23:00:00Z"), (Counts::default(), true));
}

proptest! {
    /// One worker that asks on and on, and the store it tells.
    #[test]
    fn no_more_is_answered_than_the_limits_allow_and_whoever_waits_as_told_is_answered(
        asks in prop::collection::vec((1u32..400, 0i64..30_000), 1..200),
        per_minute in 400u32..2000,
        per_day in 400u32..9000,
    ) {
        let limits = limits(per_minute, per_day, 100);
        let mut now = morning();
        let mut answered: Vec<(Timestamp, u32)> = Vec::new();
        let counts_at = |answered: &[(Timestamp, u32)], now| {
            let windows = Windows::at(now);
            let within = |window: Window| answered.iter().filter(|(at, _)| *at >= window.from)
                .map(|(_, persons)| i64::from(*persons)).sum();
            Counts { minute: within(windows.minute), day: within(windows.day), asked: within(windows.hour), missed: 0 }
        };
        for (persons, pause) in asks {
            now += SignedDuration::from_millis(pause);
            let counts = counts_at(&answered, now);
            match limits.judge(&counts, Ask::LookUp(persons), now) {
                Ok(quotas) => {
                    answered.push((now, persons));
                    let counts = counts_at(&answered, now);
                    prop_assert_eq!(i64::from(quotas.minute.left), i64::from(per_minute) - counts.minute);
                    prop_assert_eq!(i64::from(quotas.day.left), i64::from(per_day) - counts.day);
                }
                Err(refusal) => {
                    let then = now + SignedDuration::from_secs(refusal.wait.into());
                    let after = limits.judge(&counts_at(&answered, then), Ask::LookUp(persons), then);
                    prop_assert!(after.is_ok() || refusal.reason == Reason::Minute);
                    prop_assert!(after.err().is_none_or(|after| after.reason == Reason::Day));
                    // What is left can be had.
                    let left = refusal.quotas.minute.left.min(refusal.quotas.day.left);
                    prop_assert!(limits.judge(&counts, Ask::LookUp(left), now).is_ok());
                }
            }
        }
    }

    /// Several workers, none of whom dies: what they tell the store is what they answered.
    #[test]
    fn nothing_is_counted_twice_and_nothing_is_lost_within_a_window(
        steps in prop::collection::vec((0usize..3, 1u32..60, any::<bool>()), 1..100),
    ) {
        let now = morning();
        let mut store = Counts::default();
        let mut workers = vec![Tally::new(now); 3];
        let mut answered = 0;
        for (worker, persons, is_told) in steps {
            let tally = &mut workers[worker];
            tally.count_ask(Ask::LookUp(persons));
            if persons % 5 == 0 {
                tally.discount(Ask::LookUp(persons));
            } else {
                answered += i64::from(persons);
            }
            if is_told {
                store = store + tally.tell();
                tally.learn(store, now);
                prop_assert_eq!(tally.counted(), store);
            }
        }
        for tally in &mut workers {
            store = store + tally.tell();
        }
        prop_assert_eq!(store, looked_up(answered));
    }
}
