//! How it is counted: by all workers together, cheaply, and never at the cost of an answer.

use std::num::NonZeroU32;

use infra_aws::usage::Usage;
use jiff::{SignedDuration, Timestamp, ToSpan as _};
use local::{
    database_faults::{Fault, Rule},
    stack::Options,
};
use mailbox_register::usage::{Ask, Limits, Quotas, Reason, Refusal};
use stories::{AGENCY, World};

use crate::scene::{KNOWN, agency, left, limited, look_up, look_up_some, wait};

/// One worker's counts, on the stack's table.
fn worker(world: &World) -> Usage {
    Usage::new(world.stack.client().clone(), "usage".to_owned())
}

fn limits(per_minute: u32, per_day: u32) -> Limits {
    Limits {
        per_minute: NonZeroU32::new(per_minute).unwrap(),
        per_day: NonZeroU32::new(per_day).unwrap(),
        miss_percent: 50.try_into().unwrap(),
    }
}

/// Asks, where the table is well.
async fn ask(usage: &Usage, limits: &Limits, persons: u32, now: Timestamp) -> Result<Quotas, Refusal> {
    let asked = usage
        .ask(AGENCY.parse().unwrap(), limits, Ask::LookUp(persons), now)
        .await;
    assert_eq!(asked.uncounted, None);
    asked.verdict
}

/// Calls that were made to the table, by operation.
fn calls(world: &World) -> Vec<String> {
    let calls = world.stack.database_faults().calls().into_iter();
    calls
        .filter(|call| call.tables == ["usage"])
        .map(|call| call.operation)
        .collect()
}

#[tokio::test]
async fn workers_see_each_others_counts_from_their_first_request_on() {
    let world = World::new().await;
    let limits = limits(1000, 2000);
    let (one, two) = (worker(&world), worker(&world));
    let now = world.stack.clock().now();
    assert_eq!(ask(&one, &limits, 600, now).await.unwrap().minute.left, 400);
    // The first question of the other.
    let refused = ask(&two, &limits, 401, now).await.unwrap_err();
    assert_eq!((refused.reason, refused.quotas.minute.left), (Reason::Minute, 400));
    assert_eq!(ask(&two, &limits, 300, now).await.unwrap().minute.left, 100);
    // What was refused by one is not counted for the other, and after a second each knows the other's.
    let now = now + SignedDuration::from_secs(1);
    assert_eq!(ask(&one, &limits, 1, now).await.unwrap().minute.left, 99);

    let now = now + SignedDuration::from_mins(1);
    ask(&two, &limits, 900, now).await.unwrap();
    let refused = ask(&one, &limits, 200, now).await.unwrap_err();
    assert_eq!((refused.reason, refused.quotas.day.left), (Reason::Day, 199));
    assert_eq!(ask(&worker(&world), &limits, 100, now).await.unwrap().day.left, 99);
}

#[tokio::test]
async fn what_one_worker_misses_stops_another() {
    let world = World::new().await;
    let limits = limits(10_000, 10_000);
    let (one, two) = (worker(&world), worker(&world));
    let now = world.stack.clock().now();
    ask(&one, &limits, 400, now).await.unwrap();
    one.missed(AGENCY.parse().unwrap(), 400, now).await.unwrap();
    let refused = ask(&two, &limits, 1, now).await.unwrap_err();
    assert_eq!(refused.reason, Reason::Misses);
    // In the next hour all begin anew.
    ask(&two, &limits, 1, now + SignedDuration::from_hours(1))
        .await
        .unwrap();
}

#[tokio::test]
async fn whoever_was_refused_by_old_counts_is_asked_after_anew() {
    let world = World::new().await;
    let limits = limits(1000, 2000);
    let (one, two) = (worker(&world), worker(&world));
    let now = world.stack.clock().now();
    ask(&one, &limits, 900, now).await.unwrap();
    ask(&two, &limits, 101, now).await.unwrap_err();
    // Somebody corrects the day's counts by hand.
    let table = world.stack.client();
    let item = table
        .scan()
        .table_name("usage")
        .send()
        .await
        .unwrap()
        .items
        .unwrap()
        .remove(0);
    let (organisation, day) = (item["organisation"].clone(), item["day"].clone());
    let delete = table.delete_item().table_name("usage");
    delete
        .key("organisation", organisation)
        .key("day", day)
        .send()
        .await
        .unwrap();
    ask(&two, &limits, 101, now).await.unwrap_err();
    ask(&two, &limits, 101, now + SignedDuration::from_secs(1))
        .await
        .unwrap();
}

#[tokio::test]
async fn a_busy_agency_costs_one_write_a_second() {
    let world = World::with(Options {
        database_faults: true,
        ..limited(10_000, 100_000, 50)
    })
    .await;
    let caller = agency(&world, AGENCY);
    world.stack.database_faults().clear();
    for second in 0..3 {
        for _ in 0..20 {
            look_up(&caller, &KNOWN).await.expect(200);
        }
        let expected = vec!["UpdateItem"; second + 1];
        assert_eq!(calls(&world), expected);
        world.stack.clock().advance(SignedDuration::from_secs(1)).unwrap();
    }
    let answer = look_up(&caller, &KNOWN).await.expect(200);
    assert_eq!(left(&answer)[0][0], 10_000 - 61 * 3);
    // A list is counted at once, whoever asked a moment ago.
    world.stack.database_faults().clear();
    look_up_some(&caller, 100).await.expect(200);
    assert!(!calls(&world).is_empty());
}

#[tokio::test]
async fn whoever_goes_on_asking_in_vain_costs_no_write() {
    let world = World::with(Options {
        database_faults: true,
        ..limited(3, 100, 100)
    })
    .await;
    let caller = agency(&world, AGENCY);
    look_up(&caller, &KNOWN).await.expect(200);
    world.stack.database_faults().clear();
    for second in 0..5 {
        for _ in 0..10 {
            wait(look_up(&caller, &KNOWN).await, "rate-limited");
        }
        assert_eq!(calls(&world), vec!["GetItem"; second]);
        world.stack.clock().advance(SignedDuration::from_secs(1)).unwrap();
    }
}

#[tokio::test]
async fn a_days_item_stays_small_and_ends() {
    let world = World::with(limited(10, 100_000, 100)).await;
    for _ in 0..200 {
        look_up(&agency(&world, AGENCY), &KNOWN).await.expect(200);
        world.stack.clock().advance(SignedDuration::from_mins(1)).unwrap();
    }
    let items = world.stack.client().scan().table_name("usage").send().await.unwrap();
    let items = items.items.unwrap();
    assert_eq!(items.len(), 1);
    let mut names: Vec<_> = items[0].keys().map(String::as_str).collect();
    names.sort_unstable();
    // The organisation, its day and when that is of no use any more; two minutes and two hours at the most.
    assert!(names.len() <= 4 + 3 + 2 * 2, "{names:?}");
    assert_eq!(items[0]["lookups"].as_n().unwrap(), "600");
    assert_eq!(items[0]["organisation"].as_s().unwrap(), AGENCY);
    let expires: i64 = items[0]["expiresAt"].as_n().unwrap().parse().unwrap();
    let expires = Timestamp::from_second(expires).unwrap();
    assert_eq!(expires.to_string(), "2026-03-04T23:00:00Z");
}

#[tokio::test]
async fn without_the_table_look_ups_go_on_and_are_on_record() {
    for fault in [
        Fault::Denied,
        Fault::Throttled,
        Fault::Failing,
        Fault::RequestLost,
        Fault::AnswerLost,
    ] {
        let world = World::with(Options {
            database_faults: true,
            ..limited(10, 1000, 100)
        })
        .await;
        let caller = agency(&world, AGENCY);
        let faults = world.stack.database_faults();
        faults.script(Rule::new(fault).of("usage"));
        for _ in 0..3 {
            look_up(&caller, &KNOWN).await.expect(200);
        }
        assert_eq!(world.disclosures().await.count(), 3, "{fault:?}");
        // Each worker goes by what it counted itself.
        wait(look_up(&caller, &KNOWN).await, "rate-limited");
        // The table is left alone for a while, and asked again when it may be well.
        faults.clear();
        world.pass(1.minute()).await;
        let caller = agency(&world, AGENCY);
        look_up(&caller, &KNOWN).await.expect(200);
        assert!(calls(&world).contains(&"UpdateItem".to_owned()), "{fault:?}");
    }
}

#[tokio::test]
async fn what_the_table_may_never_have_counted_is_not_taken_back_from_it() {
    for fault in [Fault::Denied, Fault::AnswerLost] {
        let world = World::with(Options {
            database_faults: true,
            ..limited(1000, 1000, 100)
        })
        .await;
        let limits = limits(1000, 1000);
        let faults = world.stack.database_faults();
        let one = Usage::new(faults.client(), "usage".to_owned());
        let now = world.stack.clock().now();
        ask(&one, &limits, 500, now).await.unwrap();
        ask(&worker(&world), &limits, 300, now).await.unwrap();

        faults.script(Rule::new(fault).of("usage"));
        let now = now + SignedDuration::from_secs(1);
        for (persons, left) in [(400, Ok(100)), (200, Err(100)), (50, Ok(50))] {
            let asked = one
                .ask(AGENCY.parse().unwrap(), &limits, Ask::LookUp(persons), now)
                .await;
            let verdict = asked.verdict.map(|quotas| quotas.day.left);
            assert_eq!(verdict.map_err(|refusal| refusal.quotas.day.left), left, "{fault:?}");
        }
        faults.clear();
        let now = now + SignedDuration::from_secs(10);
        let last = one.ask(AGENCY.parse().unwrap(), &limits, Ask::LookUp(1), now).await;
        assert_eq!(last.uncounted, None);
        // All that the table surely was told; perhaps what it gave no answer to as well.
        let items = world.stack.client().scan().table_name("usage").send().await.unwrap();
        let counted: i64 = items.items()[0]["lookups"].as_n().unwrap().parse().unwrap();
        match fault {
            Fault::Denied => assert_eq!((counted, last.verdict.is_ok()), (851, true)),
            _ => assert!(counted >= 1200, "{counted}"),
        }
    }
}

#[tokio::test]
async fn nobody_waits_for_a_table_that_stands_still() {
    let world = World::with(Options {
        database_faults: true,
        ..limited(1000, 1000, 100)
    })
    .await;
    let caller = agency(&world, AGENCY);
    world.stack.database_faults().script(Rule::new(Fault::Held).of("usage"));
    let asked = std::time::Instant::now();
    for _ in 0..5 {
        look_up_some(&caller, 200).await.expect(200);
    }
    // One of them waited a second.
    assert!(asked.elapsed() < std::time::Duration::from_secs(4));
    world.stack.database_faults().let_go();
}
