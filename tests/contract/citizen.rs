//! A citizen's own person.

use mailbox_register::caller::{Assurance, Scope};
use reqwest::Method;
use serde_json::{Value, json};
use stories::{Caller, OLA, Request, World};

use crate::{
    KARI,
    clients::{Person, read},
    look_up,
};

fn change<'a>(citizen: &Caller<'a>, body: &Value) -> Request<'a> {
    citizen.request(Method::PATCH, "/rest/v1/person").json(body)
}

#[tokio::test]
async fn a_citizen_changes_the_language_and_agencies_see_it() {
    let world = World::new().await;
    let kari = world.citizen(KARI);
    let changed = change(&kari, &json!({ "spraak": "en", "ukjent": 1 }))
        .send()
        .await
        .expect(200);
    let person: Person = read(&changed.body);
    assert_eq!(person.spraak.as_deref(), Some("en"));
    assert_eq!(person.spraak_oppdatert, Some(stories::start_of_time()));
    let again = change(&kari, &json!({ "spraak": "en" })).send().await.expect(200);
    assert_eq!(again.text, changed.text);
    assert_eq!(kari.get("/rest/v1/person").send().await.expect(200).text, changed.text);
    let seen = look_up(&world.agency(), 1, &[KARI]).send().await.expect(200);
    assert_eq!(seen.body["personer"][0], changed.body);
    // It is in the history like any other change, once.
    let history = kari.get("/v1/me/history").send().await.expect(200);
    assert_eq!(history.body["changes"].as_array().unwrap().len(), 5, "{}", history.body);
}

#[tokio::test]
async fn a_citizen_sees_what_the_applications_scopes_cover() {
    let world = World::new().await;
    for (scopes, shown, hidden) in [
        (&[][..], "reservasjon", "kontaktinformasjon"),
        (&[Scope::OwnContactRead], "kontaktinformasjon", "digital_post"),
        (&[Scope::OwnMailboxRead], "digital_post", "spraak"),
    ] {
        let kari = world.citizen_with(KARI, Assurance::Substantial, scopes);
        let person = kari.get("/rest/v1/person").send().await.expect(200);
        assert!(
            !person.body[shown].is_null() && person.body[hidden].is_null(),
            "{}",
            person.body
        );
        change(&kari, &json!({ "spraak": "se" }))
            .send()
            .await
            .problem(403, "forbidden");
    }
    let writer = world.citizen_with(KARI, Assurance::Substantial, &[Scope::OwnLanguageWrite]);
    let changed = change(&writer, &json!({ "spraak": "se" })).send().await.expect(200);
    assert!(changed.body["spraak"].is_null());
    let unsure = world.citizen_with(KARI, Assurance::Low, &[Scope::OwnContactRead]);
    unsure
        .get("/rest/v1/person")
        .send()
        .await
        .problem(403, "assurance-too-low");
}

#[tokio::test]
async fn a_language_that_is_none_is_refused_and_so_is_one_of_nobody() {
    let world = World::new().await;
    let kari = world.citizen(KARI);
    for (body, status, kind) in [
        (json!({ "spraak": "de" }), 422, "unknown-language"),
        (json!({ "spraak": null }), 400, "invalid-value"),
        (json!({ "sprak": "en" }), 400, "missing-field"),
    ] {
        let answer = change(&kari, &body).send().await.problem(status, kind);
        assert_eq!(answer.body["errors"][0]["pointer"], "/spraak");
        assert!(answer.body["detail"].is_string());
    }
    let ola = world.citizen(OLA);
    let unknown = ola.get("/rest/v1/person").send().await.expect(200);
    assert_eq!(unknown.body["status"], "IKKE_REGISTRERT");
    let refused = change(&ola, &json!({ "spraak": "en" })).send().await;
    refused.problem(422, "contact-required");
}
