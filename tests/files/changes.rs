//! What has changed since the last time.

use jiff::{SignedDuration, ToSpan as _};
use serde_json::json;
use stories::{AGENCY, EBOKS, OLA};

use crate::scene::{
    DELETED, House, KARI, RESERVED, SMALL_AGENCY, UNKNOWN, WITH_EMAIL, WITH_MOBILE, column, failure, id, rows, table,
};

const PERSONS: [&str; 7] = [KARI, OLA, WITH_MOBILE, WITH_EMAIL, RESERVED, DELETED, UNKNOWN];
const SAID: [(&str, &str); 1] = [("purpose", "Letters about accounts")];

/// What happens to the persons: a new e-mail, a beginning, a new mailbox, an end, a change of mind, and nothing to two.
async fn much_happens(house: &House) {
    let world = &house.world;
    let put = async |person: &str, path: &str, body: &serde_json::Value| {
        let answer = world.citizen(person).put(path, body).send().await;
        assert!(answer.status.is_success(), "{}", answer.body);
    };
    put(KARI, "/v1/me/contact", &json!({ "email": "kari.ny@example.no" })).await;
    put(OLA, "/v1/me/contact", &json!({ "mobile": "+46701740699" })).await;
    let mailbox = json!({ "person": WITH_MOBILE, "address": "somebody#9YDT" });
    world
        .provider(EBOKS)
        .post("/v1/mailboxes", &mailbox)
        .send()
        .await
        .expect(201);
    world.citizen(WITH_EMAIL).delete("/v1/me").send().await;
}

#[tokio::test]
async fn a_file_of_the_same_name_says_what_has_changed_as_far_as_its_agency_sees_it() {
    let house = House::new().await;
    let both = async |content: &str| {
        house.drop_file("tax.csv", content).await;
        house
            .put(&format!("uploads/{SMALL_AGENCY}/tax.csv"), content, &SAID)
            .await;
        house.settle().await;
    };
    both(&table(&PERSONS)).await;
    assert!(
        !String::from_utf8(house.result_for("tax.csv").await)
            .unwrap()
            .contains("changed")
    );
    house.wait(SignedDuration::from_hours(1));
    much_happens(&house).await;
    house.wait(SignedDuration::from_hours(24));
    both(&table(&PERSONS)).await;

    let batch = house.batches().await.remove(0);
    let summary = house.summary(&batch).await;
    assert_eq!(summary["comparedSince"], batch["comparedSince"]);
    let result = rows(&house.object(summary["result"].as_str().unwrap()).await.unwrap());
    let changed = ["email", "status mobile", "mailbox", "status", "", "", ""];
    assert_eq!(column(&result, "changed"), changed);
    let batch = house.batches_of(SMALL_AGENCY).await.remove(0);
    let summary = house.summary_of(SMALL_AGENCY, &batch).await;
    let result = rows(&house.object(summary["result"].as_str().unwrap()).await.unwrap());
    assert_eq!(
        column(&result, "changed"),
        ["", "status", "mailbox", "status", "", "", ""]
    );

    // The next one compares with this one: nothing has happened since.
    house.wait(SignedDuration::from_hours(25));
    both(&table(&PERSONS)).await;
    let batch = house.batches().await.remove(0);
    let summary = house.summary(&batch).await;
    let result = rows(&house.object(summary["result"].as_str().unwrap()).await.unwrap());
    assert_eq!(column(&result, "changed"), [""; 7]);
}

#[tokio::test]
async fn a_file_can_be_compared_with_one_of_another_name_but_only_ones_own() {
    let house = House::new().await;
    house.drop_file("january.csv", table(&PERSONS)).await;
    house
        .put(&format!("uploads/{SMALL_AGENCY}/theirs.csv"), table(&PERSONS), &SAID)
        .await;
    house.drop_as("dry.csv", table(&PERSONS), &[("dry-run", "true")]).await;
    house.drop_file("failed.csv", "").await;
    house.settle().await;
    let january = house.batch_of("january.csv").await;
    house.wait(SignedDuration::from_hours(1));
    much_happens(&house).await;

    house
        .drop_as(
            "february.jsonl",
            format!("{{\"person\":\"{KARI}\"}}"),
            &[("compare-with", id(&january))],
        )
        .await;
    house.settle().await;
    let february = String::from_utf8(house.result_for("february.jsonl").await).unwrap();
    assert!(february.contains("\"changed\":[\"email\"]"), "{february}");

    let theirs = house.batches_of(SMALL_AGENCY).await.remove(0);
    let dry = house.batch_of("dry.csv").await;
    let failed = house.batch_of("failed.csv").await;
    for (number, other) in [&theirs, &dry, &failed].into_iter().enumerate() {
        let name = format!("march-{number}.csv");
        house
            .drop_as(&name, table(&PERSONS), &[("compare-with", id(other))])
            .await;
        house.settle().await;
        assert_eq!(failure(&house.summary_for(&name).await).0, "unknown-comparison");
    }
    let asked = json!({ "name": "a.csv", "compareWith": id(&theirs) });
    house.agency().post("/v1/batches", &asked).send().await.expect(422);
    let letters = [("kind", "letters"), ("compare-with", id(&january))];
    house.drop_as("letters.csv", table(&PERSONS), &letters).await;
    house.settle().await;
    assert_eq!(failure(&house.summary_for("letters.csv").await).0, "unknown-comparison");
}

#[tokio::test]
async fn what_is_older_than_ninety_days_is_not_compared_with() {
    let house = House::new().await;
    house.drop_file("tax.csv", table(&PERSONS)).await;
    house.settle().await;
    for (days, is_compared) in [(89, true), (91, false)] {
        let now = house.world.stack.clock().now();
        let then = now
            .in_tz("Europe/Oslo")
            .unwrap()
            .checked_add(days.days())
            .unwrap()
            .timestamp();
        house.world.stack.clock().set(then).unwrap();
        house.drop_file("tax.csv", table(&PERSONS)).await;
        house.settle().await;
        let batch = house.batches().await.remove(0);
        let summary = house.summary(&batch).await;
        assert_eq!(summary.get("comparedSince").is_some(), is_compared, "{days} days");
        let result = house
            .object(&format!("results/{AGENCY}/{}/result.csv", id(&batch)))
            .await
            .unwrap();
        let header = String::from_utf8(result).unwrap().lines().next().unwrap().to_owned();
        assert_eq!(header.ends_with(",changed"), is_compared, "{days} days");
    }
}
