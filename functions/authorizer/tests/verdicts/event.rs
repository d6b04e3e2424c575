//! API Gateway's event in, its simple response out.

use authorizer::handle;
use serde_json::{Value, json};

use crate::{
    signer::{ID_PORTEN, MASKINPORTEN},
    world::World,
};

/// A REQUEST authorizer's event in payload format 2.0, as API Gateway documents it.
fn event(headers: &Value) -> Value {
    json!({
        "version": "2.0",
        "type": "REQUEST",
        "routeArn": "arn:aws:execute-api:eu-north-1:123456789012:abcdef123/$default/GET/v1/me",
        "identitySource": null,
        "routeKey": "ANY /v1/me",
        "rawPath": "/v1/me",
        "rawQueryString": "",
        "headers": headers,
        "requestContext": {
            "accountId": "123456789012",
            "apiId": "abcdef123",
            "domainName": "abcdef123.execute-api.eu-north-1.amazonaws.com",
            "domainPrefix": "abcdef123",
            "http": {
                "method": "GET",
                "path": "/v1/me",
                "protocol": "HTTP/1.1",
                "sourceIp": "192.0.2.1",
                "userAgent": "agent"
            },
            "requestId": "id",
            "routeKey": "ANY /v1/me",
            "stage": "$default",
            "time": "01/Jun/2026:12:00:00 +0000",
            "timeEpoch": 1_780_315_200_000_i64
        }
    })
}

async fn answer(world: &World, headers: &Value) -> Value {
    let event = serde_json::from_value(event(headers)).unwrap();
    serde_json::to_value(handle(&world.authorizer, event).await).unwrap()
}

#[tokio::test]
async fn callers_stand_flat_in_the_context() {
    let world = World::new().await;
    let token = ID_PORTEN.token(&ID_PORTEN.header(), &world.citizen());
    assert_eq!(
        answer(
            &world,
            &json!({"authorization": format!("Bearer {token}"), "accept": "*/*"})
        )
        .await,
        json!({"isAuthorized": true, "context": {
            "caller": "citizen", "person": "20914695016", "assurance": "high",
            "scopes": "krr:user/kontaktinformasjon.read",
        }})
    );
    let token = MASKINPORTEN.token(&MASKINPORTEN.header(), &world.organisation());
    assert_eq!(
        answer(&world, &json!({"Authorization": format!("Bearer {token}")})).await,
        json!({"isAuthorized": true, "context": {
            "caller": "organisation", "organisation": "991825827", "scopes": "krr:global/digitalpost.read",
        }})
    );
}

#[tokio::test]
async fn refusals_stand_in_the_context_too() {
    let world = World::new().await;
    let token = ID_PORTEN.token(&ID_PORTEN.header(), &world.citizen());
    let invalid = json!({"isAuthorized": true, "context": {"caller": "refused", "refusal": "invalid-token"}});
    for headers in [
        json!({}),
        json!({"authorization": ""}),
        json!({"authorization": "Bearer ½"}),
        json!({"authorization": format!("Bearer {token},Bearer {token}")}),
        json!({"authorization": [format!("Bearer {token}"), format!("Bearer {token}")]}),
        json!({"x-authorization": format!("Bearer {token}"), "cookie": format!("Bearer {token}")}),
    ] {
        assert_eq!(answer(&world, &headers).await, invalid, "{headers}");
    }
    world.maskinporten.answers(crate::key_server::Answer::Broken);
    let token = MASKINPORTEN.token(&MASKINPORTEN.header(), &world.organisation());
    assert_eq!(
        answer(&world, &json!({"authorization": format!("Bearer {token}")})).await,
        json!({"isAuthorized": true, "context": {"caller": "refused", "refusal": "unavailable"}})
    );
}
