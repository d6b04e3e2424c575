//! Refusals: problems with what clients of the contract read of one.

use reqwest::Method;
use serde_json::{Value, json};
use stories::World;

use crate::{KARI, look_up};

#[tokio::test]
async fn what_is_wrong_with_a_request_is_said_with_type_and_detail() {
    let world = World::new().await;
    let agency = world.agency();
    let post = |body: &Value| agency.request(Method::POST, "/rest/v2/personer").json(body);
    let plain = agency.request(Method::POST, "/rest/v2/personer");
    for (request, status, kind) in [
        (look_up(&agency, 1, &[KARI, "22885399317"]), 400, "invalid-identifier"),
        (look_up(&agency, 2, &["\0"]), 400, "invalid-identifier"),
        (look_up(&agency, 2, &[]), 400, "too-few-identifiers"),
        (post(&json!({})), 400, "missing-field"),
        (post(&json!({ "personidentifikatorer": KARI })), 400, "invalid-value"),
        (plain.clone().json(&json!([KARI])), 400, "malformed-json"),
        (plain.clone().bytes("{}"), 415, "unsupported-media-type"),
        (agency.get("/rest/v2/personer"), 405, "method-not-allowed"),
        (agency.get("/rest/v3/personer"), 404, "not-found"),
        (look_up(&world.nobody(), 2, &[KARI]), 401, "invalid-token"),
        (look_up(&world.citizen(KARI), 2, &[KARI]), 401, "invalid-token"),
        (agency.get("/rest/v1/person"), 401, "invalid-token"),
    ] {
        let answer = request.send().await.problem(status, kind);
        assert_eq!(answer.body["detail"], answer.body["title"], "{kind}");
        assert!(answer.body["detail"].as_str().is_some_and(|detail| !detail.is_empty()));
    }
    assert_eq!(world.disclosures().await.count(), 0);
}

#[tokio::test]
async fn every_wrong_identifier_is_named_by_its_place_and_none_is_repeated() {
    let world = World::new().await;
    let request = look_up(&world.agency(), 2, &["22885399317", KARI, "nobody"]);
    let answer = request.send().await.problem(400, "invalid-identifier");
    let wrong = |at| json!({ "pointer": format!("/personidentifikatorer/{at}"), "code": "invalid-identifier" });
    assert_eq!(answer.body["errors"], json!([wrong(0), wrong(2)]));
    assert!(!answer.text.contains("22885399317") && !answer.text.contains("nobody"));
}
