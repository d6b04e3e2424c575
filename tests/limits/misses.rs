//! Whoever tries numbers finds mostly nobody, and is stopped.

use jiff::ToSpan as _;
use serde_json::json;
use stories::{AGENCY, DIGIPOST, EBOKS, World};

use crate::scene::{KNOWN, OTHER_AGENCY, agency, left, limited, look_up, unknown, wait};

/// Somebody who is reserved.
const RESERVED: &str = "10915596784";

#[tokio::test]
async fn a_list_of_made_up_numbers_is_the_last_for_this_hour() {
    let world = World::with(limited(10_000, 100_000, 50)).await;
    world.pass(10.minutes()).await;
    let caller = agency(&world, AGENCY);
    let numbers = unknown(1000);
    look_up(&caller, &numbers[..299]).await.expect(200);
    // As yet these may be slips; with the next they are a search.
    look_up(&caller, &numbers[299..400]).await.expect(200);
    for persons in [&numbers[..1], &numbers[..]] {
        let refused = look_up(&caller, persons).await;
        assert_eq!(left(&refused)[0][0], 9600);
        assert_eq!(wait(refused, "too-many-misses"), 50 * 60);
    }
    // Letters tell who is there as well.
    let letter = |reference: &str, person: &str| {
        let letter = json!({
            "person": person,
            "sender": { "organisation": AGENCY, "sector": "public", "nameMayBeShown": true },
            "reference": reference, "legalNotice": true, "remind": false,
        });
        caller.post("/v1/letters", &letter)
    };
    let refused = letter("2026/1", &numbers[0]).send().await;
    assert!(!refused.headers.contains_key("ratelimit"));
    assert_eq!(wait(refused, "too-many-misses"), 50 * 60);
    assert_eq!(world.disclosures().await.count(), 2);
    // Others are not touched.
    look_up(&agency(&world, OTHER_AGENCY), &KNOWN).await.expect(200);

    world.pass(50.minutes()).await;
    look_up(&agency(&world, AGENCY), &KNOWN).await.expect(200);
}

#[tokio::test]
async fn a_list_of_recipients_may_hold_some_who_are_unknown() {
    let world = World::with(limited(10_000, 100_000, 50)).await;
    let numbers = unknown(700);
    let provider = world.provider(EBOKS);
    for (at, person) in numbers[..350].iter().enumerate() {
        let mailbox = json!({ "person": person, "address": format!("person.number#{at}") });
        provider.post("/v1/mailboxes", &mailbox).send().await.expect(201);
    }
    let caller = agency(&world, AGENCY);
    for _ in 0..3 {
        look_up(&caller, &numbers).await.expect(200);
    }
    // Half of them; one more is more than half.
    look_up(&caller, &unknown(701)[700..]).await.expect(200);
    wait(look_up(&caller, &numbers).await, "too-many-misses");
}

#[tokio::test]
async fn known_persons_named_again_and_again_do_not_hide_the_unknown() {
    let world = World::with(limited(10_000, 100_000, 50)).await;
    let caller = agency(&world, AGENCY);
    let mut list = unknown(400);
    list.extend(vec![KNOWN[0].to_owned(); 600]);
    look_up(&caller, &list).await.expect(200);
    wait(look_up(&caller, &list).await, "too-many-misses");
}

#[tokio::test]
async fn numbers_tried_one_by_one_by_letters_and_by_eligibility_are_the_same_search() {
    let world = World::with(limited(10_000, 100_000, 50)).await;
    let numbers = unknown(400);
    let provider = agency(&world, EBOKS);
    let eligibility = world.provider(EBOKS);
    let (by_letter, by_eligibility) = numbers.split_at(150);
    let letter = |person: &str| {
        let letter = json!({
            "person": person,
            "sender": { "organisation": AGENCY, "sector": "public", "nameMayBeShown": true },
            "reference": format!("letter to {}", &person[..6]), "legalNotice": true, "remind": false,
        });
        provider.post("/v1/letters", &letter)
    };
    for person in by_letter {
        letter(person).send().await.problem(404, "mailbox-not-found");
    }
    // A function tells the others of its last few when it is asked again.
    world.pass(2.seconds()).await;
    letter(&by_letter[0]).send().await.problem(404, "mailbox-not-found");
    let mut answered = 0;
    for person in by_eligibility {
        let question = eligibility.post("/v1/mailboxes/eligibility", &json!({ "person": person }));
        let answer = question.send().await;
        if answer.status != 200 {
            wait(answer, "too-many-misses");
            break;
        }
        answered += 1;
        let clock = world.stack.clock();
        clock.advance(jiff::SignedDuration::from_millis(20)).unwrap();
    }
    // Together three hundred or so: neither way alone is that many.
    assert!((140..200).contains(&answered), "{answered}");
}

#[tokio::test]
async fn whoever_tries_numbers_by_mailboxes_is_stopped_too() {
    let world = World::with(limited(10, 100, 50)).await;
    let numbers = unknown(300);
    let provider = world.provider(EBOKS);
    let register = |person: &str| {
        let mailbox = json!({ "person": person, "address": "somebody#9YDT" });
        provider.post("/v1/mailboxes", &mailbox)
    };
    let close = |person: &str| provider.post("/v1/mailboxes/close", &json!({ "person": person }));
    // Who is told that somebody is reserved learned something, and who is told that there is no mailbox.
    for _ in 0..10 {
        register(RESERVED).send().await.problem(409, "reserved");
    }
    for person in &numbers[..290] {
        close(person).send().await.problem(404, "mailbox-not-found");
    }
    // A function tells the others of its last few when it is asked again.
    world.pass(1.minute()).await;
    for request in [close(&numbers[290]), register(&numbers[290]), register(RESERVED)] {
        let refused = request.send().await;
        assert!(!refused.headers.contains_key("ratelimit"));
        assert_eq!(wait(refused, "too-many-misses"), 59 * 60);
    }
    assert_eq!(world.disclosures().await.count(), 10);
    // Others are not touched.
    let mailbox = json!({ "person": numbers[290], "address": "somebody#9YDT" });
    let other = world.provider(DIGIPOST).post("/v1/mailboxes", &mailbox);
    other.send().await.expect(201);

    world.pass(59.minutes()).await;
    register(&numbers[290]).send().await.expect(201);
}

#[tokio::test]
async fn a_provider_registers_as_many_persons_as_it_likes() {
    // No pace holds for mailboxes; and none of these may be in vain.
    let world = World::with(limited(1, 1, 0)).await;
    let provider = world.provider(EBOKS);
    let register = |person: &str| {
        let mailbox = json!({ "person": person, "address": "somebody#9YDT" });
        provider.post("/v1/mailboxes", &mailbox)
    };
    for person in unknown(305) {
        let answer = register(&person).send().await.expect(201);
        assert!(!answer.headers.contains_key("ratelimit"));
    }
    register(RESERVED).send().await.problem(409, "reserved");
    world.pass(2.seconds()).await;
    wait(register(KNOWN[0]).send().await, "too-many-misses");
}
