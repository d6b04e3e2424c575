//! What an operator does on purpose: a provider leaves the market, entries are put back, a person is erased.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod erasing;
mod leaving;
mod restoring;

use local::messages::Message;
use mailbox_register::caller::Scope;
use operate::place::{Place, Where};
use serde::Serialize;
use serde_json::{Value, json};
use stories::{AGENCY, Answer, World};

/// Has both channels, and a mailbox with Digipost.
const KARI: &str = "22885399316";
/// Has a mobile alone.
const ONLY_MOBILE: &str = "21836797660";
/// Has an e-mail alone.
const ONLY_EMAIL: &str = "22838497199";
/// Never in the register.
const UNKNOWN: &str = "02907740652";

/// The register of a test, as the command finds it.
async fn place(world: &World) -> Place {
    let meant = Where {
        local: Some(world.stack.url().to_owned()),
        ..Where::default()
    };
    Place::open(&meant).await.unwrap()
}

/// A summary as it is printed.
fn printed(summary: &impl Serialize) -> Value {
    serde_json::to_value(summary).unwrap()
}

/// What an agency finds of a person.
async fn look_up(world: &World, person: &str) -> Value {
    let body = json!({ "persons": [person], "purpose": "Decision on a building permit" });
    let found = world.agency().post("/v1/lookups", &body).send().await.expect(200);
    found.body["results"][0].clone()
}

/// An agency announces a letter that is there in some minutes, of which it reminds.
async fn announce(world: &World, person: &str, reference: &str, from: &str) -> Answer {
    let letter = json!({
        "person": person,
        "sender": { "organisation": AGENCY, "sector": "public", "nameMayBeShown": false },
        "reference": reference, "availableFrom": from, "legalNotice": true, "remind": true,
    });
    let announcer = world.organisation(AGENCY, &[Scope::LettersWrite]);
    announcer.post("/v1/letters", &letter).send().await.expect(202)
}

/// Everything that was sent of a kind.
async fn sent(world: &World, kind: &str) -> Vec<Message> {
    let outbox = world.outbox().await.into_iter();
    outbox.filter(|message| message.kind.as_deref() == Some(kind)).collect()
}

/// The changes that an organisation reads after a number, and the last number.
async fn changes(world: &World, organisation: &str, scopes: &[Scope], after: u64) -> (Vec<Value>, u64) {
    world.stack.settle().await.unwrap();
    let path = format!("/v1/changes?limit=1000&after={after}");
    let page = world
        .organisation(organisation, scopes)
        .get(&path)
        .send()
        .await
        .expect(200);
    (
        page.body["changes"].as_array().unwrap().clone(),
        page.body["last"].as_u64().unwrap(),
    )
}

/// Those of one person.
fn of<'a>(changes: &'a [Value], person: &str) -> Vec<&'a Value> {
    let are = |change: &&Value| change["person"]["person"] == person;
    changes.iter().filter(are).collect()
}
