//! What S3 tells: twice, late, out of order, and of files that are not there any more.

use local::bucket::{Creation, ObjectCreated, notification};
use serde_json::Value;
use stories::{AGENCY, OLA};

use crate::scene::{House, KARI, LONG_ENOUGH, WITH_MOBILE, column, failure, id, rows, table, upload};

const SIX: [&str; 6] = [KARI, OLA, WITH_MOBILE, KARI, OLA, WITH_MOBILE];

/// The states of the agency's batches, oldest first.
async fn states(house: &House) -> Vec<String> {
    let batches = house.batches().await;
    let states = batches
        .iter()
        .rev()
        .map(|batch| batch["state"].as_str().unwrap().to_owned());
    states.collect()
}

#[tokio::test]
async fn a_file_that_is_told_of_again_and_again_is_one_batch() {
    let house = House::new().await;
    house.drop_file("tax.csv", table(&SIX)).await;
    let told = house.message().await;
    for _ in 0..3 {
        assert!(house.hand(&told).await);
    }
    let plans = house.messages().await;
    assert!(house.hand(&told).await);
    for plan in &plans {
        assert!(house.hand(plan).await);
    }
    assert!(house.hand(&told).await);
    let rest = house.messages().await;
    house.hand_all(rest).await;
    let result = house.result_for("tax.csv").await;

    house.hand_all([vec![told], plans].concat()).await;
    house.tick().await.unwrap();
    assert_eq!(states(&house).await, ["done"]);
    assert!(house.result_for("tax.csv").await == result);
    assert_eq!(house.disclosures().await, 2);
}

#[tokio::test]
async fn every_step_may_come_twice_and_in_any_order() {
    let house = House::new().await;
    house.drop_file("expected.csv", table(&SIX)).await;
    house.settle().await;
    let expected = house.result_for("expected.csv").await;
    house.drop_file("tax.csv", table(&SIX)).await;
    let mut all = house.messages().await;
    let mut new = all.clone();
    while !new.is_empty() {
        for body in &new {
            assert!(house.hand(body).await);
        }
        new = house.messages().await;
        // Whatever came before comes once more, the last first.
        for body in all.iter().rev() {
            assert!(house.hand(body).await);
        }
        new.extend(house.messages().await);
        new.retain(|body| !all.contains(body));
        all.extend(new.iter().cloned());
    }
    assert!(house.result_for("tax.csv").await == expected);
    assert_eq!(house.disclosures().await, 4);
}

#[tokio::test]
async fn a_file_that_is_replaced_before_anybody_looked_is_read_as_it_is_then_in_whatever_order_s3_tells() {
    let house = House::new().await;
    for in_order in [true, false] {
        let name = format!("{in_order}.csv");
        house.drop_file(&name, table(&[KARI])).await;
        house.drop_file(&name, table(&[OLA, OLA])).await;
        let mut told = house.messages().await;
        assert_eq!(told.len(), 2);
        if !in_order {
            told.reverse();
        }
        house.hand_all(told).await;
        let result = rows(&house.result_for(&name).await);
        assert_eq!(column(&result, "person"), [OLA, OLA]);
    }
}

#[tokio::test]
async fn a_file_that_is_replaced_while_it_is_read_fails_and_the_new_one_is_read() {
    let house = House::new().await;
    for (steps, name) in [(1, "before-it-is-planned.csv"), (2, "between-its-pieces.csv")] {
        house.drop_file(name, table(&SIX)).await;
        let mut waiting = house.messages().await;
        for _ in 0..steps {
            assert!(house.hand(&waiting.remove(0)).await);
            waiting.extend(house.messages().await);
        }
        house.drop_file(name, table(&[OLA])).await;
        house.hand_all(waiting).await;
        house.settle().await;
        let mut batches = house.batches().await;
        batches.retain(|batch| batch["name"] == name);
        let mut summaries = Vec::new();
        for batch in &batches {
            summaries.push(house.summary(batch).await);
        }
        summaries.sort_by_key(|summary| summary["state"].to_string());
        let [done, failed] = summaries.as_slice() else {
            panic!("{name}: {batches:?}")
        };
        assert_eq!(failure(failed).0, "file-replaced", "{name}");
        assert_eq!((&done["state"], &done["rows"]), (&"done".into(), &1.into()), "{name}");
        let left = house.keys(&format!("results/{AGENCY}/{}/", id(failed)));
        assert_eq!(left.len(), 1, "a summary and no result: {left:?}");
    }
}

#[tokio::test]
async fn a_file_that_is_taken_away_again_is_none_and_one_that_goes_later_fails_and_can_be_dropped_again() {
    let house = House::new().await;
    let key = format!("uploads/{AGENCY}/tax.csv");
    house.drop_file("tax.csv", table(&SIX)).await;
    house.delete(&key).await;
    house.settle().await;
    assert!(house.batches().await.is_empty());

    for hands in [1, 2, 3] {
        house.drop_file("tax.csv", table(&SIX)).await;
        let mut waiting = house.messages().await;
        for _ in 0..hands {
            assert!(house.hand(&waiting.remove(0)).await);
            waiting.extend(house.messages().await);
        }
        house.delete(&key).await;
        house.hand_all(waiting).await;
        let batch = house.batches().await.remove(0);
        assert_eq!(failure(&house.summary(&batch).await).0, "file-gone", "{hands}");
        house.wait(LONG_ENOUGH);
    }
    house.drop_file("tax.csv", table(&SIX)).await;
    house.settle().await;
    assert_eq!(states(&house).await, ["failed", "failed", "failed", "done"]);
}

#[tokio::test]
async fn the_same_file_within_a_day_is_the_same_batch_and_later_it_is_another() {
    let house = House::new().await;
    house.drop_file("tax.csv", table(&SIX)).await;
    house.settle().await;
    let first = house.batch_of("tax.csv").await;
    house.wait(jiff::SignedDuration::from_hours(23));
    house.drop_file("tax.csv", table(&SIX)).await;
    house.settle().await;
    assert_eq!(states(&house).await, ["done", "duplicate"]);
    let duplicate = house.batches().await.remove(0);
    assert_eq!(duplicate["duplicateOf"], first["id"]);
    assert_eq!(house.summary(&duplicate).await["duplicateOf"], first["id"]);
    assert_eq!(house.disclosures().await, 2);
    // Under another name, or with a row more, it is another file.
    house.drop_file("other.csv", table(&SIX)).await;
    house.drop_file("tax.csv", table(&[&SIX[..], &[OLA]].concat())).await;
    house.settle().await;
    house.wait(jiff::SignedDuration::from_hours(2));
    house.drop_file("tax.csv", table(&SIX)).await;
    house.settle().await;
    assert_eq!(states(&house).await.iter().filter(|state| *state == "done").count(), 4);
}

#[tokio::test]
async fn what_was_asked_for_takes_its_own_file_and_the_first_that_comes() {
    let house = House::new().await;
    let asked = house
        .agency()
        .post("/v1/batches", &upload("tax.csv"))
        .send()
        .await
        .expect(201)
        .body;
    let folder = format!("uploads/{AGENCY}/lookup/{}", id(&asked).replace('-', ""));
    house.put(&format!("{folder}/tax.csv"), table(&SIX), &[]).await;
    let told = house.message().await;
    house.hand_all(vec![told.clone()]).await;
    house.hand_all(vec![told]).await;
    let result = house.result_for("tax.csv").await;
    // Uploaded once more it changes nothing any more.
    house.put(&format!("{folder}/tax.csv"), table(&[OLA]), &[]).await;
    house.settle().await;
    assert!(house.result_for("tax.csv").await == result);
    assert_eq!(house.batches().await.len(), 1);
    // Asked for again, the same content is done again: somebody wants it.
    let asked = house
        .agency()
        .post("/v1/batches", &upload("tax.csv"))
        .send()
        .await
        .expect(201)
        .body;
    let key = asked["upload"]["url"].as_str().unwrap();
    assert!(key.contains(&id(&asked).replace('-', "")));
    let folder = format!("uploads/{AGENCY}/lookup/{}", id(&asked).replace('-', ""));
    house.put(&format!("{folder}/tax.csv"), table(&SIX), &[]).await;
    house.settle().await;
    assert_eq!(states(&house).await, ["done", "done"]);
}

#[tokio::test]
async fn two_workers_at_one_piece_make_one_of_it() {
    let house = House::new().await;
    house.drop_file("expected.csv", table(&SIX)).await;
    house.settle().await;
    let expected = house.result_for("expected.csv").await;
    let mut overtaken = 0;
    for steps in 1.. {
        let name = format!("tax-{steps}.csv");
        house.drop_file(&name, table(&SIX)).await;
        for _ in 0..2 {
            let message = house.message().await;
            assert!(house.hand(&message).await);
        }
        let pieces = house.messages().await;
        // One stands still for longer than the piece is its own; another does it; then the first goes on.
        let mut slow = house.worker(&pieces[0]);
        slow.go_on(steps).await;
        if slow.is_done() {
            break;
        }
        house.wait(LONG_ENOUGH);
        assert!(house.hand(&pieces[0]).await);
        assert!(slow.end().await);
        overtaken += 1;
        house.hand_all(pieces).await;
        let rest = house.messages().await;
        house.hand_all(rest).await;
        assert!(house.result_for(&name).await == expected, "{steps}");
        assert_eq!(house.summary_for(&name).await["rows"], 6, "{steps}");
        assert!(house.keys("work/").is_empty(), "{steps}");
    }
    assert!(overtaken > 3, "{overtaken}");
    // And both at once.
    house.drop_file("both.csv", table(&SIX)).await;
    for _ in 0..2 {
        let message = house.message().await;
        assert!(house.hand(&message).await);
    }
    let pieces = house.messages().await;
    let twice = futures_util::future::join_all(pieces.iter().chain(&pieces).map(|body| house.hand(body))).await;
    assert!(twice.into_iter().all(|done| done));
    let rest = house.messages().await;
    house.hand_all(rest).await;
    assert!(house.result_for("both.csv").await == expected);
}

#[tokio::test]
async fn what_is_no_file_of_an_organisation_is_left_alone() {
    let house = House::new().await;
    let test = r#"{"Service":"Amazon S3","Event":"s3:TestEvent","Bucket":"files"}"#;
    assert!(house.hand(test).await);
    assert!(!house.hand("{}").await, "a message of another version comes again");
    let now = house.world.stack.clock().now();
    for key in ["uploads/123456789/tax.csv", "uploads/tax.csv", "elsewhere/tax.csv"] {
        house.put(key, table(&SIX), &[]).await;
        let object = ObjectCreated {
            bucket: "files".to_owned(),
            key: key.to_owned(),
            size: 1,
            e_tag: "0".to_owned(),
            sequencer: "1".to_owned(),
            creation: Creation::Put,
        };
        assert!(house.hand(&notification(&object, now).to_string()).await, "{key}");
    }
    house.settle().await;
    let none: [Value; 0] = [];
    assert_eq!(house.batches().await, none);
    assert!(house.keys("results/").is_empty() && house.keys("work/").is_empty());
}
