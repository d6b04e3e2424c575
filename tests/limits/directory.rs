//! An organisation may have limits of its own, in the directory.

use aws_sdk_dynamodb::types::AttributeValue;
use jiff::ToSpan as _;
use local::database::table_name;
use serde_json::{Value, json};
use stories::{AGENCY, DIGIPOST, EBOKS, World};

use crate::scene::{OTHER_AGENCY, agency, limited, look_up_some, policy, unknown, wait};

/// Gives an entry of the directory limits of its own.
async fn give(world: &World, kind: &str, id: &str, limits: Value) {
    let text = |value: &str| AttributeValue::S(value.to_owned());
    let limits: AttributeValue = serde_dynamo::to_attribute_value(limits).unwrap();
    let update = world
        .stack
        .client()
        .update_item()
        .table_name(table_name("DirectoryTable"));
    update
        .key("kind", text(kind))
        .key("id", text(id))
        .update_expression("SET #limits = :limits")
        .expression_attribute_names("#limits", "limits")
        .expression_attribute_values(":limits", limits)
        .send()
        .await
        .unwrap();
}

#[tokio::test]
async fn an_agency_has_its_own_limits_within_a_minute_and_the_others_as_before() {
    let world = World::with(limited(10, 100, 100)).await;
    let answer = look_up_some(&agency(&world, AGENCY), 1).await.expect(200);
    assert_eq!(policy(&answer), [[10, 60], [100, 86_400]]);
    give(
        &world,
        "agency",
        AGENCY,
        json!({ "lookupsPerMinute": 500, "lookupsPerDay": 600 }),
    )
    .await;
    // What is known of the directory may be a minute old.
    world.pass(1.minute()).await;
    let answer = look_up_some(&agency(&world, AGENCY), 500).await.expect(200);
    assert_eq!(policy(&answer), [[500, 60], [600, 86_400]]);
    let other = look_up_some(&agency(&world, OTHER_AGENCY), 1).await.expect(200);
    assert_eq!(policy(&other), [[10, 60], [100, 86_400]]);
    wait(look_up_some(&agency(&world, AGENCY), 1).await, "rate-limited");

    // One of them alone: the others are as for all.
    give(&world, "agency", AGENCY, json!({ "missPercent": 10 })).await;
    world.pass(1.minute()).await;
    let answer = look_up_some(&agency(&world, AGENCY), 10).await;
    assert_eq!(policy(&answer), [[10, 60], [100, 86_400]]);
    wait(answer, "rate-limited");
}

#[tokio::test]
async fn a_provider_has_its_own_limits() {
    let world = World::with(limited(2, 100, 100)).await;
    give(&world, "provider", "e-boks", json!({ "lookupsPerMinute": 4 })).await;
    let numbers = unknown(5);
    let ask = async |organisation: &str, person: &str| {
        let provider = world.provider(organisation);
        let question = provider.post("/v1/mailboxes/eligibility", &json!({ "person": person }));
        question.send().await
    };
    for person in &numbers[..4] {
        ask(EBOKS, person).await.expect(200);
    }
    wait(ask(EBOKS, &numbers[4]).await, "rate-limited");
    for person in &numbers[..2] {
        ask(DIGIPOST, person).await.expect(200);
    }
    wait(ask(DIGIPOST, &numbers[2]).await, "rate-limited");
}

#[tokio::test]
async fn a_provider_that_tidies_up_may_have_leave_to_err() {
    let world = World::with(limited(10, 100, 50)).await;
    give(&world, "provider", "e-boks", json!({ "missPercent": 100 })).await;
    let provider = world.provider(EBOKS);
    for person in unknown(310) {
        let close = provider.post("/v1/mailboxes/close", &json!({ "person": person }));
        close.send().await.problem(404, "mailbox-not-found");
    }
    world.pass(1.minute()).await;
    let mailbox = json!({ "person": unknown(1)[0], "address": "somebody#9YDT" });
    provider.post("/v1/mailboxes", &mailbox).send().await.expect(201);
}
