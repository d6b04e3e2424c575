//! Each operation answers as the documentation shows it, byte for byte.

use reqwest::Method;
use serde_json::json;
use stories::{CITIZEN_SCOPES, World};

use crate::{ANNE, KARI, NILS, UNKNOWN, give_certificate, look_up};

/// The test persons were registered two months before the clock stands still.
const THEN: &str = "2026-01-02T09:00:00Z";

#[tokio::test]
async fn a_look_up_by_the_first_version_has_the_fields_that_were_always_there() {
    let world = World::new().await;
    let pem = give_certificate(&world, KARI, "kari.nordmann#7QRS").await;
    let answer = look_up(&world.agency(), 1, &[KARI]).send().await.expect(200);
    assert_eq!(answer.headers["content-type"], "application/json");
    assert_eq!(answer.headers["cache-control"], "no-store");
    let certificate = json!(pem);
    let expected = format!(
        r#"{{"personer":[{{"personidentifikator":"{KARI}","reservasjon":"NEI","status":"AKTIV","varslingsstatus":"KAN_VARSLES","kontaktinformasjon":{{"epostadresse":"kari@example.no","epostadresse_oppdatert":"{THEN}","epostadresse_sist_verifisert":"{THEN}","mobiltelefonnummer":"+46701740605","mobiltelefonnummer_oppdatert":"{THEN}","mobiltelefonnummer_sist_verifisert":"{THEN}"}},"digital_post":{{"postkasseadresse":"kari.nordmann#7QRS","postkasseleverandoeradresse":"984661185"}},"sertifikat":{certificate},"spraak":"nb"}}]}}"#
    );
    assert_eq!(answer.text, expected);
}

#[tokio::test]
async fn the_second_version_has_the_newer_fields_too() {
    let world = World::new().await;
    let answer = look_up(&world.agency(), 2, &[KARI, ANNE]).send().await.expect(200);
    let expected = format!(
        r#"{{"personer":[{{"personidentifikator":"{KARI}","reservasjon":"NEI","status":"AKTIV","varslingsstatus":"KAN_VARSLES","kontaktinformasjon":{{"epostadresse":"kari@example.no","epostadresse_oppdatert":"{THEN}","epostadresse_sist_verifisert":"{THEN}","epostadresse_sist_validert":"{THEN}","epostadresse_duplisert":"NEI","mobiltelefonnummer":"+46701740605","mobiltelefonnummer_oppdatert":"{THEN}","mobiltelefonnummer_sist_verifisert":"{THEN}","mobiltelefonnummer_sist_validert":"{THEN}","mobiltelefonnummer_duplisert":"NEI"}},"digital_post":{{"postkasseadresse":"kari.nordmann#7QRS","postkasseleverandoeradresse":"984661185"}},"spraak":"nb"}},{{"personidentifikator":"{ANNE}","reservasjon":"JA","reservasjonstidspunkt":"{THEN}","reservasjon_oppdatert":"{THEN}","status":"AKTIV","varslingsstatus":"KAN_IKKE_VARSLES","kontaktinformasjon":{{"epostadresse":"anne@example.no","epostadresse_oppdatert":"{THEN}","epostadresse_duplisert":"NEI","mobiltelefonnummer":"+46701740607","mobiltelefonnummer_oppdatert":"{THEN}","mobiltelefonnummer_duplisert":"NEI"}},"spraak":"nb"}}]}}"#
    );
    assert_eq!(answer.text, expected);
}

#[tokio::test]
async fn an_answer_has_as_many_persons_as_the_request_in_its_order_and_an_unknown_one_is_no_404() {
    let world = World::new().await;
    for version in [1, 2] {
        let asked = [UNKNOWN, KARI, NILS, UNKNOWN];
        let answer = look_up(&world.agency(), version, &asked).send().await.expect(200);
        let persons = answer.body["personer"].as_array().unwrap();
        assert_eq!(persons.len(), 4);
        for (person, asked) in persons.iter().zip(asked) {
            assert_eq!(person["personidentifikator"], asked);
        }
        let unknown = json!({
            "personidentifikator": UNKNOWN, "reservasjon": "NEI", "status": "IKKE_REGISTRERT",
            "varslingsstatus": "KAN_IKKE_VARSLES",
        });
        assert_eq!((&persons[0], &persons[3]), (&unknown, &unknown));
        // Nothing of a deleted person but that, and never why.
        let deleted = json!({
            "personidentifikator": NILS, "reservasjon": "NEI", "status": "SLETTET",
            "varslingsstatus": "KAN_IKKE_VARSLES",
        });
        assert_eq!(persons[2], deleted);
    }
}

#[tokio::test]
async fn a_thousand_persons_are_looked_up_at_once_and_one_more_are_too_many() {
    let world = World::new().await;
    let all: Vec<_> = local::persons::synthetic().take(1001).collect();
    let all: Vec<_> = all.iter().map(String::as_str).collect();
    let answer = look_up(&world.agency(), 2, &all[..1000]).send().await.expect(200);
    assert_eq!(answer.body["personer"].as_array().unwrap().len(), 1000);
    let refused = look_up(&world.agency(), 2, &all).send().await;
    refused.problem(400, "too-many-identifiers");
}

#[tokio::test]
async fn a_request_may_say_more_than_the_register_reads() {
    let world = World::new().await;
    let body = json!({ "personidentifikatorer": [KARI], "informasjonsbehov": ["Person"], "ny": { "a": null } });
    let request = world.agency().request(Method::POST, "/rest/v2/personer").json(&body);
    request.send().await.expect(200);
}

#[tokio::test]
async fn the_print_service_has_its_address_and_certificate() {
    let world = World::new().await;
    let answer = world.agency().get("/rest/v2/printSertifikat").send().await.expect(200);
    let fields: Vec<_> = answer.body.as_object().unwrap().keys().collect();
    assert_eq!(fields, ["postkasseleverandoerAdresse", "x509Sertifikat"]);
    assert_eq!(answer.body["postkasseleverandoerAdresse"], "984661185");
    let pem = answer.body["x509Sertifikat"].as_str().unwrap();
    assert!(pem.starts_with("-----BEGIN CERTIFICATE-----\n"), "{pem}");
}

#[tokio::test]
async fn a_citizen_reads_the_own_person() {
    let world = World::new().await;
    let kari = world.citizen_with(KARI, mailbox_register::caller::Assurance::Substantial, &CITIZEN_SCOPES);
    let answer = kari.get("/rest/v1/person").send().await.expect(200);
    let expected = format!(
        r#"{{"personidentifikator":"{KARI}","reservasjon":"NEI","status":"AKTIV","varslingsstatus":"KAN_VARSLES","kontaktinformasjon":{{"epostadresse":"kari@example.no","epostadresse_oppdatert":"{THEN}","epostadresse_sist_verifisert":"{THEN}","mobiltelefonnummer":"+46701740605","mobiltelefonnummer_oppdatert":"{THEN}","mobiltelefonnummer_sist_verifisert":"{THEN}"}},"digital_post":{{"postkasseadresse":"kari.nordmann#7QRS","postkasseleverandoeradresse":"984661185"}},"spraak":"nb"}}"#
    );
    assert_eq!(answer.text, expected);
}
