//! A provider registers a mailbox: new, and known (which changes nothing).

#![allow(
    missing_docs,
    clippy::unwrap_used,
    reason = "a benchmark that cannot go on says so by a panic"
)]

use std::cell::RefCell;

use criterion::{BatchSize, Criterion, criterion_group, criterion_main};
use local::{persons::synthetic, stack::Options};
use serde_json::json;
use stories::{DIGIPOST, World, start_of_time};

fn mailboxes(criterion: &mut Criterion) {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let world = runtime.block_on(World::with(Options {
        frozen_at: Some(start_of_time()),
        ..Options::default()
    }));
    let provider = world.provider(DIGIPOST);
    let register = |person: &str| {
        let mailbox = json!({ "person": person, "address": "person.number#1" });
        provider.post("/v1/mailboxes", &mailbox)
    };
    let persons = RefCell::new(synthetic());
    let known = register(&persons.borrow_mut().next().unwrap());
    runtime.block_on(known.send()).expect(201);

    let mut group = criterion.benchmark_group("register a mailbox");
    group.bench_function("new", |bencher| {
        bencher.to_async(&runtime).iter_batched(
            || register(&persons.borrow_mut().next().unwrap()),
            async |request| request.send().await.expect(201),
            BatchSize::SmallInput,
        );
    });
    group.bench_function("known, same key", |bencher| {
        bencher.to_async(&runtime).iter(|| known.send());
    });
    group.finish();
}

criterion_group!(benches, mailboxes);
criterion_main!(benches);
