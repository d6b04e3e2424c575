//! Decent hours: when a telephone may ring for something that can wait.

use jiff::{
    Timestamp,
    civil::{Time, time},
};

use crate::contact::norwegian_time;

/// From this hour on, Norwegian time: the strictest of the providers' windows.
const OPEN: Time = time(9, 0, 0, 0);
/// Until this hour.
const CLOSE: Time = time(20, 0, 0, 0);

/// The first decent moment that is not before `at`: `at` itself between 09:00 and 20:00 in Norway.
pub fn next_decent(at: Timestamp) -> Timestamp {
    let oslo = at.to_zoned(norwegian_time());
    let day = if oslo.time() < OPEN {
        Ok(oslo.date())
    } else if oslo.time() < CLOSE {
        return at;
    } else {
        oslo.date().tomorrow()
    };
    // Both steps fail only at the end of the calendar: then nobody is woken any more.
    day.and_then(|day| day.to_datetime(OPEN).to_zoned(norwegian_time()))
        .map_or(Timestamp::MAX, |opening| opening.timestamp())
}

/// Whether a telephone may ring at `at`.
pub fn is_decent(at: Timestamp) -> bool {
    next_decent(at) == at
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_telephone_rings_between_nine_and_eight_in_norway() {
        let cases = [
            // Winter: an hour ahead of UTC.
            ("2026-01-15T07:59:59Z", "2026-01-15T08:00:00Z"),
            ("2026-01-15T08:00:00Z", "2026-01-15T08:00:00Z"),
            ("2026-01-15T18:59:59Z", "2026-01-15T18:59:59Z"),
            ("2026-01-15T19:00:00Z", "2026-01-16T08:00:00Z"),
            // Summer: two.
            ("2026-07-15T06:59:59Z", "2026-07-15T07:00:00Z"),
            ("2026-07-15T18:00:00Z", "2026-07-16T07:00:00Z"),
            // The night of 29 March is an hour shorter, that of 25 October an hour longer.
            ("2026-03-28T19:00:00Z", "2026-03-29T07:00:00Z"),
            ("2026-03-29T01:30:00Z", "2026-03-29T07:00:00Z"),
            ("2026-10-24T18:00:00Z", "2026-10-25T08:00:00Z"),
            ("2026-10-25T00:30:00Z", "2026-10-25T08:00:00Z"),
            ("2026-10-25T01:30:00Z", "2026-10-25T08:00:00Z"),
        ];
        for (at, expected) in cases {
            let at: Timestamp = at.parse().unwrap();
            assert_eq!(next_decent(at), expected.parse().unwrap(), "{at}");
        }
    }

    proptest! {
        #[test]
        fn the_next_decent_moment_is_decent_and_less_than_fourteen_hours_away(second in 0i64..4_102_444_800) {
            let at = Timestamp::from_second(second).unwrap();
            let next = next_decent(at);
            prop_assert!(is_decent(next));
            prop_assert!(next >= at && next.duration_since(at).as_hours() < 14);
        }
    }
}
