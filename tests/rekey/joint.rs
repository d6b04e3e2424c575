//! In the middle of a deployment: functions of two settings work on the same tables.

use std::collections::HashMap;

use futures_util::future::join_all;
use jiff::ToSpan as _;
use mailbox_register::{caller::Scope, letter::Letter};
use serde_json::{Value, json};
use stories::{AGENCY, OLA, World};

use crate::scene::{
    ONLY_MOBILE, ONLY_MOBILE_NUMBER, SHARING, Step, announce, beside, history, in_memory, items, look_up, pass,
};

/// Every two settings that a deployment brings together.
const NEIGHBOURS: [(Step, Step); 3] = [
    (Step::Before, Step::Known),
    (Step::Known, Step::Switched),
    (Step::Switched, Step::After),
];

/// Two deployments at one moment, in a register that is as far as it can be then.
async fn both(one: Step, other: Step) -> [World; 2] {
    let first = in_memory(one).await;
    if one == Step::Switched {
        assert_eq!(pass(&first.stack).await.waiting, 0);
    }
    let second = beside(&first.stack, other).await;
    [first, second]
}

/// How many entries a person has.
async fn entries_of(world: &World, person: &str) -> usize {
    let items = items(&world.stack, "RegisterTable").await;
    let entries = items.iter().filter_map(|item| item.get("entry")?.as_m().ok());
    let persons = entries.map(|entry| entry["identifier"].as_s().unwrap());
    persons.filter(|number| *number == person).count()
}

#[tokio::test]
async fn nobody_comes_in_twice_by_two_settings_at_one_moment() {
    for (one, other) in NEIGHBOURS {
        let worlds = both(one, other).await;
        for round in 0..6 {
            let person = local::persons::synthetic().nth(5000 + round).unwrap();
            let puts = (0..4).map(|at| {
                let email = format!("somebody{at}@example.no");
                let put = worlds[at % 2]
                    .citizen(&person)
                    .put("/v1/me/contact", &json!({ "email": email }));
                async move { put.send().await.expect(200) }
            });
            join_all(puts).await;
            assert_eq!(entries_of(&worlds[0], &person).await, 1, "{one:?} and {other:?}");
            for world in &worlds {
                let versions: Vec<_> = history(world, &person, 100).await;
                let versions: Vec<_> = versions
                    .iter()
                    .map(|change| change["version"].as_u64().unwrap())
                    .collect();
                assert_eq!(versions, [4, 3, 2, 1]);
                assert_eq!(look_up(world, &[&person], "For one").await[0]["status"], "registered");
            }
        }
    }
}

#[tokio::test]
async fn who_shares_a_number_is_right_by_both_settings() {
    for (one, other) in NEIGHBOURS {
        let worlds = both(one, other).await;
        let shared = async || -> Vec<Vec<bool>> {
            let mut shared = Vec::new();
            for world in &worlds {
                let found = look_up(world, &[OLA, ONLY_MOBILE], "For one").await;
                shared.push(found.iter().map(|person| person["mobile"]["shared"] == true).collect());
            }
            shared
        };
        let set = async |at: usize, person: &str, number: Option<&str>| {
            let body = json!({ "mobile": number, "email": "somebody@example.no" });
            let put = worlds[at].citizen(person).put("/v1/me/contact", &body);
            put.send().await.expect(200);
        };
        for (comes, goes) in [(0, 0), (0, 1), (1, 0), (1, 1)] {
            set(comes, OLA, Some(ONLY_MOBILE_NUMBER)).await;
            assert_eq!(shared().await, [[true, true]; 2], "{one:?} and {other:?}");
            set(goes, OLA, None).await;
            assert_eq!(shared().await, [[false, false]; 2], "{one:?} and {other:?}");
            // Those who share stay as they are when one of them is somebody else's matter.
            set(comes, SHARING[0], Some("+46701740690")).await;
            set(goes, SHARING[0], Some("+46701740614")).await;
            let found = look_up(&worlds[goes], &SHARING, "For one").await;
            assert!(found.iter().all(|person| person["mobile"]["shared"] == true));
        }
        // Two at one moment, one by each.
        let persons: Vec<_> = local::persons::synthetic().skip(6000).take(2).collect();
        let puts = persons
            .iter()
            .enumerate()
            .map(|(at, person)| set(at, person, Some("+46701740691")));
        join_all(puts).await;
        let persons: Vec<_> = persons.iter().map(String::as_str).collect();
        let found = look_up(&worlds[0], &persons, "For one").await;
        assert!(
            found.iter().all(|person| person["mobile"]["shared"] == true),
            "{one:?} and {other:?}"
        );
    }
}

#[tokio::test]
async fn a_request_made_again_has_one_effect_whichever_setting_it_comes_to() {
    // The last step is taken when nothing of the day before is left.
    for (one, other) in &NEIGHBOURS[..2] {
        let worlds = both(*one, *other).await;
        let letter = json!({
            "person": ONLY_MOBILE,
            "sender": { "organisation": AGENCY, "sector": "public", "nameMayBeShown": false },
            "reference": "once", "legalNotice": true, "remind": true,
        });
        let posts = |at: usize, key: &str, letter: &Value| {
            let announcer = worlds[at].organisation(AGENCY, &[Scope::LettersWrite]);
            announcer.post("/v1/letters", letter).key(key)
        };
        for (key, turns) in [("key-1", [0, 1]), ("key-2", [1, 0])] {
            let mut letter = letter.clone();
            letter["reference"] = json!(key);
            let first = posts(turns[0], key, &letter).send().await.expect(202);
            let second = posts(turns[1], key, &letter).send().await.expect(202);
            assert_eq!(first.body, second.body, "{one:?} and {other:?}");
            letter["reference"] = json!("another");
            posts(turns[1], key, &letter)
                .send()
                .await
                .problem(422, "idempotency-key-reused");
        }
        // At one moment: one of them, or none and both try again. One letter either way.
        for round in 0..6 {
            let mut letter = letter.clone();
            letter["reference"] = json!(format!("at once {round}"));
            let keys = [
                format!("same-{round}"),
                format!("same-{round}"),
                format!("other-{round}"),
            ];
            let calls: Vec<_> = keys
                .iter()
                .enumerate()
                .map(|(at, key)| posts(at % 2, key, &letter))
                .collect();
            let answers = join_all(calls.iter().map(stories::Request::send)).await;
            for answer in &answers {
                assert!([202, 409].contains(&answer.status.as_u16()), "{}", answer.body);
            }
            let letters = items(&worlds[0].stack, "LettersTable").await.into_iter();
            let letters =
                letters.map(|item| serde_dynamo::from_item(item.into_iter().collect::<HashMap<_, _>>()).unwrap());
            let reference = format!("at once {round}");
            let these = letters.filter(|letter: &Letter| letter.announcement.reference.as_str() == reference);
            assert!(these.count() <= 1, "{one:?} and {other:?}");
            // And once there is quiet, it is announced.
            let again = calls[1].send().await;
            assert_eq!(again.status, 202, "{}", again.body);
        }
        let ids = [
            announce(&worlds[0], OLA, "same").await,
            announce(&worlds[1], OLA, "same").await,
        ];
        assert_eq!(ids[0], ids[1]);
        worlds[0].pass(1.minutes()).await;
    }
}
