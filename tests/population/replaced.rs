//! One number gives way to another: the person is the same, with all that the person has.

use jiff::ToSpan as _;
use serde_json::{Value, json};
use stories::{EBOKS, OLA, World};

use crate::{D_NUMBER, KARI, UNKNOWN, announce, announcer, look_up, replaced, sent, tell, tell_and_settle};

const EMAIL: &str = "lars.ny@example.no";
const MOBILE: &str = "+46701740690";

/// Somebody with a D-number, contact details and a mailbox.
async fn register(world: &World) {
    let contact = json!({ "email": EMAIL, "mobile": MOBILE, "language": "nn" });
    let put = world.citizen(D_NUMBER).put("/v1/me/contact", &contact);
    put.send().await.expect(200);
    let mailbox = json!({ "person": D_NUMBER, "address": "lars.ny#9YDT" });
    let post = world.provider(EBOKS).post("/v1/mailboxes", &mailbox);
    post.send().await.expect(201);
    world.stack.settle().await.unwrap();
}

/// The whole history, a page at a time.
async fn history(world: &World, person: &str, limit: u8) -> Vec<Value> {
    let mut all = Vec::new();
    let mut before = String::new();
    loop {
        let path = format!("/v1/me/history?limit={limit}{before}");
        let page = world.citizen(person).get(&path).send().await.expect(200);
        all.extend(page.body["changes"].as_array().unwrap().clone());
        let Some(next) = page.body["next"].as_str() else {
            return all;
        };
        before = format!("&before={next}");
    }
}

#[tokio::test]
async fn whatever_the_person_has_goes_to_the_new_number_and_the_history_with_it() {
    let world = World::new().await;
    register(&world).await;
    let before = look_up(&world, &[D_NUMBER, OLA]).await;
    let of_old = history(&world, D_NUMBER, 100).await;
    let told = world.outbox().await.len();

    tell_and_settle(&world, &replaced(D_NUMBER, OLA)).await;
    let after = look_up(&world, &[D_NUMBER, OLA]).await;
    assert_eq!(after[0]["status"], "deleted");
    let mut expected = before[0].clone();
    expected["person"] = json!(OLA);
    assert_eq!(after[1], expected);
    let entry = world.citizen(OLA).get("/v1/me").send().await.expect(200);
    assert_eq!(entry.body["mailboxes"][0]["state"], "active");
    let of_new = history(&world, OLA, 100).await;
    assert_eq!(of_new[0]["events"], json!([{ "event": "moved-here" }]));
    assert_eq!(of_new[0].get("formerNumber"), None);
    assert_eq!(of_new.len(), of_old.len() + 2);
    assert!(of_new[1..].iter().all(|change| change["formerNumber"] == true));
    for limit in [1, 2, 3] {
        assert_eq!(history(&world, OLA, limit).await, of_new, "{limit}");
    }
    // Nobody is told: it is the same person with the same addresses. Nor does it happen twice.
    tell_and_settle(&world, &replaced(D_NUMBER, OLA)).await;
    assert_eq!(world.outbox().await.len(), told);
    let again = world.citizen(OLA).get("/v1/me").send().await.expect(200);
    assert_eq!(again.etag(), entry.etag());
    // The new number works, the old one does not.
    let change = json!({ "language": "en" });
    let put = |person| world.citizen(person).put("/v1/me/contact", &change);
    put(OLA).send().await.expect(200);
    put(D_NUMBER).send().await.problem(409, "deleted");
}

/// Why the person was looked up, newest first, a page at a time.
async fn purposes(world: &World, person: &str, limit: u8) -> Vec<String> {
    let mut all = Vec::new();
    let mut before = String::new();
    loop {
        let path = format!("/v1/me/disclosures?limit={limit}{before}");
        let page = world.citizen(person).get(&path).send().await.expect(200);
        let told = page.body["disclosures"].as_array().unwrap().iter();
        all.extend(told.map(|told| told["purpose"].as_str().unwrap().to_owned()));
        let Some(next) = page.body["next"].as_str() else {
            return all;
        };
        before = format!("&before={next}");
    }
}

#[tokio::test]
async fn who_looked_the_person_up_by_whichever_number_is_read_under_the_new_one() {
    let world = World::new().await;
    let looked_up = async |persons: &[&str], purpose: &str| {
        let body = json!({ "persons": persons, "purpose": purpose });
        world.agency().post("/v1/lookups", &body).send().await.expect(200);
        world.pass(1.seconds()).await;
    };
    register(&world).await;
    looked_up(&[D_NUMBER], "first").await;
    looked_up(&[UNKNOWN], "second").await;
    looked_up(&[D_NUMBER, UNKNOWN], "third").await;
    tell_and_settle(&world, &replaced(D_NUMBER, UNKNOWN)).await;
    tell_and_settle(&world, &replaced(UNKNOWN, OLA)).await;
    looked_up(&[OLA], "fourth").await;
    looked_up(&[D_NUMBER], "fifth").await;
    looked_up(&[OLA, D_NUMBER, UNKNOWN], "sixth").await;
    for limit in [1, 2, 3, 5, 100] {
        let mut read = purposes(&world, OLA, limit).await;
        // What the provider was told of the person is beside the point.
        read.retain(|purpose| !purpose.starts_with("To "));
        assert_eq!(
            read,
            ["sixth", "fifth", "fourth", "third", "second", "first"],
            "{limit}"
        );
    }
    // Nobody else reads it.
    assert_eq!(purposes(&world, KARI, 100).await, [] as [&str; 0]);
}

#[tokio::test]
async fn letters_that_wait_are_told_of_under_the_new_number() {
    let world = World::new().await;
    register(&world).await;
    let letter = announce(&world, D_NUMBER, "case-1").await;
    tell_and_settle(&world, &replaced(D_NUMBER, OLA)).await;
    assert_eq!(sent(&world, "letter-arrived", MOBILE).await.len(), 1);
    // What the person says by the new number counts for the reminder.
    let other = json!({ "mobile": "+46701740691" });
    let put = world.citizen(OLA).put("/v1/me/contact", &other);
    put.send().await.expect(200);
    world.pass(8.days()).await;
    assert_eq!(sent(&world, "letter-reminder", "+46701740691").await.len(), 1);
    let told = announcer(&world).get(&letter).send().await.expect(200);
    assert!(!told.body.to_string().contains("cancelled"), "{}", told.body);
}

#[tokio::test]
async fn an_address_that_nothing_reaches_is_marked_by_the_new_number() {
    let world = World::new().await;
    register(&world).await;
    announce(&world, D_NUMBER, "case-1").await;
    tell(&world, &replaced(D_NUMBER, OLA)).await;
    world.stack.messages().script(local::messages::ScriptedFault {
        channel: local::messages::Channel::Sms,
        fault: local::messages::Fault::OptedOut,
        count: 1,
    });
    world.pass(1.hours()).await;
    assert_eq!(look_up(&world, &[OLA]).await[0]["mobile"]["deliverable"], false);
    assert_eq!(sent(&world, "letter-arrived", EMAIL).await.len(), 1);
}

#[tokio::test]
async fn whoever_shares_an_address_shares_it_with_the_person_and_not_with_the_number() {
    let shared = async |world: &World, person: &str| {
        let found = look_up(world, &[person]).await;
        let flag = |channel: &str| found[0][channel]["shared"].as_bool();
        (flag("email"), flag("mobile"))
    };
    let world = World::new().await;
    register(&world).await;
    // Kari has the mobile as well, and the new number was registered with the e-mail before.
    let put = async |person: &str, contact: Value| {
        let put = world.citizen(person).put("/v1/me/contact", &contact);
        put.send().await.expect(200);
    };
    put(KARI, json!({ "mobile": MOBILE })).await;
    put(OLA, json!({ "email": EMAIL })).await;
    assert_eq!(shared(&world, D_NUMBER).await, (Some(true), Some(true)));
    tell_and_settle(&world, &replaced(D_NUMBER, OLA)).await;
    assert_eq!(shared(&world, OLA).await, (Some(false), Some(true)));
    assert_eq!(shared(&world, KARI).await, (Some(false), Some(true)));
    // What is counted there still fits: people come and go as before.
    put(KARI, json!({ "mobile": "+46701740691" })).await;
    assert_eq!(shared(&world, OLA).await, (Some(false), Some(false)));
    put(KARI, json!({ "email": EMAIL })).await;
    assert_eq!(shared(&world, OLA).await, (Some(true), Some(false)));
    put(OLA, json!({ "email": "ola@example.no" })).await;
    assert_eq!(shared(&world, KARI).await, (Some(false), Some(false)));
}

#[tokio::test]
async fn a_chain_of_numbers_ends_at_the_last_in_whatever_order_it_is_told() {
    let (first, second) = (replaced(D_NUMBER, UNKNOWN), replaced(UNKNOWN, OLA));
    let orders = [
        vec![first.clone(), second.clone()],
        vec![second.clone(), first.clone()],
        vec![first.clone(), second.clone(), first.clone(), second.clone()],
        vec![first.clone(), second.clone(), replaced(D_NUMBER, OLA)],
        // Somebody takes it back: what has moved stays where it is.
        vec![first.clone(), second.clone(), replaced(OLA, D_NUMBER)],
    ];
    for order in orders {
        let world = World::new().await;
        register(&world).await;
        let before = look_up(&world, &[D_NUMBER]).await;
        for event in &order {
            tell_and_settle(&world, event).await;
        }
        let after = look_up(&world, &[D_NUMBER, UNKNOWN, OLA]).await;
        let states: Vec<_> = after.iter().map(|found| found["status"].clone()).collect();
        // By the number in between somebody was registered, or nobody ever.
        let between = if order[0] == first { "deleted" } else { "not-registered" };
        assert_eq!(states, ["deleted", between, "registered"], "{order:?}");
        assert_eq!(after[2]["mailbox"], before[0]["mailbox"]);
        let history = history(&world, OLA, 2).await;
        let registered = history.iter().filter(|change| change["formerNumber"] == true);
        assert!(registered.count() >= 3, "{history:?}");
    }
}

#[tokio::test]
async fn a_replacement_and_a_citizens_change_at_once_lose_nothing() {
    for number in [D_NUMBER, OLA] {
        let world = World::new().await;
        register(&world).await;
        tell(&world, &replaced(D_NUMBER, OLA)).await;
        let change = json!({ "email": "ny@example.no" });
        let change = world.citizen(number).put("/v1/me/contact", &change);
        let (settled, answer) = tokio::join!(world.stack.settle(), change.send());
        settled.unwrap();
        let found = look_up(&world, &[OLA]).await;
        assert_eq!(found[0]["mobile"]["number"], MOBILE);
        match answer.status.as_u16() {
            200 => assert_eq!(found[0]["email"]["address"], "ny@example.no"),
            409 => assert_eq!(found[0]["email"]["address"], EMAIL),
            other => panic!("{other}: {}", answer.body),
        }
    }
}
