//! The model's own calendar: hours at which a telephone may ring, weeks, and moments worth beginning at.

use fastrand::Rng;
use jiff::{
    SignedDuration, Timestamp, ToSpan as _,
    civil::{DateTime, time},
    tz::TimeZone,
};

/// When runs begin, in Norwegian time: by day, at the edges of the day, in the night, and so that the nights in which
/// the clocks change (29 March and 25 October 2026) come at once or a week later.
const STARTS: [&str; 14] = [
    "2026-03-02T10:00",
    "2026-06-10T08:58",
    "2026-06-10T19:57",
    "2026-05-05T03:00",
    "2026-02-27T15:00",
    "2026-12-31T23:50",
    "2026-03-21T20:30",
    "2026-03-22T02:30",
    "2026-03-28T19:58",
    "2026-03-29T01:55",
    "2026-10-17T21:00",
    "2026-10-18T02:30",
    "2026-10-24T19:58",
    "2026-10-25T02:30",
];

pub(crate) fn oslo() -> TimeZone {
    TimeZone::get("Europe/Oslo").unwrap()
}

/// When a run begins.
pub(crate) fn start(random: &mut Rng) -> Timestamp {
    let local: DateTime = STARTS[random.usize(..STARTS.len())].parse().unwrap();
    let start = local.to_zoned(oslo()).unwrap().timestamp();
    // In whole milliseconds, as all that is stored.
    start + SignedDuration::from_millis(if random.bool() { random.i64(0..3_600_000) } else { 0 })
}

/// Whether a telephone may ring: from nine to eight in the evening.
pub(crate) fn rings(at: Timestamp) -> bool {
    (9..20).contains(&at.to_zoned(oslo()).hour())
}

/// The first moment from `at` on at which a telephone may ring.
pub(crate) fn next_ring(at: Timestamp) -> Timestamp {
    if rings(at) { at } else { next_at(at, 9) }
}

/// The next time that it is this hour.
pub(crate) fn next_at(at: Timestamp, hour: i8) -> Timestamp {
    let local = at.to_zoned(oslo());
    let today = local.date().to_datetime(time(hour, 0, 0, 0)).to_zoned(oslo()).unwrap();
    if today.timestamp() > at {
        return today.timestamp();
    }
    let tomorrow = local.date().tomorrow().unwrap();
    let tomorrow = tomorrow.to_datetime(time(hour, 0, 0, 0)).to_zoned(oslo());
    tomorrow.unwrap().timestamp()
}

/// The same time of day a week later.
pub(crate) fn week_after(at: Timestamp) -> Timestamp {
    at.to_zoned(oslo()).checked_add(7.days()).unwrap().timestamp()
}

/// So many calendar months later.
pub(crate) fn months_after(at: Timestamp, months: i64) -> Timestamp {
    at.to_zoned(oslo()).checked_add(months.months()).unwrap().timestamp()
}
