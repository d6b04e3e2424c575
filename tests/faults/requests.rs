//! A request that is made again: one effect, one answer, whatever broke off in between.

use std::time::Duration;

use futures_util::{StreamExt as _, stream::FuturesUnordered};
use jiff::ToSpan as _;
use local::database_faults::{Fault, Rule};
use serde_json::json;
use stories::{DIGIPOST, EBOKS, OLA, Request, World};

use crate::{confirmations, entry, faults, fragile_with_ola, mailbox_of, unavailable, version};

const TRANSACTION: &str = "TransactWriteItems";
/// As often as the SDK tries a call.
const EVERY_TRY: u32 = 4;

fn registration(world: &World) -> Request<'_> {
    let request = world
        .provider(EBOKS)
        .post("/v1/mailboxes", &mailbox_of(OLA, "ola.nordmann#9YDT"));
    request.key("the-request")
}

/// One registration and one confirmation, and the request's answer is that of the first time.
async fn registered_once(world: &World) {
    let answer = registration(world).send().await.expect(201);
    assert_eq!(answer.body, json!({ "active": true, "confirmation": "sms" }));
    let entry = entry(world, OLA).await;
    assert_eq!(entry.etag(), "\"2\"");
    assert_eq!(entry.body["mailboxes"][0]["address"], "ola.nordmann#9YDT");
    assert_eq!(confirmations(world).await.len(), 1);
}

#[tokio::test]
async fn what_failed_before_it_was_stored_left_nothing_and_is_done_when_it_comes_again() {
    for fault in [Fault::RequestLost, Fault::Throttled] {
        let world = fragile_with_ola().await;
        faults(&world).script(Rule::new(fault).on(TRANSACTION).times(EVERY_TRY));
        let request = registration(&world);
        unavailable(request.send().await);
        faults(&world).clear();
        assert_eq!(version(&world, OLA).await, 1, "{fault:?}");
        assert_eq!(confirmations(&world).await, []);
        // At once: nobody works on the request any more.
        registered_once(&world).await;
    }
}

#[tokio::test]
async fn a_committed_request_whose_answer_was_lost_gets_that_answer_when_it_comes_again() {
    // One lost answer is made good by the SDK's own second try; when each is lost, the caller hears of a failure.
    for (lost, status) in [(1, 201), (EVERY_TRY, 503)] {
        let world = fragile_with_ola().await;
        faults(&world).script(Rule::new(Fault::AnswerLost).on(TRANSACTION).times(lost));
        registration(&world).send().await.expect(status);
        registered_once(&world).await;
    }
}

#[tokio::test]
async fn the_answer_is_kept_for_a_day_and_then_the_same_request_is_a_new_one() {
    let world = fragile_with_ola().await;
    faults(&world).script(Rule::new(Fault::AnswerLost).on(TRANSACTION).times(EVERY_TRY));
    unavailable(registration(&world).send().await);
    // DynamoDB knows a transaction again for ten minutes.
    for wait in [11.minutes(), 23.hours().minutes(48)] {
        world.pass(wait).await;
        registered_once(&world).await;
    }
    world.pass(1.minutes()).await;
    // Its record is still there, days before DynamoDB deletes it; but it has expired.
    let known = registration(&world).send().await.expect(200);
    assert_eq!(known.body, json!({ "active": true, "confirmation": "sms" }));
    assert_eq!(version(&world, OLA).await, 2);
}

#[tokio::test]
async fn a_first_step_whose_answer_was_lost_does_not_keep_the_request_from_being_done() {
    let world = fragile_with_ola().await;
    faults(&world).script(Rule::new(Fault::AnswerLost).on("PutItem").of("requests").times(1));
    registered_once(&world).await;
}

#[tokio::test]
async fn of_fifty_equal_requests_at_once_one_is_done_and_the_others_are_told_to_wait() {
    let world = fragile_with_ola().await;
    let request = registration(&world);
    faults(&world).script(Rule::new(Fault::Held).on(TRANSACTION));
    let mut answers: FuturesUnordered<_> = (0..50).map(|_| request.send()).collect();
    for _ in 0..49 {
        let waits = answers.next().await.unwrap().problem(409, "request-in-progress");
        assert!(waits.headers.contains_key("retry-after"));
    }
    faults(&world).held(1).await;
    faults(&world).let_go();
    answers.next().await.unwrap().expect(201);
    faults(&world).clear();
    registered_once(&world).await;
}

#[tokio::test]
async fn fifty_equal_requests_in_any_order_have_one_effect_and_one_answer() {
    let world = fragile_with_ola().await;
    let request = registration(&world);
    let mut answers: FuturesUnordered<_> = (0..50).map(|_| request.send()).collect();
    let mut done = 0;
    while let Some(answer) = answers.next().await {
        if answer.status == 201 {
            assert_eq!(answer.body, json!({ "active": true, "confirmation": "sms" }));
            done += 1;
        } else {
            answer.problem(409, "request-in-progress");
        }
    }
    assert!(done > 0);
    registered_once(&world).await;
}

#[tokio::test]
async fn a_key_is_good_for_one_request_of_one_caller() {
    let world = fragile_with_ola().await;
    let (eboks, digipost) = (world.provider(EBOKS), world.provider(DIGIPOST));
    registration(&world).send().await.expect(201);
    let others = [
        eboks.post("/v1/mailboxes", &mailbox_of(OLA, "ola.nordmann#0000")),
        eboks.post("/v1/mailboxes/close", &json!({ "person": OLA })),
    ];
    for other in others {
        let other = other.key("the-request");
        other.send().await.problem(422, "idempotency-key-reused");
    }
    registered_once(&world).await;
    // To Digipost it is a key like any other: its answer is about its own mailbox.
    let own = digipost.post("/v1/mailboxes", &mailbox_of(OLA, "ola.nordmann#9YDT"));
    let own = own.key("the-request").send().await.expect(201);
    assert_eq!(own.body, json!({ "active": false, "confirmation": "none" }));
    // Between citizens likewise.
    for person in [OLA, "02907740652"] {
        let contact = json!({ "email": "both@example.no" });
        let request = world.citizen(person).put("/v1/me/contact", &contact);
        let answer = request.key("the-request").send().await.expect(200);
        assert_eq!(answer.body["person"], person);
    }
}

#[tokio::test]
async fn a_request_whose_worker_died_is_done_by_the_next_one_after_a_minute() {
    let world = fragile_with_ola().await;
    let request = registration(&world);
    faults(&world).script(Rule::new(Fault::Held).on(TRANSACTION).times(1));
    tokio::select! {
        _ = request.send() => panic!("it is held"),
        // Whoever hangs up ends the worker, in the middle of its work.
        () = faults(&world).held(1) => {}
    }
    // The connection's end takes a moment to be seen.
    while faults(&world).is_holding() {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    request.send().await.problem(409, "request-in-progress");
    world.pass(59.seconds()).await;
    request.send().await.problem(409, "request-in-progress");
    world.pass(1.seconds()).await;
    registered_once(&world).await;
}

#[tokio::test]
async fn a_worker_that_comes_back_after_the_next_one_has_taken_over_changes_nothing() {
    let world = fragile_with_ola().await;
    let request = registration(&world);
    faults(&world).script(Rule::new(Fault::Held).on(TRANSACTION).times(1));
    let next = async {
        faults(&world).held(1).await;
        world.pass(1.minutes()).await;
        let answer = request.send().await.expect(201);
        faults(&world).let_go();
        answer
    };
    let (late, next) = tokio::join!(request.send(), next);
    late.problem(409, "request-in-progress");
    assert_eq!(next.body, json!({ "active": true, "confirmation": "sms" }));
    registered_once(&world).await;
}
