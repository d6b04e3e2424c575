//! What each scope shows, and what goes on record.

use std::collections::BTreeSet;

use mailbox_register::caller::Scope;
use serde_json::Value;
use stories::{AGENCY, World};

use crate::{KARI, UNKNOWN, give_certificate, look_up, with_scopes};

/// What is shown whatever the scope.
const ALWAYS: [&str; 3] = ["personidentifikator", "reservasjon", "status"];

#[tokio::test]
async fn a_scope_shows_what_it_names_and_no_more() {
    let world = World::new().await;
    give_certificate(&world, KARI, "kari.nordmann#7QRS").await;
    let today = ["varslingsstatus", "kontaktinformasjon", "spraak"];
    for (scopes, shown) in [
        (&["krr:global/kontaktinformasjon.read"][..], &today[..]),
        (&["krr:global/digitalpost.read"], &["digital_post", "sertifikat"]),
        (&["global/kontaktinformasjon.read"], &["kontaktinformasjon"]),
        (&["global/varslingsstatus.read"], &["varslingsstatus"]),
        (&["global/sikkerdigitalpost.read"], &["digital_post"]),
        (&["global/sertifikat.read"], &["sertifikat"]),
        (&["global/spraak.read"], &["spraak"]),
        (
            // As an access point asks for them.
            &[
                "global/navn.read",
                "global/sikkerdigitalpost.read",
                "global/sertifikat.read",
            ],
            &["digital_post", "sertifikat"],
        ),
    ] {
        let caller = with_scopes(&world, scopes);
        let answer = look_up(&caller, 2, &[KARI]).send().await.expect(200);
        let person = answer.body["personer"][0].as_object().unwrap();
        let fields: BTreeSet<_> = person.keys().map(String::as_str).collect();
        let expected: BTreeSet<_> = ALWAYS.iter().chain(shown).copied().collect();
        assert_eq!(fields, expected, "{scopes:?}");
    }
}

#[tokio::test]
async fn whoever_has_no_scope_for_look_ups_is_refused() {
    let world = World::new().await;
    for scopes in [
        &[][..],
        &["krr:global/hentendring.read"],
        &["global/navn.read", "global/postadresse.read"],
        &["krr:user/kontaktinformasjon.read"],
        &[
            "krr:krr:global/kontaktinformasjon.read",
            "xglobal/spraak.read",
            "global/spraak",
        ],
    ] {
        let caller = with_scopes(&world, scopes);
        let answer = look_up(&caller, 1, &[KARI]).send().await;
        answer.problem(403, "forbidden");
    }
    // The scopes of earlier years open this contract and no other.
    let earlier = with_scopes(&world, &["global/kontaktinformasjon.read"]);
    let body = serde_json::json!({ "persons": [KARI], "purpose": "Decision on a building permit" });
    earlier
        .post("/v1/lookups", &body)
        .send()
        .await
        .problem(403, "forbidden");
    assert_eq!(world.disclosures().await.count(), 0);
    // Where letters are printed concerns whoever sends some.
    for (scope, status) in [
        ("krr:global/kontaktinformasjon.read", 403),
        ("krr:global/digitalpost.read", 200),
        ("global/sertifikat.read", 200),
        ("global/varslingsstatus.read", 403),
    ] {
        let caller = with_scopes(&world, &[scope]);
        caller.get("/rest/v2/printSertifikat").send().await.expect(status);
    }
}

#[tokio::test]
async fn a_look_up_is_on_record_with_the_agencys_usual_purpose() {
    let world = World::new().await;
    look_up(&world.agency(), 1, &[KARI, UNKNOWN]).send().await.expect(200);
    let records = world.disclosures().await;
    let [record] = records.items() else {
        panic!("one look-up, one record")
    };
    let record: Value = serde_dynamo::from_item(record.clone()).unwrap();
    assert_eq!(record["organisation"], AGENCY);
    assert_eq!(record["purpose"], "Letters and notices to recipients");
    assert_eq!(record["persons"].as_array().unwrap().len(), 2);
    assert_eq!(record["fields"], serde_json::json!(["contact", "mailbox"]));
    assert!(!record.to_string().contains(KARI));
}

#[tokio::test]
async fn without_a_usual_purpose_the_record_says_that_none_was_named() {
    let world = World::new().await;
    let other = world.organisation("974760673", &[Scope::FormerNoticeRead]);
    look_up(&other, 2, &[KARI]).send().await.expect(200);
    let records = world.disclosures().await;
    let record: Value = serde_dynamo::from_item(records.items()[0].clone()).unwrap();
    assert_eq!(record["purpose"], "None named: a look-up by the existing contract");
    assert_eq!(record["fields"], serde_json::json!(["notice"]));
}

#[tokio::test]
async fn what_cannot_be_put_on_record_is_not_answered() {
    let world = World::with(local::stack::Options {
        frozen_at: Some(stories::start_of_time()),
        database_faults: true,
        ..local::stack::Options::default()
    })
    .await;
    let agency = world.agency();
    world
        .stack
        .client()
        .delete_table()
        .table_name("disclosures")
        .send()
        .await
        .unwrap();
    let answer = look_up(&agency, 2, &[KARI]).send().await;
    assert!(!answer.text.contains("kari@example.no"));
    assert!(answer.status.is_server_error());
}
