//! Limits on what an organisation may ask for: whoever is in a hurry is told when to come back, and whoever tries numbers
//! is stopped; everybody else never notices.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on says so by a panic")]

mod counting;
mod directory;
mod misses;
mod pace;
mod scene;
