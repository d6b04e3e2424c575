//! The database or the bucket cannot do it for a while: nothing is lost, nothing is disclosed that is not on record.

use local::{
    bucket::BucketFault,
    database_faults::{Fault, Rule},
};
use stories::{AGENCY, OLA};

use crate::scene::{House, KARI, LONG_ENOUGH, MISTYPED, WITH_MOBILE, failure, table};

const PERSONS: [&str; 7] = [KARI, OLA, MISTYPED, WITH_MOBILE, KARI, OLA, "nobody"];

/// What comes of the file where nothing goes wrong.
async fn expected(house: &House) -> Vec<u8> {
    house.drop_file("expected.csv", table(&PERSONS)).await;
    house.settle().await;
    house.result_for("expected.csv").await
}

/// Hands on messages until there are none; what cannot be done comes again, as the queue has it. Says how often.
async fn until_done(house: &House) -> u32 {
    let mut failures = 0;
    let mut waiting = house.messages().await;
    while !waiting.is_empty() {
        let mut again = Vec::new();
        for body in waiting {
            if !house.hand(&body).await {
                failures += 1;
                again.push(body);
            }
        }
        assert!(failures < 100, "it never ends");
        again.extend(house.messages().await);
        waiting = again;
    }
    failures
}

#[tokio::test]
async fn while_the_database_is_down_steps_come_again_and_in_the_end_all_is_as_it_should_be() {
    let house = House::fragile().await;
    let expected = expected(&house).await;
    let mut number = 0;
    for fault in [Fault::Throttled, Fault::RequestLost, Fault::Denied] {
        // The outage begins with each of the messages, and ends after it.
        for begin in 0..6 {
            number += 1;
            let name = format!("{number}.csv");
            house.drop_file(&name, table(&PERSONS)).await;
            let mut waiting = house.messages().await;
            for _ in 0..begin {
                assert!(house.hand(&waiting.remove(0)).await);
                waiting.extend(house.messages().await);
            }
            house.faults().script(Rule::new(fault));
            for body in &waiting {
                assert!(!house.hand(body).await, "{fault:?} {begin}");
            }
            assert!(house.tick().await.is_err());
            house.faults().clear();
            house.hand_all(waiting).await;
            // A worker may not have been able to give its turn back.
            house.wait(LONG_ENOUGH);
            house.tick().await.unwrap();
            until_done(&house).await;
            assert!(house.result_for(&name).await == expected, "{fault:?} {begin}");
            assert_eq!(house.batch_of(&name).await["rowsDone"], 7);
        }
    }
}

#[tokio::test]
async fn with_half_of_all_calls_failing_it_takes_longer_and_nothing_is_lost() {
    let house = House::fragile().await;
    let expected = expected(&house).await;
    house.faults().script(Rule::new(Fault::Failing).by_half());
    for number in 0..6 {
        house.drop_file(&format!("{number}.csv"), table(&PERSONS)).await;
    }
    until_done(&house).await;
    house.faults().clear();
    for _ in 0..3 {
        house.wait(LONG_ENOUGH);
        house.tick().await.unwrap();
        until_done(&house).await;
    }
    for number in 0..6 {
        assert!(house.result_for(&format!("{number}.csv")).await == expected, "{number}");
    }
}

#[tokio::test]
async fn a_write_whose_answer_is_lost_counts_once() {
    let house = House::fragile().await;
    let expected = expected(&house).await;
    for operation in ["PutItem", "TransactWriteItems"] {
        for before in 0.. {
            let name = format!("{operation}-{before}.csv");
            house.faults().clear();
            let lost = Rule::new(Fault::AnswerLost).on(operation).of("batches");
            house.faults().script(lost.after(before).times(1));
            house.drop_file(&name, table(&PERSONS)).await;
            until_done(&house).await;
            for _ in 0..2 {
                house.wait(LONG_ENOUGH);
                house.tick().await.unwrap();
                until_done(&house).await;
            }
            assert!(house.result_for(&name).await == expected, "{name}");
            let summary = house.summary_for(&name).await;
            assert_eq!(
                (&summary["rows"], &summary["duplicates"]),
                (&7.into(), &2.into()),
                "{name}"
            );
            assert_eq!(house.batch_of(&name).await["rowsDone"], 7, "{name}");
            if house.faults().calls().iter().all(|call| call.fault.is_none()) {
                assert!(before >= 3, "{operation}: {before}");
                break;
            }
        }
    }
}

#[tokio::test]
async fn without_a_record_of_it_nothing_is_disclosed_however_long_it_takes() {
    let house = House::fragile().await;
    let expected = expected(&house).await;
    let before = house.disclosures().await;
    for fault in [Fault::Denied, Fault::Failing] {
        let name = format!("{fault:?}.csv");
        house.faults().script(Rule::new(fault).of("disclosures"));
        house.drop_file(&name, table(&PERSONS)).await;
        let mut waiting = house.messages().await;
        for _ in 0..2 {
            assert!(house.hand(&waiting.remove(0)).await);
            waiting = house.messages().await;
        }
        for _ in 0..12 {
            house.faults().clear();
            house.faults().script(Rule::new(fault).of("disclosures"));
            // The piece that names nobody needs no record.
            for body in &waiting[..2] {
                assert!(!house.hand(body).await);
            }
            let read = house
                .faults()
                .calls()
                .into_iter()
                .any(|call| call.tables == ["register"]);
            assert!(!read, "nobody is looked up");
            assert!(house.keys("work/").is_empty());
            house.wait(LONG_ENOUGH);
            house.tick().await.unwrap();
            house.messages().await;
        }
        house.faults().clear();
        house.hand_all(waiting).await;
        assert!(house.result_for(&name).await == expected);
    }
    assert_eq!(house.disclosures().await, before + 4);
}

#[tokio::test]
async fn a_record_comes_before_the_answers_and_stays_one_if_the_piece_is_done_again() {
    let house = House::fragile().await;
    house
        .world
        .stack
        .buckets()
        .fail_next_under("work/", "PutObject", 3, BucketFault::AccessDenied);
    house.drop_file("tax.csv", table(&[KARI, OLA])).await;
    assert_eq!(until_done(&house).await, 3);
    assert_eq!(house.summary_for("tax.csv").await["state"], "done");
    assert_eq!(house.disclosures().await, 1);
}

#[tokio::test]
async fn while_the_bucket_cannot_do_it_steps_come_again() {
    let house = House::new().await;
    let expected = expected(&house).await;
    // Three tries of the SDK are one of the worker's; what is denied it does not try again.
    for (number, (prefix, operation, times, how)) in [
        ("uploads/", "HeadObject", 3, BucketFault::Broken),
        ("uploads/", "GetObject", 3, BucketFault::Broken),
        ("work/", "PutObject", 1, BucketFault::AccessDenied),
        ("work/", "GetObject", 1, BucketFault::AccessDenied),
        ("work/", "HeadObject", 1, BucketFault::NoSuchKey),
        ("results/", "PutObject", 1, BucketFault::AccessDenied),
    ]
    .into_iter()
    .enumerate()
    {
        let name = format!("{number}.csv");
        house
            .world
            .stack
            .buckets()
            .fail_next_under(prefix, operation, times, how);
        house.drop_file(&name, table(&PERSONS)).await;
        assert_eq!(until_done(&house).await, 1, "{prefix} {operation}");
        assert!(house.result_for(&name).await == expected, "{prefix} {operation}");
        house.world.stack.buckets().clear_faults();
    }
}

#[tokio::test]
async fn a_file_that_may_not_be_read_fails_and_can_be_dropped_again() {
    let house = House::new().await;
    // As it arrives, in the first pass, at a piece.
    for (operation, hands) in [("HeadObject", 0), ("GetObject", 1), ("GetObject", 2)] {
        let name = format!("{operation}-{hands}.csv");
        for is_denied in [true, false] {
            house.drop_file(&name, table(&PERSONS)).await;
            let mut waiting = house.messages().await;
            for _ in 0..hands {
                assert!(house.hand(&waiting.remove(0)).await);
                waiting.extend(house.messages().await);
            }
            if is_denied {
                let buckets = house.world.stack.buckets();
                buckets.fail_next_under("uploads/", operation, 1, BucketFault::AccessDenied);
            }
            house.hand_all(waiting).await;
            let rest = house.messages().await;
            house.hand_all(rest).await;
            let batch = house.batches().await.remove(0);
            let summary = house.summary(&batch).await;
            if is_denied {
                assert_eq!(failure(&summary).0, "file-unreadable", "{name}");
                let left = house.keys(&format!("results/{AGENCY}/{}/", crate::scene::id(&batch)));
                assert_eq!(left.len(), 1, "{left:?}");
            } else {
                assert_eq!(summary["state"], "done", "{name}");
            }
            house.wait(LONG_ENOUGH);
        }
    }
}
