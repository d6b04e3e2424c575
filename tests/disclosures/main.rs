//! The record of disclosures: nothing is told of a person that the person cannot read of, and nothing that was recorded can
//! be removed or changed unseen.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on says so by a panic")]

mod chains;
mod citizen;
mod routes;

use std::collections::HashMap;

use aws_sdk_dynamodb::types::AttributeValue;
use jiff::SignedDuration;
use serde_json::{Value, json};
use stories::World;

/// Has mailboxes with both providers, e-Boks' active.
const SOFIE: &str = "13527248013";
/// Has e-mail, mobile and mailbox.
const KARI: &str = "22885399316";
const RESERVED: &str = "10915596784";
/// Never in the register.
const UNKNOWN: &str = "02907740652";

/// A row of a table.
type Item = HashMap<String, AttributeValue>;

/// All that a person reads of who was told of them, newest first.
async fn seen(world: &World, person: &str) -> Vec<Value> {
    let page = world.citizen(person).get("/v1/me/disclosures?limit=100").send().await;
    let page = page.expect(200);
    assert_eq!(page.body.get("next"), None);
    page.body["disclosures"].as_array().unwrap().clone()
}

fn look_up(persons: &[&str], purpose: &str) -> Value {
    json!({ "persons": persons, "purpose": purpose, "reference": "case-17" })
}

/// Lets time pass, and nothing happen.
fn wait(world: &World, time: SignedDuration) {
    world.stack.clock().advance(time).unwrap();
}
