//! Files of recipients, as an agency lives them: what it drops comes back, row for row, whatever happens in between.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on says so by a panic")]

mod any_table;
mod bad_files;
mod bad_rows;
mod changes;
mod crashes;
mod decisions;
mod events;
mod letters;
mod outages;
mod round_trip;
mod scene;
mod sweep;
