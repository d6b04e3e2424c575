//! A person is erased by order.

use std::collections::BTreeMap;

use aws_sdk_dynamodb::types::AttributeValue;
use jiff::ToSpan as _;
use local::template::Template;
use mailbox_register::{
    caller::Scope,
    person::{PersonIdentifier, Population},
};
use operate::{command::How, erase};
use serde_json::{Value, json};
use stories::{AGENCY, EBOKS, OLA, World};

use crate::{announce, changes, look_up, of, place, printed};

const MOBILE: &str = "+46701740690";
const EMAIL: &str = "ola.erased@example.no";
const MAILBOX: &str = "ola.erased#9YDT";

async fn run(world: &World, dry_run: bool) -> Value {
    let person = PersonIdentifier::parse(OLA, Population::Synthetic).unwrap();
    let erased = erase::run(&place(world).await, &person, &How::unseen(dry_run)).await;
    printed(&erased.unwrap())
}

/// In how many rows of each table one of these texts stands.
async fn found(world: &World, texts: &[&str]) -> BTreeMap<String, usize> {
    let mut found = BTreeMap::new();
    for id in Template::shipped().unwrap().tables.keys() {
        let table = local::database::table_name(id);
        let scan = world.stack.client().scan().table_name(&table);
        let mut rows = scan.into_paginator().items().send();
        while let Some(row) = rows.next().await {
            if holds(&AttributeValue::M(row.unwrap()), texts) {
                *found.entry(table.clone()).or_default() += 1;
            }
        }
    }
    found
}

fn holds(value: &AttributeValue, texts: &[&str]) -> bool {
    match value {
        AttributeValue::S(value) => texts.iter().any(|text| value.contains(text)),
        AttributeValue::Ss(values) => values.iter().any(|value| texts.iter().any(|text| value.contains(text))),
        AttributeValue::L(values) => values.iter().any(|value| holds(value, texts)),
        AttributeValue::M(values) => values.values().any(|value| holds(value, texts)),
        _ => false,
    }
}

/// How many messages went to the person.
async fn to_ola(world: &World) -> usize {
    let outbox = world.outbox().await.into_iter();
    outbox
        .filter(|message| [MOBILE, "+46701740691", EMAIL].contains(&message.to.as_str()))
        .count()
}

/// Has everything that a person can have, and has just proved an address.
async fn live(world: &World) {
    let ola = world.citizen(OLA);
    let contact = json!({ "mobile": "+46701740691", "email": EMAIL, "language": "en" });
    ola.put("/v1/me/contact", &contact).send().await.expect(200);
    let mailbox = json!({ "person": OLA, "address": MAILBOX });
    let post = world.provider(EBOKS).post("/v1/mailboxes", &mailbox);
    post.send().await.expect(201);
    // Who writes to the former number knows it.
    let contact = json!({ "mobile": MOBILE, "email": EMAIL, "language": "en" });
    let put = ola.put("/v1/me/contact", &contact).key("contact-2");
    put.send().await.expect(200);
    announce(world, OLA, "case-1", "2026-03-02T09:30:00Z").await;
    look_up(world, OLA).await;
    world.pass(1.hour()).await;
}

#[tokio::test]
async fn nothing_is_left_of_an_erased_person_but_what_has_to_be() {
    let world = World::new().await;
    live(&world).await;
    let agency = [Scope::ContactRead, Scope::MailboxRead, Scope::ChangesRead];
    let (_, seen) = changes(&world, AGENCY, &agency, 0).await;
    let outbox = to_ola(&world).await;
    let marks = [MOBILE, "+46701740691", EMAIL, MAILBOX];
    let before = found(&world, &marks).await;
    assert!(
        before.contains_key("requests") && before.contains_key("notices"),
        "{before:?}"
    );

    let counted = run(&world, true).await;
    let rows = |table: &str| counted["rows"][table].as_u64().unwrap();
    for table in [
        "ChangesTable",
        "CodesTable",
        "NoticesTable",
        "LettersTable",
        "RelationsTable",
        "RequestsTable",
    ] {
        assert!(rows(table) > 0, "{table}: {counted}");
    }
    assert_eq!(found(&world, &marks).await, before);

    let erased = run(&world, false).await;
    assert_eq!((&erased["rows"], &erased["waiting"]), (&counted["rows"], &json!(0)));
    assert_eq!((&erased["entries"], &erased["anew"]), (&json!(1), &json!(1)));
    assert_eq!(found(&world, &marks).await, BTreeMap::new());
    // The entry says whom it was about, so that others hear whom they have to erase; and nothing else does.
    assert_eq!(
        found(&world, &[OLA]).await,
        BTreeMap::from([("register".to_owned(), 1)])
    );
    let person = PersonIdentifier::parse(OLA, Population::Synthetic).unwrap();
    let key = world.stack.secret().person_key(&person);
    let of_the_key = found(&world, &[key.as_str()]).await;
    let kept: Vec<_> = of_the_key.keys().map(String::as_str).collect();
    assert_eq!(
        kept,
        ["changes", "disclosures", "feed", "person-disclosures", "register"]
    );
    assert_eq!(of_the_key["changes"], 1);

    // Nobody is told, not even later; agencies hear of it.
    world.pass(8.days()).await;
    assert_eq!(to_ola(&world).await, outbox);
    assert_eq!(look_up(&world, OLA).await["status"], "deleted");
    let (since, _) = changes(&world, AGENCY, &agency, seen).await;
    let last = of(&since, OLA).pop().unwrap().clone();
    assert_eq!(last["events"], json!(["deleted", "erased"]));

    // Again it finds what was looked up and followed since, and no more to erase.
    let again = run(&world, false).await;
    assert_eq!((&again["entries"], &again["anew"]), (&json!(1), &json!(0)));
    assert_eq!(again["rows"]["ChangesTable"], 0);
    // The person may come back.
    let contact = json!({ "mobile": MOBILE, "language": "en" });
    let back = world.citizen(OLA).put("/v1/me/contact", &contact);
    back.send().await.expect(200);
    assert_eq!(look_up(&world, OLA).await["status"], "registered");
}

#[tokio::test]
async fn whoever_has_died_is_erased_and_stays_out() {
    let world = World::new().await;
    live(&world).await;
    let died = json!({ "event": "died", "person": OLA });
    let tell = world.nobody().request(reqwest::Method::POST, "/local/population");
    tell.json(&died).send().await.expect(202);
    world.stack.settle().await.unwrap();
    let erased = run(&world, false).await;
    assert_eq!(erased["anew"], 1);
    assert_eq!(erased["rows"]["LettersTable"], 1);
    let mailbox = json!({ "person": OLA, "address": MAILBOX });
    let post = world.provider(EBOKS).post("/v1/mailboxes", &mailbox);
    post.send().await.problem(409, "deleted");
}

#[tokio::test]
async fn of_somebody_who_was_never_there_nothing_is_written() {
    let world = World::new().await;
    let erased = run(&world, false).await;
    assert_eq!((&erased["entries"], &erased["anew"]), (&json!(0), &json!(0)));
    assert_eq!(look_up(&world, OLA).await["status"], "not-registered");
}
