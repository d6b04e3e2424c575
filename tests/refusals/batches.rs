//! Files that are not taken, and decisions on files that come too late.

use aws_sdk_dynamodb::types::Select;
use jiff::{SignedDuration, ToSpan as _};
use local::messages::Channel;
use mailbox_register::caller::Scope;
use reqwest::Method;
use serde_json::{Value, json};
use stories::{AGENCY, Answer, Caller, DIGIPOST, EBOKS, World};
use uuid::Uuid;

use crate::refusal::refused;

const KARI: &str = "22885399316";
/// May look up by files, and has no usual purpose.
const OTHER_AGENCY: &str = "974760673";

/// An agency that may send files.
pub(crate) fn agency(world: &World) -> Caller<'_> {
    sender(world, AGENCY)
}

fn sender<'a>(world: &'a World, organisation: &str) -> Caller<'a> {
    world.organisation(organisation, &[Scope::Batches])
}

/// A file of the agency's that waits for somebody to look at it, because all of it is bad; its identity.
pub(crate) async fn held(world: &World) -> String {
    let asked = ask(&agency(world), &json!({ "name": "held.csv" })).await.expect(201);
    world.upload(&asked, "person\nnobody\n").await;
    world.stack.settle().await.unwrap();
    let id = id(&asked);
    assert_eq!(state(world, &id).await, "held");
    id
}

/// A file of the agency's that was worked off; its identity.
async fn done(world: &World, order: &Value) -> String {
    let asked = ask(&agency(world), order).await.expect(201);
    world.upload(&asked, format!("person,reference\n{KARI},a\n")).await;
    world.stack.settle().await.unwrap();
    let id = id(&asked);
    assert_eq!(state(world, &id).await, "done");
    id
}

async fn ask(caller: &Caller<'_>, order: &Value) -> Answer {
    caller.post("/v1/batches", order).send().await
}

fn id(answer: &Answer) -> String {
    answer.body["id"].as_str().unwrap().to_owned()
}

async fn show(world: &World, id: &str) -> Answer {
    agency(world).get(&format!("/v1/batches/{id}")).send().await.expect(200)
}

async fn state(world: &World, id: &str) -> Value {
    show(world, id).await.body["state"].clone()
}

async fn decide(world: &World, id: &str, decision: &str) -> Answer {
    let path = format!("/v1/batches/{id}/{decision}");
    agency(world).post(&path, &json!({})).send().await
}

async fn batches(world: &World) -> i32 {
    let scan = world.stack.client().scan().table_name("batches");
    scan.select(Select::Count).send().await.unwrap().count()
}

/// The agency's order with each value of a field; it is refused at its place.
async fn refuses(world: &World, field: &str, values: &[Value], status: u16, kind: &str) {
    for value in values {
        let row = format!("{field}: {value}");
        let mut order = json!({ "name": "tax.csv" });
        order[field] = value.clone();
        let answer = refused(&row, ask(&agency(world), &order).await, status, kind);
        let errors = json!([{ "pointer": format!("/{field}"), "code": kind }]);
        assert_eq!(answer.body["errors"], errors, "{row}");
    }
}

fn texts<const N: usize>(texts: [&str; N]) -> Vec<Value> {
    texts.map(Value::from).to_vec()
}

#[tokio::test]
async fn an_order_with_a_value_of_another_form() {
    let world = World::new().await;
    let no_texts = [json!(7), json!(true), json!(["tax.csv"]), json!({ "name": "tax.csv" })];
    for field in ["name", "kind", "purpose", "reference", "compareWith"] {
        refuses(&world, field, &no_texts, 400, "invalid-value").await;
    }
    refuses(&world, "name", &[Value::Null], 400, "invalid-value").await;
    let no_truths = [json!("true"), json!(0), json!(1), json!([]), Value::Null];
    refuses(&world, "dryRun", &no_truths, 400, "invalid-value").await;
    let kinds = texts(["", "Lookup", "lookups", "letter", "lookup ", "delete", KARI]);
    refuses(&world, "kind", &kinds, 400, "invalid-value").await;
    let ids = texts(["", "x", "2026/17", KARI, "5ddff86f-3da9-49d0-a2b1-42f7ee6b4b8"]);
    refuses(&world, "compareWith", &ids, 400, "invalid-value").await;
    let nameless = ask(&agency(&world), &json!({ "purpose": "Tax returns" })).await;
    let nameless = refused("no name", nameless, 400, "missing-field");
    assert_eq!(
        nameless.body["errors"],
        json!([{ "pointer": "/name", "code": "missing-field" }])
    );
    assert_eq!(batches(&world).await, 0);
    // What may be left out may be null as well.
    let nulls = json!({ "name": "tax.csv", "kind": null, "purpose": null, "reference": null, "compareWith": null });
    ask(&agency(&world), &nulls).await.expect(201);
}

#[tokio::test]
async fn all_that_is_wrong_is_told_at_once() {
    let world = World::new().await;
    let order =
        json!({ "name": "tax.exe", "kind": 7, "purpose": "x", "reference": KARI, "dryRun": "no", "compareWith": "x" });
    // Of different kinds: of the whole it is told that its form is wrong.
    let answer = refused("all", ask(&agency(&world), &order).await, 400, "invalid-value");
    let pointers = answer.body["errors"].as_array().unwrap().iter();
    let pointers: Vec<_> = pointers.map(|error| error["pointer"].as_str().unwrap()).collect();
    assert_eq!(
        pointers,
        ["/name", "/kind", "/purpose", "/reference", "/dryRun", "/compareWith"]
    );
}

#[tokio::test]
async fn a_name_that_is_none_of_a_file() {
    let world = World::new().await;
    let long = format!("{}.csv", "ø".repeat(77));
    let over = format!("{}.csv", "x".repeat(57));
    let names = texts([
        "",
        ".",
        "..",
        ".csv",
        ".tax.csv",
        "../x.csv",
        "../../results/974760673/x.csv",
        "lookup/tax.csv",
        "/tax.csv",
        "C:\\tax.csv",
        "tax\n.csv",
        "tax",
        "tax.exe",
        "tax.csv.exe",
        "tax.zip",
        "tax.csv.zip",
        "tax.xlsx",
        "tax.json",
        "tax.gz",
        "tax.csv.",
        "tax.csv ",
        // Names of persons are no names of files, whatever else they are.
        "22885399316.csv",
        "tax-22885399316.csv.gz",
        "228853 99316.jsonl",
        "２２８８５３９９３１６.csv",
        &long,
        &over,
    ]);
    refuses(&world, "name", &names, 422, "invalid-file-name").await;
    refuses(&world, "name", &texts(["tax\0.csv"]), 422, "illegal-character").await;
    assert_eq!(batches(&world).await, 0);
    let longest = format!("{}.csv", "ø".repeat(56));
    for name in [longest.as_str(), "Skatt 2026 (ny).CSV", "a.JSONL.GZ", "20260731001.csv"] {
        let answer = ask(&agency(&world), &json!({ "name": name })).await.expect(201);
        assert_eq!(answer.body["name"], name);
    }
}

#[tokio::test]
async fn words_that_name_a_person_or_say_nothing() {
    let world = World::new().await;
    let long = "x".repeat(201);
    // What the register itself puts on record.
    let feed = "To follow changes in the register";
    let purposes = texts(["", "x", "  ", KARI, "Vedtak for 228853 99316", feed, &long]);
    refuses(&world, "purpose", &purposes, 422, "invalid-purpose").await;
    let references = texts(["", KARI, "sak-22885399316-1", &long]);
    refuses(&world, "reference", &references, 422, "invalid-reference").await;
}

#[tokio::test]
async fn an_organisation_that_may_not_send_such_a_file() {
    let world = World::new().await;
    let order = json!({ "name": "tax.csv", "purpose": "Tax returns" });
    // Providers are no agencies, and an agency is not enrolled by its token.
    for organisation in [DIGIPOST, EBOKS, "313600947"] {
        let answer = ask(&sender(&world, organisation), &order).await;
        refused(organisation, answer, 403, "forbidden");
    }
    enrol_without_files(&world, OTHER_AGENCY).await;
    let other = sender(&world, OTHER_AGENCY);
    refused("without files", ask(&other, &order).await, 403, "forbidden");
    for request in [
        other.get("/v1/batches"),
        other.get(&format!("/v1/batches/{}", Uuid::nil())),
        other.post(&format!("/v1/batches/{}/approve", Uuid::nil()), &json!({})),
        other.post(&format!("/v1/batches/{}/cancel", Uuid::nil()), &json!({})),
    ] {
        refused("without files", request.send().await, 403, "forbidden");
    }
    assert_eq!(batches(&world).await, 0);
}

/// The agency stays in the directory, and may not send files any more.
async fn enrol_without_files(world: &World, organisation: &str) {
    let client = world.stack.client();
    let directory = client.scan().table_name("directory").send().await.unwrap();
    let entry = directory
        .items()
        .iter()
        .find(|entry| entry["id"].as_s().unwrap() == organisation);
    let mut entry = entry.unwrap().clone();
    entry.remove("files").unwrap();
    let put = client.put_item().table_name("directory").set_item(Some(entry));
    put.send().await.unwrap();
    // What is known of the directory is known for a while.
    world.stack.clock().advance(SignedDuration::from_hours(1)).unwrap();
}

#[tokio::test]
async fn a_kind_of_file_or_a_purpose_that_the_directory_does_not_say() {
    let world = World::new().await;
    let other = sender(&world, OTHER_AGENCY);
    let letters = json!({ "name": "tax.csv", "kind": "letters", "purpose": "Tax returns" });
    refused("letters", ask(&other, &letters).await, 403, "forbidden");
    for order in [
        json!({ "name": "tax.csv" }),
        json!({ "name": "tax.csv", "purpose": null }),
    ] {
        refused(&order, ask(&other, &order).await, 422, "purpose-required");
    }
    assert_eq!(batches(&world).await, 0);
    let lookup = json!({ "name": "tax.csv", "purpose": "Tax returns" });
    ask(&other, &lookup).await.expect(201);
    ask(&agency(&world), &letters).await.expect(201);
}

#[tokio::test]
async fn an_earlier_file_that_is_not_there_to_compare_with() {
    let world = World::new().await;
    let lookup = done(&world, &json!({ "name": "tax.csv" })).await;
    let letters = done(&world, &json!({ "name": "tax.csv", "kind": "letters" })).await;
    let theirs = json!({ "name": "tax.csv", "purpose": "Tax returns" });
    let theirs = id(&ask(&sender(&world, OTHER_AGENCY), &theirs).await.expect(201));
    let waiting = id(&ask(&agency(&world), &json!({ "name": "tax.csv" })).await.expect(201));
    for (row, kind, earlier) in [
        ("not there yet", "lookup", waiting),
        ("nobody's", "lookup", Uuid::new_v4().to_string()),
        ("another's", "lookup", theirs),
        ("letters", "lookup", letters),
        ("of letters", "letters", lookup.clone()),
    ] {
        let order = json!({ "name": "tax.csv", "kind": kind, "compareWith": earlier });
        let answer = refused(row, ask(&agency(&world), &order).await, 422, "unknown-batch");
        assert_eq!(
            answer.body["errors"],
            json!([{ "pointer": "/compareWith", "code": "unknown-batch" }]),
            "{row}"
        );
    }
    let order = json!({ "name": "tax.csv", "compareWith": lookup });
    ask(&agency(&world), &order).await.expect(201);
}

#[tokio::test]
async fn a_file_that_is_asked_for_twice_under_one_key() {
    let world = World::new().await;
    let agency = agency(&world);
    let request = agency.post("/v1/batches", &json!({ "name": "tax.csv" }));
    let keyless = request.clone().without("idempotency-key").send().await;
    refused("no key", keyless, 400, "idempotency-key-required");
    for key in ["", "nøkkel", "a key", "a,b", &"k".repeat(256)] {
        refused(
            key,
            request.clone().key(key).send().await,
            400,
            "idempotency-key-required",
        );
    }
    let first = request.clone().key("mine").send().await.expect(201);
    let again = request.clone().key("mine").send().await.expect(201);
    assert_eq!(id(&first), id(&again), "one batch");
    assert_eq!(again.body["state"], "awaiting-upload");
    for other in [
        json!({ "name": "tax-2.csv" }),
        json!({ "name": "tax.csv", "kind": "letters" }),
        json!({ "name": "tax.csv", "purpose": "Something else" }),
        json!({ "name": "tax.csv", "reference": "2026/17" }),
        json!({ "name": "tax.csv", "dryRun": true }),
    ] {
        let answer = agency.post("/v1/batches", &other).key("mine").send().await;
        refused(&other, answer, 422, "idempotency-key-reused");
    }
    assert_eq!(batches(&world).await, 1);
    // Either way in is good, once.
    world.upload(&again, format!("person\n{KARI}\n")).await;
    world.stack.settle().await.unwrap();
    let late = request.clone().key("mine").send().await.expect(201);
    assert_eq!((id(&late), &late.body["state"]), (id(&first), &json!("done")));
    assert_eq!(late.body.get("upload"), None, "there is no way in any more");
    // The same key of another organisation is another key.
    let theirs = json!({ "name": "tax.csv", "purpose": "Tax returns" });
    let theirs = sender(&world, OTHER_AGENCY).post("/v1/batches", &theirs).key("mine");
    assert_ne!(id(&theirs.send().await.expect(201)), id(&first));
}

/// The routes of one batch.
fn of_batch(id: &str) -> [(Method, String); 3] {
    [
        (Method::GET, format!("/v1/batches/{id}")),
        (Method::POST, format!("/v1/batches/{id}/approve")),
        (Method::POST, format!("/v1/batches/{id}/cancel")),
    ]
}

#[tokio::test]
async fn a_batch_that_is_not_there_or_not_the_callers() {
    let world = World::new().await;
    let theirs = held(&world).await;
    let other = sender(&world, OTHER_AGENCY);
    let unknown = Uuid::new_v4().to_string();
    let long = format!("{unknown}0");
    let mut bodies = Vec::new();
    for id in [
        "",
        theirs.as_str(),
        &unknown,
        &long,
        &unknown[1..],
        "x",
        "-1",
        "null",
        "tax.csv",
        "%00",
        "%FF%FE",
        KARI,
        &"a".repeat(2000),
    ] {
        for (method, path) in of_batch(id) {
            let row = format!("{method} {id}");
            let answer = other.request(method, &path).send().await;
            bodies.push(refused(row, answer, 404, "not-found").body);
        }
    }
    bodies.dedup();
    assert_eq!(bodies.len(), 1, "to the other agency it is all the same");
    assert_eq!(state(&world, &theirs).await, "held");
    let list = other.get("/v1/batches").send().await.expect(200);
    assert_eq!(list.body, json!({ "batches": [] }));
}

#[tokio::test]
async fn a_decision_that_the_batch_is_not_in_a_state_for() {
    let world = World::new().await;
    let waiting = id(&ask(&agency(&world), &json!({ "name": "tax.csv" })).await.expect(201));
    refused(
        "nothing there",
        decide(&world, &waiting, "approve").await,
        409,
        "wrong-state",
    );
    let worked_off = done(&world, &json!({ "name": "tax.csv" })).await;
    refused("done", decide(&world, &worked_off, "cancel").await, 409, "wrong-state");
    assert_eq!(state(&world, &worked_off).await, "done");
    // It went on already: nothing to be said against that.
    decide(&world, &worked_off, "approve").await.expect(200);

    let called_off = held(&world).await;
    for _ in 0..2 {
        let answer = decide(&world, &called_off, "cancel").await.expect(200);
        assert_eq!(answer.body["state"], "cancelled");
    }
    refused(
        "called off",
        decide(&world, &called_off, "approve").await,
        409,
        "wrong-state",
    );
    let let_go = held(&world).await;
    for state in ["working", "working"] {
        assert_eq!(
            decide(&world, &let_go, "approve").await.expect(200).body["state"],
            state
        );
    }
    world.stack.settle().await.unwrap();
    assert_eq!(state(&world, &let_go).await, "done");

    let empty = ask(&agency(&world), &json!({ "name": "empty.csv" })).await.expect(201);
    world.upload(&empty, "").await;
    world.stack.settle().await.unwrap();
    assert_eq!(
        show(&world, &id(&empty)).await.body["fault"],
        json!({ "code": "empty-file" })
    );
    world.pass(26.hours()).await;
    assert_eq!(state(&world, &waiting).await, "failed", "it never came");
    let forgotten = held(&world).await;
    world.pass(7.days()).await;
    let fault = show(&world, &forgotten).await.body["fault"].clone();
    assert_eq!(fault, json!({ "code": "not-approved" }));
    for failed in [id(&empty), waiting, forgotten] {
        for decision in ["approve", "cancel"] {
            let answer = decide(&world, &failed, decision).await;
            refused(format!("failed, {decision}"), answer, 409, "wrong-state");
        }
    }
    assert!(
        world
            .outbox()
            .await
            .iter()
            .all(|message| message.channel != Channel::Sms)
    );
}

#[tokio::test]
async fn a_page_of_batches_that_there_is_not() {
    let world = World::new().await;
    for query in [
        "limit=0",
        "limit=-1",
        "limit=101",
        "limit=256",
        "limit=",
        "limit=x",
        "limit=1.5",
        "limit=10&limit=10",
        "before=",
        "before=1",
        "before=yesterday",
        "before=2026-03-02",
        "before=2026-03-02T09:00:00Z&before=2026-03-02T09:00:00Z",
        "after=2026-03-02T09:00:00Z",
        "Limit=1",
        "state=done",
        "organisation=974760673",
        "22885399316",
    ] {
        let answer = agency(&world).get(&format!("/v1/batches?{query}")).send().await;
        refused(query, answer, 400, "invalid-parameter");
    }
    let mut all = Vec::new();
    for number in 0..3 {
        let order = json!({ "name": format!("tax-{number}.csv") });
        all.push(json!(id(&ask(&agency(&world), &order).await.expect(201))));
        world.stack.clock().advance(SignedDuration::from_secs(1)).unwrap();
    }
    all.reverse();
    let ids = |answer: &Answer| -> Vec<Value> {
        let batches = answer.body["batches"].as_array().unwrap().iter();
        batches.map(|batch| batch["id"].clone()).collect()
    };
    let whole = agency(&world).get("/v1/batches").send().await.expect(200);
    assert_eq!((ids(&whole), whole.body.get("next")), (all.clone(), None));
    let first = agency(&world).get("/v1/batches?limit=2").send().await.expect(200);
    let next = first.body["next"].as_str().unwrap();
    let path = format!("/v1/batches?limit=2&before={next}");
    let last = agency(&world).get(&path).send().await.expect(200);
    assert_eq!([ids(&first), ids(&last)].concat(), all);
    assert_eq!(last.body.get("next"), None);
}
