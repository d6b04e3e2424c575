//! The built artefacts, run as Lambda runs them: each `bootstrap` under AWS's Runtime Interface Emulator, on the local
//! stack's tables, queues, bucket and keys, with the events that each of its triggers sends.
//!
//! Whatever a test needs done beforehand the same functions do within the stack, so both see the same store.

mod artefact;
mod authorizer;
mod emulator;
mod event;
mod faults;
mod house;
mod http;
mod queues;
mod reports;
mod schedules;
mod sizes;
mod streams;
