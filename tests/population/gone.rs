//! Death and departure: the entry is deleted, nobody is told, and nobody learns why.

use jiff::ToSpan as _;
use serde_json::json;
use stories::{DIGIPOST, EBOKS, OLA, World};

use crate::{D_NUMBER, KARI, UNKNOWN, announce, announcer, died, look_up, replaced, tell, tell_and_settle};

/// The two who share a mobile.
const EVA: &str = "27904797001";
const JON: &str = "08918059610";

fn emigrated(person: &str) -> serde_json::Value {
    json!({ "event": "emigrated", "person": person })
}

#[tokio::test]
async fn the_dead_are_deleted_nobody_is_told_and_nobody_learns_why() {
    for event in [died(KARI), emigrated(KARI)] {
        let world = World::new().await;
        let kari = world.citizen(KARI);
        let letter = announce(&world, KARI, "case-1").await;
        let history = kari.get("/v1/me/history").send().await.expect(200);
        // The old address would be told, had it not come to this.
        let other = json!({ "email": "kari.nordmann@example.no" });
        kari.put("/v1/me/contact", &other).send().await.expect(200);
        tell_and_settle(&world, &event).await;
        // Told again it is no news.
        tell_and_settle(&world, &event).await;
        world.pass(8.days()).await;
        assert_eq!(world.outbox().await, []);

        let found = look_up(&world, &[KARI]).await;
        assert_eq!(
            found[0],
            json!({ "person": KARI, "status": "deleted", "reserved": false, "canBeNotified": false })
        );
        let told = announcer(&world).get(&letter).send().await.expect(200);
        let news = told.body.to_string();
        assert!(news.contains("\"deleted\""), "{news}");
        let after = world.citizen(KARI).get("/v1/me/history").send().await.expect(200);
        let changes = |body: &serde_json::Value| body["changes"].as_array().unwrap().len();
        assert_eq!(changes(&after.body), changes(&history.body) + 2);
        assert_eq!(after.body["changes"][0]["events"], json!([{ "event": "deleted" }]));
        let about = json!({ "person": KARI });
        let eligible = world.provider(EBOKS).post("/v1/mailboxes/eligibility", &about);
        let eligible = eligible.send().await.expect(200);
        assert_eq!(eligible.body, json!({ "eligible": false, "reason": "deleted" }));
        let late = json!({ "person": KARI, "address": "kari.nordmann#9YDT" });
        let late = world.provider(EBOKS).post("/v1/mailboxes", &late).send().await;
        let late = late.problem(409, "deleted");
        let me = world.citizen(KARI).get("/v1/me").send().await.expect(200);
        for answer in [&found[0], &told.body, &after.body, &late.body, &me.body] {
            let text = answer.to_string().to_lowercase();
            for word in ["population", "died", "death", "emigrated"] {
                assert!(!text.contains(word), "{text}");
            }
        }
    }
}

#[tokio::test]
async fn whoever_shared_an_address_with_the_dead_does_so_no_longer() {
    let world = World::new().await;
    assert_eq!(look_up(&world, &[JON]).await[0]["mobile"]["shared"], true);
    tell_and_settle(&world, &died(EVA)).await;
    assert_eq!(look_up(&world, &[JON]).await[0]["mobile"]["shared"], false);
}

#[tokio::test]
async fn a_provider_that_has_not_heard_of_it_brings_nobody_in() {
    let world = World::new().await;
    tell_and_settle(&world, &died(UNKNOWN)).await;
    let mailbox = json!({ "person": UNKNOWN, "address": "jonas.lie#9YDT" });
    let late = world.provider(EBOKS).post("/v1/mailboxes", &mailbox).send().await;
    late.problem(409, "deleted");
    assert_eq!(look_up(&world, &[UNKNOWN]).await[0]["status"], "not-registered");
    // Of somebody who has left the country and was never here nothing is kept.
    tell_and_settle(&world, &emigrated(OLA)).await;
    assert_eq!(look_up(&world, &[OLA]).await[0]["status"], "not-registered");
}

/// `deleted` is what becomes of a registration. Of whom there was none, it would say that the person has died.
#[tokio::test]
async fn a_death_changes_nothing_that_others_see_of_somebody_who_was_never_here() {
    let world = World::new().await;
    let about = json!({ "person": UNKNOWN });
    let seen = async |reference: &str| {
        let found = look_up(&world, &[UNKNOWN]).await;
        let letter = announce(&world, UNKNOWN, reference).await;
        let told = announcer(&world).get(&letter).send().await.expect(200);
        let unreachable = told.body["unreachable"].clone();
        assert_eq!(unreachable["reason"], "not-registered", "{}", told.body);
        let eligible = world.provider(EBOKS).post("/v1/mailboxes/eligibility", &about);
        let eligible = eligible.send().await.expect(200).body;
        let me = world.citizen(UNKNOWN).get("/v1/me").send().await.expect(200);
        (found, unreachable, eligible, me.etag(), me.body)
    };
    let before = seen("case-1").await;
    tell_and_settle(&world, &died(UNKNOWN)).await;
    assert_eq!(seen("case-2").await, before);
    // Nor does the number that takes over say it.
    tell_and_settle(&world, &replaced(UNKNOWN, OLA)).await;
    assert_eq!(seen("case-3").await, before);
    assert_eq!(look_up(&world, &[OLA]).await[0]["status"], "not-registered");
}

#[tokio::test]
async fn the_dead_stay_dead_in_whatever_order_it_is_told() {
    // And whether Ola's number ever had a registration that others saw.
    let orders = [
        (vec![died(KARI), replaced(KARI, OLA)], false),
        (vec![replaced(KARI, OLA), died(KARI)], true),
        (vec![died(OLA), replaced(KARI, OLA)], false),
        (vec![replaced(KARI, OLA), died(OLA), replaced(KARI, OLA)], true),
        (vec![replaced(OLA, D_NUMBER), replaced(KARI, OLA), died(KARI)], false),
    ];
    for (order, was_seen) in orders {
        let world = World::new().await;
        for event in &order {
            tell_and_settle(&world, event).await;
        }
        let olas = if was_seen { "deleted" } else { "not-registered" };
        for (person, status) in [(KARI, "deleted"), (OLA, olas)] {
            let found = look_up(&world, &[person]).await;
            assert_eq!(found[0]["status"], status, "{order:?}");
            let mailbox = json!({ "person": person, "address": "kari.nordmann#9YDT" });
            let late = world.provider(DIGIPOST).post("/v1/mailboxes", &mailbox).send().await;
            late.problem(409, "deleted");
        }
        world.pass(1.hours()).await;
        assert_eq!(world.outbox().await, []);
    }
}

#[tokio::test]
async fn a_death_and_a_citizens_change_at_once_leave_the_person_deleted() {
    let world = World::new().await;
    tell(&world, &died(KARI)).await;
    let change = json!({ "email": "kari.nordmann@example.no" });
    let change = world.citizen(KARI).put("/v1/me/contact", &change);
    let (settled, answer) = tokio::join!(world.stack.settle(), change.send());
    settled.unwrap();
    assert!([200, 409].contains(&answer.status.as_u16()), "{}", answer.body);
    assert_eq!(look_up(&world, &[KARI]).await[0]["status"], "deleted");
}
