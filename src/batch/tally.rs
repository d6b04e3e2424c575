//! What became of the rows of a file, in numbers: counted piece by piece, and added up for the summary.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::reader::RowFault;

/// So many bad rows are named one by one.
const MOST_FIRST_ERRORS: usize = 100;

/// The outcome of a bad row.
const ERROR: &str = "error";

/// The counts of a file or of a piece of it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Tally {
    /// How many rows: as many as outcomes.
    pub rows: u64,
    /// How many of each outcome.
    pub outcomes: BTreeMap<String, u64>,
    /// How many bad rows of each kind.
    pub errors: BTreeMap<String, u64>,
    /// How many persons on each channel.
    pub channels: BTreeMap<String, u64>,
    /// How many parts their text messages have.
    pub sms_parts: u64,
    /// How many rows name a person whom an earlier one named.
    pub duplicates: u64,
    /// The first bad rows.
    pub first_errors: Vec<RowError>,
}

/// A bad row.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct RowError {
    /// The line on which it begins.
    pub line: u64,
    /// What is wrong with it.
    pub code: RowFault,
}

impl Tally {
    /// Counts a row and what became of it.
    pub fn outcome(&mut self, outcome: &str) {
        self.rows += 1;
        add(&mut self.outcomes, outcome, 1);
    }

    /// Counts a bad row: its outcome too.
    pub fn error(&mut self, line: u64, fault: RowFault) {
        self.outcome(ERROR);
        add(&mut self.errors, fault.as_str(), 1);
        self.name(RowError { line, code: fault });
    }

    /// Counts a person on a channel.
    pub fn channel(&mut self, channel: &str) {
        add(&mut self.channels, channel, 1);
    }

    /// Adds the counts of another piece.
    pub fn merge(&mut self, other: &Self) {
        self.rows += other.rows;
        self.sms_parts += other.sms_parts;
        self.duplicates += other.duplicates;
        for (mine, others) in [
            (&mut self.outcomes, &other.outcomes),
            (&mut self.errors, &other.errors),
            (&mut self.channels, &other.channels),
        ] {
            for (name, count) in others {
                add(mine, name, *count);
            }
        }
        for error in &other.first_errors {
            self.name(*error);
        }
    }

    /// How many rows are bad.
    pub fn bad_rows(&self) -> u64 {
        self.outcomes.get(ERROR).copied().unwrap_or_default()
    }

    /// How many rows of a hundred are bad.
    #[expect(clippy::cast_precision_loss, reason = "shown to people, with a digit or two")]
    pub fn bad_percent(&self) -> f64 {
        if self.rows == 0 {
            return 0.0;
        }
        self.bad_rows() as f64 * 100.0 / self.rows as f64
    }

    /// Names a bad row, unless enough of earlier lines are named.
    fn name(&mut self, error: RowError) {
        let at = self.first_errors.partition_point(|named| *named <= error);
        if at < MOST_FIRST_ERRORS {
            self.first_errors.insert(at, error);
            self.first_errors.truncate(MOST_FIRST_ERRORS);
        }
    }
}

fn add(counts: &mut BTreeMap<String, u64>, name: &str, more: u64) {
    // Nearly always the name is there: no copy of it is made for every row.
    if let Some(count) = counts.get_mut(name) {
        *count += more;
    } else {
        counts.insert(name.to_owned(), more);
    }
}

#[cfg(test)]
mod tests {
    use proptest::{collection::vec, prelude::*};

    use super::*;

    #[test]
    fn a_row_is_counted_once_and_a_bad_one_by_its_kind() {
        let mut tally = Tally::default();
        tally.outcome("found");
        tally.outcome("found");
        tally.outcome("not-registered");
        tally.error(5, RowFault::Formula);
        tally.channel("sms");
        assert_eq!((tally.rows, tally.bad_rows()), (4, 1));
        assert!((tally.bad_percent() - 25.0).abs() < f64::EPSILON);
        assert_eq!(
            serde_json::to_value(&tally).unwrap(),
            serde_json::json!({
                "rows": 4,
                "outcomes": { "error": 1, "found": 2, "not-registered": 1 },
                "errors": { "formula": 1 },
                "channels": { "sms": 1 },
                "smsParts": 0,
                "duplicates": 0,
                "firstErrors": [{ "line": 5, "code": "formula" }],
            })
        );
        assert!(Tally::default().bad_percent().abs() < f64::EPSILON);
    }

    #[test]
    fn the_hundred_lowest_bad_lines_are_named_whatever_the_order() {
        let mut tally = Tally::default();
        for line in (1..=300).rev() {
            tally.error(line, RowFault::InvalidIdentifier);
        }
        let lines: Vec<_> = tally.first_errors.iter().map(|error| error.line).collect();
        assert_eq!(lines, (1..=100).collect::<Vec<_>>());
        assert_eq!(tally.bad_rows(), 300);
    }

    proptest! {
        #[test]
        fn pieces_add_up_to_the_whole_in_any_order(
            lines in vec((1u64..1000, any::<bool>()), 0..250), cut in any::<prop::sample::Index>(), swap in any::<bool>(),
        ) {
            let tally = |lines: &[(u64, bool)]| {
                let mut tally = Tally::default();
                for (line, is_bad) in lines {
                    if *is_bad {
                        tally.error(*line, RowFault::Formula);
                    } else {
                        tally.outcome("found");
                        tally.channel("email");
                        tally.sms_parts += 2;
                        tally.duplicates += 1;
                    }
                }
                tally
            };
            let whole = tally(&lines);
            let (one, other) = lines.split_at(if lines.is_empty() { 0 } else { cut.index(lines.len()) });
            let (mut one, mut other) = (tally(one), tally(other));
            if swap {
                std::mem::swap(&mut one, &mut other);
            }
            one.merge(&other);
            prop_assert_eq!(one, whole);
        }
    }
}
