//! Files that wait for their agency, and files that it calls off.

use jiff::SignedDuration;
use serde_json::{Value, json};
use stories::{Answer, OLA};

use crate::scene::{House, KARI, LONG_ENOUGH, MISTYPED, SMALL_AGENCY, failure, id, table, upload};

/// So many rows, the first of them bad.
fn with_bad_rows(rows: usize, bad: usize) -> String {
    let persons: Vec<_> = (0..rows).map(|row| if row < bad { MISTYPED } else { OLA }).collect();
    table(&persons)
}

async fn say(house: &House, batch: &Value, word: &str) -> Answer {
    let path = format!("/v1/batches/{}/{word}", id(batch));
    house.agency().post(&path, &json!({})).send().await
}

#[tokio::test]
async fn more_than_five_bad_rows_of_a_hundred_are_shown_before_anything_is_done() {
    let house = House::with(&[("FileHoldPercent", "5")]).await;
    house.drop_file("five.csv", with_bad_rows(100, 5)).await;
    house.settle().await;
    assert_eq!(house.batch_of("five.csv").await["state"], "done");
    let before = house.disclosures().await;

    house.drop_file("six.csv", with_bad_rows(100, 6)).await;
    house.settle().await;
    let held = house.batch_of("six.csv").await;
    assert_eq!(
        (&held["state"], &held["hold"]),
        (&json!("held"), &json!(["many-bad-rows"]))
    );
    let summary = house.summary(&held).await;
    assert_eq!(summary["heldBecause"], json!(["many-bad-rows"]));
    assert_eq!(summary["errors"], json!({ "invalid-identifier": 6 }));
    assert_eq!(
        summary["firstErrors"][5],
        json!({ "line": 7, "code": "invalid-identifier" })
    );
    // It waits for days, and nobody is looked up.
    house.wait(LONG_ENOUGH * 1000);
    house.tick().await.unwrap();
    house.settle().await;
    assert_eq!(house.disclosures().await, before);

    let approved = say(&house, &held, "approve").await.expect(200).body;
    assert_eq!(approved["state"], "working");
    house.settle().await;
    assert_eq!(house.summary_for("six.csv").await["rows"], 100);
    assert_eq!(
        house.result_for("six.csv").await.split(|byte| *byte == b'\n').count(),
        102
    );
    // Said again it is as it should be; it cannot be called off any more.
    assert_eq!(say(&house, &held, "approve").await.expect(200).body["state"], "done");
    say(&house, &held, "cancel").await.problem(409, "wrong-state");
}

#[tokio::test]
async fn ten_times_as_many_rows_as_usual_are_shown_first_once_it_is_known_what_is_usual() {
    let house = House::new().await;
    // Nothing is usual yet.
    for (name, rows) in [
        ("1.csv", 40),
        ("2.csv", 4),
        ("3.csv", 4),
        ("39.csv", 39),
        ("held.csv", 40),
    ] {
        if name == "held.csv" {
            // The median of 4, 4, 39 and 40 is too much.
            for more in ["4.csv", "5.csv", "6.csv"] {
                house.wait(LONG_ENOUGH);
                house.drop_file(more, with_bad_rows(4, 0)).await;
                house.settle().await;
            }
        }
        house.wait(LONG_ENOUGH);
        house.drop_file(name, with_bad_rows(rows, 0)).await;
        house.settle().await;
        let state = if name == "held.csv" { "held" } else { "done" };
        assert_eq!(house.batch_of(name).await["state"], state, "{name}");
    }
    assert_eq!(house.batch_of("held.csv").await["hold"], json!(["unusually-many"]));
    house
        .drop_as("dry.csv", with_bad_rows(40, 0), &[("dry-run", "true")])
        .await;
    house.settle().await;
    assert_eq!(house.batch_of("dry.csv").await["state"], "done");
}

#[tokio::test]
async fn a_file_that_nobody_approves_ends_after_a_week() {
    let house = House::with(&[("FileHoldPercent", "5")]).await;
    house.drop_file("wrong.csv", with_bad_rows(3, 3)).await;
    house.settle().await;
    house.wait(SignedDuration::from_hours(7 * 24));
    house.tick().await.unwrap();
    assert_eq!(failure(&house.summary_for("wrong.csv").await).0, "not-approved");
    let batch = house.batch_of("wrong.csv").await;
    say(&house, &batch, "approve").await.problem(409, "wrong-state");
    assert_eq!(house.disclosures().await, 0);
}

#[tokio::test]
async fn a_file_can_be_called_off_until_it_is_done() {
    let house = House::new().await;
    let asked = house
        .agency()
        .post("/v1/batches", &upload("asked.csv"))
        .send()
        .await
        .expect(201)
        .body;
    assert_eq!(
        say(&house, &asked, "cancel").await.expect(200).body["state"],
        "cancelled"
    );
    let key = format!(
        "uploads/{}/lookup/{}/asked.csv",
        stories::AGENCY,
        id(&asked).replace('-', "")
    );
    house.put(&key, table(&[KARI]), &[]).await;
    house.settle().await;
    assert_eq!(house.summary(&asked).await["state"], "cancelled");

    // After the arrival, the first pass, each of three pieces; the putting together is the sixth.
    let states = ["received", "working", "working", "working", "working"];
    for (hands, state) in states.iter().enumerate() {
        let name = format!("after-{hands}.csv");
        let before = house.disclosures().await;
        house.drop_file(&name, with_bad_rows(9, 0)).await;
        let mut waiting = house.messages().await;
        for _ in 0..=hands {
            assert!(house.hand(&waiting.remove(0)).await);
            waiting.extend(house.messages().await);
        }
        let batch = house.batch_of(&name).await;
        assert_eq!(&batch["state"], state, "{name}");
        let cancelled = say(&house, &batch, "cancel").await.expect(200).body;
        assert_eq!(cancelled["state"], "cancelled");
        house.hand_all(waiting).await;
        house.settle().await;
        house.wait(LONG_ENOUGH);
        house.tick().await.unwrap();
        house.settle().await;
        // What was done stays on record, and no more is.
        assert_eq!(house.disclosures().await - before, hands.saturating_sub(1), "{name}");
        let summary = house.summary_for(&name).await;
        assert_eq!(
            (&summary["state"], summary.get("result")),
            (&json!("cancelled"), None),
            "{name}"
        );
        let left = house.keys(&format!("results/{}/{}/", stories::AGENCY, id(&batch)));
        assert_eq!(left.len(), 1, "{left:?}");
        assert!(house.keys("work/").is_empty(), "{name}");
        // Again it is as it should be; it cannot be let go on.
        assert_eq!(
            say(&house, &batch, "cancel").await.expect(200).body["state"],
            "cancelled"
        );
        say(&house, &batch, "approve").await.problem(409, "wrong-state");
        // It may be dropped again: it is no duplicate of what came to nothing.
        house.drop_file(&name, with_bad_rows(9, 0)).await;
        house.settle().await;
        assert_eq!(house.batches().await[0]["state"], "done", "{name}");
    }
}

#[tokio::test]
async fn a_file_can_be_called_off_while_workers_are_at_it() {
    let house = House::new().await;
    // The message that is being worked on: the first pass, a piece, the putting together.
    for which in [1, 2, 4] {
        for steps in 1..20 {
            // Whoever tells of it comes before the worker goes on, or after.
            for is_told_first in [true, false] {
                let name = format!("{which}-{steps}-{is_told_first}.csv");
                house.drop_file(&name, with_bad_rows(6, 0)).await;
                let mut waiting = house.messages().await;
                for _ in 0..which {
                    assert!(house.hand(&waiting.remove(0)).await);
                    waiting.extend(house.messages().await);
                }
                let step = waiting.remove(0);
                let mut worker = house.worker(&step);
                worker.go_on(steps).await;
                let batch = house.batch_of(&name).await;
                let is_over = batch["state"] == "done";
                say(&house, &batch, "cancel")
                    .await
                    .expect(if is_over { 409 } else { 200 });
                if is_told_first {
                    house.hand_all(waiting).await;
                    let told = house.messages().await;
                    house.hand_all(told).await;
                    // What it needs may be gone: it comes again, and finds nothing to do.
                    assert!(worker.end().await || house.hand(&step).await);
                } else {
                    assert!(worker.end().await);
                    house.hand_all(waiting).await;
                }
                let rest = house.messages().await;
                house.hand_all(rest).await;
                let state = if is_over { "done" } else { "cancelled" };
                assert_eq!(house.batch_of(&name).await["state"], state, "{name}");
                assert_eq!(house.summary_for(&name).await["state"], state, "{name}");
                house.wait(SignedDuration::from_secs(1));
            }
        }
    }
}

#[tokio::test]
async fn a_held_file_can_be_called_off_and_a_failed_one_cannot() {
    let house = House::with(&[("FileHoldPercent", "5")]).await;
    house.drop_file("held.csv", with_bad_rows(3, 3)).await;
    house.drop_file("failed.csv", "").await;
    house.settle().await;
    let held = house.batch_of("held.csv").await;
    assert_eq!(
        say(&house, &held, "cancel").await.expect(200).body["state"],
        "cancelled"
    );
    say(&house, &held, "approve").await.problem(409, "wrong-state");
    // Nobody hears of it: called off again, somebody does.
    assert_eq!(house.messages().await.len(), 1);
    assert_eq!(house.summary_for("held.csv").await["state"], "held");
    say(&house, &held, "cancel").await.expect(200);
    house.settle().await;
    assert_eq!(house.summary_for("held.csv").await["state"], "cancelled");
    let failed = house.batch_of("failed.csv").await;
    say(&house, &failed, "cancel").await.problem(409, "wrong-state");
    say(&house, &failed, "approve").await.problem(409, "wrong-state");
}

#[tokio::test]
async fn another_agencys_batch_is_not_there() {
    let house = House::with(&[("FileHoldPercent", "5")]).await;
    house.drop_file("held.csv", with_bad_rows(3, 3)).await;
    house.settle().await;
    let held = house.batch_of("held.csv").await;
    let other = house.organisation(SMALL_AGENCY);
    let path = format!("/v1/batches/{}", id(&held));
    other.get(&path).send().await.problem(404, "not-found");
    for word in ["approve", "cancel"] {
        let request = other.post(&format!("{path}/{word}"), &json!({}));
        request.send().await.problem(404, "not-found");
    }
    assert!(house.batches_of(SMALL_AGENCY).await.is_empty());
    assert_eq!(house.batch_of("held.csv").await["state"], "held");
}
