//! So many persons in a minute, and in a day.

use futures_util::future::join_all;
use jiff::{SignedDuration, ToSpan as _};
use serde_json::json;
use stories::{AGENCY, EBOKS, World};

use crate::scene::{KNOWN, OTHER_AGENCY, agency, left, limited, look_up, look_up_some, policy, wait};

#[tokio::test]
async fn an_agency_that_asks_too_fast_is_told_when_to_come_back_and_can() {
    let world = World::with(limited(10, 1000, 100)).await;
    world.pass(15.seconds()).await;
    let caller = agency(&world, AGENCY);
    let answer = look_up_some(&caller, 7).await.expect(200);
    assert_eq!(policy(&answer), [[10, 60], [1000, 86_400]]);
    // Ten o'clock in Norway, and a quarter of a minute.
    let until_midnight = 14 * 3600 - 15;
    assert_eq!(left(&answer), [[3, 45], [993, until_midnight]]);

    let refused = look_up_some(&caller, 4).await;
    assert_eq!(left(&refused), [[3, 45], [993, until_midnight]]);
    assert_eq!(wait(refused, "rate-limited"), 45);
    // Nothing was told and nothing is on record; what is left can be had.
    assert_eq!(world.disclosures().await.count(), 1);
    let answer = look_up(&caller, &KNOWN).await.expect(200);
    assert_eq!(left(&answer)[0], [0, 45]);
    wait(look_up_some(&caller, 1).await, "rate-limited");

    world.pass(45.seconds()).await;
    let caller = agency(&world, AGENCY);
    let answer = look_up_some(&caller, 4).await.expect(200);
    // What was refused does not count.
    assert_eq!(left(&answer), [[6, 60], [986, until_midnight - 45]]);
}

#[tokio::test]
async fn a_day_has_its_own_limit_and_ends_at_midnight_in_norway() {
    let world = World::with(limited(10, 25, 100)).await;
    for _ in 0..2 {
        look_up_some(&agency(&world, AGENCY), 10).await.expect(200);
        world.pass(1.minute()).await;
    }
    let refused = look_up_some(&agency(&world, AGENCY), 6).await;
    assert_eq!(left(&refused), [[10, 60], [5, 14 * 3600 - 120]]);
    let seconds = wait(refused, "rate-limited");
    assert_eq!(seconds, 14 * 3600 - 120);
    look_up_some(&agency(&world, AGENCY), 5).await.expect(200);

    world.pass((seconds - 1).seconds()).await;
    assert_eq!(wait(look_up_some(&agency(&world, AGENCY), 1).await, "rate-limited"), 1);
    world.pass(1.second()).await;
    let answer = look_up_some(&agency(&world, AGENCY), 10).await.expect(200);
    assert_eq!(left(&answer), [[0, 60], [15, 86_400]]);
}

#[tokio::test]
async fn one_organisations_limit_is_not_anothers() {
    let world = World::with(limited(5, 10, 100)).await;
    look_up_some(&agency(&world, AGENCY), 5).await.expect(200);
    wait(look_up_some(&agency(&world, AGENCY), 1).await, "rate-limited");
    let answer = look_up_some(&agency(&world, OTHER_AGENCY), 5).await.expect(200);
    assert_eq!(left(&answer)[0][0], 0);
}

#[tokio::test]
async fn more_than_a_whole_minute_holds_is_too_large_a_list() {
    let world = World::with(limited(5, 10, 100)).await;
    let caller = agency(&world, AGENCY);
    let refused = look_up_some(&caller, 6).await.problem(400, "too-many-identifiers");
    assert_eq!((&refused.body["retryable"], policy(&refused)[0][0]), (&json!(false), 5));
    // A person who is named twice is one.
    look_up(&caller, &[KNOWN[0]; 900]).await.expect(200);
    assert_eq!(left(&look_up_some(&caller, 4).await.expect(200))[0][0], 0);
}

#[tokio::test]
async fn a_provider_may_not_ask_for_everybodys_eligibility_either() {
    let world = World::with(limited(3, 10, 100)).await;
    let provider = world.provider(EBOKS);
    let ask = |person: &str| provider.post("/v1/mailboxes/eligibility", &json!({ "person": person }));
    for (at, person) in KNOWN.into_iter().enumerate() {
        let answer = ask(person).send().await.expect(200);
        assert_eq!(left(&answer)[0][0], 2 - i64::try_from(at).unwrap());
    }
    let refused = ask(KNOWN[0]).send().await;
    assert_eq!(policy(&refused), [[3, 60], [10, 86_400]]);
    assert_eq!(wait(refused, "rate-limited"), 60);
    assert_eq!(world.disclosures().await.count(), 3);
    // Registering a mailbox is no question.
    let mailbox = json!({ "person": KNOWN[0], "address": "kari.nordmann#9YDT" });
    provider.post("/v1/mailboxes", &mailbox).send().await.expect(201);
}

#[tokio::test]
async fn of_fifty_requests_at_once_as_many_are_answered_as_the_limit_allows() {
    let world = World::with(limited(20, 1000, 100)).await;
    let caller = agency(&world, AGENCY);
    let answers = join_all((0..50).map(|_| look_up(&caller, &KNOWN[..1]))).await;
    let (answered, refused): (Vec<_>, Vec<_>) = answers.into_iter().partition(|answer| answer.status == 200);
    assert_eq!((answered.len(), refused.len()), (20, 30));
    for answer in refused {
        wait(answer, "rate-limited");
    }
}

#[tokio::test]
async fn letters_keep_to_no_pace_of_look_ups_and_whatever_is_repeated_counts_once() {
    let world = World::with(limited(2, 2, 100)).await;
    let caller = agency(&world, AGENCY);
    for number in 0..5 {
        let letter = json!({
            "person": KNOWN[0],
            "sender": { "organisation": AGENCY, "sector": "public", "nameMayBeShown": true },
            "reference": format!("2026/{number}"), "legalNotice": true, "remind": false,
        });
        let answer = caller.post("/v1/letters", &letter).send().await.expect(202);
        assert!(!answer.headers.contains_key("ratelimit"));
    }
    let answer = look_up(&caller, &KNOWN[..1]).await.expect(200);
    assert_eq!(left(&answer)[0][0], 1);
    world.stack.clock().advance(SignedDuration::from_secs(2)).unwrap();
    assert_eq!(left(&look_up(&caller, &KNOWN[..1]).await.expect(200))[0][0], 0);
}
