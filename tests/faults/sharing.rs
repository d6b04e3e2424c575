//! Persons who take or leave the same address at once: each is flagged as long as somebody else has it.

use local::persons::synthetic;
use serde_json::{Value, json};
use stories::World;

use crate::lookup;

const ROUNDS: usize = 20;

/// Whether each person's e-mail is flagged; null where there is none.
async fn shared(world: &World, channel: &str, persons: &[String]) -> Vec<Value> {
    let persons: Vec<_> = persons.iter().map(String::as_str).collect();
    let found = world.agency().post("/v1/lookups", &lookup(&persons)).send().await;
    let found = found.expect(200);
    let results = found.body["results"].as_array().unwrap().iter();
    results.map(|person| person[channel]["shared"].clone()).collect()
}

async fn set(world: &World, person: &str, contact: Value) {
    let request = world.citizen(person).put("/v1/me/contact", &contact);
    request.send().await.expect(200);
}

fn emails(name: &str, round: usize) -> Value {
    json!({ "email": format!("{name}{round}@example.no") })
}

#[tokio::test]
async fn two_who_take_an_address_at_once_are_both_flagged_and_two_who_swap_addresses_are_not() {
    let world = World::new().await;
    let persons: Vec<_> = synthetic().take(2 * ROUNDS).collect();
    for (round, pair) in persons.chunks(2).enumerate() {
        let both = async |first: Value, second: Value| {
            tokio::join!(set(&world, &pair[0], first), set(&world, &pair[1], second));
            shared(&world, "email", pair).await
        };
        let (ours, mine, yours) = (emails("ours", round), emails("mine", round), emails("yours", round));
        assert_eq!(both(ours.clone(), ours).await, [true, true], "round {round}");
        if round < 5 {
            assert_eq!(both(mine.clone(), yours.clone()).await, [false, false], "round {round}");
            assert_eq!(both(yours, mine).await, [false, false], "round {round}");
        }
    }
}

#[tokio::test]
async fn one_who_comes_while_another_leaves_is_flagged_for_whoever_stays() {
    let world = World::new().await;
    let persons: Vec<_> = synthetic().take(3 * 8).collect();
    for (round, persons) in persons.chunks(3).enumerate() {
        let (ours, own) = (emails("ours", round), emails("own", round));
        for person in &persons[..2] {
            set(&world, person, ours.clone()).await;
        }
        tokio::join!(set(&world, &persons[1], own), set(&world, &persons[2], ours.clone()));
        assert_eq!(
            shared(&world, "email", persons).await,
            [true, false, true],
            "round {round}"
        );
        // Both who share it go at once, one of them for good.
        let deletion = world.citizen(&persons[2]).delete("/v1/me");
        let gone = async { deletion.send().await.expect(204) };
        let _ = tokio::join!(gone, set(&world, &persons[0], emails("other", round)));
        let flags = shared(&world, "email", persons).await;
        assert_eq!(flags, [json!(false), json!(false), Value::Null], "round {round}");
    }
}

#[tokio::test]
async fn a_couple_can_share_both_addresses_and_either_can_leave() {
    let world = World::new().await;
    let couple: Vec<_> = synthetic().take(2).collect();
    let both = json!({ "email": "couple@example.no", "mobile": "+46701740690" });
    for person in &couple {
        set(&world, person, both.clone()).await;
    }
    for channel in ["email", "mobile"] {
        assert_eq!(shared(&world, channel, &couple).await, [true, true]);
    }
    world.citizen(&couple[1]).delete("/v1/me").send().await.expect(204);
    for channel in ["email", "mobile"] {
        assert_eq!(shared(&world, channel, &couple).await, [json!(false), Value::Null]);
    }
}
