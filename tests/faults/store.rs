//! A database that is throttled, contended, half-read or in part not to be written.

use futures_util::future::join_all;
use jiff::ToSpan as _;
use local::{
    database_faults::{Call, Fault, Rule},
    persons::synthetic,
};
use serde_json::json;
use stories::{AGENCY, EBOKS, OLA, World};

use crate::{
    confirmations, entry, faults, fragile, fragile_with_ola, lookup, mailbox_of, unavailable, until_answered, version,
};

const TRANSACTION: &str = "TransactWriteItems";
const KARI: &str = "22885399316";
const RESERVED: &str = "10915596784";
const UNKNOWN: &str = "02907740652";

/// The calls of an operation on a table.
fn calls(world: &World, operation: &str, table: &str) -> Vec<Call> {
    let touches = |call: &Call| call.operation == operation && call.tables.iter().any(|touched| touched == table);
    faults(world).calls().into_iter().filter(touches).collect()
}

#[tokio::test]
async fn a_transaction_is_tried_again_after_another_one_and_in_the_end_given_up_as_a_whole() {
    let world = fragile_with_ola().await;
    let request = world
        .provider(EBOKS)
        .post("/v1/mailboxes", &mailbox_of(OLA, "ola.nordmann#9YDT"));
    faults(&world).script(Rule::new(Fault::Conflict).on(TRANSACTION).of("register"));
    unavailable(request.send().await);
    assert!((4..20).contains(&calls(&world, TRANSACTION, "register").len()));
    faults(&world).clear();
    assert_eq!(version(&world, OLA).await, 1);
    assert_eq!(confirmations(&world).await, []);

    faults(&world).script(Rule::new(Fault::Conflict).on(TRANSACTION).of("register").times(3));
    request.send().await.expect(201);
    assert_eq!(calls(&world, TRANSACTION, "register").len(), 4);
    assert_eq!(version(&world, OLA).await, 2);
    assert_eq!(confirmations(&world).await.len(), 1);
}

#[tokio::test]
async fn with_half_of_all_calls_throttled_it_takes_longer_and_nothing_is_lost() {
    let world = fragile().await;
    let persons: Vec<_> = synthetic().take(8).collect();
    let agency = world.agency();
    faults(&world).script(Rule::new(Fault::Throttled).by_half());
    let stories = persons.iter().enumerate().map(async |(number, person)| {
        let contact = json!({ "email": format!("person{number}@example.no") });
        let set = world.citizen(person).put("/v1/me/contact", &contact).key("set");
        until_answered(&world, &set).await.expect(200);
        let register = world
            .provider(EBOKS)
            .post("/v1/mailboxes", &mailbox_of(person, "somebody#9YDT"));
        let registered = until_answered(&world, &register).await.expect(201);
        assert_eq!(registered.body, json!({ "active": true, "confirmation": "email" }));
        let found = until_answered(&world, &agency.post("/v1/lookups", &lookup(&[person]))).await;
        assert_eq!(
            found.expect(200).body["results"][0]["mailbox"]["address"],
            "somebody#9YDT"
        );
    });
    join_all(stories).await;
    let throttled = faults(&world)
        .calls()
        .iter()
        .filter(|call| call.fault.is_some())
        .count();
    assert!(throttled > persons.len(), "{throttled}");

    faults(&world).clear();
    for person in &persons {
        assert_eq!(entry(&world, person).await.etag(), "\"2\"");
    }
    assert_eq!(confirmations(&world).await.len(), persons.len());
}

#[tokio::test]
async fn what_throttling_keeps_from_being_sent_is_sent_later_and_once() {
    let world = fragile_with_ola().await;
    let request = world
        .provider(EBOKS)
        .post("/v1/mailboxes", &mailbox_of(OLA, "ola.nordmann#9YDT"));
    request.send().await.expect(201);
    faults(&world).script(Rule::new(Fault::Throttled).by_half());
    for _ in 0..30 {
        world.stack.clock().advance(jiff::SignedDuration::from_mins(1)).unwrap();
        world.stack.tick().await.unwrap();
    }
    faults(&world).clear();
    world.pass(20.minutes()).await;
    assert_eq!(confirmations(&world).await.len(), 1);
}

#[tokio::test]
async fn keys_left_unread_are_read_again() {
    let world = fragile().await;
    faults(&world).script(Rule::new(Fault::Unprocessed).on("BatchGetItem").times(3));
    let request = world.agency().post("/v1/lookups", &lookup(&[KARI, UNKNOWN, RESERVED]));
    let found = request.send().await.expect(200);
    let status = |at: usize| found.body["results"][at]["status"].as_str().unwrap();
    assert_eq!(
        [status(0), status(1), status(2)],
        ["registered", "not-registered", "registered"]
    );
    assert_eq!(found.body["results"][2]["reserved"], true);
    assert_eq!(calls(&world, "BatchGetItem", "register").len(), 4);
}

#[tokio::test]
async fn a_person_who_cannot_be_read_is_not_called_unknown() {
    let world = fragile().await;
    let request = world.agency().post("/v1/lookups", &lookup(&[KARI]));
    for fault in [Fault::Unprocessed, Fault::Throttled, Fault::Failing, Fault::RequestLost] {
        faults(&world).script(Rule::new(fault).on("BatchGetItem"));
        unavailable(request.send().await);
        faults(&world).clear();
    }
}

#[tokio::test]
async fn without_a_record_of_it_nothing_is_read_and_nothing_disclosed() {
    let world = fragile().await;
    let request = world.agency().post("/v1/lookups", &lookup(&[KARI]));
    for fault in [Fault::Denied, Fault::Throttled, Fault::Failing, Fault::RequestLost] {
        faults(&world).script(Rule::new(fault).on(TRANSACTION).of("disclosures"));
        let answer = request.send().await;
        assert_eq!(answer.body.get("results"), None);
        unavailable(answer);
        let read = faults(&world)
            .calls()
            .into_iter()
            .any(|call| call.tables == ["register"]);
        assert!(!read, "{fault:?}");
        faults(&world).clear();
    }
}

#[tokio::test]
async fn nothing_is_read_before_the_record_is_there() {
    let world = fragile().await;
    let request = world.agency().post("/v1/lookups", &lookup(&[KARI]));
    faults(&world).script(Rule::new(Fault::Held).on(TRANSACTION).of("disclosures").times(1));
    let record = async {
        faults(&world).held(1).await;
        assert_eq!(calls(&world, "BatchGetItem", "register"), []);
        faults(&world).let_go();
    };
    let (answer, ()) = tokio::join!(request.send(), record);
    answer.expect(200);
    assert_eq!(calls(&world, "BatchGetItem", "register").len(), 1);
}

#[tokio::test]
async fn a_record_whose_answer_was_lost_is_a_record() {
    let world = fragile().await;
    faults(&world).script(Rule::new(Fault::AnswerLost).of("disclosures").times(1));
    let request = world.agency().post("/v1/lookups", &lookup(&[KARI]));
    request.send().await.expect(200);
    let records = world.stack.client().scan().table_name("disclosures").send().await;
    let records = records.unwrap().items.unwrap();
    assert_eq!(records.len(), 1);
    assert_eq!(records[0]["organisation"].as_s().unwrap(), AGENCY);
}

#[tokio::test]
async fn a_step_of_sending_whose_answer_was_lost_never_sends_twice() {
    let world = fragile().await;
    let provider = world.provider(EBOKS);
    // Queued, claimed, marked as being sent, sent: the answer to one of these writes is lost.
    for (before, person) in (0..4).zip(synthetic()) {
        let contact = json!({ "email": format!("person{before}@example.no") });
        let citizen = world.citizen(&person);
        citizen.put("/v1/me/contact", &contact).send().await.expect(200);
        world.outbox().await;
        let request = provider.post("/v1/mailboxes", &mailbox_of(&person, "somebody#9YDT"));
        request.send().await.expect(201);
        faults(&world).clear();
        let lost = Rule::new(Fault::AnswerLost).on("PutItem").of("notices");
        faults(&world).script(lost.after(before).times(1));
        world.outbox().await;
        assert!(faults(&world).calls().iter().any(|call| call.fault.is_some()));
    }
    world.pass(20.minutes()).await;

    let sent = confirmations(&world).await;
    let notices = world.stack.client().scan().table_name("notices").send().await.unwrap();
    let notices = notices.items.unwrap().into_iter();
    let notices = notices.filter(|notice| notice["kind"].as_s().unwrap() == "mailbox-chosen");
    for notice in notices {
        let id = notice["id"].as_s().unwrap();
        let times = sent.iter().filter(|sent| sent.notice_id.as_ref() == Some(id)).count();
        match notice["state"].as_s().unwrap().as_str() {
            "delivered" => assert_eq!(times, 1),
            // It was marked as being sent for all that its worker knows: nobody may send it.
            "unknown" => assert_eq!(times, 0),
            other => panic!("{other}"),
        }
    }
    assert!((3..=4).contains(&sent.len()), "{}", sent.len());
}
