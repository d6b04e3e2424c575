//! Files of letters: each person is told once, however often the file comes and whoever dies over it.

use jiff::{SignedDuration, ToSpan as _};
use local::messages::Message;
use mailbox_register::{caller::Scope, letter::LetterId};
use serde_json::{Value, json};
use stories::{AGENCY, OLA};

use crate::scene::{
    DELETED, House, KARI, LONG_ENOUGH, MISTYPED, RESERVED, WITH_EMAIL, WITH_MOBILE, column, id, json_rows, lines, rows,
};

const PERSONS: [&str; 7] = [KARI, OLA, WITH_MOBILE, RESERVED, MISTYPED, WITH_EMAIL, DELETED];
const OUTCOMES: [&str; 7] = [
    "planned",
    "unreachable",
    "planned",
    "unreachable",
    "error",
    "planned",
    "unreachable",
];

/// A file of letters whose references begin so.
fn letters(references: &str) -> String {
    let rows = PERSONS.iter().zip(1..);
    let rows = lines(rows.map(|(person, number)| format!("{person};{references}/{number}")));
    format!("person;reference\n{rows}")
}

/// What people were told of letters so far.
async fn told(house: &House) -> Vec<Message> {
    let mut outbox = house.world.outbox().await;
    outbox.retain(|message| message.kind.as_deref().is_some_and(|kind| kind.starts_with("letter-")));
    outbox
}

/// The identity of a letter, which follows from its reference.
fn letter_id(house: &House, reference: &str) -> String {
    let (organisation, reference) = (AGENCY.parse().unwrap(), reference.to_owned().try_into().unwrap());
    LetterId::new(house.world.stack.secret(), organisation, &reference).to_string()
}

/// How many letters there are.
async fn stored(house: &House) -> usize {
    let scan = house.world.stack.client().scan().table_name("letters").send().await;
    let items = scan.unwrap().items.unwrap_or_default();
    items.iter().filter(|item| item.contains_key("reference")).count()
}

#[tokio::test]
async fn each_row_is_announced_and_each_person_who_can_be_reached_is_told() {
    let house = House::new().await;
    let answered = house.answered("letters/tax.csv", letters("2026")).await;
    assert_eq!(column(&answered, "person"), PERSONS);
    assert_eq!(column(&answered, "outcome"), OUTCOMES);
    assert_eq!(column(&answered, "channel"), ["sms", "", "sms", "", "", "email", ""]);
    assert_eq!(column(&answered, "error")[4], "invalid-identifier");
    for (row, number) in answered.iter().zip(1..) {
        let is_letter = row["outcome"] != "error";
        let reference = format!("2026/{number}");
        let expected = if is_letter {
            letter_id(&house, &reference)
        } else {
            String::new()
        };
        assert_eq!((&row["reference"], &row["letter"]), (&reference, &expected));
        assert_eq!(row["dueAt"].is_empty(), row["outcome"] != "planned");
        assert_eq!(row["reason"].is_empty(), row["outcome"] != "unreachable");
        if is_letter {
            // It is a letter like any other.
            let path = format!("/v1/letters/{expected}");
            let seen = house
                .world
                .organisation(AGENCY, &[Scope::LettersWrite])
                .get(&path)
                .send()
                .await;
            assert_eq!(seen.expect(200).body["reference"], reference);
        }
    }
    let mut to: Vec<_> = told(&house).await.into_iter().map(|message| message.to).collect();
    to.sort();
    assert_eq!(to, ["+46701740605", "+46701740606", "per@example.no"]);
    let summary = house.summary_for("tax.csv").await;
    assert_eq!(
        summary["outcomes"],
        json!({ "error": 1, "planned": 3, "unreachable": 3 })
    );
    assert_eq!(summary["channels"], json!({ "email": 1, "sms": 2 }));
    assert!(summary["smsParts"].as_u64().unwrap() >= 2);
    // That they can be reached is on record.
    let records = house.world.disclosures().await;
    assert_eq!(records.items().len(), 3);
    assert!(
        records
            .items()
            .iter()
            .all(|record| record["fields"].as_l().unwrap().len() == 1)
    );
}

#[tokio::test]
async fn a_file_that_is_dropped_twice_notifies_once() {
    let house = House::new().await;
    house.drop_as("tax.csv", letters("2026"), &[("kind", "letters")]).await;
    house.settle().await;
    assert_eq!(told(&house).await.len(), 3);
    // At once it is the same batch; under another name, or later, its letters are known.
    house.wait(SignedDuration::from_mins(1));
    house.drop_as("tax.csv", letters("2026"), &[("kind", "letters")]).await;
    house.settle().await;
    assert_eq!(house.batches().await[0]["state"], "duplicate");
    let mut results = Vec::new();
    for name in ["letters/again.csv", "letters/tax.csv"] {
        house.wait(SignedDuration::from_hours(25));
        house.drop_file(name, letters("2026")).await;
        house.settle().await;
        let batch = house.batches().await.remove(0);
        let summary = house.summary(&batch).await;
        assert_eq!(summary["outcomes"]["announced-before"], 3, "{summary}");
        results.push(house.object(summary["result"].as_str().unwrap()).await.unwrap());
        let answered = rows(results.last().unwrap());
        assert_eq!(column(&answered, "letter")[0], letter_id(&house, "2026/1"));
    }
    assert_eq!(told(&house).await.len(), 3);
    assert_eq!(stored(&house).await, 6);
}

#[tokio::test]
async fn a_dry_run_tells_what_would_happen_and_does_nothing() {
    let house = House::new().await;
    let said = [("kind", "letters"), ("dry-run", "true")];
    house.drop_as("tax.csv", letters("2026"), &said).await;
    house.settle().await;
    let answered = rows(&house.result_for("tax.csv").await);
    assert_eq!(column(&answered, "outcome"), OUTCOMES);
    let dry = house.summary_for("tax.csv").await;
    assert_eq!((stored(&house).await, told(&house).await.len()), (0, 0));
    house.wait(SignedDuration::from_mins(1));
    // Meant, it comes to the same.
    house.drop_as("tax.csv", letters("2026"), &[("kind", "letters")]).await;
    house.settle().await;
    let meant = house.summary(&house.batches().await[0]).await;
    for counted in ["outcomes", "channels", "smsParts", "cost"] {
        assert_eq!(meant[counted], dry[counted], "{counted}");
    }
    assert_eq!((stored(&house).await, told(&house).await.len()), (6, 3));
}

#[tokio::test]
async fn a_reference_is_one_letters_within_a_file_as_well() {
    let house = House::new().await;
    let rows = [
        json!({ "person": KARI, "reference": "a" }),
        json!({ "person": KARI, "reference": "a" }),
        json!({ "person": WITH_MOBILE, "reference": "a" }),
        json!({ "person": KARI, "reference": "b", "availableFrom": "2026-03-05", "legalNotice": false, "remind": "nei" }),
        json!({ "person": KARI }),
        json!({ "person": KARI, "reference": "c", "availableFrom": "2020-01-01" }),
        json!({ "person": KARI, "reference": "d", "language": "sv" }),
        json!({ "person": KARI, "reference": "e", "remind": "perhaps" }),
    ];
    house.drop_file("letters/tax.jsonl", lines(rows)).await;
    house.settle().await;
    let answered = json_rows(&house.result_for("tax.jsonl").await);
    let errors = [
        "",
        "",
        "reference-reused",
        "",
        "missing-reference",
        "invalid-availability",
        "unknown-language",
        "invalid-value",
    ];
    assert_eq!(column(&answered, "error"), errors);
    assert_eq!(answered[0]["letter"], answered[1]["letter"]);
    assert!(answered[3]["dueAt"].starts_with("2026-03-05"));
    assert!(!answered[3].contains_key("reminderDueAt") && answered[0].contains_key("reminderDueAt"));
    assert_eq!(told(&house).await.len(), 1);
    house.world.pass(40.days()).await;
    // Each once, and a reminder of the first.
    assert_eq!(told(&house).await.len(), 3);
}

#[tokio::test]
async fn a_worker_that_dies_over_letters_leaves_none_untold_and_none_told_twice() {
    let house = House::new().await;
    let begin = house.world.stack.clock().now();
    house.drop_file("letters/expected.csv", letters("expected")).await;
    house.settle().await;
    let expected = String::from_utf8(house.result_for("expected.csv").await).unwrap();
    let mut files = 1;
    // Fewer than a person may be told in a day.
    'deaths: for steps in [1, 2, 4, 6, 8, 10, 13, 1000] {
        for is_amid in [false, true] {
            house.world.stack.clock().set(begin).unwrap();
            let run = format!("run-{steps}-{is_amid}");
            let name = format!("{run}.csv");
            house.drop_file(&format!("letters/{name}"), letters(&run)).await;
            for _ in 0..2 {
                let message = house.message().await;
                assert!(house.hand(&message).await);
            }
            let pieces = house.messages().await;
            let has_died = house.die_of(&pieces[0], steps, is_amid).await;
            files += 1;
            // The others are done before, or after.
            if steps % 2 == 0 {
                house.hand_all(pieces[1..].to_vec()).await;
            }
            house.wait(LONG_ENOUGH);
            house.tick().await.unwrap();
            house.settle().await;
            let result = String::from_utf8(house.result_for(&name).await).unwrap();
            // Letters have other identities, because their references are others.
            let mut renamed = expected.replace("expected/", &format!("{run}/"));
            for number in 1..=PERSONS.len() {
                let (before, after) = (format!("expected/{number}"), format!("{run}/{number}"));
                renamed = renamed.replace(&letter_id(&house, &before), &letter_id(&house, &after));
            }
            let undated = |text: &str| {
                let lines = text
                    .lines()
                    .map(|line| line.split(';').take(6).collect::<Vec<_>>().join(";"));
                lines.collect::<Vec<_>>()
            };
            assert_eq!(undated(&result), undated(&renamed), "{run}");
            if !has_died {
                break 'deaths;
            }
        }
    }
    assert!(files > 10, "{files}");
    assert_eq!(stored(&house).await, files * 6);
    let mut per_person = std::collections::BTreeMap::<String, usize>::new();
    for message in told(&house).await {
        *per_person.entry(message.to).or_default() += 1;
    }
    assert_eq!(per_person.len(), 3, "{files}: {per_person:?}");
    assert!(
        per_person.values().all(|count| *count == files),
        "{files}: {per_person:?}"
    );
}

#[tokio::test]
async fn a_file_of_letters_that_is_called_off_announces_no_more() {
    let house = House::new().await;
    house.drop_file("letters/tax.csv", letters("2026")).await;
    let mut waiting = house.messages().await;
    for _ in 0..3 {
        assert!(house.hand(&waiting.remove(0)).await);
        waiting.extend(house.messages().await);
    }
    let batch = house.batch_of("tax.csv").await;
    let path = format!("/v1/batches/{}/cancel", id(&batch));
    let cancelled: Value = house.agency().post(&path, &json!({})).send().await.expect(200).body;
    assert_eq!(cancelled["rowsDone"], 3);
    house.hand_all(waiting).await;
    house.settle().await;
    assert_eq!(stored(&house).await, 3);
    // Those of the first piece are announced, and stay so.
    assert_eq!(told(&house).await.len(), 2);
    assert_eq!(house.summary_for("tax.csv").await["state"], "cancelled");
}
