//! A record that was removed or changed shows.

use std::{collections::BTreeMap, time::Duration};

use aws_sdk_dynamodb::types::AttributeValue;
use futures_util::future::join_all;
use infra_aws::disclosures::{Chains, Disclosure, Disclosures, Place, Selection};
use jiff::SignedDuration;
use local::{
    database_faults::{Fault as DatabaseFault, Rule},
    stack::Options,
    verification::{Report, verify},
};
use mailbox_register::{disclosure::Fault, person::PersonKey};
use serde_json::json;
use stories::{AGENCY, EBOKS, World, start_of_time};
use uuid::Uuid;

use crate::{Item, KARI, look_up, wait};

fn chains(world: &World) -> Chains {
    let client = world.stack.client().clone();
    Chains::new(client, "disclosures".to_owned(), "chains".to_owned())
}

async fn verified(world: &World, selection: Selection) -> Report {
    let now = world.stack.clock().now();
    let report = verify(&chains(world), selection, now, Duration::ZERO, |_| {}).await;
    report.unwrap()
}

/// What is wrong, without where.
async fn faults(world: &World) -> Vec<Fault> {
    let report = verified(world, Selection::default()).await;
    report.faults.into_values().flatten().collect()
}

/// A register whose one chain has five records.
async fn five() -> World {
    let world = World::new().await;
    for purpose in ["one", "two", "three", "four", "five"] {
        let request = world.agency().post("/v1/lookups", &look_up(&[KARI], purpose));
        request.send().await.expect(200);
    }
    assert_eq!(faults(&world).await, []);
    world
}

/// The record of a number.
async fn record(world: &World, number: u64) -> Item {
    let records = world.disclosures().await;
    let is_it = |record: &&Item| record["number"] == AttributeValue::N(number.to_string());
    records.items().iter().find(is_it).unwrap().clone()
}

async fn put(world: &World, table: &str, item: Item) {
    let put = world.stack.client().put_item().table_name(table).set_item(Some(item));
    put.send().await.unwrap();
}

async fn remove(world: &World, number: u64) {
    let request = record(world, number).await["request"].clone();
    let delete = world.stack.client().delete_item().table_name("disclosures");
    delete.key("request", request).send().await.unwrap();
}

#[tokio::test]
async fn a_record_that_was_removed_shows() {
    let world = five().await;
    remove(&world, 3).await;
    assert_eq!(faults(&world).await, [Fault::Missing { from: 3, to: 3 }]);
    remove(&world, 2).await;
    assert_eq!(faults(&world).await, [Fault::Missing { from: 2, to: 3 }]);
}

#[tokio::test]
async fn a_record_that_was_changed_shows_whatever_was_changed() {
    for (attribute, value) in [
        ("purpose", AttributeValue::S("Curiosity".to_owned())),
        ("persons", AttributeValue::L(vec![])),
        ("at", AttributeValue::S("2026-03-02T10:00:00Z".to_owned())),
        ("organisation", AttributeValue::S(EBOKS.to_owned())),
        ("supplier", AttributeValue::S(EBOKS.to_owned())),
        ("note", AttributeValue::S("added".to_owned())),
    ] {
        let world = five().await;
        for number in [5, 3] {
            let mut record = record(&world, number).await;
            record.insert(attribute.to_owned(), value.clone());
            put(&world, "disclosures", record).await;
        }
        assert_eq!(
            faults(&world).await,
            [Fault::Changed(3), Fault::Changed(5)],
            "{attribute}"
        );
    }
}

#[tokio::test]
async fn a_chain_that_was_cut_off_doubled_or_lost_its_head_shows() {
    let world = five().await;
    remove(&world, 5).await;
    remove(&world, 4).await;
    assert_eq!(faults(&world).await, [Fault::CutOff { from: 4, to: 5 }]);

    let world = five().await;
    let mut again = record(&world, 2).await;
    again.insert("request".to_owned(), AttributeValue::S(Uuid::new_v4().to_string()));
    put(&world, "disclosures", again).await;
    assert_eq!(faults(&world).await, [Fault::Doubled(2)]);

    let world = five().await;
    let heads = world.stack.client().scan().table_name("chains").send().await.unwrap();
    let [head] = heads.items() else { panic!("one chain") };
    let delete = world.stack.client().delete_item().table_name("chains");
    delete.key("chain", head["chain"].clone()).send().await.unwrap();
    assert_eq!(faults(&world).await, [Fault::NoHead]);
    // A record that is to go early, so that nobody finds it changed.
    put(&world, "chains", head.clone()).await;
    let mut gone = record(&world, 4).await;
    gone.insert("expiresAt".to_owned(), AttributeValue::N("1".to_owned()));
    put(&world, "disclosures", gone).await;
    assert_eq!(faults(&world).await, [Fault::Missing { from: 4, to: 4 }]);
}

#[tokio::test]
async fn a_head_that_says_its_chain_is_over_hides_nothing() {
    let end_chain = async |world: &World| {
        let heads = world.stack.client().scan().table_name("chains").send().await.unwrap();
        let [head] = heads.items() else { panic!("one chain") };
        let mut head = head.clone();
        head.insert("expiresAt".to_owned(), AttributeValue::N("1".to_owned()));
        put(world, "chains", head).await;
    };
    let world = five().await;
    end_chain(&world).await;
    assert_eq!(verified(&world, Selection::default()).await.records, 5);
    remove(&world, 3).await;
    assert_eq!(faults(&world).await, [Fault::Missing { from: 3, to: 3 }]);
    // Long after the day, while there are records whose time has not come.
    wait(&world, SignedDuration::from_hours(24 * 100));
    assert_eq!(faults(&world).await, [Fault::Missing { from: 3, to: 3 }]);
    // With all of its records, sooner than any could go.
    let world = five().await;
    end_chain(&world).await;
    for number in 1..=5 {
        remove(&world, number).await;
    }
    assert_eq!(faults(&world).await, [Fault::CutOff { from: 1, to: 5 }]);
}

#[tokio::test]
async fn what_is_found_is_told_by_organisation_day_and_number_and_names_nobody() {
    let world = five().await;
    wait(&world, SignedDuration::from_hours(24));
    let about = json!({ "person": KARI });
    let request = world.provider(EBOKS).post("/v1/mailboxes/eligibility", &about);
    request.send().await.expect(200);
    let [agency, eboks] = [AGENCY, EBOKS].map(|number| Some(number.parse().unwrap()));
    let [first, second] = ["2026-03-02", "2026-03-03"].map(|day| Some(day.parse().unwrap()));
    for (organisation, day, records) in [
        (None, None, 6),
        (agency, None, 5),
        (None, second, 1),
        (eboks, second, 1),
        (eboks, first, 0),
    ] {
        let report = verified(&world, Selection { organisation, day }).await;
        assert_eq!((report.records, report.exit_code()), (records, 0), "{report}");
    }
    remove(&world, 2).await;
    for (organisation, day, exit_code) in [
        (None, None, 1),
        (agency, first, 1),
        (agency, None, 1),
        (None, first, 1),
        (eboks, None, 0),
        (None, second, 0),
    ] {
        let report = verified(&world, Selection { organisation, day }).await;
        assert_eq!(report.exit_code(), exit_code, "{report}");
        if exit_code == 1 {
            let text = report.to_string();
            assert!(text.contains("organisation 991825827 day 2026-03-02 chain "), "{text}");
            assert!(text.contains("record 2 missing"), "{text}");
            assert!(!text.contains(KARI) && !text.contains("v1#"), "{text}");
        }
    }
    // After three years all of it is past its time.
    wait(&world, SignedDuration::from_hours(24 * 365 * 4));
    assert_eq!(verified(&world, Selection::default()).await.exit_code(), 0);
}

#[tokio::test]
async fn many_workers_at_one_organisations_chains_leave_no_gap() {
    const RECORDS: usize = 6;
    let world = World::new().await;
    let place = Place {
        disclosures: "disclosures".to_owned(),
        chains: "chains".to_owned(),
        months: 36,
    };
    // More than there are lanes: some of them share one.
    let workers: Vec<_> = (0..12)
        .map(|_| Disclosures::new(world.stack.client().clone(), place.clone()))
        .collect();
    let persons = [PersonKey::from_stored("v1#nobody")];
    let at = start_of_time();
    let record = async |worker: &Disclosures, request: Uuid| {
        let disclosure = Disclosure {
            request,
            organisation: AGENCY.parse().unwrap(),
            supplier: None,
            at,
            purpose: "Decision on a building permit",
            reference: None,
            fields: vec!["contact"],
            persons: &persons,
        };
        worker.record(&disclosure).await.unwrap();
    };
    let records = workers.iter().map(async |worker| {
        join_all((0..RECORDS).map(|_| record(worker, Uuid::new_v4()))).await;
    });
    join_all(records).await;
    // The same piece of a file, by several workers at once: one record.
    let piece = Uuid::new_v4();
    join_all(workers.iter().map(|worker| record(worker, piece))).await;
    let report = verified(&world, Selection::default()).await;
    let expected = Report {
        records: 12 * RECORDS as u64 + 1,
        chains: report.chains,
        faults: BTreeMap::new(),
    };
    assert_eq!(report, expected);
    assert!(report.chains <= 8);
}

#[tokio::test]
async fn the_same_piece_is_one_record_even_if_it_was_told_in_another_lane() {
    let world = five().await;
    let first = record(&world, 1).await;
    let request = first["request"].as_s().unwrap().parse().unwrap();
    let place = Place {
        disclosures: "disclosures".to_owned(),
        chains: "chains".to_owned(),
        months: 36,
    };
    for _ in 0..9 {
        let worker = Disclosures::new(world.stack.client().clone(), place.clone());
        let again = Disclosure {
            request,
            organisation: AGENCY.parse().unwrap(),
            supplier: None,
            at: world.stack.clock().now(),
            purpose: "one",
            reference: None,
            fields: vec!["contact"],
            persons: &[],
        };
        worker.record(&again).await.unwrap();
    }
    assert_eq!(record(&world, 1).await, first);
    let report = verified(&world, Selection::default()).await;
    assert_eq!((report.records, report.chains), (5, 1));
}

#[tokio::test]
async fn an_instance_knows_how_far_its_chain_is_and_finds_out_when_it_does_not() {
    let world = World::with(Options {
        frozen_at: Some(start_of_time()),
        database_faults: true,
        ..Options::default()
    })
    .await;
    let faults = world.stack.database_faults();
    let request = world.agency().post("/v1/lookups", &look_up(&[KARI], "Taxes"));
    let asked = |operation: &str| {
        let calls = faults.calls();
        let of_chains = calls.iter().filter(|call| call.operation == operation);
        let of_chains = of_chains.filter(|call| call.tables.iter().any(|table| table == "chains"));
        of_chains.count()
    };
    request.send().await.expect(200);
    for _ in 0..3 {
        faults.clear();
        request.send().await.expect(200);
        assert_eq!((asked("GetItem"), asked("TransactWriteItems")), (0, 1));
    }
    // A new day is a new chain.
    wait(&world, SignedDuration::from_hours(20));
    let request = world.agency().post("/v1/lookups", &look_up(&[KARI], "Taxes"));
    faults.clear();
    request.send().await.expect(200);
    assert_eq!((asked("GetItem"), asked("TransactWriteItems")), (1, 1));
    // The answer to a record is lost: it counts, and the next one follows it.
    for fault in [
        DatabaseFault::AnswerLost,
        DatabaseFault::Conflict,
        DatabaseFault::Throttled,
    ] {
        faults.clear();
        faults.script(Rule::new(fault).on("TransactWriteItems").of("disclosures").times(1));
        request.send().await.expect(200);
        request.send().await.expect(200);
    }
    faults.clear();
    let report = verified(&world, Selection::default()).await;
    assert_eq!((report.records, report.exit_code()), (11, 0), "{report}");
}
