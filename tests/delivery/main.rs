//! What becomes of notices when queues repeat themselves, workers die and providers fail: nothing is lost, and nothing
//! is sent twice.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on says so by a panic")]

mod answers;
mod any_faults;
mod caps;
mod circuits;
mod copies;
mod deadlines;
mod entries;
mod fairness;
mod fallback;
mod pace;
mod parked;
mod races;
mod receipts;
mod reporting;
mod scene;
mod undeliverable;
mod workers;
