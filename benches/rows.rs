//! What a file's row costs before and after the register is asked: read and understood, and written back.

#![allow(
    missing_docs,
    clippy::unwrap_used,
    reason = "a benchmark that cannot go on says so by a panic"
)]

use std::fmt::Write as _;

use criterion::{BatchSize, Criterion, Throughput, criterion_group, criterion_main};
use local::persons::synthetic;
use mailbox_register::{
    batch::{
        Kind,
        layout::Separator,
        name::Format,
        persons::Persons,
        reader::Reader,
        table::{CsvTable, Out},
    },
    person::Population,
};

/// Rows of one measurement.
const ROWS: usize = 10_000;

fn file() -> String {
    let mut file = "person,reference\n".to_owned();
    for (at, person) in synthetic().take(ROWS).enumerate() {
        writeln!(file, "{person},case {at}").unwrap();
    }
    file
}

/// The first pass over a file: rows are found, understood, and counted once for each person.
fn understood(file: &str) -> u64 {
    let mut reader = Reader::from_start(Kind::Lookup, Format::Csv);
    let (mut rows, mut persons) = (Vec::new(), Persons::new());
    for piece in file.as_bytes().chunks(64 * 1024) {
        reader.read(piece, &mut rows).unwrap();
        for row in rows.drain(..) {
            persons.insert(&row.recipient(Kind::Lookup, Population::Synthetic).unwrap().person);
        }
    }
    reader.end(&mut rows).unwrap();
    for row in rows {
        persons.insert(&row.recipient(Kind::Lookup, Population::Synthetic).unwrap().person);
    }
    persons.len()
}

/// The rows of a result with all columns.
fn written(persons: &[String]) -> Vec<u8> {
    let (mut table, mut out) = (CsvTable::new(Separator::Comma), Vec::new());
    for person in persons {
        let given = [Out::Given(person), Out::Given("case 17")];
        let ours = ["registered", "", "false", "true", "nb"].map(Out::Ours);
        let email = [Out::Given("kari.nordmann@example.no")];
        let times = ["2026-09-22T22:17:00.391Z"; 6].map(Out::Ours);
        let rest = [
            "false",
            "true",
            "+46701740605",
            "false",
            "true",
            "digipost",
            "984661185",
        ]
        .map(Out::Ours);
        let address = [Out::Given("kari.nordmann#7QRS"), Out::Ours("")];
        table.row(
            &mut out,
            given
                .into_iter()
                .chain(ours)
                .chain(email)
                .chain(times)
                .chain(rest)
                .chain(address),
        );
    }
    out
}

fn rows(criterion: &mut Criterion) {
    let file = file();
    assert_eq!(understood(&file), ROWS as u64);
    let persons: Vec<_> = synthetic().take(ROWS).collect();
    let mut group = criterion.benchmark_group("rows");
    group.throughput(Throughput::Elements(ROWS as u64));
    group.bench_function("read and understood", |bencher| bencher.iter(|| understood(&file)));
    group.bench_function("written", |bencher| {
        bencher.iter_batched(|| (), |()| written(&persons), BatchSize::SmallInput);
    });
    group.finish();
}

criterion_group!(benches, rows);
criterion_main!(benches);
