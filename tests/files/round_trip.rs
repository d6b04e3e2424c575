//! What an agency sends comes back: the same rows in the same order, each with its reference and one outcome.

use sha2::{Digest as _, Sha256};
use stories::{AGENCY, OLA};

use crate::scene::{
    DELETED, House, KARI, MISTYPED, RESERVED, SMALL_AGENCY, UNKNOWN, WITH_EMAIL, WITH_MOBILE, column, id, packed, rows,
    table, upload,
};

const PERSONS: [&str; 7] = [KARI, OLA, DELETED, MISTYPED, WITH_MOBILE, KARI, ""];
const OUTCOMES: [&str; 7] = [
    "registered",
    "not-registered",
    "deleted",
    "error",
    "registered",
    "registered",
    "error",
];
const REFERENCES: [&str; 7] = ["a", "b,c", "d;e", "f \"g\"", "", "æ", "h"];

/// The same seven rows, as a table with these names, between which this stands and after which that.
fn written(names: [&str; 2], separator: char, line_end: &str) -> String {
    let quoted = |cell: &str| format!("\"{}\"", cell.replace('"', "\"\""));
    let header = format!("own{separator}{}{separator}{}", names[0], names[1]);
    let rows = PERSONS
        .iter()
        .zip(REFERENCES)
        .map(|(person, reference)| format!("{}{separator}{person}{separator}{}", quoted("x"), quoted(reference)));
    let lines: Vec<_> = [header].into_iter().chain(rows).collect();
    lines.join(line_end) + line_end
}

fn json_lines() -> String {
    let lines = PERSONS.iter().zip(REFERENCES).map(|(person, reference)| {
        let mut row = serde_json::json!({ "own": [1], "Person": person });
        if !reference.is_empty() {
            row["referanse"] = reference.into();
        }
        format!("{row}\n")
    });
    lines.collect()
}

#[tokio::test]
async fn every_way_of_writing_a_file_comes_back_with_the_same_rows_in_the_same_order() {
    let house = House::new().await;
    let plain = written(["person", "reference"], ',', "\n");
    let two_parts = [packed(&plain[..40]), packed(&plain[40..])].concat();
    let files: [(&str, Vec<u8>); 15] = [
        ("comma.csv", plain.clone().into()),
        ("semicolon.csv", written(["person", "reference"], ';', "\n").into()),
        ("mark.csv", format!("\u{feff}{plain}").into()),
        (
            "carriage-return.csv",
            written(["person", "reference"], ';', "\r\n").into(),
        ),
        ("synonyms.csv", written(["FNR", "Referanse"], ';', "\n").into()),
        (
            "blanks-around.csv",
            written([" Personidentifikator ", " REFERENCE"], ',', "\r\n").into(),
        ),
        ("no-end.csv", plain.trim_end().into()),
        (
            "blank-lines.csv",
            format!("\n\r\n{}\n  \n", plain.replace('\n', "\n\n")).into(),
        ),
        ("line-in-a-cell.csv", plain.replace("\"x\"", "\"x\ny,\r\n\"\"\"").into()),
        ("UPPER.CSV", plain.clone().into()),
        ("packed.csv.gz", packed(&plain)),
        ("packed-in-two.csv.gz", two_parts),
        ("lines.jsonl", json_lines().into()),
        (
            "lines-no-end.jsonl",
            format!("\u{feff}\n{}", json_lines().replace('\n', "\r\n\r\n").trim_end()).into(),
        ),
        ("lines-packed.jsonl.gz", packed(json_lines())),
    ];
    for (name, content) in files {
        let answered = house.answered(name, content).await;
        assert_eq!(column(&answered, "person"), PERSONS, "{name}");
        assert_eq!(column(&answered, "reference"), REFERENCES, "{name}");
        assert_eq!(column(&answered, "outcome"), OUTCOMES, "{name}");
        let errors = ["", "", "", "invalid-identifier", "", "", "invalid-identifier"];
        assert_eq!(column(&answered, "error"), errors, "{name}");
        let emails = ["kari@example.no", "", "", "", "", "kari@example.no", ""];
        let shown = if name.contains("jsonl") { "outcome" } else { "email" };
        if shown == "email" {
            assert_eq!(column(&answered, shown), emails, "{name}");
        }
    }
}

#[tokio::test]
async fn a_batch_leaves_one_result_and_one_summary_and_nothing_else() {
    let house = House::new().await;
    house.drop_file("tax-2026.csv.gz", packed(table(&PERSONS))).await;
    house.settle().await;
    let batch = house.batch_of("tax-2026.csv.gz").await;
    let folder = format!("results/{AGENCY}/{}", id(&batch));
    let left = [format!("{folder}/result.csv"), format!("{folder}/summary.json")];
    assert_eq!(house.keys("results/"), left);
    assert!(house.keys("work/").is_empty());

    let summary = house.summary(&batch).await;
    let result = house.object(&left[0]).await.unwrap();
    let hex = |bytes: &[u8]| {
        let bytes = Sha256::digest(bytes);
        bytes
            .iter()
            .fold(String::new(), |hex, byte| hex + &format!("{byte:02x}"))
    };
    assert_eq!(summary["resultSha256"], hex(&result));
    assert_eq!(summary["sha256"], hex(&packed(table(&PERSONS))));
    assert_eq!(
        (&summary["result"], &summary["name"]),
        (&left[0].as_str().into(), &batch["name"])
    );
    assert_eq!(summary["purpose"], "Letters and notices to recipients");
    assert_eq!(summary["rows"], 7);
    let outcomes = serde_json::json!({ "deleted": 1, "error": 2, "not-registered": 1, "registered": 3 });
    assert_eq!(summary["outcomes"], outcomes);
    assert_eq!(summary["duplicates"], 1);
    let errors = serde_json::json!([
        { "line": 5, "code": "invalid-identifier" }, { "line": 8, "code": "invalid-identifier" },
    ]);
    assert_eq!(summary["firstErrors"], errors);
    // Five look-ups.
    assert_eq!(summary["cost"]["total"], "0.0025");
}

#[tokio::test]
async fn a_row_says_what_a_look_up_says() {
    let house = House::new().await;
    let persons = [KARI, RESERVED, WITH_EMAIL, UNKNOWN];
    let answered = house.answered("all.csv", table(&persons)).await;
    let looked_up = house.world.agency();
    let request = serde_json::json!({ "persons": persons, "purpose": "Decision on a building permit" });
    let found = looked_up.post("/v1/lookups", &request).send().await.expect(200);
    let cell = |row: usize, pointer: &str| match found.body["results"][row].pointer(pointer) {
        None | Some(serde_json::Value::Null) => String::new(),
        Some(serde_json::Value::String(text)) => text.clone(),
        Some(other) => other.to_string(),
    };
    for (at, row) in answered.iter().enumerate() {
        for (name, pointer) in [
            ("outcome", "/status"),
            ("reserved", "/reserved"),
            ("canBeNotified", "/canBeNotified"),
            ("language", "/language"),
            ("email", "/email/address"),
            ("emailUpdatedAt", "/email/updatedAt"),
            ("emailValidatedAt", "/email/validatedAt"),
            ("mobile", "/mobile/number"),
            ("mobileShared", "/mobile/shared"),
            ("mailboxProvider", "/mailbox/provider"),
            ("mailboxAddress", "/mailbox/address"),
        ] {
            assert_eq!(row[name], cell(at, pointer), "{at} {name}");
        }
    }
    assert_eq!(answered[0]["mobile"], "+46701740605");
}

#[tokio::test]
async fn a_file_is_asked_for_uploaded_and_fetched_over_http_alone() {
    let house = House::new().await;
    let http = reqwest::Client::builder().no_proxy().build().unwrap();
    let ask = house.agency().post("/v1/batches", &upload("tax.csv")).key("tax");
    let asked = ask.send().await.expect(201).body;
    assert_eq!(asked["state"], "awaiting-upload");
    // The same request again is the same batch.
    assert_eq!(id(&ask.send().await.expect(201).body), id(&asked));
    let other = house.agency().post("/v1/batches", &upload("other.csv")).key("tax");
    other.send().await.problem(422, "idempotency-key-reused");

    let mut request = http.put(asked["upload"]["url"].as_str().unwrap());
    for (name, value) in asked["upload"]["headers"].as_object().unwrap() {
        request = request.header(name, value.as_str().unwrap());
    }
    let put = request.body(table(&[KARI, OLA])).send().await.unwrap();
    assert!(put.status().is_success());
    house.settle().await;

    let path = format!("/v1/batches/{}", id(&asked));
    let done = house.agency().get(&path).send().await.expect(200).body;
    assert_eq!(
        (&done["state"], &done["percent"], &done["rowsDone"]),
        (&"done".into(), &100.into(), &2.into())
    );
    let result = http.get(done["result"]["url"].as_str().unwrap()).send().await.unwrap();
    let result = result.bytes().await.unwrap();
    assert_eq!(column(&rows(&result), "outcome"), ["registered", "not-registered"]);
    let summary = http.get(done["summary"]["url"].as_str().unwrap()).send().await.unwrap();
    let summary: serde_json::Value = serde_json::from_slice(&summary.bytes().await.unwrap()).unwrap();
    assert_eq!(summary["state"], "done");
    assert_eq!(house.batches().await.len(), 1);
}

#[tokio::test]
async fn a_dry_run_of_look_ups_counts_and_asks_nobody() {
    let house = House::new().await;
    house.drop_as("tax.csv", table(&PERSONS), &[("dry-run", "true")]).await;
    house.settle().await;
    let summary = house.summary_for("tax.csv").await;
    assert_eq!((&summary["state"], &summary["dryRun"]), (&"done".into(), &true.into()));
    assert_eq!(
        (&summary["rows"], &summary["errors"]["invalid-identifier"]),
        (&7.into(), &2.into())
    );
    assert_eq!(summary["cost"]["lookups"], "0.0025");
    assert_eq!(summary.get("result"), None);
    assert_eq!(house.disclosures().await, 0);
    // It was not meant: meant, it is another batch.
    let meant = house.answered("tax.csv", table(&PERSONS));
    drop(meant);
    house
        .put(&format!("uploads/{AGENCY}/tax.csv"), table(&PERSONS), &[])
        .await;
    house.settle().await;
    let states: Vec<_> = house
        .batches()
        .await
        .iter()
        .map(|batch| batch["state"].clone())
        .collect();
    assert_eq!(states, ["done", "done"]);
    assert_eq!(house.disclosures().await, 2);
}

#[tokio::test]
async fn what_an_agency_says_of_its_file_is_done_and_put_on_record() {
    let house = House::new().await;
    let said = [
        ("purpose", "Refund of tax for 2025"),
        ("reference", "refunds-2025"),
        ("kind", "lookup"),
    ];
    house.drop_as("refunds.csv", table(&[KARI]), &said).await;
    house.settle().await;
    let summary = house.summary_for("refunds.csv").await;
    assert_eq!(
        (&summary["purpose"], &summary["reference"], &summary["kind"]),
        (&said[0].1.into(), &said[1].1.into(), &"lookup".into())
    );
    let records = house.world.disclosures().await;
    let record = &records.items()[0];
    assert_eq!(record["purpose"].as_s().unwrap(), said[0].1);
    assert_eq!(record["reference"].as_s().unwrap(), said[1].1);
    assert_eq!(record["organisation"].as_s().unwrap(), AGENCY);
}

#[tokio::test]
async fn an_agency_sees_the_columns_that_it_may_see() {
    let house = House::new().await;
    let said = [("purpose", "Letters about accounts")];
    house
        .put(
            &format!("uploads/{SMALL_AGENCY}/accounts.csv"),
            table(&[KARI, WITH_EMAIL]),
            &said,
        )
        .await;
    house.answered("accounts.csv", table(&[KARI, WITH_EMAIL])).await;
    let batch = house.batches_of(SMALL_AGENCY).await.remove(0);
    let summary = house.summary_of(SMALL_AGENCY, &batch).await;
    let result = house.object(summary["result"].as_str().unwrap()).await.unwrap();
    let seen = String::from_utf8(result).unwrap();
    let header =
        "person,reference,outcome,error,reserved,mailboxProvider,mailboxOrganisation,mailboxAddress,mailboxCertificate";
    assert_eq!(seen.lines().next(), Some(header));
    assert!(seen.contains("kari.nordmann#7QRS") && !seen.contains("example.no") && !seen.contains("+46"));

    let result = String::from_utf8(house.result_for("accounts.csv").await).unwrap();
    let header = "person,reference,outcome,error,reserved,canBeNotified,language,email,emailUpdatedAt,emailVerifiedAt,\
                  emailValidatedAt,emailShared,emailDeliverable,mobile,mobileUpdatedAt,mobileVerifiedAt,mobileValidatedAt,\
                  mobileShared,mobileDeliverable,mailboxProvider,mailboxOrganisation,mailboxAddress,mailboxCertificate";
    assert_eq!(result.lines().next(), Some(header));
}
