//! A list look-up of 1000 persons, 900 of them registered, over HTTP through authorizer, function and database, by both
//! contracts; beside it one person, so that the run says what a person costs.

#![allow(
    missing_docs,
    clippy::unwrap_used,
    reason = "a benchmark that cannot go on says so by a panic"
)]

use criterion::{Criterion, criterion_group, criterion_main};
use local::{persons::synthetic, stack::Options};
use serde_json::json;
use stories::{DIGIPOST, World, start_of_time};

fn lookups(criterion: &mut Criterion) {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let persons: Vec<_> = synthetic().take(1000).collect();
    let world = runtime.block_on(async {
        let world = World::with(Options {
            frozen_at: Some(start_of_time()),
            ..Options::default()
        })
        .await;
        let provider = world.provider(DIGIPOST);
        for (at, person) in persons.iter().take(900).enumerate() {
            let mailbox = json!({ "person": person, "address": format!("person.number#{at}") });
            provider.post("/v1/mailboxes", &mailbox).send().await.expect(201);
        }
        world
    });
    let agency = world.agency();
    let look_up = |count: usize| {
        let body = json!({ "persons": persons[..count], "purpose": "A benchmark of look-ups" });
        agency.post("/v1/lookups", &body)
    };
    let (thousand, hundred, one) = (look_up(1000), look_up(100), look_up(1));
    let found = runtime.block_on(thousand.send()).expect(200);
    let is_registered = |person: &&serde_json::Value| person["status"] == "registered";
    assert_eq!(
        found.body["results"]
            .as_array()
            .unwrap()
            .iter()
            .filter(is_registered)
            .count(),
        900
    );

    let mut group = criterion.benchmark_group("lookup");
    group.bench_function("1 person", |bencher| bencher.to_async(&runtime).iter(|| one.send()));
    // As many as one call to the database reads.
    group.bench_function("100 persons", |bencher| {
        bencher.to_async(&runtime).iter(|| hundred.send());
    });
    group.sample_size(30);
    group.bench_function("1000 persons, 900 registered", |bencher| {
        bencher.to_async(&runtime).iter(|| thousand.send());
    });
    // The same by the existing contract, plain and signed.
    let body = json!({ "personidentifikatorer": persons });
    let rest = agency.post("/rest/v2/personer", &body);
    let signed = rest.clone().header("accept", "application/jose");
    for request in [&rest, &signed] {
        runtime.block_on(request.send()).expect(200);
    }
    group.bench_function("1000 persons by the existing contract", |bencher| {
        bencher.to_async(&runtime).iter(|| rest.send());
    });
    group.bench_function("1000 persons by the existing contract, signed", |bencher| {
        bencher.to_async(&runtime).iter(|| signed.send());
    });
    group.finish();
}

criterion_group!(benches, lookups);
criterion_main!(benches);
