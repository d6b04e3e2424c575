//! Texts that are no person identifier.

use serde_json::{Value, json};
use stories::{EBOKS, OLA, World};

use crate::refusal::refused;

/// What is no identifier of this register's persons, `null` left out.
pub(crate) fn wrong_identifiers() -> Vec<Value> {
    let full_width: String = OLA
        .chars()
        .map(|digit| char::from_u32(digit as u32 + 0xFEE0).unwrap())
        .collect();
    let arabic: String = OLA
        .chars()
        .map(|digit| char::from_u32(digit as u32 + 0x630).unwrap())
        .collect();
    let mut wrong: Vec<Value> = [
        "",
        "2091469501",
        "209146950160",
        "2091469501a",
        "ABCDEFGHIJK",
        "+0914695016",
        " 20914695016",
        "20914695016 ",
        "209146 95016",
        "209146-95016",
        "20914695016\n",
        "20914695016\u{200b}",
        &full_width,
        &arabic,
        // Wrong check digits.
        "20914695017",
        "20914695026",
        "41804061033",
        "02013299987",
        // No such date.
        "41934063587",
        "41654061783",
        "41784061882",
        // Of the other population.
        "02013299903",
        "30108299939",
        "00000000000",
        "11111111111",
        "99999999999",
    ]
    .map(Value::from)
    .to_vec();
    wrong.extend([
        json!(20_914_695_016_u64),
        json!(20_914_695_016.0),
        json!(true),
        json!([OLA]),
        json!({ "person": OLA }),
    ]);
    wrong
}

#[tokio::test]
async fn what_is_no_identifier_is_refused_wherever_one_is_asked_for() {
    let world = World::new().await;
    let (provider, agency) = (world.provider(EBOKS), world.agency());
    for path in ["/v1/mailboxes", "/v1/mailboxes/eligibility", "/v1/mailboxes/close"] {
        let about = |person: Value| match path {
            "/v1/mailboxes" => json!({ "person": person, "address": "ola.nordmann#9YDT" }),
            _ => json!({ "person": person }),
        };
        for wrong in wrong_identifiers().into_iter().chain([Value::Null]) {
            let row = format!("{path}, {wrong}");
            let answer = provider.post(path, &about(wrong)).send().await;
            let answer = refused(&row, answer, 400, "invalid-identifier");
            let errors = json!([{ "pointer": "/person", "code": "invalid-identifier" }]);
            assert_eq!(answer.body["errors"], errors, "{row}");
        }
        let mut nobody = about(Value::Null);
        nobody.as_object_mut().unwrap().remove("person");
        refused(path, provider.post(path, &nobody).send().await, 400, "missing-field");
    }
    for wrong in wrong_identifiers().into_iter().chain([Value::Null]) {
        let list = json!({ "persons": [OLA, wrong, OLA], "purpose": "A permit" });
        let answer = agency.post("/v1/lookups", &list).send().await;
        let answer = refused(&wrong, answer, 400, "invalid-identifier");
        let errors = json!([{ "pointer": "/persons/1", "code": "invalid-identifier" }]);
        assert_eq!(answer.body["errors"], errors, "{wrong}");
    }
    let disclosures = world.disclosures().await;
    assert_eq!(disclosures.count(), 0);
}

#[tokio::test]
async fn a_list_of_one_to_a_thousand_persons_is_looked_up() {
    let world = World::new().await;
    let agency = world.agency();
    let lookup = |persons: Value| agency.post("/v1/lookups", &json!({ "persons": persons, "purpose": "A permit" }));
    for (persons, kind) in [
        (json!([]), "too-few-identifiers"),
        (json!(vec![OLA; 1001]), "too-many-identifiers"),
        (json!(vec!["x"; 1001]), "too-many-identifiers"),
        (json!(vec![Value::Null; 5000]), "too-many-identifiers"),
        (json!(OLA), "invalid-value"),
        (json!({ "0": OLA }), "invalid-value"),
        (Value::Null, "invalid-value"),
    ] {
        refused(kind, lookup(persons).send().await, 400, kind);
    }
    let no_list = agency.post("/v1/lookups", &json!({ "purpose": "A permit" }));
    refused("no list", no_list.send().await, 400, "missing-field");

    // A person who is asked for twice is answered twice, each in its place.
    let (kari, unknown) = ("22885399316", "02907740652");
    let twice = lookup(json!([kari, unknown, kari])).send().await.expect(200);
    let named: Vec<_> = twice.body["results"]
        .as_array()
        .unwrap()
        .iter()
        .map(|result| &result["person"])
        .collect();
    assert_eq!(named, [kari, unknown, kari]);
    assert_eq!(twice.body["results"][0], twice.body["results"][2]);
    let thousand = lookup(json!(vec![kari; 1000])).send().await.expect(200);
    assert_eq!(thousand.body["results"].as_array().unwrap().len(), 1000);
}
