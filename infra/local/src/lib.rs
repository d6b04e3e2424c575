//! The same functions on embedded parts, in one process.
//!
//! Every part listens on a port of its own on loopback, is used through the real AWS SDK, and stops when its handle is
//! dropped. [`stack::Stack`] puts them together.

pub mod apart;
pub mod bucket;
pub mod clock;
mod control;
pub mod database;
pub mod database_faults;
mod directory;
mod drivers;
pub mod env_file;
mod environment;
mod files;
mod functions;
mod gateway;
mod keyfile;
pub mod kms;
mod lambda;
pub mod loopback;
pub mod memory;
pub mod messages;
pub mod mishaps;
pub mod openapi;
pub mod persons;
mod population;
pub mod queues;
pub mod rehearsal;
pub mod sdk;
pub mod secrets;
pub mod services;
mod settings;
pub mod soak;
pub mod stack;
pub mod template;
pub mod tokens;
pub mod upload;
pub mod verification;
