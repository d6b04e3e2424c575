//! Clients read the test persons, in every state there is, and what they read is what the register's own contract says.

use local::persons::PERSONS;
use serde_json::{Value, json};
use stories::World;

use crate::{
    KARI,
    clients::{Notice, Person, Persons, PrintCertificate, Status, YesOrNo, read},
    give_certificate, look_up,
};

async fn both(world: &World, of: &[&str], version: u8) -> (Vec<Person>, Vec<Value>) {
    let agency = world.agency();
    let answer = look_up(&agency, version, of).send().await.expect(200);
    let Persons { personer } = read(&answer.body);
    let body = json!({ "persons": of, "purpose": "To compare both contracts" });
    let other = agency.post("/v1/lookups", &body).send().await.expect(200);
    let results = other.body["results"].as_array().unwrap().clone();
    assert_eq!(personer.len(), results.len());
    (personer, results)
}

#[tokio::test]
async fn every_test_person_reads_the_same_by_both_contracts() {
    let world = World::new().await;
    give_certificate(&world, KARI, "kari.nordmann#7QRS").await;
    let numbers = PERSONS.map(|person| person.person);
    for version in [1, 2] {
        let is_newer = version == 2;
        let (persons, results) = both(&world, &numbers, version).await;
        for (person, result) in persons.iter().zip(&results) {
            let yes_or_no = |yes: &Value| if yes == true { YesOrNo::Yes } else { YesOrNo::No };
            assert_eq!(person.personidentifikator, result["person"]);
            assert_eq!(person.reservasjon, yes_or_no(&result["reserved"]));
            assert_eq!(
                person.reservasjonstidspunkt.is_some(),
                is_newer && result["reserved"] == true
            );
            assert_eq!(person.reservasjon_oppdatert, person.reservasjonstidspunkt);
            assert_eq!(
                person.status,
                match result["status"].as_str().unwrap() {
                    "registered" => Status::Active,
                    "deleted" => Status::Deleted,
                    _ => Status::Unknown,
                }
            );
            let notice = if result["canBeNotified"] == true {
                Notice::Possible
            } else {
                Notice::Impossible
            };
            assert_eq!(person.varslingsstatus, notice);
            assert_eq!(person.spraak.is_some(), person.status == Status::Active);
            assert_eq!(json!(person.spraak), result["language"]);
            compare_contact(person, result, is_newer);
            let post = person.digital_post.as_ref();
            assert_eq!(
                json!(post.map(|post| &post.postkasseadresse)),
                result["mailbox"]["address"]
            );
            let organisation = json!(post.map(|post| &post.postkasseleverandoeradresse));
            assert_eq!(organisation, result["mailbox"]["organisation"]);
            assert_eq!(json!(person.sertifikat), result["mailbox"]["certificate"]);
        }
        let with_certificate = persons.iter().filter(|person| person.sertifikat.is_some());
        assert_eq!(with_certificate.count(), 1);
    }
}

fn compare_contact(person: &Person, result: &Value, is_newer: bool) {
    let (email, mobile) = (&result["email"], &result["mobile"]);
    let Some(contact) = &person.kontaktinformasjon else {
        assert!(email.is_null() && mobile.is_null());
        return;
    };
    let of_version = |value: &Value| if is_newer { value.clone() } else { Value::Null };
    assert_eq!(json!(contact.epostadresse), email["address"]);
    assert_eq!(json!(contact.epostadresse_oppdatert), email["updatedAt"]);
    assert_eq!(json!(contact.epostadresse_sist_verifisert), email["verifiedAt"]);
    assert_eq!(
        json!(contact.epostadresse_sist_validert),
        of_version(&email["validatedAt"])
    );
    assert_eq!(json!(contact.mobiltelefonnummer), mobile["number"]);
    assert_eq!(json!(contact.mobiltelefonnummer_oppdatert), mobile["updatedAt"]);
    assert_eq!(json!(contact.mobiltelefonnummer_sist_verifisert), mobile["verifiedAt"]);
    assert_eq!(
        json!(contact.mobiltelefonnummer_sist_validert),
        of_version(&mobile["validatedAt"])
    );
    let shared = |flag: Option<YesOrNo>| flag.map(|flag| flag == YesOrNo::Yes);
    assert_eq!(
        json!(shared(contact.epostadresse_duplisert)),
        of_version(&email["shared"])
    );
    assert_eq!(
        json!(shared(contact.mobiltelefonnummer_duplisert)),
        of_version(&mobile["shared"])
    );
}

#[tokio::test]
async fn a_stale_or_reserved_person_keeps_the_data_and_cannot_be_given_notice() {
    let world = World::new().await;
    for (state, has_details) in [
        ("stale", true),
        ("reserved", true),
        ("deleted", false),
        ("unknown", false),
        ("mailbox-only", false),
    ] {
        let person = PERSONS.iter().find(|person| person.state == state).unwrap().person;
        let (persons, _) = both(&world, &[person], 2).await;
        assert_eq!(persons[0].varslingsstatus, Notice::Impossible, "{state}");
        assert_eq!(persons[0].kontaktinformasjon.is_some(), has_details, "{state}");
    }
    // One fresh channel is enough, and so is one that works.
    for state in ["half-stale", "undeliverable-mobile", "complete", "only-email"] {
        let person = PERSONS.iter().find(|person| person.state == state).unwrap().person;
        let (persons, _) = both(&world, &[person], 1).await;
        assert_eq!(persons[0].varslingsstatus, Notice::Possible, "{state}");
    }
}

#[tokio::test]
async fn shared_numbers_are_flagged_and_a_mailbox_goes_by_its_providers_number_of_today() {
    let world = World::new().await;
    let (persons, _) = both(&world, &["27904797001", "08918059610", "13527248013"], 2).await;
    for person in &persons[..2] {
        let contact = person.kontaktinformasjon.as_ref().unwrap();
        assert_eq!(contact.mobiltelefonnummer_duplisert, Some(YesOrNo::Yes));
        assert_eq!(contact.epostadresse_duplisert, Some(YesOrNo::No));
    }
    let post = persons[2].digital_post.as_ref().unwrap();
    assert_eq!(post.postkasseleverandoeradresse, stories::EBOKS);
}

#[tokio::test]
async fn an_access_point_reads_the_print_service() {
    let world = World::new().await;
    let answer = world.agency().get("/rest/v2/printSertifikat").send().await.expect(200);
    let print: PrintCertificate = read(&answer.body);
    assert_eq!(print.postkasseleverandoer_adresse, "984661185");
    assert!(print.x509_sertifikat.ends_with("-----END CERTIFICATE-----\n"));
}
