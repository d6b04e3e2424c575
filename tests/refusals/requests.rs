//! Requests that may come twice, and requests on a version.

use jiff::ToSpan as _;
use local::messages::Channel;
use reqwest::Method;
use serde_json::{Value, json};
use stories::{DIGIPOST, EBOKS, OLA, Request, World};

use crate::refusal::refused;

const KARI: &str = "22885399316";
const RESERVED: &str = "10915596784";

fn mailbox(person: &str, address: &str) -> Value {
    json!({ "person": person, "address": address })
}

/// Every change of a citizen's own entry, each of an entry that it changes.
fn changes(world: &World) -> [(&'static str, &'static str, Request<'_>); 6] {
    let (kari, reserved) = (world.citizen(KARI), world.citizen(RESERVED));
    let language = json!({ "language": "se" });
    [
        ("set contact", KARI, kari.put("/v1/me/contact", &language)),
        (
            "choose",
            KARI,
            kari.put("/v1/me/mailbox", &json!({ "provider": "e-boks" })),
        ),
        ("withdraw", KARI, kari.delete("/v1/me/mailbox")),
        (
            "reserve",
            KARI,
            kari.request(Method::PUT, "/v1/me/reservation").if_match("*"),
        ),
        ("undo", RESERVED, reserved.delete("/v1/me/reservation")),
        ("delete", KARI, kari.delete("/v1/me")),
    ]
}

#[tokio::test]
async fn a_key_that_is_missing_or_unusable() {
    let world = World::new().await;
    let (citizen, provider) = (world.citizen(KARI), world.provider(EBOKS));
    let with_effect = [
        ("confirm", citizen.post("/v1/me/contact/confirm", &json!({}))),
        (
            "validate",
            citizen.post("/v1/me/contact/validate", &json!({ "channel": "sms" })),
        ),
        (
            "register",
            provider.post("/v1/mailboxes", &mailbox(KARI, "kari.nordmann#1XYZ")),
        ),
        (
            "close",
            provider.post("/v1/mailboxes/close", &json!({ "person": KARI })),
        ),
    ];
    let before = citizen.get("/v1/me").send().await.etag();
    for (row, request) in &with_effect {
        let answer = request.clone().without("idempotency-key").send().await;
        refused(row, answer, 400, "idempotency-key-required");
    }
    // Where a key is not needed, one that is there must still be one.
    let on_a_version = changes(&world).map(|(row, _, request)| (row, request));
    let (long, longest) = ("k".repeat(256), "k".repeat(255));
    for (row, request) in with_effect.iter().chain(&on_a_version) {
        for key in ["", &long, "nøkkel", "a key", "a,b", "a\tb"] {
            let answer = request.clone().key(key).send().await;
            refused(format!("{row}, {key}"), answer, 400, "idempotency-key-required");
        }
        let two = request
            .clone()
            .key("one")
            .and_header("idempotency-key", "two")
            .send()
            .await;
        refused(format!("{row}, two keys"), two, 400, "idempotency-key-required");
        let same = request
            .clone()
            .key("one")
            .and_header("idempotency-key", "one")
            .send()
            .await;
        refused(format!("{row}, one key twice"), same, 400, "idempotency-key-required");
    }
    assert_eq!(citizen.get("/v1/me").send().await.etag(), before);
    assert!(world.outbox().await.is_empty());
    let (_, register) = &with_effect[2];
    register.clone().key(&longest).send().await.expect(201);
}

#[tokio::test]
async fn a_key_used_again_for_another_request() {
    let world = World::new().await;
    let provider = world.provider(EBOKS);
    let first = provider
        .post("/v1/mailboxes", &mailbox(OLA, "ola.nordmann#9YDT"))
        .key("mine");
    let answer = first.send().await.expect(201);
    for (row, other) in [
        (
            "another address",
            provider.post("/v1/mailboxes", &mailbox(OLA, "ola.nordmann#0000")),
        ),
        (
            "another person",
            provider.post("/v1/mailboxes", &mailbox(KARI, "ola.nordmann#9YDT")),
        ),
        (
            "another route",
            provider.post("/v1/mailboxes/close", &json!({ "person": OLA })),
        ),
    ] {
        refused(row, other.key("mine").send().await, 422, "idempotency-key-reused");
    }
    let me = world.citizen(OLA).get("/v1/me").send().await.expect(200);
    let mailboxes = json!([{ "provider": "e-boks", "address": "ola.nordmann#9YDT", "state": "active" }]);
    assert_eq!(me.body["mailboxes"], mailboxes);
    // The same key of another caller is another key: a new request, with an answer of its own.
    let others = world
        .provider(DIGIPOST)
        .post("/v1/mailboxes", &mailbox(OLA, "ola.nordmann#4ABC"));
    let others = others.key("mine").send().await.expect(201);
    assert_eq!(others.body, json!({ "active": false, "confirmation": "none" }));
    assert_eq!(first.send().await.expect(201).body, answer.body);
    // A citizen's key is not another citizen's either.
    for (person, language) in [(KARI, "en"), (RESERVED, "nn")] {
        let set = world
            .citizen(person)
            .put("/v1/me/contact", &json!({ "language": language }));
        let entry = set.key("mine").send().await.expect(200);
        assert_eq!(
            (&entry.body["person"], &entry.body["language"]),
            (&json!(person), &json!(language))
        );
    }
    // A day later it is forgotten.
    world.pass(25.hours()).await;
    let close = world
        .provider(EBOKS)
        .post("/v1/mailboxes/close", &json!({ "person": OLA }));
    close.key("mine").send().await.expect(200);
}

#[tokio::test]
async fn a_request_that_is_still_being_worked_on() {
    let world = World::new().await;
    let provider = world.provider(EBOKS);
    let request = provider
        .post("/v1/mailboxes", &mailbox(OLA, "ola.nordmann#9YDT"))
        .key("mine");
    request.send().await.expect(201);
    // As another worker's record looks before it has an answer.
    let client = world.stack.client();
    let records = client.scan().table_name("requests").send().await.unwrap();
    let [record] = records.items() else {
        panic!("one request, one record")
    };
    client
        .update_item()
        .table_name("requests")
        .key("request", record["request"].clone())
        .update_expression("REMOVE answer")
        .send()
        .await
        .unwrap();
    let answer = request.send().await;
    refused("at once", answer, 409, "request-in-progress");
    let other = provider
        .post("/v1/mailboxes", &mailbox(OLA, "ola.nordmann#0000"))
        .key("mine");
    refused("another body", other.send().await, 422, "idempotency-key-reused");
    // That worker is dead after a minute. What it had stored is not stored again.
    world.pass(61.seconds()).await;
    let known = request.send().await.expect(200);
    assert_eq!(known.body, json!({ "active": true, "confirmation": "none" }));
    assert_eq!(world.citizen(OLA).get("/v1/me").send().await.etag(), "\"1\"");
}

#[tokio::test]
async fn a_change_on_no_version_or_on_a_stale_one() {
    let world = World::new().await;
    for (row, person, request) in changes(&world) {
        let citizen = world.citizen(person);
        let current = citizen.get("/v1/me").send().await.etag();
        refused(
            row,
            request.clone().without("if-match").send().await,
            428,
            "precondition-required",
        );
        let weak = format!("W/{current}");
        for stale in [
            "\"0\"",
            "\"999\"",
            "\"998\", \"999\"",
            &weak,
            current.trim_matches('"'),
            "",
            "\"*\"",
        ] {
            let answer = request.clone().if_match(stale).send().await;
            refused(format!("{row}, {stale}"), answer, 412, "precondition-failed");
        }
        assert_eq!(citizen.get("/v1/me").send().await.etag(), current, "{row}");
    }
    assert!(world.outbox().await.is_empty());
    // Where a version is not needed, a stale one still counts.
    let kari = world.citizen(KARI);
    let confirm = kari.post("/v1/me/contact/confirm", &json!({}));
    refused(
        "confirm",
        confirm.clone().if_match("\"1\"").send().await,
        412,
        "precondition-failed",
    );
    confirm.send().await.expect(200);
    kari.put("/v1/me/contact", &json!({ "mobile": "+46701740699" }))
        .send()
        .await
        .expect(200);
    let code = json!({ "channel": "sms", "code": world.last_code(Channel::Sms).await });
    let validate = kari.post("/v1/me/contact/validate", &code);
    refused(
        "validate",
        validate.clone().if_match("\"1\"").send().await,
        412,
        "precondition-failed",
    );
    validate.send().await.expect(200);
}
