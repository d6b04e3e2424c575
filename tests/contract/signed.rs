//! Signed answers: the same bytes, and a signature that the published key verifies.

use base64::{Engine as _, prelude::BASE64_URL_SAFE_NO_PAD};
use infra_aws::signatures::Signatures;
use infra_edge::{
    krr::{Format, respond},
    problem::Kind,
};
use jsonwebtoken::{Algorithm, DecodingKey, Validation, decode, decode_header, jwk::JwkSet};
use serde_json::Value;
use stories::{Answer, Request, World};

use crate::{ANNE, KARI, NILS, UNKNOWN, look_up};

async fn key_set(world: &World) -> JwkSet {
    let answer = world.nobody().get("/.well-known/jwks.json").send().await.expect(200);
    serde_json::from_value(answer.body).unwrap()
}

fn validation() -> Validation {
    let mut validation = Validation::new(Algorithm::RS256);
    validation.required_spec_claims.clear();
    validation.validate_exp = false;
    validation.validate_aud = false;
    validation
}

/// The payload, once the published key has verified it.
#[track_caller]
fn payload(keys: &JwkSet, answer: &Answer) -> Vec<u8> {
    assert_eq!(answer.headers["content-type"], "application/jose");
    let header = decode_header(&answer.text).unwrap();
    assert_eq!(header.alg, Algorithm::RS256);
    let key = keys.find(&header.kid.unwrap()).expect("a published key");
    let key = DecodingKey::from_jwk(key).unwrap();
    decode::<Value>(&answer.text, &key, &validation()).unwrap();
    let payload = answer.text.split('.').nth(1).unwrap();
    BASE64_URL_SAFE_NO_PAD.decode(payload).unwrap()
}

fn accepting<'a>(request: &Request<'a>, accept: &str) -> Request<'a> {
    request.clone().header("accept", accept)
}

#[tokio::test]
async fn a_signed_answer_is_the_plain_one_with_a_signature() {
    let world = World::new().await;
    let keys = key_set(&world).await;
    let agency = world.agency();
    let citizen = world.citizen(KARI);
    let patch = citizen
        .request(reqwest::Method::PATCH, "/rest/v1/person")
        .json(&serde_json::json!({ "spraak": "nn" }));
    let requests = [
        look_up(&agency, 1, &[KARI, ANNE, NILS, UNKNOWN]),
        look_up(&agency, 2, &[KARI, ANNE, NILS, UNKNOWN]),
        agency.get("/rest/v2/printSertifikat"),
        citizen.get("/rest/v1/person"),
        patch,
    ];
    for request in requests {
        let plain = request.send().await.expect(200);
        let signed = accepting(&request, "application/jose").send().await.expect(200);
        assert_eq!(payload(&keys, &signed), plain.text.as_bytes());
        assert_eq!(signed.headers["cache-control"], "no-store");
    }
}

#[tokio::test]
async fn one_answer_is_one_signature_however_many_persons() {
    let world = World::new().await;
    let agency = world.agency();
    look_up(&agency, 2, &[KARI]).send().await.expect(200);
    assert_eq!(world.stack.kms().calls("Sign"), 0);
    for _ in 0..3 {
        let many = accepting(&look_up(&agency, 2, &[KARI; 100]), "application/jose");
        many.send().await.expect(200);
    }
    key_set(&world).await;
    let kms = world.stack.kms();
    assert_eq!((kms.calls("Sign"), kms.calls("GetPublicKey")), (3, 1));
}

#[tokio::test]
async fn an_altered_answer_does_not_verify() {
    let world = World::new().await;
    let keys = key_set(&world).await;
    let request = accepting(&look_up(&world.agency(), 2, &[KARI]), "application/jose");
    let answer = request.send().await.expect(200);
    let key = DecodingKey::from_jwk(&keys.keys[0]).unwrap();
    let mut parts: Vec<_> = answer.text.split('.').collect();
    let other = BASE64_URL_SAFE_NO_PAD.encode(r#"{"personer":[]}"#);
    parts[1] = &other;
    assert!(decode::<Value>(parts.join("."), &key, &validation()).is_err());
}

#[tokio::test]
async fn accept_decides_and_problems_are_never_signed() {
    let world = World::new().await;
    let agency = world.agency();
    let request = look_up(&agency, 2, &[KARI]);
    for (accept, media) in [
        ("application/jose", "application/jose"),
        ("application/jose, application/json;q=0.5", "application/jose"),
        ("application/jose, */*", "application/jose"),
        ("application/json, application/jose;q=0.9", "application/json"),
        ("application/json", "application/json"),
        ("*/*", "application/json"),
        ("application/*", "application/json"),
    ] {
        let answer = accepting(&request, accept).send().await.expect(200);
        assert_eq!(answer.headers["content-type"], media, "{accept}");
    }
    for accept in ["text/xml", "application/jose;q=0", "application/xml, text/html"] {
        let answer = accepting(&request, accept).send().await;
        answer.problem(406, "not-acceptable");
    }
    let wrong = accepting(&look_up(&agency, 2, &["x"]), "application/jose");
    wrong.send().await.problem(400, "invalid-identifier");
    // No other route is written that way.
    let own = agency.post(
        "/v1/lookups",
        &serde_json::json!({ "persons": [KARI], "purpose": "Decision on a building permit" }),
    );
    accepting(&own, "application/jose")
        .send()
        .await
        .problem(406, "not-acceptable");
}

#[tokio::test]
async fn what_is_longer_than_a_function_can_answer_is_refused_once_signed() {
    let world = World::new().await;
    let signatures = Signatures::new(world.stack.kms().client(), "SigningKey".to_owned());
    let long = "x".repeat(4_600_000);
    assert!(respond(Format::Json, &long, &signatures).await.is_ok());
    let refused = respond(Format::Jose, &long, &signatures).await.unwrap_err();
    assert_eq!(refused.kind(), Kind::AnswerTooLarge);
    // A thousand persons with certificates of 2048-bit keys.
    let usual = "x".repeat(1000 * (1800 + 1000));
    assert!(respond(Format::Jose, &usual, &signatures).await.is_ok());
}

#[tokio::test]
async fn while_nothing_can_be_signed_plain_answers_go_on() {
    let world = World::new().await;
    world.stack.kms().set_down(true);
    let request = look_up(&world.agency(), 2, &[KARI]);
    let refused = accepting(&request, "application/jose").send().await;
    assert!(refused.headers.contains_key("retry-after"));
    refused.problem(503, "unavailable");
    world
        .nobody()
        .get("/.well-known/jwks.json")
        .send()
        .await
        .problem(503, "unavailable");
    request.send().await.expect(200);
    world.stack.kms().set_down(false);
    accepting(&request, "application/jose").send().await.expect(200);
}
