//! The whole of a letter's life: random histories on the real parts, against a small model of what must hold.
//!
//! Letters are announced, opened and called off; persons change their details; streams and queues repeat, mix up and
//! lose what they carry; workers die and stop; providers fail; reports come when they come; the clock is moved over
//! nights, weeks and deadlines. Meanwhile each message that a provider takes is judged, and when all is quiet again,
//! each letter is looked at: nothing is lost and nothing is said twice.
//!
//! `LETTER_HISTORIES` says how many histories, `LETTER_SEED` repeats one run of them. What has failed once stands in
//! `seeds.txt` and is run first.

#![allow(clippy::large_futures, reason = "a history is one future, polled by the test alone")]
#![allow(clippy::print_stdout, reason = "what the histories came across is read after a run")]
#![allow(clippy::unwrap_used, reason = "a test that cannot go on says so by a panic")]

mod beginnings;
mod calendar;
mod delivery;
mod ending;
mod house;
mod letter;
mod life;
mod person;
mod runs;
mod seen;
mod sleeper;
mod steps;
mod watch;
