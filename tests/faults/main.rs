//! Faults of the database and of callers, and what everybody finds afterwards: nothing lost, nothing twice, no update
//! overwritten, nothing disclosed without a record.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on says so by a panic")]

mod races;
mod requests;
mod sharing;
mod store;

use http::header::RETRY_AFTER;
use local::{database_faults::DatabaseFaults, messages::Message, stack::Options};
use serde_json::{Value, json};
use stories::{Answer, OLA, Request, World, start_of_time};

const MOBILE: &str = "+46701740699";

/// A register whose database can fail.
async fn fragile() -> World {
    let world = World::with(Options {
        frozen_at: Some(start_of_time()),
        database_faults: true,
        ..Options::default()
    })
    .await;
    faults(&world).clear();
    world
}

/// The same, and Ola has a mobile.
async fn fragile_with_ola() -> World {
    let world = fragile().await;
    let contact = json!({ "mobile": MOBILE, "language": "en" });
    world
        .citizen(OLA)
        .put("/v1/me/contact", &contact)
        .send()
        .await
        .expect(200);
    world.outbox().await;
    faults(&world).clear();
    world
}

fn faults(world: &World) -> &DatabaseFaults {
    world.stack.database_faults()
}

fn mailbox_of(person: &str, address: &str) -> Value {
    json!({ "person": person, "address": address })
}

fn lookup(persons: &[&str]) -> Value {
    json!({ "persons": persons, "purpose": "Decision on a building permit" })
}

/// What became of a person: the entry, which has a gap-free history.
async fn entry(world: &World, person: &str) -> Answer {
    let citizen = world.citizen(person);
    let me = citizen.get("/v1/me").send().await.expect(200);
    let history = citizen.get("/v1/me/history?limit=100").send().await.expect(200);
    let versions = history.body["changes"].as_array().unwrap().iter();
    let versions: Vec<_> = versions.map(|change| change["version"].as_u64().unwrap()).collect();
    let newest: u64 = me.etag().trim_matches('"').parse().unwrap();
    assert_eq!(versions, (1..=newest).rev().collect::<Vec<_>>());
    me
}

/// The version of a person's entry. 0: not in the register.
async fn version(world: &World, person: &str) -> u64 {
    entry(world, person).await.etag().trim_matches('"').parse().unwrap()
}

/// The messages that confirm a choice.
async fn confirmations(world: &World) -> Vec<Message> {
    let all = world.outbox().await.into_iter();
    all.filter(|message| message.kind.as_deref() == Some("mailbox-chosen"))
        .collect()
}

/// The answer of a service that cannot do it now, and says when to come back.
#[track_caller]
fn unavailable(answer: Answer) {
    let answer = answer.problem(503, "unavailable");
    assert!(answer.headers.contains_key(RETRY_AFTER));
    assert_eq!(
        (&answer.body["fault"], &answer.body["retryable"]),
        (&json!("service"), &json!(true))
    );
}

/// Repeats a request until it is neither refused for now nor in progress, as a caller does; the time it waits passes.
async fn until_answered(world: &World, request: &Request<'_>) -> Answer {
    for _ in 0..100 {
        let answer = request.send().await;
        if ![409, 429, 503].contains(&answer.status.as_u16()) {
            return answer;
        }
        assert_eq!(answer.body["retryable"], true, "{}", answer.body);
        let wait = answer.headers[RETRY_AFTER].to_str().unwrap().parse::<i64>().unwrap();
        let clock = world.stack.clock();
        clock.advance(jiff::SignedDuration::from_secs(wait)).unwrap();
    }
    panic!("no answer after a hundred tries");
}
