//! Whatever stands in a table, its rows come back in their order.

use std::sync::atomic::{AtomicU32, Ordering};

use proptest::{
    collection::vec,
    prelude::*,
    sample::select,
    test_runner::{Config, TestRunner},
};
use stories::OLA;

use crate::scene::{DELETED, House, KARI, MISTYPED, column, packed};

#[derive(Debug, Clone)]
struct Table {
    separator: char,
    line_end: &'static str,
    mark: bool,
    last_line_end: bool,
    compressed: bool,
    /// The person, the reference, a cell of the agency's own, and how many blank lines stand before it.
    rows: Vec<(&'static str, String, String, usize)>,
}

fn any_table() -> impl Strategy<Value = Table> {
    let person = select(vec![KARI, OLA, DELETED, MISTYPED, "", "nobody"]);
    // No digits: a reference must not look like a person's number.
    let row = (person, "[a-zæ ,;\"'=@+-]{0,8}", "[a-zæ ,;\"'=\r\n]{0,12}", 0usize..3);
    (
        select(vec![',', ';']),
        select(vec!["\n", "\r\n"]),
        any::<bool>(),
        any::<bool>(),
        any::<bool>(),
        vec(row, 1..14),
    )
        .prop_map(|(separator, line_end, mark, last_line_end, compressed, rows)| Table {
            separator,
            line_end,
            mark,
            last_line_end,
            compressed,
            rows,
        })
}

impl Table {
    fn written(&self) -> Vec<u8> {
        let Self {
            separator, line_end, ..
        } = self;
        let quoted = |cell: &str| format!("\"{}\"", cell.replace('"', "\"\""));
        let mark = if self.mark { "\u{feff}" } else { "" };
        let header = format!("{mark}own{separator}fnr{separator}reference");
        let rows = self.rows.iter().map(|(person, reference, own, blank_lines)| {
            let blank = line_end.repeat(*blank_lines);
            format!(
                "{blank}{}{separator}{person}{separator}{}",
                quoted(own),
                quoted(reference)
            )
        });
        let mut text = [header].into_iter().chain(rows).collect::<Vec<_>>().join(line_end);
        if self.last_line_end {
            text += line_end;
        }
        if self.compressed { packed(text) } else { text.into() }
    }

    /// What comes back of each row: the person, the reference as a spreadsheet may show it, and the outcome.
    fn expected(&self) -> Vec<[String; 3]> {
        let rows = self.rows.iter().map(|(person, reference, _, _)| {
            let shown = reference.trim();
            let is_formula = [reference.as_str(), shown]
                .iter()
                .any(|text| text.starts_with(['=', '+', '-', '@']));
            let outcome = match *person {
                _ if is_formula => "error",
                KARI => "registered",
                OLA => "not-registered",
                DELETED => "deleted",
                _ => "error",
            };
            let escape = if is_formula { "'" } else { "" };
            [(*person).to_owned(), format!("{escape}{shown}"), outcome.to_owned()]
        });
        rows.collect()
    }
}

#[test]
fn any_table_comes_back_row_for_row() {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    let house = runtime.block_on(House::new());
    let number = AtomicU32::new(0);
    let mut runner = TestRunner::new(Config {
        cases: 48,
        failure_persistence: None,
        ..Config::default()
    });
    let outcome = runner.run(&any_table(), |table| {
        let number = number.fetch_add(1, Ordering::Relaxed);
        let name = format!("{number}.csv{}", if table.compressed { ".gz" } else { "" });
        let answered = runtime.block_on(async {
            // Fewer than a page of batches are looked through for the one.
            house
                .world
                .stack
                .clock()
                .advance(jiff::SignedDuration::from_secs(1))
                .unwrap();
            house.answered(&name, table.written()).await
        });
        let columns = ["person", "reference", "outcome"].map(|name| column(&answered, name));
        let rows: Vec<_> = (0..answered.len())
            .map(|row| columns.each_ref().map(|cells| cells[row].to_owned()))
            .collect();
        prop_assert_eq!(rows, table.expected());
        Ok(())
    });
    outcome.unwrap();
}
