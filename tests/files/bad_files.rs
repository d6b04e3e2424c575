//! Files that cannot be read, or may not be: each fails with a reason, and nobody is looked up for it.

use local::bucket::{Creation, ObjectCreated, notification};
use serde_json::json;
use stories::{AGENCY, DIGIPOST, OLA};

use crate::scene::{House, KARI, SMALL_AGENCY, failure, id, packed, table, upload};

/// What an agency says of its file: a name and a value.
type Said<'a> = (&'a str, &'a str);

/// Nothing of the bad files has come of anything.
async fn nothing_was_done(house: &House) {
    assert_eq!(house.disclosures().await, 0);
    assert!(house.keys("results/").iter().all(|key| key.ends_with("/summary.json")));
    assert_eq!(house.world.outbox().await, []);
}

#[tokio::test]
async fn a_file_that_cannot_be_read_says_why_and_where() {
    let house = House::new().await;
    let latin = [&b"person,reference\n20914695016,Bj"[..], &[0xf8], b"rn\n"].concat();
    let wide: Vec<u8> = table(&[KARI]).encode_utf16().flat_map(u16::to_le_bytes).collect();
    let marked_wide = [&[0xff, 0xfe][..], &wide].concat();
    let broken = {
        let whole = packed(table(&[KARI]));
        whole[..whole.len() - 4].to_vec()
    };
    let zip = b"PK\x03\x04\x14\0\0\0\x08\0tax.csv".to_vec();
    let files: [(&str, Vec<u8>, &str, Option<u64>); 20] = [
        ("empty.csv", Vec::new(), "empty-file", None),
        ("blank.csv", b"\n \r\n\n".to_vec(), "empty-file", None),
        ("mark.csv", "\u{feff}".into(), "empty-file", None),
        ("empty.jsonl", b"\n".to_vec(), "empty-file", None),
        ("header.csv", b"person;reference\n".to_vec(), "no-rows", None),
        (
            "rows.csv",
            format!("{KARI},1\n{OLA},2\n").into(),
            "missing-header",
            Some(1),
        ),
        (
            "other.csv",
            b"\nname,reference\nx,1\n".to_vec(),
            "missing-column",
            Some(2),
        ),
        ("twice.csv", b"person,fnr\n1,2\n".to_vec(), "doubled-column", Some(1)),
        (
            "letters/unnamed.csv",
            b"person\n1\n".to_vec(),
            "missing-column",
            Some(1),
        ),
        ("latin.csv", latin, "not-utf-8", Some(2)),
        ("wide.csv", wide, "not-utf-8", Some(1)),
        ("marked-wide.csv", marked_wide, "not-utf-8", Some(1)),
        (
            "binary.csv",
            [table(&[KARI]).as_bytes(), &[0, 1]].concat(),
            "not-utf-8",
            Some(3),
        ),
        (
            "open.csv",
            b"person,reference\n1,a\n2,\"b\n3,c\n".to_vec(),
            "open-quote",
            Some(3),
        ),
        ("zip.csv.gz", zip.clone(), "not-gzip", None),
        ("plain.csv.gz", table(&[KARI]).into(), "not-gzip", None),
        ("empty.csv.gz", Vec::new(), "not-gzip", None),
        ("broken.csv.gz", broken, "broken-gzip", None),
        ("packed.csv", packed(table(&[KARI])), "not-utf-8", Some(1)),
        ("zip.csv", zip, "not-utf-8", Some(1)),
    ];
    for (name, content, code, line) in files {
        house.drop_file(name, content).await;
        house.settle().await;
        let summary = house.summary_for(name.rsplit('/').next().unwrap()).await;
        assert_eq!(failure(&summary), (code, line), "{name}");
        let batch = house.batch_of(name.rsplit('/').next().unwrap()).await;
        assert_eq!(batch["fault"]["code"], code, "{name}");
    }
    nothing_was_done(&house).await;
}

#[tokio::test]
async fn a_file_has_so_many_rows_and_bytes_and_no_more() {
    let house = House::with(&[("FileMaxRows", "4"), ("FileMaxBytes", "200")]).await;
    let long = format!("person,own\n{KARI},{}\n", "x".repeat(180));
    let files: [(&str, Vec<u8>, &str); 4] = [
        ("rows.csv", table(&[OLA; 5]).into(), "too-many-rows"),
        (
            "rows.jsonl",
            format!("{{\"person\":\"{OLA}\"}}\n").repeat(5).into(),
            "too-many-rows",
        ),
        ("bytes.csv", long.clone().into(), "file-too-large"),
        ("bytes.csv.gz", packed(&long), "file-too-large"),
    ];
    for (name, content, code) in files {
        house.drop_file(name, content).await;
        house.settle().await;
        assert_eq!(failure(&house.summary_for(name).await).0, code, "{name}");
    }
    nothing_was_done(&house).await;
    assert_eq!(house.answered("full.csv", table(&[OLA; 4])).await.len(), 4);
    assert_eq!(house.answered("full.csv.gz", packed(&long[..200])).await.len(), 1);
}

#[tokio::test]
async fn a_file_that_unpacks_to_a_thousand_times_its_size_is_left() {
    let house = House::new().await;
    let row = format!("{OLA},1\n");
    let bomb = format!("person,reference\n{}", row.repeat(2_000_000));
    let bomb = packed(bomb);
    assert!(bomb.len() < 200_000);
    house.drop_file("bomb.csv.gz", bomb).await;
    house.settle().await;
    assert_eq!(
        failure(&house.summary_for("bomb.csv.gz").await).0,
        "compressed-too-well"
    );
    nothing_was_done(&house).await;
}

#[tokio::test]
async fn a_name_that_names_a_person_is_removed_and_told_nowhere() {
    let house = House::new().await;
    let names = [
        format!("{KARI}.csv"),
        format!("letters/tax {KARI}.csv"),
        format!("tax-{}-{}.csv.gz", &KARI[..6], &KARI[6..]),
        format!("{KARI}/tax.csv"),
        format!("{KARI}.zip"),
    ];
    for name in &names {
        house.drop_file(name, table(&[OLA])).await;
        house.settle().await;
        assert!(house.keys("uploads/").is_empty(), "{name}");
        let batch = house.batches().await.remove(0);
        let summary = house.summary(&batch).await;
        assert_eq!(failure(&summary).0, "name-names-a-person");
        assert_eq!((batch.get("name"), summary.get("name")), (None, None));
        house.wait(jiff::SignedDuration::from_secs(1));
    }
    assert_eq!(house.batches().await.len(), names.len());
    let asked = house.agency().post("/v1/batches", &upload(&names[0]));
    let refused = asked.send().await;
    assert_eq!(refused.status, 422, "{}", refused.body);
    assert!(!refused.body.to_string().contains(KARI));
    nothing_was_done(&house).await;
}

#[tokio::test]
async fn a_name_that_is_none_or_of_another_type_is_refused() {
    let house = House::new().await;
    let long = format!("{}.csv", "x".repeat(57));
    for (name, code) in [
        ("tax.xlsx", "unknown-file-type"),
        ("tax.zip", "unknown-file-type"),
        ("tax.csv.gz.gz", "unknown-file-type"),
        ("tax", "unknown-file-type"),
        ("other/tax.csv", "illegal-name"),
        (".tax.csv", "illegal-name"),
        (&long, "illegal-name"),
    ] {
        house.drop_file(name, table(&[OLA])).await;
        house.settle().await;
        let batch = house.batches().await.remove(0);
        assert_eq!(failure(&house.summary(&batch).await).0, code, "{name}");
        house.wait(jiff::SignedDuration::from_secs(1));
        let asked = house.agency().post("/v1/batches", &upload(name)).send().await;
        assert_eq!(asked.status, 422, "{name}");
    }
    nothing_was_done(&house).await;
}

#[tokio::test]
async fn a_key_that_leads_elsewhere_leads_nowhere() {
    let house = House::new().await;
    let now = house.world.stack.clock().now();
    for key in [
        format!("uploads/{AGENCY}/../{SMALL_AGENCY}/tax.csv"),
        format!("uploads/../results/{AGENCY}/tax.csv"),
        format!("uploads//{AGENCY}/tax.csv"),
    ] {
        let object = ObjectCreated {
            bucket: "files".to_owned(),
            key: key.clone(),
            size: 1,
            e_tag: "0".to_owned(),
            sequencer: "1".to_owned(),
            creation: Creation::Put,
        };
        house.hand(&notification(&object, now).to_string()).await;
    }
    let rest = house.messages().await;
    house.hand_all(rest).await;
    assert!(house.batches().await.is_empty() && house.batches_of(SMALL_AGENCY).await.is_empty());
    assert!(house.keys("").is_empty());
}

#[tokio::test]
async fn a_file_is_its_folders_organisations_whoever_it_is_about() {
    let house = House::new().await;
    let said = [("purpose", "Letters about accounts")];
    house
        .put(&format!("uploads/{SMALL_AGENCY}/tax.csv"), table(&[OLA]), &said)
        .await;
    house.settle().await;
    assert!(house.batches().await.is_empty());
    let batch = house.batches_of(SMALL_AGENCY).await.remove(0);
    assert_eq!(house.summary_of(SMALL_AGENCY, &batch).await["state"], "done");
    assert!(
        house
            .keys("results/")
            .iter()
            .all(|key| key.starts_with(&format!("results/{SMALL_AGENCY}/")))
    );
    let path = format!("/v1/batches/{}", id(&batch));
    house.agency().get(&path).send().await.problem(404, "not-found");
}

#[tokio::test]
async fn what_may_not_be_asked_for_is_refused_with_a_reason() {
    let house = House::new().await;
    let naming = format!("About {KARI}");
    let cases: [(&str, &[Said<'_>], &str); 11] = [
        (AGENCY, &[("kind", "telegrams")], "invalid-order"),
        (AGENCY, &[("purpose", "x")], "invalid-order"),
        (AGENCY, &[("purpose", &naming)], "invalid-order"),
        (AGENCY, &[("reference", &naming)], "invalid-order"),
        (AGENCY, &[("dry-run", "yes")], "invalid-order"),
        (AGENCY, &[("compare-with", "yesterday")], "invalid-order"),
        (
            AGENCY,
            &[("compare-with", "00000000-0000-0000-0000-000000000001")],
            "unknown-comparison",
        ),
        (SMALL_AGENCY, &[], "missing-purpose"),
        (
            SMALL_AGENCY,
            &[("kind", "letters"), ("purpose", "Letters")],
            "not-enrolled",
        ),
        // Known, but no agency.
        (DIGIPOST, &[("purpose", "Letters")], "not-enrolled"),
        ("889640782", &[("purpose", "Letters")], "not-enrolled"),
    ];
    for (number, (organisation, said, code)) in cases.into_iter().enumerate() {
        let before = house.keys(&format!("results/{organisation}/"));
        house
            .put(&format!("uploads/{organisation}/{number}.csv"), table(&[OLA]), said)
            .await;
        house.settle().await;
        let mut summaries = house.keys(&format!("results/{organisation}/"));
        summaries.retain(|key| !before.contains(key));
        assert_eq!(summaries.len(), 1, "{said:?}");
        let summary = house.object(&summaries[0]).await.unwrap();
        let summary: serde_json::Value = serde_json::from_slice(&summary).unwrap();
        assert_eq!(failure(&summary).0, code, "{said:?}");
        assert!(!summary.to_string().contains(KARI));
    }
    nothing_was_done(&house).await;

    let refused = house.organisation(SMALL_AGENCY).post("/v1/batches", &upload("tax.csv"));
    refused.send().await.problem(422, "purpose-required");
    let letters = json!({ "name": "tax.csv", "kind": "letters", "purpose": "Letters" });
    let refused = house.organisation(SMALL_AGENCY).post("/v1/batches", &letters);
    refused.send().await.problem(403, "forbidden");
    let refused = house.organisation(DIGIPOST).post("/v1/batches", &upload("tax.csv"));
    refused.send().await.problem(403, "forbidden");
    house
        .world
        .agency()
        .post("/v1/batches", &upload("tax.csv"))
        .send()
        .await
        .problem(403, "forbidden");
    house
        .world
        .nobody()
        .post("/v1/batches", &upload("tax.csv"))
        .send()
        .await
        .problem(401, "invalid-token");
}
