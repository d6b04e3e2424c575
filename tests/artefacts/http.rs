//! The HTTP API.

use mailbox_register::caller::{Assurance, Scope};
use serde_json::{Value, json};
use stories::{AGENCY, CITIZEN_SCOPES, OLA};

use crate::house::{House, KARI, RESERVED, UNKNOWN, body, request};

impl House {
    async fn citizen(&self, person: &str) -> Value {
        let now = self.world.stack.clock().now();
        let scopes = CITIZEN_SCOPES.map(Scope::as_str);
        let token = self.world.stack.tokens().citizen(person, Assurance::High, &scopes, now);
        self.caller(&token.unwrap()).await
    }

    async fn agency(&self, scopes: &[Scope]) -> Value {
        let now = self.world.stack.clock().now();
        let scopes: Vec<&str> = scopes.iter().map(|scope| scope.as_str()).collect();
        let token = self.world.stack.tokens().organisation(AGENCY, &scopes, now);
        self.caller(&token.unwrap()).await
    }
}

#[tokio::test]
async fn a_citizen_sets_contact_details_and_reads_them() {
    let house = House::new().await;
    let citizen = house.citizen(OLA).await;
    let register = house.start("register").await;
    let contact = json!({"mobile": "+46701740699", "language": "en"});
    let set = register
        .invoke(&request("PUT", "/v1/me/contact", &citizen, &contact))
        .await;
    let own = json!({"content-type": "application/json", "etag": "\"1\""});
    assert_eq!(set, answer(200, &own, &set["body"]));
    let read = register.invoke(&request("GET", "/v1/me", &citizen, &Value::Null)).await;
    assert_eq!(body(&read), body(&set));
    assert_eq!(body(&read)["mobile"]["number"], "+46701740699");
    // The stack's own functions know the person by the same key: the built one has unwrapped the same secret.
    let seen = house.world.citizen(OLA).get("/v1/me").send().await.expect(200);
    assert_eq!(seen.body, body(&read));
    assert!(
        !register.log().contains(OLA) && !register.log().contains("+46701740699"),
        "{}",
        register.log()
    );
}

#[tokio::test]
async fn an_agency_looks_persons_up_and_it_is_on_record() {
    let house = House::new().await;
    let agency = house.agency(&[Scope::ContactRead, Scope::MailboxRead]).await;
    let lookup = house.start("lookup").await;
    let asked = json!({"persons": [UNKNOWN, KARI, RESERVED], "purpose": "Decision on a building permit"});
    let answer = lookup.invoke(&request("POST", "/v1/lookups", &agency, &asked)).await;
    assert_eq!(answer["statusCode"], 200, "{answer}");
    let results = &body(&answer)["results"];
    assert_eq!(
        results[0],
        json!({"person": UNKNOWN, "status": "not-registered", "reserved": false, "canBeNotified": false})
    );
    assert_eq!(results[1]["mailbox"]["address"], "kari.nordmann#7QRS");
    assert_eq!(
        (&results[2]["person"], &results[2]["reserved"]),
        (&json!(RESERVED), &json!(true))
    );
    assert_eq!(house.world.disclosures().await.count, 1);
}

#[tokio::test]
async fn an_agency_announces_a_letter() {
    let house = House::new().await;
    let agency = house.agency(&[Scope::LettersWrite]).await;
    let letters = house.start("letters").await;
    let letter = json!({
        "person": KARI, "reference": "case-1", "legalNotice": true, "remind": false,
        "sender": {"organisation": AGENCY, "sector": "public", "nameMayBeShown": true},
    });
    let announced = request("POST", "/v1/letters", &agency, &letter);
    let answer = letters.invoke(&announced).await;
    assert_eq!(answer["statusCode"], 202, "{answer}");
    let notices = &body(&answer)["notices"];
    assert_eq!(
        (notices.as_array().unwrap().len(), &notices[0]["channel"]),
        (1, &json!("sms"))
    );
    // The same request under the same key gets the same answer.
    assert_eq!(body(&letters.invoke(&announced).await), body(&answer));
    assert_eq!(house.records("LettersTable").len(), 1);
}

#[tokio::test]
async fn an_agency_asks_where_to_upload_a_file() {
    let house = House::new().await;
    let agency = house.agency(&[Scope::Batches]).await;
    let batches = house.start("batches").await;
    let asked = request("POST", "/v1/batches", &agency, &json!({"name": "tax.csv"}));
    let answer = batches.invoke(&asked).await;
    assert_eq!(answer["statusCode"], 201, "{answer}");
    let upload = body(&answer)["upload"]["url"].as_str().unwrap().to_owned();
    assert!(upload.starts_with(house.world.stack.buckets().url()), "{upload}");
}

#[tokio::test]
async fn whoever_is_refused_gets_a_problem() {
    let house = House::new().await;
    let nobody = json!({"caller": "refused", "refusal": "invalid-token"});
    for (function, method, path) in [
        ("register", "GET", "/v1/me"),
        ("lookup", "POST", "/v1/lookups"),
        ("letters", "POST", "/v1/letters"),
        ("batches", "POST", "/v1/batches"),
    ] {
        let function = house.start(function).await;
        let refused = function.invoke(&request(method, path, &nobody, &json!({}))).await;
        let own = json!({
            "content-type": "application/problem+json", "www-authenticate": "Bearer error=\"invalid_token\"",
        });
        assert_eq!(refused, answer(401, &own, &refused["body"]));
        assert_eq!(
            body(&refused),
            json!({
                "type": "urn:problem-type:invalid-token", "title": "A valid access token is needed.", "status": 401,
                "fault": "caller", "retryable": false,
            })
        );
    }
}

/// A whole answer to the HTTP API: the headers that every answer has, and its own.
fn answer(status: u16, own: &Value, body: &Value) -> Value {
    let length = body.as_str().map_or(0, str::len).to_string();
    let mut headers = json!({
        "cache-control": "no-store",
        "content-length": length,
        "x-content-type-options": "nosniff",
        "x-request-id": "JKJaXmPLvHcESHA=",
    });
    headers
        .as_object_mut()
        .unwrap()
        .extend(own.as_object().unwrap().clone());
    json!({
        "statusCode": status, "headers": headers, "multiValueHeaders": {}, "body": body, "isBase64Encoded": false, "cookies": [],
    })
}
