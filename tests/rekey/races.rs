//! Many at once, while everybody is moved.

use futures_util::future::{join, join_all};
use local::persons::PERSONS;
use serde_json::json;
use stories::World;

use crate::scene::{Step, assert_all_moved, beside, history, in_memory, left, look_up, pass};

/// Persons who come in, and what each of them does.
const PERSONS_AT_ONCE: usize = 12;
const ROUNDS: usize = 4;

/// A person says many times where to write to, each time elsewhere, by two deployments in turn.
async fn lives_on(worlds: &[World; 2], person: &str, number: usize) {
    for round in 0..ROUNDS {
        // Some addresses are those of others, too, who come and go.
        let email = format!("somebody{}@example.no", (number + round) % 5);
        let mobile = format!("+467017406{:02}", 50 + (number * 7 + round * 3) % 49);
        let body = json!({ "email": email, "mobile": mobile });
        let put = worlds[(number + round) % 2]
            .citizen(person)
            .put("/v1/me/contact", &body);
        loop {
            let answer = put.send().await;
            // Too many codes within a minute, or races that were lost too often: nothing was done.
            match answer.status.as_u16() {
                200 => break,
                503 => {}
                status => panic!("{status}: {}", answer.body),
            }
        }
    }
}

#[tokio::test]
async fn writers_and_readers_of_two_deployments_and_the_tool_at_once() {
    // Who was there before stands under the old key, and some of them are moved already.
    let before = in_memory(Step::Known).await;
    let persons: Vec<String> = local::persons::synthetic().skip(7000).take(PERSONS_AT_ONCE).collect();
    for (number, person) in persons.iter().enumerate().take(PERSONS_AT_ONCE / 2) {
        let body = json!({ "email": format!("first{number}@example.no") });
        before
            .citizen(person)
            .put("/v1/me/contact", &body)
            .send()
            .await
            .expect(200);
    }
    before.stack.settle().await.unwrap();
    let after = beside(&before.stack, Step::Switched).await;
    let worlds = [before, after];

    let living = persons
        .iter()
        .enumerate()
        .map(|(number, person)| lives_on(&worlds, person, number));
    let looking = async {
        let listed: Vec<&str> = PERSONS.iter().map(|person| person.person).collect();
        let expected = look_up(&worlds[0], &listed, "For one").await;
        for round in 0..6 {
            let found = look_up(&worlds[round % 2], &listed, "For one").await;
            assert_eq!(found, expected);
            // Who was there once is there each time.
            let early: Vec<&str> = persons[..PERSONS_AT_ONCE / 2].iter().map(String::as_str).collect();
            let found = look_up(&worlds[round % 2], &early, "For one").await;
            assert!(found.iter().all(|person| person["status"] == "registered"));
        }
    };
    let moving = async {
        for _ in 0..4 {
            assert_eq!(pass(&worlds[0].stack).await.failures(), 0);
            worlds[0].stack.settle().await.unwrap();
        }
    };
    join(join_all(living), join(looking, moving)).await;
    worlds[0].stack.settle().await.unwrap();
    pass(&worlds[0].stack).await;
    assert!(left(&worlds[0].stack).await.is_nobody());
    assert_all_moved(&worlds[0].stack).await;

    let after = beside(&worlds[0].stack, Step::After).await;
    let mut mobiles = Vec::new();
    for (number, person) in persons.iter().enumerate() {
        let entry = after.citizen(person).get("/v1/me").send().await.expect(200);
        let changes = history(&after, person, 100).await;
        let versions: Vec<_> = changes
            .iter()
            .map(|change| change["version"].as_u64().unwrap())
            .collect();
        let count = u64::try_from(ROUNDS + usize::from(number < PERSONS_AT_ONCE / 2)).unwrap();
        assert_eq!(versions, (1..=count).rev().collect::<Vec<_>>());
        assert_eq!(entry.etag(), format!("\"{count}\""));
        mobiles.push((entry.body["mobile"].clone(), entry.body["email"].clone()));
    }
    // Whoever has an address of somebody else's is told so, and nobody else is.
    for (at, (mobile, email)) in mobiles.iter().enumerate() {
        let others = || mobiles.iter().enumerate().filter(|(other, _)| *other != at);
        let shares_mobile = others().any(|(_, (other, _))| other["number"] == mobile["number"]);
        let shares_email = others().any(|(_, (_, other))| other["address"] == email["address"]);
        assert_eq!(
            (&mobile["shared"], &email["shared"]),
            (&json!(shares_mobile), &json!(shares_email)),
            "{at}"
        );
    }
}
