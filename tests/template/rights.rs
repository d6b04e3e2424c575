//! Rights: what a function does to a table, its role allows, and no more.

#![expect(clippy::unwrap_used, reason = "a story that cannot go on says so by a panic")]

use std::collections::{BTreeMap, BTreeSet};

use jiff::SignedDuration;
use local::{database::table_name, stack::Options};
use mailbox_register::caller::Scope;
use serde_json::{Value, json};
use stories::{AGENCY, EBOKS, World, start_of_time};

use crate::{FUNCTIONS, function, template};

/// An action on the table with a logical id, or on an index of it: `RegisterTable/index/remind`.
type Right = (String, String);

fn list(value: &Value) -> Vec<&Value> {
    value
        .as_array()
        .map_or_else(|| vec![value], |values| values.iter().collect())
}

/// What the roles of some functions allow on tables.
fn allowed(functions: &[&str]) -> BTreeSet<Right> {
    let mut rights = BTreeSet::new();
    for name in functions {
        let (id, _) = function(name);
        let role = template().resources[id].properties["Role"]["Fn::GetAtt"][0].as_str();
        let policies = &template().resources[role.expect("a role of its own")].properties["Policies"];
        for statement in list(&policies[0]["PolicyDocument"]["Statement"]) {
            for resource in list(&statement["Resource"]) {
                // A table as `!GetAtt`, an index of it within `!Sub`. A stream is read by Lambda and not by the function.
                let on = match (&resource["Fn::GetAtt"], &resource["Fn::Sub"]) {
                    (Value::Array(of), _) if of[1] == "Arn" => of[0].as_str().expect("a name").to_owned(),
                    (_, Value::String(index)) => index.replace(".Arn}", "").replace("${", ""),
                    _ => continue,
                };
                let table = on.split('/').next().expect("a name");
                if template().tables.contains_key(table) {
                    let actions = list(&statement["Action"]).into_iter().filter_map(Value::as_str);
                    rights.extend(actions.map(|action| (action.to_owned(), on.clone())));
                }
            }
        }
    }
    rights
}

/// What was done to tables since the last time, the parts of transactions among it.
fn done(world: &World) -> BTreeSet<Right> {
    let calls = world.stack.database_faults().calls();
    world.stack.database_faults().clear();
    let id = |name: &str| {
        let (table, index) = name
            .split_once('/')
            .map_or((name, None), |(table, index)| (table, Some(index)));
        let mut ids = template().tables.keys();
        let id = ids.find(|id| table_name(id) == table).expect("a table of the template");
        index.map_or_else(|| id.clone(), |index| format!("{id}/{index}"))
    };
    let actions = calls.iter().flat_map(|call| &call.actions);
    actions
        .map(|(action, on)| (format!("dynamodb:{action}"), id(on)))
        .collect()
}

/// What functions were seen to do: each of those that were at work at the time may have done it.
#[derive(Debug, Default)]
struct Seen(BTreeMap<&'static str, BTreeSet<Right>>);

impl Seen {
    #[track_caller]
    fn assert_allowed(&mut self, done: &BTreeSet<Right>, functions: &[&'static str]) {
        assert!(!done.is_empty());
        let missing: Vec<_> = done.difference(&allowed(functions)).cloned().collect();
        assert_eq!(missing, [], "{functions:?} may not do what they do");
        for function in functions {
            self.0.entry(function).or_default().extend(done.iter().cloned());
        }
    }
}

#[tokio::test]
async fn what_a_function_does_to_a_table_its_role_allows() {
    story_of_requests(&mut Seen::default()).await;
}

async fn story_of_requests(seen: &mut Seen) {
    const COMPLETE: &str = "22885399316";
    let world = World::with(Options {
        frozen_at: Some(start_of_time()),
        database_faults: true,
        ..Options::default()
    })
    .await;
    done(&world);

    let citizen = world.citizen(COMPLETE);
    let mailbox = json!({ "person": COMPLETE, "address": "kari.nordmann#9YDT" });
    world
        .provider(EBOKS)
        .post("/v1/mailboxes/eligibility", &json!({ "person": COMPLETE }))
        .send()
        .await
        .expect(200);
    world
        .provider(EBOKS)
        .post("/v1/mailboxes", &mailbox)
        .send()
        .await
        .expect(201);
    world
        .provider("984661185")
        .post("/v1/mailboxes", &json!({ "person": "x" }))
        .send()
        .await
        .expect(400);
    citizen
        .put("/v1/me/mailbox", &json!({ "provider": "e-boks" }))
        .send()
        .await
        .expect(200);
    citizen
        .put("/v1/me/contact", &json!({ "mobile": "+46701740656" }))
        .send()
        .await
        .expect(200);
    let wrong = json!({ "channel": "sms", "code": "000000" });
    citizen.post("/v1/me/contact/validate", &wrong).send().await.expect(422);
    citizen.get("/v1/me/history").send().await.expect(200);
    let language = json!({ "spraak": "nn" });
    let change = citizen
        .request(reqwest::Method::PATCH, "/rest/v1/person")
        .json(&language);
    change.send().await.expect(200);
    citizen.get("/v1/me/disclosures").send().await.expect(200);
    seen.assert_allowed(&done(&world), &["register"]);

    let look_up = json!({ "persons": [COMPLETE], "purpose": "Decision on a building permit" });
    world.agency().post("/v1/lookups", &look_up).send().await.expect(200);
    let look_up = json!({ "personidentifikatorer": [COMPLETE] });
    let agency = world.agency();
    agency.post("/rest/v2/personer", &look_up).send().await.expect(200);
    agency.get("/rest/v2/printSertifikat").send().await.expect(200);
    seen.assert_allowed(&done(&world), &["lookup"]);

    let letter = json!({
        "person": COMPLETE,
        "sender": { "organisation": AGENCY, "sector": "public", "nameMayBeShown": true },
        "reference": "2026/1", "legalNotice": true, "remind": true,
    });
    let sender = world.organisation(AGENCY, &[Scope::LettersWrite]);
    let announced = sender.post("/v1/letters", &letter).send().await.expect(202);
    let path = format!("/v1/letters/{}", announced.body["id"].as_str().unwrap());
    sender.get(&path).send().await.expect(200);
    sender.get("/v1/letters").send().await.expect(200);
    seen.assert_allowed(&done(&world), &["letters"]);

    world.stack.settle().await.unwrap();
    world.stack.tick().await.unwrap();
    seen.assert_allowed(
        &done(&world),
        &["dispatch", "disclosures", "notify", "batch", "freshness"],
    );

    let died = json!({ "event": "died", "person": COMPLETE });
    let told = world.nobody().request(reqwest::Method::POST, "/local/population");
    told.json(&died).send().await.expect(202);
    world.stack.settle().await.unwrap();
    seen.assert_allowed(&done(&world), &["population", "dispatch", "notify"]);

    // Time for the reports of what was sent.
    world.stack.clock().advance(SignedDuration::from_secs(2)).unwrap();
    world.stack.settle().await.unwrap();
    seen.assert_allowed(&done(&world), &["dispatch", "notify", "receipts"]);
    let sender = world.organisation(AGENCY, &[Scope::LettersWrite]);
    sender
        .post(&format!("{path}/opened"), &json!({}))
        .send()
        .await
        .expect(200);
    seen.assert_allowed(&done(&world), &["letters"]);
}

#[test]
fn a_function_signs_by_the_signing_key_if_it_is_given_that_key() {
    for name in FUNCTIONS {
        let (id, function) = function(name);
        let role = template().resources[id].properties["Role"]["Fn::GetAtt"][0].as_str();
        let policies = &template().resources[role.expect("a role of its own")].properties["Policies"];
        let signs: Vec<_> = list(&policies[0]["PolicyDocument"]["Statement"])
            .into_iter()
            .filter(|statement| statement["Action"].to_string().contains("kms:Sign"))
            .collect();
        assert_eq!(
            signs.len(),
            usize::from(function.environment.contains_key("SIGNING_KEY")),
            "{name}"
        );
        for statement in signs {
            assert_eq!(statement["Action"], json!(["kms:GetPublicKey", "kms:Sign"]), "{name}");
            assert_eq!(
                statement["Resource"],
                json!({ "Fn::GetAtt": ["SigningKey", "Arn"] }),
                "{name}"
            );
        }
    }
}

#[tokio::test]
async fn what_is_done_with_files_the_roles_of_both_functions_allow() {
    story_of_files(&mut Seen::default()).await;
}

async fn story_of_files(seen: &mut Seen) {
    const FILE: &str = "person,reference\n22885399316,a\n13527248013,b\n02907740652,c\n";
    let world = World::with(Options {
        frozen_at: Some(start_of_time()),
        database_faults: true,
        ..Options::default()
    })
    .await;
    let agency = world.organisation(AGENCY, &[Scope::Batches]);
    done(&world);
    let mut earlier = None;
    for (order, follow) in [
        (json!({ "name": "tax.csv" }), &["batch", "disclosures", "dispatch"][..]),
        (
            json!({ "name": "tax.csv", "kind": "letters", "dryRun": true }),
            &["batch", "disclosures", "dispatch"],
        ),
        // Letters go out at once.
        (
            json!({ "name": "tax.csv", "kind": "letters" }),
            &["batch", "disclosures", "dispatch", "notify", "receipts", "freshness"],
        ),
        // Compared with the first, since which somebody has changed.
        (json!({ "name": "tax.csv" }), &["batch", "disclosures", "dispatch"]),
    ] {
        let mut order = order;
        if order["kind"].is_null() {
            order["compareWith"] = earlier.clone().unwrap_or_default();
        }
        let asked = agency.post("/v1/batches", &order).send().await.expect(201);
        agency.get("/v1/batches").send().await.expect(200);
        seen.assert_allowed(&done(&world), &["batches"]);
        world.upload(&asked, FILE).await;
        world.stack.settle().await.unwrap();
        seen.assert_allowed(&done(&world), follow);
        let path = format!("/v1/batches/{}", asked.body["id"].as_str().unwrap());
        let batch = agency.get(&path).send().await.expect(200);
        assert_eq!(batch.body["state"], "done", "{}", batch.body);
        earlier.get_or_insert(asked.body["id"].clone());
        world.stack.clock().advance(SignedDuration::from_secs(1)).unwrap();
        let language = json!({ "language": "se" });
        let citizen = world.citizen("22885399316");
        citizen.put("/v1/me/contact", &language).send().await.expect(200);
        world.stack.settle().await.unwrap();
        done(&world);
    }
    // Files that are held, let go on, and called off; one that is dropped; and one that never comes.
    for decision in ["approve", "cancel"] {
        let order = json!({ "name": "bad.csv" });
        let asked = agency.post("/v1/batches", &order).send().await.expect(201);
        world.upload(&asked, "person\nnobody\n").await;
        world.stack.settle().await.unwrap();
        done(&world);
        let path = format!("/v1/batches/{}/{decision}", asked.body["id"].as_str().unwrap());
        agency.post(&path, &json!({})).send().await.expect(200);
        seen.assert_allowed(&done(&world), &["batches"]);
        world.stack.settle().await.unwrap();
        seen.assert_allowed(&done(&world), &["batch", "disclosures"]);
    }
    drop_file(&world, FILE).await;
    drop_file(&world, FILE).await;
    world.stack.settle().await.unwrap();
    seen.assert_allowed(&done(&world), &["batch", "disclosures"]);
    let never = json!({ "name": "never.csv" });
    agency.post("/v1/batches", &never).send().await.expect(201);
    done(&world);
    world.stack.clock().advance(SignedDuration::from_hours(25)).unwrap();
    world.stack.tick().await.unwrap();
    seen.assert_allowed(
        &done(&world),
        &["batch", "disclosures", "dispatch", "notify", "receipts", "freshness"],
    );
}

/// Puts a file into the agency's folder, as its own system would.
async fn drop_file(world: &World, content: &'static str) {
    let buckets = world.stack.buckets();
    let config = infra_aws::files::config(&local::sdk::config(buckets.url()));
    let put = aws_sdk_s3::Client::from_conf(config).put_object();
    put.bucket(buckets.name("FilesBucket").expect("the bucket"))
        .key(format!("uploads/{AGENCY}/dropped.csv"))
        .body(content.as_bytes().to_vec().into())
        .send()
        .await
        .expect("S3 takes it");
}

/// Rights for what the two stories above do not come to.
const RARELY_USED: [(&str, &str); 18] = [
    (
        "batch: dynamodb:ConditionCheckItem on LettersTable",
        "the same letter by the other secret, while one gives way to the next",
    ),
    ("freshness: dynamodb:PutItem on ChangesTable", "a reminder is a change"),
    ("letters: dynamodb:ConditionCheckItem on LettersTable", "as for batch"),
    (
        "letters: dynamodb:DeleteItem on RequestsTable",
        "a refused request is forgotten",
    ),
    (
        "letters: dynamodb:GetItem on RequestsTable",
        "the same request by the other secret, likewise",
    ),
    (
        "letters: dynamodb:GetItem on UsageTable",
        "before somebody is refused, what all count is read",
    ),
    (
        "lookup: dynamodb:BatchGetItem on RelationsTable",
        "the feed of one's own persons",
    ),
    ("lookup: dynamodb:GetItem on FeedTable", "the feed's head"),
    (
        "lookup: dynamodb:GetItem on RegisterTable",
        "the connection is primed with it at the start",
    ),
    ("lookup: dynamodb:GetItem on UsageTable", "as for letters"),
    ("lookup: dynamodb:Query on FeedTable", "the feed"),
    ("notify: dynamodb:PutItem on SendingTable", "a circuit opens"),
    (
        "population: dynamodb:PutItem on AddressesTable",
        "a replaced number takes its addresses along",
    ),
    (
        "receipts: dynamodb:PutItem on ChangesTable",
        "an address that nothing reaches is marked",
    ),
    (
        "receipts: dynamodb:PutItem on SendingTable",
        "SNS reports that the limit is spent",
    ),
    (
        "register: dynamodb:GetItem on DirectoryTable",
        "an agency's name, for whoever reads who looked",
    ),
    ("register: dynamodb:GetItem on RequestsTable", "as for letters"),
    ("register: dynamodb:GetItem on UsageTable", "as for letters"),
];

#[tokio::test]
async fn a_role_allows_nothing_on_a_table_that_its_function_never_does() {
    let mut seen = Seen::default();
    story_of_requests(&mut seen).await;
    story_of_files(&mut seen).await;
    let mut unused = Vec::new();
    for name in FUNCTIONS {
        let done = seen.0.remove(name).unwrap_or_default();
        unused.extend(
            allowed(&[name])
                .into_iter()
                .filter(|right| !done.contains(right))
                .map(|(action, on)| format!("{name}: {action} on {on}")),
        );
    }
    assert_eq!(unused, RARELY_USED.map(|(right, _)| right));
}
