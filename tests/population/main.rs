//! What time and the population register do to entries: reminders of contact details, numbers replaced, deaths.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod freshness;
mod gone;
mod messages;
mod replaced;

use local::messages::Message;
use mailbox_register::caller::Scope;
use reqwest::Method;
use serde_json::{Value, json};
use stories::{AGENCY, Caller, World};

/// Has both channels, and a mailbox with Digipost.
const KARI: &str = "22885399316";
const ONLY_MOBILE: &str = "21836797660";
const RESERVED: &str = "10915596784";
/// A D-number.
const D_NUMBER: &str = "41814061033";
/// Never in the register.
const UNKNOWN: &str = "02907740652";

/// Tells what the population register has to say, which waits in its queue then.
async fn tell(world: &World, event: &Value) {
    let told = world.nobody().request(Method::POST, "/local/population").json(event);
    told.send().await.expect(202);
}

/// Tells it, and all that follows happens.
async fn tell_and_settle(world: &World, event: &Value) {
    tell(world, event).await;
    world.stack.settle().await.unwrap();
}

fn replaced(old: &str, new: &str) -> Value {
    json!({ "event": "identifier-replaced", "old": old, "new": new })
}

fn died(person: &str) -> Value {
    json!({ "event": "died", "person": person })
}

/// What an agency finds of persons.
async fn look_up(world: &World, persons: &[&str]) -> Vec<Value> {
    let body = json!({ "persons": persons, "purpose": "Decision on a building permit" });
    let found = world.agency().post("/v1/lookups", &body).send().await.expect(200);
    found.body["results"].as_array().unwrap().clone()
}

fn announcer(world: &World) -> Caller<'_> {
    world.organisation(AGENCY, &[Scope::LettersWrite])
}

/// An agency announces a letter, of which it reminds; its path.
async fn announce(world: &World, person: &str, reference: &str) -> String {
    let letter = json!({
        "person": person,
        "sender": { "organisation": AGENCY, "sector": "public", "nameMayBeShown": false },
        "reference": reference, "legalNotice": true, "remind": true,
    });
    let announced = announcer(world).post("/v1/letters", &letter).send().await.expect(202);
    format!("/v1/letters/{}", announced.body["id"].as_str().unwrap())
}

/// Messages of a kind to an address.
async fn sent(world: &World, kind: &str, to: &str) -> Vec<Message> {
    let outbox = world.outbox().await.into_iter();
    let these = outbox.filter(|message| message.to == to && message.kind.as_deref() == Some(kind));
    these.collect()
}
