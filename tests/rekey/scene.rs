//! A register that is deployed anew in each step of a rotation, on the same tables.

use std::collections::BTreeMap;

use aws_sdk_dynamodb::types::AttributeValue;
use infra_aws::rekey::{Counts, Left, Pace, Rekey, Tables};
use local::{
    database::table_name,
    secrets::{ClearSecret, ClearSecrets},
    stack::{Options, Stack},
};
use mailbox_register::{caller::Scope, person::KeyVersion, secret::Secrets};
use serde_json::{Value, json};
use stories::{AGENCY, Caller, World, start_of_time};
use tempfile::TempDir;

/// Has both channels, proved, and a mailbox with Digipost.
pub(crate) const KARI: &str = "22885399316";
pub(crate) const ONLY_MOBILE: &str = "21836797660";
pub(crate) const ONLY_MOBILE_NUMBER: &str = "+46701740606";
/// Has mailboxes with both providers.
pub(crate) const SOFIE: &str = "13527248013";
/// A D-number.
pub(crate) const D_NUMBER: &str = "41814061033";
pub(crate) const DELETED: &str = "49860699787";
/// Two who share a mobile.
pub(crate) const SHARING: [&str; 2] = ["27904797001", "08918059610"];
/// Never in the register.
pub(crate) const UNKNOWN: &str = "02907740652";

/// A step of a rotation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Step {
    /// The first secret alone.
    Before,
    /// The second one is known.
    Known,
    /// The second one is the current one, the first is still known.
    Switched,
    /// The first one is gone.
    After,
}

impl Step {
    pub(crate) fn clear(self) -> ClearSecrets {
        let secret = |version: KeyVersion, byte| ClearSecret {
            version,
            bytes: [byte; 32],
        };
        let first = secret(KeyVersion::FIRST, 1);
        let second = secret(KeyVersion::FIRST.next(), 2);
        let (current, other) = match self {
            Self::Before => (first, None),
            Self::Known => (first, Some(second)),
            Self::Switched => (second, Some(first)),
            Self::After => (second, None),
        };
        ClearSecrets { current, other }
    }

    pub(crate) fn secrets(self) -> Secrets {
        self.clear().unwrapped().unwrap()
    }
}

/// A register that outlives its deployments.
pub(crate) struct House {
    folder: TempDir,
    pub(crate) world: World,
}

impl House {
    pub(crate) async fn new() -> Self {
        let folder = TempDir::new().unwrap();
        let options = Options {
            frozen_at: Some(start_of_time()),
            data: Some(folder.path().to_owned()),
            secrets: Some(Step::Before.clear()),
            ..Options::default()
        };
        let house = Self {
            world: World::with(options).await,
            folder,
        };
        house.world.stack.settle().await.unwrap();
        house
    }

    /// The functions are deployed with the secrets of a step.
    pub(crate) async fn deploy(self, step: Step) -> Self {
        let Self { folder, world } = self;
        world.stack.settle().await.unwrap();
        let now = world.stack.clock().now();
        drop(world);
        let options = Options {
            frozen_at: Some(now),
            data: Some(folder.path().to_owned()),
            secrets: Some(step.clear()),
            ..Options::default()
        };
        let world = World::with(options).await;
        Self { folder, world }
    }

    /// Everybody is moved.
    pub(crate) async fn rekeyed(self) -> Self {
        self.world.stack.settle().await.unwrap();
        let counts = pass(&self.world.stack).await;
        assert_eq!(counts.moved, counts.found, "{counts:?}");
        assert!(left(&self.world.stack).await.is_nobody());
        self
    }

    /// The whole rotation.
    pub(crate) async fn rotated(self) -> Self {
        let house = self.deploy(Step::Known).await.deploy(Step::Switched).await;
        house.rekeyed().await.deploy(Step::After).await
    }
}

/// Another deployment on the tables of a stack, as there are two in the middle of each.
pub(crate) async fn beside(stack: &Stack, step: Step) -> World {
    let options = Options {
        frozen_at: Some(stack.clock().now()),
        database_at: Some(stack.database().url().to_owned()),
        secrets: Some(step.clear()),
        ..Options::default()
    };
    World::with(options).await
}

/// A register in memory, with the secrets of a step.
pub(crate) async fn in_memory(step: Step) -> World {
    let options = Options {
        frozen_at: Some(start_of_time()),
        secrets: Some(step.clear()),
        ..Options::default()
    };
    let world = World::with(options).await;
    world.stack.settle().await.unwrap();
    world
}

/// The operator's tool.
pub(crate) fn tool(stack: &Stack) -> Rekey {
    let tables = Tables {
        register: table_name("RegisterTable"),
        changes: table_name("ChangesTable"),
        addresses: table_name("AddressesTable"),
        letters: table_name("LettersTable"),
    };
    Rekey::new(stack.client().clone(), tables, Step::Switched.secrets()).unwrap()
}

pub(crate) const PACE: Pace = Pace {
    segments: 3,
    at_once: 4,
};

/// It goes through everybody once.
pub(crate) async fn pass(stack: &Stack) -> Counts {
    tool(stack)
        .pass(PACE, false, async || {}, || false, |_| ())
        .await
        .unwrap()
}

pub(crate) async fn left(stack: &Stack) -> Left {
    tool(stack).left().await.unwrap()
}

/// What an agency finds of persons, for a purpose.
pub(crate) async fn look_up(world: &World, persons: &[&str], purpose: &str) -> Vec<Value> {
    let body = json!({ "persons": persons, "purpose": purpose });
    let found = world.agency().post("/v1/lookups", &body).send().await.expect(200);
    found.body["results"].as_array().unwrap().clone()
}

/// A list that is read page by page.
async fn pages(caller: &Caller<'_>, path: &str, list: &str, limit: u8) -> Vec<Value> {
    let mut all = Vec::new();
    let mut before = String::new();
    loop {
        let page = caller
            .get(&format!("{path}?limit={limit}{before}"))
            .send()
            .await
            .expect(200);
        all.extend(page.body[list].as_array().unwrap().clone());
        let Some(next) = page.body["next"].as_str() else {
            return all;
        };
        before = format!("&before={next}");
    }
}

/// A person's history, page by page.
pub(crate) async fn history(world: &World, person: &str, limit: u8) -> Vec<Value> {
    pages(&world.citizen(person), "/v1/me/history", "changes", limit).await
}

/// For what a person was looked up by agencies, newest first.
pub(crate) async fn purposes(world: &World, person: &str, limit: u8) -> Vec<String> {
    world.stack.settle().await.unwrap();
    let told = pages(&world.citizen(person), "/v1/me/disclosures", "disclosures", limit).await;
    let purposes = told.iter().map(|told| told["purpose"].as_str().unwrap().to_owned());
    // What the register itself has told, of letters and changes, is beside the point.
    purposes.filter(|purpose| purpose.starts_with("For ")).collect()
}

/// What an organisation reads of the changes, from the first one on.
pub(crate) async fn changes(world: &World, scopes: &[Scope], mine: bool) -> Vec<Value> {
    world.stack.settle().await.unwrap();
    let path = format!("/v1/changes?after=0&limit=1000&mine={mine}");
    let page = world.organisation(AGENCY, scopes).get(&path).send().await.expect(200);
    assert_eq!(page.body["more"], false);
    page.body["changes"].as_array().unwrap().clone()
}

pub(crate) const ALL_CHANGES: [Scope; 3] = [Scope::ChangesRead, Scope::ContactRead, Scope::MailboxRead];

/// An agency announces a letter of which it reminds, under a reference; its identity.
pub(crate) async fn announce(world: &World, person: &str, reference: &str) -> String {
    let letter = json!({
        "person": person,
        "sender": { "organisation": AGENCY, "sector": "public", "nameMayBeShown": false },
        "reference": reference, "legalNotice": true, "remind": true,
    });
    let agency = world.organisation(AGENCY, &[Scope::LettersWrite]);
    let announced = agency.post("/v1/letters", &letter).send().await.expect(202);
    announced.body["id"].as_str().unwrap().to_owned()
}

/// Tells what the population register has to say, and all that follows happens.
pub(crate) async fn tell(world: &World, event: &Value) {
    let told = world
        .nobody()
        .request(reqwest::Method::POST, "/local/population")
        .json(event);
    told.send().await.expect(202);
    world.stack.settle().await.unwrap();
}

/// The items of a table.
pub(crate) async fn items(stack: &Stack, table: &str) -> Vec<BTreeMap<String, AttributeValue>> {
    let scan = stack
        .client()
        .scan()
        .table_name(table_name(table))
        .consistent_read(true);
    let mut items = scan.into_paginator().items().send();
    let mut all = Vec::new();
    while let Some(item) = items.next().await {
        all.push(item.unwrap().into_iter().collect());
    }
    all
}

/// Nobody is there twice, and nothing is left of anybody under a key of the first secret but the word where to.
pub(crate) async fn assert_all_moved(stack: &Stack) {
    let mut identifiers = Vec::new();
    for item in items(stack, "RegisterTable").await {
        let key = item["person"].as_s().unwrap();
        if key.starts_with("v1#") {
            assert_eq!(item.keys().collect::<Vec<_>>(), ["movedTo", "person"]);
        } else {
            let entry = item["entry"].as_m().unwrap();
            identifiers.push(entry["identifier"].as_s().unwrap().clone());
        }
    }
    let count = identifiers.len();
    identifiers.sort_unstable();
    identifiers.dedup();
    assert_eq!(identifiers.len(), count, "somebody is there twice");
    for item in items(stack, "AddressesTable").await {
        assert!(!item["person"].as_s().unwrap().starts_with("v1#"));
    }
}
