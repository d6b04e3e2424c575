//! Writing a table that agencies open in spreadsheets: no cell of theirs is calculated there.

use std::fmt;

use super::{layout::Separator, row::begins_a_formula};

/// A cell that is written.
#[derive(Clone, Copy)]
pub enum Out<'a> {
    /// A word of the register: written as it is.
    Ours(&'a str),
    /// What people or callers wrote: an apostrophe goes before what a spreadsheet would calculate.
    Given(&'a str),
}

impl fmt::Debug for Out<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Ours(text) => f.debug_tuple("Ours").field(text).finish(),
            Self::Given(_) => f.write_str("Given(…)"),
        }
    }
}

/// Writes rows of cells.
#[derive(Debug)]
pub struct CsvTable {
    writer: csv_core::Writer,
}

impl CsvTable {
    /// A table with that character between its cells.
    pub fn new(separator: Separator) -> Self {
        let writer = csv_core::WriterBuilder::new()
            .delimiter(separator.byte())
            .terminator(csv_core::Terminator::Any(b'\n'))
            .build();
        Self { writer }
    }

    /// Appends a row to `out`.
    pub fn row<'a>(&mut self, out: &mut Vec<u8>, cells: impl IntoIterator<Item = Out<'a>>) {
        let writer = &mut self.writer;
        for (at, cell) in cells.into_iter().enumerate() {
            if at > 0 {
                // A closing quote and the separator.
                append(out, 2, |room| writer.delimiter(room).1);
            }
            match cell {
                Out::Given(text) if begins_a_formula(text) => field(writer, out, &format!("'{text}")),
                Out::Ours(text) | Out::Given(text) => field(writer, out, text),
            }
        }
        // A closing quote or a pair of them, and the line end.
        append(out, 3, |room| writer.terminator(room).1);
    }
}

fn field(writer: &mut csv_core::Writer, out: &mut Vec<u8>, text: &str) {
    // At worst, every character is a quote to be doubled.
    append(out, 2 * text.len() + 2, |room| writer.field(text.as_bytes(), room).2);
}

/// Lets `write` fill at most `most` bytes at the end of `out`; it says how many it did fill.
fn append(out: &mut Vec<u8>, most: usize, write: impl FnOnce(&mut [u8]) -> usize) {
    let begin = out.len();
    out.resize(begin + most, 0);
    let written = write(&mut out[begin..]);
    out.truncate(begin + written);
}

#[cfg(test)]
mod tests {
    use proptest::{collection::vec, prelude::*};

    use super::*;

    fn written(separator: Separator, rows: &[Vec<Out<'_>>]) -> String {
        let mut table = CsvTable::new(separator);
        let mut out = Vec::new();
        for row in rows {
            table.row(&mut out, row.iter().copied());
        }
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn cells_are_quoted_where_they_must_be() {
        let row = vec![
            Out::Ours("a,b"),
            Out::Given("c;d"),
            Out::Given("e \"f\""),
            Out::Ours(""),
            Out::Given("g\r\nh"),
        ];
        assert_eq!(
            written(Separator::Comma, &[row.clone(), vec![Out::Ours("x")]]),
            "\"a,b\",c;d,\"e \"\"f\"\"\",,\"g\r\nh\"\nx\n"
        );
        assert_eq!(
            written(Separator::Semicolon, &[row]),
            "a,b;\"c;d\";\"e \"\"f\"\"\";;\"g\r\nh\"\n"
        );
        assert_eq!(
            written(Separator::Comma, &[vec![Out::Ours("")], vec![Out::Ours("")]]),
            "\"\"\n\"\"\n"
        );
    }

    #[test]
    fn what_others_wrote_is_never_calculated() {
        for text in ["=1+1", "+47", "-1", "@SUM(A1)", "\t=1"] {
            assert_eq!(
                written(Separator::Semicolon, &[vec![Out::Given(text)]]),
                format!("'{text}\n")
            );
        }
        assert_eq!(written(Separator::Comma, &[vec![Out::Given("\r=1")]]), "\"'\r=1\"\n");
        assert_eq!(
            written(Separator::Comma, &[vec![Out::Given("=\"a\",b")]]),
            "\"'=\"\"a\"\",b\"\n"
        );
        assert_eq!(
            written(Separator::Comma, &[vec![Out::Ours("+4712345678"), Out::Given("a=b")]]),
            "+4712345678,a=b\n"
        );
    }

    proptest! {
        #[test]
        fn any_table_is_read_back(
            rows in vec(vec("[a;,\"\n\r '=æ]{0,6}", 1..5), 0..6),
            separator in prop_oneof![Just(Separator::Comma), Just(Separator::Semicolon)],
        ) {
            let out = rows.iter().map(|row| row.iter().map(|cell| Out::Given(cell)).collect()).collect::<Vec<_>>();
            let text = written(separator, &out);
            let mut reader = csv::ReaderBuilder::new()
                .has_headers(false)
                .flexible(true)
                .delimiter(separator.byte())
                .from_reader(text.as_bytes());
            let read: Vec<Vec<String>> =
                reader.records().map(|row| row.unwrap().iter().map(str::to_owned).collect()).collect();
            let expected: Vec<Vec<String>> = rows
                .iter()
                .map(|row| {
                    let shown = |cell: &String| if begins_a_formula(cell) { format!("'{cell}") } else { cell.clone() };
                    row.iter().map(shown).collect()
                })
                .collect();
            prop_assert_eq!(read, expected);
        }
    }
}
