//! What an operator does to the register on purpose, where AWS has no command for it.
//!
//! Every command can be run dry first, stopped with Ctrl-C and run again: it goes on where it was, and does nothing twice.

pub mod command;
pub mod end;
pub mod erase;
pub mod pace;
pub mod place;
pub mod progress;
pub mod provider_leaves;
pub mod rekey;
pub mod restore;
pub mod stop;
pub mod tables;
