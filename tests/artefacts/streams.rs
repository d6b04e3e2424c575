//! Tables' streams.

use mailbox_register::caller::Scope;
use serde_json::json;
use stories::OLA;

use crate::{
    event::event,
    house::{House, KARI, UNREADABLE_RECORD},
};

#[tokio::test]
async fn dispatch_queues_a_notice_and_names_the_record_it_cannot_read() {
    let house = House::new().await;
    let citizen = house.world.citizen(OLA);
    citizen
        .put("/v1/me/contact", &json!({"mobile": "+46701740699"}))
        .send()
        .await
        .expect(200);
    let [record] = house.records("NoticesTable").try_into().unwrap();
    let notice = record["dynamodb"]["Keys"]["id"]["S"].clone();

    let dispatch = house.start("dispatch").await;
    let answer = dispatch
        .invoke(&event("stream", &[("record", record), ("table", json!("notices"))]))
        .await;
    assert_eq!(
        answer,
        json!({"batchItemFailures": [{"itemIdentifier": UNREADABLE_RECORD}]})
    );
    let queued = house.messages("SmsQueue").await;
    assert_eq!(queued, [json!({ "notice": notice }).to_string()]);
}

#[tokio::test]
async fn disclosures_copies_a_record_and_names_the_one_it_cannot_read() {
    let house = House::new().await;
    let body = json!({"persons": [KARI], "purpose": "Decision on a building permit"});
    house.world.agency().post("/v1/lookups", &body).send().await.expect(200);
    let [record] = house.records("DisclosuresTable").try_into().unwrap();

    let disclosures = house.start("disclosures").await;
    let event = event("stream", &[("record", record), ("table", json!("disclosures"))]);
    let failed = json!({"batchItemFailures": [{"itemIdentifier": UNREADABLE_RECORD}]});
    assert_eq!(disclosures.invoke(&event).await, failed);
    // It may come again.
    assert_eq!(disclosures.invoke(&event).await, failed);
    let seen = house
        .world
        .citizen(KARI)
        .get("/v1/me/disclosures")
        .send()
        .await
        .expect(200);
    let seen = seen.body["disclosures"].as_array().unwrap();
    assert_eq!(seen.len(), 1);
    assert_eq!(seen[0]["purpose"], "Decision on a building permit");
}

#[tokio::test]
async fn a_batch_that_is_handled_has_no_failures() {
    let house = House::new().await;
    let citizen = house.world.citizen(OLA);
    citizen
        .put("/v1/me/contact", &json!({"mobile": "+46701740699"}))
        .send()
        .await
        .expect(200);
    let dispatch = house.start("dispatch").await;
    for table in ["NoticesTable", "ChangesTable"] {
        let event = json!({ "Records": house.records(table) });
        assert_eq!(
            dispatch.invoke(&event).await,
            json!({"batchItemFailures": []}),
            "{table}"
        );
    }
    let changes = house
        .agency_with(Scope::ChangesRead)
        .get("/v1/changes?limit=1000")
        .send()
        .await
        .expect(200);
    let persons = changes.body["changes"]
        .as_array()
        .unwrap()
        .iter()
        .map(|change| &change["person"]["person"]);
    assert_eq!(
        persons.filter(|person| **person == json!(OLA)).count(),
        1,
        "{}",
        changes.body
    );
}
