//! Adapters to AWS: the tables, the send queues, SMS and e-mail, and the key that guards the register's secret.
//!
//! One file per table or service. A transition's writes are collected and committed together, see
//! [`transaction`].

pub mod addresses;
pub mod announcing;
pub mod batches;
pub mod caps;
pub mod changes;
pub mod circuits;
pub mod codes;
pub mod directory;
pub mod disclosures;
pub mod effects;
pub mod email;
pub mod error;
pub mod feed;
pub mod files;
mod item;
pub mod keys;
pub mod letters;
mod many;
pub mod notices;
pub mod outbox;
pub mod person_disclosures;
pub mod population;
pub mod postmarks;
pub mod queues;
pub mod register;
pub mod rekey;
pub mod relations;
pub mod requests;
pub mod retry;
pub mod sdk;
pub mod sending;
pub mod signatures;
pub mod sms;
pub mod steps;
pub mod sweeping;
mod trace;
pub mod transaction;
pub mod usage;
