//! What citizens, agencies and providers see, before, during and after.

use local::persons::PERSONS;
use mailbox_register::caller::Scope;
use serde_json::{Value, json};
use stories::{DIGIPOST, EBOKS, World};

use crate::scene::{ALL_CHANGES, House, KARI, Step, assert_all_moved, changes, history, look_up};

/// All that anybody may see of the test persons.
#[derive(Debug, PartialEq)]
struct Sight {
    found: Vec<Value>,
    found_as_before: Value,
    entries: Vec<(Value, Option<String>)>,
    histories: Vec<Vec<Value>>,
    feed: Vec<Value>,
    standings: Vec<Value>,
    eligibility: Vec<Value>,
}

async fn see(world: &World) -> Sight {
    let persons: Vec<&str> = PERSONS.iter().map(|person| person.person).collect();
    let found = look_up(world, &persons, "For a decision").await;
    let former = json!({ "personidentifikatorer": persons });
    let former = world
        .agency()
        .post("/rest/v2/personer", &former)
        .send()
        .await
        .expect(200);
    let mut entries = Vec::new();
    let mut histories = Vec::new();
    let mut eligibility = Vec::new();
    for person in &persons {
        let entry = world.citizen(person).get("/v1/me").send().await.expect(200);
        let etag = entry.headers.get("etag").map(|etag| etag.to_str().unwrap().to_owned());
        entries.push((entry.body, etag));
        let whole = history(world, person, 100).await;
        for limit in [1, 2, 3] {
            assert_eq!(history(world, person, limit).await, whole, "{limit}");
        }
        histories.push(whole);
        let about = json!({ "person": person });
        let answer = world.provider(EBOKS).post("/v1/mailboxes/eligibility", &about);
        eligibility.push(answer.send().await.expect(200).body);
    }
    let mut standings = Vec::new();
    for provider in [DIGIPOST, EBOKS] {
        let provider = world.organisation(provider, &[Scope::ChangesRead]);
        let page = provider.get("/v1/changes?after=0&limit=1000").send().await.expect(200);
        standings.push(page.body);
    }
    Sight {
        found,
        found_as_before: former.body,
        entries,
        histories,
        feed: changes(world, &ALL_CHANGES, false).await,
        standings,
        eligibility,
    }
}

#[tokio::test]
async fn nothing_that_anybody_sees_is_other_than_before() {
    let house = House::new().await;
    let before = see(&house.world).await;
    assert!(before.found.iter().any(|person| person["mobile"]["shared"] == true));
    assert!(before.feed.len() > PERSONS.len());
    let outbox = house.world.outbox().await.len();

    let house = house.deploy(Step::Known).await;
    assert_eq!(see(&house.world).await, before, "the next secret is known");
    let house = house.deploy(Step::Switched).await;
    assert_eq!(see(&house.world).await, before, "nobody is moved");
    let house = house.rekeyed().await;
    assert_eq!(see(&house.world).await, before, "everybody is moved");
    assert_all_moved(&house.world.stack).await;
    // Whoever goes back finds everybody still.
    let house = house.deploy(Step::Known).await;
    assert_eq!(see(&house.world).await, before, "a step back");
    let house = house.deploy(Step::Switched).await.deploy(Step::After).await;
    assert_eq!(see(&house.world).await, before, "the old secret is gone");
    // Nobody was told anything, and nothing happened to anybody.
    assert_eq!(house.world.outbox().await.len(), outbox);

    // Life goes on, and the history with it.
    let kari = house.world.citizen(KARI);
    let put = kari.put("/v1/me/contact", &json!({ "language": "nn" }));
    put.send().await.expect(200);
    let at = PERSONS.iter().position(|person| person.person == KARI).unwrap();
    let after = see(&house.world).await;
    assert_eq!(after.histories[at][1..], before.histories[at]);
    assert_eq!(after.feed[..before.feed.len() - 1].len(), before.feed.len() - 1);
    assert_eq!(after.feed.len(), before.feed.len() + 1);
    let versions = |changes: &[Value]| -> Vec<u64> {
        changes
            .iter()
            .map(|change| change["version"].as_u64().unwrap())
            .collect()
    };
    let count = u64::try_from(after.histories[at].len()).unwrap();
    assert_eq!(versions(&after.histories[at]), (1..=count).rev().collect::<Vec<_>>());
}
