//! When a file waits for somebody at the agency to say that it is meant: a wrong file has been read before it is sent.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// Fewer earlier files tell nothing of what is usual.
const FEWEST_EARLIER_FILES: usize = 3;

/// So many times the usual size is unusual.
const UNUSUAL_TIMES: u64 = 10;

/// Why a file waits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
pub enum HoldReason {
    /// More bad rows than a slip or two.
    ManyBadRows,
    /// Many times the rows of the agency's earlier files.
    UnusuallyMany,
}

impl HoldReason {
    /// The code that the agency reads.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::ManyBadRows => "many-bad-rows",
            Self::UnusuallyMany => "unusually-many",
        }
    }
}

/// How many rows a file of the agency usually has: the median of the earlier ones, once there are three.
pub fn usual(rows_of_earlier_files: &[u64]) -> Option<u64> {
    if rows_of_earlier_files.len() < FEWEST_EARLIER_FILES {
        return None;
    }
    let mut rows = rows_of_earlier_files.to_vec();
    rows.sort_unstable();
    let middle = rows.len() / 2;
    Some(if rows.len() % 2 == 1 {
        rows[middle]
    } else {
        rows[middle - 1].midpoint(rows[middle])
    })
}

/// Why a file has to wait; nothing for one that may go on.
pub fn hold(rows: u64, bad_rows: u64, usual: Option<u64>, most_bad_percent: u8) -> Vec<HoldReason> {
    let many_bad_rows = bad_rows.saturating_mul(100) > rows.saturating_mul(most_bad_percent.into());
    let unusually_many = usual.is_some_and(|usual| rows >= usual.max(1).saturating_mul(UNUSUAL_TIMES));
    [
        many_bad_rows.then_some(HoldReason::ManyBadRows),
        unusually_many.then_some(HoldReason::UnusuallyMany),
    ]
    .into_iter()
    .flatten()
    .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_usual_is_known_after_three_files() {
        assert_eq!(usual(&[]), None);
        assert_eq!(usual(&[10, 20]), None);
        // One huge file among them does not make huge ones usual.
        assert_eq!(usual(&[1_000_000, 10, 20]), Some(20));
        assert_eq!(usual(&[40, 10, 1_000_000, 20]), Some(30));
        assert_eq!(usual(&[u64::MAX; 4]), Some(u64::MAX));
    }

    #[test]
    fn a_file_waits_when_more_rows_are_bad_than_allowed() {
        assert_eq!(hold(1000, 50, None, 5), []);
        assert_eq!(hold(1000, 51, None, 5), [HoldReason::ManyBadRows]);
        assert_eq!(hold(1, 1, None, 99), [HoldReason::ManyBadRows]);
        assert_eq!(hold(1, 1, None, 100), []);
        assert_eq!(hold(0, 0, None, 0), []);
    }

    #[test]
    fn a_file_waits_when_it_is_ten_times_as_long_as_usual() {
        assert_eq!(hold(999, 0, Some(100), 5), []);
        assert_eq!(hold(1000, 0, Some(100), 5), [HoldReason::UnusuallyMany]);
        assert_eq!(hold(9, 0, Some(0), 5), []);
        assert_eq!(
            hold(1000, 500, Some(100), 5),
            [HoldReason::ManyBadRows, HoldReason::UnusuallyMany]
        );
        let codes = serde_json::to_value(hold(1000, 500, Some(100), 5)).unwrap();
        assert_eq!(codes, serde_json::json!(["many-bad-rows", "unusually-many"]));
        assert_eq!(HoldReason::UnusuallyMany.as_str(), "unusually-many");
    }
}
