//! The REQUEST authorizer of the HTTP API.

use mailbox_register::caller::{Assurance, Scope};
use serde_json::{Value, json};
use stories::{AGENCY, CITIZEN_SCOPES, OLA};

use crate::{event::event, house::House};

fn asked(authorization: &str) -> Value {
    event("authorizer", &[("authorization", json!(authorization))])
}

#[tokio::test]
async fn a_token_becomes_a_caller_and_a_false_one_nobody() {
    let house = House::new().await;
    let authorizer = house.start("authorizer").await;
    let (tokens, now) = (house.world.stack.tokens(), house.world.stack.clock().now());

    let token = tokens
        .citizen(OLA, Assurance::High, &[Scope::OwnContactRead.as_str()], now)
        .unwrap();
    assert_eq!(
        authorizer.invoke(&asked(&format!("Bearer {token}"))).await,
        json!({"isAuthorized": true, "context": {
            "caller": "citizen", "person": OLA, "assurance": "high", "scopes": Scope::OwnContactRead.as_str(),
        }})
    );
    let token = tokens
        .organisation(AGENCY, &[Scope::ContactRead.as_str()], now)
        .unwrap();
    assert_eq!(
        authorizer.invoke(&asked(&format!("Bearer {token}"))).await,
        json!({"isAuthorized": true, "context": {
            "caller": "organisation", "organisation": AGENCY, "scopes": Scope::ContactRead.as_str(),
        }})
    );
    let refused = json!({"isAuthorized": true, "context": {"caller": "refused", "refusal": "invalid-token"}});
    let forged = format!("Bearer {}x", token.rsplit_once('.').unwrap().0);
    for authorization in [forged.as_str(), "Bearer", "", "Basic b2xhOm9sYQ=="] {
        assert_eq!(
            authorizer.invoke(&asked(authorization)).await,
            refused,
            "{authorization}"
        );
    }
    let mut without = asked("");
    without["headers"].as_object_mut().unwrap().remove("authorization");
    assert_eq!(authorizer.invoke(&without).await, refused);
    assert!(!authorizer.log().contains(OLA), "{}", authorizer.log());
}

#[tokio::test]
async fn a_citizen_has_the_scopes_of_the_token() {
    let house = House::new().await;
    let scopes = CITIZEN_SCOPES.map(Scope::as_str);
    let now = house.world.stack.clock().now();
    let token = house
        .world
        .stack
        .tokens()
        .citizen(OLA, Assurance::Substantial, &scopes, now)
        .unwrap();
    let caller = house.caller(&token).await;
    let mut told: Vec<&str> = caller["scopes"].as_str().unwrap().split(' ').collect();
    let mut given = scopes.to_vec();
    told.sort_unstable();
    given.sort_unstable();
    assert_eq!((told, &caller["assurance"]), (given, &json!("substantial")));
}
