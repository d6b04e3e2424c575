//! Files of recipients, as an agency lives them: what it drops comes back, row for row, whatever happens in between.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on says so by a panic")]

mod crashes;
mod round_trip;
mod scene;
