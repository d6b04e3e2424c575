//! A person reads who was told: in pages, once each, of their own alone, and for as long as it is kept.

use std::sync::Arc;

use aws_sdk_dynamodb::types::AttributeValue;
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use infra_aws::{
    disclosures::{Chains, Copies, Selection},
    person_disclosures::PersonDisclosures,
    relations::Relations,
};
use jiff::{SignedDuration, ToSpan as _};
use local::{
    mishaps::{Mishaps, Odds},
    stack::Options,
    verification,
};
use mailbox_register::caller::{Assurance, Scope};
use serde_json::{Value, json};
use stories::{AGENCY, OLA, World, start_of_time};

use crate::{Item, KARI, SOFIE, look_up, seen, wait};

/// The agency looks Kari up for each of these purposes, a second after the other.
async fn look_kari_up(world: &World, purposes: &[&str]) {
    for purpose in purposes {
        let request = world.agency().post("/v1/lookups", &look_up(&[KARI], purpose));
        request.send().await.expect(200);
        wait(world, SignedDuration::from_secs(1));
    }
    world.stack.settle().await.unwrap();
}

fn purposes(entries: &[Value]) -> Vec<&str> {
    let purposes = entries.iter().map(|entry| entry["purpose"].as_str().unwrap());
    purposes.collect()
}

#[tokio::test]
async fn a_long_list_is_read_page_by_page_and_the_cursor_names_nobody() {
    let world = World::new().await;
    look_kari_up(&world, &["one", "two", "three", "four", "five", "six", "seven"]).await;
    let kari = world.citizen(KARI);
    let (mut read, mut next, mut sizes) = (Vec::new(), String::new(), Vec::new());
    loop {
        let path = format!("/v1/me/disclosures?limit=3{next}");
        let page = kari.get(&path).send().await.expect(200);
        let entries = page.body["disclosures"].as_array().unwrap().clone();
        sizes.push(entries.len());
        read.extend(entries);
        // What comes meanwhile is on the first page, and moves nothing on the others.
        look_kari_up(&world, &["meanwhile"]).await;
        let Some(cursor) = page.body["next"].as_str() else {
            break;
        };
        let key = world.stack.secret().person_key(&KARI.to_owned().try_into().unwrap());
        let place = String::from_utf8(URL_SAFE_NO_PAD.decode(cursor).unwrap()).unwrap();
        assert!(!place.contains(KARI) && !place.contains(&key.as_str()[3..]), "{place}");
        next = format!("&before={cursor}");
    }
    assert_eq!(sizes, [3, 3, 1]);
    assert_eq!(purposes(&read), ["seven", "six", "five", "four", "three", "two", "one"]);
    // Exactly as many as there are: there is no next page.
    let all = kari.get("/v1/me/disclosures?limit=10").send().await.expect(200);
    assert_eq!(all.body["disclosures"].as_array().unwrap().len(), 10);
    assert_eq!(all.body.get("next"), None);
    for bad in [
        "limit=0",
        "limit=101",
        "before=x",
        "before=MTIz",
        "before=",
        "after=1",
        "person=1",
    ] {
        let answer = kari.get(&format!("/v1/me/disclosures?{bad}")).send().await;
        answer.problem(400, "invalid-parameter");
    }
}

#[tokio::test]
async fn another_persons_cursor_shows_ones_own() {
    let world = World::new().await;
    look_kari_up(&world, &["one", "two"]).await;
    let page = world.citizen(KARI).get("/v1/me/disclosures?limit=1").send().await;
    let next = format!("/v1/me/disclosures?before={}", page.body["next"].as_str().unwrap());
    let page = world.citizen(SOFIE).get(&next).send().await.expect(200);
    assert_eq!(page.body, json!({ "disclosures": [] }));
}

#[tokio::test]
async fn a_record_that_is_delivered_twice_is_read_once() {
    let odds = Odds {
        duplicates: 100.0,
        crashes: 0.0,
    };
    let mishaps = Arc::new(Mishaps::new(odds, 7));
    let world = World::with(Options {
        frozen_at: Some(start_of_time()),
        mishaps: Some(Arc::clone(&mishaps)),
        ..Options::default()
    })
    .await;
    let request = world
        .agency()
        .post("/v1/lookups", &look_up(&[KARI, OLA, KARI], "Twice"));
    request.send().await.expect(200);
    world.stack.settle().await.unwrap();
    assert!(mishaps.record().records_repeated >= 1);
    for person in [KARI, OLA] {
        assert_eq!(purposes(&seen(&world, person).await), ["Twice"]);
    }
}

#[tokio::test]
async fn a_record_that_nobody_can_read_is_set_aside_and_its_neighbours_are_read() {
    let world = World::new().await;
    look_kari_up(&world, &["before"]).await;
    let put = world.stack.client().put_item().table_name("disclosures");
    let put = put.item("request", AttributeValue::S("nonsense".to_owned()));
    put.item("expiresAt", AttributeValue::N("1".to_owned()))
        .send()
        .await
        .unwrap();
    look_kari_up(&world, &["after"]).await;
    assert_eq!(purposes(&seen(&world, KARI).await), ["after", "before"]);
    let sqs = local::sdk::config(world.stack.queues().url());
    let received = aws_sdk_sqs::Client::new(&sqs).receive_message();
    let url = world.stack.queues().queue_url("DisclosuresDeadLetters").unwrap();
    let set_aside = received.queue_url(url).send().await.unwrap().messages.unwrap();
    assert_eq!(set_aside.len(), 1);
}

/// Which persons organisations have to do with.
async fn relations(world: &World) -> Vec<Item> {
    let rows = world.stack.client().scan().table_name("relations").send().await;
    let mut rows = rows.unwrap().items.unwrap();
    rows.sort_by_key(|row| row["relation"].as_s().unwrap().clone());
    rows
}

/// Loses all that a table has.
async fn lose(world: &World, table: &str, keys: &[&str]) {
    let client = world.stack.client();
    let rows = client.scan().table_name(table).send().await.unwrap();
    for row in rows.items() {
        let key = keys.iter().map(|key| ((*key).to_owned(), row[*key].clone()));
        let delete = client.delete_item().table_name(table).set_key(Some(key.collect()));
        delete.send().await.unwrap();
    }
}

#[tokio::test]
async fn what_the_stream_has_lost_is_given_to_persons_and_relations_by_the_operator() {
    let world = World::new().await;
    look_kari_up(&world, &["one", "two"]).await;
    // Following everybody's changes is no relation to everybody.
    let follower = world.organisation(AGENCY, &[Scope::ChangesRead, Scope::MailboxRead]);
    let changes = follower.get("/v1/changes?limit=1000").send().await.expect(200);
    assert!(changes.body["changes"].as_array().unwrap().len() > 1);
    world.stack.settle().await.unwrap();
    let (whole, related) = (seen(&world, KARI).await, relations(&world).await);
    assert_eq!((whole.len(), related.len()), (3, 1));
    lose(&world, "person-disclosures", &["person", "disclosure"]).await;
    lose(&world, "relations", &["relation"]).await;
    assert_eq!(seen(&world, KARI).await, [] as [Value; 0]);
    let client = world.stack.client();
    let chains = Chains::new(client.clone(), "disclosures".to_owned(), "chains".to_owned());
    let copies = Copies {
        persons: PersonDisclosures::new(client.clone(), "person-disclosures".to_owned()),
        relations: Relations::new(client.clone(), "relations".to_owned()),
    };
    let now = world.stack.clock().now();
    for _ in 0..2 {
        let looked_at = verification::copy(&chains, &copies, Selection::default(), now, |_| {}).await;
        assert_eq!(looked_at, Ok(3));
        assert_eq!(seen(&world, KARI).await, whole);
        assert_eq!(relations(&world).await, related);
    }
}

#[tokio::test]
async fn the_scope_for_ones_own_contact_details_is_needed_and_enough() {
    let world = World::new().await;
    look_kari_up(&world, &["one"]).await;
    let citizen = |scopes: &[Scope]| world.citizen_with(KARI, Assurance::Substantial, scopes);
    let page = citizen(&[Scope::OwnContactRead]).get("/v1/me/disclosures").send().await;
    assert_eq!(page.expect(200).body["disclosures"].as_array().unwrap().len(), 1);
    let page = citizen(&[Scope::OwnMailboxRead]).get("/v1/me/disclosures").send().await;
    page.problem(403, "forbidden");
}

#[tokio::test]
async fn an_agency_that_is_no_longer_in_force_keeps_its_name_and_its_reference_is_its_own() {
    let world = World::new().await;
    look_kari_up(&world, &["one"]).await;
    let client = world.stack.client();
    let directory = client.scan().table_name("directory").send().await.unwrap();
    for entry in directory.items() {
        let mut entry = entry.clone();
        entry.insert("until".to_owned(), AttributeValue::S("2026-03-03".to_owned()));
        let put = client.put_item().table_name("directory").set_item(Some(entry));
        put.send().await.unwrap();
    }
    wait(&world, SignedDuration::from_hours(48));
    let again = world.agency().post("/v1/lookups", &look_up(&[KARI], "again"));
    again.send().await.problem(403, "forbidden");
    let [entry] = seen(&world, KARI).await.try_into().unwrap();
    assert_eq!(entry["organisation"]["name"], "Digitaliseringsdirektoratet");
    assert_eq!(entry.get("reference"), None);
}

#[tokio::test]
async fn what_is_past_its_time_is_gone_though_it_is_still_there() {
    let world = World::new().await;
    look_kari_up(&world, &["old"]).await;
    let later = |months: i32| {
        let start = start_of_time().in_tz("Europe/Oslo").unwrap();
        start.checked_add(months.months()).unwrap().timestamp()
    };
    let until = later(36);
    wait(&world, until.duration_since(world.stack.clock().now()));
    assert_eq!(purposes(&seen(&world, KARI).await), ["old"]);
    wait(&world, SignedDuration::from_hours(24));
    assert_eq!(seen(&world, KARI).await, [] as [Value; 0]);
    assert_eq!(world.disclosures().await.count(), 1);
}
